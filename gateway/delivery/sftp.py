"""An SFTP version 3 client that keeps many requests in flight, over one paramiko channel.

paramiko carries the connection; its own ``SFTPClient`` is not used for three reasons, each found in its source:
answers to the last pipelined writes are dropped at ``close`` (a full disk would pass unnoticed), every request
waits for its answer (six round trips a file, one file at a time), and what the server says about itself
(``limits@openssh.com``) is not shown. Here every request gives a ticket, and every ticket's answer is looked at.

Protocol: draft-ietf-secsh-filexfer-02 (version 3), and ``limits@openssh.com`` from OpenSSH's PROTOCOL, section 4.8.
One session belongs to one thread.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import paramiko

from gateway.delivery.sftp_wire import (
    Attributes,
    ConnectionLostError,
    Kind,
    Open,
    Reply,
    Status,
    Ticket,
    attributes,
    check,
    string,
    strings,
    unexpected,
)

WINDOW: Final = 8 * 1024 * 1024
"""What the far side may send us before we answer: enough for a fast line with a tenth of a second of delay."""
IN_FLIGHT: Final = 4 * 1024 * 1024
"""Bytes of writes or reads that wait for their answers at most."""
PIECE: Final = 32_704
"""What one SSH packet carries with everybody's maximum of 32,768."""
SAFE_REQUEST: Final = 32_768
"""Bytes of a read or write that every server takes (section 3 of the draft); more only where the server says so."""
LARGEST_REQUEST: Final = 255 * 1024
LARGEST_PACKET: Final = 16 * 1024 * 1024


