"""The modules' own work. Each does its effect and says that it is done in one transaction."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.crashpoints import Step, reached
from gateway.errors import GatewayError, Refused
from gateway.ledger import accounts, units
from gateway.money import shown
from gateway.outbound import gl, xsellerator
from gateway.outbound.built import Built, place, report_of
from gateway.outbound.store import Frozen
from gateway.period import reconcile
from gateway.period.context import Context
from gateway.period.states import RunState
from gateway.release import build as building
from gateway.reports.table import OFFICE_COLUMNS, Column, ReportSpec
from gateway.vendor_ach import settlement

CLEARED_DAYS: Final = 30
"""R0203 keeps a cleared suspense item this long; open ones are never dropped."""


def start(context: Context) -> None:
    """U0410: close the business date; files that arrive from now on wait."""
    with context.app.db.write() as connection:
        context.app.db.lock_portfolios(connection, [context.portfolio])
        changed = connection.execute(
            text(
                "UPDATE portfolio SET period_state = 'CLOSED' WHERE portfolio = :p AND business_date = :d "
                "AND period_state = 'OPEN'"
            ),
            {"p": context.portfolio, "d": context.business_date},
        ).rowcount
        if changed != 1:
            raise Refused(f"U0410: found business date {context.business_date} not open, expected it open")
        context.finish(connection, "business date closed, files wait")


def end(context: Context) -> None:
    """U0499: open the next business day; the files that waited post into it."""
    following = context.next_day().isoformat()
    with context.app.db.write() as connection:
        context.app.db.lock_portfolios(connection, [context.portfolio])
        connection.execute(
            text(
                "UPDATE portfolio SET business_date = :next, period_state = 'OPEN' WHERE portfolio = :p "
                "AND business_date = :d AND period_state = 'CLOSED'"
            ),
            {"next": following, "p": context.portfolio, "d": context.business_date},
        )
        connection.execute(
            text("UPDATE eop_run SET state = :done, ended_at = :at WHERE run_id = :run"),
            {"done": RunState.DONE.value, "at": context.app.now(), "run": context.run_id},
        )
        context.finish(connection, f"business date {following} is open")


# --- files --------------------------------------------------------------------------------------------------

_STAGED: Final = (
    "SELECT file_id, name, state FROM inbound_file WHERE portfolio = :p AND kind = :kind AND (state = 'STAGED' "
    "OR (state = 'FAILED' AND business_date IS NOT NULL)) ORDER BY file_id"
)
"""Preloaded files, and those whose posting failed after they were preloaded (which have a business date)."""


def post_files(context: Context, kind: str) -> None:
    """Post the preloaded files of a kind, each in a transaction of its own; a file posts once whatever happens here.

    Raises GatewayError when one of them failed: the period does not end over it.
    """
    with context.app.db.read() as connection:
        files = connection.execute(text(_STAGED), {"p": context.portfolio, "kind": kind}).all()
    failed = [file.name for file in files if file.state == "FAILED"]
    posted = 0
    for file in files:
        if file.state != "STAGED":
            continue
        if context.post_file(file.file_id) == "FAILED":
            failed.append(file.name)
        else:
            posted += 1
    if failed:
        raise GatewayError(
            f"posting preloaded files: found {', '.join(failed)} failed, expected all posted; see gateway files list, "
            "release or discard them, and run End of Period again"
        )
    with context.app.db.write() as connection:
        context.finish(
            connection,
            f"{posted} preloaded {'file' if posted == 1 else 'files'} posted" if posted else "no preloaded files",
        )


# --- outbound -----------------------------------------------------------------------------------------------


def build_files(context: Context, kind: str, **options: Any) -> None:
    """Build files of a kind; the module is done in the transaction that freezes them."""
    app = context.app
    with app.db.write() as connection:
        built = building.within(app, connection, kind, context.portfolio, **options)
        context.report(*built.reports)
        context.finish(connection, _said(built.files, built.withheld, built.messages))
        reached(Step.BUILT_UNCOMMITTED)
    building.finish(app, Built(built.files))


def vendor_ach(context: Context) -> None:
    """U0424: what reversals brought back by now is posted, then the files of what is due are built."""
    app = context.app
    with app.db.write() as connection:
        unit_id, cents = settlement.settle(app, connection, place(app, connection, context.portfolio))
        built = building.within(app, connection, "VACH", context.portfolio)
        context.report(*built.reports)
        said = _said(built.files, built.withheld, built.messages)
        context.finish(connection, f"reversals of {shown(cents)} settled; {said}" if unit_id else said, unit_id)
        reached(Step.BUILT_UNCOMMITTED)
    building.finish(app, Built(built.files))


def transfer(context: Context) -> None:
    """U1003. A file made by hand counts as the transfer when nothing was posted since."""
    app = context.app
    with app.db.write() as connection:
        app.db.lock_portfolios(connection, [context.portfolio])
        name = gl.transferred(connection, context.portfolio)
        if name is not None:
            context.finish(connection, f"transferred in {name}, nothing posted since")
            return
    build_files(context, "DSGL")


def _said(files: tuple[Frozen, ...], withheld: int, messages: tuple[str, ...]) -> str:
    parts = [f"{file.name} {file.state}" for file in files] or ["no file"]
    if withheld:
        parts.append(f"{withheld} withheld, see the exception report")
    return "; ".join([*parts, *messages])


def export(context: Context) -> None:
    """Xsellerator interfaces that the portfolio wants made in End of Period, all for this business date. Files made by hand
    count when they have all of it."""
    app = context.app
    built: list[Built] = []
    day = date.fromisoformat(context.business_date)
    with app.db.write() as connection:
        app.db.lock_portfolios(connection, [context.portfolio])
        for interface in app.settings.portfolio(context.portfolio).xsellerator.interfaces:
            if names := xsellerator.exported_whole(connection, context.portfolio, interface, day):
                built.append(Built(messages=(f"{interface}: exported in {', '.join(names)}, nothing posted since",)))
                continue
            options: dict[str, Any] = {} if interface == "PAYMENTS" else {"start": day, "end": day}
            built.append(
                building.within(app, connection, "XSELLERATOR", context.portfolio, interface=interface, **options)
            )
        files = tuple(file for one in built for file in one.files)
        context.finish(connection, _said(files, 0, tuple(m for one in built for m in one.messages)))
        reached(Step.BUILT_UNCOMMITTED)
    building.finish(app, Built(files))


# --- the ledger ---------------------------------------------------------------------------------------------


def zero(context: Context) -> None:
    """U0422 and U0450: a unit without entries; today (or this month) begins after it. History stays.

    Raises Refused when U0422 would zero what was posted behind U1003, by a module that failed or was left out until then.
    """
    app = context.app
    with app.db.write() as connection:
        app.db.lock_portfolios(connection, [context.portfolio])
        if context.module == accounts.ZERO_DAILY:
            gl.refuse_untransferred(connection, context.portfolio)
        figures = accounts.figures(connection, context.portfolio)
        debits = sum(f.debit_today if context.module == accounts.ZERO_DAILY else f.debit_mtd for f in figures)
        cash = sum(accounts.cash_processed(connection, context.portfolio).values())
        unit = units.open_unit(
            app.db,
            connection,
            portfolio=context.portfolio,
            kind="MODULE",
            update_name=context.module,
            operator=app.operator.code,
            posted_at=app.now(),
        )
        units.close_unit(unit)
        said = f"{shown(debits)} of debits and credits zeroed"
        if context.module == accounts.ZERO_DAILY:
            said += f", cash processed was {shown(cash)}"
        context.finish(connection, said, unit.unit_id)


_OFFICE: Final = (*OFFICE_COLUMNS, Column("account", "ACCOUNT", 12), Column("name", "NAME", 36))
U0460A: Final = ReportSpec(
    "U0460A",
    "RECONCILIATION DIFFERENCES",
    (
        *_OFFICE,
        Column("ledger", "LEDGER BALANCE", 17, "money"),
        Column("detail", "DETAIL TOTAL", 17, "money"),
        Column("difference", "DIFFERENCE", 17, "money", totalled=True),
    ),
    by_office=True,
)
U0460B: Final = ReportSpec(
    "U0460B",
    "TRANSACTIONS BEHIND DIFFERENCES",
    (
        *_OFFICE,
        Column("lease", "LEASE", 10),
        Column("transaction", "TXN", 4),
        Column("date", "DATE", 10, "date"),
        Column("amount", "AMOUNT", 17, "money", totalled=True),
    ),
    by_office=True,
)


def reconcile_accounts(context: Context) -> None:
    """U0460: differences on A, today's transactions behind them on B; changes nothing."""
    app = context.app
    with app.db.write() as connection:
        at = place(app, connection, context.portfolio)
        compared = reconcile.compare(connection, context.portfolio)
        differing = [one for one in compared if one.difference_cents]
        found: list[tuple[object, ...]] = []
        behind: list[tuple[object, ...]] = []
        for one in differing:
            f = one.figure
            head = (f.portfolio, f.company, f.region, f.office, f.number, f.name)
            found.append((*head, f.balance, one.detail_cents, one.difference_cents))
            behind += [
                (*head, t.lease, t.txn, t.effective_date, t.amount_cents)
                for t in reconcile.transactions(connection, context.portfolio, f.account_id)
            ]
        note = (f"{len(compared)} ACCOUNTS COMPARED WITH THEIR DETAILS",)
        context.report(report_of(app, at, U0460A, found, notes=note), report_of(app, at, U0460B, behind))
        context.finish(connection, f"{len(compared)} accounts compared, {len(differing)} differ")


