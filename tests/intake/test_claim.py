"""Claims with real files: one owner whatever happens, nothing overwritten, nothing lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from gateway import crashpoints
from gateway.app import App
from gateway.crashpoints import Step
from gateway.errors import UsageError
from gateway.home import fsync_dir
from gateway.intake import archive, slots
from gateway.intake.arrival import Complete, look
from gateway.intake.claim import Claimer
from gateway.intake.turns import Turns
from gateway.intake.watching import Folder, folders
from tests.intake.conftest import charge, names_in, with_intake, with_source

NAME = "p1_btchassmt.dat"


class Killed(BaseException):
    """Stands in for SIGKILL inside one process: nothing of ours catches it."""


def drop(inbox: Folder, name: str = NAME, data: bytes = charge(100)) -> Complete:
    (inbox.path / name).write_bytes(data)
    return next(Complete(s.name, s.identity) for s in look(inbox.path) if s.name == name)


def files(app: App) -> list[tuple[str, str, str]]:
    with app.db.read() as connection:
        rows = connection.execute(text("SELECT name, state, sha256 FROM inbound_file ORDER BY file_id")).all()
    return [(row[0], row[1], row[2]) for row in rows]


def left_over(inbox: Folder) -> list[str]:
    return [p.name for p in (inbox.path / ".claimed").rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_a_claim_archives_the_bytes_and_leaves_nothing(app: App, inbox: Folder, claimer: Claimer) -> None:
    data = charge(100) * 100
    [file_id] = claimer.claim(inbox, [drop(inbox, data=data)])
    [(name, state, sha256)] = files(app)
    assert (name, state) == (NAME, "CLAIMED")
    archived = app.home.archive / archive.archive_name(sha256)
    assert archived.read_bytes() == data and archived.stat().st_mode & 0o777 == 0o600
    assert names_in(inbox.path) == [] and left_over(inbox) == []
    assert file_id == 1


def test_the_same_bytes_are_archived_once_and_a_damaged_copy_is_replaced(
    app: App, inbox: Folder, claimer: Claimer
) -> None:
    claimer.claim(inbox, [drop(inbox), drop(inbox, "p2_btchassmt.dat")])
    [archived] = [p for p in app.home.archive.rglob("*") if p.is_file()]
    archived.write_bytes(b"bit rot" + bytes(archived.stat().st_size - 7))
    claimer.claim(inbox, [drop(inbox)])
    assert archived.read_bytes() == charge(100)


@pytest.mark.parametrize("step", [Step.CLAIM_RENAMED, Step.CLAIM_ARCHIVED, Step.CLAIM_RECORDED, Step.CLAIM_UNLINKED])
def test_a_kill_after_any_step_leaves_one_owner(
    app: App, inbox: Folder, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    def reached(at: Step) -> None:
        if at is step:
            raise Killed

    monkeypatch.setattr(crashpoints, "reached", reached)
    complete = [drop(inbox, f"p{n}_btchassmt.dat", charge(100, n)) for n in (1, 2)]
    killed = Claimer(app, Turns(needed=False))
    with pytest.raises(Killed):
        killed.claim(inbox, complete)
    killed.close()
    monkeypatch.undo()
    for _ in range(2):
        restarted = Claimer(app, Turns(needed=False))
        restarted.recover(inbox)
        restarted.close()
        assert [name for name, _, _ in files(app)] == ["p1_btchassmt.dat", "p2_btchassmt.dat"]
        assert names_in(inbox.path) == [] and left_over(inbox) == []


def test_the_only_copy_of_a_file_is_not_removed_because_it_has_a_row(
    app: App, inbox: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive was lost between the commit and the next start."""

    def reached(at: Step) -> None:
        if at is Step.CLAIM_RECORDED:
            raise Killed

    monkeypatch.setattr(crashpoints, "reached", reached)
    killed = Claimer(app, Turns(needed=False))
    with pytest.raises(Killed):
        killed.claim(inbox, [drop(inbox)])
    killed.close()
    monkeypatch.undo()
    for archived in [path for path in app.home.archive.rglob("*") if path.is_file()]:
        archived.unlink()
    restarted = Claimer(app, Turns(needed=False))
    restarted.recover(inbox)
    restarted.close()
    assert [path.read_bytes() for path in app.home.archive.rglob("*") if path.is_file()] == [charge(100)]
    assert left_over(inbox) == []


