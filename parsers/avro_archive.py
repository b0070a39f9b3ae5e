"""Archives of what was read: Avro object containers of records with their outcome.

``schemas/archive_<kind>.avsc`` adds portfolio, outcome and entry ids to each record. Rows come as blocks of columns,
are written with ``fastavro`` and packed with zstandard. The same rows and marker give the same bytes.

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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import fastavro

from parsers.avro import RECORDS, archive_schema


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
        schema = _ordered(fastavro.parse_schema(archive_schema(kind)))
        self._names = (*RECORDS[kind], "portfolio", "outcome", "entry_ids")
        self._writer = fastavro.write.Writer(out, schema, codec="zstandard", sync_marker=marker)

    def add(self, block: Archived) -> None:
        write, names = self._writer.write, self._names
        for row in zip(*block.records, block.portfolios, block.outcomes, block.entry_ids, strict=True):
            write(dict(zip(names, row, strict=True)))

    def close(self) -> None:
        """Write what is still held. ``out`` stays open."""
        self._writer.flush()


def _ordered(schema: Any) -> Any:
    """A parsed schema with its keys in order: fastavro leaves them in an order that differs from process to process, and
    writes them so."""
    if isinstance(schema, dict):
        return {key: _ordered(schema[key]) for key in sorted(schema)}
    return [_ordered(part) for part in schema] if isinstance(schema, list) else schema
