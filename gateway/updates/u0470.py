"""U0470, Batch Payment Reversal: takes whole payment batches back, and applies later ones of the lease again.

Records of a file are handled one after the other in memory, chunk by chunk. Rules: ``reversal_rules`` and
``reversal_reapply``. Postings: ``reversal_post``. Words: ``reversal_messages``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.ledger import schema
from gateway.ledger.payments import no_collection
from gateway.updates import payment_reports, reversal_reports
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.payment_strangers import refuse_strangers
from gateway.updates.posting import of_file
from gateway.updates.reversal_draft import ReversalDraft
from gateway.updates.reversal_facts import Record
from gateway.updates.reversal_post import Reversals
from gateway.updates.reversal_rules import Decision, Fail, Reverse

CHUNK_LINES = 5_000

_RECORDS = f"""
SELECT {", ".join(Record._fields)} FROM staged_reversal s
WHERE file_id = :file AND line_no > :after AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R'
) ORDER BY line_no LIMIT :limit
"""


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
        run: Reversals | None = None
        after = 0
        with no_collection():  # also between chunks, where all of one is still at hand
            while records := _records(context, after):
                run = run or Reversals(of_file(context, self.name))
                for decision in run.handle(records):
                    _count(decision, outcome)
                after = records[-1].line_no
        if run is not None:
            run.finish()
        return outcome

    def draft(self, connection: Connection, file_id: int) -> ReversalDraft:
        return ReversalDraft(connection)

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reversal_reports.audit_rows(connection, file_id)

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reversal_reports.exception_rows(connection, file_id)

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        return payment_reports.outcomes(connection, file_id, self.staging.name, order="source_line, entry_id")


UPDATE = BatchPaymentReversal()


def _records(context: PostingContext, after: int) -> list[Record]:
    rows = context.db.fetch(context.connection, _RECORDS, file=context.file.file_id, after=after, limit=CHUNK_LINES)
    return list(map(Record._make, rows))


def _count(decision: Decision, outcome: Outcome) -> None:
    cents = decision.record.amount_cents
    match decision:
        case Reverse():
            outcome.posted += 1
            outcome.posted_cents += cents
        case Fail():
            outcome.suspended += 1
            outcome.suspended_cents += cents
        case _:
            outcome.rejected += 1
            outcome.rejected_cents += cents
