"""Voided checks that had left by ACH and whose reversal has not: what is to be done about each, and until which day.

A reversal settles within five banking days of the credit (``reversals``). Until it left, somebody has to know that day: its
file may wait for a release that came too late for its effective date, and a file that is rejected is built again only as
long as the day can be reached.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, text

from gateway.app import App
from gateway.calendar import BankingCalendar, CalendarError
from gateway.ledger.ach_answers import refused_sql
from gateway.ledger.ach_checks import source_sql
from gateway.ledger.ach_returns import came_back_sql
from gateway.outbound.banks import bank_of
from gateway.outbound.states import LEFT_SQL, OutboundState, left_sql
from gateway.vendor_ach import reversals, settling


class OpenReversal(NamedTuple):
    """Money to be taken back. ``file`` is the one that its reversal waits in, None where it is in none; dates are ISO text.

    ``last_day``: on which it may settle at the latest; ``possible``: the day on which one built now would settle, None where
    no bank is set. Both are empty where the calendar does not reach (``problem`` says so)."""

    portfolio: str
    bank: str
    check_no: str
    amount_cents: int
    file_id: int | None
    file: str | None
    file_state: str | None
    is_stale: bool  # the file comes too late for its effective date
    last_day: str
    possible: str | None
    problem: str | None = None

    @property
    def waits(self) -> bool:
        """Whether nobody released it."""
        return self.file_state in (None, OutboundState.BUILT)

    @property
    def is_over(self) -> bool:
        """Its last day cannot be reached any more."""
        return (self.file_id is None or self.is_stale) and (self.possible is None or self.possible > self.last_day)

    @property
    def is_urgent(self) -> bool:
        """Waiting for the next End of Period is not enough."""
        return (
            self.problem is not None or self.is_stale or self.is_over or (self.waits and self.possible == self.last_day)
        )

    @property
    def todo(self) -> str:
        """What a person does, in order, and by when."""
        if self.problem is not None:
            return self.problem
        reject = f"gateway outbound reject {self.file_id} --reason WHY"
        last = f"it must settle by {self.last_day}"
        if self.is_over:
            first = f"call {self.file} back (gateway outbound recall {self.file_id} --reason WHY)"
            first = f"reject {self.file} ({reject})" if self.waits else first
            first = f"{first}, then " if self.file_id is not None else ""
            return (
                f"its reversal cannot settle by {self.last_day} any more, the last day of it: {first}ask the vendor for the "
                f"money, and take the void back (gateway vendor void {self.check_no} --undo --reason WHY)"
            )
        if self.file_id is None:
            build = f"gateway outbound build vach --portfolio {self.portfolio}"
            return f"its reversal is in no file: End of Period builds it, or {build}; {last}"
        if not self.waits:
            late = " and comes too late for its effective date" if self.is_stale else ""
            return f"its reversal in {self.file} (#{self.file_id}) is released{late}, and not proved to be at the bank; {last}"
        if self.is_stale:
            return (
                f"its reversal waits in {self.file} (#{self.file_id}), which is too late for its effective date: reject that file "
                f"({reject}), then build it again (gateway outbound build vach --portfolio {self.portfolio}); {last}"
            )
        return f"its reversal waits in {self.file} (#{self.file_id}) for release: gateway outbound show {self.file_id}; {last}"


_OPEN: Final = f"""
    SELECT c.portfolio, c.bank, c.check_no, c.amount_cents, f.outbound_id AS sent_in, f.header, r.outbound_id AS file_id,
        r.name AS file, r.state AS file_state
    FROM bank_check c
    JOIN outbound_source s ON s.outbound_id = c.outbound_id AND s.source = {source_sql("c")}
    JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq AND e.kind = 'LIVE'
    JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN ({LEFT_SQL}) AND NOT {refused_sql("f")}
    LEFT JOIN outbound_file r ON r.state <> 'REJECTED' AND r.outbound_id = (
        SELECT MAX(v.outbound_id) FROM ach_entry v JOIN outbound_file vf ON vf.outbound_id = v.outbound_id
            AND vf.state <> 'REJECTED'
        WHERE v.reverses_outbound_id = e.outbound_id AND v.reverses_seq = e.seq AND NOT {came_back_sql("v")})
    WHERE c.type = 'NEWA' AND c.state = 'VOID' AND NOT {came_back_sql("e")}
        AND (r.outbound_id IS NULL OR NOT {left_sql("r")})
    ORDER BY c.portfolio, c.bank, c.check_no
"""


def open_reversals(app: App, connection: Connection, portfolio: str | None = None) -> list[OpenReversal]:
    """Of one portfolio or of all, by check."""
    rows = [row for row in connection.execute(text(_OPEN)).all() if portfolio is None or row.portfolio == portfolio]
    if not rows:
        return []
    try:
        calendar = app.calendar()
        settles = settling.days(
            app, connection, {n for row in rows for n in (row.sent_in, row.file_id) if n is not None}
        )
    except CalendarError as error:
        return [_of(row, is_stale=False, last_day="", possible=None, problem=str(error)) for row in rows]
    found = []
    for row in rows:
        on, its = settles[row.sent_in].on, settles.get(row.file_id)
        possible = _possible(app, calendar, row.header, row.portfolio, on)
        is_stale = its is not None and its.is_late
        found.append(_of(row, is_stale=is_stale, last_day=reversals.last_day(on, calendar), possible=possible))
    return found


def _of(row: Row[Any], **known: Any) -> OpenReversal:
    return OpenReversal(
        row.portfolio, row.bank, row.check_no, row.amount_cents, row.file_id, row.file, row.file_state, **known
    )


def _possible(app: App, calendar: BankingCalendar, header: str, portfolio: str, settled_on: str) -> str | None:
    bank = bank_of(app, json.loads(header), portfolio)
    if bank is None:
        return None
    return reversals.effective_date(settled_on, calendar.add_banking_days(app.here().date(), bank.lead_days))


def messages(found: Sequence[OpenReversal], built: Collection[int]) -> tuple[str, ...]:
    """What a run says of reversals that wait in files of earlier ones: a message a file."""
    waiting = [one for one in found if one.waits and one.file_id is not None and one.file_id not in built]
    return tuple(f"check {row['check_no']}{row['others']}: {row['todo']}" for row in shown(waiting))


def shown(found: Sequence[OpenReversal]) -> list[dict[str, Any]]:
    """For those who look, those of one file and one last day together: the first check and how many ``others``, the sum, and
    what is to be done."""
    groups: dict[tuple[str, int | None, str, bool], list[OpenReversal]] = {}
    for one in found:
        groups.setdefault((one.portfolio, one.file_id, one.last_day, one.is_over), []).append(one)
    return [
        {
            "portfolio": one.portfolio, "bank": one.bank, "check_no": one.check_no, "checks": len(its),
            "others": f" and {len(its) - 1:,} more" if len(its) > 1 else "",
            "amount_cents": sum(each.amount_cents for each in its), "outbound_id": one.file_id, "last_day": one.last_day,
            "over": one.is_over, "urgent": one.is_urgent, "todo": one.todo,
        }
        for its in groups.values()
        for one in its[:1]
    ]  # fmt: skip


def advise(outbound: Iterable[dict[str, Any]], found: Sequence[OpenReversal]) -> None:
    """Adds to what is said of files that come too late, which are to be built again, that reversals are not after their
    last day."""
    over = {one.file_id for one in found if one.is_over and one.waits}
    for row in outbound:
        for key in ("late", "window_outcome") if row["id"] in over else ():
            if row.get(key):
                row[key] += "; the last day of reversals in it has passed, and those are not built again: see REVERSAL"
