"""Frozen files: the same rows give the same bytes; the outbox heals after a crash; names never recur."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway.app import App
from gateway.clock import FixedClock
from gateway.console.status import status
from gateway.errors import GatewayError, LedgerError, Refused
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.outbound import outbox, store
from gateway.outbound.built import Built
from gateway.outbound.store import Frozen
from gateway.parts import verify_options
from gateway.release import release
from gateway.release.build import build, finish
from parsers.gl_scratch import GlRecord
from tests.outbound import world
from writers.text import WriterError


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    return world.app_at(home, db, clock, portfolio={"release": {"kinds_without": []}})


def gl_file(name: str = "DSGL_P01.DAT", **changes: Any) -> store.NewFile:
    record = GlRecord("1", "1", "1", "1", "2026-03-02", "D", "1125", "CASH 125", 0, 0, 0, 0, 0)
    values: dict[str, Any] = {
        "name": name, "kind": "DSGL", "portfolio": "1", "business_date": "2026-03-02", "header": {"width": 128},
        "rows": [record], "sources": [(1, "account:15")], "records": 1, "hold_text": "waits",
    } | changes  # fmt: skip
    return store.NewFile(**values)


def frozen(app: App, **changes: Any) -> Frozen:
    with app.db.write() as connection:
        return store.freeze(app, connection, gl_file(**changes))


def test_a_crash_between_commit_and_outbox_is_finished_at_start(app: App) -> None:
    file = frozen(app)
    assert not (app.home.outbox / file.name).exists()
    assert outbox.settle(app) == [file.name]
    assert (app.home.outbox / file.name).read_bytes() == store.render(app, file.outbound_id)
    assert outbox.settle(app) == []
    assert not list(app.home.work.iterdir())


@pytest.mark.parametrize("looked_at", ["staged", "moved", "published"])
def test_the_service_settles_while_a_build_puts_its_file_into_the_outbox(
    app: App, monkeypatch: pytest.MonkeyPatch, looked_at: str
) -> None:
    """The build ended in FileNotFoundError after its commit; an approval would have been rolled back."""
    file = frozen(app)
    staged, target = store.staged_path(app, file.outbound_id), app.home.outbox / file.name
    real_hash, real_move = outbox.copy_sha256, Path.replace
    settled: list[str] = []

    def settle() -> None:
        if not settled:
            settled.append("once")
            outbox.settle(app)

    def hashed(path: Path) -> str | None:
        if looked_at == "staged" and path == staged:
            settle()
        return real_hash(path)

    def moved(path: Path, to: Path) -> Path:
        if looked_at == "moved" and path == staged:
            settle()
        return real_move(path, to)

    if looked_at == "published":
        settle()
    monkeypatch.setattr(outbox, "copy_sha256", hashed)
    monkeypatch.setattr(Path, "replace", moved)
    assert outbox.publish(app, file.outbound_id, file.name, file.sha256) == target
    assert settled == ["once"]
    assert real_hash(target) == file.sha256 and not staged.exists()


def test_a_crash_before_the_commit_leaves_nothing(app: App) -> None:
    with pytest.raises(ZeroDivisionError), app.db.write() as connection:
        store.freeze(app, connection, gl_file())
        raise ZeroDivisionError
    assert [p.name for p in app.home.work.iterdir()] == ["outbound-1.staged"]
    assert outbox.settle(app) == []
    assert not list(app.home.work.iterdir()) and not list(app.home.outbox.iterdir())


def test_bytes_put_aside_by_a_build_that_was_undone_are_not_published(app: App) -> None:
    with pytest.raises(ZeroDivisionError), app.db.write() as connection:
        store.freeze(app, connection, gl_file(header={"width": 143}))
        raise ZeroDivisionError
    file = frozen(app)  # takes the same number
    assert outbox.settle(app) == [file.name]
    assert (app.home.outbox / file.name).stat().st_size == 128


def test_a_missing_file_that_waits_is_made_again_and_a_fetched_one_is_not(app: App) -> None:
    file = frozen(app)
    outbox.settle(app)
    path = app.home.outbox / file.name
    path.unlink()
    assert outbox.settle(app) == [file.name]
    assert path.stat().st_mode & 0o777 == 0o600
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    path.unlink()  # no endpoint: whoever it is for took it
    assert outbox.settle(app) == []
    assert outbox.publish(app, file.outbound_id, file.name, file.sha256).exists(), "on request it is made again"


def test_one_file_that_cannot_be_made_again_keeps_no_other_from_the_outbox(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [frozen(app, name=f"DSGL_{n}.DAT") for n in range(3)]
    for staged in app.home.work.iterdir():
        staged.unlink()
    broken: dict[int, Exception] = {
        1: WriterError("account 12345678 does not fit"), 2: LedgerError("the field key is missing"),
    }  # fmt: skip

    def render(app: App, outbound_id: int) -> bytes:
        if outbound_id in broken:
            raise broken[outbound_id]
        return store.render(app, outbound_id)

    monkeypatch.setattr(outbox, "render", render)
    with pytest.raises(GatewayError) as caught:
        outbox.settle(app)
    assert "DSGL_0.DAT (#1): found WriterError; DSGL_1.DAT (#2): the field key is missing; the others" in str(
        caught.value
    )
    assert [p.name for p in app.home.outbox.iterdir()] == ["DSGL_2.DAT"]
    broken.clear()
    assert outbox.settle(app) == [file.name for file in files[:2]]


def test_a_released_file_is_put_aside_and_not_lost(app: App) -> None:
    """The process ended between the commit that released it at build and the outbox."""
    local = world.app_at(app.home, app.db, app.clock)
    file = frozen(local)
    assert file.state == "LOCAL"
    assert outbox.settle(local) == [file.name]


def test_a_foreign_file_in_the_outbox_is_never_overwritten(app: App) -> None:
    file = frozen(app)
    foreign = app.home.outbox / file.name
    foreign.write_text("mine")
    with pytest.raises(GatewayError, match="found a file of other bytes there"):
        outbox.publish(app, file.outbound_id, file.name, file.sha256)
    assert foreign.read_text() == "mine"


def test_changed_rows_are_a_fault_not_a_file(app: App) -> None:
    file = frozen(app)
    with app.db.write() as connection:
        payload = connection.execute(text("SELECT payload FROM outbound_row")).scalar_one()
        connection.execute(
            text("UPDATE outbound_row SET payload = :p"), {"p": bytes(payload).replace(b"CASH", b"CASE")}
        )
    with pytest.raises(LedgerError, match=rf"found SHA-256 \w+, expected {file.sha256} as built"):
        store.render(app, file.outbound_id)
    with pytest.raises(Refused, match="found no outbound file 99"):
        store.render(app, 99)


def test_rows_are_frozen_in_blocks_and_found_one_by_one(db: Database, home: Home, clock: FixedClock) -> None:
    """Ledgers of revision 0002 have them row by row: both read the same."""
    app = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH})
    world.company(db)
    world.vendor(db)
    count = 2 * store.ROWS_A_BLOCK + 1
    for number in range(1, count + 1):
        world.check(db, str(number), number, reference=None)
    file, scratch = build(app, "VACH", "1").files
    assert world.all_of(db, "SELECT seq FROM outbound_row WHERE outbound_id = 1 ORDER BY seq") == [(1,), (101,), (201,)]
    sealed = world.all_of(db, "SELECT payload FROM outbound_row")
    assert not any(b"12345678" in bytes(payload) for (payload,) in sealed)
    for _ in ("in blocks", "row by row"):
        for one in (file, scratch):
            assert hashlib.sha256(store.render(app, one.outbound_id)).hexdigest() == one.sha256
        keys = [(1, seq) for seq in (1, 2, 100, 101, count)]
        with db.read() as connection:
            found = store.sealed_rows(app, connection, [*keys, (2, 7)])
        assert {key: found[key][4] for key in keys} == {key: key[1] for key in keys}, "their amounts"
        assert found[2, 7][10] == "7" and len(found) == 6
        world.rows_as_of_0002(app)


def test_names_never_recur(app: App) -> None:
    frozen(app)
    with pytest.raises(IntegrityError):
        frozen(app)

    def pair(extra: str) -> tuple[str, str]:
        return f"dsgl_p01{extra}.dat", f"other{extra}.dat"

    with app.db.write() as connection:
        names = store.first_free_names(app.db, connection, pair, store.numbered())
        assert names == ("dsgl_p01-2.dat", "other-2.dat"), "whatever the case, and in both names"
        with pytest.raises(Refused, match="found every further name used"):
            store.first_free_names(app.db, connection, pair, iter([""]))


def test_a_source_goes_out_once(app: App) -> None:
    frozen(app, claims=["check:1:126:1"])
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
        frozen(app, name="OTHER.DAT", claims=["check:1:126:1"])


def test_rows_of_one_kind_open_as_nothing_else(app: App) -> None:
    other = replace(app, vault=type(app.vault)(b"x" * 32))
    world.vendor(app.db)
    world.check(app.db, "1")
    vach = world.app_at(app.home, app.db, app.clock, portfolio={"vendor_ach": world.VENDOR_ACH})
    file = build(vach, "VACH", "1").files[0]
    with pytest.raises(GatewayError, match="decrypting outbound"):
        store.render(other, file.outbound_id)


def test_building_needs_the_right(app: App, tmp_path: Path) -> None:
    clerk = world.as_person(app, replace(world.ANN, rights=frozenset()))
    with pytest.raises(Refused, match="without the right 'post'"):
        build(clerk, "DSGL", "1")


def test_what_is_not_ours_in_the_outbox_is_named(app: App) -> None:
    file = frozen(app)
    outbox.settle(app)
    for name in (
        f".{file.name}.{os.getpid()}.tmp",
        f"{file.name}.sealed",
    ):  # being written, and a copy that is put away
        (app.home.outbox / name).touch()
    assert outbox.strangers(app) == []
    planted = [f".{file.name}.tmp", "PLANTED.DAT", "x.tmp"]
    for name in planted:
        (app.home.outbox / name).touch()
    assert outbox.strangers(app) == [
        f"{name}: no file of the gateway's; find out who put it there, and move it away" for name in planted
    ]
    told = {check.name: check.detail for check in verify(app.db, **verify_options(app)) if not check.ok}
    assert "PLANTED.DAT: no file of the gateway's" in told["files in the outbox are as built"]
    found = status(app, None)
    assert found.wants_attention and list(found.outbox) == outbox.strangers(app)


def test_what_a_killed_process_was_writing_is_removed_at_start(app: App) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = app.home.outbox / f".P01-VACH-BANK-260303.DAT.{gone.pid}.tmp"
    left.write_bytes(b"an account number")
    (told,) = outbox.strangers(app)
    assert told.startswith(f"{left.name}: no file of the gateway's")
    outbox.settle(app)
    assert not left.exists() and outbox.strangers(app) == []


def test_what_a_killed_process_was_writing_and_cannot_be_removed_hinders_nothing(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each delivery ended there in a fault with a traceback, and put nothing back."""
    file = frozen(app)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = app.home.outbox / f".P01-VACH-BANK-260303.DAT.{gone.pid}.tmp"
    left.write_bytes(b"an account number")
    removed = Path.unlink

    def kept(path: Path, missing_ok: bool = False) -> None:
        if path == left:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        removed(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", kept)
    said = rf"or left half written: could not remove {left.name}: Operation not permitted; nobody should fetch it: move it away$"
    with pytest.raises(GatewayError, match=said):
        outbox.settle(app)
    assert (app.home.outbox / file.name).exists()


def test_copies_in_the_outbox_are_compared(app: App) -> None:
    file = frozen(app)
    path = app.home.outbox / file.name
    assert outbox.strange_copies(app) == [f"{file.name}: missing; the next gateway deliver or gateway run puts it back"]
    outbox.settle(app)
    assert outbox.strange_copies(app) == []
    whole = path.read_bytes()
    path.write_bytes(whole + b" ")
    back = "the next gateway deliver or gateway run puts it back"
    assert outbox.strange_copies(app) == [f"{file.name}: other bytes; move it away, then {back}"]
    told = {check.name: check.detail for check in verify(app.db, **verify_options(app)) if not check.ok}
    assert told["files in the outbox are as built"] == f"{file.name}: other bytes; move it away, then {back}", (
        "as verify is given it"
    )
    path.write_bytes(whole)
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    path.write_bytes(b"changed after release")
    again = f"move it away, then gateway outbound export {file.outbound_id} PATH --reason WHY writes it again"
    assert outbox.strange_copies(app) == [f"{file.name}: other bytes; {again}"]
    path.unlink()
    assert outbox.strange_copies(app) == [], "whoever it is for took it"


TRANSFER: dict[str, Any] = {"header": {"width": 128, "through_unit": 0}}
"""So that it can be rejected."""


def _link(path: Path) -> None:
    """To bytes that are right, beside the outbox."""
    path.symlink_to(path.rename(path.parent.parent / "elsewhere"))


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("become", "kind"), [(_link, "link"), (_dangling, "link"), (_folder, "folder"), (_pipe, "thing that is no file")]
)
def test_what_is_no_file_in_place_of_a_copy_is_told_and_hides_nothing(
    app: App, become: Callable[[Path], None], kind: str
) -> None:
    """A folder ended approval, rejection, verify and each delivery in a fault with a traceback; a link was sealed and its
    account numbers stayed where it pointed."""
    file, other = frozen(app, **TRANSFER), frozen(app, name="DSGL_P01-2.DAT", sources=[(1, "account:16")], **TRANSFER)
    outbox.settle(app)
    path = app.home.outbox / file.name
    become(path)
    (app.home.outbox / other.name).write_bytes(b"x")
    found = f"found a {kind} at outbox/{file.name}, expected a file"
    back = "move it away, then the next gateway deliver or gateway run puts it back"
    assert outbox.strange_copies(app) == [f"{file.name}: {found}; {back}", f"{other.name}: other bytes; {back}"]
    with pytest.raises(GatewayError, match=f"^writing outbox/{file.name}: {found}; move it away and start"):
        release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)

    release.reject(app, file.outbound_id, reason="wrong")

    (app.home.outbox / other.name).unlink()
    if kind == "folder":
        with pytest.raises(
            GatewayError, match=rf"^taking out .* could not remove {file.name} \(#1\): .*; nobody should fetch it: move"
        ):
            outbox.settle(app)
        assert outbox.strangers(app) == [f"{file.name}: rejected or called back, not to be fetched; move it away"]
        path.rmdir()
    assert (app.home.outbox / other.name).exists() is (kind == "folder"), "one that stays keeps no other away"
    outbox.settle(app)
    assert (app.home.outbox / other.name).exists() and not path.is_symlink() and not path.exists()


