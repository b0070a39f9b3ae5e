"""What a follower is told of a large file of reversals while it is being posted.

A record's entries are known when its chunk is posted; where the portfolio assesses a fee for payments that bounce, which
it does when all records are done, what became of the lines is told then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from gateway.updates.base import Follower
from gateway.updates.reversal_plain import REVERSED, Found, Plain
from gateway.updates.reversal_rules import Decision, Fail, Refuse

_IN_ORDER: Final = itemgetter(1, 2, 3)
"""Entry, batch, line: as ``reversal_moves`` reads them back."""

Move = tuple[Any, ...]
"""A row of ``reversal_moves`` without the lessee."""


class Telling:
    """What a follower is told. ``waits``: entries may come when all records are done."""

    def __init__(self, follower: Follower, *, waits: bool) -> None:
        self._follower, self._waits = follower, waits
        self._words: dict[int, str] = {}
        self._entries: dict[int, list[int]] = {}
        self._last = 0

    def chunk(
        self,
        decisions: Sequence[Decision],
        written: Iterable[tuple[int | None, int]],
        moves: Sequence[Move],
        plain: Plain,
    ) -> None:
        """The records of a chunk, (source line, entry) of their entries, and what they moved; the ``plain`` ones beside."""
        self._words |= {
            one.record.line_no: "suspended" if isinstance(one, Fail) else "posted"
            for one in decisions
            if not isinstance(one, Refuse)
        }
        self._note(written)
        if plain.records:
            self._words |= dict.fromkeys((one.line_no for one in plain.records), "posted")
            self._entries |= {one.line_no: [entry] for one, entry in zip(plain.records, plain.entries, strict=True)}
        moves = sorted([*moves, *map(_plain_move, plain.records, plain.entries)], key=_IN_ORDER)
        self._last = max([self._last, *self._words])
        if self._waits:
            self._follower.tell(0, ((), (), ()), moves)
        else:
            self._tell(moves)

    def finish(self, written: Iterable[tuple[int | None, int]]) -> None:
        """All records are done."""
        self._note(written)
        if self._waits:
            self._tell([])

    def _note(self, written: Iterable[tuple[int | None, int]]) -> None:
        for line, entry in written:
            if line is not None:
                self._entries.setdefault(line, []).append(entry)

    def _tell(self, moves: Sequence[Move]) -> None:
        lines = sorted(self._words)
        told = lines, [self._words[n] for n in lines], [self._entries[n] for n in lines]
        self._follower.tell(self._last, told, moves)
        self._words, self._entries = {}, {}


def _plain_move(record: Found, entry: int) -> Move:
    line_no, cents, batch, line, check_no, lease, invoice, reason = record
    return line_no, entry, batch, line, REVERSED, reason, batch[:20], check_no, lease, invoice, cents
