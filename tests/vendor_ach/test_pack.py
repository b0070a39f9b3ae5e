"""Entries into files and batches: nothing lost, nothing reordered, and no limit exceeded, whatever they come to."""

from __future__ import annotations

from itertools import chain
from random import Random
from typing import Any, cast

import pytest

from gateway.vendor_ach import pack as module
from gateway.vendor_ach.entries import EntryKind
from gateway.vendor_ach.pack import Run, pack
from gateway.vendor_ach.rules import Item

LINES, ENTRY, TOTAL = 12, 300, 1_000
"""Limits small enough to be met: lines of a batch, cents of one entry, cents of a batch or file."""
KINDS: tuple[tuple[EntryKind, str], ...] = (("PRENOTE", "CCD"), ("LIVE", "CCD"), ("LIVE", "PPD"), ("REVERSAL", "CCD"))


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MAX_BATCH_LINES", LINES), ("MAX_ENTRY_CENTS", ENTRY), ("MAX_TOTAL_CENTS", TOTAL)):
        monkeypatch.setattr(module, name, value)


def item(cents: int = 0, lines: int = 1, kind: EntryKind = "LIVE", sec: str = "CCD") -> Item:
    nothing = cast("Any", None)
    return Item(kind, nothing, (), "2026-03-03", sec, nothing, "22", cents, "", (), "V1", 1, lines)


def records(runs: list[Run], *, balanced: bool) -> int:
    """Of a file, as Nacha counts them: header and control of file and batches, entries, addenda, offsets, filler."""
    inner = sum(2 + balanced + sum(one.lines for one in run.items) for run in runs)
    return -(-(2 + inner) // 10) * 10


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_no_limit_is_exceeded(seed: int, balanced: bool) -> None:
    rnd = Random(seed)
    items = [
        item(0 if kind == "PRENOTE" else rnd.choice((1, 40, 99, 300)), rnd.choice((1, 1, 2, 4)), kind, sec)
        for kind, sec in KINDS
        for _ in range(rnd.choice((0, 1, 3, 30)))
    ]
    max_lines = rnd.choice((20, 27, 40, 10_000))
    files = pack(items, max_lines=max_lines, balanced=balanced)
    runs = list(chain.from_iterable(files))
    assert list(chain.from_iterable(run.items for run in runs)) == items
    for file in files:
        assert records(file, balanced=balanced) <= max_lines
        assert sum(one.amount_cents for run in file for one in run.items) <= TOTAL
    for run in runs:
        assert {(one.kind, one.sec) for one in run.items} == {(run.kind, run.sec)}
        assert sum(one.amount_cents for one in run.items) <= (ENTRY if balanced else TOTAL)
        assert sum(one.lines for one in run.items) + balanced <= LINES


@pytest.mark.parametrize(
    ("items", "max_lines", "balanced", "sizes"),
    [
        ([item(100)] * 10, 10_000, False, [[10]]),
        ([item(100)] * 11, 10_000, False, [[10], [1]]),  # cents of a file
        ([item(100)] * 4, 10_000, True, [[3, 1]]),  # cents that one offset can carry
        ([item(100), item(100), item(101)], 10_000, True, [[2, 1]]),  # one cent more than that
        ([item()] * 13, 10_000, False, [[12, 1]]),  # lines of a batch
        ([item()] * 12, 10_000, True, [[11, 1]]),  # and its offset
        ([item()] * 7, 10, False, [[6], [1]]),  # ten lines: file and batch take four of them
        ([item()] * 6, 10, True, [[5], [1]]),
        ([item()] * 7, 19, False, [[6], [1]]),  # nine lines more are no block
        ([item(100)] * 21, 10_000, False, [[10], [10], [1]]),  # each counts from nothing
        ([item(100)] * 7, 10_000, True, [[3, 3, 1]]),
        ([item()] * 25, 10_000, False, [[12, 12, 1]]),
        ([item()] * 13, 10, False, [[6], [6], [1]]),
        ([item(600), item(600, sec="PPD")], 10_000, False, [[1], [1]]),
        ([*[item(300)] * 3, *[item(100, sec="PPD")] * 2], 10_000, False, [[3, 1], [1]]),
        ([*[item()] * 5, *[item(sec="PPD")] * 13], 40, False, [[5, 12, 1]]),
    ],
)
def test_as_few_as_the_limits_let(items: list[Item], max_lines: int, balanced: bool, sizes: list[list[int]]) -> None:
    assert [[len(run.items) for run in file] for file in pack(items, max_lines=max_lines, balanced=balanced)] == sizes


@pytest.mark.parametrize(("most", "sizes"), [(None, [3, 1]), (100, [1, 1, 1, 1]), (299, [2, 2]), (400, [3, 1])])
def test_an_offset_carries_what_an_entry_of_its_day_may(most: int | None, sizes: list[int]) -> None:
    """Never more than any entry can."""
    (file,) = pack([item(100)] * 4, max_lines=10_000, balanced=True, entry_cents=most)
    assert [len(run.items) for run in file] == sizes
    assert [len(file) for file in pack([item(100)] * 4, max_lines=10_000, balanced=False, entry_cents=most)] == [1]
