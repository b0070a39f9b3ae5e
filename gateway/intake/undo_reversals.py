"""A posted reversal file taken back: batches live again, their lines applied, what they paid paid, suspense open, fees
for bounced payments gone.

Batches that the file re-applied go back to the invoices they paid before it; as whenever they are moved, their
operator becomes the one who does it. What the file itself applied and took back again stays as it is.
"""

from __future__ import annotations

from collections import Counter

from gateway.intake.undo_base import (
    DEFERRAL_FEE,
    LINES,
    change_escrow,
    close_items,
    escrow_charges,
    take_back_charges,
)
from gateway.intake.undo_in_the_way import batch_reversed, billing_line
from gateway.intake.undo_step import Undo
from gateway.ledger import payments, schema
from gateway.ledger.chart import RENT
from gateway.updates.reversal_plain import REVERSED
from gateway.updates.reversal_post import FAILED, SUSPENDED, TAKEN_BACK


def reversals(step: Undo) -> None:
    """Raises Refused when what the batches had paid was paid again, or a batch was reversed again since."""
    rows = step.rows(
        LINES
        + "WHERE p.reversed_by BETWEEN :low AND :high OR p.entry_id BETWEEN :low AND :high ORDER BY p.batch, p.line"
    )
    paid: Counter[payments.LineKey] = Counter()
    escrow: Counter[payments.EscrowKey] = Counter()
    charges = escrow_charges(step)
    items: Counter[int] = Counter()
    taken, spent = _taken(step), _spent_lines(step)
    closed: set[int] = set()
    made: list[tuple[int, str, int]] = []
    moved: set[str] = set()
    for batch, line, lease, invoice, charge, asset, cents, item, state, entry, _bs, _exported, back in rows:
        is_made = step.low <= entry <= step.high
        if is_made:
            moved.add(batch)
        if is_made and state != "APPLIED":
            if not step.low <= back <= step.high:
                batch_reversed(step, batch)
            if item is not None:
                closed.add(int(item))
            continue
        sign = -1 if is_made else 1
        if is_made:
            made.append((int(entry) + step.move, batch, line))
        if item is not None and not is_made:
            back_cents = taken.get(int(back), int(cents))
            items[int(item)] += back_cents
            if back_cents != cents:
                rest, left = spent.get(int(item), (0, 0))
                if left != cents - back_cents:
                    batch_reversed(step, batch)
                made.append((int(back) + step.move, batch, rest))
        elif item is None and invoice not in (None, DEFERRAL_FEE) and charge is not None:
            paid[invoice, charge, asset] += sign * int(cents)
        if charge in charges and lease is not None:
            escrow[lease, charge] += sign * int(cents)
    close_items(step, but=closed)
    _still_open(step, paid)
    _count_nsf_back(step)
    take_back_charges(step, but=(REVERSED, TAKEN_BACK, FAILED, SUSPENDED, RENT))
    step.run(
        "UPDATE payment_batch SET state = 'LIVE' WHERE batch IN "
        "(SELECT batch FROM payment_line WHERE reversed_by BETWEEN :low AND :high)"
    )
    step.run(
        "UPDATE payment_line SET state = 'APPLIED', reversed_by = NULL WHERE reversed_by BETWEEN :low AND :high "
        "AND NOT entry_id BETWEEN :low AND :high"
    )
    _take_back(step, made, moved)
    step.db.bulk_update(
        step.connection, schema.suspense_item, "closed_on = NULL, remaining_cents = remaining_cents + {}", ("item",),
        [(cents, item) for item, cents in items.items()],
    )  # fmt: skip
    payments.change_paid(step.db, step.connection, {key: cents for key, cents in paid.items() if cents})
    change_escrow(step, {key: cents for key, cents in escrow.items() if cents})


def _taken(step: Undo) -> dict[int, int]:
    """Cents by entry that the file took of suspense to apply it again: what was unspent."""
    rows = step.rows(
        "SELECT e.entry_id, SUM(j.amount_cents) FROM payment_line p JOIN journal_entry e ON e.entry_id = p.reversed_by "
        "JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = 'D' "
        "WHERE p.reversed_by BETWEEN :low AND :high AND p.suspense_item IS NOT NULL AND e.txn = :txn GROUP BY e.entry_id",
        txn=TAKEN_BACK,
    )
    return {int(entry): int(cents) for entry, cents in rows}


def _spent_lines(step: Undo) -> dict[int, tuple[int, int]]:
    """By item that the file took from: the line that stands for what was spent of it, and its cents."""
    rows = step.rows(
        "SELECT r.suspense_item, r.line, r.amount_cents FROM payment_line p "
        "JOIN payment_line r ON r.batch = p.batch AND r.suspense_item = p.suspense_item AND r.state = 'APPLIED' "
        "WHERE p.reversed_by BETWEEN :low AND :high"
    )
    return {int(item): (int(line), int(cents)) for item, line, cents in rows}


def _take_back(step: Undo, made: list[tuple[int, str, int]], moved: set[str]) -> None:
    """The lines that re-application made are reversed; their batches are where this person puts them."""
    assign = "state = 'REVERSED', reversed_by = {}"
    step.db.bulk_update(step.connection, schema.payment_line, assign, ("batch", "line"), made)
    payments.touch(step.db, step.connection, moved)
    step.run(
        "UPDATE payment_batch SET operator = :operator WHERE batch IN (SELECT name FROM touched)",
        operator=step.operator,
    )


def _still_open(step: Undo, paid: Counter[payments.LineKey]) -> None:
    """What the batches had paid must be open still."""
    if not paid:
        return
    payments.touch(step.db, step.connection, {invoice for invoice, _, _ in paid})
    open_cents = {
        (row[0], row[1], row[2]): int(row[3])
        for row in step.rows(
            "SELECT r.invoice, r.charge, r.asset, r.billed_cents - r.paid_cents FROM touched t "
            "JOIN receivable r ON r.invoice = t.name"
        )
    }
    for key, cents in sorted(paid.items()):
        if open_cents.get(key, 0) < cents:
            step.stop(
                f"invoice {key[0]}, charge {key[1]},",
                "paid again, waived or billed less since",
                billing_line(step, *key),
            )


def _count_nsf_back(step: Undo) -> None:
    counted = Counter(
        str(row[1])
        for row in step.rows(
            "SELECT DISTINCT p.batch, p.lease FROM payment_line p JOIN journal_entry e ON e.entry_id = p.reversed_by "
            "WHERE p.reversed_by BETWEEN :low AND :high AND e.reason LIKE 'N%' AND e.txn = :txn AND p.lease IS NOT NULL",
            txn=REVERSED,
        )
    )
    step.db.bulk_update(
        step.connection, schema.lease, "nsf_count = nsf_count - {}", ("lease",),
        [(times, lease) for lease, times in counted.items()],
    )  # fmt: skip
