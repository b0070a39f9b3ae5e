"""Every message of U0470A, with the smallest file that provokes it and its exact words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway.settings_portfolio import PortfolioSettings, ReversalSettings
from gateway.updates import payment_strangers, reversal_messages
from gateway.updates.reversal_by_hand import reverse
from gateway.updates.u0470 import UPDATE
from parsers.codes import RejectCode
from tests.updates.history_ledger import Ledger, Ledgers
from tests.updates.test_payment_histories import reference

ELSEWHERE = {
    "AVRO_TEXT", "BAD_STATE", "BAD_ZIP", "CODE_LEVEL", "LAYOUT_UNDECIDED", "LEASE_AND_ASSET", "LEASE_OR_ASSET_MISSING",
    "QUOTE_MISPLACED", "TAG_ORDER", "TAG_REPEATED", "TEXT_OUTSIDE_TAGS", "UNKNOWN_CODE", "UNKNOWN_TAG", "VALUE_COUNT",
}  # fmt: skip
"""Reject codes of files of other kinds or forms."""

INVOICES = """invoice,lease,due_date,charge,amount
10,1,2003-03-01,PYMT,2.00
11,1,2003-04-01,PYMT,3.00
20,2,2003-04-01,PYMT,5.00
30,3,2003-04-01,RCR1,9.00
"""
PAID, NO_CHECK, SEVERAL, FIRST, OVER, ESCROW, LATER, OTHER = (f"0304010000010000000{n}" for n in range(1, 9))
PAYMENTS = [
    f"I10,200,C7,E030401,B{PAID}", f"L1,100,E030301,B{NO_CHECK}", f"L1,100,E030401,B{SEVERAL}",
    f"L2,100,E030401,B{SEVERAL}", f"L2,100,E030402,B{FIRST}", f"L2,500,C8,E030402,B{OVER}", f"L3,900,E030402,B{ESCROW}",
]  # fmt: skip
"""What was paid before: OVER has paid the last 3.00 of invoice 20 and has 2.00 in suspense."""
DISBURSED = "3,030508,500,1,SMITH,1 MAIN ST,RENO,NV,89501,,126"

MESSAGES: list[tuple[str, str, str]] = [  # the line, its code, its words; ITEM is the number of OVER's item, LAST the last one's
    (f"1,200,B{PAID}", "TARGET_PREFIX",
     "Found '1' at the start, expected I and an invoice or L and a lease: put the letter before the number and drop the line "
     "again."),
    (f"L1,,B{PAID}", "VALUE_MISSING",
     "Found no value for the amount, expected one: add the amount and drop the line again."),
    ("L1,200", "VALUE_MISSING",
     "Found no value for the batch number, expected one: add the batch and drop the line again."),
    (f"L1,2.00,B{PAID}", "AMOUNT_PUNCTUATED",
     "Found '2.00' for the amount, expected digits only, the last two being cents: write 200; the vendor's program would read "
     "2.00 as 0.02."),
    (f"L1,2OO,B{PAID}", "AMOUNT_NOT_DIGITS",
     "Found '2OO' for the amount, expected digits only, the last two being cents: correct the amount and drop the line "
     "again."),
    (f"L1,1234567890123456,B{PAID}", "AMOUNT_TOO_WIDE",
     "Found '1234567890123456' of 16 digits for the amount, expected 15 digits at most: correct the amount and drop the line "
     "again."),
    (f"L1,0,B{PAID}", "AMOUNT_ZERO",
     "Found '0' for the amount, expected more than zero: correct the amount and drop the line again."),
    (f"L1,200,RNSFC,B{PAID}", "BATCH_MISPLACED",
     "Found 'RNSFC' in third place, expected B and the batch number: put the batch number after the amount and drop the line "
     "again."),
    (f"L1,200,B{PAID},", "ITEM_EMPTY",
     "Found nothing between commas or after the last one, expected an item beginning with one of B R C E G: remove the comma "
     "and drop the line again."),
    (f"L1,200,B{PAID},X1", "UNKNOWN_ITEM",
     "Found the item 'X1', expected an item beginning with one of B R C E G: correct or remove the item and drop the line "
     "again."),
    (f"L1,200,B{PAID},C7,C7", "ITEM_REPEATED",
     "Found the item C a second time, expected each item once: remove one of them and drop the line again."),
    (f"L12345678901,200,B{PAID}", "TOO_WIDE",
     "Found '12345678901' of 11 characters for the lease, expected 10 at most: correct the lease and drop the line again."),
    (f"L1,200,B{PAID},C1 2", "BAD_IDENTIFIER",
     "Found '1 2' for the check no, expected visible characters without blanks, quotes, commas or angle brackets: correct the "
     "check no and drop the line again."),
    (f"L1,200,B{PAID},E030231", "BAD_DATE",
     "Found '030231' for the effective date, expected a day of the calendar as YYMMDD (70 to 99 being 1970 to 1999): correct "
     "the effective date and drop the line again."),
    (f"L1,200,B{PAID},G12", "BAD_BANK",
     "Found '12' for the bank, expected a bank of three digits: correct the bank and drop the line again."),
    ("L1,200,B1", "BAD_BATCH",
     "Found '1' for the batch, expected 20 digits: entry date YYMMDD, 6 of the session, 8 of the sequence: correct the batch "
     "and drop the line again."),
    ("L1,200,B99999990000100000001", "BAD_BATCH",
     "Found '99999990000100000001' for the batch, whose first six are no day of the calendar, expected 20 digits: entry date "
     "YYMMDD, 6 of the session, 8 of the sequence: correct the batch "
     "and drop the line again."),
    (f"L1,200,B{PAID},RX", "BAD_REASON",
     "Found 'X' for the reason, expected a reason that begins with one of N S U T O: correct the reason and drop the line "
     "again."),
    (f"L1,200,B{PAID},C\xe9", "NON_ASCII_BYTE",
     "Found the byte 0xE9 in column 31, expected ASCII text: replace it by a plain letter, digit or blank and drop the line "
     "again."),
    (f"L1,200,B{PAID},C\x01", "CONTROL_CHARACTER",
     "Found the control character 0x01 in column 31, expected ASCII text: replace it by a plain letter, digit or blank and "
     "drop the line again."),
    (f"L1,200,B{PAID}" + " " * 4096, "LINE_TOO_LONG",
     "Found a line of more than 4096 bytes, expected a line feed within 4096 bytes: check that the file has one record a line "
     "and drop it again."),
    ("L9,200,B" + PAID, "LEASE_OTHER_PORTFOLIO",
     "Found lease 9 of portfolio 2 and none of portfolio 1, expected leases of portfolio 1: send the file under the name of "
     "its portfolio."),
    (f"L1,200,B{PAID}\nL9,200,B{PAID}", "LEASE_OTHER_PORTFOLIO",
     "Found lease 9 of portfolio 2, expected a lease of portfolio 1: send the reversal in a file of portfolio 2 and have the "
     "reversal suspense item cleared."),
    (f"L01,200,B{PAID}", "LEASE_UNKNOWN",
     "Found lease 01, near lease 1 which exists, expected a lease of portfolio 1: send the reversal again with the right lease "
     "and have the reversal suspense item cleared."),
    (f"L77,200,B{PAID}", "LEASE_UNKNOWN",
     "Found lease 77, expected a lease of portfolio 1: send the reversal again with the right lease and have the reversal "
     "suspense item cleared."),
    (f"I77,200,B{PAID}", "INVOICE_UNKNOWN",
     "Found invoice 77, expected an invoice of portfolio 1: send the reversal again with the right invoice and have the "
     "reversal suspense item cleared."),
    ("L1,200,B03040190000199999999", "BATCH_UNKNOWN",
     "Found batch 03040190000199999999, expected a payment batch of portfolio 1: send the reversal again with the right batch "
     "and have the reversal suspense item cleared."),
    (f"L2,200,B{PAID}", "NOT_IN_BATCH",
     f"Found lease 2, expected one that batch {PAID} pays: send the reversal again with the right lease or batch and have the "
     "reversal suspense item cleared."),
    (f"I20,200,B{PAID}", "NOT_IN_BATCH",
     f"Found invoice 20, expected one that batch {PAID} pays: send the reversal again with the right invoice or batch and have "
     "the reversal suspense item cleared."),
    (f"L1,201,B{PAID}", "AMOUNT_DIFFERS",
     f"Found 2.01, expected 2.00, all of batch {PAID}: send the reversal again with the right amount and have the reversal "
     "suspense item cleared."),
    (f"L1,200,B{PAID},C8", "CHECK_DIFFERS",
     f"Found check 8, expected check 7 of batch {PAID}: send the reversal again with the right check and have the reversal "
     "suspense item cleared."),
    (f"L1,100,B{NO_CHECK},C8", "CHECK_DIFFERS",
     f"Found check 8, expected none, batch {NO_CHECK} has no check: send the reversal again with the right check and have the "
     "reversal suspense item cleared."),
    (f"L1,200,B{PAID},G150", "BANK_UNKNOWN",
     "Found bank 150, expected a cash account 125 to 144 of the office's chart: send the reversal again with the right bank "
     "and have the reversal suspense item cleared."),
    (f"L1,200,B{PAID}\nL1,200,B{PAID}", "BATCH_REVERSED",
     f"Found batch {PAID} reversed before, expected a live batch: nothing is to be done, unless the batch number is wrong, "
     "or the bank took back now what a reversal of family T had left: then clear that suspense item against the bank's cash "
     "account."),
    (f"L2,500,B{OVER}", "SUSPENSE_SPENT",
     f"Found 0.40 of suspense item ITEM of batch {OVER} spent since, expected an unspent item: take its steps back "
     "(gateway suspense undo ITEM --move N --reason WHY), then send the reversal again."),
    (f"L2,200,B{SEVERAL}", "MULTIPLE_LEASE_BATCH",
     f"Found several leases in batch {SEVERAL}, expected one: nothing, it alone was reversed (No reversal and reapply for "
     "multiple lease batch)."),
    (f"L2,100,B{FIRST}", "REAPPLIED_MONEY_LEFT",
     f"Found 1.00 of batch {OVER} more than all open invoices of lease 2 when it was re-applied, expected no more than they "
     "come to: apply the suspense item when the lease is billed, or pay it out."),
    (f"L1,100,B{LATER},G131", "BANK_NOT_USED",
     f"Found bank 131 for batch {LATER}, which was a payment without cash, expected a bank only where cash "
     "goes back: nothing, no money was taken from that bank; if it did leave there, add it to Reversal Suspense."),
    (f"L3,900,B{ESCROW}", "ESCROW_NEGATIVE",
     "Found escrow RCR1 of lease 3 at -5.00 after the reversal, expected nothing disbursed of a payment that came back: "
     "collect the difference from the lessee."),
    (f"L3,900,B{ESCROW}", "REAPPLIED_SUSPENSE",
     f"Found 1.00 of suspense item LAST (LEASE_STATUS) re-applied with its batch {LATER}, expected money that a person had "
     "placed: look whether it belongs where the audit report shows it now."),
    (f"L8,200,B{OTHER}", "SUSPENSE_OTHER_OFFICE",
     f"Found 1.00 of batch {LATER} in suspense item LAST of another office than lease 8, expected money of the lease's "
     "office: it was left there, place it (`gateway suspense apply LAST --lease 8 --reason WHY`)."),
    (f"L1,200,B{PAID},RNSFC", "NSF_FEE_ASSESSED",
     "Found fee LTCH of 25.00 assessed on invoice 40, because a payment of lease 1 bounced, expected a payment that is good: "
     "tell the lessee."),
    (f"L1,200,B{PAID},RNSFC", "NSF_FEE_NOT_ASSESSED",
     "Found fee OTHF of 25.00 not assessed on lease 1: the portfolio has no such charge, expected a lease, charge and invoice "
     "that take it: mend that and assess the fee by hand (gateway assess --lease 1 --charge OTHF --amount 25.00 --reason WHY), "
     "or let it be."),
    (f"L1,200,B{PAID},RTMSA", "TARGET_REQUIRED",
     f"Found 2.00 of batch {PAID} without a target, expected one for all of it: place the suspense item where the money "
     "belongs."),
]  # fmt: skip


def spend(ledger: Ledger) -> None:
    ledger.pay_out(ledger.item(OVER, "MONEY_LEFT", 200), 40)


def disburse(ledger: Ledger) -> None:
    assert ledger.outcomes(ledger.drop("escrow", "1", [DISBURSED], "JS1")) == ["P"]


def pay_on_hold(ledger: Ledger) -> None:
    with ledger.db.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET status = 'HHLD' WHERE lease = '3'")
    assert ledger.outcomes(ledger.drop("payments", "1", [f"L3,100,E030403,B{LATER}"], "JS1")) == ["S LEASE_STATUS"]


def pay_before_it_is_known(ledger: Ledger) -> None:
    assert ledger.outcomes(ledger.drop("payments", "1", [f"L8,100,E030403,B{LATER}"], "JS1")) == ["S LEASE_UNKNOWN"]
    head, *_ = reference()["leases"].split("\n")
    ledger.load({
        "leases": f"{head}\n8,1,1,1,2,S8,X,ANOR,,2003-01-01,2006-12-31\n",
        "invoices": "invoice,lease,due_date,charge,amount\n80,8,2003-04-01,PYMT,2.00\n",
    })  # fmt: skip
    assert ledger.outcomes(ledger.drop("payments", "1", [f"L8,200,E030402,B{OTHER}"], "JS1")) == ["P"]


def pay_without_cash(ledger: Ledger) -> None:
    ledger.load({"invoices": "invoice,lease,due_date,charge,amount\n40,1,2003-12-01,PYMT,1.00\n"})
    assert ledger.outcomes(ledger.drop("payments", "1", [f"L1,100,B{LATER},ACLR"], "JS1")) == ["P"]


def charge_for_bounced_payments(ledger: Ledger, code: str) -> None:
    fees = ReversalSettings(nsf_fee_code=code, nsf_fee="25.00")
    settings = replace(ledger.app.settings, portfolios={"1": PortfolioSettings(reversals=fees)})
    ledger.app = replace(ledger.app, settings=settings)


def bill_and_charge(ledger: Ledger) -> None:
    ledger.load({"invoices": "invoice,lease,due_date,charge,amount\n40,1,2003-12-01,PYMT,1.00\n"})
    charge_for_bounced_payments(ledger, "LTCH")


BEFORE = {
    "SUSPENSE_SPENT": spend, "ESCROW_NEGATIVE": disburse, "REAPPLIED_SUSPENSE": pay_on_hold,
    "SUSPENSE_OTHER_OFFICE": pay_before_it_is_known, "BANK_NOT_USED": pay_without_cash,
    "NSF_FEE_ASSESSED": bill_and_charge,
    "NSF_FEE_NOT_ASSESSED": partial(charge_for_bounced_payments, code="OTHF"),  # the portfolio does not have it
}  # fmt: skip
"""What happened between payment and reversal."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledgers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledgers]:
    template = request.getfixturevalue({"sqlite": "sqlite_template", "postgresql": "postgres_url"}[request.param])
    made = Ledgers(tmp_path_factory.mktemp("messages"), template, reference())
    yield made
    made.db.close()


