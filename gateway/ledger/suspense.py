"""Suspense: money that could not be placed, as numbered items that stay until someone clears them.

Two kinds. ``SUSPENSE`` holds money that came in (credit of SUSPENSE); ``REVERSAL`` holds money that went out by a
reversal that could not be matched (debit of REVERSAL SUSPENSE). The remainder of all open items of an office and
kind is the balance of that account. An item is opened with the entry that posts it. What people do with it afterwards
is its history: ``suspense_history``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.errors import LedgerError
from gateway.ledger import schema
from gateway.ledger.database import Database

Kind = Literal["SUSPENSE", "REVERSAL"]


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to open. ``lease`` and ``invoice`` as received, even when they name nothing we know."""

    item: int  # from ``reserve``
    office_id: int
    portfolio: str
    kind: Kind
    lease: str | None
    invoice: str | None
    amount_cents: int
    reason: str  # the code of the message that says why, or the reason of the reversal
    batch: str | None
    check_no: str | None
    opened_on: str
    unit_id: int
    entry_id: int
    file_id: int | None
    line_no: int | None


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it stands. ``entry_id`` posted it as it stands: the first one, or that of its last change."""

    item: int
    portfolio: str
    office_id: int
    kind: Kind
    lease: str | None
    invoice: str | None
    amount_cents: int
    remaining_cents: int
    reason: str
    batch: str | None
    check_no: str | None
    opened_on: str
    closed_on: str | None
    entry_id: int
    file_id: int | None
    line_no: int | None


_NEW = tuple(f.name for f in fields(NewItem))
_SHOWN = tuple(f.name for f in fields(Item))
_TAKEN = Table("suspense_taken", MetaData(), Column("item"), Column("cents"))


def reserve(db: Database, connection: Connection, count: int) -> list[int]:
    """Numbers for items about to be opened, so that messages and payment lines can name them."""
    return db.reserve_ids(connection, "suspense_item", "item", count)


def open_items(db: Database, connection: Connection, items: Sequence[NewItem]) -> None:
    """Bring new items in; their entries must have been flushed."""
    amount = _NEW.index("amount_cents")
    rows = [(*values, values[amount]) for values in map(astuple, items)]
    db.bulk_insert(connection, schema.suspense_item, (*_NEW, "remaining_cents"), rows)


def reduce(db: Database, connection: Connection, taken: Mapping[int, int], *, on: str) -> None:
    """Take ``{item: cents}`` from the remainders; an item that reaches zero closes ``on`` that business date. Cents below
    zero are given back, and open the item again.

    The database refuses a remainder below zero or above the amount. Raises LedgerError for an item that does not exist.
    """
    if not taken:
        return
    db.scratch(connection, _TAKEN.name, "item BIGINT PRIMARY KEY, cents BIGINT NOT NULL")
    db.bulk_insert(connection, _TAKEN, ("item", "cents"), taken.items())
    changed = connection.execute(
        text(
            "UPDATE suspense_item SET remaining_cents = suspense_item.remaining_cents - t.cents, "
            "closed_on = CASE WHEN suspense_item.remaining_cents = t.cents THEN :on END "
            "FROM suspense_taken t WHERE suspense_item.item = t.item"
        ),
        {"on": on},
    ).rowcount
    if changed != len(taken):
        raise LedgerError(f"taking from suspense items {sorted(taken)}: found {changed} of them, expected all")


def find(connection: Connection, number: int) -> Item | None:
    """The item of that number as it stands."""
    row = connection.execute(
        text(f"SELECT {', '.join(_SHOWN)} FROM suspense_item WHERE item = :item"), {"item": number}
    ).one_or_none()
    return None if row is None else Item(*row)


def change(
    connection: Connection,
    number: int,
    *,
    office_id: int,
    lease: str | None,
    check_no: str | None,
    amount_cents: int,
    entry_id: int,
) -> None:
    """Give an unspent item other particulars, and the entry that posts them."""
    connection.execute(
        text(
            "UPDATE suspense_item SET office_id = :office, lease = :lease, check_no = :check_no, amount_cents = :cents, "
            "remaining_cents = :cents, entry_id = :entry WHERE item = :item"
        ),
        {
            "item": number, "office": office_id, "lease": lease, "check_no": check_no, "cents": amount_cents,
            "entry": entry_id,
        },
    )  # fmt: skip
