"""One door to the database: SQLite inside the home by default, PostgreSQL by URL.

Dialect differences live here and in ``guards.py``; every other module writes SQLAlchemy Core or plain SQL that
both understand. ``write()`` takes the write lock at once (BEGIN IMMEDIATE), so a reader never becomes a writer
half-way; on PostgreSQL the portfolio's advisory lock serialises postings of one portfolio.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from gateway.errors import SettingsError
from gateway.ledger.packed import BULK_ROWS, Pack, Packed, Statements, for_postgresql, for_sqlite

_PREPARED = 1024
"""Statements that a connection of SQLite keeps ready; ``verify`` alone asks two hundred, and 128 is what Python keeps."""

FETCH_ROWS = 2_000
"""Rows a fetch brings: with what is made of them they fit the processor's own memory (measured: a report in 8 s, with
10,000 in 10 s)."""

_CACHE_KIB = 64 * 1024
_TEMPORARY_KIB = 16 * 1024
"""Kept in memory of scratch tables before they go to a temporary file. Sorts do from ``_CACHE_KIB`` on, and what a statement
would need to undo itself from 64 KiB on: of a large file that grows with the ledger's indexes (measured: of 4 million lines
100 MB more). No plain account number is in them: those are sealed before they reach the database, scratch tables too."""

_POSTGRESQL_OPTIONS = "-c work_mem=64MB -c temp_buffers=128MB -c cursor_tuple_fraction=1.0"
"""What one connection may use before it goes to disk: the set-based steps of a file fit. Every cursor is read to its
end, so the planner must not favour its first rows (measured: an audit report in 1.3 s instead of 24 s)."""

_SET = (
    "SELECT SET_CONFIG('join_collapse_limit', {0}, TRUE), SET_CONFIG('enable_hashjoin', {1}, TRUE), "
    "SET_CONFIG('enable_mergejoin', {1}, TRUE), SET_CONFIG('enable_seqscan', {1}, TRUE), SET_CONFIG('jit', {1}, TRUE)"
)
"""Local to the transaction; NULL sets back."""


_COMMENT_OF = "SELECT OBJ_DESCRIPTION(TO_REGCLASS(:name), 'pg_class')"
"""Of a table: the columns that ``scratch`` made it with."""


class Database:
    """An engine with the few operations that differ between the two databases."""

    def __init__(self, url: str | URL) -> None:
        self.url = make_url(url)
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise SettingsError(
                [f"database.url: found {self.url.get_backend_name()}, expected sqlite or postgresql+psycopg"]
            )
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if not self.is_sqlite:
            self.url = self.url.set(drivername="postgresql+psycopg")
        self._connect_args: dict[str, Any] = (
            {"cached_statements": _PREPARED} if self.is_sqlite else {"options": _POSTGRESQL_OPTIONS}
        )
        self.engine: Engine = create_engine(
            self.url,
            pool_pre_ping=not self.is_sqlite,
            hide_parameters=True,  # a fault is logged, and values are names, banks and accounts
            connect_args=self._connect_args,
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @classmethod
    def at_path(cls, path: Path) -> Database:
        return cls(URL.create("sqlite", database=str(path)))

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection of its own beside the pool, each statement its own transaction: for a lock that lasts as long as its
        session. However many there are, those who read and write find a connection in the pool."""
        with self._sessions.connect() as connection:
            yield connection

    @cached_property
    def _sessions(self) -> Engine:
        return create_engine(
            self.url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args=self._connect_args,
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; commits at the end, rolls back on any exception."""
        connection = self.engine.connect().execution_options(gateway_write=True)
        try:
            with connection.begin():
                yield connection
        finally:
            connection.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; never takes the write lock."""
        connection = self.engine.connect()
        if not self.is_sqlite:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        try:
            with connection.begin() as transaction:
                yield connection
                transaction.rollback()
        finally:
            connection.close()

    def lock_portfolios(self, connection: Connection, portfolios: Iterable[str]) -> None:
        """Hold these portfolios until the transaction ends, in one order, so that no two gateways deadlock."""
        if self.is_sqlite:
            return
        for name in sorted(set(portfolios)):
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(f"portfolio:{name}")})

    def lock(self, connection: Connection, name: str) -> None:
        """Hold a named lock until the transaction ends."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(name)})

    def bulk_insert(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> int:
        """Insert ready tuples by the driver's own bulk call; returns how many. Flat memory for an iterator."""
        iterator = iter(rows)
        blocks = iter(lambda: list(islice(iterator, BULK_ROWS)), [])
        count = 0

        def packed() -> Iterator[Packed]:
            nonlocal count
            for block in blocks:
                yield self.pack(block)
                count += len(block)

        self.insert_packed(connection, table.name, columns, packed())
        return count

    @property
    def pack(self) -> Pack:
        """Makes rows ready for ``insert_packed``; needs no connection, and can be handed to another process."""
        return for_sqlite if self.is_sqlite else for_postgresql

    def insert_packed(
        self, connection: Connection, table: str, columns: Sequence[str], packed: Iterable[Packed]
    ) -> None:
        """Insert what ``pack`` made ready, by the driver's own bulk call."""
        names = ", ".join(f'"{c}"' for c in columns)
        driver = connection.connection.driver_connection
        if driver is None:
            raise RuntimeError("the connection has no driver connection")
        if not self.is_sqlite:
            with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                for block in packed:
                    copy.write(block)
            return
        for statements in packed:
            for row, rows, values in cast("Statements", statements):
                placeholders = ", ".join([row] * rows)
                driver.executemany(f'INSERT INTO "{table}" ({names}) VALUES {placeholders}', values)

    def insert_or(self, connection: Connection, insert: str, conflict: str, **values: Any) -> None:
        """``insert`` (an INSERT … SELECT) with the ON CONFLICT clause ``conflict``, of rows that are nearly always new.

        For that clause PostgreSQL looks for every row before it inserts it, so that it is tried without first (measured: two
        thirds of the time); where a row was there, that is undone.
        """
        if not self.is_sqlite:
            with suppress(IntegrityError), connection.begin_nested():
                connection.execute(text(insert), values)
                return
        connection.execute(text(f"{insert} {conflict}"), values)

    def insert_returning_id(self, connection: Connection, table: Table, key: str, values: dict[str, Any]) -> int:
        """Insert one row and give the number the database assigned to ``key``."""
        statement = table.insert().values(**values).returning(table.c[key])
        return int(connection.execute(statement).scalar_one())

    def reserve_ids(self, connection: Connection, table: str, key: str, count: int) -> list[int]:
        """``count`` fresh numbers of a self-numbering table, rising, for rows that a bulk insert will bring.

        On SQLite they are free only because ``write()`` holds the database; they are taken by inserting them.
        """
        if not count:
            return []
        if self.is_sqlite:
            last = connection.execute(
                text("SELECT seq FROM sqlite_sequence WHERE name = :table"), {"table": table}
            ).scalar()
            first = int(last or 0) + 1
            return list(range(first, first + count))
        statement = "SELECT nextval(pg_get_serial_sequence(:table, :key)) FROM generate_series(1, :count)"
        rows = connection.execute(text(statement), {"table": table, "key": key, "count": count})
        return sorted(int(number) for (number,) in rows)

    def bulk_update(
        self,
        connection: Connection,
        table: Table,
        assign: str,
        keys: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> int:
        """Update one row of ``table`` for each (number, *keys) of ``rows``; returns how many were found.

        ``assign`` is the SET clause with ``{}`` for the number: ``paid_cents = paid_cents + {}``.
        """
        driver = connection.connection.driver_connection
        if not rows or driver is None:
            return 0
        if self.is_sqlite:
            where = " AND ".join(f'"{key}" = ?' for key in keys)
            statement = f'UPDATE "{table.name}" SET {assign.format("?")} WHERE {where}'
            return int(driver.executemany(statement, rows).rowcount)
        types = ", ".join(f'"{k}" {table.c[k].type.compile(dialect=connection.dialect)}' for k in keys)
        change = Table(f"bulk_{table.name}", MetaData())
        self.scratch(connection, change.name, f"bulk_value BIGINT, {types}")
        self.bulk_insert(connection, change, ("bulk_value", *keys), rows)
        where = " AND ".join(f'"{table.name}"."{key}" = b."{key}"' for key in keys)
        assigned = assign.format("b.bulk_value")
        return connection.execute(
            text(f'UPDATE "{table.name}" SET {assigned} FROM {change.name} b WHERE {where}')
        ).rowcount

    def fetch(self, connection: Connection, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """All rows as the driver gives them: three times faster than a result's rows, for large look-ups."""
        result = connection.execute(text(statement), values)
        rows: list[tuple[Any, ...]] = list(result.cursor.fetchall()) if result.cursor is not None else []
        result.close()
        return rows

    def rows_as_json(self, table: Table, columns: Sequence[str], *, order: str) -> str:
        """SELECT … FROM table whose one value is all rows as a JSON array of arrays, ready for a WHERE.

        Built inside the database, several times faster than a fetch a row, and the same text on both. SQLite walks
        the primary key, which is ``order``.
        """
        if self.is_sqlite:
            return f"SELECT JSON_GROUP_ARRAY(JSON_ARRAY({', '.join(columns)})) FROM {table.name}"
        fields = " || ',' || ".join(_json_text(table.columns[name]) for name in columns)
        return (
            f"SELECT '[' || COALESCE(STRING_AGG('[' || {fields} || ']', ',' ORDER BY {order}), '') || ']' "
            f"FROM {table.name}"
        )

    def scratch(
        self, connection: Connection, name: str, columns: str, *, key: str | None = None, clustered: bool = False
    ) -> None:
        """A temporary table of this connection, empty: for the set-based steps of one transaction.

        ``key`` names the columns by which SQLite looks its rows up; PostgreSQL hashes or sorts a scratch table as a
        whole, so that it keeps no index of a key given this way. ``clustered`` keeps the rows inside the primary key
        where SQLite can: one look-up a row instead of two. PostgreSQL keeps the table from before in the transaction: each
        that goes holds locks to its end, of which a server has some thousands for all.
        """
        if self.is_sqlite:
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
            columns += f", PRIMARY KEY ({key})" if key else ""
            suffix = " WITHOUT ROWID" if clustered else ""
            connection.execute(text(f"CREATE TEMPORARY TABLE {name} ({columns}){suffix}"))
            return
        if connection.execute(text(_COMMENT_OF), {"name": f"pg_temp.{name}"}).scalar() == columns:
            connection.execute(text(f"TRUNCATE {name}"))
            return
        for statement in (
            f"DROP TABLE IF EXISTS {name}",
            f"CREATE TEMPORARY TABLE {name} ({columns}) ON COMMIT DROP",
            f"COMMENT ON TABLE {name} IS '{columns}'",
        ):
            connection.execute(text(statement))

    def analyze(self, connection: Connection, *tables: str) -> None:
        """Tell PostgreSQL's planner how large tables have become in this transaction; SQLite plans by the order
        in which a statement names its tables."""
        if not self.is_sqlite:
            for name in tables:
                connection.execute(text(f"ANALYZE {name}"))


@contextmanager
def as_written(connection: Connection) -> Iterator[None]:
    """Until the block ends, PostgreSQL too goes through tables in the order a statement joins them (``CROSS JOIN``,
    which binds SQLite), row by row through an index: for look-ups that begin with a chunk's names.

    Left to itself it plans by statistics, which a ledger just loaded does not have and which know nothing of what this
    transaction wrote, and then goes through whole tables for every chunk (measured: most of the time of a file).
    A filter that it takes for strict would still come first: ``state || '' <> 'REVERSED'`` says nothing to it.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    connection.execute(text(_SET.format("'1'", "'off'")))
    yield
    connection.execute(text(_SET.format("NULL", "NULL")))  # as before; after a fault the transaction is over


@contextmanager
def by_sets(connection: Connection) -> Iterator[None]:
    """Until the block ends, PostgreSQL joins whole sets and never looks a row up for each of another: for two large sets of
    this transaction, of which it has no figures (measured: a bank file of 100,000 checks in 7 s instead of 126)."""
    if connection.dialect.name == "sqlite":
        yield
        return
    connection.execute(text("SELECT SET_CONFIG('enable_nestloop', 'off', TRUE)"))
    yield
    connection.execute(
        text("SELECT SET_CONFIG('enable_nestloop', NULL, TRUE)")
    )  # after a fault the transaction is over


def stream_blocks(connection: Connection, statement: str, **values: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of a SELECT in blocks, as the driver gives them: flat memory, a third of the time of a result's rows.

    On PostgreSQL through a server-side cursor of the driver's own; SQLAlchemy's would take each row in hand.
    """
    if connection.dialect.name == "sqlite":
        result = connection.execute(text(statement).execution_options(yield_per=FETCH_ROWS), values)
        try:
            while result.cursor is not None and (block := result.cursor.fetchmany(FETCH_ROWS)):
                yield list(block)
        finally:
            result.close()
        return
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection has no driver connection")
    connection.exec_driver_sql("SELECT 1")  # SQLAlchemy begins its transaction with its first statement
    compiled = str(text(statement).compile(dialect=connection.dialect))
    with driver.cursor(name=f"stream_{next(_stream_numbers)}", binary=True) as cursor:
        cursor.execute(compiled, values)
        while block := cursor.fetchmany(FETCH_ROWS):
            yield block


def stream_rows(connection: Connection, statement: str, **values: Any) -> Iterator[tuple[Any, ...]]:
    """As ``stream_blocks``, row by row."""
    for block in stream_blocks(connection, statement, **values):
        yield from block


_stream_numbers = count(1)


def _json_text(column: Column[Any]) -> str:
    """PostgreSQL's expression for a column's value as JSON. Integers need no detour, absent values their own word."""
    number = isinstance(column.type, Integer)
    value = f"CAST({column.name} AS TEXT)" if number else f"CAST(TO_JSON({column.name}) AS TEXT)"
    return f"COALESCE({value}, 'null')" if column.nullable else value


def lock_key(name: str) -> int:
    """A stable signed 64-bit number for an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event decides, not the driver
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "recursive_triggers = ON",  # else REPLACE could delete past the triggers
        "busy_timeout = 60000",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = FILE",
        f"temp.cache_size = -{_TEMPORARY_KIB}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("gateway_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
