"""Migrations together make exactly ``schema.py``: columns, keys, checks and indexes, on both databases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from gateway.clock import FixedClock
from gateway.errors import LedgerError, Refused
from gateway.home import Home
from gateway.ledger import migrate, revision
from gateway.ledger.database import Database
from gateway.ledger.schema import metadata
from gateway.ledger.verify import verify
from gateway.release import release
from gateway.release.build import build
from tests.answers import bank
from tests.answers.world import check, company, differences, drop, send, state, trace_of
from tests.conftest import _execute, database_at
from tests.ledger.reference import loaded
from tests.outbound.world import rows_as_of_0002

_SQLITE = (
    "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite_%' ORDER BY name"
)
_POSTGRESQL = (
    "SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) || ' ' || condeferrable FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY 1, 2",
    "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1",
)


def described(db: Database) -> Any:
    """What the database says about its tables, without Alembic's own."""
    with db.read() as connection:
        if db.is_sqlite:
            found = {n: _clauses(s) for n, s in connection.execute(text(_SQLITE)) if s and "alembic" not in n}
            return found
        return [
            [tuple(row) for row in connection.execute(text(statement)) if "alembic" not in str(row[0])]
            for statement in _POSTGRESQL
        ]


def _clauses(statement: str) -> list[str]:
    """Lines of a CREATE statement in any order: constraints have none that means anything. A column that was added stands
    behind the last one, on its line, or before the last parenthesis."""
    lines = [line.strip(" \t,") for line in re.sub(r", (?=[a-z_]+ [A-Z]+)", "\n", statement).splitlines()]
    bare = (line[:-1] if line.count(")") > line.count("(") else line for line in lines)
    return sorted(line for line in bare if line)


