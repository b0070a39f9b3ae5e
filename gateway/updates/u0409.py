"""U0409, Batch Escrow Disbursement: checks to payees out of what lessees paid into escrow.

Each line debits the payables of the lease's escrow charges (recurring charges of type E in use, in number order until
the amount is used), credits the cash of the bank and makes a check (type ``ESCR``) due on the disbursal date. The
entry's effective date is the business date. A line without a bank is paid by the portfolio's default one; a void
check's number stays used, unless its whole file was taken back. The status of a lease is not asked: what was paid into
escrow is owed to the payee still.

A bare ``btchescr.dat`` belongs to no portfolio: each line posts in its lease's, one posting unit a portfolio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, text

from gateway.collection import no_collection
from gateway.ledger import schema
from gateway.ledger.database import stream_rows
from gateway.reports.table import OFFICE_COLUMNS, Blocks, Column, ReportSpec
from gateway.updates import assess_report, escrow_plain, escrow_post
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.escrow_decide import Disbursement, Refusal, decide
from gateway.updates.escrow_facts import Charts, Line, load_chart, load_facts
from gateway.updates.escrow_plain import Block
from gateway.updates.escrow_report import EscrowDraft, audit_blocks, posted_blocks

BLOCK_LINES = 20_000
"""Lines decided together: facts are loaded for so many at once, so that memory stays flat in file size."""

_CHECK = Column("check", "CHECK", 10)
_DATE = Column("date", "DATE", 10, "date")


class EscrowDisbursement:
    """The update of ``p<n>_btchescr.dat`` and ``btchescr.dat``."""

    name = "U0409"
    kind = "escrow"
    staging = schema.staged_escrow
    exceptions = assess_report.exception_spec("U0409A", "BATCH ESCROW DISBURSEMENT EXCEPTIONS", _CHECK, _DATE)
    audit = ReportSpec(
        "U0409B",
        "BATCH ESCROW DISBURSEMENT AUDIT",
        (
            *OFFICE_COLUMNS,
            Column("lease", "LEASE", 10),
            Column("lessee", "LESSEE", 10),
            Column("asset", "ASSET", 10),
            Column("charge", "CHARGE", 6),
            _DATE,
            Column("amount", "AMOUNT", 19, "money", totalled=True),
            _CHECK,
            Column("bank", "BANK", 4),
            Column("payee", "PAYEE", 36),
            Column("reference", "REFERENCE", 36),
        ),
        by_office=True,
    )

    def __init__(self, block_lines: int = BLOCK_LINES) -> None:
        self.block_lines = block_lines

    def post(self, context: PostingContext) -> Outcome:
        """Decide the lines that stand, a block at a time, and write what they come to.

        Within a block those that depend on no other go first, all at once; the others follow in file order.
        """
        outcome = Outcome()
        charts = _charts(context)
        context.flush()
        escrow_plain.prepare(context.db, context.connection, charts)
        for block in _blocks(context.connection, context.file.file_id, self.block_lines):
            escrow_plain.decide_plain(context.db, context.connection, block)
            told = _write(context, outcome)
            if lines := _undecided(context, block):
                with no_collection():
                    _decide_in_order(context, charts, lines, outcome)
                told += _write(context, outcome)
            _tell(context, block, told)
        return outcome

    def audit_rows(self, connection: Connection, file_id: int) -> Iterable[Sequence[Any]]:
        """One row for each escrow charge a line was paid from."""
        return Blocks(audit_blocks(connection, posted_blocks(connection, file_id)))

    def draft(self, connection: Connection, file_id: int) -> EscrowDraft:
        return EscrowDraft(connection)

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return assess_report.exception_rows(
            connection, file_id, staging="staged_escrow", reference="check_no", day="disbursal_date"
        )

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        posted = stream_rows(connection, _ENTRIES, file=file_id, each=schema.ENTRIES_A_UNIT)
        entry = next(posted, None)
        for line_no, code in stream_rows(connection, _STATES, file=file_id):
            if entry is not None and entry[0] == line_no:
                yield line_no, "posted", [entry[1]]
                entry = next(posted, None)
            else:
                yield line_no, "rejected" if code else "held", []


_ENTRIES = """
SELECT e.source_line, e.entry_id FROM posting_unit u
JOIN journal_entry e ON e.entry_id >= u.unit_id * :each AND e.entry_id < (u.unit_id + 1) * :each
WHERE u.file_id = :file AND u.kind = 'FILE' ORDER BY e.source_line
"""
_STATES = """
SELECT s.line_no, m.code FROM staged_escrow s
LEFT JOIN line_message m ON m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R'
WHERE s.file_id = :file ORDER BY s.line_no
"""
_UNDECIDED = f"""
SELECT {", ".join(f"s.{name}" for name in Line._fields)} FROM staged_escrow s
WHERE s.file_id = :file AND s.line_no BETWEEN :first AND :last AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R')
    AND NOT EXISTS (SELECT 1 FROM disbursement d WHERE d.line_no = s.line_no)
