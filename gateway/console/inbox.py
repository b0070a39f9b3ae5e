"""What lies in the source folders and is not taken: wrong names, links, folders, files that are not whole yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.app import App
from gateway.intake.arrival import Rules, decide, look, printable
from gateway.intake.watching import folders

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
        for name in sorted(decision.watched):
            if name in refused:
                found.append(Left(folder.name, printable(name), refused[name].code, refused[name].message, True))
            else:
                found.append(Left(folder.name, printable(name), "NOT_WHOLE", _waits(folder.rules), False))
    return found


def _waits(rules: Rules) -> str:
    return _WHY[rules.completeness].format(rules, " or ".join(rules.markers))
