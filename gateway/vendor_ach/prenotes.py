"""Prenotes (rule A4): a zero-dollar entry to a vendor's bank details, and how long live entries wait for it.

Where the portfolio uses prenotes, a vendor with a due check and no prenote of its present bank details gets one; in the
corporate classes CCD and CTX only with ``prenote_ccd``. The check waits until the prenote is at the bank and ``wait_days``
banking days after it settled (three by the rule; some banks' contracts say more). A prenote that came back blocks the
vendor until its details change: a new version asks for a new prenote. What another system sent before (``prenote_sent``
of vendors.csv) counts for the details of then, the first ones; without its date there is no waiting for it.

A returned prenote blocks, whichever portfolio or class asked for it, and stops the release of what was built before
(``release/review``); so does a return that waits for a person, until it is cleared. A notification of change proposes new
details, which are another rule's to wait for.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from gateway.vendor_ach.rules import (
    CORPORATE,
    Broken,
    Candidate,
    Item,
    Payee,
    Rules,
    Vendor,
    broken,
    identification,
)

PRENOTE_CODE: Final = {"checking": "23", "savings": "33"}


class Standing(NamedTuple):
    """What a vendor's prenote says to a live entry: ``first`` day it may settle (None: any), or why it may not yet."""

    first: str | None = None
    broken: Broken | None = None
    needed: bool = False


def standing(vendor: Vendor, rules: Rules) -> Standing:
    prenote = vendor.prenote
    if prenote is not None and prenote.returned is not None:
        found = f"the prenote of {prenote.settles_on} returned by the bank with {prenote.returned}"
        return Standing(broken=broken("PRENOTE", found, "details that the bank knows", "change the vendor's"))
    if prenote is not None and prenote.unclear is not None:
        return Standing(broken=broken("PRENOTE",
            f"an answer of the bank about the prenote of {prenote.settles_on} that waits ({prenote.unclear})", "none",
            f"see gateway answers show {prenote.unclear}, and clear it when it is seen to",
        ))  # fmt: skip
    if not rules.prenotes or (vendor.sec in CORPORATE and not rules.prenote_ccd):
        return Standing()
    if prenote is not None:
        if not prenote.released:
            found = f"a prenote in {prenote.file}, which waits for release"
            return Standing(broken=broken("PRENOTE", found, "it released", "approve it, or reject it and build anew"))
        if not prenote.at_bank:
            return Standing(broken=broken("PRENOTE",
                f"a prenote in {prenote.file}, which is released and not proved to be at the bank", "it there",
                f"deliver it or say that it was fetched (gateway outbound taken {prenote.outbound_id} --reason WHY)",
            ))  # fmt: skip
        return Standing(first=_first(date.fromisoformat(prenote.settles_on), rules))
    if vendor.prenote_sent == "Y" and vendor.version == 1:
        if vendor.prenote_sent_on is None:
            return Standing()
        settled = rules.calendar.add_banking_days(date.fromisoformat(vendor.prenote_sent_on), rules.lead_days)
        return Standing(first=_first(settled, rules))
    found = "a vendor who was not prenoted in time" if vendor.version == 1 else "bank details that changed since"
    first = _first(rules.earliest, rules)
    expected = f"a prenote and {rules.prenote_wait_days} banking days after its settlement"
    action = f"let it wait: one goes out now for {rules.earliest}, the check can follow for {first}"
    return Standing(broken=broken("PRENOTE", found, expected, action), needed=True)


def wait(stands: Standing, vendor: Vendor, effective: str) -> Broken | None:
    """Why an entry of this effective date stays for now, or None."""
    if stands.broken is not None:
        return stands.broken
    if stands.first is None or effective >= stands.first:
        return None
    sent = f"settling {vendor.prenote.settles_on}" if vendor.prenote else f"sent on {vendor.prenote_sent_on}"
    return broken("PRENOTE", f"a prenote {sent}", f"an effective date from {stands.first}", "let a later run take it")


def item(vendor: Vendor, to: Payee, about: Candidate, rules: Rules) -> Item | Broken:
    """The prenote of a vendor; ``about`` is the check that asks for it, whose office the reports name."""
    name = identification(rules, vendor.vendor)
    if not isinstance(name, str):
        return name
    return Item(
        "PRENOTE", about, (), rules.earliest.isoformat(), vendor.sec, to, PRENOTE_CODE[vendor.account_type], 0, name,
        (), vendor.vendor, vendor.version, 1,
    )  # fmt: skip


def _first(settled: date, rules: Rules) -> str:
    return rules.calendar.add_banking_days(settled, rules.prenote_wait_days).isoformat()
