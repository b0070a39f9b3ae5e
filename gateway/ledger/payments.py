"""What paying and reversing need of the ledger, read for many leases at once, and the bulk writing of what changed.

``load_leases`` gives every touched lease with its open charge lines in the order money pays them, each with the
accounts of its office already found, so that deciding a line of a file asks the database nothing.

Escrow: the balance of an escrow charge (type E) is the ledger balance of its ``ASSMT INC/PAY - x`` account by lease.
It therefore rises with every credit to that account and falls with every debit, and with nothing else. An accrual
escrow charge is credited when it is assessed, so its payment leaves the balance alone; a cash basis one is
credited when it is paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.errors import LedgerError
from gateway.ledger import schema
from gateway.ledger.accounts import accounts as accounts_by_purpose
from gateway.ledger.chart import ASSESSED_FEES, CASH_VECTORS, CLEARING_ACCOUNT, cash_purpose
from gateway.ledger.database import Database
from gateway.ledger.hierarchy import rank

SESSION_COUNTER = "payment-session"
"""The counter of payment sessions, and the lock of all batch numbers."""
LineKey = tuple[str, str, str]
"""(invoice, charge, asset) of a charge line."""
EscrowKey = tuple[str, str]
"""(lease, charge) of an escrow balance."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts of a portfolio by office and purpose; those of cash also by office and vector, or CLR."""

    portfolio: str
    by_purpose: Mapping[tuple[int, str], int]
    by_vector: Mapping[tuple[int, str], int]

    def find(self, office_id: int, purpose: str) -> int | None:
        return self.by_purpose.get((office_id, purpose))

    def need(self, office_id: int, purpose: str) -> int:
        account = self.by_purpose.get((office_id, purpose))
        if account is None:
            raise LedgerError(
                f"posting in office {office_id} of portfolio {self.portfolio}: found no account for {purpose}, "
                "expected one; load it with gl_accounts.csv"
            )
        return account

    def cash(self, office_id: int, account: str) -> int | None:
        """Account of a cash vector, or of CLR; None when the office's chart has none, or it is neither."""
        return self.by_vector.get((office_id, account))


