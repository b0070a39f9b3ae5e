"""What is said of a record never shows an account number that damage pushed into another field, nor hides a sound one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gateway.answers.read import answers_of, lost_of
from parsers.explain import explain
from parsers.layout import Layout
from parsers.nacha import validate
from parsers.nacha_answers import ContestedReturn, read_answers
from parsers.nacha_quoting import hidden, hidden_record, in_place, quoted
from parsers.nacha_records import FILE_CONTROL, FILE_HEADER
from tests.answers import bank

ACCOUNTS = ("776655443322", "77665544332277665", "7766AB5544C33D227")
CORRECTED = ("998811223344", "121000248   998811223344", "99881122334499881")
SECRETS = ("77665544332277665", "7766AB5544C33D227", "99881122334499881")
"""Their digits stand nowhere else, and the others are the beginning of these."""


def file_of(count: int, account: str, corrected: str) -> list[str]:
    """The records of a file of returns and changes by turns."""
    made: list[Sequence[str]] = []
    for number in range(1, count + 1):
        trace = f"12100024{number:07d}"
        addenda = (
            f"799R03{'091000010000002':<21}12100024{'':44}{trace}"
            if number % 2
            else f"798C01{'091000010000002':<21}12100024{corrected:<29}{'':15}{trace}"
        )
        cents = 41_235 if number % 2 else 0
        made.append([bank.entry("21", cents, trace=trace, account=account, rdfi="121000248"), addenda])
    return bank.records(*made)


def said(data: bytes) -> Iterator[str]:
    """Everything that is shown of a file: to whoever explains or checks it, and in the answers' columns and reports."""
    made = explain(data, "x.ach")
    yield from (repr((v.raw, v.value, v.error)) for record in made.records for v in record.fields)
    yield from (problem.message for problem in made.problems)
    read = read_answers([data])
    yield from (found.message for found in read.deviations)
    for one in answers_of(read, received_on=date(2026, 3, 4)):
        yield repr((one.code, one.original_trace, one.trace_number, one.amount_cents, one.transaction_code, one.sec))
        yield f"{(one.amount_cents or 0) / 100:.2f}"
    lost = lost_of(read, number=1)
    yield lost[1] if lost else ""


