"""The value rules every inbound line shares, with the words a sender can correct the file from.

This is the careful half of each parser: the fast half takes what is plainly right, and whatever it will
not take comes here to be accepted or refused with column, found, expected and what to do. A line's faults
are all collected; the first in the order of ``RejectCode`` is reported.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from parsers.base import Reject, Warn
from parsers.codes import REJECT_RANK, RejectCode, WarnCode

IDENTIFIER = r"!#-+\--;=?-~"
"""Inside of a character class: what an identifier may hold. Visible ASCII without quote, comma, < and >."""

_IDENTIFIER = re.compile(f"[{IDENTIFIER}]+")
_DIGITS = re.compile("[0-9]+")
_DECIMAL = re.compile(r"([0-9]+)\.([0-9]{2})")
_STRAY = re.compile("[^ -~]")
_BYTE_ORDER_MARK = "\xef\xbb\xbf"
_PUNCTUATION = frozenset(".,+-()$'*#")

Explained = tuple[int, int, str, str, str]
"""One field of a line for ``gateway explain``: first and last column, name, raw text, meaning."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a line: item name, how messages call it, text without blanks around, its column."""

    name: str
    label: str
    text: str
    column: int
    raw: str


def cell(name: str, label: str, raw: str, column: int) -> Cell:
    """A cell from ``raw`` as it stands at ``column``: blanks around the value are padding."""
    text = raw.strip(" ")
    lead = len(raw) - len(raw.lstrip(" ")) if text else 0
    return Cell(name, label, text, column + lead, raw)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a line."""

    code: RejectCode
    field: str
    column: int
    found: str
    expected: str
    action: str


class DateTable(dict[str, str | None]):
    """YYMMDD to ISO text: blank is None, what is no day of the calendar is "" and not remembered.

    It can hold no more than the days of a century, so looking up is one step and memory stays flat.
    """

    def __init__(self, pivot: int) -> None:
        super().__init__({"": None})
        self.pivot = pivot

    def __missing__(self, text: str) -> str:
        if len(text) != 6 or not _DIGITS.fullmatch(text):
            return ""
        year = int(text[:2])
        try:
            iso = date(year + (1900 if year >= self.pivot else 2000), int(text[2:4]), int(text[4:])).isoformat()
        except ValueError:
            return ""
        self[text] = iso
        return iso


def yymmdd(iso: str) -> str:
    """``2003-04-01`` as it stands in a file."""
    return iso[2:4] + iso[5:7] + iso[8:]


def shown(text: str) -> str:
    """``text`` for a message: quoted, printable, and no more of it than a person needs."""
    clean = "".join(c if " " <= c <= "~" else "?" for c in text[:41])
    return f"'{clean[:40]}...'" if len(text) > 40 else f"'{clean}'"


@dataclass(slots=True)
class Findings:
    """What the careful reading of one line found."""

    line_no: int
    dates: DateTable = field(default_factory=lambda: DateTable(70))
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Warn] = field(default_factory=list)
    amount_cents: int | None = None

    def fault(self, code: RejectCode, name: str, column: int, found: str, expected: str, action: str = "") -> None:
        action = action or f"correct the {name.replace('_', ' ')} and drop the line again"
        self.faults.append(Fault(code, name, column, found, expected, action))

    def warn(self, code: WarnCode, name: str, found: str, expected: str, action: str) -> None:
        self.warnings.append(Warn(self.line_no, code, name, found, expected, action))

    def reject(self, raw: bytes) -> Reject:
        """The reported fault of the line; call only when there is one."""
        first = min(self.faults, key=lambda f: (REJECT_RANK[f.code], f.column))
        amount = None if any(f.field == "amount" for f in self.faults) else self.amount_cents
        return Reject(
            self.line_no,
            first.code.value,
            first.field,
            first.column,
            first.found,
            first.expected,
            first.action,
            raw,
            amount,
        )

    # the bytes

    def printable(self, line: str) -> None:
        """A fault for the first character of ``line`` (one a byte) that is not printable ASCII."""
        stray = _STRAY.search(line)
        if stray is None:
            return
        byte, column = ord(stray.group()), stray.start() + 1
        if line.startswith(_BYTE_ORDER_MARK):
            self.fault(
                RejectCode.NON_ASCII_BYTE,
                "line",
                1,
                "a byte order mark (0xEF 0xBB 0xBF) before the text",
                "ASCII text",
                "save the file as plain text, without a mark, and drop the line again",
            )
            return
        if byte > 0x7F:
            code, kind = RejectCode.NON_ASCII_BYTE, "the byte"
        else:
            code, kind = RejectCode.CONTROL_CHARACTER, "the control character"
        self.fault(
            code,
            "line",
            column,
            f"{kind} 0x{byte:02X} in column {column}",
            "ASCII text",
            "replace it by a plain letter, digit or blank and drop the line again",
        )

    # the values

    def need(self, c: Cell) -> bool:
        if c.text:
            return True
        self.fault(
            RejectCode.VALUE_MISSING,
            c.name,
            c.column,
            f"no value for {c.label}",
            "one",
            f"add the {c.name.replace('_', ' ')} and drop the line again",
        )
        return False

    def fits(self, c: Cell, width: int) -> bool:
        if len(c.text) <= width:
            return True
        self.fault(
            RejectCode.TOO_WIDE,
            c.name,
            c.column,
            f"{shown(c.text)} of {len(c.text)} characters for {c.label}",
            f"{width} at most",
        )
        return False

    def identifier(self, c: Cell, width: int) -> str | None:
        """Upper-cased, leading zeros kept; None when blank."""
        if not c.text:
            return None
        if _IDENTIFIER.fullmatch(c.text) is None:
            self.fault(
                RejectCode.BAD_IDENTIFIER,
                c.name,
                c.column,
                f"{shown(c.text)} for {c.label}",
                "visible characters without blanks, quotes, commas or angle brackets",
            )
        elif self.fits(c, width):
            return c.text.upper()
        return None

    def text(self, c: Cell, width: int) -> str | None:
        """Free text as written; None when blank."""
        return c.text if c.text and self.fits(c, width) else None

    def date(self, c: Cell) -> str | None:
        """ISO text; None when blank."""
        iso = self.dates[c.text]
        if iso == "":
            pivot = self.dates.pivot
            self.fault(
                RejectCode.BAD_DATE,
                c.name,
                c.column,
                f"{shown(c.text)} for {c.label}",
                f"a day of the calendar as YYMMDD ({pivot:02d} to 99 being 19{pivot:02d} to 1999)"
                if pivot < 100
                else "a day of the calendar as YYMMDD",
            )
            return None
        return iso

    def digits(
        self, c: Cell, allowed: Collection[str], code: RejectCode, expected: str, words: Collection[str] = ()
    ) -> str | None:
        """A value of a closed list (banks, accounts); None when blank."""
        value = c.text.upper()
        if not value or value in allowed or value in words:
            return value or None
        self.fault(code, c.name, c.column, f"{shown(c.text)} for {c.label}", expected)
        return None

    def batch(self, c: Cell) -> str | None:
        """Twenty digits beginning with a day of the calendar; None when blank."""
        if not c.text:
            return None
        is_whole = len(c.text) == 20 and _DIGITS.fullmatch(c.text) is not None
        if is_whole and self.dates[c.text[:6]]:
            return c.text
        why = ", whose first six are no day of the calendar" if is_whole else ""
        self.fault(
            RejectCode.BAD_BATCH,
            c.name,
            c.column,
            f"{shown(c.text)} for {c.label}{why}",
            "20 digits: entry date YYMMDD, 6 of the session, 8 of the sequence",
        )
        return None

    def amount(self, c: Cell, width: int) -> int | None:
        """Cents. Digits only: anything else is refused, never repaired."""
        if not self.need(c):
            return None
        if _DIGITS.fullmatch(c.text) is None:
            self._not_digits(c)
        elif len(c.text) > width:
            self.fault(
                RejectCode.AMOUNT_TOO_WIDE,
                c.name,
                c.column,
                f"{shown(c.text)} of {len(c.text)} digits for {c.label}",
                f"{width} digits at most",
            )
        elif int(c.text) == 0:
            self.fault(RejectCode.AMOUNT_ZERO, c.name, c.column, f"{shown(c.text)} for {c.label}", "more than zero")
        else:
            self.amount_cents = int(c.text)
        return self.amount_cents

    def _not_digits(self, c: Cell) -> None:
        expected = "digits only, the last two being cents"
        if not _PUNCTUATION & set(c.text):
            self.fault(RejectCode.AMOUNT_NOT_DIGITS, c.name, c.column, f"{shown(c.text)} for {c.label}", expected)
            return
        action = "write cents without point, comma, sign or currency mark; " + _misread("432", "98")
        decimal = _DECIMAL.fullmatch(c.text)
        if decimal is not None and len(c.text) <= 18:
            action = f"write {decimal[1]}{decimal[2]}; " + _misread(*decimal.groups())
        self.fault(
            RejectCode.AMOUNT_PUNCTUATED,
            c.name,
            c.column,
            f"{shown(c.text)} for {c.label}",
            expected,
            action,
        )

    def comma_in_amount(self, c: Cell, amount: str) -> None:
        """A digit where a letter must stand, right after the amount: the amount was written with a comma."""
        self.fault(
            RejectCode.AMOUNT_PUNCTUATED,
            "amount",
            c.column,
            f"{shown(c.text)} after the amount {shown(amount)}",
            "digits only, the last two being cents, then items that begin with a letter",
            "write the amount without comma; " + _misread("432", "98"),
        )


def _misread(whole: str, cents: str) -> str:
    """The vendor's program takes the number for cents, rounded: 432.98 becomes 433 cents."""
    read = int(whole) + (int(cents) >= 50)
    return f"the vendor's program would read {whole}.{cents} as {read // 100}.{read % 100:02d}"


def table_of(first: int, last: int) -> frozenset[str]:
    """The three-digit numbers from ``first`` to ``last`` as text."""
    return frozenset(str(number) for number in range(first, last + 1))


def explained(c: Cell, value: Any) -> Explained:
    """``c`` as a field of the explanation of its line."""
    end = c.column + max(len(c.text), 1) - 1
    return c.column, end, c.name, c.text, "" if value is None else str(value)
