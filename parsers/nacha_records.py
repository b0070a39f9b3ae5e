"""The record tables of the NACHA files we send and the frozen form their parts have in the program.

Other entry classes are in `parsers.nacha_class_records` and `parsers.nacha_iat_records`, returns and changes in
`parsers.nacha_answer_records`; which table a record has is told by `parsers.nacha_classes`.

Every record is 94 characters; positions are those of the Nacha operating rules, appendix three. An entry's
amount is integer cents, days are ISO text, everything made of digits that is not added up is text. Control
records have no form here: they are computed from the finished batches when a file is written and recomputed
and compared when one is read.

>>> line = "622091000019123456789        0000043298INV-7          ACME SUPPLY CO          0091000010000001"
>>> ENTRY.decode(line)
('22', '09100001', '9', '123456789', 43298, 'INV-7', 'ACME SUPPLY CO', '', '0', '091000010000001')
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from parsers.layout import (
    HHMM,
    YYMMDD,
    Alpha,
    AlphaRight,
    Blank,
    Cents,
    Choice,
    Const,
    Digits,
    EntryHash,
    Field,
    Layout,
    Numeric,
    mask,
)

WIDTH: Final = 94
BLOCKING: Final = 10
FILLER: Final = "9" * WIDTH

FILE_HEADER: Final = Layout(
    "file_header",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("1")),
        Field("priority_code", 2, 3, Const("01")),
        Field("immediate_destination", 4, 13, AlphaRight(required=True)),
        Field("immediate_origin", 14, 23, AlphaRight(required=True)),
        Field("creation_date", 24, 29, YYMMDD()),
        Field("creation_time", 30, 33, HHMM()),
        Field("file_id_modifier", 34, 34, Alpha(required=True, chars="A-Z0-9")),
        Field("record_size", 35, 37, Const("094")),
        Field("blocking_factor", 38, 39, Const("10")),
        Field("format_code", 40, 40, Const("1")),
        Field("destination_name", 41, 63, Alpha()),
        Field("origin_name", 64, 86, Alpha()),
        Field("reference_code", 87, 94, Alpha()),
    ),
)

BATCH_TAIL: Final = (
    Field("effective_date", 70, 75, YYMMDD()),
    Field("settlement_day", 76, 78, Digits(optional=True)),
    Field("originator_status", 79, 79, Choice(("1", "2"))),
    Field("odfi", 80, 87, Digits()),
    Field("batch_number", 88, 94, Numeric()),
)
_BATCH_FIELDS: Final = (
    Field("record_type", 1, 1, Const("5")),
    Field("service_class", 2, 4, Digits()),
    Field("company_name", 5, 20, Alpha(required=True)),
    Field("company_discretionary", 21, 40, Alpha()),
    Field("company_id", 41, 50, Alpha(required=True)),
    Field("sec_code", 51, 53, Alpha(required=True, chars="A-Z")),
    Field("description", 54, 63, Alpha(required=True)),
    Field("descriptive_date", 64, 69, Alpha()),
    *BATCH_TAIL,
)

BATCH_HEADER: Final = Layout("batch_header", WIDTH, _BATCH_FIELDS)

BATCH_HEADER_ADV: Final = Layout(
    "batch_header_adv",
    WIDTH,
    [
        Field("originator_status", 79, 79, Choice(("0",))) if one.name == "originator_status" else one
        for one in _BATCH_FIELDS
    ],
)
"""Of accounting advices, which the ACH operator makes: originator status 0."""

ENTRY_HEAD: Final = (
    Field("record_type", 1, 1, Const("6")),
    Field("transaction_code", 2, 3, Digits()),
    Field("receiving_dfi", 4, 11, Digits()),
    Field("check_digit", 12, 12, Digits()),
    Field("account", 13, 29, Alpha(flush=True), secret=True),
    Field("amount_cents", 30, 39, Cents()),
    Field("identification", 40, 54, Alpha()),
)
ENTRY_TAIL: Final = (
    Field("discretionary", 77, 78, Alpha()),
    Field("addenda_indicator", 79, 79, Choice(("0", "1"))),
    Field("trace_number", 80, 94, Digits()),
)

ENTRY: Final = Layout("entry", WIDTH, (*ENTRY_HEAD, Field("name", 55, 76, Alpha(required=True)), *ENTRY_TAIL))
"""Entry detail of PPD and CCD."""

ENTRY_CTX: Final = Layout(
    "entry_ctx",
    WIDTH,
    (
        *ENTRY_HEAD,
        Field("addenda_count", 55, 58, Numeric()),
        Field("name", 59, 74, Alpha(required=True)),
        Field("reserved", 75, 76, Blank()),
        *ENTRY_TAIL,
    ),
)

ADDENDA_05: Final = Layout(
    "addenda_05",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("7")),
        Field("addenda_type", 2, 3, Const("05")),
        Field("text", 4, 83, Alpha()),
        Field("sequence", 84, 87, Numeric()),
        Field("entry_sequence", 88, 94, Digits()),
    ),
)

BATCH_CONTROL: Final = Layout(
    "batch_control",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("8")),
        Field("service_class", 2, 4, Digits()),
        Field("entry_addenda_count", 5, 10, Numeric()),
        Field("entry_hash", 11, 20, EntryHash()),
        Field("total_debit_cents", 21, 32, Cents()),
        Field("total_credit_cents", 33, 44, Cents()),
        Field("company_id", 45, 54, Alpha(required=True)),
        Field("message_authentication_code", 55, 73, Blank()),
        Field("reserved", 74, 79, Blank()),
        Field("odfi", 80, 87, Digits()),
        Field("batch_number", 88, 94, Numeric()),
    ),
)

FILE_CONTROL: Final = Layout(
    "file_control",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("9")),
        Field("batch_count", 2, 7, Numeric()),
        Field("block_count", 8, 13, Numeric()),
        Field("entry_addenda_count", 14, 21, Numeric()),
        Field("entry_hash", 22, 31, EntryHash()),
        Field("total_debit_cents", 32, 43, Cents()),
        Field("total_credit_cents", 44, 55, Cents()),
        Field("reserved", 56, 94, Blank()),
    ),
)

FILLER_RECORD: Final = Layout("filler", WIDTH, (Field("nines", 1, WIDTH, Const(FILLER)),))

# Transaction codes of originated entries. Loan accounts know debits as reversals only, hence no 57 and no 58.
LIVE_CREDITS: Final = frozenset({"22", "32", "42", "52"})
LIVE_DEBITS: Final = frozenset({"27", "37", "47", "55"})
PRENOTES: Final = frozenset({"23", "28", "33", "38", "43", "48", "53"})
ZERO_DOLLAR: Final = frozenset({"24", "29", "34", "39", "44", "49", "54"})
ORIGINATED: Final = LIVE_CREDITS | LIVE_DEBITS | PRENOTES | ZERO_DOLLAR
DEBITS: Final = LIVE_DEBITS | frozenset({"28", "38", "48", "29", "39", "49"})
RETURN_CREDITS: Final = frozenset({"21", "31", "41", "51"})
RETURN_DEBITS: Final = frozenset({"26", "36", "46", "56"})
"""Codes of returns and notifications of change, on the side of the entry that they answer."""
ADV_CREDITS: Final = frozenset({"81", "83", "85", "87"})
ADV_DEBITS: Final = frozenset({"82", "84", "86", "88"})
"""Codes of accounting advices."""
ALL_DEBITS: Final = DEBITS | RETURN_DEBITS | ADV_DEBITS
ALL_CODES: Final = ORIGINATED | ALL_DEBITS | RETURN_CREDITS | ADV_CREDITS
LIVE_CREDIT_CODE: Final = {"checking": "22", "savings": "32"}
"""Transaction code of a live credit by the vendor's account type."""
LOAN_DEBIT: Final = "55"
"""In reversals alone."""
REVERSAL_CODE: Final = {"22": "27", "32": "37", "42": "47", "52": "55"}
"""The debit that takes back a live credit."""

