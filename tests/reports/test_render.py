"""Reports: what a page looks like, and that no value is ever lost in any of the three forms."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.reports.render import PAGE_LINES, render_text, write_report
from gateway.reports.table import OFFICE_COLUMNS, Column, Report, ReportSpec

AUDIT = ReportSpec(
    "U0418B",
    "BATCH ASSESSMENT AUDIT",
    (
        *OFFICE_COLUMNS,
        Column("lease", "LEASE", 8),
        Column("code", "CODE", 4),
        Column("amount", "AMOUNT", 12, "money", totalled=True),
        Column("message", "MESSAGE", 20, wraps=True),
    ),
    by_office=True,
    total_by="code",
)
ROWS = [
    ("1", "1", "1", "1", "1001", "LTCH", 2500, None),
    ("1", "1", "1", "1", "1003", "RCR1", 123456, "Found a thing that is far too long, expected a short one"),
    ("1", "1", "2", "7", "1005", "LTCH", -1, ""),
]


def report(rows: list[tuple[object, ...]], spec: ReportSpec = AUDIT, **more: object) -> Report:
    return Report(spec, "1", "MAIN STREET", "2026-03-02", "2026-03-02T14:00:01.083636Z", rows, **more)  # type: ignore[arg-type]


GOLDEN = """\
LEASE GATEWAY  U0418B  BATCH ASSESSMENT AUDIT           PAGE      1
PORTFOLIO 1 MAIN STREET   BUSINESS DATE 2026-03-02   RUN 2026-03-02 14:00:01 UTC

P   C   R   O    LEASE     CODE        AMOUNT  MESSAGE
==  ==  ==  ===  ========  ====  ============  ====================
1   1   1   1    1001      LTCH         25.00
1   1   1   1    1003      RCR1      1,234.56  Found a thing that
                                               is far too long,
                                               expected a short one
1   1   2   7    1005      LTCH         -0.01

TOTALS
CODE LTCH       ITEMS          2  AMOUNT              24.99
CODE RCR1       ITEMS          1  AMOUNT           1,234.56
OFFICE 1/1/1/1  ITEMS          2  AMOUNT           1,259.56
OFFICE 1/1/2/7  ITEMS          1  AMOUNT              -0.01
REGION 1/1/1    ITEMS          2  AMOUNT           1,259.56
REGION 1/1/2    ITEMS          1  AMOUNT              -0.01
COMPANY 1/1     ITEMS          3  AMOUNT           1,259.55
PORTFOLIO 1     ITEMS          3  AMOUNT           1,259.55

