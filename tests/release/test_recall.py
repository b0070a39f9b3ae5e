"""Calling a released file back: only while nothing of it can be at the far side, and never against the queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from gateway.app import App
from gateway.cli import outbound_page
from gateway.cli import trace as trace_cli
from gateway.clock import FixedClock
from gateway.delivery import queue, reads
from gateway.delivery.queue import Change
from gateway.delivery.states import SENDABLE, DeliveryState
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger import trace_way
from gateway.ledger.database import Database
from gateway.ledger.trace import trace as follow
from gateway.outbound import outbox
from gateway.outbound.built import Built
from gateway.release import copies, recall, release
from gateway.release.build import build
from gateway.settings import DatabaseSettings
from gateway.vendor_ach import voids
from tests.outbound import world
from tests.outbound.ach import approve, made, set_up, sound, withheld

ENDPOINTS = {"bank": {"host": "127.0.0.1", "user": "u", "key": "file:k", "directory": "/in"}}


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    world.clearing(db, 1, 2)
    world.vendor(db)
    world.check(db, "1")
    return set_up(db, home, clock, bank={"endpoint": "bank"})


def released(app: App) -> Built:
    built, _ = made(app)
    approve(app, built, fetched=False)
    return built


def rows(db: Database) -> Any:
    """Check states, live claims, file states, delivery states."""
    return (
        world.all_of(db, "SELECT check_no, state, outbound_id FROM bank_check ORDER BY check_no"),
        world.all_of(db, "SELECT source FROM outbound_claim ORDER BY source"),
        world.all_of(db, "SELECT state FROM outbound_file ORDER BY outbound_id"),
        world.all_of(db, "SELECT state FROM delivery ORDER BY delivery_id"),
    )


def deliver(app: App, *states: DeliveryState) -> None:
    """Take the delivery through these states."""
    with app.db.write() as connection:
        for state in states:
            (now,) = reads.listing(connection)
            assert queue.record(connection, [Change(now.delivery_id, now.state, state)], at=app.now())


def test_a_file_that_waits_for_its_delivery_is_called_back(app: App, db: Database, home: Home) -> None:
    bank_file, scratch = released(app).files
    before = rows(db)
    assert before[0] == [("1", "SENT", bank_file.outbound_id)]
    done = recall.recall(app, bank_file.outbound_id, reason="the vendor rang: wrong account")
    assert ([one.name for one in done.files], done.gone) == ([bank_file.name, scratch.name], ())
    assert rows(db) == ([("1", "NEW", None)], [], [("REJECTED",), ("REJECTED",)], [("RECALLED",)])
    assert not (home.outbox / bank_file.name).exists() and not (home.outbox / scratch.name).exists()
    assert world.all_of(
        db, "SELECT operator, subject, reason FROM operator_event WHERE action = 'outbound.recall'"
    ) == [("ANN", bank_file.name, "the vendor rang: wrong account")]
    assert world.one(db, "SELECT reason FROM outbound_file WHERE kind = 'VACH-BANK'").startswith("called back: ")
    with db.write() as connection:
        assert reads.due(connection, endpoint="bank", now=app.now(), states=SENDABLE) == []
    sound(db)
    with pytest.raises(Refused, match="found it REJECTED, expected it released; it leaves no more"):
        recall.recall(app, bank_file.outbound_id, reason="again")
    again = released(app)
    assert [file.total_credit_cents for file in again.files][:1] == [10_000], "its rows are free"
    assert again.files[0].name != bank_file.name
    sound(db)


S = DeliveryState


@pytest.mark.parametrize(
    ("states", "todo"),
    [
        ((S.SENDING,), "found its delivery SENDING, .*: it is being sent"),
        ((S.SENDING, S.PLACING), "found its delivery PLACING, .*: it is being sent"),
        ((S.SENDING, S.PLACING, S.UNKNOWN), "found its delivery UNKNOWN, .*: it may be there: settle it first"),
        (
            (S.SENDING, S.PLACING, S.DELIVERED),
            "found its delivery DELIVERED, .*: it left: take it back with gateway outbound build vach-reversal --of 1 ",
        ),
        ((S.SENDING, S.PLACING, S.DELIVERED, S.ACKNOWLEDGED), "found its delivery ACKNOWLEDGED"),
    ],
)
def test_what_left_or_may_have_left_is_not(app: App, db: Database, states: tuple[S, ...], todo: str) -> None:
    built = released(app)
    deliver(app, *states)
    before = rows(db)
    with pytest.raises(Refused, match=todo):
        recall.recall(app, built.files[0].outbound_id, reason="x")
    assert rows(db) == before


def test_what_was_proved_not_delivered_is_called_back(app: App, db: Database) -> None:
    built = released(app)
    deliver(app, S.SENDING, S.NOT_DELIVERED)
    recall.recall(app, built.files[0].outbound_id, reason="x")
    assert rows(db)[3] == [("RECALLED",)]


def test_the_queue_that_comes_second_takes_nothing(app: App, db: Database) -> None:
    """It read the delivery as PENDING before the recall; its claim asks again."""
    built = released(app)
    with db.read() as connection:
        seen = reads.due(connection, endpoint="bank", now=app.now(), states=SENDABLE)
    assert len(seen) == 1
    recall.recall(app, built.files[0].outbound_id, reason="x")
    with db.write() as connection:
        assert queue.claim(connection, seen, temporary_suffix=".part", at=app.now()) == []
    assert rows(db)[3] == [("RECALLED",)]


def test_refused(app: App, db: Database) -> None:
    built, _ = made(app)
    number, scratch = (file.outbound_id for file in built.files)
    with pytest.raises(Refused, match=f"found it BUILT, expected it released; gateway outbound reject {number}"):
        recall.recall(app, number, reason="x")
    approve(app, built, fetched=False)
    with pytest.raises(UsageError, match="found no reason"):
        recall.recall(app, number, reason=" ")
    without = replace(app, operator=replace(app.operator, rights=frozenset({"post"})))
    with pytest.raises(Refused, match="approve"):
        recall.recall(without, number, reason="x")
    with pytest.raises(Refused, match=rf"goes with {built.files[0].name}, .*: gateway outbound recall {number}"):
        recall.recall(app, scratch, reason="x")
    voids.void(app, "1", reason="x")
    with pytest.raises(Refused, match=r"found check 1 void, .*gateway vendor void 1 --undo"):
        recall.recall(app, number, reason="x")
    voids.undo(app, "1", reason="x")
    recall.recall(app, number, reason="x")
    sound(db)


def test_a_file_to_be_fetched_is_called_back_until_it_is(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    app = set_up(db, home, clock)
    first = released(app).files[0]
    recall.recall(app, first.outbound_id, reason="x")
    second = released(app).files[0]
    path = home.outbox / second.name
    path.rename(home.work / "fetched")
    with pytest.raises(
        Refused, match="found it gone from the outbox of this home, expected it there: call it back on the machine"
    ):
        recall.recall(app, second.outbound_id, reason="x")
    back = rf"gateway outbound export {second.outbound_id} {path} --reason WHY"
    with pytest.raises(
        Refused,
        match=rf"taken {second.outbound_id} --reason WHY; where neither is so, as after a restore, put it back \({back}\)",
    ):
        recall.recall(app, second.outbound_id, reason="x")
    (home.work / "fetched").rename(path)
    world.at_bank(app)
    with pytest.raises(
        Refused, match=f"found it fetched or answered, .*: take it back with .*--of {second.outbound_id} "
    ):
        recall.recall(app, second.outbound_id, reason="x")


def test_a_ledger_file_that_was_moved_away_is_put_back_and_called_back(
    app: App, db: Database, home: Home, clock: FixedClock
) -> None:
    """Nobody says of one without account numbers that it was fetched."""
    file = build(set_up(db, home, clock), "DSGL", "1").files[0]
    path = home.outbox / file.name
    path.unlink()
    back = f"gateway outbound export {file.outbound_id} {path} --reason WHY"
    with pytest.raises(
        Refused, match=f"expected it there: where its receiver did not use it, put it back \\({back}\\) and call"
    ):
        recall.recall(app, file.outbound_id, reason="x")
    copies.export(app, file.outbound_id, path, reason="not used")
    recall.recall(app, file.outbound_id, reason="not used")
    assert not path.exists()
    assert world.one(db, "SELECT state FROM outbound_file WHERE kind = 'DSGL'") == "REJECTED"


def test_the_way_of_a_check_tells_who_released_what_was_called_back(app: App, db: Database) -> None:
    bank_file = released(app).files[0]
    recall.recall(app, bank_file.outbound_id, reason="wrong month")
    with db.read() as connection:
        (check,) = [dict(row) for row in connection.execute(text("SELECT * FROM bank_check")).mappings()]
        steps = trace_way.ways(connection, [check])
    assert [(s.step, s.state) for s in steps if s.step in ("RELEASED", "REJECTED")] == [
        ("RELEASED", "REJECTED"), ("REJECTED", "REJECTED"),
    ]  # fmt: skip
    (release_step,) = [s for s in steps if s.step == "RELEASED"]
    assert release_step.by is not None and release_step.at is not None and release_step.reason is None


def test_a_note_that_it_was_fetched_comes_after_a_recall_at_the_same_time(
    app: App, db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note asks for the file's state in its own transaction: one that saw it before would pay its checks twice."""
    app = set_up(db, home, clock)
    number = released(app).files[0].outbound_id
    write = db.write

    def after_a_recall() -> Any:
        monkeypatch.setattr(db, "write", write)
        recall.recall(app, number, reason="wrong month")
        return write()

    monkeypatch.setattr(db, "write", after_a_recall)
    copies.taken(app, number, reason="fetched by the bank's courier")
    assert rows(db)[0] == [("1", "SENT", number)] and rows(db)[1] == [("check:1:126:1",)]


