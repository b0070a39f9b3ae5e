"""One process at a time runs End of Period of a portfolio, and its turn ends with the process, whatever ends it.

So whoever has the turn knows that a module which is RUNNING belongs to a process that is no more, and whoever looks can
tell a period that is at work from one that was left. With SQLite it is a file lock beside the ledger, which homes may share;
with PostgreSQL an advisory lock of a session, so that gateways on several machines share it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from gateway.errors import Refused
from gateway.ledger.database import Database, lock_key


class AtWork(Refused):
    """Another process runs End of Period of the portfolio now."""


@contextmanager
def turn(db: Database, portfolios: Sequence[str]) -> Iterator[None]:
    """Have the turn of all these portfolios. Raises AtWork at once when another process has one of them."""
    if db.is_sqlite:
        with _by_file(db, portfolios):
            yield
        return
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        taken = []
        try:
            for name in portfolios:
                if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), _key(name)).scalar_one():
                    raise _at_work(name)
                taken.append(name)
            yield
        finally:
            if not connection.invalidated:
                for name in taken:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), _key(name))


def has_turn(db: Database, portfolio: str) -> bool:
    """Whether a process runs End of Period of the portfolio now. Takes nothing from it."""
    if not db.is_sqlite:
        with db.read() as connection:
            return connection.execute(_HELD, _key(portfolio)).first() is not None
    try:
        fd = os.open(_path(db, portfolio), os.O_RDONLY)
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


def _key(portfolio: str) -> dict[str, int]:
    return {"key": lock_key(f"eop:{portfolio}")}


def _path(db: Database, portfolio: str) -> Path:
    ledger = Path(str(db.url.database))
    return ledger.with_name(f"{ledger.name}-eop-p{portfolio}.lock")


@contextmanager
def _by_file(db: Database, portfolios: Sequence[str]) -> Iterator[None]:
    held = []
    try:
        for name in portfolios:
            held.append(os.open(_path(db, name), os.O_RDWR | os.O_CREAT, 0o660))
            while not _locked(held[-1], fcntl.LOCK_EX):
                if not _locked(held[-1], fcntl.LOCK_SH):
                    raise _at_work(name)
                # held by one who only looks whether somebody has the turn, for a moment
        yield
    finally:
        for fd in held:
            os.close(fd)


def _locked(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _at_work(portfolio: str) -> AtWork:
    return AtWork(
        f"End of Period of portfolio {portfolio}: found another process at it, expected one at a time; nothing was run: look "
        "with gateway status, and run it again when that one has ended"
    )
