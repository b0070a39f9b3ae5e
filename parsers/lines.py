"""Byte blocks of any size in, blocks of whole lines out, in memory that does not grow with the file.

Where the incoming blocks end never shows in the result: a block of lines is always ``CHUNK_RECORDS``
lines, but for the last. A line ends with LF; a CR before it belongs to the terminator. A line longer than
the limit is kept to its first ``limit`` bytes, so a file without any line feed stays flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from parsers.base import CHUNK_RECORDS

READ_BYTES = 1 << 16
"""Bytes split at a time: a thousand lines or two, so that no list of a whole file's lines ever exists."""

BLANKS = b" \t"


@dataclass(slots=True)
class LineBlock:
    """Consecutive lines without terminators, the first being number ``first``.

    ``clean`` promises that no line is blank or too long or has blanks around it. ``too_long`` holds the
    indexes of lines over the limit, which are cut.
    """

    first: int
    lines: list[bytes]
    clean: bool
    too_long: set[int] = field(default_factory=set)
    unterminated: bool = False


def line_blocks(chunks: Iterable[bytes], limit: int) -> Iterator[LineBlock]:
    """The lines of ``chunks`` in blocks of CHUNK_RECORDS."""
    pending = LineBlock(1, [], True)
    for lines, clean, too_long, unterminated in _split(_pieces(chunks), limit):
        base = len(pending.lines)
        pending.lines += lines
        pending.clean = pending.clean and clean
        pending.too_long.update(base + index for index in too_long)
        pending.unterminated = unterminated
        while len(pending.lines) > CHUNK_RECORDS:
            yield _cut(pending)
            base -= CHUNK_RECORDS
            if base <= 0:
                pending.clean = clean
    if pending.lines:
        yield pending


def _cut(pending: LineBlock) -> LineBlock:
    """The first CHUNK_RECORDS lines of ``pending``, which keeps the rest."""
    size = CHUNK_RECORDS
    done = LineBlock(pending.first, pending.lines[:size], pending.clean)
    del pending.lines[:size]
    pending.first += size
    if pending.too_long:
        done.too_long = {i for i in pending.too_long if i < size}
        pending.too_long = {i - size for i in pending.too_long if i >= size}
    return done


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """``chunks`` joined or cut to about READ_BYTES each."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        for start in range(0, len(chunk), READ_BYTES):
            piece = chunk[start : start + READ_BYTES]
            held.append(piece)
            size += len(piece)
            if size >= READ_BYTES:
                yield b"".join(held)
                held, size = [], 0
    if held:
        yield b"".join(held)


_Split = tuple[list[bytes], bool, set[int], bool]


def _split(pieces: Iterable[bytes], limit: int) -> Iterator[_Split]:
    """Lists of whole lines; the tail of a file that does not end with a line feed comes last, alone."""
    keep = limit + 1  # with this much of a line its fate is known, a CR at the limit included
    tail, lost, torn = b"", False, False
    for piece in pieces:
        torn = not piece.endswith(b"\n")
        if lost:
            head = piece.find(b"\n")
            if head < 0:
                continue
            yield [tail[:limit]], False, {0}, False
            tail, lost, piece = b"", False, piece[head + 1 :]
        end = piece.rfind(b"\n")
        if end < 0:
            tail += piece
        else:
            lines, clean = _lines(tail + piece[:end])
            too_long = _cut_long(lines, limit)
            yield lines, clean and not too_long, too_long, False
            tail = piece[end + 1 :]
        lost = len(tail) > keep
        tail = tail[:keep]
    if torn:
        yield [tail[:limit]], False, {0} if len(tail) > limit else set(), True


def _lines(data: bytes) -> tuple[list[bytes], bool]:
    """The lines of ``data`` (its last line feed taken off), and whether none is blank or padded."""
    if b"\r" in data:
        data = (data + b"\n").replace(b"\r\n", b"\n")[:-1]
    lines = data.split(b"\n")
    clean = min(map(len, lines)) > 0 and b"\t" not in data
    if clean and b" " in data:
        clean = not (data.startswith(b" ") or data.endswith(b" ") or b"\n " in data or b" \n" in data)
    return lines, clean


def _cut_long(lines: list[bytes], limit: int) -> set[int]:
    """Cut the lines over ``limit`` in place; their indexes."""
    if max(map(len, lines)) <= limit:
        return set()
    too_long = {index for index, line in enumerate(lines) if len(line) > limit}
    for index in too_long:
        lines[index] = lines[index][:limit]
    return too_long
