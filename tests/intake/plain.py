"""An update that posts every line of a lease it knows: what intake needs to be shown, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.ledger import schema
from gateway.reports.table import Column, ReportSpec
from gateway.updates.base import Outcome, PostingContext

COLUMNS = (Column("line", "LINE", 8, "count"), Column("message", "MESSAGE", 60, wraps=True))


class PlainUpdate:
    """Debits cash and credits suspense for every line that stands; refuses what names a lease nobody knows."""

    name = "U0418"
    exceptions = ReportSpec("U0418A", "EXCEPTIONS", COLUMNS)
    audit = ReportSpec("U0418B", "AUDIT", COLUMNS)

    def __init__(self, kind: str = "assessments") -> None:
        self.kind = kind
        self.staging = schema.metadata.tables[
            {"assessments": "staged_assessment", "escrow": "staged_escrow", "payments": "staged_payment"}[kind]
        ]
        self.fault: Exception | None = None
        self.posts = 0

    def post(self, context: PostingContext) -> Outcome:
        self.posts += 1
        if self.fault is not None:
            raise self.fault
        lease = "s.target" if self.kind == "payments" else "s.lease"
        rows = context.connection.execute(
            text(
                f"SELECT s.line_no, {lease}, s.amount_cents, l.portfolio, l.office_id FROM {self.staging.name} s "
                f"LEFT JOIN lease l ON l.lease = {lease} WHERE s.file_id = :id AND NOT EXISTS "
                "(SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no "
                "AND m.severity = 'R') ORDER BY s.line_no"
            ),
            {"id": context.file.file_id},
        ).all()
        outcome = Outcome()
        for line_no, name, cents, portfolio, office in rows:
            if portfolio is None or (context.file.portfolio or portfolio) != portfolio:
                context.message(
                    line_no, "R", "LEASE_UNKNOWN", field="lease", found=f"lease {name}", expected="a lease of this file's "
                    "portfolio", action="correct it", amount_cents=cents,
                )  # fmt: skip
                outcome.rejected += 1
                outcome.rejected_cents += cents
                continue
            unit = context.unit(portfolio, self.name)
            unit.add(
                office_id=office, txn="LTCH", effective_date=unit.business_date, lease=name, source_line=line_no,
                legs=[(office * 10 + 1, "D", cents), (office * 10 + 2, "C", cents)],
            )  # fmt: skip
            outcome.posted += 1
            outcome.posted_cents += cents
        return outcome

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        for line_no, state, entries in self.outcomes(connection, file_id):
            yield (line_no, f"{state} {entries}")

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        rows = connection.execute(
            text("SELECT line_no, code FROM line_message WHERE file_id = :id ORDER BY line_no, seq"), {"id": file_id}
        )
        for row in rows:
            yield (row[0], row[1])

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        rows = connection.execute(
            text(
                f"SELECT s.line_no, MIN(m.severity), MIN(e.entry_id) FROM {self.staging.name} s "
                "LEFT JOIN line_message m ON m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R' "
                "LEFT JOIN posting_unit u ON u.file_id = s.file_id "
                "LEFT JOIN journal_entry e ON e.source_line = s.line_no AND e.entry_id / 100000000 = u.unit_id "
                "WHERE s.file_id = :id GROUP BY s.line_no ORDER BY s.line_no"
            ),
            {"id": file_id},
        )
        for line_no, refused, entry in rows:
            yield line_no, "rejected" if refused else "posted", [int(entry)] if entry else []


UPDATE = PlainUpdate()
