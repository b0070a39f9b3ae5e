"""A file of ours, or of the bank, shown field by field: ``gateway explain FILE``.

What a file is, is told by its content where that is beyond doubt (NACHA, GL and Vendor ACH scratch files,
Xsellerator XML, Avro containers), else by its name (the inbound files, and outbound files too damaged to be known). Each
record is shown with positions, raw text, value and what its field should hold; ``problems`` are the findings
of the format's own strict reader. Account numbers are shown by their last four digits.

>>> explain(b"hello", "notes.txt").kind
'unknown'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from io import BytesIO
from itertools import islice
from typing import Any, Final

from parsers import gl_scratch, nacha, vach_scratch, xsellerator
from parsers.avro_container import MAGIC
from parsers.base import render_message
from parsers.explain_avro import explain_avro
from parsers.explain_views import Explanation, Problem, RecordView
from parsers.layout import FieldView, Layout, mask
from parsers.nacha_classes import layout_of
from parsers.nacha_lines import HEAD, is_nacha
from parsers.nacha_quoting import hidden_record, quoted
from parsers.nacha_rules import BankingDay
from parsers.names import Identified, identify
from parsers.profile import DEFAULT, Profile

_MODULES: Final = {
    "assessments": "parsers.btchassmt",
    "escrow": "parsers.btchescr",
    "reversals": "parsers.bptmtrev",
    "payments": "parsers.btchpmt",
}
OUTSIDE: Final = ("nacha", "gl_scratch", "vach_scratch", "xsellerator")
"""Kinds that are exchanged with others; the rest are files of the upstream systems."""
_XML: Final = r"(?:\xef\xbb\xbf)?\s*<(?:\?xml|!|{packet}[\s/>])"
"""A prolog or the packet itself; lines of an assessment file begin with a tag too."""
_NAMES: Final = (
    (re.compile(r".*VACH-BANK.*|.*\.ACH", re.IGNORECASE), "nacha"),
    (re.compile(r"DSPP-.*", re.IGNORECASE), "vach_scratch"),
    (re.compile(r"DSGL_.*", re.IGNORECASE), "gl_scratch"),
    (re.compile(r"XPT_.*|.*\.XML", re.IGNORECASE), "xsellerator"),
)


def explain(
    data: bytes,
    name: str,
    *,
    profile: Profile = DEFAULT,
    xsel_profile: xsellerator.XselProfile = xsellerator.DEFAULT,
    limit: int | None = None,
    banking_day: BankingDay | None = None,
) -> Explanation:
    """The file's records (the first ``limit`` of them) and everything its reader finds wrong with the whole."""
    kind = recognise(data, name, profile, xsel_profile)
    if kind == "avro":
        return explain_avro(BytesIO(data), name, profile=profile, limit=limit)
    records: Iterator[RecordView]
    if kind == "nacha":
        records, problems = _nacha(data), _nacha_problems(data, banking_day)
    elif kind == "gl_scratch":
        records, problems = _gl(data), _gl_problems(data)
    elif kind == "vach_scratch":
        records, problems = _vach(data), _vach_problems(data)
    elif kind == "xsellerator":
        records, problems = _xsel(data, xsel_profile), _xsel_problems(data, xsel_profile)
    elif kind in _MODULES:
        records, problems = _inbound(data, kind, profile), _inbound_problems(data, kind, profile)
    else:
        records, problems = iter(()), iter((_unknown(name, profile),))
    return Explanation(kind, tuple(islice(records, limit)), tuple(problems))


def recognise(
    data: bytes, name: str, profile: Profile = DEFAULT, xsel_profile: xsellerator.XselProfile = xsellerator.DEFAULT
) -> str:
    """The kind of a file, by content first; of a container ``avro``, whatever is in it."""
    if data.startswith(MAGIC):
        return "avro"
    head = data[:256].decode("latin-1")
    if re.match(_XML.format(packet=re.escape(xsel_profile.envelope.packet)), head):
        return "xsellerator"
    if is_nacha(data[:HEAD]):
        return "nacha"
    if len(head) > 128 and head[128] == "\n" and head[100] == "-":
        return "vach_scratch"
    width = gl_scratch.width_of(data)
    if width is not None and isinstance(gl_scratch.LAYOUTS[width].decode(head[:width]), tuple):
        return "gl_scratch"
    return _by_name(name, profile)


def _by_name(name: str, profile: Profile) -> str:
    for pattern, kind in _NAMES:
        if pattern.fullmatch(name):
            return kind
    found = identify(name, [profile])
    if not isinstance(found, Identified):
        return "unknown"
    return found.kind if found.form == "dat" else found.form


def _unknown(name: str, profile: Profile) -> Problem:
    found = identify(name, [profile])
    if isinstance(found, Identified):
        raise AssertionError("a name that one kind claims is no unknown one")
    return Problem(0, "file", "UNKNOWN", found.message)


