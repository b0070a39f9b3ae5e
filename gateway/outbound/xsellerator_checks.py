"""What is refused before an Xsellerator file is made, so that it does no harm over there."""

from __future__ import annotations

import json
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.errors import Refused, UsageError
from gateway.ledger.events import require_reason
from gateway.money import shown
from gateway.outbound.built import Place
from gateway.outbound.states import OutboundState
from gateway.outbound.xsellerator_gather import PAYMENTS, Line, Selection
from gateway.settings_portfolio import XselleratorSettings
from writers.xsellerator import INTERFACES

_CLOSED_STATUS: Final = "C"
"""Statuses of closed deals begin with it; a closed deal's control number may be used again."""
_NAMED: Final = 5


def check_interface(at: Place, settings: XselleratorSettings, interface: str) -> None:
    if interface not in INTERFACES:
        raise UsageError(f"exporting {interface}: found no such interface, expected one of {', '.join(INTERFACES)}")
    if not settings.used or interface not in settings.interfaces:
        raise Refused(
            f"exporting {interface} of portfolio {at.portfolio}: found it off, expected xsellerator.used and "
            f"xsellerator.interfaces to have it in config/portfolios/p{int(at.portfolio):02d}.toml"
        )


def range_warnings(interface: str, selection: Selection) -> list[str]:
    """Leveraged financing goes by the day or by the month, as two pages of the vendor have it: any range is taken."""
    if interface != "LEVERAGED":
        return []
    first, last = selection.start, selection.end
    whole = first.day == 1 and (first.year, first.month) == (last.year, last.month) and _is_last_day(last)
    return [] if whole else [f"LEVERAGED: {first} to {last} is not one full month"]


def _is_last_day(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]


class Exported(NamedTuple):
    """A file that stands and went out over a range, or is about to, with what it has of a selection."""

    outbound_id: int
    name: str
    state: str
    entries: frozenset[int]


def exported(connection: Connection, portfolio: str, interface: str, selection: Selection) -> list[Exported]:
    """Files that stand and have entries of the selection, or its very range, in the order in which they were built. Payments
    have none: what closes a batch tells."""
    if interface == PAYMENTS:
        return []
    files = connection.execute(
        text(
            "SELECT outbound_id, name, state, header FROM outbound_file WHERE portfolio = :p AND kind = 'XSELLERATOR' "
            "AND state <> 'REJECTED' ORDER BY outbound_id"
        ),
        {"p": portfolio},
    ).all()
    wanted = entries_in(selection.lines)
    found = []
    for file in files:
        header = json.loads(file.header)
        first, last = date.fromisoformat(header["start"]), date.fromisoformat(header["end"])
        if header["interface"] != interface or last < selection.start or first > selection.end:
            continue
        went = frozenset(_entries_of(connection, file.outbound_id) & wanted)
        if went or (first, last) == (selection.start, selection.end):
            found.append(Exported(file.outbound_id, file.name, file.state, went))
    return found


def entries_in(lines: Iterable[Line]) -> set[int]:
    """The numbers of the entries that lines are of."""
    return {line.entry_id for line in lines}


def exported_before(
    connection: Connection,
    at: Place,
    interface: str,
    selection: Selection,
    *,
    again: bool,
    after: int | None,
    reason: str | None,
) -> tuple[Selection, list[str]]:
    """What is to be exported of the selection, and what to say of the files that have some of it: Refused unless ``again``,
    with which it all goes once more, or ``after``, the number of the last of them, with which no file has what goes."""
    files = exported(connection, at.portfolio, interface, selection)
    action = f"exporting {interface}"
    if after is not None:
        require_reason(reason, f"{action} after a file that was used")
        if not files or after != files[-1].outbound_id:
            there = f"#{files[-1].outbound_id} ({files[-1].name})" if files else "none"
            raise UsageError(
                f"{action}: found --after {after}, expected the last file that has some of {selection.start} to "
                f"{selection.end}, which is {there}; see gateway outbound list"
            )
    if not files:
        return selection, []
    went = frozenset[int]().union(*(file.entries for file in files))
    fresh = [line for line in selection.lines if line.entry_id not in went]
    whole = len(entries_in(selection.lines))
    names = ", ".join(f"{file.name} ({len(file.entries)} of {whole} entries)" for file in files)
    new_cents = sum(line.amount_cents for line in fresh if line.side == "D")
    said = f"exported before in {names}; since then {len(entries_in(fresh))} new entries, {shown(new_cents)}"
    if after is not None:
        return replace(selection, lines=fresh), [f"{interface}: {said}", f"only these, because {reason}"]
    if again:
        require_reason(reason, f"{action} again")
        return selection, [f"{interface}: {said}", f"again because {reason}"]
    raise Refused(
        f"{action} {selection.start} to {selection.end} of portfolio {at.portfolio}: found it {said}; expected a range not "
        f"exported yet. {_way_on(at, interface, selection, files, some=bool(fresh))}"
    )


def _way_on(at: Place, interface: str, selection: Selection, files: Sequence[Exported], *, some: bool) -> str:
    """What to type, by whether the dealer system has the files."""
    back = " and ".join(
        f"gateway outbound {'reject' if file.state == OutboundState.BUILT else 'recall'} {file.outbound_id} --reason WHY"
        for file in files
    )
    build = (
        f"gateway outbound build xsellerator --portfolio {at.portfolio} --interface {interface} --from {selection.start} "
        f"--to {selection.end}"
    )
    new = (
        f"{build} --after {files[-1].outbound_id} --reason WHY exports what is new"
        if some
        else "nothing is left to export"
    )
    return f"If that was not used: {back}. If it was: {new} ({build} --again --reason WHY all of it once more)"


def _entries_of(connection: Connection, outbound_id: int) -> set[int]:
    sources = connection.execute(
        text("SELECT DISTINCT source FROM outbound_source WHERE outbound_id = :id AND source LIKE 'entry:%'"),
        {"id": outbound_id},
    ).scalars()
    return {int(source.removeprefix("entry:")) for source in sources}


def check_references(at: Place, lines: Iterable[Line]) -> None:
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


def check_controls(connection: Connection, lines: Iterable[Line]) -> None:
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
