"""Avro object container files, taken apart without trust: header, blocks, sync markers, records.

Written over ``fastavro``'s record decoder because its own container reader believes what a file says: a
block may claim any size, unpack to any size, or hold a day no calendar has. Here every size has a limit,
codecs are null, deflate and zstandard, logical types are left as plain numbers, and whatever is wrong is a
``BrokenContainerError`` that says where (Apache Avro 1.11 specification, "Object Container Files").
"""

from __future__ import annotations

import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final, cast

import fastavro

from parsers.checks import shown

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"Obj\x01"
BLOCK_LIMIT = 8 << 20
"""Bytes of a block, packed or unpacked. Writers make blocks of 16 to 64 KiB."""
HEADER_LIMIT = 1 << 20


class BrokenContainerError(ValueError):
    """What made the container unreadable."""


class Stream:
    """``read(n)`` over byte blocks or a binary file, never more held than asked for and one block."""

    def __init__(self, source: Iterable[bytes] | IO[bytes]) -> None:
        read = getattr(source, "read", None)
        self._chunks = iter(lambda: read(1 << 16), b"") if read else iter(source)
        self._held = b""
        self._at = 0

    def more(self) -> bool:
        """Whether a byte is left."""
        while self._at >= len(self._held):
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._held, self._at = chunk, 0
        return True

    def read(self, size: int, limit: int, what: str) -> bytes:
        """Exactly ``size`` bytes."""
        if not 0 <= size <= limit:
            raise BrokenContainerError(f"{what} of {size} bytes, the limit being {limit}")
        parts: list[bytes] = []
        while size:
            if not self.more():
                raise BrokenContainerError(f"the end of the file inside {what}")
            part = self._held[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def long(self, what: str) -> int:
        """A zigzag number of at most 64 bits."""
        value = shift = 0
        while True:
            byte = self.read(1, 1, what)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
            if shift > 63:
                raise BrokenContainerError(f"a number of more than 64 bits in {what}")


def _header(stream: Stream) -> tuple[dict[str, bytes], bytes]:
    """Metadata and sync marker."""
    what = "the header"
    if not stream.more() or stream.read(4, 4, what) != MAGIC:
        raise BrokenContainerError("a file that does not begin as an Avro container")
    meta: dict[str, bytes] = {}
    while count := stream.long(what):
        if count < 0:
            stream.long(what)
        if abs(count) + len(meta) > 1000:
            raise BrokenContainerError(f"a header of {abs(count)} entries")
        for _ in range(abs(count)):
            key = stream.read(stream.long(what), HEADER_LIMIT, what)
            meta[key.decode("latin-1")] = stream.read(stream.long(what), HEADER_LIMIT, what)
    return meta, stream.read(16, 16, what)


def schema_name(source: Iterable[bytes] | IO[bytes]) -> str | None:
    """The full name of the writer's schema, as the header has it; None where there is none to be read."""
    try:
        meta, _ = _header(Stream(source))
        written = json.loads(meta.get("avro.schema", b""))
        name, space = str(written["name"]), written.get("namespace")
    except (BrokenContainerError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return name if "." in name or not space else f"{space}.{name}"


def records(stream: Stream, schema: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """The records of each block, resolved against ``schema``."""
    meta, sync = _header(stream)
    codec = meta.get("avro.codec", b"null").decode("latin-1")
    if codec not in ("null", "deflate", "zstandard"):
        raise BrokenContainerError(f"the codec {shown(codec)}, not one of null, deflate and zstandard")
    wanted = {"type": "array", "items": _plain(schema)}
    try:
        written = {"type": "array", "items": _plain(json.loads(meta.get("avro.schema", b"")))}
        writer, reader = fastavro.parse_schema(written), fastavro.parse_schema(wanted)
    except Exception as wrong:  # any library error over a foreign schema means one thing
        raise BrokenContainerError(f"a schema that cannot be read ({_words(wrong)})") from wrong
    number = 0
    while stream.more():
        number += 1
        what = f"block {number}"
        count = stream.long(what)
        data = _unpacked(stream.read(stream.long(what), BLOCK_LIMIT, what), codec, what)
        if stream.read(16, 16, what) != sync:
            raise BrokenContainerError(f"{what} without its sync marker")
        if not 0 <= count <= len(data):
            raise BrokenContainerError(f"{what} of {len(data)} bytes for {count} records")
        if count:
            try:
                decoded = _decoded(count, data, writer, reader)
            except _UndecodedError as wrong:
                is_schema = "mismatch" in str(wrong).lower()
                why = (_mismatch(written["items"], wanted["items"]) if is_schema else None) or str(wrong)
                raise BrokenContainerError(f"{what} that does not hold the published schema ({why})") from wrong
            except BrokenContainerError as wrong:
                raise BrokenContainerError(f"{wrong} in {what}") from wrong
            yield decoded


def _unpacked(data: bytes, codec: str, what: str) -> bytes:
    """Block bytes, never more than BLOCK_LIMIT however well they were packed."""
    if codec == "null":
        return data
    try:
        if codec == "deflate":
            inflater = zlib.decompressobj(-15)
            text, whole = inflater.decompress(data, BLOCK_LIMIT), inflater.eof
        else:
            opener = zstd.ZstdDecompressor()
            text, whole = opener.decompress(data, BLOCK_LIMIT), opener.eof
    except (zlib.error, zstd.ZstdError) as wrong:
        raise BrokenContainerError(f"{what} that does not unpack ({_words(wrong)})") from wrong
    if not whole:
        raise BrokenContainerError(f"{what} that is cut off or unpacks to more than {BLOCK_LIMIT} bytes")
    return text


class _UndecodedError(ValueError):
    """The library's words, where it does not get a block's records."""


def _decoded(count: int, data: bytes, writer: Any, reader: Any) -> list[dict[str, Any]]:
    """The records of a block, read at once by framing the block as an array of them."""
    framed = _zigzag(count) + data + b"\0"
    stream = io.BytesIO(framed)
    try:
        records = fastavro.schemaless_reader(stream, writer, reader)
    except Exception as wrong:  # the decoder meets hostile bytes; whatever it trips over is one answer here
        raise _UndecodedError(_words(wrong)) from wrong
    if stream.tell() != len(framed):
        raise BrokenContainerError(f"{len(framed) - stream.tell()} bytes too many")
    return cast(list[dict[str, Any]], records)


_PROMOTED: Final = frozenset((("int", "long"), ("bytes", "string")))
"""Types that are read as another, of those that the published schemas have (Avro 1.11, "Schema Resolution")."""


def _mismatch(written: Any, wanted: Any) -> str | None:
    """Where a writer's schema cannot be read as the published one, in words: the library quotes the head of all of it. None
    where that is not seen here, as within a union."""
    if not isinstance(written, dict) or written.get("type") != "record":
        return None if isinstance(written, list) else f"found no record, expected {_full_name(wanted)}"
    if _full_name(written).rpartition(".")[2] != _full_name(wanted).rpartition(".")[2]:
        return f"found the schema {shown(_full_name(written))}, expected {_full_name(wanted)}"
    types = {field["name"]: _branches(field["type"]) for field in written["fields"]}
    for field in wanted["fields"]:
        known = _branches(field["type"])
        for found in types.get(field["name"], ()):
            if not any(found == one or (found, one) in _PROMOTED for one in known):
                return f"found {shown(found)} for the field {field['name']}, expected {' or '.join(known)}"
    return None


def _full_name(schema: dict[str, Any]) -> str:
    name, space = str(schema.get("name", "")), schema.get("namespace")
    return name if "." in name or not space else f"{space}.{name}"


def _branches(kind: Any) -> tuple[str, ...]:
    """The names of a type, of a union those of its branches."""
    if isinstance(kind, list):
        return tuple(name for one in kind for name in _branches(one))
    return _branches(kind["type"]) if isinstance(kind, dict) else (str(kind),)


def _zigzag(count: int) -> bytes:
    value, out = count << 1, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _plain(schema: Any) -> Any:
    """``schema`` without logical types: a day beyond the calendar must be a reject, not a broken block."""
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    return schema


def _words(wrong: BaseException) -> str:
    text = " ".join(str(wrong).split())[:80]
    return "".join(c if " " <= c <= "~" else "?" for c in text) or type(wrong).__name__
