"""What reversing needs of the ledger, read for all batches a chunk of a file names at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from gateway.ledger import payments
from gateway.ledger.chart import CLEARING
from gateway.ledger.payments import Accounts, EscrowKey
from gateway.ledger.units import Leg, Side
from gateway.updates.base import PostingContext


class Record(NamedTuple):
    """A staged line."""

    line_no: int
    target_kind: str  # I or L
    target: str
    amount_cents: int
    batch: str
    reason: str | None
    check_no: str | None
    effective_date: str | None
    bank: str | None


class Line(NamedTuple):
    """A live line of a batch. ``item`` is its suspense item, ``named`` the invoice received with it."""

    line: int
    lease: str | None
    invoice: str | None
    charge: str | None
    asset: str
    amount_cents: int
    entry_id: int
    item: int | None
    remaining_cents: int | None
    named: str | None


@dataclass(slots=True)
class Entry:
    """The entry behind one or more lines, to be swapped."""

    entry_id: int
    office_id: int
    lease: str | None
    invoice: str | None
    asset: str | None
    legs: dict[int, Leg] = field(default_factory=dict)  # by line


@dataclass(slots=True)
class Batch:
    """A payment batch with its live lines. ``is_reversed`` turns as records of the file are decided."""

    batch: str
    portfolio: str
    check_no: str | None
    cash_account: str
    is_reversed: bool
    lines: list[Line] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)

    @property
    def total_cents(self) -> int:
        """Live lines, those in suspense by what is unspent."""
        return sum(n.amount_cents if n.remaining_cents is None else n.remaining_cents for n in self.lines)

    @property
    def leases(self) -> list[str]:
        return list(dict.fromkeys(line.lease for line in self.lines if line.lease is not None))


class LeaseKey(NamedTuple):
    office_id: int
    portfolio: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one chunk."""

    portfolio: str
    business_date: str
    default_office: int
    accounts: Accounts
    default_reason: str
    default_cash: str
    banks: Mapping[str, str]  # cash account by family of reasons
    cash: frozenset[int]  # CASH accounts of every office
    clearing: frozenset[int]
    leases: Mapping[str, LeaseKey]
    invoices: Mapping[str, payments.Invoice]
    near: Mapping[str, str]
    batches: Mapping[str, Batch]
    escrow_charges: frozenset[str]  # whose payment credits the escrow payable
    escrow: dict[EscrowKey, int]  # balances, as records are decided


@dataclass(frozen=True, slots=True)
class Standing:
    """What is the same for all chunks of a file."""

    portfolio: str
    business_date: str
    default_office: int
    accounts: Accounts
    charges: Mapping[str, payments.Charge]


def load(context: PostingContext, records: Sequence[Record], standing: Standing) -> Facts:
    db, connection = context.db, context.connection
    names = {r.target for r in records if r.target_kind == "L"}
    invoices = payments.load_invoices(db, connection, {r.target for r in records if r.target_kind == "I"})
    batches = _batches(context, {r.batch for r in records})
    payments.touch(db, connection, names | {invoice.lease for invoice in invoices.values()})
    rows = db.fetch(
        connection, "SELECT l.lease, l.office_id, l.portfolio FROM touched t JOIN lease l ON l.lease = t.name"
    )
    leases = {lease: LeaseKey(*key) for lease, *key in rows}
    settings = context.settings.portfolio(standing.portfolio)
    by_purpose = standing.accounts.by_purpose
    escrow_charges = frozenset(c for c, charge in standing.charges.items() if charge.is_escrow_when_paid)
    escrow_leases = {n.lease for b in batches.values() for n in b.lines if n.charge in escrow_charges and n.lease}
    return Facts(
        portfolio=standing.portfolio,
        business_date=standing.business_date,
        default_office=standing.default_office,
        accounts=standing.accounts,
        default_reason=settings.reversals.default_reason,
        default_cash=settings.payments.default_cash,
        banks={str(family): bank for family, bank in settings.reversals.bank.items()},
        cash=frozenset(a for (_, purpose), a in by_purpose.items() if purpose.startswith("CASH ")),
        clearing=frozenset(a for (_, purpose), a in by_purpose.items() if purpose == CLEARING),
        leases=leases,
        invoices=invoices,
        near=payments.near_leases(db, connection, names - leases.keys()),
        batches=batches,
        escrow_charges=escrow_charges,
        escrow=payments.escrow_balances(db, connection, escrow_leases),
    )


def _batches(context: PostingContext, names: set[str]) -> dict[str, Batch]:
    """The batches that exist, with live lines and the entries behind them."""
    db, connection = context.db, context.connection
    payments.touch(db, connection, names)
    rows = db.fetch(
        connection,
        "SELECT b.batch, b.portfolio, b.check_no, b.cash_account, b.state "
        "FROM touched t JOIN payment_batch b ON b.batch = t.name",
    )
    found = {row[0]: Batch(row[0], row[1], row[2], row[3], row[4] == "REVERSED") for row in rows}
    lines = db.fetch(
        connection,
        "SELECT p.batch, p.line, p.lease, p.invoice, p.charge, p.asset, p.amount_cents, p.entry_id, "
        "p.suspense_item, i.remaining_cents, i.invoice, e.office_id, e.lease, e.invoice, e.asset "
        "FROM touched t JOIN payment_line p ON p.batch = t.name "
        "JOIN journal_entry e ON e.entry_id = p.entry_id "
        "LEFT JOIN suspense_item i ON i.item = p.suspense_item "
        "WHERE p.state = 'APPLIED'",
    )
    entries: dict[int, Entry] = {}
    for row in sorted(lines, key=itemgetter(0, 1)):
        batch, line = found[row[0]], Line._make(row[1:11])
        batch.lines.append(line)
        if line.entry_id not in batch.entries:
            entries[line.entry_id] = batch.entries[line.entry_id] = Entry(line.entry_id, *row[11:])
    legs = db.fetch(
        connection,
        "SELECT l.entry_id, l.line, l.account_id, l.side, l.amount_cents "
        "FROM touched t JOIN payment_line p ON p.batch = t.name JOIN journal_line l ON l.entry_id = p.entry_id "
        "WHERE p.state = 'APPLIED'",
    )
    for entry_id, number, *leg in legs:  # several times where payment lines share an entry
        entries[entry_id].legs[number] = (leg[0], leg[1], leg[2])
    return found


def swapped(side: Side) -> Side:
    return "C" if side == "D" else "D"
