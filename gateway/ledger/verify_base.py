"""What a check of ``gateway verify`` gives back, and comparing two sides of it as sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

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


def differing(connection: Connection, these: str, those: str) -> list[str]:
    """What ``these`` has and ``those`` has not; the first column names it."""
    return [str(row[0]) for row in connection.execute(text(f"{these} EXCEPT SELECT * FROM ({those}) others"))]


def pair(connection: Connection, name: str, posted: str, rows: str, what: str) -> Check:
    """Both sides are the same set."""
    bad = {*differing(connection, posted, rows), *differing(connection, rows, posted)}
    return none_of(name, sorted(bad), _OTHER.format(what), total=count(connection, rows, bad))


def one_way(connection: Connection, name: str, rows: str, posted: str, what: str) -> Check:
    """Every row is posted so; what else is posted is another check's."""
    bad = set(differing(connection, rows, posted))
    return none_of(name, sorted(bad), _OTHER.format(what), total=count(connection, rows, bad))


def count(connection: Connection, rows: str, bad: set[str]) -> int:
    """How many were compared; what is wrong may be too many of them."""
    return max(int(connection.execute(text(f"SELECT COUNT(*) FROM ({rows}) counted")).scalar_one()), len(bad))


def none(connection: Connection, name: str, statement: str, table: str) -> Check:
    """The statement, which names what is wrong in a table, finds nothing."""
    total = connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
    return none_of(name, list(connection.execute(text(statement)).scalars()), "no difference", total=total)
