"""Text for narrow character sets, and the one fault every writer raises.

What a person wrote becomes what a bank takes: upper case, accents transliterated with a warning. A character
that has no counterpart is a problem of that row, given back as a value; nothing is dropped or cut in silence.

>>> bank_text("Müller & Söhne", BANK_CHARSET)
BankText(text='MULLER & SOHNE', warnings=('Ü written as U', 'Ö written as O'), problem=None)
>>> bank_text("東京", BANK_CHARSET).problem
"'東' (position 1) cannot be written in the bank's character set"
"""

from __future__ import annotations

import unicodedata
from typing import Final, NamedTuple


class WriterError(ValueError):
    """Rows that cannot make a sound file. The whole file is refused; the message names what does not fit."""


BANK_CHARSET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-/()&'")
"""What banks commonly take in names and references."""
PRINTABLE_CHARSET: Final = frozenset(map(chr, range(0x20, 0x7F)))
"""What the Nacha rules allow."""
CHARSETS: Final = {"ascii": PRINTABLE_CHARSET, "narrow": BANK_CHARSET}
"""By the name a bank's settings use."""

_COUNTERPARTS: Final = {
    "Æ": "AE",
    "Œ": "OE",
    "Ø": "O",
    "Đ": "D",
    "Ð": "D",
    "Þ": "TH",
    "Ł": "L",
    "ẞ": "SS",
    "İ": "I",
    "‘": "'",
    "’": "'",
    "‐": "-",
    "‑": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "\u00a0": " ",
}
"""Letters that Unicode does not decompose, and typographic signs; all in upper case."""


class BankText(NamedTuple):
    """``text`` to write and ``warnings`` to show; or a ``problem``, for which the row is refused."""

    text: str
    warnings: tuple[str, ...] = ()
    problem: str | None = None


def bank_text(text: str, charset: frozenset[str] = BANK_CHARSET) -> BankText:
    """The text in the bank's characters, blanks at both ends removed."""
    upper = (text if text.isascii() else unicodedata.normalize("NFC", text)).strip().upper()
    if charset.issuperset(upper):
        return BankText(upper)
    written: list[str] = []
    warnings: dict[str, None] = {}
    for position, sign in enumerate(upper, start=1):
        if sign in charset:
            written.append(sign)
            continue
        other = _counterpart(sign)
        if not charset.issuperset(other) or (not other and not (written and written[-1].isalpha())):
            found = f"{sign!r} (position {position}) cannot be written in the bank's character set"
            return BankText("", (), found)
        said = f"{sign} written as {other}" if other else f"{written[-1]}{sign} written as {written[-1]}"
        warnings[said] = None
        written.append(other)
    return BankText("".join(written), tuple(warnings))


def _counterpart(sign: str) -> str:
    """Plain letters for a letter with marks, nothing for a mark; else the sign itself."""
    if sign in _COUNTERPARTS:
        return _COUNTERPARTS[sign]
    if unicodedata.combining(sign):
        return ""  # the mark of a letter that has no composed form
    plain = "".join(c for c in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(c))
    return plain.upper() or sign


def payee_name(text: str, width: int = 22, charset: frozenset[str] = BANK_CHARSET) -> BankText:
    """A payee's name: the one text that is cut, at 22 characters (16 in CTX), and never without a warning.

    >>> payee_name("Northwestern Equipment Leasing")
    BankText(text='NORTHWESTERN EQUIPMENT', warnings=('payee name cut at 22 of 30 characters',), problem=None)
    """
    whole = bank_text(text, charset)
    if whole.problem is None and not whole.text:
        return BankText("", (), "the payee has no name")
    if len(whole.text) <= width:
        return whole
    cut = f"payee name cut at {width} of {len(whole.text)} characters"
    return BankText(whole.text[:width].rstrip(), (*whole.warnings, cut))
