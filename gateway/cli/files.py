"""Commands about files that come: process, check, files list/show/release/discard/repair/reverse, explain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from sqlalchemy import Connection, text

from gateway.cli.common import DONE, WITH_REJECTS, PortfolioOption, Session, command, table
from gateway.cli.moves import moves_document, moves_page, open_document
from gateway.cli.status import money_as_text
from gateway.console.inbox import Left, left_in_place
from gateway.errors import UsageError
from gateway.intake import actions, checking
from gateway.intake.artifacts import folder_of
from gateway.intake.files import InboundFile, file_row
from gateway.intake.processing import ProcessedFile
from gateway.intake.service import Intake
from gateway.money import from_cents, shown
from parsers.base import render_message
from parsers.explain import Explanation
from parsers.explain import explain as explain_file

FileId = Annotated[int, typer.Argument(metavar="ID", help="The number `gateway files list` shows.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with your code.")]


def register(app: typer.Typer) -> None:
    command(app, "process", example="gateway process")(process)
    command(app, "check", example="gateway check p1_btchassmt.dat")(check)
    command(app, "explain", example="gateway explain outbox/P01-VACH-BANK-260303.DAT")(explain)
    files = typer.Typer(no_args_is_help=True, help="Inbound files: look, release, repair, undo.")
    command(files, "list", example="gateway files list --state HELD")(files_list)
    command(files, "show", example="gateway files show 3")(files_show)
    command(files, "release", example='gateway files release 3 --reason "sender confirmed"')(files_release)
    command(files, "discard", example='gateway files discard 3 --reason "sent twice by mistake"')(files_discard)
    command(files, "repair", example="gateway files repair 3 --line 8 --text '<lease>1006<assmt>LTCH<amount>2500' "
            '--reason "decimal point"')(files_repair)  # fmt: skip
    command(files, "reverse", example='gateway files reverse 3 --reason "wrong month"')(files_reverse)
    app.add_typer(files, name="files")


def process(
    session: Session,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="These files; the inbox otherwise.")
    ] = None,
) -> int:
    """Take what is in the inbox (or these files) now, post it, report it, and end."""
    session.app.operator.require("post", "processing files")
    for path in paths or ():
        if not path.exists():
            raise UsageError(f"process {path}: found no such file; see the name, or leave it out to take the inbox")
    with session.progress("processing") as progress, closing(Intake(session.app)) as intake:
        done = intake.process_now(paths or None, progress=lambda _name, read, size: progress(read, size))
    rows = [p.file for p in done]
    left = [] if paths else left_in_place(session.app)
    document = {"rows": [_file_document(f) for f in rows], "left": [asdict(x) for x in left]}
    session.show(document, [*_processed(rows), *_left(left)])
    return DONE if all(p.clean for p in done) and not any(x.wants_person for x in left) else WITH_REJECTS


def _left(left: list[Left]) -> Iterator[str]:
    for x in left:
        yield f"LEFT IN {x.source}, {x.name}: {x.message}"


_FILE_KEYS = (
    "id", "name", "kind", "portfolio", "sha256", "state", "lines", "records", "rejects", "blank", "amount",
    "posted_amount", "rejected_amount", "suspended_amount", "held_amount",
)  # fmt: skip


def _file_document(file: InboundFile) -> dict[str, Any]:
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


def _processed(files: list[InboundFile]) -> Iterator[str]:
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
        elif f.rejects or f.suspended_cents:
            yield f"{f.name}: see what was refused or suspended and why: gateway files show {f.file_id}"


def check(
    session: Session,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to try, wherever they lie.")],
) -> int:
    """Try files without effect: rejects, what would post, and the difference to the last file of the kind; of reversals
    every batch that would be reversed and re-applied, and what would be left open. A bank or scratch file is read and
    validated."""
    documents: list[dict[str, Any]] = []
    lines: list[str] = []
    clean = True
    for path in paths:
        if not path.is_file():
            raise UsageError(f"check {path}: found no such file, expected a file to read")
        with session.progress(f"checking {path.name}"):
            result = checking.check(session.app, path)
        clean = clean and not result.holds and not result.file.rejects
        documents.append(_check_document(result))
        lines += [*_check_page(path, result), ""]
    session.show({"rows": documents}, lines[:-1])
    return DONE if clean else WITH_REJECTS


def _check_document(result: checking.CheckResult) -> dict[str, Any]:
    last = result.last
    return _file_document(result.file) | {
        "id": None,
        "would_hold": [{"code": code, "text": why} for code, why in result.holds],
        "messages": [
            {"line": m.line_no, "severity": m.severity, "code": m.code, "message": m.text,
             "amount": None if m.amount_cents is None else from_cents(m.amount_cents)}
            for m in result.messages
        ],
        "message_count": result.message_count,
        "would_move": moves_document(result.moves),
        "would_move_count": result.move_count,
        "would_leave_open": open_document(result.left_open),
        "last_of_kind": last and {
            "id": last.file_id, "name": last.name, "business_date": last.business_date, "lines": last.lines,
            "amount": from_cents(last.amount_cents), "shared_lines": last.shared_lines,
        },
    }  # fmt: skip


def _check_page(path: Path, result: checking.CheckResult) -> Iterator[str]:
    file = result.file
    yield f"{path.name}: {file.kind}; tried without effect"
    if file.lines is not None:
        yield f"  lines     {file.lines:,} = {file.records:,} records + {file.rejects:,} rejects + {file.blank:,} blank"
    money = (("received", file.amount_cents), ("would post", file.posted_cents), ("suspend", file.suspended_cents),
             ("reject", file.rejected_cents))  # fmt: skip
    yield from (f"  {name:<10} {shown(cents)}" for name, cents in money if cents is not None)
    yield from (f"  WOULD BE HELD, {code}: {why}" for code, why in result.holds)
    if not result.holds and file.hold_text:
        yield f"  {file.state}: {file.hold_text}"
    yield from (f"  line {m.line_no}: {_SEVERITY[m.severity]} {m.code}: {m.text}" for m in result.messages)
    if result.message_count > len(result.messages):
        yield f"  … and {result.message_count - len(result.messages):,} messages more"
    yield from moves_page(result.moves, result.left_open, would=True)
    if result.move_count > len(result.moves):
        yield f"  … and {result.move_count - len(result.moves):,} batches more"
    if result.last is None:
        yield "  It is the first file of its kind."
    else:
        last = result.last
        yield (
            f"  The last of its kind, {last.name} of {last.business_date}, had {last.lines:,} lines and "
            f"{shown(last.amount_cents)}; {last.shared_lines:,} lines are the same."
        )


def explain(
    session: Session,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A NACHA, DSGL, DSPP, Xsellerator or inbound file.")],
    records: Annotated[int, typer.Option("--records", min=1, help="Show at most so many records.")] = 50,
) -> int:
    """Show a file field by field, with everything its reader finds wrong. Account numbers by their last four."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"explain {path}: {error.strerror}; expected a file to read") from error
    found = explain_file(data, path.name, limit=records)
    session.show(
        {
            "kind": found.kind,
            "records": [
                {"line": r.line_no, "record": r.name,
                 "fields": [{"first": f.first, "last": f.last, "name": f.name, "raw": f.raw, "value": f.value,
                             "error": f.error} for f in r.fields]}
                for r in found.records
            ],
            "problems": [{"line": p.line_no, "field": p.field, "code": p.code, "message": p.message} for p in found.problems],
        },
        _explained(path, found, records),
    )  # fmt: skip
    return WITH_REJECTS if found.problems else DONE


