"""U0470: the records of a chunk about which nothing is special, decided and posted by a few statements for all of them.

Such a record names a lease of the portfolio and a live batch of one payment line of it, with its amount and check. Its
family takes the money from the batch's own account and leaves none in suspense; the charge has no escrow behind it; no
other live batch of the lease would move, and no other record of the chunk names a batch of the lease. It comes to one
entry, whatever becomes of the records around it. ``reversal_rules`` decides the others, one after the other; a property
test holds both ways equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy import Column, MetaData, Table, text

from gateway.errors import LedgerError
from gateway.ledger.database import as_written
from gateway.updates.posting import Posting
from gateway.updates.reversal_rules import NSF, TRANSFER

REVERSED: Final = "REVL"
"""Transaction code of the named batch's entries taken back."""


class Chunk(NamedTuple):
    """Lines of a file, both ends included."""

    first: int
    last: int


class Found(NamedTuple):
    """A plain record and the payment line that it takes back."""

    line_no: int
    cents: int
    batch: str
    line: int
    check_no: str | None
    lease: str
    invoice: str
    reason: str


@dataclass(slots=True)
class Plain:
    """The plain records of a chunk in file order; ``entries`` are the numbers of their entries, once they are given."""

    records: Sequence[Found] = ()
    entries: list[int] = field(default_factory=list)


_COLUMNS: Final = (
    "line_no BIGINT PRIMARY KEY, cents BIGINT, batch TEXT, line INTEGER, check_no TEXT, lease TEXT, invoice TEXT, reason TEXT, "
    "charge TEXT, asset TEXT, entry_id BIGINT, effective_date TEXT"
)
_NUMBERS: Final = Table("reversal_number", MetaData(), Column("line_no"), Column("entry_id"))
_STANDS: Final = """s.file_id = :file AND s.line_no BETWEEN :first AND :last AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R')"""
_SHARED: Final = f"""
INSERT INTO reversal_shared (lease)
SELECT p.lease FROM staged_reversal s CROSS JOIN payment_line p WHERE {_STANDS} AND p.batch = s.batch AND p.lease IS NOT NULL
GROUP BY p.lease HAVING COUNT(DISTINCT s.line_no) > 1
"""
# What is counted a row is not joined: PostgreSQL would go through whole tables, because its figures are from before this
# transaction. Likewise a state with nothing behind it would be looked for first.
_FIND: Final = f"""
INSERT INTO reversal_plain (line_no, cents, batch, line, check_no, lease, invoice, reason, charge, asset, entry_id, effective_date)
SELECT s.line_no, s.amount_cents, s.batch, p.line, b.check_no, p.lease, p.invoice, COALESCE(s.reason, :reason), p.charge,
    p.asset, p.entry_id, COALESCE(s.effective_date, :date)
FROM staged_reversal s CROSS JOIN lease l CROSS JOIN payment_batch b CROSS JOIN payment_line p CROSS JOIN charge c
CROSS JOIN receivable r
WHERE {_STANDS} AND s.target_kind = 'L' AND s.bank IS NULL AND SUBSTR(COALESCE(s.reason, :reason), 1, 1) NOT IN ({{others}})
    AND l.lease = s.target AND l.portfolio || '' = :portfolio
    AND b.batch = s.batch AND b.portfolio || '' = :portfolio AND b.state || '' = 'LIVE'
    AND (s.check_no IS NULL OR s.check_no = b.check_no)
    AND p.batch = s.batch AND p.lease || '' = s.target AND p.amount_cents = s.amount_cents AND p.suspense_item IS NULL
    AND p.state || '' = 'APPLIED' AND 1 = (SELECT COUNT(*) FROM payment_line o WHERE o.batch = s.batch)
    AND c.portfolio = :portfolio AND c.code = p.charge AND NOT (c.type || '' = 'E' AND c.basis || '' = 'C')
    AND r.invoice = p.invoice AND r.charge = p.charge AND r.asset = p.asset
    AND NOT EXISTS (SELECT 1 FROM reversal_shared h WHERE h.lease = s.target)
    AND 0 = (SELECT COUNT(*) FROM payment_line q CROSS JOIN payment_batch a WHERE q.lease = s.target
        AND q.batch <> s.batch AND q.state || '' = 'APPLIED' AND a.batch = q.batch AND a.effective_date >= b.effective_date)
"""
_ENTRIES: Final = f"""
INSERT INTO journal_entry (entry_id, office_id, lease, invoice, asset, txn, reason, effective_date, source_line, corrects)
SELECT n.entry_id, e.office_id, e.lease, e.invoice, e.asset, '{REVERSED}', t.reason, t.effective_date, t.line_no, e.entry_id
FROM reversal_plain t CROSS JOIN reversal_number n CROSS JOIN journal_entry e
WHERE n.line_no = t.line_no AND e.entry_id = t.entry_id ORDER BY t.line_no
"""
_LEGS: Final = """
INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents)
SELECT n.entry_id, j.line, j.account_id, CASE j.side WHEN 'D' THEN 'C' ELSE 'D' END, j.amount_cents
FROM reversal_plain t CROSS JOIN reversal_number n CROSS JOIN journal_line j
WHERE n.line_no = t.line_no AND j.entry_id = t.entry_id ORDER BY t.line_no, j.line
"""
_CHANGES: Final = {
    "payment lines": "UPDATE payment_line SET state = 'REVERSED', reversed_by = n.entry_id FROM reversal_plain t CROSS JOIN reversal_number n "
    "WHERE n.line_no = t.line_no AND payment_line.batch = t.batch AND payment_line.line = t.line",
    "batches": "UPDATE payment_batch SET state = 'REVERSED' FROM reversal_plain t WHERE payment_batch.batch = t.batch",
    "charge lines": "UPDATE receivable SET paid_cents = paid_cents - t.cents FROM reversal_plain t "
    "WHERE receivable.invoice = t.invoice AND receivable.charge = t.charge AND receivable.asset = t.asset",
    "leases": "UPDATE lease SET nsf_count = nsf_count + 1 FROM reversal_plain t "
    f"WHERE SUBSTR(t.reason, 1, 1) = '{NSF}' AND lease.lease = t.lease",
}
"""Each changes a row once: a plain record is the only one of its lease."""


