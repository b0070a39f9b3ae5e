"""What a large file leaves, drafted by a second process while the first one posts: the same bytes as from the ledger."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from sqlalchemy.exc import OperationalError

from gateway import crashpoints
from gateway.app import App, open_app, system_user
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.intake import artifacts, drafting, hashes, processing, registry
from gateway.intake.artifacts import unreported, write_artifacts
from gateway.intake.drafting import Drafts
from gateway.intake.files import InboundFile
from gateway.intake.service import Intake
from gateway.intake.states import FileState
from gateway.ledger.database import Database
from gateway.setup import make_home
from gateway.updates import assess_post, u0418
from tests.updates.assess_world import World

NAME = "p1_btchassmt.dat"
VARIABLE = "GATEWAY_TEST_DATABASE"


@pytest.fixture
def place(tmp_path: Path, db: Database, database_url: str, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that another process can open, with every size large enough for drafts, and small blocks."""
    monkeypatch.setenv(VARIABLE, database_url)
    monkeypatch.setitem(registry.MODULES, "assessments", "gateway.updates.u0418")
    monkeypatch.setattr(processing, "BESIDE_RECORDS", 1)
    monkeypatch.setattr(u0418.UPDATE, "block_lines", 700)
    root = tmp_path / "place"
    (root / "config").mkdir(parents=True)
    (root / "config" / "gateway.toml").write_text(f'[database]\nurl = "env:{VARIABLE}"\n', encoding="utf-8")
    make_home(root, user=system_user())
    world = World(db)
    for n in range(60):
        world.lease(str(1000 + n), next_due="2026-03-20" if n % 7 else None)
        if n % 3:
            world.invoice(str(5000 + n), str(1000 + n), "2026-03-15")
    world.lease("2000", office=2, next_due="2026-03-21")
    world.asset("778", "1001")
    return Home(root)


@pytest.fixture
def real(place: Home, clock: FixedClock) -> Any:
    app = open_app(place.root, clock=clock)
    yield app
    app.close()


def lines(count: int = 2500) -> bytes:
    """Lines of every kind: plain ones, by asset, with a due date that makes an invoice, refused by the format and by the
    ledger; the first and the last of a chunk among the refused ones, and whole chunks of them."""
    out = []
    for n in range(1, count + 1):
        lease, cents = 1000 + n % 60, 100 + n
        if n % 1024 in (0, 1) or 1300 < n < 1420:
            out.append(f"<lease>77<assmt>LTCH<amount>{cents}")
        elif n % 11 == 0:
            out.append(f"<asset>778<assmt>PTAX<duedate>2604{n % 28 + 1:02d}<amount>{cents}")
        elif n % 13 == 0:
            out.append(f"<lease>{lease}<assmt>LTCH<amount>{cents}.00")
        elif n % 17 == 0:
            out.append("")
        elif n % 19 == 0:
            out.append(f"<lease>2000<assmt>RCR2<amount>{cents}")
        else:
            out.append(f"<lease>{lease}<assmt>LTCH<amount>{cents}")
    return ("\n".join(out) + "\n").encode()


def drop(app: App, data: bytes) -> InboundFile:
    path = app.home.inbox / NAME
    path.write_bytes(data)
    intake = Intake(app)
    try:
        [done] = intake.process_now([path])
    finally:
        intake.close()
    assert unreported(app) == []
    return done.file


def left(app: App) -> dict[Path, bytes]:
    found = [p for folder in (app.home.reports, app.home.avro) for p in folder.rglob("*") if p.is_file()]
    assert all(p.stat().st_mode & 0o777 == 0o640 for p in found)
    return {p: p.read_bytes() for p in found}


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """What was asked of drafts, and what they had."""
    found: list[Path | None] = []
    finished = Drafts.finished

    def noted(self: Drafts, file: InboundFile) -> Path | None:
        found.append(finished(self, file))
        return found[-1]

    monkeypatch.setattr(Drafts, "finished", noted)
    return found


def test_drafts_have_the_bytes_that_the_ledger_gives(real: App, used: list[Path | None]) -> None:
    file = drop(real, lines())
    assert file.state is FileState.POSTED and file.rejects and file.records
    assert len(used) == 1 and used[0] is not None
    drafted = left(real)
    assert len(drafted) == 8
    assert set(write_artifacts(real, file.file_id)) == drafted.keys()
    assert left(real) == drafted
    assert not list(real.home.work.glob("*.draft"))


def test_a_file_that_posts_nothing_has_none(real: App, used: list[Path | None]) -> None:
    file = drop(real, b"<lease>77<assmt>LTCH<amount>5\n<lease>78<assmt>LTCH<amount>5\n")
    assert file.state is FileState.REJECTED
    assert used == [None]
    assert not list(real.home.work.glob("*.draft"))


