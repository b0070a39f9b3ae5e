"""What taking a posted file back shares, whatever its kind: the step, escrow balances, suspense items."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import Connection, text

from gateway.errors import Refused
from gateway.intake.files import InboundFile
from gateway.ledger import payments, suspense
from gateway.ledger.database import Database

DEFERRAL_FEE = "DEF FEE"

LINES = (
    "SELECT p.batch, p.line, p.lease, p.invoice, p.charge, p.asset, p.amount_cents, p.suspense_item, p.state, p.entry_id, "
    "b.state, b.exported_in, p.reversed_by FROM payment_line p JOIN payment_batch b ON b.batch = p.batch "
)


@dataclass(frozen=True, slots=True)
class Undo:
    """One unit of the file being taken back. ``move`` added to one of its entry ids gives the mirror's."""

    db: Database
    connection: Connection
    file: InboundFile
    portfolio: str
    low: int
    high: int
    move: int
    business_date: str
    operator: str

    @property
    def mark(self) -> str:
        """What is put behind a number that the file used, so that the corrected file may use it."""
        return f"~{self.file.file_id}"

    @property
    def range(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}

    def rows(self, statement: str, **values: Any) -> list[Any]:
        return list(self.connection.execute(text(statement), {**self.range, **values}).all())

    def run(self, statement: str, **values: Any) -> int:
        return int(self.connection.execute(text(statement), {**self.range, **values}).rowcount)

    def stop(self, what: str, found: str) -> NoReturn:
        raise Refused(
            f"reversing file {self.file.file_id} ({self.file.name}): found {what} {found}, expected its money where the "
            "file put it; undo what followed first, or correct by hand"
        )


def change_escrow(step: Undo, changes: dict[payments.EscrowKey, int]) -> None:
    """Move escrow balances; one that would go below zero has been disbursed."""
    if not changes:
        return
    now = payments.escrow_balances(step.db, step.connection, {lease for lease, _ in changes})
    for key, cents in sorted(changes.items()):
        if cents < 0 and now.get(key, 0) + cents < 0:
            step.stop(f"the escrow balance of lease {key[0]}, charge {key[1]},", "disbursed since")
    payments.change_escrow(step.db, step.connection, changes)


def escrow_charges(step: Undo) -> set[str]:
    """Charges whose payable, and so whose balance, a payment raises: escrow on cash basis."""
    rows = step.rows(
        "SELECT code FROM charge WHERE portfolio = :portfolio AND type = 'E' AND basis = 'C'", portfolio=step.portfolio
    )
    return {str(row[0]) for row in rows}


def close_items(step: Undo, *, but: Collection[int] = ()) -> None:
    """Suspense items this file opened, ``but`` for those it closed itself; each must still be whole."""
    opened = step.rows(
        "SELECT item, amount_cents, remaining_cents FROM suspense_item WHERE entry_id BETWEEN :low AND :high ORDER BY item"
    )
    whole: dict[int, int] = {}
    for item, amount, remaining in opened:
        if item in but:
            continue
        if amount != remaining:
            step.stop(f"suspense item {item}", "used since")
        whole[int(item)] = int(amount)
    suspense.reduce(step.db, step.connection, whole, on=step.business_date)
