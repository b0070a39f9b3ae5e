"""Names of vendors that a person would take for one: the key by which they are compared.

A duplicate is a vendor entered twice, or an invoice sent again under a name that looks the same. So the key leaves out what
people write differently and keeps the rest:

* capitals, accents, punctuation and blanks; ``&`` and ``AND``;
* a leading ``THE``, and the legal forms at the end (``LEGAL_FORMS``), several as well (``CO INC``);
* the difference between digits and the letters they look like: 0 O, 1 I L, 5 S, 8 B.

A name of nothing else keeps its last word. Two numbers never get one key: a digit has a letter of its own.

>>> key("The Harb0r Motors, Inc."), key("HARBOR-MOTORS CO LTD")
('HARBORMOTORS', 'HARBORMOTORS')
"""

from __future__ import annotations

import unicodedata
from typing import Final

LEGAL_FORMS: Final = (
    "INC", "INCORPORATED", "LLC", "LC", "LLP", "LP", "LLLP", "PLLC", "PC", "CORP", "CORPORATION", "CO", "COMPANY", "LTD",
    "LIMITED", "PLC",
)  # fmt: skip
_LOOKS: dict[str, str | int | None] = dict(zip("015L8", "OISIB", strict=True))
_FORMS: Final = frozenset(form.translate(str.maketrans(_LOOKS)) for form in LEGAL_FORMS)
_TIGHT: Final = ".'\u2019`"
"""What stands inside a word: L.L.C., O'NEIL."""
_TABLE: dict[str, str | int | None] = {
    **{sign: " " for sign in map(chr, range(128)) if not sign.isalnum()}, **dict.fromkeys(_TIGHT, ""), **_LOOKS,
}  # fmt: skip
_SIGNS: Final = str.maketrans(_TABLE)


def key(name: str) -> str:
    """What names that look alike have in common; empty for a name without letters and digits, which is like no other."""
    plain = name.upper() if name.isascii() else _plain(name)
    words = plain.translate(_SIGNS).split()
    if "AND" in words:
        words = [word for word in words if word != "AND"]
    if len(words) > 1 and words[0] == "THE":
        del words[0]
    while len(words) > 1 and words[-1] in _FORMS:
        words.pop()
    return "".join(words)


def _plain(name: str) -> str:
    """In capitals, without accents and signs."""
    letters = unicodedata.normalize("NFKD", name).upper()
    return "".join(s if s.isalnum() or s in _TIGHT else " " for s in letters if not unicodedata.combining(s))