3 LINES READ
"""


def test_the_page_as_it_is_printed() -> None:
    assert render_text(report(ROWS, notes=("3 LINES READ",))) == GOLDEN


def test_an_empty_report_says_so_and_has_no_totals() -> None:
    text = render_text(report([]))
    assert text.splitlines()[-1] == "NO ITEMS WERE FOUND"
    assert "TOTALS" not in text


@pytest.mark.parametrize(("items", "pages"), [(1, 1), (48, 1), (49, 2), (55, 2), (103, 2), (104, 3), (500, 10)])
def test_sixty_lines_a_page_with_form_feeds_between(items: int, pages: int) -> None:
    text = render_text(report([("1", "1", "1", "1", str(i), "LTCH", 1, None) for i in range(items)]))
    printed = text.split("\f")
    assert len(printed) == pages
    assert all(len(page.splitlines()) <= PAGE_LINES for page in printed)
    assert all(len(page.splitlines()) == PAGE_LINES for page in printed[:-1])
    for number, page in enumerate(printed, 1):
        lines = page.splitlines()
        assert lines[0].endswith(f"PAGE {number:>6}")
        assert lines[3].startswith("P   C   R   O    LEASE")
        assert set(lines[4]) == {"=", " "}
    leases = re.findall(r"^1   1   1   1    (\d+) ", text, re.MULTILINE)
    assert leases == [str(i) for i in range(items)]


def test_a_report_without_offices_has_one_total_and_counts_too() -> None:
    spec = ReportSpec("X", "X", (Column("n", "N", 6, "count", totalled=True), Column("d", "D", 10, "date")))
    text = render_text(report([(2, "2026-03-02"), (None, None), (40, "2026-03-03")], spec))
    assert "REPORT  ITEMS          3  N                 42" in text


def test_two_processes_write_the_same_report_at_once(tmp_path: Path) -> None:
    """The name that one wrote under was renamed by the other, which said that nothing was reported. What a process that is
    gone left is removed, what one that lives is at is not."""
    gone, live = (tmp_path / f".t.rpt.{pid}.tmp" for pid in (999_999_999, os.getppid()))
    for path in (gone, live):
        path.write_text("half")

    def rows() -> Iterator[tuple[object, ...]]:
        yield ROWS[0]
        other = os.fork()  # it begins later and is through earlier
        if other == 0:
            try:
                write_report(report(ROWS), tmp_path, "t")
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(other, 0)[1] == 0
        yield from ROWS[1:]

    first = write_report(replace(report([]), rows=rows()), tmp_path, "t")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([live.name, *(path.name for path in first)])
    assert live.read_text() == "half"
    assert first[0].read_text() == render_text(report(ROWS))


def test_the_three_forms_say_the_same(tmp_path: Path) -> None:
    paths = write_report(report(ROWS, notes=("NOTE",), figures={"lines": 3}), tmp_path, "p1_lpu0418b")
    assert [p.name for p in paths] == ["p1_lpu0418b.rpt", "p1_lpu0418b.csv", "p1_lpu0418b.json"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    assert all(p.stat().st_mode & 0o777 == 0o640 for p in paths)
    assert paths[0].read_text() == render_text(report(ROWS, notes=("NOTE",), figures={"lines": 3}))
    document = json.loads(paths[2].read_text())
    assert document["rows"][1]["amount"] == "1234.56"
    assert document["rows"][0]["message"] is None
    assert document["totals"][-1] == {"of": "PORTFOLIO 1", "items": 3, "amount": "1259.55"}
    assert document["figures"] == {"lines": 3}
    assert document["run_at"] == "2026-03-02T14:00:01.083636Z"
    with paths[1].open(newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [{k: v or None for k, v in row.items()} for row in table] == [
        {k: v or None for k, v in row.items()} for row in document["rows"]
    ]


texts = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_categories=["C", "Z"]), max_size=70)
rows = st.lists(
    st.tuples(texts, st.one_of(st.none(), st.integers(-(10**14), 10**14)), st.one_of(st.none(), texts)), max_size=70
)
PLAIN = ReportSpec(
    "T", "T", (Column("a", "A", 6), Column("m", "M", 8, "money", totalled=True), Column("b", "B", 9, wraps=True))
)


@settings(deadline=None)
@given(rows)
def test_no_form_ever_loses_a_value(found: list[tuple[object, ...]]) -> None:
    text = render_text(report(found, PLAIN))
    kept = [line for page in text.split("\f") for line in page.splitlines()[5:]]
    on_paper = "".join("".join(kept).split())
    at = 0
    for a, m, b in found:
        for value in (a, b):
            assert set(str(value or "")) <= set(on_paper)
        if m is not None:
            digits = f"{abs(int(str(m))) // 100:,}"[-4:]  # a wide amount goes on below, in its own column
            at = max(at, on_paper.find(digits))
            assert at >= 0
    letters = sorted("".join(str(a) + (str(b) if b else "") for a, _, b in found))
    whole = sorted(on_paper)
    for letter in set(letters):
        assert whole.count(letter) >= letters.count(letter)


@settings(deadline=None)
@given(rows)
def test_json_and_csv_carry_every_row_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[object, ...]]
) -> None:
    paths = write_report(report(found, PLAIN), tmp_path_factory.mktemp("r"), "t")
    document = json.loads(paths[2].read_text(encoding="utf-8"))
    assert [(r["a"], r["m"] and round(float(r["m"]) * 100), r["b"]) for r in document["rows"]] == [
        (a, m if m is None else round(float(f"{int(str(m)) / 100:.2f}") * 100), b) for a, m, b in found
    ]
    with paths[1].open(newline="", encoding="utf-8") as handle:
        assert len(list(csv.reader(handle))) == len(found) + 1
