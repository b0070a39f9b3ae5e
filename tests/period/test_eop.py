"""End of Period on both databases: order, once each, failures, skips, resumption."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.console.status import status
from gateway.errors import GatewayError, Refused, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.outbound import outbox
from gateway.parts import verify_options
from gateway.period import modules as table
from gateway.period import work
from gateway.period.eop import EopResult, run_eop
from gateway.period.states import ModuleState, RunState
from gateway.release import release
from gateway.release.build import build
from gateway.release.recall import recall
from parsers import gl_scratch
from tests.outbound import world

DATE, NEXT = "2026-03-02", "2026-03-03"
DAILY = ["U0410", "U0415", "U0418", "U0409", "U0470", "U0424", "R0203", "U0460", "U1003", "U0422", "U0499"]


def no_files(_file_id: int) -> str:
    raise AssertionError("no preloaded file is there")


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    return app_of(db, home, clock)


def app_of(db: Database, home: Home, clock: FixedClock, **portfolio: Any) -> App:
    return world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH} | portfolio)


def run(app: App, date: str = DATE, **options: Any) -> EopResult:
    return run_eop(app, date, **({"post_file": no_files} | options))


def states(result: EopResult) -> dict[str, str]:
    return {m.module: m.state.value for m in result.portfolios[0].modules}


def open_date(db: Database) -> tuple[Any, ...]:
    return world.all_of(db, "SELECT business_date, period_state FROM portfolio")[0]


def breaking(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    """Make a module fail."""

    def fail(_context: object) -> None:
        raise error

    changed = tuple(replace(m, run=fail) if m.name == name else m for m in table.MODULES)
    monkeypatch.setattr(table, "MODULES", changed)
    monkeypatch.setattr("gateway.period.eop.MODULES", changed)


def test_a_whole_day(db: Database, app: App) -> None:
    world.vendor(db)
    world.check(db, "1")
    world.rent(db, 1, 43_298)
    world.post(db, (1, "CASH 125", "D", 500), (1, "SUSPENSE", "C", 500), update="U0415")
    seen: list[tuple[str, str, int, int]] = []
    result = run(app, progress=lambda *step: seen.append(step))
    assert states(result) == dict.fromkeys(DAILY, "DONE")
    assert [step[1] for step in seen] == DAILY and seen[-1][2:] == (len(DAILY), len(DAILY))
    assert (result.done, result.portfolios[0].state, result.portfolios[0].next_date) == (True, RunState.DONE, NEXT)
    assert open_date(db) == (NEXT, "OPEN")
    names = world.all_of(db, "SELECT name, state FROM outbound_file ORDER BY outbound_id")
    assert names == [
        ("P01-VACH-BANK-260303.DAT", "BUILT"), ("DSPP-P01-VACH-260303.DAT", "BUILT"), ("DSGL_P01.DAT", "LOCAL"),
    ]  # fmt: skip
    messages = {m.module: m.message for m in result.portfolios[0].modules}
    assert messages["U0422"] == "437.98 of debits and credits zeroed, cash processed was 5.00"
    assert messages["U1003"] == "DSGL_P01.DAT LOCAL"
    unit = "SELECT kind, entries, u.business_date FROM eop_module m JOIN posting_unit u ON u.unit_id = m.unit_id"
    assert world.all_of(db, unit) == [("MODULE", 0, DATE)]
    folder = app.home.reports / DATE / "eop-p1"
    assert {p.stem for p in folder.iterdir()} == {
        "p1_lpu0424a", "p1_lpu0424b", "p1_lpu0424c", "p1_lpr0203", "p1_lpu0460a", "p1_lpu0460b", "p1_lpu1003",
    }  # fmt: skip


def test_the_next_day_starts_at_zero(db: Database, app: App) -> None:
    world.rent(db, 1, 100)
    run(app)
    world.rent(db, 1, 7)
    run(app, NEXT)
    read = gl_scratch.read((app.home.outbox / "DSGL_P01-260303.DAT").read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    rent = next(r for r in read.records if r.number == "1601" and r.office == "1")
    assert (rent.eop_date, rent.credit_today_cents, rent.credit_mtd_cents, rent.balance_cents) == (NEXT, 7, 107, 107)


@pytest.mark.parametrize(("date", "opens"), [("2026-03-06", "2026-03-09"), ("2026-07-02", "2026-07-03")])
def test_the_next_business_day_is_a_banking_day(
    db: Database, home: Home, clock: FixedClock, date: str, opens: str
) -> None:
    world.company(db, business_date=date)
    assert run(world.app_at(home, db, clock), date).portfolios[0].next_date == opens


def test_own_holidays_count(db: Database, app: App) -> None:
    world.insert(db, "holiday", calendar="P1", date=NEXT, name="Founder's day")
    assert run(app).portfolios[0].next_date == "2026-03-04"


def test_month_end_clears_the_month(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db, business_date="2026-03-31")
    app = world.app_at(home, db, clock)
    world.rent(db, 1, 100)
    result = run(app, "2026-03-31")
    assert states(result)["U0450"] == "DONE" and "U0424" not in states(result)
    world.rent(db, 1, 7)
    run(app, "2026-04-01")
    read = gl_scratch.read((home.outbox / "DSGL_P01-260401.DAT").read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    assert max(r.credit_mtd_cents for r in read.records) == 7


def test_the_month_ends_though_its_last_day_is_not_transferred(db: Database, home: Home, clock: FixedClock) -> None:
    """Skipped with U1003, the month was in the figures of the next one to its end, and nothing said so."""
    world.company(db, business_date="2026-03-31")
    app = world.app_at(home, db, clock)
    world.rent(db, 1, 100)
    found = states(run(app, "2026-03-31", skip=["U1003"]))
    assert (found["U0422"], found["U0450"]) == ("SKIPPED BY OPERATOR", "DONE")
    world.rent(db, 1, 7)
    run(app, "2026-04-01")
    read = gl_scratch.read((home.outbox / "DSGL_P01.DAT").read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    rent = next(r for r in read.records if r.number == "1601" and r.office == "1")
    assert (rent.credit_today_cents, rent.credit_mtd_cents, rent.balance_cents) == (107, 7, 107)


def test_running_again_changes_nothing(db: Database, app: App) -> None:
    first = run(app)
    again = run(app)
    assert states(again) == states(first) and again.portfolios[0].run_id == first.portfolios[0].run_id
    assert open_date(db) == (NEXT, "OPEN")
    assert world.one(db, "SELECT COUNT(*) FROM outbound_file") == 1


def test_files_wait_while_the_date_is_closed(db: Database, app: App) -> None:
    run(app, only=["U0410"])
    assert open_date(db) == (DATE, "CLOSED")
    with pytest.raises(Refused, match="closed by U0410"):
        world.rent(db, 1, 1)
    run(app)
    world.rent(db, 1, 1)


# --- failing and resuming -----------------------------------------------------------------------------------


def test_a_failed_module_postpones_what_needs_it_and_the_rest_go_on(
    db: Database, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rent(db, 1, 5)
    with monkeypatch.context() as patch:
        breaking(patch, "U0418", GatewayError("the disk is full"))
        result = run(app)
    found = states(result)
    assert found["U0418"] == "FAILED DUE TO ERROR"
    assert {found[name] for name in ("R0203", "U0460", "U1003", "U0422", "U0499")} == {
        "POSTPONED - PARENT MODULE FAILED"
    }
    assert {found[name] for name in ("U0410", "U0415", "U0409", "U0470", "U0424")} == {"DONE"}
    assert (result.done, result.portfolios[0].state) == (False, RunState.FAILED)
    assert open_date(db) == (DATE, "CLOSED"), "the date does not advance"
    assert world.one(db, "SELECT message FROM eop_module WHERE module = 'U0418'") == "the disk is full"
    started = world.one(db, "SELECT started_at FROM eop_module WHERE module = 'U0424'")
    again = run(app)
    assert states(again) == dict.fromkeys(DAILY, "DONE")
    assert world.one(db, "SELECT started_at FROM eop_module WHERE module = 'U0424'") == started, "not run twice"
    assert open_date(db) == (NEXT, "OPEN")


def test_a_surprise_is_a_failed_module(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, "R0203", ValueError("what?"))
    result = run(app)
    assert [m.message for m in result.portfolios[0].modules if m.module == "R0203"] == ["ValueError: what?"]


@pytest.mark.parametrize("name", DAILY)
def test_interrupted_at_any_module_it_is_taken_up_there(
    db: Database, app: App, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    world.vendor(db)
    world.check(db, "1")
    with monkeypatch.context() as patch:
        breaking(patch, name, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(app)
    assert world.one(db, f"SELECT state FROM eop_module WHERE module = '{name}'") == "HALTED BY SUPERVISOR"
    assert states(run(app)) == dict.fromkeys(DAILY, "DONE")
    assert world.one(db, "SELECT COUNT(*) FROM outbound_file") == 3
    assert world.one(db, "SELECT COUNT(*) FROM posting_unit WHERE update_name = 'U0422'") == 1


@pytest.mark.parametrize("name", ["U0410", "U0424", "U1003", "U0422", "U0499"])
def test_killed_while_a_module_ran(db: Database, app: App, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A kill leaves RUNNING behind and no effect: the state changes in the effect's own transaction."""

    class KilledError(BaseException):
        pass

    with monkeypatch.context() as patch:
        breaking(patch, name, KilledError())
        with pytest.raises(KilledError):
            run(app)
    assert world.one(db, f"SELECT state FROM eop_module WHERE module = '{name}'") == "RUNNING"
    assert states(run(app)) == dict.fromkeys(DAILY, "DONE")


