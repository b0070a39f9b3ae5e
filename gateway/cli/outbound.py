"""Commands about files that leave: outbound list/show/build/approve/reject/recall/export/taken."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli import outbound_page
from gateway.cli.common import (
    DONE,
    WITH_REJECTS,
    PortfolioOption,
    Reason,
    Session,
    command,
    iso,
    one_of,
    portfolio_number,
)
from gateway.cli.written import counted
from gateway.console.windows import by_file, with_windows
from gateway.delivery import reads
from gateway.errors import UsageError
from gateway.money import from_cents, shown, to_cents
from gateway.outbound import kept_reports
from gateway.outbound.built import Built
from gateway.outbound.states import KINDS, SEALED_KINDS, OutboundState
from gateway.release import build as building
from gateway.release import copies, recall, release

OutboundId = Annotated[int, typer.Argument(metavar="ID", help="The number `gateway outbound list` shows.")]


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
    command(outbound, "recall", example='gateway outbound recall 3 --reason "the vendor rang: wrong account"')(
        outbound_recall
    )
    command(outbound, "build", example="gateway outbound build vach --portfolio 1")(outbound_build)
    command(outbound, "export", example='gateway outbound export 3 /mnt/safe/copy.dat --reason "the bank asks for it"')(
        outbound_export
    )
    command(outbound, "taken", example='gateway outbound taken 4 --reason "loaded into the accounting system"')(
        outbound_taken
    )
    app.add_typer(outbound, name="outbound")


def outbound_list(
    session: Session,
    portfolio: PortfolioOption = None,
    state: Annotated[str | None, typer.Option("--state", help="BUILT, APPROVED, REJECTED or LOCAL.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="VACH-BANK, VACH-SCRATCH, VACH-REFUSED-NOC, DSGL or XSELLERATOR.")
    ] = None,
) -> None:
    """Files that were built, oldest first."""
    kind = one_of(kind, KINDS, what="outbound list --kind")
    state = one_of(state, OutboundState, what="outbound list --state")
    rows = release.listing(session.app, portfolio=portfolio, state=state, kind=kind)
    columns: list[str] = [*release.LIST_COLUMNS, "window"]
    windows = by_file(session.app)
    rows = [(*row, windows.get(row[0])) for row in rows]
    if not session.as_json:
        at = columns.index("sha256")
        rows = [(*row[:at], row[at][:12], *row[at + 1 :]) for row in rows]
        if not windows:  # an empty column would only push the others down
            columns, rows = columns[:-1], [row[:-1] for row in rows]
    session.show_rows(
        columns,
        rows,
        money=release.MONEY_COLUMNS,
        empty="Nothing found." if portfolio or state or kind else "No outbound file yet.",
    )


def outbound_show(session: Session, outbound_id: OutboundId) -> None:
    """One file before it leaves: totals, hash, why it waits, who made and released it, its delivery."""
    found = _with_window(session, release.show(session.app, outbound_id))
    session.show(outbound_page.document(found), outbound_page.page(found, session.when))


def _with_window(session: Session, found: dict[str, Any]) -> dict[str, Any]:
    """What was found, with the next window of its endpoint while the file has not left, and the one it missed."""
    with session.app.db.read() as connection:
        (row,) = with_windows([found | {"delivery": (found["delivery"] or {}).get("state")}], session.app, connection)
    return found | {key: row[key] for key in ("window", "window_near", "window_missed", "window_outcome", "late")}


def outbound_approve(
    session: Session,
    outbound_id: OutboundId,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="The hash you looked at, at least 8 characters; asked for otherwise.")
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept", metavar="RULE", help="A rule that holds the file; give each one, or several with commas."
        ),
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
        session.show({}, outbound_page.page(found, session.when))
        if not typer.confirm("Release it?"):
            raise UsageError(f"approving outbound file {outbound_id}: you said no; nothing was done")
        sha256 = found["sha256"]
    whole = (
        found["sha256"] if len(sha256) >= release.SHORTEST and found["sha256"].startswith(sha256.lower()) else sha256
    )
    done = release.approve(session.app, outbound_id, sha256=whole, accept=_rules(accept), reason=reason)
    session.show(
        {"released": [{"id": r.outbound_id, "name": r.name, "state": r.state} for r in done]},
        [
            f"Released {r.name}. " + (_leaving(session, r) if r.state == "APPROVED" else _by_hand(session, r))
            for r in done
        ],
    )


def _leaving(session: Session, released: release.Released) -> str:
    """After a restore a file may have left, or waits for a person: then why, with what to do."""
    with session.app.db.read() as connection:
        (delivery,) = reads.of_files(connection, [released.outbound_id])
    if delivery.next_attempt_at is None:
        return f"It does not leave by itself: {delivery.last_error}"
    return "It leaves with the next `gateway deliver`."


def _rules(given: list[str] | None) -> list[str]:
    """Each ``--accept`` may name several: ``--accept first-payment,velocity``."""
    return [name for text in given or () for rule in text.split(",") if (name := rule.strip().lower())]


def _by_hand(session: Session, file: release.Released) -> str:
    say_so = (
        f" Then say so, and its copy is put away: gateway outbound taken {file.outbound_id} --reason …"
        if file.kind in SEALED_KINDS
        else ""
    )
    if release.show(session.app, file.outbound_id)["message"]:
        return (
            "It has no endpoint, and its bank wants an OpenPGP message: "
            f"gateway outbound export {file.outbound_id} FILE --message --reason …{say_so}"
        )
    return f"It has no endpoint: fetch it from outbox/{file.name}.{say_so}"


def outbound_reject(session: Session, outbound_id: OutboundId, reason: Reason) -> None:
    """Take a waiting file back; what went into it is free again."""
    done = release.reject(session.app, outbound_id, reason=reason)
    session.show(
        {"rejected": [_withdrawn(r) for r in done]},
        [f"Took back {r.name}; {_freed(r)}" for r in done],
    )


def _withdrawn(file: release.Released) -> dict[str, Any]:
    return {"id": file.outbound_id, "name": file.name, "build_again": file.build_again}


def _freed(file: release.Released) -> str:
    if file.build_again is None:
        return "its rows are free again."
    return f"U0422 zeroed its figures, so that no other file has them: {file.build_again}"


def outbound_recall(session: Session, outbound_id: OutboundId, reason: Reason) -> int:
    """Call a released file back that was not sent, or that the bank refused: what went into it is free again. The state of
    its delivery decides; what left, or may have left, is not called back unless the bank said that it will not pay it."""
    done = recall.recall(session.app, outbound_id, reason=reason)
    session.show(
        {"recalled": [_withdrawn(r) for r in done.files], "gone": list(done.gone),
         "machines": list(done.machines)},
        [
            *(f"Called back {r.name}; it does not leave, and {_freed(r)}" for r in done.files),
            *(f"{name} had left before: tell who reads it that it does not count." for name in done.gone),
            *(f"A copy lies in the outbox of {there}: nobody may fetch it; its service takes it away." for there in done.machines),
        ],
    )  # fmt: skip
    return WITH_REJECTS if done.gone else DONE


def outbound_build(
    session: Session,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="vach, vach-reversal, dsgl or xsellerator.")],
    portfolio: Annotated[
        str | None,
        typer.Option(
            "--portfolio", metavar="N", help="The portfolio; vach-reversal: else the file's.", parser=portfolio_number
        ),
    ] = None,
    interface: Annotated[str | None, typer.Option("--interface", help="Xsellerator: BILLING, PAYMENTS, …")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="Xsellerator: first date.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Xsellerator: last date.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Export or transfer again what was exported before.")] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why again, why after, or why a file is taken back or built again.")
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(
            "--after",
            metavar="ID",
            help="General Ledger, Xsellerator: only what was posted since this file, which was used.",
        ),
    ] = None,
    of: Annotated[
        int | None,
        typer.Option(
            "--of", metavar="ID", help="The bank file to take back; General Ledger: the withdrawn file to build again."
        ),
    ] = None,
    same_day: Annotated[bool, typer.Option("--same-day", help="Vendor ACH: what is due today settles today.")] = False,
) -> int:
    """Build files for the open business date: Vendor ACH, General Ledger scratch file, or Xsellerator interface.

    `vach-reversal --of ID` voids all that a bank file paid and takes it back, within five banking days. `dsgl --of ID` builds
    a file again that was rejected or called back after U0422 had zeroed its figures.
    """
    given = {
        "--interface": interface, "--from": iso(start, what="--from"), "--to": iso(end, what="--to"), "--again": again,
        "--after": after, "--reason": reason, "--of": of, "--same-day": same_day,
    }  # fmt: skip
    options = _options(kind.lower(), {flag: value for flag, value in given.items() if value not in (None, False)})
    portfolio = portfolio or _portfolio(session, kind.lower(), of)
    with session.progress("building"):
        built = building.build(session.app, kind.upper(), portfolio, **options)
    path, withheld = _withheld(session, built, portfolio)
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
            "exceptions": withheld,
            "exception_report": None if path is None else str(path),
        },
        [
            *(f"Built {f.name} (#{f.outbound_id}): {counted(f.records, 'record')}, debits {shown(f.total_debit_cents)}, "
              f"credits {shown(f.total_credit_cents)}; {f.state}" for f in built.files),
            *([] if built.files else ["Nothing to send; no file was built."]),
            *built.messages,
            *(f"Withheld: check {w['check']} of {w['vendor']}, {shown(to_cents(w['amount']))}: {w['code']}, {w['reason']}"
              for w in withheld[:_SHOWN]),
            *([f"{built.withheld} withheld; all of them in {path}"] if path is not None else []),
        ],
    )  # fmt: skip
    return WITH_REJECTS if built.withheld else DONE


_TAKES: Final[Mapping[str, Mapping[str, str]]] = {
    "vach": {"--same-day": "same_day"},
    "vach-reversal": {"--of": "of", "--reason": "reason"},
    "dsgl": {"--again": "again", "--after": "after", "--of": "of", "--reason": "reason"},
    "xsellerator": {
        "--interface": "interface",
        "--from": "start",
        "--to": "end",
        "--again": "again",
        "--after": "after",
        "--reason": "reason",
    },
}
"""What is built when a person asks, and what each is told; a refused notification of change is by `gateway answers
refuse`."""
_NEEDED: Final = {
    "vach-reversal": (
        ("--of", "the number of the bank file to take back; see gateway outbound list"),
        ("--reason", "one; say why the file is taken back"),
    ),
    "xsellerator": (("--interface", "one such as BILLING"),),
}
_SHOWN = 5
"""Withheld checks named on the terminal; the report has all."""


def _options(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed as options of the builder. Raises UsageError for an unknown kind, and for an option that the kind does
    not take or lacks: none is left out without a word."""
    if kind not in _TAKES:
        raise UsageError(f"building {kind}: found no such kind, expected one of {', '.join(_TAKES)}")
    takes = _TAKES[kind]
    if wrong := [flag for flag in given if flag not in takes]:
        raise UsageError(
            f"building {kind}: found {' '.join(wrong)}, expected only {' '.join(takes)} with it; leave it out"
        )
    for flag, expected in _NEEDED.get(kind, ()):
        if flag not in given:
            raise UsageError(f"building {kind}: found no {flag}, expected {expected}")
    decided = [flag for flag in ("--again", "--after", "--of") if flag in given]
    if kind in ("dsgl", "xsellerator") and len(decided) > 1:
        twice = "counts today twice" if kind == "dsgl" else "sends all of it once more"
        raise UsageError(f"building {kind}: found {' and '.join(decided)}, expected one of them; --again {twice}")
    if kind in ("dsgl", "xsellerator") and "--reason" in given and not decided:
        either = f"{'--again, --after or --of' if kind == 'dsgl' else '--again or --after'}, expected one of them"
        raise UsageError(f"building {kind}: found --reason without {either} with it")
    options = {takes[flag]: value for flag, value in given.items()}
    options |= {name: date.fromisoformat(options[name]) for name in ("start", "end") if name in options}
    return options | ({"interface": options["interface"].upper()} if "interface" in options else {})


