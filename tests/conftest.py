"""Fixtures of the whole suite: a home, a clock that is set, and a ledger on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from gateway import log
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger import migrate
from gateway.ledger.database import Database
from tests.support import compiled, memory, postgres
from tests.support.foreign_eyes import ForeignEyes
from writers import nacha

TESTS = Path(__file__).parent
BY_ITSELF = {TESTS / "ledger", TESTS / "delivery" / "test_lock.py", TESTS / "period" / "test_by_itself.py"}
"""Tests of what differs between the databases: counted on both."""
NOT_COUNTED = (
    TESTS / "formats", TESTS / "parsers", TESTS / "reports", TESTS / "answers" / "test_histories.py",
    TESTS / "answers" / "test_year.py", TESTS / "updates" / "test_payment_histories.py",
)  # fmt: skip
"""Tests of what the floor does not ask for, and those that go the ways of others many hundred times."""
_counted = pytest.StashKey[bool]()


def pytest_configure() -> None:
    memory.use()
    compiled.share()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Branches are counted where a test runs on SQLite: counting takes two thirds more time, for the same code.

    Counted on PostgreSQL as well are tests of what differs (``BY_ITSELF``) and those that run there only.
    """
    names = {item.nodeid for item in items}
    for item in items:
        twin = item.nodeid.replace("postgresql", "sqlite")
        is_second = twin != item.nodeid and twin in names and not {item.path, *item.path.parents} & BY_ITSELF
        item.stash[_counted] = not is_second and not {item.path, *item.path.parents} & set(NOT_COUNTED)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Stop counting for a whole test, what it sets up included (the plugin's own marker means its call alone)."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    counting = getattr(plugin, "cov_controller", None)
    if counting is None or item.stash[_counted]:
        return (yield)
    counting.pause()
    try:
        return (yield)
    finally:
        counting.resume()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server with a migrated template database ``gateway_template``; gives its admin URL."""
    with postgres.server("fsync=off", "synchronous_commit=off") as url:
        _execute(url, "CREATE DATABASE gateway_template")
        db = Database(database_at(url, "gateway_template"))
        migrate.upgrade(db)
        db.close()
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    db = Database.at_path(path)
    migrate.upgrade(db)
    with db.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    db.close()
    return path


def database_at(admin_url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return f"{admin_url.rsplit('/', 1)[0]}/{name}"


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


_numbers = iter(range(1, 1_000_000))


Content = Callable[[Database, Path], object]
"""Fills a migrated ledger; the folder is for the files that it loads."""


@pytest.fixture
def ledger_content() -> Content | None:
    """What a ledger holds when a test begins: nothing. A module whose tests begin with the same names a function, which
    fills one ledger of each kind; the tests get copies."""
    return None


@dataclass
class Filled:
    """Ledgers to copy: SQLite's by their path, PostgreSQL's by their name."""

    folder: Path
    made: dict[tuple[str, Content | None], str] = field(default_factory=dict)

    def of(self, kind: str, content: Content | None, empty: str, admin: str = "") -> str:
        if content is None:
            return empty
        if (kind, content) not in self.made:
            name = f"filled{next(_numbers)}"  # another than that of one that could not be filled
            folder = self.folder / name
            folder.mkdir()
            if kind == "sqlite":
                name = str(shutil.copy(empty, folder / "ledger.db"))
                filled = Database.at_path(Path(name))
            else:
                _execute(admin, f"CREATE DATABASE {name} TEMPLATE {empty} STRATEGY FILE_COPY")
                filled = Database(database_at(admin, name))
            try:
                content(filled, folder)
            finally:
                filled.close()
            self.made[kind, content] = name
        return self.made[kind, content]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return Filled(tmp_path_factory.mktemp("filled"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, filled: Filled, ledger_content: Content | None
) -> Iterator[str]:
    """URL of a fresh migrated ledger; every test that takes it runs on both databases."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = tmp_path / "ledger.db"
        shutil.copy(filled.of("sqlite", ledger_content, str(template)), path)
        yield f"sqlite:///{path}"
        return
    admin: str = request.getfixturevalue("postgres_url")
    name = f"t{next(_numbers)}"
    source = filled.of("postgresql", ledger_content, "gateway_template", admin)
    _execute(admin, f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY FILE_COPY")
    yield database_at(admin, name)
    _execute(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 14, 0, tzinfo=UTC))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


@pytest.fixture(autouse=True)
def log_ends_with_the_test() -> Iterator[None]:
    """What a command of this test opened in its home, which is gone before the next test."""
    yield
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, log.LogFile)]:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(autouse=True)
def bank_files_are_sound(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForeignEyes]:
    """No test makes the gateway build a bank file that foreign eyes, or the strict reader, would refuse."""
    eyes = ForeignEyes()
    monkeypatch.setattr(nacha, "render_chunks", eyes.watch(nacha.render_chunks))
    yield eyes
    assert eyes.objections == []
