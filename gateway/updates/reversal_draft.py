"""Report B and archive of a large file of reversals, of what was told while it was being posted (``reversal_telling``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection

from gateway.reports.table import Columns
from gateway.updates import reversal_moves
from gateway.updates.base import Followed
from gateway.updates.beside import Beside
from gateway.updates.reversal_moves import LEASE, Row


class ReversalDraft:
    """``told``: (line, outcome, entries) of each line that was not refused. ``more``: rows of ``reversal_moves`` in their
    order, without the lessee."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def follow(self, records: Columns, told: Columns, more: Sequence[Any]) -> Followed:
        lines, words, entries = told
        if tuple(lines) != records[0]:
            known = dict(zip(lines, zip(words, entries, strict=True), strict=True))
            words, entries = zip(*(known.get(line, ("rejected", [])) for line in records[0]), strict=True)
        return Followed(list(words), entries, [block for block in more if block])

    def rows(self, parts: Iterator[Sequence[Row]]) -> Iterable[Sequence[Any]]:
        lessees = Beside(self._connection, "lease", "lessee_name")
        return reversal_moves.audit_rows(chain.from_iterable(_with_lessees(block, lessees) for block in parts))


def _with_lessees(block: Sequence[Row], lessees: Beside) -> Iterator[Row]:
    names = lessees.column([row[LEASE] for row in block])
    for row, name in zip(block, names, strict=True):
        yield (*row[: LEASE + 1], name, *row[LEASE + 1 :])
