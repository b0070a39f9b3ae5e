"""Rows beside the journal say what the journal says: checks, payments, charge lines, accounts, business dates, modules.

Sums of a subledger can agree while its rows do not: a check of another amount, a payment on another invoice, a batch
from another bank. Each row is compared with the legs of its entry here, as sets, so that a million entries take a few
passes and not a million look-ups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from gateway.ledger.accounts import ZERO_DAILY, ZERO_MONTHLY
from gateway.ledger.chart import (
    CLEARING,
    CLEARING_ACCOUNT,
    DEFAULT_CHART,
    INCOME_PREFIX,
    RECEIVABLE_PREFIX,
    REVERSAL_SUSPENSE,
    SUSPENSE,
)
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, count, differing, none, none_of, one_way, pair

_IN_UNIT: Final = f"e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1"
_IS_CASH: Final = f"(a.purpose LIKE 'CASH %' OR a.purpose = '{CLEARING}')"
_BATCH_CASH: Final = (
    f"CASE b.cash_account WHEN '{CLEARING_ACCOUNT}' THEN '{CLEARING}' ELSE 'CASH ' || b.cash_account END"
)


def checks(connection: Connection) -> Iterator[Check]:
    yield pair(connection, "every check is the cash its line paid out", _ESCROW_LEGS, _ESCROW_CHECKS, "check")
    yield pair(connection, "loaded checks are the cash they were loaded with", _LOADED_LEGS, _LOADED_CHECKS, "check")
    yield _both(connection, "payment lines are the cash of their entry")
    yield one_way(connection, "payment lines pay what their entry pays", _LINES_PAY, _ENTRIES_PAY, "line")
    yield none(connection, "batches are the sum of their lines", _BATCHES, "payment_batch")
    yield none(connection, "suspended lines have their item", _ITEMS, "payment_line")
    yield none(connection, "reversed lines were taken back", _STATES, "payment_line")
    yield pair(connection, "what was taken back to be re-applied was applied", _TAKEN_BACK, _APPLIED_AGAIN, "record")
    yield _charge_lines(connection)
    yield from _sides(connection)
    yield from _business_dates(connection)
    yield pair(connection, "modules that zero have their unit", _ZEROED, _ZERO_UNITS, "module")


# --- comparing ----------------------------------------------------------------------------------------------------


def _both(connection: Connection, name: str) -> Check:
    """Every line is cash of its entry, in its batch's account, and all cash that files of payments brought is lines."""
    bad = {*differing(connection, _LINES_CASH, _CASH_IN), *differing(connection, _FILES_CASH, _LINES_SUMS)}
    total = count(connection, _LINES_CASH, bad)
    return none_of(name, sorted(bad), "no line of another amount or account", total=total)


# --- checks -------------------------------------------------------------------------------------------------------

# Of a file: a line, its entry, its check.
_ESCROW_LEGS: Final = f"""
SELECT 'unit ' || u.unit_id || ' line ' || e.source_line AS what, u.unit_id, e.source_line, e.lease, a.office_id,
    a.purpose, j.amount_cents
FROM posting_unit u JOIN journal_entry e ON {_IN_UNIT}
JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = 'C' JOIN gl_account a ON a.account_id = j.account_id
WHERE u.update_name = 'U0409' AND u.file_id IS NOT NULL AND u.kind IN ('FILE', 'MODULE') AND {_IS_CASH}
"""
_ESCROW_CHECKS: Final = """
SELECT 'unit ' || k.unit_id || ' line ' || k.line_no AS what, k.unit_id, k.line_no, k.lease, k.office_id,
    'CASH ' || k.bank, k.amount_cents
FROM bank_check k WHERE k.file_id IS NOT NULL
"""
# Loaded: an entry does not name its check, and a changed check is taken back and posted anew; so how many of each kind,
# lease, bank and amount stand posted is how many checks there are.
_LOADED_LEGS: Final = f"""
SELECT a.purpose || ' lease ' || COALESCE(e.lease, 'none') || ' cents ' || j.amount_cents AS what, u.portfolio,
    e.txn, e.lease, a.office_id, a.purpose, j.amount_cents, SUM(CASE j.side WHEN 'C' THEN 1 ELSE -1 END) AS times
FROM posting_unit u JOIN journal_entry e ON {_IN_UNIT}
JOIN journal_line j ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id
WHERE u.kind = 'OPENING' AND e.invoice IS NULL AND {_IS_CASH}
    AND e.txn IN ('NEWA', 'NEWD', 'NEWI', 'NEWL', 'WIRE', 'MANL', 'COMV', 'ESCR')
GROUP BY u.portfolio, e.txn, e.lease, a.office_id, a.purpose, j.amount_cents
HAVING SUM(CASE j.side WHEN 'C' THEN 1 ELSE -1 END) <> 0
"""
_LOADED_PURPOSE: Final = f"CASE k.type WHEN 'NEWI' THEN '{CLEARING}' ELSE 'CASH ' || k.bank END"
_LOADED_CHECKS: Final = f"""
SELECT {_LOADED_PURPOSE} || ' lease ' || COALESCE(k.lease, 'none') || ' cents ' || k.amount_cents AS what, k.portfolio,
    k.type, k.lease, k.office_id, {_LOADED_PURPOSE}, k.amount_cents, COUNT(*) AS times
FROM bank_check k JOIN posting_unit u ON u.unit_id = k.unit_id AND u.kind = 'OPENING'
GROUP BY k.portfolio, k.type, k.lease, k.office_id, {_LOADED_PURPOSE}, k.amount_cents
"""

