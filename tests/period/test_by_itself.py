"""End of Period that nobody asked for: the service begins it at its hour, takes up what a process that ended left, and leaves
to people what is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.console import alarms
from gateway.console.status import status
from gateway.errors import GatewayError, Refused
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.period.eop import run_eop
from gateway.period.turn import AtWork, has_turn, turn
from gateway.period.unfinished import is_due
from gateway.service import Service
from tests.outbound import world
from tests.period.test_eop import DAILY, DATE, NEXT, app_of, breaking, no_files, open_date, run

UNFINISHED = "portfolio 1: End of Period of 2026-03-02 stands before {}, and nobody is at it: gateway eop --date 2026-03-02 --portfolio 1"


class KilledError(BaseException):
    """What a module of a process that is killed never comes back from."""


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    return at_hour(app_of(db, home, clock))


def at_hour(app: App, eop_at: str | None = "08:00") -> App:
    """Due for the open business date at the clock's 09:00, not yet for the next one."""
    service = app.settings.gateway.service.model_copy(update={"eop_at": eop_at})
    gateway = app.settings.gateway.model_copy(update={"service": service})
    return replace(app, settings=replace(app.settings, gateway=gateway))


def killed(app: App, monkeypatch: pytest.MonkeyPatch, module: str, **options: Any) -> None:
    with monkeypatch.context() as patch:
        breaking(patch, module, KilledError())
        with pytest.raises(KilledError):
            run(app, **options)


def modules(db: Database) -> dict[str, str]:
    return dict(world.all_of(db, "SELECT module, state FROM eop_module ORDER BY position"))


def told(app: App) -> list[tuple[str, str]]:
    return [(c.code, c.text) for c in alarms.conditions(status(app, None))]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-01T23:59", False),
        ("2026-03-02T07:59", False),
        ("2026-03-02T08:00", True),
        ("2026-03-03T00:00", True),
        ("2027-01-01T00:00", True),
    ],
)
def test_when_the_hour_of_a_business_date_has_come(now: str, due: bool) -> None:
    assert is_due("2026-03-02", "08:00", datetime.fromisoformat(now)) is due


