"""A report in its three forms from one pass over its rows: text for people and printers, CSV, JSON.

Text: title lines, a heading line, a line of ``=`` runs that marks the columns, detail lines, totals; 60 lines a page,
form feed between pages; an empty report says ``NO ITEMS WERE FOUND``. A value wider than its column is continued on
the next line of its column, never cut. CSV and JSON carry the stable keys; money is ``1234.56`` text in both.
Memory is flat: rows are taken in blocks and written at once.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from io import StringIO
from itertools import islice
from pathlib import Path
from textwrap import wrap
from typing import IO, Any, Final

from gateway.home import fsync_dir
from gateway.money import from_cents, shown
from gateway.reports.table import Column, Report

PAGE_LINES: Final = 60
_BLOCK: Final = 4_000
_EMPTY: Final = "NO ITEMS WERE FOUND"


def write_report(report: Report, folder: Path, stem: str, *, durable: bool = True) -> list[Path]:
    """Write ``stem.rpt``, ``stem.csv`` and ``stem.json`` into ``folder``; each appears whole or not at all.

    Not ``durable``: the caller flushes the files to disk, many at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}{suffix}" for suffix in (".rpt", ".csv", ".json")]
    temporary = [path.with_name(f".{path.name}.tmp") for path in paths]
    with ExitStack() as stack:
        text, table, document = (stack.enter_context(p.open("w", encoding="utf-8", newline="")) for p in temporary)
        _write(report, text, table, document)
        for handle in (text, table, document) if durable else ():
            handle.flush()
            os.fsync(handle.fileno())
    for path, written in zip(paths, temporary, strict=True):
        written.chmod(0o640)
        written.replace(path)
    if durable:
        fsync_dir(folder)
    return paths


def render_text(report: Report) -> str:
    """The text form alone, for a terminal."""
    text = StringIO()
    _write(report, text, None, None)
    return text.getvalue()


def _write(report: Report, text: IO[str], table: IO[str] | None, document: IO[str] | None) -> None:
    columns = report.spec.columns
    pages = _Pages(report, text)
    totals = _Totals(report)
    writer = csv.writer(table, lineterminator="\r\n") if table else None
    if writer:
        writer.writerow([c.key for c in columns])
    if document:
        document.write(_json_head(report))
    first = True
    for block in _blocks(report.rows):
        by_column = list(zip(*block, strict=True))
        totals.take(by_column)
        plain = [_plain(c, values) for c, values in zip(columns, by_column, strict=True)]
        pages.details(by_column)
        if writer:
            writer.writerows(zip(*plain, strict=True))
        if document:
            document.write(("" if first else ",\n") + ",\n".join(_json_rows(columns, plain, by_column)))
        first = False
    if first:
        pages.lines([_EMPTY])
    summary = totals.rows()
    pages.totals(summary)
    pages.notes()
    if document:
        document.write(f'\n],\n"totals": {json.dumps(summary)}\n}}\n')


