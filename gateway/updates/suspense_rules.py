"""What an operator may do with a suspense item: plain functions of the item and the facts. A no is a ``Refused``.

Money in SUSPENSE goes to invoices by the payment hierarchy, to an account, or out by check; never more than remains, nor
more than is open. An item that a reversal of family T left waiting must be placed whole, in one step: the vendor
wants a target for all of the money. REVERSAL SUSPENSE is a debit, money that went out without a match: it is cleared
against an account or by a check that came back, and never becomes plain suspense.

An account whose balance is the sum of rows of its own (receivables, assessed fees, escrow, suspense, accounts payable)
is no target: the rows would not follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, NamedTuple

from gateway.errors import Refused, UsageError
from gateway.ledger.chart import ACCOUNTS_PAYABLE, ASSESSED_FEES, REVERSAL_SUSPENSE, SUSPENSE
from gateway.ledger.payments import Charge, Invoice, Lease, OpenLine
from gateway.ledger.suspense import Item, Kind
from gateway.ledger.suspense_history import Move
from gateway.money import shown, to_cents
from gateway.settings_portfolio import PaymentSettings
from gateway.updates.payment_rules import pay
from gateway.updates.reversal_rules import TRANSFER

_TARGET: Final = re.compile(r"(invoice|lease|account):([^=]+)(?:=(.+))?\Z")
_CHECK: Final = re.compile(r"[0-9A-Z-]{1,10}\Z")
_REASON_WIDTH: Final = 4
_AMOUNT_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class Target:
    """Where money of an item shall go. ``cents`` None: as much as fits."""

    kind: Literal["invoice", "lease", "account"]
    name: str
    cents: int | None = None


class Account(NamedTuple):
    """An account of the item's office."""

    account_id: int
    vector: str
    number: str
    name: str
    purpose: str


class Payment(NamedTuple):
    """Money for one invoice, by charge line."""

    lease: Lease
    invoice: str
    lines: list[tuple[OpenLine, int]]

    @property
    def cents(self) -> int:
        return sum(cents for _, cents in self.lines)


class Clearing(NamedTuple):
    """Money for an account."""

    account: Account
    cents: int


@dataclass(frozen=True, slots=True)
class Book:
    """The facts that placing an item needs. Leases come with their open lines in pay order, which the money lowers."""

    portfolio: str
    leases: Mapping[str, Lease]
    invoices: Mapping[str, Invoice]
    accounts: Sequence[Account]
    charges: Mapping[str, Charge]
    rules: PaymentSettings


def parse_target(text: str) -> Target:
    """``invoice:20001=432.98``, ``lease:1003`` or ``account:601=10.00``. Raises UsageError."""
    found = _TARGET.match(text)
    if found is None:
        raise UsageError(
            f"--to {text}: found no such target, expected invoice:NUMBER, lease:NUMBER or account:NUMBER, each with =AMOUNT "
            "or without"
        )
    kind: Literal["invoice", "lease", "account"] = found[1]  # type: ignore[assignment]  # the pattern has these three
    return Target(kind, found[2].strip().upper(), None if found[3] is None else parse_amount(found[3], what="--to"))


def parse_amount(text: str, *, what: str, digits: int = _AMOUNT_DIGITS) -> int:
    """``432.98`` in cents, above zero and of at most ``digits`` digits, as amounts of files are. Raises UsageError with
    what was typed."""
    try:
        cents = to_cents(text)
    except ValueError:
        cents = 0
    if cents <= 0:
        raise UsageError(f"{what}: found {text!r}, expected an amount above zero such as 432.98")
    if cents >= 10**digits:
        raise UsageError(f"{what}: found {text!r}, expected at most {shown(10**digits - 1)}")
    return cents


def awaits_target(item: Item) -> bool:
    """A reversal of family T left it. Its reason is the reversal's, of four characters; every other item of this kind
    has the code of a message."""
    return item.kind == "SUSPENSE" and item.reason.startswith(TRANSFER) and len(item.reason) <= _REASON_WIDTH


