"""What to do with one reversal line: a plain function of the line and the facts.

In order: lease or invoice known and of the portfolio; batch known; live; paying that lease or invoice; nothing of its
suspense spent; the amount all of it; the check; the bank. A batch that is already reversed or whose suspense was
spent is refused. Every other failure leaves the batch alone and becomes a Reversal Suspense item: the bank has
moved the money whether we found its payment or not. That holds for a lease of another portfolio too.

``Reverse`` says which batch is taken back, and what ``reversal_reapply`` moves with it: nothing for a batch of several
leases, for reason ``TRAN`` and for an interest-bearing loan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.ledger.chart import CASH_VECTORS, CLEARING, CLEARING_ACCOUNT, cash_purpose
from gateway.ledger.payments import EscrowKey, Lease
from gateway.updates import reversal_messages as messages
from gateway.updates.payment_messages import Finding
from gateway.updates.reversal_facts import Batch, Facts, Line, Record
from gateway.updates.reversal_reapply import Moved, away, move_later, reopen

TRANSFER = "T"
"""The family whose money stays: credits of cash become suspense that awaits a target."""
NSF = "N"
NO_REAPPLICATION = "TRAN"
INTEREST_BEARING = "IBL"
"""The accrual method of a loan: its payments stay where they are."""


@dataclass(frozen=True, slots=True)
class Reverse:
    """Take the batch back whole. ``cash`` names the account by office that gives the money, where it is not the
    batch's own."""

    record: Record
    batch: Batch
    lines: list[Line]
    reason: str
    cash: Mapping[int, int]
    moved: list[Moved]
    escrow: Mapping[EscrowKey, int]  # by how much balances change
    warnings: list[tuple[Finding, int]]  # cents

    @property
    def family(self) -> str:
        return self.reason[0]


@dataclass(frozen=True, slots=True)
class Fail:
    """Leave the batch alone; the money is in Reversal Suspense of the office, from this cash account."""

    record: Record
    office_id: int
    lease: str | None  # as known, else as received
    cash: int
    why: Finding


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do nothing."""

    record: Record
    why: Finding


Decision = Reverse | Fail | Refuse


def decide(record: Record, facts: Facts) -> Decision:
    """Decide the next line of a file; a batch that it reverses is marked so in the facts."""
    reason = record.reason or facts.default_reason
    batch = facts.batches.get(record.batch)
    lease = _lease(record, facts)
    why = _strange_lease(record, lease, batch, facts)
    if why is not None:
        return _fail(record, facts, reason, batch, why)
    if batch is None or batch.portfolio != facts.portfolio:
        return _fail(record, facts, reason, None, messages.batch_unknown(record.batch, facts.portfolio))
    if batch.is_reversed:
        return Refuse(record, messages.batch_reversed(batch.batch))
    if not _pays(batch, record):
        named = "lease" if record.target_kind == "L" else "invoice"
        return _fail(record, facts, reason, batch, messages.not_in_batch(named, record.target, batch.batch))
    for line in batch.lines:
        item = line.item
        if item is not None and item.remaining_cents != line.amount_cents:
            spent = line.amount_cents - item.remaining_cents
            return Refuse(record, messages.suspense_spent(batch.batch, item.item, spent))
    if record.amount_cents != batch.total_cents:
        why = messages.amount_differs(record.amount_cents, batch.total_cents, batch.batch)
    elif record.check_no is not None and record.check_no != batch.check_no:
        why = messages.check_differs(record.check_no, batch.check_no, batch.batch)
    bank = record.bank or facts.banks.get(reason[0])
    cash: dict[int, int] = {}
    if bank is not None:
        found = {e.office_id: facts.accounts.cash(e.office_id, bank) for e in batch.entries}
        cash = {office: account for office, account in found.items() if account is not None}
        if why is None and (bank not in CASH_VECTORS or len(cash) < len(found)):
            why = messages.bank_unknown(bank)
    if why is not None:
        return _fail(record, facts, reason, batch, why)
    return _reverse(record, batch, reason, cash, facts)


def _reverse(record: Record, batch: Batch, reason: str, cash: Mapping[int, int], facts: Facts) -> Reverse:
    batch.is_reversed = True
    escrow: Counter[EscrowKey] = Counter()
    moved: list[Moved] = []
    warnings: list[tuple[Finding, int]] = []
    if record.bank is not None and (unmoved := _moves_no_cash(batch, reason)) is not None:
        warnings.append((messages.bank_not_used(record.bank, batch.batch, unmoved), record.amount_cents))
    reopen(batch.lines, facts, escrow)
    lease = batch.one_lease
    if reason != NO_REAPPLICATION:
        if lease is None and len(batch.lines) > 1:
            warnings.append((messages.multiple_leases(batch.batch), record.amount_cents))
        elif (known := facts.leases.get(lease or "")) is not None and _moves_others(known, facts):
            moved = move_later(batch, known.lease, facts, escrow)
            warnings += _about_suspense(batch, known.lease, moved, facts)
    for key, cents in escrow.items():
        facts.escrow[key] = facts.escrow.get(key, 0) + cents
        if cents < 0 and facts.escrow[key] < 0:
            warnings.append((messages.escrow_negative(*key, facts.escrow[key]), -cents))
    return Reverse(record, batch, batch.lines, reason, cash, moved, escrow, warnings)


def _moves_no_cash(batch: Batch, reason: str) -> str | None:
    """Why its reversal takes nothing from a bank, in words."""
    if reason[0] == TRANSFER:
        return f"whose money stays here to be placed again (family {TRANSFER})"
    return "which was a payment without cash" if batch.cash_account == CLEARING_ACCOUNT else None


def _moves_others(lease: Lease, facts: Facts) -> bool:
    return lease.accrual_method != INTEREST_BEARING and lease.portfolio == facts.portfolio


def _about_suspense(batch: Batch, lease: str, moved: Sequence[Moved], facts: Facts) -> Iterator[tuple[Finding, int]]:
    for each in moved:
        for item, cents in each.held_back:
            yield messages.reapplied_suspense(each.batch.batch, item.item, item.reason, cents), cents
    for later, item in away(batch, lease, facts):
        yield messages.other_office(later.batch, item.item, lease, item.remaining_cents), item.remaining_cents


def _lease(record: Record, facts: Facts) -> str | None:
    """The lease that the record names, itself or by its invoice; by hand, the batch's first."""
    if record.target_kind == "B":
        batch = facts.batches.get(record.batch)
        return next((lease for lease in batch.leases if lease in facts.leases), None) if batch is not None else None
    if record.target_kind == "L":
        return record.target if record.target in facts.leases else None
    invoice = facts.invoices.get(record.target)
    return invoice.lease if invoice is not None else None


