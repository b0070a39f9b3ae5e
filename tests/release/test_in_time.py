"""A bank file under its cutoff: refused when it cannot make its date, warned of before, named after, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.app import App
from gateway.cli.status import document, page
from gateway.clock import FixedClock
from gateway.console import alarms
from gateway.console.status import status
from gateway.delivery import queue
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound.store import Frozen
from gateway.release import copies, release
from gateway.release.build import build
from gateway.vendor_ach import voids
from tests.outbound import world

TIMES = ["10:30", "16:45"]  # 15:30 and 21:45 UTC; the clock stands at 14:00 UTC on Monday, 2 March


def built(
    home: Home, db: Database, clock: FixedClock, *, windows: dict[str, Any] | None, **bank: Any
) -> tuple[App, Frozen]:
    """A file of 100.00 for Tuesday, 3 March, built on Monday."""
    world.company(db)
    world.vendor(db)
    world.check(db, "1")
    endpoint = {"host": "h", "user": "u", "key": "k", "windows": windows or {}}
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, endpoints={"bank": endpoint},
        bank=world.bank(endpoint=None if windows is None else "bank", **bank),
    )  # fmt: skip
    return app, build(app, "VACH", "1").files[0]


def approve(app: App, file: Frozen) -> None:
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)


def test_a_file_made_on_a_sunday_is_released_on_it(db: Database, home: Home, clock: FixedClock) -> None:
    """The run gives it Monday, one banking day on; the release counts alike."""
    world.company(db)
    world.vendor(db)
    world.check(db, "1", disbursement_date="2026-03-02")
    clock.at = datetime(2026, 3, 1, 15, tzinfo=UTC)
    app = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH})
    file = build(app, "VACH", "1").files[0]
    assert world.one(db, "SELECT effective_date FROM ach_entry") == "2026-03-02"
    approve(app, file)


def conditions(app: App) -> dict[str, str]:
    return {c.code: c.text for c in alarms.conditions(status(app, None)) if c.code.startswith("WINDOW")}


@pytest.mark.parametrize(
    ("hours", "windows", "bank", "message"),
    [
        (0, {"times": TIMES}, {}, None),
        (7.7, {"times": TIMES}, {}, None),  # 16:42 in New York
        (7.75, {"times": TIMES}, {}, "effective date 2026-03-03 closed at 2026-03-02 16:45 EST, .* at 2026-03-03 10:30 EST"),
        (24, {"times": TIMES}, {"lead_days": 0}, "effective date 2026-03-02 past"),
        (7.75, {}, {}, None),
        (24, {}, {}, "found 2026-03-03 after 2026-03-02, the last day to reach its effective date 2026-03-03 .lead_days 1., "
                     "expected a release by then; reject the file and build it again$"),
        (24, None, {}, "found 2026-03-03 after 2026-03-02, the last day"),
        (48, {}, {}, "found its effective date 2026-03-03 past, expected one to come; reject the file and build it again"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_make_its_date_is_not_released(
    home: Home, db: Database, clock: FixedClock, hours: float, windows: Any, bank: Any, message: str | None
) -> None:
    app, file = built(home, db, clock, windows=windows, **bank)
    if bank:  # with no lead days a check due in the past goes today
        release.reject(app, file.outbound_id, reason="x")
        world.change(db, "UPDATE bank_check SET disbursement_date = '2026-03-02'")
        file = build(app, "VACH", "1").files[0]
    clock.elapsed += hours * 3600
    if message is None:
        approve(app, file)
        return
    with pytest.raises(Refused, match=message):
        approve(app, file)
    release.reject(app, file.outbound_id, reason="too late")


def test_a_late_file_with_a_reversal_says_how_long_that_can_go_again(
    home: Home, db: Database, clock: FixedClock
) -> None:
    app, paid = built(home, db, clock, windows=None)
    world.clearing(db, 1)
    approve(app, paid)
    world.at_bank(app)
    voids.void(app, "1", reason="twice")
    takes_back = build(app, "VACH", "1").files[0]
    clock.elapsed += 24 * 3600
    with pytest.raises(
        Refused, match="build it again; its reversals go again as long as their last day has not passed"
    ):
        approve(app, takes_back)


def test_money_at_stake_is_told_before_a_window_closes_and_after(home: Home, db: Database, clock: FixedClock) -> None:
    app, file = built(home, db, clock, windows={"times": TIMES, "warn_minutes": 60})
    (row,) = [o for o in status(app, None).outbound if o["kind"] == "VACH-BANK"]
    assert (row["window"], row["window_near"], row["window_missed"]) == ("2026-03-02 10:30 EST", False, None)
    assert conditions(app) == {}
    clock.elapsed += 30 * 60
    assert conditions(app) == {
        "WINDOW_CLOSING": "endpoint bank takes files until 2026-03-02 10:30 EST: 1 file not sent, 1 entry, 100.00 at stake, "
        "1 of them not released"
    }
    assert status(app, None).wants_attention
    approve(app, file)
    assert conditions(app) == {
        "WINDOW_CLOSING": "endpoint bank takes files until 2026-03-02 10:30 EST: 1 file not sent, 1 entry, 100.00 at "
        "stake"
    }
    clock.elapsed += 3600
    assert conditions(app) == {
        "WINDOW_MISSED": "P01-VACH-BANK-260303.DAT (#1), 100.00, was not sent by 2026-03-02 10:30 EST; the next window of bank "
        "closes at 2026-03-02 16:45 EST; sent by then it still settles on its effective date 2026-03-03"
    }
    assert alarms.sweep(app).fresh and not alarms.sweep(app).fresh
    world.change(db, "UPDATE delivery SET state = 'DELIVERED'")
    assert conditions(app) == {} and not status(app, None).outbound[0]["window"]


def test_status_names_the_money_at_stake_by_bank(
    home: Home, db: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the offset of a balanced file, and the scratch file that goes with it, which repeat the same money."""
    monkeypatch.setenv("OFFSET", "987654321")
    world.company(db)
    world.vendor(db)
    world.check(db, "1", 10_000)
    world.check(db, "2", 2_550)
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH | {"scratch_endpoint": "bank"}},
        bank=world.bank(endpoint="bank", balanced=True, offset_account="env:OFFSET"),
        endpoints={"bank": {"host": "h", "user": "u", "key": "k", "windows": {"times": TIMES, "warn_minutes": 60}}},
    )  # fmt: skip
    file, scratch = build(app, "VACH", "1").files
    window = {
        "endpoint": "bank", "window": "2026-03-02 10:30 EST", "closes_at": "2026-03-02T15:30:00.000000Z", "near": False,
        "files": 2, "entries": 2, "amount": "125.50", "not_released": 2,
    }  # fmt: skip
    assert document(status(app, None))["windows"] == [window]
    text = list(page(status(app, None), str))
    assert (
        "  The window of bank closes at 2026-03-02 10:30 EST: 2 files not sent, 2 entries, 125.50 at stake, 2 of them not released"
        in text
    )
    assert (
        f"  {scratch.name} (#{scratch.outbound_id}) goes with #{file.outbound_id}: released or rejected with it" in text
    )
    assert [line for line in text if "waits for approval" in line] == [
        f"  {file.name} (#{file.outbound_id}) waits for approval: gateway outbound show {file.outbound_id}"
    ]
    clock.elapsed += 30 * 60
    approve(app, file)
    text = list(page(status(app, None), str))
    assert (
        "  The window of bank CLOSES SOON at 2026-03-02 10:30 EST: 2 files not sent, 2 entries, 125.50 at stake" in text
    )
    assert not [line for line in text if "goes with" in line]


