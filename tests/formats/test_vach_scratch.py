"""The Vendor ACH scratch file, against positions counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.vach_scratch import VachRecord, read
from writers.text import WriterError
from writers.vach_scratch import render


def row(**changes: Any) -> VachRecord:
    sound = VachRecord(
        portfolio="1",
        bank="126",
        vendor="V1042",
        lease="0000012345",
        asset="",
        routing_number="091000019",
        account="123456789",
        transaction_code="22",
        amount_cents=43298,
        disbursement_date="2026-08-03",
        check="1042",
        sec_code="CCD",
        origin="EXAM",
        payee="ACME SUPPLY CO",
        flag="P",
        prenote="N",
    )
    return sound._replace(**changes)


def test_positions() -> None:
    line = render([row()]).decode()
    assert len(line) == 129
    cuts = {
        (1, 2): " 1",
        (3, 5): "126",
        (6, 14): "    V1042",
        (15, 24): "0000012345",
        (25, 34): " " * 10,
        (35, 43): "091000019",
        (44, 60): "123456789        ",
        (61, 62): "22",
        (63, 74): "00000043298+",
        (75, 80): "260803",
        (81, 90): "      1042",
        (91, 93): "CCD",
        (94, 96): "   ",
        (97, 100): "EXAM",
        (101, 101): "-",
        (102, 123): "ACME SUPPLY CO        ",
        (124, 124): "P",
        (125, 125): "N",
        (126, 128): "   ",
        (129, 129): "\n",
    }
    assert {span: line[span[0] - 1 : span[1]] for span in cuts} == cuts


ROWS = st.builds(
    row,
    amount_cents=st.integers(-(10**11) + 1, 10**11 - 1),
    lease=st.text("AB019", max_size=10),
    payee=st.text("ABC&' ", min_size=1, max_size=22).map(str.strip).filter(bool),
    flag=st.sampled_from("PV"),
    prenote=st.sampled_from("YN"),
)


@given(st.lists(ROWS, max_size=4))
def test_read_gives_back_what_was_written(rows: list[VachRecord]) -> None:
    data = render(rows)
    assert read(data) == rows
    assert render(read(data)) == data  # type: ignore[arg-type]


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(WriterError, match=r"check 1042 of vendor V1042: vach_scratch\.payee"):
        render([row(payee="X" * 23)])
    with pytest.raises(WriterError) as raised:
        render([row(account="1" * 20)])
    assert "11111" not in str(raised.value)


def test_findings() -> None:
    data = render([row(), row()])
    found = read(data[:-1].replace(b"\n091", b"\n091").replace(b"ACME", b"\xc9CME", 1))
    assert [(e.line_no, e.field) for e in found] == [(2, "record"), (1, "payee")]  # type: ignore[union-attr]


@given(st.binary(min_size=1, max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    assert read(data)
