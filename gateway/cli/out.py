"""Commands about what leaves: outbound list/show/approve/reject/build, deliver, endpoint probe."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli.common import (
    DONE,
    WITH_REJECTS,
    PortfolioOption,
    Session,
    command,
    guarded,
    iso,
    portfolio_number,
    table,
)
from gateway.console.windows import by_file, with_windows
from gateway.delivery import deliver as delivering
from gateway.delivery import endpoint_probe, settle
from gateway.delivery.states import DeliveryState, Resolution
from gateway.errors import UsageError
from gateway.money import from_cents, shown
from gateway.outbound import build as building
from gateway.outbound import copies, release, review, store
from gateway.parts import renderer

FileId = Annotated[int, typer.Argument(metavar="ID", help="The number `gateway outbound list` shows.")]
DeliveryId = Annotated[int, typer.Argument(metavar="ID", help="The number `gateway deliver list` shows.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with your code.")]


def register(app: typer.Typer) -> None:
    outbound = typer.Typer(no_args_is_help=True, help="Files that leave: look, build, release.")
    command(outbound, "list", example="gateway outbound list --state BUILT")(outbound_list)
    command(outbound, "show", example="gateway outbound show 3")(outbound_show)
    command(
        outbound,
        "approve",
        example='gateway outbound approve 3 --sha256 8f3a91c2 --accept first-payment --reason "called them"',
    )(outbound_approve)
    command(outbound, "reject", example='gateway outbound reject 3 --reason "wrong disbursement date"')(outbound_reject)
    command(outbound, "build", example="gateway outbound build vach --portfolio 1")(outbound_build)
    command(outbound, "export", example='gateway outbound export 3 /mnt/safe/copy.dat --reason "the bank asks for it"')(
        outbound_export
    )
    command(outbound, "taken", example='gateway outbound taken 4 --reason "loaded into the accounting system"')(
        outbound_taken
    )
    app.add_typer(outbound, name="outbound")

    deliver = typer.Typer(invoke_without_command=True, help="Deliver what is released; settle what is in doubt.")
    group = typer.Typer(no_args_is_help=True, help="The places files are delivered to.")
    command(group, "probe", example="gateway endpoint probe bank")(endpoint_probe_command)
    app.add_typer(group, name="endpoint")

    callback_for(deliver)
    command(deliver, "list", example="gateway deliver list")(deliver_list)
    command(deliver, "resolve", example='gateway deliver resolve 4 --as delivered --reason "bank confirmed by phone"')(
        deliver_resolve
    )
    command(deliver, "again", example='gateway deliver again 4 --reason "directory exists now"')(deliver_again)
    command(deliver, "acknowledge", example="gateway deliver acknowledge 3 --reference ACK-5512")(deliver_acknowledge)
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


def outbound_list(
    session: Session,
    portfolio: PortfolioOption = None,
    state: Annotated[str | None, typer.Option("--state", help="BUILT, APPROVED, REJECTED or LOCAL.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="VACH-BANK, VACH-SCRATCH, VACH-REFUSED-NOC, DSGL or XSELLERATOR.")
    ] = None,
) -> None:
    """Files that were built, oldest first."""
    upper = {"state": state and state.upper(), "kind": kind and kind.upper()}
    rows = release.listing(session.app, portfolio=portfolio, **upper)
    columns: list[str] = [*release.LIST_COLUMNS, "window"]
    windows = by_file(session.app)
    rows = [(*row, windows.get(row[0])) for row in rows]
    if not session.as_json:
        at = columns.index("sha256")
        rows = [(*row[:at], row[at][:12], *row[at + 1 :]) for row in rows]
        if not windows:  # an empty column would only push the others down
            columns, rows = columns[:-1], [row[:-1] for row in rows]
    session.show_rows(columns, rows, money=release.MONEY_COLUMNS, empty="No outbound file yet.")


def outbound_show(session: Session, outbound_id: FileId) -> None:
    """One file before it leaves: totals, hash, why it waits, who made and released it, its delivery."""
    found = _with_window(session, release.show(session.app, outbound_id))
    session.show(_document(found), _page(found))


def _with_window(session: Session, found: dict[str, Any]) -> dict[str, Any]:
    """What was found, with the next window of its endpoint while the file has not left, and the one it missed."""
    (row,) = with_windows([found | {"delivery": (found["delivery"] or {}).get("state")}], session.app)
    return found | {key: row[key] for key in ("window", "window_near", "window_missed")}


def _document(found: dict[str, Any]) -> dict[str, Any]:
    return {k: from_cents(v) if k in release.MONEY_COLUMNS else v for k, v in found.items()} | {
        "classes": [row | {"amount": from_cents(row["amount"])} for row in found["classes"]]
    }


def _page(found: dict[str, Any]) -> list[str]:
    lines = [
        f"{found['name']}  (#{found['id']}, {found['kind']}, portfolio {found['portfolio']})",
        f"  state      {found['state']}"
        + (f": {found['hold_text']}" if found["hold_text"] and found["state"] == "BUILT" else ""),
        f"  records    {found['records']:,}   bytes {found['bytes']:,}",
        f"  debits     {shown(found['total_debit'])}",
        f"  credits    {shown(found['total_credit'])}",
        f"  sha256     {found['sha256']}",
        f"  made by    {found['maker']} at {found['built_at']} for business date {found['business_date']}",
        f"  goes to    {found['endpoint'] or 'nowhere; it stays in outbox/'}",
    ]
    if found.get("window_missed"):
        lines.append(f"  MISSED     it was not sent by {found['window_missed']}")
    if found.get("window"):
        lines.append(f"  window     the next one closes at {found['window']}")
    if found["approved_by"]:
        lines.append(f"  released   by {found['approved_by']} at {found['approved_at']}")
    if found["reason"]:
        lines.append(f"  reason     {found['reason']}")
    if found["message"]:
        m = found["message"]
        lines.append(f"  message    {m['name']}, bytes {m['bytes']:,}, sha256 {m['sha256']}")
        lines.append(
            f"             to key {m['recipient']}, " + (f"signed by {m['signer']}" if m["signer"] else "not signed")
        )
    if found["delivery"]:
        d = found["delivery"]
        lines.append(f"  delivery   {d['state']} as {d['remote_name']} at {d['endpoint']}, {d['attempts']} attempts")
    if found["classes"]:
        rows = [tuple(row.values()) for row in found["classes"]]
        lines += ["", *table(review.CLASS_COLUMNS, rows, money=("amount",))]
    for action, head in (("HOLD", "Held by"), ("WARN", "Warnings")):
        its = [f for f in found["findings"] if f["action"] == action]
        if its:
            lines += ["", f"{head}:", *_findings(its)]
    if found["state"] == "BUILT":
        rules = dict.fromkeys(f["rule"] for f in found["findings"] if f["action"] == "HOLD")
        accept = "".join(f" --accept {rule}" for rule in rules) + (" --reason …" if rules else "")
        lines += [
            "",
            f"To look inside: gateway explain outbox/{found['name']}",
            f"To release it:  gateway outbound approve {found['id']} --sha256 {found['sha256'][:12]}{accept}",
        ]
    return lines


_SHOWN: Final = 20
"""Findings of one rule on a page; --json has all."""


def _findings(its: list[dict[str, Any]]) -> Iterator[str]:
    for rule in dict.fromkeys(f["rule"] for f in its):
        of_rule = [f for f in its if f["rule"] == rule]
        for f in of_rule[:_SHOWN]:
            yield f"  {rule:16} {f['detail']}"
        if len(of_rule) > _SHOWN:
            yield f"  {rule:16} and {len(of_rule) - _SHOWN:,} more: gateway outbound show --json"
        if of_rule[0]["accepted_by"]:
            yield f"  {'':16} accepted by {of_rule[0]['accepted_by']}: {of_rule[0]['accepted_reason']}"


def outbound_approve(
    session: Session,
    outbound_id: FileId,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="The hash you looked at, at least 8 characters; asked for otherwise.")
    ] = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="RULE", help="A rule that holds the file; give each one.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why the rules are accepted; it is kept.")] = None,
) -> None:
    """Release a file. The approval is bound to its SHA-256; the maker cannot approve where four eyes are asked for.
    A rule that holds the file is accepted by its name, with a reason."""
    found = release.show(session.app, outbound_id)
    if sha256 is None:
        if session.as_json or not sys.stdin.isatty():
            raise UsageError(
                f"approving outbound file {outbound_id}: found no --sha256, expected the hash that was looked at; "
                f"see gateway outbound show {outbound_id}"
            )
        print("\n".join(_page(found)))
        if not typer.confirm("Release it?"):
            raise UsageError(f"approving outbound file {outbound_id}: you said no; nothing was done")
        sha256 = found["sha256"]
    if len(sha256) < 8 or not found["sha256"].startswith(sha256.lower()):
        full = sha256
    else:
        full = found["sha256"]
    done = release.approve(session.app, outbound_id, sha256=full, accept=accept or (), reason=reason)
    session.show(
        {"released": [{"id": r.outbound_id, "name": r.name, "state": r.state} for r in done]},
        [
            f"Released {r.name}. "
            + ("It leaves with the next `gateway deliver`." if r.state == "APPROVED" else _by_hand(session, r))
            for r in done
        ],
    )


def _by_hand(session: Session, file: release.Released) -> str:
    if release.show(session.app, file.outbound_id)["message"]:
        return (
            "It has no endpoint, and its bank wants an OpenPGP message: "
            f"gateway outbound export {file.outbound_id} FILE --message --reason …"
        )
    return f"It has no endpoint: fetch it from outbox/{file.name}."


def outbound_reject(session: Session, outbound_id: FileId, reason: Reason) -> None:
    """Take a waiting file back; what went into it is free again."""
    done = release.reject(session.app, outbound_id, reason=reason)
    session.show(
        {"rejected": [{"id": r.outbound_id, "name": r.name} for r in done]},
        [f"Took back {r.name}; its rows are free again." for r in done],
    )


def outbound_build(
    session: Session,
    kind: Annotated[str, typer.Argument(help="vach, vach-reversal, dsgl or xsellerator.")],
    portfolio: Annotated[str, typer.Option("--portfolio", metavar="N", help="The portfolio.", parser=portfolio_number)],
    interface: Annotated[str | None, typer.Option("--interface", help="Xsellerator: BILLING, PAYMENTS, …")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="Xsellerator: first date.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Xsellerator: last date.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Export or transfer again what was exported before.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why again, or why a file is taken back.")] = None,
    of: Annotated[int | None, typer.Option("--of", metavar="ID", help="The bank file to take back.")] = None,
    same_day: Annotated[bool, typer.Option("--same-day", help="Vendor ACH: what is due today settles today.")] = False,
) -> int:
    """Build files for the open business date: Vendor ACH, General Ledger scratch file, or Xsellerator interface.

    ``vach-reversal --of ID`` voids all that a bank file paid and takes it back, within five banking days.
    """
    options: dict[str, Any] = {}
    name = kind.upper()
    if name not in building.BUILDERS:
        kinds = ", ".join(sorted(building.BUILDERS)).lower()
        raise UsageError(f"building {kind}: found no such kind, expected one of {kinds}")
    if name == "XSELLERATOR":
        if interface is None:
            raise UsageError("building xsellerator: found no --interface, expected one such as BILLING")
        options["interface"] = interface.upper()
        start, end = iso(start, what="--from"), iso(end, what="--to")
        if start is not None:
            options["start"] = date.fromisoformat(start)
        if end is not None:
            options["end"] = date.fromisoformat(end)
    if same_day:
        if name != "VACH":
            raise UsageError(f"building {kind}: found --same-day, expected it with vach alone; leave it out")
        options["same_day"] = True
    if (of is not None) != (name == "VACH-REVERSAL"):
        raise UsageError(
            f"building {kind}: found {'no' if of is None else 'a'} --of, expected one with vach-reversal alone"
        )
    if of is not None:
        options |= {"of": of, "reason": reason or ""}
    if again:
        options["again"] = True
        if name == "DSGL":
            options["reason"] = reason
    with session.progress("building"):
        built = building.build(session.app, name, portfolio, **options)
    session.show(
        {
            "files": [
                {"id": f.outbound_id, "name": f.name, "kind": f.kind, "state": f.state, "sha256": f.sha256,
                 "bytes": f.size, "records": f.records, "total_debit": from_cents(f.total_debit_cents),
                 "total_credit": from_cents(f.total_credit_cents)}
                for f in built.files
            ],
            "messages": list(built.messages),
            "withheld": built.withheld,
        },
        [
            *(f"Built {f.name} (#{f.outbound_id}): {f.records:,} records, debits {shown(f.total_debit_cents)}, "
              f"credits {shown(f.total_credit_cents)}; {f.state}" for f in built.files),
            *([] if built.files else ["Nothing to send; no file was built."]),
            *built.messages,
            *([f"{built.withheld} withheld; see the exception report in var/reports."] if built.withheld else []),
        ],
    )  # fmt: skip
    return WITH_REJECTS if built.withheld else DONE


def outbound_export(
    session: Session,
    outbound_id: FileId,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; owner only.")],
    reason: Reason,
    message: Annotated[bool, typer.Option("--message", help="The OpenPGP message that leaves, instead.")] = False,
) -> None:
    """Write a file's bytes as built into a new file, for someone who may see them. Kept as what you did."""
    size = copies.export(session.app, outbound_id, target, reason=reason, message=message)
    session.show(
        {"id": outbound_id, "file": str(target), "bytes": size},
        f"Wrote {size:,} bytes to {target}. It may hold account numbers: remove it when it is no longer needed.",
    )