def test_the_service_takes_up_what_a_killed_one_left(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(app, monkeypatch, "U0424")
    assert (modules(db)["U0424"], open_date(db)) == ("RUNNING", (DATE, "CLOSED"))
    Service(app).keep_house()
    assert modules(db) == dict.fromkeys(DAILY, "DONE") and open_date(db) == (NEXT, "OPEN")
    assert world.one(db, "SELECT COUNT(*) FROM posting_unit WHERE update_name = 'U0422'") == 1


def test_the_service_takes_up_what_its_stop_halted(db: Database, app: App) -> None:
    answers = iter([False, False, True])
    run(app, halted=lambda: next(answers, True))
    assert modules(db)["U0418"] == "HALTED BY SUPERVISOR"
    Service(app).keep_house()
    assert modules(db) == dict.fromkeys(DAILY, "DONE")


def test_before_its_hour_the_service_takes_nothing_up(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(app, monkeypatch, "U0424")
    for early in (at_hour(app, "09:01"), at_hour(app, None)):
        Service(early).keep_house()
        assert modules(db)["U0424"] == "RUNNING"


def test_a_failed_module_waits_for_a_person(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        breaking(patch, "R0203", GatewayError("the disk is full"))
        run(app)
    for _ in range(2):
        Service(app).keep_house()
    assert modules(db)["R0203"] == "FAILED DUE TO ERROR"
    assert told(app) == [("MODULE_FAILED", "portfolio 1 R0203: the disk is full")], "told once, by the module"
    run(app, only=["U0424"])
    assert modules(db)["R0203"] == "FAILED DUE TO ERROR", "one module by hand does not take up another that failed"
    Service(app).keep_house()
    assert modules(db)["R0203"] == "FAILED DUE TO ERROR"


def test_a_failed_module_of_a_killed_process_waits_too(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        breaking(patch, "U0415", GatewayError("the disk is full"))
        killed(app, monkeypatch, "U0424")
    Service(app).keep_house()
    assert (modules(db)["U0415"], modules(db)["U0424"]) == ("FAILED DUE TO ERROR", "RUNNING")


def test_what_a_person_stopped_waits_for_a_person(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        breaking(patch, "U0460", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(app)
    Service(app).keep_house()
    assert modules(db)["U0460"] == "HALTED BY SUPERVISOR"
    assert told(app) == [("PERIOD_UNFINISHED", UNFINISHED.format("U0460 and 3 modules after it"))]


def test_what_a_person_skipped_stays_skipped(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(app, monkeypatch, "R0203", skip=["U0424", "U1003"])
    Service(replace(app, operator=world.BOB)).keep_house()
    assert open_date(db) == (NEXT, "OPEN")
    skipped = "SELECT module, message FROM eop_module WHERE state = 'SKIPPED BY OPERATOR' ORDER BY position"
    assert world.all_of(db, skipped) == [("U0424", "by ANN"), ("U1003", "by ANN"), ("U0422", "skipped with U1003")]


def test_the_month_ends_in_a_run_that_an_earlier_version_began(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had skipped U0450 with U0422: nobody did."""
    world.company(db, business_date="2026-03-31")
    app = app_of(db, home, clock)
    killed(app, monkeypatch, "R0203", date="2026-03-31", skip=["U1003"])
    world.change(
        db, "UPDATE eop_module SET state = 'SKIPPED BY OPERATOR', message = 'skipped with U0422' WHERE module = 'U0450'"
    )
    result = run_eop(app, "2026-03-31", post_file=no_files, by_itself=True)
    assert result.done and (modules(db)["U0422"], modules(db)["U0450"]) == ("SKIPPED BY OPERATOR", "DONE")


def test_a_module_that_does_not_get_on_is_told(
    db: Database, app: App, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(app, monkeypatch, "U0424")
    with turn(db, ["1"]):  # as a process has it that hangs
        for minutes, codes in ((60, []), (1, ["PERIOD_SLOW"])):
            clock.wait(60 * minutes)
            assert [code for code, _ in told(app)] == codes
        assert told(app)[0][1].startswith(
            "portfolio 1: End of Period of 2026-03-02 is before or in U0424 since 2026-03-02 09:00 EST: see the log"
        )
        assert status(app, None).wants_attention
        for moved in ("started_at", "ended_at"):  # a module began, or ended, a minute ago
            now = "2026-03-02T15:00:00.000000Z"
            was = world.one(db, f"SELECT {moved} FROM eop_module WHERE module = 'U0418'")
            world.change(db, f"UPDATE eop_module SET {moved} = '{now}' WHERE module = 'U0418'")
            assert told(app) == []
            world.change(db, f"UPDATE eop_module SET {moved} = '{was}' WHERE module = 'U0418'")
        assert [code for code, _ in told(app)] == ["PERIOD_SLOW"]
    assert [code for code, _ in told(app)] == ["PERIOD_UNFINISHED"]


# --- an order for some modules --------------------------------------------------------------------------------


def test_one_module_of_a_skipped_pair_does_not_run_alone(db: Database, app: App) -> None:
    """U0422 after a skipped U1003 would zero what was never transferred."""
    run(app, skip=["U1003"], only=["U0410", "U0415", "U0418", "U0409", "U0470"])
    with pytest.raises(Refused, match="U0422 of portfolio 1: found it skipped"):
        run(app, only=["U0422"])
    assert modules(db)["U1003"] == "SKIPPED BY OPERATOR"


@pytest.mark.parametrize(
    ("only", "why"),
    [
        (["U1003"], "U1003 of portfolio 1: found U0415, U0418, U0409, U0470 not done"),
        (["U0450"], "found U0450 not planned for any portfolio on that date, expected some of U0410 U0415"),
        (["U0410", "U0450"], "found U0450 not planned"),
    ],
)
@pytest.mark.parametrize("portfolios", [None, ["1", "2"]])
def test_a_refused_order_leaves_the_nightly_run_to_come(
    db: Database, app: App, only: list[str], why: str, portfolios: Sequence[str] | None
) -> None:
    world.insert(db, "portfolio", portfolio="2", name="Second", business_date=DATE, period_state="OPEN")
    if portfolios:
        why = why.replace("any portfolio", "portfolio 1")
    with pytest.raises(Refused, match=why):
        run(app, only=only, portfolios=portfolios)
    assert world.one(db, "SELECT COUNT(*) FROM eop_run") == 0
    Service(app).keep_house()
    assert world.one(db, "SELECT COUNT(*) FROM eop_run WHERE portfolio = '1' AND state = 'DONE'") == 1


def test_an_order_refused_for_the_second_portfolio_touches_none(db: Database, app: App) -> None:
    world.insert(db, "portfolio", portfolio="2", name="Second", business_date=DATE, period_state="OPEN")
    run(app, only=["U0410"], portfolios=["1"])
    with pytest.raises(Refused, match="U0415 of portfolio 2: found U0410 not done"):
        run(app, only=["U0415"])
    assert modules(db)["U0415"] == "PENDING"
    assert world.one(db, "SELECT COUNT(*) FROM eop_run") == 1


def test_a_module_of_one_portfolio_only_leaves_the_others_alone(db: Database, app: App) -> None:
    """Portfolio 2 uses no Vendor ACH: nothing of it is ordered."""
    world.insert(db, "portfolio", portfolio="2", name="Second", business_date=DATE, period_state="OPEN")
    run(app, only=["U0410"])
    assert [p.portfolio for p in run(app, only=["U0424"]).portfolios] == ["1"]
    with pytest.raises(Refused, match="found U0424 not planned for portfolio 2 on that date"):
        run(app, only=["U0424"], portfolios=["1", "2"])


def test_some_modules_by_hand_and_the_rest_at_the_hour(db: Database, app: App) -> None:
    run(app, only=["U0410", "U0424"])
    assert told(app) == [("PERIOD_UNFINISHED", UNFINISHED.format("U0415 and 8 modules after it"))]
    Service(app).keep_house()
    assert open_date(db) == (NEXT, "OPEN") and told(app) == []


# --- two processes --------------------------------------------------------------------------------------------


def test_one_process_at_a_time(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(app, monkeypatch, "U0424")
    left = modules(db)
    with turn(db, ["1"]):
        with pytest.raises(AtWork, match="End of Period of portfolio 1: found another process at it"):
            run(app)
        Service(app).keep_house()
        with pytest.raises(AtWork), turn(db, ["2", "1"]):
            pass
        assert not has_turn(db, "2"), "who does not get all keeps none"
        found = status(app, None)
        assert found.unfinished == [] and not found.wants_attention, "it is at work"
    assert modules(db) == left
    assert status(app, None).unfinished[0]["left"] == [n for n in DAILY if left[n] != "DONE"]
    assert status(app, None).wants_attention
    with turn(db, ["1"]):
        """Free again."""


def test_one_who_looks_is_in_nobodys_way(tmp_path: Path) -> None:
    """With SQLite he holds the lock shared for that moment."""
    import fcntl
    import os

    db = Database.at_path(tmp_path / "any.db")
    assert not has_turn(db, "1"), "nobody ever had it"
    with turn(db, ["1"]):
        assert has_turn(db, "1")
    fd = os.open(tmp_path / "any.db-eop-1.lock", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    real, tries = fcntl.flock, []

    def flock(lock: int, how: int) -> None:
        tries.append(how)
        if len(tries) == 3:
            os.close(fd)  # he has seen it
        real(lock, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        with turn(db, ["1"]):
            assert len(tries) == 3
    db.close()


def test_what_failed_under_another_process_is_not_taken_up(
    db: Database, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one failed after the service had looked: it looks again when it has the turn."""
    with monkeypatch.context() as patch:
        breaking(patch, "R0203", GatewayError("the disk is full"))
        run(app)
    result = run_eop(app, DATE, post_file=no_files, portfolios=["1"], by_itself=True)
    assert result.portfolios == () and modules(db)["R0203"] == "FAILED DUE TO ERROR"
