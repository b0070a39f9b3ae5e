"""Time comes in from one place, so that no rule below the starting point asks the system for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The instant, zone-aware UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back, for intervals only."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class FixedClock:
    """A clock that tests set and advance; waiting advances it."""

    at: datetime
    elapsed: float = field(default=0.0)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError(f"instant {self.at} has no zone")

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    def wait(self, seconds: float) -> None:
        self.elapsed += seconds


def instant_text(at: datetime) -> str:
    """``2026-11-21T22:53:31.000123Z``: the one text form of an instant in the database and in JSON."""
    if at.tzinfo is None:
        raise ValueError(f"instant {at} has no zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
