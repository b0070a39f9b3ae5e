"""What a large file leaves, drafted by a second process while the first one posts: the same bytes as from the ledger."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from gateway import crashpoints
from gateway.app import App, open_app, system_user
from gateway.clock import FixedClock
from gateway.errors import GatewayError
from gateway.home import Home
from gateway.intake import artifacts, drafter, drafting, hashes, processing, registry
from gateway.intake.artifacts import unreported, write_unconfirmed
from gateway.intake.drafting import Drafts
from gateway.intake.files import InboundFile
from gateway.intake.service import Intake
from gateway.intake.states import FileState
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.setup import make_home
from gateway.updates import assess_post, u0409, u0415, u0418, u0470
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


def lines(count: int = 2500, *, leases_only: bool = False) -> bytes:
    """Lines of every kind: plain ones (of leases with an invoice, and of others, for which one is made), by asset, with a due
    date that makes an invoice, refused by the format and by the ledger; the first and the last of a chunk among the refused
    ones, and whole chunks of them."""
    out = []
    for n in range(1, count + 1):
        lease, cents = 1000 + n % 60, 100 + n
        if n % 1024 in (0, 1) or 1300 < n < 1420:
            out.append(f"<lease>77<assmt>LTCH<amount>{cents}")
        elif n % 11 == 0 and not leases_only:
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


def drop(app: App, data: bytes, *, name: str = NAME, missing: bool = False) -> InboundFile:
    path = app.home.inbox / name
    path.write_bytes(data)
    intake = Intake(app)
    try:
        [done] = intake.process_now([path])
    finally:
        intake.close()
    assert bool(unreported(app)) == missing
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


class Inside:
    """The second process as a thread of this one: what runs there is measured for its branches too."""

    def __init__(self, command: list[str], **_: Any) -> None:
        (notices, told), (heard, said) = os.pipe(), os.pipe()
        self.stdin, self.stdout, self.stderr = os.fdopen(told, "wb"), os.fdopen(heard), BytesIO()
        self.returncode: int | None = None
        self._thread = threading.Thread(
            target=self._run, args=(*command[-2:], os.fdopen(notices, "rb"), os.fdopen(said, "w"))
        )
        self._thread.start()

    def _run(self, home: str, folder: str, notices: Any, out: Any) -> None:
        with notices, out:
            try:
                drafter.main(home, folder, notices, out)
                self.returncode = 0
            except GatewayError:  # the posting ended
                self.returncode = 1

    def communicate(self) -> tuple[bytes, bytes]:
        self.kill()
        self._thread.join()
        return self.stdout.read().encode(), b""

    def kill(self) -> None:
        with suppress(BrokenPipeError):  # it may be done before the end is said
            self.stdin.close()

    def wait(self) -> None:
        self._thread.join()


@pytest.fixture(params=["process", "thread"])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where drafts are made: as at work, or inside."""
    popen: Callable[..., Any] = subprocess.Popen

    def inside(command: list[str], **more: Any) -> Any:
        return Inside(command) if "gateway.intake.drafter" in command else popen(command, **more)

    if request.param == "thread":
        monkeypatch.setattr(drafting.subprocess, "Popen", inside)


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize(
    ("leases_only", "told_leases"), [(False, 100), (True, 100), (True, 10)], ids=["every kind", "leases", "many leases"]
)
def test_drafts_have_the_bytes_that_the_ledger_gives(
    real: App, used: list[Path | None], monkeypatch: pytest.MonkeyPatch, leases_only: bool, told_leases: int
) -> None:
    monkeypatch.setattr(assess_post, "TOLD_LEASES", told_leases)
    file = drop(real, lines(leases_only=leases_only))
    assert file.state is FileState.POSTED and file.rejects and file.records
    assert len(used) == 1 and used[0] is not None
    drafted = left(real)
    assert len(drafted) == 8
    assert set(write_unconfirmed(real, file.file_id)) == drafted.keys()
    assert left(real) == drafted
    assert not list(real.home.work.glob("*.draft"))


