"""The rules that look at money before it leaves: each alone, at its threshold, on and off, holding and warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.calendar import BankingCalendar
from gateway.settings_portfolio import FraudSettings
from gateway.vendor_ach import fraud
from gateway.vendor_ach.fraud import Check, Facts, Finding, Payment, Sent, cooling, judge, may_repeat, setting

PAID = frozenset({("V1", 1), ("V2", 1), ("V3", 1)})


def check(number: str, cents: int = 10_000, **changes: Any) -> Check:
    values = {"vendor": "V1", "portfolio": "1", "bank": "126", "due": "2026-03-03", "reference": f"R{number}"} | changes
    return Check(check_no=number, amount_cents=cents, **values)


def payment(*checks: Check, version: int = 1, effective: str = "2026-03-03") -> Payment:
    return Payment(checks[0].vendor, version, sum(c.amount_cents for c in checks), effective, checks)


def pay(
    number: str, cents: int = 10_000, *, version: int = 1, effective: str = "2026-03-03", **changes: Any
) -> Payment:
    return payment(check(number, cents, **changes), version=version, effective=effective)


def rules(**tables: Mapping[str, Any]) -> FraudSettings:
    """Only the named rules are on."""
    off = {name: {"on": False} for name in FraudSettings.model_fields}
    return FraudSettings.model_validate(off | {name: {"on": True} | dict(keys) for name, keys in tables.items()})


def said(files: Sequence[Sequence[Payment]], facts: Facts, settings: FraudSettings) -> list[list[str]]:
    return [[finding.detail for finding in findings] for findings in judge(files, facts, settings)]


def test_every_rule_has_a_setting_and_its_place_in_the_list() -> None:
    assert get_args(fraud.Rule) == fraud.RULES
    assert [name.replace("_", "-") for name in FraudSettings.model_fields] == list(fraud.RULES)
    assert all(setting(rule, FraudSettings()).on for rule in fraud.RULES)


# (settings, payments by file, facts, what is said of each file)
CASES: dict[str, tuple[FraudSettings, list[list[Payment]], Facts, list[list[str]]]] = {
    "first payment": (
        rules(first_payment={}),
        [[pay("1"), pay("2"), pay("3", vendor="V9")], [pay("4", vendor="V8", version=2)]],
        Facts(paid=PAID | {("V8", 1)}),
        [["first payment to vendor V9"], ["first payment to vendor V8 with its bank details of version 2"]],
    ),
    "velocity at its threshold": (
        rules(velocity={"payments": 3, "days": 7}),
        [[pay("1"), pay("2")]],
        Facts(sent={("V1", "2026-02-25"): Sent(1, 5), ("V1", "2026-02-24"): Sent(9, 5), ("V2", "2026-03-02"): Sent(9, 5)}),
        [[]],
    ),
    "velocity above it": (
        rules(velocity={"payments": 3, "days": 8}),
        [[pay("1"), pay("2")]],
        Facts(sent={("V1", "2026-02-25"): Sent(1, 5), ("V1", "2026-02-24"): Sent(1, 5), ("V1", "2026-03-04"): Sent(9, 5)}),
        [["4 payments to vendor V1 from 2026-02-24 to 2026-03-03, more than 3"]],
    ),
    "velocity over the files of a run": (
        rules(velocity={"payments": 2, "days": 2}),
        [[pay("1"), pay("2")], [pay("3", effective="2026-03-04")]],
        Facts(),
        [[], ["3 payments to vendor V1 from 2026-03-03 to 2026-03-04, more than 2"]],
    ),
    "vendor limit": (
        rules(vendor_limit={"limit": "200.00"}),
        [[pay("1"), pay("2", vendor="V2")], [pay("3"), pay("4", effective="2026-03-04")]],
        Facts(sent={("V1", "2026-03-03"): Sent(1, 1), ("V2", "2026-03-03"): Sent(1, 10_000)}),
        [["200.01 to vendor V1 for 2026-03-03, more than 200.00"]] * 2,
    ),
    "file limit": (
        rules(file_limit={"limit": "200.00"}),
        [[pay("1"), pay("2")], [pay("3"), pay("4", 10_001)]],
        Facts(),
        [[], ["200.01 in this file, more than 200.00"]],
    ),
    "day limit": (
        rules(day_limit={"limit": "300.00"}),
        [[pay("1"), pay("2")], [pay("3", effective="2026-03-04")]],
        Facts(day_cents={"2026-03-03": 10_001, "2026-03-04": 20_000}),
        [["300.01 in all files of the portfolio for 2026-03-03, more than 300.00"], []],
    ),
    "duplicate by date within a run": (
        rules(duplicate={}),
        [[pay("1", due="2026-03-03")], [pay("2", due="2026-03-08"), pay("3", due="2026-03-14"), pay("4", 10_001)]],
        Facts(),
        [[], ["check 2 to vendor V1 for 100.00 due 2026-03-08 looks like check 1 due 2026-03-03"]],
    ),
    "duplicate by reference in an earlier file": (
        rules(duplicate={"reference_days": 60}),
        [[pay("7", reference="inv 1"), pay("8", vendor="V2", reference="INV 1")]],
        Facts(earlier=[check("1", due="2026-01-02", reference="INV 1 ", file="A.DAT"), check("2", 9_999, reference="INV 1")]),
        [["check 7 to vendor V1 for 100.00 due 2026-03-03 looks like check 1 due 2026-01-02 in A.DAT"]],
    ),
    "duplicate beyond the days of its reference": (
        rules(duplicate={"reference_days": 59}),
        [[pay("7", reference="INV 1")]],
        Facts(earlier=[check("1", due="2026-01-02", reference="INV 1")]),
        [[]],
    ),
    "duplicate to a vendor who is the same": (
        rules(duplicate={}),
        [[pay("7", vendor="V2")], [pay("8", vendor="V3")]],
        Facts(same_as={"V1": "V1", "V2": "V1"}, earlier=[check("1", due="2026-03-06", file="A.DAT")]),
        [
            ["check 7 to vendor V2 for 100.00 due 2026-03-03 looks like check 1 due 2026-03-06 to vendor V1 (a name "
             "alike or the same account) in A.DAT"],
            [],
        ],
    ),
    "a check paid again is no duplicate of itself": (
        rules(duplicate={}),
        [[pay("1")]],
        Facts(earlier=[check("1", file="A.DAT")]),
        [[]],
    ),
    "checks of one CTX entry": (
        rules(duplicate={}, first_payment={}),
        [[payment(check("1", reference="A"), check("2", reference="A", due="2026-03-20"))]],
        Facts(paid=PAID),
        [["check 2 to vendor V1 for 100.00 due 2026-03-20 looks like check 1 due 2026-03-03, reference A"]],
    ),
    "no reference and no near date": (
        rules(duplicate={"near_days": 0}),
        [[pay("1", reference=None), pay("2", reference=None, due="2026-03-04")]],
        Facts(),
        [[]],
    ),
    "all off": (rules(), [[pay("1", vendor="V9"), pay("2", 10**9, vendor="V9")]], Facts(), [[]]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_the_rules_say(case: str) -> None:
    settings, files, facts, expected = CASES[case]
    assert said(files, facts, settings) == expected


@pytest.mark.parametrize(("action", "stored"), [("hold", "HOLD"), ("warn", "WARN")])
def test_a_rule_holds_or_warns_as_it_is_set(action: str, stored: str) -> None:
    settings = rules(
        first_payment={"action": action}, duplicate={"action": action}, file_limit={"action": action, "limit": "1.00"}
    )
    (findings,) = judge([[pay("1"), pay("2", reference="R1")]], Facts(), settings)
    assert [(f.rule, f.action, f.vendor, f.bank, f.check_no) for f in findings] == [
        ("first-payment", stored, "V1", None, None), ("file-limit", stored, None, None, None),
        ("duplicate", stored, "V1", "126", "2"),
    ]  # fmt: skip


CALENDAR = BankingCalendar({2026})


@pytest.mark.parametrize(
    ("created", "changed", "table", "found"),
    [
        ("2026-03-04", "2026-03-02", {}, "HOLD"),  # Monday + 3 banking days = Thursday
        ("2026-03-05", "2026-03-02", {}, None),
        ("2026-03-06", "2026-03-05", {"cooling_days": 2}, "HOLD"),  # over a weekend
        ("2026-03-09", "2026-03-05", {"cooling_days": 2}, None),
        ("2026-03-02", "2026-03-02", {"cooling_days": 0}, None),
        ("2026-03-02", "2026-03-02", {"action": "warn"}, "WARN"),
        ("2026-03-02", None, {}, None),
        ("2026-03-02", "2026-03-02", {"on": False}, None),
    ],
)
def test_changed_details_cool(created: str, changed: str | None, table: dict[str, Any], found: str | None) -> None:
    facts = Facts(changed_on={"V1": changed} if changed else {})
    settings = rules(changed_details=table)
    finding = cooling("V1", facts, settings, CALENDAR, date.fromisoformat(created))
    assert (finding and finding.action) == found
    if finding is not None:
        assert finding.detail.startswith(
            f"vendor V1 with bank details changed on {changed}, expected a file from 2026-03-"
        )


# --- the independent model ------------------------------------------------------------------------------------


def alike(a: Check, b: Check, near: int, same: int) -> bool:
    days = abs((date.fromisoformat(a.due) - date.fromisoformat(b.due)).days)
    reference = a.reference is not None and a.reference == b.reference
    return a.amount_cents == b.amount_cents and a.vendor == b.vendor and (days <= near or (reference and days <= same))


CHECKS = st.lists(
    st.tuples(st.sampled_from(["V1", "V2"]), st.sampled_from([5, 7]), st.integers(1, 28), st.sampled_from(["A", "B", None])),
    max_size=9,
)  # fmt: skip


@given(CHECKS, CHECKS)
@example([("V1", 5, 1, "A"), ("V1", 5, 5, "A")], [("V1", 5, 8, "A")])
@example([("V1", 5, 1, None), ("V1", 5, 2, None)], [("V1", 5, 3, None)])
def test_no_look_alike_is_missed_and_none_is_invented(fresh: list[Any], before: list[Any]) -> None:
    """Against every pair compared with every other. Within a run at least all but one of a group of two are named."""

    def made(rows: list[Any], prefix: str, file: str | None) -> list[Check]:
        return [
            Check(vendor, "1", "126", f"{prefix}{n}", cents, f"2026-02-{day:02d}", reference, file)
            for n, (vendor, cents, day, reference) in enumerate(rows)
        ]

    new, old = made(fresh, "N", None), made(before, "O", "A.DAT")
    (findings,) = judge(
        [[payment(c) for c in new]], Facts(earlier=old), rules(duplicate={"near_days": 2, "reference_days": 9})
    )
    facts, settings = Facts(earlier=old, same_as={"V3": "V1", "V1": "V1"}), rules(duplicate={})
    repeated = may_repeat([(c.vendor, c.amount_cents) for c in new], facts)
    some = [c for c in new if (facts.same_as.get(c.vendor, c.vendor), c.amount_cents) in repeated]
    assert judge([[payment(c) for c in some]], facts, settings) == judge([[payment(c) for c in new]], facts, settings)
    named = {f.check_no for f in findings}
    for check in new:
        like = [other for other in (*old, *new) if other is not check and alike(check, other, 2, 9)]
        if check.check_no in named:
            assert like
        elif like:
            assert all(other in new for other in like), f"{check} looks like one that went out"
            assert any(other.check_no in named for other in like)


def test_a_thousand_alike_take_as_long_as_they_are_many() -> None:
    checks = [pay(str(n), due="2026-03-03") for n in range(2_000)]
    (findings,) = judge([checks], Facts(), rules(duplicate={}))
    assert len(findings) == 1_999 and isinstance(findings[0], Finding)
