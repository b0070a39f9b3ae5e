"""``verify`` ties CLEARING to what stands behind it, check by check: wrong states are found, and no right one is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.answers import pay_again
from gateway.app import App
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger import verify_clearing
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.release import copies, recall, release
from gateway.release.build import build
from gateway.vendor_ach import voids
from tests.answers import bank
from tests.answers.test_clearing import clear
from tests.answers.test_reversals import clearing_balance, settle, several
from tests.answers.world import check, company, differences, drop, send, state, taken_back
from tests.ledger.test_verify import behind
from tests.outbound import world

LEFT, SETTLES = "CLEARING is what voids, reversals and returns left", "reversals have the voids that they settle"
CREDIT, CLEARED = "voids of sent checks have their credit", "what was cleared by hand had come twice"


def found(app: App) -> dict[str, str]:
    """What is wrong, by name: the first words of it."""
    with app.db.read() as connection:
        return {one.name: one.detail for one in verify_clearing.checks(connection) if not one.ok}


def sound(app: App, cents: int) -> None:
    """Nothing is told, and CLEARING holds so much."""
    assert (found(app), clearing_balance(app.db)) == ({}, cents)
    assert [one for one in differences(app) if not one.startswith("business dates")] == []


def reversal_of(db: Database, check_no: str) -> str:
    """The trace of the last reversal."""
    rows = world.all_of(
        db, "SELECT trace_number FROM ach_entry WHERE kind = 'REVERSAL' AND check_no = :c ORDER BY 1", c=check_no
    )
    return str(rows[-1][0])


def post(db: Database, cents: int, update: str, reason: str | None = "CHECK 126/4711", *, debit: bool = False) -> None:
    """CASH to CLEARING (``debit``: the other way round), by a unit of that name."""
    sides = ("C", "D") if debit else ("D", "C")
    world.post(db, (1, "CASH 126", sides[0], cents), (1, "CLEARING", sides[1], cents), update=update, reason=reason)


Act = Callable[[Database], None]


def sql(statement: str) -> Act:
    def act(db: Database) -> None:
        for part in statement.split("; "):
            world.change(db, part)

    return act


WRONG: dict[str, tuple[bool, Act, dict[str, str]]] = {
    "a settlement that was posted twice": (
        True, lambda db: post(db, 12_345, "U0424"),
        {LEFT: "check 126/4711: CLEARING -123.45, void, reversals and returns 0.00"},
    ),
    "a settlement under the name of another check": (
        True, lambda db: (post(db, 12_345, "U0424", debit=True), post(db, 12_345, "U0424", "CHECK 126/4712"))[0],
        {LEFT: "check 126/4711: CLEARING 123.45, void, reversals and returns 0.00, "
               "check 126/4712: CLEARING -118.45, void, reversals and returns 5.00"},
    ),
    "a settlement of a check that is not there": (
        True, lambda db: post(db, 77, "U0424", "CHECK 126/9999"),
        {LEFT: "check 126/9999: CLEARING -0.77, void, reversals and returns 0.00"},
    ),
    "an entry that names no check": (
        True, lambda db: post(db, 77, "VOID", None),
        {LEFT: "an entry without a check (no reason): CLEARING -0.77, void, reversals and returns 0.00"},
    ),
    "an entry that names something else": (
        True, lambda db: post(db, 77, "ANSWERS", "ITEM 7"),
        {LEFT: "an entry without a check (ITEM 7): CLEARING -0.77, void, reversals and returns 0.00"},
    ),
    "a settlement that was not posted": (
        False, sql("UPDATE ach_entry SET settled_unit_id = 1 WHERE kind = 'REVERSAL'"),
        {LEFT: "check 126/4711: CLEARING 123.45, void, reversals and returns 0.00"},
    ),
    "a settlement that nobody marked": (
        True, sql("UPDATE ach_entry SET settled_unit_id = NULL"),
        {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns 123.45"},
    ),
    "a void that was not posted": (
        True, sql("UPDATE bank_check SET state = 'VOID' WHERE check_no = '4713'"),
        {LEFT: "check 126/4713: CLEARING 0.00, void, reversals and returns 0.77"},
    ),
    "a void taken back, and not in the journal": (
        True, sql("UPDATE bank_check SET state = 'SENT', void_entry_id = NULL WHERE check_no = '4712'"),
        {LEFT: "check 126/4712: CLEARING 5.00, void, reversals and returns 0.00"},
    ),
    "a void taken back though its reversal settled": (
        True, sql("UPDATE bank_check SET state = 'SENT', void_entry_id = NULL WHERE check_no = '4711'"),
        {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns -123.45",
         SETTLES: "check 126/4711 is SENT, issue 1 in file 1, expected VOID, issue 1 in file 1"},
    ),
    "a void without its credit": (
        True, sql("UPDATE bank_check SET outbound_id = NULL WHERE check_no = '4712'"),
        {LEFT: "check 126/4712: CLEARING 5.00, void, reversals and returns 0.00"},
    ),
    "a void of another file's credit": (
        True, sql("UPDATE bank_check SET outbound_id = 3 WHERE check_no = '4712'"), {CREDIT: "check 1/126/4712"},
    ),
    "a void of another file's credit, whose reversal left": (
        True, sql("UPDATE bank_check SET outbound_id = 3 WHERE check_no = '4711'"),
        {CREDIT: "check 1/126/4711", SETTLES: "check 126/4711 is VOID, issue 1 in file 3, expected VOID, issue 1 in file 1"},
    ),
    "a void whose credit did not leave": (
        True, sql("UPDATE outbound_file SET state = 'REJECTED' WHERE outbound_id = 1"),
        {CREDIT: "check 1/126/4711, check 1/126/4712"},
    ),
    "a void of an issue that did not leave": (
        True, sql("UPDATE bank_check SET issue = 2 WHERE state = 'VOID'"),
        {CREDIT: "check 1/126/4711, check 1/126/4712", SETTLES: "check 126/4711 is VOID, issue 2 in file 1, expected VOID, issue 1 in file 1"},
    ),
    "a check of another office": (
        False, sql("UPDATE bank_check SET office_id = 2 WHERE check_no = '4711'"),
        {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns 123.45"},
    ),
    "a check of another amount": (
        False, sql("UPDATE bank_check SET amount_cents = 12346 WHERE check_no = '4711'"),
        {LEFT: "check 126/4711: CLEARING 123.45, void, reversals and returns 123.46",
         SETTLES: "takes back 123.45 of checks of 123.46"},
    ),
    "a check that is not there": (
        False, sql("DELETE FROM bank_check WHERE check_no = '4711'"),
        {LEFT: "check 126/4711: CLEARING 123.45, void, reversals and returns 0.00",
         SETTLES: "check 126/4711 is missing, expected VOID, issue 1 in file 1"},
    ),
    "a reversal of another check": (
        False, sql("UPDATE outbound_source SET source = 'reversal:1:126:4712' WHERE source = 'reversal:1:126:4711'"),
        {SETTLES: "takes back other checks than its credit paid"},
    ),
    "a reversal of no check": (
        False, sql("DELETE FROM outbound_source WHERE source = 'reversal:1:126:4711'"),
        {SETTLES: "takes back other checks than its credit paid"},
    ),
    "a reversal of a credit of no check": (
        False, sql("DELETE FROM outbound_source WHERE source = 'reversal:1:126:4711' OR source = 'check:1:126:4711'"),
        {SETTLES: "takes back other checks than its credit paid", CREDIT: "check 1/126/4711"},
    ),
    "a reversal that settled and did not leave": (
        True, sql("UPDATE outbound_file SET state = 'REJECTED' WHERE outbound_id = 3"),
        {SETTLES: "settled, in a file that is REJECTED"},
    ),
    "a reversal that settled and waits": (
        True, sql("UPDATE outbound_file SET state = 'BUILT' WHERE outbound_id = 3"),
        {SETTLES: "settled, in a file that is BUILT"},
    ),
    "a reversal of a file that is not there": (
        True, sql("UPDATE ach_entry SET outbound_id = 77 WHERE kind = 'REVERSAL'"),
        {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns 123.45", SETTLES: "settled, in a file that is missing"},
    ),
    "a line of another amount": (
        True, lambda db: behind(db, "UPDATE journal_line SET amount_cents = 12340 WHERE amount_cents = 12345 AND side = 'C' "
                                "AND account_id = (SELECT account_id FROM gl_account WHERE purpose = 'CLEARING' AND office_id = 1)"),
        {LEFT: "check 126/4711: CLEARING 0.05, void, reversals and returns 0.00"},
    ),
    "a line on another account": (
        True, lambda db: behind(db, "UPDATE journal_line SET account_id = (SELECT account_id FROM gl_account WHERE purpose = "
                                "'CASH 126' AND office_id = 1) WHERE side = 'D' AND amount_cents = 500 AND account_id = (SELECT "
                                "account_id FROM gl_account WHERE purpose = 'CLEARING' AND office_id = 1)"),
        {LEFT: "check 126/4712: CLEARING 0.00, void, reversals and returns 5.00"},
    ),
    "money cleared that came once": (
        True, lambda db: post(db, 12_345, "VCLEAR", debit=True), {CLEARED: "check 1/126/4711: 123.45 cleared, 0.00 came twice"},
    ),
    "money cleared of no check": (
        True, lambda db: post(db, 1, "VCLEAR", "CHECK 126/9999"),
        {CLEARED: "check 1/126/9999: -0.01 cleared, 0.00 came twice",
         LEFT: "check 126/9999: CLEARING -0.01, void, reversals and returns 0.00"},
    ),
}  # fmt: skip
"""Whether the reversal settles before, what is done, and what is found by name."""


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_tie_is_found(db: Database, home: Home, clock: FixedClock, case: str) -> None:
    """4711 is taken back, 4712 is void and waits for its reversal, 4713 is paid."""
    app = company(db, home, clock)
    for number, cents in (("4711", 12_345), ("4712", 500), ("4713", 77)):
        check(db, number, cents)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    assert send(app) == [3]
    voids.void(app, "4712", reason="wrong vendor")
    settled, act, expected = WRONG[case]
    if settled:
        settle(app, "2026-03-04")
    sound(app, 500 if settled else 12_845)
    act(db)
    told = found(app)
    assert told.keys() == expected.keys()
    assert {name: words for name, words in expected.items() if words not in told[name]} == {}, told
    named = {one.name for one in verify(db) if not one.ok}
    assert expected.keys() <= named


ANSWERED: dict[str, tuple[Act, dict[str, str]]] = {
    "a return of the credit that nobody knows of": (
        sql("UPDATE ach_answer SET state = 'UNMATCHED' WHERE file_id = 1"),
        {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns 123.45"},
    ),
    "a return of the reversal that nobody knows of": (
        sql("UPDATE ach_answer SET state = 'UNMATCHED' WHERE file_id = 2"),
        {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns -123.45"},
    ),
    "a check paid again that was not posted so": (
        sql("UPDATE bank_check SET issue = 2"),
        {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns 123.45", CREDIT: "check 1/126/4711"},
    ),
    "money cleared in part": (
        lambda db: post(db, 345, "VCLEAR", debit=True), {CLEARED: "check 1/126/4711: 3.45 cleared, 123.45 came twice"},
    ),
    "money cleared twice": (
        lambda db: post(db, 24_690, "VCLEAR", debit=True), {CLEARED: "check 1/126/4711: 246.90 cleared, 123.45 came twice"},
    ),
    "money cleared that left": (
        lambda db: post(db, 12_345, "VCLEAR"), {CLEARED: "check 1/126/4711: -123.45 cleared, 123.45 came twice"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERED)
def test_what_does_not_tie_to_answers_is_found(db: Database, home: Home, clock: FixedClock, case: str) -> None:
    """Credit and reversal both came back."""
    app, credit = taken_back(db, home, clock)
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")), name="one.ach")
    sound(app, 0)
    back = bank.return_of(reversal_of(db, "4711"), 12_345, reason="R01", code="26", trace="091000010000002")
    drop(app, bank.whole(back), name="two.ach")
    sound(app, 12_345)
    settle(app, "2026-03-04")
    sound(app, 0)
    act, expected = ANSWERED[case]
    act(db)
    told = found(app)
    assert told.keys() == expected.keys()
    assert {name: words for name, words in expected.items() if words not in told[name]} == {}, told


def test_a_reversal_that_settles_against_a_void_taken_back(db: Database, home: Home, clock: FixedClock) -> None:
    """What the journal cannot tell: the void and its undoing leave nothing, and the settlement is as it should be. The word
    that the file left is refused by now, and was not."""
    app, number = rejected(db, home, clock)
    voids.undo(app, "4711", reason="right after all")
    sound(app, 0)
    world.change(db, "UPDATE outbound_file SET state = 'LOCAL' WHERE outbound_id = :id", id=number)
    claim = "INSERT INTO outbound_claim (source, outbound_id) VALUES ('reversal:1:126:4711', :id)"
    world.change(db, claim, id=number)
    told = found(app)
    assert told[SETTLES].endswith("check 126/4711 is SENT, issue 1 in file 1, expected VOID, issue 1 in file 1"), (
        "before it settles"
    )
    world.at_bank(app)
    assert settle(app, "2026-03-04") == 12_345
    assert found(app) == told and clearing_balance(db) == -12_345, "what is there is what came, against nothing"
    assert [one.partition(":")[0] for one in differences(app) if not one.startswith("business dates")] == [SETTLES]


def rejected(db: Database, home: Home, clock: FixedClock) -> tuple[App, int]:
    """Check 4711 is void, and the file with its reversal was called back; gives its number."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    file = build(app, "VACH", "1").files[0]
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    sound(app, 12_345)
    recall.recall(world.as_person(app, world.BOB), file.outbound_id, reason="thought it had not left")
    return app, file.outbound_id


