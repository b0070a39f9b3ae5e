"""States of an outbound file and of what went into it, with the moves that are allowed beside each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.ledger.ach_answers import answered_sql, refused_sql

KINDS: Final = ("VACH-BANK", "VACH-SCRATCH", "VACH-REFUSED-NOC", "DSGL", "XSELLERATOR")
SEALED_KINDS: Final = frozenset({"VACH-BANK", "VACH-SCRATCH", "VACH-REFUSED-NOC"})
"""Kinds whose rows hold account and routing numbers: their frozen rows are encrypted."""

ENCRYPTED_KINDS: Final = frozenset({"VACH-BANK", "VACH-REFUSED-NOC"})
"""What goes to a bank: an OpenPGP message where the bank wants one."""


class OutboundState(StrEnum):
    # waits for release -> APPROVED | REJECTED | LOCAL
    BUILT = "BUILT"
    # leaves by its delivery row -> REJECTED, called back while nothing of it can be at the far side
    APPROVED = "APPROVED"
    # never leaves; its sources are free again -> APPROVED | LOCAL, where people say that the bank has a bank file all the same
    REJECTED = "REJECTED"
    # released without an endpoint: a person fetches it from the outbox -> REJECTED, as long as nobody did
    LOCAL = "LOCAL"


LEFT_STATES: Final = (OutboundState.APPROVED, OutboundState.LOCAL)
"""States of a file that a person let go."""
LEFT_SQL: Final = ", ".join(f"'{state}'" for state in LEFT_STATES)
"""The same for ``IN (…)``."""

TAKEN: Final = "outbound.taken"
"""Action of a person, as ``operator_event`` has it: a file without an endpoint was fetched."""


def at_bank_sql(file: str) -> str:
    """A condition in SQL: the outbound file of this alias left beyond doubt, and the bank did not refuse it."""
    return f"({left_sql(file)} AND NOT {refused_sql(file)})"


def left_sql(file: str) -> str:
    """A condition in SQL: the outbound file of this alias left beyond doubt, because its delivery is proved, a person said
    that it was fetched, or the bank answered it."""
    return (
        f"(EXISTS (SELECT 1 FROM delivery x WHERE x.outbound_id = {file}.outbound_id "
        "AND x.state IN ('DELIVERED', 'ACKNOWLEDGED')) "
        f"OR ({file}.state = 'LOCAL' AND EXISTS (SELECT 1 FROM operator_event t WHERE t.action = '{TAKEN}' "
        f"AND t.subject = {file}.name)) OR {answered_sql(file)})"
    )
