"""Returns: matched to what went out, posted, the payable open again, and never twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.answers import lists
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.intake.states import FileState
from gateway.ledger.database import Database
from gateway.vendor_ach import voids
from parsers import nacha_answers
from tests.answers import bank
from tests.answers.world import answers, check, company, differences, drop, postings, send, state, trace_of
from tests.outbound import world

REOPENED = [(1, "CASH 126", "D", 12_345), (1, "ACCOUNTS PAYABLE", "C", 12_345)]


@pytest.mark.parametrize("shape", bank.SHAPES)
def test_a_return_in_every_shape_reopens_the_payable(db: Database, home: Home, clock: FixedClock, shape: str) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    send(app)
    lines = bank.records(bank.return_of(trace_of(db, "4711"), 12_345))
    file = drop(app, bank.SHAPES[shape](lines).encode())
    lost = int(shape == "wrong counts")
    assert (file.kind, file.state, file.records, file.rejects) == ("bank-answers", "POSTED", 1, lost)
    assert (file.amount_cents, file.posted_cents, file.rejected_cents) == (12_345, 12_345, 0)
    assert postings(db) == REOPENED
    assert state(db, "4711") == ("RETURNED", 1)
    assert state(db, "4712") == ("SENT", 1)
    assert answers(db)[:1] == [
        ("RETURN", "R03", "DONE", "R03 no account, or unable to locate it: check 4711 RETURNED; vendor V1 on alert")
    ]
    assert [(kind, state_) for kind, _, state_, _ in answers(db)[1:]] == [("OTHER", "UNMATCHED")] * lost
    assert world.all_of(db, "SELECT vendor, dealer_alert FROM vendor ORDER BY vendor") == [("V1", "Y"), ("V2", None)]
    deviations = world.one(db, "SELECT COUNT(*) FROM line_message WHERE severity = 'W'")
    assert (deviations == 0) == (shape in ("as the rules have it", "carriage returns", "unbroken")), shape
    assert differences(app) == []


def test_deviations_beyond_what_is_kept_are_told(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nacha_answers, "MOST_DEVIATIONS", 2)
    app = company(db, home, clock)
    drop(app, bank.whole(bank.return_of("0" * 15, 5)) + b"junk\n" * 5)
    said = world.all_of(db, "SELECT line_no, action FROM line_message WHERE severity = 'W' ORDER BY seq")
    assert len(said) == 2 and "not listed" not in said[0][1]
    assert said[1][1].endswith("; 9 more deviations are not listed: look at the whole file with gateway check PATH")


LOST: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "an entry": (lambda x: x[:4] + x[6:], "found 4, expected 2, computed from the batch"),
    "a batch's end and all behind it": (lambda x: x[:4], "found the end of the file"),
    "the file control": (lambda x: [r for r in x if r[0] != "9"], "found the end of the file"),
    "a record that is none": (lambda x: [*x[:4], "#" + x[4][1:], "#" + x[5][1:], *x[6:]], "found record type '#'"),
    "a digit of an amount": (lambda x: [*x[:4], x[4].replace("0000000500", "0000000600"), *x[5:]], "expected 129.45"),
    "a batch, by the file control": (
        lambda x: [*x[:7], x[7][:1] + "000002" + x[7][7:], *x[8:]],
        "batch_count: found 2",
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_a_file_that_lost_something_is_taken_and_waits_for_a_person(
    db: Database, home: Home, clock: FixedClock, case: str
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    send(app)
    one = bank.return_of(trace_of(db, "4711"), 12_345)
    other = bank.return_of(trace_of(db, "4712"), 500, trace="091000010000002", account="7771")
    lose, words = LOST[case]
    file = drop(app, "".join(line + "\n" for line in lose(bank.records(one, other))).encode())
    assert (file.state, state(db, "4711")) == ("POSTED", ("RETURNED", 1))
    assert file.rejects
    kind, _, state_, outcome = answers(db)[-1]
    assert (kind, state_) == ("OTHER", "UNMATCHED")
    assert "the file does not hold what it says" in outcome and words in outcome
    assert differences(app) == []
    drop(app, bank.whole(one, other), "whole.ach")
    assert answers(db)[-2][2] == "REPEATED"
    assert state(db, "4712") == ("RETURNED", 1)
    assert differences(app) == []


def test_a_return_leads_back_to_its_line_and_settlement(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    file = drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R02")))
    assert world.all_of(
        db,
        "SELECT u.file_id, u.kind, u.update_name, u.business_date, e.source_line, e.reason, e.effective_date, e.lease "
        "FROM journal_entry e JOIN posting_unit u ON u.unit_id = e.entry_id / 100000000 WHERE e.txn = 'ACHR'",
    ) == [(file.file_id, "FILE", "ANSWERS", "2026-03-02", 3, "R02 CHECK 126/4711", "2026-03-05", "L1")]


@pytest.mark.parametrize(
    ("reason", "alert"),
    [(r, "Y") for r in ("R02", "R03", "R04", "R12", "R13", "R16", "R20")]
    + [(r, None) for r in ("R01", "R06", "R17", "R23", "R24")],
)
def test_reasons_that_put_the_vendor_on_alert(
    db: Database, home: Home, clock: FixedClock, reason: str, alert: str | None
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason=reason)))
    assert world.one(db, "SELECT dealer_alert FROM vendor WHERE vendor = 'V1'") == alert
    events = world.all_of(db, "SELECT operator, subject, reason FROM operator_event WHERE action = 'vendor.alert-on'")
    assert [(who, subject) for who, subject, _ in events] == ([("ANN", "vendor V1")] if alert == "Y" else [])
    assert all(words.startswith(f"returned {reason} ") for _, _, words in events)


def test_the_same_bytes_are_held(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    data = bank.whole(bank.return_of(trace_of(db, "4711"), 12_345))
    drop(app, data)
    again = drop(app, data, "again.ach")
    assert (again.state, again.hold_code) == (FileState.HELD, "DUPLICATE")
    assert postings(db) == REOPENED


def test_the_same_answer_in_other_bytes_does_nothing(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    one = bank.return_of(trace_of(db, "4711"), 12_345)
    drop(app, bank.whole(one, one))
    later = drop(app, bank.whole(one, end="\r\n"), "again.ach")
    assert (later.state, later.records, later.rejects) == ("POSTED", 1, 0)
    assert (later.amount_cents, later.posted_cents, later.rejected_cents) == (12_345, 0, 12_345), (
        "its money came before"
    )
    assert [(state, outcome) for _, _, state, outcome in answers(db)[1:]] == [
        ("REPEATED", "the same as returns.ach (#1) entry 1: nothing done"),
        ("REPEATED", "the same as returns.ach (#1) entry 1: nothing done"),
    ]
    assert postings(db) == REOPENED
    assert differences(app) == []


REFUSED = {
    "another trace number": (
        lambda t: bank.return_of("091000019999999", 12_345),
        "found original trace number 091000019999999",
    ),
    "another amount": (lambda t: bank.return_of(t, 12_344), "found 123.44 for trace number"),
    "the other direction": (
        lambda t: bank.return_of(t, 12_345, code="26"),
        "found transaction code 26, expected that of a returned credit",
    ),
    "no answer": (lambda t: [bank.entry("22", 12_345, trace=t)], "found an entry without a return or change"),
    "dishonored": (lambda t: bank.dishonored(t, 12_345), "R68 return too late: found a dishonored return"),
    "contested": (lambda t: bank.contested(t, 12_345), "R73 original return was in time: found a contested return"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_waits_for_a_person(db: Database, home: Home, clock: FixedClock, case: str) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    made, words = REFUSED[case]
    file = drop(app, bank.whole(made(trace_of(db, "4711"))))
    ((_, _, state_, outcome),) = answers(db)
    assert state_ == "UNMATCHED"
    assert words in outcome
    assert (file.state, file.records, file.rejects) == ("POSTED", 0, 1)
    assert postings(db) == []
    assert state(db, "4711") == ("SENT", 1)
    assert differences(app) == []


def test_a_corrected_return_posts_although_the_wrong_one_waits(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    trace = trace_of(db, "4711")
    wrong, right = bank.return_of(trace, 12_354), bank.return_of(trace, 12_345)
    drop(app, bank.whole(wrong, wrong))
    drop(app, bank.whole(wrong, right, right), "corrected.ach")
    assert [state_ for _, _, state_, _ in answers(db)] == ["UNMATCHED", "REPEATED", "REPEATED", "DONE", "REPEATED"]
    drop(app, bank.whole(wrong, end="\r\n"), "again.ach")
    assert answers(db)[-1][2:] == ("REPEATED", "the same as corrected.ach (#2) entry 2: nothing done")
    assert postings(db) == REOPENED
    assert differences(app) == []


@pytest.mark.parametrize("cleared", [False, True])
def test_a_return_corrected_in_something_else_than_its_amount_posts(
    db: Database, home: Home, clock: FixedClock, cleared: bool
) -> None:
    """Nothing that waits, or that a person cleared, stands in the way of one that says otherwise."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    trace = trace_of(db, "4711")
    wrong, right = bank.return_of(trace, 12_345, code="26"), bank.return_of(trace, 12_345)
    drop(app, bank.whole(wrong))
    assert "found transaction code 26" in answers(db)[0][3]
    if cleared:
        lists.clear(app, (1, 1), reason="the bank sends a corrected one")
    drop(app, bank.whole(wrong, end="\r\n"), "again.ach")
    assert answers(db)[-1][2:] == ("REPEATED", "the same as returns.ach (#1) entry 1: nothing done")
    drop(app, bank.whole(right), "corrected.ach")
    assert [state_ for _, _, state_, _ in answers(db)] == ["CLEARED" if cleared else "UNMATCHED", "REPEATED", "DONE"]
    drop(app, bank.whole(wrong, right, end="\r\n"), "both.ach")
    assert [state_ for _, _, state_, _ in answers(db)[3:]] == ["REPEATED", "REPEATED"]
    assert (postings(db), state(db, "4711")) == (REOPENED, ("RETURNED", 1))
    assert differences(app) == []