# --- right states -------------------------------------------------------------------------------------------------


def test_a_void_and_its_undoing_leave_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    app, number = rejected(db, home, clock)
    sound(app, 12_345)
    voids.undo(app, "4711", reason="right after all")
    sound(app, 0)
    voids.void(app, "4711", reason="its reversal left")
    sound(app, 12_345)
    copies.taken(app, number, reason="it left")
    sound(app, 12_345)
    settle(app, "2026-03-04")
    sound(app, 0)


def test_a_reversal_that_came_back_and_is_tried_again(db: Database, home: Home, clock: FixedClock) -> None:
    """It settles though it came back; the check is void again meanwhile, and its credit comes back in the end."""
    app, credit = taken_back(db, home, clock)
    back = bank.return_of(reversal_of(db, "4711"), 12_345, reason="R01", code="26")
    drop(app, bank.whole(back), name="one.ach")
    assert state(db, "4711") == ("SENT", 1)
    sound(app, 12_345)
    voids.void(app, "4711", reason="funds are there now")
    sound(app, 24_690)
    send(app)
    settle(app, "2026-03-04")
    sound(app, 0)
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23", trace="091000010000002")), name="two.ach")
    sound(app, -12_345)
    clear(app, "4711", "the bank has it back")
    sound(app, 0)
    again = bank.return_of(reversal_of(db, "4711"), 12_345, reason="R01", code="26", trace="091000010000003")
    drop(app, bank.whole(again), name="three.ach")
    sound(app, 12_345)
    clear(app, "4711", "the bank gave it back")
    sound(app, 0)


