"""A finding about a NACHA file: one code of `parsers.nacha_codes`, its place and one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from parsers.base import render_message
from parsers.layout import (
    HHMM,
    YYMMDD,
    Alpha,
    AlphaRight,
    Blank,
    Choice,
    Const,
    Digits,
    Field,
    FieldError,
    Layout,
    Numeric,
)
from parsers.nacha_codes import WARNINGS, NachaCode


@dataclass(frozen=True, slots=True)
class NachaError:
    """One finding. Positions count from 1, both ends included; ``record`` is the layout's name."""

    line_no: int
    record: str
    field: str
    first: int
    last: int
    code: NachaCode
    found: str
    expected: str
    action: str

    @property
    def message(self) -> str:
        return render_message(self.found, self.expected, self.action)

    @property
    def is_warning(self) -> bool:
        """Worth a look; the file is sound all the same."""
        return self.code in WARNINGS


def code_of(field: Field, raw: str) -> NachaCode:
    """The code of a field that does not read, by its type."""
    if not raw.isascii() or not raw.isprintable():
        return NachaCode.CHARACTER
    if field.name == "file_id_modifier":
        return NachaCode.FILE_ID_MODIFIER
    if field.name == "sec_code":
        return NachaCode.SEC_CODE
    by_type: tuple[tuple[type | tuple[type, ...], NachaCode], ...] = (
        (Const, NachaCode.CONSTANT),
        (Blank, NachaCode.RESERVED),
        ((Digits, Numeric), NachaCode.NOT_DIGITS),
        (YYMMDD, NachaCode.DATE),
        (HHMM, NachaCode.TIME),
        (Choice, NachaCode.VALUE),
        ((Alpha, AlphaRight), NachaCode.REQUIRED),
    )
    return next(code for kind, code in by_type if isinstance(field.type, kind))


def finding(
    line_no: int, layout: Layout, name: str, code: NachaCode, found: object, expected: str, action: str
) -> NachaError:
    """A finding about one field of a record; what a secret field holds is shown by its last four characters."""
    item = layout.field(name)
    return NachaError(line_no, layout.name, name, item.first, item.last, code, item.shown(str(found)), expected, action)


def whole(line_no: int, record: str, code: NachaCode, found: str, expected: str, action: str) -> NachaError:
    """A finding about a record, or the place where one should be."""
    return NachaError(line_no, record, "record", 1, 94, code, found, expected, action)


def field_finding(line_no: int, record: str, field: Field, error: FieldError, raw: str) -> NachaError:
    """A layout's complaint as a finding of the file."""
    return NachaError(
        line_no,
        record,
        field.name,
        field.first,
        field.last,
        code_of(field, raw),
        repr(error.found),
        error.expected,
        f"correct positions {field.first} to {field.last} of the {record} record",
    )
