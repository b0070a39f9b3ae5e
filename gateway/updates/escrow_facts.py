"""U0409: what deciding escrow disbursements needs of the ledger, loaded for a block of lines at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.ledger import payments
from gateway.ledger.chart import recurring_number
from gateway.ledger.database import Database


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


CheckKey = tuple[str, str, str]
"""(portfolio, bank, check number)"""


@dataclass(slots=True)
class Facts:
    """What is known so far; ``balances`` and ``checks`` also hold what this file has done to them."""

    leases: dict[str, Lease | None] = field(default_factory=dict)  # None: the ledger has no such lease
    near: dict[str, str] = field(default_factory=dict)
    assets: dict[str, str | None] = field(default_factory=dict)  # asset -> its lease; missing: unknown
    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    checks: set[CheckKey] = field(default_factory=set)
    charts: dict[str, Chart] = field(default_factory=dict)

    def load(self, db: Database, connection: Connection, lines: Sequence[Line]) -> None:
        """Add the leases these lines name; assets and checks are those of this block only."""
        self._load_leases(db, connection, {line.lease for line in lines} - self.leases.keys())
        self.assets = _assets(db, connection, {line.asset for line in lines if line.asset})
        self.checks = _checks(db, connection, {line.check_no for line in lines if line.check_no})

    def _load_leases(self, db: Database, connection: Connection, names: set[str]) -> None:
        payments.touch(db, connection, names)
        rows = connection.execute(
            text(
                "SELECT l.lease, l.office_id, l.portfolio, o.company, o.region, o.office FROM touched t "
                "CROSS JOIN lease l CROSS JOIN office o WHERE l.lease = t.name AND o.office_id = l.office_id"
            )
        )
        found = {row[0]: Lease(row[1], row[2], "/".join(row[3:])) for row in rows.all()}
        self.leases |= {name: found.get(name) for name in names}
        balances = connection.execute(
            text(
                "SELECT e.lease, e.charge, e.balance_cents FROM touched t CROSS JOIN escrow_balance e "
                "WHERE e.lease = t.name"
            )
        )
        self.balances |= {(lease, charge): cents for lease, charge, cents in balances.all()}
        self.near |= payments.near_leases(db, connection, sorted(names - found.keys()))
        for portfolio in {lease.portfolio for lease in found.values()} - self.charts.keys():
            self.charts[portfolio] = _chart(connection, portfolio)


def _chart(connection: Connection, portfolio: str) -> Chart:
    rows = connection.execute(
        text("SELECT code, income_purpose FROM charge WHERE portfolio = :p AND type = 'E' AND used = 'Y'"),
        {"p": portfolio},
    )
    numbered = sorted((number, code, purpose) for code, purpose in rows if (number := recurring_number(code)))
    return Chart(tuple((code, purpose) for _, code, purpose in numbered), payments.load_accounts(connection, portfolio))


def _assets(db: Database, connection: Connection, names: Iterable[str]) -> dict[str, str | None]:
    payments.touch(db, connection, names)
    rows = connection.execute(text("SELECT a.asset, a.lease FROM touched t CROSS JOIN asset a WHERE a.asset = t.name"))
    return {row.asset: row.lease for row in rows.all()}


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
    rows = connection.execute(
        text(
            "SELECT b.portfolio, b.bank, b.check_no FROM escrow_check c CROSS JOIN bank_check b "
            "WHERE b.portfolio = c.portfolio AND b.check_no = c.check_no"
        )
    )
    return {(portfolio, bank, number) for portfolio, bank, number in rows.all()}
