"""Reports U0470A and U0470B, read back from what was posted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.ledger.database import stream_rows
from gateway.reports.table import Column, ReportSpec
from gateway.updates import reversal_moves
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
        Column("amount_reapplied", "AMOUNT RE-APPLIED", 18, "money", totalled=True),
        Column("old_invoices", "OLD INVOICES", 30, wraps=True),
        Column("new_invoices", "NEW INVOICES", 30, wraps=True),
    ),
)

_EXCEPTIONS = """
SELECT m.line_no, CASE WHEN s.target_kind = 'L' AND (i.lease IS NULL OR i.kind = 'REVERSAL') THEN s.target ELSE i.lease END, CASE WHEN s.target_kind = 'I' THEN s.target END,
    s.batch, s.check_no, s.reason, COALESCE(m.amount_cents, s.amount_cents), m.suspense_item, m.code,
    m.found, m.expected, m.action
FROM line_message m
LEFT JOIN staged_reversal s ON s.file_id = m.file_id AND s.line_no = m.line_no
LEFT JOIN suspense_item i ON i.item = m.suspense_item
WHERE m.file_id = :file ORDER BY m.line_no, m.seq
"""


def exception_rows(connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
    """Rows of U0470A: every message of the file's lines, with what the line named; the lease is that of the message's own
    item in suspense, where it has one. That of a Reversal Suspense item may have been corrected since."""
    for *row, found, expected, action in stream_rows(connection, _EXCEPTIONS, file=file_id):
        yield (*row, render_message(found, expected, action))


def audit_rows(connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
    """Rows of U0470B, read back."""
    return reversal_moves.audit_rows(reversal_moves.rows_of_file(connection, file_id))
