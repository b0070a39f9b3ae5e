"""A day of the sample data on both databases, played once undisturbed; its stages are what the tests start from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from gateway import setup
from gateway.app import open_app, system_user
from gateway.clock import FixedClock
from gateway.delivery.keys import make_key
from gateway.delivery.local_server import USER, LocalServer
from gateway.home import Home
from gateway.ledger.load import load
from gateway.ledger.vendor_changes import Maker
from tests.conftest import database_at
from tests.crash import picture
from tests.crash.driver import DATE, DAY, OPERATOR, SAMPLE, Command, Gateway, Zygote, drop_sample, play
from tests.crash.zygote import MORNING
from tests.support.faulty_sftp import Behaviour, FaultyFiles

ENDPOINTS = {"bank": "", "accounting": 'read_back = "size"\n', "dealer": ""}
_BANK = """
[banks.first]
name = "FIRST BANK"
routing_number = "091000019"
immediate_origin = "1234567890"
origin_name = "MAIN STREET LEASING"
company_name = "MAIN STREET LSG"
company_identification = "1234567890"
endpoint = "bank"
"""
_PORTFOLIO = """
[gl]
endpoint = "accounting"
[vendor_ach]
used = true
bank = "first"
[xsellerator]
used = true
endpoint = "dealer"
in_end_of_period = true
[release]
four_eyes = false
"""


def settings_text(url: str, port: int) -> str:
    """One worker, so that files post in the order of their claims and two runs can be compared number by number; two
    claim groups; no long wait before a delivery is tried again."""
    endpoints = "".join(
        f'[endpoints.{name}]\nhost = "127.0.0.1"\nport = {port}\nuser = "{USER}"\nkey = "config/keys/id"\n'
        f'directory = "{name}"\n{more}[endpoints.{name}.retry]\nfirst_seconds = 0.01\n'
        for name, more in ENDPOINTS.items()
    )
    return (
        f'[database]\nurl = "{url}"\n[sources.inbox]\nquiet_seconds = 0.02\n[intake]\nclaim_group = 2\nworkers = 1\n'
        f"[calendar]\ncovered = [2025, 2026, 2027]\n{endpoints}{_BANK}"
    )


@dataclass
class World:
    """A running far side, and a home that delivers to it."""

    gateway: Gateway
    behaviour: Behaviour
    far_side: Path

    @property
    def home(self) -> Home:
        return self.gateway.home

    def picture(self) -> picture.Picture:
        app = open_app(self.home.root)
        try:
            return picture.ledger(app.db) | picture.files(self.home)
        finally:
            app.close()


@dataclass
class Databases:
    """Ledgers of one kind: made anew, and copied. SQLite's lies in the home and is copied with it."""

    admin: str | None
    count: int = 0

    def fresh(self, template: str | None = None) -> str:
        """URL of a new database; '' for SQLite."""
        if self.admin is None:
            return ""
        self.count += 1
        name = f"crash{self.count}"
        source = f"TEMPLATE {template.rsplit('/', 1)[1]} STRATEGY FILE_COPY" if template else ""
        self._execute(f"CREATE DATABASE {name} {source}")
        return database_at(self.admin, name)

    def drop(self, url: str) -> None:
        if url:
            self._execute(f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        assert self.admin is not None
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())


@dataclass(frozen=True)
class Stage:
    """A home as it stands before a command of the day."""

    root: Path
    url: str


@dataclass
class Rig:
    """Everything a test needs to play a day, or the rest of one, on one kind of database."""

    zygote: Zygote
    databases: Databases
    folder: Path
    keys: Path
    public: str
    stages: list[Stage]
    undisturbed: dict[tuple[Command, ...], picture.Picture]
    """What the first commands of the day, or commands of a test's own, come to when nothing disturbs them."""

    @contextmanager
    def world(self, stage: int, folder: Path) -> Iterator[World]:
        """A copy of the home as it stood before this command of the day."""
        with self._world(self.stages[stage], folder) as world:
            yield world

    @contextmanager
    def _world(self, stage: Stage, folder: Path) -> Iterator[World]:
        home = Home(folder / "home")
        shutil.copytree(stage.root, home.root)
        url = self.databases.fresh(stage.url)
        behaviour, far_side = Behaviour(), folder / "far-side"
        for name in ENDPOINTS:
            (far_side / name).mkdir(parents=True)

        def serve(door: object, root: Path) -> FaultyFiles:
            return FaultyFiles(door, root, behaviour)

        with LocalServer(far_side, host_key=self.keys / "host", authorized=[self.public], files=serve) as server:
            home.settings_file.write_text(settings_text(url, server.port), encoding="utf-8")
            home.known_hosts.write_text(server.known_hosts_line + "\n", encoding="ascii")
            scratch = folder / "output"
            scratch.mkdir()
            yield World(Gateway(self.zygote, home, url, scratch=scratch), behaviour, far_side)
        self.databases.drop(url)

    def expected(self, commands: Sequence[Command]) -> picture.Picture:
        """What these commands come to from a day's beginning."""
        key = tuple(commands)
        if key not in self.undisturbed:
            with self.world(0, self.folder / f"undisturbed{len(self.undisturbed)}") as world:
                play(world.gateway, commands)
                self.undisturbed[key] = world.picture()
        return self.undisturbed[key]

    def keep(self, world: World) -> None:
        """The home as it stands now is the next stage."""
        kept = self.folder / f"stage{len(self.stages)}"
        shutil.copytree(world.home.root, kept)
        self.stages.append(Stage(kept, self.databases.fresh(world.gateway.database_url)))


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    started = Zygote.start()
    yield started
    started.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Rig]:
    """The day played once, its stages kept."""
    admin = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    folder = tmp_path_factory.mktemp("crash")
    databases = Databases(admin)
    home = Home(folder / "loaded")
    url = databases.fresh()
    make_loaded_home(home, url)
    keys = folder / "keys"
    keys.mkdir()
    make_key(keys / "host")
    public = make_key(home.keys / "id")
    rig = Rig(zygote, databases, folder, keys, public, [Stage(home.root, url)], {})
    with rig.world(0, folder / "day") as world:
        for number, command in enumerate(DAY, 1):
            command(world.gateway)
            rig.undisturbed[DAY[:number]] = world.picture()
            if number < len(DAY):
                rig.keep(world)
    yield rig
    for stage in rig.stages:
        databases.drop(stage.url)


def make_loaded_home(home: Home, url: str) -> None:
    """A home with the sample's reference data and its inbound files dropped."""
    home.make()
    home.settings_file.write_text(settings_text(url, 22), encoding="utf-8")
    (home.portfolios / "p01.toml").write_text(_PORTFOLIO, encoding="utf-8")
    setup.make_home(home.root, user=system_user(), code=OPERATOR)
    app = open_app(home.root, clock=FixedClock(MORNING))
    try:
        load(
            app.db, [SAMPLE / "reference"], vault=app.vault, maker=Maker(app.operator.code, app.operator.user),
            posted_at=app.now(), business_date=DATE,
        )  # fmt: skip
    finally:
        app.close()
    drop_sample(home)


@pytest.fixture
def world_at(rig: Rig, tmp_path: Path) -> Iterator[Callable[[int], World]]:
    """Gives a world at a stage of the day; it is gone after the test."""
    opened = []

    def at(stage: int) -> World:
        context = rig.world(stage, tmp_path)
        opened.append(context)
        return context.__enter__()

    yield at
    for context in reversed(opened):
        context.__exit__(None, None, None)
