"""Field encryption: account and routing numbers at rest are AES-256-GCM with a key of the home.

A sealed value is ``2 (1 byte) | key id (4) | nonce (12) | ciphertext and tag``; the key id is the beginning of a
SHA-256 over the key, so that a value says which key it needs. The name of the field is bound in as associated data, so
that a value cannot be moved to another column. Values of earlier versions begin with 1 and have no key id: every key
is tried.

A key is 32 bytes, urlsafe base64, in ``GATEWAY_FIELD_KEY`` or ``config/keys/field.key`` (0600, made by ``gateway
init``). While keys are rotated there are two: the next one, in ``GATEWAY_FIELD_KEY_NEXT`` or ``field.key.next``, seals
from the moment it is there, and both open. Whoever seals calls ``hold`` first: it waits for a rotation and reads the
keys again, so that nothing is sealed with a key that is about to go. A lost key cannot be recovered: load
``vendors.csv`` again (ARCHITECTURE, "Keys").
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection

from gateway.errors import GatewayError, SettingsError
from gateway.home import Home, fsync_dir, write_durably

VARIABLE: Final = "GATEWAY_FIELD_KEY"
NEXT_VARIABLE: Final = "GATEWAY_FIELD_KEY_NEXT"
VERSION: Final = b"\x02"
BEFORE_KEY_IDS: Final = b"\x01"
KEY_ID: Final = 4
"""Bytes of a key's id, after the version."""
LOCK: Final = "field-key"
"""The name under which the database lets sealing and rotation take turns."""

_NONCE: Final = 12
SEALED_BYTES: Final = 1 + KEY_ID + _NONCE + 16
"""By how much a sealed value is longer than the clear one: version, key id, nonce and tag."""


class Lock(Protocol):
    """What of the ledger's database is needed here."""

    def lock(self, connection: Connection, name: str) -> None: ...


class Vault:
    """The keys of a home: the first one seals, all of them open. ``again`` reads them anew."""

    def __init__(self, *keys: bytes, again: Callable[[], Sequence[bytes]] | None = None) -> None:
        self._again = again
        self._take(keys)

    def _take(self, keys: Sequence[bytes]) -> None:
        """In one assignment, for other threads read it."""
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}

    @property
    def ids(self) -> tuple[bytes, ...]:
        """Of the keys at hand, the one that seals first."""
        return tuple(self._ciphers)

    def hold(self, db: Lock, connection: Connection) -> None:
        """Before sealing: until the transaction ends no rotation does, and the key that seals is the latest."""
        db.lock(connection, LOCK)
        self.refresh()

    def refresh(self) -> None:
        if self._again is not None:
            self._take(self._again())

    def missing(self, sealed: bytes) -> str | None:
        """The fingerprint of the key that a value (or its beginning) names, where it is not at hand."""
        named = sealed[1 : 1 + KEY_ID]
        if sealed[:1] != VERSION or named in self._ciphers:
            return None
        self.refresh()  # another process may have rotated since these keys were read
        return None if named in self._ciphers else named.hex()

    def seal(self, text: str, *, field: str) -> bytes:
        return self.seal_bytes(text.encode(), field=field)

    def open(self, sealed: bytes, *, field: str) -> str:
        return self.open_bytes(sealed, field=field).decode()

    def seal_bytes(self, data: bytes, *, field: str) -> bytes:
        nonce = os.urandom(_NONCE)
        named, cipher = next(iter(self._ciphers.items()))
        return VERSION + named + nonce + cipher.encrypt(nonce, data, field.encode())

    def open_bytes(self, sealed: bytes, *, field: str) -> bytes:
        """Raises GatewayError for a value that none of the keys opens, or that is not as it was sealed."""
        if sealed[:1] == VERSION and len(sealed) >= SEALED_BYTES:  # a shorter one is cut, maybe within the key id
            start = 1 + KEY_ID
            named = sealed[1:start]
            if named not in self._ciphers:
                self.refresh()  # another process may have rotated since these keys were read
            ciphers = [cipher for known, cipher in self._ciphers.items() if known == named]
        elif sealed[:1] == BEFORE_KEY_IDS and len(sealed) >= SEALED_BYTES - KEY_ID:
            start, named, ciphers = 1, b"", list(self._ciphers.values())
        else:
            start, named, ciphers = 0, b"", []
        for cipher in ciphers:
            try:
                return cipher.decrypt(sealed[start : start + _NONCE], sealed[start + _NONCE :], field.encode())
            except InvalidTag:
                continue
        if ciphers and named:
            raise GatewayError(
                f"decrypting {field}: found a value of key {named.hex()} that does not open with it, expected it as it was sealed: "
                "it was changed since; put it back from a backup, or load the account data again"
            )
        key = f"the key {named.hex()}" if named else "the key it was sealed with"
        raise GatewayError(
            f"decrypting {field}: found a value that this home's field key {self.ids[0].hex()} does not open, "
            f"expected {key}; put config/keys/field.key of a backup, or of the home that shares the ledger and has it, in its "
            "place; only where nobody has that key, load the account data again"
        )


