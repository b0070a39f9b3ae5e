"""Field encryption: what it opens, and everything it refuses to."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, SettingsError
from gateway.home import Home
from gateway.vault import NEXT_VARIABLE, VARIABLE, Vault, adopt_next, key_id, new_key, open_vault

A, B = Vault(b"a" * 32), Vault(b"b" * 32)


@given(st.text(max_size=40))
def test_what_is_sealed_opens_and_never_looks_the_same(text: str) -> None:
    sealed = A.seal(text, field="vendor.account")
    assert A.open(sealed, field="vendor.account") == text
    assert sealed != A.seal(text, field="vendor.account")
    assert len(text) < 4 or text.encode() not in sealed


SEALED = A.seal("123456789", field="vendor.account")


@pytest.mark.parametrize(
    ("vault", "sealed", "field"),
    [
        pytest.param(B, SEALED, "vendor.account", id="another key"),
        pytest.param(A, SEALED, "vendor.routing", id="moved to another column"),
        pytest.param(A, SEALED[:-1] + bytes([SEALED[-1] ^ 1]), "vendor.account", id="a changed bit"),
        pytest.param(A, b"\x03" + SEALED[1:], "vendor.account", id="another version"),
        pytest.param(A, SEALED[:5] + bytes(12) + SEALED[17:], "vendor.account", id="another nonce"),
        pytest.param(A, SEALED[:20], "vendor.account", id="cut"),
        pytest.param(A, SEALED[:8], "vendor.account", id="cut within the nonce"),
        pytest.param(A, b"\x01" + SEALED[5:11], "vendor.account", id="one without a key id, cut"),
        pytest.param(A, b"", "vendor.account", id="empty"),
    ],
)
def test_what_is_not_as_it_was_sealed_is_refused(vault: Vault, sealed: bytes, field: str) -> None:
    with pytest.raises(GatewayError, match=f"decrypting {field}: found a value .* does not open") as caught:
        vault.open(sealed, field=field)
    assert "123456789" not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    assert "aaaa" not in repr(A) + repr(vars(A))


def test_the_key_of_a_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(
        SettingsError, match="No such file or directory; put it back from a backup, set GATEWAY_FIELD_KEY"
    ):
        open_vault(home)
    home.field_key.write_text(new_key())
    home.field_key.chmod(0o640)
    with pytest.raises(SettingsError, match=r"readable by others \(mode 0\d+\), expected 0600"):
        open_vault(home)
    home.field_key.chmod(0o600)
    in_file = open_vault(home).ids
    assert in_file == (key_id(base64.urlsafe_b64decode(home.field_key.read_text())),)
    monkeypatch.setenv(VARIABLE, base64.urlsafe_b64encode(b"e" * 32).decode())
    assert open_vault(home).ids == (key_id(b"e" * 32),)


def test_the_next_key_seals_and_both_open(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    write_key(home.field_key, b"a")
    before = open_vault(home)
    old = before.seal("123456789", field="vendor.account")
    write_key(home.next_field_key, b"b")
    assert open_vault(home).ids == (key_id(b"b" * 32), key_id(b"a" * 32))
    new = open_vault(home).seal("123456789", field="vendor.account")
    assert B.open(new, field="vendor.account") == "123456789"
    assert {open_vault(home).open(sealed, field="vendor.account") for sealed in (old, new)} == {"123456789"}
    assert before.open(new, field="vendor.account") == "123456789"  # a process that began before the rotation
    adopt_next(home)
    adopt_next(home)
    assert open_vault(home).ids == (key_id(b"b" * 32),)
    home.next_field_key.write_text("torn")
    home.next_field_key.chmod(0o600)
    with pytest.raises(SettingsError, match=r"field key in config/keys/field\.key\.next: found 3 bytes"):
        open_vault(home)


def test_the_next_key_of_the_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write_key(home.next_field_key, b"c")  # of no meaning beside a key of the environment
    monkeypatch.setenv(VARIABLE, base64.urlsafe_b64encode(b"a" * 32).decode())
    assert open_vault(home).ids == A.ids
    monkeypatch.setenv(NEXT_VARIABLE, base64.urlsafe_b64encode(b"b" * 32).decode())
    assert open_vault(home).ids == (*B.ids, *A.ids)
    monkeypatch.setenv(VARIABLE, base64.urlsafe_b64encode(b"b" * 32).decode())
    assert open_vault(home).ids == B.ids


def write_key(path: Path, letter: bytes) -> None:
    path.write_text(base64.urlsafe_b64encode(letter * 32).decode())
    path.chmod(0o600)


def test_values_from_before_key_ids_open_with_any_key() -> None:
    nonce = bytes(12)
    old = b"\x01" + nonce + AESGCM(b"a" * 32).encrypt(nonce, b"123456789", b"vendor.account")
    assert Vault(b"b" * 32, b"a" * 32).open(old, field="vendor.account") == "123456789"
    with pytest.raises(GatewayError, match="expected the key it was sealed with"):
        B.open(old, field="vendor.account")


def test_a_value_says_which_key_it_needs() -> None:
    with pytest.raises(
        GatewayError, match=f"field key {B.ids[0].hex()} does not open, expected the key {A.ids[0].hex()}"
    ):
        B.open(SEALED, field="vendor.account")


@pytest.mark.parametrize("text", ["", "AAAA", "not base64 !", "QUFB" * 10, "QUFB" * 12, "QUFB" * 10 + "QUE=AAAA"])
def test_a_malformed_key_is_refused_without_showing_it(home: Home, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(SettingsError, match="expected 32 in urlsafe base64") as caught:
        open_vault(home)
    assert not text or text not in str(caught.value)
