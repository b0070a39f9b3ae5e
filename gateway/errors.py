"""Faults: what stops a step, as opposed to bad input, which is a value (``parsers.base.Reject``).

::

    GatewayError            exit 4  a fault: names what was being attempted, keeps the cause
    ├── UsageError          exit 2  wrong use of a command
    ├── SettingsError       exit 2  wrong settings; carries every mistake at once
    ├── Refused             exit 3  a rule says no: a second person is missing, a date differs, money has moved on
    ├── LedgerError         exit 4  the ledger would not balance, or a row that must exist does not
    └── DeliveryError       exit 4  delivery machinery failed (not: "the far side refused", which is a state)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class GatewayError(Exception):
    """A fault. The text says what was attempted, what was found and what to do."""

    exit_code = 4


class UsageError(GatewayError):
    exit_code = 2


class SettingsError(GatewayError):
    """Every mistake found in the settings, together."""

    exit_code = 2

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class Refused(GatewayError):  # noqa: N818 - a rule said no; nothing went wrong
    exit_code = 3


class LedgerError(GatewayError):
    pass


class DeliveryError(GatewayError):
    pass


def each_tried(*steps: Callable[[], object]) -> list[Exception]:
    """Do every step, though one before it failed; gives what went wrong, for ``raise_first`` when all is done."""
    faults: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as fault:
            faults.append(fault)
    return faults


def raise_first(faults: Sequence[Exception]) -> None:
    """The first of several faults, with the others' words in its traceback."""
    for other in faults[1:]:
        faults[0].add_note(f"and then {type(other).__name__}: {other}")
    if faults:
        raise faults[0]
