"""Findings in the build of real files, and the release that has to accept them, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from gateway.app import App
from gateway.clock import FixedClock
from gateway.console.status import status
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger import load_checks, vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.events import note
from gateway.ledger.vendor_changes import Maker
from gateway.outbound.built import Built
from gateway.outbound.store import Frozen
from gateway.release import release
from gateway.release.build import build, finish, within
from gateway.vendor_ach import voids
from tests.outbound import world
from tests.outbound.ach import refused, returned
from tests.support.at_once import until_it_waits

ENDPOINTS = {"bank": {"host": "h", "user": "u", "key": "k"}}


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """The rules as they are without a setting; grace days enough to build for several dates."""
    world.company(db)
    world.vendor(db)
    return at(home, db, clock)


def at(home: Home, db: Database, clock: FixedClock, **fraud: Any) -> App:
    portfolio = {"vendor_ach": world.VENDOR_ACH | {"grace_days": 9}, "fraud": fraud}
    return world.app_at(home, db, clock, portfolio=portfolio)


def built(app: App) -> Frozen:
    return build(app, "VACH", "1").files[0]


def findings(app: App, file: Frozen) -> list[tuple[str, str, str | None]]:
    return [
        (f["rule"], f["action"], f["check"] or f["vendor"]) for f in release.show(app, file.outbound_id)["findings"]
    ]


def hold_text(app: App, file: Frozen) -> str:
    return str(release.show(app, file.outbound_id)["hold_text"])


def approve(app: App, file: Frozen, *accept: str, reason: str | None = "called them") -> None:
    bob = world.as_person(app, world.BOB)
    release.approve(bob, file.outbound_id, sha256=file.sha256, accept=accept, reason=reason)


def changed(app: App, new: str = "42") -> None:
    """Another account number for V1, applied by a second person at the clock's time."""
    with app.db.write() as connection:
        number = vendor_changes.propose(
            app.db, connection, app.vault, "V1", {"account_number": new}, origin="OPERATOR", reason="letter",
            maker=Maker("ANN", "ann"), at=app.now(),
        )  # fmt: skip
        vendor_changes.approve(app.db, connection, app.vault, number or 0, operator=world.BOB, at=app.now())


def proposed(app: App) -> None:
    with app.db.write() as connection:
        vendor_changes.propose(
            app.db, connection, app.vault, "V1", {"account_number": "43"}, origin="NOC", reason="C01",
            maker=Maker("SVC", "svc"), at=app.now(),
        )  # fmt: skip


def test_a_first_payment_holds_until_it_is_accepted(db: Database, app: App) -> None:
    world.check(db, "1")
    file = built(app)
    assert findings(app, file) == [("first-payment", "HOLD", "V1")]
    assert hold_text(app, file) == "waits for release; to accept: first-payment"
    with pytest.raises(
        Refused, match=r"held by first-payment: first payment to vendor V1; .* give --accept first-paym"
    ):
        approve(app, file)
    with pytest.raises(UsageError, match="held by first-payment: found no reason, expected one"):
        approve(app, file, "first-payment", reason=" ")
    with pytest.raises(UsageError, match=r"found --accept velocity, expected what holds the file: first-payment$"):
        approve(app, file, "first-payment", "velocity")
    with pytest.raises(UsageError, match=r"found --accept fraud, expected .*no rule of that name; there are first-pay"):
        approve(app, file, "fraud")
    assert world.one(db, "SELECT state FROM outbound_file WHERE kind = 'VACH-BANK'") == "BUILT"
    approve(app, file, "first_payment")
    (kept,) = world.all_of(
        db, "SELECT rule, vendor, accepted_by, accepted_user, accepted_at, accepted_reason FROM fraud_finding"
    )
    assert kept == ("first-payment", "V1", "BOB", "bob", app.now(), "called them")
    event = world.one(db, "SELECT reason FROM operator_event WHERE action = 'outbound.approve'")
    assert event == f"sha256 {file.sha256}; accepting first-payment: called them"


def test_what_only_warns_is_accepted_by_nobody(db: Database, home: Home, clock: FixedClock, app: App) -> None:
    warns = at(home, db, clock, velocity={"payments": 1})
    world.check(db, "1")
    world.check(db, "2", 500)
    approve(warns, built(warns), "first-payment")
    assert world.all_of(db, "SELECT rule, action, accepted_by FROM fraud_finding ORDER BY finding_id") == [
        ("first-payment", "HOLD", "BOB"), ("velocity", "WARN", None),
    ]  # fmt: skip


