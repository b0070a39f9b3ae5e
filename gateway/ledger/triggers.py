"""The triggers in force, and lifting them while a backup's rows come back. Dialects differ here as in ``guards.py``.

Only a restore into an empty ledger lifts them, inside its one transaction: the rows were let in by the same triggers
once, and ``verify`` goes over all of them before the restore is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from gateway.ledger.database import Database


def in_force(db: Database, connection: Connection) -> dict[str, str]:
    """Triggers by name; on SQLite with their text, on PostgreSQL the enabled ones, with the body of their function."""
    if db.is_sqlite:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    else:
        rows = connection.execute(
            text(
                "SELECT t.tgname, f.prosrc FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid "
                "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
            )
        )
    return {str(row[0]): str(row[1]) for row in rows}


@contextmanager
def lifted(db: Database, connection: Connection) -> Iterator[None]:
    """No triggers of ours until the block ends."""
    if db.is_sqlite:
        statements = in_force(db, connection)
        for name in statements:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield
        for statement in statements.values():
            connection.exec_driver_sql(statement)
        return
    tables = connection.execute(
        text("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")
    )
    names = list(tables.scalars())
    for name in names:
        connection.exec_driver_sql(f"ALTER TABLE {name} DISABLE TRIGGER USER")
    yield
    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks pending cannot be altered
    for name in names:
        connection.exec_driver_sql(f"ALTER TABLE {name} ENABLE TRIGGER USER")


def follow_numbers(db: Database, connection: Connection, table: str, key: str) -> None:
    """After rows came in with their numbers, a self-numbering table goes on behind the highest. SQLite does by itself."""
    if not db.is_sqlite:
        connection.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), (SELECT MAX({key}) FROM {table})) "
                f"WHERE pg_get_serial_sequence('{table}', '{key}') IS NOT NULL AND EXISTS (SELECT 1 FROM {table})"
            )
        )
