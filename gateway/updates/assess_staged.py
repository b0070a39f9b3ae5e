"""Preloaded assessments corrected or struck out before they post (the vendor's U0232): the rows. Who may, and when, is
for ``intake/preloaded.py``.

Only a file in state STAGED can be touched. A correction goes through the format itself: the changed record is rendered
and read again, so nothing can be staged that could not have come in a file. Who did it and why is kept as a message of
the line: W for a correction, R for a deletion. The received bytes stay in the archive as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, text

from gateway.errors import Refused
from gateway.money import shown
from parsers import btchassmt
from parsers.btchassmt import Assessment
from parsers.profile import Profile

CORRECTED = "STAGED_CORRECTED"
DELETED = "STAGED_DELETED"
_FIRST_SEQ = 200
"""Numbers of an operator's messages: parsing counts from 1 and posting from 100."""

_COLUMNS = ", ".join(f"s.{name}" for name in Assessment._fields)


def staged_rows(connection: Connection, file_id: int) -> Iterator[tuple[Assessment, str | None]]:
    """Every staged record in file order, with the code of what refused it, if anything did."""
    rows = connection.execute(
        text(
            f"SELECT {_COLUMNS}, m.code FROM staged_assessment s LEFT JOIN line_message m ON m.file_id = s.file_id "
            "AND m.line_no = s.line_no AND m.severity = 'R' WHERE s.file_id = :file ORDER BY s.line_no"
        ),
        {"file": file_id},
        execution_options={"yield_per": 1000},
    )
    for *values, code in rows:
        yield Assessment(*values), code


def correct_staged(
    connection: Connection,
    file_id: int,
    line_no: int,
    changes: Mapping[str, Any],
    *,
    operator: str,
    reason: str,
    profile: Profile,
) -> Assessment:
    """Change fields of a staged record (names of ``Assessment``; None takes an item away). Gives the new record.

    Raises Refused when the file is not staged, the record is not there or was refused, or the result is not a valid
    line. A changed amount changes what the file is expected to post.
    """
    before = _standing(connection, file_id, line_no)
    unknown = changes.keys() - set(Assessment._fields[1:])
    if unknown or not changes:
        raise Refused(
            f"correcting line {line_no}: found {', '.join(sorted(unknown)) or 'no change'}, expected one or more of "
            f"{', '.join(Assessment._fields[1:])}"
        )
    after = _read_again(before._replace(**changes), line_no, profile)
    connection.execute(
        text(
            f"UPDATE staged_assessment SET {', '.join(f'{n} = :{n}' for n in Assessment._fields[1:])} "
            "WHERE file_id = :file AND line_no = :line_no"
        ),
        {**after._asdict(), "file": file_id},
    )
    connection.execute(
        text(
            "UPDATE inbound_file SET amount_cents = amount_cents + :change, held_cents = held_cents + :change "
            "WHERE file_id = :file"
        ),
        {"change": after.amount_cents - before.amount_cents, "file": file_id},
    )
    _note(
        connection, file_id, line_no, "W", CORRECTED,
        found=_told(before, after), expected=_told(after, before),
        action=f"nothing, {operator} corrected it before posting because {reason}", amount_cents=after.amount_cents,
    )  # fmt: skip
    return after


def delete_staged(connection: Connection, file_id: int, line_no: int, *, operator: str, reason: str) -> None:
    """Keep a staged record from posting. Raises Refused as ``correct_staged`` does."""
    record = _standing(connection, file_id, line_no)
    _note(
        connection, file_id, line_no, "R", DELETED,
        found=f"{record.code} of {shown(record.amount_cents)}, deleted by {operator} because {reason}",
        expected="a record to post", action="drop the line again if it is to post after all",
        amount_cents=record.amount_cents,
    )  # fmt: skip


def _standing(connection: Connection, file_id: int, line_no: int) -> Assessment:
    state = connection.execute(text("SELECT state FROM inbound_file WHERE file_id = :file"), {"file": file_id}).scalar()
    if state != "STAGED":
        raise Refused(
            f"changing line {line_no} of file {file_id}: found the file {state or 'missing'}, expected it STAGED; "
            "only preloaded files can be changed"
        )
    row = connection.execute(
        text(
            f"SELECT {_COLUMNS}, m.code FROM staged_assessment s LEFT JOIN line_message m ON m.file_id = s.file_id "
            "AND m.line_no = s.line_no AND m.severity = 'R' WHERE s.file_id = :file AND s.line_no = :line"
        ),
        {"file": file_id, "line": line_no},
    ).one_or_none()
    if row is None or row[-1] is not None:
        found = "no staged record" if row is None else f"it refused ({row[-1]})"
        raise Refused(f"changing line {line_no} of file {file_id}: found {found}, expected a record that stands")
    return Assessment(*row[:-1])


def _read_again(record: Assessment, line_no: int, profile: Profile) -> Assessment:
    """The record as the format reads it back. Raises Refused with the format's own words."""
    line = btchassmt.render(record, profile)
    chunks = list(btchassmt.parse([line.encode() + b"\n"], profile=profile))
    for chunk in chunks:
        for reject in chunk.rejects:
            raise Refused(f"correcting line {line_no}: {reject.message}")
        for warning in chunk.warnings:
            raise Refused(f"correcting line {line_no}: {warning.message}")
    found = [Assessment(*row) for chunk in chunks for row in chunk.records]
    if len(found) != 1:
        raise Refused(f"correcting line {line_no}: found {len(found)} records in the change, expected one")
    return found[0]._replace(line_no=line_no)


def _told(record: Assessment, other: Assessment) -> str:
    """The fields in which ``record`` differs from ``other``."""
    parts = []
    for name, value, against in zip(record._fields[1:], record[1:], other[1:], strict=True):
        if value != against:
            words = name.removesuffix("_cents").replace("_", " ")
            text_of = shown(value) if isinstance(value, int) else value or "none"
            parts.append(f"{words} {text_of}")
    return ", ".join(parts) or "the same"


def _note(connection: Connection, file_id: int, line_no: int, severity: str, code: str, **values: Any) -> None:
    last = connection.execute(
        text("SELECT MAX(seq) FROM line_message WHERE file_id = :file AND line_no = :line"),
        {"file": file_id, "line": line_no},
    ).scalar()
    seq = 0 if severity == "R" else max(_FIRST_SEQ, (last or 0) + 1)
    connection.execute(
        text(
            "INSERT INTO line_message (file_id, line_no, seq, severity, code, found, expected, action, amount_cents) "
            "VALUES (:file, :line, :seq, :severity, :code, :found, :expected, :action, :amount_cents)"
        ),
        {"file": file_id, "line": line_no, "seq": seq, "severity": severity, "code": code, **values},
    )
