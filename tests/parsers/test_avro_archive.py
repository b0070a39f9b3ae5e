"""Archives, read back by the library that wrote them and by our own reader of containers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from itertools import chain
from typing import Any

import fastavro
import pytest
from fastavro.schema import to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers import avro
from parsers.avro_archive import Archived, ArchiveWriter
from parsers.avro_container import Stream, records

KINDS = tuple(avro.RECORDS)
MARKER = bytes(range(16))


def _written(kind: str, blocks: list[Archived]) -> bytes:
    out = io.BytesIO()
    writer = ArchiveWriter(out, kind, marker=MARKER)
    for block in blocks:
        writer.add(block)
    writer.close()
    return out.getvalue()


def _block(rows: list[dict[str, Any]], kind: str) -> Archived:
    return Archived(
        [tuple(row[name] for row in rows) for name in avro.RECORDS[kind]],
        [row["portfolio"] for row in rows],
        [row["outcome"] for row in rows],
        [row["entry_ids"] for row in rows],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_has_the_published_schema(kind: str) -> None:
    schema = avro.archive_schema(kind)
    assert sorted(f["name"] for f in schema["fields"]) == sorted(
        [*avro.RECORDS[kind], "portfolio", "outcome", "entry_ids"]
    )
    twin = [f["name"] for f in avro.inbound_schema(kind)["fields"]]
    assert twin == list(avro.RECORDS[kind][1:])
    reader = fastavro.reader(io.BytesIO(_written(kind, [])))
    assert list(reader) == []
    written = json.loads(reader.metadata["avro.schema"])
    assert to_parsing_canonical_form(written) == to_parsing_canonical_form(schema)
    assert reader.codec == "zstandard"


numbers = st.one_of(
    st.sampled_from([0, 1, -1, 63, 64, -64, -65, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1)
)
texts = st.one_of(st.sampled_from(["", "LTCH", "1001"]), st.text(max_size=9), st.integers(60, 5000).map("x".__mul__))


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, list):
        return st.one_of(st.none(), _values(kind[1]))
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return st.lists(numbers, max_size=3)
        return st.sampled_from(kind["symbols"])
    return {"int": st.integers(-(2**31), 2**31 - 1), "long": numbers, "string": texts}[kind]


@st.composite
def _archives(draw: st.DrawFn) -> tuple[str, list[list[dict[str, Any]]]]:
    """Blocks of rows of one kind."""
    kind = draw(st.sampled_from(KINDS))
    fields = {f["name"]: _values(f["type"]) for f in avro.archive_schema(kind)["fields"]}
    row = st.fixed_dictionaries(fields)
    blocks = []
    for _ in range(draw(st.integers(1, 3))):
        blocks.append(draw(st.lists(row, min_size=1, max_size=8)))
    return kind, blocks


@settings(deadline=None)
@given(_archives())
def test_what_is_written_is_read(archive: tuple[str, list[list[dict[str, Any]]]]) -> None:
    kind, blocks = archive
    data = _written(kind, [_block(rows, kind) for rows in blocks])
    expected = [row for rows in blocks for row in rows]
    assert list(fastavro.reader(io.BytesIO(data))) == expected
    assert list(chain.from_iterable(records(Stream([data]), avro.archive_schema(kind)))) == expected
    assert data == _written(kind, [_block(rows, kind) for rows in blocks])


def test_every_process_writes_the_same_bytes() -> None:
    """The order of a set of words differs from process to process; nothing that is written may follow it."""
    program = (
        "import sys; from parsers.avro_archive import ArchiveWriter;"
        "ArchiveWriter(sys.stdout.buffer, 'assessments', marker=bytes(16)).close()"
    )
    headers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in range(1, 4)
    }
    assert len(headers) == 1


@pytest.mark.parametrize("steps", [(10_001,), (1, 10_000), (4_000, 4_000, 2_001), (3_999, 2, 6_000)])
def test_an_archive_does_not_tell_how_its_rows_came(steps: tuple[int, ...]) -> None:
    """The same bytes from the process that follows a posting and from the one that reads the ledger."""
    total = sum(steps)
    lines, cents = list(range(1, total + 1)), [n * n * 7 + 1 for n in range(total)]
    leases = [str(10_000 + n % 777) if n % 5 else None for n in range(total)]
    given: dict[str, list[Any]] = {"line_no": lines, "code": ["LTCH"] * total, "amount_cents": cents, "lease": leases}
    columns = [given.get(name, [None] * total) for name in avro.RECORDS["assessments"]]

    def block(first: int, end: int) -> Archived:
        rows = range(first, end)
        return Archived(
            [column[first:end] for column in columns],
            [1 for _ in rows], ["posted" if n % 9 else "rejected" for n in rows],
            [[5_000_000_000 + n] if n % 9 else [] for n in rows],
        )  # fmt: skip

    ends = [sum(steps[: n + 1]) for n in range(len(steps))]
    data = _written("assessments", [block(*both) for both in zip([0, *ends], ends, strict=False)])
    assert data == _written("assessments", [block(0, total)])
    read: list[Any] = list(fastavro.reader(io.BytesIO(data)))
    assert [row["line_no"] for row in read] == lines
    assert [row["amount_cents"] for row in read] == cents
    assert [row["lease"] for row in read] == leases
    assert sum(len(row["entry_ids"]) for row in read) == sum(row["outcome"] == "posted" for row in read) > 0


def test_a_number_beyond_a_long_is_not_cut() -> None:
    with pytest.raises(OverflowError, match="found more than 64 bits, expected a long"):
        _written("assessments", [_block([_plain_row(amount_cents=2**63)], "assessments")])


def _plain_row(**values: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys((*avro.RECORDS["assessments"], "portfolio"))
    return row | {"line_no": 1, "code": "LTCH", "outcome": "posted", "entry_ids": []} | values
