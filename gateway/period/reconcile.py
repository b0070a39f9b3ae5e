"""U0460: every account that has details against them. Changes nothing.

Receivables against open invoice lines, ASSESSED FEES against those of cash-basis charges, suspense against open
items, escrow against the balances by lease. CASH and ACCOUNTS PAYABLE have no open items of their own: their details
are the journal's lines, which the account's totals must equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.ledger import accounts
from gateway.ledger.accounts import Figure
from gateway.ledger.chart import ACCOUNTS_PAYABLE, ASSESSED_FEES, REVERSAL_SUSPENSE, SUSPENSE
from gateway.ledger.schema import ENTRIES_A_UNIT

Key = tuple[int, str]
"""(office_id, purpose)"""


class Comparison(NamedTuple):
    """An account and what its details add up to; both positive on the account's own side."""

    figure: Figure
    detail_cents: int

    @property
    def difference_cents(self) -> int:
        return self.figure.balance - self.detail_cents


_RECEIVABLE: Final = """
    SELECT l.office_id, {purpose}, SUM(r.billed_cents - r.paid_cents)
    FROM receivable r JOIN invoice i ON i.invoice = r.invoice JOIN lease l ON l.lease = i.lease
    JOIN charge c ON c.portfolio = l.portfolio AND c.code = r.charge
    WHERE l.portfolio = :p {basis} GROUP BY l.office_id, {purpose}
"""
_SUSPENSE: Final = f"""
    SELECT office_id, CASE kind WHEN 'SUSPENSE' THEN '{SUSPENSE}' ELSE '{REVERSAL_SUSPENSE}' END, SUM(remaining_cents)
    FROM suspense_item WHERE portfolio = :p GROUP BY office_id, kind
"""
_ESCROW: Final = """
    SELECT l.office_id, c.income_purpose, SUM(b.balance_cents)
    FROM escrow_balance b JOIN lease l ON l.lease = b.lease
    JOIN charge c ON c.portfolio = l.portfolio AND c.code = b.charge
    WHERE l.portfolio = :p AND c.type = 'E' GROUP BY l.office_id, c.income_purpose
"""
_JOURNAL: Final = f"""
    SELECT a.office_id, a.purpose, SUM(CASE WHEN j.side = a.side THEN j.amount_cents ELSE -j.amount_cents END)
    FROM posting_unit u
    JOIN journal_line j ON j.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    JOIN gl_account a ON a.account_id = j.account_id
    WHERE u.portfolio = :p AND (a.purpose LIKE 'CASH %' OR a.purpose = '{ACCOUNTS_PAYABLE}')
    GROUP BY a.office_id, a.purpose
"""
_PURPOSES: Final = "SELECT receivable_purpose, income_purpose, type FROM charge WHERE portfolio = :p"


def compare(connection: Connection, portfolio: str) -> list[Comparison]:
    """Every account with details, in order of office and account."""
    details = _details(connection, portfolio)
    compared = _purposes(connection, portfolio)
    return [
        Comparison(figure, details.get((figure.office_id, figure.purpose), 0))
        for figure in accounts.figures(connection, portfolio)
        if figure.purpose in compared or figure.purpose.startswith("CASH ")
    ]


def _details(connection: Connection, portfolio: str) -> Mapping[Key, int]:
    """What the details of each account add up to; several kinds of one account add up."""
    fees = _RECEIVABLE.format(purpose=f"'{ASSESSED_FEES}'", basis="AND c.basis = 'C'").replace(
        f"GROUP BY l.office_id, '{ASSESSED_FEES}'", "GROUP BY l.office_id"
    )
    statements = (_RECEIVABLE.format(purpose="c.receivable_purpose", basis=""), fees, _SUSPENSE, _ESCROW, _JOURNAL)
    out: dict[Key, int] = {}
    for statement in statements:
        for office_id, purpose, cents in connection.execute(text(statement), {"p": portfolio}):
            out[office_id, purpose] = out.get((office_id, purpose), 0) + int(cents)
    return out


def _purposes(connection: Connection, portfolio: str) -> frozenset[str]:
    charges = connection.execute(text(_PURPOSES), {"p": portfolio}).all()
    escrow = {income for _, income, kind in charges if kind == "E"}
    receivable = {purpose for purpose, _, _ in charges}
    return frozenset({SUSPENSE, REVERSAL_SUSPENSE, ACCOUNTS_PAYABLE, ASSESSED_FEES, *receivable, *escrow})


class Transaction(NamedTuple):
    """A journal line of an account since the last U0422: where to look for a difference."""

    account_id: int
    lease: str | None
    txn: str
    effective_date: str
    amount_cents: int  # positive on the account's own side


def transactions(connection: Connection, portfolio: str, account_id: int) -> list[Transaction]:
    rows = connection.execute(
        text(
            "SELECT j.account_id, e.lease, e.txn, e.effective_date, "
            "CASE WHEN j.side = a.side THEN j.amount_cents ELSE -j.amount_cents END "
            "FROM posting_unit u "
            f"JOIN journal_line j ON j.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} "
            f"AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1 "
            "JOIN journal_entry e ON e.entry_id = j.entry_id JOIN gl_account a ON a.account_id = j.account_id "
            "WHERE u.portfolio = :p AND u.unit_id > :day AND j.account_id = :account ORDER BY j.entry_id, j.line"
        ),
        {
            "p": portfolio,
            "day": accounts.marker(connection, portfolio, accounts.ZERO_DAILY),
            "account": account_id,
        },
    )
    return [Transaction(*row) for row in rows]
