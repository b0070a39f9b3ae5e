"""What stands in the way of taking a posted file back, named as people know it, and the command that takes it away.

One thing at a time, the last that happened first: what followed is undone in the order opposite to how it came.
"""

from __future__ import annotations

from typing import NoReturn

from gateway.intake.undo_step import Undo
from gateway.ledger import waivers
from gateway.ledger.chart import CLEARING, SUSPENSE
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.typed import assess_command, unwaive_command
from gateway.money import shown

_WHY = "--reason WHY"
BY_HAND = "correct what the file did by hand: assess, waive, payment, suspense and vendor void are the commands (gateway --help)"


def corrected_since(step: Undo) -> None:
    """An entry of the file that was corrected, unless that correction was itself taken back."""
    rows = step.rows(
        "SELECT c.corrects, c.entry_id FROM journal_entry c "
        "LEFT JOIN journal_entry again ON again.corrects = c.entry_id AND again.entry_id > :high "
        "WHERE c.entry_id > :high AND c.corrects BETWEEN :low AND :high AND again.entry_id IS NULL "
        "ORDER BY c.entry_id DESC LIMIT 1"
    )
    if not rows:
        return
    entry, by = int(rows[0][0]), int(rows[0][1])
    moved = step.rows("SELECT item, number FROM suspense_move WHERE entry_id = :by OR far_entry_id = :by", by=by)
    if moved:
        item, number = moved[0]
        todo = f"gateway suspense undo {item} --move {number} {_WHY}"
        step.stop(f"suspense item {item}", f"corrected by entry {by}, move {number} since", todo)
    step.stop(_name(step, entry), f"corrected by entry {by} {_source(step, by)} since", _undo_of(step, by))


def _name(step: Undo, entry: int) -> str:
    """What an entry of the file is about: its batch, or its invoice or lease."""
    batches = step.rows("SELECT batch FROM payment_line WHERE entry_id = :entry LIMIT 1", entry=entry)
    if batches:
        return f"batch {batches[0][0]}"
    lease, invoice, txn = step.rows("SELECT lease, invoice, txn FROM journal_entry WHERE entry_id = :e", e=entry)[0]
    of = f"invoice {invoice}" if invoice else f"lease {lease}" if lease else f"entry {entry}"
    return f"{txn} of {of}"


def _unit(step: Undo, entry: int) -> tuple[int | None, str | None, str, str]:
    """File, its name, update and operator of the unit that an entry is in."""
    (row,) = step.rows(
        "SELECT u.file_id, f.name, u.update_name, u.operator FROM posting_unit u "
        "LEFT JOIN inbound_file f ON f.file_id = u.file_id WHERE u.unit_id = :unit",
        unit=entry // ENTRIES_A_UNIT,
    )
    return row[0], row[1], str(row[2]), str(row[3])


def _source(step: Undo, entry: int) -> str:
    file_id, name, update, operator = _unit(step, entry)
    return f"of {name} (#{file_id})" if file_id is not None else f"of {update} by {operator}"


def _undo_of(step: Undo, entry: int) -> str:
    file_id, unit = _unit(step, entry)[0], entry // ENTRIES_A_UNIT
    if file_id is not None:
        return f"gateway files reverse {file_id} {_WHY} takes that back first"
    if waivers.in_unit(step.connection, unit) is not None:
        return f"{unwaive_command(unit)} takes that back first"
    return f"look at it with gateway ledger journal --unit {unit}; it has no undo, so {BY_HAND}"


def item_used(step: Undo, item: int) -> NoReturn:
    """A suspense item of the file that is not whole any more."""
    rows = step.rows(
        "SELECT m.number, m.kind FROM suspense_move m LEFT JOIN suspense_move back ON back.item = m.item "
        "AND back.undoes = m.number WHERE m.item = :item AND m.undoes IS NULL AND m.kind <> 'NOTE' AND back.item IS NULL "
        "ORDER BY m.number DESC LIMIT 1",
        item=item,
    )
    if rows:
        todo = f"gateway suspense undo {item} --move {rows[0][0]} {_WHY}"
        step.stop(f"suspense item {item}", f"used since by move {rows[0][0]} ({rows[0][1]})", todo)
    todo = f"gateway suspense show {item} has the file that took of it; gateway files reverse FILE --reason WHY takes that back first"
    step.stop(f"suspense item {item}", "used since", todo)


def batch_reversed(step: Undo, batch: str) -> NoReturn:
    """A batch that was taken back after the file."""
    rows = step.rows(
        "SELECT reversed_by FROM payment_line WHERE batch = :batch AND reversed_by > :high ORDER BY reversed_by DESC LIMIT 1",
        batch=batch,
    )
    if rows:
        by = int(rows[0][0])
        step.stop(f"batch {batch}", f"reversed since by entry {by} {_source(step, by)}", _undo_of(step, by))
    step.stop(f"batch {batch}", "reversed since", f"look at it with gateway trace {batch}; {BY_HAND}")


def freeing_line(step: Undo, invoice: str, charge: str) -> str:
    """How a charge line that was paid, or waived, since the file is open again."""
    ways = _freeing(step, invoice, charge)
    return "; ".join(ways or [_BATCHES.format(invoice=invoice)])


