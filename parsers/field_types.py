"""The field types of fixed-width records: each a pair, decode and encode, that owns padding and alignment.

Dates are ISO text in records, money is integer cents, identifiers made of digits are text. A type's pattern
accepts exactly the texts the type writes, so that what reads can be written again byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

PIVOT = 70
"""Two-digit years from this one up are 19xx, those below 20xx."""

PRINTABLE = " -~"
"""The printable ASCII range, as the inside of a character class."""


class LayoutError(ValueError):
    """A layout that does not tile, or a value of ours that its field cannot hold: a fault, not bad input."""


def _characters(width: int) -> str:
    return f"{width} character{'s' if width > 1 else ''}"


class FieldType:
    """A pair of decode and encode. The defaults are those of text that is written as it stands."""

    constant = False
    plain_encode = True  # the value goes into the template as it is
    plain_decode = False  # the matched text is the value

    def pattern(self, width: int) -> str:
        """A regular expression without groups: exactly the texts this type writes at this width."""
        raise LayoutError(f"{type(self).__name__} has no pattern")

    def conversion(self, width: int) -> str:
        """The ``%`` conversion of the template."""
        return f"%-{width}s"

    def expected(self, width: int) -> str:
        """What the field should hold, for messages."""
        raise LayoutError(f"{type(self).__name__} has no description")

    def encode(self, value: Any, width: int) -> Any:
        """The value as the template takes it; ValueError when it is of the wrong kind."""
        return value

    def decode(self, raw: str) -> Any:
        """The value of a text that matched the pattern; ValueError when it is still impossible."""
        return raw


@dataclass(frozen=True, slots=True)
class Const(FieldType):
    """A fixed text. One field of nothing but it takes no value."""

    text: str
    constant = True

    def pattern(self, width: int) -> str:
        return re.escape(self.text)

    def conversion(self, width: int) -> str:
        if len(self.text) != width:
            raise LayoutError(f"constant {self.text!r} does not fill {width} positions")
        return self.text.replace("%", "%%")

    def expected(self, width: int) -> str:
        return f"the constant {self.text!r}"


@dataclass(frozen=True, slots=True)
class Blank(FieldType):
    """Reserved positions: blanks, always."""

    constant = True

    def pattern(self, width: int) -> str:
        return f"[ ]{{{width}}}"

    def conversion(self, width: int) -> str:
        return " " * width

    def expected(self, width: int) -> str:
        return f"{width} blank{'s' if width > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Alpha(FieldType):
    """Text, left-justified, blank-filled. ``flush`` demands a first character that is no blank."""

    required: bool = False
    flush: bool = False
    chars: str = PRINTABLE

    def pattern(self, width: int) -> str:
        if self.flush:
            return f"(?=[^ ])[{self.chars}]{{{width}}}"
        return (f"(?![ ]{{{width}}})" if self.required else "") + f"[{self.chars}]{{{width}}}"

    def expected(self, width: int) -> str:
        kind = "printable ASCII" if self.chars == PRINTABLE else f"characters of [{self.chars}]"
        need = ", beginning in the first position" if self.flush else ", not blank" if self.required else ""
        return f"{_characters(width)} of text ({kind}), left-justified{need}"

    def decode(self, raw: str) -> str:
        return raw.rstrip(" ")


@dataclass(frozen=True, slots=True)
class AlphaRight(FieldType):
    """Text, right-justified, filled with blanks on the left."""

    required: bool = False
    chars: str = PRINTABLE

    def pattern(self, width: int) -> str:
        blank = "" if self.required else f"|(?<=[ ]{{{width}}})"
        return f"[{self.chars}]{{{width}}}(?:(?<=[^ ]){blank})"

    def conversion(self, width: int) -> str:
        return f"%{width}s"

    def expected(self, width: int) -> str:
        return f"{_characters(width)} of text, right-justified{', not blank' if self.required else ''}"

    def decode(self, raw: str) -> str:
        return raw.lstrip(" ")


@dataclass(frozen=True, slots=True)
class Choice(FieldType):
    """One of a few texts, each as wide as the field."""

    options: tuple[str, ...]
    plain_decode = True

    def pattern(self, width: int) -> str:
        if any(len(option) != width for option in self.options):
            raise LayoutError(f"choices {self.options} do not all fill {width} positions")
        return "(?:" + "|".join(map(re.escape, self.options)) + ")"

    def expected(self, width: int) -> str:
        return "one of " + " ".join(option if option.strip() else "(blank)" for option in self.options)


@dataclass(frozen=True, slots=True)
class Digits(FieldType):
    """Digits that are not added up: text of exactly the field's width. ``optional`` allows blanks."""

    optional: bool = False
    plain_encode = False

    def pattern(self, width: int) -> str:
        return f"(?:[0-9]{{{width}}}|[ ]{{{width}}})" if self.optional else f"[0-9]{{{width}}}"

    def expected(self, width: int) -> str:
        return f"{width} digit{'s' if width > 1 else ''}{' or blanks' if self.optional else ''}"

    def encode(self, value: Any, width: int) -> Any:
        if not isinstance(value, str) or len(value) != (0 if self.optional and not value else width):
            raise ValueError(self.expected(width))
        return value

    def decode(self, raw: str) -> str:
        return raw.rstrip(" ")


