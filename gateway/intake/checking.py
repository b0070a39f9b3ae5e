"""``gateway check``: what a file would do, by the very code that would do it, in a transaction that is rolled back."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.intake import staging
from gateway.intake.archive import sha256_of
from gateway.intake.claim import ARGUMENT
from gateway.intake.files import InboundFile, file_row, move
from gateway.intake.hashes import Spool, shared
from gateway.intake.identify import identified
from gateway.intake.overlap import hashes_of
from gateway.intake.parsing import UnreadableError, parse_stream
from gateway.intake.processing import process
from gateway.intake.registry import is_bank_kind
from gateway.intake.states import FileState
from gateway.intake.work import Work
from gateway.ledger import schema
from gateway.updates import reversal_moves
from gateway.updates.base import Update
from gateway.updates.reversal_moves import Touched
from parsers.base import render_message

MESSAGES: Final = 1000
"""How many messages a check shows; it counts all. Likewise batches that reversals would touch."""


@dataclass(frozen=True, slots=True)
class Message:
    """One line message, as the reports show it."""

    line_no: int
    severity: str
    code: str
    text: str
    amount_cents: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """This file beside the last one of its kind that posted."""

    file_id: int
    name: str
    business_date: str
    lines: int
    amount_cents: int
    shared_lines: int


@dataclass(frozen=True, slots=True)
class CheckResult:
    """``file`` is the row it would have; ``holds`` why it would wait, be held first, or be quarantined. Of reversals
    ``moves`` are the batches that would be reversed and re-applied, ``left_open`` (lease, invoice, due date, cents) what
    their leases would owe then."""

    file: InboundFile
    holds: tuple[tuple[str, str], ...]
    messages: tuple[Message, ...]
    message_count: int
    last: Difference | None
    moves: tuple[Touched, ...] = ()
    move_count: int = 0
    left_open: tuple[tuple[str, str, str, int], ...] = ()


class _UndoError(Exception):
    """Rolls the transaction back."""


def check(app: App, path: Path, *, update: Update | None = None) -> CheckResult:
    """Nothing is left behind: no row, no posting, no file. Raises UsageError for a name that no parser claims."""
    what = identified(app.settings, path.name)
    values = {
        "name": path.name, "kind": what.kind, "form": what.form,
        "portfolio": None if what.portfolio is None else str(what.portfolio), "source": ARGUMENT,
        "sha256": sha256_of(path), "bytes": path.stat().st_size, "state": FileState.CLAIMED.value,
        "claim_name": f"check-{uuid.uuid4().hex}", "archive_name": "", "claimed_at": app.now(),
        "operator": app.operator.code,
    }  # fmt: skip
    result: CheckResult | None = None
    try:
        with app.db.write() as connection:
            file_id = app.db.insert_returning_id(connection, schema.inbound_file, "file_id", values)
            work = Work(app, connection, file_row(connection, file_id), update, path, dry=True)
            try:
                process(work)
                result = _result(work)
            except UnreadableError as fault:
                result = _unreadable(work, fault)
            raise _UndoError
    except _UndoError:
        pass
    if result is None:
        raise AssertionError("a check ends with its result")
    return result


def _unreadable(work: Work, fault: UnreadableError) -> CheckResult:
    """Nothing that was read before the fault counts, as nothing of it would be kept. A file that waits is read when it
    may post, and quarantined then."""
    file_id, message = work.file.file_id, str(fault)
    values = {"hold_code": fault.code.value, "hold_text": message}
    move(work.connection, file_id, file_row(work.connection, file_id).state, FileState.QUARANTINED, **values)
    holds = (*((code.value, why) for code, why in work.holds), (fault.code.value, message))
    return CheckResult(
        file=file_row(work.connection, file_id), holds=holds, messages=(), message_count=0, last=None
    )  # fmt: skip


def _result(work: Work) -> CheckResult:
    connection, file_id = work.connection, work.file.file_id
    file = file_row(connection, file_id)
    rows = connection.execute(
        text(
            "SELECT line_no, severity, code, found, expected, action, amount_cents FROM line_message "
            "WHERE file_id = :id ORDER BY line_no, seq LIMIT :most"
        ),
        {"id": file_id, "most": MESSAGES},
    )
    messages = tuple(Message(r[0], r[1], r[2], render_message(r[3], r[4], r[5]), r[6]) for r in rows)
    total = connection.execute(
        text("SELECT COUNT(*) FROM line_message WHERE file_id = :id"), {"id": file_id}
    ).scalar_one()
    answers = _answers(connection, file_id) if is_bank_kind(file.kind) else ()
    messages, total = (*answers, *messages)[:MESSAGES], int(total) + len(answers)
    moves: list[Touched] = []
    move_count = 0
    if file.kind == "reversals":
        for move_count, one in enumerate(reversal_moves.of_file(connection, file_id), 1):
            if move_count <= MESSAGES:
                moves.append(one)
    return CheckResult(
        file=file,
        holds=tuple((code.value, message) for code, message in work.holds),
        messages=messages,
        message_count=total,
        last=_last(work, connection),
        moves=tuple(moves),
        move_count=move_count,
        left_open=tuple(reversal_moves.open_invoices(connection, reversal_moves.leases(moves))),
    )


def _answers(connection: Connection, file_id: int) -> tuple[Message, ...]:
    """What would become of each answer of a bank's file."""
    rows = connection.execute(
        text("SELECT line_no, state, outcome, amount_cents FROM ach_answer WHERE file_id = :id ORDER BY number"),
        {"id": file_id},
    )
    return tuple(Message(r[0], "A", r[1], r[2], r[3]) for r in rows)


def _last(work: Work, connection: Connection) -> Difference | None:
    """The last file of the kind that posted, and how many lines are in both; nothing of a bank's file, whose entries are
    compared one by one."""
    if is_bank_kind(work.file.kind):
        return None
    number = connection.execute(
        text(
            "SELECT MAX(file_id) FROM inbound_file WHERE kind = :kind AND COALESCE(portfolio, '') = :portfolio "
            "AND state = 'POSTED' AND file_id <> :id"
        ),
        {"kind": work.file.kind, "portfolio": work.file.portfolio or "", "id": work.file.file_id},
    ).scalar()
    if number is None:
        return None
    last = file_row(connection, int(number))
    with Spool(work.app.home.work, f"check-{uuid.uuid4().hex}") as spool:
        if work.file.bytes:  # a container of no byte is none, and an empty file all the same
            chunks = parse_stream(work.path, work.file.kind, work.file.form, work.app.settings.inbound)
            staging.count(chunks, spool.add)
        common = int(shared(spool.hashes(), hashes_of(work.app, last)).sum())
    return Difference(
        last.file_id, last.name, last.business_date or "", last.lines or 0, last.amount_cents or 0, common
    )
