"""Xsellerator export: journal rows of an interface and date range, checked before they can do harm over there.

The file is refused, and nothing claimed, when a row's lease lacks control number, account or deal number, when a
control number belongs to two open deals, or when the rows do not add to zero. What was exported before is refused
too, with the difference since then, until ``again`` is given. Billing takes leases only; an entry that makes a
receivable of a prepaid lease is left out whole, so that what remains still adds to zero. Payments go as whole live
batches whatever their date; exporting closes them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, text

from gateway.app import App
from gateway.errors import Refused
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import shown
from gateway.outbound.built import Built, Place, place
from gateway.outbound.rendering import frozen_profile
from gateway.outbound.store import NewFile, Source, first_free_names, freeze, numbered
from gateway.settings_portfolio import XselleratorSettings
from parsers.xsellerator import XselRow, condense, zero_sum_problem
from writers.text import WriterError
from writers.xsellerator import INTERFACES, file_name

KIND: Final = "XSELLERATOR"
PAYMENTS: Final = "PAYMENTS"

UPDATES: Final[Mapping[str, tuple[str, ...]]] = {
    "BILLING": ("U0418", "BILLING"),
    "DEPRECIATION": ("DEPRECIATION",),
    "LEVERAGED": ("LEVERAGED",),
    "DEFERRED": ("DEFERRED",),
    "TERMINATION": ("TERMINATION",),
}
"""Posting units by name whose entries an interface carries, and entries that correct those."""

_RECEIVABLES: Final = ("LEASE PAYMENTS RECEIVABLE", "CONTRACT RECEIVABLE", "ASSMT RECV - ")
_CLOSED_STATUS: Final = "C"
"""Statuses of closed deals begin with it; a closed deal's control number may be used again."""
_NAMED: Final = 5


class Line(NamedTuple):
    """A journal line with what Xsellerator files it under."""

    entry_id: int
    lease: str | None
    kind: str | None
    prepaid: str | None
    location: str | None
    control_number: str | None
    account_number: str | None
    deal_number: str | None
    ledger_account: str
    account_name: str
    purpose: str
    side: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Selection:
    start: date
    end: date
    lines: Sequence[Line]
    batches: tuple[str, ...] = ()


def build_xsellerator(
    app: App,
    connection: Connection,
    portfolio: str,
    *,
    interface: str,
    start: date | None = None,
    end: date | None = None,
    again: bool = False,
) -> Built:
    """Freeze one interface file; no entries in the range give no file and say so.

    ``start`` and ``end`` default to the business date (payments: to the batches' own dates). Raises Refused.
    """
    at = place(app, connection, portfolio)
    settings = app.settings.portfolio(portfolio).xsellerator
    _check_interface(at, settings, interface)
    day = date.fromisoformat(at.business_date)
    selection = (
        _payments(connection, portfolio, start, end, day)
        if interface == PAYMENTS
        else _entries(connection, portfolio, interface, start or day, end or start or day)
    )
    if selection.end < selection.start:
        raise Refused(
            f"exporting {interface}: found {selection.start} to {selection.end}, expected a range forward: give --from before --to"
        )
    messages = [*_range_warnings(interface, selection), *_exported_before(connection, at, interface, selection, again)]
    if not selection.lines:
        return Built(messages=(*messages, f"{interface}: no entries from {selection.start} to {selection.end}"))
    _check_references(at, selection.lines)
    _check_controls(connection, selection.lines)
    try:
        return _freeze(app, connection, at, settings, interface, selection, messages)
    except WriterError as error:
        raise Refused(f"exporting {interface} of portfolio {portfolio}: {error}; nothing was written") from error


def _check_interface(at: Place, settings: XselleratorSettings, interface: str) -> None:
    if interface not in INTERFACES:
        raise Refused(f"exporting {interface}: found no such interface, expected one of {', '.join(INTERFACES)}")
    if not settings.used or interface not in settings.interfaces:
        raise Refused(
            f"exporting {interface} of portfolio {at.portfolio}: found it off, expected xsellerator.used and "
            f"xsellerator.interfaces to have it in config/portfolios/p{int(at.portfolio):02d}.toml"
        )


