"""The door to the database: bulk calls that must say the same as single ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import MetaData, Table, text

from gateway.ledger import schema
from gateway.ledger.database import BULK_ROWS, Database

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


def test_rows_as_json_is_the_json_of_the_rows(db: Database) -> None:
    rows = [(1, n, None, value, "LTCH", n, None) for n, value in enumerate(['A"1', "B\\2", "C/3", "D\u00e94"], 1)]
    statement = db.rows_as_json(schema.staged_assessment, COLUMNS, order="line_no")
    with db.write() as c:
        db.bulk_insert(c, schema.staged_assessment, COLUMNS, rows)
        found = c.execute(text(f"{statement} WHERE file_id = 1")).scalar()
        nothing = c.execute(text(f"{statement} WHERE file_id = 2")).scalar()
    assert found == json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    assert nothing == "[]"
