"""A suspense item and what was done with it, as JSON and as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.cli.common import (
    money_as_text,
    table,
)
from gateway.ledger import suspense_history, views
from gateway.ledger.suspense import Item
from gateway.ledger.suspense_history import Move, Origin, Taken
from gateway.money import from_cents, shown
from gateway.updates import suspense_rules


def _item(item: Item) -> dict[str, Any]:
    """By the columns of the list; money still in cents."""
    values = (
        item.item, item.kind, item.portfolio, item.lease, item.invoice, item.amount_cents, item.remaining_cents,
        item.reason, item.batch, item.check_no, item.opened_on, item.closed_on,
    )  # fmt: skip
    return dict(zip(views.SUSPENSE.columns, values, strict=True))


def item_document(item: Item) -> dict[str, Any]:
    return _item(item) | {
        "amount": from_cents(item.amount_cents),
        "remaining": from_cents(item.remaining_cents),
        "awaits_target": suspense_rules.awaits_target(item),
    }


def move_document(move: Move) -> dict[str, Any]:
    values = asdict(move)
    return money_as_text({"amount_cents": values.pop("cents"), **values})


def page(item: Item, origin: Origin, history: Sequence[str], legs: Sequence[suspense_history.Leg]) -> Iterator[str]:
    yield headline(item)
    where = f"{origin.portfolio}/{origin.company}/{origin.region}/{origin.office}"
    yield f"  office    {where}, lease {item.lease or '-'}, invoice {item.invoice or '-'}"
    came = f"{origin.file_name} line {origin.line_no}" if origin.file_name else f"by hand: {origin.unit_reason}"
    yield f"  from      {came}, {origin.update_name} on {origin.business_date} by {origin.operator} (unit {origin.unit_id})"
    yield f"  reason    {item.reason}, batch {item.batch or '-'}, check {item.check_no or '-'}"
    if suspense_rules.awaits_target(item):
        yield "  A reversal left it for a target: all of it must be placed, in one step."
    if history:
        yield ""
        yield from (f"  {line}" for line in history)
    yield ""
    width = max((len(str(leg.entry_id)) for leg in legs), default=0)
    for leg in legs:
        side = "debit " if leg.side == "D" else "credit"
        yield (
            f"  entry {leg.entry_id:>{width}} {leg.update_name:<8} {leg.effective_date}: {side} {leg.account:<12} {leg.name:<36} "
            f"{shown(leg.amount_cents):>16}"
        )


def headline(item: Item) -> str:
    kind = "Reversal Suspense" if item.kind == "REVERSAL" else "suspense"
    state = f"{shown(item.remaining_cents)} open" if item.remaining_cents else f"closed on {item.closed_on}"
    return f"{kind} item {item.item}: {shown(item.amount_cents)}, {state}"


def moves_table(
    moves: Sequence[Move], accounts: Mapping[int, str], when: Callable[[str | None], str], taken: Sequence[Taken] = ()
) -> Iterator[str]:
    """Moves and what reversals took, in order of time; the latter have no number, as no one can undo them here."""
    rows: list[tuple[Any, ...]] = [
        (m.number, m.at, m.operator, m.kind, m.cents or None, _where(m, accounts), m.text) for m in moves
    ]
    for one in taken:
        record = f"{one.file_name} line {one.line_no}" if one.file_name else "by hand"
        where = f"batch {one.batch or '-'}, {record}, entry {one.entry_id}"
        rows.append((None, one.at, one.operator, one.kind, one.amount_cents, where, one.reason or ""))
    rows.sort(key=lambda row: str(row[1]))
    rows = [(number, when(at), *rest) for number, at, *rest in rows]
    return table(("move", "at", "by", "what", "amount", "where", "why"), rows, money=("amount",))


def _where(move: Move, accounts: Mapping[int, str]) -> str:
    """Where a move's money went, or came from."""
    parts = [
        f"takes back move {move.undoes}" if move.undoes else None,
        f"invoice {move.invoice} {move.charge}" + (f" asset {move.asset}" if move.asset else "")
        if move.invoice
        else None,
        f"check {move.check_no} of bank {move.bank}" if move.bank else None,
        f"account {accounts[move.account_id]}" if move.account_id is not None else None,
        f"lease {move.lease or '-'}, check {move.check_no or '-'}" if move.kind in ("ADD", "CHANGE") else None,
    ]
    return ", ".join(part for part in parts if part)