def _views(layout: Layout, line: str) -> tuple[FieldView, ...]:
    """The layout's own view of a line, secrets masked."""
    return _masked(layout, layout.explain(line))


def _masked(layout: Layout, views: Sequence[FieldView]) -> tuple[FieldView, ...]:
    return tuple(
        view._replace(raw=mask(view.raw), value=mask(view.value) if view.value else view.value) if item.secret else view
        for item, view in zip(layout.fields, views, strict=True)
    )


def _nacha(data: bytes) -> Iterator[RecordView]:
    header = ""
    for line_no, line in nacha.records([data]):
        if line[:1] == "5":
            header = line
        layout = layout_of(line, header)
        if layout is None:
            raw = hidden_record(line)  # it may be an entry that lost its first character
            view = FieldView(1, len(line), "record", raw, None, "a record of type 1 5 6 7 8 or 9")
            yield RecordView(line_no, "unknown", (view,))
        else:
            yield RecordView(line_no, layout.name, _masked(layout, quoted(layout, line).views))


def _nacha_problems(data: bytes, banking_day: BankingDay | None) -> Iterator[Problem]:
    for error in nacha.validate([data], banking_day=banking_day):
        yield Problem(error.line_no, error.field, error.code.value, error.message, error.is_warning)


def _gl(data: bytes) -> Iterator[RecordView]:
    width = gl_scratch.width_of(data) or 128
    layout, text = gl_scratch.LAYOUTS[width], data.decode("latin-1")
    for number, at in enumerate(range(0, len(text), width), start=1):
        yield RecordView(number, layout.name, _views(layout, text[at : at + width]))


def _gl_problems(data: bytes) -> Iterator[Problem]:
    found = gl_scratch.read(data)
    if isinstance(found, list):
        for error in found:
            yield _problem(error.record_no, error)
        return
    for difference in gl_scratch.tie_out(found.records):
        office = "/".join(difference.office_key)
        action = "do not load the file, ask for it again"
        figures = f"{_money(difference.left_cents)} and {_money(difference.right_cents)}"
        message = render_message(f"{difference.what} of office {office} as {figures}", "one figure", action)
        yield Problem(0, "balance", "TIE_OUT", message)


def _money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _vach(data: bytes) -> Iterator[RecordView]:
    layout = vach_scratch.VACH
    lines = data.decode("latin-1").removesuffix("\n").split("\n") if data else []
    for line_no, line in enumerate(lines, start=1):
        yield RecordView(line_no, layout.name, _views(layout, line))


def _vach_problems(data: bytes) -> Iterator[Problem]:
    for found in vach_scratch.read(data):
        if isinstance(found, vach_scratch.VachError):
            yield _problem(found.line_no, found)


def _problem(line_no: int, error: gl_scratch.GlError | vach_scratch.VachError) -> Problem:
    action = f"correct positions {error.first} to {error.last}"
    return Problem(line_no, error.field, "FIELD", render_message(error.found, error.expected, action))


def _xsel(data: bytes, profile: xsellerator.XselProfile) -> Iterator[RecordView]:
    found = xsellerator.read(data, profile)
    wrong = {(e.row_no, e.field): e.expected for e in found} if isinstance(found, list) else {}
    for row_no, texts in enumerate(xsellerator.texts(data, profile), start=1):
        views = (FieldView(0, 0, name, text, text, wrong.get((row_no, name))) for name, text in texts.items())
        yield RecordView(row_no, profile.envelope.row, tuple(views))


def _xsel_problems(data: bytes, profile: xsellerator.XselProfile) -> Iterator[Problem]:
    found = xsellerator.read(data, profile)
    for error in found if isinstance(found, list) else []:
        action = "ask for the file again, or correct [envelope] of config/formats/xsellerator.toml"
        action = action if error.code == "ENVELOPE" else "correct the row or ask for the file again"
        message = render_message(error.found, error.expected, action)
        yield Problem(error.row_no, error.field, error.code, message)


def _inbound(data: bytes, kind: str, profile: Profile) -> Iterator[RecordView]:
    module: Any = import_module(_MODULES[kind])
    for line_no, raw in enumerate(data.decode("latin-1").split("\n"), start=1):
        line = raw.removesuffix("\r")
        if line.strip():
            views = [
                FieldView(first, last, name, text, value, None)
                for first, last, name, text, value in module.explain_line(line, profile=profile)
            ]
            yield RecordView(line_no, kind, tuple(views))


def _inbound_problems(data: bytes, kind: str, profile: Profile) -> Iterator[Problem]:
    module: Any = import_module(_MODULES[kind])
    for chunk in module.parse([data], profile=profile):
        for found in sorted([*chunk.rejects, *chunk.warnings], key=lambda one: int(one.line_no)):
            yield Problem(found.line_no, found.field, str(found.code), found.message)