def require_kind(item: Item, kind: Kind, action: str) -> None:
    if item.kind == kind:
        return
    if item.kind == "REVERSAL":
        raise Refused(
            f"{action}: found a Reversal Suspense item, expected money in suspense; what a reversal took out "
            "never becomes suspense: clear it against an account or by a check that came back"
        )
    raise Refused(
        f"{action}: found an item of plain suspense, expected Reversal Suspense; apply it, pay it out or clear it"
    )


def require_open(item: Item, action: str) -> None:
    if item.remaining_cents == 0:
        raise Refused(
            f"{action}: found nothing left of it since {item.closed_on}, expected an open item; "
            "`gateway suspense list` has them"
        )


def amount(item: Item, asked: int | None, action: str) -> int:
    """Cents to take of an item: all that remains, or less when that was asked for and nothing forbids it."""
    require_open(item, action)
    if asked is None or asked == item.remaining_cents:
        return item.remaining_cents
    if asked > item.remaining_cents:
        raise Refused(
            f"{action}: found {shown(asked)} asked for, expected at most {shown(item.remaining_cents)}, which "
            "remains of it; take less"
        )
    if awaits_target(item):
        raise _not_whole(item, asked, action)
    return asked


def place(
    item: Item,
    targets: Iterable[Target],
    book: Book,
    *,
    action: str,
    despite_status: bool = False,
    refunds_rest: bool = False,
) -> list[Payment | Clearing]:
    """Spread an item over its targets in order: what each invoice gets, by charge line, and each account.
    ``refunds_rest``: something must be left, which goes back to the lessee in the same step."""
    require_open(item, action)
    rest = item.remaining_cents
    placed: list[Payment | Clearing] = []
    for target in targets:
        if target.cents is not None and target.cents > rest:
            raise Refused(
                f"{action}: found {shown(target.cents)} for {target.kind} {target.name}, expected at most "
                f"{shown(rest)}, which remains of it; give less"
            )
        if rest == 0:
            raise Refused(
                f"{action}: found nothing left for {target.kind} {target.name}, expected money for every "
                "target; leave it out"
            )
        if target.kind == "account":
            cents = rest if target.cents is None else target.cents
            placed.append(Clearing(counter_account(target.name, book.accounts, book.charges, action=action), cents))
        else:
            lease, lines = _open_lines(target, book, action=action)
            _require_status(lease, book.rules, despite_status, action)
            paid = _pay(target, lines, rest, action=action)
            cents = sum(cents for _, cents in paid)
            by_invoice = groupby(paid, key=lambda part: part[0].invoice)
            placed += [Payment(lease, invoice, list(parts)) for invoice, parts in by_invoice]
        rest -= cents
    if refunds_rest and rest == 0:
        raise Refused(
            f"{action}: found nothing left to refund, expected the targets to leave some; leave --refund-check out, or give "
            "them less"
        )
    if rest and not refunds_rest and awaits_target(item):
        raise _not_whole(item, item.remaining_cents - rest, action)
    return placed


def _not_whole(item: Item, cents: int, action: str) -> Refused:
    return Refused(
        f"{action}: found {shown(cents)} of {shown(item.remaining_cents)} placed, expected all of it: a reversal "
        f"({item.reason}) left it to be placed whole; name a target for the rest in the same call (gateway suspense apply "
        f"{item.item} --to … --to … --reason WHY), or refund it (--refund-check)"
    )


def _open_lines(target: Target, book: Book, *, action: str) -> tuple[Lease, list[OpenLine]]:
    """The lease of a target and the open lines that it means, in pay order."""
    name = target.name
    if target.kind == "invoice":
        invoice = book.invoices.get(name)
        if invoice is None:
            raise UsageError(
                f"{action}: found no invoice {name}, expected one of portfolio {book.portfolio}; correct it"
            )
        name = invoice.lease
    lease = book.leases.get(name)
    if lease is None:
        raise UsageError(f"{action}: found no lease {name}, expected one of portfolio {book.portfolio}; correct it")
    if lease.portfolio != book.portfolio:
        raise Refused(
            f"{action}: found lease {name} in portfolio {lease.portfolio}, expected one of portfolio {book.portfolio}; clear the "
            f"item against CLEARING here and post a payment without cash (account CLR) in portfolio {lease.portfolio}"
        )
    return lease, [line for line in lease.lines if target.kind == "lease" or line.invoice == target.name]


