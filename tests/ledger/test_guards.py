"""What the database refuses by itself, whatever code asks for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Integer, text
from sqlalchemy.exc import DBAPIError

from gateway.errors import LedgerError, Refused
from gateway.ledger import guards, schema, triggers, units
from gateway.ledger.database import Database
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.units import Side, Unit, close_unit, open_unit, previous_digest, unit_digest
from gateway.ledger.verify import verify
from tests.conftest import Content
from tests.ledger.reference import AT, loaded
from tests.support.at_once import until_it_waits

ENTRY = 1 * ENTRIES_A_UNIT + 1


def fill(db: Database, folder: Path) -> None:
    loaded(db, folder)


@pytest.fixture
def ledger_content(request: pytest.FixtureRequest) -> Content | None:
    return fill if "ledger" in request.fixturenames else None


@pytest.fixture
def ledger(db: Database) -> Database:
    return db


def unit_on(ledger: Database, connection: Connection) -> Unit:
    return open_unit(
        ledger, connection, portfolio="1", kind="OPERATOR", update_name="TEST", operator="ABC", posted_at=AT
    )


def account(connection: Connection, office: str, purpose: str) -> tuple[int, int]:
    row = connection.execute(
        text(
            "SELECT a.office_id, a.account_id FROM gl_account a JOIN office o ON o.office_id = a.office_id "
            "WHERE o.office = :o AND a.purpose = :p"
        ),
        {"o": office, "p": purpose},
    ).one()
    return row[0], row[1]


TOUCHES = [
    *[f"UPDATE {table} SET {column} = {column}" for table, column in
      (("journal_entry", "txn"), ("journal_line", "amount_cents"), ("unit_total", "debit_cents"), ("posting_unit", "operator"))],
    *[f"DELETE FROM {table}" for table in (*schema.JOURNAL_TABLES, "posting_unit")],
    f"INSERT INTO journal_entry (entry_id, office_id, txn, effective_date) SELECT {ENTRY} + 50, office_id, 'X', '2026-01-01' "
    f"FROM journal_entry WHERE entry_id = {ENTRY}",
    f"INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents) SELECT {ENTRY}, 9, account_id, 'D', 1 "
    f"FROM journal_line WHERE entry_id = {ENTRY} AND line = 1",
    "INSERT INTO unit_total (unit_id, account_id, debit_cents, credit_cents) SELECT 1, MAX(account_id), 0, 0 FROM gl_account",
    "INSERT INTO posting_unit (portfolio, business_date, kind, update_name, operator, posted_at, state, entries, amount_cents) "
    "VALUES ('1', '2026-03-02', 'OPERATOR', 'X', 'ABC', 'x', 'CLOSED', 0, 0)",
    "INSERT INTO unit_guard (open) VALUES (1)",
]  # fmt: skip


@pytest.mark.parametrize("statement", TOUCHES, ids=[f"{n}-{s.split()[0]}" for n, s in enumerate(TOUCHES)])
def test_what_is_posted_stays_as_it_is(ledger: Database, statement: str) -> None:
    with (
        pytest.raises(DBAPIError, match=r"append-only|closed: correct|inserted open|stays empty"),
        ledger.write() as connection,
    ):
        connection.execute(text(statement))


@pytest.mark.parametrize("table", [*schema.JOURNAL_TABLES, "posting_unit", *guards.PERMANENT])
def test_neither_truncate_nor_replace_goes_past_the_guards(ledger: Database, table: str) -> None:
    statement = f"REPLACE INTO {table} SELECT * FROM {table}" if ledger.is_sqlite else f"TRUNCATE {table} CASCADE"
    refused = r"append-only|closed: correct|inserted open|never deleted"
    with pytest.raises(DBAPIError, match=refused), ledger.write() as connection:
        connection.execute(text(statement))


_ROW = {
    "posting_unit": "unit_id = 1",
    "journal_entry": f"entry_id = {ENTRY}",
    "journal_line": f"entry_id = {ENTRY} AND line = 1",
    "unit_total": "account_id = (SELECT MIN(t.account_id) FROM unit_total t)",
}
_OTHER = {
    "portfolio": "'2'",
    "kind": "'OPERATOR'",
    "file_id": "9",
    "side": "CASE side WHEN 'D' THEN 'C' ELSE 'D' END",
    "entry_id": "entry_id + 5000",
    "account_id": "(SELECT MIN(a.account_id) FROM gl_account a WHERE a.account_id NOT IN (SELECT account_id FROM unit_total))",
}
_NOT_HASHED = {"posting_unit": {"unit_id", "state", "digest", "open_guard"}, "unit_total": {"unit_id"}}
"""Keys by which the rest is found, the digest itself, and what a check of its own looks at."""


@pytest.mark.parametrize("table", _ROW)
def test_every_column_of_a_unit_is_in_its_digest(ledger: Database, table: str) -> None:
    """Also one that is added later."""
    found = schema.posting_unit.metadata.tables[table].columns
    columns = {column.name: column for column in found if column.name not in _NOT_HASHED.get(table, ())}
    with ledger.write() as connection:
        connection.execute(
            schema.portfolio.insert().values(portfolio="2", name="X", business_date="2026-03-02", period_state="OPEN")
        )
        connection.execute(
            schema.inbound_file.insert().values(
                file_id=9, name="x", kind="payments", form="dat", source="inbox", sha256="x", bytes=1, state="DISCARDED",
                claim_name="c", claimed_at=AT,
            )
        )  # fmt: skip
        before, same = unit_digest(ledger, connection, 1), []
        for name, column in columns.items():
            plain = f"COALESCE({name}, 0) + 90" if isinstance(column.type, Integer) else "'OTHER'"
            inside = connection.begin_nested()
            with triggers.lifted(ledger, connection):
                connection.execute(text(f"UPDATE {table} SET {name} = {_OTHER.get(name, plain)} WHERE {_ROW[table]}"))
            same += [name] if unit_digest(ledger, connection, 1) == before else []
            inside.rollback()
    assert len(columns) > 2 and same == []


def test_each_portfolio_has_a_chain_of_its_own(ledger: Database) -> None:
    with ledger.write() as connection:
        connection.execute(
            schema.portfolio.insert().values(portfolio="2", name="X", business_date="2026-03-02", period_state="OPEN")
        )
        made = {}
        for portfolio in ("2", "1", "2"):
            unit = open_unit(
                ledger, connection, portfolio=portfolio, kind="OPERATOR", update_name="T", operator="ABC", posted_at=AT
            )
            made[unit.unit_id] = close_unit(unit).digest
        rows = connection.execute(
            text("SELECT unit_id, digest, previous_digest FROM posting_unit ORDER BY unit_id")
        ).all()
    digests = {unit_id: digest for unit_id, digest, _ in rows}
    assert digests.items() >= made.items()
    assert [before for _, _, before in rows] == ["", "", digests[1], digests[2]]


def test_a_unit_holds_its_portfolio(ledger: Database) -> None:
    """The next one waits for it, and is chained to it."""

    def following() -> str:
        with ledger.write() as connection:
            unit = unit_on(ledger, connection)
            close_unit(unit)
            return previous_digest(connection, "1", unit.unit_id)

    with ThreadPoolExecutor(1) as another:
        with ledger.write() as connection:
            unit = unit_on(ledger, connection)
            second = another.submit(following)
            until_it_waits(ledger, second)
            digest = close_unit(unit).digest
        assert second.result() == digest


def test_a_unit_of_many_entries_is_totalled_and_hashed_block_by_block(
    ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry at the edge of a block is in one of them."""
    monkeypatch.setattr(units, "BULK_ROWS", 2)
    with ledger.write() as connection:
        unit = unit_on(ledger, connection)
        office, cash = account(connection, "1", "CASH 125")
        _, other = account(connection, "1", "CLEARING")
        for cents in (1, 10, 100, 1_000, 10_000):
            unit.add(
                office_id=office, txn="X", effective_date="2026-03-02", legs=[(cash, "D", cents), (other, "C", cents)]
            )
        close_unit(unit)
    wrong = {check.name: check.detail for check in verify(ledger) if not check.ok}
    assert wrong == {"digest chain": "1"}, "that was closed before, in larger blocks"
    with ledger.read() as connection:
        totals = connection.execute(
            text("SELECT account_id, debit_cents, credit_cents FROM unit_total WHERE unit_id = :u"), {"u": unit.unit_id}
        ).all()
    assert {tuple(row) for row in totals} == {(cash, 11_111, 0), (other, 0, 11_111)}


