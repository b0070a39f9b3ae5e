"""Good lines and what they mean, in tables; golden files; explanations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from parsers import avro
from parsers.base import ParsedChunk
from parsers.profile import DEFAULT, KINDS
from parsers.states import US_STATES
from tests.parsers.inbound_samples import read

GOLDEN = Path(__file__).parents[1] / "golden" / "inbound"


def fields(kind: str, line: bytes) -> dict[str, Any]:
    """What the one record of ``line`` holds, absent items left out."""
    [chunk] = read(kind, line + b"\n")
    assert chunk.rejects == []
    [record] = chunk.records
    named = dict(zip(avro.RECORDS[kind], record, strict=True))
    return {name: value for name, value in named.items() if value is not None and name != "line_no"}


CASES: list[tuple[str, bytes, dict[str, Any]]] = [
    (
        "assessments",
        b"<lease>12345<assmt>LTCH<amount>2500",
        {"lease": "12345", "code": "LTCH", "amount_cents": 2500},
    ),
    (
        "assessments",
        b"<asset>778<duedate>030401<assmt>PTAX<amount>43298<ptcode>AUTO",
        {
            "asset": "778",
            "due_date": "2003-04-01",
            "code": "PTAX",
            "amount_cents": 43298,
            "ptcode": "AUTO",
        },
    ),
    (
        "assessments",
        b"<lease>   ab012 ,<asset><invoice><assmt>rc15 , <amount> 0000001050 <reason>x1",
        {"lease": "AB012", "code": "RC15", "amount_cents": 1050, "reason": "X1"},
    ),
    (
        "assessments",
        b"<lease>1<duedate>700101<assmt>LTCH<amount>1",
        {"lease": "1", "due_date": "1970-01-01", "code": "LTCH", "amount_cents": 1},
    ),
    (
        "assessments",
        b"<lease>1<duedate>690228<assmt>LTCH<amount>1",
        {"lease": "1", "due_date": "2069-02-28", "code": "LTCH", "amount_cents": 1},
    ),
    (
        "assessments",
        b"<lease>1<duedate>000229<assmt>LTCH<amount>9999999999",
        {"lease": "1", "due_date": "2000-02-29", "code": "LTCH", "amount_cents": 9999999999},
    ),
    (
        "escrow",
        b"50, 970104, 500, 0001, smith, 111 anza, burlingame, ca, 94010, 79,125",
        {
            "lease": "50",
            "disbursal_date": "1997-01-04",
            "amount_cents": 500,
            "check_no": "0001",
            "payee": "smith",
            "address": "111 anza",
            "city": "burlingame",
            "state": "CA",
            "zip": "94010",
            "asset": "79",
            "bank": "125",
        },
    ),
    (
        "escrow",
        b'50,970104,500,1," Smith, J ""Jr"" ",1 Main,Reno,NV,895011234,Ref 1,79,',
        {
            "lease": "50",
            "disbursal_date": "1997-01-04",
            "amount_cents": 500,
            "check_no": "1",
            "payee": 'Smith, J "Jr"',
            "address": "1 Main",
            "city": "Reno",
            "state": "NV",
            "zip": "895011234",
            "reference": "Ref 1",
            "asset": "79",
        },
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 Main,Apt 2,Reno,NV,89501,79,144",
        {
            "lease": "50",
            "disbursal_date": "1997-01-04",
            "amount_cents": 500,
            "check_no": "1",
            "payee": "Smith",
            "address": "1 Main",
            "address2": "Apt 2",
            "city": "Reno",
            "state": "NV",
            "zip": "89501",
            "asset": "79",
            "bank": "144",
        },
    ),
    (
        "escrow",
        b"50,970104,500,1,Smith,1 High St,Leeds LS1,,ff,,,,",
        {
            "lease": "50",
            "disbursal_date": "1997-01-04",
            "amount_cents": 500,
            "check_no": "1",
            "payee": "Smith",
            "address": "1 High St",
            "address2": "Leeds LS1",
            "state": "FF",
        },
    ),
    (
        "reversals",
        b"L1,20000,B03030890000100000001,RNSFC,C123",
        {
            "target_kind": "L",
            "target": "1",
            "amount_cents": 20000,
            "batch": "03030890000100000001",
            "reason": "NSFC",
            "check_no": "123",
        },
    ),
    (
        "reversals",
        b"I   23090 , 43298, B03050890000100000002,G 999,E030508, R,Ctmsa",
        {
            "target_kind": "I",
            "target": "23090",
            "amount_cents": 43298,
            "batch": "03050890000100000002",
            "check_no": "TMSA",
            "effective_date": "2003-05-08",
            "bank": "999",
        },
    ),
    (
        "payments",
        b"L50,10000,NMarch  rent,OWIRE,B03030890000100000001,Aclr,D030401,E030308,C0123",
        {
            "target_kind": "L",
            "target": "50",
            "amount_cents": 10000,
            "check_no": "0123",
            "effective_date": "2003-03-08",
            "due_date": "2003-04-01",
            "account": "CLR",
            "batch": "03030890000100000001",
            "origination": "WIRE",
            "note": "March  rent",
        },
    ),
    (
        "payments",
        b"I23090,43298",
        {"target_kind": "I", "target": "23090", "amount_cents": 43298},
    ),
]


@pytest.mark.parametrize(("kind", "line", "value"), CASES)
def test_meaning(kind: str, line: bytes, value: dict[str, Any]) -> None:
    assert fields(kind, line) == value


@pytest.mark.parametrize(
    ("free", "names"),
    [
        # 12 values, a free form state in either place: the United States wins, then the only one left
        (b"50,970104,500,1,A,B,FF,NV,89501,79,,", {"city": "FF", "state": "NV", "address2": None}),
        (b"50,970104,500,1,A,B,C,FF,X 1,R,79,", {"city": "C", "state": "FF", "reference": "R"}),
    ],
)
def test_twelve_values_with_a_free_form(free: bytes, names: dict[str, Any]) -> None:
    found = fields("escrow", free)
    assert {name: found.get(name) for name in names} == names


def test_states() -> None:
    assert len(US_STATES) == 50 + 1 + 8 + 3
    assert "FF" not in US_STATES
    for state in US_STATES:
        line = f"50,970104,500,1,A,B,C,{state.lower()},89501,79,125".encode()
        assert fields("escrow", line)["state"] == state


def test_one_bad_line_in_a_hundred_leaves_the_other_ninety_nine() -> None:
    lines = [b"<lease>%d<assmt>LTCH<amount>100" % n for n in range(5000)]
    lines[::100] = [b"<lease>1<assmt>LTCH<amount>1.00"] * 50
    chunks = read("assessments", b"\n".join(lines) + b"\n")
    assert sum(len(chunk.records) for chunk in chunks) == 4950
    assert sum(chunk.amount_cents for chunk in chunks) == 495000
    assert [r.line_no for chunk in chunks for r in chunk.rejects] == list(range(1, 5000, 100))


def _as_json(chunk: ParsedChunk, kind: str) -> dict[str, Any]:
    return {
        "lines": chunk.lines,
        "blank": chunk.blank,
        "amount_cents": chunk.amount_cents,
        "rejected_cents": chunk.rejected_cents,
        "unterminated": chunk.unterminated,
        "records": [dict(zip(avro.RECORDS[kind], row, strict=True)) for row in chunk.records],
        "rejects": [
            {
                "line_no": r.line_no,
                "code": r.code,
                "column": r.column,
                "amount_cents": r.amount_cents,
                "message": r.message,
                "raw": r.raw.decode("latin-1"),
            }
            for r in chunk.rejects
        ],
        "warnings": [{"line_no": w.line_no, "code": w.code, "message": w.message} for w in chunk.warnings],
        "hashes": [f"{value:016x}" for value in chunk.hashes],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_golden(kind: str) -> None:
    """RENEW_GOLDEN=1 in the environment writes the expected files anew; look at the difference then."""
    [chunk] = read(kind, (GOLDEN / f"{kind}.dat").read_bytes())
    expected = GOLDEN / f"{kind}.json"
    if os.environ.get("RENEW_GOLDEN"):
        expected.write_text(json.dumps(_as_json(chunk, kind), indent=1) + "\n", encoding="ascii")
    assert _as_json(chunk, kind) == json.loads(expected.read_text(encoding="ascii"))


def test_every_golden_file_has_its_pair() -> None:
    names = {path.name for path in GOLDEN.iterdir()}
    assert names == {f"{kind}.{form}" for kind in KINDS for form in ("dat", "json")}


def test_explanations() -> None:
    explain = avro.MODULES["assessments"].explain_line
    assert explain("<lease> 12<assmt>ltch<amount>25.00", profile=DEFAULT) == [
        (1, 7, "tag", "<lease>", "lease"),
        (9, 10, "lease", "12", "12"),
        (11, 17, "tag", "<assmt>", "code"),
        (18, 21, "code", "ltch", "LTCH"),
        (22, 29, "tag", "<amount>", "amount"),
        (30, 34, "amount", "25.00", ""),
    ]
    explain = avro.MODULES["reversals"].explain_line
    assert explain("L1, 20000,B03030890000100000001,E030508", profile=DEFAULT) == [
        (1, 1, "letter", "L", "lease"),
        (2, 2, "lease", "1", "1"),
        (5, 9, "amount", "20000", "20000"),
        (11, 11, "letter", "B", "batch"),
        (12, 31, "batch", "03030890000100000001", "03030890000100000001"),
        (33, 33, "letter", "E", "effective_date"),
        (34, 39, "effective_date", "030508", "2003-05-08"),
    ]
    explain = avro.MODULES["escrow"].explain_line
    assert explain("50,970104", profile=DEFAULT) == [
        (1, 2, "value", "50", "50"),
        (4, 9, "value", "970104", "970104"),
    ]
