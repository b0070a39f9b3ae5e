"""SSH keys as OpenSSH writes them: made for a new endpoint, for the demo's server and for tests."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_key(path: Path, *, passphrase: str = "", comment: str = "") -> str:
    """Make an Ed25519 key pair: ``path`` (0600) and ``path.pub``. Gives the public line. Never replaces a key."""
    private = Ed25519PrivateKey.generate()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    data = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption)
    line = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    public = line.decode("ascii") + (f" {comment}" if comment else "")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as handle:
        handle.write(data)
    path.with_name(path.name + ".pub").write_text(public + "\n", encoding="ascii")
    return public
