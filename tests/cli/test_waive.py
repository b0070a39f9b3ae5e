"""``gateway waive``, in a copy of the played home, on both databases; loads, End of Period and exports after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.app import system_user
from gateway.ledger.database import Database
from parsers import gl_scratch, xsellerator
from parsers.xsellerator import XselFile
from tests.cli.conftest import Played
from tests.cli.test_assess import everything, legs

INVOICES = {"PYMT": "60.00", "LTCH": "25.00"}


def load(home: Played, **amounts: str) -> tuple[int, str]:
    """Invoice 90001 of lease 1006 with these charges, as reference data has it."""
    rows = [f"90001,1006,2026-02-01,{charge},{amount}" for charge, amount in (INVOICES | amounts).items()]
    (home.root / "invoices.csv").write_text("\n".join(["invoice,lease,due_date,charge,amount", *rows, ""]))
    done = home.do("load", str(home.root / "invoices.csv"))
    return done.code, done.err


@pytest.fixture
def desk(own: Played) -> Played:
    """Invoice 90001 of lease 1006 with rent and a late fee, loaded; the business date is 2026-03-03."""
    assert load(own) == (0, "")
    return own


def billed(home: Played, invoice: str = "90001") -> dict[str, str]:
    return {r["charge"]: r["billed"] for r in home.ok("ledger", "receivables", "--invoice", invoice, "--json").rows}


def unit_of(home: Played, *given: str) -> int:
    return int(home.ok(*given, "--json").document["unit"])


def test_a_waiver_and_its_undo_as_a_person_sees_them(desk: Played) -> None:
    before = everything(desk)
    shown = desk.ok("waive", "90001", "ltch", "10", "--reason", "first time late", "--dry-run").out
    assert shown == (
        "Would waive 10.00 of LTCH on invoice 90001 due 2026-02-01, lease 1006.\n"
        "LTCH of invoice 90001: billed 15.00, paid 0.00, open 15.00.\n"
        "Nothing was changed.\n"
    )
    assert everything(desk) == before
    document = desk.ok("waive", "90001", "LTCH", "10.00", "--reason", "first time late", "--json").document
    unit = document["unit"]
    assert document == {
        "dry_run": False, "unit": unit, "business_date": "2026-03-03", "portfolio": "1", "lease": "1006", "invoice": "90001",
        "due_date": "2026-02-01", "charge": "LTCH", "asset": None, "amount": "10.00", "took_back": None, "billed": "15.00",
        "paid": "0.00", "open": "15.00",
    }  # fmt: skip
    assert legs(desk, unit) == [("ASSESSED FEES", "10.00", "0.00"), ("ASSMT RECV - LTCH", "0.00", "10.00")]
    entries = desk.ok("ledger", "journal", "--unit", str(unit), "--json").rows
    assert {(e["reason"], e["unit_reason"], e["operator"]) for e in entries} == {
        ("waived: first time late", "first time late", "ABC")
    }
    traced = desk.ok("trace", "90001").out
    assert f"entry {unit}00000001 WAIV on 2026-03-03" in traced
    assert "from WAIVE, corrects " in traced and "by ABC: first time late\n" in traced
    more = desk.ok("waive", "90001", "LTCH", "5", "--reason", "x").out
    assert more.endswith(
        f"It is posting unit {unit + 1} of 2026-03-03; gateway waive --undo {unit + 1} --reason WHY takes it back.\n"
    )
    back = desk.ok("waive", "--undo", str(unit), "--reason", "late before").out
    assert back == (
        f"Took back waiver {unit}: 10.00 of LTCH on invoice 90001 due 2026-02-01, lease 1006.\n"
        "LTCH of invoice 90001: billed 20.00, paid 0.00, open 20.00.\n"
        f"It is posting unit {unit + 2} of 2026-03-03.\n"
    )
    assert legs(desk, unit + 2) == [("ASSESSED FEES", "0.00", "10.00"), ("ASSMT RECV - LTCH", "10.00", "0.00")]
    assert desk.ok("ledger", "journal", "--unit", str(unit + 2), "--json").rows[0]["reason"] == (
        f"waiver {unit} taken back: late before"
    )
    assert desk.ok("verify", "--json").document["ok"] is True


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("90001", "LTCH", "25.01"), 3,
     "waiving 25.01 of LTCH on invoice 90001: found 25.00 open of it (billed 25.00, paid 0.00), expected at least 25.01; waive "
     "less"),
    (("90001", "PYMT", "1"), 3,
     "waiving 1.00 of PYMT on invoice 90001: found rent, which is billed and not assessed, expected an assessment; load the "
     "invoice with its right amount (gateway load) while nothing of it is paid"),
    (("90001", "COLL", "1"), 2,
     "waiving 1.00 of COLL on invoice 90001: found no such charge on it, expected one that is billed there (PYMT, LTCH); correct "
     "it"),
    (("90001", "LTCH", "1", "--asset", "778"), 2,
     "waiving 1.00 of LTCH on invoice 90001: found no such charge of asset 778 on it, expected one that is billed there (PYMT, "
     "LTCH); correct it"),
    (("77", "LTCH", "1"), 2,
     "waiving 1.00 of LTCH on invoice 77: found no such invoice, expected one that is loaded; correct it"),
    (("90001", "LTCH", "0"), 2, "AMOUNT: found '0', expected an amount above zero such as 432.98"),
    (("90001", "LTCH", "--", "-1"), 2, "AMOUNT: found '-1', expected an amount above zero such as 432.98"),
    (("90001", "LTCH", "1.234"), 2, "AMOUNT: found '1.234', expected an amount above zero such as 432.98"),
    (("90001", "LTCH", "100000000"), 2, "AMOUNT: found '100000000', expected at most 99,999,999.99"),
    (("90001", "LTCH"), 2,
     "waive: found no AMOUNT, expected INVOICE, CHARGE and AMOUNT, or --undo UNIT; gateway ledger receivables shows what is open"),
    ((), 2,
     "waive: found no INVOICE, expected INVOICE, CHARGE and AMOUNT, or --undo UNIT; gateway ledger receivables shows what is open"),
    (("90001", "--undo", "1"), 2,
     "waive: found INVOICE beside --undo, expected the unit of the waiver alone; leave it out"),
    (("--undo", "1"), 2,
     "taking back waiver 1: found no waiver in posting unit 1, expected the unit of one; gateway ledger journal --invoice INVOICE "
     "shows it"),
    (("--undo", "999"), 2,
     "taking back waiver 999: found no waiver in posting unit 999, expected the unit of one; gateway ledger journal --invoice "
     "INVOICE shows it"),
]  # fmt: skip


def test_what_is_refused_and_in_which_words(desk: Played) -> None:
    before = everything(desk)
    for given, code, words in REFUSED:
        done = desk.do("waive", "--reason", "x", *given)
        assert (done.code, done.err.strip().removeprefix("gateway: ")) == (code, words), given
    assert everything(desk) == before


def test_rights_reason_and_a_closed_business_date(desk: Played) -> None:
    unit = unit_of(desk, "waive", "90001", "LTCH", "1", "--reason", "x")
    operators: Path = desk.root / "config" / "operators.toml"
    for given in (("90001", "LTCH", "1"), ("--undo", str(unit))):
        told = desk.do("waive", *given, "--reason", " ").err
        assert told == "gateway: waive: found no reason, expected one; say why with --reason\n"
        written = operators.read_text()
        operators.write_text('[operators.ABC]\nusers = ["' + system_user() + '"]\nrights = ["load"]\n')
        refused = desk.do("waive", *given, "--reason", "x")
        assert refused.code == 3 and "without the right 'post'" in refused.err
        operators.write_text(written)
    desk.ok("eop", "--date", "2026-03-03", "--module", "U0410")
    for given in (("90001", "LTCH", "1"), ("--undo", str(unit))):
        closed = desk.do("waive", *given, "--reason", "x")
        assert closed.code == 3
        assert "gateway: waive: found business date 2026-03-03 of portfolio 1 closed by U0410" in closed.err


def refused_load(amount: str, expected: str, action: str, row: int) -> tuple[int, str]:
    return 3, f"gateway: invoices.csv, row {row}, amount: Found {amount}, expected {expected}: {action}."


def test_a_load_after_a_waiver_bills_nothing_again(desk: Played) -> None:
    first = unit_of(desk, "waive", "90001", "LTCH", "10", "--reason", "x")
    before = everything(desk)
    assert load(desk) == (0, "")  # as it was loaded
    assert load(desk, LTCH="15.00") == (0, "")  # as it stands
    assert everything(desk) == before
    assert load(desk, LTCH="30.00") == (0, "")  # a correction of what was loaded: 5.00 more are billed
    assert billed(desk) == {"PYMT": "60.00", "LTCH": "20.00"}
    second = unit_of(desk, "waive", "90001", "LTCH", "15", "--reason", "x")
    told = (load(desk, LTCH="24.00")[0], load(desk, LTCH="24.00")[1].splitlines()[0])
    assert told[1] == (
        "gateway: invoices.csv, row 3, amount: Found 24.00, expected at least 25.00, because that much of it was waived: take that "
        f"back first: gateway waive --undo {second} --reason WHY and gateway waive --undo {first} --reason WHY."
    )
    assert load(desk, LTCH="25.00") == (0, "")
    assert billed(desk) == {"PYMT": "60.00", "LTCH": "0.00"}
    assert load(desk, LTCH="25.00") == (0, "")
    assert desk.ok("verify", "--json").document["ok"] is True


def test_a_load_of_what_the_gateway_billed_names_the_command(desk: Played) -> None:
    desk.ok("assess", "--lease", "1006", "--charge", "LEGF", "--amount", "10", "--invoice", "90001", "--reason", "x")

    def told(amount: str) -> str:
        code, err = load(desk, LEGF=amount)
        return err.splitlines()[0].partition("Found ")[2] if code else "loaded"

    assert told("10.00") == "loaded"
    assert told("12.00") == (
        "12.00, expected the 10.00 billed by the gateway: gateway assess --lease 1006 --charge LEGF --amount 2.00 --invoice 90001 "
        "--reason WHY."
    )
    assert told("7.00") == (
        "7.00, expected the 10.00 billed by the gateway: gateway waive 90001 LEGF 3.00 --reason WHY."
    )
    unit = unit_of(desk, "waive", "90001", "LEGF", "3.00", "--reason", "WHY")
    assert (told("7.00"), told("10.00")) == ("loaded", "loaded")
    assert told("12.00") == (
        "12.00, expected the 10.00 billed by the gateway: leave it, or take back what was waived: gateway waive --undo "
        f"{unit} --reason WHY."
    )
    assert billed(desk) == {"PYMT": "60.00", "LTCH": "25.00", "LEGF": "7.00"}
    desk.ok("payment", "post", "--invoice", "90001", "--amount", "10", "--reason", "x")  # LTCH is paid first
    assert load(desk, LTCH="20.00")[1].splitlines()[0] == (
        "gateway: invoices.csv, row 3, amount: Found 20.00, expected the 25.00 loaded before, because it is paid: leave it, or "
        "gateway waive 90001 LTCH 5.00 --reason WHY."
    )
    desk.ok("assess", "--lease", "1006", "--charge", "LTCH", "--amount", "1", "--invoice", "90001", "--reason", "x")
    assert load(desk, LTCH="20.00")[1].splitlines()[0].endswith("because it is paid: leave it."), (
        "done, it would be told again"
    )
    desk.ok("waive", "--undo", str(unit), "--reason", "x")
    assert told("12.00").endswith(
        "gateway assess --lease 1006 --charge LEGF --amount 2.00 --invoice 90001 --reason WHY."
    )
    assert desk.ok("verify", "--json").document["ok"] is True


def test_a_charge_of_an_asset_is_waived_on_the_asset(desk: Played) -> None:
    given = ("assess", "--asset", "778", "--charge", "PTAX", "--amount", "5", "--reason", "x")
    invoice = desk.ok(*given, "--json").document["invoice"]
    unit = unit_of(desk, "waive", invoice, "PTAX", "2", "--reason", "x")

    def open_of_it() -> list[str]:
        rows = desk.ok("ledger", "receivables", "--invoice", invoice, "--json").rows
        return [row["open"] for row in rows if (row["charge"], row["asset"]) == ("PTAX", "778")]

    database = Database(desk.url)
    with database.read() as connection:
        entries = connection.execute(text("SELECT txn, asset FROM journal_entry ORDER BY entry_id")).all()
    database.close()
    assert [tuple(row) for row in entries][-2:] == [("PTAX", "778"), ("WAIV", "778")]
    assert open_of_it() == ["3.00"] and desk.ok("verify", "--json").document["ok"] is True
    desk.ok("waive", "--undo", str(unit), "--reason", "x")
    assert open_of_it() == ["5.00"] and desk.ok("verify", "--json").document["ok"] is True


def test_the_day_closes_with_waivers_in_its_files(desk: Played) -> None:
    """Waivers and what takes them back go out with assessments, in the General Ledger file and to the dealer system."""
    charge = ("assess", "--lease", "1001", "--charge", "LTCH", "--invoice", "20002", "--reason", "x")
    desk.ok(*charge, "--amount", "25.00")
    unit = unit_of(desk, "waive", "20002", "LTCH", "25", "--reason", "x")
    desk.ok("waive", "--undo", str(unit), "--reason", "x")
    desk.ok("waive", "20002", "LTCH", "7", "--reason", "x")
    desk.ok("waive", "90001", "LTCH", "1.50", "--reason", "x")
    figures = {
        r["name"]: (r["debit"], r["credit"]) for r in desk.ok("ledger", "balance", "--json").rows if r["office"] == "1"
    }
    assert figures["ASSMT RECV - LTCH"] == ("50.00", "32.00") and figures["ASSESSED FEES"] == ("32.00", "50.00")
    desk.ok("eop", "--date", "2026-03-03")
    assert desk.ok("verify", "--json").document["ok"] is True
    transferred = gl_scratch.read((desk.root / "outbox" / "DSGL_P01-260303.DAT").read_bytes())
    assert isinstance(transferred, gl_scratch.GlFile)
    (fees,) = [row for row in transferred.records if (row.office, row.name) == ("1", "ASSMT RECV - LTCH")]
    assert (fees.debit_today_cents, fees.credit_today_cents) == (5000, 3200)
    (built,) = [
        f for f in desk.ok("outbound", "list", "--json").rows if f["name"] == "XPT_BILLING_20260303_20260303.xml"
    ]
    read = xsellerator.read((desk.root / "outbox" / built["name"]).read_bytes())
    assert isinstance(read, XselFile)
    sums: dict[tuple[str, str], int] = {}
    for row in read.rows:
        key = row.control_number, row.description
        sums[key] = sums.get(key, 0) + row.amount_cents
    assert sums == {
        ("STK1001", "ASSMT RECV - LTCH"): 1800, ("STK1001", "ASSESSED FEES"): -1800,
        ("STK1006", "ASSMT RECV - LTCH"): -150, ("STK1006", "ASSESSED FEES"): 150,
    }  # fmt: skip
