"""Every rule a NACHA file is held to: one code, what it says, and the fields it is reported at.

``RULES`` is the list that documents and tests walk. A rule without places is one of the field's own table (kind
of characters, width, date): it is reported at any field whose table asks for it. Records are named by their
family: ``entry`` stands for ``entry_ctx`` and the others too. A warning does not make a file unsound: it is a
convention, a rule whose text was not at hand, or one that banks are known to see differently.

>>> RULES[NachaCode.TRACE_ORDER].says
'trace numbers rise within a batch, none twice'
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class NachaCode(StrEnum):
    """Stable codes, in the order in which a finding takes precedence over later ones of the same field."""

    FILE_EMPTY = "FILE_EMPTY"
    BYTE_ORDER_MARK = "BYTE_ORDER_MARK"
    END_MARK = "END_MARK"
    LINE_ENDING = "LINE_ENDING"
    BLANK_LINE = "BLANK_LINE"
    LINE_LENGTH = "LINE_LENGTH"
    SECOND_FILE = "SECOND_FILE"
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
    ROUTING_RANGE = "ROUTING_RANGE"
    SERVICE_CLASS = "SERVICE_CLASS"
    SEC_CODE = "SEC_CODE"
    SEC_CODE_NOT_SENT = "SEC_CODE_NOT_SENT"
    ADV_MIXED = "ADV_MIXED"
    DESCRIPTION_CASE = "DESCRIPTION_CASE"
    REVERSAL_DESCRIPTION = "REVERSAL_DESCRIPTION"
    PAYROLL_DESCRIPTION = "PAYROLL_DESCRIPTION"
    RESERVED_DESCRIPTION = "RESERVED_DESCRIPTION"
    CLASS_DESCRIPTION = "CLASS_DESCRIPTION"
    EFFECTIVE_DATE = "EFFECTIVE_DATE"
    BANKING_DAY = "BANKING_DAY"
    SETTLEMENT_DAY = "SETTLEMENT_DAY"
    SETTLEMENT_FILLED = "SETTLEMENT_FILLED"
    BATCH_NUMBER = "BATCH_NUMBER"
    TRANSACTION_CODE = "TRANSACTION_CODE"
    TRANSACTION_SIDE = "TRANSACTION_SIDE"
    LOAN_DEBIT = "LOAN_DEBIT"
    AMOUNT_ZERO = "AMOUNT_ZERO"
    AMOUNT_NOT_ZERO = "AMOUNT_NOT_ZERO"
    TRACE_ODFI = "TRACE_ODFI"
    TRACE_ORDER = "TRACE_ORDER"
    ADDENDA_MISSING = "ADDENDA_MISSING"
    ANSWER_MISSING = "ANSWER_MISSING"
    ADDENDA_UNEXPECTED = "ADDENDA_UNEXPECTED"
    ADDENDA_TYPE = "ADDENDA_TYPE"
    ADDENDA_ORDER = "ADDENDA_ORDER"
    ADDENDA_TOO_MANY = "ADDENDA_TOO_MANY"
    ADDENDA_COUNT = "ADDENDA_COUNT"
    ADDENDA_SEQUENCE = "ADDENDA_SEQUENCE"
    ADDENDA_ENTRY = "ADDENDA_ENTRY"
    ADDENDA_TRACE = "ADDENDA_TRACE"
    REMITTANCE_FORM = "REMITTANCE_FORM"
    REMITTANCE_TOTAL = "REMITTANCE_TOTAL"
    REMITTANCE_SUM = "REMITTANCE_SUM"
    RETURN_CODE = "RETURN_CODE"
    CHANGE_CODE = "CHANGE_CODE"
    DATE_OF_DEATH = "DATE_OF_DEATH"
    DATE_OF_DEATH_MISSING = "DATE_OF_DEATH_MISSING"
    CORRECTED_BLANK = "CORRECTED_BLANK"
    CORRECTED_DATA = "CORRECTED_DATA"
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
class Rule:
    """What a code says. ``places`` are (family of records, field); empty for the rules of a field's own table."""

    says: str
    places: tuple[tuple[str, str], ...] = ()
    is_warning: bool = False


def _at(says: str, *places: str, warning: bool = False) -> Rule:
    pairs = [place.split(".") for place in places]
    return Rule(says, tuple((record, field) for record, field in pairs), warning)


