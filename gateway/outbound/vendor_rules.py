"""Vendor ACH (U0424), the deciding part: which checks go out on which day, and why the others do not.

Plain functions of values: candidates and facts in, entries and exceptions out. A check that fails any rule is an
exception of its own row and stays for the next run; it never stops the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from gateway.calendar import BankingCalendar
from gateway.money import shown
from parsers.base import render_message
from parsers.nacha_records import LIVE_CREDIT_CODE, MAX_BATCH_LINES, MAX_ENTRY_CENTS, MAX_TOTAL_CENTS, routing_problem
from writers.nacha import payee_name, rmr_addenda
from writers.text import bank_text

PRENOTE_WAIT_DAYS: Final = 3
"""Banking days between the settlement of a prenote and the first live entry; the rule's own figure."""
_BUILT_CLASSES: Final = ("CCD", "PPD")
_ACCOUNT_WIDTH: Final = 17
_REFERENCE_WIDTH: Final = 10
_WIDTHS: Final = (("vendor", 9), ("lease", 10), ("asset", 10), ("check_no", _REFERENCE_WIDTH))
"""What the scratch file can hold; a row that does not fit is an exception, for nothing is cut."""


class Candidate(NamedTuple):
    """A NEWA check that is due, with its office and vendor as they stand."""

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
    name: str | None
    routing_sealed: bytes | None
    account_sealed: bytes | None
    account_last4: str | None
    account_type: str | None
    sec: str | None
    prenote_sent: str | None
    prenote_sent_on: str | None
    dealer_alert: str | None
    suspense_override_on: str | None
    issue: int
    version: int  # of the vendor's bank details


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run decides by. ``open_account`` gives (routing, account) of a vendor in clear."""

    calendar: BankingCalendar
    created_on: date
    lead_days: int
    prenotes: bool
    origin: str  # first four characters of the immediate origin name
    charset: frozenset[str]
    open_account: Callable[[Candidate], tuple[str, str]]


class Payee(NamedTuple):
    """A vendor's bank data, checked again at build time: texts fit for the file, or a reason."""

    routing: str
    account: str
    name: str
    warnings: tuple[str, ...]
    problem: tuple[str, str] | None  # (code, message)


class Item(NamedTuple):
    """An entry that goes out, still without a trace number."""

    candidate: Candidate
    effective_date: str
    sec: str
    payee: Payee
    code: str
    identification: str
    addenda: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """A check that stays, and why: a row of U0424C."""

    candidate: Candidate
    routing: str
    code: str
    message: str


@dataclass(slots=True)
class Decision:
    items: list[Item] = field(default_factory=list)
    exceptions: list[Withheld] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def decide(candidates: Iterable[Candidate], rules: Rules) -> Decision:
    """Sort what is due into entries and exceptions; entries in file order."""
    out = Decision()
    payees: dict[str, Payee] = {}
    days: dict[str, str] = {}
    for candidate in candidates:
        payee = _NOBODY
        if candidate.vendor is not None:
            known = payees.get(candidate.vendor)
            payee = payees[candidate.vendor] = known or _payee(candidate, rules)
            if known is None:
                out.warnings += [f"vendor {candidate.vendor}: {warning}" for warning in payee.warnings]
        due = candidate.disbursement_date
        if due not in days:
            days[due] = effective_date(date.fromisoformat(due), rules).isoformat()
        found = _item(candidate, payee, days[due], rules)
        if isinstance(found, Item):
            out.items.append(found)
        else:
            out.exceptions.append(Withheld(candidate, payee.routing, *found))
    out.items.sort(key=_file_order)
    return out


def effective_date(disbursement_date: date, rules: Rules) -> date:
    """The disbursement date moved to a banking day, and never before creation + lead days.

    A date already past goes with the next possible one.
    """
    earliest = rules.calendar.add_banking_days(rules.created_on, rules.lead_days)
    if disbursement_date <= earliest:
        return earliest
    return rules.calendar.next_banking_day(disbursement_date)


