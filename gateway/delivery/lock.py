"""One process delivers to an endpoint at a time, and the lock ends with the process, whatever ends it.

That is what makes recovery simple: whoever holds an endpoint's lock knows that every delivery of that endpoint left in
the middle belongs to a process that is no more. With SQLite it is a file lock in the home; with PostgreSQL an advisory
lock of a session, so that gateways on several machines share it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import text

from gateway.home import Home
from gateway.ledger.database import Database, lock_key

StillHeld = Callable[[], None]
"""Raises an exception of the database when the lock was lost with its connection."""


@contextmanager
def endpoint_lock(db: Database, home: Home, endpoint: str) -> Iterator[StillHeld | None]:
    """Hold the endpoint's lock; gives None at once when another process holds it."""
    if db.is_sqlite:
        with _file_lock(home, endpoint) as held:
            yield held
        return
    key = {"key": lock_key(f"delivery:{endpoint}")}
    with db.session() as connection:
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            yield None
            return
        try:
            yield lambda: connection.execute(text("SELECT 1")).close()
        finally:
            if not connection.invalidated:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)


@contextmanager
def _file_lock(home: Home, endpoint: str) -> Iterator[StillHeld | None]:
    home.work.mkdir(parents=True, exist_ok=True)
    fd = os.open(home.work / f"deliver-{endpoint}.lock", os.O_RDWR | os.O_CREAT, 0o660)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield lambda: None
    finally:
        os.close(fd)
