"""The moves of the queue in the database: what is to go where, who sends it now, and what became of it. ``reads.py`` asks.

Every function works in the caller's transaction. Changes of state are conditional on the state they start from, so
that of two processes that mean the same delivery one sees that it came too late.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, select, text

from gateway.delivery.reads import WAITING, Delivery, by_ids, deliveries, one, quoted, settled_by
from gateway.delivery.states import REFUSABLE, SENDABLE, DeliveryState, require_transition
from gateway.delivery.tries import add_events, interruptions, temporary_name
from gateway.errors import Refused
from gateway.ledger import ach_answers, ach_returns, restored, schema

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
INTERRUPTIONS: Final = 5
"""So often in a row a file's sending may be interrupted before it is sent no more by itself."""
_GOOD: Final = (DeliveryState.PLACING, DeliveryState.DELIVERED, DeliveryState.ACKNOWLEDGED)
_ENDS: Final = (
    DeliveryState.DELIVERED, DeliveryState.NOT_DELIVERED, DeliveryState.ACKNOWLEDGED, DeliveryState.RECALLED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be recorded of a delivery. ``next_attempt_at`` None: nothing happens by itself any more."""

    delivery_id: int
    before: DeliveryState
    after: DeliveryState
    detail: str | None = None
    next_attempt_at: str | None = None
    receipt: str | None = None
    step: str | None = None  # the event's name where it is not the new state's


def enqueue(connection: Connection, *, outbound_id: int, endpoint: str, remote_name: str, at: str) -> int:
    """Queue a released file for an endpoint, due at once; gives the delivery's number.

    After a restore from a backup nothing is due by itself (``_after_restore``). The same file for the same endpoint again is
    the same delivery. Raises Refused for a file that is not released,
    for a name that was used at this endpoint before, and for one that is more than a plain name.
    """
    if not _NAME.fullmatch(remote_name):
        raise Refused(
            f"queueing outbound file {outbound_id}: found the name {remote_name!r}, expected letters, digits, dot, "
            "dash and underscore, not starting with a dot; change the name pattern in the settings"
        )
    state = connection.execute(
        text("SELECT state FROM outbound_file WHERE outbound_id = :o"), {"o": outbound_id}
    ).scalar()
    if state != "APPROVED":
        raise Refused(
            f"queueing outbound file {outbound_id}: found it {state or 'missing'}, expected APPROVED; "
            f"run gateway outbound approve {outbound_id} first"
        )
    known = connection.execute(
        text(
            "SELECT delivery_id, outbound_id, endpoint, remote_name FROM delivery "
            "WHERE outbound_id = :o OR (endpoint = :e AND remote_name = :n)"
        ),
        {"o": outbound_id, "e": endpoint, "n": remote_name},
    ).first()
    if known is not None:
        if tuple(known[1:]) == (outbound_id, endpoint, remote_name):
            return int(known[0])
        raise Refused(
            f"queueing outbound file {outbound_id} as {remote_name} for {endpoint}: found delivery {known[0]} of file "
            f"{known[1]} as {known[3]} for {known[2]}, expected a name and a file never queued before"
        )
    delivery_id = int(
        connection.execute(
            text(
                "INSERT INTO delivery (outbound_id, endpoint, state, remote_name, temporary_name, attempts, "
                "next_attempt_at) VALUES (:o, :e, 'PENDING', :n, '', 0, :at) RETURNING delivery_id"
            ),
            {"o": outbound_id, "e": endpoint, "n": remote_name, "at": at},
        ).scalar_one()
    )
    add_events(connection, at, [(delivery_id, "QUEUED", remote_name)])
    _after_restore(connection, delivery_id, outbound_id, at)
    return delivery_id


def _after_restore(connection: Connection, delivery_id: int, outbound_id: int, at: str) -> None:
    """A file that was built before the backup may be there: its delivery is unknown, until people say. One that was built
    since may hold what another file did that this ledger does not know: it waits for a person, while nobody compared."""
    if restored.is_doubted(connection, outbound_id):
        said = f"it was built before the backup and may have left since: {settled_by(delivery_id)}"
        record(connection, [Change(delivery_id, DeliveryState.PENDING, DeliveryState.UNKNOWN, said)], at=at)
        return
    open_ = restored.uncompared(connection)
    if open_ is not None:
        stop(
            connection, outbound_id,
            f"this ledger was restored {open_.reason}, and what was sent since may hold the same: compare with the receiver",
            at=at,
        )  # fmt: skip


def claim(connection: Connection, jobs: Sequence[Delivery], *, temporary_suffix: str, at: str) -> list[Delivery]:
    """Take deliveries for sending: state SENDING and a temporary name of this attempt's own, committed by the caller
    before the first byte leaves. What must not leave any more is stopped, until a person sees to it; what the bank answered
    is there, and is never sent again; what was stopped since it was found due stays."""
    held = _held(connection, [j.delivery_id for j in jobs])
    stopped = {j.delivery_id for j in by_ids(connection, held) if j.next_attempt_at is None}
    taken = [j for j in jobs if held.get(j.delivery_id) == j.state and j.delivery_id not in stopped]
    there = ach_answers.proofs(connection, [j.outbound_id for j in taken])
    answered(connection, there, at=at)
    taken = [j for j in taken if j.outbound_id not in there]
    unfit = _unfit(connection, taken)
    _stop(connection, unfit, at)
    taken = [j for j in taken if j.delivery_id not in unfit]
    names = {j.delivery_id: temporary_name(j.remote_name, temporary_suffix, j.attempts + 1) for j in taken}
    _each(
        connection,
        "UPDATE delivery SET state = 'SENDING', attempts = attempts + 1, temporary_name = :name, started_at = :at, "
        "ended_at = NULL, next_attempt_at = NULL WHERE delivery_id = :d",
        [{"name": name, "at": at, "d": d} for d, name in names.items()],
    )
    add_events(connection, at, [(d, "STARTED", name) for d, name in names.items()])
    return [
        replace(
            j,
            state=DeliveryState.SENDING,
            attempts=j.attempts + 1,
            temporary_name=names[j.delivery_id],
            started_at=at,
            ended_at=None,
            next_attempt_at=None,
        )
        for j in taken
    ]


def place(connection: Connection, jobs: Sequence[Delivery], *, at: str) -> set[int]:
    """PLACING, committed by the caller before the rename: the deliveries that may be renamed. One that changed hands is not
    among them; nor is one that must not leave any more since it was claimed, which is proved not delivered."""
    unfit = _unfit(connection, jobs)
    before, after, no = DeliveryState.SENDING, DeliveryState.PLACING, DeliveryState.NOT_DELIVERED
    record(connection, [Change(d, before, no, why, step="STOPPED") for d, why in unfit.items()], at=at)
    mine = [Change(j.delivery_id, before, after) for j in jobs if j.delivery_id not in unfit]
    return set(record(connection, mine, at=at))


def _unfit(connection: Connection, jobs: Sequence[Delivery]) -> dict[int, str]:
    """What must not leave any more, by delivery: why, and what is to be done. It became so after the release."""
    files = [j.outbound_id for j in jobs]
    moot, at_bank = ach_returns.moot_reversals(connection, files), ach_answers.held(connection, files)
    return {j.delivery_id: _spoken_of(j, at_bank[j.outbound_id][0]) for j in jobs if j.outbound_id in at_bank} | {
        j.delivery_id: f"takes back the entry of trace number {moot[j.outbound_id]}: call it back with gateway outbound recall "
        f"{j.outbound_id} --reason WHY, and build again"
        for j in jobs
        if j.outbound_id in moot
    }


def _spoken_of(job: Delivery, found: ach_answers.Held) -> str:
    """Why a file stays of which, or of an earlier one of whose checks, the bank speaks; and what is to be done."""
    if found.outbound_id == job.outbound_id:
        there = f"has it, gateway deliver acknowledge {job.outbound_id} --reference WHO"
    else:
        there = (
            f"pays any of the same, gateway outbound recall {job.outbound_id} --reason WHY and gateway outbound taken "
            f"{found.outbound_id} --reason WHY"
        )
    return (
        f"found {found.said}: ask the bank what it pays; where it {there}; where nothing, gateway answers clear {found.answer} "
        f"--reason WHY, then gateway deliver again {job.delivery_id} --reason WHY"
    )


def stop(connection: Connection, outbound_id: int, why: str, *, at: str) -> None:
    """Keep a file that has not left from leaving by itself; one that is under way, or left, stays as it is."""
    found = deliveries(connection, "WHERE d.outbound_id = :o", {"o": outbound_id})
    held = _held(connection, [d.delivery_id for d in found])
    _stop(
        connection,
        {
            d: f"{why}; if it may leave all the same: gateway deliver again {d} --reason WHY"
            for d, state in held.items()
            if state in SENDABLE
        },
        at,
    )


def _stop(connection: Connection, said: Mapping[int, str], at: str) -> None:
    """Nothing happens to these deliveries by itself any more, for what is said of each."""
    _each(
        connection,
        "UPDATE delivery SET next_attempt_at = NULL, last_error = :error WHERE delivery_id = :d",
        [{"error": error, "d": d} for d, error in said.items()],
    )
    add_events(connection, at, [(d, "STOPPED", error) for d, error in said.items()])


def record(connection: Connection, changes: Sequence[Change], *, at: str) -> list[int]:
    """Apply changes of state with their events; gives the numbers that changed.

    A delivery that is no longer in the state the change starts from is left alone and not in the answer.
    """
    for change in changes:
        require_transition(change.before, change.after, delivery_id=change.delivery_id)
    held = _held(connection, [c.delivery_id for c in changes])
    done = [c for c in changes if held.get(c.delivery_id) == c.before]
    _each(
        connection,
        "UPDATE delivery SET state = :after, next_attempt_at = :next, last_error = :error, "
        "ended_at = COALESCE(:ended, ended_at), receipt = COALESCE(:receipt, receipt) WHERE delivery_id = :d",
        [
            {
                "after": c.after.value, "next": c.next_attempt_at, "error": None if c.after in _GOOD else c.detail,
                "ended": at if c.after in _ENDS else None, "receipt": c.receipt, "d": c.delivery_id,
            }
            for c in done
        ],
    )  # fmt: skip
    add_events(connection, at, [(c.delivery_id, c.step or c.after.value, c.detail) for c in done])
    return [c.delivery_id for c in done]


def answered(connection: Connection, proofs: Mapping[int, str], *, at: str, refused: bool = False) -> None:
    """The bank answered these outbound files, by what the values name: their deliveries are ACKNOWLEDGED, whatever they
    were, or where the bank refused them DELIVERED at least. A process that sends one finds its change of state refused and
    renames nothing. One that was called back stays so; a file without a delivery has nothing to settle."""
    after = DeliveryState.DELIVERED if refused else DeliveryState.ACKNOWLEDGED
    table = schema.delivery
    rows = connection.execute(
        select(table.c.delivery_id, table.c.state, table.c.outbound_id)
        .where(table.c.outbound_id.in_(sorted(proofs)))
        .order_by(table.c.delivery_id)
        .with_for_update()
    )
    over = (after, DeliveryState.ACKNOWLEDGED, DeliveryState.RECALLED)
    record(
        connection,
        [
            Change(int(d), DeliveryState(state), after, proofs[int(outbound_id)])
            for d, state, outbound_id in rows
            if DeliveryState(state) not in over
        ],
        at=at,
    )


def recall(connection: Connection, outbound_id: int, *, at: str, refused: str | None = None) -> str | None:
    """Call a file's delivery back: None where that was done, else the state that it has, empty where there is none.

    Called back is only what waits or was proved not delivered, while nobody else has it in hand; and what the bank
    ``refused``, by an answer that this names.
    """
    found = deliveries(connection, "WHERE d.outbound_id = :o", {"o": outbound_id})
    if not found:
        return ""
    (job,) = found
    said = "called back" if refused is None else f"called back, refused by the bank (answer {refused})"
    if job.state in (SENDABLE if refused is None else REFUSABLE) and record(
        connection, [Change(job.delivery_id, job.state, DeliveryState.RECALLED, said)], at=at
    ):
        return None
    return one(connection, job.delivery_id).state.value


def left(connection: Connection, outbound_id: int, why: str, *, at: str) -> bool:
    """A file that was called back is there all the same, people say; False for one that had no delivery."""
    found = deliveries(connection, "WHERE d.outbound_id = :o", {"o": outbound_id})
    return bool(
        record(connection, [Change(d.delivery_id, d.state, DeliveryState.DELIVERED, why) for d in found], at=at)
    )


def postpone(
    connection: Connection, jobs: Sequence[Delivery], *, error: str, until: Mapping[int, str], at: str
) -> None:
    """The far side was not reached: state and proof stay as they are, the next try waits."""
    _each(
        connection,
        "UPDATE delivery SET attempts = attempts + 1, next_attempt_at = :next, last_error = :error "
        "WHERE delivery_id = :d AND state = :state",
        [{"next": until[j.delivery_id], "error": error, "d": j.delivery_id, "state": j.state.value} for j in jobs],
    )
    add_events(connection, at, [(j.delivery_id, "NOT_REACHED", error) for j in jobs if j.last_error != error])


def hurry(connection: Connection, *, endpoint: str | None, at: str) -> None:
    """What waits for a later try or look is due now, at one endpoint or all. What waits for people still does."""
    connection.execute(
        text(
            "UPDATE delivery SET next_attempt_at = :at WHERE next_attempt_at > :at "
            f"AND state IN ({quoted(WAITING)})" + (" AND endpoint = :e" if endpoint else "")
        ),
        {"at": at, "e": endpoint} if endpoint else {"at": at},
    )


def recover(connection: Connection, *, endpoint: str, at: str) -> list[Delivery]:
    """What an ended process left in the middle, told by the state it reached. Call with the endpoint's lock held.

    SENDING: no rename was asked for, so nothing was delivered; due at once, unless it was interrupted ``INTERRUPTIONS`` times
    in a row: then something about it may end the processes, and a person looks. PLACING: unknown; probed at once.
    """
    left = deliveries(
        connection,
        "WHERE d.endpoint = :endpoint AND d.state IN ('SENDING', 'PLACING') ORDER BY d.delivery_id",
        {"endpoint": endpoint},
    )
    before = interruptions(connection, [job.delivery_id for job in left])
    record(connection, [_interrupted(job, before.get(job.delivery_id, 0) + 1, at) for job in left], at=at)
    return left


def _interrupted(job: Delivery, times: int, at: str) -> Change:
    said, again = "the sending process ended", at
    if job.state == DeliveryState.PLACING:  # a look sends nothing, and is never given up
        return Change(job.delivery_id, job.state, DeliveryState.UNKNOWN, said, again, step="INTERRUPTED")
    if times < INTERRUPTIONS:
        return Change(job.delivery_id, job.state, DeliveryState.NOT_DELIVERED, said, again, step="INTERRUPTED")
    said += (
        f", {times} times in a row; see the log, run gateway verify, and when the cause is gone: gateway deliver again "
        f"{job.delivery_id} --reason WHY"
    )
    return Change(job.delivery_id, job.state, DeliveryState.NOT_DELIVERED, said, step="INTERRUPTED")


def hold(connection: Connection, delivery_id: int) -> Delivery:
    """The same, as it is until the transaction ends: nobody else changes it meanwhile."""
    _held(connection, [delivery_id])
    return one(connection, delivery_id)


def _held(connection: Connection, delivery_ids: Sequence[int]) -> dict[int, str]:
    """The states as they are, held until the transaction ends."""
    table = schema.delivery
    rows = connection.execute(
        select(table.c.delivery_id, table.c.state)
        .where(table.c.delivery_id.in_(delivery_ids))
        .order_by(table.c.delivery_id)
        .with_for_update()
    )
    return {int(d): str(state) for d, state in rows}


def _each(connection: Connection, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(text(statement), list(rows))
