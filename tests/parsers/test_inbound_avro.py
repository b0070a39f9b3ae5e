"""Avro twins: the text rules over records, broken containers as values, and the archive."""

from __future__ import annotations

import copy
import io
import json
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers import avro, avro_container
from parsers.avro import Unreadable, parse_avro
from parsers.base import CHUNK_RECORDS, ParsedChunk
from parsers.profile import DEFAULT, KINDS

ASSESSMENT: dict[str, Any] = {
    "lease": "12345",
    "asset": None,
    "invoice": None,
    "due_date": None,
    "code": "LTCH",
    "amount_cents": 2500,
    "ptcode": None,
    "fhcode": None,
    "liendate": None,
    "reason": None,
}
PAYMENT: dict[str, Any] = {
    "target_kind": "L",
    "target": "50",
    "amount_cents": 10000,
    "check_no": None,
    "effective_date": None,
    "due_date": None,
    "account": None,
    "batch": None,
    "origination": None,
    "note": None,
}


def container(kind: str, rows: list[dict[str, Any]], codec: str = "null") -> bytes:
    out = io.BytesIO()
    avro.write_avro(out, avro.inbound_schema(kind), rows, codec=codec)
    return out.getvalue()


def one(kind: str, row: dict[str, Any]) -> ParsedChunk:
    [chunk] = parse_avro([container(kind, [row])], kind, DEFAULT)
    assert isinstance(chunk, ParsedChunk)
    assert chunk.lines == len(chunk.records) + len(chunk.rejects)
    return chunk


ACCEPTED = [
    ({"due_date": "2003-04-01"}, "due_date", "2003-04-01"),
    ({"due_date": ("string", "030401")}, "due_date", "2003-04-01"),
    ({"due_date": 12143}, "due_date", "2003-04-01"),
    ({"lease": "  ab1 "}, "lease", "AB1"),
    ({"invoice": " "}, "invoice", None),
    ({"reason": "ok?"}, "reason", "OK?"),
]


@pytest.mark.parametrize(("change", "name", "value"), ACCEPTED)
def test_accepted(change: dict[str, Any], name: str, value: object) -> None:
    [record] = one("assessments", ASSESSMENT | change).records
    assert record[avro.RECORDS["assessments"].index(name)] == value


REFUSED = [
    ({"amount_cents": -500}, "AMOUNT_PUNCTUATED", b"<lease>12345<assmt>LTCH<amount>-500", None),
    ({"amount_cents": 0}, "AMOUNT_ZERO", b"<lease>12345<assmt>LTCH<amount>0", None),
    ({"code": "XXXX"}, "UNKNOWN_CODE", b"<lease>12345<assmt>XXXX<amount>2500", 2500),
    (
        {"due_date": ("string", "2003-02-29")},
        "BAD_DATE",
        b"<lease>12345<duedate>2003-02-29<assmt>LTCH<amount>2500",
        2500,
    ),
    ({"due_date": -1}, "BAD_DATE", b"<lease>12345<duedate>1969-12-31<assmt>LTCH<amount>2500", 2500),
    ({"due_date": 2**31 - 1}, "BAD_DATE", b"<lease>12345<duedate>2147483647<assmt>LTCH<amount>2500", 2500),
    ({"lease": "1\u00e9"}, "NON_ASCII_BYTE", "<lease>1\u00e9<assmt>LTCH<amount>2500".encode(), 2500),
    ({"lease": "1<invoice>5"}, "AVRO_TEXT", b"<lease>1\x1ainvoice\x1a5<assmt>LTCH<amount>2500", 2500),
    ({"lease": "1,"}, "AVRO_TEXT", b"<lease>1\x1a<assmt>LTCH<amount>2500", 2500),
    ({"lease": "1\n"}, "AVRO_TEXT", b"<lease>1\x1a<assmt>LTCH<amount>2500", 2500),
]


@pytest.mark.parametrize(("change", "code", "raw", "cents"), REFUSED)
def test_refused(change: dict[str, Any], code: str, raw: bytes, cents: int | None) -> None:
    chunk = one("assessments", ASSESSMENT | change)
    assert [(r.code, r.raw, r.amount_cents) for r in chunk.rejects] == [(code, raw, cents)]


def test_the_words_of_avro_text() -> None:
    [reject] = one("payments", PAYMENT | {"note": "paid, thanks"}).rejects
    assert reject.message == (
        "Found 'paid, thanks' for the note, expected text that can stand in one line of the text format: "
        "correct the note and drop the line again."
    )
    assert (reject.code, reject.column, reject.field) == ("AVRO_TEXT", 16, "note")
    [reject] = one("payments", PAYMENT | {"target_kind": "I5"}).rejects
    assert reject.message == (
        "Found 'I5' for the target kind, expected I or L: correct the target kind and drop the line again."
    )
    [reject] = one("payments", PAYMENT | {"target": ""}).rejects
    assert reject.code == "VALUE_MISSING"


def test_a_line_over_the_limit() -> None:
    [reject] = one("payments", PAYMENT | {"note": "x" * 5000}).rejects
    assert reject.code == "LINE_TOO_LONG"
    assert len(reject.raw) == DEFAULT.line_limit


def test_many_records_come_in_chunks_with_rising_numbers() -> None:
    count = 2 * CHUNK_RECORDS + 5
    data = container("assessments", [ASSESSMENT] * count, "zstandard")
    chunks = list(parse_avro(io.BytesIO(data), "assessments", DEFAULT))
    numbers = [row[0] for chunk in chunks if isinstance(chunk, ParsedChunk) for row in chunk.records]
    assert numbers == list(range(1, count + 1))


