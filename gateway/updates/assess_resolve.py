"""U0418, first half: what each staged assessment means in the ledger, resolved set by set.

Three scratch tables of the transaction: ``assess_account`` (what a charge code posts to in each office),
``assess_lease`` (every lease the file touches, with its next invoice) and ``assess_line`` (one block of lines,
resolved, with the code of the first thing wrong). The lease's next invoice is looked up once, as the ledger stood
before the file, so that it does not depend on the order of the lines; so are the charge lines it holds.

SQLite joins tables in the order of LEFT JOINs, which is the order written here, and looks each key up once a line and
nothing else; so does PostgreSQL, but where lines name leases only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.errors import LedgerError
from gateway.ledger.chart import ASSESSED_FEES
from gateway.ledger.database import Database, by_sets
from gateway.ledger.schema import ENTRIES_A_UNIT

BLOCK_LINES = 200_000
"""Lines resolved and posted at a time: the scratch tables stay small however large the file, while charges of one invoice
still mostly meet in one block."""

ACTIVE_STATUSES = ("ANOR", "AACQ", "AASM", "AEXT", "AEXM", "AA01", "AA02", "ABPT")
"""Statuses of an active lease, as the vendor lists them."""

NO_ACCRUAL = "NONE"
"""The accrual method of a lease that accrues nothing; one that is not told counts as accruing."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a file is resolved against."""

    db: Database
    connection: Connection
    file_id: int
    portfolio: str
    business_date: str
    charge_lines: int  # an invoice holds at most
    staged: str = "staged_assessment"  # table of the lines; another update's own has the columns that are read here
    source: str = "U0418"  # of invoices made

    @property
    def facts(self) -> dict[str, object]:
        return {"file": self.file_id, "portfolio": self.portfolio, "date": self.business_date, "fees": ASSESSED_FEES}


def prepare(scope: Scope, *, leases_only: bool = False) -> None:
    """Fill ``assess_account`` and ``assess_lease``.

    Their keys are indexed on PostgreSQL too: its planner knows little of lines staged in this transaction, and ANALYZE
    of their table would make two portfolios wait for each other; by an index no plan is a bad one.
    """
    scope.db.scratch(
        scope.connection,
        "assess_account",
        "office_id BIGINT NOT NULL, code TEXT NOT NULL, used TEXT NOT NULL, level TEXT NOT NULL, "
        "escrow TEXT NOT NULL, receivable BIGINT, credit BIGINT, missing TEXT, PRIMARY KEY (office_id, code)",
        clustered=True,
    )
    scope.connection.execute(text(_ACCOUNTS), scope.facts)
    scope.db.scratch(
        scope.connection,
        "assess_lease",
        "lease TEXT NOT NULL, office_id BIGINT NOT NULL, problem TEXT, next_invoice TEXT, next_due TEXT, "
        "lines BIGINT NOT NULL, held BIGINT NOT NULL, top BIGINT NOT NULL, PRIMARY KEY (lease)",
        clustered=True,
    )
    named = _NAMED_LEASES if leases_only else _NAMED_LEASES + _NAMED_BY_ASSETS
    scope.connection.execute(text(_LEASES.format(named=named.format(staged=scope.staged))), scope.facts)
    scope.db.analyze(scope.connection, "assess_account", "assess_lease")


_ACCOUNTS = """
INSERT INTO assess_account (office_id, code, used, level, escrow, receivable, credit, missing)
SELECT o.office_id, c.code, c.used, c.level, CASE WHEN c.type = 'E' AND c.basis = 'A' THEN 'Y' ELSE 'N' END,
    r.account_id, k.account_id,
    CASE WHEN r.account_id IS NULL THEN c.receivable_purpose
        WHEN k.account_id IS NULL AND c.basis = 'C' THEN :fees WHEN k.account_id IS NULL THEN c.income_purpose END
FROM charge c JOIN office o ON o.portfolio = c.portfolio
LEFT JOIN gl_account r ON r.office_id = o.office_id AND r.purpose = c.receivable_purpose
LEFT JOIN gl_account k ON k.office_id = o.office_id
    AND k.purpose = CASE c.basis WHEN 'C' THEN :fees ELSE c.income_purpose END
WHERE c.portfolio = :portfolio
"""

