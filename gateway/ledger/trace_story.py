"""A story: what one meaning of a reference leads to, and the queries that every kind of story is put together from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.trace_ach import Row, rows
from gateway.ledger.trace_way import Step

IN_LIST: Final = 500


@dataclass(slots=True)
class Story:
    """What one meaning of the reference leads to. Rows are plain mappings; money is integer cents (``*_cents``)."""

    kind: str
    reference: str
    facts: Row
    files: list[Row] = field(default_factory=list)
    records: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    batches: list[Row] = field(default_factory=list)
    suspense: list[Row] = field(default_factory=list)
    moves: list[Row] = field(default_factory=list)  # what people did with suspense
    checks: list[Row] = field(default_factory=list)
    outbound: list[Row] = field(default_factory=list)
    answers: list[Row] = field(default_factory=list)  # of the bank
    changes: list[Row] = field(default_factory=list)  # of vendors
    repairs: list[Row] = field(default_factory=list)  # lines of a file that were corrected, or that it came of
    way: list[Step] = field(default_factory=list)  # of its checks, step by step
    more: bool = False  # entries or checks beyond the limit exist


ENTRY = f"""
    SELECT e.entry_id AS entry, e.lease, e.invoice, e.asset, e.txn, e.reason, e.effective_date, e.source_line,
           e.corrects, u.unit_id AS unit, u.update_name AS posted_by, u.business_date, u.operator, u.reason AS unit_reason,
           u.file_id, o.portfolio, o.company, o.region, o.office
    FROM journal_entry e
    JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT}
    JOIN office o ON o.office_id = e.office_id
"""


def entries_where(connection: Connection, story: Story, where: str, limit: int, **values: Any) -> None:
    found = rows(connection, f"{ENTRY} WHERE {where} ORDER BY e.entry_id LIMIT :limit", limit=limit + 1, **values)
    known = {row["entry"] for row in story.entries}
    story.entries += [row for row in found[:limit] if row["entry"] not in known]
    story.more = story.more or len(found) > limit


BATCH = """
    SELECT l.batch, l.line, b.check_no, b.operator, b.effective_date, b.state AS batch_state, l.lease, l.invoice,
           l.charge, l.amount_cents, l.state, l.suspense_item, l.entry_id, l.reversed_by
    FROM payment_line l JOIN payment_batch b ON b.batch = l.batch
"""
SUSPENSE = (
    "SELECT item, kind, lease, invoice, amount_cents, remaining_cents, reason, batch, check_no, opened_on, closed_on, "
    "entry_id, file_id, line_no FROM suspense_item"
)
MOVE = """
    SELECT m.item, m.number, m.kind, m.cents AS amount_cents, m.lease, m.invoice, m.charge, m.asset, m.bank, m.check_no,
           m.undoes, m.text, m.operator, m.at, m.unit_id, m.entry_id, m.far_entry_id
    FROM suspense_move m
"""
CHECK = (
    "SELECT portfolio, bank, check_no, type, amount_cents, disbursement_date, vendor, lease, payee, state, issue, outbound_id, "
    "unit_id, file_id, line_no FROM bank_check"
)


FILE = (
    "SELECT file_id, name, kind, portfolio, sha256, state, hold_code, lines, records, rejects, blank, amount_cents, "
    "posted_cents, suspended_cents, rejected_cents, business_date, archive_name FROM inbound_file"
)


def posted_by(moves: Iterable[Row]) -> set[int]:
    """Entries of work on suspense: one in the item's office, for an invoice elsewhere one there too."""
    return {row[key] for row in moves for key in ("entry_id", "far_entry_id") if row[key] is not None}


def entries_by_id(connection: Connection, story: Story, ids: Iterable[int], limit: int) -> None:
    ordered = sorted(set(ids))
    story.more = story.more or len(ordered) > limit
    for start in range(0, min(len(ordered), limit), IN_LIST):
        part = tuple(ordered[start : start + IN_LIST])
        entries_where(connection, story, "e.entry_id IN :ids", limit, ids=part)


def batch_story(connection: Connection, kind: str, ref: str, facts: Row, limit: int) -> Story:
    story = Story(kind, ref, facts)
    batch = facts["batch"]
    story.batches = rows(connection, f"{BATCH} WHERE l.batch = :batch ORDER BY l.line", batch=batch)
    story.suspense = rows(connection, f"{SUSPENSE} WHERE batch = :batch ORDER BY item", batch=batch)
    of_batch = "m.item IN (SELECT item FROM suspense_item WHERE batch = :batch)"
    story.moves = rows(connection, f"{MOVE} WHERE {of_batch} ORDER BY m.item, m.number", batch=batch)
    ids = {row[key] for row in story.batches for key in ("entry_id", "reversed_by") if row[key] is not None}
    ids |= {row["entry_id"] for row in story.suspense} | posted_by(story.moves)
    entries_by_id(connection, story, ids, limit)
    return story
