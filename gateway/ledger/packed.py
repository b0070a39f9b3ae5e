"""Rows of a bulk insert as each database takes them, made ready apart from a connection: so that a second process can.

SQLite takes statements of many rows, PostgreSQL a block of COPY's text. Both are plain values, as ``marshal`` writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from typing import Any, Final

Row = Sequence[Any]
Statements = list[tuple[str, int, list[list[Any]]]]
"""(placeholders of one row, rows a statement, the values of each statement)"""
Packed = Statements | bytes
Pack = Callable[[Sequence[Row]], Packed]

BULK_ROWS: Final = 10_000
"""Rows a bulk call carries; measured flat from 5,000 to 20,000 on both databases."""

_ROWS_A_STATEMENT: Final = 100
"""Rows one INSERT names on SQLite: more gain nothing, and the widest table stays far below its 32,766 values."""


def for_sqlite(rows: Sequence[Row]) -> Statements:
    """Many rows a statement; a column that is absent in all of them is written as NULL and not bound.

    Both together take a third of the time of a statement a row: the driver looks for an adapter for every None.
    """
    columns = list(zip(*rows, strict=True))
    absent = [values[0] is None and values.count(None) == len(values) for values in columns]
    if all(absent):
        absent[0] = False
    row = f"({', '.join('NULL' if nothing else '?' for nothing in absent)})"
    kept = [values for values, nothing in zip(columns, absent, strict=True) if not nothing]
    values = list(chain.from_iterable(zip(*kept, strict=True)))
    step = len(kept) * _ROWS_A_STATEMENT
    whole = len(values) - len(values) % step
    packed: Statements = []
    if whole:
        packed.append((row, _ROWS_A_STATEMENT, [values[start : start + step] for start in range(0, whole, step)]))
    if whole < len(values):
        packed.append((row, (len(values) - whole) // len(kept), [values[whole:]]))
    return packed


def for_postgresql(rows: Sequence[Row]) -> bytes:
    """COPY's text form, a column at a time, of whole numbers, text, bytes, truth values and nothing.

    Raises TypeError for any other value: its form would be a guess.
    """
    columns = [_column(values) for values in zip(*rows, strict=True)]
    return "".join(chain.from_iterable(zip(map("\t".join, zip(*columns, strict=True)), repeat("\n")))).encode()


_ABSENT: Final = "\\N"
_ESCAPED: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _column(values: Sequence[Any]) -> Iterable[str]:
    kinds = set(map(type, values))
    if kinds == {int}:
        return map(str, values)
    if kinds == {type(None)}:
        return [_ABSENT] * len(values)
    if kinds == {str} and _plain("".join(values)):
        return values
    return map(_text, values)


def _plain(text: str) -> bool:
    return not ("\\" in text or "\t" in text or "\n" in text or "\r" in text)


def _text(value: Any) -> str:
    match value:
        case None:
            return _ABSENT
        case bool():
            return "t" if value else "f"
        case int():
            return str(value)
        case str():
            return value.translate(_ESCAPED)
        case bytes():
            return "\\\\x" + value.hex()
        case _:
            raise TypeError(
                f"a bulk insert: found a value of {type(value).__name__}, expected a whole number, text or bytes"
            )
