"""Avro object container files: the twins of the four inbound text formats, and the archive of what was read.

Twins: ``p<n>_<root>.avro``, sent by upstream systems that can write Avro 1.11 containers (codecs null,
deflate, zstandard) with the schemas published beside this module (``schemas/<kind>.avsc``); a writer's own
schema is resolved against them. Amounts are cents as ``long``. A day is the logical type ``date``, or text,
ISO (``2003-04-01``) or as in the text twin (``030401``). Every record is put into the line its text twin
would have and read by the text format's own rules, so no rule exists twice: a "line" is the ordinal of the
record, a reject's ``raw`` is that line (to correct and drop as text), its columns count in it, and hashes
are over it, so the same content dropped in both forms is seen as an overlap.

Text that would change meaning in a line (a tag bracket or comma inside an identifier, a line feed) is
refused with AVRO_TEXT; ``raw`` has the byte 0x1A there, which no text parser takes uncorrected. A container
that cannot be decoded is a value too: ``Unreadable`` is the last thing yielded, and nothing of the file
should post. Memory stays flat: blocks over BLOCK_LIMIT bytes are refused, packed or unpacked.

Archives of records with what became of them are written by ``avro_archive.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources
from typing import IO, Any, cast

import fastavro

from parsers import bptmtrev, btchassmt, btchescr, btchpmt
from parsers.avro_container import BrokenContainerError, Stream, records
from parsers.base import CHUNK_RECORDS, ParsedChunk, render_message
from parsers.checks import Findings, shown, yymmdd
from parsers.codes import RejectCode
from parsers.engine import Fast, Format, Row, parse_block
from parsers.lines import LineBlock
from parsers.profile import Profile

MODULES = {"assessments": btchassmt, "escrow": btchescr, "reversals": bptmtrev, "payments": btchpmt}
RECORDS: dict[str, tuple[str, ...]] = {
    "assessments": btchassmt.Assessment._fields,
    "escrow": btchescr.Escrow._fields,
    "reversals": bptmtrev.Reversal._fields,
    "payments": btchpmt.Payment._fields,
}
DAYS = frozenset(("due_date", "liendate", "disbursal_date", "effective_date"))
CUT = "\x1a"
"""Stands in a canonical line for what cannot stand in a line."""

_FRAMING = {"assessments": "<>,", "escrow": "", "reversals": ",", "payments": ","}
_DAY_ONE = date(1970, 1, 1)

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A container that cannot be decoded (any further): file level, the last value of its parse."""

    found: str
    expected: str = "an Avro object container with the published schema"
    action: str = "write the file again and drop it"

    @property
    def message(self) -> str:
        return render_message(self.found, self.expected, self.action)


@lru_cache(maxsize=16)
def _schema(name: str) -> Schema:
    text = resources.files("parsers").joinpath("schemas", f"{name}.avsc").read_text(encoding="utf-8")
    return cast(Schema, json.loads(text))


def inbound_schema(kind: str) -> Schema:
    """The published schema of a twin."""
    return _schema(kind)


def archive_schema(kind: str) -> Schema:
    """The published schema of the archive of ``kind``."""
    return _schema(f"archive_{kind}")


# reading


def parse_avro(source: Iterable[bytes] | IO[bytes], kind: str, profile: Profile) -> Iterator[ParsedChunk | Unreadable]:
    """The chunks of a twin of ``kind``; an Unreadable comes last when the container is broken."""
    for part in read_twin(source, kind, profile):
        yield part if isinstance(part, Unreadable) else part[1]


def read_twin(
    source: Iterable[bytes] | IO[bytes], kind: str, profile: Profile
) -> Iterator[tuple[Sequence[dict[str, Any]], ParsedChunk] | Unreadable]:
    """Records as the container has them, up to CHUNK_RECORDS at a time, beside what the rules of ``kind`` made of them."""
    stream = Stream(source)
    twin = _Twin(kind, profile)
    first = 1
    try:
        for block in records(stream, inbound_schema(kind)):
            for start in range(0, len(block), CHUNK_RECORDS):
                part = block[start : start + CHUNK_RECORDS]
                yield part, twin.chunk(first, part)
                first += len(part)
    except BrokenContainerError as broken:
        yield Unreadable(str(broken))


