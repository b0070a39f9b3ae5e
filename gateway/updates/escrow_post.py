"""U0409, second half: what was decided becomes entries, checks and lower escrow balances, all lines of a block at once.

``disbursement`` has one row for each escrow charge a line is paid from. The entry of a line has the line's number as
its ordinal: debits of the payables in number order, then the credit of the bank's cash.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.ledger.database import Database, stream_blocks
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.units import Unit
from gateway.updates.escrow_facts import TRANSACTION

FREE_FORM = "FF"
"""The state of an address outside the United States; it is not printed."""

_DECIDED = (
    "line_no", "part", "parts", "lease", "asset", "portfolio", "office_id", "check_no", "bank", "cash_account", "charge",
    "payable_account", "cents", "amount_cents",
)  # fmt: skip
_DISBURSEMENT = Table("disbursement", MetaData(), *map(Column, _DECIDED))
_UNIT = Table("escrow_unit", MetaData(), *map(Column, ("portfolio", "unit_id", "business_date")))


def begin_block(db: Database, connection: Connection) -> None:
    """An empty ``disbursement``. ``open_cents``: what its charge holds; only asked while lines are decided together."""
    db.scratch(
        connection,
        _DISBURSEMENT.name,
        "line_no BIGINT, part INTEGER, parts INTEGER, lease TEXT, asset TEXT, portfolio TEXT, office_id BIGINT, "
        "check_no TEXT, bank TEXT, cash_account BIGINT, charge TEXT, payable_account BIGINT, cents BIGINT, "
        "amount_cents BIGINT, open_cents BIGINT, PRIMARY KEY (line_no, part)",
        clustered=True,
    )


def add_decided(db: Database, connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Rows of lines that were decided one by one."""
    begin_block(db, connection)
    db.bulk_insert(connection, _DISBURSEMENT, _DECIDED, rows)


def portfolios(connection: Connection) -> list[str]:
    """Portfolios with something to post, in the order of their first lines."""
    rows = connection.execute(text("SELECT portfolio FROM disbursement GROUP BY portfolio ORDER BY MIN(line_no)"))
    return [str(portfolio) for (portfolio,) in rows]


def write(db: Database, connection: Connection, file_id: int, units: Iterable[Unit]) -> tuple[int, int]:
    """Post what ``disbursement`` holds, each portfolio's lines in its unit; gives how many lines and cents."""
    db.scratch(connection, _UNIT.name, "portfolio TEXT PRIMARY KEY, unit_id BIGINT, business_date TEXT")
    rows = [(unit.portfolio, unit.unit_id, unit.business_date) for unit in units]
    db.bulk_insert(connection, _UNIT, ("portfolio", "unit_id", "business_date"), rows)
    db.analyze(connection, _DISBURSEMENT.name, _UNIT.name)
    for statement in (_ENTRIES, _LINES, _BALANCES):
        connection.execute(text(statement))
    connection.execute(text(_CHECKS), {"file": file_id})
    lines, cents = connection.execute(text(_SUMS)).one()
    return int(lines), int(cents)


def told(connection: Connection) -> list[tuple[Any, ...]]:
    """What ``disbursement`` holds, for whoever follows: the columns of ``EscrowDraft``."""
    return list(chain.from_iterable(stream_blocks(connection, _TOLD)))


_TOLD = "SELECT line_no, office_id, payable_account, cents, cash_account FROM disbursement ORDER BY line_no, part"
_ENTRIES = f"""
INSERT INTO journal_entry (entry_id, office_id, lease, asset, txn, effective_date, source_line)
SELECT u.unit_id * {ENTRIES_A_UNIT} + d.line_no, d.office_id, d.lease, d.asset, '{TRANSACTION}', u.business_date, d.line_no
FROM disbursement d CROSS JOIN escrow_unit u WHERE d.part = 1 AND u.portfolio = d.portfolio ORDER BY d.line_no
"""
_LINES = f"""
INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents)
SELECT u.unit_id * {ENTRIES_A_UNIT} + d.line_no, d.part + leg.cash,
    CASE leg.cash WHEN 0 THEN d.payable_account ELSE d.cash_account END, CASE leg.cash WHEN 0 THEN 'D' ELSE 'C' END,
    CASE leg.cash WHEN 0 THEN d.cents ELSE d.amount_cents END
FROM disbursement d CROSS JOIN escrow_unit u CROSS JOIN (SELECT 0 AS cash UNION ALL SELECT 1) leg
WHERE u.portfolio = d.portfolio AND (leg.cash = 0 OR d.part = d.parts)
"""
_BALANCES = """
UPDATE escrow_balance SET balance_cents = balance_cents - taken.cents
FROM (SELECT lease, charge, CAST(SUM(cents) AS BIGINT) AS cents FROM disbursement GROUP BY lease, charge) taken
WHERE escrow_balance.lease = taken.lease AND escrow_balance.charge = taken.charge
"""
_SUMS = "SELECT COUNT(*), COALESCE(SUM(amount_cents), 0) FROM disbursement WHERE part = 1"

# The address as it is printed, one line a part: street, second line, then city, state and zip. Each part brings what
# goes before it, and the first such is cut off.
_STATE = f"NULLIF(NULLIF(s.state, ''), '{FREE_FORM}')"
_ZIP = (
    f"CASE WHEN {_STATE} IS NOT NULL AND LENGTH(s.zip) = 9 THEN SUBSTR(s.zip, 1, 5) || '-' || SUBSTR(s.zip, 6) "
    "ELSE NULLIF(s.zip, '') END"
)
_PLACE = f"SUBSTR(COALESCE(' ' || {_STATE}, '') || COALESCE(' ' || {_ZIP}, ''), 2)"
_LAST = f"SUBSTR(COALESCE(', ' || NULLIF(s.city, ''), '') || COALESCE(', ' || NULLIF({_PLACE}, ''), ''), 3)"
_ADDRESS = (
    "SUBSTR("
    + " || ".join(f"COALESCE('\n' || NULLIF({part}, ''), '')" for part in ("s.address", "s.address2", _LAST))
    + ", 2)"
)
_CHECKS = f"""
INSERT INTO bank_check (portfolio, check_no, bank, office_id, type, amount_cents, disbursement_date, lease, asset,
    reference, payee, address, state, unit_id, file_id, line_no)
SELECT d.portfolio, d.check_no, d.bank, d.office_id, '{TRANSACTION}', d.amount_cents, s.disbursal_date, d.lease, d.asset,
    s.reference, s.payee, {_ADDRESS}, 'NEW', u.unit_id, s.file_id, d.line_no
FROM disbursement d CROSS JOIN escrow_unit u CROSS JOIN staged_escrow s
WHERE d.part = 1 AND u.portfolio = d.portfolio AND s.file_id = :file AND s.line_no = d.line_no
ORDER BY d.portfolio, d.check_no, d.bank
"""
