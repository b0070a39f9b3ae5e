"""Migrations together make exactly ``schema.py``: columns, keys, checks and indexes, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from gateway.errors import Refused
from gateway.ledger import migrate, revision
from gateway.ledger.database import Database
from gateway.ledger.schema import metadata
from gateway.ledger.verify import verify
from tests.conftest import _execute, database_at
from tests.ledger.reference import loaded

_SQLITE = (
    "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite_%' ORDER BY name"
)
_POSTGRESQL = (
    "SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) || ' ' || condeferrable FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY 1, 2",
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
    """Lines of a CREATE statement in any order: constraints have none that means anything."""
    return sorted(line.strip().rstrip(",") for line in statement.splitlines())


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


def test_upgrading_again_changes_nothing(db: Database) -> None:
    before = described(db)
    assert migrate.upgrade(db) == (revision.newest(), revision.newest())
    assert described(db) == before
    revision.require_current(db)


def test_a_ledger_of_the_first_schema_comes_along_with_its_rows(db: Database, tmp_path: Path) -> None:
    """Taken back to 0001 as it was made then, it upgrades to what a new one is."""
    loaded(db, tmp_path / "in")
    whole = described(db)
    with db.write() as connection:
        for table in ("outbound_message", "fraud_finding", "vendor_change", "ach_answer", "ach_entry", "suspense_move"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP INDEX ix_bank_check_vendor"))
        connection.execute(text("DROP INDEX ix_payment_line_entry_id"))
        connection.execute(text("DROP INDEX ix_operator_event_subject"))
        connection.execute(text("ALTER TABLE inbound_file DROP COLUMN owner"))
        for column in ("issue", "void_entry_id"):
            connection.execute(text(f"ALTER TABLE bank_check DROP COLUMN {column}"))
        if not db.is_sqlite:
            connection.execute(text("DROP FUNCTION suspense_append_only()"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(Refused, match="found schema revision 0001, expected 0003; run `gateway db upgrade`"):
        revision.require_current(db)
    assert migrate.upgrade(db) == ("0001", "0003")
    assert described(db) == whole
    assert [check.name for check in verify(db) if not check.ok] == []


def test_the_newest_schema_is_the_head_of_the_migrations() -> None:
    """``revision`` reads file names only, so that no command waits for alembic."""
    assert migrate.revisions()[-1] == revision.newest()


def test_another_schema_is_refused(tmp_path: Path) -> None:
    db = Database.at_path(tmp_path / "new.db")
    try:
        with pytest.raises(Refused, match="found schema revision none, expected"):
            revision.require_current(db)
    finally:
        db.close()
