"""Which database a home's ledger is in."""

from __future__ import annotations

import json
import re
from typing import Final

from gateway.home import Home
from gateway.ledger.database import Database
from gateway.settings import secret


def ledger_of(home: Home, url: str) -> Database:
    """``url`` is ``database.url`` of the settings: an address, a reference to one, or '' for SQLite inside the home.

    Nothing is opened yet. Raises SettingsError for a reference that leads nowhere, or to no address.
    """
    if url.startswith(("env:", "file:")):
        url = secret(url, home, what="database.url")
    return Database(url) if url else Database.at_path(home.ledger)


_HEAD: Final = r"^\[database\].*\n"
_PLACES: Final = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        rf"{_HEAD}(?:(?!\[).*\n)*?(?P<place>url *=.*(?:\n|\Z))",
        rf"{_HEAD}(?:(?!\[).*\n)*?(?P<place># *url *=.*(?:\n|\Z))",
        rf"{_HEAD}(?P<place>)",
    )
)
"""Where the line goes: for one that stands there, for one that is commented out, or first in its table."""


def name_database(home: Home, url: str) -> None:
    """Write ``database.url`` into the home's settings, in the place of what stands there; every other byte stays."""
    settings = home.settings_file.read_text(encoding="utf-8")
    line = f"url = {json.dumps(url)}\n"
    found = next((match for place in _PLACES if (match := place.search(settings)) is not None), None)
    if found is None:
        settings = f"[database]\n{line}\n{settings}"
    else:
        settings = settings[: found.start("place")] + line + settings[found.end("place") :]
    home.settings_file.write_text(settings, encoding="utf-8")
