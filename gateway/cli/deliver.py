"""Commands about delivering what was released: deliver, its settling by people, endpoint probe."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.common import (
    DONE,
    WITH_REJECTS,
    Reason,
    Session,
    command,
    guarded,
)
from gateway.cli.outbound import OutboundId
from gateway.console.windows import by_file
from gateway.delivery import deliver as delivering
from gateway.delivery import endpoint_probe, reads, settle
from gateway.delivery.states import SENDABLE, DeliveryState, Resolution
from gateway.errors import UsageError, each_tried, raise_first
from gateway.ledger import restored
from gateway.outbound import outbox
from gateway.parts import renderer, stays
from gateway.release import copies

DeliveryId = Annotated[int, typer.Argument(metavar="ID", help="The number `gateway deliver list` shows.")]


def register(app: typer.Typer) -> None:
    deliver = typer.Typer(invoke_without_command=True, help="Deliver what is released; settle what is in doubt.")
    group = typer.Typer(no_args_is_help=True, help="The places files are delivered to.")
    command(group, "probe", example="gateway endpoint probe bank")(endpoint_probe_command)
    app.add_typer(group, name="endpoint")

    callback_for(deliver)
    command(deliver, "list", example="gateway deliver list")(deliver_list)
    command(deliver, "resolve", example='gateway deliver resolve 4 --as delivered --reason "bank confirmed by phone"')(
        deliver_resolve
    )
    command(deliver, "withdraw", example='gateway deliver withdraw 4 --reason "it was the other file"')(
        deliver_withdraw
    )
    command(deliver, "again", example='gateway deliver again 4 --reason "directory exists now"')(deliver_again)
    command(deliver, "acknowledge", example="gateway deliver acknowledge 3 --reference ACK-5512")(deliver_acknowledge)
    command(deliver, "compared", example='gateway deliver compared --reason "the bank\'s list of 3 March"')(
        deliver_compared
    )
    app.add_typer(deliver, name="deliver")


def callback_for(group: typer.Typer) -> None:
    """``gateway deliver`` alone delivers; its sub-commands do the rest."""
    holder = typer.Typer()
    command(holder, "run", example="gateway deliver --endpoint bank")(deliver_run)
    run = holder.registered_commands[0].callback
    if run is None:
        raise RuntimeError("the delivery command has no function")

    def default(context: typer.Context, **options: Any) -> None:
        if context.invoked_subcommand is None:
            run(**options)
        given = [name for name in options if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
        if context.invoked_subcommand is not None and given:
            name = context.invoked_subcommand
            message = f"deliver: found options before {name}, expected them after it: gateway deliver {name} …"
            session = Session(Path(), bool(options["as_json"]), None, False)
            raise typer.Exit(guarded(session, lambda: _wrong(message)))

    signature = inspect.signature(run)
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    default.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])  # type: ignore[attr-defined]
    default.__annotations__ = {"context": typer.Context} | {k: p.annotation for k, p in signature.parameters.items()}
    group.callback(help=holder.registered_commands[0].help)(default)


def _wrong(message: str) -> int:
    raise UsageError(message)


def deliver_run(
    session: Session,
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="E", help="Only to this endpoint.")] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for the next try of what failed: its cause is gone.")
    ] = False,
) -> int:
    """Deliver what is released and due, to every endpoint or one; probe first what is in doubt."""
    session.app.operator.require("deliver", "delivering")
    results: list[delivering.DeliveryResult] | None = None

    def send() -> None:
        nonlocal results
        sent: dict[str, int] = {}

        def note(name: str, done: int, total: int) -> None:
            sent[name] = done
            progress(done, total)

        with session.progress("delivering") as progress:
            results = delivering.deliver(
                session.app,
                endpoint=endpoint,
                render=renderer(session.app),
                stays=stays(session.app),
                progress=note,
                hurry=now,
            )

    faults = each_tried(lambda: outbox.settle(session.app), send, lambda: copies.put_away(session.app))
    if results is None or (faults and session.as_json):  # one document: the fault's
        raise_first(faults)
    done = results or []
    stranded = () if endpoint is not None else _stranded(session)
    _show(session, done, stranded)
    raise_first(faults)
    return DONE if all(r.state in GOOD for r in done) and not stranded else WITH_REJECTS


def _stranded(session: Session) -> Sequence[reads.Delivery]:
    with session.app.db.read() as connection:
        return reads.stranded(connection, session.app.settings.gateway.endpoints)


def _show(session: Session, results: Sequence[delivering.DeliveryResult], stranded: Sequence[reads.Delivery]) -> None:
    windows = by_file(session.app)
    rows = [
        (r.delivery_id, r.name, r.endpoint, r.state, r.bytes, r.attempts, r.detail if r.state not in GOOD else None,
         windows.get(r.outbound_id))
        for r in results
    ] + [
        (d.delivery_id, d.remote_name, d.endpoint, d.state, d.bytes, d.attempts,
         reads.no_endpoint(d.outbound_id, d.endpoint, d.state), windows.get(d.outbound_id))
        for d in stranded
    ]  # fmt: skip
    session.show_rows(
        ("id", "name", "endpoint", "state", "bytes", "attempts", "detail", "window"),
        rows,
        empty=_nothing_due(session),
    )


GOOD = (DeliveryState.DELIVERED, DeliveryState.ACKNOWLEDGED)


def _nothing_due(session: Session) -> str:
    """What waits for a later try, or for people, is not due, and yet has not left."""
    with session.app.db.read() as connection:
        waiting = sum(d.state in (*SENDABLE, DeliveryState.UNKNOWN) for d in reads.listing(connection))
    return "Nothing is due for delivery" + (f"; {waiting} not yet there: gateway deliver list." if waiting else ".")


def deliver_list(session: Session) -> None:
    """Every delivery and where it stands."""
    windows = by_file(session.app)
    stranded = {d.delivery_id: reads.no_endpoint(d.outbound_id, d.endpoint, d.state) for d in _stranded(session)}
    with session.app.db.read() as connection:
        staying = delivering.staying(session.app, connection, stays(session.app))
        rows = [
            (
                d.delivery_id,
                d.outbound_id,
                d.remote_name,
                d.endpoint,
                d.state,
                d.attempts,
                d.next_attempt_at,
                "; ".join(filter(None, (stranded.get(d.delivery_id), staying.get(d.delivery_id), d.last_error)))
                or None,
                windows.get(d.outbound_id),
            )
            for d in reads.listing(connection)
        ]
    session.show_rows(
        ("id", "outbound", "name", "endpoint", "state", "attempts", "next_attempt_at", "last_error", "window"),
        rows, instants=("next_attempt_at",), empty="No delivery yet.",
    )  # fmt: skip


def deliver_resolve(
    session: Session,
    delivery_id: DeliveryId,
    as_: Annotated[Resolution, typer.Option("--as", help="What the receiver said.")],
    reason: Reason,
) -> int:
    """Settle an unknown delivery by what the receiver said. Two people say the same, each with this command."""
    with session.app.db.write() as connection:
        settled = settle.resolve(
            connection, delivery_id, as_=as_, reason=reason, operator=session.app.operator, at=session.app.now()
        )
    copies.put_away(session.app)
    session.show(
        {"id": delivery_id, "settled": settled},
        f"Delivery {delivery_id} is settled as {as_}."
        if settled
        else f"Noted. A second person (another code, another system user) settles it with the same command: "
        f"gateway deliver resolve {delivery_id} --as {as_} --reason …",
    )
    return DONE if settled else WITH_REJECTS


def deliver_withdraw(session: Session, delivery_id: DeliveryId, reason: Reason) -> None:
    """Take back what the first of two people said of an unknown delivery, so that it can be said otherwise."""
    with session.app.db.write() as connection:
        d = settle.withdraw(connection, delivery_id, reason=reason, operator=session.app.operator, at=session.app.now())
    then = "resolve" if d.state is DeliveryState.UNKNOWN else "again"
    session.show(
        {"id": delivery_id, "state": d.state},
        f"The word on delivery {delivery_id} is taken back; it is {d.state}: gateway deliver {then} {delivery_id}",
    )


def deliver_again(session: Session, delivery_id: DeliveryId, reason: Reason) -> None:
    """Try a delivery again that was proved not delivered and given up, or stopped before it left."""
    with session.app.db.write() as connection:
        settle.requeue(connection, delivery_id, reason=reason, operator=session.app.operator, at=session.app.now())
    session.show({"id": delivery_id}, f"Delivery {delivery_id} is due again: gateway deliver")


def deliver_acknowledge(
    session: Session,
    outbound_id: OutboundId,
    reference: Annotated[str, typer.Option("--reference", help="The receiver's own reference.")],
) -> int:
    """Note that the receiver confirmed a file; this ends every doubt about it. Of a bank's file that is unknown or not
    delivered two people say it, each with this command."""
    with session.app.db.write() as connection:
        d = settle.acknowledge(
            connection, outbound_id, reference=reference, operator=session.app.operator, at=session.app.now()
        )
    copies.put_away(session.app)
    settled = d.state is DeliveryState.ACKNOWLEDGED
    session.show(
        {"id": d.delivery_id, "state": d.state, "settled": settled},
        f"{d.remote_name} is {d.state}."
        if settled
        else f"Noted; {d.remote_name} stays {d.state} and is not sent. A second person (another code, another system user) "
        f"settles it with the same command: gateway deliver acknowledge {outbound_id} --reference …",
    )
    return DONE if settled else WITH_REJECTS


def deliver_compared(session: Session, reason: Reason) -> None:
    """After a restore: say that what receivers and senders have was compared with this ledger. What is released from now on
    leaves by itself again; what is in doubt, or was stopped until now, is settled one by one."""
    with session.app.db.write() as connection:
        restored.compared(connection, reason=reason, operator=session.app.operator, at=session.app.now())
    session.show({"compared": True}, "Noted. What is released from now on leaves by itself: gateway deliver list")


def endpoint_probe_command(
    session: Session, name: Annotated[str, typer.Argument(metavar="E", help="A name below [endpoints].")]
) -> int:
    """Try an endpoint for real: host key, login, directory, write, rename, read back, remove; say what it can do."""
    steps = endpoint_probe.probe_endpoint(session.app, name)
    session.show_rows(("step", "ok", "detail"), [(s.name, "yes" if s.ok else "NO", s.detail) for s in steps])
    return DONE if all(s.ok for s in steps) else WITH_REJECTS
