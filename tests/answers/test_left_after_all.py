"""A bank file that was rejected or called back here, and that the bank has all the same: people say so, and nothing of it is
paid again; what the bank said of it meanwhile is taken in when it comes once more."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from gateway.answers import lists, pay_again
from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.intake import actions
from gateway.intake.service import Intake
from gateway.ledger import trace_way
from gateway.ledger.database import Database
from gateway.outbound.built import Built
from gateway.parts import doubts
from gateway.release import copies, left, recall, release
from gateway.release.build import build
from gateway.settings import Acknowledgements
from gateway.vendor_ach import voids
from tests.answers import bank
from tests.answers.test_bank_refused import FORM, NAME, bob
from tests.answers.world import answers, check, company, differences, drop, postings, send, state, trace_of
from tests.intake.conftest import with_source
from tests.outbound import world


@pytest.fixture(params=[None, "bank"])
def app(request: pytest.FixtureRequest, db: Database, home: Home, clock: FixedClock) -> App:
    """Two checks in a file that BOB released and called back, with and without an endpoint."""
    form = Acknowledgements.model_validate(FORM.model_dump())
    app = company(db, home, clock, bank={"acknowledgements": form, "endpoint": request.param})
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    approved(app)
    recall.recall(bob(app), 1, reason="thought it had not left")
    assert state(db, "4711") == ("NEW", 1)
    return app


def approved(app: App) -> Built:
    built = build(app, "VACH", "1")
    release.approve(bob(app), built.files[0].outbound_id, sha256=built.files[0].sha256)
    return built


def called_back(db: Database, home: Home, clock: FixedClock) -> tuple[App, int]:
    """A sent check that was voided, and the number of the file that takes it back, which was released and called back."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    number = approved(app).files[0].outbound_id
    recall.recall(bob(app), number, reason="thought it had not left")
    return app, number


def outbound(db: Database) -> list[tuple[object, ...]]:
    return world.all_of(
        db, "SELECT outbound_id, state FROM outbound_file WHERE kind = 'VACH-BANK' ORDER BY outbound_id"
    )


def test_what_the_bank_paid_is_paid_once_and_its_answer_is_taken_in(app: App, db: Database) -> None:
    returned = bank.whole(bank.return_of(trace_of(db, "4711"), 12_345))
    drop(app, returned)
    assert answers(db)[0][2] == "UNMATCHED" and postings(db) == []
    done = copies.taken(app, 1, reason="the bank paid it on 4 March")
    assert done == copies.Taken((), (), had_left=True, answers=[left.Waiting(1, "returns.ach", "inbox/returns.ach")])
    assert outbound(db) in ([(1, "LOCAL")], [(1, "APPROVED")])
    assert [s for (s,) in world.all_of(db, "SELECT state FROM delivery")] == ["DELIVERED"] * (
        outbound(db)[0][1] == "APPROVED"
    )
    assert (state(db, "4711"), state(db, "4712")) == (("SENT", 1), ("SENT", 1))
    assert differences(app) == [] and build(app, "VACH", "1").files == ()
    with pytest.raises(Refused, match=r"found it fetched or answered|it left: take it back"):
        recall.recall(bob(app), 1, reason="once more")
    again = drop(app, returned)
    assert (again.state, again.hold_code) == ("HELD", "DUPLICATE")
    actions.release(app, again.file_id, reason="its file is said to have left")
    with closing(Intake(app, events=False)) as intake:
        intake.process_now()
    assert [a[2] for a in answers(db)] == ["CLEARED", "DONE"]
    assert world.one(db, "SELECT clear_reason FROM ach_answer WHERE file_id = 1") == "done as returns.ach (#2) entry 1"
    assert state(db, "4711") == ("RETURNED", 1) and len(postings(db)) == 2
    assert differences(app) == []


