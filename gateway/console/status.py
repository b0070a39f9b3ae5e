"""The nine-o'clock answer: what came, balanced, left, is late or held. Gathered in a few set queries, decided by value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.clock import instant_text
from gateway.console.inbox import Left, left_in_place
from gateway.console.windows import with_windows
from gateway.cutoffs import shown_instant, shown_text
from gateway.delivery import settle
from gateway.intake.states import FileState, HoldCode
from gateway.ledger.restored import Uncompared, uncompared
from gateway.outbound import in_clear, outbox
from gateway.outbound.states import left_sql
from gateway.period.turn import has_turn
from gateway.period.unfinished import periods
from gateway.release import keys
from gateway.settings import Settings
from gateway.vendor_ach import clearing, open_reversals

Row = dict[str, Any]

TROUBLED_FILES = ("HELD", "WAITING", "FAILED", "QUARANTINED", "CLAIMED")
"""States in which a file still wants something: an operator, an open business date, a repair, a word that it was seen to. One
that is STAGED posts by itself at End of Period."""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything the answer is made of. Money is integer cents."""

    date: str | None  # the business date asked for; None: each portfolio's open one
    portfolios: Sequence[Row]
    files: Sequence[Row]  # of the date, or still wanting something
    late: Sequence[Row]  # expected and not there
    outbound: Sequence[Row]
    end_of_period: Sequence[Row]
    suspense: Sequence[Row]  # open items by portfolio: they stay here until someone clears them
    alarms: Sequence[Row]
    answers: Sequence[Row] = ()  # of the bank, that wait for a person: by file, an acknowledgement with its words
    unacknowledged: Sequence[Row] = ()  # sent, and the bank's word is overdue
    inbox: Sequence[Left] = ()  # what lies there untaken
    clearing: Sequence[Row] = ()  # money of voided checks that came or left twice
    outbox: Sequence[str] = ()  # what lies there and is not ours, and what should and does not
    changes: Sequence[Row] = ()  # of vendors, that wait for a second person: nothing is paid to them until then
    unfinished: Sequence[
        Row
    ] = ()  # periods that began, are not over and that no process is at, without a failed module
    slow: Sequence[Row] = ()  # periods that a process is at, and of which nothing began or ended for long
    reversals: Sequence[Row] = ()  # of voided checks, that have not left, with their last day
    last_date: str | None = None  # the latest business date on which a file came
    lacking: Sequence[str] = ()  # keys that this home needs and has not, with what to do
    restored: Uncompared | None = None  # from a backup, and nobody compared yet what left and came since

    @property
    def wants_attention(self) -> bool:
        return bool(
            self.restored
            or self.lacking
            or self.late
            or self.alarms
            or self.answers
            or self.unacknowledged
            or self.clearing
            or self.changes
            or self.unfinished
            or self.slow
            or any(r["urgent"] for r in self.reversals)
            or any(x.wants_person for x in self.inbox)
            or self.outbox
            or any(f["state"] in TROUBLED_FILES for f in self.files)
            or any(not p["balanced"] for p in self.portfolios)
            or any(
                o["delivery"] in ("UNKNOWN", "NOT_DELIVERED")
                or o.get("stranded")
                or o.get("stopped")
                or o.get("not_reached")
                or o.get("in_clear")
                for o in self.outbound
            )
            or any(o.get("window_missed") or o.get("window_near") or o.get("late") for o in self.outbound)
            or any(m["state"].startswith(("FAILED", "POSTPONED", "HALTED")) for m in self.end_of_period)
        )


