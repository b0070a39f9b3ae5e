"""Parsing in a second process, for large files: it reads and validates while this one stages.

``python -m gateway.intake.reader`` takes one pickled request on standard input (path, kind, form, profile) and answers
on standard output with frames: length, then the chunk. Both ends are this program; nothing from outside is unpickled.
Records travel by ``marshal``, which is three times faster than pickle for plain tuples.
"""

from __future__ import annotations

import marshal
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from gateway.errors import GatewayError
from gateway.intake.parsing import Reading, UnreadableError, parse_stream
from gateway.intake.states import HoldCode
from parsers.base import ParsedChunk
from parsers.profile import Profile

BESIDE_BYTES: Final = 4 * 1024 * 1024
"""From here on a second process pays for its start."""
BESIDE_RECORDS: Final = 50_000
"""The same, for what is written about records."""

_LENGTH: Final = struct.Struct("<QQ")


def read_beside(
    path: Path,
    kind: str,
    form: str,
    profile: Profile,
    *,
    reading: Reading,
    progress: Callable[[int], None] | None = None,
) -> Iterator[ParsedChunk]:
    """As ``parse_stream``, from a second process. ``reading`` has its figures when the chunks are through."""
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway.intake.reader"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    if child.stdin is None or child.stdout is None:
        raise GatewayError(f"reading {path.name}: the second process has no pipes")
    try:
        with child.stdin as request:
            pickle.dump((str(path), kind, form, profile), request)
        yield from _frames(child.stdout, path, reading, progress)
    finally:
        child.stdout.close()
        child.kill()
        child.wait()


def _frames(
    answers: IO[bytes], path: Path, reading: Reading, progress: Callable[[int], None] | None
) -> Iterator[ParsedChunk]:
    while head := answers.read(_LENGTH.size):
        fast, rest = _LENGTH.unpack(head)
        records = marshal.loads(answers.read(fast)) if fast else None  # noqa: S302 - our own process wrote it
        answer = pickle.loads(answers.read(rest))  # noqa: S301 - our own process wrote it
        if isinstance(answer, ParsedChunk):
            if records is not None:
                answer.records = records
            yield answer
        elif isinstance(answer, int):
            reading.size = answer
            if progress is not None:
                progress(answer)
        elif answer[0] == "done":
            reading.take(*answer[1:])
            return
        else:
            raise UnreadableError(HoldCode(answer[1]), answer[2])
    raise GatewayError(f"reading {path.name}: the second process ended before the file did; it is tried again")


def _send(out: IO[bytes], answer: Any, records: list[Any] | None = None) -> None:
    fast = marshal.dumps(records) if records is not None else b""
    rest = pickle.dumps(answer)
    out.write(_LENGTH.pack(len(fast), len(rest)))
    out.write(fast)
    out.write(rest)


def main() -> None:
    path, kind, form, profile = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own process wrote it
    out = sys.stdout.buffer
    reading = Reading()
    try:
        for chunk in parse_stream(Path(path), kind, form, profile, reading=reading, progress=lambda n: _send(out, n)):
            records, chunk.records = [tuple(r) for r in chunk.records], []
            _send(out, chunk, records)
    except UnreadableError as error:
        _send(out, ("unreadable", error.code.value, str(error)))
        return
    _send(out, ("done", reading.size, reading.sha256))


if __name__ == "__main__":
    main()