def shown(ledger: Ledger, file_id: int) -> list[tuple[int, str, str]]:
    """(line, code, words) on U0470A."""
    keys = [column.key for column in UPDATE.exceptions.columns]
    with ledger.db.read() as connection:
        rows = [dict(zip(keys, row, strict=True)) for row in UPDATE.exception_rows(connection, file_id)]
    return [(row["line"], row["code"], row["message"]) for row in rows]


@pytest.mark.parametrize(("lines", "code", "words"), MESSAGES, ids=[f"{n}-{row[1]}" for n, row in enumerate(MESSAGES)])
def test_message(ledgers: Ledgers, lines: str, code: str, words: str) -> None:
    """The message is the last line's, and the only one of the file."""
    ledger = ledgers.fresh()
    ledger.load({"invoices": INVOICES})
    paid = ledger.outcomes(ledger.drop("payments", "1", PAYMENTS, "JS1"))
    assert paid == ["P"] * 5 + ["S MONEY_LEFT", "P"]
    item = str(ledger.item(OVER, "MONEY_LEFT", 200))
    BEFORE.get(code, lambda _: None)(ledger)
    sent = lines.split("\n")
    file = ledger.drop("reversals", "1", sent, "JS2")
    last = str(ledger.rows("SELECT MAX(item) FROM suspense_item")[0][0])
    assert shown(ledger, file.file_id) == [(len(sent), code, words.replace("ITEM", item).replace("LAST", last))]


