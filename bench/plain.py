"""The yardsticks: a plain bulk insert of the rows a file leaves behind, and a straightforward script."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, inspect, text

from bench import data, homes, posting, straightforward
from bench.runner import Bench, Figure, Measured, median_seconds
from gateway.ledger import schema
from gateway.ledger.database import Database

RATIO = 2.5
SCRIPT_LINES, SCRIPT_RATIO = 100_000, 20.0


def plain(bench: Bench) -> None:
    """How much longer the whole path takes than inserting its rows, ready-made, into the same tables."""
    for database, name in posting.DATABASES.items():
        _ratio(bench, posting.month(bench, database), database, f"whole path / plain insert, {name}", RATIO)


def kinds(bench: Bench) -> None:
    """The same for the other three kinds of file: rows added alone, none of those that change."""
    for kind in posting.KINDS:
        for database, name in posting.DATABASES.items():
            what = f"{kind}: whole path / plain insert, {name}"
            _ratio(bench, posting.of_kind(bench, kind, database), database, what, None)


def _ratio(bench: Bench, posted: posting.Posted, database: str, what: str, target: float | None) -> None:
    runs: list[Measured] = []
    for _ in range(bench.runs):
        into = homes.fresh(bench, database, posted.portfolio)
        urls = [place.url or f"sqlite:///{place.home / 'var' / 'ledger.db'}" for place in (posted.place, into)]
        runs.append(bench.measure("bench.plain:insert", posted=urls[0], target=urls[1]))
        homes.drop(bench, into)
    seconds = median_seconds(runs)
    note = f"{seconds:.2f} s for {runs[0].values['rows']:,} rows; median of {len(runs)}"
    bench.add(Figure("plain insert", what, posted.seconds / seconds, "x", target, note=note))


def script(bench: Bench) -> None:
    """How many times faster a line is posted than by a straightforward script."""
    month, lines = posting.month(bench, "sqlite"), bench.count(SCRIPT_LINES)
    folder = bench.folder / "straightforward"
    folder.mkdir()
    data.assessments(folder / "p1_btchassmt.dat", lines=lines, leases=month.portfolio.leases)
    done = bench.measure("bench.plain:straightforward_script", folder=str(folder))
    theirs, ours = lines / done.seconds, month.lines / month.seconds
    note = f"{theirs:,.0f} lines/s; ours {ours:,.0f}"
    bench.add(Figure("script", "lines/s, gateway / straightforward", ours / theirs, "x", SCRIPT_RATIO, "more", note))


# in the measuring process


def straightforward_script(folder: str) -> dict[str, Any]:
    place = Path(folder)
    return {"seconds": straightforward.run(place / "p1_btchassmt.dat", place)}


def insert(posted: str, target: str) -> dict[str, Any]:
    """What the posting added to a ledger, inserted into one that does not have it, in one transaction.

    Tables, indexes and foreign keys as they are. The guards of the journal are taken away beforehand: a plain insert
    has none, and a unit could not be inserted closed.
    """
    source, into = Database(posted), Database(target)
    with source.read() as theirs, into.read() as before:
        rows = [(table, _added(source, table, theirs, before)) for table in schema.metadata.sorted_tables]
    _drop_guards(into)
    gc.collect()
    gc.freeze()
    started = time.perf_counter()
    with into.write() as connection:
        for table, added in rows:
            if added:
                _insert(into, connection, table, added)
    seconds = time.perf_counter() - started
    source.close()
    into.close()
    counts = {table.name: len(added) for table, added in rows if added}
    return {"seconds": seconds, "rows": sum(counts.values()), "tables": counts}


def _added(source: Database, table: Table, theirs: Connection, before: Connection) -> list[tuple[Any, ...]]:
    """Rows whose key the loaded ledger does not have, in the order of the key."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    keys = [column.name for column in table.primary_key.columns]
    names = ", ".join(f'"{key}"' for key in keys)
    at = [list(table.columns).index(table.columns[key]) for key in keys]
    known = set(map(tuple, source.fetch(before, f'SELECT {names} FROM "{table.name}"')))
    rows = source.fetch(theirs, f'SELECT {columns} FROM "{table.name}" ORDER BY {names}')
    if not known:
        return rows
    return [row for row in rows if tuple(row[n] for n in at) not in known]


def _insert(db: Database, connection: Connection, table: Table, rows: list[tuple[Any, ...]]) -> None:
    """The driver's bulk call as it comes: a yardstick that does not change with the gateway."""
    driver: Any = connection.connection.driver_connection
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    if db.is_sqlite:
        driver.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(table.columns))})', rows)
        return
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row(row)


def _drop_guards(db: Database) -> None:
    with db.write() as connection:
        if db.is_sqlite:
            triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for trigger in triggers:
                connection.execute(text(f'DROP TRIGGER "{trigger}"'))
        else:
            for table in inspect(connection).get_table_names():
                connection.execute(text(f'ALTER TABLE "{table}" DISABLE TRIGGER USER'))