def _file_order(item: Item) -> tuple[str, ...]:
    c = item.candidate
    return (item.effective_date, item.sec, c.vendor or "", c.disbursement_date, c.bank, c.check_no.rjust(20))


# --- the vendor ---------------------------------------------------------------------------------------------

_NOBODY: Final = Payee("", "", "", (), None)


def _payee(candidate: Candidate, rules: Rules) -> Payee:
    routing, given = rules.open_account(candidate)
    account = given.replace(" ", "").replace("-", "").upper()
    name = payee_name(candidate.name or "", charset=rules.charset)
    problem: tuple[str, str] | None = None
    wrong = routing_problem(routing)
    if wrong is not None:
        problem = ("ROUTING", _message(f"routing number {routing} ({wrong})", "a sound one", "correct the vendor"))
    elif not account or len(account) > _ACCOUNT_WIDTH or not (account.isascii() and account.isalnum()):
        found = f"an account number of {len(account)} characters ending {account[-4:]!r}"
        problem = ("ACCOUNT", _message(found, "1 to 17 letters and digits", "correct the vendor"))
    elif name.problem is not None:
        problem = ("NAME", _message(f"name {candidate.name!r}: {name.problem}", "a name the bank takes", "rename it"))
    elif candidate.sec not in _BUILT_CLASSES:
        problem = ("CLASS", _message(f"class {candidate.sec}", "CCD or PPD", "change the vendor's class"))
    return Payee(routing, account, name.text, name.warnings, problem)


def _message(found: str, expected: str, action: str) -> str:
    return render_message(found, expected, action)


# --- the check ----------------------------------------------------------------------------------------------


def _item(candidate: Candidate, payee: Payee, effective: str, rules: Rules) -> Item | tuple[str, str]:
    """The entry of a check, or (code, message) of the first rule it breaks."""
    for rule in (_vendor, _alert, _amount, _prenote, _fits):
        broken = rule(candidate, effective, rules)
        if broken is not None:
            return broken
    if payee.problem is not None:
        return payee.problem
    wanted = candidate.reference or candidate.lease or candidate.check_no
    remittance = rmr_addenda(wanted, candidate.amount_cents)
    if remittance.problem is not None:
        found = f"reference {wanted!r}: {remittance.problem}"
        return "REFERENCE", _message(found, "a reference that fits one addenda", "correct the check's reference")
    identification = bank_text(f"{rules.origin}-{candidate.check_no}", rules.charset)
    if identification.problem is not None:
        return "CHECK", _message(f"check number: {identification.problem}", "letters and digits", "correct the check")
    code = LIVE_CREDIT_CODE[candidate.account_type or "checking"]
    sec = candidate.sec or ""
    return Item(candidate, effective, sec, payee, code, identification.text, remittance.text)


def _vendor(candidate: Candidate, _effective: str, _rules: Rules) -> tuple[str, str] | None:
    if candidate.vendor is not None:
        return None
    return "VENDOR", _message("a NEWA check without vendor", "the vendor it pays", "load the check with its vendor")


def _alert(candidate: Candidate, _effective: str, _rules: Rules) -> tuple[str, str] | None:
    """Alert on: withheld, but for disbursement dates up to the override."""
    if candidate.dealer_alert != "Y":
        return None
    until = candidate.suspense_override_on
    if until is not None and candidate.disbursement_date <= until:
        return None
    found = "the dealer alert on" + (f" with an override up to {until}" if until else "")
    return "ALERT", _message(found, "no alert, or an override date", "clear the alert or set the override date")


def _amount(candidate: Candidate, _effective: str, _rules: Rules) -> tuple[str, str] | None:
    if 0 < candidate.amount_cents <= MAX_ENTRY_CENTS:
        return None
    found = f"an amount of {shown(candidate.amount_cents)}"
    return "AMOUNT", _message(found, f"0.01 to {shown(MAX_ENTRY_CENTS)}", "pay it another way: an entry is never split")