def shown_of(data: bytes) -> list[str]:
    """Where five digits of an account number in a row are shown."""
    pieces = {secret[at : at + 5] for secret in SECRETS for at in range(len(secret) - 4)}
    return [text for text in said(data) if any(piece in text for piece in pieces)]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A file that went through something: bytes lost or added once, lines wrapped, records of another length."""
    records = file_of(draw(st.integers(1, 8)), draw(st.sampled_from(ACCOUNTS)), draw(st.sampled_from(CORRECTED)))
    end = draw(st.sampled_from(["\n", "\r\n", "\r", ""]))
    text = "".join(record + end for record in records)
    at = draw(st.integers(0, len(text) - 1))
    match draw(st.sampled_from(["lost", "added", "wrapped", "width", "every line"])):
        case "lost":
            return text[:at] + text[at + draw(st.integers(1, 14)) :]
        case "added":
            return text[:at] + draw(st.sampled_from(" \nx\t")) * draw(st.integers(1, 70)) + text[at:]
        case "wrapped":
            width = draw(st.sampled_from([60, 72, 80, 93, 95, 100, 128]))
            plain = "".join(records)
            return "\n".join(plain[start : start + width] for start in range(0, len(plain), width))
        case "width":
            width = draw(st.sampled_from([92, 93, 95, 96]))
            return end.join(record[:width].ljust(width) for record in records)
        case _:
            place, blanks = draw(st.integers(0, 60)), " " * draw(st.integers(1, 70))
            long = [record[:place] + blanks + record[place:] for record in records]
            return "\n".join(record[:94] for record in long) if draw(st.booleans()) else "\n".join(long)


def fills_a_trace(text: str) -> bool:
    """The limit that the module states: digits of an account are a trace number, to the column."""
    traces = {secret[at : at + 15] for secret in SECRETS for at in range(len(secret) - 14)}
    return any(line[79:94] in traces for line in text.splitlines())


@given(damaged())
@settings(max_examples=300, deadline=None)
@example("\n".join((r[:35] + " " * 43 + r[35:])[:94] for r in file_of(2, ACCOUNTS[0], CORRECTED[2])))
def test_no_damage_shows_more_of_an_account_than_its_last_four(text: str) -> None:
    assume(not fills_a_trace(text))
    assert shown_of(text.encode()) == []


SEEN: dict[str, Callable[[list[str]], list[str]]] = {
    "blanks before the account": lambda r: [x[:12] + " " * 17 + x[12:77] if x[0] == "6" else x for x in r],
    "the account where the trace is": lambda r: [(x[:12] + " " * 68 + x[12:])[:94] if x[0] == "6" else x for x in r],
    "an entry behind a mark": lambda r: ['"' + x[:93] for x in r],
    "an entry taken for a header": lambda r: ["5" + x[1:] if x[0] == "6" else x for x in r],
    "an unbroken stream of 93": lambda r: ["".join(x[:93] for x in r)],
    "an unbroken stream of 95": lambda r: ["".join(x + " " for x in r)],
    "wrapped at 80": lambda r: ["".join(r)[at : at + 80] for at in range(0, 94 * len(r), 80)],
    "a byte lost in a stream": lambda r: ["".join(r)[:150] + "".join(r)[151:]],
}


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("case", SEEN)
def test_damage_that_showed_an_account(case: str, account: str) -> None:
    for corrected in CORRECTED:
        assert shown_of("\n".join(SEEN[case](file_of(9, account, corrected))).encode()) == []


def test_the_search_finds_an_account() -> None:
    """Where the bytes lost are just as many that another number's place is filled, nothing tells: the limit that the
    module states."""
    stream = "".join(file_of(2, ACCOUNTS[0], CORRECTED[0]))
    trace = 94 * 3 + 79  # of the first answer's addenda; behind it the next entry begins
    lost = 15 + 9
    assert shown_of((stream[:trace] + stream[trace + lost :]).encode())
    pushed = "\n".join((r[:35] + " " * 44 + r[35:])[:94] for r in file_of(2, ACCOUNTS[0], CORRECTED[2]))
    assert fills_a_trace(pushed) and shown_of(pushed.encode())


def test_a_record_in_place_is_quoted_as_it_is() -> None:
    """A wrong number is of use only in full; of what does not read and of free text long numbers are hidden."""
    records = file_of(1, ACCOUNTS[0], CORRECTED[0])
    number = "121000240000009"
    wrong = [*records[:3], records[3][:79] + number, *records[4:]]
    found = [error.found for error in validate(["\n".join([*wrong, ""]).encode()]) if error.code == "ADDENDA_TRACE"]
    assert found == [number]
    unsure = [*records[:2], records[2][:39] + f"{'7766554433':<15}{'VENDOR':<22}  4" + records[2][79:], *records[3:]]
    (entry,) = [record for record in explain("\n".join(unsure).encode(), "x").records if record.name == "entry"]
    raw = {view.name: view.raw for view in entry.fields}
    assert (raw["amount_cents"], raw["trace_number"]) == ("0000041235", "121000240000001")
    assert (raw["identification"], raw["account"]) == ("******4433     ", "********3322     ")


@pytest.mark.parametrize(
    ("text", "shown", "in_a_record"),
    [
        ("", "", ""),
        ("1234", "1234", "****"),
        ("12345 ", "*2345 ", "***** "),
        ("12345  6", "*2345  6", "*2345  *"),
        ("6 7766-5544/33.22 x", "* ****-****/33.22 x", "* ****-****/33.22 x"),
        ("A12345B678", "******B678", "**********"),
        ("19988112.23", "******12.23", "********.**"),
    ],
)
def test_hidden(text: str, shown: str, in_a_record: str) -> None:
    assert (hidden(text), hidden_record(text)) == (shown, in_a_record)


HEADER, CONTROL = bank.file_header(), f"9{1:06d}{1:06d}{2:08d}{9:010d}{0:012d}{0:012d}{'':39}"
OUT_OF_PLACE: dict[str, tuple[Layout, str]] = {
    "a constant": (FILE_HEADER, HEADER.replace("094101", "093101")),
    "a date": (FILE_HEADER, HEADER.replace("260305", "269905")),
    "a time": (FILE_HEADER, HEADER.replace("1700A", "9900A")),
    "a number": (FILE_CONTROL, CONTROL[:20] + "X" + CONTROL[21:]),
    "a blank": (FILE_CONTROL, CONTROL[:82] + "776655443322"),
}


@pytest.mark.parametrize("case", OUT_OF_PLACE)
def test_each_alone_shows_that_a_record_is_out_of_place(case: str) -> None:
    layout, line = OUT_OF_PLACE[case]
    assert in_place(FILE_HEADER, HEADER) and in_place(FILE_CONTROL, CONTROL) and len(line) == 94
    assert not in_place(layout, line)
    found = quoted(layout, line)
    assert not found.in_place
    assert not any("3322" in view.raw for view in found.views), "a number at the end may go on in the next record"
    assert [view.value for view in found.views if view.error] == [None]


def test_free_text_beside_what_does_not_read_is_quoted_by_the_last_four() -> None:
    line = (HEADER[:86] + "REF12345").replace("PRAIRIE", "PRA\x01RIE"[:7])
    found = quoted(FILE_HEADER, line)
    assert found.in_place and found.views[-1].raw == "****2345"
    assert [view.value for view in found.views if view.error] == [None]


@pytest.mark.parametrize("at", [1, 3, 11, 79])
def test_an_amount_is_taken_where_the_numbers_around_it_read(at: int) -> None:
    entry, addenda = bank.return_of("091000010000002", 12_345)
    for line, cents in ((entry, 12_345), (entry[:at] + "X" + entry[at + 1 :], None)):
        (one,) = (
            read_answers([bank.whole([line, addenda]) if line == entry else damaged_file(line, addenda)])
            .batches[0]
            .entries
        )
        assert one.amount_cents == cents


def damaged_file(*lines: str) -> bytes:
    return "\n".join([bank.file_header(), bank.batch_header(), *lines, ""]).encode()


def test_traces_of_an_answer_out_of_place_are_hidden() -> None:
    entry, addenda = bank.contested("091000010000002", 12_345)
    for settled, traces in (
        ("063", ("091000010000077", "091000010000078")),
        ("06X", ("***********0077", "***********0078")),
    ):
        data = damaged_file(entry, addenda.replace("09100001063", f"09100001{settled}"))
        answer = read_answers([data]).batches[0].entries[0].answer
        assert isinstance(answer, ContestedReturn)
        assert (answer.return_trace, answer.dishonored_trace) == traces
        assert answer.original_trace == "091000010000002"
