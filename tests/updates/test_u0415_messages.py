"""Every message of U0415A, each with the smallest file that gives it, word for word as the report prints it."""

from __future__ import annotations

import ast
from pathlib import Path

from gateway.ledger.database import Database
from gateway.updates import payment_messages, payment_strangers
from gateway.updates.u0415 import UPDATE
from parsers.codes import WarnCode
from tests.updates.payment_world import World

USED = "03040190000700000001"
NEW = "03040190000800000001"
_AGAIN = "and drop the line again."

UNREADABLE: list[tuple[str, str, str]] = [
    ("X1,5", "TARGET_PREFIX",
     f"Found 'X1' at the start, expected I and an invoice or L and a lease: put the letter before the number {_AGAIN}"),
    ('"L1",5', "TARGET_PREFIX",
     f"Found '\"L1\"' at the start, expected I and an invoice or L and a lease: take the quotation marks away {_AGAIN}"),
    ("L1", "VALUE_MISSING", f"Found no value for the amount, expected one: add the amount {_AGAIN}"),
    ("L1,4.50", "AMOUNT_PUNCTUATED",
     "Found '4.50' for the amount, expected digits only, the last two being cents: write 450; the vendor's program would read "
     "4.50 as 0.05."),
    ("L1,-5", "AMOUNT_PUNCTUATED",
     "Found '-5' for the amount, expected digits only, the last two being cents: write cents without point, comma, sign or "
     "currency mark; the vendor's program would read 432.98 as 4.33."),
    ("L1,4x", "AMOUNT_NOT_DIGITS",
     f"Found '4x' for the amount, expected digits only, the last two being cents: correct the amount {_AGAIN}"),
    ("L1,1234567890123456", "AMOUNT_TOO_WIDE",
     f"Found '1234567890123456' of 16 digits for the amount, expected 15 digits at most: correct the amount {_AGAIN}"),
    ("L1,0", "AMOUNT_ZERO", f"Found '0' for the amount, expected more than zero: correct the amount {_AGAIN}"),
    ("L1,5,,C1", "ITEM_EMPTY",
     "Found nothing between commas or after the last one, expected an item beginning with one of C E D A B O N: remove the "
     f"comma {_AGAIN}"),
    ("L1,5,Q1", "UNKNOWN_ITEM",
     f"Found the item 'Q1', expected an item beginning with one of C E D A B O N: correct or remove the item {_AGAIN}"),
    ("L1,5,C1,C2", "ITEM_REPEATED",
     f"Found the item C a second time, expected each item once: remove one of them {_AGAIN}"),
    ("L12345678901,5", "TOO_WIDE",
     f"Found '12345678901' of 11 characters for the lease, expected 10 at most: correct the lease {_AGAIN}"),
    ("L1 2,5", "BAD_IDENTIFIER",
     "Found '1 2' for the lease, expected visible characters without blanks, quotes, commas or angle brackets: correct the "
     f"lease {_AGAIN}"),
    ("L1,5,E030230", "BAD_DATE",
     "Found '030230' for the effective date, expected a day of the calendar as YYMMDD (70 to 99 being 1970 to 1999): correct "
     f"the effective date {_AGAIN}"),
    ("L1,5,A145", "BAD_BANK",
     f"Found '145' for the account, expected a cash account from 125 to 144 or CLR: correct the account {_AGAIN}"),
    ("L1,5,B1", "BAD_BATCH",
     "Found '1' for the batch, expected 20 digits: entry date YYMMDD, 6 of the session, 8 of the sequence: correct the batch "
     f"{_AGAIN}"),
    ("L1,5,B99999990000100000001", "BAD_BATCH",
     "Found '99999990000100000001' for the batch, whose first six are no day of the calendar, expected 20 digits: entry date "
     "YYMMDD, 6 of the session, 8 of the sequence: correct the batch "
     f"{_AGAIN}"),
    ("L1,5,N\N{LATIN SMALL LETTER E WITH ACUTE}", "NON_ASCII_BYTE",
     f"Found the byte 0xC3 in column 7, expected ASCII text: replace it by a plain letter, digit or blank {_AGAIN}"),
    ("L1,5,N\x01", "CONTROL_CHARACTER",
     "Found the control character 0x01 in column 7, expected ASCII text: replace it by a plain letter, digit or blank "
     f"{_AGAIN}"),
    ("L1,5,N" + "x" * 4096, "LINE_TOO_LONG",
     "Found a line of more than 4096 bytes, expected a line feed within 4096 bytes: check that the file has one record a line "
     "and drop it again."),
]  # fmt: skip