def test_a_second_return_of_an_entry_waits(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    trace = trace_of(db, "4711")
    drop(app, bank.whole(bank.return_of(trace, 12_345)))
    drop(app, bank.whole(bank.return_of(trace, 12_345, reason="R02", trace="091000010000009")), "second.ach")
    _, (_, _, state_, outcome) = answers(db)
    assert (state_, "returned before by returns.ach (#1) entry 1" in outcome) == ("UNMATCHED", True)
    assert postings(db) == REOPENED


def test_a_file_that_was_rejected_never_left(db: Database, home: Home, clock: FixedClock) -> None:
    from gateway.release import release
    from gateway.release.build import build

    app = company(db, home, clock)
    check(db, "4711", 12_345)
    built = build(app, "VACH", "1")
    trace = trace_of(db, "4711")
    release.reject(app, built.files[0].outbound_id, reason="wrong day")
    drop(app, bank.whole(bank.return_of(trace, 12_345)))
    said = answers(db)[0][3]
    assert "which is REJECTED, expected a file that left: it reached the bank all the same" in said
    assert f"look at gateway trace {trace}" in said
    assert postings(db) == []


@pytest.mark.parametrize(("effective", "state"), [("2025-01-26", "DONE"), ("2025-01-25", "UNMATCHED")])
def test_a_number_of_more_than_400_days_ago_is_another_entry(
    db: Database, home: Home, clock: FixedClock, effective: str, state: str
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    world.change(db, f"UPDATE ach_entry SET effective_date = '{effective}'")
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    assert answers(db)[0][2] == state
    assert (f"last used in P01-VACH-BANK-260303.DAT for {effective}" in answers(db)[0][3]) is (state == "UNMATCHED")


@pytest.mark.parametrize(("change", "found"), [(1, "123.46"), (-1, "123.44")])
def test_a_check_of_another_amount_than_was_sent_waits(
    db: Database, home: Home, clock: FixedClock, change: int, found: str
) -> None:
    """Nobody changes one that was sent: its row is damaged."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    world.change(db, f"UPDATE bank_check SET amount_cents = amount_cents + {change}")
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    assert answers(db)[0][2] == "UNMATCHED" and postings(db) == []
    assert f"found checks of {found}, expected 123.45 as they were sent" in answers(db)[0][3]


def test_the_return_of_a_void_check_is_cash_against_clearing(db: Database, home: Home, clock: FixedClock) -> None:
    """Its payable is open since the void."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    voids.void(app, "4711", reason="wrong vendor")
    drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R23")))
    assert postings(db) == [(1, "CASH 126", "D", 12_345), (1, "CLEARING", "C", 12_345)]
    assert state(db, "4711") == ("VOID", 1)
    assert differences(app) == []


def test_a_closed_business_date_lets_the_file_wait(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    world.change(db, "UPDATE portfolio SET period_state = 'CLOSED'")
    file = drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    assert (file.state, file.hold_code) == ("WAITING", "PERIOD_CLOSED")
    assert answers(db) == []


@pytest.mark.parametrize("data", [b"what is this\n", b"9" * 940, "101 rück\n".encode()])
def test_a_file_without_an_entry_is_quarantined(db: Database, home: Home, clock: FixedClock, data: bytes) -> None:
    app = company(db, home, clock)
    file = drop(app, data)
    assert (file.state, file.hold_code) == ("QUARANTINED", "UNREADABLE")
    assert "Found no entry in returns.ach" in str(file.hold_text)


def test_the_reports_say_what_came_and_what_waits(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    trace = trace_of(db, "4711")
    data = bank.whole(bank.return_of(trace, 12_345), bank.return_of("091000019999999", 5, trace="091000010000002"))
    file = drop(app, data.replace(b"\n9999", b"\n\n9999"))
    folder = file.reports(app.home)
    assert sorted(p.name for p in folder.iterdir()) == [
        f"lpanswers{letter}.{form}" for letter in "ab" for form in ("csv", "json", "rpt")
    ]
    audit = (folder / "lpanswersb.rpt").read_text()
    assert "check 4711 RETURNED" in audit and "P01-VACH-BANK-260303.DAT" in audit
    exceptions = (folder / "lpanswersa.rpt").read_text()
    assert "UNMATCHED" in exceptions and "12345678" not in exceptions + audit


def test_a_file_whose_records_end_in_cr_alone_posts_as_any_other(db: Database, home: Home, clock: FixedClock) -> None:
    """As banks on old systems send it; said once, not in every record."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    file = drop(app, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)).replace(b"\n", b"\r"))
    assert (file.state, state(db, "4711")) == ("POSTED", ("RETURNED", 1))
    ends = "SELECT COUNT(*) FROM line_message WHERE code = 'LINE_ENDING'"
    assert world.one(db, ends) == 1
    assert differences(app) == []