def _elsewhere(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Nothing can be moved from the work folder to the outbox: it is another file system's (EXDEV), or cannot be written."""
    real = Path.replace

    def moved(path: Path, to: Path) -> Path:
        if to.parent.name == "outbox" and (path.parent != to.parent or code != errno.EXDEV):
            raise OSError(code, os.strerror(code), str(path), None, str(to))
        return real(path, to)

    monkeypatch.setattr(Path, "replace", moved)


def test_an_outbox_on_another_file_system_gets_its_files(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount, or a link to one: nothing came there, ever, and the words were to see to rights and room."""
    _elsewhere(monkeypatch, errno.EXDEV)
    file = frozen(app)
    assert outbox.settle(app) == [file.name]
    assert (app.home.outbox / file.name).read_bytes() == store.render(app, file.outbound_id)
    assert not list(app.home.work.iterdir()) and outbox.unplaced(app) == []


def test_an_outbox_that_cannot_be_written_is_told_in_words(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was built, or rejected, was so, and the command ended in a fault with a traceback."""
    file = frozen(app, **TRANSFER)
    outbox.settle(app)
    _elsewhere(monkeypatch, errno.EROFS)
    words = "Read-only file system; see to rights and room, then the next gateway deliver or gateway run puts there what is built"
    made = frozen(app, name="DSGL_P01-2.DAT", sources=[(1, "account:16")], **TRANSFER)
    with pytest.raises(GatewayError, match=f"^{made.name} \\(#2\\) is built; writing outbox/{made.name}: {words}$"):
        finish(app, Built((made,)))

    def kept(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", kept)
        release.reject(app, file.outbound_id, reason="wrong")
    taken = "rejected or called back, not to be fetched; the next gateway deliver or gateway run takes it away"
    assert outbox.strangers(app) == [f"{file.name}: {taken}"]
