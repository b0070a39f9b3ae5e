"""A report written the plain way: a row at a time, by the library's csv and json, nothing shared between the forms.

The model that ``gateway/reports`` must equal byte for byte.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from io import StringIO
from textwrap import wrap
from typing import Any

from gateway.reports.table import Column, Report


def _money(cents: int, comma: str = "") -> str:
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole:{comma}}.{rest:02d}"


def _plain(column: Column, value: Any) -> Any:
    return value if value is None or column.kind != "money" else _money(value)


def csv_of(report: Report, rows: Sequence[Sequence[Any]]) -> str:
    out = StringIO()
    columns = report.spec.columns
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([c.key for c in columns])
    writer.writerows([_plain(c, v) for c, v in zip(columns, row, strict=True)] for row in rows)
    return out.getvalue()


def json_rows_of(report: Report, rows: Sequence[Sequence[Any]]) -> list[str]:
    """The lines of the ``rows`` array."""
    return [
        json.dumps({c.key: _plain(c, v) for c, v in zip(report.spec.columns, row, strict=True)}, ensure_ascii=False)
        for row in rows
    ]


def _pieces(shown: str, width: int) -> list[str]:
    """A list of things that each fit with a comma is filled up thing by thing, their own blanks out of the way."""
    things = shown.split(", ")
    if len(things) == 1 or any(len(thing) + (at < len(things) - 1) > width for at, thing in enumerate(things)):
        return wrap(shown, width, break_on_hyphens=False)
    filled = wrap(", ".join(thing.replace(" ", "\0") for thing in things), width, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in filled]


def text_of(report: Report, rows: Sequence[Sequence[Any]]) -> list[str]:
    """The detail lines, without the pages."""
    columns = report.spec.columns
    out = []
    for row in rows:
        parts = []
        for column, value in zip(columns, row, strict=True):
            width = max(column.width, len(column.heading))
            shown = "" if value is None else _money(value, ",") if column.kind == "money" else str(value)
            if column.kind == "money" and len(shown) > width:
                shown = _money(value)
            pieces = [shown] if len(shown) <= width else _pieces(shown, width)
            parts.append((width, column.kind in ("money", "count"), pieces or [""]))
        wraps = any(len(pieces) > 1 for _, _, pieces in parts)
        for at in range(max(len(pieces) for _, _, pieces in parts)):
            places = []
            for width, right, pieces in parts:
                piece = pieces[at] if at < len(pieces) else ""
                piece = " ".join(wrap(piece, width)) if wraps else piece
                places.append(piece.rjust(width) if right else piece.ljust(width))
            out.append("  ".join(places).rstrip())
    return out


def totals_of(report: Report, rows: Sequence[Sequence[Any]]) -> dict[str, list[int]]:
    """Items and sums by what a total line is of."""
    columns = report.spec.columns
    sums = [i for i, c in enumerate(columns) if c.totalled]
    out: dict[str, list[int]] = {}
    for row in rows if sums else ():
        names = []
        if report.spec.total_by:
            at = [c.key for c in columns].index(report.spec.total_by)
            names.append(f"{columns[at].heading} {row[at] or '-'}")
        if report.spec.by_office:
            office = ["-" if v is None else str(v) for v in row[:4]]
            names += [
                f"{level} {'/'.join(office[:depth])}"
                for depth, level in ((4, "OFFICE"), (3, "REGION"), (2, "COMPANY"), (1, "PORTFOLIO"))
            ]
        else:
            names.append("REPORT")
        for name in names:
            into = out.setdefault(name, [0] * (len(sums) + 1))
            into[0] += 1
            for i, at in enumerate(sums, 1):
                into[i] += row[at] or 0
    return out
