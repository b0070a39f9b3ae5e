"""Reverse and reapply: what taking one batch back moves beside it. Changes the facts in memory, asks no one.

Every later live batch of the lease (effective date on or after that of the batch taken back, the same day included)
is taken back too; then they are re-applied one by one in order of effective date, time and number, each to the
oldest due open invoice first by the hierarchy. What then finds no open invoice goes to suspense. Left alone are
batches that pay several leases, deferral fees received as cash, suspense that was spent since, and suspense of another
office than the lease's: an entry balances within one office, so a person places that (``away``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Final

from gateway.errors import LedgerError
from gateway.ledger.chart import SUSPENSE
from gateway.ledger.payments import EscrowKey, Lease, OpenLine
from gateway.ledger.units import Leg
from gateway.updates.payment_journal import payment_legs
from gateway.updates.payment_rules import pay
from gateway.updates.reversal_facts import DEFERRAL_FEE, Batch, Entry, Facts, Item, Line

LEFT: Final = "REAPPLIED_MONEY_LEFT"
"""Reason of the suspense item of re-applied money that finds no open invoice."""
_WAITING_TO_BE_BILLED: Final = frozenset({"MONEY_LEFT", "NO_OPEN_INVOICE", LEFT})


@dataclass(slots=True)
class Applied:
    """An entry of re-application: money of the batch from its cash account to one invoice, or to suspense."""

    entry: Entry  # numbered when it is posted
    parts: list[tuple[OpenLine, int]]  # none: to suspense
    lines: list[Line]


@dataclass(slots=True)
class Moved:
    """A later batch taken back and applied again."""

    batch: Batch
    taken: list[tuple[Line, int]]  # cents: of suspense what was unspent
    applied: list[Applied] = field(default_factory=list)
    spent: list[Line] = field(default_factory=list)
    """What was spent of the suspense taken, as lines of the same entry and item."""

    @property
    def held_back(self) -> list[tuple[Item, int]]:
        """Suspense taken that was not just more than was billed: something about it was for a person to find out."""
        return [
            (line.item, cents)
            for line, cents in self.taken
            if line.item is not None and line.item.reason not in _WAITING_TO_BE_BILLED
        ]


def reopen(lines: Iterable[Line], facts: Facts, escrow: Counter[EscrowKey]) -> None:
    """Open what the lines paid, lower the escrow balances that they raised."""
    for line in lines:
        key = line.key
        if key is not None and (paid := facts.charge_lines.get(key)) is not None:
            paid.open_cents += line.amount_cents
            facts.leases[str(line.lease)].first = 0
        if line.charge in facts.escrow_charges and line.lease is not None and line.charge is not None:
            escrow[line.lease, line.charge] -= line.amount_cents


def move_later(batch: Batch, lease: str, facts: Facts, escrow: Counter[EscrowKey]) -> list[Moved]:
    """Take the later batches of the lease back and apply them again; ``batch`` itself is reversed already."""
    book = facts.leases[lease]
    moved = []
    for later in facts.of_lease.get(lease, ()):
        if later.is_reversed or later.effective_date < batch.effective_date:
            continue
        taken = [(line, cents) for line in later.lines if _moves(line, book) and (cents := line.live_cents)]
        if taken:
            moved.append(Moved(later, taken))
    for each in moved:
        reopen((line for line, _ in each.taken), facts, escrow)
    for each in moved:
        _apply(each, book, facts, escrow)
    return moved


def _moves(line: Line, book: Lease) -> bool:
    return line.invoice != DEFERRAL_FEE and line.entry.office_id == book.office_id


def away(batch: Batch, lease: str, facts: Facts) -> list[tuple[Batch, Item]]:
    """Unspent suspense of later batches that waits at another office than the lease's, where it was unknown when it paid."""
    office = facts.leases[lease].office_id
    return [
        (later, line.item)
        for later in facts.of_lease.get(lease, ())
        if not later.is_reversed and later.effective_date >= batch.effective_date
        for line in later.lines
        if line.item is not None and line.item.remaining_cents and line.entry.office_id != office
    ]


def _apply(moved: Moved, book: Lease, facts: Facts, escrow: Counter[EscrowKey]) -> None:
    batch = moved.batch
    money: Counter[tuple[int, int]] = Counter()  # by office and cash account
    for line, cents in moved.taken:
        money[line.entry.office_id, cash_of(line.entry, facts)] += cents
        named = line.invoice if line.item is None else line.item.named
        if named is not None:
            batch.former.add(named)
    taken = {line for line, _ in moved.taken}
    batch.lines = [line for line in batch.lines if line not in taken]
    for line, cents in moved.taken:
        if line.item is not None:
            line.item.remaining_cents -= cents
        if rest := line.amount_cents - cents:
            moved.spent.append(
                _line(batch, line.lease, line.invoice, line.charge, line.asset, rest, line.entry, line.item)
            )
    batch.lines += moved.spent
    for (office, cash), cents in money.items():
        for applied in _spread(batch, office, cash, cents, book, facts):
            moved.applied.append(applied)
            batch.lines += applied.lines
            for open_line, part in applied.parts:
                if open_line.terms.is_escrow:
                    escrow[book.lease, open_line.charge] += part


def _spread(batch: Batch, office: int, cash: int, cents: int, book: Lease, facts: Facts) -> Iterable[Applied]:
    """The entries of one amount: one an invoice, one for what is left."""
    lines = book.lines
    while book.first < len(lines) and not lines[book.first].open_cents:
        book.first += 1
    paid, rest = pay(islice(lines, book.first, None), cents)
    for invoice, group in groupby(paid, key=lambda pair: pair[0].invoice):
        parts = list(group)
        asset = parts[0][0].asset or None if len(parts) == 1 else None
        entry = Entry(0, office, book.lease, invoice, asset, list(payment_legs(cash, parts)))
        new = [
            _line(batch, book.lease, invoice, line.charge, line.asset, part, entry, None) for line, part in parts
        ]  # fmt: skip
        yield Applied(entry, parts, new)
    if rest:
        legs: list[Leg] = [(cash, "D", rest), (facts.accounts.need(office, SUSPENSE), "C", rest)]
        entry = Entry(0, office, book.lease, None, None, legs)
        left = _line(batch, book.lease, None, None, "", rest, entry, Item(0, rest, LEFT))
        yield Applied(entry, [], [left])


def _line(
    batch: Batch, lease: str | None, invoice: str | None, charge: str | None, asset: str, cents: int, entry: Entry,
    item: Item | None,
) -> Line:  # fmt: skip
    batch.last_line += 1
    return Line(batch.last_line, lease, invoice, charge, asset, cents, entry, item, is_new=True)


def cash_of(entry: Entry, facts: Facts) -> int:
    """The account of CASH, or CLEARING, that the entry's money came into."""
    for account, side, _ in entry.legs:
        if side == "D" and (account in facts.cash or account in facts.clearing):
            return account
    raise LedgerError(f"re-applying entry {entry.entry_id}: found no debit of cash, expected one")
