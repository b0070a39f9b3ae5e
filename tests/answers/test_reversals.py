"""Returns of reversals, prenotes and entries of several checks: with what Vendor ACH really built."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.answers import lists, pay_again
from gateway.app import App
from gateway.cli import trace as trace_cli
from gateway.clock import FixedClock
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger import ach_returns
from gateway.ledger.database import Database
from gateway.ledger.trace import trace as follow
from gateway.outbound.built import place
from gateway.release import release
from gateway.release.build import build
from gateway.vendor_ach import settlement, voids
from tests.answers import bank
from tests.answers.world import answers, check, company, differences, drop, postings, send, state, taken_back, trace_of
from tests.outbound import world
from tests.outbound.ach import withheld


def reversal(db: Database) -> tuple[str, str]:
    """(trace, amount and code) of the reversal."""
    ((trace, code),) = world.all_of(db, "SELECT trace_number, transaction_code FROM ach_entry WHERE kind = 'REVERSAL'")
    return str(trace), str(code)


def test_a_payment_whose_reversal_came_back_vouches_for_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    """Its check counts as sent again, because the wrong account kept the money."""
    app, _ = taken_back(db, home, clock)
    drop(app, bank.whole(bank.return_of(reversal(db)[0], 12_345, reason="R01", code="26")))
    assert state(db, "4711") == ("SENT", 1)
    check(db, "4712", 500)
    screened = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "fraud": {}}, bank=world.bank())
    (file,) = (file for file in build(screened, "VACH", "1").files if file.kind == "VACH-BANK")
    assert [f["rule"] for f in release.show(screened, file.outbound_id)["findings"]] == ["first-payment"]


def test_a_reversal_that_comes_back_closes_the_payable_again(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = taken_back(db, home, clock)
    trace, code = reversal(db)
    assert code == "27"
    drop(app, bank.whole(bank.return_of(trace, 12_345, reason="R01", code="26")))
    assert answers(db)[0][2:] == (
        "DONE", "R01 insufficient funds: our reversal came back; check 4711 SENT again, paid after all"
    )  # fmt: skip
    assert postings(db) == [(1, "ACCOUNTS PAYABLE", "D", 12_345), (1, "CASH 126", "C", 12_345)]
    assert state(db, "4711") == ("SENT", 1)
    assert world.one(db, "SELECT dealer_alert FROM vendor WHERE vendor = 'V1'") is None
    assert differences(app) == []


def test_a_whole_file_leaves_out_whose_reversal_came_back(db: Database, home: Home, clock: FixedClock) -> None:
    """Its void would have no debit: the vendor would keep the money of a payable that is open."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500)
    [file] = send(app)
    voids.void(app, "4711", reason="wrong vendor")
    send(app)
    drop(app, bank.whole(bank.return_of(reversal(db)[0], 12_345, reason="R01", code="26")))
    built = build(app, "VACH-REVERSAL", "1", of=file, reason="wrong month")
    assert [made.total_debit_cents for made in built.files if made.kind == "VACH-BANK"] == [500]
    assert (built.withheld, len(built.messages)) == (1, 1)
    assert built.messages[0].startswith("check 4711 left out: Found its reversal in P01-VACH-BANK-")
    assert "returned by the bank (R01), expected none before: void it alone to try again" in built.messages[0]
    (row,) = next(one.report for one in built.reports if one.report.spec.name == "U0424C").rows
    assert (row[4], row[10], row[12:15]) == ("L1", "4711", ("DEBIT", 12_345, "REVERSAL"))
    assert (state(db, "4711"), state(db, "4712")) == (("SENT", 1), ("VOID", 1))
    assert differences(app) == []
    with pytest.raises(Refused, match="found nothing in"):
        build(app, "VACH-REVERSAL", "1", of=file, reason="again")
    assert state(db, "4711") == ("SENT", 1)


def test_where_credit_and_reversal_both_come_back_clearing_is_closed(
    db: Database, home: Home, clock: FixedClock
) -> None:
    app, credit = taken_back(db, home, clock)
    trace, _ = reversal(db)
    drop(
        app,
        bank.whole(
            bank.return_of(credit, 12_345, reason="R23"),
            bank.return_of(trace, 12_345, reason="R01", code="26", trace="091000010000002"),
        ),
    )
    assert postings(db) == [
        (1, "CASH 126", "D", 12_345), (1, "CLEARING", "C", 12_345),
        (1, "CLEARING", "D", 12_345), (1, "CASH 126", "C", 12_345),
    ]  # fmt: skip
    assert state(db, "4711") == ("VOID", 1)
    assert differences(app) == []


