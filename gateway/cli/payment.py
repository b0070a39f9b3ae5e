"""Commands about payments by hand: what a file of payments does, for one payment, by the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from gateway.cli.as_a_line import SOME_REVERSAL, as_a_line
from gateway.cli.common import (
    Again,
    DryRun,
    Reason,
    Session,
    command,
    iso,
    money_as_text,
    table,
)
from gateway.cli.moves import moves_document, moves_page, open_document
from gateway.errors import UsageError
from gateway.money import from_cents, shown
from gateway.updates import payment_by_hand, reversal_by_hand
from gateway.updates.payment_by_hand import HandPayment
from gateway.updates.payment_rules import Record
from gateway.updates.posting import Note
from gateway.updates.reversal_by_hand import HandReversal
from gateway.updates.suspense_rules import parse_amount
from parsers import bptmtrev, btchpmt
from parsers.base import render_message
from parsers.bptmtrev import Reversal

Amount = Annotated[str, typer.Option("--amount", metavar="1234.56", help="Dollars and cents.")]


def register(app: typer.Typer) -> None:
    payment = typer.Typer(no_args_is_help=True, help="Payments by hand.")
    command(payment, "post", example='gateway payment post --lease 1001 --amount 432.98 --check 118 --reason "paid at '
            'the desk"')(payment_post)  # fmt: skip
    command(payment, "reverse", example='gateway payment reverse 03050890000100000002 --reason NSFC --why "bank letter '
            'of 8 May"')(payment_reverse)  # fmt: skip
    app.add_typer(payment, name="payment")


def payment_post(
    session: Session,
    amount: Amount,
    reason: Reason,
    lease: Annotated[str | None, typer.Option("--lease", help="Pay this lease: its oldest due invoice first.")] = None,
    invoice: Annotated[str | None, typer.Option("--invoice", help="Pay this invoice first.")] = None,
    check: Annotated[str | None, typer.Option("--check", help="The check's number.")] = None,
    effective: Annotated[
        str | None, typer.Option("--effective", metavar="YYYY-MM-DD", help="When it counts; else the business date.")
    ] = None,
    due: Annotated[
        str | None, typer.Option("--due", metavar="YYYY-MM-DD", help="Pay the lease's invoice due that day first.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="The cash account, 125 to 144, or CLR where no cash came.")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", help="A batch number of 20 digits that was never used; else the next one.")
    ] = None,
    origination: Annotated[str | None, typer.Option("--origination", help="Where it came from, up to 4.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="A note on the batch, up to 80.")] = None,
    rest_to_suspense: Annotated[
        bool, typer.Option("--rest-to-suspense", help="Money beyond all open invoices waits in suspense.")
    ] = False,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Post one payment by hand: by the payment hierarchy, in a batch and an operator's unit of its own. What a file's
    payment would send to suspense is refused here; only money beyond all open invoices may wait there."""
    target, kind = (invoice, "I") if invoice is not None else (lease, "L")
    if target is None or (lease is not None and invoice is not None):
        raise UsageError("payment post: found " + ("no --lease and no --invoice" if target is None else
                         "both --lease and --invoice") + ", expected one of them; name what is paid")  # fmt: skip
    inbound = session.app.settings.inbound
    cents = parse_amount(amount, what="--amount", digits=inbound.widths.money)
    given = Record(
        1, kind, target, cents, check, iso(effective, what="--effective"), iso(due, what="--due"), account, batch,
        origination, note,
    )  # fmt: skip
    record = Record(*as_a_line("payment post", given, btchpmt, inbound))
    done = payment_by_hand.post(
        session.app, record, reason=reason, rest_to_suspense=rest_to_suspense, again=again, dry_run=dry_run
    )  # fmt: skip
    session.show(_document(done), _page(done))


