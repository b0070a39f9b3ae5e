"""What a fault of database or disk was, in words: another process in the way, a disk without room, or none of these."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

from gateway.errors import GatewayError

_IN_THE_WAY: Final = frozenset({"40001", "40P01", "55P03", "57014"})
"""PostgreSQL's codes: not serializable, a deadlock, a lock not to be had, a statement cancelled."""
_DISK_FULL: Final = "53100"
"""PostgreSQL's code."""
_SQLITE_DISKS: Final = "the ledger's disk, or that of temporary files: SQLITE_TMPDIR, TMPDIR or /var/tmp"


def in_the_way(fault: Exception) -> str | None:
    """Of a fault that is another process's work in the way, and nothing of ours: the driver's words, in one line."""
    cause, said = _said(fault)
    if isinstance(cause, sqlite3.OperationalError):
        return said if "locked" in said or "busy" in said else None
    return said if getattr(cause, "sqlstate", None) in _IN_THE_WAY else None


def is_conflict(fault: Exception) -> bool:
    """The database was busy, undid the transaction because of another, or the connection was lost: trying again is right."""
    cause, _ = _said(fault)
    if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
        return True
    return in_the_way(fault) is not None


def full_disk(fault: Exception) -> str | None:
    """Of a fault that is a disk without room, and nothing of ours: the words of system or driver, and which disk it may be."""
    cause, said = _said(fault)
    if isinstance(cause, OSError):
        return said if cause.errno in (errno.ENOSPC, errno.EDQUOT) else None
    if isinstance(cause, sqlite3.OperationalError):
        return f"{said}: {_SQLITE_DISKS}" if "disk is full" in said else None
    return f"{said}: the database's disk" if getattr(cause, "sqlstate", None) == _DISK_FULL else None


def in_words(fault: Exception) -> str:
    """A fault in one line; of the database's what its driver said. Words of our own need no name before them."""
    if isinstance(fault, GatewayError):
        return str(fault)
    cause, said = _said(fault)
    return f"{type(cause).__name__}: {full_disk(fault) or said}"


def _said(fault: Exception) -> tuple[BaseException, str]:
    """The driver's own fault where it is one, and its words in one line."""
    cause = fault.orig if isinstance(fault, DBAPIError) and fault.orig is not None else fault
    return cause, " ".join(str(cause).split())
