"""Reversals (rule A2): the debit that takes back a live credit whose checks were voided after it left.

A reversal repeats company, class and amount of the original and goes to the account it went to, under the batch
description REVERSAL and a trace number of its own. It must reach the receiving bank within five banking days after the
original settled: its effective date is the day it can settle, never before the original's, and after the last day it is
an exception that names that day. Prenotes and reversals are not reversed.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from gateway.calendar import BankingCalendar
from gateway.outbound.vendor_rules import Broken, Item, Original, Payee, Rules, broken
from parsers.nacha_records import REVERSAL_CODE

REVERSAL_DAYS: Final = 5
"""Banking days after settlement within which a reversal must be made available."""
DESCRIPTION: Final = "REVERSAL"


def last_day(settled_on: str, calendar: BankingCalendar) -> str:
    """The last day on which a reversal of an entry that settled then may settle."""
    return calendar.add_banking_days(date.fromisoformat(settled_on), REVERSAL_DAYS).isoformat()


def effective_date(settled_on: str, earliest: date) -> str:
    return max(settled_on, earliest.isoformat())


def item(original: Original, rules: Rules) -> Item | Broken:
    """The reversing entry, or why there is none."""
    last, effective = last_day(original.settled_on, rules.calendar), effective_date(original.settled_on, rules.earliest)
    if effective > last:
        return broken("REVERSAL",
            f"an entry of {original.file} that settled on {original.settled_on}", f"a reversal by {last}",
            f"ask the vendor for the money, and take the void back: gateway vendor void {original.checks[0].check_no} --undo",
        )  # fmt: skip
    if (original.company_id, original.odfi) != (rules.company_id, rules.odfi):
        found = f"an entry of company {original.company_id} at bank {original.odfi}"
        expected = f"one of company {rules.company_id} at {rules.odfi}, which the settings name now"
        return broken("REVERSAL", found, expected, "ask that bank to reverse it")
    if rules.same_day and original.amount_cents > rules.max_entry_cents:
        return broken("SAMEDAY", "an amount over the same-day limit", "one within it", "build it without --same-day")
    to = Payee(original.routing, original.account, original.name, original.name)
    return Item(
        "REVERSAL", original.checks[0], original.checks, effective, original.sec, to, REVERSAL_CODE[original.code],
        original.amount_cents, original.identification, (), original.vendor, original.version, 1,
        reverses=(original.outbound_id, original.seq),
    )  # fmt: skip