def test_a_reversal_and_then_its_credit_in_one_file_behind_another_return(
    db: Database, home: Home, clock: FixedClock
) -> None:
    """What comes last in the file is how a check stands, whatever another one became before it."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500)
    send(app)
    credits = [trace_of(db, number) for number in ("4711", "4712")]
    voids.void(app, "4711", reason="wrong vendor")
    send(app)
    drop(
        app,
        bank.whole(
            bank.return_of(credits[1], 500, reason="R09"),
            bank.return_of(reversal(db)[0], 12_345, reason="R01", code="26", trace="091000010000002"),
            bank.return_of(credits[0], 12_345, reason="R23", trace="091000010000003"),
        ),
    )
    assert [outcome for *_, outcome in answers(db)] == [
        "R09 funds uncollected: check 4712 RETURNED",
        "R01 insufficient funds: our reversal came back; check 4711 SENT again, paid after all",
        "R23 credit refused by the receiver: check 4711 RETURNED",
    ]
    assert postings(db) == [
        (1, "CASH 126", "D", 500), (1, "ACCOUNTS PAYABLE", "C", 500),
        (1, "ACCOUNTS PAYABLE", "D", 12_345), (1, "CASH 126", "C", 12_345),
        (1, "CASH 126", "D", 12_345), (1, "ACCOUNTS PAYABLE", "C", 12_345),
    ]  # fmt: skip
    assert (state(db, "4711"), state(db, "4712")) == (("RETURNED", 1), ("RETURNED", 1))
    assert differences(app) == []


def settle(app: App, business_date: str) -> int:
    """What End of Period of that day posts of reversals, in cents."""
    world.change(app.db, "UPDATE portfolio SET business_date = :d", d=business_date)
    with app.db.write() as connection:
        return settlement.settle(app, connection, place(app, connection, "1"))[1]


def clearing_balance(db: Database) -> int:
    """What CLEARING holds: debits less credits."""
    statement = (
        "SELECT CAST(SUM(t.debit_cents - t.credit_cents) AS BIGINT) FROM unit_total t "
        "JOIN gl_account a ON a.account_id = t.account_id WHERE a.purpose = 'CLEARING'"
    )
    return int(world.one(db, statement) or 0)


def test_a_reversal_settles_whatever_became_of_its_check_since(db: Database, home: Home, clock: FixedClock) -> None:
    """Reversal and credit both came back before End of Period, the check was paid again, voided, and that undone."""
    app, credit = taken_back(db, home, clock)
    drop(app, bank.whole(bank.return_of(reversal(db)[0], 12_345, reason="R01", code="26")), name="one.ach")
    drop(app, bank.whole(bank.return_of(credit, 12_345, reason="R23", trace="091000010000002")), name="two.ach")
    assert state(db, "4711") == ("RETURNED", 1)
    assert differences(app) == []
    pay_again.pay_again(app, "4711", reason="new account")
    assert differences(app) == []
    voids.void(app, "4711", reason="not owed")
    assert differences(app) == []
    voids.undo(app, "4711", reason="owed after all")
    assert differences(app) == []
    assert (clearing_balance(db), settle(app, "2026-03-04"), clearing_balance(db)) == (12_345, 12_345, 0)
    assert [d for d in differences(app) if not d.startswith("business dates")] == []


def test_a_reversal_returned_for_want_of_funds_is_tried_again(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = taken_back(db, home, clock)
    drop(app, bank.whole(bank.return_of(reversal(db)[0], 12_345, reason="R01", code="26")))
    assert state(db, "4711") == ("SENT", 1)
    voids.void(app, "4711", reason="funds are there now")
    send(app)
    with pytest.raises(Refused, match=r"found its reversal in P01-VACH-BANK-.*, expected it in no file"):
        voids.undo(app, "4711", reason="the second one leaves")
    rows = world.all_of(db, "SELECT source FROM outbound_claim WHERE source LIKE 'reversal%' ORDER BY source")
    assert rows == [("reversal:1:126:4711",), ("reversal:1:126:4711#1/2",)]
    assert differences(app) == []
    assert settle(app, "2026-03-04") == 24_690, "both were debited, one came back"
    assert (clearing_balance(db), state(db, "4711")) == (0, ("VOID", 1))
    assert [d for d in differences(app) if not d.startswith("business dates")] == []


def test_a_reversal_returned_for_another_reason_is_not(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = taken_back(db, home, clock)
    drop(app, bank.whole(bank.return_of(reversal(db)[0], 12_345, reason="R17", code="26")))
    with pytest.raises(Refused, match=r"returned by the bank \(R17 .*\), expected none, or .*R01, R09.*ask the vendor"):
        voids.void(app, "4711", reason="again")
    assert state(db, "4711") == ("SENT", 1)


def test_a_return_that_waits_stands_before_a_void(db: Database, home: Home, clock: FixedClock) -> None:
    """Its money may be back: of another amount, the return waits for a person."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500)
    send(app)
    voids.void(app, "4712", reason="wrong vendor")
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_300), bank.return_of(trace_of(db, "4712"), 400)))
    with pytest.raises(Refused, match=r"found answer 1/1 of the bank about its entry, .*gateway answers show 1/1"):
        voids.void(app, "4711", reason="wrong vendor")
    built = build(app, "VACH", "1")
    assert (built.files, built.withheld) == ((), 1), "nor is a reversal built"
    lists.clear(app, (1, 1), reason="the bank meant another one")
    lists.clear(app, (1, 2), reason="the bank meant another one")
    voids.void(app, "4711", reason="wrong vendor")
    assert len(build(app, "VACH", "1").files) == 2


