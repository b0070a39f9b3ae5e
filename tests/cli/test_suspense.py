"""``gateway suspense …``: working the items of the played day, in a copy of that home, on both databases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Played

WHY = ("--reason", "asked the lessee")
KEYS = "item kind portfolio lease invoice amount remaining reason batch check opened_on closed_on"


def numbers(home: Played) -> dict[str, str]:
    """Reason -> number of the items that the played day left."""
    return {row["reason"]: str(row["item"]) for row in home.ok("suspense", "list", "--json").rows}


def sound(home: Played) -> None:
    document = home.ok("verify", "--json").document
    assert document["ok"] is True
    assert {c["name"]: c["ok"] for c in document["checks"]}["work on suspense is as posted"] is True


def test_the_list_has_filters_and_the_keys_scripts_know(played: Played) -> None:
    rows = played.ok("suspense", "list", "--json").rows
    assert [(r["kind"], r["lease"], r["remaining"], r["reason"]) for r in rows] == [
        ("REVERSAL", "1006", "500.00", "AMOUNT_DIFFERS"),
        ("SUSPENSE", "4711", "120.00", "LEASE_UNKNOWN"),
        ("SUSPENSE", "1007", "640.00", "LEASE_STATUS"),
    ]
    assert all(" ".join(row) == KEYS for row in rows)
    for filters, left in (
        (("--kind", "reversal"), {"1006"}),
        (("--lease", "1007"), {"1007"}),
        (("--reason", "lease_unknown"), {"4711"}),
        (("--portfolio", "1", "--all"), {"1006", "1007", "4711"}),
        (("--portfolio", "2"), set()),
    ):
        assert {r["lease"] for r in played.ok("suspense", "list", *filters, "--json").rows} == left
    assert "LEASE_UNKNOWN" in played.ok("suspense", "list").out
    assert played.ok("suspense", "list", "--lease", "1").out == (
        "Nothing waits in suspense: no lease 1 is in this ledger; see gateway ledger lease.\n"
    )


def test_an_item_tells_where_it_came_from_and_what_was_done(own: Played) -> None:
    item = numbers(own)["LEASE_UNKNOWN"]
    for n in range(10):  # so that entries of units with one digit and with two stand below each other
        own.ok("suspense", "add", "--portfolio", "1", "--amount", f"1.0{n}", *WHY)
    own.ok("suspense", "note", item, "--text", "asked the lessee")
    own.ok("suspense", "apply", item, "--to", "invoice:20004=20.00", "--to", "lease:1006=50", *WHY)
    own.ok("suspense", "clear", item, "--account", "601", "--amount", "1.50", *WHY)
    shown = own.ok("suspense", "show", item)
    assert "from      p1_btchpmt.dat line 4, U0415 on 2026-03-02 by ABC" in shown.out
    assert "reason    LEASE_UNKNOWN, batch 2603029000" in shown.out and "check 7004" in shown.out
    for words in ("NOTE", "invoice 20004 PYMT", "invoice 20008 PYMT", "account 1601 RENT REVENUE", "LEASE PAYMENTS"):
        assert words in shown.out
    document = own.ok("suspense", "show", item, "--json").document
    assert document["item"]["remaining"] == "48.50" and document["item"]["awaits_target"] is False
    assert document["origin"]["file_name"] == "p1_btchpmt.dat" and document["origin"]["line_no"] == 4
    assert [(m["kind"], m["amount"], m["operator"]) for m in document["moves"]] == [
        ("NOTE", "0.00", "ABC"), ("APPLY", "-20.00", "ABC"), ("APPLY", "-50.00", "ABC"), ("CLEAR", "-1.50", "ABC"),
    ]  # fmt: skip
    assert all("cents" not in move for move in document["moves"])
    assert sum(1 for leg in document["legs"] if leg["name"] == "CLEARING") == 2
    entries = [line for line in shown.out.splitlines() if line.startswith("  entry")]
    assert len({line.index(": ") for line in entries}) == 1  # units have names and numbers of several lengths
    sound(own)


def test_applied_money_is_explained_from_invoice_lease_and_batch(own: Played) -> None:
    item = numbers(own)["LEASE_UNKNOWN"]
    own.ok("suspense", "apply", item, "--invoice", "20004", "--amount", "20.00", *WHY)
    receivable = own.ok("ledger", "receivables", "--invoice", "20004", "--json").rows[0]
    assert (receivable["paid"], receivable["open"]) == ("520.00", "690.00")
    batch = own.ok("suspense", "show", item, "--json").document["item"]["batch"]
    for reference in ("20004", "1003", batch):
        (story, *_) = own.ok("trace", reference, "--json").document["stories"]
        (move,) = story["moves"]
        assert (str(move["item"]), move["kind"], move["amount"], move["invoice"]) == (item, "APPLY", "-20.00", "20004")
        assert move["entry_id"] in {entry["entry"] for entry in story["entries"]}
        assert (
            f"suspense item {item} move 1: APPLY -20.00, invoice 20004 PYMT, by ABC" in own.ok("trace", reference).out
        )


def test_the_list_of_payments_shows_what_suspense_paid(own: Played) -> None:
    item = numbers(own)["LEASE_UNKNOWN"]
    before = own.ok("ledger", "payments", "--json").rows
    own.ok("suspense", "apply", item, "--to", "invoice:20004=20.00", "--to", "lease:1006=50", *WHY)
    batch = own.ok("suspense", "show", item, "--json").document["item"]["batch"]
    (row,) = (
        r for r in own.ok("ledger", "payments", "--lease", "1003", "--json").rows if r["state"] == "FROM SUSPENSE"
    )
    assert (row["batch"], row["check"], row["line"], row["operator"], row["bank"]) == (batch, "7004", None, "ABC", None)
    assert (str(row["suspense_item"]), row["type"]) == (item, "RENT FROM SUSPENSE")
    assert (row["effective_date"], row["effective_time"], row["invoice"], row["due_date"], row["charge"], row["amount"]) == (
        "2026-03-03", "14:00:00", "20004", "2026-03-15", "PYMT", "20.00",
    )  # fmt: skip
    assert [(r["state"], r["amount"]) for r in own.ok("ledger", "payments", "--batch", batch, "--json").rows] == [
        ("APPLIED", "50.00"), ("FROM SUSPENSE", "20.00"), ("FROM SUSPENSE", "50.00"),
    ]  # fmt: skip
    assert own.ok("ledger", "payments", "--invoice", "20004", "--from", "2026-03-03", "--json").rows == [row]
    entries = {r["entry"] for r in own.ok("ledger", "journal", "--batch", batch, "--json").rows}
    assert len(entries) == 4  # into suspense, out of it, and through the other office
    own.ok("suspense", "clear", item, "--account", "601", *WHY)
    assert [(r["type"], r["amount"]) for r in own.ok("ledger", "payments", "--batch", batch, "--json").rows] == [
        ("RENT FROM SUSPENSE", "20.00"), ("RENT FROM SUSPENSE", "50.00"), ("SUSPENSE CLEARED", "50.00"),
    ]  # fmt: skip
    assert "SUSPENSE 0.00" not in " ".join(own.ok("ledger", "payments", "--batch", batch).out.split())
    own.ok("suspense", "undo", item, "--move", "3", *WHY)
    own.ok("suspense", "undo", item, "--move", "1", *WHY)
    assert own.ok("ledger", "payments", "--json").rows == before
    undone = own.ok("ledger", "payments", "--state", "reversed", "--batch", batch, "--json").rows
    assert [r["amount"] for r in undone] == ["20.00", "50.00", "50.00"]


def test_money_goes_out_by_check_and_comes_back(own: Played) -> None:
    items = numbers(own)
    paid = own.ok("suspense", "pay", items["LEASE_UNKNOWN"], "--check", "50001", "--payee", "HARBOR MOTORS", "--address",
                  "1 PIER ROAD / HARBOR, WA", "--amount", "20", *WHY, "--json").document  # fmt: skip
    assert (paid["item"]["remaining"], paid["moves"][0]["check_no"], paid["moves"][0]["bank"]) == (
        "100.00",
        "50001",
        "126",
    )
    refunded = own.ok("suspense", "refund", items["LEASE_STATUS"], "--check", "50002", "--bank", "130", "--due", "2026-03-09",
                      *WHY)  # fmt: skip
    assert "closed on 2026-03-03" in refunded.out and "check 50002 of bank 130" in refunded.out
    checks = {r["check"]: r for r in own.ok("ledger", "checks", "--json").rows}
    assert (checks["50001"]["type"], checks["50001"]["amount"], checks["50001"]["payee"]) == (
        "SUSP",
        "20.00",
        "HARBOR MOTORS",
    )
    assert (checks["50002"]["payee"], checks["50002"]["disbursement_date"]) == ("RIVERA TRUCKING", "2026-03-09")
    (story,) = own.ok("trace", "50001", "--json").document["stories"]
    assert [m["kind"] for m in story["moves"]] == ["PAY"] and len(story["entries"]) == 1
    sound(own)
    undone = own.ok("suspense", "undo", items["LEASE_UNKNOWN"], "--move", "1", "--reason", "wrong payee").out
    assert "takes back move 1, check 50001 of bank 126" in undone
    assert own.ok("ledger", "checks", "--check", "50001", "--json").rows[0]["flag"] == "V"
    (story,) = own.ok("trace", "50001", "--json").document["stories"]
    assert [m["kind"] for m in story["moves"]] == ["PAY", "UNDO"] and len(story["entries"]) == 2
    sound(own)


def test_reversal_suspense_is_added_changed_and_cleared(own: Played) -> None:
    item = numbers(own)["AMOUNT_DIFFERS"]
    changed = own.ok(
        "suspense", "change", item, "--amount", "505.25", "--lease", "1001", "--check", "77", *WHY, "--json"
    )
    assert (changed.document["item"]["amount"], changed.document["item"]["check"]) == ("505.25", "77")
    own.ok("suspense", "clear", item, "--check", "9001", "--amount", "5.25", *WHY)
    refused = own.do("suspense", "clear", item, "--account", "SUSPENSE", *WHY)
    assert refused.code == 3 and "nor from Reversal Suspense into it" in refused.err
    own.ok("suspense", "clear", item, "--account", "CLEARING", *WHY)
    added = own.ok(
        "suspense", "add", "--portfolio", "1", "--lease", "1005", "--amount", "12.00", *WHY, "--json"
    ).document
    assert (added["item"]["reason"], added["item"]["lease"], added["moves"][0]["kind"]) == ("BY_HAND", "1005", "ADD")
    assert "by hand: asked the lessee" in own.ok("suspense", "show", str(added["item"]["item"])).out
    sound(own)


def test_a_dry_run_changes_nothing(own: Played) -> None:
    items = numbers(own)
    before = own.ok("ledger", "journal", "--json").out, own.ok("suspense", "list", "--json").out
    item, failed = items["LEASE_UNKNOWN"], items["AMOUNT_DIFFERS"]
    own.ok("suspense", "clear", item, "--account", "601", "--amount", "1", *WHY)
    for step in (
        ("apply", item, "--lease", "1003"), ("pay", item, "--check", "1", "--payee", "X"),
        ("clear", failed, "--account", "001"), ("clear", failed, "--check", "1"), ("undo", item, "--move", "1"),
        ("add", "--portfolio", "1", "--amount", "1.00"), ("change", failed, "--amount", "1.00"),
        ("refund", items["LEASE_STATUS"], "--check", "1"),
    ):  # fmt: skip
        assert "Nothing is posted: --dry-run." in own.ok("suspense", *step, *WHY, "--dry-run").out
        document = own.ok("suspense", *step, *WHY, "--dry-run", "--json").document
        assert document["dry_run"] is True and document["unit"] is None and document["moves"]
        assert all("cents" not in move for move in document["moves"])
    own.ok("suspense", "undo", item, "--move", "1", *WHY)
    journal = json.loads(own.ok("ledger", "journal", "--json").out)["rows"]
    assert len(journal) == len(json.loads(before[0])["rows"]) + 4
    assert own.ok("suspense", "list", "--json").out == before[1]


WRONG = [
    (("show", "99"), 2, "suspense item 99: found none of that number"),
    (("apply", "ITEM", *WHY), 2, "found 0 of --invoice and --lease, expected one of them"),
    (("apply", "ITEM", "--lease", "1003", "--invoice", "20004", *WHY), 2, "found 2 of --invoice and --lease"),
    (("apply", "ITEM", "--lease", "1003", "--to", "lease:1003", *WHY), 2, "found 1 of --invoice and --lease beside --to"),
    (("apply", "ITEM", "--to", "lease:1003", "--amount", "1", *WHY), 2,
     "found --amount 1 beside --to, expected each amount in its --to; with --to give the amount as lease:1003=1"),
    (("apply", "ITEM", "--to", "1003", *WHY), 2, "--to 1003: found no such target"),
    (("apply", "ITEM", "--lease", "1003", "--amount", "0", *WHY), 2, "--amount: found '0'"),
    (("apply", "ITEM", "--lease", "1003", "--reason", " "), 2, "found no reason"),
    (("apply", "ITEM", "--lease", "1007", *WHY), 3, "found lease 1007 with status HREP"),
    (("apply", "ITEM", "--lease", "1001", "--amount", "500", *WHY), 3, "expected at most 120.00"),
    (("apply", "ITEM", "--lease", "1003", "--bank", "126", *WHY), 2, "found --bank without --refund-check"),
    (("apply", "ITEM", "--lease", "1003", "--due", "2026-03-09", *WHY), 2, "found --due without --refund-check"),
    (("apply", "ITEM", "--to", "lease:1003=1.00", "--refund-check", "9", *WHY), 3, "found lease 4711, expected one of portfolio 1"),
    (("clear", "ITEM", *WHY), 2, "found not one way to clear"),
    (("clear", "ITEM", "--account", "601", "--check", "1", *WHY), 2, "found not one way to clear"),
    (("clear", "ITEM", "--account", "601", "--bank", "125", *WHY), 2, "found not one way to clear"),
    (("clear", "ITEM", "--check", "1", *WHY), 3, "found an item of plain suspense"),
    (("pay", "ITEM", "--check", "1", "--payee", "X", "--due", "20260303", *WHY), 2, "--due: found '20260303'"),
    (("pay", "ITEM", "--check", "1", "--payee", "X", "--due", "2026-03-02", *WHY), 3,
     "found due date 2026-03-02, expected the business date 2026-03-03 or a later one; give another --due, or leave it out"),
    (("pay", "ITEM", "--check", "1", "--payee", "X", "--bank", "124", *WHY), 3, "found bank 124"),
    (("add", "--portfolio", "1", "--amount", "1.00", "--batch", "ABC", *WHY), 2, "suspense add: found 'ABC' for the batch, "
     "expected 20 digits: entry date YYMMDD, 6 of the session, 8 of the sequence; correct it"),
    (("add", "--portfolio", "1", "--amount", "1.00", "--batch", "", *WHY), 2, "found no value for the batch"),
    (("add", "--portfolio", "1", "--amount", "1.00", "--batch", "2602029000010000000", *WHY), 2, "expected 20 digits"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "code", "words"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_wrong_use_and_refusals_have_their_codes_and_words(
    played: Played, step: tuple[str, ...], code: int, words: str
) -> None:
    item = numbers(played)["LEASE_UNKNOWN"]
    done = played.do("suspense", *(item if part == "ITEM" else part for part in step))
    assert (done.code, done.out) == (code, "") and words in done.err
    as_json = played.do("suspense", *(item if part == "ITEM" else part for part in step), "--json")
    assert words in as_json.document["error"]["messages"][0]


def test_a_backup_takes_the_history_along(own: Played, tmp_path: Path) -> None:
    item = numbers(own)["LEASE_UNKNOWN"]
    own.ok("suspense", "apply", item, "--lease", "1003", *WHY)
    own.ok("backup", str(tmp_path / "backup"))
    manifest = json.loads((tmp_path / "backup" / "manifest.json").read_text())
    assert manifest["rows"]["suspense_move"] == 1
    restored = Played(tmp_path / "restored", f"sqlite:///{tmp_path}/restored.db")
    restored.ok("restore", str(tmp_path / "backup"), "--home", str(restored.root))
    shown = own.ok("suspense", "show", item, "--json").document
    assert restored.ok("suspense", "show", item, "--json").document == shown
