"""What the nine-o'clock answer and the alarms say of the bank's answers, and of those that do not come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway.answers import lists
from gateway.app import App
from gateway.cli.status import page
from gateway.clock import FixedClock, instant_text
from gateway.console import alarms
from gateway.console.status import status
from gateway.home import Home
from gateway.intake import checking
from gateway.ledger.database import Database
from gateway.settings import Acknowledgements
from tests.answers import bank
from tests.answers.world import check, company, drop, send, trace_of
from tests.outbound import world

ENDPOINT: dict[str, Any] = {
    "host": "localhost",
    "user": "u",
    "key": "config/keys/id_bank",
    "acknowledge_within_minutes": 60,
}


def keys(app: App) -> list[str]:
    return [c.key for c in alarms.conditions(status(app, None)) if not c.key.startswith("late")]


def test_what_waits_for_a_person_is_shown_until_it_is_cleared(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    drop(app, bank.whole(bank.return_of("091000019999999", 5), bank.return_of(trace_of(db, "4711"), 1, trace="2" * 15)))
    drop(app, bank.whole(bank.return_of("091000018888888", 7, trace="3" * 15)), "more.ach")
    assert keys(app) == ["answers"]
    (alarm,) = [c for c in alarms.sweep(app).fresh if c.key == "answers"]
    assert (alarm.code, alarm.text) == (
        "ANSWERS_WAIT", "3 answers of the bank in 2 files for a person, 0.13: gateway answers list --state UNMATCHED"
    )  # fmt: skip
    lists.clear(app, (2, 1), reason="another company's")
    assert not [c for c in alarms.sweep(app).fresh if c.key == "answers"], "told once"
    assert world.all_of(db, "SELECT text FROM alarm WHERE key = 'answers' AND cleared_at IS NULL") == [
        ("2 answers of the bank in 1 file for a person, 0.06: gateway answers list --state UNMATCHED",)
    ], "what is looked at is how things are now"
    found = status(app, None)
    assert found.wants_attention
    assert "ANSWERED returns.ach (#1): 2 answers wait for a person" in "\n".join(page(found, str))
    lists.clear(app, (1, 1), reason="another company's")
    assert "found 0.01 for trace number" in "\n".join(page(status(app, None), str))
    lists.clear(app, (1, 2), reason="the bank sends it again")
    assert keys(app) == [] and "answers" in alarms.sweep(app).over


def test_a_refusal_and_a_missing_acknowledgement_are_alarms(db: Database, home: Home, clock: FixedClock) -> None:
    form = Acknowledgements(files=("{name}.ack",), text="(?P<status>TAKEN|REFUSED)", accepted=("TAKEN",))
    app = company(db, home, clock, bank={"acknowledgements": form})
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, bank=world.bank(acknowledgements=form),
        endpoints={"bank": ENDPOINT},
    )  # fmt: skip
    check(db, "4711", 12_345)
    (outbound_id,) = send(app)
    name = "P01-VACH-BANK-260303.DAT"
    world.insert(
        db, "delivery", outbound_id=outbound_id, endpoint="bank", state="DELIVERED", remote_name=name,
        temporary_name="", attempts=1, ended_at=instant_text(clock.now()),
    )  # fmt: skip
    assert keys(app) == []
    clock.at += timedelta(minutes=61)
    assert keys(app) == [f"ack:{outbound_id}"]
    assert "NOT ACKNOWLEDGED: P01-VACH-BANK-260303.DAT" in "\n".join(page(status(app, None), str))
    fresh = alarms.sweep(app).fresh
    assert [c.code for c in fresh if c.key.startswith("ack")] == ["ACKNOWLEDGEMENT_MISSING"]
    assert not [c for c in alarms.sweep(app).fresh if c.key.startswith("ack")], "told once"
    drop(app, b"REFUSED\n", f"{name}.ack")
    assert keys(app) == ["answers:1"], "a refusal is the word that was due"
    (refused,) = [c for c in alarms.conditions(status(app, None)) if c.key == "answers:1"]
    assert (refused.code, "the bank will not pay it" in refused.text) == ("BANK_REFUSED", True)


def test_a_check_tells_what_would_become_of_each_answer(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    path = home.root / "RTN.ach"
    path.write_bytes(
        bank.whole(
            bank.return_of(trace_of(db, "4711"), 12_345, reason="R23"), bank.return_of("0" * 15, 5, trace="2" * 15)
        )
    )
    tried = checking.check(app, path)
    assert [(m.line_no, m.code) for m in tried.messages if m.severity == "A"] == [(3, "DONE"), (5, "UNMATCHED")]
    assert (tried.file.records, tried.file.rejects, tried.last) == (1, 1, None)
    assert world.one(db, "SELECT COUNT(*) FROM ach_answer") == 0
    assert world.one(db, "SELECT state FROM bank_check") == "SENT"


def test_routing_numbers_of_an_answer_are_shown_in_full_and_accounts_are_not(
    db: Database, home: Home, clock: FixedClock
) -> None:
    """Where the trace numbers around them read; what the bank says in words keeps its long numbers hidden."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    trace = trace_of(db, "4711")
    entry, addenda = bank.return_of(trace, 12_345)
    in_words = f"{'CALL 7766 554433':<44}"
    moved = bank.change_of(trace, "021000021   7766554433", reason="C03", trace="2" * 15)
    unsound = bank.change_of(trace, "021000022   7766554433", reason="C03", trace="3" * 15)
    other = bank.change_of(trace, "021000021   7766554433", reason="C03", trace="4" * 15)
    other[1] = other[1][:79] + "5" * 15
    drop(app, bank.whole([entry, addenda[:35] + in_words + addenda[79:]], moved, unsound, other))
    said, notice, doubted, elsewhere = (lists.show(app, (1, n))["entry"]["answer"] for n in (1, 2, 3, 4))
    assert (said["original_rdfi"], said["information"].strip()) == (bank.RDFI, "CALL **** **4433")
    assert (notice["original_rdfi"], notice["corrected"]["routing"]) == (bank.RDFI, "021000021")
    assert notice["corrected"]["account"] == "****4433"
    assert (doubted["original_rdfi"], doubted["corrected"]["routing"]) == (bank.RDFI, "*****0022")
    assert (elsewhere["original_rdfi"], elsewhere["corrected"]["routing"]) == ("****0001", "*****0021")
