"""The service's own parts: each has its guard, and what goes wrong in one is an alarm while the others go on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gateway import log, retention, service
from gateway.app import App
from gateway.clock import FixedClock
from gateway.console import alarms
from gateway.console.alarms import Condition
from gateway.console.status import status
from gateway.errors import GatewayError, Refused
from gateway.home import Home
from gateway.intake.service import Intake
from gateway.ledger.database import Database
from gateway.service import Service
from tests.outbound import world
from tests.period.test_by_itself import at_hour

NEW_YEARS_EVE = FixedClock(datetime(2027, 1, 1, 4, 30, tzinfo=UTC))  # 23:30 in New York


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What retention was asked for."""
    asked: list[Any] = []
    monkeypatch.setattr(retention, "sweep", lambda *order: asked.append(order))
    return asked


def at_year_end(db: Database, home: Home, *covered: int) -> App:
    return at_hour(world.app_at(home, db, NEW_YEARS_EVE, covered=covered), "22:00")


def open_alarms(db: Database) -> list[tuple[Any, ...]]:
    return world.all_of(db, "SELECT code, text FROM alarm WHERE cleared_at IS NULL ORDER BY alarm_id")


def test_an_end_of_period_that_cannot_begin_is_an_alarm_and_stops_nothing_else(
    db: Database, home: Home, kept: list[Any], tmp_path: Path
) -> None:
    world.company(db, business_date="2026-12-31")
    world.insert(db, "portfolio", portfolio="2", name="Second", business_date="2026-12-30", period_state="OPEN")
    app = at_year_end(db, home, 2026)
    own = Service(app)
    log.set_up(tmp_path, terminal=False)
    for looks in range(1, 4):
        own.keep_house()
        assert len(kept) == looks
    log.set_up(None, terminal=False)
    beginning = "End of Period of portfolio 1, 2026-12-31: End of Period of 2026-12-31: Found the date 2027-01-01, expected one in"
    told = dict(open_alarms(db))
    assert sorted(told) == ["MODULE_FAILED", "PERIOD_CANNOT_BEGIN"] and told["PERIOD_CANNOT_BEGIN"].startswith(
        beginning
    )
    assert told["MODULE_FAILED"].startswith("portfolio 2 U1003"), "the second ran, as far as one without accounts gets"
    found = status(app, None)
    assert found.wants_attention and {a["code"] for a in found.alarms} == told.keys()
    logged = (tmp_path / "gateway.log").read_text()
    assert logged.count('"eop.starting"') == 2 and logged.count('"service.step_failed"') == 1, "once, not at every look"
    Service(at_year_end(db, home, 2026, 2027)).keep_house()
    assert [code for code, _ in open_alarms(db)] == ["MODULE_FAILED"]
    assert world.one(db, "SELECT business_date FROM portfolio WHERE portfolio = '1'") == "2027-01-04"