def billing_line(step: Undo, invoice: str, charge: str, asset: str) -> str:
    """How a charge line of which less is open than the file left has it again: as above, and billed anew what another file
    taken back since, or a load, took off it. A payment has the code of rent, whatever it pays, and bills nothing."""
    billed = step.rows(
        "SELECT e.lease, CASE u.kind WHEN 'OPENING' THEN 1 ELSE 0 END, "
        "CAST(SUM(CASE l.side WHEN 'C' THEN l.amount_cents ELSE -l.amount_cents END) AS BIGINT) FROM journal_entry e "
        "JOIN posting_unit u ON u.unit_id = e.entry_id / :a_unit "
        "JOIN journal_line l ON l.entry_id = e.entry_id JOIN gl_account a ON a.account_id = l.account_id "
        "JOIN charge c ON c.portfolio = :portfolio AND c.code = e.txn AND c.receivable_purpose = a.purpose "
        "WHERE e.lease = (SELECT i.lease FROM invoice i WHERE i.invoice = :invoice) AND e.invoice = :invoice AND e.txn = :charge "
        "AND COALESCE(e.asset, '') = :asset AND e.entry_id > :high AND NOT EXISTS ("
        "SELECT 1 FROM journal_line m JOIN gl_account b ON b.account_id = m.account_id WHERE m.entry_id = e.entry_id "
        "AND (b.purpose LIKE 'CASH %' OR b.purpose IN (:clearing, :suspense))) GROUP BY 1, 2 ORDER BY 2",
        a_unit=ENTRIES_A_UNIT, portfolio=step.portfolio, invoice=invoice, charge=charge, asset=asset, clearing=CLEARING,
        suspense=SUSPENSE,
    )  # fmt: skip
    ways = []
    for lease, is_load, less in billed:
        if less > 0 and is_load:
            ways.append(f"load invoices.csv with what it billed then, {shown(less)} more")
        elif less > 0:
            again = assess_command(charge, less, lease=lease, asset=asset or None, to=f"--invoice {invoice}")
            ways.append(f"bill again what was taken back with its file since: {again}")
    ways += _freeing(step, invoice, charge)
    return "; ".join(ways or [_BATCHES.format(invoice=invoice)])


_BATCHES = (
    "gateway ledger payments --invoice {invoice} has the batches; take back first their file with gateway files reverse FILE --reason WHY, or "
    "what a person posted with gateway payment reverse BATCH --reason TRAN: its money waits in suspense, and no other "
    "batch is re-applied, which would leave no way back"
)


def _freeing(step: Undo, invoice: str, charge: str) -> list[str]:
    line = {"invoice": invoice, "charge": charge}
    waived = [
        one for one in waivers.standing(step.connection, invoice) if one.charge == charge and one.entry > step.high
    ]
    moves = step.rows(
        "SELECT m.item, MIN(m.number) FROM suspense_move m LEFT JOIN suspense_move back ON back.item = m.item "
        "AND back.undoes = m.number WHERE m.invoice = :invoice AND m.charge = :charge AND m.kind = 'APPLY' "
        "AND m.entry_id > :high AND back.item IS NULL GROUP BY m.item, m.unit_id ORDER BY m.unit_id DESC",
        **line,
    )
    by_batch = step.rows(
        "SELECT 1 FROM payment_line WHERE invoice = :invoice AND charge = :charge AND state = 'APPLIED' AND entry_id > :high "
        "LIMIT 1",
        **line,
    )
    ways = []
    if waived:
        undo = " and ".join(unwaive_command(one.unit) for one in reversed(waived))
        ways.append(f"take back what was waived: {undo}")
    if moves:
        undo = " and ".join(f"gateway suspense undo {item} --move {number} {_WHY}" for item, number in moves)
        ways.append(f"take back what was paid from suspense: {undo}")
    if by_batch:
        ways.append(_BATCHES.format(invoice=invoice))
    return ways or _put_back(step, invoice, charge)


def _put_back(step: Undo, invoice: str, charge: str) -> list[str]:
    """A batch that paid the charge before the file, and pays it again because a file that had reversed it was itself taken back
    since. Its own file may be behind what the charge is wanted for; the reversal sent again can be taken back once more."""
    rows = step.rows(
        "SELECT p.batch, f.name, f.file_id FROM payment_line p "
        "JOIN journal_entry c ON c.lease = p.lease AND c.corrects = p.entry_id "
        "JOIN journal_entry again ON again.lease = c.lease AND again.corrects = c.entry_id AND again.entry_id > :high "
        "JOIN posting_unit u ON u.unit_id = c.entry_id / :a_unit JOIN inbound_file f ON f.file_id = u.file_id "
        "WHERE p.invoice = :invoice AND p.charge = :charge AND p.state = 'APPLIED' AND p.entry_id <= :high "
        "ORDER BY again.entry_id DESC, p.batch LIMIT 1",
        invoice=invoice, charge=charge, a_unit=ENTRIES_A_UNIT,
    )  # fmt: skip
    return [
        f"batch {batch} pays it again since {name} (#{file_id}) was taken back: send that file again first"
        for batch, name, file_id in rows
    ]