@pytest.mark.parametrize(
    ("target", "code", "found"),
    [
        ("L77", "LEASE_UNKNOWN", "Found lease 77, expected a lease of portfolio 1"),
        ("I77", "INVOICE_UNKNOWN", "Found invoice 77, expected an invoice of portfolio 1"),
        ("L9", "LEASE_OTHER_PORTFOLIO", "Found lease 9 of portfolio 2, expected a lease of portfolio 1"),
    ],
)
def test_a_batch_that_was_sent_for_what_is_not_ours_is_reversed_by_hand(
    ledgers: Ledgers, target: str, code: str, found: str
) -> None:
    """No lease is the right one to send again: the batch pays none of ours, and has its money in suspense."""
    ledger = ledgers.fresh()
    ledger.load({"invoices": INVOICES})
    paid = [f"{target},900,E030402,B{OTHER}", f"L1,100,E030301,B{PAID}"]
    assert ledger.outcomes(ledger.drop("payments", "1", paid, "JS1")) == [f"S {code}", "P"]
    sent = [f"{target},900,B{OTHER},RNSFC", f"L1,100,B{PAID}"]
    file = ledger.drop("reversals", "1", sent, "JS2")
    words = (
        f"{found}: batch {OTHER} was sent for just that: reverse it by hand (`gateway payment reverse {OTHER} --reason CODE`) "
        "and have the reversal suspense item cleared."
    )
    assert shown(ledger, file.file_id) == [(1, code, words)]
    assert reverse(ledger.app, OTHER, reason="NSFC").amount_cents == 900


def test_every_message_is_in_the_table() -> None:
    codes = {row[1] for row in MESSAGES}
    own = {
        node.args[0].value
        for module in (reversal_messages, payment_strangers)
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and isinstance(node.args[0], ast.Constant)
    }
    assert codes == own | {code.value for code in RejectCode} - ELSEWHERE
    assert len(own) == 19