@dataclass(frozen=True, slots=True)
class Numeric(FieldType):
    """A count, right-justified, zero-filled, without sign. A float is refused: ``%d`` would cut it."""

    plain_encode = False

    def pattern(self, width: int) -> str:
        return f"[0-9]{{{width}}}"

    def conversion(self, width: int) -> str:
        return f"%0{width}d"

    def expected(self, width: int) -> str:
        return f"{width} digit{'s' if width > 1 else ''}, zero-filled"

    def encode(self, value: Any, width: int) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"a whole number of {width} digits")
        return value

    def decode(self, raw: str) -> int:
        return int(raw)


class Cents(Numeric):
    """An amount in cents without sign or decimal point, zero-filled."""

    __slots__ = ()

    def expected(self, width: int) -> str:
        return f"an amount in cents of {width} digits, zero-filled"


class EntryHash(Numeric):
    """The one number that wraps by rule: only its rightmost digits are kept."""

    __slots__ = ()

    def encode(self, value: Any, width: int) -> Any:
        return Numeric.encode(self, value, width) % 10**width


@dataclass(frozen=True, slots=True)
class SignedCents(FieldType):
    """Cents, zero-filled, then ``+`` or ``-`` in the last position; zero is ``+``."""

    plain_encode = False

    def pattern(self, width: int) -> str:
        return f"(?:[0-9]{{{width - 1}}}[+]|(?!0{{{width - 1}}})[0-9]{{{width - 1}}}-)"

    def conversion(self, width: int) -> str:
        return f"%{width}s"

    def expected(self, width: int) -> str:
        return f"{width - 1} digits and a sign, + for zero"

    def encode(self, value: Any, width: int) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("a whole number of cents")
        return "%0*d%s" % (width - 1, abs(value), "-" if value < 0 else "+")  # noqa: UP031

    def decode(self, raw: str) -> int:
        return int(raw[-1] + raw[:-1])


@dataclass(frozen=True, slots=True)
class YYMMDD(FieldType):
    """A day: ISO text in records, YYMMDD in the file. ``optional`` allows blanks, read as ``""``."""

    optional: bool = False
    pivot: int = PIVOT
    plain_encode = False

    def pattern(self, width: int) -> str:
        if width != 6:
            raise LayoutError(f"a YYMMDD date takes 6 positions, not {width}")
        blank = "|[ ]{6}" if self.optional else ""
        return f"(?:[0-9]{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]){blank})"

    def expected(self, width: int) -> str:
        return "a calendar day as YYMMDD" + (" or blanks" if self.optional else "")

    def encode(self, value: Any, width: int) -> Any:
        if self.optional and value == "":
            return value
        year = date.fromisoformat(value).year
        if not 1900 + self.pivot <= year < 2000 + self.pivot:
            raise ValueError(f"a day from {1900 + self.pivot} to {1999 + self.pivot}")
        return value[2:4] + value[5:7] + value[8:10]

    def decode(self, raw: str) -> str:
        if raw == "      ":
            return ""
        century = "19" if int(raw[:2]) >= self.pivot else "20"
        return date.fromisoformat(f"{century}{raw[:2]}-{raw[2:4]}-{raw[4:]}").isoformat()


@dataclass(frozen=True, slots=True)
class HHMM(FieldType):
    """A time of day, 0000 to 2359, or blank."""

    def pattern(self, width: int) -> str:
        if width != 4:
            raise LayoutError(f"an HHMM time takes 4 positions, not {width}")
        return "(?:(?:[01][0-9]|2[0-3])[0-5][0-9]|[ ]{4})"

    def expected(self, width: int) -> str:
        return "a time as HHMM or blanks"

    def decode(self, raw: str) -> str:
        return raw.rstrip(" ")