def test_what_is_to_be_given_once_more_goes_to_the_folder_it_came_to(app: App, db: Database) -> None:
    """The inbox may take no answers of a bank."""
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    elsewhere = replace(app, settings=with_source(app.settings, path="inbox/bank"))
    assert copies.taken(elsewhere, 1, reason="paid").answers == [
        left.Waiting(1, "returns.ach", "inbox/bank/returns.ach")
    ]


def test_a_restore_asks_for_that_word_while_the_next_run_would_pay_the_same(app: App, db: Database) -> None:
    """A backup does not hold what was said after it."""

    def asked() -> list[str]:
        with db.write() as connection:
            return doubts(connection, app.now())

    (said,) = asked()
    assert said.startswith(
        f"{NAME} (#1): it was rejected, and what it pays goes again with the next run; where the bank has"
    )
    assert said.endswith("gateway outbound taken 1 --reason WHY")
    copies.taken(app, 1, reason="the bank paid it")
    assert asked() == []


def test_a_restore_asks_nothing_of_a_rejected_file_that_went_another_way(app: App, db: Database) -> None:
    for number in ("4711", "4712"):
        voids.void(app, number, reason="not owed")
    with db.write() as connection:
        assert doubts(connection, app.now()) == []


def test_nobody_said_when_it_came_so_that_its_effective_date_stands(app: App, db: Database) -> None:
    """The five days of a reversal would begin on the day somebody said it, and end after the bank's."""
    later = replace(app, clock=FixedClock(datetime(2026, 3, 16, 15, tzinfo=UTC)))
    copies.taken(later, 1, reason="the bank paid it on 3 March")
    assert release.show(later, 1)["settles"] == {
        "effective": "2026-03-03", "on": "2026-03-03", "at_bank": True, "came_at": None, "error": None
    }  # fmt: skip
    with pytest.raises(Refused, match=r"settled on 2026-03-03, .* expected one by 2026-03-10: ask the vendor"):
        voids.void(later, "4711", reason="wrong vendor")


def test_an_answer_that_waits_for_another_reason_by_now_says_so(app: App, db: Database) -> None:
    returned = bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, account="99887766"))
    drop(app, returned)
    copies.taken(app, 1, reason="the bank paid it on 4 March")
    drop(app, returned + b"\n", "again.ach")
    assert [a[2] for a in answers(db)] == ["UNMATCHED", "REPEATED"]
    assert "which is REJECTED, expected a file that left" in answers(db)[0][3]
    assert answers(db)[0][3].endswith(
        "ask the bank at once, and where it pays it: gateway outbound taken 1 --reason WHY"
    )
    assert answers(db)[1][3].startswith(
        "the same as returns.ach (#1) entry 1: nothing done, for now it is this: R03 no account, or unable to locate it: found "
        "account ****7766, expected ****5678"
    )
    drop(app, returned + b"\n\n", "third.ach")
    assert answers(db)[2][3].startswith("the same as returns.ach (#1) entry 1: nothing done, for now"), "told each time"


def test_who_took_it_back_does_not_say_so(app: App, db: Database) -> None:
    for mine in (bob(app), world.as_person(app, Operator("BO2", "bob", world.ALL_RIGHTS)),
                 world.as_person(app, Operator("BOB", "bo2", world.ALL_RIGHTS))):  # fmt: skip
        with pytest.raises(Refused, match=r"found that BOB \(bob\) took it back, expected a second person"):
            copies.taken(mine, 1, reason="it left")
    with pytest.raises(Refused, match=r"found the account number of vendor V1 \(\*\*\*\*5678\) among the words"):
        copies.taken(app, 1, reason="it went to 12345678")
    with pytest.raises(Refused, match="without the right 'resolve'"):
        copies.taken(replace(app, operator=replace(app.operator, rights=frozenset({"deliver"}))), 1, reason="it left")
    with pytest.raises(UsageError):
        copies.taken(app, 1, reason=" ")
    assert outbound(db) == [(1, "REJECTED")] and state(db, "4711") == ("NEW", 1)


