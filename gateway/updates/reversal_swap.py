"""The entries that take others back: every leg swapped, and for family T the money kept in suspense."""

from __future__ import annotations

from typing import NamedTuple

from gateway.ledger.chart import SUSPENSE
from gateway.ledger.units import Leg
from gateway.updates.reversal_facts import Entry, Facts, swapped
from gateway.updates.reversal_rules import TRANSFER, Reverse


class Swap(NamedTuple):
    """An entry swapped, how much of its money stays in suspense, and the legs with those of SUSPENSE made one: none
    where the money was in suspense already."""

    entry: Entry
    legs: list[Leg]
    net: list[Leg]
    kept: int


def live_legs(entry: Entry, cents: int | None) -> list[Leg]:
    """The legs of an entry; of one of suspense, with as many cents as still stand for its line."""
    return entry.legs if cents is None else [(account, side, cents) for account, side, _ in entry.legs]


def swap_of(entry: Entry, unspent: int | None, decision: Reverse, facts: Facts) -> Swap:
    legs: list[Leg] = []
    kept = 0
    waits: int | None = None
    for account, side, cents in live_legs(entry, unspent):
        if decision.family == TRANSFER and side == "D" and (account in facts.cash or account in facts.clearing):
            account = waits = facts.accounts.need(entry.office_id, SUSPENSE)
            kept += cents
        elif account in facts.cash:
            account = decision.cash.get(entry.office_id, account)
        legs.append((account, swapped(side), cents))
    return Swap(entry, legs, _netted(legs, waits), kept)


def _netted(legs: list[Leg], account: int | None) -> list[Leg]:
    """The legs with those of the account as one, on the side that is left."""
    rest = [leg for leg in legs if leg[0] != account]
    if len(legs) - len(rest) < 2 or account is None:
        return legs
    credit = sum(cents if side == "C" else -cents for other, side, cents in legs if other == account)
    return rest if credit == 0 else [*rest, (account, "C" if credit > 0 else "D", abs(credit))]


def moves_nothing(swap: Swap) -> bool:
    """The first entry of the lease's batch that moves something then stands for this one too."""
    return not swap.net
