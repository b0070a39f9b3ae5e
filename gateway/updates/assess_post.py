"""U0418, second half: a resolved block of lines becomes receivables, escrow balances and journal entries.

One charge line of an invoice is one receivable: an invoice, a charge code and an asset (or none). Assessing the same
charge again adds to its line; only a new charge line counts towards the limit, in the order of the file.

The entry of a line has the line's number as its ordinal, so that a line leads to its entry without a look-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from gateway.ledger.database import stream_blocks
from gateway.updates.assess_resolve import Scope

LIMIT_EXCEEDED = "ASSESSMENT LIMIT EXCEEDED"

_OR_RAISE = """ON CONFLICT (invoice, charge, asset) DO UPDATE
SET billed_cents = receivable.billed_cents + excluded.billed_cents"""


def gather_charges(scope: Scope) -> None:
    """Fill ``assess_key`` (charge lines the block adds to) and ``assess_invoice`` (what their invoices hold).

    By way of ``assess_named``, whose key SQLite groups by as it stands: otherwise it sorts every charge line of every invoice.
    """
    scope.db.scratch(
        scope.connection,
        "assess_key",
        "invoice TEXT NOT NULL, charge TEXT NOT NULL, asset TEXT NOT NULL, first_line INTEGER NOT NULL, "
        "amount_cents BIGINT NOT NULL",
        key="invoice, charge, asset",
        clustered=True,
    )
    scope.connection.execute(
        text(
            "INSERT INTO assess_key (invoice, charge, asset, first_line, amount_cents) "
            "SELECT invoice, code, COALESCE(asset, ''), MIN(line_no), SUM(amount_cents) FROM assess_line "
            "WHERE problem IS NULL GROUP BY invoice, code, COALESCE(asset, '')"
        )
    )
    scope.db.scratch(
        scope.connection, "assess_named", "invoice TEXT NOT NULL, keys INTEGER NOT NULL", key="invoice", clustered=True
    )
    scope.db.scratch(
        scope.connection,
        "assess_invoice",
        "invoice TEXT NOT NULL, keys INTEGER NOT NULL, held INTEGER NOT NULL, top INTEGER NOT NULL",
        key="invoice",
        clustered=True,
    )
    scope.db.analyze(scope.connection, "assess_key")
    for statement in (
        "INSERT INTO assess_named (invoice, keys) SELECT invoice, COUNT(*) FROM assess_key GROUP BY invoice",
        "INSERT INTO assess_invoice (invoice, keys, held, top) "
        "SELECT n.invoice, MIN(n.keys), COUNT(r.invoice), COALESCE(MAX(r.position), 0) "
        "FROM assess_named n LEFT JOIN receivable r ON r.invoice = n.invoice GROUP BY n.invoice",
    ):
        scope.connection.execute(text(statement))


def add_charges(scope: Scope) -> None:
    """Charges of a block of a file whose limit is far: straight onto the invoices, each by its lease's figures.

    The line's number follows what the invoice held before the file, so that positions rise from block to block.
    """
    scope.db.insert_or(
        scope.connection,
        "INSERT INTO receivable (invoice, charge, asset, position, billed_cents) "
        "SELECT invoice, code, COALESCE(asset, ''), MIN(top + line_no), SUM(amount_cents) FROM assess_line "
        "WHERE problem IS NULL GROUP BY invoice, code, COALESCE(asset, '')",
        _OR_RAISE,
    )


_PLACED = """
SELECT k.invoice, k.charge, k.asset, v.held + ROW_NUMBER() OVER (PARTITION BY k.invoice ORDER BY k.first_line) AS place
FROM assess_invoice v CROSS JOIN assess_key k
WHERE v.held + v.keys > :limit AND k.invoice = v.invoice AND NOT EXISTS (
    SELECT 1 FROM receivable r WHERE r.invoice = k.invoice AND r.charge = k.charge AND r.asset = k.asset)
