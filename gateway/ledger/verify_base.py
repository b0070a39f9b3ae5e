"""What a check of ``gateway verify`` gives back, comparing two sides of it as sets, and what a check becomes that cannot
be made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, text

from gateway.ledger.database import Database
from gateway.log import get

_NAMED = 5
_OTHER = "no {} of another amount or place"


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant, looked at. ``where`` is a portfolio, or an office key, or '' for all of the ledger."""

    name: str
    where: str
    ok: bool
    found: str
    expected: str
    detail: str = ""


def none_of(name: str, bad: Sequence[object], expected: str, *, total: int, where: str = "") -> Check:
    """A check that nothing of ``total`` things is wrong; names the first few that are."""
    if not bad:
        return Check(name, where, True, f"{total} sound", expected)
    named = ", ".join(str(item) for item in bad[:_NAMED])
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return Check(name, where, False, f"{len(bad)} of {total} wrong", expected, named + more)


def attempted(ledger: Connection | Database, what: str, make: Callable[[], Check | Iterable[Check]]) -> list[Check]:
    """What ``make`` gives; where it ends in an exception, what came before it and a finding with its words, because a
    damaged row must not hide what else is wrong. A database that is lost is no finding: then the exception goes on.

    ``what`` is looked at, in words. ``ledger`` is the connection that ``make`` asks, or the database, where it opens its own.
    """
    found: list[Check] = []
    try:
        with _a_part(ledger):
            made = make()
            for check in (made,) if isinstance(made, Check) else made:
                found.append(check)  # noqa: PERF402 - what came before an exception is kept
    except Exception as error:
        if not answers(ledger):
            raise
        get(__name__).exception("verify.check", check=what)
        said = (str(error).splitlines() or [""])[0]
        found.append(
            Check(what, "", False, f"{type(error).__name__}: {said}", "a look at all of it",
                  "What is damaged there could not be read; the traceback is in var/log/gateway.log")
        )  # fmt: skip
    return found


@contextmanager
def _a_part(ledger: Connection | Database) -> Iterator[None]:
    """PostgreSQL answers nothing more after an error but a step back to where the part began."""
    if isinstance(ledger, Database):
        yield
        return
    with ledger.begin_nested():
        yield


def answers(ledger: Connection | Database) -> bool:
    """Whether the database is still there after an error."""
    try:
        if isinstance(ledger, Connection):
            ledger.execute(text(_ASK))
        else:
            with ledger.read() as connection:
                connection.execute(text(_ASK))
    except Exception:
        return False
    return True


_ASK = "SELECT COUNT(*) FROM unit_guard"
"""A table that is always empty."""


def differing(connection: Connection, these: str, those: str) -> list[str]:
    """What ``these`` has and ``those`` has not; the first column names it."""
    return [str(row[0]) for row in connection.execute(text(f"{these} EXCEPT SELECT * FROM ({those}) others"))]


def pair(connection: Connection, name: str, posted: str, rows: str, what: str) -> Check:
    """Both sides are the same set."""

    def make() -> Check:
        bad = {*differing(connection, posted, rows), *differing(connection, rows, posted)}
        return none_of(name, sorted(bad), _OTHER.format(what), total=count(connection, rows, bad))

    return attempted(connection, name, make)[0]


def one_way(connection: Connection, name: str, rows: str, posted: str, what: str) -> Check:
    """Every row is posted so; what else is posted is another check's."""

    def make() -> Check:
        bad = set(differing(connection, rows, posted))
        return none_of(name, sorted(bad), _OTHER.format(what), total=count(connection, rows, bad))

    return attempted(connection, name, make)[0]


def count(connection: Connection, rows: str, bad: set[str]) -> int:
    """How many were compared; what is wrong may be too many of them."""
    return max(int(connection.execute(text(f"SELECT COUNT(*) FROM ({rows}) counted")).scalar_one()), len(bad))


def none(connection: Connection, name: str, statement: str, table: str) -> Check:
    """The statement, which names what is wrong in a table, finds nothing."""

    def make() -> Check:
        total = connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
        return none_of(name, list(connection.execute(text(statement)).scalars()), "no difference", total=total)

    return attempted(connection, name, make)[0]
