"""A bank file that was rejected or called back here, and that the bank has all the same: it counts as fetched from now on.

What went into it was free again, and would be paid once more. Its checks are SENT in it, and its sources are its own, as if
it had been delivered, or released without an endpoint and taken (``outbound taken``). The person who took it back and the
one who says that it left are two. The scratch file that went with it stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, bindparam, text

from gateway.app import App
from gateway.delivery import queue
from gateway.errors import LedgerError, Refused
from gateway.ledger import ach_answers, schema
from gateway.ledger.ach_checks import LEFT_ALL_THE_SAME, CheckKey, check_of_source, once_sql
from gateway.ledger.events import note
from gateway.outbound.states import TAKEN, OutboundState
from gateway.release.release import File

_ASKED: Final = 5_000
"""Checks in one statement."""


class Waiting(NamedTuple):
    """A file of the bank, of which an answer waits; ``path``: where it may come again, below the home."""

    file_id: int
    name: str
    path: str


def say_it_left(app: App, connection: Connection, file: File, reason: str) -> list[Waiting]:
    """Count a REJECTED bank file, whose portfolio is locked, as one that left; gives the bank's files whose answers about it
    wait. Raises Refused for the person who took it back, and where something of it goes, or went, another
    way."""
    action = f"saying that {file.name} left"
    app.operator.require("resolve", action)
    _second_person(app, connection, file, action)
    _in_no_other(connection, file, action)
    _still_void(connection, file, action)
    at = {"id": file.outbound_id}
    has_delivery = queue.left(
        connection, file.outbound_id, f"called back, and there all the same: {reason}", at=app.now()
    )
    state = OutboundState.APPROVED if has_delivery else OutboundState.LOCAL
    said = {
        "state": state,
        "code": app.operator.code,
        "user": app.operator.user,
        "at": app.now(),
        "reason": LEFT_ALL_THE_SAME + reason,
    }
    connection.execute(
        text(
            "UPDATE outbound_file SET state = :state, approved_by = :code, approved_user = :user, "
            "approved_at = :at, reason = :reason WHERE outbound_id = :id"
        ),
        at | said,
    )
    sources = sorted(connection.execute(_SOURCES, at).scalars())
    claims = ((source, file.outbound_id) for source in sources)
    app.db.bulk_insert(connection, schema.outbound_claim, ("source", "outbound_id"), claims)
    _sent(app, connection, file, [check for source in sources if (check := _paid(source)) is not None], action)
    note(connection, app.operator, TAKEN, file.name, reason, at=app.now())
    ach_answers.clear_refusals(
        connection, file.outbound_id, by=app.operator.code, reason=LEFT_ALL_THE_SAME + reason, at=app.now()
    )
    takers = {
        name: place.path
        for name, place in app.settings.gateway.sources.items()
        if not place.kinds or "bank-answers" in place.kinds
    }
    some = next(iter(takers.values()), "inbox")  # where it came by the command line
    return [
        Waiting(number, name, f"{takers.get(source, some)}/{name}")
        for number, name, source in connection.execute(_WAITING, at)
    ]


_ONCE: Final = once_sql("s")
_SOURCES: Final = text(
    f"SELECT s.source FROM outbound_source s LEFT JOIN outbound_claim c ON c.source = s.source "
    f"WHERE s.outbound_id = :id AND {_ONCE} AND c.source IS NULL"
)
_WAITING: Final = text(
    "SELECT DISTINCT i.file_id, i.name, i.source FROM ach_entry e JOIN ach_answer a ON a.original_trace = e.trace_number "
    "JOIN inbound_file i ON i.file_id = a.file_id "
    "WHERE e.outbound_id = :id AND a.state = 'UNMATCHED' ORDER BY i.file_id"
)
_ELSEWHERE: Final = text(
    f"SELECT f.outbound_id, f.name, f.state FROM outbound_source s JOIN outbound_claim c ON c.source = s.source "
    f"JOIN outbound_file f ON f.outbound_id = c.outbound_id "
    f"WHERE s.outbound_id = :id AND {_ONCE} AND s.source NOT LIKE 'prenote:%' ORDER BY f.outbound_id"
)
_TAKEN_BACK: Final = text(
    "SELECT s.source, e.reverses_outbound_id FROM outbound_source s "
    "JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq "
    "WHERE s.outbound_id = :id AND s.source LIKE 'reversal:%'"
)
_STANDING: Final = text(
    "SELECT portfolio, bank, check_no, issue, state, outbound_id FROM bank_check "
    "WHERE portfolio = :portfolio AND check_no IN :numbers ORDER BY check_no, bank"
).bindparams(bindparam("numbers", expanding=True))


def _second_person(app: App, connection: Connection, file: File, action: str) -> None:
    if not app.settings.portfolio(file.portfolio).release.four_eyes:
        return
    code, user = connection.execute(
        text("SELECT approved_by, approved_user FROM outbound_file WHERE outbound_id = :id"), {"id": file.outbound_id}
    ).one()
    if app.operator.code == code or app.operator.user == user:
        raise Refused(
            f"{action}: found that {code} ({user}) took it back, expected a second person to say that the bank has it"
        )


def _in_no_other(connection: Connection, file: File, action: str) -> None:
    """What went into it may be in another file by now. A prenote moves no money: both may be at the bank."""
    other = connection.execute(_ELSEWHERE, {"id": file.outbound_id}).first()
    if other is None:
        return
    todo = (
        f"gateway outbound reject {other.outbound_id} --reason WHY"
        if other.state == OutboundState.BUILT
        else f"gateway outbound recall {other.outbound_id} --reason WHY, or where that left too, have one of the two reversed"
    )
    raise Refused(
        f"{action}: found what went into it in {other.name}, which is {other.state}, expected it in no other: {todo}"
    )


def _still_void(connection: Connection, file: File, action: str) -> None:
    """What it takes back settles against the voids, which may have been taken back since. A check that is another issue, or was
    void before the credit went, is not the one either."""
    of_entry = {
        check: credit for source, credit in connection.execute(_TAKEN_BACK, {"id": file.outbound_id})
        if (check := check_of_source(source)) is not None
    }  # fmt: skip
    for row in _standing(connection, file, of_entry):
        credit = of_entry.pop(CheckKey(row.portfolio, row.bank, row.check_no, row.issue), None)
        if credit is not None and (row.state, row.outbound_id) != ("VOID", credit):
            now = "VOID since without that credit" if row.state == "VOID" else f"{row.state} since"
            raise Refused(
                f"{action}: found check {row.check_no}, which it takes back, {now}, expected it VOID as it was left: "
                f"void it first (gateway vendor void {row.check_no} --reason WHY); where that is refused, have the bank return the reversal"
            )
    for check in of_entry:
        raise Refused(
            f"{action}: found check {check.check_no}, which it takes back, paid again since, expected it VOID as it was left: have "
            "the bank return the reversal"
        )


def _paid(source: str) -> CheckKey | None:
    """The check that a source pays; one that it takes back stays void."""
    return check_of_source(source) if source.startswith("check:") else None


def _sent(app: App, connection: Connection, file: File, checks: Sequence[CheckKey], action: str) -> None:
    """Mark its checks, all of them free until now."""
    changed = app.db.bulk_update(
        connection, schema.bank_check, "state = 'SENT', outbound_id = {}",
        ("portfolio", "bank", "check_no", "issue", "state"), [(file.outbound_id, *check, "NEW") for check in checks],
    )  # fmt: skip
    if changed == len(checks):
        return
    wanted = {check[:3]: check.issue for check in checks}
    for row in _standing(connection, file, checks):
        name = tuple(row[:3])
        if wanted.get(name, row.issue) != row.issue or (name in wanted and row.outbound_id != file.outbound_id):
            raise Refused(
                f"{action}: found check {row.check_no} {row.state} since (issue {row.issue}), expected it as it was left, NEW: see "
                f"gateway trace {row.check_no}, and put that right first"
            )
    raise LedgerError(
        f"{action}: found {changed} checks of it, expected {len(checks)}; nothing was changed: run gateway verify"
    )


def _standing(connection: Connection, file: File, checks: Iterable[CheckKey]) -> Iterator[Row[Any]]:
    """As ``_STANDING``, of at least these checks."""
    numbers = sorted({check.check_no for check in checks})
    for start in range(0, len(numbers), _ASKED):
        yield from connection.execute(
            _STANDING, {"portfolio": file.portfolio, "numbers": numbers[start : start + _ASKED]}
        )
