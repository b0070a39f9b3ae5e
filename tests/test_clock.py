"""Clocks and instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.clock import FixedClock, SystemClock, instant_text


def test_instants_are_utc_text_and_naive_ones_are_refused() -> None:
    east = timezone(timedelta(hours=2))
    assert instant_text(datetime(2026, 3, 2, 16, 0, 1, 5, tzinfo=east)) == "2026-03-02T14:00:01.000005Z"
    for make in (instant_text, FixedClock):
        with pytest.raises(ValueError, match="has no zone"):
            make(datetime(2026, 3, 2, 16, 0))  # noqa: DTZ001 - the point


def test_a_fixed_clock_advances_by_waiting_only() -> None:
    clock = FixedClock(datetime(2026, 3, 2, 14, 0, tzinfo=UTC))
    clock.wait(1.5)
    assert clock.monotonic() == 1.5
    assert instant_text(clock.now()) == "2026-03-02T14:00:01.500000Z"


def test_the_system_clock_is_aware_and_never_goes_back() -> None:
    clock = SystemClock()
    first = clock.monotonic()
    clock.wait(0)
    assert clock.monotonic() >= first
    assert clock.now().tzinfo is UTC
