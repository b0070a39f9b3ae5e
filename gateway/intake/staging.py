"""Parsed chunks into the staging table and ``line_message``, and what can be refused from the file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, MetaData, Table, text

from gateway.intake.hashes import Hashes, Spool, repeats
from gateway.intake.packing import Ready
from gateway.intake.parsing import UnreadableError
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.packed import BULK_ROWS, Packed
from gateway.updates.base import MESSAGE_COLUMNS
from parsers.base import ParsedChunk, Reject, Warn

TABLES = {
    "assessments": schema.staged_assessment,
    "escrow": schema.staged_escrow,
    "reversals": schema.staged_reversal,
    "payments": schema.staged_payment,
}


@dataclass(slots=True)
class Counts:
    """Lines and money of a file as read. ``unreadable``: rejects whose amount cannot be told."""

    lines: int = 0
    records: int = 0
    rejects: int = 0
    blank: int = 0
    records_cents: int = 0
    rejected_cents: int = 0
    unreadable: int = 0

    @property
    def amount_cents(self) -> int:
        return self.records_cents + self.rejected_cents

    def add(self, chunk: ParsedChunk, records: int) -> None:
        self.lines += chunk.lines
        self.records += records
        self.rejects += len(chunk.rejects)
        self.blank += chunk.blank
        self.records_cents += chunk.amount_cents
        self.rejected_cents += chunk.rejected_cents
        self.unreadable += sum(reject.amount_cents is None for reject in chunk.rejects)


def columns_of(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


def stage(
    db: Database, connection: Connection, file_id: int, table: Table, chunks: Iterable[Ready], spool: Spool
) -> Counts:
    """All records and messages into their tables, a few chunks at a time; hashes to the spool."""
    counts = Counts()
    columns = columns_of(table)
    messages: list[tuple[Any, ...]] = []
    more = iter(chunks)
    ended: UnreadableError | None = None

    def packed() -> Iterator[Packed]:
        """Until there are messages enough to be inserted themselves: one bulk call takes what others would wait for. Where
        the file cannot be read further it ends as well, for inside the call the transaction would be lost with it."""
        nonlocal ended
        try:
            for chunk, records, rows in more:
                counts.add(chunk, records)
                spool.add(chunk)
                messages.extend(_messages(file_id, chunk.rejects, chunk.warnings))
                if rows is not None:
                    yield rows
                if len(messages) >= BULK_ROWS:
                    return
        except UnreadableError as error:
            ended = error

    while True:
        db.insert_packed(connection, table.name, columns, packed())
        if ended is not None:
            raise ended
        if not messages:
            return counts
        db.bulk_insert(connection, schema.line_message, MESSAGE_COLUMNS, messages)
        messages.clear()


def count(chunks: Iterable[ParsedChunk], each: Callable[[ParsedChunk], None] = lambda _chunk: None) -> Counts:
    """The figures alone, nothing stored."""
    counts = Counts()
    for chunk in chunks:
        counts.add(chunk, len(chunk.records))
        each(chunk)
    return counts


def _messages(file_id: int, rejects: Sequence[Reject], warnings: Sequence[Warn]) -> Iterator[tuple[Any, ...]]:
    for r in rejects:
        yield (
            file_id, r.line_no, 0, "R", r.code, r.field, r.column, r.found, r.expected, r.action, r.amount_cents, None,
        )  # fmt: skip
    line, seq = 0, 0
    for w in warnings:
        line, seq = (line, seq + 1) if w.line_no == line else (w.line_no, 1)
        yield (file_id, w.line_no, seq, "W", w.code, w.field, None, w.found, w.expected, w.action, None, None)


@dataclass(frozen=True, slots=True)
class Refused:
    """Staged lines refused by what is elsewhere in this file or in another."""

    lines: int
    cents: int


def refuse_repeats(db: Database, connection: Connection, file_id: int, table: Table, spool: Spool) -> Refused:
    """Refuse each line that equals an earlier line of the file. The staged rows are compared too: a hash is a hint."""
    numbers = spool.lines()
    pairs = ((int(numbers[again]), int(numbers[first])) for again, first in repeats(spool.hashes()))
    db.scratch(connection, "repeated_line", "line_no BIGINT PRIMARY KEY, other BIGINT")
    db.bulk_insert(connection, _scratch("repeated_line"), ("line_no", "other"), pairs)
    same = " AND ".join(
        f"s.{c} IS NOT DISTINCT FROM f.{c}" for c in columns_of(table) if c not in ("file_id", "line_no")
    )
    return _refuse(
        connection, file_id, table, "repeated_line", "REPEATED_LINE",
        found="'the text of line ' || CAST(x.other AS TEXT) || ' again'",
        expected="each line once in a file",
        action="nothing if it slipped in twice; if both are meant, drop the line in a file of its own, which will be held as "
        "one that posted before, and release that whole (`gateway files release N --reason WHY`)",
        join=f"JOIN {table.name} f ON f.file_id = :file_id AND f.line_no = x.other AND {same}",
    )  # fmt: skip


def refuse_shared(
    db: Database, connection: Connection, file_id: int, table: Table, lines: Iterable[tuple[int, int]]
) -> Refused:
    """Refuse the lines that another file has posted; an operator released only the new ones."""
    db.scratch(connection, "shared_line", "line_no BIGINT PRIMARY KEY, other BIGINT")
    db.bulk_insert(connection, _scratch("shared_line"), ("line_no", "other"), lines)
    return _refuse(
        connection, file_id, table, "shared_line", "RELEASED_WITHOUT",
        found="'a line that file ' || CAST(x.other AS TEXT) || ' has posted'",
        expected="new lines only, as the file was released",
        action="nothing, it is in the ledger already",
        join="",
    )  # fmt: skip


def shared_cents(
    db: Database, connection: Connection, file_id: int, table: Table, lines: Iterable[tuple[int, int]]
) -> int:
    """Money of these staged lines."""
    db.scratch(connection, "shared_line", "line_no BIGINT PRIMARY KEY, other BIGINT")
    db.bulk_insert(connection, _scratch("shared_line"), ("line_no", "other"), lines)
    return int(
        connection.execute(
            text(
                f"SELECT COALESCE(SUM(s.amount_cents), 0) FROM shared_line x "
                f"JOIN {table.name} s ON s.file_id = :file_id AND s.line_no = x.line_no"
            ),
            {"file_id": file_id},
        ).scalar_one()
    )


def _refuse(
    connection: Connection,
    file_id: int,
    table: Table,
    scratch: str,
    code: str,
    *,
    found: str,
    expected: str,
    action: str,
    join: str,
) -> Refused:
    """A message R for each staged line named in ``scratch`` that has none yet; how many and how much."""
    values = {"file_id": file_id, "code": code, "expected": expected, "action": action}
    connection.execute(
        text(
            f"INSERT INTO line_message ({', '.join(MESSAGE_COLUMNS)}) "
            f"SELECT s.file_id, s.line_no, 0, 'R', :code, 'line', NULL, {found}, :expected, :action, s.amount_cents, NULL "
            f"FROM {scratch} x JOIN {table.name} s ON s.file_id = :file_id AND s.line_no = x.line_no {join} "
            "WHERE NOT EXISTS (SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no "
            "AND m.seq = 0)"
        ),
        values,
    )
    row = connection.execute(
        text(
            "SELECT COUNT(*), COALESCE(SUM(amount_cents), 0) FROM line_message "
            "WHERE file_id = :file_id AND severity = 'R' AND code = :code"
        ),
        {"file_id": file_id, "code": code},
    ).one()
    return Refused(int(row[0]), int(row[1]))


def _scratch(name: str) -> Table:
    """A temporary table as far as a bulk insert needs it."""
    return Table(name, MetaData())


def line_pairs(mask: NDArray[np.bool_], other: Hashes, numbers: Hashes) -> Iterator[tuple[int, int]]:
    """(line number, number in ``other``) where ``mask`` is set."""
    at = np.flatnonzero(mask)
    yield from zip(numbers[at].tolist(), other[at].tolist(), strict=True)
