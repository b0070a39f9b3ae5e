"""What reversing needs of the ledger, read at once for all batches a chunk of records names and all that may move
with them: the later live batches of the same leases, and the charge lines of those leases that are open or paid by
one of these batches. Deciding changes these facts in memory, so that a record sees what those before it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table

from gateway.ledger import payments
from gateway.ledger.chart import CLEARING
from gateway.ledger.database import Database
from gateway.ledger.payments import Accounts, EscrowKey, LineKey, OpenLine
from gateway.ledger.units import Leg, Side
from gateway.settings import PortfolioSettings

DEFERRAL_FEE = "DEF FEE"
"""In place of an invoice: a deferral fee received as cash, which opens no receivable when it is taken back."""

_SINCE = Table("reversal_since", MetaData(), Column("lease"), Column("since"))
_ENTRY = Table("reversal_entry", MetaData(), Column("entry_id"))


class Record(NamedTuple):
    """A staged line; ``line_no`` 0 and target kind ``B`` where a person reverses a batch by hand."""

    line_no: int
    target_kind: str  # I or L, B: none but the batch
    target: str
    amount_cents: int
    batch: str
    reason: str | None
    check_no: str | None
    effective_date: str | None
    bank: str | None


@dataclass(slots=True, eq=False)
class Entry:
    """The entry behind one or more lines, to be swapped. One that a record before makes has its number when that
    is posted."""

    entry_id: int
    office_id: int
    lease: str | None
    invoice: str | None
    asset: str | None
    legs: list[Leg] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Item:
    """A suspense item that a batch made. ``named``: the invoice received with it."""

    item: int
    remaining_cents: int
    named: str | None = None


@dataclass(slots=True, eq=False)
class Line:
    """A live line of a batch. One in suspense stands for what of its item was not applied again since; its entry may
    be of more."""

    line: int
    lease: str | None
    invoice: str | None
    charge: str | None
    asset: str
    amount_cents: int
    entry: Entry
    item: Item | None
    is_new: bool = False  # made by a record of this chunk
    reversed_by: int | None = None  # entry

    @property
    def live_cents(self) -> int:
        """What of it can still move: of suspense what is unspent."""
        return self.amount_cents if self.item is None else self.item.remaining_cents

    @property
    def key(self) -> LineKey | None:
        """The charge line it pays."""
        if self.item is not None or self.invoice is None or self.invoice == DEFERRAL_FEE or self.charge is None:
            return None
        return self.invoice, self.charge, self.asset


@dataclass(slots=True, eq=False)
class Batch:
    """A payment batch with its live lines. ``is_reversed`` turns, and lines change, as records are decided."""

    batch: str
    portfolio: str
    check_no: str | None
    cash_account: str
    is_reversed: bool
    effective_date: str
    effective_time: str
    last_line: int
    lines: list[Line] = field(default_factory=list)
    former: set[str] = field(default_factory=set)
    """Invoices that it paid, or was sent for, before it was re-applied: a sender knows no others."""

    @property
    def total_cents(self) -> int:
        """Live lines, those in suspense by what is unspent."""
        return sum(line.live_cents for line in self.lines)

    @property
    def leases(self) -> list[str]:
        return list(dict.fromkeys(line.lease for line in self.lines if line.lease is not None))

    @property
    def one_lease(self) -> str | None:
        """The lease of all its lines; None where they are of several, or one of them is of none."""
        found = {line.lease for line in self.lines}
        return found.pop() if len(found) == 1 else None

    @property
    def entries(self) -> list[Entry]:
        return list(dict.fromkeys(line.entry for line in self.lines))

    @property
    def standing(self) -> tuple[str, str, str]:
        """The order in which batches are re-applied."""
        return self.effective_date, self.effective_time, self.batch


class LeaseKey(NamedTuple):
    office_id: int
    portfolio: str
    accrual_method: str


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
    batches: Mapping[str, Batch]  # named
    of_lease: Mapping[str, Sequence[Batch]]  # those all of one lease, in the order of re-application
    books: Mapping[str, payments.Lease]  # charge lines by lease, in the order money pays them
    charge_lines: Mapping[LineKey, OpenLine]
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
    settings: PortfolioSettings


def load(db: Database, connection: Connection, records: Sequence[Record], standing: Standing) -> Facts:
    """The facts of these records, in a dozen queries whatever their number."""
    invoices = payments.load_invoices(db, connection, {r.target for r in records if r.target_kind == "I"})
    named = {record.batch for record in records}
    batches = _batches(db, connection, standing.portfolio, named)
    _name_former(db, connection, batches, {r.batch for r in records if r.target_kind == "I"})
    names = {r.target for r in records if r.target_kind == "L"}
    known = names | {invoice.lease for invoice in invoices.values()}
    known |= {line.lease for batch in batches.values() for line in batch.lines if line.lease is not None}
    leases = _leases(db, connection, known)
    books = payments.load_leases(db, connection, leases, accounts=standing.accounts, charges=standing.charges)
    payments.add_paid_lines(
        db, connection, books, batches, accounts=standing.accounts, charges=standing.charges
    )  # fmt: skip
    settings = standing.settings
    by_purpose = standing.accounts.by_purpose
    escrow_charges = frozenset(c for c, charge in standing.charges.items() if charge.is_escrow_when_paid)
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
        batches={name: batch for name, batch in batches.items() if name in named},
        of_lease=_of_lease(batches.values(), standing.portfolio),
        books=books,
        charge_lines={(n.invoice, n.charge, n.asset): n for book in books.values() for n in book.lines},
        escrow_charges=escrow_charges,
        escrow=payments.escrow_balances(db, connection, leases) if escrow_charges else {},
    )


def _leases(db: Database, connection: Connection, names: Iterable[str]) -> dict[str, LeaseKey]:
    payments.touch(db, connection, names)
    rows = db.fetch(
        connection,
        "SELECT l.lease, l.office_id, l.portfolio, UPPER(COALESCE(l.accrual_method, '')) "
        "FROM touched t JOIN lease l ON l.lease = t.name",
    )
    return {lease: LeaseKey(*key) for lease, *key in rows}


def _of_lease(batches: Iterable[Batch], portfolio: str) -> dict[str, list[Batch]]:
    """A record may name another portfolio's batch, whose money is none of ours."""
    found: dict[str, list[Batch]] = {}
    for batch in batches:
        lease = batch.one_lease
        if lease is not None and batch.portfolio == portfolio and not batch.is_reversed:
            found.setdefault(lease, []).append(batch)
    for several in found.values():
        several.sort(key=lambda batch: batch.standing)
    return found