@pytest.mark.parametrize("back", ["returned", "refused"])
def test_what_counts_as_a_payment_before(db: Database, app: App, back: str) -> None:
    """What a rejected file held was none, nor what came back or the bank refused; changed details have had none."""
    world.check(db, "1")
    rejected = built(app)
    release.reject(app, rejected.outbound_id, reason="wrong date")
    approve(app, built(app), "first-payment")
    world.check(db, "2", 500)
    file = built(app)
    assert findings(app, file) == [] and hold_text(app, file) == "waits for release"
    approve(app, file, reason=None)
    for outbound_id in (3, file.outbound_id):
        if back == "returned":
            returned(db, outbound_id, 1)
        else:
            refused(db, outbound_id)
    world.check(db, "3", 600)
    assert findings(app, built(app)) == [("first-payment", "HOLD", "V1")]


@pytest.mark.parametrize("sec", ["CCD", "CTX"])
def test_a_payment_that_was_taken_back_vouches_for_nothing(db: Database, app: App, sec: str) -> None:
    """Whoever paid the wrong account and took it back must not pay there a second time unasked."""
    world.clearing(db, 1)
    world.change(db, "UPDATE vendor SET sec = :s", s=sec)
    world.check(db, "1")
    if sec == "CTX":
        world.check(db, "2", 300)
    first = built(app)
    approve(app, first, "first-payment")
    world.at_bank(app)
    voids.void(app, "1", reason="wrong account", whole_entry=True)
    world.check(db, "3", 500)
    again = built(app)
    assert findings(app, again) == [("first-payment", "HOLD", "V1")]
    release.reject(app, again.outbound_id, reason="look")
    voids.undo(app, "1", reason="it was right")
    assert findings(app, built(app)) == []


def test_a_check_loaded_as_sent_paid_the_first_details(db: Database, app: App, clock: FixedClock) -> None:
    world.check(db, "0", 77, state="SENT")
    world.check(db, "1")
    file = built(app)
    assert findings(app, file) == []
    changed(app)
    clock.elapsed += 7 * 86_400
    world.check(db, "2", 88)
    assert [f["detail"] for f in release.show(app, built(app).outbound_id)["findings"]] == [
        "first payment to vendor V1 with its bank details of version 2"
    ]


def test_a_check_loaded_as_sent_vouches_for_nobody_once_files_are_built_here(
    db: Database, app: App, clock: FixedClock
) -> None:
    """Whoever loads a vendor could load it with a payment that there never was."""
    world.vendor(db, "V2", account_sealed=world.VAULT.seal("555", field="vendor.account"))
    for number, vendor in (("0", "V1"), ("00", "V2")):
        world.check(db, number, 77, state="SENT", vendor=vendor)
    loaded(app, "0")
    world.check(db, "1")
    assert findings(app, built(app)) == []
    clock.elapsed += 60
    loaded(app, "00")
    clock.elapsed += 60
    world.check(db, "3")
    built(app)
    world.check(db, "2", 600, vendor="V2")
    assert findings(app, built(app)) == [("first-payment", "HOLD", "V2")]


def loaded(app: App, number: str) -> None:
    with app.db.write() as connection:
        note(connection, app.operator, load_checks.LOADED, f"check 1/126/{number}", "checks.csv", at=app.now())


def exceptions(result: Built) -> list[tuple[Any, ...]]:
    report = result.reports[2].report
    keys = [c.key for c in report.spec.columns]
    return [tuple(row[keys.index(k)] for k in ("check", "account", "amount", "code", "reason")) for row in report.rows]


@pytest.mark.parametrize(("new", "shown"), [("5551234", "****1234"), ("1234", "****")])
def test_details_that_changed_lately_withhold_the_payment(
    db: Database, app: App, clock: FixedClock, new: str, shown: str
) -> None:
    world.vendor(db, "V2", account="9988")
    changed(app, new)
    world.check(db, "1", 700)
    world.check(db, "2", 800, vendor="V2")
    result = build(app, "VACH", "1")
    assert [f.records for f in result.files] == [1, 1] and result.withheld == 1
    found = (
        "Found vendor V1 with bank details changed on 2026-03-02, expected a file from 2026-03-05 on: let a later run take "
        "it."
    )
    assert exceptions(result) == [("1", shown, 700, "CHANGE", found)]
    assert world.all_of(
        db, "SELECT outbound_id, rule, action, vendor, bank, check_no FROM fraud_finding ORDER BY 1"
    ) == [
        *([(None, "changed-details", "HOLD", "V1", "126", "1")] if db.is_sqlite else []),
        (1, "first-payment", "HOLD", "V2", None, None),
        *([] if db.is_sqlite else [(None, "changed-details", "HOLD", "V1", "126", "1")]),
    ]
    clock.elapsed += 3 * 86_400
    assert findings(app, built(app)) == [("first-payment", "HOLD", "V1")]


