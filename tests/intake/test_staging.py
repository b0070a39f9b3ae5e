"""Chunks into the staging table and ``line_message``: every line is in one of them, whatever their order."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.intake import staging
from gateway.intake.hashes import Spool
from gateway.intake.packing import Ready, ready
from gateway.intake.parsing import UnreadableError
from gateway.intake.states import HoldCode
from gateway.ledger import schema
from gateway.ledger.database import Database
from parsers.base import ParsedChunk, Reject


def _chunks(db: Database, good: list[bool]) -> Iterator[Ready]:
    """A chunk a line: a record, or a reject."""
    chunks = []
    for line, is_good in enumerate(good, start=1):
        chunk = ParsedChunk(lines=1)
        if is_good:
            chunk.records = [(line, "L1", None, None, None, "LTCH", 100 + line, None, None, None, None)]
            chunk.amount_cents = 100 + line
        else:
            chunk.rejects = [Reject(line, "AMOUNT", "amount", 1, "x", "an amount", "correct it", None)]
        chunks.append(chunk)
    return ready(chunks, 1, db.pack)


_FILE = (
    "INSERT INTO inbound_file (file_id, name, kind, form, source, sha256, bytes, state, claim_name, claimed_at) "
    "VALUES (1, 'p1_btchassmt.dat', 'assessments', 'dat', 'inbox', 'x', 1, 'CLAIMED', 'x', 'x')"
)


@pytest.mark.parametrize("messages", [1, 2, 3, 100])
@pytest.mark.parametrize("good", ["", "g", "b", "gb", "bg", "bbbb", "gggg", "gbgbbgbbbg"])
def test_each_line_is_staged_or_refused_however_many_messages_wait(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str, messages: int
) -> None:
    monkeypatch.setattr(staging, "BULK_ROWS", messages)
    monkeypatch.setattr("gateway.intake.packing.BULK_ROWS", 2)
    lines = [letter == "g" for letter in good]
    with db.write() as c, Spool(tmp_path, uuid.uuid4().hex) as spool:
        c.execute(text(_FILE))
        counts = staging.stage(db, c, 1, schema.staged_assessment, _chunks(db, lines), spool)
        staged = list(c.execute(text("SELECT line_no FROM staged_assessment ORDER BY line_no")).scalars())
        refused = list(c.execute(text("SELECT line_no FROM line_message ORDER BY line_no")).scalars())
    assert staged == [n for n, is_good in enumerate(lines, 1) if is_good]
    assert refused == [n for n, is_good in enumerate(lines, 1) if not is_good]
    assert (counts.lines, counts.records, counts.rejects) == (len(lines), len(staged), len(refused))


@pytest.mark.parametrize("good", ["", "gg", "gbg"])
def test_a_file_that_ends_too_soon_leaves_the_transaction_whole(db: Database, tmp_path: Path, good: str) -> None:
    """A check goes on in it, to say what it found."""

    def torn() -> Iterator[Ready]:
        yield from _chunks(db, [letter == "g" for letter in good])
        raise UnreadableError(HoldCode.UNREADABLE, "it ends")

    with db.write() as c, Spool(tmp_path, uuid.uuid4().hex) as spool:
        c.execute(text(_FILE))
        with pytest.raises(UnreadableError, match="it ends"):
            staging.stage(db, c, 1, schema.staged_assessment, torn(), spool)
        assert c.execute(text("SELECT name FROM inbound_file")).scalar_one() == "p1_btchassmt.dat"
