"""Xsellerator files: read back the same, true to the published schema, refused where Xsellerator would."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from parsers.xsellerator import (
    DEFAULT,
    XselError,
    XselField,
    XselFile,
    XselProfile,
    XselProfileError,
    XselRow,
    condense,
    profile_from_mapping,
    read,
    shared_control_numbers,
    zero_sum_problem,
)
from writers.text import WriterError
from writers.xsellerator import SCHEMA, file_name, render

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "xsellerator" / "billing.xml"
START, END = date(2026, 7, 1), date(2026, 7, 31)


def row(amount: int, **changes: Any) -> XselRow:
    sound = XselRow(1, "S1042", "C100", 1, "2200", amount, "Rent July")
    return sound._replace(**changes)


ROWS = (
    row(43298),
    row(-43298, ledger_account="4000"),
    row(5, control_number="S1043", account_number="C101", description='O\'Neil & "Söhne" <x>'),
    row(-5, control_number="S1043", account_number="C101", ledger_account="4000"),
)


def written(rows: Any = ROWS, profile: XselProfile = DEFAULT) -> bytes:
    return render(rows, start=START, end=END, profile=profile)


def test_the_golden_file() -> None:
    assert written() == GOLDEN.read_bytes()


def test_the_schema_holds() -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    for rows in (ROWS, ()):
        schema.assertValid(etree.fromstring(written(rows)))
    spoiled = written().replace(b'"432.98"', b'"432.980"')
    assert not schema.validate(etree.fromstring(spoiled))
    assert not schema.validate(etree.fromstring(written().replace(b'Key="2"', b'Key="1"')))


def test_read_gives_back_what_was_written() -> None:
    made = read(written())
    assert made == XselFile("2026-07-01", "2026-07-31", ROWS)
    assert written(made.rows) == written()


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=15)


@given(
    st.lists(
        st.builds(
            row,
            st.integers(-(10**12), 10**12),
            location=st.integers(0, 2**31 - 1),
            ledger_account=TEXT.filter(str.strip),
            description=TEXT,
        ),
        max_size=8,
    )
)
def test_any_journal_reads_back(rows: list[XselRow]) -> None:
    rows.append(row(-sum(one.amount_cents for one in rows)))
    made = read(written(rows))
    assert isinstance(made, XselFile), made
    assert list(made.rows) == rows
    assert written(made.rows) == written(rows)


def codes(data: bytes) -> list[tuple[int, str, str]]:
    found = read(data)
    assert isinstance(found, list)
    assert all(isinstance(error, XselError) for error in found)
    return [(error.row_no, error.field, error.code) for error in found]


SOUND = written()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", (0, "file", "XML")),
        (SOUND[:-20], (0, "file", "XML")),
        (SOUND.replace(b"UTF-8", b"UTF-99"), (0, "file", "XML")),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><DATAPACKET/>", (0, "file", "DOCTYPE")),
        (b"<OTHER/>", (0, "file", "ENVELOPE")),
        (b"<DATAPACKET/>", (0, "file", "ENVELOPE")),
        (SOUND.replace(b"ROWDATA>", b"DATEN>"), (0, "file", "ENVELOPE")),
        (SOUND.replace(b"<ROW ", b"<LINE "), (0, "file", "ENVELOPE")),
        (SOUND.replace(b"<ROW ", b"<LINE ", 1), (0, "file", "ENVELOPE")),
        (SOUND.replace(b' XPT_ControlNo="S1042"', b"", 1), (1, "XPT_ControlNo", "MISSING")),
        (SOUND.replace(b' XPT_Amount="0.05"', b"", 1), (3, "XPT_Amount", "MISSING")),
        (SOUND.replace(b' XPT_LedgerNo="2200"', b"", 1), (1, "XPT_LedgerNo", "MISSING")),
        (SOUND.replace(b'XPT_LedgerNo="2200"', b'XPT_LedgerNo=" "', 1), (1, "XPT_LedgerNo", "VALUE")),
        (SOUND.replace(b'Key="2"', b'Key="7"'), (2, "XPT_Key", "VALUE")),
        (SOUND.replace(b'LocNo="1"', b'LocNo="one"', 1), (1, "XPT_LocNo", "VALUE")),
        (SOUND.replace(b"20260701T", b"20260732T", 1), (1, "XPT_StartDate", "VALUE")),
        (SOUND.replace(b"20260701T", b"20260702T", 1), (2, "start", "RANGE")),
        (SOUND.replace(b'"432.98"', b'"432.9"'), (1, "XPT_Amount", "VALUE")),
        (SOUND.replace(b'"432.98"', b'"-0.00"'), (1, "XPT_Amount", "VALUE")),
        (SOUND.replace(b'"432.98"', b'"432.99"'), (0, "amount", "NOT_ZERO")),
        (SOUND.replace(b'"S1042"', b'"S104200000000000"', 1), (1, "XPT_ControlNo", "VALUE")),
    ],
)
def test_findings(data: bytes, expected: tuple[int, str, str]) -> None:
    assert expected in codes(data)


def test_rows_that_would_be_passed_over_are_named() -> None:
    found = read(SOUND.replace(b"<ROW ", b"<LINE "))
    assert isinstance(found, list)
    assert [(e.found, e.expected) for e in found] == [(f"{len(ROWS)} of element LINE in ROWDATA", "element ROW only")]
    found = read(SOUND.replace(b"ROWDATA>", b"DATEN>"))
    assert isinstance(found, list)
    assert [e.found for e in found] == ["METADATA, DATEN in DATAPACKET"]
    assert isinstance(read(written(())), XselFile)


def test_child_elements_and_unknown_fields_are_taken() -> None:
    cells = (
        ("XPT_StartDate", "20260701T00:00:00000"),
        ("XPT_EndDate", "20260731T00:00:00000"),
        ("XPT_LocNo", "1"),
        ("XPT_ControlNo", "S1"),
        ("XPT_AccountNo", "C1"),
        ("XPT_DealNo", "1"),
        ("XPT_LedgerNo", "4000"),
        ("Unknown", "x"),
    )
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in cells)
    rows = "".join(
        f"<ROW><XPT_Key>{key}</XPT_Key>{inner}<XPT_Amount>{amount}</XPT_Amount><!-- x --></ROW>"
        for key, amount in ((1, "1.00"), (2, "-1.00"))
    )
    made = read(f"<DATAPACKET><ROWDATA>{rows}</ROWDATA></DATAPACKET>".encode())
    assert isinstance(made, XselFile)
    assert [one.amount_cents for one in made.rows] == [100, -100]
    assert made.rows[0].description == ""


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    assert isinstance(read(data), list)


@given(st.integers(0, len(SOUND) - 1), st.integers(0, 255))
def test_one_changed_byte_never_crashes_the_reader(at: int, byte: int) -> None:
    read(SOUND[:at] + bytes([byte]) + SOUND[at + 1 :])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((row(1),), r"not exported: the rows add to 0\.01"),
        ((row(1), row(-1, ledger_account=" ")), r"no ledger account for row 2 \(S1042, -0\.01\)"),
        ((row(1), row(-1, deal_number=2)), "S1042 is shared by the deals C100/1, C100/2"),
        ((row(1), row(-1, description="x" * 41)), "XPT_Description .* 41 characters, the field holds 40"),
        ((row(1), row(-1, description="a\nb")), "XML cannot carry"),
        ((row(1), row(-1, location=-1)), "location -1"),
        ((row(1, deal_number=2**31), row(-1, deal_number=2**31)), "deal number 2147483648"),
    ],
)
def test_refused(rows: tuple[XselRow, ...], words: str) -> None:
    with pytest.raises(WriterError, match=words):
        written(rows)


def test_ranges_and_names() -> None:
    assert file_name("PAYMENTS", START, END) == "XPT_PAYMENTS_20260701_20260731.xml"
    with pytest.raises(WriterError, match="none of BILLING"):
        file_name("RENT", START, END)
    with pytest.raises(WriterError, match="before it begins"):
        file_name("BILLING", END, START)
    with pytest.raises(WriterError, match="before it begins"):
        render(ROWS, start=END, end=START)
    assert file_name("BILLING", START, START) == "XPT_BILLING_20260701_20260701.xml", "a day is a range"
    assert render(ROWS, start=START, end=START) == written(ROWS).replace(b"20260731T", b"20260701T")


def test_condense() -> None:
    auto = "1011"
    rows = [
        row(100),
        row(-100, ledger_account=auto),
        row(50, description="later"),
        row(-50, ledger_account=auto, control_number="S2", account_number="C2"),
        row(7, location=2),
        row(-7, location=2, ledger_account=auto),
        row(9, ledger_account="3000"),
        row(-9, ledger_account="3000"),
    ]
    assert condense(rows, [auto]) == [
        row(150),
        row(-150, ledger_account=auto, control_number="", account_number="", deal_number=0),
        row(7, location=2),
        row(-7, location=2, ledger_account=auto, control_number="", account_number="", deal_number=0),
    ]
    assert condense(condense(rows, [auto]), [auto]) == condense(rows, [auto])
    assert b'XPT_Key="4"' in written(condense(rows, [auto]))
    assert len(condense(rows)) == 5


def test_shared_control_numbers_name_both_deals() -> None:
    rows = [row(1), row(1), row(1, account_number="C9"), row(1, control_number=""), row(1, control_number="Z")]
    (shared,) = shared_control_numbers(rows)
    assert (shared.control_number, shared.deals) == ("S1042", (("C100", 1), ("C9", 1)))


def test_nameless_rows_are_named_up_to_five() -> None:
    assert zero_sum_problem([row(1, ledger_account="")] * 7) is not None


def test_the_file_in_config_equals_the_default() -> None:
    text = (ROOT / "config" / "formats" / "xsellerator.toml").read_text()
    assert profile_from_mapping(tomllib.loads(text)) == DEFAULT
    assert profile_from_mapping({}) == DEFAULT


def test_a_table_of_the_site_is_followed() -> None:
    fields = tuple(
        replace(item, name="XPT_LedgerAccount") if item.role == "ledger_account" else item
        for item in reversed(DEFAULT.fields)
    )
    profile = profile_from_mapping(
        {
            "fields": [
                {"role": f.role, "name": f.name, "type": f.type} | ({"width": f.width} if f.type == "string" else {})
                for f in fields
            ],
            "envelope": {"row": "LINE"},
        }
    )
    data = written(profile=profile)
    assert b"<LINE XPT_Description=" in data
    made = read(data, profile)
    assert isinstance(made, XselFile)
    assert made.rows == ROWS


def test_every_mistake_of_a_table_is_shown_at_once() -> None:
    with pytest.raises(XselProfileError) as raised:
        profile_from_mapping(
            {
                "fields": [
                    {"role": "key", "name": "K", "type": "string", "more": 1},
                    {"role": ["x"], "name": "1bad", "type": "i4"},
                    {"role": "control_number", "name": "C", "type": "string"},
                    {"role": "location", "name": "L", "type": "i4"},
                    {"role": "location", "name": "L", "type": "i4"},
                    7,
                ],
                "envelope": {"row": "a b", "version": "<", "what": "x"},
                "other": 1,
            }
        )
    text = "\n".join(raised.value.mistakes)
    for words in (
        "the key other",
        "the key more",
        "type 'string' in field 1",
        "role ['x']",
        "name '1bad'",
        "width 0 in field 3",
        "the role location twice",
        "the name L twice",
        "7 for field 6",
        "no field of role amount",
        "envelope.row",
        "envelope.version",
        "envelope.what",
    ):
        assert words in text
    for bad in ({"fields": 1}, {"envelope": 1}):
        with pytest.raises(XselProfileError):
            profile_from_mapping(bad)


def test_fields_without_a_description_are_enough() -> None:
    profile = XselProfile(tuple(item for item in DEFAULT.fields if item.role != "description"))
    made = read(written(profile=profile), profile)
    assert isinstance(made, XselFile)
    assert {one.description for one in made.rows} == {""}
    assert XselField("key", "K", "i4").width == 0
