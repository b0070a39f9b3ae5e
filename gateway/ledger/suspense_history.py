"""What people did with a suspense item: notes and moves of money, numbered, each with who, when and why.

A move of money names the entry that posts it. Its ``cents`` are what the item's remainder changes by, so that for
every item its amount, its moves and what reversals took (``taken``, read from the journal) come to what remains.
``APPLY`` has a move for each charge line paid; ``ADD`` and ``CHANGE`` (a pair: the old amount away, the new one in)
make the amount itself; ``UNDO`` takes one move back. Rows are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal

from sqlalchemy import Connection, bindparam, text

from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.schema import ENTRIES_A_UNIT

MoveKind = Literal["NOTE", "APPLY", "PAY", "REFUND", "CLEAR", "ADD", "CHANGE", "UNDO"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One row of an item's history. ``far_entry_id`` is the entry in the office of the invoice, where it is another than
    the item's; ``account_id`` the account cleared or added against."""

    item: int
    number: int
    kind: MoveKind
    cents: int
    text: str
    operator: str
    at: str
    unit_id: int | None = None
    entry_id: int | None = None
    far_entry_id: int | None = None
    lease: str | None = None
    invoice: str | None = None
    charge: str | None = None
    asset: str | None = None
    bank: str | None = None
    check_no: str | None = None
    account_id: int | None = None
    undoes: int | None = None


_COLUMNS = tuple(f.name for f in fields(Move))


def moves(connection: Connection, item: int) -> list[Move]:
    """The history of an item in order."""
    rows = connection.execute(
        text(f"SELECT {', '.join(_COLUMNS)} FROM suspense_move WHERE item = :item ORDER BY number"), {"item": item}
    ).mappings()
    return [Move(**row) for row in rows]


def add(db: Database, connection: Connection, new: Sequence[Move]) -> None:
    """Write moves; entries they name must have been flushed."""
    db.bulk_insert(connection, schema.suspense_move, _COLUMNS, [astuple(move) for move in new])


def account_names(connection: Connection, some: Sequence[Move]) -> dict[int, str]:
    """Number and name of the accounts that moves name."""
    ids = {move.account_id for move in some if move.account_id is not None}
    rows = connection.execute(
        text("SELECT account_id, number, name FROM gl_account WHERE account_id IN :ids").bindparams(
            bindparam("ids", expanding=True)
        ),
        {"ids": sorted(ids)},
    )
    return {account_id: f"{number} {name}" for account_id, number, name in rows}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an item came from: the posting unit that opened it, and the file and line, where it was a file."""

    unit_id: int
    update_name: str
    operator: str
    business_date: str
    posted_at: str
    unit_reason: str | None
    file_id: int | None
    file_name: str | None
    line_no: int | None
    portfolio: str
    company: str
    region: str
    office: str


def origin(connection: Connection, item: int) -> Origin:
    row = connection.execute(
        text(
            "SELECT u.unit_id, u.update_name, u.operator, u.business_date, u.posted_at, u.reason, s.file_id, f.name, "
            "s.line_no, o.portfolio, o.company, o.region, o.office FROM suspense_item s "
            "JOIN posting_unit u ON u.unit_id = s.unit_id JOIN office o ON o.office_id = s.office_id "
            "LEFT JOIN inbound_file f ON f.file_id = s.file_id WHERE s.item = :item"
        ),
        {"item": item},
    ).one()
    return Origin(*row)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a reversal took from an item: with its batch (``REVERSED``), to apply it again (``RE-APPLIED``), or with the
    file that opened it (``TAKEN BACK``). ``amount_cents`` is below zero, as that of a move; ``file_name`` and ``line_no``
    are the record's, none by hand."""

    entry_id: int
    kind: str
    amount_cents: int
    unit_id: int
    update_name: str
    operator: str
    business_date: str
    at: str
    batch: str | None
    file_id: int | None
    file_name: str | None
    line_no: int | None
    reason: str | None


