"""SQLite's library is set before anything uses it, which only a process of its own can show."""

from __future__ import annotations

import subprocess
import sys

import pytest

_USED = """
import ctypes, importlib.util
{first}
import sqlite3
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE t (a)")
library = ctypes.CDLL(importlib.util.find_spec("_sqlite3").origin)
library.sqlite3_memory_used.restype = ctypes.c_int64
print(library.sqlite3_memory_used())
"""


@pytest.mark.parametrize(
    ("first", "counted"),
    [("import gateway", False), ("import gateway.ledger.database", False), ("import sqlite3, gateway", True)],
    ids=["the package", "the door to the database", "too late"],
)
def test_allocations_are_not_counted_where_the_package_comes_first(first: str, counted: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _USED.format(first=first)], capture_output=True, text=True, check=True, timeout=60
    )
    assert (int(done.stdout) > 0) is counted