def test_a_transaction_that_begins_again_drafts_again(
    real: App, used: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sums, busy = (
        assess_post.sums,
        iter([None, OperationalError("x", {}, sqlite3.OperationalError("database is locked"))]),
    )

    def second_block_is_busy(scope: Any) -> Any:
        if (fault := next(busy, None)) is not None:
            raise fault
        return sums(scope)

    monkeypatch.setattr(assess_post, "sums", second_block_is_busy)
    file = drop(real, lines())
    assert file.state is FileState.POSTED
    assert used[0] is not None
    drafted = left(real)
    write_artifacts(real, file.file_id)
    assert left(real) == drafted


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "print(1)", "import sys; sys.stdin.read(); print(1)"])
def test_a_second_process_that_fails_costs_nothing_but_time(
    real: App, used: list[Path | None], program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    popen: Callable[..., Any] = subprocess.Popen

    def other(command: list[str], **more: Any) -> Any:
        return popen([sys.executable, "-c", program] if "gateway.intake.drafter" in command else command, **more)

    monkeypatch.setattr(drafting.subprocess, "Popen", other)
    file = drop(real, lines())
    assert file.state is FileState.POSTED
    assert used == [None]
    assert len(left(real)) == 8
    assert not list(real.home.work.glob("*.draft"))


@pytest.mark.parametrize(
    "step", [crashpoints.Step.POSTED_UNCOMMITTED, crashpoints.Step.POSTED, crashpoints.Step.REPORTED]
)
def test_a_killed_process_leaves_no_draft_behind(real: App, step: crashpoints.Step) -> None:
    (real.home.inbox / NAME).write_bytes(lines())
    program = (
        "import sys; from pathlib import Path; from gateway.app import open_app; from gateway.intake import processing;"
        "from gateway.intake.service import Intake; processing.BESIDE_RECORDS = 1; app = open_app(Path(sys.argv[1]));"
        "Intake(app).process_now([app.home.inbox / sys.argv[2]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(real.home.root), NAME], env=os.environ | {crashpoints.VARIABLE: step.value},
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(real.home.work.glob("*.draft"))
    intake = Intake(real)
    intake.process_now([])
    intake.close()
    assert not list(real.home.work.glob("*.draft"))
    assert unreported(real) == []
    assert len(left(real)) == 8


def test_drafts_in_use_are_not_abandoned(home: Home) -> None:
    draft = home.work / "1-x.draft"
    draft.mkdir()
    lock = hashes.share(home.work)
    hashes.remove_abandoned(home.work)
    assert draft.exists()
    os.close(lock)
    hashes.remove_abandoned(home.work)
    assert not draft.exists()


PAYMENTS = b"L1001,500,C1\nL77,200\n\nL1002,1,C2\nI5004,2500,C3\nx\n"


@pytest.mark.parametrize("program", [None, "import sys; sys.exit(3)"])
def test_other_kinds_are_archived_by_a_process_that_made_ready(
    real: App, program: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that fails, the next start writes what is missing."""
    monkeypatch.setattr(artifacts, "BESIDE_RECORDS", 1)
    popen: Callable[..., Any] = subprocess.Popen
    commands: list[list[str]] = []

    def noted(command: list[str], **more: Any) -> Any:
        commands.append(command)
        assert not list(real.home.avro.rglob("*.avro"))
        return popen([sys.executable, "-c", program] if program else command, **more)

    monkeypatch.setattr(drafting.subprocess, "Popen", noted)
    path = real.home.inbox / "p1_btchpmt.dat"
    path.write_bytes(PAYMENTS)
    intake = Intake(real)
    [done] = intake.process_now([path])
    assert done.file.state is FileState.POSTED
    assert [command[2] for command in commands] == ["gateway.intake.archiver"]
    assert unreported(real) == ([done.file.file_id] if program else [])
    monkeypatch.setattr(artifacts, "BESIDE_RECORDS", 50_000)
    if program:
        intake.recover()
    intake.close()
    written = left(real)
    assert unreported(real) == [] and len(written) == 8
    write_artifacts(real, done.file.file_id)
    assert left(real) == written
    archived = written[real.home.avro / str(done.file.business_date) / "1-p1_btchpmt.dat.avro"]
    outcomes = {row["line_no"]: (row["outcome"], len(row["entry_ids"])) for row in fastavro.reader(BytesIO(archived))}
    assert outcomes[2] == ("suspended", 1) and outcomes.keys() == {1, 2, 4, 5}


def test_a_process_that_made_ready_ends_with_the_posting(real: App) -> None:
    drafts = Drafts(real)
    path = real.home.inbox / "p1_btchpmt.dat"
    path.write_bytes(PAYMENTS)
    intake = Intake(real)
    [done] = intake.process_now([path])
    intake.close()
    drafts.make_ready(done.file)
    process = drafts.taken_archiver()
    assert process is not None
    _, complaint = process.communicate()  # which closes its input
    assert (process.returncode, complaint) == (0, b"")
    drafts.make_ready(done.file)
    with drafts:
        waiting = drafts._archiver
    assert waiting is not None and waiting.returncode == -signal.SIGKILL
