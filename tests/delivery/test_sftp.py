"""The SFTP client against scripted answers: what a far side may say that no good server says."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, cast

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.probe import Verdict, probe, sha256_of
from gateway.delivery.sftp import SftpSession, _blocks
from gateway.delivery.sftp_wire import ConnectionLostError, Kind, Open, SftpRefusalError, Status

Answer = Callable[[int, int, bytes], bytes | None]
LIMITS = struct.pack(">I", 18) + b"limits@openssh.com" + struct.pack(">I", 1) + b"1"


def packet(kind: int, body: bytes) -> bytes:
    return struct.pack(">IB", len(body) + 1, kind) + body


def status(number: int, code: int, message: bytes = b"") -> bytes:
    return packet(Kind.STATUS, struct.pack(">III", number, code, len(message)) + message)


class Script:
    """A channel whose far side is a function of ``(kind, number, body)``; it may send in small pieces."""

    def __init__(self, answer: Answer, version: bytes = b"", piece: int = 1 << 20) -> None:
        self._answer, self._version, self._piece = answer, version, piece
        self._asked = bytearray()
        self._answers = bytearray()
        self.sends: int | Exception | None = None
        self.receives: Exception | None = None
        self.closed = False

    def settimeout(self, _: float) -> None: ...

    def send(self, data: bytes) -> int:
        if isinstance(self.sends, Exception):
            raise self.sends
        if self.sends is not None:
            return self.sends
        self._asked += data
        while len(self._asked) >= 4 and len(self._asked) >= 4 + (length := struct.unpack(">I", self._asked[:4])[0]):
            whole = bytes(self._asked[4 : 4 + length])
            del self._asked[: 4 + length]
            if whole[0] == Kind.INIT:
                self._answers += packet(Kind.VERSION, struct.pack(">I", 3) + self._version)
                continue
            number = struct.unpack(">I", whole[1:5])[0]
            self._answers += self._answer(whole[0], number, whole[5:]) or b""
        return len(data)

    def recv(self, count: int) -> bytes:
        if self.receives is not None:
            raise self.receives
        taken = bytes(self._answers[: min(count, self._piece)])
        del self._answers[: len(taken)]
        return taken

    def close(self) -> None:
        self.closed = True


def session(answer: Answer, **options: Any) -> tuple[SftpSession, Script]:
    script = Script(answer, **options)
    return SftpSession(cast(paramiko.Channel, script)), script


def ok(_kind: int, number: int, _body: bytes) -> bytes:
    return status(number, Status.OK)


def test_limits_make_requests_larger() -> None:
    def answer(kind: int, number: int, body: bytes) -> bytes:
        assert kind == Kind.EXTENDED and body.endswith(b"limits@openssh.com")
        return packet(Kind.EXTENDED_REPLY, struct.pack(">IQQQQ", number, 262_144, 200_000, 1_000_000, 0))

    client, _ = session(answer, version=LIMITS, piece=3)
    assert (client.read_size, client.write_size) == (200_000, 255 * 1024)


def test_limits_that_are_refused_change_nothing() -> None:
    client, _ = session(lambda k, n, b: status(n, Status.OP_UNSUPPORTED), version=LIMITS)
    assert (client.read_size, client.write_size) == (32_768, 32_768)


def test_no_version() -> None:
    with pytest.raises(ConnectionLostError, match="found packet type 3, expected a version"):
        script = Script(ok)
        script._answers += packet(3, b"\0\0\0\0")
        SftpSession(cast(paramiko.Channel, script))


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.done(c.remove("a")),
        lambda c: c.handle(c.open("a", Open.READ)),
        lambda c: c.data(c.read(b"h", 0, 1)),
        lambda c: c.attributes(c.stat("a")),
        lambda c: c.path(c.realpath("a")),
    ],
)
def test_an_answer_of_another_kind_is_no_answer(ask: Callable[[SftpSession], Any]) -> None:
    client, _ = session(lambda k, n, b: packet(Kind.EXTENDED_REPLY, struct.pack(">I", n)))
    with pytest.raises(ConnectionLostError, match="found an answer of type 201"):
        ask(client)


@pytest.mark.parametrize(
    ("code", "words"),
    [(2, "no such file"), (3, "permission denied"), (4, "failure"), (8, "op unsupported"), (31, "status 31")],
)
def test_refusals_in_words(code: int, words: str) -> None:
    client, _ = session(lambda k, n, b: status(n, code, b"quota"))
    with pytest.raises(SftpRefusalError) as caught:
        client.done(client.rename("a", "b"))
    assert str(caught.value) == f"renaming a to b: the server answered {words} (quota)"
    assert caught.value.absent == (code == 2)


@pytest.mark.parametrize("kind", ["length", "silence", "timeout", "reset", "send", "send closed"])
def test_a_line_that_is_gone(kind: str) -> None:
    client, script = session(lambda k, n, b: struct.pack(">I", 1 << 30) if kind == "length" else b"")
    if kind == "timeout":
        script.receives = TimeoutError()
    if kind == "reset":
        script.receives = OSError("reset")
    if kind == "send":
        script.sends = OSError("closed")
    if kind == "send closed":
        script.sends = 0
    says = {
        "length": "found a packet of 1073741824 bytes", "silence": "closed the connection", "timeout": "no answer in time",
        "reset": "reset", "send": "sending: closed", "send closed": "the far side closed the channel",
    }[kind]  # fmt: skip
    with pytest.raises(ConnectionLostError, match=says):
        client.done(client.remove("a"))
    client.close()
    assert script.closed


def test_a_large_file_looks_at_its_answers_while_it_writes() -> None:
    written: list[tuple[int, int]] = []

    def answer(kind: int, number: int, body: bytes) -> bytes:
        offset, length = struct.unpack(">QI", body[5:17])
        written.append((offset, length))
        return status(number, Status.OK if offset < 6_000_000 else Status.FAILURE)

    client, _ = session(answer)
    with pytest.raises(SftpRefusalError, match="writing: the server answered failure"):
        client.start_write(b"h", (bytes(100_000) for _ in range(200)))
    assert written[0] == (0, 32_768) and written[-1][0] < 15_000_000


def test_attributes_without_a_size() -> None:
    def answer(kind: int, number: int, body: bytes) -> bytes:
        return packet(Kind.ATTRS, struct.pack(">IIIII", number, 2 | 4, 1, 2, 0o100644))

    client, _ = session(answer)
    seen = client.attributes(client.stat("a"))
    assert (seen.size, seen.mode) == (None, 0o100644)


def test_a_file_that_ends_early_and_one_that_goes_on() -> None:
    content = bytes(range(256)) * 400

    def answer(kind: int, number: int, body: bytes) -> bytes:
        offset, length = struct.unpack(">QI", body[5:17])
        data = content[offset : offset + min(length, 1000)]
        if not data:
            return status(number, Status.EOF)
        return packet(Kind.DATA, struct.pack(">II", number, len(data)) + data)

    client, _ = session(answer)
    assert b"".join(client.read_all(b"h", len(content))) == content
    assert b"".join(client.read_all(b"h", 10 * len(content))) == content
    assert b"".join(client.read_all(b"h", 10)) == content[:11]


def test_a_read_that_is_refused_half_way_hides_the_content() -> None:
    def answer(kind: int, number: int, body: bytes) -> bytes:
        if kind == Kind.OPEN:
            return packet(Kind.HANDLE, struct.pack(">II", number, 1) + b"h")
        return status(number, Status.PERMISSION_DENIED)

    client, _ = session(answer)
    assert sha256_of(client, "a", 10) is None


def test_a_temporary_file_that_goes_while_we_remove_it_was_placed() -> None:
    """The far side carries out a late rename between our look and our removal."""
    state = {"temporary": True, "target": False}

    def answer(kind: int, number: int, body: bytes) -> bytes:
        name = body[4:].decode()
        if kind == Kind.REMOVE:
            state.update(temporary=False, target=True)
            return status(number, Status.NO_SUCH_FILE)
        if not state[name]:
            return status(number, Status.NO_SUCH_FILE)
        return packet(Kind.ATTRS, struct.pack(">IIQ", number, 1, 5))

    client, _ = session(answer)
    seen = probe(client, target="target", temporary="temporary", expected_size=5, expected_sha256="", read_back="size")
    assert seen.verdict is Verdict.DELIVERED and seen.read_back == "size"


@given(st.lists(st.binary(max_size=50)), st.integers(1, 20))
def test_blocks_are_the_same_bytes(pieces: list[bytes], size: int) -> None:
    blocks = [bytes(block) for block in _blocks(pieces, size)]
    assert b"".join(blocks) == b"".join(pieces)
    assert all(len(block) == size for block in blocks[:-1]) and all(blocks)
