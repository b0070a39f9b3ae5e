"""A credit comes back though its reversal left: the money is here twice, CLEARING says so, and a person clears it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.console import alarms
from gateway.console.status import status
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.release import recall, release
from gateway.release.build import build
from gateway.vendor_ach import clearing, voids
from gateway.vendor_ach.clearing import Cleared, Held
from tests.answers import bank
from tests.answers.test_reversals import clearing_balance, reversal, settle
from tests.answers.world import answers, check, company, differences, drop, send, state, taken_back, trace_of
from tests.outbound import world


def held(app: App) -> list[Held]:
    with app.db.read() as connection:
        return clearing.held(connection)


def alarmed(app: App) -> list[str]:
    return [f"{c.code} {c.text}" for c in alarms.conditions(status(app, None)) if c.code == "MONEY_TWICE"]


def cash(db: Database) -> int:
    """What CASH holds: debits less credits."""
    statement = (
        "SELECT CAST(SUM(t.debit_cents - t.credit_cents) AS BIGINT) FROM unit_total t "
        "JOIN gl_account a ON a.account_id = t.account_id WHERE a.purpose LIKE 'CASH%'"
    )
    return int(world.one(db, statement) or 0)


def clear(app: App, check_no: str, reason: str) -> Cleared:
    """Two people say so."""
    waits = clearing.clear(app, check_no, reason=reason)
    assert isinstance(waits, Held), waits
    done = clearing.clear(world.as_person(app, world.BOB), check_no, reason="so it is")
    assert isinstance(done, Cleared), done
    return done


def wrong(app: App) -> list[str]:
    return [d for d in differences(app) if not d.startswith("business dates")]


@pytest.mark.parametrize("settled", [False, True])
def test_money_that_came_twice_is_told_and_cleared(db: Database, home: Home, clock: FixedClock, settled: bool) -> None:
    app, credit = taken_back(db, home, clock)
    assert (held(app), alarmed(app)) == ([], [])
    if settled:
        settle(app, "2026-03-04")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")))
    assert "; its reversal left in P01-VACH-BANK-" in answers(db)[0][3]
    assert answers(db)[0][3].endswith("comes twice unless the reversal comes back too: see gateway vendor clearing")
    assert [(one.check_no, one.cents) for one in held(app)] == [("4711", -12_345)]
    assert [text.partition(": ask")[0] for text in alarmed(app)] == [
        "MONEY_TWICE check 4711 of bank 126, portfolio 1: 123.45 came twice, as returned credit and by its reversal"
    ]
    if not settled:
        settle(app, "2026-03-04")
    assert (clearing_balance(db), wrong(app)) == (-12_345, [])
    before = cash(db)
    done = clear(app, "4711", "the bank debited us on 9 March")
    assert (done.debit, done.credit) == ("CLEARING", "CASH 126")
    assert (clearing_balance(db), cash(db) - before, held(app), alarmed(app), wrong(app)) == (0, -12_345, [], [], [])
    assert world.all_of(db, "SELECT operator, subject, reason FROM operator_event WHERE action = 'VCLEAR'") == [
        ("BOB", "check 1/126/4711", "ANN: the bank debited us on 9 March; BOB: so it is")
    ]
    with pytest.raises(Refused, match="found nothing beyond what is on its way"):
        clearing.clear(app, "4711", reason="again")


def test_the_return_of_the_reversal_closes_it(db: Database, home: Home, clock: FixedClock) -> None:
    app, credit = taken_back(db, home, clock)
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")), name="one.ach")
    back = bank.return_of(reversal(db)[0], 12_345, reason="R01", code="26", trace="091000010000002")
    drop(app, bank.whole(back), name="two.ach")
    settle(app, "2026-03-04")
    assert (held(app), clearing_balance(db), state(db, "4711"), wrong(app)) == ([], 0, ("VOID", 1), [])


@pytest.mark.parametrize("far", [0, 1, 2, 3, 4])
def test_what_is_on_its_way_is_no_money_twice(db: Database, home: Home, clock: FixedClock, far: int) -> None:
    """Beside a check whose money came twice another one is void; then its reversal is built, let go, and settles,
    or is rejected."""
    app, credit = taken_back(db, home, clock)
    check(db, "4712", 500)
    send(app)
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")))
    settle(app, "2026-03-04")
    voids.void(app, "4712", reason="wrong vendor")
    if far in (1, 4):
        file = build(app, "VACH", "1").files[0]
        if far == 4:
            release.reject(app, file.outbound_id, reason="wrong day")
    elif far > 1:
        send(app)
    if far == 3:
        settle(app, "2026-03-09")
    assert [(one.check_no, one.cents) for one in held(app)] == [("4711", -12_345)]
    with db.read() as connection:
        assert clearing.held(connection, "2") == [], "of another portfolio"
    assert clearing_balance(db) == -12_345 + (0 if far == 3 else 500)


def test_a_word_counts_once(db: Database, home: Home, clock: FixedClock) -> None:
    """What was cleared and is held again in the same amount is said anew by both."""
    app, credit = taken_back(db, home, clock)
    settle(app, "2026-03-04")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")), name="one.ach")
    clear(app, "4711", "paid to the bank")
    world.post(
        db, (1, "CASH 126", "D", 12_345), (1, "CLEARING", "C", 12_345), reason="CHECK 126/4711", update="ANSWERS"
    )
    assert [(one.cents, one.word) for one in held(app)] == [(-12_345, None)]
    assert isinstance(clearing.clear(world.as_person(app, world.BOB), "4711", reason="so it is"), Held)


def test_what_was_cleared_and_comes_back_after_all_left_twice(db: Database, home: Home, clock: FixedClock) -> None:
    app, credit = taken_back(db, home, clock)
    settle(app, "2026-03-04")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")), name="one.ach")
    clear(app, "4711", "paid to the bank")
    back = bank.return_of(reversal(db)[0], 12_345, reason="R01", code="26", trace="091000010000002")
    drop(app, bank.whole(back), name="two.ach")
    ((only,), text) = held(app), alarmed(app)
    assert only.cents == 12_345 and "123.45 left twice: ask the bank for it" in text[0]
    done = clear(app, "4711", "the bank gave it back")
    assert (done.debit, done.credit, clearing_balance(db), held(app), wrong(app)) == ("CASH 126", "CLEARING", 0, [], [])
    words = "SELECT reason FROM operator_event WHERE action = 'vendor.clear-proposed' ORDER BY event_id"
    assert world.all_of(db, words) == [
        ("123.45 came twice: paid to the bank",),
        ("123.45 left twice: the bank gave it back",),
    ]


def test_clearing_refused(db: Database, home: Home, clock: FixedClock) -> None:
    app, credit = taken_back(db, home, clock)
    with pytest.raises(Refused, match="found nothing beyond what is on its way"):
        clearing.clear(app, "4711", reason="x")
    with pytest.raises(UsageError, match="found none of that number"):
        clearing.clear(app, "4712", reason="x")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")))
    with pytest.raises(UsageError, match="found no reason"):
        clearing.clear(app, "4711", reason=" ")
    check(db, "4711", 500, bank="125")
    with pytest.raises(Refused, match="found nothing beyond what is on its way"):
        clearing.clear(app, "4711", bank="125", reason="another check of that number")
    assert [(one.bank, one.word) for one in held(app)] == [("126", None)]


def test_one_person_alone_clears_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    """The first word waits, is told to whoever looks, and can be taken back; it is of the amount of then."""
    app, credit = taken_back(db, home, clock)
    settle(app, "2026-03-04")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")), name="one.ach")
    before = cash(db)
    clearing.clear(app, "4711", reason="the bank has it back")
    (one,) = held(app)
    assert one.word is not None and (one.word.operator, one.word.reason) == ("ANN", "the bank has it back")
    assert "123.45 came twice; ANN (ann) says: the bank has it back; a second person says so too" in alarmed(app)[0]
    same_user = replace(world.BOB, user="ann")
    for person in (app, world.as_person(app, same_user)):
        with pytest.raises(Refused, match=r"first word by ANN \(ann\), expected a second person with another code"):
            clearing.clear(person, "4711", reason="me again")
    poster = replace(world.BOB, rights=frozenset({"post"}))
    with pytest.raises(Refused, match="without the right 'approve'"):
        clearing.clear(world.as_person(app, poster), "4711", reason="so it is")
    with pytest.raises(UsageError, match="found no reason"):
        clearing.clear(world.as_person(app, world.BOB), "4711", reason=" ")
    assert (cash(db), clearing_balance(db)) == (before, -12_345)
    with pytest.raises(Refused, match="taking back what was said of check 4711"):
        clearing.withdraw(world.as_person(app, Operator("EVE", "eve", frozenset())), "4711", reason="not yet")
    assert clearing.withdraw(app, "4711", reason="not yet").word is None
    with pytest.raises(Refused, match="found no word that waits for a second person"):
        clearing.withdraw(app, "4711", reason="not yet")
    assert isinstance(clearing.clear(world.as_person(app, world.BOB), "4711", reason="it has now"), Held)
    approver = replace(world.ANN, rights=frozenset({"approve"}))
    assert isinstance(clearing.clear(world.as_person(app, approver), "4711", reason="so it is"), Cleared)
    assert (cash(db), held(app), wrong(app)) == (before - 12_345, [], [])


def test_a_word_of_another_amount_counts_no_more(db: Database, home: Home, clock: FixedClock) -> None:
    app, credit = taken_back(db, home, clock)
    settle(app, "2026-03-04")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")), name="one.ach")
    clearing.clear(app, "4711", reason="the bank has it back")
    world.change(db, "UPDATE operator_event SET reason = '99.00 came twice: x' WHERE action = 'vendor.clear-proposed'")
    assert isinstance(clearing.clear(world.as_person(app, world.BOB), "4711", reason="so it is"), Held)


def test_without_four_eyes_one_person_is_enough(db: Database, home: Home, clock: FixedClock) -> None:
    app, credit = taken_back(db, home, clock)
    settle(app, "2026-03-04")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")), name="one.ach")
    alone = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}}, bank=world.bank()
    )
    assert isinstance(clearing.clear(alone, "4711", reason="x"), Cleared)


@pytest.mark.parametrize(
    ("released", "told"),
    [
        (False, "; its reversal waits in {}: reject that file"),
        (True, "; its reversal in {} must not leave: call that file back"),
    ],
)
def test_a_return_while_the_reversal_waits_says_what_to_do(
    db: Database, home: Home, clock: FixedClock, released: bool, told: str
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    credit = trace_of(db, "4711")
    voids.void(app, "4711", reason="wrong vendor")
    file = build(app, "VACH", "1").files[0]
    if released:
        release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")))
    assert told.format(file.name) in answers(db)[0][3]
    assert held(app) == [], "nothing left, so nothing comes twice"
    if not released:
        with pytest.raises(
            Refused, match=f"takes back the entry of trace number {credit}, which the bank returned, expected"
        ):
            release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    if released:
        recall.recall(app, file.outbound_id, reason="the credit came back")
    else:
        release.reject(app, file.outbound_id, reason="the credit came back")
    assert (clearing_balance(db), build(app, "VACH", "1").files, wrong(app)) == (0, (), [])
