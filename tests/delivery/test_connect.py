"""Who we talk to, and with which key: host keys are pinned, our key is ours alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from gateway.delivery.connect import HostKeyError, LoginError, connect, fingerprint, host_id, pinned_keys
from gateway.delivery.keys import make_key
from gateway.delivery.local_server import Door
from gateway.delivery.sftp_wire import ConnectionLostError
from gateway.errors import SettingsError
from gateway.home import Home
from gateway.settings import Endpoint
from tests.delivery.conftest import FarSide, endpoint_of
from tests.support.faulty_sftp import Faulty


def test_a_pinned_host_key_among_several(far_side: FarSide, home: Home, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    endpoint = far_side.endpoint.model_copy(update={"host_keys": (other, *far_side.endpoint.host_keys)})
    connection = connect(endpoint, home)
    assert connection.host_key.startswith("ssh-ed25519 SHA256:")
    assert connection.transport.get_security_options().ciphers[0] == "aes128-gcm@openssh.com"
    connection.close()


@pytest.mark.parametrize("hashed", [False, True])
def test_known_hosts(far_side: FarSide, home: Home, hashed: bool) -> None:
    (line,) = far_side.endpoint.host_keys
    host = f"[127.0.0.1]:{far_side.endpoint.port}"
    name = paramiko.HostKeys.hash_host(host) if hashed else f"bank.example,{host}"
    home.known_hosts.write_text(f"# keys of the bank\n\nother.example {line}\n{name} {line} comment\n")
    connect(far_side.endpoint.model_copy(update={"host_keys": ()}), home).close()


def test_no_pinned_key_sends_nothing_and_says_the_line(faulty: Faulty, home: Home) -> None:
    with pytest.raises(HostKeyError, match="expected a pinned key and there is none: nothing was sent") as caught:
        connect(endpoint_of(faulty, host_keys=()), home)
    assert caught.value.found == faulty.server.known_hosts_line
    assert faulty.server.known_hosts_line in str(caught.value)


def test_another_key_sends_nothing_and_shows_both(faulty: Faulty, home: Home, tmp_path: Path) -> None:
    expected = make_key(tmp_path / "expected")
    with pytest.raises(HostKeyError) as caught:
        connect(endpoint_of(faulty, host_keys=(expected,)), home)
    pinned = pinned_keys(endpoint_of(faulty, host_keys=(expected,)), home)
    assert fingerprint(pinned[0]) in str(caught.value)
    assert str(caught.value).count("SHA256:") == 2 and "Ask the receiver by telephone" in str(caught.value)


def test_a_key_that_is_not_let_in(faulty: Faulty, home: Home, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    with pytest.raises(LoginError, match="send the receiver this key's public half"):
        connect(endpoint_of(faulty, key=str(tmp_path / "stranger")), home)


def test_a_key_that_is_not_enough_for_the_receiver(faulty: Faulty, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is let in, and something more is asked for, which nobody is there to answer."""
    monkeypatch.setattr(Door, "check_auth_publickey", lambda *_: paramiko.common.AUTH_PARTIALLY_SUCCESSFUL)
    with pytest.raises(LoginError, match="the key alone is not enough there"):
        connect(endpoint_of(faulty), home)


def test_a_key_readable_by_others(faulty: Faulty, home: Home) -> None:
    faulty.key.chmod(0o640)
    with pytest.raises(SettingsError, match=r"readable by others \(mode 0640\), expected 0600"):
        connect(endpoint_of(faulty), home)


def test_a_key_that_is_missing_or_no_key(faulty: Faulty, home: Home, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected the private key of the endpoint"):
        connect(endpoint_of(faulty, key="config/keys/none"), home)
    bad = tmp_path / "bad"
    bad.write_text("no key")
    bad.chmod(0o600)
    with pytest.raises(SettingsError, match="could not open it"):
        connect(endpoint_of(faulty, key=str(bad)), home)


def test_a_passphrase_by_reference(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.delivery.local_server import LocalServer

    line = make_key(tmp_path / "id", passphrase="open sesame", comment="gateway")
    make_key(tmp_path / "host")
    with LocalServer(tmp_path, host_key=tmp_path / "host", authorized=[line]) as server:
        endpoint = Endpoint(
            host="127.0.0.1", port=server.port, user="gateway", key=str(tmp_path / "id"),
            key_passphrase="env:BANK_PASSPHRASE", host_keys=(server.host_key_line,),
        )  # fmt: skip
        monkeypatch.setenv("BANK_PASSPHRASE", "open sesame")
        connect(endpoint, home).close()
        monkeypatch.setenv("BANK_PASSPHRASE", "wrong")
        with pytest.raises(SettingsError, match="passphrase in key_passphrase"):
            connect(endpoint, home)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("@revoked h ssh-ed25519 AAAA\n", "found a marker @revoked"),
        ("h ssh-ed25519 !!!\n", "line 1: found 'ssh-ed25519 !!!'"),
        ("h ssh-unknown AAAA\n", "expected a public key such as"),
    ],
)
def test_known_hosts_that_cannot_be_read(home: Home, content: str, message: str) -> None:
    home.known_hosts.write_text(content)
    with pytest.raises(SettingsError, match=message):
        pinned_keys(Endpoint(host="h", user="u", key="k"), home)


def test_host_names() -> None:
    assert host_id(Endpoint(host="h", user="u", key="k")) == "h"
    assert host_id(Endpoint(host="h", port=2222, user="u", key="k")) == "[h]:2222"


@contextmanager
def silent_server(answer: bytes | None) -> Iterator[int]:
    """Takes one connection and answers nothing, or what is no SSH, and leaves."""
    done = threading.Event()

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            if answer is None:
                done.wait(10)
            else:
                sock.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        done.set()
        thread.join()


@pytest.mark.parametrize("answer", [None, b"220 ftp\r\n"])
def test_something_else_answers(faulty: Faulty, home: Home, answer: bytes | None) -> None:
    with silent_server(answer) as port, pytest.raises(ConnectionLostError, match="starting SSH with"):
        connect(endpoint_of(faulty, port=port, connect_timeout=0.3), home)


def test_a_key_pair_is_never_replaced(tmp_path: Path) -> None:
    line = make_key(tmp_path / "id", comment="me")
    assert (tmp_path / "id").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "id.pub").read_text() == line + "\n" and line.endswith(" me")
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "id")
