"""Money is integer cents; text such as ``1234.56`` exists only where it enters or leaves."""

from __future__ import annotations

import re
from typing import Final

_MONEY: Final = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{2}))?\Z")


def to_cents(text: str) -> int:
    """``"1234.56"`` -> 123456. Two decimals or none; anything else is a ValueError, nothing is rounded.

    >>> to_cents("432.98"), to_cents("5"), to_cents("-0.01")
    (43298, 500, -1)
    """
    m = _MONEY.match(text)
    if m is None:
        raise ValueError(f"{text!r} is not an amount such as 1234.56")
    cents = int(m[2]) * 100 + int(m[3] or 0)
    return -cents if m[1] else cents


def from_cents(cents: int) -> str:
    """123456 -> ``"1234.56"``, the form in JSON and CSV.

    >>> from_cents(-1), from_cents(123456)
    ('-0.01', '1234.56')
    """
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100}.{cents % 100:02d}"


def shown(cents: int) -> str:
    """123456 -> ``"1,234.56"``, the form for people.

    >>> shown(123456789)
    '1,234,567.89'
    """
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100:,}.{cents % 100:02d}"