R0203: Final = ReportSpec(
    "R0203",
    "SUSPENSE REVIEW",
    (
        *OFFICE_COLUMNS,
        Column("item", "ITEM", 8, "count"),
        Column("kind", "KIND", 8),
        Column("lease", "LEASE", 10),
        Column("opened_on", "OPENED", 10, "date"),
        Column("closed_on", "CLOSED", 10, "date"),
        Column("reason", "REASON", 20, wraps=True),
        Column("batch", "BATCH", 20),
        Column("check", "CHECK", 9),
        Column("amount", "AMOUNT", 14, "money", totalled=True),
        Column("remaining", "REMAINING", 14, "money", totalled=True),
    ),
    by_office=True,
)

_ITEMS: Final = """
    SELECT o.portfolio, o.company, o.region, o.office, s.item, s.kind, s.lease, s.opened_on, s.closed_on, s.reason,
        s.batch, s.check_no, s.amount_cents, s.remaining_cents
    FROM suspense_item s JOIN office o ON o.office_id = s.office_id
    WHERE s.portfolio = :p AND (s.remaining_cents > 0 OR s.closed_on IS NULL OR s.closed_on >= :since)
    ORDER BY s.item
"""


def suspense_review(context: Context) -> None:
    """R0203: open suspense, and what was cleared lately."""
    app = context.app
    since = (date.fromisoformat(context.business_date) - timedelta(days=CLEARED_DAYS)).isoformat()
    with app.db.write() as connection:
        at = place(app, connection, context.portfolio)
        rows = _rows(connection, _ITEMS, {"p": context.portfolio, "since": since})
        rows.sort(key=lambda row: accounts.office_order(*map(str, row[:4])))
        waiting = [row for row in rows if row[-1]]
        context.report(report_of(app, at, R0203, rows))
        total = sum(int(str(row[-1])) for row in waiting)
        context.finish(connection, f"{len(waiting)} open suspense items, {shown(total)}")


def _rows(connection: Connection, statement: str, values: dict[str, Any]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(statement), values)]
