"""The way of a vendor's payment: check, entry in a bank file, delivery, the bank's answer, what was posted, the change.

A story (``trace.Story``) gets what hangs on its checks or entries; account numbers are in none of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from gateway.ledger.ach_checks import sources_of

Row = dict[str, Any]

OUTBOUND: Final = """
    SELECT f.outbound_id, f.name, f.kind, f.portfolio, f.business_date, f.state, f.sha256, s.seq, s.source,
           COALESCE(e.trace_number, r.trace_number) AS trace_number, e.kind AS entry_kind, e.amount_cents,
           e.effective_date, d.endpoint, d.state AS delivery_state, d.remote_name, COALESCE(
               (SELECT MAX(x.at) FROM delivery_event x WHERE x.delivery_id = d.delivery_id AND x.step = 'DELIVERED'
                    AND d.state = 'ACKNOWLEDGED'),
               d.ended_at) AS delivered_at,
           (SELECT MAX(t.at) FROM operator_event t WHERE t.action = 'outbound.taken' AND t.subject = f.name) AS taken_at
    FROM outbound_source s
    JOIN outbound_file f ON f.outbound_id = s.outbound_id
    LEFT JOIN outbound_row r ON r.outbound_id = s.outbound_id AND r.seq = s.seq
    LEFT JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq
    LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
"""
_ANSWER: Final = """
    SELECT a.file_id, i.name AS file, i.sha256, i.claimed_at, a.number, a.line_no, a.kind, a.code, a.original_trace, a.trace_number,
           a.amount_cents, a.settled_on, a.outbound_id, a.seq, a.state, a.outcome, a.change_id, a.cleared_by, a.clear_reason,
           (SELECT r.name FROM outbound_claim c JOIN outbound_file r ON r.outbound_id = c.outbound_id
            WHERE c.source = 'answer:' || CAST(a.file_id AS TEXT) || '/' || CAST(a.number AS TEXT)) AS refused_in
    FROM ach_answer a JOIN inbound_file i ON i.file_id = a.file_id
"""
_CHANGE: Final = (
    "SELECT change_id, vendor, origin, fields, reason, state, maker, proposed_at, checker, decided_at, decision_reason "
    "FROM vendor_change"
)
_VENDOR: Final = "SELECT vendor, name, account_last4, account_type, sec, dealer_alert, suspense_override_on FROM vendor"


def rows(connection: Connection, statement: str, **values: Any) -> list[Row]:
    clause = text(statement)
    for key, value in values.items():
        if isinstance(value, tuple):
            clause = clause.bindparams(bindparam(key, expanding=True))
    return [dict(row) for row in connection.execute(clause, values).mappings()]


def check_key(ref: str) -> tuple[str, str, str] | None:
    """``1/125/4711``: portfolio, bank, number."""
    found = re.fullmatch(r"(\d{1,2})/(\d{3})/([^/]+)", ref)
    return None if found is None else (found[1], found[2], found[3])


def sources_of_check(check: Row) -> tuple[str, ...]:
    """What outbound rows name for a check, issue by issue, and for its reversals."""
    return tuple(source for issue in range(1, check["issue"] + 1) for source in sources_of_issue(check, issue))


def sources_of_issue(check: Row, issue: int) -> tuple[str, ...]:
    return sources_of(check["portfolio"], check["bank"], check["check_no"], issue)


def outbound_of(connection: Connection, check: Row) -> list[Row]:
    """Every outbound record of a check: bank file and scratch file, each issue, reversals."""
    return rows(
        connection,
        f"{OUTBOUND} WHERE s.source IN :sources ORDER BY f.outbound_id, s.seq",
        sources=sources_of_check(check),
    )


def outbound_by_trace(connection: Connection, trace: str) -> list[Row]:
    return rows(
        connection,
        f"{OUTBOUND} WHERE (s.outbound_id, s.seq) IN (SELECT outbound_id, seq FROM ach_entry WHERE trace_number = :trace "
        "UNION SELECT outbound_id, seq FROM outbound_row WHERE trace_number = :trace) ORDER BY f.outbound_id, s.source",
        trace=trace,
    )  # fmt: skip


def answers_to(connection: Connection, outbound: Sequence[Row]) -> list[Row]:
    """What the bank said of these records, in the order it came; and of the files as a whole."""
    files = tuple({row["outbound_id"] for row in outbound})
    entries = {(row["outbound_id"], row["seq"]) for row in outbound}
    found = (
        rows(connection, f"{_ANSWER} WHERE a.outbound_id IN :files ORDER BY a.file_id, a.number", files=files)
        if files
        else []
    )
    return [row for row in found if row["seq"] is None or (row["outbound_id"], row["seq"]) in entries]


def answers_by_trace(connection: Connection, trace: str) -> list[Row]:
    """Answers that have the number themselves, or name it and match nothing."""
    return rows(
        connection,
        f"{_ANSWER} WHERE a.trace_number = :trace AND a.kind <> 'ACKNOWLEDGEMENT' "
        "OR a.original_trace = :trace AND a.outbound_id IS NULL ORDER BY a.file_id, a.number",
        trace=trace,
    )  # fmt: skip


def answers_in(connection: Connection, file_id: int, line: int | None, limit: int) -> list[Row]:
    """The answers of a bank's file, or of one line of it."""
    return rows(
        connection,
        f"{_ANSWER} WHERE a.file_id = :id AND a.line_no = COALESCE(CAST(:line AS INTEGER), a.line_no) "
        "ORDER BY a.number LIMIT :limit",
        id=file_id, line=line, limit=limit,
    )  # fmt: skip


def changes_of(connection: Connection, answers: Iterable[Row]) -> list[Row]:
    ids = tuple({row["change_id"] for row in answers if row["change_id"] is not None})
    return rows(connection, f"{_CHANGE} WHERE change_id IN :ids ORDER BY change_id", ids=ids) if ids else []


def units_of(connection: Connection, file_id: int) -> list[int]:
    found = rows(connection, "SELECT unit_id FROM posting_unit WHERE file_id = :id ORDER BY unit_id", id=file_id)
    return [row["unit_id"] for row in found]


def vendors(connection: Connection, ref: str) -> list[Row]:
    return rows(connection, f"{_VENDOR} WHERE vendor = :ref", ref=ref)


def entries_of_vendor(connection: Connection, vendor: str, limit: int) -> list[Row]:
    """Every entry to a vendor, prenotes and reversals too."""
    return rows(
        connection,
        f"{OUTBOUND} WHERE e.vendor = :vendor AND f.kind = 'VACH-BANK' ORDER BY f.outbound_id, s.seq, s.source LIMIT :limit",
        vendor=vendor, limit=limit,
    )  # fmt: skip


def changes_of_vendor(connection: Connection, vendor: str) -> list[Row]:
    return rows(connection, f"{_CHANGE} WHERE vendor = :vendor ORDER BY change_id", vendor=vendor)
