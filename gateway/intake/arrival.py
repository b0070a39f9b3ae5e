"""What lies in a source folder, and which of it is complete: a pure decision over our own observations.

The scan is the truth: it is made at least every ``scan_seconds``, right when a file's quiet time ends, and when an
event says that something happened. An event is a hint and nothing depends on it.

``quiet``: size, modification time and inode of a name did not change between observations of ours that lie
``quiet_seconds`` apart on a monotonic clock. How old a file says it is proves nothing: a copy that keeps times looks
old from its first byte. ``marker``: ``name.done`` stands beside it. ``rename``: the name itself is the sign.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

Completeness = Literal["quiet", "marker", "rename"]
Identity = tuple[str, int, int, int]
"""Sort of thing, size, modification time in nanoseconds, inode."""

_SORTS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISLNK, "symlink"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
)
CLOSED: Final = "closed file"
"""A file that this process may not read; its identity is another one once it may."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at one name."""

    name: str
    identity: Identity

    @property
    def is_file(self) -> bool:
        return self.identity[0] == "file"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a source says that a file is whole. ``unfit`` gives code and sentence for a name that is not taken there;
    ``folders`` are the directories in its folder that lead to those of other sources."""

    completeness: Completeness = "quiet"
    quiet_seconds: float = 2.0
    markers: tuple[str, ...] = (".done", ".ok")
    ignored_suffixes: tuple[str, ...] = (".part", ".tmp", ".filepart", ".filtered")
    unfit: Callable[[str], tuple[str, str] | None] = field(default=lambda _name: None)
    folders: frozenset[str] = frozenset()

    def ignored(self, name: str) -> bool:
        return name.startswith(".") or name.lower().endswith(self.ignored_suffixes) or name in self.folders

    def marked(self, name: str) -> str | None:
        """The name a marker speaks of, if ``name`` is a marker here."""
        if self.completeness == "marker":
            for suffix in self.markers:
                if name.lower().endswith(suffix) and len(name) > len(suffix):
                    return name[: -len(suffix)]
        return None


@dataclass(frozen=True, slots=True)
class Watched:
    """A name under observation: unchanged since ``since`` (our monotonic clock)."""

    identity: Identity
    since: float
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Complete:
    """A file to claim, with its marker where there is one."""

    name: str
    identity: Identity
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something left in place, to be reported once."""

    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """``due`` is the monotonic time at which the next look is worth while; None: nothing is under way."""

    complete: tuple[Complete, ...]
    refusals: tuple[Refusal, ...]
    watched: dict[str, Watched]
    due: float | None


def look(folder: Path) -> list[Seen]:
    """Everything in ``folder``, links not followed. A name that goes away meanwhile was not seen."""
    seen = []
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            sort = next((name for test, name in _SORTS if test(status.st_mode)), "device")
            if sort == "file" and not os.access(entry.path, os.R_OK):
                sort = CLOSED
            seen.append(Seen(entry.name, (sort, status.st_size, status.st_mtime_ns, status.st_ino)))
    return seen


def decide(watched: Mapping[str, Watched], seen: Iterable[Seen], now: float, rules: Rules) -> Decision:
    """What to claim and to report, from all names of a folder as seen ``now`` and what was known before."""
    present = [s for s in seen if not rules.ignored(s.name)]
    markers = _markers(present, rules)
    kept: dict[str, Watched] = {}
    complete: list[Complete] = []
    refusals: list[Refusal] = []
    due: float | None = None
    for s in present:
        before = watched.get(s.name)
        state = before if before is not None and before.identity == s.identity else Watched(s.identity, now)
        if s.is_file and rules.marked(s.name) is not None:
            continue
        refusal = _refusal(s, rules)
        if refusal is not None:
            if not state.reported:
                refusals.append(refusal)
            kept[s.name] = Watched(state.identity, state.since, reported=True)
            continue
        marker = markers.get(s.name.lower())
        if _is_complete(state, marker, now, rules):
            complete.append(Complete(s.name, s.identity, marker))
        elif rules.completeness == "quiet":
            end = state.since + rules.quiet_seconds
            due = end if due is None else min(due, end)
        kept[s.name] = state
    complete.sort(key=lambda c: (c.identity[2], c.name))
    return Decision(tuple(complete), tuple(refusals), kept, due)


def _is_complete(state: Watched, marker: str | None, now: float, rules: Rules) -> bool:
    if rules.completeness == "quiet":
        return now - state.since >= rules.quiet_seconds
    return marker is not None or rules.completeness == "rename"


def _markers(present: Iterable[Seen], rules: Rules) -> dict[str, str]:
    """Marker by the name it speaks of, without regard to case: senders shout one and whisper the other."""
    found: dict[str, str] = {}
    for s in present:
        name = rules.marked(s.name) if s.is_file else None
        if name is not None:
            found.setdefault(name.lower(), s.name)
    return found


def _refusal(s: Seen, rules: Rules) -> Refusal | None:
    sort = s.identity[0]
    if sort == CLOSED:
        return Refusal(
            s.name,
            "CLOSED",
            f"Found {printable(s.name)} closed to the user that the gateway runs as, expected a file it may read: its owner "
            "opens it (chmod g+r, or o+r); it is left in place.",
        )
    if not s.is_file:
        return Refusal(
            s.name,
            sort.upper(),
            f"Found the {sort} {printable(s.name)} in the inbox, expected ordinary files: take it away, "
            "it is left in place and not followed.",
        )
    unfit = rules.unfit(s.name)
    return None if unfit is None else Refusal(s.name, *unfit)


def printable(name: str) -> str:
    """A file name that can be logged and stored, whatever bytes it holds."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
