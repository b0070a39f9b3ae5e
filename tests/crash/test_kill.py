"""KilledError at each durable step, then the same commands again: the same ledger, files and deliveries as if nothing had been.

The steps are those of ``gateway.crashpoints.Step``: a new one joins by being named there. One that no command of the
day reaches fails here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.crashpoints import Step
from tests.crash.checks import assert_as_undisturbed
from tests.crash.conftest import Rig, World
from tests.crash.driver import BY_HAND, DAY, KilledError, part_of, play

ONCE_A_PROCESS = frozenset(
    {Step.APPROVED, Step.PUT_AWAY, Step.KEY_WRITTEN, Step.KEYS_CHANGED, Step.COPIES_CHANGED, Step.KEY_ADOPTED}
)
"""A command approves one file and rotates once, and the day has one bank file that is delivered: there is no second time
to be killed at."""
SECOND_TIMES = [step for step in Step if step not in ONCE_A_PROCESS]


def killed_and_started_again(world: World, step: str, times: int = 1) -> None:
    """Play the step's part of the day, killed at the step; where it is met again after the start, so often again."""
    part = part_of(step)
    commands = DAY[part.first : part.end]
    with pytest.raises(KilledError):
        play(world.gateway.killed_at(step), commands)
    for _ in range(times - 1):
        try:
            play(world.gateway.killed_at(step), commands)
        except KilledError:
            continue
    play(world.gateway, commands)


@pytest.mark.parametrize("step", list(Step), ids=str)
def test_killed_at_a_step(rig: Rig, world_at: Callable[[int], World], step: Step) -> None:
    """The first file of a group, the first module, the first delivery."""
    world = world_at(part_of(step).first)
    killed_and_started_again(world, step)
    assert_as_undisturbed(world, rig.undisturbed[DAY[: part_of(step).end]])


@pytest.mark.parametrize("step", SECOND_TIMES, ids=str)
def test_killed_at_the_second_time(rig: Rig, world_at: Callable[[int], World], step: Step) -> None:
    """The second group of claims, the second file, module or group of deliveries."""
    world = world_at(part_of(step).first)
    killed_and_started_again(world, f"{step}:2")
    assert_as_undisturbed(world, rig.undisturbed[DAY[: part_of(step).end]])


@pytest.mark.parametrize("step", list(Step), ids=str)
def test_killed_again_while_it_recovers(rig: Rig, world_at: Callable[[int], World], step: Step) -> None:
    """What takes up the work of a killed process can be killed too."""
    world = world_at(part_of(step).first)
    killed_and_started_again(world, step, times=2)
    assert_as_undisturbed(world, rig.undisturbed[DAY[: part_of(step).end]])


@pytest.mark.parametrize("step", [Step.BUILT_UNCOMMITTED, Step.BUILT, Step.RENDERED], ids=str)
def test_killed_while_a_person_builds_a_file(rig: Rig, world_at: Callable[[int], World], step: Step) -> None:
    """``gateway outbound build`` has its own way through these steps, and its own reports."""
    world = world_at(1)
    with pytest.raises(KilledError):
        play(world.gateway.killed_at(step), BY_HAND[1:])
    play(world.gateway, BY_HAND[1:])
    assert_as_undisturbed(world, rig.expected(BY_HAND))
