"""SQLite's own library, set before it is first used: it need not count what it allocates.

It counts every allocation for ``sqlite3_status``, which nothing here asks, and takes a lock for it each time. SQLite's
makers advise to leave that out; it can be said only once a process, before the library is initialised, and Python's
``sqlite3`` has no word for it (measured: 8 % of the processor time of posting a million assessments).
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec

_MEMSTATUS = 9
"""``SQLITE_CONFIG_MEMSTATUS`` of sqlite3.h."""


def leave_uncounted() -> None:
    """Turn the counting off where Python's own library can be reached and is not in use yet; else all stays as it is."""
    spec = find_spec("_sqlite3")
    try:
        library = ctypes.CDLL(spec.origin if spec is not None else None)
        library.sqlite3_config(_MEMSTATUS, 0)  # refuses by its return value once the library is in use
    except (OSError, AttributeError):  # built into Python, or with its names hidden
        return
