"""The bank's word about a file: taken, refused, of other totals, of a file that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from gateway.app import App
from gateway.clock import FixedClock
from gateway.delivery import queue, reads, settle
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.settings import Acknowledgements
from tests.answers.world import answers, check, company, differences, drop, send
from tests.outbound import world

TEXT = r"(?P<status>ACCEPTED|REJECTED)( FILE (?P<name>\S+))? ENTRIES (?P<entries>\d+) CREDIT (?P<credit>[$0-9.,]+)"
FORM: dict[str, Any] = {"files": ["{name}.ack", "ACK*.txt"], "text": TEXT}
BANK_FILE = "P01-VACH-BANK-260303.DAT"


def sent(db: Database, home: Home, clock: FixedClock, form: dict[str, Any], state: str | None = "DELIVERED") -> App:
    """One bank file of two entries and 128.45, delivered (or LOCAL)."""
    app = company(db, home, clock, bank={"acknowledgements": Acknowledgements.model_validate(form)})
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    (outbound_id,) = send(app)
    if state is not None:
        world.insert(
            db, "delivery", outbound_id=outbound_id, endpoint="bank", state=state, remote_name=BANK_FILE,
            temporary_name="", attempts=1,
        )  # fmt: skip
    return app


CASES: dict[str, tuple[str, str, str, str, str]] = {
    "taken": (f"{BANK_FILE}.ack", f"{BANK_FILE} ACCEPTED ENTRIES 2 CREDIT 128.45", "DONE", "ACKNOWLEDGED", "was taken"),
    "as cents": (f"{BANK_FILE}.ACK", "ACCEPTED ENTRIES 00002 CREDIT 0000012845", "DONE", "ACKNOWLEDGED", "was taken"),
    "named in the text": (
        "ack-77.txt", f"ACCEPTED FILE {BANK_FILE} ENTRIES 2 CREDIT $128.45", "DONE", "ACKNOWLEDGED", "was taken",
    ),
    "in another case": (f"{BANK_FILE.lower()}.ack", "ACCEPTED ENTRIES 2 CREDIT 128.45", "DONE", "ACKNOWLEDGED", "was taken"),
    "refused": (f"{BANK_FILE}.ack", "REJECTED ENTRIES 2 CREDIT 128.45", "UNMATCHED", "DELIVERED", "found P01-VACH-BANK-260303.DAT REJECTED"),
    "refused with other totals": (
        f"{BANK_FILE}.ack", "REJECTED ENTRIES 1 CREDIT 128.45", "UNMATCHED", "DELIVERED",
        "REJECTED with other totals (entries 1, sent 2), expected it accepted, or refused whole",
    ),
    "other totals": (
        f"{BANK_FILE}.ack", "ACCEPTED ENTRIES 1 CREDIT 123.45", "UNMATCHED", "DELIVERED",
        "(credit 123.45, sent 128.45; entries 1, sent 2)",
    ),
    "another file": ("NOBODY.DAT.ack", "ACCEPTED ENTRIES 2 CREDIT 128.45", "UNMATCHED", "DELIVERED", "found the file name NOBODY.DAT"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_an_acknowledgement_says(db: Database, home: Home, clock: FixedClock, case: str) -> None:
    app = sent(db, home, clock, FORM)
    name, written, state, delivery, words = CASES[case]
    file = drop(app, written.encode() + b"\n", name)
    assert (file.kind, file.state, file.rejects) == ("bank-acknowledgement", "POSTED", int(state == "UNMATCHED"))
    ((kind, _, found, outcome),) = answers(db)
    assert (kind, found) == ("ACKNOWLEDGEMENT", state)
    assert words in outcome
    assert world.one(db, "SELECT state FROM delivery") == delivery


def test_a_name_alone_says_enough_where_the_bank_writes_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    app = sent(db, home, clock, {"files": ["{name}.ack"]})
    drop(app, b"\n", f"{BANK_FILE}.ack")
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"


def test_the_name_that_the_file_has_at_the_bank_is_as_good(db: Database, home: Home, clock: FixedClock) -> None:
    app = sent(db, home, clock, FORM)
    with db.write() as connection:
        connection.execute(text("UPDATE delivery SET remote_name = 'MSL0303.ACH'"))
    drop(app, b"ACCEPTED FILE msl0303.ach ENTRIES 2 CREDIT 128.45\n", "ack-1.txt")
    assert answers(db)[0][2] == "DONE" and world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"


def test_of_two_files_that_have_the_name_there_the_last_is_meant(db: Database, home: Home, clock: FixedClock) -> None:
    """At two banks both may have it."""
    app = sent(db, home, clock, FORM)
    check(db, "4713", 100)
    (other,) = send(app)
    world.insert(
        db, "delivery", outbound_id=other, endpoint="other", state="DELIVERED", remote_name=BANK_FILE, temporary_name="",
        attempts=1,
    )  # fmt: skip
    with db.write() as connection:
        connection.execute(text("UPDATE delivery SET remote_name = 'MSL0303.ACH'"))
    drop(app, b"ACCEPTED FILE MSL0303.ACH ENTRIES 1 CREDIT 1.00\n", "ack-1.txt")
    assert answers(db)[0][2] == "DONE"
    assert world.all_of(db, "SELECT state FROM delivery ORDER BY delivery_id") == [("DELIVERED",), ("ACKNOWLEDGED",)]


def test_equal_bytes_acknowledge_each_file_that_their_name_says(db: Database, home: Home, clock: FixedClock) -> None:
    app = sent(db, home, clock, {"files": ["{name}.ack"]}, state=None)
    check(db, "4713", 100)
    send(app)
    names = [BANK_FILE, BANK_FILE.replace(".DAT", "-2.DAT")]
    assert [drop(app, b"OK\n", f"{name}.ack").state for name in names] == ["POSTED", "POSTED"]
    assert [row[2:] for row in answers(db)] == [("DONE", f"{name} was taken by the bank") for name in names]
    assert differences(app) == []
    again = drop(app, b"OK\n", f"{BANK_FILE.lower()}.ack")
    assert (again.state, again.hold_code, again.held_against) == ("HELD", "DUPLICATE", 1)


def test_a_second_acknowledgement_does_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    app = sent(db, home, clock, FORM)
    drop(app, b"ACCEPTED ENTRIES 2 CREDIT 128.45\n", f"{BANK_FILE}.ack")
    drop(app, b"ACCEPTED  ENTRIES 2 CREDIT 128.45\n".replace(b"  ", b" ") + b"\n", f"{BANK_FILE}.ack")
    assert [row[2] for row in answers(db)] == ["DONE", "REPEATED"]


def test_a_file_fetched_by_hand_is_acknowledged_too(db: Database, home: Home, clock: FixedClock) -> None:
    app = sent(db, home, clock, FORM, state=None)
    drop(app, b"ACCEPTED ENTRIES 2 CREDIT 128.45\n", f"{BANK_FILE.lower()}.ack")
    assert answers(db)[0][2:] == ("DONE", f"{BANK_FILE} was taken by the bank")


@pytest.mark.parametrize("state", ["PENDING", "SENDING", "PLACING", "UNKNOWN", "NOT_DELIVERED"])
def test_an_acknowledgement_of_what_this_ledger_never_sent_ends_its_delivery(
    db: Database, home: Home, clock: FixedClock, state: str
) -> None:
    """A ledger restored from a backup knows nothing of what was delivered since."""
    app = sent(db, home, clock, FORM, state=state)
    drop(app, b"ACCEPTED ENTRIES 2 CREDIT 128.45\n", f"{BANK_FILE}.ack")
    assert answers(db)[0][2] == "DONE"
    assert ("it was never sent from here" in answers(db)[0][3]) == (state == "PENDING")
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"


@pytest.mark.parametrize("state", ["PENDING", "NOT_DELIVERED", "SENDING", "UNKNOWN"])
def test_other_totals_keep_what_has_not_left_from_leaving(
    db: Database, home: Home, clock: FixedClock, state: str
) -> None:
    """The bank has something under its name. A person says whether it leaves all the same."""
    app = sent(db, home, clock, FORM, state=state)
    with db.write() as connection:
        connection.execute(text("UPDATE delivery SET next_attempt_at = :now"), {"now": app.now()})
        (found,) = reads.listing(connection)
    drop(app, b"ACCEPTED ENTRIES 1 CREDIT 128.45\n", f"{BANK_FILE}.ack")
    assert answers(db)[0][2] == "UNMATCHED"
    stopped = state in ("PENDING", "NOT_DELIVERED")
    error = world.one(db, "SELECT last_error FROM delivery")
    assert (world.one(db, "SELECT next_attempt_at FROM delivery") is None, error is not None) == (stopped, stopped)
    if not stopped:
        return
    assert "(entries 1, sent 2)" in error and f"gateway deliver again {found.delivery_id} --reason WHY" in error
    with db.write() as connection:  # by one that found it due before
        assert queue.claim(connection, [found], temporary_suffix=".part", at=app.now()) == []
        settle.requeue(connection, found.delivery_id, reason="theirs was a test", operator=app.operator, at=app.now())
        assert reads.one(connection, found.delivery_id).last_error is None
        (due,) = reads.due(connection, endpoint="bank", now=app.now(), states=[found.state])
        assert len(queue.claim(connection, [due], temporary_suffix=".part", at=app.now())) == 1


@pytest.mark.parametrize("state", ["BUILT", "REJECTED"])
def test_an_acknowledgement_of_what_never_was_released_waits(
    db: Database, home: Home, clock: FixedClock, state: str
) -> None:
    """Somebody carried it to the bank: what it pays stands as unpaid here."""
    app = sent(db, home, clock, FORM, state=None)
    with db.write() as connection:
        connection.execute(text("UPDATE outbound_file SET state = :s WHERE name = :n"), {"s": state, "n": BANK_FILE})
    drop(app, b"ACCEPTED ENTRIES 2 CREDIT 128.45\n", f"{BANK_FILE}.ack")
    assert answers(db)[0][2] == "UNMATCHED"
    assert f"found {BANK_FILE} {state} here, expected a file that was released" in answers(db)[0][3]


def test_a_text_that_does_not_read_is_quarantined(db: Database, home: Home, clock: FixedClock) -> None:
    app = sent(db, home, clock, FORM)
    file = drop(app, b"see attachment\n", f"{BANK_FILE}.ack")
    assert (file.state, file.hold_code) == ("QUARANTINED", "UNREADABLE")
    assert world.one(db, "SELECT state FROM delivery") == "DELIVERED"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"files": ["*.ack"]}, "expected {name} once in it"),
        ({"files": ["{name}.{name}"]}, "expected {name} once in it"),
        ({"text": "("}, "expected a regular expression"),
        ({"text": "(?P<what>x)"}, "found the group what"),
        ({"accepted": ["Part"], "refused": ["PART"]}, "found PART in accepted and in refused"),
    ],
)
def test_settings_that_cannot_name_a_file(form: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as error:
        Acknowledgements.model_validate(form)
    assert words in str(error.value)
