"""U0418: where charges go, what they post, and what every reject says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from gateway.errors import LedgerError, Refused
from gateway.ledger.database import Database
from gateway.updates.assess_invoices import take_numbers
from gateway.updates.assess_problems import PROBLEMS
from gateway.updates.base import FileFacts, Outcome
from gateway.updates.u0418 import UPDATE, BatchAssessment
from tests.support.at_once import until_it_waits
from tests.updates.assess_world import POSTED_AT, TODAY, World, assessment


@pytest.fixture
def world(db: Database) -> World:
    made = World(db)
    made.lease("12345", next_due="2026-03-20")
    made.asset("778", "12345")
    made.invoice("900", "12345", "2026-02-15", ("PYMT", 5000))
    made.invoice("901", "12345", "2026-03-15")
    return made


def test_cash_basis_debits_the_receivable_and_credits_assessed_fees(world: World) -> None:
    file = world.stage(UPDATE, [assessment(1, "LTCH", 2500, lease="12345", reason="LATE")])
    assert world.post(UPDATE, file) == Outcome(posted=1, posted_cents=2500)
    assert world.postings(file) == [
        (1, "12345", "901", None, "LTCH", "D", "ASSMT RECV - LTCH", 2500),
        (1, "12345", "901", None, "LTCH", "C", "ASSESSED FEES", 2500),
    ]
    assert world.rows("SELECT reason, effective_date, office_id FROM journal_entry") == [("LATE", TODAY, 1)]
    assert world.billed()["901", "LTCH", ""] == 2500


@pytest.mark.parametrize(
    ("code", "credit"),
    [("LEGF", "ASSMT INC/PAY - LEGF"), ("ASMF", "ASSMT INC/PAY - ASMF"), ("RCR2", "ASSMT INC/PAY - RCR CHG 2")],
)
def test_accrual_basis_credits_the_income_or_payable_account(world: World, code: str, credit: str) -> None:
    file = world.stage(UPDATE, [assessment(1, code, 70, lease="12345")])
    world.post(UPDATE, file)
    assert [row[6] for row in world.postings(file)][1] == credit


def test_accrual_escrow_charge_raises_the_balance_it_credits_and_a_cash_basis_one_does_not(world: World) -> None:
    world.escrow("12345", "RCR2", 10)
    lines = [assessment(n, code, 5, lease="12345") for n, code in enumerate(["RCR2", "RCR9", "RC10", "RCR2"], 1)]
    world.post(UPDATE, world.stage(UPDATE, lines))
    assert world.balances() == {("12345", "RCR2"): 20, ("12345", "RC10"): 5}


def test_an_asset_charge_goes_on_the_invoice_of_its_lease_with_the_asset(world: World) -> None:
    file = world.stage(UPDATE, [assessment(1, "PTAX", 43298, asset="778", due_date="2026-02-15", ptcode="AUTO")])
    world.post(UPDATE, file)
    assert world.postings(file)[1] == (1, "12345", "900", "778", "PTAX", "C", "PROPERTY TAX PAYABLE", 43298)
    assert world.billed()["900", "PTAX", "778"] == 43298


# where a charge goes: (lease, items, due date of the invoice, whether it was made)
PLACES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"invoice": "800"}, "800"),
    ({}, {"invoice": "800", "due_date": "2026-01-15"}, "800"),
    ({}, {"due_date": "2026-01-15"}, "800"),
    ({}, {}, "801"),  # the earliest due on or after the business date
    ({"maturity": "2026-03-01"}, {}, "802"),  # no longer accrues: the latest
    ({"maturity": TODAY}, {}, "801"),
    ({"accrual_method": "none"}, {}, "802"),
    ({"accrual_method": None}, {}, "801"),  # not told: it accrues
]


@pytest.mark.parametrize(("lease", "items", "expected"), PLACES)
def test_the_invoice_a_charge_goes_on(
    world: World, lease: dict[str, Any], items: dict[str, Any], expected: str
) -> None:
    world.lease("7", next_due="2026-09-01", **lease)
    for number, due in (("802", "2026-04-01"), ("801", TODAY), ("800", "2026-01-15"), ("803", "2026-04-01")):
        if number != "803":
            world.invoice(number, "7", due)
    world.post(UPDATE, world.stage(UPDATE, [assessment(1, lease="7", **items)]))
    assert set(world.billed()) == {("900", "PYMT", ""), (expected, "LTCH", "")}


def test_of_invoices_due_on_one_day_the_lowest_number_is_meant(world: World) -> None:
    world.lease("7")
    for number in ("811", "810"):
        world.invoice(number, "7", "2026-03-09")
    world.post(UPDATE, world.stage(UPDATE, [assessment(1, lease="7"), assessment(2, lease="7", due_date="2026-03-09")]))
    assert world.billed()["810", "LTCH", ""] == 200


def test_missing_invoices_are_made_once_and_numbered_in_the_order_of_the_lines(world: World) -> None:
    world.lease("7", next_due="2026-04-01")
    lines = [
        assessment(1, lease="12345", due_date="2026-05-01"),
        assessment(2, lease="7"),
        assessment(3, lease="7", due_date="2026-04-01"),
        assessment(4, "LEGF", lease="12345", due_date="2026-05-01"),
        assessment(5, lease="999", due_date="2026-06-01"),
    ]
    world.post(UPDATE, world.stage(UPDATE, lines))
    made = world.rows("SELECT invoice, lease, due_date, source FROM invoice WHERE source <> 'LOAD' ORDER BY invoice")
    assert made == [("902", "12345", "2026-05-01", "U0418"), ("903", "7", "2026-04-01", "U0418")]
    assert world.billed()["903", "LTCH", ""] == 200
    assert world.rows("SELECT next FROM counter WHERE name = 'invoice'") == [(904,)]


def test_a_stale_next_due_date_finds_the_invoice_due_then(world: World) -> None:
    world.lease("7", next_due="2026-01-15")
    world.invoice("700", "7", "2026-01-15")
    world.post(UPDATE, world.stage(UPDATE, [assessment(1, lease="7")]))
    assert world.billed()["700", "LTCH", ""] == 100


def test_blocks_post_like_one(world: World) -> None:
    world.lease("7", next_due="2026-04-01")
    lines = [assessment(n, lease="7" if n % 2 else "12345", cents=n) for n in range(1, 8)]
    small = BatchAssessment(block_lines=2)
    assert world.post(small, world.stage(small, lines)) == Outcome(posted=7, posted_cents=28)
    assert world.billed() == {("900", "PYMT", ""): 5000, ("901", "LTCH", ""): 12, ("902", "LTCH", ""): 16}


def test_lines_refused_before_are_left_out(world: World) -> None:
    file = world.stage(UPDATE, [assessment(1, lease="12345"), assessment(2, lease="12345", cents=7)])
    with world.posting(file, "assessments") as context:
        context.message(1, "R", "REPEATED", field=None, found="a", expected="b", action="c")
        assert UPDATE.post(context) == Outcome(posted=1, posted_cents=7)
        context.close_units()
    assert world.billed()["901", "LTCH", ""] == 7


def test_a_new_charge_line_comes_after_those_of_the_invoice(world: World) -> None:
    lines = [assessment(1, "LTCH", lease="12345", invoice="900"), assessment(2, "LEGF", lease="12345", invoice="900")]
    world.post(UPDATE, world.stage(UPDATE, lines))
    world.post(UPDATE, world.stage(UPDATE, [assessment(1, "ASMF", lease="12345", invoice="900")]))
    found = world.rows("SELECT charge FROM receivable WHERE invoice = '900' ORDER BY position")
    assert [row[0] for row in found] == ["PYMT", "LTCH", "LEGF", "ASMF"]


@pytest.mark.parametrize("limit", [4, 9])
def test_charge_lines_keep_the_order_of_the_file_near_the_limit_and_far_from_it(world: World, limit: int) -> None:
    world.charge_lines = limit
    world.lease("7")
    world.invoice("700", "7", "2026-03-15", ("PYMT", 1))
    update = BatchAssessment(block_lines=2)
    codes = ["LTCH", "RCR2", "LTCH", "LEGF", "RCR2"]
    world.post(update, world.stage(update, [assessment(n, c, lease="7") for n, c in enumerate(codes, 1)]))
    found = world.rows("SELECT charge, billed_cents FROM receivable WHERE invoice = '700' ORDER BY position")
    assert found == [("PYMT", 1), ("LTCH", 200), ("RCR2", 200), ("LEGF", 100)]


def test_the_limit_counts_what_a_next_invoice_of_a_past_day_holds(world: World) -> None:
    world.charge_lines = 2
    world.lease("7", next_due="2026-01-15")
    world.invoice("700", "7", "2026-01-15", ("PYMT", 1), ("LEGF", 1))
    file = world.stage(UPDATE, [assessment(1, "LTCH", lease="7"), assessment(2, "LEGF", lease="7")])
    assert world.post(UPDATE, file) == Outcome(posted=1, posted_cents=100, rejected=1, rejected_cents=100)
    assert world.billed()["700", "LEGF", ""] == 101


def test_a_file_without_portfolio_is_a_fault(world: World) -> None:
    file = world.stage(UPDATE, [], portfolio=None)
    with (
        pytest.raises(LedgerError, match="found no portfolio"),
        world.posting(file, "assessments", portfolio=None) as c,
    ):
        assert c.file == FileFacts(file, "f.dat", "assessments", None)
        UPDATE.post(c)


# --- the gallery: the smallest line for every code, and the exact sentence ------------------------------------------

GALLERY: list[tuple[str, dict[str, Any], str]] = [
    (
        "ASSET_UNKNOWN", {"code": "PTAX", "asset": "779"},
        "Found asset 779, which the ledger does not have, expected an asset on a lease: correct the asset number or "
        "load the asset, and drop the line again.",
    ),
    (
        "ASSET_NOT_ON_LEASE", {"code": "PTAX", "asset": "780"},
        "Found asset 780, which is on no lease, expected an asset on a lease: put the asset on its lease, and drop "
        "the line again.",
    ),
    (
        "LEASE_UNKNOWN", {"lease": "99"},
        "Found lease 99, which the ledger does not have, expected a lease of portfolio 1: correct the lease number or "
        "load the lease, and drop the line again.",
    ),
    (
        "LEASE_UNKNOWN", {"lease": "12"},
        "Found lease 12, which the ledger does not have, expected a lease of portfolio 1: 0012 and 12 are different "
        "leases; write 0012 if that one is meant, and drop the line again.",
    ),
    (
        "LEASE_OTHER_PORTFOLIO", {"lease": "200"},
        "Found lease 200 of portfolio 2, expected a lease of portfolio 1: send the line in the file of portfolio 2.",
    ),
    (
        "LEASE_NOT_ACTIVE", {"lease": "13"},
        "Found lease 13 with status NMAT, expected an active lease (ANOR AACQ AASM AEXT AEXM AA01 AA02 ABPT): correct "
        "the lease number or the status, and drop the line again.",
    ),
    (
        "CHARGE_UNKNOWN", {"lease": "12345", "code": "LSRW"},
        "Found the code LSRW, expected a charge of portfolio 1: correct the code or load the charge, and drop the "
        "line again.",
    ),
    (
        "CHARGE_NOT_USED", {"lease": "12345", "code": "COLL"},
        "Found the code COLL, which portfolio 1 does not use, expected a charge in use: set used to Y for it in "
        "charges.csv or correct the code, and drop the line again.",
    ),
    (
        "CHARGE_LEVEL", {"lease": "12345", "code": "PTAX"},
        "Found the asset-level code PTAX with lease 12345, expected an asset with it: charge it by asset or correct "
        "the code, and drop the line again.",
    ),
    (
        "CHARGE_LEVEL", {"asset": "778", "code": "LTCH"},
        "Found the lease-level code LTCH with asset 778, expected a lease with it: charge it by lease or correct the "
        "code, and drop the line again.",
    ),
    (
        "INVOICE_UNKNOWN", {"lease": "12345", "invoice": "1"},
        "Found invoice 1, which the ledger does not have, expected an invoice of lease 12345: correct the invoice "
        "number or leave it out, and drop the line again.",
    ),
    (
        "INVOICE_OTHER_LEASE", {"lease": "12345", "invoice": "700"},
        "Found invoice 700 of lease 0012, expected an invoice of lease 12345: correct the invoice number or the "
        "lease, and drop the line again.",
    ),
    (
        "INVOICE_OTHER_DUE_DATE", {"lease": "12345", "invoice": "901", "due_date": "2026-03-16"},
        "Found the due date 2026-03-16 with invoice 901, which is due 2026-03-15, expected the due date of that "
        "invoice: correct one of the two or leave it out, and drop the line again.",
    ),
    (
        "NO_NEXT_INVOICE", {"lease": "14"},
        "Found lease 14 without an invoice due on or after 2026-03-02 and without a next due date, expected an "
        "invoice to put the charge on: name an invoice or a due date, and drop the line again, or assess it by hand (gateway assess --lease 14 --charge LTCH --amount 1.00 --due YYYY-MM-DD --reason WHY).",
    ),
    (
        "ACCOUNT_MISSING", {"lease": "15", "code": "LEGF"},
        "Found no account for ASSMT RECV - LEGF in office 1/1/2 of portfolio 1, expected one in the office's chart "
        "for the code LEGF: load it with gl_accounts.csv, and drop the line again.",
    ),
    (
        "ACCOUNT_MISSING", {"lease": "15", "code": "ASMF"},
        "Found no account for ASSMT INC/PAY - ASMF in office 1/1/2 of portfolio 1, expected one in the office's chart "
        "for the code ASMF: load it with gl_accounts.csv, and drop the line again.",
    ),
    (
        "ACCOUNT_MISSING", {"lease": "15", "code": "LTCH"},
        "Found no account for ASSESSED FEES in office 1/1/2 of portfolio 1, expected one in the office's chart "
        "for the code LTCH: load it with gl_accounts.csv, and drop the line again.",
    ),
    (
        "ASSESSMENT LIMIT EXCEEDED", {"lease": "12345", "invoice": "902"},
        "Found the code LTCH as one charge line too many on invoice 902, expected 2 charge lines at most on an "
        "invoice: put the charge on another invoice, and drop the line again, or assess it by hand (gateway assess --lease "
        "12345 --charge LTCH --amount 1.00 --invoice NUMBER --reason WHY).",
    ),
]  # fmt: skip


@pytest.fixture
def gallery(world: World) -> World:
    world.charge_lines = 2
    world.asset("780", None)
    world.lease("0012")
    world.lease("13", status="NMAT")
    world.lease("14")
    world.lease("15", office=2, next_due="2026-03-20")
    world.lease("200", office=3)
    world.invoice("700", "0012", "2026-03-15")
    world.invoice("902", "12345", "2026-06-15", ("PYMT", 1), ("LEGF", 1))
    with world.db.write() as c:
        c.exec_driver_sql(
            "UPDATE gl_account SET purpose = 'OTHER ' || purpose WHERE office_id = 2 "
            "AND purpose IN ('ASSMT INC/PAY - ASMF', 'ASSESSED FEES')"
        )
    return world


def test_every_reject_code_with_its_exact_message(gallery: World) -> None:
    lines = [assessment(n, **{"code": "LTCH", **items}) for n, (_, items, _) in enumerate(GALLERY, 1)]
    good = assessment(len(lines) + 1, "LEGF", 50, lease="12345", invoice="902")
    file = gallery.stage(UPDATE, [*lines, good])
    outcome = gallery.post(UPDATE, file)
    assert gallery.messages(file) == {n: (code, words) for n, (code, _, words) in enumerate(GALLERY, 1)}
    assert {code for code, _, _ in GALLERY} == PROBLEMS.keys()
    assert outcome == Outcome(posted=1, posted_cents=50, rejected=len(lines), rejected_cents=100 * len(lines))
    assert gallery.rows("SELECT COUNT(*), SUM(amount_cents) FROM line_message WHERE severity = 'R'") == [
        (len(lines), 100 * len(lines))
    ]
    assert gallery.rows("SELECT COUNT(*) FROM invoice WHERE source = 'U0418'") == [(0,)]


def test_the_limit_counts_new_charge_lines_in_file_order_across_blocks(world: World) -> None:
    world.charge_lines = 3
    update = BatchAssessment(block_lines=3)
    codes = ["LTCH", "LEGF", "ASMF", "LTCH", "RCR2", "ASMF", "LEGF"]
    file = world.stage(update, [assessment(n, c, lease="12345", invoice="900") for n, c in enumerate(codes, 1)])
    outcome = world.post(update, file)
    assert [line for line, (code, _) in world.messages(file).items()] == [3, 5, 6]
    assert (outcome.posted, outcome.rejected) == (4, 3)
    assert {charge for _, charge, _ in world.billed()} == {"PYMT", "LTCH", "LEGF"}


def test_a_closed_business_date_refuses_the_whole_file(world: World) -> None:
    file = world.stage(UPDATE, [assessment(1, lease="12345")])
    with world.db.write() as c:
        c.exec_driver_sql("UPDATE portfolio SET period_state = 'CLOSED'")
    with pytest.raises(Refused, match="closed by U0410"):
        world.post(UPDATE, file)


# --- reports and lineage --------------------------------------------------------------------------------------------


def test_reports_and_outcomes(gallery: World) -> None:
    lines = [
        assessment(1, "LTCH", 2500, lease="12345"),
        assessment(2, lease="99", cents=7),
        assessment(4, "PTAX", 10, asset="778", due_date="2026-02-15"),
    ]
    file = gallery.stage(UPDATE, lines)
    with gallery.db.read() as c:
        assert list(UPDATE.outcomes(c, file)) == [(1, "held", []), (2, "held", []), (4, "held", [])]
        assert list(UPDATE.audit_rows(c, file)) == []
    with gallery.posting(file, "assessments") as context:
        context.message(
            3, "R", "AMOUNT_ZERO", field="amount", found="0", expected="more", action="x", amount_cents=None
        )
        context.message(4, "W", "PTCODE_IGNORED", field="ptcode", found="p", expected="q", action="nothing")
        UPDATE.post(context)
        (unit,) = context.close_units()
    base = unit.unit_id * 100_000_000
    with gallery.db.read() as c:
        assert list(UPDATE.outcomes(c, file)) == [
            (1, "posted", [base + 1]), (2, "rejected", []), (4, "posted", [base + 4])
        ]  # fmt: skip
        audit = list(UPDATE.audit_rows(c, file))
        exceptions = list(UPDATE.exception_rows(c, file))
    office = ("1", "1", "1", "1")
    assert audit == [
        (*office, "12345", "S12345", None, "LTCH", "LTCH NAME", 2500, "901", "2026-03-15"),
        (*office, "12345", "S12345", "778", "PTAX", "PTAX NAME", 10, "900", "2026-02-15"),
    ]
    assert [row[:11] for row in exceptions] == [
        (2, None, None, None, None, "99", None, "LTCH", 7, None, "LEASE_UNKNOWN"),
        (3, None, None, None, None, None, None, None, None, None, "AMOUNT_ZERO"),
        (4, *office, "12345", "778", "PTAX", 10, "2026-02-15", "PTCODE_IGNORED"),
    ]
    assert exceptions[1][11] == "Found 0, expected more: x."
    for spec, rows in ((UPDATE.audit, audit), (UPDATE.exceptions, exceptions)):
        assert all(len(row) == len(spec.columns) for row in rows)


# --- numbers --------------------------------------------------------------------------------------------------------


def test_invoice_numbers_pass_over_those_in_use_and_come_round(world: World) -> None:
    with world.db.write() as c:
        assert take_numbers(world.db, c, 2) == ["902", "903"]
        assert take_numbers(world.db, c, 1) == ["904"]
        c.exec_driver_sql("UPDATE counter SET next = 900 WHERE name = 'invoice'")
        assert take_numbers(world.db, c, 2) == ["902", "903"]
        c.exec_driver_sql("UPDATE counter SET next = 99999998 WHERE name = 'invoice'")
        assert take_numbers(world.db, c, 3) == ["99999998", "99999999", "1"]
        assert take_numbers(world.db, c, 1) == ["2"]


def test_two_portfolios_get_other_numbers_at_once(world: World) -> None:
    def take() -> list[str]:
        with world.db.write() as c:
            return take_numbers(world.db, c, 2)

    with ThreadPoolExecutor(1) as another:
        with world.db.write() as c:
            first = take_numbers(world.db, c, 2)
            second = another.submit(take)
            until_it_waits(world.db, second)
        assert (first, second.result()) == (["902", "903"], ["904", "905"])


def test_posted_at_is_the_clock_given(world: World) -> None:
    world.post(UPDATE, world.stage(UPDATE, [assessment(1, lease="12345")]))
    assert world.rows("SELECT posted_at, update_name, kind FROM posting_unit") == [(POSTED_AT, "U0418", "FILE")]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_portfolios_post_beside_each_other(db: Database) -> None:
    """On SQLite there is one writer."""
    world = World(db)
    files = {}
    for lease, invoice, office, portfolio in (("1", "901", 1, "1"), ("2", "902", 3, "2")):
        world.lease(lease, office=office)
        world.invoice(invoice, lease, "2026-03-15")
        files[portfolio] = world.stage(UPDATE, [assessment(1, "LTCH", 70, lease=lease)], portfolio=portfolio)
    with world.posting(files["1"], UPDATE.kind) as one, world.posting(files["2"], UPDATE.kind, portfolio="2") as two:
        UPDATE.post(one)
        two.connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        assert UPDATE.post(two).posted == 1
        one.close_units()
        two.close_units()
