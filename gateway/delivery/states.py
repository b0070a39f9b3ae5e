"""The states of a delivery, and which may follow which.

::

    PENDING ──> SENDING ──> PLACING ──> DELIVERED ──> ACKNOWLEDGED
       ^           │           │            ^
       │           v           v            │ probed, acknowledged or settled by two people
       │     NOT_DELIVERED <── UNKNOWN ─────┘
       └── due again ┘                 PENDING, NOT_DELIVERED ──> RECALLED

    any of these but RECALLED ──> ACKNOWLEDGED, by an answer of the bank: it has the file, whatever is known here
    RECALLED ──> DELIVERED, by people who say that the bank has it all the same (``release/left.py``)
    any of these ──> DELIVERED by the bank's refusal, which says that it has it, and RECALLED by people while that stands
    any that is not over ──> UNKNOWN, by a restore from a backup: it may have left since, and only people know

The line that matters runs between SENDING and PLACING. Until PLACING is committed no rename was asked for, so nothing
can be visible under the target's name: a crash or a broken connection there is *not delivered*, and safe to send again.
From PLACING on the far side may have the file: a crash or a broken connection there is *unknown*, and only a look at
the far side, an acknowledgement or two people may end it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.errors import DeliveryError


class DeliveryState(StrEnum):
    PENDING = "PENDING"  # released, not yet tried, or tried without reaching the far side
    SENDING = "SENDING"  # a process uploads to a temporary name; no rename was asked for
    PLACING = "PLACING"  # the rename is about to be asked for, or was
    DELIVERED = "DELIVERED"  # under its name at the far side, with a receipt
    NOT_DELIVERED = "NOT_DELIVERED"  # proved; next_attempt_at says when again, NULL that a person must say so
    UNKNOWN = "UNKNOWN"  # never sent again before it is proved; next_attempt_at says when to look, NULL: ask people
    ACKNOWLEDGED = "ACKNOWLEDGED"  # the receiver said so
    RECALLED = "RECALLED"  # a person called the file back while nothing could be visible, or the bank had refused it


class Resolution(StrEnum):
    """What two people may say of an unknown delivery; the spelling of ``--as``."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not-delivered"


_S = DeliveryState
TRANSITIONS: Final[dict[DeliveryState, frozenset[DeliveryState]]] = {
    _S.PENDING: frozenset({_S.SENDING, _S.UNKNOWN, _S.DELIVERED, _S.ACKNOWLEDGED, _S.RECALLED}),
    _S.SENDING: frozenset({_S.PLACING, _S.DELIVERED, _S.NOT_DELIVERED, _S.UNKNOWN, _S.ACKNOWLEDGED}),
    _S.PLACING: frozenset({_S.DELIVERED, _S.NOT_DELIVERED, _S.UNKNOWN, _S.ACKNOWLEDGED}),
    _S.DELIVERED: frozenset({_S.ACKNOWLEDGED, _S.RECALLED}),
    _S.NOT_DELIVERED: frozenset({_S.SENDING, _S.DELIVERED, _S.UNKNOWN, _S.ACKNOWLEDGED, _S.RECALLED}),
    _S.UNKNOWN: frozenset({_S.DELIVERED, _S.NOT_DELIVERED, _S.UNKNOWN, _S.ACKNOWLEDGED}),
    _S.ACKNOWLEDGED: frozenset({_S.RECALLED}),
    _S.RECALLED: frozenset({_S.DELIVERED}),
}

SENDABLE: Final = (_S.PENDING, _S.NOT_DELIVERED)
"""States from which bytes may be sent, and in which a file can be called back."""
OPEN: Final = (*SENDABLE, _S.SENDING, _S.PLACING, _S.UNKNOWN)
"""States of a delivery that is not over."""
REFUSABLE: Final = (_S.DELIVERED, _S.ACKNOWLEDGED)
"""States in which a file that the bank refused can be called back: by its refusal it is DELIVERED at least."""


def require_transition(before: DeliveryState, after: DeliveryState, *, delivery_id: int) -> None:
    """Raises DeliveryError for a change that the table does not have."""
    if after not in TRANSITIONS[before]:
        raise DeliveryError(
            f"delivery {delivery_id}: found state {before}, expected one that {after} may follow; nothing was changed"
        )