def test_what_went_into_it_must_be_in_no_other_file(app: App, db: Database) -> None:
    other = build(app, "VACH", "1").files[0]
    with pytest.raises(
        Refused, match=rf"{other.name}, which is BUILT, .*: gateway outbound reject {other.outbound_id} --reason WHY$"
    ):
        copies.taken(app, 1, reason="it left")
    release.approve(bob(app), other.outbound_id, sha256=other.sha256)
    with pytest.raises(
        Refused, match=rf"gateway outbound recall {other.outbound_id} --reason WHY, or where that left too, have one"
    ):
        copies.taken(app, 1, reason="it left")
    recall.recall(bob(app), other.outbound_id, reason="the first one left")
    copies.taken(app, 1, reason="it left")
    assert outbound(db)[1:] == [(other.outbound_id, "REJECTED")]
    assert differences(app) == []


def test_a_check_that_is_another_by_now_is_named(app: App, db: Database) -> None:
    voids.void(app, "4712", reason="wrong vendor")
    with pytest.raises(Refused, match=r"found check 4712 VOID since \(issue 1\), expected it as it was left, NEW"):
        copies.taken(app, 1, reason="it left")
    assert state(db, "4711") == ("NEW", 1), "nothing of it is done"
    voids.undo(app, "4712", reason="not yet")
    copies.taken(app, 1, reason="it left")
    assert state(db, "4712") == ("SENT", 1) and differences(app) == []


def test_the_banks_word_that_it_has_it_waits_no_more(app: App, db: Database) -> None:
    drop(app, b"TAKEN\n", f"{NAME}.ack")
    assert answers(db)[0][2] == "UNMATCHED"
    copies.taken(app, 1, reason="it left")
    assert answers(db)[0][2] == "CLEARED"
    later = build_of_another(app, db)
    release.approve(bob(app), later.files[0].outbound_id, sha256=later.files[0].sha256)
    assert differences(app) == []


def test_a_reversal_and_a_prenote_are_its_own_again(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, vendor_ach=world.VENDOR_ACH | {"prenotes": True})
    check(db, "4711", 12_345)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    check(db, "4712", 500, vendor="V2")
    number = approved(app).files[0].outbound_id
    claimed = world.all_of(db, "SELECT source, outbound_id FROM outbound_claim ORDER BY source")
    assert {source.split(":")[0] for source, file in claimed if file == number} == {"reversal", "prenote"}
    recall.recall(bob(app), number, reason="thought it had not left")
    copies.taken(app, number, reason="it left")
    assert world.all_of(db, "SELECT source, outbound_id FROM outbound_claim ORDER BY source") == claimed
    assert (state(db, "4711"), state(db, "4712")) == (("VOID", 1), ("NEW", 1))
    assert differences(app) == [] and build(app, "VACH", "1").files == ()


def test_the_way_of_its_check_tells_who_did_what(app: App, db: Database) -> None:
    """Who said that it left did not release it: that was another one, who took it back."""
    copies.taken(app, 1, reason="the bank paid it")
    with db.read() as connection:
        checks = [
            dict(row) for row in connection.execute(text("SELECT * FROM bank_check WHERE check_no = '4711'")).mappings()
        ]
        steps = trace_way.ways(connection, checks)
    told = {(s.step, s.by, s.reason) for s in steps if s.step in ("RELEASED", "REJECTED", "TAKEN", "LEFT")}
    assert told == {
        ("RELEASED", "BOB", None), ("REJECTED", "BOB", "called back: thought it had not left"),
        ("LEFT", "ANN", "the bank paid it"),
    }  # fmt: skip


