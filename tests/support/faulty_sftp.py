"""The in-process SFTP server with faults: what a far side, or the line to it, does on a bad day.

A fault names an operation, what happens, and how often. ``Behaviour`` also keeps what an outsider would have seen: every
operation in order, and every file that ever came to stand under a final name, with its content.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paramiko import sftp

from gateway.delivery.keys import make_key
from gateway.delivery.local_server import Files, Handle, LocalServer

DENIED = sftp.SFTP_PERMISSION_DENIED
FAILURE = sftp.SFTP_FAILURE
UNSUPPORTED = sftp.SFTP_OP_UNSUPPORTED


@dataclass
class Fault:
    """``do``: an SFTP code to answer; ``drop before`` or ``drop after`` the operation; ``vanish``: a consumer takes the
    file right after; ``overwrite``: rename replaces; ``lose bytes``: a write keeps half;
    ``add``: a write adds a byte; ``flip``: a write changes a bit; ``short``: a read gives half; ``lose``: a rename fails and its file is gone;
    ``occupied``: somebody takes the
    name just before the rename; ``cut``: the target loses a byte after the rename; ``half``: a link without
    its unlink, then the connection is gone."""

    op: str
    do: int | str
    times: int = 1
    skip: int = 0
    ending: str = ""


@dataclass
class Behaviour:
    faults: list[Fault] = field(default_factory=list)
    operations: list[tuple[str, str]] = field(default_factory=list)
    placed: list[tuple[str, bytes]] = field(default_factory=list)
    """Every (name, content) that a rename made visible, in order."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, op: str, path: str) -> int | str | None:
        """What to do now, if anything; counts it."""
        with self._lock:
            self.operations.append((op, path))
            for fault in self.faults:
                if fault.op == op and path.endswith(fault.ending) and fault.times:
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault.do
        return None

    def saw(self, path: Path) -> None:
        with self._lock:
            self.placed.append((path.name, path.read_bytes()))


class FaultyHandle(Handle):
    def __init__(self, fd: int, files: FaultyFiles, path: str) -> None:
        super().__init__(fd)
        self._files, self._path = files, path

    def read(self, offset: int, length: int) -> Any:
        do = self._files.behaviour.fault("read", self._path)
        wanted = length // 2 if do == "short" else length
        return self._files.apply(do, lambda: Handle.read(self, offset, wanted))

    def write(self, offset: int, data: Any) -> Any:
        do = self._files.behaviour.fault("write", self._path)
        if do == "lose bytes":
            return super().write(offset, data[: len(data) // 2])
        if do == "add":
            return super().write(offset, data + b"+")
        if do == "flip":
            return super().write(offset, bytes([data[0] ^ 1]) + data[1:])
        return self._files.apply(do, lambda: Handle.write(self, offset, data))


class FaultyFiles(Files):
    def __init__(self, server: Any, root: Path, behaviour: Behaviour) -> None:
        super().__init__(server, root)
        self.behaviour = behaviour

    def guarded(self, op: str, path: str, act: Any) -> Any:
        return self.apply(self.behaviour.fault(op, path), act)

    def apply(self, do: int | str | None, act: Any) -> Any:
        if isinstance(do, int):
            return do
        if do == "drop before":
            self.drop()
            return FAILURE
        answer = act()
        if do == "drop after":
            self.drop()
        return answer

    def drop(self) -> None:
        """The line goes dead: no answer will ever leave."""
        self.door.transport.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]

    def open(self, path: str, flags: int, attr: Any) -> Any:
        def act() -> Any:
            handle = super(FaultyFiles, self).open(path, flags, attr)
            if isinstance(handle, Handle):
                fd = os.dup(handle._fd)
                handle.close()
                return FaultyHandle(fd, self, path)
            return handle

        return self.guarded("open" if flags & os.O_CREAT else "open to read", path, act)

    def stat(self, path: str) -> Any:
        return self.guarded("stat", path, lambda: Files.stat(self, path))

    def remove(self, path: str) -> Any:
        return self.guarded("remove", path, lambda: Files.remove(self, path))

    def posix_rename(self, oldpath: str, newpath: str) -> Any:
        self.behaviour.fault("posix_rename", newpath)
        return UNSUPPORTED

    def rename(self, oldpath: str, newpath: str) -> Any:
        do = self.behaviour.fault("rename", newpath)
        return self.apply(do, lambda: self._rename(do, oldpath, newpath))

    def _rename(self, do: int | str | None, oldpath: str, newpath: str) -> int:
        target = self.place(newpath)
        if do == "overwrite":
            self.place(oldpath).replace(target)
        elif do == "occupied":
            target.write_bytes(b"theirs")
            return FAILURE
        elif do == "lose":
            self.place(oldpath).unlink()
            return FAILURE
        elif do == "half":
            os.link(self.place(oldpath), target)
        else:
            code = Files.rename(self, oldpath, newpath)
            if code != sftp.SFTP_OK:
                return code
        self.behaviour.saw(target)
        if do == "cut":
            os.truncate(target, target.stat().st_size - 1)
        if do == "half":
            self.drop()
        if do in ("vanish", "vanish and drop"):
            target.unlink()
        if do == "vanish and drop":
            self.drop()
        return sftp.SFTP_OK


@dataclass
class Faulty:
    """A running server, its key files and what it does."""

    server: LocalServer
    behaviour: Behaviour
    root: Path
    key: Path
    folder: Path


@contextmanager
def server(folder: Path, faults: Sequence[Fault] = ()) -> Iterator[Faulty]:
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "files"
    root.mkdir()
    make_key(folder / "host_key")
    line = make_key(folder / "id")
    behaviour = Behaviour(list(faults))

    def files(door: Any, root: Path) -> FaultyFiles:
        return FaultyFiles(door, root, behaviour)

    with LocalServer(root, host_key=folder / "host_key", authorized=[line], files=files) as running:
        yield Faulty(running, behaviour, root, folder / "id", folder)
