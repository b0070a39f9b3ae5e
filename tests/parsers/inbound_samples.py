"""Lines and records of the four inbound formats for property tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from hypothesis import strategies as st

from parsers import avro
from parsers.base import ParsedChunk
from parsers.profile import DEFAULT, KINDS, LEASE_CODES
from parsers.states import US_STATES

LINES = {
    "assessments": [
        b"<lease>12345<assmt>LTCH<amount>2500",
        b"<asset>778<duedate>030401<assmt>PTAX<amount>43298<ptcode>AUTO<liendate>030601<reason>ABCD",
        b"<lease> 0012 ,<invoice>23090 <assmt>rcr1, <amount>1050",
    ],
    "escrow": [
        b"50, 970104, 500, 0001, smith, 111 anza, burlingame, ca, 94010, 79,125",
        b'50,970104,500,1,"Smith, J",1 Main,Apt 2,Reno,NV,895011234,ref,79,',
        b"50,970104,500,1,Smith,1 Main,Reno,NV,89501,ref,79,126",
        b"50,970104,500,1,Smith,1 Main,Apt 2,Reno,NV,89501,79,126",
    ],
    "reversals": [
        b"L1,20000,B03030890000100000001,RNSFC,C123",
        b"I23090,43298,B03050890000100000002,G125,E030508,RTMSA",
    ],
    "payments": [
        b"L50,10000,C123,E030308,D030401,A125,B03030890000100000001,OWIRE,NMarch rent",
        b"I23090 , 43298 , ACLR,C 7",
    ],
}


def identifiers(width: int) -> st.SearchStrategy[str]:
    return st.text("ABCXYZ0123456789-./", min_size=1, max_size=width)


def texts(width: int, without: str = "") -> st.SearchStrategy[str]:
    alphabet = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters=without)
    return st.text(alphabet, min_size=1, max_size=width).map(lambda t: t.strip(" ")).filter(bool)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


DAYS = st.dates(min_value=date(1970, 1, 1), max_value=date(2069, 12, 31)).map(lambda day: day.isoformat())
BATCHES = st.tuples(DAYS, st.integers(0, 10**14 - 1)).map(lambda pair: pair[0][2:].replace("-", "") + f"{pair[1]:014d}")
BANKS = st.integers(125, 144).map(str)


def _assessments() -> st.SearchStrategy[tuple[Any, ...]]:
    tail = maybe(identifiers(4))
    cents = st.integers(1, 10**10 - 1)
    lease = st.tuples(
        st.just(1),
        identifiers(10),
        st.none(),
        maybe(identifiers(8)),
        maybe(DAYS),
        st.sampled_from(LEASE_CODES),
        cents,
        st.none(),
        st.none(),
        st.none(),
        tail,
    )
    head = (st.just(1), st.none(), identifiers(10), maybe(identifiers(8)), maybe(DAYS))
    property_tax = st.tuples(*head, st.just("PTAX"), cents, tail, st.none(), maybe(DAYS), tail)
    road_tax = st.tuples(*head, st.just("FHUT"), cents, st.none(), tail, st.none(), tail)
    return lease | property_tax | road_tax


def _escrow() -> st.SearchStrategy[tuple[Any, ...]]:
    state_zip = st.tuples(
        st.sampled_from(list(US_STATES)), st.from_regex("[0-9]{5}|[0-9]{9}", fullmatch=True)
    ) | st.tuples(st.just("FF"), maybe(texts(10)))
    return st.tuples(
        st.just(1),
        identifiers(10),
        DAYS,
        st.integers(1, 10**15 - 1),
        identifiers(10),
        texts(36),
        texts(36),
        maybe(texts(36)),
        texts(25),
        state_zip,
        maybe(texts(36)),
        maybe(identifiers(10)),
        maybe(BANKS),
    ).map(lambda row: (*row[:9], *row[9], *row[10:]))


def _reversals() -> st.SearchStrategy[tuple[Any, ...]]:
    reasons = st.from_regex("[NSUTO][A-Z]{0,3}", fullmatch=True)
    banks = st.from_regex("[0-9]{3}", fullmatch=True)
    return st.tuples(
        st.just(1),
        st.sampled_from("IL"),
        identifiers(8),
        st.integers(1, 10**15 - 1),
        BATCHES,
        maybe(reasons),
        maybe(identifiers(10)),
        maybe(DAYS),
        maybe(banks),
    )


def _payments() -> st.SearchStrategy[tuple[Any, ...]]:
    def row(kind: str) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.tuples(
            st.just(1),
            st.just(kind),
            identifiers(8),
            st.integers(1, 10**15 - 1),
            maybe(identifiers(10)),
            maybe(DAYS),
            maybe(DAYS) if kind == "L" else st.none(),
            maybe(BANKS | st.just("CLR")),
            maybe(BATCHES),
            maybe(identifiers(4)),
            maybe(texts(80, without=",")),
        )

    return row("L") | row("I")


RECORDS = {
    "assessments": _assessments(),
    "escrow": _escrow(),
    "reversals": _reversals(),
    "payments": _payments(),
}
kinds = st.sampled_from(KINDS)


@st.composite
def mutated_lines(draw: st.DrawFn, kind: str) -> bytes:
    """A good line with a few bytes changed, put in or taken out."""
    line = bytearray(draw(st.sampled_from(LINES[kind])))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(line)))
        new = draw(st.sampled_from([b"", b",", b" ", b'"', b"<", b">", b"0", b"I", b"B", b"\xe9", b"\0", b"a"]))
        line[at : at + draw(st.integers(0, 2))] = new
    return bytes(line)


def read(kind: str, data: bytes, sizes: list[int] | None = None) -> list[ParsedChunk]:
    """``data`` through the parser of ``kind``, in pieces of ``sizes`` (the last repeated)."""
    return list(avro.MODULES[kind].parse(pieces(data, sizes or [len(data) or 1]), profile=DEFAULT))


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = index = 0
    while at < len(data):
        size = sizes[min(index, len(sizes) - 1)]
        yield data[at : at + size]
        at, index = at + size, index + 1