def test_a_crash_between_commit_and_outbox_is_settled_at_start(
    db: Database, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gateway.release.build.publish", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        result = run(app)
    assert states(result) == dict.fromkeys(DAILY, "DONE"), "the effect was committed"
    assert not (app.home.outbox / "DSGL_P01.DAT").exists()
    missing = "DSGL_P01.DAT: not there, it could not be written; see to rights and room, "
    assert [told.startswith(missing) for told in outbox.unplaced(app)] == [True], (
        "nobody was told: it stays here, all is DONE"
    )
    assert [told.split(";")[0] for told in outbox.strange_copies(app)] == ["DSGL_P01.DAT: missing"]
    found = status(app, None)
    assert found.wants_attention and found.outbox == outbox.unplaced(app)
    assert outbox.settle(app) == ["DSGL_P01.DAT"]
    assert outbox.unplaced(app) == [] == outbox.strange_copies(app) and not status(app, None).wants_attention


def test_two_processes_do_a_module_once(db: Database, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process finishes U0422 while ours is in it: ours is undone."""
    real = work.zero

    def slower(context: Any) -> None:
        other = replace(context)
        real(other)
        real(context)

    changed = tuple(replace(m, run=slower) if m.name == "U0422" else m for m in table.MODULES)
    monkeypatch.setattr(table, "MODULES", changed)
    result = run(app)
    assert states(result)["U0422"] == "DONE"
    assert world.one(db, "SELECT COUNT(*) FROM posting_unit WHERE update_name = 'U0422'") == 1


def test_halted_by_supervisor(db: Database, app: App) -> None:
    answers = iter([False, True])
    result = run(app, halted=lambda: next(answers, True))
    found = states(result)
    assert found["U0410"] == "DONE" and found["U0415"] == "HALTED BY SUPERVISOR"
    assert found["U0499"] == "POSTPONED - PARENT MODULE HALTED"
    assert result.portfolios[0].state is RunState.HALTED
    assert states(run(app)) == dict.fromkeys(DAILY, "DONE")


# --- skipping and choosing ----------------------------------------------------------------------------------


def test_u1003_skipped_means_u0422_skipped(db: Database, app: App) -> None:
    world.rent(db, 1, 5)
    found = {m.module: (m.state, m.message) for m in run(app, skip=["U1003"]).portfolios[0].modules}
    assert found["U1003"] == (ModuleState.SKIPPED, "by ANN")
    assert found["U0422"] == (ModuleState.SKIPPED, "skipped with U1003")
    assert open_date(db) == (NEXT, "OPEN")
    run(app, NEXT)
    read = gl_scratch.read((app.home.outbox / "DSGL_P01.DAT").read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    assert max(r.debit_today_cents for r in read.records) == 5, "yesterday's totals are not lost"


def test_u0422_skipped_after_a_transfer_stops_the_next_u1003_until_decided(db: Database, app: App) -> None:
    world.rent(db, 1, 5)
    run(app, skip=["U0422"])
    world.rent(db, 1, 7)
    result = run(app, NEXT)
    message = next(m.message for m in result.portfolios[0].modules if m.module == "U1003")
    assert message is not None and "transferred in DSGL_P01.DAT of 2026-03-02 and not zeroed since" in message
    assert open_date(db) == (NEXT, "CLOSED")
    build(app, "DSGL", "1", again=True, reason="the first was never imported")
    result = run(app, NEXT)
    assert result.portfolios[0].state is RunState.DONE
    assert next(m.message for m in result.portfolios[0].modules if m.module == "U1003") == (
        "transferred in DSGL_P01-260303.DAT, nothing posted since"
    )


def test_what_was_skipped_does_not_run_when_the_day_is_closed(db: Database, app: App) -> None:
    """It said DONE and did nothing."""
    run(app, skip=["U1003"])
    with pytest.raises(Refused, match="U1003 of portfolio 1: found it skipped, expected one that waits to run"):
        run(app, only=["U1003"])
    assert run(app, only=["U0415"]).portfolios[0].state is RunState.DONE, "what was done is done"


def test_a_file_that_was_used_counts_once(db: Database, home: Home, clock: FixedClock) -> None:
    """The next one begins where it ended; the month, and the balance, go on."""
    world.company(db)
    app = app_of(db, home, clock)
    world.rent(db, 1, 5)
    run(app, skip=["U0422"])
    world.rent(db, 1, 7)
    (failed,) = (m for m in run(app, NEXT).portfolios[0].modules if m.module == "U1003")
    assert failed.message is not None
    assert "If that file was not used: gateway outbound recall 1 --reason WHY." in failed.message
    assert "gateway outbound build dsgl --portfolio 1 --after 1 --reason WHY" in failed.message
    for wrong, why in (
        (2, r"expected the last file made since U0422, which is #1 \(DSGL_P01.DAT\)"),
        (1, "found no reason"),
    ):
        with pytest.raises(UsageError, match=why):
            build(app, "DSGL", "1", after=wrong, reason="" if wrong == 1 else "x")
    (made,) = build(app, "DSGL", "1", after=1, reason="accounting imported it").files
    header = json.loads(world.one(db, "SELECT header FROM outbound_file WHERE outbound_id = :id", id=made.outbound_id))
    assert header["after"] == {"outbound": 1, "reason": "accounting imported it"}
    read = gl_scratch.read((home.outbox / made.name).read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    assert max(r.debit_today_cents for r in read.records) == 7
    assert max(r.debit_mtd_cents for r in read.records) == 12
    assert run(app, NEXT).portfolios[0].state is RunState.DONE
    found = {c.name for c in verify(db, **verify_options(app)) if not c.ok}
    assert found == {"subledger equals ledger", "charge lines are billed and paid as posted"}, (
        "this world's rent has no rows"
    )
    with pytest.raises(UsageError, match="made since U0422, which is none"):
        build(app, "DSGL", "1", after=made.outbound_id, reason="x")


@pytest.mark.parametrize("withdrawn", [False, True])
def test_what_is_posted_behind_the_transfer_is_not_zeroed(db: Database, app: App, withdrawn: bool) -> None:
    """By a module that failed, was skipped or was not named until then: U0424 settles, U0418 posts what was preloaded."""
    world.rent(db, 1, 5)
    run(app, only=["U0410", "U0415", "U0418", "U0409", "U0470", "U1003"])
    if withdrawn:
        recall(app, 1, reason="never used")
    world.rent(db, 1, 7, kind="MODULE")
    result = run(app)
    assert (states(result)["U0422"], states(result)["U0499"]) == (ModuleState.FAILED, ModuleState.PARENT_FAILED)
    (message,) = (m.message or "" for m in result.portfolios[0].modules if m.module == "U0422")
    after = "" if withdrawn else " --after 1 --reason WHY"
    assert "found posting unit 2 in no General Ledger file" in message
    assert f"gateway outbound build dsgl --portfolio 1{after}. Then" in message

    options: dict[str, Any] = {} if withdrawn else {"after": 1, "reason": "it was used"}
    (made,) = build(app, "DSGL", "1", **options).files
    assert made.total_debit_cents == (12 if withdrawn else 7)
    assert run(app).portfolios[0].state is RunState.DONE
    assert "what U0422 zeroed is in a General Ledger file" not in {
        c.name for c in verify(db, **verify_options(app)) if not c.ok
    }


def test_a_file_that_waits_for_release_was_not_used(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = app_of(db, home, clock, release={"kinds_without": []})
    world.rent(db, 1, 5)
    run(app, skip=["U0422"])
    with pytest.raises(Refused, match=r"found DSGL_P01.DAT not released, .*gateway outbound reject 1"):
        build(app, "DSGL", "1", after=1, reason="x")
    with pytest.raises(Refused, match="If that file was not used: gateway outbound reject 1 --reason WHY"):
        build(app, "DSGL", "1")


def test_rejecting_the_earlier_file_is_a_decision_too(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = app_of(db, home, clock, release={"kinds_without": []})
    world.rent(db, 1, 5)
    run(app, skip=["U0422"])
    world.rent(db, 1, 7)
    assert run(app, NEXT).portfolios[0].state is RunState.FAILED
    release.reject(app, 1, reason="never used")
    assert run(app, NEXT).portfolios[0].state is RunState.DONE
    assert world.one(db, "SELECT total_debit_cents FROM outbound_file WHERE outbound_id = 2") == 12


def test_skips_of_the_portfolio_and_their_limits(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    quiet = app_of(db, home, clock, eop_skip=["U0460"])
    assert states(run(quiet))["U0460"] == "SKIPPED BY OPERATOR"
    with pytest.raises(Refused, match="found --skip U0410, expected neither"):
        run(app, NEXT, skip=["U0410"])
    with pytest.raises(Refused, match="found modules U9999, expected some of"):
        run(app, NEXT, skip=["U9999"])


def test_only_these_modules(db: Database, app: App) -> None:
    with pytest.raises(Refused, match="U1003 of portfolio 1: found U0415, U0418, U0409, U0470 not done"):
        run(app, only=["U1003"])
    result = run(app, only=["U0410", "U0424"])
    assert (states(result)["U0424"], states(result)["U1003"]) == ("DONE", "PENDING")
    assert (result.done, result.portfolios[0].state) == (True, RunState.RUNNING)
    assert states(run(app)) == dict.fromkeys(DAILY, "DONE")


# --- dates and portfolios -----------------------------------------------------------------------------------


def test_another_date_is_refused(app: App, db: Database) -> None:
    with pytest.raises(Refused, match=r"End of Period of 2026-03-03: found the open business date 2026-03-02 of"):
        run(app, NEXT)
    with pytest.raises(Refused, match="expected one such as 2026-11-21"):
        run(app, "tomorrow")
    with pytest.raises(UsageError, match="found no portfolio 7"):
        run(app, portfolios=["1", "7"])
    assert world.all_of(db, "SELECT 1 FROM eop_run") == []


def test_the_year_must_be_covered(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db, business_date="2026-12-31")
    app = world.app_at(home, db, clock, covered=(2026,))
    with pytest.raises(Refused, match="expected one in the covered years"):
        run(app, "2026-12-31")
    with pytest.raises(Refused, match="expected one in the covered years"):
        run(world.app_at(home, db, clock, covered=(2027,)), "2026-12-31")
    assert open_date(db) == ("2026-12-31", "OPEN")


def test_portfolios_run_by_themselves(db: Database, app: App) -> None:
    world.insert(db, "portfolio", portfolio="2", name="Second", business_date="2026-03-05", period_state="OPEN")
    assert [p.portfolio for p in run(app).portfolios] == ["1"]
    with pytest.raises(Refused, match="2026-03-05 of portfolio 2"):
        run(app, NEXT, portfolios=["1", "2"])


def test_it_needs_the_right(app: App) -> None:
    clerk = world.as_person(app, replace(world.ANN, rights=frozenset()))
    with pytest.raises(Refused, match="without the right 'post'"):
        run(clerk)


# --- preloaded files ----------------------------------------------------------------------------------------


def staged(db: Database, file_id: int, name: str, state: str = "STAGED") -> None:
    world.insert(
        db, "inbound_file", file_id=file_id, name=name, kind="assessments", form="dat", portfolio="1", source="inbox",
        sha256=str(file_id), bytes=1, state=state, claim_name="c", claimed_at="x", business_date=DATE, reported="N",
    )  # fmt: skip


def poster(db: Database, becomes: Callable[[int], str]) -> Callable[[int], str]:
    def post_file(file_id: int) -> str:
        state = becomes(file_id)
        world.change(db, "UPDATE inbound_file SET state = :s WHERE file_id = :f", s=state, f=file_id)
        return state

    return post_file


def test_preloaded_files_post_in_their_module(db: Database, app: App) -> None:
    staged(db, 1, "p1_btchassmt.dat")
    staged(db, 2, "p1_btchassmt.dat")
    result = run(app, post_file=poster(db, lambda _: "POSTED"))
    messages = {m.module: m.message for m in result.portfolios[0].modules}
    assert (messages["U0418"], messages["U0415"]) == ("2 preloaded files posted", "no preloaded files")


def test_a_file_that_fails_holds_the_period(db: Database, app: App) -> None:
    staged(db, 1, "good.dat")
    staged(db, 2, "bad.dat")
    result = run(app, post_file=poster(db, lambda file_id: "POSTED" if file_id == 1 else "FAILED"))
    assert states(result)["U0418"] == "FAILED DUE TO ERROR" and states(result)["U0499"].startswith("POSTPONED")
    again = run(app)
    assert "found bad.dat failed" in str(next(m.message for m in again.portfolios[0].modules if m.module == "U0418"))
    world.change(db, "UPDATE inbound_file SET state = 'DISCARDED' WHERE file_id = 2")
    assert run(app).portfolios[0].state is RunState.DONE


# --- Xsellerator --------------------------------------------------------------------------------------------


def test_interfaces_go_out_in_end_of_period_where_wanted(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    world.rent(db, 1, 5)
    wanted = {"used": True, "in_end_of_period": True, "interfaces": ["BILLING", "PAYMENTS"]}
    app = world.app_at(home, db, clock, portfolio={"xsellerator": wanted})
    result = run(app)
    assert states(result)["XSELLERATOR"] == "DONE"
    assert (home.outbox / "XPT_BILLING_20260302_20260302.xml").exists()


def test_billing_exported_by_hand_before_the_days_end(db: Database, home: Home, clock: FixedClock) -> None:
    """The day could not end: its module refused what was exported before, and has no ``--again``."""
    world.company(db)
    app = world.app_at(home, db, clock, portfolio={"xsellerator": {"used": True, "in_end_of_period": True}})
    world.rent(db, 1, 5)
    first = build(app, "XSELLERATOR", "1", interface="BILLING").files[0]
    world.rent(db, 1, 7)
    result = run(app)
    said = {m.module: m.message or "" for m in result.portfolios[0].modules}["XSELLERATOR"]
    assert states(result)["XSELLERATOR"] == "FAILED DUE TO ERROR" and open_date(db) == (DATE, "CLOSED")
    assert f"--interface BILLING --from {DATE} --to {DATE} --after {first.outbound_id} --reason WHY" in said
    (second,) = build(
        app, "XSELLERATOR", "1", interface="BILLING", after=first.outbound_id, reason="they have the first"
    ).files
    assert second.total_debit_cents == 7
    result = run(app)
    said = {m.module: m.message or "" for m in result.portfolios[0].modules}["XSELLERATOR"]
    assert said == f"no file; BILLING: exported in {first.name}, {second.name}, nothing posted since"
    assert open_date(db) == (NEXT, "OPEN")


def test_billing_exported_whole_by_hand_is_not_exported_again(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(home, db, clock, portfolio={"xsellerator": {"used": True, "in_end_of_period": True}})
    world.rent(db, 1, 5)
    build(app, "XSELLERATOR", "1", interface="BILLING")
    assert states(run(app))["XSELLERATOR"] == "DONE"
    files = "SELECT COUNT(*) FROM outbound_file WHERE kind = 'XSELLERATOR'"
    assert world.one(db, files) == 1
