"""Vendor ACH before it is frozen: the facts that the fraud rules ask for, and what they found, kept with the file.

Gather (a few set-based statements), decide (``fraud``), apply (rows of ``fraud_finding``), in the transaction of the
build. Whether two vendors have one account is seen by a digest with a key of this run alone: the numbers themselves are
opened one after the other and not kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.app import App
from gateway.ledger import schema
from gateway.ledger.ach_answers import refused_sql
from gateway.ledger.ach_returns import came_back_sql, taken_back_sql
from gateway.ledger.load_checks import LOADED as CHECK_LOADED
from gateway.ledger.vendor_details import NEW_VERSION, last4
from gateway.settings_portfolio import FraudSettings
from gateway.vendor_ach import alike, fraud
from gateway.vendor_ach.columns import checks_of, column
from gateway.vendor_ach.fraud import Check, Facts, Finding, Payment, Sent
from gateway.vendor_ach.gather import Context
from gateway.vendor_ach.rules import Decision, Item, Withheld

_SCRATCH = MetaData()
_VENDORS = Table("fraud_vendor", _SCRATCH, Column("vendor"))
_AMOUNTS = Table("fraud_amount", _SCRATCH, Column("cents"))
CODE: Final = "CHANGE"
"""On U0424C: a payment withheld because the vendor's details change, or changed too lately (``rules``)."""
_FILES_BACK_DAYS: Final = 60
"""Files built earlier have no entry of an effective date still to come: a build takes what is due within days."""


@dataclass(frozen=True)
class Screening:
    """The rules of one portfolio at one build."""

    run: Context
    facts: Facts

    @property
    def settings(self) -> FraudSettings:
        return self.run.app.settings.portfolio(self.run.at.portfolio).fraud

    @cached_property
    def cooling(self) -> Mapping[str, Finding]:
        """By vendor: bank details that are too new for a payment."""
        calendar, on = self.run.calendar, self.run.created.date()
        found = {v: fraud.cooling(v, self.facts, self.settings, calendar, on) for v in sorted(self.facts.changed_on)}
        return {vendor: finding for vendor, finding in found.items() if finding is not None}

    def withhold(self, decision: Decision) -> Decision:
        """The decision without payments that ``changed-details`` holds: their checks are exceptions; kept as findings,
        with those withheld because a change waits for a second person."""
        held = {vendor: finding for vendor, finding in self.cooling.items() if finding.action == "HOLD"}
        items, exceptions = [] if held else decision.items, list(decision.exceptions)
        for item in decision.items if held else ():
            found = held.get(item.vendor) if item.kind == "LIVE" else None
            if found is None:
                items.append(item)
                continue
            to, message = item.payee, f"Found {found.detail}: let a later run take it."
            exceptions += [
                Withheld(c, to.called, to.routing, last4(to.account), "CREDIT", CODE, message) for c in item.checks
            ]
        self.keep((_of_withheld(one) for one in exceptions if one.code == CODE), None)
        return replace(decision, items=items, exceptions=exceptions)

    def judge(self, files: Sequence[Sequence[Item]]) -> list[list[Finding]]:
        """The findings of each file of the build."""
        live = list(map(_live, files))
        checks = list(chain.from_iterable(map(checks_of, live)))
        debts = zip(column(checks, "vendor"), column(checks, "amount_cents"), strict=True)
        repeated = fraud.may_repeat(debts, self.facts) if self.settings.duplicate.on else set()
        payments = [self._payments(items, repeated) for items in live]
        warnings = [
            [self.cooling[v] for v in dict.fromkeys(p.vendor for p in its) if v in self.cooling] for its in payments
        ]
        return [
            [*its, *more] for its, more in zip(fraud.judge(payments, self.facts, self.settings), warnings, strict=True)
        ]

    def _payments(self, items: Sequence[Item], repeated: Container[tuple[str, int]]) -> list[Payment]:
        """By vendor and effective date, in the order of the file."""
        portfolio, one = self.run.at.portfolio, self.facts.same_as.get
        keys = list(map(attrgetter("vendor", "version", "effective_date"), items))
        entries = Counter(keys)
        sums = dict.fromkeys(keys, 0)
        for key, cents in zip(keys, column(items, "amount_cents"), strict=True):
            sums[key] += cents
        alike: dict[tuple[str, int, str], list[Check]] = {key: [] for key in sums}
        for key, item in zip(keys, items, strict=True) if repeated else ():
            vendor = item.vendor
            alike[key] += [
                Check(vendor, portfolio, c.bank, c.check_no, c.amount_cents, c.disbursement_date, c.reference)
                for c in item.checks
                if (one(vendor, vendor), c.amount_cents) in repeated
            ]
        return [Payment(key[0], key[1], cents, key[2], alike[key], entries[key]) for key, cents in sums.items()]

    def keep(self, findings: Iterable[Finding], outbound_id: int | None) -> None:
        """With their file; without one where payments were withheld."""
        at = self.run.at
        self.run.app.db.bulk_insert(
            self.run.connection,
            schema.fraud_finding,
            ("portfolio", "business_date", "outbound_id", "rule", "action", "vendor", "bank", "check_no", "detail"),
            (
                (at.portfolio, at.business_date, outbound_id, f.rule, f.action, f.vendor, f.bank, f.check_no, f.detail)
                for f in findings
            ),
        )  # fmt: skip