"""


def enforce_limit(scope: Scope) -> None:
    """Mark the lines whose charge lines would be one too many on their invoice."""
    limit = {"limit": scope.charge_lines, "problem": LIMIT_EXCEEDED}
    near = scope.connection.execute(
        text("SELECT COUNT(*) FROM assess_invoice WHERE held + keys > :limit"), {"limit": scope.charge_lines}
    ).scalar_one()
    if not near:
        return
    scope.db.scratch(
        scope.connection, "assess_over", "invoice TEXT, charge TEXT, asset TEXT, PRIMARY KEY (invoice, charge, asset)"
    )
    scope.connection.execute(
        text(
            "INSERT INTO assess_over (invoice, charge, asset) SELECT invoice, charge, asset "
            f"FROM ({_PLACED}) placed WHERE place > :limit"
        ),
        {"limit": scope.charge_lines},
    )
    for statement in (
        "UPDATE assess_line SET problem = :problem WHERE problem IS NULL AND EXISTS (SELECT 1 FROM assess_over o "
        "WHERE o.invoice = assess_line.invoice AND o.charge = assess_line.code "
        "AND o.asset = COALESCE(assess_line.asset, ''))",
        "DELETE FROM assess_key WHERE EXISTS (SELECT 1 FROM assess_over o WHERE o.invoice = assess_key.invoice "
        "AND o.charge = assess_key.charge AND o.asset = assess_key.asset)",
    ):
        scope.connection.execute(text(statement), limit if ":problem" in statement else {})


def add_receivables(scope: Scope, first: int) -> None:
    """Raise charge lines that exist, add the others at the end of their invoice in the order of the file.

    A new line's position follows from its place in the block (which began with line ``first``), so that nothing is
    numbered or sorted: positions rise, with gaps.
    """
    scope.db.insert_or(
        scope.connection,
        "INSERT INTO receivable (invoice, charge, asset, position, billed_cents) "
        "SELECT k.invoice, k.charge, k.asset, v.top + k.first_line - :before, k.amount_cents "
        "FROM assess_key k JOIN assess_invoice v ON v.invoice = k.invoice WHERE true",
        _OR_RAISE,
        before=first - 1,
    )


def raise_escrow(scope: Scope) -> None:
    """An accrual escrow charge credits its payable when it is assessed: the lease's balance rises with it."""
    used = scope.connection.execute(text("SELECT COUNT(*) FROM assess_account WHERE escrow = 'Y'")).scalar_one()
    if used:
        scope.connection.execute(
            text(
                "INSERT INTO escrow_balance (lease, charge, balance_cents) "
                "SELECT lease, code, SUM(amount_cents) FROM assess_line WHERE problem IS NULL AND escrow = 'Y' "
                "GROUP BY lease, code ON CONFLICT (lease, charge) DO UPDATE "
                "SET balance_cents = escrow_balance.balance_cents + excluded.balance_cents"
            )
        )


def add_entries(scope: Scope, first_id: int, *, is_file: bool = True) -> None:
    """One entry a line: debit the receivable, credit ASSESSED FEES (cash basis) or the income or payable account. It leads
    back to its line where there is a file."""
    scope.connection.execute(
        text(
            "INSERT INTO journal_entry (entry_id, office_id, lease, invoice, asset, txn, reason, effective_date, "
            "source_line) SELECT :first + line_no, office_id, lease, invoice, asset, code, reason, :date, "
            f"{'line_no' if is_file else 'NULL'} FROM assess_line WHERE problem IS NULL"
        ),
        {"first": first_id, "date": scope.business_date},
    )
    scope.connection.execute(
        text(
            "INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents) "
            "SELECT :first + a.line_no, leg.line, CASE leg.line WHEN 1 THEN a.receivable ELSE a.credit END, "
            "CASE leg.line WHEN 1 THEN 'D' ELSE 'C' END, a.amount_cents "
            "FROM assess_line a CROSS JOIN (SELECT 1 AS line UNION ALL SELECT 2) leg WHERE a.problem IS NULL"
        ),
        {"first": first_id},
    )


def posted(scope: Scope) -> Iterator[list[tuple[Any, ...]]]:
    """The lines of the block that posted, for whoever follows (``base.Follower``)."""
    return stream_blocks(
        scope.connection,
        "SELECT line_no, office_id, invoice, CASE WHEN asset IS NOT NULL THEN lease END FROM assess_line "
        "WHERE problem IS NULL ORDER BY line_no",
    )


def posted_lines(scope: Scope, first: int, last: int, count: int) -> list[int]:
    """The numbers of the ``count`` lines of a block that posted. Where all of it did they need not be read (measured: a
    twentieth of the time that a million lines take)."""
    if count == last - first + 1:
        return list(range(first, last + 1))
    rows = scope.db.fetch(scope.connection, "SELECT line_no FROM assess_line WHERE problem IS NULL ORDER BY line_no")
    return [line for (line,) in rows]


TOLD_LEASES = 100_000
"""Leases told at once; a file that touches more is told line by line (measured: so many take 25 MB of the process that is told,
and save a twentieth of the time of a million lines)."""


def leases(scope: Scope) -> Iterator[dict[str, tuple[int, str | None]]] | None:
    """Office and next invoice of every lease that a file touches, some thousands at a time; None when they are too many."""
    if scope.connection.execute(text("SELECT COUNT(*) FROM assess_lease")).scalar_one() > TOLD_LEASES:
        return None
    blocks = stream_blocks(scope.connection, "SELECT lease, office_id, next_invoice FROM assess_lease")
    return ({lease: (office, invoice) for lease, office, invoice in block} for block in blocks)


def sums(scope: Scope) -> tuple[int, int, int, int]:
    """Lines posted, their cents, lines rejected, their cents, of the block."""
    row = scope.connection.execute(
        text(
            "SELECT COUNT(*) - COUNT(problem), CAST(COALESCE(SUM(CASE WHEN problem IS NULL THEN amount_cents END), 0) "
            "AS BIGINT), COUNT(problem), CAST(COALESCE(SUM(CASE WHEN problem IS NOT NULL THEN amount_cents END), 0) "
            "AS BIGINT) FROM assess_line"
        )
    ).one()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])
