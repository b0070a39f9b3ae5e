"""From archived bytes to parsed chunks. Knows no columns, no ledger and no settings: a process that reads starts in little
time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.home import read_blocks
from gateway.intake.states import HoldCode
from parsers import avro, bptmtrev, btchassmt, btchescr, btchpmt
from parsers.base import ParsedChunk
from parsers.profile import Profile

FORMATS: Final[dict[str, ModuleType]] = {
    "assessments": btchassmt,
    "escrow": btchescr,
    "reversals": bptmtrev,
    "payments": btchpmt,
}
"""The format module of each kind; all offer the same verbs."""


class UnreadableError(GatewayError):
    """The archived bytes are not what was claimed, or not what the name says."""

    def __init__(self, code: HoldCode, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(slots=True)
class Reading:
    """What has been read so far, to be compared with what was claimed."""

    size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)
    _taken: str | None = None  # from the process that read in our place

    @property
    def sha256(self) -> str:
        return self._taken or str(self._digest.hexdigest())

    def take(self, size: int, sha256: str) -> None:
        self.size, self._taken = size, sha256

    def through(self, blocks: Iterator[bytes], progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
        for block in blocks:
            self._digest.update(block)
            self.size += len(block)
            yield block
            if progress is not None:
                progress(self.size)


def parse_stream(
    path: Path,
    kind: str,
    form: str,
    profile: Profile,
    *,
    reading: Reading | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[ParsedChunk]:
    """The chunks of a file, in flat memory. Needs nothing but its arguments, so it can run in another process."""
    blocks = (reading or Reading()).through(read_blocks(path), progress)
    if form == "avro":
        yield from _twin(blocks, kind, profile)
    else:
        yield from FORMATS[kind].parse(blocks, profile=profile)


def _twin(blocks: Iterator[bytes], kind: str, profile: Profile) -> Iterator[ParsedChunk]:
    for chunk in avro.parse_avro(blocks, kind, profile):
        if isinstance(chunk, avro.Unreadable):
            raise UnreadableError(HoldCode.UNREADABLE, chunk.message)
        yield chunk
    for _rest in blocks:  # so that all of the file is hashed
        pass
