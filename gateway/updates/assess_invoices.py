"""U0418: invoices a block of assessments needs and the ledger does not have, and numbers for them.

Numbers come from the counter ``invoice``. The first use of the counter begins above the highest number in use;
a number that was loaded since is passed over. After 99999999, the widest a file can name, comes 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.errors import Refused
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.updates.assess_resolve import Scope

HIGHEST_INVOICE = 99_999_999

_NEW = Table("assess_new", MetaData(), *map(Column, ("lease", "due_date", "invoice")))
_NUMBER = Table("assess_number", MetaData(), Column("invoice"))


class Made(NamedTuple):
    """An invoice that was made."""

    lease: str
    due_date: str
    invoice: str


def make_missing(scope: Scope) -> list[Made]:
    """One new invoice for each lease and due date of ``assess_line`` that has none, in the order of the lines."""
    connection = scope.connection
    wanted = [
        (lease, due_date)
        for lease, due_date in connection.execute(
            text(
                "SELECT lease, due_date FROM assess_line WHERE problem IS NULL AND invoice IS NULL "
                "GROUP BY lease, due_date ORDER BY MIN(line_no)"
            )
        )
    ]
    if not wanted:
        return []
    numbers = take_numbers(scope.db, connection, len(wanted))
    made = [Made(lease, due, number) for (lease, due), number in zip(wanted, numbers, strict=True)]
    scope.db.bulk_insert(
        connection,
        schema.invoice,
        ("lease", "due_date", "invoice", "source"),
        ((*row, scope.source) for row in made),
    )
    scope.db.scratch(connection, "assess_new", "lease TEXT, due_date TEXT, invoice TEXT, PRIMARY KEY (lease, due_date)")
    scope.db.bulk_insert(connection, _NEW, ("lease", "due_date", "invoice"), made)
    connection.execute(
        text(
            "UPDATE assess_line SET invoice = (SELECT n.invoice FROM assess_new n "
            "WHERE n.lease = assess_line.lease AND n.due_date = assess_line.due_date) "
            "WHERE problem IS NULL AND invoice IS NULL"
        )
    )
    return made


def take_numbers(db: Database, connection: Connection, count: int) -> list[str]:
    """The next ``count`` invoice numbers that no invoice has, and the counter moved past them."""
    db.lock(connection, "counter:invoice")
    following = connection.execute(text("SELECT next FROM counter WHERE name = 'invoice'")).scalar()
    start = _above_highest(connection) if following is None else int(following)
    numbers: list[str] = []
    looked_at = 0
    while len(numbers) < count:
        if looked_at > HIGHEST_INVOICE:
            raise Refused(
                f"numbering {count} new invoices: found every number to {HIGHEST_INVOICE} in use, expected free ones"
            )
        block = _following(start, max(count - len(numbers), _LEAST_BLOCK))
        start = _next(block[-1])
        looked_at += len(block)
        taken = _in_use(db, connection, block)
        numbers += [str(number) for number in block if str(number) not in taken]
    following = _next(int(numbers[count - 1]))
    connection.execute(
        text(
            "INSERT INTO counter (name, next) VALUES ('invoice', :next) "
            "ON CONFLICT (name) DO UPDATE SET next = excluded.next"
        ),
        {"next": following},
    )
    return numbers[:count]


_LEAST_BLOCK = 1000
"""Numbers looked at together: a run of numbers in use is passed in few steps."""


def _above_highest(connection: Connection) -> int:
    highest = connection.execute(
        text("SELECT MAX(CAST(invoice AS BIGINT)) FROM invoice WHERE LENGTH(invoice) <= 8 AND "
             "LTRIM(invoice, '0123456789') = ''")
    ).scalar()  # fmt: skip
    return _next(int(highest or 0))


def _next(number: int) -> int:
    return 1 if number >= HIGHEST_INVOICE else number + 1


def _following(start: int, count: int) -> Sequence[int]:
    return range(start, min(start + count, HIGHEST_INVOICE + 1))


def _in_use(db: Database, connection: Connection, numbers: Sequence[int]) -> set[str]:
    db.scratch(connection, "assess_number", "invoice TEXT PRIMARY KEY")
    db.bulk_insert(connection, _NUMBER, ("invoice",), ((str(number),) for number in numbers))
    return set(
        connection.execute(
            text("SELECT n.invoice FROM assess_number n CROSS JOIN invoice i WHERE i.invoice = n.invoice")
        ).scalars()
    )
