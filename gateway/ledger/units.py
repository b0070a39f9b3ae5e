"""Posting units: the only way anything enters the journal.

A unit is a file, an End of Period module, an operator's action or an opening load, of one portfolio, on that
portfolio's open business date. It is opened, filled, and closed in one transaction. Closing adds up the unit's
lines by account (``unit_total``), has the database check every entry, and chains a SHA-256 over all of it to the
unit before it in the portfolio, so that ``gateway verify`` finds any later change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, text

from gateway.errors import LedgerError, Refused
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.packed import BULK_ROWS
from gateway.ledger.schema import ENTRIES_A_UNIT

Side = Literal["D", "C"]
Leg = tuple[int, Side, int]
"""(account_id, side, cents > 0)"""

UnitKind = Literal["FILE", "MODULE", "OPERATOR", "OPENING"]

ENTRY_COLUMNS = (
    "entry_id", "office_id", "lease", "invoice", "asset", "txn", "reason", "effective_date", "source_line",
    "corrects",
)  # fmt: skip
LINE_COLUMNS = ("entry_id", "line", "account_id", "side", "amount_cents")


@dataclass(slots=True)
class Unit:
    """An open unit. ``add`` buffers entries for the bulk path; set-based SQL may also insert on its own, with
    ids from ``first_id`` on."""

    db: Database
    connection: Connection
    unit_id: int
    portfolio: str
    business_date: str
    kind: UnitKind
    _next: int = 1
    _entries: list[tuple[Any, ...]] = field(default_factory=list)
    _lines: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def first_id(self) -> int:
        """entry_id of ordinal 0; ordinal n is ``first_id + n``, n from 1."""
        return self.unit_id * ENTRIES_A_UNIT

    def add(
        self,
        *,
        office_id: int,
        txn: str,
        effective_date: str,
        legs: Sequence[Leg],
        lease: str | None = None,
        invoice: str | None = None,
        asset: str | None = None,
        reason: str | None = None,
        source_line: int | None = None,
        corrects: int | None = None,
    ) -> int:
        """Buffer one balanced entry and give its id. The balance is checked here and again by the database."""
        if sum(cents if side == "D" else -cents for _, side, cents in legs) != 0 or not legs:
            raise LedgerError(f"posting {txn} for lease {lease}: found legs {legs}, expected debits equal to credits")
        entry_id = self.first_id + self._next
        self._next += 1
        self._entries.append(
            (entry_id, office_id, lease, invoice, asset, txn, reason, effective_date, source_line, corrects)
        )
        self._lines += [
            (entry_id, number, account, side, cents) for number, (account, side, cents) in enumerate(legs, 1)
        ]
        if len(self._lines) >= 4 * BULK_ROWS:
            self.flush()
        return entry_id

    def flush(self) -> None:
        """Send what is buffered to the database. Rows that refer to an entry need this first."""
        if self._entries:
            self.db.bulk_insert(self.connection, schema.journal_entry, ENTRY_COLUMNS, self._entries)
            self.db.bulk_insert(self.connection, schema.journal_line, LINE_COLUMNS, self._lines)
            self._entries, self._lines = [], []


@dataclass(frozen=True, slots=True)
class ClosedUnit:
    unit_id: int
    entries: int
    amount_cents: int
    digest: str


def open_unit(
    db: Database,
    connection: Connection,
    *,
    portfolio: str,
    kind: UnitKind,
    update_name: str,
    operator: str,
    posted_at: str,
    reason: str | None = None,
    file_id: int | None = None,
    action: str | None = None,
) -> Unit:
    """Lock the portfolio and open a unit on its open business date. ``action`` is what a refusal names; None: the update.

    Raises Refused when the portfolio's business date is closed and this is not an End of Period module.
    """
    db.lock_portfolios(connection, [portfolio])
    row = connection.execute(
        text("SELECT business_date, period_state FROM portfolio WHERE portfolio = :p"), {"p": portfolio}
    ).one_or_none()
    action = action or f"posting {update_name}"
    if row is None:
        raise LedgerError(f"{action}: found no portfolio {portfolio}, expected it to be loaded")
    business_date, period_state = row
    if period_state != "OPEN" and kind not in ("MODULE", "OPENING"):
        raise Refused(
            f"{action}: found business date {business_date} of portfolio {portfolio} closed by U0410, "
            f"expected it open; finish End of Period (gateway eop --date {business_date}) first"
        )
    unit_id = db.insert_returning_id(
        connection,
        schema.posting_unit,
        "unit_id",
        {
            "portfolio": portfolio, "business_date": business_date, "kind": kind, "update_name": update_name,
            "operator": operator, "reason": reason, "file_id": file_id, "posted_at": posted_at, "state": "OPEN",
            "entries": 0, "amount_cents": 0, "open_guard": 1,
        },
    )  # fmt: skip
    return Unit(db, connection, unit_id, portfolio, business_date, kind)


def close_unit(unit: Unit) -> ClosedUnit:
    """Total, check and seal the unit. The database aborts on any entry that does not balance."""
    unit.flush()
    connection, low, high = unit.connection, unit.first_id, unit.first_id + ENTRIES_A_UNIT - 1
    bounds = {"unit": unit.unit_id, "low": low, "high": high}
    totals = _totals(connection, low, last_entry(connection, unit.unit_id))
    unit.db.bulk_insert(
        connection,
        schema.unit_total,
        ("unit_id", "account_id", "debit_cents", "credit_cents"),
        [(unit.unit_id, account, debit, credit) for account, (debit, credit) in sorted(totals.items())],
    )
    entries = int(
        connection.execute(
            text("SELECT COUNT(*) FROM journal_entry WHERE entry_id BETWEEN :low AND :high"), bounds
        ).scalar_one()
    )
    amount = int(
        connection.execute(
            text("SELECT COALESCE(SUM(debit_cents), 0) FROM unit_total WHERE unit_id = :unit"), bounds
        ).scalar_one()
    )
    previous = previous_digest(connection, unit.portfolio, unit.unit_id)
    connection.execute(
        text(
            "UPDATE posting_unit SET entries = :entries, amount_cents = :amount, previous_digest = :previous "
            "WHERE unit_id = :unit"
        ),
        {"entries": entries, "amount": amount, "previous": previous, "unit": unit.unit_id},
    )
    digest = unit_digest(unit.db, connection, unit.unit_id)
    connection.execute(
        text("UPDATE posting_unit SET state = 'CLOSED', open_guard = NULL, digest = :digest WHERE unit_id = :unit"),
        {"digest": digest, "unit": unit.unit_id},
    )
    return ClosedUnit(unit.unit_id, entries, amount, digest)


def previous_digest(connection: Connection, portfolio: str, unit_id: int) -> str:
    """Digest of the portfolio's unit before this one; empty text for the first."""
    return str(
        connection.execute(
            text(
                "SELECT digest FROM posting_unit WHERE portfolio = :p AND unit_id < :unit ORDER BY unit_id DESC LIMIT 1"
            ),
            {"p": portfolio, "unit": unit_id},
        ).scalar()
        or ""
    )


