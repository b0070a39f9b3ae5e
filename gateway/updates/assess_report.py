"""Report columns and row sources of U0418 and U0409: the exception report is the same table for both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any, Final

from sqlalchemy import Connection

from gateway.ledger.database import stream_blocks, stream_rows
from gateway.reports.table import OFFICE_COLUMNS, Column, Columns, ReportSpec
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
_OFFICES: Final = "SELECT office_id, portfolio, company, region, office FROM office"
_CHARGES: Final = (
    "SELECT c.code, c.name FROM charge c JOIN inbound_file f ON f.portfolio = c.portfolio WHERE f.file_id = :file"
)
_KEPT: Final = 200_000
"""Keys of one table held at a time: more than a block has, and little memory."""


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
    offices = {office_id: key for office_id, *key in stream_rows(connection, _OFFICES)}
    names: dict[str, str] = dict(stream_rows(connection, _CHARGES, file=file_id))
    lessees = _Beside(connection, "lease", "lessee")
    due_dates = _Beside(connection, "invoice", "due_date", made)
    for office_ids, leases, assets, codes, cents, invoices in posted:
        found = {office_id: offices[office_id] for office_id in set(office_ids)}
        keys = [_spread(office_ids, {office_id: key[i] for office_id, key in found.items()}) for i in range(4)]
        yield (
            *keys, leases, lessees.column(leases), assets, codes,
            _spread(codes, {code: names[code] for code in set(codes)}), cents, invoices, due_dates.column(invoices),
        )  # fmt: skip


def _spread(keys: Sequence[Any], values: dict[Any, str]) -> Sequence[str]:
    """The value of each key; one value for all is not looked up a row at a time."""
    if len(set(values.values())) == 1:
        return [next(iter(values.values()))] * len(keys)
    return [values[key] for key in keys]


class _Beside:
    """``value`` of the rows of ``table`` that a column names, fetched a block at a time where not seen lately."""

    def __init__(self, connection: Connection, table: str, value: str, more: Mapping[str, str] | None = None) -> None:
        self._connection, self._more = connection, more or {}
        listed = "SELECT value FROM JSON_EACH(:keys)"
        if connection.dialect.name != "sqlite":
            listed = "SELECT JSON_ARRAY_ELEMENTS_TEXT(CAST(:keys AS JSON))"
        self._statement = f"SELECT {table}, {value} FROM {table} WHERE {table} IN ({listed})"
        self._known: dict[str, str] = {}

    def column(self, keys: Sequence[str]) -> Sequence[str]:
        try:
            return list(map(self._known.__getitem__, keys))
        except KeyError:
            self._fetch(set(keys))
        return list(map(self._known.__getitem__, keys))

    def _fetch(self, keys: set[str]) -> None:
        if len(self._known) > _KEPT:
            self._known.clear()
        self._known.update((key, self._more[key]) for key in keys & self._more.keys())
        missing = json.dumps(list(keys - self._known.keys()))
        for key, value in stream_rows(self._connection, self._statement, keys=missing):
            self._known[key] = intern(value)  # many invoices are due on one day
