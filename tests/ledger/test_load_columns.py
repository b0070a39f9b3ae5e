"""What ``gateway load --columns`` tells, held against what the loader takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ledger import load_columns
from gateway.ledger.load_columns import ColumnFacts, columns_of
from gateway.ledger.load_kinds import BY_NAME, KINDS, Kind
from gateway.ledger.load_read import open_sheet


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_header_of_what_is_told_is_taken(kind: Kind, tmp_path: Path) -> None:
    """All columns, and those alone that are needed; without any of these it is refused."""
    told = list(columns_of(kind))
    named = [c.column for c in told if c.column is not None]
    needed = [c.column for c in told if c.column is not None and not c.optional]

    def problems(columns: list[str]) -> list[str]:
        path = tmp_path / f"{kind.name}.csv"
        path.write_text(",".join(columns) + "\n")
        return [problem.message for problem in open_sheet(kind, path)[1]]

    assert problems(named) == problems(needed) == []
    for column in needed:
        refused = problems([name for name in needed if name != column] or ["UTAX"])
        assert any(column in message for message in refused)
    assert any(c.column is None for c in told) == (problems([*needed, "UTAX"]) == [])
    assert {c.file for c in told} == {f"{kind.name}.csv"}
    assert any(c.key for c in told)


def test_what_is_said_of_columns_is_of_columns_that_there_are() -> None:
    there = {(kind.name, field.name) for kind in KINDS for field in kind.fields}
    assert load_columns._ABOUT.keys() <= there


def test_key_default_and_form_are_those_of_the_loader() -> None:
    told = {c.column: c for c in columns_of(BY_NAME["gl_accounts"])}
    assert [name for name, c in told.items() if c.key] == ["portfolio", "company", "region", "office", "vector"]
    assert {c.column: c for c in columns_of(BY_NAME["payments"])}["bank"] == ColumnFacts(
        "payments.csv", "bank", False, True, "125", "125 to 144 or CLR", "vector of the cash account, or clearing"
    )
