"""Voided checks whose reversal has not left: what is said of them until their last day, and after it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.app import App
from gateway.cli.status import page
from gateway.clock import FixedClock
from gateway.console.status import Status, status
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound.built import Built
from gateway.outbound.states import OutboundState
from gateway.release import release
from gateway.release.build import build
from gateway.vendor_ach import voids
from gateway.vendor_ach.open_reversals import OpenReversal, messages, shown
from tests.outbound import world
from tests.outbound.ach import approve, made, set_up, sound

LAST = "2026-03-10"
"""Five banking days after 3 March, on which the checks settle."""
REJECT = "(gateway outbound reject 3 --reason WHY)"


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    world.clearing(db, 1, 2)
    world.vendor(db)
    return set_up(db, home, clock)


@pytest.fixture
def waiting(app: App) -> Built:
    """Check 1 of two left, was voided, and its reversal (#3) waits for a release."""
    for number in ("1", "2"):
        world.check(app.db, number)
    built, _ = made(app)
    approve(app, built)
    voids.void(app, "1", reason="wrong vendor")
    return build(app, "VACH", "1")


def on(clock: FixedClock, day: int) -> None:
    clock.at = datetime(2026, 3, day, 15, tzinfo=UTC)


def lines(found: Status) -> list[str]:
    return [line for line in page(found, str) if line.startswith("REVERSAL")]


def test_a_void_is_shown_until_its_reversal_left(app: App, clock: FixedClock) -> None:
    world.check(app.db, "1")
    built, _ = made(app)
    approve(app, built)
    assert lines(status(app, None)) == []
    voids.void(app, "1", reason="wrong vendor")
    found = status(app, None)
    assert lines(found) == [
        "REVERSAL of check 1 of bank 126, portfolio 1, 100.00: its reversal is in no file: End of Period builds it, or gateway "
        f"outbound build vach --portfolio 1; it must settle by {LAST}"
    ]
    assert not any(row["urgent"] for row in found.reversals)
    again, _ = made(app)
    assert (
        "waits in P01-VACH-BANK-260303-2.DAT (#3) for release: gateway outbound show 3" in lines(status(app, None))[0]
    )
    approve(app, again)
    assert lines(status(app, None)) == []
    sound(app.db)


def test_a_file_that_is_too_late_is_rejected_and_built_again_until_the_last_day(
    app: App, clock: FixedClock, waiting: Built
) -> None:
    on(clock, 6)
    (told,) = build(app, "VACH", "1").messages
    assert told == (
        f"check 1: its reversal waits in P01-VACH-BANK-260303-2.DAT (#3), which is too late for its effective date: reject that "
        f"file {REJECT}, then build it again (gateway outbound build vach --portfolio 1); it must settle by {LAST}"
    )
    assert [row["urgent"] for row in status(app, None).reversals] == [True] and status(app, None).wants_attention
    whole = build(app, "VACH-REVERSAL", "1", of=1, reason="twice")
    (left_out,) = [said for said in whole.messages if "left out" in said]
    assert "do nothing" not in left_out
    assert f"reject that file {REJECT}, then build it again" in left_out and LAST in left_out
    release.reject(app, 3, reason="too late")
    assert [file.kind for file in build(app, "VACH", "1").files] == ["VACH-BANK", "VACH-SCRATCH"], "as it says"
    assert not any("too late" in line for line in lines(status(app, None)))
    sound(app.db)


def test_after_the_last_day_nothing_is_to_be_built_again(app: App, clock: FixedClock, waiting: Built) -> None:
    on(clock, 11)
    ask = "ask the vendor for the money, and take the void back (gateway vendor void 1 --undo --reason WHY)"
    over = f"its reversal cannot settle by {LAST} any more, the last day of it: "
    found = status(app, None)
    (line,) = lines(found)
    assert line.endswith(f"{over}reject P01-VACH-BANK-260303-2.DAT {REJECT}, then {ask}")
    assert found.wants_attention
    (late,) = [row["late"] for row in found.outbound if row["id"] == 3]
    assert late.endswith("the last day of reversals in it has passed, and those are not built again: see REVERSAL")
    release.reject(app, 3, reason="too late")
    assert lines(status(app, None))[0].endswith(f"{over}{ask}")
    voids.undo(app, "1", reason="they pay it back")
    assert lines(status(app, None)) == []
    sound(app.db)


ONE = OpenReversal(
    portfolio="1", bank="126", check_no="1", amount_cents=100, file_id=None, file=None, file_state=None, is_stale=False,
    last_day=LAST, possible="2026-03-05",
)  # fmt: skip
IN_FILE = {"file_id": 3, "file": "A.DAT", "file_state": OutboundState.BUILT}


@pytest.mark.parametrize(
    ("changes", "over", "urgent", "says"),
    [
        ({}, False, False, "End of Period builds it"),
        ({"possible": LAST}, False, True, "End of Period builds it"),
        ({"possible": "2026-03-11"}, True, True, "any more, the last day of it: ask the vendor"),
        ({"possible": None}, True, True, "any more, the last day of it: ask the vendor"),
        (IN_FILE, False, False, "waits in A.DAT (#3) for release"),
        (IN_FILE | {"possible": "2026-03-11"}, False, False, "waits in A.DAT (#3) for release"),
        (IN_FILE | {"is_stale": True}, False, True, "reject that file"),
        (IN_FILE | {"is_stale": True, "possible": "2026-03-11"}, True, True, "reject A.DAT (gateway outbound reject 3"),
        (IN_FILE | {"file_state": "LOCAL"}, False, False, "(#3) is released, and not proved"),
        (IN_FILE | {"file_state": "LOCAL", "is_stale": True}, False, True, "is released and comes too late"),
        (
            IN_FILE | {"file_state": "LOCAL", "is_stale": True, "possible": "2026-03-11"}, True, True,
            "call A.DAT back (gateway outbound recall 3",
        ),
        ({"problem": "no calendar of 2031", "possible": None, "last_day": ""}, True, True, "no calendar of 2031"),
    ],
)  # fmt: skip
def test_what_is_said(changes: dict[str, object], over: bool, urgent: bool, says: str) -> None:
    one = ONE._replace(**changes)
    assert (one.is_over, one.is_urgent) == (over, urgent)
    assert says in one.todo


def test_those_of_one_file_are_told_together() -> None:
    many = [ONE._replace(check_no=str(n), **IN_FILE) for n in range(1_500)] + [ONE._replace(check_no="X")]
    assert [(row["check_no"], row["checks"], row["amount_cents"]) for row in shown(many)] == [
        ("0", 1_500, 150_000), ("X", 1, 100),
    ]  # fmt: skip
    (told,) = messages(many, built=[])
    assert told.startswith("check 0 and 1,499 more: its reversal waits in A.DAT")
    assert messages(many, built=[3]) == ()
