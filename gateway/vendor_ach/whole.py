"""Reversal of a whole Vendor ACH file: everything live in it is voided and taken back by one file, within five banking
days after it settled; after that it is refused with the last day.

Voids and file are one transaction. Checks that the bank returned meanwhile stay out: their money came back. So do
checks whose reversal came back: they are paid after all, and an entry is reversed once. A check that was voided before is
taken back with the others. Prenotes moved no money and are not reversed. What stays out is listed: a message and a row of
U0424C each.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, text

from gateway.app import App
from gateway.calendar import CalendarError
from gateway.errors import Refused, UsageError
from gateway.ledger import ach_answers
from gateway.ledger.ach_checks import check_of_source
from gateway.ledger.ach_returns import return_code_sql
from gateway.outbound.built import Built, place
from gateway.outbound.states import LEFT_STATES, at_bank_sql
from gateway.vendor_ach import entries, gather, reversals, settling, voids
from gateway.vendor_ach.decide import decide
from gateway.vendor_ach.freeze import BANK_KIND
from gateway.vendor_ach.gather import Context
from gateway.vendor_ach.open_reversals import OpenReversal, open_reversals
from gateway.vendor_ach.rules import Broken, Candidate, Withheld, broken
from gateway.vendor_ach.u0424 import freeze_decided


def build_reversal(app: App, connection: Connection, portfolio: str, *, of: int, reason: str) -> Built:
    """Void what the file paid and freeze its reversal. Raises Refused when the file did not leave, or it is too late."""
    at = place(app, connection, portfolio)
    action = f"reversing outbound file {of}"
    name = _left(connection, of, portfolio, action)
    try:
        run = gather.context(app, connection, at)
        rules = gather.rules(run)
        _in_time(connection, of, f"{action} ({name})", run)
        left_out = _left_out(app, connection, portfolio, of)
        _void(app, connection, portfolio, of, reason, action)
        decision = decide([], {}, gather.voided(run, of), rules)
    except CalendarError as error:
        raise Refused(f"{action}: {error}") from error
    if decision.exceptions:
        raise Refused(f"{action}: check {decision.exceptions[0].candidate.check_no}: {decision.exceptions[0].message}")
    if not decision.items:
        raise Refused(f"{action}: found nothing in {name} that is not returned or taken back, expected live entries")
    decision.exceptions += left_out
    decision.warnings += [f"check {one.candidate.check_no} left out: {one.message}" for one in left_out]
    return freeze_decided(run, decision)


def _left(connection: Connection, of: int, portfolio: str, action: str) -> str:
    statement = f"SELECT name, kind, portfolio, state, {at_bank_sql('f')} AS at_bank FROM outbound_file f WHERE outbound_id = :id"
    row = connection.execute(text(statement), {"id": of}).one_or_none()
    if row is None or row.kind != BANK_KIND or row.portfolio != portfolio:
        raise UsageError(
            f"{action}: found no Vendor ACH bank file of portfolio {portfolio} of that number; see gateway outbound list"
        )
    if row.state not in LEFT_STATES:
        do = "nothing of it left, and its checks are free" if row.state == "REJECTED" else "reject what waits instead"
        raise Refused(f"{action}: found {row.name} {row.state}, expected one that left; {do}")
    refusal = ach_answers.refusals(connection, [of]).get(of)
    if refusal is not None:
        raise Refused(
            f"{action}: found {row.name} refused by the bank (answer {refusal.answer}), expected it paid: nothing is to be taken "
            f"from its vendors; call it back (gateway outbound recall {of} --reason WHY)"
        )
    if not row.at_bank:
        raise Refused(
            f"{action}: found {row.name} released and not proved to be at the bank, expected it there: if it did not leave, "
            f"call it back (gateway outbound recall {of} --reason WHY); else deliver it, or say that it was fetched (gateway outbound "
            f"taken {of} --reason WHY)"
        )
    return str(row.name)


def _in_time(connection: Connection, of: int, action: str, run: Context) -> None:
    live = text("SELECT 1 FROM ach_entry WHERE outbound_id = :id AND kind = 'LIVE' LIMIT 1")
    if connection.execute(live, {"id": of}).first() is None:
        raise Refused(f"{action}: found no live entry in it, expected one: prenotes and reversals are not reversed")
    settled = settling.days(run.app, connection, [of])[of].on
    last = reversals.last_day(settled, run.calendar)
    effective = reversals.effective_date(settled, gather.rules(run).earliest)
    if effective > last:
        raise Refused(
            f"{action}: found it settled on {settled} and a reversal possible for {effective}, expected one by {last}: "
            "ask the vendors for the money"
        )


def _left_out(app: App, connection: Connection, portfolio: str, of: int) -> list[Withheld]:
    """Checks that the file paid and its reversal does not take back, in the order of its entries: rows of U0424C."""
    rows = connection.execute(text(_BEFORE), {"id": of}).all()
    checks = {key: row for row in rows for key in [check_of_source(row.source)] if key is not None}
    known = {
        (row.bank, row.check_no): Candidate(*row)
        for number in sorted({key.check_no for key in checks})
        for row in connection.execute(text(_CANDIDATE), {"p": portfolio, "no": number})
    }
    found = []
    waiting = {(one.bank, one.check_no): one for one in open_reversals(app, connection, portfolio)}
    for key, row in checks.items():
        why = _why(row, waiting.get((key.bank, key.check_no)))
        found.append(Withheld(known[key.bank, key.check_no], row.vendor_name, "", None, "DEBIT", *why))
    return found


_CANDIDATE: Final = (
    f"SELECT {gather.CHECK} FROM bank_check c JOIN office o ON o.office_id = c.office_id "
    "WHERE c.portfolio = :p AND c.check_no = :no"
)
_BEFORE: Final = f"""
    SELECT * FROM (
        SELECT s.source, n.name AS vendor_name, e.seq,
            {return_code_sql("e")} AS returned,
            (SELECT MAX(vf.name) {entries.REVERSALS}) AS reversal,
            (SELECT MIN({return_code_sql("v")}) {entries.REVERSALS}) AS refused
        FROM ach_entry e JOIN outbound_source s ON s.outbound_id = e.outbound_id AND s.seq = e.seq
        LEFT JOIN vendor n ON n.vendor = e.vendor WHERE e.outbound_id = :id AND e.kind = 'LIVE'
    ) x WHERE returned IS NOT NULL OR reversal IS NOT NULL ORDER BY seq, source
"""
"""Entries of a file that came back or were taken back before, by check: the bank's codes, and the last reversal's file."""


def _why(row: Row[Any], waiting: OpenReversal | None) -> Broken:
    if row.returned is not None:
        return broken(
            "REVERSAL",
            f"it returned by the bank ({row.returned})",
            "it still paid",
            "do nothing, for its money came back",
        )
    if row.refused is not None:
        found = f"its reversal in {row.reversal} returned by the bank ({row.refused})"
        return broken("REVERSAL", found, "none before", "void it alone to try again, or ask the vendor for the money")
    if waiting is not None:
        return broken("REVERSAL", "it void, and a reversal of it that has not left", "none before", waiting.todo)
    return broken(
        "REVERSAL", f"its reversal in {row.reversal}", "none before", "do nothing, for it is taken back there"
    )


def _void(app: App, connection: Connection, portfolio: str, of: int, reason: str, action: str) -> None:
    """Everything it paid that still counts as sent, as one operator's unit."""
    checks = voids.sent_in(connection, portfolio, of)
    if not checks:
        return
    with voids.by_person(app, connection, portfolio, f"outbound file {of}", action=action, reason=reason) as unit:
        voids.post(app.db, unit, checks)
