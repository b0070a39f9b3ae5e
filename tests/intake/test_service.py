"""The whole intake: one pass, the service without events, restart after a fault, what is written afterwards."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import fastavro
import psycopg
import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from gateway import log
from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import SettingsError
from gateway.intake import archive, artifacts, processing
from gateway.intake.artifacts import lines_of
from gateway.intake.checking import check
from gateway.intake.claim import Claimer
from gateway.intake.files import InboundFile
from gateway.intake.hashes import Spool
from gateway.intake.service import Intake
from gateway.intake.states import FileState
from gateway.intake.watching import Folder, Observers
from gateway.intake.work import Work
from gateway.ledger import restored
from gateway.ledger.database import Database
from gateway.vault import Vault
from tests.intake.conftest import charge, in_work, journal_lines, names_in, with_source
from tests.intake.plain import UPDATE

NAME = "p1_btchassmt.dat"
MIXED = charge(100) + b"rub\xffbish\r\n" + charge(101) + charge(250) + b"\n"


@pytest.fixture
def intake(app: App) -> Iterator[Intake]:
    made = Intake(app)
    yield made
    made.close()


def states(app: App) -> list[tuple[str, str]]:
    with app.db.read() as connection:
        rows = connection.execute(text("SELECT name, state FROM inbound_file ORDER BY file_id")).all()
    return [(row[0], row[1]) for row in rows]


def test_one_pass_lets_the_quiet_time_go_by(app: App, intake: Intake, clock: FixedClock) -> None:
    for number in (1, 2):
        (app.home.inbox / f"p{number}_btchassmt.dat").write_bytes(charge(number * 100))
    (app.home.inbox / "notes.txt").write_text("left in place")
    done = intake.process_now()
    assert [(p.file.name, p.file.state, p.clean) for p in done] == [
        ("p1_btchassmt.dat", FileState.POSTED, True), ("p2_btchassmt.dat", FileState.POSTED, True),
    ]  # fmt: skip
    assert clock.elapsed == 2.0
    assert names_in(app.home.inbox) == ["notes.txt"]
    assert intake.process_now() == []


def test_one_pass_leaves_a_file_that_still_grows(app: App, clock: FixedClock) -> None:
    @dataclass
    class Growing(FixedClock):
        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            with (app.home.inbox / NAME).open("ab") as out:
                out.write(charge(101))

    (app.home.inbox / NAME).write_bytes(charge(100))
    intake = Intake(replace(app, clock=Growing(clock.at)))
    assert intake.process_now() == []
    intake.close()
    assert names_in(app.home.inbox) == [NAME]


def test_named_files_do_not_wait_but_a_torn_tail_holds(app: App, intake: Intake, clock: FixedClock) -> None:
    (app.home.inbox / NAME).write_bytes(charge(100)[:-1])
    seen: list[tuple[str, int, int]] = []
    [done] = intake.process_now([app.home.inbox / NAME], lambda *at: seen.append(at))
    assert (done.file.state, done.file.hold_code, clock.elapsed) == (FileState.HELD, "TORN_TAIL", 0.0)
    assert seen[-1][0] == NAME and seen[-1][1] == seen[-1][2] == len(charge(100)) - 1


def test_a_source_with_markers_has_no_torn_tails(app: App) -> None:
    app = replace(app, settings=with_source(app.settings, completeness="marker"))
    (app.home.inbox / NAME).write_bytes(charge(100)[:-1])
    (app.home.inbox / f"{NAME}.ok").touch()
    intake = Intake(app)
    assert [p.file.state for p in intake.process_now()] == [FileState.POSTED]
    intake.close()


def test_the_files_of_a_portfolio_post_in_the_order_they_came(app: App, intake: Intake) -> None:
    for number, name in enumerate(["p1_btchassmt.dat", "P1_btchassmt.dat", "p1_BTCHASSMT.dat"]):
        (app.home.inbox / name).write_bytes(charge(100 + number))
        os.utime(app.home.inbox / name, ns=(0, 10**18 - number))
    intake.process_now()
    with app.db.read() as connection:
        order = connection.execute(
            text("SELECT f.name FROM posting_unit u JOIN inbound_file f ON f.file_id = u.file_id ORDER BY u.unit_id")
        ).scalars()
        assert list(order) == ["p1_BTCHASSMT.dat", "P1_btchassmt.dat", "p1_btchassmt.dat"]


@dataclass
class Script(FixedClock):
    """A clock that does something at given times, for the service's loop to meet."""

    acts: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.elapsed += max(seconds, 0.001)
        while self.acts and self.acts[0][0] <= self.elapsed:
            self.acts.pop(0)[1]()


