"""A batch that a person reverses: the rules of Batch Payment Reversal (U0470), in an operator's unit with a reason.

Where the two differ: what a file's record cannot do leaves a Reversal Suspense item, because the bank has moved the
money; a person is there to ask, so it is refused, with nothing posted. Only the batch is named, and the amount need not
be: it is all of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import Refused, UsageError
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.updates import reversal_moves
from gateway.updates.posting import Note, Posting, by_hand
from gateway.updates.reversal_facts import Record
from gateway.updates.reversal_moves import Touched
from gateway.updates.reversal_post import Reversals
from gateway.updates.reversal_rules import Fail, Refuse

UPDATE: Final = "U0470"
_INSTEAD: Final = {
    "BATCH_UNKNOWN": "correct the number; gateway ledger payments lists them",
    "AMOUNT_DIFFERS": "leave --amount out, or find out which batch is meant",
    "CHECK_DIFFERS": "leave --check out, or find out which batch is meant",
    "BANK_UNKNOWN": "name another --bank; one of these that is missing comes with gl_accounts.csv",
    "SUSPENSE_SPENT": "take those steps back first (gateway suspense show ITEM, then gateway suspense undo ITEM --move N --reason WHY)",
}
"""What a person does instead, by the code of the finding."""


@dataclass(frozen=True, slots=True)
class HandReversal:
    """A reversal as it was posted, or would be (``is_dry``): its ``unit`` is then free again."""

    is_dry: bool
    unit: int
    business_date: str
    portfolio: str
    batch: str
    reason: str
    amount_cents: int
    moves: tuple[Touched, ...]
    left_open: tuple[tuple[str, str, str, int], ...]
    """(lease, invoice, due date, cents) of the leases touched."""
    fees: tuple[tuple[str, str, str, int], ...]
    """(lease, invoice, charge, cents) assessed for a payment that bounced."""
    notes: tuple[Note, ...]


def reverse(
    app: App,
    batch: str,
    *,
    reason: str,
    why: str | None = None,
    amount_cents: int | None = None,
    check_no: str | None = None,
    effective_date: str | None = None,
    bank: str | None = None,
    dry_run: bool = False,
) -> HandReversal:
    """Reverse one batch and re-apply the later ones. ``reason`` is a code as in a file, ``why`` words beside it.

    Raises Refused, with nothing posted, where a record of a file would be rejected or fail. What was typed has been read as
    a line of a file.
    """
    what = f"reversing batch {batch}"
    with app.db.read() as connection:
        found = connection.execute(
            text("SELECT portfolio FROM payment_batch WHERE batch = :batch"), {"batch": batch}
        ).scalar()
        gone = _taken_back(connection, batch) if found is None else None
    if gone is not None:
        raise Refused(
            f"{what}: found it taken back with its file {gone}, expected a batch that is posted; nothing is to be done, "
            "unless the number is wrong"
        )
    if found is None:
        raise UsageError(f"{what}: found no such batch, expected one that is posted; {_INSTEAD['BATCH_UNKNOWN']}")
    portfolio, notes = str(found), list[Note]()
    words = reason if not why else f"{reason}: {why}"
    with by_hand(
        app,
        portfolio,
        UPDATE,
        f"batch:{batch}",
        action=f"payment reverse {batch}",
        reason=words,
        notes=notes,
        dry_run=dry_run,
    ) as posting:
        run = Reversals(posting)
        cents = run.live_cents(batch) if amount_cents is None else amount_cents
        record = Record(0, "B", batch, cents, batch, reason, check_no, effective_date, bank)
        (decision,) = run.handle([record])
        if isinstance(decision, Fail | Refuse):
            finding = decision.why
            action = _INSTEAD.get(finding.code, finding.action)
            raise Refused(f"{what}: found {finding.found}, expected {finding.expected}; {action}")
        run.finish()
        unit = posting.unit
        moves = reversal_moves.of_unit(posting.connection, unit.unit_id, batch)
        left = reversal_moves.open_invoices(posting.connection, reversal_moves.leases(moves))
        fees = _fees(posting)
    return HandReversal(
        dry_run, unit.unit_id, unit.business_date, portfolio, batch, reason, cents, tuple(moves), tuple(left), tuple(fees),
        tuple(notes),
    )  # fmt: skip


def _taken_back(connection: Connection, batch: str) -> str | None:
    """The file that the batch was taken back with last; a batch then keeps its number with the file's behind it."""
    found = connection.execute(
        text(
            "SELECT f.file_id, f.name FROM inbound_file f JOIN payment_batch b "
            "ON b.batch = CAST(:batch AS TEXT) || '~' || f.file_id "
            "WHERE f.kind = 'payments' AND f.state = 'REVERSED' ORDER BY f.file_id DESC LIMIT 1"
        ),
        {"batch": batch},
    ).one_or_none()
    return None if found is None else f"{found.file_id} ({found.name})"


def _fees(posting: Posting) -> list[tuple[str, str, str, int]]:
    """What the unit assessed for a payment that bounced."""
    low = posting.unit.unit_id * ENTRIES_A_UNIT
    rows = posting.connection.execute(
        text(
            "SELECT e.lease, e.invoice, e.txn, j.amount_cents FROM journal_entry e JOIN journal_line j "
            "ON j.entry_id = e.entry_id AND j.side = 'D' WHERE e.entry_id BETWEEN :low AND :high AND e.txn = :code "
            "ORDER BY e.entry_id"
        ),
        {"low": low, "high": low + ENTRIES_A_UNIT - 1, "code": posting.settings.reversals.nsf_fee_code},
    )
    return [(lease, invoice, code, cents) for lease, invoice, code, cents in rows]
