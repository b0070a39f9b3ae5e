"""What people and receivers say about deliveries: acknowledgements, settled unknowns, another try.

Every function works in the caller's transaction, in which it holds the delivery, so that of two people, or of a person and
a receiver, who speak at once the later one knows the earlier word; and leaves a row in ``operator_event`` where a person
acted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from gateway.app import Operator
from gateway.clock import instant_text
from gateway.delivery.queue import Change, hold, record, stop
from gateway.delivery.reads import Delivery, listing, one
from gateway.delivery.states import DeliveryState, Resolution
from gateway.delivery.tries import add_events
from gateway.errors import Refused, UsageError
from gateway.ledger import ach_answers
from gateway.ledger.events import note, require_reason
from gateway.settings import Endpoint

_OF_BANKS = "VACH-"
"""What the kinds of files for a bank begin with."""
_ACKNOWLEDGEABLE = (DeliveryState.DELIVERED, DeliveryState.UNKNOWN, DeliveryState.NOT_DELIVERED)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A delivery whose acknowledgement should have come."""

    delivery: Delivery
    deadline: str


def acknowledge(connection: Connection, outbound_id: int, *, reference: str, operator: Operator, at: str) -> Delivery:
    """The receiver has the file: ends every doubt about it. Twice is once.

    Said by a person; a bank's own file ends it by ``queue.answered``. An acknowledgement of a file that we hold for not
    delivered is believed too: it stops any further try. Where it is in doubt whether a bank has a file, and the bank did not
    answer, that is a word of ``resolve``: it waits for a second person's, and the delivery comes back as it was, with no try
    due. Raises UsageError without a reference and for a file without a delivery, Refused without the right, for one that is
    not on its way, and as ``resolve`` does for the second word.
    """
    operator.require("deliver", "acknowledging")
    row = connection.execute(
        text(
            "SELECT d.delivery_id, f.kind FROM delivery d JOIN outbound_file f ON f.outbound_id = d.outbound_id "
            "WHERE d.outbound_id = :o"
        ),
        {"o": outbound_id},
    ).one_or_none()
    action = f"acknowledging outbound file {outbound_id}"
    if row is None:
        raise UsageError(f"{action}: found no delivery of it, expected one; see gateway deliver list")
    if not reference.strip():
        raise UsageError(f"{action}: found no reference, expected the receiver's; say it with --reference")
    delivery = hold(connection, int(row.delivery_id))
    if delivery.state is DeliveryState.ACKNOWLEDGED:
        return delivery
    if delivery.state not in _ACKNOWLEDGEABLE:
        raise Refused(
            f"acknowledging {delivery.remote_name}: found its delivery {delivery.state}, expected it delivered; "
            "the acknowledgement may be of another file"
        )
    in_doubt = delivery.state is not DeliveryState.DELIVERED and not ach_answers.proofs(connection, [outbound_id])
    if in_doubt and row.kind.startswith(_OF_BANKS):
        operator.require("resolve", f"{action}, of which it is in doubt whether the bank has it")
        if not _said_by_two(connection, delivery, Resolution.DELIVERED, reference, operator, at):
            stop(connection, outbound_id, f"{operator.code} says that the bank has it ({reference})", at=at)
            return one(connection, delivery.delivery_id)
    note(connection, operator, "acknowledge", f"delivery:{delivery.delivery_id}", reference, at=at)
    record(
        connection,
        [Change(delivery.delivery_id, delivery.state, DeliveryState.ACKNOWLEDGED, reference)],
        at=at,
    )
    return one(connection, delivery.delivery_id)