def test_what_came_back_is_not_reversed_and_not_void(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R23")))
    send(app)
    assert world.one(db, "SELECT COUNT(*) FROM ach_entry WHERE kind = 'REVERSAL'") == 0
    assert differences(app) == []


def test_the_void_of_what_came_back_stands(db: Database, home: Home, clock: FixedClock) -> None:
    """Taken back, the check would be SENT while its money is here: nobody would pay the vendor."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R23")))
    before = world.all_of(db, "SELECT COUNT(*) FROM journal_line")
    with pytest.raises(Refused, match=r"returned by the bank, .*: leave the void as it is and pay the vendor by a new"):
        voids.undo(app, "4711", reason="right after all")
    assert (state(db, "4711"), world.all_of(db, "SELECT COUNT(*) FROM journal_line")) == (("VOID", 1), before)
    assert differences(app) == []


def test_a_prenote_that_comes_back_blocks_the_vendor(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, vendor_ach=world.VENDOR_ACH | {"prenotes": True, "prenote_ccd": True})
    check(db, "4711", 12_345)
    send(app)
    ((trace,),) = world.all_of(db, "SELECT trace_number FROM ach_entry WHERE kind = 'PRENOTE'")
    file = drop(app, bank.whole(bank.return_of(str(trace), 0, reason="R03")))
    assert (file.rejects, postings(db)) == (0, [])
    assert answers(db)[0][2:] == (
        "DONE",
        "R03 no account, or unable to locate it: the prenote of vendor V1 came back; nothing is paid to these bank details "
        "until they are changed",
    )
    assert state(db, "4711") == ("NEW", 1)
    assert differences(app) == []


@pytest.mark.parametrize("is_built", [False, True], ids=["before the run", "before the release"])
def test_a_return_that_a_person_said_is_of_another_blocks_no_vendor(
    db: Database, home: Home, clock: FixedClock, is_built: bool
) -> None:
    """Its transaction code is that of a debit: nothing came back of our prenote."""
    app = company(db, home, clock, vendor_ach=world.VENDOR_ACH | {"prenotes": True, "prenote_ccd": True})
    check(db, "4711", 12_345)
    send(app)
    ((trace,),) = world.all_of(db, "SELECT trace_number FROM ach_entry WHERE kind = 'PRENOTE'")
    plain = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, bank=world.bank())
    built = build(plain, "VACH", "1").files if is_built else ()
    file = drop(app, bank.whole(bank.return_of(str(trace), 0, reason="R03", code="26")))
    [(_, _, waits, outcome)] = answers(db)
    assert (waits, str(outcome)[:70]) == (
        "UNMATCHED",
        "R03 no account, or unable to locate it: found transaction code 26, exp",
    )
    for one in built:
        if one.kind == "VACH-BANK":
            with pytest.raises(Refused, match="vendor V1 with a prenote about which an answer of the bank waits"):
                release.approve(world.as_person(plain, world.BOB), one.outbound_id, sha256=one.sha256)
    if not built:
        (told,) = withheld(plain, build(plain, "VACH", "1"))
        assert "an answer of the bank about the prenote of" in told
        assert f"see gateway answers show {file.file_id}/1, and clear it" in told
    lists.clear(app, (file.file_id, 1), reason="the bank: another company's debit")
    for one in built or build(plain, "VACH", "1").files:
        if one.kind == "VACH-BANK":
            release.approve(world.as_person(plain, world.BOB), one.outbound_id, sha256=one.sha256)
    assert state(db, "4711") == ("SENT", 1)
    assert differences(app) == []


def several(db: Database, home: Home, clock: FixedClock) -> tuple[Any, str]:
    """Two checks of a CTX vendor in two offices by one entry; gives its trace."""
    app = company(db, home, clock)
    world.vendor(db, "V3", sec="CTX", account="5550001")
    check(db, "4711", 12_345, vendor="V3")
    check(db, "4712", 500, vendor="V3", office_id=2)
    send(app)
    ((trace, check_no),) = world.all_of(db, "SELECT trace_number, check_no FROM ach_entry")
    assert check_no is None
    return app, str(trace)


def test_the_way_of_one_check_of_a_ctx_entry_says_what_of_it_is_its_own(
    db: Database, home: Home, clock: FixedClock
) -> None:
    several(db, home, clock)
    with db.read() as connection:
        stories = follow(connection, "4712", limit=10)
    page = "\n".join(trace_cli.page("4712", stories, lambda at: at or ""))
    assert "payment of 128.45 (5.00 for this check) for 2026-03-0" in page


def test_the_return_of_a_ctx_entry_reopens_every_check_of_it(db: Database, home: Home, clock: FixedClock) -> None:
    app, trace = several(db, home, clock)
    drop(app, bank.whole(bank.return_of(trace, 12_845, reason="R03", account="5550001"), sec="CTX"))
    assert answers(db)[0][2:] == (
        "DONE", "R03 no account, or unable to locate it: checks 4711, 4712 RETURNED; vendor V3 on alert"
    )  # fmt: skip
    assert postings(db) == [
        (1, "CASH 126", "D", 12_345), (1, "ACCOUNTS PAYABLE", "C", 12_345),
        (2, "CASH 126", "D", 500), (2, "ACCOUNTS PAYABLE", "C", 500),
    ]  # fmt: skip
    assert (state(db, "4711"), state(db, "4712")) == (("RETURNED", 1), ("RETURNED", 1))
    assert differences(app) == []


def test_a_ctx_entry_one_of_whose_checks_is_elsewhere_waits(db: Database, home: Home, clock: FixedClock) -> None:
    app, trace = several(db, home, clock)
    world.change(db, "UPDATE bank_check SET state = 'NEW' WHERE check_no = '4712'")
    drop(app, bank.whole(bank.return_of(trace, 12_845, reason="R03", account="5550001"), sec="CTX"))
    assert "found check 4711 SENT, check 4712 NEW, expected SENT or VOID" in answers(db)[0][3]
    assert postings(db) == []


def test_an_offset_that_comes_back_waits(db: Database, home: Home, clock: FixedClock, monkeypatch: Any) -> None:
    monkeypatch.setenv("OFFSET", "987654321")
    app = company(db, home, clock, bank={"balanced": True, "offset_account": "env:OFFSET"})
    check(db, "4711", 12_345)
    send(app)
    ((trace,),) = world.all_of(db, "SELECT trace_number FROM ach_entry WHERE kind = 'OFFSET'")
    drop(app, bank.whole(bank.return_of(str(trace), 12_345, reason="R01", code="26", account="987654321")))
    assert answers(db)[0][2] == "UNMATCHED"
    assert "found the return of our own offset entry" in answers(db)[0][3]
    assert postings(db) == []


def test_a_reversal_is_moot_by_its_own_credit_alone(db: Database, home: Home, clock: FixedClock) -> None:
    """One file takes back the other credit of a file of which one came back, and a credit that came back later."""
    app = company(db, home, clock)
    for number, vendor in (("4711", "V1"), ("4712", "V2"), ("4713", "V2")):
        check(db, number, 12_345, vendor=vendor)
    send(app)
    first, second, third = (trace_of(db, number) for number in ("4711", "4712", "4713"))
    drop(app, bank.whole(bank.return_of(first, 12_345)))
    for number in ("4712", "4713"):
        voids.void(app, number, reason="wrong vendor")
    (file, *_) = build(app, "VACH", "1").files
    with db.read() as connection:
        assert ach_returns.moot_reversals(connection, [1, file.outbound_id]) == {}
    drop(app, bank.whole(bank.return_of(third, 12_345, account="7771")), "second.ach")
    drop(app, bank.whole(bank.return_of(second, 12_345, account="7771")), "third.ach")
    with db.read() as connection:
        moot = {file.outbound_id: f"{min(second, third)}, which the bank returned"}
        assert ach_returns.moot_reversals(connection, [1, file.outbound_id]) == moot
