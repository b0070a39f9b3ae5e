"""A queue with released files, endpoints that point at a real OpenSSH server and at the in-process one."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.app import App, Operator
from gateway.clock import FixedClock, instant_text
from gateway.delivery import queue, reads, tries
from gateway.delivery.deliver import DeliveryResult, deliver
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.settings import Endpoint, GatewaySettings, Settings
from gateway.settings_reading import load_settings
from gateway.vault import Vault
from tests.support import faulty_sftp, openssh

SERVERS = ["openssh", "in-process"] if openssh.available() else ["in-process"]


@dataclass
class Office:
    """A gateway as far as delivery knows it, and the content of its released files."""

    app: App
    clock: FixedClock
    contents: dict[int, bytes] = field(default_factory=dict)

    def release(self, name: str, content: bytes, endpoint: str = "bank") -> int:
        """Release a file and queue it; gives its outbound number."""
        with self.app.db.write() as connection:
            outbound_id = release(connection, name, content)
            queue.enqueue(connection, outbound_id=outbound_id, endpoint=endpoint, remote_name=name, at=self.app.now())
        self.contents[outbound_id] = content
        return outbound_id

    def render(self, outbound_id: int) -> Iterator[bytes]:
        content = self.contents[outbound_id]
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    def deliver(self, **options: Any) -> list[DeliveryResult]:
        return deliver(self.app, render=self.render, stays=lambda _: {}, rng=random.Random(7), **options)

    def states(self) -> list[str]:
        with self.app.db.read() as connection:
            return [d.state.value for d in reads.listing(connection)]

    def rows(self) -> list[reads.Delivery]:
        with self.app.db.read() as connection:
            return reads.listing(connection)

    def steps(self, delivery_id: int = 1) -> list[str]:
        with self.app.db.read() as connection:
            return [step for _, step, _ in tries.events(connection, delivery_id)]

    def with_endpoints(self, **endpoints: Endpoint) -> Office:
        self.app = dataclasses.replace(self.app, settings=settings(self.app.home, endpoints))
        return self


def settings(home: Home, endpoints: dict[str, Endpoint]) -> Settings:
    return dataclasses.replace(load_settings(home), gateway=GatewaySettings(endpoints=endpoints))


def release(connection: Any, name: str, content: bytes, state: str = "APPROVED") -> int:
    connection.execute(
        text(
            "INSERT INTO portfolio (portfolio, name, business_date, period_state) "
            "VALUES ('1', 'One', '2026-03-02', 'OPEN') ON CONFLICT DO NOTHING"
        )
    )
    return int(
        connection.execute(
            text(
                "INSERT INTO outbound_file (name, kind, portfolio, business_date, state, sha256, bytes, records, "
                "total_debit_cents, total_credit_cents, header, maker, maker_user, built_at) VALUES (:name, 'DSGL', "
                "'1', '2026-03-02', :state, :sha, :bytes, 1, 0, 0, '{}', 'AAA', 'a', :at) RETURNING outbound_id"
            ),
            {
                "name": name, "state": state, "sha": hashlib.sha256(content).hexdigest(), "bytes": len(content),
                "at": "2026-03-02T14:00:00.000000Z",
            },
        ).scalar_one()
    )  # fmt: skip


def operator(code: str = "AAA", user: str = "anna", *rights: str) -> Operator:
    return Operator(code, user, frozenset(rights or ("resolve", "deliver")))


@pytest.fixture
def office(db: Database, home: Home, clock: FixedClock) -> Office:
    app = App(home, settings(home, {}), clock, db, Vault(b"k" * 32), operator())
    return Office(app, clock)


@pytest.fixture
def sqlite_office(sqlite_template: Path, tmp_path: Path, home: Home, clock: FixedClock) -> Iterator[Office]:
    """For what is about the far side and not about the database."""
    path = tmp_path / "ledger.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database.at_path(path)
    yield Office(App(home, settings(home, {}), clock, database, Vault(b"k" * 32), operator()), clock)
    database.close()


@dataclass
class FarSide:
    endpoint: Endpoint
    root: Path


@pytest.fixture(scope="session")
def running_openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openssh.OpenSsh]:
    with openssh.server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(params=SERVERS)
def far_side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarSide]:
    """A receiver: the real OpenSSH where it is installed, and the in-process server."""
    if request.param == "openssh":
        running: openssh.OpenSsh = request.getfixturevalue("running_openssh")
        root = running.root / tmp_path.name
        root.mkdir()
        yield FarSide(
            Endpoint(
                host="127.0.0.1", port=running.port, user=running.user, key=str(running.key),
                host_keys=(running.host_key_line,), directory=str(root),
            ),
            root,
        )  # fmt: skip
        return
    with faulty_sftp.server(tmp_path / "far") as running_in_process:
        yield FarSide(endpoint_of(running_in_process), running_in_process.root)


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[faulty_sftp.Faulty]:
    with faulty_sftp.server(tmp_path / "far") as running:
        yield running


def endpoint_of(running: faulty_sftp.Faulty, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "host": "127.0.0.1", "port": running.server.port, "user": "gateway", "key": str(running.key),
        "host_keys": (running.server.host_key_line,), "directory": "/",
    }  # fmt: skip
    return Endpoint(**(values | changes))


Deliver = Callable[..., list[DeliveryResult]]


def later(office: Office, seconds: float = 1000.0) -> None:
    """Past every wait of the default settings."""
    office.clock.wait(seconds)


__all__ = ["FarSide", "Office", "endpoint_of", "instant_text", "later", "operator", "release"]
