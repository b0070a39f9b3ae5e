"""Several processes at once, on one home and on two homes that share database and inbox: everything happens once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.crashpoints import Step
from gateway.errors import Refused
from gateway.home import Home
from tests.crash.checks import assert_as_undisturbed
from tests.crash.conftest import Rig, World
from tests.crash.driver import DATE, DAY, SAMPLE, Gateway, KilledError, deliver, play

FIGURES = ("name", "lines", "records", "rejects", "amount", "rejected_amount")
Inbound = list[tuple[object, ...]]


def at_once(*gateways: Gateway, args: tuple[str, ...]) -> None:
    for running in [gateway.start(*args) for gateway in gateways]:
        running.wait()


def inbound(gateway: Gateway) -> Inbound:
    """Each file's figures. Of several processes nobody knows who claims first, and a payment that comes before its
    charge goes to suspense: what is posted and what is suspended is taken together."""
    rows = gateway.rows("files", "list")
    assert {row["state"] for row in rows} == {"POSTED"}
    return sorted(
        (*(row[key] for key in FIGURES), Decimal(row["posted_amount"]) + Decimal(row["suspended_amount"]))
        for row in rows
    )


@pytest.fixture
def alone(rig: Rig, tmp_path: Path) -> Inbound:
    """What one process comes to."""
    with rig.world(1, tmp_path / "alone") as world:
        return inbound(world.gateway)


def assert_posted_once(gateway: Gateway, alone: Inbound) -> None:
    assert inbound(gateway) == alone
    assert gateway.run("verify").code == 0
    left = [p.name for p in gateway.home.inbox.rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert left == []


def test_three_processes_on_one_home(world_at: Callable[[int], World], alone: Inbound) -> None:
    gateway = world_at(0).gateway
    at_once(gateway, gateway, gateway, args=("process",))
    gateway.run("process")
    assert_posted_once(gateway, alone)


def test_one_of_two_is_killed(world_at: Callable[[int], World], alone: Inbound) -> None:
    """What the killed one had claimed is taken over by whoever comes next."""
    gateway = world_at(0).gateway
    running = gateway.killed_at(Step.CLAIM_ARCHIVED).start("process")
    other = gateway.start("process")
    with suppress(KilledError):  # the other may have been so quick that nothing was left to claim
        running.wait()
    other.wait()
    gateway.run("process")
    assert_posted_once(gateway, alone)


def test_end_of_period_twice_at_once(rig: Rig, world_at: Callable[[int], World]) -> None:
    """One runs it; the other is told so, or comes when all is over."""
    world = world_at(1)
    both = [world.gateway.start("eop", "--date", DATE) for _ in range(2)]
    first, second = sorted((running.wait(Refused.exit_code) for running in both), key=lambda done: done.code)
    assert first.code == 0
    assert second.code == 0 or "found another process at it" in second.err
    play(world.gateway, DAY[1:])
    assert_as_undisturbed(world, rig.undisturbed[DAY])


def test_three_deliver_at_once(rig: Rig, world_at: Callable[[int], World]) -> None:
    world = world_at(3)
    at_once(world.gateway, world.gateway, world.gateway, args=("deliver",))
    deliver(world.gateway)
    assert_as_undisturbed(world, rig.undisturbed[DAY[:4]])


def test_two_homes_with_one_ledger_and_one_inbox(
    rig: Rig, world_at: Callable[[int], World], alone: Inbound,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Two machines: each archives, posts and reports what it claimed. SQLite's ledger lies in a home, and is shared by
    naming it."""
    world = world_at(0)
    first = world.gateway
    other = Home(tmp_path / "other")
    shutil.copytree(first.home.root, other.root)
    shutil.rmtree(other.inbox)
    other.inbox.mkdir()
    settings = first.home.settings_file.read_text(encoding="utf-8")
    shared = settings.replace("[sources.inbox]\n", f'[sources.inbox]\npath = "{first.home.inbox}"\n')
    if not first.database_url:
        other.ledger.unlink()
        shared = shared.replace('url = ""', f'url = "sqlite:///{first.home.ledger}"')
    other.settings_file.write_text(shared, encoding="utf-8")
    second = replace(first, home=other)
    at_once(first, second, args=("process",))
    first.run("process")
    second.run("process")
    files = list((SAMPLE / "inbox").iterdir())
    originals = [p for home in (first.home, other) for p in home.archive.rglob("*") if p.is_file() and not p.suffix]
    assert len(originals) == len(files)
    reported = [p for home in (first.home, other) for p in home.reports.rglob("*u04*a.rpt")]
    assert len(reported) == len(files)
    shutil.copytree(other.archive, first.home.archive, dirs_exist_ok=True)  # verify asks for every original
    assert_posted_once(first, alone)
