"""Files that are sealed with the home's key, block by block, so that one of any size is never held whole.

``NAME.sealed`` is a row of sealed values (``gateway/vault.py``), each of ``BLOCK`` clear bytes but the last. Every block
is bound to its place; that all of them are there is for the SHA-256 of the clear bytes to say, which the ledger keeps.
The originals of what a bank sent lie so in ``var/archive``, and what of them was put aside in ``var/quarantine``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from gateway.errors import GatewayError
from gateway.home import BLOCK, Home, write_durably
from gateway.vault import KEY_ID, SEALED_BYTES, VERSION, Vault

SUFFIX: Final = ".sealed"


def is_sealed(path: Path) -> bool:
    return path.name.endswith(SUFFIX)


def sealed_blocks(blocks: Iterable[bytes], vault: Vault) -> Iterator[bytes]:
    """What to write for these clear blocks, each of ``BLOCK`` bytes but the last. Call with the lock on keys held. An
    empty file is one empty block: it says its key too."""
    at = -1
    for at, block in enumerate(blocks):
        yield vault.seal_bytes(block, field=_field(at))
    if at < 0:
        yield vault.seal_bytes(b"", field=_field(0))


def clear_blocks(path: Path, vault: Vault | None) -> Iterator[bytes]:
    """The clear bytes of a file, sealed or not. Raises GatewayError for a sealed one that no key at hand opens."""
    with path.open("rb") as handle:
        if not is_sealed(path):
            yield from _read(handle, BLOCK)
            return
        if vault is None:
            raise GatewayError(f"reading {path.name}: found it sealed and no key, expected the key of its home")
        for at, block in enumerate(_read(handle, BLOCK + SEALED_BYTES)):
            yield vault.open_bytes(block, field=_field(at))


def key_of(path: Path) -> bytes:
    """The id of the key that a sealed file needs; empty for one that does not begin as a sealed file does, and for what is no
    file of that name: no key opens it."""
    if not path.is_file():
        return b""
    with path.open("rb") as handle:
        head = handle.read(1 + KEY_ID)
    return head[1:] if len(head) == 1 + KEY_ID and head.startswith(VERSION) else b""


def sealed_size(clear: int) -> int:
    """How many bytes a sealed file of so many clear ones has: so much is known of it without its key."""
    return clear + SEALED_BYTES * max(1, -(-clear // BLOCK))


def count_by_key(paths: Iterable[Path]) -> Counter[bytes]:
    """How many sealed files there are by key id. What does not begin as one needs no key: it is damaged, as ``verify`` says."""
    return Counter(named for path in paths if (named := key_of(path)))


def by_key(home: Home) -> Counter[bytes]:
    """How many sealed originals there are by key id."""
    return count_by_key(_originals(home))


class Resealed(NamedTuple):
    """How many files were sealed anew, and those that do not open with the key they name: they stay as they are."""

    done: int
    damaged: list[Path]


def reseal(home: Home, vault: Vault) -> Resealed:
    """Seal with the home's first key what its other ones sealed. Call with the lock on keys held.
    What names a key that the home does not have stays as it is."""
    count, damaged = 0, []
    for path in _originals(home):
        if key_of(path) in vault.ids[1:]:
            try:
                write_durably(path, sealed_blocks(clear_blocks(path, vault), vault), mode=home.private_file)
                count += 1
            except GatewayError:
                damaged.append(path)
    return Resealed(count, damaged)


def _originals(home: Home) -> Iterator[Path]:
    yield from sorted(home.archive.glob(f"*/[!.]*{SUFFIX}"))
    yield from sorted(home.quarantine.glob(f"[!.]*{SUFFIX}"))


def _read(handle: IO[bytes], size: int) -> Iterator[bytes]:
    while block := handle.read(size):
        yield block


def _field(at: int) -> str:
    """What a block is bound to: it opens at its own place only."""
    return f"inbound.original {at}"