_C = NachaCode
RULES: Final = {
    _C.FILE_EMPTY: _at("a file has records", "file.record"),
    _C.BYTE_ORDER_MARK: _at("nothing stands before the first record", "record.record"),
    _C.END_MARK: _at("no end-of-file mark stands among the records or behind them", "record.record"),
    _C.LINE_ENDING: _at("one record separator throughout: LF, CR LF or none", "record.record"),
    _C.BLANK_LINE: _at("no blank line between records", "record.record"),
    _C.LINE_LENGTH: _at("a record has 94 characters", "record.record"),
    _C.SECOND_FILE: _at("a file holds one file", "file_header.record"),
    _C.RECORD_TYPE: _at("a record is of type 1 5 6 7 8 or 9", "record.record"),
    _C.RECORD_ORDER: _at(
        "records come as 1, then 5 6 7 8 for each batch, then 9", "record.record", "addenda.record"
    ),
    _C.FILE_HEADER_MISSING: _at("a file begins with its header", "file_header.record"),
    _C.FILE_CONTROL_MISSING: _at("a file ends with its control", "file_control.record"),
    _C.BATCH_CONTROL_MISSING: _at("a batch ends with its control", "batch_control.record"),
    _C.BATCH_EMPTY: _at("a batch has entries", "batch_control.record"),
    _C.CHARACTER: Rule("texts are of printable ASCII"),
    _C.CONSTANT: Rule("a constant stands as it is printed"),
    _C.RESERVED: Rule("reserved positions are blank"),
    _C.NOT_DIGITS: Rule("a number is of digits, zero-filled"),
    _C.DATE: Rule("a date is a calendar day as YYMMDD"),
    _C.TIME: Rule("a time is HHMM or blank"),
    _C.VALUE: Rule("a code is one of those listed"),
    _C.REQUIRED: Rule("a field that must be filled is, in its characters and from its first position"),
    _C.FILE_ID_MODIFIER: _at("the file ID modifier is A to Z or 0 to 9", "file_header.file_id_modifier"),
    _C.ROUTING: _at(
        "a routing number has its check digit and is not all zeros",
        "file_header.immediate_destination", "batch_header.odfi", "entry.check_digit",
    ),
    _C.ROUTING_RANGE: _at(
        "a routing number begins in an assigned range", "entry.receiving_dfi", warning=True
    ),
    _C.SERVICE_CLASS: _at("service class 200, 220 or 225; 280 in ADV alone", "batch_header.service_class"),
    _C.SEC_CODE: _at("the entry class is known, in capitals", "batch_header.sec_code"),
    _C.SEC_CODE_NOT_SENT: _at("a file read as one of ours has classes that we send", "batch_header.sec_code"),
    _C.ADV_MIXED: _at("accounting advices have a file of their own", "batch_header.sec_code"),
    _C.DESCRIPTION_CASE: _at("a reserved description stands in capitals", "batch_header.description"),
    _C.REVERSAL_DESCRIPTION: _at(
        "the description of a reversal is REVERSAL alone", "batch_header.description", warning=True
    ),
    _C.PAYROLL_DESCRIPTION: _at(
        "pay in PPD credits is described as PAYROLL, at the beginning, since 20 March 2026",
        "batch_header.description", warning=True,
    ),
    _C.RESERVED_DESCRIPTION: _at(
        "a reserved description stands in its class alone", "batch_header.description", warning=True
    ),
    _C.CLASS_DESCRIPTION: _at(
        "a class with a description of its own bears it", "batch_header.description", warning=True
    ),
    _C.EFFECTIVE_DATE: _at("the effective date is not before the file's creation", "batch_header.effective_date"),
    _C.BANKING_DAY: _at("the effective date is a banking day", "batch_header.effective_date"),
    _C.SETTLEMENT_DAY: _at("a settlement day is 001 to 366", "batch_header.settlement_day"),
    _C.SETTLEMENT_FILLED: _at(
        "the ACH operator fills the settlement day, not the sender", "batch_header.settlement_day", warning=True
    ),
    _C.BATCH_NUMBER: _at("batch numbers rise through the file", "batch_header.batch_number"),
    _C.TRANSACTION_CODE: _at("the transaction code is one of the class", "entry.transaction_code"),
    _C.TRANSACTION_SIDE: _at("credits and debits fit the service class", "entry.transaction_code"),
    _C.LOAN_DEBIT: _at("a loan account is debited in reversals alone", "entry.transaction_code"),
    _C.AMOUNT_ZERO: _at("a live entry has an amount", "entry.amount_cents"),
    _C.AMOUNT_NOT_ZERO: _at(
        "prenotes, zero-dollar entries, changes, enrollments and notices have no amount", "entry.amount_cents"
    ),
    _C.TRACE_ODFI: _at("a trace number begins with the originating bank of the batch", "entry.trace_number"),
    _C.TRACE_ORDER: _at("trace numbers rise within a batch, none twice", "entry.trace_number", "entry.sequence"),
    _C.ADDENDA_MISSING: _at("addenda stand where the entry or its class needs them", "entry.addenda_indicator"),
    _C.ANSWER_MISSING: _at(
        "a return has an addenda 99, a notification of change an addenda 98", "entry.addenda_indicator"
    ),
    _C.ADDENDA_UNEXPECTED: _at("no addenda behind an entry of indicator 0", "addenda.record"),
    _C.ADDENDA_TYPE: _at("addenda are of the type of the entry and its class", "addenda.addenda_type"),
    _C.ADDENDA_ORDER: _at("the addenda 10 to 18 of IAT come in order, 10 to 16 once each", "addenda.addenda_type"),
    _C.ADDENDA_TOO_MANY: _at("not more addenda than the class takes", "addenda.record"),
    _C.ADDENDA_COUNT: _at("the entry states how many addenda follow", "entry.addenda_count"),
    _C.ADDENDA_SEQUENCE: _at("the addenda of an entry are numbered from 1 without gaps", "addenda.sequence"),
    _C.ADDENDA_ENTRY: _at("addenda repeat the last seven digits of the trace number", "addenda.entry_sequence"),
    _C.ADDENDA_TRACE: _at("addenda of cards and answers repeat the trace number", "addenda.trace_number"),
    _C.REMITTANCE_FORM: _at("the addenda of a CTX entry are an X12 820 that reads", "addenda.text", warning=True),
    _C.REMITTANCE_TOTAL: _at("BPR of an X12 820 states the entry's amount", "addenda.text", warning=True),
    _C.REMITTANCE_SUM: _at("RMR segments sum up to the entry's amount", "addenda.text", warning=True),
    _C.RETURN_CODE: _at(
        "a return code is a known one",
        "addenda.return_code", "addenda.return_reason", "addenda.dishonored_reason", warning=True,
    ),
    _C.CHANGE_CODE: _at(
        "a change code is a known one", "addenda.change_code", "addenda.refused_change_code", warning=True
    ),
    _C.DATE_OF_DEATH: _at("a date of death stands with R14 and R15 alone", "addenda.date_of_death"),
    _C.DATE_OF_DEATH_MISSING: _at(
        "R14 and R15 give the date of death", "addenda.date_of_death", warning=True
    ),
    _C.CORRECTED_BLANK: _at("a change gives the corrected data", "addenda.corrected_data"),
    _C.CORRECTED_DATA: _at(
        "corrected data stand where the change code has them, and are sound", "addenda.corrected_data", warning=True
    ),
    _C.CONTROL_SERVICE_CLASS: _at("the control repeats the service class", "batch_control.service_class"),
    _C.CONTROL_COMPANY_ID: _at("the control repeats the company", "batch_control.company_id"),
    _C.CONTROL_ODFI: _at("the control repeats the originating bank", "batch_control.odfi"),
    _C.CONTROL_BATCH_NUMBER: _at("the control repeats the batch number", "batch_control.batch_number"),
    _C.ENTRY_ADDENDA_COUNT: _at(
        "entries and addenda are as many as counted",
        "batch_control.entry_addenda_count", "file_control.entry_addenda_count",
    ),
    _C.ENTRY_HASH: _at(
        "the hash is that of the receiving banks", "batch_control.entry_hash", "file_control.entry_hash"
    ),
    _C.TOTAL_DEBIT: _at(
        "the debits sum up", "batch_control.total_debit_cents", "file_control.total_debit_cents"
    ),
    _C.TOTAL_CREDIT: _at(
        "the credits sum up", "batch_control.total_credit_cents", "file_control.total_credit_cents"
    ),
    _C.BATCH_COUNT: _at("batches are as many as counted", "file_control.batch_count"),
    _C.BLOCK_COUNT: _at("blocks of ten are as many as counted", "file_control.block_count"),
    _C.FILLER: _at("nothing but filler follows the file control", "filler.record"),
    _C.FILLER_COUNT: _at("filler completes the last block of ten, and no more", "filler.record"),
}  # fmt: skip
WARNINGS: Final = frozenset(code for code, rule in RULES.items() if rule.is_warning)

_FAMILIES: Final = ("file_header", "file_control", "batch_header", "batch_control", "entry", "addenda")


def family(record: str) -> str:
    """The family a record's table belongs to.

    >>> family("entry_ctx"), family("batch_header_iat"), family("filler")
    ('entry', 'batch_header', 'filler')
    """
    return next((one for one in _FAMILIES if record.startswith(one)), record)
