"""Outbound files that another home of the ledger made or released, and whose rows no key of this one opens.

Homes that share a ledger have one key. Where one of them rotated it, or a new home did not get it, this one cannot make such a
file: it leaves it to the home that can, which sends it and keeps its copy. Nothing of that is stored.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.vault import KEY_ID

_WAITING: Final = text("""
    SELECT f.outbound_id, f.machine, SUBSTR(r.payload, 1, :begin) FROM outbound_file f
    JOIN outbound_row r ON r.outbound_id = f.outbound_id AND r.seq = 1
    LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
    WHERE (f.state = 'BUILT' OR (f.state = 'APPROVED' AND d.state NOT IN ('DELIVERED', 'ACKNOWLEDGED')))
    AND f.machine <> :here ORDER BY f.outbound_id
""")


def waiting(app: App, connection: Connection) -> dict[int, str]:
    """Of files that wait for release or delivery, those that this home cannot make: what a person does about each, in words."""
    if app.machine is None:
        return {}
    found = {}
    for outbound_id, machine, begin in connection.execute(_WAITING, {"begin": 1 + KEY_ID, "here": app.machine}):
        key = app.vault.missing(bytes(begin))
        if key is not None:
            found[int(outbound_id)] = (
                f"it is sealed with the key {key}, which this home does not have: {machine} sends it; homes that share a "
                "ledger have one key: bring it here (gateway keys show)"
            )
    return found
