"""Reports U0470A and U0470B, read back from what was posted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.reports.table import Column, ReportSpec
from parsers.base import render_message

EXCEPTIONS = ReportSpec(
    "U0470A",
    "BATCH PAYMENT REVERSAL EXCEPTIONS",
    (
        Column("line", "LINE", 9, "count"),
        Column("lease", "LEASE", 10),
        Column("invoice", "INVOICE", 8),
        Column("batch", "BATCH NUMBER", 20),
        Column("check", "CHECK", 10),
        Column("reason", "REASON", 4),
        Column("amount", "AMOUNT", 18, "money"),
        Column("suspense_item", "SUSPENSE", 9, "count"),
        Column("code", "MESSAGE CODE", 22),
        Column("message", "MESSAGE", 60, wraps=True),
    ),
)
AUDIT = ReportSpec(
    "U0470B",
    "BATCH PAYMENT REVERSAL AUDIT",
    (
        Column("lease", "LEASE", 10),
        Column("lessee", "LESSEE", 36),
        Column("check", "CHECK", 10),
        Column("batch", "BATCH NUMBER", 20),
        Column("reason", "REASON", 4),
        Column("amount_reversed", "AMOUNT REVERSED", 18, "money", totalled=True),
    ),
)

_EXCEPTIONS = """
SELECT m.line_no, CASE WHEN s.target_kind = 'L' THEN s.target END, CASE WHEN s.target_kind = 'I' THEN s.target END,
    s.batch, s.check_no, s.reason, COALESCE(m.amount_cents, s.amount_cents), m.suspense_item, m.code,
    m.found, m.expected, m.action
FROM line_message m
LEFT JOIN staged_reversal s ON s.file_id = m.file_id AND s.line_no = m.line_no
WHERE m.file_id = :file ORDER BY m.line_no, m.seq
"""
_AUDIT = f"""
SELECT p.lease, l.lessee_name, b.check_no, b.batch, e.reason, CAST(SUM(p.amount_cents) AS BIGINT)
FROM staged_reversal s
JOIN payment_batch b ON b.batch = s.batch
JOIN payment_line p ON p.batch = s.batch
JOIN journal_entry e ON e.entry_id = p.reversed_by AND e.source_line = s.line_no
JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT} AND u.file_id = s.file_id
LEFT JOIN lease l ON l.lease = p.lease
WHERE s.file_id = :file
GROUP BY s.line_no, p.lease, l.lessee_name, b.check_no, b.batch, e.reason
ORDER BY s.line_no, MIN(p.line)
"""


def exception_rows(connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
    """Rows of U0470A: every message of the file's lines, with what the line named."""
    for *row, found, expected, action in connection.execute(text(_EXCEPTIONS), {"file": file_id}):
        yield (*row, render_message(found, expected, action))


def audit_rows(connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
    """Rows of U0470B: one for each lease of each batch that a line reversed."""
    return iter(connection.execute(text(_AUDIT), {"file": file_id}))
