"""verify finds each thing that someone changed about suspense behind the gateway's back."""

from __future__ import annotations

import pytest

from gateway.app import App
from gateway.ledger.verify import verify
from gateway.updates import suspense_reversal, suspense_undo, suspense_work
from gateway.updates.suspense_reversal import Added, Change
from gateway.updates.suspense_rules import Target
from gateway.updates.suspense_work import Check
from tests.ledger.test_verify import behind, failed
from tests.updates.payment_world import World
from tests.updates.test_suspense_work import app, item, world

__all__ = ["app", "world"]

LEFT = "suspense items are what is left of them"
AS_POSTED = "reversal suspense items are as posted"
WORK = "work on suspense is as posted"
PAID = "applied suspense pays what its entries pay"
CHECKS = "checks out of suspense are as posted"
GAPS = "the history of suspense has no gap"
SUBLEDGER = "subledger equals ledger"
OF_LINES = "suspended lines have their item"


@pytest.fixture
def worked(world: World, app: App) -> World:
    """Moves of item 1: 1 LTCH and 2 PYMT of invoice 10, 3 invoice 20 of the other office, 4 a check, 5 and 6 a check
    taken back, 7 a note. Item 2 was added over 0.50 and changed to 0.60, 0.10 of it cleared."""
    number = item(world)
    suspense_work.apply(app, number, [Target("invoice", "10", 30), Target("invoice", "20", 10)], reason="r")
    suspense_work.pay(app, number, Check("1"), "X", cents=5, reason="r")
    suspense_work.pay(app, number, Check("2"), "X", cents=6, reason="r")
    suspense_undo.undo(app, number, 5, reason="r")
    suspense_work.note(app, number, "n")
    added = suspense_reversal.add(app, Added("1", "1", 50), reason="r").item.item
    suspense_reversal.change(app, added, Change(60), reason="r")
    suspense_work.clear(app, added, "001", cents=10, reason="r")
    assert failed(verify(world.db)) == {}
    return world


CHANGES = [
    ("UPDATE suspense_item SET remaining_cents = remaining_cents - 1 WHERE kind = 'SUSPENSE'", {LEFT, SUBLEDGER}),
    ("UPDATE suspense_item SET amount_cents = amount_cents + 1, remaining_cents = remaining_cents + 1 "
     "WHERE kind = 'SUSPENSE'", {LEFT, SUBLEDGER, OF_LINES}),
    ("UPDATE suspense_item SET amount_cents = amount_cents + 1 WHERE kind = 'REVERSAL'", {LEFT, AS_POSTED}),
    ("UPDATE suspense_item SET office_id = 2 WHERE kind = 'REVERSAL'", {AS_POSTED, SUBLEDGER}),
    ("UPDATE suspense_move SET cents = cents - 1 WHERE item = 1 AND number = 1", {LEFT, WORK, PAID}),
    ("UPDATE suspense_move SET cents = -5 WHERE kind = 'NOTE'", {LEFT, WORK}),
    ("UPDATE suspense_move SET invoice = '11' WHERE item = 1 AND number = 1", {PAID}),
    ("UPDATE suspense_move SET charge = 'PYMT' WHERE item = 1 AND number = 1", {PAID}),
    ("UPDATE suspense_move SET lease = '1' WHERE item = 1 AND number = 3", {PAID}),
    ("UPDATE suspense_move SET far_entry_id = NULL WHERE item = 1 AND number = 3", {PAID}),
    ("UPDATE suspense_move SET entry_id = entry_id + 1 WHERE kind = 'CLEAR'", {WORK}),
    ("UPDATE suspense_move SET cents = -49 WHERE kind = 'CHANGE' AND cents < 0", {WORK}),
    ("UPDATE suspense_move SET cents = 51 WHERE kind = 'ADD'", {WORK}),
    ("UPDATE suspense_move SET number = 8 WHERE item = 1 AND number = 7", {GAPS}),
    ("DELETE FROM suspense_move WHERE kind = 'CLEAR'", {LEFT, WORK}),
    ("DELETE FROM suspense_move WHERE kind = 'UNDO'", {LEFT, WORK, CHECKS, GAPS}),
    ("UPDATE bank_check SET amount_cents = 4 WHERE check_no = '1'", {CHECKS}),
    ("UPDATE bank_check SET bank = '125' WHERE check_no = '1'", {CHECKS}),
    ("UPDATE bank_check SET state = 'VOID' WHERE check_no = '1'", {CHECKS}),
    ("UPDATE bank_check SET state = 'NEW' WHERE check_no = '2'", {CHECKS}),
    ("DELETE FROM bank_check WHERE check_no = '1'", {CHECKS}),
    ("UPDATE payment_line SET state = 'REVERSED', reversed_by = entry_id WHERE suspense_item = 1; "
     "UPDATE suspense_item SET remaining_cents = remaining_cents + 1 WHERE item = 1", {LEFT, SUBLEDGER}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "names"), CHANGES, ids=[str(n) for n in range(len(CHANGES))])
def test_every_change_behind_the_gateways_back_is_found(worked: World, change: str, names: set[str]) -> None:
    behind(worked.db, *change.split("; "))
    assert set(failed(verify(worked.db))) == names


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("payment_line SET amount_cents = 59", {LEFT}),
        ("payment_line SET amount_cents = 85", {LEFT, OF_LINES}),
        ("payment_line SET entry_id = entry_id + 1", {OF_LINES}),
        ("suspense_item SET remaining_cents = 61", {LEFT, OF_LINES, SUBLEDGER}),
    ],
)
def test_the_line_of_what_was_spent_is_held_to_its_item(world: World, app: App, change: str, names: set[str]) -> None:
    """0.60 of 0.85 were spent, the rest was applied again."""
    world.payments("I10,75,B03050890000100000002")
    world.payments("L1,125,B03050890000100000003")
    number = item(world)
    suspense_work.apply(app, number, [Target("invoice", "20", 60)], reason="r")
    world.reversals("I10,75,B03050890000100000002,RNSFC")
    assert failed(verify(world.db)) == {}
    which = (
        f"suspense_item = {number} AND state = 'APPLIED'" if change.startswith("payment_line") else f"item = {number}"
    )
    behind(world.db, f"UPDATE {change} WHERE {which}")
    assert set(failed(verify(world.db))) == names
