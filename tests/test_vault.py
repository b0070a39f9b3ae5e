"""Field encryption: what it opens, and everything it refuses to."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, SettingsError
from gateway.home import Home
from gateway.vault import VARIABLE, Vault, new_key, open_vault

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
        pytest.param(A, b"\x02" + SEALED[1:], "vendor.account", id="another version"),
        pytest.param(A, SEALED[:1] + bytes(12) + SEALED[13:], "vendor.account", id="another nonce"),
    ],
)
def test_what_is_not_as_it_was_sealed_is_refused(vault: Vault, sealed: bytes, field: str) -> None:
    with pytest.raises(GatewayError, match=f"decrypting {field}: found a value .* does not open") as caught:
        vault.open(sealed, field=field)
    assert "123456789" not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    assert "aaaa" not in repr(A)


def test_the_key_of_a_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(
        SettingsError, match="No such file or directory; put it back from a backup, set GATEWAY_FIELD_KEY"
    ):
        open_vault(home)
    home.field_key.write_text(new_key())
    home.field_key.chmod(0o640)
    with pytest.raises(SettingsError, match="readable by others, expected mode 0600"):
        open_vault(home)
    home.field_key.chmod(0o600)
    in_file = open_vault(home).key
    assert len(in_file) == 32
    monkeypatch.setenv(VARIABLE, base64.urlsafe_b64encode(b"e" * 32).decode())
    assert open_vault(home).key == b"e" * 32


@pytest.mark.parametrize("text", ["", "AAAA", "not base64 !", "QUFB" * 10, "QUFB" * 12, "QUFB" * 10 + "QUE=AAAA"])
def test_a_malformed_key_is_refused_without_showing_it(home: Home, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(SettingsError, match="expected 32 in urlsafe base64") as caught:
        open_vault(home)
    assert not text or text not in str(caught.value)
