"""Vendor ACH (U0424), the deciding part: which entries go out on which day, and why the other checks stay.

Plain functions of values: checks, vendors and voided entries in, items and exceptions out. A check that fails any rule
is an exception of its own row and stays for the next run; it never stops the others. Prenotes are decided in
``prenotes``, reversals of voided entries in ``reversals``, CTX entries in ``ctx``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Final, NamedTuple

from gateway.calendar import BankingCalendar
from gateway.log import last_four
from gateway.money import shown
from gateway.vendor_ach.columns import checks_of
from gateway.vendor_ach.entries import EntryKind
from parsers.base import in_quotes, render_message
from parsers.nacha_records import LIVE_CREDIT_CODE, MAX_ENTRY_CENTS, routing_problem
from parsers.x12_820 import Advice
from writers.nacha import payee_name, rmr_addenda
from writers.text import bank_text

CORPORATE: Final = frozenset({"CCD", "CTX"})
"""Classes of businesses; ``prenote_ccd`` says whether their vendors are prenoted."""
_ACCOUNT_WIDTH: Final = 17
_REFERENCE_WIDTH: Final = 10
WIDTHS: Final = (("vendor", 9), ("lease", 10), ("asset", 10), ("check_no", _REFERENCE_WIDTH))
"""What the scratch file can hold; a row that does not fit is an exception, for nothing is cut."""
_SEPARATORS: Final = frozenset("#:")
"""What the key of a check is made with, so that none stands in its number."""
_FITTING: Final = re.compile(
    "\n".join(f"{'(?!.*[#:])' if name == 'check_no' else ''}[ -~]{{0,{width}}}" for name, width in WIDTHS)
).fullmatch
"""The same of a whole row, its values line by line: most checks are looked at once."""
_NAME_WIDTHS: Final = {"CCD": 22, "PPD": 22, "CTX": 16}


class Broken(NamedTuple):
    """A rule that a check breaks: a row of U0424C."""

    code: str
    message: str


def broken(code: str, found: str, expected: str, action: str) -> Broken:
    return Broken(code, render_message(found, expected, action))


class Candidate(NamedTuple):
    """A NEWA check: one that is due, or one that went out and was voided since."""

    check_no: str
    bank: str
    amount_cents: int
    disbursement_date: str
    vendor: str | None
    lease: str | None
    asset: str | None
    reference: str | None
    company: str
    region: str
    office: str
    issue: int


class Prenote(NamedTuple):
    """The prenote that counts for a vendor's present bank details: one that came back, or may have, else the earliest that is
    at the bank, or left."""

    file: str
    released: bool
    settles_on: str
    returned: str | None  # the bank's reason code
    outbound_id: int = 0
    at_bank: bool = True  # its file left beyond doubt
    unclear: str | None = None  # a return, perhaps of it, that waits for a person


class Vendor(NamedTuple):
    """Who is paid, as it stands. ``version`` is that of the bank details; ``pending``: a change waits for a person."""

    vendor: str
    name: str
    routing_sealed: bytes
    account_sealed: bytes
    account_last4: str
    account_type: str
    sec: str
    prenote_sent: str | None
    prenote_sent_on: str | None
    dealer_alert: str | None
    suspense_override_on: str | None
    version: int = 1
    prenote: Prenote | None = None
    pending: bool = False


class Original(NamedTuple):
    """An entry that left and whose checks are void: what a reversal must repeat, from its frozen row."""

    outbound_id: int
    seq: int
    trace_number: str
    file: str
    vendor: str
    version: int
    sec: str
    code: str
    routing: str
    account: str
    name: str
    amount_cents: int
    identification: str
    settled_on: str
    company_id: str
    odfi: str
    checks: tuple[Candidate, ...]
    at_bank: bool = True  # its file left beyond doubt
    attempts: int = 0  # reversals of it that came back
    unclear: str | None = None  # an answer of the bank that names it and waits for a person
    refused: str | None = None  # the answer by which the bank refused its file

    def __repr__(self) -> str:
        return f"Original(trace {self.trace_number} {self.amount_cents} {last_four(self.account)})"


@dataclass(frozen=True, slots=True)
class SameDay:
    """A run that settles today: ``marker`` goes into the descriptive date. ``sent``: cents that earlier runs of the day pay
    to CTX vendors, whose checks are one payment."""

    marker: str
    limit_cents: int
    sent: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """What a run decides by. ``open_account`` gives (routing, account) of a vendor in clear."""

    calendar: BankingCalendar
    created_on: date
    lead_days: int
    prenotes: bool
    origin: str  # first four characters of the immediate origin name
    charset: frozenset[str]
    open_account: Callable[[Vendor], tuple[str, str]]
    advice: Advice  # what every remittance advice of the run shares
    company_id: str = ""
    odfi: str = ""
    max_addenda: int = 9_999
    prenote_ccd: bool = False
    prenote_wait_days: int = 3
    same_day: SameDay | None = None

    @cached_property
    def earliest(self) -> date:
        """The first day on which an entry of this run can settle."""
        return self.calendar.add_banking_days(self.created_on, 0) if self.same_day else self.ordinary

    @cached_property
    def ordinary(self) -> date:
        """The first day on which an entry can settle that does not ask for today."""
        return self.calendar.add_banking_days(self.created_on, self.lead_days)

    @property
    def max_entry_cents(self) -> int:
        return min(MAX_ENTRY_CENTS, self.same_day.limit_cents) if self.same_day else MAX_ENTRY_CENTS


class Payee(NamedTuple):
    """A vendor's bank data, checked again at build time: texts fit for the file, or a reason."""

    routing: str
    account: str
    name: str  # as the bank takes it
    called: str = ""  # as we know the vendor
    warnings: tuple[str, ...] = ()
    problem: Broken | None = None

    def __repr__(self) -> str:
        return f"Payee({self.name!r} {last_four(self.account)})"


