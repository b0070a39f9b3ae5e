"""Why a line was refused, and what was ignored in a line that stands: the lexical codes.

Only what can be decided from the line alone is here. Codes that need the ledger (an unknown lease, a
closed invoice, a spent batch) belong to the updates. Both enums are listed in order of precedence: of
several faults in one line the first in this order is the one reported. A retired code is never given a
new meaning.
"""

from __future__ import annotations

from enum import StrEnum


class RejectCode(StrEnum):
    """Lexical reasons to refuse a line, most basic first."""

    # the bytes
    LINE_TOO_LONG = "LINE_TOO_LONG"
    AVRO_TEXT = "AVRO_TEXT"
    NON_ASCII_BYTE = "NON_ASCII_BYTE"
    CONTROL_CHARACTER = "CONTROL_CHARACTER"
    # tagged lines (btchassmt)
    TEXT_OUTSIDE_TAGS = "TEXT_OUTSIDE_TAGS"
    UNKNOWN_TAG = "UNKNOWN_TAG"
    TAG_REPEATED = "TAG_REPEATED"
    TAG_ORDER = "TAG_ORDER"
    LEASE_AND_ASSET = "LEASE_AND_ASSET"
    LEASE_OR_ASSET_MISSING = "LEASE_OR_ASSET_MISSING"
    # comma-separated lines
    QUOTE_MISPLACED = "QUOTE_MISPLACED"
    VALUE_COUNT = "VALUE_COUNT"
    LAYOUT_UNDECIDED = "LAYOUT_UNDECIDED"
    TARGET_PREFIX = "TARGET_PREFIX"
    # values: money first, it is what a person looks for
    VALUE_MISSING = "VALUE_MISSING"
    AMOUNT_PUNCTUATED = "AMOUNT_PUNCTUATED"
    AMOUNT_NOT_DIGITS = "AMOUNT_NOT_DIGITS"
    AMOUNT_TOO_WIDE = "AMOUNT_TOO_WIDE"
    AMOUNT_ZERO = "AMOUNT_ZERO"
    # prefixed items (bptmtrev, btchpmt)
    BATCH_MISPLACED = "BATCH_MISPLACED"
    ITEM_EMPTY = "ITEM_EMPTY"
    UNKNOWN_ITEM = "UNKNOWN_ITEM"
    ITEM_REPEATED = "ITEM_REPEATED"
    # other values
    TOO_WIDE = "TOO_WIDE"
    BAD_IDENTIFIER = "BAD_IDENTIFIER"
    BAD_DATE = "BAD_DATE"
    UNKNOWN_CODE = "UNKNOWN_CODE"
    CODE_LEVEL = "CODE_LEVEL"
    BAD_STATE = "BAD_STATE"
    BAD_ZIP = "BAD_ZIP"
    BAD_BANK = "BAD_BANK"
    BAD_BATCH = "BAD_BATCH"
    BAD_REASON = "BAD_REASON"


class WarnCode(StrEnum):
    """Items ignored in a line that stands as a record."""

    PTCODE_IGNORED = "PTCODE_IGNORED"
    FHCODE_IGNORED = "FHCODE_IGNORED"
    LIENDATE_IGNORED = "LIENDATE_IGNORED"
    DUE_DATE_IGNORED = "DUE_DATE_IGNORED"


REJECT_RANK: dict[str, int] = {code.value: rank for rank, code in enumerate(RejectCode)}
