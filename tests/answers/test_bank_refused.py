"""A file that the bank refused: nobody was paid by it. It is called back, and is taken from no vendor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from gateway.answers import lists
from gateway.app import App
from gateway.cli import outbound_page
from gateway.cli.status import page
from gateway.clock import FixedClock
from gateway.console.status import status
from gateway.delivery import queue, reads
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger import ach_answers
from gateway.ledger.database import Database
from gateway.ledger.trace import trace
from gateway.outbound import outbox
from gateway.outbound.built import Built
from gateway.release import copies, recall, release
from gateway.release.build import build
from gateway.settings import Acknowledgements
from gateway.vendor_ach import voids
from tests.answers import bank
from tests.answers.test_clearing import wrong
from tests.answers.test_reversals import settle as settle_reversals
from tests.answers.world import answers, check, company, differences, drop, send, state, trace_of
from tests.outbound import world
from tests.support.at_once import until_it_waits

FORM = Acknowledgements(files=("{name}.ack",), text="(?P<status>TAKEN|REFUSED)", accepted=("TAKEN",))
NAME = "P01-VACH-BANK-260303.DAT"


def bob(app: App) -> App:
    return world.as_person(app, world.BOB)


def release_one(app: App) -> Built:
    built = build(app, "VACH", "1")
    release.approve(bob(app), built.files[0].outbound_id, sha256=built.files[0].sha256)
    return built


def refuse(app: App, name: str = NAME) -> None:
    assert drop(app, b"REFUSED\n", f"{name}.ack").rejects == 1


@pytest.fixture(
    params=["DELIVERED", "PENDING", "SENDING", "PLACING", "UNKNOWN", "NOT_DELIVERED", "ACKNOWLEDGED", "LOCAL"]
)
def app(request: pytest.FixtureRequest, db: Database, home: Home, clock: FixedClock) -> App:
    """One check of 123.45, released, as far as the parameter says, and refused by the bank."""
    is_local = request.param == "LOCAL"
    app = company(db, home, clock, bank={"acknowledgements": FORM, "endpoint": None if is_local else "bank"})
    check(db, "4711", 12_345)
    release_one(app)
    world.deliveries_are(db, request.param)
    if is_local:
        copies.taken(app, 1, reason="fetched")
    refuse(app)
    return app


ONE_STATE = pytest.mark.parametrize("app", ["DELIVERED"], indirect=True)


def test_it_is_called_back_and_its_checks_go_again(app: App, db: Database, home: Home) -> None:
    assert answers(db)[0][:3] == ("ACKNOWLEDGEMENT", "REFUSED", "UNMATCHED")
    assert "call it back with gateway outbound recall 1 --reason WHY" in answers(db)[0][3]
    assert world.all_of(db, "SELECT state FROM delivery") in ([("DELIVERED",)], [("ACKNOWLEDGED",)], [])
    copies.put_away(app)
    assert recall.recall(bob(app), 1, reason="wrong header").files[0].name == NAME
    assert state(db, "4711") == ("NEW", 1)
    assert world.all_of(db, "SELECT state FROM delivery") in ([("RECALLED",)], [])
    words = world.all_of(db, "SELECT detail FROM delivery_event WHERE step = 'RECALLED'")
    assert words in ([("called back, refused by the bank (answer 1/1)",)], [])
    assert world.all_of(db, "SELECT state, cleared_by, cleared_at, clear_reason FROM ach_answer") == [
        ("CLEARED", "BOB", app.now(), "called back: wrong header")
    ]
    assert not list(home.outbox.glob(f"{NAME}*")), "no copy of it, sealed or not"
    assert differences(app) == []
    built = release_one(app)
    assert built.files[0].total_credit_cents == 12_345 and built.files[0].name != NAME
    assert state(db, "4711") == ("SENT", 1)
    assert differences(app) == []


@ONE_STATE
def test_a_kill_before_its_copies_went_is_finished(app: App, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealed copy, too: nothing of what was called back lies where it would be fetched."""
    copies.put_away(app)
    assert [path.name for path in home.outbox.glob(f"{NAME}*")] == [f"{NAME}.sealed"]
    with monkeypatch.context() as killed:
        killed.setattr(outbox, "withdraw", lambda *_: None)
        recall.recall(bob(app), 1, reason="wrong header")
    outbox.settle(app)
    assert not list(home.outbox.glob(f"{NAME}*"))


