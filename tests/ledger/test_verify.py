"""verify passes on a sound ledger and names each thing that someone changed behind the gateway's back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gateway.errors import LedgerError
from gateway.ledger import guards, schema, triggers, units, verify_files
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.ledger.verify_base import Check
from tests.conftest import Content
from tests.ledger.reference import AT, PAYMENTS, loaded

VENDORS = "vendor,name,routing_number,account_number,account_type,sec\nV1,ACME,091000019,123456789,checking,CCD\n"
CHECKS = "portfolio,check,type,amount,disbursement_date,vendor,flag\n1,77,NEWA,50.00,2026-03-03,V1,\n1,78,MANL,5.00,2026-03-04,,V\n"
BYTES = b"a released file"
TRACE = "091000010000001"
RECORD = f"5{'260303':>74}{'':19}\r\n6{'22':2}{'':26}{5000:010}{TRACE:>55}\r\n".encode()
"""A bank file of one entry, as far as it is looked at: effective date, code, cents, trace number."""


def fill(db: Database, folder: Path) -> None:
    loaded(db, folder, payments=PAYMENTS, vendors=VENDORS, checks=CHECKS)


@pytest.fixture
def ledger_content(request: pytest.FixtureRequest) -> Content | None:
    return fill if "ledger" in request.fixturenames else None


@pytest.fixture
def ledger(db: Database) -> Database:
    return db


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.ok}


@pytest.mark.parametrize(
    ("key", "looked_at", "others"),
    [
        (
            "file_id",
            verify_files.OF_FILES,
            {"inbound_file", "line_sample"},
        ),  # a landmark without its file finds nothing
        ("outbound_id", verify_files.OF_OUTBOUND_FILES, {"outbound_file"}),
    ],
)
def test_every_table_that_names_a_file_without_a_foreign_key_is_looked_at(
    key: str, looked_at: tuple[str, ...], others: set[str]
) -> None:
    tables = [table for table in schema.inbound_file.metadata.tables.values() if key in table.columns]
    bound = {table.name for table in tables if table.columns[key].foreign_keys}
    assert {table.name for table in tables} - bound - others == set(looked_at) - bound


def behind(db: Database, *statements: str) -> None:
    """Change rows as someone with the database in hand could: guards dropped, then put back."""
    with db.write() as connection:
        names = [*schema.JOURNAL_TABLES, "posting_unit", "suspense_move"]
        if db.is_sqlite:
            for name in triggers.in_force(db, connection):
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for name in names:
                connection.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))
        if db.is_sqlite:
            for statement in guards.statements(is_sqlite=True):
                connection.exec_driver_sql(statement)
        else:
            for name in names:
                connection.execute(text(f"ALTER TABLE {name} ENABLE TRIGGER USER"))


def test_a_sound_ledger_passes_and_says_what_was_looked_at(ledger: Database, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    checks = verify(ledger, archive=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert failed(checks) == {}
    assert seen == [(1, 1)]
    assert {c.where for c in checks if c.name == "subledger equals ledger"} == {"1/1/1/1", "1/1/1/2", "1/1/1/10"}


CHARGE_LINES = "charge lines are billed and paid as posted"
CASH_OF_LINES = "payment lines are the cash of their entry"
TARGETS = "payment lines pay what their entry pays"

CHANGES = [
    (
        "UPDATE journal_line SET amount_cents = amount_cents + 1 WHERE line = 1 AND entry_id = 100000001",
        {"every entry balances within one office", "unit totals equal their lines", "digest chain", "subledger equals ledger",
            CHARGE_LINES},
    ),
    ("UPDATE unit_total SET debit_cents = debit_cents + 1 WHERE account_id = (SELECT MIN(account_id) FROM unit_total)",
        {"unit totals equal their lines", "digest chain", "units are closed and count their entries"}),
    ("UPDATE journal_entry SET reason = 'X' WHERE entry_id = 100000001", {"digest chain"}),
    ("UPDATE journal_entry SET office_id = 2 WHERE entry_id = 100000001",
        {"every entry balances within one office", "digest chain"}),
    ("UPDATE posting_unit SET state = 'OPEN'", {"units are closed and count their entries"}),
    ("UPDATE posting_unit SET operator = 'EVE'", {"digest chain"}),
    ("UPDATE posting_unit SET entries = entries + 1", {"digest chain", "units are closed and count their entries"}),
    ("UPDATE receivable SET paid_cents = paid_cents - 1 WHERE invoice = '1' AND charge = 'PYMT'", {"subledger equals ledger", CHARGE_LINES}),
    ("UPDATE receivable SET invoice = '99' WHERE invoice = '3' AND charge = 'PTAX'",
        {"subledger equals ledger", "every charge line is on an invoice", CHARGE_LINES}),
    ("UPDATE journal_line SET account_id = 999999 WHERE line = 1 AND entry_id = 100000001",
        {"every entry balances within one office", "unit totals equal their lines", "digest chain", "subledger equals ledger",
            CHARGE_LINES}),
    ("UPDATE bank_check SET state = 'VOID' WHERE check_no = '77'", {"subledger equals ledger"}),
    ("UPDATE bank_check SET amount_cents = amount_cents + 1 WHERE check_no = '77'",
        {"loaded checks are the cash they were loaded with"}),
    ("UPDATE bank_check SET bank = '130' WHERE check_no = '77'", {"loaded checks are the cash they were loaded with"}),
    ("UPDATE payment_line SET amount_cents = amount_cents + 1 WHERE batch = '26021190000200000001'",
        {CASH_OF_LINES, TARGETS, "batches are the sum of their lines"}),
    ("UPDATE payment_line SET invoice = '2' WHERE batch = '26021190000200000001'", {TARGETS}),
    ("UPDATE payment_line SET charge = 'PTAX' WHERE batch = '26021190000200000001'", {TARGETS}),
    ("UPDATE payment_batch SET cash_account = '125' WHERE batch = '26021190000200000001'", {CASH_OF_LINES}),
    ("UPDATE payment_batch SET amount_cents = amount_cents + 1 WHERE batch = '26021190000200000001'",
        {"batches are the sum of their lines"}),
    ("UPDATE receivable SET billed_cents = billed_cents + 1, paid_cents = paid_cents + 1 WHERE invoice = '1' "
        "AND charge = 'PYMT'", {CHARGE_LINES}),
    ("UPDATE invoice SET lease = '1001' WHERE invoice = '3'", {CHARGE_LINES, "subledger equals ledger"}),
    ("INSERT INTO lease (lease, office_id, portfolio, lessee, lessee_name, status, kind) SELECT '1003', office_id, portfolio, "
        "lessee, lessee_name, status, kind FROM lease WHERE lease = '1002'; "
        "UPDATE invoice SET lease = '1003' WHERE invoice = '3'", {CHARGE_LINES}),
    ("UPDATE gl_account SET side = 'D' WHERE purpose = 'ASSESSED FEES' AND office_id = (SELECT MIN(office_id) FROM office)",
        {"accounts are on the side of their purpose"}),
    *[
        (f"UPDATE gl_account SET purpose = '{purpose} - NEW', side = '{side}' WHERE account_id = (SELECT account_id FROM gl_account "
            f"WHERE purpose = '{purpose} - COLL' AND office_id = 2)", {"accounts are on the side of their purpose"})
        for purpose, side in (("ASSMT INC/PAY", "D"), ("ASSMT RECV", "C"))
    ],
    ("UPDATE payment_batch SET state = 'REVERSED' WHERE batch = '26021190000200000001'", {"reversed lines were taken back"}),
    ("UPDATE portfolio SET business_date = '2026-03-03'", {"business dates follow End of Period"}),
    ("UPDATE portfolio SET business_date = '2026-02-27'", {"business dates follow End of Period"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "names"), CHANGES, ids=[str(n) for n in range(len(CHANGES))])
def test_every_change_behind_the_gateways_back_is_found(ledger: Database, change: str, names: set[str]) -> None:
    behind(ledger, *change.split("; "))
    assert set(failed(verify(ledger))) == names


NO_GUARD = {
    "gone": ("DROP TRIGGER unit_guard_empty", "DROP TRIGGER unit_guard_empty ON unit_guard"),
    "without effect": (
        "DROP TRIGGER unit_guard_empty; CREATE TRIGGER unit_guard_empty BEFORE INSERT ON unit_guard BEGIN SELECT 1: END",
        "ALTER TABLE unit_guard DISABLE TRIGGER unit_guard_empty",
    ),
    "of another body": (
        "DROP TRIGGER unit_guard_empty; CREATE TRIGGER unit_guard_empty BEFORE INSERT ON unit_guard WHEN 0 "
        "BEGIN SELECT RAISE(ABORT, 'unit_guard stays empty'): END",
        "CREATE OR REPLACE FUNCTION unit_guard_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW: END $$",
    ),
}
"""Statements for SQLite and for PostgreSQL, a colon for a semicolon of theirs."""


@pytest.mark.parametrize("case", NO_GUARD)
def test_a_guard_that_guards_no_more_is_named(ledger: Database, case: str) -> None:
    with ledger.write() as connection:
        for statement in NO_GUARD[case][0 if ledger.is_sqlite else 1].split("; "):
            connection.exec_driver_sql(statement.replace(":", ";"))
    assert failed(verify(ledger)) == {"guards in the database": "unit_guard_empty"}


def test_a_unit_that_was_changed_and_hashed_again_breaks_the_chain(ledger: Database) -> None:
    """Its own digest is right then; that of the unit after it names another one."""
    with ledger.write() as connection:
        unit = units.open_unit(
            ledger, connection, portfolio="1", kind="OPERATOR", update_name="TEST", operator="ABC", posted_at=AT
        )
        units.close_unit(unit)
    behind(ledger, "UPDATE posting_unit SET operator = 'EVE' WHERE unit_id = 1")
    with ledger.read() as connection:
        digest = units.unit_digest(ledger, connection, 1)
    behind(ledger, f"UPDATE posting_unit SET digest = '{digest}' WHERE unit_id = 1")
    assert failed(verify(ledger)) == {"digest chain": "2"}


def inbound(db: Database, connection: Connection, **values: Any) -> None:
    """A posted file of two lines: one staged, one rejected. Its unit is without entries, as of money in suspense."""
    row = {
        "file_id": 1, "name": "p1_bptmtrev.dat", "kind": "reversals", "form": "dat", "portfolio": "1", "source": "inbox",
        "sha256": hashlib.sha256(BYTES).hexdigest(), "bytes": len(BYTES), "state": "POSTED", "claim_name": "c",
        "archive_name": "original", "lines": 2, "records": 1, "rejects": 1, "blank": 0, "amount_cents": 700,
        "posted_cents": 500, "suspended_cents": 0, "rejected_cents": 200, "held_cents": 0, "claimed_at": AT,
    }  # fmt: skip
    connection.execute(schema.inbound_file.insert().values(**(row | values)))
    connection.execute(
        schema.staged_reversal.insert().values(
            file_id=1, line_no=1, target_kind="L", target="1001", amount_cents=500, batch="26021190000200000001"
        )
    )
    unit = units.open_unit(
        db, connection, portfolio="1", kind="FILE", update_name="U0470", operator="ABC", posted_at=AT, file_id=1
    )
    units.close_unit(unit)
    connection.execute(
        schema.line_message.insert().values(
            file_id=1, line_no=2, seq=0, severity="R", code="BAD", found="a", expected="b", action="c", amount_cents=200
        )
    )


def test_the_open_date_is_the_one_that_the_last_end_of_period_opened(ledger: Database) -> None:
    def set_to(day: str, state: str) -> set[str]:
        with ledger.write() as connection:
            connection.execute(text("UPDATE portfolio SET business_date = :d"), {"d": day})
            connection.execute(text("UPDATE eop_run SET state = :s"), {"s": state})
        return set(failed(verify(ledger)))

    with ledger.write() as connection:
        connection.execute(
            schema.eop_run.insert().values(
                run_id=1, portfolio="1", business_date="2026-03-02", state="RUNNING", operator="ABC", started_at=AT
            )
        )
        for position, module, message in ((1, "U0410", "closed"), (2, "U0499", "business date 2026-03-03 is open")):
            connection.execute(
                schema.eop_module.insert().values(
                    run_id=1, module=module, position=position, state="DONE", message=message
                )
            )
    wrong = {"business dates follow End of Period"}
    assert set_to("2026-03-02", "RUNNING") == set()
    assert set_to("2026-03-03", "RUNNING") == wrong
    assert set_to("2026-03-03", "DONE") == set()
    assert set_to("2026-03-02", "DONE") == wrong
    behind(ledger, "UPDATE posting_unit SET business_date = '2026-03-04'")
    assert set_to("2026-03-03", "DONE") == wrong | {"digest chain"}, "posted on a day to come"


def test_what_a_file_brought_without_its_file(ledger: Database) -> None:
    with ledger.write() as connection:
        connection.execute(
            schema.staged_escrow.insert().values(
                file_id=9, line_no=1, lease="1001", disbursal_date="2026-03-02", amount_cents=1
            )
        )
    assert failed(verify(ledger)) == {"what a file brought has its file": "staged_escrow of file 9"}


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("payment_batch", "UPDATE payment_batch SET file_id = 9"),
        ("bank_check", "UPDATE bank_check SET file_id = 9 WHERE check_no = '77'"),
    ],
)
def test_rows_of_a_file_that_is_not_there(ledger: Database, table: str, statement: str) -> None:
    behind(ledger, statement)
    assert failed(verify(ledger))["what a file brought has its file"] == f"{table} of file 9"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, set()),
        ({"lines": 3, "blank": 1}, set()),
        ({"posted_cents": 400}, {"received = posted + suspended + rejected + held"}),
        ({"posted_cents": 400, "held_cents": 100}, {"received = posted + suspended + rejected + held"}),
        ({"lines": 3, "records": 2}, {"lines and messages make the figures of reversals"}),
        ({"rejected_cents": 100, "posted_cents": 600}, {"lines and messages make the figures of reversals"}),
        ({"state": "REJECTED"}, set()),
        ({"sha256": "0" * 64}, {"originals are in the archive as received"}),
        ({"archive_name": "gone"}, {"originals are in the archive as received"}),
        ({"bytes": len(BYTES) + 1}, {"originals are in the archive as received"}),
    ],
)
def test_figures_of_a_file_are_made_again_from_its_lines(
    ledger: Database, tmp_path: Path, values: dict[str, Any], names: set[str]
) -> None:
    (tmp_path / "original").write_bytes(BYTES)
    with ledger.write() as connection:
        inbound(ledger, connection, **values)
    assert set(failed(verify(ledger, archive=tmp_path))) == names


POSTED = "posted files have their postings, and only they"
SAME_BYTES = "the same bytes post once unless released"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, {SAME_BYTES, POSTED}),
        ({"release": "all DUPLICATE:1"}, {POSTED}),
        ({"state": "REVERSED"}, {POSTED}),
        ({"portfolio": "2", "state": "DISCARDED"}, set()),
        ({"state": "HELD"}, set()),
    ],
)
def test_a_file_says_it_posted_when_it_has_postings(ledger: Database, values: dict[str, Any], names: set[str]) -> None:
    """The copy of a posted file's row, without its lines and its unit."""
    with ledger.write() as connection:
        inbound(ledger, connection)
        row = dict(connection.execute(schema.inbound_file.select()).mappings().one())
        row |= {"file_id": 2} | values
        connection.execute(schema.inbound_file.insert().values(**row))
    figures = {"lines and messages make the figures of reversals"} if row["state"] in ("POSTED", "REVERSED") else set()
    assert set(failed(verify(ledger))) == names | figures


