"""Which way a NACHA file goes: to a bank, or from one as its answers. Told by what is in it, never by its name.

Returns and notifications of change have addenda 99 and 98, acknowledgements the classes ACK and ATX; nobody else writes
those, but for a refused notification (C61 to C69), which goes back to the bank. A file with none of them is one from
the bank where its header says so, as an answer file without entries does; else it goes to the bank.

>>> header = f"101 091000019{'1234567890':>10}2603051700A094101".ljust(94)
>>> direction([(1, header)], ours={"1234567890"}, banks={"091000019"}).to_bank
True
>>> direction([(1, header), (2, "799R03")], ours={"1234567890"}, banks={"091000019"})
Direction(to_bank=False, why='line 2 is a return (addenda 99)')
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from parsers.nacha_reasons import REFUSED_REASONS

_ACKNOWLEDGING: Final = ("ACK", "ATX")


class Direction(NamedTuple):
    """``why`` names what told it, without an account number."""

    to_bank: bool
    why: str


def direction(records: Iterable[tuple[int, str]], *, ours: Collection[str], banks: Collection[str]) -> Direction | None:
    """Of records and their lines; None where there is none of a NACHA file. ``ours`` and ``banks`` are the numbers that our
    files have as immediate origin and as immediate destination."""
    header, seen = "", False
    for line_no, record in records:
        kind, code = record[:1], record[3:6]
        seen = seen or kind in ("1", "5", "6")
        if kind == "1" and not header:
            header = record
        elif kind == "5" and record[50:53].upper() in _ACKNOWLEDGING:
            return Direction(False, f"line {line_no} begins a batch of class {record[50:53].upper()}")
        elif record[:3] == "799":
            return Direction(False, f"line {line_no} is a return (addenda 99)")
        elif record[:3] == "798" and code not in REFUSED_REASONS:
            return Direction(False, f"line {line_no} is a notification of change (addenda 98)")
    if not seen:
        return None
    to, origin = header[3:13].strip(), header[13:23].strip()
    if header and (to in ours or origin in banks):
        return Direction(False, f"its header goes from {origin} to {to}")
    told = f"its header goes from {origin} to {to}, and " if header else ""
    return Direction(True, f"{told}no entry is a return or a notification of change")
