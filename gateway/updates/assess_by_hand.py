"""An assessment that a person makes: the rules of Batch Assessment (U0418), in an operator's unit with a reason.

Where the two differ: a file's line is refused to its sender, who drops it again; a person is told at once, with nothing
posted. What was typed stays with the operator's event as the line of a file that says it, its tax codes and lien date too,
which nothing posts. It has no undo: what was wrong is waived (``waive``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from gateway.app import App
from gateway.errors import LedgerError, Refused
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import shown
from gateway.updates import assess_post, assess_unfiled
from gateway.updates.assess_problems import AGAIN, problems
from gateway.updates.assess_unfiled import Charge
from gateway.updates.named import portfolio_of
from gateway.updates.once import refuse_the_same
from gateway.updates.posting import Note, by_hand
from parsers import btchassmt
from parsers.btchassmt import Assessment

UPDATE: Final = "U0418"


@dataclass(frozen=True, slots=True)
class HandAssessment:
    """A charge as it was put on its invoice, or would be (``is_dry``): its ``unit`` and the number of an invoice made for
    it are then free again. ``billed_cents`` and ``paid_cents`` are the charge line's now."""

    is_dry: bool
    unit: int
    business_date: str
    portfolio: str
    lease: str
    asset: str | None
    charge: str
    amount_cents: int
    invoice: str
    due_date: str
    is_new_invoice: bool
    billed_cents: int
    paid_cents: int


def assess(app: App, record: Assessment, *, reason: str, again: bool = False, dry_run: bool = False) -> HandAssessment:
    """Put one charge on its invoice. Raises Refused, with nothing posted, for what a file's line would be rejected for, and
    unless it is one ``again`` for the same put there by hand on this business date."""
    on = f"lease {record.lease}" if record.asset is None else f"asset {record.asset}"
    what = f"assessing {record.code} of {shown(record.amount_cents)} on {on}"
    with app.db.read() as connection:
        if record.asset is not None:
            portfolio = portfolio_of(connection, "asset", record.asset, what)
        else:
            portfolio = portfolio_of(connection, "lease", str(record.lease), what)
    line, notes = btchassmt.render(record, app.settings.inbound), list[Note]()
    with by_hand(app, portfolio, UPDATE, line, action="assess", reason=reason, notes=notes, dry_run=dry_run) as posting:
        charge = Charge(
            record.lease, record.asset, record.invoice, record.due_date, record.code, record.amount_cents, record.reason
        )
        scope, made = assess_unfiled.put(posting, [charge], source=UPDATE)
        for why in problems(scope):
            raise Refused(f"{what}: found {why.found}, expected {why.expected}; {why.action.removesuffix(AGAIN)}")
        assess_post.add_entries(scope, posting.unit.first_id, is_file=False)
        done = posting.connection.execute(text(_PUT)).one_or_none()
        if done is None:
            raise LedgerError(f"{what}: found no charge line of it, expected one")
        if not again:
            refuse_the_same(
                posting, _SAME, what, lease=done.lease, invoice=done.invoice, asset=record.asset or "", charge=record.code,
                cents=record.amount_cents, unit=posting.unit.unit_id,
            )  # fmt: skip
        unit = posting.unit
    return HandAssessment(
        dry_run, unit.unit_id, unit.business_date, portfolio, done.lease, record.asset, record.code, record.amount_cents,
        done.invoice, done.due_date, any(m.invoice == done.invoice for m in made), done.billed_cents, done.paid_cents,
    )  # fmt: skip


_SAME: Final = f"""
SELECT u.unit_id, u.operator FROM journal_entry e
JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = 'D' AND j.amount_cents = :cents
JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT} AND u.portfolio = :portfolio AND u.business_date = :day
WHERE e.lease = :lease AND e.invoice = :invoice AND COALESCE(e.asset, '') = :asset AND e.txn = :charge
    AND u.kind = 'OPERATOR' AND u.update_name = '{UPDATE}' AND u.unit_id < :unit ORDER BY u.unit_id DESC LIMIT 1
"""
"""As much of the same charge on the same invoice, however that was named."""
_PUT: Final = """
SELECT p.lease, p.invoice, i.due_date, r.billed_cents, r.paid_cents FROM assess_line p
JOIN invoice i ON i.invoice = p.invoice
JOIN receivable r ON r.invoice = p.invoice AND r.charge = p.code AND r.asset = COALESCE(p.asset, '')
"""
