"""States of an End of Period module; where the vendor has a name for one, it is the vendor's."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ModuleState(StrEnum):
    PENDING = "PENDING"  # not reached yet -> RUNNING | SKIPPED | POSTPONED…
    RUNNING = "RUNNING"  # -> DONE with its effect, in one transaction | FAILED | HALTED; after a crash taken up again
    DONE = "DONE"  # final: a module has its effect once
    SKIPPED = "SKIPPED BY OPERATOR"  # -> PENDING when a person takes the run up again without --skip
    FAILED = "FAILED DUE TO ERROR"  # -> PENDING when a person takes the run up again
    HALTED = "HALTED BY SUPERVISOR"  # -> RUNNING when the run is taken up again
    PARENT_FAILED = "POSTPONED - PARENT MODULE FAILED"  # -> PENDING when the run is taken up again
    PARENT_HALTED = "POSTPONED - PARENT MODULE HALTED"  # -> PENDING when the run is taken up again


class RunState(StrEnum):
    RUNNING = "RUNNING"
    DONE = "DONE"  # U0499 opened the next business day
    FAILED = "FAILED"
    HALTED = "HALTED"


SETTLED: Final = frozenset({ModuleState.DONE, ModuleState.SKIPPED})
"""What lets the modules that need it run."""
