"""Every message of Batch Payment Reversal (U0470).

S: a look-up or comparison failed, the money is in Reversal Suspense. R: refused, no item. W: reversed, with a word.
"""

from __future__ import annotations

from gateway.money import shown
from gateway.updates.payment_messages import Finding

_AGAIN = "send the reversal again with the right {} and have the reversal suspense item cleared"


def _do(otherwise: str, in_batch: str | None) -> str:
    """``in_batch``: the live batch that was sent for just that, and has its money in suspense. No record of a file takes it
    back: its own lease fails each time, and any other is not in the batch."""
    if in_batch is None:
        return otherwise
    return (
        f"batch {in_batch} was sent for just that: reverse it by hand (`gateway payment reverse {in_batch} --reason CODE`) and have "
        "the reversal suspense item cleared"
    )


def lease_unknown(lease: str, portfolio: str, near: str | None, in_batch: str | None) -> Finding:
    found = f"lease {lease}" if near is None else f"lease {lease}, near lease {near} which exists"
    return Finding(
        "LEASE_UNKNOWN", "lease", found, f"a lease of portfolio {portfolio}", _do(_AGAIN.format("lease"), in_batch)
    )


def invoice_unknown(invoice: str, portfolio: str, in_batch: str | None) -> Finding:
    return Finding(
        "INVOICE_UNKNOWN", "invoice", f"invoice {invoice}", f"an invoice of portfolio {portfolio}",
        _do(_AGAIN.format("invoice"), in_batch),
    )  # fmt: skip


def other_portfolio(lease: str, found: str, portfolio: str, in_batch: str | None) -> Finding:
    elsewhere = f"send the reversal in a file of portfolio {found} and have the reversal suspense item cleared"
    return Finding(
        "LEASE_OTHER_PORTFOLIO", "lease", f"lease {lease} of portfolio {found}", f"a lease of portfolio {portfolio}",
        _do(elsewhere, in_batch),
    )  # fmt: skip


def batch_unknown(batch: str, portfolio: str) -> Finding:
    return Finding(
        "BATCH_UNKNOWN", "batch", f"batch {batch}", f"a payment batch of portfolio {portfolio}", _AGAIN.format("batch")
    )


def batch_reversed(batch: str) -> Finding:
    return Finding(
        "BATCH_REVERSED",
        "batch",
        f"batch {batch} reversed before",
        "a live batch",
        "nothing is to be done, unless the batch number is wrong, or the bank took back now what a reversal of family T had "
        "left: then clear that suspense item against the bank's cash account",
    )


def not_in_batch(named: str, target: str, batch: str) -> Finding:
    return Finding(
        "NOT_IN_BATCH", named, f"{named} {target}", f"one that batch {batch} pays", _AGAIN.format(f"{named} or batch")
    )


def suspense_spent(batch: str, item: int, spent_cents: int) -> Finding:
    return Finding(
        "SUSPENSE_SPENT", "batch", f"{shown(spent_cents)} of suspense item {item} of batch {batch} spent since",
        "an unspent item", f"take its steps back (gateway suspense undo {item} --move N --reason WHY), then send the reversal again",
    )  # fmt: skip


def amount_differs(amount_cents: int, total_cents: int, batch: str) -> Finding:
    return Finding(
        "AMOUNT_DIFFERS", "amount", shown(amount_cents), f"{shown(total_cents)}, all of batch {batch}",
        _AGAIN.format("amount"),
    )  # fmt: skip


def check_differs(check: str, known: str | None, batch: str) -> Finding:
    expected = f"check {known} of batch {batch}" if known else f"none, batch {batch} has no check"
    return Finding("CHECK_DIFFERS", "check_no", f"check {check}", expected, _AGAIN.format("check"))


def bank_unknown(bank: str) -> Finding:
    return Finding(
        "BANK_UNKNOWN", "bank", f"bank {bank}", "a cash account 125 to 144 of the office's chart", _AGAIN.format("bank")
    )


def bank_not_used(bank: str, batch: str, why: str) -> Finding:
    return Finding(
        "BANK_NOT_USED", "bank", f"bank {bank} for batch {batch}, {why}", "a bank only where cash goes back",
        "nothing, no money was taken from that bank; if it did leave there, add it to Reversal Suspense",
    )  # fmt: skip


def multiple_leases(batch: str) -> Finding:
    return Finding(
        "MULTIPLE_LEASE_BATCH", "batch", f"several leases in batch {batch}", "one",
        "nothing, it alone was reversed (No reversal and reapply for multiple lease batch)",
    )  # fmt: skip


def target_required(batch: str, cents: int) -> Finding:
    return Finding(
        "TARGET_REQUIRED", "batch", f"{shown(cents)} of batch {batch} without a target", "one for all of it",
        "place the suspense item where the money belongs",
    )  # fmt: skip


def escrow_negative(lease: str, charge: str, balance_cents: int) -> Finding:
    return Finding(
        "ESCROW_NEGATIVE", "lease", f"escrow {charge} of lease {lease} at {shown(balance_cents)} after the reversal",
        "nothing disbursed of a payment that came back", "collect the difference from the lessee",
    )  # fmt: skip


def reapplied_money_left(batch: str, lease: str, cents: int) -> Finding:
    return Finding(
        "REAPPLIED_MONEY_LEFT", "batch",
        f"{shown(cents)} of batch {batch} more than all open invoices of lease {lease} when it was re-applied",
        "no more than they come to", "apply the suspense item when the lease is billed, or pay it out",
    )  # fmt: skip


def reapplied_suspense(batch: str, item: int, reason: str, cents: int) -> Finding:
    return Finding(
        "REAPPLIED_SUSPENSE", "batch", f"{shown(cents)} of suspense item {item} ({reason}) re-applied with its batch {batch}",
        "money that a person had placed", "look whether it belongs where the audit report shows it now",
    )  # fmt: skip


def other_office(batch: str, item: int, lease: str, cents: int) -> Finding:
    return Finding(
        "SUSPENSE_OTHER_OFFICE", "batch",
        f"{shown(cents)} of batch {batch} in suspense item {item} of another office than lease {lease}",
        "money of the lease's office", f"it was left there, place it (`gateway suspense apply {item} --lease {lease} --reason WHY`)",
    )  # fmt: skip


def fee_assessed(code: str, amount: str, lease: str, invoice: str) -> Finding:
    return Finding(
        "NSF_FEE_ASSESSED", "lease",
        f"fee {code} of {amount} assessed on invoice {invoice}, because a payment of lease {lease} bounced",
        "a payment that is good", "tell the lessee",
    )  # fmt: skip


def fee_not_assessed(code: str, amount: str, lease: str, why: str, command: str) -> Finding:
    return Finding(
        "NSF_FEE_NOT_ASSESSED", "lease", f"fee {code} of {amount} not assessed on lease {lease}: {why}",
        "a lease, charge and invoice that take it", f"mend that and assess the fee by hand ({command}), or let it be",
    )  # fmt: skip
