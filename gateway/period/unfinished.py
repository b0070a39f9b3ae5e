"""Which End of Period the service starts or takes up by itself, and which was left unfinished: both told by its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from gateway.period.states import SETTLED, ModuleState

INTERRUPTED: Final = "interrupted"
"""The message of a module that a person stopped with Ctrl-C, as opposed to one that a stop of the service came before."""
SKIPPED_WITH: Final = "skipped with "
"""How the message of a module begins that nobody skipped, but that goes with one that somebody did."""


@dataclass(frozen=True, slots=True)
class Period:
    """An open business date that is to be ended: not begun when ``modules`` is empty."""

    portfolio: str
    business_date: str
    modules: Mapping[str, tuple[ModuleState, str | None]] = field(default_factory=dict)
    moved_at: str = ""
    """When it last began, or a module of it began or ended."""

    @property
    def failed(self) -> bool:
        return any(state is ModuleState.FAILED for state, _ in self.modules.values())

    @property
    def for_a_person(self) -> bool:
        """A module failed, or a person stopped the run: neither goes on by itself."""
        stopped = (ModuleState.HALTED, INTERRUPTED)
        return self.failed or stopped in self.modules.values()

    @property
    def skipped(self) -> tuple[str, ...]:
        """What a person left out of the run; whoever takes it up leaves it out too. What went with that follows from it: an
        earlier version skipped U0450 so, which ends the month."""
        return tuple(
            name
            for name, (state, message) in self.modules.items()
            if state is ModuleState.SKIPPED and not (message or "").startswith(SKIPPED_WITH)
        )

    @property
    def left(self) -> tuple[str, ...]:
        """What is still to be done, in order."""
        return tuple(name for name, (state, _) in self.modules.items() if state not in SETTLED)


def periods(connection: Connection) -> list[Period]:
    """The open business date of each portfolio, with its modules where End of Period has begun."""
    rows = connection.execute(
        text(
            "SELECT p.portfolio, p.business_date, m.module, m.state, m.message, r.started_at, m.started_at, m.ended_at "
            "FROM portfolio p "
            "LEFT JOIN eop_run r ON r.portfolio = p.portfolio AND r.business_date = p.business_date "
            "LEFT JOIN eop_module m ON m.run_id = r.run_id ORDER BY p.portfolio, m.position"
        )
    )
    found: dict[tuple[str, str], dict[str, tuple[ModuleState, str | None]]] = {}
    moved: dict[tuple[str, str], str] = {}
    for portfolio, day, module, state, message, *instants in rows:
        modules = found.setdefault((portfolio, day), {})
        if module is not None:
            modules[module] = (ModuleState(state), message)
        moved[portfolio, day] = max(moved.get((portfolio, day), ""), *(instant or "" for instant in instants))
    return [Period(*key, modules, moved[key]) for key, modules in found.items()]


def is_due(business_date: str, at: str, now: datetime) -> bool:
    """Whether a business date's End of Period hour has come; ``now`` in the site's zone, ``at`` as ``22:30``.

    At its hour, or at once when that is past, the service also takes up what a process that ended left. A run in which a
    module failed, or that a person stopped, waits for a person (``gateway eop`` takes it up).
    """
    return (now.date().isoformat(), now.strftime("%H:%M")) >= (business_date, at)
