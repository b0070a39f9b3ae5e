"""Report B and archive of a large file of payments, of what was told while it was being posted (``payment_posting``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gateway.reports.table import Blocks, Columns
from gateway.updates.base import Followed
from gateway.updates.payment_reports import audit_blocks

TOLD: Final = (
    "source_line", "entry_id", "office_id", "lease", "asset", "charge", "check_no", "batch", "cents", "invoice", "item",
)  # fmt: skip
"""Of each payment line made, in the order of entries; behind them the due date of its invoice."""


class PaymentDraft:
    """``told``: the payment lines, as ``TOLD`` says; a line of the file has one or more."""

    def __init__(self, connection: Connection, file_id: int) -> None:
        self._connection, self._file_id = connection, file_id

    def follow(self, records: Columns, told: Columns, more: Sequence[Any]) -> Followed:
        lines, entries, *of_report = told
        items = of_report[-2]
        parts = (of_report,) if lines else ()
        if tuple(lines) == records[0] and items.count(None) == len(items):
            return Followed(["posted"] * len(lines), [[entry] for entry in entries], parts)
        made: dict[int, dict[int, None]] = {}
        for line, entry in zip(lines, entries, strict=True):
            made.setdefault(line, {})[entry] = None
        suspended = {line for line, item in zip(lines, items, strict=True) if item is not None}
        words = [
            "suspended" if line in suspended else "posted" if line in made else "rejected" for line in records[0]
        ]  # fmt: skip
        return Followed(words, [list(made.get(line, ())) for line in records[0]], parts)

    def rows(self, parts: Iterator[Any]) -> Iterable[Sequence[Any]]:
        return Blocks(audit_blocks(self._connection, self._file_id, parts))
