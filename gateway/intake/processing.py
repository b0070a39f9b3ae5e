"""One claimed file into the ledger, in one transaction, with the file's own state change in it.

In order: whose turn (the row, then the portfolio, is locked), may it post (portfolio known, business date open), is
it whole (torn tail), is it new (duplicate), read and stage, is it new in part (overlap), post, add up, commit. A rule
that says no is a state of the file; a fault rolls all of it back, and the file stays to be tried again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import stamina
from sqlalchemy import Connection

from gateway import crashpoints, log
from gateway.app import App
from gateway.crashpoints import Step
from gateway.errors import LedgerError
from gateway.intake import archive, bank_files, overlap, staging
from gateway.intake.drafting import Drafts
from gateway.intake.files import InboundFile, file_row, hold_row, move
from gateway.intake.hashes import Spool
from gateway.intake.holds import (
    hold,
    is_duplicate,
    is_torn,
    may_post,
    open_or_wait,
    overlapping,
    refuse_a_bank_file,
    refuse_lines,
)
from gateway.intake.parsing import Reading, UnreadableError
from gateway.intake.reader import BESIDE_BYTES, BESIDE_RECORDS
from gateway.intake.registry import is_bank_kind
from gateway.intake.staging import Counts
from gateway.intake.states import PROCESSABLE, FileState, HoldCode
from gateway.intake.turns import Turns
from gateway.intake.work import (
    Progress,
    Work,
    business_date,
    chunks,
    lease_portfolios,
    lock,
    refused,
    require_claimed_bytes,
    settled,
)
from gateway.ledger.faults import in_words, is_conflict
from gateway.money import shown
from gateway.updates.base import FileFacts, Outcome, PostingContext, Update
from parsers.base import render_message

RETRIES: Final = 6
"""How often a file is taken up again when the database was busy or undid the transaction to resolve a conflict."""


@dataclass(frozen=True, slots=True)
class ProcessedFile:
    """What became of a file."""

    file: InboundFile

    @property
    def clean(self) -> bool:
        """Posted (or empty, or preloaded) without a rejected line."""
        return self.file.state in (FileState.POSTED, FileState.EMPTY, FileState.STAGED) and not self.file.rejects


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
            lock(work, [file.portfolio] if file.portfolio else lease_portfolios(work))
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


def _fail(app: App, file_id: int, fault: Exception, turns: Turns) -> None:
    log.get(__name__).error("alarm.file_failed", file_id=file_id, error=str(fault), exc_info=fault)
    with turns.mine(), app.db.write() as connection:
        file = file_row(connection, file_id)
        if FileState.FAILED in file.state.following:
            move(
                connection, file_id, file.state, FileState.FAILED, hold_code=HoldCode.FAULT.value,
                hold_text=f"{in_words(fault)}: mend the cause; gateway files release {file_id} --reason WHY tries it again",
            )  # fmt: skip


def _quarantine(app: App, file_id: int, fault: UnreadableError, turns: Turns) -> None:
    with app.db.read() as connection:
        file = file_row(connection, file_id)
    kept = archive.quarantine(app.home, file_id, file.name, file.archive_name)
    log.get(__name__).error("alarm.file_quarantined", file_id=file_id, error=str(fault), kept=kept.name)
    with turns.mine(), app.db.write() as connection:
        file = file_row(connection, file_id)
        if FileState.QUARANTINED in file.state.following:
            day = business_date(Work(app, connection, file, None, file.archived(app.home)))  # of which it is shown
            move(
                connection, file_id, file.state, FileState.QUARANTINED, hold_code=fault.code.value,
                hold_text=str(fault), business_date=day,
            )  # fmt: skip


# the steps, all inside the transaction


def process(work: Work) -> None:
    """All steps of one file; ``work.holds`` says why it would wait or be held."""
    if is_bank_kind(work.file.kind):
        bank_files.process(work)
        return
    refuse_a_bank_file(work)
    if work.file.portfolio is not None and not open_or_wait(work, [work.file.portfolio]):
        return
    if work.file.bytes == 0:
        settled(work, FileState.EMPTY, Counts())
        return
    if is_torn(work) or is_duplicate(work):
        return
    if work.drafts is not None and work.file.portfolio is not None and work.file.bytes >= BESIDE_BYTES:
        work.drafts.prepare(work.file)
    inside = work.connection.begin_nested()
    with Spool(work.app.home.work, f"file-{work.file.file_id}-{uuid.uuid4().hex}") as spool:
        counts = _stage(work, spool)
        if work.file.portfolio is None:
            portfolios = lease_portfolios(work)
            if not may_post(work, portfolios):
                inside.rollback()
                open_or_wait(work, portfolios)
                return
        if not work.file.new_lines_only:
            found = overlapping(work, spool, counts)
            if found is not None and not work.dry:
                inside.rollback()
                hold(work, HoldCode.OVERLAP, found[1], found[0], counts)
                return
        refuse_lines(work, spool)
        if not work.dry:
            overlap.keep(work.app, work.file, spool)
            overlap.remember(work.app, work.connection, work.file, spool.hashes())
    inside.commit()
    if not work.dry:
        crashpoints.reached(Step.STAGED)
    _decide(work, counts)


def _stage(work: Work, spool: Spool) -> Counts:
    """Read the archived bytes; they must be those that were claimed."""
    reading = Reading()
    counts = staging.stage(
        work.app.db, work.connection, work.file.file_id, work.update.staging, chunks(work, reading), spool
    )
    require_claimed_bytes(work, reading)
    if counts.lines != counts.records + counts.rejects + counts.blank:
        raise LedgerError(
            f"reading {work.file.name}: found {counts.records} records, {counts.rejects} rejects and {counts.blank} blank "
            f"lines, expected them to make {counts.lines} lines"
        )
    return counts


def _decide(work: Work, counts: Counts) -> None:
    """What the staged file is: empty, refused whole, preloaded, or to be posted."""
    limit = work.app.settings.gateway.intake.reject_limit_percent
    bad, _, _ = refused(work)
    lines = counts.lines - counts.blank
    if lines == 0:
        settled(work, FileState.EMPTY, counts)
    elif limit is not None and bad * 100 > limit * lines:
        message = render_message(
            f"{bad} of {_count(lines)} rejected",
            f"at most {limit:g} % (intake.reject_limit_percent)",
            "correct the file and have it sent again, or raise the limit",
        )
        settled(work, FileState.REJECTED, counts, code=HoldCode.REJECT_LIMIT, message=message)
    elif bad == lines:
        settled(work, FileState.REJECTED, counts, code=HoldCode.NOTHING_POSTED, message=_nothing(lines))
    elif work.file.kind == "assessments" and _at_end_of_period(work):
        settled(work, FileState.STAGED, counts)
    else:
        _post(work, counts)


def _count(lines: int) -> str:
    return f"{lines} line{'' if lines == 1 else 's'}"


def _nothing(lines: int) -> str:
    return render_message(f"{_count(lines)}, all rejected", "a line that can be posted", "see the exception report")


def _at_end_of_period(work: Work) -> bool:
    return work.app.settings.portfolio(work.file.portfolio or "").assessments.posting == "end-of-period"


def _post(work: Work, counts: Counts) -> None:
    """The update posts what stands; then count and money must add up to what was received."""
    file = work.file
    before, before_cents, unreadable = refused(work)
    context = PostingContext(
        work.app.db, work.connection, work.app.settings,
        FileFacts(file.file_id, file.name, file.kind, file.portfolio),
        work.app.operator.code, work.app.now(), unit_kind=work.unit_kind,
    )  # fmt: skip
    drafts = work.drafts if counts.records >= BESIDE_RECORDS and file.portfolio is not None else None
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


def _counts_of(file: InboundFile) -> Counts:
    """The figures of a preloaded file, with what an operator corrected in it since."""
    return Counts(
        lines=file.lines or 0, records=file.records or 0, rejects=file.rejects or 0, blank=file.blank or 0,
        records_cents=(file.amount_cents or 0) - (file.rejected_cents or 0), rejected_cents=file.rejected_cents or 0, unreadable=file.unreadable or 0,
    )  # fmt: skip
