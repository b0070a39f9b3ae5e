"""Which parser a file name belongs to: ``p<n>_<root>.dat`` or its Avro twin ``.avro``.

Exactly one kind may claim a name. None, or two, is an answer for the operator and not a guess.
Matched without regard to case; the portfolio is 1 to 99 without padding; kinds listed in
``names.bare`` of the profile may come without it (then each line's lease tells the portfolio).

>>> from parsers.profile import DEFAULT
>>> identify("P1_BTCHASSMT.DAT", [DEFAULT])
Identified(kind='assessments', portfolio=1, form='dat')
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from parsers.base import render_message
from parsers.profile import KINDS, Profile

FORMS = ("dat", "avro")
_NAME = re.compile(r"(?:p([0-9]+)_)?([a-z0-9_-]+)\.([a-z0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identified:
    """The one claim on a name. ``portfolio`` is None for a bare name."""

    kind: str
    portfolio: int | None
    form: Literal["dat", "avro"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """No kind claims the name; ``message`` says what was found and expected."""

    filename: str
    message: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Two or more kinds claim the name."""

    filename: str
    kinds: tuple[str, ...]
    message: str


def identify(filename: str, profiles: Sequence[Profile]) -> Identified | Unknown | Ambiguous:
    """The kind, portfolio and form of ``filename`` (no folders) under all ``profiles`` together."""
    match = _NAME.fullmatch(filename.lower()) if filename.isascii() else None
    if match is None:
        return _unknown(filename, "a name of another form")
    portfolio, root, form = match.groups()
    kinds = tuple(kind for kind in KINDS if any(root in _roots(p, kind) for p in profiles))
    if not kinds:
        return _unknown(filename, f"the root name {root}")
    if len(kinds) > 1:
        return Ambiguous(
            filename,
            kinds,
            render_message(
                f"the name {filename}, claimed by {' and '.join(kinds)}",
                "one kind for each root name",
                "correct the names table of the format profile",
            ),
        )
    if form not in FORMS:
        return _unknown(filename, f"the ending .{form}")
    if portfolio is None:
        if not any(kinds[0] in p.names.bare for p in profiles):
            return _unknown(filename, "no portfolio")
        return Identified(kinds[0], None, "avro" if form == "avro" else "dat")
    if not re.fullmatch("[1-9][0-9]?", portfolio):
        return _unknown(filename, f"the portfolio {portfolio}")
    return Identified(kinds[0], int(portfolio), "avro" if form == "avro" else "dat")


def _roots(profile: Profile, kind: str) -> tuple[str, ...]:
    return tuple(root.lower() for root in getattr(profile.names, kind))


def _unknown(filename: str, found: str) -> Unknown:
    message = render_message(
        f"{found} in {filename!r}",
        "p<n>_<root>.dat or .avro with a portfolio of 1 to 99 without padding and a known root name",
        "rename the file or correct the names table of the format profile",
    )
    return Unknown(filename, message)
