"""Bring a database to the schema this version needs."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.ledger import revision
from gateway.ledger.database import Database


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(revision.MIGRATIONS))
    return config


def upgrade(db: Database, to: str | None = None) -> tuple[str | None, str]:
    """Run what is missing in one transaction; gives the revision before and after. Safe to run again.

    ``to`` is an earlier revision of ``revisions``, for the rows of a backup made then; by default this version's.
    """
    target = to or revision.newest()
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
