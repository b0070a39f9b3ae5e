"""Commands about files that came: files list/show/release/discard/repair/reverse/export.

Looking is asked for all day long, so that what posts and undoes is brought along only by the commands that do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from sqlalchemy import Connection, text

from gateway.answers.names import KINDS as BANK_KINDS
from gateway.cli import preloaded
from gateway.cli.common import (
    DONE,
    WITH_REJECTS,
    FileId,
    PortfolioOption,
    Reason,
    Session,
    command,
    money_as_text,
    one_of,
    table,
)
from gateway.cli.written import counted
from gateway.errors import UsageError
from gateway.intake.files import InboundFile, file_row, left_in_suspense
from gateway.intake.registry import MODULES
from gateway.intake.states import FileState
from gateway.ledger.trace_repairs import repair_line, repairs
from gateway.money import from_cents, shown
from gateway.sealed_files import is_sealed
from gateway.updates.assess_staged import CORRECTED
from parsers.base import render_message

SEVERITY: Final = {"R": "REJECTED", "W": "WARNING", "S": "SUSPENSE", "A": "WOULD BE"}  # A: an answer of a bank, tried


def register(app: typer.Typer) -> None:
    files = typer.Typer(no_args_is_help=True, help="Inbound files: look, release, repair, undo.")
    command(files, "list", example="gateway files list --state HELD")(files_list)
    command(files, "show", example="gateway files show 3")(files_show)
    command(files, "release", example='gateway files release 3 --reason "sender confirmed"')(files_release)
    command(files, "discard", example='gateway files discard 3 --reason "sent twice by mistake"')(files_discard)
    command(files, "repair", example="gateway files repair 3 --line 8 --text '<lease>1006<assmt>LTCH<amount>2500' "
            '--reason "decimal point"')(files_repair)  # fmt: skip
    command(files, "reverse", example='gateway files reverse 3 --reason "wrong month"')(files_reverse)
    command(files, "export", example='gateway files export 3 /safe/returns.ach --reason "the bank asks for it"')(
        files_export
    )
    preloaded.register(files)
    app.add_typer(files, name="files")


_FILE_KEYS = (
    "id", "name", "kind", "portfolio", "sha256", "state", "lines", "records", "rejects", "blank", "amount",
    "posted_amount", "rejected_amount", "suspended_amount", "held_amount",
)  # fmt: skip


def file_document(file: InboundFile) -> dict[str, Any]:
    money = {
        "amount": file.amount_cents, "posted_amount": file.posted_cents, "rejected_amount": file.rejected_cents,
        "suspended_amount": file.suspended_cents, "held_amount": file.held_cents,
    }  # fmt: skip
    return {
        "id": file.file_id, "name": file.name, "kind": file.kind, "portfolio": file.portfolio, "sha256": file.sha256,
        "state": file.state, "lines": file.lines, "records": file.records, "rejects": file.rejects, "blank": file.blank,
        **{k: None if v is None else from_cents(v) for k, v in money.items()},
        "hold_code": file.hold_code, "hold_text": file.hold_text,
    }  # fmt: skip


def left_by(session: Session, files: Sequence[InboundFile]) -> dict[int, int]:
    """Cents by file that count as posted and wait in suspense all the same."""
    with session.app.db.read() as connection:
        return left_in_suspense(connection, files)


def processed_document(file: InboundFile, left: Mapping[int, int]) -> dict[str, Any]:
    return file_document(file) | {"left_in_suspense": from_cents(left.get(file.file_id, 0))}


def not_reported_document(files: Mapping[int, str]) -> dict[str, Any]:
    """Files whose reports could not be written, by number, and why."""
    return {"not_reported": [{"id": file_id, "why": why} for file_id, why in files.items()]}


def not_reported_page(files: Mapping[int, str]) -> Iterator[str]:
    for file_id, why in files.items():
        yield (
            f"NOT REPORTED #{file_id}: {why}: its reports and rejected lines are not all written. What posted stands; mend the "
            "cause, and the next gateway process writes them."
        )


def processed(files: Sequence[InboundFile], left: Mapping[int, int]) -> Iterator[str]:
    """Files that were taken, one by one and together; ``left`` is what ``left_by`` found."""
    if not files:
        yield "Nothing to process."
        return
    heads = ("id", "name", "state", "lines", "records", "rejects", "amount", "posted", "suspended", "rejected")
    rows = [
        (f.file_id, f.name, f.state, f.lines, f.records, f.rejects, f.amount_cents, f.posted_cents,
         f.suspended_cents, f.rejected_cents)
        for f in files
    ]  # fmt: skip
    yield from table(heads, rows, money=("amount", "posted", "suspended", "rejected"))
    for f in files:
        if f.hold_text:
            yield f"{f.state} {f.name} (#{f.file_id}): {f.hold_text}"
        elif f.rejects and f.kind in BANK_KINDS:
            yield f"{f.name}: see what waits for a person: gateway answers list --file {f.file_id} --state UNMATCHED"
        elif f.rejects or f.suspended_cents:
            yield f"{f.name}: see what was refused or suspended and why: gateway files show {f.file_id}"
        elif f.file_id in left:
            yield f"{f.name}: see what it left in suspense (U0470A): gateway files show {f.file_id}"
    suspended = sum(f.suspended_cents or 0 for f in files) + sum(left.values())
    if suspended:
        yield f"{shown(suspended)} waits in suspense for a person: gateway suspense list"


def _known(connection: Connection, file_id: int) -> InboundFile:
    found = connection.execute(text("SELECT 1 FROM inbound_file WHERE file_id = :id"), {"id": file_id}).scalar()
    if found is None:
        raise UsageError(f"file {file_id}: found none of that number, expected one of `gateway files list`")
    return file_row(connection, file_id)


def _require(session: Session, file_id: int) -> None:
    with session.app.db.read() as connection:
        _known(connection, file_id)


def files_list(
    session: Session,
    portfolio: PortfolioOption = None,
    state: Annotated[str | None, typer.Option("--state", help="POSTED, HELD, WAITING, REJECTED, …")] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="assessments, escrow, payments, reversals, bank-answers or bank-acknowledgement."),
    ] = None,
) -> None:
    """Files that came, oldest first."""
    kind = one_of(kind, (*MODULES, *BANK_KINDS), what="files list --kind")
    state = one_of(state, FileState, what="files list --state")
    where, values = _where({"portfolio": portfolio, "state": state, "kind": kind})
    with session.app.db.read() as connection:
        found = connection.execute(
            text(
                "SELECT file_id, name, kind, portfolio, sha256, state, lines, records, rejects, blank, amount_cents, "
                f"posted_cents, rejected_cents, suspended_cents, held_cents FROM inbound_file{where} ORDER BY file_id"
            ),
            values,
        ).all()
    rows: Iterable[Any] = found
    if not session.as_json:
        rows = [(*r[:4], r[4][:12], *r[5:]) for r in found]
    money = tuple(k for k in _FILE_KEYS if k == "amount" or k.endswith("_amount"))
    session.show_rows(
        _FILE_KEYS, rows, money=money, empty="Nothing found." if values else "No file yet. Drop one into inbox/."
    )


def _where(given: dict[str, str | None]) -> tuple[str, dict[str, str]]:
    values = {k: v for k, v in given.items() if v is not None}
    return (" WHERE " + " AND ".join(f"{k} = :{k}" for k in values) if values else ""), values


def files_show(
    session: Session,
    file_id: FileId,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many messages.")] = 100,
) -> None:
    """One file: what became of every line, each message with what to do, and where its reports are."""
    with session.app.db.read() as connection:
        file = _known(connection, file_id)
        messages = [
            dict(row)
            for row in connection.execute(
                text(
                    "SELECT line_no AS line, severity, code, field, col AS column_no, found, expected, action, amount_cents, "
                    "suspense_item FROM line_message WHERE file_id = :id ORDER BY line_no, seq LIMIT :limit"
                ),
                {"id": file_id, "limit": limit + 1},
            ).mappings()
        ]
        corrected = connection.execute(
            text("SELECT COUNT(DISTINCT line_no) FROM line_message WHERE file_id = :id AND code = :code"),
            {"id": file_id, "code": CORRECTED},
        ).scalar_one()
        units = [
            dict(row)
            for row in connection.execute(
                text(
                    "SELECT unit_id AS unit, portfolio, update_name, entries, amount_cents, digest FROM posting_unit "
                    "WHERE file_id = :id ORDER BY unit_id"
                ),
                {"id": file_id},
            ).mappings()
        ]
        repaired = repairs(connection, file_id)
    more = len(messages) > limit
    messages = messages[:limit]
    for m in messages:
        m["message"] = render_message(m.pop("found"), m.pop("expected"), m.pop("action"))
    reports = [str(p) for p in sorted(file.reports(session.app.home).glob("*")) if p.is_file()]
    session.show(
        file_document(file)
        | {
            "claimed_at": file.claimed_at, "posted_at": file.posted_at, "business_date": file.business_date,
            "operator": file.operator, "owner": file.owner, "release": file.release, "messages": [money_as_text(m) for m in messages],
            "corrected_lines": corrected, "original": file.archive_name, "more_messages": more, "units": [money_as_text(u) for u in units], "reports": reports,
            "repairs": repaired,
        },
        _file_page(session, file, messages, units, reports, more, corrected, repaired),
    )  # fmt: skip


def line_counts(file: InboundFile) -> str:
    """``3 = 2 records + 1 reject + 0 blank``, of a file that was read."""
    parts = (counted(file.records or 0, "record"), counted(file.rejects or 0, "reject"), f"{file.blank:,} blank")
    return f"{file.lines:,} = {' + '.join(parts)}"


def _file_page(
    session: Session, file: InboundFile, messages: list[dict[str, Any]], units: list[dict[str, Any]],
    reports: list[str], more: bool, corrected: int, repaired: list[dict[str, Any]],
) -> Iterator[str]:  # fmt: skip
    yield f"{file.name}  (#{file.file_id}, {file.kind}, portfolio {file.portfolio or _of_each(file)})"
    yield f"  state     {file.state}" + (f": {file.hold_text}" if file.hold_text else "")
    if file.lines is not None:
        yield f"  lines     {line_counts(file)}"
    money = (("received", file.amount_cents), ("posted", file.posted_cents), ("suspended", file.suspended_cents),
             ("rejected", file.rejected_cents), ("held", file.held_cents))  # fmt: skip
    yield from (f"  {name:<9} {shown(cents)}" for name, cents in money if cents is not None)
    if corrected:
        yield f"  corrected before posting: {counted(corrected, 'line')}; received is what the file says with that"
    yield from map(repair_line, repaired)
    if file.unreadable:
        yield f"  rejected lines whose amount cannot be read: {file.unreadable}"
    yield f"  claimed   {session.when(file.claimed_at)}" + (
        f", posted {session.when(file.posted_at)} on business date {file.business_date}" if file.posted_at else ""
    )
    if file.state == FileState.QUARANTINED:
        yield f"  its bytes lie in {session.app.home.quarantine}; when it is seen to: gateway files discard {file.file_id} --reason WHY"
    yield f"  sha256    {file.sha256}"
    if is_sealed(file.archived(session.app.home)):
        yield f"  original  encrypted; gateway files export {file.file_id} TARGET --reason WHY writes it as received"
    for u in units:
        yield f"  unit      {u['unit']} {u['update_name']}: {counted(u['entries'], 'entry', 'entries')}, {shown(u['amount_cents'])}"
    if file.kind in BANK_KINDS and file.lines:
        yield f"  what was done about each: gateway answers list --file {file.file_id}"
    if messages:
        yield ""
    for m in messages:
        item = f" (suspense item {m['suspense_item']})" if m["suspense_item"] else ""
        yield f"  line {m['line']}: {SEVERITY[m['severity']]} {m['code']}{item}: {m['message']}"
    if more:
        yield "  … there are more; --limit N shows them, and the A report has them all."
    if reports:
        yield ""
        alone = file.rejects and file.kind not in BANK_KINDS
        yield "Reports" + (", and the rejected lines to correct and drop alone:" if alone else ":")
        yield from (f"  {p}" for p in reports)


def _of_each(file: InboundFile) -> str:
    """Whose portfolio counts where the name tells none."""
    return "of each entry" if file.kind in BANK_KINDS else "of each lease"


def files_release(
    session: Session,
    file_id: FileId,
    reason: Reason,
    how: Annotated[
        Literal["all", "new-lines"],
        typer.Option("--lines", help="All lines, or only those that are new (overlap); that, once said, stays."),
    ] = "all",
) -> int:
    """Let a held or failed file go on; an overlap with all its lines or only the new ones."""
    from gateway.intake import actions

    _require(session, file_id)
    actions.release(session.app, file_id, how=how, reason=reason)
    return _post_now(session, file_id)


def _post_now(session: Session, file_id: int) -> int:
    """Post what waits, and show this one file. A running service may have been quicker; that is as good."""
    from gateway.intake.processing import ProcessedFile
    from gateway.intake.service import Intake

    with closing(Intake(session.app)) as intake:
        intake.process_now([])
        not_reported = dict(sorted(intake.not_reported.items()))
    with session.app.db.read() as connection:
        file = file_row(connection, file_id)
    left = left_by(session, [file])
    session.show(
        processed_document(file, left) | not_reported_document(not_reported),
        [*processed([file], left), *not_reported_page(not_reported)],
    )
    return DONE if ProcessedFile(file).clean and not not_reported else WITH_REJECTS


def files_discard(session: Session, file_id: FileId, reason: Reason) -> None:
    """Say no to a held, waiting, staged or failed file: it never posts. Its original bytes stay in the archive. A file in
    quarantine leaves the list of what wants a person."""
    from gateway.intake import actions

    _require(session, file_id)
    file = actions.discard(session.app, file_id, reason=reason)
    session.show(file_document(file), f"{file.name} (#{file_id}) is discarded; nothing of it was posted.")


def files_repair(
    session: Session,
    file_id: FileId,
    line: Annotated[int, typer.Option("--line", min=1, help="The rejected line.")],
    new_text: Annotated[str, typer.Option("--text", help="The line as it should be.")],
    reason: Reason,
) -> int:
    """Correct one rejected line: it comes in as a small file of its own that names where it came from."""
    from gateway.intake import actions

    _require(session, file_id)
    made = actions.repair(session.app, file_id, {line: new_text}, reason=reason)
    return _post_now(session, made.file_id)


def files_reverse(session: Session, file_id: FileId, reason: Reason) -> None:
    """Undo a wrong posted file whole, by mirror entries; refused when its money has moved on."""
    from gateway.intake import actions

    _require(session, file_id)
    file = actions.reverse(session.app, file_id, reason=reason)
    session.show(file_document(file), f"Undid {file.name} (#{file_id}) whole, by mirror entries.")


def files_export(
    session: Session, file_id: FileId, target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new file.")],
    reason: Reason,
) -> None:  # fmt: skip
    """Write a file's bytes as they were received, of one that is kept encrypted too. The record says who and why."""
    from gateway.intake import actions

    _require(session, file_id)
    size = actions.export(session.app, file_id, target, reason=reason)
    session.show(
        {"file": file_id, "target": str(target), "bytes": size},
        f"Wrote {size:,} bytes to {target} (0600). It may hold account numbers: remove it when it has been used.",
    )
