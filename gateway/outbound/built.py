"""What building gives back: the frozen files, the reports that go with them, and what a person should see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import UsageError
from gateway.outbound.store import Frozen
from gateway.reports.table import Report, ReportSpec


@dataclass(frozen=True, slots=True)
class NamedReport:
    """A report and the stem of its files."""

    stem: str
    report: Report


@dataclass(frozen=True, slots=True)
class Built:
    files: tuple[Frozen, ...] = ()
    reports: tuple[NamedReport, ...] = ()
    messages: tuple[str, ...] = ()
    withheld: int = 0  # what should have gone out and did not: on the exception report

    @property
    def exceptions(self) -> NamedReport | None:
        """The report that says what was withheld: the last one."""
        return self.reports[-1] if self.withheld else None


@dataclass(frozen=True, slots=True)
class Place:
    """The portfolio a file is built for, on its open business date."""

    portfolio: str
    name: str
    business_date: str


def place(app: App, connection: Connection, portfolio: str) -> Place:
    """Lock the portfolio for the transaction and say where it stands. Raises UsageError for an unknown one."""
    app.db.lock_portfolios(connection, [portfolio])
    row = connection.execute(
        text("SELECT name, business_date FROM portfolio WHERE portfolio = :p"), {"p": portfolio}
    ).one_or_none()
    if row is None:
        raise UsageError(
            f"building for portfolio {portfolio}: found none of that number, expected it to be loaded: gateway load"
        )
    return Place(portfolio, row.name, row.business_date)


def report_of(
    app: App,
    at: Place,
    spec: ReportSpec,
    rows: Iterable[Sequence[object]],
    *,
    notes: tuple[str, ...] = (),
    figures: dict[str, object] | None = None,
) -> NamedReport:
    """A report of this run, named as the vendor names its print files."""
    made = Report(
        spec=spec,
        portfolio=at.portfolio,
        portfolio_name=at.name,
        business_date=at.business_date,
        run_at=app.now(),
        rows=rows,
        notes=notes,
        figures=figures or {},
    )
    return NamedReport(f"p{at.portfolio}_lp{spec.name.lower()}", made)
