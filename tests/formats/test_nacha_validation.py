"""One small defect at a time: each is found on its line, in its field, under its code."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.nacha import NachaCode, NachaError, NachaFile, read, validate
from writers.nacha import render

from .nacha_samples import batch, entry, sample

SOUND = render(sample()).decode()
# 1 header; 2 batch; 3 entry; 4 addenda; 5 entry; 6 control; 7 batch; 8 entry; 9 control; 10 file control


def changed(line: int, first: int, text: str) -> bytes:
    lines = SOUND.split("\n")
    old = lines[line - 1]
    lines[line - 1] = old[: first - 1] + text + old[first - 1 + len(text) :]
    return "\n".join(lines).encode("latin-1")


def without(line: int) -> bytes:
    lines = SOUND.split("\n")
    del lines[line - 1]
    return "\n".join(lines).encode()


def inserted(before: int, text: str) -> bytes:
    lines = SOUND.split("\n")
    lines.insert(before - 1, text)
    return "\n".join(lines).encode()


def keys(data: bytes) -> list[tuple[int, str, str]]:
    return [(error.line_no, error.field, error.code.value) for error in validate([data])]


def test_the_sample_is_sound() -> None:
    assert SOUND.count("\n") == 10
    assert keys(SOUND.encode()) == []


FIELD_DEFECTS = [
    # line, first, text, field, code
    (1, 2, "02", "priority_code", "CONSTANT"),
    (1, 4, " 091000018", "immediate_destination", "ROUTING"),
    (1, 14, " " * 10, "immediate_origin", "REQUIRED"),
    (1, 24, "260230", "creation_date", "DATE"),
    (1, 30, "2460", "creation_time", "TIME"),
    (1, 34, "a", "file_id_modifier", "FILE_ID_MODIFIER"),
    (1, 35, "106", "record_size", "CONSTANT"),
    (1, 41, "\x07", "destination_name", "CHARACTER"),
    (1, 64, "É", "origin_name", "CHARACTER"),
    (2, 2, "280", "service_class", "SERVICE_CLASS"),
    (2, 5, " " * 16, "company_name", "REQUIRED"),
    (2, 51, "WEB", "sec_code", "SEC_CODE"),
    (2, 51, "ccd", "sec_code", "SEC_CODE"),
    (2, 54, " " * 10, "description", "REQUIRED"),
    (2, 70, "260732", "effective_date", "DATE"),
    (2, 70, "260730", "effective_date", "EFFECTIVE_DATE"),
    (2, 76, "215", "settlement_day", "RESERVED"),
    (2, 79, "7", "originator_status", "VALUE"),
    (2, 88, "0000000", "batch_number", "BATCH_NUMBER"),
    (3, 2, "21", "transaction_code", "TRANSACTION_CODE"),
    (3, 2, "27", "transaction_code", "TRANSACTION_CODE"),
    (3, 2, "23", "amount_cents", "AMOUNT_NOT_ZERO"),
    (3, 12, "8", "check_digit", "ROUTING"),
    (3, 13, " ", "account", "REQUIRED"),
    (3, 30, "000004329A", "amount_cents", "NOT_DIGITS"),
    (3, 30, "0000000000", "amount_cents", "AMOUNT_ZERO"),
    (3, 55, " " * 22, "name", "REQUIRED"),
    (3, 79, "2", "addenda_indicator", "VALUE"),
    (3, 80, "09100002", "trace_number", "TRACE_ODFI"),
    (5, 88, "0000001", "trace_number", "TRACE_ORDER"),
    (4, 2, "99", "addenda_type", "CONSTANT"),
    (4, 84, "0002", "sequence", "ADDENDA_SEQUENCE"),
    (4, 88, "0000009", "entry_sequence", "ADDENDA_ENTRY"),
    (3, 79, "0", "record", "ADDENDA_UNEXPECTED"),
    (5, 79, "1", "addenda_indicator", "ADDENDA_MISSING"),
    (6, 2, "200", "service_class", "CONTROL_SERVICE_CLASS"),
    (6, 5, "000009", "entry_addenda_count", "ENTRY_ADDENDA_COUNT"),
    (6, 11, "0000000001", "entry_hash", "ENTRY_HASH"),
    (6, 21, "000000000001", "total_debit_cents", "TOTAL_DEBIT"),
    (6, 33, "000000000001", "total_credit_cents", "TOTAL_CREDIT"),
    (6, 45, "9", "company_id", "CONTROL_COMPANY_ID"),
    (6, 55, "X", "message_authentication_code", "RESERVED"),
    (6, 74, "X", "reserved", "RESERVED"),
    (6, 80, "09100009", "odfi", "CONTROL_ODFI"),
    (6, 88, "0000007", "batch_number", "CONTROL_BATCH_NUMBER"),
    (10, 2, "000001", "batch_count", "BATCH_COUNT"),
    (10, 8, "000002", "block_count", "BLOCK_COUNT"),
    (10, 14, "00000001", "entry_addenda_count", "ENTRY_ADDENDA_COUNT"),
    (10, 22, "0000000001", "entry_hash", "ENTRY_HASH"),
    (10, 32, "000000000001", "total_debit_cents", "TOTAL_DEBIT"),
    (10, 44, "000000000001", "total_credit_cents", "TOTAL_CREDIT"),
    (10, 94, "X", "reserved", "RESERVED"),
]


@pytest.mark.parametrize(("line", "first", "text", "field", "code"), FIELD_DEFECTS)
def test_a_defect_in_a_field_is_found(line: int, first: int, text: str, field: str, code: str) -> None:
    at = 4 if code == "ADDENDA_UNEXPECTED" else line  # shown at the addenda, not at the indicator
    assert (at, field, code) in keys(changed(line, first, text))


NINES = "9" * 94
STRUCTURE_DEFECTS = [
    ("empty", b"", (1, "record", "FILE_EMPTY")),
    ("header lost", without(1), (1, "record", "FILE_HEADER_MISSING")),
    ("header twice", inserted(2, SOUND.split("\n")[0]), (2, "record", "RECORD_ORDER")),
    ("batch header lost", without(2), (2, "record", "RECORD_ORDER")),
    ("batch control lost", without(6), (6, "record", "BATCH_CONTROL_MISSING")),
    ("file control lost", without(10), (9, "record", "FILE_CONTROL_MISSING")),
    ("entry lost", without(5), (5, "entry_addenda_count", "ENTRY_ADDENDA_COUNT")),
    ("addenda lost", without(4), (3, "addenda_indicator", "ADDENDA_MISSING")),
    ("batch empty", without(8), (8, "record", "BATCH_EMPTY")),
    ("addenda twice", inserted(5, SOUND.split("\n")[3]), (5, "record", "ADDENDA_TOO_MANY")),
    ("addenda first", inserted(3, SOUND.split("\n")[3]), (3, "record", "RECORD_ORDER")),
    ("blank line", inserted(3, ""), (3, "record", "LINE_LENGTH")),
    ("unknown type", inserted(3, "4" + "0" * 93), (3, "record", "RECORD_TYPE")),
    ("filler too early", inserted(3, NINES), (3, "record", "RECORD_ORDER")),
    ("filler missing", SOUND.encode() + b"X" * 94 + b"\n", (11, "record", "FILLER")),
    ("not a block", SOUND.encode() + (NINES + "\n").encode(), (11, "record", "FILLER_COUNT")),
    ("a block too much", SOUND.encode() + (NINES + "\n").encode() * 10, (20, "record", "FILLER_COUNT")),
    ("short line", SOUND.encode().replace(b"091000010000001\n", b"09100001000001\n", 1), (2, "record", "LINE_LENGTH")),
    ("no last ending", SOUND.encode()[:-1], (10, "record", "LINE_ENDING")),
    ("one CR LF", SOUND.encode()[:-1] + b"\r\n", (10, "record", "LINE_ENDING")),
    ("one LF", SOUND.replace("\n", "\r\n", 9).encode(), (10, "record", "LINE_ENDING")),
]


@pytest.mark.parametrize(("name", "data", "expected"), STRUCTURE_DEFECTS)
def test_a_defect_of_structure_is_found(name: str, data: bytes, expected: tuple[int, str, str]) -> None:
    assert expected in keys(data)


def ctx() -> str:
    pieces = ("ISA*00*" + "X" * 73, "SE*1\\")
    file = replace(sample(), batches=(batch(1, (entry(1, addenda=pieces), entry(2)), sec_code="CTX"),))
    return render(file).decode()


def test_ctx_counts_its_addenda() -> None:
    sound = ctx()
    assert keys(sound.encode()) == []
    lines = sound.split("\n")
    assert lines[2][54:58] == "0002"
    lines[2] = lines[2][:54] + "0003" + lines[2][58:]
    assert (3, "addenda_count", "ADDENDA_COUNT") in keys("\n".join(lines).encode())


def test_every_code_is_provoked_above() -> None:
    provoked = {code for *_, code in FIELD_DEFECTS}
    provoked |= {expected[2] for *_, expected in STRUCTURE_DEFECTS}
    assert {code.value for code in NachaCode} - provoked == {"ADDENDA_COUNT"}  # test_ctx_counts_its_addenda


def test_all_findings_are_given_and_the_message_is_one_sentence() -> None:
    lines = SOUND.split("\n")
    lines[2] = lines[2][:11] + "8" + lines[2][12:]
    lines[7] = lines[7][:29] + "0000000000" + lines[7][39:]
    found = list(validate(["\n".join(lines).encode()]))
    assert [(e.line_no, e.code) for e in found[:2]] == [(3, NachaCode.ROUTING), (8, NachaCode.AMOUNT_ZERO)]
    assert found[0].message == (
        "Found 091000018, expected check digit 8 should be 9: correct the receiver's routing number."
    )
    assert (found[1].first, found[1].last, found[1].record) == (30, 39, "entry")


def test_account_numbers_are_shown_by_their_last_four() -> None:
    (error,) = [e for e in validate([changed(3, 13, " ")]) if e.field == "account"]
    assert "123456" not in error.message
    assert "6789" in error.message


def test_an_unreadable_entry_leaves_the_sums_alone() -> None:
    found = keys(changed(3, 30, "X"))
    assert found == [(3, "amount_cents", "NOT_DIGITS")]


def many(count: int) -> bytes:
    entries = tuple(entry(n, addenda=("RMR*IV*1*PI*1.00\\",) * (n % 3 == 0)) for n in range(1, count + 1))
    return render(replace(sample(), batches=(batch(1, entries),)))


@pytest.mark.parametrize("size", [1, 94, 95, 1000, 300_000])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_chunk_borders_do_not_matter(size: int, ending: bytes) -> None:
    data = many(40 if size < 1000 else 9000).replace(b"\n", ending)
    assert list(validate(data[at : at + size] for at in range(0, len(data), size))) == []
    broken = data.replace(b"091000010000030", b"091000010000029", 1)
    found = list(validate(broken[at : at + size] for at in range(0, len(data), size)))
    assert NachaCode.TRACE_ORDER in [error.code for error in found]


def test_the_fast_and_the_careful_way_agree_on_totals() -> None:
    """A bad entry in a long run sends the run the careful way; nothing else may be found."""
    data = many(9000).decode().split("\n")
    at = next(n for n, line in enumerate(data) if line[87:94] == "0005000")
    data[at] = data[at][:11] + "8" + data[at][12:]
    assert keys("\n".join(data).encode()) == [(at + 1, "check_digit", "ROUTING")]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_damage_never_crashes_the_reader(data: st.DataObject) -> None:
    damaged = bytearray(SOUND.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(damaged) - 1)))
        kind = data.draw(st.sampled_from(["set", "cut", "add", "line"]))
        if kind == "set":
            damaged[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        elif kind == "cut":
            del damaged[at : at + data.draw(st.integers(1, 200))]
        elif kind == "add":
            damaged[at:at] = data.draw(st.binary(max_size=5))
        else:
            lines = bytes(damaged).split(b"\n")
            lines = data.draw(st.permutations(lines))
            damaged = bytearray(b"\n".join(lines))
    result = read(bytes(damaged))
    if isinstance(result, NachaFile):
        ending = "lf" if b"\n" in damaged else "none"
        assert render(result).decode().replace("\n", "" if ending == "none" else "\n") == damaged.decode()


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    result = read(data)
    assert isinstance(result, list)
    assert all(isinstance(error, NachaError) for error in result)
    assert result
