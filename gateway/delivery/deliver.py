"""Deliver what is due: endpoints side by side, several channels of one connection each.

For an endpoint: take its lock; settle what an ended process left; look at what is unknown; then send. What is sent is
claimed in groups: SENDING is committed before the first byte, PLACING before the rename, the outcome after it.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from sqlalchemy import Connection as DbConnection

from gateway import log
from gateway.app import App
from gateway.crashpoints import Step, reached
from gateway.delivery import queue, reads, tries
from gateway.delivery.connect import Connection, connect
from gateway.delivery.probe import Verdict, probe
from gateway.delivery.queue import Change
from gateway.delivery.reads import Delivery
from gateway.delivery.sftp import SftpSession
from gateway.delivery.sftp_wire import ConnectionLostError
from gateway.delivery.states import SENDABLE, DeliveryState
from gateway.delivery.upload import Outcome, Paths, Progress, Render, Uploader
from gateway.errors import GatewayError, Refused, SettingsError, UsageError
from gateway.ledger import process_lock, sealed_elsewhere
from gateway.ledger.process_lock import StillHeld
from gateway.settings import Endpoint

GROUP_FILES: Final = 32
GROUP_BYTES: Final = 4 * 1024 * 1024
"""A group shares its transactions and round trips; a large file is a group of its own."""
ENDPOINTS_AT_ONCE: Final = 32
"""Each has a session of its own on PostgreSQL, which gives 100 as a rule; further ones take their turn."""

Stays = Callable[[DbConnection], Mapping[int, str]]
"""Outbound numbers, each with why it stays, in words."""

_log = log.get("gateway.delivery")


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Where a delivery stands after a run."""

    delivery_id: int
    outbound_id: int
    endpoint: str
    name: str
    state: DeliveryState
    bytes: int
    attempts: int
    detail: str | None
    next_attempt_at: str | None


def deliver(
    app: App,
    *,
    render: Render,
    stays: Stays,
    endpoint: str | None = None,
    progress: Progress | None = None,
    rng: random.Random | None = None,
    hurry: bool = False,
    stop: threading.Event | None = None,
    missing: log.Trouble | None = None,
) -> list[DeliveryResult]:
    """Deliver what is due now, to all endpoints or one; gives every delivery that was touched, or is left to another home or to
    people, in order of number.

    ``stays``: released files that may not leave as they are, and why. ``hurry``: what waits for a later try is due now; for an
    operator who knows that the cause is gone. ``stop``: set it to end after the groups that are on their way. ``missing`` is
    told of endpoints that the settings do not have; who comes again keeps it, so that it is said once. ``progress`` is called
    from several threads. Raises UsageError for an endpoint that is not configured and Refused when another process delivers to
    the one that was named; whatever a far side does is a state, not an exception.
    """
    settings = app.settings.gateway.endpoints
    if endpoint is not None and endpoint not in settings:
        raise UsageError(
            f"delivering to {endpoint}: found no such endpoint, expected one of {', '.join(settings) or '(none)'}; "
            "see [endpoints.*] in config/gateway.toml"
        )
    if hurry:
        with app.db.write() as connection:
            queue.hurry(connection, endpoint=endpoint, at=app.now())
    if endpoint is not None:
        names = [endpoint]
    else:
        with app.db.read() as connection:
            beyond = {name: tries.longest_wait(e.retry, app.clock.now()) for name, e in settings.items()}
            names = reads.endpoints_with_work(connection, now=app.now(), beyond=beyond)
    shared = threading.Lock()
    runs = [
        _Run(
            app,
            name,
            settings[name],
            render,
            stays,
            progress,
            rng or random.Random(),  # noqa: S311 - jitter
            shared,
            stop or threading.Event(),
        )
        for name in names
        if name in settings
    ]
    _tell_missing([name for name in names if name not in settings], missing or missing_endpoints(), app)
    if runs:
        with ThreadPoolExecutor(min(len(runs), ENDPOINTS_AT_ONCE), thread_name_prefix="deliver") as pool:
            for future in [pool.submit(run.run) for run in runs]:
                future.result()
    if endpoint is not None and runs[0].busy:
        raise Refused(f"delivering to {endpoint}: found another process at it, expected none; wait for it to end")
    with app.db.read() as connection:
        left = {number: why for run in runs for number, why in run.left.items()}
        touched = reads.by_ids(connection, [*left, *(n for run in runs for n in run.touched)])
    return [
        replace(_result(d), detail=left[d.delivery_id]) if d.delivery_id in left and d.state in SENDABLE else _result(d)
        for d in touched
    ]


