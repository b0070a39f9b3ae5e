"""A name that one process has at a time, until it lets go or ends, whatever ends it.

So whoever has it knows that what was left in the middle under this name belongs to a process that is no more, and whoever
looks can tell what is at work from what was left. With SQLite it is a file lock beside the ledger, which homes may share;
with PostgreSQL an advisory lock of a session beside the pool, so that gateways on several machines share it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from gateway.ledger.database import Database, lock_key

StillHeld = Callable[[], None]
"""Raises an exception of the database when the lock was lost with its session."""


class Taken(Exception):  # noqa: N818 - no fault
    """Another process has a name; ``name`` is the first that it has."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@contextmanager
def held(db: Database, names: Sequence[str]) -> Iterator[StillHeld]:
    """Have all these names. Raises Taken at once when another process has one of them; then none is kept."""
    with (_by_file if db.is_sqlite else _by_session)(db, names) as still_held:
        yield still_held


def is_held(db: Database, name: str) -> bool:
    """Whether a process has the name now. Takes nothing from it."""
    if not db.is_sqlite:
        with db.read() as connection:
            return connection.execute(_HELD, _key(name)).first() is not None
    try:
        fd = os.open(_path(db, name), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _locked(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


_HELD = text(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = CURRENT_DATABASE()) "
    "AND ((CAST(classid AS BIGINT) << 32) | CAST(objid AS BIGINT)) = :key"
)


def _key(name: str) -> dict[str, int]:
    return {"key": lock_key(name)}


@contextmanager
def _by_session(db: Database, names: Sequence[str]) -> Iterator[StillHeld]:
    with db.session() as connection:
        taken = []
        try:
            for name in names:
                if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), _key(name)).scalar_one():
                    raise Taken(name)
                taken.append(name)
            yield lambda: connection.execute(text("SELECT 1")).close()
        finally:
            if not connection.invalidated:
                for name in taken:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), _key(name))


def _path(db: Database, name: str) -> Path:
    ledger = Path(str(db.url.database))
    return ledger.with_name(f"{ledger.name}-{name.replace(':', '-')}.lock")


@contextmanager
def _by_file(db: Database, names: Sequence[str]) -> Iterator[StillHeld]:
    open_files = []
    try:
        for name in names:
            open_files.append(os.open(_path(db, name), os.O_RDWR | os.O_CREAT, 0o660))
            while not _locked(open_files[-1], fcntl.LOCK_EX):
                if not _locked(open_files[-1], fcntl.LOCK_SH):
                    raise Taken(name)
                # held by one who only looks whether somebody has it, for a moment
        yield lambda: None
    finally:
        for fd in open_files:
            os.close(fd)


def _locked(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
