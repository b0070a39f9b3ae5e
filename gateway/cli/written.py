"""What is written to whoever asked, whatever letters its terminal has: an answer with a letter more is an answer all the same.

A terminal that is not UTF-8 gets such a letter as its number, ``u0141`` behind a backslash. JSON has the same sign for it, so
that a script reads what was meant.
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from typing import Any


def any_letters() -> None:
    """Let standard output take every letter. Python does so of standard error alone."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def as_json(document: Any) -> str:
    """One JSON document, in letters that standard output has."""
    has_all = codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf")
    return json.dumps(document, indent=2, ensure_ascii=not has_all, default=str)


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with what it counts; ``many`` where it is not ``one`` and an s.

    >>> counted(1, "reject"), counted(1000, "entry", "entries")
    ('1 reject', '1,000 entries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
