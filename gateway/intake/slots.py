"""Claim folders: ``<source>/.claimed/<n>``, each owned by the process that holds the lock on ``<n>.lock``.

The lock goes with the process that held it, however it ended, so nobody ever unlocks by hand: whoever gets the
lock next owns the folder and what was claimed into it.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gateway.home import fsync_dir


@dataclass(slots=True)
class Slot:
    """A claim folder this process owns until ``release``."""

    folder: Path
    _lock: int

    def release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def acquire(claimed: Path, mode: int = 0o700) -> Slot:
    """The first claim folder below ``claimed`` that nobody owns; made if all are owned, with ``mode``
    (``Home.private_folder``)."""
    claimed.mkdir(mode=mode, exist_ok=True)
    for number in count(1):
        slot = _try(claimed, str(number), mode)
        if slot is not None:
            return slot
    raise AssertionError("count() ends")


def abandoned(claimed: Path, mode: int = 0o700) -> list[Slot]:
    """All other claim folders whose owner is gone; this process owns them until it releases them."""
    names = sorted(p.name for p in claimed.iterdir() if p.name.isdigit()) if claimed.is_dir() else []
    return [slot for name in names if (slot := _try(claimed, name, mode)) is not None]


def _try(claimed: Path, name: str, mode: int) -> Slot | None:
    fd = os.open(claimed / f"{name}.lock", os.O_RDWR | os.O_CREAT, mode & 0o660)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    folder = claimed / name
    if not folder.is_dir():
        folder.mkdir(mode=mode, exist_ok=True)
        fsync_dir(claimed)
    return Slot(folder, fd)
