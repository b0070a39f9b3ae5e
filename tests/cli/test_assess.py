"""``gateway assess``: one charge by hand, in a copy of the played home, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.app import system_user
from gateway.ledger.database import Database
from tests.cli.conftest import Played

ASSESS = ("assess", "--reason", "paid late twice")


@pytest.fixture
def desk(own: Played) -> Played:
    """Lease 1006 has an invoice due in February and two later ones, 1005 none that is due, 1008 is terminated; asset 778
    is on lease 1001; the business date is 2026-03-03."""
    rows = "invoice,lease,due_date,charge,amount\n90001,1006,2026-02-01,PYMT,50.00\n90002,1006,2026-05-01,PYMT,60.00\n"
    (own.root / "invoices.csv").write_text(rows)
    own.ok("load", str(own.root / "invoices.csv"))
    return own


def rows_of(home: Played, statement: str) -> list[tuple[Any, ...]]:
    database = Database(home.url)
    with database.read() as connection:
        found = [tuple(row) for row in connection.execute(text(statement))]
    database.close()
    return found


def everything(home: Played) -> list[Any]:
    """The ledger as people see it, and what is staged."""
    lists = [home.ok("ledger", name, "--json").out for name in ("journal", "receivables", "lease")]
    return [
        *lists,
        rows_of(home, "SELECT COUNT(*) FROM staged_assessment"),
        rows_of(home, "SELECT name, next FROM counter"),
    ]


def legs(home: Played, unit: int) -> list[tuple[str, str, str]]:
    rows = home.ok("ledger", "journal", "--unit", str(unit), "--json").rows
    return [(row["name"], row["debit"], row["credit"]) for row in rows]


CASES: list[tuple[tuple[str, ...], str, dict[str, Any], list[tuple[str, str, str]]]] = [
    (("--lease", "1006", "--charge", "ltch", "--amount", "25.00"), "<lease>1006<assmt>LTCH<amount>2500",
     {"invoice": "20008", "due_date": "2026-03-15", "new_invoice": False, "charge": "LTCH", "asset": None},
     [("ASSMT RECV - LTCH", "25.00", "0.00"), ("ASSESSED FEES", "0.00", "25.00")]),
    (("--lease", "1006", "--charge", "RCR5", "--amount", "40"), "<lease>1006<assmt>RCR5<amount>4000",
     {"invoice": "20008", "due_date": "2026-03-15", "new_invoice": False, "charge": "RCR5", "asset": None},
     [("ASSMT RECV - RCR CHG 5", "40.00", "0.00"), ("ASSMT INC/PAY - RCR CHG 5", "0.00", "40.00")]),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1.05", "--invoice", "90001", "--reason-code", "nsf"),
     "<lease>1006<invoice>90001<assmt>LTCH<amount>105<reason>NSF",
     {"invoice": "90001", "due_date": "2026-02-01", "new_invoice": False, "charge": "LTCH", "asset": None},
     [("ASSMT RECV - LTCH", "1.05", "0.00"), ("ASSESSED FEES", "0.00", "1.05")]),
    (("--asset", "778", "--charge", "PTAX", "--amount", "432.98", "--due", "2026-03-20", "--ptcode", "AUTO", "--liendate",
      "2026-01-01"),
     "<asset>778<duedate>260320<assmt>PTAX<amount>43298<ptcode>AUTO<liendate>260101",
     {"due_date": "2026-03-20", "new_invoice": True, "charge": "PTAX", "asset": "778", "lease": "1001"},
     [("ASSMT RECV - PTAX", "432.98", "0.00"), ("PROPERTY TAX PAYABLE", "0.00", "432.98")]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "line", "said", "posted"), CASES, ids=[line for _, line, _, _ in CASES])
def test_a_charge_by_hand_is_what_a_file_s_line_would_be(
    desk: Played, given: tuple[str, ...], line: str, said: dict[str, Any], posted: list[tuple[str, str, str]]
) -> None:
    before = everything(desk)
    dry = desk.ok(*ASSESS, *given, "--dry-run", "--json").document
    assert everything(desk) == before
    done = desk.ok(*ASSESS, *given, "--json").document
    assert (dry["dry_run"], dry["unit"]) == (True, None)
    assert dry == done | {"dry_run": True, "unit": None}
    assert {key: done[key] for key in said} == said
    assert (done["billed"], done["paid"], done["open"]) == (done["amount"], "0.00", done["amount"])
    assert legs(desk, done["unit"]) == posted
    (entry, *_) = desk.ok("ledger", "journal", "--unit", str(done["unit"]), "--json").rows
    assert (entry["operator"], entry["unit_reason"], entry["source_file"], entry["source_line"]) == (
        "ABC", "paid late twice", None, None,
    )  # fmt: skip
    kept = rows_of(desk, "SELECT action, subject, reason FROM operator_event ORDER BY event_id DESC LIMIT 1")
    assert kept == [("U0418", line, "paid late twice")]
    shown = {
        (r["invoice"], r["charge"], r["asset"]): r["open"] for r in desk.ok("ledger", "receivables", "--json").rows
    }
    assert shown[done["invoice"], done["charge"], done["asset"] or ""] == done["amount"]
    assert everything(desk)[3] == before[3]
    assert desk.ok("verify", "--json").document["ok"] is True

    # and the file: the same legs, on the same charge line
    (desk.root / "inbox" / "p1_btchassmt.dat").write_text(f"{line}\n")
    number = desk.ok("process", "--json").rows[0]["id"]
    again = desk.ok("ledger", "journal", "--file", str(number), "--json").rows
    assert [(r["name"], r["debit"], r["credit"]) for r in again] == posted
    twice = desk.ok("ledger", "receivables", "--invoice", done["invoice"], "--json").rows
    (on_it,) = [r for r in twice if (r["charge"], r["asset"]) == (done["charge"], done["asset"] or "")]
    assert float(on_it["billed"]) == 2 * float(done["amount"])
    assert desk.ok("verify", "--json").document["ok"] is True


def test_an_accrual_escrow_charge_raises_what_the_lease_may_disburse(desk: Played) -> None:
    balance = {r["lease"]: r["escrow_balance"] for r in desk.ok("ledger", "lease", "--json").rows}
    desk.ok(*ASSESS, "--lease", "1003", "--charge", "RCR5", "--amount", "40")
    after = {r["lease"]: r["escrow_balance"] for r in desk.ok("ledger", "lease", "--json").rows}
    assert float(after["1003"]) == float(balance["1003"]) + 40
    assert {**after, "1003": None} == {**balance, "1003": None}


def test_what_is_assessed_is_paid_and_reported_as_any_other(desk: Played) -> None:
    """The page a person sees; then a payment takes the fee first, and End of Period carries it."""
    shown = desk.ok(*ASSESS, "--lease", "1006", "--charge", "LTCH", "--amount", "25.00", "--invoice", "90001").out
    unit = rows_of(desk, "SELECT MAX(unit_id) FROM posting_unit")[0][0]
    assert shown == (
        "Assessed 25.00 of LTCH on lease 1006, invoice 90001 due 2026-02-01.\n"
        "LTCH of invoice 90001: billed 25.00, paid 0.00, open 25.00.\n"
        f"It is posting unit {unit} of 2026-03-03.\n"
    )
    desk.ok("payment", "post", "--lease", "1006", "--amount", "10.00", "--reason", "at the desk")
    more = desk.ok(*ASSESS, "--lease", "1006", "--charge", "LTCH", "--amount", "5", "--invoice", "90001").out
    assert "LTCH of invoice 90001: billed 30.00, paid 10.00, open 20.00.\n" in more
    desk.ok("eop", "--date", "2026-03-03")
    assert desk.ok("verify", "--json").document["ok"] is True
    traced = desk.ok("trace", "90001").out
    assert "LTCH on 2026-03-03 (effective 2026-03-03)" in traced and "from U0418, by ABC: paid late twice\n" in traced


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("--lease", "01006", "--charge", "LTCH", "--amount", "1"), 2,
     "assessing LTCH of 1.00 on lease 01006: found no such lease, near lease 1006 which exists, expected one that is loaded; "
     "correct it"),
    (("--asset", "7", "--charge", "PTAX", "--amount", "1"), 2,
     "assessing PTAX of 1.00 on asset 7: found no such asset, expected one that is loaded; correct it"),
    (("--asset", "780", "--charge", "PTAX", "--amount", "1"), 3,
     "assessing PTAX of 1.00 on asset 780: found asset 780, which is on no lease, expected an asset on a lease; put the asset "
     "on its lease"),
    (("--lease", "1008", "--charge", "LTCH", "--amount", "1"), 3,
     "assessing LTCH of 1.00 on lease 1008: found lease 1008 with status XTRM, expected an active lease (ANOR AACQ AASM AEXT "
     "AEXM AA01 AA02 ABPT); correct the lease number or the status"),
    (("--lease", "1006", "--charge", "COLL", "--amount", "1"), 3,
     "assessing COLL of 1.00 on lease 1006: found the code COLL, expected a charge of portfolio 1; correct the code or load "
     "the charge"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", "77"), 3,
     "assessing LTCH of 1.00 on lease 1006: found invoice 77, which the ledger does not have, expected an invoice of lease "
     "1006; correct the invoice number or leave it out"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", "20003"), 3,
     "assessing LTCH of 1.00 on lease 1006: found invoice 20003 of lease 1002, expected an invoice of lease 1006; correct the "
     "invoice number or the lease"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", "90001", "--due", "2026-02-02"), 3,
     "assessing LTCH of 1.00 on lease 1006: found the due date 2026-02-02 with invoice 90001, which is due 2026-02-01, "
     "expected the due date of that invoice; correct one of the two or leave it out"),
    (("--charge", "LTCH", "--amount", "1"), 2,
     "assess: found no --lease and no --asset, expected one of them; name what is charged"),
    (("--lease", "1006", "--asset", "778", "--charge", "LTCH", "--amount", "1"), 2,
     "assess: found both --lease and --asset, expected one of them; name what is charged"),
    (("--lease", "1006", "--charge", "PTAX", "--amount", "1"), 2,
     "assess: found the asset-level code PTAX with <lease>, expected <asset> for it; correct it"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1", "--ptcode", "AUTO"), 2,
     "assess: found <ptcode> with LTCH, expected it with PTAX only; correct it"),
    (("--lease", "1006", "--charge", "LTCH<amount>9", "--amount", "1"), 2,
     "assess: found '<' in code 'LTCH<amount>9', expected none there: it parts the items of a file's line, which keeps what is typed; "
     "leave it out"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1", "--due", "1950-01-01"), 2,
     "assess: found due_date '1950-01-01', which would be read as '2050-01-01', expected one that a line of a file can say; "
     "correct it"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", ""), 2,
     "assess: found an empty invoice, expected a value; give one or leave it out"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", "123456789"), 2,
     "assess: found '123456789' of 9 characters for <invoice>, expected 8 at most; correct it"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "0"), 2,
     "--amount: found '0', expected an amount above zero such as 432.98"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "-1"), 2,
     "--amount: found '-1', expected an amount above zero such as 432.98"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "1.234"), 2,
     "--amount: found '1.234', expected an amount above zero such as 432.98"),
    (("--lease", "1006", "--charge", "LTCH", "--amount", "100000000.00"), 2,
     "--amount: found '100000000.00', expected at most 99,999,999.99"),
]  # fmt: skip


def test_what_is_refused_and_in_which_words(desk: Played) -> None:
    before = everything(desk)
    for given, code, words in REFUSED:
        done = desk.do(*ASSESS, *given)
        assert (done.code, done.err.strip().removeprefix("gateway: ")) == (code, words), given
    assert everything(desk) == before


def test_one_charge_line_too_many_is_refused_by_hand_and_told_with_the_command_in_a_file(desk: Played) -> None:
    settings: Path = desk.root / "config" / "portfolios" / "p01.toml"
    settings.write_text(settings.read_text() + "[assessments]\ncharge_lines_an_invoice = 2\n")
    desk.ok(*ASSESS, "--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", "90001")
    refused = desk.do(*ASSESS, "--lease", "1006", "--charge", "LEGF", "--amount", "9", "--invoice", "90001")
    assert (refused.code, refused.err) == (
        3,
        "gateway: assessing LEGF of 9.00 on lease 1006: found the code LEGF as one charge line too many on invoice 90001, "
        "expected 2 charge lines at most on an invoice; put the charge on another invoice\n",
    )
    desk.ok(*ASSESS, "--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", "90001", "--again")
    (desk.root / "inbox" / "p1_btchassmt.dat").write_text("<lease>1006<invoice>90001<assmt>LEGF<amount>900\n")
    number = desk.do("process", "--json").rows[0]["id"]
    typed = "gateway assess --lease 1006 --charge LEGF --amount 9.00 --invoice NUMBER --reason WHY"
    told = desk.ok("files", "show", str(number)).out
    assert f"put the charge on another invoice, and drop the line again, or assess it by hand ({typed})" in told
    desk.ok(*(word.replace("NUMBER", "90002") for word in typed.split()[1:]))


def test_rights_reason_and_a_closed_business_date(desk: Played) -> None:
    given = ("assess", "--lease", "1006", "--charge", "LTCH", "--amount", "1")
    assert (
        desk.do(*given, "--reason", " ").err
        == "gateway: assess: found no reason, expected one; say why with --reason\n"
    )
    operators: Path = desk.root / "config" / "operators.toml"
    written = operators.read_text()
    operators.write_text('[operators.ABC]\nusers = ["' + system_user() + '"]\nrights = ["load"]\n')
    refused = desk.do(*given, "--reason", "x")
    assert refused.code == 3 and "without the right 'post'" in refused.err
    operators.write_text(written)
    desk.ok("eop", "--date", "2026-03-03", "--module", "U0410")
    closed = desk.do(*given, "--reason", "x")
    assert closed.code == 3
    assert "gateway: assess: found business date 2026-03-03 of portfolio 1 closed by U0410" in closed.err