CLOSED = "closed dates have their modules"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("SELECT 1", set()),
        ("DELETE FROM eop_module WHERE module = 'U0460'", {CLOSED}),
        ("DELETE FROM eop_module WHERE module = 'U0410'", {CLOSED}),
        ("UPDATE eop_module SET state = 'PENDING' WHERE module = 'U0410'", {CLOSED}),
        ("DELETE FROM eop_module WHERE module = 'U0499'", {CLOSED, "business dates follow End of Period"}),
        ("DELETE FROM eop_module", {CLOSED, "business dates follow End of Period"}),
        ("UPDATE eop_run SET state = 'RUNNING'; DELETE FROM eop_module WHERE module = 'U0460'", set()),
    ],
)
def test_a_closed_date_has_its_modules(ledger: Database, change: str, names: set[str]) -> None:
    with ledger.write() as connection:
        connection.execute(
            schema.eop_run.insert().values(
                run_id=1, portfolio="1", business_date="2026-02-27", state="DONE", operator="ABC", started_at=AT
            )
        )
        for position, module in enumerate(("U0410", "U0460", "U0499"), 1):
            connection.execute(
                schema.eop_module.insert().values(
                    run_id=1, module=module, position=position, state="DONE", message="business date 2026-03-02 is open"
                )
            )
    behind(ledger, "SELECT 1", *change.split("; "))
    found = set(failed(verify(ledger)))
    assert found - {"business dates follow End of Period"} == names - {"business dates follow End of Period"}


