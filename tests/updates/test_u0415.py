"""Batch Payments: where money goes, what it posts, and which batch it is in. Its messages: ``test_u0415_messages``."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ledger.database import Database
from gateway.settings_portfolio import PaymentSettings, PortfolioSettings
from gateway.updates import u0415
from gateway.updates.u0415 import UPDATE
from tests.updates.payment_world import CASH, RENT, World, simple

FIRST = "03050890000100000001"


def test_cash_basis_and_accrual_legs(db: Database) -> None:
    world = World(db)
    world.lease("1", office=2)
    world.invoice("10", "1", "2003-04-01", ("PYMT", 20000), ("LTCH", 500), ("RCR1", 700))
    file_id, outcome = world.payments("I10,21200,C12,E030501")
    assert world.legs(file_id) == [
        (1, "PYMT", "2003-05-01", 2, "D", CASH, 21200),
        (1, "PYMT", "2003-05-01", 2, "D", "ASSESSED FEES", 1200),
        (1, "PYMT", "2003-05-01", 2, "C", "ASSMT RECV - LTCH", 500),
        (1, "PYMT", "2003-05-01", 2, "C", "ASSMT INC/PAY - LTCH", 500),
        (1, "PYMT", "2003-05-01", 2, "C", RENT, 20000),
        (1, "PYMT", "2003-05-01", 2, "C", "ASSMT RECV - RCR CHG 1", 700),
        (1, "PYMT", "2003-05-01", 2, "C", "ASSMT INC/PAY - RCR CHG 1", 700),
    ]
    assert (outcome.posted, outcome.posted_cents, outcome.suspended) == (1, 21200, 0)
    assert world.messages(file_id) == [] and world.open() == {"10": 0}
    assert world.escrow() == {("1", "RCR1"): 700}  # credited when paid
    world.check_subledgers()


def test_accrual_escrow_is_owed_when_assessed_not_when_paid(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("10", "1", "2003-04-01", ("RCR2", 700))
    assert world.escrow() == {("1", "RCR2"): 700}
    file_id, _ = world.payments("L1,700,ACLR")
    assert simple(world.legs(file_id)) == [
        (1, "PYMT", "D", "CLEARING", 700),
        (1, "PYMT", "C", "ASSMT RECV - RCR CHG 2", 700),
    ]
    assert world.escrow() == {("1", "RCR2"): 700}
    world.check_subledgers()


VECTORS = [
    (
        {"PRIN": (3, "N"), "INTR": (2, "N"), "LTCH": (1, "N"), "LEGF": (0, "N"), "OTHF": (0, "N"), "UTAX": (4, "N")},
        ["LTCH", "INTR", "PRIN", "UTAX", "LEGF", "OTHF"],
    ),
    (
        {"RENT": (1, "N"), "INTR": (2, "N"), "UTAX": (3, "Y"), "COLL": (4, "N"), "LSRW": (5, "Y")},
        ["UTAX", "LSRW", "RENT", "INTR", "COLL"],
    ),
]


@pytest.mark.parametrize(("orders", "expected"), VECTORS)
def test_hierarchy_vectors(db: Database, orders: dict[str, tuple[int, str]], expected: list[str]) -> None:
    charges = {code: ("I", "A", *standing) for code, standing in orders.items()}
    purposes = {"PRIN": "RCR3", "INTR": "RCR4", "RENT": "PYMT"}  # codes that the default chart has accounts for
    world = World(db, charges={purposes.get(code, code): value for code, value in charges.items()})
    world.lease("1")
    world.invoice("10", "1", "2003-04-01", *[(purposes.get(code, code), 100) for code in orders])
    for paid in range(1, len(expected) + 1):
        world.payments("L1,100")
        assert [line[3] for line in world.lines()] == [purposes.get(code, code) for code in expected[:paid]]


def test_oldest_due_invoice_first_and_equal_days_by_number(db: Database) -> None:
    world = World(db)
    world.lease("1")
    for number, due in (("20", "2003-06-01"), ("9", "2003-04-01"), ("10", "2003-04-01"), ("5", "2003-05-01")):
        world.invoice(number, "1", due, ("PYMT", 100))
    world.payments("L1,350")
    assert [(line[2], line[4]) for line in world.lines()] == [("9", 100), ("10", 100), ("5", 100), ("20", 50)]
    assert world.open() == {"10": 0, "20": 50, "5": 0, "9": 0}


def test_named_invoice_first_then_the_oldest_then_suspense(db: Database) -> None:
    world = World(db)
    world.lease("1")
    for number, due in (("1", "2003-04-01"), ("2", "2003-05-01"), ("3", "2003-06-01")):
        world.invoice(number, "1", due, ("PYMT", 100), ("LTCH", 10))
    file_id, outcome = world.payments("I3,340")
    assert [line[2:] for line in world.lines()] == [
        ("3", "LTCH", 10), ("3", "PYMT", 100), ("1", "LTCH", 10), ("1", "PYMT", 100), ("2", "LTCH", 10),
        ("2", "PYMT", 100), (None, None, 10),
    ]  # fmt: skip
    assert (outcome.posted_cents, outcome.suspended, outcome.suspended_cents) == (330, 1, 10)
    assert world.suspense() == [("SUSPENSE", 1, "1", 10, 10, "MONEY_LEFT")]
    assert len({entry for (entry,) in world.rows("SELECT entry_id FROM payment_line")}) == 4  # one an invoice
    assert world.rows("SELECT lease, invoice FROM suspense_item") == [("1", "3")]
    world.check_subledgers()
    with db.read() as connection:
        assert list(UPDATE.outcomes(connection, file_id)) == [
            (1, "suspended", [e for (e,) in world.rows("SELECT entry_id FROM journal_entry WHERE source_line = 1")])
        ]


def test_due_date_picks_the_invoice_due_that_day(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-04-01", ("PYMT", 100))
    world.invoice("2", "1", "2003-05-01", ("PYMT", 100))
    world.payments("L1,120,D030501")
    assert [line[2:] for line in world.lines()] == [("2", "PYMT", 100), ("1", "PYMT", 20)]


def test_lines_of_one_file_see_what_the_lines_before_paid(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of one line give what one chunk gives."""
    monkeypatch.setattr(u0415, "CHUNK_LINES", 1)
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-04-01", ("PYMT", 100))
    world.invoice("2", "1", "2003-05-01", ("PYMT", 100))
    given = "03050777777700000001"
    file_id, outcome = world.payments("L1,60,C7", "L1,60,C7", f"L1,50,B{given}", f"L1,40,B{given}", f"L1,5,C9,B{given}")
    assert [(line[0], line[2], line[4]) for line in world.lines()] == [
        (given, "2", 50), (given, "2", 30), (given, None, 10),
        (FIRST, "1", 60), (FIRST, "1", 40), (FIRST, "2", 20),
        ("03050890000100000002", None, 5),
    ]  # fmt: skip
    header = "batch, amount_cents, state, operator, effective_date, effective_time, cash_account, check_no"
    common = ("LIVE", "JS1", "2003-05-08", "09:30:00", "125")
    assert world.rows(f"SELECT {header} FROM payment_batch ORDER BY batch") == [
        (given, 90, *common, None), (FIRST, 120, *common, "7"), ("03050890000100000002", 5, *common, "9"),
    ]  # fmt: skip
    assert (outcome.posted, outcome.suspended) == (3, 2)
    assert [m[2] for m in world.messages(file_id)] == ["MONEY_LEFT", "BATCH_DIFFERS"]
    world.check_subledgers()


