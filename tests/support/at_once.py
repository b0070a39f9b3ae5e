"""Two transactions at once, without a clock: the second one is known to wait, or to be done, before the first one ends."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from sqlalchemy import text

from gateway.ledger.database import Database

_WAITING = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def until_it_waits(db: Database, other: Future[Any]) -> None:
    """For a lock of this database. On SQLite it has not begun, as long as another one writes."""
    while not (db.is_sqlite or other.done()):
        with db.read() as connection:
            if connection.execute(text(_WAITING)).scalar_one():
                return
