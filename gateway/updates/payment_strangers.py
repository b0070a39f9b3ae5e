"""A file of payments or reversals of which every line names a lease of another portfolio: sent under a wrong name.

Single lines of another portfolio go to suspense, because the bank has moved their money. A whole file of them posts
nothing (as a whole file of any kind does): it is the other portfolio's, and comes again under that name.
"""

from __future__ import annotations

from sqlalchemy import text

from gateway.updates.base import Outcome, PostingContext
from gateway.updates.payment_messages import Finding, emit

_LINES = """
FROM {staging} s
LEFT JOIN invoice i ON s.target_kind = 'I' AND i.invoice = s.target
LEFT JOIN lease l ON l.lease = CASE s.target_kind WHEN 'I' THEN i.lease ELSE s.target END
WHERE s.file_id = :file AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R'
)
"""


def refuse_strangers(context: PostingContext, staging: str, outcome: Outcome) -> bool:
    """Refuse every line when all are of other portfolios; True when that was so."""
    lines = _LINES.format(staging=staging)
    values = {"file": context.file.file_id, "p": context.file.portfolio}
    own = f"SELECT 1 {lines} AND (l.lease IS NULL OR l.portfolio = :p) LIMIT 1"
    if context.connection.execute(text(own), values).first() is not None:
        return False
    statement = f"SELECT s.line_no, s.amount_cents, l.lease, l.portfolio {lines} ORDER BY s.line_no"
    for line_no, cents, lease, portfolio in context.db.fetch(context.connection, statement, file=values["file"]):
        finding = Finding(
            "LEASE_OTHER_PORTFOLIO", "lease", f"lease {lease} of portfolio {portfolio} and none of portfolio {values['p']}",
            f"leases of portfolio {values['p']}", "send the file under the name of its portfolio",
        )  # fmt: skip
        emit(context, line_no, "R", finding, amount_cents=cents)
        outcome.rejected += 1
        outcome.rejected_cents += cents
    return True
