"""Report columns and row sources of U0418 and U0409: the exception report is the same table for both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gateway.ledger.database import stream_blocks, stream_rows
from gateway.reports.table import OFFICE_COLUMNS, Column, Columns, ReportSpec
from gateway.updates.beside import Beside, Offices, charge_names, spread
from parsers.base import render_message


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


_AUDIT: Final = """
SELECT e.office_id, e.lease, e.asset, e.txn, s.amount_cents, e.invoice
FROM journal_entry e JOIN staged_assessment s ON s.file_id = :file AND s.line_no = e.source_line
WHERE e.entry_id BETWEEN :low AND :high ORDER BY e.entry_id
"""


def posted_blocks(connection: Connection, file_id: int, low: int, high: int) -> Iterator[Columns]:
    """What ``audit_blocks`` wants of the entries from ``low`` to ``high``, in file order."""
    for block in stream_blocks(connection, _AUDIT, file=file_id, low=low, high=high):
        yield tuple(zip(*block, strict=True))


def audit_blocks(
    connection: Connection, file_id: int, posted: Iterable[Columns], made: Mapping[str, str] | None = None
) -> Iterator[Columns]:
    """Columns of U0418B for blocks of office_id, lease, asset, code, cents and invoice. ``made``: due dates of invoices
    that ``connection`` does not see yet.

    What hangs on a key (an office's names, a lease's lessee) is put beside it here, a column at a time: joined in the
    database, each of a million rows would look all of them up again (measured: 7.6 s against 2.1 s).
    """
    offices = Offices(connection)
    names = charge_names(connection, file_id)
    lessees = Beside(connection, "lease", "lessee")
    due_dates = Beside(connection, "invoice", "due_date", made)
    for office_ids, leases, assets, codes, cents, invoices in posted:
        yield (
            *offices.columns(office_ids), leases, lessees.column(leases), assets, codes,
            spread(codes, {code: names[code] for code in set(codes)}), cents, invoices, due_dates.column(invoices),
        )  # fmt: skip
