"""Cutting bytes into lines: terminators, torn tails, lines without end, flat memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from xxhash import xxh3_64_intdigest

from parsers.base import CHUNK_RECORDS
from parsers.lines import line_blocks
from tests.parsers.inbound_samples import read

GOOD = b"<lease>1<assmt>LTCH<amount>2500"

CUTS: list[tuple[bytes, list[bytes], bool]] = [
    (b"", [], False),
    (b"a", [b"a"], True),
    (b"a\n", [b"a"], False),
    (b"a\r\nb\r\n", [b"a", b"b"], False),
    (b"a\n\nb", [b"a", b"", b"b"], True),
    (b"a\r", [b"a\r"], True),
    (b"a\r\r\n", [b"a\r"], False),
    (b"\n", [b""], False),
    (b"x" * 301 + b"\n", [b"x" * 300], False),
    (b"x" * 300 + b"\r\n", [b"x" * 300], False),
    (b"x" * 302 + b"\r\n" + b"y", [b"x" * 300, b"y"], True),
    (b"x" * 900, [b"x" * 300], True),
]


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(("data", "lines", "torn"), CUTS)
def test_lines(data: bytes, lines: list[bytes], torn: bool, size: int) -> None:
    blocks = list(line_blocks([data[i : i + size] for i in range(0, len(data), size)], 300))
    assert [line for block in blocks for line in block.lines] == lines
    assert any(block.unterminated for block in blocks) == torn
    long = {block.first + index for block in blocks for index in block.too_long}
    raw = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    assert long == {number for number, line in enumerate(raw, 1) if len(line) > 300}


def test_a_file_without_lines_gives_no_chunk() -> None:
    assert read("assessments", b"") == []


def test_a_torn_tail_is_a_line_and_is_told() -> None:
    [chunk] = read("assessments", GOOD)
    assert chunk.unterminated
    assert chunk.lines == len(chunk.records) == 1


def test_blank_lines_are_counted_and_have_no_hash() -> None:
    [chunk] = read("assessments", b"\n  \r\n\t\n" + GOOD + b"  \r\n")
    assert (chunk.lines, chunk.blank, chunk.rejects) == (4, 3, [])
    assert list(chunk.hash_lines) == [4]
    assert list(chunk.hashes) == [xxh3_64_intdigest(GOOD)]


def test_a_tab_beside_a_record_is_a_control_character() -> None:
    [chunk] = read("assessments", b"\t" + GOOD + b"\n")
    assert [(r.code, r.column, r.raw) for r in chunk.rejects] == [("CONTROL_CHARACTER", 1, b"\t" + GOOD)]


def test_padding_before_a_line_counts_in_its_columns() -> None:
    [chunk] = read("assessments", b"   <lease>1<assmt>LTCH<amount>2x\r\n")
    [reject] = chunk.rejects
    assert (reject.column, reject.raw) == (31, b"   <lease>1<assmt>LTCH<amount>2x")


def test_a_line_cut_to_the_limit_never_stands_as_a_record() -> None:
    [chunk] = read("assessments", GOOD + b" " * 5000 + GOOD + b"\n" + GOOD + b"\n")
    assert [r.code for r in chunk.rejects] == ["LINE_TOO_LONG"]
    assert [row[0] for row in chunk.records] == [2]


def _endless(count: int) -> Iterator[bytes]:
    block = b"1" * 65536
    for _ in range(count):
        yield block


def _lines(count: int) -> Iterator[bytes]:
    block = (GOOD + b"\n") * 500
    for _ in range(count):
        yield block


def _peak(chunks: Iterator[bytes]) -> int:
    from parsers import btchassmt
    from parsers.profile import DEFAULT

    tracemalloc.start()
    try:
        for _ in btchassmt.parse(chunks, profile=DEFAULT):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_is_flat_in_the_length_of_a_line_and_in_the_number_of_lines() -> None:
    _peak(_lines(4))
    assert _peak(_endless(2000)) < 2_000_000
    few, many = _peak(_lines(8)), _peak(_lines(40))
    assert many < few * 1.3


def test_numbers_go_on_from_chunk_to_chunk() -> None:
    chunks = read("assessments", (GOOD + b"\n") * (CHUNK_RECORDS + 3))
    assert [row[0] for chunk in chunks for row in chunk.records] == list(range(1, CHUNK_RECORDS + 4))
    assert sum(chunk.amount_cents for chunk in chunks) == 2500 * (CHUNK_RECORDS + 3)
