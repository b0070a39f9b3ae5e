"""Rows of ``inbound_file`` as values, and how the rooms ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, text

from gateway.answers.names import ACKNOWLEDGEMENT
from gateway.errors import LedgerError, Refused
from gateway.home import Home
from gateway.intake.states import COUNTS_AS_SEEN, FileState, HoldCode
from gateway.ledger.database import stream_rows


@dataclass(frozen=True, slots=True)
class InboundFile:
    """One row; the columns are explained in ``gateway/ledger/schema.py``."""

    file_id: int
    name: str
    kind: str
    form: str
    portfolio: str | None
    source: str
    sha256: str
    bytes: int
    state: FileState
    hold_code: str | None
    hold_text: str | None
    held_against: int | None
    archive_name: str
    lines: int | None
    records: int | None
    rejects: int | None
    blank: int | None
    amount_cents: int | None
    posted_cents: int | None
    suspended_cents: int | None
    rejected_cents: int | None
    held_cents: int | None
    unreadable: int | None
    claimed_at: str
    posted_at: str | None
    business_date: str | None
    operator: str | None
    owner: str | None
    release: str | None
    reported: str

    def archived(self, home: Home) -> Path:
        return home.archive / self.archive_name

    def reports(self, home: Home) -> Path:
        """The folder of its reports."""
        return home.reports / str(self.business_date) / f"{self.file_id}-{self.name}"

    @property
    def new_lines_only(self) -> bool:
        return (self.release or "").startswith("new-lines")

    def released(self, code: str) -> bool:
        """Whether an operator has let this reason to hold pass: ``release`` is ``all TORN_TAIL DUPLICATE:7,9 OVERLAP:8``."""
        return any(word.split(":")[0] == code for word in (self.release or "").split()[1:])

    def seen(self, code: str) -> frozenset[int]:
        """The files that it was held against for this reason, and that an operator has seen and let pass."""
        words = [w for w in (self.release or "").split()[1:] if w.startswith(f"{code}:")]
        return frozenset(int(number) for word in words for number in word.partition(":")[2].split(",") if number)


_COLUMNS = ", ".join(f.name for f in fields(InboundFile))


def _made(row: Sequence[Any]) -> InboundFile:
    values = dict(zip((f.name for f in fields(InboundFile)), row, strict=True))
    return InboundFile(**{**values, "state": FileState(values["state"])})


def file_row(connection: Connection, file_id: int) -> InboundFile:
    """The row of a file. Raises LedgerError when there is none."""
    row = connection.execute(
        text(f"SELECT {_COLUMNS} FROM inbound_file WHERE file_id = :id"), {"id": file_id}
    ).one_or_none()
    if row is None:
        raise LedgerError(f"looking for file {file_id}: found none, expected one; see `gateway files list`")
    return _made(row)


def hold_row(connection: Connection, file_id: int, states: Sequence[FileState]) -> InboundFile | None:
    """The row, locked to the end of the transaction, if it is in one of ``states``; else None."""
    locked = connection.execute(
        text("UPDATE inbound_file SET state = state WHERE file_id = :id AND state IN :states").bindparams(
            state_list("states")
        ),
        {"id": file_id, "states": [s.value for s in states]},
    )
    return file_row(connection, file_id) if locked.rowcount == 1 else None


def equal_files(connection: Connection, file: InboundFile) -> list[tuple[int, str]]:
    """(number, name) of files of this portfolio and kind with the same bytes that posted, will post or are held; of
    acknowledgements with the same name too, because it may be all that tells one from the next.

    Files that another one's hold has made wait are not asked again: only what an operator has not yet let pass counts.
    """
    rows = connection.execute(
        text(
            "SELECT file_id, name FROM inbound_file WHERE sha256 = :sha AND kind = :kind AND file_id <> :id "
            "AND COALESCE(portfolio, '') = :portfolio AND state IN :states AND bytes > 0 "
            f"AND (kind <> '{ACKNOWLEDGEMENT}' OR UPPER(name) = UPPER(:name)) ORDER BY file_id"
        ).bindparams(state_list("states")),
        {
            "sha": file.sha256, "kind": file.kind, "id": file.file_id, "portfolio": file.portfolio or "",
            "name": file.name, "states": [s.value for s in COUNTS_AS_SEEN],
        },
    ).all()  # fmt: skip
    seen = file.seen(HoldCode.DUPLICATE)
    return [(int(number), str(name)) for number, name in rows if number not in seen]


def recently_posted(
    connection: Connection,
    file: InboundFile,
    business_date: str,
    days: int,
    *,
    landmarks: Sequence[int] | None = None,
    larger_than: int = 0,
) -> list[InboundFile]:
    """Files of this portfolio and kind that posted (or are preloaded) within ``days`` of the business date.

    With ``landmarks``: only those that share one, and those of more than ``larger_than`` lines (which keep too few of
    theirs to be found by a short file's).
    """
    since = (date.fromisoformat(business_date) - timedelta(days=days)).isoformat()
    values: dict[str, Any] = {
        "kind": file.kind, "portfolio": file.portfolio or "", "since": since, "id": file.file_id,
    }  # fmt: skip
    clause = (
        f"SELECT {_COLUMNS} FROM inbound_file WHERE kind = :kind AND COALESCE(portfolio, '') = :portfolio "
        "AND state IN ('POSTED', 'STAGED') AND business_date >= :since AND file_id <> :id"
    )
    if landmarks is None:
        statement = text(f"{clause} ORDER BY file_id DESC")
    else:
        values |= {"hashes": list(landmarks), "larger": larger_than}
        statement = text(
            f"{clause} AND (file_id IN (SELECT s.file_id FROM line_sample s WHERE s.hash IN :hashes) "
            "OR lines - blank > :larger) ORDER BY file_id DESC"
        ).bindparams(bindparam("hashes", expanding=True))
    return [_made(row) for row in connection.execute(statement, values).all()]


def refused_lines(connection: Connection, file_id: int) -> Iterator[int]:
    """Numbers of the rejected lines, in order."""
    rows = stream_rows(
        connection,
        "SELECT line_no FROM line_message WHERE file_id = :id AND severity = 'R' ORDER BY line_no",
        id=file_id,
    )
    for row in rows:
        yield int(row[0])


def left_in_suspense(connection: Connection, files: Sequence[InboundFile]) -> dict[int, int]:
    """Cents by file of reversals that count as posted and wait in suspense for a place: what transfers (family T) left, and
    batches that found no open invoice when they were applied again."""
    ids = [file.file_id for file in files if file.state == FileState.POSTED]
    if not ids:
        return {}
    statement = text(
        "SELECT file_id, CAST(SUM(amount_cents) AS BIGINT) FROM line_message "
        "WHERE file_id IN :ids AND severity = 'W' AND suspense_item IS NOT NULL GROUP BY file_id"
    ).bindparams(bindparam("ids", expanding=True))
    return {file_id: int(cents) for file_id, cents in connection.execute(statement, {"ids": ids})}


def retry_failed(connection: Connection) -> None:
    """Files that failed are taken up again: preloaded ones by End of Period, the others now."""
    connection.execute(
        text(
            "UPDATE inbound_file SET state = CASE WHEN business_date IS NULL THEN 'CLAIMED' ELSE 'STAGED' END "
            "WHERE state = 'FAILED'"
        )
    )


def move(connection: Connection, file_id: int, before: FileState, after: FileState, **values: Any) -> None:
    """Change the state of a file and the named columns with it.

    Raises Refused when the transition is not allowed or the file is no longer in ``before``.
    """
    if after not in before.following:
        raise Refused(
            f"changing file {file_id}: found it {before}, expected a state that {after} may follow; see `gateway files show {file_id}`"
        )
    assignments = "".join(f", {name} = :{name}" for name in values)
    changed = connection.execute(
        text(f"UPDATE inbound_file SET state = :after{assignments} WHERE file_id = :file_id AND state = :before"),
        {"file_id": file_id, "before": before.value, "after": after.value, **values},
    )
    if changed.rowcount != 1:
        raise Refused(
            f"changing file {file_id} from {before} to {after}: found it in another state; look with `gateway files show {file_id}`"
        )


def state_list(name: str) -> Any:
    """An expanding parameter for ``state IN :name``."""
    return bindparam(name, expanding=True)
