"""Lines that people corrected: which line of which file came in again as which file, by whom and why.

``gateway files repair`` notes each as an ``operator_event`` of the line (``file:1/2``), whose reason begins with the number
of the file that came of it (``file 7: decimal point``).
"""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Connection

from gateway.ledger.trace_ach import Row, rows

_EVENTS: Final = """
    SELECT at, operator, subject, reason FROM operator_event
    WHERE action = 'files.repair' AND (subject LIKE :lines OR reason LIKE :came) ORDER BY event_id
"""
_LINE: Final = re.compile(r"file:([0-9]+)/([0-9]+)")
_MADE: Final = re.compile(r"file ([0-9]+): (.*)", re.DOTALL)


def repairs(connection: Connection, file_id: int) -> list[Row]:
    """Repairs of lines of this file, and that by which it came itself: ``file_id`` and ``line_no`` of the rejected line,
    ``made`` the file that came of it, with who, when and why; ``name`` is the other file's."""
    events = rows(connection, _EVENTS, lines=f"file:{file_id}/%", came=f"file {file_id}: %")
    found = []
    for event in events:
        line, made = _LINE.fullmatch(event["subject"]), _MADE.fullmatch(event["reason"] or "")
        if line is not None and made is not None:
            found.append(
                {
                    "file_id": int(line[1]), "line_no": int(line[2]), "made": int(made[1]), "by": event["operator"],
                    "at": event["at"], "reason": made[2], "came": int(made[1]) == file_id,
                }
            )  # fmt: skip
    others = tuple({one["file_id"] if one["came"] else one["made"] for one in found})
    names = (
        rows(connection, "SELECT file_id, name FROM inbound_file WHERE file_id IN :ids", ids=others) if others else []
    )
    known = {row["file_id"]: row["name"] for row in names}
    return [one | {"name": known.get(one["file_id"] if one["came"] else one["made"])} for one in found]


def repair_line(one: Row) -> str:
    """For a person."""
    if one["came"]:
        return f"  corrects line {one['line_no']} of {one['name']} (#{one['file_id']}), by {one['by']}: {one['reason']}"
    return f"  line {one['line_no']} was corrected in {one['name']} (#{one['made']}), by {one['by']}: {one['reason']}"
