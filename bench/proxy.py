"""A TCP proxy on loopback that delays every byte by a fixed time each way and limits nothing else.

``python -m bench.proxy PORT SECONDS`` listens on a free port, prints it, and runs until it is terminated. A process of
its own, so that it does not share an interpreter lock with what is measured. Each direction is a delay line: one thread
reads as fast as bytes come and notes when they are due, another sends them on when they are.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

PIECE = 256 * 1024


@contextmanager
def delayed(port: int, seconds: float) -> Iterator[int]:
    """The port of a proxy to ``port`` on this machine."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.proxy", str(port), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            near, _ = server.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _delay_line(near, far, seconds)
            _delay_line(far, near, seconds)


def _delay_line(source: socket.socket, target: socket.socket, seconds: float) -> None:
    line: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

    def read() -> None:
        data = b"."
        while data:
            try:
                data = source.recv(PIECE)
            except OSError:
                data = b""
            line.put((time.monotonic() + seconds, data))

    def send() -> None:
        while True:
            due, data = line.get()
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            with suppress(OSError):
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)

    for work in (read, send):
        threading.Thread(target=work, daemon=True).start()


if __name__ == "__main__":
    main()