# --- payments -----------------------------------------------------------------------------------------------------

_CASH_DEBITS: Final = f"""
FROM {{source}} JOIN gl_account a ON a.account_id = j.account_id WHERE j.side = 'D' AND {_IS_CASH}
"""
# A batch keeps the account it was sent with; where the office has none of it the money is in the default account, and
# stays there when it is re-applied.
_UNKNOWN_CASH: Final = f"""
SELECT DISTINCT p.entry_id FROM payment_line p JOIN payment_batch b ON b.batch = p.batch
JOIN journal_entry e ON e.entry_id = p.entry_id
WHERE NOT EXISTS (SELECT 1 FROM gl_account g WHERE g.office_id = e.office_id AND g.purpose = {_BATCH_CASH})
"""
_CASH_IN: Final = f"""
SELECT 'entry ' || j.entry_id AS what, j.entry_id, a.purpose, CAST(SUM(j.amount_cents) AS BIGINT) AS cents
{_CASH_DEBITS.format(source="journal_line j")} GROUP BY j.entry_id, a.purpose
UNION ALL
SELECT 'entry ' || j.entry_id AS what, j.entry_id, 'unknown', CAST(SUM(j.amount_cents) AS BIGINT) AS cents
{_CASH_DEBITS.format(source=f"({_UNKNOWN_CASH}) s JOIN journal_line j ON j.entry_id = s.entry_id")} GROUP BY j.entry_id
"""
_LINE_CASH: Final = f"CASE WHEN g.account_id IS NULL THEN 'unknown' ELSE {_BATCH_CASH} END"
# What was spent of suspense before the rest was applied again is a line of its own, after the one of all of it.
_IS_PART: Final = """
p.suspense_item IS NOT NULL AND EXISTS (SELECT 1 FROM payment_line f
    WHERE f.batch = p.batch AND f.line < p.line AND f.suspense_item = p.suspense_item)
"""
_LINES_CASH: Final = f"""
SELECT 'entry ' || p.entry_id AS what, p.entry_id, {_LINE_CASH}, CAST(SUM(p.amount_cents) AS BIGINT) AS cents
FROM payment_line p JOIN payment_batch b ON b.batch = p.batch JOIN journal_entry e ON e.entry_id = p.entry_id
LEFT JOIN gl_account g ON g.office_id = e.office_id AND g.purpose = {_BATCH_CASH}
WHERE NOT ({_IS_PART})
GROUP BY p.entry_id, {_LINE_CASH}
"""
_FILES_CASH: Final = f"""
SELECT 'entry ' || j.entry_id AS what, j.entry_id, CAST(SUM(j.amount_cents) AS BIGINT) AS cents
{_CASH_DEBITS.format(source=f"posting_unit u JOIN journal_entry e ON {_IN_UNIT} JOIN journal_line j ON j.entry_id = e.entry_id")}
    AND u.update_name = 'U0415' AND u.file_id IS NOT NULL AND u.kind IN ('FILE', 'MODULE') GROUP BY j.entry_id
"""
_LINES_SUMS: Final = f"""
SELECT 'entry ' || p.entry_id AS what, p.entry_id, CAST(SUM(p.amount_cents) AS BIGINT) AS cents
FROM payment_line p WHERE NOT ({_IS_PART}) GROUP BY p.entry_id
"""
_LINES_PAY: Final = """
SELECT 'batch ' || p.batch AS what, p.entry_id, p.lease, p.invoice, c.receivable_purpose,
    CAST(SUM(p.amount_cents) AS BIGINT) AS cents
FROM payment_line p JOIN payment_batch b ON b.batch = p.batch
JOIN charge c ON c.portfolio = b.portfolio AND c.code = p.charge
WHERE p.invoice IS NOT NULL AND p.invoice <> 'DEF FEE'
GROUP BY p.batch, p.entry_id, p.lease, p.invoice, c.receivable_purpose
"""
_ENTRIES_PAY: Final = """
SELECT 'batch ' || p.batch AS what, e.entry_id, e.lease, e.invoice, a.purpose,
    CAST(SUM(j.amount_cents) AS BIGINT) AS cents
FROM (SELECT DISTINCT batch, entry_id FROM payment_line) p JOIN journal_entry e ON e.entry_id = p.entry_id
JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = 'C' JOIN gl_account a ON a.account_id = j.account_id
GROUP BY p.batch, e.entry_id, e.lease, e.invoice, a.purpose
"""
_BATCHES: Final = """
SELECT b.batch FROM payment_batch b LEFT JOIN (SELECT batch, SUM(amount_cents) AS cents FROM payment_line
    WHERE source_line IS NOT NULL GROUP BY batch) p ON p.batch = b.batch
WHERE b.amount_cents <> COALESCE(p.cents, 0) ORDER BY b.batch
"""
_ITEMS: Final = f"""
SELECT p.batch || ' line ' || p.line FROM payment_line p LEFT JOIN suspense_item s ON s.item = p.suspense_item
WHERE p.suspense_item IS NOT NULL AND (s.item IS NULL OR s.entry_id <> p.entry_id
    OR CASE WHEN {_IS_PART} THEN s.amount_cents <= p.amount_cents ELSE s.amount_cents <> p.amount_cents END
    OR (p.state = 'APPLIED' AND s.remaining_cents > p.amount_cents))
ORDER BY p.batch, p.line
"""

