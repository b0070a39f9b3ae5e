"""Report U0409B by the column: of what was posted, and of what was told of a large file while it was being posted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.errors import LedgerError
from gateway.ledger import schema
from gateway.ledger.database import stream_blocks, stream_rows
from gateway.reports.table import Blocks, Columns
from gateway.updates.base import Followed
from gateway.updates.beside import Beside, Offices

_AUDIT = """
SELECT e.office_id, e.lease, e.asset, d.account_id, s.disbursal_date, d.amount_cents, s.check_no, c.account_id, s.payee,
    s.reference
FROM posting_unit u
JOIN journal_entry e ON e.entry_id >= u.unit_id * :each AND e.entry_id < (u.unit_id + 1) * :each
JOIN staged_escrow s ON s.file_id = u.file_id AND s.line_no = e.source_line
JOIN journal_line d ON d.entry_id = e.entry_id AND d.side = 'D'
JOIN journal_line c ON c.entry_id = e.entry_id AND c.side = 'C'
WHERE u.file_id = :file AND u.kind = 'FILE' ORDER BY e.source_line, d.line
"""
_CODES = """
SELECT a.account_id, c.code FROM charge c JOIN office o ON o.portfolio = c.portfolio
JOIN gl_account a ON a.office_id = o.office_id AND a.purpose = c.income_purpose
WHERE c.type = 'E' ORDER BY c.used, c.code DESC
"""


def posted_blocks(connection: Connection, file_id: int) -> Iterator[Columns]:
    """What ``audit_blocks`` wants of a file that posted: one row for each escrow charge a line was paid from."""
    for block in stream_blocks(connection, _AUDIT, file=file_id, each=schema.ENTRIES_A_UNIT):
        yield list(zip(*block, strict=True))


def audit_blocks(connection: Connection, posted: Iterable[Columns]) -> Iterator[Columns]:
    """Columns of U0409B for blocks of office_id, lease, asset, account of the payable, date, cents, check, account of the
    cash, payee and reference."""
    offices, lessees = Offices(connection), Beside(connection, "lease", "lessee")
    codes, vectors = _codes(connection), dict(stream_rows(connection, "SELECT account_id, vector FROM gl_account"))
    for office_ids, leases, assets, payables, dates, cents, checks, banks, payees, references in posted:
        yield (
            *offices.columns(office_ids), leases, lessees.column(leases), assets, list(map(codes.get, payables)), dates,
            cents, checks, list(map(vectors.__getitem__, banks)), payees, references,
        )  # fmt: skip


def _codes(connection: Connection) -> dict[int, str]:
    """The escrow charge of a payable's account: of several the first one in use."""
    return dict(stream_rows(connection, _CODES))


class EscrowDraft:
    """``told``: (line, office_id, account of the payable, cents, account of the cash) of each charge that a line was paid
    from. ``more``: line n has entry ``first_id + n``; None where no line posted yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._first_id: int | None = None

    def follow(self, records: Columns, told: Columns, more: Sequence[Any]) -> Followed:
        lines, offices, payables, cents, banks = told
        for first_id in more:
            self._first_id = first_id if first_id is not None else self._first_id
        if not lines:
            return Followed(["rejected"] * len(records[0]), [[]] * len(records[0]), ())
        if self._first_id is None:
            raise LedgerError("drafting: found lines that posted before their unit, expected it with them")
        posted = set(lines)
        words = ["posted" if line in posted else "rejected" for line in records[0]]
        entries = [[self._first_id + line] if line in posted else [] for line in records[0]]
        standing: Columns = records
        if tuple(lines) != records[0]:
            rows = dict(zip(records[0], zip(*records, strict=True), strict=True))
            standing = list(zip(*map(rows.__getitem__, lines), strict=True))
        _, leases, dates, _, checks, payees, _, _, _, _, _, references, assets, _ = standing
        return Followed(
            words, entries, ((offices, leases, assets, payables, dates, cents, checks, banks, payees, references),)
        )

    def rows(self, parts: Iterator[Any]) -> Iterable[Sequence[Any]]:
        return Blocks(audit_blocks(self._connection, parts))
