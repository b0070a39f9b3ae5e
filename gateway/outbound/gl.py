"""U1003: the General Ledger Interface file of a portfolio, tied out against the journal before anyone sees it.

One record for every ledger account of every office, idle ones included. Before the file is frozen, each office must
close (debits = credits today and month-to-date, D balances = C balances) and every figure must equal the journal's
own lines, added up a second way. A difference stops the file. "Today" runs since the last U0422: when a file was
already made since then, the next would count today twice, and is refused until an operator decides: the file was not
used and goes, or it was used and the next one begins where it ended (``after``), or both count (``again``).

The first file of a portfolio is named as the vendor names it, ``DSGL_P01.DAT``. Names never recur, because a file
that was not collected must not be overwritten, so later ones insert their End of Period date:
``DSGL_P01-260303.DAT``, then ``-2``, ``-3``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused, UsageError
from gateway.ledger import accounts
from gateway.ledger.accounts import Figure
from gateway.ledger.events import require_reason
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import shown
from gateway.outbound.built import Built, Place, place, report_of
from gateway.outbound.states import OutboundState
from gateway.outbound.store import Frozen, NewFile, first_free_names, freeze, numbered
from gateway.reports.table import OFFICE_COLUMNS, Column, ReportSpec
from parsers.gl_scratch import GlRecord, compare, sort_key, tie_out
from writers.gl_scratch import file_name
from writers.text import WriterError

KIND: Final = "DSGL"

U1003: Final = ReportSpec(
    "U1003",
    "GENERAL LEDGER INTERFACE",
    (
        *OFFICE_COLUMNS,
        Column("name", "OFFICE", 30),
        Column("accounts", "ACCOUNTS", 8, "count", totalled=True),
        Column("debits", "DEBITS TODAY", 17, "money", totalled=True),
        Column("credits", "CREDITS TODAY", 17, "money", totalled=True),
        Column("mtd_debits", "MTD DEBITS", 17, "money", totalled=True),
        Column("mtd_credits", "MTD CREDITS", 17, "money", totalled=True),
    ),
    by_office=True,
)


class _Earlier(NamedTuple):
    """The last file that was not taken back, and the last posting unit in it."""

    outbound_id: int
    name: str
    business_date: str
    state: OutboundState
    through_unit: int


def build_gl(
    app: App,
    connection: Connection,
    portfolio: str,
    *,
    again: bool = False,
    after: int | None = None,
    reason: str | None = None,
) -> Built:
    """Freeze the portfolio's file. With a reason, an operator's decision about one made since the last U0422: ``again``
    transfers today once more, ``after`` (its number) only what was posted since, because it was used.

    Raises Refused when today was transferred already or the writer refuses a figure, LedgerError when the figures
    do not tie out.
    """
    at = place(app, connection, portfolio)
    since = _today_begins(connection, at, again=again, after=after, reason=reason)
    figures = accounts.figures(connection, portfolio, since=since)
    rows = sorted((_record(f, at.business_date) for f in figures), key=sort_key)
    _tie_out(connection, at, figures, rows, since)
    settings = app.settings.portfolio(portfolio).gl
    unit = connection.execute(
        text("SELECT COALESCE(MAX(unit_id), 0) FROM posting_unit WHERE portfolio = :p"), {"p": portfolio}
    ).scalar_one()
    by_key = {(f.portfolio, f.company, f.region, f.office, f.number): f.account_id for f in figures}
    try:
        frozen = freeze(
            app,
            connection,
            NewFile(
                name=_name(app, connection, at, upper=settings.name_case == "upper"),
                kind=KIND,
                portfolio=portfolio,
                business_date=at.business_date,
                header={
                    "width": settings.record,
                    "through_unit": int(unit),
                    "again": reason if again else None,
                    **({} if after is None else {"after": {"outbound": after, "reason": reason}}),
                },
                rows=rows,
                sources=[
                    (n, f"account:{by_key[(*row.office_key, row.number)]}") for n, row in enumerate(rows, start=1)
                ],
                records=len(rows),
                total_debit_cents=sum(row.debit_today_cents for row in rows),
                total_credit_cents=sum(row.credit_today_cents for row in rows),
                endpoint=settings.endpoint,
                hold_text="waits for release: kind DSGL is not in release.kinds_without",
            ),
        )
    except WriterError as error:
        raise Refused(f"building the GL file of portfolio {portfolio}: {error}; nothing was written") from error
    return Built((frozen,), (report_of(app, at, U1003, _report_rows(connection, rows), **_facts(frozen)),))


def _record(figure: Figure, business_date: str) -> GlRecord:
    return GlRecord(
        figure.portfolio, figure.company, figure.region, figure.office, business_date, figure.side, figure.number,
        figure.name, figure.debit_today, figure.credit_today, figure.debit_mtd, figure.credit_mtd, figure.balance,
    )  # fmt: skip


# --- refusals -----------------------------------------------------------------------------------------------


def _today_begins(connection: Connection, at: Place, *, again: bool, after: int | None, reason: str | None) -> int:
    """The posting unit behind which today begins: the last U0422, or the end of the file that was used."""
    action = f"building the GL file of portfolio {at.portfolio}"
    earlier = _earlier(connection, at.portfolio)
    zeroed = accounts.marker(connection, at.portfolio, accounts.ZERO_DAILY)
    stands = earlier if earlier is not None and zeroed <= earlier.through_unit else None
    if again:
        require_reason(reason, f"{action} again, so that today counts twice")
        return zeroed
    if after is not None:
        require_reason(reason, f"{action} after one that was used")
        if stands is None or after != stands.outbound_id:
            there = "none" if stands is None else f"#{stands.outbound_id} ({stands.name})"
            raise UsageError(
                f"{action}: found --after {after}, expected the last file made since U0422, which is {there}; see gateway "
                "outbound list"
            )
        if stands.state is OutboundState.BUILT:
            raise Refused(
                f"{action}: found {stands.name} not released, expected one that was used: gateway outbound approve {after}, or "
                f"gateway outbound reject {after} and build without --after"
            )
        return stands.through_unit
    if stands is not None:
        number = stands.outbound_id
        back = "reject" if stands.state is OutboundState.BUILT else "recall"
        build = f"gateway outbound build dsgl --portfolio {at.portfolio}"
        raise Refused(
            f"{action}: found today's figures transferred in {stands.name} of {stands.business_date} and not zeroed since, "
            f"expected U0422 after it. If that file was not used: gateway outbound {back} {number} --reason WHY. If it was: "
            f"{build} --after {number} --reason WHY transfers what was posted since ({build} --again --reason WHY all of today once "
            "more). Then run End of Period again"
        )
    return zeroed


def _earlier(connection: Connection, portfolio: str) -> _Earlier | None:
    found = connection.execute(
        text(
            "SELECT outbound_id, name, business_date, state, header FROM outbound_file WHERE portfolio = :p "
            "AND kind = 'DSGL' AND state <> 'REJECTED' ORDER BY outbound_id DESC LIMIT 1"
        ),
        {"p": portfolio},
    ).one_or_none()
    if found is None:
        return None
    through = int(json.loads(found.header)["through_unit"])
    return _Earlier(found.outbound_id, found.name, found.business_date, OutboundState(found.state), through)


def transferred(connection: Connection, portfolio: str) -> str | None:
    """Name of the file that holds everything posted up to now, if there is one."""
    earlier = _earlier(connection, portfolio)
    last = text("SELECT MAX(unit_id) FROM posting_unit WHERE portfolio = :p")
    if earlier is None or earlier.through_unit != connection.execute(last, {"p": portfolio}).scalar():
        return None
    return earlier.name


_JOURNAL: Final = f"""
    SELECT l.account_id,
        CAST(SUM(CASE WHEN l.side = 'D' AND u.kind <> 'OPENING' AND u.unit_id > :day THEN l.amount_cents ELSE 0 END)
            AS BIGINT) AS debit,
        CAST(SUM(CASE WHEN l.side = 'C' AND u.kind <> 'OPENING' AND u.unit_id > :day THEN l.amount_cents ELSE 0 END)
            AS BIGINT) AS credit
    FROM posting_unit u
    JOIN journal_line l ON l.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    WHERE u.portfolio = :p AND u.unit_id > :day
    GROUP BY l.account_id
