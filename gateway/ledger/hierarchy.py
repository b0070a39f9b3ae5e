"""The payment hierarchy: in which order money pays the charges of one invoice.

First charges with priority Y in payment order, then charges with priority N in payment order, then charges of
order 0 in invoice order. Payment orders of a portfolio's charges run from 1 without a gap and without a repeat,
whatever their priority; anything else is a mistake in the configuration. Which invoice comes first (the oldest due)
is the caller's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenCharge:
    """A charge line of an invoice with money open. ``position`` is its place on the invoice, from 1."""

    charge: str
    asset: str
    position: int
    open_cents: int
    payment_order: int
    priority: str


def rank(payment_order: int, priority: str, position: int) -> tuple[int, int]:
    """Sort key of a charge line within its invoice.

    >>> sorted([("LTCH", 1, "Y", 3), ("PYMT", 0, "N", 1), ("INTR", 2, "N", 2)], key=lambda c: rank(c[1], c[2], c[3]))
    [('LTCH', 1, 'Y', 3), ('INTR', 2, 'N', 2), ('PYMT', 0, 'N', 1)]
    """
    if payment_order == 0:
        return 2, position
    return (0 if priority == "Y" else 1), payment_order


def in_order(charges: Iterable[OpenCharge]) -> list[OpenCharge]:
    """The charge lines of one invoice in the order in which money pays them."""
    return sorted(charges, key=lambda c: (rank(c.payment_order, c.priority, c.position), c.position))


def allocate(charges: Iterable[OpenCharge], cents: int) -> tuple[list[tuple[OpenCharge, int]], int]:
    """Spread ``cents`` over the charge lines of one invoice; gives (line, cents) pairs and what is left over."""
    parts = []
    for line in in_order(charges):
        part = min(cents, line.open_cents)
        if part > 0:
            parts.append((line, part))
            cents -= part
    return parts, cents


def order_problem(orders: Mapping[str, int]) -> tuple[str, str] | None:
    """(found, expected) of what is wrong with a portfolio's payment orders (by charge code), or None.

    >>> order_problem({"PYMT": 1, "LTCH": 3, "LEGF": 0})
    ('payment orders PYMT 1, LTCH 3', '1 to 2, each once; 2 is missing')
    >>> order_problem({"PYMT": 1, "LTCH": 1})
    ('payment orders LTCH 1, PYMT 1', '1 to 2, each once; 1 is repeated, 2 is missing')
    """
    numbered = sorted((order, code) for code, order in orders.items() if order)
    counts = Counter(order for order, _ in numbered)
    wanted = range(1, len(numbered) + 1)
    if sorted(counts) == list(wanted):
        return None
    wrong = [f"{order} is repeated" for order, times in sorted(counts.items()) if times > 1]
    wrong += [f"{order} is missing" for order in wanted if order not in counts]
    found = ", ".join(f"{code} {order}" for order, code in numbered)
    return f"payment orders {found}", f"1 to {len(numbered)}, each once; {', '.join(wrong)}"
