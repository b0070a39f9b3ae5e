"""Taking a step on a suspense item back, by mirror entries that point at what they correct."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from gateway.app import App
from gateway.errors import Refused
from gateway.ledger import payments
from gateway.ledger.suspense_history import Move
from gateway.money import shown
from gateway.updates import escrow_facts
from gateway.updates import suspense_rules as rules
from gateway.updates.suspense_step import Done, Step, mirror, take_step


def undo(app: App, number: int, move: int, *, reason: str, dry_run: bool = False) -> Done:
    """Take back the whole step that a move belongs to, by mirror entries: the item has its money again."""

    def body(step: Step) -> None:
        together = rules.to_undo(step.history, move, action=step.action)
        mirrored = _mirror(step, together)
        for old in together:
            step.move(
                "UNDO", -old.cents, entry_id=mirrored[old.entry_id], far_entry_id=mirrored.get(old.far_entry_id),
                lease=old.lease, invoice=old.invoice, charge=old.charge, asset=old.asset, bank=old.bank,
                check_no=old.check_no, account_id=old.account_id, undoes=old.number,
            )  # fmt: skip
            if old.kind in ("PAY", "REFUND"):
                _void(step, old)
            if old.invoice is not None and old.charge is not None and old.lease is not None:
                step.paid[old.invoice, old.charge, old.asset or ""] += old.cents
                if step.charges[old.charge].is_escrow_when_paid:
                    step.escrow[old.lease, old.charge] += old.cents
        _require_undisbursed(step, together)

    return take_step(app, number, "undo", reason, body, dry_run=dry_run)


def _mirror(step: Step, moves: Sequence[Move]) -> dict[int | None, int]:
    """Entry of the moves -> its mirror, each once."""
    entries = sorted({e for move in moves for e in (move.entry_id, move.far_entry_id) if e is not None})
    return {entry: mirror(step, entry) for entry in entries}


def _void(step: Step, move: Move) -> None:
    """Void the check of a move; one that was printed or is in a file has left."""
    changed = step.connection.execute(
        text(
            "UPDATE bank_check SET state = 'VOID', voided_on = :on WHERE portfolio = :portfolio AND check_no = :check "
            "AND bank = :bank AND state = 'NEW' AND printed_on IS NULL AND outbound_id IS NULL"
        ),
        {
            "on": step.unit.business_date, "portfolio": step.item.portfolio, "check": move.check_no, "bank": move.bank,
        },
    ).rowcount  # fmt: skip
    if changed != 1:
        raise Refused(
            f"{step.action}: found check {move.check_no} of bank {move.bank} printed or sent, expected one that has not left; "
            "post the money again when it comes back"
        )


def _require_undisbursed(step: Step, taken_back: Sequence[Move]) -> None:
    """A balance below zero alone is no hindrance: it was so before the step, or a payment that bounced made it so."""
    connection = step.connection
    now = payments.escrow_balances(step.posting.db, connection, {lease for lease, _ in step.escrow})
    last = max(move.entry_id or 0 for move in taken_back)
    for (lease, charge), cents in sorted(step.escrow.items()):
        if now.get((lease, charge), 0) + cents >= 0:
            continue
        disbursed = escrow_facts.disbursed_since(connection, step.item.portfolio, lease, charge, last)
        if disbursed > 0:
            raise Refused(
                f"{step.action}: found {shown(disbursed)} of escrow {charge} of lease {lease} disbursed since, expected the money "
                f"there still; take the disbursement back first (gateway ledger checks --lease {lease})"
            )
