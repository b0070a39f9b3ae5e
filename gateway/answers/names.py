"""Which files are a bank's: by the name patterns of its settings, in any source folder that takes such kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from gateway.settings import Bank, GatewaySettings
from gateway.settings_types import BankKind

ANSWERS: Final = "bank-answers"
"""Returns and notifications of change, in NACHA's form."""
ACKNOWLEDGEMENT: Final = "bank-acknowledgement"
"""That the bank took a file of ours, or would not."""
KINDS: Final[tuple[BankKind, ...]] = (ANSWERS, ACKNOWLEDGEMENT)

_OUR_NAME: Final = "{name}"


def kinds_of(settings: GatewaySettings, name: str) -> tuple[str, ...]:
    """The kinds that some bank's patterns make of a file name, without regard to case."""
    answers = any(_matcher(pattern).fullmatch(name) for bank in settings.banks.values() for pattern in bank.answers)
    acknowledgement = any(acknowledging(settings, name))
    return tuple(kind for kind, claimed in zip(KINDS, (answers, acknowledgement), strict=True) if claimed)


def answer_patterns(settings: GatewaySettings) -> str:
    """The names of returns and notifications of change, for people."""
    return ", ".join(sorted({pattern for bank in settings.banks.values() for pattern in bank.answers}))


def acknowledging(settings: GatewaySettings, name: str) -> Iterator[tuple[Bank, str | None]]:
    """Banks one of whose patterns of acknowledgements has this name, and the name of our file in it, if it has that."""
    for bank in settings.banks.values():
        for pattern in bank.acknowledgements.files:
            match = _matcher(pattern).fullmatch(name)
            if match is not None:
                yield bank, match.groupdict().get("name")


@cache
def _matcher(pattern: str) -> re.Pattern[str]:
    """``{name}.ack`` or ``RTN*.ach``; everything else in it stands for itself.

    >>> _matcher("{name}.ack").fullmatch("P01-VACH-BANK-260303.DAT.ACK")["name"]
    'P01-VACH-BANK-260303.DAT'
    >>> bool(_matcher("R[1]*.ach").fullmatch("R1x.ach"))
    False
    """
    parts = re.split(r"(\{name\}|\*)", pattern)
    forms = {_OUR_NAME: "(?P<name>.+)", "*": ".*"}
    return re.compile("".join(forms.get(part, re.escape(part)) for part in parts), re.IGNORECASE | re.DOTALL)