def _batches(db: Database, connection: Connection, portfolio: str, named: Iterable[str]) -> dict[str, Batch]:
    """The named batches that exist and the live ones that may move with them, with live lines and their entries."""
    payments.touch(db, connection, {*named, *_later(db, connection, portfolio, named)})
    rows = db.fetch(
        connection,
        "SELECT b.batch, b.portfolio, b.check_no, b.cash_account, b.state, b.effective_date, b.effective_time, "
        "(SELECT MAX(p.line) FROM payment_line p WHERE p.batch = b.batch) "
        "FROM touched t JOIN payment_batch b ON b.batch = t.name",
    )
    found = {
        name: Batch(name, owner, check_no, account, state == "REVERSED", day, time, last or 0)
        for name, owner, check_no, account, state, day, time, last in rows
    }
    lines = db.fetch(
        connection,
        "SELECT p.batch, p.line, p.lease, p.invoice, p.charge, p.asset, p.amount_cents, p.entry_id, "
        "e.office_id, e.lease, e.invoice, e.asset, p.suspense_item, i.remaining_cents, i.invoice "
        "FROM touched t JOIN payment_line p ON p.batch = t.name "
        "JOIN journal_entry e ON e.entry_id = p.entry_id "
        "LEFT JOIN suspense_item i ON i.item = p.suspense_item "
        "WHERE p.state = 'APPLIED'",
    )
    entries: dict[int, Entry] = {}
    for (
        name,
        number,
        lease,
        invoice,
        charge,
        asset,
        cents,
        entry_id,
        *entry_keys,
        item,
        unspent,
        named_,
    ) in lines:
        entry = entries.get(entry_id)
        if entry is None:
            entry = entries[entry_id] = Entry(entry_id, *entry_keys)
        held = None if item is None else Item(item, unspent, named_)
        found[name].lines.append(Line(number, lease, invoice, charge, asset, cents, entry, held))
    for batch in found.values():
        if len(batch.lines) > 1:
            batch.lines.sort(key=lambda line: line.line)
    _load_legs(db, connection, entries)
    return found


def _later(db: Database, connection: Connection, portfolio: str, named: Iterable[str]) -> list[str]:
    """Live batches of the leases of the named ones, from the effective date of the earliest named one on. Those that
    turn out to pay several leases are left alone when it is decided."""
    payments.touch(db, connection, named)
    rows = db.fetch(
        connection,
        "SELECT p.lease, MIN(b.effective_date) FROM touched t JOIN payment_batch b ON b.batch = t.name "
        "JOIN payment_line p ON p.batch = b.batch "
        "WHERE b.state = 'LIVE' AND b.portfolio = :p AND p.state = 'APPLIED' AND p.lease IS NOT NULL GROUP BY p.lease",
        p=portfolio,
    )
    db.scratch(connection, _SINCE.name, "lease TEXT PRIMARY KEY, since TEXT NOT NULL")
    db.bulk_insert(connection, _SINCE, ("lease", "since"), rows)
    found = db.fetch(
        connection,
        "SELECT DISTINCT b.batch FROM reversal_since t JOIN payment_line p ON p.lease = t.lease "
        "JOIN payment_batch b ON b.batch = p.batch "
        "WHERE p.state = 'APPLIED' AND b.state = 'LIVE' AND b.portfolio = :p AND b.effective_date >= t.since",
        p=portfolio,
    )
    return [name for (name,) in found]


def _load_legs(db: Database, connection: Connection, entries: Mapping[int, Entry]) -> None:
    db.scratch(connection, _ENTRY.name, "entry_id BIGINT PRIMARY KEY")
    db.bulk_insert(connection, _ENTRY, ("entry_id",), ((entry_id,) for entry_id in entries))
    legs = db.fetch(
        connection,
        "SELECT l.entry_id, l.account_id, l.side, l.amount_cents "
        "FROM reversal_entry t JOIN journal_line l ON l.entry_id = t.entry_id ORDER BY t.entry_id, l.line",
    )
    for entry_id, *leg in legs:
        entries[entry_id].legs.append((leg[0], leg[1], leg[2]))


def _name_former(db: Database, connection: Connection, batches: Mapping[str, Batch], named: Iterable[str]) -> None:
    payments.touch(db, connection, named)
    rows = db.fetch(
        connection,
        "SELECT DISTINCT p.batch, COALESCE(p.invoice, i.invoice) FROM touched t JOIN payment_line p ON p.batch = t.name "
        "LEFT JOIN suspense_item i ON i.item = p.suspense_item WHERE p.state = 'REVERSED'",
    )
    for name, invoice in rows:
        if invoice is not None:
            batches[name].former.add(invoice)


def swapped(side: Side) -> Side:
    return "C" if side == "D" else "D"
