"""A posted file taken back whole: mirror entries in an operator's unit, and the subledger as if it had not been.

Refused, naming what is in the way, when its money has moved on: an invoice line paid since, a check that is in a file
or sent, a suspense item used, an escrow balance disbursed, a batch reversed since or exported. What was posted stays
in the journal; each mirror entry points at the entry it corrects.

The corrected file comes with the same batch and check numbers, so those of the file are free again: what it made is
kept under its number, a tilde and the file's (``03050890000100000001~7``).
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection, text

from gateway.intake.files import InboundFile
from gateway.intake.undo_base import (
    DEFERRAL_FEE,
    LINES,
    change_escrow,
    close_items,
    escrow_charges,
    take_back_charges,
)
from gateway.intake.undo_in_the_way import BY_HAND, batch_reversed, corrected_since
from gateway.intake.undo_reversals import reversals
from gateway.intake.undo_step import Undo
from gateway.ledger import payments, schema, units
from gateway.ledger.database import Database
from gateway.ledger.schema import ENTRIES_A_UNIT


def undo(
    db: Database, connection: Connection, file: InboundFile, *, operator: str, posted_at: str, reason: str
) -> list[units.ClosedUnit]:
    """Take back every unit of the file. Raises Refused when money has moved on or a business date is closed."""
    found = connection.execute(
        text(
            "SELECT unit_id, portfolio FROM posting_unit WHERE file_id = :id AND kind IN ('FILE', 'MODULE') ORDER BY portfolio"
        ),
        {"id": file.file_id},
    ).all()
    db.lock_portfolios(connection, [str(portfolio) for _, portfolio in found])
    closed = []
    for unit_id, portfolio in found:
        unit = units.open_unit(
            db, connection, portfolio=portfolio, kind="OPERATOR", update_name="REVERSE", operator=operator,
            posted_at=posted_at, reason=f"file {file.file_id}: {reason}", action=f"reversing {file.name}",
        )  # fmt: skip
        low = int(unit_id) * ENTRIES_A_UNIT
        step = Undo(
            db,
            connection,
            file,
            portfolio,
            low,
            low + ENTRIES_A_UNIT - 1,
            unit.first_id - low,
            unit.business_date,
            operator,
        )
        corrected_since(step)
        _mirror(step)
        _SUBLEDGERS[file.kind](step)
        closed.append(units.close_unit(unit))
    return closed


def _mirror(step: Undo) -> None:
    """The same entries with their sides swapped, on today's business date."""
    step.run(
        "INSERT INTO journal_entry (entry_id, office_id, lease, invoice, asset, txn, reason, effective_date, "
        "source_line, corrects) SELECT entry_id + :move, office_id, lease, invoice, asset, txn, reason, effective_date, "
        "NULL, entry_id FROM journal_entry WHERE entry_id BETWEEN :low AND :high",
        move=step.move,
    )
    step.run(
        "INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents) "
        "SELECT entry_id + :move, line, account_id, CASE side WHEN 'D' THEN 'C' ELSE 'D' END, amount_cents "
        "FROM journal_line WHERE entry_id BETWEEN :low AND :high",
        move=step.move,
    )


# --- escrow -----------------------------------------------------------------------------------------------------


def _escrow(step: Undo) -> None:
    """Void the checks and give the balances their money back."""
    moved = step.rows(
        "SELECT check_no, state, printed_on, outbound_id FROM bank_check WHERE file_id = :file AND portfolio = :portfolio "
        "AND (state <> 'NEW' OR printed_on IS NOT NULL) ORDER BY check_no LIMIT 1",
        file=step.file.file_id, portfolio=step.portfolio,
    )  # fmt: skip
    if moved:
        check, state, printed, outbound = moved[0]
        freed = f"gateway outbound reject {outbound} --reason WHY frees it" if state == "RESERVED" else BY_HAND
        step.stop(f"check {check}", "printed" if printed else state.lower(), freed)
    step.run(
        "UPDATE bank_check SET state = 'VOID', voided_on = :on, check_no = check_no || CAST(:mark AS TEXT) "
        "WHERE file_id = :file AND portfolio = :portfolio",
        on=step.business_date, mark=step.mark, file=step.file.file_id, portfolio=step.portfolio,
    )  # fmt: skip
    taken = step.rows(
        "SELECT e.lease, c.code, SUM(l.amount_cents) FROM journal_entry e "
        "JOIN journal_line l ON l.entry_id = e.entry_id AND l.side = 'D' "
        "JOIN gl_account a ON a.account_id = l.account_id "
        "JOIN charge c ON c.portfolio = :portfolio AND c.income_purpose = a.purpose AND c.type = 'E' "
        "WHERE e.entry_id BETWEEN :low AND :high GROUP BY e.lease, c.code",
        portfolio=step.portfolio,
    )
    change_escrow(step, {(lease, charge): int(cents) for lease, charge, cents in taken})


# --- payments ---------------------------------------------------------------------------------------------------


def _payments(step: Undo) -> None:
    """The batches' lines are reversed, what they paid is open again, unused suspense is gone."""
    # A line of no line of the file is what a reversal left of one; the file's own line then says so.
    rows = step.rows(
        LINES + "WHERE p.entry_id BETWEEN :low AND :high AND p.source_line IS NOT NULL ORDER BY p.batch, p.line"
    )
    paid: Counter[payments.LineKey] = Counter()
    escrow: Counter[payments.EscrowKey] = Counter()
    charges = escrow_charges(step)
    for batch, _no, lease, invoice, charge, asset, cents, item, state, _entry, batch_state, exported, _by in rows:
        if exported:
            step.stop(f"batch {batch}", f"exported to {exported}", BY_HAND)
        if state != "APPLIED" or batch_state != "LIVE":
            batch_reversed(step, batch)
        if item is None and invoice not in (None, DEFERRAL_FEE) and charge is not None:
            paid[invoice, charge, asset] -= int(cents)
        if charge in charges and lease is not None:
            escrow[lease, charge] -= int(cents)
    close_items(step)
    step.db.bulk_update(
        step.connection, schema.payment_line, "state = 'REVERSED', reversed_by = {}", ("batch", "line"),
        [(int(row[9]) + step.move, row[0], row[1]) for row in rows],
    )  # fmt: skip
    gone: Counter[str] = Counter()
    for row in rows:
        gone[row[0]] += int(row[6])
    step.db.bulk_update(
        step.connection, schema.payment_batch, "state = CASE WHEN amount_cents = {} THEN 'REVERSED' ELSE state END",
        ("batch",), [(cents, batch) for batch, cents in gone.items()],
    )  # fmt: skip
    _free_batch_numbers(step)
    payments.change_paid(step.db, step.connection, paid)
    change_escrow(step, escrow)


def _free_batch_numbers(step: Undo) -> None:
    """Batch, lines and items under one new number. An item of a failed reversal keeps the batch it received."""
    for statement in (
        "UPDATE suspense_item SET batch = batch || CAST(:mark AS TEXT) WHERE kind = 'SUSPENSE' AND batch IN ({own})",
        "UPDATE payment_line SET batch = batch || CAST(:mark AS TEXT) WHERE batch IN ({own})",
        "UPDATE payment_batch SET batch = batch || CAST(:mark AS TEXT) WHERE batch IN ({own})",
    ):
        own = "SELECT batch FROM payment_batch WHERE file_id = :file AND portfolio = :portfolio"
        step.run(statement.format(own=own), mark=step.mark, file=step.file.file_id, portfolio=step.portfolio)


_SUBLEDGERS = {"assessments": take_back_charges, "escrow": _escrow, "payments": _payments, "reversals": reversals}
