"""What a chunk of payments writes, and how: one wide row a payment line, from which the database makes the others.

A row of ``payment_part`` holds everything of one payment line, its batch and, where the entry is the plain one of cash
against one receivable, its entry too. Batches, payment lines, entries and their legs are then one statement each: a
third of the time of bringing every row of every table from here (measured). Entries with more legs are entered in the
journal by whoever adds the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, MetaData, Table, text

from gateway.errors import LedgerError
from gateway.ledger import payments, suspense
from gateway.ledger.chart import RENT
from gateway.ledger.payments import OpenLine
from gateway.reports.table import Columns
from gateway.updates.payment_batches import Batch
from gateway.updates.payment_draft import TOLD
from gateway.updates.posting import Posting

_COLUMNS: Final = {
    "entry_id": "BIGINT", "batch": "TEXT", "line": "INTEGER", "is_new": "INTEGER", "check_no": "TEXT",
    "cash_account": "TEXT", "effective_date": "TEXT", "origination": "TEXT", "note": "TEXT", "office_id": "BIGINT",
    "lease": "TEXT", "invoice": "TEXT", "charge": "TEXT", "asset": "TEXT", "cents": "BIGINT", "item": "BIGINT",
    "source_line": "INTEGER", "cash": "BIGINT", "receivable": "BIGINT",
}  # fmt: skip
"""``is_new``: 1 where the batch has no row yet. ``cash``, ``receivable``: the accounts of the plain entry, else NULL."""
_PARTS: Final = Table("payment_part", MetaData(), *map(Column, _COLUMNS))

_ENTRIES: Final = f"""
INSERT INTO journal_entry (entry_id, office_id, lease, invoice, asset, txn, effective_date, source_line)
SELECT entry_id, office_id, lease, invoice, NULLIF(asset, ''), '{RENT}', effective_date,
    CASE WHEN :of_file = 1 THEN source_line END
FROM payment_part WHERE receivable IS NOT NULL
"""
_LEGS: Final = """
INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents)
SELECT p.entry_id, leg.line, CASE leg.line WHEN 1 THEN p.cash ELSE p.receivable END,
    CASE leg.line WHEN 1 THEN 'D' ELSE 'C' END, p.cents
FROM payment_part p CROSS JOIN (SELECT 1 AS line UNION ALL SELECT 2) leg WHERE p.receivable IS NOT NULL
"""
_BATCHES: Final = """
INSERT INTO payment_batch (batch, portfolio, check_no, operator, effective_date, effective_time, cash_account,
    origination, note, amount_cents, state, unit_id, file_id)
SELECT batch, :portfolio, MIN(check_no), :operator, MIN(effective_date), :time, MIN(cash_account), MIN(origination),
    MIN(note), CAST(SUM(cents) AS BIGINT), 'LIVE', CAST(:unit AS BIGINT), CAST(:file AS BIGINT)
FROM payment_part WHERE is_new = 1 GROUP BY batch
"""
_GROWN: Final = """
UPDATE payment_batch SET amount_cents = amount_cents + p.cents
FROM (SELECT batch, CAST(SUM(cents) AS BIGINT) AS cents FROM payment_part WHERE is_new = 0 GROUP BY batch) p
WHERE payment_batch.batch = p.batch
"""
_PAID: Final = """
UPDATE receivable SET paid_cents = paid_cents + p.cents
FROM (SELECT invoice, charge, asset, CAST(SUM(cents) AS BIGINT) AS cents FROM payment_part WHERE charge IS NOT NULL
    GROUP BY invoice, charge, asset) p
WHERE receivable.invoice = p.invoice AND receivable.charge = p.charge AND receivable.asset = p.asset
"""
_LINES: Final = """
INSERT INTO payment_line (batch, line, lease, invoice, charge, asset, amount_cents, state, suspense_item, entry_id,
    source_line)
SELECT batch, line, lease, invoice, charge, asset, cents, 'APPLIED', item, entry_id, source_line FROM payment_part
"""


@dataclass(slots=True)
class PaymentRows:
    """What one chunk writes beside the journal."""

    parts: list[tuple[Any, ...]] = field(default_factory=list)
    due_dates: list[str | None] = field(default_factory=list)  # of the parts' invoices
    items: list[suspense.NewItem] = field(default_factory=list)
    paid: set[payments.LineKey] = field(default_factory=set)
    escrow: dict[payments.EscrowKey, int] = field(default_factory=dict)

    def pay(
        self, entry: int, batch: Batch, office: int, lease: str, line: OpenLine, cents: int, source_line: int,
        cash: int | None, receivable: int | None,
    ) -> None:  # fmt: skip
        """A charge line paid by the entry, which is made of the row where the two accounts are given."""
        batch.lines += 1
        invoice, charge, asset = key = line.invoice, line.charge, line.asset
        check_no, account, effective_date = batch.header
        self.parts.append(
            (entry, batch.batch, batch.lines, 0 if batch.is_stored else 1, check_no, account, effective_date, batch.origination,
             batch.note, office, lease, invoice, charge, asset, cents, None, source_line, cash, receivable)
        )  # fmt: skip
        self.due_dates.append(line.due_date)
        self.paid.add(key)
        if line.terms.is_escrow:
            owed = (lease, charge)
            self.escrow[owed] = self.escrow.get(owed, 0) + cents

    def suspend(self, batch: Batch, item: suspense.NewItem, source_line: int) -> None:
        """Money of the line that opens an item; its entry is in the journal."""
        batch.lines += 1
        self.items.append(item)
        self.due_dates.append(None)
        self.parts.append(
            (item.entry_id, batch.batch, batch.lines, 0 if batch.is_stored else 1, *batch.header, batch.origination,
             batch.note, item.office_id, item.lease, None, None, "", item.amount_cents, item.item, source_line, None, None)
        )  # fmt: skip

    def told(self) -> Columns:
        """For whoever follows: the columns of ``payment_draft``."""
        columns = dict(zip(_COLUMNS, zip(*self.parts, strict=True), strict=True))
        return [*map(columns.__getitem__, TOLD), self.due_dates]

    def write(self, posting: Posting) -> None:
        """Write all of it; what is in the journal must be flushed."""
        db, connection, unit = posting.db, posting.connection, posting.unit
        db.scratch(connection, _PARTS.name, ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items()))
        db.bulk_insert(connection, _PARTS, tuple(_COLUMNS), self.parts)
        db.analyze(connection, _PARTS.name)
        connection.execute(text(_ENTRIES), {"of_file": int(posting.file_id is not None)})
        connection.execute(text(_LEGS))
        connection.execute(
            text(_BATCHES),
            {
                "portfolio": unit.portfolio, "operator": posting.operator, "time": posting.posted_at[11:19],
                "unit": unit.unit_id, "file": posting.file_id,
            },
        )  # fmt: skip
        connection.execute(text(_GROWN))
        suspense.open_items(db, connection, self.items)
        connection.execute(text(_LINES))
        changed = connection.execute(text(_PAID)).rowcount
        if changed != len(self.paid):
            raise LedgerError(f"paying {len(self.paid)} charge lines: found {changed} of them, expected all")
        payments.change_escrow(db, connection, self.escrow)