def test_a_check_that_came_back_is_paid_again_and_void(db: Database, home: Home, clock: FixedClock) -> None:
    """The reversal of the first issue settles while the second is void."""
    app, credit = taken_back(db, home, clock)
    drop(app, bank.whole(bank.return_of(reversal_of(db, "4711"), 12_345, reason="R01", code="26")), name="one.ach")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23", trace="091000010000002")), name="two.ach")
    sound(app, 12_345)
    pay_again.pay_again(app, "4711", reason="new account")
    sound(app, 12_345)
    send(app)
    voids.void(app, "4711", reason="not owed")
    assert state(db, "4711") == ("VOID", 2)
    sound(app, 24_690)
    settle(app, "2026-03-03")
    sound(app, 12_345)
    send(app)
    settle(app, "2026-03-05")
    sound(app, 0)


def test_checks_of_one_entry_are_taken_back_in_their_offices(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = several(db, home, clock)
    voids.void(app, "4711", reason="wrong vendor", whole_entry=True)
    sound(app, 12_845)
    send(app)
    sound(app, 12_845)
    with db.read() as connection:
        named = [one for one in verify_clearing.checks(connection) if one.name == LEFT]
    assert [(one.where, one.found) for one in named] == [("1/1/1/1", "1 sound"), ("1/1/1/2", "1 sound")]
    settle(app, "2026-03-04")
    sound(app, 0)
    world.change(db, "UPDATE bank_check SET state = 'SENT' WHERE check_no = '4712'")
    assert found(app)[SETTLES].endswith("check 126/4712 is SENT, issue 1 in file 1, expected VOID, issue 1 in file 1")
    assert found(app)[LEFT] == "check 126/4712: CLEARING 0.00, void, reversals and returns -5.00"
    world.change(db, "UPDATE bank_check SET state = 'VOID' WHERE check_no = '4712'")
    world.change(db, "UPDATE ach_entry SET amount_cents = amount_cents + 1 WHERE kind = 'REVERSAL'")
    assert found(app)[SETTLES].endswith("takes back 128.46 of checks of 128.45")


def test_a_return_whose_entry_names_no_check_is_its_answers(db: Database, home: Home, clock: FixedClock) -> None:
    """The first that were posted had the bank's code alone for a reason."""
    app, credit = taken_back(db, home, clock)
    check(db, "4712", 500)
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23")))
    sound(app, 0)
    behind(db, "UPDATE journal_entry SET reason = 'R23' WHERE reason = 'R23 CHECK 126/4711'")
    assert world.one(db, "SELECT COUNT(*) FROM journal_entry WHERE reason = 'R23'") == 1
    assert found(app) == {}
    behind(db, "UPDATE journal_entry SET source_line = 99 WHERE reason = 'R23'")
    assert LEFT in found(app)


def test_a_check_of_type_newi_is_void_against_clearing(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    world.change(db, "UPDATE bank_check SET type = 'NEWI'")
    voids.void(app, "4711", reason="lost")
    assert (found(app), clearing_balance(db)) == ({}, 12_345)
    voids.undo(app, "4711", reason="found")
    assert (found(app), clearing_balance(db)) == ({}, 0)
    world.change(db, "UPDATE bank_check SET state = 'VOID'")
    assert found(app) == {}, "as a load takes it back"
    world.change(db, "UPDATE bank_check SET void_entry_id = 1")
    assert found(app) == {LEFT: "check 126/4711: CLEARING 0.00, void, reversals and returns 123.45"}


@pytest.mark.parametrize("update", ["LOAD", "U0415", "U0470", "SUSPENSE", "REVERSE", "U0409"])
def test_clearing_of_other_work_is_its_own(db: Database, home: Home, clock: FixedClock, update: str) -> None:
    """Opening balances, payments without cash, suspense cleared against it: beside what is void."""
    app, _ = taken_back(db, home, clock)
    post(db, 777, update)
    assert (found(app), clearing_balance(db)) == ({}, 12_345 - 777)


def test_a_ledger_without_voids_is_told_so(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    with db.read() as connection:
        assert [(one.name, one.where, one.found) for one in verify_clearing.checks(connection)] == [
            (LEFT, "", "0 sound"), (SETTLES, "", "0 sound"), (CREDIT, "", "1 sound"), (CLEARED, "", "0 sound"),
        ]  # fmt: skip