def _live(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.kind == "LIVE"]


def _of_withheld(one: Withheld) -> Finding:
    c = one.candidate
    return Finding("changed-details", "HOLD", c.vendor, c.bank, c.check_no, one.message)


def hold_text(findings: Sequence[Finding]) -> str:
    """Why a file waits, in a line: the rules that its approver has to accept."""
    rules = dict.fromkeys(f.rule for f in findings if f.action == "HOLD")
    return "; ".join(["waits for release", *([f"to accept: {', '.join(rules)}"] if rules else [])])


# --- gather -------------------------------------------------------------------------------------------------


def screening(run: Context, decision: Decision) -> Screening:
    """Look up what the rules ask of the vendors that would be paid."""
    live = _live(decision.items)
    if not live:
        return Screening(run, Facts())
    app, connection = run.app, run.connection
    settings = app.settings.portfolio(run.at.portfolio).fraud
    vendors = set(column(live, "vendor"))
    first = min(column(live, "effective_date"))
    same_as = _same_as(app, connection, vendors) if settings.duplicate.on else {}
    app.db.scratch(connection, _VENDORS.name, "vendor TEXT PRIMARY KEY")
    app.db.bulk_insert(connection, _VENDORS, ("vendor",), ((v,) for v in sorted(vendors | same_as.keys())))
    facts = Facts(
        paid=_paid(connection),
        changed_on=_changed_on(connection, ZoneInfo(app.settings.gateway.service.timezone)),
        sent=_sent(connection, first, settings),
        day_cents=_day_cents(connection, first, run.at.portfolio, run.created),
        same_as=same_as,
        earlier=_earlier(app, connection, live, settings) if settings.duplicate.on else (),
    )
    return Screening(run, facts)


def _paid(connection: Connection) -> frozenset[tuple[str, int]]:
    """Bank details that a live entry of any portfolio paid which left, was not refused, came not back and was not taken back.
    A check loaded as sent was paid to the details of then, the first ones; but not one loaded since bank files are built
    here: whoever loads a vendor could vouch for it so."""
    rows = connection.execute(
        text(
            "SELECT DISTINCT e.vendor, e.details_version FROM fraud_vendor x CROSS JOIN ach_entry e "
            "JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN ('APPROVED', 'LOCAL') "
            f"WHERE e.vendor = x.vendor AND e.kind = 'LIVE' AND NOT {came_back_sql('e')} AND NOT {refused_sql('f')} AND NOT {taken_back_sql('e')} "
            "UNION SELECT DISTINCT c.vendor, 1 "
            "FROM fraud_vendor x CROSS JOIN bank_check c WHERE c.vendor = x.vendor AND c.type = 'NEWA' AND c.state = 'SENT' "
            f"AND c.outbound_id IS NULL AND NOT EXISTS (SELECT 1 FROM operator_event o WHERE o.action = '{CHECK_LOADED}' "
            "AND o.subject = 'check ' || c.portfolio || '/' || c.bank || '/' || c.check_no "
            "AND o.at >= (SELECT MIN(b.built_at) FROM outbound_file b WHERE b.kind = 'VACH-BANK'))"
        )
    )
    return frozenset((vendor, int(version)) for vendor, version in rows)


def _changed_on(connection: Connection, zone: ZoneInfo) -> dict[str, str]:
    """The local date on which the present bank details of a vendor took effect, where they were changed."""
    rows = connection.execute(
        text(
            "SELECT c.vendor, MAX(c.decided_at) FROM fraud_vendor x JOIN vendor_change c ON c.vendor = x.vendor "
            f"WHERE c.state = 'APPLIED' AND {NEW_VERSION} GROUP BY c.vendor"
        )
    )
    return {vendor: datetime.fromisoformat(at).astimezone(zone).date().isoformat() for vendor, at in rows}


def _sent(connection: Connection, first: str, settings: FraudSettings) -> dict[tuple[str, str], Sent]:
    since = date.fromisoformat(first) - timedelta(days=settings.velocity.days)
    rows = connection.execute(
        text(
            "SELECT e.vendor, e.effective_date, COUNT(*), SUM(e.amount_cents) FROM fraud_vendor x "
            "CROSS JOIN ach_entry e JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state <> 'REJECTED' "
            f"WHERE e.vendor = x.vendor AND e.kind = 'LIVE' AND e.effective_date >= :first AND NOT {came_back_sql('e')} "
            "GROUP BY e.vendor, e.effective_date"
        ),
        {"first": since.isoformat()},
    )
    return {(vendor, effective): Sent(int(count), int(cents)) for vendor, effective, count, cents in rows}


