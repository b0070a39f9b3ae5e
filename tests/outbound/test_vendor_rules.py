"""Which checks go out on which day, and why the others stay: plain values."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calendar import BankingCalendar
from gateway.outbound.vendor_rules import Candidate, Item, Rules, decide, effective_date, look_alikes, pack
from parsers.nacha_records import MAX_ENTRY_CENTS, MAX_TOTAL_CENTS
from writers.text import BANK_CHARSET

CALENDAR = BankingCalendar({2026, 2027})


def rules(created_on: str = "2026-03-02", *, lead_days: int = 1, prenotes: bool = False, **bank_data: str) -> Rules:
    routing, account = bank_data.get("routing", "091000019"), bank_data.get("account", "12345678")
    return Rules(
        CALENDAR,
        date.fromisoformat(created_on),
        lead_days,
        prenotes,
        "PRAI",
        BANK_CHARSET,
        lambda _: (routing, account),
    )


def candidate(**changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "check_no": "4711", "bank": "126", "amount_cents": 10_000, "disbursement_date": "2026-03-03", "vendor": "V1",
        "lease": "L1", "asset": None, "reference": "INV-1", "company": "1", "region": "1", "office": "1",
        "name": "Acme Supply", "routing_sealed": b"", "account_sealed": b"", "account_last4": "5678",
        "account_type": "checking", "sec": "CCD", "prenote_sent": None, "prenote_sent_on": None, "dealer_alert": None,
        "suspense_override_on": None, "issue": 1, "version": 1,
    } | changes  # fmt: skip
    return Candidate(**values)


@pytest.mark.parametrize(
    ("created_on", "lead_days", "disbursement_date", "expected"),
    [
        ("2026-03-02", 1, "2026-03-03", "2026-03-03"),
        ("2026-03-02", 1, "2026-02-20", "2026-03-03"),  # past: the next possible
        ("2026-03-02", 1, "2026-03-07", "2026-03-09"),  # a Saturday moves to Monday
        ("2026-03-06", 1, "2026-03-06", "2026-03-09"),  # Friday + 1
        ("2026-03-06", 0, "2026-03-06", "2026-03-06"),
        ("2026-03-07", 0, "2026-03-07", "2026-03-09"),  # made on a Saturday
        ("2026-07-02", 1, "2026-07-03", "2026-07-03"),  # the Friday before a Saturday holiday is open
        ("2027-07-02", 1, "2027-07-04", "2027-07-06"),  # a Sunday holiday is taken on Monday
        ("2026-11-25", 2, "2026-11-26", "2026-11-30"),  # Thanksgiving is no banking day
    ],
)
def test_effective_dates(created_on: str, lead_days: int, disbursement_date: str, expected: str) -> None:
    found = effective_date(date.fromisoformat(disbursement_date), rules(created_on, lead_days=lead_days))
    assert found.isoformat() == expected


def test_an_entry() -> None:
    (item,) = decide([candidate(account_type="savings", sec="PPD")], rules(account="12-34 56ab")).items
    assert (item.code, item.sec, item.payee.account) == ("32", "PPD", "123456AB")
    assert (item.identification, item.addenda) == ("PRAI-4711", "RMR*IV*INV-1*PI*100.00\\")


def test_reference_falls_back_to_lease_and_check() -> None:
    items = decide([candidate(reference=None), candidate(reference=None, lease=None, check_no="4712")], rules()).items
    assert [item.addenda.split("*")[2] for item in items] == ["L1", "4712"]


def test_name_is_cut_at_22_with_a_warning_given_once() -> None:
    decision = decide([candidate(name="Northwestern Equipment Leasing", check_no=n) for n in "12"], rules())
    assert {item.payee.name for item in decision.items} == {"NORTHWESTERN EQUIPMENT"}
    assert decision.warnings == ["vendor V1: payee name cut at 22 of 30 characters"]


EXCEPTIONS = [
    ("VENDOR", {"vendor": None}, {}, "Found a NEWA check without vendor, expected the vendor it pays"),
    ("ALERT", {"dealer_alert": "Y"}, {}, "Found the dealer alert on, expected no alert"),
    (
        "ALERT",
        {"dealer_alert": "Y", "suspense_override_on": "2026-03-02"},
        {},
        "Found the dealer alert on with an override up to 2026-03-02",
    ),
    ("AMOUNT", {"amount_cents": MAX_ENTRY_CENTS + 1}, {}, "Found an amount of 100,000,000.00"),
    ("AMOUNT", {"amount_cents": 0}, {}, "Found an amount of 0.00, expected 0.01 to 99,999,999.99"),
    ("PRENOTE", {}, {"prenotes": True}, "Found a vendor who was not prenoted in time"),
    (
        "PRENOTE",
        {"prenote_sent": "Y", "prenote_sent_on": "2026-02-27"},
        {"prenotes": True},
        "Found a prenote sent on 2026-02-27, expected an effective date from 2026-03-05",
    ),
    ("FIELD", {"check_no": "12345678901"}, {}, "Found check '12345678901', expected at most 10"),
    ("FIELD", {"lease": "L\u00d6"}, {}, "Found lease 'LÖ'"),
    ("ROUTING", {}, {"routing": "091000018"}, "Found routing number 091000018 (check digit 8 should be 9)"),
    ("ACCOUNT", {}, {"account": "1" * 18}, "Found an account number of 18 characters ending '1111'"),
    ("ACCOUNT", {}, {"account": "-"}, "Found an account number of 0 characters"),
    ("NAME", {"name": "東京"}, {}, "Found name '東京': '東'"),
    ("NAME", {"name": None}, {}, "Found name None: the payee has no name"),
    ("CLASS", {"sec": "CTX"}, {}, "Found class CTX, expected CCD or PPD"),
    ("REFERENCE", {"reference": "A*B"}, {}, "Found reference 'A*B': '*' separates X12 elements"),
    ("REFERENCE", {"reference": "9" * 80}, {}, "an addenda record holds 80"),
    ("CHECK", {"check_no": "47~11"}, {}, "Found check number: '~'"),
]


@pytest.mark.parametrize(("code", "changes", "facts", "message"), EXCEPTIONS)
def test_exceptions(code: str, changes: dict[str, Any], facts: dict[str, Any], message: str) -> None:
    good = candidate(check_no="1", vendor="V9", prenote_sent="Y")
    decision = decide([candidate(**changes), good], rules(**facts))
    first = decision.exceptions[0]
    assert (first.code, message in first.message) == (code, True), first.message
    if "routing" not in facts and "account" not in facts:
        assert [item.candidate.check_no for item in decision.items] == ["1"]  # never stops the others


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"dealer_alert": "Y", "suspense_override_on": "2026-03-03"}, {}),
        ({"prenote_sent": "Y", "prenote_sent_on": "2026-02-25"}, {"prenotes": True}),
        ({"prenote_sent": "Y"}, {"prenotes": True}),
        ({"amount_cents": MAX_ENTRY_CENTS}, {}),
    ],
)
def test_at_the_edge_they_go(changes: dict[str, Any], facts: dict[str, Any]) -> None:
    assert not decide([candidate(**changes)], rules(**facts)).exceptions


def test_order_is_by_date_class_vendor_and_check_number_by_value() -> None:
    found = decide(
        [
            candidate(check_no="10"), candidate(check_no="9"), candidate(check_no="1", sec="PPD", vendor="V0"),
            candidate(check_no="2", disbursement_date="2026-03-05"), candidate(check_no="3", vendor="V0"),
        ],
        rules(),
    ).items  # fmt: skip
    assert [item.candidate.check_no for item in found] == ["3", "9", "10", "1", "2"]


def items(amounts: list[tuple[str, int]]) -> list[Item]:
    rows = [candidate(check_no=str(n), sec=sec, amount_cents=cents) for n, (sec, cents) in enumerate(amounts)]
    return sorted(decide(rows, rules()).items, key=lambda item: item.sec)


@given(
    amounts=st.lists(st.tuples(st.sampled_from(["CCD", "PPD"]), st.integers(1, MAX_ENTRY_CENTS)), max_size=60),
    max_lines=st.integers(10, 90),
    balanced=st.booleans(),
)
def test_packing_loses_nothing_and_exceeds_nothing(
    amounts: list[tuple[str, int]], max_lines: int, balanced: bool
) -> None:
    given_items = items(amounts)
    files = pack(given_items, max_lines=max_lines, balanced=balanced)
    assert [item for runs in files for run in runs for item in run.items] == given_items
    for runs in files:
        records = 2 + sum(2 + balanced + 2 * len(run.items) for run in runs)
        assert -(-records // 10) * 10 <= max_lines
        assert sum(item.candidate.amount_cents for run in runs for item in run.items) <= MAX_TOTAL_CENTS
        for run in runs:
            assert {item.sec for item in run.items} == {run.sec}
            total = sum(item.candidate.amount_cents for item in run.items)
            assert total <= (MAX_ENTRY_CENTS if balanced else MAX_TOTAL_CENTS)


def test_totals_split_a_file() -> None:
    many = items([("CCD", MAX_ENTRY_CENTS)] * 101)
    assert [sum(len(run.items) for run in runs) for runs in pack(many, max_lines=10_000, balanced=False)] == [100, 1]


def test_look_alikes_are_named() -> None:
    found = list(look_alikes(decide([candidate(check_no="1"), candidate(check_no="2")], rules()).items))
    assert found == ["vendor V1 is paid 100.00 due 2026-03-03 2 times: checks 1, 2"]