def overdue_acknowledgements(
    connection: Connection, endpoints: Mapping[str, Endpoint], *, now: datetime
) -> list[Overdue]:
    """Delivered or unknown, at an endpoint that acknowledges, and the time for it is over. A refusal is a word, too."""
    found = []
    waiting = listing(connection, states=(DeliveryState.DELIVERED, DeliveryState.UNKNOWN))
    refused = ach_answers.refusals(connection, [delivery.outbound_id for delivery in waiting])
    for delivery in waiting:
        if delivery.outbound_id in refused:
            continue
        settings = endpoints.get(delivery.endpoint)
        since = delivery.ended_at or delivery.started_at
        if settings is None or settings.acknowledge_within_minutes is None or since is None:
            continue
        deadline = instant_text(datetime.fromisoformat(since) + timedelta(minutes=settings.acknowledge_within_minutes))
        if deadline < instant_text(now):
            found.append(Overdue(delivery, deadline))
    return found


def resolve(
    connection: Connection,
    delivery_id: int,
    *,
    as_: Resolution,
    reason: str,
    operator: Operator,
    at: str,
) -> bool:
    """Settle an unknown delivery by what the receiver said. True when it is settled, False when it now waits for the
    second person, who says the same with the same command.

    Raises UsageError without a reason; Refused without the right, for a delivery that is not unknown, for a word against the
    bank's answer, for the same person twice, or when the second person says otherwise: the first word stands until it is
    withdrawn.
    """
    operator.require("resolve", f"settling delivery {delivery_id}")
    delivery = hold(connection, delivery_id)
    require_reason(reason, f"settling delivery {delivery_id}")
    if delivery.state is not DeliveryState.UNKNOWN:
        raise Refused(f"settling delivery {delivery_id}: found it {delivery.state}, expected UNKNOWN")
    there = ach_answers.proofs(connection, [delivery.outbound_id]).get(delivery.outbound_id)
    if as_ is Resolution.NOT_DELIVERED and there is not None:
        raise Refused(
            f"settling delivery {delivery_id}: found the bank's answer {there}, expected none: the file is there; settle it "
            f"with gateway deliver acknowledge {delivery.outbound_id} --reference WHO"
        )
    if not _said_by_two(connection, delivery, as_, reason, operator, at):
        return False
    note(connection, operator, "resolve", f"delivery:{delivery.delivery_id}", f"{as_}: {reason}", at=at)
    after = DeliveryState.DELIVERED if as_ is Resolution.DELIVERED else DeliveryState.NOT_DELIVERED
    again = at if after is DeliveryState.NOT_DELIVERED else None
    record(
        connection,
        [Change(delivery_id, delivery.state, after, reason, next_attempt_at=again, step="RESOLVED")],
        at=at,
    )
    return True


def _said_by_two(
    connection: Connection, delivery: Delivery, as_: Resolution, reason: str, operator: Operator, at: str
) -> bool:
    """Whether this is the second word of two that agree; the first one is kept until then."""
    first = _proposal(connection, delivery.delivery_id)
    if first is None:
        return _propose(connection, delivery, as_, reason, operator, at)
    _require_second(delivery, first, as_, operator)
    connection.execute(
        text(
            "UPDATE delivery SET resolved_by = :first, resolved_second = :second, resolved_reason = :reason "
            "WHERE delivery_id = :d"
        ),
        {
            "first": first.code,
            "second": operator.code,
            "reason": f"{first.reason}; {reason}",
            "d": delivery.delivery_id,
        },
    )
    return True


@dataclass(frozen=True, slots=True)
class _First:
    as_: str
    code: str
    user: str
    reason: str


def _proposal(connection: Connection, delivery_id: int) -> _First | None:
    """The first person's word, if one stands."""
    row = connection.execute(
        text(
            "SELECT step, detail FROM delivery_event WHERE delivery_id = :d "
            "AND step IN ('RESOLVE_PROPOSED', 'RESOLVE_WITHDRAWN', 'RESOLVED', 'REQUEUED', 'STARTED') "
            "ORDER BY event_id DESC LIMIT 1"
        ),
        {"d": delivery_id},
    ).first()
    if row is None or row[0] != "RESOLVE_PROPOSED":
        return None
    word = json.loads(row[1])
    return _First(word["as"], word["operator"], word["user"], word["reason"])


