"""The strict reader as a stream: all findings, in any chunks, fast or careful; and damage never gets past it.

Each rule by itself is in test_nacha_rules.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.nacha import NachaCode, NachaError, NachaFile, read, validate
from writers.nacha import render

from .nacha_class_samples import SAMPLES, as_bytes, line, totals
from .nacha_samples import batch, entry, sample

SOUND = render(sample()).decode()
# 1 header; 2 batch; 3 entry; 4 addenda; 5 entry; 6 control; 7 batch; 8 entry; 9 control; 10 file control


def changed(line: int, first: int, text: str) -> bytes:
    lines = SOUND.split("\n")
    old = lines[line - 1]
    lines[line - 1] = old[: first - 1] + text + old[first - 1 + len(text) :]
    return "\n".join(lines).encode("latin-1")


def keys(data: bytes) -> list[tuple[int, str, str]]:
    return [(error.line_no, error.field, error.code.value) for error in validate([data])]


def test_the_sample_is_sound() -> None:
    assert SOUND.count("\n") == 10
    assert keys(SOUND.encode()) == []


def test_all_findings_are_given_and_the_message_is_one_sentence() -> None:
    lines = SOUND.split("\n")
    lines[2] = lines[2][:11] + "8" + lines[2][12:]
    lines[7] = lines[7][:29] + "0000000000" + lines[7][39:]
    found = list(validate(["\n".join(lines).encode()]))
    assert [(e.line_no, e.code) for e in found[:2]] == [(3, NachaCode.ROUTING), (8, NachaCode.AMOUNT_ZERO)]
    assert found[0].message == (
        "Found *****0018: check digit 8 should be 9, expected the routing number of a bank, with its check digit: "
        "correct the receiver's routing number."
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
    entries = tuple(entry(n, addenda=("RMR*IV*1*PI*432.98\\",) * (n % 3 == 0)) for n in range(1, count + 1))
    return render(replace(sample(), batches=(batch(1, entries),)))


@pytest.mark.parametrize("size", [1, 94, 95, 1000, 300_000])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_chunk_borders_do_not_matter(size: int, ending: bytes) -> None:
    data = many(40 if size < 1000 else 9000).replace(b"\n", ending)
    assert list(validate(data[at : at + size] for at in range(0, len(data), size))) == []
    broken = data.replace(b"091000010000030", b"091000010000029", 1)
    found = list(validate(broken[at : at + size] for at in range(0, len(data), size)))
    assert NachaCode.TRACE_ORDER in [error.code for error in found]


@pytest.mark.parametrize("size", [94, 1000, 300_000])
def test_an_end_of_line_in_a_large_unbroken_stream_is_told(size: int) -> None:
    data = many(9000).replace(b"\n", b"")
    last = len(data) // 94
    for record, told in ((last, [last]), (8000, [8000, 8001])):  # what follows it is a line without an end
        broken = data[: record * 94] + b"\r\n" + data[record * 94 :]
        found = list(validate(broken[i : i + size] for i in range(0, len(broken), size)))
        assert {e.code for e in found} <= {NachaCode.LINE_ENDING, NachaCode.LINE_LENGTH}
        assert [e.line_no for e in found if e.code == NachaCode.LINE_ENDING] == told


def test_a_line_without_end_is_not_kept() -> None:
    """Three megabytes after a first line: read past in pieces, each a line of the wrong length."""
    found = list(validate([SOUND.encode()[:95], *[b"6" * 65537] * 48]))
    assert {e.line_no for e in found if e.code == NachaCode.LINE_LENGTH} == {2, 3, 4}


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


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_damage_to_a_record_passes_with_another_total(data: st.DataObject) -> None:
    """Whatever is put into one record: if the file still passes, its money is what it was."""
    lines = list(SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))])
    money, at = totals(lines), data.draw(st.integers(0, len(lines) - 1))
    for _ in range(data.draw(st.integers(1, 5))):
        first = data.draw(st.integers(1, 94))
        text = data.draw(st.text("0123456789 AR", min_size=1, max_size=min(12, 95 - first)))
        lines[at] = line((1, lines[at]), (first, text))
    if not any(not error.is_warning for error in validate([as_bytes(lines)])):
        assert totals(lines) == money


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (SOUND.encode() + b"\x1a", [(11, "END_MARK")]),
        (SOUND.encode() + b"\x1a\r\n", [(11, "LINE_ENDING"), (11, "END_MARK")]),
        (SOUND.replace("\n", "\r\n").encode() + b"\x1a" * 128, [(11, "END_MARK")]),
        (SOUND.replace("\n", "").encode() + b"\x1a", [(11, "END_MARK")]),
        (SOUND.replace("\n", "\r").encode(), [(1, "LINE_ENDING")]),
        (SOUND.replace("\n", "\r").encode() + b"\x1a", [(1, "LINE_ENDING"), (11, "END_MARK")]),
        (SOUND.replace("\n", "\r").encode()[:-1], [(1, "LINE_ENDING"), (10, "LINE_ENDING")]),
        (SOUND.encode() * 2, [(11, "SECOND_FILE")]),
        (SOUND.replace("\n", "").encode() * 3, [(11, "SECOND_FILE"), (21, "SECOND_FILE")]),
        (SOUND.encode() + b"\x1a\n" + SOUND.encode(), [(11, "END_MARK"), (12, "SECOND_FILE")]),
    ],
)
@pytest.mark.parametrize("size", [1, 95, 1 << 20])
def test_one_oddity_of_a_whole_file_is_told_once(data: bytes, told: list[tuple[int, str]], size: int) -> None:
    found = list(validate(data[at : at + size] for at in range(0, len(data), size)))
    assert [(error.line_no, error.code.value) for error in found] == told


def test_the_second_of_two_files_is_held_to_the_rules_too() -> None:
    """As if it came alone, with its own figures; the first one's last block is looked at before."""
    short = SOUND + "9" * 94 + "\n"
    spoiled = changed(10, 22, "0000000001")
    assert keys(short.encode() + SOUND.encode()) == [(11, "record", "FILLER_COUNT"), (12, "record", "SECOND_FILE")]
    assert keys(SOUND.encode() + spoiled) == [(11, "record", "SECOND_FILE"), (20, "entry_hash", "ENTRY_HASH")]
