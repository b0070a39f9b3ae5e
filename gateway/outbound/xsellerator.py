"""Xsellerator export: journal rows of an interface and date range, checked before they can do harm over there.

The file is refused, and nothing claimed, when a row's lease lacks control number, account or deal number, when a
control number belongs to two open deals, or when the rows do not add to zero. What was exported before is refused
too, with the difference since then, until an operator decides: the file was not used and goes, or it was used and only
what is new goes (``after``), or all of it once more (``again``). Billing takes leases only; an entry that makes a
receivable of a prepaid lease is left out whole, so that what remains still adds to zero. Payments go as whole live
batches whatever their date; exporting closes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import chain
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import Refused
from gateway.outbound.built import Built, Place, place
from gateway.outbound.rendering import frozen_profile
from gateway.outbound.store import NewFile, Source, first_free_names, freeze, numbered
from gateway.outbound.xsellerator_checks import (
    check_controls,
    check_interface,
    check_references,
    entries_in,
    exported,
    exported_before,
    range_warnings,
)
from gateway.outbound.xsellerator_gather import OPEN_BATCHES, PAYMENTS, Line, Selection, entries, payments
from gateway.settings_portfolio import XselleratorSettings
from parsers.xsellerator import XselRow, condense, zero_sum_problem
from writers.text import WriterError
from writers.xsellerator import file_name

KIND: Final = "XSELLERATOR"


def build_xsellerator(
    app: App,
    connection: Connection,
    portfolio: str,
    *,
    interface: str,
    start: date | None = None,
    end: date | None = None,
    again: bool = False,
    after: int | None = None,
    reason: str | None = None,
) -> Built:
    """Freeze one interface file; no entries in the range give no file and say so.

    ``start`` and ``end`` default to the business date (payments: to the batches' own dates). Where some of it went out before,
    an operator's decision with a reason: ``again`` exports all of it, ``after`` (the number of the last file that has some,
    because it was used) only what no file has. Raises Refused.
    """
    at = place(app, connection, portfolio)
    settings = app.settings.portfolio(portfolio).xsellerator
    check_interface(at, settings, interface)
    day = date.fromisoformat(at.business_date)
    selection = (
        payments(connection, portfolio, start, end, day)
        if interface == PAYMENTS
        else entries(connection, portfolio, interface, start or day, end or start or day)
    )
    if selection.end < selection.start:
        raise Refused(
            f"exporting {interface}: found {selection.start} to {selection.end}, expected a range forward: give --from before --to"
        )
    selection, before = exported_before(connection, at, interface, selection, again=again, after=after, reason=reason)
    messages = [*range_warnings(interface, selection), *before]
    if not selection.lines:
        none = "nothing new since" if before else f"no entries from {selection.start} to {selection.end}"
        return Built(messages=(*messages, f"{interface}: {none}"))
    check_references(at, selection.lines)
    check_controls(connection, selection.lines)
    try:
        return _freeze(app, connection, at, settings, interface, selection, messages)
    except WriterError as error:
        raise Refused(f"exporting {interface} of portfolio {portfolio}: {error}; nothing was written") from error


def exported_whole(connection: Connection, portfolio: str, interface: str, day: date) -> tuple[str, ...]:
    """Names of the files that have all of a day between them; none where something is new, or there was nothing."""
    if interface == PAYMENTS:
        return ()  # a batch that went out is closed, so that no build has it again
    selection = entries(connection, portfolio, interface, day, day)
    files = exported(connection, portfolio, interface, selection)
    went = frozenset[int]().union(*(file.entries for file in files))
    return tuple(file.name for file in files) if entries_in(selection.lines) <= went else ()


def _freeze(
    app: App,
    connection: Connection,
    at: Place,
    settings: XselleratorSettings,
    interface: str,
    selection: Selection,
    messages: list[str],
) -> Built:
    raw = [_row(line) for line in selection.lines]
    if problem := zero_sum_problem(raw):
        raise WriterError(f"the journal is not exported: {problem}")
    rows, sources = _rows(raw, selection.lines, settings)
    whole = file_name(interface, selection.start, selection.end)
    stem, dot, suffix = whole.rpartition(".")
    (name,) = first_free_names(app.db, connection, lambda extra: (stem + extra + dot + suffix,), numbered())
    amounts = [row.amount_cents for row in rows]
    frozen = freeze(
        app,
        connection,
        NewFile(
            name=name,
            kind=KIND,
            portfolio=at.portfolio,
            business_date=at.business_date,
            header={
                "interface": interface,
                "start": selection.start.isoformat(),
                "end": selection.end.isoformat(),
                "profile": frozen_profile(app.settings.xsellerator),
            },
            rows=rows,
            sources=sources,
            records=len(rows),
            total_debit_cents=sum(a for a in amounts if a > 0),
            total_credit_cents=-sum(a for a in amounts if a < 0),
            endpoint=settings.endpoint,
            hold_text="; ".join(["waits for release", *messages]),
            claims=[f"batch:{batch}" for batch in selection.batches],
        ),
    )
    if interface == PAYMENTS:
        connection.execute(
            text(f"UPDATE payment_batch AS b SET exported_in = :name WHERE {OPEN_BATCHES}"),
            {"p": at.portfolio, "name": name},
        )
    return Built((frozen,), (), tuple(messages))


def _row(line: Line) -> XselRow:
    return XselRow(
        int(line.location or 0), line.control_number or "", line.account_number or "", int(line.deal_number or 0),
        line.ledger_account, line.amount_cents if line.side == "D" else -line.amount_cents, line.account_name,
    )  # fmt: skip


_Key = tuple[int, str, str]


def _rows(
    raw: Sequence[XselRow], lines: Sequence[Line], settings: XselleratorSettings
) -> tuple[list[XselRow], list[Source]]:
    """Rows as they are written, and the entries behind each; entries of rows that condensing brought to 0 are in none."""
    auto = frozenset(settings.auto_condense_accounts)
    kept: list[XselRow] = []
    sources: list[Source] = []
    added: list[XselRow] = []
    behind: defaultdict[_Key, dict[str, None]] = defaultdict(dict)
    for row, line in zip(raw, lines, strict=True):
        source = f"entry:{line.entry_id}"
        if not settings.condense and row.ledger_account not in auto:
            kept.append(row)
            sources.append((len(kept), source))
            continue
        added.append(row)
        control = "" if row.ledger_account in auto else row.control_number
        behind[row.location, control, row.ledger_account][source] = None
    for row in condense(added, auto):
        kept.append(row)
        sources += [
            (len(kept), source) for source in behind.pop((row.location, row.control_number, row.ledger_account))
        ]
    return kept, sources + [(0, source) for source in dict.fromkeys(chain.from_iterable(behind.values()))]
