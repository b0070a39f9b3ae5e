"""What a report is: a name, a table of columns, rows in order. One table gives text, CSV and JSON (``render.py``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal

Kind = Literal["text", "money", "count", "date"]
Columns = Sequence[Sequence[Any]]
"""Rows turned round: one sequence a column, all of one length."""

_BLOCK: Final = 4_000


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` is the stable name in CSV and JSON, ``heading`` the one on paper. Money values are integer cents.

    ``width`` holds the widest value of the field's own format; a longer value (a message) wraps when ``wraps``,
    otherwise it is a fault, never cut.
    """

    key: str
    heading: str
    width: int
    kind: Kind = "text"
    wraps: bool = False
    totalled: bool = False


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """A report's look. ``by_office`` says that its columns have the office key (portfolio, company, region, office) and totals
    are drawn by office, region, company and portfolio;
    ``total_by`` names one more column to total by (the charge code of U0418B)."""

    name: str  # U0418B
    title: str  # BATCH ASSESSMENT AUDIT
    columns: tuple[Column, ...]
    by_office: bool = False
    total_by: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    spec: ReportSpec
    portfolio: str
    portfolio_name: str
    business_date: str
    run_at: str
    rows: Iterable[Sequence[Any]]
    notes: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)  # counts and money of the file, for JSON and the footer


OFFICE_COLUMNS = (
    Column("portfolio", "P", 2),
    Column("company", "C", 2),
    Column("region", "R", 2),
    Column("office", "O", 3),
)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Rows that come from their source in blocks of columns: a report of a million lines has no step a row.

    Read once, as rows or by ``blocks_of``; none of the blocks is empty.
    """

    blocks: Iterable[Columns]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for block in self.blocks:
            yield from zip(*block, strict=True)


def blocks_of(rows: Iterable[Sequence[Any]]) -> Iterator[Columns]:
    """Any rows in blocks of columns; memory is flat."""
    if isinstance(rows, Blocks):
        yield from rows.blocks
        return
    iterator = iter(rows)
    while block := list(islice(iterator, _BLOCK)):
        yield list(zip(*block, strict=True))
