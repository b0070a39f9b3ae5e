"""Which window of its endpoint a file that has not left will make, and which it missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from gateway.app import App
from gateway.calendar import CalendarError
from gateway.cutoffs import last_closing, next_closing, shown_instant

_NOT_SENT: Final = ("PENDING", "SENDING", "NOT_DELIVERED")


def with_windows(rows: Sequence[dict[str, Any]], app: App) -> Sequence[dict[str, Any]]:
    """Adds to what has not left yet: ``window``, the next cutoff of its endpoint; ``window_near``, whether that is less
    than the endpoint's warning away; ``window_missed``, a cutoff that passed since the file was released (or built)."""
    endpoints, now = app.settings.gateway.endpoints, app.clock.now()
    calendar = None
    for row in rows:
        row |= {"window": None, "window_near": False, "window_missed": None}
        endpoint = endpoints.get(row["endpoint"] or "")
        waits = row["state"] == "BUILT" or row["delivery"] in _NOT_SENT
        if endpoint is None or not endpoint.windows.any or not waits:
            continue
        windows, since = endpoint.windows, datetime.fromisoformat(row["approved_at"] or row["built_at"])
        try:
            calendar = calendar or app.calendar()
            closing, closed = next_closing(windows, calendar, now), last_closing(windows, calendar, now)
        except CalendarError as error:
            row["window"] = str(error)  # the rest of the answer does not wait for a calendar
            continue
        row["window"] = shown_instant(closing)
        row["window_near"] = closing - now <= timedelta(minutes=windows.warn_minutes)
        row["window_missed"] = shown_instant(closed) if since < closed else None
    return rows


def by_file(app: App) -> dict[int, str]:
    """The next window of every file that has not left, by its number; files for endpoints that always take are not in it."""
    with app.db.read() as connection:
        rows = connection.execute(
            text(
                "SELECT o.outbound_id AS id, o.state, o.endpoint, o.built_at, o.approved_at, d.state AS delivery "
                "FROM outbound_file o LEFT JOIN delivery d ON d.outbound_id = o.outbound_id "
                "WHERE o.state = 'BUILT' OR d.state IN ('PENDING', 'SENDING', 'NOT_DELIVERED')"
            )
        ).mappings()
        found = with_windows([dict(row) for row in rows], app)
    return {row["id"]: row["window"] for row in found if row["window"]}
