"""Read reference data: CSV in, validated rows and problems out. Knows columns and types, not the ledger."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.ledger.load_kinds import BY_NAME, KINDS, Field, Kind
from gateway.ledger.load_types import AMOUNT
from gateway.log import last_four
from parsers.base import render_message

CHUNK = 200
"""Rows validated at once: larger chunks are slower, see the measurements on pydantic."""

_CODE = re.compile(r"[A-Z0-9]{1,4}\Z")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing was loaded: one cell, row or file. ``row`` counts the lines of the file, the header is 1."""

    file: str
    row: int | None
    column: str | None
    found: str
    expected: str
    action: str

    @property
    def message(self) -> str:
        where = [self.file, *([f"row {self.row}"] if self.row else []), *([self.column] if self.column else [])]
        return f"{', '.join(where)}: {render_message(self.found, self.expected, self.action)}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file with a sound header. ``fields`` are its columns in file order, the code columns last."""

    kind: Kind
    path: Path
    fields: tuple[Field, ...]
    positions: tuple[int, ...]
    codes: tuple[Field, ...] = ()

    def has(self, name: str) -> bool:
        return any(f.name == name for f in self.fields)


@dataclass(frozen=True, slots=True)
class Batch:
    """Validated rows of a sheet: (row number, *values in the order of ``Sheet.fields`` then ``codes``)."""

    rows: list[tuple[Any, ...]]
    partial: list[tuple[Any, ...]]  # likewise rows with a problem, None in place of their bad cells
    bad: list[tuple[int, tuple[str | None, ...]]]  # raw cells of the rows with a problem, in the same order
    problems: list[Problem]


def find_files(paths: Sequence[Path]) -> tuple[list[tuple[Kind, Path]], list[Problem]]:
    """The files to load, in loading order. A folder gives every ``*.csv`` in it."""
    found: list[tuple[Kind, Path]] = []
    problems = []
    for path in paths:
        files = sorted(f for f in path.iterdir() if f.suffix.lower() == ".csv") if path.is_dir() else [path]
        if not files or not path.exists():
            problems.append(
                Problem(str(path), None, None, "no file", "a CSV file or a folder with some", "name another path")
            )
            continue
        for file in files:
            kind = BY_NAME.get(file.stem.lower())
            if kind is None or file.suffix.lower() != ".csv":
                names = ", ".join(f"{k.name}.csv" for k in KINDS)
                problems.append(Problem(file.name, None, None, "this name", f"one of {names}", "rename the file"))
            elif any(kind is other for other, _ in found):
                problems.append(
                    Problem(file.name, None, None, "a second file of its kind", "one file a kind", "join them")
                )
            else:
                found.append((kind, file))
    order = {kind.name: n for n, kind in enumerate(KINDS)}
    return sorted(found, key=lambda item: order[item[0].name]), problems


