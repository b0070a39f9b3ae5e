"""The cyclic garbage collector, held back where many values are in hand and none of them is in a cycle.

It walks every one of them again and again: a third of the time of a file of payments, half of that of making rows ready for
the database (measured).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_YOUNG: Final = 50_000
"""Values made since the last collection before there is another; Python's own figure is some hundreds."""


@contextmanager
def no_collection() -> Iterator[None]:
    """None at all while a chunk of lines is in memory."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def collect_rarely() -> None:
    """For a process that reads or writes one large file: what it has loaded so far is looked at no more, the rest seldom."""
    gc.freeze()
    gc.set_threshold(_YOUNG)
