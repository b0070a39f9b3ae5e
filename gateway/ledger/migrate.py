"""Bring a database to the schema this version needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from gateway.errors import Refused
from gateway.ledger import revision
from gateway.ledger.database import Database
from gateway.ledger.schema import metadata


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(revision.MIGRATIONS))
    return config


def upgrade(db: Database, to: str | None = None) -> tuple[str | None, str]:
    """Run what is missing in one transaction; gives the revision before and after. Safe to run again. Raises
    Refused for a ledger of a newer version, and for an empty database that is unfit.

    ``to`` is an earlier revision of ``revisions``, for the rows of a backup made then; by default this version's.
    """
    target = to or revision.newest()
    revision.refuse_newer(revision.current(db))
    with db.write() as connection:
        return upgrade_within(db, connection, target), target


def upgrade_within(db: Database, connection: Connection, target: str) -> str | None:
    """``upgrade`` within the caller's transaction; gives the revision before."""
    db.lock(connection, "schema")
    before = MigrationContext.configure(connection).get_current_revision()
    if before is None and not db.is_sqlite:
        _refuse_unfit(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    return before


_FIT: Final = "SELECT 'B' < 'a' AND 'a-c' < 'ab' AND '1 2' < '12', current_setting('server_encoding')"


def _refuse_unfit(connection: Connection) -> None:
    """Order of text decides which invoice is meant, and the order of reports and digests: it must be that of the code
    points, as on SQLite. It is a property of the whole database, given when that is created."""
    by_code_point, encoding = connection.execute(text(_FIT)).one()
    if not by_code_point or encoding != "UTF8":
        found = "text ordered by the rules of a language" if not by_code_point else f"encoding {encoding}"
        raise Refused(
            f"making the ledger: found a database with {found}, expected UTF8 ordered by code point: drop it and make it "
            "again with createdb --template=template0 --encoding=UTF8 --locale=C --locale-provider=libc NAME, then run "
            "`gateway db upgrade`"
        )


def revisions() -> list[str]:
    """Every schema this version knows, the first one first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def remove(db: Database, *, unless: Callable[[Connection], bool]) -> bool:
    """Take the ledger out of a database: every table, and the functions of their guards. For what a restore made that
    failed; nobody else may. ``unless`` says of a ledger that nobody writes meanwhile that it stays; gives whether it went."""
    if revision.current(db) is None:
        return True
    with db.write() as connection:
        if not db.is_sqlite:
            there = ", ".join(sorted(inspect(connection).get_table_names()))
            connection.execute(text(f"LOCK TABLE {there} IN ACCESS EXCLUSIVE MODE"))
        if unless(connection):
            return False
        functions = [] if db.is_sqlite else list(connection.execute(text(_GUARD_FUNCTIONS)).scalars())
        metadata.drop_all(connection)
        for statement in ("DROP TABLE IF EXISTS alembic_version", *(f"DROP FUNCTION {name}" for name in functions)):
            connection.execute(text(statement))
    return True


_GUARD_FUNCTIONS: Final = """
SELECT DISTINCT CAST(CAST(t.tgfoid AS regprocedure) AS text) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND NOT t.tgisinternal
"""
