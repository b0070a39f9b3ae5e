"""A payment that a person posts: the rules of Batch Payments (U0415), in an operator's unit with a reason.

Where the two differ: a file's money is in the bank and must go somewhere, so what cannot be applied becomes suspense;
a person is there to ask, so what cannot be applied is refused, with nothing posted. Only money beyond all open
invoices may wait in suspense, and only when the person says so. The batch is one of its own: it has the number given,
which must be new, or the next one of a payment session of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.app import App
from gateway.errors import Refused
from gateway.money import shown
from gateway.updates.base import Outcome
from gateway.updates.named import Kind, portfolio_of
from gateway.updates.once import refuse_the_same
from gateway.updates.payment_messages import Finding
from gateway.updates.payment_posting import PaymentRun
from gateway.updates.payment_rules import Decision, Record
from gateway.updates.posting import Note, by_hand

UPDATE: Final = "U0415"
LEFT_OVER: Final = ("MONEY_LEFT", "NO_OPEN_INVOICE")
"""Why money may wait in suspense when the person says so."""

_INSTEAD: Final = {
    "LEASE_STATUS": "clear the status first",
    "BATCH_EXISTS": "find out whether the payment was posted before, or leave --batch out to have a number assigned",
    "ACCOUNT_UNKNOWN": "name another --account, or load this one with gl_accounts.csv",
    "DUE_DATE_NOT_OPEN": "name another --due, or leave it out to pay the oldest invoice first",
    "NO_OPEN_INVOICE": "bill the lease first, or let the money wait in suspense with --rest-to-suspense",
    "MONEY_LEFT": "pay less, or let the rest wait in suspense with --rest-to-suspense",
}
"""What a person does instead, by the code of the finding that would put a file's money into suspense."""


@dataclass(frozen=True, slots=True)
class PaidLine:
    """What one charge line took, and what is open of it now."""

    invoice: str
    due_date: str
    charge: str
    asset: str
    amount_cents: int
    open_cents: int


@dataclass(frozen=True, slots=True)
class HandPayment:
    """A payment as it was posted, or would be (``is_dry``): its ``unit`` and ``batch`` numbers are then free again."""

    is_dry: bool
    unit: int
    business_date: str
    portfolio: str
    lease: str
    batch: str
    check_no: str | None
    account: str
    effective_date: str
    amount_cents: int
    lines: tuple[PaidLine, ...]
    suspended_cents: int
    suspense_item: int | None
    notes: tuple[Note, ...]


def post(
    app: App,
    record: Record,
    *,
    reason: str,
    rest_to_suspense: bool = False,
    again: bool = False,
    dry_run: bool = False,
) -> HandPayment:
    """Post one payment. Raises Refused, with nothing posted, for what a file's line would send to suspense, and unless it is
    one ``again`` for the same posted by hand on this business date."""
    what = f"posting {shown(record.amount_cents)} for {_target(record)}"
    with app.db.read() as connection:
        portfolio = portfolio_of(connection, _kind(record), record.target, what)
    notes: list[Note] = []
    with by_hand(
        app, portfolio, UPDATE, _target(record), action="payment post", reason=reason, notes=notes, dry_run=dry_run
    ) as posting:  # fmt: skip
        if not again:
            refuse_the_same(
                posting, _SAME, what, kind=record.target_kind, target=record.target, cents=record.amount_cents,
                check_no=record.check_no or "", effective=record.effective_date or posting.unit.business_date,
            )  # fmt: skip
        run = PaymentRun.start(posting)
        (decision,) = run.post([record], Outcome())
        if decision.why is not None and not (rest_to_suspense and decision.why.code in LEFT_OVER):
            raise _refused(what, decision.why)
        unit = posting.unit
    return HandPayment(
        dry_run, unit.unit_id, unit.business_date, portfolio, str(decision.lease), decision.batch.batch,
        *decision.batch.header, record.amount_cents, _paid(decision),
        decision.suspended_cents, next((note.item for note in notes if note.item is not None), None), tuple(notes),
    )  # fmt: skip


_SAME: Final = f"""
SELECT u.unit_id, u.operator FROM payment_line p JOIN payment_batch b ON b.batch = p.batch
JOIN posting_unit u ON u.unit_id = b.unit_id
WHERE p.lease = CASE :kind WHEN 'I' THEN (SELECT i.lease FROM invoice i WHERE i.invoice = :target) ELSE :target END
    AND b.state = 'LIVE' AND b.amount_cents = :cents AND COALESCE(b.check_no, '') = :check_no
    AND b.effective_date = :effective AND u.kind = 'OPERATOR' AND u.update_name = '{UPDATE}' AND u.portfolio = :portfolio
    AND u.business_date = :day ORDER BY u.unit_id DESC LIMIT 1
"""
"""The same lease, amount, check and day, however it was named."""


def _kind(record: Record) -> Kind:
    return "invoice" if record.target_kind == "I" else "lease"


def _target(record: Record) -> str:
    return f"{_kind(record)} {record.target}"


def _paid(decision: Decision) -> tuple[PaidLine, ...]:
    return tuple(
        PaidLine(line.invoice, line.due_date, line.charge, line.asset, cents, line.open_cents)
        for line, cents in decision.applied
    )


def _refused(what: str, why: Finding) -> Refused:
    return Refused(f"{what}: found {why.found}, expected {why.expected}; {_INSTEAD.get(why.code, why.action)}")
