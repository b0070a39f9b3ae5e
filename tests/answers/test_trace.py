"""From a trace number, a check or a vendor to everything that happened: and no account number on the way."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from gateway.answers.pay_again import pay_again
from gateway.app import App
from gateway.cli.trace import document, page
from gateway.clock import FixedClock
from gateway.delivery import queue
from gateway.delivery.queue import Change
from gateway.delivery.states import DeliveryState as S
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.trace import trace
from gateway.ledger.trace_story import Story
from gateway.ledger.vendor_alerts import set_alert
from gateway.outbound.built import place
from gateway.release import recall, release
from gateway.release.build import build
from gateway.settings import Acknowledgements
from gateway.vendor_ach import settlement, voids
from tests.answers import bank
from tests.answers.world import check, company, drop, send, trace_of
from tests.outbound import world
from tests.outbound.world import BOB, as_person


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
    text = "\n".join(page(reference, found, lambda at: at[11:16] if at else ""))
    assert "12345678" not in text + str([document(s) for s in found])
    return text


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
    text = told(app, reference)
    assert "payment of 123.45 for 2026-03-03 in P01-VACH-BANK-260303.DAT (#1) row 1, trace number 09100001" in text
    assert (
        "the bank answered in returns.ach (#1) line 3, DONE: R23 credit refused by the receiver: check 4711 RETURNED"
        in text
    )
    assert "paid again as issue 2 by ANN: it was a mistake (entry " in text
    assert "from returns.ach line 3" in text


def test_a_trace_number_of_ours(app: App) -> None:
    (story,) = stories(app, trace_of(app.db, "4712"))
    assert [c["check_no"] for c in story.checks] == ["4712"]
    assert [(a["kind"], a["code"]) for a in story.answers] == [("CHANGE", "C01")]
    assert [(c["vendor"], c["fields"], c["state"]) for c in story.changes] == [("V1", "account_number", "PROPOSED")]
    text = told(app, trace_of(app.db, "4712"))
    assert "change 1 of vendor V1 (account_number), PROPOSED: C01 in returns.ach, proposed by ANN" in text
    assert "99887766" not in text


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


def test_a_prenote_that_was_fetched(db: Database, home: Home, clock: FixedClock) -> None:
    """It pays no check, whose way would say so. That the bank refused its file since does not make it one that never left."""
    form = Acknowledgements(files=("{name}.ack",), text="(?P<status>TAKEN|REFUSED)", accepted=("TAKEN",))
    prenotes = world.VENDOR_ACH | {"prenotes": True, "prenote_ccd": True}
    app = company(db, home, clock, vendor_ach=prenotes, bank={"acknowledgements": form})
    check(db, "4711", 12_345)
    (file,) = [one for one in build(app, "VACH", "1").files if one.kind == "VACH-BANK"]
    release.approve(as_person(app, BOB), file.outbound_id, sha256=file.sha256)
    line = f"prenote for 2026-03-03 in {file.name} (#{file.outbound_id}, LOCAL) row 1, trace number 091000010000001"
    assert f"{line}; it stays in outbox/" in told(app, "V1")
    world.at_bank(app)
    assert f"{line}; taken from outbox/ 14:00" in told(app, "V1")
    clock.wait(60.0)
    drop(app, b"REFUSED\n", f"{file.name}.ack")
    recall.recall(as_person(app, BOB), file.outbound_id, reason="wrong header")
    assert f"{line.replace('LOCAL', 'REJECTED')}; taken from outbox/ 14:00" in told(app, "V1")


@pytest.mark.parametrize("refused", [False, True])
def test_a_prenote_says_when_it_was_delivered_and_once_called_back_when_that_was(
    db: Database, home: Home, clock: FixedClock, refused: bool
) -> None:
    form = Acknowledgements(files=("{name}.ack",), text="(?P<status>TAKEN|REFUSED)", accepted=("TAKEN",))
    prenotes = world.VENDOR_ACH | {"prenotes": True, "prenote_ccd": True}
    app = company(db, home, clock, vendor_ach=prenotes, bank={"acknowledgements": form, "endpoint": "bank"})
    check(db, "4711", 12_345)
    (file,) = [one for one in build(app, "VACH", "1").files if one.kind == "VACH-BANK"]
    release.approve(as_person(app, BOB), file.outbound_id, sha256=file.sha256)
    with db.write() as connection:
        for before, after in pairwise((S.PENDING, S.SENDING, S.PLACING, S.DELIVERED)):
            queue.record(connection, [Change(1, before, after)], at=app.now())
    assert "; DELIVERED at bank 14:00" in told(app, "V1")
    clock.wait(60.0)
    drop(app, b"REFUSED\n" if refused else b"TAKEN\n", f"{file.name}.ack")
    if refused:
        recall.recall(as_person(app, BOB), file.outbound_id, reason="wrong header")
    assert f"; {'RECALLED at bank 14:01' if refused else 'ACKNOWLEDGED at bank 14:00'}" in told(app, "V1")


def test_a_line_of_the_bank_s_file(app: App) -> None:
    (story,) = stories(app, "returns.ach:3")
    assert [a["code"] for a in story.answers] == ["R23"]
    assert len(story.entries) == 1
    (whole,) = stories(app, "#1")
    assert len(whole.answers) == 3


@pytest.fixture
def whole(db: Database, home: Home, clock: FixedClock) -> App:
    """Check 4711 with everything that can happen to one, a minute after the other: paid, back, on alert and off, paid
    again as issue 2, put into a file that is rejected and into one that leaves, voided, reversed, settled."""
    made = company(db, home, clock)
    bob = as_person(made, BOB)
    tick = partial(clock.wait, 60.0)
    tick()
    check(db, "4711", 12_345)
    check(db, "4712", 500)
    tick()
    send(made)
    tick()
    drop(made, bank.whole(bank.return_of(trace_of(db, "4711"), 12_345, reason="R03", trace="091000010000701")))
    tick()
    with db.write() as connection:
        set_alert(
            connection,
            made.vault,
            "V1",
            on=False,
            override_until=None,
            reason="they opened it again",
            operator=BOB,
            at=made.now(),
        )
    tick()
    pay_again(made, "4711", reason="the account is open again")
    tick()
    (file,) = [f for f in build(made, "VACH", "1").files if f.kind == "VACH-BANK"]
    release.reject(bob, file.outbound_id, reason="a day later")
    tick()
    send(made)
    tick()
    voids.void(made, "4711", reason="ordered twice")
    tick()
    send(made)
    tick()
    world.change(db, "UPDATE portfolio SET business_date = '2026-03-04'")
    with db.write() as connection:
        settlement.settle(made, connection, place(made, connection, "1"))
    return made


WAY = [
    ("MADE", 1, None), ("BUILT", 1, "ANN"), ("LISTED", 1, "ANN"), ("RELEASED", 1, "BOB"), ("TAKEN", 1, "ANN"), ("ANSWERED", 1, None),
    ("ALERT", None, "ANN"), ("ALERT OFF", None, "BOB"), ("PAID AGAIN", 2, "ANN"),
    ("BUILT", 2, "ANN"), ("LISTED", 2, "ANN"), ("REJECTED", 2, "BOB"), ("BUILT", 2, "ANN"), ("LISTED", 2, "ANN"),
    ("RELEASED", 2, "BOB"), ("TAKEN", 2, "ANN"), ("VOIDED", None, "ANN"), ("BUILT", 2, "ANN"), ("LISTED", 2, "ANN"), ("RELEASED", 2, "BOB"), ("TAKEN", 2, "ANN"),
    ("SETTLED", None, "ANN"),
]  # fmt: skip


@pytest.mark.parametrize("reference", ["4711", "V1", "the first trace number", "the reversal's trace number"])
def test_the_whole_way_of_a_check(whole: App, reference: str) -> None:
    """From the check, its vendor, or any trace number of it."""
    traces = [
        row[0] for row in world.all_of(whole.db, "SELECT trace_number FROM ach_entry WHERE check_no = '4711' ORDER BY outbound_id")
    ]  # fmt: skip
    asked = {"the first trace number": traces[0], "the reversal's trace number": traces[-1]}.get(reference, reference)
    (story,) = stories(whole, asked)
    steps = [s for s in story.way if s.check == "1/126/4711"]
    assert [(s.step, s.issue, s.by) for s in steps[1:]] == WAY[1:]
    assert steps[0].step == "MADE"
    assert [s.entry_kind for s in steps if s.step == "BUILT"] == ["LIVE", "LIVE", "LIVE", "REVERSAL"]
    shown = document(story)["way"]
    assert {row["amount"] for row in shown if row["step"] == "SETTLED"} == {"123.45"}
    text = told(whole, asked)
    lines = [line.strip() for line in text.splitlines()]
    for line in (
        "14:03  the bank answered in returns.ach (#1) line 3, DONE: R03 no account, or unable to locate it: check 4711 "
        "RETURNED; vendor V1 on alert",
        "14:04  vendor V1 off alert by BOB: they opened it again",
        "14:06  P01-VACH-BANK-260303-2.DAT (#3) rejected by BOB: a day later",
    ):
        assert line in lines, text
    for start in (
        "14:05  paid again as issue 2 by ANN: the account is open again (entry ",
        "14:08  voided by ANN: ordered twice (entry ",
        "14:09  reversal of 123.45 for 2026-03-",
        "14:10  its reversal settled, 123.45, business date 2026-03-04 (entry ",
    ):
        assert any(line.startswith(start) for line in lines), text
    if reference != "V1":
        posted = [[(leg["side"], leg["amount_cents"]) for leg in e["legs"]] for e in story.entries]
        txns = [e["txn"] for e in story.entries]
        assert txns[1:] == ["ACHR", "ACHP", "VOID", "VOID"]
        assert posted[1:] == [[("D", 12_345), ("C", 12_345)]] * 4


def test_a_void_taken_back_and_a_delivery_are_on_the_way(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    clock.wait(60.0)
    voids.void(app, "4711", reason="ordered twice")
    clock.wait(60.0)
    voids.undo(app, "4711", reason="it was not")
    (story,) = stories(app, "4711")
    assert [s.step for s in story.way] == ["MADE", "VOIDED", "VOID TAKEN BACK"]
    assert "void taken back by ANN: it was not" in told(app, "4711")
