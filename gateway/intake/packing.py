"""Chunks of a file on their way to the staging table, their records packed; as light as ``parsing.py``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gateway.ledger.packed import BULK_ROWS, Pack, Packed
from parsers.base import ParsedChunk


class Ready(NamedTuple):
    """A chunk whose records were taken out to be staged: how many they were, and with some of the chunks what is to be
    inserted of it and of those before."""

    chunk: ParsedChunk
    records: int
    packed: Packed | None


def ready(chunks: Iterable[ParsedChunk], file_id: int, pack: Pack) -> Iterator[Ready]:
    """The same chunks, their records as rows of the staging table, packed some thousands at a time."""
    key = (file_id,)
    rows: list[tuple[Any, ...]] = []
    for chunk in chunks:
        rows += [key + record for record in chunk.records]
        records, chunk.records = len(chunk.records), []
        if len(rows) < BULK_ROWS:
            yield Ready(chunk, records, None)
        else:
            yield Ready(chunk, records, pack(rows))
            rows = []
    if rows:
        yield Ready(ParsedChunk(), 0, pack(rows))
