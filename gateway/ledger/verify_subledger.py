"""Subledger = ledger, by office: receivables, fees assessed, payables, suspense, escrow (by lease too), cash.

The ledger's side is summed from journal lines (``verify_lines``), not from unit totals, and independently of U0460.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.ledger.chart import ACCOUNTS_PAYABLE, ASSESSED_FEES, CLEARING, REVERSAL_SUSPENSE, SUSPENSE
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, none, none_of
from gateway.money import from_cents

_ACCOUNTS: Final = "SELECT account_id, office_id, purpose FROM gl_account"
# The pass over all charge lines; what a charge means is looked up for each sum.
_OPEN: Final = """
SELECT l.office_id, l.portfolio, r.charge, CAST(SUM(r.billed_cents - r.paid_cents) AS BIGINT)
FROM receivable r JOIN invoice i ON i.invoice = r.invoice JOIN lease l ON l.lease = i.lease
GROUP BY l.office_id, l.portfolio, r.charge
"""
_CHARGES: Final = "SELECT portfolio, code, receivable_purpose, basis FROM charge"
_DETAILS: Final = (
    f"SELECT office_id, CASE kind WHEN 'REVERSAL' THEN '{REVERSAL_SUSPENSE}' ELSE '{SUSPENSE}' END, "
    "SUM(CASE kind WHEN 'REVERSAL' THEN remaining_cents ELSE -remaining_cents END) FROM suspense_item "
    "GROUP BY office_id, kind",
    "SELECT l.office_id, c.income_purpose, -SUM(b.balance_cents) FROM escrow_balance b JOIN lease l ON l.lease = b.lease "
    "JOIN charge c ON c.portfolio = l.portfolio AND c.code = b.charge AND c.type = 'E' "
    "GROUP BY l.office_id, c.income_purpose",
    # A check was paid when its row was made; what a posted check no longer pays, or did not reach its payee, is owed again:
    # to the payee, except that escrow and suspense have their money back.
    f"SELECT office_id, '{ACCOUNTS_PAYABLE}', -SUM(amount_cents) FROM bank_check "
    "WHERE state IN ('VOID', 'RETURNED') AND unit_id IS NOT NULL AND type NOT IN ('ESCR', 'SUSP') GROUP BY office_id",
)
_PURPOSES: Final = """
SELECT o.office_id, o.portfolio || '/' || o.company || '/' || o.region || '/' || o.office, c.receivable_purpose,
    CASE c.type WHEN 'E' THEN c.income_purpose END
FROM office o JOIN charge c ON c.portfolio = o.portfolio ORDER BY o.office_id
"""


def checks(connection: Connection, net: Mapping[int, int]) -> Iterator[Check]:
    """``net``: debits less credits of all journal lines, by account."""
    ledger: dict[tuple[int, str], int] = {}
    for account, office, purpose in connection.execute(text(_ACCOUNTS)):
        ledger[office, purpose] = ledger.get((office, purpose), 0) + net.get(account, 0)
    details = _open(connection)
    for statement in _DETAILS:
        for office, purpose, cents in connection.execute(text(statement)):
            details[office, purpose] = details.get((office, purpose), 0) + int(cents)
    offices: dict[int, tuple[str, set[str]]] = {}
    for office, key, receivable, escrow in connection.execute(text(_PURPOSES)):
        purposes = offices.setdefault(office, (key, {ASSESSED_FEES, SUSPENSE, REVERSAL_SUSPENSE, ACCOUNTS_PAYABLE}))[1]
        purposes |= {receivable, escrow} - {None}
    for office, (key, purposes) in offices.items():
        yield _compared(key, office, sorted(purposes), ledger, details)
    yield none(connection, "escrow balances are as posted", _ESCROW, "escrow_balance")
    yield from _cash(connection)


def _open(connection: Connection) -> dict[tuple[int, str], int]:
    """What is owed, by office and receivable; of cash basis charges it is not yet income: ASSESSED FEES."""
    charges = {
        (portfolio, code): (purpose, basis) for portfolio, code, purpose, basis in connection.execute(text(_CHARGES))
    }
    details: dict[tuple[int, str], int] = {}
    for office, portfolio, code, cents in connection.execute(text(_OPEN)):
        purpose, basis = charges.get((portfolio, code), (None, None))
        if purpose is not None:
            details[office, purpose] = details.get((office, purpose), 0) + cents
        if basis == "C":
            details[office, ASSESSED_FEES] = details.get((office, ASSESSED_FEES), 0) - cents
    return details


def _compared(key: str, office: int, purposes: list[str], ledger: dict[Any, int], details: dict[Any, int]) -> Check:
    """All accounts of an office with details. Positive is a debit."""
    wrong = [
        f"{purpose}: ledger {from_cents(ledger.get((office, purpose), 0))}, "
        f"details {from_cents(details.get((office, purpose), 0))}"
        for purpose in purposes
        if ledger.get((office, purpose), 0) != details.get((office, purpose), 0)
    ]
    return none_of("subledger equals ledger", wrong, "no difference", total=len(purposes), where=key)


# Charges that share an account in an office are one balance of a lease.
_ESCROW: Final = """
WITH escrow AS MATERIALIZED (SELECT DISTINCT o.office_id, o.portfolio, c.code, a.account_id FROM office o
    JOIN charge c ON c.portfolio = o.portfolio AND c.type = 'E'
    JOIN gl_account a ON a.office_id = o.office_id AND a.purpose = c.income_purpose)
