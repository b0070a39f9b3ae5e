"""A restored ledger does not know what left, came or was numbered after its backup: that stands in it until people compared.

The restore itself is an event of the operator; the word that the receivers' lists were compared is another. Between the two
nothing leaves by itself (``delivery/queue.py``), and ``gateway status`` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import Operator
from gateway.errors import Refused
from gateway.ledger import schema
from gateway.ledger.events import note, require_reason

RESTORED: Final = "restore"
COMPARED: Final = "restore.compared"
"""Actions in ``operator_event``."""
SUBJECT: Final = "the restored ledger"
RULE: Final = "restored"
"""What holds a file that waited for approval in a backup, as ``fraud_finding`` has it and ``--accept`` names it."""
COMMAND: Final = "gateway deliver compared --reason WHY"

TRACES_LEFT_OUT: Final = 1_000_000
"""More entries than a bank is sent between a backup and its restore: an answer to one of those must find no other entry."""
_TRACES: Final = 9_999_999  # the sequence comes round after it: vendor_ach/numbers.py


@dataclass(frozen=True, slots=True)
class Uncompared:
    """A restore after which nobody said yet that what left since the backup was compared."""

    at: str
    """The instant of the restore."""
    reason: str
    """From which backup, in words."""


def mark(connection: Connection, *, code: str, user: str, backup_at: str | None, at: str) -> None:
    """Note the restore, and go on with trace numbers behind all that may have gone out since the backup. Reports and Avro
    files are in no backup: they count as not written, so that the next pass of the inbox writes them."""
    event = {
        "at": at, "operator": code, "os_user": user, "action": RESTORED, "subject": SUBJECT,
        "reason": f"from the backup of {backup_at or 'an instant that it does not tell'}",
    }  # fmt: skip
    connection.execute(schema.operator_event.insert(), event)
    connection.execute(text("UPDATE inbound_file SET reported = 'N' WHERE reported = 'Y'"))
    connection.execute(
        text("UPDATE counter SET next = (next - 1 + :more) % :all + 1 WHERE name LIKE 'trace:%'"),
        {"more": TRACES_LEFT_OUT, "all": _TRACES},
    )


def first_trace(connection: Connection) -> int:
    """Where the sequence of a bank begins that was sent nothing, by the ledger: it may have been sent files since a backup."""
    restores = connection.execute(
        text("SELECT COUNT(*) FROM operator_event WHERE action = :action AND subject = :subject"),
        {"action": RESTORED, "subject": SUBJECT},
    ).scalar_one()
    return int(restores) * TRACES_LEFT_OUT % _TRACES + 1


def is_doubted(connection: Connection, outbound_id: int) -> bool:
    """Whether the file waited for approval in a backup that was restored: it may have left since."""
    statement = text("SELECT 1 FROM fraud_finding WHERE outbound_id = :o AND rule = :rule")
    return connection.execute(statement, {"o": outbound_id, "rule": RULE}).first() is not None


def uncompared(connection: Connection) -> Uncompared | None:
    """The last restore, while nobody said that it was compared."""
    row = connection.execute(
        text(
            f"SELECT at, reason, action FROM operator_event WHERE subject = '{SUBJECT}' "
            f"AND action IN ('{RESTORED}', '{COMPARED}') ORDER BY event_id DESC LIMIT 1"
        )
    ).first()
    return None if row is None or row.action == COMPARED else Uncompared(row.at, row.reason)


def compared(connection: Connection, *, reason: str, operator: Operator, at: str) -> None:
    """A person compared what receivers and senders have with this ledger: what is released from now on leaves by itself.

    Raises UsageError without a reason, Refused without the right or where no restore waits for it.
    """
    action = "saying that the restored ledger was compared"
    operator.require("resolve", action)
    require_reason(reason, action)
    if uncompared(connection) is None:
        raise Refused(f"{action}: found no restore that waits for it, expected one; nothing was changed")
    note(connection, operator, COMPARED, SUBJECT, reason, at=at)
