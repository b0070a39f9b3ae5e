"""Assessments by hand, and their waivers: one charge put on a lease or asset, or taken off again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gateway.cli.as_a_line import as_a_line
from gateway.cli.common import Reason, Session, command, iso
from gateway.errors import UsageError
from gateway.money import from_cents, shown
from gateway.updates import assess_by_hand
from gateway.updates.assess_by_hand import HandAssessment
from gateway.updates.suspense_rules import parse_amount
from parsers import btchassmt
from parsers.btchassmt import Assessment

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")]


def register(app: typer.Typer) -> None:
    command(
        app, "assess", example='gateway assess --lease 1001 --charge LTCH --amount 25.00 --reason "paid late twice"'
    )(assess)


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
    done = assess_by_hand.assess(session.app, record, reason=reason, dry_run=dry_run)
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
    yield _standing(done)
    yield _unit(done)


def _standing(done: HandAssessment) -> str:
    """The charge line as it is now."""
    open_cents = done.billed_cents - done.paid_cents
    return (
        f"{done.charge} of invoice {done.invoice}: billed {shown(done.billed_cents)}, paid {shown(done.paid_cents)}, open "
        f"{shown(open_cents)}."
    )


def _unit(done: HandAssessment) -> str:
    return "Nothing was changed." if done.is_dry else f"It is posting unit {done.unit} of {done.business_date}."
