"""What a person does after the bank answered: clear what waited, pay a returned check again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from gateway.answers import lists
from gateway.answers.pay_again import pay_again
from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.intake import actions
from gateway.ledger.database import Database
from gateway.outbound.store import Frozen
from gateway.release import recall, release
from gateway.release.build import build
from gateway.vendor_ach import voids
from tests.answers import bank
from tests.answers.world import answers, check, company, differences, drop, postings, send, state, trace_of
from tests.outbound import world
from tests.support.at_once import until_it_waits


def test_a_returned_check_is_paid_again_and_may_come_back_again(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    first = trace_of(db, "4711")
    drop(app, bank.whole(bank.return_of(first, 12_345, reason="R23")))
    done = pay_again(app, "4711", reason="the vendor says it was a mistake")
    assert (done.portfolio, done.bank, done.vendor, done.issue, done.amount_cents) == ("1", "126", "V1", 2, 12_345)
    assert state(db, "4711") == ("NEW", 2)
    assert world.all_of(
        db,
        "SELECT a.purpose, j.side, j.amount_cents FROM journal_line j JOIN gl_account a ON a.account_id = j.account_id "
        "WHERE j.entry_id = :e ORDER BY j.line",
        e=done.entry,
    ) == [("ACCOUNTS PAYABLE", "D", 12_345), ("CASH 126", "C", 12_345)]
    assert world.all_of(db, "SELECT operator, subject, reason FROM operator_event WHERE action = 'PAYAGAIN'") == [
        ("ANN", "check:1:126:4711#2", "the vendor says it was a mistake")
    ]
    assert differences(app) == []
    send(app)
    second = trace_of(db, "4711")
    assert second != first
    assert state(db, "4711") == ("SENT", 2)
    assert world.all_of(db, "SELECT source FROM outbound_claim ORDER BY source") == [
        ("check:1:126:4711",), ("check:1:126:4711#2",),
    ]  # fmt: skip
    drop(app, bank.whole(bank.return_of(second, 12_345, reason="R23", trace="091000010000007")), "second.ach")
    assert state(db, "4711") == ("RETURNED", 2)
    assert len(postings(db)) == 4
    assert differences(app) == []


def test_only_the_check_that_was_meant_is_paid_again(db: Database, home: Home, clock: FixedClock) -> None:
    """Another bank's may have its number, and have come back too."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4711", 500, bank="125")
    world.insert(db, "portfolio", portfolio="9", name="NINE", business_date="2026-03-02", period_state="OPEN")
    check(db, "4711", 77, portfolio="9", bank="126")
    world.change(db, "UPDATE bank_check SET state = 'RETURNED'")
    with pytest.raises(UsageError, match="found 1/125/4711, 1/126/4711, 9/126/4711, expected one check"):
        pay_again(app, "4711", reason="x")
    pay_again(app, "4711", reason="x", portfolio="1", bank="126")
    assert world.all_of(db, "SELECT portfolio, bank, state, issue FROM bank_check ORDER BY portfolio, bank") == [
        ("1", "125", "RETURNED", 1), ("1", "126", "NEW", 2), ("9", "126", "RETURNED", 1),
    ]  # fmt: skip


