"""One claimed file into the ledger, in one transaction, with the file's own state change in it.

In order: whose turn (the row, then the portfolio, is locked), may it post (portfolio known, business date open), is
it whole (torn tail), is it new (duplicate), read and stage, is it new in part (overlap), post, add up, commit. A rule
that says no is a state of the file; a fault rolls all of it back, and the file stays to be tried again.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import psycopg
import stamina
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway import crashpoints, log
from gateway.app import App
from gateway.crashpoints import Step
from gateway.errors import LedgerError
from gateway.intake import archive, overlap, staging
from gateway.intake.drafting import FOLLOWED, Drafts
from gateway.intake.files import InboundFile, equal_files, file_row, hold_row, recently_posted
from gateway.intake.hashes import Spool
from gateway.intake.parsing import Reading, UnreadableError, parse_stream
from gateway.intake.reader import BESIDE_BYTES, BESIDE_RECORDS, read_beside
from gateway.intake.registry import is_bank_kind, update_for
from gateway.intake.staging import Counts
from gateway.intake.states import PROCESSABLE, FileState, HoldCode, move
from gateway.intake.turns import Turns
from gateway.ledger.units import UnitKind
from gateway.money import shown
from gateway.updates.base import FileFacts, Outcome, PostingContext, Update
from parsers.base import render_message

RETRIES: Final = 6
"""How often a file is taken up again when the database was busy or undid the transaction to resolve a conflict."""

_CONFLICTS: Final = frozenset({"40001", "40P01", "55P03", "57014"})

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ProcessedFile:
    """What became of a file."""

    file: InboundFile

    @property
    def clean(self) -> bool:
        """Posted (or empty, or preloaded) without a rejected line."""
        return self.file.state in (FileState.POSTED, FileState.EMPTY, FileState.STAGED) and not self.file.rejects


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
    def update(self) -> Update:
        """What posts its lines; a bank's file has none."""
        return self.given or update_for(self.file.kind)


def process_file(
    app: App,
    file_id: int,
    *,
    update: Update | None = None,
    turns: Turns | None = None,
    progress: Progress | None = None,
    drafts: Drafts | None = None,
) -> ProcessedFile:
    """Post a claimed or waiting file; a file in another state is left as it is. ``drafts`` are begun where they pay."""

    def once(connection: Connection) -> None:
        file = hold_row(connection, file_id, PROCESSABLE)
        if file is not None:
            archived = file.archived(app.home)
            process(Work(app, connection, file, update, archived, progress=progress, drafts=drafts))

    return _guarded(app, file_id, once, turns)


def post_staged(app: App, file_id: int, *, update: Update | None = None, turns: Turns | None = None) -> ProcessedFile:
    """Post a preloaded file, for the End of Period module that does it. Its unit is the module's."""

    def once(connection: Connection) -> None:
        file = hold_row(connection, file_id, [FileState.STAGED])
        if file is not None:
            work = Work(app, connection, file, update, file.archived(app.home))
            work.unit_kind = "MODULE"
            _lock(work, [file.portfolio] if file.portfolio else _lease_portfolios(work))
            _post(work, _counts_of(file))

    return _guarded(app, file_id, once, turns)


def _guarded(app: App, file_id: int, once: Callable[[Connection], None], turns: Turns | None) -> ProcessedFile:
    """Run ``once`` in a transaction of its own; a fault becomes the file's state, a conflict is tried again."""
    turns = turns or Turns(needed=False)
    try:
        for attempt in stamina.retry_context(on=is_conflict, attempts=RETRIES, timeout=None, wait_initial=0.05):
            with attempt, turns.mine(), app.db.write() as connection:
                once(connection)
        crashpoints.reached(Step.POSTED)
    except UnreadableError as fault:
        _quarantine(app, file_id, fault, turns)
    except Exception as fault:
        _fail(app, file_id, fault, turns)
    with app.db.read() as connection:
        file = file_row(connection, file_id)
    log.get(__name__).info(
        "file.processed", file_id=file_id, name=file.name, state=file.state.value, code=file.hold_code,
        lines=file.lines, rejects=file.rejects, posted_cents=file.posted_cents,
    )  # fmt: skip
    return ProcessedFile(file)


