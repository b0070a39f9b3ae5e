"""What a large file's report and archive say of lines that did not all post: the drafts, of plain values."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy import Connection

from gateway.updates.assess_draft import AssessDraft
from gateway.updates.base import Draft
from gateway.updates.escrow_report import EscrowDraft
from gateway.updates.payment_draft import PaymentDraft
from gateway.updates.reversal_draft import ReversalDraft

NONE = cast("Connection", None)  # what became of records is said without asking the ledger


def records(*lines: int, columns: int) -> list[tuple[Any, ...]]:
    """Records of these lines; every other column says which line it is of."""
    return [tuple(lines), *[tuple(f"c{n} of {line}" for line in lines) for n in range(2, columns + 1)]]


def columns(*rows: tuple[Any, ...], width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def payment(line: int, entry: int, item: int | None = None) -> tuple[Any, ...]:
    return line, entry, 1, "L", None, "PYMT", "C", "B", 100, "I", item, None


def escrow(line: int, payable: int) -> tuple[Any, ...]:
    return line, 1, payable, 100, 9


BY_LEASE = {"c2 of 1": (3, "I1"), "c2 of 2": (4, None)}
"""Office and next invoice of the leases of the records."""


@pytest.mark.parametrize(
    ("draft", "told", "more", "outcomes"),
    [
        (PaymentDraft(NONE, 1), columns(payment(1, 11), payment(2, 12), width=12), (), [("posted", [11]), ("posted", [12])]),
        (PaymentDraft(NONE, 1), columns(payment(1, 11), payment(2, 12, 7), width=12), (), [("posted", [11]), ("suspended", [12])]),
        (
            PaymentDraft(NONE, 1), columns(payment(2, 12), payment(2, 12), payment(2, 13, 7), width=12), (),
            [("rejected", []), ("suspended", [12, 13])],
        ),
        (PaymentDraft(NONE, 1), columns(width=12), (), [("rejected", []), ("rejected", [])]),
        (EscrowDraft(NONE), columns(escrow(1, 5), escrow(2, 5), width=5), (10,), [("posted", [11]), ("posted", [12])]),
        # a line that two charges paid, and one that was refused: as many as records, and not the same lines
        (EscrowDraft(NONE), columns(escrow(2, 5), escrow(2, 6), width=5), (10,), [("rejected", []), ("posted", [12])]),
        (EscrowDraft(NONE), columns(escrow(1, 5), escrow(1, 6), width=5), (10, None), [("posted", [11]), ("rejected", [])]),
        (EscrowDraft(NONE), columns(width=5), (None,), [("rejected", []), ("rejected", [])]),
        (AssessDraft(NONE, 1), columns((1, 1, "I", "L"), (2, 1, "I", "L"), width=4), ((10, {}, []),), [("posted", [11]), ("posted", [12])]),
        (AssessDraft(NONE, 1), columns((2, 1, "I", "L"), width=4), ((10, {}, []),), [("rejected", []), ("posted", [12])]),
        (AssessDraft(NONE, 1), ([1, 2], (), (), ()), ((10, BY_LEASE, []),), [("posted", [11]), ("posted", [12])]),
        (AssessDraft(NONE, 1), ([2], (), (), ()), ((10, BY_LEASE, []),), [("rejected", []), ("posted", [12])]),
        (ReversalDraft(NONE), columns((2, "suspended", [12, 13]), width=3), (), [("rejected", []), ("suspended", [12, 13])]),
    ],
)  # fmt: skip
def test_what_became_of_two_lines(draft: Draft, told: Any, more: Any, outcomes: list[tuple[str, list[int]]]) -> None:
    wide = 14 if isinstance(draft, EscrowDraft) else 9
    found = draft.follow(records(1, 2, columns=wide), told, more)
    assert list(zip(found.outcomes, map(list, found.entry_ids), strict=True)) == outcomes


def test_report_b_is_of_the_lines_that_posted() -> None:
    told = columns(escrow(2, 5), escrow(2, 6), width=5)
    ((offices, leases, _, payables, *_),) = EscrowDraft(NONE).follow(records(1, 2, columns=14), told, (10,)).parts
    assert (list(offices), list(leases), list(payables)) == ([1, 1], ["c2 of 2", "c2 of 2"], [5, 6])
    told = columns((2, 3, "I", "by asset"), width=4)
    ((offices, named, *_),) = AssessDraft(NONE, 1).follow(records(1, 2, columns=9), told, ((10, {}, []),)).parts
    assert (list(offices), list(named)) == ([3], ["c2 of 2"])


def test_what_follows_from_the_lease_is_told_once() -> None:
    """An invoice that was made for a lease is the one that every later line of it went to."""
    draft = AssessDraft(NONE, 1)
    told = ([1, 2], (), (), ())
    ((offices, named, _, _, _, invoices),) = draft.follow(
        records(1, 2, columns=9), told, ((10, BY_LEASE, [("c2 of 2", "2026-04-01", "I9")]),)
    ).parts
    assert (offices, list(named), invoices) == ((3, 4), ["c2 of 1", "c2 of 2"], ("I1", "I9"))
    ((offices, _, _, _, _, invoices),) = draft.follow(records(2, columns=9), ([2], (), (), ()), ()).parts
    assert (offices, invoices) == ((4,), ("I9",))
