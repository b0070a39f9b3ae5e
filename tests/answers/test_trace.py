"""From a trace number, a check or a vendor to everything that happened: and no account number on the way."""

from __future__ import annotations

import pytest

from gateway.answers.pay_again import pay_again
from gateway.app import App
from gateway.cli.ledger import _story_document, _story_page
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.trace import Story, trace
from tests.answers import bank
from tests.answers.world import check, company, drop, send, trace_of


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """Check 4711 came back and is paid again; 4712 had a correction of its account; 4713 is paid."""
    made = company(db, home, clock)
    for number, cents in (("4711", 12_345), ("4712", 500), ("4713", 77)):
        check(db, number, cents)
    send(made)
    drop(
        made,
        bank.whole(
            bank.return_of(trace_of(db, "4711"), 12_345, reason="R23", trace="091000010000701"),
            bank.change_of(trace_of(db, "4712"), "99887766", trace="091000010000702"),
            bank.return_of("091000019999999", 5, trace="091000010000703"),
        ),
    )
    pay_again(made, "4711", reason="it was a mistake")
    return made


def stories(app: App, reference: str) -> list[Story]:
    with app.db.read() as connection:
        return trace(connection, reference)


def told(app: App, reference: str) -> str:
    found = stories(app, reference)
    page = "\n".join(_story_page(reference, found))
    assert "12345678" not in page + str([_story_document(s) for s in found])
    return page


@pytest.mark.parametrize("reference", ["4711", "1/126/4711"])
def test_a_check(app: App, reference: str) -> None:
    (story,) = stories(app, reference)
    assert (story.kind, story.facts["state"], story.facts["issue"]) == ("check", "NEW", 2)
    assert [(row["kind"], row["entry_kind"]) for row in story.outbound] == [
        ("VACH-BANK", "LIVE"),
        ("VACH-SCRATCH", None),
    ]
    assert [(row["code"], row["state"]) for row in story.answers] == [("R23", "DONE")]
    legs = [[(leg["side"], leg["amount_cents"]) for leg in entry["legs"]] for entry in story.entries]
    assert [len(entry) for entry in legs] == [4, 2, 2], "made, returned, paid again"
    page = told(app, reference)
    assert (
        "payment of 123.45 for 2026-03-03 went out in P01-VACH-BANK-260303.DAT (#1, LOCAL) row 1, trace number 0910000"
        in page
    )
    assert (
        "the bank answered in returns.ach (#1) line 3, DONE: R23 credit refused by the receiver: check 4711 RETURNED"
        in page
    )
    assert "from returns.ach line 3" in page


def test_a_trace_number_of_ours(app: App) -> None:
    (story,) = stories(app, trace_of(app.db, "4712"))
    assert [c["check_no"] for c in story.checks] == ["4712"]
    assert [(a["kind"], a["code"]) for a in story.answers] == [("CHANGE", "C01")]
    assert [(c["vendor"], c["fields"], c["state"]) for c in story.changes] == [("V1", "account_number", "PROPOSED")]
    page = told(app, trace_of(app.db, "4712"))
    assert "change 1 of vendor V1 (account_number), PROPOSED: C01 in returns.ach, proposed by ANN" in page
    assert "99887766" not in page


@pytest.mark.parametrize(("reference", "code"), [("091000010000701", "R23"), ("091000019999999", "R03")])
def test_a_trace_number_of_the_bank_s_or_of_nobody(app: App, reference: str, code: str) -> None:
    (story,) = [s for s in stories(app, reference) if s.kind == "answer of the bank"]
    assert [a["code"] for a in story.answers] == [code]


def test_a_vendor(app: App) -> None:
    (story,) = stories(app, "v1")
    assert story.kind == "vendor"
    assert [c["check_no"] for c in story.checks] == ["4711", "4712", "4713"]
    assert [row["kind"] for row in story.outbound] == ["VACH-BANK"] * 3 + ["VACH-SCRATCH"] * 3
    assert [a["code"] for a in story.answers] == ["R23", "C01"]
    assert [c["change_id"] for c in story.changes] == [1]


def test_a_line_of_the_bank_s_file(app: App) -> None:
    (story,) = stories(app, "returns.ach:3")
    assert [a["code"] for a in story.answers] == ["R23"]
    assert len(story.entries) == 1
    (whole,) = stories(app, "#1")
    assert len(whole.answers) == 3
