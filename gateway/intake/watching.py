"""Looks at source folders at the right moments: on events, on time, and exactly when a quiet time ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from gateway import log
from gateway.app import App
from gateway.intake.arrival import Complete, Decision, Rules, Watched, decide, look, printable
from gateway.intake.identify import other_kind, unknown_name
from gateway.settings import Settings, Source

_EVENTS: Final[list[type[FileSystemEvent]]] = [FileCreatedEvent, FileClosedEvent, FileMovedEvent]
"""Only these: with every type subscribed the kernel's queue overflows in a burst of thousands. Created is there for
files moved in from another folder, which the library reports so."""


@dataclass(slots=True)
class Folder:
    """A source folder with what is known of the names in it."""

    name: str
    path: Path
    source: Source
    rules: Rules
    watched: dict[str, Watched] = field(default_factory=dict)
    due: float = 0.0  # monotonic time of the next look

    def scan(self, now: float, scan_seconds: float) -> Decision:
        """Look, decide, report what is refused; the caller claims what is complete."""
        decision = decide(self.watched, look(self.path), now, self.rules)
        self.watched = decision.watched
        self.due = now + scan_seconds if decision.due is None else min(decision.due, now + scan_seconds)
        for refusal in decision.refusals:
            log.get(__name__).warning(
                "arrival.refused",
                source=self.name,
                name=printable(refusal.name),
                code=refusal.code,
                message=refusal.message,
            )
        return decision

    def claimed(self, done: Complete) -> None:
        """The name is ours now; whatever takes it next is another file."""
        self.watched.pop(done.name, None)


def folders(app: App) -> list[Folder]:
    """One for each configured source; folders that are missing are made."""
    intake, sources = app.settings.gateway.intake, app.settings.gateway.sources
    places = {name: app.home.root / source.path for name, source in sources.items()}
    made = []
    for name, source in sources.items():
        path = places[name]
        path.mkdir(parents=True, exist_ok=True)
        rules = Rules(
            completeness=source.completeness,
            quiet_seconds=source.quiet_seconds,
            markers=tuple(m.lower() for m in source.markers),
            ignored_suffixes=tuple(s.lower() for s in intake.ignored_suffixes),
            unfit=lru_cache(maxsize=100_000)(partial(_unfit, app.settings, source)),
            folders=frozenset(
                place.relative_to(path).parts[0]
                for place in places.values()
                if place != path and place.is_relative_to(path)
            ),
        )
        made.append(Folder(name, path, source, rules))
    return made


def _unfit(settings: Settings, source: Source, name: str) -> tuple[str, str] | None:
    """Why a name is not taken there: code and sentence."""
    if (why := unknown_name(settings, name)) is not None:
        return "UNKNOWN_NAME", why
    if (why := other_kind(settings, source, name)) is not None:
        return "OTHER_KIND", why
    return None


class _Handler(FileSystemEventHandler):
    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._wake()


class Observers:
    """watchdog over the folders: every event calls ``wake``. Missing events cost time, never a file."""

    def __init__(self, watched: list[Folder], wake: Callable[[], None]) -> None:
        self._observers: list[BaseObserver] = []
        self._watched = watched
        self._wake = wake

    def start(self) -> None:
        for folder in self._watched:
            observer: BaseObserver = PollingObserver() if folder.source.polling else Observer()
            kinds = None if folder.source.polling else _EVENTS
            observer.schedule(_Handler(self._wake), str(folder.path), event_filter=kinds)
            try:
                observer.start()
            except OSError as error:  # no inotify watches left: the scan goes on alone
                log.get(__name__).warning("arrival.no_events", source=folder.name, error=str(error))
                continue
            self._observers.append(observer)

    def stop(self) -> None:
        for observer in self._observers:
            observer.stop()
        for observer in self._observers:
            observer.join()
        self._observers = []
