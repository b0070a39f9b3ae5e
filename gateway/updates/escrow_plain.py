"""U0409: the lines of a block that no other line has a say in, decided by a few statements for all of them at once.

Such a line has its lease, asset, accounts and check number in order, nobody else in the block uses its check, no
charge of its lease is below zero, and all that the block takes of its lease lies in the first escrow charge that has
anything. It comes to the same whatever becomes of the lines around it. ``escrow_decide`` has the rules and decides the
others, one after the other; a test holds both ways to the same model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.ledger.chart import CASH_VECTORS, CLEARING_ACCOUNT
from gateway.ledger.database import Database
from gateway.updates.escrow_facts import Chart, Charts
from gateway.updates.escrow_post import begin_block

_CASH = Table("escrow_cash", MetaData(), *map(Column, ("office_id", "asked", "bank", "account_id")))
_PAYABLE = Table("escrow_payable", MetaData(), *map(Column, ("office_id", "place", "charge", "account_id")))


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of a file, both ends included."""

    file_id: int
    first: int
    last: int


def prepare(db: Database, connection: Connection, charts: Charts) -> None:
    """The accounts as scratch tables: ``escrow_cash`` by office and bank ('' asks for the default one) and
    ``escrow_payable`` by office and charge, of offices that have all of their portfolio's escrow charges."""
    db.scratch(
        connection, _CASH.name,
        "office_id BIGINT, asked TEXT, bank TEXT, account_id BIGINT, PRIMARY KEY (office_id, asked)", clustered=True,
    )  # fmt: skip
    db.scratch(
        connection, _PAYABLE.name,
        "office_id BIGINT, place INTEGER, charge TEXT, account_id BIGINT, PRIMARY KEY (office_id, place)",
        clustered=True,
    )  # fmt: skip
    for table, rows in ((_CASH, _cash_rows), (_PAYABLE, _payable_rows)):
        columns = tuple(column.name for column in table.columns)
        db.bulk_insert(connection, table, columns, (row for chart in charts.values() for row in rows(chart)))
    db.analyze(connection, _CASH.name, _PAYABLE.name)


def _offices(chart: Chart) -> list[int]:
    return sorted({office for office, _ in chart.accounts.by_purpose})


def _cash_rows(chart: Chart) -> Iterator[tuple[int, str, str, int]]:
    banks = [(bank, bank) for bank in (*CASH_VECTORS, CLEARING_ACCOUNT)]
    for office in _offices(chart):
        for asked, bank in (*banks, ("", chart.default_bank)):
            account = chart.accounts.cash(office, bank)
            if account is not None:
                yield office, asked, bank, account


def _payable_rows(chart: Chart) -> Iterator[tuple[int, int, str, int]]:
    for office in _offices(chart):
        accounts = [chart.accounts.find(office, purpose) for _, purpose in chart.escrow_charges]
        if None not in accounts:
            for place, ((charge, _), account) in enumerate(zip(chart.escrow_charges, accounts, strict=True)):
                if account is not None:
                    yield office, place, charge, account


# The first charge with money, if any: lines without one use their check number up as little as refused ones do, but
# have to be seen by those that name the same check. Used checks are counted a line: as a join PostgreSQL would walk all
# of a portfolio's checks for each line, because its figures are from before this file.
_IN_ORDER = """
INSERT INTO disbursement (line_no, part, parts, lease, asset, portfolio, office_id, check_no, bank, cash_account, charge,
    payable_account, cents, amount_cents, open_cents)
SELECT s.line_no, 1, 1, s.lease, s.asset, l.portfolio, l.office_id, s.check_no, c.bank, c.account_id, p.charge,
    p.account_id, s.amount_cents, s.amount_cents, b.balance_cents
FROM staged_escrow s CROSS JOIN lease l CROSS JOIN escrow_cash c
LEFT JOIN escrow_payable p ON p.office_id = l.office_id AND p.place = (
    SELECT MIN(q.place) FROM escrow_payable q CROSS JOIN escrow_balance e
    WHERE q.office_id = l.office_id AND e.lease = s.lease AND e.charge = q.charge AND e.balance_cents > 0)
LEFT JOIN escrow_balance b ON b.lease = s.lease AND b.charge = p.charge
WHERE s.file_id = :file AND s.line_no BETWEEN :first AND :last AND s.check_no IS NOT NULL
    AND l.lease = s.lease AND c.office_id = l.office_id AND c.asked = COALESCE(s.bank, '')
    AND NOT EXISTS (SELECT 1 FROM line_message m
        WHERE m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R')
    AND (s.asset IS NULL OR EXISTS (SELECT 1 FROM asset a WHERE a.asset = s.asset AND a.lease = s.lease))
    AND 0 = (SELECT COUNT(*) FROM bank_check k
        WHERE k.portfolio = l.portfolio AND k.check_no = s.check_no AND k.bank = c.bank)
ORDER BY s.line_no
"""
# All of them are found before the first one goes: SQLite takes rows away as it looks at them, and would count what is left.
_DEPENDENT = """
DELETE FROM disbursement WHERE line_no IN (
    SELECT o.line_no FROM disbursement o WHERE o.open_cents IS NULL
    OR o.lease IN (SELECT d.lease FROM disbursement d GROUP BY d.lease HAVING SUM(d.cents) > MIN(d.open_cents))
    OR (o.portfolio, o.check_no, o.bank) IN (SELECT d.portfolio, d.check_no, d.bank FROM disbursement d
        GROUP BY d.portfolio, d.check_no, d.bank HAVING COUNT(*) > 1)
    OR o.lease IN (SELECT d.lease FROM disbursement d CROSS JOIN escrow_balance e
        WHERE e.lease = d.lease AND e.balance_cents < 0))
"""


def decide_plain(db: Database, connection: Connection, block: Block) -> None:
    """Fill ``disbursement`` with the lines of the block that depend on no other."""
    begin_block(db, connection)
    connection.execute(text(_IN_ORDER), {"file": block.file_id, "first": block.first, "last": block.last})
    connection.execute(text(_DEPENDENT))