@pytest.fixture
def made_whole(db: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Database:
    """A database of the same kind made from ``schema.py`` in one go."""
    if db.is_sqlite:
        other = Database.at_path(tmp_path / "whole.db")
    else:
        admin = request.getfixturevalue("postgres_url")
        _execute(admin, "CREATE DATABASE made_whole")
        request.addfinalizer(lambda: _execute(admin, "DROP DATABASE made_whole WITH (FORCE)"))
        other = Database(database_at(admin, "made_whole"))
    with other.write() as connection:
        metadata.create_all(connection)
    request.addfinalizer(other.close)
    return other


def test_migrations_make_exactly_the_schema(db: Database, made_whole: Database) -> None:
    with db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert described(db) == described(made_whole)


def empty(request: pytest.FixtureRequest, more: str) -> Database:
    admin = request.getfixturevalue("postgres_url")
    _execute(admin, f"CREATE DATABASE empty TEMPLATE template0 {more}")
    request.addfinalizer(lambda: _execute(admin, "DROP DATABASE empty WITH (FORCE)"))
    made = Database(database_at(admin, "empty"))
    request.addfinalizer(made.close)
    return made


def test_a_database_of_another_encoding_gets_no_ledger(request: pytest.FixtureRequest) -> None:
    db = empty(request, "ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(Refused, match=r"found a database with encoding LATIN1, expected UTF8 .*: drop it .*createdb"):
        migrate.upgrade(db)
    assert revision.current(db) is None


def test_a_database_in_the_order_of_a_language_gets_no_ledger(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of the tests has no languages: what one says of these texts is put in its mouth."""
    db = empty(request, "ENCODING 'UTF8' LOCALE 'C'")
    monkeypatch.setattr(migrate, "_FIT", "SELECT 'a' > 'B' AND 'b' < 'a', current_setting('server_encoding')")
    with pytest.raises(Refused, match=r"found a database with text ordered by the rules of a language, expected UTF8"):
        migrate.upgrade(db)
    assert revision.current(db) is None
    monkeypatch.undo()
    assert migrate.upgrade(db) == (None, revision.newest())


def test_upgrading_again_changes_nothing(db: Database) -> None:
    before = described(db)
    assert migrate.upgrade(db) == (revision.newest(), revision.newest())
    assert described(db) == before
    revision.require_current(db)


def _as_of_0004(connection: Connection) -> None:
    connection.execute(text("DROP INDEX ix_bank_check_state"))
    connection.execute(text("DROP INDEX ix_bank_check_outbound_id"))
    connection.execute(text("CREATE INDEX ix_bank_check_state ON bank_check (portfolio, type, state)"))
    if connection.dialect.name == "postgresql":
        for table in ("escrow_balance", "lease", "payment_batch", "payment_line", "receivable"):
            connection.execute(text(f"ALTER TABLE {table} RESET (fillfactor)"))


def _as_of_0002(connection: Connection) -> None:
    for table in ("outbound_message", "fraud_finding", "vendor_change", "ach_answer", "ach_entry"):
        connection.execute(text(f"DROP TABLE {table}"))
    for index in ("ix_bank_check_vendor", "ix_payment_line_entry_id", "ix_operator_event_subject"):
        connection.execute(text(f"DROP INDEX {index}"))
    connection.execute(text("CREATE INDEX ix_outbound_claim_outbound_id ON outbound_claim (outbound_id)"))
    _as_of_0004(connection)
    connection.execute(text("ALTER TABLE inbound_file DROP COLUMN owner"))
    connection.execute(text("ALTER TABLE outbound_file DROP COLUMN machine"))
    for column in ("issue", "void_entry_id"):
        connection.execute(text(f"ALTER TABLE bank_check DROP COLUMN {column}"))
    connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))


_ENTRIES = """
    SELECT outbound_id, seq, trace_number, kind, portfolio, vendor, details_version, bank, check_no, issue, amount_cents,
        transaction_code, sec, effective_date FROM ach_entry ORDER BY 1, 2
"""


def test_bank_files_of_before_have_their_entries_and_verify(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Released, rejected, balanced, two classes: what 0003 keeps of an entry is made of what 0002 had."""
    monkeypatch.setenv("OFFSET", "998877")
    app = company(db, home, clock, bank={"balanced": True, "offset_account": "env:OFFSET"})
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    (rejected, _) = build(app, "VACH", "1").files
    release.reject(app, rejected.outbound_id, reason="a day later")
    check(db, "4713", 700, office_id=2)
    send(app)
    check(db, "4714", 900, vendor="V2")
    build(app, "VACH", "1")
    with db.read() as connection:
        before = connection.execute(text(_ENTRIES)).all()
    assert [row.kind for row in before].count("OFFSET") == 5, "one a batch"
    rows_as_of_0002(app)
    with db.write() as connection:
        connection.execute(text("DELETE FROM outbound_source WHERE source LIKE 'offset:%'"))  # 0002 named none
        _as_of_0002(connection)
    assert migrate.upgrade(db) == ("0002", revision.newest())
    with db.read() as connection:
        assert connection.execute(text(_ENTRIES)).all() == before
    assert differences(app) == []
    drop(app, bank.whole(bank.return_of(trace_of(db, "4713"), 700)))
    assert state(db, "4713") == ("RETURNED", 1), "a return of what left before the upgrade"
    assert differences(app) == []


def test_a_ledger_of_the_first_schema_comes_along_with_its_rows(db: Database, tmp_path: Path) -> None:
    """Taken back to 0001 as it was made then, it upgrades to what a new one is."""
    loaded(db, tmp_path / "in")
    whole = described(db)
    with db.write() as connection:
        _as_of_0002(connection)
        connection.execute(text("DROP TABLE suspense_move"))
        if not db.is_sqlite:
            connection.execute(text("DROP FUNCTION suspense_append_only()"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(
        Refused,
        match=r"0001, expected 0005; run `gateway db upgrade` \(after a backup, which the version of 0001 makes\)$",
    ):
        revision.require_current(db)
    assert migrate.upgrade(db) == ("0001", revision.newest())
    assert described(db) == whole
    assert [check.name for check in verify(db) if not check.ok] == []


_PORTFOLIO = (
    "INSERT INTO portfolio (portfolio, name, business_date, period_state) VALUES ('1', 'ONE', '2026-03-02', 'OPEN')"
)
_OUTBOUND = """
    INSERT INTO outbound_file (outbound_id, name, kind, portfolio, business_date, header, sha256, bytes, records,
        total_debit_cents, total_credit_cents, state, maker, maker_user, built_at)
    VALUES (7, 'F', 'VACH-BANK', '1', '2026-03-02', '{"batches": []}', 'x', 1, 1, 0, 100, 'LOCAL', 'ANN', 'ann', 'then')
"""
_KEPT = (
    "INSERT INTO outbound_source (outbound_id, seq, source) VALUES (7, 1, 'check:1:126:4711')",
    "INSERT INTO outbound_claim (source, outbound_id) VALUES ('check:1:126:4711', 7)",
    "INSERT INTO bank_check (portfolio, check_no, bank, office_id, type, amount_cents, disbursement_date, state, outbound_id) "
    "VALUES ('1', '4711', '126', 1, 'NEWA', 100, '2026-03-03', 'SENT', 7)",
    "INSERT INTO ach_entry (outbound_id, seq, trace_number, kind, portfolio, amount_cents, transaction_code, sec, "
    "effective_date) VALUES (7, 1, '091000010000001', 'LIVE', '1', 100, '22', 'CCD', '2026-03-03')",
)
_ROWS_OF = (
    "SELECT * FROM outbound_source", "SELECT * FROM outbound_claim", "SELECT * FROM ach_entry",
    "SELECT portfolio, check_no, bank, amount_cents, state, issue, outbound_id FROM bank_check",
)  # fmt: skip


@pytest.mark.parametrize("has_some", [False, True])
def test_rows_of_0003_come_along_whatever_of_0004_it_had(
    db: Database, tmp_path: Path, request: pytest.FixtureRequest, has_some: bool
) -> None:
    """There are ledgers whose 0003 had the column and lacked the keys already."""
    whole = described(db)
    if db.is_sqlite:
        old = Database.at_path(tmp_path / "old.db")
    else:
        old = empty(request, "ENCODING 'UTF8' LOCALE 'C'")
    migrate.upgrade(old, None if has_some else "0003")
    with old.write() as connection:
        for statement in (_PORTFOLIO, _OUTBOUND, *_KEPT):
            connection.exec_driver_sql(statement)
        before = [connection.execute(text(statement)).all() for statement in _ROWS_OF]
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    assert migrate.upgrade(old) == ("0003", revision.newest())
    with old.read() as connection:
        assert [connection.execute(text(statement)).all() for statement in _ROWS_OF] == before
    assert described(old) == whole
    old.close()


def test_the_newest_schema_is_the_head_of_the_migrations() -> None:
    """``revision`` reads file names only, so that no command waits for alembic."""
    assert migrate.revisions()[-1] == revision.newest()


def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """To upgrade it would be no help: this version does not know what is in it."""
    db = Database.at_path(tmp_path / "new.db")
    try:
        migrate.upgrade(db)
        with db.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
        for look in (revision.require_current, migrate.upgrade):
            with pytest.raises(
                Refused, match="found schema revision 0099, expected 0005 or an earlier one: a newer version"
            ):
                look(db)
    finally:
        db.close()


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 500)
    db = Database.at_path(tmp_path / "ledger.db")
    try:
        for look in (revision.require_current, migrate.upgrade):
            with pytest.raises(
                LedgerError, match=r"ledger\.db: found a file that is no database .*restore a backup into a new home"
            ):
                look(db)
    finally:
        db.close()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    db = Database.at_path(tmp_path / "new.db")
    try:
        with pytest.raises(Refused, match="found schema revision none, expected"):
            revision.require_current(db)
    finally:
        db.close()
