"""What General Ledger files transferred: each holds what was posted in a range of posting units of its portfolio.

A range begins behind the last U0422 before the file, or where the file ended that it was built after, and ends with the
last unit that was there when it was built. U0422 zeroes what its file transferred; a file that is withdrawn afterwards
leaves a range that no plain build has any more, for today begins behind U0422.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.ledger import accounts
from gateway.ledger.verify_base import Check, none_of


class Transfer(NamedTuple):
    """A General Ledger file: it holds the units behind ``since`` up to ``through``."""

    outbound_id: int
    name: str
    business_date: str
    state: str
    header: dict[str, Any]
    since: int
    through: int

    @property
    def stands(self) -> bool:
        return self.state != "REJECTED"

    def shares(self, other: Transfer) -> bool:
        """Whether both hold a unit."""
        return max(self.since, other.since) < min(self.through, other.through)


def transfers(connection: Connection, portfolio: str) -> list[Transfer]:
    """All General Ledger files of the portfolio, withdrawn ones too, in the order in which they were built."""
    rows = connection.execute(
        text(
            "SELECT outbound_id, name, business_date, state, header FROM outbound_file WHERE portfolio = :p "
            "AND kind = 'DSGL' ORDER BY outbound_id"
        ),
        {"p": portfolio},
    ).all()
    begins = _markers(connection, portfolio)
    found: dict[int, Transfer] = {}
    for row in rows:
        header = json.loads(row.header)
        through = int(header["through_unit"])
        used = header.get("after")
        since = found[used["outbound"]].through if used else begins[bisect_right(begins, through) - 1]
        found[row.outbound_id] = Transfer(
            row.outbound_id, row.name, row.business_date, row.state, header, since, through
        )
    return list(found.values())


def last_standing(files: Iterable[Transfer]) -> Transfer | None:
    """The file that goes furthest. A withdrawn day that was built again is younger than it and ends before it."""
    standing = (file for file in files if file.stands)
    return max(standing, key=lambda file: (file.through, file.outbound_id), default=None)


def holder(file: Transfer, files: Iterable[Transfer]) -> Transfer | None:
    """A file that stands and has units of a withdrawn one. Beside a file that was to count again, only another such."""
    again = file.header.get("again")
    return next(
        (one for one in files if one.stands and one.shares(file) and (one.header.get("again") or not again)), None
    )


def zeroed_without_file(connection: Connection) -> Check:
    """What U0422 zeroed is in a General Ledger file that stands: no other file will ever have it in its figures of a day."""
    lost: list[str] = []
    total = 0
    for portfolio in accounts.portfolios(connection):
        ranges = sorted((file.since, file.through) for file in transfers(connection, portfolio) if file.stands)
        reach = list(accumulate((through for _, through in ranges), max))
        posted = connection.execute(text(_ZEROED_UNITS), {"p": portfolio, "u": accounts.ZERO_DAILY}).scalars().all()
        total += len(posted)
        for unit in posted:
            before = bisect_left(ranges, (unit,))  # ranges that begin before the unit
            if not before or reach[before - 1] < unit:
                lost.append(f"unit {unit} of portfolio {portfolio}")
    return none_of("what U0422 zeroed is in a General Ledger file", lost, _EXPECTED, total=total)


_EXPECTED: Final = "no unit in none: build the withdrawn file again (gateway outbound build dsgl --of ID --reason WHY)"
_ZEROED_UNITS: Final = """
SELECT u.unit_id FROM posting_unit u WHERE u.portfolio = :p AND u.kind <> 'OPENING'
AND u.unit_id < (SELECT MAX(z.unit_id) FROM posting_unit z WHERE z.portfolio = :p AND z.update_name = :u)
AND EXISTS (SELECT 1 FROM unit_total t WHERE t.unit_id = u.unit_id) ORDER BY u.unit_id
"""


def zeroed_since(connection: Connection, file: Transfer, portfolio: str) -> bool:
    return accounts.marker(connection, portfolio, accounts.ZERO_DAILY) > file.through


def _markers(connection: Connection, portfolio: str) -> list[int]:
    """Where each "today" of the portfolio begins: the start of the books, and every U0422."""
    statement = "SELECT unit_id FROM posting_unit WHERE portfolio = :p AND update_name = :u ORDER BY unit_id"
    return [0, *connection.execute(text(statement), {"p": portfolio, "u": accounts.ZERO_DAILY}).scalars()]
