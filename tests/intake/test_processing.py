"""One file, one transaction: what posts, what is held, what waits, what fails and can be tried again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway.app import App
from gateway.errors import Refused
from gateway.intake import actions, overlap, preloaded
from gateway.intake.archive import hashes_path
from gateway.intake.files import InboundFile, file_row, move
from gateway.intake.processing import post_staged, process_file
from gateway.intake.states import FileState
from gateway.ledger.faults import is_conflict
from gateway.updates.assess_staged import correct_staged, delete_staged
from tests.intake.conftest import again, charge, journal_lines, with_intake
from tests.intake.plain import PlainUpdate
from tests.support.at_once import until_it_waits

Post = Callable[..., InboundFile]
NAME = "p1_btchassmt.dat"
MONTH = b"".join(charge(100 + n, 1000 + n) for n in range(20))


def sql(app: App, statement: str, **values: object) -> None:
    with app.db.write() as connection:
        connection.execute(text(statement), values)


def codes(app: App, file_id: int) -> list[tuple[int, str]]:
    with app.db.read() as connection:
        rows = connection.execute(
            text("SELECT line_no, code FROM line_message WHERE file_id = :id ORDER BY line_no"), {"id": file_id}
        )
        return [(row[0], row[1]) for row in rows]


def staged(app: App) -> int:
    with app.db.read() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM staged_assessment")).scalar_one())


def test_a_clean_file_posts(app: App, post: Post) -> None:
    file = post(NAME, charge(100) + b"\n" + charge(101, 50))
    assert (file.state, file.lines, file.records, file.rejects, file.blank) == (FileState.POSTED, 3, 2, 0, 1)
    assert (file.amount_cents, file.posted_cents, file.rejected_cents) == (2550, 2550, 0)
    assert (file.business_date, file.reported) == ("2026-03-02", "N")
    assert journal_lines(app) == 4


def test_bad_lines_do_not_stop_good_ones(app: App, post: Post) -> None:
    file = post(NAME, charge(100) + b"<lease>101<assmt>LTCH<amount>4.33\n" + charge(250) + b"rubbish\n")
    assert (file.state, file.records, file.rejects) == (FileState.POSTED, 1, 3)
    assert (file.posted_cents, file.rejected_cents, file.unreadable) == (2500, file.amount_cents - 2500, 2)  # type: ignore[operator]
    assert [line for line, _ in codes(app, file.file_id)] == [2, 3, 4]


@pytest.mark.parametrize(("leases", "found"), [([200, 201], "2 lines"), ([200], "1 line")])
def test_only_lines_of_another_portfolio_post_nothing(app: App, post: Post, leases: list[int], found: str) -> None:
    file = post(NAME, b"".join(map(charge, leases)))
    assert (file.state, file.hold_code, file.rejects) == (FileState.REJECTED, "NOTHING_POSTED", len(leases))
    assert (
        file.hold_text == f"Found {found}, all rejected, expected a line that can be posted: see the exception report."
    )
    assert file.rejected_cents == file.amount_cents == 2500 * len(leases)
    assert journal_lines(app) == 0


def test_nothing_readable_posts_nothing(app: App, post: Post) -> None:
    file = post(NAME, b"what\nis this\n")
    assert (file.state, file.rejects, file.unreadable) == (FileState.REJECTED, 2, 2)


@pytest.mark.parametrize(("data", "lines"), [(b"", 0), (b"\n\r\n", 2)])
def test_empty_files_are_empty_however_often(app: App, post: Post, data: bytes, lines: int) -> None:
    post(NAME, charge(100))
    for _ in range(2):
        file = post(NAME, data)
        assert (file.state, file.lines, file.hold_code) == (FileState.EMPTY, lines, None)


def test_torn_tail_is_held_and_posts_when_released(app: App, post: Post, update: PlainUpdate) -> None:
    file = post(NAME, charge(100) + charge(101, 4329)[:-1])
    assert (file.state, file.hold_code, file.lines, file.held_cents) == (FileState.HELD, "TORN_TAIL", 2, 6829)
    assert staged(app) == 0 and journal_lines(app) == 0
    sql(app, "UPDATE inbound_file SET state = 'CLAIMED', release = 'all TORN_TAIL' WHERE file_id = :i", i=file.file_id)
    assert again(app, file.file_id, update).file.posted_cents == 6829


def test_the_same_bytes_are_held_until_let_pass(app: App, post: Post, update: PlainUpdate) -> None:
    first = post(NAME, MONTH)
    second = post("P1_BTCHASSMT.DAT", MONTH)
    assert (second.state, second.hold_code, second.held_against) == (FileState.HELD, "DUPLICATE", first.file_id)
    assert second.hold_text is not None and f"file {first.file_id} ({NAME}, POSTED)" in second.hold_text
    assert second.held_cents == first.amount_cents
    third = post(NAME, MONTH)
    assert third.hold_code == "DUPLICATE"
    release = f"all DUPLICATE:{first.file_id},{third.file_id}"
    sql(app, "UPDATE inbound_file SET state='CLAIMED', release=:r WHERE file_id=:i", r=release, i=second.file_id)
    assert again(app, second.file_id, update).file.state is FileState.POSTED


def test_all_money_of_a_duplicate_is_held_whatever_the_other_one_was_refused(app: App, post: Post) -> None:
    data = charge(100) + charge(250, 400) + b"junk\n"
    first, second = post(NAME, data), post(NAME, data)
    assert (first.posted_cents, first.rejected_cents, first.rejects) == (2500, 400, 2)
    assert second.hold_code == "DUPLICATE"
    assert (second.amount_cents, second.held_cents, second.rejected_cents) == (2900, 2900, 0)
    assert (second.lines, second.records, second.rejects) == (3, 2, 1)


def test_the_same_bytes_for_another_portfolio_are_another_file(app: App, post: Post) -> None:
    post(NAME, charge(100))
    assert post("p2_btchassmt.dat", charge(100)).state is FileState.REJECTED


def test_a_file_that_posted_nothing_is_no_duplicate(app: App, post: Post) -> None:
    post(NAME, charge(200))
    assert post(NAME, charge(200)).hold_code == "NOTHING_POSTED"


def test_same_name_with_other_bytes_is_an_ordinary_file(app: App, post: Post) -> None:
    post(NAME, charge(100))
    assert post(NAME, charge(101)).state is FileState.POSTED


def test_half_the_lines_of_a_posted_file_hold(app: App, post: Post, update: PlainUpdate) -> None:
    first = post(NAME, MONTH)
    lines = MONTH.splitlines(keepends=True)
    data = b"".join([charge(150), *lines[5:10], *(charge(160 + n) for n in range(4))])
    file = post(NAME, data)
    assert (file.state, file.hold_code, file.held_against) == (FileState.HELD, "OVERLAP", first.file_id)
    assert file.hold_text is not None and "5 of 10 lines (50.35)" in file.hold_text
    assert staged(app) == 20
    sql(app, "UPDATE inbound_file SET state='CLAIMED', release='new-lines OVERLAP' WHERE file_id=:i", i=file.file_id)
    done = again(app, file.file_id, update).file
    assert (done.state, done.records, done.rejects, done.rejected_cents) == (FileState.POSTED, 5, 5, 5035)
    assert {code for _, code in codes(app, file.file_id)} == {"RELEASED_WITHOUT"}


def test_all_of_an_overlap_posts_when_released_so(app: App, post: Post, update: PlainUpdate) -> None:
    post(NAME, MONTH)
    file = post(NAME, MONTH + charge(150))
    actions.release(app, file.file_id, reason="the sender says so")
    assert again(app, file.file_id, update).file.records == 21


def test_a_release_lets_pass_only_the_file_that_was_seen(app: App, post: Post, update: PlainUpdate) -> None:
    """While a file is held, its sender drops its new lines alone: they must not post a second time with all of it."""
    new = b"".join(charge(150 + n, 5000) for n in range(5))
    first, held = post(NAME, MONTH), post(NAME, MONTH + new)
    alone = post(NAME, new)
    assert (held.held_against, alone.state) == (first.file_id, FileState.POSTED)
    actions.release(app, held.file_id, reason="both months stand")
    again_held = again(app, held.file_id, update).file
    assert (again_held.state, again_held.hold_code, again_held.held_against) == (
        FileState.HELD,
        "OVERLAP",
        alone.file_id,
    )
    assert again_held.hold_text is not None and "5 of 25 lines (250.00)" in again_held.hold_text
    actions.release(app, held.file_id, reason="those too")
    done = again(app, held.file_id, update).file
    assert (done.state, done.records, done.release) == (
        FileState.POSTED, 25, f"all OVERLAP:{first.file_id} OVERLAP:{alone.file_id}",
    )  # fmt: skip


def test_a_duplicate_that_was_let_pass_is_held_for_what_a_third_file_posted(
    app: App, post: Post, update: PlainUpdate
) -> None:
    first, longer = post(NAME, MONTH), post(NAME, MONTH + charge(150))
    actions.release(app, longer.file_id, reason="both months stand")
    assert again(app, longer.file_id, update).file.state is FileState.POSTED
    copy = post(NAME, MONTH + charge(150))
    assert (copy.hold_code, copy.held_against) == ("DUPLICATE", longer.file_id)
    actions.release(app, copy.file_id, reason="sent for another month")
    held = again(app, copy.file_id, update).file
    assert (held.state, held.hold_code, held.held_against) == (FileState.HELD, "OVERLAP", first.file_id)


def test_a_common_beginning_holds_however_long_the_file(app: App, post: Post) -> None:
    post(NAME, MONTH[: MONTH.index(b"<lease>110")])
    more = b"".join(charge(100 + n, 7000 + n) for n in range(40))
    assert post(NAME, MONTH[: MONTH.index(b"<lease>110")] + more).hold_code == "OVERLAP"
    assert post(NAME, MONTH[: MONTH.index(b"<lease>109")] + more[:-1] + b"1\n").state is FileState.POSTED


def test_fewer_lines_or_longer_ago_do_not_hold(app: App, post: Post) -> None:
    post(NAME, MONTH)
    few = MONTH.splitlines(keepends=True)[5:9] + [charge(140 + n) for n in range(5)]
    assert post(NAME, b"".join(few)).state is FileState.POSTED
    sql(app, "UPDATE portfolio SET business_date = '2026-04-17' WHERE portfolio = '1'")
    assert post(NAME, MONTH + charge(150)).state is FileState.POSTED


def test_an_equal_line_counts_once_for_each_in_the_other_file(app: App, post: Post) -> None:
    post(NAME, charge(100))
    assert post(NAME, charge(100) * 3).state is FileState.POSTED


@pytest.mark.parametrize("left", [None, 0, 8, 19 * 8, 21 * 8])
def test_hashes_are_made_again_from_the_original(app: App, post: Post, left: int | None) -> None:
    """Where there are none, or not as many bytes as its twenty lines have."""
    file = post(NAME, MONTH)
    path = hashes_path(app.home, file.archive_name)
    kept = path.read_bytes()
    path.unlink()
    if left is not None:
        path.write_bytes((kept * 2)[:left])
    assert overlap.hashes_of(app, file).tobytes() == kept == path.read_bytes()


@pytest.mark.parametrize("hashes_are_here", [False, True])
def test_a_file_like_one_whose_original_is_not_here_waits_with_words(
    app: App, post: Post, hashes_are_here: bool
) -> None:
    """As where homes share a ledger and not the archive: nobody could say which lines are new, or which had been refused."""
    first = post(NAME, MONTH + b"junk\n")
    moved = first.archived(app.home).rename(app.home.root / "elsewhere")
    if not hashes_are_here:
        hashes_path(app.home, first.archive_name).unlink()
    second = post(NAME, MONTH + charge(150))
    assert (second.state, second.hold_code) == (FileState.FAILED, "FAULT")
    assert second.hold_text is not None and second.hold_text.startswith(
        f"comparing with file {first.file_id} ({NAME}): found no original of it in {app.home.archive} here, expected one"
    )
    moved.rename(first.archived(app.home))
    actions.release(app, second.file_id, reason="shared the folder")
    assert process_file(app, second.file_id).file.hold_code == "OVERLAP"


def test_a_repeated_line_is_refused_by_number(app: App, post: Post) -> None:
    file = post(NAME, charge(100) + charge(101) + charge(100) + charge(100) + b"junk\njunk\n")
    assert codes(app, file.file_id) == [
        (3, "REPEATED_LINE"), (4, "REPEATED_LINE"), (5, "TEXT_OUTSIDE_TAGS"), (6, "TEXT_OUTSIDE_TAGS"),
    ]  # fmt: skip
    assert (file.posted_cents, file.rejected_cents) == (5000, 5000)
    with app.db.read() as connection:
        words = connection.execute(
            text("SELECT found, expected, action FROM line_message WHERE line_no = 4 AND file_id = :i"),
            {"i": file.file_id},
        ).one()
    assert tuple(words) == (
        "the text of line 1 again",
        "each line once in a file",
        "nothing if it slipped in twice; if both are meant, drop the line in a file of its own, which will be held as one "
        "that posted before, and release that whole (`gateway files release N --reason WHY`)",
    )


def test_as_many_rejects_as_the_limit_says_are_taken(app: App, post: Post) -> None:
    strict = replace(app, settings=with_intake(app.settings, reject_limit_percent=25))
    file = post(NAME, charge(100) + charge(101) + charge(102) + b"junk\n", with_app=strict)
    assert (file.state, file.rejects, file.posted_cents) == (FileState.POSTED, 1, 7500)


def test_reject_limit(app: App, post: Post) -> None:
    strict = replace(app, settings=with_intake(app.settings, reject_limit_percent=33))
    file = post(NAME, charge(100) + charge(101) + b"junk\n")
    assert file.state is FileState.POSTED
    [(file_id)] = [post(NAME, charge(102) + charge(103) + b"junk\n", process=False).file_id]
    done = process_file(strict, file_id, update=PlainUpdate()).file
    assert (done.state, done.hold_code, done.rejects, done.posted_cents) == (FileState.REJECTED, "REJECT_LIMIT", 3, 0)


def test_a_closed_business_date_makes_files_wait(app: App, post: Post, update: PlainUpdate) -> None:
    sql(app, "UPDATE portfolio SET period_state = 'CLOSED' WHERE portfolio = '1'")
    file = post(NAME, MONTH)
    assert (file.state, file.hold_code) == (FileState.WAITING, "PERIOD_CLOSED")
    assert again(app, file.file_id, update).file.state is FileState.WAITING
    sql(app, "UPDATE portfolio SET period_state = 'OPEN', business_date = '2026-03-03' WHERE portfolio = '1'")
    done = again(app, file.file_id, update).file
    assert (done.state, done.business_date, done.hold_code) == (FileState.POSTED, "2026-03-03", None)


def test_an_unknown_portfolio_makes_files_wait(app: App, post: Post) -> None:
    file = post("p7_btchassmt.dat", MONTH)
    assert (file.state, file.hold_code) == (FileState.WAITING, "UNKNOWN_PORTFOLIO")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RuntimeError("the roof is\non fire"), "RuntimeError: the roof is on fire"),
        (
            OperationalError("INSERT", {"name": "JANE"}, sqlite3.OperationalError("database or disk is full")),
            "OperationalError: database or disk is full: the ledger's disk, or that of temporary files: SQLITE_TMPDIR, TMPDIR "
            "or /var/tmp",
        ),
        (
            OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error")),
            "OperationalError: disk I/O error",
        ),
    ],
)
def test_a_fault_leaves_nothing_and_can_be_tried_again(
    app: App, post: Post, update: PlainUpdate, fault: Exception, words: str
) -> None:
    update.fault = fault
    file = post(NAME, MONTH)
    assert (file.state, file.hold_code) == (FileState.FAILED, "FAULT")
    assert file.hold_text == (
        f"{words}: mend the cause; gateway files release {file.file_id} --reason WHY tries it again"
    )
    assert staged(app) == 0 and journal_lines(app) == 0
    update.fault = None
    sql(app, "UPDATE inbound_file SET state = 'CLAIMED' WHERE file_id = :i", i=file.file_id)
    assert again(app, file.file_id, update).file.state is FileState.POSTED


def driver_said(fault: Exception) -> OperationalError:
    return OperationalError("SELECT", {}, fault)


@pytest.mark.parametrize(
    ("fault", "again_"),
    [
        (driver_said(sqlite3.OperationalError("database is locked")), True),
        (driver_said(sqlite3.OperationalError("database table is busy")), True),
        (driver_said(sqlite3.OperationalError("no such table: x")), False),
        (driver_said(psycopg.errors.SerializationFailure()), True),
        (psycopg.errors.DeadlockDetected(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (driver_said(psycopg.errors.QueryCanceled()), True),
        (driver_said(psycopg.OperationalError("the connection is lost")), True),
        (psycopg.errors.DiskFull(), False),
        (driver_said(psycopg.errors.UniqueViolation()), False),
        (Refused("no"), False),
    ],
)
def test_a_conflict_is_what_passes_by_itself(fault: Exception, again_: bool) -> None:
    assert is_conflict(fault) is again_


def test_a_busy_database_is_asked_again(app: App, post: Post) -> None:
    class Busy(PlainUpdate):
        def post(self, context):  # type: ignore[no-untyped-def]
            if self.posts < 2:
                self.posts += 1
                raise OperationalError("x", {}, sqlite3.OperationalError("database is locked"))
            return super().post(context)

    file = post(NAME, MONTH, process=False)
    assert process_file(app, file.file_id, update=Busy()).file.state is FileState.POSTED


def test_an_update_that_loses_money_posts_nothing(app: App, post: Post) -> None:
    class Loses(PlainUpdate):
        def post(self, context):  # type: ignore[no-untyped-def]
            outcome = super().post(context)
            outcome.posted_cents -= 1
            return outcome

    file = post(NAME, MONTH, process=False)
    done = process_file(app, file.file_id, update=Loses()).file
    assert done.state is FileState.FAILED and "accounted for" in str(done.hold_text)
    assert journal_lines(app) == 0


def test_archived_bytes_that_changed_are_quarantined(app: App, post: Post, update: PlainUpdate) -> None:
    file = post(NAME, MONTH, process=False)
    file.archived(app.home).write_bytes(MONTH.replace(b"1000", b"9000"))
    done = again(app, file.file_id, update).file
    assert (done.state, done.hold_code) == (FileState.QUARANTINED, "CHANGED_WHILE_READ")
    assert [p.name for p in app.home.quarantine.iterdir()] == [f"{file.file_id}-{NAME}"]
    assert journal_lines(app) == 0


def test_a_processed_file_is_not_taken_up_again(app: App, post: Post, update: PlainUpdate) -> None:
    file = post(NAME, MONTH)
    assert again(app, file.file_id, update).file == file
    assert update.posts == 1


def at_end_of_period(app: App) -> App:
    """Its assessments are preloaded."""
    portfolio = app.settings.portfolio("1")
    late = portfolio.model_copy(
        update={"assessments": portfolio.assessments.model_copy(update={"posting": "end-of-period"})}
    )
    return replace(app, settings=replace(app.settings, portfolios={"1": late}))


def test_preloaded_files_post_at_end_of_period(app: App, post: Post, update: PlainUpdate) -> None:
    app = at_end_of_period(app)
    file = post(NAME, MONTH + charge(100, 1000) + b"junk\n" + charge(250), process=False)
    file = process_file(app, file.file_id, update=update).file
    assert (file.state, file.records, file.rejects) == (FileState.STAGED, 21, 2)
    assert file.amount_cents == (file.held_cents or 0) + (file.rejected_cents or 0)
    assert journal_lines(app) == 0
    sql(app, "UPDATE portfolio SET period_state = 'CLOSED' WHERE portfolio = '1'")
    done = post_staged(app, file.file_id, update=update).file
    assert (done.state, done.records, done.rejects, done.held_cents) == (FileState.POSTED, 20, 3, 0)
    assert (done.amount_cents, done.posted_cents) == (file.amount_cents, (file.held_cents or 0) - 2500)
    assert post_staged(app, file.file_id, update=update).file == done
    with app.db.read() as connection:
        assert connection.execute(text("SELECT kind FROM posting_unit")).scalar_one() == "MODULE"


def test_a_bare_escrow_file_posts_to_the_portfolios_of_its_leases(app: App, post: Post) -> None:
    update = PlainUpdate("escrow")
    line = b"%d,260302,500,%04d,SMITH,111 ANZA,,BURLINGAME,CA,94010,REF,,126\n"
    file = post("btchescr.dat", line % (100, 1) + line % (200, 2), process=False)
    assert file.portfolio is None
    sql(app, "UPDATE portfolio SET period_state = 'CLOSED' WHERE portfolio = '2'")
    waits = process_file(app, file.file_id, update=update).file
    assert (waits.state, waits.hold_code) == (FileState.WAITING, "PERIOD_CLOSED")
    sql(app, "UPDATE portfolio SET period_state = 'OPEN' WHERE portfolio = '2'")
    done = process_file(app, file.file_id, update=update).file
    assert (done.state, done.posted_cents) == (FileState.POSTED, 1000)
    with app.db.read() as connection:
        units = connection.execute(text("SELECT portfolio FROM posting_unit ORDER BY 1")).scalars().all()
        assert units == ["1", "2"]
        assert file_row(connection, file.file_id).state is FileState.POSTED


def test_what_an_operator_changed_in_a_preloaded_file_is_what_posts(app: App, post: Post, update: PlainUpdate) -> None:
    file = post(NAME, charge(100, 1000) + charge(101, 1001) + b"junk\n", process=False)
    app = at_end_of_period(app)
    process_file(app, file.file_id, update=update)
    with app.db.write() as connection:
        profile = app.settings.inbound
        correct_staged(connection, file.file_id, 1, {"amount_cents": 7}, operator="OPS", reason="x", profile=profile)
        delete_staged(connection, file.file_id, 2, operator="OPS", reason="x")
    done = post_staged(app, file.file_id, update=update).file
    assert (done.state, done.amount_cents, done.posted_cents, done.rejected_cents) == (FileState.POSTED, 1008, 7, 1001)


def test_a_preloaded_file_that_failed_waits_for_end_of_period_again(app: App, post: Post, update: PlainUpdate) -> None:
    """Released, it is not taken in a second time: its lines are staged, and may have been changed."""
    app = at_end_of_period(app)
    file = process_file(app, post(NAME, MONTH, process=False).file_id, update=update).file
    update.fault = RuntimeError("the roof is on fire")
    assert post_staged(app, file.file_id, update=update).file.state is FileState.FAILED
    update.fault = None
    assert actions.release(app, file.file_id, reason="put out").state is FileState.STAGED
    done = post_staged(app, file.file_id, update=update).file
    assert (done.state, done.records) == (FileState.POSTED, 20)


@pytest.mark.parametrize("struck", [False, True])
def test_what_somebody_discards_at_the_same_moment_is_not_changed(
    app: App, post: Post, update: PlainUpdate, struck: bool
) -> None:
    """Else a discarded file would hold money again."""
    app = at_end_of_period(app)
    file = process_file(app, post(NAME, charge(100, 1000), process=False).file_id, update=update).file

    def change() -> None:
        if struck:
            preloaded.strike(app, file.file_id, 1, reason="billed before")
        else:
            preloaded.correct(app, file.file_id, 1, {"amount": "99.00"}, reason="agreed")

    with ThreadPoolExecutor(1) as people:
        with app.db.write() as connection:
            move(connection, file.file_id, FileState.STAGED, FileState.DISCARDED, held_cents=0, rejected_cents=1000)
            second = people.submit(change)
            until_it_waits(app.db, second)
        with pytest.raises(Refused, match="found the file DISCARDED, expected it STAGED"):
            second.result()
    with app.db.read() as connection:
        assert file_row(connection, file.file_id).amount_cents == 1000
