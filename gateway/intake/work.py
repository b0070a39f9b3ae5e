"""One claimed file while it is processed, and what every step asks about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.intake.drafting import Drafts
from gateway.intake.files import InboundFile, move
from gateway.intake.packing import Ready, ready
from gateway.intake.parsing import Reading, UnreadableError, parse_stream
from gateway.intake.reader import BESIDE_BYTES, Request, read_beside
from gateway.intake.registry import update_for
from gateway.intake.staging import Counts
from gateway.intake.states import FileState, HoldCode
from gateway.ledger.units import UnitKind
from gateway.updates.base import Update

Progress = Callable[[int], None]


@dataclass(slots=True)
class Work:
    """One file being processed in one transaction."""

    app: App
    connection: Connection
    file: InboundFile
    given: Update | None  # in place of the kind's own
    path: Path
    dry: bool = False  # a check: nothing is kept on disk, and holds are noted but do not stop it
    progress: Progress | None = None
    drafts: Drafts | None = None
    holds: list[tuple[HoldCode, str]] = field(default_factory=list)
    unit_kind: UnitKind = "FILE"

    @property
    def number(self) -> str:
        """What a person types for it; a file that is only tried has no number, and its next one may be another file's."""
        return "ID" if self.dry else str(self.file.file_id)

    @property
    def update(self) -> Update:
        """What posts its lines; a bank's file has none."""
        return self.given or update_for(self.file.kind)


def lock(work: Work, portfolios: list[str]) -> None:
    """Until the transaction ends, nobody else posts to them."""
    work.app.db.lock_portfolios(work.connection, portfolios)


def lease_portfolios(work: Work) -> list[str]:
    """The portfolios of the leases a bare file names."""
    rows = work.connection.execute(
        text(
            f"SELECT DISTINCT l.portfolio FROM {work.update.staging.name} s JOIN lease l ON l.lease = s.lease "
            "WHERE s.file_id = :id"
        ),
        {"id": work.file.file_id},
    )
    return sorted(str(row[0]) for row in rows)


def business_date(work: Work) -> str:
    """The open business date of the file's portfolio; for a bare file the earliest of all."""
    where = "" if work.file.portfolio is None else "WHERE portfolio = :p"
    return str(
        work.connection.execute(
            text(f"SELECT MIN(business_date) FROM portfolio {where}"), {"p": work.file.portfolio} if where else {}
        ).scalar_one()
        or work.app.now()[:10]
    )


def chunks(work: Work, reading: Reading) -> Iterator[Ready]:
    """The file's lines as parsed, chunk by chunk, ready to be staged; a large file is parsed in a second process."""
    file, profile, pack = work.file, work.app.settings.inbound, work.app.db.pack
    if file.bytes >= BESIDE_BYTES:
        request = Request(work.path, file.kind, file.form, profile, file.file_id, pack)
        return read_beside(request, reading=reading, progress=work.progress)
    parsed = parse_stream(work.path, file.kind, file.form, profile, reading=reading, progress=work.progress)
    return ready(parsed, file.file_id, pack)


def require_claimed_bytes(work: Work, reading: Reading) -> None:
    """Raises UnreadableError when what was read is not what was claimed."""
    if reading.sha256 != work.file.sha256:
        raise UnreadableError(
            HoldCode.CHANGED_WHILE_READ,
            f"Found {work.file.name} with SHA-256 {reading.sha256[:12]}… when read, expected {work.file.sha256[:12]}… "
            "as it was claimed: look at the disk, and have the file sent again.",
        )


def refused(work: Work) -> tuple[int, int, int]:
    """Lines refused so far, their readable money, and how many of them have none."""
    row = work.connection.execute(
        text(
            "SELECT COUNT(*), COALESCE(SUM(amount_cents), 0), COUNT(*) - COUNT(amount_cents) FROM line_message "
            "WHERE file_id = :id AND severity = 'R'"
        ),
        {"id": work.file.file_id},
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


def settled(
    work: Work, state: FileState, counts: Counts, *, code: HoldCode | None = None, message: str | None = None
) -> None:
    """A state without postings: empty, refused whole, or preloaded."""
    lines, cents, unreadable = refused(work)
    waiting = state is FileState.STAGED
    rejects = lines if waiting else counts.lines - counts.blank
    rejected_cents = cents if waiting else counts.amount_cents
    move(
        work.connection, work.file.file_id, work.file.state, state,
        lines=counts.lines, records=counts.lines - counts.blank - rejects, rejects=rejects, blank=counts.blank,
        amount_cents=counts.amount_cents, posted_cents=0, suspended_cents=0, rejected_cents=rejected_cents,
        held_cents=counts.amount_cents - rejected_cents, unreadable=unreadable,
        hold_code=code and code.value, hold_text=message, posted_at=None,
        business_date=business_date(work), reported="N",
    )  # fmt: skip
