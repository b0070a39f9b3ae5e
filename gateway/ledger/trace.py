"""Lineage: any cent followed both ways, from whatever a person has in hand.

file and line -> staged record -> journal entry -> outbound record and trace number -> delivered file -> receipt ->
the bank's answer -> what it posted, or the change it proposed. A reference may be a lease, invoice, batch, check
(``4711`` or ``1/125/4711``), vendor, trace number, file (``name``, ``name:line``, ``#id``), outbound file, entry number or
amount; where it can be several things, every one of them is followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from gateway.ledger import trace_ach as ach
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.trace_ach import Row, rows
from gateway.money import to_cents

STAGING = {
    "assessments": "staged_assessment",
    "escrow": "staged_escrow",
    "reversals": "staged_reversal",
    "payments": "staged_payment",
}
_IN_LIST = 500


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
    more: bool = False  # entries beyond the limit exist


def trace(connection: Connection, reference: str, *, limit: int = 200) -> list[Story]:
    """Every story the reference has; an empty list when it names nothing we know."""
    ref = reference.strip()
    stories = [
        *_leases(connection, ref.upper(), limit),
        *_invoices(connection, ref.upper(), limit),
        *_batches(connection, ref, limit),
        *_checks(connection, ref.upper(), limit),
        *_traces(connection, ref, limit),
        *_vendors(connection, ref.upper(), limit),
        *_files(connection, ref, limit),
        *_outbound_files(connection, ref, limit),
        *_entries(connection, ref, limit),
        *_amounts(connection, ref, limit),
    ]
    for story in stories:
        _complete(connection, story, limit)
    return stories


_ENTRY = f"""
    SELECT e.entry_id AS entry, e.lease, e.invoice, e.asset, e.txn, e.reason, e.effective_date, e.source_line,
           e.corrects, u.unit_id AS unit, u.update_name AS posted_by, u.business_date, u.operator, u.reason AS unit_reason,
           u.file_id, o.portfolio, o.company, o.region, o.office
    FROM journal_entry e
    JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT}
    JOIN office o ON o.office_id = e.office_id
"""


def _entries_where(connection: Connection, story: Story, where: str, limit: int, **values: Any) -> None:
    found = rows(connection, f"{_ENTRY} WHERE {where} ORDER BY e.entry_id LIMIT :limit", limit=limit + 1, **values)
    known = {row["entry"] for row in story.entries}
    story.entries += [row for row in found[:limit] if row["entry"] not in known]
    story.more = story.more or len(found) > limit


def _leases(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    for facts in rows(
        connection,
        "SELECT l.lease, l.lessee, l.lessee_name, l.status, o.portfolio, o.company, o.region, o.office, l.nsf_count "
        "FROM lease l JOIN office o ON o.office_id = l.office_id WHERE l.lease = :ref",
        ref=ref,
    ):
        story = Story("lease", ref, facts)
        _entries_where(connection, story, "e.lease = :ref", limit, ref=ref)
        story.batches = rows(connection, f"{_BATCH} WHERE l.lease = :ref ORDER BY l.batch, l.line", ref=ref)
        story.suspense = rows(connection, f"{_SUSPENSE} WHERE lease = :ref ORDER BY item", ref=ref)
        of_lease = "m.lease = :ref OR m.item IN (SELECT item FROM suspense_item WHERE lease = :ref)"
        story.moves = rows(connection, f"{_MOVE} WHERE {of_lease} ORDER BY m.item, m.number", ref=ref)
        story.checks = rows(connection, f"{_CHECK} WHERE lease = :ref ORDER BY portfolio, bank, check_no", ref=ref)
        yield story


_BATCH = """
    SELECT l.batch, l.line, b.check_no, b.operator, b.effective_date, b.state AS batch_state, l.lease, l.invoice,
           l.charge, l.amount_cents, l.state, l.suspense_item, l.entry_id, l.reversed_by
    FROM payment_line l JOIN payment_batch b ON b.batch = l.batch
"""
_SUSPENSE = (
    "SELECT item, kind, lease, invoice, amount_cents, remaining_cents, reason, batch, check_no, opened_on, closed_on, "
    "entry_id, file_id, line_no FROM suspense_item"
)
_MOVE = """
    SELECT m.item, m.number, m.kind, m.cents AS amount_cents, m.lease, m.invoice, m.charge, m.asset, m.bank, m.check_no,
           m.undoes, m.text, m.operator, m.at, m.unit_id, m.entry_id, m.far_entry_id
    FROM suspense_move m
