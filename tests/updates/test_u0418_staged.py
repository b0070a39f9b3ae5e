"""Preloaded assessments: what an operator may change before End of Period posts them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Refused
from gateway.ledger.database import Database
from gateway.updates import assess_staged
from gateway.updates.base import Outcome
from gateway.updates.u0418 import UPDATE
from parsers.profile import DEFAULT
from tests.updates.assess_world import World, assessment


@pytest.fixture
def world(db: Database) -> World:
    made = World(db)
    made.lease("12345", next_due="2026-03-20")
    made.stage(UPDATE, [assessment(1, cents=100, lease="99"), assessment(2, cents=50, lease="12345")], state="STAGED")
    return made


def _correct(world: World, line_no: int = 1, file_id: int = 1, **changes: Any) -> None:
    with world.db.write() as c:
        assess_staged.correct_staged(
            c, file_id, line_no, changes, operator="JS1", reason="wrong lease", profile=DEFAULT
        )


def test_a_corrected_record_posts_as_corrected_and_says_who_and_why(world: World) -> None:
    _correct(world, lease="12345", amount_cents=175)
    assert world.messages(1)[1] == (
        "STAGED_CORRECTED",
        "Found lease 99, amount 1.00, expected lease 12345, amount 1.75: nothing, JS1 corrected it before posting "
        "because wrong lease.",
    )
    assert world.rows("SELECT amount_cents FROM inbound_file") == [(225,)]
    assert world.post(UPDATE, 1) == Outcome(posted=2, posted_cents=225)


def test_correcting_twice_keeps_both_messages(world: World) -> None:
    _correct(world, lease="12345")
    _correct(world, due_date="2026-04-01")
    assert world.rows("SELECT seq, severity FROM line_message ORDER BY seq") == [(200, "W"), (201, "W")]


def test_a_deleted_record_does_not_post(world: World) -> None:
    with world.db.write() as c:
        assess_staged.delete_staged(c, 1, 1, operator="JS1", reason="sent twice")
    assert world.messages(1)[1] == (
        "STAGED_DELETED",
        "Found LTCH of 1.00, deleted by JS1 because sent twice, expected a record to post: drop the line again if it "
        "is to post after all.",
    )
    with world.db.read() as c:
        assert [(r.line_no, code) for r, code in assess_staged.staged_rows(c, 1)] == [(1, "STAGED_DELETED"), (2, None)]
    assert world.post(UPDATE, 1) == Outcome(posted=1, posted_cents=50)
    with pytest.raises(Refused, match=r"found it refused \(STAGED_DELETED\)"):
        _correct(world, lease="12345")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount_cents": 0}, "expected more than zero"),
        ({"code": "PTAX"}, "asset-level code PTAX"),
        ({"lease": None}, "Found neither"),
        ({"ptcode": "AUTO"}, "<ptcode> with LTCH"),
        ({"lease": "12345678901"}, "10 at most"),
        ({"lease": "1<assmt>LEGF"}, "a second time"),
        ({"lease": "1\n"}, "expected one"),
        ({"colour": "red"}, "found colour"),
        ({}, "found no change"),
    ],
)
def test_nothing_can_be_staged_that_could_not_have_come_in_a_file(
    world: World, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused) as refused:
        _correct(world, **changes)
    assert words in str(refused.value)
    assert world.messages(1) == {}


def test_only_staged_files_and_standing_records_can_be_changed(world: World) -> None:
    with pytest.raises(Refused, match="found no staged record"):
        _correct(world, 3, lease="1")
    with pytest.raises(Refused, match="found the file missing"):
        _correct(world, 1, 9, lease="1")
    other = world.stage(UPDATE, [assessment(1, lease="12345")], state="POSTED")
    with pytest.raises(Refused, match="found the file POSTED"):
        _correct(world, 1, other, lease="1")
