"""What every inbound parser offers: ``parse(chunks, *, profile) -> Iterator[ParsedChunk]``.

Lines are numbered from 1. Every line of a file is exactly one of: a record, a reject, blank.
``lines = len(records) + len(rejects) + blank`` holds for every chunk and so for every file,
in count and (where an amount can be read at all) in money.

Records are plain tuples whose first field is the line number, so that a chunk can be handed to a bulk
insert as it is; the named form of each is a ``NamedTuple`` in the format's module. Money is integer
cents. Dates are ISO text (``2003-05-08``). Identifiers are upper-cased text without padding; leading
zeros stay.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

CHUNK_RECORDS = 1024
"""How many lines one ParsedChunk covers at most: enough to amortise a call, few enough to stay in the processor's
cache (4096 measured a third slower)."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was refused, as a value. Reading goes on after it.

    ``code`` is stable; a retired code is never given a new meaning. ``column`` counts from 1 in the line
    as received. ``raw`` is the line's bytes without its terminator. ``amount_cents`` is the line's money
    where it can be read beyond doubt, else None (counted as unreadable, never guessed).
    """

    line_no: int
    code: str
    field: str
    column: int | None
    found: str
    expected: str
    action: str
    raw: bytes
    amount_cents: int | None = None

    @property
    def message(self) -> str:
        """One sentence: what was found, what was expected, what to do."""
        return render_message(self.found, self.expected, self.action)


@dataclass(frozen=True, slots=True)
class Warn:
    """Something a person should see about a line that stands as a record."""

    line_no: int
    code: str
    field: str
    found: str
    expected: str
    action: str

    @property
    def message(self) -> str:
        return render_message(self.found, self.expected, self.action)


def render_message(found: str, expected: str, action: str) -> str:
    """``Found X, expected Y: do Z.`` The one sentence form of every message of the project."""
    return f"Found {found}, expected {expected}: {action}."


def in_quotes(text: str) -> str:
    """A text within a message, as it came; what cannot be printed is spelled out."""
    return f"'{text}'" if text.isprintable() else repr(text)


@dataclass(slots=True)
class ParsedChunk:
    """Up to CHUNK_RECORDS lines of a file, in file order.

    ``hashes`` and ``hash_lines`` are parallel: the 64-bit xxh3 of each non-blank line (bytes without
    terminator and surrounding blanks) and its line number; repeated lines and overlaps are found by them.
    ``unterminated`` is set in the last chunk when the file does not end with a line feed (a torn tail).
    """

    records: list[tuple[Any, ...]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)
    lines: int = 0
    blank: int = 0
    amount_cents: int = 0  # of records
    rejected_cents: int = 0  # of rejects whose amount can be read
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    hash_lines: array[int] = field(default_factory=lambda: array("Q"))
    unterminated: bool = False