# A reversed line names the entry that took it back, a live one none, and a reversed batch has no live line.
_STATES: Final = """
SELECT p.batch || ' line ' || p.line FROM payment_line p JOIN payment_batch b ON b.batch = p.batch
LEFT JOIN journal_entry e ON e.entry_id = p.reversed_by
WHERE CASE p.state WHEN 'REVERSED' THEN e.entry_id IS NULL ELSE p.reversed_by IS NOT NULL OR b.state = 'REVERSED' END
ORDER BY p.batch, p.line
"""
# What a reversal takes back of later batches (REVA), it applies again from the same account: record by record.
_MOVED: Final = f"""
SELECT 'unit ' || u.unit_id || ' line ' || COALESCE(e.source_line, 0) AS what, u.unit_id, e.source_line, j.account_id,
    CAST(SUM(j.amount_cents) AS BIGINT) AS cents
FROM posting_unit u JOIN journal_entry e ON {_IN_UNIT}
JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = '{{side}}' JOIN gl_account a ON a.account_id = j.account_id
WHERE u.update_name = 'U0470' AND e.txn IN ({{txn}}) AND {_IS_CASH}
GROUP BY u.unit_id, e.source_line, j.account_id
"""
_TAKEN_BACK: Final = _MOVED.format(side="C", txn="'REVA'")
_APPLIED_AGAIN: Final = _MOVED.format(side="D", txn="'PYMT', 'SUSP'")

# --- charge lines -------------------------------------------------------------------------------------------------

# What moves a receivable together with cash or suspense is a payment or its reversal; all else is billing.
_NET: Final = "CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END"
_RECEIVABLES: Final = """
WITH charged AS MATERIALIZED (SELECT c.portfolio, c.code, a.office_id, a.account_id FROM charge c
    JOIN office o ON o.portfolio = c.portfolio
    JOIN gl_account a ON a.office_id = o.office_id AND a.purpose = c.receivable_purpose)
"""
_CHARGES_POSTED: Final = f"""
SELECT e.invoice AS invoice, j.account_id AS account_id, CASE WHEN m.entry_id IS NULL THEN {_NET} ELSE 0 END AS billed,
    CASE WHEN m.entry_id IS NULL THEN 0 ELSE -({_NET}) END AS paid, 0 AS row_billed, 0 AS row_paid, e.lease AS lease
FROM journal_line j JOIN (SELECT DISTINCT account_id FROM charged) r ON r.account_id = j.account_id
JOIN journal_entry e ON e.entry_id = j.entry_id
LEFT JOIN (SELECT DISTINCT j.entry_id FROM journal_line j JOIN gl_account a ON a.account_id = j.account_id
    WHERE {_IS_CASH} OR a.purpose IN ('{SUSPENSE}', '{REVERSAL_SUSPENSE}')) m ON m.entry_id = j.entry_id
"""
# Joined from the left and with a test that knows nothing of NULL: PostgreSQL would begin with all charges of each lease.
_CHARGES: Final = """
SELECT r.invoice, m.account_id, -r.billed_cents, -r.paid_cents, r.billed_cents, r.paid_cents, i.lease
FROM receivable r CROSS JOIN invoice i CROSS JOIN lease l
LEFT JOIN charged m ON m.portfolio = l.portfolio AND m.office_id = l.office_id AND m.code = r.charge
WHERE i.invoice = r.invoice AND l.lease = i.lease AND COALESCE(m.account_id, 0) <> 0
"""
# Both sides in one sum by invoice and account, which is nothing where they agree: one sort of all instead of four. An
# invoice is its lease's in all entries.
_COMPARED: Final = f"""
SELECT invoice, SUM(billed) AS billed, SUM(paid) AS paid, SUM(row_billed) AS row_billed, SUM(row_paid) AS row_paid,
    MIN(lease) AS lease, MAX(lease) AS other_lease
FROM ({_CHARGES_POSTED} UNION ALL {_CHARGES}) sides GROUP BY invoice, account_id
"""
_DIFFERS: Final = "billed <> 0 OR paid <> 0 OR lease <> other_lease"
_COUNTED: Final = f"""
{_RECEIVABLES}
SELECT COUNT(CASE WHEN row_billed <> 0 OR row_paid <> 0 THEN 1 END), COUNT(CASE WHEN {_DIFFERS} THEN 1 END)
FROM ({_COMPARED}) compared
"""
_NAMED: Final = f"{_RECEIVABLES} SELECT DISTINCT 'invoice ' || invoice FROM ({_COMPARED}) compared WHERE {_DIFFERS}"


