"""Reports U0415A and U0415B, and what became of each line, read back from what was posted.

A batch number is 20 digits; behind those of a file that was taken back there is more, which is not printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.ledger.database import stream_blocks, stream_rows
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.reports.table import OFFICE_COLUMNS, Blocks, Column, Columns, ReportSpec
from gateway.updates.beside import Beside, Offices, charge_names, spread
from parsers.base import render_message

IN_SUSPENSE, SUSPENSE_NAME = "SUSP", "SUSPENSE"
"""In place of a charge code and its name, where money went to suspense."""

EXCEPTIONS = ReportSpec(
    "U0415A",
    "BATCH PAYMENT EXCEPTIONS",
    (
        Column("line", "LINE", 9, "count"),
        *OFFICE_COLUMNS,
        Column("lease", "LEASE", 10),
        Column("check", "CHECK", 10),
        Column("batch", "BATCH NUMBER", 20),
        Column("invoice", "INVOICE", 8),
        Column("suspense_item", "SUSPENSE", 9, "count"),
        Column("amount", "AMOUNT", 18, "money"),
        Column("date", "DATE", 10, "date"),
        Column("code", "MESSAGE CODE", 22),
        Column("message", "MESSAGE", 60, wraps=True),
    ),
)
AUDIT = ReportSpec(
    "U0415B",
    "BATCH PAYMENT AUDIT",
    (
        *OFFICE_COLUMNS,
        Column("lease", "LEASE", 10),
        Column("lessee", "LESSEE", 36),
        Column("asset", "ASSET", 10),
        Column("code", "CODE", 4),
        Column("code_name", "CODE NAME", 36),
        Column("check", "CHECK", 10),
        Column("batch", "BATCH NUMBER", 20),
        Column("amount", "AMOUNT", 18, "money", totalled=True),
        Column("invoice", "INVOICE", 8),
        Column("due_date", "DUE DATE", 10, "date"),
        Column("suspense_item", "SUSPENSE", 9, "count"),
    ),
    by_office=True,
    total_by="code",
)

_EXCEPTIONS = """
SELECT m.line_no, o.portfolio, o.company, o.region, o.office,
    COALESCE(i.lease, l.lease, CASE WHEN s.target_kind = 'L' THEN s.target END),
    s.check_no,
    SUBSTR(COALESCE(i.batch, s.batch, (
        SELECT MIN(p.batch) FROM payment_line p JOIN payment_batch b ON b.batch = p.batch
        WHERE p.lease = l.lease AND p.source_line = m.line_no AND b.file_id = m.file_id
    )), 1, 20),
    CASE WHEN s.target_kind = 'I' THEN s.target END, m.suspense_item, COALESCE(m.amount_cents, s.amount_cents),
    COALESCE(s.effective_date, f.business_date), m.code, m.found, m.expected, m.action
FROM line_message m
JOIN inbound_file f ON f.file_id = m.file_id
LEFT JOIN staged_payment s ON s.file_id = m.file_id AND s.line_no = m.line_no
LEFT JOIN suspense_item i ON i.item = m.suspense_item
LEFT JOIN invoice v ON s.target_kind = 'I' AND v.invoice = s.target
LEFT JOIN lease l ON l.lease = CASE s.target_kind WHEN 'I' THEN v.lease ELSE s.target END
LEFT JOIN office o ON o.office_id = COALESCE(i.office_id, l.office_id)
WHERE m.file_id = :file ORDER BY m.line_no, m.seq
"""

# Entries of a unit rise with the lines that made them: SQLite then has nothing to sort.
_AUDIT = """
SELECT e.office_id, p.lease, p.asset, p.charge, b.check_no, SUBSTR(b.batch, 1, 20), p.amount_cents, p.invoice,
    p.suspense_item, v.due_date
