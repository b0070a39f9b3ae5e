"""What taking a posted file back shares, whatever its kind: escrow balances, suspense items, charges."""

from __future__ import annotations

from collections.abc import Collection

from gateway.intake.undo_in_the_way import freeing_line, item_used
from gateway.intake.undo_step import Undo
from gateway.ledger import payments, suspense, waivers
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import shown
from gateway.updates import escrow_facts

DEFERRAL_FEE = "DEF FEE"

LINES = (
    "SELECT p.batch, p.line, p.lease, p.invoice, p.charge, p.asset, p.amount_cents, p.suspense_item, p.state, p.entry_id, "
    "b.state, b.exported_in, p.reversed_by FROM payment_line p JOIN payment_batch b ON b.batch = p.batch "
)


def change_escrow(step: Undo, changes: dict[payments.EscrowKey, int]) -> None:
    """Move escrow balances. One that would go below zero since some of it was disbursed after the file stops all."""
    if not changes:
        return
    now = payments.escrow_balances(step.db, step.connection, {lease for lease, _ in changes})
    for key, cents in sorted(changes.items()):
        if cents >= 0 or now.get(key, 0) + cents >= 0:
            continue
        disbursed = escrow_facts.disbursed_since(step.connection, step.portfolio, *key, step.high)
        if disbursed > 0:
            step.stop(
                f"{shown(disbursed)} of escrow {key[1]} of lease {key[0]}",
                "disbursed since",
                f"gateway ledger checks --lease {key[0]} has the checks, and gateway files reverse FILE --reason WHY takes their file back first",
            )
    payments.change_escrow(step.db, step.connection, changes)


def escrow_charges(step: Undo) -> set[str]:
    """Charges whose payable, and so whose balance, a payment raises: escrow on cash basis."""
    rows = step.rows(
        "SELECT code FROM charge WHERE portfolio = :portfolio AND type = 'E' AND basis = 'C'", portfolio=step.portfolio
    )
    return {str(row[0]) for row in rows}


def close_items(step: Undo, *, but: Collection[int] = ()) -> None:
    """Suspense items this file opened, ``but`` for those it closed itself; each must still be whole."""
    opened = step.rows(
        "SELECT item, amount_cents, remaining_cents FROM suspense_item WHERE entry_id BETWEEN :low AND :high ORDER BY item"
    )
    whole: dict[int, int] = {}
    for item, amount, remaining in opened:
        if item in but:
            continue
        if amount != remaining:
            item_used(step, int(item))
        whole[int(item)] = int(amount)
    suspense.reduce(step.db, step.connection, whole, on=step.business_date)


def take_back_charges(step: Undo, *, but: Collection[str] = ("",)) -> None:
    """Lower what was billed; a charge line nothing is left of goes, unless some of it was ever waived: what the load or
    another file billed there may be behind it. ``but``: codes of entries that bill nothing."""
    billed = f"e.txn NOT IN ({', '.join(repr(code) for code in but)})"
    step.db.scratch(
        step.connection,
        "undo_charge",
        "invoice TEXT NOT NULL, charge TEXT NOT NULL, asset TEXT NOT NULL, cents BIGINT NOT NULL, "
        "PRIMARY KEY (invoice, charge, asset)",
    )
    step.run(
        "INSERT INTO undo_charge (invoice, charge, asset, cents) "
        "SELECT e.invoice, e.txn, COALESCE(e.asset, ''), SUM(l.amount_cents) FROM journal_entry e "
        "JOIN journal_line l ON l.entry_id = e.entry_id AND l.side = 'D' "
        f"WHERE e.entry_id BETWEEN :low AND :high AND {billed} GROUP BY e.invoice, e.txn, COALESCE(e.asset, '')"
    )
    paid = step.rows(
        "SELECT u.invoice, u.charge FROM undo_charge u LEFT JOIN receivable r ON r.invoice = u.invoice "
        "AND r.charge = u.charge AND r.asset = u.asset "
        "WHERE r.invoice IS NULL OR r.billed_cents - u.cents < r.paid_cents ORDER BY 1, 2 LIMIT 1"
    )
    if paid:
        step.stop(f"invoice {paid[0][0]}, charge {paid[0][1]},", "paid or waived since", freeing_line(step, *paid[0]))
    same = "u.invoice = receivable.invoice AND u.charge = receivable.charge AND u.asset = receivable.asset"
    step.run(
        f"UPDATE receivable SET billed_cents = billed_cents - (SELECT u.cents FROM undo_charge u WHERE {same}) "
        f"WHERE EXISTS (SELECT 1 FROM undo_charge u WHERE {same})"
    )
    step.run(
        f"DELETE FROM receivable WHERE billed_cents = 0 AND EXISTS (SELECT 1 FROM undo_charge u WHERE {same}) "
        "AND (invoice, charge, asset) NOT IN (SELECT w.invoice, c.txn, COALESCE(w.asset, '') FROM posting_unit p "
        f"JOIN journal_entry w ON w.entry_id BETWEEN p.unit_id * {ENTRIES_A_UNIT} AND (p.unit_id + 1) * {ENTRIES_A_UNIT} - 1 "
        "JOIN journal_entry c ON c.entry_id = w.corrects WHERE p.portfolio = :portfolio AND p.update_name = :waive)",
        portfolio=step.portfolio,
        waive=waivers.UNIT,
    )
    raised = step.rows(
        "SELECT e.lease, e.txn, SUM(l.amount_cents) FROM journal_entry e "
        "JOIN journal_line l ON l.entry_id = e.entry_id AND l.side = 'C' "
        "JOIN charge c ON c.portfolio = :portfolio AND c.code = e.txn AND c.type = 'E' AND c.basis = 'A' "
        f"WHERE e.entry_id BETWEEN :low AND :high AND {billed} GROUP BY e.lease, e.txn",
        portfolio=step.portfolio,
    )
    change_escrow(step, {(lease, charge): -int(cents) for lease, charge, cents in raised})
