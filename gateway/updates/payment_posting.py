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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import text

from gateway.errors import LedgerError
from gateway.ledger import payments, suspense
from gateway.ledger.accounts import default_office
from gateway.ledger.chart import RENT, SUSPENSE
from gateway.ledger.database import as_written
from gateway.ledger.units import Leg
from gateway.updates.base import Outcome
from gateway.updates.payment_batches import Batches, Stored, numbers
from gateway.updates.payment_journal import Journal, payment_legs
from gateway.updates.payment_rows import PaymentRows
from gateway.updates.payment_rules import Applied, Book, Decision, Record, decide
from gateway.updates.posting import Posting

SUSPENDED = "SUSP"
"""Transaction code of entries into suspense; those that pay carry PYMT."""


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
        with as_written(self.posting.connection):
            return self._post(records, outcome)

    def _post(self, records: Sequence[Record], outcome: Outcome) -> list[Decision]:
        posting = self.posting
        book = self._book(records)
        self.batches.stored = self._stored(records)
        decisions = [decide(record, book, self.batches) for record in records]
        suspended = sum(1 for decision in decisions if decision.suspended_cents)
        items = iter(suspense.reserve(posting.db, posting.connection, suspended))
        rows = PaymentRows()
        for decision in decisions:
            self._enter(decision, rows)
            if decision.suspended_cents:
                self._suspend(decision, next(items), rows)
            if decision.warning is not None:
                record = decision.record
                posting.emit(record.line_no, "W", decision.warning, amount_cents=record.amount_cents)
        if posting.follower is not None:
            posting.follower.tell(records[-1].line_no, rows.told())
        self.journal.flush()
        rows.write(posting)
        self.batches.chunk_written()
        suspended_cents = sum(decision.suspended_cents for decision in decisions)
        outcome.posted += len(decisions) - suspended
        outcome.suspended += suspended
        outcome.posted_cents += sum(record.amount_cents for record in records) - suspended_cents
        outcome.suspended_cents += suspended_cents
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
                "FROM touched t CROSS JOIN payment_batch b WHERE b.batch = t.name"
            )
        )
        own = self.posting.file_id  # a person's payment is one chunk, which finds nothing of its own
        return {
            batch: Stored(own is not None and file_id == own, (*header,), lines)
            for batch, file_id, *header, lines in rows
        }

    def _enter(self, decision: Decision, rows: PaymentRows) -> None:
        """The entries of what was applied: one an invoice. The row of a charge line that cash alone pays is enough for
        its entry; the others are entered leg by leg."""
        if not decision.applied:
            return
        if decision.lease is None:
            raise LedgerError(f"paying by line {decision.record.line_no}: found no lease, expected one")
        record, batch, office, lease = decision.record, decision.batch, decision.office_id, decision.lease
        for parts in _by_invoice(decision.applied):
            line, cents = parts[0]
            if len(parts) == 1 and line.terms.income is None:
                entry = self.journal.number()
                rows.pay(entry, batch, office, lease, line, cents, record.line_no, decision.cash, line.terms.receivable)
                continue
            entry = self.journal.enter(
                office, RENT, batch.header[2], self.posting.source_line(record.line_no),
                payment_legs(decision.cash, parts), lease, line.invoice, line.asset or None if len(parts) == 1 else None,
            )  # fmt: skip
            for line, cents in parts:
                rows.pay(entry, batch, office, lease, line, cents, record.line_no, None, None)

    def _suspend(self, decision: Decision, item: int, rows: PaymentRows) -> None:
        """The entry, payment line, item and message of what was not applied."""
        record, batch, why, posting = decision.record, decision.batch, decision.why, self.posting
        if why is None:
            raise LedgerError(f"suspending line {record.line_no}: found no reason, expected one")
        cents = decision.suspended_cents
        invoice = record.target if record.target_kind == "I" else None
        legs: tuple[Leg, Leg] = (
            (decision.cash, "D", cents),
            (self.accounts.need(decision.office_id, SUSPENSE), "C", cents),
        )
        entry = self.journal.enter(
            decision.office_id, SUSPENDED, batch.header[2], posting.source_line(record.line_no), legs, decision.lease,
            invoice, reason=why.code,
        )  # fmt: skip
        new = suspense.NewItem(
            item, decision.office_id, posting.unit.portfolio, "SUSPENSE", decision.lease, invoice, cents, why.code,
            batch.batch, record.check_no, posting.unit.business_date, posting.unit.unit_id, entry, posting.file_id,
            posting.source_line(record.line_no),
        )  # fmt: skip
        rows.suspend(batch, new, record.line_no)
        posting.emit(record.line_no, "S", why, amount_cents=cents, item=item)


def _by_invoice(applied: list[Applied]) -> Iterable[list[Applied]]:
    """The parts of each invoice, in the order of payment."""
    if len(applied) == 1:
        return (applied,)
    return (list(parts) for _, parts in groupby(applied, key=lambda pair: pair[0].invoice))
