"""A notification of change sent back: its file as the bank reads it, and the change refused with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.answers import lists
from gateway.cli import outbound_page
from gateway.cli import trace as trace_cli
from gateway.clock import FixedClock
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger import vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.trace import trace as follow
from gateway.outbound.built import Built
from gateway.release import release
from gateway.release.build import build
from parsers.nacha import validate
from parsers.nacha_answers import RefusedChange, read_answers
from tests.answers import bank
from tests.answers.world import answers, check, company, differences, drop, send, trace_of
from tests.outbound import world

NAME = "P01-VACH-REFUSED-NOC-260302.DAT"


def refuse(app: world.App, code: str = "C65", number: int = 1, reason: str = "no account in it") -> Built:
    return build(app, "VACH-REFUSED-NOC", "1", file_id=1, number=number, code=code, reason=reason)


def noticed(db: Database, home: Home, clock: FixedClock, data: str = "99887766") -> tuple[world.App, str]:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    trace = trace_of(db, "4711")
    drop(app, bank.whole(bank.change_of(trace, data, trace="031100200000042"), bank.return_of("0" * 15, 5), sec="COR"))
    return app, trace


def test_the_file_says_what_is_refused_and_why(db: Database, home: Home, clock: FixedClock) -> None:
    app, trace = noticed(db, home, clock)
    (file,) = refuse(app).files
    assert (file.name, file.kind, file.state, file.records) == (NAME, "VACH-REFUSED-NOC", "BUILT", 1)
    written = (home.outbox / NAME).read_text()
    lines = written.splitlines()
    assert lines[1][50:53] == "COR"
    assert lines[2].startswith("621" + "031100209" + "12345678")
    ours = lines[2][79:94]
    assert lines[3] == f"798C65{trace}{'':6}{bank.RDFI}{'99887766':<29}C010000042{'':5}{ours}"
    read = read_answers([written.encode()])
    assert read.deviations == ()
    answer = read.batches[0].entries[0].answer
    assert isinstance(answer, RefusedChange)
    assert (answer.code, answer.change_code, answer.original_trace) == ("C65", "C01", trace)


def test_it_goes_to_the_bank_that_sent_it(db: Database, home: Home, clock: FixedClock) -> None:
    """The portfolio went over to another one meanwhile, which knows neither the vendor's account nor the trace number."""
    app, trace = noticed(db, home, clock)
    other = world.bank(name="Second National Bank", routing_number="031100209", endpoint="second")
    settings = app.settings
    moved = settings.portfolios["1"].model_copy(
        update={"vendor_ach": settings.portfolios["1"].vendor_ach.model_copy(update={"bank": "second"})}
    )
    banks = settings.gateway.banks | {"second": other}
    gateway = settings.gateway.model_copy(update={"banks": banks})
    app = replace(app, settings=replace(settings, portfolios={"1": moved}, gateway=gateway))
    (file,) = refuse(app).files
    assert release.show(app, file.outbound_id)["header"]["bank"] == "first"
    assert world.one(db, "SELECT endpoint FROM outbound_file WHERE outbound_id = :id", id=file.outbound_id) is None
    lines = (home.outbox / NAME).read_text().splitlines()
    assert (lines[0][4:13], lines[1][79:87], lines[3][6:21]) == ("091000019", "09100001", trace)
    release.reject(app, file.outbound_id, reason="as a test")
    gone = gateway.model_copy(update={"banks": {"second": other}})
    with pytest.raises(
        Refused, match=r"refusing answer 1/1: found it built for bank first, which config.*not name any"
    ):
        refuse(replace(app, settings=replace(app.settings, gateway=gone)))


