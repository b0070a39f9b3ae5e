"""The service behind ``gateway run``: intake, delivery, End of Period at its hour, and alarms, until it is told to stop.

Intake, delivery, End of Period and the house each have their own thread: a bank that does not answer never delays a
posting, and a module that hangs no alarm. Each part, and in the house each portfolio's End of Period, the alarms and
retention, has its own fault guard: what goes wrong in one is logged, is an alarm, and is tried again, while the others go on.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway import log, retention
from gateway.app import App
from gateway.console import alarms
from gateway.console.alarms import Condition
from gateway.delivery.deliver import deliver, missing_endpoints
from gateway.errors import each_tried, raise_first
from gateway.intake.service import Intake
from gateway.outbound import outbox
from gateway.parts import poster, renderer, stays
from gateway.period.eop import run_eop
from gateway.period.turn import AtWork, has_turn
from gateway.period.unfinished import Period, is_due, periods
from gateway.release import copies

DELIVERY_SECONDS: Final = 2.0
"""Between two looks for files that are due; a released file waits no longer than this."""
HOUSE_SECONDS: Final = 15.0
"""Between two looks at the hour of End of Period and at the alarms."""

CANNOT_BEGIN: Final = "PERIOD_CANNOT_BEGIN"
"""The alarm code of an End of Period that is due and refused as a whole, so that no module of it can say so."""

_log = log.get("gateway.service")


@dataclass
class Service:
    app: App
    stop: threading.Event = field(default_factory=threading.Event)
    _missing: log.Trouble = field(default_factory=missing_endpoints)
    _intake: Intake | None = None
    _channels: alarms.Channels = field(default_factory=alarms.Channels)
    _troubles: dict[tuple[str, str], log.Trouble] = field(default_factory=dict)  # by alarm code and step
    _ending: threading.Thread | None = None  # of End of Period: while one is long, alarms go on

    def run_until_signal(self) -> None:
        """Run in this thread until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        self.run()

    def run(self) -> None:
        """Run until ``stop`` is set; what is being posted or delivered then is finished first."""
        _log.info("service.started", home=str(self.app.home.root))
        intake = self._intake = Intake(self.app)
        threads = [
            threading.Thread(target=self._every, args=(DELIVERY_SECONDS, "delivery", self._deliver), name="delivery"),
            threading.Thread(target=self._every, args=(HOUSE_SECONDS, "house", self.keep_house), name="house"),
        ]
        try:
            for thread in threads:
                thread.start()
            intake.run(self.stop)
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
            if self._ending is not None:
                self._ending.join()
            intake.close()
            _log.info("service.stopped")

    def _every(self, seconds: float, name: str, step: Callable[[], object]) -> None:
        while not self.stop.is_set():
            self._guarded(name, step)
            self.stop.wait(seconds)

    def _guarded(self, name: str, step: Callable[[], object], code: str = "SERVICE_TROUBLE") -> None:
        """Take a step; what goes wrong is logged, and an alarm of this code, and nothing else stops for it."""
        trouble = self._troubles.setdefault((code, name), log.Trouble(__name__, "service.step_failed", {"step": name}))
        try:
            step()
            trouble.over()
        except Exception as fault:
            trouble.met(fault, self.app.clock.monotonic())

    def _own_troubles(self) -> list[Condition]:
        """What a status cannot see: a part of the service that does not get on, an End of Period that cannot begin."""
        met = [
            (code, name, trouble.lasting)
            for (code, name), trouble in sorted(self._troubles.items())
            if trouble.lasting is not None
        ]
        if self._intake is not None:
            met += [("INTAKE_TROUBLE", f"intake, {name}", words) for name, words in self._intake.lasting().items()]
        return [Condition(f"service:{name}", code, f"{name}: {words}") for code, name, words in met]

    def _deliver(self) -> None:
        """A file that cannot be put back, or away, keeps no other from leaving."""
        faults = each_tried(
            lambda: outbox.settle(self.app),
            lambda: deliver(
                self.app, render=renderer(self.app), stays=stays(self.app), stop=self.stop, missing=self._missing
            ),
            lambda: copies.put_away(self.app),
        )
        raise_first(faults)

    def keep_house(self) -> None:
        """One look at the hour of End of Period, the alarms and what is kept too long; none of them waits for another. End of
        Period has time to end what is short, so that nobody hears of what it is about to take up."""
        if self._ending is None or not self._ending.is_alive():
            look = partial(self._guarded, "looking for End of Period", self._end_periods)
            self._ending = threading.Thread(target=look, name="end of period")
            self._ending.start()
        self._ending.join(HOUSE_SECONDS)
        if self.stop.is_set():
            return  # what the stop halted is taken up by the next start: nobody need hear of it
        self._guarded("alarms", lambda: alarms.sweep(self.app, self._channels, self._own_troubles()))
        retention_of, today = self.app.settings.gateway.retention, self.app.here().date()
        self._guarded("retention", lambda: retention.sweep(self.app.home, retention_of, today))

    def _end_periods(self) -> None:
        due = {f"End of Period of portfolio {p.portfolio}, {p.business_date}": p for p in self._due_for_end_of_period()}
        for code, name in [*self._troubles]:
            if code == CANNOT_BEGIN and name not in due:
                self._troubles.pop((code, name)).over()
        for name, period in due.items():
            if not self.stop.is_set():
                self._guarded(name, partial(self._end, period, self._troubles.get((CANNOT_BEGIN, name))), CANNOT_BEGIN)

    def _due_for_end_of_period(self) -> list[Period]:
        """Business dates whose hour has come: not begun, or left by a process that ended. A run in which a module failed, or
        that a person stopped, waits for a person."""
        at = self.app.settings.gateway.service.eop_at
        if at is None:
            return []
        with self.app.db.read() as connection:
            found = periods(connection)
        now = self.app.here()
        return [p for p in found if not p.for_a_person and is_due(p.business_date, at, now)]

    def _end(self, period: Period, trouble: log.Trouble | None) -> None:
        """Run End of Period, or what is left of it; while another process is at it, it has the turn. What hindered it at
        the last look is logged once."""
        if has_turn(self.app.db, period.portfolio):
            return
        if trouble is None or trouble.lasting is None:
            event = "eop.taken_up" if period.modules else "eop.starting"
            _log.info(event, portfolio=period.portfolio, business_date=period.business_date, left=list(period.left))
        with suppress(AtWork):
            run_eop(
                self.app, period.business_date, post_file=poster(self.app), portfolios=[period.portfolio],
                by_itself=True, halted=self.stop.is_set,
            )  # fmt: skip
