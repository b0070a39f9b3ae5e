"""Sealed files: every size comes back, no block opens elsewhere than in its place, and the key is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import sealed_files
from gateway.errors import GatewayError
from gateway.home import write_durably
from gateway.sealed_files import BLOCK, clear_blocks, key_of, sealed_blocks
from gateway.vault import SEALED_BYTES, Vault, key_id

VAULT = Vault(b"k" * 32)


def sealed(path: Path, data: bytes) -> Path:
    blocks = (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))
    write_durably(path, sealed_blocks(blocks, VAULT), mode=0o600)
    return path


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 17])
def test_every_size_comes_back_block_by_block(tmp_path: Path, size: int) -> None:
    data = bytes(i * 31 % 251 for i in range(size))
    path = sealed(tmp_path / "a.sealed", data)
    blocks = list(clear_blocks(path, VAULT))
    assert b"".join(blocks) == data and max(map(len, blocks)) <= BLOCK
    assert key_of(path) == key_id(b"k" * 32)
    assert size < 1000 or data[:1000] not in path.read_bytes()


def test_blocks_open_in_their_own_place_only(tmp_path: Path) -> None:
    path = sealed(tmp_path / "a.sealed", b"a" * BLOCK + b"b" * BLOCK)
    data, one = path.read_bytes(), BLOCK + SEALED_BYTES
    path.write_bytes(data[one:] + data[:one])
    with pytest.raises(GatewayError, match=r"decrypting inbound\.original 0"):
        list(clear_blocks(path, VAULT))


def test_without_a_key_a_sealed_file_is_not_read_and_a_clear_one_is(tmp_path: Path) -> None:
    path = sealed(tmp_path / "a.sealed", b"a")
    with pytest.raises(GatewayError, match="found it sealed and no key"):
        list(clear_blocks(path, None))
    (tmp_path / "a").write_bytes(b"plain")
    assert list(clear_blocks(tmp_path / "a", None)) == [b"plain"]
    assert not sealed_files.is_sealed(tmp_path / "a")