def status(app: App, date: str | None) -> Status:
    with app.db.read() as connection:
        portfolios = _portfolios(connection, date)
        files = _files(connection, date)
        outbound = with_windows(_outbound(connection, date, app.settings.gateway.endpoints), app, connection)
        clear = in_clear.waiting(app, connection)
        for row in outbound:
            row["in_clear"] = clear.get(row["id"])
        to_take_back = open_reversals.open_reversals(app, connection)
        open_reversals.advise(outbound, to_take_back)
        return Status(
            date,
            portfolios,
            files,
            late_files(portfolios, files, app.settings, app.clock.now(), date),
            outbound,
            _end_of_period(connection, date),
            _suspense(connection),
            _rows(connection, "SELECT code, text, raised_at FROM alarm WHERE cleared_at IS NULL ORDER BY alarm_id"),
            _answers(connection),
            _unacknowledged(app, connection),
            left_in_place(app),
            [
                {
                    "portfolio": one.portfolio,
                    "bank": one.bank,
                    "check_no": one.check_no,
                    "amount_cents": -one.cents,
                    "todo": one.todo,
                }
                for one in clearing.held(connection)
            ],
            [*outbox.strangers(app), *outbox.unplaced(app)],
            _rows(
                connection,
                "SELECT change_id, vendor, origin, fields, maker, proposed_at FROM vendor_change WHERE state = 'PROPOSED' "
                "ORDER BY change_id",
            ),
            *_under_way(app, connection),
            open_reversals.shown(to_take_back),
            connection.execute(text("SELECT MAX(business_date) FROM inbound_file")).scalar(),
            keys.lacking(app, connection),
            uncompared(connection),
        )


