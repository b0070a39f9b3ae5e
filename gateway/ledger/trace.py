"""Lineage: any cent followed both ways, from whatever a person has in hand.

file and line -> staged record -> journal entry -> outbound record and trace number -> delivered file -> receipt ->
the bank's answer -> what it posted, or the change it proposed. A reference may be a lease, invoice, batch, check
(``4711`` or ``1/125/4711``), suspense item (``item:2``), vendor, trace number, file (``name``, ``name:line``, ``#id``),
outbound file, entry number or amount; where it can be several things, every one of them is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from gateway.ledger import trace_ach as ach
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.trace_ach import Row, rows
from gateway.ledger.trace_checks import checks, outbound_files, traces, vendors
from gateway.ledger.trace_repairs import repairs
from gateway.ledger.trace_story import (
    BATCH,
    CHECK,
    FILE,
    IN_LIST,
    MOVE,
    SUSPENSE,
    Story,
    batch_story,
    entries_by_id,
    entries_where,
    posted_by,
)
from gateway.money import to_cents

STAGING = {
    "assessments": "staged_assessment",
    "escrow": "staged_escrow",
    "reversals": "staged_reversal",
    "payments": "staged_payment",
}


def trace(connection: Connection, reference: str, *, limit: int = 200) -> list[Story]:
    """Every story the reference has; an empty list when it names nothing we know."""
    ref = reference.strip()
    stories = [
        *_leases(connection, ref.upper(), limit),
        *_items(connection, ref, limit),
        *_invoices(connection, ref.upper(), limit),
        *_batches(connection, ref, limit),
        *checks(connection, ref.upper(), limit),
        *traces(connection, ref, limit),
        *vendors(connection, ref.upper(), limit),
        *_files(connection, ref, limit),
        *outbound_files(connection, ref, limit),
        *_entries(connection, ref, limit),
        *_amounts(connection, ref, limit),
    ]
    for story in stories:
        _complete(connection, story)
    return stories


def _leases(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    """A lease by its number; one that is not loaded by what was paid under it, for a clerk who is asked about that money."""
    loaded = rows(
        connection,
        "SELECT l.lease, l.lessee, l.lessee_name, l.status, o.portfolio, o.company, o.region, o.office, l.nsf_count "
        "FROM lease l JOIN office o ON o.office_id = l.office_id WHERE l.lease = :ref",
        ref=ref,
    )
    for facts in loaded or [{"lease": ref, "lessee": None, "status": "not loaded"}]:
        story = Story("lease", ref, facts)
        entries_where(connection, story, "e.lease = :ref", limit, ref=ref)
        story.batches = rows(connection, f"{BATCH} WHERE l.lease = :ref ORDER BY l.batch, l.line", ref=ref)
        story.suspense = rows(connection, f"{SUSPENSE} WHERE lease = :ref ORDER BY item", ref=ref)
        of_lease = "m.lease = :ref OR m.item IN (SELECT item FROM suspense_item WHERE lease = :ref)"
        story.moves = rows(connection, f"{MOVE} WHERE {of_lease} ORDER BY m.item, m.number", ref=ref)
        story.checks = rows(connection, f"{CHECK} WHERE lease = :ref ORDER BY portfolio, bank, check_no", ref=ref)
        if facts["lessee"] is not None or story.entries or story.suspense:
            yield story


def _items(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    """Suspense by its number, ``item:2``: what opened it, what people did with it, and the payment that it waits of."""
    m = re.fullmatch(r"(?i:item):(\d{1,15})", ref)
    for facts in rows(connection, f"{SUSPENSE} WHERE item = :item", item=int(m[1])) if m else ():
        item = facts["item"]
        story = Story("suspense item", ref, facts, suspense=[facts])
        story.moves = rows(connection, f"{MOVE} WHERE m.item = :item ORDER BY m.number", item=item)
        story.batches = rows(connection, f"{BATCH} WHERE l.suspense_item = :item ORDER BY l.batch, l.line", item=item)
        ids = {facts["entry_id"]} | posted_by(story.moves)
        ids |= {row["reversed_by"] for row in story.batches if row["reversed_by"] is not None}
        entries_by_id(connection, story, ids, limit)
        yield story


def _invoices(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    for facts in rows(
        connection,
        "SELECT i.invoice, i.lease, i.due_date, i.source, SUM(r.billed_cents) AS billed_cents, "
        "SUM(r.paid_cents) AS paid_cents FROM invoice i JOIN receivable r ON r.invoice = i.invoice "
        "WHERE i.invoice = :ref GROUP BY i.invoice, i.lease, i.due_date, i.source",
        ref=ref,
    ):
        facts["billed_cents"], facts["paid_cents"] = int(facts["billed_cents"]), int(facts["paid_cents"])
        story = Story("invoice", ref, facts)
        entries_where(connection, story, "e.lease = :lease AND e.invoice = :ref", limit, lease=facts["lease"], ref=ref)
        story.batches = rows(connection, f"{BATCH} WHERE l.invoice = :ref ORDER BY l.batch, l.line", ref=ref)
        story.moves = rows(connection, f"{MOVE} WHERE m.invoice = :ref ORDER BY m.item, m.number", ref=ref)
        yield story


def _batches(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    """The batch of that number, and those that had it in files taken back since: kept as ``<number>~<file id>``."""
    for facts in rows(
        connection,
        "SELECT batch, portfolio, check_no, operator, effective_date, effective_time, cash_account, amount_cents, state, "
        "exported_in, file_id FROM payment_batch WHERE batch = :ref OR batch IN (SELECT CAST(:ref AS TEXT) || '~' || "
        "file_id FROM inbound_file WHERE kind = 'payments' AND state = 'REVERSED') ORDER BY LENGTH(batch), batch",
        ref=ref,
    ):
        _, _, taken_back = facts["batch"].partition("~")
        facts["taken_back_with_file"] = int(taken_back) if taken_back else None
        yield batch_story(connection, "batch", ref, facts, limit)


def _files(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    m = re.fullmatch(r"(?:#(\d{1,15})|([^:]+?))(?::(\d{1,15}))?", ref)
    if m is None:
        return
    by_id, name, line = m.groups()
    if by_id:
        found = rows(connection, f"{FILE} WHERE file_id = :id", id=int(by_id))
    else:
        found = rows(
            connection, f"{FILE} WHERE LOWER(name) = :name OR sha256 = :name ORDER BY file_id", name=name.lower()
        )
    for facts in found:
        story = Story("file", ref, facts, files=[facts])
        low_high = rows(
            connection, "SELECT unit_id FROM posting_unit WHERE file_id = :id ORDER BY unit_id", id=facts["file_id"]
        )
        for unit in low_high:
            low = unit["unit_id"] * ENTRIES_A_UNIT
            where = "e.entry_id BETWEEN :low AND :high" + (" AND e.source_line = :line" if line else "")
            values = {"low": low, "high": low + ENTRIES_A_UNIT - 1} | ({"line": int(line)} if line else {})
            entries_where(connection, story, where, limit, **values)
        if line and facts["kind"] in STAGING:
            story.records = rows(
                connection, f"SELECT * FROM {STAGING[facts['kind']]} WHERE file_id = :id AND line_no = :line",
                id=facts["file_id"], line=int(line),
            )  # fmt: skip
        story.answers = ach.answers_in(connection, facts["file_id"], int(line) if line else None, limit)
        story.changes = ach.changes_of(connection, story.answers)
        condition = " AND line_no = :line" if line else ""
        story.messages = rows(
            connection,
            "SELECT line_no, severity, code, field, col, found, expected, action, amount_cents, suspense_item "
            f"FROM line_message WHERE file_id = :id{condition} ORDER BY line_no, seq LIMIT :limit",
            id=facts["file_id"], limit=limit, **({"line": int(line)} if line else {}),
        )  # fmt: skip
        found = repairs(connection, facts["file_id"])
        story.repairs = [one for one in found if one["came"] or line is None or one["line_no"] == int(line)]
        yield story


def _entries(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    if not re.fullmatch(r"\d{9,18}", ref):
        return
    entry = int(ref)
    story = Story("entry", ref, {"entry": entry})
    entries_where(connection, story, "e.entry_id = :entry OR e.corrects = :entry", limit, entry=entry)
    if any(row["entry"] == entry for row in story.entries):
        yield story


def _amounts(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    if not re.fullmatch(r"\d{1,13}\.\d{2}", ref.replace(",", "")):
        return
    cents = to_cents(ref.replace(",", ""))
    story = Story("amount", ref, {"amount_cents": cents})
    entries_where(
        connection, story,
        "e.entry_id IN (SELECT entry_id FROM journal_line WHERE amount_cents = :cents LIMIT :most)",
        limit, cents=cents, most=10 * limit,
    )  # fmt: skip
    story.suspense = rows(connection, f"{SUSPENSE} WHERE amount_cents = :cents ORDER BY item", cents=cents)
    story.checks = rows(
        connection, f"{CHECK} WHERE amount_cents = :cents ORDER BY check_no LIMIT :n", cents=cents, n=limit
    )
    if story.entries or story.suspense or story.checks:
        yield story


def _complete(connection: Connection, story: Story) -> None:
    """Add the legs of the entries, the files they came from, and where they went out."""
    ids = [row["entry"] for row in story.entries]
    legs: dict[int, list[Row]] = {}
    sources: list[str] = []
    for start in range(0, len(ids), IN_LIST):
        part = tuple(ids[start : start + IN_LIST])
        for row in rows(
            connection,
            "SELECT l.entry_id, l.line, a.number AS account, a.name, l.side, l.amount_cents FROM journal_line l "
            "JOIN gl_account a ON a.account_id = l.account_id WHERE l.entry_id IN :ids ORDER BY l.entry_id, l.line",
            ids=part,
        ):
            legs.setdefault(row.pop("entry_id"), []).append(row)
        sources += [f"entry:{i}" for i in part]
    for row in story.entries:
        row["legs"] = legs.get(row["entry"], [])
    known = {row["file_id"] for row in story.files}
    wanted = sorted(
        {row["file_id"] for row in (*story.entries, *story.suspense, *story.checks) if row.get("file_id")} - known
    )
    for start in range(0, len(wanted), IN_LIST):
        story.files += rows(
            connection, f"{FILE} WHERE file_id IN :ids ORDER BY file_id", ids=tuple(wanted[start : start + IN_LIST])
        )
    names = {row["file_id"]: row["name"] for row in story.files}
    for row in story.entries:
        row["source_file"] = names.get(row["file_id"])
    paid = [source for check in story.checks for source in ach.sources_of_check(check)]
    _outbound_of(connection, story, [*sources, *paid, *_batch_sources(story)])


def _batch_sources(story: Story) -> Sequence[str]:
    return sorted({f"batch:{row['batch']}" for row in story.batches})


def _outbound_of(connection: Connection, story: Story, sources: Sequence[str]) -> None:
    known = {(row["outbound_id"], row["seq"], row["source"]) for row in story.outbound}
    for start in range(0, len(sources), IN_LIST):
        for row in rows(
            connection, f"{ach.OUTBOUND} WHERE s.source IN :sources ORDER BY f.outbound_id, s.seq",
            sources=tuple(sources[start : start + IN_LIST]),
        ):  # fmt: skip
            if (row["outbound_id"], row["seq"], row["source"]) not in known:
                story.outbound.append(row)
