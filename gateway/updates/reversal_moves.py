"""What reversals of a unit moved, read back from what was posted: each batch touched, with what it paid before and
what it pays now, in the order of the records. For report U0470B, ``gateway check`` and a reversal by hand.

Read in blocks of the unit's entries, which follow the records: the memory is that of a block, and nothing is sorted but
its rows. Lines of a named batch are found by it, the others by their entry and the one that it takes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.ledger import units
from gateway.ledger.database import as_written, stream_blocks
from gateway.ledger.packed import BULK_ROWS
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import from_cents
from gateway.updates.reversal_plain import REVERSED
from gateway.updates.reversal_post import TAKEN_BACK

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


Row = tuple[Any, ...]
"""Of a payment line taken back or made: source line, entry, batch, line, transaction code and reason of the entry, batch as
it is printed, check, lease, lessee, invoice (None: suspense), cents."""
LEASE: Final = 8
"""The place of the lease, behind which the lessee is."""

_BLOCK_ENTRIES = BULK_ROWS
_ROW = """
SELECT e.source_line, e.entry_id, p.batch, p.line, e.txn, e.reason, SUBSTR(p.batch, 1, 20), b.check_no, p.lease, l.lessee_name,
    p.invoice, {cents}
FROM {tables} CROSS JOIN payment_batch b LEFT JOIN lease l ON l.lease = p.lease WHERE b.batch = p.batch AND {which}
"""
_MADE = _ROW.format(
    cents="p.amount_cents",
    tables="payment_line p CROSS JOIN journal_entry e",
    which="p.entry_id BETWEEN :low AND :high AND e.entry_id = p.entry_id",
)
# Of suspense, re-application takes what is unspent: what its entry says. The line may be of more.
_TAKEN = _ROW.format(
    cents="CASE WHEN p.suspense_item IS NULL THEN p.amount_cents ELSE (SELECT CAST(SUM(j.amount_cents) AS BIGINT) "
    "FROM journal_line j WHERE j.entry_id = e.entry_id AND j.side = 'D') END",
    tables="journal_entry e CROSS JOIN payment_line p",
    which="e.entry_id BETWEEN :low AND :high AND e.txn = :taken AND p.entry_id = e.corrects AND p.reversed_by = e.entry_id",
)
_BACK = "p.reversed_by BETWEEN :low AND :high AND e.entry_id = p.reversed_by AND e.txn = :reversed"
_OF_FILE = _ROW.format(
    cents="p.amount_cents",
    tables="staged_reversal s CROSS JOIN payment_line p CROSS JOIN journal_entry e",
    which=f"s.file_id = :file AND s.line_no BETWEEN :first AND :last AND p.batch = s.batch AND {_BACK} AND e.source_line = s.line_no",
)
_OF_BATCH = _ROW.format(
    cents="p.amount_cents", tables="payment_line p CROSS JOIN journal_entry e", which=f"p.batch = :batch AND {_BACK}"
)
_RECORDS = """
SELECT MIN(source_line), MAX(source_line) FROM journal_entry WHERE entry_id BETWEEN :low AND :high AND txn = :reversed
"""


def of_file(connection: Connection, file_id: int) -> Iterator[Touched]:
    """Batches that the records of a file touched, streamed."""
    yield from _touched(rows_of_file(connection, file_id))


def rows_of_file(connection: Connection, file_id: int) -> Iterator[Row]:
    """What the records of a file moved, in the order of its entries."""
    unit = connection.execute(
        text("SELECT unit_id FROM posting_unit WHERE file_id = :file AND kind IN ('FILE', 'MODULE')"),
        {"file": file_id},
    ).scalar()
    if unit is not None:
        yield from _rows(connection, int(unit), _OF_FILE, {"file": file_id})


def of_unit(connection: Connection, unit_id: int, batch: str) -> list[Touched]:
    """Batches that reversing one by hand touched, in the unit that did."""
    return list(_touched(_rows(connection, unit_id, _OF_BATCH, {"batch": batch})))


def audit_rows(rows: Iterable[Row]) -> Iterator[Sequence[Any]]:
    """Rows of U0470B: one for each lease of each batch that a line reversed, beneath it the batches re-applied."""
    for one in _touched(rows):
        yield (
            one.lease, one.lessee, one.check_no, one.batch, one.reason, one.old_cents if one.is_named else None,
            None if one.is_named else one.new_cents, spelled(one.old), spelled(one.new),
        )  # fmt: skip


def _touched(rows: Iterable[Row]) -> Iterator[Touched]:
    for source_line, of_record in groupby(rows, key=itemgetter(0)):
        found: dict[tuple[str, str | None], Touched] = {}
        for _, _, _, _, txn, reason, batch, check_no, lease, lessee, invoice, cents in of_record:
            one = found.get((batch, lease))
            if one is None:
                one = Touched(source_line, txn == REVERSED, batch, check_no, lease, lessee, reason)
                found[batch, lease] = one
            side = one.old if txn in (REVERSED, TAKEN_BACK) else one.new
            place = invoice or IN_SUSPENSE
            side[place] = side.get(place, 0) + cents
        yield from found.values()


def _rows(connection: Connection, unit_id: int, named: str, values: Mapping[str, Any]) -> Iterator[Row]:
    """Lines taken back and made, read block by block in the order of their entries."""
    first, last = unit_id * ENTRIES_A_UNIT, units.last_entry(connection, unit_id)
    for low in range(first, last + 1, _BLOCK_ENTRIES):
        bounds = {
            "low": low, "high": low + _BLOCK_ENTRIES - 1, "reversed": REVERSED, "taken": TAKEN_BACK,
        }  # fmt: skip
        with as_written(connection):
            lines = connection.execute(text(_RECORDS), bounds).one()
            bounds |= {**values, "first": lines[0], "last": lines[1]}
            blocks = (stream_blocks(connection, part, **bounds) for part in (named, _TAKEN, _MADE))
            rows = list(chain.from_iterable(chain.from_iterable(blocks)))
        rows.sort(key=itemgetter(1, 2, 3))
        yield from rows


def spelled(amounts: Mapping[str, int]) -> str:
    """``23090 150.00, SUSPENSE 50.00``"""
    return ", ".join([f"{place} {from_cents(cents)}" for place, cents in amounts.items()])


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
