"""A connection to an endpoint: pinned host key, key authentication, fast cipher, nothing accepted unseen.

The host key must be one of those pinned in the endpoint's ``known_hosts`` file or its ``host_keys`` (several, so that
a receiver can announce the next one). It is compared before anything else is said; there is no way to accept an
unknown one, by setting or by question.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko

from gateway.delivery.sftp import SftpSession
from gateway.delivery.sftp_wire import ConnectionLostError
from gateway.errors import DeliveryError, SettingsError
from gateway.home import Home
from gateway.settings import Endpoint, secret

CIPHERS: Final = (
    "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr",
)  # fmt: skip
"""AES-GCM first: with the processor's own instructions it is twice as fast as counter mode with a separate MAC."""
KEEPALIVE_SECONDS: Final = 15


class HostKeyError(DeliveryError):
    """The far side did not show a pinned key. Nothing was sent to it."""

    def __init__(self, message: str, *, found: str) -> None:
        self.found = found
        super().__init__(message)


class LoginError(DeliveryError):
    """The host key is right; the far side does not let our key in."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open, authenticated connection. Each thread opens its own session on it."""

    transport: paramiko.Transport
    endpoint: Endpoint
    host_key: str  # fingerprint
    server: str

    def session(self) -> SftpSession:
        return SftpSession.over(self.transport, timeout=self.endpoint.io_timeout)

    def close(self) -> None:
        self.transport.close()


def fingerprint(key: paramiko.PKey) -> str:
    """``ssh-ed25519 SHA256:…`` as ``ssh-keygen -l`` shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode("ascii").rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def host_id(endpoint: Endpoint) -> str:
    """The host as known_hosts names it."""
    return endpoint.host if endpoint.port == 22 else f"[{endpoint.host}]:{endpoint.port}"


def pinned_keys(endpoint: Endpoint, home: Home) -> list[paramiko.PKey]:
    """Every key that this endpoint may show. Raises SettingsError for a line that cannot be read."""
    mistakes: list[str] = []
    keys = [k for k in (_public_key(line, "host_keys", mistakes) for line in endpoint.host_keys) if k is not None]
    path = home.root / endpoint.known_hosts
    if path.is_file():
        keys += _known_hosts(path, host_id(endpoint), endpoint.known_hosts, mistakes)
    if mistakes:
        raise SettingsError(mistakes)
    return keys


def _known_hosts(path: Path, host: str, shown: str, mistakes: list[str]) -> list[paramiko.PKey]:
    keys = []
    for number, raw in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("@"):
            mistakes.append(
                f"{shown} line {number}: found a marker {line.split()[0]}, expected host, type and key: remove the line"
            )
            continue
        names, _, rest = line.partition(" ")
        if _names_host(names, host):
            key = _public_key(rest.strip(), f"{shown} line {number}", mistakes)
            keys += [key] if key is not None else []
    return keys


def _names_host(names: str, host: str) -> bool:
    """One of the comma-separated names, plain or hashed (``|1|salt|hash``). Patterns are not understood on purpose."""
    return any(
        paramiko.HostKeys.hash_host(host, name) == name if name.startswith("|1|") else name == host
        for name in names.split(",")
    )


def _public_key(line: str, where: str, mistakes: list[str]) -> paramiko.PKey | None:
    kind, _, rest = line.strip().partition(" ")
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(rest.split(" ")[0], validate=True))
    except (binascii.Error, paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError, IndexError):
        mistakes.append(f"{where}: found {line[:40]!r}, expected a public key such as 'ssh-ed25519 AAAA…'")
        return None


def private_key(endpoint: Endpoint, home: Home) -> paramiko.PKey:
    """Our key. Raises SettingsError when it is missing, readable by others, or does not open."""
    path = home.root / endpoint.key
    try:
        home.require_private(path, endpoint.key)
    except OSError as error:
        raise SettingsError(
            [
                f"{endpoint.key}: found no file to read ({error.strerror}), expected the private key of the endpoint: put it there, "
                f"mode {home.key_file:04o}, or name another one in key"
            ]
        ) from error
    passphrase = (
        secret(endpoint.key_passphrase, home, what=f"passphrase of {endpoint.key}") if endpoint.key_passphrase else None
    )
    try:
        # The stubs say str; the library hands it on to a function that takes bytes only.
        return paramiko.PKey.from_path(path, passphrase.encode() if passphrase else None)  # type: ignore[arg-type]
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError, TypeError) as error:
        raise SettingsError(
            [f"{endpoint.key}: could not open it ({type(error).__name__}), expected a private key, and its "
             "passphrase in key_passphrase if it has one"]
        ) from error  # fmt: skip


def connect(endpoint: Endpoint, home: Home) -> Connection:
    """Connect, check the host key, log in.

    Raises SettingsError (key files), HostKeyError, LoginError, ConnectionLostError (not reached).
    """
    pinned = pinned_keys(endpoint, home)
    key = private_key(endpoint, home)
    transport = _transport(endpoint, pinned)
    try:
        shown = check_host_key(transport, endpoint, pinned)
        try:
            transport.auth_publickey(endpoint.user, key)
        except paramiko.AuthenticationException as error:
            raise LoginError(
                f"logging in at {host_id(endpoint)}: found user {endpoint.user} refused with key {fingerprint(key)}, "
                "expected it accepted; send the receiver this key's public half, or correct user and key"
            ) from error
        if not transport.is_authenticated():
            raise LoginError(f"logging in at {host_id(endpoint)}: the key alone is not enough there; ask the receiver")
        transport.set_keepalive(KEEPALIVE_SECONDS)
        return Connection(transport, endpoint, shown, transport.remote_version)
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise ConnectionLostError(f"logging in at {host_id(endpoint)}: {error or type(error).__name__}") from error
    except BaseException:
        transport.close()
        raise


def check_host_key(transport: paramiko.Transport, endpoint: Endpoint, pinned: list[paramiko.PKey]) -> str:
    """The fingerprint of the shown key, if it is pinned. Raises HostKeyError with both sides' fingerprints."""
    shown = transport.get_remote_server_key()
    if shown.asbytes() in {key.asbytes() for key in pinned}:
        return fingerprint(shown)
    found = fingerprint(shown)
    line = f"{host_id(endpoint)} {shown.get_name()} {shown.get_base64()}"
    if pinned:
        expected = ", ".join(fingerprint(key) for key in pinned)
        raise HostKeyError(
            f"checking the host key of {host_id(endpoint)}: found {found}, expected {expected}: nothing was sent; "
            "it may be another machine. Ask the receiver by telephone, and only if they confirm the new fingerprint add it to "
            f"{endpoint.known_hosts}",
            found=line,
        )
    raise HostKeyError(
        f"checking the host key of {host_id(endpoint)}: found {found}, expected a pinned key and there is none: nothing "
        f"was sent. Compare the fingerprint with the receiver's letter, then add this line to {endpoint.known_hosts}: "
        f"{line}",
        found=line,
    )


