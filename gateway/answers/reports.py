"""Reports of a bank's file: A what waits for a person and how the file's form deviates, B every answer and what was done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gateway.ledger.database import stream_rows
from gateway.reports.table import Column, ReportSpec
from parsers.base import render_message

_LINE: Final = Column("line", "LINE", 8, "count")
_CODE: Final = Column("code", "CODE", 4)
_TRACE: Final = Column("original_trace", "ORIGINAL TRACE", 15)
_AMOUNT: Final = Column("amount", "AMOUNT", 16, "money")

EXCEPTIONS: Final = ReportSpec(
    "ANSWERSA",
    "ANSWERS OF THE BANK EXCEPTIONS",
    (
        _LINE,
        Column("kind", "KIND", 15),
        _CODE,
        _TRACE,
        _AMOUNT,
        Column("message_code", "MESSAGE CODE", 26),
        Column("message", "MESSAGE", 90, wraps=True),
    ),
)
AUDIT: Final = ReportSpec(
    "ANSWERSB",
    "ANSWERS OF THE BANK AUDIT",
    (
        _LINE,
        Column("kind", "KIND", 15),
        _CODE,
        _TRACE,
        Column("amount", "AMOUNT", 16, "money", totalled=True),
        Column("settled", "SETTLED", 10, "date"),
        Column("portfolio", "P", 2),
        Column("vendor", "VENDOR", 10),
        Column("check", "CHECK", 10),
        Column("sent_in", "SENT IN", 32, wraps=True),
        Column("sent_for", "SENT FOR", 10, "date"),
        Column("state", "STATE", 9),
        Column("outcome", "OUTCOME", 90, wraps=True),
    ),
)

_WAITING: Final = """
SELECT line_no, kind, code, original_trace, amount_cents, outcome FROM ach_answer
WHERE file_id = :file AND state IN ('UNMATCHED', 'CLEARED') ORDER BY number
"""
_DEVIATIONS: Final = """
SELECT line_no, code, field, found, expected, action FROM line_message WHERE file_id = :file ORDER BY line_no, seq
"""
_ALL: Final = """
SELECT a.line_no, a.kind, a.code, a.original_trace, a.amount_cents, a.settled_on, COALESCE(e.portfolio, f.portfolio),
    e.vendor, e.check_no, f.name, e.effective_date, CASE a.state WHEN 'CLEARED' THEN 'UNMATCHED' ELSE a.state END, a.outcome
FROM ach_answer a
LEFT JOIN ach_entry e ON e.outbound_id = a.outbound_id AND e.seq = a.seq
LEFT JOIN outbound_file f ON f.outbound_id = a.outbound_id
WHERE a.file_id = :file ORDER BY a.number
"""


def exception_rows(connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
    """As the file was taken in: what a person cleared since was an exception then."""
    for line, kind, code, trace, cents, outcome in stream_rows(connection, _WAITING, file=file_id):
        yield (line, kind, code, trace, cents, "UNMATCHED", outcome)
    for line, code, field, found, expected, action in stream_rows(connection, _DEVIATIONS, file=file_id):
        yield (line, "FORM", None, None, None, code, f"{field}: {render_message(found, expected, action)}")


def audit_rows(connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
    yield from stream_rows(connection, _ALL, file=file_id)
