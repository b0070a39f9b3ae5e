"""Numbers that go out once: trace numbers of a bank, file ID modifiers of a day.

A trace number is the bank's 8 digits and a sequence of 7, one sequence a bank across portfolios. The sequence comes
round after 9,999,999; a number is not given again within 400 days, because returns are matched by it. A block never
crosses the end of the sequence: traces must rise within a batch, so a block that does not fit starts again at 1.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, text

from gateway.errors import Refused
from gateway.ledger.database import Database
from gateway.ledger.restored import first_trace

LAST_SEQUENCE: Final = 9_999_999
NOT_AGAIN_DAYS: Final = 400


def take_traces(db: Database, connection: Connection, *, odfi: str, count: int, on: date) -> int:
    """Reserve ``count`` consecutive sequence numbers of a bank; gives the first.

    Raises Refused when one of them went out within 400 days: it is checked against the rows themselves.
    """
    if count > LAST_SEQUENCE:
        raise Refused(
            f"numbering {count} entries: found more than the {LAST_SEQUENCE} trace numbers a bank has; build in parts"
        )
    name = f"trace:{odfi}"
    first = _next(db, connection, name) or first_trace(connection)
    if first + count - 1 > LAST_SEQUENCE:
        first = 1
    last = first + count - 1
    used = connection.execute(
        text(
            "SELECT r.trace_number, f.name, f.business_date FROM "
            "(SELECT trace_number, outbound_id FROM ach_entry WHERE trace_number BETWEEN :low AND :high UNION ALL "
            "SELECT trace_number, outbound_id FROM outbound_row WHERE trace_number BETWEEN :low AND :high) r "
            "JOIN outbound_file f ON f.outbound_id = r.outbound_id "
            "WHERE f.built_at >= :since ORDER BY r.trace_number LIMIT 1"
        ),
        {
            "low": trace_number(odfi, first),
            "high": trace_number(odfi, last),
            "since": (on - timedelta(days=NOT_AGAIN_DAYS)).isoformat(),
        },
    ).one_or_none()
    if used is not None:
        raise Refused(
            f"numbering entries of bank {odfi}: found trace number {used[0]} in {used[1]} of {used[2]}, expected none "
            f"used within {NOT_AGAIN_DAYS} days; nothing was built: ask the bank for a further ODFI identification"
        )
    _set(connection, name, last % LAST_SEQUENCE + 1, on)
    return first


def trace_number(odfi: str, sequence: int) -> str:
    """15 digits.

    >>> trace_number("09100001", 42)
    '091000010000042'
    """
    return f"{odfi}{sequence:07d}"


def trace_numbers(odfi: str, first: int, count: int) -> list[str]:
    """Consecutive ones.

    >>> trace_numbers("09100001", 9, 2)
    ['091000010000009', '091000010000010']
    """
    return [f"{odfi}{sequence:07d}" for sequence in range(first, first + count)]


def take_modifiers(
    db: Database, connection: Connection, *, origin: str, destination: str, on: date, alphabet: str, count: int
) -> list[str]:
    """The next file ID modifiers of a creation day. Raises Refused when the day has no more."""
    name = f"modifier:{origin.strip()}:{destination.strip()}:{on.isoformat()}"
    first = _next(db, connection, name) or 1
    if first + count - 1 > len(alphabet):
        raise Refused(
            f"numbering files of {on.isoformat()}: found {first - 1} bank files made that day and {count} more wanted, "
            f"expected at most {len(alphabet)}: the bank tells files of one day apart by one character; build tomorrow"
        )
    _set(connection, name, first + count, on)
    return list(alphabet[first - 1 : first - 1 + count])


def _next(db: Database, connection: Connection, name: str) -> int | None:
    """None: nothing was numbered by this name yet."""
    db.lock(connection, f"counter:{name}")
    found = connection.execute(text("SELECT next FROM counter WHERE name = :name"), {"name": name}).scalar()
    return None if found is None else int(found)


def _set(connection: Connection, name: str, value: int, on: date) -> None:
    connection.execute(
        text(
            "INSERT INTO counter (name, next, noted_on) VALUES (:name, :next, :on) "
            "ON CONFLICT (name) DO UPDATE SET next = excluded.next, noted_on = excluded.noted_on"
        ),
        {"name": name, "next": value, "on": on.isoformat()},
    )
