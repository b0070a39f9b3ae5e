"""What a restore leaves in doubt: a delivery that was not over may have been made since the backup.

That a target is absent proves nothing here: a bank takes its files away. So no look decides: it is UNKNOWN and asks nobody
but people. What is released later is doubted as it is queued (``queue.enqueue``).
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from gateway.delivery import queue, reads
from gateway.delivery.queue import Change
from gateway.delivery.states import OPEN, DeliveryState
from gateway.delivery.tries import add_events


def doubt(connection: Connection, at: str) -> list[str]:
    """Doubt every delivery that is not over; gives each in words, with the command that settles it."""
    found = reads.listing(connection, states=OPEN)
    changes = [
        Change(
            d.delivery_id, d.state, DeliveryState.UNKNOWN,
            f"it was {d.state} in the backup and may have left since: {reads.settled_by(d.delivery_id)}",
        )
        for d in found
    ]  # fmt: skip
    _forget_first_words(connection, at)
    queue.record(connection, changes, at=at)
    return [
        f"{d.remote_name} (#{d.outbound_id}) for {d.endpoint}: {change.detail}"
        for d, change in zip(found, changes, strict=True)
    ]


def _forget_first_words(connection: Connection, at: str) -> None:
    """What the first of two people said of an unknown delivery was said of what is over by now."""
    rows = connection.execute(
        text(
            "SELECT delivery_id FROM delivery WHERE state = 'UNKNOWN' AND resolved_by IS NOT NULL AND resolved_second IS NULL"
        )
    ).scalars()
    waiting = [int(number) for number in rows]
    add_events(connection, at, [(number, "RESOLVE_WITHDRAWN", "restored from a backup") for number in waiting])
    connection.execute(
        text(
            "UPDATE delivery SET resolved_by = NULL, resolved_reason = NULL "
            "WHERE state = 'UNKNOWN' AND resolved_second IS NULL"
        )
    )
