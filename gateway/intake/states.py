"""The states of an inbound file, with the states each may be followed by beside it.

A file's state changes in the transaction that does what the state says: POSTED is committed together with the
postings. ``files.move`` is the only way to change one, and it names the state it comes from, so that of two gateways
only one succeeds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class FileState(StrEnum):
    """Value, then what may follow."""

    CLAIMED = "CLAIMED", "POSTED REJECTED EMPTY HELD WAITING STAGED FAILED QUARANTINED"
    """Its bytes are ours and durable; not posted yet."""
    WAITING = "WAITING", "CLAIMED POSTED REJECTED EMPTY HELD STAGED FAILED QUARANTINED DISCARDED"
    """The business date is closed, or the portfolio is not loaded: posted as soon as that changes."""
    HELD = "HELD", "CLAIMED DISCARDED"
    """A duplicate, an overlap or a torn tail: an operator releases or discards it."""
    STAGED = "STAGED", "POSTED REJECTED FAILED DISCARDED"
    """Preloaded; End of Period posts it."""
    FAILED = "FAILED", "CLAIMED STAGED DISCARDED"
    """A fault of ours or of the machine; tried again by the next start or by ``files release``."""
    POSTED = "POSTED", "REVERSED"
    """In the ledger, with or without rejected lines."""
    REJECTED = "REJECTED", ""
    """Nothing in it could be posted."""
    EMPTY = "EMPTY", ""
    """No line, or blank lines only."""
    QUARANTINED = "QUARANTINED", "DISCARDED"
    """Its bytes cannot be read as what the name says; kept in ``var/quarantine``. Status shows it until someone says no."""
    DISCARDED = "DISCARDED", ""
    """An operator said no."""
    REVERSED = "REVERSED", ""
    """Was posted, then undone whole by an operator."""

    _followed_by: str

    def __new__(cls, value: str, followed_by: str = "") -> FileState:
        member = str.__new__(cls, value)
        member._value_ = value
        member._followed_by = followed_by
        return member

    @property
    def following(self) -> frozenset[FileState]:
        return frozenset(FileState(name) for name in self._followed_by.split())


PROCESSABLE: Final = (FileState.CLAIMED, FileState.WAITING)
"""What ``process_file`` takes up by itself."""

COUNTS_AS_SEEN: Final = (FileState.POSTED, FileState.STAGED, FileState.HELD)
"""A file in one of these makes the same bytes again a DUPLICATE."""


class HoldCode(StrEnum):
    """Why a file is HELD, WAITING, FAILED, REJECTED or QUARANTINED (``inbound_file.hold_code``)."""

    TORN_TAIL = "TORN_TAIL"
    DUPLICATE = "DUPLICATE"
    OVERLAP = "OVERLAP"
    PERIOD_CLOSED = "PERIOD_CLOSED"
    UNKNOWN_PORTFOLIO = "UNKNOWN_PORTFOLIO"
    REJECT_LIMIT = "REJECT_LIMIT"
    NOTHING_POSTED = "NOTHING_POSTED"
    UNREADABLE = "UNREADABLE"
    BANK_FILE = "BANK_FILE"
    CHANGED_WHILE_READ = "CHANGED_WHILE_READ"
    FAULT = "FAULT"
