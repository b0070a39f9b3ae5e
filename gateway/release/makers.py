"""Who had a part in what a bank file pays or takes back: a maker can never be the checker, so none of them releases it.

A part is: building the file; loading a check of it, or paying it again; loading or changing its payee since the payee was
last paid (what came back, or the bank refused, was no payment); voiding what it takes back. Everything is read from what is
kept anyway: the file's maker, the events of operators, ``vendor_change``, and the units that posted the voids. What a bank's
notification changes was brought by whoever owned its file (``inbound_file.owner``), who is the maker of that change.

Who took a payee's alert away, or paid despite it, is a checker and may release; ``lifted`` names them to whoever looks.

An account that is a system (the one SFTP writes with, the service's) bars nobody, because nobody approves under it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.ledger.ach_answers import refused_sql
from gateway.ledger.ach_checks import LEFT_ALL_THE_SAME, source_sql
from gateway.ledger.ach_returns import came_back_sql, taken_back_sql
from gateway.ledger.load_checks import LOADED as CHECK_LOADED
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.vendor_alerts import ALERT_OFF, OVERRIDE
from gateway.ledger.vendor_changes import LOADED as VENDOR_LOADED
from gateway.outbound.states import LEFT_SQL, TAKEN
from gateway.settings import OperatorSettings
from gateway.vendor_ach import entries


class Part(NamedTuple):
    """What one person did. ``user`` is None where only the code is kept: then it is all users of the code."""

    code: str
    user: str | None
    what: str

    @property
    def said(self) -> str:
        return f"{self.what} by {self.code}" + ("" if self.user is None else f" ({self.user})")

    def shown(self) -> dict[str, str | None]:
        return {"operator": self.code, "user": self.user, "what": self.what}


_PAYEES: Final = f"""
    WITH payee AS MATERIALIZED (SELECT DISTINCT vendor FROM ach_entry
        WHERE outbound_id = :id AND kind IN ('LIVE', 'PRENOTE') AND vendor IS NOT NULL),
    sent AS MATERIALIZED (SELECT f.outbound_id, f.approved_at, (SELECT MAX(a.event_id) FROM operator_event a WHERE a.subject = f.name
        AND (a.action = 'outbound.approve' OR (a.action = '{TAKEN}' AND f.reason LIKE '{LEFT_ALL_THE_SAME}%'))) AS event_id
        FROM outbound_file f WHERE f.kind = 'VACH-BANK' AND f.state IN ({LEFT_SQL}) AND NOT {refused_sql("f")}),
    paid AS MATERIALIZED (SELECT p.vendor, MAX(f.approved_at) AS at, MAX(f.event_id) AS event_id
        FROM payee e CROSS JOIN ach_entry p JOIN sent f ON f.outbound_id = p.outbound_id
        WHERE p.vendor = e.vendor AND p.kind = 'LIVE' AND NOT {came_back_sql("p")} AND NOT {taken_back_sql("p")} GROUP BY p.vendor),
    e AS (SELECT payee.vendor, COALESCE(paid.at, '') AS paid_at, paid.event_id AS paid_by
        FROM payee LEFT JOIN paid ON paid.vendor = payee.vendor)
