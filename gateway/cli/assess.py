"""Assessments by hand, and their waivers: one charge put on a lease or asset, or taken off again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.cli.as_a_line import as_a_line
from gateway.cli.common import Again, DryRun, Reason, Session, command, iso
from gateway.errors import UsageError
from gateway.ledger.typed import unwaive_command
from gateway.money import from_cents, shown
from gateway.updates import assess_by_hand
from gateway.updates import waive as waiving
from gateway.updates.assess_by_hand import HandAssessment
from gateway.updates.suspense_rules import parse_amount
from gateway.updates.waive import HandWaiver
from parsers import btchassmt
from parsers.btchassmt import Assessment


def register(app: typer.Typer) -> None:
    example = 'gateway assess --lease 1001 --charge LTCH --amount 25.00 --reason "paid late twice"'
    command(app, "assess", example=example)(assess)
    command(app, "waive", example='gateway waive 20003 LTCH 25.00 --reason "first time late"')(waive)


def assess(
    session: Session,
    charge: Annotated[str, typer.Option("--charge", metavar="CODE", help="The assessment's code, such as LTCH.")],
    amount: Annotated[str, typer.Option("--amount", metavar="1234.56", help="Dollars and cents.")],
    reason: Reason,
    lease: Annotated[str | None, typer.Option("--lease", help="The lease, for a lease-level code.")] = None,
    asset: Annotated[str | None, typer.Option("--asset", help="The asset, for an asset-level code.")] = None,
    invoice: Annotated[
        str | None, typer.Option("--invoice", help="Put it on this invoice; else on the next one of the lease.")
    ] = None,
    due: Annotated[
        str | None,
        typer.Option("--due", metavar="YYYY-MM-DD", help="Put it on the invoice due that day, made if missing."),
    ] = None,
    reason_code: Annotated[
        str | None, typer.Option("--reason-code", metavar="CODE", help="The reason code of a line, up to 4.")
    ] = None,
    ptcode: Annotated[
        str | None, typer.Option("--ptcode", metavar="CODE", help="With property tax: its tax code; kept, not posted.")
    ] = None,
    fhcode: Annotated[
        str | None,
        typer.Option("--fhcode", metavar="CODE", help="With federal highway use tax: its code; kept, not posted."),
    ] = None,
    liendate: Annotated[
        str | None,
        typer.Option("--liendate", metavar="YYYY-MM-DD", help="With property tax: the lien date; kept, not posted."),
    ] = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Assess one charge by hand, by the rules of a file of assessments, in an operator's unit. What a file's line would be
    rejected for is refused here. It has no undo: a charge that was wrong is waived with `gateway waive`."""
    inbound = session.app.settings.inbound
    if (lease is None) == (asset is None):
        found = "no --lease and no --asset" if lease is None else "both --lease and --asset"
        raise UsageError(f"assess: found {found}, expected one of them; name what is charged")
    cents = parse_amount(amount, what="--amount", digits=inbound.widths.assessment_money)
    given = Assessment(
        1, lease, asset, invoice, iso(due, what="--due"), charge, cents, ptcode, fhcode, iso(liendate, what="--liendate"),
        reason_code,
    )  # fmt: skip
    record = Assessment(*as_a_line("assess", given, btchassmt, inbound))
    done = assess_by_hand.assess(session.app, record, reason=reason, again=again, dry_run=dry_run)
    session.show(_document(done), _page(done))


def _document(done: HandAssessment) -> dict[str, Any]:
    return {
        "dry_run": done.is_dry,
        "unit": None if done.is_dry else done.unit,
        "business_date": done.business_date,
        "portfolio": done.portfolio,
        "lease": done.lease,
        "asset": done.asset,
        "charge": done.charge,
        "amount": from_cents(done.amount_cents),
        "invoice": done.invoice,
        "due_date": done.due_date,
        "new_invoice": done.is_new_invoice,
        "billed": from_cents(done.billed_cents),
        "paid": from_cents(done.paid_cents),
        "open": from_cents(done.billed_cents - done.paid_cents),
    }