def test_a_calendar_that_does_not_reach_is_said_and_stops_nothing(home: Home, db: Database, clock: FixedClock) -> None:
    built(home, db, clock, windows={"times": TIMES})
    late = world.app_at(
        home, db, FixedClock(datetime(2028, 1, 3, tzinfo=UTC) + timedelta(hours=14)), bank=world.bank(endpoint="bank"),
        endpoints={"bank": {"host": "h", "user": "u", "key": "k", "windows": {"times": TIMES}}},
    )  # fmt: skip
    found = status(late, None)
    assert "expected one in the covered years" in found.outbound[0]["window"]
    assert found.wants_attention
    assert [line for line in page(found, str) if line.startswith("  LATE ")] == [
        "  LATE P01-VACH-BANK-260303.DAT (#1): Found the date 2028-01-03, expected one in the covered years (2025, 2026, 2027): "
        "check the banking holidays of 2028 (gateway ledger holidays --year 2028) and add the year to calendar.covered."
    ]


@pytest.mark.parametrize("windows", [None, {}], ids=["no endpoint", "no windows"])
def test_a_file_without_windows_is_late_when_its_date_cannot_be_reached(
    home: Home, db: Database, clock: FixedClock, windows: Any
) -> None:
    """On its last day nothing is said; after it what to do, with the exit code and an alarm as of other late things."""
    app, file = built(home, db, clock, windows=windows)

    def told() -> list[str]:
        found = status(app, None)
        lines = [line for line in page(found, str) if line.startswith("  LATE ")]
        assert found.wants_attention == bool(lines)
        assert [c.code for c in alarms.conditions(found)] == ["OUTBOUND_LATE"] * len(lines)
        return lines

    assert told() == []
    clock.elapsed += 24 * 3600
    for _ in range(2):  # too late to reach it, then past
        assert told() == [
            f"  LATE {file.name} (#{file.outbound_id}): it is too late for its effective date 2026-03-03: reject it (gateway "
            f"outbound reject {file.outbound_id} --reason WHY) and build it again"
        ]
        clock.elapsed += 24 * 3600
    if windows is not None:
        world.change(db, "UPDATE outbound_file SET approved_at = built_at, state = 'APPROVED' WHERE kind = 'VACH-BANK'")
        with db.write() as connection:
            queue.enqueue(
                connection, outbound_id=file.outbound_id, endpoint="bank", remote_name=file.name, at=app.now()
            )
        for state in ("PENDING", "SENDING", "NOT_DELIVERED"):
            world.change(db, "UPDATE delivery SET state = :s", s=state)
            found = status(app, None)
            assert [line for line in page(found, str) if line.startswith("  LATE ")] == [
                f"  LATE {file.name} (#{file.outbound_id}): sent now it settles on 2026-03-06, not on its effective date "
                f"2026-03-03: leave it, or call it back (gateway outbound recall {file.outbound_id} --reason WHY) and build it again"
            ]
            assert "OUTBOUND_LATE" in [c.code for c in alarms.conditions(found)]


