"""A file that a bank sends, in one transaction, with its own state in it: duplicate, read, may it post, take in.

It has entries and not lines: a file is never torn or an overlap, each entry is known again by what it says
(``gateway/answers``). An entry that waits for a person counts as a reject of the file; money
of one that repeats an earlier answer is rejected too, for it was posted then, but nobody has to see to it.
"""

from __future__ import annotations

from gateway import crashpoints
from gateway.answers.files import bank_file
from gateway.crashpoints import Step
from gateway.intake.files import move
from gateway.intake.holds import is_duplicate, open_or_wait
from gateway.intake.parsing import Reading, UnreadableError
from gateway.intake.staging import Counts
from gateway.intake.states import FileState, HoldCode
from gateway.intake.work import Work, business_date, require_claimed_bytes, settled
from gateway.sealed_files import clear_blocks


def process(work: Work) -> None:
    """Raises UnreadableError when nothing of it can be read."""
    if work.file.bytes == 0:
        settled(work, FileState.EMPTY, Counts())
        return
    if is_duplicate(work):
        return
    app, connection, file, kind = work.app, work.connection, work.file, bank_file(work.file.kind)
    reading = Reading()
    read = kind.read(app, file.name, reading.through(clear_blocks(work.path, app.vault), work.progress))
    require_claimed_bytes(work, reading)
    if isinstance(read, str):
        raise UnreadableError(HoldCode.UNREADABLE, read)
    if not open_or_wait(work, kind.portfolios(connection, read)):
        return
    at = app.now()
    taken = kind.take(app, connection, file.file_id, file.name, read, at=at)
    move(
        connection, file.file_id, file.state, FileState.POSTED,
        lines=taken.lines, records=taken.lines - taken.waiting, rejects=taken.waiting, blank=0,
        amount_cents=taken.cents, posted_cents=taken.cents - taken.idle_cents, suspended_cents=0,
        rejected_cents=taken.idle_cents, held_cents=0, unreadable=taken.unreadable,
        hold_code=None, hold_text=None, posted_at=at, business_date=business_date(work), reported="N",
    )  # fmt: skip
    if not work.dry:
        crashpoints.reached(Step.POSTED_UNCOMMITTED)
