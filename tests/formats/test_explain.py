"""Every kind of file is known by what is in it, shown field by field, and shows no account number."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import avro
from parsers.avro_archive import Archived, ArchiveWriter
from parsers.explain import explain, recognise
from parsers.explain_avro import explain_avro
from parsers.explain_views import Explanation
from parsers.profile import DEFAULT
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
        ("p1_btchpmt.avro", "avro"),
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


PAYMENTS: list[dict[str, Any]] = [
    {"target_kind": "L", "target": "50", "amount_cents": 10000, "due_date": 12143, "note": "by post"},
    {"target_kind": "X", "target": "51", "amount_cents": 1},
]


def container(kind: str = "payments", rows: list[dict[str, Any]] = PAYMENTS, **changes: Any) -> bytes:
    out = BytesIO()
    avro.write_avro(out, avro.inbound_schema(kind) | changes, rows, codec="null")
    return out.getvalue()


def archive() -> bytes:
    out = BytesIO()
    writer = ArchiveWriter(out, "assessments", marker=bytes(16))
    columns = [(1,), ("1001",), (None,), (None,), (None,), ("LTCH",), (2500,), *[(None,)] * 4]
    writer.add(Archived(columns, (1,), ("posted",), ([7, 8],)))
    writer.close()
    return out.getvalue()


def test_a_twin_is_shown_record_by_record_with_what_its_rules_find() -> None:
    for name in ("p1_btchpmt.avro", "upload.bin"):  # its schema tells the kind as well
        made = explain(container(), name)
        assert (made.kind, made.schema) == ("payments", "lease_gateway.inbound.Payment")
        assert [f.name for f in made.records[0].fields] == ["target_kind", "target", "amount_cents", "due_date", "note"]
        assert field(made, 1, "amount_cents") == (0, 0, "10000", 10000, None)
        assert field(made, 1, "due_date")[2:4] == ("12143", "2003-04-01")
        assert [(p.line_no, p.code, p.field) for p in made.problems] == [(2, "AVRO_TEXT", "target_kind")]
        assert explain(container(), name, limit=1).records == made.records[:1]
        assert explain(container(), name, limit=0).problems == made.problems


def test_an_archive_is_shown_by_its_own_schema_whatever_its_name() -> None:
    made = explain(archive(), "7-p1_btchassmt.dat.avro")
    assert (made.kind, made.schema, made.problems) == (
        "archive_assessments",
        "lease_gateway.archive.ArchivedAssessment",
        (),
    )
    assert field(made, 1, "entry_ids")[2] == "7, 8"
    assert field(made, 1, "outcome")[2] == "posted"


@pytest.mark.parametrize(
    ("name", "spoil", "kind", "shown", "words"),
    [
        ("p1_btchpmt.avro", lambda data: b"", "payments", 0, None),
        ("p1_btchpmt.avro", lambda data: b"L50,10000\n", "payments", 0, "Found a file that does not begin as an Avro container"),
        ("p1_btchpmt.avro", lambda data: data[:-3], "payments", 0, "Found the end of the file inside block 1"),
        ("p1_btchpmt.avro", lambda data: data + data[-40:], "payments", 2, "block 2"),
        ("p1_btchassmt.avro", lambda data: data, "assessments", 0, "does not hold the published schema"),
        ("upload.bin", lambda data: container(namespace="com.acme"), "unknown", 0,
         "Found the schema com.acme.Payment, expected one of lease_gateway.inbound.Assessment"),
        ("upload.bin", lambda data: data[:9], "unknown", 0, "Found the root name upload"),
        ("p9_btchfoo.avro", lambda data: data[:9], "unknown", 0, "Found the root name btchfoo"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_container_is_told_with_its_cause(
    name: str, spoil: Callable[[bytes], bytes], kind: str, shown: int, words: str | None
) -> None:
    made = explain(spoil(container()), name)
    assert (made.kind, len(made.records)) == (kind, shown)
    found = [p.message for p in made.problems if p.line_no == 0]
    assert len(found) == (words is not None)
    assert words is None or words in found[0], found


def test_a_container_is_read_block_by_block() -> None:
    class Counted(BytesIO):
        largest = 0

        def read(self, size: int | None = -1) -> bytes:
            got = super().read(size)
            self.largest = max(self.largest, len(got))
            return got

    file = Counted(container(rows=PAYMENTS[:1] * 50_000))
    made = explain_avro(file, "p1_btchpmt.avro", profile=DEFAULT, limit=3)
    assert (len(made.records), made.problems, file.largest <= 1 << 16) == (3, (), True)


@given(st.binary(max_size=300), st.sampled_from(["a.avro", "p1_btchpmt.avro"]))
def test_no_bytes_behind_the_mark_of_a_container_crash_it(data: bytes, name: str) -> None:
    explain(b"Obj\x01" + data, name)


@given(st.integers(0, len(container()) - 1), st.integers(0, 255))
def test_one_changed_byte_of_a_container_never_crashes_it(at: int, byte: int) -> None:
    data = bytearray(container())
    data[at] = byte
    explain(bytes(data), "p1_btchpmt.avro")


@given(st.binary(max_size=300), st.sampled_from(["a.ach", "DSGL_P01.DAT", "DSPP-1", "x.xml", "p1_btchpmt.dat"]))
def test_nothing_crashes_it(data: bytes, name: str) -> None:
    explain(data, name)
