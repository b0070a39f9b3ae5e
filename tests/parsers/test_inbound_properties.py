"""What holds for any bytes, any cutting of them, and any record."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parsers import avro, bptmtrev
from parsers.base import CHUNK_RECORDS, ParsedChunk
from parsers.profile import DEFAULT, KINDS
from tests.parsers.inbound_samples import RECORDS, kinds, mutated_lines, read

few = settings(max_examples=60, deadline=None)


def _balanced(chunk: ParsedChunk, kind: str) -> None:
    amount_at = avro.MODULES[kind].plan(DEFAULT).amount_at
    assert chunk.lines == len(chunk.records) + len(chunk.rejects) + chunk.blank
    assert len(chunk.hashes) == len(chunk.hash_lines) == chunk.lines - chunk.blank
    assert chunk.amount_cents == sum(row[amount_at] for row in chunk.records)
    assert chunk.rejected_cents == sum(reject.amount_cents or 0 for reject in chunk.rejects)
    numbers = sorted([row[0] for row in chunk.records] + [reject.line_no for reject in chunk.rejects])
    assert numbers == list(chunk.hash_lines)
    assert [row[0] for row in chunk.records] == sorted(row[0] for row in chunk.records)


@few
@given(kinds, st.binary(max_size=400), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_no_bytes_make_a_parser_raise(kind: str, data: bytes, sizes: list[int]) -> None:
    chunks = read(kind, data, sizes)
    assert chunks == read(kind, data)
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    assert sum(chunk.lines for chunk in chunks) == lines
    for chunk in chunks:
        _balanced(chunk, kind)


@settings(max_examples=150, deadline=None)
@given(kinds.flatmap(lambda kind: st.tuples(st.just(kind), st.lists(mutated_lines(kind), max_size=6))))
def test_both_halves_of_a_parser_agree(case: tuple[str, list[bytes]]) -> None:
    kind, lines = case
    chunks = read(kind, b"".join(line + b"\n" for line in lines))
    plan = avro.MODULES[kind].plan(DEFAULT)
    text = b"".join(line + b"\n" for line in lines)
    careful = {}
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        if line.strip(b" \t"):
            row, findings = plan.careful(line.decode("latin-1"), number)
            careful[number] = (row, findings.warnings)
    taken = {row[0]: row for chunk in chunks for row in chunk.records}
    assert taken == {number: row for number, (row, _) in careful.items() if row is not None}
    warned = [warning for chunk in chunks for warning in chunk.warnings]
    assert warned == [w for row, found in careful.values() if row is not None for w in found]
    for chunk in chunks:
        _balanced(chunk, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_reads_back_from_its_line(kind: str) -> None:
    @few
    @given(RECORDS[kind])
    def check(record: tuple[Any, ...]) -> None:
        line = avro.MODULES[kind].render(record, DEFAULT)
        [chunk] = read(kind, line.encode("ascii") + b"\n")
        assert chunk.rejects == []
        assert chunk.records == [record]
        assert chunk.warnings == []

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_reads_back_from_its_twin_with_the_same_hashes(kind: str) -> None:
    @few
    @given(st.lists(RECORDS[kind], min_size=1, max_size=4), st.sampled_from(["null", "deflate", "zstandard"]))
    def check(records: list[tuple[Any, ...]], codec: str) -> None:
        numbered = [(number, *record[1:]) for number, record in enumerate(records, 1)]
        out = io.BytesIO()
        avro.write_twin(out, kind, numbered, codec=codec)
        [chunk] = avro.parse_avro([out.getvalue()], kind, DEFAULT)
        assert isinstance(chunk, ParsedChunk)
        assert chunk.records == numbered
        text = "".join(avro.MODULES[kind].render(record, DEFAULT) + "\n" for record in numbered)
        assert chunk.hashes == read(kind, text.encode())[0].hashes

    check()


@few
@given(kinds.flatmap(lambda kind: st.tuples(st.just(kind), mutated_lines(kind))))
def test_any_line_can_be_explained(case: tuple[str, bytes]) -> None:
    kind, line = case
    text = line.decode("latin-1")
    for start, end, name, raw, _ in avro.MODULES[kind].explain_line(text, profile=DEFAULT):
        assert 1 <= start <= end
        assert name
        if raw and '"' not in text:
            assert text[start - 1 : end] == raw


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_are_the_same_however_the_bytes_arrive(kind: str) -> None:
    sample = b"".join(line + b"\n" for line in SOME[kind])
    data = sample * (2 * CHUNK_RECORDS // len(SOME[kind])) + b"x" * 9000 + b"\r\n\n \r\n" + sample[:-1]
    whole = read(kind, data)
    assert [chunk.lines for chunk in whole[:-1]] == [CHUNK_RECORDS] * (len(whole) - 1)
    assert whole[-1].unterminated
    for sizes in ([1], [7], [100_000], [65536, 1, 4096]):
        assert [dataclasses.asdict(c) for c in read(kind, data, sizes)] == [dataclasses.asdict(c) for c in whole]


SOME = {
    "assessments": [b"<lease>1<assmt>LTCH<amount>2500", b"", b"<lease>1<assmt>LTCH<amount>25.00"],
    "escrow": [b"50,970104,500,0001,smith,111 anza,burlingame,ca,94010,79,125", b"50,970104", b"  "],
    "reversals": [b"L1,20000,B03030890000100000001", b"L1,20000\r"],
    "payments": [b"L50,10000,C123", b"I7,5,Npaid", b"I7,5,D030101"],
}


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='NSUTOnXé1- ,<"', max_size=6))
@example("NSFC")
@example("")
def test_a_reason_is_one_that_a_line_gives_as_it_is(text: str) -> None:
    """What settings and the command line ask is what the reader of files says."""
    record = (1, "L", "1", 1, "26010100000100000001", text, None, None, None)
    [chunk] = read("reversals", f"{bptmtrev.render(record, DEFAULT)}\n".encode())
    assert bptmtrev.is_reason(text, DEFAULT) == (chunk.records == [record])
