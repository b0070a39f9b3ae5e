"""Two shells on one ledger, of which one keeps it: the other says what is in the way and what to do, and did nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text

from gateway.cli.common import Session, guarded
from gateway.ledger.database import Database
from gateway.ledger.faults import is_conflict


def impatient(db: Database) -> Database:
    """The same database, by somebody who waits for a moment instead of a minute."""
    other = Database(db.url)
    if db.is_sqlite:
        event.listen(other.engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout = 0").close())
    return other


def test_the_work_of_another_process_in_the_way_is_no_fault(
    db: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = impatient(db)
    seen: list[Exception] = []

    def action() -> None:
        try:
            with other.write() as connection:
                if not other.is_sqlite:
                    connection.execute(text("SET LOCAL lock_timeout = '1ms'"))
                other.lock_portfolios(connection, ["1"])
        except Exception as error:
            seen.append(error)
            raise

    with db.write() as connection:
        db.lock_portfolios(connection, ["1"])
        assert guarded(Session(tmp_path, False, None, False), action) == 3
    said = "database is locked" if db.is_sqlite else "canceling statement due to lock timeout"
    assert f"gateway: found the work of another process in the way ({said}" in (told := capsys.readouterr().err)
    assert told.endswith("and nothing else was done: try again when it has ended\n")
    assert [is_conflict(error) for error in seen] == [True]
    assert guarded(Session(tmp_path, False, None, False), action) == 0
    other.close()


def test_a_disk_that_is_full_is_told_in_words(db: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def of_the_database() -> None:
        with db.write() as connection:
            if not db.is_sqlite:
                connection.execute(text("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$"))
            connection.execute(text("PRAGMA max_page_count = 1"))  # what it has is the least it takes
            connection.execute(text("CREATE TABLE filling AS SELECT zeroblob(9999999) AS room"))

    def of_files() -> None:
        with Path("/dev/full").open("wb") as full:
            full.write(b"x")

    said = "database or disk is full: the ledger's disk, or that of temporary files" if db.is_sqlite else "no room"
    for action, words in ((of_the_database, said), (of_files, "[Errno 28] No space left on device")):
        assert guarded(Session(tmp_path, False, None, False), action) == 4
        told = capsys.readouterr().err
        assert told.startswith(f"gateway: found a disk that is full ({words}") and "fault" not in told
        assert told.endswith("make room (df shows where), and run it again\n")
