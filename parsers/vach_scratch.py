"""``DSPP-Pxx-VACH-YYMMDD.DAT``: the scratch file beside a Vendor ACH bank file (U0424), read back.

Written by the gateway for people and programs of the leasing company: one record of 128 characters for each check paid
or taken back by the bank file and for each prenote, which has no check; each ended by a line feed. Identifiers are
right-justified as in the other scratch files, account and payee left-justified as in the bank file. The amount is 11
digits of cents and a sign, a debit (reversal) is negative. Positions 97-101 carry the start of the immediate origin
name and a dash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from parsers.layout import (
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
    SignedCents,
)

WIDTH: Final = 128
VACH: Final = Layout(
    "vach_scratch",
    WIDTH,
    (
        Field("portfolio", 1, 2, AlphaRight(required=True)),
        Field("bank", 3, 5, AlphaRight()),
        Field("vendor", 6, 14, AlphaRight(required=True)),
        Field("lease", 15, 24, AlphaRight()),
        Field("asset", 25, 34, AlphaRight()),
        Field("routing_number", 35, 43, Digits()),
        Field("account", 44, 60, Alpha(flush=True), secret=True),
        Field("transaction_code", 61, 62, Digits()),
        Field("amount_cents", 63, 74, SignedCents()),
        Field("disbursement_date", 75, 80, YYMMDD()),
        Field("check", 81, 90, AlphaRight()),
        Field("sec_code", 91, 93, Alpha(required=True)),
        Field("reserved_1", 94, 96, Blank()),
        Field("origin", 97, 100, Alpha()),
        Field("dash", 101, 101, Const("-")),
        Field("payee", 102, 123, Alpha(required=True)),
        Field("flag", 124, 124, Choice(("P", "V"))),
        Field("prenote", 125, 125, Choice(("Y", "N"))),
        Field("reserved_2", 126, 128, Blank()),
    ),
)


class VachRecord(NamedTuple):
    """One entry of the bank file, in the words of the leasing system."""

    portfolio: str
    bank: str
    vendor: str
    lease: str
    asset: str
    routing_number: str
    account: str
    transaction_code: str
    amount_cents: int
    disbursement_date: str
    check: str
    sec_code: str
    origin: str
    payee: str
    flag: str
    prenote: str


@dataclass(frozen=True, slots=True)
class VachError:
    """A field of a line (from 1) that does not read."""

    line_no: int
    field: str
    first: int
    last: int
    found: str
    expected: str


def read(data: bytes) -> list[VachRecord] | list[VachError]:
    """The records, or everything that is wrong with the file. An empty file has no records."""
    if not data:
        return []
    errors: list[VachError] = []
    rows: list[VachRecord] = []
    lines = data.decode("latin-1").split("\n")
    if lines.pop():
        errors.append(VachError(len(lines) + 1, "record", 129, 129, "no line feed", "a line feed at the end"))
    for line_no, line in enumerate(lines, start=1):
        values = VACH.decode(line)
        if isinstance(values, list):
            errors += [_error(line_no, error) for error in values]
        else:
            rows.append(VachRecord(*values))
    return errors or rows


def _error(line_no: int, error: FieldError) -> VachError:
    return VachError(line_no, error.field, error.first, error.last, repr(error.found), error.expected)
