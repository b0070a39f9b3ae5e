"""What lies in the source folders and is not taken: wrong names, links, folders, files that are not whole yet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from gateway.app import App
from gateway.intake.arrival import Rules, decide, look, printable
from gateway.intake.claim import MB, room
from gateway.intake.watching import Folder, folders

_WHY: Final = {
    "quiet": "Found it not yet unchanged for {0.quiet_seconds:g} s, expected that: it is taken by the next look.",
    "marker": "Found no marker beside it, expected its name with {1}: ask the sender.",
    "rename": "Found it just now, expected nothing: it is taken by the next look.",
}


@dataclass(frozen=True, slots=True)
class Left:
    """One name that was left in place. ``wants_person`` is false for what the next look may take by itself."""

    source: str
    name: str
    code: str
    message: str
    wants_person: bool


def left_in_place(app: App) -> list[Left]:
    """By source and name; the log has each of them once, this is how things are now."""
    found: list[Left] = []
    for folder in folders(app):
        decision = decide({}, look(folder.path), 0.0, folder.rules)
        refused = {r.name: r for r in decision.refusals}
        stopped = _stopped(app, folder)
        for name in sorted(decision.watched):
            if name in refused:
                found.append(Left(folder.name, printable(name), refused[name].code, refused[name].message, True))
            elif stopped is not None:
                found.append(Left(folder.name, printable(name), *stopped, True))
            else:
                found.append(Left(folder.name, printable(name), "NOT_WHOLE", _waits(folder.rules), False))
    return found


def _waits(rules: Rules) -> str:
    return _WHY[rules.completeness].format(rules, " or ".join(rules.markers))


def _stopped(app: App, folder: Folder) -> tuple[str, str] | None:
    """Code and sentence of what keeps the gateway from taking anything out of a folder; no next look ends it."""
    free, floor = room(app)
    if free < floor:
        return (
            "NO_SPACE",
            f"Found {free / MB:,.0f} MB free on the disk of {app.home.var}, expected {floor / MB:,.0f} "
            "(intake.free_space_mb): nothing is taken before; make room there.",
        )
    if not os.access(folder.path, os.W_OK | os.X_OK):
        return (
            "FOLDER_CLOSED",
            f"Found the folder {folder.path} closed to the user that the gateway runs as, expected one that files may be "
            "taken out of: its owner opens it (chmod g+wx); nothing is taken before.",
        )
    return None