Told = tuple[str, str]
FILES: list[tuple[tuple[str, ...], list[Told]]] = [
    (("L0001,50",), [("LEASE_UNKNOWN",
     "Found lease 0001, near lease 1 which exists, expected a lease of portfolio 1: apply the suspense item to the right "
     "lease.")]),
    (("L77,50",), [("LEASE_UNKNOWN",
     "Found lease 77, expected a lease of portfolio 1: apply the suspense item to the right lease.")]),
    (("I77,50",), [("INVOICE_UNKNOWN",
     "Found invoice 77, expected an invoice of portfolio 1: apply the suspense item to the right invoice.")]),
    (("L1,1", "L9,50"), [("LEASE_OTHER_PORTFOLIO",
     "Found lease 9 of portfolio 2, expected a lease of portfolio 1: clear the suspense item against CLEARING, and post "
     "a payment without cash (account CLR) in that portfolio.")]),
    (("L9,50",), [("LEASE_OTHER_PORTFOLIO",
     "Found lease 9 of portfolio 2 and none of portfolio 1, expected leases of portfolio 1: send the file under the name of "
     "its portfolio.")]),
    ((f"L1,50,B{USED}",), [("BATCH_EXISTS",
     f"Found batch {USED} posted before, expected a batch number that was never used: find out whether the payment came "
     "twice, then apply or pay out the suspense item.")]),
    ((f"L1,1,C1,B{NEW}", f"L1,1,C2,B{NEW}"), [("BATCH_DIFFERS",
     f"Found batch {NEW} with another check, account or effective date than its first line, expected one of each in a batch: "
     "apply the suspense item by hand.")]),
    (("L2,50",), [("LEASE_STATUS",
     "Found lease 2 with status ABPT, expected a status that takes payments: clear the status or decide on the suspense "
     "item.")]),
    (("L4,50,A144",), [("ACCOUNT_UNKNOWN",
     "Found account 144 which the office's chart lacks, expected a cash account of the office: move the money from account "
     "125 and apply the suspense item.")]),
    (("L1,50,D030402",), [("DUE_DATE_NOT_OPEN",
     "Found no open invoice of lease 1 due 2003-04-02, expected one due that day: apply the suspense item to another "
     "invoice.")]),
    (("I11,1,D030401",), [("DUE_DATE_IGNORED",
     "Found a due date with an invoice, expected one with a lease only: nothing to do, the item was ignored and the record "
     "stands.")]),
    (("L5,50",), [("NO_OPEN_INVOICE",
     "Found no open invoice of lease 5, expected one to pay: apply the suspense item when the lease is billed, or pay it "
     "out.")]),
    (("L6,1050",), [("MONEY_LEFT",
     "Found 0.50 more than all open invoices of lease 6, expected no more than they come to: apply the suspense item when the "
     "lease is billed, or pay it out.")]),
    (("L7,501",), [("OVER_NORMAL",
     "Found a payment of 5.01, expected at most 5 times the normal payment of 1.00: check the amount with the sender, it was "
     "posted as received.")]),
    (("L7,600",), [
        ("MONEY_LEFT",
         "Found 1.01 more than all open invoices of lease 7, expected no more than they come to: apply the suspense item when "
         "the lease is billed, or pay it out."),
        ("OVER_NORMAL",
         "Found a payment of 6.00, expected at most 5 times the normal payment of 1.00: check the amount with the sender, it "
         "was posted as received."),
    ]),
    (("L7,501",), [
        ("NO_OPEN_INVOICE",
         "Found no open invoice of lease 7, expected one to pay: apply the suspense item when the lease is billed, or pay it "
         "out."),
        ("OVER_NORMAL",
         "Found a payment of 5.01, expected at most 5 times the normal payment of 1.00: check the amount with the sender, it was "
         "posted as received."),
    ]),
]  # fmt: skip


def told(world: World, *lines: str) -> list[Told]:
    """(code, sentence) of the report of a file of these lines."""
    file_id, _ = world.payments(*lines)
    with world.db.read() as connection:
        return [(row[-2], row[-1]) for row in UPDATE.exception_rows(connection, file_id)]


def test_lines_that_cannot_be_read(db: Database) -> None:
    world = World(db)
    for line, code, sentence in UNREADABLE:
        assert told(world, line) == [(code, sentence)]


def test_lines_that_the_ledger_answers(db: Database) -> None:
    world = World(db)
    for lease in "156":
        world.lease(lease)
    world.lease("2", status="ABPT")
    world.lease("4", office=2)
    world.lease("7", normal_payment_cents=100)
    world.lease("9", office=3)
    for lease in "12467":
        world.invoice(f"1{lease}", lease, "2003-04-01", ("PYMT", 1000))
    world.payments(f"L1,1,B{USED}")
    for lines, expected in FILES:
        assert told(world, *lines) == expected, lines
    world.check_subledgers()


def test_no_message_is_left_out() -> None:
    sources = [Path(module.__file__ or "") for module in (payment_messages, payment_strangers)]
    known = {
        call.args[0].value
        for source in sources
        for call in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Finding" and isinstance(call.args[0], ast.Constant)
    }
    assert known | {WarnCode.DUE_DATE_IGNORED} == {code for _, messages in FILES for code, _ in messages}