BATCHES: list[tuple[str, tuple[str, ...], list[int]]] = [
    ("one check of one lessee", ("L1,10,C7", "L2,10,C7"), [1, 1]),
    ("no check", ("L1,10", "L1,10"), [1, 2]),
    ("another check", ("L1,10,C7", "L1,10,C8"), [1, 2]),
    ("another account", ("L1,10,C7", "L1,10,C7,A130"), [1, 2]),
    ("the default account named", ("L1,10,C7", "L1,10,C7,A125"), [1, 1]),
    ("another date", ("L1,10,C7", "L1,10,C7,E030507"), [1, 2]),
    ("another lessee", ("L1,10,C7", "L3,10,C7"), [1, 2]),
    ("not consecutive", ("L1,10,C7", "L3,10,C8", "L1,10,C7"), [1, 2, 3]),
    ("unknown leases are strangers", ("L8,10,C7", "L9,10,C7"), [1, 2]),
    ("a rejected line between", ("L1,10,C7", "L1,0,C7", "L1,10,C7"), [1, 1]),
]


def test_batches_without_number(db: Database) -> None:
    world = World(db)
    for lease, lessee in (("1", "SAME"), ("2", "SAME"), ("3", "OTHER")):
        world.lease(lease, lessee=lessee)
        world.invoice(f"1{lease}", lease, "2003-04-01", ("PYMT", 1000))
    for case, lines, places in BATCHES:
        file_id, _ = world.payments(*lines)
        found = world.rows(
            "SELECT p.batch FROM payment_line p JOIN payment_batch b ON b.batch = p.batch WHERE b.file_id = :f "
            "ORDER BY p.source_line, p.line",
            f=file_id,
        )
        assert [int(batch[12:]) for (batch,) in found] == places, case
        assert len({batch[:12] for (batch,) in found}) == 1


