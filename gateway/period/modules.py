"""The modules of End of Period in their order, with what each needs. Only modules that work stand in the table.

A later module joins by a row here and a function in ``work.py`` (or a module of its own).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final, Literal

from gateway.app import App
from gateway.period import work
from gateway.period.context import Context

Group = Literal["day", "month"]
Uses = Callable[[App, str], bool]


def _always(_app: App, _portfolio: str) -> bool:
    return True


def _vendor_ach(app: App, portfolio: str) -> bool:
    return app.settings.portfolio(portfolio).vendor_ach.used


def _xsellerator(app: App, portfolio: str) -> bool:
    settings = app.settings.portfolio(portfolio).xsellerator
    return settings.used and settings.in_end_of_period


@dataclass(frozen=True, slots=True)
class Module:
    """``needs``: modules that must be done or skipped first. ``skipped_with``: skipped when that one is."""

    name: str
    title: str
    needs: tuple[str, ...]
    run: Callable[[Context], None]
    group: Group = "day"
    skipped_with: str | None = None
    uses: Uses = _always


_POSTING: Final = ("U0415", "U0418", "U0409", "U0470")

MODULES: Final[tuple[Module, ...]] = (
    Module("U0410", "Start End of Period", (), work.start),
    Module("U0415", "Batch Payments", ("U0410",), partial(work.post_files, kind="payments")),
    Module("U0418", "Batch Assessments", ("U0410",), partial(work.post_files, kind="assessments")),
    Module("U0409", "Batch Escrow", ("U0410",), partial(work.post_files, kind="escrow")),
    Module("U0470", "Batch Payment Reversal", ("U0410",), partial(work.post_files, kind="reversals")),
    Module("U0424", "Vendor ACH", ("U0410",), work.vendor_ach, uses=_vendor_ach),
    Module("R0203", "Suspense Review", _POSTING, work.suspense_review),
    Module("U0460", "Reconciliation", _POSTING, work.reconcile_accounts),
    Module("XSELLERATOR", "Xsellerator Interfaces", _POSTING, work.export, uses=_xsellerator),
    Module("U1003", "General Ledger Interface", _POSTING, work.transfer),
    Module("U0422", "Zero Daily General Ledger Accounts", ("U1003",), work.zero, skipped_with="U1003"),
    Module("U0450", "Zero Monthly General Ledger Accounts", ("U0422",), work.zero, "month"),
    Module("U0499", "End End of Period", (), work.end),  # needs all of the others
)
FIRST: Final = "U0410"
LAST: Final = "U0499"


def plan(app: App, portfolio: str, business_date: date, next_day: date) -> list[Module]:
    """The modules of one portfolio and business date, in order; month-end ones on the last business day of a month."""
    groups: set[Group] = {"day"}
    if (business_date.year, business_date.month) != (next_day.year, next_day.month):
        groups.add("month")
    return [m for m in MODULES if m.group in groups and m.uses(app, portfolio)]


def needs_of(module: Module, planned: list[Module]) -> tuple[str, ...]:
    """What must be settled before a module, of what is planned at all."""
    names = [m.name for m in planned]
    if module.name == LAST:
        return tuple(name for name in names if name != LAST)
    return tuple(name for name in module.needs if name in names)
