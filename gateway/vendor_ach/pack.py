"""Entries of one effective date, in order, into files and batches that exceed no limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from gateway.vendor_ach.columns import column
from gateway.vendor_ach.entries import EntryKind
from gateway.vendor_ach.rules import Item
from parsers.nacha_records import MAX_BATCH_LINES, MAX_ENTRY_CENTS, MAX_TOTAL_CENTS


class Run(NamedTuple):
    """One batch of one file: entries of one class and one description."""

    kind: EntryKind
    sec: str
    items: tuple[Item, ...]

    def entries(self, *, balanced: bool) -> int:
        """Trace numbers it takes. A batch of prenotes comes to zero and has no offset."""
        return len(self.items) + (balanced and self.kind != "PRENOTE")


def room_of(max_lines: int) -> int:
    """Records of a file beside its header and control, filler counted."""
    return max_lines // 10 * 10 - 2


def overhead(*, balanced: bool) -> int:
    """Records that a batch takes beside its entries: header, control, offset."""
    return 3 if balanced else 2


def pack(items: Sequence[Item], *, max_lines: int, balanced: bool, entry_cents: int | None = None) -> list[list[Run]]:
    """A file holds ``max_lines`` records with headers, controls and filler, and 9,999,999,999.99; so does a batch, but a
    balanced one only what its one offset entry can carry: 99,999,999.99, or ``entry_cents`` of a same-day entry."""
    packing = _Packing(
        room_of(max_lines), overhead(balanced=balanced), balanced, min(entry_cents or MAX_ENTRY_CENTS, MAX_ENTRY_CENTS)
    )
    for _, its in groupby(items, key=attrgetter("kind", "sec")):
        packing.add_all(list(its))
    packing.close_file()
    return packing.files


@dataclass(slots=True)
class _Packing:
    room: int
    overhead: int
    balanced: bool
    entry_cents: int
    files: list[list[Run]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    run: list[Item] = field(default_factory=list)
    used: int = 0  # records of the file
    file_cents: int = 0
    run_lines: int = 0
    run_cents: int = 0

    def add_all(self, items: Sequence[Item]) -> None:
        """Entries of one kind and class, other than those before: most fit in as one batch, and are looked at as one."""
        lines, cents = sum(column(items, "lines")), sum(column(items, "amount_cents"))
        self.close_run()
        whole = (
            self.used + lines + self.overhead <= self.room
            and self.file_cents + cents <= MAX_TOTAL_CENTS
            and cents <= self.batch_cents
            and lines + self.balanced <= MAX_BATCH_LINES
        )
        if not whole:
            for item in items:
                self.add(item)
            return
        self.runs.append(Run(items[0].kind, items[0].sec, tuple(items)))
        self.used += lines + self.overhead
        self.file_cents += cents

    def add(self, item: Item) -> None:
        cents = item.amount_cents
        fresh = self._needs_new_batch(item)
        need = item.lines + (self.overhead if fresh else 0)
        if self.used + need > self.room or self.file_cents + cents > MAX_TOTAL_CENTS:
            self.close_file()
            need = item.lines + self.overhead
        elif fresh:
            self.close_run()
        self.run.append(item)
        self.used += need
        self.file_cents += cents
        self.run_lines += item.lines
        self.run_cents += cents

    def _needs_new_batch(self, item: Item) -> bool:
        return (
            not self.run
            or self.run_cents + item.amount_cents > self.batch_cents
            or self.run_lines + item.lines + self.balanced > MAX_BATCH_LINES
        )

    @property
    def batch_cents(self) -> int:
        return self.entry_cents if self.balanced else MAX_TOTAL_CENTS

    def close_run(self) -> None:
        if self.run:
            self.runs.append(Run(self.run[0].kind, self.run[0].sec, tuple(self.run)))
        self.run, self.run_lines, self.run_cents = [], 0, 0

    def close_file(self) -> None:
        self.close_run()
        if self.runs:
            self.files.append(self.runs)
        self.runs, self.used, self.file_cents = [], 0, 0
