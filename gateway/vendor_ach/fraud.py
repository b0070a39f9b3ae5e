"""Rules that look at money before it leaves: named, each on or off, each holding or warning.

Every originator has had to have such rules since June 2026 (Nacha, fraud monitoring phase 2). Plain functions of values:
what would go out and what went before, findings out. A finding of a rule that holds stops the release of its file until
a person accepts the rule by name; ``changed-details`` stops the payment itself.

======================  ==================================================================================
``first-payment``       nothing was paid to these bank details before
``changed-details``     the bank details were changed so few banking days ago
``velocity``            more payments to the vendor than usual within some days
``vendor-limit``        more money to the vendor for one effective date
``file-limit``          more money in one file
``day-limit``           more money in all files of the portfolio for one effective date
``duplicate``           one amount twice, to one vendor or to vendors of names alike (``alike``) or one account
======================  ==================================================================================
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

from gateway.calendar import BankingCalendar
from gateway.money import shown, to_cents
from gateway.settings_portfolio import FraudRule, FraudSettings

Rule = Literal["first-payment", "changed-details", "velocity", "vendor-limit", "file-limit", "day-limit", "duplicate"]
RULES: Final[tuple[Rule, ...]] = (
    "first-payment", "changed-details", "velocity", "vendor-limit", "file-limit", "day-limit", "duplicate",
)  # fmt: skip
Action = Literal["HOLD", "WARN"]


class Check(NamedTuple):
    """One debt that is paid."""

    vendor: str
    portfolio: str
    bank: str
    check_no: str
    amount_cents: int
    due: str
    reference: str | None
    file: str | None = None  # the bank file of one that went out before

    @property
    def key(self) -> tuple[str, str, str]:
        return self.portfolio, self.bank, self.check_no


class Payment(NamedTuple):
    """Live entries that would go out to one vendor for one effective date, and those of their checks that may look like
    another (all of them, or what ``may_repeat`` leaves)."""

    vendor: str
    version: int  # of the vendor's bank details
    amount_cents: int  # of all its entries
    effective: str
    checks: Sequence[Check]
    entries: int = 1


class Sent(NamedTuple):
    """Live entries of earlier files, that were not rejected, to one vendor for one effective date."""

    entries: int
    cents: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known from before, of the vendors that would be paid. Dates are ISO text."""

    paid: frozenset[tuple[str, int]] = frozenset()  # (vendor, version of bank details) that was paid before
    changed_on: Mapping[str, str] = field(default_factory=dict)  # when a vendor's present bank details took effect
    sent: Mapping[tuple[str, str], Sent] = field(default_factory=dict)  # by vendor and effective date
    day_cents: Mapping[str, int] = field(default_factory=dict)  # of earlier files, by effective date
    same_as: Mapping[str, str] = field(default_factory=dict)  # vendors of names alike or one account -> one of them
    earlier: Sequence[Check] = ()  # checks in earlier files, to these vendors and those that are the same


class Finding(NamedTuple):
    rule: Rule
    action: Action
    vendor: str | None
    bank: str | None
    check_no: str | None
    detail: str


def setting(rule: Rule, settings: FraudSettings) -> FraudRule:
    found: FraudRule = getattr(settings, rule.replace("-", "_"))
    return found


def _finding(
    rule: Rule, settings: FraudSettings, detail: str, vendor: str | None = None, check: Check | None = None
) -> Finding:
    action: Action = "HOLD" if setting(rule, settings).action == "hold" else "WARN"
    return Finding(rule, action, vendor, check and check.bank, check and check.check_no, detail)


# --- before a file is made ------------------------------------------------------------------------------------


