"""Which schema a ledger has, and which one this version needs.

Every command asks when it opens a home. Only those that migrate need alembic, so nothing here imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import inspect, text

from gateway.errors import Refused
from gateway.ledger.database import Database

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def newest() -> str:
    """The schema of this version: the number that the last migration's file has in its name."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("r[0-9]*.py"))


def current(db: Database) -> str | None:
    """The schema that a ledger has; None for an empty database."""
    with db.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def require_current(db: Database) -> None:
    """Refuse to work on another schema than this version's."""
    found, needed = current(db), newest()
    if found != needed:
        raise Refused(
            f"opening the ledger: found schema revision {found or 'none'}, expected {needed}; "
            "run `gateway db upgrade` (take a backup first)"
        )
