"""Archives of what was read: Avro object containers of records with their outcome.

``schemas/archive_<kind>.avsc`` adds portfolio, outcome and entry ids to each record. Rows come as blocks of columns, are
encoded a column at a time (Apache Avro 1.11, "Binary Encoding"), and go into containers whose head is ``fastavro``'s
and whose blocks are packed with zstandard. The same rows and marker give the same bytes, however they came in blocks.

``fastavro`` writes a record at a time and tries each branch of a union for each value: 8 s for a million assessments,
here 2 s. It reads every archive back in the property tests.

>>> from io import BytesIO
>>> out = BytesIO()
>>> block = Archived([(1,), ("1001",), (None,), (None,), (None,), ("LTCH",), (2500,), *[(None,)] * 4], (1,), ("held",), ([],))
>>> writer = ArchiveWriter(out, "assessments", marker=bytes(16))
>>> writer.add(block)
>>> writer.close()
>>> [row] = fastavro.reader(BytesIO(out.getvalue()))
>>> row["lease"], row["amount_cents"], row["outcome"], row["entry_ids"]
('1001', 2500, 'held', [])
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import fastavro
import numpy as np

from parsers.avro import RECORDS, archive_schema

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_BLOCK_RECORDS: Final = 4_000
"""Records of a container's block: some 100 kB before they are packed: fewer would pack worse, and readers hold little."""
_KEPT: Final = 200_000
"""Encoded values of one column held at a time."""

Encoder = Callable[[Sequence[Any]], Sequence[bytes]]
"""A column's values as Avro has them."""


@dataclass(frozen=True, slots=True)
class Archived:
    """A block of records, by column, all of one length."""

    records: Sequence[Sequence[Any]]
    """As ``parsers.avro.RECORDS`` names them."""
    portfolios: Sequence[int | None]
    outcomes: Sequence[str]
    entry_ids: Sequence[Sequence[int]]


class ArchiveWriter:
    """A container of ``kind`` that takes its blocks as they come; ``marker`` are the 16 bytes that part them in the file."""

    def __init__(self, out: IO[bytes], kind: str, *, marker: bytes) -> None:
        schema = archive_schema(kind)
        names = (*RECORDS[kind], "portfolio", "outcome", "entry_ids")
        self._encoders = [(names.index(f["name"]), _encoder(f["type"])) for f in schema["fields"]]
        self._out, self._marker = out, marker
        self._rows: list[bytes] = []
        fastavro.writer(out, _ordered(fastavro.parse_schema(schema)), [], codec="zstandard", sync_marker=marker)

    def add(self, block: Archived) -> None:
        columns = (*block.records, block.portfolios, block.outcomes, block.entry_ids)
        encoded = [encode(columns[at]) for at, encode in self._encoders]
        self._rows += map(b"".join, zip(*encoded, strict=True))
        whole = len(self._rows) - len(self._rows) % _BLOCK_RECORDS
        for start in range(0, whole, _BLOCK_RECORDS):
            self._write(self._rows[start : start + _BLOCK_RECORDS])
        del self._rows[:whole]

    def close(self) -> None:
        """Write what is still held. ``out`` stays open."""
        if self._rows:
            self._write(self._rows)
            self._rows = []

    def _write(self, rows: Sequence[bytes]) -> None:
        packed = zstd.compress(b"".join(rows))
        self._out.write(_number(len(rows)) + _number(len(packed)) + packed + self._marker)


def _encoder(kind: Any) -> Encoder:
    """How a column of this type is written. Raises KeyError for a type that no archive has."""
    if isinstance(kind, dict):
        if kind["type"] == "array":
            return _arrays
        return _Known({word: _number(at) for at, word in enumerate(kind["symbols"])}.__getitem__)
    if isinstance(kind, list):
        encode = _SINGLE[kind[1]]
        return _Known(lambda value: b"\x00" if value is None else b"\x02" + encode(value))
    return _numbers if kind == "long" else _Known(_SINGLE[kind])


def _number(value: int) -> bytes:
    """A ``long``: zigzag, seven bits a byte, lowest first. Raises OverflowError beyond 64 bits."""
    rest = value << 1 if value >= 0 else ~(value << 1)
    if rest >> 64:
        raise OverflowError(f"encoding {value}: found more than 64 bits, expected a long")
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _text(value: str) -> bytes:
    data = value.encode()
    return _number(len(data)) + data


_SINGLE: Final[dict[str, Callable[[Any], bytes]]] = {"string": _text, "int": _number, "long": _number}


class _Known(dict[Any, bytes]):
    """Columns whose values come again: each is encoded once."""

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, value: Any) -> bytes:
        self[value] = encoded = self._encode(value)
        return encoded

    def __call__(self, values: Sequence[Any]) -> Sequence[bytes]:
        if values.count(values[0]) == len(values):
            return [self[values[0]]] * len(values)
        if len(self) > _KEPT:
            self.clear()
        return list(map(self.__getitem__, values))


def _numbers(values: Sequence[int]) -> Sequence[bytes]:
    """Numbers that hardly come again: where all take as many bytes, they are cut from one array of bytes."""
    size = len(_number(values[0]))
    if min(values) < 0 or size != len(_number(max(values))) or size != len(_number(min(values))) or size > 9:
        return list(map(_number, values))
    bits = (
        np.asarray(values, dtype=np.uint64)[:, None]
        << np.uint64(1)
        >> (np.arange(size, dtype=np.uint64) * np.uint64(7))
    )
    cells = (bits & np.uint64(0x7F)).astype(np.uint8)
    cells[:, :-1] |= 0x80
    data = cells.tobytes()
    return [data[start : start + size] for start in range(0, len(data), size)]


def _arrays(values: Sequence[Sequence[int]]) -> Sequence[bytes]:
    """Arrays of longs: a block of them, and an empty block for the end."""
    if all(len(numbers) == 1 for numbers in values):
        return [b"\x02" + number + b"\x00" for number in _numbers([number for (number,) in values])]
    return [
        _number(len(numbers)) + b"".join(map(_number, numbers)) + b"\x00" if numbers else b"\x00" for numbers in values
    ]


def _ordered(schema: Any) -> Any:
    """A parsed schema with its keys in order: fastavro leaves them in an order that differs from process to process, and
    writes them so."""
    if isinstance(schema, dict):
        return {key: _ordered(schema[key]) for key in sorted(schema)}
    return [_ordered(part) for part in schema] if isinstance(schema, list) else schema
