"""verify over damaged rows: each is a finding that names it, and every other check is still made."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.app import App
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger import verify_rows
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.ledger.verify_base import Check
from gateway.parts import verify_options
from gateway.release.build import build
from tests.answers.world import check, company, send
from tests.ledger.test_verify import failed
from tests.outbound import world

BYTES = "outbound files give the bytes they were built with"
BANK = "P01-VACH-BANK-260303.DAT"


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    made = company(db, home, clock)
    check(db, "4711", 12_345)
    send(made)
    return made


def proved(app: App) -> list[Check]:
    return verify(app.db, **verify_options(app))


def altered(app: App, *statements: str) -> None:
    with app.db.write() as connection:
        if app.db.is_sqlite:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for statement in statements:
            connection.execute(text(statement))


MOVED = (  # a file under another number, with what a foreign key binds to it; what is bound by number alone stays
    "INSERT INTO outbound_file SELECT 99, name || '.moved', kind, portfolio, business_date, state, sha256, bytes, records, "
    "total_debit_cents, total_credit_cents, endpoint, header, hold_text, maker, maker_user, built_at, approved_by, approved_user, "
    "approved_at, reason, machine FROM outbound_file WHERE outbound_id = 1",
    "DELETE FROM outbound_row WHERE outbound_id = 1",
    "UPDATE fraud_finding SET outbound_id = 99 WHERE outbound_id = 1",
    "DELETE FROM outbound_file WHERE outbound_id = 1",
    f"UPDATE outbound_file SET name = '{BANK}' WHERE outbound_id = 99",
)
DAMAGES = {
    "a kind that nobody writes": (("UPDATE outbound_file SET kind = 'FOO' WHERE outbound_id = 1",), f"{BANK} (KeyError)"),
    "a header that is no JSON": (("UPDATE outbound_file SET header = '{' WHERE outbound_id = 1",), f"{BANK} (JSONDecodeError)"),
    "a header of another shape": (("UPDATE outbound_file SET header = '[]' WHERE outbound_id = 1",), f"{BANK} (TypeError)"),
    "rows of another number": (MOVED, f"{BANK} (WriterError)"),
    "a row that is none": (("UPDATE outbound_row SET payload = :none WHERE outbound_id = 1",), BANK),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_file_is_named_and_the_others_are_looked_at(app: App, case: str) -> None:
    statements, named = DAMAGES[case]
    before = [(c.name, c.where) for c in proved(app)]
    altered(app, *(s.replace(":none", _hex(app, b"AB")) for s in statements))
    if case == "a kind that nobody writes":  # whose rows are not opened first
        altered(app, f"UPDATE outbound_row SET payload = {_hex(app, b'[[]]')} WHERE outbound_id = 1")
    found = proved(app)
    assert failed(found)[BYTES] == named
    assert [(c.name, c.where) for c in found] == before, "every check was made"


def _hex(app: App, data: bytes) -> str:
    return f"x'{data.hex()}'" if app.db.is_sqlite else f"'\\x{data.hex()}'"


def test_a_check_that_ends_in_an_exception_is_its_own_finding(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL answers nothing more after an error until it steps back to where the check began."""
    before = [c.name for c in proved(app)]
    monkeypatch.setattr(verify_rows, "_STATES", "SELECT no_such_column FROM payment_line")
    found = proved(app)
    assert [c.name for c in found if not c.ok] == ["reversed lines were taken back"]
    (one,) = [c for c in found if not c.ok]
    assert one.name == "reversed lines were taken back" and "no_such_column" in one.found
    assert one.expected == "a look at all of it"
    assert [c.name for c in found] == before, "every other check was made"


def test_a_lost_database_is_a_fault(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(connection: Connection) -> Check:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.close()
        connection.execute(text("SELECT 1"))
        raise AssertionError("a closed connection answered")

    monkeypatch.setattr(verify_rows, "_charge_lines", gone)
    with pytest.raises(DBAPIError):
        proved(app)


FIGURES = "outbound files have the records and totals they show"


@pytest.fixture
def built(db: Database, home: Home, clock: FixedClock) -> App:
    """A file of every kind but a refused notification."""
    made = company(db, home, clock, xsellerator={"used": True})
    check(db, "4711", 12_345)
    world.rent(db, 1, 700)
    for kind in ("VACH", "DSGL", "XSELLERATOR"):
        build(made, kind, "1", **({"interface": "BILLING"} if kind == "XSELLERATOR" else {}))
    return made


@pytest.mark.parametrize("kind", ["VACH-BANK", "VACH-SCRATCH", "DSGL", "XSELLERATOR"])
@pytest.mark.parametrize("column", ["bytes", "records", "total_debit_cents", "total_credit_cents"])
def test_the_figures_of_a_file_are_those_of_its_bytes(built: App, kind: str, column: str) -> None:
    assert FIGURES not in failed(proved(built))
    altered(built, f"UPDATE outbound_file SET {column} = {column} + 1 WHERE kind = '{kind}'")
    found = failed(proved(built))
    is_of_entries = kind == "VACH-BANK" and column != "bytes"
    assert ("bank files are the sum of their entries" if is_of_entries else FIGURES) in found