"""
"""``e``: whom the file pays, with instant and event by which each was last paid, found once for all of them. Instants alone would
let a clock that went back since that release say that what was done after it came before it; no event is sooner than one with a
smaller number."""
_SINCE: Final = "(o.at >= e.paid_at OR o.event_id > e.paid_by)"
"""Whether an event is one since its payee was last paid."""
_PARTS: Final[Mapping[str, str]] = {
    "check {} loaded": (
        "SELECT o.operator, o.os_user, COUNT(DISTINCT o.subject), MIN(c.check_no) FROM bank_check c "
        "JOIN operator_event o ON o.subject = 'check ' || c.portfolio || '/' || c.bank || '/' || c.check_no "
        f"AND o.action = '{CHECK_LOADED}' WHERE c.outbound_id = :id GROUP BY o.operator, o.os_user"
    ),
    "check {} paid again": (
        "SELECT o.operator, o.os_user, COUNT(DISTINCT o.subject), MIN(c.check_no) FROM bank_check c "
        f"JOIN operator_event o ON o.subject = {source_sql('c')} AND o.action = '{entries.PAID_AGAIN}' "
        "WHERE c.outbound_id = :id GROUP BY o.operator, o.os_user"
    ),
    "vendor {} loaded": (
        f"{_PAYEES} SELECT o.operator, o.os_user, COUNT(DISTINCT e.vendor), MIN(e.vendor) FROM e "
        f"JOIN operator_event o ON o.subject = 'vendor ' || e.vendor AND o.action = '{VENDOR_LOADED}' "
        f"WHERE {_SINCE} GROUP BY o.operator, o.os_user"
    ),
    "a change of vendor {} proposed": (
        f"{_PAYEES} SELECT c.maker, c.maker_user, COUNT(DISTINCT e.vendor), MIN(e.vendor) FROM e "
        "JOIN vendor_change c ON c.vendor = e.vendor AND c.state = 'APPLIED' "
        "WHERE (c.decided_at >= e.paid_at OR EXISTS (SELECT 1 FROM operator_event o WHERE o.subject = 'vendor ' || c.vendor "
        "AND o.action = 'vendor.approve' AND (o.reason = 'change ' || CAST(c.change_id AS TEXT) "
        "OR o.reason LIKE 'change ' || CAST(c.change_id AS TEXT) || ': %') AND o.event_id > e.paid_by)) "
        "GROUP BY c.maker, c.maker_user"
    ),
    "check {} voided": (
        "SELECT u.operator, NULL, COUNT(*), MIN(c.check_no) FROM bank_check c "
        f"JOIN outbound_source s ON s.source = {source_sql('c')} AND s.outbound_id = c.outbound_id "
        f"JOIN posting_unit u ON u.unit_id = c.void_entry_id / {ENTRIES_A_UNIT} "
        "WHERE c.state = 'VOID' AND c.type = 'NEWA' "
        "AND c.portfolio = (SELECT portfolio FROM outbound_file WHERE outbound_id = :id) "
        # looked up in a set that is made once, for a whole file's reversal has as many entries as checks: the plus keeps
        # SQLite from going through all of it for every check
        "AND (+s.outbound_id, +s.seq) IN (SELECT reverses_outbound_id, reverses_seq FROM ach_entry WHERE outbound_id = :id) "
        "GROUP BY u.operator"
    ),
}
"""By what was done, the query: code, user, how many, the first of them. Dates are instants of one form, as text."""


def parts(connection: Connection, outbound_id: int) -> list[Part]:
    """Everybody's part in a bank file, the one who built it first."""
    key = {"id": outbound_id}
    maker = connection.execute(text("SELECT maker, maker_user FROM outbound_file WHERE outbound_id = :id"), key).one()
    found = [Part(maker.maker, maker.maker_user, "made")]
    for what, statement in _PARTS.items():
        for code, user, count, first in sorted(connection.execute(text(statement), key), key=lambda row: str(row[3])):
            named = first if count == 1 else f"{first} and {count - 1:,} more"
            found.append(Part(code, user, what.format(named)))
    return found


class Lifted(NamedTuple):
    """That somebody let money go to a payee on alert, since the payee was last paid."""

    vendor: str
    at: str
    operator: str
    user: str
    what: str
    reason: str


_LIFTED: Final = f"""
    {_PAYEES} SELECT e.vendor, o.at, o.operator, o.os_user, CASE o.action WHEN '{ALERT_OFF}' THEN 'alert taken away' ELSE 'paid despite its alert' END,
        o.reason FROM e JOIN operator_event o ON o.subject = 'vendor ' || e.vendor
        AND o.action IN ('{ALERT_OFF}', '{OVERRIDE}') WHERE {_SINCE} ORDER BY e.vendor, o.event_id
"""


def lifted(connection: Connection, outbound_id: int) -> list[Lifted]:
    """By payee of a file that waits, each in the order of time."""
    return [Lifted(*row) for row in connection.execute(text(_LIFTED), {"id": outbound_id})]


def refusal(app: App, connection: Connection, outbound_id: int, name: str) -> str | None:
    """Why the caller may not release the file, and who may; None when the caller had no part in it."""
    everybody = parts(connection, outbound_id)
    people = app.settings.operators.operators
    own = [part for part in everybody if _is(part, app.operator.code, app.operator.user, people)]
    if not own:
        return None
    did = "; ".join(part.said for part in own)
    others = [
        f"{code} ({user})"
        for code, user in _approvers(people)
        if not any(_is(part, code, user, people) for part in everybody)
    ]
    todo = (
        f"ask {' or '.join(others)}"
        if others
        else "ask one; config/operators.toml names nobody else with the right to approve"
    )
    return (
        f"approving {name}: found {app.operator.code} ({app.operator.user}), {did}, expected a second person with another code and another "
        f"user, who had no part in it: {todo}"
    )


def _is(part: Part, code: str, user: str, people: Mapping[str, OperatorSettings]) -> bool:
    if part.code == code or part.user == user:
        return True
    return part.user is None and part.code in people and user in people[part.code].users


def _approvers(people: Mapping[str, OperatorSettings]) -> Iterator[tuple[str, str]]:
    for code, operator in sorted(people.items()):
        users: Sequence[str] = operator.users if "approve" in operator.rights else ()
        yield from ((code, user) for user in users)