@dataclass(frozen=True, slots=True)
class Charge:
    basis: str
    type: str
    payment_order: int
    priority: str
    receivable_purpose: str
    income_purpose: str

    @property
    def is_cash_basis(self) -> bool:
        return self.basis == "C"

    @property
    def is_escrow_when_paid(self) -> bool:
        """Its payment, not its assessment, credits the escrow payable."""
        return self.type == "E" and self.basis == "C"

    @property
    def is_escrow_when_assessed(self) -> bool:
        return self.type == "E" and self.basis == "A"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a charge is paid in an office: the accounts, and where it stands in the hierarchy."""

    receivable: int  # account
    income: tuple[int, int] | None  # cash basis: (ASSESSED FEES, ASSMT INC/PAY - x) accounts
    is_escrow: bool  # paying it raises the escrow balance
    payment_order: int
    priority: str


@dataclass(slots=True)
class OpenLine:
    """A charge line with money open; ``open_cents`` falls as it is paid in memory."""

    invoice: str
    due_date: str
    charge: str
    asset: str
    open_cents: int
    position: int
    terms: Terms

    def standing(self) -> tuple[object, ...]:
        """Sort key: oldest due invoice first, within it the hierarchy."""
        order = rank(self.terms.payment_order, self.terms.priority, self.position)
        return self.due_date, len(self.invoice), self.invoice, order, self.position


@dataclass(slots=True)
class Lease:
    """A lease with its open lines: oldest due invoice first, within it the hierarchy. ``first`` skips paid ones."""

    lease: str
    office_id: int
    portfolio: str
    lessee: str
    status: str
    normal_cents: int | None
    accrual_method: str  # upper case, '' where it has none
    lines: list[OpenLine] = field(default_factory=list)
    first: int = 0


Charged = tuple[str, str, str, str, str, int, int]
"""(lease, invoice, due date, charge, asset, open cents, position) of a charge line."""


class Invoice(NamedTuple):
    lease: str
    due_date: str


_TOUCHED = Table("touched", MetaData(), Column("name"))


def load_accounts(connection: Connection, portfolio: str) -> Accounts:
    known = accounts_by_purpose(connection, portfolio)
    cash = {cash_purpose(vector): vector for vector in (*CASH_VECTORS, CLEARING_ACCOUNT)}
    by_vector = {(office, cash[purpose]): account for (office, purpose), account in known.items() if purpose in cash}
    return Accounts(portfolio, known, by_vector)


def load_charges(connection: Connection, portfolio: str) -> dict[str, Charge]:
    rows = connection.execute(
        text(
            "SELECT code, basis, type, payment_order, priority, receivable_purpose, income_purpose "
            "FROM charge WHERE portfolio = :p"
        ),
        {"p": portfolio},
    )
    return {code: Charge(*rest) for code, *rest in rows}


def hold_batch_numbers(db: Database, connection: Connection) -> None:
    """Hold the batch numbers of all portfolios until the transaction ends: what is then looked up of them stays true.
    Two gateways that are sent one number for two portfolios would else find out when they write it. Taken after the
    portfolios, by everyone who makes batches."""
    db.lock(connection, f"counter:{SESSION_COUNTER}")


def touch(db: Database, connection: Connection, names: Iterable[str]) -> None:
    """The names (each once) the next look-up joins with, in the scratch table ``touched``: in order, as the tables it
    joins have them."""
    db.scratch(connection, _TOUCHED.name, "name TEXT")
    db.bulk_insert(connection, _TOUCHED, ("name",), ((name,) for name in sorted(names)))


def load_invoices(db: Database, connection: Connection, invoices: Iterable[str]) -> dict[str, Invoice]:
    """The invoices of these numbers that exist, of any portfolio, open or paid."""
    touch(db, connection, invoices)
    rows = db.fetch(
        connection, "SELECT i.invoice, i.lease, i.due_date FROM touched t CROSS JOIN invoice i WHERE i.invoice = t.name"
    )
    return {invoice: Invoice(lease, due) for invoice, lease, due in rows}


def load_leases(
    db: Database,
    connection: Connection,
    leases: Iterable[str],
    *,
    accounts: Accounts,
    charges: Mapping[str, Charge],
    paid: Iterable[Charged] = (),
) -> dict[str, Lease]:
    """The leases of these numbers that exist; those of the accounts' portfolio with their open charge lines, and those of
    ``paid``, which are paid in full and of these leases."""
    touch(db, connection, leases)
    rows = db.fetch(
        connection,
        "SELECT l.lease, l.office_id, l.portfolio, l.lessee, l.status, l.normal_payment_cents, "
        "UPPER(COALESCE(l.accrual_method, '')) FROM touched t CROSS JOIN lease l WHERE l.lease = t.name",
    )
    found = {row[0]: Lease(*row) for row in rows}
    lines = db.fetch(
        connection,
        "SELECT i.lease, i.invoice, i.due_date, r.charge, r.asset, r.billed_cents - r.paid_cents, r.position "
        "FROM touched t CROSS JOIN invoice i CROSS JOIN receivable r "
        "WHERE i.lease = t.name AND r.invoice = i.invoice AND r.paid_cents < r.billed_cents",
    )
    _add_lines(found, chain(lines, paid), accounts, charges)
    return found


def _add_lines(
    leases: Mapping[str, Lease], lines: Iterable[Charged], accounts: Accounts, charges: Mapping[str, Charge]
) -> None:
    """Charge lines to their leases, where those are of the portfolio, each lease's put in the order money pays them."""
    known: dict[tuple[int, str], Terms] = {}
    for lease, invoice, due_date, code, asset, open_cents, position in lines:
        owner = leases[lease]
        if owner.portfolio != accounts.portfolio:
            continue
        terms = known.get((owner.office_id, code))
        if terms is None:
            terms = known[owner.office_id, code] = _terms(owner.office_id, code, accounts, charges)
        owner.lines.append(OpenLine(invoice, due_date, code, asset, open_cents, position, terms))
    for owner in leases.values():
        if len(owner.lines) > 1:
            owner.lines.sort(key=OpenLine.standing)