def _require_status(lease: Lease, rules: PaymentSettings, despite_status: bool, action: str) -> None:
    held = lease.status.startswith("H") or lease.status in rules.suspended_statuses
    if held and not despite_status:
        raise Refused(
            f"{action}: found lease {lease.lease} with status {lease.status}, expected a status that takes payments; clear the "
            "status, or say --despite-status"
        )


def _pay(target: Target, lines: Sequence[OpenLine], rest: int, *, action: str) -> list[tuple[OpenLine, int]]:
    open_cents = sum(line.open_cents for line in lines)
    if open_cents == 0 or (target.cents or 0) > open_cents:
        found = "nothing" if open_cents == 0 else shown(open_cents)
        raise Refused(
            f"{action}: found {found} open on {target.kind} {target.name}, expected "
            f"{'at least ' + shown(target.cents) if target.cents else 'something to pay'}; `gateway ledger receivables` shows "
            "what is open"
        )
    paid, _ = pay(lines, rest if target.cents is None else target.cents)
    return paid


def counter_account(name: str, chart: Sequence[Account], charges: Mapping[str, Charge], *, action: str) -> Account:
    """The account of the item's office by vector, number or purpose, if it may be cleared against."""
    name = name.strip().upper()
    found = [a for a in chart if name in (a.vector, a.number, a.purpose)]
    if len(found) != 1:
        which = " and ".join(f"{a.vector} {a.number} {a.purpose}" for a in found) or "none"
        raise Refused(
            f"{action}: found {which} named {name} in the item's office, expected one account; give its vector, number or "
            "purpose (`gateway ledger accounts`)"
        )
    account = found[0]
    if account.purpose in (SUSPENSE, REVERSAL_SUSPENSE):
        raise Refused(
            f"{action}: found account {account.number} {account.purpose}, expected another than suspense: money is never "
            "cleared from suspense into suspense, nor from Reversal Suspense into it; name where it belongs"
        )
    kept = {ASSESSED_FEES, ACCOUNTS_PAYABLE} | {c.receivable_purpose for c in charges.values()}
    kept |= {c.income_purpose for c in charges.values() if c.type == "E"}
    if account.purpose in kept:
        raise Refused(
            f"{action}: found account {account.number} {account.purpose}, whose balance is the sum of its rows, expected one "
            "without; apply the money to an invoice instead, or name another account"
        )
    return account


def check_number(text: str, *, action: str) -> str:
    """A check number as the ledger keeps it. Raises UsageError."""
    number = text.strip().upper()
    if _CHECK.match(number) is None:
        raise UsageError(f"{action}: found check number {text!r}, expected up to 10 digits, letters or dashes")
    return number


_NO_UNDO: Final = {"NOTE": "add another note", "UNDO": "take the step anew"}
"""What a person does instead of taking such a move back."""


_TAKES: Final = ("APPLY", "PAY", "REFUND", "CLEAR")
"""Moves that took money out of an item."""


def undo_commands(history: Sequence[Move]) -> str:
    """What takes back every step of an item that stands, the last one first."""
    gone = {move.undoes for move in history}
    standing = [move for move in history if move.kind in _TAKES and move.number not in gone]
    steps = {move.unit_id: f"gateway suspense undo {move.item} --move {move.number} --reason WHY" for move in standing}
    return "; ".join(reversed(steps.values()))


def to_undo(history: Sequence[Move], number: int, *, action: str) -> list[Move]:
    """The moves that go back together with move ``number``: everything that one step did, because what had to be placed
    whole may not stay placed in part."""
    named = next((move for move in history if move.number == number), None)
    if named is None:
        raise UsageError(f"{action}: found no move {number}, expected one of gateway suspense show ITEM")
    if named.kind not in _TAKES:
        raise Refused(
            f"{action}: found move {number} {named.kind}, expected one that took money out ({', '.join(_TAKES)}); "
            + _NO_UNDO.get(named.kind, "clear the item, or change it again")
        )
    together = [move for move in history if move.unit_id == named.unit_id]
    gone = {move.undoes for move in history if move.undoes is not None}
    if named.number in gone:
        raise Refused(f"{action}: found move {number} taken back before, expected one that stands")
    return together
