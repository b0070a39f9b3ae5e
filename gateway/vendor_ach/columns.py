"""Rows from columns and columns of rows, without a step of the interpreter a row: a run has a hundred thousand of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from gateway.vendor_ach.rules import Candidate, Item

Row = TypeVar("Row", bound=tuple[Any, ...])


def rows_of(kind: type[Row], columns: Iterable[Iterable[Any]]) -> Iterator[Row]:
    """Named tuples of their columns, in the order of the fields; as many as the shortest column has."""
    return named(kind, zip(*columns, strict=False))


def named(kind: type[Row], rows: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """Rows as the driver gives them, as named tuples."""
    return map(tuple.__new__, repeat(kind), rows)


def column(rows: Iterable[tuple[Any, ...]], name: str) -> list[Any]:
    """One field of every row."""
    return list(map(attrgetter(name), rows))


_CHECKS: Final = attrgetter("checks")


def checks_of(items: Iterable[Item]) -> Iterator[Candidate]:
    """The checks of entries, one entry after the other."""
    return chain.from_iterable(map(_CHECKS, items))


def owners_of(items: Iterable[Item]) -> list[Item]:
    """The entry of each of ``checks_of``."""
    return [item for item in items for _ in item.checks]
