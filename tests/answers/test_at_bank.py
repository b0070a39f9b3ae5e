"""An answer about an entry proves that its file is at the bank: it is not sent again, not called back, not denied."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.answers import lists
from gateway.app import App
from gateway.clock import FixedClock
from gateway.delivery import queue, reads, settle, tries
from gateway.delivery.queue import Change
from gateway.delivery.states import SENDABLE, DeliveryState, Resolution
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger import ach_answers
from gateway.ledger.database import Database
from gateway.ledger.trace import trace
from gateway.release import recall, release
from gateway.release.build import build
from gateway.vendor_ach import voids
from tests.answers import bank
from tests.answers.world import answers, check, company, differences, drop, state, trace_of
from tests.outbound import world
from tests.support.at_once import until_it_waits

S = DeliveryState
OPEN = (S.PENDING, S.SENDING, S.PLACING, S.UNKNOWN, S.NOT_DELIVERED, S.DELIVERED)


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """One check, released to the bank's endpoint."""
    app = company(db, home, clock, bank={"endpoint": "bank"})
    check(db, "4711", 12_345)
    (file, _) = build(app, "VACH", "1").files
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    return app


def stand(db: Database, state: DeliveryState) -> None:
    world.deliveries_are(db, state.value)
    world.change(db, "UPDATE delivery SET next_attempt_at = '2026-03-02'")


def returned(db: Database, cents: int = 12_345) -> bytes:
    return bank.whole(bank.return_of(trace_of(db, "4711"), cents, reason="R03"))


def claimed(app: App) -> list[reads.Delivery]:
    with app.db.write() as connection:
        due = reads.due(connection, endpoint="bank", now=app.now(), states=SENDABLE)
        return queue.claim(connection, due, temporary_suffix=".part", at=app.now())


@pytest.mark.parametrize("before", OPEN)
def test_a_return_ends_every_doubt_about_its_file(app: App, db: Database, before: DeliveryState) -> None:
    stand(db, before)
    drop(app, returned(db))
    assert state(db, "4711") == ("RETURNED", 1)
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"
    with db.read() as connection:
        said = tries.events(connection, 1)[-1][1:]
    assert said == ("ACKNOWLEDGED", f"R03 of trace number {trace_of(db, '4711')} in returns.ach (answer 1/1)")
    assert claimed(app) == []
    with pytest.raises(Refused, match=r"found the bank's answer R03 of trace number .*, expected none: it is there"):
        recall.recall(app, 1, reason="not there")
    assert state(db, "4711") == ("RETURNED", 1)
    assert differences(app) == []


@pytest.mark.parametrize("kind", ["a debit's code", "a change of nothing we keep", "dishonored", "contested"])
def test_so_does_an_answer_that_waits_for_a_person(app: App, db: Database, kind: str) -> None:
    trace = trace_of(db, "4711")
    answer = {
        "a debit's code": bank.return_of(trace, 12_345, code="27"),
        "a change of nothing we keep": bank.change_of(trace, "1", reason="C09"),
        "dishonored": bank.dishonored(trace, 12_345),
        "contested": bank.contested(trace, 12_345),
    }[kind]
    drop(app, bank.whole(answer))
    assert answers(db)[0][2] == "UNMATCHED"
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"
    with pytest.raises(Refused, match=r"found the bank's answer"):
        recall.recall(app, 1, reason="not there")
    assert differences(app) == []


def test_an_answer_that_is_about_nothing_certain_does_not(app: App, db: Database) -> None:
    drop(app, returned(db, 12_300))
    assert answers(db)[0][2] == "UNMATCHED"
    assert world.one(db, "SELECT state FROM delivery") == "PENDING"


@pytest.mark.parametrize("before", [S.SENDING, S.PLACING])
def test_a_process_that_is_sending_it_changes_nothing_after_the_answer(
    app: App, db: Database, before: DeliveryState
) -> None:
    """What is not PLACING by its own commit is not renamed."""
    stand(db, before)
    drop(app, returned(db))
    with db.write() as connection:
        assert queue.record(connection, [Change(1, S.SENDING, S.PLACING)], at=app.now()) == []
        assert queue.record(connection, [Change(1, before, S.NOT_DELIVERED, "no")], at=app.now()) == []
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"


@pytest.mark.parametrize("before", SENDABLE)
def test_what_was_answered_under_an_earlier_version_is_not_sent(app: App, db: Database, before: DeliveryState) -> None:
    drop(app, returned(db))
    stand(db, before)
    assert claimed(app) == []
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"
    stand(db, before)
    with pytest.raises(Refused, match=r"found the bank's answer"):
        recall.recall(app, 1, reason="not there")
    assert differences(app) == []


def test_what_nobody_said_was_fetched_is_there_by_its_return(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500)
    (file, _) = build(app, "VACH", "1").files
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    drop(app, returned(db))
    with pytest.raises(Refused, match="found it fetched or answered, expected it in the outbox"):
        recall.recall(app, file.outbound_id, reason="not there")
    voids.void(app, "4712", reason="wrong vendor")
    (reversal, *_) = build(app, "VACH", "1").files
    assert reversal.total_debit_cents == 500, "its credit is at the bank"


