"""A real OpenSSH server on loopback: own configuration, host key, authorised keys and folder; gone afterwards.

It runs as whoever runs the tests. As root it needs its run directory, which is made; nothing else of the machine is
touched, and the machine's own sshd, if any, is not asked.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.delivery.keys import make_key

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")


@dataclass(frozen=True)
class OpenSsh:
    port: int
    user: str
    root: Path
    """Where its files arrive; endpoints name it as their directory."""
    key: Path
    host_key_line: str
    """``ssh-ed25519 AAAA…``, for pinning."""


def available() -> bool:
    return SSHD is not None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(folder: Path, *options: str) -> Iterator[OpenSsh]:
    """Run sshd until the block ends. ``folder`` takes keys, configuration, log and the arriving files."""
    assert SSHD is not None
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    root = folder / "files"
    root.mkdir(parents=True)
    host_key, key = folder / "host_key", folder / "id"
    host_line = make_key(host_key)
    (folder / "authorized_keys").write_text(make_key(key) + "\n", encoding="ascii")
    port = free_port()
    subsystem = next((p for p in SFTP_SERVERS if Path(p).exists()), "internal-sftp")
    lines = [
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {host_key}", f"PidFile {folder / 'sshd.pid'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}", "StrictModes no", "PasswordAuthentication no",
        "KbdInteractiveAuthentication no", "UsePAM no", "PermitRootLogin prohibit-password", "MaxSessions 64",
        "MaxStartups 100:30:200", *options, f"Subsystem sftp {subsystem}",
    ]  # fmt: skip
    config = folder / "sshd_config"
    config.write_text("\n".join(lines) + "\n", encoding="ascii")
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
        try:
            _await(port, process, folder / "sshd.log")
            yield OpenSsh(port, pwd.getpwuid(os.getuid()).pw_name, root, key, host_line)
        finally:
            process.terminate()
            process.wait()


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Connect until the server answers; a server that ended shows its log."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
            return
        except ConnectionRefusedError:
            try:
                process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"sshd ended: {log.read_text(errors='replace')}") from None