def test_the_return_of_an_earlier_issue_again_waits(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    first = trace_of(db, "4711")
    drop(app, bank.whole(bank.return_of(first, 12_345, reason="R23")))
    pay_again(app, "4711", reason="once more")
    send(app)
    drop(app, bank.whole(bank.return_of(first, 12_345, reason="R24", trace="091000010000007")), "second.ach")
    assert answers(db)[1][2] == "UNMATCHED"
    assert state(db, "4711") == ("SENT", 2)


@pytest.mark.parametrize(
    "step",
    [
        lambda app, built, words: release.approve(app, built.outbound_id, sha256=built.sha256, reason=words),
        lambda app, built, words: release.reject(app, built.outbound_id, reason=words),
        lambda app, _, words: recall.recall(app, 1, reason=words),
        lambda app, _, words: voids.void(app, "4711", reason=words),
        lambda app, _, words: pay_again(app, "4711", reason=words),
        lambda app, _, words: lists.clear(app, (1, 1), reason=words),
        lambda app, _, words: build(app, "VACH-REFUSED-NOC", "1", file_id=1, number=1, code="C65", reason=words),
    ],
    ids=["approve", "reject", "recall", "void", "pay again", "clear", "refuse a correction"],
)
def test_no_account_number_is_kept_in_the_words_of_a_step(
    step: Callable[[App, Frozen, str], object], db: Database, home: Home, clock: FixedClock
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    check(db, "4712", 500)
    (built,) = (file for file in build(app, "VACH", "1").files if file.kind == "VACH-BANK")
    with pytest.raises(Refused, match=r"found the account number of vendor V1 \(\*\*\*\*5678\) among the words"):
        step(world.as_person(app, world.BOB), built, "to 1234-5678, as they wrote")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"check_no": "4711"}, Refused, "paying check 4711 again: found it SENT, expected RETURNED"),
        ({"check_no": "9999"}, UsageError, "found none of that number, expected one check"),
        ({"check_no": "4711", "bank": "125"}, UsageError, "found none of that number"),
        ({"check_no": "4711", "reason": " "}, UsageError, "found no reason"),
    ],
)
def test_what_is_not_paid_again(
    db: Database, home: Home, clock: FixedClock, given: dict[str, str], error: type[Exception], words: str
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    with pytest.raises(error, match=words):
        pay_again(app, **({"reason": "R"} | given))  # type: ignore[arg-type]
    assert state(db, "4711") == ("SENT", 1)


def test_a_file_with_the_second_issue_that_is_rejected_frees_it(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R23")))
    pay_again(app, "4711", reason="once more")
    built = build(app, "VACH", "1")
    release.reject(app, built.files[0].outbound_id, reason="not today")
    assert state(db, "4711") == ("NEW", 2)
    send(app)
    assert state(db, "4711") == ("SENT", 2)


def test_clearing_ends_what_waits(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(
        app,
        bank.whole(bank.return_of("091000019999999", 5), bank.return_of(trace_of(db, "4711"), 12_345, trace="2" * 15)),
    )
    with db.read() as connection:
        assert [(row[0], row[-2]) for row in lists.listing(connection)] == [("1/1", "UNMATCHED"), ("1/2", "DONE")]
    with pytest.raises(UsageError, match="found no reason"):
        lists.clear(app, (1, 1), reason="")
    with pytest.raises(Refused, match="found it DONE, expected UNMATCHED"):
        lists.clear(app, (1, 2), reason="R")
    with pytest.raises(UsageError, match="found none of that number"):
        lists.clear(app, (7, 1), reason="R")
    with pytest.raises(Refused):
        lists.clear(world.as_person(app, Operator("EVE", "eve", frozenset())), (1, 1), reason="R")
    lists.clear(app, (1, 1), reason="another company's, the bank takes it back")
    assert [row[2] for row in answers(db)] == ["CLEARED", "DONE"]
    with pytest.raises(Refused, match="found it CLEARED"):
        lists.clear(app, (1, 1), reason="R")
    assert world.all_of(db, "SELECT operator, subject FROM operator_event WHERE action = 'answers.clear'") == [
        ("ANN", "answer:1/1")
    ]


def test_an_answer_is_shown_without_its_account_number(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), "99887766"), sec="COR"))
    shown = str(lists.show(app, (1, 1)))
    assert "7766" in shown and lists.show(app, (1, 1))["entry"]["rdfi"] == "09100001"
    assert "99887766" not in shown and "12345678" not in shown
    stored = world.all_of(db, "SELECT payload, outcome FROM ach_answer")[0]
    assert b"99887766" not in bytes(stored[0]) and "7766" not in stored[1]


def test_what_a_bank_sent_is_not_taken_back(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    file = drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    with pytest.raises(Refused, match=r"found what a bank sent \(bank-answers\), expected a file of lines"):
        actions.reverse(app, file.file_id, reason="wrong bank")
    assert state(db, "4711") == ("RETURNED", 1)


def test_a_check_is_paid_again_by_who_may_post_and_once(db: Database, home: Home, clock: FixedClock) -> None:
    """Of two people at once the second sees what the first one did."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R23")))
    with pytest.raises(Refused, match="paying check 4711 again"):
        pay_again(world.as_person(app, Operator("EVE", "eve", frozenset())), "4711", reason="x")
    with ThreadPoolExecutor(1) as people:
        with db.write() as connection:
            db.lock_portfolios(connection, ["1"])
            connection.execute(text("UPDATE bank_check SET state = 'NEW', issue = 2"))
            second = people.submit(pay_again, app, "4711", reason="x")
            until_it_waits(db, second)
        with pytest.raises(Refused, match="found it NEW, expected RETURNED"):
            second.result()
    assert state(db, "4711") == ("NEW", 2)


@pytest.mark.parametrize("written", ["12", "12/", "/3", "a/b", "1/2/3", "²/3", "1/" + "9" * 16])
def test_a_key_of_an_answer(written: str) -> None:
    with pytest.raises(UsageError, match="expected one"):
        lists.parse_key(written)
