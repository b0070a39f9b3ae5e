"""A reversal before it happens, by a file and by hand, in a copy of the played home, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Played

B1, B2, B3 = (f"2602{n}70000100000001" for n in ("01", "02", "03"))
FILE = "p1_bptmtrev.dat"


@pytest.fixture
def desk(own: Played) -> Played:
    """Lease 1006 has paid three invoices of 200.00 by three batches; the business date is 2026-03-03."""
    invoices = "".join(f"9000{n},1006,2026-0{n}-01,PYMT,200.00\n" for n in (1, 2, 3))
    payments = "".join(
        f"{batch},1,{n}23,JS1,2026-02-2{n},09:00:00,1006,9000{n},200.00\n" for n, batch in enumerate((B1, B2, B3), 1)
    )
    (own.root / "invoices.csv").write_text("invoice,lease,due_date,charge,amount\n" + invoices)
    (own.root / "payments.csv").write_text(
        "batch,line,check,operator,effective_date,effective_time,lease,invoice,amount\n" + payments
    )
    own.ok("load", str(own.root / "invoices.csv"), str(own.root / "payments.csv"))
    return own


def record(home: Played, *lines: str) -> Path:
    path = home.root / FILE
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def amounts(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"invoice": invoice, "amount": amount} for invoice, amount in pairs]


MOVES = [
    (B1, "reversed", amounts(("90001", "200.00")), []),
    (B2, "re-applied", amounts(("90002", "200.00")), amounts(("90001", "200.00"))),
    (B3, "re-applied", amounts(("90003", "200.00")), amounts(("90002", "200.00"))),
]


def moved(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["batch"], row["action"], row["old"], row["new"]) for row in rows]


def everything(home: Played) -> list[str]:
    asked = [*(("ledger", name) for name in ("journal", "receivables", "payments")), ("suspense", "list")]
    return [home.ok(*words, "--json").out for words in asked]


def test_a_check_shows_what_would_move_and_changes_nothing(desk: Played) -> None:
    path, before = record(desk, f"L1006,20000,B{B1},RNSFC"), everything(desk)
    (document,) = desk.ok("check", str(path), "--json").rows
    assert moved(document["would_move"]) == MOVES and document["would_move_count"] == 3
    assert document["would_leave_open"] == [
        {"lease": "1006", "invoice": "90003", "due_date": "2026-03-01", "open": "200.00"},
        {"lease": "1006", "invoice": "20008", "due_date": "2026-03-15", "open": "505.25"},
    ]
    shown = desk.ok("check", str(path)).out
    assert f"line 1: batch {B1}, check 123, lease 1006 would be reversed: 90001 200.00\n" in shown
    assert f"line 1: batch {B3}, check 323, lease 1006 would be re-applied: 90003 200.00 -> 90002 200.00\n" in shown
    assert "would be left open: lease 1006, invoice 90003 due 2026-03-01, 200.00\n" in shown
    assert everything(desk) == before


def test_a_batch_reversed_by_hand_moves_as_by_a_file(desk: Played) -> None:
    before = everything(desk)
    dry = desk.ok("payment", "reverse", B1, "--reason", "NSFC", "--dry-run", "--json").document
    assert everything(desk) == before and (dry["dry_run"], dry["unit"]) == (True, None)
    done = desk.ok("payment", "reverse", B1, "--reason", "nsfc", "--why", "bank letter", "--json").document
    for document in (dry, done):
        assert (document["amount"], moved(document["rows"]), document["messages"]) == ("200.00", MOVES, [])
        assert document["fees"] == []
        assert [row["invoice"] for row in document["left_open"]] == ["90003", "20008"]
    rows = desk.ok("ledger", "payments", "--lease", "1006", "--json").rows
    mine = [row for row in rows if row["batch"] in (B1, B2, B3)]
    assert [(row["batch"], row["operator"], row["invoice"], row["line"]) for row in mine] == [
        (B2, "ABC", "90001", 2), (B3, "ABC", "90002", 2),
    ]  # fmt: skip
    entries = desk.ok("ledger", "journal", "--unit", str(done["unit"]), "--json").rows
    assert {(e["source_file"], e["source_line"], e["operator"], e["unit_reason"]) for e in entries} == {
        (None, None, "ABC", "NSFC: bank letter")
    }
    assert {e["reason"] for e in entries} == {"NSFC", "NSFC: bank letter"}  # the unit's where an entry has none
    (story,) = desk.ok("trace", B1, "--json").document["stories"]
    assert ("NSFC: bank letter", "ABC") in {(e["unit_reason"], e["operator"]) for e in story["entries"]}
    assert "by ABC: NSFC: bank letter\n" in desk.ok("trace", str(entries[0]["entry"])).out
    assert desk.ok("verify", "--json").document["ok"] is True


def test_what_is_shown_by_hand_to_a_person(desk: Played) -> None:
    would = desk.ok("payment", "reverse", B2, "--reason", "TMSA", "--dry-run").out
    assert would.startswith(f"Would reverse 200.00, all of batch {B2}:\n") and would.endswith("Nothing was changed.\n")
    done = desk.ok("payment", "reverse", B2, "--reason", "TMSA").out
    assert f"  batch {B3}, check 323, lease 1006 re-applied: 90003 200.00 -> 90002 200.00\n" in done
    assert "  left open: lease 1006, invoice 90003 due 2026-03-01, 200.00\n" in done
    assert "WARNING TARGET_REQUIRED: " in done and "(suspense item " in done and "It is posting unit " in done
    table = desk.ok("ledger", "payments", "--lease", "1006").out.splitlines()
    assert table[0].split() == [
        "BATCH", "CHECK", "OPERATOR", "EFFECTIVE", "DATE", "LEASE", "INVOICE", "DUE", "DATE", "TYPE", "AMOUNT",
    ]  # fmt: skip
    assert [B3, "323", "ABC", "2026-02-23", "1006", "90002", "2026-02-01"] in [line.split()[:7] for line in table]
    every = desk.ok("ledger", "payments", "--lease", "1006", "--all").out.splitlines()
    assert every[0].endswith("AMOUNT  STATE") and len(every) > len(table)


def test_the_fee_for_a_bounced_payment_is_named_before_and_after(desk: Played) -> None:
    settings = desk.root / "config" / "portfolios" / "p01.toml"
    settings.write_text(settings.read_text() + '[reversals]\nnsf_fee_code = "LTCH"\nnsf_fee = "25.00"\n')
    words = "Found fee LTCH of 25.00 assessed on invoice 20008, because a payment of lease 1006 bounced, expected a payment that "
    words += "is good: tell the lessee."
    path = record(desk, f"L1006,20000,B{B1},RNSFC")
    (document,) = desk.ok("check", str(path), "--json").rows
    assert document["messages"] == [
        {"line": 1, "severity": "W", "code": "NSF_FEE_ASSESSED", "message": words, "amount": "25.00"}
    ]
    assert f"line 1: WARNING NSF_FEE_ASSESSED: {words}" in desk.ok("check", str(path)).out
    given = ("payment", "reverse", B1, "--reason", "NSFC")
    assert f"WARNING NSF_FEE_ASSESSED: {words}\n" in desk.ok(*given, "--dry-run").out
    assert desk.ok("ledger", "lease", "--lease", "1006", "--json").rows[0]["nsf_count"] == 0
    done = desk.ok(*given, "--json").document
    (message,) = done["messages"]
    assert (message["code"], message["message"], message["amount"]) == ("NSF_FEE_ASSESSED", words, "25.00")
    assert done["fees"] == [{"lease": "1006", "invoice": "20008", "charge": "LTCH", "amount": "25.00"}]
    assert desk.ok("ledger", "lease", "--lease", "1006", "--json").rows[0]["nsf_count"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("26020100000700000009", "--reason", "NSFC"), 2,
         "reversing batch 26020100000700000009: found no such batch, expected one that is posted; correct the number; gateway "
         "ledger payments lists them"),
        *(((B1, "--reason", typed), 2,
           f"payment reverse: found reason {typed.upper()!r}, expected a code of up to 4 in capitals that begins with N, S, U, T, "
           "O, such as NSFC; words go into --why") for typed in ("bounced", "NSFCX", "N F", "N,F", "XXXX", "")),
        *(((B1, "--reason", "NSFC", "--effective", typed), 2,
           f"payment reverse: found effective_date {typed!r}, which would be read as {heard!r}, expected one that a line of a "
           "file can say; correct it") for typed, heard in (("0001-01-01", "2001-01-01"), ("9999-12-31", "1999-12-31"))),
        ((B1, "--reason", "NSFC", "--effective", "2026-02-30"), 2,
         "--effective: found '2026-02-30', expected a date such as 2026-11-21"),
        ((B1, "--reason", "NSFC", "--bank", ""), 2,
         "payment reverse: found an empty bank, expected a value; give one or leave it out"),
        ((B1, "--reason", "NSFC", "--check", " "), 2,
         "payment reverse: found an empty check no, expected a value; give one or leave it out"),
        ((B1, "--reason", "NSFC", "--bank", "1256"), 2,
         "payment reverse: found '1256' for the bank, expected a bank of three digits; correct it"),
        ((B1, "--reason", "NSFC", "--check", "12345678901"), 2,
         "payment reverse: found '12345678901' of 11 characters for the check no, expected 10 at most; correct it"),
        ((B1, "--reason", "NSFC", "--check", "9,G126"), 2,
         "payment reverse: found ',' in check no '9,G126', expected none there: it parts the items of a file's line, which keeps what is typed; "
         "leave it out"),
        ((B1, "--reason", "NSFC", "--amount", "199.99"), 3,
         f"reversing batch {B1}: found 199.99, expected 200.00, all of batch {B1}; leave --amount out, or find out which batch "
         "is meant"),
        ((B1, "--reason", "NSFC", "--amount", "-200"), 2,
         "--amount: found '-200', expected an amount above zero such as 432.98"),
        ((B1, "--reason", "NSFC", "--check", "9"), 3,
         f"reversing batch {B1}: found check 9, expected check 123 of batch {B1}; leave --check out, or find out which batch is "
         "meant"),
        ((B1, "--reason", "NSFC", "--bank", "999"), 3,
         f"reversing batch {B1}: found bank 999, expected a cash account 125 to 144 of the office's chart; name another --bank; "
         "one of these that is missing comes with gl_accounts.csv"),
    ],
)  # fmt: skip
def test_by_hand_refused_instead_of_an_item(desk: Played, arguments: tuple[str, ...], code: int, words: str) -> None:
    before = everything(desk)
    done = desk.do("payment", "reverse", *arguments)
    assert (done.code, done.err) == (code, f"gateway: {words}\n")
    assert everything(desk) == before


def test_a_reversal_by_hand_counts_from_the_day_that_is_said(desk: Played) -> None:
    done = desk.ok(
        "payment", "reverse", B3, "--reason", "UNDO", "--check", "323", "--effective", "2026-02-27", "--json"
    )
    entries = desk.ok("ledger", "journal", "--unit", str(done.document["unit"]), "--json").rows
    assert {entry["effective_date"] for entry in entries} == {"2026-02-27"}


def test_a_batch_reversed_before_is_refused_by_hand_too(desk: Played) -> None:
    desk.ok("payment", "reverse", B3, "--reason", "UNDO")
    again = desk.do("payment", "reverse", B3, "--reason", "UNDO")
    assert again.code == 3 and "reversed before, expected a live batch" in again.err


def test_a_batch_taken_back_with_its_file_is_told_from_a_wrong_number(own: Played) -> None:
    """The corrected file may have had the same number before it was taken back too: the last one is named."""
    for check in ("C1", "C2"):
        drop(own, "p1_btchpmt.dat", f"L1003,20000,{check},B{B1}")
        (last,) = (row for row in own.ok("files", "list", "--json").rows[-1:] if row["state"] == "POSTED")
        own.ok("files", "reverse", str(last["id"]), "--reason", "wrong bank")
    done = own.do("payment", "reverse", B1, "--reason", "NSFC")
    assert (done.code, done.err) == (3,
        f"gateway: reversing batch {B1}: found it taken back with its file {last['id']} (p1_btchpmt.dat), expected a batch that "
        "is posted; nothing is to be done, unless the number is wrong\n",
    )  # fmt: skip


def drop(home: Played, name: str, *lines: str) -> None:
    (home.root / "inbox" / name).write_text("".join(f"{line}\n" for line in lines))
    home.do("process")


@pytest.mark.parametrize(("reason", "rest"), [("NSFC", []), ("TMSA", ["905.25"])])
def test_a_batch_whose_suspense_was_spent_in_part_and_re_applied_can_be_reversed(
    own: Played, reason: str, rest: list[str]
) -> None:
    """100.00 of 200.00 in suspense are applied; a reversal applies the other 100.00 again. Every list says where each cent
    is, and once the step is taken back the batch goes back whole."""
    invoices = "".join(f"900{lease}{n},100{lease},2026-0{n}-01,PYMT,200.00\n" for lease in (3, 6) for n in (1, 2, 3))
    (own.root / "invoices.csv").write_text("invoice,lease,due_date,charge,amount\n" + invoices)
    own.ok("load", str(own.root / "invoices.csv"))
    lines = (f"I90061,20000,C1,E260105,B{B1}", f"I90062,20000,C2,E260205,B{B2}", f"L1006,90525,C3,E260302,B{B3}")
    drop(own, "p1_btchpmt.dat", *lines)
    (item,) = (r["item"] for r in own.ok("suspense", "list", "--lease", "1006", "--json").rows if r["batch"] == B3)
    own.ok("suspense", "apply", str(item), "--invoice", "90031", "--amount", "100.00", "--reason", "part")
    drop(own, FILE, f"L1006,20000,B{B1},RNSFC")

    def payments(*more: str) -> list[tuple[str, str | None, str]]:
        rows = own.ok("ledger", "payments", "--batch", B3, *more, "--json").rows
        return [(row["state"], row["invoice"], row["amount"]) for row in rows]

    assert payments() == [
        ("APPLIED", "90062", "200.00"), ("APPLIED", "90063", "200.00"), ("APPLIED", "20008", "405.25"),
        ("FROM SUSPENSE", "90031", "100.00"),
    ]  # fmt: skip
    shown = own.ok("suspense", "show", str(item), "--json").document
    (taken,) = shown["taken"]
    assert [taken[k] for k in ("kind", "amount", "batch", "file_name", "line_no", "reason")] == [
        "RE-APPLIED", "-100.00", B3, FILE, 1, "NSFC",
    ]  # fmt: skip
    assert f"batch {B3}, {FILE} line 1, entry {taken['entry_id']}" in own.ok("suspense", "show", str(item)).out
    refused = own.do("payment", "reverse", B3, "--reason", reason)
    assert f"found 100.00 of suspense item {item} of batch {B3} spent since" in refused.err
    own.ok("suspense", "undo", str(item), "--move", "1", "--reason", "back")
    assert ("APPLIED", None, "100.00") in payments()
    own.ok("payment", "reverse", B3, "--reason", reason)
    assert payments() == []
    again = own.do("payment", "reverse", B3, "--reason", reason)
    assert "expected a live batch; nothing is to be done, unless the batch number is wrong" in again.err
    shown = own.ok("suspense", "show", str(item), "--json").document
    assert [(one["kind"], one["amount"]) for one in shown["taken"]] == [
        ("RE-APPLIED", "-100.00"),
        ("REVERSED", "-100.00"),
    ]
    assert shown["item"]["remaining"] == "0.00"
    waiting = own.ok("suspense", "list", "--lease", "1006", "--json").rows
    assert [r["remaining"] for r in waiting if r["batch"] == B3] == rest
    receivables = own.ok("ledger", "receivables", "--lease", "1006", "--json").rows
    assert [r["open"] for r in receivables if r["invoice"][:4] == "9006"] == ["0.00", "200.00", "200.00"]
    assert own.ok("verify", "--json").document["ok"] is True
