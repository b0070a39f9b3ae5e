"""The layout engine: one table per fixed-width record, used to write, read, check and explain it.

A layout is a list of fields with positions as specifications print them (from 1, both ends included). When a
layout is built it is proven that its fields tile the record: no gap, no overlap, the right width. It is then
compiled once into one ``%`` template (writing) and one regular expression that accepts exactly what the
template can produce (reading and proving). A loop over fields runs only when something is wrong and the
guilty field must be named.

Padding and alignment belong to the field type. What does not fit is an error, never a trim. Constants and
reserved blanks are fields of the table too, but take no value: ``encode`` wants, and ``decode`` gives, the
values of the other fields in order.

>>> ticket = Layout("ticket", 12, (
...     Field("tag", 1, 1, Const("T")),
...     Field("name", 2, 5, Alpha()),
...     Field("amount_cents", 6, 12, SignedCents()),
... ))
>>> ticket.encode(("ANN", -5))
'TANN 000005-'
>>> ticket.decode("TANN 000005-")
('ANN', -5)
>>> [(e.field, e.first, e.last, e.expected) for e in ticket.decode("TANN 00000X-")]
[('amount_cents', 6, 12, '6 digits and a sign, + for zero')]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from parsers.field_types import (
    HHMM,
    PIVOT,
    PRINTABLE,
    YYMMDD,
    Alpha,
    AlphaRight,
    Blank,
    Cents,
    Choice,
    Const,
    Digits,
    EntryHash,
    FieldType,
    LayoutError,
    Numeric,
    SignedCents,
)

__all__ = [
    "HHMM",
    "PIVOT",
    "PRINTABLE",
    "YYMMDD",
    "Alpha",
    "AlphaRight",
    "Blank",
    "Cents",
    "Choice",
    "Const",
    "Digits",
    "EntryHash",
    "Field",
    "FieldError",
    "FieldType",
    "FieldView",
    "Layout",
    "LayoutError",
    "Numeric",
    "SignedCents",
    "mask",
]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of one record that does not read, as a value. Positions count from 1, both ends included."""

    field: str
    first: int
    last: int
    found: str
    expected: str


class FieldView(NamedTuple):
    """One field as ``gateway explain`` shows it: when it does not read, ``error`` says what it should be."""

    first: int
    last: int
    name: str
    raw: str
    value: Any
    error: str | None


def mask(text: str) -> str:
    """All but the last four characters of an account number as stars; the padding stays. One that has no more letters and
    digits than that is stars alone.

    >>> mask("123456789   "), mask("12-34  ")
    ('*****6789   ', '*****  ')
    """
    body = text.rstrip()
    shown = 4 if sum(sign.isalnum() or sign == "*" for sign in body) > 4 else 0
    stars = len(body) - shown
    return "*" * stars + body[stars:] + " " * (len(text) - len(body))


@dataclass(frozen=True, slots=True)
class Field:
    """One field: positions from 1, both ends included. A ``secret`` is shown by its last four characters."""

    name: str
    first: int
    last: int
    type: FieldType
    secret: bool = False

    @property
    def width(self) -> int:
        return self.last - self.first + 1

    def shown(self, raw: str) -> str:
        return mask(raw) if self.secret else raw


def _encoded(field: Field, values: Iterable[Any]) -> Iterable[Any]:
    """The values of a field as the template takes them; each that recurs is looked at once."""
    values = list(values)
    if len(set(map(type, values))) > 1:  # what is equal may be of another kind: 1 and True
        return [field.type.encode(value, field.width) for value in values]
    known = {value: field.type.encode(value, field.width) for value in set(values)}
    return map(known.__getitem__, values)


