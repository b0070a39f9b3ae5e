"""What to do with one payment line: a plain function of the line and the facts, which asks nothing of anyone.

Money goes to the invoice the line names (``I``, or ``L`` with the due date ``D``), what is left to the lease's oldest
due open invoices, each by the hierarchy, and what is left then to suspense. What cannot be applied at all goes to
suspense whole. Nothing that parsed is refused: the cash is in the bank. That holds for a lease of another
portfolio too, which the other updates refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from gateway.ledger.chart import cash_purpose
from gateway.ledger.payments import Accounts, Invoice, Lease, OpenLine
from gateway.settings_portfolio import PaymentSettings
from gateway.updates import payment_messages as messages
from gateway.updates.payment_batches import Batch, Batches
from gateway.updates.payment_messages import Finding


class Record(NamedTuple):
    """A staged line."""

    line_no: int
    target_kind: str  # I or L
    target: str
    amount_cents: int
    check_no: str | None
    effective_date: str | None
    due_date: str | None
    account: str | None
    batch: str | None
    origination: str | None
    note: str | None


Applied = tuple[OpenLine, int]
"""A charge line and the cents that it takes."""


class Decision(NamedTuple):
    """What becomes of a line. What of the amount is not applied goes to suspense."""

    record: Record
    batch: Batch
    office_id: int
    lease: str | None  # as known, else as received
    cash: int  # account
    applied: list[Applied]
    suspended_cents: int
    why: Finding | None  # why to suspense
    warning: Finding | None


@dataclass(slots=True)
class Book:
    """The facts of the lines of one chunk. Leases change as lines are decided."""

    portfolio: str
    business_date: str
    default_office: int
    accounts: Accounts
    rules: PaymentSettings
    leases: Mapping[str, Lease]
    invoices: Mapping[str, Invoice]
    near: Mapping[str, str]

    def lease_of(self, record: Record) -> Lease | None:
        if record.target_kind == "L":
            return self.leases.get(record.target)
        invoice = self.invoices.get(record.target)
        return self.leases[invoice.lease] if invoice is not None else None


def decide(record: Record, book: Book, batches: Batches) -> Decision:
    """Decide the next line of a file; charge lines and batches of the facts take the money."""
    found = book.lease_of(record)
    lease = found if found is not None and found.portfolio == book.portfolio else None
    account = record.account or book.rules.default_cash
    header = (record.check_no, account, record.effective_date or book.business_date)
    lessee = lease.lessee if lease is not None else f"? {record.target_kind}{record.target}"
    batch, problem = batches.place(record.batch, header, lessee, record.origination, record.note)
    office = lease.office_id if lease is not None else book.default_office
    cash = book.accounts.cash(office, account)
    if lease is None:
        why: Finding | None = _not_ours(record, book, found)
    elif problem is not None:
        why = problem
    elif lease.status.startswith("H") or lease.status in book.rules.suspended_statuses:
        why = messages.lease_status(lease.lease, lease.status)
    else:
        why = None
    if cash is None:
        cash = book.accounts.need(office, cash_purpose(book.rules.default_cash))
        why = why or messages.account_unknown(account, book.rules.default_cash)
    if why is not None or lease is None:
        name = found.lease if found is not None else (record.target if record.target_kind == "L" else None)
        return Decision(record, batch, office, name, cash, [], record.amount_cents, why, None)
    applied, rest, why = _apply(record, lease)
    warning = _too_much(record, lease, book.rules)
    return Decision(record, batch, office, lease.lease, cash, applied, rest, why, warning)


def _not_ours(record: Record, book: Book, found: Lease | None) -> Finding:
    if found is not None:
        return messages.other_portfolio(found.lease, found.portfolio, book.portfolio)
    if record.target_kind == "I":
        return messages.invoice_unknown(record.target, book.portfolio)
    return messages.lease_unknown(record.target, book.portfolio, book.near.get(record.target))


def _apply(record: Record, lease: Lease) -> tuple[list[Applied], int, Finding | None]:
    """Pay charge lines of the lease; gives them, what is left, and why anything is."""
    lines = lease.lines
    while lease.first < len(lines) and not lines[lease.first].open_cents:
        lease.first += 1
    if lease.first == len(lines):
        return [], record.amount_cents, messages.no_open_invoice(lease.lease)
    oldest = lines[lease.first]
    if record.target_kind == "L" and record.due_date is None and oldest.open_cents >= record.amount_cents:
        oldest.open_cents -= record.amount_cents  # most lines of a file
        return [(oldest, record.amount_cents)], 0, None
    order: Iterable[OpenLine] = (lines[n] for n in range(lease.first, len(lines)))
    if record.target_kind == "I":
        named = [line for line in lines if line.invoice == record.target]
        order = chain(named, order)
    elif record.due_date is not None:
        named = [line for line in lines if line.due_date == record.due_date and line.open_cents]
        if not named:
            return [], record.amount_cents, messages.due_date_not_open(lease.lease, record.due_date)
        order = chain(named, order)
    applied, rest = pay(order, record.amount_cents)
    return applied, rest, messages.money_left(lease.lease, rest) if rest else None


def pay(lines: Iterable[OpenLine], cents: int) -> tuple[list[Applied], int]:
    """Spread ``cents`` over open lines in the order given; gives (line, cents) pairs and what is left over."""
    applied = []
    for line in lines:
        part = min(cents, line.open_cents)
        if part:
            line.open_cents -= part
            cents -= part
            applied.append((line, part))
            if not cents:
                break
    return applied, cents


def _too_much(record: Record, lease: Lease, rules: PaymentSettings) -> Finding | None:
    if not lease.normal_cents or record.amount_cents <= rules.warn_times_normal * lease.normal_cents:
        return None
    return messages.over_normal(record.amount_cents, rules.warn_times_normal, lease.normal_cents)