# --- what goes in -------------------------------------------------------------------------------------------

_LINES: Final = f"""
    SELECT e.entry_id, e.lease, d.kind, d.prepaid, d.location, d.control_number, d.account_number, d.deal_number,
        a.number, a.name, a.purpose, l.side, l.amount_cents
    FROM posting_unit u
    JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    JOIN journal_line l ON l.entry_id = e.entry_id
    JOIN gl_account a ON a.account_id = l.account_id
    LEFT JOIN lease d ON d.lease = e.lease
    LEFT JOIN posting_unit corrected ON corrected.unit_id = e.corrects / {ENTRIES_A_UNIT}
    WHERE u.portfolio = :p AND u.kind <> 'OPENING' AND u.business_date BETWEEN :start AND :end
        AND (u.update_name IN :names OR corrected.update_name IN :names)
    ORDER BY e.entry_id, l.line
"""


def _entries(connection: Connection, portfolio: str, interface: str, start: date, end: date) -> Selection:
    rows = connection.execute(
        text(_LINES).bindparams(bindparam("names", expanding=True)),
        {"p": portfolio, "start": start.isoformat(), "end": end.isoformat(), "names": list(UPDATES[interface])},
    )
    lines = [Line(*row) for row in rows]
    if interface in ("BILLING", "DEPRECIATION"):
        lines = [line for line in lines if line.kind != "loan"]
    if interface == "BILLING":
        prepaid = {line.entry_id for line in lines if line.prepaid == "Y" and line.purpose.startswith(_RECEIVABLES)}
        lines = [line for line in lines if line.entry_id not in prepaid]
    return Selection(start, end, lines)


_OPEN_BATCHES: Final = "b.portfolio = :p AND b.state = 'LIVE' AND b.exported_in IS NULL"
_PAYMENT_LINES: Final = f"""
    SELECT e.entry_id, e.lease, d.kind, d.prepaid, d.location, d.control_number, d.account_number, d.deal_number,
        a.number, a.name, a.purpose, l.side, l.amount_cents
    FROM journal_entry e
    JOIN journal_line l ON l.entry_id = e.entry_id
    JOIN gl_account a ON a.account_id = l.account_id
    LEFT JOIN lease d ON d.lease = e.lease
    WHERE e.entry_id IN (
        SELECT p.entry_id FROM payment_batch b JOIN payment_line p ON p.batch = b.batch
        WHERE {_OPEN_BATCHES} AND p.state = 'APPLIED')
    ORDER BY e.entry_id, l.line
"""


def _payments(
    connection: Connection, portfolio: str, start: date | None, end: date | None, business_date: date
) -> Selection:
    batches = connection.execute(
        text(f"SELECT b.batch, b.effective_date FROM payment_batch b WHERE {_OPEN_BATCHES} ORDER BY b.batch"),
        {"p": portfolio},
    ).all()
    lines = [Line(*row) for row in connection.execute(text(_PAYMENT_LINES), {"p": portfolio})]
    days = [date.fromisoformat(b.effective_date) for b in batches] or [business_date]
    return Selection(start or min(days), end or max(days), lines, tuple(b.batch for b in batches))


# --- refusals -----------------------------------------------------------------------------------------------


def _range_warnings(interface: str, selection: Selection) -> list[str]:
    """Leveraged financing goes by the day or by the month, as two pages of the vendor have it: any range is taken."""
    if interface != "LEVERAGED":
        return []
    first, last = selection.start, selection.end
    whole = first.day == 1 and (first.year, first.month) == (last.year, last.month) and _is_last_day(last)
    return [] if whole else [f"LEVERAGED: {first} to {last} is not one full month"]


def _is_last_day(day: date) -> bool:
    return date.fromordinal(day.toordinal() + 1).day == 1


