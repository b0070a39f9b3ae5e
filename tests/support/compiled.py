"""Statements are compiled once a process that runs tests, instead of once for each ledger.

SQLAlchemy keeps them with the engine, and a test has an engine of its own; a process of the gateway has one, and compiles
each statement once as well.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

from gateway.ledger import database

KEPT = 2_000


class _OfKind(MutableMapping[Any, Any]):
    """Of one kind of database. The key begins with the engine's dialect; those of one kind are alike here."""

    def __init__(self) -> None:
        self._kept: LRUCache[Any, Any] = LRUCache(KEPT)

    def __getitem__(self, key: Any) -> Any:
        return self._kept[key[1:]]

    def get(self, key: Any, default: Any = None) -> Any:
        return self._kept.get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._kept[key[1:]] = value

    def __delitem__(self, key: Any) -> None:
        del self._kept[key[1:]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


_kinds: dict[str, _OfKind] = {}
_create_engine = database.create_engine


def _with_shared_statements(*args: Any, **options: Any) -> Engine:
    engine = _create_engine(*args, **options)
    engine.update_execution_options(compiled_cache=_kinds.setdefault(engine.dialect.name, _OfKind()))
    return engine


def share() -> None:
    """For every ledger that is opened from now on."""
    database.create_engine = _with_shared_statements
