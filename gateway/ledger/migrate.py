"""Bring a database to the schema this version needs, or say how far it is."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import Refused
from gateway.ledger.database import Database


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(db: Database, to: str | None = None) -> tuple[str | None, str]:
    """Run what is missing in one transaction; gives the revision before and after. Safe to run again.

    ``to`` is an earlier revision of ``revisions``, for the rows of a backup made then; by default this version's.
    """
    target = to or head()
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


def current(db: Database) -> str | None:
    with db.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise LookupError("no migration is packaged")
    return revision


def require_current(db: Database) -> None:
    """Refuse to work on another schema than this version's."""
    found = current(db)
    if found != head():
        raise Refused(
            f"opening the ledger: found schema revision {found or 'none'}, expected {head()}; "
            "run `gateway db upgrade` (take a backup first)"
        )