FROM journal_entry e CROSS JOIN payment_line p CROSS JOIN payment_batch b LEFT JOIN invoice v ON v.invoice = p.invoice
WHERE e.entry_id BETWEEN :low AND :high AND p.entry_id = e.entry_id AND p.source_line IS NOT NULL AND b.batch = p.batch
ORDER BY e.entry_id, p.line
"""


_ENTRIES = "SELECT source_line, entry_id FROM journal_entry WHERE entry_id BETWEEN :low AND :high"
_SAID = (
    "SELECT line_no, MIN(severity) FROM line_message WHERE file_id = :file AND line_no BETWEEN :first AND :last "
    "AND severity IN ('R', 'S') GROUP BY line_no"
)


def exception_rows(connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
    """Rows of U0415A: every message of the file's lines, with what the line named."""
    for *row, found, expected, action in stream_rows(connection, _EXCEPTIONS, file=file_id):
        yield (*row, render_message(found, expected, action))


def audit_rows(connection: Connection, file_id: int) -> Iterable[Sequence[Any]]:
    """Rows of U0415B: what each line paid, and what of it went to suspense."""
    posted = stream_blocks(connection, _AUDIT, **_bounds(connection, file_id))
    return Blocks(audit_blocks(connection, file_id, (list(zip(*block, strict=True)) for block in posted)))


def audit_blocks(connection: Connection, file_id: int, posted: Iterable[Columns]) -> Iterator[Columns]:
    """Columns of U0415B for blocks of office_id, lease, asset, charge, check, batch, cents, invoice, suspense item and
    due date."""
    offices, lessees = Offices(connection), Beside(connection, "lease", "lessee_name")
    names = charge_names(connection, file_id)
    for office_ids, leases, assets, charges, checks, batches, cents, invoices, items, due_dates in posted:
        codes = set(charges)
        yield (
            *offices.columns(office_ids), leases, lessees.column(leases), assets,
            spread(charges, {code: code or IN_SUSPENSE for code in codes}),
            spread(charges, {code: names.get(code, SUSPENSE_NAME) for code in codes}),
            checks, batches, cents, invoices, due_dates, items,
        )  # fmt: skip


def _bounds(connection: Connection, file_id: int) -> dict[str, int]:
    """The entry numbers of the file's unit; none where it did not post."""
    unit = connection.execute(
        text("SELECT unit_id FROM posting_unit WHERE file_id = :file AND kind IN ('FILE', 'MODULE')"), {"file": file_id}
    ).scalar()
    low = (unit or 0) * ENTRIES_A_UNIT
    return {"low": low, "high": low + ENTRIES_A_UNIT - 1 if unit else -1}


def outcomes(
    connection: Connection, file_id: int, staging: str, *, order: str = "entry_id"
) -> Iterator[tuple[int, str, list[int]]]:
    """(line, outcome, entry ids) of every staged line. Entries of a unit rise with the lines that made them, or are put
    in such an order, so both are read once, side by side. A file not posted (its portfolio's unit is missing) has its
    lines held."""
    bounds = _bounds(connection, file_id)
    made = stream_rows(connection, f"{_ENTRIES} ORDER BY {order}", **bounds)
    ahead = next(made, None)
    words = {"R": "rejected", "S": "suspended"}
    lines = f"SELECT line_no FROM {staging} WHERE file_id = :file ORDER BY line_no"
    for block in stream_blocks(connection, lines, file=file_id):
        numbers = [number for (number,) in block]
        within = {"file": file_id, "first": numbers[0], "last": numbers[-1]}
        said = {line: words[severity] for line, severity in connection.execute(text(_SAID), within)}
        entries: dict[int, list[int]] = {}
        while ahead is not None and ahead[0] <= numbers[-1]:
            entries.setdefault(ahead[0], []).append(ahead[1])
            ahead = next(made, None)
        posted = "posted" if bounds["low"] else "held"
        outcome = [said.get(number, posted) for number in numbers] if said else [posted] * len(numbers)
        yield from zip(numbers, outcome, (entries.get(number, []) for number in numbers), strict=True)