def _terms(office_id: int, code: str, accounts: Accounts, charges: Mapping[str, Charge]) -> Terms:
    charge = charges.get(code)
    if charge is None:
        raise LedgerError(
            f"paying {code} in portfolio {accounts.portfolio}: found no such charge, expected it in charges.csv"
        )
    income = None
    if charge.is_cash_basis:
        income = accounts.need(office_id, ASSESSED_FEES), accounts.need(office_id, charge.income_purpose)
    return Terms(
        receivable=accounts.need(office_id, charge.receivable_purpose),
        income=income,
        is_escrow=charge.is_escrow_when_paid,
        payment_order=charge.payment_order,
        priority=charge.priority,
    )


def near_leases(db: Database, connection: Connection, unknown: Iterable[str], *, width: int = 10) -> dict[str, str]:
    """For a lease that does not exist, the one that differs from it in leading zeros only, if there is one."""
    variants: dict[str, str] = {}
    for name in unknown:
        bare = name.lstrip("0")
        variants |= {"0" * zeros + bare: name for zeros in range(width - len(bare) + 1) if bare}
    if not variants:
        return {}
    touch(db, connection, variants)
    rows = connection.execute(
        text("SELECT l.lease FROM touched t CROSS JOIN lease l WHERE l.lease = t.name ORDER BY l.lease DESC")
    )
    return {variants[lease]: lease for (lease,) in rows}


# --- writing ------------------------------------------------------------------------------------------------------

_ESCROW = Table("escrow_change", MetaData(), *map(Column, ("lease", "charge", "cents")))


def change_paid(db: Database, connection: Connection, changes: Mapping[LineKey, int]) -> None:
    """Raise (or, negative, lower) what is paid of these charge lines; the database refuses to leave 0..billed."""
    _change_lines(db, connection, changes, "paid_cents = paid_cents + {}", "paying")


def change_billed(db: Database, connection: Connection, changes: Mapping[LineKey, int]) -> None:
    """Lower (negative) or raise what is billed of these charge lines; the database refuses less than is paid."""
    _change_lines(db, connection, changes, "billed_cents = billed_cents + {}", "billing")


def _change_lines(
    db: Database, connection: Connection, changes: Mapping[LineKey, int], assign: str, doing: str
) -> None:
    rows = [(cents, *key) for key, cents in changes.items()]
    changed = db.bulk_update(connection, schema.receivable, assign, ("invoice", "charge", "asset"), rows)
    if changed != len(changes):
        raise LedgerError(f"{doing} {len(changes)} charge lines: found {changed} of them, expected all")


def change_escrow(db: Database, connection: Connection, changes: Mapping[EscrowKey, int]) -> None:
    """Raise or lower escrow balances; a charge without one yet gets it."""
    if not changes:
        return
    db.scratch(connection, _ESCROW.name, "lease TEXT, charge TEXT, cents BIGINT, PRIMARY KEY (lease, charge)")
    rows = ((*key, cents) for key, cents in changes.items())
    db.bulk_insert(connection, _ESCROW, ("lease", "charge", "cents"), rows)
    connection.execute(
        text(
            "INSERT INTO escrow_balance (lease, charge, balance_cents) "
            "SELECT lease, charge, cents FROM escrow_change WHERE true "
            "ON CONFLICT (lease, charge) DO UPDATE "
            "SET balance_cents = escrow_balance.balance_cents + excluded.balance_cents"
        )
    )


def escrow_balances(db: Database, connection: Connection, leases: Iterable[str]) -> dict[EscrowKey, int]:
    touch(db, connection, leases)
    rows = connection.execute(
        text(
            "SELECT e.lease, e.charge, e.balance_cents FROM touched t CROSS JOIN escrow_balance e WHERE e.lease = t.name"
        )
    )
    return {(lease, charge): cents for lease, charge, cents in rows}