def _portfolio(session: Session, kind: str, of: int | None) -> str:
    """Of the file that is taken back; to be typed for anything else."""
    if of is None:
        raise UsageError(f"building {kind}: found no --portfolio, expected the portfolio whose files are built")
    return release.portfolio_of(session.app, of)


def _withheld(session: Session, built: Built, portfolio: str) -> tuple[Path | None, list[dict[str, str]]]:
    """Where the exception report of a build lies, and its rows; money as text."""
    named = built.exceptions
    if named is None:
        return None, []
    first = built.files[0].outbound_id if built.files else None
    folder = kept_reports.folder_of(session.app, named.report.business_date, portfolio, first)
    keys = [column.key for column in named.report.spec.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in named.report.rows]
    return folder / f"{named.stem}.rpt", [
        {"check": str(row["check"]), "vendor": str(row["vendor"]), "amount": from_cents(row["amount"]),
         "code": row["code"], "reason": row["reason"]}
        for row in rows
    ]  # fmt: skip


def outbound_export(
    session: Session,
    outbound_id: OutboundId,
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


def outbound_taken(session: Session, outbound_id: OutboundId, reason: Reason) -> None:
    """Note that a file without an endpoint was fetched from the outbox; what holds account numbers is put away. Of a bank file
    that was rejected or called back: that the bank has it all the same, so that nothing of it is paid again."""
    done = copies.taken(session.app, outbound_id, reason=reason)
    session.show(
        {"id": outbound_id, "put_away": done.put_away,
         "waiting": [{"id": one.outbound_id, "name": one.name, "state": one.state} for one in done.waiting],
         "machine": done.machine, "had_left": done.had_left, "answers": [one._asdict() for one in done.answers]},
        [
            "It counts as sent from now on: nothing of it is paid again." if done.had_left else "Noted.",
            *(f"What {one.name} (#{one.file_id}) says of it waits. To take that in, give the file once more (gateway files export "
              f"{one.file_id} {one.path} --reason …), and let it pass (gateway files release FILE --reason WHY)." for one in done.answers),
            *(f"outbox/{name} is put away; gateway outbound export {outbound_id} PATH --reason WHY writes it again." for name in done.put_away),
            *([f"Its copy lies in the outbox of {done.machine}, whose service puts it away."] if done.machine else []),
            *(f"{one.name} (#{one.outbound_id}), which goes with it, {_waits(one)}" for one in done.waiting),
        ],
    )  # fmt: skip


def _waits(scratch: release.File) -> str:
    if scratch.state == OutboundState.BUILT:
        return f"waits for a release of its own: gateway outbound show {scratch.outbound_id}"
    return (
        "still lies in outbox/, with account numbers: when it is fetched too, gateway outbound taken "
        f"{scratch.outbound_id} --reason …"
    )