ZEROED = "modules that zero have their unit"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("SELECT 1", set()),
        ("UPDATE eop_module SET unit_id = NULL", {ZEROED}),
        ("UPDATE eop_module SET unit_id = 1", {ZEROED}),
        ("UPDATE eop_module SET state = 'PENDING'", {ZEROED}),
        ("UPDATE eop_module SET module = 'U0450'", {ZEROED}),
        ("DELETE FROM eop_module", {ZEROED}),
    ],
)
def test_a_module_that_zeroes_is_its_unit(ledger: Database, change: str, names: set[str]) -> None:
    with ledger.write() as connection:
        unit = units.open_unit(
            ledger, connection, portfolio="1", kind="MODULE", update_name="U0422", operator="ABC", posted_at=AT
        )
        units.close_unit(unit)
        connection.execute(
            schema.eop_run.insert().values(
                run_id=1, portfolio="1", business_date="2026-03-02", state="RUNNING", operator="ABC", started_at=AT
            )
        )
        connection.execute(
            schema.eop_module.insert().values(run_id=1, module="U0422", position=9, state="DONE", unit_id=unit.unit_id)
        )
    behind(ledger, change)
    assert set(failed(verify(ledger))) == names


def outbound(connection: Connection, number: int, **values: Any) -> None:
    row = {
        "outbound_id": number, "name": f"OUT{number}", "kind": "VACH-BANK", "portfolio": "1", "business_date": "2026-03-02",
        "state": "APPROVED", "sha256": hashlib.sha256(RECORD).hexdigest(), "bytes": len(RECORD), "records": 1,
        "total_debit_cents": 0, "total_credit_cents": 5000, "header": "{}", "maker": "ABC", "maker_user": "a", "built_at": AT,
    }  # fmt: skip
    connection.execute(schema.outbound_file.insert().values(**(row | values)))
    row_values = {"outbound_id": number, "seq": 1, "payload": b"[[]]"}
    connection.execute(schema.outbound_row.insert().values(**row_values))
    connection.execute(schema.outbound_source.insert().values(outbound_id=number, seq=1, source="check:1:126:77"))
    if (row | values)["kind"] == "VACH-BANK":
        entry = {
            "outbound_id": number, "seq": 1, "trace_number": TRACE, "kind": "OFFSET",
            "portfolio": "1", "amount_cents": 5000, "transaction_code": "22", "sec": "CCD",
            "effective_date": "2026-03-03",
        }  # fmt: skip
        connection.execute(schema.ach_entry.insert().values(**entry))