def play(app: App, acts: list[tuple[float, Callable[[], object]]], until: float) -> Script:
    """Run the service with all events lost, in scripted time."""
    stop = threading.Event()
    clock = Script(app.clock.now(), acts=list(acts))
    service = Intake(replace(app, clock=clock), events=False, pause=clock.wait)

    def end() -> None:
        while service._active:  # scripted time runs ahead of the posting threads
            os.sched_yield()
        stop.set()

    clock.acts.append((until, end))
    service.run(stop)
    service.close()
    return clock


def test_with_every_event_lost_every_file_is_posted(app: App) -> None:
    names = [f"p{n}_btchassmt.dat" for n in (1, 2)]
    play(
        app,
        [(1.0 + n, lambda n=n: (app.home.inbox / names[n]).write_bytes(charge(100 * n + 100))) for n in (0, 1)],
        9.0,
    )
    assert states(app) == [(name, "POSTED") for name in names]
    assert names_in(app.home.inbox) == []


def test_a_quiet_file_is_claimed_within_a_quarter_second_of_its_time(app: App) -> None:
    play(app, [(5.003, lambda: (app.home.inbox / NAME).write_bytes(charge(100)))], 12.0)
    with app.db.read() as connection:
        at = connection.execute(text("SELECT claimed_at FROM inbound_file")).scalar_one()
    seconds = float(at[17:-1])
    scan, quiet = 1.0, 2.0  # without events the file is first seen by a scan
    assert 5.003 + quiet <= seconds <= 5.003 + scan + quiet + 0.25


def test_waiting_files_post_when_the_day_opens(app: App) -> None:
    def period(state: str) -> Callable[[], object]:
        def act() -> None:
            with app.db.write() as connection:
                connection.execute(text(f"UPDATE portfolio SET period_state = '{state}'"))

        return act

    period("CLOSED")()
    (app.home.inbox / NAME).write_bytes(charge(100))
    play(app, [], 5.0)
    assert states(app) == [(NAME, "WAITING")]
    play(app, [(2.0, period("OPEN"))], 5.0)
    assert states(app) == [(NAME, "POSTED")]


