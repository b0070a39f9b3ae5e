"""U1003: the General Ledger Interface file of a portfolio, tied out against the journal before anyone sees it.

One record for every ledger account of every office, idle ones included. Before the file is frozen, each office must
close (debits = credits today and month-to-date, D balances = C balances) and every figure must equal the journal's
own lines, added up a second way. A difference stops the file. "Today" runs since the last U0422: when a file was
already made since then, the next would count today twice, and is refused until an operator decides: the file was not
used and goes, or it was used and the next one begins where it ended (``after``), or both count (``again``). A file
withdrawn after U0422 is built again with the figures of its own day (``of``): no other file has them.

The first file of a portfolio is named as the vendor names it, ``DSGL_P01.DAT``. Names never recur, because a file
that was not collected must not be overwritten, so later ones insert their End of Period date:
``DSGL_P01-260303.DAT``, then ``-2``, ``-3``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused, UsageError
from gateway.ledger import accounts
from gateway.ledger.accounts import Figure
from gateway.ledger.events import require_reason
from gateway.ledger.gl_transfers import Transfer, holder, last_standing, transfers, zeroed_since
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


def build_gl(
    app: App,
    connection: Connection,
    portfolio: str,
    *,
    again: bool = False,
    after: int | None = None,
    of: int | None = None,
    reason: str | None = None,
) -> Built:
    """Freeze the portfolio's file. With a reason, an operator's decision about one made since the last U0422: ``again``
    transfers today once more, ``after`` (its number) only what was posted since, because it was used. ``of`` is the number
    of a withdrawn file: the figures of its time and business date, under another name.

    Raises Refused when today was transferred already or the writer refuses a figure, LedgerError when the figures
    do not tie out.
    """
    at = place(app, connection, portfolio)
    if of is not None:
        return _build_again(app, connection, at, of, reason)
    since = _today_begins(connection, at, again=again, after=after, reason=reason)
    rows = _rows(accounts.figures(connection, portfolio, since=since), at.business_date)
    unit = connection.execute(
        text("SELECT COALESCE(MAX(unit_id), 0) FROM posting_unit WHERE portfolio = :p"), {"p": portfolio}
    ).scalar_one()
    header = {
        "through_unit": int(unit),
        "again": reason if again else None,
        **({} if after is None else {"after": {"outbound": after, "reason": reason}}),
    }
    return _frozen(app, connection, at, rows, header, since)


def _build_again(app: App, connection: Connection, at: Place, of: int, reason: str | None) -> Built:
    """The figures of a withdrawn file as they stood when it was built, by today's chart, on its own business date."""
    lost = _withdrawn(connection, at, of, reason)
    figures = accounts.figures(connection, at.portfolio, up_to=lost.through, since=lost.since)
    header = {**lost.header, "of": {"outbound": of, "reason": reason}}
    on_its_day = replace(at, business_date=lost.business_date)
    return _frozen(app, connection, on_its_day, _rows(figures, lost.business_date), header, lost.since)


def _rows(figures: Sequence[Figure], business_date: str) -> list[tuple[int, GlRecord]]:
    """account_id and record, in the order of the file."""
    rows = ((figure.account_id, _record(figure, business_date)) for figure in figures)
    return sorted(rows, key=lambda row: sort_key(row[1]))


def _frozen(
    app: App,
    connection: Connection,
    at: Place,
    rows: Sequence[tuple[int, GlRecord]],
    header: dict[str, Any],
    since: int,
) -> Built:
    """``header`` says up to which unit the ``rows`` are."""
    _tie_out(connection, at, dict(rows), since, header["through_unit"])
    records = [row for _, row in rows]
    settings = app.settings.portfolio(at.portfolio).gl
    try:
        frozen = freeze(
            app,
            connection,
            NewFile(
                name=_name(app, connection, at, upper=settings.name_case == "upper"),
                kind=KIND,
                portfolio=at.portfolio,
                business_date=at.business_date,
                header={**header, "width": settings.record},
                rows=records,
                sources=[(n, f"account:{account}") for n, (account, _) in enumerate(rows, start=1)],
                records=len(records),
                total_debit_cents=sum(row.debit_today_cents for row in records),
                total_credit_cents=sum(row.credit_today_cents for row in records),
                endpoint=settings.endpoint,
                hold_text="waits for release: kind DSGL is not in release.kinds_without",
            ),
        )
    except WriterError as error:
        raise Refused(f"building the GL file of portfolio {at.portfolio}: {error}; nothing was written") from error
    return Built((frozen,), (report_of(app, at, U1003, _report_rows(connection, records), **_facts(frozen)),))


def _record(figure: Figure, business_date: str) -> GlRecord:
    return GlRecord(
        figure.portfolio, figure.company, figure.region, figure.office, business_date, figure.side, figure.number,
        figure.name, figure.debit_today, figure.credit_today, figure.debit_mtd, figure.credit_mtd, figure.balance,
    )  # fmt: skip


# --- refusals -----------------------------------------------------------------------------------------------