def is_conflict(fault: Exception) -> bool:
    """The database was busy, or undid the transaction because of another: trying again is right."""
    cause = fault.orig if isinstance(fault, DBAPIError) else fault
    if isinstance(cause, sqlite3.OperationalError):
        return "locked" in str(cause) or "busy" in str(cause)
    if isinstance(cause, psycopg.Error):
        return cause.sqlstate in _CONFLICTS or (isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None)
    return False


def _fail(app: App, file_id: int, fault: Exception, turns: Turns) -> None:
    log.get(__name__).error("alarm.file_failed", file_id=file_id, error=str(fault), exc_info=fault)
    _settle(app, file_id, FileState.FAILED, HoldCode.FAULT, f"{type(fault).__name__}: {fault}", turns)


def _quarantine(app: App, file_id: int, fault: UnreadableError, turns: Turns) -> None:
    with app.db.read() as connection:
        file = file_row(connection, file_id)
    kept = archive.quarantine(app.home, file_id, file.name, file.archive_name)
    log.get(__name__).error("alarm.file_quarantined", file_id=file_id, error=str(fault), kept=kept.name)
    _settle(app, file_id, FileState.QUARANTINED, fault.code, str(fault), turns)


def _settle(app: App, file_id: int, state: FileState, code: HoldCode, message: str, turns: Turns) -> None:
    with turns.mine(), app.db.write() as connection:
        file = file_row(connection, file_id)
        if state in file.state.following:
            move(connection, file_id, file.state, state, hold_code=code.value, hold_text=message)


# the steps, all inside the transaction


def process(work: Work) -> None:
    """All steps of one file; ``work.holds`` says why it would wait or be held."""
    if is_bank_kind(work.file.kind):
        import_module("gateway.intake.bank_files").process(work)
        return
    if work.file.portfolio is not None and not open_or_wait(work, [work.file.portfolio]):
        return
    if work.file.bytes == 0:
        settled(work, FileState.EMPTY, Counts())
        return
    if _torn(work) or is_duplicate(work):
        return
    inside = work.connection.begin_nested()
    with Spool(work.app.home.work, f"file-{work.file.file_id}-{uuid.uuid4().hex}") as spool:
        counts = _stage(work, spool)
        if work.file.portfolio is None:
            portfolios = _lease_portfolios(work)
            if not _may_post(work, portfolios):
                inside.rollback()
                open_or_wait(work, portfolios)
                return
        if not work.file.new_lines_only and not work.file.released("OVERLAP"):
            held = _overlap(work, spool, counts)
            if held is not None and not work.dry:
                inside.rollback()
                _held(work, HoldCode.OVERLAP, held[1], held[0], counts)
                return
        _refuse_lines(work, spool)
        if not work.dry:
            overlap.keep(work.app, work.file, spool)
            overlap.remember(work.app, work.connection, work.file, spool.hashes())
    inside.commit()
    if not work.dry:
        crashpoints.reached(Step.STAGED)
    _decide(work, counts)


def open_or_wait(work: Work, portfolios: list[str]) -> bool:
    """Lock these portfolios; if one cannot be posted to now, the file waits."""
    if _may_post(work, portfolios):
        return True
    code, message = work.holds[-1]
    if work.file.state is not FileState.WAITING or work.file.hold_code != code.value:
        values = {"hold_code": code.value, "hold_text": message}
        if work.file.state is FileState.WAITING:
            _update(work, **values)
        else:
            move(work.connection, work.file.file_id, work.file.state, FileState.WAITING, **values)
    return False


def _may_post(work: Work, portfolios: list[str]) -> bool:
    _lock(work, portfolios)
    known = {
        str(p): (str(day), str(state))
        for p, day, state in work.connection.execute(
            text("SELECT portfolio, business_date, period_state FROM portfolio")
        )
    }
    for portfolio in sorted(portfolios):
        if portfolio not in known:
            message = render_message(
                f"portfolio {portfolio}",
                "a portfolio that is loaded",
                "load it with `gateway load PATH`; the file then posts",
            )
            work.holds.append((HoldCode.UNKNOWN_PORTFOLIO, message))
            return False
        day, state = known[portfolio]
        if state != "OPEN":
            message = render_message(
                f"business date {day} of portfolio {portfolio} closed by End of Period",
                "an open business date",
                "nothing, the file posts when the next business day opens",
            )
            work.holds.append((HoldCode.PERIOD_CLOSED, message))
            return False
    return True


