"""What a notification of change corrects: its 29 characters cut by position for the change code.

Positions are those of the Nacha operating rules, appendix five, as far as they are known: account in the first
17 (C01), routing number in the first 9 (C02), both with 3 blanks between (C03), name in the first 22 (C04),
transaction code in the first 2 (C05), account and code with 3 blanks between (C06), routing number, account and
code (C07), identification in the first 22 (C09). Live notifications have blanks inside account numbers and partly
filled pairs, so nothing is split at blanks, and the raw text stays. The longer data of international entries have no
known cut.

>>> data = corrected_data("C03", "091000019   1 23-4")
>>> data.routing, data.account, data.transaction_code
('091000019', '1 23-4', None)
"""

from __future__ import annotations

from typing import Final, NamedTuple

from parsers.layout import mask
from parsers.nacha_records import ALL_CODES, routing_problem

_CUTS: Final[dict[str, tuple[tuple[str, int, int], ...]]] = {
    "C01": (("account", 1, 17),),
    "C02": (("routing", 1, 9),),
    "C03": (("routing", 1, 9), ("account", 13, 29)),
    "C04": (("name", 1, 22),),
    "C05": (("transaction_code", 1, 2),),
    "C06": (("account", 1, 17), ("transaction_code", 21, 22)),
    "C07": (("routing", 1, 9), ("account", 10, 26), ("transaction_code", 27, 28)),
    "C09": (("identification", 1, 22),),
}
"""Field, first and last position, from 1, both ends included."""


class CorrectedData(NamedTuple):
    """``raw`` as it came. The others are None where the change code does not have them or their place is blank."""

    raw: str
    routing: str | None = None
    account: str | None = None
    name: str | None = None
    transaction_code: str | None = None
    identification: str | None = None
    problem: str | None = None
    """What the field should hold instead, when something of it is missing, unsound or out of place: then the others are
    what stands at their positions, and a person has to read the raw text."""

    def __repr__(self) -> str:
        account = None if self.account is None else mask(self.account)
        return f"CorrectedData({mask(self.raw)!r}, account {account}, code {self.transaction_code})"


def corrected_data(code: str, raw: str) -> CorrectedData:
    """The corrected data of a change code. A code without a known form gives the raw text alone."""
    cuts = _CUTS.get(code, ())
    found = {name: raw[first - 1 : last].strip() or None for name, first, last in cuts}
    return CorrectedData(raw.rstrip(), **found, problem=_problem(raw, cuts, found))


def _problem(raw: str, cuts: tuple[tuple[str, int, int], ...], found: dict[str, str | None]) -> str | None:
    for name, first, last in cuts:
        value, where = found[name], f"in its positions {first} to {last}"
        if value is None:
            return f"{_WORDS[name]} {where}"
        if name == "routing" and (problem := routing_problem(value)):
            return f"a routing number {where} ({problem})"
        if name == "transaction_code" and value not in ALL_CODES:
            return f"a transaction code {where}"
        if raw[first - 1] == " ":
            return f"{_WORDS[name]} from position {first} on"
    inside = {at for _, first, last in cuts for at in range(first, last + 1)}
    if cuts and any(sign != " " and at not in inside for at, sign in enumerate(raw, start=1)):
        return "blanks outside " + ", ".join(f"{_WORDS[name]} ({first} to {last})" for name, first, last in cuts)
    return None


_WORDS: Final = {
    "routing": "a routing number",
    "account": "an account number",
    "name": "a name",
    "transaction_code": "a transaction code",
    "identification": "an identification",
}
