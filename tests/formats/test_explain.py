"""Every kind of file is known by what is in it, shown field by field, and shows no account number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.explain import Explanation, explain, recognise
from writers import gl_scratch, nacha, vach_scratch

from . import nacha_samples, test_gl_scratch, test_vach_scratch, test_xsellerator
from .nacha_class_samples import SAMPLES, as_bytes

NACHA = nacha.render(nacha_samples.sample())
GL = gl_scratch.render([test_gl_scratch.row()])
VACH = vach_scratch.render([test_vach_scratch.row()])
XML = test_xsellerator.written()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (NACHA, "nacha"),
        (NACHA.replace(b"\n", b""), "nacha"),
        (b"\xef\xbb\xbf" + NACHA, "nacha"),
        (as_bytes(SAMPLES["return"][1:]), "nacha"),
        (as_bytes(SAMPLES["return"][1:]).replace(b"\n", b"\r\n"), "nacha"),
        (as_bytes(SAMPLES["return"][1:]).replace(b"\n", b""), "nacha"),
        (GL, "gl_scratch"),
        (gl_scratch.render([test_gl_scratch.row()], width=143), "gl_scratch"),
        (VACH, "vach_scratch"),
        (XML, "xsellerator"),
        (b"\xef\xbb\xbf" + XML, "xsellerator"),
        (b"", "unknown"),
        (b"\xff" * 300, "unknown"),
    ],
)
def test_content_tells_the_kind_whatever_the_name(data: bytes, kind: str) -> None:
    assert recognise(data, "upload.bin") == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("P01-VACH-BANK-260803.DAT", "nacha"),
        ("DSPP-P01-VACH-260803.DAT", "vach_scratch"),
        ("dsgl_p01.dat", "gl_scratch"),
        ("XPT_BILLING_20260701_20260731.xml", "xsellerator"),
        ("p1_btchpmt.dat", "payments"),
        ("p1_btchpmt.avro", "unknown"),
        ("notes.txt", "unknown"),
    ],
)
def test_the_name_tells_what_the_content_does_not(name: str, kind: str) -> None:
    assert recognise(b"???", name) == kind
    assert explain(b"???", name).problems


def field(made: Explanation, record: int, name: str) -> tuple[int, int, str, object, str | None]:
    (found,) = [view for view in made.records[record - 1].fields if view.name == name]
    return found.first, found.last, found.raw, found.value, found.error


def test_a_bank_file() -> None:
    made = explain(NACHA, "x")
    assert [record.name for record in made.records][:4] == [
        "file_header",
        "batch_header",
        "entry",
        "addenda_05",
    ]
    assert made.problems == ()
    assert field(made, 3, "amount_cents") == (30, 39, "0000043298", 43298, None)
    assert field(made, 3, "account")[2:4] == ("*****6789        ", "*****6789")
    assert explain(NACHA, "x", limit=2).records == made.records[:2]
    broken = NACHA.replace(b"\n6", b"\n4", 1).replace(b"0000000001ABCD", b"000000000XABCD")
    made = explain(broken, "x")
    assert made.records[2].name == "unknown"
    assert "123456789" not in made.records[2].fields[0].raw
    assert field(made, 5, "amount_cents")[4] == "an amount in cents of 10 digits, zero-filled"
    assert {problem.code for problem in made.problems} >= {"RECORD_TYPE", "NOT_DIGITS"}


@pytest.mark.parametrize("name", SAMPLES)
def test_bank_files_of_every_class(name: str) -> None:
    made = explain(as_bytes(SAMPLES[name]), "x")
    assert made.problems == ()
    assert len(made.records) == len(SAMPLES[name])
    assert all(view.error is None for record in made.records for view in record.fields)
    shown = repr(made)
    for secret in ("0123456789", "98765432", "411111111111", "123456789*"):
        assert secret not in shown.replace("1234567890", ""), secret


def test_a_warning_is_told_apart_and_banking_days_are_those_given() -> None:
    lines = list(SAMPLES["ccd"])
    lines[1] = lines[1].replace("VENDOR PAY", "PAYROLL   ")
    made = explain(as_bytes(lines), "x", banking_day=lambda day: day.day != 3)
    assert [(p.code, p.is_warning) for p in made.problems] == [
        ("RESERVED_DESCRIPTION", True),
        ("BANKING_DAY", False),
        ("BANKING_DAY", False),
    ]


def test_scratch_files() -> None:
    made = explain(GL, "x")
    assert field(made, 1, "balance_cents") == (113, 124, "00012649053+", 12649053, None)
    assert [(p.code, p.line_no) for p in made.problems] == [("TIE_OUT", 0)] * 3
    assert "126490.53 and 0.00" in made.problems[0].message
    made = explain(VACH, "x")
    assert field(made, 1, "payee")[3] == "ACME SUPPLY CO"
    assert field(made, 1, "account")[3] == "*****6789"
    assert [p.field for p in explain(VACH.replace(b"PN", b"QN"), "x").problems] == ["flag"]
    assert [p.field for p in explain(GL.replace(b"D101", b"E101"), "DSGL_P01.DAT").problems] == ["side"]


def test_xml() -> None:
    made = explain(XML, "x")
    assert field(made, 1, "XPT_Amount")[3:] == ("432.98", None)
    made = explain(XML.replace(b'"432.98"', b'"4"'), "x")
    assert field(made, 1, "XPT_Amount")[4] == "an amount with two decimals"
    assert [(p.line_no, p.code) for p in made.problems] == [(1, "VALUE")]


@pytest.mark.parametrize("name", ["p1_btchassmt.dat", "p1_btchescr.dat", "p1_bptmtrev.dat", "p1_btchpmt.dat"])
def test_inbound_lines_are_left_to_their_modules(name: str) -> None:
    made = explain(b"nonsense 1 2 3\r\n\n<x>", name)
    assert [problem.line_no for problem in made.problems][:1] == [1]
    assert all(record.line_no in (1, 3) for record in made.records)


@given(st.binary(max_size=300), st.sampled_from(["a.ach", "DSGL_P01.DAT", "DSPP-1", "x.xml", "p1_btchpmt.dat"]))
def test_nothing_crashes_it(data: bytes, name: str) -> None:
    explain(data, name)