def test_whoever_releases_it_sees_what_it_refuses(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = noticed(db, home, clock)
    (file,) = refuse(app).files
    shown = release.show(app, file.outbound_id)
    assert shown["header"]["refuses"] == {"answer": "1/1", "code": "C65", "reason": "no account in it"}
    lines = outbound_page.page(shown | {"window": None}, str)
    assert "  refuses    answer 1/1 with C65 corrected data formatted incorrectly: no account in it" in lines
    assert "             what it said: gateway answers show 1/1" in lines


def test_the_change_is_refused_with_it_and_money_may_go_again(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = noticed(db, home, clock)
    proposed = "account number of vendor V1 proposed; nothing is paid to it until a second person decides"
    assert lists.show(app, (1, 1))["outcome"].endswith(proposed)
    refuse(app)
    assert lists.show(app, (1, 1))["outcome"].endswith(f"{proposed}; change 1 is REFUSED")
    with db.read() as connection:
        (change,) = vendor_changes.listing(connection, app.vault)
        assert (change.state, change.decision_reason) == ("REFUSED", "C65: no account in it")
        assert vendor_changes.pending(connection, ["V1"]) == set()
    assert [row[2] for row in answers(db)] == ["DONE", "UNMATCHED"], "it proposed the change, and the other one waits"
    assert differences(app) == []


def test_whoever_looks_at_the_answer_sees_where_it_went_back(db: Database, home: Home, clock: FixedClock) -> None:
    app, trace = noticed(db, home, clock)
    assert lists.show(app, (1, 1))["refused_in"] is None
    refuse(app)
    assert lists.show(app, (1, 1))["refused_in"] == NAME
    with db.read() as connection:
        stories = follow(connection, trace, limit=10)
    assert f"; refused, back to its bank in {NAME}" in "".join(trace_cli.page(trace, stories, lambda at: at or ""))


def test_one_without_data_that_waited_is_refused_and_cleared(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = noticed(db, home, clock, data="")
    assert world.one(db, "SELECT state FROM ach_answer WHERE number = 1") == "UNMATCHED"
    refuse(app)
    assert world.one(db, "SELECT state FROM ach_answer WHERE number = 1") == "CLEARED"
    written = (home.outbox / NAME).read_bytes()
    read = read_answers([written])
    answer = read.batches[0].entries[0].answer
    assert isinstance(answer, RefusedChange) and (answer.code, answer.corrected.raw) == ("C65", "")
    assert read.deviations == () and list(validate([written])) == []


def test_unusable_data_go_back(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = noticed(db, home, clock, data="   99887766")
    assert world.one(db, "SELECT state FROM ach_answer WHERE number = 1") == "UNMATCHED"
    refuse(app)
    assert world.all_of(db, "SELECT state, cleared_by, clear_reason FROM ach_answer WHERE number = 1") == [
        ("CLEARED", "ANN", "refused with C65: no account in it")
    ]


def test_it_is_released_by_a_second_person_and_once(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = noticed(db, home, clock)
    (file,) = refuse(app).files
    with pytest.raises(Refused, match="second person"):
        release.approve(app, file.outbound_id, sha256=file.sha256)
    with pytest.raises(Refused, match=r"found it refused by P01-VACH-REFUSED-NOC-260302.DAT"):
        refuse(app)
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    with pytest.raises(Refused, match=r"found it refused by P01-VACH-REFUSED-NOC-260302.DAT"):
        refuse(app)
    assert world.one(db, "SELECT COUNT(*) FROM outbound_file WHERE kind = 'VACH-REFUSED-NOC'") == 1


def test_a_rejected_file_lets_it_be_refused_again(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = noticed(db, home, clock)
    (file,) = refuse(app).files
    release.reject(app, file.outbound_id, reason="wrong code")
    (again,) = refuse(app, "C64").files
    assert again.name == "P01-VACH-REFUSED-NOC-260302-2.DAT"


def test_what_was_applied_is_not_refused(db: Database, home: Home, clock: FixedClock) -> None:
    app, _ = noticed(db, home, clock)
    with db.write() as connection:
        vendor_changes.approve(db, connection, app.vault, 1, operator=world.BOB, at=app.now())
    with pytest.raises(Refused, match="found its change 1 applied"):
        refuse(app)


def test_a_return_is_not_refused(db: Database, home: Home, clock: FixedClock) -> None:
    app, trace = noticed(db, home, clock)
    drop(app, bank.whole(bank.return_of(trace, 12_345, reason="R23")), name="second.ach")
    with pytest.raises(Refused, match="found a return, expected a notification of change: only that is refused"):
        build(app, "VACH-REFUSED-NOC", "1", file_id=2, number=1, code="C65", reason="x")


@pytest.mark.parametrize(
    ("code", "number", "reason", "error", "words"),
    [
        ("C60", 1, "R", UsageError, "found the code C60, expected one of C61 "),
        ("C65", 1, " ", UsageError, "found no reason"),
        ("C65", 9, "R", UsageError, "found no answer of that number"),
        ("C65", 2, "R", UsageError, "found no answer of that number"),
    ],
)
def test_what_cannot_be_refused(
    db: Database, home: Home, clock: FixedClock, code: str, number: int, reason: str, error: type[Exception], words: str
) -> None:
    app, _ = noticed(db, home, clock)
    with pytest.raises(error, match=words):
        refuse(app, code, number, reason)
