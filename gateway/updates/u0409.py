"""U0409, Batch Escrow Disbursement: checks to payees out of what lessees paid into escrow.

Each line debits the payables of the lease's escrow charges (recurring charges of type E in use, in number order until
the amount is used), credits the cash of the bank and makes a check (type ``ESCR``) due on the disbursal date. The
entry's effective date is the business date. A line without a bank is paid by the portfolio's default one; a void
check's number stays used, unless its whole file was taken back. The status of a lease is not asked: what was paid into
escrow is owed to the payee still.

A bare ``btchescr.dat`` belongs to no portfolio: each line posts in its lease's, one posting unit a portfolio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.ledger import payments, schema
from gateway.ledger.database import stream_rows
from gateway.reports.table import OFFICE_COLUMNS, Column, ReportSpec
from gateway.updates import assess_report
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.escrow_decide import Disbursement, Refusal, decide
from gateway.updates.escrow_facts import Facts, Line

BLOCK_LINES = 20_000
"""Lines decided together: facts are loaded for so many at once, so that memory stays flat in file size."""

FREE_FORM = "FF"
"""The state of an address outside the United States; it is not printed."""

TRANSACTION = "ESCR"
_CHECK = Column("check", "CHECK", 10)
_DATE = Column("date", "DATE", 10, "date")
_CHECK_COLUMNS = (
    "portfolio", "check_no", "bank", "office_id", "type", "amount_cents", "disbursement_date", "lease", "asset",
    "reference", "payee", "address", "state", "unit_id", "file_id", "line_no",
)  # fmt: skip


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
        """Decide the lines that stand in file order, a block at a time, and write what they come to."""
        outcome, facts, after = Outcome(), Facts(), 0
        context.flush()
        while lines := _standing(context.connection, context.file.file_id, after, self.block_lines):
            facts.load(context.db, context.connection, lines)
            self._post_block(context, lines, facts, outcome)
            after = lines[-1].line_no
        return outcome

    def _post_block(self, context: PostingContext, lines: list[Line], facts: Facts, outcome: Outcome) -> None:
        checks: list[tuple[Any, ...]] = []
        taken: dict[payments.EscrowKey, int] = {}

        default_banks = {p: context.settings.portfolio(p).escrow.default_bank for p in facts.charts}
        for line in lines:
            decision = decide(line, facts, portfolio=context.file.portfolio, default_banks=default_banks)
            if isinstance(decision, Refusal):
                _refuse(context, line, decision)
                outcome.rejected += 1
                outcome.rejected_cents += line.amount_cents
                continue
            checks.append(self._post_line(context, line, decision))
            for charge, _, cents in decision.parts:
                taken[line.lease, charge] = taken.get((line.lease, charge), 0) - cents
            outcome.posted += 1
            outcome.posted_cents += line.amount_cents
        context.flush()
        payments.change_escrow(context.db, context.connection, taken)
        context.db.bulk_insert(context.connection, schema.bank_check, _CHECK_COLUMNS, checks)

    def _post_line(self, context: PostingContext, line: Line, decision: Disbursement) -> tuple[Any, ...]:
        """Post one line; gives the row of its check."""
        lease = decision.lease
        unit = context.unit(lease.portfolio, self.name)
        unit.add(
            office_id=lease.office_id,
            txn=TRANSACTION,
            effective_date=unit.business_date,
            legs=[
                *((account, "D", cents) for _, account, cents in decision.parts),
                (decision.cash_account, "C", line.amount_cents),
            ],
            lease=line.lease,
            asset=line.asset,
            source_line=line.line_no,
        )
        return (
            lease.portfolio, line.check_no, decision.bank, lease.office_id, TRANSACTION, line.amount_cents,
            line.disbursal_date, line.lease, line.asset, line.reference, line.payee, address_of(line), "NEW",
            unit.unit_id, context.file.file_id, line.line_no,
        )  # fmt: skip

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        """One row for each escrow charge a line was paid from."""
        codes = {
            (portfolio, purpose): code
            for portfolio, purpose, code in connection.execute(
                text("SELECT portfolio, income_purpose, code FROM charge WHERE type = 'E' ORDER BY used, code DESC")
            )
        }
        for row in stream_rows(connection, _AUDIT, file=file_id, each=schema.ENTRIES_A_UNIT):
            yield (*row[:7], codes.get((row[0], row[7])), *row[8:])

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
_AUDIT = """
SELECT o.portfolio, o.company, o.region, o.office, e.lease, l.lessee, e.asset, a.purpose, s.disbursal_date,
    d.amount_cents, s.check_no, ca.vector, s.payee, s.reference
FROM posting_unit u
JOIN journal_entry e ON e.entry_id >= u.unit_id * :each AND e.entry_id < (u.unit_id + 1) * :each
JOIN staged_escrow s ON s.file_id = u.file_id AND s.line_no = e.source_line
JOIN journal_line d ON d.entry_id = e.entry_id AND d.side = 'D'
JOIN gl_account a ON a.account_id = d.account_id
JOIN journal_line c ON c.entry_id = e.entry_id AND c.side = 'C'
JOIN gl_account ca ON ca.account_id = c.account_id
JOIN office o ON o.office_id = e.office_id
JOIN lease l ON l.lease = e.lease
WHERE u.file_id = :file AND u.kind = 'FILE' ORDER BY e.source_line, d.line
"""
_STANDING = f"""
SELECT {", ".join(f"s.{name}" for name in Line._fields)} FROM staged_escrow s
WHERE s.file_id = :file AND s.line_no > :after AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R')
ORDER BY s.line_no LIMIT :size
"""


def _standing(connection: Connection, file_id: int, after: int, size: int) -> list[Line]:
    rows = connection.execute(text(_STANDING), {"file": file_id, "after": after, "size": size})
    return [Line(*row) for row in rows.all()]


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


def address_of(line: Line) -> str:
    """The payee's address as it is printed, one line a part.

    >>> address_of(Line(1, "50", "1997-01-04", 500, "1", "smith", "111 anza", None, "burlingame", "CA", "940101234",
    ...                 None, None, None))
    '111 anza\\nburlingame, CA 94010-1234'
    """
    state = None if line.state == FREE_FORM else line.state
    zip_code = line.zip
    if state and zip_code and len(zip_code) == 9:
        zip_code = f"{zip_code[:5]}-{zip_code[5:]}"
    place = " ".join(part for part in (state, zip_code) if part)
    last = ", ".join(part for part in (line.city, place) if part)
    return "\n".join(part for part in (line.address, line.address2, last) if part)


UPDATE = EscrowDisbursement()
