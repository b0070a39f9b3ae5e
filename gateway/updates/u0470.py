"""U0470, Batch Payment Reversal: takes whole payment batches back, and applies later ones of the lease again.

Records of a file are handled chunk by chunk: the plain ones all at once (``reversal_plain``), the others one after the
other in memory. Rules: ``reversal_rules`` and ``reversal_reapply``. Postings: ``reversal_post``. Words: ``reversal_messages``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, text

from gateway.collection import no_collection
from gateway.ledger import schema
from gateway.updates import payment_reports, reversal_reports
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.payment_strangers import refuse_strangers
from gateway.updates.posting import of_file
from gateway.updates.reversal_draft import ReversalDraft
from gateway.updates.reversal_facts import Record
from gateway.updates.reversal_plain import Chunk
from gateway.updates.reversal_post import Reversals
from gateway.updates.reversal_rules import Decision, Fail, Reverse

CHUNK_LINES = 5_000

_RECORDS = f"""
SELECT {", ".join(Record._fields)} FROM staged_reversal s
WHERE file_id = :file AND line_no BETWEEN :first AND :last AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R'
) AND NOT EXISTS (SELECT 1 FROM reversal_plain t WHERE t.line_no = s.line_no) ORDER BY line_no
"""
_CHUNK = """
SELECT MIN(c.line_no), MAX(c.line_no) FROM (
    SELECT line_no FROM staged_reversal WHERE file_id = :file AND line_no > :after ORDER BY line_no LIMIT :size) c
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
        with no_collection():  # also between chunks, where all of one is still at hand
            for chunk in _chunks(context):
                run = run or Reversals(of_file(context, self.name))
                plain = run.find_plain(chunk)
                outcome.posted += len(plain.records)
                outcome.posted_cents += sum(record.cents for record in plain.records)
                for decision in run.handle(_records(context, chunk), plain):
                    _count(decision, outcome)
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


def _chunks(context: PostingContext) -> Iterator[Chunk]:
    """The lines of the file, a few at a time."""
    last = 0
    while True:
        values = {"file": context.file.file_id, "after": last, "size": CHUNK_LINES}
        first, last = context.connection.execute(text(_CHUNK), values).one()
        if first is None:
            return
        yield Chunk(first, last)


def _records(context: PostingContext, chunk: Chunk) -> list[Record]:
    """Those that are not plain."""
    rows = context.db.fetch(context.connection, _RECORDS, file=context.file.file_id, first=chunk.first, last=chunk.last)
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
