"""Vendor ACH (U0424): checks, vendors and voided entries sorted into entries that go out and exceptions that stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter

from gateway.ledger.vendor_details import last4
from gateway.vendor_ach import by_column, ctx, prenotes, reversals
from gateway.vendor_ach.by_column import Terms
from gateway.vendor_ach.prenotes import Standing
from gateway.vendor_ach.rules import (
    NOBODY,
    Broken,
    Candidate,
    Decision,
    Item,
    Original,
    Payee,
    Rules,
    Vendor,
    Withheld,
    broken_rule,
    effective_date,
    file_order,
    identification,
    live_item,
    payee,
    unheld,
    withheld,
)


def decide(
    candidates: Sequence[Candidate], vendors: Mapping[str, Vendor], originals: Iterable[Original], rules: Rules
) -> Decision:
    """What goes out and what stays: items in file order; checks that stay, or are paid together, by due date, bank and
    number."""
    deciding = _Deciding(rules, vendors)
    plain, others = by_column.items(candidates, deciding.terms(candidates), deciding.days, rules)
    for candidate in sorted(others, key=attrgetter("disbursement_date", "bank", "check_no")):
        deciding.take(candidate)
    deciding.close_ctx()
    out = deciding.out
    out.items += plain
    for original in originals:
        made = reversals.item(original, rules)
        if isinstance(made, Item):
            out.items.append(made)
        else:
            out.exceptions += _kept(original, made)
    out.items.sort(key=file_order)
    return out


def _kept(original: Original, broken: Broken) -> Iterator[Withheld]:
    for check in original.checks:
        yield Withheld(check, original.name, original.routing, last4(original.account), "DEBIT", *broken)


@dataclass(slots=True)
class _Deciding:
    """One pass over the due checks. Vendors are looked at once; CTX checks gather by vendor and day."""

    rules: Rules
    vendors: Mapping[str, Vendor]
    out: Decision = field(default_factory=Decision)
    known: dict[str, tuple[Payee, Standing]] = field(default_factory=dict)
    days: dict[str, str] = field(default_factory=dict)
    prenoted: set[str] = field(default_factory=set)
    ctx: dict[tuple[str, str], list[tuple[Candidate, str]]] = field(default_factory=dict)

    def terms(self, candidates: Iterable[Candidate]) -> dict[str, Terms]:
        """On which the vendors are paid about whom nothing is special; looks at all vendors and days of the run."""
        found = {}
        for vendor in map(self.vendors.get, dict.fromkeys(c.vendor or "" for c in candidates)):
            to, stands = self.look_at(vendor)
            if vendor is not None and to.problem is None and stands.broken is None and unheld(vendor):
                found[vendor.vendor] = Terms(to, vendor.account_type, vendor.sec, vendor.version, stands.first or "")
        for due in dict.fromkeys(c.disbursement_date for c in candidates):
            self.effective(due)
        return found

    def take(self, candidate: Candidate) -> None:
        vendor = self.vendors.get(candidate.vendor or "")
        to, stands = self.look_at(vendor)
        effective = self.effective(candidate.disbursement_date)
        broken = broken_rule(candidate, vendor, self.rules) or to.problem
        if vendor is None or broken is not None:
            self.keep(candidate, vendor, to, broken)
            return
        made = self.made(candidate, vendor, to, effective)
        stays = made if isinstance(made, Broken) else prenotes.wait(stands, vendor, effective)
        if stays is not None:
            self.keep(candidate, vendor, to, stays)
            if stands.needed and stays == stands.broken:
                self.prenote(candidate, vendor, to)
        elif isinstance(made, Item):
            self.out.items.append(made)
        elif isinstance(made, str):
            self.ctx.setdefault((vendor.vendor, effective), []).append((candidate, made))

    def look_at(self, vendor: Vendor | None) -> tuple[Payee, Standing]:
        if vendor is None:
            return NOBODY, Standing()
        if vendor.vendor not in self.known:
            to = payee(vendor, self.rules)
            self.known[vendor.vendor] = to, prenotes.standing(vendor, self.rules)
            self.out.warnings += [f"vendor {vendor.vendor}: {warning}" for warning in to.warnings]
        return self.known[vendor.vendor]

    def effective(self, due: str) -> str:
        if due not in self.days:
            self.days[due] = effective_date(date.fromisoformat(due), self.rules).isoformat()
        return self.days[due]

    def made(self, candidate: Candidate, vendor: Vendor, to: Payee, effective: str) -> Item | str | Broken:
        """The entry of a check; of a CTX check the reference its advice names; or what is wrong."""
        if vendor.sec != "CTX":
            return live_item(candidate, vendor, to, effective, self.rules)
        name = identification(self.rules, candidate.check_no)
        return ctx.reference(candidate, self.rules) if isinstance(name, str) else name

    def prenote(self, candidate: Candidate, vendor: Vendor, to: Payee) -> None:
        """One a vendor, however many checks ask for it."""
        if vendor.vendor in self.prenoted:
            return
        self.prenoted.add(vendor.vendor)
        made = prenotes.item(vendor, to, candidate, self.rules)
        if isinstance(made, Item):
            self.out.items.append(made)
        else:
            self.keep(candidate, vendor, to, made)

    def close_ctx(self) -> None:
        for (key, effective), due in self.ctx.items():
            vendor = self.vendors[key]
            to = self.known[key][0]
            for made in ctx.items(vendor, to, effective, due, self.rules):
                if isinstance(made, Item):
                    self.out.items.append(made)
                else:
                    self.keep(made[0], vendor, to, made[1])

    def keep(self, candidate: Candidate, vendor: Vendor | None, to: Payee, broken: Broken | None) -> None:
        if broken is not None:
            self.out.exceptions.append(withheld(candidate, vendor, to, broken))
