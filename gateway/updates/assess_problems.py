"""U0418: why the ledger refuses a staged assessment, in words. One table of reject codes, in order of precedence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from gateway.ledger.payments import near_leases
from gateway.ledger.typed import assess_command
from gateway.updates.assess_post import LIMIT_EXCEEDED
from gateway.updates.assess_resolve import ACTIVE_STATUSES, Scope
from gateway.updates.base import PostingContext

PAGE = 5_000
"""Problems put into words at a time."""
AGAIN: Final = ", and drop the line again"
"""How an action ends that mends what a file's line says."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The parts of a message; names in braces are facts of the line."""

    field: str
    found: str
    expected: str
    action: str


class Why(NamedTuple):
    """What is wrong with a line, in words."""

    line_no: int
    code: str
    field: str
    found: str
    expected: str
    action: str
    amount_cents: int
    by_hand: str | None
    """The command that puts the charge elsewhere, where that is all that is wanting."""


PROBLEMS: dict[str, Wording] = {
    "ASSET_UNKNOWN": Wording(
        "asset", "asset {asset}, which the ledger does not have", "an asset on a lease",
        "correct the asset number or load the asset, and drop the line again",
    ),
    "ASSET_NOT_ON_LEASE": Wording(
        "asset", "asset {asset}, which is on no lease", "an asset on a lease",
        "put the asset on its lease, and drop the line again",
    ),
    "LEASE_UNKNOWN": Wording(
        "lease", "lease {lease}, which the ledger does not have", "a lease of portfolio {portfolio}", "{unknown_lease}",
    ),
    "LEASE_OTHER_PORTFOLIO": Wording(
        "lease", "lease {lease} of portfolio {other_portfolio}", "a lease of portfolio {portfolio}",
        "send the line in the file of portfolio {other_portfolio}",
    ),
    "LEASE_NOT_ACTIVE": Wording(
        "lease", "lease {lease} with status {status}", f"an active lease ({' '.join(ACTIVE_STATUSES)})",
        "correct the lease number or the status, and drop the line again",
    ),
    "CHARGE_UNKNOWN": Wording(
        "code", "the code {code}", "a charge of portfolio {portfolio}",
        "correct the code or load the charge, and drop the line again",
    ),
    "CHARGE_NOT_USED": Wording(
        "code", "the code {code}, which portfolio {portfolio} does not use", "a charge in use",
        "set used to Y for it in charges.csv or correct the code, and drop the line again",
    ),
    "CHARGE_LEVEL": Wording(
        "code", "the {level}-level code {code} with {named}", "{level_article} with it",
        "charge it by {level} or correct the code, and drop the line again",
    ),
    "INVOICE_UNKNOWN": Wording(
        "invoice", "invoice {invoice}, which the ledger does not have", "an invoice of lease {lease}",
        "correct the invoice number or leave it out, and drop the line again",
    ),
    "INVOICE_OTHER_LEASE": Wording(
        "invoice", "invoice {invoice} of lease {invoice_lease}", "an invoice of lease {lease}",
        "correct the invoice number or the lease, and drop the line again",
    ),
    "INVOICE_OTHER_DUE_DATE": Wording(
        "due_date", "the due date {due_date} with invoice {invoice}, which is due {invoice_due}",
        "the due date of that invoice", "correct one of the two or leave it out, and drop the line again",
    ),
    "NO_NEXT_INVOICE": Wording(
        "lease", "lease {lease} without an invoice due on or after {business_date} and without a next due date",
        "an invoice to put the charge on", "name an invoice or a due date, and drop the line again",
    ),
    "ACCOUNT_MISSING": Wording(
        "code", "no account for {missing} in office {office} of portfolio {portfolio}",
        "one in the office's chart for the code {code}", "load it with gl_accounts.csv, and drop the line again",
    ),
    LIMIT_EXCEEDED: Wording(
        "invoice", "the code {code} as one charge line too many on invoice {on_invoice}",
        "{limit} charge lines at most on an invoice", "put the charge on another invoice, and drop the line again",
    ),
}  # fmt: skip

_ELSEWHERE: Final = {"NO_NEXT_INVOICE": "--due YYYY-MM-DD", LIMIT_EXCEEDED: "--invoice NUMBER"}
"""Problems of a sound line that wants another invoice, and the option that names it."""

_PAGE_OF = """
SELECT p.line_no, p.problem, s.asset, s.invoice, s.due_date, s.code, s.amount_cents, p.lease, p.invoice AS on_invoice,
    l.portfolio AS other_portfolio, l.status, i.lease AS invoice_lease, i.due_date AS invoice_due, c.level, c.missing,
    o.company, o.region, o.office
FROM assess_line p
JOIN {staged} s ON s.file_id = :file AND s.line_no = p.line_no
LEFT JOIN lease l ON l.lease = p.lease
LEFT JOIN invoice i ON i.invoice = s.invoice
LEFT JOIN assess_account c ON c.office_id = p.office_id AND c.code = s.code
LEFT JOIN office o ON o.office_id = p.office_id
WHERE p.problem IS NOT NULL AND p.line_no > :after ORDER BY p.line_no LIMIT :page
"""


def report_problems(scope: Scope, context: PostingContext) -> None:
    """A line message for every line of ``assess_line`` that has a problem."""
    after = 0
    while page := problems(scope, after):
        for why in page:
            by_hand = f", or assess it by hand ({why.by_hand})" if why.by_hand else ""
            context.message(
                why.line_no, "R", why.code, field=why.field, found=why.found, expected=why.expected,
                action=why.action + by_hand, amount_cents=why.amount_cents,
            )  # fmt: skip
        context.flush()  # a file that is refused whole must not gather in memory
        after = page[-1].line_no


def problems(scope: Scope, after: int = 0) -> list[Why]:
    """What is wrong with the lines of ``assess_line`` behind line ``after``, in their order, a page at most."""
    rows = scope.connection.execute(
        text(_PAGE_OF.format(staged=scope.staged)), {"file": scope.file_id, "after": after, "page": PAGE}
    ).mappings()
    found = [dict(row) for row in rows]
    unknown = {row["lease"] for row in found if row["problem"] == "LEASE_UNKNOWN"}
    near = near_leases(scope.db, scope.connection, sorted(unknown))
    return [_why(scope, row, near.get(row["lease"])) for row in found]


def _why(scope: Scope, row: dict[str, Any], near: str | None) -> Why:
    wording = PROBLEMS[row["problem"]]
    facts = {
        **row,
        "portfolio": scope.portfolio,
        "business_date": scope.business_date,
        "limit": scope.charge_lines,
        "office": f"{row['company']}/{row['region']}/{row['office']}",
        "named": f"asset {row['asset']}" if row["asset"] else f"lease {row['lease']}",
        "level_article": "an asset" if row["level"] == "asset" else "a lease",
        "unknown_lease": unknown_lease_action(row["lease"], near),
    }
    code, cents = row["code"], row["amount_cents"]
    elsewhere = _ELSEWHERE.get(row["problem"])
    by_hand = elsewhere and assess_command(code, cents, lease=row["lease"], asset=row["asset"], to=elsewhere)
    return Why(
        row["line_no"], row["problem"], wording.field, wording.found.format_map(facts),
        wording.expected.format_map(facts), wording.action.format_map(facts), cents, by_hand,
    )  # fmt: skip


def unknown_lease_action(lease: str, near: str | None) -> str:
    """What to do about a lease that does not exist; names the one that differs in leading zeros only."""
    if near is None:
        return "correct the lease number or load the lease, and drop the line again"
    return f"{near} and {lease} are different leases; write {near} if that one is meant, and drop the line again"