class SftpSession:
    """One channel, one conversation. Not for several threads."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._next = 1
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._in = bytearray()
        self._replies: dict[int, Reply] = {}
        self.extensions: dict[str, str] = {}
        self.write_size = SAFE_REQUEST
        self.read_size = SAFE_REQUEST
        self._greet()

    @classmethod
    def over(cls, transport: paramiko.Transport, *, timeout: float) -> SftpSession:
        """Open a channel of a connection and start SFTP on it. Raises ConnectionLostError."""
        try:
            channel = transport.open_session(window_size=WINDOW, timeout=timeout)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ConnectionLostError(f"opening a channel: {error or type(error).__name__}") from error
        try:
            channel.settimeout(timeout)
            channel.invoke_subsystem("sftp")
            return cls(channel)
        except (paramiko.SSHException, EOFError, OSError) as error:
            channel.close()
            raise ConnectionLostError(f"starting SFTP on the connection: {error or type(error).__name__}") from error
        except BaseException:
            channel.close()
            raise

    def close(self) -> None:
        self._channel.close()

    def _greet(self) -> None:
        self._queue(struct.pack(">BI", Kind.INIT, 3))
        kind, body = self._packet()
        if kind != Kind.VERSION:
            raise ConnectionLostError(f"starting SFTP: found packet type {kind}, expected a version")
        fields = list(strings(body[4:]))
        self.extensions = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in zip(fields[::2], fields[1::2], strict=False)
        }
        if "limits@openssh.com" in self.extensions:
            self._learn_limits()

    def _learn_limits(self) -> None:
        """Larger requests where the server names its limits: a third fewer packets and answers."""
        kind, body = self._answer(self._ask("asking for limits", Kind.EXTENDED, string(b"limits@openssh.com")))
        if kind == Kind.EXTENDED_REPLY and len(body) >= 32:
            _packet, read, write, _handles = struct.unpack(">QQQQ", body[:32])
            self.read_size = min(read, LARGEST_REQUEST) or SAFE_REQUEST
            self.write_size = min(write, LARGEST_REQUEST) or SAFE_REQUEST

    # requests: each gives a ticket at once

    def open(self, path: str, flags: Open) -> Ticket:
        return self._ask(f"opening {path}", Kind.OPEN, string(path.encode()) + struct.pack(">II", flags, 0))

    def close_handle(self, handle: bytes) -> Ticket:
        return self._ask("closing the file", Kind.CLOSE, string(handle))

    def write(self, handle: bytes, offset: int, data: bytes | bytearray | memoryview) -> Ticket:
        head = string(handle) + struct.pack(">QI", offset, len(data))
        return self._ask("writing", Kind.WRITE, head, data)

    def read(self, handle: bytes, offset: int, length: int) -> Ticket:
        return self._ask("reading back", Kind.READ, string(handle) + struct.pack(">QI", offset, length))

    def stat(self, path: str) -> Ticket:
        return self._ask(f"looking for {path}", Kind.STAT, string(path.encode()))

    def remove(self, path: str) -> Ticket:
        return self._ask(f"removing {path}", Kind.REMOVE, string(path.encode()))

    def rename(self, old: str, new: str) -> Ticket:
        """The plain rename of version 3, which may not replace a file; never ``posix-rename@openssh.com``."""
        return self._ask(f"renaming {old} to {new}", Kind.RENAME, string(old.encode()) + string(new.encode()))

    def realpath(self, path: str) -> Ticket:
        return self._ask(f"finding {path}", Kind.REALPATH, string(path.encode()))

    # answers: each waits for its ticket; SftpRefusalError when the answer is no

    def done(self, ticket: Ticket) -> None:
        kind, body = self._answer(ticket)
        if kind != Kind.STATUS:
            raise unexpected(ticket, kind)
        check(ticket, body)

    def handle(self, ticket: Ticket) -> bytes:
        return self._first_string(ticket, Kind.HANDLE)

    def data(self, ticket: Ticket) -> bytes:
        """What was read; empty at the end of the file."""
        kind, body = self._answer(ticket)
        if kind == Kind.STATUS and struct.unpack_from(">I", body)[0] == Status.EOF:
            return b""
        return self._string_of(ticket, kind, body, Kind.DATA)

    def attributes(self, ticket: Ticket) -> Attributes:
        kind, body = self._answer(ticket)
        if kind == Kind.STATUS:
            check(ticket, body)
        if kind != Kind.ATTRS:
            raise unexpected(ticket, kind)
        return attributes(body)

    def path(self, ticket: Ticket) -> str:
        kind, body = self._answer(ticket)
        if kind == Kind.NAME:
            body = body[4:]
        return self._string_of(ticket, kind, body, Kind.NAME).decode("utf-8", "replace")

    def _first_string(self, ticket: Ticket, expected: Kind) -> bytes:
        kind, body = self._answer(ticket)
        return self._string_of(ticket, kind, body, expected)

    def _string_of(self, ticket: Ticket, kind: int, body: bytes, expected: Kind) -> bytes:
        if kind == Kind.STATUS:
            check(ticket, body)
        if kind != expected:
            raise unexpected(ticket, kind)
        (length,) = struct.unpack_from(">I", body)
        return body[4 : 4 + length]

    # whole files

    def start_write(self, handle: bytes, pieces: Iterable[bytes]) -> tuple[int, list[Ticket]]:
        """Write a file from its start with requests of the largest size. Gives the bytes sent and the tickets whose
        answers are still to be looked at; of a large file the earlier ones are looked at here."""
        waiting: deque[tuple[Ticket, int]] = deque()
        in_flight = offset = 0
        for block in _blocks(pieces, self.write_size):
            waiting.append((self.write(handle, offset, block), len(block)))
            offset += len(block)
            in_flight += len(block)
            while in_flight > IN_FLIGHT:
                ticket, size = waiting.popleft()
                self.done(ticket)
                in_flight -= size
        return offset, [ticket for ticket, _ in waiting]

    def read_all(self, handle: bytes, size: int) -> Iterator[bytes]:
        """The first ``size`` bytes of a file and one more if there is one, in order; short answers are asked again."""
        waiting: deque[tuple[int, int, Ticket]] = deque()
        asked, end = 0, size + 1
        while asked < end or waiting:
            while asked < end and len(waiting) * self.read_size < IN_FLIGHT:
                length = min(self.read_size, end - asked)
                waiting.append((asked, length, self.read(handle, asked, length)))
                asked += length
            offset, length, ticket = waiting.popleft()
            data = self.data(ticket)
            if not data:
                for _, _, late in waiting:
                    self._answer(late)
                return
            yield data
            if len(data) < length and offset + len(data) < end:
                rest = offset + len(data)
                waiting.appendleft((rest, length - len(data), self.read(handle, rest, length - len(data))))

    # bytes on the channel

    def _ask(self, doing: str, kind: Kind, head: bytes, data: bytes | bytearray | memoryview = b"") -> Ticket:
        ticket = Ticket(self._next, doing)
        self._next = self._next % 0xFFFFFFFF + 1
        body = struct.pack(">BI", kind, ticket.number) + head
        self._queue(body, data)
        return ticket

    def _queue(self, head: bytes, data: bytes | bytearray | memoryview = b"") -> None:
        self._out.append(struct.pack(">I", len(head) + len(data)) + head)
        if len(data):
            self._out.append(bytes(data))
        self._out_bytes += 4 + len(head) + len(data)
        if self._out_bytes >= 4 * LARGEST_REQUEST:
            self.flush()

    def flush(self) -> None:
        """Send what was asked. Small requests share packets; large ones fill them."""
        out, self._out, self._out_bytes = b"".join(self._out), [], 0
        view = memoryview(out)
        position = 0
        try:
            while position < len(out):
                sent = self._channel.send(bytes(view[position : position + PIECE]))
                if sent == 0:
                    raise ConnectionLostError("sending: the far side closed the channel")
                position += sent
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise ConnectionLostError(f"sending: {_words(error)}") from error

    def _answer(self, ticket: Ticket) -> Reply:
        """Wait for a ticket's answer; answers to others are kept for them."""
        while ticket.number not in self._replies:
            kind, body = self._packet()
            (number,) = struct.unpack_from(">I", body)
            self._replies[number] = (kind, body[4:])
        return self._replies.pop(ticket.number)

    def _packet(self) -> Reply:
        if self._out:
            self.flush()
        (length,) = struct.unpack(">I", self._take(4))
        if not 5 <= length <= LARGEST_PACKET:
            raise ConnectionLostError(f"receiving: found a packet of {length} bytes, expected 5 to {LARGEST_PACKET}")
        packet = self._take(length)
        return packet[0], packet[1:]

    def _take(self, count: int) -> bytes:
        while len(self._in) < count:
            try:
                got = self._channel.recv(IN_FLIGHT)
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise ConnectionLostError(f"waiting for an answer: {_words(error)}") from error
            if not got:
                raise ConnectionLostError("waiting for an answer: the far side closed the connection")
            self._in += got
        taken = bytes(self._in[:count])
        del self._in[:count]
        return taken


def _words(error: BaseException) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


def _blocks(pieces: Iterable[bytes], size: int) -> Iterator[memoryview | bytes]:
    """The same bytes in blocks of ``size``, the last one shorter."""
    held = bytearray()
    for piece in pieces:
        if not held and len(piece) >= size:
            view = memoryview(piece)
            whole = len(piece) - len(piece) % size
            for start in range(0, whole, size):
                yield view[start : start + size]
            held += view[whole:]
            continue
        held += piece
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
