"""Which checks go out on which day, and why the others stay: plain values."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calendar import BankingCalendar
from gateway.vendor_ach import by_column, ctx, gather
from gateway.vendor_ach import decide as deciding
from gateway.vendor_ach.pack import pack
from gateway.vendor_ach.rules import (
    Candidate,
    Decision,
    Item,
    Original,
    Payee,
    Prenote,
    Rules,
    SameDay,
    Vendor,
    effective_date,
)
from parsers.nacha_records import MAX_ENTRY_CENTS, MAX_TOTAL_CENTS
from parsers.x12_820 import Advice, joined, read
from writers.text import BANK_CHARSET, PRINTABLE_CHARSET

CALENDAR = BankingCalendar({2026, 2027})
ADVICE = Advice(
    control_number="", sender="1234567890", receiver="", created_on="2026-03-02", created_at="0900", effective_date="",
    company_id="1234567890", trace_number="", payer="PRAIRIE LEASING", payee="", lines=(),
)  # fmt: skip


def rules(created_on: str = "2026-03-02", **changes: Any) -> Rules:
    routing, account = changes.pop("routing", "091000019"), changes.pop("account", "12345678")
    values: dict[str, Any] = {
        "calendar": CALENDAR, "created_on": date.fromisoformat(created_on), "lead_days": 1, "prenotes": False,
        "origin": "PRAI", "charset": BANK_CHARSET, "open_account": lambda _: (routing, account), "advice": ADVICE,
        "company_id": "1234567890", "odfi": "09100001", "prenote_ccd": True,
    } | changes  # fmt: skip
    return Rules(**values)


def candidate(**changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "check_no": "4711", "bank": "126", "amount_cents": 10_000, "disbursement_date": "2026-03-03", "vendor": "V1",
        "lease": "L1", "asset": None, "reference": "INV-1", "company": "1", "region": "1", "office": "1", "issue": 1,
    } | changes  # fmt: skip
    return Candidate(**values)


def vendor(key: str = "V1", **changes: Any) -> Vendor:
    values: dict[str, Any] = {
        "vendor": key, "name": "Acme Supply", "routing_sealed": b"", "account_sealed": b"", "account_last4": "5678",
        "account_type": "checking", "sec": "CCD", "prenote_sent": None, "prenote_sent_on": None, "dealer_alert": None,
        "suspense_override_on": None,
    } | changes  # fmt: skip
    return Vendor(**values)


def decide(
    candidates: list[Candidate], rules: Rules, *vendors: Vendor, originals: list[Original] | None = None
) -> Decision:
    return deciding.decide(candidates, {v.vendor: v for v in vendors or (vendor(),)}, originals or [], rules)


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
    (item,) = decide([candidate()], rules(account="12-34 56ab"), vendor(account_type="savings", sec="PPD")).items
    assert (item.code, item.sec, item.payee.account) == ("32", "PPD", "123456AB")
    assert (item.identification, item.addenda) == ("PRAI-4711", ("RMR*IV*INV-1*PI*100.00\\",))


def test_reference_falls_back_to_lease_and_check() -> None:
    items = decide([candidate(reference=None), candidate(reference=None, lease=None, check_no="4712")], rules()).items
    assert [item.addenda[0].split("*")[2] for item in items] == ["L1", "4712"]


def test_name_is_cut_at_22_with_a_warning_given_once() -> None:
    named = vendor(name="Northwestern Equipment Leasing")
    decision = decide([candidate(check_no=n) for n in "12"], rules(), named)
    assert {item.payee.name for item in decision.items} == {"NORTHWESTERN EQUIPMENT"}
    assert decision.warnings == ["vendor V1: payee name cut at 22 of 30 characters"]


# code, changes of the check, of the vendor, of the rules, message
EXCEPTIONS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ("VENDOR", {"vendor": None}, {}, {}, "Found a NEWA check without vendor, expected the vendor it pays"),
    ("ALERT", {}, {"dealer_alert": "Y"}, {}, "Found the dealer alert on, expected no alert"),
    (
        "ALERT", {}, {"dealer_alert": "Y", "suspense_override_on": "2026-03-02"}, {},
        "Found the dealer alert on with an override up to 2026-03-02",
    ),
    ("CHANGE", {}, {"pending": True}, {}, "Found a change of vendor V1 that waits for a second person"),
    ("AMOUNT", {"amount_cents": MAX_ENTRY_CENTS + 1}, {}, {}, "Found an amount of 100,000,000.00"),
    ("AMOUNT", {"amount_cents": 0}, {}, {}, "Found an amount of 0.00, expected 0.01 to 99,999,999.99"),
    (
        "SAMEDAY", {"amount_cents": 100_000_001}, {}, {"same_day": SameDay("SD1300", 100_000_000)},
        "Found an amount of 1,000,000.01, expected at most 1,000,000.00 on the same day: build it without --same-day",
    ),
    ("FIELD", {"check_no": "12345678901"}, {}, {}, "Found check '12345678901', expected at most 10"),
    ("FIELD", {"check_no": "47#2"}, {}, {}, "Found check '47#2'"),
    ("FIELD", {"lease": "L\u00d6"}, {}, {}, "Found lease 'LÖ'"),
    ("ROUTING", {}, {}, {"routing": "091000018"}, "Found routing number 091000018 (check digit 8 should be 9)"),
    ("ACCOUNT", {}, {}, {"account": "1" * 18}, "Found an account number of 18 characters (****1111)"),
    ("ACCOUNT", {}, {}, {"account": "12/4"}, "Found an account number of 4 characters (****)"),
    ("ACCOUNT", {}, {}, {"account": "-"}, "Found an account number of 0 characters"),
    ("NAME", {}, {"name": "東京"}, {}, "Found name '東京': '東'"),
    ("NAME", {}, {"name": " "}, {}, "Found name ' ': the payee has no name"),
    ("CLASS", {}, {"sec": "WEB"}, {}, "Found class WEB, expected CCD, PPD or CTX"),
    ("REFERENCE", {"reference": "A*B"}, {}, {}, "Found reference 'A*B': '*' separates X12 elements"),
    ("REFERENCE", {"reference": r"A*B~C\D|E"}, {}, {}, r"Found reference 'A*B~C\D|E': '*' separates X12 elements"),
    ("REFERENCE", {"reference": "9" * 80}, {}, {}, "an addenda record holds 80"),
    ("REFERENCE", {"reference": "A~B"}, {"sec": "CTX"}, {}, "Found reference 'A~B': '~' (position 2) cannot be written"),
    ("REFERENCE", {"reference": "9" * 31}, {"sec": "CTX"}, {}, "31 characters, an X12 element holds 30"),
    ("CHECK", {"check_no": "47~11"}, {}, {}, "Found check number: '~'"),
    ("CHECK", {"check_no": "47~11"}, {"sec": "CTX"}, {}, "Found check number: '~'"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "check", "payee", "facts", "message"), EXCEPTIONS)
def test_exceptions(
    code: str, check: dict[str, Any], payee: dict[str, Any], facts: dict[str, Any], message: str
) -> None:
    good = candidate(check_no="1", vendor="V9")
    decision = decide([candidate(**check), good], rules(**facts), vendor(**payee), vendor("V9"))
    first = decision.exceptions[0]
    assert (first.code, message in first.message) == (code, True), first.message
    if "routing" not in facts and "account" not in facts:
        assert [item.about.check_no for item in decision.items] == ["1"]  # never stops the others


@pytest.mark.parametrize(
    ("check", "payee"),
    [
        ({}, {"dealer_alert": "Y", "suspense_override_on": "2026-03-03"}),
        ({"amount_cents": MAX_ENTRY_CENTS}, {}),
    ],
)
def test_at_the_edge_they_go(check: dict[str, Any], payee: dict[str, Any]) -> None:
    assert not decide([candidate(**check)], rules(), vendor(**payee)).exceptions


def test_order_is_by_date_class_vendor_and_check_number_by_value() -> None:
    found = decide(
        [
            candidate(check_no="10"), candidate(check_no="9"), candidate(check_no="1", vendor="V2"),
            candidate(check_no="2", disbursement_date="2026-03-05"), candidate(check_no="3", vendor="V0"),
        ],
        rules(), vendor(), vendor("V0"), vendor("V2", sec="PPD"),
    ).items  # fmt: skip
    assert [item.about.check_no for item in found] == ["3", "9", "10", "1", "2"]


# --- prenotes -----------------------------------------------------------------------------------------------


def test_of_several_prenotes_one_that_came_back_speaks_then_the_earliest_at_the_bank() -> None:
    """They are of several portfolios, which pay one vendor."""
    ranked = [
        Prenote("back", True, "2026-03-09", "R03", 4, True),
        Prenote("perhaps back", True, "2026-03-10", None, 6, True, "9/1"),
        Prenote("there", True, "2026-03-04", None, 3, True),
        Prenote("there later", True, "2026-03-05", None, 2, True),
        Prenote("left", True, "2026-03-03", None, 5, False),
        Prenote("waits", False, "2026-03-02", None, 1, False),
    ]
    assert sorted((ranked[n] for n in (3, 0, 5, 4, 2, 1)), key=gather._speaks) == ranked


SENT = {"prenote_sent": "Y"}
# vendor, rules, what goes out by kind, message; made on Monday 2 March, so that a prenote settles on Tuesday 3 March
PRENOTES: list[tuple[dict[str, Any], dict[str, Any], list[str], str]] = [
    ({}, {}, ["PRENOTE"], "Found a vendor who was not prenoted in time, expected a prenote and 3 banking days after its "
     "settlement: let it wait: one goes out now for 2026-03-03, the check can follow for 2026-03-06."),
    ({}, {"prenotes": False}, ["LIVE"], ""),
    ({}, {"prenote_ccd": False}, ["LIVE"], ""),
    ({"sec": "CTX"}, {"prenote_ccd": False}, ["LIVE"], ""),
    ({"sec": "PPD"}, {"prenote_ccd": False}, ["PRENOTE"], "not prenoted in time"),
    ({}, {"prenote_wait_days": 6}, ["PRENOTE"], "the check can follow for 2026-03-11"),
    (SENT, {}, ["LIVE"], ""),
    (SENT | {"prenote_sent_on": "2026-02-25"}, {}, ["LIVE"], ""),
    (SENT | {"prenote_sent_on": "2026-02-25"}, {"prenote_wait_days": 4}, [], "effective date from 2026-03-04"),
    (SENT | {"prenote_sent_on": "2026-02-27"}, {}, [],
     "Found a prenote sent on 2026-02-27, expected an effective date from 2026-03-05"),
    (SENT | {"version": 2}, {}, ["PRENOTE"], "Found bank details that changed since"),
    ({"prenote": Prenote("F", True, "2026-02-26", None)}, {}, ["LIVE"], ""),
    ({"prenote": Prenote("F", True, "2026-02-27", None)}, {}, [],
     "Found a prenote settling 2026-02-27, expected an effective date from 2026-03-04"),
    ({"prenote": Prenote("F", False, "2026-02-10", None)}, {}, [], "Found a prenote in F, which waits for release"),
    ({"prenote": Prenote("F", True, "2026-02-10", None, 7, at_bank=False)}, {}, [],
     "Found a prenote in F, which is released and not proved to be at the bank, expected it there: deliver it or say that it "
     "was fetched (gateway outbound taken 7 --reason WHY)"),
    ({"prenote": Prenote("F", True, "2026-02-10", "R03")}, {}, [],
     "Found the prenote of 2026-02-10 returned by the bank with R03"),
    ({"prenote": Prenote("F", True, "2026-02-10", "R03")}, {"prenotes": False}, [], "returned by the bank with R03"),
    ({"prenote": Prenote("F", True, "2026-02-10", "R03")}, {"prenote_ccd": False}, [], "returned by the bank with R03"),
    ({"dealer_alert": "Y"}, {}, [], "dealer alert"),
    ({"name": "東京"}, {}, [], "cannot be written"),
]  # fmt: skip


@pytest.mark.parametrize(("payee", "facts", "out", "message"), PRENOTES)
def test_prenotes(payee: dict[str, Any], facts: dict[str, Any], out: list[str], message: str) -> None:
    decision = decide([candidate()], rules(**{"prenotes": True} | facts), vendor(**payee))
    assert [item.kind for item in decision.items] == out
    assert len(decision.exceptions) == (out != ["LIVE"])
    for one in decision.exceptions:
        assert message in one.message


def test_a_vendor_gets_one_prenote_however_many_checks_wait() -> None:
    checks = [candidate(check_no=n) for n in "12"] + [candidate(check_no="3", vendor="V2", amount_cents=0)]
    decision = decide(checks, rules(prenotes=True), vendor(account_type="savings"), vendor("V2"))
    (item,) = decision.items
    assert (item.code, item.amount_cents, item.identification, item.addenda) == ("33", 0, "PRAI-V1", ())
    assert [one.code for one in decision.exceptions] == ["PRENOTE", "PRENOTE", "AMOUNT"], "V2 has nothing to send"


# --- CTX ----------------------------------------------------------------------------------------------------


def test_ctx_joins_the_checks_of_a_vendor_and_day() -> None:
    checks = [
        candidate(check_no="1", amount_cents=700), candidate(check_no="2", amount_cents=5, reference=None),
        candidate(check_no="3", disbursement_date="2026-03-05"), candidate(check_no="4", vendor="V2"),
    ]  # fmt: skip
    ctx = vendor(sec="CTX", name="Northwestern Equipment", account_type="savings")
    decision = decide(checks, rules(), ctx, vendor("V2", sec="CTX"))
    joint, other, later = decision.items
    assert [c.check_no for c in joint.checks] == ["1", "2"]
    assert (joint.code, joint.amount_cents, joint.payee.name) == ("32", 705, "NORTHWESTERN EQU")
    assert joint.advice is not None
    assert (joint.advice.lines, joint.advice.payee) == ((("INV-1", 700), ("L1", 5)), "NORTHWESTERN EQUIPMENT")
    assert (other.vendor, later.effective_date) == ("V2", "2026-03-05")
    assert decision.warnings == ["vendor V1: payee name cut at 16 of 22 characters"]


@given(
    cents=st.lists(st.integers(1, MAX_ENTRY_CENTS), min_size=1, max_size=40),
    max_addenda=st.integers(5, 12),
    trace=st.integers(1, 9_999_999),
)
def test_ctx_entries_hold_their_limits_and_their_addenda_are_as_many_as_counted(
    cents: list[int], max_addenda: int, trace: int
) -> None:
    checks = [candidate(check_no=f"{n:02d}", amount_cents=amount, reference=f"R{n}") for n, amount in enumerate(cents)]
    found = decide(checks, rules(max_addenda=max_addenda), vendor(sec="CTX")).items
    assert [c.amount_cents for item in found for c in item.checks] == cents
    for item in found:
        assert item.advice is not None
        texts = ctx.addenda(item.advice, f"09100001{trace:07d}")
        assert item.lines == 1 + len(texts) <= 1 + max_addenda
        assert item.amount_cents == sum(c.amount_cents for c in item.checks) <= MAX_ENTRY_CENTS
        told = read(joined(texts))
        assert isinstance(told, Advice), told
        assert told.lines == tuple((c.reference, c.amount_cents) for c in item.checks)


# --- reversals ----------------------------------------------------------------------------------------------


def original(**changes: Any) -> Original:
    values: dict[str, Any] = {
        "outbound_id": 7, "seq": 3, "trace_number": "091000010000003", "file": "F", "vendor": "V1", "version": 1,
        "sec": "PPD", "code": "32", "routing": "091000019", "account": "998", "name": "ACME", "amount_cents": 10_000,
        "identification": "PRAI-4711", "settled_on": "2026-03-02", "company_id": "1234567890", "odfi": "09100001",
        "checks": (candidate(),),
    } | changes  # fmt: skip
    return Original(**values)


def test_a_reversal_repeats_the_original() -> None:
    (item,) = decide([], rules(), originals=[original()]).items
    assert (item.kind, item.code, item.sec, item.amount_cents) == ("REVERSAL", "37", "PPD", 10_000)
    assert (item.payee.routing, item.payee.account, item.payee.name) == ("091000019", "998", "ACME")
    assert (item.effective_date, item.reverses, item.addenda) == ("2026-03-03", (7, 3), ())


# settled, made on, effective or the last day
WINDOWS = [
    ("2026-03-05", "2026-03-02", "2026-03-05", None),  # never before the original settles
    ("2026-03-02", "2026-03-06", "2026-03-09", None),
    ("2026-02-23", "2026-02-27", "2026-03-02", None),  # the fifth banking day
    ("2026-02-20", "2026-02-27", None, "2026-02-27"),
    ("2026-06-29", "2026-07-06", "2026-07-07", "2026-07-06"),  # Friday 3 July is a banking day: it counts
    ("2026-06-26", "2026-07-02", "2026-07-03", None),
    ("2027-06-28", "2027-07-02", "2027-07-06", None),  # Monday 5 July 2027 is none
]


@pytest.mark.parametrize(("settled", "made", "effective", "last"), WINDOWS)
def test_five_banking_days(settled: str, made: str, effective: str | None, last: str | None) -> None:
    decision = decide([], rules(made), originals=[original(settled_on=settled)])
    if last is None:
        assert [item.effective_date for item in decision.items] == [effective]
        return
    (stays,) = decision.exceptions
    assert (stays.code, stays.direction) == ("REVERSAL", "DEBIT")
    assert f"settled on {settled}, expected a reversal by {last}" in stays.message


@pytest.mark.parametrize("changes", [{"company_id": "9"}, {"odfi": "07100000"}])
def test_a_reversal_goes_by_the_company_and_bank_of_the_original(changes: dict[str, Any]) -> None:
    (stays,) = decide([], rules(), originals=[original(**changes)]).exceptions
    assert "ask that bank to reverse it" in stays.message


# --- packing ------------------------------------------------------------------------------------------------


def items(entries: list[tuple[str, str, int, int]]) -> list[Item]:
    (base,) = decide([candidate()], rules()).items
    made = [
        base._replace(kind=kind, sec=sec, amount_cents=0 if kind == "PRENOTE" else cents, lines=lines)
        for kind, sec, cents, lines in entries
    ]
    return sorted(made, key=lambda item: (item.kind, item.sec))


@given(
    entries=st.lists(
        st.tuples(
            st.sampled_from(["LIVE", "PRENOTE", "REVERSAL"]), st.sampled_from(["CCD", "CTX", "PPD"]),
            st.integers(1, MAX_ENTRY_CENTS), st.integers(1, 5),
        ),
        max_size=60,
    ),
    max_lines=st.integers(10, 90),
    balanced=st.booleans(),
)  # fmt: skip
def test_packing_loses_nothing_and_exceeds_nothing(
    entries: list[tuple[str, str, int, int]], max_lines: int, balanced: bool
) -> None:
    given_items = items(entries)
    files = pack(given_items, max_lines=max_lines, balanced=balanced)
    assert [item for runs in files for run in runs for item in run.items] == given_items
    for runs in files:
        offsets = sum(run.entries(balanced=balanced) - len(run.items) for run in runs)
        records = 2 + offsets + sum(2 + sum(item.lines for item in run.items) for run in runs)
        assert -(-records // 10) * 10 <= max_lines
        assert sum(item.amount_cents for run in runs for item in run.items) <= MAX_TOTAL_CENTS
        for run in runs:
            assert {(item.kind, item.sec) for item in run.items} == {(run.kind, run.sec)}
            total = sum(item.amount_cents for item in run.items)
            assert total <= (MAX_ENTRY_CENTS if balanced else MAX_TOTAL_CENTS)


def test_totals_split_a_file() -> None:
    many = items([("LIVE", "CCD", MAX_ENTRY_CENTS, 2)] * 101)
    assert [sum(len(run.items) for run in runs) for runs in pack(many, max_lines=10_000, balanced=False)] == [100, 1]


TEXTS = st.sampled_from(
    ["", "L1", "INV-7", "a1", "A B", " A", "A ", "X*Y", "X:Y", "4#1", "1\n2", "1\t2", "É1", "12345678901", "Z" * 57, "Z" * 58, None]
)  # fmt: skip


@given(
    data=st.data(),
    charset=st.sampled_from([BANK_CHARSET, PRINTABLE_CHARSET]),
    origin=st.sampled_from(["PRAI", "P R", "P_R"]),
)
def test_checks_about_which_nothing_is_special_are_decided_as_the_others(
    data: st.DataObject, charset: frozenset[str], origin: str
) -> None:
    """By the column and check by check: the same entries, exceptions and warnings."""
    vendors = [
        vendor(
            f"V{n}",
            name=data.draw(st.sampled_from(["Acme", "Northwestern Equipment Leasing", "東京"])),
            sec=data.draw(st.sampled_from(["CCD", "CCD", "PPD", "CTX"])),
            account_type=data.draw(st.sampled_from(["checking", "savings"])),
            dealer_alert=data.draw(st.sampled_from([None, None, "Y"])),
            suspense_override_on=data.draw(st.sampled_from([None, "2026-03-05"])),
            pending=data.draw(st.sampled_from([False, False, True])),
            prenote=data.draw(st.sampled_from([None, Prenote("F", True, "2026-02-26", None), Prenote("F", True, "2026-03-02", None)])),
            version=data.draw(st.sampled_from([1, 4])),
        )
        for n in range(3)
    ]  # fmt: skip
    checks = [
        candidate(
            check_no=data.draw(st.one_of(st.just(str(1000 + n)), TEXTS)) or str(n),
            amount_cents=data.draw(st.sampled_from([1, 99, 12_345, 0, -5, MAX_ENTRY_CENTS, MAX_ENTRY_CENTS + 1])),
            disbursement_date=data.draw(st.sampled_from(["2026-03-03", "2026-03-05", "2026-03-08"])),
            vendor=data.draw(st.sampled_from(["V0", "V1", "V2", None])),
            lease=data.draw(TEXTS),
            asset=data.draw(TEXTS),
            reference=data.draw(TEXTS),
        )
        for n in range(data.draw(st.integers(1, 8)))
    ]
    run = rules(charset=charset, origin=origin, prenotes=data.draw(st.booleans()), prenote_ccd=data.draw(st.booleans()))
    by_column = decide(checks, run, *vendors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_column, "items", lambda candidates, *_: ([], candidates))
        one_by_one = decide(checks, run, *vendors)
    assert by_column == one_by_one
    assert all(type(item) is Item for item in by_column.items)


def test_a_block_with_one_special_check_keeps_the_others_plain() -> None:
    checks = [candidate(check_no=str(n), reference="a lower one" if n == 7 else "INV") for n in range(1, 20)]
    terms = {"V1": by_column.Terms(Payee("091000019", "1", "ACME"), "checking", "CCD", 1, "")}
    made, others = by_column.items(checks, terms, {"2026-03-03": "2026-03-03"}, rules())
    assert [c.check_no for c in others] == ["7"] and len(made) == 18
