"""The day a bank file really settles, where it came to the bank too late for its effective date, and all that counts
from it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.app import App
from gateway.cli import outbound_page
from gateway.clock import FixedClock
from gateway.delivery import queue, reads
from gateway.delivery.queue import Change
from gateway.delivery.states import DeliveryState
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound.built import Built, place
from gateway.release import release
from gateway.vendor_ach import settlement, settling, voids
from gateway.vendor_ach.settling import Settling
from tests.outbound import world
from tests.outbound.ach import approve, made, on, set_up, sound, withheld

BANK: dict[str, Any] = {"endpoint": "bank"}
SAME_DAY = BANK | {"same_day": "asked", "same_day_windows": {"10:00": "SD1300", "14:00": "SD1700"}}
TIMES = {"times": ["10:30", "16:45"]}  # 15:30 and 21:45 UTC


@pytest.fixture
def ledger(db: Database) -> Database:
    world.company(db)
    world.clearing(db, 1, 2)
    world.vendor(db)
    return db


def house(db: Database, home: Home, clock: FixedClock, windows: Any = TIMES, bank: Any = BANK, **ach: Any) -> App:
    endpoint = {"host": "127.0.0.1", "user": "u", "key": "file:k", "directory": "/in", "windows": windows}
    return world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH | ach, "release": {"four_eyes": False}},
        bank=world.bank(**bank), endpoints={"bank": endpoint},
    )  # fmt: skip


def released(app: App, **options: Any) -> int:
    built, _ = made(app, **options)
    approve(app, built, fetched=False)
    return built.files[0].outbound_id


def step(app: App, file: int, *states: DeliveryState) -> None:
    with app.db.write() as connection:
        for state in states:
            (now,) = [d for d in reads.listing(connection) if d.outbound_id == file]
            assert queue.record(connection, [Change(now.delivery_id, now.state, state)], at=app.now())


S = DeliveryState
ARRIVES = (S.SENDING, S.PLACING, S.DELIVERED)


def settles(app: App, file: int) -> Settling:
    with app.db.read() as connection:
        return settling.days(app, connection, [file])[file]


def page(app: App, file: int) -> list[str]:
    lines = outbound_page.page(release.show(app, file) | {"window": None}, str)
    return [line for line in lines if "settles" in line]


def booked(app: App, business_date: str) -> int:
    world.change(app.db, "UPDATE portfolio SET business_date = :d", d=business_date)
    with app.db.write() as connection:
        return settlement.settle(app, connection, place(app, connection, "1"))[1]


@pytest.mark.parametrize(
    ("windows", "came", "day"),
    [
        (TIMES, ("2026-03-02", 21), "2026-03-03"),
        (TIMES, ("2026-03-02", 22), "2026-03-04"),  # after the last window: Tuesday's, which settles a day later
        (TIMES, ("2026-03-06", 22), "2026-03-10"),  # Friday evening: Monday's window
        ({}, ("2026-03-02", 23), "2026-03-03"),  # an endpoint that always takes
        ({}, ("2026-03-03", 15), "2026-03-04"),
        ({}, ("2026-03-07", 15), "2026-03-09"),  # a Saturday: as a run counts
    ],
)
def test_what_came_late_settles_late(
    ledger: Database, home: Home, clock: FixedClock, windows: Any, came: tuple[str, int], day: str
) -> None:
    world.check(ledger, "1")
    file = released(house(ledger, home, clock, windows))
    late = house(ledger, home, on(*came), windows)
    assert settles(late, file) == Settling("2026-03-03", day, False, None), "if it came there now"
    step(late, file, *ARRIVES)
    much_later = house(ledger, home, on("2026-04-01"), windows)
    found = settles(much_later, file)
    assert (found.on, found.at_bank, found.came_at) == (day, True, late.now())
    (line,) = page(much_later, file)
    if day > "2026-03-03":
        assert line == f"  settles    {day}, not on its effective date 2026-03-03: it came to the bank at {late.now()}"
    else:
        assert line == "  settles    2026-03-03"


def test_the_moment_is_that_of_the_rename_that_arrived(ledger: Database, home: Home, clock: FixedClock) -> None:
    """Not of an attempt before it that was proved to have brought nothing, nor of the word that ended the doubt."""
    world.check(ledger, "1")
    file = released(house(ledger, home, clock))
    step(house(ledger, home, clock), file, S.SENDING, S.PLACING, S.NOT_DELIVERED)
    second = house(ledger, home, on("2026-03-04", 15))
    step(second, file, S.SENDING, S.PLACING, S.UNKNOWN)
    assert not settles(second, file).at_bank
    step(house(ledger, home, on("2026-03-09")), file, S.ACKNOWLEDGED)
    assert settles(second, file) == Settling("2026-03-03", "2026-03-05", True, second.now())


@pytest.mark.parametrize(
    ("came", "day"),
    [(("2026-03-02", 14), "2026-03-02"), (("2026-03-02", 15), "2026-03-03"), (("2026-03-03", 16), "2026-03-04")],
)
def test_same_day_that_missed_settles_the_next_banking_day(
    ledger: Database, home: Home, came: tuple[str, int], day: str
) -> None:
    """Made for the window that closes at 10:00, 15:00 UTC; a later one of the day is not the one it was made for."""
    world.check(ledger, "1", disbursement_date="2026-03-02")
    file = released(house(ledger, home, on("2026-03-02", 13), bank=SAME_DAY), same_day=True)
    late = house(ledger, home, on(*came), bank=SAME_DAY)
    step(late, file, *ARRIVES)
    assert settles(late, file)[:2] == ("2026-03-02", day)


def test_of_windows_of_one_marker_the_last_counts(ledger: Database, home: Home) -> None:
    bank = SAME_DAY | {"same_day_windows": {"10:00": "SD1300", "11:00": "SD1300", "10:30": "SD1300", "15:00": "SD1700"}}
    world.check(ledger, "1", disbursement_date="2026-03-02")
    file = released(house(ledger, home, on("2026-03-02", 13), bank=bank), same_day=True)
    for came, day in ((15, "2026-03-02"), (16, "2026-03-03")):  # 10:00 and 11:00
        assert settles(house(ledger, home, on("2026-03-02", came), bank=bank), file).on == day


def test_a_file_fetched_late_and_one_that_was_answered(ledger: Database, home: Home, clock: FixedClock) -> None:
    """Of a file without an endpoint a person's word tells when it went; where the bank answered before, nothing does."""
    world.check(ledger, "1")
    file = released(set_up(ledger, home, clock))
    late = set_up(ledger, home, on("2026-03-05"))
    world.insert(
        ledger, "operator_event", at="2026-03-04T15:00:00.000000Z", operator="ANN", os_user="ann", action="outbound.taken",
        subject="ANOTHER.DAT", reason="fetched",
    )  # fmt: skip
    world.at_bank(late)
    assert settles(late, file) == Settling("2026-03-03", "2026-03-06", True, late.now())
    world.change(
        ledger, "INSERT INTO operator_event (at, operator, os_user, action, subject, reason) "
        "SELECT '2026-03-09T15:00:00.000000Z', operator, os_user, action, subject, 'again' FROM operator_event"
        " WHERE action = 'outbound.taken'",
    )  # fmt: skip
    assert settles(late, file) == Settling("2026-03-03", "2026-03-06", True, late.now()), "the first word"
    world.insert(
        ledger, "inbound_file", file_id=1, name="r.ach", kind="bank-answers", form="dat", source="inbox", sha256="0",
        bytes=1, state="POSTED", claim_name="r", claimed_at="2026-03-05T14:00:00.000000Z",
    )  # fmt: skip
    world.insert(
        ledger, "ach_answer", file_id=1, number=1, line_no=3, kind="CHANGE", code="C01", amount_cents=0,
        transaction_code="21", sec="CCD", payload=b"", outbound_id=file, seq=1, state="DONE", outcome="-",
    )  # fmt: skip
    assert settles(late, file) == Settling("2026-03-03", "2026-03-03", True, None)
    world.change(ledger, "UPDATE ach_answer SET state = 'UNMATCHED'")
    assert settles(late, file) == Settling("2026-03-03", "2026-03-03", True, None), "seen to by a person or not"
    world.change(ledger, "UPDATE ach_answer SET seq = NULL")
    assert settles(late, file) == Settling("2026-03-03", "2026-03-06", True, late.now()), "it proves nothing"
    world.change(ledger, "UPDATE ach_answer SET seq = 1, state = 'DONE'")
    world.change(ledger, "UPDATE inbound_file SET claimed_at = '2026-03-10T14:00:00.000000Z'")
    assert settles(late, file) == Settling("2026-03-03", "2026-03-06", True, late.now()), "it was answered later"
    world.change(ledger, "DELETE FROM operator_event WHERE action = 'outbound.taken'")
    assert settles(late, file) == Settling("2026-03-03", "2026-03-03", True, None), "the answer alone proves it"
    world.change(ledger, "UPDATE ach_answer SET state = 'UNMATCHED'")
    assert settles(late, file) == Settling("2026-03-03", "2026-03-03", True, None), "it names an entry"
    world.change(ledger, "UPDATE ach_answer SET seq = NULL")
    assert settles(late, file) == Settling("2026-03-03", "2026-03-06", False, None), "it may be of another file"


