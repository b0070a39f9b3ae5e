"""The door to the database: bulk calls that must say the same as single ones."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, MetaData, Table, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.home import Home
from gateway.ledger import schema
from gateway.ledger.database import Database, as_written, by_sets, lock_key
from gateway.ledger.opening import ledger_of, name_database
from gateway.ledger.packed import BULK_ROWS

COLUMNS = ("file_id", "line_no", "lease", "asset", "code", "amount_cents", "reason")


def _rows(count: int) -> list[tuple[Any, ...]]:
    """Columns that are always there, never, and now and then."""
    return [(1, n, None, f"A{n}" if n % 7 == 0 else None, "LTCH", n, "WHY" if n == 3 else None) for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 101, 250, BULK_ROWS + 1])
def test_bulk_insert_brings_every_row_whatever_their_number(db: Database, count: int) -> None:
    rows = _rows(count)
    with db.write() as c:
        assert db.bulk_insert(c, schema.staged_assessment, COLUMNS, iter(rows)) == count
        found = db.fetch(c, f"SELECT {', '.join(COLUMNS)} FROM staged_assessment ORDER BY line_no")
    assert found == rows


def test_bulk_insert_takes_rows_of_nothing_but_absent_values(db: Database) -> None:
    with db.write() as c:
        db.scratch(c, "repeated_line", "other BIGINT")
        assert db.bulk_insert(c, Table("repeated_line", MetaData()), ("other",), [(None,)] * 3) == 3
        assert c.execute(text("SELECT COUNT(*), COUNT(other) FROM repeated_line")).one() == (3, 0)


def test_a_scratch_table_is_empty_each_time_and_has_the_columns_asked_for(db: Database) -> None:
    with db.write() as c:
        for columns, row in (("a TEXT", "'x'"), ("a TEXT", "'y'"), ("a BIGINT, b BIGINT", "1, 2"), ("a TEXT", "'z'")):
            inside = c.begin_nested()
            db.scratch(c, "tried", "a TEXT, b TEXT, c TEXT")
            inside.rollback()
            db.scratch(c, "tried", columns)
            assert c.execute(text("SELECT COUNT(*) FROM tried")).scalar() == 0
            c.execute(text(f"INSERT INTO tried VALUES ({row})"))
    with db.write() as c:
        db.scratch(c, "tried", "a TEXT")
        assert c.execute(text("SELECT COUNT(*) FROM tried")).scalar() == 0


def test_what_a_large_file_asks_for_block_by_block_holds_no_more_locks(db: Database) -> None:
    """Reported: on PostgreSQL a file of a million reversals ended with "out of shared memory": each block held some dozens."""
    locks = "SELECT 0" if db.is_sqlite else "SELECT COUNT(*) FROM pg_locks WHERE pid = PG_BACKEND_PID()"
    with db.write() as c:
        held = []
        for _ in range(4):
            db.scratch(c, "tried", "a TEXT PRIMARY KEY")
            for table, keys, row in (
                (schema.lease, ("lease",), (1, "1001")),
                (schema.receivable, ("invoice", "charge", "asset"), (1, "20001", "LTCH", "")),
            ):
                column = "nsf_count" if table is schema.lease else "paid_cents"
                db.bulk_update(c, table, f"{column} = {{}}", keys, [row])
            held.append(c.execute(text(locks)).scalar())
    assert held[1] == held[2] == held[3]  # the first two look into the catalogue


TEXTS = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)


@given(
    st.lists(
        st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), TEXTS, st.none() | st.binary(max_size=6)), max_size=30
    )
)
@example([(1, "\\.", b"\\."), (2, "\\N", b""), (3, "", None), (None, "a\tb\nc\rd\\", b"\\N"), (5, "NULL", None)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bulk_insert_brings_any_text_as_it_is(
    db: Database, rows: list[tuple[int | None, str | None, bytes | None]]
) -> None:
    """Line ends, tabs and backslashes too, which PostgreSQL's form of COPY gives a meaning."""
    with db.write() as c:
        db.scratch(c, "brought", "n BIGINT, said TEXT, raw BYTEA")
        db.bulk_insert(c, Table("brought", MetaData()), ("n", "said", "raw"), rows)
        found = [
            (n, said, None if raw is None else bytes(raw))
            for n, said, raw in db.fetch(c, "SELECT n, said, raw FROM brought")
        ]
    assert found == rows


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_value_whose_text_would_be_a_guess_is_not_inserted(db: Database) -> None:
    with (
        pytest.raises(TypeError, match="found a value of float, expected a whole number, text or bytes"),
        db.write() as c,
    ):
        db.bulk_insert(c, schema.staged_assessment, COLUMNS, [(1, 1, None, None, "LTCH", 1.5, None)])


