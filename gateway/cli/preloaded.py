"""Commands about preloaded assessments: files staged/correct/strike."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.common import FileId, Reason, Session, command
from gateway.errors import UsageError
from gateway.money import from_cents, shown

Line = Annotated[int, typer.Option("--line", min=1, help="The line, as `gateway files staged FILE` numbers it.")]
_COLUMNS = ("line", "lease", "asset", "invoice", "due_date", "code", "amount", "reason", "refused")


def register(files: typer.Typer) -> None:
    command(files, "staged", example="gateway files staged 3")(files_staged)
    command(files, "correct", example='gateway files correct 3 --line 8 --set amount=25.00 --reason "decimal point"')(
        files_correct
    )
    command(files, "strike", example='gateway files strike 3 --line 8 --reason "billed before"')(files_strike)


def files_staged(session: Session, file_id: FileId) -> None:
    """The lines of a preloaded file of assessments, as they will post at End of Period."""
    from gateway.intake import preloaded

    rows = [
        (r.line_no, r.lease, r.asset, r.invoice, r.due_date, r.code, r.amount_cents, r.reason, refused)
        for r, refused in preloaded.lines(session.app, file_id)
    ]
    session.show_rows(_COLUMNS, rows, money=("amount",), empty="Nothing is staged of this file.")


def files_correct(
    session: Session,
    file_id: FileId,
    line: Line,
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="FIELD=VALUE", help="What is to stand there; FIELD= takes an item away."),
    ],
    reason: Reason,
) -> None:
    """Change what a preloaded line says, before it posts. The received bytes stay as they are."""
    from gateway.intake import preloaded

    given = [change.partition("=") for change in changes]
    if not all(sign for _, sign, _ in given):
        raise UsageError(f"files correct: found --set {' --set '.join(changes)}, expected FIELD=VALUE in each")
    after = preloaded.correct(session.app, file_id, line, {name: value for name, _, value in given}, reason=reason)
    named = {k: v for k, v in after._asdict().items() if k != "amount_cents" and v is not None}
    session.show(
        {"file": file_id, "record": {**named, "amount": from_cents(after.amount_cents)}},
        f"Line {line} of file {file_id} says {after.code} of {shown(after.amount_cents)} on "
        + (f"lease {after.lease}" if after.lease else f"asset {after.asset}")
        + " now; End of Period posts it, or refuses it by the rules.",
    )


def files_strike(session: Session, file_id: FileId, line: Line, reason: Reason) -> None:
    """Keep a preloaded line from posting; its money counts as rejected."""
    from gateway.intake import preloaded

    preloaded.strike(session.app, file_id, line, reason=reason)
    session.show({"file": file_id, "line": line}, f"Line {line} of file {file_id} will not post.")
