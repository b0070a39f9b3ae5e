"""What may be done with a suspense item, as tables: the decisions alone, no ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import GatewayError, Refused, UsageError
from gateway.ledger.payments import Charge, Invoice, Lease, OpenLine, Terms
from gateway.ledger.suspense import Item
from gateway.ledger.suspense_history import Move
from gateway.settings_portfolio import PaymentSettings
from gateway.updates.suspense_rules import (
    Account,
    Book,
    Clearing,
    Payment,
    Target,
    amount,
    awaits_target,
    check_number,
    counter_account,
    parse_amount,
    parse_target,
    place,
    require_kind,
    to_undo,
)

ITEM = Item(7, "1", 1, "SUSPENSE", "9", None, 100, 100, "LEASE_UNKNOWN", "B", "C1", "2003-05-08", None, 5, 3, 4)
WAITING = replace(ITEM, reason="TMSA")
TERMS = Terms(receivable=1, income=None, is_escrow=False, payment_order=0, priority="N")
CHARGES = {
    "PYMT": Charge("A", "I", 0, "N", "LEASE PAYMENTS RECEIVABLE", "RENT REVENUE"),
    "RCR1": Charge("C", "E", 0, "N", "ASSMT RECV - RCR CHG 1", "ASSMT INC/PAY - RCR CHG 1"),
}
CHART = [
    Account(1, "001", "1001", "CLEARING", "CLEARING"),
    Account(2, "601", "1601", "RENT REVENUE", "RENT REVENUE"),
    Account(3, "405", "1405", "SUSPENSE", "SUSPENSE"),
    Account(4, "007", "1007", "REVERSAL SUSPENSE", "REVERSAL SUSPENSE"),
    Account(5, "003", "1003", "LEASE PAYMENTS RECEIVABLE", "LEASE PAYMENTS RECEIVABLE"),
    Account(6, "011", "1011", "ASSESSED FEES", "ASSESSED FEES"),
    Account(7, "301", "1301", "ASSMT INC/PAY - RCR CHG 1", "ASSMT INC/PAY - RCR CHG 1"),
    Account(8, "401", "1401", "ACCOUNTS PAYABLE", "ACCOUNTS PAYABLE"),
    Account(9, "701", "007", "COST OF GOODS SOLD", "COST OF GOODS SOLD"),
]


def book() -> Book:
    """Lease 1 owes 30 on invoice 10 and 50 on 11, lease 2 (on hold) 40 on 20, lease 3 is of portfolio 2."""

    def lease(number: str, *lines: tuple[str, int], status: str = "ANOR", portfolio: str = "1") -> Lease:
        opened = [OpenLine(i, f"2003-0{n}-01", "PYMT", "", c, 1, TERMS) for n, (i, c) in enumerate(lines, 1)]
        return Lease(number, 1, portfolio, "L", status, None, "", opened)

    leases = [
        lease("1", ("10", 30), ("11", 50)),
        lease("2", ("20", 40), status="HREP"),
        lease("3", portfolio="2"),
        lease("4"),
        lease("5", ("50", 5), status="ABPT"),
        lease("6", ("60", 5), status="HNEW"),
    ]
    invoices = {"10": "1", "11": "1", "20": "2", "30": "3"}
    return Book(
        "1", {one.lease: one for one in leases}, {i: Invoice(l, "2003-01-01") for i, l in invoices.items()}, CHART,  # noqa: E741
        CHARGES, PaymentSettings(),
    )  # fmt: skip


def shown(placed: list[Payment | Clearing]) -> list[tuple[str, int]]:
    return [(p.invoice if isinstance(p, Payment) else p.account.purpose, p.cents) for p in placed]


PLACED = [
    (ITEM, [Target("invoice", "10")], [("10", 30)]),
    (ITEM, [Target("invoice", "11", 20)], [("11", 20)]),
    (ITEM, [Target("lease", "1")], [("10", 30), ("11", 50)]),
    (ITEM, [Target("lease", "1", 35)], [("10", 30), ("11", 5)]),
    (ITEM, [Target("invoice", "10", 10), Target("invoice", "10", 20)], [("10", 10), ("10", 20)]),
    (ITEM, [Target("invoice", "11"), Target("lease", "1")], [("11", 50), ("10", 30)]),
    (ITEM, [Target("account", "CLEARING", 5), Target("lease", "1")], [("CLEARING", 5), ("10", 30), ("11", 50)]),
    (replace(ITEM, remaining_cents=20), [Target("lease", "1")], [("10", 20)]),
    (WAITING, [Target("lease", "1"), Target("account", "601")], [("10", 30), ("11", 50), ("RENT REVENUE", 20)]),
    (WAITING, [Target("account", "1601")], [("RENT REVENUE", 100)]),
]


@pytest.mark.parametrize(("item", "targets", "expected"), PLACED)
def test_money_is_placed_in_the_order_of_its_targets(
    item: Item, targets: list[Target], expected: list[tuple[str, int]]
) -> None:
    assert shown(place(item, targets, book(), action="x")) == expected


REFUSED: list[tuple[Item, list[Target], type[Exception], str]] = [
    (ITEM, [Target("invoice", "10", 31)], Refused, "found 0.30 open on invoice 10, expected at least 0.31"),
    (ITEM, [Target("lease", "4")], Refused, "found nothing open on lease 4, expected something to pay"),
    (ITEM, [Target("lease", "1", 101)], Refused, "found 1.01 for lease 1, expected at most 1.00, which remains of it"),
    (ITEM, [Target("account", "601", 90), Target("lease", "1", 11)], Refused, "found 0.11 for lease 1, expected at most 0.10"),
    (ITEM, [Target("account", "601"), Target("lease", "1")], Refused, "found nothing left for lease 1"),
    (ITEM, [Target("invoice", "99")], UsageError, "found no invoice 99, expected one of portfolio 1"),
    (ITEM, [Target("lease", "99")], UsageError, "found no lease 99, expected one of portfolio 1"),
    (ITEM, [Target("lease", "3")], Refused, "found lease 3 in portfolio 2, expected one of portfolio 1; clear the item against CLEARING"),
    (ITEM, [Target("lease", "2")], Refused, "found lease 2 with status HREP, expected a status that takes payments"),
    (ITEM, [Target("lease", "5")], Refused, "found lease 5 with status ABPT"),
    (ITEM, [Target("lease", "6")], Refused, "found lease 6 with status HNEW"),  # in no list: every status of H takes no money
    (WAITING, [Target("lease", "1")], Refused, "found 0.80 of 1.00 placed, expected all of it: a reversal (TMSA) left it"),
    (WAITING, [Target("invoice", "10"), Target("account", "601", 1)], Refused, "found 0.31 of 1.00 placed"),
    (replace(ITEM, remaining_cents=0, closed_on="2003-05-09"), [Target("lease", "1")], Refused,
     "found nothing left of it since 2003-05-09"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "targets", "error", "words"), REFUSED)
def test_what_cannot_be_placed_is_refused_with_words(
    item: Item, targets: list[Target], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as refused:
        place(item, targets, book(), action="suspense apply 7")
    assert words in str(refused.value) and str(refused.value).startswith("suspense apply 7: found")


def test_a_lease_on_hold_is_paid_when_the_person_says_so() -> None:
    assert shown(place(ITEM, [Target("lease", "2")], book(), action="x", despite_status=True)) == [("20", 40)]


@pytest.mark.parametrize(
    ("name", "found"),
    [("001", "CLEARING"), ("1001", "CLEARING"), ("clearing", "CLEARING"), (" 1601 ", "RENT REVENUE")],
)
def test_an_account_is_named_by_vector_number_or_purpose(name: str, found: str) -> None:
    assert counter_account(name, CHART, CHARGES, action="x").purpose == found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SUSPENSE", "money is never cleared from suspense into suspense, nor from Reversal Suspense into it"),
        ("1007", "money is never cleared"),
        ("1003", "whose balance is the sum of its rows"),
        ("ASSESSED FEES", "whose balance is the sum of its rows"),
        ("301", "whose balance is the sum of its rows"),
        ("401", "whose balance is the sum of its rows"),
        ("999", "found none named 999"),
        ("007", "found 007 1007 REVERSAL SUSPENSE and 701 007 COST OF GOODS SOLD named 007"),
    ],
)
def test_an_account_that_cannot_take_it_is_refused(name: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        counter_account(name, CHART, CHARGES, action="x")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("item", "asked", "taken"), [(ITEM, None, 100), (ITEM, 100, 100), (ITEM, 1, 1), (WAITING, None, 100)]
)
def test_an_amount_is_all_or_less(item: Item, asked: int | None, taken: int) -> None:
    assert amount(item, asked, "x") == taken


@pytest.mark.parametrize(
    ("item", "asked", "words"),
    [(ITEM, 101, "expected at most 1.00"), (WAITING, 99, "expected all of it"),
     (replace(ITEM, remaining_cents=0), None, "found nothing left")],
)  # fmt: skip
def test_an_amount_beyond_the_item_or_part_of_what_waits_is_refused(item: Item, asked: int | None, words: str) -> None:
    with pytest.raises(Refused, match=words):
        amount(item, asked, "x")


def test_only_what_a_transfer_left_waits_for_a_target() -> None:
    assert awaits_target(WAITING) and awaits_target(replace(ITEM, reason="TRAN"))
    assert not awaits_target(ITEM)
    assert not awaits_target(replace(ITEM, reason="TARGET_REQUIRED"))
    assert not awaits_target(replace(ITEM, kind="REVERSAL", reason="TMSA"))


def test_the_two_kinds_are_never_mixed() -> None:
    other = replace(ITEM, kind="REVERSAL")
    require_kind(ITEM, "SUSPENSE", "x")
    require_kind(other, "REVERSAL", "x")
    with pytest.raises(
        Refused, match="never becomes suspense: clear it against an account or by a check that came back"
    ):
        require_kind(other, "SUSPENSE", "x")
    with pytest.raises(Refused, match="found an item of plain suspense, expected Reversal Suspense"):
        require_kind(ITEM, "REVERSAL", "x")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("invoice:20001=432.98", Target("invoice", "20001", 43298)),
        ("lease:a1", Target("lease", "A1")),
        ("account:CASH 125=1", Target("account", "CASH 125", 100)),
    ],
)
def test_a_target_is_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["20001", "check:1", "invoice:", "lease:1=", "lease:1=x", "lease:1=-1", "lease:1=0", ""]
)
def test_what_is_no_target_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="found"):
        parse_target(text)


@pytest.mark.parametrize("text", ["0", "-5.00", "1.234", "x", ""])
def test_what_is_no_amount_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="expected an amount above zero"):
        parse_amount(text, what="--amount")


def test_check_numbers_are_short_and_plain() -> None:
    assert check_number(" a-12 ", action="x") == "A-12"
    for text in ("", "12345678901", "1~2", "1 2"):
        with pytest.raises(UsageError, match="found check number"):
            check_number(text, action="x")


def move(number: int, kind: str, unit: int | None = 1, undoes: int | None = None) -> Move:
    return Move(
        item=7, number=number, kind=kind, cents=-1, text="t", operator="ABC", at="t", unit_id=unit, undoes=undoes  # type: ignore[arg-type]
    )  # fmt: skip


HISTORY = [move(1, "NOTE", None), move(2, "APPLY"), move(3, "CLEAR"), move(4, "PAY", 2), move(5, "UNDO", 3, 4)]


def test_a_step_goes_back_whole() -> None:
    assert [m.number for m in to_undo(HISTORY, 3, action="x")] == [2, 3]


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (9, UsageError, "found no move 9"),
        (1, Refused, "found move 1 NOTE"),
        (5, Refused, "found move 5 UNDO"),
        (4, Refused, "found move 4 taken back before"),
    ],
)
def test_what_does_not_go_back(number: int, error: type[GatewayError], words: str) -> None:
    with pytest.raises(error, match=words):
        to_undo(HISTORY, number, action="x")
