"""Reversals whose original the bank returned meanwhile: the money is here already, so that they must not leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, text

_MOOT: Final = text("""
    SELECT e.outbound_id, MIN(o.trace_number) FROM ach_entry e
    JOIN ach_entry o ON o.outbound_id = e.reverses_outbound_id AND o.seq = e.reverses_seq
    JOIN ach_answer a ON a.outbound_id = o.outbound_id AND a.seq = o.seq AND a.kind = 'RETURN' AND a.state = 'DONE'
    WHERE e.outbound_id IN :files AND e.kind = 'REVERSAL' GROUP BY e.outbound_id
""").bindparams(bindparam("files", expanding=True))


def reversals(connection: Connection, files: Sequence[int]) -> dict[int, str]:
    """Of outbound files that take back what came back: the trace number of the first such original, by file."""
    if not files:
        return {}
    return {int(file): str(trace) for file, trace in connection.execute(_MOOT, {"files": sorted(set(files))})}
