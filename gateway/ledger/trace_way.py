"""The way of a check, step by step in the order of time: made, paid out, delivered, answered, paid again, voided, reversed.

Everything is found by what is stored for other reasons; nothing of it is kept a second time. ``ways`` asks a few
questions for all checks at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection

from gateway.ledger import trace_ach as ach
from gateway.ledger.ach_checks import LEFT_ALL_THE_SAME
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.trace_ach import Row, rows

Kind = Literal[
    "MADE", "FINDING", "VOIDED", "POSTED", "BUILT", "LISTED", "ACCEPTED", "RELEASED", "REJECTED", "DELIVERY", "TAKEN",
    "LEFT", "SETTLED", "ANSWERED", "ALERT", "ALERT OFF", "OVERRIDE", "PAID AGAIN", "VOID TAKEN BACK",
]  # fmt: skip
_ORDER: Final[Mapping[str, int]] = {kind: n for n, kind in enumerate(Kind.__args__)}  # type: ignore[attr-defined]
"""Of steps of one instant, which one transaction took: the order of the names above."""
_ALERTS: Final[Mapping[str, Kind]] = {
    "vendor.alert-on": "ALERT",
    "vendor.alert-off": "ALERT OFF",
    "vendor.override": "OVERRIDE",
}
_ASKED: Final = 500


class Step(NamedTuple):
    """One thing that happened to a check. Instants are UTC; ``file`` is one that came in, ``outbound`` one that left."""

    check: str  # portfolio/bank/number
    step: Kind
    at: str | None  # None: of a check that was made elsewhere, or of one that was withheld
    issue: int | None = None
    state: str | None = None  # of the outbound file, the delivery or the answer
    amount_cents: int | None = None
    effective_date: str | None = None
    business_date: str | None = None
    by: str | None = None
    reason: str | None = None
    outbound_id: int | None = None
    outbound: str | None = None
    seq: int | None = None
    entry_kind: str | None = None
    trace_number: str | None = None
    endpoint: str | None = None
    machine: str | None = None  # whose outbox has the file
    file_id: int | None = None
    file: str | None = None
    line_no: int | None = None
    number: int | None = None  # of the answer in its file
    unit: int | None = None
    entry: int | None = None


def ways(connection: Connection, checks: Sequence[Row]) -> list[Step]:
    """The steps of every check, check by check, each from its first step to its last."""
    steps: list[Step] = []
    for start in range(0, len(checks), _ASKED):
        steps += _of(connection, checks[start : start + _ASKED])
    place = {_name(check): n for n, check in enumerate(checks)}
    return sorted(steps, key=lambda s: (place[s.check], s.at or "", _ORDER[s.step]))


def _name(check: Row) -> str:
    return f"{check['portfolio']}/{check['bank']}/{check['check_no']}"


def _of(connection: Connection, checks: Sequence[Row]) -> list[Step]:
    by_source = {
        source: (_name(check), issue)
        for check in checks
        for issue in range(1, check["issue"] + 1)
        for source in ach.sources_of_issue(check, issue)
    }
    outbound = rows(
        connection,
        f"{_OUTBOUND} WHERE s.source IN :sources ORDER BY f.outbound_id, s.seq, s.source",
        sources=tuple(by_source),
    )
    steps = list(_made(connection, checks))
    for row in outbound:
        steps += _sent(*by_source[row["source"]], row)
    steps += _people(connection, steps)
    steps += _answers(connection, outbound, by_source)
    steps += _by_hand(connection, checks, by_source)
    steps += _findings(connection, checks, steps)
    steps += _alerts(connection, checks, steps)
    return steps


def _made(connection: Connection, checks: Sequence[Row]) -> Iterable[Step]:
    units = {row["unit_id"]: row for row in _units(connection, {c["unit_id"] for c in checks})}
    ids = tuple({c["file_id"] for c in checks if c["file_id"] is not None})
    found = rows(connection, "SELECT file_id, name FROM inbound_file WHERE file_id IN :ids", ids=ids) if ids else []
    names = {row["file_id"]: row["name"] for row in found}
    for check in checks:
        unit = units.get(check["unit_id"], {})
        yield Step(
            _name(check), "MADE", unit.get("posted_at"), issue=1, amount_cents=check["amount_cents"],
            state=unit.get("update_name"), effective_date=check["disbursement_date"],
            business_date=unit.get("business_date"), by=unit.get("operator"), reason=unit.get("reason"),
            file_id=check["file_id"], file=names.get(check["file_id"]), line_no=check["line_no"], unit=check["unit_id"],
        )  # fmt: skip


def _units(connection: Connection, ids: Iterable[int | None]) -> list[Row]:
    known = tuple({i for i in ids if i is not None})
    columns = "unit_id, update_name, business_date, operator, reason, posted_at"
    return rows(connection, f"SELECT {columns} FROM posting_unit WHERE unit_id IN :ids", ids=known) if known else []


_OUTBOUND: Final = """
    SELECT s.source, s.outbound_id, s.seq, f.name, f.kind, f.state, f.built_at, f.maker, f.approved_by, f.approved_at,
           f.machine, f.reason, f.business_date, e.kind AS entry_kind, e.trace_number, e.amount_cents, e.effective_date,
           e.settled_unit_id, d.state AS delivery, d.endpoint, d.started_at, d.ended_at, d.last_error, d.resolved_by,
           d.resolved_second, d.resolved_reason,
           (SELECT MAX(x.at) FROM delivery_event x WHERE x.delivery_id = d.delivery_id AND x.step = 'DELIVERED'
                AND d.state IN ('ACKNOWLEDGED', 'RECALLED')) AS delivered_at
    FROM outbound_source s
    JOIN outbound_file f ON f.outbound_id = s.outbound_id
    LEFT JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq
    LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
