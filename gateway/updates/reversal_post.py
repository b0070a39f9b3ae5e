"""Posts what was decided of reversal records, for a file (U0470) as for a person (``gateway payment reverse``).

Postings, one entry for each entry of the batch, pointing at it (``corrects``)::

    families N S U O   every leg swapped; cash leaves the batch's own account, unless the record's G or the portfolio's
                       [reversals.bank] names another (a payment without cash stays in CLEARING)
    family T           likewise, but each credit of CASH or CLEARING becomes SUSPENSE: an item for each lease awaits
                       an operator's target; what is in suspense already only changes items, not accounts
    failed             D REVERSAL SUSPENSE  C CASH, or CLEARING where no cash moved; an item
    later batches      every leg swapped (of suspense what is unspent), all out of and into the batch's own cash account
    re-application     the legs of a payment on the batch's effective date, one entry an invoice;
                       D cash account  C SUSPENSE, and an item, for what finds no open invoice

Receivables open again, suspense closes, escrow balances follow their payable, family N raises the NSF counter of every
lease the named batch paid, and assesses its fee in the end (``reversal_fee``). New payment lines go on with the
batch's numbers; as they are of no line of a file of payments they name none. Their entries name the record that moved
them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from sqlalchemy import text

from gateway.ledger import payments, schema, suspense
from gateway.ledger.accounts import default_office
from gateway.ledger.chart import RENT, REVERSAL_SUSPENSE
from gateway.ledger.database import as_written
from gateway.ledger.units import Leg
from gateway.updates import reversal_fee, reversal_messages, reversal_plain
from gateway.updates.payment_journal import Journal
from gateway.updates.posting import Posting
from gateway.updates.reversal_facts import Batch, Entry, Facts, Line, Record, Standing, load, swapped
from gateway.updates.reversal_fee import Bounced
from gateway.updates.reversal_plain import REVERSED, Chunk, Plain
from gateway.updates.reversal_reapply import LEFT, Applied, Moved
from gateway.updates.reversal_rules import NSF, TRANSFER, Decision, Fail, Refuse, Reverse, decide
from gateway.updates.reversal_swap import live_legs, moves_nothing, swap_of
from gateway.updates.reversal_telling import Move, Telling

TAKEN_BACK = "REVA"
"""Transaction code of a later batch's entries taken back to be applied again; the named batch's carry REVL."""
FAILED = "RSUS"
SUSPENDED = "SUSP"

_LINE_COLUMNS = (
    "batch", "line", "lease", "invoice", "charge", "asset", "amount_cents", "state", "suspense_item", "entry_id",
    "reversed_by",
)  # fmt: skip


@dataclass(slots=True)
class _Rows:
    """What one chunk writes beside the journal."""

    reversed: list[str] = field(default_factory=list)  # batches
    moved: set[str] = field(default_factory=set)  # batches
    undone: list[tuple[int, str, int]] = field(default_factory=list)  # reversing entry, batch, line
    made: list[tuple[str, Line]] = field(default_factory=list)  # batch, line
    items: list[suspense.NewItem] = field(default_factory=list)
    spent: Counter[int] = field(default_factory=Counter)
    paid: Counter[payments.LineKey] = field(default_factory=Counter)
    escrow: Counter[payments.EscrowKey] = field(default_factory=Counter)
    nsf: Counter[str] = field(default_factory=Counter)
    bounced: list[Bounced] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)


class Reversals:
    """Decides and posts records into a unit, chunk by chunk, in their order."""

    def __init__(self, posting: Posting) -> None:
        connection, unit = posting.connection, posting.unit
        self._posting, self._unit, self._journal = posting, unit, Journal(unit)
        self._standing = Standing(
            unit.portfolio,
            unit.business_date,
            default_office(connection, unit.portfolio, posting.settings.default_office),
            payments.load_accounts(connection, unit.portfolio),
            payments.load_charges(connection, unit.portfolio),
            posting.settings,
        )
        self._bounced: list[Bounced] = []
        self._telling: Telling | None = None
        if posting.follower is not None:
            fees = posting.settings.reversals.nsf_fee_code is not None
            self._telling = Telling(posting.follower, waits=fees)

    def live_cents(self, batch: str) -> int:
        """What a record that names this batch must come to."""
        lines = self._posting.connection.execute(
            text(
                "SELECT COALESCE(SUM(COALESCE(i.remaining_cents, p.amount_cents)), 0) FROM payment_line p "
                "LEFT JOIN suspense_item i ON i.item = p.suspense_item WHERE p.batch = :batch AND p.state = 'APPLIED'"
            ),
            {"batch": batch},
        )
        return int(lines.scalar_one())

    def find_plain(self, chunk: Chunk) -> Plain:
        """The records of a chunk of the file about which nothing is special."""
        return reversal_plain.find(self._posting, chunk)

    def handle(self, records: Sequence[Record], plain: Plain | None = None) -> list[Decision]:
        """Gather the facts of a chunk, decide its records, post what follows, and its ``plain`` ones; gives what was
        decided."""
        db, connection = self._posting.db, self._posting.connection
        plain = plain or Plain()
        decisions: list[Decision] = []
        with as_written(connection):
            rows = _Rows()
            if records:
                facts = load(db, connection, records, self._standing)
                decisions = [decide(record, facts) for record in records]
                self._post(decisions, facts, plain, rows)
            self._number(plain, len(plain.records))
            written = self._journal.flush()
            if self._telling is not None:
                self._telling.chunk(decisions, written, rows.moves, plain)
            self._write(rows)
            reversal_plain.write(self._posting, plain)
        self._bounce(rows, plain)
        return decisions

    def finish(self) -> None:
        """What follows when all records are done."""
        written = reversal_fee.assess(self._posting, self._journal, self._bounced)
        if self._telling is not None:
            self._telling.finish(written)

    def _number(self, plain: Plain, before: int) -> None:
        """Number the entries of the plain records that come first."""
        plain.entries += (self._journal.number() for _ in range(before - len(plain.entries)))

    def _bounce(self, rows: _Rows, plain: Plain) -> None:
        """Whom a fee is assessed on in the end, in the order of the records."""
        if self._standing.settings.reversals.nsf_fee_code is not None:
            also = [Bounced(one.line_no, one.lease) for one in plain.records if one.reason[0] == NSF]
            self._bounced += sorted(rows.bounced + also, key=attrgetter("line_no"))

    def _post(self, decisions: Sequence[Decision], facts: Facts, plain: Plain, rows: _Rows) -> None:
        items = iter(suspense.reserve(self._posting.db, self._posting.connection, sum(map(_items_needed, decisions))))
        lines = [record.line_no for record in plain.records]
        for decision in decisions:
            self._number(plain, bisect_left(lines, decision.record.line_no))
            match decision:
                case Reverse():
                    self._reverse(decision, facts, items, rows)
                case Fail():
                    self._fail(decision, next(items), rows)
                case Refuse(record=record):
                    self._posting.emit(record.line_no, "R", decision.why, amount_cents=record.amount_cents)

    # --- the named batch -------------------------------------------------------------------------------------------

    def _reverse(self, decision: Reverse, facts: Facts, items: Iterator[int], rows: _Rows) -> None:
        record, batch = decision.record, decision.batch
        for finding, cents in decision.warnings:
            self._posting.emit(record.line_no, "W", finding, amount_cents=cents)
        waiting: dict[tuple[int, str | None], tuple[int, int]] = {}
        new: dict[Entry, int] = {}
        # An entry of suspense has the one line, which may be less than all of it.
        entries = {line.entry: line.amount_cents if line.item else None for line in decision.lines}
        for swap in sorted(
            (swap_of(entry, cents, decision, facts) for entry, cents in entries.items()), key=moves_nothing
        ):
            entry, place = swap.entry, (swap.entry.office_id, swap.entry.lease)
            if moves_nothing(swap) and place in waiting:
                number = waiting[place][0]
            else:
                number = self._enter_swap(decision, entry, REVERSED, swap.net or swap.legs)
            new[entry] = number
            if swap.kept:
                first, cents = waiting.get(place, (number, 0))
                waiting[place] = first, cents + swap.kept
        rows.reversed.append(batch.batch)
        for line in decision.lines:
            self._undo(batch.batch, line, line.amount_cents, new[line.entry], rows)
            rows.moves.append(
                _move(record, batch, line, line.amount_cents, REVERSED, decision.reason, line.reversed_by)
            )
        for (office, lease), (number, cents) in waiting.items():
            self._wait(decision, next(items), office, lease, number, cents, rows)
        if decision.family == NSF:
            leases = dict.fromkeys(line.lease for line in decision.lines if line.lease is not None)
            rows.nsf.update(list(leases))
            rows.bounced += [Bounced(record.line_no, lease) for lease in leases]
        for key, cents in decision.escrow.items():
            rows.escrow[key] += cents
        self._move(decision, items, rows)

    def _enter_swap(self, decision: Reverse, entry: Entry, txn: str, legs: Sequence[Leg]) -> int:
        effective = decision.record.effective_date or self._unit.business_date
        return self._journal.enter(
            entry.office_id, txn, effective, self._posting.source_line(decision.record.line_no), legs, entry.lease, entry.invoice,
            entry.asset, decision.reason, entry.entry_id,
        )  # fmt: skip

    @staticmethod
    def _undo(batch: str, line: Line, cents: int, number: int, rows: _Rows) -> None:
        """Open the receivable of a line, or take these cents from its suspense."""
        if line.item is not None:
            rows.spent[line.item.item] += cents
        elif line.key is not None:
            rows.paid[line.key] -= cents
        line.reversed_by = number
        if not line.is_new:
            rows.undone.append((number, batch, line.line))

    def _wait(
        self, decision: Reverse, item: int, office: int, lease: str | None, entry: int, cents: int, rows: _Rows
    ) -> None:
        """Money of family T that stays: an item that awaits its target."""
        batch, line_no = decision.batch, decision.record.line_no
        rows.items.append(
            self._item(item, "SUSPENSE", office=office, lease=lease, cents=cents, reason=decision.reason, batch=batch.batch,
                       check_no=batch.check_no, entry=entry, line_no=line_no)
        )  # fmt: skip
        finding = reversal_messages.target_required(batch.batch, cents)
        self._posting.emit(line_no, "W", finding, amount_cents=cents, item=item)

    # --- later batches ---------------------------------------------------------------------------------------------

    def _move(self, decision: Reverse, items: Iterator[int], rows: _Rows) -> None:
        """Take every later batch back, then apply them again, one after the other."""
        record = decision.record
        for moved in decision.moved:
            new: dict[Entry, int] = {}
            for line, cents in moved.taken:
                if line.entry not in new:
                    live = live_legs(line.entry, cents if line.item else None)
                    legs = [(account, swapped(side), moving) for account, side, moving in live]
                    new[line.entry] = self._enter_swap(decision, line.entry, TAKEN_BACK, legs)
                self._undo(moved.batch.batch, line, cents, new[line.entry], rows)
                rows.moves.append(
                    _move(record, moved.batch, line, cents, TAKEN_BACK, decision.reason, line.reversed_by)
                )
            rows.moved.add(moved.batch.batch)
        for moved in decision.moved:
            rows.made += [(moved.batch.batch, line) for line in moved.spent]
            for applied in moved.applied:
                if applied.parts:
                    self._apply(record, moved, applied, rows)
                else:
                    self._leave(record, moved, applied, next(items), rows)

    def _apply(self, record: Record, moved: Moved, applied: Applied, rows: _Rows) -> None:
        self._enter_payment(record, moved, applied.entry, RENT, None)
        for line in applied.lines:
            rows.made.append((moved.batch.batch, line))
            rows.moves.append(_move(record, moved.batch, line, line.amount_cents, RENT, None, line.entry.entry_id))
            if line.key is not None:
                rows.paid[line.key] += line.amount_cents

    def _leave(self, record: Record, moved: Moved, applied: Applied, number: int, rows: _Rows) -> None:
        """Money that finds no open invoice: to suspense."""
        entry, batch, (line,) = applied.entry, moved.batch, applied.lines
        cents = line.amount_cents
        self._enter_payment(record, moved, entry, SUSPENDED, LEFT)
        if line.item is not None:
            line.item.item = number
        rows.made.append((batch.batch, line))
        rows.moves.append(_move(record, batch, line, cents, SUSPENDED, LEFT, entry.entry_id))
        rows.items.append(
            self._item(number, "SUSPENSE", office=entry.office_id, lease=entry.lease, cents=cents, reason=LEFT,
                       batch=batch.batch, check_no=batch.check_no, entry=entry.entry_id, line_no=record.line_no)
        )  # fmt: skip
        finding = reversal_messages.reapplied_money_left(batch.batch, str(entry.lease), cents)
        self._posting.emit(record.line_no, "W", finding, amount_cents=cents, item=number)

    def _enter_payment(self, record: Record, moved: Moved, entry: Entry, txn: str, reason: str | None) -> None:
        entry.entry_id = self._journal.enter(
            entry.office_id, txn, moved.batch.effective_date, self._posting.source_line(record.line_no), entry.legs, entry.lease,
            entry.invoice, entry.asset, reason,
        )  # fmt: skip

    # --- failures --------------------------------------------------------------------------------------------------

    def _fail(self, decision: Fail, item: int, rows: _Rows) -> None:
        record, why = decision.record, decision.why
        invoice = record.target if record.target_kind == "I" else None
        legs: tuple[Leg, Leg] = (
            (self._standing.accounts.need(decision.office_id, REVERSAL_SUSPENSE), "D", record.amount_cents),
            (decision.cash, "C", record.amount_cents),
        )
        effective = record.effective_date or self._unit.business_date
        entry = self._journal.enter(
            decision.office_id, FAILED, effective, record.line_no, legs, decision.lease, invoice, reason=why.code
        )
        rows.items.append(
            self._item(item, "REVERSAL", office=decision.office_id, lease=decision.lease, invoice=invoice,
                       cents=record.amount_cents, reason=why.code, batch=record.batch, check_no=record.check_no, entry=entry,
                       line_no=record.line_no)
        )  # fmt: skip
        self._posting.emit(record.line_no, "S", why, amount_cents=record.amount_cents, item=item)

    def _item(
        self, item: int, kind: suspense.Kind, *, office: int, lease: str | None, invoice: str | None = None, cents: int,
        reason: str, batch: str, check_no: str | None, entry: int, line_no: int,
    ) -> suspense.NewItem:  # fmt: skip
        return suspense.NewItem(
            item=item, office_id=office, portfolio=self._unit.portfolio, kind=kind, lease=lease, invoice=invoice,
            amount_cents=cents, reason=reason, batch=batch, check_no=check_no, opened_on=self._unit.business_date,
            unit_id=self._unit.unit_id, entry_id=entry, file_id=self._posting.file_id,
            line_no=self._posting.source_line(line_no),
        )  # fmt: skip

    # --- writing ---------------------------------------------------------------------------------------------------

    def _write(self, rows: _Rows) -> None:
        db, connection = self._posting.db, self._posting.connection
        suspense.open_items(db, connection, rows.items)
        suspense.reduce(db, connection, rows.spent, on=self._unit.business_date)
        self._write_batches(rows)
        db.bulk_insert(connection, schema.payment_line, _LINE_COLUMNS, (_line_row(*made) for made in rows.made))
        assign = "state = 'REVERSED', reversed_by = {}"
        db.bulk_update(connection, schema.payment_line, assign, ("batch", "line"), rows.undone)
        payments.change_paid(db, connection, {key: cents for key, cents in rows.paid.items() if cents})
        payments.change_escrow(db, connection, {key: cents for key, cents in rows.escrow.items() if cents})
        nsf = [(times, lease) for lease, times in rows.nsf.items()]
        db.bulk_update(connection, schema.lease, "nsf_count = nsf_count + {}", ("lease",), nsf)

    def _write_batches(self, rows: _Rows) -> None:
        for names, change in (
            (rows.reversed, "state = 'REVERSED' WHERE true"),
            (rows.moved, "operator = :operator WHERE operator <> :operator"),
        ):
            if names:
                payments.touch(self._posting.db, self._posting.connection, names)
                self._posting.connection.execute(
                    text(f"UPDATE payment_batch SET {change} AND batch IN (SELECT name FROM touched)"),
                    {"operator": self._posting.operator} if ":operator" in change else {},
                )


def _line_row(batch: str, line: Line) -> tuple[Any, ...]:
    """A payment line made; one that a later record of the chunk took back already is reversed."""
    return (
        batch, line.line, line.lease, line.invoice, line.charge, line.asset, line.amount_cents,
        "APPLIED" if line.reversed_by is None else "REVERSED", None if line.item is None else line.item.item,
        line.entry.entry_id, line.reversed_by,
    )  # fmt: skip


def _move(
    record: Record, batch: Batch, line: Line, cents: int, txn: str, reason: str | None, entry: int | None
) -> Move:
    return (
        record.line_no, entry, batch.batch, line.line, txn, reason, batch.batch[:20], batch.check_no, line.lease,
        line.invoice, cents,
    )  # fmt: skip


def _items_needed(decision: Decision) -> int:
    """Suspense items that a decision opens, at most."""
    match decision:
        case Fail():
            return 1
        case Reverse():
            left = sum(not applied.parts for moved in decision.moved for applied in moved.applied)
            if decision.family == TRANSFER:
                left += len({(line.entry.office_id, line.entry.lease) for line in decision.lines})
            return left
        case _:
            return 0