def payment_reverse(
    session: Session,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The payment batch, 20 digits.")],
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="CODE", help="The reason's code, as in a file: NSFC, STOP, UNDO, TMSA, TRAN."),
    ],
    why: Annotated[str | None, typer.Option("--why", help="Words beside the code; they are kept too.")] = None,
    amount: Annotated[
        str | None,
        typer.Option("--amount", metavar="1234.56", help="What is reversed; refused if it is not all of it."),
    ] = None,
    check: Annotated[str | None, typer.Option("--check", help="The check's number; refused if it is another.")] = None,
    effective: Annotated[
        str | None, typer.Option("--effective", metavar="YYYY-MM-DD", help="When it counts; else the business date.")
    ] = None,
    bank: Annotated[
        str | None,
        typer.Option("--bank", help="The cash account, 125 to 144, that the money leaves; else the batch's."),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Reverse one batch by hand and re-apply the lease's later batches, by the rules of a file of reversals, in an
    operator's unit. What would leave an item in Reversal Suspense is refused here. A reversal by hand is not taken back:
    look with --dry-run first; money that was good after all is posted again with `gateway payment post`."""
    inbound, reason = session.app.settings.inbound, reason.upper()
    if not bptmtrev.is_reason(reason, inbound):
        raise UsageError(
            f"payment reverse: found reason {reason!r}, expected {bptmtrev.reasons(inbound)}; words go into --why"
        )
    cents = None if amount is None else parse_amount(amount, what="--amount", digits=inbound.widths.money)
    given = SOME_REVERSAL._replace(
        amount_cents=cents or 1, reason=reason, check_no=check, effective_date=iso(effective, what="--effective"), bank=bank
    )  # fmt: skip
    record = Reversal(*as_a_line("payment reverse", given, bptmtrev, inbound))
    done = reversal_by_hand.reverse(
        session.app, batch, reason=reason, why=why, amount_cents=cents, check_no=record.check_no,
        effective_date=record.effective_date, bank=record.bank, dry_run=dry_run,
    )  # fmt: skip
    session.show(_reversal_document(done), _reversal_page(done))


def _reversal_document(done: HandReversal) -> dict[str, Any]:
    return _posted_document(done) | {
        "reason": done.reason,
        "rows": moves_document(done.moves),
        "left_open": open_document(done.left_open),
        "fees": [
            {"lease": lease, "invoice": invoice, "charge": charge, "amount": from_cents(cents)}
            for lease, invoice, charge, cents in done.fees
        ],
        "messages": [_note_document(note, done.is_dry) for note in done.notes],
    }


def _posted_document(done: HandReversal | HandPayment) -> dict[str, Any]:
    """What the documents of both commands begin with."""
    return {
        "dry_run": done.is_dry,
        "unit": None if done.is_dry else done.unit,
        "business_date": done.business_date,
        "portfolio": done.portfolio,
        "batch": done.batch,
        "amount": from_cents(done.amount_cents),
    }


def _note_document(note: Note, is_dry: bool) -> dict[str, Any]:
    return {
        "severity": note.severity, "code": note.finding.code, "message": _sentence(note),
        "amount": from_cents(note.amount_cents), "suspense_item": None if is_dry else note.item,
    }  # fmt: skip


def _reversal_page(done: HandReversal) -> Iterator[str]:
    yield f"{'Would reverse' if done.is_dry else 'Reversed'} {shown(done.amount_cents)}, all of batch {done.batch}:"
    yield from moves_page(done.moves, done.left_open, would=done.is_dry)
    for note in done.notes:
        item = "" if note.item is None or done.is_dry else f" (suspense item {note.item})"
        yield f"WARNING {note.finding.code}: {_sentence(note)}{item}"
    yield "Nothing was changed." if done.is_dry else f"It is posting unit {done.unit} of {done.business_date}."


def _document(done: HandPayment) -> dict[str, Any]:
    return _posted_document(done) | {
        "lease": done.lease,
        "check": done.check_no,
        "account": done.account,
        "effective_date": done.effective_date,
        "rows": [money_as_text(asdict(line)) for line in done.lines],
        "suspended": from_cents(done.suspended_cents),
        "suspense_item": None if done.is_dry else done.suspense_item,
        "messages": [_note_document(note, done.is_dry) for note in done.notes],
    }


def _sentence(note: Note) -> str:
    return render_message(note.finding.found, note.finding.expected, note.finding.action)


def _page(done: HandPayment) -> Iterator[str]:
    verb = "Would post" if done.is_dry else "Posted"
    check = f", check {done.check_no}" if done.check_no else ""
    yield (
        f"{verb} {shown(done.amount_cents)} for lease {done.lease} as batch {done.batch}{check}, effective "
        f"{done.effective_date}, account {done.account}."
    )
    if done.lines:
        heads = ("invoice", "due_date", "charge", "asset", "amount", "open")
        yield from table(heads, [tuple(asdict(line).values()) for line in done.lines], money=("amount", "open"))
    if done.suspended_cents:
        item = "" if done.is_dry else f" as item {done.suspense_item}"
        yield f"{shown(done.suspended_cents)} {'would wait' if done.is_dry else 'waits'} in suspense{item}."
    for note in done.notes:
        if note.severity == "W":
            yield f"WARNING {note.finding.code}: {_sentence(note)}"
    yield "Nothing was changed." if done.is_dry else f"It is posting unit {done.unit} of {done.business_date}."
