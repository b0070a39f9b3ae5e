"""Hashes of a file's lines on disk, and what can be said from them: lines repeated, lines shared with another file.

All of it works on memory maps by ranges of the hash, so that memory does not grow with the file.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from parsers.base import ParsedChunk

Hashes = NDArray[np.uint64]

_RANGE: Final = 1 << 20
"""Hashes sorted at a time."""
_SAMPLE_SHIFT: Final = np.uint64(58)
"""One hash in 64 is in the sample."""
_SAMPLE_FROM: Final = 1 << 17
_TYPE: Final = np.dtype("<u8")


class Spool:
    """The hashes and line numbers of a file being read, in two temporary files.

    As long as it is open it shares the lock of its folder, which goes with the process, however that ends.
    """

    def __init__(self, folder: Path, stem: str) -> None:
        self._lock = share(folder)
        self.hashes_file = folder / f"{stem}.hashes"
        self.lines_file = folder / f"{stem}.lines"
        try:
            self._out: tuple[IO[bytes], IO[bytes]] | None = (self.hashes_file.open("wb"), self.lines_file.open("wb"))
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _t: TracebackType | None) -> None:
        try:
            self._close()
            self.hashes_file.unlink(missing_ok=True)
            self.lines_file.unlink(missing_ok=True)
        finally:
            os.close(self._lock)

    def add(self, chunk: ParsedChunk) -> None:
        self.put(np.asarray(chunk.hashes, dtype=_TYPE), np.asarray(chunk.hash_lines, dtype=_TYPE))

    def put(self, hashes: Hashes, lines: Hashes) -> None:
        if self._out is not None:
            hashes.tofile(self._out[0])
            lines.tofile(self._out[1])

    def _close(self) -> None:
        if self._out is not None:
            for handle in self._out:
                handle.close()
            self._out = None

    def hashes(self) -> Hashes:
        self._close()
        return mapped(self.hashes_file)

    def lines(self) -> Hashes:
        self._close()
        return mapped(self.lines_file)


def share(folder: Path) -> int:
    """Hold what ``remove_abandoned`` would remove, until this is closed or the process ends."""
    lock = _open_lock(folder)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _open_lock(folder: Path) -> int:
    return os.open(folder / "spools.lock", os.O_RDWR | os.O_CREAT, 0o660)  # in a folder that is closed to others


def remove_abandoned(folder: Path) -> None:
    """Remove the spools and drafts that killed processes left in a folder; none while any process shares its lock."""
    lock = _open_lock(folder)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in (*folder.glob("*.hashes"), *folder.glob("*.lines")):
                path.unlink()
            for draft in folder.glob("*.draft"):
                shutil.rmtree(draft, ignore_errors=True)  # its second process may still be ending
    finally:
        os.close(lock)


def mapped(path: Path) -> Hashes:
    """The numbers in a file, read as they are used."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype=_TYPE)
    return np.memmap(path, dtype=_TYPE, mode="r")


def repeats(hashes: Hashes) -> Iterator[tuple[int, int]]:
    """(index, index of the first equal one) of every hash that was there before."""
    for indexes in _ranges(hashes):
        part = hashes[indexes]
        order = np.argsort(part, kind="stable")
        ordered = part[order]
        again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        first = np.searchsorted(ordered, ordered[again], side="left")
        yield from zip(indexes[order[again]].tolist(), indexes[order[first]].tolist(), strict=True)


def shared(mine: Hashes, theirs: Hashes) -> NDArray[np.bool_]:
    """Which of my lines equal lines of the other file, each of its lines counted once."""
    found = np.zeros(len(mine), dtype=np.bool_)
    bits = _bits(max(len(mine), len(theirs)))
    for my_indexes, their_indexes in zip(_ranges(mine, bits), _ranges(theirs, bits), strict=True):
        part = mine[my_indexes]
        order = np.argsort(part, kind="stable")
        ordered = part[order]
        rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered, side="left")
        other = np.sort(theirs[their_indexes])
        there = np.searchsorted(other, ordered, side="right") - np.searchsorted(other, ordered, side="left")
        found[my_indexes[order]] = rank < there
    return found


def prefix(mine: Hashes, theirs: Hashes, enough: int) -> int:
    """How many lines from the first on are equal, counted to ``enough``."""
    n = min(len(mine), len(theirs), enough)
    different = np.flatnonzero(mine[:n] != theirs[:n])
    return int(different[0]) if len(different) else n


SAMPLE_LINES: Final = 128
"""At most about so many hashes of a file are kept to find overlaps by."""


def landmarks(hashes: Hashes) -> list[int]:
    """The hashes a file is found by: its first line's, and those with the most low bits zero, as signed numbers.

    Two files choose by the same rule, so a line they share is a landmark of both, or only of the shorter one.
    """
    if len(hashes) == 0:
        return []
    bits = max(0, (len(hashes) // SAMPLE_LINES).bit_length())
    low = np.uint64((1 << bits) - 1)
    chosen = np.concatenate([np.asarray(hashes[:1]), *(block[(block & low) == 0] for block in _blocks(hashes))])
    return sorted(set(chosen.astype(np.int64).tolist()))


def unlike(mine: Hashes, theirs: Hashes, share: float) -> bool:
    """Surely less than ``share`` of my lines in the other file, from one line in 64; False for files too small to say."""
    if len(mine) < _SAMPLE_FROM:
        return False
    sample = _sample(mine)
    common = np.isin(sample, _sample(theirs)).sum()
    return bool(common < len(sample) * share / 2)


def _sample(hashes: Hashes) -> Hashes:
    parts = [b[(b >> _SAMPLE_SHIFT) == 0] for b in _blocks(hashes)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=_TYPE)


def _blocks(hashes: Hashes) -> Iterator[Hashes]:
    for start in range(0, len(hashes), _RANGE):
        yield np.asarray(hashes[start : start + _RANGE])


def _bits(count: int) -> int:
    return max(0, (max(count, 1) - 1).bit_length() - _RANGE.bit_length() + 1)


def _ranges(hashes: Hashes, bits: int | None = None) -> Iterator[NDArray[np.int64]]:
    """Indexes in file order, by range of the hash: each range fits in memory, equal hashes are in one range."""
    bits = _bits(len(hashes)) if bits is None else bits
    if bits == 0:
        yield np.arange(len(hashes), dtype=np.int64)
        return
    shift = np.uint64(64 - bits)
    for number in range(1 << bits):
        parts = [
            np.flatnonzero((block >> shift) == number) + start * _RANGE for start, block in enumerate(_blocks(hashes))
        ]
        yield np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
