"""What an update of an inbound file is: records staged from the file + ledger facts -> postings and messages.

``gateway/intake/processing.py`` runs one in the file's transaction::

    stage rows -> in-file repeats and overlaps become line messages -> update.post(context) -> close units -> state

An update reads its staging table (``WHERE file_id = …``), leaves out every line that has a line message of
severity ``R``, checks the rest against the ledger set by set, and posts. It never knows the file's format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy import Connection, Table

from gateway.ledger import schema, units
from gateway.ledger.database import Database
from gateway.reports.table import Columns, ReportSpec
from gateway.settings import Settings

MESSAGE_COLUMNS = (
    "file_id", "line_no", "seq", "severity", "code", "field", "col", "found", "expected", "action", "amount_cents",
    "suspense_item",
)  # fmt: skip

Severity = Literal["R", "W", "S"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The inbound file being posted. ``portfolio`` is None for a bare ``btchescr.dat``."""

    file_id: int
    name: str
    kind: str
    portfolio: str | None


@dataclass(slots=True)
class Outcome:
    """What became of the staged records, in count and cents; processing checks that it adds up."""

    posted: int = 0
    posted_cents: int = 0
    suspended: int = 0
    suspended_cents: int = 0
    rejected: int = 0  # by the update itself, not lines rejected before
    rejected_cents: int = 0


class Follower(Protocol):
    """Is told, while a file is being posted, what became of its lines: so that what is written about it afterwards can be
    prepared beside the posting. Only a commit makes it true."""

    def tell(self, last: int, told: Columns, more: Any = None) -> None:
        """All lines after those told before, to line ``last``: columns of which the first are the lines' numbers, in order,
        and what else there is to say, in plain values. The update's ``Draft`` gets them; a line that is not among them
        was rejected, and so was what follows the last one told."""


class Followed(NamedTuple):
    """What became of a chunk of records, as the archive has it, and what of it report B shows."""

    outcomes: Sequence[str]
    entry_ids: Sequence[Sequence[int]]
    parts: Sequence[Any]
    """In order, as ``Draft.rows`` takes them."""


class Draft(Protocol):
    """What a ``Follower`` was told, put to use in the process beside the posting."""

    def follow(self, records: Columns, told: Columns, more: Sequence[Any]) -> Followed:
        """What became of these records, all of a chunk: of what was ``told``, that of their lines, and what was said ``more``
        since the chunk before."""

    def rows(self, parts: Iterator[Any]) -> Iterable[Sequence[Any]]:
        """As ``Update.audit_rows``, of the parts of all chunks."""


@dataclass(slots=True)
class PostingContext:
    """Everything an update may use. One unit a portfolio is opened on first use and closed by ``close_units``."""

    db: Database
    connection: Connection
    settings: Settings
    file: FileFacts
    operator: str
    posted_at: str
    unit_kind: units.UnitKind = "FILE"  # MODULE when End of Period posts a preloaded file, its business date closed
    follower: Follower | None = None
    _units: dict[str, units.Unit] = field(default_factory=dict)
    _messages: list[tuple[Any, ...]] = field(default_factory=list)
    _next_seq: dict[int, int] = field(default_factory=dict)

    def unit(self, portfolio: str, update_name: str) -> units.Unit:
        """The open unit of this file for a portfolio."""
        if portfolio not in self._units:
            self._units[portfolio] = units.open_unit(
                self.db, self.connection, portfolio=portfolio, kind=self.unit_kind, update_name=update_name,
                operator=self.operator, posted_at=self.posted_at, file_id=self.file.file_id,
            )  # fmt: skip
        return self._units[portfolio]

    def message(
        self,
        line_no: int,
        severity: Severity,
        code: str,
        *,
        field: str | None,
        found: str,
        expected: str,
        action: str,
        amount_cents: int | None = None,
        suspense_item: int | None = None,
        column: int | None = None,
    ) -> None:
        """Buffer a message: R refuses the line (seq 0, at most one), W warns, S says that it went to suspense.

        A warning that parsing already gave the line may exist in the table; numbers given here start at 100.
        """
        seq = 0
        if severity != "R":
            seq = self._next_seq.get(line_no, 100)
            self._next_seq[line_no] = seq + 1
        self._messages.append(
            (
                self.file.file_id, line_no, seq, severity, code, field, column, found, expected, action,
                amount_cents, suspense_item,
            )
        )  # fmt: skip

    def flush(self) -> None:
        for unit in self._units.values():
            unit.flush()
        if self._messages:
            self.db.bulk_insert(self.connection, schema.line_message, MESSAGE_COLUMNS, self._messages)
            self._messages = []

    def close_units(self) -> list[units.ClosedUnit]:
        self.flush()
        return [units.close_unit(unit) for unit in self._units.values()]


class Update(Protocol):
    """One module of ``gateway/updates`` offers one of these as ``UPDATE``."""

    name: str  # U0418
    kind: str  # assessments
    staging: Table
    exceptions: ReportSpec  # report A
    audit: ReportSpec  # report B

    def post(self, context: PostingContext) -> Outcome:
        """Post every staged line of the file that is not rejected; say what became of each in ``Outcome``."""

    def audit_rows(self, connection: Connection, file_id: int) -> Iterable[Sequence[Any]]:
        """Rows of report B in file order, streamed; ``Blocks`` where there may be many."""

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        """Rows of report A in file order: every line message, with what the line named."""

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        """(line_no, 'posted'|'rejected'|'suspended'|'held', entry ids) of every staged line, in file order."""

    def draft(self, connection: Connection, file_id: int) -> Draft:
        """For a file that is being posted. ``connection`` sees what was committed before."""
