"""U0415, Batch Payments: applies received money to invoices by the payment hierarchy, and makes the batches.

Postings, one entry for each line and invoice, in the lease's office, on the line's effective date::

    D cash account of the line (CLR: CLEARING)     C the receivable of each charge paid
    and for cash basis charges
    D ASSESSED FEES                                C ASSMT INC/PAY - x
    what cannot be applied, an entry of its own
    D cash account                                 C SUSPENSE        (default office where no lease is known)

A payment line of the batch is written for each charge paid, and one for what went to suspense. Lines are decided
one after the other in file order, in memory, chunk by chunk: the next chunk reads what this one wrote, so memory
stays flat. Codes and words: ``payment_messages``. Rules: ``payment_rules``. Batches: ``payment_batches``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, text

from gateway.errors import LedgerError
from gateway.ledger import payments, schema, suspense
from gateway.ledger.accounts import default_office
from gateway.ledger.chart import RENT, SUSPENSE
from gateway.ledger.units import Leg, Unit
from gateway.updates import payment_reports
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.payment_batches import Batches, Stored, numbers
from gateway.updates.payment_journal import Journal, payment_legs
from gateway.updates.payment_messages import emit
from gateway.updates.payment_rules import Book, Decision, Record, decide
from gateway.updates.payment_strangers import refuse_strangers

CHUNK_LINES = 50_000
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

_RECORDS = f"""
SELECT {", ".join(Record._fields)} FROM staged_payment s
WHERE file_id = :file AND line_no > :after AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R'
) ORDER BY line_no LIMIT :limit
"""


@dataclass(slots=True)
class _Rows:
    """What one chunk writes beside the journal."""

    lines: list[tuple[Any, ...]] = field(default_factory=list)
    items: list[suspense.NewItem] = field(default_factory=list)
    paid: dict[payments.LineKey, int] = field(default_factory=dict)
    escrow: dict[payments.EscrowKey, int] = field(default_factory=dict)


class BatchPayments:
    name = "U0415"
    kind = "payments"
    staging = schema.staged_payment
    exceptions = payment_reports.EXCEPTIONS
    audit = payment_reports.AUDIT

    def post(self, context: PostingContext) -> Outcome:
        """Post every staged line of the file that is not rejected."""
        outcome = Outcome()
        if refuse_strangers(context, self.staging.name, outcome):
            return outcome
        after = 0
        run: _Run | None = None
        while records := _records(context, after):
            run = run or _Run.start(context)
            run.post(records, outcome)
            after = records[-1].line_no
        return outcome

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return payment_reports.audit_rows(connection, file_id)

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return payment_reports.exception_rows(connection, file_id)

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        return payment_reports.outcomes(connection, file_id, self.staging.name)


UPDATE = BatchPayments()


def _records(context: PostingContext, after: int) -> list[Record]:
    rows = context.db.fetch(context.connection, _RECORDS, file=context.file.file_id, after=after, limit=CHUNK_LINES)
    return list(map(Record._make, rows))


@dataclass(slots=True)
class _Run:
    """One file being posted."""

    context: PostingContext
    unit: Unit
    journal: Journal
    accounts: payments.Accounts
    charges: dict[str, payments.Charge]
    default_office: int
    batches: Batches

    @classmethod
    def start(cls, context: PostingContext) -> _Run:
        portfolio = context.file.portfolio
        if portfolio is None:
            raise LedgerError(f"posting {context.file.name}: found no portfolio in its name, expected p<n>_")
        unit = context.unit(portfolio, UPDATE.name)
        settings = context.settings.portfolio(portfolio)
        connection = context.connection
        batch_numbers = numbers(
            context.db, connection, file_id=context.file.file_id, entry_date=unit.business_date,
            first_session=settings.reversals.first_session,
        )  # fmt: skip
        return cls(
            context,
            unit,
            Journal(unit),
            payments.load_accounts(connection, portfolio),
            payments.load_charges(connection, portfolio),
            default_office(connection, portfolio, settings.default_office),
            Batches(batch_numbers),
        )

    def post(self, records: list[Record], outcome: Outcome) -> None:
        """Gather the facts of a chunk, decide its lines, write what follows."""
        with payments.no_collection():
            self._post(records, outcome)

    def _post(self, records: list[Record], outcome: Outcome) -> None:
        book = self._book(records)
        self.batches.stored = self._stored(records)
        decisions = [decide(record, book, self.batches) for record in records]
        suspended = sum(1 for decision in decisions if decision.suspended_cents)
        items = iter(suspense.reserve(self.context.db, self.context.connection, suspended))
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
                emit(
                    self.context, decision.record.line_no, "W", decision.warning,
                    amount_cents=decision.record.amount_cents,
                )  # fmt: skip
        self._write(rows)

    def _book(self, records: Sequence[Record]) -> Book:
        db, connection = self.context.db, self.context.connection
        invoices = payments.load_invoices(db, connection, {r.target for r in records if r.target_kind == "I"})
        names = {r.target for r in records if r.target_kind == "L"}
        leases = payments.load_leases(
            db, connection, names | {invoice.lease for invoice in invoices.values()},
            accounts=self.accounts, charges=self.charges,
        )  # fmt: skip
        return Book(
            portfolio=self.unit.portfolio,
            business_date=self.unit.business_date,
            default_office=self.default_office,
            accounts=self.accounts,
            rules=self.context.settings.portfolio(self.unit.portfolio).payments,
            leases=leases,
            invoices=invoices,
            near=payments.near_leases(db, connection, names - leases.keys()),
        )

    def _stored(self, records: Sequence[Record]) -> dict[str, Stored]:
        """The given batch numbers of a chunk that the ledger knows already."""
        given = {r.batch for r in records if r.batch is not None}
        if not given:
            return {}
        payments.touch(self.context.db, self.context.connection, given)
        rows = self.context.connection.execute(
            text(
                "SELECT b.batch, b.file_id, b.check_no, b.cash_account, b.effective_date, "
                "(SELECT MAX(p.line) FROM payment_line p WHERE p.batch = b.batch) "
                "FROM touched t JOIN payment_batch b ON b.batch = t.name"
            )
        )
        own = self.context.file.file_id
        return {batch: Stored(file_id == own, (*header,), lines) for batch, file_id, *header, lines in rows}

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
                item, decision.office_id, self.unit.portfolio, "SUSPENSE", decision.lease, invoice, cents, why.code,
                batch.batch, record.check_no, self.unit.business_date, self.unit.unit_id, entry,
                self.context.file.file_id, record.line_no,
            )
        )  # fmt: skip
        emit(self.context, record.line_no, "S", why, amount_cents=cents, item=item)

    def _write(self, rows: _Rows) -> None:
        db, connection = self.context.db, self.context.connection
        self.journal.flush()
        touched = list(self.batches.touched.values())
        time = self.context.posted_at[11:19]
        fresh = (
            (
                b.batch, self.unit.portfolio, b.header[0], self.context.operator, b.header[2], time, b.header[1],
                b.origination, b.note, b.amount_cents, "LIVE", self.unit.unit_id, self.context.file.file_id,
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