def _blocks(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    iterator = iter(rows)
    while block := list(islice(iterator, _BLOCK)):
        yield block


def _plain(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """Values as CSV and JSON carry them; None stays None."""
    if column.kind == "money":
        return [None if v is None else f"{v // 100}.{v % 100:02d}" if v >= 0 else from_cents(v) for v in values]
    return values


def _json_head(report: Report) -> str:
    head = {
        "report": report.spec.name,
        "title": report.spec.title,
        "portfolio": report.portfolio,
        "portfolio_name": report.portfolio_name,
        "business_date": report.business_date,
        "run_at": report.run_at,
        "figures": dict(report.figures),
        "notes": list(report.notes),
    }
    return json.dumps(head, indent=0)[:-2] + ',\n"rows": [\n'


_encode = json.encoder.encode_basestring


def _json_rows(
    columns: Sequence[Column], plain: Sequence[Sequence[Any]], raw: Sequence[Sequence[Any]]
) -> Iterable[str]:
    template = "{" + ", ".join(f'"{c.key}": %s' for c in columns) + "}"
    encoded: list[list[str]] = []
    for column, values in zip(columns, plain, strict=True):
        if column.kind == "count":
            encoded.append(["null" if v is None else str(v) for v in values])
        elif column.kind == "money":
            encoded.append(["null" if v is None else f'"{v}"' for v in values])
        else:
            known: dict[Any, str] = {v: _encode(v if type(v) is str else str(v)) for v in set(values) if v is not None}
            known[None] = "null"
            encoded.append([known[v] for v in values])
    return map(template.__mod__, zip(*encoded, strict=True))


class _Pages:
    """Lines into pages of 60, each with its title and heading."""

    def __init__(self, report: Report, out: IO[str]) -> None:
        self.report, self.out = report, out
        self.columns = report.spec.columns
        self.widths = [max(c.width, len(c.heading)) for c in self.columns]
        self.template = "  ".join(
            f"%{w}s" if c.kind in ("money", "count") else f"%-{w}s"
            for c, w in zip(self.columns, self.widths, strict=True)
        )
        self.width = sum(self.widths) + 2 * (len(self.widths) - 1)
        self.page = 0
        self.left = 0
        self._start_page()

    def _start_page(self) -> None:
        report = self.report
        self.page += 1
        left = f"LEASE GATEWAY  {report.spec.name}  {report.spec.title}"
        right = f"PAGE {self.page:>6}"
        second = (
            f"PORTFOLIO {report.portfolio} {report.portfolio_name}   BUSINESS DATE {report.business_date}   "
            f"RUN {_instant(report.run_at)}"
        )
        heading = (self.template % tuple(c.heading for c in self.columns)).rstrip()
        marks = "  ".join("=" * w for w in self.widths)
        head = [left + " " * max(2, self.width - len(left) - len(right)) + right, second, "", heading, marks]
        if self.page > 1:
            self.out.write("\f")
        self.out.write("\n".join(head) + "\n")
        self.left = PAGE_LINES - len(head)

    def lines(self, lines: Iterable[str]) -> None:
        pending = list(lines)
        at = 0
        while at < len(pending):
            if self.left == 0:
                self._start_page()
            part = pending[at : at + self.left]
            self.out.write("\n".join(part) + "\n")
            self.left -= len(part)
            at += len(part)

    def details(self, by_column: Sequence[Sequence[Any]]) -> None:
        shown_columns = [_shown_column(c, values) for c, values in zip(self.columns, by_column, strict=True)]
        lines = list(map(self.template.__mod__, zip(*shown_columns, strict=True)))
        if all(len(line) == self.width for line in lines):
            self.lines([line.rstrip() for line in lines])
            return
        out: list[str] = []
        for row, line in zip(zip(*shown_columns, strict=True), lines, strict=True):
            if len(line) == self.width:
                out.append(line.rstrip())
            else:
                out += self._continued(row)
        self.lines(out)

    def _continued(self, row: Sequence[str]) -> list[str]:
        """A row with a value wider than its column: the rest goes below, in the same column."""
        parts = [
            wrap(value, width, break_long_words=True, break_on_hyphens=False) or [""]
            for value, width in zip(row, self.widths, strict=True)
        ]
        height = max(map(len, parts))
        return [(self.template % tuple(p[i] if i < len(p) else "" for p in parts)).rstrip() for i in range(height)]

    def totals(self, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        labels = [str(row["of"]) for row in rows]
        label_width = max(map(len, labels))
        money = [c for c in self.columns if c.totalled]
        out = ["", "TOTALS"]
        for row, label in zip(rows, labels, strict=True):
            figures = "".join(f"  {c.heading} {_shown_total(c, row[c.key]):>18}" for c in money)
            out.append(f"{label:<{label_width}}  ITEMS {row['items']:>10,}{figures}")
        self.lines(out)

    def notes(self) -> None:
        if self.report.notes:
            self.lines(["", *(line for note in self.report.notes for line in wrap(note, max(self.width, 80)))])


def _instant(text: str) -> str:
    """``2026-03-02T14:00:01.083636Z`` as it stands on paper: ``2026-03-02 14:00:01 UTC``."""
    day, _, time = text.partition("T")
    return f"{day} {time[:8]} UTC" if time.endswith("Z") else text


def _shown_column(column: Column, values: Sequence[Any]) -> Sequence[str]:
    if column.kind == "money":
        return ["" if v is None else shown(v) for v in values]
    return ["" if v is None else v if type(v) is str else str(v) for v in values]


def _shown_total(column: Column, value: str) -> str:
    if column.kind != "money":
        return value
    whole, _, cents = value.partition(".")
    return f"{int(whole):,}.{cents}" if whole != "-0" else value


class _Totals:
    """Sums of the totalled columns by office, region, company, portfolio, and by one more column."""

    def __init__(self, report: Report) -> None:
        self.spec = report.spec
        self.portfolio = report.portfolio
        keys = [c.key for c in self.spec.columns]
        self.sums = [i for i, c in enumerate(self.spec.columns) if c.totalled]
        self.other = keys.index(self.spec.total_by) if self.spec.total_by else None
        self.groups: dict[tuple[Any, ...], list[int]] = {}
        self.by_other: dict[Any, list[int]] = {}
        self.count = 0

    def take(self, by_column: Sequence[Sequence[Any]]) -> None:
        self.count += len(by_column[0])
        sums = [[v or 0 for v in by_column[i]] for i in self.sums]
        offices = zip(*by_column[:4], strict=True) if self.spec.by_office else [()] * len(by_column[0])
        _add(self.groups, offices, sums)
        if self.other is not None:
            _add(self.by_other, by_column[self.other], sums)

    def rows(self) -> list[dict[str, Any]]:
        """Total lines, smallest group first; only where something can be added up."""
        if not self.sums or not self.count:
            return []
        out = []
        if self.other is not None:
            heading = self.spec.columns[self.other].heading
            out += [self._row(f"{heading} {k or '-'}", v) for k, v in sorted(self.by_other.items(), key=_by_text)]
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


def _add(groups: dict[Any, list[int]], keys: Iterable[Any], sums: Sequence[Sequence[int]]) -> None:
    """Add a block to its groups: counts first, then each summed column."""
    ordered = list(keys)
    for key, count in Counter(ordered).items():
        groups.setdefault(key, [0] * (len(sums) + 1))[0] += count
    for at, values in enumerate(sums, 1):
        added: dict[Any, int] = defaultdict(int)
        for key, value in zip(ordered, values, strict=True):
            added[key] += value
        for key, value in added.items():
            groups[key][at] += value


def _by_text(item: tuple[Any, Any]) -> tuple[Any, ...]:
    """Order of keys that are digits as text, by value."""
    key = item[0] if isinstance(item[0], tuple) else (item[0],)
    return tuple((str(part or "").rjust(12)) for part in key)