_UNIT = (
    f"JOIN posting_unit u ON u.unit_id = {{}}.entry_id / {ENTRIES_A_UNIT} LEFT JOIN inbound_file f ON f.file_id = {{}}"
)
# Of a line that re-application took, what was spent may stand on: the entry says how much went. An entry of a file taken
# back has the code of the one that it mirrors, and gives no money away.
_BY_REVERSAL = f"""
SELECT e.entry_id, CASE e.txn WHEN 'REVA' THEN 'RE-APPLIED' ELSE 'REVERSED' END,
    -CASE e.txn WHEN 'REVA' THEN (SELECT CAST(SUM(j.amount_cents) AS BIGINT) FROM journal_line j
        WHERE j.entry_id = e.entry_id AND j.side = 'D') ELSE p.amount_cents END,
    u.unit_id, u.update_name, u.operator, u.business_date, u.posted_at, p.batch, f.file_id, f.name, e.source_line, e.reason
FROM suspense_item s JOIN payment_line p ON p.batch = s.batch AND p.suspense_item = s.item
JOIN journal_entry e ON e.entry_id = p.reversed_by {_UNIT.format("e", "u.file_id")}
WHERE s.item = :item AND e.txn IN ('REVA', 'REVL') AND u.update_name <> 'REVERSE' ORDER BY e.entry_id
"""
_WITH_ITS_FILE = f"""
SELECT c.entry_id, 'TAKEN BACK', -s.amount_cents, u.unit_id, u.update_name, u.operator, u.business_date, u.posted_at,
    s.batch, f.file_id, f.name, s.line_no, u.reason
FROM suspense_item s JOIN journal_entry o ON o.entry_id = s.entry_id
JOIN journal_entry c ON c.corrects = o.entry_id AND (c.lease = o.lease OR (c.lease IS NULL AND o.lease IS NULL))
{_UNIT.format("c", "s.file_id")}
WHERE s.item = :item AND u.update_name = 'REVERSE' ORDER BY c.entry_id
"""


def taken(connection: Connection, item: int) -> list[Taken]:
    """What reversals took from an item, in order, without what came back since."""
    for statement in (_BY_REVERSAL, _WITH_ITS_FILE):
        found = [Taken(*row) for row in connection.execute(text(statement), {"item": item})]
        if found:
            return found
    return []


@dataclass(frozen=True, slots=True)
class Leg:
    """A journal line of an entry behind an item."""

    entry_id: int
    effective_date: str
    update_name: str
    account: str
    name: str
    side: str
    amount_cents: int
    corrects: int | None


def legs(connection: Connection, item: int) -> list[Leg]:
    """The entries that made an item, moved it, or corrected one that did, line by line."""
    rows = connection.execute(
        text(
            "WITH own AS (SELECT entry_id FROM suspense_item WHERE item = :item UNION SELECT entry_id FROM suspense_move "
            "WHERE item = :item AND entry_id IS NOT NULL UNION SELECT far_entry_id FROM suspense_move WHERE item = :item "
            "AND far_entry_id IS NOT NULL UNION SELECT p.reversed_by FROM payment_line p JOIN suspense_item s "
            "ON s.batch = p.batch AND p.suspense_item = s.item WHERE s.item = :item AND p.reversed_by IS NOT NULL), "
            "all_of AS (SELECT entry_id FROM own UNION SELECT e.corrects FROM own JOIN journal_entry e "
            "ON e.entry_id = own.entry_id WHERE e.corrects IS NOT NULL) SELECT e.entry_id, e.effective_date, u.update_name, a.number, a.name, j.side, j.amount_cents, e.corrects "
            "FROM all_of JOIN journal_entry e ON e.entry_id = all_of.entry_id "
            f"JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT} "
            "JOIN journal_line j ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id "
            "ORDER BY e.entry_id, j.line"
        ),
        {"item": item},
    )
    return [Leg(*row) for row in rows]
