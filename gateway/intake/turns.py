"""Whose turn it is to write: first come, first served among the threads of this process.

SQLite has one writer and its own waiting is not fair: a thread that posts file after file could keep the claiming
thread out for a minute. PostgreSQL needs none of this; there every turn is granted at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    def __init__(self, *, needed: bool) -> None:
        self._needed = needed
        self._changed = threading.Condition()
        self._next_ticket = 0
        self._serving = 0

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Held while this thread writes."""
        if not self._needed:
            yield
            return
        with self._changed:
            ticket = self._next_ticket
            self._next_ticket += 1
            while self._serving != ticket:
                self._changed.wait()
        try:
            yield
        finally:
            with self._changed:
                self._serving += 1
                self._changed.notify_all()