_STATUSES = ", ".join(f"'{status}'" for status in ACTIVE_STATUSES)
_LIVE_INVOICE = """(
    SELECT MIN(n.invoice) FROM invoice n WHERE n.lease = l.lease AND n.due_date =
    (SELECT MIN(d.due_date) FROM invoice d WHERE d.lease = l.lease AND d.due_date >= :date))"""
_LAST_INVOICE = """(
    SELECT MAX(n.invoice) FROM invoice n WHERE n.lease = l.lease AND n.due_date =
    (SELECT MAX(d.due_date) FROM invoice d WHERE d.lease = l.lease))"""

_DUE_INVOICE = """(
    SELECT MIN(n.invoice) FROM invoice n WHERE n.lease = l.lease AND n.due_date = l.next_due)"""

_NAMED_LEASES = """
    SELECT s.lease AS lease, COUNT(*) AS lines FROM {staged} s
    WHERE s.file_id = :file AND s.lease IS NOT NULL GROUP BY s.lease"""
_NAMED_BY_ASSETS = """
    UNION ALL
    SELECT a.lease, COUNT(*) FROM {staged} s CROSS JOIN asset a
    WHERE s.file_id = :file AND s.asset IS NOT NULL AND a.asset = s.asset AND a.lease IS NOT NULL GROUP BY a.lease"""
_LEASES = f"""
INSERT INTO assess_lease (lease, office_id, problem, next_invoice, next_due, lines, held, top)
WITH named AS ({{named}}
), touched AS (
    SELECT lease, SUM(lines) AS lines FROM named GROUP BY lease
), chosen AS MATERIALIZED (
    SELECT l.lease, l.office_id,
        CASE WHEN l.portfolio <> :portfolio THEN 'LEASE_OTHER_PORTFOLIO'
            WHEN l.status NOT IN ({_STATUSES}) THEN 'LEASE_NOT_ACTIVE' END AS problem,
        CASE WHEN l.maturity < :date OR UPPER(l.accrual_method) = '{NO_ACCRUAL}' THEN {_LAST_INVOICE}
            ELSE COALESCE({_LIVE_INVOICE}, {_DUE_INVOICE}) END AS next_invoice,
        l.next_due, touched.lines
    FROM touched CROSS JOIN lease l WHERE l.lease = touched.lease
)
SELECT c.lease, c.office_id, c.problem, c.next_invoice, c.next_due, c.lines,
    (SELECT COUNT(*) FROM receivable r WHERE r.invoice = c.next_invoice),
    (SELECT COALESCE(MAX(r.position), 0) FROM receivable r WHERE r.invoice = c.next_invoice)
FROM chosen c
"""


def limit_is_far(scope: Scope, *, leases_only: bool = False) -> bool:
    """No line of the file can be a charge line too many: each lands on its lease's next invoice, or on one made for
    the lease, and all of them together are within the limit with what the invoice holds."""
    if not leases_only and _any(scope, "invoice IS NOT NULL OR due_date IS NOT NULL"):
        return False
    near = text("SELECT 1 FROM assess_lease WHERE lines + held > :limit LIMIT 1")
    return scope.connection.execute(near, {"limit": scope.charge_lines}).first() is None


def blocks(scope: Scope, size: int) -> Iterator[tuple[int, int]]:
    """First and last line number of each block of at most ``size`` lines."""
    last = (
        scope.connection.execute(
            text("SELECT MAX(line_no) FROM staged_assessment WHERE file_id = :file"), {"file": scope.file_id}
        ).scalar()
        or 0
    )
    if last >= ENTRIES_A_UNIT:
        raise LedgerError(f"posting file {scope.file_id}: found line {last}, expected fewer than {ENTRIES_A_UNIT}")
    for first in range(1, last + 1, size):
        yield first, min(first + size - 1, last)


def names_leases_only(scope: Scope) -> bool:
    """Every line of the file names a lease, and neither an asset nor an invoice or due date."""
    return not _any(scope, "asset IS NOT NULL OR invoice IS NOT NULL OR due_date IS NOT NULL")