@pytest.mark.parametrize("app", ["PENDING"], indirect=True)
def test_its_way_keeps_that_it_was_delivered(app: App) -> None:
    recall.recall(bob(app), 1, reason="wrong header")
    with app.db.read() as connection:
        (story,) = trace(connection, "4711")
    assert [step.state for step in story.way if step.step == "DELIVERY"] == ["DELIVERED", "RECALLED"]


@ONE_STATE
def test_nothing_is_taken_from_vendors_that_it_did_not_pay(app: App, db: Database) -> None:
    with pytest.raises(
        Refused, match=r"which the bank refused \(answer 1/1\), .*gateway outbound recall 1 --reason WHY"
    ):
        voids.void(app, "4711", reason="refused")
    with pytest.raises(Refused, match=r"refused by the bank \(answer 1/1\), .*gateway outbound recall 1 --reason WHY"):
        build(app, "VACH-REVERSAL", "1", of=1, reason="refused")
    assert state(db, "4711") == ("SENT", 1)


@ONE_STATE
def test_it_is_told(app: App) -> None:
    found = release.show(app, 1)
    assert (found["refused"]["answer"], found["settles"]) == ("1/1", None)
    shown = "\n".join(outbound_page.page(found, str))
    assert "  REFUSED    by the bank (answer 1/1): found P01-VACH-BANK-260303.DAT REFUSED" in shown
    assert "settles" not in shown
    told = "\n".join(page(status(app, None), str))
    assert "ANSWERED P01-VACH-BANK-260303.DAT.ack (#1): found P01-VACH-BANK-260303.DAT REFUSED" in told


@ONE_STATE
def test_it_is_cleared_only_as_taken_after_all(app: App, db: Database) -> None:
    with pytest.raises(
        Refused, match="whose checks count as paid, expected it called back: gateway outbound recall 1 --reason WHY"
    ):
        lists.clear(app, (1, 1), reason="bank refused, resend")
    lists.clear(app, (1, 1), reason="rang: it ran in the evening", taken=True)
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"
    assert release.show(app, 1)["refused"] is None
    with pytest.raises(Refused, match=r"found the bank's answer acknowledgement in .*: it is there"):
        recall.recall(bob(app), 1, reason="x")
    voids.void(app, "4711", reason="wrong vendor")
    (reversal, *_) = build(app, "VACH", "1").files
    assert reversal.total_debit_cents == 12_345
    assert differences(app) == []


@ONE_STATE
def test_a_refusal_proves_nothing_and_the_last_of_several_stands(app: App, db: Database) -> None:
    assert drop(app, b"REFUSED \n", f"{NAME}.ack").rejects == 1
    with db.read() as connection:
        assert ach_answers.proofs(connection, [1]) == {}
        assert ach_answers.refusals(connection, [1])[1].answer == "2/1"
    lists.clear(app, (1, 1), reason="sent twice")
    with pytest.raises(Refused, match="found no refusal of a file that stands"):
        lists.clear(app, (1, 1), reason="x", taken=True)
    recall.recall(bob(app), 1, reason="refused twice")
    assert world.all_of(db, "SELECT state, clear_reason FROM ach_answer ORDER BY file_id") == [
        ("CLEARED", "sent twice"), ("CLEARED", "called back: refused twice"),
    ]  # fmt: skip


