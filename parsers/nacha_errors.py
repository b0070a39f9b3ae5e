"""What can be wrong with a NACHA file: one code and one sentence for each finding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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


class NachaCode(StrEnum):
    """Stable codes, in the order in which a finding takes precedence over later ones of the same field."""

    FILE_EMPTY = "FILE_EMPTY"
    LINE_ENDING = "LINE_ENDING"
    LINE_LENGTH = "LINE_LENGTH"
    RECORD_TYPE = "RECORD_TYPE"
    RECORD_ORDER = "RECORD_ORDER"
    FILE_HEADER_MISSING = "FILE_HEADER_MISSING"
    FILE_CONTROL_MISSING = "FILE_CONTROL_MISSING"
    BATCH_CONTROL_MISSING = "BATCH_CONTROL_MISSING"
    BATCH_EMPTY = "BATCH_EMPTY"
    CHARACTER = "CHARACTER"
    CONSTANT = "CONSTANT"
    RESERVED = "RESERVED"
    NOT_DIGITS = "NOT_DIGITS"
    DATE = "DATE"
    TIME = "TIME"
    VALUE = "VALUE"
    REQUIRED = "REQUIRED"
    FILE_ID_MODIFIER = "FILE_ID_MODIFIER"
    ROUTING = "ROUTING"
    SERVICE_CLASS = "SERVICE_CLASS"
    SEC_CODE = "SEC_CODE"
    EFFECTIVE_DATE = "EFFECTIVE_DATE"
    BATCH_NUMBER = "BATCH_NUMBER"
    TRANSACTION_CODE = "TRANSACTION_CODE"
    AMOUNT_ZERO = "AMOUNT_ZERO"
    AMOUNT_NOT_ZERO = "AMOUNT_NOT_ZERO"
    TRACE_ODFI = "TRACE_ODFI"
    TRACE_ORDER = "TRACE_ORDER"
    ADDENDA_MISSING = "ADDENDA_MISSING"
    ADDENDA_UNEXPECTED = "ADDENDA_UNEXPECTED"
    ADDENDA_TOO_MANY = "ADDENDA_TOO_MANY"
    ADDENDA_COUNT = "ADDENDA_COUNT"
    ADDENDA_SEQUENCE = "ADDENDA_SEQUENCE"
    ADDENDA_ENTRY = "ADDENDA_ENTRY"
    CONTROL_SERVICE_CLASS = "CONTROL_SERVICE_CLASS"
    CONTROL_COMPANY_ID = "CONTROL_COMPANY_ID"
    CONTROL_ODFI = "CONTROL_ODFI"
    CONTROL_BATCH_NUMBER = "CONTROL_BATCH_NUMBER"
    ENTRY_ADDENDA_COUNT = "ENTRY_ADDENDA_COUNT"
    ENTRY_HASH = "ENTRY_HASH"
    TOTAL_DEBIT = "TOTAL_DEBIT"
    TOTAL_CREDIT = "TOTAL_CREDIT"
    BATCH_COUNT = "BATCH_COUNT"
    BLOCK_COUNT = "BLOCK_COUNT"
    FILLER = "FILLER"
    FILLER_COUNT = "FILLER_COUNT"


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
    """A finding about one field of a record."""
    item = layout.field(name)
    return NachaError(line_no, layout.name, name, item.first, item.last, code, str(found), expected, action)


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
