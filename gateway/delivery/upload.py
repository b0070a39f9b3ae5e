"""Put a group of files at the far side, each whole or not at all under its name.

The order, for every file: a temporary name that must not exist; the bytes; size and content read back; the target
must be absent; the durable mark PLACING; the plain rename; a look at the target; the receipt. Files of a group walk
through these steps side by side, so that a small file costs its bytes and not six round trips.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.exc import InterfaceError, OperationalError

from gateway.crashpoints import Step, reached
from gateway.delivery.probe import Verdict, probe, remove
from gateway.delivery.reads import Delivery
from gateway.delivery.sftp import SftpSession
from gateway.delivery.sftp_wire import ConnectionLostError, Open, SftpRefusalError, Ticket
from gateway.errors import DeliveryError, GatewayError
from gateway.settings import Endpoint

Render = Callable[[int], Iterable[bytes]]
Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes sent so far, and all its bytes."""
EARLY_LOOK_BYTES = 1024 * 1024
"""From this size on the target is also looked for before the bytes are sent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. ``again`` False: trying again by itself cannot help."""

    delivery_id: int
    verdict: Literal["delivered", "not delivered", "unknown"]
    detail: str | None = None
    again: bool = True
    receipt: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a file goes at the far side: the settings' directories and the queue's plain names, nothing else."""

    endpoint: Endpoint

    def target(self, job: Delivery) -> str:
        return join(self.endpoint.directory, job.remote_name)

    def temporary(self, name: str) -> str:
        return join(self.endpoint.temporary_directory or self.endpoint.directory, name)


def join(directory: str, name: str) -> str:
    return name if directory in ("", ".") else f"{directory.rstrip('/')}/{name}"


@dataclass(slots=True)
class _Flight:
    """One file on its way."""

    job: Delivery
    target: str
    temporary: str
    handle: bytes | None = None
    created: bool = False
    asked_to_place: bool = False
    read_back_sha256: str | None = None
    placed_at: str | None = None
    outcome: Outcome | None = None

    @property
    def open_handle(self) -> bytes:
        if self.handle is None:
            raise DeliveryError(f"sending {self.job.remote_name}: found no open file, expected one")
        return self.handle

    def refuse(self, error: object, *, again: bool = True) -> None:
        self.outcome = Outcome(self.job.delivery_id, "not delivered", str(error), again)

    def unsure(self, error: object) -> None:
        self.outcome = Outcome(self.job.delivery_id, "unknown", str(error))


@dataclass(slots=True)
class Uploader:
    """Places groups of files through one session."""

    session: SftpSession
    endpoint: Endpoint
    render: Render
    before_rename: Callable[[Sequence[Delivery]], set[int]]
    """Commits PLACING; gives the deliveries that are still ours to place."""
    host_key: str
    now: Callable[[], str]
    progress: Progress | None = None
    lost: ConnectionLostError | None = None
    _flights: list[_Flight] = field(default_factory=list)

    def place(self, jobs: Sequence[Delivery], stale: dict[int, list[str]]) -> list[Outcome]:
        """The outcome of every job, whatever happens to the connection. ``stale``: temporary names of earlier attempts.

        A broken connection raises nothing here; the caller sees it in ``lost``.
        """
        paths = Paths(self.endpoint)
        self._flights = [_Flight(j, paths.target(j), paths.temporary(j.temporary_name)) for j in jobs]
        started = self.now()
        try:
            self._open(paths, stale)
            self._write()
            self._verify()
            reached(Step.UPLOADED)
            self._close_and_look()
            self._rename()
            reached(Step.RENAMED_AT_TARGET)
            self._confirm(started)
            self._clean_up()
        except ConnectionLostError as error:
            self._settle_lost(error)
        return [f.outcome for f in self._flights if f.outcome is not None]

    def _going(self) -> list[_Flight]:
        return [f for f in self._flights if f.outcome is None]

    def _open(self, paths: Paths, stale: dict[int, list[str]]) -> None:
        """Remove what earlier attempts left, look for large files' targets, create the temporary files."""
        session, asked = self.session, []
        flags = Open.WRITE | Open.CREATE | Open.EXCLUSIVE
        if self.endpoint.read_back == "full":
            flags |= Open.READ
        for flight in self._flights:
            left = [session.remove(paths.temporary(name)) for name in stale.get(flight.job.delivery_id, [])]
            early = session.stat(flight.target) if flight.job.bytes >= EARLY_LOOK_BYTES else None
            asked.append((flight, left, early, session.open(flight.temporary, flags)))
        for flight, left, early, opening in asked:
            for ticket in left:
                _accepted(session, ticket)
            with _refusing(flight, absent=_FOLDER_HINT):
                flight.handle = session.handle(opening)
                flight.created = True
            if early is not None and flight.outcome is None:
                self._require_absent(flight, early)

    def _write(self) -> None:
        """All files' bytes, then all answers: a write that was refused is a file that was not delivered."""
        asked: list[tuple[_Flight, list[Ticket]]] = []
        for flight in self._going():
            digest = hashlib.sha256()
            with _refusing(flight, hint=_WRITE_HINT):
                sent, tickets = self.session.start_write(flight.open_handle, self._pieces(flight, digest))
                asked.append((flight, tickets))
                if (sent, digest.hexdigest()) != (flight.job.bytes, flight.job.sha256):
                    flight.refuse(
                        f"rendering {flight.job.remote_name}: found {sent} bytes with SHA-256 {digest.hexdigest()}, "
                        f"expected the released {flight.job.bytes} with {flight.job.sha256}; run `gateway verify`",
                        again=False,
                    )
        for flight, tickets in asked:
            with _refusing(flight, hint=_WRITE_HINT):
                for ticket in tickets:
                    self.session.done(ticket)

    def _pieces(self, flight: _Flight, digest: Any) -> Iterator[bytes]:
        job, sent = flight.job, 0
        for piece in self._rendered(job):
            digest.update(piece)
            yield piece
            sent += len(piece)
            if self.progress is not None:
                self.progress(job.remote_name, sent, job.bytes)

    def _rendered(self, job: Delivery) -> Iterator[bytes]:
        """Whatever making the bytes ends in is this file's outcome and nobody else's, but for a database that is lost."""
        try:
            yield from self.render(job.outbound_id)
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError):
                raise
            # Not its words, unless they are ours: writers quote what does not fit, which may be an account number.
            said = (
                str(error) if isinstance(error, GatewayError) else f"found {type(error).__name__}; run gateway verify"
            )
            raise _RenderError(
                f"rendering {job.remote_name}: {said}; when the cause is gone: gateway deliver again {job.delivery_id} --reason WHY"
            ) from error

    def _verify(self) -> None:
        """Size and content as the far side has them, before anybody can see the file under its name."""
        if self.endpoint.read_back == "none":
            return
        session, full, asked = self.session, self.endpoint.read_back == "full", []
        for flight in self._going():
            small = full and flight.job.bytes < session.read_size
            reading = session.read(flight.open_handle, 0, flight.job.bytes + 1) if small else None
            asked.append((flight, session.stat(flight.temporary), reading))
        for flight, sizing, reading in asked:
            with _refusing(flight, hint=_READ_BACK_HINT):
                size = session.attributes(sizing).size
                data = session.data(reading) if reading is not None else None
                if size != flight.job.bytes:
                    flight.refuse(f"checking {flight.temporary}: found {size} bytes, expected {flight.job.bytes}")
                elif full:
                    self._compare(flight, data)

    def _compare(self, flight: _Flight, data: bytes | None) -> None:
        """``data``: what one read gave, all of a small file as a rule; a short answer is read again as a whole."""
        digest = hashlib.sha256()
        if data is not None and len(data) >= flight.job.bytes:
            digest.update(data)
        else:
            for block in self.session.read_all(flight.open_handle, flight.job.bytes):
                digest.update(block)
        flight.read_back_sha256 = digest.hexdigest()
        if flight.read_back_sha256 != flight.job.sha256:
            flight.refuse(
                f"reading back {flight.temporary}: found SHA-256 {flight.read_back_sha256}, "
                f"expected {flight.job.sha256}"
            )

    def _close_and_look(self) -> None:
        session = self.session
        asked = [
            (flight, session.close_handle(flight.open_handle), session.stat(flight.target)) for flight in self._going()
        ]
        for flight, closing, looking in asked:
            flight.handle = None
            with _refusing(flight, hint=_WRITE_HINT):
                session.done(closing)
            self._require_absent(flight, looking)

    def _require_absent(self, flight: _Flight, looking: Ticket) -> None:
        """Other servers than OpenSSH may overwrite on a rename, so the name is looked at first."""
        try:
            found = self.session.attributes(looking)
        except SftpRefusalError as refusal:
            if not refusal.absent and self.endpoint.read_back != "none" and flight.outcome is None:
                flight.refuse(f"{refusal}; {_READ_BACK_HINT}")
            return
        if flight.outcome is None:
            flight.refuse(
                f"placing {flight.target}: found a file of {found.size} bytes there, expected none; it is not overwritten: find out "
                "from the receiver what it is. If it is this one, sent before, they have it (gateway deliver acknowledge "
                f"{flight.job.outbound_id} --reference WHAT); only if it is another, have it taken away"
            )

    def _rename(self) -> None:
        going = self._going()
        if not going:
            return
        still_ours = self.before_rename([f.job for f in going])
        asked = []
        for flight in going:
            if flight.job.delivery_id not in still_ours:
                flight.refuse("another process took this delivery over; this one placed nothing")
                continue
            flight.asked_to_place = True
            asked.append((flight, self.session.rename(flight.temporary, flight.target)))
        for flight, ticket in asked:
            try:
                self.session.done(ticket)
                flight.placed_at = self.now()
            except SftpRefusalError as refusal:
                flight.outcome = self._look_after_refusal(flight, refusal)

    def _look_after_refusal(self, flight: _Flight, refusal: SftpRefusalError) -> Outcome:
        """A refused rename as a rule did nothing; the far side is asked all the same."""
        job = flight.job
        seen = probe(
            self.session,
            target=flight.target,
            temporary=flight.temporary,
            expected_size=job.bytes,
            expected_sha256=job.sha256,
            read_back=self.endpoint.read_back,
        )
        if seen.verdict is Verdict.DELIVERED:
            return Outcome(job.delivery_id, "delivered", receipt=self.receipt(job, probed=seen.read_back))
        if seen.verdict is Verdict.NOT_DELIVERED or (
            # Somebody else's file has the name, the server said no, and our bytes are gone by our own hand.
            seen.verdict is Verdict.DIFFERENT and remove(self.session, flight.temporary)
        ):
            return Outcome(job.delivery_id, "not delivered", str(refusal))
        return Outcome(job.delivery_id, "unknown", f"{refusal}; {seen.detail}")

    def _confirm(self, started: str) -> None:
        """A look at the target, and the receipt."""
        session, look = self.session, self.endpoint.stat_after_rename and self.endpoint.read_back != "none"
        asked = [(f, session.stat(f.target) if look else None) for f in self._going()]
        for flight, looking in asked:
            size: int | None = None
            if looking is not None:
                try:
                    size = session.attributes(looking).size
                except SftpRefusalError as refusal:
                    flight.unsure(f"{refusal}, after it confirmed the rename; {_STAT_HINT}")
                    continue
                if size != flight.job.bytes:
                    flight.unsure(
                        f"looking at {flight.target}: found {size} bytes after the rename, "
                        f"expected {flight.job.bytes}; ask the receiver, then settle with gateway deliver resolve DELIVERY --as WHAT --reason WHY"
                    )
                    continue
            flight.outcome = Outcome(
                flight.job.delivery_id,
                "delivered",
                receipt=self.receipt(
                    flight.job,
                    read_back_sha256=flight.read_back_sha256,
                    size_after_rename=size,
                    started_at=started,
                    placed_at=flight.placed_at,
                ),
            )

    def receipt(self, job: Delivery, **more: Any) -> dict[str, Any]:
        """What was proved, how, and when."""
        return {
            "endpoint": job.endpoint,
            "host": self.endpoint.host,
            "port": self.endpoint.port,
            "host_key": self.host_key,
            "path": Paths(self.endpoint).target(job),
            "bytes": job.bytes,
            "sha256": job.sha256,
            "read_back": self.endpoint.read_back,
            "attempt": job.attempts,
            "confirmed_at": self.now(),
            **more,
        }

    def _clean_up(self) -> None:
        """Take away the temporary files of what was not delivered. What stays is removed by the next attempt."""
        asked = []
        for flight in self._flights:
            if flight.outcome is None or flight.outcome.verdict != "not delivered":
                continue
            if flight.handle is not None:
                asked.append(self.session.close_handle(flight.handle))
            if flight.created:
                asked.append(self.session.remove(flight.temporary))
        for ticket in asked:
            _accepted(self.session, ticket)

    def _settle_lost(self, error: ConnectionLostError) -> None:
        """The connection is gone. Only what was asked to be placed can have been placed."""
        self.lost = error
        for flight in self._going():
            if flight.asked_to_place:
                flight.unsure(f"{error}, after the rename was asked for")
            else:
                flight.refuse(f"{error}, before the rename was asked for")


