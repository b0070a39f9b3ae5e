"""Original bytes under their SHA-256 in ``var/archive``, and the hashes of their lines beside them.

``ab/abcdef…`` holds the bytes as received, ``ab/abcdef….sealed`` those of a file with account numbers, encrypted with
the home's key (``gateway/sealed_files.py``); the SHA-256 is that of the clear bytes either way. ``ab/abcdef….hashes``
holds the 64-bit hash of each non-blank line in file order, as raw little-endian numbers: random values do not compress,
and a memory map of them is searched without reading a whole file in. The hashes can be made again from the bytes.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from gateway import sealed_files
from gateway.errors import GatewayError
from gateway.home import BLOCK, Home, fsync_dir, read_blocks
from gateway.sealed_files import clear_blocks, sealed_blocks
from gateway.vault import Vault

_MANY: Final = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that are durable in the archive. ``name`` is relative to ``var/archive``."""

    sha256: str
    size: int
    name: str


def sha256_of(path: Path) -> str:
    return _sha256(read_blocks(path))


def _sha256(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def archive_name(sha256: str, *, sealed: bool = False) -> str:
    return f"{sha256[:2]}/{sha256}{sealed_files.SUFFIX if sealed else ''}"


def hashes_path(home: Home, archived: str) -> Path:
    return home.archive / f"{archived}.hashes"


def store(home: Home, source: IO[bytes], token: str, *, vault: Vault | None = None) -> Stored:
    """Copy an open file into the archive in one pass, hashing what is copied. Durable after ``flush``. With a ``vault``
    the copy is sealed, and clear bytes never lie there; the caller holds the lock on keys.

    ``token`` makes the temporary name unlike any other. The copy may take its name before it is durable: until the
    row is committed the claim folder owns the bytes, and whoever copies them again looks at what is there.
    """
    temporary = home.archive / f".{token}.tmp"
    temporary.unlink(missing_ok=True)  # of a claim that was interrupted
    digest, size = hashlib.sha256(), 0

    def read() -> Iterator[bytes]:
        nonlocal size
        while block := source.read(BLOCK):
            digest.update(block)
            size += len(block)
            yield block

    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, home.private_file)
    try:
        with os.fdopen(fd, "wb", buffering=0) as out:
            for block in read() if vault is None else sealed_blocks(read(), vault):
                view = memoryview(block)
                while view:
                    view = view[out.write(view) :]
        name = archive_name(digest.hexdigest(), sealed=vault is not None)
        stored = Stored(digest.hexdigest(), size, name)
        _place(temporary, home.archive / stored.name, stored, vault, home.private_folder)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return stored


def _place(temporary: Path, target: Path, stored: Stored, vault: Vault | None, mode: int) -> None:
    """Give the copy its name. An archived file with other bytes under this hash is damaged and gives way."""
    target.parent.mkdir(mode=mode, exist_ok=True)
    if _is_there(temporary, target, stored, vault):
        temporary.unlink()
    else:
        temporary.replace(target)


def _is_there(temporary: Path, target: Path, stored: Stored, vault: Vault | None) -> bool:
    if not target.exists() or target.stat().st_size != temporary.stat().st_size:
        return False
    try:
        return _sha256(read_blocks(target) if vault is None else clear_blocks(target, vault)) == stored.sha256
    except GatewayError:  # sealed with a key that is lost, or damaged
        return False


def flush(home: Home, names: Sequence[str]) -> None:
    """Make these archived files and their names durable.

    Many small files are flushed by one call for the filesystem: measured 3 to 20 times faster than one a file.
    """
    if len(names) >= _MANY and _flush_filesystem(home.archive):
        return
    for name in set(names):
        _fsync(home.archive / name)
    for folder in {(home.archive / name).parent for name in names}:
        fsync_dir(folder)
    fsync_dir(home.archive)


def flush_written(paths: Sequence[Path]) -> None:
    """Make files that were written and renamed durable, with their names."""
    first_of = {path.stat().st_dev: path.parent for path in paths}
    if len(paths) >= _MANY and all(_flush_filesystem(folder) for folder in first_of.values()):
        return
    for path in paths:
        _fsync(path)
    for folder in {path.parent for path in paths}:
        for made in (folder, folder.parent, folder.parent.parent):  # that of the file and that of the day may be new
            fsync_dir(made)


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _flush_filesystem(folder: Path) -> bool:
    """``syncfs``, where the system has it. Raises OSError when the disk failed."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        return False
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if call(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(fd)
    return True


def quarantine(home: Home, file_id: int, name: str, archived: str) -> Path:
    """A copy (by link) of archived bytes under a name that people find; the archive keeps its own."""
    suffix = Path(archived).suffix  # that of a sealed original, or none
    target = home.quarantine / f"{file_id}-{Path(name).name}{suffix}"
    if not target.exists():
        os.link(home.archive / archived, target)
    fsync_dir(home.quarantine)
    return target
