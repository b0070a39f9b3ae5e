"""An answer of the bank and what is decided about it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

from gateway.ledger.ach_checks import CheckKey
from parsers.nacha_answers import AnswerEntry

Kind = Literal["RETURN", "DISHONORED", "CONTESTED", "CHANGE", "REFUSED_CHANGE", "OTHER", "ACKNOWLEDGEMENT"]


class AnswerState(StrEnum):
    """Value, then what may follow."""

    DONE = "DONE"  # acted upon; final
    REPEATED = "REPEATED"  # an earlier file said the same; final
    UNMATCHED = "UNMATCHED"  # waits for a person -> CLEARED
    CLEARED = "CLEARED"  # a person has seen to it, with a reason; final


EntryKey = tuple[int, int]
"""(outbound_id, seq) of an ``ach_entry``."""


class Identity(NamedTuple):
    """What makes two answers the same one, in whatever file they come."""

    kind: Kind
    code: str
    original_trace: str
    trace_number: str


class Answer(NamedTuple):
    """One entry of a bank's file. ``settled_on`` is ISO text; money is cents, None where it cannot be read."""

    number: int
    kind: Kind
    code: str
    original_trace: str
    trace_number: str
    amount_cents: int | None
    transaction_code: str
    sec: str
    settled_on: str | None
    entry: AnswerEntry
    company_id: str = ""  # of the header of its batch

    @property
    def identity(self) -> Identity:
        return Identity(self.kind, self.code, self.original_trace, self.trace_number)


class Cash(NamedTuple):
    """What one check's return posts in the check's office: ``debit`` and ``credit`` are purposes of accounts."""

    check: CheckKey
    office_id: int
    lease: str | None
    debit: str
    credit: str
    cents: int
    becomes: str | None  # the check's new state; None: it stays
    corrects: int | None = None  # the entry of the void that it ends


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about an answer, and the words that say so. No account number is in them."""

    state: AnswerState
    outcome: str
    entry: EntryKey | None = None
    cash: tuple[Cash, ...] = ()
    alert: str | None = None  # the vendor that goes on dealer alert
    vendor: str | None = None  # whose details ``changes`` are proposed for
    changes: Mapping[str, str] = field(default_factory=dict, repr=False)
    settles: tuple[int, int] | None = None  # file and number of the same answer that waited until now


def waits(outcome: str, entry: EntryKey | None = None) -> Decision:
    """For a person."""
    return Decision(AnswerState.UNMATCHED, outcome, entry)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file, in answers and cents: ``waiting`` for a person; ``idle_cents``, of those and of what repeats
    an earlier answer, for which nothing was posted; ``unreadable``, those that wait and whose amount cannot be read."""

    lines: int
    waiting: int
    cents: int = 0
    idle_cents: int = 0
    unreadable: int = 0