@dataclass(slots=True)
class _Twin:
    """Records of one kind as lines of its text format, read by that format."""

    kind: str
    profile: Profile
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    amount_at: int = 0
    inner: Format = field(init=False)

    def __post_init__(self) -> None:
        self.inner = MODULES[self.kind].plan(self.profile)
        self.amount_at = self.inner.amount_at

    def chunk(self, first: int, records: Sequence[dict[str, Any]]) -> ParsedChunk:
        self.faults.clear()
        lines = [self.line(number, record) for number, record in enumerate(records, first)]
        limit = self.profile.line_limit
        too_long = {index for index, line in enumerate(lines) if len(line) > limit}
        block = LineBlock(first, [line[:limit] for line in lines], not too_long, too_long)
        return parse_block(block, self, limit)

    def fast(self, text: str, numbers: Sequence[int]) -> Fast:
        return self.inner.fast(text, numbers)

    def careful(self, line: str, line_no: int) -> tuple[Row | None, Findings]:
        if line_no not in self.faults:
            return self.inner.careful(line, line_no)
        name, found = self.faults[line_no]
        _, findings = self.inner.careful(line, line_no)
        findings.fault(
            RejectCode.AVRO_TEXT,
            name,
            line.find(CUT) + 1,
            f"{found} for the {name.replace('_', ' ')}",
            "I or L" if name == "target_kind" else "text that can stand in one line of the text format",
        )
        return None, findings

    def line(self, number: int, record: dict[str, Any]) -> bytes:
        """The canonical line of ``record``; a fault is noted where a value cannot stand in it."""
        item: dict[str, Any] = {}
        for name in RECORDS[self.kind][1:]:
            value = record.get(name)
            if name in DAYS and value is not None:
                value = self._day(value)
            if isinstance(value, str):
                value = self._text(number, name, value.strip(" "))
            item["amount" if name == "amount_cents" and self.kind == "assessments" else name] = value
        if item.get("target_kind", "I") not in ("I", "L"):
            self.faults.setdefault(number, ("target_kind", shown(str(item["target_kind"] or ""))))
            item["target_kind"] = CUT
        item["target"] = item.get("target") or ""
        return str(MODULES[self.kind].line_of(item, self.profile)).encode("utf-8", "replace")

    def _text(self, number: int, name: str, text: str) -> str | None:
        bad = [c for c in text if c in _FRAMING[self.kind] or c < " " or c == "\x7f"]
        if bad:
            self.faults.setdefault(number, (name, shown(text)))
            text = "".join(CUT if c in bad else c for c in text)
        return text or None

    def _day(self, value: int | str) -> str:
        """YYMMDD of a day inside the century of the pivot; anything else as text no reader takes for a day."""
        try:
            day = date.fromisoformat(value) if isinstance(value, str) else _DAY_ONE + timedelta(days=value)
        except (ValueError, OverflowError):
            return str(value)
        low = 1900 + self.profile.date_pivot
        iso = day.isoformat()
        if isinstance(value, str) and value != iso:
            return value
        return yymmdd(iso) if low <= day.year < low + 100 else iso


# writing


def write_avro(out: IO[bytes], schema: Schema, rows: Iterable[dict[str, Any]], *, codec: str = "zstandard") -> None:
    """A whole container of ``rows``, each a mapping by field name."""
    writer = fastavro.write.Writer(out, fastavro.parse_schema(schema), codec=codec)
    for row in rows:
        writer.write(row)
    writer.flush()


def write_twin(out: IO[bytes], kind: str, records: Iterable[Row], *, codec: str = "zstandard") -> None:
    """Records as a twin file of ``kind`` (what an upstream system would send)."""
    names = RECORDS[kind][1:]
    days = [name for name in names if name in DAYS]

    def rows() -> Iterator[dict[str, Any]]:
        for record in records:
            row: dict[str, Any] = dict(zip(names, record[1:], strict=True))
            for name in days:
                row[name] = row[name] and date.fromisoformat(row[name])
            yield row

    write_avro(out, inbound_schema(kind), rows(), codec=codec)