def test_years_that_are_over_need_no_setting_and_those_to_come_do(
    ledger: Database, home: Home, clock: FixedClock
) -> None:
    world.check(ledger, "1")
    file = released(house(ledger, home, clock))
    before = house(ledger, home, on("2024-12-31", 22))
    step(before, file, *ARRIVES)
    assert settles(house(ledger, home, clock), file)[:2] == ("2026-03-03", "2026-03-03")
    world.change(ledger, "UPDATE delivery SET state = 'PENDING'")
    (line,) = page(house(ledger, home, on("2031-01-02")), file)
    assert "expected one in the covered years" in line


# --- what counts from it --------------------------------------------------------------------------------------


def paid_late(db: Database, home: Home, clock: FixedClock, *numbers: str) -> int:
    """Checks for Tuesday, 3 March, whose file came to the bank on Thursday: it settles on Friday, 6 March."""
    for number in numbers:
        world.check(db, number)
    file = released(house(db, home, clock))
    step(house(db, home, on("2026-03-05")), file, *ARRIVES)
    return file


def test_a_reversal_has_five_days_from_then(ledger: Database, home: Home, clock: FixedClock) -> None:
    paid_late(ledger, home, clock, "1")
    app = house(ledger, home, on("2026-03-12"))
    assert voids.void(app, "1", reason="x").last_day == "2026-03-13", "counted from the 3rd it would be the 10th"
    _, (batch,) = made(app)
    assert (batch.description, batch.effective_date) == ("REVERSAL", "2026-03-13")


