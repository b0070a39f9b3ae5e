"""Report B and archive of a large file of assessments, of what was told while it was being posted (``u0418``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.errors import LedgerError
from gateway.reports.table import Blocks, Columns
from gateway.updates.assess_report import audit_blocks
from gateway.updates.base import Followed


class AssessDraft:
    """``told``: (line, office_id, invoice, the asset's lease) of the lines that posted; the lines alone where office and
    invoice follow from the lease. ``more``: line n has entry ``first_id + n``; office and invoice of leases; (lease, due
    date, invoice) of invoices that were made."""

    def __init__(self, connection: Connection, file_id: int) -> None:
        self._connection, self._file_id = connection, file_id
        self._first_id = 0
        self._leases: dict[str, tuple[int, str | None]] = {}
        self._made: dict[str, str] = {}

    def follow(self, records: Columns, told: Columns, more: Sequence[Any]) -> Followed:
        for first_id, leases, made in more:
            self._first_id = first_id
            self._leases.update(leases)
            for lease, due_date, invoice in made:
                self._made[invoice] = due_date
                if lease in self._leases:
                    self._leases[lease] = (self._leases[lease][0], invoice)
        lines, offices, invoices, asset_leases = told
        words = ["posted"] * len(records[0])
        entries = [[self._first_id + line] for line in records[0]]
        standing = records
        if tuple(lines) != records[0]:
            stands = set(lines)
            words = ["posted" if line in stands else "rejected" for line in records[0]]
            entries = [entry if word == "posted" else [] for word, entry in zip(words, entries, strict=True)]
            standing = list(zip(*(row for row in zip(*records, strict=True) if row[0] in stands), strict=True))
        if not lines:
            return Followed(words, entries, ())
        if len(standing[0]) != len(lines):
            raise LedgerError(f"drafting: found {len(standing[0])} records of {len(lines)} lines that posted")
        _, leases, assets, _, _, codes, cents, *_ = standing
        if self._leases:
            offices, invoices = zip(*map(self._leases.__getitem__, leases), strict=True)
            return Followed(words, entries, ((offices, leases, assets, codes, cents, invoices),))
        named = [lease or by_asset for lease, by_asset in zip(leases, asset_leases, strict=True)]
        return Followed(words, entries, ((offices, named, assets, codes, cents, invoices),))

    def rows(self, parts: Iterator[Any]) -> Iterable[Sequence[Any]]:
        return Blocks(audit_blocks(self._connection, self._file_id, parts, self._made))
