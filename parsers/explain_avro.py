"""An Avro container shown record by record: the twins of the inbound text files, and the archive of what was read.

Of a schema that the gateway did not publish only its name is told: its values may be anything, account numbers too.
Read once, block by block, so that memory does not grow with the file (what is shown and found wrong is kept).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain
from typing import IO, Any, Final

from parsers.avro import DAYS, RECORDS, Unreadable, archive_schema, inbound_schema, read_twin
from parsers.avro_container import BrokenContainerError, Stream, records, schema_name
from parsers.base import ParsedChunk, Reject, Warn, render_message
from parsers.explain_views import Explanation, Problem, RecordView
from parsers.layout import FieldView
from parsers.names import Ambiguous, Identified, Unknown, identify
from parsers.profile import KINDS, Profile

ARCHIVE: Final = "archive_"
"""Before the kind of an archive, as its schema file is called."""
_DAY_ONE: Final = date(1970, 1, 1)


def explain_avro(file: IO[bytes], name: str, *, profile: Profile, limit: int | None = None) -> Explanation:
    """The first ``limit`` records of a container (all without) and everything found wrong with the whole. ``file`` can be
    read again from its beginning."""
    schema = schema_name(file)
    kind = _kind(name, schema, profile)
    shown: list[RecordView] = []
    problems: list[Problem] = []
    file.seek(0, 2)
    empty = file.tell() == 0  # nothing in it, as a text file without a byte
    file.seek(0)
    if kind is None:
        problems.append(_unknown(name, schema, profile))
    elif not empty:
        parts = _archive(file, kind) if kind.startswith(ARCHIVE) else _twin(file, kind, profile, problems)
        try:
            for view in parts:
                if limit is None or len(shown) < limit:
                    shown.append(view)
        except BrokenContainerError as broken:
            problems.append(Problem(0, "file", "UNREADABLE", Unreadable(str(broken)).message))
    return Explanation(kind or "unknown", tuple(shown), tuple(problems), schema)


def _kind(name: str, schema: str | None, profile: Profile) -> str | None:
    """By the schema of an archive, whose name has the original's in it; else by the name; else by a published schema."""
    known = {_full(archive_schema(kind)): f"{ARCHIVE}{kind}" for kind in KINDS}
    if schema in known:
        return known[schema]
    found = identify(name, [profile])
    if isinstance(found, Identified) and found.form == "avro":
        return found.kind
    return {_full(inbound_schema(kind)): kind for kind in KINDS}.get(schema or "")


def _full(schema: dict[str, Any]) -> str:
    return f"{schema['namespace']}.{schema['name']}"


def _unknown(name: str, schema: str | None, profile: Profile) -> Problem:
    """A container that no reader here is for."""
    if schema is not None:
        published = ", ".join(_full(inbound_schema(kind)) for kind in KINDS)
        action = "look at it with an Avro tool, or give it the name of its kind, p<n>_<root>.avro"
        return Problem(0, "file", "UNKNOWN", render_message(f"the schema {schema}", f"one of {published}", action))
    found = identify(name, [profile])
    message = (
        found.message
        if isinstance(found, Unknown | Ambiguous)
        else render_message("an Avro container", "a file of the kind of its name", "rename the file")
    )
    return Problem(0, "file", "UNKNOWN", message)


def _twin(file: IO[bytes], kind: str, profile: Profile, problems: list[Problem]) -> Iterator[RecordView]:
    first = 1
    for part in read_twin(file, kind, profile):
        if isinstance(part, Unreadable):
            problems.append(Problem(0, "file", "UNREADABLE", part.message))
            return
        rows, chunk = part
        problems += _found(chunk)
        read = {record[0]: dict(zip(RECORDS[kind], record, strict=True)) for record in chunk.records}
        for number, row in enumerate(rows, first):
            yield _view(number, kind, row, read.get(number, {}), profile.line_limit)
        first += len(rows)


def _found(chunk: ParsedChunk) -> Iterator[Problem]:
    every: list[Reject | Warn] = [*chunk.rejects, *chunk.warnings]
    for found in sorted(every, key=lambda one: one.line_no):
        yield Problem(found.line_no, found.field, str(found.code), found.message)


def _archive(file: IO[bytes], kind: str) -> Iterator[RecordView]:
    blocks = records(Stream(file), archive_schema(kind.removeprefix(ARCHIVE)))
    for number, row in enumerate(chain.from_iterable(blocks), 1):
        yield _view(number, kind, row, row, None)


def _view(number: int, kind: str, row: dict[str, Any], read: dict[str, Any], width: int | None) -> RecordView:
    """The fields that are there. A container has no columns, so none are given; ``read`` is what the rules made of it."""
    return RecordView(
        number,
        kind,
        tuple(
            FieldView(0, 0, name, _text(value)[:width], read.get(name, _meant(name, value)), None)
            for name, value in row.items()
            if value is not None
        ),
    )


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _meant(name: str, value: Any) -> Any:
    """A day counted from 1970 as a date, also in a record that is refused; everything else means itself."""
    if name in DAYS and isinstance(value, int):
        try:
            return (_DAY_ONE + timedelta(days=value)).isoformat()
        except OverflowError:
            return None
    return _text(value) if isinstance(value, list) else value