def test_the_loop_survives_a_fault_of_the_disk(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = Folder.scan
    calls = iter(range(10**6))

    def sometimes(self, now, seconds):  # type: ignore[no-untyped-def]
        if next(calls) < 3:
            raise OSError("no such device")
        return scan(self, now, seconds)

    monkeypatch.setattr(Folder, "scan", sometimes)
    (app.home.inbox / NAME).write_bytes(charge(100))
    play(app, [], 8.0)
    assert states(app) == [(NAME, "POSTED")]


class ClosedVault(Vault):
    """A vault whose key file others can read until a person closes it."""

    mended = False

    def hold(self, db: Database, connection: Connection) -> None:
        if not self.mended:
            raise SettingsError(
                ["vault key: found it readable by others (mode 0644), expected 0600: run chmod 0600 on it"]
            )
        super().hold(db, connection)


def test_a_claim_that_our_own_fault_holds_up_waits_and_the_rest_post(app: App) -> None:
    """A bank's bytes are sealed while they are claimed; the service ended when that could not be."""
    vault = ClosedVault(bytes(32))
    stop = threading.Event()
    told: list[dict[str, str]] = []

    def mend() -> None:
        assert states(app) == [(NAME, "POSTED")], "what came later is posted meanwhile"
        told.append(intake.lasting())
        vault.mended = True

    def end() -> None:
        while intake._active:  # scripted time runs ahead of the posting threads
            os.sched_yield()
        told.append(intake.lasting())
        stop.set()

    def drop() -> None:
        (app.home.inbox / NAME).write_bytes(charge(100))

    def settle() -> None:
        while intake._active:
            os.sched_yield()

    acts: list[tuple[float, Callable[[], object]]] = [(6.0, drop), (11.0, settle), (12.0, mend), (20.0, end)]
    clock = Script(app.clock.now(), acts=acts)
    intake = Intake(replace(app, clock=clock, vault=vault), events=False, pause=clock.wait)
    (app.home.inbox / "p2_btchassmt.dat").write_bytes(
        b"101 091000019 910022003".ljust(34) + b"094101".ljust(60) + b"\n"
    )
    intake.run(stop)
    intake.close()
    assert list(told[0]) == ["adopt"] and told[0]["adopt"].startswith("vault key: found it readable by others")
    assert told[1] == {}
    assert states(app) == [(NAME, "POSTED"), ("p2_btchassmt.dat", "QUARANTINED")]


def test_faults_are_tried_again_at_a_start_whose_claims_cannot_be_adopted(
    app: App, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app.home.inbox / NAME).write_bytes(charge(100))
    with monkeypatch.context() as patch:
        patch.setattr(UPDATE, "fault", RuntimeError("x"))
        assert [p.file.state for p in intake.process_now()] == [FileState.FAILED]
    tries = []

    def refused(_claimer: Claimer, _folder: Folder) -> list[int]:
        tries.append(1)
        raise SettingsError(["no key"])

    monkeypatch.setattr(Claimer, "recover", refused)
    play(app, [], 5.0)
    assert states(app) == [(NAME, "POSTED")]
    assert 4 <= len(tries) <= 6, "once a scan, not at every turn of the loop"


def test_the_loop_outlasts_a_database_that_is_away(
    app: App, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PostgreSQL lets nobody in for ten seconds; SQLite's file is no database for as long."""
    ledger = app.home.root / "away"

    def away() -> None:
        (app.home.inbox / NAME).write_bytes(charge(100))
        if app.db.is_sqlite:
            app.db.engine.dispose()
            Path(str(app.db.url.database)).rename(ledger)
            Path(str(app.db.url.database)).write_bytes(b"no database" * 100)
        else:
            admit(False)

    def back() -> None:
        if app.db.is_sqlite:
            app.db.engine.dispose()
            ledger.replace(str(app.db.url.database))
        else:
            admit(True)

    def admit(yes: bool) -> None:
        name = app.db.url.database
        with psycopg.connect(request.getfixturevalue("postgres_url"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {yes}".encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))

    log.set_up(tmp_path / "log", terminal=False)
    try:
        play(app, [(3.0, away), (13.0, back)], 25.0)
    finally:
        log.set_up(None, terminal=False)
    assert states(app) == [(NAME, "POSTED")]
    told = [json.loads(line)["event"] for line in (tmp_path / "log" / "gateway.log").read_text().splitlines()]
    troubles = [event for event in told if event.startswith("alarm.intake_trouble")]
    assert {"alarm.intake_trouble", "alarm.intake_trouble_over"} == set(troubles)
    assert len(troubles) <= 10


def left_by_files(app: App) -> dict[Path, bytes]:
    """Reports, rejected lines and Avro records."""
    paths = (path for folder in (app.home.reports, app.home.avro) for path in folder.rglob("*"))
    return {path: path.read_bytes() for path in paths if path.is_file()}


def test_after_a_restore_reports_and_records_are_written_again(app: App, intake: Intake) -> None:
    """They are in no backup."""
    (app.home.inbox / NAME).write_bytes(MIXED)
    (done,) = intake.process_now()
    written = left_by_files(app)
    assert {path.suffix for path in written} == {".rpt", ".csv", ".json", ".rejects", ".avro"} and done.file.rejects
    for path in written:
        path.unlink()
    with app.db.write() as connection:
        restored.mark(connection, code="ABC", user="abc", backup_at=None, at=app.now())
    assert intake.process_now([]) == []
    again = left_by_files(app)
    assert set(again) == set(written)
    assert all(again[path] == data for path, data in written.items() if path.suffix != ".avro")


def test_rejected_lines_are_not_written_again_from_an_original_that_was_changed(app: App, intake: Intake) -> None:
    """A restore takes one that was changed before the backup: its lines of those numbers posted, and would again."""
    (app.home.inbox / NAME).write_bytes(MIXED)
    (done,) = intake.process_now()
    rejects, original = done.file.reports(app.home) / f"{NAME}.rejects", done.file.archived(app.home)
    rejects.unlink()
    original.write_bytes(MIXED.removeprefix(charge(100)))
    with app.db.write() as connection:
        restored.mark(connection, code="ABC", user="abc", backup_at=None, at=app.now())
    with capture_logs() as logs:
        intake.recover()
    (alarm,) = [line for line in logs if line["event"] == "alarm.not_reported"]
    assert f"put var/archive/{done.file.archive_name} back from a backup" in alarm["error"]
    assert not rejects.exists() and artifacts.unreported(app) == [done.file.file_id]
    original.write_bytes(MIXED)
    intake.recover()
    assert rejects.read_bytes() == b"rub\xffbish\r\n" + charge(250) and artifacts.unreported(app) == []


def test_a_restart_tries_failed_files_and_writes_missing_reports(
    app: App, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app.home.inbox / NAME).write_bytes(charge(100))
    monkeypatch.setattr(UPDATE, "fault", RuntimeError("x"))
    assert [p.file.state for p in intake.process_now()] == [FileState.FAILED]
    monkeypatch.undo()
    monkeypatch.setitem(
        __import__("gateway.intake.registry", fromlist=["x"]).MODULES, "assessments", "tests.intake.plain"
    )
    [done] = intake.process_now()
    assert done.file.state is FileState.POSTED
    with app.db.write() as connection:
        connection.execute(text("UPDATE inbound_file SET reported = 'N'"))
    report = done.file.reports(app.home) / "p1_lpu0418b.rpt"
    report.unlink()
    intake.recover()
    assert report.is_file() and artifacts.unreported(app) == []


def test_reports_that_could_not_be_written_are_an_alarm_and_tried_again_while_the_service_runs(
    app: App,
) -> None:
    """They waited for a restart, and who sent the file did not hear of what was rejected; only the log had it."""
    (app.home.inbox / NAME).write_bytes(MIXED)
    app.home.reports.rmdir()
    app.home.reports.touch()
    seen: list[tuple[list[int], int]] = []

    def look() -> None:
        told = [line for line in logs if line["event"] == "alarm.intake_trouble" and line["step"] == "reports"]
        seen.append((artifacts.unreported(app), len(told)))

    def mend() -> None:
        app.home.reports.unlink()

    with capture_logs() as logs:
        play(app, [(130.0, look), (131.0, mend), (250.0, look)], 251.0)
    assert states(app) == [(NAME, "POSTED")]
    assert seen == [([1], 1), ([], 1)]
    events = [line["event"] for line in logs]
    assert events.count("alarm.not_reported") == events.count("alarm.intake_trouble_over") == 1
    assert (app.home.reports / "2026-03-02" / f"1-{NAME}" / f"{NAME}.rejects").is_file()


_READS_AND_DIES = """
import os, signal, sys
from pathlib import Path
import numpy as np
from gateway.intake.hashes import Spool
with Spool(Path(sys.argv[1]), "file-7-dead") as spool:
    spool.put(np.arange(3, dtype="<u8"), np.arange(3, dtype="<u8"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_reading_goes_and_what_a_living_one_reads_stays(app: App, intake: Intake) -> None:
    killed = subprocess.run([sys.executable, "-c", _READS_AND_DIES, str(app.home.work)], check=False)
    dead = ["file-7-dead.hashes", "file-7-dead.lines"]
    assert (killed.returncode, in_work(app.home)) == (-signal.SIGKILL, dead)
    (app.home.work / "outbound-1.staged").touch()
    with Spool(app.home.work, "file-8-living"):
        intake.recover()
        assert in_work(app.home) == [*dead, "file-8-living.hashes", "file-8-living.lines", "outbound-1.staged"]
    intake.recover()
    assert in_work(app.home) == ["outbound-1.staged"]


def test_events_wake_the_loop(tmp_path: Path, app: App, inbox: Folder) -> None:
    woken = threading.Event()
    observers = Observers([inbox], woken.set)
    observers.start()
    try:
        outside = tmp_path / "x"
        outside.write_bytes(b"x")
        outside.rename(inbox.path / NAME)
        assert woken.wait(10)
    finally:
        observers.stop()


def test_a_polling_source_is_watched_too(app: App) -> None:
    intake = Intake(replace(app, settings=with_source(app.settings, polling=True)))
    observers = Observers(intake.folders, lambda: None)
    observers.start()
    observers.stop()
    intake.close()


# what is written afterwards


def write_artifacts(app: App, file_id: int) -> list[Path]:
    paths = artifacts.write_unconfirmed(app, file_id)
    artifacts.confirm(app, {file_id: paths})
    return paths


def test_reports_rejects_and_records(app: App, post: Callable[..., InboundFile]) -> None:
    file = post(NAME, MIXED)
    paths = write_artifacts(app, file.file_id)
    folder = app.home.reports / "2026-03-02" / f"1-{NAME}"
    assert {p.name for p in folder.iterdir()} == {
        *(f"p1_lpu0418{r}.{form}" for r in "ab" for form in ("rpt", "csv", "json")), f"{NAME}.rejects",
    }  # fmt: skip
    assert (folder / f"{NAME}.rejects").read_bytes() == b"rub\xffbish\r\n" + charge(250)
    assert all(p.stat().st_mode & 0o777 == 0o640 for p in paths)
    figures = json.loads((folder / "p1_lpu0418a.json").read_text())["figures"]
    assert (figures["posted"], figures["rejected"], figures["state"]) == ("50.00", "25.00", "POSTED")
    with (folder / "p1_lpu0418a.csv").open(newline="") as table:
        assert [row["line"] for row in csv.DictReader(table)] == ["2", "4"]
    with (app.home.avro / "2026-03-02" / f"1-{NAME}.avro").open("rb") as records:
        rows = list(fastavro.reader(records))
    assert [(r["line_no"], r["outcome"], len(r["entry_ids"]), r["portfolio"]) for r in rows] == [
        (1, "posted", 1, 1), (3, "posted", 1, 1), (4, "rejected", 0, 1),
    ]  # fmt: skip
    with app.db.read() as connection:
        assert connection.execute(text("SELECT reported FROM inbound_file")).scalar_one() == "Y"


def test_writing_again_gives_the_same_bytes(app: App, post: Callable[..., InboundFile]) -> None:
    file = post(NAME, MIXED)
    first = {p: p.read_bytes() for p in write_artifacts(app, file.file_id)}
    again = {p: p.read_bytes() for p in write_artifacts(app, file.file_id)}
    assert first == again


@pytest.mark.parametrize("data", [b"", b"junk\n"])
def test_files_that_post_nothing_have_reports_too(app: App, post: Callable[..., InboundFile], data: bytes) -> None:
    file = post(NAME, data)
    names = {p.name for p in write_artifacts(app, file.file_id)}
    assert {"p1_lpu0418a.rpt", "p1_lpu0418b.rpt"} <= names


def test_held_files_have_none(app: App, post: Callable[..., InboundFile]) -> None:
    assert write_artifacts(app, post(NAME, charge(100)[:-1]).file_id) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_by_number_whatever_the_blocks(size: int) -> None:
    data = b"one\n\nthree\r\nfour is long\nfive"
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    for wanted in ([1], [2], [3, 5], [1, 2, 3, 4, 5], [5], [9], []):
        expected = b"".join(line for n, line in enumerate(data.splitlines(keepends=True), 1) if n in wanted)
        assert b"".join(lines_of(blocks, iter(wanted))) == expected


def test_a_twin_is_read_posted_and_its_rejects_are_text(
    app: App, post: Callable[..., InboundFile], tmp_path: Path
) -> None:
    from parsers.avro import write_twin

    record = (1, "100", None, None, None, "LTCH", 2500, None, None, None, None)
    with (tmp_path / "x").open("wb") as out:
        write_twin(out, "assessments", [record, (2, "250", *record[2:]), (3, "101", *record[2:6], 700, *record[7:])])
    data = (tmp_path / "x").read_bytes()
    file = post("p1_btchassmt.avro", data)
    assert (file.state, file.records, file.rejects) == (FileState.POSTED, 2, 1)
    write_artifacts(app, file.file_id)
    assert (file.reports(app.home) / "p1_btchassmt.avro.rejects").read_bytes() == charge(250)
    broken = post("p1_btchassmt.avro", data[:-20])
    assert (broken.state, broken.hold_code) == (FileState.QUARANTINED, "UNREADABLE")


# dry run


def everything(app: App) -> tuple[list[str], list[tuple[str, str]], int]:
    files = sorted(
        str(p) for folder in (app.home.var, app.home.inbox) for p in folder.rglob("*") if p.suffix != ".lock"
    )
    return files, states(app), journal_lines(app)


def test_a_check_tells_what_would_happen_and_does_nothing(
    app: App, post: Callable[..., InboundFile], tmp_path: Path
) -> None:
    post(NAME, charge(100) + charge(101))
    path = tmp_path / NAME
    path.write_bytes(charge(100) + charge(102) + b"junk\n" + charge(250) + charge(103))
    before = everything(app)
    result = check(app, path)
    assert (result.file.state, result.file.records, result.file.rejects) == (FileState.POSTED, 3, 2)
    assert [(m.line_no, m.code) for m in result.messages] == [(3, "TEXT_OUTSIDE_TAGS"), (4, "LEASE_UNKNOWN")]
    assert result.message_count == 2 and result.holds == ()
    assert result.last is not None
    assert (result.last.file_id, result.last.lines, result.last.amount_cents, result.last.shared_lines) == (
        1,
        2,
        5000,
        1,
    )
    assert everything(app) == before


def test_a_check_names_what_would_hold_and_shows_the_rest(
    app: App, post: Callable[..., InboundFile], tmp_path: Path
) -> None:
    data = b"".join(charge(100 + n) for n in range(5))
    post(NAME, data)
    path = tmp_path / NAME
    path.write_bytes(data)
    result = check(app, path)
    assert [code for code, _ in result.holds] == ["DUPLICATE", "OVERLAP"]
    typed = [re.findall("gateway files (?:release|discard) ([^ ]+)", words) for _, words in result.holds]
    assert all(numbers and set(numbers) == {"ID"} for numbers in typed), (
        "it has no number: the next one may be another file's"
    )
    assert (result.file.state, result.file.records) == (FileState.POSTED, 5)
    path.write_bytes(charge(170)[:-1])
    assert [code for code, _ in check(app, path).holds] == ["TORN_TAIL"]


def test_a_check_of_a_damaged_twin_is_a_result(app: App, tmp_path: Path) -> None:
    from parsers.avro import write_twin

    path = tmp_path / "p1_btchassmt.avro"
    with path.open("wb") as out:
        write_twin(out, "assessments", [(n, "100", None, None, None, "LTCH", n, *[None] * 4) for n in range(1, 9)])
    path.write_bytes(path.read_bytes()[:-20])
    before = everything(app)
    result = check(app, path)
    assert (result.file.state, result.file.hold_code) == (FileState.QUARANTINED, "UNREADABLE")
    assert [code for code, _ in result.holds] == ["UNREADABLE"]
    assert everything(app) == before


def test_a_twin_without_records_is_empty(app: App, post: Callable[..., InboundFile], tmp_path: Path) -> None:
    from parsers.avro import write_twin

    with (tmp_path / "x").open("wb") as out:
        write_twin(out, "assessments", [])
    post(NAME, charge(100))
    for _ in range(2):
        assert post("p1_btchassmt.avro", (tmp_path / "x").read_bytes()).state is FileState.EMPTY


# bare files among the others


def test_bare_files_post_in_the_order_of_their_claims(
    app: App, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was claimed before a bare file is posted before it, what came later after it; so also when all have waited."""
    names = [
        "p1_btchassmt.dat",
        "p2_btchassmt.dat",
        "btchescr.dat",
        "p2_btchassmt.dat",
        "btchescr.dat",
        "p1_btchassmt.dat",
    ]
    posted: list[int] = []
    process = processing.process

    def noted(work: Work) -> None:
        process(work)
        posted.append(work.file.file_id)  # before the commit, while it is still this file's turn

    monkeypatch.setattr(processing, "process", noted)

    def drop(first: int) -> None:
        for number, name in enumerate(names, first):
            (app.home.inbox / name).write_bytes(charge(100 + number))
            intake.claimer.take(intake.folders[0], [app.home.inbox / name])

    drop(0)
    with app.db.write() as connection:
        connection.execute(text("UPDATE inbound_file SET state = 'WAITING' WHERE file_id IN (1, 3)"))
    intake.process_now([])
    assert sorted(posted[:2]) == [1, 2] and posted[2:] == [3, 4, 5, 6]
    posted.clear()
    drop(6)
    play(app, [], 3.0)
    assert sorted(posted[:2]) == [7, 8] and posted[2:] == [9, 10, 11, 12]


def test_reports_are_on_disk_before_the_ledger_says_so(
    app: App, post: Callable[..., InboundFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = post(NAME, MIXED)
    flushed: list[Path] = []

    def flush(paths: list[Path]) -> None:
        with app.db.read() as connection:
            assert connection.execute(text("SELECT reported FROM inbound_file")).scalar_one() == "N"
        flushed.extend(paths)

    monkeypatch.setattr("gateway.intake.archive.flush_written", flush)
    assert write_artifacts(app, file.file_id) == flushed
    assert artifacts.unreported(app) == []
    monkeypatch.undo()
    archive.flush_written(flushed)
    archive.flush_written(flushed[:1])