SAFE = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}
"""A commit is on the disk when it returns (2: FULL), and REPLACE deletes past no trigger."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_connection_of_sqlite_is_a_safe_one(db: Database) -> None:
    for connect in (db.read, db.write):
        with connect() as c:
            assert {name: c.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in SAFE} == SAFE


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_writes_has_the_ledger_from_the_first_moment_and_who_reads_never(db: Database) -> None:
    """A writer that only read so far would else find that it may write no more."""
    with closing(sqlite3.connect(str(db.url.database), timeout=0)) as other:
        with db.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        with db.read() as c:
            c.execute(text("SELECT COUNT(*) FROM portfolio"))
            other.execute("BEGIN IMMEDIATE")


def test_what_is_written_through_a_view_does_not_stay(db: Database) -> None:
    """PostgreSQL refuses it."""
    refused = nullcontext() if db.is_sqlite else pytest.raises(DBAPIError, match="read-only")
    with refused, db.read() as c:
        c.execute(text("INSERT INTO counter (name, next) VALUES ('x', 1)"))
    with db.read() as c:
        assert c.execute(text("SELECT COUNT(*) FROM counter")).scalar_one() == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_portfolios_are_locked_in_one_order(db: Database) -> None:
    """Two gateways that mean the same ones would else wait for each other."""
    names, keys = [str(number) for number in range(1, 20)], []

    def noted(_connection: Any, _cursor: Any, _statement: str, values: dict[str, Any], *_: Any) -> None:
        keys.extend(values.values())

    with db.write() as c:
        event.listen(db.engine, "before_cursor_execute", noted)
        db.lock_portfolios(c, [*reversed(names), "7"])
    assert keys == [lock_key(f"portfolio:{name}") for name in sorted(names)]


def test_a_fault_does_not_say_the_values(db: Database) -> None:
    """It is logged, and a value may be a name or an account."""
    with pytest.raises(DBAPIError) as fault, db.write() as c:
        c.execute(text("SELECT 1 FROM nothing WHERE name = :name"), {"name": "SECRET"})
    assert "nothing" in str(fault.value) and "SECRET" not in str(fault.value)


def test_rows_as_json_is_the_json_of_the_rows(db: Database) -> None:
    rows = [(1, n, None, value, "LTCH", n, None) for n, value in enumerate(['A"1', "B\\2", "C/3", "D\u00e94"], 1)]
    statement = db.rows_as_json(schema.staged_assessment, COLUMNS, order="line_no")
    with db.write() as c:
        db.bulk_insert(c, schema.staged_assessment, COLUMNS, rows)
        found = c.execute(text(f"{statement} WHERE file_id = 1")).scalar()
        nothing = c.execute(text(f"{statement} WHERE file_id = 2")).scalar()
    assert found == json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    assert nothing == "[]"


_PLANNED = ("join_collapse_limit", "enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit")


def _planning(connection: Connection) -> list[str]:
    return [str(connection.execute(text(f"SHOW {name}")).scalar()) for name in _PLANNED]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_statements_run_as_written_only_until_the_block_ends(db: Database) -> None:
    """On PostgreSQL alone: SQLite always keeps to the order of a CROSS JOIN."""
    with db.write() as c:
        before = _planning(c)
        with as_written(c):
            assert _planning(c) == ["1", "off", "off", "off", "off"]
        assert _planning(c) == before


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_sets_are_joined_as_sets_only_until_the_block_ends(db: Database) -> None:
    with db.read() as c:
        with by_sets(c):
            assert c.execute(text("SHOW enable_nestloop")).scalar_one() == "off"
        assert c.execute(text("SHOW enable_nestloop")).scalar_one() == "on"


def test_a_look_up_as_written_begins_with_its_names_whatever_was_counted(db: Database) -> None:
    """Rows that no statistics know of, and a filter that seems strict: every table is still entered by its key."""
    rows = [(1, n, "L", str(n), 1, "B", None, None, None, None) for n in range(2_000)]
    columns = [column.name for column in schema.staged_reversal.columns]
    statement = (
        "SELECT s.batch FROM touched t CROSS JOIN staged_reversal s "
        "WHERE s.file_id = 1 AND s.line_no = CAST(t.name AS INTEGER) AND s.target_kind || '' <> 'I'"
    )
    with db.write() as c:
        db.bulk_insert(c, schema.staged_reversal, columns, rows)
        db.scratch(c, "touched", "name TEXT")
        db.bulk_insert(c, Table("touched", MetaData()), ("name",), [(str(n),) for n in range(500)])
        with as_written(c):
            explain = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
            plan = [" ".join(map(str, row)) for row in c.execute(text(explain + statement))]
            assert len(db.fetch(c, statement)) == 500
    tables = [line for line in plan if "Scan on" in line or "SCAN" in line or "SEARCH" in line]
    assert tables[0].split("(cost")[0].split()[-2:] in (["touched", "t"], ["SCAN", "t"])
    assert any("pk_staged_reversal" in line or "SEARCH s USING PRIMARY KEY" in line for line in plan)


def test_the_address_of_a_ledger_may_lie_in_a_file(home: Home) -> None:
    (home.root / "url").write_text("postgresql://ledger.example/lease\n")
    (home.root / "url").chmod(0o600)
    opened = [ledger_of(home, "file:url"), ledger_of(home, "postgresql://ledger.example/lease"), ledger_of(home, "")]
    assert [(db.is_sqlite, db.url.database) for db in opened] == [
        (False, "lease"), (False, "lease"), (True, str(home.ledger)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[service]\nx = 1\n", '[database]\nurl = "U"\n\n[service]\nx = 1\n'),
        ('[database]\n# url = "env:X"\n[service]\nx = 1\n', '[database]\nurl = "U"\n[service]\nx = 1\n'),
        ('a = 1\n[database]\n# where\nurl = "old"\npool = 2\n', 'a = 1\n[database]\n# where\nurl = "U"\npool = 2\n'),
        ('[database]\npool = 2\n[other]\nurl = "stays"\n', '[database]\nurl = "U"\npool = 2\n[other]\nurl = "stays"\n'),
        ('[database] # here\n# url = "env:X"\nurl="old"', '[database] # here\n# url = "env:X"\nurl = "U"\n'),
    ],
)
def test_the_address_is_written_in_the_place_of_what_stands_there(home: Home, before: str, after: str) -> None:
    home.settings_file.write_text(before)
    name_database(home, "U")
    assert home.settings_file.read_text() == after
    assert tomllib.loads(after)["database"]["url"] == "U"


def test_a_large_scratch_table_of_sqlite_goes_to_a_file_that_has_no_name(tmp_path: Path) -> None:
    """Memory stays flat, and nothing of it is left behind, however the process ends."""
    database = Database.at_path(tmp_path / "ledger.db")
    with database.write() as c:
        database.scratch(c, "repeated_line", "other TEXT")
        assert _temporary_files() == []
        database.bulk_insert(c, Table("repeated_line", MetaData()), ("other",), (("x" * 1000,) for _ in range(40_000)))
        assert [name for name in _temporary_files() if name.endswith("(deleted)")] == _temporary_files() != []
    database.close()


def _temporary_files() -> list[str]:
    """What this process has open of SQLite's temporary files."""
    links = [link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [name for name in links if name.startswith("etilqs_")]


_ADD = "INSERT INTO counter (name, next) SELECT 'invoice', CAST(:next AS BIGINT) UNION ALL SELECT 'session', CAST(:next AS BIGINT)"
_RAISE = "ON CONFLICT (name) DO UPDATE SET next = counter.next + excluded.next"


@pytest.mark.parametrize(("before", "after"), [({}, [5, 5]), ({"session": 7}, [5, 12])], ids=["new", "one is there"])
def test_rows_that_are_nearly_always_new_are_inserted_or_raised(
    db: Database, before: dict[str, int], after: list[int]
) -> None:
    with db.write() as c:
        for name, number in before.items():
            c.execute(text("INSERT INTO counter (name, next) VALUES (:name, :next)"), {"name": name, "next": number})
        db.insert_or(c, f"{_ADD} WHERE true", _RAISE, next=5)
    with db.read() as c:
        assert list(c.execute(text("SELECT next FROM counter ORDER BY name")).scalars()) == after


def test_rows_that_no_conflict_clause_saves_are_refused(db: Database) -> None:
    with pytest.raises(IntegrityError), db.write() as c:
        db.insert_or(c, f"{_ADD} WHERE true", _RAISE, next=None)
