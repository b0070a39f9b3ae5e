"""U0415, Batch Payments: applies received money to invoices by the payment hierarchy, and makes the batches.

Lines are posted in file order, chunk by chunk, so that memory stays flat. What is posted: ``payment_posting``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.collection import no_collection
from gateway.ledger import schema
from gateway.updates import payment_reports
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.payment_draft import PaymentDraft
from gateway.updates.payment_posting import PaymentRun
from gateway.updates.payment_rules import Record
from gateway.updates.payment_strangers import refuse_strangers
from gateway.updates.posting import of_file

CHUNK_LINES = 50_000

_RECORDS = f"""
SELECT {", ".join(Record._fields)} FROM staged_payment s
WHERE file_id = :file AND line_no > :after AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R'
) ORDER BY line_no LIMIT :limit
"""


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
        run: PaymentRun | None = None
        with no_collection():
            while records := _records(context, after):
                run = run or PaymentRun.start(of_file(context, self.name))
                run.post(records, outcome)
                after = records[-1].line_no
        return outcome

    def audit_rows(self, connection: Connection, file_id: int) -> Iterable[Sequence[Any]]:
        return payment_reports.audit_rows(connection, file_id)

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return payment_reports.exception_rows(connection, file_id)

    def draft(self, connection: Connection, file_id: int) -> PaymentDraft:
        return PaymentDraft(connection, file_id)

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        return payment_reports.outcomes(connection, file_id, self.staging.name)


UPDATE = BatchPayments()


def _records(context: PostingContext, after: int) -> list[Record]:
    rows = context.db.fetch(context.connection, _RECORDS, file=context.file.file_id, after=after, limit=CHUNK_LINES)
    return list(map(Record._make, rows))
