"""Loading reference data: figures of the opening entries, idempotence, corrections, refusals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.calendar import BankingCalendar
from gateway.errors import Refused
from gateway.ledger import accounts
from gateway.ledger.database import Database
from gateway.ledger.load import LoadRejected, LoadResult, load
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.verify import verify
from gateway.vault import Vault
from tests.ledger.reference import AT, BASE, CHARGES_WITH_ESCROW, PAYMENTS, VAULT, loaded, run, write


def query(db: Database, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with db.read() as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


def balances(db: Database) -> dict[tuple[str, str], int]:
    """(office, purpose) -> balance on the account's own side, where it is not zero."""
    with db.read() as connection:
        return {(f.office, f.purpose): f.balance for f in accounts.figures(connection, "1") if f.balance}


def test_four_small_files_are_enough(db: Database, tmp_path: Path) -> None:
    result = loaded(db, tmp_path / "in")
    assert {name: (c.new, c.changed, c.same) for name, c in result.counts.items()} == {
        "portfolios": (1, 0, 0), "offices": (3, 0, 0), "leases": (2, 0, 0), "assets": (2, 0, 0), "invoices": (5, 0, 0),
    }  # fmt: skip
    assert result.warnings == () and len(result.units) == 1
    assert balances(db) == {
        ("1", "LEASE PAYMENTS RECEIVABLE"): 40000, ("1", "ASSMT RECV - LTCH"): 2500, ("1", "ASSESSED FEES"): 2500,
        ("1", "OPENING BALANCE"): 40000, ("2", "LEASE PAYMENTS RECEIVABLE"): 30000, ("2", "ASSMT RECV - PTAX"): 4000,
        ("2", "OPENING BALANCE"): 34000,
    }  # fmt: skip
    assert query(db, "SELECT business_date, period_state FROM portfolio") == [("2026-03-02", "OPEN")]
    assert query(db, "SELECT COUNT(*) FROM gl_account")[0][0] == 3 * 104
    assert query(db, "SELECT next FROM counter WHERE name = 'invoice'") == [(4,)]
    assert query(db, "SELECT position, charge FROM receivable WHERE invoice = '1' ORDER BY 1") == [
        (1, "PYMT"),
        (2, "LTCH"),
    ]


