"""The physical form of a NACHA file: bytes in, records of 94 characters out, and what is odd about them.

LF, CR LF or nothing separates the records, one way throughout. What banks really send is read all the same and
reported: blank lines, records whose trailing blanks were stripped, records run together, a stray end of line in an
unbroken stream, CR alone between the records, a byte order mark, an end-of-file mark.

>>> [text for _, text in records([b"101 " + b" " * 90 + b"\\r\\n9" + b"0" * 30])][1][:5], line_ending(b"1" * 200)
('90000', 'none')
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from parsers.nacha_classes import CLASSES
from parsers.nacha_codes import NachaCode
from parsers.nacha_errors import NachaError, whole
from parsers.nacha_records import WIDTH

LineEnding = Literal["lf", "crlf", "none"]
PIECE: Final = 256 * 1024
BYTE_ORDER_MARK: Final = "\xef\xbb\xbf"
"""As it looks in text decoded byte by byte."""
END_MARK: Final = "\x1a"
"""Ctrl-Z, which ends a text file of CP/M, of MS-DOS and of programs older than either."""
_NAMES: Final = {"lf": "LF", "crlf": "CR LF"}
HEAD: Final = 64 * 1024
"""How much of a file ``is_nacha`` should see."""
_BEGINS: Final = (
    re.compile(r"101.{31}094101"),  # a file header: priority, record size, blocking factor, format
    re.compile(r"5(?:200|220|225|280).{46}(?P<sec>[A-Za-z]{3}).{16}[\d ]{6}.{4}\d{15}"),  # a batch header
    re.compile(r"6\d{11}.{17}\d{10}.{39}[01]\d{15}"),  # an entry of any class
)


def is_nacha(head: bytes) -> bool:
    """Whether records of a NACHA file are in these first bytes of one: a file header, or the batch headers and entries
    that a bank sends without one. Told by what is in its place in the record, not by a name; blanks and quotes before it,
    as of a file that went through a letter or a spreadsheet, do not hide it.

    >>> is_nacha(b"62209100001912345678901234567" + b"0000001500" + b" " * 39 + b"0091000010000001"), is_nacha(b"L1,20000")
    (True, False)
    """
    text = head.decode("latin-1").removeprefix(BYTE_ORDER_MARK)
    return any(
        found is not None and ("sec" not in found.groupdict() or found["sec"].upper() in CLASSES)
        for line in map(_unquoted, re.split("[\r\n]", text))
        for at in range(0, len(line), WIDTH)
        for found in [form.match(line, at) for form in _BEGINS]
    )


def _unquoted(line: str) -> str:
    return line.lstrip(" \t\"'>")


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines, each ended by a line feed; ``first`` is the number of the first, ``findings`` are about their
    ends."""

    first: int
    text: str
    findings: tuple[NachaError, ...] = ()


def line_ending(head: bytes) -> LineEnding:
    """How the records of a file are separated, by its first bytes."""
    at = head.find(b"\n")
    length = len(head[:at].removesuffix(b"\r"))
    if at < 0 or (length > WIDTH and length % WIDTH == 0):
        return "none"
    return "lf" if length == at else "crlf"


def _ends_in_cr(head: bytes) -> bool:
    """Whether CR alone separates the records of a file, by its first bytes. A stray one in an unbroken stream does not."""
    at = head.find(b"\r")
    return at >= 0 and not (at > WIDTH and at % WIDTH == 0) and b"\n" not in head.removesuffix(b"\n")


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


def blocks(chunks: Iterable[bytes]) -> Iterator[Block]:
    """The lines of a file given in chunks of any size. An entry and its addenda are in one block as a rule."""
    reader = _Reader()
    for piece in _pieces(chunks):
        yield from reader.take(piece)
    yield from reader.end()