"""


def _sent(check: str, issue: int, row: Row) -> Iterable[Step]:
    """Into a file, released or rejected, delivered. A file without entries (the scratch file) goes with its bank file."""
    base = Step(
        check, "BUILT", row["built_at"], issue=issue, state=row["state"], amount_cents=row["amount_cents"],
        effective_date=row["effective_date"], business_date=row["business_date"], by=row["maker"],
        outbound_id=row["outbound_id"], outbound=row["name"], seq=row["seq"], entry_kind=row["entry_kind"],
        trace_number=row["trace_number"], machine=row["machine"],
    )  # fmt: skip
    if row["entry_kind"] is None:
        yield base._replace(step="LISTED", endpoint=row["endpoint"])
        return
    yield base
    decided = base._replace(at=row["approved_at"], by=row["approved_by"], reason=row["reason"])
    if row["state"] == "REJECTED":
        yield decided._replace(step="REJECTED")
    elif (row["reason"] or "").startswith(LEFT_ALL_THE_SAME):
        yield decided._replace(step="LEFT", reason=row["reason"].removeprefix(LEFT_ALL_THE_SAME))
    elif row["approved_at"] is not None:
        yield decided._replace(step="RELEASED")
    if row["delivered_at"] is not None:  # the row tells the last state only
        yield base._replace(
            step="DELIVERY", at=row["delivered_at"], state="DELIVERED", endpoint=row["endpoint"], by=None, reason=None
        )
    if row["delivery"] is not None:
        people = [name for name in (row["resolved_by"], row["resolved_second"]) if name]
        yield base._replace(
            step="DELIVERY", at=row["ended_at"] or row["started_at"] or row["approved_at"], state=row["delivery"], endpoint=row["endpoint"],
            by=" and ".join(people) or None, reason=row["resolved_reason"] if people else row["last_error"],
        )  # fmt: skip


_BY_PEOPLE: Final[Mapping[str, Kind]] = {
    "outbound.taken": "TAKEN",
    "outbound.approve": "RELEASED",
    "outbound.reject": "REJECTED",
    "outbound.recall": "REJECTED",
}


def _people(connection: Connection, steps: Sequence[Step]) -> Iterable[Step]:
    """What people did with a file of which its row tells no more: fetched it by hand, released it before it was called
    back, took it back before they said that it left."""
    left = {s.outbound for s in steps if s.step == "LEFT"}
    built = [s for s in steps if s.step == "BUILT" and (s.state in ("LOCAL", "REJECTED") or s.outbound in left)]
    if not built:
        return
    for event in rows(
        connection,
        "SELECT at, operator, action, subject, reason FROM operator_event WHERE action IN :actions AND subject IN :names",
        actions=tuple(_BY_PEOPLE),
        names=tuple({s.outbound for s in built}),
    ):
        word = _BY_PEOPLE[event["action"]]
        for step in built:
            if step.outbound != event["subject"]:
                continue
            if step.outbound in left:
                told = word != "TAKEN"
            else:
                told = word == "TAKEN" or (word == "RELEASED" and step.state == "REJECTED")
            if told:
                called_back = "called back: " if event["action"] == "outbound.recall" else ""
                reason = None if word == "RELEASED" else called_back + event["reason"]
                yield step._replace(step=word, at=event["at"], by=event["operator"], reason=reason)


def _answers(
    connection: Connection, outbound: Sequence[Row], by_source: Mapping[str, tuple[str, int]]
) -> Iterable[Step]:
    """What the bank said of an entry, or of its whole file."""
    ours = [row for row in outbound if row["entry_kind"] is not None]
    for answer in ach.answers_to(connection, ours):
        its = [
            by_source[row["source"]]
            for row in ours
            if row["outbound_id"] == answer["outbound_id"] and answer["seq"] in (None, row["seq"])
        ]
        for check, issue in its:
            yield Step(
                check, "ANSWERED", answer["claimed_at"], issue=issue, state=answer["state"],
                amount_cents=answer["amount_cents"], effective_date=answer["settled_on"],
                reason=answer["outcome"] + ended(answer), by=answer["cleared_by"], outbound_id=answer["outbound_id"],
                seq=answer["seq"], trace_number=answer["trace_number"], file_id=answer["file_id"], file=answer["file"],
                line_no=answer["line_no"], number=answer["number"],
            )  # fmt: skip


def ended(answer: Row) -> str:
    """What people did about an answer."""
    cleared = f"; cleared by {answer['cleared_by']}: {answer['clear_reason']}" if answer["cleared_by"] else ""
    return (f"; refused, back to its bank in {answer['refused_in']}" if answer["refused_in"] else "") + cleared


def _by_hand(connection: Connection, checks: Sequence[Row], by_source: Mapping[str, tuple[str, int]]) -> Iterable[Step]:
    """What people and End of Period posted for a check that was made: the entries name it, or its issue."""
    for portfolio in sorted({c["portfolio"] for c in checks}):
        named = {
            f"CHECK {c['bank']}/{c['check_no']}{was}": _name(c)
            for c in checks
            if c["portfolio"] == portfolio
            for was in ("", " SENT")  # a void says so of a check that had left, and not by ACH
        }
        for row in rows(connection, _POSTED, portfolio=portfolio, reasons=(*named, *by_source)):
            check, issue = by_source.get(row["about"]) or (named[row["about"]], None)
            yield Step(
                check, _posted(row), row["posted_at"], issue=issue, state=row["update_name"],
                amount_cents=int(row["amount_cents"]), business_date=row["business_date"], by=row["operator"],
                reason=row["reason"], unit=row["unit_id"], entry=row["entry"],
            )  # fmt: skip


_POSTED: Final = f"""
    SELECT e.entry_id AS entry, e.reason AS about, e.corrects, e.txn, u.unit_id, u.update_name, u.business_date,
           u.operator, u.reason, u.posted_at,
           (SELECT SUM(l.amount_cents) FROM journal_line l WHERE l.entry_id = e.entry_id AND l.side = 'D') AS amount_cents
    FROM posting_unit u JOIN journal_entry e
        ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    WHERE u.portfolio = :portfolio AND (u.kind = 'OPERATOR' OR u.update_name = 'U0424') AND e.reason IN :reasons
    ORDER BY e.entry_id
