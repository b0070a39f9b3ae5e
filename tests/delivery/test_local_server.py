"""The demo's receiver, seen by a client that shares nothing with ours."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from gateway.delivery.connect import _pinned_first
from gateway.delivery.local_server import USER, LocalServer
from tests.support.faulty_sftp import Faulty


def test_another_client_can_use_it(faulty: Faulty) -> None:
    (faulty.folder / "secret").write_text("outside")
    transport = paramiko.Transport(("127.0.0.1", faulty.server.port))
    transport.start_client()
    transport.auth_publickey(USER, paramiko.PKey.from_path(faulty.key))
    client = paramiko.SFTPClient.from_transport(transport)
    assert client is not None
    client.mkdir("in")
    with client.open("in/a.txt", "wb") as handle:
        handle.write(b"hello")
        assert handle.stat().st_size == 5
    assert client.listdir("in") == ["a.txt"] and client.lstat("in/a.txt").st_size == 5
    assert client.normalize("in/../in/a.txt") == "/in/a.txt"
    with client.open("in/a.txt") as handle:
        assert handle.read() == b"hello"
        with pytest.raises(OSError, match="Failure"):
            client.mkdir("in")
    with pytest.raises(FileNotFoundError):
        client.stat("../secret")
    with pytest.raises(FileNotFoundError):
        client.listdir("none")
    with pytest.raises(OSError, match="Failure"):
        client.mkdir("in")
    client.rename("in/a.txt", "b.txt")
    client.close()
    transport.close()
    assert (faulty.root / "b.txt").read_bytes() == b"hello"


def test_only_the_one_user(faulty: Faulty) -> None:
    transport = paramiko.Transport(("127.0.0.1", faulty.server.port))
    transport.start_client()
    with pytest.raises(paramiko.AuthenticationException):
        transport.auth_publickey("root", paramiko.PKey.from_path(faulty.key))
    transport.close()


def test_it_opens_and_closes_without_guests(tmp_path: Path, faulty: Faulty) -> None:
    with LocalServer(tmp_path, host_key=faulty.folder / "host_key", authorized=[]) as server:
        assert server.known_hosts_line.startswith(f"[127.0.0.1]:{server.port} ssh-ed25519 ")


def test_an_rsa_key_is_asked_for_by_its_signatures() -> None:
    rsa = paramiko.RSAKey.generate(2048)
    kinds = ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")
    assert _pinned_first(kinds, [rsa]) == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")
    assert _pinned_first(kinds, []) == kinds
