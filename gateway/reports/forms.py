"""A block of rows, column by column, in the three forms: lines of text, rows of CSV, rows of JSON.

Each value becomes text once, for all forms. What the cells of a column have in common is settled a column at a time
(one text in all of them, nothing absent, nothing to quote), so that a row is one call of the interpreter's own join
or template; only columns that need care are handled a value at a time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from textwrap import wrap
from typing import Any, Final

from gateway.money import from_cents, shown
from gateway.reports.table import Column

_THOUSAND: Final = 100_000
"""Cents from which on an amount for people has a comma."""

_encode: Final = json.encoder.encode_basestring


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of a block. ``plain`` is its text as CSV has it, empty where a value is None."""

    column: Column
    values: Sequence[Any]
    plain: Sequence[str]
    absent: int
    """How many values are None."""
    only: str | None
    """The text that all cells have, when they have one."""


def cells(column: Column, values: Sequence[Any]) -> Cells:
    """``values`` is not empty."""
    absent = values.count(None)
    plain: Sequence[str]
    if absent == len(values):
        return Cells(column, values, [""] * absent, absent, "")
    if column.kind == "money":
        plain = ["" if v is None else f"{v // 100}.{v % 100:02d}" if v >= 0 else from_cents(v) for v in values]
    elif set(map(type, values)) == {str}:
        plain = values
    else:
        plain = ["" if v is None else v if type(v) is str else str(v) for v in values]
    first = plain[0]
    same = plain[-1] == first and plain.count(first) == len(plain)
    return Cells(column, values, plain, absent, first if same else None)


# text


class Lines:
    """Rows as lines of fixed columns. A value wider than its column goes on in the next line of its column; money is
    written without commas first, so that no amount that a file can hold is parted."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.widths = [max(c.width, len(c.heading)) for c in columns]
        self._money = [c.kind == "money" for c in columns]
        self._places = [
            f"%{w}s" if c.kind in ("money", "count") else f"%-{w}s" for c, w in zip(columns, self.widths, strict=True)
        ]
        self._template = "  ".join(self._places)
        self.width = sum(self.widths) + 2 * (len(self.widths) - 1)
        self.heading = (self._template % tuple(c.heading for c in columns)).rstrip()

    def of(self, block: Sequence[Cells]) -> list[str]:
        """The lines of a block, without blanks at their ends."""
        count = len(block[0].values)
        columns = [_for_people(one) for one in block]
        varying = [column for one, column in zip(block, columns, strict=True) if one.only is None]
        template = "  ".join(
            place if one.only is None else (place % column[0]).replace("%", "%%")
            for one, column, place in zip(block, columns, self._places, strict=True)
        )
        rows = zip(*varying, strict=True) if varying else repeat((), count)
        lines = list(map(template.__mod__, rows))
        if sum(map(len, lines)) == count * self.width:
            return [line.rstrip() for line in lines]
        out: list[str] = []
        for row, line in zip(zip(*columns, strict=True), lines, strict=True):
            if len(line) == self.width:
                out.append(line.rstrip())
            else:
                out += self._continued(row)
        return out

    def _continued(self, row: Sequence[str]) -> list[str]:
        shorter = [
            value.replace(",", "") if money and len(value) > width else value
            for value, money, width in zip(row, self._money, self.widths, strict=True)
        ]
        parts = [_wrapped(value, width) for value, width in zip(shorter, self.widths, strict=True)]
        height = max(map(len, parts))
        return [(self._template % tuple(p[i] if i < len(p) else "" for p in parts)).rstrip() for i in range(height)]


def _wrapped(value: str, width: int) -> list[str]:
    """The lines of a value; a list of things that each fit is broken between them, never inside one."""
    *first, last = value.split(", ")
    things = [*(f"{thing}," for thing in first), last]
    if len(things) == 1 or max(map(len, things)) > width:
        return wrap(value, width, break_long_words=True, break_on_hyphens=False) or [""]
    lines = [""]
    for thing in things:
        if len(f"{lines[-1]} {thing}") > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {thing}".lstrip()
    return lines


def _for_people(one: Cells) -> Sequence[str]:
    if one.column.kind != "money":
        return one.plain
    return [
        text if value is None or -_THOUSAND < value < _THOUSAND else shown(value)
        for text, value in zip(one.plain, one.values, strict=True)
    ]


# CSV


def csv_rows(block: Sequence[Cells]) -> str:
    """Rows with their ends, as the ``csv`` module writes them with its least quoting."""
    count = len(block[0].values)
    columns: list[Sequence[str]] = []
    fixed: list[str] = []
    for one in block:
        plain = _quoted(one.plain, alone=len(block) == 1)
        if one.only is not None:
            fixed.append(plain[0])
            continue
        if fixed:
            columns.append([",".join(fixed)] * count)
            fixed = []
        columns.append(plain)
    if fixed:
        columns.append([",".join(fixed)] * count)
    return "\r\n".join(map(",".join, zip(*columns, strict=True))) + "\r\n"


def _quoted(plain: Sequence[str], *, alone: bool) -> Sequence[str]:
    text = "".join(plain)
    if not alone and not any(mark in text for mark in _CSV_MARKS):
        return plain
    return [
        '"' + v.replace('"', '""') + '"' if (alone and not v) or any(mark in v for mark in _CSV_MARKS) else v
        for v in plain
    ]


_CSV_MARKS: Final = ',"\r\n'


# JSON


def json_rows(block: Sequence[Cells]) -> str:
    """Objects, one a line, with commas between them."""
    count = len(block[0].values)
    columns: list[Sequence[str]] = []
    fixed = "{"
    for at, one in enumerate(block):
        mark, texts = _json_texts(one)
        fixed += f'{", " if at else ""}"{one.column.key}": {mark}'
        if isinstance(texts, str):
            fixed += texts + mark
        else:
            columns += [fixed] * count, texts
            fixed = mark
    columns.append([fixed + "}"] * count)
    return ",\n".join(map("".join, zip(*columns, strict=True)))


def _json_texts(one: Cells) -> tuple[str, Sequence[str] | str]:
    """The quotes around each value of a column, if all have them, and the values; one text if all have the same."""
    if one.absent == len(one.values):
        return "", "null"
    counted = one.column.kind == "count"
    if one.absent or not (counted or _clean(one.plain)):
        known = {v: v if counted else _encode(v) for v in set(one.plain)}
        return "", ["null" if v is None else known[text] for v, text in zip(one.values, one.plain, strict=True)]
    return "" if counted else '"', one.plain if one.only is None else one.only


def _clean(plain: Sequence[str]) -> bool:
    """Whether no value has a character that JSON writes in another way."""
    text = "".join(plain)
    return len(_encode(text)) == len(text) + 2