def _withdrawn(connection: Connection, at: Place, of: int, reason: str | None) -> Transfer:
    """The withdrawn file whose figures no other file has or will have."""
    action = f"building the GL file of portfolio {at.portfolio} again"
    require_reason(reason, action)
    files = transfers(connection, at.portfolio)
    lost = next((file for file in files if file.outbound_id == of), None)
    if lost is None:
        raise UsageError(f"{action}: found --of {of}, expected a General Ledger file of it; see gateway outbound list")
    if lost.stands:
        raise Refused(f"{action}: found {lost.name} {lost.state}, expected it rejected or called back")
    held = holder(lost, files)
    if held is not None:
        raise Refused(
            f"{action}: found what {lost.name} transferred in {held.name} (#{held.outbound_id}), which stands, expected it in "
            "none: it would count twice"
        )
    last = last_standing(files)
    if not zeroed_since(connection, lost, at.portfolio) and (last is None or last.through < lost.through):
        raise Refused(
            f"{action}: found the figures of {lost.name} not zeroed since, expected U0422 after it: they are today's still, "
            "build without --of"
        )
    return lost


def _today_begins(connection: Connection, at: Place, *, again: bool, after: int | None, reason: str | None) -> int:
    """The posting unit behind which today begins: the last U0422, or the end of the file that was used."""
    action = f"building the GL file of portfolio {at.portfolio}"
    earlier = last_standing(transfers(connection, at.portfolio))
    zeroed = accounts.marker(connection, at.portfolio, accounts.ZERO_DAILY)
    stands = earlier if earlier is not None and zeroed <= earlier.through else None
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
        if stands.state == OutboundState.BUILT:
            raise Refused(
                f"{action}: found {stands.name} not released, expected one that was used: gateway outbound approve {after}, or "
                f"gateway outbound reject {after} --reason WHY and build without --after"
            )
        return stands.through
    if stands is not None:
        number = stands.outbound_id
        back = "reject" if stands.state == OutboundState.BUILT else "recall"
        build = f"gateway outbound build dsgl --portfolio {at.portfolio}"
        raise Refused(
            f"{action}: found today's figures transferred in {stands.name} of {stands.business_date} and not zeroed since, "
            f"expected U0422 after it. If that file was not used: gateway outbound {back} {number} --reason WHY. If it was: "
            f"{build} --after {number} --reason WHY transfers what was posted since ({build} --again --reason WHY all of today once "
            "more). Then run End of Period again"
        )
    return zeroed


def build_again_with(connection: Connection, portfolio: str, outbound_id: int) -> str | None:
    """What to type for the figures of a file just withdrawn that U0422 zeroed; None where the next build has them, and for
    files of another kind."""
    for file in transfers(connection, portfolio):
        if file.outbound_id == outbound_id and zeroed_since(connection, file, portfolio):
            return f"gateway outbound build dsgl --of {outbound_id} --reason WHY"
    return None


def transferred(connection: Connection, portfolio: str) -> str | None:
    """Name of the file that holds everything posted up to now, if there is one."""
    earlier = last_standing(transfers(connection, portfolio))
    last = text("SELECT MAX(unit_id) FROM posting_unit WHERE portfolio = :p")
    if earlier is None or earlier.through != connection.execute(last, {"p": portfolio}).scalar():
        return None
    return earlier.name


def refuse_untransferred(connection: Connection, portfolio: str) -> None:
    """Raises Refused while something was posted behind the last U0422 and every General Ledger file: U0422 would zero it, and
    no file would have it. A withdrawn file counts, for what it held is built again from it (``of``)."""
    zeroed = accounts.marker(connection, portfolio, accounts.ZERO_DAILY)
    files = [file for file in transfers(connection, portfolio) if file.through >= zeroed]
    through = max((file.through for file in files), default=zeroed)
    behind = connection.execute(text(_BEHIND), {"p": portfolio, "through": through}).scalars().all()
    if not behind:
        return
    more = f" and {len(behind) - 1} behind it" if len(behind) > 1 else ""
    used = last_standing(files)
    after = "" if used is None else f" --after {used.outbound_id} --reason WHY"
    raise Refused(
        f"zeroing today's figures of portfolio {portfolio}: found posting unit {behind[0]}{more} in no "
        f"General Ledger file, expected all: gateway outbound build dsgl --portfolio {portfolio}{after}. Then run End of Period "
        "again"
    )


_BEHIND: Final = """
    SELECT u.unit_id FROM posting_unit u WHERE u.portfolio = :p AND u.kind <> 'OPENING' AND u.unit_id > :through
    AND EXISTS (SELECT 1 FROM unit_total t WHERE t.unit_id = u.unit_id) ORDER BY u.unit_id
"""
_JOURNAL: Final = f"""
    SELECT l.account_id,
        CAST(SUM(CASE WHEN l.side = 'D' AND u.kind <> 'OPENING' AND u.unit_id > :day THEN l.amount_cents ELSE 0 END)
            AS BIGINT) AS debit,
        CAST(SUM(CASE WHEN l.side = 'C' AND u.kind <> 'OPENING' AND u.unit_id > :day THEN l.amount_cents ELSE 0 END)
            AS BIGINT) AS credit
    FROM posting_unit u
    JOIN journal_line l ON l.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    WHERE u.portfolio = :p AND u.unit_id > :day AND u.unit_id <= :through
    GROUP BY l.account_id
"""


def _tie_out(connection: Connection, at: Place, ours: Mapping[int, GlRecord], day: int, through: int) -> None:
    """Offices close, and figures equal the journal lines behind unit ``day`` up to ``through``, account by account."""
    found = [
        f"office {'/'.join(d.office_key)}: {d.what}: {shown(d.left_cents)} and {shown(d.right_cents)}"
        for d in tie_out(ours.values())
    ]
    journal = {
        account: (int(debit), int(credit))
        for account, debit, credit in connection.execute(
            text(_JOURNAL), {"p": at.portfolio, "day": day, "through": through}
        )
    }
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
