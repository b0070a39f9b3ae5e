"""Stories of what leaves: checks, trace numbers, vendors, outbound files."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Connection

from gateway.ledger import trace_ach as ach
from gateway.ledger.ach_checks import ANY_PORTFOLIO
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.trace_ach import Row, rows
from gateway.ledger.trace_story import BATCH, CHECK, MOVE, Story, batch_story, entries_by_id, entries_where, posted_by
from gateway.ledger.trace_way import ways


def checks(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    portfolio, bank, number = ach.check_key(ref) or (None, None, ref)
    for facts in rows(
        connection,
        f"{CHECK} WHERE {ANY_PORTFOLIO} AND check_no = :number AND portfolio = COALESCE(CAST(:portfolio AS TEXT), portfolio) "
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
        yield batch_story(connection, "payment by check", ref, facts, limit)


def _check_story(connection: Connection, ref: str, facts: Row, limit: int) -> Story:
    story = Story("check", ref, facts)
    _made_by(connection, story, facts, limit)
    story.outbound = ach.outbound_of(connection, facts)
    _ways(connection, story, [facts], limit)
    _answered(connection, story, limit)
    return story


def _ways(connection: Connection, story: Story, found: list[Row], limit: int) -> None:
    """What happened to the checks, and what that posted."""
    story.way = ways(connection, found)
    entries_by_id(connection, story, {s.entry for s in story.way if s.entry is not None}, limit)


def _made_by(connection: Connection, story: Story, facts: Row, limit: int) -> None:
    """What was posted when a check was made: by the line of its file, the loader, or a step on suspense."""
    if facts["type"] == "SUSP":
        out_of = "m.bank = :bank AND m.check_no = :check AND EXISTS (SELECT 1 FROM suspense_item s WHERE s.item = m.item " \
            "AND s.portfolio = :portfolio)"  # fmt: skip
        story.moves = rows(
            connection, f"{MOVE} WHERE {out_of} ORDER BY m.item, m.number",
            bank=facts["bank"], check=facts["check_no"], portfolio=facts["portfolio"],
        )  # fmt: skip
        entries_by_id(connection, story, posted_by(story.moves), limit)
    elif facts["unit_id"] is not None:
        low = facts["unit_id"] * ENTRIES_A_UNIT
        where = "e.entry_id BETWEEN :low AND :high"
        bounds = {"low": low, "high": low + ENTRIES_A_UNIT - 1}
        if facts["line_no"] is not None:
            entries_where(
                connection, story, f"{where} AND e.source_line = :line", limit, line=facts["line_no"], **bounds
            )
        else:  # of the loader: an entry names the lease and the type of its check, not its number
            entries_where(
                connection, story,
                f"{where} AND e.lease IS NOT DISTINCT FROM :lease AND (u.kind <> 'OPENING' OR e.txn = :type) "
                "AND EXISTS (SELECT 1 FROM journal_line j WHERE j.entry_id = e.entry_id AND j.amount_cents = :cents)",
                limit, lease=facts["lease"], type=facts["type"], cents=facts["amount_cents"], **bounds,
            )  # fmt: skip


def traces(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
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
        _ways(connection, story, story.checks, limit)
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
    for check in rows(connection, f"{CHECK} WHERE {where}", p=key[0], b=key[1], c=key[2]):
        story.checks.append(check)
        _made_by(connection, story, check, limit)


def _answered(connection: Connection, story: Story, limit: int) -> None:
    """What the bank said of the story's records, what that posted, and the changes it proposed."""
    story.answers = ach.answers_to(connection, story.outbound)
    story.changes = ach.changes_of(connection, story.answers)
    _answer_entries(connection, story, limit)


def _answer_entries(connection: Connection, story: Story, limit: int) -> None:
    """What answers posted, by their lines: those of the story, and those of its checks' other entries."""
    lines = {(a["file_id"], a["line_no"]) for a in story.answers}
    lines |= {(s.file_id, s.line_no) for s in story.way if s.step == "ANSWERED"}
    for file_id, line in sorted(lines):
        for unit in ach.units_of(connection, file_id):
            entries_where(
                connection, story, "e.entry_id BETWEEN :low AND :high AND e.source_line = :line", limit,
                low=unit * ENTRIES_A_UNIT, high=(unit + 1) * ENTRIES_A_UNIT - 1, line=line,
            )  # fmt: skip
    story.entries.sort(key=lambda row: row["entry"])


def vendors(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
    """A vendor: every check, every entry with what the bank said of it, every change."""
    for facts in ach.vendors(connection, ref):
        story = Story("vendor", ref, facts)
        found = rows(
            connection, f"{CHECK} WHERE vendor = :ref ORDER BY portfolio, bank, check_no LIMIT :limit",
            ref=ref, limit=limit + 1,
        )  # fmt: skip
        story.checks, story.more = found[:limit], len(found) > limit
        story.way = ways(connection, story.checks)
        story.outbound = ach.entries_of_vendor(connection, ref, limit)
        _answered(connection, story, limit)
        story.changes = ach.changes_of_vendor(connection, ref)
        yield story


def outbound_files(connection: Connection, ref: str, limit: int) -> Iterable[Story]:
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
            connection, f"{CHECK} WHERE outbound_id = :id ORDER BY portfolio, bank, check_no LIMIT :limit",
            id=key, limit=limit,
        )  # fmt: skip
        sources = [str(row["source"]).split(":") for row in story.outbound]
        batches = tuple(sorted({part[1] for part in sources if part[0] == "batch"}))
        if batches:
            story.batches = rows(
                connection, f"{BATCH} WHERE l.batch IN :batches ORDER BY l.batch, l.line", batches=batches
            )
        entries_by_id(connection, story, {int(part[1]) for part in sources if part[0] == "entry"}, limit)
        yield story