def _lock(work: Work, portfolios: list[str]) -> None:
    work.app.db.lock_portfolios(work.connection, portfolios)


def _lease_portfolios(work: Work) -> list[str]:
    """The portfolios of the leases a bare file names."""
    rows = work.connection.execute(
        text(
            f"SELECT DISTINCT l.portfolio FROM {work.update.staging.name} s JOIN lease l ON l.lease = s.lease "
            "WHERE s.file_id = :id"
        ),
        {"id": work.file.file_id},
    )
    return sorted(str(row[0]) for row in rows)


def _torn(work: Work) -> bool:
    """A last line without its end, of a sender that has no other way to say that a file is whole."""
    source = work.app.settings.gateway.sources.get(work.file.source)
    if work.file.form != "dat" or (source is not None and source.completeness != "quiet"):
        return False
    with work.path.open("rb") as handle:
        handle.seek(-1, 2)
        if handle.read(1) == b"\n" or work.file.released("TORN_TAIL"):
            return False
    message = render_message(
        "a last line that does not end with a line feed",
        "every line ended, so that a torn 4329 cannot post for 43298",
        f"look at the end of the file; release it if it is whole ({_release(work)}), or discard it and have it sent again",
    )
    if work.dry:
        work.holds.append((HoldCode.TORN_TAIL, message))
        return False
    _held(work, HoldCode.TORN_TAIL, message, None, staging.count(_chunks(work, Reading())))
    return True


def _release(work: Work, lines: str = "") -> str:
    """The command that lets this file post, as it is typed."""
    return f"`gateway files release {work.file.file_id}{lines} --reason WHY`"


def is_duplicate(work: Work) -> bool:
    """The same bytes again, before anything is read."""
    equal = equal_files(work.connection, work.file)
    if not equal:
        return False
    other = file_row(work.connection, equal[0][0])
    message = render_message(
        f"the same bytes as file {other.file_id} ({other.name}, {other.state.value})",
        "a file that was not sent before",
        f"discard it, or release it if it is meant to post again ({_release(work)})",
    )
    if work.dry:
        work.holds.append((HoldCode.DUPLICATE, message))
        return False
    counts = None
    if other.lines is not None:
        unreadable = other.unreadable or 0
        records = (other.records or 0) + (other.rejects or 0) - unreadable
        counts = Counts(
            lines=other.lines, records=records, rejects=unreadable, blank=other.blank or 0,
            records_cents=other.amount_cents or 0, unreadable=unreadable,
        )  # fmt: skip
    _held(work, HoldCode.DUPLICATE, message, other.file_id, counts)
    return True


def _chunks(work: Work, reading: Reading) -> Any:
    file, profile = work.file, work.app.settings.inbound
    read = read_beside if file.bytes >= BESIDE_BYTES else parse_stream
    return read(work.path, file.kind, file.form, profile, reading=reading, progress=work.progress)


def _stage(work: Work, spool: Spool) -> Counts:
    """Read the archived bytes; they must be those that were claimed."""
    reading = Reading()
    counts = staging.stage(
        work.app.db, work.connection, work.file.file_id, work.update.staging, _chunks(work, reading), spool
    )
    require_claimed_bytes(work, reading)
    if counts.lines != counts.records + counts.rejects + counts.blank:
        raise LedgerError(
            f"reading {work.file.name}: found {counts.records} records, {counts.rejects} rejects and {counts.blank} blank "
            f"lines, expected them to make {counts.lines} lines"
        )
    return counts


def require_claimed_bytes(work: Work, reading: Reading) -> None:
    """Raises UnreadableError when what was read is not what was claimed."""
    if reading.sha256 != work.file.sha256:
        raise UnreadableError(
            HoldCode.CHANGED_WHILE_READ,
            f"Found {work.file.name} with SHA-256 {reading.sha256[:12]}… when read, expected {work.file.sha256[:12]}… "
            "as it was claimed: look at the disk, and have the file sent again.",
        )


