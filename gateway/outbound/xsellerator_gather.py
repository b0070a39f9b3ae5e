"""What goes into an Xsellerator file: journal lines of an interface and date range, or whole batches of payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, text

from gateway.ledger.chart import RENT
from gateway.ledger.schema import ENTRIES_A_UNIT

PAYMENTS: Final = "PAYMENTS"

UPDATES: Final[Mapping[str, tuple[str, ...]]] = {
    "BILLING": ("U0418", "BILLING", "WAIVE"),
    "DEPRECIATION": ("DEPRECIATION",),
    "LEVERAGED": ("LEVERAGED",),
    "DEFERRED": ("DEFERRED",),
    "TERMINATION": ("TERMINATION",),
}
"""Posting units by name whose entries an interface carries, and entries that correct those."""
_MORE: Final[Mapping[str, str]] = {
    "BILLING": f"""OR 'U0470' IN (u.update_name, corrected.update_name) AND e.txn <> '{RENT}'
            AND EXISTS (SELECT 1 FROM charge c WHERE c.portfolio = u.portfolio AND c.code = e.txn)""",
}
"""What else it carries: a fee that a file of reversals assessed. What that moved of payments has codes that are no charges,
or rent's."""

_RECEIVABLES: Final = ("LEASE PAYMENTS RECEIVABLE", "CONTRACT RECEIVABLE", "ASSMT RECV - ")


class Line(NamedTuple):
    """A journal line with what Xsellerator files it under."""

    entry_id: int
    lease: str | None
    kind: str | None
    prepaid: str | None
    location: str | None
    control_number: str | None
    account_number: str | None
    deal_number: str | None
    ledger_account: str
    account_name: str
    purpose: str
    side: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Selection:
    start: date
    end: date
    lines: Sequence[Line]
    batches: tuple[str, ...] = ()


_LINES: Final = f"""
    SELECT e.entry_id, e.lease, d.kind, d.prepaid, d.location, d.control_number, d.account_number, d.deal_number,
        a.number, a.name, a.purpose, l.side, l.amount_cents
    FROM posting_unit u
    JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    JOIN journal_line l ON l.entry_id = e.entry_id
    JOIN gl_account a ON a.account_id = l.account_id
    LEFT JOIN lease d ON d.lease = e.lease
    LEFT JOIN posting_unit corrected ON corrected.unit_id = e.corrects / {ENTRIES_A_UNIT}
    WHERE u.portfolio = :p AND u.kind <> 'OPENING' AND u.business_date BETWEEN :start AND :end
        AND (u.update_name IN :names OR corrected.update_name IN :names {{more}})
    ORDER BY e.entry_id, l.line
"""


def entries(connection: Connection, portfolio: str, interface: str, start: date, end: date) -> Selection:
    rows = connection.execute(
        text(_LINES.format(more=_MORE.get(interface, ""))).bindparams(bindparam("names", expanding=True)),
        {"p": portfolio, "start": start.isoformat(), "end": end.isoformat(), "names": list(UPDATES[interface])},
    )
    lines = [Line(*row) for row in rows]
    if interface in ("BILLING", "DEPRECIATION"):
        lines = [line for line in lines if line.kind != "loan"]
    if interface == "BILLING":
        prepaid = {line.entry_id for line in lines if line.prepaid == "Y" and line.purpose.startswith(_RECEIVABLES)}
        lines = [line for line in lines if line.entry_id not in prepaid]
    return Selection(start, end, lines)


OPEN_BATCHES: Final = "b.portfolio = :p AND b.state = 'LIVE' AND b.exported_in IS NULL"
_PAYMENT_LINES: Final = f"""
    SELECT e.entry_id, e.lease, d.kind, d.prepaid, d.location, d.control_number, d.account_number, d.deal_number,
        a.number, a.name, a.purpose, l.side, l.amount_cents
    FROM journal_entry e
    JOIN journal_line l ON l.entry_id = e.entry_id
    JOIN gl_account a ON a.account_id = l.account_id
    LEFT JOIN lease d ON d.lease = e.lease
    WHERE e.entry_id IN (
        SELECT p.entry_id FROM payment_batch b JOIN payment_line p ON p.batch = b.batch
        WHERE {OPEN_BATCHES} AND p.state = 'APPLIED')
    ORDER BY e.entry_id, l.line
"""


def payments(
    connection: Connection, portfolio: str, start: date | None, end: date | None, business_date: date
) -> Selection:
    batches = connection.execute(
        text(f"SELECT b.batch, b.effective_date FROM payment_batch b WHERE {OPEN_BATCHES} ORDER BY b.batch"),
        {"p": portfolio},
    ).all()
    lines = [Line(*row) for row in connection.execute(text(_PAYMENT_LINES), {"p": portfolio})]
    days = [date.fromisoformat(b.effective_date) for b in batches] or [business_date]
    return Selection(start or min(days), end or max(days), lines, tuple(b.batch for b in batches))
