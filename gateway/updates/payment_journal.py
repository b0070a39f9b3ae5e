"""Entries of a file of payments or reversals, numbered here and written chunk by chunk.

``Unit.add`` checks each entry in Python; at a hundred thousand entries that is half of the time of deciding them.
Here tuples go straight to the bulk insert, and the database checks the balance of every entry when the unit closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.ledger import schema
from gateway.ledger.payments import OpenLine
from gateway.ledger.units import ENTRY_COLUMNS, LINE_COLUMNS, Leg, Unit

_SOURCE_LINE: Final = ENTRY_COLUMNS.index("source_line")


class Journal:
    """The only one to enter into the unit: it numbers the entries."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self._last = unit.first_id
        self._entries: list[tuple[Any, ...]] = []
        self._lines: list[tuple[Any, ...]] = []

    def enter(
        self,
        office_id: int,
        txn: str,
        effective_date: str,
        source_line: int | None,
        legs: Sequence[Leg],
        lease: str | None,
        invoice: str | None,
        asset: str | None = None,
        reason: str | None = None,
        corrects: int | None = None,
    ) -> int:
        """Add an entry and give its number."""
        self._last = entry = self._last + 1
        self._entries.append(
            (entry, office_id, lease, invoice, asset, txn, reason, effective_date, source_line, corrects)
        )
        for number, (account, side, cents) in enumerate(legs, 1):
            self._lines.append((entry, number, account, side, cents))
        return entry

    def number(self) -> int:
        """The number of an entry that someone else writes."""
        self._last += 1
        return self._last

    def flush(self) -> list[tuple[int | None, int]]:
        """Write what was entered; rows that refer to an entry need this first. Gives (source line, entry) of each."""
        db, connection = self.unit.db, self.unit.connection
        db.bulk_insert(connection, schema.journal_entry, ENTRY_COLUMNS, self._entries)
        db.bulk_insert(connection, schema.journal_line, LINE_COLUMNS, self._lines)
        written = [(entry[_SOURCE_LINE], entry[0]) for entry in self._entries]
        self._entries, self._lines = [], []
        return written


def payment_legs(cash: int, parts: Sequence[tuple[OpenLine, int]]) -> Sequence[Leg]:
    """Debits first: cash, and ASSESSED FEES for cash basis charges; one leg an account and side."""
    if len(parts) == 1 and parts[0][0].terms.income is None:
        line, cents = parts[0]
        return ((cash, "D", cents), (line.terms.receivable, "C", cents))
    legs: dict[tuple[int, Any], int] = {(cash, "D"): sum(cents for _, cents in parts)}
    for line, cents in parts:
        if line.terms.income is not None:
            legs[line.terms.income[0], "D"] = legs.get((line.terms.income[0], "D"), 0) + cents
    for line, cents in parts:
        for account in (line.terms.receivable, *(line.terms.income[1:] if line.terms.income is not None else ())):
            legs[account, "C"] = legs.get((account, "C"), 0) + cents
    return [(account, side, cents) for (account, side), cents in legs.items()]
