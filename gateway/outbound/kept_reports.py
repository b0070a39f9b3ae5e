"""Reports of files built by hand: written before the build's commit, put into place after it.

Like a file's bytes they lie in ``var/work`` in between, under the number and the SHA-256 of the build's first file. A
kill after the commit leaves them there for ``settle``; of a build that never committed nothing comes to be seen.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import text

from gateway.app import App
from gateway.home import fsync_dir
from gateway.outbound.built import Built
from gateway.reports.render import write_report

_SUFFIX: Final = ".reports"


def folder_of(app: App, day: str, portfolio: str, outbound_id: int | None) -> Path:
    """A folder a build, so that a second one of the day loses nothing; one without a file has none of its own."""
    number = "" if outbound_id is None else f"-{outbound_id}"
    return app.home.reports / day / f"outbound-p{portfolio}{number}"


@contextmanager
def kept(app: App, built: Built) -> Iterator[None]:
    """Enter before the commit, leave when they are in place: in between they are ours, and ``settle`` elsewhere leaves
    them alone. A build without files leaves nothing that could lose its reports."""
    if not built.files:
        yield
        return
    aside = _aside(app, built.files[0].outbound_id, built.files[0].sha256)
    lock = _take(aside)
    while lock is None:  # a process that settles has it for a moment, and may remove it
        lock = _take(aside)
    try:
        for named in built.reports:
            write_report(named.report, aside, named.stem)
        yield
    finally:
        os.close(lock)


def _take(aside: Path, *, make: bool = True) -> int | None:
    """The lock on a folder, which goes with the process that holds it; None when it is taken or the folder went."""
    if make:
        aside.mkdir(exist_ok=True)
    try:
        lock = os.open(aside, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if make else fcntl.LOCK_NB))
        if aside.stat().st_ino == os.fstat(lock).st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def place(app: App, built: Built, day: str, portfolio: str) -> None:
    """After the commit, inside ``kept``."""
    if built.files:
        first = built.files[0]
        _place(_aside(app, first.outbound_id, first.sha256), folder_of(app, day, portfolio, first.outbound_id))
        return
    for named in built.reports:
        write_report(named.report, folder_of(app, day, portfolio, None), named.stem)


def settle(app: App) -> None:
    """At start: place the reports of builds that committed, remove those of builds that did not."""
    for path in app.home.work.glob(f"outbound-*{_SUFFIX}"):
        _, number, sha256 = path.name.removesuffix(_SUFFIX).split("-")
        lock = _take(path, make=False)
        if lock is None:
            continue
        try:
            _settle(app, path, int(number), sha256)
        finally:
            os.close(lock)


def _settle(app: App, path: Path, number: int, sha256: str) -> None:
    with app.db.read() as connection:
        row = connection.execute(
            text("SELECT business_date, portfolio FROM outbound_file WHERE outbound_id = :id AND sha256 = :sha256"),
            {"id": number, "sha256": sha256},
        ).one_or_none()
    if row is None:
        shutil.rmtree(path)
    else:
        _place(path, folder_of(app, row.business_date, row.portfolio, number))


def _aside(app: App, outbound_id: int, sha256: str) -> Path:
    return app.home.work / f"outbound-{outbound_id}-{sha256}{_SUFFIX}"


def _place(aside: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside.rename(folder)
    fsync_dir(folder.parent)