"""


def _posted(row: Row) -> Kind:
    match row["update_name"]:
        case "VOID":
            return "VOIDED" if row["corrects"] is None else "VOID TAKEN BACK"
        case "PAYAGAIN":
            return "PAID AGAIN"
        case "U0424":
            return "SETTLED"
        case _:
            return "POSTED"


def _findings(connection: Connection, checks: Sequence[Row], steps: Sequence[Step]) -> Iterable[Step]:
    """What rules said of a check, or of its vendor in a file with it, and who accepted it."""
    known = {(c["portfolio"], c["bank"], c["check_no"]): _name(c) for c in checks}
    vendors = {c["vendor"] for c in checks if c["vendor"] is not None}
    of_vendor = {_name(c): c["vendor"] for c in checks}
    files: dict[tuple[int | None, str | None], list[str]] = {}
    for step in steps:
        if step.step == "BUILT":
            files.setdefault((step.outbound_id, of_vendor[step.check]), []).append(step.check)
    for row in (
        rows(
            connection,
            "SELECT g.portfolio, g.vendor, g.bank, g.check_no, g.rule, g.action, g.detail, g.business_date, g.outbound_id, "
            "f.name, f.built_at, g.accepted_by, g.accepted_at, g.accepted_reason FROM fraud_finding g "
            "LEFT JOIN outbound_file f ON f.outbound_id = g.outbound_id WHERE g.vendor IN :vendors ORDER BY g.finding_id",
            vendors=tuple(vendors),
        )
        if vendors
        else ()
    ):
        one = known.get((row["portfolio"], row["bank"], row["check_no"]))
        of_file = files.get((row["outbound_id"], row["vendor"]), []) if row["check_no"] is None else []
        for check in [one] if one is not None else of_file:
            step = Step(
                check, "FINDING", row["built_at"], state=f"{row['action']} {row['rule']}",
                business_date=row["business_date"], reason=row["detail"], outbound_id=row["outbound_id"],
                outbound=row["name"],
            )  # fmt: skip
            yield step
            if row["accepted_by"]:
                yield step._replace(
                    step="ACCEPTED", at=row["accepted_at"], by=row["accepted_by"], reason=row["accepted_reason"]
                )


def _alerts(connection: Connection, checks: Sequence[Row], steps: Sequence[Step]) -> Iterable[Step]:
    """Alerts of the check's vendor since it was made: while one is on, the check does not go out."""
    made = {s.check: s.at or "" for s in steps if s.step == "MADE"}
    subjects = tuple({f"vendor {c['vendor']}" for c in checks if c["vendor"] is not None})
    if not subjects:
        return
    events = rows(
        connection,
        "SELECT at, operator, action, subject, reason FROM operator_event WHERE action IN :actions "
        "AND subject IN :subjects ORDER BY event_id",
        actions=tuple(_ALERTS), subjects=subjects,
    )  # fmt: skip
    for check in checks:
        name = _name(check)
        for event in events:
            if event["subject"] == f"vendor {check['vendor']}" and event["at"] >= made[name]:
                yield Step(
                    name, _ALERTS[event["action"]], event["at"], state=check["vendor"], by=event["operator"],
                    reason=event["reason"],
                )  # fmt: skip