def _exported_before(connection: Connection, at: Place, interface: str, selection: Selection, again: bool) -> list[str]:
    """What of the selection went out before, as a sentence with the difference; Refused unless ``again``."""
    files = connection.execute(
        text(
            "SELECT outbound_id, name, header FROM outbound_file WHERE portfolio = :p AND kind = 'XSELLERATOR' "
            "AND state <> 'REJECTED' ORDER BY outbound_id"
        ),
        {"p": at.portfolio},
    ).all()
    wanted = {line.entry_id for line in selection.lines}
    sentences = []
    for file in files:
        header = json.loads(file.header)
        if header["interface"] != interface or interface == PAYMENTS:
            continue
        first, last = date.fromisoformat(header["start"]), date.fromisoformat(header["end"])
        if last < selection.start or first > selection.end:
            continue
        went = _entries_of(connection, file.outbound_id)
        if went & wanted or (first, last) == (selection.start, selection.end):
            sentences.append(f"{file.name} ({len(went & wanted)} of {len(wanted)} entries)")
            wanted -= went
    if not sentences:
        return []
    new_cents = sum(line.amount_cents for line in selection.lines if line.entry_id in wanted and line.side == "D")
    said = f"exported before in {', '.join(sentences)}; since then {len(wanted)} new entries, {shown(new_cents)}"
    if not again:
        raise Refused(
            f"exporting {interface} {selection.start} to {selection.end} of portfolio {at.portfolio}: found it {said}; "
            "expected a range not exported yet: choose another range, or give --again to send it once more"
        )
    return [f"{interface}: {said}"]


def _entries_of(connection: Connection, outbound_id: int) -> set[int]:
    sources = connection.execute(
        text("SELECT DISTINCT source FROM outbound_source WHERE outbound_id = :id AND source LIKE 'entry:%'"),
        {"id": outbound_id},
    ).scalars()
    return {int(source.removeprefix("entry:")) for source in sources}


def _check_references(at: Place, lines: Iterable[Line]) -> None:
    """Every row needs what Xsellerator files it under."""
    lacking: dict[str, None] = {}
    for line in lines:
        lacks = [
            name
            for name, good in (
                ("control number", bool(line.control_number)),
                ("account number", bool(line.account_number)),
                ("deal number", str(line.deal_number or "").isdecimal() and int(line.deal_number or 0) > 0),
            )
            if not good
        ]
        if line.lease is None:
            lacking[f"entry {line.entry_id} (no lease)"] = None
        elif lacks:
            lacking[f"lease {line.lease} ({', '.join(lacks)})"] = None
    if lacking:
        raise Refused(
            f"exporting portfolio {at.portfolio}: found rows without what Xsellerator files them under: "
            f"{_some(list(lacking))}; expected all three; load leases.csv with them"
        )


def _check_controls(connection: Connection, lines: Iterable[Line]) -> None:
    """A control number of two open deals makes Xsellerator refuse the data: both are named."""
    ours = {line.control_number for line in lines}
    rows = connection.execute(
        text(
            "SELECT control_number, account_number, deal_number, lease FROM lease WHERE control_number IN ("
            "SELECT control_number FROM lease WHERE control_number IS NOT NULL GROUP BY control_number "
            "HAVING COUNT(*) > 1) AND status NOT LIKE :closed ORDER BY control_number, lease"
        ),
        {"closed": f"{_CLOSED_STATUS}%"},
    )
    deals: defaultdict[str, dict[tuple[str | None, str | None], str]] = defaultdict(dict)
    for control, account, deal, lease in rows:
        if control in ours:
            deals[control].setdefault((account, deal), lease)
    shared = [
        f"{control} by " + " and ".join(f"deal {a}/{d} (lease {lease})" for (a, d), lease in found.items())
        for control, found in deals.items()
        if len(found) > 1
    ]
    if shared:
        raise Refused(
            f"exporting to Xsellerator: found control numbers shared: {_some(shared)}; expected each on one open deal, "
            "or Xsellerator refuses the data; correct them there and in leases.csv"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


# --- the file -----------------------------------------------------------------------------------------------


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
            text(f"UPDATE payment_batch AS b SET exported_in = :name WHERE {_OPEN_BATCHES}"),
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
