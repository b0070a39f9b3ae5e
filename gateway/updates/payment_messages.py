"""Every message of Batch Payments (U0415), and the form messages of payments and reversals share.

A finding is a code and the three parts of its sentence: what was found, what was expected, what to do.
Findings of U0415 put money into suspense (severity S), because it is in the bank; the last two only warn.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.money import shown
from gateway.updates.base import PostingContext, Severity


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    field: str
    found: str
    expected: str
    action: str


def emit(
    context: PostingContext,
    line_no: int,
    severity: Severity,
    finding: Finding,
    *,
    amount_cents: int,
    item: int | None = None,
) -> None:
    """Put the finding on report A."""
    context.message(
        line_no, severity, finding.code, field=finding.field, found=finding.found, expected=finding.expected,
        action=finding.action, amount_cents=amount_cents, suspense_item=item,
    )  # fmt: skip


def lease_unknown(lease: str, portfolio: str, near: str | None) -> Finding:
    found = f"lease {lease}" if near is None else f"lease {lease}, near lease {near} which exists"
    return Finding(
        "LEASE_UNKNOWN",
        "lease",
        found,
        f"a lease of portfolio {portfolio}",
        "apply the suspense item to the right lease",
    )


def invoice_unknown(invoice: str, portfolio: str) -> Finding:
    return Finding(
        "INVOICE_UNKNOWN", "invoice", f"invoice {invoice}", f"an invoice of portfolio {portfolio}",
        "apply the suspense item to the right invoice",
    )  # fmt: skip


def other_portfolio(lease: str, found: str, portfolio: str) -> Finding:
    return Finding(
        "LEASE_OTHER_PORTFOLIO", "lease", f"lease {lease} of portfolio {found}", f"a lease of portfolio {portfolio}",
        "clear the suspense item against CLEARING, and post a payment without cash (account CLR) in that portfolio",
    )  # fmt: skip


def batch_exists(batch: str) -> Finding:
    return Finding(
        "BATCH_EXISTS", "batch", f"batch {batch} posted before", "a batch number that was never used",
        "find out whether the payment came twice, then apply or pay out the suspense item",
    )  # fmt: skip


def batch_differs(batch: str) -> Finding:
    return Finding(
        "BATCH_DIFFERS", "batch", f"batch {batch} with another check, account or effective date than its first line",
        "one of each in a batch", "apply the suspense item by hand",
    )  # fmt: skip


def lease_status(lease: str, status: str) -> Finding:
    return Finding(
        "LEASE_STATUS", "lease", f"lease {lease} with status {status}", "a status that takes payments",
        "clear the status or decide on the suspense item",
    )  # fmt: skip


def account_unknown(account: str, used: str) -> Finding:
    return Finding(
        "ACCOUNT_UNKNOWN", "account", f"account {account} which the office's chart lacks",
        "a cash account of the office", f"move the money from account {used} and apply the suspense item",
    )  # fmt: skip


def due_date_not_open(lease: str, due_date: str) -> Finding:
    return Finding(
        "DUE_DATE_NOT_OPEN", "due_date", f"no open invoice of lease {lease} due {due_date}", "one due that day",
        "apply the suspense item to another invoice",
    )  # fmt: skip


def no_open_invoice(lease: str) -> Finding:
    return Finding(
        "NO_OPEN_INVOICE", "lease", f"no open invoice of lease {lease}", "one to pay",
        "apply the suspense item when the lease is billed, or pay it out",
    )  # fmt: skip


def money_left(lease: str, rest_cents: int) -> Finding:
    return Finding(
        "MONEY_LEFT", "amount", f"{shown(rest_cents)} more than all open invoices of lease {lease}",
        "no more than they come to", "apply the suspense item when the lease is billed, or pay it out",
    )  # fmt: skip


def over_normal(amount_cents: int, times: int, normal_cents: int) -> Finding:
    return Finding(
        "OVER_NORMAL", "amount", f"a payment of {shown(amount_cents)}",
        f"at most {times} times the normal payment of {shown(normal_cents)}",
        "check the amount with the sender, it was posted as received",
    )  # fmt: skip