def test_a_reversal_settles_not_before_what_it_takes_back(ledger: Database, home: Home, clock: FixedClock) -> None:
    paid_late(ledger, home, clock, "1")
    app = house(ledger, home, on("2026-03-05"), bank=BANK | {"lead_days": 0})
    world.change(ledger, "UPDATE delivery_event SET at = '2026-03-06T15:00:00.000000Z' WHERE step = 'PLACING'")
    voids.void(app, "1", reason="x")
    _, (batch,) = made(app)
    assert batch.effective_date == "2026-03-06", "possible today, the 5th, but for the credit"


def test_after_five_days_it_is_refused_with_the_last(ledger: Database, home: Home, clock: FixedClock) -> None:
    file = paid_late(ledger, home, clock, "1")
    app = house(ledger, home, on("2026-03-13"))
    with pytest.raises(
        Refused, match="settled on 2026-03-06, and a reversal possible for 2026-03-16, expected one by 2026-03-13: ask"
    ):
        voids.void(app, "1", reason="x")
    with pytest.raises(
        Refused, match="settled on 2026-03-06 and a reversal possible for 2026-03-16, expected one by 2026-03-13"
    ):
        made(app, "VACH-REVERSAL", of=file, reason="x")
    whole, _ = made(house(ledger, home, on("2026-03-12")), "VACH-REVERSAL", of=file, reason="x")
    assert whole.files


def test_a_reversal_brings_cash_on_the_day_it_really_settles(ledger: Database, home: Home, clock: FixedClock) -> None:
    paid_late(ledger, home, clock, "1")
    app = house(ledger, home, on("2026-03-06"))
    voids.void(app, "1", reason="x")
    built: Built
    built, (batch,) = made(app)
    approve(app, built, fetched=False)
    assert batch.effective_date == "2026-03-09"
    assert booked(app, "2026-03-12") == 0, "nothing proves that it left"
    late = house(ledger, home, on("2026-03-10"))
    step(late, built.files[0].outbound_id, *ARRIVES)
    assert [booked(late, day) for day in ("2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12")] == [0, 0, 10_000, 0]
    sound(ledger)


def test_a_prenote_is_waited_for_from_the_day_it_settles(ledger: Database, home: Home, clock: FixedClock) -> None:
    """Three banking days after it, and none are counted before it is at the bank."""
    asked: dict[str, Any] = {"prenotes": True, "prenote_ccd": True}
    world.check(ledger, "1")
    file = released(house(ledger, home, clock, **asked))
    late = house(ledger, home, on("2026-03-09"), **asked)
    again, _ = made(late)
    assert not again.files
    (why,) = withheld(late, again)
    assert "is released and not proved to be at the bank, expected it there" in why, why
    assert f"gateway outbound taken {file}" in why
    step(late, file, *ARRIVES)
    (why,) = withheld(late, made(late)[0])
    assert "a prenote settling 2026-03-10, expected an effective date from 2026-03-13" in why, why
    built, _ = made(house(ledger, home, on("2026-03-12"), **asked))
    assert built.files[0].total_credit_cents == 10_000
