"""The layout engine: tables of texts and values that hold both ways, and beside them what must fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import gl_scratch, nacha_records, vach_scratch
from parsers.layout import (
    HHMM,
    YYMMDD,
    Alpha,
    AlphaRight,
    Blank,
    Cents,
    Choice,
    Const,
    Digits,
    EntryHash,
    Field,
    FieldType,
    Layout,
    LayoutError,
    Numeric,
    SignedCents,
    mask,
)


def one(kind: FieldType, width: int, *, secret: bool = False) -> Layout:
    return Layout("one", width, (Field("it", 1, width, kind, secret),))


BOTH_WAYS = [
    (Alpha(), "AB  ", "AB"),
    (Alpha(), "    ", ""),
    (Alpha(), " AB ", " AB"),
    (Alpha(required=True), "A%B ", "A%B"),
    (AlphaRight(), "  AB", "AB"),
    (AlphaRight(), "    ", ""),
    (AlphaRight(required=True), "   7", "7"),
    (Choice(("DEBT", "CRED")), "CRED", "CRED"),
    (Digits(), "0012", "0012"),
    (Digits(optional=True), "    ", ""),
    (Numeric(), "0012", 12),
    (Cents(), "9999", 9999),
    (SignedCents(), "012+", 12),
    (SignedCents(), "012-", -12),
    (SignedCents(), "000+", 0),
    (HHMM(), "2359", "2359"),
    (HHMM(), "    ", ""),
    (YYMMDD(), "260228", "2026-02-28"),
    (YYMMDD(), "700101", "1970-01-01"),
    (YYMMDD(), "691231", "2069-12-31"),
    (YYMMDD(optional=True), "      ", ""),
]


@pytest.mark.parametrize(("kind", "text", "value"), BOTH_WAYS)
def test_both_ways(kind: FieldType, text: str, value: Any) -> None:
    layout = one(kind, len(text))
    assert layout.encode((value,)) == text
    assert layout.decode(text) == (value,)
    assert layout.encode_all([(value,), (value,)]) == f"{text}\n{text}\n"


DO_NOT_READ = [
    (Const("AB"), "AC"),
    (Blank(), " X"),
    (Alpha(), "A\tB"),
    (Alpha(), "É"),
    (Alpha(required=True), "   "),
    (Alpha(flush=True), " A"),
    (Alpha(chars="A-Z"), "a"),
    (AlphaRight(), "AB "),
    (AlphaRight(required=True), "  "),
    (Choice(("0", "1")), "2"),
    (Digits(), "1 "),
    (Digits(), "٣٣"),
    (Digits(optional=True), "1 "),
    (Numeric(), " 1"),
    (Numeric(), "-1"),
    (SignedCents(), "000-"),
    (SignedCents(), "0001"),
    (SignedCents(), "+001"),
    (HHMM(), "2400"),
    (YYMMDD(), "260230"),
    (YYMMDD(), "261301"),
    (YYMMDD(), "      "),
]


@pytest.mark.parametrize(("kind", "text"), DO_NOT_READ)
def test_what_does_not_read_is_named(kind: FieldType, text: str) -> None:
    (error,) = one(kind, len(text)).decode(text)
    assert (error.field, error.first, error.last, error.found) == ("it", 1, len(text), text)
    assert error.expected == kind.expected(len(text))
    (view,) = one(kind, len(text)).explain(text)
    assert (view.value, view.error) == (None, error.expected)


CANNOT_HOLD = [
    (Alpha(), 4, "ABCDE"),
    (Alpha(), 4, "A\nB"),
    (Alpha(required=True), 4, ""),
    (AlphaRight(), 4, "ABCDE"),
    (Choice(("DEBT",)), 4, "CRED"),
    (Digits(), 4, "123"),
    (Digits(), 4, "12345"),
    (Digits(), 4, 1234),
    (Digits(), 4, "12 4"),
    (Numeric(), 4, 12345),
    (Numeric(), 4, -1),
    (Numeric(), 4, "12"),
    (Numeric(), 4, True),
    (Numeric(), 4, 1.5),
    (Numeric(), 4, None),
    (SignedCents(), 4, 1000),
    (SignedCents(), 4, "12"),
    (HHMM(), 4, "2460"),
    (YYMMDD(), 6, "2026-02-30"),
    (YYMMDD(), 6, "2070-01-01"),
    (YYMMDD(), 6, ""),
    (YYMMDD(), 6, None),
]


@pytest.mark.parametrize(("kind", "width", "value"), CANNOT_HOLD)
def test_too_wide_or_wrong_is_an_error_never_a_trim(kind: FieldType, width: int, value: Any) -> None:
    with pytest.raises(LayoutError, match=r"^one\.it \(1-\d\) cannot hold"):
        one(kind, width).encode((value,))


def test_the_entry_hash_alone_wraps() -> None:
    assert one(EntryHash(), 4).encode((123456,)) == "3456"
    with pytest.raises(LayoutError):
        one(EntryHash(), 4).encode(("1",))


def test_a_secret_is_shown_by_its_end() -> None:
    layout = one(Digits(), 6, secret=True)
    (error,) = layout.decode("12345X")
    assert error.found == "**345X"
    with pytest.raises(LayoutError, match=r"\*{4}5678"):
        layout.encode(("12345678",))
    assert [mask(text) for text in ("12345", "1234 ", "12-34", "A", "", "  ")] == [
        "*2345",
        "**** ",
        "*****",
        "*",
        "",
        "  ",
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([Field("a", 1, 2, Alpha()), Field("b", 4, 5, Alpha())], "next free one is 3"),
        ([Field("a", 1, 3, Alpha()), Field("b", 3, 5, Alpha())], "next free one is 4"),
        ([Field("a", 1, 4, Alpha())], "ends at 4"),
        ([Field("a", 1, 6, Alpha())], "ends at 6"),
        ([Field("a", 1, 0, Alpha())], "is at 1-0"),
        ([Field("a", 1, 2, Alpha()), Field("a", 3, 5, Alpha())], "twice"),
        ([Field("a", 1, 5, Const("AB"))], "does not fill"),
        ([Field("a", 1, 5, Choice(("AB",)))], "do not all fill"),
        ([Field("a", 1, 5, YYMMDD())], "6 positions"),
        ([Field("a", 1, 5, HHMM())], "4 positions"),
        ([Field("a", 1, 5, FieldType())], "has no pattern"),
    ],
)
def test_a_table_that_does_not_tile_is_refused(fields: list[Field], words: str) -> None:
    with pytest.raises(LayoutError, match=words):
        Layout("bad", 5, fields)


def test_number_of_values_and_length_of_lines() -> None:
    layout = one(Alpha(), 4)
    with pytest.raises(LayoutError, match="takes 1 values, got 2"):
        layout.encode(("A", "B"))
    for line in ("", "ABC", "ABCDE"):
        (error,) = layout.decode(line)
        assert (error.found, error.expected) == (f"{len(line)} characters", "4 characters")
    with pytest.raises(LayoutError):
        FieldType().expected(1)


LAYOUTS = [
    value
    for module in (nacha_records, gl_scratch, vach_scratch)
    for value in vars(module).values()
    if isinstance(value, Layout)
]


@given(st.sampled_from(LAYOUTS), st.data())
def test_what_any_layout_reads_it_writes_back(layout: Layout, data: st.DataObject) -> None:
    line = data.draw(st.from_regex(layout.pattern, fullmatch=True, alphabet=st.characters(codec="ascii")))
    values = layout.decode(line)
    if isinstance(values, tuple):
        assert layout.encode(values) == line
    else:
        assert all("calendar day" in error.expected for error in values)


@given(st.sampled_from(LAYOUTS), st.text(max_size=150))
def test_no_text_crashes_a_layout(layout: Layout, line: str) -> None:
    assert isinstance(layout.decode(line), list)
    assert len(layout.explain(line)) == len(layout.fields)