def test_a_copy_on_another_machine_is_named(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    """Machines that share a ledger have each an outbox; a called back file may lie in another one's."""
    app = set_up(db, home, clock)
    bank_file = released(app).files[0]
    copy = (home.outbox / bank_file.name).read_bytes()
    recall.recall(app, bank_file.outbound_id, reason="wrong month")
    assert outbox.strangers(app) == []
    (home.outbox / bank_file.name).write_bytes(copy)
    assert outbox.strangers(app) == [
        f"{bank_file.name}: rejected or called back, not to be fetched; the next gateway deliver or gateway run takes it away"
    ]
    outbox.settle(app)
    assert outbox.strangers(app) == [] and not (home.outbox / bank_file.name).exists()


def test_killed_before_the_copy_was_removed(app: App, db: Database, home: Home) -> None:
    bank_file, _scratch = released(app).files
    copy = (home.outbox / bank_file.name).read_bytes()
    recall.recall(app, bank_file.outbound_id, reason="x")
    (home.outbox / bank_file.name).write_bytes(copy)
    outbox.settle(app)
    assert list(home.outbox.glob("[!.]*")) == []


def test_a_scratch_file_that_left_before_is_named_and_called_back_by_itself(
    app: App, db: Database, home: Home, clock: FixedClock
) -> None:
    """It was being sent when its bank file was called back; then its delivery is proved not to have happened."""
    app = set_up(db, home, clock, bank={"endpoint": "bank"}, scratch_endpoint="bank")
    bank_file, scratch = released(app).files

    def scratch_is(*states: S) -> None:
        with db.write() as connection:
            for state in states:
                (now,) = (d for d in reads.listing(connection) if d.outbound_id == scratch.outbound_id)
                assert queue.record(connection, [Change(now.delivery_id, now.state, state)], at=app.now())

    scratch_is(S.SENDING)
    done = recall.recall(app, bank_file.outbound_id, reason="wrong month")
    assert ([one.name for one in done.files], done.gone) == ([bank_file.name], (scratch.name,))
    assert rows(db)[2:] == ([("REJECTED",), ("APPROVED",)], [("RECALLED",), ("SENDING",)])
    scratch_is(S.NOT_DELIVERED)
    recall.recall(app, scratch.outbound_id, reason="its bank file was called back")
    assert rows(db)[2:] == ([("REJECTED",), ("REJECTED",)], [("RECALLED",), ("RECALLED",)])


# --- reversals wait for their credit ------------------------------------------------------------------------


def test_a_reversal_waits_until_its_credit_is_at_the_bank(app: App, db: Database) -> None:
    file = released(app).files[0]
    voids.void(app, "1", reason="twice")
    built, _ = made(app)
    assert not built.files
    (why,) = withheld(app, built)
    assert why.startswith(f"Found its credit in {file.name}, which is released and not proved to be at the bank")
    with pytest.raises(Refused, match=rf"not proved to be at the bank, .*gateway outbound recall {file.outbound_id}"):
        made(app, "VACH-REVERSAL", of=file.outbound_id, reason="x")
    deliver(app, S.SENDING, S.PLACING, S.UNKNOWN)
    assert not made(app)[0].files
    deliver(app, S.DELIVERED)
    built, (batch,) = made(app)
    assert (batch.description, built.withheld) == ("REVERSAL", 0)


def test_a_reversal_whose_credit_came_back_does_not_leave(app: App, db: Database) -> None:
    """It was released; the return came while it waited for its delivery."""
    file = released(app).files[0]
    deliver(app, S.SENDING, S.PLACING, S.DELIVERED)
    voids.void(app, "1", reason="twice")
    world.check(db, "2")
    reversal, _ = made(app)
    approve(app, reversal)
    world.insert(
        db, "inbound_file", file_id=1, name="r.ach", kind="bank-answers", form="dat", source="inbox", sha256="0",
        bytes=1, state="POSTED", claim_name="r", claimed_at="2026-03-05T14:00:00.000000Z",
    )  # fmt: skip
    world.insert(
        db, "ach_answer", file_id=1, number=1, line_no=3, kind="RETURN", code="R03", amount_cents=10_000,
        transaction_code="21", sec="CCD", payload=b"", outbound_id=file.outbound_id, seq=1, state="DONE", outcome="-",
    )  # fmt: skip
    came = ((1, "CASH 126", "D", 10_000), (1, "CLEARING", "C", 10_000))
    world.post(db, *came, update="ANSWERS", reason="R03 CHECK 126/1")
    with db.write() as connection:
        due = reads.due(connection, endpoint="bank", now=app.now(), states=SENDABLE)
        assert [job.outbound_id for job in due] == [reversal.files[0].outbound_id]
        assert queue.claim(connection, due, temporary_suffix=".part", at=app.now()) == []
        assert reads.due(connection, endpoint="bank", now=app.now(), states=SENDABLE) == []
        (stopped,) = [d for d in reads.listing(connection) if d.state is S.PENDING]
    assert f"call it back with gateway outbound recall {reversal.files[0].outbound_id}" in str(stopped.last_error)
    recall.recall(app, reversal.files[0].outbound_id, reason="came back")
    assert [batch.description for batch in made(app)[1]] == ["VENDOR PAY"], "check 2 goes, the reversal does not"


def test_release_is_unchanged_by_it(app: App, db: Database) -> None:
    """What waits is rejected as before, and its checks are free."""
    built, _ = made(app)
    release.reject(app, built.files[0].outbound_id, reason="x")
    assert rows(db)[0] == [("1", "NEW", None)]


THERE = "hostb:/srv/lease"


def test_the_machine_that_has_the_copy_is_named(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    """A file without an endpoint is called back where it was released: here lies at most the copy of its build."""
    app = set_up(db, home, clock)
    bank_file, scratch = released(app).files
    assert world.all_of(db, "SELECT DISTINCT machine FROM outbound_file") == [(app.machine,)]
    assert release.show(app, bank_file.outbound_id)["machine"] is None, "here"
    world.change(db, "UPDATE outbound_file SET machine = :m", m=THERE)
    if db.is_sqlite:
        assert release.show(app, bank_file.outbound_id)["machine"] is None, "a ledger that was restored has one home"
        return
    shown = outbound_page.page(release.show(app, bank_file.outbound_id), str)
    assert f"  lies at    {THERE}, in its outbox" in shown
    with pytest.raises(
        Refused, match=f"found it released in the outbox of {THERE}, expected it there: call it back on {THERE}"
    ):
        recall.recall(app, bank_file.outbound_id, reason="x")
    assert f"released by ANN; it stays in outbox/ of {THERE}" in "".join(
        trace_cli.page("1", follow_check(db), lambda at: "THEN" if at else "")
    )
    done = copies.taken(app, bank_file.outbound_id, reason="fetched")
    assert (done.machine, [one.name for one in done.waiting]) == (THERE, [scratch.name])


@pytest.mark.usefixtures("app")
def test_a_home_that_was_renamed_calls_back_under_its_former_name(db: Database, home: Home, clock: FixedClock) -> None:
    app = set_up(db, home, clock)
    bank_file, _scratch = released(app).files
    world.change(db, "UPDATE outbound_file SET machine = :m", m=THERE)
    if not db.is_sqlite:
        with pytest.raises(Refused, match=rf'renamed: set database.home = "{THERE}" in config/gateway.toml'):
            recall.recall(app, bank_file.outbound_id, reason="x")
    renamed = app.settings.gateway.model_copy(update={"database": DatabaseSettings(home=THERE)})
    app = replace(app, settings=replace(app.settings, gateway=renamed))
    assert recall.recall(app, bank_file.outbound_id, reason="x").machines == ()


def follow_check(db: Database) -> Any:
    with db.read() as connection:
        return follow(connection, "1/126/1", limit=10)


def test_a_copy_elsewhere_of_what_is_called_back_is_named(app: App, db: Database) -> None:
    bank_file, _scratch = released(app).files
    world.change(db, "UPDATE outbound_file SET machine = :m WHERE kind = 'VACH-BANK'", m=THERE)
    there = () if db.is_sqlite else (THERE,)
    assert recall.recall(app, bank_file.outbound_id, reason="x").machines == there