def open_sheet(kind: Kind, path: Path) -> tuple[Sheet | None, list[Problem]]:
    """Check the header of a file."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
        header = [name.strip() for name in next(csv.reader(handle), [])]
    unfit = _of_another_form(kind, header)
    if unfit is not None:
        return None, [Problem(path.name, 1, None, *unfit)]
    problems = []
    known: list[Field] = []
    codes: list[Field] = []
    at: dict[str, int] = {}
    for position, name in enumerate(header):
        spec = kind.field(name)
        if name in at:
            problems.append(Problem(path.name, 1, name, "the column twice", "it once", "remove one of them"))
        elif spec is not None:
            known.append(spec)
        elif kind.codes and _CODE.match(name):
            codes.append(Field(name, AMOUNT, optional=True))
        else:
            names = ", ".join(f.name for f in kind.fields)
            problems.append(
                Problem(path.name, 1, name or None, f"unknown column {name!r}", names, "correct or remove it")
            )
        at[name] = position
    problems += [
        Problem(path.name, 1, spec.name, "no such column", "it in the header", "add it")
        for spec in kind.fields
        if not spec.optional and spec.name not in at
    ]
    if problems:
        return None, problems
    columns = [*known, *codes]
    return Sheet(kind, path, tuple(known), tuple(at[f.name] for f in columns), tuple(codes)), []


def _of_another_form(kind: Kind, header: Sequence[str]) -> tuple[str, str, str] | None:
    """Found, expected and action of a header that a spreadsheet wrote in another form: said once, not for every column."""
    text = "".join(header)
    if not text:
        return "nothing", "a header row with the names of the columns", "add it"
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        return "bytes that are not UTF-8", "UTF-8", "save the file as CSV in UTF-8"
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and any(kind.field(part.strip().strip('"')) for part in text.split(separator)[1:]):
            return f"columns separated by {name}", "commas", "save the file as CSV with commas"
    return None


def read_rows(sheet: Sheet) -> Iterator[Batch]:
    """Validate a sheet in chunks; every bad cell is a problem, and reading goes on."""
    columns = (*sheet.fields, *sheet.codes)
    adapter = _adapter(columns)
    pick = itemgetter(*sheet.positions) if len(columns) > 1 else lambda row: (row[sheet.positions[0]],)
    with sheet.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
        reader = csv.reader(handle, strict=True)
        width = len(next(reader))
        rows = _numbered(reader, sheet.path.name, width)
        while chunk := list(islice(rows, CHUNK)):
            problems = [item for item in chunk if isinstance(item, Problem)]
            numbered = [item for item in chunk if not isinstance(item, Problem)]
            cells = [tuple([cell if cell.strip() else None for cell in pick(row)]) for _, row in numbered]
            yield _validated(sheet, columns, adapter, [n for n, _ in numbered], cells, problems)


def _numbered(reader: Any, name: str, width: int) -> Iterator[tuple[int, list[str]] | Problem]:
    """Rows with their line number; empty rows are passed over."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(name, reader.line_num, None, f"text that is no CSV ({error})", "CSV", "correct the row")
            continue
        if not row:
            continue
        if len(row) != width:
            yield Problem(
                name, reader.line_num, None, f"{len(row)} values", f"{width} as in the header", "correct the row"
            )
            continue
        yield reader.line_num, row


def _adapter(columns: Sequence[Field], *, may_lack: bool = False) -> TypeAdapter[list[Any]]:
    types = tuple(c.type.check | None if c.optional or may_lack else c.type.check for c in columns)
    return TypeAdapter(list[tuple[types]])  # type: ignore[valid-type]


def _validated(
    sheet: Sheet,
    columns: Sequence[Field],
    adapter: TypeAdapter[list[Any]],
    numbers: list[int],
    cells: list[tuple[str | None, ...]],
    problems: list[Problem],
) -> Batch:
    try:
        rows = adapter.validate_python(cells)
        return Batch([(n, *row) for n, row in zip(numbers, rows, strict=True)], [], [], problems)
    except ValidationError as error:
        wrong = {(int(e["loc"][0]), int(e["loc"][1])) for e in error.errors(include_url=False, include_input=False)}
    for row, column in sorted(wrong):
        problems.append(_problem(sheet.path.name, numbers[row], columns[column], cells[row][column]))
    bad = sorted({row for row, _ in wrong})
    good = [n for n in range(len(cells)) if n not in set(bad)]
    values = adapter.validate_python([cells[n] for n in good])
    sound = [tuple(None if (n, at) in wrong else cell for at, cell in enumerate(cells[n])) for n in bad]
    rest = _adapter(columns, may_lack=True).validate_python(sound)
    return Batch(
        [(numbers[n], *row) for n, row in zip(good, values, strict=True)],
        [(numbers[n], *row) for n, row in zip(bad, rest, strict=True)],
        [(numbers[n], cells[n]) for n in bad],
        problems,
    )


def _problem(file: str, row: int, column: Field, found: str | None) -> Problem:
    if found is None:
        return Problem(file, row, column.name, "nothing", column.type.expected, "enter a value")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in found):
        at = next(n for n, c in enumerate(found, 1) if 0xD800 <= ord(c) <= 0xDFFF)
        return Problem(file, row, column.name, f"a byte that is not UTF-8 at {at}", "UTF-8", "save the file as UTF-8")
    shown = last_four(found.strip()) if column.sensitive else found
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return Problem(file, row, column.name, repr(shown), column.type.expected, "correct the value")
