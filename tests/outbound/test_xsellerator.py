"""Xsellerator export: what is selected, what stops it, and what a second export says."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound.built import Built
from gateway.release import release
from gateway.release.build import build
from parsers import xsellerator
from parsers.xsellerator import XselFile, XselRow
from tests.outbound import world

ALL = ("BILLING", "PAYMENTS", "LEVERAGED", "DEPRECIATION")


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    return exporting(home, db, clock)


def exporting(home: Home, db: Database, clock: FixedClock, **changes: Any) -> App:
    return world.app_at(home, db, clock, portfolio={"xsellerator": {"used": True, "interfaces": ALL} | changes})


def rows_of(app: App, built: Built) -> tuple[XselRow, ...]:
    read = xsellerator.read((app.home.outbox / built.files[0].name).read_bytes())
    assert isinstance(read, XselFile), read
    return read.rows


def export(app: App, interface: str = "BILLING", **options: Any) -> Built:
    return build(app, "XSELLERATOR", "1", interface=interface, **options)


def test_billing_of_a_day(db: Database, app: App) -> None:
    world.rent(db, 1, 43_298)
    world.rent(db, 2, 100)
    world.rent(db, 2, 999, update="U0415")  # another update is another interface
    world.mark(db, "U0422")
    built = export(app)
    assert built.files[0].name == "XPT_BILLING_20260302_20260302.xml"
    assert rows_of(app, built) == (
        XselRow(0, "STKL1", "AL1", 1, "1003", 43_298, "LEASE PAYMENTS RECEIVABLE"),
        XselRow(0, "STKL1", "AL1", 1, "1601", -43_298, "RENT REVENUE"),
        XselRow(0, "STKL2", "AL2", 2, "1003", 100, "LEASE PAYMENTS RECEIVABLE"),
        XselRow(0, "STKL2", "AL2", 2, "1601", -100, "RENT REVENUE"),
    )
    assert (built.files[0].total_debit_cents, built.files[0].total_credit_cents) == (43_398, 43_398)


def test_range_is_by_business_date(db: Database, app: App) -> None:
    world.rent(db, 1, 1)
    world.change(db, "UPDATE portfolio SET business_date = '2026-03-03'")
    world.rent(db, 1, 2)
    assert len(rows_of(app, export(app, start=date(2026, 3, 3)))) == 2
    assert len(rows_of(app, export(app, start=date(2026, 3, 1), end=date(2026, 3, 2)))) == 2
    with pytest.raises(Refused, match="expected a range forward"):
        export(app, start=date(2026, 3, 3), end=date(2026, 3, 1))


def test_loans_and_prepaid_leases_stay_out_and_corrections_come_along(db: Database, app: App) -> None:
    world.lease(db, "L3", 1, kind="loan", control_number=None)
    world.lease(db, "L4", 1, prepaid="Y", control_number=None)
    world.rent(db, 1, 5, lease="L3")
    world.rent(db, 1, 6, lease="L4")
    first = world.rent(db, 1, 7)
    world.post(
        db, (1, "RENT REVENUE", "D", 7), (1, "LEASE PAYMENTS RECEIVABLE", "C", 7), update="REVERSE", corrects=first
    )
    assert [row.amount_cents for row in rows_of(app, export(app))] == [7, -7, 7, -7]


def test_a_fee_that_a_file_of_reversals_assessed_is_billing(db: Database, app: App) -> None:
    """Its payment goes out, and so do waivers of it; what the file moved of payments does not."""
    fee, payment = ((1, "LEASE PAYMENTS RECEIVABLE", "D", 25), (1, "RENT REVENUE", "C", 25)), {"update": "U0470"}
    world.insert(
        db, "charge", portfolio="1", code="LTCH", name="LATE", type="I", basis="C", used="Y", level="lease", payment_order=0, taxable="N",
        priority="N", receivable_purpose="ASSMT RECV - LTCH", income_purpose="ASSMT INC/PAY - LTCH",
    )  # fmt: skip
    for txn in ("REVL", "REVA", "PYMT"):
        world.rent(db, 1, 999, txn=txn, **payment)
    first = world.post(db, *fee, txn="LTCH", **payment)
    world.rent(db, 1, 7, update="WAIVE", txn="WAIV", corrects=first)
    world.rent(db, 1, 3, update="REVERSE", txn="LTCH", corrects=first)
    world.rent(db, 1, 5, update="REVERSE", txn="REVL", corrects=first)
    assert [row.amount_cents for row in rows_of(app, export(app))] == [25, -25, 7, -7, 3, -3]


def test_condensed(db: Database, app: App, home: Home, clock: FixedClock) -> None:
    for cents in (10, 20):
        world.rent(db, 1, cents)
        world.rent(db, 2, cents)
    condensed = exporting(home, db, clock, condense=True, auto_condense_accounts=["1601"])
    built = export(condensed)
    assert rows_of(condensed, built) == (
        XselRow(0, "STKL1", "AL1", 1, "1003", 30, "LEASE PAYMENTS RECEIVABLE"),
        XselRow(0, "", "", 0, "1601", -60, "RENT REVENUE"),
        XselRow(0, "STKL2", "AL2", 2, "1003", 30, "LEASE PAYMENTS RECEIVABLE"),
    )
    sources = world.all_of(db, "SELECT seq, COUNT(*) FROM outbound_source GROUP BY seq ORDER BY seq")
    assert sources == [(1, 2), (2, 4), (3, 2)]


def test_what_condensing_brings_to_zero_still_has_a_source(
    db: Database, app: App, home: Home, clock: FixedClock
) -> None:
    world.rent(db, 1, 10)
    world.post(db, (1, "RENT REVENUE", "D", 10), (1, "SUSPENSE", "C", 10))
    condensed = exporting(home, db, clock, condense=True)
    assert [row.ledger_account for row in rows_of(condensed, export(condensed))] == ["1003", "1405"]
    assert len(world.all_of(db, "SELECT source FROM outbound_source WHERE seq = 0")) == 2


def test_only_flagged_accounts_condense_by_themselves(db: Database, app: App, home: Home, clock: FixedClock) -> None:
    world.rent(db, 1, 10)
    world.rent(db, 1, 20)
    flagged = exporting(home, db, clock, auto_condense_accounts=["1601"])
    assert [row.amount_cents for row in rows_of(flagged, export(flagged))] == [10, 20, -30]


def test_exported_before_is_refused_with_the_difference(db: Database, app: App) -> None:
    world.rent(db, 1, 10)
    first = export(app)
    world.rent(db, 1, 25)
    with pytest.raises(
        Refused, match=r"XPT_BILLING_20260302_20260302.xml \(1 of 2 entries\); since then 1 new entries, 0"
    ):
        export(app)
    with pytest.raises(Refused, match="exported before"):
        export(app, start=date(2026, 3, 1), end=date(2026, 3, 31))
    with pytest.raises(UsageError, match="exporting BILLING again: found no reason"):
        export(app, again=True)
    again = export(app, again=True, reason="they lost it")
    assert again.messages[1] == "again because they lost it"
    assert again.files[0].name == "XPT_BILLING_20260302_20260302-2.xml"
    assert "since then 1 new entries, 0.25" in again.messages[0]
    assert len(rows_of(app, again)) == 4
    world.rent(db, 1, 40)
    with pytest.raises(
        Refused,
        match=r"20260302.xml \(1 of 3 entries\), XPT_BILLING_20260302_20260302-2.xml \(2 of 3 entries\); since then 1 new entries, 0.40",
    ):
        export(app)
    for file in (first, again):
        release.reject(app, file.files[0].outbound_id, reason="made in error")
    assert export(app).files, "what was rejected never went out"


def test_after_a_file_that_was_used_only_what_is_new_goes(db: Database, app: App) -> None:
    """``--again`` was the only way to what was posted since, and the dealer system booked the rest twice."""
    world.rent(db, 1, 10)
    first = export(app).files[0].outbound_id
    world.rent(db, 1, 25)
    day = {"start": date(2026, 3, 2), "end": date(2026, 3, 2)}
    with pytest.raises(
        Refused,
        match=rf"not used: gateway outbound reject {first} --reason WHY\. If it was: gateway outbound build xsellerator "
        rf"--portfolio 1 --interface BILLING --from 2026-03-02 --to 2026-03-02 --after {first} --reason WHY exports what is new",
    ):
        export(app)
    with pytest.raises(UsageError, match="after a file that was used: found no reason"):
        export(app, **day, after=first)
    with pytest.raises(UsageError, match=rf"--after 99, expected the last file .* which is #{first} \(XPT_BILLING"):
        export(app, **day, after=99, reason="they have it")
    second = export(app, **day, after=first, reason="they have it")
    assert [row.amount_cents for row in rows_of(app, second)] == [25, -25]
    assert second.messages[-1] == "only these, because they have it"
    with pytest.raises(Refused, match=r"since then 0 new entries, 0.00; .* nothing is left to export"):
        export(app)
    last = second.files[0].outbound_id
    nothing = export(app, after=last, reason="is there more?")
    assert nothing.files == () and nothing.messages[-1] == "BILLING: nothing new since"
    with pytest.raises(UsageError, match=rf"--after {first}, expected the last file"):
        export(app, after=first, reason="they have that one")
    release.reject(app, first, reason="they have not, after all")
    third = export(app, after=last, reason="they have the second")
    assert [row.amount_cents for row in rows_of(app, third)] == [10, -10], "what was rejected is free again"
    with pytest.raises(UsageError, match="which is none"):
        export(app, start=date(2026, 3, 1), end=date(2026, 3, 1), after=last, reason="x")


def test_missing_references_name_the_lease(db: Database, app: App) -> None:
    world.lease(db, "L3", 1, control_number=None, deal_number="X")
    world.rent(db, 1, 1, lease="L3")
    with pytest.raises(Refused, match=r"lease L3 \(control number, deal number\)"):
        export(app)
    assert world.all_of(db, "SELECT 1 FROM outbound_file") == []


def test_money_without_a_lease_stops(db: Database, app: App) -> None:
    entry = world.rent(db, 1, 1, lease=None)
    with pytest.raises(Refused, match=rf"entry {entry} \(no lease\)"):
        export(app)


def test_shared_control_number_names_both_deals(db: Database, app: App) -> None:
    world.lease(db, "L3", 1, control_number="STKL1")
    world.rent(db, 1, 1)
    with pytest.raises(Refused, match=r"STKL1 by deal AL1/1 \(lease L1\) and deal AL3/3 \(lease L3\)"):
        export(app)
    world.change(db, "UPDATE lease SET status = 'CPPD' WHERE lease = 'L3'")
    assert export(app).files, "a closed deal's number may be used again"


def test_nothing_to_export_is_said(app: App) -> None:
    assert export(app) == Built(messages=("BILLING: no entries from 2026-03-02 to 2026-03-02",))


def test_leveraged_warns_unless_a_full_month(db: Database, app: App) -> None:
    assert export(app, "LEVERAGED").messages[0] == "LEVERAGED: 2026-03-02 to 2026-03-02 is not one full month"
    for first, last, warned in (
        (date(2026, 3, 1), date(2026, 3, 31), False), (date(2028, 2, 1), date(2028, 2, 29), False),
        (date(2028, 2, 1), date(2028, 2, 28), True), (date(2027, 12, 1), date(2028, 12, 31), True),
        (date(9999, 12, 1), date(9999, 12, 31), False),
    ):  # fmt: skip
        assert len(export(app, "LEVERAGED", start=first, end=last).messages) == 1 + warned, (first, last)


def test_interfaces_must_be_on(app: App, home: Home, db: Database, clock: FixedClock) -> None:
    with pytest.raises(UsageError, match="found no such interface"):
        export(app, "FAX")
    with pytest.raises(Refused, match="exporting DEFERRED of portfolio 1: found it off"):
        export(app, "DEFERRED")
    with pytest.raises(Refused, match="found it off"):
        export(world.app_at(home, db, clock))


def test_a_text_that_does_not_fit_stops_the_file(db: Database, app: App) -> None:
    world.lease(db, "L3", 1, control_number="S" * 16)
    world.rent(db, 1, 1, lease="L3")
    with pytest.raises(Refused, match=r"XPT_ControlNo .* has 16 characters, the field holds 15"):
        export(app)


def payment(db: Database, batch: str, cents: int, effective_date: str) -> None:
    entry = world.post(db, (1, "CASH 125", "D", cents), (1, "LEASE PAYMENTS RECEIVABLE", "C", cents), update="U0415")
    unit = entry // 100_000_000
    world.insert(
        db, "payment_batch", batch=batch, portfolio="1", operator="ANN", effective_date=effective_date,
        effective_time="10:00:00", cash_account="125", amount_cents=cents, state="LIVE", unit_id=unit,
    )  # fmt: skip
    world.insert(
        db, "payment_line", batch=batch, line=1, lease="L1", amount_cents=cents, state="APPLIED", entry_id=entry,
        asset="",
    )  # fmt: skip


def test_payments_go_as_whole_open_batches_and_close(db: Database, app: App) -> None:
    payment(db, "0" * 20, 10, "2026-02-27")
    payment(db, "1" * 20, 20, "2026-03-02")
    built = export(app, "PAYMENTS")
    name = "XPT_PAYMENTS_20260227_20260302.xml"
    assert built.files[0].name == name
    assert [row.amount_cents for row in rows_of(app, built)] == [10, -10, 20, -20]
    assert world.all_of(db, "SELECT DISTINCT exported_in FROM payment_batch") == [(name,)]
    assert export(app, "PAYMENTS").files == (), "an exported batch is closed"
    payment(db, "2" * 20, 5, "2026-03-02")
    assert len(rows_of(app, export(app, "PAYMENTS"))) == 2
    release.reject(app, built.files[0].outbound_id, reason="wrong month")
    assert world.one(db, "SELECT COUNT(*) FROM payment_batch WHERE exported_in IS NULL") == 2
