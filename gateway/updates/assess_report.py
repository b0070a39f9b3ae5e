"""Report columns and row sources that U0418 and U0409 share: the exception report is the same table for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.ledger.database import stream_rows
from gateway.reports.table import OFFICE_COLUMNS, Column, ReportSpec
from parsers.base import render_message

"""Rows fetched at a time: a report of millions of rows is never in memory."""


def exception_spec(name: str, title: str, reference: Column, day: Column) -> ReportSpec:
    """Report A; ``reference`` is the code or check, ``day`` the due or disbursal date."""
    return ReportSpec(
        name,
        title,
        (
            Column("line", "LINE", 8, "count"),
            *OFFICE_COLUMNS,
            Column("lease", "LEASE", 10),
            Column("asset", "ASSET", 10),
            reference,
            Column("amount", "AMOUNT", 16, "money"),
            day,
            Column("message_code", "MESSAGE CODE", 26),
            Column("message", "MESSAGE", 90, wraps=True),
        ),
    )


def exception_rows(
    connection: Connection, file_id: int, *, staging: str, reference: str, day: str
) -> Iterator[Sequence[Any]]:
    """Every message of the file in file order; what the line named, where it could be read."""
    rows = stream_rows(
        connection,
        "SELECT m.line_no, o.portfolio, o.company, o.region, o.office, COALESCE(s.lease, a.lease), s.asset, "
        f"s.{reference}, COALESCE(s.amount_cents, m.amount_cents), s.{day}, m.code, m.found, m.expected, m.action "
        f"FROM line_message m LEFT JOIN {staging} s ON s.file_id = m.file_id AND s.line_no = m.line_no "
        "LEFT JOIN asset a ON a.asset = s.asset LEFT JOIN lease l ON l.lease = COALESCE(s.lease, a.lease) "
        "LEFT JOIN office o ON o.office_id = l.office_id "
        "WHERE m.file_id = :file ORDER BY m.line_no, m.seq",
        file=file_id,
    )
    for row in rows:
        yield (*row[:11], render_message(*row[11:]))
