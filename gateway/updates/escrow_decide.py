"""U0409: what each escrow disbursement becomes. Plain functions of values; the database is asked nothing.

Lines are decided in file order, because each takes from a balance and uses up a check number. Those that cannot be
touched by others are decided by the same rules in ``escrow_plain``, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.money import shown
from gateway.updates.assess_problems import unknown_lease_action
from gateway.updates.escrow_facts import Chart, Facts, Lease, Line


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line the ledger refuses: the parts of its message."""

    code: str
    field: str
    found: str
    expected: str
    action: str


@dataclass(frozen=True, slots=True)
class Disbursement:
    """A line that posts: what is taken from each escrow charge, and the bank that pays."""

    lease: Lease
    bank: str
    cash_account: int
    parts: tuple[tuple[str, int, int], ...]  # charge, account, cents


def decide(line: Line, facts: Facts, *, portfolio: str | None) -> Disbursement | Refusal:
    """Decide one line and take what it uses from ``facts``. ``portfolio`` is the file's, None for a bare file."""
    lease = facts.leases.get(line.lease)
    refusal = _refuse_lease(line, lease, facts, portfolio) or _refuse_asset(line, facts)
    if refusal is not None or lease is None:
        return refusal or _unknown_lease(line, facts, portfolio)
    chart = facts.charts[lease.portfolio]
    bank = line.bank or chart.default_bank
    cash = chart.accounts.cash(lease.office_id, bank)
    refusal = _refuse_accounts(lease, chart, bank, cash) or _refuse_check(line, lease, bank, facts)
    if refusal is not None or cash is None:
        return refusal or _no_account(f"CASH {bank}", lease)
    parts = _parts(line, lease, chart, facts)
    if isinstance(parts, Refusal):
        return parts
    for charge, _, cents in parts:
        facts.balances[line.lease, charge] -= cents
    facts.checks.add((lease.portfolio, bank, line.check_no or ""))
    return Disbursement(lease, bank, cash, parts)


def _refuse_lease(line: Line, lease: Lease | None, facts: Facts, portfolio: str | None) -> Refusal | None:
    if lease is None:
        return _unknown_lease(line, facts, portfolio)
    if portfolio is not None and lease.portfolio != portfolio:
        return Refusal(
            "LEASE_OTHER_PORTFOLIO",
            "lease",
            f"lease {line.lease} of portfolio {lease.portfolio}",
            f"a lease of portfolio {portfolio}",
            f"send the line in the file of portfolio {lease.portfolio}",
        )
    return None


def _unknown_lease(line: Line, facts: Facts, portfolio: str | None) -> Refusal:
    return Refusal(
        "LEASE_UNKNOWN",
        "lease",
        f"lease {line.lease}, which the ledger does not have",
        "a lease of the ledger" if portfolio is None else f"a lease of portfolio {portfolio}",
        unknown_lease_action(line.lease, facts.near.get(line.lease)),
    )


def _refuse_asset(line: Line, facts: Facts) -> Refusal | None:
    if line.asset is None:
        return None
    on = f"an asset on lease {line.lease}"
    if line.asset not in facts.assets:
        return Refusal(
            "ASSET_UNKNOWN", "asset", f"asset {line.asset}, which the ledger does not have", on,
            "correct the asset number or load the asset, and drop the line again",
        )  # fmt: skip
    lease = facts.assets[line.asset]
    if lease == line.lease:
        return None
    where = "on no lease" if lease is None else f"on lease {lease}"
    return Refusal(
        "ASSET_NOT_ON_LEASE", "asset", f"asset {line.asset}, which is {where}", on,
        "correct the asset or the lease, and drop the line again",
    )  # fmt: skip


def _refuse_accounts(lease: Lease, chart: Chart, bank: str, cash: int | None) -> Refusal | None:
    if not chart.escrow_charges:
        return Refusal(
            "NO_ESCROW_CHARGE",
            "lease",
            f"portfolio {lease.portfolio} without a recurring charge of type E in use",
            "an escrow charge to pay from",
            "set one up in charges.csv, and drop the line again",
        )
    if cash is None:
        return _no_account(f"CASH {bank}", lease)
    for _, purpose in chart.escrow_charges:
        if chart.accounts.find(lease.office_id, purpose) is None:
            return _no_account(purpose, lease)
    return None


def _no_account(purpose: str, lease: Lease) -> Refusal:
    return Refusal(
        "ACCOUNT_MISSING",
        "bank" if purpose.startswith("CASH ") else "lease",
        f"no account for {purpose} in office {lease.office} of portfolio {lease.portfolio}",
        "one in the office's chart",
        "load it with gl_accounts.csv, and drop the line again",
    )


def _refuse_check(line: Line, lease: Lease, bank: str, facts: Facts) -> Refusal | None:
    if line.check_no is None:
        return Refusal(
            "CHECK_MISSING", "check_no", "no check number", "the number of the check to the payee",
            "add it, and drop the line again",
        )  # fmt: skip
    if (lease.portfolio, bank, line.check_no) in facts.checks:
        return Refusal(
            "CHECK_DUPLICATE",
            "check_no",
            f"check {line.check_no} of bank {bank}, which portfolio {lease.portfolio} has already",
            "a check number not used with that bank",
            "correct the check number or the bank, and drop the line again",
        )
    return None


def _parts(line: Line, lease: Lease, chart: Chart, facts: Facts) -> tuple[tuple[str, int, int], ...] | Refusal:
    """The escrow charges in number order until the amount is used, never more than all of them come to: a charge below
    zero is money that the lessee still owes to the others."""
    held = [facts.balances.get((line.lease, charge), 0) for charge, _ in chart.escrow_charges]
    if line.amount_cents > sum(held):
        return Refusal(
            "ESCROW_BALANCE",
            "amount",
            f"{shown(line.amount_cents)} with a net escrow balance of {shown(sum(held))} on lease {line.lease}",
            "no more than the balance",
            "correct the amount or wait for the lessee's payment, and drop the line again",
        )
    rest, parts = line.amount_cents, []
    for (charge, purpose), balance in zip(chart.escrow_charges, held, strict=True):
        cents = min(rest, balance)
        account = chart.accounts.find(lease.office_id, purpose)
        if cents > 0 and account is not None:
            parts.append((charge, account, cents))
            rest -= cents
    return tuple(parts)