def test_opening_entries_stay_out_of_today_and_month(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", payments=PAYMENTS)
    with db.read() as connection:
        figures = accounts.figures(connection, "1")
        cash = accounts.cash_processed(connection, "1")
    assert [f.office for f in figures][:1] + [f.office for f in figures][-1:] == ["1", "10"]
    assert {(f.debit_today, f.credit_today, f.debit_mtd, f.credit_mtd) for f in figures} == {(0, 0, 0, 0)}
    assert set(cash.values()) == {0}


def test_payments_have_the_ordinary_legs(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", payments=PAYMENTS)
    assert balances(db) == {
        ("1", "CASH 125"): 22500, ("1", "LEASE PAYMENTS RECEIVABLE"): 20000, ("1", "ASSMT INC/PAY - LTCH"): 2500,
        ("1", "OPENING BALANCE"): 40000, ("2", "CASH 127"): 10000, ("2", "CASH 125"): 1500,
        ("2", "ASSMT INC/PAY - PEXT"): 1500, ("2", "LEASE PAYMENTS RECEIVABLE"): 20000, ("2", "ASSMT RECV - PTAX"): 4000,
        ("2", "OPENING BALANCE"): 34000,
    }  # fmt: skip
    assert query(db, "SELECT batch, line, charge, amount_cents, source_line FROM payment_line ORDER BY batch, line") == [
        ("26021090000100000001", 1, "PYMT", 20000, 1), ("26021090000100000001", 10001, "LTCH", 2500, 1),
        ("26021190000200000001", 1, "PYMT", 10000, 1), ("26021290000300000001", 1, "PEXT", 1500, 1),
    ]  # fmt: skip
    assert query(db, "SELECT amount_cents, cash_account FROM payment_batch ORDER BY batch") == [
        (22500, "125"), (10000, "127"), (1500, "125"),
    ]  # fmt: skip
    assert query(db, "SELECT next FROM counter WHERE name = 'payment-session'") == [(900004,)]


def test_loading_again_changes_nothing(db: Database, tmp_path: Path) -> None:
    vendors = "vendor,name,routing_number,account_number,account_type,sec\nV1,ACME,091000019,123456789,checking,CCD\n"
    checks = "portfolio,check,type,amount,disbursement_date,vendor\n1,77,NEWA,50.00,2026-03-03,V1\n"
    more = {"payments": PAYMENTS, "vendors": vendors, "checks": checks}
    loaded(db, tmp_path / "in", **more)
    before = balances(db), query(db, "SELECT * FROM vendor")
    again = run(db, tmp_path / "in")
    assert again.units == () and all(c.new == c.changed == 0 for c in again.counts.values())
    assert (balances(db), query(db, "SELECT * FROM vendor")) == before


@pytest.mark.parametrize(
    ("day", "warning"),
    [
        ("2026-03-02", None),
        ("2026-01-31", "the business date 2026-01-31 is no banking day (Saturday); it is open until End of Period closes it, which opens "
         "the next banking day"),
        ("2026-12-25", "the business date 2026-12-25 is no banking day (Christmas Day)"),
        ("2026-03-03", "the business date 2026-03-03 is no banking day (TOWN FAIR)"),
        ("2040-03-02", "the business date 2040-03-02 is in none of the covered years (2025, 2026), so End of Period cannot close it: "
         "check the banking holidays of 2040 (gateway ledger holidays --year 2040) and add the year to calendar.covered"),
    ],
)  # fmt: skip
def test_what_is_odd_about_the_first_business_date_is_told(
    db: Database, tmp_path: Path, day: str, warning: str | None
) -> None:
    folder = write(tmp_path / "r", portfolios=BASE["portfolios"])
    days = BankingCalendar({2025, 2026}, {"2026-03-03": "TOWN FAIR"})

    def go(date: str | None) -> LoadResult:
        return load(
            db, [folder], vault=VAULT, maker=Maker("ABC", "abc"), posted_at=AT, business_date=date, calendar=days
        )

    assert [warning is not None and w.startswith(warning) for w in go(day).warnings] == [True] * (warning is not None)
    assert query(db, "SELECT business_date FROM portfolio") == [(day,)]
    assert go(None).warnings == go(day).warnings == ()  # it is the first one that is looked at


def test_another_business_date_is_refused_and_a_missing_first_one_is_said(db: Database, tmp_path: Path) -> None:
    folder = write(tmp_path / "in", **BASE)
    with pytest.raises(LoadRejected) as missing:
        run(db, folder, date=None)
    assert [p.message for p in missing.value.problems] == [
        "portfolios.csv: Found no business date, expected one, because portfolio 1 is new: give it with --date."
    ]
    run(db, folder)
    with pytest.raises(Refused, match="found its open business date 2026-03-02, expected the same"):
        run(db, folder, date="2026-03-03")
    assert run(db, folder, date=None).units == ()


def test_a_load_between_two_days_posts_and_opens_no_date(db: Database, tmp_path: Path) -> None:
    """U0410 closed the date to files and people, not to what was true before this ledger."""
    loaded(db, tmp_path / "in")
    with db.write() as connection:
        connection.execute(text("UPDATE portfolio SET period_state = 'CLOSED'"))
    again = loaded(db, tmp_path / "again", invoices=BASE["invoices"] + "4,1001,2026-04-01,PYMT,200.00,\n")
    assert len(again.units) == 1 and again.counts["invoices"].new == 1
    assert query(db, "SELECT business_date, period_state FROM portfolio") == [("2026-03-02", "CLOSED")]


def test_a_changed_amount_posts_a_correcting_entry(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in")
    changed = BASE["invoices"].replace("2,1001,2026-03-01,PYMT,200.00", "2,1001,2026-03-01,PYMT,150.00")
    result = run(db, write(tmp_path / "in", invoices=changed))
    assert result.counts["invoices"].changed == 1
    assert balances(db)[("1", "LEASE PAYMENTS RECEIVABLE")] == 35000
    assert query(db, "SELECT billed_cents FROM receivable WHERE invoice = '2'") == [(15000,)]
    (corrects,) = query(db, "SELECT corrects FROM journal_entry WHERE reason = 'CORR'")[0]
    assert query(db, "SELECT invoice, reason FROM journal_entry WHERE entry_id = :e", e=corrects) == [("2", "OPEN")]
    assert run(db, tmp_path / "in").units == ()


def test_a_changed_amount_of_a_paid_invoice_is_refused(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", payments=PAYMENTS)
    changed = BASE["invoices"].replace("PYMT,300.00", "PYMT,350.00")
    with pytest.raises(LoadRejected) as refused:
        run(db, write(tmp_path / "in", invoices=changed))
    assert [p.message for p in refused.value.problems] == [
        "invoices.csv, row 5, amount: Found 350.00, expected the 300.00 loaded before, because it is paid: leave it."
    ]


def test_a_charge_billed_on_since_is_not_a_change(db: Database, tmp_path: Path) -> None:
    """An assessment raises what is billed; the loaded amount is still what the file says."""
    loaded(db, tmp_path / "in")
    with db.write() as connection:
        connection.execute(text("UPDATE receivable SET billed_cents = billed_cents + 500 WHERE charge = 'LTCH'"))
    assert run(db, tmp_path / "in").units == ()


def test_a_changed_payment_is_taken_back_and_posted_anew(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", payments=PAYMENTS)
    changed = PAYMENTS.replace("3,100.00,PYMT,127", "3,120.00,PYMT,128")
    result = run(db, write(tmp_path / "in", payments=changed))
    assert (result.counts["payments"].changed, result.counts["payments"].same) == (1, 2)
    found = balances(db)
    assert ("2", "CASH 127") not in found and found[("2", "CASH 128")] == 12000
    assert query(db, "SELECT paid_cents FROM receivable WHERE invoice = '3' AND charge = 'PYMT'") == [(12000,)]
    assert query(db, "SELECT amount_cents, cash_account FROM payment_batch WHERE check_no = '501'") == [(12000, "128")]
    assert run(db, tmp_path / "in").units == ()


@pytest.mark.parametrize("change", ["state = 'REVERSED'", "exported_in = 'X1'"])
def test_a_reversed_or_exported_payment_cannot_change(db: Database, tmp_path: Path, change: str) -> None:
    loaded(db, tmp_path / "in", payments=PAYMENTS)
    with db.write() as connection:
        connection.execute(text(f"UPDATE payment_batch SET {change} WHERE check_no = '501'"))
    with pytest.raises(LoadRejected, match="batch 26021190000200000001, line 1, expected it as loaded"):
        run(db, write(tmp_path / "in", payments=PAYMENTS.replace("3,100.00", "3,120.00")))


def test_a_batch_of_two_portfolios_is_refused(db: Database, tmp_path: Path) -> None:
    more = {
        "portfolios": BASE["portfolios"] + "2,SECOND LEASING\n",
        "offices": BASE["offices"] + "2,1,1,1,OTHER\n",
        "leases": BASE["leases"] + "2001,2,1,1,1,DOE,Jane Doe,AACQ,OPR,2024-01-01,2027-12-31,STK3,300.00\n",
        "invoices": BASE["invoices"] + "9,2001,2026-02-01,PYMT,10.00,\n",
        "payments": PAYMENTS + "26021190000200000001,2,501,JS1,2026-02-11,09:00:00,2001,9,10.00,PYMT,127\n",
    }
    with pytest.raises(LoadRejected, match="row 5, batch: Found batch 26021190000200000001 with other values"):
        loaded(db, tmp_path / "in", **more)
    again = more["payments"].replace("26021190000200000001,2,501", "26021190000200000002,1,501")
    assert loaded(db, tmp_path / "in", **(more | {"payments": again})).counts["payments"].new == 4


def test_a_new_charge_of_a_loaded_invoice_comes_behind_its_others(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in")
    run(
        db,
        write(
            tmp_path / "in",
            invoices=BASE["invoices"] + "1,1001,2026-02-01,PTAX,5.00,A1\n1,1001,2026-02-01,LEGF,6.00,\n",
        ),
    )
    assert query(db, "SELECT charge, position FROM receivable WHERE invoice = '1' ORDER BY position") == [
        ("PYMT", 1), ("LTCH", 2), ("PTAX", 3), ("LEGF", 4),
    ]  # fmt: skip


def test_a_payment_above_what_is_open_is_refused(db: Database, tmp_path: Path) -> None:
    with pytest.raises(LoadRejected) as refused:
        loaded(db, tmp_path / "in", payments=PAYMENTS.replace("1,225.00", "1,225.01"))
    assert [p.message for p in refused.value.problems] == [
        "payments.csv, row 2, amount: Found 225.01, expected at most the 225.00 open on invoice 1: correct it, or load "
        "the invoice's whole amount."
    ]


def test_every_bad_row_is_reported_at_once_and_nothing_loaded(db: Database, tmp_path: Path) -> None:
    more = {
        "leases": BASE["leases"]
        + "1003,1,1,1,9,X,Xavier,AACQ,,,,,\n1004,1,1,1,1,Y,Yves,AACQ,,2026-02-30,,,1.234\n1002,1,1,1,2,J,J,AACQ,,,,,\n",
        "invoices": BASE["invoices"] + "4,1004,2026-03-01,PYMT,10.00,\n5,9999,2026-03-01,PYMT,10.00,\n"
        "6,1001,2026-03-01,XXXX,10.00,\n7,1001,2026-03-01,RCR1,10.00,\n2,1002,2026-03-01,LTCH,5.00,\n8,1001,2026-03-01,PYMT,5.00,A2\n",
        "vendors": "vendor,name,routing_number,account_number,account_type,sec\nV1,ACME,091000018,123456789,checking,WEB\n",
        "payments": PAYMENTS + "26021290000300000001,2,,JS1,2026-02-12,09:00:00,1001,4,15.00,,\n",
    }
    with pytest.raises(LoadRejected) as refused:
        loaded(db, tmp_path / "in", **more)
    assert [p.message for p in refused.value.problems] == [
        "vendors.csv, row 2, routing_number: Found '****0018', expected a 9-digit routing number with its right check "
        "digit: correct the value.",
        "vendors.csv, row 2, sec: Found 'WEB', expected one of CCD, PPD, CTX: correct the value.",
        "leases.csv, row 4, portfolio/company/region/office: Found office 1/1/1/9, expected one that is loaded (office): "
        "correct or load it.",
        "leases.csv, row 5, commencement: Found '2026-02-30', expected a date such as 2026-03-31: correct the value.",
        "leases.csv, row 5, normal_payment: Found '1.234', expected an amount such as 1234.56: correct the value.",
        "leases.csv, row 6, lease: Found 1002 again (first in row 3), expected each key once: remove one of the rows.",
        "invoices.csv, row 8, lease: Found lease 9999, expected one that is loaded (lease): correct or load it.",
        "invoices.csv, row 9, charge: Found charge XXXX, expected a charge that portfolio 1 uses: correct it, or load it "
        "in charges.csv.",
        "invoices.csv, row 10, charge: Found charge RCR1, which is not used, expected a charge that portfolio 1 uses: "
        "correct it, or load it in charges.csv.",
        "invoices.csv, row 11, invoice: Found lease 1002 due 2026-03-01, expected lease 1001 due 2026-03-01, as its first "
        "row: make the rows of the invoice agree.",
        "invoices.csv, row 12, asset: Found asset A2 on lease 1002, expected one on lease 1001: correct it.",
    ]
    assert query(db, "SELECT COUNT(*) FROM portfolio") == [(0,)]


def test_every_problem_of_every_file_is_told_at_once_also_beside_an_unreadable_file(
    db: Database, tmp_path: Path
) -> None:
    more = {
        "leases": BASE["leases"] + "1003,1,1,1,9,X,Xavier,AACQ,,2026-02-30,,,\n",
        "vendors": "vendor,name,routing_number,account_number,account_type,sec\nV1,ACME,091000019,1234567,checking,WEB\n",
        "invoices": BASE["invoices"].replace("due_date", "due_date,colour"),
        "payments": PAYMENTS + "26021290000300000001,x,,JS1,2026-02-12,09:00:00,9999,4,15.00,,\n",
        "checks": "portfolio,check,type,amount,disbursement_date,vendor,lease\n"
        "1,7,NEWA,5.00,2026-03-02,V2,9998\n1,8,NEWX,5.00,2026-03-02,V1,1001\n2,9,NEWA,x,2026-03-02,V3,9997\n",
    }
    with pytest.raises(LoadRejected) as refused:
        loaded(db, tmp_path / "in", **more)
    assert [(p.file, p.row, p.column) for p in refused.value.problems] == [
        ("vendors.csv", 2, "sec"),
        ("leases.csv", 4, "commencement"),
        ("leases.csv", 4, "portfolio/company/region/office"),
        ("invoices.csv", 1, "colour"),
        ("payments.csv", 5, "lease"),
        ("payments.csv", 5, "line"),
        ("checks.csv", 2, "lease"),
        ("checks.csv", 2, "vendor"),
        ("checks.csv", 3, "type"),
        ("checks.csv", 4, "amount"),
        ("checks.csv", 4, "lease"),
        ("checks.csv", 4, "portfolio"),
        ("checks.csv", 4, "vendor"),
    ]


def test_what_names_rows_of_an_unreadable_file_is_not_reported(db: Database, tmp_path: Path) -> None:
    checks = "portfolio,check,type,amount,disbursement_date\n1,7,NEWA,5.00,2026-03-02\n"
    for name, old in (("charges", "name"), ("offices", "name"), ("leases", "lessee"), ("portfolios", "name")):
        content = (BASE | {"charges": CHARGES_WITH_ESCROW})[name].replace(old, "colour", 1)
        with pytest.raises(LoadRejected) as refused:
            loaded(
                db, tmp_path / name, payments=PAYMENTS, checks=checks, **{"charges": CHARGES_WITH_ESCROW, name: content}
            )
        assert {p.file for p in refused.value.problems} == {f"{name}.csv"}
    files = {"portfolios": BASE["portfolios"], "checks": checks}
    with pytest.raises(LoadRejected, match="row 2, portfolio: Found portfolio 1 without an office, expected one with"):
        run(db, write(tmp_path / "none", **files))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "leases",
            "lease,colour\n",
            "leases.csv, row 1, colour: Found unknown column 'colour', expected lease, portfolio,",
        ),
        ("portfolios", "portfolio,portfolio,name\n", "row 1, portfolio: Found the column twice, expected it once"),
        ("portfolios", "portfolio\n", "row 1, name: Found no such column, expected it in the header: add it."),
        ("portfolios", "portfolio,name\n1\n", "row 2: Found 1 values, expected 2 as in the header"),
        ("portfolios", "portfolio,name\n01,X\n", "Found '01', expected 1 to 99 without padding"),
        (
            "portfolios",
            "portfolio,name\n1,\n",
            "row 2, name: Found nothing, expected 1 to 36 characters: enter a value.",
        ),
        ("portfolios", 'portfolio,name\n1,"A"B\n', "row 2: Found text that is no CSV"),
        ("strange", "a\n", "strange.csv: Found this name, expected one of portfolios.csv, offices.csv"),
    ],
)
def test_what_no_file_may_look_like(db: Database, tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(LoadRejected) as refused:
        run(db, write(tmp_path / "in", **{name: content}))
    assert any(message in p.message for p in refused.value.problems), [p.message for p in refused.value.problems]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbfportfolio;name\r\n1;A\r\n", "Found columns separated by semicolons, expected commas: save the file as CSV with commas."),
        (b'"portfolio"\t"name"\n1\tA\n', "Found columns separated by tabs, expected commas: save the file as CSV with commas."),
        ("portfolio,name\n1,A\n".encode("utf-16"), "Found bytes that are not UTF-8, expected UTF-8: save the file as CSV in UTF-8."),
        (b"", "Found nothing, expected a header row with the names of the columns: add it."),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_writes_is_told_once(db: Database, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "portfolios.csv").write_bytes(content)
    with pytest.raises(LoadRejected) as refused:
        run(db, tmp_path)
    assert [p.message for p in refused.value.problems] == [f"portfolios.csv, row 1: {message}"]


def test_a_folder_gives_its_files_without_regard_to_case(db: Database, tmp_path: Path) -> None:
    """INVOICES.CSV, as a spreadsheet on another system writes it, was passed over without a word."""
    (tmp_path / "portfolios.csv").write_text("portfolio,name\n1,A\n")
    (tmp_path / "OFFICES.CSV").write_text("portfolio,company,region,office,name\n1,1,1,1,B\n")
    assert run(db, tmp_path).counts["offices"].new == 1


def test_a_byte_that_is_no_utf8_is_named(db: Database, tmp_path: Path) -> None:
    (tmp_path / "portfolios.csv").write_bytes(b"portfolio,name\n1,CAF\xe9\n")
    with pytest.raises(LoadRejected, match="row 2, name: Found a byte that is not UTF-8 at 4"):
        run(db, tmp_path)


def test_escrow_goes_onto_the_lowest_used_escrow_charge(db: Database, tmp_path: Path) -> None:
    leases = BASE["leases"].replace("normal_payment", "escrow_balance")
    loaded(db, tmp_path / "in", leases=leases, charges=CHARGES_WITH_ESCROW)
    assert query(db, "SELECT lease, charge, balance_cents FROM escrow_balance ORDER BY lease") == [
        ("1001", "RCR3", 20000), ("1002", "RCR3", 30000),
    ]  # fmt: skip
    assert balances(db)[("2", "ASSMT INC/PAY - RCR CHG 3")] == 30000
    again = run(db, write(tmp_path / "in", leases=leases.replace("300.00", "250.00")))
    assert (again.counts["leases"].changed, again.counts["leases"].same) == (1, 1)
    assert balances(db)[("2", "ASSMT INC/PAY - RCR CHG 3")] == 25000
    assert query(db, "SELECT balance_cents FROM escrow_balance WHERE lease = '1002'") == [(25000,)]


def test_escrow_that_opening_payments_brought_counts_towards_the_told_balance(db: Database, tmp_path: Path) -> None:
    result = loaded(
        db, tmp_path / "in", charges=CHARGES_WITH_ESCROW,
        leases=BASE["leases"].replace("normal_payment", "escrow_balance"),
        invoices=BASE["invoices"] + "9,1001,2026-02-01,RCR3,60.00,\n9,1001,2026-02-01,RC12,5.00,\n",
        payments="batch,line,check,operator,effective_date,effective_time,lease,invoice,amount\n"
        "26021090000100000001,1,500,JS1,2026-02-10,09:00:00,1001,9,65.00\n",
    )  # fmt: skip
    assert result.counts["payments"].new == 1
    assert query(db, "SELECT lease, charge, balance_cents FROM escrow_balance ORDER BY 1, 2") == [
        ("1001", "RC12", 500), ("1001", "RCR3", 19500), ("1002", "RCR3", 30000),
    ]  # fmt: skip
    assert [check for check in verify(db) if not check.ok] == []
    assert run(db, tmp_path / "in").units == ()


def test_escrow_without_a_charge_for_it_is_refused(db: Database, tmp_path: Path) -> None:
    with pytest.raises(LoadRejected, match="without a used charge of type E"):
        loaded(db, tmp_path / "in", leases=BASE["leases"].replace("normal_payment", "escrow_balance"))


def test_a_charge_that_was_billed_keeps_its_basis_and_type(db: Database, tmp_path: Path) -> None:
    """Paid or not: a payment taken back opens it again, and what cash basis put into other accounts must come out of them."""
    loaded(db, tmp_path / "in", charges=CHARGES_WITH_ESCROW)
    with db.write() as connection:
        connection.execute(text("UPDATE receivable SET paid_cents = billed_cents"))
    for old, new, code, expected in (
        ("PYMT,RENT,I,A", "PYMT,RENT,I,C", "PYMT", "type I, basis A"),
        ("LTCH,LATE,I,C", "LTCH,LATE,N,C", "LTCH", "type I, basis C"),
    ):
        with pytest.raises(LoadRejected) as refused:
            run(db, write(tmp_path / code, charges=CHARGES_WITH_ESCROW.replace(old, new)))
        (problem,) = refused.value.problems
        assert problem.message.endswith(
            f"basis: Found a change of {code}, which was billed before, expected {expected}: leave it, and bill by another "
            "code from now on."
        )
    run(
        db,
        write(
            tmp_path / "unbilled",
            charges=CHARGES_WITH_ESCROW.replace("RC12,ESCROW TWELVE,E,C", "RC12,ESCROW TWELVE,E,A"),
        ),
    )
    assert query(db, "SELECT basis FROM charge WHERE code = 'RC12'") == [("A",)]


def test_a_gap_in_the_payment_orders_is_refused(db: Database, tmp_path: Path) -> None:
    sentence = (
        "charges.csv, payment_order: Found payment orders PYMT 2, LTCH 4 in portfolio 1, expected 1 to 2, each once; 1 is "
        "missing: number the charges anew."
    )
    with pytest.raises(LoadRejected, match=re.escape(sentence)):
        loaded(db, tmp_path / "in", charges=CHARGES_WITH_ESCROW.replace("C,1,N", "C,4,N").replace("A,3,N", "A,0,N"))


ACCOUNTS = "portfolio,company,region,office,vector,number,name,side,purpose,opening_balance\n"


def test_opening_balances_are_final_figures(db: Database, tmp_path: Path) -> None:
    chart = ACCOUNTS + (
        "1,1,1,1,125,10125,Main bank,D,CASH 125,1000.00\n1,1,1,1,200,20000,Receivable,D,LEASE PAYMENTS RECEIVABLE,200.00\n"
        "1,1,1,1,333,30000,Rent,C,RENT REVENUE,500.00\n1,1,1,1,500,40000,Opening,C,OPENING BALANCE,675.00\n"
    )
    result = loaded(db, tmp_path / "in", gl_accounts=chart, payments=PAYMENTS)
    assert (
        len(result.warnings) == 1 and "office 1/1/1/1: accounts completed from the default chart" in result.warnings[0]
    )
    found = balances(db)
    assert (found[("1", "CASH 125")], found[("1", "RENT REVENUE")]) == (100000, 50000)
    assert run(db, tmp_path / "in").units == ()


@pytest.mark.parametrize(
    ("account", "details"),
    [
        ("D,LEASE PAYMENTS RECEIVABLE", "400.00"),
        ("D,ASSMT RECV - LTCH", "25.00"),
        ("C,ASSESSED FEES", "25.00"),
        ("C,ACCOUNTS PAYABLE", "0.00"),
        ("C,SUSPENSE", "0.00"),
        ("D,REVERSAL SUSPENSE", "0.00"),
    ],
)
def test_an_opening_balance_that_its_details_deny_refuses_the_load(
    db: Database, tmp_path: Path, account: str, details: str
) -> None:
    chart = ACCOUNTS + f"1,1,1,1,200,20000,Account,{account},400.01\n"
    with pytest.raises(LoadRejected) as refused:
        loaded(db, tmp_path / "in", gl_accounts=chart)
    assert [p.message for p in refused.value.problems] == [
        f"gl_accounts.csv, row 2, opening_balance: Found 400.01, expected {details}, the sum of its loaded details: correct "
        "the figure or load what is missing."
    ]


def test_one_account_a_purpose_and_none_moves_once_it_has_postings(db: Database, tmp_path: Path) -> None:
    twice = ACCOUNTS + "1,1,1,1,125,1,A,D,CASH 125,\n1,1,1,1,126,2,B,D,CASH 125,\n"
    with pytest.raises(LoadRejected, match="Found CASH 125, which vector 125 has, expected one account a purpose"):
        loaded(db, tmp_path / "in", gl_accounts=twice)
    number = ACCOUNTS + "1,1,1,1,125,1,A,D,CASH 125,\n1,1,1,1,126,1,B,D,CASH 126,\n"
    with pytest.raises(LoadRejected, match="Found 1, which vector 125 has, expected one account a number"):
        loaded(db, tmp_path / "in", gl_accounts=number)
    loaded(db, tmp_path / "in", gl_accounts=ACCOUNTS + "1,1,1,1,003,9,A,D,LEASE PAYMENTS RECEIVABLE,\n")
    with pytest.raises(LoadRejected, match="a change of account 003, which has postings"):
        run(db, write(tmp_path / "in", gl_accounts=ACCOUNTS + "1,1,1,1,003,9,A,C,LEASE PAYMENTS RECEIVABLE,\n"))


CHECKS = (
    "portfolio,check,type,amount,disbursement_date,vendor,lease,bank,flag\n"
    "1,77,NEWA,50.00,2026-03-03,V1,1002,126,\n1,78,NEWI,20.00,2026-03-03,,,,P\n1,79,MANL,9.00,2026-02-03,,,127,V\n"
)
VENDORS = "vendor,name,routing_number,account_number,account_type,sec\nV1,ACME,091000019,123456789,checking,CCD\n"


def test_checks_post_through_the_payable(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", invoices="invoice,lease,due_date,charge,amount\n", vendors=VENDORS, checks=CHECKS)
    assert balances(db) == {
        ("2", "OPENING BALANCE"): -5000, ("2", "CASH 126"): -5000, ("1", "OPENING BALANCE"): -2000, ("1", "CLEARING"): -2000,
    }  # fmt: skip
    assert query(db, "SELECT check_no, state, unit_id IS NULL FROM bank_check ORDER BY 1") == [
        ("77", "NEW", False), ("78", "SENT", False), ("79", "VOID", True),
    ]  # fmt: skip
    result = run(db, write(tmp_path / "in", checks=CHECKS.replace("NEWA,50.00", "NEWA,60.00")))
    assert result.counts["checks"].changed == 1 and balances(db)[("2", "CASH 126")] == -6000
    run(db, write(tmp_path / "in", checks=CHECKS.replace("V1,1002,126,", "V1,1002,126,V")))
    assert ("2", "CASH 126") not in balances(db)
    with pytest.raises(LoadRejected, match="a change of check 77, which is void"):
        run(db, write(tmp_path / "in", checks=CHECKS.replace("V1,1002,126,", "V1,1002,126,P")))


@pytest.mark.parametrize(("amount", "moved"), [("20.00", 0), ("25.00", -500)])
def test_a_check_stays_in_the_office_where_it_was_posted(db: Database, tmp_path: Path, amount: str, moved: int) -> None:
    """Without a lease it is the default office's, which may be another one by the next load: its money did not move."""
    checks = CHECKS.splitlines()[0] + "\n1,78,NEWI,20.00,2026-03-03,,,,\n"
    loaded(db, tmp_path / "in", checks=checks)
    before = balances(db)
    offices = BASE["offices"] + "1,1,0,1,NEW LOWEST\n"
    result = run(db, write(tmp_path / "in", offices=offices, checks=checks.replace("20.00", amount)))
    assert result.counts["checks"].changed == bool(moved)
    assert query(db, "SELECT o.region, o.office FROM bank_check k JOIN office o ON o.office_id = k.office_id") == [
        ("1", "1")
    ]
    after = balances(db)
    assert after.pop(("1", "CLEARING")) - before.pop(("1", "CLEARING")) == moved
    assert after.pop(("1", "OPENING BALANCE")) - before.pop(("1", "OPENING BALANCE")) == moved
    assert after == before
    assert [c for c in verify(db) if not c.ok] == []


def test_a_sent_check_keeps_its_amount(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", vendors=VENDORS, checks=CHECKS)
    with pytest.raises(LoadRejected, match="Found a change of check 78, which is sent, expected it as it stands"):
        run(db, write(tmp_path / "in", checks=CHECKS.replace("20.00", "21.00")))


def test_a_check_sent_by_ach_is_voided_by_its_command(db: Database, tmp_path: Path) -> None:
    """Loaded as void it would be a payable again while the money is gone; a check voided so loads again as it is."""
    sent = CHECKS.splitlines()[0] + "\n1,80,NEWA,50.00,2026-03-03,V1,1002,126,P\n"
    loaded(db, tmp_path / "in", vendors=VENDORS, checks=sent)
    void = write(tmp_path / "in", checks=sent.replace(",P", ",V"))
    with pytest.raises(LoadRejected, match=r"check 80, which is sent, .*: void it with gateway vendor void 80"):
        run(db, void)
    with db.write() as connection:
        connection.execute(text("UPDATE bank_check SET state = 'VOID', void_entry_id = 1 WHERE check_no = '80'"))
    run(db, void)
    assert query(db, "SELECT state, unit_id IS NULL FROM bank_check WHERE check_no = '80'") == [("VOID", False)]


CHECK_80 = (
    "portfolio,check,type,amount,disbursement_date,vendor,lease,bank,flag\n1,80,NEWA,50.00,2026-03-03,V1,1002,126,\n"
)
OTHER_VENDOR = "V2,OTHER,091000019,5550001,checking,CCD\n"
PAY_AGAIN = "leave the row out, or pay it as it stands with gateway vendor pay-again 80 --reason WHY, which gateway vendor void 80 --reason WHY takes back"


@pytest.mark.parametrize(
    ("state", "issue", "old", "new", "todo"),
    [
        ("RETURNED", 1, "126,", "126,P", PAY_AGAIN),
        ("RETURNED", 1, "126,", "126,V", PAY_AGAIN),
        ("RETURNED", 1, "50.00", "60.00", PAY_AGAIN),
        ("RETURNED", 1, "NEWA", "NEWD", PAY_AGAIN),
        ("RETURNED", 1, "1002", "1001", PAY_AGAIN),
        ("RETURNED", 1, "V1", "V2", PAY_AGAIN),
        ("NEW", 2, "126,", "126,P", "void it with gateway vendor void 80"),
        ("NEW", 2, "126,", "126,V", "void it with gateway vendor void 80"),
        ("NEW", 2, "50.00", "60.00", "void it with gateway vendor void 80"),
        ("NEW", 2, "V1", "V2", "void it with gateway vendor void 80"),
        ("SENT", 2, "50.00", "60.00", "leave the row out"),
        ("SENT", 2, "126,", "126,V", "void it with gateway vendor void 80"),
        ("RESERVED", 1, "V1", "V2", "leave the row out"),
        ("SENT", 1, "V1", "V2", "leave the row out"),
        ("SENT", 1, "V1", "", "leave the row out"),
        ("VOID", 1, "V1", "V2", "leave the row out"),
    ],
)
def test_what_became_of_a_check_is_not_loaded_over(
    db: Database, tmp_path: Path, state: str, issue: int, old: str, new: str, todo: str
) -> None:
    """Who is paid, how much and whether: of a check that a command brought so far, only commands change them."""
    loaded(db, tmp_path / "in", vendors=VENDORS + OTHER_VENDOR, checks=CHECK_80)
    with db.write() as connection:
        connection.execute(text("UPDATE bank_check SET state = :s, issue = :i"), {"s": state, "i": issue})
    before, held = query(db, "SELECT * FROM bank_check"), balances(db)
    is_ = "is paid again" if state == "NEW" else f"is {state.lower()}"
    with pytest.raises(LoadRejected, match=f"a change of check 80, which {is_}, expected it as it stands: {todo}"):
        run(db, write(tmp_path / "in", checks=CHECK_80.replace(old, new)))
    assert (query(db, "SELECT * FROM bank_check"), balances(db)) == (before, held)


PAID_80 = (
    "portfolio,check,type,amount,disbursement_date,vendor,lease,bank,reference,payee,printed_on\n"
    "1,80,NEWA,50.00,2026-03-03,V1,1002,126,INV-80,ACME SUPPLY,\n"
)


@pytest.mark.parametrize(
    ("old", "new"), [("INV-80", "INV-81"), ("INV-80", ""), ("ACME SUPPLY", "OTHER"), ("2026-03-03", "2026-03-04")]
)
@pytest.mark.parametrize(("state", "issue"), [("RESERVED", 1), ("SENT", 1), ("RETURNED", 1), ("VOID", 1), ("NEW", 2)])
def test_what_a_check_was_paid_for_is_not_told_otherwise_later(
    db: Database, tmp_path: Path, state: str, issue: int, old: str, new: str
) -> None:
    loaded(db, tmp_path / "in", vendors=VENDORS, checks=PAID_80)
    with db.write() as connection:
        connection.execute(text("UPDATE bank_check SET state = :s, issue = :i"), {"s": state, "i": issue})
    with pytest.raises(LoadRejected, match=r"a change of check 80, .* expected it as it stands"):
        run(db, write(tmp_path / "in", checks=PAID_80.replace(old, new)))
    run(db, write(tmp_path / "in", checks=PAID_80.replace("SUPPLY,", "SUPPLY,2026-03-05")))
    assert query(db, "SELECT reference, payee, disbursement_date, printed_on FROM bank_check") == [
        ("INV-80", "ACME SUPPLY", "2026-03-03", "2026-03-05")
    ]


def test_who_loads_a_check_or_a_vendor_is_known(db: Database, tmp_path: Path) -> None:
    """Each row that is new or changes something, and no other, is an event of who loaded it."""
    events = "SELECT operator, os_user, action, subject, reason FROM operator_event ORDER BY event_id"
    loaded(db, tmp_path / "in", vendors=VENDORS, checks=CHECK_80 + "1,81,NEWA,5.00,2026-03-03,V1,1002,126,P\n")
    first = [
        ("ABC", "abc", "vendor.load", "vendor V1", "loaded from vendors.csv"),
        ("ABC", "abc", "check.load", "check 1/126/80", "loaded from checks.csv"),
    ]
    assert query(db, events) == first
    run(db, write(tmp_path / "in", vendors=VENDORS, checks=CHECK_80))
    assert query(db, events) == first
    run(db, write(tmp_path / "in", vendors=VENDORS.replace("checking,CCD", "checking,PPD"), checks=CHECK_80.replace("03-03", "03-04")))  # fmt: skip
    assert query(db, events)[2:] == first


def test_a_load_that_sets_an_alert_says_so(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", vendors=VENDORS + OTHER_VENDOR)
    header, *rows = (VENDORS + OTHER_VENDOR).splitlines()
    alerted = "\n".join([f"{header},dealer_alert", f"{rows[0]},Y", f"{rows[1]},N", "V3,NEW,091000019,777001,checking,CCD,Y", ""])  # fmt: skip
    run(db, write(tmp_path / "in", vendors=alerted))
    alerts = "SELECT operator, os_user, subject, reason FROM operator_event WHERE action = 'vendor.alert-on' ORDER BY 3"
    said = [
        ("ABC", "abc", "vendor V1", "loaded from vendors.csv"),
        ("ABC", "abc", "vendor V3", "loaded from vendors.csv"),
    ]
    assert query(db, alerts) == said
    run(db, tmp_path / "in")
    assert query(db, alerts) == said


def test_a_name_is_no_place_for_an_account_number(db: Database, tmp_path: Path) -> None:
    with pytest.raises(
        LoadRejected, match="row 2, name: Found the vendor's own account number in it, expected a name alone"
    ):
        loaded(db, tmp_path / "in", vendors=VENDORS.replace("ACME", "ACME 123-456-789"))


def test_of_a_short_account_number_nothing_is_kept_in_clear(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", vendors=VENDORS.replace("123456789", "12-34"))
    assert query(db, "SELECT account_last4 FROM vendor") == [("",)]


@pytest.mark.parametrize(
    ("state", "issue", "flag"),
    [("RETURNED", 1, ""), ("NEW", 2, ""), ("SENT", 1, "P"), ("SENT", 2, "P"), ("SENT", 1, ""), ("VOID", 1, "V"), ("RESERVED", 1, "")],
)  # fmt: skip
def test_the_same_check_again_is_no_change(db: Database, tmp_path: Path, state: str, issue: int, flag: str) -> None:
    loaded(db, tmp_path / "in", vendors=VENDORS, checks=CHECK_80)
    with db.write() as connection:
        connection.execute(
            text("UPDATE bank_check SET state = :s, issue = :i, void_entry_id = 1"), {"s": state, "i": issue}
        )
    before, held = query(db, "SELECT * FROM bank_check"), balances(db)
    result = run(db, write(tmp_path / "in", checks=CHECK_80.replace("126,", "126," + flag)))
    assert result.counts["checks"].changed == 0
    assert (query(db, "SELECT * FROM bank_check"), balances(db)) == (before, held)
    no_vendor = "portfolio,check,type,amount,disbursement_date,lease,bank\n1,80,NEWA,50.00,2026-03-03,1002,126\n"
    run(db, write(tmp_path / "in", checks=no_vendor))
    assert query(db, "SELECT * FROM bank_check") == before


def test_bank_numbers_are_sealed_and_another_key_reseals(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in", vendors=VENDORS)
    ((sealed, last4),) = query(db, "SELECT account_sealed, account_last4 FROM vendor")
    assert last4 == "6789" and b"123456789" not in bytes(sealed)
    assert VAULT.open(bytes(sealed), field="vendor.account") == "123456789"
    other = Vault(b"o" * 32)
    again = run(db, tmp_path / "in", vault=other)
    assert again.counts["vendors"].changed == 1
    assert [w for w in again.warnings if "the stored numbers of 1 vendors were sealed with a key that this home" in w]
    ((sealed,),) = query(db, "SELECT routing_sealed FROM vendor")
    assert other.open(bytes(sealed), field="vendor.routing") == "091000019"


def test_a_control_number_belongs_to_one_open_deal(db: Database, tmp_path: Path) -> None:
    with pytest.raises(LoadRejected, match="Found STK1, which the open deal of lease 1001 has too"):
        loaded(db, tmp_path / "in", leases=BASE["leases"].replace("STK2", "STK1"))
    closed = BASE["leases"].replace("STK2", "STK1").replace("SMITH,John Smith,AACQ", "SMITH,John Smith,CBUY")
    loaded(db, tmp_path / "in", leases=closed)


def test_a_lease_with_postings_stays_in_its_office(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in")
    with pytest.raises(LoadRejected, match="another office for lease 1001, which has postings, expected 1/1/1"):
        run(db, write(tmp_path / "in", leases=BASE["leases"].replace("1001,1,1,1,1", "1001,1,1,1,2")))


def test_columns_left_out_keep_what_is_there(db: Database, tmp_path: Path) -> None:
    loaded(db, tmp_path / "in")
    short = "lease,portfolio,company,region,office,lessee,lessee_name,status\n1001,1,1,1,1,SMITH,J. Smith,AACQ\n"
    result = run(db, write(tmp_path / "in", leases=short))
    assert result.counts["leases"].changed == 1
    assert query(db, "SELECT lessee_name, normal_payment_cents FROM lease WHERE lease = '1001'") == [
        ("J. Smith", 20000)
    ]


def test_the_other_kinds_are_kept(db: Database, tmp_path: Path) -> None:
    more = {
        "schedules": "lease,term,due_date,principal,interest,UTAX,RCR1\n1001,1,2026-04-01,100.00,10.00,5.00,\n",
        "depreciation": "lease,iteration,start_value,end_value,months,start_on\n1001,1,1000.00,100.00,36,2026-01-01\n",
        "leveraged": "lease,bank,due_date,principal,interest,active\n1001,First Bank,2026-04-01,10.00,1.00,Y\n",
        "deferred": "lease,code,total,start_month,months,deferred_account,revenue_account\n1001,CPR,360.00,2026-01,36,2400,4100\n",
        "insurance": "lease,policy,expires_on,status,required\n1001,POL 1,2026-12-31,ACTIVE,Y\n",
        "notes": "note,portfolio,principal,rate,next_accrual_on\nN1,1,5000.00,6.25,2026-03-31\n",
        "investors": "investor,lease,name,share,due_on,amount\nI1,1001,Big Fund,50,2026-03-15,75.00\n",
        "holidays": "calendar,date,name\nFED,2026-12-24,Half day\n",
    }
    result = loaded(db, tmp_path / "in", **more)
    assert all(result.counts[name].new == 1 for name in more)
    assert query(db, "SELECT code, amount_cents FROM schedule_add_on") == [("UTAX", 500)]
    assert query(db, "SELECT rate, principal_cents FROM note") == [("6.25", 500000)]
    assert all(c.new == c.changed == 0 for c in run(db, tmp_path / "in").counts.values())


def test_a_day_off_that_was_loaded_by_mistake_is_removed(db: Database, tmp_path: Path) -> None:
    first = "calendar,date,name\nSITE,2026-12-24,Half day\nSITE,2026-12-31,Stocktaking\n"
    loaded(db, tmp_path / "in", holidays=first)
    folder = write(
        tmp_path / "again",
        holidays="calendar,date,name,removed\nSITE,2026-12-24,Half day,Y\nSITE,2026-12-30,Bridge,Y\n"
        "SITE,2026-12-31,Stocktaking,N\nSITE,2027-01-04,Fair,\n",
    )
    done = run(db, folder)
    assert query(db, "SELECT date, name FROM holiday ORDER BY date") == [
        ("2026-12-31", "Stocktaking"),
        ("2027-01-04", "Fair"),
    ]
    counts = done.counts["holidays"]
    assert (counts.new, counts.changed, counts.same) == (1, 1, 2)
    nothing = "is no day off of calendar SITE, so that there is nothing to remove"
    assert done.warnings == (
        "2026-12-24 (Half day) is no day off of calendar SITE any more; files that are built already keep their dates",
        f"holidays.csv row 3: 2026-12-30 {nothing}",
    )
    again = run(db, folder)
    assert (again.counts["holidays"].same, again.warnings) == (
        4, (f"holidays.csv row 2: 2026-12-24 {nothing}", f"holidays.csv row 3: 2026-12-30 {nothing}"),
    )  # fmt: skip


def test_a_mark_that_withholds_nothing_is_told(db: Database, tmp_path: Path) -> None:
    head = "vendor,name,routing_number,account_number,account_type,sec,holdback\n"
    rows = "V1,ONE,091000019,123,checking,CCD,Y\nV2,TWO,091000019,124,checking,CCD,N\n"
    done = loaded(db, tmp_path / "in", vendors=head + rows)
    assert done.warnings == (
        "vendors.csv: holdback Y (rows: 1) is kept and shown; it withholds no payment: dealer_alert Y does",
    )


def test_a_lease_does_not_end_before_it_begins(db: Database, tmp_path: Path) -> None:
    head = "lease,portfolio,company,region,office,lessee,lessee_name,status,commencement,maturity\n"
    row = "{},1,1,1,1,SMITH,John Smith,AACQ,{},{}\n"
    leases = head + row.format("1001", "2027-12-31", "2024-01-01") + row.format("1002", "2026-03-02", "2026-03-02")
    with pytest.raises(LoadRejected) as refused:
        loaded(db, tmp_path / "in", leases=leases)
    assert [p.message for p in refused.value.problems] == [
        "leases.csv, row 2, maturity: Found 2024-01-01, expected a day not before the commencement 2027-12-31: correct "
        "one of them."
    ]
    loaded(db, tmp_path / "sound")
    short = "lease,portfolio,company,region,office,lessee,lessee_name,status,maturity\n"
    folder = write(tmp_path / "short", leases=short + "1001,1,1,1,1,SMITH,John Smith,AACQ,2023-12-31\n")
    with pytest.raises(LoadRejected, match="not before the commencement 2024-01-01"):  # the ledger's
        run(db, folder)