def test_a_writer_may_have_a_schema_of_its_own() -> None:
    schema = {
        "type": "record",
        "name": "Assessment",
        "namespace": "lease_gateway.inbound",
        "fields": [
            {"name": "code", "type": "string"},
            {"name": "amount_cents", "type": "int"},
            {"name": "lease", "type": "string"},
            {"name": "ours", "type": "double"},
        ],
    }
    out = io.BytesIO()
    rows = [{"code": "LTCH", "amount_cents": 5, "lease": "7", "ours": 1.5}]
    avro.write_avro(out, schema, rows, codec="deflate")
    [chunk] = parse_avro([out.getvalue()], "assessments", DEFAULT)
    assert isinstance(chunk, ParsedChunk)
    assert chunk.records == [(1, "7", None, None, None, "LTCH", 5, None, None, None, None)]


def _other(field: str, kind: Any, value: Any) -> bytes:
    """Of a writer whose schema has another type for a field."""
    schema = copy.deepcopy(avro.inbound_schema("assessments"))
    for one in schema["fields"]:
        if one["name"] == field:
            one["type"] = kind
            one.pop("default", None)
    out = io.BytesIO()
    avro.write_avro(out, schema, [ASSESSMENT | {field: value}], codec="null")
    return out.getvalue()


def _plain_text() -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, {"type": "array", "items": "string"}, [["LTCH"]])
    return out.getvalue()


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
MISMATCHED = [
    (
        container("payments", [PAYMENT]),
        "found the schema 'lease_gateway.inbound.Payment', expected lease_gateway.inbound.Assessment",
    ),
    (_other("amount_cents", "double", 25.5), "found 'double' for the field amount_cents, expected long"),
    (_other("amount_cents", DECIMAL, Decimal("25.00")), "found 'bytes' for the field amount_cents, expected long"),
    (_other("amount_cents", ["null", "long"], None), "found 'null' for the field amount_cents, expected long"),
    (
        _other("due_date", {"type": "long", "logicalType": "timestamp-millis"}, 1775000000000),
        "found 'long' for the field due_date, expected null or int or string",
    ),
    (_plain_text(), "found no record, expected lease_gateway.inbound.Assessment"),
]


@pytest.mark.parametrize(("data", "found"), MISMATCHED)
def test_another_schema_is_told_by_its_field(data: bytes, found: str) -> None:
    """The library's words were quoted: the first 80 letters of the whole schema, without the field."""
    [last] = parse_avro([data], "assessments", DEFAULT)
    assert isinstance(last, Unreadable)
    assert last.found == f"block 1 that does not hold the published schema ({found})"


GOOD = container("assessments", [ASSESSMENT] * 3)
BROKEN = [
    (b"", "a file that does not begin as an Avro container"),
    (b"<lease>1<assmt>", "a file that does not begin as an Avro container"),
    (GOOD[:100], "the end of the file inside the header"),
    (GOOD[:-1], "the end of the file inside block 1"),
    (GOOD[:-1] + b"\0", "block 1 without its sync marker"),
    (GOOD + b"\x02", "the end of the file inside block 2"),
    (GOOD + b"\x02\xff\xff\xff\xff\xff\x0f", "block 2 of -"),
    (GOOD + b"\xff" * 11, "a number of more than 64 bits in block 2"),
    (GOOD.replace(b"null\x16avro.schema", b"nulx\x16avro.schema", 1), "the codec 'nulx'"),
    (container("payments", [PAYMENT]), "block 1 that does not hold the published schema"),
]


@pytest.mark.parametrize(("data", "found"), BROKEN)
def test_broken_containers_are_values(data: bytes, found: str) -> None:
    last = list(parse_avro([data], "assessments", DEFAULT))[-1]
    assert isinstance(last, Unreadable)
    assert last.found.startswith(found), last.found
    assert last.message.startswith(f"Found {found}")


@pytest.mark.parametrize("codec", ["deflate", "zstandard"])
def test_a_block_that_unpacks_to_too_much_is_refused(codec: str) -> None:
    rows = [ASSESSMENT | {"reason": "x" * 1_000_000}] * 12
    out = io.BytesIO()
    fastavro.writer(out, avro.inbound_schema("assessments"), rows, codec=codec, sync_interval=1 << 30)
    [last] = parse_avro([out.getvalue()], "assessments", DEFAULT)
    assert isinstance(last, Unreadable)
    assert last.found == f"block 1 that is cut off or unpacks to more than {avro_container.BLOCK_LIMIT} bytes"


@pytest.mark.parametrize("codec", ["deflate", "zstandard"])
def test_a_block_that_does_not_unpack(codec: str) -> None:
    data = bytearray(container("assessments", [ASSESSMENT] * 50, codec))
    data[-30:-16] = b"\xff" * 14
    last = list(parse_avro([bytes(data)], "assessments", DEFAULT))[-1]
    assert isinstance(last, Unreadable)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_make_the_reader_raise(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        end = at + data.draw(st.integers(0, 3))
        changed[at:end] = data.draw(st.binary(max_size=3))
        changed = changed or bytearray(b"O")
    for chunk in parse_avro([bytes(changed)], "assessments", DEFAULT):
        if isinstance(chunk, ParsedChunk):
            assert chunk.lines == len(chunk.records) + len(chunk.rejects)


@pytest.mark.parametrize("kind", KINDS)
def test_published_schemas_are_documented(kind: str) -> None:
    for schema in (avro.inbound_schema(kind), avro.archive_schema(kind)):
        json.dumps(schema)
        assert schema["doc"]
        assert all(one["doc"] for one in schema["fields"])