def _explained(path: Path, found: Explanation, limit: int) -> Iterator[str]:
    yield f"{path.name}: {found.kind.replace('_', ' ')}"
    for record in found.records:
        yield ""
        yield f"line {record.line_no}: {record.name}" + ("" if record.fields else ", no field of it can be read")
        rows = [
            (f"{f.first}-{f.last}", f.name.removesuffix("_cents"), f.raw, _meaning(f.name, f.raw, f.value))
            for f in record.fields
        ]
        yield from (f"  {line}" for line in list(table(("at", "field", "as written", "means"), rows))[2:])
        yield from (f"  WRONG {f.name}: {f.error}" for f in record.fields if f.error)
    if len(found.records) == limit:
        yield ""
        yield f"The first {limit} records are shown; --records N shows more."
    yield ""
    if found.problems:
        yield f"{len(found.problems)} problem{'s' if len(found.problems) > 1 else ''}:"
        yield from (f"  line {p.line_no} {p.field} {p.code}: {p.message}" for p in found.problems)
    else:
        yield "The reader finds nothing wrong with it."


def _meaning(name: str, raw: str, value: Any) -> str:
    """What the reader makes of a field, where that is not plain to see."""
    if name.endswith("_cents") and isinstance(value, int):
        return shown(value)
    return "" if value is None or str(value) == raw.strip() else str(value)


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
    kind: Annotated[str | None, typer.Option("--kind", help="assessments, escrow, payments or reversals.")] = None,
) -> None:
    """Files that came, oldest first."""
    where, values = _where({"portfolio": portfolio, "state": state and state.upper(), "kind": kind})
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
    session.show_rows(_FILE_KEYS, rows, money=money, empty="No file yet. Drop one into inbox/.")


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
    more = len(messages) > limit
    messages = messages[:limit]
    for m in messages:
        m["message"] = render_message(m.pop("found"), m.pop("expected"), m.pop("action"))
    reports = [str(p) for p in sorted(folder_of(session.app, file).glob("*")) if p.is_file()]
    session.show(
        _file_document(file)
        | {
            "claimed_at": file.claimed_at, "posted_at": file.posted_at, "business_date": file.business_date,
            "operator": file.operator, "release": file.release, "messages": [money_as_text(m) for m in messages],
            "more_messages": more, "units": [money_as_text(u) for u in units], "reports": reports,
        },
        _file_page(session, file, messages, units, reports, more),
    )  # fmt: skip


