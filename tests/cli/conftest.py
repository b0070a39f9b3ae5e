"""A home in which a day was played, once for each database; looked at by most tests, copied by those that change it."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

import gateway
from gateway.cli.main import run
from gateway.clock import FixedClock
from gateway.delivery.keys import make_key
from tests.conftest import database_at

SAMPLE = Path(gateway.__file__).parent / "sample"
CONFIG = """
[database]
url = "env:GATEWAY_TEST_DATABASE"
[endpoints.bank]
host = "127.0.0.1"
port = 1
user = "u"
key = "config/keys/none"
[banks.first]
name = "FIRST BANK"
routing_number = "091000019"
immediate_origin = "9100220033"
origin_name = "MAIN STREET LEASING"
company_name = "MAIN STREET LSG"
company_identification = "9100220033"
endpoint = "bank"
"""
PORTFOLIO = """
[vendor_ach]
used = true
bank = "first"
[xsellerator]
used = true
in_end_of_period = true
[release]
four_eyes = false
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output; more or less than one fails here."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document["rows"]
        return found


@dataclass(frozen=True)
class Played:
    """A home and its ledger. ``do`` runs a command there, in this process, at a clock that stands."""

    root: Path
    url: str

    def do(self, *arguments: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        before = dict(os.environ)
        os.environ |= {"GATEWAY_TEST_DATABASE": self.url, "GATEWAY_HOME": str(self.root)}
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = run(arguments)
        finally:
            os.environ.clear()
            os.environ.update(before)
        return Result(code, out.getvalue(), err.getvalue())

    def ok(self, *arguments: str) -> Result:
        done = self.do(*arguments)
        assert done.code == 0, (arguments, done)
        return done


@pytest.fixture(scope="session")
def _standing_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.app.SystemClock", lambda: FixedClock(datetime(2026, 3, 2, 14, 0, tzinfo=UTC)))
        yield


def create(admin: str, name: str, template: str) -> str:
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
    return database_at(admin, name)


def play(home: Played) -> Played:
    """Load, post the four sample files, close the day, leave the bank's files waiting for release."""
    home.ok("init", str(home.root), "--code", "ABC")
    (home.root / "config" / "gateway.toml").write_text(CONFIG)
    (home.root / "config" / "portfolios" / "p01.toml").write_text(PORTFOLIO)
    key = make_key(home.root / "config" / "keys" / "none")
    (home.root / "config" / "keys" / "known_hosts").write_text(f"[127.0.0.1]:1 {key}\n")
    home.ok("db", "upgrade")
    home.ok("load", str(SAMPLE / "reference"), "--date", "2026-03-02")
    for name in sorted(p.name for p in (SAMPLE / "inbox").iterdir()):
        shutil.copy(SAMPLE / "inbox" / name, home.root / "inbox" / name)
    assert home.do("process").code == 1
    home.ok("eop", "--date", "2026-03-02")
    return home


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _standing_clock: None) -> Played:
    """For looking only."""
    root = tmp_path_factory.mktemp("played") / "home"
    if request.param == "sqlite":
        return play(Played(root, f"sqlite:///{root}/var/ledger.db"))
    return play(Played(root, create(request.getfixturevalue("postgres_url"), "played", "gateway_template")))


_numbers = iter(range(1, 1_000_000))


@contextmanager
def copy_of(home: Played, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Played]:
    """A home like this one, with a ledger of its own, to change."""
    root = tmp_path / "home"
    shutil.copytree(home.root, root)
    if home.url.startswith("sqlite"):
        yield Played(root, f"sqlite:///{root}/var/ledger.db")
        return
    admin: str = request.getfixturevalue("postgres_url")
    template = make_url(home.url).database
    name = f"{template}{next(_numbers)}"
    yield Played(root, create(admin, name, str(template)))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def own(played: Played, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Played]:
    """A copy to change."""
    with copy_of(played, tmp_path, request) as copied:
        yield copied