def staying(app: App, connection: DbConnection, stays: Stays) -> dict[int, str]:
    """Of deliveries that wait, those that ``deliver`` leaves where they are, and why: to another home, or to people."""
    stay = _files_that_stay(app, connection, stays)
    return {d.delivery_id: stay[d.outbound_id] for d in reads.without_message(connection, stay)}


def _files_that_stay(app: App, connection: DbConnection, stays: Stays) -> dict[int, str]:
    return {**sealed_elsewhere.waiting(app, connection), **stays(connection)}


def missing_endpoints() -> log.Trouble:
    return log.Trouble("gateway.delivery", "endpoint_missing")


def _tell_missing(names: Sequence[str], trouble: log.Trouble, app: App) -> None:
    if not names:
        trouble.over()
        return
    words = f"found files for {', '.join(names)}, expected [endpoints.*] of that name in config/gateway.toml"
    trouble.met(SettingsError([words]), app.clock.monotonic())


def _result(delivery: Delivery) -> DeliveryResult:
    return DeliveryResult(
        delivery.delivery_id, delivery.outbound_id, delivery.endpoint, delivery.remote_name, delivery.state,
        delivery.bytes, delivery.attempts, delivery.last_error, delivery.next_attempt_at,
    )  # fmt: skip


@dataclass(slots=True)
class _Run:
    """One endpoint's turn."""

    app: App
    name: str
    endpoint: Endpoint
    render: Render
    stays: Stays
    progress: Progress | None
    rng: random.Random
    writing: threading.Lock
    """One writer at a time in this process: SQLite has one anyway, and waiting here costs less than there."""
    asked_to_stop: threading.Event
    touched: set[int] = field(default_factory=set)
    left: dict[int, str] = field(default_factory=dict)
    """Deliveries that only another home can send, or that are in clear against the bank's wish, and why: they are not given up
    for it."""
    busy: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """One process delivers to an endpoint at a time: what was left in the middle is settled first."""
        try:
            with process_lock.held(self.app.db, [f"delivery:{self.name}"]) as still_held:
                with self._write() as connection:
                    left = queue.recover(connection, endpoint=self.name, at=self.app.now())
                self.touched |= {d.delivery_id for d in left}
                while not self.asked_to_stop.is_set() and self._round(still_held):
                    pass
        except process_lock.Taken:
            self.busy = True
            _log.info("endpoint_busy", endpoint=self.name)

    @contextmanager
    def _write(self) -> Iterator[DbConnection]:
        with self.writing, self.app.db.write() as connection:
            yield connection

    def _due(self, states: Sequence[DeliveryState]) -> list[Delivery]:
        with self.app.db.read() as connection:
            return self._here(connection, states, at=self.app.now())

    def _here(
        self, connection: DbConnection, states: Sequence[DeliveryState], *, at: str, limit: int | None = None
    ) -> list[Delivery]:
        """What is due, can be made here and may leave as it is; nothing is made of what is only looked at."""
        stay: dict[int, str] = {}
        if states is SENDABLE:
            stay = _files_that_stay(self.app, connection, self.stays)
        beyond = tries.longest_wait(self.endpoint.retry, self.app.clock.now())
        due = partial(reads.due, connection, endpoint=self.name, now=at, states=states, beyond=beyond)
        if stay:
            ours = {job.delivery_id for job in due(without=stay)}
            self.left |= {d.delivery_id: stay[d.outbound_id] for d in due() if d.delivery_id not in ours}
        return due(limit=limit, without=stay)

    def _round(self, still_held: StillHeld) -> bool:
        """One connection's worth of work. False when nothing is due, or the endpoint was not reached."""
        unknown, sendable = self._due([DeliveryState.UNKNOWN]), self._due(SENDABLE)
        if not unknown and not sendable:
            return False
        self._stop.clear()
        try:
            connection = connect(self.endpoint, self.app.home)
        except GatewayError as error:
            self._postpone([*unknown, *sendable], error)
            return False
        try:
            session = connection.session()
            try:
                self._settle_unknown(session, connection, unknown)
                if sendable:
                    self._send(connection, session, len(sendable), still_held)
            finally:
                session.close()
        except ConnectionLostError as error:
            self._postpone([*self._due([DeliveryState.UNKNOWN]), *self._due(SENDABLE)], error)
            return False
        finally:
            connection.close()
        return True

    def _postpone(self, jobs: Sequence[Delivery], error: GatewayError) -> None:
        """The endpoint was not reached: nothing was sent, everything waits, and how often is no reason to give up."""
        _log.error("endpoint_not_reached", endpoint=self.name, error=str(error), waiting=len(jobs))
        now = self.app.clock.now()
        until = {
            j.delivery_id: tries.next_attempt(self.endpoint.retry, j.attempts + 1, now=now, rng=self.rng) for j in jobs
        }
        with self._write() as connection:
            queue.postpone(connection, jobs, error=str(error), until=until, at=self.app.now())
        self.touched |= set(until)

    # what is unknown

    def _settle_unknown(self, session: SftpSession, connection: Connection, unknown: Sequence[Delivery]) -> None:
        """Look at the far side for each; never send. ConnectionLostError leaves the rest unknown."""
        paths = Paths(self.endpoint)
        for job in unknown:
            seen = probe(
                session,
                target=paths.target(job),
                temporary=paths.temporary(job.temporary_name),
                expected_size=job.bytes,
                expected_sha256=job.sha256,
                read_back=self.endpoint.read_back,
            )
            receipt = None
            if seen.verdict is Verdict.DELIVERED:
                uploader = self._uploader(session, connection, lambda jobs: set())
                receipt = uploader.receipt(job, probed=seen.read_back, read_back_sha256=seen.sha256)
            self._record([self._judged(job, seen.verdict, seen.detail, receipt)])

    def _judged(self, job: Delivery, verdict: Verdict, detail: str, receipt: dict[str, object] | None) -> Change:
        state, number = DeliveryState, job.delivery_id
        if verdict is Verdict.DELIVERED:
            return Change(number, state.UNKNOWN, state.DELIVERED, detail, receipt=_json(receipt))
        if verdict is Verdict.NOT_DELIVERED:
            again = self._again(number)
            return Change(number, state.UNKNOWN, state.NOT_DELIVERED, _ended(number, detail, again), again)
        if verdict is Verdict.GONE:
            return Change(number, state.UNKNOWN, state.UNKNOWN, detail)
        return Change(number, state.UNKNOWN, state.UNKNOWN, detail, self._again(number, state.UNKNOWN))

    def _again(self, delivery_id: int, outcome: DeliveryState = DeliveryState.NOT_DELIVERED) -> str | None:
        """When to try once more; None when a proved failure has used up its attempts. Looking is never given up."""
        with self.app.db.read() as connection:
            failed = tries.failures(connection, delivery_id, outcome) + 1
        if outcome is DeliveryState.NOT_DELIVERED and failed >= self.endpoint.retry.attempts:
            return None
        return tries.next_attempt(self.endpoint.retry, failed, now=self.app.clock.now(), rng=self.rng)

    # what is to be sent

    def _send(self, connection: Connection, first: SftpSession, count: int, still_held: StillHeld) -> None:
        """Work off the queue with as many channels as the settings say and the work can use."""
        channels = min(self.endpoint.channels, count)
        limit = min(GROUP_FILES, -(-count // channels))
        with ThreadPoolExecutor(channels, thread_name_prefix=f"channel-{self.name}") as pool:
            futures = [pool.submit(self._channel, connection, first, limit, still_held)]
            futures += [pool.submit(self._further_channel, connection, limit, still_held) for _ in range(channels - 1)]
            for future in futures:
                future.result()

    def _further_channel(self, connection: Connection, limit: int, still_held: StillHeld) -> None:
        """A receiver may allow fewer channels than we would like; the ones that are open do the work then."""
        try:
            session = connection.session()
        except ConnectionLostError as error:
            _log.info("channel_refused", endpoint=self.name, error=str(error))
            return
        try:
            self._channel(connection, session, limit, still_held)
        finally:
            session.close()

    def _channel(self, connection: Connection, session: SftpSession, limit: int, still_held: StillHeld) -> None:
        try:
            while not self._stop.is_set() and not self.asked_to_stop.is_set():
                jobs, stale = self._claim(limit)
                if not jobs:
                    return
                reached(Step.DELIVERY_STARTED)
                placing: set[int] = set()
                uploader = self._uploader(session, connection, partial(self._placing, placing, still_held))
                outcomes = uploader.place(jobs, stale)
                self._record([self._change(outcome, placing) for outcome in outcomes])
                reached(Step.DELIVERED)
                if uploader.lost is not None:
                    _log.warning("connection_lost", endpoint=self.name, error=str(uploader.lost))
                    self._stop.set()
        except BaseException:
            self._stop.set()
            raise

    def _uploader(
        self, session: SftpSession, connection: Connection, before_rename: Callable[[Sequence[Delivery]], set[int]]
    ) -> Uploader:
        return Uploader(
            session, self.endpoint, self.render, before_rename, connection.host_key, self.app.now, self.progress
        )

    def _claim(self, limit: int) -> tuple[list[Delivery], dict[int, list[str]]]:
        """A group of deliveries, SENDING and committed, with the temporary names that earlier attempts used."""
        with self._write() as connection:
            at = self.app.now()
            jobs: list[Delivery] = []
            suffix = self.endpoint.temporary_suffix
            while not jobs:  # what is stopped is due no more
                found = self._here(connection, SENDABLE, at=at, limit=limit)
                if not found:
                    break
                offered = list(_up_to(found, GROUP_BYTES))
                jobs = queue.claim(connection, offered, temporary_suffix=suffix, at=at)
                self.touched |= {j.delivery_id for j in offered}
            again = [j.delivery_id for j in jobs if j.attempts > 1]
            used = tries.temporary_names(connection, again)
        names = {j.delivery_id: j.temporary_name for j in jobs}
        return jobs, {d: [n for n in used.get(d, []) if n != names[d]] for d in again}

    def _placing(self, placing: set[int], still_held: StillHeld, jobs: Sequence[Delivery]) -> set[int]:
        """Commit PLACING for those that are still ours: only these may be renamed."""
        still_held()
        with self._write() as connection:
            placing |= queue.place(connection, jobs, at=self.app.now())
        return placing

    def _change(self, outcome: Outcome, placing: set[int]) -> Change:
        state, number = DeliveryState, outcome.delivery_id
        before = state.PLACING if number in placing else state.SENDING
        if outcome.verdict == "delivered":
            return Change(number, before, state.DELIVERED, receipt=_json(outcome.receipt))
        if outcome.verdict == "unknown":  # looked at in the next round, before anything else
            return Change(number, before, state.UNKNOWN, outcome.detail, self.app.now())
        again = self._again(number) if outcome.again else None
        return Change(number, before, state.NOT_DELIVERED, _ended(number, outcome.detail, again), again)

    def _record(self, changes: Sequence[Change]) -> None:
        """What moved on meanwhile stays as it is, and nothing is said of it."""
        with self._write() as connection:
            done = set(queue.record(connection, changes, at=self.app.now()))
        self.touched |= {c.delivery_id for c in changes}
        for change in (c for c in changes if c.delivery_id in done):
            level = _log.info if change.after is DeliveryState.DELIVERED else _log.warning
            level(
                "delivery", endpoint=self.name, delivery_id=change.delivery_id, state=change.after.value,
                detail=change.detail, next_attempt_at=change.next_attempt_at,
            )  # fmt: skip


def _ended(delivery_id: int, detail: str | None, again: str | None) -> str | None:
    """Why a try failed; where none follows by itself, with what to type when the cause is gone."""
    if again is not None or "gateway deliver again" in (detail or ""):
        return detail
    said = f"given up; when the cause is gone: gateway deliver again {delivery_id} --reason WHY"
    return f"{detail}; {said}" if detail else said


def _up_to(jobs: Iterable[Delivery], limit: int) -> Iterator[Delivery]:
    """The first jobs that together stay below ``limit`` bytes, one at least."""
    total = 0
    for job in jobs:
        if total and total + job.bytes > limit:
            return
        total += job.bytes
        yield job


def _json(receipt: dict[str, object] | None) -> str | None:
    return None if receipt is None else json.dumps(receipt, sort_keys=True)
