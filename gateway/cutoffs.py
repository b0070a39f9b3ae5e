"""Until when an endpoint takes a file today, whether a file still reaches its effective date, and when it settles else.

A bank takes files until its cutoffs on banking days; one that comes later goes with the next window. The times are a
setting of the endpoint (``[endpoints.*.windows]``), because every bank has its own, earlier than those of the operator
(Fed, same day: 10:30, 14:45, 16:45 Eastern). Plain functions of values, the clock's "now" among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from gateway.calendar import BankingCalendar
from gateway.settings import WEEKDAYS, Windows

_LOOK_DAYS: Final = 400
"""A setting with a time on some weekday has a window long before."""


def next_closing(windows: Windows, calendar: BankingCalendar, now: datetime) -> datetime:
    """The first cutoff after ``now``, in the endpoint's zone: a file that comes at a cutoff comes too late."""
    day = now.astimezone(ZoneInfo(windows.timezone)).date()
    return next(at for n in range(_LOOK_DAYS) for at in _on(windows, calendar, day + timedelta(days=n)) if at > now)


def last_closing(windows: Windows, calendar: BankingCalendar, now: datetime) -> datetime:
    """The latest cutoff up to ``now``."""
    day = now.astimezone(ZoneInfo(windows.timezone)).date()
    days = (_on(windows, calendar, day - timedelta(days=n)) for n in range(_LOOK_DAYS))
    return next(at for closings in days for at in reversed(list(closings)) if at <= now)


def last_chance(windows: Windows, calendar: BankingCalendar, effective: date, lead_days: int) -> datetime:
    """The last cutoff by which a file reaches its effective date, ``lead_days`` banking days before it."""
    day = calendar.add_banking_days(effective, -lead_days)
    days = (_on(windows, calendar, day - timedelta(days=n)) for n in range(_LOOK_DAYS))
    return next(at for closings in days for at in reversed(list(closings)))


def settlement_day(
    windows: Windows,
    calendar: BankingCalendar,
    effective: date,
    came_at: datetime,
    *,
    zone: ZoneInfo,
    lead_days: int,
    same_day_until: str | None = None,
) -> date:
    """When entries of this effective date settle that came to the bank then: ``lead_days`` banking days after the window
    they came for (without windows, after that day in ``zone``), never before their date. ``same_day_until`` (``14:45`` in
    ``zone``) is the cutoff of the same-day window that a file was built for: after it, the next banking day at the soonest.
    """
    here = came_at.astimezone(zone)
    window = next_closing(windows, calendar, came_at).date() if windows.any else here.date()
    day = calendar.add_banking_days(window, lead_days)
    if same_day_until is not None and f"{here:%H:%M}" >= same_day_until and calendar.is_banking_day(here.date()):
        day = max(day, calendar.add_banking_days(here.date(), 1))
    return max(effective, day)


def shown_instant(at: datetime) -> str:
    """``2026-03-02 10:30 EST``: the one form in which people read an instant."""
    return f"{at:%Y-%m-%d %H:%M %Z}"


def shown_text(instant: str, timezone: str) -> str:
    """The same of an instant as the ledger has it, in UTC, for people of ``timezone``."""
    return shown_instant(datetime.fromisoformat(instant).astimezone(ZoneInfo(timezone)))


def _on(windows: Windows, calendar: BankingCalendar, day: date) -> Iterator[datetime]:
    if calendar.is_banking_day(day):
        zone = ZoneInfo(windows.timezone)
        for text in sorted(windows.by_weekday.get(WEEKDAYS[day.weekday()], windows.times)):
            yield datetime.combine(day, time.fromisoformat(text), zone)
