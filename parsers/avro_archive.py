"""Archives of what was read: Avro object containers of records with their outcome, written by the column.

``schemas/archive_<kind>.avsc`` adds portfolio, outcome and entry ids to each record. Rows come as blocks of columns and
each block becomes one container block, packed with zstandard. The encoding is that of Apache Avro 1.11 ("Binary
Encoding", "Object Container Files"), for the types the published schemas use. A library's writer takes a mapping a
record and looks at every value's type again, which is most of the time of a large file; here what all values of a
column share is encoded once. The same blocks and marker give the same bytes.

>>> from io import BytesIO
>>> import fastavro
>>> out = BytesIO()
>>> block = Archived([(1,), ("1001",), (None,), (None,), (None,), ("LTCH",), (2500,), *[(None,)] * 4], (1,), ("held",), ([],))
>>> write_archive(out, "assessments", [block], marker=bytes(16))
>>> [row] = fastavro.reader(BytesIO(out.getvalue()))
>>> row["lease"], row["amount_cents"], row["outcome"], row["entry_ids"]
('1001', 2500, 'held', [])
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

import numpy as np

from parsers.avro import RECORDS, archive_schema
from parsers.avro_container import MAGIC, zigzag

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Piece = bytes | Sequence[bytes]
"""What the rows of a block have at one place: the same bytes in all of them, or each its own."""


@dataclass(frozen=True, slots=True)
class Archived:
    """A block of records, by column, all of one length and not empty."""

    records: Sequence[Sequence[Any]]
    """As ``parsers.avro.RECORDS`` names them."""
    portfolios: Sequence[int | None]
    outcomes: Sequence[str]
    entry_ids: Sequence[Sequence[int]]


def write_archive(out: IO[bytes], kind: str, blocks: Iterable[Archived], *, marker: bytes) -> None:
    """A whole container of ``kind``; ``marker`` are the 16 bytes that part its blocks."""
    schema = archive_schema(kind)
    out.write(_head(schema, marker))
    for block in blocks:
        columns: dict[str, Sequence[Any]] = dict(zip(RECORDS[kind], block.records, strict=True))
        columns |= {"portfolio": block.portfolios, "outcome": block.outcomes, "entry_ids": block.entry_ids}
        pieces: list[Piece] = []
        for field in schema["fields"]:
            pieces += _pieces(field["type"], columns[field["name"]])
        count = len(block.outcomes)
        packed = zstd.compress(_joined(pieces, count))
        out.write(zigzag(count) + zigzag(len(packed)) + packed + marker)


def _head(schema: dict[str, Any], marker: bytes) -> bytes:
    meta = {b"avro.codec": b"zstandard", b"avro.schema": json.dumps(schema, separators=(",", ":")).encode()}
    pairs = b"".join(_sized(key) + _sized(value) for key, value in meta.items())
    return MAGIC + zigzag(len(meta)) + pairs + zigzag(0) + marker


def _joined(pieces: Iterable[Piece], count: int) -> bytes:
    """The rows, one behind the other."""
    columns: list[Sequence[bytes]] = []
    fixed = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            fixed += piece
            continue
        columns += [fixed] * count, piece
        fixed = b""
    columns.append([fixed] * count)
    return b"".join(map(b"".join, zip(*columns, strict=True)))


def _pieces(kind: Any, values: Sequence[Any]) -> list[Piece]:
    """A column of the schema type ``kind``."""
    if isinstance(kind, list):  # null, or a value
        return _optional(kind[1], values)
    if not isinstance(kind, str) and kind["type"] == "array":
        return _lists(values)
    if values[-1] == values[0] and values.count(values[0]) == len(values):
        values = values[:1]
    if kind == "string":
        encoded = _texts(values)
    elif isinstance(kind, str):
        encoded = _longs(values)
    else:
        numbers = {symbol: zigzag(number) for number, symbol in enumerate(kind["symbols"])}
        encoded = [numbers[symbol] for symbol in values]
    return [encoded[0] if len(encoded) == 1 else encoded]


def _optional(kind: str, values: Sequence[Any]) -> list[Piece]:
    absent = values.count(None)
    if absent == len(values):
        return [zigzag(0)]
    if not absent:
        return [zigzag(1), *_pieces(kind, values)]
    present = [value for value in values if value is not None]
    found = iter(_joined_each(_pieces(kind, present), len(present)))
    return [[zigzag(0) if value is None else zigzag(1) + next(found) for value in values]]


def _joined_each(pieces: Iterable[Piece], count: int) -> Sequence[bytes]:
    columns = [[piece] * count if isinstance(piece, bytes) else piece for piece in pieces]
    return [b"".join(row) for row in zip(*columns, strict=True)]


def _texts(values: Sequence[str]) -> Sequence[bytes]:
    distinct = set(values)
    if len(distinct) * 4 > len(values):
        return [_sized(value.encode()) for value in values]
    known = {value: _sized(value.encode()) for value in distinct}
    return [known[value] for value in values]


def _lists(values: Sequence[Sequence[int]]) -> list[Piece]:
    """Arrays of numbers: a block of them with its count where there are any, and the end."""
    flat = _longs(list(chain.from_iterable(values)))
    lengths = set(map(len, values))
    if lengths == {1}:
        return [zigzag(1), flat, zigzag(0)]
    found = iter(flat)
    return [[(zigzag(len(ids)) + b"".join(next(found) for _ in ids) if ids else b"") + zigzag(0) for ids in values]]


def _longs(values: Sequence[int]) -> list[bytes]:
    """Zigzag numbers of up to 64 bits: seven bits a byte, the lowest first, the top bit set in all but the last."""
    if not values:
        return []
    numbers = np.array(values, dtype=np.int64)
    rest = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    width = max(1, -(-int(rest.max()).bit_length() // 7))
    bytes_of = np.zeros((len(values), width), dtype=np.uint8)
    for at in range(width):
        low, rest = rest & np.uint64(0x7F), rest >> np.uint64(7)
        bytes_of[:, at] = low | ((rest > 0).astype(np.uint64) << np.uint64(7))
    # the last byte of a number is zero only in zero itself, so what tolist() strips is what lies behind the number
    return [text or b"\0" for text in bytes_of.view(f"S{width}").ravel().tolist()]


_SIZES = [zigzag(size) for size in range(256)]


def _sized(data: bytes) -> bytes:
    size = len(data)
    return (_SIZES[size] if size < 256 else zigzag(size)) + data