_READ_BACK_HINT = "if this receiver does not let senders look at their files, set read_back to 'size' or 'none'"
_WRITE_HINT = "a disk or quota that is full there is answered so: ask the receiver"
_FOLDER_HINT = (
    "its folder is not there: ask the receiver, or correct directory of the endpoint (gateway endpoint probe NAME)"
)
_STAT_HINT = (
    "if this receiver takes files away at once, set stat_after_rename to false; else ask the receiver, then settle "
    "with gateway deliver resolve DELIVERY --as WHAT --reason WHY"
)


class _RenderError(GatewayError):
    """The file's bytes could not be made; nothing about the far side, and no try by itself mends it."""


@contextmanager
def _refusing(flight: _Flight, *, hint: str = "", absent: str = "") -> Iterator[None]:
    """What the far side refuses for one file is that file's outcome and nobody else's.

    ``absent``: the hint for what is not there.
    """
    try:
        yield
    except SftpRefusalError as refusal:
        said = absent if refusal.absent and absent else hint
        if flight.outcome is None:
            flight.refuse(f"{refusal}; {said}" if said else refusal)
    except _RenderError as failure:
        flight.refuse(failure, again=False)


def _accepted(session: SftpSession, ticket: Ticket) -> bool:
    try:
        session.done(ticket)
    except SftpRefusalError:
        return False
    return True
