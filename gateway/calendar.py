"""Banking days: the days on which the ACH operator settles, which since 2026 alone decide.

Weekends and the holidays of the Federal Reserve Banks, plus the portfolio's own days off (``holidays.csv``).
A holiday on a Sunday is taken on the Monday after; one on a Saturday is not moved, the Friday before is open.
The days come from the `holidays` package (``financial_holidays("FED")``), found right by that rule for 1999 to
2060; its other United States calendars close Fridays that are open.

The years a person has looked at are a setting (``calendar.covered``). A date outside them is refused: a file
with a settlement day on a holiday nobody knew of comes back from the bank.

>>> days = BankingCalendar({2026})
>>> days.is_banking_day(date(2026, 7, 3)), days.next_banking_day(date(2026, 7, 4)).isoformat()
(True, '2026-07-06')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Final

from gateway.errors import Refused

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


class CalendarError(Refused):
    """A date in a year that nobody has checked. What needs it is not done."""


class BankingCalendar:
    """Banking days of the covered years. ``extra`` are further days off by name, as dates or ISO text."""

    def __init__(
        self, covered_years: Iterable[int], extra: Mapping[date, str] | Mapping[str, str] | None = None
    ) -> None:
        self.covered_years = frozenset(covered_years)
        self._names = federal_holidays(self.covered_years)
        for day, name in (extra or {}).items():
            self._names[day if isinstance(day, date) else date.fromisoformat(day)] = name

    def closed_because(self, day: date) -> str | None:
        """The name of what closes the banks on this day, or None on a banking day."""
        if day.year not in self.covered_years:
            covered = ", ".join(map(str, sorted(self.covered_years))) or "none"
            raise CalendarError(
                f"Found the date {day.isoformat()}, expected one in the covered years ({covered}): "
                f"check the banking holidays of {day.year} (gateway ledger holidays --year {day.year}) and add the year to calendar.covered."
            )
        if day.weekday() >= _SATURDAY:
            return "Saturday" if day.weekday() == _SATURDAY else "Sunday"
        return self._names.get(day)

    def is_banking_day(self, day: date) -> bool:
        return self.closed_because(day) is None

    def next_banking_day(self, day: date) -> date:
        """The day itself when it is one, else the first after it."""
        while not self.is_banking_day(day):
            day += _DAY
        return day

    def add_banking_days(self, day: date, count: int) -> date:
        """So many banking days after ``day`` (before it when negative); the day itself need not be one.

        With a count of zero the day is moved forward to a banking day.
        """
        if count == 0:
            return self.next_banking_day(day)
        step = _DAY if count > 0 else -_DAY
        for _ in range(abs(count)):
            day += step
            while not self.is_banking_day(day):
                day += step
        return day

    def banking_days_between(self, first: date, last: date) -> int:
        """How many banking days lie after ``first`` up to and including ``last``; negative backwards."""
        if last < first:
            return -self.banking_days_between(last, first)
        days = (last - first).days
        return sum(self.is_banking_day(first + timedelta(days=n)) for n in range(1, days + 1))


def federal_holidays(years: Iterable[int]) -> dict[date, str]:
    """The holidays of the Federal Reserve Banks in these years, by day; one on a Saturday closes no other day."""
    import holidays  # brought along only where days are asked about: most commands begin without it

    return {day: str(name) for day, name in holidays.financial_holidays("FED", years=sorted(years)).items()}


@cache
def _federal(year: int) -> BankingCalendar:
    return BankingCalendar({year})


def operator_settles(day: date) -> bool:
    """Whether the ACH operator settles on a day of any year: the Federal Reserve's days alone decide. For files that come
    with their dates; a date of ours is held to the covered years.

    >>> operator_settles(date(2028, 11, 10)), operator_settles(date(2027, 7, 5))
    (True, False)
    """
    return _federal(day.year).is_banking_day(day)
