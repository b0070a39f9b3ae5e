"""A small SFTP server on loopback with a host key of its own: the receiver in ``gateway demo``, and in tests.

It lets in the keys it was given, shows one folder as its root, renames as OpenSSH does (never over a file), and keeps
nothing else. It is not meant for anybody outside this machine, and listens to nobody there.
"""

from __future__ import annotations

import base64
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_OK
from typing_extensions import Buffer

from gateway import log

T = TypeVar("T")
USER: Final = "gateway"
_QUIET: Final = "gateway.local-sftp"
_log = log.get("gateway.delivery.local_server")
logging.getLogger(_QUIET).setLevel(logging.CRITICAL)  # a guest that hangs up is no event here


class Door(paramiko.ServerInterface):
    """Who may come in: one user with one of the given keys, for SFTP only."""

    def __init__(self, transport: paramiko.Transport, keys: frozenset[bytes], most_channels: int) -> None:
        self.transport = transport
        self._keys = keys
        self._channels_left = most_channels

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL if username == USER and key.asbytes() in self._keys else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self._channels_left -= 1
        if kind != "session" or self._channels_left < 0:
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return OPEN_SUCCEEDED


class Handle(paramiko.SFTPHandle):
    """An open file; reads and writes go where they are told, whatever came before."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def read(self, offset: int, length: int) -> bytes | int:
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def write(self, offset: int, data: Buffer) -> int:
        try:
            os.pwrite(self._fd, data, offset)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def stat(self) -> paramiko.SFTPAttributes | int:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self._fd))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Files(paramiko.SFTPServerInterface):
    """One folder as the whole world."""

    def __init__(self, server: paramiko.ServerInterface, root: Path) -> None:
        super().__init__(server)
        self.door = server
        self.root = root

    def place(self, path: str) -> Path:
        """The local path; ``..`` does not lead out of the folder."""
        return self.root / os.path.normpath("/" + path).lstrip("/")

    def canonicalize(self, path: str) -> str:
        return "/" + os.path.normpath("/" + path).lstrip("/")

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        return _answer(lambda: Handle(os.open(self.place(path), flags, 0o640)))

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        return _answer(lambda: paramiko.SFTPAttributes.from_stat(self.place(path).stat()))

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        return _answer(lambda: paramiko.SFTPAttributes.from_stat(self.place(path).lstat()))

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        return _answer(
            lambda: [
                paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name) for entry in os.scandir(self.place(path))
            ]
        )

    def remove(self, path: str) -> int:
        return _done(lambda: self.place(path).unlink())

    def rename(self, oldpath: str, newpath: str) -> int:
        def move() -> None:
            os.link(self.place(oldpath), self.place(newpath))  # fails where the name is taken
            self.place(oldpath).unlink()

        return _done(move)

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        return _done(lambda: self.place(path).mkdir())


def _done(act: Callable[[], None]) -> int:
    try:
        act()
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno or 0)
    return SFTP_OK


def _answer(act: Callable[[], T]) -> T | int:
    try:
        return act()
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno or 0)


class LocalServer:
    """A listening server; use it in a ``with`` block. ``port`` is known from the start."""

    def __init__(
        self,
        root: Path,
        *,
        host_key: Path,
        authorized: Sequence[str],
        files: Callable[..., paramiko.SFTPServerInterface] = Files,
        port: int = 0,
    ) -> None:
        """``authorized``: public lines of the keys that may come in. ``host_key``: private key file."""
        self.root = root
        self._files = files
        self._host_key = paramiko.PKey.from_path(host_key)
        self._keys = frozenset(_key_bytes(line) for line in authorized)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self.most_channels = 64  # one connection may open
        self._transports: list[paramiko.Transport] = []
        self._thread = threading.Thread(target=self._accept, name="local-sftp", daemon=True)

    @property
    def host_key_line(self) -> str:
        """For ``host_keys`` of an endpoint."""
        return f"{self._host_key.get_name()} {self._host_key.get_base64()}"

    @property
    def known_hosts_line(self) -> str:
        return f"[127.0.0.1]:{self.port} {self.host_key_line}"

    def __enter__(self) -> LocalServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and end every connection."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            _log.debug("listener_already_down")
        self._listener.close()
        self._thread.join()
        for transport in self._transports:
            transport.close()

    def use_host_key(self, host_key: Path) -> None:
        """Show another host key from the next connection on."""
        self._host_key = paramiko.PKey.from_path(host_key)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.set_log_channel(_QUIET)
            self._transports.append(transport)
            transport.add_server_key(self._host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, self._files, self.root)
            try:
                # With an event it returns at once, so that a slow or rude guest keeps nobody else waiting.
                transport.start_server(event=threading.Event(), server=Door(transport, self._keys, self.most_channels))
            except (paramiko.SSHException, OSError) as error:
                _log.info("guest_left", error=str(error))
                transport.close()


def _key_bytes(line: str) -> bytes:
    return base64.b64decode(line.split()[1])
