"""Drives gateway processes: one command, or a whole day, with or without a step at which the process is killed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

import gateway
from gateway.crashpoints import VARIABLE
from gateway.home import Home

DATE: Final = "2026-03-02"
OPERATOR: Final = "OPS"
SAMPLE: Final = Path(gateway.__file__).parent / "sample"
ROUNDS: Final = 5
"""How often ``gateway deliver`` may be needed: a service would look again by itself."""
_number = itertools.count()


class KilledError(Exception):
    """The process ended by SIGKILL, at the step it was asked to."""


@dataclass(frozen=True)
class Done:
    args: Sequence[str]
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Zygote:
    """The process that forks gateway processes."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Zygote:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2],
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        return cls(process)

    def ask(self, **request: Any) -> dict[str, int]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: dict[str, int] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@dataclass(frozen=True)
class Running:
    gateway: Gateway
    args: Sequence[str]
    pid: int
    out: Path
    err: Path

    def wait(self, *also: int) -> Done:
        """Wait for its end. A fault, but for exit codes that may be ``also``, is an error of the test; a kill is
        ``KilledError`` where one was asked for."""
        code = self.gateway.zygote.ask(wait=self.pid)["code"]
        done = Done(self.args, code, self.out.read_text(), self.err.read_text())
        if self.gateway.kill_at is not None and code == -signal.SIGKILL:
            self.gateway.await_disconnected()
            raise KilledError
        assert code in (0, 1, *also), (self.args, code, done.err[-500:])
        return done


@dataclass(frozen=True)
class Gateway:
    """A home, and how its processes are started. ``kill_at``: ``NAME`` or ``NAME:2``."""

    zygote: Zygote
    home: Home
    database_url: str = ""
    kill_at: str | None = None
    scratch: Path = field(default=Path())

    def killed_at(self, step: str) -> Gateway:
        return Gateway(self.zygote, self.home, self.database_url, step, self.scratch)

    def start(self, *args: str) -> Running:
        number = next(_number)
        out, err = self.scratch / f"{number}.out", self.scratch / f"{number}.err"
        given = [*args, "--home", str(self.home.root)]
        env = {VARIABLE: self.kill_at or ""}
        return Running(self, given, self.zygote.ask(args=given, env=env, out=str(out), err=str(err))["pid"], out, err)

    def run(self, *args: str) -> Done:
        return self.start(*args).wait()

    def rows(self, *args: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run(*args, "--json").json()["rows"]
        return found

    def await_disconnected(self) -> None:
        """PostgreSQL ends a killed client's sessions when it sees the socket closed: a moment, but not none."""
        if not self.database_url:
            return
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            others = (
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            while connection.execute(others).fetchone() != (0,):
                connection.execute("SELECT pg_stat_clear_snapshot()")


# --- a day's commands, in order -----------------------------------------------------------------------------


def process(gateway: Gateway) -> None:
    gateway.run("process")


def end_of_period(gateway: Gateway) -> None:
    assert gateway.run("eop", "--date", DATE).code == 0


def approve(gateway: Gateway) -> None:
    """Everything that waits; a scratch file goes with its bank file."""
    while waiting := gateway.rows("outbound", "list", "--state", "BUILT"):
        first = waiting[0]
        shown = gateway.run("outbound", "show", str(first["id"]), "--json").json()
        held = sorted({f["rule"] for f in shown["findings"] if f["action"] == "HOLD"})
        accept = [word for rule in held for word in ("--accept", rule)] + ["--reason", "looked at"]
        gateway.run("outbound", "approve", str(first["id"]), "--sha256", first["sha256"], *accept)


def deliver(gateway: Gateway) -> None:
    for _ in range(ROUNDS):
        gateway.run("deliver")
        if all(row["state"] == "DELIVERED" for row in gateway.rows("deliver", "list")):
            return
    raise AssertionError(gateway.rows("deliver", "list"))


def rotate_keys(gateway: Gateway) -> None:
    """A person looks whether it was done before doing it again."""
    shown = gateway.run("keys", "show", "--json").json()
    if shown["unfinished"] or shown["rotated_at"] is None:
        assert gateway.run("keys", "rotate").code == 0
    after = gateway.run("keys", "show", "--json")
    assert after.code == 0 and [row["role"] for row in after.json()["rows"]] == ["seals"], after.out


def build_by_hand(gateway: Gateway) -> None:
    """A person looks whether the file is there before building it again."""
    if not gateway.rows("outbound", "list", "--kind", "VACH-BANK"):
        gateway.run("outbound", "build", "vach", "--portfolio", "1")


Command = Callable[[Gateway], None]
DAY: Final[tuple[Command, ...]] = (process, end_of_period, approve, deliver, rotate_keys)
BY_HAND: Final[tuple[Command, ...]] = (process, build_by_hand, end_of_period, approve, deliver)


@dataclass(frozen=True)
class Part:
    """The part of the day that is played around a kill: from one command to before another."""

    first: int
    end: int


PARTS: Final = {"claim": Part(0, 1), "post": Part(0, 1), "eop": Part(1, 4), "build": Part(1, 4), "release": Part(2, 4),
                "deliver": Part(3, 4), "keys": Part(3, 5)}  # fmt: skip
"""By the first word of a step's name. A step of another name is looked for in the whole day."""


def part_of(step: str) -> Part:
    return PARTS.get(step.partition(".")[0], Part(0, len(DAY)))


def play(gateway: Gateway, commands: Sequence[Command]) -> None:
    for command in commands:
        command(gateway)


def drop_sample(home: Home) -> None:
    for path in sorted((SAMPLE / "inbox").iterdir()):
        shutil.copyfile(path, home.inbox / path.name)
