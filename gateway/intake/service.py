"""The intake as a whole: one pass for ``gateway process``, a loop for ``gateway run``.

Claiming has its own thread and never waits for a posting to end, except for its turn to write on SQLite. Posting
has ``intake.workers`` threads; the files of one portfolio go one after the other in the order of their claims. A bare
file may belong to any portfolio: it waits for what was claimed before it, and what was claimed after it waits for it,
so that the outcome does not depend on which thread was faster.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from gateway import log
from gateway.app import App
from gateway.errors import GatewayError
from gateway.intake.artifacts import confirm, unreported, write_unconfirmed
from gateway.intake.claim import Claimer
from gateway.intake.drafting import Drafts
from gateway.intake.files import retry_failed
from gateway.intake.hashes import remove_abandoned
from gateway.intake.identify import identified_file
from gateway.intake.processing import ProcessedFile, process_file
from gateway.intake.turns import Turns
from gateway.intake.watching import Folder, Observers, folders
from gateway.ledger.faults import in_words

PAUSE: Final = 0.02
"""Seconds at least between two looks, and four times as long as a look takes: a burst must not scan without end."""

ADOPT_SCANS: Final = 10
"""Scans after which claims of processes that ended are looked for."""

LONGEST_PAUSE: Final = 0.5
"""Seconds that a pause after a long look takes at most, to hear that the loop should stop."""

LONGEST_WAIT: Final = 0.1
"""Seconds after which the loop looks, event or not: after a name left a folder, as by our own claim, the watching
library holds back the events behind it for half a second, to find out where it went."""

TROUBLE: Final = (OSError, SQLAlchemyError, psycopg.Error, GatewayError)
"""What the loop survives: the machine's faults, and ours that say what to do, as of a key that others can read. Files stay
where they are and are taken up again."""

TROUBLE_PAUSE: Final = 1.0
"""Seconds between two tries while the machine or the database is in trouble."""

CONFIRM_FILES: Final = 32
"""Files whose reports are flushed to disk together."""

REPORT_PAUSE: Final = 60.0
"""Seconds after which reports that could not be written are tried again; of a large file a try takes seconds."""

Progress = Callable[[str, int, int], None]
"""(file name, bytes read, bytes in all)."""

__all__ = ["Intake", "ProcessedFile"]


@dataclass(slots=True)
class Intake:
    """Claims and posts for one home. ``close`` gives the claim folders up."""

    app: App
    events: bool = True
    pause: Callable[[float], object] | None = None  # what rests between looks; by default until an event
    turns: Turns = field(init=False)
    claimer: Claimer = field(init=False)
    folders: list[Folder] = field(init=False)
    not_reported: dict[int, str] = field(default_factory=dict)
    """Files that are done and whose reports could not be written, each with why."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _active: set[str] = field(default_factory=set)
    _again: set[str] = field(default_factory=set)
    _periods: Sequence[Any] = ()
    _looked: float = 0.0
    _troubles: dict[str, log.Trouble] = field(default_factory=dict)
    _wake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.turns = Turns(needed=self.app.db.is_sqlite)
        self.claimer = Claimer(self.app, self.turns)
        self.folders = folders(self.app)

    def close(self) -> None:
        self.claimer.close()

    # one pass

    def recover(self) -> list[int]:
        """Complete what a stopped process left: claims, faults to try again, artifacts. Gives the claims."""
        claimed = self._adopt()
        self._try_again()
        return claimed

    def _try_again(self) -> None:
        """Faults to try again and artifacts that a stopped process left."""
        with self.turns.mine(), self.app.db.write() as connection:
            retry_failed(connection)
        self._ask_waiting()
        self._report(unreported(self.app))

    def _report(self, missing: Sequence[int]) -> None:
        for start in range(0, len(missing), CONFIRM_FILES):
            self._confirm({file_id: self._artifacts(file_id) for file_id in missing[start : start + CONFIRM_FILES]})

    def _report_again(self) -> None:
        """What a disk that was full kept from being written. Raises GatewayError with what it still does, for the alarms:
        who sent the file would not hear of what was rejected, until a restart."""
        if not self.not_reported:
            return
        missing = unreported(self.app)
        for file_id in self.not_reported.keys() - set(missing):  # another process wrote them
            self.not_reported.pop(file_id)
        self._report([file_id for file_id in missing if file_id in self.not_reported])
        if left := self.not_reported.copy():  # threads that post add to it
            first, why = min(left.items())
            raise GatewayError(
                f"writing the reports and rejected lines of {len(left)} files that are done: found {why} at those of file {first}, "
                "expected them written; mend the cause: they are tried again every minute"
            )

    def process_now(self, paths: Iterable[Path] | None = None, progress: Progress | None = None) -> list[ProcessedFile]:
        """What is complete now (after one quiet time), or these files at once; then everything that can post. A file that
        cannot be taken is told before anything is touched."""
        paths = None if paths is None else list(paths)
        for path in paths or ():
            identified_file(self.app.settings, path)
        self.recover()
        if paths is None:
            self._claim_once()
        else:
            for path in paths:
                self.claimer.take(self._folder_of(path), [path])
        done: list[ProcessedFile] = []
        with ThreadPoolExecutor(self._workers()) as pool:
            while part := [p for ps in pool.map(lambda key: self._drain(key, progress), self._keys()) for p in ps]:
                done += part
        return sorted(done, key=lambda p: p.file.file_id)

    def _claim_once(self) -> None:
        """Look, let the quiet time pass where it matters, look again, claim."""
        clock, seconds = self.app.clock, self.app.settings.gateway.intake.scan_seconds
        for folder in self.folders:
            self._claim(folder, folder.scan(clock.monotonic(), seconds).complete)
        waits = [f.rules.quiet_seconds for f in self.folders if f.rules.completeness == "quiet" and f.watched]
        if waits:
            clock.wait(max(waits))
            for folder in self.folders:
                self._claim(folder, folder.scan(clock.monotonic(), seconds).complete)

    def _folder_of(self, path: Path) -> Folder:
        parent = path.resolve().parent
        return next((f for f in self.folders if f.path.resolve() == parent), self.folders[0])

    def _claim(self, folder: Folder, complete: Sequence[Any]) -> list[int]:
        """In groups; each is posted from as soon as it is committed."""
        size = self.app.settings.gateway.intake.claim_group
        claimed: list[int] = []
        for start in range(0, len(complete), size):
            group = complete[start : start + size]
            ids = self.claimer.claim(folder, group)
            for one in group:
                folder.claimed(one)
            claimed += ids
        return claimed

    # posting

    def _workers(self) -> int:
        return self.app.settings.gateway.intake.workers

    def _keys(self) -> list[str]:
        """Portfolios ('' for bare files) that have files to post."""
        with self.app.db.read() as connection:
            rows = connection.execute(
                text("SELECT DISTINCT COALESCE(portfolio, '') FROM inbound_file WHERE state = 'CLAIMED'")
            )
            return sorted(str(row[0]) for row in rows)

    def _ask_waiting(self) -> None:
        """Files that wait for a business date or a portfolio are tried again, in the order of their claims."""
        with self.app.db.read() as connection:
            if connection.execute(text("SELECT 1 FROM inbound_file WHERE state = 'WAITING' LIMIT 1")).first() is None:
                return
        with self.turns.mine(), self.app.db.write() as connection:
            connection.execute(text("UPDATE inbound_file SET state = 'CLAIMED' WHERE state = 'WAITING'"))

    def _pending(self, key: str, after: int) -> list[int]:
        """Files of a portfolio that may post now, in the order of their claims: up to the next bare file, or for bare
        files up to the next file with a portfolio."""
        with self.app.db.read() as connection:
            mine = list(self._claimed_here(connection, "COALESCE(portfolio, '') = :key", key, after))
            if not mine:
                return []
            others = self._claimed_here(connection, f"portfolio IS {'NOT ' if key == '' else ''}NULL", key, 0)
            barrier = next(others, None)
            return [number for number in mine if barrier is None or number < barrier]

    def _claimed_here(self, connection: Connection, which: str, key: str, after: int) -> Iterator[int]:
        """Claimed files whose original is on this machine."""
        rows = connection.execute(
            text(
                f"SELECT file_id, archive_name FROM inbound_file WHERE state = 'CLAIMED' AND {which} "
                "AND file_id > :after ORDER BY file_id"
            ),
            {"after": after} | ({"key": key} if ":key" in which else {}),
        ).all()
        return (int(number) for number, archived in rows if (self.app.home.archive / archived).is_file())

    def _drain(
        self, key: str, progress: Progress | None = None, *, stop: threading.Event | None = None
    ) -> list[ProcessedFile]:
        """Post the files of a portfolio until none is left that may; waiting ones are asked once."""
        done: list[ProcessedFile] = []
        written: dict[int, list[Path]] = {}
        last = 0
        try:
            while pending := self._pending(key, last):
                for file_id in pending:
                    if stop is not None and stop.is_set():
                        return done
                    if stop is not None:
                        done.clear()  # the service runs for months
                    with Drafts(self.app) as drafts:
                        done.append(self._one(file_id, progress, drafts))
                        written[file_id] = self._artifacts(file_id, drafts)
                    last = file_id
                    if len(written) == CONFIRM_FILES:
                        self._confirm(written)
        finally:
            self._confirm(written)
        return done

    def _one(self, file_id: int, progress: Progress | None, drafts: Drafts) -> ProcessedFile:
        told = self._bytes(file_id, progress)
        return process_file(self.app, file_id, turns=self.turns, progress=told, drafts=drafts)

    def _bytes(self, file_id: int, progress: Progress | None) -> Callable[[int], None] | None:
        if progress is None:
            return None
        with self.app.db.read() as connection:
            name, size = connection.execute(
                text("SELECT name, bytes FROM inbound_file WHERE file_id = :id"), {"id": file_id}
            ).one()
        return lambda count: progress(str(name), count, int(size))

    def _artifacts(self, file_id: int, drafts: Drafts | None = None) -> list[Path]:
        """A report that cannot be written is an alarm; what posted stays posted, it is tried again (``not_reported``)."""
        try:
            written = write_unconfirmed(self.app, file_id, drafts=drafts)
        except Exception as fault:
            self._failed(fault, file_id)
            return []
        self.not_reported.pop(file_id, None)
        return written

    def _failed(self, fault: Exception, *files: int) -> None:
        """Logged once a file and cause: a disk stays full for hours."""
        why = in_words(fault)
        if any(self.not_reported.get(file_id) != why for file_id in files):
            log.get(__name__).error("alarm.not_reported", file_id=min(files), error=str(fault), exc_info=fault)
        self.not_reported |= dict.fromkeys(files, why)

    def _confirm(self, written: dict[int, list[Path]]) -> None:
        """Reports that cannot be flushed are written again. Leaves ``written`` empty."""
        try:
            confirm(self.app, written, turns=self.turns)
        except Exception as fault:
            self._failed(fault, *(file_id for file_id, paths in written.items() if paths))
        written.clear()

    # the service

    def run(self, stop: threading.Event) -> None:
        """Watch, claim and post until ``stop``; the files being posted then are finished first."""
        observers = Observers(self.folders, self._wake.set)
        if self.events:
            observers.start()
        pool = ThreadPoolExecutor(self._workers(), thread_name_prefix="post")
        seconds = self.app.settings.gateway.intake.scan_seconds
        adopt_at = check_at = report_at = 0.0
        started = False
        try:
            while not stop.is_set():
                now = self.app.clock.monotonic()
                if now >= adopt_at:
                    adopted = self._guard("adopt", self._adopt)
                    adopt_at = now + (ADOPT_SCANS if adopted else 1) * seconds
                    started = started or self._guard("try again", self._try_again)
                if not self._guard("look", lambda: self._look(pool, stop)):
                    adopt_at = min(adopt_at, now + seconds)
                    self.app.clock.wait(TROUBLE_PAUSE)
                if now >= check_at and self._guard("post", lambda: self._post_all(pool, stop)):
                    check_at = now + seconds
                if now >= report_at:
                    self._guard("reports", self._report_again)
                    report_at = now + REPORT_PAUSE
                self._rest()
        finally:
            pool.shutdown(wait=True)
            observers.stop()

    def _look(self, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        """Look at every folder, claim what is complete and start posting it."""
        seconds = self.app.settings.gateway.intake.scan_seconds
        for folder in self.folders:
            now = self.app.clock.monotonic()
            decision = folder.scan(now, seconds)
            self._looked = self.app.clock.monotonic() - now
            size = self.app.settings.gateway.intake.claim_group
            for start in range(0, len(decision.complete), size):
                if stop.is_set():
                    return
                if self._claim(folder, decision.complete[start : start + size]):
                    self._post_all(pool, stop, periods=False)

    def _adopt(self) -> list[int]:
        """Claims whose process ended, and claims of ours that trouble interrupted; what else a killed process left on
        disk goes."""
        remove_abandoned(self.app.home.work)
        return [file_id for folder in self.folders for file_id in self.claimer.recover(folder)]

    def _post_all(self, pool: ThreadPoolExecutor, stop: threading.Event, *, periods: bool = True) -> None:
        """Start posting where something is to be posted. Waiting files are asked when a business date changed."""
        if periods and (now := self._periods_now()) != self._periods:
            self._ask_waiting()
            self._periods = now
        for key in self._keys():
            with self._lock:
                if key in self._active:
                    self._again.add(key)
                    continue
                self._active.add(key)
            pool.submit(self._post_key, key, pool, stop)

    def _post_key(self, key: str, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        while True:
            with self._lock:
                self._again.discard(key)
            try:
                done = self._drain(key, stop=stop)
                if done and not stop.is_set() and (key == "" or "" in self._keys()):
                    self._post_all(pool, stop, periods=False)  # who waited for these files, or for this bare one
            except Exception as fault:
                log.get(__name__).error("alarm.posting_stopped", portfolio=key, error=str(fault), exc_info=fault)
            with self._lock:
                if key not in self._again or stop.is_set():
                    self._active.discard(key)
                    return

    def _periods_now(self) -> Sequence[Any]:
        """What changes when a business date opens or closes, or a portfolio is loaded."""
        with self.app.db.read() as connection:
            rows = connection.execute(
                text("SELECT portfolio, business_date, period_state FROM portfolio ORDER BY portfolio")
            )
            return [tuple(row) for row in rows]

    def _rest(self) -> None:
        """Until the next file is due, an event comes, or it is time to look up; never without a pause."""
        pause = max(PAUSE, 4 * self._looked)
        self.app.clock.wait(min(pause, LONGEST_PAUSE))
        now = self.app.clock.monotonic()
        due = min((folder.due for folder in self.folders), default=now)
        (self.pause or self._wake.wait)(min(max(due - now, 0.0), LONGEST_WAIT))
        self._wake.clear()

    def lasting(self) -> dict[str, str]:
        """What the loop's steps are held up by now: step -> words. For the alarms; any thread may ask."""
        return {name: trouble.lasting for name, trouble in self._troubles.copy().items() if trouble.lasting is not None}

    def _guard(self, name: str, step: Callable[[], object]) -> bool:
        """Run a step of the loop; a fault of ``TROUBLE`` is told and the loop goes on."""
        trouble = self._troubles.setdefault(name, log.Trouble(__name__, "alarm.intake_trouble", {"step": name}))
        try:
            step()
        except TROUBLE as fault:
            trouble.met(fault, self.app.clock.monotonic())
            return False
        trouble.over()
        return True
