"""What is refused before an Xsellerator file is made, so that it does no harm over there."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from sqlalchemy import Connection, text

from gateway.errors import Refused, UsageError
from gateway.money import shown
from gateway.outbound.built import Place
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
    return date.fromordinal(day.toordinal() + 1).day == 1


def exported_before(
    connection: Connection, at: Place, interface: str, selection: Selection, *, again: bool
) -> list[str]:
    """What of the selection went out before, as a sentence with the difference; Refused unless ``again``."""
    files = connection.execute(
        text(
            "SELECT outbound_id, name, header FROM outbound_file WHERE portfolio = :p AND kind = 'XSELLERATOR' "
            "AND state <> 'REJECTED' ORDER BY outbound_id"
        ),
        {"p": at.portfolio},
    ).all()
    wanted = {line.entry_id for line in selection.lines}
    fresh, sentences = set(wanted), []
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
            fresh -= went
    if not sentences:
        return []
    new_cents = sum(line.amount_cents for line in selection.lines if line.entry_id in fresh and line.side == "D")
    said = f"exported before in {', '.join(sentences)}; since then {len(fresh)} new entries, {shown(new_cents)}"
    if not again:
        raise Refused(
            f"exporting {interface} {selection.start} to {selection.end} of portfolio {at.portfolio}: found it {said}; "
            "expected a range not exported yet: choose another range, or give --again and --reason to send it once more"
        )
    return [f"{interface}: {said}"]


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
