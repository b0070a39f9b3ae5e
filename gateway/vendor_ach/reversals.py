"""Reversals (rule A2): the debit that takes back a live credit whose checks were voided after it left.

A reversal repeats company, class and amount of the original and goes to the account it went to, under the batch
description REVERSAL and a trace number of its own. It must reach the receiving bank within five banking days after the
original settled: its effective date is the day it can settle, never before the original's, and after the last day it is
an exception that names that day. A credit that is not proved to be at the bank, or that the bank may have returned, is not
taken back before that is known. Prenotes and reversals are not reversed.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from gateway.calendar import BankingCalendar
from gateway.vendor_ach.rules import Broken, Item, Original, Payee, Rules, broken
from parsers.nacha_records import REVERSAL_CODE

REVERSAL_DAYS: Final = 5
"""Banking days after settlement within which a reversal must be made available."""
DESCRIPTION: Final = "REVERSAL"


def last_day(settled_on: str, calendar: BankingCalendar) -> str:
    """The last day on which a reversal of an entry that settled then may settle."""
    return calendar.add_banking_days(date.fromisoformat(settled_on), REVERSAL_DAYS).isoformat()


def effective_date(settled_on: str, earliest: date) -> str:
    return max(settled_on, earliest.isoformat())


def elsewhere(sent_by: tuple[str, str], ours: tuple[str, str]) -> tuple[str, str] | None:
    """Found and expected, where the company and bank (ODFI) that sent an entry are not those of the settings: a reversal is
    the company's own, by way of the same bank."""
    if sent_by == ours:
        return None
    return (
        f"an entry of company {sent_by[0]} at bank {sent_by[1]}",
        f"one of company {ours[0]} at {ours[1]}, which the settings name now",
    )


def item(original: Original, rules: Rules) -> Item | Broken:
    """The reversing entry, or why there is none."""
    number = original.checks[0].check_no
    if original.unclear is not None:
        return broken("REVERSAL", f"an answer of the bank about its entry that waits ({original.unclear})", "none",
            f"see gateway answers show {original.unclear}, and clear it when it is seen to",
        )  # fmt: skip
    if original.refused is not None:
        return broken("REVERSAL",
            f"its credit in {original.file}, which the bank refused (answer {original.refused})", "it paid",
            f"take the void back (gateway vendor void {number} --undo --reason WHY) and call that file back (gateway outbound recall "
            f"{original.outbound_id} --reason WHY)",
        )  # fmt: skip
    if not original.at_bank:
        return broken("REVERSAL",
            f"its credit in {original.file}, which is released and not proved to be at the bank", "it there, or called back",
            f"deliver it or say that it was fetched (gateway outbound taken {original.outbound_id} --reason WHY); if it did not leave, take "
            f"the void back (gateway vendor void {number} --undo --reason WHY) and call it back (gateway outbound recall "
            f"{original.outbound_id} --reason WHY)",
        )  # fmt: skip
    last, effective = last_day(original.settled_on, rules.calendar), effective_date(original.settled_on, rules.earliest)
    is_today = rules.same_day is not None and effective == rules.earliest.isoformat()
    if not is_today:  # in a same-day run too: the entry it takes back has not settled, so it goes as in another run
        effective = effective_date(original.settled_on, rules.ordinary)
    if effective > last:
        return broken("REVERSAL",
            f"an entry of {original.file} that settled on {original.settled_on}", f"a reversal by {last}",
            f"ask the vendor for the money, and take the void back: gateway vendor void {number} --undo --reason WHY",
        )  # fmt: skip
    if (other := elsewhere((original.company_id, original.odfi), (rules.company_id, rules.odfi))) is not None:
        return broken("REVERSAL", *other, "ask that bank to reverse it")
    if is_today and original.amount_cents > rules.max_entry_cents:
        return broken("SAMEDAY", "an amount over the same-day limit", "one within it", "build it without --same-day")
    to = Payee(original.routing, original.account, original.name, original.name)
    return Item(
        "REVERSAL", original.checks[0], original.checks, effective, original.sec, to, REVERSAL_CODE[original.code],
        original.amount_cents, original.identification, (), original.vendor, original.version, 1,
        reverses=(original.outbound_id, original.seq), attempt=original.attempts + 1,
    )  # fmt: skip
