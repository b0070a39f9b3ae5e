"""Opening entries on their way: planned in two scratch tables, posted at the end in one OPENING unit a portfolio.

``load_entry`` has one row an entry, numbered ``n`` through the whole load; ``load_leg`` its legs by purpose. ``origin``
and ``origin_row`` say which staged row an entry comes from, so that rows which need their entry's id find it.
"""

from __future__ import annotations

from gateway.errors import LedgerError
from gateway.ledger.load_stage import Loading
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.units import close_unit, open_unit

UPDATE_NAME = "LOAD"
OPEN = "OPEN"
"""Reason of an opening entry; CORR of one that corrects it."""
CORRECTION = "CORR"


def start(loading: Loading) -> None:
    loading.db.scratch(
        loading.connection,
        "load_entry",
        "n BIGINT PRIMARY KEY, portfolio TEXT, office_id BIGINT, lease TEXT, invoice TEXT, asset TEXT, txn TEXT, "
        "reason TEXT, effective_date TEXT, corrects BIGINT, origin TEXT, origin_row BIGINT, origin_part BIGINT, "
        "entry_id BIGINT",
    )
    loading.db.scratch(
        loading.connection,
        "load_leg",
        "n BIGINT, line BIGINT, purpose TEXT, side TEXT, cents BIGINT, PRIMARY KEY (n, line)",
    )


def base(loading: Loading) -> int:
    """The highest ``n`` so far; a step numbers its entries from there with ROW_NUMBER()."""
    return int(loading.sql("SELECT COALESCE(MAX(n), 0) FROM load_entry").scalar_one())


def post(loading: Loading) -> list[int]:
    """Post what is planned, a unit a portfolio; gives the unit ids. Every planned entry then has its ``entry_id``."""
    portfolios = loading.sql("SELECT DISTINCT portfolio FROM load_entry").scalars().all()
    loading.db.lock_portfolios(loading.connection, portfolios)
    units = []
    for portfolio in sorted(portfolios, key=lambda p: (len(p), p)):
        unit = open_unit(
            loading.db, loading.connection, portfolio=portfolio, kind="OPENING", update_name=UPDATE_NAME,
            operator=loading.operator, posted_at=loading.posted_at,
        )  # fmt: skip
        loading.sql(
            "UPDATE load_entry SET entry_id = :first + r.number FROM (SELECT n, ROW_NUMBER() OVER (ORDER BY n) AS number "
            "FROM load_entry WHERE portfolio = :p) r WHERE load_entry.n = r.n",
            first=unit.first_id,
            p=portfolio,
        )
        loading.sql(
            "INSERT INTO journal_entry (entry_id, office_id, lease, invoice, asset, txn, reason, effective_date, "
            "corrects) SELECT entry_id, office_id, lease, invoice, NULLIF(asset, ''), txn, reason, effective_date, "
            "corrects FROM load_entry WHERE portfolio = :p",
            p=portfolio,
        )
        loading.sql(
            "INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents) "
            "SELECT e.entry_id, l.line, a.account_id, l.side, l.cents FROM load_entry e JOIN load_leg l ON l.n = e.n "
            "JOIN gl_account a ON a.office_id = e.office_id AND a.purpose = l.purpose WHERE e.portfolio = :p",
            p=portfolio,
        )
        closed = close_unit(unit)
        units.append(closed.unit_id)
    _check_complete(loading, units)
    return units


def _check_complete(loading: Loading, units: list[int]) -> None:
    """Every leg found its account; one that did not would leave an entry that balances by chance."""
    planned = loading.sql("SELECT COUNT(*) FROM load_leg").scalar_one()
    posted = sum(
        loading.sql(
            "SELECT COUNT(*) FROM journal_line WHERE entry_id BETWEEN :low AND :high",
            low=unit * ENTRIES_A_UNIT,
            high=(unit + 1) * ENTRIES_A_UNIT - 1,
        ).scalar_one()
        for unit in units
    )
    if planned != posted:
        raise LedgerError(
            f"posting opening entries: found accounts for {posted} of {planned} lines, expected all; "
            "the office's chart lacks a purpose"
        )
