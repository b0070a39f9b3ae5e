"""X12 820, Payment Order/Remittance Advice, read back from the addenda of a CTX entry: the twin of `writers.x12_820`.

Read is what that writer makes: one interchange, group and transaction set, one ENT, an RMR a reference. Everything is
checked that a receiver's program would stumble over: the envelope's control numbers and counts, the sum of the RMR
amounts against BPR, separators as ISA states them. All problems are told, not only the first.

>>> read("ISA*00*")
[X12Problem(segment=1, name='ISA', found='7 characters', expected='an interchange header of 106 characters')]
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

ELEMENT: Final = "*"
SEGMENT: Final = "~"
COMPONENT: Final = ":"
_ISA: Final = 106
_ORDER: Final = re.compile(r"ISA GS ST BPR TRN N1 N1 ENT( RMR)+ SE GE IEA")
_CONTROL: Final = re.compile(r"\d{9}")
_AMOUNT: Final = re.compile(r"(\d{1,10})\.(\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One remittance advice. Dates ISO, ``created_at`` HHMM; ``lines`` are (reference, cents), their sum is paid."""

    control_number: str  # up to 9 digits
    sender: str
    receiver: str
    sender_qualifier: str = "ZZ"
    receiver_qualifier: str = "ZZ"
    usage: str = "P"  # P production, T test
    created_on: str
    created_at: str
    effective_date: str
    company_id: str
    trace_number: str
    payer: str
    payee: str
    lines: tuple[tuple[str, int], ...]

    @property
    def total_cents(self) -> int:
        return sum(cents for _, cents in self.lines)


class X12Problem(NamedTuple):
    """What is wrong with a segment, counted from 1."""

    segment: int
    name: str
    found: str
    expected: str


def joined(addenda: Sequence[str]) -> str:
    """The interchange from the addenda texts of an entry, whose trailing blanks may have been stripped."""
    return "".join(text.ljust(80) for text in addenda).rstrip(" ")


def read(text: str) -> Advice | list[X12Problem]:
    """The advice, or everything that is wrong with it."""
    if len(text) < _ISA or not text.startswith("ISA"):
        found = f"{len(text)} characters" if text[:3] in ("", "ISA") else repr(text[:3])
        return [X12Problem(1, text[:3], found, f"an interchange header of {_ISA} characters")]
    element, end = text[3], text[_ISA - 1]
    rows = [segment.split(element) for segment in text.split(end)]
    if rows.pop() != [""]:
        return [X12Problem(len(rows) + 1, "", "text after the last segment", "a segment terminator at the end")]
    names = " ".join(row[0] for row in rows)
    if _ORDER.fullmatch(names) is None:
        return [X12Problem(1, "", names[:80], "ISA GS ST BPR TRN N1 N1 ENT RMR… SE GE IEA")]
    problems = _Problems(rows)
    advice = _advice(problems)
    return problems.found or advice


class _Problems:
    """Segments by position, and what is wrong with them."""

    def __init__(self, rows: list[list[str]]) -> None:
        self.rows = rows
        self.found: list[X12Problem] = []

    def at(self, segment: int, element: int) -> str:
        """An element, both counted from the start; negative segments from the end. '' where it is missing."""
        row = self.rows[segment]
        return row[element] if element < len(row) else ""

    def expect(self, segment: int, element: int, expected: str) -> None:
        value = self.at(segment, element)
        if value != expected:
            place = segment % len(self.rows)
            self.found.append(X12Problem(place + 1, f"{self.rows[place][0]}{element:02d}", repr(value), repr(expected)))

    def control(self) -> str:
        """The number of the interchange, as it stands in its header."""
        value = self.at(0, 13)
        if _CONTROL.fullmatch(value) is None:
            self.found.append(X12Problem(1, "ISA13", repr(value), "nine digits"))
        return value

    def cents(self, segment: int, element: int) -> int:
        value = self.at(segment, element)
        match = _AMOUNT.fullmatch(value)
        if match is None:
            name = f"{self.rows[segment][0]}{element:02d}"
            self.found.append(X12Problem(segment + 1, name, repr(value), "dollars and cents such as 12.34"))
            return 0
        return int(match[1]) * 100 + int(match[2])

    def day(self, segment: int, element: int) -> str:
        value = self.at(segment, element)
        if re.fullmatch(r"\d{8}", value) is None:
            name = f"{self.rows[segment][0]}{element:02d}"
            self.found.append(X12Problem(segment + 1, name, repr(value), "a date YYYYMMDD"))
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"


_FIRST_RMR: Final = 8


def _advice(p: _Problems) -> Advice:
    control = p.control()
    plain = control.lstrip("0") or "0"
    day = p.day(1, 4)
    for segment, element, expected in (
        (0, 9, day[2:].replace("-", "")), (1, 1, "RA"), (1, 8, "004010"), (1, 6, plain),
        (2, 1, "820"), (2, 2, control), (3, 1, "C"), (3, 3, "C"), (3, 4, "ACH"), (3, 5, "CTX"), (5, 1, "PR"),
        (6, 1, "PE"), (-3, 1, str(len(p.rows) - 4)), (-3, 2, control), (-2, 1, "1"), (-2, 2, plain),
        (-1, 1, "1"), (-1, 2, control),
    ):  # fmt: skip
        p.expect(segment, element, expected)
    lines = []
    for segment in range(_FIRST_RMR, len(p.rows) - 3):
        p.expect(segment, 1, "IV")
        p.expect(segment, 3, "PI")
        lines.append((p.at(segment, 2), p.cents(segment, 4)))
    total = p.cents(3, 2)
    if total != sum(cents for _, cents in lines):
        p.found.append(X12Problem(4, "BPR02", p.at(3, 2), f"{sum(cents for _, cents in lines)} cents, as the RMR say"))
    return Advice(
        control_number=control,
        sender=p.at(0, 6).rstrip(),
        receiver=p.at(0, 8).rstrip(),
        sender_qualifier=p.at(0, 5),
        receiver_qualifier=p.at(0, 7),
        usage=p.at(0, 15),
        created_on=day,
        created_at=p.at(1, 5),
        effective_date=p.day(3, 16),
        company_id=p.at(3, 10),
        trace_number=p.at(4, 2),
        payer=p.at(5, 2),
        payee=p.at(6, 2),
        lines=tuple(lines),
    )
