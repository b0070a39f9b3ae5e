"""Posts payment records into one unit: gathers the facts of a chunk, decides its records, writes what follows.

Postings, one entry for each record and invoice, in the lease's office, on the record's effective date::

    D cash account of the record (CLR: CLEARING)   C the receivable of each charge paid
    and for cash basis charges
    D ASSESSED FEES                                C ASSMT INC/PAY - x
    what cannot be applied, an entry of its own
    D cash account                                 C SUSPENSE        (default office where no lease is known)

A payment line of the batch is written for each charge paid, and one for what went to suspense. Records are decided
one after the other, in memory; the next chunk reads what this one wrote. Codes and words: ``payment_messages``. Rules:
``payment_rules``. Batches: ``payment_batches``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import text

from gateway.errors import LedgerError
from gateway.ledger import payments, schema, suspense
from gateway.ledger.accounts import default_office
from gateway.ledger.chart import RENT, SUSPENSE
from gateway.ledger.units import Leg
from gateway.updates.base import Outcome
from gateway.updates.payment_batches import Batches, Stored, numbers
from gateway.updates.payment_journal import Journal, payment_legs
from gateway.updates.payment_rules import Book, Decision, Record, decide
from gateway.updates.posting import Posting

SUSPENDED = "SUSP"
"""Transaction code of entries into suspense; those that pay carry PYMT."""

BATCH_COLUMNS = (
    "batch", "portfolio", "check_no", "operator", "effective_date", "effective_time", "cash_account", "origination",
    "note", "amount_cents", "state", "unit_id", "file_id",
)  # fmt: skip
LINE_COLUMNS = (
    "batch", "line", "lease", "invoice", "charge", "asset", "amount_cents", "state", "suspense_item", "entry_id",
    "source_line",
)  # fmt: skip


@dataclass(slots=True)
class _Rows:
    """What one chunk writes beside the journal."""

    lines: list[tuple[Any, ...]] = field(default_factory=list)
    items: list[suspense.NewItem] = field(default_factory=list)
    paid: dict[payments.LineKey, int] = field(default_factory=dict)
    escrow: dict[payments.EscrowKey, int] = field(default_factory=dict)


@dataclass(slots=True)
class PaymentRun:
    """Records being posted into one unit, chunk by chunk."""

    posting: Posting
    journal: Journal
    accounts: payments.Accounts
    charges: dict[str, payments.Charge]
    default_office: int
    batches: Batches

    @classmethod
    def start(cls, posting: Posting) -> PaymentRun:
        """Hold the batch numbers until the transaction ends, and read what is the same for all records."""
        connection, settings, unit = posting.connection, posting.settings, posting.unit
        payments.hold_batch_numbers(posting.db, connection)
        batch_numbers = numbers(
            connection, file_id=posting.file_id, entry_date=unit.business_date,
            first_session=settings.reversals.first_session,
        )  # fmt: skip
        return cls(
            posting,
            Journal(unit),
            payments.load_accounts(connection, unit.portfolio),
            payments.load_charges(connection, unit.portfolio),
            default_office(connection, unit.portfolio, settings.default_office),
            Batches(batch_numbers),
        )

    def post(self, records: Sequence[Record], outcome: Outcome) -> list[Decision]:
        """Gather the facts of a chunk, decide its records, write what follows; gives what became of each."""
        with payments.no_collection():
            return self._post(records, outcome)

    def _post(self, records: Sequence[Record], outcome: Outcome) -> list[Decision]:
        book = self._book(records)
        self.batches.stored = self._stored(records)
        decisions = [decide(record, book, self.batches) for record in records]
        suspended = sum(1 for decision in decisions if decision.suspended_cents)
        items = iter(suspense.reserve(self.posting.db, self.posting.connection, suspended))
        rows = _Rows()
        for decision in decisions:
            self._enter(decision, rows)
            if decision.suspended_cents:
                self._suspend(decision, next(items), rows)
            cents = decision.record.amount_cents - decision.suspended_cents
            outcome.posted_cents += cents
            outcome.suspended_cents += decision.suspended_cents
            outcome.posted += not decision.suspended_cents
            outcome.suspended += bool(decision.suspended_cents)
            if decision.warning is not None:
                self.posting.emit(
                    decision.record.line_no, "W", decision.warning, amount_cents=decision.record.amount_cents
                )
        self._write(rows)
        return decisions

    def _book(self, records: Sequence[Record]) -> Book:
        db, connection = self.posting.db, self.posting.connection
        invoices = payments.load_invoices(db, connection, {r.target for r in records if r.target_kind == "I"})
        names = {r.target for r in records if r.target_kind == "L"}
        leases = payments.load_leases(
            db, connection, names | {invoice.lease for invoice in invoices.values()},
            accounts=self.accounts, charges=self.charges,
        )  # fmt: skip
        return Book(
            portfolio=self.posting.unit.portfolio,
            business_date=self.posting.unit.business_date,
            default_office=self.default_office,
            accounts=self.accounts,
            rules=self.posting.settings.payments,
            leases=leases,
            invoices=invoices,
            near=payments.near_leases(db, connection, names - leases.keys()),
        )

    def _stored(self, records: Sequence[Record]) -> dict[str, Stored]:
        """The given batch numbers of a chunk that the ledger knows already."""
        given = {r.batch for r in records if r.batch is not None}
        if not given:
            return {}
        payments.touch(self.posting.db, self.posting.connection, given)
        rows = self.posting.connection.execute(
            text(
                "SELECT b.batch, b.file_id, b.check_no, b.cash_account, b.effective_date, "
                "(SELECT MAX(p.line) FROM payment_line p WHERE p.batch = b.batch) "
                "FROM touched t JOIN payment_batch b ON b.batch = t.name"
            )
        )
        own = self.posting.file_id  # a person's payment is one chunk, which finds nothing of its own
        return {
            batch: Stored(own is not None and file_id == own, (*header,), lines)
            for batch, file_id, *header, lines in rows
        }

    def _enter(self, decision: Decision, rows: _Rows) -> None:
        """The entries of what was applied: one an invoice."""
        if len(decision.applied) == 1:
            self._pay(decision, decision.applied, rows)
            return
        for _, parts in groupby(decision.applied, key=lambda pair: pair[0].invoice):
            self._pay(decision, list(parts), rows)

    def _pay(self, decision: Decision, parts: list[tuple[payments.OpenLine, int]], rows: _Rows) -> None:
        record, batch, lease, one = decision.record, decision.batch, decision.lease, parts[0][0]
        entry = self.journal.enter(
            decision.office_id, RENT, batch.header[2], record.line_no, payment_legs(decision.cash, parts), lease, one.invoice,
            one.asset or None if len(parts) == 1 else None,
        )  # fmt: skip
        for line, cents in parts:
            batch.lines += 1
            rows.lines.append(
                (
                    batch.batch, batch.lines, lease, line.invoice, line.charge, line.asset, cents, "APPLIED", None, entry,
                    record.line_no,
                )
            )  # fmt: skip
            key = (line.invoice, line.charge, line.asset)
            rows.paid[key] = rows.paid.get(key, 0) + cents
            if line.terms.is_escrow and lease is not None:
                owed = (lease, line.charge)
                rows.escrow[owed] = rows.escrow.get(owed, 0) + cents

    def _suspend(self, decision: Decision, item: int, rows: _Rows) -> None:
        """The entry, payment line, item and message of what was not applied."""
        record, batch, why = decision.record, decision.batch, decision.why
        if why is None:
            raise LedgerError(f"suspending line {record.line_no}: found no reason, expected one")
        cents = decision.suspended_cents
        invoice = record.target if record.target_kind == "I" else None
        legs: tuple[Leg, Leg] = (
            (decision.cash, "D", cents),
            (self.accounts.need(decision.office_id, SUSPENSE), "C", cents),
        )
        entry = self.journal.enter(
            decision.office_id,
            SUSPENDED,
            batch.header[2],
            record.line_no,
            legs,
            decision.lease,
            invoice,
            reason=why.code,
        )
        batch.lines += 1
        rows.lines.append(
            (
                batch.batch, batch.lines, decision.lease, None, None, "", cents, "APPLIED", item, entry,
                record.line_no,
            )
        )  # fmt: skip
        rows.items.append(
            suspense.NewItem(
                item, decision.office_id, self.posting.unit.portfolio, "SUSPENSE", decision.lease, invoice, cents, why.code,
                batch.batch, record.check_no, self.posting.unit.business_date, self.posting.unit.unit_id, entry,
                self.posting.file_id, record.line_no,
            )
        )  # fmt: skip
        self.posting.emit(record.line_no, "S", why, amount_cents=cents, item=item)

    def _write(self, rows: _Rows) -> None:
        db, connection = self.posting.db, self.posting.connection
        self.journal.flush()
        touched = list(self.batches.touched.values())
        time = self.posting.posted_at[11:19]
        fresh = (
            (
                b.batch, self.posting.unit.portfolio, b.header[0], self.posting.operator, b.header[2], time, b.header[1],
                b.origination, b.note, b.amount_cents, "LIVE", self.posting.unit.unit_id, self.posting.file_id,
            )
            for b in touched
            if not b.is_stored
        )  # fmt: skip
        db.bulk_insert(connection, schema.payment_batch, BATCH_COLUMNS, fresh)
        grown = [{"batch": b.batch, "cents": b.amount_cents} for b in touched if b.is_stored]
        if grown:
            connection.execute(
                text("UPDATE payment_batch SET amount_cents = amount_cents + :cents WHERE batch = :batch"), grown
            )
        suspense.open_items(db, connection, rows.items)
        db.bulk_insert(connection, schema.payment_line, LINE_COLUMNS, rows.lines)
        payments.change_paid(db, connection, rows.paid)
        payments.change_escrow(db, connection, rows.escrow)
        self.batches.chunk_written()
