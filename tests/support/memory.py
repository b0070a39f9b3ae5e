"""Where the tests put their homes, ledgers and PostgreSQL's cluster: in memory where there is room, else where temporary
files lie.

A test on PostgreSQL copies and drops a database of some 900 files, one on SQLite commits to the disk some hundred times,
and nothing of it is kept. What is killed with SIGKILL loses nothing on either: the files are the kernel's.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER = Path("/dev/shm")
NEEDED = 2 << 30
"""Bytes free in the folder; a run of two workers takes at most 600 MB at a time. A container often has but 64 MB."""


def use() -> None:
    """Make it the folder for temporary files of this process and those it starts, unless ``TMPDIR`` names one."""
    if "TMPDIR" not in os.environ and is_roomy():
        os.environ["TMPDIR"] = tempfile.tempdir = str(FOLDER)


def is_roomy() -> bool:
    """There is such a folder, with room in it, and memory for what the room promises."""
    try:
        found = os.statvfs(FOLDER)
        meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    except OSError:
        return False
    available = int(meminfo["MemAvailable"].split()[0]) * 1024
    return os.access(FOLDER, os.W_OK) and found.f_bavail * found.f_frsize >= NEEDED and available >= 2 * NEEDED
