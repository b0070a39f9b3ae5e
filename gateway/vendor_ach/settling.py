"""The day a bank file really settles: its effective entry date, or later where the file came to the bank too late for it.

A file that was released in time and missed its last window goes in the next one (``cutoffs``), and no bank settles on a day
that is over. The day is derived from what is kept anyway, never stored: the moment the rename at the far side was asked
for, or at which a person said that a file without an endpoint was fetched. What is not proved to be at the bank settles as
if it came there now. Where the bank answered, or people say that a file left which was taken back here (``release/left.py``),
and nothing tells when it came, its effective entry date stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, text

from gateway.app import App
from gateway.calendar import BankingCalendar, CalendarError
from gateway.cutoffs import settlement_day
from gateway.ledger.ach_answers import proof_sql
from gateway.ledger.ach_checks import LEFT_ALL_THE_SAME
from gateway.outbound.banks import bank_of
from gateway.outbound.states import TAKEN, at_bank_sql
from gateway.settings import Windows

SAME_DAY: Final = "SD"
"""How the descriptive date of a batch begins that is to settle on the day it is sent."""


class Settling(NamedTuple):
    """When a bank file settles. ``at_bank``: it left beyond doubt; ``came_at``: when, None where it did not or nothing
    tells."""

    effective: str
    on: str
    at_bank: bool
    came_at: str | None

    @property
    def is_late(self) -> bool:
        return self.on > self.effective


_FILES: Final = text(f"""
    SELECT f.outbound_id, f.portfolio, f.endpoint, f.header, {at_bank_sql("f")} AS at_bank, COALESCE(
        (SELECT MAX(x.at) FROM delivery_event x WHERE x.delivery_id = d.delivery_id AND x.step = 'PLACING'),
        d.started_at,
        (SELECT MIN(t.at) FROM operator_event t WHERE t.action = '{TAKEN}' AND t.subject = f.name
            AND COALESCE(f.reason, '') NOT LIKE '{LEFT_ALL_THE_SAME}%' AND NOT EXISTS (
            SELECT 1 FROM ach_answer b JOIN inbound_file i ON i.file_id = b.file_id WHERE b.outbound_id = f.outbound_id
                AND {proof_sql("b")} AND i.claimed_at < t.at))) AS came_at
    FROM outbound_file f LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
    WHERE f.kind = 'VACH-BANK' AND f.outbound_id IN :files
""").bindparams(bindparam("files", expanding=True))
_ASKED: Final = 5_000


def days(app: App, connection: Connection, files: Iterable[int]) -> dict[int, Settling]:
    """Of bank files among these: when each settles. Raises CalendarError where the calendar does not reach so far."""
    wanted = sorted(set(files))
    rows: list[Row[Any]] = []
    for at in range(0, len(wanted), _ASKED):
        rows += connection.execute(_FILES, {"files": wanted[at : at + _ASKED]})
    if not rows:
        return {}
    now = app.clock.now()
    came = {row.outbound_id: _came(row) for row in rows}
    # what happened, happened, though a year is over and no longer in the settings
    calendar = app.calendar(also={instant.year for instant in came.values() if instant is not None and instant < now})
    return {row.outbound_id: _settling(app, calendar, row, came[row.outbound_id], now) for row in rows}


def shown(app: App, connection: Connection, outbound_id: int) -> dict[str, Any] | None:
    """``Settling`` of one file for those who look, None of a file that is no bank's; ``error`` where the calendar does not
    reach so far."""
    try:
        its = days(app, connection, [outbound_id]).get(outbound_id)
    except CalendarError as error:
        return {"effective": None, "on": None, "at_bank": None, "came_at": None, "error": str(error)}
    return None if its is None else its._asdict() | {"error": None}


def _came(row: Row[Any]) -> datetime | None:
    return datetime.fromisoformat(row.came_at) if row.at_bank and row.came_at is not None else None


def _settling(app: App, calendar: BankingCalendar, row: Row[Any], came: datetime | None, now: datetime) -> Settling:
    header = json.loads(row.header)
    batch = header["batches"][0]
    effective: str = batch["effective_date"]
    settings = app.settings.gateway
    bank = bank_of(app, header, row.portfolio)
    proof = (bool(row.at_bank), row.came_at if came is not None else None)
    if bank is None or (row.at_bank and came is None):
        return Settling(effective, effective, *proof)
    marker: str = batch["descriptive_date"]
    is_same_day = marker.startswith(SAME_DAY)
    endpoint = settings.endpoints.get(row.endpoint or "")
    on = settlement_day(
        Windows() if endpoint is None else endpoint.windows, calendar, date.fromisoformat(effective), came or now,
        zone=ZoneInfo(settings.service.timezone), lead_days=0 if is_same_day else bank.lead_days,
        same_day_until=max((cutoff for cutoff, named in bank.same_day_windows.items() if named == marker), default=None),
    )  # fmt: skip
    return Settling(effective, on.isoformat(), *proof)