def _strange_lease(record: Record, lease: str | None, batch: Batch | None, facts: Facts) -> Finding | None:
    if record.target_kind == "B":
        return None
    owner = facts.leases[lease].portfolio if lease is not None else None
    if owner == facts.portfolio:
        return None
    is_sent_for_it = (
        batch is not None and batch.portfolio == facts.portfolio and not batch.is_reversed and _pays(batch, record)
    )
    in_batch = record.batch if is_sent_for_it else None
    if lease is not None and owner is not None:
        return messages.other_portfolio(lease, owner, facts.portfolio, in_batch)
    if record.target_kind == "I":
        return messages.invoice_unknown(record.target, facts.portfolio, in_batch)
    return messages.lease_unknown(record.target, facts.portfolio, facts.near.get(record.target), in_batch)


def _pays(batch: Batch, record: Record) -> bool:
    """Also an invoice that it paid before it was re-applied will do."""
    if record.target_kind == "L":
        return any(line.lease == record.target for line in batch.lines)
    if record.target_kind == "B" or record.target in batch.former:
        return True
    return any(record.target in (line.invoice, line.item and line.item.named) for line in batch.lines)


def _fail(record: Record, facts: Facts, reason: str, batch: Batch | None, why: Finding) -> Fail:
    lease = _lease(record, facts)
    known = facts.leases[lease] if lease is not None else None
    office = known.office_id if known is not None and known.portfolio == facts.portfolio else facts.default_office
    name = lease or (record.target if record.target_kind == "L" else None)
    return Fail(record, office, name, _cash_of_failure(record, facts, reason, batch, office), why)


def _cash_of_failure(record: Record, facts: Facts, reason: str, batch: Batch | None, office: int) -> int:
    """The bank that the line names, the family's, the batch's own, the portfolio's default; CLEARING where no cash
    moved: a payment without cash. The money of a transfer is where the batch put it; where that is not known, in the
    bank that the line names, else in CLEARING."""
    own = batch.cash_account if batch is not None and batch.portfolio == facts.portfolio else None
    is_transfer = reason[0] == TRANSFER
    if own == CLEARING_ACCOUNT or (is_transfer and own is None and record.bank is None):
        return facts.accounts.need(office, CLEARING)
    for bank in (own, record.bank) if is_transfer else (record.bank, facts.banks.get(reason[0]), own):
        if bank is not None and (account := facts.accounts.cash(office, bank)) is not None:
            return account
    return facts.accounts.need(office, cash_purpose(facts.default_cash))
