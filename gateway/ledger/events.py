"""What people did by hand: each act a row of ``operator_event``, with who, when and why."""

from __future__ import annotations

from sqlalchemy import Connection

from gateway.app import Operator
from gateway.errors import UsageError
from gateway.ledger import schema


def require_reason(reason: str | None, action: str) -> None:
    """Raises UsageError for none, or blanks: whoever looks at it later asks why."""
    if reason is None or not reason.strip():
        raise UsageError(f"{action}: found no reason, expected one; say why with --reason")


def note(
    connection: Connection, operator: Operator, action: str, subject: str | None, reason: str | None, *, at: str
) -> None:
    """``action`` in two words with a point (``outbound.reject``) or an update's name; ``subject``: what it was done to,
    as lists name it; ``at``: an instant as the database writes it."""
    event = {
        "at": at, "operator": operator.code, "os_user": operator.user, "action": action, "subject": subject, "reason": reason,
    }  # fmt: skip
    connection.execute(schema.operator_event.insert(), event)