def test_details_that_changed_lately_may_only_warn(db: Database, app: App, home: Home, clock: FixedClock) -> None:
    relaxed = at(home, db, clock, changed_details={"action": "warn"}, first_payment={"action": "warn"})
    changed(relaxed)
    world.check(db, "1", 700)
    world.check(db, "2", 800)
    file = built(relaxed)
    assert findings(relaxed, file) == [("first-payment", "WARN", "V1"), ("changed-details", "WARN", "V1")]
    assert hold_text(relaxed, file) == "waits for release"
    with pytest.raises(UsageError, match="expected none: no rule holds the file"):
        approve(relaxed, file, "first-payment")
    approve(relaxed, file, reason=None)


def test_a_change_that_waits_is_kept_as_a_finding(db: Database, app: App) -> None:
    proposed(app)
    world.check(db, "1")
    assert build(app, "VACH", "1").withheld == 1
    assert world.all_of(db, "SELECT outbound_id, rule, vendor, check_no FROM fraud_finding") == [
        (None, "changed-details", "V1", "1")
    ]
    found = status(app, None)
    assert found.wants_attention
    assert [(c["vendor"], c["origin"], c["fields"]) for c in found.changes] == [("V1", "NOC", "account_number")]


def test_duplicates_across_files_names_and_accounts(db: Database, app: App) -> None:
    world.vendor(db, "V2", name="VENDOR-V1.", account="777")  # V1 written otherwise
    world.vendor(db, "V3", account="123-456 78")  # the account of V1
    world.vendor(db, "V4", account="99995678", routing="121000248")  # only ends as that of V1
    world.check(db, "1")
    approve(app, built(app), "first-payment")
    world.check(db, "2", vendor="V2", disbursement_date="2026-03-04")
    world.check(db, "3", vendor="V3", disbursement_date="2026-03-10", reference="INV-1")
    world.check(db, "4", vendor="V4")
    world.check(db, "5", vendor="V2", disbursement_date="2026-03-11")
    found = {
        f["check"]: f["detail"]
        for file in build(app, "VACH", "1").files
        for f in release.show(app, file.outbound_id)["findings"]
        if f["rule"] == "duplicate"
    }
    assert found == {
        "2": "check 2 to vendor V2 for 100.00 due 2026-03-04 looks like check 1 due 2026-03-03 to vendor V1 (a name alike "
        "or the same account) in P01-VACH-BANK-260303.DAT",
        "3": "check 3 to vendor V3 for 100.00 due 2026-03-10 looks like check 1 due 2026-03-03 to vendor V1 (a name alike "
        "or the same account) in P01-VACH-BANK-260303.DAT, reference INV-1",
        "5": "check 5 to vendor V2 for 100.00 due 2026-03-11 looks like check 3 due 2026-03-10 to vendor V3 (a name alike "
        "or the same account)",
    }


def test_duplicates_to_names_that_look_like_one(db: Database, app: App) -> None:
    """Five debts of one amount in one run, each vendor entered otherwise; one of another name stays out."""
    names = ("HARBOR MOTORS", "Harbor Motors Inc.", "HARB0R MOTORS", "THE HARBOR MOTORS", "HARBOR MARINE")
    for at, name in enumerate(names, 10):
        world.vendor(db, f"V{at}", name=name, account=f"77{at}")
        world.check(db, str(at), vendor=f"V{at}")
    world.check(db, "15", vendor="V10")
    (file, *_) = build(app, "VACH", "1").files
    found = [f["check"] for f in release.show(app, file.outbound_id)["findings"] if f["rule"] == "duplicate"]
    assert sorted(found) == ["11", "12", "13", "15"]


