"""What ``gateway ledger`` lists: stable columns, filters that either work or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import UsageError
from gateway.ledger import views
from gateway.ledger.database import Database
from gateway.ledger.load_kinds import BY_NAME
from gateway.ledger.views import Filters
from tests.conftest import Content
from tests.ledger.reference import PAYMENTS, VAULT, loaded

VENDORS = "vendor,name,routing_number,account_number,account_type,sec\nV1,ACME,091000019,123456789,checking,CCD\n"
CHECKS = "portfolio,check,type,amount,disbursement_date,vendor,flag\n1,77,NEWA,50.00,2026-03-03,V1,\n1,78,MANL,5.00,2026-03-04,,P\n"


def fill(db: Database, folder: Path) -> None:
    loaded(db, folder, payments=PAYMENTS, vendors=VENDORS, checks=CHECKS)


@pytest.fixture
def ledger_content(request: pytest.FixtureRequest) -> Content | None:
    return fill if "ledger" in request.fixturenames else None


@pytest.fixture
def ledger(db: Database) -> Database:
    return db


def rows(ledger: Database, name: str, **filters: Any) -> list[dict[str, Any]]:
    with ledger.read() as connection:
        listing = views.show(connection, name, Filters(**filters), vault=VAULT)
        assert listing.money <= set(listing.columns)
        return [dict(zip(listing.columns, row, strict=True)) for row in listing.rows]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("journal", "entry line portfolio company region office account name debit credit effective_date business_date "
            "source_file source_line unit reason operator unit_reason"),
        ("receivables", "invoice lease due_date charge asset billed paid open"),
        ("suspense", "item kind portfolio lease invoice amount remaining reason batch check opened_on closed_on"),
        ("balance", "portfolio company region office vector name side debit credit mtd_debit mtd_credit balance"),
    ],
)  # fmt: skip
def test_columns_are_those_that_scripts_depend_on(ledger: Database, name: str, columns: str) -> None:
    with ledger.read() as connection:
        assert " ".join(views.show(connection, name, Filters()).columns) == columns


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("lease", "leases", {"nsf_count"}), ("payments", "payments", {"due_date", "state", "type", "suspense_item"}), ("checks", "checks", {"state", "issue"}),
        ("vendors", "vendors", set()), ("accounts", "gl_accounts", set()),
    ],
)  # fmt: skip
def test_columns_are_those_of_the_files_that_are_loaded(ledger: Database, name: str, kind: str, more: set[str]) -> None:
    with ledger.read() as connection:
        assert set(views.show(connection, name, Filters()).columns) == {f.name for f in BY_NAME[kind].fields} | more


def test_journal_filters(ledger: Database) -> None:
    found = rows(ledger, "journal", lease="1001", invoice="1", account="LEASE PAYMENTS RECEIVABLE")
    assert [(r["debit"], r["credit"], r["reason"], r["business_date"]) for r in found] == [
        (20000, 0, "OPEN", "2026-03-02"), (0, 20000, None, "2026-03-02"),
    ]  # fmt: skip
    assert len(rows(ledger, "journal", batch="26021090000100000001")) == 6
    assert len(rows(ledger, "journal", limit=3)) == 3
    assert rows(ledger, "journal", since="2026-03-03") == rows(ledger, "journal", file="none.dat") == []
    total = rows(ledger, "journal", unit="1")
    assert sum(r["debit"] for r in total) == sum(r["credit"] for r in total) > 0


def test_receivables_payments_and_checks(ledger: Database) -> None:
    assert [(r["invoice"], r["charge"], r["open"]) for r in rows(ledger, "receivables", state="open")] == [
        ("2", "PYMT", 20000), ("3", "PYMT", 20000), ("3", "PTAX", 4000),
    ]  # fmt: skip
    assert [(r["check"], r["amount"], r["due_date"], r["state"]) for r in rows(ledger, "payments", lease="1001")] == [
        ("500", 20000, "2026-02-01", "APPLIED"), ("500", 2500, "2026-02-01", "APPLIED"),
    ]  # fmt: skip
    assert rows(ledger, "payments", state="reversed") == []
    assert len(rows(ledger, "payments", all=True)) == 4
    assert [(r["check"], r["flag"], r["state"], r["issue"]) for r in rows(ledger, "checks")] == [
        ("77", None, "NEW", 1), ("78", "P", "SENT", 1),
    ]  # fmt: skip
    assert [r["check"] for r in rows(ledger, "checks", state="new", vendor="V1")] == ["77"]


def test_vendors_show_four_characters_of_the_account(ledger: Database) -> None:
    (vendor,) = rows(ledger, "vendors", vendor="V1")
    assert (vendor["routing_number"], vendor["account_number"]) == ("091000019", "****6789")


def test_balance_and_accounts_agree(ledger: Database) -> None:
    opening = {(r["office"], r["vector"]): r["opening_balance"] for r in rows(ledger, "accounts", portfolio="1")}
    assert {
        (r["office"], r["vector"]): r["balance"] for r in rows(ledger, "balance", portfolio="1", all=True)
    } == opening
    assert all(any(row[key] for key in list(row)[7:]) for row in rows(ledger, "balance", portfolio="1"))
    assert [r["balance"] for r in rows(ledger, "balance", account="CASH 127")] == [0, 10000, 0]
    assert len(rows(ledger, "balance", limit=2)) == 2
    assert [r["lease"] for r in rows(ledger, "lease", invoice="3")] == ["1002"]


@pytest.mark.parametrize(
    ("name", "filters", "words"),
    [
        (
            "balance",
            {"lease": "1"},
            "ledger balance: found --lease, expected --account, --all, --limit, --portfolio; leave it out",
        ),
        ("vendors", {"all": True, "since": "2026-03-02"}, "found --all, --from, expected --limit, --vendor"),
        ("checks", {"state": "lost"}, "found --state lost, expected one of NEW, RESERVED, SENT, RETURNED, VOID"),
        ("journal", {"unit": "x"}, "found unit x, expected a number"),
    ],
)
def test_a_filter_a_list_does_not_have_is_refused(
    ledger: Database, name: str, filters: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        rows(ledger, name, **filters)