def test_a_refusal_after_it_was_taken_stands(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, bank={"acknowledgements": FORM, "endpoint": "bank"})
    check(db, "4711", 12_345)
    release_one(app)
    drop(app, b"TAKEN\n", f"{NAME}.ack")
    refuse(app)
    assert "call it back with gateway outbound recall 1 --reason WHY" in release.show(app, 1)["refused"]["outcome"]
    assert recall.recall(bob(app), 1, reason="ran and stopped").files[0].name == NAME
    assert world.all_of(db, "SELECT state, clear_reason FROM ach_answer ORDER BY file_id") == [
        ("DONE", None), ("CLEARED", "called back: ran and stopped"),
    ]  # fmt: skip


@ONE_STATE
def test_a_recall_ends_the_refusal_of_its_own_file_alone(app: App, db: Database) -> None:
    check(db, "4712", 500)
    other = release_one(app).files[0]
    assert drop(app, b"REFUSED \n", f"{other.name}.ack").rejects == 1
    recall.recall(bob(app), 1, reason="wrong header")
    assert [row[2] for row in answers(db)] == ["CLEARED", "UNMATCHED"]
    assert release.show(app, other.outbound_id)["refused"]["answer"] == "2/1"


@ONE_STATE
def test_only_a_refusal_is_cleared_so(app: App, db: Database) -> None:
    drop(app, bank.whole(bank.return_of("0" * 15, 5)))
    with pytest.raises(Refused, match="found no refusal of a file that stands, expected one: leave --taken out"):
        lists.clear(app, (2, 1), reason="x", taken=True)


LATER: dict[str, Callable[[Database], tuple[bytes, str]]] = {
    "taken": lambda db: (b"TAKEN\n", f"{NAME}.ack"),
    "returned": lambda db: (bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)), "returns.ach"),
}


@pytest.mark.parametrize("app", ["DELIVERED", "ACKNOWLEDGED"], indirect=True)
@pytest.mark.parametrize("how", LATER)
def test_a_later_word_of_the_bank_ends_it(app: App, db: Database, how: str) -> None:
    drop(app, *LATER[how](db))
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"
    assert release.show(app, 1)["refused"] is None
    with pytest.raises(Refused, match="found the bank's answer"):
        recall.recall(bob(app), 1, reason="x")
    lists.clear(app, (1, 1), reason="seen")
    assert differences(app) == []


def test_a_refusal_after_an_answer_of_an_entry_frees_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, bank={"acknowledgements": FORM})
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    refuse(app)
    assert "for the bank answered an entry of it: call the bank at once" in answers(db)[1][3]
    with pytest.raises(Refused, match="fetched or answered"):
        recall.recall(bob(app), 1, reason="x")


def test_one_that_is_not_out_here_frees_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, bank={"acknowledgements": FORM})
    check(db, "4711", 12_345)
    build(app, "VACH", "1")
    refuse(app)
    assert answers(db)[0][1:3] == (None, "UNMATCHED")
    assert world.one(db, "SELECT outbound_id FROM ach_answer") == 1
    assert "expected no word about a file that is BUILT here" in answers(db)[0][3]
    lists.clear(app, (1, 1), reason="seen")


def voided(db: Database, home: Home, clock: FixedClock) -> App:
    """A check that was sent and voided before its file was refused."""
    app = company(db, home, clock, bank={"acknowledgements": FORM})
    check(db, "4711", 12_345)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    return app


def test_a_void_made_before_brings_no_debit(db: Database, home: Home, clock: FixedClock) -> None:
    app = voided(db, home, clock)
    refuse(app)
    built = build(app, "VACH", "1")
    assert built.files == ()
    exceptions = next(one.report for one in built.reports if one.report.spec.name == "U0424C")
    ((*_, why),) = exceptions.rows
    assert f"in {NAME}, which the bank refused (answer 1/1), expected it paid: take the void back (" in str(why)
    with pytest.raises(Refused, match=r"found check 4711 void, .*gateway vendor void 4711 --undo"):
        recall.recall(bob(app), 1, reason="refused")
    voids.undo(app, "4711", reason="refused")
    recall.recall(bob(app), 1, reason="refused")
    voids.void(app, "4711", reason="wrong vendor")
    assert differences(app) == []


