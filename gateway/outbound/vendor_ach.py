"""U0424, Vendor ACH: the bank file and the scratch file of every effective date.

Gather (``vendor_run``), decide (``vendor_decide``), screen (``screening``), pack (``vendor_pack``), freeze (``vendor_freeze``), report: everything
happens in the caller's transaction, with the checks reserved in it.

Taken are NEWA checks that were not sent, due up to the business date plus the grace days (banking days); dates already
past go with the next possible effective date. A run that is to settle the same day takes what is due by today. Voided
checks that had left are taken back by reversals. One pair of files an effective date; ``-2``, ``-3`` in both names where
a name was used before. The scratch file is released with its bank file.
"""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.calendar import CalendarError
from gateway.errors import Refused
from gateway.ledger.payments import no_collection
from gateway.outbound import screening, vendor_freeze, vendor_reports, vendor_run
from gateway.outbound.built import Built, place
from gateway.outbound.vendor_decide import decide
from gateway.outbound.vendor_freeze import Plan
from gateway.outbound.vendor_pack import pack
from gateway.outbound.vendor_rules import Decision
from gateway.outbound.vendor_run import Context
from writers.text import WriterError


def build_vendor_ach(app: App, connection: Connection, portfolio: str, *, same_day: bool = False) -> Built:
    """Freeze all files that are due. Raises Refused when the portfolio does not use Vendor ACH, or numbers run out."""
    at = place(app, connection, portfolio)
    with no_collection():
        try:
            run = vendor_run.context(app, connection, at, same_day=same_day)
            checks, vendors = vendor_run.due(run)
            decision = decide(checks, vendors, vendor_run.voided(run), vendor_run.rules(run))
        except CalendarError as error:
            raise Refused(f"building Vendor ACH of portfolio {portfolio}: {error}") from error
        built = freeze(run, decision)
    connection.execute(
        text("UPDATE portfolio SET last_vendor_ach_on = :on WHERE portfolio = :p"),
        {"on": at.business_date, "p": portfolio},
    )
    return built


def freeze(run: Context, decision: Decision) -> Built:
    """Decided entries screened, packed into files and frozen, with the reports of the run."""
    screen = screening.screening(run, decision)
    decision = screen.withhold(decision)
    plans: list[Plan] = [
        (effective, runs)
        for effective, items in groupby(decision.items, key=lambda item: item.effective_date)
        for runs in pack(list(items), max_lines=run.options.max_lines, balanced=run.bank.balanced)
    ]
    try:
        pairs = list(vendor_freeze.freeze_all(run, plans, screen))
    except WriterError as error:
        raise Refused(f"building Vendor ACH of portfolio {run.at.portfolio}: {error}; nothing was written") from error
    files = tuple(file for pair in pairs for file in pair.files)
    return Built(
        files,
        vendor_reports.reports(run.app, run.at, pairs, decision.exceptions),
        tuple(decision.warnings),
        len(decision.exceptions),
    )
