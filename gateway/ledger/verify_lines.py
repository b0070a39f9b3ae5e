"""Journal lines added up again by unit and account, in one pass over all of them that several checks share."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Final

from sqlalchemy import Connection, text

from gateway.ledger.database import stream_rows
from gateway.ledger.packed import BULK_ROWS
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, none_of

Sums = dict[int, tuple[int, int]]
"""Account -> (debit cents, credit cents)."""

# In blocks of lines, because SQLite groups by sorting, and sorting millions of rows takes three times as long.
_END: Final = f"""
SELECT entry_id FROM journal_line WHERE entry_id >= :first ORDER BY entry_id, line LIMIT 1 OFFSET {2 * BULK_ROWS}
"""
_BLOCK: Final = f"""
SELECT entry_id / {ENTRIES_A_UNIT} AS unit_id, account_id,
    CAST(SUM(CASE side WHEN 'D' THEN amount_cents ELSE 0 END) AS BIGINT),
    CAST(SUM(CASE side WHEN 'C' THEN amount_cents ELSE 0 END) AS BIGINT)
FROM journal_line WHERE entry_id BETWEEN :first AND :last GROUP BY entry_id / {ENTRIES_A_UNIT}, account_id ORDER BY 1
"""
_LAST: Final = "SELECT MAX(entry_id) FROM journal_line"
_TOTALS: Final = "SELECT unit_id, account_id, debit_cents, credit_cents FROM unit_total ORDER BY unit_id"


def totals(connection: Connection, net: dict[int, int]) -> Check:
    """Whether ``unit_total`` says what the lines say; and into ``net``, of the lines, debits less credits by account."""
    wrong: list[str] = []
    found, stored = _units(_added(connection)), _units(stream_rows(connection, _TOTALS))
    pairs = merge(
        ((unit, sums, True) for unit, sums in found), ((unit, sums, False) for unit, sums in stored), key=_UNIT
    )
    for unit, group in groupby(pairs, key=_UNIT):
        both = list(group)
        if len(both) != 2 or both[0][1] != both[1][1]:
            wrong.append(str(unit))
        for _, sums, of_lines in both:
            for account, (debit, credit) in sums.items() if of_lines else ():
                net[account] = net.get(account, 0) + debit - credit
    total = connection.execute(text("SELECT COUNT(*) FROM unit_total")).scalar_one()
    return none_of("unit totals equal their lines", sorted(wrong), "no unit", total=total)


_UNIT: Final = itemgetter(0)


def _units(rows: Iterator[tuple[int, int, int, int]]) -> Iterator[tuple[int, Sums]]:
    """Rows by rising unit, which may name an account several times, as one mapping a unit."""
    for unit, group in groupby(rows, key=_UNIT):
        sums: Sums = {}
        for _, account, debit, credit in group:
            before = sums.get(account, (0, 0))
            sums[account] = before[0] + debit, before[1] + credit
        yield unit, sums


def _added(connection: Connection) -> Iterator[tuple[int, int, int, int]]:
    first, end = 0, connection.execute(text(_LAST)).scalar()
    while end is not None and first <= end:
        last = connection.execute(text(_END), {"first": first}).scalar()
        last = end if last is None else last
        yield from map(tuple, connection.execute(text(_BLOCK), {"first": first, "last": last}).all())
        first = last + 1
