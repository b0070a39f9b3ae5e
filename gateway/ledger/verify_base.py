"""What a check of ``gateway verify`` gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant, looked at. ``where`` is a portfolio, or an office key, or '' for all of the ledger."""

    name: str
    where: str
    ok: bool
    found: str
    expected: str
    detail: str = ""


def none_of(name: str, bad: Sequence[object], expected: str, *, total: int, where: str = "") -> Check:
    """A check that nothing of ``total`` things is wrong; names the first few that are."""
    if not bad:
        return Check(name, where, True, f"{total} sound", expected)
    named = ", ".join(str(item) for item in bad[:_NAMED])
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return Check(name, where, False, f"{len(bad)} of {total} wrong", expected, named + more)