def _any(scope: Scope, condition: str) -> bool:
    statement = f"SELECT 1 FROM {scope.staged} WHERE file_id = :file AND ({condition}) LIMIT 1"
    return scope.connection.execute(text(statement), {"file": scope.file_id}).first() is not None


def resolve(scope: Scope, first: int, last: int, *, rejects: bool, leases_only: bool = False) -> None:
    """Fill ``assess_line`` with the lines of a block that still stand; ``rejects`` says that some do not.

    Where lines name leases only, PostgreSQL joins them with what was gathered of these as two sets; what else a line names
    is looked up line by line, because the tables of all assets and invoices may be far larger than a file.
    """
    scope.db.scratch(
        scope.connection,
        "assess_line",
        "line_no INTEGER NOT NULL, lease TEXT, asset TEXT, office_id BIGINT, receivable BIGINT, credit BIGINT, "
        "escrow TEXT, invoice TEXT, due_date TEXT, code TEXT NOT NULL, amount_cents BIGINT NOT NULL, reason TEXT, "
        "top BIGINT, problem TEXT",
        key="line_no",
    )
    statement = _LINES.format(
        staged=scope.staged, named="FALSE" if leases_only else "TRUE", standing=_STANDING if rejects else ""
    )
    with by_sets(scope.connection) if leases_only else nullcontext():
        scope.connection.execute(text(statement), {**scope.facts, "first": first, "last": last})


_PROBLEM = """CASE
    WHEN s.asset IS NOT NULL AND a.asset IS NULL THEN 'ASSET_UNKNOWN'
    WHEN s.asset IS NOT NULL AND a.lease IS NULL THEN 'ASSET_NOT_ON_LEASE'
    WHEN t.lease IS NULL THEN 'LEASE_UNKNOWN'
    WHEN t.problem IS NOT NULL THEN t.problem
    WHEN c.code IS NULL THEN 'CHARGE_UNKNOWN'
    WHEN c.used <> 'Y' THEN 'CHARGE_NOT_USED'
    WHEN c.level <> CASE WHEN s.asset IS NULL THEN 'lease' ELSE 'asset' END THEN 'CHARGE_LEVEL'
    WHEN s.invoice IS NOT NULL AND i.invoice IS NULL THEN 'INVOICE_UNKNOWN'
    WHEN i.lease <> t.lease THEN 'INVOICE_OTHER_LEASE'
    WHEN i.due_date <> s.due_date THEN 'INVOICE_OTHER_DUE_DATE'
    WHEN s.invoice IS NULL AND s.due_date IS NULL AND t.next_invoice IS NULL AND t.next_due IS NULL
        THEN 'NO_NEXT_INVOICE'
    WHEN c.missing IS NOT NULL THEN 'ACCOUNT_MISSING' END"""

_INVOICE = """CASE
    WHEN s.invoice IS NOT NULL THEN i.invoice
    WHEN s.due_date IS NULL AND t.next_invoice IS NOT NULL THEN t.next_invoice
    ELSE (SELECT MIN(n.invoice) FROM invoice n
        WHERE n.lease = t.lease AND n.due_date = COALESCE(s.due_date, t.next_due)) END"""

_LINES = f"""
INSERT INTO assess_line (line_no, lease, asset, office_id, receivable, credit, escrow, invoice, due_date, code,
    amount_cents, reason, top, problem)
SELECT s.line_no, COALESCE(s.lease, a.lease), s.asset, t.office_id, c.receivable, c.credit, c.escrow, {_INVOICE},
    COALESCE(s.due_date, t.next_due), s.code, s.amount_cents, s.reason, t.top, {_PROBLEM}
FROM {{staged}} s
LEFT JOIN asset a ON a.asset = s.asset AND {{named}}
LEFT JOIN assess_lease t ON t.lease = COALESCE(s.lease, a.lease)
LEFT JOIN assess_account c ON c.office_id = t.office_id AND c.code = s.code
LEFT JOIN invoice i ON i.invoice = s.invoice AND {{named}}
WHERE s.file_id = :file AND s.line_no BETWEEN :first AND :last {{standing}}
ORDER BY s.line_no
"""
_STANDING = """AND NOT EXISTS (
    SELECT 1 FROM line_message m WHERE m.file_id = :file AND m.line_no = s.line_no AND m.severity = 'R')"""
