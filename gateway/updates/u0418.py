"""U0418, Batch Assessment: charges put on leases and assets, set by set.

A line names a lease or an asset, a charge code and an amount, perhaps an invoice or a due date. It is posted on

* the named invoice, when it is of that lease and, if a due date is named too, due that day;
* the lease's invoice due on the named day, made if missing;
* otherwise the lease's next invoice: the earliest due on or after the open business date; on a lease that no longer
  accrues (its maturity has passed or its accrual method is NONE) the latest one; where there is none, one made on
  the lease's next due date. It is looked up once, as the ledger stood before the file.

Of several invoices of a lease due on one day the one with the lowest number (as text) is meant; of several latest
ones the highest. The effective date of the entry is the business date; the due date stays with the invoice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.errors import LedgerError
from gateway.ledger import schema
from gateway.ledger.database import stream_blocks
from gateway.reports.table import OFFICE_COLUMNS, Blocks, Column, ReportSpec
from gateway.updates import assess_invoices, assess_post, assess_problems, assess_report, assess_resolve
from gateway.updates.assess_draft import AssessDraft
from gateway.updates.assess_invoices import Made
from gateway.updates.base import Follower, Outcome, PostingContext

CODE = Column("code", "CODE", 4)
DUE_DATE = Column("due_date", "DUE DATE", 10, "date")


class BatchAssessment:
    """The update of ``p<n>_btchassmt.dat``."""

    name = "U0418"
    kind = "assessments"
    staging = schema.staged_assessment
    exceptions = assess_report.exception_spec("U0418A", "BATCH ASSESSMENT EXCEPTIONS", CODE, DUE_DATE)
    audit = ReportSpec(
        "U0418B",
        "BATCH ASSESSMENT AUDIT",
        (
            *OFFICE_COLUMNS,
            Column("lease", "LEASE", 10),
            Column("lessee", "LESSEE", 10),
            Column("asset", "ASSET", 10),
            CODE,
            Column("code_name", "CODE NAME", 24, wraps=True),
            Column("amount", "AMOUNT", 16, "money", totalled=True),
            Column("invoice", "INVOICE", 8),
            DUE_DATE,
        ),
        by_office=True,
        total_by="code",
    )

    def __init__(self, block_lines: int = assess_resolve.BLOCK_LINES) -> None:
        self.block_lines = block_lines

    def post(self, context: PostingContext) -> Outcome:
        """Post every staged line that stands, a block of lines at a time, in file order."""
        portfolio = context.file.portfolio
        if portfolio is None:
            raise LedgerError(f"posting {context.file.name}: found no portfolio in its name, expected p<n>_")
        unit = context.unit(portfolio, self.name)
        scope = assess_resolve.Scope(
            context.db,
            context.connection,
            context.file.file_id,
            portfolio,
            unit.business_date,
            context.settings.portfolio(portfolio).assessments.charge_lines_an_invoice,
        )
        context.flush()
        rejects = _any_rejected(context.connection, scope.file_id)
        plain = assess_resolve.names_leases_only(scope)
        assess_resolve.prepare(scope, leases_only=plain)
        far = assess_resolve.limit_is_far(scope, leases_only=plain)
        outcome = Outcome()
        teller = None if context.follower is None else _Teller(context.follower, scope, unit.first_id, by_lease=plain)
        for first, last in assess_resolve.blocks(scope, self.block_lines):
            assess_resolve.resolve(scope, first, last, rejects=rejects, leases_only=plain)
            made = self._apply(scope, unit.first_id, first, far=far)
            posted, posted_cents, rejected, rejected_cents = assess_post.sums(scope)
            if teller is not None:
                teller.tell(first, last, posted, made)
            if rejected:
                assess_problems.report_problems(scope, context)
            outcome.posted += posted
            outcome.posted_cents += posted_cents
            outcome.rejected += rejected
            outcome.rejected_cents += rejected_cents
        return outcome

    @staticmethod
    def _apply(scope: assess_resolve.Scope, first_id: int, first_line: int, *, far: bool) -> list[Made]:
        """Post the resolved block; gives the invoices it made."""
        made = assess_invoices.make_missing(scope)
        if far:
            assess_post.add_charges(scope)
        else:
            assess_post.gather_charges(scope)
            assess_post.enforce_limit(scope)
            assess_post.add_receivables(scope, first_line)
        assess_post.raise_escrow(scope)
        assess_post.add_entries(scope, first_id)
        return made

    def audit_rows(self, connection: Connection, file_id: int) -> Iterable[Sequence[Any]]:
        """Whole columns from the database, in file order: nothing is done a row here, a month's file has a million."""
        bounds = unit_bounds(connection, file_id)
        posted = assess_report.posted_blocks(connection, file_id, *bounds) if bounds else ()
        return Blocks(assess_report.audit_blocks(connection, file_id, posted))

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return assess_report.exception_rows(
            connection, file_id, staging="staged_assessment", reference="code", day="due_date"
        )

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        """Entry numbers follow from line numbers, so nothing of the journal is read."""
        bounds = unit_bounds(connection, file_id)
        for block in stream_blocks(connection, _LINES, file=file_id):
            lines = [line for (line,) in block]
            within = {"file": file_id, "first": lines[0], "last": lines[-1]}
            refused = set(connection.execute(text(_REFUSED), within).scalars())
            words = ["posted" if bounds else "held"] * len(lines)
            entries = [[bounds[0] + line] for line in lines] if bounds else [[] for _ in lines]
            for at, line in enumerate(lines) if refused else ():
                if line in refused:
                    words[at], entries[at] = "rejected", []
            yield from zip(lines, words, entries, strict=True)

    def draft(self, connection: Connection, file_id: int) -> AssessDraft:
        return AssessDraft(connection, file_id)


