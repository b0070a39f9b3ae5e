"""What stands in the way of a file: it waits (portfolio not known, business date closed), or it is held until an
operator says so (a torn tail, the same bytes again, lines that posted before). A check notes all of it and goes on. A
bank's file under the name of a file of lines is refused.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from gateway import log
from gateway.answers.names import answer_patterns
from gateway.intake import overlap, staging
from gateway.intake.files import InboundFile, equal_files, file_row, move, recently_posted
from gateway.intake.hashes import Spool
from gateway.intake.parsing import UnreadableError, parse_stream
from gateway.intake.staging import Counts
from gateway.intake.states import FileState, HoldCode
from gateway.intake.work import Work, business_date, lock
from gateway.money import shown
from gateway.sealed_files import clear_blocks
from parsers.base import render_message
from parsers.nacha_lines import HEAD, is_nacha


def open_or_wait(work: Work, portfolios: list[str]) -> bool:
    """Lock these portfolios; if one cannot be posted to now, the file waits."""
    if may_post(work, portfolios):
        return True
    code, message = work.holds[-1]
    if work.file.state is not FileState.WAITING or work.file.hold_code != code.value:
        values = {"hold_code": code.value, "hold_text": message}
        if work.file.state is FileState.WAITING:
            _update(work, **values)
        else:
            move(work.connection, work.file.file_id, work.file.state, FileState.WAITING, **values)
    return False


def may_post(work: Work, portfolios: list[str]) -> bool:
    """Lock these portfolios and see that each is loaded and its business date open; the first that is not is noted."""
    lock(work, portfolios)
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
                "load it with `gateway load DIR --date YYYY-MM-DD`; the file then posts",
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


def is_torn(work: Work) -> bool:
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
        f"look at the end of the file; release it if it is whole ({_release(work)}), or "
        f"discard it ({_discard(work)}) and have it sent again",
    )
    if work.dry:
        work.holds.append((HoldCode.TORN_TAIL, message))
        return False
    file, profile = work.file, work.app.settings.inbound
    counts = staging.count(parse_stream(work.path, file.kind, file.form, profile, progress=work.progress))
    hold(work, HoldCode.TORN_TAIL, message, None, counts)
    return True


def _release(work: Work, lines: str = "") -> str:
    """The command that lets this file post, as it is typed."""
    return f"`gateway files release {work.number}{lines} --reason WHY`"


def _discard(work: Work) -> str:
    return f"`gateway files discard {work.number} --reason WHY`"


def is_duplicate(work: Work) -> bool:
    """The same bytes again, before anything is read."""
    equal = equal_files(work.connection, work.file)
    if not equal:
        return False
    other = file_row(work.connection, equal[0][0])
    message = render_message(
        f"the same bytes as file {other.file_id} ({other.name}, {other.state.value})",
        "a file that was not sent before",
        f"discard it ({_discard(work)}), or release it if it is meant to post again ({_release(work)})",
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
    hold(work, HoldCode.DUPLICATE, message, other.file_id, counts)
    return True


def overlapping(work: Work, spool: Spool, counts: Counts) -> tuple[int, str] | None:
    """(other file, message) when too much of this file has posted before: of its lines that are not in the files it was
    released in spite of."""
    mine, numbers = spool.hashes(), spool.lines()
    seen = work.file.seen(HoldCode.OVERLAP)
    if seen:
        passed = [file_row(work.connection, number) for number in sorted(seen)]
        known, _ = overlap.in_any(work.app, work.connection, passed, mine)
        mine, numbers = mine[~known], numbers[~known]
    others = overlap.candidates(work.app, work.connection, work.file, business_date(work), mine)
    others = [other for other in others if other.file_id not in seen]
    found = overlap.find(work.app, work.connection, others, mine) if others else None
    if found is None:
        return None
    other = found.other
    cents = staging.shared_cents(
        work.app.db, work.connection, work.file.file_id, work.update.staging,
        staging.line_pairs(found.mask, numbers, numbers),
    )  # fmt: skip
    message = render_message(
        f"{found.lines} of {counts.lines - counts.blank} lines ({shown(cents)}) of {work.file.name} also in file "
        f"{other.file_id} ({other.name}), which {_when(other)}",
        "lines that were not sent before",
        f"release only the new lines ({_release(work, ' --lines new-lines')}) or all of it ({_release(work)}), "
        f"or discard it ({_discard(work)})",
    )
    if work.dry:
        work.holds.append((HoldCode.OVERLAP, message))
    return other.file_id, message


def _when(other: InboundFile) -> str:
    if other.state is FileState.STAGED:
        return f"is preloaded since {other.business_date}"
    return f"posted on {other.business_date}"


def refuse_lines(work: Work, spool: Spool) -> None:
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


def hold(work: Work, code: HoldCode, message: str, against: int | None, counts: Counts | None) -> None:
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


def refuse_a_bank_file(work: Work) -> None:
    """A bank's file under the name of a file of lines is not read: its lines would be quoted, with account numbers in
    them."""
    head = next(clear_blocks(work.path, work.app.vault), b"")[:HEAD]
    if not is_nacha(head):
        return
    patterns = answer_patterns(work.app.settings.gateway)
    named = f"under a name of its own ({patterns})" if patterns else "when [banks.*] of gateway.toml names the bank"
    got = "" if work.dry else f", or get its bytes by `gateway files export {work.file.file_id} TARGET --reason WHY`"
    raise UnreadableError(
        HoldCode.BANK_FILE,
        render_message(
            f"a NACHA file under the name {work.file.name}",
            f"lines of {work.file.kind}",
            f"nothing of it was taken; a bank has to send it again {named}{got}",
        ),
    )
