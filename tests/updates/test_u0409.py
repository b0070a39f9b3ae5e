"""U0409: checks out of escrow, what they post, and what every reject says."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from gateway.ledger.database import Database
from gateway.updates.base import Outcome
from gateway.updates.u0409 import UPDATE, EscrowDisbursement
from tests.updates.assess_world import World, disbursement


@pytest.fixture
def world(db: Database) -> World:
    made = World(db)
    made.lease("50")
    made.asset("79", "50")
    for charge, cents in (("RC10", 1000), ("RCR2", 300), ("RCR9", 200), ("RCR3", 9000)):
        made.escrow("50", charge, cents)
    return made


def test_escrow_charges_pay_in_number_order_until_the_amount_is_used(world: World) -> None:
    file = world.stage(UPDATE, [disbursement(1, "50", 600, asset="79", reference="TAX 1", bank="125")])
    assert world.post(UPDATE, file) == Outcome(posted=1, posted_cents=600)
    assert world.postings(file) == [
        (1, "50", None, "79", "ESCR", "D", "ASSMT INC/PAY - RCR CHG 2", 300),
        (1, "50", None, "79", "ESCR", "D", "ASSMT INC/PAY - RCR CHG 9", 200),
        (1, "50", None, "79", "ESCR", "D", "ASSMT INC/PAY - RCR CHG 10", 100),
        (1, "50", None, "79", "ESCR", "C", "CASH 125", 600),
    ]
    assert world.balances() == {("50", "RCR2"): 0, ("50", "RCR9"): 0, ("50", "RC10"): 900, ("50", "RCR3"): 9000}


def test_the_check_it_makes(world: World) -> None:
    world.default_bank = "127"
    line = disbursement(3, "50", 600, "0001", address2="FLOOR 2", zip="940101234", reference="TAX 1", asset="79")
    file = world.stage(UPDATE, [line])
    world.post(UPDATE, file)
    assert world.rows(
        "SELECT portfolio, check_no, bank, office_id, type, amount_cents, disbursement_date, lease, asset, reference, "
        "payee, address, state, file_id, line_no FROM bank_check"
    ) == [
        (
            "1", "0001", "127", 1, "ESCR", 600, "2026-03-05", "50", "79", "TAX 1", "SMITH",
            "111 ANZA\nFLOOR 2\nBURLINGAME, CA 94010-1234", "NEW", file, 3,
        )
    ]  # fmt: skip
    assert world.rows("SELECT effective_date, source_line FROM journal_entry") == [("2026-03-02", 3)]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({"zip": "94010"}, "111 ANZA\nBURLINGAME, CA 94010"),
        ({"state": "FF", "zip": "SW1A 1AA", "city": "LONDON"}, "111 ANZA\nLONDON, SW1A 1AA"),
        ({"state": "FF", "zip": None, "city": None}, "111 ANZA"),
    ],
)
def test_the_address_as_printed(world: World, items: dict[str, Any], expected: str) -> None:
    world.post(UPDATE, world.stage(UPDATE, [disbursement(1, **items)]))
    assert world.rows("SELECT address FROM bank_check") == [(expected,)]


def test_a_bare_file_posts_a_unit_in_each_portfolio_of_its_leases(world: World) -> None:
    world.lease("60", office=3)
    world.escrow("60", "RCR2", 500)
    file = world.stage(UPDATE, [disbursement(1, "50", 5), disbursement(2, "60", 7), disbursement(3, "50", 5, "2")],
                       portfolio=None)  # fmt: skip
    assert world.post(UPDATE, file, portfolio=None) == Outcome(posted=3, posted_cents=17)
    assert world.rows("SELECT portfolio, entries, amount_cents FROM posting_unit ORDER BY unit_id") == [
        ("1", 2, 10), ("2", 1, 7)
    ]  # fmt: skip
    with world.db.read() as c:
        lines = [(line, state, len(entries)) for line, state, entries in UPDATE.outcomes(c, file)]
        assert [row[0] for row in UPDATE.audit_rows(c, file)] == ["1", "2", "1"]
    assert lines == [(1, "posted", 1), (2, "posted", 1), (3, "posted", 1)]


def test_a_check_number_may_be_used_by_another_bank_or_portfolio(world: World) -> None:
    world.lease("60", office=3)
    world.escrow("60", "RCR2", 500)
    lines = [disbursement(1, "50", 1), disbursement(2, "50", 1, bank="125"), disbursement(3, "60", 1)]
    assert world.post(UPDATE, world.stage(UPDATE, lines, portfolio=None), portfolio=None).rejected == 0


def test_blocks_post_like_one_and_see_what_earlier_ones_did(world: World) -> None:
    update = EscrowDisbursement(block_lines=2)
    lines = [disbursement(n, "50", 400, str(n)) for n in range(1, 5)] + [disbursement(5, "50", 100, "1")]
    file = world.stage(update, lines)
    assert world.post(update, file) == Outcome(posted=3, posted_cents=1200, rejected=2, rejected_cents=500)
    assert {line: code for line, (code, _) in world.messages(file).items()} == {
        4: "ESCROW_BALANCE", 5: "CHECK_DUPLICATE"
    }  # fmt: skip


def test_the_first_line_of_a_check_keeps_it_though_it_takes_of_two_charges_and_a_later_one_of_one(world: World) -> None:
    """Reported: SQLite took the first line from the plain ones before it counted those of the check, and the later one posted."""
    world.lease("51")
    world.escrow("51", "RCR9", 100)
    file = world.stage(UPDATE, [disbursement(1, "50", 501), disbursement(2, "51", 10)])
    assert world.post(UPDATE, file) == Outcome(posted=1, posted_cents=501, rejected=1, rejected_cents=10)
    assert {line: code for line, (code, _) in world.messages(file).items()} == {2: "CHECK_DUPLICATE"}


def test_lines_that_depend_on_others_are_decided_in_file_order(world: World) -> None:
    """Beside lines that depend on none. A refused line does not use its check number up; one that posts does."""
    for lease in ("51", "52", "53", "54", "55"):
        world.lease(lease)
        world.escrow(lease, "RCR9", 100)
    lines = [
        disbursement(1, "51", 60, "1"),
        disbursement(2, "51", 60, "2"),  # more than is left
        disbursement(3, "52", 101, "3"),  # more than there is
        disbursement(4, "53", 10, "3"),
        disbursement(5, "53", 10, "3"),
        disbursement(6, "52", 10, "2"),
        disbursement(7, "50", 501, "7"),  # of two charges, and then of one
        disbursement(8, "50", 1, "8"),
        disbursement(9, "54", 60, "9"),
        disbursement(10, "54", 40, "10"),
        disbursement(11, "55", 101, "11"),  # a cent more than there is
    ]
    file = world.stage(UPDATE, lines)
    assert world.post(UPDATE, file) == Outcome(posted=7, posted_cents=682, rejected=4, rejected_cents=272)
    assert {line: code for line, (code, _) in world.messages(file).items()} == {
        2: "ESCROW_BALANCE", 3: "ESCROW_BALANCE", 5: "CHECK_DUPLICATE", 11: "ESCROW_BALANCE"
    }  # fmt: skip
    assert world.rows("SELECT line_no, lease, check_no FROM bank_check ORDER BY line_no") == [
        (1, "51", "1"), (4, "53", "3"), (6, "52", "2"), (7, "50", "7"), (8, "50", "8"), (9, "54", "9"), (10, "54", "10"),
    ]  # fmt: skip
    assert world.balances() == {
        ("50", "RCR2"): 0, ("50", "RCR9"): 0, ("50", "RC10"): 998, ("50", "RCR3"): 9000,
        ("51", "RCR9"): 40, ("52", "RCR9"): 90, ("53", "RCR9"): 90, ("54", "RCR9"): 0,
        ("55", "RCR9"): 100,
    }  # fmt: skip


def test_what_a_lease_may_disburse_is_what_all_its_escrow_charges_come_to(world: World) -> None:
    for lease, balances in {"4": (700, -1000), "5": (700, -200), "6": (-200, 700)}.items():
        world.lease(lease)
        for charge, cents in zip(("RCR2", "RCR9"), balances, strict=True):
            world.escrow(lease, charge, cents)
    world.escrow("4", "RCR3", 9000)  # no escrow charge
    lines = [
        disbursement(1, "4", 700, "1"),
        disbursement(2, "4", 701, "2"),
        disbursement(3, "5", 501, "3"),
        disbursement(4, "5", 300, "4"),
        disbursement(5, "5", 201, "5"),
        disbursement(6, "5", 200, "6"),
        disbursement(7, "6", 500, "7"),
    ]
    file = world.stage(UPDATE, lines)
    assert world.post(UPDATE, file) == Outcome(posted=3, posted_cents=1000, rejected=4, rejected_cents=2103)
    assert world.messages(file) == {
        line: (
            "ESCROW_BALANCE",
            f"Found {amount} with a net escrow balance of {net} on lease {lease}, expected no more than the balance: "
            "correct the amount or wait for the lessee's payment, and drop the line again.",
        )
        for line, amount, net, lease in (
            (1, "7.00", "-3.00", "4"), (2, "7.01", "-3.00", "4"), (3, "5.01", "5.00", "5"), (5, "2.01", "2.00", "5")
        )
    }  # fmt: skip
    assert {key: cents for key, cents in world.balances().items() if key[0] in ("4", "5", "6")} == {
        ("4", "RCR2"): 700, ("4", "RCR9"): -1000, ("4", "RCR3"): 9000,
        ("5", "RCR2"): 200, ("5", "RCR9"): -200, ("6", "RCR2"): -200, ("6", "RCR9"): 200,
    }  # fmt: skip


# --- the gallery ----------------------------------------------------------------------------------------------------

GALLERY: list[tuple[str, dict[str, Any], str]] = [
    (
        "LEASE_UNKNOWN", {"lease": "99"},
        "Found lease 99, which the ledger does not have, expected a lease of portfolio 1: correct the lease number or "
        "load the lease, and drop the line again.",
    ),
    (
        "LEASE_UNKNOWN", {"lease": "0050"},
        "Found lease 0050, which the ledger does not have, expected a lease of portfolio 1: 50 and 0050 are different "
        "leases; write 50 if that one is meant, and drop the line again.",
    ),
    (
        "LEASE_OTHER_PORTFOLIO", {"lease": "200"},
        "Found lease 200 of portfolio 2, expected a lease of portfolio 1: send the line in the file of portfolio 2.",
    ),
    (
        "ASSET_UNKNOWN", {"asset": "80"},
        "Found asset 80, which the ledger does not have, expected an asset on lease 50: correct the asset number or "
        "load the asset, and drop the line again.",
    ),
    (
        "ASSET_NOT_ON_LEASE", {"asset": "81"},
        "Found asset 81, which is on lease 200, expected an asset on lease 50: correct the asset or the lease, and "
        "drop the line again.",
    ),
    (
        "ASSET_NOT_ON_LEASE", {"asset": "82"},
        "Found asset 82, which is on no lease, expected an asset on lease 50: correct the asset or the lease, and "
        "drop the line again.",
    ),
    (
        "ACCOUNT_MISSING", {"lease": "51", "bank": "130"},
        "Found no account for CASH 130 in office 1/1/2 of portfolio 1, expected one in the office's chart: load it "
        "with gl_accounts.csv, and drop the line again.",
    ),
    (
        "CHECK_MISSING", {"check": None},
        "Found no check number, expected the number of the check to the payee: add it, and drop the line again.",
    ),
    (
        "CHECK_DUPLICATE", {"check": "700"},
        "Found check 700 of bank 126, which portfolio 1 has already, expected a check number not used with that bank: "
        "correct the check number or the bank, and drop the line again.",
    ),
    (
        "ESCROW_BALANCE", {"cents": 150001},
        "Found 1,500.01 with a net escrow balance of 15.00 on lease 50, expected no more than the balance: correct the "
        "amount or wait for the lessee's payment, and drop the line again.",
    ),
]  # fmt: skip


@pytest.fixture
def gallery(world: World) -> World:
    world.lease("51", office=2)
    world.lease("200", office=3)
    world.lease("300", office=4)
    world.asset("81", "200")
    world.asset("82", None)
    world.post(UPDATE, world.stage(UPDATE, [disbursement(1, "50", 1, "700")]))
    with world.db.write() as c:
        c.exec_driver_sql("UPDATE escrow_balance SET balance_cents = 300 WHERE lease = '50' AND charge = 'RCR2'")
        c.exec_driver_sql("UPDATE bank_check SET state = 'VOID'")  # its number stays used
    return world


def test_every_reject_code_with_its_exact_message(gallery: World) -> None:
    lines = [disbursement(n, **{"cents": 1, "check": str(n), **items}) for n, (_, items, _) in enumerate(GALLERY, 1)]
    file = gallery.stage(UPDATE, lines)
    outcome = gallery.post(UPDATE, file)
    assert gallery.messages(file) == {n: (code, words) for n, (code, _, words) in enumerate(GALLERY, 1)}
    assert outcome == Outcome(rejected=len(lines), rejected_cents=sum(line.amount_cents for line in lines))
    assert gallery.postings(file) == []


def test_a_portfolio_without_escrow_charges_and_an_unknown_lease_in_a_bare_file(gallery: World) -> None:
    file = gallery.stage(UPDATE, [disbursement(1, "300"), disbursement(2, "99")], portfolio=None)
    gallery.post(UPDATE, file, portfolio=None)
    assert gallery.messages(file) == {
        1: (
            "NO_ESCROW_CHARGE",
            "Found portfolio 3 without a recurring charge of type E in use, expected an escrow charge to pay from: set "
            "one up in charges.csv, and drop the line again.",
        ),
        2: (
            "LEASE_UNKNOWN",
            "Found lease 99, which the ledger does not have, expected a lease of the ledger: correct the lease number "
            "or load the lease, and drop the line again.",
        ),
    }


def test_a_missing_payable_account_is_named(world: World) -> None:
    world.lease("51", office=2)
    with world.db.write() as c:
        c.exec_driver_sql(
            "UPDATE gl_account SET purpose = 'NO LONGER USED' WHERE office_id = 2 AND purpose = 'ASSMT INC/PAY - RCR CHG 9'"
        )
    file = world.stage(UPDATE, [disbursement(1, "51")])
    world.post(UPDATE, file)
    assert world.messages(file)[1][1].startswith("Found no account for ASSMT INC/PAY - RCR CHG 9 in office 1/1/2")


def test_reports_and_outcomes(gallery: World) -> None:
    lines = [
        disbursement(1, "50", 400, "1", reference="R", asset="79"),
        disbursement(2, "99", 7, "2"),
        disbursement(3, "50", 1, "3"),
    ]
    file = gallery.stage(UPDATE, lines)
    with gallery.posting(file, "escrow") as context:
        context.message(3, "R", "REPEATED", field=None, found="a", expected="b", action="c", amount_cents=1)
        assert UPDATE.post(context) == Outcome(posted=1, posted_cents=400, rejected=1, rejected_cents=7)
        (unit,) = context.close_units()
    with gallery.db.read() as c:
        assert list(UPDATE.outcomes(c, file)) == [
            (1, "posted", [unit.unit_id * 100_000_000 + 1]), (2, "rejected", []), (3, "rejected", [])
        ]  # fmt: skip
        audit = list(UPDATE.audit_rows(c, file))
        exceptions = list(UPDATE.exception_rows(c, file))
    office = ("1", "1", "1", "1")
    assert audit == [
        (*office, "50", "S50", "79", "RCR2", "2026-03-05", 300, "1", "126", "SMITH", "R"),
        (*office, "50", "S50", "79", "RCR9", "2026-03-05", 100, "1", "126", "SMITH", "R"),
    ]
    assert [row[:11] for row in exceptions] == [
        (2, None, None, None, None, "99", None, "2", 7, "2026-03-05", "LEASE_UNKNOWN"),
        (3, *office, "50", None, "3", 1, "2026-03-05", "REPEATED"),
    ]
    for spec, rows in ((UPDATE.audit, audit), (UPDATE.exceptions, exceptions)):
        assert all(len(row) == len(spec.columns) for row in rows)


@pytest.mark.parametrize(("also", "told"), [(("RCR3", "N"), "RCR2"), (("RC10", "Y"), "RC10"), (("RC10", "N"), "RCR2")])
def test_report_b_names_the_first_charge_in_use_of_an_account(world: World, also: tuple[str, str], told: str) -> None:
    """Of charges that share a payable: one that is not in use any more names nothing, whatever its number."""
    file = world.stage(UPDATE, [disbursement(1, "50", 300, asset="79")])
    world.post(UPDATE, file)
    with world.db.write() as c:
        share = "UPDATE charge SET used = :used, income_purpose = (SELECT MIN(s.income_purpose) FROM charge s WHERE s.code = 'RCR2') WHERE code = :code"
        c.execute(text(share), {"code": also[0], "used": also[1]})
        assert [row[7] for row in UPDATE.audit_rows(c, file)] == [told]


def test_a_file_staged_and_not_posted_is_held(world: World) -> None:
    file = world.stage(UPDATE, [disbursement(1)])
    with world.db.read() as c:
        assert list(UPDATE.outcomes(c, file)) == [(1, "held", [])]