def _prenote(candidate: Candidate, effective: str, rules: Rules) -> tuple[str, str] | None:
    if not rules.prenotes:
        return None
    if candidate.prenote_sent != "Y":
        found = "a vendor who was not prenoted in time"
        return "PRENOTE", _message(found, "a prenote that was sent", "send one, or load prenote_sent when it was")
    if candidate.prenote_sent_on is None:
        return None
    settled = rules.calendar.add_banking_days(date.fromisoformat(candidate.prenote_sent_on), rules.lead_days)
    first = rules.calendar.add_banking_days(settled, PRENOTE_WAIT_DAYS).isoformat()
    if effective >= first:
        return None
    found = f"a prenote sent on {candidate.prenote_sent_on}"
    return "PRENOTE", _message(found, f"an effective date from {first}", "let the next run take it")


def _fits(candidate: Candidate, _effective: str, _rules: Rules) -> tuple[str, str] | None:
    for name, width in _WIDTHS:
        value = str(getattr(candidate, name) or "")
        if len(value) > width or not (value.isascii() and value.isprintable()):
            found = f"{name.removesuffix('_no')} {value!r}"
            return "FIELD", _message(found, f"at most {width} plain characters", "pay it another way")
    return None


# --- files --------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """One batch of one file: entries of one class."""

    sec: str
    items: tuple[Item, ...]


LINES_AN_ITEM: Final = 2
"""The entry and its addenda."""


def pack(items: Sequence[Item], *, max_lines: int, balanced: bool) -> list[list[Run]]:
    """Entries of one effective date, in order, into files and batches that exceed no limit.

    A file holds ``max_lines`` records with headers, controls and filler, and 9,999,999,999.99; so does a batch, but a
    balanced one only 99,999,999.99, which is what its one offset entry can carry.
    """
    room = max_lines // 10 * 10 - 2
    overhead = 3 if balanced else 2
    batch_cents = MAX_ENTRY_CENTS if balanced else MAX_TOTAL_CENTS
    files: list[list[Run]] = []
    run: list[Item] = []
    runs: list[Run] = []
    used = file_cents = run_cents = 0

    def close_run() -> None:
        nonlocal run, run_cents
        if run:
            runs.append(Run(run[0].sec, tuple(run)))
        run, run_cents = [], 0

    def close_file() -> None:
        nonlocal runs, used, file_cents
        close_run()
        if runs:
            files.append(runs)
        runs, used, file_cents = [], 0, 0

    for item in items:
        cents = item.candidate.amount_cents
        fresh = _needs_new_batch(run, item, run_cents + cents, batch_cents, balanced)
        need = LINES_AN_ITEM + (overhead if fresh else 0)
        if used + need > room or file_cents + cents > MAX_TOTAL_CENTS:
            close_file()
            need = LINES_AN_ITEM + overhead
        elif fresh:
            close_run()
        run.append(item)
        used, file_cents, run_cents = used + need, file_cents + cents, run_cents + cents
    close_file()
    return files


def _needs_new_batch(run: Sequence[Item], item: Item, cents: int, limit: int, balanced: bool) -> bool:
    if not run or run[0].sec != item.sec or cents > limit:
        return True
    return (len(run) + 1) * LINES_AN_ITEM + balanced > MAX_BATCH_LINES


def look_alikes(items: Iterable[Item]) -> Iterator[str]:
    """Checks of one vendor with one amount and one due date: perhaps one debt entered twice."""
    seen: dict[tuple[str | None, int, str], list[str]] = {}
    for item in items:
        c = item.candidate
        seen.setdefault((c.vendor, c.amount_cents, c.disbursement_date), []).append(c.check_no)
    for (vendor, cents, due), checks in seen.items():
        if len(checks) > 1:
            numbers = ", ".join(checks[:5])
            yield f"vendor {vendor} is paid {shown(cents)} due {due} {len(checks)} times: checks {numbers}"
