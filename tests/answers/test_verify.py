"""``verify`` finds what does not fit between answers, journal, checks and what was sent."""

from __future__ import annotations

import pytest

from gateway.answers.pay_again import pay_again
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.vendor_ach import voids
from tests.answers import bank
from tests.answers.world import check, company, differences, drop, send, trace_of
from tests.outbound import world

WRONG = {
    "an answer of another amount": (
        "UPDATE ach_answer SET amount_cents = 1 WHERE number = 1", "answers are about an entry of their trace number and amount"
    ),
    "a return without an amount": (
        "UPDATE ach_answer SET amount_cents = NULL WHERE number = 1", "answers are about an entry of their trace number and amount"
    ),
    "an answer of another trace": (
        "UPDATE ach_answer SET original_trace = '091000019999999' WHERE number = 1",
        "answers are about an entry of their trace number and amount",
    ),
    "an answer about no entry": (
        "UPDATE ach_answer SET seq = 99 WHERE number = 1", "answers are about an entry of their trace number and amount"
    ),
    "an answer deleted": ("DELETE FROM ach_answer WHERE number = 1", "returns are posted"),
    "an answer set back": ("UPDATE ach_answer SET state = 'UNMATCHED' WHERE number = 1", "returns are posted"),
    "a return of a check that is not there": (
        "DELETE FROM bank_check WHERE check_no = '4712'; UPDATE ach_answer SET state = 'DONE', outbound_id = 1, seq = "
        "(SELECT seq FROM ach_entry WHERE check_no = '4712') WHERE number = 2", "returns are posted",
    ),
    "an answer on another line": ("UPDATE ach_answer SET line_no = 99 WHERE number = 1", "returns are posted"),
    "one that was no return": ("UPDATE ach_answer SET state = 'DONE' WHERE number = 2", "answers are about an entry of their trace number and amount"),
    "an entry that came back twice": (
        "UPDATE ach_answer SET state = 'DONE', outbound_id = 1, seq = 1, amount_cents = 12345, "
        "original_trace = (SELECT o.original_trace FROM ach_answer o WHERE o.number = 1) WHERE number = 2",
        "an entry came back once",
    ),
    "a check set to sent": ("UPDATE bank_check SET state = 'SENT' WHERE check_no = '4711'", "returned checks came back, and only they"),
    "a check set to returned": ("UPDATE bank_check SET state = 'RETURNED' WHERE check_no = '4713'", "returned checks came back, and only they"),
    "a check of another office": ("UPDATE bank_check SET office_id = 2 WHERE check_no = '4711'", "returns are posted"),
    "a sent check gone": ("UPDATE bank_check SET state = 'NEW' WHERE check_no = '4713'", "paid = sent - returned - reversed"),
    "an entry sent twice": (
        "UPDATE ach_entry SET amount_cents = amount_cents + 1 WHERE check_no = '4713'", "paid = sent - returned - reversed"
    ),
    "a repeated answer posted": (
        "UPDATE inbound_file SET posted_cents = posted_cents + 501, rejected_cents = rejected_cents - 501 WHERE file_id = 1",
        "what waits or repeats is not posted in its file's money",
    ),
    "a file of more money than its answers": (
        "UPDATE inbound_file SET amount_cents = amount_cents + 1, posted_cents = posted_cents + 1 WHERE file_id = 1",
        "what waits or repeats is not posted in its file's money",
    ),
    "an answer about a file that was called back": (
        "UPDATE outbound_file SET state = 'REJECTED' WHERE outbound_id = 1", "answers are about an entry of their trace number and amount"
    ),
    "an acknowledgement of a file that is not there": (
        "UPDATE ach_answer SET kind = 'ACKNOWLEDGEMENT', outbound_id = 77, seq = NULL WHERE number = 2",
        "what went into an outbound file has its file",
    ),
    "an entry of an issue to come": ("UPDATE ach_entry SET issue = 9 WHERE check_no = '4713'", "entries are what their checks say"),
    "a check of another vendor": ("UPDATE bank_check SET vendor = 'V2' WHERE check_no = '4713'", "entries are what their checks say"),
    "a return that is no change's": ("UPDATE ach_answer SET change_id = (SELECT MAX(change_id) FROM vendor_change) WHERE number = 1", "changes that the bank proposed are there"),
    "a change of another vendor": ("UPDATE vendor_change SET vendor = 'V2'", "changes that the bank proposed are there"),
    "a change that is not there": ("UPDATE ach_answer SET change_id = 77 WHERE number = 3", "changes that the bank proposed are there"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_found(db: Database, home: Home, clock: FixedClock, case: str) -> None:
    app = company(db, home, clock)
    for number, cents in (("4711", 12_345), ("4712", 500), ("4713", 77)):
        check(db, number, cents)
    send(app)
    drop(
        app,
        bank.whole(
            bank.return_of(trace_of(db, "4711"), 12_345, reason="R23"),
            bank.return_of(trace_of(db, "4712"), 501, reason="R23", trace="091000010000002", account="7771"),
            bank.change_of(trace_of(db, "4712"), "99887766", trace="091000010000003"),
        ),
    )
    assert differences(app) == []
    statement, name = WRONG[case]
    for part in statement.split("; "):
        world.change(db, part)
    assert name in [difference.partition(":")[0] for difference in differences(app)]


def test_a_void_check_that_came_back_is_counted_once(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    for number, cents in (("4711", 12_345), ("4712", 500)):
        check(db, number, cents)
    send(app)
    for number in ("4711", "4712"):
        voids.void(app, number, reason="wrong vendor")
    assert differences(app) == []
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R23")))
    assert differences(app) == []


def test_what_was_paid_again_stands_beside_its_return(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R23")))
    pay_again(app, "4711", reason="once more")
    send(app)
    assert differences(app) == []
    voids.void(app, "4711", reason="wrong vendor")
    assert differences(app) == [], "it was void after its return"
    world.change(db, "UPDATE bank_check SET state = 'SENT', issue = 1")
    assert "returned checks came back, and only they" in [d.partition(":")[0] for d in differences(app)]