def _rows(connection: Connection, statement: str, **values: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def _portfolios(connection: Connection, date: str | None) -> list[Row]:
    rows = _rows(
        connection,
        """
        SELECT p.portfolio, p.name, p.business_date, p.period_state,
               COALESCE(SUM(t.debit_cents), 0) AS debit_cents, COALESCE(SUM(t.credit_cents), 0) AS credit_cents,
               COUNT(DISTINCT t.unit_id) AS units,
               (SELECT MAX(r.ended_at) FROM eop_run r WHERE r.portfolio = p.portfolio AND r.state = 'DONE'
                    AND r.business_date < COALESCE(CAST(:date AS TEXT), p.business_date)) AS opened_at,
               (SELECT r.ended_at FROM eop_run r WHERE r.portfolio = p.portfolio AND r.state = 'DONE'
                    AND r.business_date = COALESCE(CAST(:date AS TEXT), p.business_date)) AS ended_at
        FROM portfolio p
        LEFT JOIN posting_unit u ON u.portfolio = p.portfolio AND u.kind <> 'OPENING'
             AND u.business_date = COALESCE(:date, p.business_date)
        LEFT JOIN unit_total t ON t.unit_id = u.unit_id
        GROUP BY p.portfolio, p.name, p.business_date, p.period_state
        """,
        date=date,
    )
    for row in rows:
        row["debit_cents"], row["credit_cents"] = int(row["debit_cents"]), int(row["credit_cents"])
        row["balanced"] = row["debit_cents"] == row["credit_cents"]
    return sorted(rows, key=lambda row: int(row["portfolio"]))


def _files(connection: Connection, date: str | None) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT f.file_id AS id, f.name, f.kind, f.portfolio, f.state, f.lines, f.records, f.rejects, f.amount_cents,
               f.posted_cents, f.suspended_cents, f.rejected_cents, f.held_cents, f.hold_code, f.hold_text,
               f.claimed_at, f.business_date
        FROM inbound_file f
        WHERE f.state IN ('HELD', 'WAITING', 'FAILED', 'CLAIMED', 'STAGED', 'QUARANTINED')
           OR (CAST(:date AS TEXT) IS NOT NULL AND f.business_date = :date)
           OR (CAST(:date AS TEXT) IS NULL AND f.business_date IN (SELECT business_date FROM portfolio))
        ORDER BY f.file_id
        """,
        date=date,
    )


def _outbound(connection: Connection, date: str | None, endpoints: Collection[str]) -> list[Row]:
    """``stranded``: its delivery is not over, and the settings have its endpoint no more, so nothing moves it; ``stopped``:
    it must not leave by itself any more, and waits for a person; ``not_reached``: it was tried, and its endpoint does not let
    us in. ``to_fetch``: a bank file without an endpoint of which
    nobody said that it was fetched. ``follows``: the file it is released or rejected with. ``entries`` and
    ``at_stake_cents``: payments and money that leave by it; the offset of a balanced file and a scratch file repeat money
    of others."""
    to_fetch = f"(o.kind = 'VACH-BANK' AND o.state = 'LOCAL' AND NOT {left_sql('o')})"
    rows = _rows(
        connection,
        f"""
        SELECT o.outbound_id AS id, o.name, o.kind, o.portfolio, o.state, o.endpoint, o.records, o.total_debit_cents,
               o.total_credit_cents, o.hold_text, o.business_date, o.built_at,
               o.approved_at, d.state AS delivery, d.last_error, d.attempts, d.ended_at, d.next_attempt_at,
               {to_fetch} AS to_fetch,
               (SELECT f.outbound_id FROM outbound_source s JOIN outbound_file f ON f.state = 'BUILT'
                    AND s.source = 'outbound:' || CAST(f.outbound_id AS TEXT)
                WHERE s.outbound_id = o.outbound_id AND s.seq = 0 AND o.state = 'BUILT') AS follows,
               (SELECT COUNT(*) FROM ach_entry e WHERE e.outbound_id = o.outbound_id AND e.kind <> 'OFFSET') AS entries,
               (SELECT CAST(SUM(e.amount_cents) AS BIGINT) FROM ach_entry e
                WHERE e.outbound_id = o.outbound_id AND e.kind <> 'OFFSET') AS entry_cents
        FROM outbound_file o LEFT JOIN delivery d ON d.outbound_id = o.outbound_id
        WHERE o.state = 'BUILT' OR d.state IN ('PENDING', 'SENDING', 'PLACING', 'UNKNOWN', 'NOT_DELIVERED')
           OR (o.state = 'APPROVED' AND d.delivery_id IS NULL) OR {to_fetch}
           OR o.business_date = COALESCE(
                CAST(:date AS TEXT),
                (SELECT MAX(x.business_date) FROM outbound_file x WHERE x.portfolio = o.portfolio))
        ORDER BY o.outbound_id
        """,
        date=date,
    )
    for row in rows:
        over = row["delivery"] in (None, "DELIVERED", "ACKNOWLEDGED", "RECALLED")
        row["stranded"] = not over and row["endpoint"] not in endpoints
        of_file = 0 if row["kind"] == "VACH-SCRATCH" else max(row["total_debit_cents"], row["total_credit_cents"])
        entry_cents = row.pop("entry_cents")
        row["at_stake_cents"] = of_file if entry_cents is None else entry_cents
        row["to_fetch"] = bool(row["to_fetch"])
        again = row.pop("next_attempt_at")
        row["stopped"] = row["delivery"] == "PENDING" and again is None
        row["not_reached"] = row["delivery"] == "PENDING" and again is not None and bool(row["attempts"])
    return rows


def _end_of_period(connection: Connection, date: str | None) -> list[Row]:
    return _rows(
        connection,
        """
        SELECT r.portfolio, r.business_date, m.module, m.state, m.message, m.ended_at
        FROM eop_run r JOIN eop_module m ON m.run_id = r.run_id
        WHERE r.business_date = COALESCE(
            CAST(:date AS TEXT), (SELECT MAX(x.business_date) FROM eop_run x WHERE x.portfolio = r.portfolio))
        ORDER BY r.portfolio, m.position
        """,
        date=date,
    )


def _under_way(app: App, connection: Connection) -> tuple[list[Row], list[Row]]:
    """End of Period that is not over and that nobody is at, stopped, killed or of some modules only (one with a failed module
    says so itself); and one that a process is at without getting on."""
    limit = app.clock.now() - timedelta(minutes=app.settings.gateway.alarms.module_minutes)
    unfinished: list[Row] = []
    slow: list[Row] = []
    for p in periods(connection):
        row = {"portfolio": p.portfolio, "business_date": p.business_date, "left": list(p.left)}
        if p.left and not has_turn(app.db, p.portfolio):
            unfinished += [] if p.failed else [row]
        elif p.left and p.moved_at < instant_text(limit):
            since = shown_text(p.moved_at, app.settings.gateway.service.timezone)
            slow.append(row | {"since": p.moved_at, "shown": since})
    return unfinished, slow


def _suspense(connection: Connection) -> list[Row]:
    rows = _rows(
        connection,
        "SELECT portfolio, COUNT(*) AS items, SUM(remaining_cents) AS amount_cents FROM suspense_item "
        "WHERE remaining_cents > 0 GROUP BY portfolio",
    )
    return [row | {"amount_cents": int(row["amount_cents"])} for row in sorted(rows, key=lambda r: int(r["portfolio"]))]


def _answers(connection: Connection) -> list[Row]:
    """Files of a bank with answers that wait; ``outcome`` where it is one."""
    rows = _rows(
        connection,
        "SELECT a.file_id, f.name, f.kind, COUNT(*) AS answers, COALESCE(SUM(a.amount_cents), 0) AS amount_cents, "
        "CASE COUNT(*) WHEN 1 THEN MAX(a.outcome) END AS outcome FROM ach_answer a "
        "JOIN inbound_file f ON f.file_id = a.file_id WHERE a.state = 'UNMATCHED' "
        "GROUP BY a.file_id, f.name, f.kind ORDER BY a.file_id",
    )
    return [row | {"amount_cents": int(row["amount_cents"])} for row in rows]


def _unacknowledged(app: App, connection: Connection) -> list[Row]:
    overdue = settle.overdue_acknowledgements(connection, app.settings.gateway.endpoints, now=app.clock.now())
    return [
        {
            "outbound_id": x.delivery.outbound_id, "name": x.delivery.remote_name, "endpoint": x.delivery.endpoint,
            "delivery": str(x.delivery.state), "deadline": x.deadline,
            "due": shown_text(x.deadline, app.settings.gateway.service.timezone),
        }
        for x in overdue
    ]  # fmt: skip


def unfinished_text(row: Mapping[str, Any]) -> str:
    """An unfinished period in words, with what to do."""
    first, *more = row["left"]
    others = f" and {len(more)} {'module' if len(more) == 1 else 'modules'} after it" if more else ""
    return (
        f"portfolio {row['portfolio']}: End of Period of {row['business_date']} stands before {first}{others}, and nobody is at "
        f"it: gateway eop --date {row['business_date']} --portfolio {row['portfolio']}"
    )


def slow_text(row: Mapping[str, Any]) -> str:
    """A period that does not get on in words, with what to do."""
    return (
        f"portfolio {row['portfolio']}: End of Period of {row['business_date']} is before or in {row['left'][0]} since "
        f"{row['shown']}: see the log and the database; when the process that is at it has ended, gateway eop --date "
        f"{row['business_date']} --portfolio {row['portfolio']} goes on"
    )


NOT_WHOLE = (HoldCode.TORN_TAIL, HoldCode.DUPLICATE, HoldCode.CHANGED_WHILE_READ)
"""Why a file is held that is not the one that was expected: not all of it, or one that came before."""


def late_files(
    portfolios: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]],
    settings: Settings,
    now: datetime,
    date: str | None,
) -> list[Row]:
    """Files that ``[[expected]]`` names and that have not come by their hour on the business date."""
    zone = ZoneInfo(settings.gateway.service.timezone)
    late: list[Row] = []
    for portfolio in portfolios:
        day = date or portfolio["business_date"]
        for expected in settings.portfolio(portfolio["portfolio"]).expected:
            here = any(f["kind"] == expected.kind and _came(f, portfolio, day) for f in files)
            by = datetime.fromisoformat(f"{day} {expected.by}").replace(tzinfo=zone)
            if now >= by and not here:
                late.append({"portfolio": portfolio["portfolio"], "kind": expected.kind, "by": shown_instant(by)})
    return late


def _came(file: Mapping[str, Any], portfolio: Mapping[str, Any], day: str) -> bool:
    """Whether a file came whole on this business date of this portfolio. One that is not posted has no date of its own: it
    is of the date that was open when it was claimed."""
    state = FileState(file["state"])
    if file["portfolio"] not in (portfolio["portfolio"], None):
        return False
    if state in (FileState.POSTED, FileState.STAGED, FileState.REVERSED):
        return bool(file["business_date"] == day)
    waits = state in (FileState.CLAIMED, FileState.WAITING, FileState.FAILED)
    if not waits and (state is not FileState.HELD or file["hold_code"] in NOT_WHOLE):
        return False
    return bool((portfolio["opened_at"] or "") <= file["claimed_at"] < (portfolio["ended_at"] or "~"))
