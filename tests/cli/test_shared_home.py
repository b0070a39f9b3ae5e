"""Several people in one home: what anybody of its group makes, anybody of it can use, and nobody else can.

As root the second person is another system user with the group in common; otherwise the caller is both, and what is held
is what the modes say of every file, which is how the system decides for a second one.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway import setup
from gateway.app import system_user
from gateway.cli import common
from gateway.errors import UsageError
from tests.cli.conftest import SAMPLE

BANK = """
[banks.first]
name = "FIRST BANK"
routing_number = "091000019"
immediate_origin = "9100220033"
origin_name = "MAIN STREET LEASING"
company_name = "MAIN STREET LSG"
company_identification = "9100220033"
"""
PORTFOLIO = """
[vendor_ach]
used = true
bank = "first"
"""


def _open_to_others(path: Path) -> bool:
    return all(p.stat().st_mode & 0o005 == 0o005 for p in (path, *path.parents))


def _interpreter() -> str | None:
    """A Python of this version that other users may start; None where there is none."""
    tried = (Path(sys.executable).resolve(), Path(f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"))
    packages = Path(pytest.__file__).parent.parent
    able = all(_open_to_others(path) for path in (packages, Path(gateway.__file__).parent))
    return next((str(path) for path in tried if able and path.exists() and _open_to_others(path)), None)


@dataclass(frozen=True)
class Person:
    """Who runs commands: a system user for ``subprocess``, or the caller."""

    name: str
    python: str = sys.executable
    given: dict[str, Any] = field(default_factory=dict)

    def run(self, *arguments: str, code: int = 0) -> str:
        path = os.pathsep.join([str(Path(gateway.__file__).parent.parent), str(Path(pytest.__file__).parent.parent)])
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [self.python, "-m", "gateway", *arguments], capture_output=True, text=True, umask=0o022, cwd="/",
            env={"PATH": os.defpath, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}, **self.given,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def _people() -> tuple[Person, Person, str]:
    """Two people and their group."""
    python = _interpreter()
    if os.geteuid() != 0 or python is None:
        me = Person(system_user())
        return me, me, grp.getgrgid(os.getegid()).gr_name
    users = [pwd.getpwnam(name) for name in ("daemon", "nobody")]
    group = grp.getgrgid(users[0].pw_gid)
    first, second = (
        Person(
            u.pw_name, python, {"user": u.pw_uid, "group": u.pw_gid, "extra_groups": [group.gr_gid]},
        )
        for u in users
    )  # fmt: skip
    return first, second, group.gr_name


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the people can reach, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-shared-"))
    folder.chmod(0o755)
    ann, _, _ = _people()
    os.chown(folder, pwd.getpwnam(ann.name).pw_uid, -1)
    yield folder
    shutil.rmtree(folder)


def drop(root: Path, name: str, text: str) -> None:
    """As a sender does whose files anybody may read."""
    (root / "inbox" / name).write_text(text)
    (root / "inbox" / name).chmod(0o644)


def closed(root: Path, group: int) -> list[str]:
    """Everything of a home that the group cannot work with, or that others can see."""
    strange = []
    for top in ("config", "inbox", "outbox", "var"):
        for path in (root / top, *(root / top).rglob("*")):
            status = path.lstat()
            mode = stat.S_IMODE(status.st_mode)
            wanted = 0o2050 if stat.S_ISDIR(status.st_mode) else 0o040
            if top != "config" and (stat.S_ISDIR(status.st_mode) or path.suffix in (".db", ".lock", ".log")):
                wanted |= 0o020  # written in place, by whoever works
            if status.st_gid != group or mode & wanted != wanted or mode & 0o007:
                strange.append(f"{path} {mode:04o}")
            if top == "config" and mode & 0o020:
                strange.append(f"{path} {mode:04o}: who may do what is not the group's to say")
    return strange


def test_two_people_work_in_one_home(place: Path) -> None:
    ann, bob, group = _people()
    root = place / "home"
    at = ("--home", str(root))
    ann.run("init", str(root), "--group", group, "--code", "ANN")
    _write(root / "config" / "operators.toml", f'\n[operators.BOB]\nusers = ["{bob.name}"]\n' * (bob.name != ann.name))
    _write(root / "config" / "gateway.toml", BANK)
    (root / "config" / "portfolios" / "p01.toml").write_text(PORTFOLIO)
    gid = grp.getgrnam(group).gr_gid
    assert closed(root, gid) == []

    ann.run("load", str(SAMPLE / "reference"), "--date", "2026-03-02", *at)
    drop(root, "p1_btchassmt.dat", "<lease>1001<assmt>LTCH<amount>2500\n<lease>9<assmt>LTCH<amount>2500\n")
    bob.run("process", *at, code=1)
    drop(root, "p1_btchpmt.dat", "L1001,2500,C77\n")
    (root / "inbox" / "p1_btchescr.dat").touch(mode=0)
    assert "Found p1_btchescr.dat closed to the user that the gateway runs as" in ann.run("process", *at, code=1)
    (root / "inbox" / "p1_btchescr.dat").unlink()
    with sqlite3.connect(root / "var" / "ledger.db") as ledger:  # whoever else has it open: -wal and -shm are there
        ledger.execute("SELECT COUNT(*) FROM posting_unit").fetchall()
        bob.run("outbound", "build", "vach", "--portfolio", "1", *at)
        assert {"ledger.db-wal", "ledger.db-shm"} <= {p.name for p in (root / "var").iterdir()}
        assert closed(root, gid) == []
    bank_file = next(p for p in (root / "outbox").iterdir() if "VACH" in p.name.upper())
    assert stat.S_IMODE(bank_file.stat().st_mode) == 0o660
    ann.run("verify", *at)
    if bob.name != ann.name:
        denied = bob.run("keys", "rotate", *at, code=3)
        assert f"closed to user {bob.name}, expected" in denied and f"{ann.name}, whose it is" in denied
    ann.run("keys", "rotate", *at)
    assert closed(root, gid) == []


def _write(path: Path, more: str) -> None:
    path.write_text(path.read_text() + more)


def test_a_home_is_shared_later_and_what_it_holds_with_it(place: Path) -> None:
    ann, bob, group = _people()
    root = place / "home"
    at = ("--home", str(root))
    ann.run("init", str(root), "--code", "ANN")
    for folder in ("var", "config/keys"):
        assert stat.S_IMODE((root / folder).stat().st_mode) == 0o700
    if bob.name != ann.name:
        denied = bob.run("status", *at, code=3)
        assert (
            f"closed to user {bob.name}, expected" in denied
            and f"ask {ann.name}, whose it is, to do this, or to share the home" in denied
        )
    said = ann.run("init", str(root), "--group", group)
    assert said.startswith(f"Group {group} shares {root} now")
    assert closed(root, grp.getgrnam(group).gr_gid) == []


def test_a_group_is_one_of_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--group no-such-group: found no such group"):
        setup.group_id("no-such-group")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "getegid", lambda: 4711)
    monkeypatch.setattr(os, "getgroups", lambda: [4711])
    with pytest.raises(UsageError, match="found that you are not in it"):
        setup.group_id(grp.getgrgid(0).gr_name)


def test_what_is_closed_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the system said, its file, whose it is, and what to do; no fault."""
    session = common.Session(tmp_path, as_json=False, operator=None, debug=False)

    def denied() -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path / "gone" / "ledger.db"))

    assert common.guarded(session, denied) == 3
    assert capsys.readouterr().err == (
        f"gateway: found {tmp_path}/gone/ledger.db closed to user {system_user()}, expected one that whoever works here may use: "
        f"ask {system_user()}, whose it is, to do this, or to share the home with a group of yours (gateway init HOME --group GROUP)\n"
    )