def test_a_file_that_nobody_said_was_fetched_is_late_until_somebody_does(
    home: Home, db: Database, clock: FixedClock
) -> None:
    app, file = built(home, db, clock, windows=None)
    approve(app, file)

    def told(date: str | None = None) -> list[str]:
        found = status(app, date)
        return [line for line in page(found, str) if line.startswith("  LATE ")]

    assert (told(), [o["to_fetch"] for o in status(app, None).outbound]) == ([], [True, False])
    clock.elapsed += 24 * 3600
    for date in (None, "2026-03-20"):  # as long as it takes
        assert told(date) == [
            f"  LATE {file.name} (#{file.outbound_id}): nobody said that it was fetched, and from now on it settles on 2026-03-04, "
            f"not on its effective date 2026-03-03: say so (gateway outbound taken {file.outbound_id} --reason WHY) if it was, else fetch it, "
            f"or call it back (gateway outbound recall {file.outbound_id} --reason WHY) and build it again"
        ]
    assert "OUTBOUND_LATE" in [c.code for c in alarms.conditions(status(app, None))]
    copies.taken(app, file.outbound_id, reason="the bank's courier had it")
    assert told() == [] and not any(o["to_fetch"] for o in status(app, None).outbound)


def test_a_file_without_windows_whose_year_nobody_checked_is_late(home: Home, db: Database, clock: FixedClock) -> None:
    built(home, db, clock, windows=None)
    late = world.app_at(home, db, FixedClock(datetime(2028, 1, 3, 14, tzinfo=UTC)), bank=world.bank())
    found = status(late, None)
    assert "expected one in the covered years" in found.outbound[0]["late"] and found.wants_attention


def test_a_file_whose_year_nobody_checked_hides_no_other_that_is_late(
    home: Home, db: Database, clock: FixedClock
) -> None:
    """On the last day that is covered, one settles today and the other next year."""
    same_day = {"same_day": "asked", "same_day_windows": {"10:00": "SD1300"}}
    app, slow = built(home, db, clock, windows=None, **same_day)
    world.check(db, "2", disbursement_date="2026-03-02")
    fast = build(app, "VACH", "1", same_day=True).files[0]
    last = FixedClock(datetime(2027, 12, 31, 13, tzinfo=UTC))
    rows = status(world.app_at(home, db, last, bank=world.bank(**same_day)), None).outbound
    late = {row["id"]: row["late"] for row in rows if row["late"]}
    assert late.keys() == {slow.outbound_id, fast.outbound_id}
    assert "expected one in the covered years" in late[slow.outbound_id]
    assert "too late for its effective date 2026-03-02" in late[fast.outbound_id]


def test_who_looks_at_a_missed_window_hears_what_becomes_of_the_file(
    home: Home, db: Database, clock: FixedClock
) -> None:
    """Before the last window for its date nothing; after it the day it will settle, or that it is refused at release."""
    app, file = built(home, db, clock, windows={"times": TIMES})
    clock.elapsed += 2 * 3600  # past 10:30
    assert conditions(app)["WINDOW_MISSED"].endswith(
        "16:45 EST; sent by then it still settles on its effective date 2026-03-03"
    )
    clock.elapsed += 6 * 3600  # past 16:45
    assert conditions(app)["WINDOW_MISSED"].endswith(
        f"2026-03-03 10:30 EST; it is too late for its effective date 2026-03-03: reject it (gateway outbound reject "
        f"{file.outbound_id} --reason WHY) and build it again"
    )
    world.change(db, "UPDATE outbound_file SET approved_at = built_at, state = 'APPROVED' WHERE kind = 'VACH-BANK'")
    told = (
        f"sent by then it settles on 2026-03-04, not on its effective date 2026-03-03: leave it, or call it back (gateway "
        f"outbound recall {file.outbound_id} --reason WHY) and build it again"
    )
    with db.write() as connection:
        queue.enqueue(connection, outbound_id=file.outbound_id, endpoint="bank", remote_name=file.name, at=app.now())
    assert conditions(app)["WINDOW_MISSED"].endswith(f"closes at 2026-03-03 10:30 EST; {told}")
    assert [line for line in page(status(app, None), str) if line.endswith(told)] == [
        f"  MISSED {file.name} (#{file.outbound_id}) was not sent by 2026-03-02 16:45 EST; {told}"
    ]
