"""Which schema a ledger has, and which one this version needs.

Every command asks when it opens a home. Only those that migrate need alembic, so nothing here imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from gateway.errors import LedgerError, Refused
from gateway.ledger.database import Database

MIGRATIONS: Final = Path(__file__).parent / "migrations"


def newest() -> str:
    """The schema of this version: the number that the last migration's file has in its name."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("r[0-9]*.py"))


def current(db: Database) -> str | None:
    """The schema that a ledger has; None for an empty database. Raises LedgerError for a file that is no database, and
    for a server that does not let us in."""
    try:
        with db.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except DatabaseError as error:
        if not db.is_sqlite and isinstance(error, OperationalError):
            told = " ".join(str(error.orig).split())
            raise LedgerError(
                f"opening the ledger: found {told}; expected a PostgreSQL server that lets {db.url.username or 'us'} into "
                f"database {db.url.database}: start it, or mend the address (--database, or "
                "database.url in config/gateway.toml, or what it names)"
            ) from error
        if "unable to open" in str(error.orig):
            raise LedgerError(
                f"opening the ledger {db.url.database}: found nothing there that can be opened ({error.orig}), expected a file "
                "in a folder that is there and is ours to write: make the folder, or mend the address (--database, or "
                "database.url in config/gateway.toml, or what it names)"
            ) from error
        if "not a database" not in str(error.orig) and "malformed" not in str(error.orig):
            raise
        raise LedgerError(
            f"opening the ledger {db.url.database}: found a file that is no database ({error.orig}), expected a ledger; keep "
            "it for who may save it, and restore a backup into a new home: gateway restore BACKUP --home NEW_HOME"
        ) from error


def require_current(db: Database) -> None:
    """Refuse to work on another schema than this version's."""
    found, needed = current(db), newest()
    if found is None:
        raise Refused(
            f"opening the ledger: found schema revision none, expected {needed}; run `gateway db upgrade` for an empty "
            "ledger, or restore a backup if there was one"
        )
    refuse_newer(found)
    if found != needed:
        raise Refused(
            f"opening the ledger: found schema revision {found}, expected {needed}; run `gateway db upgrade` (after a "
            f"backup, which the version of {found} makes)"
        )


def refuse_newer(found: str | None) -> None:
    """A ledger that a newer version made: this one cannot know what is in it."""
    if found is not None and found > newest():
        raise Refused(
            f"opening the ledger: found schema revision {found}, expected {newest()} or an earlier one: a newer version made "
            "it; run that version, or restore a backup that this one made"
        )
