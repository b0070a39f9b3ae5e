"""An application over both databases, with a portfolio, a few leases, and an update that posts every line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stamina
from sqlalchemy import text

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.intake import registry
from gateway.intake.claim import Claimer
from gateway.intake.files import InboundFile, file_row
from gateway.intake.processing import ProcessedFile, process_file
from gateway.intake.turns import Turns
from gateway.intake.watching import Folder, folders
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.settings import Settings
from gateway.settings_reading import load_settings
from gateway.vault import Vault
from tests.intake.plain import PlainUpdate

PERSON = Operator("OPS", "olga", frozenset({"post", "load", "approve", "deliver", "resolve", "admin"}))


@pytest.fixture(autouse=True)
def _no_backoff() -> Iterator[None]:
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture(autouse=True)
def _plain_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODULES, "assessments", "tests.intake.plain")


@pytest.fixture
def settings(home: Home) -> Settings:
    return load_settings(home)


def with_intake(settings: Settings, **changes: Any) -> Settings:
    intake = settings.gateway.intake.model_copy(update=changes)
    return replace(settings, gateway=settings.gateway.model_copy(update={"intake": intake}))


def with_source(settings: Settings, **changes: Any) -> Settings:
    source = settings.gateway.sources["inbox"].model_copy(update=changes)
    return replace(settings, gateway=settings.gateway.model_copy(update={"sources": {"inbox": source}}))


@pytest.fixture
def app(home: Home, settings: Settings, clock: FixedClock, db: Database) -> App:
    """Portfolios 1 and 2, open on 2026-03-02, with leases 100..199 and 200..299."""
    fill(db)
    return App(home, settings, clock, db, Vault(bytes(32)), PERSON)


def fill(db: Database) -> None:
    with db.write() as connection:
        for number in (1, 2):
            connection.execute(
                schema.portfolio.insert(),
                {"portfolio": str(number), "name": "TEST", "business_date": "2026-03-02", "period_state": "OPEN"},
            )
            connection.execute(
                schema.office.insert(),
                {
                    "office_id": number,
                    "portfolio": str(number),
                    "company": "1",
                    "region": "1",
                    "office": "1",
                    "name": "X",
                },
            )
            for account, side, purpose in ((1, "D", "CASH 125"), (2, "C", "SUSPENSE")):
                connection.execute(
                    schema.gl_account.insert(),
                    {
                        "account_id": number * 10 + account, "office_id": number, "vector": f"12{account}",
                        "number": f"10{account}", "name": purpose, "side": side, "purpose": purpose,
                    },
                )  # fmt: skip
            connection.execute(
                schema.lease.insert(),
                [
                    {
                        "lease": str(number * 100 + n), "office_id": number, "portfolio": str(number), "lessee": "L1",
                        "lessee_name": "SMITH", "status": "ANOR", "kind": "lease", "prepaid": "N", "nsf_count": 0,
                    }
                    for n in range(100)
                ],
            )  # fmt: skip


@pytest.fixture
def inbox(app: App) -> Folder:
    return folders(app)[0]


@pytest.fixture
def claimer(app: App) -> Iterator[Claimer]:
    made = Claimer(app, Turns(needed=False))
    yield made
    made.close()


@pytest.fixture
def update() -> PlainUpdate:
    return PlainUpdate()


@pytest.fixture
def post(app: App, claimer: Claimer, inbox: Folder, update: PlainUpdate) -> Callable[..., InboundFile]:
    """Drop bytes under a name, claim and process them; gives the row."""

    def run(name: str, data: bytes, *, with_app: App = app, process: bool = True) -> InboundFile:
        path = with_app.home.inbox / name
        path.write_bytes(data)
        [file_id] = claimer.take(inbox, [path])
        if process:
            return process_file(with_app, file_id, update=update).file
        with app.db.read() as connection:
            return file_row(connection, file_id)

    return run


def again(app: App, file_id: int, update: PlainUpdate) -> ProcessedFile:
    return process_file(app, file_id, update=update)


def charge(lease: int, cents: int = 2500, code: str = "LTCH") -> bytes:
    return b"<lease>%d<assmt>%s<amount>%d\n" % (lease, code.encode(), cents)


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def in_work(home: Home) -> list[str]:
    """What lies in ``var/work`` but for locks, which stay."""
    return [name for name in names_in(home.work) if not name.endswith(".lock")]


def journal_lines(app: App) -> int:
    with app.db.read() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM journal_line")).scalar_one())
