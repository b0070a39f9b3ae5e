"""How batches that reversals touched are shown: by ``gateway check`` before it happens, by ``payment reverse`` after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.money import from_cents, shown
from gateway.updates.reversal_moves import Touched, spelled


def moves_document(moves: Iterable[Touched]) -> list[dict[str, Any]]:
    return [
        {
            "line": one.source_line, "batch": one.batch, "check": one.check_no, "lease": one.lease,
            "lessee": one.lessee, "reason": one.reason, "action": "reversed" if one.is_named else "re-applied",
            "amount": from_cents(one.old_cents), "old": _amounts(one.old), "new": _amounts(one.new),
        }
        for one in moves
    ]  # fmt: skip


def open_document(left: Sequence[tuple[str, str, str, int]]) -> list[dict[str, Any]]:
    return [
        {"lease": lease, "invoice": invoice, "due_date": due, "open": from_cents(cents)}
        for lease, invoice, due, cents in left
    ]


def moves_page(moves: Iterable[Touched], left: Sequence[tuple[str, str, str, int]], *, would: bool) -> Iterator[str]:
    """A line a batch, then one an invoice that is open now."""
    verb = "would be " if would else ""
    for one in moves:
        line = "" if one.source_line is None else f"line {one.source_line}: "
        check = f", check {one.check_no}" if one.check_no else ""
        lease = f", lease {one.lease}" if one.lease else ""
        if one.is_named:
            yield f"  {line}batch {one.batch}{check}{lease} {verb}reversed: {spelled(one.old)}"
        else:
            yield f"  {line}batch {one.batch}{check}{lease} {verb}re-applied: {spelled(one.old)} -> {spelled(one.new)}"
    for lease, invoice, due, cents in left:
        yield f"  {'would be left' if would else 'left'} open: lease {lease}, invoice {invoice} due {due}, {shown(cents)}"


def _amounts(amounts: Mapping[str, int]) -> list[dict[str, str]]:
    return [{"invoice": place, "amount": from_cents(cents)} for place, cents in amounts.items()]
