"""U0424, Vendor ACH: the bank file and the scratch file of every effective date.

Gather (``gather``), decide (``decide``), screen (``screening``), pack (``pack``), freeze (``freeze``), report: everything
happens in the caller's transaction, with the checks reserved in it.

Taken are NEWA checks that were not sent, due up to the business date plus the grace days (banking days); dates already
past go with the next possible effective date. A run that is to settle the same day takes what is due by today. Voided
checks that had left are taken back by reversals. One pair of files an effective date; ``-2``, ``-3`` in both names where
a name was used before. The scratch file is released with its bank file.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.calendar import CalendarError
from gateway.collection import no_collection
from gateway.errors import Refused
from gateway.outbound.built import Built, place
from gateway.vendor_ach import freeze, gather, reports, screening
from gateway.vendor_ach.decide import decide
from gateway.vendor_ach.freeze import Plan
from gateway.vendor_ach.gather import Context
from gateway.vendor_ach.open_reversals import messages, open_reversals
from gateway.vendor_ach.pack import pack
from gateway.vendor_ach.rules import Decision, spelled
from writers.text import WriterError


def build_vendor_ach(app: App, connection: Connection, portfolio: str, *, same_day: bool = False) -> Built:
    """Freeze all files that are due. Raises Refused when the portfolio does not use Vendor ACH, or numbers run out."""
    at = place(app, connection, portfolio)
    with no_collection():
        try:
            run = gather.context(app, connection, at, same_day=same_day)
            checks, vendors = gather.due(run)
            decision = decide(checks, vendors, gather.voided(run), gather.rules(run))
        except CalendarError as error:
            raise Refused(f"building Vendor ACH of portfolio {portfolio}: {error}") from error
        built = freeze_decided(run, decision)
    connection.execute(
        text("UPDATE portfolio SET last_vendor_ach_on = :on WHERE portfolio = :p"),
        {"on": at.business_date, "p": portfolio},
    )
    waiting = messages(open_reversals(app, connection, portfolio), {file.outbound_id for file in built.files})
    return replace(built, messages=(*built.messages, *waiting))


def _most(run: Context, effective: str) -> int | None:
    """What one entry may carry, where it settles today."""
    if run.same_day is not None and effective == run.created.date().isoformat():
        return run.same_day.limit_cents
    return None


def freeze_decided(run: Context, decision: Decision) -> Built:
    """Decided entries screened, packed into files and frozen, with the reports of the run.

    One run at a time from here: vendors are those of all portfolios, and of two runs at once neither would see for its limits
    and look-alikes what the other pays.
    """
    run.app.db.lock(run.connection, "vendor-ach")
    screen = screening.screening(run, decision)
    decision = screen.withhold(decision)
    plans: list[Plan] = [
        (effective, runs)
        for effective, items in groupby(decision.items, key=attrgetter("effective_date"))
        for runs in pack(
            list(items), max_lines=run.options.max_lines, balanced=run.bank.balanced, entry_cents=_most(run, effective)
        )
    ]
    try:
        pairs = list(freeze.freeze_all(run, plans, screen))
    except WriterError as error:
        raise Refused(f"building Vendor ACH of portfolio {run.at.portfolio}: {error}; nothing was written") from error
    files = tuple(file for pair in pairs for file in pair.files)
    return Built(
        files,
        reports.reports(run.app, run.at, pairs, decision.exceptions),
        tuple(dict.fromkeys([*decision.warnings, *spelled(decision.items)])),
        len(decision.exceptions),
    )
