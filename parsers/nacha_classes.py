"""The entry classes (SEC codes): which tables their records have, which transaction codes and addenda they take.

Source: Nacha operating rules, appendix three, part 3.1; transaction codes of acknowledgments, enrollments and
death notices as the open-source readers have them. A class's own codes are those of forward entries; returns of
any class have the codes of returns and an addenda 99, notifications of change (COR) an addenda 98.

>>> CLASSES["CTX"].entry.name, CLASSES["CTX"].most, CLASSES["POP"].most
('entry_ctx', 9999, 0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from parsers.layout import Layout
from parsers.nacha_answer_records import addenda_98, addenda_99
from parsers.nacha_class_records import (
    ADDENDA_02,
    ADDENDA_05_PERSONAL,
    BATCH_CONTROL_ADV,
    ENTRY_ADV,
    ENTRY_CHECK,
    ENTRY_CIE,
    ENTRY_POP,
    ENTRY_SHR,
    ENTRY_TRC,
    FILE_CONTROL_ADV,
)
from parsers.nacha_iat_records import BATCH_HEADER_IAT, ENTRY_IAT, IAT_ADDENDA
from parsers.nacha_records import (
    ADDENDA_05,
    ADV_CREDITS,
    ADV_DEBITS,
    ALL_CODES,
    ALL_DEBITS,
    BATCH_CONTROL,
    BATCH_HEADER,
    BATCH_HEADER_ADV,
    DEBITS,
    ENTRY,
    ENTRY_CTX,
    FILE_CONTROL,
    FILE_HEADER,
    FILLER,
    FILLER_RECORD,
    ORIGINATED,
    PRENOTES,
    RETURN_CREDITS,
    RETURN_DEBITS,
    ZERO_DOLLAR,
)

_MONEY: Final = ORIGINATED - ZERO_DOLLAR
_CREDITS: Final = _MONEY - DEBITS
_DEBITS: Final = _MONEY & DEBITS
ANSWERS: Final = RETURN_CREDITS | RETURN_DEBITS
_ENROLLMENT: Final = frozenset({"22", "23", "27", "28", "32", "33", "37", "38"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SecClass:
    """One class. ``codes`` are those of forward entries; a reversal may have the other side's. ``addenda`` is the
    type of its addenda, ``least`` and ``most`` how many an entry has. ``description`` is the one it must bear."""

    entry: Layout = ENTRY
    codes: frozenset[str] = _MONEY
    addenda: str = "05"
    least: int = 0
    most: int = 1
    zero_amount: bool = False
    description: str = ""


_CHECK: Final = SecClass(entry=ENTRY_CHECK, codes=_DEBITS, most=0)
_TRUNCATED: Final = SecClass(entry=ENTRY_TRC, codes=_DEBITS, most=0)

CLASSES: Final = {
    "ACK": SecClass(codes=frozenset({"24", "34"}), zero_amount=True),
    "ADV": SecClass(entry=ENTRY_ADV, codes=ADV_CREDITS | ADV_DEBITS, most=0),
    "ARC": _CHECK,
    "ATX": SecClass(entry=ENTRY_CTX, codes=frozenset({"24", "34"}), most=9999, zero_amount=True),
    "BOC": _CHECK,
    "CCD": SecClass(codes=ORIGINATED),
    "CIE": SecClass(entry=ENTRY_CIE, codes=_CREDITS),
    "COR": SecClass(codes=ANSWERS, most=0, zero_amount=True),
    "CTX": SecClass(entry=ENTRY_CTX, codes=ORIGINATED, most=9999),
    "DNE": SecClass(codes=frozenset({"23", "33"}), least=1, zero_amount=True),
    "ENR": SecClass(entry=ENTRY_CTX, codes=_ENROLLMENT, least=1, most=9999, zero_amount=True, description="AUTOENROLL"),
    "IAT": SecClass(entry=ENTRY_IAT, codes=ORIGINATED, addenda="10", least=7, most=14),
    "MTE": SecClass(entry=ENTRY_CIE, addenda="02", least=1),
    "POP": SecClass(entry=ENTRY_POP, codes=_DEBITS, most=0),
    "POS": SecClass(addenda="02", least=1),
    "PPD": SecClass(),
    "RCK": SecClass(entry=ENTRY_CHECK, codes=_DEBITS, most=0, description="REDEPCHECK"),
    "SHR": SecClass(entry=ENTRY_SHR, addenda="02", least=1),
    "TEL": SecClass(codes=_DEBITS, most=0),
    "TRC": _TRUNCATED,
    "TRX": SecClass(entry=ENTRY_CTX, codes=_DEBITS, most=9999),
    "WEB": SecClass(),
    "XCK": SecClass(entry=ENTRY_TRC, codes=_DEBITS, most=0, description="NO CHECK"),
}


_ACCOUNTS: Final = {"2": "checking", "3": "savings", "4": "general ledger", "5": "loan"}


def transaction_words(code: str) -> str | None:
    """What a transaction code says, None for one that the table does not have.

    >>> transaction_words("22"), transaction_words("38"), transaction_words("26")
    ('checking, credit', 'savings, debit, prenote', 'checking, debit, return or change')
    """
    if code not in ALL_CODES:
        return None
    kinds = ((PRENOTES, ", prenote"), (ZERO_DOLLAR, ", without amount"), (ANSWERS, ", return or change"))
    kind = next((words for codes, words in kinds if code in codes), "")
    side = "debit" if code in ALL_DEBITS else "credit"
    return f"{_ACCOUNTS.get(code[0], 'accounting advice')}, {side}{kind}"


def is_international(header: str) -> bool:
    """Whether a batch header, as a line, is that of international entries or of changes to them."""
    return header[50:53].upper() == "IAT" or header[4:20].upper().startswith("IATCOR")


def batch_header_layout(line: str) -> Layout:
    """The table of a batch header."""
    if is_international(line):
        return BATCH_HEADER_IAT
    return BATCH_HEADER_ADV if line[50:53].upper() == "ADV" else BATCH_HEADER


def entry_layout(header: str) -> Layout:
    """The table of the entries under a batch header; that of PPD and CCD where the class is not known."""
    if is_international(header):
        return ENTRY_IAT
    known = CLASSES.get(header[50:53].upper())
    return known.entry if known else ENTRY


def addenda_layout(line: str, header: str) -> Layout | None:
    """The table of an addenda record by its type and code; None for a type that no class has."""
    kind, code, international = line[1:3], line[3:6], is_international(header)
    if kind == "98":
        return addenda_98(code, international=international)
    if kind == "99":
        return addenda_99(code, international=international)
    if kind == "05":
        return ADDENDA_05_PERSONAL if header[50:53].upper() in ("ENR", "DNE") else ADDENDA_05
    return ADDENDA_02 if kind == "02" else IAT_ADDENDA.get(kind)


def control_layout(header: str) -> Layout:
    """The table of a batch control under its batch header."""
    return BATCH_CONTROL_ADV if header[50:53].upper() == "ADV" else BATCH_CONTROL


def layout_of(line: str, header: str) -> Layout | None:
    """The table of any record; ``header`` is the batch header seen last, a blank text before the first."""
    if line == FILLER:
        return FILLER_RECORD
    match line[:1]:
        case "1":
            return FILE_HEADER
        case "5":
            return batch_header_layout(line)
        case "6":
            return entry_layout(header)
        case "7":
            return addenda_layout(line, header) or ADDENDA_05
        case "8":
            return control_layout(header)
        case "9":
            return FILE_CONTROL_ADV if header[50:53].upper() == "ADV" else FILE_CONTROL
    return None
