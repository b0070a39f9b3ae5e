"""NACHA batches made ready for the writer: sums, service class, balancing, splitting, remittance.

Pure functions of entries and of what a bank wants (`BankOptions`).

>>> rmr_addenda("INV-1", 43298).text
'RMR*IV*INV-1*PI*432.98\\\\'
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from parsers.nacha_records import (
    BLOCKING,
    DEBITS,
    MAX_BATCH_LINES,
    MAX_ENTRY_CENTS,
    MAX_FILE_LINES,
    MAX_TOTAL_CENTS,
    Batch,
    Entry,
    routing_problem,
)
from writers.text import PRINTABLE_CHARSET, BankText, WriterError, bank_text

_OFFSET_CODES: Final = {"checking": ("22", "27"), "savings": ("32", "37")}


@dataclass(frozen=True, slots=True, kw_only=True)
class BankOptions:
    """How one bank wants its files. ``max_lines`` counts every record of the file, filler included."""

    line_ending: Literal["lf", "crlf", "none"] = "lf"
    service_class: Literal["auto", "200 only", "never 200"] = "auto"
    max_lines: int = MAX_FILE_LINES
    max_entry_cents: int = MAX_ENTRY_CENTS
    max_total_cents: int = MAX_TOTAL_CENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetAccount:
    """The company's own account, for banks that want each batch balanced by an entry against it."""

    routing_number: str
    account: str
    account_type: Literal["checking", "savings"] = "checking"


@dataclass(frozen=True, slots=True)
class Totals:
    """What a control record states about one batch or the file."""

    lines: int = 0
    entry_hash: int = 0
    debit_cents: int = 0
    credit_cents: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.lines + other.lines,
            self.entry_hash + other.entry_hash,
            self.debit_cents + other.debit_cents,
            self.credit_cents + other.credit_cents,
        )


def column(entries: Sequence[Entry], at: int) -> list[Any]:
    """One field of every entry. Transposing all of them at once takes four times as long."""
    return list(map(operator.itemgetter(at), entries))


def totals(entries: Sequence[Entry]) -> Totals:
    """Count, unwrapped hash and sums of some entries."""
    if not entries:
        return Totals()
    codes, banks, cents, addenda = (column(entries, at) for at in (0, 1, 4, 8))
    total = sum(cents)
    debit = 0
    if not DEBITS.isdisjoint(codes):
        debit = sum(amount for code, amount in zip(codes, cents, strict=True) if code in DEBITS)
    return Totals(
        len(entries) + sum(map(len, addenda)),
        sum(int(bank) * count for bank, count in Counter(banks).items()),
        debit,
        total - debit,
    )


def service_class_for(entries: Sequence[Entry], policy: Literal["auto", "200 only", "never 200"] = "auto") -> str:
    """200, 220 or 225 by what the entries are and what the bank allows."""
    return service_class_of({code in DEBITS for code in set(column(entries, 0))}, policy)


def service_class_of(debits: set[bool], policy: Literal["auto", "200 only", "never 200"] = "auto") -> str:
    """The same by the sides that occur: True for debits, False for credits."""
    if policy == "200 only":
        return "200"
    if len(debits) > 1:
        if policy == "never 200":
            raise WriterError(
                "a batch mixes credits and debits and the bank takes no service class 200: put them in separate batches"
            )
        return "200"
    return "225" if debits == {True} else "220"


def balanced(batch: Batch, offset: OffsetAccount, trace_number: str) -> Batch:
    """The batch with one entry more, against the company's own account, that brings it to zero."""
    if problem := routing_problem(offset.routing_number):
        raise WriterError(f"offset account of {batch.company_name}: {problem}")
    sums = totals(batch.entries)
    difference = sums.credit_cents - sums.debit_cents
    if difference == 0:
        return batch
    credit, debit = _OFFSET_CODES[offset.account_type]
    entry = Entry(
        debit if difference > 0 else credit,
        offset.routing_number[:8],
        offset.routing_number[8],
        offset.account,
        abs(difference),
        "",
        "OFFSET",
        "",
        (),
        trace_number,
    )
    return replace(batch, service_class="200", entries=(*batch.entries, entry))


# --- limits -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may hold: entry and addenda records, and the total of either direction."""

    lines: int = MAX_BATCH_LINES
    total_cents: int = MAX_TOTAL_CENTS

    @classmethod
    def of(cls, options: BankOptions, *, batches: int = 1, is_balanced: bool = False) -> Limits:
        """For a file of so many batches: the bank's line limit less headers, controls and filler."""
        room = options.max_lines // BLOCKING * BLOCKING - 2 - 2 * batches - batches * is_balanced
        return cls(min(MAX_BATCH_LINES - is_balanced, room // batches), options.max_total_cents)


def split(entries: Iterable[Entry], limits: Limits) -> list[tuple[Entry, ...]]:
    """The entries in order, cut into runs of which none exceeds the limits. An entry is never split."""
    runs: list[tuple[Entry, ...]] = []
    run: list[Entry] = []
    lines = debit = credit = 0
    for entry in entries:
        need, amount = entry.lines, entry.amount_cents
        if need > limits.lines or amount > limits.total_cents:
            raise WriterError(f"the entry of trace {entry.trace_number} alone exceeds the limits of a batch")
        debit += amount if entry.is_debit else 0
        credit += 0 if entry.is_debit else amount
        lines += need
        if run and (lines > limits.lines or max(debit, credit) > limits.total_cents):
            runs.append(tuple(run))
            run, lines = [], need
            debit, credit = (amount, 0) if entry.is_debit else (0, amount)
        run.append(entry)
    if run:
        runs.append(tuple(run))
    return runs


# --- remittance ---------------------------------------------------------------------------------------------

RMR_FORBIDDEN: Final = frozenset("*~\\|:^>")
"""Separators of X12: nothing can quote them."""


def rmr_text(reference: str, amount_cents: int) -> str:
    """The segment of a reference that was found to fit."""
    return f"RMR*IV*{reference}*PI*{amount_cents // 100}.{amount_cents % 100:02d}\\"


def rmr_addenda(reference: str, amount_cents: int) -> BankText:
    """The X12 segment of a CCD addenda: seller's invoice number and the amount paid on it.

    The reference may not hold the separators of X12, for nothing can quote them.
    """
    made = bank_text(reference, PRINTABLE_CHARSET)
    if made.problem is not None:
        return made
    if not made.text:
        return BankText("", (), "a remittance needs a reference")
    if not RMR_FORBIDDEN.isdisjoint(made.text):
        bad = min(RMR_FORBIDDEN.intersection(made.text))
        return BankText("", (), f"{bad!r} separates X12 elements and cannot stand in a reference")
    if amount_cents < 0:
        return BankText("", (), "a remittance states an amount that is not negative")
    text = rmr_text(made.text, amount_cents)
    if len(text) > 80:
        return BankText("", (), f"{len(text)} characters of remittance, an addenda record holds 80")
    return BankText(text, made.warnings)
