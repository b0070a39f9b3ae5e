"""``gateway run`` as a person starts it: picks up what is dropped, ends on SIGTERM, and after a kill needs nobody."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from gateway.app import open_app
from gateway.crashpoints import Step
from tests.crash.checks import assert_as_undisturbed
from tests.crash.conftest import Rig, World
from tests.crash.driver import DAY, OPERATOR, SAMPLE, KilledError, drop_sample

ROOT = Path(__file__).resolve().parents[2]
AS = ("--operator", OPERATOR)
"""The service has a code of its own; under the one that plays the day, both come to the same to the letter."""
SAMPLE_FILES = len(list((SAMPLE / "inbox").iterdir()))


@contextmanager
def cold_service(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """The real command, imports and all; killed at the end if the test did not end it."""
    with (world.gateway.scratch / "service.out").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", *AS, "--home", str(world.home.root)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(pid: int, world: World, settled: Callable[[Connection], bool]) -> None:
    """Look until it is so; a service that ended meanwhile never gets there."""
    ended = os.pidfd_open(pid)
    app = open_app(world.home.root)
    try:
        while True:
            with app.db.read() as connection:
                if settled(connection):
                    return
            assert not select.select([ended], [], [], 0.05)[0], "the service ended"
    finally:
        app.close()
        os.close(ended)


def all_reported(connection: Connection) -> bool:
    statement = "SELECT COUNT(*) FROM inbound_file WHERE state = 'POSTED' AND reported = 'Y'"
    return int(connection.execute(text(statement)).scalar_one()) == SAMPLE_FILES


def all_delivered(connection: Connection) -> bool:
    return not connection.execute(text("SELECT 1 FROM delivery WHERE state <> 'DELIVERED'")).first()


def killed_and_started_again(world: World, step: Step, settled: Callable[[Connection], bool]) -> None:
    with pytest.raises(KilledError):
        world.gateway.killed_at(step).start("run", *AS).wait()
    running = world.gateway.start("run", *AS)
    until(running.pid, world, settled)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait().code == 0


def test_it_takes_what_is_dropped_and_ends_on_sigterm(rig: Rig, world_at: Callable[[int], World]) -> None:
    world = world_at(0)
    for path in list(world.home.inbox.iterdir()):
        if path.is_file():
            path.unlink()
    with cold_service(world) as running:
        until(running.pid, world, lambda _: (world.home.inbox / ".claimed" / "1.lock").exists())
        drop_sample(world.home)
        until(running.pid, world, all_reported)
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) == 0
    assert_as_undisturbed(world, rig.undisturbed[DAY[:1]])


@pytest.mark.parametrize("step", [Step.CLAIM_RECORDED, Step.POSTED, Step.REPORTED], ids=str)
def test_killed_while_it_posts_and_started_again(rig: Rig, world_at: Callable[[int], World], step: Step) -> None:
    world = world_at(0)
    killed_and_started_again(world, step, all_reported)
    assert_as_undisturbed(world, rig.undisturbed[DAY[:1]])


def test_killed_while_it_delivers_and_started_again(rig: Rig, world_at: Callable[[int], World]) -> None:
    """The bank has the file, nobody noted it: the next start asks the bank before it sends anything."""
    world = world_at(3)
    killed_and_started_again(world, Step.RENAMED_AT_TARGET, all_delivered)
    assert_as_undisturbed(world, rig.undisturbed[DAY[:4]])
