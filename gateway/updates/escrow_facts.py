"""U0409: what deciding escrow disbursements needs of the ledger, loaded for a block of lines at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.ledger import payments
from gateway.ledger.chart import recurring_number
from gateway.ledger.database import Database

TRANSACTION: Final = "ESCR"
"""Code of a disbursement: of its entries and its check's type."""


class Line(NamedTuple):
    """One staged line that still stands."""

    line_no: int
    lease: str
    disbursal_date: str
    amount_cents: int
    check_no: str | None
    payee: str | None
    address: str | None
    address2: str | None
    city: str | None
    state: str | None
    zip: str | None
    reference: str | None
    asset: str | None
    bank: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    office_id: int
    portfolio: str
    office: str  # company/region/office


@dataclass(frozen=True, slots=True)
class Chart:
    """A portfolio's escrow charges in number order, each with its purpose, and its offices' accounts."""

    escrow_charges: tuple[tuple[str, str], ...]
    accounts: payments.Accounts
    default_bank: str


Charts = Mapping[str, Chart]
"""By portfolio: those whose leases the file may name."""

CheckKey = tuple[str, str, str]
"""(portfolio, bank, check number)"""


@dataclass(slots=True)
class Facts:
    """What the ledger knows of a block of lines; ``balances`` and ``checks`` also hold what deciding did to them."""

    charts: Charts
    leases: dict[str, Lease]
    near: dict[str, str]  # a lease that does not exist -> the one that differs from it in leading zeros only
    assets: dict[str, str | None]  # asset -> its lease; missing: unknown
    balances: dict[payments.EscrowKey, int]
    checks: set[CheckKey]


def load_facts(db: Database, connection: Connection, charts: Charts, lines: Sequence[Line]) -> Facts:
    """What lies in the ledger for these lines now."""
    names = {line.lease for line in lines}
    payments.touch(db, connection, names)
    leases = {
        lease: Lease(office_id, portfolio, "/".join(office))
        for lease, office_id, portfolio, *office in db.fetch(connection, _LEASES)
    }
    balances = {(lease, charge): cents for lease, charge, cents in db.fetch(connection, _BALANCES)}
    return Facts(
        charts,
        leases,
        payments.near_leases(db, connection, sorted(names - leases.keys())),
        _assets(db, connection, {line.asset for line in lines if line.asset}),
        balances,
        _checks(db, connection, {line.check_no for line in lines if line.check_no}),
    )


_LEASES = """
SELECT l.lease, l.office_id, l.portfolio, o.company, o.region, o.office
FROM touched t CROSS JOIN lease l CROSS JOIN office o WHERE l.lease = t.name AND o.office_id = l.office_id
"""
_BALANCES = """
SELECT e.lease, e.charge, e.balance_cents FROM touched t CROSS JOIN escrow_balance e WHERE e.lease = t.name
"""


def load_chart(connection: Connection, portfolio: str, default_bank: str) -> Chart:
    rows = connection.execute(
        text("SELECT code, income_purpose FROM charge WHERE portfolio = :p AND type = 'E' AND used = 'Y'"),
        {"p": portfolio},
    )
    numbered = sorted((number, code, purpose) for code, purpose in rows if (number := recurring_number(code)))
    return Chart(
        tuple((code, purpose) for _, code, purpose in numbered),
        payments.load_accounts(connection, portfolio),
        default_bank,
    )


_DISBURSED: Final = f"""
SELECT COALESCE(SUM(CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END), 0)
FROM journal_entry e JOIN journal_line j ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id
JOIN charge c ON c.portfolio = :portfolio AND c.code = :charge AND c.income_purpose = a.purpose
WHERE e.lease = :lease AND e.txn = '{TRANSACTION}' AND COALESCE(e.corrects, e.entry_id) > :entry
"""


def disbursed_since(connection: Connection, portfolio: str, lease: str, charge: str, entry_id: int) -> int:
    """Cents of an escrow charge that disbursements posted after an entry took, less those that were taken back. What that
    entry brought is gone then; a balance below zero alone says only what the lessee owes."""
    values = {"portfolio": portfolio, "lease": lease, "charge": charge, "entry": entry_id}
    return int(connection.execute(text(_DISBURSED), values).scalar_one())


def _assets(db: Database, connection: Connection, names: Iterable[str]) -> dict[str, str | None]:
    payments.touch(db, connection, names)
    rows = db.fetch(connection, "SELECT a.asset, a.lease FROM touched t CROSS JOIN asset a WHERE a.asset = t.name")
    return dict(rows)


_PORTFOLIO_CHECK = Table("escrow_check", MetaData(), Column("portfolio"), Column("check_no"))


def _checks(db: Database, connection: Connection, numbers: Iterable[str]) -> set[CheckKey]:
    """Checks of these numbers, in whatever bank: the key begins with portfolio and number."""
    portfolios = connection.execute(text("SELECT portfolio FROM portfolio")).scalars().all()
    db.scratch(connection, "escrow_check", "portfolio TEXT, check_no TEXT, PRIMARY KEY (portfolio, check_no)")
    db.bulk_insert(
        connection,
        _PORTFOLIO_CHECK,
        ("portfolio", "check_no"),
        ((portfolio, number) for number in numbers for portfolio in portfolios),
    )
    rows = db.fetch(
        connection,
        "SELECT b.portfolio, b.bank, b.check_no FROM escrow_check c CROSS JOIN bank_check b "
        "WHERE b.portfolio = c.portfolio AND b.check_no = c.check_no",
    )
    return {(portfolio, bank, number) for portfolio, bank, number in rows}