def cooling(
    vendor: str, facts: Facts, settings: FraudSettings, calendar: BankingCalendar, created_on: date
) -> Finding | None:
    """``changed-details``: whether payments to the vendor go to bank details that are too new. Those that hold are
    withheld."""
    changed_on = facts.changed_on.get(vendor)
    if not settings.changed_details.on or changed_on is None:
        return None
    first = calendar.add_banking_days(date.fromisoformat(changed_on), settings.changed_details.cooling_days)
    if created_on >= first:
        return None
    detail = f"vendor {vendor} with bank details changed on {changed_on}, expected a file from {first.isoformat()} on"
    return _finding("changed-details", settings, detail, vendor)


# --- of finished files ----------------------------------------------------------------------------------------


def judge(files: Sequence[Sequence[Payment]], facts: Facts, settings: FraudSettings) -> list[list[Finding]]:
    """What the rules say of each file of a run; ``changed-details`` was asked before."""
    duplicates = _duplicates(files, facts, settings) if settings.duplicate.on else {}
    run = _Run(files, facts, settings)
    return [
        [
            *_first_payments(payments, facts, settings),
            *run.velocity(payments),
            *run.vendor_limit(payments),
            *run.file_limit(payments),
            *run.day_limit(payments),
            *(duplicates[check.key] for p in payments for check in p.checks if check.key in duplicates),
        ]
        for payments in files
    ]


def _first_payments(payments: Sequence[Payment], facts: Facts, settings: FraudSettings) -> Iterator[Finding]:
    if not settings.first_payment.on:
        return
    for vendor, version in dict.fromkeys((p.vendor, p.version) for p in payments):
        if (vendor, version) not in facts.paid:
            which = "" if version == 1 else f" with its bank details of version {version}"
            yield _finding("first-payment", settings, f"first payment to vendor {vendor}{which}", vendor)


class _Run:
    """Sums over all files of the run and those before it."""

    def __init__(self, files: Sequence[Sequence[Payment]], facts: Facts, settings: FraudSettings) -> None:
        self.settings = settings
        self.day_cents = Counter(facts.day_cents)
        self.days: defaultdict[str, dict[str, Sent]] = defaultdict(dict)  # by vendor and effective date
        for (vendor, effective), sent in facts.sent.items():
            self.days[vendor][effective] = sent
        for payment in (p for payments in files for p in payments):
            self.day_cents[payment.effective] += payment.amount_cents
            of_vendor = self.days[payment.vendor]
            known = of_vendor.get(payment.effective, Sent(0, 0))
            of_vendor[payment.effective] = Sent(known.entries + payment.entries, known.cents + payment.amount_cents)

    def velocity(self, payments: Sequence[Payment]) -> Iterator[Finding]:
        rule = self.settings.velocity
        if not rule.on:
            return
        for vendor, effective in dict.fromkeys((p.vendor, p.effective) for p in payments):
            first = (date.fromisoformat(effective) - timedelta(days=rule.days - 1)).isoformat()
            count = sum(sent.entries for day, sent in self.days[vendor].items() if first <= day <= effective)
            if count > rule.payments:
                detail = f"{count} payments to vendor {vendor} from {first} to {effective}, more than {rule.payments}"
                yield _finding("velocity", self.settings, detail, vendor)

    def vendor_limit(self, payments: Sequence[Payment]) -> Iterator[Finding]:
        rule = self.settings.vendor_limit
        limit = to_cents(rule.limit)
        for vendor, effective in dict.fromkeys((p.vendor, p.effective) for p in payments) if rule.on else ():
            cents = self.days[vendor][effective].cents
            if cents > limit:
                detail = f"{shown(cents)} to vendor {vendor} for {effective}, more than {shown(limit)}"
                yield _finding("vendor-limit", self.settings, detail, vendor)

    def file_limit(self, payments: Sequence[Payment]) -> Iterator[Finding]:
        limit = to_cents(self.settings.file_limit.limit)
        cents = sum(p.amount_cents for p in payments)
        if self.settings.file_limit.on and cents > limit:
            yield _finding("file-limit", self.settings, f"{shown(cents)} in this file, more than {shown(limit)}")

    def day_limit(self, payments: Sequence[Payment]) -> Iterator[Finding]:
        limit = to_cents(self.settings.day_limit.limit)
        for effective in dict.fromkeys(p.effective for p in payments) if self.settings.day_limit.on else ():
            cents = self.day_cents[effective]
            if cents > limit:
                detail = f"{shown(cents)} in all files of the portfolio for {effective}, more than {shown(limit)}"
                yield _finding("day-limit", self.settings, detail)