"""
_CHECK = (
    "SELECT portfolio, bank, check_no, type, amount_cents, disbursement_date, vendor, lease, payee, state, issue, outbound_id, "
    "unit_id, file_id, line_no FROM bank_check"
)


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
        _entries_where(connection, story, "e.lease = :lease AND e.invoice = :ref", limit, lease=facts["lease"], ref=ref)
        story.batches = rows(connection, f"{_BATCH} WHERE l.invoice = :ref ORDER BY l.batch, l.line", ref=ref)
        story.moves = rows(connection, f"{_MOVE} WHERE m.invoice = :ref ORDER BY m.item, m.number", ref=ref)
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
        yield _batch_story(connection, "batch", ref, facts, limit)


def _batch_story(connection: Connection, kind: str, ref: str, facts: Row, limit: int) -> Story:
    story = Story(kind, ref, facts)
    batch = facts["batch"]
    story.batches = rows(connection, f"{_BATCH} WHERE l.batch = :batch ORDER BY l.line", batch=batch)
    story.suspense = rows(connection, f"{_SUSPENSE} WHERE batch = :batch ORDER BY item", batch=batch)
    of_batch = "m.item IN (SELECT item FROM suspense_item WHERE batch = :batch)"
    story.moves = rows(connection, f"{_MOVE} WHERE {of_batch} ORDER BY m.item, m.number", batch=batch)
    ids = {row[key] for row in story.batches for key in ("entry_id", "reversed_by") if row[key] is not None}
    ids |= {row["entry_id"] for row in story.suspense} | _posted_by(story.moves)
    _entries_by_id(connection, story, ids, limit)
    return story


def _posted_by(moves: Iterable[Row]) -> set[int]:
    """Entries of work on suspense: one in the item's office, for an invoice elsewhere one there too."""
    return {row[key] for row in moves for key in ("entry_id", "far_entry_id") if row[key] is not None}


def _entries_by_id(connection: Connection, story: Story, ids: Iterable[int], limit: int) -> None:
    ordered = sorted(set(ids))
    story.more = story.more or len(ordered) > limit
    for start in range(0, min(len(ordered), limit), _IN_LIST):
        part = tuple(ordered[start : start + _IN_LIST])
        _entries_where(connection, story, "e.entry_id IN :ids", limit, ids=part)


