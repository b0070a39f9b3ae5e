"""U0470, Batch Payment Reversal: takes whole payment batches back.

Postings, one entry for each entry of the batch, pointing at it (``corrects``)::

    families N S U O   every leg swapped; cash leaves the batch's own account, unless the record's G or the portfolio's
                       [reversals.bank] names another (a payment without cash stays in CLEARING)
    family T           likewise, but each credit of CASH or CLEARING becomes SUSPENSE: an item for each lease awaits
                       an operator's target; what is in suspense already only changes items, not accounts
    failed             D REVERSAL SUSPENSE  C CASH, or CLEARING where no cash moved; an item

Receivables open again, unspent suspense of the batch closes, an escrow balance falls by what its payable is debited
(below zero with a warning), family N raises the NSF counter of every lease the batch paid. Records of a file are
handled one after the other in memory, chunk by chunk. Rules: ``reversal_rules``. Words: ``reversal_messages``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from gateway.errors import LedgerError
from gateway.ledger import payments, schema, suspense
from gateway.ledger.accounts import default_office
from gateway.ledger.chart import REVERSAL_SUSPENSE, SUSPENSE
from gateway.ledger.units import Leg, Unit
from gateway.updates import payment_reports, reversal_messages, reversal_reports
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.payment_journal import Journal
from gateway.updates.payment_messages import emit
from gateway.updates.payment_strangers import refuse_strangers
from gateway.updates.reversal_facts import Entry, Facts, Line, Record, Standing, load, swapped
from gateway.updates.reversal_rules import NSF, TRANSFER, Fail, Refuse, Reverse, decide

CHUNK_LINES = 25_000
REVERSED = "REVL"
FAILED = "RSUS"
DEFERRAL_FEE = "DEF FEE"
"""In place of an invoice: a deferral fee received as cash, which opens no receivable when it is taken back."""

_RECORDS = f"""
SELECT {", ".join(Record._fields)} FROM staged_reversal s
WHERE file_id = :file AND line_no > :after AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R'
) ORDER BY line_no LIMIT :limit
"""


@dataclass(slots=True)
class _Rows:
    """What one chunk writes beside the journal."""

    batches: list[str] = field(default_factory=list)
    lines: list[tuple[int, str, int]] = field(default_factory=list)
    items: list[suspense.NewItem] = field(default_factory=list)
    spent: dict[int, int] = field(default_factory=dict)
    paid: Counter[payments.LineKey] = field(default_factory=Counter)
    escrow: Counter[payments.EscrowKey] = field(default_factory=Counter)
    nsf: Counter[str] = field(default_factory=Counter)


class BatchPaymentReversal:
    name = "U0470"
    kind = "reversals"
    staging = schema.staged_reversal
    exceptions = reversal_reports.EXCEPTIONS
    audit = reversal_reports.AUDIT

    def post(self, context: PostingContext) -> Outcome:
        """Handle every staged line of the file that is not rejected."""
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
        return reversal_reports.audit_rows(connection, file_id)

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reversal_reports.exception_rows(connection, file_id)

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        return payment_reports.outcomes(connection, file_id, self.staging.name)


UPDATE = BatchPaymentReversal()


def _records(context: PostingContext, after: int) -> list[Record]:
    rows = context.db.fetch(context.connection, _RECORDS, file=context.file.file_id, after=after, limit=CHUNK_LINES)
    return list(map(Record._make, rows))


@dataclass(slots=True)
class _Run:
    """One file being posted."""

    context: PostingContext
    unit: Unit
    journal: Journal
    standing: Standing

    @classmethod
    def start(cls, context: PostingContext) -> _Run:
        portfolio = context.file.portfolio
        if portfolio is None:
            raise LedgerError(f"posting {context.file.name}: found no portfolio in its name, expected p<n>_")
        unit = context.unit(portfolio, UPDATE.name)
        connection = context.connection
        standing = Standing(
            portfolio,
            unit.business_date,
            default_office(connection, portfolio, context.settings.portfolio(portfolio).default_office),
            payments.load_accounts(connection, portfolio),
            payments.load_charges(connection, portfolio),
        )
        return cls(context, unit, Journal(unit), standing)

    def post(self, records: list[Record], outcome: Outcome) -> None:
        """Gather the facts of a chunk, decide its lines, write what follows."""
        with payments.no_collection():
            self._post(records, outcome)

    def _post(self, records: list[Record], outcome: Outcome) -> None:
        facts = load(self.context, records, self.standing)
        decisions = [decide(record, facts) for record in records]
        items = iter(suspense.reserve(self.context.db, self.context.connection, sum(map(_items_needed, decisions))))
        rows = _Rows()
        for decision in decisions:
            cents = decision.record.amount_cents
            match decision:
                case Reverse():
                    self._reverse(decision, facts, items, rows)
                    outcome.posted += 1
                    outcome.posted_cents += cents
                case Fail():
                    self._fail(decision, next(items), rows)
                    outcome.suspended += 1
                    outcome.suspended_cents += cents
                case Refuse():
                    emit(self.context, decision.record.line_no, "R", decision.why, amount_cents=cents)
                    outcome.rejected += 1
                    outcome.rejected_cents += cents
        self._write(rows)

    def _reverse(self, decision: Reverse, facts: Facts, items: Iterator[int], rows: _Rows) -> None:
        record, batch = decision.record, decision.batch
        if decision.warning is not None:
            emit(self.context, record.line_no, "W", decision.warning, amount_cents=record.amount_cents)
        waiting: dict[tuple[int, str | None], tuple[int, int]] = {}
        new: dict[int, int] = {}
        effective = record.effective_date or facts.business_date
        swaps = [_swap(entry, decision, facts) for entry in batch.entries.values()]
        for swap in sorted(swaps, key=_moves_nothing):
            entry, place = swap.entry, (swap.entry.office_id, swap.entry.lease)
            if _moves_nothing(swap) and place in waiting:
                number = waiting[place][0]
            else:
                number = self.journal.enter(
                    entry.office_id, REVERSED, effective, record.line_no, swap.net or swap.legs, entry.lease,
                    entry.invoice, entry.asset, decision.reason, entry.entry_id,
                )  # fmt: skip
            new[entry.entry_id] = number
            if swap.kept:
                first, cents = waiting.get(place, (number, 0))
                waiting[place] = first, cents + swap.kept
        rows.batches.append(batch.batch)
        for line in batch.lines:
            rows.lines.append((new[line.entry_id], batch.batch, line.line))
            self._undo(line, decision, facts, rows)
        for (office, lease), (number, cents) in waiting.items():
            self._wait(decision, next(items), office, lease, number, cents, rows)
        if decision.family == NSF:
            rows.nsf.update(batch.leases)

    def _undo(self, line: Line, decision: Reverse, facts: Facts, rows: _Rows) -> None:
        """Open the receivable or close the suspense of a line; lower the escrow balance that it raised."""
        if line.item is not None:
            rows.spent[line.item] = line.amount_cents
        elif line.invoice not in (None, DEFERRAL_FEE) and line.charge is not None:
            rows.paid[str(line.invoice), line.charge, line.asset] -= line.amount_cents
        if line.charge in facts.escrow_charges and line.lease is not None and line.charge is not None:
            key = (line.lease, line.charge)
            rows.escrow[key] -= line.amount_cents
            facts.escrow[key] = facts.escrow.get(key, 0) - line.amount_cents
            if facts.escrow[key] < 0:
                finding = reversal_messages.escrow_negative(line.lease, line.charge, facts.escrow[key])
                emit(self.context, decision.record.line_no, "W", finding, amount_cents=line.amount_cents)

    def _wait(
        self, decision: Reverse, item: int, office: int, lease: str | None, entry: int, cents: int, rows: _Rows
    ) -> None:
        """Money of family T that stays: an item that awaits its target."""
        batch, line_no = decision.batch, decision.record.line_no
        rows.items.append(
            self._item(item, office, "SUSPENSE", lease, None, cents, decision.reason, batch.batch, batch.check_no, entry,
                       line_no)
        )  # fmt: skip
        finding = reversal_messages.target_required(batch.batch, cents)
        emit(self.context, line_no, "W", finding, amount_cents=cents, item=item)

    def _fail(self, decision: Fail, item: int, rows: _Rows) -> None:
        record, why = decision.record, decision.why
        invoice = record.target if record.target_kind == "I" else None
        legs: tuple[Leg, Leg] = (
            (self.standing.accounts.need(decision.office_id, REVERSAL_SUSPENSE), "D", record.amount_cents),
            (decision.cash, "C", record.amount_cents),
        )
        effective = record.effective_date or self.unit.business_date
        entry = self.journal.enter(
            decision.office_id, FAILED, effective, record.line_no, legs, decision.lease, invoice, reason=why.code
        )
        rows.items.append(
            self._item(item, decision.office_id, "REVERSAL", decision.lease, invoice, record.amount_cents, why.code,
                       record.batch, record.check_no, entry, record.line_no)
        )  # fmt: skip
        emit(self.context, record.line_no, "S", why, amount_cents=record.amount_cents, item=item)

    def _item(
        self, item: int, office: int, kind: suspense.Kind, lease: str | None, invoice: str | None, cents: int,
        reason: str, batch: str, check_no: str | None, entry: int, line_no: int,
    ) -> suspense.NewItem:  # fmt: skip
        return suspense.NewItem(
            item, office, self.unit.portfolio, kind, lease, invoice, cents, reason, batch, check_no,
            self.unit.business_date, self.unit.unit_id, entry, self.context.file.file_id, line_no,
        )  # fmt: skip

    def _write(self, rows: _Rows) -> None:
        db, connection = self.context.db, self.context.connection
        self.journal.flush()
        suspense.open_items(db, connection, rows.items)
        suspense.reduce(db, connection, rows.spent, on=self.unit.business_date)
        if rows.batches:
            payments.touch(db, connection, rows.batches)
            connection.execute(
                text("UPDATE payment_batch SET state = 'REVERSED' WHERE batch IN (SELECT name FROM touched)")
            )
            assign = "state = 'REVERSED', reversed_by = {}"
            db.bulk_update(connection, schema.payment_line, assign, ("batch", "line"), rows.lines)
        payments.change_paid(db, connection, rows.paid)
        payments.change_escrow(db, connection, rows.escrow)
        nsf = [(times, lease) for lease, times in rows.nsf.items()]
        db.bulk_update(connection, schema.lease, "nsf_count = nsf_count + {}", ("lease",), nsf)


class _Swap(NamedTuple):
    """An entry swapped, how much of its money stays in suspense, and the legs with those of SUSPENSE made one: none
    where the money was in suspense already."""

    entry: Entry
    legs: list[Leg]
    net: list[Leg]
    kept: int


def _swap(entry: Entry, decision: Reverse, facts: Facts) -> _Swap:
    legs: list[Leg] = []
    kept = 0
    waits: int | None = None
    for _, (account, side, cents) in sorted(entry.legs.items()):
        if decision.family == TRANSFER and side == "D" and (account in facts.cash or account in facts.clearing):
            account = waits = facts.accounts.need(entry.office_id, SUSPENSE)
            kept += cents
        elif account in facts.cash:
            account = decision.cash.get(entry.office_id, account)
        legs.append((account, swapped(side), cents))
    return _Swap(entry, legs, _netted(legs, waits), kept)


def _netted(legs: list[Leg], account: int | None) -> list[Leg]:
    """The legs with those of the account as one, on the side that is left."""
    rest = [leg for leg in legs if leg[0] != account]
    if len(legs) - len(rest) < 2 or account is None:
        return legs
    credit = sum(cents if side == "C" else -cents for other, side, cents in legs if other == account)
    return rest if credit == 0 else [*rest, (account, "C" if credit > 0 else "D", abs(credit))]


def _moves_nothing(swap: _Swap) -> bool:
    """The first entry of the lease's batch that moves something then stands for this one too."""
    return not swap.net


def _items_needed(decision: Reverse | Fail | Refuse) -> int:
    """Suspense items that a decision opens, at most."""
    match decision:
        case Fail():
            return 1
        case Reverse(batch=batch) if decision.family == TRANSFER:
            return len({(entry.office_id, entry.lease) for entry in batch.entries.values()})
        case _:
            return 0