def _day_cents(connection: Connection, first: str, portfolio: str, created: datetime) -> dict[str, int]:
    rows = connection.execute(
        text(
            "SELECT e.effective_date, SUM(e.amount_cents) FROM outbound_file f JOIN ach_entry e "
            "ON e.outbound_id = f.outbound_id WHERE f.portfolio = :portfolio AND f.kind = 'VACH-BANK' "
            "AND f.state <> 'REJECTED' AND f.built_at >= :since AND e.kind = 'LIVE' AND e.effective_date >= :first "
            f"AND NOT {came_back_sql('e')} GROUP BY e.effective_date"
        ),
        {
            "portfolio": portfolio,
            "since": (created - timedelta(days=_FILES_BACK_DAYS)).date().isoformat(),
            "first": first,
        },
    )
    return {effective: int(cents) for effective, cents in rows}


def _earlier(app: App, connection: Connection, live: Sequence[Item], settings: FraudSettings) -> list[Check]:
    """Checks of these amounts that are in a file or were sent, to these vendors and those of a name alike or one account."""
    back = max(settings.duplicate.near_days, settings.duplicate.reference_days)
    checks = list(checks_of(live))
    since = date.fromisoformat(min(column(checks, "disbursement_date"))) - timedelta(days=back)
    amounts = set(column(checks, "amount_cents"))
    app.db.scratch(connection, _AMOUNTS.name, "cents BIGINT PRIMARY KEY")
    app.db.bulk_insert(connection, _AMOUNTS, ("cents",), ((cents,) for cents in sorted(amounts)))
    app.db.analyze(connection, _AMOUNTS.name, _VENDORS.name)
    rows = app.db.fetch(
        connection,
        "SELECT c.vendor, c.portfolio, c.bank, c.check_no, c.amount_cents, c.disbursement_date, c.reference, f.name "
        "FROM fraud_vendor x CROSS JOIN bank_check c JOIN fraud_amount a ON a.cents = c.amount_cents "
        "LEFT JOIN outbound_file f ON f.outbound_id = c.outbound_id WHERE c.vendor = x.vendor "
        "AND c.disbursement_date >= :since AND c.type = 'NEWA' AND c.state IN ('SENT', 'RESERVED')",
        since=since.isoformat(),
    )
    return [Check(*row) for row in rows]


# --- vendors that may be one --------------------------------------------------------------------------------


def _same_as(app: App, connection: Connection, vendors: set[str]) -> dict[str, str]:
    """Vendors of names alike (``alike.key``) or of one account, with those to be paid among them -> one of them that stands
    for all."""
    stands_for: dict[str, str] = {}

    def top(vendor: str) -> str:
        while stands_for.get(vendor, vendor) != vendor:
            vendor = stands_for[vendor]
        return vendor

    for group in (*_of_names_alike(connection, vendors), *_of_one_account(app, connection, vendors)):
        first, *others = sorted({top(vendor) for vendor in group})
        stands_for |= dict.fromkeys(others, first)
        stands_for.setdefault(first, first)
    return {vendor: top(vendor) for vendor in stands_for}


def _of_names_alike(connection: Connection, vendors: set[str]) -> Iterator[list[str]]:
    by_name: dict[str, list[str]] = {}
    for vendor, name in connection.execute(text("SELECT vendor, name FROM vendor")):
        if key := alike.key(name):
            by_name.setdefault(key, []).append(vendor)
    yield from (group for group in by_name.values() if len(group) > 1 and not vendors.isdisjoint(group))


def _of_one_account(app: App, connection: Connection, vendors: set[str]) -> Iterator[list[str]]:
    """Only numbers whose end recurs are opened; hyphens and blanks make no other account."""
    by_end: dict[str, list[tuple[str, bytes, bytes]]] = {}
    for vendor, end, *sealed in connection.execute(
        text("SELECT vendor, account_last4, routing_sealed, account_sealed FROM vendor")
    ):
        by_end.setdefault(_plain(end)[-2:], []).append((vendor, *sealed))
    key = secrets.token_bytes(32)
    for group in by_end.values():
        if len(group) == 1 or vendors.isdisjoint(vendor for vendor, _, _ in group):
            continue
        by_account: dict[bytes, list[str]] = {}
        for vendor, routing, account in group:
            number = _plain(app.vault.open(bytes(account), field="vendor.account"))
            whole = f"{app.vault.open(bytes(routing), field='vendor.routing')}/{number}"
            by_account.setdefault(hmac.digest(key, whole.encode(), hashlib.sha256), []).append(vendor)
        yield from (same for same in by_account.values() if len(same) > 1 and not vendors.isdisjoint(same))


def _plain(account: str) -> str:
    return account.replace(" ", "").replace("-", "").upper()