def test_an_entry_that_does_not_balance_stops_its_unit(ledger: Database) -> None:
    with pytest.raises(DBAPIError, match="does not balance within one office"), ledger.write() as connection:
        unit = unit_on(ledger, connection)
        office, cash = account(connection, "1", "CASH 125")
        _, other = account(connection, "1", "CLEARING")
        unit.add(office_id=office, txn="X", effective_date="2026-03-02", legs=[(cash, "D", 5), (other, "C", 5)])
        unit.flush()
        connection.execute(
            text(
                "INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents) VALUES (:e, 3, :a, 'D', 1)"
            ),
            {"e": unit.first_id + 1, "a": cash},
        )
        close_unit(unit)


@pytest.mark.parametrize(("debit", "credit"), [("1", "2"), ("2", "2")])
def test_an_entry_on_accounts_of_another_office_stops_its_unit(ledger: Database, debit: str, credit: str) -> None:
    with pytest.raises(DBAPIError, match="does not balance within one office"), ledger.write() as connection:
        unit = unit_on(ledger, connection)
        office, _ = account(connection, "1", "CASH 125")
        legs: list[tuple[int, Side, int]] = [
            (account(connection, debit, "CASH 125")[1], "D", 5), (account(connection, credit, "CLEARING")[1], "C", 5),
        ]  # fmt: skip
        unit.add(office_id=office, txn="X", effective_date="2026-03-02", legs=legs)
        close_unit(unit)


