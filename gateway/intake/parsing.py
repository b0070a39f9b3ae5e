"""From a name to the one parser, and from archived bytes to parsed chunks. Knows no columns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from gateway.answers.names import kinds_of
from gateway.errors import GatewayError, UsageError
from gateway.intake.archive import read_blocks
from gateway.intake.states import HoldCode
from gateway.settings import Settings
from parsers import avro, bptmtrev, btchassmt, btchescr, btchpmt
from parsers.base import ParsedChunk, render_message
from parsers.names import Identified, identify
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


def identified(settings: Settings, name: str) -> Identified:
    """The one parser that claims ``name``. Raises UsageError when none or several do."""
    found = _claims(settings, name)
    if isinstance(found, str):
        raise UsageError(found)
    return found


def identified_file(settings: Settings, path: Path) -> Identified:
    """The same of a file that a person names. Raises UsageError for one that cannot be taken, too."""
    if not path.is_file() or path.is_symlink():
        found = (
            "a link"
            if path.is_symlink()
            else "a folder"
            if path.is_dir()
            else "no ordinary file"
            if path.exists()
            else "no such file"
        )
        raise UsageError(f"processing {path}: found {found}, expected a file to take; look at the name")
    if (why := unknown_name(settings, path.name)) is not None:
        raise UsageError(f"processing {path}: {why[:1].lower()}{why[1:]}")
    return identified(settings, path.name)


def unknown_name(settings: Settings, name: str) -> str | None:
    """Why no parser claims ``name``; None when exactly one does."""
    found = _claims(settings, name)
    return found if isinstance(found, str) else None


def _claims(settings: Settings, name: str) -> Identified | str:
    """The one kind of a name, by the format profile or by the patterns of a bank."""
    found = identify(name, [settings.inbound])
    kinds = kinds_of(settings.gateway, name)
    if not kinds:
        return found if isinstance(found, Identified) else found.message
    if isinstance(found, Identified):
        kinds = (found.kind, *kinds)
    if len(kinds) > 1:
        return render_message(
            f"the name {name}, claimed by {' and '.join(kinds)}",
            "one kind for each name",
            "correct the patterns in [banks.*] or the names table of the format profile",
        )
    return Identified(kinds[0], None, "dat")


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
