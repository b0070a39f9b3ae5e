"""Suspense: every item is what its entry and its history leave of it, and the history is what was posted.

That the open items of an office come to its SUSPENSE and REVERSAL SUSPENSE accounts is ``verify_subledger``. Here each
item and each move is held against the entries behind it: a note changed into money, a move without its entry, a
payment of another invoice or a check of another amount would leave those sums as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from gateway.ledger.chart import REVERSAL_SUSPENSE, SUSPENSE
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, none, one_way, pair

_ENTRIES: Final = (
    "posting_unit u JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * "
    f"{ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1 "
    "JOIN journal_line j ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id"
)
_OF_PEOPLE: Final = "u.kind = 'OPERATOR' AND u.update_name = 'SUSPENSE'"


def checks(connection: Connection) -> Iterator[Check]:
    yield none(connection, "suspense items are what is left of them", _LEFT, "suspense_item")
    yield one_way(connection, "reversal suspense items are as posted", _ITEMS, _ITEM_LEGS, "item")
    yield pair(connection, "work on suspense is as posted", _POSTED, _MOVED, "move")
    yield pair(connection, "applied suspense pays what its entries pay", _PAID, _APPLIED, "move")
    yield pair(connection, "checks out of suspense are as posted", _CHECK_LEGS, _CHECKS, "check")
    yield none(connection, "the history of suspense has no gap", _GAPS, "suspense_move")


# What remains is the amount with all moves; of what was applied again in part, the amount of the line that is left. Where
# no line is left, or the item's own entry is corrected, a file took what remained, which the journal says.
_LEFT: Final = """
SELECT s.item FROM suspense_item s
LEFT JOIN (SELECT suspense_item AS item, SUM(amount_cents) AS cents FROM payment_line
    WHERE suspense_item IS NOT NULL AND state = 'APPLIED' GROUP BY suspense_item) p ON p.item = s.item
LEFT JOIN (SELECT item, SUM(cents) AS cents FROM suspense_move WHERE kind NOT IN ('ADD', 'CHANGE') GROUP BY item) m
    ON m.item = s.item
LEFT JOIN (
    SELECT p.suspense_item AS item FROM payment_line p WHERE p.suspense_item IS NOT NULL AND p.state = 'REVERSED'
    UNION SELECT s.item FROM journal_entry c JOIN suspense_item s ON s.entry_id = c.corrects
        LEFT JOIN suspense_move x ON x.entry_id = c.entry_id WHERE c.corrects IS NOT NULL AND x.item IS NULL
) t ON t.item = s.item
WHERE s.remaining_cents > COALESCE(p.cents, s.amount_cents) + COALESCE(m.cents, 0)
    OR ((t.item IS NULL OR p.item IS NOT NULL)
        AND s.remaining_cents <> COALESCE(p.cents, s.amount_cents) + COALESCE(m.cents, 0))
ORDER BY s.item
"""
_ITEMS: Final = "SELECT 'item ' || s.item AS what, s.item, s.office_id, s.amount_cents FROM suspense_item s WHERE s.kind = 'REVERSAL'"
_ITEM_LEGS: Final = f"""
SELECT 'item ' || s.item AS what, s.item, a.office_id, j.amount_cents FROM suspense_item s
JOIN journal_line j ON j.entry_id = s.entry_id AND j.side = 'D'
JOIN gl_account a ON a.account_id = j.account_id AND a.purpose = '{REVERSAL_SUSPENSE}' WHERE s.kind = 'REVERSAL'
"""
_POSTED: Final = f"""
SELECT 'entry ' || e.entry_id AS what, e.entry_id, a.purpose,
    CAST(SUM(CASE WHEN j.side = a.side THEN j.amount_cents ELSE -j.amount_cents END) AS BIGINT) AS cents
FROM {_ENTRIES} WHERE {_OF_PEOPLE} AND a.purpose IN ('{SUSPENSE}', '{REVERSAL_SUSPENSE}')
GROUP BY e.entry_id, a.purpose
"""
_MOVED: Final = f"""
SELECT 'entry ' || COALESCE(m.entry_id, 0) AS what, m.entry_id,
    CASE s.kind WHEN 'SUSPENSE' THEN '{SUSPENSE}' ELSE '{REVERSAL_SUSPENSE}' END,
    CAST(SUM(m.cents) AS BIGINT) AS cents
FROM suspense_move m JOIN suspense_item s ON s.item = m.item WHERE m.entry_id IS NOT NULL OR m.cents <> 0
GROUP BY m.entry_id, s.kind, m.item
"""
_RECEIVABLE: Final = "(SELECT DISTINCT o.office_id, c.receivable_purpose AS purpose FROM office o JOIN charge c ON c.portfolio = o.portfolio)"
_PAID: Final = f"""
SELECT 'entry ' || e.entry_id AS what, e.entry_id, e.lease, e.invoice, a.purpose,
    CAST(SUM(CASE j.side WHEN 'C' THEN j.amount_cents ELSE -j.amount_cents END) AS BIGINT) AS cents
FROM {_ENTRIES} JOIN {_RECEIVABLE} r ON r.office_id = a.office_id AND r.purpose = a.purpose WHERE {_OF_PEOPLE}
GROUP BY e.entry_id, e.lease, e.invoice, a.purpose
"""
_APPLIED: Final = """
SELECT 'entry ' || COALESCE(m.far_entry_id, m.entry_id) AS what, COALESCE(m.far_entry_id, m.entry_id), m.lease,
    m.invoice, c.receivable_purpose, CAST(-SUM(m.cents) AS BIGINT) AS cents
FROM suspense_move m JOIN suspense_item s ON s.item = m.item
JOIN charge c ON c.portfolio = s.portfolio AND c.code = m.charge
GROUP BY COALESCE(m.far_entry_id, m.entry_id), m.lease, m.invoice, c.receivable_purpose
"""
_CHECK_LEGS: Final = """
SELECT 'check ' || m.check_no AS what, s.portfolio, m.check_no, m.bank, a.office_id, a.purpose, j.amount_cents,
    CASE WHEN back.item IS NULL THEN 'OUT' ELSE 'VOID' END AS state
FROM suspense_move m JOIN suspense_item s ON s.item = m.item
JOIN journal_line j ON j.entry_id = m.entry_id AND j.side = 'C'
JOIN gl_account a ON a.account_id = j.account_id
LEFT JOIN suspense_move back ON back.item = m.item AND back.undoes = m.number
WHERE m.kind IN ('PAY', 'REFUND')
"""
_CHECKS: Final = """
SELECT 'check ' || k.check_no AS what, k.portfolio, k.check_no, k.bank, k.office_id, 'CASH ' || k.bank, k.amount_cents,
    CASE k.state WHEN 'VOID' THEN 'VOID' ELSE 'OUT' END AS state
FROM bank_check k WHERE k.type = 'SUSP'
"""
_GAPS: Final = (
    "SELECT item FROM suspense_move GROUP BY item HAVING MIN(number) <> 1 OR MAX(number) <> COUNT(*) ORDER BY item"
)