def key_id(key: bytes) -> bytes:
    """What a sealed value names its key by; shown in hexadecimal as the key's fingerprint."""
    return hashlib.sha256(b"lease-gateway field key\0" + key).digest()[:KEY_ID]


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def open_vault(home: Home) -> Vault:
    """The vault of a home. Raises SettingsError when the key is missing, malformed or readable by others."""
    return Vault(*read_keys(home), again=lambda: read_keys(home))


def from_environment() -> bool:
    return VARIABLE in os.environ


def places() -> tuple[str, str]:
    """Where a home's keys come from, for people: the key, and the next one while keys are rotated."""
    return (VARIABLE, NEXT_VARIABLE) if from_environment() else ("config/keys/field.key", "config/keys/field.key.next")


def found_again(home: Home) -> str:
    """What to do with a key that was found again in a home that has another one: in its place it would lock out what that
    one sealed; as a rotation that is not finished, both open. Where one is not finished, its next key seals by now."""
    key, following = places()
    is_begun = NEXT_VARIABLE in os.environ if from_environment() else home.next_field_key.exists()
    first = (
        f"do not overwrite {following}: end the rotation that was begun with gateway keys rotate --leave-lost; then "
    )
    return (
        f"{first if is_begun else ''}put the key that is there now into {following}, that one into {key}, and run gateway keys "
        "rotate"
    )


def read_keys(home: Home) -> list[bytes]:
    """The keys of a home, the one that seals first. Raises SettingsError."""
    key, following = places()
    if from_environment():
        found = [(following, os.environ.get(NEXT_VARIABLE)), (key, os.environ[VARIABLE])]
    else:
        # In this order: a rotation that ends in between renames the next one to the key, and is seen either way.
        found = [(following, _read(home, home.next_field_key, following, optional=True))]
        found.append((key, _read(home, home.field_key, key)))
    return list(dict.fromkeys(_decoded(text, where) for where, text in found if text is not None))


def write_next(home: Home) -> None:
    """Make the next key of a home whose key is a file, if none is there. Call with ``LOCK`` held: two made at once
    would be one too few."""
    if not home.next_field_key.exists():
        write_durably(home.next_field_key, (new_key() + "\n").encode("ascii"), mode=home.key_file)


def adopt_next(home: Home) -> None:
    """The next key becomes the key, and the former one is gone. Twice is once."""
    if home.next_field_key.exists():
        home.next_field_key.replace(home.field_key)
        fsync_dir(home.keys)


def _read(home: Home, path: Path, where: str, *, optional: bool = False) -> str | None:
    try:
        home.require_private(path, where)
        return path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        if optional:
            return None
        raise SettingsError([_missing(where, error)]) from error
    except OSError as error:
        raise SettingsError([_missing(where, error)]) from error


def _missing(where: str, error: OSError) -> str:
    return f"{where}: {error.strerror}; put it back from a backup, set {VARIABLE}, or see `gateway init --new-key`"


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_", validate=True)  # the lenient reading drops what is strange
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SettingsError([f"field key in {where}: found {len(key)} bytes, expected 32 in urlsafe base64"])
    return key
