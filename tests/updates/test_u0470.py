"""Batch Payment Reversal: what is taken back, what waits, what fails, what is refused, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ledger import schema, units
from gateway.ledger.database import Database
from gateway.ledger.suspense import find, reduce
from gateway.settings_portfolio import PortfolioSettings, ReversalSettings
from gateway.updates import u0470
from gateway.updates.u0470 import UPDATE
from tests.updates.payment_world import CASH, POSTED_AT, RENT, World, simple

B1, B2, B3 = (f"0305080000010000000{n}" for n in (1, 2, 3))


def bank_for(family: str, bank: str) -> dict[str, PortfolioSettings]:
    return {"1": PortfolioSettings(reversals=ReversalSettings(bank={family: bank}))}  # type: ignore[dict-item]


def paid(db: Database, account: str = "", **more: Any) -> World:
    """Lease 1 has paid 212.00 of invoice 10 by check 12 in batch B1, 2.00 of it beyond all that was open."""
    world = World(db, **more)
    world.lease("1", office=2)
    world.invoice("10", "1", "2003-04-01", ("PYMT", 20000), ("LTCH", 500), ("RCR1", 500))
    world.payments(f"L1,21200,C12,E030501,B{B1}{account}")
    return world


SWAPPED = [
    ("REVL", "D", RENT, 20000), ("REVL", "D", "ASSMT RECV - RCR CHG 1", 500),
    ("REVL", "D", "ASSMT INC/PAY - RCR CHG 1", 500),
]  # fmt: skip


def legs_with(money: str, rest: str) -> list[tuple[Any, ...]]:
    """The reversing legs of ``paid``: the money leaves the account ``money``, that in suspense ``rest``."""
    return [
        (1, "REVL", "C", money, 21000), (1, "REVL", "C", "ASSESSED FEES", 1000), (1, "REVL", "D", "ASSMT RECV - LTCH", 500),
        (1, "REVL", "D", "ASSMT INC/PAY - LTCH", 500), *[(1, *leg) for leg in SWAPPED],
        (1, "REVL", "C", rest, 200), (1, "REVL", "D", "SUSPENSE", 200),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "account", "settings", "money"),
    [
        ("RNSFC", "", {}, CASH),
        ("RSTOP", ",A130", {}, "CASH 130"),
        ("", ",ACLR", {}, "CLEARING"),
        ("RUNDO", "", bank_for("U", "140"), "CASH 140"),
        ("ROTHR,G131", "", bank_for("O", "140"), "CASH 131"),
        ("RNSFC,G131", ",ACLR", {}, "CLEARING"),  # no cash came, so none can leave a bank
    ],
)
def test_families_that_swap_every_leg(
    db: Database, reason: str, account: str, settings: dict[str, PortfolioSettings], money: str
) -> None:
    world = paid(db, account, portfolios=settings)
    before = world.balances()
    assert world.escrow() == {("1", "RCR1"): 500}
    file_id, outcome = world.reversals(f"L1,21200,B{B1},C12,E030507" + (f",{reason}" if reason else ""))
    assert simple(world.legs(file_id)) == legs_with(money, money)
    assert {leg[2:4] for leg in world.legs(file_id)} == {("2003-05-07", 2)}
    warned = ["BANK_NOT_USED"] if "G131" in reason and "CLR" in account else []
    assert (outcome.posted, outcome.posted_cents) == (1, 21200)
    assert [code for _, _, code, *_ in world.messages(file_id)] == warned
    assert world.open() == {"10": 21000} and world.lines() == []
    assert world.suspense() == [("SUSPENSE", 2, "1", 200, 0, "MONEY_LEFT")]
    assert world.escrow() == {("1", "RCR1"): 0}
    assert world.rows("SELECT nsf_count FROM lease") == [(int("NSF" in reason),)]
    assert world.rows("SELECT state FROM payment_batch") == [("REVERSED",)]
    assert world.rows("SELECT closed_on FROM suspense_item") == [("2003-05-08",)]
    pairs = world.rows("SELECT entry_id, corrects FROM journal_entry WHERE corrects IS NOT NULL ORDER BY entry_id")
    assert [(p.entry_id, p.reversed_by) for p in _lines(world)] == [
        (old, new) for new, old in (pairs[0], pairs[0], pairs[0], pairs[1])
    ]
    after = world.balances()
    own = "CLEARING" if "CLR" in account else f"CASH {account[2:] or '125'}"
    assert before.pop((2, own)) == 21200 and after.pop((2, money), 0) == (0 if money == own else -21200)
    world.check_subledgers()


def _lines(world: World) -> list[Any]:
    with world.db.read() as connection:
        return list(connection.execute(schema.payment_line.select().order_by(schema.payment_line.c.line)))


def test_balances_return_to_where_they_were(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("10", "1", "2003-04-01", ("PYMT", 20000), ("LTCH", 500))
    before = world.balances()
    world.payments(f"L1,21000,B{B1}")
    assert world.balances() != before
    world.reversals(f"I10,21000,B{B1}")
    assert world.balances() == before


@pytest.mark.parametrize(("reason", "account"), [("TMSA", ""), ("TRAN", ""), ("TMSA", ",ACLR")])
def test_transferred_money_stays_in_suspense(db: Database, reason: str, account: str) -> None:
    world = paid(db, account)
    file_id, outcome = world.reversals(f"L1,21200,B{B1},R{reason},G131")
    assert simple(world.legs(file_id)) == legs_with("SUSPENSE", "SUSPENSE")[:-2]  # 2.00 is in suspense already
    assert len(world.lines(state="REVERSED")) == 4
    assert world.suspense() == [("SUSPENSE", 2, "1", 200, 0, "MONEY_LEFT"), ("SUSPENSE", 2, "1", 21200, 21200, reason)]
    assert outcome.posted == 1 and world.open() == {"10": 21000}
    assert world.messages(file_id) == [
        (1, "W", "BANK_NOT_USED",
         f"Found bank 131 for batch {B1}, whose money stays here to be placed again (family T), expected a bank only where cash "
         "goes back: nothing, no money was taken from that bank; if it did leave there, add it to Reversal Suspense."),
        (1, "W", "TARGET_REQUIRED",
         f"Found 212.00 of batch {B1} without a target, expected one for all of it: place the suspense item where the money "
         "belongs."),
    ]  # fmt: skip
    (item,) = world.rows("SELECT m.suspense_item, i.batch, i.check_no FROM line_message m "
                         "JOIN suspense_item i ON i.item = m.suspense_item WHERE m.file_id = :f", f=file_id)  # fmt: skip
    assert item[1:] == (B1, "12")
    world.check_subledgers()


def test_transferred_money_that_was_wholly_in_suspense_keeps_a_trail(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.payments(f"L1,500,C12,E030501,B{B1}")
    file_id, outcome = world.reversals(f"L1,500,B{B1},RTMSA")
    assert outcome.posted == 1
    assert simple(world.legs(file_id)) == [(1, "REVL", "C", "SUSPENSE", 500), (1, "REVL", "D", "SUSPENSE", 500)]
    assert [row[4:] for row in world.suspense()] == [(0, "NO_OPEN_INVOICE"), (500, "TMSA")]
    world.check_subledgers()


AGAIN = "send the reversal again with the right {} and have the reversal suspense item cleared."
FAILURES: list[tuple[str, str, str, str, int]] = [  # line, code, sentence, account, office
    (f"L01,500,B{B1}", "LEASE_UNKNOWN",
     "Found lease 01, near lease 1 which exists, expected a lease of portfolio 1: " + AGAIN.format("lease"), CASH, 1),
    (f"L7,500,B{B1},G131", "LEASE_UNKNOWN", "Found lease 7, expected a lease of portfolio 1: " + AGAIN.format("lease"),
     "CASH 131", 1),
    (f"I7,500,B{B1},RTMSA", "INVOICE_UNKNOWN",
     "Found invoice 7, expected an invoice of portfolio 1: " + AGAIN.format("invoice"), CASH, 1),
    (f"L1,500,B{B1},RTMSA,G131", "AMOUNT_DIFFERS", "Found 5.00, expected 212.00, all of batch " + B1 + ": "
     + AGAIN.format("amount"), CASH, 2),
    (f"L1,500,B{B3},RTMSA,G131", "BATCH_UNKNOWN", f"Found batch {B3}, expected a payment batch of portfolio 1: "
     + AGAIN.format("batch"), "CASH 131", 2),
    (f"L1,500,B{B3},RTMSA", "BATCH_UNKNOWN", f"Found batch {B3}, expected a payment batch of portfolio 1: "
     + AGAIN.format("batch"), "CLEARING", 2),
    (f"L2,900,B{B2},RTMSA,C13", "CHECK_DIFFERS",
     f"Found check 13, expected none, batch {B2} has no check: " + AGAIN.format("check"), "CLEARING", 1),
    (f"L9,500,B{B1}", "LEASE_OTHER_PORTFOLIO",
     "Found lease 9 of portfolio 2, expected a lease of portfolio 1: send the reversal in a file of portfolio 2 and have the "
     "reversal suspense item cleared.", CASH, 1),
    (f"L1,500,B{B3}", "BATCH_UNKNOWN", f"Found batch {B3}, expected a payment batch of portfolio 1: " + AGAIN.format("batch"),
     CASH, 2),
    (f"L2,500,B{B1}", "NOT_IN_BATCH", f"Found lease 2, expected one that batch {B1} pays: " + AGAIN.format("lease or batch"),
     CASH, 1),
    (f"I20,500,B{B1}", "NOT_IN_BATCH",
     f"Found invoice 20, expected one that batch {B1} pays: " + AGAIN.format("invoice or batch"), CASH, 1),
    (f"L1,500,B{B1}", "AMOUNT_DIFFERS", f"Found 5.00, expected 212.00, all of batch {B1}: " + AGAIN.format("amount"), CASH, 2),
    (f"L1,21200,B{B1},C13", "CHECK_DIFFERS",
     f"Found check 13, expected check 12 of batch {B1}: " + AGAIN.format("check"), CASH, 2),
    (f"L2,900,B{B2},C13", "CHECK_DIFFERS",
     f"Found check 13, expected none, batch {B2} has no check: " + AGAIN.format("check"), "CLEARING", 1),
    (f"L2,900,B{B2},C13,G131", "CHECK_DIFFERS",  # no cash came, so none can have left a bank
     f"Found check 13, expected none, batch {B2} has no check: " + AGAIN.format("check"), "CLEARING", 1),
    (f"L1,21200,B{B1},G144", "BANK_UNKNOWN",
     "Found bank 144, expected a cash account 125 to 144 of the office's chart: " + AGAIN.format("bank"), CASH, 2),
    (f"L1,21200,B{B1},G999", "BANK_UNKNOWN",
     "Found bank 999, expected a cash account 125 to 144 of the office's chart: " + AGAIN.format("bank"), CASH, 2),
]  # fmt: skip


def failing(db: Database) -> World:
    world = paid(db)
    world.lease("2")
    world.lease("9", office=3)
    world.invoice("20", "2", "2003-04-01", ("PYMT", 900))
    world.payments(f"L2,900,B{B2},ACLR")
    return world


def test_failures_become_reversal_suspense(db: Database) -> None:
    world = failing(db)
    for line, code, sentence, account, office in FAILURES:
        file_id, outcome = world.reversals(line, f"L1,7,B{B3}")  # so that the file is not another portfolio's
        outcome.suspended, outcome.suspended_cents = outcome.suspended - 1, outcome.suspended_cents - 7
        cents = int(line.split(",")[1])
        assert world.messages(file_id)[0] == (1, "S", code, sentence)
        assert (outcome.posted, outcome.suspended, outcome.suspended_cents, outcome.rejected) == (0, 1, cents, 0)
        assert [leg[:2] + leg[3:] for leg in world.legs(file_id)[:2]] == [
            (1, "RSUS", office, "D", "REVERSAL SUSPENSE", cents), (1, "RSUS", office, "C", account, cents),
        ], line  # fmt: skip
        kind, item_office, _, *rest = world.suspense()[-2]
        assert (kind, item_office, *rest) == ("REVERSAL", office, cents, cents, code)
    assert world.open() == {"10": 0, "20": 0} and len(world.lines()) == 5
    assert world.rows("SELECT SUM(nsf_count) FROM lease") == [(0,)]
    world.check_subledgers()


def test_a_file_of_another_portfolio_reverses_nothing(db: Database) -> None:
    world = failing(db)
    file_id, outcome = world.reversals(f"L9,500,B{B1}")
    assert [m[1:3] for m in world.messages(file_id)] == [("R", "LEASE_OTHER_PORTFOLIO")]
    assert (outcome.rejected, outcome.suspended, world.legs(file_id)) == (1, 0, [])


def test_a_batch_of_another_portfolio_is_unknown(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.payments(f"L77,100,B{B1}", portfolio="2")
    file_id, _ = world.reversals(f"L1,100,B{B1}")
    assert [m[2] for m in world.messages(file_id)] == ["BATCH_UNKNOWN"]


def test_banks_of_the_settings_and_the_default(db: Database) -> None:
    world = World(db, portfolios=bank_for("N", "144"))
    world.lease("1")
    world.lease("2", office=2)
    file_id, _ = world.reversals(f"L1,1,B{B1},RNSFC", f"L1,2,B{B1},RUNDO", f"L2,3,B{B1},RNSFC")
    assert [leg[5:] for leg in world.legs(file_id)[1::2]] == [("CASH 144", 1), (CASH, 2), (CASH, 3)]


def test_a_batch_reversed_before_is_refused_without_an_item(db: Database) -> None:
    world = paid(db)
    file_id, outcome = world.reversals(f"L1,21200,B{B1}", f"L1,21200,B{B1}")
    again, second = world.reversals(f"L1,21200,B{B1},RNSFC")
    ((line, kind, code, words),), ((first, *same),) = world.messages(file_id), world.messages(again)
    assert (line, first, kind, code, same) == (2, 1, "R", "BATCH_REVERSED", [kind, code, words])
    assert words.startswith(f"Found batch {B1} reversed before, expected a live batch: nothing is to be done, unless")
    assert (outcome.posted, outcome.rejected, outcome.rejected_cents) == (1, 1, 21200)
    assert (second.posted, second.rejected, world.legs(again)) == (0, 1, [])
    assert [kind for kind, *_ in world.suspense()] == ["SUSPENSE"]
    with db.read() as connection:
        assert [row[1] for row in UPDATE.outcomes(connection, file_id)] == ["posted", "rejected"]


def test_spent_suspense_is_named_and_refuses_the_reversal(db: Database) -> None:
    world = paid(db)
    with db.write() as connection:
        ((item,),) = connection.exec_driver_sql("SELECT item FROM suspense_item").all()
        unit = units.open_unit(
            db, connection, portfolio="1", kind="OPERATOR", update_name="SUSP", operator="TST", posted_at=POSTED_AT
        )
        cash, held = (world.account(connection, 2, purpose) for purpose in (CASH, "SUSPENSE"))
        unit.add(office_id=2, txn="SUSP", effective_date="2003-05-08", legs=[(held, "D", 150), (cash, "C", 150)])
        reduce(db, connection, {item: 150}, on="2003-05-08")
        units.close_unit(unit)
    file_id, outcome = world.reversals(f"L1,21050,B{B1}")
    assert world.messages(file_id) == [
        (1, "R", "SUSPENSE_SPENT",
         f"Found 1.50 of suspense item {item} of batch {B1} spent since, expected an unspent item: take its steps back "
         f"(gateway suspense undo {item} --move N --reason WHY), then send the reversal again."),
    ]  # fmt: skip
    assert outcome.rejected == 1 and world.open() == {"10": 0}
    with db.read() as connection:
        shown = find(connection, item)
        assert shown is not None
        assert (shown.amount_cents, shown.remaining_cents, shown.closed_on) == (200, 50, None)
    world.check_subledgers()


def test_money_wholly_in_suspense_comes_back_by_the_invoice_it_named(db: Database) -> None:
    world = World(db)
    world.lease("1", status="HHLD")
    world.invoice("10", "1", "2003-04-01", ("PYMT", 100))
    world.payments(f"I10,100,B{B1}")
    file_id, outcome = world.reversals(f"I10,100,B{B1},RNSFC")
    assert outcome.posted == 1 and simple(world.legs(file_id)) == [
        (1, "REVL", "C", CASH, 100), (1, "REVL", "D", "SUSPENSE", 100),
    ]  # fmt: skip
    with db.read() as connection:
        assert connection.exec_driver_sql("SELECT remaining_cents FROM suspense_item").scalars().all() == [0]
    world.check_subledgers()


def test_escrow_disbursed_since_goes_negative_with_a_warning(db: Database) -> None:
    world = paid(db)
    with db.write() as connection:
        unit = units.open_unit(
            db, connection, portfolio="1", kind="OPERATOR", update_name="U0409", operator="TST", posted_at=POSTED_AT
        )
        cash, owed = (world.account(connection, 2, p) for p in ("CASH 126", "ASSMT INC/PAY - RCR CHG 1"))
        unit.add(office_id=2, txn="ESCR", effective_date="2003-05-08", legs=[(owed, "D", 300), (cash, "C", 300)])
        connection.exec_driver_sql("UPDATE escrow_balance SET balance_cents = balance_cents - 300")
        units.close_unit(unit)
    file_id, outcome = world.reversals(f"L1,21200,B{B1}")
    assert world.messages(file_id) == [
        (1, "W", "ESCROW_NEGATIVE",
         "Found escrow RCR1 of lease 1 at -3.00 after the reversal, expected nothing disbursed of a payment that came back: "
         "collect the difference from the lessee."),
    ]  # fmt: skip
    assert outcome.posted == 1 and world.escrow() == {("1", "RCR1"): -300}
    world.check_subledgers()


def test_deferral_fee_received_as_cash_opens_no_receivable(db: Database) -> None:
    world = World(db)
    world.lease("1")
    with db.write() as connection:
        unit = units.open_unit(
            db, connection, portfolio="1", kind="OPENING", update_name="LOAD", operator="TST", posted_at=POSTED_AT
        )
        cash, fee = (world.account(connection, 1, p) for p in (CASH, "ASSMT INC/PAY - PEXT"))
        entry = unit.add(
            office_id=1, txn="PEXT", effective_date="2003-04-01", lease="1", legs=[(cash, "D", 900), (fee, "C", 900)]
        )
        unit.flush()
        connection.execute(
            schema.payment_batch.insert().values(
                batch=B1, portfolio="1", operator="JS1", effective_date="2003-04-01", effective_time="09:00:00",
                cash_account="125", amount_cents=900, state="LIVE", unit_id=unit.unit_id,
            )
        )  # fmt: skip
        connection.execute(
            schema.payment_line.insert().values(
                batch=B1, line=1, lease="1", invoice="DEF FEE", charge="PEXT", amount_cents=900, state="APPLIED",
                entry_id=entry,
            )
        )  # fmt: skip
        units.close_unit(unit)
    file_id, _ = world.reversals(f"L1,900,B{B1}")
    assert simple(world.legs(file_id)) == [(1, "REVL", "C", CASH, 900), (1, "REVL", "D", "ASSMT INC/PAY - PEXT", 900)]
    assert world.balances() == {}


def test_worked_case_5(db: Database) -> None:
    """The reversed batch pays several leases: it alone is reversed, with the warning of the case."""
    world = World(db)
    invoices = {"1": ("1", "2003-03-01", 15000), "2": ("1", "2003-04-01", 35000), "3": ("1", "2003-05-01", 5000),
                "4": ("2", "2003-04-01", 5000)}  # fmt: skip
    for lease in ("1", "2"):
        world.lease(lease, lessee="ONE")
    for invoice, (lease, due, cents) in invoices.items():
        world.invoice(invoice, lease, due, ("PYMT", cents))
    world.payments(
        f"I1,15000,C123,E030304,B{B1}", f"I4,5000,C123,E030304,B{B1}", f"I2,15000,C456,E030408,B{B2}",
        f"I3,5000,C456,E030408,B{B2}", f"I2,20000,C789,E030504,B{B3}",
    )  # fmt: skip
    file_id, _ = world.reversals(f"L1,20000,B{B1},RNSFC,C123")
    assert world.messages(file_id) == [
        (1, "W", "MULTIPLE_LEASE_BATCH",
         f"Found several leases in batch {B1}, expected one: nothing, it alone was reversed (No reversal and reapply for "
         "multiple lease batch)."),
    ]  # fmt: skip
    assert world.open() == {"1": 15000, "2": 0, "3": 0, "4": 5000}
    assert [(line[0], line[2], line[4]) for line in world.lines()] == [
        (B2, "2", 15000),
        (B2, "3", 5000),
        (B3, "2", 20000),
    ]
    assert world.rows("SELECT lease, nsf_count FROM lease ORDER BY lease") == [("1", 1), ("2", 1)]
    with db.read() as connection:
        assert [tuple(row) for row in UPDATE.audit_rows(connection, file_id)] == [
            ("1", "LESSEE OF 1", "123", B1, "NSFC", 15000, None, "1 150.00", ""),
            ("2", "LESSEE OF 2", "123", B1, "NSFC", 5000, None, "4 50.00", ""),
        ]  # fmt: skip


def test_several_leases_transferred_wait_by_lease(db: Database) -> None:
    world = World(db)
    for lease, office in (("1", 1), ("2", 2)):
        world.lease(lease, office=office)
        world.invoice(f"1{lease}", lease, "2003-04-01", ("PYMT", 100), ("LTCH", 50))
    world.payments(f"L1,150,B{B1}", f"L2,120,B{B1}")
    file_id, _ = world.reversals(f"L2,270,B{B1},RTRAN")
    assert world.suspense() == [("SUSPENSE", 1, "1", 150, 150, "TRAN"), ("SUSPENSE", 2, "2", 120, 120, "TRAN")]
    assert [m[2] for m in world.messages(file_id)] == ["TARGET_REQUIRED", "TARGET_REQUIRED"]
    world.check_subledgers()


def test_records_of_chunks_one_after_the_other(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(u0470, "CHUNK_LINES", 1)
    world = failing(db)
    file_id, outcome = world.reversals(f"L1,21200,B{B1}", f"L1,21200,B{B1}", f"L9,1,B{B2}", f"L2,900,B{B2}")
    assert (outcome.posted, outcome.suspended, outcome.rejected) == (2, 1, 1)
    with db.read() as connection:
        found = [(line, state, len(ids)) for line, state, ids in UPDATE.outcomes(connection, file_id)]
        exceptions = [
            dict(zip((c.key for c in UPDATE.exceptions.columns), row, strict=True))
            for row in UPDATE.exception_rows(connection, file_id)
        ]
    assert found == [(1, "posted", 2), (2, "rejected", 0), (3, "suspended", 1), (4, "posted", 1)]
    (item,) = (n for (n,) in world.rows("SELECT item FROM suspense_item WHERE kind = 'REVERSAL'"))
    shown = [{key: row[key] for key in row if key != "message"} for row in exceptions]
    common = {"invoice": None, "check": None, "reason": None}
    assert shown == [
        common
        | {"line": 2, "lease": "1", "batch": B1, "amount": 21200, "suspense_item": None, "code": "BATCH_REVERSED"},
        common
        | {"line": 3, "lease": "9", "batch": B2, "amount": 1, "suspense_item": item, "code": "LEASE_OTHER_PORTFOLIO"},
    ]
    world.check_subledgers()
