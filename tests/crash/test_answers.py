"""Killed while a file of the bank is taken in, at each step it meets: the same ledger afterwards as if nothing had been,
every return posted once, every change proposed once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text

from gateway.app import open_app
from gateway.crashpoints import Step
from gateway.ledger.verify import verify
from gateway.parts import verify_options
from tests.answers import bank
from tests.crash import picture
from tests.crash.conftest import Rig, World
from tests.crash.driver import DAY, KilledError, deliver, process

DELIVERED = DAY.index(deliver) + 1
STEPS = (
    Step.CLAIM_RENAMED, Step.CLAIM_ARCHIVED, Step.CLAIM_RECORDED, Step.CLAIM_UNLINKED, Step.POSTED_UNCOMMITTED,
    Step.POSTED, Step.REPORTED,
)  # fmt: skip


def drop_answers(world: World) -> None:
    """A return and a correction of the first payment, and one of nobody's."""
    app = open_app(world.home.root)
    try:
        with app.db.read() as connection:
            statement = "SELECT trace_number, amount_cents FROM ach_entry WHERE kind = 'LIVE' ORDER BY trace_number"
            trace, cents = connection.execute(text(statement)).first() or ("", 0)
    finally:
        app.close()
    returned = bank.return_of(trace, cents, reason="R02", trace="091000010000701", account="")
    changed = bank.change_of(trace, "99887766", trace="091000010000702")
    strange = bank.return_of("091000019999999", 5, trace="091000010000703")
    (world.home.inbox / "returns.ach").write_bytes(bank.whole(returned, changed, strange))


@pytest.fixture(scope="session")
def undisturbed(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> picture.Picture:
    with rig.world(DELIVERED, tmp_path_factory.mktemp("answers") / "undisturbed") as world:
        drop_answers(world)
        process(world.gateway)
        found = world.picture()
    assert [row.split(" outcome=")[0].rpartition(" ")[2] for row in found["ach_answer"]] == [
        "state=DONE", "state=DONE", "state=UNMATCHED",
    ]  # fmt: skip
    return found


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("times", [1, 2])
def test_killed_while_answers_are_taken_in(
    world_at: Callable[[int], World], undisturbed: picture.Picture, step: Step, times: int
) -> None:
    world = world_at(DELIVERED)
    drop_answers(world)
    with pytest.raises(KilledError):
        process(world.gateway.killed_at(step))
    for _ in range(times - 1):
        try:
            process(world.gateway.killed_at(step))
        except KilledError:
            continue
    process(world.gateway)
    assert picture.differences(undisturbed, world.picture()) == []
    app = open_app(world.home.root)
    try:
        assert [check for check in verify(app.db, **verify_options(app)) if not check.ok] == []
    finally:
        app.close()
