"""What payments and reversals are posted with, whether a file or a person brought them.

A file's records post into the file's unit, and what is to be said of them goes to its report A. A person's record
posts by the same rules into an operator's unit with a reason (``by_hand``), and what is to be said comes back as notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from gateway.app import App
from gateway.errors import LedgerError
from gateway.ledger import events, units
from gateway.ledger.database import Database
from gateway.ledger.units import Unit
from gateway.settings_portfolio import PortfolioSettings
from gateway.updates.base import Follower, PostingContext, Severity
from gateway.updates.payment_messages import Finding, emit


class Emit(Protocol):
    """Says something about the record of a line, as ``payment_messages.emit`` does for a file."""

    def __call__(
        self, line_no: int, severity: Severity, finding: Finding, *, amount_cents: int, item: int | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Posting:
    """An open unit of one portfolio and what its rows carry. ``file_id`` is None for what a person posts."""

    db: Database
    connection: Connection
    settings: PortfolioSettings
    unit: Unit
    operator: str
    posted_at: str
    file_id: int | None
    emit: Emit
    follower: Follower | None = None

    def source_line(self, line_no: int) -> int | None:
        """The line an entry leads back to: none where there is no file."""
        return None if self.file_id is None else line_no


@dataclass(frozen=True, slots=True)
class Note:
    """What was said of a record that a person posts. ``item`` is the suspense item it made."""

    severity: Severity
    finding: Finding
    amount_cents: int
    item: int | None


def of_file(context: PostingContext, update_name: str) -> Posting:
    """The posting of a file into the unit of its portfolio."""
    portfolio = context.file.portfolio
    if portfolio is None:
        raise LedgerError(f"posting {context.file.name}: found no portfolio in its name, expected p<n>_")
    return Posting(
        context.db, context.connection, context.settings.portfolio(portfolio), context.unit(portfolio, update_name),
        context.operator, context.posted_at, context.file.file_id, partial(emit, context), context.follower,
    )  # fmt: skip


class _DryRunError(Exception):
    """Rolls the transaction back."""


@contextmanager
def by_hand(
    app: App,
    portfolio: str,
    update_name: str,
    subject: str,
    *,
    action: str,
    reason: str,
    notes: list[Note],
    dry_run: bool = False,
) -> Iterator[Posting]:
    """An operator's unit in a transaction of its own: it commits when the block ends, and not at all on an exception
    or for a ``dry_run``. ``subject`` is what the operator's event names (``batch:…``), ``action`` the command as refusals do.

    Raises Refused without the right to post or on a closed business date, UsageError without a reason.
    """
    app.operator.require("post", action)
    events.require_reason(reason, action)

    def note(line_no: int, severity: Severity, finding: Finding, *, amount_cents: int, item: int | None = None) -> None:
        notes.append(Note(severity, finding, amount_cents, item))

    now = app.now()
    with suppress(_DryRunError), app.db.write() as connection:
        unit = units.open_unit(
            app.db, connection, portfolio=portfolio, kind="OPERATOR", update_name=update_name,
            operator=app.operator.code, posted_at=now, reason=reason, action=action,
        )  # fmt: skip
        yield Posting(app.db, connection, app.settings.portfolio(portfolio), unit, app.operator.code, now, None, note)
        units.close_unit(unit)
        events.note(connection, app.operator, update_name, subject, reason, at=now)
        if dry_run:
            raise _DryRunError
