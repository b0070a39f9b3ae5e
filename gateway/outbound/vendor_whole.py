"""Reversal of a whole Vendor ACH file: everything live in it is voided and taken back by one file, within five banking
days after it settled; after that it is refused with the last day.

Voids and file are one transaction. Checks that the bank returned meanwhile stay out: their money came back. So do
checks whose reversal came back: they are paid after all, and an entry is reversed once. A check that was voided before is
taken back with the others. Prenotes moved no money and are not reversed.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.calendar import CalendarError
from gateway.errors import Refused, UsageError
from gateway.outbound import vendor_reversals, vendor_run, vendor_voids
from gateway.outbound.built import Built, place
from gateway.outbound.states import LEFT_STATES
from gateway.outbound.vendor_ach import freeze
from gateway.outbound.vendor_decide import decide
from gateway.outbound.vendor_freeze import BANK_KIND
from gateway.outbound.vendor_run import Context


def build_reversal(app: App, connection: Connection, portfolio: str, *, of: int, reason: str) -> Built:
    """Void what the file paid and freeze its reversal. Raises Refused when the file did not leave, or it is too late."""
    at = place(app, connection, portfolio)
    action = f"reversing outbound file {of}"
    name = _left(connection, of, portfolio, action)
    try:
        run = vendor_run.context(app, connection, at)
        rules = vendor_run.rules(run)
        _in_time(connection, of, f"{action} ({name})", run)
        _void(app, connection, portfolio, of, reason, action)
        decision = decide([], {}, vendor_run.voided(run, of), rules)
    except CalendarError as error:
        raise Refused(f"{action}: {error}") from error
    if decision.exceptions:
        raise Refused(f"{action}: check {decision.exceptions[0].candidate.check_no}: {decision.exceptions[0].message}")
    if not decision.items:
        raise Refused(f"{action}: found nothing in {name} that is not returned or taken back, expected live entries")
    return freeze(run, decision)


def _left(connection: Connection, of: int, portfolio: str, action: str) -> str:
    row = connection.execute(
        text("SELECT name, kind, portfolio, state FROM outbound_file WHERE outbound_id = :id"), {"id": of}
    ).one_or_none()
    if row is None or row.kind != BANK_KIND or row.portfolio != portfolio:
        raise UsageError(
            f"{action}: found no Vendor ACH bank file of portfolio {portfolio} of that number; see gateway outbound list"
        )
    if row.state not in LEFT_STATES:
        raise Refused(f"{action}: found {row.name} {row.state}, expected one that left; reject what waits instead")
    return str(row.name)


def _in_time(connection: Connection, of: int, action: str, run: Context) -> None:
    settled = connection.execute(
        text("SELECT MIN(effective_date) FROM ach_entry WHERE outbound_id = :id AND kind = 'LIVE'"), {"id": of}
    ).scalar()
    if settled is None:
        raise Refused(f"{action}: found no live entry in it, expected one: prenotes and reversals are not reversed")
    last = vendor_reversals.last_day(settled, run.calendar)
    effective = vendor_reversals.effective_date(settled, vendor_run.rules(run).earliest)
    if effective > last:
        raise Refused(
            f"{action}: found it settled on {settled} and a reversal possible for {effective}, expected one by {last}: "
            "ask the vendors for the money"
        )


def _void(app: App, connection: Connection, portfolio: str, of: int, reason: str, action: str) -> None:
    """Everything it paid that still counts as sent, as one operator's unit."""
    checks = vendor_voids.sent_in(connection, portfolio, of)
    if not checks:
        return
    with vendor_voids.by_person(
        app, connection, portfolio, f"outbound file {of}", action=action, reason=reason
    ) as unit:
        vendor_voids.post(app.db, unit, checks)
