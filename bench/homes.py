"""Homes to measure in: loaded once, then copied, so that every measurement starts from the same ledger."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench import data
from bench.runner import Bench

VARIABLE = "GATEWAY_BENCH_DATABASE"
POSTGRES_OPTIONS = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
"""Durable, and otherwise as the server comes."""


@dataclass(frozen=True)
class Place:
    """A home and its database; ``url`` None: SQLite inside the home."""

    home: Path
    url: str | None

    @property
    def environment(self) -> Mapping[str, str]:
        return {} if self.url is None else {VARIABLE: self.url}


@dataclass(frozen=True)
class Portfolio:
    """What is loaded before anything is measured."""

    leases: int
    escrow_cents: int = 0
    batches: int = 0
    invoices: int = 1  # and batches, a lease

    @property
    def name(self) -> str:
        return f"{self.leases}_{self.escrow_cents}_{self.batches}_{self.invoices}"


def loaded(bench: Bench, database: str, portfolio: Portfolio) -> Place:
    """A home with this portfolio in its ledger, nothing posted; made once in a run."""
    key = ("loaded", database, portfolio)
    if key not in bench.kept:
        reference = bench.folder / f"reference-{portfolio.name}"
        if not reference.exists():
            data.reference(
                reference, leases=portfolio.leases, escrow_cents=portfolio.escrow_cents, batches=portfolio.batches,
                invoices=portfolio.invoices,
            )  # fmt: skip
        place = _place(bench, database, f"loaded_{portfolio.name}")
        if place.url is not None:
            _execute(admin_url(bench), f"CREATE DATABASE {_name(place)}")
        made = bench.measure(
            "bench.homes:make", environment=place.environment, home=str(place.home), reference=str(reference)
        )
        bench.say(f"  loaded {portfolio.leases:,} leases on {database} in {made.seconds:.1f} s")
        bench.kept[key] = place
    found: Place = bench.kept[key]
    return found


def fresh(bench: Bench, database: str, portfolio: Portfolio, files: Sequence[Path] = ()) -> Place:
    """A copy of the loaded home, with copies of these files in its inbox."""
    source = loaded(bench, database, portfolio)
    number = bench.kept["homes"] = bench.kept.get("homes", 0) + 1
    place = _place(bench, database, f"home_{number}")
    shutil.copytree(source.home, place.home)
    if place.url is not None:
        _execute(admin_url(bench), f"CREATE DATABASE {_name(place)} TEMPLATE {_name(source)}")
    for file in files:
        shutil.copyfile(file, place.home / "inbox" / file.name)
    return place


def drop(bench: Bench, place: Place) -> None:
    """Give the disk back."""
    shutil.rmtree(place.home)
    if place.url is not None:
        _execute(admin_url(bench), f"DROP DATABASE {_name(place)} WITH (FORCE)")


def admin_url(bench: Bench) -> str:
    """The PostgreSQL server of this run, started when first asked for."""
    if "postgres" not in bench.kept:
        from tests.support import postgres

        bench.kept["postgres"] = bench.stack.enter_context(postgres.server(*POSTGRES_OPTIONS))
    return str(bench.kept["postgres"])


def _place(bench: Bench, database: str, name: str) -> Place:
    home = bench.folder / f"{database}-{name}"
    if database == "sqlite":
        return Place(home, None)
    return Place(home, f"{admin_url(bench).rsplit('/', 1)[0]}/bench_{name}")


def _name(place: Place) -> str:
    assert place.url is not None
    return place.url.rsplit("/", 1)[1]


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


# in the measuring process


def make(home: str, reference: str) -> dict[str, Any]:
    """Make a home and load its reference data."""
    from gateway.app import system_user
    from gateway.ledger.load import load
    from gateway.ledger.vendor_changes import Maker
    from gateway.setup import make_home

    root = Path(home)
    (root / "config").mkdir(parents=True)
    url = f"env:{VARIABLE}" if VARIABLE in os.environ else ""
    (root / "config" / "gateway.toml").write_text(f'[database]\nurl = "{url}"\n', encoding="utf-8")
    make_home(root, user=system_user())
    app = open_home(root)
    started = time.perf_counter()
    load(
        app.db, [Path(reference)], vault=app.vault, maker=Maker(app.operator.code, app.operator.user),
        posted_at=app.now(), business_date="2026-03-02",
    )  # fmt: skip
    seconds = time.perf_counter() - started
    app.close()
    return {"seconds": seconds}


def open_home(root: Path) -> Any:
    """The app as the command line opens it, with its log in the home."""
    from gateway import log
    from gateway.app import open_app

    app = open_app(root)
    log.set_up(app.home.log, terminal=False)
    return app