def test_a_step_of_delivery_that_fails_keeps_no_other(
    db: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be put back into the outbox, sent, or put away is told, the first of it."""
    taken: list[str] = []

    def failing(name: str) -> Any:
        def step(*_: Any, **__: Any) -> None:
            taken.append(name)
            raise GatewayError(f"could not {name}")

        return step

    for owner, name in ((service.outbox, "settle"), (service, "deliver"), (service.copies, "put_away")):
        monkeypatch.setattr(owner, name, failing(name))
    with pytest.raises(GatewayError, match="could not settle"):
        Service(at_year_end(db, home, 2026))._deliver()
    assert taken == ["settle", "deliver", "put_away"]


def test_a_cause_that_is_mended_by_hand_is_over(db: Database, home: Home, kept: list[Any]) -> None:
    world.company(db, business_date="2026-12-31")
    own = Service(at_year_end(db, home, 2026))
    own.keep_house()
    assert len(open_alarms(db)) == 1
    world.change(db, "UPDATE portfolio SET business_date = '2027-01-04'")
    own.keep_house()
    assert open_alarms(db) == []


@pytest.mark.parametrize("broken", ["alarms", "retention", "looking for End of Period"])
def test_each_part_of_the_house_has_its_own_guard(
    db: Database, home: Home, clock: FixedClock, kept: list[Any], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("what?")

    world.company(db)
    held = Condition("a", "FILE_HELD", "a is held")
    monkeypatch.setattr(alarms, "conditions", lambda _found: [held])
    sweeps: list[tuple[Condition, ...]] = []
    real = alarms.sweep

    def sweep(app: App, channels: alarms.Channels, more: Any) -> None:
        sweeps.append(tuple(more))
        if broken == "alarms":
            fail()
        real(app, channels, more)

    monkeypatch.setattr(alarms, "sweep", sweep)
    if broken == "retention":
        monkeypatch.setattr(retention, "sweep", fail)
    if broken == "looking for End of Period":
        monkeypatch.setattr(service, "periods", fail)
    own = Service(at_hour(world.app_at(home, db, clock), "08:00"))
    for _ in range(2):
        own.keep_house()
    assert sweeps[1] == (Condition(f"service:{broken}", "SERVICE_TROUBLE", f"{broken}: ValueError: what?"),)
    assert len(kept) == (0 if broken == "retention" else 2)
    ended = world.one(db, "SELECT COUNT(*) FROM eop_run WHERE state = 'DONE'")
    assert ended == (0 if broken == "looking for End of Period" else 1)
    assert (held.code, held.text) in open_alarms(db) or broken == "alarms"


def test_an_end_of_period_that_hangs_keeps_no_alarm_back(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, looked_twice, go_on, runs = [], Event(), Event(), []

    def hang(*_: object, **__: object) -> None:
        runs.append(1)
        assert go_on.wait(60)

    def look(*_: object) -> None:
        looks.append(open_alarms(db))
        if len(looks) == 2:
            looked_twice.set()

    def until_looked(_intake: Intake, _stop: Event) -> None:
        assert looked_twice.wait(60)
        assert looks[0] == [("FILE_HELD", "a is held")] and runs == [1], "the one that hangs is not begun again"
        ending = own._ending
        assert ending is not None
        join = ending.join
        monkeypatch.setattr(
            ending, "join", lambda timeout=None: (go_on.set() if timeout is None else None, join(timeout))
        )

    world.company(db)
    own = Service(at_hour(world.app_at(home, db, clock), "08:00"))
    monkeypatch.setattr(service, "run_eop", hang)
    monkeypatch.setattr(service, "HOUSE_SECONDS", 0.01)
    monkeypatch.setattr(alarms, "conditions", lambda _found: [Condition("a", "FILE_HELD", "a is held")])
    monkeypatch.setattr(retention, "sweep", look)
    monkeypatch.setattr(Intake, "run", until_looked)
    own.run()
    ended, _ = go_on.is_set(), go_on.set()
    assert ended and own._ending is not None and not own._ending.is_alive(), "a stop waits for its module"


def test_what_the_stop_halts_is_told_to_nobody(db: Database, home: Home, clock: FixedClock, kept: list[Any]) -> None:
    """An ordinary upgrade: the next start takes it up."""
    world.company(db)
    own = Service(at_hour(world.app_at(home, db, clock), "08:00"))
    looks = iter([False, False, True])
    own.stop.is_set = lambda: next(looks, True)  # type: ignore[method-assign]
    own.keep_house()
    assert world.one(db, "SELECT state FROM eop_run") == "HALTED" and open_alarms(db) == []
    Service(own.app).keep_house()
    assert world.one(db, "SELECT state FROM eop_run") == "DONE" and open_alarms(db) == []


def test_what_holds_up_intake_and_delivery_is_an_alarm(
    db: Database, home: Home, clock: FixedClock, kept: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_intake: Intake, _stop: Event) -> None:
        own._guarded("delivery", own._deliver)
        own.keep_house()

    def fail(*_: object, **__: object) -> None:
        raise Refused("delivering: found no room")

    world.company(db)
    own = Service(at_hour(world.app_at(home, db, clock), None))
    monkeypatch.setattr(Intake, "run", end)
    monkeypatch.setattr(Intake, "lasting", lambda _intake: {"adopt": "vault key: found it readable by others"})
    monkeypatch.setattr(service, "deliver", fail)
    monkeypatch.setattr(own, "_every", lambda *_: None)  # the threads' steps are taken above, one after the other
    own.run()
    assert set(open_alarms(db)) == {
        ("SERVICE_TROUBLE", "delivery: delivering: found no room"),
        ("INTAKE_TROUBLE", "intake, adopt: vault key: found it readable by others"),
    }
