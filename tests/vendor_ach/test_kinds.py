"""Prenotes, CTX, same-day runs and a bank's wishes, from checks to files that other eyes read."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger.ach_checks import CheckKey
from gateway.ledger.database import Database
from gateway.outbound.built import Built
from gateway.release import release
from gateway.release.build import build
from gateway.vendor_ach import entries
from parsers import nacha, vach_scratch, x12_820
from tests.outbound import world
from tests.outbound.ach import approve, kinds, made, on, returned, set_up, withheld

PRENOTES: dict[str, Any] = {"prenotes": True, "prenote_ccd": True}


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    world.vendor(db)
    return set_up(db, home, clock)


# --- prenotes -----------------------------------------------------------------------------------------------


def test_a_vendor_is_prenoted_waits_and_is_paid(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    world.vendor(db, "V2", sec="PPD", account_type="savings", prenote_sent="Y", prenote_sent_on="2026-01-05")
    world.check(db, "1")
    world.check(db, "2")
    world.check(db, "3", vendor="V2")
    app = set_up(db, home, clock, **PRENOTES)
    built, batches = made(app)
    assert [(b.sec_code, b.description, b.service_class) for b in batches] == [
        ("PPD", "VENDOR PAY", "220"), ("CCD", "PRENOTE", "220"),
    ]  # fmt: skip
    assert [(e.transaction_code, e.amount_cents) for b in batches for e in b.entries] == [("32", 10_000), ("23", 0)]
    assert kinds(db) == [
        ("LIVE", "V2", "3", 10_000, "32", "2026-03-03"), ("PRENOTE", "V1", None, 0, "23", "2026-03-03"),
    ]  # fmt: skip
    scratch = vach_scratch.read((home.outbox / built.files[1].name).read_bytes())
    assert [(r.check, r.prenote, r.flag) for r in scratch if isinstance(r, vach_scratch.VachRecord)] == [
        ("3", "N", "P"), ("", "Y", "P"),
    ]  # fmt: skip
    assert built.withheld == 2
    assert any("one goes out now for 2026-03-03" in text for text in withheld(app, built))

    again, _ = made(app)
    assert not again.files, "one prenote is enough"
    assert all("waits for release" in text for text in withheld(app, again))
    approve(app, built)
    early, _ = made(set_up(db, home, on("2026-03-04"), **PRENOTES))
    assert not early.files
    assert all("effective date from 2026-03-06" in text for text in withheld(app, early))
    _, batches = made(set_up(db, home, on("2026-03-05"), **PRENOTES))
    assert [len(b.entries) for b in batches] == [2]
    assert {b.effective_date for b in batches} == {"2026-03-06"}


def test_a_rejected_prenote_goes_out_anew(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    world.check(db, "1")
    app = set_up(db, home, clock, **PRENOTES)
    first, _ = made(app)
    release.reject(app, first.files[0].outbound_id, reason="wrong day")
    _, batches = made(app)
    assert [e.transaction_code for b in batches for e in b.entries] == ["23"]


def test_a_returned_prenote_blocks_until_the_details_change(
    app: App, db: Database, home: Home, clock: FixedClock
) -> None:
    world.check(db, "1")
    app = set_up(db, home, clock, **PRENOTES)
    first, _ = made(app)
    approve(app, first)
    returned(db, first.files[0].outbound_id, 1, "R03")
    later = set_up(db, home, on("2026-03-12"), **PRENOTES)
    built, _ = made(later)
    assert not built.files
    assert [text for text in withheld(app, built) if "returned by the bank with R03" in text]
    without, _ = made(set_up(db, home, on("2026-03-12")))
    assert not without.files, "where none are sent the bank's word is no other"
    assert [text for text in withheld(app, without) if "returned by the bank with R03" in text]
    world.applied_change(db, "V1")
    _, batches = made(later)
    assert [e.transaction_code for b in batches for e in b.entries] == ["23"], "new details are tested anew"
    assert world.one(db, "SELECT MAX(details_version) FROM ach_entry") == 2


@pytest.mark.parametrize("prenotes", [PRENOTES, {}], ids=["of its own", "of another portfolio"])
def test_a_prenote_that_comes_back_stops_the_release_of_what_was_built_before(
    app: App, db: Database, home: Home, clock: FixedClock, prenotes: dict[str, Any]
) -> None:
    world.check(db, "1")
    first, _ = made(set_up(db, home, clock, **PRENOTES))
    approve(app, first)
    later = set_up(db, home, on("2026-03-12"), **prenotes)
    built, _ = made(later)
    returned(db, first.files[0].outbound_id, 1, "R04")
    with pytest.raises(Refused, match="found vendor V1 with a prenote that the bank returned since the file was built"):
        approve(later, built)
    release.reject(later, built.files[0].outbound_id, reason="the prenote came back")
    again, _ = made(later)
    assert not again.files


# --- CTX ----------------------------------------------------------------------------------------------------


def test_ctx_pays_several_checks_by_one_entry(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    world.vendor(db, "V3", sec="CTX", name="Northwestern Equipment Leasing", account="777")
    for number in range(40):
        world.check(db, str(100 + number), 100 + number, vendor="V3", office_id=1 + number % 2)
    world.check(db, "1")
    built, batches = made(app)
    assert [(b.sec_code, len(b.entries)) for b in batches] == [("CCD", 1), ("CTX", 1)]
    (entry,) = batches[1].entries
    assert (entry.name, entry.amount_cents) == ("NORTHWESTERN EQU", sum(range(100, 140)))
    advice = x12_820.read(x12_820.joined(entry.addenda))
    assert isinstance(advice, x12_820.Advice), advice
    assert advice.lines == tuple((f"INV-{100 + n}", 100 + n) for n in range(40))
    assert (advice.trace_number, advice.payee) == (entry.trace_number, "NORTHWESTERN EQUIPMENT LEASING")
    assert (advice.sender, advice.receiver, advice.usage) == ("1234567890", "V3", "P")
    assert "12345678" not in x12_820.joined(entry.addenda).replace("1234567890", ""), "no account number in the advice"
    assert len((home.outbox / built.files[1].name).read_bytes()) == 41 * 129, "the scratch file has a record a check"
    assert world.one(db, "SELECT COUNT(*) FROM bank_check WHERE state = 'RESERVED'") == 41
    row = world.all_of(db, "SELECT seq, check_no, issue, amount_cents FROM ach_entry WHERE sec = 'CTX'")
    assert row == [(2, None, None, sum(range(100, 140)))]
    with db.read() as connection:
        checks = entries.checks_of(connection, built.files[0].outbound_id, 2)
    assert checks == [CheckKey("1", "126", str(100 + n), 1) for n in range(40)]
    sent = next(one.report for one in built.reports if one.report.spec.name == "U0424A")
    assert len([row for row in sent.rows if row[13] == entry.trace_number]) == 40


def test_ctx_wishes_of_a_bank(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    world.vendor(db, "V3", sec="CTX")
    world.check(db, "1", vendor="V3")
    world.check(db, "2", vendor="V3")
    x12 = {"sender": "PRAIRIE", "sender_qualifier": "01", "receiver": "ALL", "receiver_qualifier": "12", "usage": "T"}
    bank = world.FIRST_BANK.model_validate(world.FIRST_BANK.model_dump() | {"x12": x12, "line_limit": 20})
    _, batches = made(world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, bank=bank))
    advice = x12_820.read(x12_820.joined(batches[0].entries[0].addenda))
    assert isinstance(advice, x12_820.Advice)
    assert (advice.sender, advice.sender_qualifier, advice.receiver, advice.receiver_qualifier, advice.usage) == (
        "PRAIRIE", "01", "ALL", "12", "T",
    )  # fmt: skip


# --- same-day -----------------------------------------------------------------------------------------------

SAME_DAY = {"same_day": "asked", "same_day_windows": {"10:00": "SD1300", "14:15": "SD1700"}}


@pytest.mark.parametrize(
    ("utc_hour", "marker"),
    [(14, "SD1300"), (15, "SD1700"), (19, "SD1700")],  # 9:00, 10:00 and 14:00 in New York
)
def test_same_day(app: App, db: Database, home: Home, utc_hour: int, marker: str) -> None:
    world.check(db, "1", disbursement_date="2026-03-02")
    world.check(db, "2", disbursement_date="2026-03-03")
    world.check(db, "3", 100_000_001, disbursement_date="2026-02-27")
    world.check(db, "4", 100_000_000, disbursement_date="2026-02-27")
    app = set_up(db, home, on("2026-03-02", utc_hour), bank=SAME_DAY)
    built, batches = made(app, same_day=True)
    assert [(b.effective_date, b.descriptive_date) for b in batches] == [("2026-03-02", marker)]
    assert [e.identification for e in batches[0].entries] == ["PRAI-4", "PRAI-1"], "tomorrow's is not taken"
    assert [text for text in withheld(app, built) if "expected at most 1,000,000.00 on the same day" in text]


@pytest.mark.parametrize(
    ("when", "bank", "message"),
    [
        ("2026-03-02T14:00", {}, "same_day = 'never', expected 'asked'"),
        ("2026-03-02T19:15", SAME_DAY, "found 14:15, expected a time before the last cutoff 14:15"),
        ("2026-02-28T14:00", SAME_DAY, "no banking day"),
    ],
)
def test_same_day_refused(app: App, db: Database, home: Home, when: str, bank: dict[str, Any], message: str) -> None:
    world.check(db, "1", disbursement_date="2026-02-27")
    at = FixedClock(datetime.fromisoformat(when).replace(tzinfo=UTC))
    with pytest.raises(Refused, match=message):
        made(set_up(db, home, at, bank=bank), same_day=True)
    assert world.one(db, "SELECT state FROM bank_check") == "NEW"


def test_a_same_day_offset_is_within_the_limit_too(
    db: Database, home: Home, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFSET", "998877")
    for number in ("1", "2"):
        world.check(db, number, 60_000_000, disbursement_date="2026-03-02")
    bank = SAME_DAY | {"balanced": True, "offset_account": "env:OFFSET"}
    _, batches = made(set_up(db, home, on("2026-03-02", 14), bank=bank), same_day=True)
    assert [[e.amount_cents for e in batch.entries] for batch in batches] == [[60_000_000] * 2] * 2
    world.check(db, "3", 60_000_000, disbursement_date="2026-03-03")
    world.check(db, "4", 60_000_000, disbursement_date="2026-03-03")
    _, (batch,) = made(set_up(db, home, on("2026-03-02", 14), bank=bank))
    assert [e.amount_cents for e in batch.entries] == [60_000_000, 60_000_000, 120_000_000], "no limit on another day"


def test_same_day_checks_of_a_ctx_vendor_are_one_payment(db: Database, home: Home, app: App) -> None:
    """They go in one entry on any day, and are not split to pass the limit on this one."""
    world.vendor(db, "V3", sec="CTX", account="333")
    for number, cents in enumerate((60_000_000, 50_000_000, 40_000_000, 1), 1):
        world.check(db, str(number), cents, vendor="V3", disbursement_date="2026-02-27")
    app = set_up(db, home, on("2026-03-02", 14), bank=SAME_DAY)
    built, (batch,) = made(app, same_day=True)
    assert [e.amount_cents for e in batch.entries] == [100_000_000]
    assert [text.split(" on the same day")[0] for text in withheld(app, built)] == [
        "Found 1,100,000.00 with the vendor's other checks of the day, expected at most 1,000,000.00",
        "Found 1,000,000.01 with the vendor's other checks of the day, expected at most 1,000,000.00",
    ]
    again, _ = made(app, same_day=True)
    assert not again.files, "nor by a second run of the day"
    assert [text.split(" with")[0] for text in withheld(app, again)] == ["Found 1,500,000.00", "Found 1,000,000.01"]
    release.reject(app, built.files[0].outbound_id, reason="another order")
    anew, (batch,) = made(app, same_day=True)
    assert [e.amount_cents for e in batch.entries] == [100_000_000], "what was rejected was no payment"
    approve(app, anew)
    _, (batch,) = made(app)
    assert [(e.amount_cents, batch.effective_date) for e in batch.entries] == [(50_000_001, "2026-03-03")]
    tomorrow = set_up(db, home, on("2026-03-03", 14), bank=SAME_DAY)
    world.check(db, "5", 70_000_000, vendor="V3", disbursement_date="2026-03-03")
    _, (batch,) = made(tomorrow, same_day=True)
    assert [e.amount_cents for e in batch.entries] == [70_000_000], "each day has its own"


@pytest.mark.parametrize(
    ("utc_hour", "bank", "message"),
    [
        (14, {}, None),
        (15, {}, r"found its same-day window SD1300 closed at 10:00, expected a release before it; reject the file and build "
                 r"it again, with --same-day while a later window is open, else without"),
        (14, {"same_day_windows": {"14:15": "SD1700"}}, "built for the same-day window SD1300, expected one of the bank's"),
        (14, {"same_day": "never"}, "built for the same-day window SD1300, expected one of the bank's"),
    ],
)  # fmt: skip
def test_the_same_day_window_is_asked_again_at_approval(
    db: Database, home: Home, app: App, utc_hour: int, bank: dict[str, Any], message: str | None
) -> None:
    world.check(db, "1", disbursement_date="2026-03-02")
    built, _ = made(set_up(db, home, on("2026-03-02", 14), bank=SAME_DAY), same_day=True)
    later = set_up(db, home, on("2026-03-02", utc_hour), bank=SAME_DAY | bank)
    if message is None:
        approve(later, built)
        return
    with pytest.raises(Refused, match=message):
        approve(later, built)
    release.reject(later, built.files[0].outbound_id, reason="too late")
    again, (batch,) = made(set_up(db, home, on("2026-03-02", 15), bank=SAME_DAY), same_day=True)
    assert (batch.descriptive_date, len(again.files)) == ("SD1700", 2)


# --- a bank's wishes ----------------------------------------------------------------------------------------


def test_descriptions_and_digits(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    world.vendor(db, "V2", sec="PPD")
    world.check(db, "1")
    world.check(db, "2", vendor="V2")
    wishes = {
        "entry_descriptions": {"PPD": "EXPENSES"}, "modifier_alphabet": "0123456789", "immediate_origin": "091000019",
        "name_pattern": "ACH{portfolio}.{date}{further}.txt",
    }  # fmt: skip
    built, batches = made(set_up(db, home, clock, bank=wishes))
    assert [(b.sec_code, b.description) for b in batches] == [("CCD", "VENDOR PAY"), ("PPD", "EXPENSES")]
    assert built.files[0].name == "ACH1.260303.txt"
    first = (home.outbox / built.files[0].name).read_text().splitlines()[0]
    assert (first[13:23], first[33]) == (" 091000019", "0")


def test_balanced_prenotes_have_no_offset(
    app: App, db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFSET", "998877")
    world.vendor(db, "V2", sec="CCD", prenote_sent="Y")
    world.check(db, "1")
    world.check(db, "2", 700, vendor="V2")
    bank = {"balanced": True, "offset_account": "env:OFFSET"}
    _, batches = made(set_up(db, home, clock, bank=bank, **PRENOTES))
    assert [[e.name for e in b.entries] for b in batches] == [["VENDOR V2", "OFFSET"], ["VENDOR V1"]]
    assert [row[0] for row in world.all_of(db, "SELECT kind FROM ach_entry ORDER BY seq")] == [
        "LIVE",
        "OFFSET",
        "PRENOTE",
    ]


# --- numbers ------------------------------------------------------------------------------------------------


def test_two_portfolios_building_at_once_share_no_number(app: App, db: Database, home: Home, clock: FixedClock) -> None:
    """One bank, one sequence and one row of modifiers a day, whoever comes first; a build that fails uses none up."""
    world.insert(db, "portfolio", portfolio="2", name="Second", business_date="2026-03-02", period_state="OPEN")
    world.insert(db, "office", office_id=9, portfolio="2", company="1", region="1", office="9", name="Office 9")
    for number in range(30):
        world.check(db, f"A{number}", lease=None)
        world.check(db, f"B{number}", portfolio="2", office_id=9, lease=None)
    settings = app.settings
    both = replace(app, settings=replace(settings, portfolios=dict.fromkeys(("1", "2"), settings.portfolios["1"])))
    numbers_at_once = threading.Barrier(2)

    def run(portfolio: str) -> Built:
        numbers_at_once.wait()
        return build(both, "VACH", portfolio)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, ["1", "2"])
    files = [nacha.read((home.outbox / built.files[0].name).read_bytes()) for built in (first, second)]
    assert sorted(f.header.file_id_modifier for f in files if isinstance(f, nacha.NachaFile)) == ["A", "B"]
    traces = world.all_of(db, "SELECT trace_number FROM ach_entry ORDER BY trace_number")
    assert traces == [(f"09100001{n:07d}",) for n in range(1, 61)]


def test_a_build_that_fails_uses_no_number_up(
    app: App, db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.check(db, "1")

    def fail(*_: object) -> None:
        raise RuntimeError("power")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.vendor_ach.reports.reports", fail)
        with pytest.raises(RuntimeError, match="power"):
            build(app, "VACH", "1")
    assert world.all_of(db, "SELECT 1 FROM ach_entry") == world.all_of(db, "SELECT 1 FROM counter") == []
    _, batches = made(app)
    assert [e.trace_number for b in batches for e in b.entries] == ["091000010000001"]