MAX_ENTRY_CENTS: Final = 9_999_999_999
MAX_TOTAL_CENTS: Final = 999_999_999_999
MAX_BATCH_LINES: Final = 999_999
MAX_FILE_LINES: Final = 99_999_999
MAX_BATCHES: Final = 999_999


class Entry(NamedTuple):
    """One entry detail record with its addenda.

    A named tuple, not a dataclass: a file has a hundred thousand of them and its fields go into the layout's
    template as they stand. ``addenda`` are the 80-character texts of the 05 records without trailing blanks.
    """

    transaction_code: str
    receiving_dfi: str
    check_digit: str
    account: str
    amount_cents: int
    identification: str
    name: str
    discretionary: str
    addenda: tuple[str, ...]
    trace_number: str

    @property
    def is_debit(self) -> bool:
        return self.transaction_code in DEBITS

    @property
    def lines(self) -> int:
        """Records the entry takes: itself and its addenda."""
        return 1 + len(self.addenda)

    def __repr__(self) -> str:
        return (
            f"Entry({self.transaction_code} {self.receiving_dfi}{self.check_digit} {mask(self.account)} "
            f"{self.amount_cents} {self.name!r} trace {self.trace_number})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHeader:
    """Record 1. Destination and origin without their padding blank; ``creation_time`` is HHMM or empty."""

    immediate_destination: str
    immediate_origin: str
    creation_date: str
    creation_time: str = ""
    file_id_modifier: str = "A"
    destination_name: str = ""
    origin_name: str = ""
    reference_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Record 5 and the entries under it."""

    service_class: str
    company_name: str
    company_id: str
    sec_code: str
    description: str
    effective_date: str
    odfi: str
    batch_number: int
    entries: tuple[Entry, ...]
    company_discretionary: str = ""
    descriptive_date: str = ""
    settlement_day: str = ""
    originator_status: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class NachaFile:
    """A whole file; its control records follow from it."""

    header: FileHeader
    batches: tuple[Batch, ...]


_WEIGHTS: Final = (3, 7, 1, 3, 7, 1, 3, 7)


def check_digit(first_eight: str) -> str:
    """The ninth digit of a routing number.

    >>> check_digit("09100001")
    '9'
    """
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_eight, strict=True))
    return str(-total % 10)


@lru_cache(maxsize=4096)
def routing_problem(text: str) -> str | None:
    """Why a text is no routing number, or None.

    >>> routing_problem("091000019")
    >>> routing_problem("091000018")
    'check digit 8 should be 9'
    """
    if len(text) != 9 or not (text.isascii() and text.isdigit()):
        return "a routing number has 9 digits"
    if text == "000000000":
        return "all zeros belong to no bank"
    right = check_digit(text[:8])
    return None if text[8] == right else f"check digit {text[8]} should be {right}"


def routing_warning(text: str) -> str | None:
    """A sound routing number outside the ranges known to be assigned: worth a look, not a refusal.

    >>> routing_warning("091000019")
    """
    head = int(text[:2])
    known = head <= 12 or 21 <= head <= 32 or 61 <= head <= 72 or head == 80
    return None if known else f"routing numbers beginning with {text[:2]} are not known to be assigned"
