"""What an operator may do with an inbound file: release, discard, repair, reverse, export. Each leaves an
``operator_event``."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import Refused, UsageError
from gateway.home import write_durably
from gateway.intake import archive
from gateway.intake.files import InboundFile, equal_files, file_row, hold_row, move, refused_lines
from gateway.intake.registry import is_bank_kind
from gateway.intake.states import FileState, HoldCode
from gateway.intake.undo import undo
from gateway.ledger import schema
from gateway.ledger.events import note, require_reason
from gateway.sealed_files import clear_blocks

REPAIR_SOURCE: Final = "repair:"
"""``repair:12`` is the source of a file made from corrected lines of file 12."""

How = Literal["all", "new-lines"]


def release(app: App, file_id: int, *, reason: str, how: How = "all") -> InboundFile:
    """Let a held file post, or try a failed one again; it is claimed again and posts with the next pass.

    ``new-lines`` leaves out the lines another file has posted. Only the reason it was held for is let pass, and only
    against the files that were seen: a torn file that is also an overlap is held once more, and so is one whose other lines
    have posted with a further file. That only new lines are meant stays said: held once more for another reason, the file
    posts without the others all the same.
    """
    allow(app, "releasing a file", reason)
    with app.db.write() as connection:
        file = _held_row(connection, file_id, (FileState.HELD, FileState.FAILED), "releasing")
        if file.state is FileState.FAILED:
            move(connection, file_id, file.state, FileState.STAGED if file.business_date else FileState.CLAIMED)
        else:
            word = str(file.hold_code)
            if word == HoldCode.DUPLICATE.value:
                seen = [str(number) for number, _ in equal_files(connection, file)]
                word += ":" + ",".join(seen) if seen else ""
            elif word == HoldCode.OVERLAP.value:
                word += f":{file.held_against}"
            how = "new-lines" if file.new_lines_only else how
            before = (file.release or "").split()[1:]
            move(connection, file_id, file.state, FileState.CLAIMED, release=" ".join([how, *before, word]))
        note(connection, app.operator, f"files.release.{how}", f"file:{file_id}", reason, at=app.now())
        return file_row(connection, file_id)


def discard(app: App, file_id: int, *, reason: str) -> InboundFile:
    """Say no to a file that has not posted, or note that one in quarantine was seen to. Its bytes stay where they are; all
    of its money counts as rejected."""
    allow(app, "discarding a file", reason)
    states = (FileState.HELD, FileState.WAITING, FileState.STAGED, FileState.FAILED, FileState.QUARANTINED)
    with app.db.write() as connection:
        file = _held_row(connection, file_id, states, "discarding")
        move(
            connection, file_id, file.state, FileState.DISCARDED, rejected_cents=file.amount_cents, held_cents=0,
            records=None if file.lines is None else 0,
            rejects=None if file.lines is None else file.lines - (file.blank or 0),
        )  # fmt: skip
        note(connection, app.operator, "files.discard", f"file:{file_id}", reason, at=app.now())
        return file_row(connection, file_id)


def repair(app: App, file_id: int, lines: Mapping[int, str], *, reason: str) -> InboundFile:
    """Drop corrected texts for rejected lines as a file of their own, named ``<name>.repair-N``; gives that file.

    Raises UsageError for a line that was not rejected or a text that is not one line, Refused for a line that was
    repaired before.
    """
    allow(app, "repairing lines", reason)
    with app.db.read() as connection:
        file = file_row(connection, file_id)
        if file.state not in (FileState.POSTED, FileState.REJECTED):
            raise Refused(f"repairing file {file_id}: found it {file.state}, expected a file that was processed")
        _lines_only(file, "repairing")
        refused = {line for line in refused_lines(connection, file_id) if line in lines}
    data = b"".join(_one_line(file_id, number, lines[number], number in refused) for number in sorted(lines))
    if not data:
        raise UsageError(f"repairing file {file_id}: found no line, expected at least one")
    stored = archive.store(app.home, io.BytesIO(data), uuid.uuid4().hex)
    archive.flush(app.home, [stored.name])
    with app.db.write() as connection:
        _held_row(connection, file_id, (file.state,), "repairing")
        for number in sorted(lines):
            _once(connection, file_id, number)
        made = connection.execute(
            text("SELECT COUNT(*) FROM inbound_file WHERE source = :source"), {"source": f"{REPAIR_SOURCE}{file_id}"}
        ).scalar_one()
        name = f"{file.name}.repair-{int(made) + 1}"
        new = app.db.insert_returning_id(
            connection,
            schema.inbound_file,
            "file_id",
            {
                "name": name, "kind": file.kind, "form": "dat", "portfolio": file.portfolio,
                "source": f"{REPAIR_SOURCE}{file_id}", "sha256": stored.sha256, "bytes": stored.size,
                "state": FileState.CLAIMED.value, "claim_name": f"repair-{uuid.uuid4().hex}",
                "archive_name": stored.name, "claimed_at": app.now(), "operator": app.operator.code,
            },
        )  # fmt: skip
        for number in sorted(lines):
            subject, why = f"file:{file_id}/{number}", f"file {new}: {reason}"
            note(connection, app.operator, "files.repair", subject, why, at=app.now())
        return file_row(connection, new)


def reverse(app: App, file_id: int, *, reason: str) -> InboundFile:
    """Undo a posted file whole, in one transaction. Raises Refused, naming it, when its money has moved on."""
    allow(app, "reversing a file", reason)
    with app.db.write() as connection:
        file = _held_row(connection, file_id, (FileState.POSTED,), "reversing")
        _lines_only(file, "reversing")
        undo(app.db, connection, file, operator=app.operator.code, posted_at=app.now(), reason=reason)
        move(connection, file_id, file.state, FileState.REVERSED)
        note(connection, app.operator, "files.reverse", f"file:{file_id}", reason, at=app.now())
        return file_row(connection, file_id)


def allow(app: App, action: str, reason: str) -> None:
    """Raises Refused without the right to post, UsageError without a reason."""
    app.operator.require("post", action)
    require_reason(reason, action)


def export(app: App, file_id: int, target: Path, *, reason: str) -> int:
    """Write a file's bytes as they were received, for someone who may see account numbers; gives how many. Refused
    when the archive has other bytes."""
    app.operator.require("approve", "exporting an inbound file")
    require_reason(reason, "exporting an inbound file")
    if target.exists() or not target.parent.is_dir():
        raise UsageError(f"exporting to {target}: expected a new file in a folder that is there; name another one")
    with app.db.write() as connection:
        file = file_row(connection, file_id)
        digest = hashlib.sha256()
        for block in clear_blocks(_original(app, file), app.vault):
            digest.update(block)
        if digest.hexdigest() != file.sha256:
            raise Refused(
                f"exporting file {file_id}: found its original with other bytes than were received, expected SHA-256 "
                f"{file.sha256[:12]}…; put it back from a backup (see gateway verify)"
            )
        note(connection, app.operator, "files.export", f"file:{file_id}", reason, at=app.now())
    write_durably(target, clear_blocks(_original(app, file), app.vault), mode=0o600)
    return file.bytes


def _original(app: App, file: InboundFile) -> Path:
    path = file.archived(app.home)
    if not path.is_file():
        raise Refused(
            f"exporting file {file.file_id}: found no original at var/archive/{file.archive_name}, expected it; it is at "
            "the home that took the file in, or in a backup"
        )
    return path


def _lines_only(file: InboundFile, action: str) -> None:
    """What the bank said happened: it is answered, not taken back."""
    if is_bank_kind(file.kind):
        raise Refused(
            f"{action} file {file.file_id}: found what a bank sent ({file.kind}), expected a file of lines; see what waits "
            "with `gateway answers list`; a returned check is paid again by gateway vendor pay-again CHECK --reason WHY"
        )


def _held_row(connection: Connection, file_id: int, states: tuple[FileState, ...], action: str) -> InboundFile:
    file = hold_row(connection, file_id, states)
    if file is None:
        found = file_row(connection, file_id).state
        raise Refused(f"{action} file {file_id}: found it {found}, expected {' or '.join(states)}")
    return file


def _one_line(file_id: int, number: int, line: str, refused: bool) -> bytes:
    what = f"repairing line {number} of file {file_id}"
    if not refused:
        raise UsageError(f"{what}: found a line that was not rejected, expected one of its rejects")
    if not line.strip() or not line.isascii() or not line.isprintable():
        raise UsageError(f"{what}: found {line!r}, expected the corrected text of one line in ASCII")
    return line.encode("ascii") + b"\n"


def _once(connection: Connection, file_id: int, number: int) -> None:
    """A line that was corrected and dropped once is the business of the file that came of it."""
    before = connection.execute(
        text("SELECT reason FROM operator_event WHERE action = 'files.repair' AND subject = :subject"),
        {"subject": f"file:{file_id}/{number}"},
    ).scalar()
    if before is not None:
        raise Refused(
            f"repairing line {number} of file {file_id}: found it repaired before ({str(before).partition(':')[0]}), expected a "
            "line that is repaired once; repair the line of that file if it was rejected again"
        )
