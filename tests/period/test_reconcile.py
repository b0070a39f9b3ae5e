"""U0460 and R0203: accounts against their details, and open suspense."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.period import reconcile
from gateway.period.eop import run_eop
from tests.outbound import world


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    return world.app_at(home, db, clock)


def billed(db: Database, cents: int, *, in_ledger: int | None = None) -> None:
    """An invoice of lease L1 with rent, and its posting."""
    world.rent(db, 1, cents if in_ledger is None else in_ledger)
    world.insert(db, "invoice", invoice="I1", lease="L1", due_date="2026-03-01", source="U0418")
    world.insert(
        db, "receivable", invoice="I1", charge="PYMT", asset="", position=1, billed_cents=cents, paid_cents=0
    )  # fmt: skip


def suspended(db: Database, cents: int, remaining: int, **changes: Any) -> None:
    entry = world.post(db, (1, "CASH 125", "D", cents), (1, "SUSPENSE", "C", cents), update="U0415")
    values = {
        "office_id": 1, "portfolio": "1", "kind": "SUSPENSE", "lease": "L1", "amount_cents": cents,
        "remaining_cents": remaining, "reason": "NO INVOICE", "opened_on": "2026-01-02", "unit_id": entry // 100_000_000,
        "entry_id": entry,
    } | changes  # fmt: skip
    world.insert(db, "suspense_item", **values)


def report(app: App, stem: str) -> list[str]:
    run_eop(app, "2026-03-02", post_file=lambda _: "POSTED")
    return (app.home.reports / "2026-03-02" / "eop-p1" / f"{stem}.csv").read_text().splitlines()[1:]


def test_accounts_agree_with_their_details(db: Database, app: App) -> None:
    billed(db, 500)
    suspended(db, 70, 70)
    assert report(app, "p1_lpu0460a") == []
    with db.read() as connection:
        compared = {c.figure.purpose: c.detail_cents for c in reconcile.compare(connection, "1") if c.detail_cents}
    assert compared == {"LEASE PAYMENTS RECEIVABLE": 500, "SUSPENSE": 70, "CASH 125": 70}


def test_differences_are_shown_with_the_transactions_behind_them(db: Database, app: App) -> None:
    billed(db, 500, in_ledger=450)
    assert report(app, "p1_lpu0460a") == ["1,1,1,1,1003,LEASE PAYMENTS RECEIVABLE,4.50,5.00,-0.50"]
    folder = app.home.reports / "2026-03-02" / "eop-p1"
    behind = (folder / "p1_lpu0460b.csv").read_text().splitlines()[1:]
    assert behind == ["1,1,1,1,1003,LEASE PAYMENTS RECEIVABLE,L1,PYMT,2026-03-02,4.50"]
    message = world.one(db, "SELECT message FROM eop_module WHERE module = 'U0460'")
    assert message == "10 accounts compared, 1 differ"


def test_cash_basis_fees_and_escrow_have_details_too(db: Database, app: App) -> None:
    world.insert(
        db, "gl_account", account_id=900, office_id=1, vector="011", number="1011", name="FEES", side="C",
        purpose="ASSESSED FEES",
    )  # fmt: skip
    world.insert(
        db, "gl_account", account_id=901, office_id=1, vector="221", number="1221", name="LATE", side="D",
        purpose="ASSMT RECV - LTCH",
    )  # fmt: skip
    world.insert(
        db, "gl_account", account_id=902, office_id=1, vector="301", number="1301", name="ESCROW", side="C",
        purpose="ASSMT INC/PAY - RCR CHG 1",
    )  # fmt: skip
    charge: dict[str, Any] = {
        "portfolio": "1", "name": "X", "payment_order": 0, "priority": "N", "used": "Y", "level": "lease",
        "taxable": "N",
    }  # fmt: skip
    world.insert(
        db, "charge", code="LTCH", type="I", basis="C", receivable_purpose="ASSMT RECV - LTCH",
        income_purpose="ASSMT INC/PAY - LTCH", **charge,
    )  # fmt: skip
    world.insert(
        db, "charge", code="RCR1", type="E", basis="C", receivable_purpose="ASSMT RECV - RCR CHG 1",
        income_purpose="ASSMT INC/PAY - RCR CHG 1", **charge,
    )  # fmt: skip
    world.post(db, (1, "ASSMT RECV - LTCH", "D", 25), (1, "ASSESSED FEES", "C", 25))
    world.post(db, (1, "CASH 125", "D", 90), (1, "ASSMT INC/PAY - RCR CHG 1", "C", 90))
    world.insert(db, "invoice", invoice="I1", lease="L1", due_date="2026-03-01", source="U0418")
    world.insert(db, "receivable", invoice="I1", charge="LTCH", asset="", position=1, billed_cents=25, paid_cents=0)
    world.rent(db, 1, 500)
    world.insert(db, "receivable", invoice="I1", charge="PYMT", asset="", position=2, billed_cents=500, paid_cents=0)
    world.insert(db, "escrow_balance", lease="L1", charge="RCR1", balance_cents=90)
    assert report(app, "p1_lpu0460a") == []
    with db.read() as connection:
        compared = {c.figure.purpose: c.detail_cents for c in reconcile.compare(connection, "1") if c.detail_cents}
    assert compared["ASSESSED FEES"] == 25 and compared["ASSMT INC/PAY - RCR CHG 1"] == 90


def test_suspense_review_drops_what_was_cleared_long_ago(db: Database, app: App) -> None:
    suspended(db, 10, 10, reason="OPEN")
    suspended(db, 20, 0, closed_on="2026-01-30", reason="LONG AGO")
    suspended(db, 30, 0, closed_on="2026-01-31", reason="LATELY")
    rows = report(app, "p1_lpr0203")
    assert [row.split(",")[9] for row in rows] == ["OPEN", "LATELY"]
    assert world.one(db, "SELECT message FROM eop_module WHERE module = 'R0203'") == "1 open suspense items, 0.10"
