"""Calling a released file back before it leaves: it never does, and what went into it is free again, as after a rejection.

What decides is the state of its delivery, in the one transaction that changes everything: called back is what waits
(PENDING) or was proved not delivered. Of two that mean it at once, the queue and a person, one sees that it came too late.
A file without an endpoint is called back as long as it lies in the outbox and nobody said that it was fetched. What the bank
refused was paid to nobody: it is called back wherever it is, and that ends the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.delivery import queue
from gateway.errors import Refused
from gateway.ledger import ach_answers
from gateway.ledger.events import note, require_reason
from gateway.ledger.vendor_details import no_account_in
from gateway.outbound import outbox
from gateway.outbound.states import LEFT_STATES, SEALED_KINDS, OutboundState, left_sql
from gateway.release import release
from gateway.release.release import File, Released

ACTION: Final = "outbound.recall"
_INSTEAD: Final = {
    "SENDING": "it is being sent; where its sender died, gateway deliver settles it first",
    "PLACING": "it is being sent; where its sender died, gateway deliver settles it first",
    "UNKNOWN": "it may be there: settle it first with gateway deliver resolve DELIVERY --as WHAT --reason WHY",
    "RECALLED": "it was called back before",
}


@dataclass(frozen=True, slots=True)
class Recalled:
    """Files that were called back, and scratch files that went with one and had left before. ``machines``: others whose
    outbox has a copy of one, until their service takes it away."""

    files: tuple[Released, ...]
    gone: tuple[str, ...]
    machines: tuple[str, ...] = ()


def recall(app: App, outbound_id: int, *, reason: str) -> Recalled:
    """Raises UsageError without a reason, Refused without the right and for a file that left, may have left, or was never
    released."""
    app.operator.require("approve", "calling an outbound file back")
    require_reason(reason, f"calling outbound file {outbound_id} back")
    with app.db.write() as connection:
        file = _released(app, connection, outbound_id)
        action = f"calling {file.name} back"
        no_account_in(connection, app.vault, reason, action=action)
        why_not = _stopped(app, connection, file)
        if why_not is not None:
            raise Refused(f"{action}: {why_not}")
        _no_voids(connection, file, action)
        _not_settled(connection, file, action)
        pairs = release.pairs(connection, file, OutboundState.BUILT, *LEFT_STATES)
        gone = [pair for pair in pairs if _stopped(app, connection, pair) is not None]
        called = [file, *(pair for pair in pairs if pair not in gone)]
        for one in called:
            release.take_back(app, connection, one, f"called back: {reason}")
        ach_answers.clear_refusals(
            connection, file.outbound_id, by=app.operator.code, reason=f"called back: {reason}", at=app.now()
        )
        note(connection, app.operator, ACTION, file.name, reason, at=app.now())
        files = tuple(release.withdrawn(connection, one) for one in called)
    for one in called:
        outbox.withdraw(app, one.outbound_id, one.name)
    machines = {there for one in called for there in [release.elsewhere(app, one.machine)] if there is not None}
    return Recalled(files, tuple(pair.name for pair in gone), tuple(sorted(machines)))


def _released(app: App, connection: Connection, outbound_id: int) -> File:
    """The file under the lock of its portfolio."""
    file = release.locked(app, connection, outbound_id)
    if file.state not in LEFT_STATES:
        todo = (
            f"gateway outbound reject {outbound_id} --reason WHY"
            if file.state == OutboundState.BUILT
            else "it leaves no more"
        )
        raise Refused(f"calling {file.name} back: found it {file.state}, expected it released; {todo}")
    leader = connection.execute(
        text(
            "SELECT f.outbound_id, f.name FROM outbound_source s JOIN outbound_file f ON f.state <> 'REJECTED' "
            "AND s.source = 'outbound:' || CAST(f.outbound_id AS TEXT) WHERE s.outbound_id = :id AND s.seq = 0"
        ),
        {"id": outbound_id},
    ).one_or_none()
    if leader is not None:
        raise Refused(
            f"calling {file.name} back: found that it goes with {leader.name}, expected that one called back: "
            f"gateway outbound recall {leader.outbound_id} --reason WHY"
        )
    return file


def _stopped(app: App, connection: Connection, file: File) -> str | None:
    """End the delivery of a file; or why it cannot be ended, in words."""
    if file.state == OutboundState.BUILT:  # a scratch file that waits for a release of its own
        return None
    refusal = ach_answers.refusals(connection, [file.outbound_id]).get(file.outbound_id)
    refused = None if refusal is None else refusal.answer
    if refused is not None and (why := _alone(app, connection, file, refused)) is not None:
        return why
    doubt = ach_answers.doubt(connection, file.outbound_id)
    if doubt is not None:
        return f"found the bank's answer {doubt.answer} open: {doubt.outcome}"
    if file.state == OutboundState.LOCAL:
        return None if refused else _local(app, connection, file)
    there = ach_answers.proofs(connection, [file.outbound_id]).get(file.outbound_id)
    if there is not None and refused is None:
        return f"found the bank's answer {there}, expected none: it is there; {_instead(file)}"
    state = queue.recall(connection, file.outbound_id, at=app.now(), refused=refused)
    if state is None:
        return None
    instead = _INSTEAD.get(state, f"it left: {_instead(file)}")
    return f"found its delivery {state or 'missing'}, expected PENDING or NOT_DELIVERED: {instead}"


def _alone(app: App, connection: Connection, file: File, answer: str) -> str | None:
    """A refusal that the bank's own words are not needs two people: who asked the bank, and who calls the file back."""
    said = ach_answers.told_by(connection, answer)
    if said is None or not app.settings.portfolio(file.portfolio).release.four_eyes:
        return None
    if app.operator.code != said[0] and app.operator.user != said[1]:
        return None
    return f"found that {said[0]} said that the bank refused it (answer {answer}), expected a second person to call it back"


