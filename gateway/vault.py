"""Field encryption: account and routing numbers at rest are AES-256-GCM with a key of the home.

A sealed value is ``version (1) | nonce (12) | ciphertext and tag``; the name of the field is bound in as associated
data, so that a value cannot be moved to another column. The key is 32 bytes, urlsafe base64, in
``GATEWAY_FIELD_KEY`` or ``config/keys/field.key`` (0600, made by ``gateway init``). A lost key cannot be
recovered: load ``vendors.csv`` again (ARCHITECTURE, "Keys").
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import GatewayError, SettingsError
from gateway.home import Home

VARIABLE: Final = "GATEWAY_FIELD_KEY"
_VERSION: Final = b"\x01"
_NONCE: Final = 12


@dataclass(frozen=True, slots=True, repr=False)
class Vault:
    key: bytes

    def seal(self, text: str, *, field: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + AESGCM(self.key).encrypt(nonce, text.encode(), field.encode())

    def open(self, sealed: bytes, *, field: str) -> str:
        nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return AESGCM(self.key).decrypt(nonce, body, field.encode()).decode()
        except InvalidTag:
            raise GatewayError(
                f"decrypting {field}: found a value that this home's field key does not open, expected the key it was "
                "sealed with; restore config/keys/field.key, or load the account data again"
            ) from None


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def open_vault(home: Home) -> Vault:
    """The vault of a home. Raises SettingsError when the key is missing, malformed or readable by others."""
    text = os.environ.get(VARIABLE)
    if text is None:
        try:
            if home.field_key.stat().st_mode & 0o077:
                raise SettingsError(
                    ["config/keys/field.key: found it readable by others, expected mode 0600; run chmod 600 on it"]
                )
            text = home.field_key.read_text(encoding="ascii")
        except OSError as error:
            raise SettingsError(
                [
                    f"config/keys/field.key: {error.strerror}; put it back from a backup, set {VARIABLE}, or see `gateway init --new-key`"
                ]
            ) from error
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_", validate=True)  # the lenient reading drops what is strange
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SettingsError([f"field key: found {len(key)} bytes, expected 32 in urlsafe base64"])
    return Vault(key)
