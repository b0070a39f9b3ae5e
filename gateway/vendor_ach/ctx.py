"""CTX: all checks of a vendor for one effective date in one entry, whose addenda are an X12 820.

An entry is closed before it would exceed its amount, the addenda that an entry or the bank's line limit takes. The
control numbers of the advice are those of the trace number, which is given later; as they have one width, the number of
addenda is known before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from gateway.money import shown
from gateway.vendor_ach.rules import (
    Broken,
    Candidate,
    Item,
    Payee,
    Rules,
    Vendor,
    broken,
    identification,
    reference_of,
)
from parsers.base import in_quotes
from parsers.nacha_records import LIVE_CREDIT_CODE
from parsers.x12_820 import Advice
from writers import x12_820
from writers.text import bank_text

_NUMBER: Final = "0" * 15
"""As wide as a trace number."""


def reference(candidate: Candidate, rules: Rules) -> str | Broken:
    """What the advice names a check by."""
    made = bank_text(reference_of(candidate), rules.charset)
    wrong = made.problem or x12_820.problem(made.text, x12_820.REFERENCE_WIDTH)
    if wrong is not None:
        found = f"reference {in_quotes(reference_of(candidate))}: {wrong}"
        return broken("REFERENCE", found, "a reference that fits a remittance advice", "correct the check's reference")
    return made.text


def items(
    vendor: Vendor, to: Payee, effective: str, due: Iterable[tuple[Candidate, str]], rules: Rules
) -> Iterator[Item | tuple[Candidate, Broken]]:
    """The entries that pay these checks (each with its reference), in order; or a check and why it stays."""
    name = bank_text(vendor.name, rules.charset).text  # payee() found that it has one
    if wrong := x12_820.problem(name, 60):
        for candidate, _ in due:
            yield (
                candidate,
                broken("NAME", f"name {in_quotes(name)}: {wrong}", "one that X12 can hold", "rename the vendor"),
            )
        return
    receiver = rules.advice.receiver or vendor.vendor
    base = replace(rules.advice, payee=name, receiver=receiver, effective_date=effective)
    room = rules.max_addenda * x12_820.PIECE - _overhead(base)
    checks: list[tuple[Candidate, str]] = []
    cents = used = 0
    total = rules.same_day.sent.get(vendor.vendor, 0) if rules.same_day else 0
    for candidate, text in due:
        total += candidate.amount_cents
        if rules.same_day and total > rules.max_entry_cents:
            total -= candidate.amount_cents
            found = f"{shown(total + candidate.amount_cents)} with the vendor's other checks of the day"
            expected = f"at most {shown(rules.max_entry_cents)} on the same day: a payment is not split for it"
            yield candidate, broken("SAMEDAY", found, expected, "build it without --same-day")
            continue
        need = len(x12_820.rmr(text, candidate.amount_cents))
        if checks and (cents + candidate.amount_cents > rules.max_entry_cents or used + need > room):
            yield _item(vendor, to, base, checks, rules)
            checks, cents, used = [], 0, 0
        checks.append((candidate, text))
        cents, used = cents + candidate.amount_cents, used + need
    if checks:
        yield _item(vendor, to, base, checks, rules)


def addenda(advice: Advice, trace: str) -> tuple[str, ...]:
    """The addenda texts of an entry, its trace number given."""
    control = "1" + trace[-7:]  # eight digits for every trace: X12 wants no leading zeros in a group's number
    return x12_820.pieces(x12_820.render(replace(advice, trace_number=trace, control_number=control)))


def _overhead(base: Advice) -> int:
    """Characters that an advice takes beside its RMR segments, at most."""
    widest = replace(base, lines=(("X", 99_999_999_99),), trace_number=_NUMBER, control_number="1" * 8)
    return len(x12_820.render(widest)) - len(x12_820.rmr("X", 99_999_999_99)) + len("99999")


def _item(vendor: Vendor, to: Payee, base: Advice, checks: list[tuple[Candidate, str]], rules: Rules) -> Item:
    about = checks[0][0]
    name = identification(rules, about.check_no)
    if not isinstance(name, str):  # every check was found to have one
        raise ValueError(name.message)
    advice = replace(base, lines=tuple((text, candidate.amount_cents) for candidate, text in checks))
    return Item(
        "LIVE", about, tuple(candidate for candidate, _ in checks), advice.effective_date, vendor.sec, to,
        LIVE_CREDIT_CODE[vendor.account_type], advice.total_cents, name, (), vendor.vendor, vendor.version,
        1 + len(addenda(advice, _NUMBER)), advice=advice,
    )  # fmt: skip