# --- duplicates -----------------------------------------------------------------------------------------------


def may_repeat(debts: Iterable[tuple[str, int]], facts: Facts) -> set[tuple[str, int]]:
    """Of these vendors and amounts of checks, those of which there is another one: what ``duplicate`` may concern."""
    one = facts.same_as.get
    found = Counter(((one(vendor, vendor), cents) for vendor, cents in debts) if facts.same_as else debts)
    earlier = {(one(check.vendor, check.vendor), check.amount_cents) for check in facts.earlier}
    return {key for key, count in found.items() if count > 1 or key in earlier}


def _duplicates(
    files: Sequence[Sequence[Payment]], facts: Facts, settings: FraudSettings
) -> dict[tuple[str, str, str], Finding]:
    """By check, the one before it that it looks like: to the same vendor, for the same amount, with the same reference
    or due about the same day. Of those of one run the later one is named."""
    fresh = [check for payments in files for payment in payments for check in payment.checks]
    alike: dict[tuple[str, int], list[Check]] = {}
    for check in fresh:
        alike.setdefault((facts.same_as.get(check.vendor, check.vendor), check.amount_cents), []).append(check)
    its_own = {check.key for check in fresh}
    before: dict[tuple[str, int], list[Check]] = {}
    for check in facts.earlier:
        key = (facts.same_as.get(check.vendor, check.vendor), check.amount_cents)
        if key in alike and check.key not in its_own:
            before.setdefault(key, []).append(check)
    found = {}
    for key, checks in alike.items():
        if len(checks) > 1 or key in before:
            for check, other in _pairs(checks, before.get(key, []), settings):
                found[check.key] = _finding("duplicate", settings, _looks_like(check, other), check.vendor, check)
    return found


def _pairs(fresh: Sequence[Check], before: Sequence[Check], settings: FraudSettings) -> Iterator[tuple[Check, Check]]:
    """Checks of one amount to one payee, each with one that it looks like: one that went out, due before or after it,
    else an earlier one of the run. The nearest by due date is enough, so a group takes as long as it is long."""
    days = (settings.duplicate.near_days, settings.duplicate.reference_days)
    rows = sorted((check.due, here, check) for here, checks in enumerate((before, fresh)) for check in checks)
    ordered = [(date.fromisoformat(due), bool(here), check) for due, here, check in rows]
    named: set[tuple[str, str, str]] = set()
    for walk, against_fresh in ((ordered, False), (ordered[::-1], False), (ordered, True)):
        nearest: dict[str, tuple[date, Check]] = {}  # by reference; '' is the nearest of all
        for due, is_fresh, check in walk:
            reference = (check.reference or "").strip().upper()
            for key, most in zip(("", reference) if reference else ("",), days, strict=False):
                other = nearest.get(key)
                if is_fresh and other and abs((due - other[0]).days) <= most and check.key not in named:
                    named.add(check.key)
                    yield check, other[1]
                if is_fresh == against_fresh:
                    nearest[key] = (due, check)


def _looks_like(check: Check, other: Check) -> str:
    whose = "" if other.vendor == check.vendor else f" to vendor {other.vendor} (a name alike or the same account)"
    where = f" in {other.file}" if other.file else ""
    reference = f", reference {check.reference}" if check.reference and check.reference == other.reference else ""
    return (
        f"check {check.check_no} to vendor {check.vendor} for {shown(check.amount_cents)} due {check.due} looks like check "
        f"{other.check_no} due {other.due}{whose}{where}{reference}"
    )
