"""What went out by ACH, entry by entry (table ``ach_entry``), and the checks behind an entry.

An entry pays one check, or, in class CTX, several of one vendor: then the row names none, and the sources of its
outbound row tell which (``checks_of``). A reversal names what it takes back and the same checks. Whether an entry left
follows from the state of its file: one in a REJECTED file never did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, bindparam, text

from gateway.ledger import schema
from gateway.ledger.ach_checks import CheckKey, check_of_source
from gateway.ledger.ach_returns import came_back_sql
from gateway.ledger.database import Database

EntryKind = Literal["PRENOTE", "LIVE", "REVERSAL", "OFFSET"]

PAID_AGAIN: Final = "PAYAGAIN"
"""The action of the event by which a person pays a returned check again; its subject is the new source of the check."""

_ASKED: Final = 5_000
"""Keys in one statement."""


class NewEntry(NamedTuple):
    """A row of ``ach_entry``, in the order of its columns."""

    outbound_id: int
    seq: int
    trace_number: str
    kind: EntryKind
    portfolio: str
    vendor: str | None
    details_version: int | None
    bank: str | None
    check_no: str | None
    issue: int | None
    amount_cents: int
    transaction_code: str
    sec: str
    effective_date: str
    reverses_outbound_id: int | None = None
    reverses_seq: int | None = None


def add(db: Database, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
    """Rows as ``NewEntry``, in the transaction that freezes the file."""
    db.bulk_insert(connection, schema.ach_entry, NewEntry._fields, rows)


class SentEntry(NamedTuple):
    """An entry and where its file stands."""

    entry: NewEntry
    file: str
    state: str
    built_at: str


_BY_TRACE: Final = text(
    f"SELECT {', '.join(f'e.{name}' for name in NewEntry._fields)}, f.name AS file, f.state, f.built_at "
    "FROM ach_entry e JOIN outbound_file f ON f.outbound_id = e.outbound_id WHERE e.trace_number IN :traces "
    "ORDER BY e.trace_number, e.outbound_id, e.seq"
).bindparams(bindparam("traces", expanding=True))


def entries_by_trace(connection: Connection, traces: Iterable[str]) -> list[SentEntry]:
    """Every entry that ever had one of the trace numbers: a number comes round after 400 days, so there may be several,
    the oldest first; those of rejected files are among them."""
    wanted = sorted(set(traces))
    found = []
    for at in range(0, len(wanted), _ASKED):
        for row in connection.execute(_BY_TRACE, {"traces": wanted[at : at + _ASKED]}):
            found.append(SentEntry(NewEntry(*row[:-3]), *row[-3:]))
    return found


_SOURCES: Final = text(
    "SELECT seq, source FROM outbound_source WHERE outbound_id = :file AND seq IN :seqs ORDER BY seq, source"
).bindparams(bindparam("seqs", expanding=True))


def checks_by_entry(
    connection: Connection, keys: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], Sequence[CheckKey]]:
    """The checks that each entry (outbound_id, seq) paid or reversed; one without checks (a prenote) has none."""
    wanted = sorted(set(keys))
    found: dict[tuple[int, int], list[CheckKey]] = {key: [] for key in wanted}
    for file, its in groupby(wanted, key=itemgetter(0)):
        seqs = [seq for _, seq in its]
        for at in range(0, len(seqs), _ASKED):
            for seq, source in connection.execute(_SOURCES, {"file": file, "seqs": seqs[at : at + _ASKED]}):
                check = check_of_source(source)
                if check is not None:
                    found[file, seq].append(check)
    return dict(found)


def checks_of(connection: Connection, outbound_id: int, seq: int) -> Sequence[CheckKey]:
    """The checks of one entry."""
    return checks_by_entry(connection, [(outbound_id, seq)])[outbound_id, seq]


REVERSALS: Final = """
    FROM ach_entry v JOIN outbound_file vf ON vf.outbound_id = v.outbound_id AND vf.state <> 'REJECTED'
    WHERE v.reverses_outbound_id = e.outbound_id AND v.reverses_seq = e.seq
"""
"""Reversals of the ``ach_entry`` of alias e in files that were not taken back, as the end of a SELECT in SQL."""
REVERSED: Final = f"""EXISTS (SELECT 1 {REVERSALS} AND NOT {came_back_sql("v")})"""
"""A condition in SQL: a reversal of the ``ach_entry`` of alias e is in a file and did not come back."""