def _page(done: HandAssessment) -> Iterator[str]:
    asset = f", asset {done.asset}" if done.asset else ""
    new = "new invoice" if done.is_new_invoice else "invoice"
    yield (
        f"{'Would assess' if done.is_dry else 'Assessed'} {shown(done.amount_cents)} of {done.charge} on lease {done.lease}"
        f"{asset}, {new} {done.invoice} due {done.due_date}."
    )
    yield _standing(done.charge, done.invoice, done.billed_cents, done.paid_cents)
    yield "Nothing was changed." if done.is_dry else f"It is posting unit {done.unit} of {done.business_date}."


def waive(
    session: Session,
    reason: Reason,
    invoice: Annotated[str | None, typer.Argument(metavar="INVOICE", help="The invoice.", show_default=False)] = None,
    charge: Annotated[
        str | None, typer.Argument(metavar="CHARGE", help="The charge's code.", show_default=False)
    ] = None,
    amount: Annotated[
        str | None,
        typer.Argument(metavar="AMOUNT", help="Dollars and cents, at most what is open.", show_default=False),
    ] = None,
    asset: Annotated[str | None, typer.Option("--asset", help="The asset, where the charge is on several.")] = None,
    undo: Annotated[
        int | None,
        typer.Option("--undo", metavar="UNIT", min=1, help="Take back the waiver of this posting unit instead."),
    ] = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Waive a charge of an invoice, or part of it: what is open of it and not asked for after all. Rent is not waived, nor
    what is paid, nor escrow that is disbursed. A waiver is taken back, whole, with --undo."""
    typed = {"INVOICE": invoice, "CHARGE": charge, "AMOUNT": amount}
    if undo is not None:
        given = {**typed, "--asset": asset, "--again": again or None}
        much = [name for name, value in given.items() if value is not None]
        if much:
            raise UsageError(
                f"waive: found {', '.join(much)} beside --undo, expected the unit of the waiver alone; leave it out"
            )
        done = waiving.undo(session.app, undo, reason=reason, dry_run=dry_run)
    elif invoice is None or charge is None or amount is None:
        missing = next(name for name, value in typed.items() if value is None)
        raise UsageError(
            f"waive: found no {missing}, expected INVOICE, CHARGE and AMOUNT, or --undo UNIT; gateway ledger receivables shows what "
            "is open"
        )
    else:
        cents = parse_amount(amount, what="AMOUNT", digits=session.app.settings.inbound.widths.assessment_money)
        of = None if asset is None else _name(asset)
        done = waiving.waive(
            session.app, _name(invoice), _name(charge), cents, asset=of, reason=reason, again=again, dry_run=dry_run
        )  # fmt: skip
    session.show(_waiver_document(done), _waiver_page(done))


def _name(typed: str) -> str:
    """An identifier as the ledger keeps it."""
    return typed.strip().upper()


def _waiver_document(done: HandWaiver) -> dict[str, Any]:
    line = done.line
    return {
        "dry_run": done.is_dry,
        "unit": None if done.is_dry else done.unit,
        "business_date": done.business_date,
        "portfolio": done.portfolio,
        "lease": line.lease,
        "invoice": line.invoice,
        "due_date": line.due_date,
        "charge": line.charge,
        "asset": line.asset or None,
        "amount": from_cents(done.amount_cents),
        "took_back": done.took_back,
        "billed": from_cents(done.billed_cents),
        "paid": from_cents(line.paid_cents),
        "open": from_cents(done.open_cents),
    }


def _waiver_page(done: HandWaiver) -> Iterator[str]:
    line = done.line
    asset = f", asset {line.asset}" if line.asset else ""
    if done.took_back is None:
        verb = "Would waive" if done.is_dry else "Waived"
    else:
        verb = f"{'Would take' if done.is_dry else 'Took'} back waiver {done.took_back}:"
    yield (
        f"{verb} {shown(done.amount_cents)} of {line.charge} on invoice {line.invoice} due {line.due_date}, lease "
        f"{line.lease}{asset}."
    )
    yield _standing(line.charge, line.invoice, done.billed_cents, line.paid_cents)
    undo = f"; {unwaive_command(done.unit)} takes it back" if done.took_back is None else ""
    yield "Nothing was changed." if done.is_dry else f"It is posting unit {done.unit} of {done.business_date}{undo}."


def _standing(charge: str, invoice: str, billed_cents: int, paid_cents: int) -> str:
    """A charge line as it is now."""
    return (
        f"{charge} of invoice {invoice}: billed {shown(billed_cents)}, paid {shown(paid_cents)}, open "
        f"{shown(billed_cents - paid_cents)}."
    )
