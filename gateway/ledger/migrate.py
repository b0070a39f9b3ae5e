"""Bring a database to the schema this version needs."""

from __future__ import annotations

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from gateway.ledger import revision
from gateway.ledger.database import Database
from gateway.ledger.schema import metadata


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(revision.MIGRATIONS))
    return config


def upgrade(db: Database, to: str | None = None) -> tuple[str | None, str]:
    """Run what is missing in one transaction; gives the revision before and after. Safe to run again. Raises
    Refused for a ledger of a newer version.

    ``to`` is an earlier revision of ``revisions``, for the rows of a backup made then; by default this version's.
    """
    target = to or revision.newest()
    revision.refuse_newer(revision.current(db))
    with db.write() as connection:
        db.lock(connection, "schema")
        before = MigrationContext.configure(connection).get_current_revision()
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, target)
    return before, target


def revisions() -> list[str]:
    """Every schema this version knows, the first one first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def remove(db: Database) -> None:
    """Take the ledger out of a database: every table, and the functions of their guards. For what a restore made that
    failed; nobody else may."""
    with db.write() as connection:
        functions = [] if db.is_sqlite else list(connection.execute(text(_GUARD_FUNCTIONS)).scalars())
        metadata.drop_all(connection)
        for statement in ("DROP TABLE IF EXISTS alembic_version", *(f"DROP FUNCTION {name}" for name in functions)):
            connection.execute(text(statement))


_GUARD_FUNCTIONS: Final = """
SELECT DISTINCT CAST(CAST(t.tgfoid AS regprocedure) AS text) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND NOT t.tgisinternal
"""