def _propose(
    connection: Connection, delivery: Delivery, as_: Resolution, reason: str, operator: Operator, at: str
) -> bool:
    word = {"as": as_.value, "operator": operator.code, "user": operator.user, "reason": reason}
    add_events(connection, at, [(delivery.delivery_id, "RESOLVE_PROPOSED", json.dumps(word, sort_keys=True))])
    connection.execute(
        text(
            "UPDATE delivery SET resolved_by = :code, resolved_second = NULL, resolved_reason = :reason "
            "WHERE delivery_id = :d"
        ),
        {"code": operator.code, "reason": reason, "d": delivery.delivery_id},
    )
    note(connection, operator, "resolve-proposed", f"delivery:{delivery.delivery_id}", f"{as_}: {reason}", at=at)
    return False


def _require_second(delivery: Delivery, first: _First, as_: Resolution, operator: Operator) -> None:
    if operator.code == first.code or operator.user == first.user:
        raise Refused(
            f"settling delivery {delivery.delivery_id}: found {first.code} twice, expected a second person with "
            "another code and another system user"
        )
    if as_.value != first.as_:
        raise Refused(
            f"settling delivery {delivery.delivery_id}: found {as_.value!r}, expected {first.as_!r} as {first.code} "
            f"said; agree with each other first (gateway deliver resolve {delivery.delivery_id} --as {first.as_} --reason WHY), or "
            f"take the first word back: gateway deliver withdraw {delivery.delivery_id} --reason WHY"
        )


def withdraw(connection: Connection, delivery_id: int, *, reason: str, operator: Operator, at: str) -> Delivery:
    """Take the first person's word back, so that another can be said; what it stopped waits for ``requeue``. Raises UsageError
    without a reason, Refused without the right and where no word waits."""
    action = f"withdrawing the word on delivery {delivery_id}"
    operator.require("resolve", action)
    require_reason(reason, action)
    delivery = hold(connection, delivery_id)
    if _proposal(connection, delivery_id) is None:
        raise Refused(f"{action}: found none, expected one that waits for a second person")
    add_events(connection, at, [(delivery_id, "RESOLVE_WITHDRAWN", operator.code)])
    connection.execute(
        text("UPDATE delivery SET resolved_by = NULL, resolved_reason = NULL WHERE delivery_id = :d"),
        {"d": delivery_id},
    )
    note(connection, operator, "resolve-withdrawn", f"delivery:{delivery.delivery_id}", reason, at=at)
    stop(connection, delivery.outbound_id, f"{operator.code} took back the word that the bank has it", at=at)
    return one(connection, delivery_id)


def requeue(connection: Connection, delivery_id: int, *, reason: str, operator: Operator, at: str) -> None:
    """Try a delivery again that was given up, proved not delivered, or stopped before it left: both are safe. Raises Refused
    for any other, UsageError without a reason."""
    operator.require("deliver", f"trying delivery {delivery_id} again")
    require_reason(reason, f"trying delivery {delivery_id} again")
    delivery = hold(connection, delivery_id)
    if delivery.state not in (DeliveryState.NOT_DELIVERED, DeliveryState.PENDING):
        raise Refused(
            f"trying delivery {delivery_id} again: found it {delivery.state}, expected NOT_DELIVERED or PENDING; an "
            f"unknown one is settled first with gateway deliver resolve {delivery_id} --as WHAT --reason WHY"
        )
    connection.execute(
        text("UPDATE delivery SET next_attempt_at = :at, last_error = NULL WHERE delivery_id = :d AND state = :s"),
        {"at": at, "d": delivery_id, "s": delivery.state},
    )
    add_events(connection, at, [(delivery_id, "REQUEUED", reason)])
    note(connection, operator, "requeue", f"delivery:{delivery.delivery_id}", reason, at=at)
