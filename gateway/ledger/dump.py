"""The whole ledger as one portable stream: the same for SQLite and PostgreSQL, so that either restores into either.

JSON lines, zstandard compressed: a header, then for each table a line with its columns followed by its rows as lists.
Bytes are ``{"b": base64}``. Tables come in the order of their foreign keys, rows in the order of their primary key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

from backports import zstd
from sqlalchemy import Connection, Table, inspect, select, text

from gateway.errors import LedgerError, Refused
from gateway.ledger import migrate, revision, triggers
from gateway.ledger.database import Database
from gateway.ledger.schema import metadata

FORMAT: Final = 1
_FETCH: Final = 5_000
Progress = Callable[[int, int | None], None]
Then = Callable[[Connection], None]
_NO_PROGRESS: Final[Progress] = lambda done, total: None  # noqa: E731


def tables() -> list[Table]:
    """Every table of the ledger, those that others refer to first."""
    return list(metadata.sorted_tables)


def write(db: Database, path: Path, progress: Progress | None = None) -> tuple[dict[str, int], dict[str, str]]:
    """Write the stream from one consistent view; gives rows by table, and the ends of the chains in that view."""
    tell, counts, done = progress or _NO_PROGRESS, {}, 0
    schema = revision.current(db)
    with db.read() as connection, zstd.open(path, "wt", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps({"format": FORMAT, "revision": schema}) + "\n")
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
        ends = chain_ends(connection, counts["posting_unit"])
    return counts, ends


def chain_ends(connection: Connection, copied: int) -> dict[str, str]:
    """Digest of each portfolio's last unit within the ``copied`` first ones, to compare after restoring. Of the ledger that is
    copied, asked in the view of the rows: numbers are taken before a unit commits, so that a later view has others first."""
    found = connection.execute(
        text(
            "SELECT portfolio, digest FROM (SELECT portfolio, digest, unit_id, MAX(unit_id) OVER (PARTITION BY "
            "portfolio) AS last FROM (SELECT portfolio, digest, unit_id FROM posting_unit ORDER BY unit_id "
            "LIMIT :copied) copied) ends WHERE unit_id = last"
        ),
        {"copied": copied},
    )
    return {str(portfolio): str(digest) for portfolio, digest in found}


def _plain(value: Any) -> Any:
    return {"b": base64.b64encode(bytes(value)).decode()} if isinstance(value, (bytes, memoryview)) else value


def _value(value: Any) -> Any:
    return base64.b64decode(value["b"]) if isinstance(value, dict) else value


def require_empty(db: Database) -> None:
    """Refuse a ledger that has rows: a restore never mixes two. It may be of an earlier schema."""
    with db.read() as connection:
        there = set(inspect(connection).get_table_names())
        names = [table.name for table in tables() if table.name in there]
        filled = [name for name in names if connection.execute(text(f"SELECT 1 FROM {name} LIMIT 1")).first()]
    if filled:
        raise Refused(
            f"restoring the ledger: found rows in {', '.join(filled[:3])}, expected an empty database; name another one"
        )


def revision_of(path: Path) -> str:
    """The schema that a stream's rows are of. Refused when this version does not know it."""
    with zstd.open(path, "rt", encoding="utf-8") as lines:
        header = json.loads(next(lines))
    schema, known = header.get("revision"), migrate.revisions()
    if header.get("format") != FORMAT or schema not in known:
        raise Refused(
            f"restoring the ledger: found format {header.get('format')}, schema {schema}, expected {FORMAT} and one of "
            f"{', '.join(known)}; restore with the version that made the backup, or a later one"
        )
    return str(schema)


def read(db: Database, path: Path, progress: Progress | None = None, *, then: Then | None = None) -> dict[str, int]:
    """Bring a stream into an empty ledger of the stream's schema, whole or not at all; gives rows by table. ``then`` comes
    after them in the same transaction: nobody sees them without it."""
    schema, found = revision_of(path), revision.current(db)
    if found != schema:
        raise Refused(
            f"restoring the ledger: found a database of schema {found or 'none'}, expected {schema}, as the backup; name "
            "a database without tables"
        )
    known = {table.name: table for table in tables()}
    counts: dict[str, int] = {}
    tell = progress or _NO_PROGRESS
    with zstd.open(path, "rt", encoding="utf-8") as lines:
        items = (json.loads(line) for line in lines)
        next(items)  # the header
        with db.write() as connection:
            with triggers.lifted(db, connection):
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
                _follow_numbers(db, connection, [known[name] for name in counts])
            if then is not None:
                then(connection)
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


def _follow_numbers(db: Database, connection: Connection, filled: Iterable[Table]) -> None:
    for table in filled:
        keys = list(table.primary_key.columns)
        if len(keys) == 1 and keys[0].type.python_type is int:
            triggers.follow_numbers(db, connection, table.name, keys[0].name)
