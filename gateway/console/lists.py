"""``gateway report NAME``: the ledger's lists as reports, in the three forms of every report."""

from __future__ import annotations

from typing import Final

from gateway.app import App
from gateway.errors import UsageError
from gateway.ledger import views
from gateway.ledger.accounts import business_date
from gateway.ledger.views import Filters
from gateway.reports.table import OFFICE_COLUMNS, Column, Report, ReportSpec

_TITLES: Final = {
    "balance": "ACCOUNT FIGURES",
    "journal": "JOURNAL",
    "receivables": "OPEN RECEIVABLES",
    "payments": "PAYMENTS APPLIED",
    "suspense": "OPEN SUSPENSE",
    "checks": "CHECKS",
    "accounts": "CHART OF ACCOUNTS",
}
REPORTS: Final = tuple(_TITLES)
_MONEY_WIDTH: Final = 18
_ON_ITS_SIDE: Final = ("balance", "opening_balance")
"""Each account's on its own side, so that their sum means nothing."""


def report_list(app: App, name: str, portfolio: str) -> Report:
    """The report of that name as things stand. Raises UsageError for a portfolio that is not loaded."""
    with app.db.read() as connection:
        known = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT portfolio, name FROM portfolio")}
        if portfolio not in known:
            raise UsageError(
                f"report {name}: found no portfolio {portfolio}, expected "
                + (f"one of {', '.join(sorted(known))}" if known else "one that is loaded: gateway load")
            )
        found = views.show(connection, name, Filters(portfolio=portfolio, all=name == "balance"), vault=app.vault)
        rows = list(found.rows)
        day, _ = business_date(connection, portfolio)
    columns = tuple(
        Column(key, heading, _MONEY_WIDTH, "money", totalled=key not in _ON_ITS_SIDE)
        if key in found.money
        else Column(key, heading, max([len(heading), *(len(str(row[i])) for row in rows if row[i] is not None)]))
        for i, (key, heading) in enumerate((k, k.replace("_", " ").upper()) for k in found.columns)
    )
    by_office = {column.key for column in OFFICE_COLUMNS} <= set(found.columns)
    spec = ReportSpec(name.upper(), _TITLES[name], columns, by_office=by_office)
    return Report(spec, portfolio, known[portfolio], day, app.now(), rows)
