"""Notifications of change: proposed for a second person, never applied, and money waits meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.app import Operator, system_user
from gateway.clock import FixedClock
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger import vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.vendor_details import current
from gateway.release.build import build
from gateway.settings import Operators
from tests.answers import bank
from tests.answers.world import answers, check, company, drop, send, trace_of
from tests.outbound import world

ROUTING = "031100209"

PROPOSED: dict[str, tuple[str, dict[str, str]]] = {
    "C01": ("99887766", {"account_number": "99887766"}),
    "C02": (ROUTING, {"routing_number": ROUTING}),
    "C03": (f"{ROUTING}   99887766", {"routing_number": ROUTING, "account_number": "99887766"}),
    "C04": ("Vendor One Inc", {"name": "Vendor One Inc"}),
    "C05": ("32", {"account_type": "savings"}),
    "C06": (f"{'99887766':<17}   32", {"account_number": "99887766", "account_type": "savings"}),
    "C07": (
        f"{ROUTING}{'99887766':<17}32",
        {"routing_number": ROUTING, "account_number": "99887766", "account_type": "savings"},
    ),
}


@pytest.mark.parametrize("code", PROPOSED)
def test_the_corrected_data_are_proposed(db: Database, home: Home, clock: FixedClock, code: str) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    data, wanted = PROPOSED[code]
    file = drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), data, reason=code), sec="COR"))
    assert (file.state, file.records, file.rejects, file.amount_cents) == ("POSTED", 1, 0, 0)
    with db.write() as connection:
        (change,) = vendor_changes.listing(connection, app.vault)
        assert (change.vendor, change.origin, change.state, change.maker) == ("V1", "NOC", "PROPOSED", "ANN")
        assert change.reason == f"{code} in returns.ach"
        vendor_changes.approve(db, connection, app.vault, change.change_id, operator=world.BOB, at=app.now())
        now = current(connection, app.vault, ["V1"])["V1"]
    assert {field: now[field] for field in wanted} == wanted
    assert world.one(db, "SELECT change_id FROM ach_answer") == change.change_id
    assert "99887766" not in answers(db)[0][3]


def test_the_maker_of_a_correction_is_whose_file_it_was(db: Database, home: Home, clock: FixedClock) -> None:
    """The system says whose file it was when it came; who took it in is often the service."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    me = system_user()
    people = Operators.model_validate({"operators": {"ME1": {"users": [me]}, "ANN": {"users": ["ann"]}}})
    app = replace(app, settings=replace(app.settings, operators=people))
    drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), "99887766"), sec="COR"))
    assert world.all_of(db, "SELECT operator, owner FROM inbound_file") == [("ANN", me)]
    with db.write() as connection:
        (change,) = vendor_changes.listing(connection, app.vault)
        assert (change.maker, change.maker_user) == ("ME1", me)
        for mine in (Operator("ME1", "other", world.ALL_RIGHTS), Operator("ME2", me, world.ALL_RIGHTS)):
            with pytest.raises(Refused, match=rf"proposed by ME1 \({me}\), expected a second person"):
                vendor_changes.approve(db, connection, app.vault, change.change_id, operator=mine, at=app.now())
        vendor_changes.approve(db, connection, app.vault, change.change_id, operator=world.ANN, at=app.now())


def test_money_waits_until_the_change_is_decided(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), "99887766"), sec="COR"))
    check(db, "4712", 500)
    built = build(app, "VACH", "1")
    assert (built.files, built.withheld) == ((), 1)


WAITING: dict[str, tuple[str, str, str]] = {
    "a routing number that is none": ("C02", "123456789", "found corrected data that cannot be used"),
    "blank": ("C01", "", "found corrected data that cannot be used"),
    "a general ledger account": ("C05", "42", "found transaction code 42"),
    "an identification": ("C09", "4711", "is not kept of a vendor"),
    "a code nobody knows": ("C99", "x", "C99 a code that is not known here"),
}


@pytest.mark.parametrize("case", WAITING)
def test_what_cannot_be_proposed_waits(db: Database, home: Home, clock: FixedClock, case: str) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    code, data, words = WAITING[case]
    file = drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), data, reason=code), sec="COR"))
    ((kind, _, state, outcome),) = answers(db)
    assert (kind, state, file.rejects) == ("CHANGE", "UNMATCHED", 1)
    assert words in outcome
    assert world.one(db, "SELECT COUNT(*) FROM vendor_change") == 0


def test_a_correction_with_its_data_is_proposed_though_it_came_blank_before(
    db: Database, home: Home, clock: FixedClock
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    blank, sound = (bank.change_of(trace_of(db, "4711"), data) for data in ("", "99887766"))
    drop(app, bank.whole(blank, sec="COR"))
    drop(app, bank.whole(blank, sound, blank, sec="COR"), "corrected.ach")
    assert [state for _, _, state, _ in answers(db)] == ["UNMATCHED", "REPEATED", "DONE", "REPEATED"]
    drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), "55554444"), sec="COR"), "third.ach")
    assert answers(db)[-1][2] == "REPEATED", "what was acted upon is done once"
    assert world.one(db, "SELECT COUNT(*) FROM vendor_change") == 1


def test_what_the_vendor_has_already_needs_nobody(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), "1234-5678"), sec="COR"))
    assert answers(db) == [("CHANGE", "C01", "DONE", "C01 account number incorrect: vendor V1 has it so already")]


def test_a_correction_of_details_that_were_changed_since_waits(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    trace = trace_of(db, "4711")
    drop(app, bank.whole(bank.change_of(trace, "99887766"), sec="COR"))
    with db.write() as connection:
        vendor_changes.approve(db, connection, app.vault, 1, operator=world.BOB, at=app.now())
    later = bank.change_of(trace, "55554444", trace="091000010000002")
    drop(app, bank.whole(later, sec="COR"), "later.ach")
    assert answers(db)[1][2] == "UNMATCHED"
    assert "changed since the entry went out" in answers(db)[1][3]


def test_a_correction_that_was_taken_over_since_needs_nobody(db: Database, home: Home, clock: FixedClock) -> None:
    """The entries of one file are corrected one by one, and the second notification may come after the first was applied."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500)
    send(app)
    drop(app, bank.whole(bank.change_of(trace_of(db, "4711"), "99887766"), sec="COR"))
    with db.write() as connection:
        vendor_changes.approve(db, connection, app.vault, 1, operator=world.BOB, at=app.now())
    again = bank.change_of(trace_of(db, "4712"), "9988 7766", trace="091000010000002")
    drop(app, bank.whole(again, sec="COR"), "later.ach")
    assert answers(db)[1][2:] == ("DONE", "C01 account number incorrect: vendor V1 has it so already")


def test_two_corrections_of_one_vendor_are_two_changes(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    check(db, "4712", 500)
    send(app)
    one = bank.change_of(trace_of(db, "4711"), "99887766")
    other = bank.change_of(trace_of(db, "4712"), "55554444", trace="091000010000002")
    same = bank.change_of(trace_of(db, "4712"), "99887766", trace="091000010000003")
    drop(app, bank.whole(one, other, same, sec="COR"))
    rows: list[Any] = world.all_of(db, "SELECT state, change_id FROM ach_answer ORDER BY number")
    assert rows == [("DONE", 1), ("DONE", 2), ("DONE", 1)]