def test_a_session_a_file_and_none_given_twice(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.payments("L1,10,B03050890000200000001")  # a sender's own session
    world.payments("L1,10")
    world.payments("L1,10", "L1,10,B03050890000300000009")  # passed over
    world.payments("L1,0")  # nothing to post takes no session
    world.payments("L1,10")
    assert sorted(line[0] for line in world.lines()) == [
        FIRST, "03050890000200000001", "03050890000300000009", "03050890000400000001", "03050890000500000001",
    ]  # fmt: skip
    assert world.rows("SELECT next FROM counter WHERE name = 'payment-session'") == [(900_006,)]


def test_sessions_come_round_after_the_last(db: Database) -> None:
    world = World(db)
    world.lease("1")
    with db.write() as connection:
        connection.exec_driver_sql("INSERT INTO counter (name, next) VALUES ('payment-session', 999999)")
    world.payments("L1,10")
    world.payments("L1,10")
    assert [line[0] for line in world.lines()] == [FIRST, "03050899999900000001"]


def test_a_number_stays_used_when_its_batch_is_reversed_or_its_file_taken_back(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-04-01", ("PYMT", 1000))
    world.payments(f"L1,10,B{GIVEN}", "L1,10")
    world.reversals(f"L1,10,B{GIVEN}")
    file_id, _ = world.payments(f"L1,10,B{GIVEN}")
    assert [message[1:3] for message in world.messages(file_id)] == [("S", "BATCH_EXISTS")]
    with db.write() as connection:  # as a file that is taken back leaves its batches, when sessions have come round
        for table in ("payment_line", "payment_batch"):
            connection.exec_driver_sql(f"UPDATE {table} SET batch = '{FIRST}~1' WHERE batch = '{FIRST}'")
        connection.exec_driver_sql("UPDATE counter SET next = 900001 WHERE name = 'payment-session'")
    world.payments("L1,10")
    assert sorted(line[0][6:12] for line in world.lines()) == ["900001", "900002", "900003"]


GIVEN = "03040190000700000001"
OPEN = ("PYMT", 1000)
UNPLACED = [
    ("L0001,50", "LEASE_UNKNOWN"),
    ("L77,50", "LEASE_UNKNOWN"),
    ("I77,50", "INVOICE_UNKNOWN"),
    ("L9,50", "LEASE_OTHER_PORTFOLIO"),
    (f"L1,50,B{GIVEN}", "BATCH_EXISTS"),
    ("L2,50", "LEASE_STATUS"),
    ("L3,50", "LEASE_STATUS"),
    ("L4,50,A144", "ACCOUNT_UNKNOWN"),
    ("L1,50,D030402", "DUE_DATE_NOT_OPEN"),
    ("L5,50", "NO_OPEN_INVOICE"),
]


def test_money_that_cannot_be_applied(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.lease("2", status="ABPT")
    world.lease("3", status="HXYZ")
    world.lease("4", office=2)
    world.lease("5")
    world.lease("9", office=3)
    for lease in "1234":
        world.invoice(f"1{lease}", lease, "2003-04-01", OPEN)
    world.payments(f"L1,1,B{GIVEN}")
    for line, code in UNPLACED:
        file_id, outcome = world.payments(line, "I11,1")  # the second keeps the file from being another portfolio's
        outcome.posted -= 1
        assert [message[:3] for message in world.messages(file_id)] == [(1, "S", code)]
        assert (outcome.posted, outcome.suspended, outcome.suspended_cents) == (0, 1, 50)
        office = 2 if line.startswith("L4") else 1
        assert simple(world.legs(file_id))[:2] == [(1, "SUSP", "D", CASH, 50), (1, "SUSP", "C", "SUSPENSE", 50)]
        kind, item_office, _, *rest = world.suspense()[-1]
        assert (kind, item_office, *rest) == ("SUSPENSE", office, 50, 50, code)
    assert sum(world.open().values()) == 3999 - len(UNPLACED)
    world.check_subledgers()


def test_a_due_date_that_an_earlier_line_paid_is_not_open_any_more(db: Database) -> None:
    """What the line names is paid; that of another day it did not mean."""
    world = World(db)
    world.lease("1")
    world.invoice("10", "1", "2003-04-01", ("PYMT", 100))
    world.invoice("11", "1", "2003-05-01", ("PYMT", 100))
    file_id, _ = world.payments("L1,100,D030501", "L1,100,D030501")
    assert [message[:3] for message in world.messages(file_id)] == [(2, "S", "DUE_DATE_NOT_OPEN")]
    assert world.open() == {"10": 100, "11": 0}


def test_a_file_of_another_portfolio_posts_nothing(db: Database) -> None:
    world = World(db)
    world.lease("9", office=3)
    file_id, outcome = world.payments("L9,50", "L9,70", "L9,0")
    sentence = (
        "Found lease 9 of portfolio 2 and none of portfolio 1, expected leases of portfolio 1: send the file under the name "
        "of its portfolio."
    )
    assert world.messages(file_id)[:2] == [(n, "R", "LEASE_OTHER_PORTFOLIO", sentence) for n in (1, 2)]
    assert (outcome.posted, outcome.suspended, outcome.rejected, outcome.rejected_cents) == (0, 0, 2, 120)
    assert world.rows("SELECT unit_id FROM posting_unit") == [] and world.suspense() == []


def test_statuses_that_take_no_payment(db: Database) -> None:
    world = World(db)
    for number, status in enumerate(("ANOR", "NMAT", "AREP", "HHLD", "HREP", "HVOL", "NBRD")):
        world.lease(str(number), status=status)
        world.invoice(str(number), str(number), "2003-04-01", OPEN)
    file_id, _ = world.payments(*(f"I{number},50" for number in range(7)))
    assert [m[::2] for m in world.messages(file_id)] == [(line, "LEASE_STATUS") for line in range(3, 8)]


def test_differing_lines_of_a_batch_and_money_left(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-04-01", ("PYMT", 100))
    file_id, _ = world.payments(f"L1,150,C1,B{GIVEN}", f"L1,10,C2,B{GIVEN}", f"L1,10,C2,B{GIVEN}")
    differs = (
        f"Found batch {GIVEN} with another check, account or effective date than its first line, expected one of each in a "
        "batch: apply the suspense item by hand."
    )
    assert world.messages(file_id) == [
        (1, "S", "MONEY_LEFT",
         "Found 0.50 more than all open invoices of lease 1, expected no more than they come to: apply the suspense item "
         "when the lease is billed, or pay it out."),
        (2, "S", "BATCH_DIFFERS", differs),
        (3, "S", "BATCH_DIFFERS", differs),
    ]  # fmt: skip
    assert [line[0] for line in world.lines()] == [GIVEN, GIVEN, FIRST, FIRST]


def test_far_over_the_normal_payment_posts_with_a_warning(db: Database) -> None:
    world = World(db, portfolios={"1": PortfolioSettings(payments=PaymentSettings(default_cash="130"))})
    world.lease("1", normal_payment_cents=100)
    world.invoice("1", "1", "2003-04-01", ("PYMT", 2000))
    file_id, outcome = world.payments("L1,500", "L1,501")
    assert world.messages(file_id) == [
        (2, "W", "OVER_NORMAL",
         "Found a payment of 5.01, expected at most 5 times the normal payment of 1.00: check the amount with the sender, "
         "it was posted as received."),
    ]  # fmt: skip
    assert outcome.posted == 2 and world.balances()[1, "CASH 130"] == 1001


def test_the_rejected_are_left_out_and_nothing_is_lost(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-04-01", OPEN)
    file_id, outcome = world.payments("L1,100", "L1,-5", "", "X", "I1,200,C5")
    assert [m[:2] for m in world.messages(file_id)] == [(2, "R"), (4, "R")]
    assert (outcome.posted, outcome.posted_cents, outcome.rejected) == (2, 300, 0)
    with db.read() as connection:
        assert [row[:2] for row in UPDATE.outcomes(connection, file_id)] == [(1, "posted"), (5, "posted")]
        assert [row[0] for row in UPDATE.exception_rows(connection, file_id)] == [2, 4]


def test_reports(db: Database) -> None:
    world = World(db)
    world.lease("1", normal_payment_cents=10)
    world.invoice("10", "1", "2003-04-01", ("PYMT", 1000))
    file_id, _ = world.payments("I10,1100,C7")
    (item,) = (n for (n,) in world.rows("SELECT item FROM suspense_item"))
    with db.read() as connection:
        audit = [_named(UPDATE.audit, row) for row in UPDATE.audit_rows(connection, file_id)]
        exceptions = [_named(UPDATE.exceptions, row) for row in UPDATE.exception_rows(connection, file_id)]
    key = {"portfolio": "1", "company": "1", "region": "1", "office": "1", "lease": "1", "check": "7", "batch": FIRST}
    paid = {
        "lessee": "LESSEE OF 1", "asset": "", "code": "PYMT", "code_name": "PYMT NAME", "amount": 1000, "invoice": "10",
        "due_date": "2003-04-01", "suspense_item": None,
    }  # fmt: skip
    left = {
        "code": "SUSP",
        "code_name": "SUSPENSE",
        "amount": 100,
        "invoice": None,
        "due_date": None,
        "suspense_item": item,
    }
    assert audit == [key | paid, key | paid | left]
    shown = {name: exceptions[0][name] for name in exceptions[0] if name != "message"}
    assert shown == key | {
        "line": 1, "invoice": "10", "suspense_item": item, "amount": 100, "date": "2003-05-08", "code": "MONEY_LEFT",
    }  # fmt: skip
    assert [row["code"] for row in exceptions] == ["MONEY_LEFT", "OVER_NORMAL"]
    assert exceptions[1]["batch"] == FIRST


def _named(spec: Any, row: Any) -> dict[str, Any]:
    return dict(zip((c.key for c in spec.columns), row, strict=True))