class Layout:
    """A record's table, compiled. Built once, at import; every method is pure."""

    def __init__(self, name: str, width: int, fields: Sequence[Field]) -> None:
        self.name = name
        self.width = width
        self.fields = tuple(fields)
        self._prove_tiling()
        self.valued = tuple(field for field in self.fields if not field.type.constant)
        self.names = tuple(field.name for field in self.valued)
        self.template = "".join(field.type.conversion(field.width) for field in self.fields)
        self.pattern = "".join(field.type.pattern(field.width) for field in self.fields)
        """Matches exactly the records this layout writes; without groups, so that it can be built upon."""
        groups = (
            field.type.pattern(field.width) if field.type.constant else f"({field.type.pattern(field.width)})"
            for field in self.fields
        )
        self._match: Callable[[str], re.Match[str] | None] = re.compile("".join(groups)).fullmatch
        self._prove: Callable[[str], re.Match[str] | None] = re.compile(f"(?:{self.pattern}\n)*+").fullmatch
        self._encoders = tuple((index, field) for index, field in enumerate(self.valued) if not field.type.plain_encode)
        self._decoders = tuple(field.type.decode for field in self.valued)

    def _prove_tiling(self) -> None:
        at = 1
        for field in self.fields:
            if field.first != at or field.last < field.first:
                raise LayoutError(
                    f"{self.name}.{field.name} is at {field.first}-{field.last}, the next free one is {at}"
                )
            at = field.last + 1
        if at != self.width + 1:
            raise LayoutError(f"{self.name} ends at {at - 1}, the record is {self.width} wide")
        if len({field.name for field in self.fields}) != len(self.fields):
            raise LayoutError(f"{self.name} names a field twice")

    def field(self, name: str) -> Field:
        """The field of that name."""
        return next(field for field in self.fields if field.name == name)

    def prepare(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The values as the template takes them."""
        if len(values) != len(self.valued):
            raise LayoutError(f"{self.name} takes {len(self.valued)} values, got {len(values)}")
        if not self._encoders:
            return tuple(values)
        ready = list(values)
        for index, field in self._encoders:
            try:
                ready[index] = field.type.encode(ready[index], field.width)
            except (ValueError, TypeError) as wrong:
                raise self._cannot_hold(field, ready[index]) from wrong
        return tuple(ready)

    def encode_all(self, rows: Sequence[Sequence[Any]]) -> str | None:
        """The records of some rows, each with a line feed, as `encode` makes them: prepared by the column, formatted
        and proven at once. None when one of them does not fit: then `encode` names the field, row by row."""
        if not rows:
            return ""
        try:
            columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
            for index, field in self._encoders:
                columns[index] = _encoded(field, columns[index])
            text = "\n".join([*map(self.template.__mod__, zip(*columns, strict=True)), ""])
        except (TypeError, ValueError):
            return None
        whole = len(text) == len(rows) * (self.width + 1)  # a line feed within a value would pass for a record's end
        return text if whole and self._prove(text) is not None else None

    def encode(self, values: Sequence[Any]) -> str:
        """One record, proven to be one that `decode` reads back."""
        ready = self.prepare(values)
        try:
            line = self.template % ready
        except (TypeError, ValueError) as wrong:
            raise self._guilty(values, ready) from wrong
        if len(line) != self.width or self._match(line) is None:
            raise self._guilty(values, ready)
        return line

    def _guilty(self, values: Sequence[Any], ready: Sequence[Any]) -> LayoutError:
        for field, value, one in zip(self.valued, values, ready, strict=True):
            try:
                text = field.type.conversion(field.width) % one
                field.type.encode(value, field.width)
            except (TypeError, ValueError):
                return self._cannot_hold(field, value)
            if re.fullmatch(field.type.pattern(field.width), text) is None:
                return self._cannot_hold(field, value)
        return LayoutError(f"{self.name} cannot hold these values together")

    def _cannot_hold(self, field: Field, value: Any) -> LayoutError:
        shown = field.shown(str(value))
        return LayoutError(
            f"{self.name}.{field.name} ({field.first}-{field.last}) cannot hold {shown!r}: "
            f"it takes {field.type.expected(field.width)}"
        )

    def decode(self, line: str) -> tuple[Any, ...] | list[FieldError]:
        """The values of the fields that are not constant, or every field that does not read."""
        match = self._match(line)
        if match is not None:
            try:
                return tuple([decode(raw) for decode, raw in zip(self._decoders, match.groups(), strict=True)])
            except ValueError:
                pass  # a 30 February: the slow way below names it
        return self.errors(line)

    def errors(self, line: str) -> list[FieldError]:
        """Every field of the line that does not read."""
        if len(line) != self.width:
            found, expected = f"{len(line)} characters", f"{self.width} characters"
            return [FieldError("record", 1, max(1, len(line)), found, expected)]
        views = zip(self.fields, self.explain(line), strict=True)
        return [
            FieldError(field.name, field.first, field.last, field.shown(view.raw), view.error)
            for field, view in views
            if view.error is not None
        ]

    def explain(self, line: str) -> list[FieldView]:
        """Every field of a line of any length, read or not."""
        views = []
        for field in self.fields:
            raw = line[field.first - 1 : field.last]
            value, error = None, None
            try:
                if re.fullmatch(field.type.pattern(field.width), raw) is None:
                    raise ValueError(raw)
                value = field.type.decode(raw)
            except ValueError:
                error = field.type.expected(field.width)
            views.append(FieldView(field.first, field.last, field.name, raw, value, error))
        return views
