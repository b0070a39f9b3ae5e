"""Banking days against the rule of the Federal Reserve, computed here a second time and differently."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from gateway.calendar import BankingCalendar, CalendarError

YEARS = range(2026, 2036)
CALENDAR = BankingCalendar(YEARS)


def nth(year: int, month: int, weekday: int, number: int) -> date:
    days = [date(year, month, 1) + timedelta(days=n) for n in range(31)]
    found = [day for day in days if day.month == month and day.weekday() == weekday]
    return found[number]


def federal(year: int) -> set[date]:
    """The rule itself: fixed days move from Sunday to Monday and never from Saturday."""
    fixed = [date(year, *md) for md in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))]
    moved = {day + timedelta(days=1) if day.weekday() == 6 else day for day in fixed}
    floating = {
        nth(year, 1, 0, 2),
        nth(year, 2, 0, 2),
        nth(year, 5, 0, -1),
        nth(year, 9, 0, 0),
        nth(year, 10, 0, 1),
        nth(year, 11, 3, 3),
    }
    return {day for day in moved | floating if day.weekday() < 5}


def test_every_day_follows_the_rule() -> None:
    closed = set().union(*(federal(year) for year in YEARS))
    assert len(closed) == 101
    day = date(2026, 1, 1)
    while day.year in YEARS:
        assert CALENDAR.is_banking_day(day) == (day.weekday() < 5 and day not in closed), day
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        ("2026-07-03", True),
        ("2027-06-18", True),
        ("2027-07-05", False),
        ("2027-12-24", True),
        ("2027-12-31", True),
        ("2028-11-10", True),
        ("2029-11-12", False),
        ("2026-08-01", False),
    ],
)
def test_days_that_other_calendars_get_wrong(day: str, is_open: bool) -> None:
    assert CALENDAR.is_banking_day(date.fromisoformat(day)) is is_open


def test_stepping() -> None:
    friday, monday = date(2026, 7, 31), date(2026, 8, 3)
    assert CALENDAR.next_banking_day(friday) == friday
    assert CALENDAR.next_banking_day(date(2026, 8, 1)) == monday
    assert CALENDAR.add_banking_days(friday, 1) == monday
    assert CALENDAR.add_banking_days(monday, -1) == friday
    assert CALENDAR.add_banking_days(date(2026, 8, 1), 0) == monday
    assert CALENDAR.add_banking_days(date(2026, 7, 2), 2) == date(2026, 7, 6)
    assert CALENDAR.banking_days_between(friday, date(2026, 8, 5)) == 3
    assert CALENDAR.banking_days_between(date(2026, 8, 5), friday) == -3


def test_days_off_of_the_site_are_added() -> None:
    calendar = BankingCalendar({2026}, {"2026-07-31": "Founder's day", "2026-08-03": "Audit"})
    assert calendar.closed_because(date(2026, 7, 31)) == "Founder's day"
    assert calendar.next_banking_day(date(2026, 7, 31)) == date(2026, 8, 4)
    assert BankingCalendar({2026}, {date(2026, 7, 31): "x"}).closed_because(date(2026, 7, 31)) == "x"
    assert calendar.closed_because(date(2026, 8, 1)) == "Saturday"
    assert calendar.closed_because(date(2026, 8, 2)) == "Sunday"
    assert "Christmas" in str(calendar.closed_because(date(2026, 12, 25)))


def test_a_year_nobody_checked_is_refused() -> None:
    calendar = BankingCalendar({2026})
    with pytest.raises(CalendarError, match=r"2027-01-04.*covered years \(2026\).*calendar.covered"):
        calendar.is_banking_day(date(2027, 1, 4))
    with pytest.raises(CalendarError):
        calendar.add_banking_days(date(2026, 12, 31), 1)
