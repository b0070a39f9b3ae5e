"""The remittance advice of a CTX entry: written, cut into addenda, put together and read again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.x12_820 import Advice, X12Problem, joined, read
from writers.text import WriterError
from writers.x12_820 import pieces, render

ADVICE = Advice(
    control_number="42",
    sender="1234567890",
    receiver="V1",
    created_on="2026-03-02",
    created_at="0900",
    effective_date="2026-03-03",
    company_id="1234567890",
    trace_number="091000010000042",
    payer="PRAIRIE LEASING",
    payee="ACME SUPPLY",
    lines=(("INV-1", 12_345), ("INV-2", 5)),
)
TEXT = (
    "ISA*00*          *00*          *ZZ*1234567890     *ZZ*V1             *260302*0900*U*00401*000000042*0*P*:~"
    "GS*RA*1234567890*V1*20260302*0900*42*X*004010~"
    "ST*820*000000042~"
    "BPR*C*123.50*C*ACH*CTX*****1234567890******20260303~"
    "TRN*1*091000010000042*1234567890~"
    "N1*PR*PRAIRIE LEASING~N1*PE*ACME SUPPLY~ENT*1~"
    "RMR*IV*INV-1*PI*123.45~RMR*IV*INV-2*PI*0.05~"
    "SE*9*000000042~GE*1*42~IEA*1*000000042~"
)


def test_written_by_hand() -> None:
    assert render(ADVICE) == TEXT
    assert TEXT.index("~") == 105, "the header of an interchange has 106 characters"


def test_pieces_come_together_without_their_trailing_blanks() -> None:
    cut = pieces(TEXT)
    assert {len(piece) for piece in cut[:-1]} == {80}
    assert joined([piece.rstrip() for piece in cut]) == TEXT


_TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7D, exclude_characters="*~:"), min_size=1, max_size=15
)
_WORD = _TEXT.filter(lambda text: text == text.strip() and bool(text))


@given(
    names=st.tuples(_WORD, _WORD, _WORD, _WORD),
    control=st.integers(1, 9_999_999),
    lines=st.lists(st.tuples(_WORD, st.integers(0, 99_999_999)), min_size=1, max_size=30),
)
def test_round_trip(names: tuple[str, str, str, str], control: int, lines: list[tuple[str, int]]) -> None:
    sender, receiver, payer, payee = names
    advice = replace(
        ADVICE, sender=sender, receiver=receiver, payer=payer, payee=payee, control_number=f"{control:09d}",
        lines=tuple(lines),
    )  # fmt: skip
    assert read(joined([piece.rstrip() for piece in pieces(render(advice))])) == advice


@pytest.mark.parametrize(
    ("old", "new", "segment", "name"),
    [
        ("BPR*C*123.50", "BPR*C*123.51", 4, "BPR02"),
        ("*PI*0.05", "*PI*0.5", 10, "RMR04"),
        ("SE*9*", "SE*8*", 11, "SE01"),
        ("SE*9*000000042", "SE*9*000000043", 11, "SE02"),
        ("GE*1*42", "GE*2*42", 12, "GE01"),
        ("GE*1*42", "GE*1*43", 12, "GE02"),
        ("IEA*1*000000042", "IEA*1*000000041", 13, "IEA02"),
        ("IEA*1*", "IEA*2*", 13, "IEA01"),
        ("*C*ACH*CTX*", "*D*ACH*CTX*", 4, "BPR03"),
        ("*C*ACH*CTX*", "*C*ACH*CCP*", 4, "BPR05"),
        ("N1*PE*", "N1*PR*", 7, "N101"),
        ("*20260303~", "*2026033~", 4, "BPR16"),
        ("GS*RA*1234567890*V1*20260302", "GS*RA*1234567890*V1*20260303", 1, "ISA09"),
        ("ST*820*000000042", "ST*820*000000044", 3, "ST02"),
        ("ST*820*", "ST*810*", 3, "ST01"),
        ("*00401*000000042*", "*00401*00000P042*", 1, "ISA13"),
        ("ENT*1~", "", 1, ""),
        ("IEA*1*000000042~", "IEA*1*000000042", 13, ""),
    ],
)
def test_single_defects(old: str, new: str, segment: int, name: str) -> None:
    assert TEXT.count(old) == 1
    found = read(TEXT.replace(old, new))
    assert isinstance(found, list)
    assert (segment, name) in [(one.segment, one.name) for one in found], found


@given(st.integers(0, len(TEXT)), st.integers(0, 12), st.text("0123456789 AR*~.", max_size=12))
def test_no_damage_makes_it_raise(at: int, length: int, text: str) -> None:
    read(TEXT[:at] + text + TEXT[at + length :])


def test_no_header() -> None:
    assert read("") == [X12Problem(1, "", "0 characters", "an interchange header of 106 characters")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lines": (("A*B", 1),)}, r"reference 'A\*B': '\*' separates X12 elements"),
        ({"lines": (("9" * 31, 1),)}, "31 characters, an X12 element holds 30"),
        ({"payee": "A~B"}, "payee 'A~B'"),
        ({"receiver": "9" * 16}, "receiver"),
        ({"sender": ""}, "needs a value"),
        ({"lines": ()}, "no lines"),
        ({"lines": (("A", -1),)}, "below zero"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(WriterError, match=message):
        render(replace(ADVICE, **changes))  # type: ignore[arg-type]