def test_lines_without_entry_stop_their_unit(ledger: Database) -> None:
    """No foreign key says so."""
    with pytest.raises(DBAPIError, match="does not balance within one office"), ledger.write() as connection:
        unit = unit_on(ledger, connection)
        office, cash = account(connection, "1", "CASH 125")
        _, other = account(connection, "1", "CLEARING")
        unit.add(office_id=office, txn="X", effective_date="2026-03-02", legs=[(cash, "D", 5), (other, "C", 5)])
        unit.flush()
        for line, side, its in ((1, "D", cash), (2, "C", other)):
            connection.execute(
                text(
                    "INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents) VALUES (:e, :n, :a, :s, 1)"
                ),
                {"e": unit.first_id + 2, "n": line, "a": its, "s": side},
            )
        close_unit(unit)


def test_an_entry_without_lines_stops_its_unit(ledger: Database) -> None:
    with pytest.raises(DBAPIError, match="does not balance"), ledger.write() as connection:
        unit = unit_on(ledger, connection)
        office, _ = account(connection, "1", "CLEARING")
        connection.execute(
            text(
                "INSERT INTO journal_entry (entry_id, office_id, txn, effective_date) VALUES (:e, :o, 'X', '2026-03-02')"
            ),
            {"e": unit.first_id + 1, "o": office},
        )
        close_unit(unit)


def test_an_open_unit_cannot_commit(ledger: Database) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"), ledger.write() as connection:
        unit_on(ledger, connection)
    with ledger.read() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM posting_unit")).scalar_one() == 1


def test_an_open_unit_keeps_its_guard(ledger: Database) -> None:
    with pytest.raises(DBAPIError, match="keeps its guard"), ledger.write() as connection:
        unit = unit_on(ledger, connection)
        connection.execute(text("UPDATE posting_unit SET open_guard = NULL WHERE unit_id = :u"), {"u": unit.unit_id})


def test_legs_that_do_not_balance_are_refused_before_the_database(ledger: Database) -> None:
    with ledger.write() as connection:
        unit = unit_on(ledger, connection)
        for legs in ([], [(1, "D", 5)]):
            with pytest.raises(LedgerError, match="expected debits equal to credits"):
                unit.add(office_id=1, txn="X", effective_date="2026-03-02", legs=legs)  # type: ignore[arg-type]
        close_unit(unit)


def test_a_closed_business_date_takes_no_operator(ledger: Database) -> None:
    with ledger.write() as connection:
        connection.execute(text("UPDATE portfolio SET period_state = 'CLOSED'"))
    with pytest.raises(Refused, match="closed by U0410"), ledger.write() as connection:
        unit_on(ledger, connection)
    with pytest.raises(LedgerError, match="found no portfolio 9"), ledger.write() as connection:
        open_unit(ledger, connection, portfolio="9", kind="OPERATOR", update_name="T", operator="ABC", posted_at=AT)
