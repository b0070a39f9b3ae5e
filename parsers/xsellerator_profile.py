"""How an Xsellerator file is written: names, order, types, widths and the envelope, as a table.

``DEFAULT`` equals ``config/formats/xsellerator.toml``; `profile_from_mapping` reads that file's parsed TOML
and reports every mistake at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

FieldKind = Literal["i4", "string", "dateTime", "r8"]

_KINDS: Final[dict[str, FieldKind]] = {
    "key": "i4",
    "start": "dateTime",
    "end": "dateTime",
    "location": "i4",
    "control_number": "string",
    "account_number": "string",
    "deal_number": "i4",
    "ledger_account": "string",
    "amount": "r8",
    "description": "string",
}
"""What the gateway has to tell, and in which type it tells it."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class XselProfileError(ValueError):
    """Mistakes in the table, all of them: ``mistakes`` holds one sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class XselField:
    """One attribute of a row; ``width`` counts for strings only."""

    role: str
    name: str
    type: FieldKind
    width: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    packet: str = "DATAPACKET"
    version: str = "2.0"
    metadata: str = "METADATA"
    fields: str = "FIELDS"
    field: str = "FIELD"
    params: str = "PARAMS"
    rowdata: str = "ROWDATA"
    row: str = "ROW"


_DEFAULT_FIELDS: Final = (
    XselField("key", "XPT_Key", "i4"),
    XselField("start", "XPT_StartDate", "dateTime"),
    XselField("end", "XPT_EndDate", "dateTime"),
    XselField("location", "XPT_LocNo", "i4"),
    XselField("control_number", "XPT_ControlNo", "string", 15),
    XselField("account_number", "XPT_AccountNo", "string", 15),
    XselField("deal_number", "XPT_DealNo", "i4"),
    XselField("ledger_account", "XPT_LedgerNo", "string", 20),
    XselField("amount", "XPT_Amount", "r8"),
    XselField("description", "XPT_Description", "string", 40),
)


@dataclass(frozen=True, slots=True)
class XselProfile:
    fields: tuple[XselField, ...] = _DEFAULT_FIELDS
    envelope: Envelope = field(default_factory=Envelope)


DEFAULT: Final = XselProfile()


def profile_from_mapping(mapping: Mapping[str, Any]) -> XselProfile:
    """The profile of a parsed ``xsellerator.toml``; what it leaves out is as in ``DEFAULT``.

    Raises XselProfileError with every mistake.
    """
    mistakes = [
        _sentence(f"the key {key}", "fields or envelope", "remove or correct it")
        for key in mapping
        if key not in ("fields", "envelope")
    ]
    rows = mapping.get("fields")
    table: tuple[XselField, ...] = _DEFAULT_FIELDS
    if rows is not None:
        table = tuple(_read_fields(rows, mistakes))
        mistakes += _incomplete(table)
    envelope = _read_envelope(mapping.get("envelope", {}), mistakes)
    if mistakes:
        raise XselProfileError(mistakes)
    return XselProfile(table, envelope)


def _sentence(found: str, expected: str, action: str) -> str:
    return f"Found {found}, expected {expected}: {action}."


def _read_fields(rows: Any, mistakes: list[str]) -> Iterator[XselField]:
    if not isinstance(rows, list):
        mistakes.append(_sentence(f"{rows!r} for fields", "tables", "write each as [[fields]]"))
        return
    for number, row in enumerate(rows, start=1):
        where = f"field {number}"
        if not isinstance(row, Mapping):
            mistakes.append(_sentence(f"{row!r} for {where}", "a table", "write it as [[fields]]"))
            continue
        made = _read_field(where, row, mistakes)
        if made is not None:
            yield made


def _read_field(where: str, row: Mapping[str, Any], mistakes: list[str]) -> XselField | None:
    before = len(mistakes)
    known = ("role", "name", "type", "width")
    strange = [key for key in row if key not in known]
    mistakes += [_sentence(f"the key {key} in {where}", ", ".join(known), "remove it") for key in strange]
    role, name, kind, width = row.get("role"), row.get("name"), row.get("type"), row.get("width", 0)
    if not isinstance(role, str) or role not in _KINDS:
        mistakes.append(_sentence(f"role {role!r} in {where}", f"one of {', '.join(_KINDS)}", "correct it"))
    elif kind != _KINDS[role]:
        mistakes.append(_sentence(f"type {kind!r} in {where}", f"{_KINDS[role]} for {role}", "correct it"))
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        mistakes.append(_sentence(f"name {name!r} in {where}", "an XML name", "correct it"))
    if isinstance(width, bool) or not isinstance(width, int) or (kind == "string" and width < 1):
        mistakes.append(_sentence(f"width {width!r} in {where}", "a number from 1", "give the width"))
    if len(mistakes) > before:
        return None
    return XselField(str(role), str(name), _KINDS[str(role)], int(width))


def _incomplete(table: tuple[XselField, ...]) -> Iterator[str]:
    for what, seen in (("role", [f.role for f in table]), ("name", [f.name for f in table])):
        for twice in sorted({one for one in seen if seen.count(one) > 1}):
            yield _sentence(f"the {what} {twice} twice", "it once", "remove one")
    for role in _KINDS.keys() - {f.role for f in table}:
        if role != "description":
            yield _sentence(f"no field of role {role}", "one", "add it")


def _read_envelope(mapping: Any, mistakes: list[str]) -> Envelope:
    if not isinstance(mapping, Mapping):
        mistakes.append(_sentence(f"{mapping!r} for envelope", "a table", "write it as [envelope]"))
        return Envelope()
    known = {f.name for f in fields(Envelope)}
    good: dict[str, str] = {}
    for key, value in mapping.items():
        if key not in known:
            mistakes.append(_sentence(f"envelope.{key}", f"one of {', '.join(sorted(known))}", "remove it"))
        elif not isinstance(value, str) or (key != "version" and _NAME.fullmatch(value) is None):
            mistakes.append(_sentence(f"{value!r} for envelope.{key}", "an XML name", "correct it"))
        elif key == "version" and re.fullmatch(r"[A-Za-z0-9.]+", value) is None:
            mistakes.append(_sentence(f"{value!r} for envelope.version", "letters and digits", "correct it"))
        else:
            good[key] = value
    return Envelope(**good)
