"""An answer with our trace number that names another company or account than ours waits for a person."""

from __future__ import annotations

import pytest

from gateway.answers.match import apart
from gateway.app import App
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger.database import Database
from tests.answers import bank
from tests.answers.world import answers, check, company, differences, drop, postings, send, state, trace_of
from tests.outbound import world

OURS = "1234567890"


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """One check of 123.45 to account 12345678, sent."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    return app


def returned(trace: str, *, account: str = "12345678", company_id: str = OURS, code: str = "21") -> bytes:
    return told(bank.return_of(trace, 12_345, code=code), account=account, company_id=company_id)


def told(answer: list[str], *, company_id: str = OURS, account: str = "12345678") -> bytes:
    """A file with this answer, in a batch of this company and about this account."""
    answer = [line[:12] + f"{account:<17}" + line[29:] if line[0] == "6" else line for line in answer]
    data = bank.whole(answer)
    return b"\n".join(
        line[:40] + f"{company_id:<10}".encode() + line[50:] if line[:1] == b"5" else line for line in data.split(b"\n")
    )


ANOTHER = {
    "another company": ({"company_id": "9999999999"}, "found company identification ******9999 in its batch, expected 1234567890"),
    "another account": ({"account": "55667788"}, "found account ****7788, expected ****5678 that entry "),
    "one that ends alike": (
        {"account": "99995678"}, "found account ****5678, which ends alike and is another, expected the one that entry ",
    ),
    "a short one": ({"account": "1111"}, "found account ****, expected ****5678 that entry "),
}  # fmt: skip


@pytest.mark.parametrize("case", ANOTHER)
def test_a_return_of_another_waits(app: App, db: Database, case: str) -> None:
    changes, words = ANOTHER[case]
    file = drop(app, returned(trace_of(db, "4711"), **changes))
    ((_, code, found, outcome),) = answers(db)
    assert (code, found, file.rejects) == ("R03", "UNMATCHED", 1)
    assert f"R03 no account, or unable to locate it: {words}" in outcome and "ask the bank" in outcome
    assert all(number not in outcome for number in ("55667788", "99995678", "12345678 "))
    assert (state(db, "4711"), postings(db)) == (("SENT", 1), [])
    assert world.one(db, "SELECT outbound_id FROM ach_answer") is None, "it proves nothing about our file"
    assert differences(app) == []


NO_RETURN = {
    "change": lambda trace: bank.change_of(trace, "99887766"),
    "dishonored": lambda trace: bank.dishonored(trace, 12_345),
    "contested": lambda trace: bank.contested(trace, 12_345),
}  # fmt: skip


@pytest.mark.parametrize("case", ANOTHER)
@pytest.mark.parametrize("kind", NO_RETURN)
def test_any_answer_of_another_says_nothing_of_ours(
    db: Database, home: Home, clock: FixedClock, kind: str, case: str
) -> None:
    """Companies of one bank number their entries alike: it is no proof that our file is there, and changes no vendor."""
    changes, words = ANOTHER[case]
    app = company(db, home, clock, bank={"endpoint": "bank"})
    check(db, "4711", 12_345)
    send(app)
    world.deliveries_are(db, "UNKNOWN")
    drop(app, told(NO_RETURN[kind](trace_of(db, "4711")), **changes))
    ((_, _, found, outcome),) = answers(db)
    assert found == "UNMATCHED"
    assert words in outcome or kind != "change"
    assert world.one(db, "SELECT outbound_id FROM ach_answer") is None
    assert world.one(db, "SELECT state FROM delivery") == "UNKNOWN"
    assert world.all_of(db, "SELECT * FROM vendor_change") == []
    drop(app, told(NO_RETURN[kind](trace_of(db, "4711"))), "ours.ach")
    assert world.one(db, "SELECT COUNT(outbound_id) FROM ach_answer") == 1
    assert world.one(db, "SELECT state FROM delivery") == "ACKNOWLEDGED"


@pytest.mark.parametrize("case", ANOTHER)
def test_the_right_one_after_it_is_taken(app: App, db: Database, case: str) -> None:
    """It may have the other's trace number and code, and say nothing else otherwise."""
    trace = trace_of(db, "4711")
    drop(app, returned(trace, **ANOTHER[case][0]), "wrong.ach")
    drop(app, returned(trace, **ANOTHER[case][0]) + b"\n", "again.ach")
    drop(app, returned(trace), "right.ach")
    assert [row[2] for row in answers(db)] == ["UNMATCHED", "REPEATED", "DONE"]
    assert state(db, "4711") == ("RETURNED", 1)
    assert differences(app) == []


SAME = {
    "as it was": {},
    "no account": {"account": ""},
    "no company": {"company_id": ""},
    "padded with zeros": {"account": "00000000012345678"},
    "with dashes": {"account": "1234-5678"},
    "to the right": {"account": "         12345678"},
    "masked": {"account": "XXXX5678"},
    "cut in front": {"account": "345678"},
    "cut at its end": {"account": "1234567"},
    "company without its first digit": {"company_id": "234567890"},
    "zeros": {"account": "0" * 17, "company_id": "0" * 10},
}


@pytest.mark.parametrize("case", SAME)
def test_what_banks_cut_pad_or_leave_out_is_ours(app: App, db: Database, case: str) -> None:
    drop(app, returned(trace_of(db, "4711"), **SAME[case]))
    assert answers(db)[0][2] == "DONE", answers(db)
    assert state(db, "4711") == ("RETURNED", 1)


def test_numbers_are_apart_both_ways() -> None:
    assert apart("12", "13") and apart("13", "12") and not apart("12", "123") and not apart("123", "12")


def test_an_account_that_no_key_opens_tells_nothing(app: App, db: Database) -> None:
    """The file is older than the key of this home."""
    trace = trace_of(db, "4711")
    world.change(db, "UPDATE outbound_row SET payload = :body", body=b"sealed with a key that is lost")
    drop(app, returned(trace, account="55667788"))
    assert answers(db)[0][2] == "DONE"


@pytest.mark.parametrize(
    ("destination", "found"),
    [
        (" 091000019", None),
        ("1234567890", None),
        (" 123456789", None),
        (" " * 10, None),
        ("9999999999", "******9999"),
        (" 031100209", "*****0209"),
    ],
)
def test_a_file_for_another_is_told(app: App, db: Database, destination: str, found: str | None) -> None:
    """Its entries are judged one by one."""
    data = returned(trace_of(db, "4711"))
    drop(app, data[:3] + destination.encode() + data[13:])
    assert answers(db)[0][2] == "DONE"
    ours = "field = 'file_header immediate_destination' AND action = 'ask the bank whether the file is ours'"
    told = world.all_of(db, f"SELECT line_no, severity, found FROM line_message WHERE {ours}")
    assert told == ([] if found is None else [(1, "W", found)])
