"""Working suspense by hand: note, apply, clear, receive, pay out, refund.

Each but the note is one step (``suspense_step``); what may be done to which item is in ``suspense_rules``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from gateway.app import App
from gateway.errors import Refused, UsageError
from gateway.ledger import events, schema, suspense_history
from gateway.ledger.chart import DEFAULT_DISBURSAL
from gateway.ledger.suspense_history import Move
from gateway.updates import suspense_rules as rules
from gateway.updates.suspense_rules import Payment, Target
from gateway.updates.suspense_step import CLEARED, PAID_OUT, Done, Step, book, chart, known, take_step

CHECK_TYPE: Final = "SUSP"
"""Type of a check that pays out suspense: printed as a disbursement, never Vendor ACH."""


def note(app: App, number: int, words: str) -> Move:
    """Keep a note with an item. Nothing is posted, so a closed business date does not matter."""
    if not words.strip():
        raise UsageError(f"suspense note {number}: found no text, expected one; say it with --text")
    app.operator.require("post", f"suspense note {number}")
    with app.db.write() as connection:
        app.db.lock_portfolios(connection, [known(connection, number).portfolio])
        made = Move(
            item=number, number=len(suspense_history.moves(connection, number)) + 1, kind="NOTE", cents=0, text=words,
            operator=app.operator.code, at=app.now(),
        )  # fmt: skip
        suspense_history.add(app.db, connection, [made])
        events.note(connection, app.operator, "suspense.note", f"item:{number}", words, at=made.at)
    return made


def apply(
    app: App,
    number: int,
    targets: Sequence[Target],
    *,
    reason: str,
    despite_status: bool = False,
    rest: Check | None = None,
    again: bool = False,
    dry_run: bool = False,
) -> Done:
    """Apply an item to its targets in order: all of them or none. ``rest`` is the check by which the lessee gets back what
    they leave of it, in the same step. ``again``, here and below: though as much went there on this business date."""

    def body(step: Step) -> None:
        placed = rules.place(
            step.item, targets, book(step, targets), action=step.action, despite_status=despite_status,
            refunds_rest=rest is not None,
        )  # fmt: skip
        for part in placed:
            if isinstance(part, Payment):
                step.pay(part)
            else:
                step.clear(part.account, part.cents)
        if rest is not None:
            _pay_out(
                step, "REFUND", rest, _lessee(step), step.item.remaining_cents - sum(part.cents for part in placed)
            )

    return take_step(app, number, "apply", reason, body, kind="SUSPENSE", again=again, dry_run=dry_run)


def clear(
    app: App, number: int, account: str, *, cents: int | None, reason: str, again: bool = False, dry_run: bool = False
) -> Done:
    """Clear an item, or part of it, against an account of its office."""

    def body(step: Step) -> None:
        taken = rules.amount(step.item, cents, step.action)
        accounts = chart(step.connection, step.item.office_id)
        step.clear(rules.counter_account(account, accounts, step.charges, action=step.action), taken)

    return take_step(app, number, "clear", reason, body, again=again, dry_run=dry_run)


def receive(
    app: App,
    number: int,
    check_no: str,
    *,
    bank: str | None,
    cents: int | None,
    reason: str,
    again: bool = False,
    dry_run: bool = False,
) -> Done:
    """Clear Reversal Suspense by a check that came back for it, into the CASH of a bank."""

    def body(step: Step) -> None:
        taken = rules.amount(step.item, cents, step.action)
        into = step.posting.settings.payments.default_cash if bank is None else bank
        account = step.cash(into)
        check = rules.check_number(check_no, action=step.action)
        entry = step.take(account, taken, CLEARED, lease=step.item.lease)
        step.move("CLEAR", -taken, entry_id=entry, account_id=account, bank=into, check_no=check)

    return take_step(app, number, "clear", reason, body, kind="REVERSAL", again=again, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class Check:
    """A check to write: its number, the bank that pays (None: 126), and when it is due (None: the business date)."""

    check_no: str
    bank: str | None = None
    due: str | None = None
    address: str | None = None


def pay(
    app: App,
    number: int,
    check: Check,
    payee: str,
    *,
    cents: int | None,
    reason: str,
    again: bool = False,
    dry_run: bool = False,
) -> Done:
    """Pay an item, or part of it, out by check."""

    def body(step: Step) -> None:
        if not payee.strip() or not payee.isprintable():
            raise UsageError(f"{step.action}: found payee {payee!r}, expected a name; give it with --payee")
        width = app.settings.inbound.widths.name
        if len(payee.strip()) > width:
            raise UsageError(
                f"{step.action}: found payee {payee!r} of {len(payee.strip())} characters, expected {width} at most, as in an "
                "escrow file; shorten it"
            )
        _pay_out(step, "PAY", check, payee.strip(), rules.amount(step.item, cents, step.action))

    return take_step(app, number, "pay", reason, body, kind="SUSPENSE", again=again, dry_run=dry_run)


def refund(
    app: App, number: int, check: Check, *, cents: int | None, reason: str, again: bool = False, dry_run: bool = False
) -> Done:
    """Pay an item, or part of it, back by check to the lessee of its lease."""

    def body(step: Step) -> None:
        _pay_out(step, "REFUND", check, _lessee(step), rules.amount(step.item, cents, step.action))

    return take_step(app, number, "refund", reason, body, kind="SUSPENSE", again=again, dry_run=dry_run)


def _lessee(step: Step) -> str:
    """The name of the lessee of the item's lease."""
    name = step.connection.execute(
        text("SELECT lessee_name FROM lease WHERE lease = :lease AND portfolio = :portfolio"),
        {"lease": step.item.lease, "portfolio": step.item.portfolio},
    ).scalar()
    if name is None:
        raise Refused(
            f"{step.action}: found lease {step.item.lease or 'none'}, expected one of portfolio {step.item.portfolio} "
            f"whose lessee gets the money; pay it out to a named payee instead (gateway suspense pay {step.item.item} --check N --payee WHO "
            "--reason WHY)"
        )
    return str(name)


def _pay_out(step: Step, kind: suspense_history.MoveKind, check: Check, payee: str, taken: int) -> None:
    item, bank = step.item, DEFAULT_DISBURSAL if check.bank is None else check.bank
    account = step.cash(bank)
    check_no = rules.check_number(check.check_no, action=step.action)
    due = check.due or step.unit.business_date
    if due < step.unit.business_date:
        raise Refused(
            f"{step.action}: found due date {due}, expected the business date {step.unit.business_date} or a later one; "
            "give another --due, or leave it out"
        )
    key = {"portfolio": item.portfolio, "check_no": check_no, "bank": bank}
    used = "SELECT 1 FROM bank_check WHERE portfolio = :portfolio AND check_no = :check_no AND bank = :bank"
    if step.connection.execute(text(used), key).scalar() is not None:
        raise Refused(
            f"{step.action}: found check {check_no} of bank {bank} used, expected a number that never was; give another one"
        )
    entry = step.take(account, taken, PAID_OUT, lease=item.lease)
    step.move(kind, -taken, entry_id=entry, lease=item.lease, bank=bank, check_no=check_no)
    step.connection.execute(
        schema.bank_check.insert(),
        {
            **key, "office_id": item.office_id, "type": CHECK_TYPE, "amount_cents": taken,
            "disbursement_date": due, "lease": item.lease,
            "reference": f"SUSPENSE ITEM {item.item}", "payee": payee, "address": check.address, "state": "NEW",
            "unit_id": step.unit.unit_id,
        },
    )  # fmt: skip
