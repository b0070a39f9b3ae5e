"""Frozen rows in, bytes out: which writer renders which kind of outbound file.

A file is rendered from two things only, both frozen in the database when it is built: its header (JSON) and its rows
(JSON values, in order, many sealed as one value). Nothing else is asked, so the same rows give the same bytes for as
long as the writers stand; a writer that changes its output is caught by the SHA-256 that was stored when the file was
built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from itertools import repeat
from typing import Any, Final, cast

from parsers.gl_scratch import GlRecord
from parsers.nacha_answers import AnswerBatch, AnswerEntry, CorrectedData, RefusedChange
from parsers.nacha_records import Batch, Entry, FileHeader, NachaFile
from parsers.vach_scratch import VachRecord
from parsers.xsellerator_profile import Envelope, XselField, XselProfile
from writers import gl_scratch, nacha, nacha_refused, vach_scratch
from writers.nacha import BankOptions

Header = Mapping[str, Any]
Rows = Sequence[Sequence[Any]]


def render_rows(kind: str, header: Header, rows: Rows) -> bytes:
    """The bytes of a file. Raises WriterError when a row does not fit, KeyError for a kind nobody writes."""
    return b"".join(_RENDERERS[kind](header, rows))


def frozen_options(options: BankOptions) -> dict[str, Any]:
    """The bank's options as JSON: options changed later must not change a file made before."""
    return {
        "line_ending": options.line_ending,
        "service_class": options.service_class,
        "max_lines": options.max_lines,
    }


def entry_of(row: Sequence[Any]) -> Entry:
    """An entry from its frozen row; JSON has lists where the entry has a tuple."""
    code, bank, digit, account, cents, identification, name, extra, addenda, trace = row
    return Entry(code, bank, digit, account, cents, identification, name, extra, tuple(addenda), trace)


def entries_of(rows: Rows) -> Iterable[Entry]:
    """The same of many; those of the build itself are entries."""
    return cast("Iterable[Entry]", rows) if set(map(type, rows)) == {Entry} else map(entry_of, rows)


def _nacha(header: Header, rows: Rows) -> Iterator[bytes]:
    at = 0
    batches = []
    for batch in header["batches"]:
        fields = dict(batch)
        count = fields.pop("entries")
        its = rows[at : at + count]
        batches.append(Batch(entries=tuple(entries_of(its)), **fields))
        at += count
    file = NachaFile(header=FileHeader(**header["file"]), batches=tuple(batches))
    yield from nacha.render_chunks(file, BankOptions(**header["options"]))


def answer_of(row: Sequence[Any]) -> AnswerEntry:
    """A refused notification of change from its frozen row."""
    *fields, answer = row
    code, trace, rdfi, corrected, *rest = answer
    return AnswerEntry._make([*fields, RefusedChange(code, trace, rdfi, CorrectedData(*corrected), *rest)])


def _refused(header: Header, rows: Rows) -> Iterator[bytes]:
    batch = AnswerBatch(**header["batch"], entries=tuple(map(answer_of, rows)))
    yield nacha_refused.render(FileHeader(**header["file"]), [batch], BankOptions(**header["options"]))


def _vach_scratch(_header: Header, rows: Rows) -> Iterator[bytes]:
    yield vach_scratch.render(list(map(tuple.__new__, repeat(VachRecord), rows)))


def _gl(header: Header, rows: Rows) -> Iterator[bytes]:
    yield gl_scratch.render((GlRecord(*row) for row in rows), width=header["width"])


def frozen_profile(profile: XselProfile) -> dict[str, Any]:
    """The table of an Xsellerator file as JSON: a table changed later must not change a file made before."""
    return {"fields": [asdict(field) for field in profile.fields], "envelope": asdict(profile.envelope)}


def _xsellerator(header: Header, rows: Rows) -> Iterator[bytes]:
    from parsers.xsellerator import XselRow  # with lxml, which the other files do without
    from writers import xsellerator

    table = header["profile"]
    profile = XselProfile(tuple(XselField(**field) for field in table["fields"]), Envelope(**table["envelope"]))
    start, end = date.fromisoformat(header["start"]), date.fromisoformat(header["end"])
    yield from xsellerator.render_chunks([XselRow(*row) for row in rows], start=start, end=end, profile=profile)


_RENDERERS: Final[dict[str, Callable[[Header, Rows], Iterator[bytes]]]] = {
    "VACH-BANK": _nacha,
    "VACH-SCRATCH": _vach_scratch,
    "VACH-REFUSED-NOC": _refused,
    "DSGL": _gl,
    "XSELLERATOR": _xsellerator,
}
