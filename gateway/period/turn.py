"""One process at a time runs End of Period of a portfolio, so that whoever has the turn knows that a module which is
RUNNING belongs to a process that is no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.errors import Refused
from gateway.ledger import process_lock
from gateway.ledger.database import Database


class AtWork(Refused):
    """Another process runs End of Period of the portfolio now."""


@contextmanager
def turn(db: Database, portfolios: Sequence[str]) -> Iterator[None]:
    """Have the turn of all these portfolios. Raises AtWork at once when another process has one of them."""
    names = {_name(portfolio): portfolio for portfolio in portfolios}
    try:
        with process_lock.held(db, list(names)):
            yield
    except process_lock.Taken as taken:
        raise AtWork(
            f"End of Period of portfolio {names[taken.name]}: found another process at it, expected one at a time; nothing was "
            "run: look with gateway status, and run it again when that one has ended"
        ) from None


def has_turn(db: Database, portfolio: str) -> bool:
    """Whether a process runs End of Period of the portfolio now. Takes nothing from it."""
    return process_lock.is_held(db, _name(portfolio))


def _name(portfolio: str) -> str:
    return f"eop:{portfolio}"
