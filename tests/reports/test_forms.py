"""The quick way of a block, column by column, gives the bytes of the plain way, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.money import to_cents
from gateway.reports.forms import Lines, cells
from gateway.reports.render import PAGE_LINES, render_text, write_report
from gateway.reports.table import OFFICE_COLUMNS, Blocks, Column, Report, ReportSpec, blocks_of
from tests.reports import plain

SPEC = ReportSpec(
    "T",
    "T",
    (
        *OFFICE_COLUMNS,
        Column("name", "NAME", 9, wraps=True),
        Column("count", "N", 5, "count"),
        Column("amount", "AMOUNT", 12, "money", totalled=True),
        Column("code", "CODE", 4),
        Column("part", "PART", 8, "money", totalled=True),
    ),
    by_office=True,
    total_by="code",
)
FLAT = ReportSpec("F", "F", (Column("n", "N", 6, "money", totalled=True), Column("d", "D", 10, "date")))
ALONE = ReportSpec("A", "A", (Column("name", "NAME", 9, wraps=True),))

numbers = st.sampled_from(["1", "2", "10"])
names = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            "A",
            "100 %",
            "%s",
            'say "so"',
            "DOE, JO",
            "A 1, B 2, C 3",
            "20 150, 3",
            "a\\b",
            "Grün",
            "l\x1fm",
            "long name of two",
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["C", "Z"]), max_size=20),
)
cents = st.one_of(st.none(), st.integers(-150_000, 150_000), st.integers(-(10**12), 10**12))
row = st.tuples(
    st.just("1"), st.one_of(st.none(), numbers), numbers, numbers, names, st.one_of(st.none(), st.integers(0, 10**8)),
    cents, st.one_of(st.none(), st.sampled_from(["LTCH", "PTAX"])), cents,
)  # fmt: skip
rows = st.one_of(
    st.lists(row, max_size=80),
    row.flatmap(lambda one: st.integers(1, 130).map(lambda n: [one] * n)),  # what all rows share is written once
)


def report(spec: ReportSpec, rows: Any) -> Report:
    return Report(spec, "1", "MAIN STREET", "2026-03-02", "2026-03-02T14:00:01.083636Z", rows)


def _same(folder: Path, spec: ReportSpec, found: Sequence[Sequence[Any]]) -> None:
    made = report(spec, found)
    text, table, document = (path.read_bytes().decode() for path in write_report(made, folder, "t", durable=False))
    assert table == plain.csv_of(made, found)
    assert document.split('"rows": [\n')[1].split('\n],\n"totals"')[0].split(",\n") == (
        plain.json_rows_of(made, found) or [""]
    )
    totals = json.loads(document, strict=False)["totals"]
    keys = [c.key for c in spec.columns if c.totalled]
    assert {t["of"]: [t["items"], *(to_cents(t[k]) for k in keys)] for t in totals} == plain.totals_of(made, found)
    pages = [page.split("\n")[:-1] for page in text.split("\f")]
    assert all(len(page) == PAGE_LINES for page in pages[:-1])
    details = plain.text_of(made, found)
    assert [line for page in pages for line in page[5:]][: len(details)] == details


def test_money_wider_than_its_column_is_not_parted() -> None:
    column = Column("amount", "AMOUNT", 16, "money")
    assert Lines([column]).of([cells(column, [99, 999_999_999_999_999])]) == [f"{'0.99':>16}", "9999999999999.99"]


def test_a_list_is_broken_between_its_things() -> None:
    column = Column("invoices", "INVOICES", 20, wraps=True)
    lists = ["80000003 1200.00, 80000004 75.10, 9 1.00", "one of twenty-one signs, 9 1.00"]
    assert Lines([column]).of([cells(column, lists)]) == [
        "80000003 1200.00,", "80000004 75.10,", "9 1.00", "one of twenty-one", "signs, 9 1.00",
    ]  # fmt: skip


@settings(deadline=None)
@given(rows)
def test_blocks_give_the_bytes_of_single_rows(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[Any, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("r")
    _same(folder, SPEC, found)
    _same(folder, FLAT, [(r[6], r[7]) for r in found])
    _same(folder, ALONE, [(r[4],) for r in found])


@settings(deadline=None)
@given(rows, st.integers(1, 90))
def test_where_a_source_cuts_its_blocks_does_not_show(found: list[tuple[Any, ...]], size: int) -> None:
    cut = [list(zip(*found[at : at + size], strict=True)) for at in range(0, len(found), size)]
    assert render_text(report(SPEC, Blocks(cut))) == render_text(report(SPEC, found))
    assert list(Blocks(cut)) == found
    assert [tuple(r) for block in blocks_of(found) for r in zip(*block, strict=True)] == found