class Item(NamedTuple):
    """An entry that goes out, still without a trace number.

    ``about`` is its (first) check, or the one that asks for a prenote; ``checks`` are those it pays or takes back.
    A CTX entry has an ``advice`` in place of addenda: they need the trace number, but not to be counted.
    """

    kind: EntryKind
    about: Candidate
    checks: tuple[Candidate, ...]
    effective_date: str
    sec: str
    payee: Payee
    code: str
    amount_cents: int
    identification: str
    addenda: tuple[str, ...]
    vendor: str
    version: int
    lines: int  # records it takes
    advice: Advice | None = None
    reverses: tuple[int, int] | None = None
    attempt: int = 1  # of a reversal


@dataclass(frozen=True, slots=True)
class Withheld:
    """A check that stays, and why: a row of U0424C."""

    candidate: Candidate
    name: str | None
    routing: str
    account_last4: str | None
    direction: str
    code: str
    message: str


@dataclass(slots=True)
class Decision:
    items: list[Item] = field(default_factory=list)
    exceptions: list[Withheld] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def effective_date(disbursement_date: date, rules: Rules) -> date:
    """The disbursement date moved to a banking day, and never before the earliest of the run.

    A date already past goes with the next possible one.
    """
    if disbursement_date <= rules.earliest:
        return rules.earliest
    return rules.calendar.next_banking_day(disbursement_date)


_KINDS: Final = {"LIVE": "1", "PRENOTE": "2", "REVERSAL": "3"}


def file_order(item: Item) -> str:
    """One text, which compares faster than its parts; what parts them sorts before every character."""
    kind, c, _, effective, sec, *_ = item
    check_no, bank, _, due, *_ = c
    return f"{effective}\0{_KINDS[kind]}\0{sec}\0{item.vendor}\0{due}\0{bank}\0{check_no:>20}"


# --- the vendor ---------------------------------------------------------------------------------------------

NOBODY: Final = Payee("", "", "")


def payee(vendor: Vendor, rules: Rules) -> Payee:
    """The vendor's bank data made fit for an entry of its class, or the first thing that is wrong with them."""
    routing, given = rules.open_account(vendor)
    account = given.replace(" ", "").replace("-", "").upper()
    name = payee_name(vendor.name, _NAME_WIDTHS.get(vendor.sec, 22), rules.charset)
    problem: Broken | None = None
    wrong = routing_problem(routing)
    if wrong is not None:
        problem = broken("ROUTING", f"routing number {routing} ({wrong})", "a sound one", "correct the vendor")
    elif not account or len(account) > _ACCOUNT_WIDTH or not (account.isascii() and account.isalnum()):
        found = f"an account number of {len(account)} characters ({last_four(account)})"
        problem = broken("ACCOUNT", found, "1 to 17 letters and digits", "correct the vendor")
    elif name.problem is not None:
        problem = broken("NAME", f"name {in_quotes(vendor.name)}: {name.problem}", "a name the bank takes", "rename it")
    elif vendor.sec not in _NAME_WIDTHS:
        problem = broken("CLASS", f"class {vendor.sec}", "CCD, PPD or CTX", "change the vendor's class")
    return Payee(routing, account, name.text, vendor.name, name.warnings, problem)


# --- the check ----------------------------------------------------------------------------------------------


def broken_rule(candidate: Candidate, vendor: Vendor | None, rules: Rules) -> Broken | None:
    """The first rule that a check breaks, of those that look at it and its vendor alone."""
    if vendor is None:
        return broken("VENDOR", "a NEWA check without vendor", "the vendor it pays", "load the check with its vendor")
    return _alert(candidate, vendor) or _pending(vendor) or _amount(candidate, rules) or _fits(candidate)