"""


def _tie_out(connection: Connection, at: Place, figures: Sequence[Figure], rows: Sequence[GlRecord], day: int) -> None:
    """Offices close, and today's figures equal the journal lines behind unit ``day``, account by account."""
    found = [
        f"office {'/'.join(d.office_key)}: {d.what}: {shown(d.left_cents)} and {shown(d.right_cents)}"
        for d in tie_out(rows)
    ]
    journal = {
        account: (int(debit), int(credit))
        for account, debit, credit in connection.execute(text(_JOURNAL), {"p": at.portfolio, "day": day})
    }
    ours = {f.account_id: _record(f, at.business_date) for f in figures}
    theirs = [
        row._replace(debit_today_cents=journal.get(a, (0, 0))[0], credit_today_cents=journal.get(a, (0, 0))[1])
        for a, row in ours.items()
    ]
    found += [
        f"office {'/'.join(d.office_key)}: {d.what}: figure {shown(d.left_cents)}, journal {shown(d.right_cents)}"
        for d in compare(list(ours.values()), theirs)
    ]
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise LedgerError(
            f"tying out the GL file of portfolio {at.portfolio}: found {'; '.join(found[:5])}{more}, expected no "
            "difference; the file was not made: run gateway verify"
        )


def _name(app: App, connection: Connection, at: Place, *, upper: bool) -> str:
    day = date.fromisoformat(at.business_date)

    def further() -> Iterator[str]:
        yield ""
        yield from (f"-{day:%y%m%d}{again}" for again in numbered())

    whole = file_name(at.portfolio, upper=upper)
    stem, dot, suffix = whole.rpartition(".")
    (name,) = first_free_names(app.db, connection, lambda extra: (stem + extra + dot + suffix,), further())
    return name


# --- report -------------------------------------------------------------------------------------------------


def _report_rows(connection: Connection, rows: Sequence[GlRecord]) -> list[tuple[object, ...]]:
    names = {(o.portfolio, o.company, o.region, o.office): o.name for o in accounts.offices(connection)}
    sums: defaultdict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0] * 5)
    for row in rows:
        office = sums[row.office_key]
        for index, value in enumerate((1, *row[8:12])):
            office[index] += value
    return [(*key, names[key], *values) for key, values in sums.items()]


def _facts(frozen: Frozen) -> dict[str, Any]:
    return {
        "notes": (f"FILE {frozen.name}  RECORDS {frozen.records}  BYTES {frozen.size}  SHA-256 {frozen.sha256}",),
        "figures": {"file": frozen.name, "records": frozen.records, "bytes": frozen.size, "sha256": frozen.sha256},
    }
