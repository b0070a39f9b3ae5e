"""A report in its three forms from one pass over its rows: text for people and printers, CSV, JSON.

Text: title lines, a heading line, a line of ``=`` runs that marks the columns, detail lines, totals; 60 lines a page,
form feed between pages; an empty report says ``NO ITEMS WERE FOUND``. A value wider than its column is continued on
the next line of its column, never cut. CSV and JSON carry the stable keys; money is ``1234.56`` text in both.
Memory is flat: rows are taken in blocks and written at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from textwrap import wrap
from typing import IO, Any, Final

from gateway.home import fsync_dir, temporary_of
from gateway.reports.forms import Cells, Lines, cells, csv_rows, json_rows
from gateway.reports.table import Column, Report, blocks_of
from gateway.reports.totals import Totals

PAGE_LINES: Final = 60
_BODY_LINES: Final = PAGE_LINES - 5
_PAGE_DIGITS: Final = 6
_EMPTY: Final = "NO ITEMS WERE FOUND"


def write_report(report: Report, folder: Path, stem: str, *, durable: bool = True) -> list[Path]:
    """Write ``stem.rpt``, ``stem.csv`` and ``stem.json`` into ``folder``; each appears whole or not at all.

    Not ``durable``: the caller flushes the files to disk, many at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}{suffix}" for suffix in (".rpt", ".csv", ".json")]
    temporary = [temporary_of(path) for path in paths]
    with ExitStack() as stack:
        text, table, document = (stack.enter_context(_open(p)) for p in temporary)
        _write(report, text, table, document)
        document.write(_json_tail(report))
        for handle in (text, table, document) if durable else ():
            handle.flush()
            os.fsync(handle.fileno())
    for path, written in zip(paths, temporary, strict=True):
        written.chmod(0o640)
        written.replace(path)
    if durable:
        fsync_dir(folder)
    return paths


def draft_report(report: Report, folder: Path) -> None:
    """Write a report into ``folder`` before its figures are known: all of it but the end of the JSON form."""
    with ExitStack() as stack:
        _write(report, *(stack.enter_context(_open(folder / name)) for name in _DRAFTS))


def complete_report(report: Report, drafts: Path, folder: Path, stem: str) -> list[Path]:
    """As ``write_report`` (not durable) from what ``draft_report`` left: ``report`` has the figures, its rows are not
    read. The drafts are used up."""
    folder.mkdir(parents=True, exist_ok=True)
    drafted = [drafts / name for name in _DRAFTS]
    with drafted[-1].open("a", encoding="utf-8", newline="") as document:
        document.write(_json_tail(report))
    paths = []
    for written, suffix in zip(drafted, (".rpt", ".csv", ".json"), strict=True):
        written.chmod(0o640)
        paths.append(written.replace(folder / f"{stem}{suffix}"))
    return paths


_DRAFTS: Final = ("draft.rpt", "draft.csv", "draft.json")


def _open(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")


def render_text(report: Report) -> str:
    """The text form alone, for a terminal."""
    text = StringIO()
    _write(report, text)
    return text.getvalue()


def _write(report: Report, text: IO[str], table: IO[str] | None = None, document: IO[str] | None = None) -> None:
    """All of it but the end of ``document``."""
    columns = report.spec.columns
    pages = _Pages(report, text)
    totals = Totals(report.spec)
    if table:
        table.write(",".join(c.key for c in columns) + "\r\n")
    if document:
        document.write(_json_head(report))
    first = True
    for by_column in blocks_of(report.rows):
        block = [cells(c, values) for c, values in zip(columns, by_column, strict=True)]
        totals.take(block)
        pages.details(block)
        if table:
            table.write(csv_rows(block))
        if document:
            document.write(("" if first else ",\n") + json_rows(block))
        first = False
    if first:
        pages.lines([_EMPTY])
    summary = totals.rows()
    pages.totals(summary)
    pages.notes()
    if document:
        document.write(f'\n],\n"totals": {json.dumps(summary)}')


def _json_head(report: Report) -> str:
    head = {
        "report": report.spec.name,
        "title": report.spec.title,
        "portfolio": report.portfolio,
        "portfolio_name": report.portfolio_name,
        "business_date": report.business_date,
        "run_at": report.run_at,
    }
    return json.dumps(head, indent=0)[:-2] + ',\n"rows": [\n'


def _json_tail(report: Report) -> str:
    """What is known only when all is posted, so that a draft is finished by adding to it."""
    return f',\n"figures": {json.dumps(dict(report.figures))},\n"notes": {json.dumps(list(report.notes))}\n}}\n'


class _Pages:
    """Lines into pages of 60, each with its title and heading."""

    def __init__(self, report: Report, out: IO[str]) -> None:
        self.report, self.out = report, out
        self.columns = report.spec.columns
        self.form = Lines(self.columns)
        left = f"LEASE GATEWAY  {report.spec.name}  {report.spec.title}"
        self.title = left + " " * max(2, self.form.width - len(left) - len("PAGE ") - _PAGE_DIGITS) + "PAGE "
        second = (
            f"PORTFOLIO {report.portfolio} {report.portfolio_name}   BUSINESS DATE {report.business_date}   "
            f"RUN {_instant(report.run_at)}"
        )
        marks = "  ".join("=" * w for w in self.form.widths)
        self.head = f"\n{second}\n\n{self.form.heading}\n{marks}\n"
        self.page = 1
        self.out.write(self._top())
        self.left = _BODY_LINES

    def _top(self) -> str:
        return f"{self.title}{self.page:>{_PAGE_DIGITS}}{self.head}"

    def lines(self, lines: Sequence[str]) -> None:
        out: list[str] = []
        at = 0
        while at < len(lines):
            if self.left == 0:
                self.page += 1
                out.append("\f" + self._top())
                self.left = _BODY_LINES
            part = lines[at : at + self.left]
            out.append("\n".join(part) + "\n")
            self.left -= len(part)
            at += len(part)
        self.out.write("".join(out))

    def details(self, block: Sequence[Cells]) -> None:
        self.lines(self.form.of(block))

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
            self.lines(["", *(line for note in self.report.notes for line in wrap(note, max(self.form.width, 80)))])


def _instant(text: str) -> str:
    """``2026-03-02T14:00:01.083636Z`` as it stands on paper: ``2026-03-02 14:00:01 UTC``."""
    day, _, time = text.partition("T")
    return f"{day} {time[:8]} UTC" if time.endswith("Z") else text


def _shown_total(column: Column, value: str) -> str:
    if column.kind != "money":
        return value
    whole, _, cents = value.partition(".")
    return f"{int(whole):,}.{cents}" if whole != "-0" else value
