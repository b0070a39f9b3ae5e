"""What reversing needs of the ledger, read at once for all batches a chunk of records names and all that may move
with them: the later live batches of the same leases, and the charge lines of those leases that are open or paid by
one of these batches. Deciding changes these facts in memory, so that a record sees what those before it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.ledger import payments
from gateway.ledger.chart import CLEARING
from gateway.ledger.database import Database
from gateway.ledger.payments import Accounts, EscrowKey, LineKey, OpenLine
from gateway.ledger.units import Leg, Side
from gateway.settings_portfolio import PortfolioSettings

DEFERRAL_FEE = "DEF FEE"
"""In place of an invoice: a deferral fee received as cash, which opens no receivable when it is taken back."""

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
    """A suspense item that a batch made. ``reason``: the code why; ``named``: the invoice received with it."""

    item: int
    remaining_cents: int
    reason: str
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
    posted: int  # rises with every posting; 0 for what was loaded
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
        first = self.lines[0].lease if self.lines else None
        return first if all(line.lease == first for line in self.lines) else None

    @property
    def entries(self) -> list[Entry]:
        return list(dict.fromkeys(line.entry for line in self.lines))

    @property
    def standing(self) -> tuple[str, int, str, str]:
        """The order in which batches are re-applied: by effective date, of one date as they were entered. Only what was
        loaded has a time of its own; that of a posting is the hour in UTC, and may be of a day after its effective date."""
        return self.effective_date, self.posted, self.effective_time, self.batch


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
    leases: Mapping[str, payments.Lease]  # with charge lines, in the order money pays them
    invoices: Mapping[str, payments.Invoice]
    near: Mapping[str, str]
    batches: Mapping[str, Batch]  # named
    of_lease: Mapping[str, Sequence[Batch]]  # those all of one lease, in the order of re-application
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
    batches, paid = _batches(db, connection, named)
    _name_former(db, connection, batches, {r.batch for r in records if r.target_kind == "I"})
    names = {r.target for r in records if r.target_kind == "L"}
    known = names | {invoice.lease for invoice in invoices.values()}
    known |= {line.lease for batch in batches.values() for line in batch.lines if line.lease is not None}
    leases = payments.load_leases(
        db, connection, known, accounts=standing.accounts, charges=standing.charges, paid=paid
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
        charge_lines={(n.invoice, n.charge, n.asset): n for lease in leases.values() for n in lease.lines},
        escrow_charges=escrow_charges,
        escrow=payments.escrow_balances(db, connection, leases) if escrow_charges else {},
    )


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


_BATCH = Table("reversal_batch", MetaData(), Column("name"))
# The named batches, and the live ones of their leases from the effective date of the earliest named one on. Those that
# turn out to pay several leases, or to be of another portfolio, are left alone when it is decided.
_MOVING = """
INSERT INTO reversal_batch (name)
SELECT name FROM touched
UNION
SELECT b.batch FROM (
    SELECT p.lease, MIN(b.effective_date) AS since FROM touched t CROSS JOIN payment_batch b CROSS JOIN payment_line p
    WHERE b.batch = t.name AND b.state || '' <> 'REVERSED'
        AND p.batch = b.batch AND p.state || '' <> 'REVERSED' AND p.lease IS NOT NULL
    GROUP BY p.lease
) s CROSS JOIN payment_line p CROSS JOIN payment_batch b
WHERE p.lease = s.lease AND p.state || '' <> 'REVERSED'
    AND b.batch = p.batch AND b.state || '' <> 'REVERSED' AND b.effective_date >= s.since
ORDER BY 1
"""
_HEADERS = """
SELECT b.batch, b.portfolio, b.check_no, b.cash_account, b.state, b.effective_date, b.effective_time,
    CASE u.kind WHEN 'OPENING' THEN 0 ELSE u.unit_id END,
    (SELECT MAX(p.line) FROM payment_line p WHERE p.batch = b.batch)
FROM reversal_batch t CROSS JOIN payment_batch b CROSS JOIN posting_unit u WHERE b.batch = t.name AND u.unit_id = b.unit_id
"""
# With the entry and, where it has no more, its two legs; with the charge line where that is paid in full.
_LINES = """
SELECT p.batch, p.line, p.lease, p.invoice, p.charge, p.asset, p.amount_cents, p.suspense_item, i.remaining_cents, i.reason, i.invoice,
    v.due_date, r.position, e.entry_id, e.office_id, e.lease, e.invoice, e.asset,
    one.account_id, one.side, one.amount_cents, two.account_id, two.side, two.amount_cents, more.line
