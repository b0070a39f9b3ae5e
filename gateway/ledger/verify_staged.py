"""What files made says what their lines say: assessments, checks, payments and their batches, failed reversals.

Staged rows are what was received. Each thing made of one is held against it here, by the file and the line that it
names: two lines of which one lost what the other won, or a check to another payee, leave every sum as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, none


def checks(connection: Connection) -> Iterator[Check]:
    yield none(connection, "assessments are what their lines say", _ASSESSMENTS, "staged_assessment")
    yield none(connection, "checks are what their lines say", _CHECKS, "bank_check")
    yield none(connection, "payments are what their lines say", _PAYMENTS, "staged_payment")
    yield none(connection, "entries have the date of their batch", _DATES, "payment_batch")
    yield none(connection, "reversals are what their lines say", _REVERSED, "staged_reversal")
    yield none(connection, "failed reversals are what their lines say", _FAILED, "staged_reversal")


# The entry of a line has one debit, of the receivable, first. A line of an asset may leave its lease to the asset.
_ASSESSMENTS: Final = f"""
SELECT f.name || ' line ' || COALESCE(e.source_line, 0) FROM posting_unit u
JOIN inbound_file f ON f.file_id = u.file_id
JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
JOIN journal_line j ON j.entry_id = e.entry_id AND j.line = 1
LEFT JOIN staged_assessment s ON s.file_id = u.file_id AND s.line_no = e.source_line
WHERE u.update_name = 'U0418' AND u.kind IN ('FILE', 'MODULE')
    AND (s.line_no IS NULL OR s.code <> e.txn OR s.amount_cents <> j.amount_cents
    OR COALESCE(s.asset, '') <> COALESCE(e.asset, '') OR COALESCE(s.lease, e.lease) <> e.lease
    OR COALESCE(s.invoice, e.invoice) <> e.invoice)
ORDER BY e.entry_id
"""
# A file taken back leaves its checks void, under a number marked with the file. Nothing else voids a check of a file.
_CHECKS: Final = """
SELECT 'check ' || k.check_no FROM bank_check k
LEFT JOIN inbound_file f ON f.file_id = k.file_id
LEFT JOIN staged_escrow s ON s.file_id = k.file_id AND s.line_no = k.line_no
WHERE k.file_id IS NOT NULL AND (s.line_no IS NULL OR f.file_id IS NULL
    OR k.check_no <> s.check_no || CASE f.state WHEN 'REVERSED' THEN '~' || f.file_id ELSE '' END
    OR (k.state = 'VOID') <> (f.state = 'REVERSED')
    OR k.amount_cents <> s.amount_cents OR k.lease <> s.lease OR k.disbursement_date <> s.disbursal_date
    OR k.bank <> COALESCE(s.bank, k.bank) OR COALESCE(k.payee, '') <> COALESCE(s.payee, '')
    OR COALESCE(k.reference, '') <> COALESCE(s.reference, '') OR COALESCE(k.asset, '') <> COALESCE(s.asset, ''))
ORDER BY k.portfolio, k.check_no, k.bank
"""
# Payment lines that re-application made name no line of a file.
_PAYMENTS: Final = """
SELECT f.name || ' line ' || p.source_line FROM (
    SELECT b.file_id, p.source_line, SUM(p.amount_cents) AS cents, MIN(COALESCE(b.check_no, '')) AS check_no,
        MIN(b.effective_date) AS effective_date, MIN(CASE WHEN p.suspense_item IS NULL THEN p.lease END) AS lease,
        MAX(CASE WHEN p.suspense_item IS NULL THEN p.lease END) AS other_lease
    FROM payment_line p JOIN payment_batch b ON b.batch = p.batch
    WHERE b.file_id IS NOT NULL AND p.source_line IS NOT NULL GROUP BY b.file_id, p.source_line) p
JOIN inbound_file f ON f.file_id = p.file_id
LEFT JOIN staged_payment s ON s.file_id = p.file_id AND s.line_no = p.source_line
LEFT JOIN invoice v ON s.target_kind = 'I' AND v.invoice = s.target
WHERE s.line_no IS NULL OR p.lease <> p.other_lease
    OR p.lease <> CASE s.target_kind WHEN 'I' THEN COALESCE(v.lease, '') ELSE s.target END OR s.amount_cents <> p.cents OR COALESCE(s.check_no, '') <> p.check_no
    OR COALESCE(s.effective_date, f.business_date, p.effective_date) <> p.effective_date
ORDER BY p.file_id, p.source_line
"""
# A batch loaded again with another date keeps the entries that it was loaded with.
_DATES: Final = """
SELECT DISTINCT 'batch ' || b.batch FROM payment_batch b
JOIN posting_unit u ON u.unit_id = b.unit_id AND u.kind <> 'OPENING'
JOIN payment_line p ON p.batch = b.batch JOIN journal_entry e ON e.entry_id = p.entry_id
WHERE e.effective_date <> b.effective_date ORDER BY 1
"""
# What a record took back of the batch that it names; of later batches (REVA) it names none. A record without a reason has
# the portfolio's. A batch whose file was taken back since has another number.
_REVERSED: Final = f"""
SELECT f.name || ' line ' || s.line_no FROM payment_line p
JOIN journal_entry e ON e.entry_id = p.reversed_by AND e.txn = 'REVL'
JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT} AND u.update_name = 'U0470' AND u.kind IN ('FILE', 'MODULE')
JOIN inbound_file f ON f.file_id = u.file_id
JOIN staged_reversal s ON s.file_id = u.file_id AND s.line_no = e.source_line
WHERE p.reversed_by IS NOT NULL
    AND (s.batch <> p.batch AND p.batch NOT LIKE s.batch || '~%' OR COALESCE(s.reason, e.reason) <> e.reason)
GROUP BY f.file_id, f.name, s.line_no ORDER BY f.file_id, s.line_no
"""
# An item that a person changed has another amount than its line, by right.
_FAILED: Final = """
SELECT 'item ' || i.item FROM suspense_item i
LEFT JOIN staged_reversal s ON s.file_id = i.file_id AND s.line_no = i.line_no
WHERE i.kind = 'REVERSAL' AND i.file_id IS NOT NULL AND (s.line_no IS NULL OR s.amount_cents <> i.amount_cents
        OR s.batch <> i.batch)
    AND NOT EXISTS (SELECT 1 FROM suspense_move m WHERE m.item = i.item AND m.kind = 'CHANGE')
ORDER BY i.item
"""