SELECT 'lease ' || COALESCE(x.lease, 'none') FROM (
    SELECT e.lease AS lease, j.account_id AS account_id,
        CASE j.side WHEN 'C' THEN j.amount_cents ELSE -j.amount_cents END AS cents
    FROM journal_line j JOIN (SELECT DISTINCT account_id FROM escrow) a ON a.account_id = j.account_id
    JOIN journal_entry e ON e.entry_id = j.entry_id
    UNION ALL
    SELECT b.lease, m.account_id, -b.balance_cents FROM escrow_balance b JOIN lease l ON l.lease = b.lease
    LEFT JOIN escrow m ON m.office_id = l.office_id AND m.code = b.charge
) x GROUP BY x.lease, x.account_id HAVING SUM(x.cents) <> 0 ORDER BY x.lease
"""

_CASH_IN_UNIT: Final = f"""
SELECT u.unit_id, SUM(CASE WHEN j.side = '{{side}}' AND (a.purpose LIKE 'CASH %' OR a.purpose = '{CLEARING}')
    THEN j.amount_cents ELSE 0 END)
FROM posting_unit u
JOIN journal_line j ON j.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
JOIN gl_account a ON a.account_id = j.account_id
WHERE u.update_name = '{{update}}' AND u.file_id IS NOT NULL AND u.kind IN ('FILE', 'MODULE') GROUP BY u.unit_id
"""


def _cash(connection: Connection) -> Iterator[Check]:
    """Cash that came in by files of payments is their batches; cash that went out for escrow is the checks."""
    for name, update, side, table in (
        ("cash received equals payment batches", "U0415", "D", "payment_batch"),
        ("cash disbursed equals checks", "U0409", "C", "bank_check"),
    ):
        cash = _by_unit(connection, _CASH_IN_UNIT.format(side=side, update=update))
        rows = _by_unit(
            connection,
            f"SELECT t.unit_id, SUM(t.amount_cents) FROM {table} t JOIN posting_unit u ON u.unit_id = t.unit_id "
            f"WHERE u.update_name = '{update}' GROUP BY t.unit_id",
        )
        wrong = [
            f"unit {unit}: cash {from_cents(cents)}, rows {from_cents(rows.get(unit, 0))}"
            for unit, cents in sorted(cash.items())
            if cents != rows.get(unit, 0)
        ]
        yield none_of(name, wrong, "no difference", total=len(cash))


def _by_unit(connection: Connection, statement: str) -> dict[int, int]:
    return {unit: int(cents) for unit, cents in connection.execute(text(statement))}