def test_a_prenote_that_went_again_meanwhile_hinders_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    """Its checks would stay unpaid here, though the bank paid them."""
    app = company(db, home, clock, vendor_ach=world.VENDOR_ACH | {"prenotes": True})
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    number = approved(app).files[0].outbound_id
    recall.recall(bob(app), number, reason="thought it had not left")
    voids.void(app, "4711", reason="not due")
    other = approved(app).files[0].outbound_id
    world.at_bank(app)
    voids.undo(app, "4711", reason="due after all")
    before = world.all_of(db, "SELECT source, outbound_id FROM outbound_claim ORDER BY source")
    assert before == [("prenote:1:V2:1", other)]
    copies.taken(app, number, reason="it left")
    assert world.all_of(db, "SELECT source, outbound_id FROM outbound_claim ORDER BY source") == [
        ("check:1:126:4711", number), *before
    ]  # fmt: skip
    assert state(db, "4711") == ("SENT", 1) and differences(app) == []


def test_a_reversal_whose_void_was_taken_back_needs_that_void_again(
    db: Database, home: Home, clock: FixedClock
) -> None:
    """The vendor's money would come without a void that it settles against."""
    app, number = called_back(db, home, clock)
    voids.undo(app, "4711", reason="right after all")
    with pytest.raises(
        Refused,
        match=r"found check 4711, which it takes back, SENT since, .*\(gateway vendor void 4711 --reason WHY\); where",
    ):
        copies.taken(app, number, reason="it left")
    voids.void(app, "4711", reason="its reversal left")
    copies.taken(app, number, reason="it left")
    assert state(db, "4711") == ("VOID", 1) and differences(app) == []
    with pytest.raises(Refused, match="found its reversal in"):
        voids.undo(app, "4711", reason="once more")


def test_a_reversal_whose_check_is_void_without_the_credit_it_takes_back_is_refused(
    db: Database, home: Home, clock: FixedClock
) -> None:
    app, number = called_back(db, home, clock)
    with db.write() as c:
        c.execute(text("UPDATE bank_check SET outbound_id = NULL"))
    with pytest.raises(
        Refused, match="found check 4711, which it takes back, VOID since without that credit, expected"
    ):
        copies.taken(app, number, reason="it left")


def test_a_reversal_of_a_check_that_was_paid_again_is_none_of_ours(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    credit = trace_of(db, "4711")
    voids.void(app, "4711", reason="wrong vendor")
    number = approved(app).files[0].outbound_id
    recall.recall(bob(app), number, reason="thought it had not left")
    voids.undo(app, "4711", reason="right after all")
    drop(app, bank.whole(bank.return_of(credit, 12_345)))
    for state_by_now, found in ((("RETURNED", 1), "RETURNED since"), (("NEW", 2), "paid again since")):
        assert state(db, "4711") == state_by_now
        with pytest.raises(Refused, match=f"found check 4711, which it takes back, {found}"):
            copies.taken(app, number, reason="it left")
        if state_by_now[1] == 1:
            pay_again.pay_again(app, "4711", reason="once more")


def build_of_another(app: App, db: Database) -> Built:
    check(db, "4713", 700)
    return build(app, "VACH", "1")


def test_only_a_bank_file_is_said_to_have_left(app: App, db: Database) -> None:
    (scratch,) = world.all_of(db, "SELECT outbound_id FROM outbound_file WHERE kind = 'VACH-SCRATCH'")
    with pytest.raises(Refused, match="found it REJECTED, expected LOCAL"):
        copies.taken(app, int(scratch[0]), reason="it left")


def test_what_a_person_cleared_stays_so_when_it_comes_once_more(app: App, db: Database) -> None:
    """It was seen to by hand."""
    returned = bank.whole(bank.return_of(trace_of(db, "4711"), 12_345))
    drop(app, returned)
    lists.clear(app, (1, 1), reason="booked by hand")
    assert copies.taken(app, 1, reason="it left").answers == []
    drop(
        app,
        bank.whole(
            bank.return_of(trace_of(db, "4711"), 12_345), bank.return_of(trace_of(db, "4712"), 500, account="7771")
        ),
        "b.ach",
    )
    assert [a[2] for a in answers(db)] == ["CLEARED", "REPEATED", "DONE"]
    assert state(db, "4711") == ("SENT", 1)