def _claim(connection: Connection) -> None:
    connection.execute(schema.outbound_claim.insert().values(source="check:1:126:77", outbound_id=1))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda c: None, set()),
        (lambda c: outbound(c, 2, state="REJECTED"), set()),
        (lambda c: outbound(c, 2), {"no check goes out twice", "every check that is out is claimed by its file"}),
        (
            lambda c: (outbound(c, 2), c.execute(text("UPDATE outbound_source SET source = 'reversal:1:126:77'"))),
            {"no check goes out twice", "every check that is out is claimed by its file"},
        ),
        (lambda c: c.execute(text("DELETE FROM outbound_claim")), {"every check that is out is claimed by its file"}),
        (
            lambda c: c.execute(text("UPDATE outbound_source SET source = 'reversal:1:126:77'")),
            {"every check that is out is claimed by its file"},
        ),
        (
            lambda c: c.execute(text("UPDATE outbound_source SET source = 'prenote:1:V1:1'")),
            {"every check that is out is claimed by its file"},
        ),
        (
            lambda c: c.execute(text("UPDATE outbound_file SET state = 'REJECTED'")),
            {"what was rejected or called back is free again"},
        ),
        (
            lambda c: c.execute(text("UPDATE bank_check SET outbound_id = 3 WHERE check_no = '78'")),
            {"what went into an outbound file has its file"},
        ),
        (lambda c: c.execute(text("UPDATE ach_entry SET seq = 2")), {"bank files are the sum of their entries"}),
        (lambda c: c.execute(text("DELETE FROM outbound_source")), {"every outbound record has its source"}),
        (
            lambda c: c.execute(text("INSERT INTO outbound_claim VALUES ('check:1:126:78', 3)")),
            {"what went into an outbound file has its file"},
        ),
        (
            lambda c: c.execute(text("INSERT INTO outbound_source VALUES (3, 1, 'check:1:126:78')")),
            {"what went into an outbound file has its file"},
        ),
        (
            lambda c: c.execute(text("UPDATE outbound_file SET sha256 = 'x'")),
            {"outbound files give the bytes they were built with"},
        ),
        (
            lambda c: c.execute(text("UPDATE ach_entry SET trace_number = '091000010000002'")),
            {"every row of a bank file is an entry"},
        ),
        (
            lambda c: c.execute(text("UPDATE ach_entry SET transaction_code = '32'")),
            {"every row of a bank file is an entry"},
        ),
        (
            lambda c: c.execute(text("UPDATE ach_entry SET effective_date = '2026-03-04'")),
            {"every row of a bank file is an entry"},
        ),
        (
            lambda c: c.execute(text("UPDATE outbound_file SET bytes = bytes + 1")),
            {"outbound files have the records and totals they show"},
        ),
        (
            lambda c: c.execute(text("DELETE FROM ach_entry")),
            {"bank files are the sum of their entries", "every row of a bank file is an entry"},
        ),
        (
            lambda c: c.execute(text("UPDATE outbound_source SET seq = 2")),
            {"every outbound record has its source"},
        ),
    ],
)
def test_outbound_files(ledger: Database, change: Callable[[Connection], object], names: set[str]) -> None:
    with ledger.write() as connection:
        outbound(connection, 1)
        _claim(connection)
        change(connection)
    assert set(failed(verify(ledger, render=lambda number: RECORD))) == names


def test_a_file_that_cannot_be_made_again_is_a_difference_not_a_fault(ledger: Database) -> None:
    def render(number: int) -> bytes:
        raise LedgerError(f"rendering {number}")

    with ledger.write() as connection:
        outbound(connection, 1)
        _claim(connection)
    assert failed(verify(ledger, render=render)) == {"outbound files give the bytes they were built with": "OUT1"}
