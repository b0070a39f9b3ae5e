"""The service's intake under a burst of files, and how soon it takes a single one."""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, product
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench import data, homes
from bench.homes import Portfolio
from bench.runner import Bench, Figure, MeasurementError

FILES, RATE, ARRIVALS, LATE_MS = 10_000, 300.0, 20, 250.0
LONGEST = 1_200.0
"""Seconds after which files are missed and not late."""


def burst(bench: Bench) -> None:
    """Ten thousand files dropped at once while the service watches and posts."""
    files = bench.count(FILES)
    place = homes.fresh(bench, "sqlite", Portfolio(bench.count(FILES)))
    done = bench.measure("bench.watching:drop_many", home=str(place.home), files=files)
    homes.drop(bench, place)
    values = done.values
    note = f"{done.seconds:.1f} s from the first file on, quiet time included; {values['posted']:,} posted meanwhile"
    bench.add(Figure("burst", f"{files:,} files at once, missed", values["missed"], "files", 0.0))
    rate = values["claimed"] / done.seconds
    bench.add(Figure("burst", f"{files:,} files at once, claimed", rate, "files/s", RATE, "more", note))


def arrival(bench: Bench) -> None:
    """From the moment a whole file lies in the inbox to its committed claim, above the quiet time."""
    place = homes.fresh(bench, "sqlite", Portfolio(1_000))
    done = bench.measure("bench.watching:drop_singly", home=str(place.home), files=max(3, bench.count(ARRIVALS)))
    homes.drop(bench, place)
    late = done.values["late_ms"]
    note = f"{len(late)} files, quiet time {done.values['quiet_seconds']:g} s"
    bench.add(
        Figure("arrival", "to claim, above quiet time, median", statistics.median(late), "ms", LATE_MS, note=note)
    )
    bench.add(Figure("arrival", "to claim, above quiet time, longest", max(late), "ms", LATE_MS, note=note))


# in the measuring process


def drop_many(home: str, files: int) -> dict[str, Any]:
    """Move the files in from beside the inbox while the intake runs; wait until all have a row."""
    app = homes.open_home(Path(home))
    waiting = app.home.var / "drop"
    waiting.mkdir()
    names = list(islice(_names(), files))
    for n, name in enumerate(names):
        (waiting / name).write_text(_line(n), encoding="ascii")
    os.sync()
    with _running(app):
        started = time.perf_counter()
        for name in names:
            (waiting / name).rename(app.home.inbox / name)
        _until(lambda: _count(app) >= files, pause=0.05)
        seconds = time.perf_counter() - started
        posted = _count(app, "WHERE state = 'POSTED'")
    with app.db.read() as connection:
        claimed = set(connection.execute(text("SELECT name FROM inbound_file")).scalars())
    left = [path.name for path in app.home.inbox.iterdir() if path.is_file()]
    app.close()
    return {
        "seconds": seconds, "claimed": len(claimed), "posted": posted, "missed": len(set(names) - claimed) + len(left),
    }  # fmt: skip


def drop_singly(home: str, files: int) -> dict[str, Any]:
    """One file after the other, each after the one before was posted and reported, at any moment of the scan."""
    app = homes.open_home(Path(home))
    quiet = app.settings.gateway.sources["inbox"].quiet_seconds
    rnd = random.Random(1)
    late = []
    with _running(app):
        for n in range(files):
            _until(lambda n=n: _count(app, "WHERE reported = 'Y'") == n, pause=0.01)
            time.sleep(rnd.random())
            waiting = app.home.var / "p1_btchassmt.dat"
            waiting.write_text(_line(n), encoding="ascii")
            started = time.perf_counter()
            waiting.rename(app.home.inbox / waiting.name)
            _until(lambda n=n: _count(app) > n, pause=0.002)
            late.append((time.perf_counter() - started - quiet) * 1000)
    app.close()
    return {"seconds": sum(late) / 1000, "late_ms": late, "quiet_seconds": quiet}


@contextmanager
def _running(app: Any) -> Iterator[None]:
    """The intake as the service runs it, watching by the time the block begins."""
    from gateway.intake.service import Intake

    intake, stop = Intake(app), threading.Event()
    thread = threading.Thread(target=intake.run, args=(stop,), name="intake")
    thread.start()
    time.sleep(1.5)
    try:
        yield
    finally:
        stop.set()
        thread.join()
        intake.close()


def _until(done: Any, *, pause: float) -> None:
    end = time.perf_counter() + LONGEST
    while not done():
        if time.perf_counter() > end:
            raise MeasurementError(f"found files not claimed or not posted after {LONGEST:g} s, expected all")
        time.sleep(pause)


def _count(app: Any, where: str = "") -> int:
    with app.db.read() as connection:
        return int(connection.execute(text(f"SELECT COUNT(*) FROM inbound_file {where}")).scalar_one())


def _line(n: int) -> str:
    return f"<lease>{data.FIRST_LEASE + n % 1_000}<assmt>LTCH<amount>{100 + n}\n"


def _names() -> Iterator[str]:
    """Different names in one folder that all mean ``p1_btchassmt.dat`` (or the 8,193rd on: payments): by their case."""
    for root in ("btchassmt", "btchpmt", "btchescr"):
        letters = [(c, c.upper()) if c.isalpha() else (c,) for c in f"p1_{root}.dat"]
        yield from ("".join(chosen) for chosen in product(*letters))
