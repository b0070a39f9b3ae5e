"""Commands that look at the ledger, load it, prove it and follow money through it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import text

from gateway.calendar import federal_holidays
from gateway.cli.common import (
    DONE,
    FAULT,
    WITH_REJECTS,
    DateOption,
    Session,
    command,
    complain,
    iso,
    one_of,
    portfolio_number,
    table,
)
from gateway.cli.lists import list_command
from gateway.cli.written import counted
from gateway.console.lists import REPORTS, report_list
from gateway.errors import UsageError
from gateway.ledger import load as loading
from gateway.ledger.load_columns import ColumnFacts, columns_of
from gateway.ledger.load_kinds import BY_NAME, KINDS
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.verify import verify as prove
from gateway.reports.render import render_text, write_report
from gateway.reports.table import Report


def register(app: typer.Typer) -> None:
    command(app, "load", example="gateway load reference/ --date 2026-03-02")(load)
    command(app, "verify", example="gateway verify")(verify)
    command(app, "report", example="gateway report suspense --portfolio 1")(report)
    ledger = typer.Typer(no_args_is_help=True, help="Look at the ledger; every list has filters.")
    for name, example in _EXAMPLES.items():
        command(ledger, name, example=example)(list_command(name, _ABOUT[name]))
    command(ledger, "holidays", example="gateway ledger holidays --year 2026")(holidays)
    app.add_typer(ledger, name="ledger")


_EXAMPLES = {
    "balance": "gateway ledger balance --portfolio 1",
    "journal": "gateway ledger journal --lease 1003 --from 2026-03-01",
    "lease": "gateway ledger lease --lease 1003",
    "receivables": "gateway ledger receivables --lease 1003",
    "payments": "gateway ledger payments --lease 1001",
    "checks": "gateway ledger checks --state SENT --vendor V100",
    "vendors": "gateway ledger vendors",
    "accounts": "gateway ledger accounts --account 1011",
    "charges": "gateway ledger charges --portfolio 1",
}
_ABOUT = {
    "balance": "Accounts by office: today, month to date, balance; without those that have none of it, unless --all.",
    "journal": "Entries line by line, each with the file and line it came from.",
    "lease": "Leases and their standing.",
    "receivables": "What is billed, paid and open, by invoice and charge.",
    "payments": "Payments by batch and line, and what was applied from suspense; nothing reversed without --all.",
    "checks": "Checks and disbursements, and what became of them: NEW, RESERVED, SENT, RETURNED or VOID.",
    "vendors": "Vendors; account numbers by their last four.",
    "accounts": "The chart of accounts.",
    "charges": "The charges of a portfolio, in the order in which an invoice's are paid (0: as they stand in it).",
}


def load(
    session: Session,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH...", help="CSV files, or folders of them.", show_default=False)
    ] = None,
    date: DateOption = None,
    columns: Annotated[
        bool, typer.Option("--columns", help="Show which files there are, with their columns, and load nothing.")
    ] = False,
) -> int:
    """Load reference data: an upsert by key in one transaction; every bad row is reported, then nothing is loaded.
    --date is the open business date, needed the first time a portfolio is loaded. --columns shows what the files hold,
    of those that PATH names or of all."""
    if columns:
        return _columns(session, paths or [])
    if not paths:
        raise UsageError("load: found no PATH..., expected one: CSV files, or folders of them; --columns shows which")
    iso(date, what="--date")
    app = session.app
    app.operator.require("load", "loading reference data")
    with session.progress("loading") as progress:
        try:
            result = loading.load(
                app.db, paths, vault=app.vault, maker=Maker(app.operator.code, app.operator.user), posted_at=app.now(), business_date=date,
                calendar=app.calendar(), progress=lambda _what, rows: progress(rows, None),
            )  # fmt: skip
        except loading.LoadRejected as error:
            if session.debug:
                raise
            complain(session, error)
            typer.echo(f"gateway: {counted(len(error.problems), 'problem')}; nothing was loaded", err=True)
            return error.exit_code
    counts = {kind: {"new": c.new, "changed": c.changed, "same": c.same} for kind, c in result.counts.items()}
    rows = [(kind, c.new, c.changed, c.same) for kind, c in result.counts.items()]
    session.show(
        {"counts": counts, "units": list(result.units), "warnings": list(result.warnings), "changes": dict(result.proposed)},
        [
            *table(("kind", "new", "changed", "same"), rows),
            *(f"warning: {w}" for w in result.warnings),
            *([f"Opening entries are posting unit {', '.join(map(str, result.units))}."] if result.units else []),
            *(f"Change {change} of vendor {vendor}'s bank details waits for a second person: gateway vendor approve {change}"
              for vendor, change in result.proposed.items()),
        ],
    )  # fmt: skip
    return WITH_REJECTS if result.proposed else DONE


def _columns(session: Session, paths: list[Path]) -> int:
    """The files of these names, a table each. No home is needed."""
    names = [one_of(path.stem.lower(), BY_NAME, what="PATH of --columns") for path in paths]
    kinds = [kind for kind in KINDS if kind.name in names or not names]
    found = {kind: list(columns_of(kind)) for kind in kinds}
    lines: list[str] = []
    for kind, facts in found.items():
        heads = ("column", "needed", "holds", "which is")[: 4 if any(c.about for c in facts) else 3]
        rows = [(c.column or "(code)", _needed(c), c.holds, c.about)[: len(heads)] for c in facts]
        lines += [*([""] if lines else []), f"{kind.name}.csv", *table(heads, rows)]
    session.show({"rows": [c._asdict() for facts in found.values() for c in facts]}, lines)
    return DONE


def _needed(column: ColumnFacts) -> str:
    if column.optional:
        return f"else {column.default}" if column.default else "no"
    return "key" if column.key else "yes"


def holidays(
    session: Session,
    year: Annotated[
        int | None,
        typer.Option("--year", min=1999, max=2060, help="Else all years of calendar.covered.", show_default=False),
    ] = None,
) -> None:
    """The days on which banks are closed beside weekends: the Federal Reserve's, and the site's own of holidays.csv. A year is
    compared with them before it is added to calendar.covered."""
    covered = sorted(session.app.settings.gateway.calendar.covered)
    years = covered if year is None else [year]
    with session.app.db.read() as connection:
        own = connection.execute(text("SELECT date, name, calendar FROM holiday")).all()
    days = [(day, name, "Federal Reserve") for day, name in federal_holidays(years).items()]
    days += [
        (on, name, calendar) for day, name, calendar in own if (on := datetime.date.fromisoformat(day)).year in years
    ]
    rows = [(day.isoformat(), f"{day:%A}", name, calendar) for day, name, calendar in sorted(days)]
    session.show_rows(("date", "day", "name", "calendar"), rows, extra={"covered": covered})
    if not session.as_json and year is not None and year not in covered:
        session.show({}, [
            f"{year} is not in calendar.covered: nothing that falls into it is done before a person compared these days with the "
            "Federal Reserve's own list and added it in config/gateway.toml."
        ])  # fmt: skip


def verify(session: Session) -> int:
    """Recompute every invariant: balance, chain, subledgers, files in count and money, outbound bytes, archive."""
    from gateway.parts import verify_options  # brings the rooms along whose work it recomputes

    with session.progress("verifying") as progress:
        checks = prove(session.app.db, **verify_options(session.app), progress=progress)
    bad = [c for c in checks if not c.ok]
    session.show(
        {
            "ok": not bad,
            "checks": [
                {
                    "name": c.name,
                    "where": c.where,
                    "ok": c.ok,
                    "found": c.found,
                    "expected": c.expected,
                    "detail": c.detail,
                }
                for c in checks
            ],
        },
        [
            *table(("check", "of", "result"), [(c.name, c.where, "ok" if c.ok else "DIFFERS") for c in checks]),
            *(
                f"DIFFERS {' '.join(filter(None, (c.name, c.where)))}: found {c.found}, expected {c.expected}. {c.detail}"
                for c in bad
            ),
            f"{counted(len(checks), 'check')}, {counted(len(bad), 'difference')}.",
        ],
    )
    return FAULT if bad else DONE


def report(
    session: Session,
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(REPORTS)}.")],
    portfolio: Annotated[str, typer.Option("--portfolio", metavar="N", help="The portfolio.", parser=portfolio_number)],
    out: Annotated[Path | None, typer.Option("--out", help="Also write text, CSV and JSON into this folder.")] = None,
) -> None:
    """Make a report of how things stand now: text on the screen, and with --out all three forms into a folder too."""
    if name not in REPORTS:
        raise UsageError(f"report {name}: found no such report, expected one of {', '.join(REPORTS)}")
    made = report_list(session.app, name, portfolio)
    paths = [] if out is None else _written(made, out, f"p{portfolio}_{name}")
    columns = made.spec.columns
    if session.as_json:
        money = frozenset(c.key for c in columns if c.kind == "money")
        session.show_rows([c.key for c in columns], made.rows, money=money, extra={"files": [str(p) for p in paths]})
    else:
        pages = render_text(made).rstrip("\n").replace("\f", "\n").split("\n")
        session.show({}, [*pages, *(f"Wrote {path}" for path in paths)])


def _written(made: Report, out: Path, stem: str) -> list[Path]:
    """The three forms. Raises UsageError for a folder that cannot hold them."""
    try:
        return write_report(made, out, stem)
    except PermissionError:  # told with its owner, as everywhere
        raise
    except OSError as error:
        raise UsageError(
            f"report --out {out}: found that {error.filename or out} cannot be written ({error.strerror}), expected a folder, "
            "or a name where one can be made; name another one"
        ) from error
