"""Control numbers of the dealer system: one open deal each, or Xsellerator refuses the data.

A deal is open while its lease's status does not begin with ``C`` (closed). Checked when leases are loaded and again
before an interface file is released.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

CLOSED_STATUS = "C"


def shared(connection: Connection, portfolio: str | None = None) -> dict[str, list[str]]:
    """control number -> the open leases that share it, two or more; of one portfolio or of all."""
    rows = connection.execute(
        text(
            "SELECT l.control_number, l.lease FROM lease l JOIN (SELECT control_number FROM lease "
            "WHERE control_number IS NOT NULL AND SUBSTR(status, 1, 1) <> :closed "
            "AND (CAST(:p AS TEXT) IS NULL OR portfolio = :p) GROUP BY control_number HAVING COUNT(*) > 1) d "
            "ON d.control_number = l.control_number "
            "WHERE SUBSTR(l.status, 1, 1) <> :closed AND (CAST(:p AS TEXT) IS NULL OR l.portfolio = :p) "
            "ORDER BY l.control_number, l.lease"
        ),
        {"closed": CLOSED_STATUS, "p": portfolio},
    )
    out: dict[str, list[str]] = {}
    for control_number, lease in rows:
        out.setdefault(control_number, []).append(lease)
    return out
