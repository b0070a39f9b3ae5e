"""Sums of the totalled columns of a report by office, region, company, portfolio, and by one more column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gateway.money import from_cents
from gateway.reports.forms import Cells
from gateway.reports.table import OFFICE_COLUMNS, ReportSpec


class Totals:
    """Takes the blocks of a report; ``rows`` are its total lines."""

    def __init__(self, spec: ReportSpec) -> None:
        self.spec = spec
        keys = [c.key for c in spec.columns]
        self.sums = [i for i, c in enumerate(spec.columns) if c.totalled]
        self.other = keys.index(spec.total_by) if spec.total_by else None
        self.office = [keys.index(column.key) for column in OFFICE_COLUMNS] if spec.by_office else []
        self.groups: dict[tuple[Any, ...], list[int]] = {}
        self.by_other: dict[tuple[Any, ...], list[int]] = {}
        self.count = 0

    def take(self, block: Sequence[Cells]) -> None:
        self.count += len(block[0].values)
        if not self.sums:
            return
        sums = [[v or 0 for v in block[i].values] if block[i].absent else block[i].values for i in self.sums]
        _add(self.groups, [block[i] for i in self.office], sums)
        if self.other is not None:
            _add(self.by_other, (block[self.other],), sums)

    def rows(self) -> list[dict[str, Any]]:
        """Total lines, smallest group first; only where something can be added up."""
        if not self.sums or not self.count:
            return []
        out = []
        if self.other is not None:
            heading = self.spec.columns[self.other].heading
            out += [self._row(f"{heading} {k or '-'}", v) for (k,), v in sorted(self.by_other.items(), key=_by_text)]
        if self.spec.by_office:
            levels = ((4, "OFFICE"), (3, "REGION"), (2, "COMPANY"), (1, "PORTFOLIO"))
            for depth, name in levels:
                merged: dict[tuple[Any, ...], list[int]] = {}
                for key, sums in self.groups.items():
                    into = merged.setdefault(key[:depth], [0] * len(sums))
                    for i, value in enumerate(sums):
                        into[i] += value
                out += [
                    self._row(f"{name} {'/'.join('-' if p is None else str(p) for p in key)}", sums)
                    for key, sums in sorted(merged.items(), key=_by_text)
                ]
            return out
        for sums in self.groups.values():
            out.append(self._row("REPORT", sums))
        return out

    def _row(self, of: str, sums: Sequence[int]) -> dict[str, Any]:
        row: dict[str, Any] = {"of": of, "items": sums[0]}
        for at, value in zip(self.sums, sums[1:], strict=True):
            column = self.spec.columns[at]
            row[column.key] = from_cents(value) if column.kind == "money" else str(value)
        return row


def _add(groups: dict[tuple[Any, ...], list[int]], by: Sequence[Cells], sums: Sequence[Sequence[int]]) -> None:
    """Add a block to its groups: the count first, then each summed column. A column that is the same in the whole
    block takes no part in finding a row's group."""
    varying = [i for i, one in enumerate(by) if one.only is None or one.absent not in (0, len(one.values))]
    key = [one.values[0] for one in by]
    if not varying:
        _into(groups, tuple(key), [len(sums[0]), *map(sum, sums)])
        return
    columns = [by[i].values for i in varying]
    rows: Sequence[Any] = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    counts = Counter(rows)
    added = [dict.fromkeys(counts, 0) for _ in sums]
    for into, values in zip(added, sums, strict=True):
        for row, value in zip(rows, values, strict=True):
            into[row] += value
    for row, count in counts.items():
        for i, part in zip(varying, (row,) if len(columns) == 1 else row, strict=True):
            key[i] = part
        _into(groups, tuple(key), [count, *(one[row] for one in added)])


def _into(groups: dict[tuple[Any, ...], list[int]], key: tuple[Any, ...], figures: Sequence[int]) -> None:
    into = groups.setdefault(key, [0] * len(figures))
    for i, value in enumerate(figures):
        into[i] += value


def _by_text(item: tuple[tuple[Any, ...], Any]) -> tuple[str, ...]:
    """Order of keys that are digits as text, by value."""
    return tuple(str(part or "").rjust(12) for part in item[0])
