"""What reversals of a unit moved, read back from what was posted: each batch touched, with what it paid before and
what it pays now, in the order of the records. For report U0470B, ``gateway check`` and a reversal by hand.

Payment lines have no index by entry, so they are found by the leases of the unit's entries; lines of no lease by the
named batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from gateway.ledger.database import stream_rows
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import from_cents
from gateway.updates.reversal_post import REVERSED, TAKEN_BACK

IN_SUSPENSE = "SUSPENSE"


@dataclass(slots=True)
class Touched:
    """A batch that a record reversed (``is_named``) or re-applied, by lease; cents by invoice, ``DEF FEE`` or
    ``SUSPENSE``."""

    source_line: int | None
    is_named: bool
    batch: str
    check_no: str | None
    lease: str | None
    lessee: str | None
    reason: str | None
    old: dict[str, int] = field(default_factory=dict)
    new: dict[str, int] = field(default_factory=dict)

    @property
    def old_cents(self) -> int:
        return sum(self.old.values())

    @property
    def new_cents(self) -> int:
        return sum(self.new.values())


_LINE = "p.batch, p.lease, COALESCE(p.invoice, :suspense) AS place, p.line"
# By lease, and by named batch where there is none. What was applied and taken back within the unit is on both sides.
_PAID = f"""
SELECT {_LINE}, p.amount_cents, p.entry_id, p.reversed_by, p.suspense_item FROM (
    SELECT DISTINCT e.lease FROM journal_entry e WHERE e.entry_id BETWEEN :low AND :high AND e.lease IS NOT NULL
) t JOIN payment_line p ON p.lease = t.lease
UNION ALL
SELECT {_LINE}, p.amount_cents, p.entry_id, p.reversed_by, p.suspense_item
FROM ({{named}}) n JOIN payment_line p ON p.batch = n.batch WHERE p.lease IS NULL
"""
# Of suspense, re-application takes what is unspent: what its entry says. The line may be of more.
_TAKEN = f"""
CASE WHEN e.txn = '{TAKEN_BACK}' AND p.suspense_item IS NOT NULL THEN (
    SELECT CAST(SUM(j.amount_cents) AS BIGINT) FROM journal_line j WHERE j.entry_id = e.entry_id AND j.side = 'D')
ELSE p.amount_cents END
"""
_MOVES = f"""
WITH paid AS ({_PAID})
SELECT e.source_line, e.entry_id, e.txn, e.reason, p.batch, p.lease, p.place, {_TAKEN} AS amount_cents, p.line
FROM paid p JOIN journal_entry e ON e.entry_id = p.reversed_by WHERE p.reversed_by BETWEEN :low AND :high
UNION ALL
SELECT e.source_line, e.entry_id, e.txn, e.reason, p.batch, p.lease, p.place, p.amount_cents, p.line
FROM paid p JOIN journal_entry e ON e.entry_id = p.entry_id WHERE p.entry_id BETWEEN :low AND :high
"""
_ORDERED = f"""
SELECT m.source_line, m.txn, m.reason, SUBSTR(m.batch, 1, 20), b.check_no, m.lease, l.lessee_name, m.place, m.amount_cents
FROM ({_MOVES}) m JOIN payment_batch b ON b.batch = m.batch LEFT JOIN lease l ON l.lease = m.lease
ORDER BY m.source_line, m.entry_id, m.batch, m.line
"""
_OF_FILE = "SELECT DISTINCT s.batch FROM staged_reversal s WHERE s.file_id = :file"
_OF_BATCH = "SELECT CAST(:batch AS TEXT) AS batch"


def of_file(connection: Connection, file_id: int) -> Iterator[Touched]:
    """Batches that the records of a file touched, streamed."""
    unit = connection.execute(
        text("SELECT unit_id FROM posting_unit WHERE file_id = :file AND kind IN ('FILE', 'MODULE')"),
        {"file": file_id},
    ).scalar()
    if unit is not None:
        yield from _touched(connection, int(unit), _OF_FILE, {"file": file_id})


def of_unit(connection: Connection, unit_id: int, batch: str) -> list[Touched]:
    """Batches that reversing one by hand touched, in the unit that did."""
    return list(_touched(connection, unit_id, _OF_BATCH, {"batch": batch}))


def _touched(connection: Connection, unit_id: int, named: str, values: Mapping[str, Any]) -> Iterator[Touched]:
    low = unit_id * ENTRIES_A_UNIT
    rows = stream_rows(
        connection, _ORDERED.format(named=named), low=low, high=low + ENTRIES_A_UNIT - 1, suspense=IN_SUSPENSE, **values
    )
    for source_line, of_record in groupby(rows, key=lambda row: row[0]):
        found: dict[tuple[str, str | None], Touched] = {}
        for _, txn, reason, batch, check_no, lease, lessee, place, cents in of_record:
            one = found.get((batch, lease))
            if one is None:
                one = Touched(source_line, txn == REVERSED, batch, check_no, lease, lessee, reason)
                found[batch, lease] = one
            side = one.old if txn in (REVERSED, TAKEN_BACK) else one.new
            side[place] = side.get(place, 0) + cents
        yield from found.values()


def spelled(amounts: Mapping[str, int]) -> str:
    """``23090 150.00, SUSPENSE 50.00``"""
    return ", ".join(f"{place} {from_cents(cents)}" for place, cents in amounts.items())


def leases(moves: Iterable[Touched]) -> list[str]:
    """The leases of these batches, each once."""
    return list(dict.fromkeys(one.lease for one in moves if one.lease is not None))


def open_invoices(connection: Connection, names: Iterable[str]) -> list[tuple[str, str, str, int]]:
    """(lease, invoice, due date, open cents) of what these leases still owe, oldest due first."""
    found = []
    statement = text(
        "SELECT i.lease, i.invoice, i.due_date, CAST(SUM(r.billed_cents - r.paid_cents) AS BIGINT) FROM invoice i "
        "JOIN receivable r ON r.invoice = i.invoice WHERE i.lease = :lease AND r.paid_cents < r.billed_cents "
        "GROUP BY i.lease, i.invoice, i.due_date ORDER BY i.due_date, LENGTH(i.invoice), i.invoice"
    )
    for lease in names:
        found += [(row[0], row[1], row[2], int(row[3])) for row in connection.execute(statement, {"lease": lease})]
    return found