FROM reversal_batch t CROSS JOIN payment_line p CROSS JOIN journal_entry e
CROSS JOIN journal_line one CROSS JOIN journal_line two
LEFT JOIN journal_line more ON more.entry_id = p.entry_id AND more.line = 3
LEFT JOIN suspense_item i ON i.item = p.suspense_item
LEFT JOIN receivable r ON r.invoice = p.invoice AND r.charge = p.charge AND r.asset = p.asset
    AND r.paid_cents = r.billed_cents
LEFT JOIN invoice v ON v.invoice = r.invoice
WHERE p.batch = t.name AND p.state || '' <> 'REVERSED' AND e.entry_id = p.entry_id
    AND one.entry_id = p.entry_id AND one.line = 1 AND two.entry_id = p.entry_id AND two.line = 2
"""


def _batches(
    db: Database, connection: Connection, named: Iterable[str]
) -> tuple[dict[str, Batch], set[payments.Charged]]:
    """The named batches that exist and the live ones that may move with them, with live lines and their entries; the
    charge lines that these pay and that are paid in full: taking a batch back opens them."""
    payments.touch(db, connection, named)
    db.scratch(connection, _BATCH.name, "name TEXT")
    connection.execute(text(_MOVING))
    found = {
        name: Batch(name, owner, check_no, account, state == "REVERSED", day, time, posted, last or 0)
        for name, owner, check_no, account, state, day, time, posted, last in db.fetch(connection, _HEADERS)
    }
    entries: dict[int, Entry] = {}
    long: list[int] = []
    paid: set[payments.Charged] = set()
    for row in db.fetch(connection, _LINES):
        (
            name,
            number,
            lease,
            invoice,
            charge,
            asset,
            cents,
            item,
            unspent,
            why,
            named_,
            due_date,
            position,
            entry_id,
            *of_entry,
        ) = row
        entry = entries.get(entry_id)
        if entry is None:
            office, *keys, one, one_side, one_cents, two, two_side, two_cents, third = of_entry
            entry = entries[entry_id] = Entry(entry_id, office, *keys)
            if third is None:
                entry.legs = [(one, one_side, one_cents), (two, two_side, two_cents)]
            else:
                long.append(entry_id)
        held = None if item is None else Item(item, unspent, why, named_)
        found[name].lines.append(Line(number, lease, invoice, charge, asset, cents, entry, held))
        if position is not None:
            paid.add((lease, invoice, due_date, charge, asset, 0, position))
    for batch in found.values():
        if len(batch.lines) > 1:
            batch.lines.sort(key=lambda line: line.line)
    _load_legs(db, connection, [entries[entry_id] for entry_id in long])
    return found, paid


def _load_legs(db: Database, connection: Connection, entries: Iterable[Entry]) -> None:
    """Of entries that have more than two."""
    known = {entry.entry_id: entry for entry in entries}
    if not known:
        return
    db.scratch(connection, _ENTRY.name, "entry_id BIGINT")
    db.bulk_insert(connection, _ENTRY, ("entry_id",), ((entry_id,) for entry_id in sorted(known)))
    legs = db.fetch(
        connection,
        "SELECT l.entry_id, l.account_id, l.side, l.amount_cents FROM reversal_entry t CROSS JOIN journal_line l "
        "WHERE l.entry_id = t.entry_id ORDER BY l.entry_id, l.line",
    )
    for entry_id, account, side, cents in legs:
        known[entry_id].legs.append((account, side, cents))


def _name_former(db: Database, connection: Connection, batches: Mapping[str, Batch], named: Iterable[str]) -> None:
    payments.touch(db, connection, named)
    rows = db.fetch(
        connection,
        "SELECT DISTINCT p.batch, COALESCE(p.invoice, i.invoice) FROM touched t CROSS JOIN payment_line p "
        "LEFT JOIN suspense_item i ON i.item = p.suspense_item WHERE p.batch = t.name AND p.state || '' <> 'APPLIED'",
    )
    for name, invoice in rows:
        if invoice is not None:
            batches[name].former.add(invoice)


def swapped(side: Side) -> Side:
    return "C" if side == "D" else "D"
