"""What operators do with held, failed and rejected files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from typer.main import get_command

from gateway.app import App, Operator
from gateway.cli.main import app as commands
from gateway.errors import Refused, UsageError
from gateway.intake import actions
from gateway.intake.files import InboundFile, file_row, move
from gateway.intake.processing import process_file
from gateway.intake.service import Intake
from gateway.intake.states import FileState
from tests.intake.conftest import charge, journal_lines
from tests.intake.plain import PlainUpdate

Post = Callable[..., InboundFile]
NAME = "p1_btchassmt.dat"
MONTH = b"".join(charge(100 + n, 1000 + n) for n in range(12))


def events(app: App) -> list[tuple[str, str, str]]:
    with app.db.read() as connection:
        rows = connection.execute(text("SELECT action, subject, reason FROM operator_event ORDER BY event_id"))
        return [(row[0], row[1], row[2]) for row in rows]


def drain(app: App) -> None:
    intake = Intake(app)
    intake.process_now([])
    intake.close()


def state(app: App, file_id: int) -> tuple[str, str | None]:
    with app.db.read() as connection:
        row = connection.execute(
            text("SELECT state, hold_code FROM inbound_file WHERE file_id = :i"), {"i": file_id}
        ).one()
        return row[0], row[1]


def test_a_line_that_is_meant_twice_posts_the_way_its_reject_says(app: App, post: Post) -> None:
    assert post(NAME, charge(100) + charge(101) + charge(100)).rejects == 1
    alone = post(NAME, charge(100))
    assert (alone.state, alone.hold_code) == (FileState.HELD, "OVERLAP")
    actions.release(app, alone.file_id, reason="both are meant")
    drain(app)
    assert state(app, alone.file_id) == ("POSTED", None)
    assert journal_lines(app) == 6


def test_each_reason_is_let_pass_by_itself(app: App, post: Post) -> None:
    post(NAME, MONTH)
    file = post(NAME, MONTH + charge(150)[:-1])
    assert file.hold_code == "TORN_TAIL"
    actions.release(app, file.file_id, reason="whole")
    drain(app)
    assert state(app, file.file_id) == ("HELD", "OVERLAP")
    actions.release(app, file.file_id, reason="only the new one", how="new-lines")
    drain(app)
    assert state(app, file.file_id) == ("POSTED", None)
    assert journal_lines(app) == 26
    assert events(app) == [
        ("files.release.all", f"file:{file.file_id}", "whole"),
        ("files.release.new-lines", f"file:{file.file_id}", "only the new one"),
    ]


def test_a_duplicate_posts_again_when_released(app: App, post: Post) -> None:
    post(NAME, MONTH)
    file = post(NAME, MONTH)
    actions.release(app, file.file_id, reason="meant twice")
    drain(app)
    assert state(app, file.file_id) == ("POSTED", None)
    assert journal_lines(app) == 48


def test_only_new_lines_of_a_duplicate_are_none(app: App, post: Post) -> None:
    post(NAME, MONTH)
    file = post(NAME, MONTH)
    actions.release(app, file.file_id, reason="x", how="new-lines")
    drain(app)
    assert state(app, file.file_id) == ("REJECTED", "NOTHING_POSTED")


def test_a_failed_file_is_tried_again(app: App, post: Post, update: PlainUpdate) -> None:
    update.fault = RuntimeError("x")
    file = post(NAME, MONTH)
    assert actions.release(app, file.file_id, reason="fixed").state is FileState.CLAIMED
    drain(app)
    assert state(app, file.file_id) == ("POSTED", None)


def test_a_discarded_file_never_posts_and_may_come_again(app: App, post: Post) -> None:
    file = post(NAME, b"\n" + MONTH[:-1])
    done = actions.discard(app, file.file_id, reason="torn")
    assert (done.state, done.held_cents, done.rejected_cents) == (FileState.DISCARDED, 0, done.amount_cents)
    assert (done.lines, done.records, done.rejects, done.blank) == (13, 0, 12, 1)
    drain(app)
    assert journal_lines(app) == 0
    assert post(NAME, MONTH[:-1]).hold_code == "TORN_TAIL"


def test_a_repaired_line_posts_as_a_file_of_its_own(app: App, post: Post) -> None:
    file = post(NAME, charge(100) + b"<lease>101<assmt>LTCH<amount>4.33\n" + charge(299))
    fixed = "<lease>101<assmt>LTCH<amount>433"
    new = actions.repair(app, file.file_id, {2: fixed}, reason="cents")
    assert (new.name, new.source, new.bytes) == (f"{NAME}.repair-1", f"repair:{file.file_id}", len(fixed) + 1)
    drain(app)
    assert state(app, new.file_id) == ("POSTED", None)
    with pytest.raises(Refused, match="repaired before"):
        actions.repair(app, file.file_id, {2: fixed}, reason="again")
    second = actions.repair(app, file.file_id, {3: "<lease>298<assmt>LTCH<amount>1"}, reason="x")
    drain(app)
    assert state(app, second.file_id) == ("REJECTED", "NOTHING_POSTED")
    third = actions.repair(app, second.file_id, {1: "<lease>199<assmt>LTCH<amount>1"}, reason="x")
    assert third.name == f"{NAME}.repair-2.repair-1"


def test_a_file_that_is_reversed_meanwhile_is_not_repaired(
    app: App, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = post(NAME, charge(100) + b"junk\n")

    def reversed_meanwhile(*_: Any) -> None:
        with app.db.write() as connection:
            move(connection, file.file_id, FileState.POSTED, FileState.REVERSED)

    monkeypatch.setattr(actions.archive, "flush", reversed_meanwhile)
    with pytest.raises(Refused, match="repairing file 1: found it REVERSED, expected POSTED"):
        actions.repair(app, file.file_id, {2: "<lease>101<assmt>LTCH<amount>433"}, reason="x")
    assert state(app, file.file_id)[0] == "REVERSED"
    with app.db.read() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM inbound_file")).scalar_one() == 1


@pytest.mark.parametrize(("line", "words"), [(1, "x"), (2, ""), (2, "a\nb"), (2, "é"), (9, "x")])
def test_what_cannot_be_repaired(app: App, post: Post, line: int, words: str) -> None:
    file = post(NAME, charge(100) + b"junk\n")
    with pytest.raises(UsageError):
        actions.repair(app, file.file_id, {line: words}, reason="x")
    with pytest.raises(UsageError):
        actions.repair(app, file.file_id, {}, reason="x")


def test_what_the_states_refuse(app: App, post: Post) -> None:
    file = post(NAME, MONTH)
    with pytest.raises(Refused, match="found it POSTED, expected HELD or FAILED"):
        actions.release(app, file.file_id, reason="x")
    with pytest.raises(Refused):
        actions.discard(app, file.file_id, reason="x")
    held = post(NAME, MONTH)
    with pytest.raises(Refused):
        actions.reverse(app, held.file_id, reason="x")
    with pytest.raises(Refused):
        actions.repair(app, held.file_id, {1: "x"}, reason="x")


def test_rights_and_reasons_are_asked_for(app: App, post: Post) -> None:
    file = post(NAME, MONTH[:-1])
    looker = replace(app, operator=Operator("LOK", "lou", frozenset({"approve"})))
    with pytest.raises(Refused, match="without the right 'post'"):
        actions.release(looker, file.file_id, reason="x")
    with pytest.raises(UsageError, match="found no reason"):
        actions.discard(app, file.file_id, reason=" ")
    assert process_file(app, file.file_id).file.state is FileState.HELD


def test_what_was_refused_there_is_new_here(app: App, post: Post) -> None:
    """A line of a posted file that was refused never posted: it is neither named as posted nor left out."""
    lines = charge(150, 2500) + charge(250, 9900)
    first = post(NAME, lines)
    assert (first.state, first.rejects) == (FileState.POSTED, 1)
    with app.db.write() as connection:
        connection.execute(text("UPDATE lease SET portfolio = '1', office_id = 1 WHERE lease = '250'"))
    held = post(NAME, lines + charge(151, 100))
    assert held.hold_code == "OVERLAP"
    assert held.hold_text is not None and "1 of 3 lines (25.00)" in held.hold_text
    actions.release(app, held.file_id, reason="the rest", how="new-lines")
    drain(app)
    with app.db.read() as connection:
        done = file_row(connection, held.file_id)
    assert (done.records, done.posted_cents, done.rejected_cents) == (2, 10000, 2500)


def test_refused_lines_dropped_again_are_not_held(app: App, post: Post) -> None:
    post(NAME, charge(150) + charge(250) + charge(251))
    with app.db.write() as connection:
        connection.execute(text("UPDATE lease SET portfolio = '1', office_id = 1 WHERE lease IN ('250', '251')"))
    assert post(NAME, charge(250) + charge(251)).state is FileState.POSTED


def test_only_the_file_that_posted_a_line_keeps_it_out(app: App, post: Post) -> None:
    """After the first file is taken back, what the second was released without posts with the third."""
    first = post(NAME, MONTH)
    second = post(NAME, MONTH + charge(150))
    actions.release(app, second.file_id, reason="x", how="new-lines")
    drain(app)
    third = post(NAME, MONTH + charge(151))
    assert third.held_against == first.file_id
    with app.db.write() as connection:
        connection.execute(text("UPDATE inbound_file SET state = 'REVERSED' WHERE file_id = :i"), {"i": first.file_id})
    assert state(app, second.file_id) == ("POSTED", None)
    actions.release(app, third.file_id, reason="x", how="new-lines")
    drain(app)
    with app.db.read() as connection:
        assert (file_row(connection, third.file_id).records, file_row(connection, third.file_id).rejects) == (13, 0)


def test_that_only_new_lines_are_meant_is_not_forgotten(app: App, post: Post) -> None:
    """The same file dropped again meanwhile holds it once more; its release says nothing of lines."""
    post(NAME, MONTH)
    file = post(NAME, MONTH + charge(150))
    assert post(NAME, MONTH + charge(150)).hold_code == "DUPLICATE"
    actions.release(app, file.file_id, reason="only the new one", how="new-lines")
    drain(app)
    assert state(app, file.file_id) == ("HELD", "DUPLICATE")
    actions.release(app, file.file_id, reason="the copy is not meant")
    drain(app)
    assert state(app, file.file_id) == ("POSTED", None)
    assert journal_lines(app) == 26


def test_every_command_a_message_prints_can_be_typed(app: App, post: Post) -> None:
    texts = [
        post("p7_btchassmt.dat", MONTH).hold_text,
        post(NAME, MONTH[:-1]).hold_text,
        post(NAME, MONTH).hold_text,
        post(NAME, MONTH).hold_text,
        post(NAME, MONTH + charge(150)).hold_text,
    ]
    typed = [command for words in texts for command in re.findall("`gateway ([^`]*)`", words or "")]
    assert len(typed) == 8, texts
    tree = get_command(commands)
    for command in typed:
        parse(tree, command.split())
    assert not any("gateway files" in (words or "").replace("`gateway files", "") for words in texts)


def parse(command: Any, words: list[str]) -> None:
    """Raises when an option is missing or unknown."""
    with command.make_context("gateway", list(words)) as context:
        if hasattr(command, "resolve_command"):
            _, inner, rest = command.resolve_command(context, words)
            parse(inner, rest)
