"""Cutoffs of an endpoint: the next one, the one before, and the last that reaches an effective date."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.calendar import BankingCalendar
from gateway.cutoffs import last_chance, last_closing, next_closing, settlement_day, shown_instant
from gateway.settings import Windows

CALENDAR = BankingCalendar({2026}, {"2026-03-11": "site closed"})
DAY = Windows(times=("14:15", "10:30"), by_weekday={"friday": ("13:00",), "thursday": ()})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "following", "before"),
    [
        ("2026-03-02 15:29", "2026-03-02 10:30 EST", "2026-02-27 13:00 EST"),  # Monday, 10:29 at the bank
        ("2026-03-02 15:30", "2026-03-02 14:15 EST", "2026-03-02 10:30 EST"),  # at the cutoff is too late
        ("2026-03-02 19:15", "2026-03-03 10:30 EST", "2026-03-02 14:15 EST"),
        ("2026-03-03 03:00", "2026-03-03 10:30 EST", "2026-03-02 14:15 EST"),  # still Monday there
        ("2026-03-04 20:00", "2026-03-06 13:00 EST", "2026-03-04 14:15 EST"),  # no window on Thursdays
        ("2026-03-06 18:30", "2026-03-09 10:30 EDT", "2026-03-06 13:00 EST"),  # the weekend, and summer time begins
        ("2026-03-11 12:00", "2026-03-13 13:00 EDT", "2026-03-10 14:15 EDT"),  # a holiday of the site
        ("2026-07-03 12:00", "2026-07-03 13:00 EDT", "2026-07-01 14:15 EDT"),  # open: 4 July is a Saturday
    ],
)
def test_the_cutoffs_around_an_instant(now: str, following: str, before: str) -> None:
    at = utc(now)
    assert shown_instant(next_closing(DAY, CALENDAR, at)) == following
    assert shown_instant(last_closing(DAY, CALENDAR, at)) == before


@pytest.mark.parametrize(
    ("effective", "lead_days", "last"),
    [
        ("2026-03-03", 1, "2026-03-02 14:15 EST"),
        ("2026-03-03", 0, "2026-03-03 14:15 EST"),
        ("2026-03-09", 1, "2026-03-06 13:00 EST"),
        ("2026-03-06", 1, "2026-03-04 14:15 EST"),  # no window on the Thursday before
        ("2026-03-12", 1, "2026-03-10 14:15 EDT"),
    ],
)
def test_the_last_cutoff_that_reaches_a_date(effective: str, lead_days: int, last: str) -> None:
    assert shown_instant(last_chance(DAY, CALENDAR, date.fromisoformat(effective), lead_days)) == last


@pytest.mark.parametrize(
    ("windows", "came", "lead_days", "same_day_until", "day"),
    [
        (DAY, "2026-03-02 19:14", 1, None, "2026-03-03"),
        (DAY, "2026-03-02 19:15", 1, None, "2026-03-04"),  # at the cutoff is too late: Tuesday's window
        (DAY, "2026-03-02 19:15", 0, None, "2026-03-03"),
        (DAY, "2026-03-04 20:00", 1, None, "2026-03-09"),  # no window on Thursdays: Friday's
        (DAY, "2026-02-20 12:00", 1, None, "2026-03-03"),  # early: its date stands
        (Windows(), "2026-03-02 23:59", 1, None, "2026-03-03"),
        (Windows(), "2026-03-04 04:59", 1, None, "2026-03-04"),  # still Tuesday there
        (Windows(), "2026-03-04 05:00", 1, None, "2026-03-05"),
        (Windows(), "2026-03-08 15:00", 1, None, "2026-03-09"),
        (Windows(), "2026-03-03 14:59", 0, "10:00", "2026-03-03"),
        (Windows(), "2026-03-03 15:00", 0, "10:00", "2026-03-04"),
        (
            Windows(),
            "2026-03-08 18:00",
            0,
            "10:00",
            "2026-03-09",
        ),  # a Sunday: before the cutoff of the next banking day
        (
            DAY,
            "2026-03-03 15:10",
            0,
            "10:00",
            "2026-03-04",
        ),  # the endpoint still takes, the window it was made for is over
    ],
)
def test_the_day_that_what_came_settles(
    windows: Windows, came: str, lead_days: int, same_day_until: str | None, day: str
) -> None:
    """For an effective date of Tuesday, 3 March."""
    found = settlement_day(
        windows, CALENDAR, date(2026, 3, 3), utc(came), zone=ZoneInfo("America/New_York"), lead_days=lead_days,
        same_day_until=same_day_until,
    )  # fmt: skip
    assert found.isoformat() == day


@pytest.mark.parametrize(("windows", "any_"), [({}, False), ({"times": ["10:00"]}, True), ({"by_weekday": {"friday": ["9:00"]}}, None),
                                              ({"by_weekday": {"friday": ["09:00"]}}, True), ({"by_weekday": {"friday": []}}, None)])  # fmt: skip
def test_what_a_setting_may_say(windows: dict[str, Any], any_: bool | None) -> None:
    if any_ is None:
        with pytest.raises(ValueError, match=r"expected (a time of|one at least)"):
            Windows.model_validate(windows)
    else:
        assert Windows.model_validate(windows).any is any_