class _Reader:
    def __init__(self) -> None:
        self.ending: LineEnding | None = None
        self.rest = b""
        self.line_no = 0
        self.ends_in_cr = False

    def take(self, piece: bytes) -> Iterator[Block]:
        if self.ending is None and _ends_in_cr(piece):
            self.ends_in_cr = True
            yield Block(1, "", (_ending_error(1, "CR alone", "LF, CR LF or nothing"),))
        if self.ends_in_cr:
            piece = piece.replace(b"\r", b"\n")
        self.ending = self.ending or line_ending(piece)
        data = self.rest + piece
        if self.ending == "none" and b"\n" in data:
            yield from self._end_of_stream(data)
            return
        cut = _last_whole(data, self.ending)
        self.rest = data[cut:]
        if cut:
            yield self._block(data[:cut])
        if len(self.rest) > 4 * PIECE:  # no line at all: no reason to keep a gigabyte of it
            yield from self.end()
            self.rest = b""

    def end(self) -> Iterator[Block]:
        """The last bytes: entries held back, and perhaps a line without its ending."""
        rest, ending = self.rest, self.ending or "lf"
        whole_lines = len(rest) - len(rest) % WIDTH if ending == "none" else rest.rfind(b"\n") + 1
        if whole_lines:
            yield self._block(rest[:whole_lines])
        if torn := rest[whole_lines:].decode("latin-1").removesuffix("\r"):
            expected = "CR" if self.ends_in_cr else _NAMES.get(ending)
            marked = not torn.strip(END_MARK)  # said by ``shaped``; before it the records end as they should
            odd = () if expected is None or marked else (self._ending("nothing", expected),)
            yield self._lines(torn + "\n", odd)

    def _end_of_stream(self, data: bytes) -> Iterator[Block]:
        """An end of line in a stream that had none: records up to it, and lines from there on."""
        self.rest, _, after = data.partition(b"\n")
        yield from self.end()
        found = _ending_error(max(1, self.line_no), "LF", "nothing")
        self.ending, self.rest = "lf", b""
        yield Block(self.line_no + 1, "", (found,))
        if after:
            yield from self.take(after)

    def _block(self, data: bytes) -> Block:
        text = data.decode("latin-1")
        if self.ending == "none":
            return self._lines("".join(text[at : at + WIDTH] + "\n" for at in range(0, len(text), WIDTH)))
        if self.ending == "crlf":
            ends = text.count("\r\n")
            if not ends == text.count("\n") == text.count("\r"):
                return self._mixed(text, "\r")
            return self._lines(text.replace("\r\n", "\n"))
        return self._mixed(text, "") if "\r" in text else self._lines(text)

    def _lines(self, text: str, findings: tuple[NachaError, ...] = ()) -> Block:
        first = self.line_no + 1
        self.line_no += text.count("\n")
        return Block(first, text, findings)

    def _mixed(self, text: str, before: str) -> Block:
        """Lines of which some end in another way; ``before`` the line feed is what the first line has."""
        findings, lines = [], text[:-1].split("\n")
        for number, line in enumerate(lines, self.line_no + 1):
            right = line.endswith(before) if before else not line.endswith("\r")
            if not right:
                findings.append(_ending_error(number, "LF" if before else "CR LF", _NAMES["crlf" if before else "lf"]))
        return self._lines("".join(line.removesuffix("\r") + "\n" for line in lines), tuple(findings))

    def _ending(self, found: str, expected: str) -> NachaError:
        return _ending_error(self.line_no + 1, found, expected)


def _last_whole(data: bytes, ending: LineEnding) -> int:
    """Where to cut: after whole lines, and before the last entry, whose addenda may be still to come."""
    if ending == "none":
        whole_lines = len(data) - len(data) % WIDTH
        return whole_lines if data[whole_lines - WIDTH : whole_lines - WIDTH + 1] != b"6" else whole_lines - WIDTH
    last = data.rfind(b"\n") + 1
    entry = data.rfind(b"\n6", 0, last) + 1
    return entry if 0 < last - entry <= 2 * (WIDTH + 2) else last


def _ending_error(line_no: int, found: str, expected: str) -> NachaError:
    return NachaError(
        line_no,
        "record",
        "record",
        WIDTH + 1,
        WIDTH + 2,
        NachaCode.LINE_ENDING,
        f"{found} at the end of the record",
        expected if found == "CR alone" else f"{expected}, as in the first record",
        "use one record separator throughout",
    )


def shaped(line: str, line_no: int) -> tuple[list[str], list[NachaError]]:
    """A line as records of exactly 94 characters, and what had to be done for it. Nothing is guessed: blanks are
    added where trailing ones were stripped, blanks beyond the record are left out, and records run together are
    taken apart when their lengths come out; else what stands behind the record is not read."""
    findings: list[NachaError] = []
    if line_no == 1 and line.startswith(BYTE_ORDER_MARK):
        line = line.removeprefix(BYTE_ORDER_MARK)
        action = "save the file as plain text, without a mark"
        findings.append(whole(1, "record", NachaCode.BYTE_ORDER_MARK, "a byte order mark", "the first record", action))
    if len(line) == WIDTH:
        return [line], findings
    if line.endswith(END_MARK) and len(line.rstrip(END_MARK)) in (0, WIDTH):
        line, action = line.rstrip(END_MARK), "take the mark out"
        found = "an end-of-file mark (Ctrl-Z, 0x1A)"
        findings.append(whole(line_no, "record", NachaCode.END_MARK, found, "records alone", action))
        return [line] if line else [], findings
    if not line.strip():
        action = "take the line out"
        findings.append(whole(line_no, "record", NachaCode.BLANK_LINE, "a blank line", "a record", action))
        return [], findings
    found, expected = f"{len(line)} characters", f"{WIDTH} characters"
    action = "make every record exactly 94 characters long, padded with blanks"
    findings.append(whole(line_no, "record", NachaCode.LINE_LENGTH, found, expected, action))
    if len(line) % WIDTH == 0:
        return [line[at : at + WIDTH] for at in range(0, len(line), WIDTH)], findings
    return [line[:WIDTH].ljust(WIDTH)], findings


def records(chunks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """The records of a file and the numbers of their lines, whatever they are worth."""
    for block in blocks(chunks):
        for line_no, line in enumerate(block.text.split("\n")[:-1], block.first):
            for record in shaped(line, line_no)[0]:
                yield line_no, record
