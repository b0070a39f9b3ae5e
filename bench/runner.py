"""What all parts of the bench share: figures with targets, and measurements in processes of their own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``target`` None: shown for comparison, nothing is promised about it."""

    part: str
    what: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["more", "less"] = "less"
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "less" else self.value >= self.target

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


@dataclass(frozen=True)
class Measured:
    """What one process reported, and the most memory it held, with the processes it started."""

    values: Mapping[str, Any]
    peak_mb: float

    @property
    def seconds(self) -> float:
        return float(self.values["seconds"])


class MeasurementError(Exception):
    """A measurement did not do what it should have done: it has no figure."""


class Memory:
    """The most that a process and its children held together, looked at a few times a second.

    The kernel's own figure is exact but of one process; where a second one helps, its memory counts too.
    """

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self.peak_mb = max(self.peak_mb, _resident_mb(self._pid))


def _resident_mb(pid: int) -> float:
    """Resident memory of a process and all below it; one that ends meanwhile counts nothing."""
    pages: dict[int, int] = {}
    parents: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            number = int(process.name)
            parents[number] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            pages[number] = int((process / "statm").read_text().split()[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(pages.get(number, 0) for number in family) * os.sysconf("SC_PAGE_SIZE") / 1024**2


@dataclass
class Bench:
    """One run: how large, where, and what was found so far."""

    folder: Path
    scale: float = 1.0
    runs: int = 3
    figures: list[Figure] = field(default_factory=list)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[Any, Any] = field(default_factory=dict)  # what one part leaves for another
    stack: ExitStack = field(default_factory=ExitStack)  # servers to stop at the end

    def count(self, full: int) -> int:
        """A size at the scale of this run."""
        return max(1, round(full * self.scale))

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        self.say(f"  {figure.part}: {figure.what}: {shown(figure.value)} {figure.unit}".rstrip())

    def measure(self, function: str, *, environment: Mapping[str, str] | None = None, **arguments: Any) -> Measured:
        """Run ``module:function`` with these arguments in a new process, from a disk at rest."""
        os.sync()
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.child", function, json.dumps(arguments)],
            cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        with process.stdout, Memory(process.pid) as memory:
            lines = process.stdout.read().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0 or not lines:
            raise MeasurementError(f"{function} ended with {process.returncode}; its own words are above")
        measured = Measured(json.loads(lines[-1]), max(usage.ru_maxrss / 1024, memory.peak_mb))
        self.measurements.append(
            {
                "function": function, "arguments": arguments, "peak_mb": measured.peak_mb,
                "cpu_seconds": usage.ru_utime + usage.ru_stime, **measured.values,
            }
        )  # fmt: skip
        return measured


def median_seconds(measured: Sequence[Measured]) -> float:
    return statistics.median(m.seconds for m in measured)


def peak(measured: Sequence[Measured]) -> float:
    return max(m.peak_mb for m in measured)


def shown(value: float) -> str:
    """As many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
