"""Xsellerator interface files, written; the format is in `parsers.xsellerator`.

The rows go through one template; texts are escaped only where one of them needs it, which a single search
over all of them tells. The same rows give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from parsers.xsellerator import (
    DEFAULT,
    XselField,
    XselProfile,
    XselRow,
    shared_control_numbers,
    zero_sum_problem,
)
from writers.text import WriterError

INTERFACES: Final = ("BILLING", "DEPRECIATION", "LEVERAGED", "PAYMENTS", "DEFERRED", "TERMINATION")
SCHEMA: Final = Path(__file__).parent / "schemas" / "xsellerator.xsd"
"""The published schema of a file written with the default table."""

_NEEDS_CARE: Final = re.compile(r"[&<>\"]")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_PIECE: Final = 20_000
_PLACES: Final = {
    "location": 0,
    "control_number": 1,
    "account_number": 2,
    "deal_number": 3,
    "ledger_account": 4,
    "amount": 5,
    "description": 6,
}


def file_name(interface: str, start: date, end: date) -> str:
    """The name of a file.

    >>> file_name("BILLING", date(2026, 7, 1), date(2026, 7, 31))
    'XPT_BILLING_20260701_20260731.xml'
    """
    _check_interface(interface, start, end)
    return f"XPT_{interface}_{start:%Y%m%d}_{end:%Y%m%d}.xml"


def _check_interface(interface: str, start: date, end: date) -> None:
    if interface not in INTERFACES:
        raise WriterError(f"interface {interface!r} is none of {', '.join(INTERFACES)}")
    if end < start:
        raise WriterError(f"the range {start.isoformat()} to {end.isoformat()} ends before it begins")


def render(rows: Sequence[XselRow], *, start: date, end: date, profile: XselProfile = DEFAULT) -> bytes:
    """The whole file. Refused: rows not adding to zero, shared control numbers, texts that do not fit."""
    return b"".join(render_chunks(rows, start=start, end=end, profile=profile))


def render_chunks(
    rows: Sequence[XselRow], *, start: date, end: date, profile: XselProfile = DEFAULT
) -> Iterator[bytes]:
    """The file in pieces. What refuses it is raised before the first."""
    if end < start:
        raise WriterError(f"the range {start.isoformat()} to {end.isoformat()} ends before it begins")
    _check(rows, profile)
    around = profile.envelope
    yield _head(profile).encode()
    line = _template(profile, start, end)
    pick: Callable[[Any], tuple[Any, ...]] = itemgetter(
        *(_PLACES[item.role] for item in profile.fields if item.role in _PLACES)
    )
    key_at = [item.role for item in profile.fields if item.role not in ("start", "end")].index("key")
    for at in range(0, len(rows), _PIECE):
        piece = rows[at : at + _PIECE]
        values = map(pick, _ready(piece))
        numbered = ((*some[:key_at], key, *some[key_at:]) for key, some in enumerate(values, start=at + 1))
        yield "".join(map(line.__mod__, numbered)).encode()
    yield f"  </{around.rowdata}>\n</{around.packet}>\n".encode()


def _head(profile: XselProfile) -> str:
    around = profile.envelope
    described = "".join(
        f'      <{around.field} attrname="{item.name}" fieldtype="{item.type}"'
        + (f' WIDTH="{item.width}"' if item.type == "string" else "")
        + "/>\n"
        for item in profile.fields
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{around.packet} Version="{around.version}">\n'
        f"  <{around.metadata}>\n    <{around.fields}>\n{described}    </{around.fields}>\n"
        f"    <{around.params}/>\n  </{around.metadata}>\n  <{around.rowdata}>\n"
    )


def _template(profile: XselProfile, start: date, end: date) -> str:
    fixed = {"start": f"{start:%Y%m%d}T00:00:00000", "end": f"{end:%Y%m%d}T00:00:00000"}
    attributes = (f'{item.name}="{fixed.get(item.role, "%s")}"' for item in profile.fields)
    return f"    <{profile.envelope.row} {' '.join(attributes)}/>\n"


def _ready(rows: Sequence[XselRow]) -> Iterator[tuple[Any, ...]]:
    """Rows with amounts as text, and texts escaped where any needs it."""
    joined = "".join([f"{row[1]}{row[2]}{row[4]}{row[6]}" for row in rows])
    careful = _NEEDS_CARE.search(joined) is not None
    for location, control, account, deal, ledger, amount, text in rows:
        if careful:
            control, account, ledger, text = map(_escaped, (control, account, ledger, text))
        yield location, control, account, deal, ledger, _money(amount), text


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _money(amount: int) -> str:
    whole, part = divmod(abs(amount), 100)
    return f"{'-' if amount < 0 else ''}{whole}.{part:02d}"


def _check(rows: Sequence[XselRow], profile: XselProfile) -> None:
    if problem := zero_sum_problem(rows):
        raise WriterError(f"the journal is not exported: {problem}")
    for shared in shared_control_numbers(rows):
        deals = ", ".join(f"{account}/{deal}" for account, deal in shared.deals)
        raise WriterError(f"control number {shared.control_number} is shared by the deals {deals}")
    for item in profile.fields:
        if item.type == "string":
            _check_texts(rows, item)
    for name, numbers in (("location", {row[0] for row in rows}), ("deal number", {row[3] for row in rows})):
        if bad := [number for number in numbers if not 0 <= number < 2**31]:
            raise WriterError(f"{name} {bad[0]} is not between 0 and 2147483647")


def _check_texts(rows: Sequence[XselRow], item: XselField) -> None:
    place = _PLACES[item.role]
    for text in {str(row[place]) for row in rows}:
        if len(text) > item.width:
            raise WriterError(f"{item.name} {text!r} has {len(text)} characters, the field holds {item.width}")
        if _FORBIDDEN.search(text):
            raise WriterError(f"{item.name} {text!r} holds a character that XML cannot carry")