def find(posting: Posting, chunk: Chunk) -> Plain:
    """Fill ``reversal_plain`` with the plain records of a chunk of the file."""
    db, connection, settings = posting.db, posting.connection, posting.settings.reversals
    values = {
        "file": posting.file_id, "first": chunk.first, "last": chunk.last, "portfolio": posting.unit.portfolio,
        "date": posting.unit.business_date, "reason": settings.default_reason,
    }  # fmt: skip
    db.scratch(connection, "reversal_shared", "lease TEXT PRIMARY KEY")
    db.scratch(connection, "reversal_plain", _COLUMNS)
    others = ", ".join(f"'{family}'" for family in sorted({TRANSFER, *map(str, settings.bank)}))
    with as_written(connection):
        connection.execute(text(_SHARED), values)
        connection.execute(text(_FIND.format(others=others)), values)
        rows = db.fetch(connection, f"SELECT {', '.join(Found._fields)} FROM reversal_plain ORDER BY line_no")
    return Plain(list(map(Found._make, rows)))


def write(posting: Posting, plain: Plain) -> None:
    """Post what ``find`` found, under the entry numbers that were given since."""
    if not plain.records:
        return
    db, connection = posting.db, posting.connection
    db.scratch(connection, _NUMBERS.name, "line_no BIGINT PRIMARY KEY, entry_id BIGINT")
    pairs = ((record.line_no, entry) for record, entry in zip(plain.records, plain.entries, strict=True))
    db.bulk_insert(connection, _NUMBERS, ("line_no", "entry_id"), pairs)
    with as_written(connection):
        for statement in (_ENTRIES, _LEGS):
            connection.execute(text(statement))
        bounced = sum(record.reason[0] == NSF for record in plain.records)
        for (what, statement), expected in zip(_CHANGES.items(), (*[len(plain.records)] * 3, bounced), strict=True):
            changed = connection.execute(text(statement)).rowcount
            if changed != expected:
                raise LedgerError(f"taking back {expected} {what}: found {changed} of them, expected all")