def test_limits_and_velocity_count_earlier_files(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    world.vendor(db)
    fraud = {
        "first_payment": {"on": False}, "duplicate": {"on": False}, "velocity": {"payments": 1},
        "vendor_limit": {"limit": "150.00"}, "file_limit": {"limit": "100.00"}, "day_limit": {"limit": "199.99"},
    }  # fmt: skip
    app = at(home, db, clock, **fraud)
    world.check(db, "1")
    file = built(app)
    assert findings(app, file) == []
    world.check(db, "2")
    second = built(app)
    assert findings(app, second) == [
        ("vendor-limit", "HOLD", "V1"), ("day-limit", "HOLD", None), ("velocity", "WARN", "V1"),
    ]  # fmt: skip
    for one in (file, second):
        returned(db, one.outbound_id, 1)
    world.check(db, "3", 500)
    third = built(app)
    assert findings(app, third) == [], "what came back was no payment"
    world.change(db, "DELETE FROM ach_answer")
    for one in (file, second, third):
        release.reject(app, one.outbound_id, reason="x")
    world.change(db, "UPDATE bank_check SET state = 'VOID' WHERE check_no = '3'")
    again = built(app)
    assert [f["detail"] for f in release.show(app, again.outbound_id)["findings"]] == [
        "200.00 to vendor V1 for 2026-03-03, more than 150.00",
        "200.00 in this file, more than 100.00",
        "200.00 in all files of the portfolio for 2026-03-03, more than 199.99",
        "2 payments to vendor V1 from 2026-02-25 to 2026-03-03, more than 1",
    ]


def test_what_another_portfolio_is_building_counts(db: Database, home: Home, clock: FixedClock) -> None:
    """Both pay one vendor, and the second is asked for before the first is done: each alone is within the limits."""
    world.company(db)
    world.vendor(db)
    with db.write() as connection:
        connection.execute(
            text(
                "INSERT INTO portfolio (portfolio, name, business_date, period_state) VALUES ('2', 'B', '2026-03-02', 'OPEN')"
            )
        )
    world.insert(db, "office", office_id=9, portfolio="2", company="1", region="1", office="9", name="Office 9")
    world.check(db, "1")
    world.check(db, "2", portfolio="2", office_id=9, lease=None)
    one = at(home, db, clock, first_payment={"on": False}, velocity={"payments": 1}, vendor_limit={"limit": "150.00"})
    app = replace(one, settings=replace(one.settings, portfolios=dict.fromkeys("12", one.settings.portfolios["1"])))
    with ThreadPoolExecutor(1) as another:
        with db.write() as connection:
            first = within(app, connection, "VACH", "1")
            second = another.submit(build, app, "VACH", "2")
            until_it_waits(db, second)
        finish(app, first)
        found = findings(app, second.result().files[0])
    assert findings(app, first.files[0]) == []
    assert sorted(found) == [("duplicate", "HOLD", "2"), ("velocity", "WARN", "V1"), ("vendor-limit", "HOLD", "V1")]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (proposed, "found vendor V1 with a change that waits for a second person since the file was built"),
        (changed, "found vendor V1 with other bank details since the file was built"),
        ("UPDATE vendor SET dealer_alert = 'Y', suspense_override_on = '2026-03-02'", "found vendor V1 with the dealer alert on"),
    ],
)  # fmt: skip
def test_a_vendor_who_changed_since_the_build_stops_the_release(
    db: Database, app: App, what: Any, message: str
) -> None:
    world.check(db, "1")
    file = built(app)
    if isinstance(what, str):
        world.change(db, what)
    else:
        what(app)
    with pytest.raises(Refused, match=message):
        approve(app, file, "first-payment")
    release.reject(app, file.outbound_id, reason="changed")


def test_an_override_lets_the_release_go(db: Database, app: App) -> None:
    world.check(db, "1")
    file = built(app)
    world.change(db, "UPDATE vendor SET dealer_alert = 'Y', suspense_override_on = '2026-03-03'")
    approve(app, file, "first-payment")


def test_show_counts_by_kind_class_and_date(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    world.vendor(db)
    world.vendor(db, "V2", sec="PPD")
    ach = world.VENDOR_ACH | {"prenotes": True}
    app = world.app_at(home, db, clock, portfolio={"vendor_ach": ach, "fraud": {}})
    world.check(db, "1", 700)
    world.check(db, "2", 800)
    world.check(db, "3", 900, vendor="V2")
    shown = release.show(app, built(app).outbound_id)
    assert shown["classes"] == [
        {"kind": "LIVE", "sec": "CCD", "effective_date": "2026-03-03", "entries": 2, "vendors": 1, "amount": 1_500},
        {"kind": "PRENOTE", "sec": "PPD", "effective_date": "2026-03-03", "entries": 1, "vendors": 1, "amount": 0},
    ]
