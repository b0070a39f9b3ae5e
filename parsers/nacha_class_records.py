"""Record tables of the domestic entry classes that we do not send: checks made entries, cards, advices.

Positions are those of the Nacha operating rules, appendix three. Everything but positions 40 to 78 of an entry
is as in PPD and CCD, except for ADV, whose amounts and totals are wider and which ends in the ACH operator's
own number instead of a trace number.

>>> [(f.name, f.first, f.last) for f in ENTRY_POP.fields[6:10]]  # doctest: +NORMALIZE_WHITESPACE
[('identification', 40, 48), ('terminal_city', 49, 52), ('terminal_state', 53, 54), ('name', 55, 76)]
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from parsers.layout import Alpha, Blank, Cents, Choice, Const, Digits, EntryHash, Field, Layout, Numeric
from parsers.nacha_records import ADDENDA_05, ENTRY_HEAD, ENTRY_TAIL, WIDTH

_HEAD: Final = ENTRY_HEAD[:6]  # up to the amount
_NAME: Final = Field("name", 55, 76, Alpha())

ENTRY_CHECK: Final = Layout(
    "entry_check", WIDTH, (*_HEAD, Field("identification", 40, 54, Alpha(required=True)), _NAME, *ENTRY_TAIL)
)
"""ARC, BOC, RCK: the check serial number identifies the entry; the name may be blank."""

ENTRY_POP: Final = Layout(
    "entry_pop",
    WIDTH,
    (
        *_HEAD,
        Field("identification", 40, 48, Alpha(required=True)),  # check serial number
        Field("terminal_city", 49, 52, Alpha(required=True)),
        Field("terminal_state", 53, 54, Alpha(required=True)),
        _NAME,
        *ENTRY_TAIL,
    ),
)

ENTRY_TRC: Final = Layout(
    "entry_trc",
    WIDTH,
    (
        *_HEAD,
        Field("identification", 40, 54, Alpha()),  # check serial number
        Field("process_control", 55, 60, Alpha()),
        Field("item_research", 61, 76, Alpha()),
        *ENTRY_TAIL,
    ),
)
"""TRC and XCK."""

ENTRY_CIE: Final = Layout(
    "entry_cie",
    WIDTH,
    (
        *_HEAD,
        Field("name", 40, 54, Alpha(required=True)),
        Field("identification", 55, 76, Alpha(required=True)),
        *ENTRY_TAIL,
    ),
)
"""CIE and MTE: the name comes first."""

ENTRY_SHR: Final = Layout(
    "entry_shr",
    WIDTH,
    (
        *_HEAD,
        Field("card_expires", 40, 43, Digits(optional=True)),
        Field("identification", 44, 54, Alpha()),  # document reference number
        Field("card_number", 55, 76, Alpha(), secret=True),
        *ENTRY_TAIL,
    ),
)

ENTRY_ADV: Final = Layout(
    "entry_adv",
    WIDTH,
    (
        *ENTRY_HEAD[:4],
        Field("account", 13, 27, Alpha(flush=True), secret=True),
        Field("amount_cents", 28, 39, Cents()),
        Field("advice_routing_number", 40, 48, Digits()),
        Field("identification", 49, 53, Alpha()),  # file identification
        Field("operator_data", 54, 54, Alpha()),
        Field("name", 55, 76, Alpha(required=True)),
        *ENTRY_TAIL[:2],
        Field("operator_routing", 80, 87, Digits()),
        Field("julian_day", 88, 90, Digits()),
        Field("sequence", 91, 94, Digits()),
    ),
)

ADDENDA_02: Final = Layout(
    "addenda_02",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("7")),
        Field("addenda_type", 2, 3, Const("02")),
        Field("reference_1", 4, 10, Alpha()),
        Field("reference_2", 11, 13, Alpha()),
        Field("terminal_id", 14, 19, Alpha(required=True)),
        Field("serial_number", 20, 25, Alpha(required=True)),
        Field("transaction_date", 26, 29, Digits()),  # MMDD
        Field("authorization", 30, 35, Alpha()),
        Field("terminal_location", 36, 62, Alpha(required=True)),
        Field("terminal_city", 63, 77, Alpha(required=True)),
        Field("terminal_state", 78, 79, Alpha(required=True)),
        Field("trace_number", 80, 94, Digits()),
    ),
)
"""POS, SHR, MTE: where the card was used."""

ADDENDA_05_PERSONAL: Final = Layout(
    "addenda_05_personal", WIDTH, tuple(replace(f, secret=True) if f.name == "text" else f for f in ADDENDA_05.fields)
)
"""ENR and DNE, whose text holds account and social security numbers."""

BATCH_CONTROL_ADV: Final = Layout(
    "batch_control_adv",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("8")),
        Field("service_class", 2, 4, Choice(("280",))),
        Field("entry_addenda_count", 5, 10, Numeric()),
        Field("entry_hash", 11, 20, EntryHash()),
        Field("total_debit_cents", 21, 40, Cents()),
        Field("total_credit_cents", 41, 60, Cents()),
        Field("operator_data", 61, 79, Alpha()),
        Field("odfi", 80, 87, Digits()),
        Field("batch_number", 88, 94, Numeric()),
    ),
)

FILE_CONTROL_ADV: Final = Layout(
    "file_control_adv",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("9")),
        Field("batch_count", 2, 7, Numeric()),
        Field("block_count", 8, 13, Numeric()),
        Field("entry_addenda_count", 14, 21, Numeric()),
        Field("entry_hash", 22, 31, EntryHash()),
        Field("total_debit_cents", 32, 51, Cents()),
        Field("total_credit_cents", 52, 71, Cents()),
        Field("reserved", 72, 94, Blank()),
    ),
)