def _instead(file: File) -> str:
    """What can be done about a file that is not here any more."""
    if file.kind != "VACH-BANK":
        return "tell its receiver"
    return (
        f"take it back with gateway outbound build vach-reversal --of {file.outbound_id} --reason WHY, or ask the bank"
    )


def _local(app: App, connection: Connection, file: File) -> str | None:
    statement = f"SELECT {left_sql('f')} FROM outbound_file f WHERE f.outbound_id = :id"
    if connection.execute(text(statement), {"id": file.outbound_id}).scalar():
        return f"found it fetched or answered, expected it in the outbox: {_instead(file)}"
    there = release.elsewhere(app, file.machine)
    if there is not None or not (app.home.outbox / file.name).exists():
        found = "it gone from the outbox of this home" if there is None else f"it released in the outbox of {there}"
        renamed = (
            ""
            if there is None
            else f' (where that is this home, renamed: set database.home = "{there}" in config/gateway.toml)'
        )
        on = f"call it back on {there or 'the machine where it lies'}{renamed}"
        if file.kind in SEALED_KINDS:
            on += f"; if somebody fetched it, say so with gateway outbound taken {file.outbound_id} --reason WHY"
        back = f"gateway outbound export {file.outbound_id} {quote(str(app.home.outbox / file.name))} --reason WHY"
        put_back = f"put it back ({back}) and call it back then"
        if there is not None:
            todo = on
        elif file.kind in SEALED_KINDS:  # a restore brings no outbox
            todo = f"{on}; where neither is so, as after a restore, {put_back}"
        else:  # its receiver alone knows whether it was used
            todo = f"where its receiver did not use it, {put_back}"
        return f"found {found}, expected it there: {todo}"
    return None


def _no_voids(connection: Connection, file: File, action: str) -> None:
    """Their money is on CLEARING, as if they had left."""
    found = connection.execute(
        text("SELECT check_no FROM bank_check WHERE outbound_id = :id AND state = 'VOID' ORDER BY check_no"),
        {"id": file.outbound_id},
    ).scalars()
    numbers = list(found)
    if numbers:
        raise Refused(
            f"{action}: found check {', '.join(numbers)} void, expected none: take the void back first (gateway vendor void "
            f"{numbers[0]} --undo --reason WHY), call the file back, then void the check again"
        )


def _not_settled(connection: Connection, file: File, action: str) -> None:
    """Reversals of a file that the bank refused late may have posted what they never brought."""
    statement = text("SELECT MIN(settled_unit_id) FROM ach_entry WHERE outbound_id = :id")
    unit = connection.execute(statement, {"id": file.outbound_id}).scalar()
    if unit is not None:
        raise Refused(
            f"{action}: found the settlement of its reversals posted by unit {unit}, expected none: ask the bank to run it after "
            "all, and say so with gateway answers clear FILE/NUMBER --taken --reason WHY"
        )