def _transport(endpoint: Endpoint, pinned: list[paramiko.PKey]) -> paramiko.Transport:
    try:
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout=endpoint.connect_timeout)
    except OSError as error:
        raise ConnectionLostError(f"connecting to {host_id(endpoint)}: {error.strerror or error}") from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a peer that takes nothing ends the connection, not the night
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(endpoint.io_timeout * 1000))
        transport = paramiko.Transport(sock)
    except BaseException:
        sock.close()
        raise
    try:
        transport.banner_timeout = transport.auth_timeout = endpoint.connect_timeout
        options = transport.get_security_options()
        options.ciphers = CIPHERS
        options.key_types = _pinned_first(tuple(options.key_types), pinned)
        transport.start_client(timeout=endpoint.connect_timeout)
        transport.get_remote_server_key()  # start_client comes back without a word when the time is over
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise ConnectionLostError(
            f"starting SSH with {host_id(endpoint)}: found no SSH server that answers within {endpoint.connect_timeout:g} s "
            f"({error or type(error).__name__})"
        ) from error
    except BaseException:
        transport.close()
        raise
    return transport


def _pinned_first(kinds: tuple[str, ...], pinned: list[paramiko.PKey]) -> tuple[str, ...]:
    """Ask for the kinds of key that are pinned first: a server with several then shows the one we know."""
    wanted = {"rsa-sha2-512" if k.get_name() == "ssh-rsa" else k.get_name() for k in pinned}
    if "rsa-sha2-512" in wanted:
        wanted.add("rsa-sha2-256")
    return (*(k for k in kinds if k in wanted), *(k for k in kinds if k not in wanted))
