"""The tries of a delivery: the name each uploads to, what came of it, and when the next one is due.

Functions that read or write work in the caller's transaction, as those of ``queue`` do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from gateway.clock import instant_text
from gateway.delivery.states import DeliveryState
from gateway.settings import Retry


def temporary_name(remote_name: str, suffix: str, attempt: int) -> str:
    """The name an attempt uploads to. It never recurs: a rename of an earlier attempt that the far side still carries
    out late finds nothing to rename, once that attempt's temporary file was removed."""
    return f"{remote_name}{suffix}" if attempt == 1 else f"{remote_name}.{attempt}{suffix}"


def temporary_names(connection: Connection, delivery_ids: Iterable[int]) -> dict[int, list[str]]:
    """Every temporary name that was ever used for these deliveries, oldest first."""
    numbers = ", ".join(str(int(n)) for n in sorted(set(delivery_ids)))
    names: dict[int, list[str]] = {}
    if not numbers:
        return names
    rows = connection.execute(
        text(
            "SELECT delivery_id, detail FROM delivery_event WHERE step = 'STARTED' "
            f"AND delivery_id IN ({numbers}) ORDER BY event_id"
        )
    )
    for delivery_id, detail in rows:
        names.setdefault(int(delivery_id), []).append(str(detail))
    return names


def failures(connection: Connection, delivery_id: int, outcome: DeliveryState = DeliveryState.NOT_DELIVERED) -> int:
    """How often a delivery came out so since a person last said to try again; crashes do not count."""
    return int(
        connection.execute(
            text(
                "SELECT COUNT(*) FROM delivery_event e WHERE e.delivery_id = :d AND e.step = :step "
                "AND e.event_id > COALESCE((SELECT MAX(r.event_id) FROM delivery_event r "
                "WHERE r.delivery_id = :d AND r.step IN ('REQUEUED', 'RESOLVED')), 0)"
            ),
            {"d": delivery_id, "step": outcome.value},
        ).scalar_one()
    )


def interruptions(connection: Connection, delivery_ids: Iterable[int]) -> dict[int, int]:
    """How often each was last interrupted in a row: nothing else came of a try since, and no person said to try again."""
    numbers = ", ".join(str(int(n)) for n in sorted(set(delivery_ids)))
    if not numbers:
        return {}
    rows = connection.execute(
        text(
            "SELECT e.delivery_id, COUNT(*) FROM delivery_event e WHERE e.step = 'INTERRUPTED' "
            f"AND e.delivery_id IN ({numbers}) AND NOT EXISTS (SELECT 1 FROM delivery_event o "
            "WHERE o.delivery_id = e.delivery_id AND o.event_id > e.event_id "
            "AND o.step NOT IN ('INTERRUPTED', 'STARTED')) GROUP BY e.delivery_id"
        )
    )
    return {int(delivery_id): int(times) for delivery_id, times in rows}


def next_attempt(retry: Retry, failed: int, *, now: datetime, rng: random.Random) -> str:
    """When to try again after ``failed`` failures: doubling from the first wait to the longest, of which between half
    and all is taken, so that what failed together does not come back together."""
    wait = min(retry.max_seconds, retry.first_seconds * 2.0 ** min(max(failed - 1, 0), 60))
    return instant_text(now + timedelta(seconds=wait * rng.uniform(0.5, 1.0)))


def longest_wait(retry: Retry, now: datetime) -> str:
    """Until when a try may wait; one that waits longer was queued by a clock that went back since."""
    return instant_text(now + timedelta(seconds=retry.max_seconds))


def events(connection: Connection, delivery_id: int) -> list[tuple[str, str, str | None]]:
    """``(at, step, detail)`` of a delivery, in order."""
    rows = connection.execute(
        text("SELECT at, step, detail FROM delivery_event WHERE delivery_id = :d ORDER BY event_id"),
        {"d": delivery_id},
    )
    return [(str(at), str(step), detail) for at, step, detail in rows]


def add_events(connection: Connection, at: str, rows: Sequence[tuple[int, str, str | None]]) -> None:
    if rows:
        connection.execute(
            text("INSERT INTO delivery_event (delivery_id, at, step, detail) VALUES (:d, :at, :step, :detail)"),
            [{"d": d, "at": at, "step": step, "detail": detail} for d, step, detail in rows],
        )