_SEVERITY = {"R": "REJECTED", "W": "WARNING", "S": "SUSPENSE"}


def _file_page(
    session: Session, file: InboundFile, messages: list[dict[str, Any]], units: list[dict[str, Any]],
    reports: list[str], more: bool,
) -> Iterator[str]:  # fmt: skip
    yield f"{file.name}  (#{file.file_id}, {file.kind}, portfolio {file.portfolio or 'of each lease'})"
    yield f"  state     {file.state}" + (f": {file.hold_text}" if file.hold_text else "")
    if file.lines is not None:
        yield f"  lines     {file.lines:,} = {file.records:,} records + {file.rejects:,} rejects + {file.blank:,} blank"
    money = (("received", file.amount_cents), ("posted", file.posted_cents), ("suspended", file.suspended_cents),
             ("rejected", file.rejected_cents), ("held", file.held_cents))  # fmt: skip
    yield from (f"  {name:<9} {shown(cents)}" for name, cents in money if cents is not None)
    if file.unreadable:
        yield f"  rejected lines whose amount cannot be read: {file.unreadable}"
    yield f"  claimed   {file.claimed_at}" + (
        f", posted {file.posted_at} on {file.business_date}" if file.posted_at else ""
    )
    yield f"  sha256    {file.sha256}"
    for u in units:
        yield f"  unit      {u['unit']} {u['update_name']}: {u['entries']:,} entries, {shown(u['amount_cents'])}"
    if messages:
        yield ""
    for m in messages:
        item = f" (suspense item {m['suspense_item']})" if m["suspense_item"] else ""
        yield f"  line {m['line']}: {_SEVERITY[m['severity']]} {m['code']}{item}: {m['message']}"
    if more:
        yield "  … there are more; --limit N shows them, and the A report has them all."
    if reports:
        yield ""
        yield "Reports" + (", and the rejected lines to correct and drop alone:" if file.rejects else ":")
        yield from (f"  {p}" for p in reports)


def files_release(
    session: Session,
    file_id: FileId,
    reason: Reason,
    how: Annotated[
        Literal["all", "new-lines"], typer.Option("--lines", help="All lines, or only those that are new (overlap).")
    ] = "all",
) -> int:
    """Let a held or failed file go on; an overlap with all its lines or only the new ones."""
    _require(session, file_id)
    actions.release(session.app, file_id, how=how, reason=reason)
    return _post_now(session, file_id)


def _post_now(session: Session, file_id: int) -> int:
    """Post what waits, and show this one file. A running service may have been quicker; that is as good."""
    with closing(Intake(session.app)) as intake:
        intake.process_now([])
    with session.app.db.read() as connection:
        file = file_row(connection, file_id)
    session.show(_file_document(file), _processed([file]))
    return DONE if ProcessedFile(file).clean else WITH_REJECTS


def files_discard(session: Session, file_id: FileId, reason: Reason) -> None:
    """Say no to a held, waiting, staged or failed file: it never posts. Its original bytes stay in the archive."""
    _require(session, file_id)
    file = actions.discard(session.app, file_id, reason=reason)
    session.show(_file_document(file), f"{file.name} (#{file_id}) is discarded; nothing of it was posted.")


def files_repair(
    session: Session,
    file_id: FileId,
    line: Annotated[int, typer.Option("--line", min=1, help="The rejected line.")],
    new_text: Annotated[str, typer.Option("--text", help="The line as it should be.")],
    reason: Reason,
) -> int:
    """Correct one rejected line: it comes in as a small file of its own that names where it came from."""
    _require(session, file_id)
    made = actions.repair(session.app, file_id, {line: new_text}, reason=reason)
    return _post_now(session, made.file_id)


def files_reverse(session: Session, file_id: FileId, reason: Reason) -> None:
    """Undo a wrong posted file whole, by mirror entries; refused when its money has moved on."""
    _require(session, file_id)
    file = actions.reverse(session.app, file_id, reason=reason)
    session.show(_file_document(file), f"Undid {file.name} (#{file_id}) whole, by mirror entries.")