def _overlap(work: Work, spool: Spool, counts: Counts) -> tuple[int, str] | None:
    """(other file, message) when too much of this file has posted before."""
    others = overlap.candidates(work.app, work.connection, work.file, business_date(work), spool.hashes())
    found = overlap.find(work.app, work.connection, others, spool.hashes()) if others else None
    if found is None:
        return None
    other = found.other
    whose = spool.lines()
    cents = staging.shared_cents(
        work.app.db, work.connection, work.file.file_id, work.update.staging,
        staging.line_pairs(found.mask, whose, whose),
    )  # fmt: skip
    message = render_message(
        f"{found.lines} of {counts.lines - counts.blank} lines ({shown(cents)}) of {work.file.name} also in file "
        f"{other.file_id} ({other.name}), which {_when(other)}",
        "lines that were not sent before",
        f"release only the new lines ({_release(work, ' --lines new-lines')}) or all of it ({_release(work)}), "
        "or discard it",
    )
    if work.dry:
        work.holds.append((HoldCode.OVERLAP, message))
    return other.file_id, message


def _when(other: InboundFile) -> str:
    if other.state is FileState.STAGED:
        return f"is preloaded since {other.business_date}"
    return f"posted on {other.business_date}"


def _refuse_lines(work: Work, spool: Spool) -> None:
    """Lines refused because of other lines: repeated in the file, or posted by the file it was released without."""
    table, number = work.update.staging, work.file.file_id
    portfolio = work.app.settings.portfolio(work.file.portfolio or "")
    if work.file.kind == "assessments" and portfolio.assessments.refuse_repeated_lines:
        staging.refuse_repeats(work.app.db, work.connection, number, table, spool)
    if work.file.new_lines_only:
        others = recently_posted(
            work.connection, work.file, business_date(work), work.app.settings.gateway.intake.overlap_days
        )
        mask, whose = overlap.in_any(work.app, work.connection, others, spool.hashes())
        staging.refuse_shared(work.app.db, work.connection, number, table, overlap.pairs(mask, whose, spool.lines()))


def business_date(work: Work) -> str:
    """The open business date of the file's portfolio; for a bare file the earliest of all."""
    where = "" if work.file.portfolio is None else "WHERE portfolio = :p"
    return str(
        work.connection.execute(
            text(f"SELECT MIN(business_date) FROM portfolio {where}"), {"p": work.file.portfolio} if where else {}
        ).scalar_one()
        or work.app.now()[:10]
    )


def _decide(work: Work, counts: Counts) -> None:
    """What the staged file is: empty, refused whole, preloaded, or to be posted."""
    limit = work.app.settings.gateway.intake.reject_limit_percent
    refused, _, _ = _refused(work)
    lines = counts.lines - counts.blank
    if lines == 0:
        settled(work, FileState.EMPTY, counts)
    elif limit is not None and refused * 100 > limit * lines:
        message = render_message(
            f"{refused} of {lines} lines rejected",
            f"at most {limit:g} % (intake.reject_limit_percent)",
            "correct the file and have it sent again, or raise the limit",
        )
        settled(work, FileState.REJECTED, counts, code=HoldCode.REJECT_LIMIT, message=message)
    elif refused == lines:
        settled(work, FileState.REJECTED, counts, code=HoldCode.NOTHING_POSTED, message=_nothing(lines))
    elif work.file.kind == "assessments" and _at_end_of_period(work):
        settled(work, FileState.STAGED, counts)
    else:
        _post(work, counts)


def _nothing(lines: int) -> str:
    return render_message(f"{lines} lines, all rejected", "a line that can be posted", "see the exception report")


def _at_end_of_period(work: Work) -> bool:
    return work.app.settings.portfolio(work.file.portfolio or "").assessments.posting == "end-of-period"