_HEADER_COLUMNS = (
    "unit_id", "portfolio", "business_date", "kind", "update_name", "operator", "reason", "file_id", "posted_at",
    "entries", "amount_cents", "previous_digest",
)  # fmt: skip


def unit_digest(db: Database, connection: Connection, unit_id: int) -> str:
    """Hex SHA-256 over the unit's header, entries, lines and totals as they stand in the database.

    The text that is hashed is the same on both databases: each row a JSON array of its columns in the order of the
    table, rows in blocks of ``BULK_ROWS`` entry numbers.
    """
    digest = hashlib.sha256()
    header = connection.execute(
        text(f"SELECT {', '.join(_HEADER_COLUMNS)} FROM posting_unit WHERE unit_id = :unit"), {"unit": unit_id}
    ).one()
    digest.update(json.dumps(list(header), ensure_ascii=False).encode())
    for block in _blocks(db, connection, unit_id):
        digest.update(b"\n")
        digest.update(block.encode())
    return digest.hexdigest()


class Swapped(NamedTuple):
    """Legs of an entry, and the office they are in."""

    office_id: int
    legs: Sequence[Leg]


def swapped(connection: Connection, entry: int) -> Swapped:
    """The legs of an entry that takes another one back: its own with debit and credit swapped."""
    legs = connection.execute(
        text(
            "SELECT account_id, CASE side WHEN 'D' THEN 'C' ELSE 'D' END, amount_cents FROM journal_line "
            "WHERE entry_id = :entry ORDER BY line"
        ),
        {"entry": entry},
    ).all()
    statement = text("SELECT office_id FROM journal_entry WHERE entry_id = :entry")
    office_id = connection.execute(statement, {"entry": entry}).scalar_one()
    return Swapped(int(office_id), [(account, side, cents) for account, side, cents in legs])


def last_entry(connection: Connection, unit_id: int) -> int:
    """The highest entry number of the unit; that of ordinal 0 when it has no entry."""
    low = unit_id * ENTRIES_A_UNIT
    found = connection.execute(
        text("SELECT MAX(entry_id) FROM journal_entry WHERE entry_id BETWEEN :low AND :high"),
        {"low": low, "high": low + ENTRIES_A_UNIT - 1},
    ).scalar()
    return low if found is None else int(found)


def _totals(connection: Connection, low: int, last: int) -> dict[int, tuple[int, int]]:
    """Debits and credits by account. In blocks, because grouping millions of lines at once sorts them all."""
    statement = text(
        "SELECT account_id, CAST(SUM(CASE side WHEN 'D' THEN amount_cents ELSE 0 END) AS BIGINT), "
        "CAST(SUM(CASE side WHEN 'C' THEN amount_cents ELSE 0 END) AS BIGINT) "
        "FROM journal_line WHERE entry_id BETWEEN :low AND :high GROUP BY account_id"
    )
    totals: dict[int, tuple[int, int]] = {}
    for start in range(low, last + 1, BULK_ROWS):
        for account, debit, credit in connection.execute(statement, {"low": start, "high": start + BULK_ROWS - 1}):
            before = totals.get(account, (0, 0))
            totals[account] = (before[0] + debit, before[1] + credit)
    return totals


def _blocks(db: Database, connection: Connection, unit_id: int) -> Iterator[str]:
    low = unit_id * ENTRIES_A_UNIT
    entries = db.rows_as_json(schema.journal_entry, ENTRY_COLUMNS, order="entry_id")
    lines = db.rows_as_json(schema.journal_line, LINE_COLUMNS, order="entry_id, line")
    for start in range(low, last_entry(connection, unit_id) + 1, BULK_ROWS):
        bounds = {"low": start, "high": start + BULK_ROWS - 1}
        for statement in (entries, lines):
            yield connection.execute(text(f"{statement} WHERE entry_id BETWEEN :low AND :high"), bounds).scalar() or ""
    yield (
        connection.execute(
            text(
                db.rows_as_json(schema.unit_total, ("account_id", "debit_cents", "credit_cents"), order="account_id")
                + " WHERE unit_id = :unit"
            ),
            {"unit": unit_id},
        ).scalar()
        or ""
    )