def test_the_answer_waits_for_a_process_that_changes_the_delivery(app: App, db: Database) -> None:
    """Else the state that it read is not there any more, and nothing is recorded."""
    stand(db, S.SENDING)
    data = returned(db)
    with ThreadPoolExecutor(1) as bank_files:
        with db.write() as connection:
            assert queue.record(connection, [Change(1, S.SENDING, S.PLACING)], at=app.now()) == [1]
            taken = bank_files.submit(drop, app, data)
            until_it_waits(db, taken)
        taken.result()
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"


def test_nor_denied_by_people(app: App, db: Database) -> None:
    drop(app, returned(db))
    stand(db, S.UNKNOWN)
    may = replace(app.operator, rights=frozenset({"resolve"}))
    for as_ in Resolution:
        with db.write() as connection:
            if as_ is Resolution.NOT_DELIVERED:
                with pytest.raises(Refused, match=r"the bank's answer R03 of .*: the file is there; settle it with"):
                    settle.resolve(connection, 1, as_=as_, reason="bank says no", operator=may, at=app.now())
            else:
                assert not settle.resolve(connection, 1, as_=as_, reason="it is", operator=may, at=app.now())


def test_one_that_was_called_back_stays_so(app: App, db: Database) -> None:
    recall.recall(app, 1, reason="wrong")
    drop(app, returned(db))
    with db.write() as connection:
        queue.answered(connection, {1: "a word"}, at=app.now())
    assert world.one(db, "SELECT state FROM delivery") == "RECALLED"
    assert "it reached the bank all the same" in answers(db)[0][3]


def test_each_file_is_proved_by_the_first_answer_about_it(app: App, db: Database) -> None:
    check(db, "4712", 500)
    (file, _) = build(app, "VACH", "1").files
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    first, second = trace_of(db, "4711"), trace_of(db, "4712")
    later = bank.return_of(first, 12_345, trace="091000010000002")
    drop(app, bank.whole(bank.return_of(second, 500), later))
    drop(app, bank.whole(bank.dishonored(first, 12_345), bank.dishonored(second, 500)), "dishonored.ach")
    named = {
        1: f"R03 of trace number {first} in returns.ach (answer 1/2)",
        file.outbound_id: f"R03 of trace number {second} in returns.ach (answer 1/1)",
    }
    with db.read() as connection:
        assert ach_answers.proofs(connection, named) == named
        assert [tries.events(connection, number)[-1][2] for number in (1, 2)] == list(named.values())


def test_the_way_of_a_check_keeps_when_its_file_was_delivered(app: App, db: Database, clock: FixedClock) -> None:
    with db.write() as connection:
        for after in (S.SENDING, S.PLACING, S.DELIVERED):
            (now,) = reads.listing(connection)
            queue.record(connection, [Change(1, now.state, after)], at="2026-03-02T14:05:00.000000Z")
    clock.elapsed += 48 * 3600
    drop(app, returned(db))
    with db.read() as connection:
        (story,) = trace(connection, "4711")
    steps = [(s.state, s.at, s.by) for s in story.way if s.step == "DELIVERY"]
    assert steps == [("DELIVERED", "2026-03-02T14:05:00.000000Z", None), ("ACKNOWLEDGED", app.now(), None)]


def test_what_pays_again_what_the_bank_speaks_of_stays_here(app: App, db: Database) -> None:
    """It was released before the bank spoke of the file that was called back."""
    bob = world.as_person(app, world.BOB)
    answer = returned(db)
    recall.recall(bob, 1, reason="thought it had not left")
    again = built_and_released(app)
    check(db, "4712", 500, vendor="V2")
    other = built_and_released(app)
    drop(app, answer)
    assert [one.outbound_id for one in claimed(app)] == [other]
    (job,) = deliveries_of(app, again)
    assert (job.state, job.next_attempt_at) == (S.PENDING, None)
    assert job.last_error == (
        "found the bank's answer 1/1 about P01-VACH-BANK-260303.DAT (#1), which is REJECTED here: if it means that file, the bank has it, and may "
        f"pay what is in it: ask the bank what it pays; where it pays any of the same, gateway outbound recall {again} --reason WHY and "
        f"gateway outbound taken 1 --reason WHY; where nothing, gateway answers clear 1/1 --reason WHY, then gateway deliver "
        f"again {job.delivery_id} --reason WHY"
    )
    requeued(bob, job)
    assert claimed(app) == []
    lists.clear(bob, (1, 1), reason="the bank stopped it in time")
    requeued(bob, job)
    assert [one.outbound_id for one in claimed(app)] == [again]


def built_and_released(app: App) -> int:
    (file, _) = build(app, "VACH", "1").files
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    return file.outbound_id


def deliveries_of(app: App, outbound_id: int) -> list[reads.Delivery]:
    with app.db.read() as connection:
        return reads.of_files(connection, [outbound_id])


def requeued(app: App, job: reads.Delivery) -> None:
    with app.db.write() as connection:
        settle.requeue(connection, job.delivery_id, reason="asked", operator=app.operator, at=app.now())