def _checks(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    portfolio, bank, number = ach.check_key(ref) or (None, None, ref)
    for facts in rows(
        connection,
        f"{_CHECK} WHERE check_no = :number AND portfolio = COALESCE(CAST(:portfolio AS TEXT), portfolio) "
        "AND bank = COALESCE(CAST(:bank AS TEXT), bank) ORDER BY portfolio, bank",
        number=number, portfolio=portfolio, bank=bank,
    ):  # fmt: skip
        yield _check_story(connection, ref, facts, limit)
    for facts in rows(
        connection,
        "SELECT batch, portfolio, check_no, operator, effective_date, cash_account, amount_cents, state, file_id "
        "FROM payment_batch WHERE check_no = :ref ORDER BY batch LIMIT :limit",
        ref=ref,
        limit=limit,
    ):
        yield _batch_story(connection, "payment by check", ref, facts, limit)


def _check_story(connection: Connection, ref: str, facts: Row, limit: int) -> Story:
    story = Story("check", ref, facts)
    _made_by(connection, story, facts, limit)
    story.outbound = ach.outbound_of(connection, facts)
    _answered(connection, story, limit)
    for unit in ach.payments_again(connection, facts):
        low = unit * ENTRIES_A_UNIT
        _entries_where(
            connection, story, "e.entry_id BETWEEN :low AND :high", limit, low=low, high=low + ENTRIES_A_UNIT - 1
        )
    story.entries.sort(key=lambda row: row["entry"])
    return story


def _made_by(connection: Connection, story: Story, facts: Row, limit: int) -> None:
    """What was posted when a check was made: by the line of its file, the loader, or a step on suspense."""
    if facts["type"] == "SUSP":
        out_of = "m.bank = :bank AND m.check_no = :check AND EXISTS (SELECT 1 FROM suspense_item s WHERE s.item = m.item " \
            "AND s.portfolio = :portfolio)"  # fmt: skip
        story.moves = rows(
            connection, f"{_MOVE} WHERE {out_of} ORDER BY m.item, m.number",
            bank=facts["bank"], check=facts["check_no"], portfolio=facts["portfolio"],
        )  # fmt: skip
        _entries_by_id(connection, story, _posted_by(story.moves), limit)
    elif facts["unit_id"] is not None:
        low = facts["unit_id"] * ENTRIES_A_UNIT
        where = "e.entry_id BETWEEN :low AND :high"
        bounds = {"low": low, "high": low + ENTRIES_A_UNIT - 1}
        if facts["line_no"] is not None:
            _entries_where(
                connection, story, f"{where} AND e.source_line = :line", limit, line=facts["line_no"], **bounds
            )
        else:  # of the loader: an entry names the lease and the type of its check, not its number
            _entries_where(
                connection, story,
                f"{where} AND e.lease IS NOT DISTINCT FROM :lease AND (u.kind <> 'OPENING' OR e.txn = :type) "
                "AND EXISTS (SELECT 1 FROM journal_line j WHERE j.entry_id = e.entry_id AND j.amount_cents = :cents)",
                limit, lease=facts["lease"], type=facts["type"], cents=facts["amount_cents"], **bounds,
            )  # fmt: skip


def _traces(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    """An entry of ours by its trace number, with its checks; or an answer of the bank by its own."""
    if not re.fullmatch(r"\d{15}", ref):
        return
    by_file: dict[int, list[Row]] = {}
    for row in ach.outbound_by_trace(connection, ref):
        by_file.setdefault(row["outbound_id"], []).append(row)
    for found in by_file.values():
        facts = {k: found[0][k] for k in ("outbound_id", "name", "seq", "trace_number", "entry_kind")}
        story = Story("trace number", ref, facts, outbound=found)
        for source in (str(row["source"]) for row in found):
            word, _, key = source.partition(":")
            if word in ("check", "reversal"):
                portfolio, bank, number = key.partition("#")[0].split(":", 2)
                _add_check(connection, story, (portfolio, bank, number), limit)
        _answered(connection, story, limit)
        yield story
    answers = ach.answers_by_trace(connection, ref)
    if answers:
        story = Story("answer of the bank", ref, {"trace_number": ref}, answers=answers)
        story.changes = ach.changes_of(connection, answers)
        _answer_entries(connection, story, limit)
        yield story


def _add_check(connection: Connection, story: Story, key: tuple[str, str, str], limit: int) -> None:
    """A check of an entry: itself, and what was posted when it was made."""
    where = "portfolio = :p AND bank = :b AND check_no = :c"
    for check in rows(connection, f"{_CHECK} WHERE {where}", p=key[0], b=key[1], c=key[2]):
        story.checks.append(check)
        _made_by(connection, story, check, limit)


def _answered(connection: Connection, story: Story, limit: int) -> None:
    """What the bank said of the story's records, what that posted, and the changes it proposed."""
    story.answers = ach.answers_to(connection, story.outbound)
    story.changes = ach.changes_of(connection, story.answers)
    _answer_entries(connection, story, limit)


def _answer_entries(connection: Connection, story: Story, limit: int) -> None:
    for answer in story.answers:
        for unit in ach.units_of(connection, answer["file_id"]):
            _entries_where(
                connection, story, "e.entry_id BETWEEN :low AND :high AND e.source_line = :line", limit,
                low=unit * ENTRIES_A_UNIT, high=(unit + 1) * ENTRIES_A_UNIT - 1, line=answer["line_no"],
            )  # fmt: skip


def _vendors(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    """A vendor: every check, every entry with what the bank said of it, every change."""
    for facts in ach.vendors(connection, ref):
        story = Story("vendor", ref, facts)
        story.checks = rows(
            connection,
            f"{_CHECK} WHERE vendor = :ref ORDER BY portfolio, bank, check_no LIMIT :limit",
            ref=ref,
            limit=limit,
        )
        story.outbound = ach.entries_of_vendor(connection, ref, limit)
        _answered(connection, story, limit)
        story.changes = ach.changes_of_vendor(connection, ref)
        yield story


def _outbound_files(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    """A file that left or waits to: what its rows came from, and its delivery."""
    for facts in rows(
        connection,
        "SELECT outbound_id, name, kind, portfolio, business_date, state, records, total_debit_cents, "
        "total_credit_cents, sha256, endpoint, maker, approved_by FROM outbound_file "
        "WHERE LOWER(name) = :name OR sha256 = :name ORDER BY outbound_id",
        name=ref.lower(),
    ):
        story = Story("outbound file", ref, facts)
        key = facts["outbound_id"]
        story.outbound = rows(
            connection,
            f"{ach.OUTBOUND} WHERE f.outbound_id = :id ORDER BY s.seq, s.source LIMIT :limit",
            id=key,
            limit=limit,
        )
        story.checks = rows(
            connection, f"{_CHECK} WHERE outbound_id = :id ORDER BY portfolio, bank, check_no LIMIT :limit",
            id=key, limit=limit,
        )  # fmt: skip
        sources = [str(row["source"]).split(":") for row in story.outbound]
        batches = tuple(sorted({part[1] for part in sources if part[0] == "batch"}))
        if batches:
            story.batches = rows(
                connection, f"{_BATCH} WHERE l.batch IN :batches ORDER BY l.batch, l.line", batches=batches
            )
        _entries_by_id(connection, story, {int(part[1]) for part in sources if part[0] == "entry"}, limit)
        yield story


_FILE = (
    "SELECT file_id, name, kind, portfolio, sha256, state, hold_code, lines, records, rejects, blank, amount_cents, "
    "posted_cents, suspended_cents, rejected_cents, business_date, archive_name FROM inbound_file"
)


def _files(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    m = re.fullmatch(r"(?:#(\d+)|([^:]+?))(?::(\d+))?", ref)
    if m is None:
        return
    by_id, name, line = m.groups()
    if by_id:
        found = rows(connection, f"{_FILE} WHERE file_id = :id", id=int(by_id))
    else:
        found = rows(
            connection, f"{_FILE} WHERE LOWER(name) = :name OR sha256 = :name ORDER BY file_id", name=name.lower()
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
            _entries_where(connection, story, where, limit, **values)
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
        yield story


def _entries(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    if not re.fullmatch(r"\d{9,18}", ref):
        return
    entry = int(ref)
    story = Story("entry", ref, {"entry": entry})
    _entries_where(connection, story, "e.entry_id = :entry OR e.corrects = :entry", limit, entry=entry)
    if any(row["entry"] == entry for row in story.entries):
        yield story


def _amounts(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    if not re.fullmatch(r"\d{1,13}\.\d{2}", ref.replace(",", "")):
        return
    cents = to_cents(ref.replace(",", ""))
    story = Story("amount", ref, {"amount_cents": cents})
    _entries_where(
        connection, story,
        "e.entry_id IN (SELECT entry_id FROM journal_line WHERE amount_cents = :cents LIMIT :most)",
        limit, cents=cents, most=10 * limit,
    )  # fmt: skip
    story.suspense = rows(connection, f"{_SUSPENSE} WHERE amount_cents = :cents ORDER BY item", cents=cents)
    story.checks = rows(
        connection, f"{_CHECK} WHERE amount_cents = :cents ORDER BY check_no LIMIT :n", cents=cents, n=limit
    )
    if story.entries or story.suspense or story.checks:
        yield story


def _complete(connection: Connection, story: Story, limit: int) -> None:
    """Add the legs of the entries, the files they came from, and where they went out."""
    ids = [row["entry"] for row in story.entries]
    legs: dict[int, list[Row]] = {}
    sources: list[str] = []
    for start in range(0, len(ids), _IN_LIST):
        part = tuple(ids[start : start + _IN_LIST])
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
    for start in range(0, len(wanted), _IN_LIST):
        story.files += rows(
            connection, f"{_FILE} WHERE file_id IN :ids ORDER BY file_id", ids=tuple(wanted[start : start + _IN_LIST])
        )
    names = {row["file_id"]: row["name"] for row in story.files}
    for row in story.entries:
        row["source_file"] = names.get(row["file_id"])
    checks = [f"check:{c['portfolio']}:{c['bank']}:{c['check_no']}" for c in story.checks]
    _outbound_of(connection, story, [*sources, *checks, *_batch_sources(story)])


def _batch_sources(story: Story) -> Sequence[str]:
    return sorted({f"batch:{row['batch']}" for row in story.batches})


def _outbound_of(connection: Connection, story: Story, sources: Sequence[str]) -> None:
    known = {(row["outbound_id"], row["seq"], row["source"]) for row in story.outbound}
    for start in range(0, len(sources), _IN_LIST):
        for row in rows(
            connection, f"{ach.OUTBOUND} WHERE s.source IN :sources ORDER BY f.outbound_id, s.seq",
            sources=tuple(sources[start : start + _IN_LIST]),
        ):  # fmt: skip
            if (row["outbound_id"], row["seq"], row["source"]) not in known:
                story.outbound.append(row)