def test_claims_of_a_dead_process_go_to_the_next_and_those_of_a_living_one_do_not(
    app: App, inbox: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reached(at: Step) -> None:
        if at is Step.CLAIM_RENAMED:
            raise Killed

    monkeypatch.setattr(crashpoints, "reached", reached)
    first, second = Claimer(app, Turns(needed=False)), Claimer(app, Turns(needed=False))
    second.recover(inbox)
    with pytest.raises(Killed):
        first.claim(inbox, [drop(inbox)])
    monkeypatch.undo()
    assert second.recover(inbox) == []
    first.close()
    assert len(second.recover(inbox)) == 1
    assert second.recover(inbox) == []
    second.close()


def test_of_two_gateways_one_gets_the_file(app: App, inbox: Folder, claimer: Claimer) -> None:
    complete = drop(inbox)
    other = Claimer(app, Turns(needed=False))
    assert len(claimer.claim(inbox, [complete])) == 1
    assert other.claim(inbox, [complete]) == []
    other.close()
    assert len(files(app)) == 1


def test_a_file_that_is_not_the_one_looked_at_goes_back(app: App, inbox: Folder, claimer: Claimer) -> None:
    complete = drop(inbox)
    (inbox.path / NAME).write_bytes(charge(100) + charge(101))
    assert claimer.claim(inbox, [complete]) == []
    assert (inbox.path / NAME).read_bytes() == charge(100) + charge(101)
    assert files(app) == [] and left_over(inbox) == []


def test_a_file_written_to_while_it_is_copied_goes_back(
    app: App, inbox: Folder, claimer: Claimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = drop(inbox)
    store = archive.store

    def slow(home, source, token):  # type: ignore[no-untyped-def]
        stored = store(home, source, token)
        with Path(f"/proc/self/fd/{source.fileno()}").open("ab") as writer:
            writer.write(charge(101))
        return stored

    monkeypatch.setattr(archive, "store", slow)
    assert claimer.claim(inbox, [complete]) == []
    assert (inbox.path / NAME).read_bytes() == charge(100) + charge(101)
    assert files(app) == []


def test_a_file_written_to_after_it_was_copied_is_held_and_kept(
    app: App, inbox: Folder, claimer: Claimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = (inbox.path / NAME).open("wb", buffering=0)
    writer.write(charge(100))
    [seen] = [s for s in look(inbox.path) if s.name == NAME]

    def reached(at: Step) -> None:
        if at is Step.CLAIM_RECORDED:
            writer.write(charge(101))

    monkeypatch.setattr(crashpoints, "reached", reached)
    claimer.claim(inbox, [Complete(NAME, seen.identity)])
    writer.close()
    assert [(name, state) for name, state, _ in files(app)] == [(NAME, "HELD")]
    assert (app.home.quarantine / f"1-{NAME}.changed").read_bytes() == charge(100) + charge(101)


def marked(app: App, tmp_path: Path) -> tuple[App, Folder]:
    app = replace(app, settings=with_source(app.settings, completeness="marker"))
    return app, folders(app)[0]


def test_the_marker_goes_with_its_file(app: App, tmp_path: Path) -> None:
    app, inbox = marked(app, tmp_path)
    claimer = Claimer(app, Turns(needed=False))
    drop(inbox)
    assert inbox.scan(0.0, 1.0).complete == ()
    (inbox.path / f"{NAME}.done").touch()
    assert len(claimer.claim(inbox, inbox.scan(1.0, 1.0).complete)) == 1
    claimer.close()
    assert names_in(inbox.path) == [] and left_over(inbox) == []


def test_a_marker_left_alone_by_a_kill_goes_back(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is renamed first: a marker in the inbox whose file is claimed would bless the sender's next, torn, file."""
    app, inbox = marked(app, tmp_path)
    rename = Path.rename

    def dies(self: Path, target: Path) -> Path:
        if self.name == NAME:
            raise Killed
        return rename(self, target)

    drop(inbox)
    (inbox.path / f"{NAME}.done").touch()
    first = Claimer(app, Turns(needed=False))
    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(Killed):
        first.claim(inbox, inbox.scan(0.0, 1.0).complete)
    monkeypatch.undo()
    assert names_in(inbox.path) == [NAME]
    first.close()
    second = Claimer(app, Turns(needed=False))
    second.recover(inbox)
    assert names_in(inbox.path) == [NAME, f"{NAME}.done"]
    second.close()


def test_claiming_stops_when_the_disk_is_nearly_full(app: App, inbox: Folder) -> None:
    full = Claimer(replace(app, settings=with_intake(app.settings, free_space_mb=10**9)), Turns(needed=False))
    assert full.claim(inbox, [drop(inbox)]) == []
    assert names_in(inbox.path) == [NAME]
    full.close()


def test_named_files_are_taken_at_once_and_others_stay_where_they_are(
    app: App, inbox: Folder, claimer: Claimer, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "P2_BTCHASSMT.dat"
    elsewhere.write_bytes(charge(200))
    drop(inbox)
    assert len(claimer.take(inbox, [inbox.path / NAME, elsewhere])) == 2
    assert elsewhere.exists() and names_in(inbox.path) == []
    for wrong in (tmp_path / "no_such.dat", tmp_path / "p1_btchpmt.dat", tmp_path):
        with pytest.raises(UsageError):
            claimer.take(inbox, [wrong])


@pytest.mark.parametrize("name", ["p1_btchassmt.dat", "P1_BTCHASSMT.DAT", "p1_BtchAssmt.avro", "btchescr.dat"])
def test_names_in_odd_case_keep_their_spelling(app: App, inbox: Folder, claimer: Claimer, name: str) -> None:
    claimer.claim(inbox, [drop(inbox, name)])
    assert files(app)[0][0] == name


def test_a_name_of_odd_bytes_is_left_in_place(app: App, inbox: Folder) -> None:
    (inbox.path / os.fsdecode(b"p1_\xff\n.dat")).write_bytes(b"x")
    inbox.scan(0.0, 1.0)
    assert inbox.scan(9.0, 1.0).complete == ()
    assert len(list(inbox.path.glob("p1_*"))) == 1


def test_two_thousand_files_at_once(app: App, inbox: Folder, claimer: Claimer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _fd: None)  # what is counted here is files, not disk time
    letters = "btchassmtdat"
    for n in range(2000):  # one name in 2,000 mixtures of case
        spelt = "".join(c.upper() if n >> at & 1 else c for at, c in enumerate(letters))
        (inbox.path / f"p{n % 99 + 1}_{spelt[:9]}.{spelt[9:]}").write_bytes(b"%d\n" % n)
    inbox.scan(0.0, 1.0)
    complete = inbox.scan(2.0, 1.0).complete
    claimed = [claimer.claim(inbox, complete[at : at + 200]) for at in range(0, len(complete), 200)]
    assert sum(map(len, claimed)) == len(complete) == len(files(app)) == 2000
    assert names_in(inbox.path) == []


def test_locks_go_with_their_owner(tmp_path: Path) -> None:
    first, second = slots.acquire(tmp_path), slots.acquire(tmp_path)
    assert [first.folder.name, second.folder.name] == ["1", "2"]
    assert slots.abandoned(tmp_path) == []
    first.release()
    [found] = slots.abandoned(tmp_path)
    assert found.folder.name == "1"
    found.release()
    found.release()
    second.release()
    fsync_dir(tmp_path)


def test_turns_are_given_in_order() -> None:
    turns = Turns(needed=True)
    order: list[int] = []

    def take(number: int) -> Callable[[], None]:
        def run() -> None:
            with turns.mine():
                order.append(number)

        return run

    import threading

    with turns.mine():
        threads = []
        for number in range(5):
            thread = threading.Thread(target=take(number))
            thread.start()
            threads.append(thread)
            while turns._next_ticket < number + 2:
                pass
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_a_file_that_the_system_does_not_give_keeps_no_other_from_being_taken(
    app: App, inbox: Folder, claimer: Claimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder where only its owner may take a file away; the tests may run as the one user who always may."""
    rename = Path.rename

    def guarded(self: Path, target: Path) -> Path:
        if self.name.startswith("p1_"):
            raise PermissionError(errno.EPERM, "not yours", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", guarded)
    with capture_logs() as logs:
        for _ in range(2):
            claimer.claim(inbox, [drop(inbox, f"p{n}_btchassmt.dat", charge(100, n)) for n in (1, 2)])
    assert {name for name, _, _ in files(app)} == {"p2_btchassmt.dat"}
    assert names_in(inbox.path) == ["p1_btchassmt.dat"] and left_over(inbox) == []
    assert [entry["name"] for entry in logs if entry["event"] == "alarm.not_claimed"] == ["p1_btchassmt.dat"]