def _charge_lines(connection: Connection) -> Check:
    rows, differing = connection.execute(text(_COUNTED)).one()
    bad = [str(what) for what in connection.execute(text(_NAMED)).scalars()] if differing else []
    name, expected = "charge lines are billed and paid as posted", "no charge line of another amount or place"
    return none_of(name, sorted(bad), expected, total=max(int(rows), len(bad)))


# --- accounts and dates -------------------------------------------------------------------------------------------


def _sides(connection: Connection) -> Iterator[Check]:
    """A side decides the sign of a balance in the accounting system: the chart's purposes have theirs."""
    sides = {account.purpose: str(account.side) for account in DEFAULT_CHART}
    rows = connection.execute(text("SELECT number, purpose, side FROM gl_account ORDER BY account_id")).all()
    wrong = []
    for number, purpose, side in rows:
        known = "D" if purpose.startswith(RECEIVABLE_PREFIX) else "C" if purpose.startswith(INCOME_PREFIX) else None
        if side != sides.get(purpose, known or side):
            wrong.append(f"{number} {purpose}: {side}")
    yield none_of("accounts are on the side of their purpose", wrong, "no account on the other side", total=len(rows))


_DATES: Final = """
SELECT p.portfolio, p.business_date,
    (SELECT MAX(u.business_date) FROM posting_unit u WHERE u.portfolio = p.portfolio) AS posted,
    (SELECT MAX(u.business_date) FROM posting_unit u WHERE u.portfolio = p.portfolio AND u.unit_id = (
        SELECT MAX(x.unit_id) FROM posting_unit x WHERE x.portfolio = p.portfolio)) AS last_posted,
    r.business_date AS ran, r.state, m.message
FROM portfolio p
LEFT JOIN eop_run r ON r.run_id = (SELECT MAX(x.run_id) FROM eop_run x WHERE x.portfolio = p.portfolio)
LEFT JOIN eop_module m ON m.run_id = r.run_id AND m.module = 'U0499'
ORDER BY p.portfolio
"""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _business_dates(connection: Connection) -> Iterator[Check]:
    """The open date is the one that the last End of Period opened, or that everything was posted on before the first."""
    rows = connection.execute(text(_DATES)).all()
    wrong = []
    for row in rows:
        if row.ran is None:
            expected = row.last_posted
        elif row.state == "DONE":
            opened = _DATE.search(row.message or "")
            expected = opened[0] if opened else None
        else:
            expected = row.ran
        if (expected or row.business_date) != row.business_date or (row.posted or "") > row.business_date:
            wrong.append(f"portfolio {row.portfolio}: {row.business_date}, expected {expected}")
    yield none_of("business dates follow End of Period", wrong, "the date that was opened last", total=len(rows))


# U0422 and U0450 post nothing; where today and this month begin are their units.
_ZERO_MODULES: Final = ", ".join(f"'{name}'" for name in (ZERO_DAILY, ZERO_MONTHLY))
_ZEROED: Final = f"""
SELECT 'portfolio ' || r.portfolio || ' ' || r.business_date || ' ' || m.module AS what, r.portfolio, r.business_date,
    m.module, m.unit_id
FROM eop_module m JOIN eop_run r ON r.run_id = m.run_id WHERE m.state = 'DONE' AND m.module IN ({_ZERO_MODULES})
"""
_ZERO_UNITS: Final = f"""
SELECT 'portfolio ' || u.portfolio || ' ' || u.business_date || ' ' || u.update_name AS what, u.portfolio,
    u.business_date, u.update_name, u.unit_id
FROM posting_unit u WHERE u.kind = 'MODULE' AND u.update_name IN ({_ZERO_MODULES})
"""
