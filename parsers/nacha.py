"""NACHA files: what we send to the bank (PPD, CCD and CTX entries), read back and strictly validated.

Sent by the gateway to the originating bank; record tables in `parsers.nacha_records`, after the Nacha
operating rules, appendix three (2026). Record order: file header 1, then for each batch a header 5, entries
6 each with its addenda 7, a control 8; then the file control 9 and filler lines of nines up to a multiple of
ten records. Records are 94 characters; LF, CR LF or nothing separates them, one way throughout. Money is
integer cents.

Validation recomputes every count, hash and total and compares; checks field formats, order of batch and trace
numbers, check digits, transaction codes against the service class, and addenda against indicators. Codes are
those of `parsers.nacha_errors.NachaCode`; every finding is reported, not the first alone.

>>> [(e.line_no, e.code.value) for e in validate([b""])]
[(1, 'FILE_EMPTY')]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

from parsers.layout import Layout
from parsers.nacha_check import Checker
from parsers.nacha_errors import NachaCode, NachaError
from parsers.nacha_records import (
    ADDENDA_05,
    BATCH_HEADER,
    ENTRY,
    ENTRY_CTX,
    FILE_HEADER,
    WIDTH,
    Batch,
    Entry,
    FileHeader,
    NachaFile,
    check_digit,
    routing_problem,
    routing_warning,
)

__all__ = [
    "Batch",
    "Entry",
    "FileHeader",
    "LineEnding",
    "NachaCode",
    "NachaError",
    "NachaFile",
    "check_digit",
    "line_ending",
    "read",
    "records",
    "routing_problem",
    "routing_warning",
    "validate",
]

LineEnding = Literal["lf", "crlf", "none"]
PIECE: Final = 256 * 1024


def line_ending(head: bytes) -> LineEnding:
    """How the records of a file are separated, by its first bytes."""
    at = head.find(b"\n")
    if at < 0:
        return "none"
    return "crlf" if head[at - 1 : at] == b"\r" else "lf"


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces large enough to work on and small enough to forget."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), PIECE):
            part = bytes(view[start : start + PIECE])
            held.append(part)
            size += len(part)
            if size >= PIECE:
                yield b"".join(held)
                held, size = [], 0
    if size:
        yield b"".join(held)


def validate(chunks: Iterable[bytes]) -> Iterator[NachaError]:
    """Every finding of a file given in chunks of any size, in file order; nothing for a sound file."""
    checker = Checker()
    ending: LineEnding | None = None
    rest = b""
    for piece in _pieces(chunks):
        ending = ending or line_ending(piece)
        data = rest + piece
        cut = _last_whole(data, ending)
        rest = data[cut:]
        yield from _feed(checker, data[:cut], ending)
        if len(rest) > 4 * PIECE:  # no line at all: no reason to keep a gigabyte of it
            yield from _feed_tail(checker, rest, ending)
            rest = b""
    if rest:
        yield from _feed_tail(checker, rest, ending or "lf")
    yield from checker.finish()


def _last_whole(data: bytes, ending: LineEnding) -> int:
    """Where to cut: after whole lines, and before the last entry, whose addenda may be still to come."""
    if ending == "none":
        whole = len(data) - len(data) % WIDTH
        return whole if data[whole - WIDTH : whole - WIDTH + 1] != b"6" else whole - WIDTH
    last = data.rfind(b"\n") + 1
    entry = data.rfind(b"\n6", 0, last) + 1
    return entry if 0 < last - entry <= 2 * (WIDTH + 2) else last


def _feed(checker: Checker, data: bytes, ending: LineEnding) -> Iterator[NachaError]:
    text = data.decode("latin-1")
    if ending == "none":
        text = "".join(text[at : at + WIDTH] + "\n" for at in range(0, len(text), WIDTH))
    elif ending == "crlf":
        ends = text.count("\r\n")
        if not ends == text.count("\n") == text.count("\r"):
            yield from _walk_endings(checker, text, "\r")
            return
        text = text.replace("\r\n", "\n")
    elif "\r" in text:
        yield from _walk_endings(checker, text, "")
        return
    yield from checker.feed(text)


def _walk_endings(checker: Checker, text: str, before: str) -> Iterator[NachaError]:
    for line in text[:-1].split("\n"):
        checker.line_no += 1
        right = line.endswith(before) if before else not line.endswith("\r")
        if not right:
            yield _ending_error(checker, "LF" if before else "CR LF", "CR LF" if before else "LF")
        yield from checker.line(line.removesuffix("\r"))


def _ending_error(checker: Checker, found: str, expected: str) -> NachaError:
    return NachaError(
        checker.line_no,
        "record",
        "record",
        WIDTH + 1,
        WIDTH + 2,
        NachaCode.LINE_ENDING,
        f"{found} at the end of the record",
        f"{expected}, as in the first record",
        "use one record separator throughout",
    )


def _feed_tail(checker: Checker, rest: bytes, ending: LineEnding) -> Iterator[NachaError]:
    """The last bytes: entries held back, and perhaps a line without its ending."""
    whole = len(rest) - len(rest) % WIDTH if ending == "none" else rest.rfind(b"\n") + 1
    if whole:
        yield from _feed(checker, rest[:whole], ending)
    if torn := rest[whole:].decode("latin-1"):
        checker.line_no += 1
        if ending != "none":
            yield _ending_error(checker, "nothing", "CR LF" if ending == "crlf" else "LF")
        yield from checker.line(torn.removesuffix("\r"))


def records(data: bytes) -> list[str]:
    """The records of a file without their separators, whatever they are worth."""
    text = data.decode("latin-1")
    if line_ending(data) == "none":
        return [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)]
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def read(data: bytes | Iterable[bytes]) -> NachaFile | list[NachaError]:
    """The file in its frozen form, or everything that is wrong with it."""
    whole = data if isinstance(data, bytes) else b"".join(data)
    errors = list(validate([whole]))
    return errors or _build(records(whole))


def _build(lines: list[str]) -> NachaFile:
    """From records found sound."""
    header = FileHeader(**_named(FILE_HEADER, lines[0]))
    batches: list[Batch] = []
    fields: dict[str, Any] = {}
    entries: list[Entry] = []
    addenda: list[str] = []
    detail: tuple[Any, ...] = ()

    def close() -> None:
        if detail:
            entries.append(_entry(detail, tuple(addenda)))
            addenda.clear()

    for line in lines[1:]:
        kind = line[0]
        if kind == "7":
            addenda.append(_decoded(ADDENDA_05, line)[0])
            continue
        close()
        detail = ()
        if kind == "6":
            detail = _decoded(ENTRY_CTX if fields["sec_code"] == "CTX" else ENTRY, line)
        elif kind == "5":
            fields = _named(BATCH_HEADER, line)
        elif kind == "8":
            batches.append(Batch(entries=tuple(entries), **fields))
            entries.clear()
        else:
            break
    return NachaFile(header=header, batches=tuple(batches))


def _entry(values: tuple[Any, ...], addenda: tuple[str, ...]) -> Entry:
    if len(values) == len(ENTRY_CTX.names):
        code, bank, digit, account, cents, identification, _, name, more, _, trace = values
    else:
        code, bank, digit, account, cents, identification, name, more, _, trace = values
    return Entry(code, bank, digit, account, cents, identification, name, more, addenda, trace)


def _decoded(layout: Layout, line: str) -> tuple[Any, ...]:
    values = layout.decode(line)
    if isinstance(values, list):
        raise ValueError(f"{layout.name} does not read although the file was found sound: {values[0]}")
    return values


def _named(layout: Layout, line: str) -> dict[str, Any]:
    return dict(zip(layout.names, _decoded(layout, line), strict=True))
