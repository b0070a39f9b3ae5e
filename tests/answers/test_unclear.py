"""A word of the bank that neither takes a file nor refuses it whole: it may have been paid in part, and is not paid again."""

from __future__ import annotations

import pytest

from gateway.answers import lists
from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.release import recall, release
from gateway.settings import Acknowledgements
from tests.answers.test_bank_refused import NAME, bob
from tests.answers.world import answers, check, company, differences, drop, send, state
from tests.outbound import world

TEXT = r"(?P<status>[A-Z]+)( FILE (?P<name>\S+))?( ENTRIES (?P<entries>\d+))?( CREDIT (?P<credit>[0-9.]+))?"


@pytest.fixture(params=["DELIVERED", "PENDING", "UNKNOWN"])
def app(request: pytest.FixtureRequest, db: Database, home: Home, clock: FixedClock) -> App:
    """Two checks of 123.45 and 5.00 in one file, released, its delivery as the parameter says."""
    form = Acknowledgements(files=("{name}.ack",), text=TEXT)
    app = company(db, home, clock, bank={"acknowledgements": form, "endpoint": "bank"})
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V2")
    send(app)
    world.deliveries_are(db, request.param)
    return app


ONE_STATE = pytest.mark.parametrize("app", ["DELIVERED"], indirect=True)
UNCLEAR = {
    "a part": "PARTIAL ENTRIES 1 CREDIT 123.45",
    "an unknown status": "WARNING",
    "an unknown status with our totals": "HELD ENTRIES 2 CREDIT 128.45",
    "refused with other totals": "REJECTED ENTRIES 1",
    "taken with other totals": "ACCEPTED ENTRIES 1",
    "both": "ACCEPTED\nREJECTED",
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_nothing_of_it_is_called_back(app: App, db: Database, case: str) -> None:
    drop(app, UNCLEAR[case].encode(), f"{NAME}.ack")
    assert {row[1:3] for row in answers(db)} == {(None, "UNMATCHED")}
    outcome = answers(db)[0][3]
    assert "will not pay" not in outcome
    assert "where it pays nothing of it, gateway answers clear FILE/NUMBER --refused --reason WHY" in outcome
    assert release.show(app, 1)["refused"] is None
    with pytest.raises(Refused) as error:
        recall.recall(bob(app), 1, reason="as told")
    assert f"found the bank's answer 1/1 open: {outcome}" in str(error.value)
    assert state(db, "4711") == ("SENT", 1)
    assert differences(app) == []


REFUSALS = ["REJECTED", "refused", "FAILED ENTRIES 2", "REJECTED CREDIT 12845 ", "REJECTED ENTRIES 2 CREDIT 128.45"]


@ONE_STATE
@pytest.mark.parametrize("written", REFUSALS)
def test_a_whole_refusal_frees_it(app: App, db: Database, written: str) -> None:
    """By the settings' own words for it, which a home that sets none has too."""
    drop(app, written.encode(), f"{NAME}.ack")
    assert answers(db)[0][1] == "REFUSED"
    recall.recall(bob(app), 1, reason="as told")
    assert state(db, "4711") == ("NEW", 1)


@ONE_STATE
def test_a_word_that_settings_name_refuses(db: Database, home: Home, clock: FixedClock, app: App) -> None:
    form = Acknowledgements(files=("{name}.ack",), text=TEXT, refused=("RJCT",))
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, bank=world.bank(acknowledgements=form)
    )
    drop(app, b"REJECTED", f"{NAME}.ack")
    drop(app, b"rjct", f"{NAME}.ack")
    assert [row[1] for row in answers(db)] == [None, "REFUSED"]


def test_a_refusal_after_it_is_acted_upon_and_one_before_it_is_not(app: App, db: Database) -> None:
    drop(app, b"REJECTED", f"{NAME}.ack")
    drop(app, b"PARTIAL", f"{NAME}.ack")
    with pytest.raises(Refused, match="found the bank's answer 2/1 open"):
        recall.recall(bob(app), 1, reason="as told")
    drop(app, b"REJECTED ENTRIES 2", f"{NAME}.ack")
    recall.recall(bob(app), 1, reason="as told")
    assert {row[2] for row in answers(db)} == {"CLEARED"}, "nobody is asked about a file that was called back"
    assert differences(app) == []


def test_the_bank_says_that_it_pays_nothing_of_it(app: App, db: Database) -> None:
    drop(app, b"PARTIAL ENTRIES 1", f"{NAME}.ack")
    lists.clear(app, (1, 1), reason="rang: none of it runs", refused=True)
    ((_, code, waits, outcome),) = answers(db)
    assert (code, waits) == ("REFUSED", "UNMATCHED")
    assert outcome.startswith(
        f"{NAME} is refused, as ANN was told by the bank (rang: none of it runs): a second person"
    )
    with pytest.raises(Refused, match=r"found that ANN said .* \(answer 1/1\), expected a second person"):
        recall.recall(app, 1, reason="as told")
    recall.recall(bob(app), 1, reason="as told")
    assert state(db, "4711") == ("NEW", 1)
    assert differences(app) == []


def test_cleared_without_more_it_counts_as_paid(app: App, db: Database) -> None:
    drop(app, b"PARTIAL ENTRIES 1", f"{NAME}.ack")
    lists.clear(app, (1, 1), reason="the rest comes back as returns")
    assert state(db, "4711") == ("SENT", 1)
    if world.one(db, "SELECT state FROM delivery") == "DELIVERED":
        with pytest.raises(Refused, match="it left: take it back with gateway outbound build vach-reversal"):
            recall.recall(bob(app), 1, reason="x")


@ONE_STATE
def test_only_an_open_word_about_a_file_is_made_a_refusal(app: App) -> None:
    drop(app, b"ACCEPTED FILE NOBODY.DAT", f"{NAME}.ack")
    drop(app, b"ACCEPTED ", f"{NAME}.ack")
    drop(app, b"PARTIAL", f"{NAME}.ack")
    drop(app, b"ACCEPTED  ", f"{NAME}.ack")
    for answer in ((1, 1), (2, 1)):
        with pytest.raises(Refused, match="found no word of the bank that leaves a file of ours open"):
            lists.clear(app, answer, reason="x", refused=True)
    with pytest.raises(Refused, match="or took it later"):
        lists.clear(app, (3, 1), reason="x", refused=True)
    with pytest.raises(UsageError, match="found --taken and --refused"):
        lists.clear(app, (3, 1), reason="x", taken=True, refused=True)
