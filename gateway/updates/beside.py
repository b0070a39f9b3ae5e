"""What report B shows beside a key (an office's names, a lease's lessee), a column at a time.

Joined in the database, each of a million rows would look all of them up again (measured: 7.6 s against 2.1 s).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any, Final

from sqlalchemy import Connection

from gateway.ledger.database import stream_rows
from gateway.reports.table import Columns

_OFFICES: Final = "SELECT office_id, portfolio, company, region, office FROM office"
_CHARGES: Final = (
    "SELECT c.code, c.name FROM charge c JOIN inbound_file f ON f.portfolio = c.portfolio WHERE f.file_id = :file"
)
_KEPT: Final = 200_000
"""Keys of one table held at a time: more than a block has, and little memory."""


def charge_names(connection: Connection, file_id: int) -> dict[str, str]:
    """The names of the charge codes of a file's portfolio."""
    return dict(stream_rows(connection, _CHARGES, file=file_id))


def spread(keys: Sequence[Any], values: dict[Any, str]) -> Sequence[str]:
    """The value of each key; one value for all is not looked up a row at a time."""
    if len(set(values.values())) == 1:
        return [next(iter(values.values()))] * len(keys)
    return [values[key] for key in keys]


class Offices:
    """The four columns of an office's key."""

    def __init__(self, connection: Connection) -> None:
        self._keys = {office_id: key for office_id, *key in stream_rows(connection, _OFFICES)}

    def columns(self, office_ids: Sequence[int]) -> Columns:
        found = {office_id: self._keys[office_id] for office_id in set(office_ids)}
        return [spread(office_ids, {office_id: key[i] for office_id, key in found.items()}) for i in range(4)]


class Beside:
    """``value`` of the rows of ``table`` that a column names, fetched a block at a time where not seen lately; None beside
    None and beside what the table does not have. ``more``: values that ``connection`` does not see yet; it may be filled
    while columns are asked for, and be empty before."""

    def __init__(self, connection: Connection, table: str, value: str, more: Mapping[str, str] | None = None) -> None:
        self._connection, self._more = connection, {} if more is None else more
        listed = "SELECT value FROM JSON_EACH(:keys)"
        if connection.dialect.name != "sqlite":
            listed = "SELECT JSON_ARRAY_ELEMENTS_TEXT(CAST(:keys AS JSON))"
        self._statement = f"SELECT {table}, {value} FROM {table} WHERE {table} IN ({listed})"
        self._known: dict[str | None, str | None] = {None: None}

    def column(self, keys: Sequence[str | None]) -> Sequence[str | None]:
        try:
            return list(map(self._known.__getitem__, keys))
        except KeyError:
            self._fetch(set(keys))
        return list(map(self._known.__getitem__, keys))

    def _fetch(self, keys: set[str | None]) -> None:
        if len(self._known) > _KEPT:
            self._known = {None: None}
        known, more = self._known, self._more
        missing = [key for key in keys if key not in known]  # a difference of sets would go through all that is known
        known.update((key, more.get(key) if key is not None else None) for key in missing)
        asked = json.dumps([key for key in missing if known[key] is None])
        for key, value in stream_rows(self._connection, self._statement, keys=asked):
            self._known[key] = intern(value)  # many invoices are due on one day
