"""What every table of the ledger shares: the catalog, keys, columns of money and of text."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
"""An integer key; SQLite numbers only a plain INTEGER by itself."""

SEALED_AS = "sealed as"
"""In a column's ``info``: its values are encrypted (``gateway/vault.py``), sealed and opened with this name as ``field``.
A rotation of the key finds the columns by it: what is sealed with another name would stop it."""

ENTRIES_A_UNIT = 100_000_000
"""entry_id = unit_id * ENTRIES_A_UNIT + ordinal (from 1): the unit of an entry needs no column and no look-up."""


def money(name: str, *, nullable: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, server_default=default)


def words(name: str, *args: object, nullable: bool = True) -> Column[str]:
    return Column(name, Text, *args, nullable=nullable)  # type: ignore[arg-type]


def index_where(name: str, *columns: str, which: str) -> Index:
    """Of those rows only: the others cost it nothing, and nobody looks for them by it. A statement finds rows by it when it
    says as much, in the same words or by comparing the column."""
    return Index(name, *columns, sqlite_where=text(which), postgresql_where=text(which))


CHANGED_AT_ONCE: Final[dict[str, Any]] = {"postgresql_with": {"fillfactor": 50}}
"""Of a table whose rows files change by the hundred thousand, in columns that no index has: PostgreSQL writes a changed row into
its page and no index where there is room (measured: changes of 100,000 batches taken back in 1.2 s instead of 2.2). SQLite
changes rows in place."""
