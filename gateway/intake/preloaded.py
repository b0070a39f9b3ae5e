"""What a person does to preloaded assessments before U0418 posts them (the vendor's U0232): look, correct, strike out.

Each leaves an ``operator_event`` and a message of the line. The file is held meanwhile, as by who posts or discards
it, so that nothing is changed under them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import Refused, UsageError
from gateway.intake.actions import allow
from gateway.intake.files import hold_row
from gateway.intake.states import FileState
from gateway.ledger.events import note
from gateway.updates import assess_staged
from gateway.updates.suspense_rules import parse_amount
from parsers.btchassmt import Assessment

Line = tuple[Assessment, str | None]
"""A staged record, and the code of what refused it."""

FIELDS: Final = {name.removesuffix("_cents"): name for name in Assessment._fields[1:]}
"""What a person calls the fields of a record; ``amount`` is in dollars."""


def lines(app: App, file_id: int) -> list[Line]:
    """The staged records of a file in its order. Raises Refused for a file that is not preloaded assessments."""
    with app.db.read() as connection:
        _require_assessments(connection, file_id, "looking at preloaded lines")
        return list(assess_staged.staged_rows(connection, file_id))


def correct(app: App, file_id: int, line_no: int, changes: Mapping[str, str], *, reason: str) -> Assessment:
    """Change fields, named as in ``FIELDS``; an empty text takes an item away. Gives the record as it will post.

    Raises UsageError for an unknown field or an amount that is none, Refused as ``assess_staged.correct_staged`` does.
    """
    action = f"correcting line {line_no} of file {file_id}"
    allow(app, action, reason)
    values: dict[str, object] = {}
    for name, value in changes.items():
        if name not in FIELDS:
            raise UsageError(f"{action}: found the field {name}, expected one of {', '.join(FIELDS)}")
        values[FIELDS[name]] = value or None
    if "amount_cents" in values:
        digits = app.settings.inbound.widths.assessment_money
        values["amount_cents"] = parse_amount(changes["amount"], what=f"{action}: amount", digits=digits)
    with app.db.write() as connection:
        _hold(connection, file_id, action)
        after = assess_staged.correct_staged(
            connection,
            file_id,
            line_no,
            values,
            operator=app.operator.code,
            reason=reason,
            profile=app.settings.inbound,
        )
        note(connection, app.operator, "files.correct", f"file:{file_id}:{line_no}", reason, at=app.now())
        return after


def strike(app: App, file_id: int, line_no: int, *, reason: str) -> None:
    """Keep a record from posting. Raises Refused as ``assess_staged.delete_staged`` does."""
    action = f"striking out line {line_no} of file {file_id}"
    allow(app, action, reason)
    with app.db.write() as connection:
        _hold(connection, file_id, action)
        assess_staged.delete_staged(connection, file_id, line_no, operator=app.operator.code, reason=reason)
        note(connection, app.operator, "files.strike", f"file:{file_id}:{line_no}", reason, at=app.now())


def _hold(connection: Connection, file_id: int, action: str) -> None:
    _require_assessments(connection, file_id, action)
    hold_row(connection, file_id, (FileState.STAGED,))


def _require_assessments(connection: Connection, file_id: int, action: str) -> None:
    """Raises Refused for a file of another kind, UsageError for no file."""
    kind = connection.execute(text("SELECT kind FROM inbound_file WHERE file_id = :id"), {"id": file_id}).scalar()
    if kind is None:
        raise UsageError(f"{action}: found no file {file_id}, expected one of `gateway files list`")
    if kind != "assessments":
        raise Refused(f"{action}: found file {file_id} with {kind}, expected assessments")
