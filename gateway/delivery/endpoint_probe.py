"""``gateway endpoint probe``: try an endpoint for real, step by step, with a small file of a name of its own.

The file is written, renamed, read back and removed just as a delivery would do it, so that a receiver's habits are
known before money depends on them. What was found is turned into settings to use.
"""

from __future__ import annotations

import hashlib
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.app import App
from gateway.delivery.connect import Connection, connect, fingerprint, host_id, pinned_keys, private_key
from gateway.delivery.probe import Sight, look, remove, sha256_of
from gateway.delivery.sftp import SftpSession
from gateway.delivery.sftp_wire import Open, SftpRefusalError
from gateway.delivery.upload import join
from gateway.errors import GatewayError, UsageError
from gateway.settings import Endpoint


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One thing that was tried. ``ok`` None: not needed, only told."""

    name: str
    ok: bool | None
    detail: str


def probe_endpoint(app: App, name: str) -> list[ProbeStep]:
    """Try the endpoint; the first step that must work and does not is the last. Leaves nothing behind where the far
    side lets us remove. Raises UsageError for an endpoint that is not configured."""
    endpoint = app.settings.gateway.endpoints.get(name)
    if endpoint is None:
        known = ", ".join(app.settings.gateway.endpoints) or "(none)"
        raise UsageError(
            f"probing {name}: found no such endpoint, expected one of {known}; see [endpoints.*] in config/gateway.toml"
        )
    steps: list[ProbeStep] = []
    step = "settings"
    try:
        pinned, key = pinned_keys(endpoint, app.home), private_key(endpoint, app.home)
        steps.append(
            ProbeStep(
                step,
                True,
                f"{len(pinned)} host {'key' if len(pinned) == 1 else 'keys'} pinned; our key {fingerprint(key)}",
            )
        )
        step = "connection"
        connection = connect(endpoint, app.home)
    except GatewayError as error:
        return [*steps, ProbeStep(step, False, str(error))]
    try:
        steps.append(ProbeStep(step, True, f"{host_id(endpoint)}: {connection.server}, {connection.host_key}"))
        steps += _try_files(connection, endpoint)
    finally:
        connection.close()
    return steps


def _try_files(connection: Connection, endpoint: Endpoint) -> Iterator[ProbeStep]:
    try:
        session = connection.session()
    except GatewayError as error:
        yield ProbeStep("sftp", False, str(error))
        return
    try:
        extensions = ", ".join(sorted(session.extensions)) or "no extensions"
        yield ProbeStep("sftp", True, f"requests of {session.write_size} bytes; {extensions}")
        yield from _Trial(session, endpoint).steps()
        yield _channels(connection, endpoint)
    except GatewayError as error:
        yield ProbeStep("connection kept", False, str(error))
    finally:
        session.close()


def _channels(connection: Connection, endpoint: Endpoint) -> ProbeStep:
    """How many of the channels in the settings the far side really gives."""
    opened: list[SftpSession] = []
    try:
        for _ in range(endpoint.channels - 1):
            opened.append(connection.session())
    except GatewayError:
        count = len(opened) + 1
        return ProbeStep("channels", None, f"found {count} of {endpoint.channels} channels: set channels = {count}")
    finally:
        for session in opened:
            session.close()
    return ProbeStep("channels", True, f"{endpoint.channels} channels at once")


class _Trial:
    """The walk of one small file. What is learnt becomes settings at the end."""

    def __init__(self, session: SftpSession, endpoint: Endpoint) -> None:
        self.session = session
        self.endpoint = endpoint
        name = f"gateway-probe-{secrets.token_hex(8)}.txt"
        self.target = join(endpoint.directory, name)
        self.temporary = join(endpoint.temporary_directory or endpoint.directory, name + endpoint.temporary_suffix)
        self.content = f"probe of a file gateway: {name}, may be removed\n".encode()
        self.advice: dict[str, str] = {}

    def steps(self) -> Iterator[ProbeStep]:
        yield from self._directory()
        try:
            with_name = self._write()
        except SftpRefusalError as refusal:
            yield ProbeStep("write", False, str(refusal))
            return
        yield with_name
        yield self._look_at_temporary()
        try:
            self.session.done(self.session.rename(self.temporary, self.target))
        except SftpRefusalError as refusal:
            yield ProbeStep("rename", False, str(refusal))
            yield self._tidy(self.temporary)
            return
        yield ProbeStep("rename", True, "temporary name to final name, by plain rename")
        yield self._look_at_target()
        yield self._tidy(self.target)
        yield self._settings()

    def _directory(self) -> Iterator[ProbeStep]:
        for key in ("directory", *(["temporary_directory"] if self.endpoint.temporary_directory else [])):
            path = getattr(self.endpoint, key)
            try:
                real = self.session.path(self.session.realpath(path))
                mode = self.session.attributes(self.session.stat(path)).mode
                if mode is None or not stat.S_IFMT(mode):  # it does not say what it is; the next steps will
                    yield ProbeStep("directory", None, f"{path} is {real}; the far side does not say whether it is one")
                elif not stat.S_ISDIR(mode):
                    what = "a file" if stat.S_ISREG(mode) else "no directory"
                    yield ProbeStep(
                        "directory", False, f"{path} is {real}: found {what}, expected a directory; correct {key}"
                    )
                else:
                    yield ProbeStep("directory", True, f"{path} is {real}")
            except SftpRefusalError as refusal:
                yield ProbeStep("directory", None, str(refusal))

    def _write(self) -> ProbeStep:
        flags = Open.WRITE | Open.CREATE | Open.EXCLUSIVE
        handle = self.session.handle(self.session.open(self.temporary, flags))
        _, tickets = self.session.start_write(handle, [self.content])
        for ticket in (*tickets, self.session.close_handle(handle)):
            self.session.done(ticket)
        return ProbeStep("write", True, f"{len(self.content)} bytes to {self.temporary}")

    def _look_at_temporary(self) -> ProbeStep:
        """May we see the size, and read what we wrote?"""
        seen = look(self.session, self.temporary)
        read = sha256_of(self.session, self.temporary, len(self.content))
        if read is not None:
            self.advice["read_back"] = '"full"'
            whole = read == hashlib.sha256(self.content).hexdigest()
            return ProbeStep("read back", whole, "read back whole" if whole else "read back other bytes than written")
        self.advice["read_back"] = '"size"' if seen.size is not None else '"none"'
        ok = None if self.endpoint.read_back in ("none", self.advice["read_back"].strip('"')) else False
        return ProbeStep("read back", ok, f"reading is refused, the size is {seen.size or 'refused too'}")

    def _look_at_target(self) -> ProbeStep:
        seen = look(self.session, self.target)
        there = seen.sight is Sight.PRESENT and seen.size in (None, len(self.content))
        self.advice["stat_after_rename"] = "true" if there else "false"
        ok = True if there else (False if self.endpoint.stat_after_rename else None)
        return ProbeStep("look at the target", ok, f"{seen.sight.value} right after the rename")

    def _tidy(self, path: str) -> ProbeStep:
        if remove(self.session, path):
            return ProbeStep("remove", True, "the probe's file is gone again")
        return ProbeStep("remove", None, f"{path} may not be removed, or was taken away: tell the receiver")

    def _settings(self) -> ProbeStep:
        now = {
            "read_back": f'"{self.endpoint.read_back}"',
            "stat_after_rename": str(self.endpoint.stat_after_rename).lower(),
        }
        better = [f"{key} = {value}" for key, value in self.advice.items() if now[key] != value]
        if better:
            return ProbeStep("settings to use", None, "; ".join(better))
        return ProbeStep("settings to use", True, "as they are")
