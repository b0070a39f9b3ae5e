"""Record tables of international entries (IAT): batch header, entry, and the addenda 10 to 18.

Positions are those of the Nacha operating rules, appendix three. The addenda 10 to 16 name the parties and
stand behind every forward entry, each once, in order; then up to two 17 (remittance) and up to five 18 (foreign
correspondent banks).

>>> sorted(IAT_ADDENDA), [f.name for f in IAT_ADDENDA["16"].fields[2:4]]
(['10', '11', '12', '13', '14', '15', '16', '17', '18'], ['receiver_city', 'receiver_country'])
"""

from __future__ import annotations

from typing import Final

from parsers.layout import Alpha, Blank, Choice, Const, Digits, Field, Layout, Numeric
from parsers.nacha_records import BATCH_TAIL, ENTRY_HEAD, ENTRY_TAIL, WIDTH

_CODE: Final = Alpha(required=True, chars="A-Z")

BATCH_HEADER_IAT: Final = Layout(
    "batch_header_iat",
    WIDTH,
    (
        Field("record_type", 1, 1, Const("5")),
        Field("service_class", 2, 4, Digits()),
        Field("iat_indicator", 5, 20, Alpha()),  # IATCOR in notifications of change, else blank
        Field("exchange_indicator", 21, 22, Choice(("FV", "VF", "FF"))),
        Field("exchange_reference_indicator", 23, 23, Alpha()),
        Field("exchange_reference", 24, 38, Alpha()),
        Field("destination_country", 39, 40, _CODE),
        Field("company_id", 41, 50, Alpha(required=True)),
        Field("sec_code", 51, 53, Choice(("IAT", "COR"))),
        Field("description", 54, 63, Alpha(required=True)),
        Field("originating_currency", 64, 66, _CODE),
        Field("destination_currency", 67, 69, _CODE),
        *BATCH_TAIL,
    ),
)

ENTRY_IAT: Final = Layout(
    "entry_iat",
    WIDTH,
    (
        *ENTRY_HEAD[:4],
        Field("addenda_count", 13, 16, Numeric()),
        Field("reserved_1", 17, 29, Blank()),
        ENTRY_HEAD[5],
        Field("account", 40, 74, Alpha(flush=True), secret=True),
        Field("reserved_2", 75, 76, Blank()),
        Field("screening_1", 77, 77, Alpha()),
        Field("screening_2", 78, 78, Alpha()),
        *ENTRY_TAIL[1:],
    ),
)


def _addenda(code: str, *fields: Field) -> Layout:
    """A table with what all of them have: the type before, the last seven digits of the entry's trace behind."""
    at = fields[-1].last + 1
    rest = (Field("reserved", at, 87, Blank()),) if at <= 87 else ()
    return Layout(
        f"addenda_{code}",
        WIDTH,
        (
            Field("record_type", 1, 1, Const("7")),
            Field("addenda_type", 2, 3, Const(code)),
            *fields,
            *rest,
            Field("entry_sequence", 88, 94, Digits()),
        ),
    )


def _bank(bank: str) -> tuple[Field, ...]:
    return (
        Field(f"{bank}_name", 4, 38, Alpha(required=True)),
        Field(f"{bank}_qualifier", 39, 40, Choice(("01", "02", "03"))),
        Field(f"{bank}_id", 41, 74, Alpha(required=True)),
        Field(f"{bank}_country", 75, 77, Alpha(required=True)),
    )


IAT_ADDENDA: Final = {
    "10": _addenda(
        "10",
        Field("transaction_type", 4, 6, _CODE),
        Field("foreign_amount", 7, 24, Numeric()),
        Field("foreign_trace", 25, 46, Alpha()),
        Field("receiver_name", 47, 81, Alpha(required=True)),
    ),
    "11": _addenda(
        "11",
        Field("originator_name", 4, 38, Alpha(required=True)),
        Field("originator_street", 39, 73, Alpha(required=True)),
    ),
    "12": _addenda(
        "12",
        Field("originator_city", 4, 38, Alpha(required=True)),
        Field("originator_country", 39, 73, Alpha(required=True)),
    ),
    "13": _addenda("13", *_bank("originating_bank")),
    "14": _addenda("14", *_bank("receiving_bank")),
    "15": _addenda("15", Field("receiver_id", 4, 18, Alpha()), Field("receiver_street", 19, 53, Alpha(required=True))),
    "16": _addenda(
        "16",
        Field("receiver_city", 4, 38, Alpha(required=True)),
        Field("receiver_country", 39, 73, Alpha(required=True)),
    ),
    "17": _addenda("17", Field("text", 4, 83, Alpha()), Field("sequence", 84, 87, Numeric())),
    "18": _addenda(
        "18",
        *_bank("correspondent"),
        Field("reserved", 78, 83, Blank()),
        Field("sequence", 84, 87, Numeric()),
    ),
}
"""By addenda type."""
IAT_MANDATORY: Final = ("10", "11", "12", "13", "14", "15", "16")
IAT_MOST: Final = {"17": 2, "18": 5}
