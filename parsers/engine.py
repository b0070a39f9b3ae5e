"""The loop all inbound parsers share: blocks of lines through a fast half, the odd line through a careful one.

The fast half takes a few hundred lines at once: one compiled expression cuts them, whole columns are
converted, and pydantic's compiled core admits the rows. Lines it leaves are read one at a time by the
careful half, which accepts or refuses them with words. Both must agree on every line they both take; a
property test holds them to it. Blocks of 256 lines keep the working set in the processor's cache and the
garbage collector idle (blocks of thousands measured at half the speed).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from types import GenericAlias
from typing import Annotated, Any, Protocol, cast

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from xxhash import xxh3_64_intdigest

from parsers.base import ParsedChunk
from parsers.checks import Findings
from parsers.codes import RejectCode
from parsers.lines import BLANKS, LineBlock, line_blocks

BLOCK_LINES = 256

Row = tuple[Any, ...]
Fast = tuple[list[Row], list[int]]
"""Rows taken, and the numbers of the lines left to the careful half."""


class Format(Protocol):
    """The two halves of an inbound format, compiled for a profile."""

    amount_at: int
    """Where a row holds its cents."""

    def fast(self, text: str, numbers: Sequence[int]) -> Fast:
        """Lines joined and ended by line feeds, one character a byte, none blank; ``numbers`` one each."""

    def careful(self, line: str, line_no: int) -> tuple[Row | None, Findings]:
        """One line as received: its row, or None and the faults."""


def parse_lines(chunks: Iterable[bytes], fmt: Format, limit: int) -> Iterator[ParsedChunk]:
    """Every line of ``chunks`` as record, reject or blank."""
    for block in line_blocks(chunks, limit):
        yield parse_block(block, fmt, limit)


def parse_block(block: LineBlock, fmt: Format, limit: int) -> ParsedChunk:
    """One block of lines, read."""
    chunk = ParsedChunk(lines=len(block.lines), unterminated=block.unterminated)
    bodies: Sequence[bytes] = block.lines
    numbers: Sequence[int] = range(block.first, block.first + len(block.lines))
    if not block.clean:
        bodies, numbers = _filled(block)
        chunk.blank = len(block.lines) - len(bodies)
    chunk.hashes = array("Q", map(xxh3_64_intdigest, bodies))
    chunk.hash_lines = array("Q", numbers)
    if block.too_long:
        first = block.first
        bodies = [b"\0" if n - first in block.too_long else b for n, b in zip(numbers, bodies, strict=True)]
    left: list[int] = []
    for start in range(0, len(bodies), BLOCK_LINES):
        text = b"\n".join(bodies[start : start + BLOCK_LINES]).decode("latin-1") + "\n"
        rows, odd = fmt.fast(text, numbers[start : start + BLOCK_LINES])
        chunk.records += rows
        left += odd
    if left:
        _carefully(block, fmt, limit, left, chunk)
    chunk.amount_cents = sum(map(itemgetter(fmt.amount_at), chunk.records))
    return chunk


def _filled(block: LineBlock) -> tuple[list[bytes], list[int]]:
    """The lines that are not blank, without blanks around them, and their numbers."""
    pairs = [
        (line.strip(b" "), number)
        for number, line in enumerate(block.lines, block.first)
        if line.strip(BLANKS) or number - block.first in block.too_long
    ]
    return [line for line, _ in pairs], [number for _, number in pairs]


def _carefully(block: LineBlock, fmt: Format, limit: int, left: list[int], chunk: ParsedChunk) -> None:
    """The lines numbered ``left`` one at a time, into ``chunk`` in file order."""
    added = False
    for number in left:
        index = number - block.first
        raw = block.lines[index]
        if index in block.too_long:
            row, findings = None, _too_long(number, limit)
        else:
            row, findings = fmt.careful(raw.decode("latin-1"), number)
        if row is None:
            reject = findings.reject(raw)
            chunk.rejects.append(reject)
            chunk.rejected_cents += reject.amount_cents or 0
        else:
            chunk.records.append(row)
            chunk.warnings += findings.warnings
            added = True
    if added:
        chunk.records.sort(key=itemgetter(0))


def _too_long(number: int, limit: int) -> Findings:
    findings = Findings(number)
    findings.fault(
        RejectCode.LINE_TOO_LONG,
        "line",
        limit + 1,
        f"a line of more than {limit} bytes",
        f"a line feed within {limit} bytes",
        "check that the file has one record a line and drop it again",
    )
    return findings


# Whole columns at once. All take the strings of one column and give a column of the same length.


def optional(column: Sequence[str]) -> Sequence[str | None]:
    """Blank becomes None."""
    if "" not in column:
        return column
    if any(column):
        return [value or None for value in column]
    return (None,) * len(column)


_AROUND_COMMA = re.compile("(?<! ) *, *")


def closed_up(text: str) -> str:
    """``text`` without blanks around its commas. One blank is the usual case and the cheap one."""
    text = text.replace(", ", ",").replace(" ,", ",")
    return _AROUND_COMMA.sub(",", text) if ", " in text or " ," in text else text


def upper(column: Sequence[str]) -> Sequence[str]:
    """Upper case; one comparison when it is already so."""
    joined = "".join(column)
    return column if joined.upper() == joined else [value.upper() for value in column]


def left_over(rows: Iterable[Row], odd: set[int]) -> list[Row]:
    """The rows whose line number is not in ``odd``."""
    return [row for row in rows if row[0] not in odd] if odd else list(rows)


def admit(validate: Callable[[list[Row]], list[Row]], rows: list[Row], odd: set[int]) -> Fast:
    """Rows through pydantic; those it refuses join ``odd``, the rest of the block stands."""
    try:
        return validate(rows), sorted(odd)
    except ValidationError as refusal:
        bad = {rows[int(error["loc"][0])][0] for error in refusal.errors(include_url=False, include_input=False)}
    return validate(left_over(rows, bad)), sorted(odd | bad)


def rows_of(*types: Any) -> Callable[[list[Row]], list[Row]]:
    """Pydantic's compiled check of a list of rows, line number first, then a type for each field."""
    row: Any = GenericAlias(tuple, (int, *types))
    adapter: TypeAdapter[list[Row]] = TypeAdapter(cast(Any, GenericAlias(list, (row,))))
    return adapter.validator.validate_python


def text_of(width: int, least: int = 1) -> Any:
    """Text of ``least`` to ``width`` characters."""
    return Annotated[str, StringConstraints(min_length=least, max_length=width)]


def cents_of(digits: int) -> Any:
    """Cents above zero, of at most ``digits`` digits."""
    return Annotated[int, Field(gt=0, lt=10**digits)]