def unheld(vendor: Vendor) -> bool:
    """Whether none of the rules that look at a vendor alone could hold a check back, and an entry pays one check."""
    fits = _FITTING(f"{vendor.vendor}\n\n\n") is not None
    return vendor.dealer_alert != "Y" and not vendor.pending and vendor.sec != "CTX" and fits


def _alert(candidate: Candidate, vendor: Vendor) -> Broken | None:
    """Alert on: withheld, but for disbursement dates up to the override."""
    if vendor.dealer_alert != "Y":
        return None
    until = vendor.suspense_override_on
    if until is not None and candidate.disbursement_date <= until:
        return None
    found = "the dealer alert on" + (f" with an override up to {until}" if until else "")
    return broken("ALERT", found, "no alert, or an override date", "clear the alert or set the override date")


def _pending(vendor: Vendor) -> Broken | None:
    """While a change of the vendor waits for a second person, nobody knows where its money belongs."""
    if not vendor.pending:
        return None
    found = f"a change of vendor {vendor.vendor} that waits for a second person"
    return broken("CHANGE", found, "it approved or refused", "see gateway vendor changes --state PROPOSED")


def _amount(candidate: Candidate, rules: Rules) -> Broken | None:
    if 0 < candidate.amount_cents <= rules.max_entry_cents:
        return None
    found = f"an amount of {shown(candidate.amount_cents)}"
    if rules.same_day and 0 < candidate.amount_cents <= MAX_ENTRY_CENTS:
        expected = f"at most {shown(rules.max_entry_cents)} on the same day"
        return broken("SAMEDAY", found, expected, "build it without --same-day")
    return broken("AMOUNT", found, f"0.01 to {shown(MAX_ENTRY_CENTS)}", "pay it another way: an entry is never split")


def _fits(candidate: Candidate) -> Broken | None:
    c = candidate
    if _FITTING(f"{c.vendor or ''}\n{c.lease or ''}\n{c.asset or ''}\n{c.check_no}"):
        return None
    for name, width in WIDTHS:
        value = str(getattr(candidate, name) or "")
        separates = name == "check_no" and not _SEPARATORS.isdisjoint(value)
        if separates or len(value) > width or not (value.isascii() and value.isprintable()):
            found = f"{name.removesuffix('_no')} {in_quotes(value)}"
            return broken("FIELD", found, f"at most {width} plain characters", "pay it another way")
    return None


def identification(rules: Rules, reference: str) -> str | Broken:
    """Positions 40-54 of an entry: the origin and what it is about."""
    made = bank_text(f"{rules.origin}-{reference}", rules.charset)
    if made.problem is not None:
        return broken("CHECK", f"check number: {made.problem}", "letters and digits", "correct the check")
    return made.text


def reference_of(candidate: Candidate) -> str:
    return candidate.reference or candidate.lease or candidate.check_no


def spelled(items: Sequence[Item]) -> list[str]:
    """What entries say otherwise than it was written: names cut or transliterated, references transliterated."""
    payees = {item.vendor: item.payee for item in items}
    found = [f"vendor {vendor}: {warning}" for vendor, to in payees.items() for warning in to.warnings]
    for check in checks_of(item for item in items if item.kind == "LIVE"):
        reference = reference_of(check)
        if not reference.isascii():
            found += [f"check {check.check_no}, reference: {warning}" for warning in bank_text(reference).warnings]
    return found


def live_item(candidate: Candidate, vendor: Vendor, to: Payee, effective: str, rules: Rules) -> Item | Broken:
    """The CCD or PPD entry of a check, with one addenda."""
    remittance = rmr_addenda(reference_of(candidate), candidate.amount_cents)
    if remittance.problem is not None:
        found = f"reference {in_quotes(reference_of(candidate))}: {remittance.problem}"
        return broken("REFERENCE", found, "a reference that fits one addenda", "correct the check's reference")
    name = identification(rules, candidate.check_no)
    if not isinstance(name, str):
        return name
    return Item(
        "LIVE", candidate, (candidate,), effective, vendor.sec, to, LIVE_CREDIT_CODE[vendor.account_type],
        candidate.amount_cents, name, (remittance.text,), vendor.vendor, vendor.version, 2,
    )  # fmt: skip


def withheld(candidate: Candidate, vendor: Vendor | None, to: Payee, why: Broken) -> Withheld:
    name, last4 = (vendor.name, vendor.account_last4) if vendor else (None, None)
    return Withheld(candidate, name, to.routing, last4, "CREDIT", *why)