def outbound_taken(session: Session, outbound_id: FileId, reason: Reason) -> None:
    """Note that a file without an endpoint was fetched from the outbox; what holds account numbers is put away."""
    names = copies.taken(session.app, outbound_id, reason=reason)
    session.show(
        {"id": outbound_id, "put_away": names},
        [f"Noted. outbox/{name} is put away; gateway outbound export {outbound_id} writes it again." for name in names]
        or "Noted.",
    )


def deliver_run(
    session: Session,
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="E", help="Only to this endpoint.")] = None,
) -> int:
    """Deliver what is released and due, to every endpoint or one; probe first what is in doubt."""
    session.app.operator.require("deliver", "delivering")
    store.settle_outbox(session.app)
    sent: dict[str, int] = {}

    with session.progress("delivering") as progress:

        def note(name: str, done: int, total: int) -> None:
            sent[name] = done
            progress(done, total)

        results = delivering.deliver(session.app, endpoint=endpoint, render=renderer(session.app), progress=note)
    copies.put_away(session.app)
    windows = by_file(session.app)
    rows = [
        (r.delivery_id, r.name, r.endpoint, r.state, r.bytes, r.attempts, r.detail if r.state not in GOOD else None,
         windows.get(r.outbound_id))
        for r in results
    ]  # fmt: skip
    session.show_rows(
        ("id", "name", "endpoint", "state", "bytes", "attempts", "detail", "window"),
        rows,
        empty="Nothing is due for delivery.",
    )
    return DONE if all(r.state in GOOD for r in results) else WITH_REJECTS


