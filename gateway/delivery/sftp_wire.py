"""What stands in packets of SFTP version 3: types, status codes, strings, attributes; and how an answer says no.

draft-ietf-secsh-filexfer-02; only what ``sftp.py`` asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from gateway.errors import DeliveryError


class Kind(IntEnum):
    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    REMOVE = 13
    REALPATH = 16
    STAT = 17
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Status(IntEnum):
    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


class Open(IntFlag):
    READ = 1
    WRITE = 2
    CREATE = 8
    EXCLUSIVE = 32


class ConnectionLostError(DeliveryError):
    """The connection is gone or silent: what was asked and not answered may or may not have happened."""


class SftpRefusalError(DeliveryError):
    """The far side answered, and the answer is no."""

    def __init__(self, doing: str, code: int, message: str) -> None:
        self.code = code
        name = Status(code).name.lower().replace("_", " ") if code in Status._value2member_map_ else f"status {code}"
        super().__init__(f"{doing}: the server answered {name}" + (f" ({message})" if message else ""))

    @property
    def absent(self) -> bool:
        return self.code == Status.NO_SUCH_FILE


@dataclass(frozen=True, slots=True)
class Attributes:
    size: int | None
    mode: int | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request on its way, and what it was for, in words."""

    number: int
    doing: str


Reply = tuple[int, bytes]


def unexpected(ticket: Ticket, kind: int) -> ConnectionLostError:
    return ConnectionLostError(f"{ticket.doing}: found an answer of type {kind}, which the protocol does not know here")


def check(ticket: Ticket, body: bytes) -> None:
    (code,) = struct.unpack_from(">I", body)
    if code != Status.OK:
        message = next(strings(body[4:]), b"").decode("utf-8", "replace")
        raise SftpRefusalError(ticket.doing, code, message)


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def strings(body: bytes) -> Iterator[bytes]:
    position = 0
    while position + 4 <= len(body):
        (length,) = struct.unpack_from(">I", body, position)
        yield body[position + 4 : position + 4 + length]
        position += 4 + length


def attributes(body: bytes) -> Attributes:
    """Size and mode of an ATTRS answer (draft section 5); the other fields say nothing about arrival."""
    (flags,) = struct.unpack_from(">I", body)
    position = 4
    size = mode = None
    if flags & 1:
        (size,) = struct.unpack_from(">Q", body, position)
        position += 8
    if flags & 2:
        position += 8
    if flags & 4:
        (mode,) = struct.unpack_from(">I", body, position)
    return Attributes(size, mode)
