"""What is in the queue of deliveries: what is due, what waits for people, what an ended process left.

``queue.py`` changes it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.delivery.states import SENDABLE, DeliveryState
from gateway.errors import UsageError

_COLUMNS: Final = (
    "d.delivery_id, d.outbound_id, d.endpoint, d.remote_name, d.temporary_name, d.state, d.attempts, "
    "d.next_attempt_at, d.started_at, d.ended_at, d.last_error, d.receipt, "
    "COALESCE(m.sha256, o.sha256) AS sha256, COALESCE(m.bytes, o.bytes) AS bytes"
)
_NEVER: Final = "~"
"""After every instant."""
_UNDER_WAY: Final = (DeliveryState.SENDING, DeliveryState.PLACING)
WAITING: Final = (*SENDABLE, DeliveryState.UNKNOWN)
_FROM: Final = (
    "FROM delivery d JOIN outbound_file o ON o.outbound_id = d.outbound_id "
    "LEFT JOIN outbound_message m ON m.outbound_id = d.outbound_id"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the queue with what must be sent: the released file, or the OpenPGP message that holds it."""

    delivery_id: int
    outbound_id: int
    endpoint: str
    remote_name: str
    temporary_name: str
    state: DeliveryState
    attempts: int
    next_attempt_at: str | None
    started_at: str | None
    ended_at: str | None
    last_error: str | None
    receipt: str | None
    sha256: str
    bytes: int


def settled_by(delivery_id: int) -> str:
    """What people do about a delivery of which only they know whether it left."""
    return (
        f"ask the receiver, then two people say gateway deliver resolve {delivery_id} --as delivered --reason WHY, or "
        "--as not-delivered, which sends it"
    )


def due(
    connection: Connection,
    *,
    endpoint: str,
    now: str,
    states: Sequence[DeliveryState],
    beyond: str | None = None,
    limit: int | None = None,
    without: Iterable[int] = (),
) -> list[Delivery]:
    """What is due at an endpoint in these states, oldest first. ``beyond``: no try waits until after this instant, so what does
    was queued by a clock that went back since, and is due. ``without``: files that cannot be made here, or may not leave as
    they are, and go from here only as the message that is kept of them."""
    values = {"endpoint": endpoint, "now": now, "beyond": beyond or _NEVER, "limit": limit}
    out = ", ".join(str(int(n)) for n in sorted(without))
    return deliveries(
        connection,
        f"WHERE d.endpoint = :endpoint AND d.state IN ({quoted(states)}) "
        "AND (d.next_attempt_at <= :now OR d.next_attempt_at > :beyond) "
        + (f"AND (m.outbound_id IS NOT NULL OR d.outbound_id NOT IN ({out})) " if out else "")
        + "ORDER BY d.delivery_id"
        + (" LIMIT :limit" if limit is not None else ""),
        {name: value for name, value in values.items() if value is not None},
    )


def by_ids(connection: Connection, delivery_ids: Iterable[int]) -> list[Delivery]:
    numbers = ", ".join(str(int(n)) for n in sorted(set(delivery_ids)))
    return deliveries(connection, f"WHERE d.delivery_id IN ({numbers}) ORDER BY d.delivery_id", {}) if numbers else []


def of_files(connection: Connection, outbound_ids: Iterable[int]) -> list[Delivery]:
    numbers = ", ".join(str(int(n)) for n in sorted(set(outbound_ids)))
    return deliveries(connection, f"WHERE d.outbound_id IN ({numbers}) ORDER BY d.delivery_id", {}) if numbers else []


def without_message(connection: Connection, outbound_ids: Iterable[int]) -> list[Delivery]:
    """Of these files' deliveries, those that wait to be sent and of which no message is kept."""
    numbers = ", ".join(str(int(n)) for n in sorted(set(outbound_ids)))
    where = f"WHERE d.outbound_id IN ({numbers}) AND d.state IN ({quoted(SENDABLE)}) AND m.outbound_id IS NULL"
    return deliveries(connection, f"{where} ORDER BY d.delivery_id", {}) if numbers else []


def listing(connection: Connection, *, states: Sequence[DeliveryState] = tuple(DeliveryState)) -> list[Delivery]:
    """All deliveries in these states, for status, lists and alarms."""
    return deliveries(connection, f"WHERE d.state IN ({quoted(states)}) ORDER BY d.delivery_id", {})


def stranded(connection: Connection, endpoints: Container[str]) -> list[Delivery]:
    """Deliveries that are not over and whose endpoint the settings do not have (any more)."""
    return [d for d in listing(connection, states=(*_UNDER_WAY, *WAITING)) if d.endpoint not in endpoints]


def no_endpoint(outbound_id: int, endpoint: str, state: str) -> str:
    """Why a stranded one stays where it is, and what to do."""
    todo = f"give it back its table [endpoints.{endpoint}] in config/gateway.toml"
    if state in SENDABLE:
        todo += f", or call the file back (gateway outbound recall {outbound_id} --reason WHY) and build it again"
    return f"endpoint {endpoint} is not in the settings: {todo}"


def endpoints_with_work(connection: Connection, *, now: str, beyond: Mapping[str, str] | None = None) -> list[str]:
    """Endpoints at which something is due or was left in the middle by a process that ended. ``beyond``: as of ``due``, by
    endpoint."""
    rows = connection.execute(
        text(
            "SELECT endpoint, MIN(next_attempt_at) AS first, MAX(next_attempt_at) AS last, "
            f"MAX(CASE WHEN state IN ({quoted(_UNDER_WAY)}) THEN 1 ELSE 0 END) AS under_way FROM delivery "
            f"WHERE state IN ({quoted((*_UNDER_WAY, *WAITING))}) GROUP BY endpoint ORDER BY endpoint"
        )
    )
    return [
        str(row.endpoint)
        for row in rows
        if row.under_way
        or (row.first is not None and (row.first <= now or row.last > (beyond or {}).get(row.endpoint, _NEVER)))
    ]


def one(connection: Connection, delivery_id: int) -> Delivery:
    """Raises UsageError when there is no such delivery."""
    found = by_ids(connection, [delivery_id])
    if not found:
        raise UsageError(f"delivery {delivery_id}: found none of that number, expected one of `gateway deliver list`")
    return found[0]


def quoted(states: Sequence[DeliveryState]) -> str:
    """A list for SQL: ``'PENDING', 'NOT_DELIVERED'``."""
    return ", ".join(f"'{DeliveryState(s).value}'" for s in states)


def deliveries(connection: Connection, where: str, values: Mapping[str, Any]) -> list[Delivery]:
    """Those of which an SQL clause about delivery (``d``), outbound_file (``o``) and outbound_message (``m``) holds."""
    rows = connection.execute(text(f"SELECT {_COLUMNS} {_FROM} {where}"), values)
    return [Delivery(**row | {"state": DeliveryState(row["state"])}) for row in map(dict, rows.mappings())]
