"""``gateway load``: reference data from CSV files, as an upsert by key in one transaction.

Every bad row of every file is reported at once and then nothing is loaded. A portfolio's open business date is set
the first time it is loaded. Loaded invoices, payments, checks and balances post their opening entries, in one OPENING
unit a portfolio, so that the ledger balances from the first minute; loading the same files again changes nothing.
Every portfolio is held meanwhile, then the keys, in the order of whoever builds and approves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.calendar import BankingCalendar
from gateway.errors import GatewayError, Refused
from gateway.ledger import (
    load_balances,
    load_checks,
    load_entries,
    load_invoices,
    load_payments,
    load_reference,
    load_stage,
    load_vendors,
)
from gateway.ledger.accounts import portfolios
from gateway.ledger.database import Database
from gateway.ledger.load_kinds import KINDS, Kind
from gateway.ledger.load_read import Problem, Sheet, find_files, open_sheet
from gateway.ledger.load_stage import Counts, Loading, Progress, Staged
from gateway.ledger.vendor_changes import Maker
from gateway.vault import Vault


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did: rows by kind, the OPENING units it posted, what a person should look at."""

    counts: Mapping[str, Counts]
    units: tuple[int, ...]
    warnings: tuple[str, ...]
    proposed: Mapping[str, int]  # by vendor, the change of bank details that waits for a second person


class LoadRejected(GatewayError):  # noqa: N818 - a refusal with reasons, as Refused is
    """Nothing was loaded; ``problems`` has every reason."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.message for problem in problems))


_STEPS: Mapping[str, Callable[[Loading, Staged], None]] = {
    "portfolios": load_reference.load_portfolios,
    "gl_accounts": load_reference.load_accounts,
    "charges": load_reference.load_charges,
    "leases": load_reference.load_leases,
    "holidays": load_reference.load_holidays,
    "vendors": load_vendors.load_vendors,
    "schedules": load_reference.load_schedules,
    "invoices": load_invoices.load,
    "payments": load_payments.load,
    "checks": load_checks.load,
}


def load(
    db: Database,
    paths: Sequence[Path],
    *,
    vault: Vault,
    maker: Maker,
    posted_at: str,
    business_date: str | None,
    calendar: BankingCalendar | None = None,
    progress: Progress | None = None,
) -> LoadResult:
    """Load files or folders; ``business_date`` is ISO text; of a portfolio's first one ``calendar`` says what is odd about it
    (None: none is asked). Raises LoadRejected with every problem, Refused for another business date."""
    sheets, problems, unread = _sheets(paths)
    with db.write() as connection:
        db.lock(connection, "load")
        # before anything is read: a build, an approval or a posting between a look and the upsert would be written over
        db.lock_portfolios(connection, portfolios(connection))
        if "vendors" in sheets:
            load_vendors.hold(vault, db, connection)
        loading = Loading(
            db, connection, vault, maker, posted_at, business_date, calendar, problems=problems, unread=unread
        )
        load_stage.start(loading)
        load_entries.start(loading)
        for kind in KINDS:
            if kind.name in sheets:
                _load_kind(loading, sheets[kind.name], progress)
            if kind.name == "gl_accounts":
                load_reference.complete_charts(loading)
        _check_business_dates(loading)
        if not loading.problems:
            load_balances.load_escrow(loading, loading.staged.get("leases"))
            if "gl_accounts" in loading.staged:
                load_balances.load_accounts(loading, loading.staged["gl_accounts"])
        if loading.problems:
            raise LoadRejected(_in_file_order(loading.problems))
        units = load_entries.post(loading)
        if "payments" in loading.staged:
            load_payments.finish(loading, units)
        if "checks" in loading.staged:
            load_checks.finish(loading, units)
    return LoadResult(loading.counts, tuple(units), tuple(loading.warnings), loading.proposed)


def _sheets(paths: Sequence[Path]) -> tuple[dict[str, Sheet], list[Problem], frozenset[str]]:
    """Files with a sound header, what is wrong with the others, and the tables those would have filled."""
    files, problems = find_files(paths)
    sheets, unread = {}, set()
    for kind, path in files:
        sheet, wrong = open_sheet(kind, path)
        problems += wrong
        if sheet is not None:
            sheets[kind.name] = sheet
        else:
            unread.add(kind.referred[0])
    return sheets, problems, frozenset(unread)


def _load_kind(loading: Loading, sheet: Sheet, progress: Progress | None) -> None:
    staged = load_stage.stage(loading, sheet, progress)
    load_stage.check_references(loading, staged)
    load_stage.find_offices(loading, staged)
    load_stage.check_keys(loading, staged)
    load_stage.drop_partial(loading, staged)
    _STEPS.get(sheet.kind.name, load_stage.upsert)(loading, staged)


def _touched_portfolios(loading: Loading) -> set[str]:
    out: set[str] = set()
    for staged in loading.staged.values():
        names = {f.column for f in staged.kind.fields}
        if "portfolio" in names:
            out |= set(loading.sql(f"SELECT DISTINCT portfolio FROM {staged.table}").scalars())
        elif "lease" in names:
            out |= set(
                loading.sql(
                    f"SELECT DISTINCT l.portfolio FROM {staged.table} s JOIN lease l ON l.lease = s.lease"
                ).scalars()
            )
    return out


def _check_business_dates(loading: Loading) -> None:
    """A date that differs from the open one is refused; only a new portfolio takes it."""
    if loading.business_date is None:
        return
    rows = loading.sql(
        "SELECT portfolio, business_date FROM portfolio WHERE business_date <> :d", d=loading.business_date
    )
    other = {p: on for p, on in rows if p in _touched_portfolios(loading)}
    for portfolio, on in sorted(other.items()):
        raise Refused(
            f"loading portfolio {portfolio} with --date {loading.business_date}: found its open business date {on}, "
            "expected the same; leave --date out"
        )


def _in_file_order(problems: Sequence[Problem]) -> list[Problem]:
    order = {f"{kind.name}.csv": n for n, kind in enumerate(KINDS)}
    return sorted(problems, key=lambda p: (order.get(p.file.lower(), -1), p.row or 0, p.column or ""))


__all__ = ["Kind", "LoadRejected", "LoadResult", "Problem", "load"]
