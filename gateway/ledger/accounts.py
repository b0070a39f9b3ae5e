"""Accounts by purpose, and their figures: today's, month-to-date, balance.

Figures are sums over ``unit_total``; nothing is stored twice. "Today" begins after the portfolio's last U0422 unit and
"this month" after its last U0450 unit: both are posting units without entries. Opening units count in the balance
only. A balance is positive on the account's own side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, text

from gateway.errors import LedgerError

ZERO_DAILY = "U0422"
ZERO_MONTHLY = "U0450"


class Figure(NamedTuple):
    """One account of one office; money in cents."""

    office_id: int
    portfolio: str
    company: str
    region: str
    office: str
    account_id: int
    vector: str
    number: str
    name: str
    side: str
    purpose: str
    debit_today: int
    credit_today: int
    debit_mtd: int
    credit_mtd: int
    balance: int


class Office(NamedTuple):
    office_id: int
    portfolio: str
    company: str
    region: str
    office: str
    name: str


def accounts(connection: Connection, portfolio: str) -> dict[tuple[int, str], int]:
    """(office_id, purpose) -> account_id of every office of the portfolio."""
    rows = connection.execute(
        text(
            "SELECT a.office_id, a.purpose, a.account_id FROM gl_account a "
            "JOIN office o ON o.office_id = a.office_id WHERE o.portfolio = :p"
        ),
        {"p": portfolio},
    )
    return {(office_id, purpose): account_id for office_id, purpose, account_id in rows}


def offices(connection: Connection, portfolio: str | None = None) -> list[Office]:
    """Offices in the order of their keys: numbers by value, so that 2 comes before 10."""
    rows = connection.execute(
        text(
            "SELECT office_id, portfolio, company, region, office, name FROM office "
            "WHERE CAST(:p AS TEXT) IS NULL OR portfolio = :p"
        ),
        {"p": portfolio},
    )
    return sorted(
        (Office(*row) for row in rows), key=lambda o: office_order(o.portfolio, o.company, o.region, o.office)
    )


def office_order(*key: str) -> tuple[tuple[int, str], ...]:
    """Sort key of an office key: right-aligned comparison, as the vendor's fields are."""
    return tuple((len(part), part) for part in key)


def default_office(connection: Connection, portfolio: str, configured: str | None = None) -> int:
    """office_id for what names no lease: the configured ``company/region/office``, else the portfolio's own setting,
    else the lowest."""
    found = offices(connection, portfolio)
    if not found:
        raise LedgerError(f"portfolio {portfolio}: found no office, expected one; load offices.csv")
    wanted = (
        configured
        or connection.execute(
            text("SELECT default_office FROM portfolio WHERE portfolio = :p"), {"p": portfolio}
        ).scalar()
    )
    if wanted is None:
        return found[0].office_id
    for office in found:
        if f"{office.company}/{office.region}/{office.office}" == wanted:
            return office.office_id
    raise LedgerError(
        f"portfolio {portfolio}: found no office {wanted}, expected the default office to exist; correct default_office"
    )


def business_date(connection: Connection, portfolio: str) -> tuple[str, str]:
    """(open business date, OPEN or CLOSED) of a portfolio."""
    row = connection.execute(
        text("SELECT business_date, period_state FROM portfolio WHERE portfolio = :p"), {"p": portfolio}
    ).one_or_none()
    if row is None:
        raise LedgerError(f"found no portfolio {portfolio}, expected it to be loaded; load portfolios.csv")
    return str(row[0]), str(row[1])


def marker(connection: Connection, portfolio: str, update_name: str, up_to: int | None = None) -> int:
    """unit_id of the portfolio's last unit of that name (not after ``up_to``); 0 when there was none."""
    return int(
        connection.execute(
            text(
                "SELECT COALESCE(MAX(unit_id), 0) FROM posting_unit WHERE portfolio = :p AND update_name = :u "
                "AND unit_id <= :last"
            ),
            {"p": portfolio, "u": update_name, "last": _last(up_to)},
        ).scalar_one()
    )


_FIGURES = """
WITH sums AS (
    SELECT t.account_id,
        CAST(SUM(CASE WHEN u.kind <> 'OPENING' AND u.unit_id > :day THEN t.debit_cents ELSE 0 END) AS BIGINT) AS dt,
        CAST(SUM(CASE WHEN u.kind <> 'OPENING' AND u.unit_id > :day THEN t.credit_cents ELSE 0 END) AS BIGINT) AS ct,
        CAST(SUM(CASE WHEN u.kind <> 'OPENING' AND u.unit_id > :month THEN t.debit_cents ELSE 0 END) AS BIGINT) AS dm,
        CAST(SUM(CASE WHEN u.kind <> 'OPENING' AND u.unit_id > :month THEN t.credit_cents ELSE 0 END) AS BIGINT) AS cm,
        CAST(SUM(t.debit_cents - t.credit_cents) AS BIGINT) AS net
    FROM posting_unit u JOIN unit_total t ON t.unit_id = u.unit_id
    WHERE u.portfolio = :p AND u.unit_id <= :last GROUP BY t.account_id
)
SELECT o.office_id, o.portfolio, o.company, o.region, o.office, a.account_id, a.vector, a.number, a.name, a.side,
    a.purpose, COALESCE(s.dt, 0), COALESCE(s.ct, 0), COALESCE(s.dm, 0), COALESCE(s.cm, 0),
    COALESCE(CASE a.side WHEN 'D' THEN s.net ELSE -s.net END, 0)
FROM office o JOIN gl_account a ON a.office_id = o.office_id LEFT JOIN sums s ON s.account_id = a.account_id
WHERE o.portfolio = :p
"""


def figures(
    connection: Connection, portfolio: str, *, up_to: int | None = None, since: int | None = None
) -> list[Figure]:
    """Every account of every office, in order of office key and account number, as it stood after unit ``up_to``
    (None: now). Today begins behind unit ``since`` (None: the last U0422). Accounts without activity are there too."""
    rows = connection.execute(
        text(_FIGURES),
        {
            "p": portfolio,
            "day": marker(connection, portfolio, ZERO_DAILY, up_to) if since is None else since,
            "month": marker(connection, portfolio, ZERO_MONTHLY, up_to),
            "last": _last(up_to),
        },
    )
    return sorted(
        (Figure(*row) for row in rows),
        key=lambda f: (office_order(f.portfolio, f.company, f.region, f.office), f.number, f.vector),
    )


def cash_processed(connection: Connection, portfolio: str) -> dict[int, int]:
    """office_id -> net movement of its CASH accounts since the last U0422, in cents."""
    out: dict[int, int] = {}
    for figure in figures(connection, portfolio):
        moved = figure.debit_today - figure.credit_today if figure.purpose.startswith("CASH ") else 0
        out[figure.office_id] = out.get(figure.office_id, 0) + moved
    return out


def portfolios(connection: Connection) -> Iterator[str]:
    """Portfolio numbers by value."""
    rows = connection.execute(text("SELECT portfolio FROM portfolio")).scalars()
    yield from sorted(rows, key=lambda p: (len(p), p))


def _last(up_to: int | None) -> int:
    return 2**62 if up_to is None else up_to
