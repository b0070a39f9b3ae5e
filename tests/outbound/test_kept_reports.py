"""Reports of a file built by hand: there after a kill, absent when the build never was, left alone while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound import kept_reports, outbox
from gateway.outbound.built import Built
from gateway.release import build as building
from tests.outbound import world


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    return world.app_at(home, db, clock)


def reports(app: App) -> list[str]:
    return sorted(p.relative_to(app.home.reports).as_posix() for p in app.home.reports.rglob("*.rpt"))


def aside(app: App) -> list[Path]:
    return list(app.home.work.glob("*.reports"))


def killed_after_commit(app: App) -> Built:
    """The process ended between the commit and the reports' place."""
    with app.db.write() as connection:
        built = building.within(app, connection, "DSGL", "1")
        with kept_reports.kept(app, built):
            pass
    return built


def test_a_kill_after_the_commit_loses_no_report(app: App) -> None:
    number = killed_after_commit(app).files[0].outbound_id
    assert reports(app) == [] and len(aside(app)) == 1
    outbox.settle(app)
    assert reports(app) == [f"2026-03-02/outbound-p1-{number}/p1_lpu1003.rpt"]
    assert aside(app) == []


def test_a_build_that_never_was_leaves_no_report(app: App) -> None:
    with pytest.raises(ZeroDivisionError), app.db.write() as connection:
        built = building.within(app, connection, "DSGL", "1")
        with kept_reports.kept(app, built):
            raise ZeroDivisionError
    assert len(aside(app)) == 1
    outbox.settle(app)
    assert reports(app) == [] and aside(app) == []


def test_another_process_that_starts_leaves_a_running_build_alone(app: App) -> None:
    with app.db.write() as connection:
        built = building.within(app, connection, "DSGL", "1")
    with kept_reports.kept(app, built):
        kept_reports.settle(app)
        assert len(aside(app)) == 1 and reports(app) == []
        kept_reports.place(app, built, "2026-03-02", "1")
    assert len(reports(app)) == 1 and aside(app) == []


def test_a_build_without_a_file_writes_its_reports_at_once(app: App) -> None:
    with app.db.write() as connection:
        built = building.within(app, connection, "DSGL", "1")
    nothing = Built((), built.reports)
    with kept_reports.kept(app, nothing):
        kept_reports.place(app, nothing, "2026-03-02", "1")
    assert reports(app) == ["2026-03-02/outbound-p1/p1_lpu1003.rpt"]