GOOD = (DeliveryState.DELIVERED, DeliveryState.ACKNOWLEDGED)


def deliver_list(session: Session) -> None:
    """Every delivery and where it stands."""
    from gateway.delivery import queue

    windows = by_file(session.app)
    with session.app.db.read() as connection:
        rows = [
            (
                d.delivery_id,
                d.outbound_id,
                d.remote_name,
                d.endpoint,
                d.state,
                d.attempts,
                d.next_attempt_at,
                d.last_error,
                windows.get(d.outbound_id),
            )
            for d in queue.listing(connection)
        ]
    session.show_rows(
        ("id", "outbound", "name", "endpoint", "state", "attempts", "next_attempt_at", "last_error", "window"),
        rows, empty="No delivery yet.",
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


def deliver_again(session: Session, delivery_id: DeliveryId, reason: Reason) -> None:
    """Try a delivery again that was proved not delivered and given up."""
    with session.app.db.write() as connection:
        settle.requeue(connection, delivery_id, reason=reason, operator=session.app.operator, at=session.app.now())
    session.show({"id": delivery_id}, f"Delivery {delivery_id} is due again: gateway deliver")


def deliver_acknowledge(
    session: Session,
    outbound_id: FileId,
    reference: Annotated[str, typer.Option("--reference", help="The receiver's own reference.")],
) -> None:
    """Note that the receiver confirmed a file; this ends every doubt about it."""
    session.app.operator.require("deliver", "acknowledging")
    with session.app.db.write() as connection:
        d = settle.acknowledge(connection, outbound_id, reference=reference, at=session.app.now())
    copies.put_away(session.app)
    session.show({"id": d.delivery_id, "state": d.state}, f"{d.remote_name} is {d.state}.")


def endpoint_probe_command(
    session: Session, name: Annotated[str, typer.Argument(metavar="E", help="A name below [endpoints].")]
) -> int:
    """Try an endpoint for real: host key, login, directory, write, rename, read back, remove; say what it can do."""
    steps = endpoint_probe.probe_endpoint(session.app, name)
    session.show_rows(("step", "ok", "detail"), [(s.name, "yes" if s.ok else "NO", s.detail) for s in steps])
    return DONE if all(s.ok for s in steps) else WITH_REJECTS