def test_a_reversal_that_waits_is_not_released_and_does_not_leave(db: Database, home: Home, clock: FixedClock) -> None:
    app = voided(db, home, clock)
    (reversal, *_) = build(app, "VACH", "1").files
    refuse(app)
    with pytest.raises(
        Refused, match=r"of trace number .*, whose file the bank refused, expected it to have been paid"
    ):
        release.approve(bob(app), reversal.outbound_id, sha256=reversal.sha256)
    with db.write() as connection:
        connection.execute(text("UPDATE outbound_file SET state = 'APPROVED' WHERE outbound_id = 3"))
        queue.enqueue(connection, outbound_id=3, endpoint="bank", remote_name="R.DAT", at=app.now())
        due = reads.due(connection, endpoint="bank", now=app.now(), states=queue.SENDABLE)
        assert queue.claim(connection, due, temporary_suffix=".part", at=app.now()) == []
    assert "whose file the bank refused: call it back" in world.one(db, "SELECT last_error FROM delivery")


def test_reversals_that_the_bank_refused_bring_no_cash(db: Database, home: Home, clock: FixedClock) -> None:
    app = voided(db, home, clock)
    (file,) = send(app)
    refuse(app, world.one(db, f"SELECT name FROM outbound_file WHERE outbound_id = {file}"))
    assert settle_reversals(app, "2026-03-10") == 0
    recall.recall(bob(app), file, reason="refused")
    assert settle_reversals(app, "2026-03-11") == 0
    assert wrong(app) == []


def called_back(app: App, connection: Connection) -> None:
    """What a recall does, in a transaction that goes on."""
    app.db.lock_portfolios(connection, ["1"])
    connection.execute(text("UPDATE delivery SET state = 'RECALLED'"))
    connection.execute(text("UPDATE outbound_file SET state = 'REJECTED'"))
    ach_answers.clear_refusals(connection, 1, by="BOB", reason="called back: x", at=app.now())


def test_a_refusal_that_comes_while_its_file_is_called_back_is_none(
    db: Database, home: Home, clock: FixedClock
) -> None:
    app = company(db, home, clock, bank={"acknowledgements": FORM, "endpoint": "bank"})
    check(db, "4711", 12_345)
    release_one(app)
    with ThreadPoolExecutor(1) as bank_files:
        with db.write() as connection:
            called_back(app, connection)
            taken = bank_files.submit(refuse, app)
            until_it_waits(db, taken)
        taken.result()
    assert answers(db)[0][1:3] == (None, "UNMATCHED")
    assert "expected no word about a file that is REJECTED here" in answers(db)[0][3]


@ONE_STATE
def test_nobody_says_that_it_was_taken_while_another_calls_it_back(app: App, db: Database) -> None:
    """Else its checks would be paid twice: by the file, and by the one they go into next."""
    with ThreadPoolExecutor(1) as people:
        with db.write() as connection:
            called_back(app, connection)
            said = people.submit(lists.clear, app, (1, 1), reason="it ran", taken=True)
            until_it_waits(db, said)
        with pytest.raises(Refused, match="found no refusal of a file that stands"):
            said.result()
    assert world.one(db, "SELECT state FROM delivery") == "RECALLED"


def test_a_refusal_of_reversals_that_were_settled_waits_for_the_bank(
    db: Database, home: Home, clock: FixedClock
) -> None:
    """Their settlement is posted: called back, the vendors would still have been debited in the ledger."""
    app = voided(db, home, clock)
    (file,) = send(app)
    settle_reversals(app, "2026-03-10")
    refuse(app, world.one(db, f"SELECT name FROM outbound_file WHERE outbound_id = {file}"))
    unit = world.one(db, "SELECT settled_unit_id FROM ach_entry WHERE kind = 'REVERSAL'")
    with pytest.raises(Refused, match=rf"found the settlement of its reversals posted by unit {unit}, .* --taken"):
        recall.recall(bob(app), file, reason="refused")
    lists.clear(app, (1, 1), reason="the bank ran it", taken=True)
    assert wrong(app) == []
