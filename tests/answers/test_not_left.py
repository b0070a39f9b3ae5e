"""The bank speaks of a file that, by our books, never left: no file that pays the same leaves until somebody saw to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.answers import lists
from gateway.app import App
from gateway.cli import outbound_page
from gateway.clock import FixedClock
from gateway.delivery import queue, reads, settle
from gateway.delivery.states import Resolution
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound.built import Built
from gateway.release import recall, release
from gateway.release.build import build
from gateway.settings import Acknowledgements
from tests.answers import bank
from tests.answers.test_bank_refused import FORM, NAME, bob
from tests.answers.test_unclear import TEXT
from tests.answers.world import answers, check, company, differences, drop, state, trace_of
from tests.outbound import world

UNCLEAR_FORM = Acknowledgements(files=("{name}.ack",), text=TEXT)
WORDS: dict[str, Callable[[str], tuple[bytes, str]]] = {
    "taken": lambda trace: (b"TAKEN\n", f"{NAME}.ack"),
    "a part": lambda trace: (b"TAKEN\nREFUSED\n", f"{NAME}.ack"),
    "returned": lambda trace: (bank.whole(bank.return_of(trace, 12_345)), "returns.ach"),
    "changed": lambda trace: (bank.whole(bank.change_of(trace, "998877", code="21")), "changes.ach"),
    "dishonored": lambda trace: (bank.whole(bank.dishonored(trace, 12_345)), "returns.ach"),
}


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """Two checks."""
    app = company(db, home, clock, bank={"acknowledgements": Acknowledgements.model_validate(FORM.model_dump())})
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    return app


def built(app: App) -> Built:
    return build(app, "VACH", "1")


def approve(app: App, its: Built) -> None:
    release.approve(bob(app), its.files[0].outbound_id, sha256=its.files[0].sha256)


def called_back(app: App) -> Built:
    """The first file was released and called back, and another one pays the same."""
    approve(app, built(app))
    recall.recall(bob(app), 1, reason="thought it had not left")
    return built(app)


@pytest.mark.parametrize("word", WORDS)
def test_a_file_that_pays_again_what_was_called_back_is_held(app: App, db: Database, word: str) -> None:
    approve(app, built(app))
    trace = trace_of(db, "4711")
    recall.recall(bob(app), 1, reason="thought it had not left")
    again = built(app)
    drop(app, *WORDS[word](trace))
    with pytest.raises(Refused) as error:
        approve(app, again)
    assert "found the bank's answer 1/1" in str(error.value)
    assert (
        f"about {NAME} (#1), which is REJECTED here: if it means that file, the bank has it, and may pay what is in it"
        in str(error.value)
    )
    assert "clear the answers (gateway answers clear 1/1 --reason WHY)" in str(error.value)
    assert state(db, "4711") == ("RESERVED", 1)
    for number in range(1, len(answers(db)) + 1):
        with pytest.raises(Refused):
            approve(app, again)
        lists.clear(app, (1, number), reason="the bank stopped it in time")
    approve(app, again)
    assert state(db, "4711") == ("SENT", 1)
    assert differences(app) == []


@pytest.mark.parametrize("word", WORDS)
def test_a_file_that_waits_here_and_is_there_is_held(app: App, db: Database, word: str) -> None:
    """And the next one of its checks, where it is rejected for that."""
    first = built(app)
    drop(app, *WORDS[word](trace_of(db, "4711")))
    with pytest.raises(Refused, match=r"about P01-VACH-BANK-260303.DAT \(#1\), which is BUILT here"):
        approve(app, first)
    release.reject(bob(app), 1, reason="it is at the bank")
    with pytest.raises(Refused, match=r"about P01-VACH-BANK-260303.DAT \(#1\), which is REJECTED here"):
        approve(app, built(app))


def test_it_is_told(app: App, db: Database) -> None:
    again = called_back(app)
    drop(app, *WORDS["a part"](""))
    found = release.show(app, again.files[0].outbound_id)
    assert found["at_bank"] == [{"answer": "1/1", "more": 1, "outbound_id": 1, "file": NAME, "state": "REJECTED"}]
    shown = outbound_page.page(found, str)
    (line,) = [line for line in shown if line.startswith("  HELD ")]
    assert line == (
        f"  HELD       by the bank's answer 1/1 and 1 more about {NAME} (#1), which is REJECTED here: if it means that file, the "
        "bank has it, and may pay what is in it"
    )


def test_a_file_of_other_checks_leaves(app: App, db: Database) -> None:
    first = built(app)
    check(db, "4713", 700)
    other = built(app)
    drop(app, *WORDS["taken"](""))
    assert release.show(app, other.files[0].outbound_id)["at_bank"] == []
    approve(app, other)
    with pytest.raises(Refused):
        approve(app, first)


def test_an_answer_about_a_file_that_left_holds_nothing(app: App, db: Database) -> None:
    """One that waits for a person for what it says."""
    approve(app, built(app))
    check(db, "4713", 12_345)
    other = built(app)
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 1)))
    assert answers(db)[0][2] == "UNMATCHED"
    approve(app, other)
    assert world.one(db, "SELECT COUNT(*) FROM outbound_file WHERE kind = 'VACH-BANK' AND state = 'LOCAL'") == 2


OF_ITS_OWN: dict[str, Callable[[str], tuple[bytes, str]]] = {
    "a part": lambda _trace: (b"PARTIAL ENTRIES 1\n", f"{NAME}.ack"),
    "a cent off": lambda trace: (bank.whole(bank.return_of(trace, 12_344)), "returns.ach"),
}


@pytest.mark.parametrize("word", OF_ITS_OWN)
def test_a_released_file_that_the_bank_speaks_of_is_not_sent(
    db: Database, home: Home, clock: FixedClock, word: str
) -> None:
    """It went again without a word as soon as people said that it was not there."""
    app = company(db, home, clock, bank={"acknowledgements": UNCLEAR_FORM, "endpoint": "bank"})
    check(db, "4711", 12_345)
    approve(app, built(app))
    world.deliveries_are(db, "UNKNOWN")
    drop(app, *OF_ITS_OWN[word](trace_of(db, "4711")))
    for person in (app, bob(app)):
        with app.db.write() as connection:
            settle.resolve(
                connection, 1, as_=Resolution.NOT_DELIVERED, reason="not there", operator=person.operator, at=app.now()
            )
    assert claimed(app) == []
    (stays,) = queues(app)
    assert (stays.state, stays.next_attempt_at) == ("NOT_DELIVERED", None)
    assert stays.last_error == (
        f"found the bank's answer 1/1 about {NAME} (#1), which is NOT_DELIVERED here: if it means that file, the bank has it, and may pay "
        "what is in it: "
        "ask the bank what it pays; where it has it, gateway deliver acknowledge 1 --reference WHO; where nothing, gateway "
        "answers clear 1/1 --reason WHY, then gateway deliver again 1 --reason WHY"
    )
    lists.clear(app, (1, 1), reason="another company's")
    with app.db.write() as connection:
        settle.requeue(connection, 1, reason="the bank has nothing of it", operator=app.operator, at=app.now())
    assert claimed(app) == [1]


def queues(app: App) -> list[reads.Delivery]:
    with app.db.read() as connection:
        return reads.listing(connection)


def claimed(app: App) -> list[int]:
    """What a delivery of the bank's endpoint would send now."""
    with app.db.write() as connection:
        taken = queue.claim(connection, reads.listing(connection), temporary_suffix=".part", at=app.now())
    return [job.delivery_id for job in taken]