ORDER BY s.line_no
"""
_BLOCK = """
SELECT MIN(b.line_no), MAX(b.line_no) FROM (
    SELECT line_no FROM staged_escrow WHERE file_id = :file AND line_no > :after ORDER BY line_no LIMIT :size) b
"""
_PORTFOLIOS = """
SELECT DISTINCT l.portfolio FROM staged_escrow s CROSS JOIN lease l WHERE s.file_id = :file AND l.lease = s.lease
"""


def _charts(context: PostingContext) -> Charts:
    """Of the file's portfolio; of a bare file, those of its leases."""
    named = [context.file.portfolio]
    if context.file.portfolio is None:
        rows = context.connection.execute(text(_PORTFOLIOS), {"file": context.file.file_id})
        named = sorted(rows.scalars())
    return {p: load_chart(context.connection, p, context.settings.portfolio(p).escrow.default_bank) for p in named if p}


def _blocks(connection: Connection, file_id: int, size: int) -> Iterator[Block]:
    after = 0
    while True:
        first, last = connection.execute(text(_BLOCK), {"file": file_id, "after": after, "size": size}).one()
        if first is None:
            return
        yield Block(file_id, first, last)
        after = last


def _undecided(context: PostingContext, block: Block) -> list[Line]:
    rows = context.db.fetch(context.connection, _UNDECIDED, file=block.file_id, first=block.first, last=block.last)
    return list(map(Line._make, rows))


def _decide_in_order(context: PostingContext, charts: Charts, lines: list[Line], outcome: Outcome) -> None:
    """One line after the other: each takes from a balance and uses up a check number."""
    facts = load_facts(context.db, context.connection, charts, lines)
    rows: list[tuple[Any, ...]] = []
    for line in lines:
        decision = decide(line, facts, portfolio=context.file.portfolio)
        if isinstance(decision, Refusal):
            _refuse(context, line, decision)
            outcome.rejected += 1
            outcome.rejected_cents += line.amount_cents
        else:
            rows += _decided(line, decision)
    context.flush()
    escrow_post.add_decided(context.db, context.connection, rows)


def _decided(line: Line, decision: Disbursement) -> list[tuple[Any, ...]]:
    lease, parts = decision.lease, decision.parts
    return [
        (
            line.line_no, part, len(parts), line.lease, line.asset, lease.portfolio, lease.office_id, line.check_no,
            decision.bank, decision.cash_account, charge, account, cents, line.amount_cents,
        )
        for part, (charge, account, cents) in enumerate(parts, 1)
    ]  # fmt: skip


def _write(context: PostingContext, outcome: Outcome) -> list[tuple[Any, ...]]:
    """Post what was decided; gives what a follower, where there is one, is to be told of it."""
    named = escrow_post.portfolios(context.connection)
    if not named:
        return []
    units = [context.unit(portfolio, UPDATE.name) for portfolio in named]
    posted, posted_cents = escrow_post.write(context.db, context.connection, context.file.file_id, units)
    outcome.posted += posted
    outcome.posted_cents += posted_cents
    return escrow_post.told(context.connection) if context.follower is not None else []


def _tell(context: PostingContext, block: Block, told: list[tuple[Any, ...]]) -> None:
    """What became of a block of a file that has one portfolio."""
    portfolio = context.file.portfolio
    if context.follower is None or portfolio is None:
        return
    told.sort(key=itemgetter(0))
    columns = list(zip(*told, strict=True)) if told else [()] * 5
    context.follower.tell(block.last, columns, context.unit(portfolio, UPDATE.name).first_id if told else None)


def _refuse(context: PostingContext, line: Line, refusal: Refusal) -> None:
    context.message(
        line.line_no,
        "R",
        refusal.code,
        field=refusal.field,
        found=refusal.found,
        expected=refusal.expected,
        action=refusal.action,
        amount_cents=line.amount_cents,
    )


UPDATE = EscrowDisbursement()
