"""A progress bar that appears only when a step takes its time."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Starts by a timer, so that a step which tells nothing about its way shows that it lives, too."""

    def __init__(self, what: str, *, after: float, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=console or Console(stderr=True), transient=True, refresh_per_second=4,
        )  # fmt: skip
        self._task = self._progress.add_task(what, total=None)
        self._timer = threading.Timer(after, self._progress.start)
        self._timer.daemon = True

    def update(self, done: int, total: int | None) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()  # it may be starting the bar right now
        self._progress.stop()