@pytest.mark.usefixtures("where")
def test_a_process_prepared_while_the_file_is_read_drafts_it(
    real: App, used: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BESIDE_BYTES", 1)
    begun = _prepared(monkeypatch)
    file = drop(real, lines())
    assert begun == [file.file_id]
    assert used != [None]
    drafted = left(real)
    write_unconfirmed(real, file.file_id)
    assert left(real) == drafted


@pytest.mark.usefixtures("where")
def test_a_process_prepared_for_too_few_records_ends_without_a_word(
    real: App, used: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BESIDE_RECORDS", 50_000)
    _prepared_in_vain(real, used, monkeypatch, lines())


def test_a_process_prepared_for_a_file_that_posts_nothing_is_ended(
    real: App, used: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _prepared_in_vain(real, used, monkeypatch, b"<lease>77<assmt>LTCH<amount>5\n")


def _prepared_in_vain(real: App, used: list[Path | None], monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(processing, "BESIDE_BYTES", 1)
    begun = _prepared(monkeypatch)
    with capture_logs() as logs:
        file = drop(real, data)
    assert begun == [file.file_id]
    assert used == [None]
    assert [line["event"] for line in logs if line["log_level"] != "info"] == []
    assert not list(real.home.work.glob("*.draft"))


def _prepared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Files for which a second process is started."""
    found: list[int] = []
    prepare = Drafts.prepare

    def noted(self: Drafts, file: InboundFile) -> None:
        found.append(file.file_id)
        prepare(self, file)

    monkeypatch.setattr(Drafts, "prepare", noted)
    return found


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
    write_unconfirmed(real, file.file_id)
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


# the other kinds


def batch(n: int) -> str:
    return f"260302777777{n:08d}"


def payments(count: int = 900) -> bytes:
    """Given numbers and none, batches of several lines and leases, money beyond what is open, strangers, refused lines."""
    out = []
    for n in range(1, count + 1):
        lease, cents = 1000 + n % 60, 300 + n % 7
        if n % 97 in (0, 1) or 300 < n < 370:
            out.append(f"L{lease},x")
        elif n % 29 == 0:
            out.append(f"L77,{cents},C{n}")
        elif n % 23 == 0:
            out.append(f"L{lease},9000000,C{n},B{batch(n)}")
        elif n % 19 == 0:
            out += [f"L{lease},{cents + more},B{batch(n)}" for more in range(3)]
        elif n % 17 == 0:
            out += [f"L{1000 + (n + more) % 60},{cents},C{n},B{batch(n)}" for more in range(2)]
        elif n % 13 == 0:
            out.append(f"I{5000 + n % 60},{cents},C{n}")
        else:
            out.append(f"L{lease},{cents},C{n},B{batch(n)},E2603{n % 27 + 1:02d}")
    return ("\n".join(out) + "\n").encode()


def reversals(count: int = 900) -> bytes:
    """Of batches in and out of order, of several leases, of money in suspense, unknown, twice, of another amount."""
    out = []
    for n in [*range(1, count, 5), *range(2, count, 3)]:
        lease, cents = 1000 + n % 60, 300 + n % 7
        reason = ("NSFC", "TRAN", "STOP", "TXFR")[n % 4]
        if n % 19 == 0:
            out.append(f"L{lease},{3 * cents + 3},B{batch(n)},R{reason}")
        else:
            out.append(f"L{lease},{9000000 if n % 23 == 0 else cents},B{batch(n)},R{reason},C{n if n % 31 else 7}")
    out.append(out[0])  # reversed already: no one is told of the last line
    return ("\n".join(out) + "\n").encode()


def escrow(count: int = 900) -> bytes:
    """Of one charge and of several, beyond what there is, of a check again, by other banks, of unknown leases."""
    tail = "COUNTY, 1 A ST, RENO, NV, 89501"
    rows = []
    for n in range(1, count + 1):
        lease, check = (77 if n % 37 == 0 or 400 < n < 450 else 1000 + n % 60), n if n % 41 else 5
        rows.append(f"{lease}, 260310, {900 if n % 11 else 70000}, {check}, {tail}, R{n}, , {126 if n % 3 else 125}")
    return ("\n".join(rows) + "\n").encode()


NAMES = {"payments": "p1_btchpmt.dat", "reversals": "p1_bptmtrev.dat", "escrow": "p1_btchescr.dat"}


@pytest.fixture(params=["payments", "reversals", "reversals with a fee", "escrow"])
def other(
    request: pytest.FixtureRequest, place: Home, db: Database, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """Kind and name of another file; the ledger has what it needs, and chunks are small."""
    kind, _, fee = str(request.param).partition(" ")
    monkeypatch.setattr(u0415, "CHUNK_LINES", 190)
    monkeypatch.setattr(u0470, "CHUNK_LINES", 70)
    monkeypatch.setattr(u0409.UPDATE, "block_lines", 130)
    if fee:
        path = place.root / "config" / "portfolios" / "p01.toml"
        words = path.read_text(encoding="utf-8")
        for setting in ('nsf_fee_code = "LTCH"', 'nsf_fee = "25.00"'):
            name = setting.partition("=")[0]
            words = "\n".join(setting if line.startswith(f"# {name}") else line for line in words.split("\n"))
        assert 'nsf_fee = "25.00"' in words
        path.write_text(words, encoding="utf-8")
    with db.write() as connection:
        for n in range(60):
            owed = [{"invoice": str(5000 + n), "charge": code, "asset": "", "position": at, "billed_cents": 2000 + n,
                     "paid_cents": 0} for at, code in enumerate(("LTCH", "LEGF", "RCR9"), 1)]  # fmt: skip
            if n % 3:
                connection.execute(schema.receivable.insert(), owed)
            for at, code in enumerate(("RCR2", "RCR9", "RC10")):
                if n % 4 >= at:
                    balance = {"lease": str(1000 + n), "charge": code, "balance_cents": 4000 if at else 60_000}
                    connection.execute(schema.escrow_balance.insert(), balance)
    return kind, NAMES[kind]


@pytest.fixture
def posted(other: tuple[str, str], real: App, used: list[Path | None]) -> InboundFile:
    kind, name = other
    if kind == "reversals":
        drop(real, payments(), name=NAMES["payments"])
    return drop(real, {"payments": payments, "reversals": reversals, "escrow": escrow}[kind](), name=name)


@pytest.mark.usefixtures("where")
def test_drafts_of_other_kinds_have_the_bytes_that_the_ledger_gives(
    posted: InboundFile, real: App, used: list[Path | None]
) -> None:
    assert posted.state is FileState.POSTED and posted.rejects and posted.posted_cents
    assert posted.kind == "escrow" or posted.suspended_cents
    assert used and None not in used
    drafted = left(real)
    assert set(write_unconfirmed(real, posted.file_id)) <= drafted.keys()
    assert left(real) == drafted
    archived = next(data for path, data in drafted.items() if path.name == f"{posted.file_id}-{posted.name}.avro")
    rows = list(fastavro.reader(BytesIO(archived)))
    words = {"payments": {"posted", "suspended"}, "escrow": {"posted", "rejected"}}
    assert {row["outcome"] for row in rows} == words.get(posted.kind, {"posted", "rejected", "suspended"})
    assert sum(row["outcome"] != "rejected" for row in rows) == posted.records
    with real.db.read() as connection:
        unit = connection.execute(text("SELECT MAX(unit_id) FROM posting_unit")).scalar_one()
        made = connection.execute(
            text("SELECT entry_id, txn FROM journal_entry WHERE entry_id / 100000000 = :unit"), {"unit": unit}
        ).all()
    named = [entry for row in rows for entry in row["entry_ids"]]
    assert sorted(named) == sorted(entry for entry, _ in made)
    has_fee = real.settings.portfolio("1").reversals.nsf_fee_code is not None
    assert any(txn == "LTCH" for _, txn in made) == has_fee


PAYMENTS = b"L1001,500,C1\nL77,200\n\nL1002,1,C2\nI5004,2500,C3\nx\n"


@pytest.mark.parametrize("program", [None, "import sys; sys.exit(3)"])
def test_records_without_drafts_are_archived_by_a_second_process(
    real: App, program: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that fails, the next start writes what is missing."""
    monkeypatch.setattr(artifacts, "BESIDE_RECORDS", 1)
    popen: Callable[..., Any] = subprocess.Popen
    commands: list[str] = []

    def noted(command: list[str], **more: Any) -> Any:
        commands.append(command[3])
        fails = commands[-1].endswith("drafter") or program
        return popen([sys.executable, "-c", "import sys; sys.exit(3)"] if fails else command, **more)

    monkeypatch.setattr(drafting.subprocess, "Popen", noted)
    file = drop(real, PAYMENTS, name=NAMES["payments"], missing=bool(program))
    assert commands == ["gateway.intake.drafter", "gateway.intake.archiver"]
    assert unreported(real) == ([file.file_id] if program else [])
    monkeypatch.setattr(artifacts, "BESIDE_RECORDS", 50_000)
    if program:
        intake = Intake(real)
        intake.recover()
        intake.close()
    written = left(real)
    assert unreported(real) == [] and len(written) == 8
    write_unconfirmed(real, file.file_id)
    assert left(real) == written
    archived = written[real.home.avro / str(file.business_date) / "1-p1_btchpmt.dat.avro"]
    outcomes = {row["line_no"]: (row["outcome"], len(row["entry_ids"])) for row in fastavro.reader(BytesIO(archived))}
    assert outcomes[2] == ("suspended", 1) and outcomes.keys() == {1, 2, 4, 5}


def test_a_second_process_ends_with_reports_that_cannot_be_written(real: App, monkeypatch: pytest.MonkeyPatch) -> None:
    file = drop(real, PAYMENTS, name=NAMES["payments"])
    started: list[Any] = []

    class Hangs(subprocess.Popen[bytes]):
        def __init__(self, _command: list[str], **more: Any) -> None:
            super().__init__([sys.executable, "-c", "import signal; signal.pause()"], **more)
            started.append(self)

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts, "BESIDE_RECORDS", 1)
    monkeypatch.setattr(artifacts.subprocess, "Popen", Hangs)
    monkeypatch.setattr(artifacts, "_reports", full)
    with pytest.raises(OSError, match="No space left"):
        write_unconfirmed(real, file.file_id)
    assert [process.returncode for process in started] == [-signal.SIGKILL]
