"""Which window of its endpoint a file that has not left will make, which it missed, and the money at stake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.calendar import CalendarError
from gateway.clock import instant_text
from gateway.cutoffs import last_closing, next_closing, shown_instant
from gateway.money import shown
from gateway.vendor_ach import settling

_NOT_SENT: Final = ("PENDING", "SENDING", "NOT_DELIVERED")


def with_windows(rows: Sequence[dict[str, Any]], app: App, connection: Connection) -> Sequence[dict[str, Any]]:
    """Adds to what has not left yet: ``window``, the next cutoff of its endpoint, ``window_closes_at`` the same as an
    instant (None where no calendar reaches: ``window`` says so); ``window_near``, whether that is less than the endpoint's
    warning away; ``window_missed``, a cutoff that passed since the file was released (or built), and ``window_outcome``,
    what becomes of a bank file that missed one, in words. ``late``: the same of a bank file that no window waits for, and why
    no window is known, where no calendar reaches."""
    endpoints, now = app.settings.gateway.endpoints, app.clock.now()
    calendar = None
    without = []
    for row in rows:
        row |= {
            "window": None,
            "window_closes_at": None,
            "window_near": False,
            "window_missed": None,
            "window_outcome": None,
            "late": None,
        }
        endpoint = endpoints.get(row["endpoint"] or "")
        waits = row["state"] == "BUILT" or row["delivery"] in _NOT_SENT or row.get("to_fetch")
        if not waits:
            continue
        if endpoint is None or not endpoint.windows.any:
            without.append(row)
            continue
        windows, since = endpoint.windows, datetime.fromisoformat(row["approved_at"] or row["built_at"])
        try:
            calendar = calendar or app.calendar()
            closing, closed = next_closing(windows, calendar, now), last_closing(windows, calendar, now)
            settles = settling.days(app, connection, [row["id"]] if since < closed else [])
        except CalendarError as error:
            row["window"] = row["late"] = str(error)  # the rest of the answer does not wait for a calendar
            continue
        row["window"], row["window_closes_at"] = shown_instant(closing), instant_text(closing)
        row["window_near"] = closing - now <= timedelta(minutes=windows.warn_minutes)
        if since < closed:
            row["window_missed"] = shown_instant(closed)
            row["window_outcome"] = _outcome(row, settles.get(row["id"]), "by then")
    _without_windows(without, app, connection)
    return rows


def _without_windows(rows: Sequence[dict[str, Any]], app: App, connection: Connection) -> None:
    """Which of them are bank files that do not reach their effective date any more: it alone tells when they must leave."""
    ids = [row["id"] for row in rows]
    try:
        settles = settling.days(app, connection, ids)
    except CalendarError:
        settles = {}
        for row in rows:  # the others do not wait for a calendar
            try:
                settles |= settling.days(app, connection, [row["id"]])
            except CalendarError as error:
                row["late"] = str(error)
    for row in rows:
        its = settles.get(row["id"])
        if its is not None and its.is_late:
            row["late"] = _outcome(row, its, "now")


def _outcome(row: Mapping[str, Any], settles: settling.Settling | None, when: str) -> str | None:
    """What becomes of a file that missed a window and is sent then; None of one that holds no payments."""
    if settles is None:
        return None
    if row.get("to_fetch"):
        return (
            f"nobody said that it was fetched, and from now on it settles on {settles.on}, not on its effective date "
            f"{settles.effective}: say so (gateway outbound taken {row['id']} --reason WHY) if it was, else fetch it, or call it back "
            f"(gateway outbound recall {row['id']} --reason WHY) and build it again"
        )
    if not settles.is_late:
        return f"sent {when} it still settles on its effective date {settles.effective}"
    if row["state"] == "BUILT":
        return (
            f"it is too late for its effective date {settles.effective}: reject it (gateway outbound reject {row['id']} --reason WHY) and "
            "build it again"
        )
    return (
        f"sent {when} it settles on {settles.on}, not on its effective date {settles.effective}: leave it, or call it back "
        f"(gateway outbound recall {row['id']} --reason WHY) and build it again"
    )


def at_stake(outbound: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By endpoint and window, what is still to be sent: files, entries, cents, and how many of the files nobody released.
    ``near`` as in ``with_windows``. A file's own figures are ``entries`` and ``at_stake_cents``."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for o in outbound:
        if o.get("window"):
            groups.setdefault((o["endpoint"], o["window"]), []).append(o)
    return [
        {
            "endpoint": endpoint, "window": window, "closes_at": files[0]["window_closes_at"],
            "near": any(o["window_near"] for o in files), "files": len(files),
            "entries": sum(o["entries"] for o in files), "amount_cents": sum(o["at_stake_cents"] for o in files),
            "not_released": sum(o["state"] == "BUILT" for o in files),
        }
        for (endpoint, window), files in groups.items()
    ]  # fmt: skip


def to_send(window: Mapping[str, Any]) -> str:
    """``2 files not sent, 12 entries, 18,250.00 at stake, 1 of them not released``."""
    files = "1 file" if window["files"] == 1 else f"{window['files']:,} files"
    entries = "1 entry" if window["entries"] == 1 else f"{window['entries']:,} entries"
    waiting = f", {window['not_released']:,} of them not released" if window["not_released"] else ""
    return f"{files} not sent, {entries}, {shown(window['amount_cents'])} at stake{waiting}"


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
        found = with_windows([dict(row) for row in rows], app, connection)
    return {row["id"]: row["window"] for row in found if row["window"]}
