"""Which batch a payment line belongs to, and the numbers of batches the sender did not number.

Lines with the same ``B`` form one batch. Without ``B``, consecutive lines of equal check number, cash account,
effective date and lessee form one; a line without check number is its own. A batch number is 20 digits: the entry date
YYMMDD (the business date), the payment session (6 digits, one a file or a person's payment, from the settings' first
session on), and the place in the session (8 digits, from 1). It is never given twice: a session that a sender's own
batch numbers already used on that date is passed over.

A ``B`` that an earlier file used, or whose lines differ in check, account or date (one batch is one check), cannot
take the money: the line goes into a batch of its own numbering, with the finding that sends it to suspense.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.errors import LedgerError
from gateway.ledger.payments import SESSION_COUNTER
from gateway.updates import payment_messages as messages
from gateway.updates.payment_messages import Finding

_LAST_SESSION = 999_999
_LAST_PLACE = 99_999_999

Header = tuple[str | None, str, str]
"""(check number, cash account, effective date): equal in all lines of a batch."""


@dataclass(slots=True)
class Batch:
    """A batch being filled. ``lines`` are the payment lines it has; ``is_stored`` that its row exists."""

    batch: str
    header: Header
    origination: str | None
    note: str | None
    lines: int = 0
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch that the ledger has: ``header`` and ``lines`` when an earlier chunk of this file made it."""

    is_own: bool
    header: Header
    lines: int


class Batches:
    """Places the lines of a file in order. ``stored`` holds the given numbers that exist, chunk by chunk."""

    def __init__(self, numbers: Iterator[str]) -> None:
        self.stored: Mapping[str, Stored] = {}
        self.touched: dict[str, Batch] = {}
        self._numbers = numbers
        self._last: tuple[object, Batch] | None = None

    def place(
        self, given: str | None, header: Header, lessee: str, origination: str | None, note: str | None
    ) -> tuple[Batch, Finding | None]:
        """The batch of a line and, when the given number cannot take it, why."""
        problem = None
        if given is not None:
            batch = self.touched.get(given) or self._given(given, header, origination, note)
            if batch is not None and batch.header == header:
                self._last = None
                return batch, None
            problem = messages.batch_exists(given) if batch is None else messages.batch_differs(given)
        key = (header, lessee, given)
        if self._last is not None and self._last[0] == key and header[0] is not None:
            batch = self._last[1]
        else:
            batch = Batch(next(self._numbers), header, origination, note)
            self._last = (key, batch)
        self.touched[batch.batch] = batch
        return batch, problem

    def chunk_written(self) -> None:
        """Forget what was written; the batch that the next line may continue stays."""
        for batch in self.touched.values():
            batch.is_stored = True
        self.touched = {}

    def _given(self, given: str, header: Header, origination: str | None, note: str | None) -> Batch | None:
        stored = self.stored.get(given)
        if stored is None:
            batch = Batch(given, header, origination, note)
        elif stored.is_own:
            batch = Batch(given, stored.header, origination, note, lines=stored.lines, is_stored=True)
        else:
            return None
        self.touched[given] = batch
        return batch


def numbers(connection: Connection, *, file_id: int | None, entry_date: str, first_session: int) -> Iterator[str]:
    """Batch numbers of this file (None: of a person), in order; the session is taken with the first one. The caller
    holds the numbers."""
    prefix = _next_session(connection, file_id, entry_date[2:].replace("-", ""), first_session)
    for place in range(1, _LAST_PLACE + 1):
        yield f"{prefix}{place:08d}"
    raise LedgerError(f"numbering batches of session {prefix}: found more than {_LAST_PLACE}, expected a smaller file")


def _next_session(connection: Connection, file_id: int | None, yymmdd: str, first: int) -> str:
    noted = connection.execute(text("SELECT next FROM counter WHERE name = :name"), {"name": SESSION_COUNTER}).scalar()
    session = start = max(int(noted or first), first)
    while True:
        if session > _LAST_SESSION:
            session = first
        prefix = f"{yymmdd}{session:06d}"
        session += 1
        if not _is_used(connection, file_id, prefix):
            break
        if session == start:
            raise LedgerError(f"numbering batches: found every payment session of {yymmdd} used, expected a free one")
    connection.execute(
        text(
            "INSERT INTO counter (name, next) VALUES (:name, :next) "
            "ON CONFLICT (name) DO UPDATE SET next = excluded.next"
        ),
        {"name": SESSION_COUNTER, "next": session},
    )
    return prefix


def _is_used(connection: Connection, file_id: int | None, prefix: str) -> bool:
    bounds = {"low": f"{prefix}{0:08d}", "high": f"{prefix}{_LAST_PLACE}", "file": file_id}
    return bool(
        connection.execute(
            text(
                "SELECT EXISTS (SELECT 1 FROM payment_batch WHERE batch BETWEEN :low AND :high) "
                "OR EXISTS (SELECT 1 FROM staged_payment WHERE file_id = :file AND batch BETWEEN :low AND :high)"
            ),
            bounds,
        ).scalar()
    )
