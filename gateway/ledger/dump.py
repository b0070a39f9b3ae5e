"""The whole ledger as one portable stream: the same for SQLite and PostgreSQL, so that either restores into either.

JSON lines, zstandard compressed: a header, then for each table a line with its columns followed by its rows as lists.
Bytes are ``{"b": base64}``. Tables come in the order of their foreign keys, rows in the order of their primary key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

from backports import zstd
from sqlalchemy import Connection, Table, select, text

from gateway.errors import LedgerError, Refused
from gateway.ledger import migrate, triggers
from gateway.ledger.database import Database
from gateway.ledger.schema import metadata

FORMAT: Final = 1
_FETCH: Final = 5_000
Progress = Callable[[int, int | None], None]
_NO_PROGRESS: Final[Progress] = lambda done, total: None  # noqa: E731


def tables() -> list[Table]:
    """Every table of the ledger, those that others refer to first."""
    return list(metadata.sorted_tables)


def write(db: Database, path: Path, progress: Progress | None = None) -> dict[str, int]:
    """Write the stream from one consistent view; gives rows by table."""
    tell, counts, done = progress or _NO_PROGRESS, {}, 0
    revision = migrate.current(db)
    with db.read() as connection, zstd.open(path, "wt", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps({"format": FORMAT, "revision": revision}) + "\n")
        for table in tables():
            names = [column.name for column in table.columns]
            out.write(json.dumps({"table": table.name, "columns": names}) + "\n")
            count = 0
            statement = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_FETCH)
            with connection.execute(statement) as result:
                for block in result.partitions(_FETCH):
                    out.writelines(json.dumps([*map(_plain, row)], ensure_ascii=False) + "\n" for row in block)
                    count += len(block)
                    done += len(block)
                    tell(done, None)
            counts[table.name] = count
        out.write(json.dumps({"end": sum(counts.values())}) + "\n")
    return counts


def _plain(value: Any) -> Any:
    return {"b": base64.b64encode(bytes(value)).decode()} if isinstance(value, (bytes, memoryview)) else value


def _value(value: Any) -> Any:
    return base64.b64decode(value["b"]) if isinstance(value, dict) else value


def require_empty(db: Database) -> None:
    """Refuse a ledger that has rows: a restore never mixes two."""
    with db.read() as connection:
        filled = [t.name for t in tables() if connection.execute(text(f"SELECT 1 FROM {t.name} LIMIT 1")).first()]
    if filled:
        raise Refused(
            f"restoring the ledger: found rows in {', '.join(filled[:3])}, expected an empty database; name another one"
        )


def read(db: Database, path: Path, progress: Progress | None = None) -> dict[str, int]:
    """Bring a stream into an empty ledger of this version's schema, whole or not at all; gives rows by table."""
    known = {table.name: table for table in tables()}
    counts: dict[str, int] = {}
    tell = progress or _NO_PROGRESS
    with zstd.open(path, "rt", encoding="utf-8") as lines:
        items = (json.loads(line) for line in lines)
        header = next(items)
        if header.get("format") != FORMAT or header.get("revision") != migrate.head():
            raise Refused(
                f"restoring the ledger: found format {header.get('format')}, schema {header.get('revision')}, expected "
                f"{FORMAT} and {migrate.head()}; restore with the version that made the backup, then upgrade"
            )
        with db.write() as connection, triggers.lifted(db, connection):
            item = next(items)
            while "table" in item:
                table = known[item["table"]]
                rows = _Rows(items)
                count = db.bulk_insert(connection, table, item["columns"], rows)
                counts[table.name] = count
                tell(sum(counts.values()), None)
                item = rows.after
            if item.get("end") != sum(counts.values()):
                raise LedgerError(
                    f"restoring the ledger: found {sum(counts.values())} rows, expected {item.get('end')}; the backup is torn"
                )
            _follow_numbers(db, connection, known)
    return counts


class _Rows:
    """The rows of one table; what ended them is ``after``."""

    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items
        self.after: Mapping[str, Any] = {}

    def __iter__(self) -> Iterator[list[Any]]:
        for item in chain(self.items, [{}]):
            if isinstance(item, dict):
                self.after = item
                return
            yield [_value(value) for value in item]


def _follow_numbers(db: Database, connection: Connection, known: Mapping[str, Table]) -> None:
    for table in known.values():
        keys = list(table.primary_key.columns)
        if len(keys) == 1 and keys[0].type.python_type is int:
            triggers.follow_numbers(db, connection, table.name, keys[0].name)
