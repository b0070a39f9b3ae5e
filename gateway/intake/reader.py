"""Parsing in a second process, for large files: it reads, validates and packs while this one inserts.

``python -m gateway.intake.reader`` takes one pickled ``Request`` on standard input and answers on standard output with
frames: length, then the chunk. Both ends are this program; nothing from outside is unpickled. Rows travel packed, by
``marshal``, which is three times faster than pickle for plain values.
"""

from __future__ import annotations

import fcntl
import marshal
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from gateway.collection import collect_rarely
from gateway.errors import GatewayError
from gateway.intake.packing import Ready, ready
from gateway.intake.parsing import Reading, UnreadableError, parse_stream
from gateway.intake.states import HoldCode
from gateway.ledger.packed import Pack, Packed
from parsers.base import ParsedChunk
from parsers.profile import Profile

BESIDE_BYTES: Final = 4 * 1024 * 1024
"""From here on a second process pays for its start."""
BESIDE_RECORDS: Final = 50_000
"""The same, for what is written about records."""

_PIPE_BYTES: Final = 1 << 20
"""Some frames: the second process goes on while this one inserts. The most that a user may ask of Linux unless told else."""
PLAIN: Final = 2
"""The form of ``marshal`` that does not look whether a value was there before: half the time."""
_LENGTH: Final = struct.Struct("<QQ")


class Request(NamedTuple):
    """What is to be read, as ``parse_stream`` takes it, and how its records are to be made ready (``staging.ready``)."""

    path: Path
    kind: str
    form: str
    profile: Profile
    file_id: int
    pack: Pack


def second_process(module: str, *words: str) -> list[str]:
    """The command that runs a module of this room. Nothing of it comes from the current folder (``-P``): that may be one which
    others write into, as senders do into the inbox, and their ``struct.py`` would run with the rights of who stands there."""
    return [sys.executable, "-P", "-m", f"gateway.intake.{module}", *words]


def read_beside(
    request: Request, *, reading: Reading, progress: Callable[[int], None] | None = None
) -> Iterator[Ready]:
    """The file's chunks from a second process. ``reading`` has its figures when they are through."""
    child = subprocess.Popen(second_process("reader"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if child.stdin is None or child.stdout is None:
        raise GatewayError(f"reading {request.path.name}: the second process has no pipes")
    _widen(child.stdout)
    try:
        with child.stdin as asked:
            pickle.dump(tuple(request), asked)
        yield from _frames(child.stdout, request.path, reading, progress)
    finally:
        child.stdout.close()
        child.kill()
        child.wait()


def _widen(pipe: IO[bytes]) -> None:
    """A user who has many pipes is refused a larger one, and a site may allow none: the usual size does too."""
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _frames(
    answers: IO[bytes], path: Path, reading: Reading, progress: Callable[[int], None] | None
) -> Iterator[Ready]:
    def whole(size: int) -> bytes:
        data = answers.read(size)
        if len(data) < size:
            raise GatewayError(
                f"reading {path.name}: the second process ended before the file did: killed, or short of memory"
            )
        return data

    while True:
        fast, rest = _LENGTH.unpack(whole(_LENGTH.size))
        packed = marshal.loads(whole(fast)) if fast else None  # noqa: S302 - our own process wrote it
        answer = pickle.loads(whole(rest))  # noqa: S301 - our own process wrote it
        if isinstance(answer, int):
            reading.size = answer
            if progress is not None:
                progress(answer)
        elif isinstance(answer[0], ParsedChunk):
            chunk, records = answer
            yield Ready(chunk, records, packed)
        elif answer[0] == "done":
            reading.take(*answer[1:])
            return
        else:
            raise UnreadableError(HoldCode(answer[1]), answer[2])


def _send(out: IO[bytes], answer: Any, packed: Packed | None = None) -> None:
    fast = b"" if packed is None else marshal.dumps(packed, PLAIN)
    rest = pickle.dumps(answer)
    out.write(_LENGTH.pack(len(fast), len(rest)))
    out.write(fast)
    out.write(rest)


def main() -> None:
    asked = Request(*pickle.load(sys.stdin.buffer))  # noqa: S301 - our own process wrote it
    out = sys.stdout.buffer
    reading = Reading()
    try:
        chunks = parse_stream(
            asked.path, asked.kind, asked.form, asked.profile, reading=reading, progress=lambda size: _send(out, size)
        )
        for chunk, records, packed in ready(chunks, asked.file_id, asked.pack):
            _send(out, (chunk, records), packed)
    except UnreadableError as error:
        _send(out, ("unreadable", error.code.value, str(error)))
        return
    _send(out, ("done", reading.size, reading.sha256))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who asked was killed: nobody is to be told, on its terminal least
    collect_rarely()
    main()