def _refused(work: Work) -> tuple[int, int, int]:
    """Lines refused so far, their readable money, and how many of them have none."""
    row = work.connection.execute(
        text(
            "SELECT COUNT(*), COALESCE(SUM(amount_cents), 0), COUNT(*) - COUNT(amount_cents) FROM line_message "
            "WHERE file_id = :id AND severity = 'R'"
        ),
        {"id": work.file.file_id},
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


def _post(work: Work, counts: Counts) -> None:
    """The update posts what stands; then count and money must add up to what was received."""
    file = work.file
    before, before_cents, unreadable = _refused(work)
    context = PostingContext(
        work.app.db, work.connection, work.app.settings,
        FileFacts(file.file_id, file.name, file.kind, file.portfolio),
        work.app.operator.code, work.app.now(), unit_kind=work.unit_kind,
    )  # fmt: skip
    drafts = work.drafts if counts.records >= BESIDE_RECORDS and file.kind in FOLLOWED else None
    if drafts is not None:
        drafts.begin(file, business_date=business_date(work), posted_at=context.posted_at)
        context.follower = drafts
    outcome = work.update.post(context)
    if drafts is not None:
        drafts.end()
    context.close_units()
    _check(work, counts, before, before_cents, outcome)
    nothing = outcome.posted + outcome.suspended == 0
    values: dict[str, Any] = {
        "records": outcome.posted + outcome.suspended, "rejects": before + outcome.rejected,
        "posted_cents": outcome.posted_cents, "suspended_cents": outcome.suspended_cents,
        "rejected_cents": before_cents + outcome.rejected_cents, "held_cents": 0, "unreadable": unreadable,
        "lines": counts.lines, "blank": counts.blank, "amount_cents": counts.amount_cents,
        "posted_at": context.posted_at, "business_date": business_date(work),
        "hold_code": HoldCode.NOTHING_POSTED.value if nothing else None,
        "hold_text": _nothing(counts.lines - counts.blank) if nothing else None,
    }  # fmt: skip
    after = FileState.REJECTED if nothing else FileState.POSTED
    move(work.connection, file.file_id, file.state, after, reported="N", **values)
    if not work.dry:
        crashpoints.reached(Step.POSTED_UNCOMMITTED)


def _check(work: Work, counts: Counts, before: int, before_cents: int, outcome: Outcome) -> None:
    """Received = posted + suspended + rejected, in lines and in cents."""
    lines = before + outcome.posted + outcome.suspended + outcome.rejected + counts.blank
    cents = before_cents + outcome.posted_cents + outcome.suspended_cents + outcome.rejected_cents
    if lines != counts.lines or cents != counts.amount_cents:
        raise LedgerError(
            f"posting {work.file.name}: found {lines} lines and {shown(cents)} accounted for ({outcome}, {before} refused "
            f"before), expected {counts.lines} lines and {shown(counts.amount_cents)}"
        )


def settled(
    work: Work, state: FileState, counts: Counts, *, code: HoldCode | None = None, message: str | None = None
) -> None:
    """A state without postings: empty, refused whole, or preloaded."""
    refused, refused_cents, unreadable = _refused(work)
    waiting = state is FileState.STAGED
    rejects = refused if waiting else counts.lines - counts.blank
    rejected_cents = refused_cents if waiting else counts.amount_cents
    move(
        work.connection, work.file.file_id, work.file.state, state,
        lines=counts.lines, records=counts.lines - counts.blank - rejects, rejects=rejects, blank=counts.blank,
        amount_cents=counts.amount_cents, posted_cents=0, suspended_cents=0, rejected_cents=rejected_cents,
        held_cents=counts.amount_cents - rejected_cents, unreadable=unreadable,
        hold_code=code and code.value, hold_text=message, posted_at=None,
        business_date=business_date(work), reported="N",
    )  # fmt: skip


def _held(work: Work, code: HoldCode, message: str, against: int | None, counts: Counts | None) -> None:
    """Nothing posts until an operator says so. Figures where the file was read."""
    figures: dict[str, Any] = {}
    if counts is not None:
        figures = {
            "lines": counts.lines, "records": counts.records, "rejects": counts.rejects, "blank": counts.blank,
            "amount_cents": counts.amount_cents, "posted_cents": 0, "suspended_cents": 0,
            "rejected_cents": counts.rejected_cents, "held_cents": counts.records_cents,
            "unreadable": counts.unreadable,
        }  # fmt: skip
    move(
        work.connection, work.file.file_id, work.file.state, FileState.HELD,
        hold_code=code.value, hold_text=message, held_against=against, **figures,
    )  # fmt: skip
    log.get(__name__).warning("alarm.file_held", file_id=work.file.file_id, name=work.file.name, code=code.value)


def _update(work: Work, **values: Any) -> None:
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    work.connection.execute(
        text(f"UPDATE inbound_file SET {assignments} WHERE file_id = :id"), {**values, "id": work.file.file_id}
    )


def _counts_of(file: InboundFile) -> Counts:
    """The figures of a preloaded file, with what an operator corrected in it since."""
    return Counts(
        lines=file.lines or 0, records=file.records or 0, rejects=file.rejects or 0, blank=file.blank or 0,
        records_cents=(file.amount_cents or 0) - (file.rejected_cents or 0), rejected_cents=file.rejected_cents or 0, unreadable=file.unreadable or 0,
    )  # fmt: skip
