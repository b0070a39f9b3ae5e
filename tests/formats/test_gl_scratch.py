"""The GL file against a reader of its own here, made of slices and sharing nothing with the writer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.gl_scratch import Difference, GlFile, GlRecord, compare, read, sort_key, tie_out
from writers.gl_scratch import file_name, render
from writers.text import WriterError


@dataclass
class Slices:
    """The page of the format, cut by hand."""

    widths: tuple[int, ...]

    def rows(self, data: bytes) -> list[list[str]]:
        size = sum(self.widths)
        assert len(data) % size == 0
        rows = []
        for start in range(0, len(data), size):
            rest, row = data[start : start + size].decode("ascii"), []
            for width in self.widths:
                row.append(rest[:width])
                rest = rest[width:]
            rows.append(row)
        return rows


FORMS = {
    128: Slices((2, 2, 2, 3, 6, 1, 12, 36, 12, 12, 12, 12, 12, 4)),
    143: Slices((2, 2, 2, 3, 6, 1, 12, 36, 15, 15, 15, 15, 15, 4)),
}


def figure(text: str) -> int:
    assert text[-1] in "+-"
    assert text[:-1].isdigit()
    return int(text[:-1]) * (-1 if text[-1] == "-" else 1)


def row(**changes: Any) -> GlRecord:
    sound = GlRecord("1", "1", "1", "1", "2026-07-31", "D", "101100", "CASH", 12649053, 0, 12649053, 0, 12649053)
    return sound._replace(**changes)


def test_the_printed_example() -> None:
    data = render([row()])
    assert data == (
        b" 1 1 1  1260731D101100      CASH                                "
        b"00012649053+00000000000+00012649053+00000000000+00012649053+    "
    )
    assert len(render([row()], width=143)) == 143
    assert render([row()], width=143)[64:79] == b"00000012649053+"


KEY = st.integers(0, 99).map(str)
MONEY = st.integers(-(10**11) + 1, 10**11 - 1)
ROWS = st.builds(
    row,
    company=KEY,
    region=KEY,
    office=st.integers(0, 999).map(str),
    side=st.sampled_from("DC"),
    number=st.text("0123456789AB-", min_size=1, max_size=12),
    name=st.text("ABC &/", max_size=36).map(str.strip),
    debit_today_cents=MONEY,
    credit_today_cents=MONEY,
    debit_mtd_cents=MONEY,
    credit_mtd_cents=MONEY,
    balance_cents=MONEY,
)


@pytest.mark.parametrize("width", [128, 143])
@given(rows=st.lists(ROWS, min_size=1, max_size=8, unique_by=sort_key))
def test_both_readers_read_what_was_written(width: int, rows: list[GlRecord]) -> None:
    data = render(rows, width=width)
    ordered = sorted(rows, key=sort_key)
    assert read(data) == GlFile(width, tuple(ordered))
    assert render(ordered, width=width) == data
    for one, cut in zip(ordered, FORMS[width].rows(data), strict=True):
        assert [text.strip() for text in cut[:4]] == list(one[:4])
        assert cut[4] == one.eop_date[2:].replace("-", "")
        assert (cut[5], cut[6].rstrip(), cut[7].rstrip()) == (one.side, one.number, one.name)
        assert [figure(text) for text in cut[8:13]] == list(one[8:])
        assert cut[13] == "    "


def test_offices_are_ordered_as_numbers_though_they_are_text() -> None:
    rows = [row(office="10"), row(office="9"), row(office="9", number="0")]
    made = read(render(rows))
    assert isinstance(made, GlFile)
    assert [(one.office, one.number) for one in made.records] == [
        ("9", "0"),
        ("9", "101100"),
        ("10", "101100"),
    ]


@pytest.mark.parametrize(
    ("rows", "width", "words"),
    [
        ([row(balance_cents=10**11)], 128, r"account 101100 of office 1/1/1/1: balance 1,000,000,000\.00 .*143"),
        ([row(debit_today_cents=-(10**11))], 128, r"debit_today -1,000,000,000\.00"),
        ([row(balance_cents=10**14)], 143, "143-byte record$"),
        ([row(name="X" * 37)], 128, "account 101100 .*gl_128.name"),
        ([row(side="X")], 128, "gl_128.side"),
        ([row(), row()], 128, "comes twice"),
        ([row(), row(balance_cents=1)], 128, "comes twice"),
        ([row(), row(portfolio="2")], 128, "one portfolio"),
        ([row()], 130, "128 or 143"),
        ([], 128, "without accounts"),
    ],
)
def test_the_whole_file_is_refused(rows: list[GlRecord], width: int, words: str) -> None:
    with pytest.raises(WriterError, match=words):
        render(rows, width=width)


def test_the_reader_reports_every_finding() -> None:
    good = render([row(), row(number="2")])
    assert [(e.record_no, e.field) for e in errors(b"")] == [(1, "file")]
    assert [(e.record_no, e.field) for e in errors(good + b"\n")] == [(1, "file")]
    swapped = good[128:] + good[:128]
    assert [(e.record_no, e.field, e.first) for e in errors(swapped)] == [(2, "number", 17)]
    assert [(e.record_no, e.field) for e in errors(good[:128] * 2)] == [(2, "number")], "an account comes once"
    broken = good[:15] + b"X" + good[16:75] + b" " + good[76:128] + good[128:].replace(b"+    ", b"+   X")
    assert [(e.record_no, e.field, e.first, e.last) for e in errors(broken)] == [
        (1, "side", 16, 16),
        (1, "debit_today_cents", 65, 76),
        (2, "filler", 125, 128),
    ]


def errors(data: bytes) -> list[Any]:
    found = read(data)
    assert isinstance(found, list)
    return found


def test_minus_zero_is_not_written_and_not_read() -> None:
    data = render([row(balance_cents=0)]).replace(b"00000000000+    ", b"00000000000-    ")
    assert [e.field for e in errors(data)] == ["balance_cents"]


def test_a_length_that_fits_both_forms_is_told_by_the_records() -> None:
    for width in (128, 143):
        rows = [row(number=f"{n:06d}") for n in range(128 * 143 // width)]
        made = read(render(rows, width=width))
        assert isinstance(made, GlFile)
        assert made.width == width


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    assert isinstance(read(data), list)


def test_tie_out() -> None:
    cash = row(balance_cents=100, debit_today_cents=100, debit_mtd_cents=100)
    income = row(
        number="4",
        side="C",
        debit_today_cents=0,
        debit_mtd_cents=0,
        credit_today_cents=100,
        credit_mtd_cents=100,
        balance_cents=100,
    )
    assert tie_out([cash, income]) == []
    key = ("1", "1", "1", "1")
    assert tie_out([cash, income._replace(credit_today_cents=99)]) == [
        Difference(key, "debits and credits of today", 100, 99)
    ]
    assert tie_out([cash, income._replace(credit_mtd_cents=99)]) == [
        Difference(key, "debits and credits of the month", 100, 99)
    ]
    assert tie_out([cash, income._replace(balance_cents=-1)]) == [
        Difference(key, "balances of D and C accounts", 100, -1)
    ]
    two = [cash, income._replace(office="2")]  # sums agree over the file, not in each office
    assert len(tie_out(two)) == 6


def test_compare() -> None:
    assert compare([row()], [row()]) == []
    assert [d.what for d in compare([row()], [row(balance_cents=1)])] == ["balance of account 101100"]
    assert [d.right_cents for d in compare([row()], [])] == [0, 0, 0]
    assert [d.left_cents for d in compare([], [row()])] == [0, 0, 0]


def test_file_names() -> None:
    assert file_name("7") == "DSGL_P07.DAT"
