"""An acknowledgement that tells of several files, or twice of one: every match of the bank's expression is an answer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.answers import reports
from gateway.app import App
from gateway.clock import FixedClock
from gateway.console.status import status
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.release import release
from gateway.settings import Acknowledgements
from tests.answers.world import answers, check, company, differences, drop, send
from tests.outbound import world

FIRST, SECOND = "P01-VACH-BANK-260303.DAT", "P01-VACH-BANK-260303-2.DAT"
TEXT = r"(?P<status>ACCEPTED|REJECTED) FILE (?P<name>\S+)( ENTRIES (?P<entries>\d+))?"


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """Two bank files of one entry each, delivered."""
    form = Acknowledgements(files=("{name}.ack", "ACK*.txt"), text=TEXT)
    app = company(db, home, clock, bank={"acknowledgements": form, "endpoint": "bank"})
    for number in ("4711", "4712"):
        check(db, number, 12_345)
        send(app)
    world.deliveries_are(db, "DELIVERED")
    return app


def deliveries(db: Database) -> list[Any]:
    return [row[0] for row in world.all_of(db, "SELECT state FROM delivery ORDER BY delivery_id")]


CASES: dict[str, tuple[tuple[str, ...], list[tuple[str | None, str, int, int | None]], list[str]]] = {
    "one taken, one refused": (
        (f"ACCEPTED FILE {FIRST}", f"REJECTED FILE {SECOND}"),
        [(None, "DONE", 1, 1), ("REFUSED", "UNMATCHED", 2, 3)], ["ACKNOWLEDGED", "DELIVERED"],
    ),
    "both taken, one in small letters": (
        (f"ACCEPTED FILE {FIRST} ENTRIES 1", "", f"accepted file {SECOND.lower()} entries 1"),
        [(None, "DONE", 1, 1), (None, "DONE", 3, 3)], ["ACKNOWLEDGED", "ACKNOWLEDGED"],
    ),
    "the same twice": (
        (f"ACCEPTED FILE {FIRST}", f"Accepted file {FIRST}"), [(None, "DONE", 1, 1)], ["ACKNOWLEDGED", "DELIVERED"],
    ),
    "one unknown": (
        (f"ACCEPTED FILE {FIRST}", "ACCEPTED FILE NOBODY.DAT"),
        [(None, "DONE", 1, 1), (None, "UNMATCHED", 2, None)], ["ACKNOWLEDGED", "DELIVERED"],
    ),
    "contradictory": (
        (f"ACCEPTED FILE {FIRST}", f"REJECTED FILE {FIRST}", f"ACCEPTED FILE {SECOND}"),
        [(None, "UNMATCHED", 1, 1), (None, "UNMATCHED", 2, 1), (None, "DONE", 3, 3)], ["DELIVERED", "ACKNOWLEDGED"],
    ),
    "contradictory, refused first": (
        (f"REJECTED FILE {FIRST}", f"ACCEPTED FILE {FIRST}"),
        [(None, "UNMATCHED", 1, 1), (None, "UNMATCHED", 2, 1)], ["DELIVERED", "DELIVERED"],
    ),
    "contradictory totals": (
        (f"ACCEPTED FILE {FIRST} ENTRIES 1", f"ACCEPTED FILE {FIRST} ENTRIES 2"),
        [(None, "UNMATCHED", 1, 1), (None, "UNMATCHED", 2, 1)], ["DELIVERED", "DELIVERED"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("case", CASES)
def test_every_match_is_an_answer(app: App, db: Database, case: str, end: str) -> None:
    lines, expected, delivered = CASES[case]
    file = drop(app, end.join((*lines, "")).encode(), "ACK1.txt")
    found = world.all_of(db, "SELECT code, state, line_no, outbound_id FROM ach_answer ORDER BY number")
    assert found == expected
    assert file.rejects == sum(state == "UNMATCHED" for _, state, *_ in expected)
    assert deliveries(db) == delivered
    assert differences(app) == []


def test_a_refusal_on_a_later_line_is_told(app: App) -> None:
    drop(app, f"ACCEPTED FILE {FIRST}\nREJECTED FILE {SECOND}\n".encode(), "ACK1.txt")
    (told,) = status(app, None).answers
    assert f"found {SECOND} REJECTED" in told["outcome"]
    assert release.show(app, 1)["refused"] is None
    assert release.show(app, 3)["refused"]["answer"] == "1/2"


def test_words_that_contradict_each_other_name_their_lines(app: App, db: Database) -> None:
    drop(app, f"ACCEPTED\n\nACCEPTED FILE {FIRST} ENTRIES 1\nREJECTED FILE {FIRST}\n".encode(), "ACK1.txt")
    words = (
        f"found {FIRST} ACCEPTED entries 1 (line 3), REJECTED (line 4) in one acknowledgement, expected one answer about a "
        "file: it may pay it; ask the bank: "
    )
    assert [row[3].startswith(words) for row in answers(db)] == [True, True]


UNREAD: dict[str, tuple[str, int | None, str]] = {
    "none": (f"\n \nACCEPTED FILE {FIRST}\n\n", None, ""),
    "beside an answer": (f"TO US: ACCEPTED FILE {FIRST} THANK YOU\n", None, ""),
    "a heading": (f"FIRST BANK\nACCEPTED FILE {FIRST}\n", 1, "1 line that "),
    "of another form": (f"ACCEPTED FILE {FIRST}\n\nFILE {SECOND} WAS NOT\nTAKEN", 3, "2 lines that "),
}


@pytest.mark.parametrize("case", UNREAD)
def test_lines_that_are_no_answer_are_shown(app: App, db: Database, case: str) -> None:
    """They are no error: banks write headings."""
    written, line, words = UNREAD[case]
    file = drop(app, written.encode(), "ACK1.txt")
    assert (file.state, file.rejects) == ("POSTED", 0)
    found = world.all_of(db, "SELECT line_no, severity, found FROM line_message")
    if line is None:
        assert found == []
        return
    ((at, severity, said),) = found
    assert (at, severity) == (line, "W")
    assert said.startswith(words) and said.endswith(f"the first line {line}")
    with db.read() as connection:
        (row,) = reports.exception_rows(connection, file.file_id)
    assert row[:2] == (line, "FORM") and row[5] == "NOT_READ" and words in row[6]


def test_a_pattern_that_may_match_nothing_is_read_where_it_matches(db: Database, home: Home, clock: FixedClock) -> None:
    form = Acknowledgements(files=("{name}.ack",), text="(RESULT (?P<status>[A-Z]+))?")
    app = company(db, home, clock, bank={"acknowledgements": form})
    check(db, "4711", 12_345)
    send(app)
    drop(app, b"FILE OF TODAY\nRESULT REJECTED\n", f"{FIRST}.ack")
    assert answers(db)[0][1:3] == ("REFUSED", "UNMATCHED")