class _Teller:
    """Says what became of each block: (line, office_id, invoice, the asset's lease) of what posted; where ``by_lease``, the
    lines alone, and office and invoice of every lease once (a third of the time). More: line n has entry ``first_id + n``;
    the leases; the invoices that were made."""

    def __init__(self, follower: Follower, scope: assess_resolve.Scope, first_id: int, *, by_lease: bool) -> None:
        self._follower, self._scope, self._first_id = follower, scope, first_id
        parts = assess_post.leases(scope) if by_lease else None
        self._by_lease = parts is not None
        for leases in parts or ():
            follower.tell(0, ((), (), (), ()), (first_id, leases, []))

    def tell(self, first: int, last: int, posted: int, made: list[Made]) -> None:
        """The block of these lines, ``posted`` of which did."""
        more = (self._first_id, _NO_LEASES, [tuple(invoice) for invoice in made])
        if self._by_lease:
            lines = assess_post.posted_lines(self._scope, first, last, posted)
            self._follower.tell(last, (lines, (), (), ()), more)
            return
        for rows in assess_post.posted(self._scope):
            self._follower.tell(rows[-1][0], list(zip(*rows, strict=True)), more)
            more = (self._first_id, _NO_LEASES, [])
        self._follower.tell(last, ((), (), (), ()), more)


_NO_LEASES: Final[Mapping[str, tuple[int, str | None]]] = {}
_LINES = "SELECT line_no FROM staged_assessment WHERE file_id = :file ORDER BY line_no"
_REFUSED = (
    "SELECT line_no FROM line_message WHERE file_id = :file AND line_no BETWEEN :first AND :last AND severity = 'R'"
)


def _any_rejected(connection: Connection, file_id: int) -> bool:
    statement = "SELECT 1 FROM line_message WHERE file_id = :file AND severity = 'R' LIMIT 1"
    return connection.execute(text(statement), {"file": file_id}).first() is not None


def unit_bounds(connection: Connection, file_id: int) -> tuple[int, int] | None:
    """Lowest and highest entry number the unit of the file may use; None when it is not posted."""
    unit = connection.execute(
        text("SELECT unit_id FROM posting_unit WHERE file_id = :file AND kind IN ('FILE', 'MODULE')"), {"file": file_id}
    ).scalar()
    if unit is None:
        return None
    return unit * schema.ENTRIES_A_UNIT, (unit + 1) * schema.ENTRIES_A_UNIT - 1


UPDATE = BatchAssessment()
