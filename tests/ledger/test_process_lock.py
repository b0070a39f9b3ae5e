"""Names that one process has at a time, on both databases."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext

import pytest

from gateway.ledger import process_lock
from gateway.ledger.database import Database

NAMES = ("eop:1", "eop:2", "delivery:bank")


def test_every_name_is_free_when_it_is_let_go(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: a session of PostgreSQL is over only a moment after it was closed."""
    with ExitStack() as stack:
        if not db.is_sqlite:
            session = stack.enter_context(db.session())
            monkeypatch.setattr(db, "session", lambda: nullcontext(session))
        with process_lock.held(db, NAMES) as still_held:
            still_held()
            assert [process_lock.is_held(db, name) for name in NAMES] == [True] * 3
        assert [process_lock.is_held(db, name) for name in NAMES] == [False] * 3


def test_who_does_not_get_all_names_is_told_which_and_keeps_none(db: Database) -> None:
    with (
        process_lock.held(db, NAMES[1:2]),
        pytest.raises(process_lock.Taken, match=NAMES[1]),
        process_lock.held(db, NAMES),
    ):
        pass
    assert not any(process_lock.is_held(db, name) for name in NAMES)
