"""States of an outbound file and of what went into it, with the moves that are allowed beside each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

Kind = Literal["VACH-BANK", "VACH-SCRATCH", "VACH-REFUSED-NOC", "DSGL", "XSELLERATOR"]
KINDS: Final[tuple[Kind, ...]] = ("VACH-BANK", "VACH-SCRATCH", "VACH-REFUSED-NOC", "DSGL", "XSELLERATOR")

SEALED_KINDS: Final = frozenset({"VACH-BANK", "VACH-SCRATCH", "VACH-REFUSED-NOC"})
"""Kinds whose rows hold account and routing numbers: their frozen rows are encrypted."""


class OutboundState(StrEnum):
    BUILT = "BUILT"  # waits for release -> APPROVED | REJECTED | LOCAL
    APPROVED = "APPROVED"  # leaves by its delivery row; final
    REJECTED = "REJECTED"  # never leaves; its sources are free again; final
    LOCAL = "LOCAL"  # released without an endpoint: a person fetches it from the outbox; final


LIVE_STATES: Final = (OutboundState.BUILT, OutboundState.APPROVED, OutboundState.LOCAL)
"""States of a file that has not been taken back."""

LEFT_STATES: Final = (OutboundState.APPROVED, OutboundState.LOCAL)
"""States of a file that a person let go."""
