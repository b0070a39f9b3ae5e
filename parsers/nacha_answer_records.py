"""The addenda records of the bank's answers: returns (99) and notifications of change (98).

A return is dishonored by the originating bank with R61 to R70 and the dishonored return contested by the
receiving bank with R71 to R77; each has a table of its own. International entries (IAT) have longer corrected
data, and the amount of the forward payment in their return.

>>> addenda_98("C01", international=False).name, addenda_99("R61", international=False).name
('addenda_98', 'addenda_99_dishonored')
"""

from __future__ import annotations

from typing import Final

from parsers.layout import YYMMDD, Alpha, Blank, Cents, Const, Digits, Field, Layout
from parsers.nacha_reasons import CONTESTED_CODES, DISHONORED_CODES, REFUSED_REASONS
from parsers.nacha_records import WIDTH

CODE: Final = Alpha(required=True, chars="A-Z0-9")
_TRACE: Final = Field("trace_number", 80, 94, Digits())

_ADDENDA_98_HEAD: Final = (
    Field("record_type", 1, 1, Const("7")),
    Field("addenda_type", 2, 3, Const("98")),
    Field("change_code", 4, 6, CODE),
    Field("original_trace", 7, 21, Digits()),
    Field("reserved_1", 22, 27, Blank()),
    Field("original_rdfi", 28, 35, Digits()),
)
_CORRECTED: Final = Field("corrected_data", 36, 64, Alpha(), secret=True)

ADDENDA_98: Final = Layout(
    "addenda_98",
    WIDTH,
    (*_ADDENDA_98_HEAD, _CORRECTED, Field("reserved_2", 65, 79, Blank()), _TRACE),
)
"""Notification of change, SEC code COR."""

ADDENDA_98_IAT: Final = Layout(
    "addenda_98_iat",
    WIDTH,
    (
        *_ADDENDA_98_HEAD,
        Field("corrected_data", 36, 70, Alpha(), secret=True),
        Field("reserved_2", 71, 79, Blank()),
        _TRACE,
    ),
)
"""Notification of change of an international entry."""

ADDENDA_98_REFUSED: Final = Layout(
    "addenda_98_refused",
    WIDTH,
    (
        *_ADDENDA_98_HEAD,
        _CORRECTED,
        Field("refused_change_code", 65, 67, CODE),
        Field("trace_sequence", 68, 74, Digits()),
        Field("reserved_2", 75, 79, Blank()),
        _TRACE,
    ),
)
"""Refused notification of change, C61 to C69."""

_ADDENDA_99_HEAD: Final = (
    Field("record_type", 1, 1, Const("7")),
    Field("addenda_type", 2, 3, Const("99")),
    Field("return_code", 4, 6, CODE),
    Field("original_trace", 7, 21, Digits()),
)

ADDENDA_99: Final = Layout(
    "addenda_99",
    WIDTH,
    (
        *_ADDENDA_99_HEAD,
        Field("date_of_death", 22, 27, YYMMDD(optional=True)),
        Field("original_rdfi", 28, 35, Digits()),
        Field("information", 36, 79, Alpha()),
        _TRACE,
    ),
)
"""Return."""

ADDENDA_99_IAT: Final = Layout(
    "addenda_99_iat",
    WIDTH,
    (
        *_ADDENDA_99_HEAD,
        Field("date_of_death", 22, 27, YYMMDD(optional=True)),
        Field("original_rdfi", 28, 35, Digits()),
        Field("forward_amount_cents", 36, 45, Cents()),
        Field("information", 46, 79, Alpha()),
        _TRACE,
    ),
)
"""Return of an international entry."""

ADDENDA_99_DISHONORED: Final = Layout(
    "addenda_99_dishonored",
    WIDTH,
    (
        *_ADDENDA_99_HEAD,
        Field("reserved_1", 22, 27, Blank()),
        Field("original_rdfi", 28, 35, Digits()),
        Field("reserved_2", 36, 38, Blank()),
        Field("return_trace", 39, 53, Digits()),
        Field("return_settlement_day", 54, 56, Digits()),
        Field("return_reason", 57, 58, CODE),
        Field("information", 59, 79, Alpha()),
        _TRACE,
    ),
)
"""Dishonored return: R61 R62 R67 to R70."""

ADDENDA_99_CONTESTED: Final = Layout(
    "addenda_99_contested",
    WIDTH,
    (
        *_ADDENDA_99_HEAD,
        Field("original_returned_on", 22, 27, YYMMDD(optional=True)),
        Field("original_rdfi", 28, 35, Digits()),
        Field("original_settlement_day", 36, 38, Digits(optional=True)),
        Field("return_trace", 39, 53, Digits()),
        Field("return_settlement_day", 54, 56, Digits()),
        Field("return_reason", 57, 58, CODE),
        Field("dishonored_trace", 59, 73, Digits()),
        Field("dishonored_settlement_day", 74, 76, Digits()),
        Field("dishonored_reason", 77, 78, CODE),
        Field("reserved", 79, 79, Blank()),
        _TRACE,
    ),
)
"""Contested dishonored return: R71 to R77."""


def addenda_98(code: str, *, international: bool) -> Layout:
    """The table of an addenda 98 by its change or refusal code."""
    if code.upper() in REFUSED_REASONS:
        return ADDENDA_98_REFUSED
    return ADDENDA_98_IAT if international else ADDENDA_98


def addenda_99(code: str, *, international: bool) -> Layout:
    """The table of an addenda 99 by its return code."""
    if code.upper() in DISHONORED_CODES:
        return ADDENDA_99_DISHONORED
    if code.upper() in CONTESTED_CODES:
        return ADDENDA_99_CONTESTED
    return ADDENDA_99_IAT if international else ADDENDA_99
