"""What banks send is read whatever its form, nothing is made up, and every deviation is told as strictly as for us."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parsers.nacha import validate
from parsers.nacha_answers import (
    MOST_DEVIATIONS,
    AnswerBatch,
    AnswerEntry,
    Change,
    ContestedReturn,
    CorrectedData,
    DishonoredReturn,
    RefusedChange,
    Return,
    read_answers,
)
from parsers.nacha_corrections import corrected_data
from parsers.nacha_reasons import CHANGE_REASONS, REFUSED_REASONS, RETURN_REASONS, reason
from tests.answers import bank

from .nacha_class_samples import FILLER, SAMPLES, as_bytes, line, trace

RETURN = SAMPLES["return"]


def entries(data: bytes) -> list[AnswerEntry]:
    return [one for batch in read_answers([data]).batches for one in batch.entries]


def codes(data: bytes) -> list[str]:
    return [d.code.value for d in read_answers([data]).deviations]


ANSWERS = [
    ("return", 0, Return("R03", trace(901), "", "09100001", "NO SUCH ACCOUNT", trace(1))),
    ("return", 1, Return("R14", trace(902), "2026-06-01", "09100001", "", trace(2))),
    ("ctx return", 0, Return("R02", trace(901), "", "09100001", "", trace(1))),
    ("iat return", 0, Return("R80", trace(901), "", "09100001", "", trace(1), 43298)),
    ("dishonored", 0,
     DishonoredReturn("R69", trace(901), "09100001", trace(77), "214", "03", "WRONG TRACE", trace(1))),
    ("contested", 0,
     ContestedReturn("R73", trace(901), "2026-07-20", "09100001", "201", trace(77), "214", "03", trace(78), "216",
                     "68", trace(1))),
    ("change", 0,
     Change("C01", trace(901), "09100001", CorrectedData("00987654321", account="00987654321"), trace(1))),
    ("change", 2,
     Change("C07", trace(903), "09100001",
            CorrectedData("02100002100987654321      37", "021000021", "00987654321", None, "37"), trace(3))),
    ("iat change", 0, Change("C01", trace(901), "09100001", CorrectedData("00987654321"), trace(1))),
    ("refused change", 0,
     RefusedChange("C62", trace(901), "09100001", CorrectedData("00987654321", account="00987654321"), "C01",
                   "0000077", trace(1))),
    ("ppd", 0, None),
    ("adv", 0, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "at", "answer"), ANSWERS)
def test_an_answer(name: str, at: int, answer: object) -> None:
    assert entries(as_bytes(SAMPLES[name]))[at].answer == answer


def test_a_whole_file() -> None:
    made = read_answers([as_bytes(RETURN)])
    assert made.deviations == ()
    assert made.header is not None
    assert (made.header.immediate_origin, made.header.file_id_modifier) == ("1234567890", "A")
    (batch,) = made.batches
    assert batch == AnswerBatch(
        sec_code="CCD", company_id="1234567890", company_name="EXAMPLE LEASING", description="VENDOR PAY",
        effective_date="2026-07-28", settlement_day="215", odfi="09100001", batch_number=1, entries=batch.entries,
    )  # fmt: skip
    assert batch.entries[1] == AnswerEntry(
        5, "26", "02100002", "1", "00123456789", 5, "INV-7", "ACME SUPPLY CO", trace(2), batch.entries[1].answer
    )


@pytest.mark.parametrize(
    ("name", "identification", "who"),
    [
        ("ppd", "INV-7", "ACME SUPPLY CO"),
        ("ctx", "INV-7", "ACME SUPPLY CO"),
        ("pop", "000000042", ""),
        ("trc", "42", ""),
        ("mte", "CARD-1", "JANE DOE"),
        ("cie", "BILL ACCOUNT 9", "JANE DOE"),
        ("shr", "DOC-7", ""),
        ("adv", "FILE1", "FIRST BANK"),
        ("iat", "VENDOR-9", "ACME SUPPLY CANADA"),
    ],
)
def test_who_and_what_stand_where_the_class_has_them(name: str, identification: str, who: str) -> None:
    first = entries(as_bytes(SAMPLES[name]))[0]
    assert (first.identification, first.name) == (identification, who)
    assert first.amount_cents is not None


def changed(lines: list[str], number: int, first: int, text: str) -> list[str]:
    return [line((1, x), (first, text)) if at == number else x for at, x in enumerate(lines, 1)]


def stripped(lines: list[str]) -> bytes:
    return "\n".join(x.rstrip() for x in lines).encode()


FORMS: list[tuple[str, Callable[[list[str]], bytes], set[str]]] = [
    ("LF", as_bytes, set()),
    ("CR LF", lambda lines: as_bytes(lines).replace(b"\n", b"\r\n"), set()),
    ("CR", lambda lines: as_bytes(lines).replace(b"\n", b"\r"), {"LINE_ENDING"}),
    ("CR, no last end", lambda lines: as_bytes(lines)[:-1].replace(b"\n", b"\r"), {"LINE_ENDING"}),
    ("CR, no file header", lambda lines: as_bytes(lines[1:]).replace(b"\n", b"\r"), {
        "FILE_HEADER_MISSING", "FILLER_COUNT", "LINE_ENDING"}),
    ("Ctrl-Z", lambda lines: as_bytes(lines) + b"\x1a", {"END_MARK"}),
    ("unbroken", lambda lines: as_bytes(lines).replace(b"\n", b""), set()),
    ("unbroken, one end", lambda lines: as_bytes(lines).replace(b"\n", b"") + b"\r\n", {"LINE_ENDING"}),
    ("both ends", lambda lines: as_bytes(lines).replace(b"\n", b"\r\n", 3), {"LINE_ENDING"}),
    ("no last end", lambda lines: as_bytes(lines)[:-1], {"LINE_ENDING"}),
    ("stripped", stripped, {"LINE_LENGTH", "LINE_ENDING"}),
    ("unbroken and stripped", lambda lines: "".join(lines[:8]).rstrip().encode(), {"LINE_LENGTH", "FILLER_COUNT"}),
    ("two a line", lambda lines: as_bytes(lines).replace(b"\n7", b"7"), {"LINE_LENGTH"}),
    ("too wide", lambda lines: as_bytes([x + "   " for x in lines]), {"LINE_LENGTH"}),
    ("blank lines", lambda lines: as_bytes([y for x in lines for y in (x, "")]), {"BLANK_LINE"}),
    ("a mark", lambda lines: b"\xef\xbb\xbf" + as_bytes(lines), {"BYTE_ORDER_MARK"}),
    ("no filler", lambda lines: as_bytes([x for x in lines if x != FILLER]), {"FILLER_COUNT"}),
    ("no file header", lambda lines: as_bytes(lines[1:]), {"FILE_HEADER_MISSING", "FILLER_COUNT"}),
    ("no file control", lambda lines: as_bytes(lines[:7]), {"FILE_CONTROL_MISSING"}),
    ("no batch control", lambda lines: as_bytes([x for x in lines if x[0] != "8"]), {
        "BATCH_CONTROL_MISSING", "FILLER_COUNT"}),
    ("lower case", lambda lines: as_bytes(changed([x.replace("R03", "r03") for x in lines], 2, 51, "ccd")), {
        "SEC_CODE", "REQUIRED"}),
    ("wrong counts", lambda lines: as_bytes(changed(lines, 7, 5, "000099")), {"ENTRY_ADDENDA_COUNT"}),
    ("a wrapper", lambda lines: as_bytes(["$$ADD ID=X", *lines]), {
        "LINE_LENGTH", "RECORD_TYPE", "FILE_HEADER_MISSING", "RECORD_ORDER", "FILLER_COUNT"}),
    ("two files in one", lambda lines: as_bytes(lines) * 2, {"SECOND_FILE"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "form", "deviations"), FORMS, ids=[name for name, _, _ in FORMS])
def test_the_entries_come_out_whatever_the_form(
    name: str, form: Callable[[list[str]], bytes], deviations: set[str]
) -> None:
    data = form(RETURN)
    want = [x._replace(line=0) for x in entries(as_bytes(RETURN))] * (2 if name == "two files in one" else 1)
    assert [x._replace(line=0) for x in entries(data)] == want
    assert set(codes(data)) == deviations
    assert read_answers([data]).batches[0].sec_code == "CCD"


def test_entries_without_a_batch_header_stand_in_an_empty_batch() -> None:
    made = read_answers([as_bytes([x for x in RETURN if x[0] not in "15"])])
    (batch,) = made.batches
    assert (batch.sec_code, batch.company_id, batch.batch_number) == ("", "", None)
    assert [x.answer and x.answer.code for x in batch.entries] == ["R03", "R14"]


def test_of_several_answers_behind_one_entry_the_last_stands() -> None:
    """Banks send the return, its dishonor and the contest of that together."""
    chain = [*SAMPLES["dishonored"][:4], SAMPLES["contested"][3], *SAMPLES["dishonored"][4:]]
    (first,) = entries(as_bytes(chain))
    assert isinstance(first.answer, ContestedReturn)
    assert "ADDENDA_TOO_MANY" in codes(as_bytes(chain))


@pytest.mark.parametrize(
    "damaged",
    [
        lambda entry: "x" + entry[1:],
        lambda entry: "7" + entry[1:],
        lambda entry: "9" + entry[1:],
        lambda entry: "1" + entry[1:],
        lambda entry: "8" + entry[1:],
        lambda entry: entry[1:] + " ",
        lambda entry: " " * 94,
        None,
    ],
    ids=["no type", "type 7", "type 9", "type 1", "type 8", "shifted", "blanks", "lost"],
)
def test_addenda_behind_a_record_that_cannot_be_read_are_not_given_to_the_entry_before(
    damaged: Callable[[str], str] | None,
) -> None:
    """Entries of one amount would be taken for each other: the money of one, the original trace of the other."""
    at = [number for number, record in enumerate(RETURN) if record[0] == "6"][1]
    spoilt = [*RETURN[:at], *([damaged(RETURN[at])] if damaged else []), *RETURN[at + 1 :]]
    (first, *more) = entries(as_bytes(spoilt))
    assert first == entries(as_bytes(RETURN))[0] and more == []
    assert read_answers([as_bytes(spoilt)]).lost


def test_addenda_behind_a_strange_record_are_its_entrys_where_the_trace_says_so() -> None:
    at = next(number for number, record in enumerate(RETURN) if record[0] == "6")
    strange = [*RETURN[: at + 1], "x" * 94, *RETURN[at + 1 :]]
    assert entries(as_bytes(strange)) == [
        entry._replace(line=entry.line + (entry.line > at + 1)) for entry in entries(as_bytes(RETURN))
    ]


def test_an_addenda_of_text_neither_answers_an_entry_nor_opens_it_again() -> None:
    """Before its answer, whose own trace may be written otherwise; behind it, where the next entry is lost. Its end may
    look like the trace number."""
    entry, answer = bank.return_of("091000010000002", 12_345)
    text = f"705{'RMR*IV*1':<76}09100001{entry[-7:]}"
    assert text[79:] == entry[79:]
    other = bank.return_of("091000010000009", 500, trace="091000010000005")[1]
    for lines, original in (
        ([entry, text, other], "091000010000009"),
        ([entry, answer, text, other], "091000010000002"),
    ):
        data = "\n".join([bank.file_header(), bank.batch_header(), *lines, ""]).encode()
        (one,) = entries(data)
        assert one.answer is not None and one.answer.original_trace == original


def test_a_date_that_is_none_is_empty() -> None:
    made = read_answers([as_bytes(changed(RETURN, 2, 70, "000000"))])
    assert made.batches[0].effective_date == ""
    assert [(d.field, d.code.value) for d in made.deviations] == [("effective_date", "DATE")]


def test_a_file_without_entries_has_a_header_and_no_deviation() -> None:
    """Banks send one on days without answers."""
    empty = [RETURN[0], line((1, "9"), (2, "000000000001"), (14, "0" * 42))] + [FILLER] * 8
    made = read_answers([as_bytes(empty)])
    assert (made.batches, made.deviations) == ((), ())
    assert made.header is not None


def test_addenda_of_no_class_say_nothing_of_their_entry() -> None:
    data = as_bytes(changed(RETURN, 4, 2, "06"))
    assert entries(data)[0].answer is None
    assert codes(data) == ["ADDENDA_TYPE", "ANSWER_MISSING"]


def test_what_does_not_read_is_its_text_and_an_amount_is_none() -> None:
    data = as_bytes(changed(changed(RETURN, 3, 30, " 12A"), 4, 7, "UNKNOWN        "))
    first = entries(data)[0]
    assert first.amount_cents is None
    assert first.answer is not None
    assert first.answer.original_trace == "UNKNOWN"
    data = as_bytes(changed(RETURN, 3, 30, "     43298"))
    assert entries(data)[0].amount_cents == 43298
    assert "NOT_DIGITS" in codes(data)


def test_a_large_file_of_something_else_is_read_through_and_its_deviations_are_counted() -> None:
    made = read_answers([b"something else altogether\n"] * 20_000)
    assert made.batches == ()
    assert len(made.deviations) == MOST_DEVIATIONS
    assert len(made.deviations) + made.more_deviations > 20_000


def test_account_numbers_do_not_show() -> None:
    for name in SAMPLES:
        shown = repr(entries(as_bytes(SAMPLES[name])))
        assert "0123456789" not in shown, name
        assert "98765432" not in shown, name


CORRECTIONS = [
    ("C01", "1234-5 678", CorrectedData("1234-5 678", account="1234-5 678")),
    ("C02", "021000021", CorrectedData("021000021", routing="021000021")),
    ("C03", "021000021   12 34", CorrectedData("021000021   12 34", routing="021000021", account="12 34")),
    ("C04", "ACME & SONS", CorrectedData("ACME & SONS", name="ACME & SONS")),
    ("C05", "32", CorrectedData("32", transaction_code="32")),
    ("C06", "12 34               37",
     CorrectedData("12 34               37", account="12 34", transaction_code="37")),
    ("C07", "02100002112 34            37",
     CorrectedData("02100002112 34            37", routing="021000021", account="12 34", transaction_code="37")),
    ("C09", "VENDOR 9", CorrectedData("VENDOR 9", identification="VENDOR 9")),
    ("C11", "9876543210", CorrectedData("9876543210")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "raw", "made"), CORRECTIONS)
def test_corrections_are_cut_by_position(code: str, raw: str, made: CorrectedData) -> None:
    assert corrected_data(code, raw.ljust(29)) == made


@pytest.mark.parametrize(
    ("code", "raw", "words"),
    [
        ("C02", "021000022", r"positions 1 to 9 \(check digit 2 should be 1\)"),
        ("C03", "            1234", "a routing number in its positions 1 to 9"),
        ("C03", "021000021", "an account number in its positions 13 to 29"),
        ("C03", "021000021 1234", "blanks outside a routing number"),
        ("C03", "021000021    1234", "an account number from position 13 on"),
        ("C05", "99", "a transaction code in its positions 1 to 2"),
        ("C06", "1234 37", "a transaction code in its positions 21 to 22"),
        ("C01", "123456789012345678", r"blanks outside an account number \(1 to 17\)"),
    ],
)
def test_partly_filled_corrections_have_a_problem(code: str, raw: str, words: str) -> None:
    made = corrected_data(code, raw.ljust(29))
    assert made.raw == raw
    assert re.search(words, made.problem or "")


def test_reasons_have_words() -> None:
    assert len(RETURN_REASONS) == 70
    assert (len(CHANGE_REASONS), len(REFUSED_REASONS)) == (14, 9)
    assert all(reason(code) for code in (*RETURN_REASONS, *CHANGE_REASONS, *REFUSED_REASONS))


# --- properties ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [True, False])
def test_whatever_byte_an_unbroken_stream_loses_no_return_is_missed_in_silence(header: bool) -> None:
    """All records behind the byte are out of step; one more than the entry it fell in is told as lost."""
    traces = [f"0910000100000{n:02d}" for n in (1, 2, 3)]
    lines = bank.records(
        *(bank.return_of(original, 1_000, trace=f"0910000100001{n:02d}") for n, original in enumerate(traces))
    )
    stream = "".join(one for one in lines if header or one[0] not in "19").encode()
    for at in range(len(stream)):
        read = read_answers([stream[:at] + stream[at + 1 :]])
        found = [entry for batch in read.batches for entry in batch.entries]
        whole = [e for e in found if isinstance(e.answer, Return) and e.amount_cents == 1_000]
        missed = len(traces) - len({e.answer.original_trace for e in whole if e.answer} & set(traces))
        assert not missed or read.lost, at


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sample with some bytes set, cut, added, or its lines in another order."""
    data = bytearray(as_bytes(SAMPLES[draw(st.sampled_from(sorted(SAMPLES)))]))
    ending = draw(st.sampled_from([b"\n", b"\r\n", b""]))
    data = bytearray(bytes(data).replace(b"\n", ending))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["set", "cut", "add", "lines"])):
            case "set":
                data[at : at + 1] = draw(st.sampled_from([*b"0123456789 \n\rAz", 0, 255])).to_bytes(1, "big")
            case "cut":
                del data[at : at + draw(st.integers(1, 200))]
            case "add":
                data[at:at] = draw(st.binary(max_size=5))
            case _:
                data = bytearray(b"\n".join(draw(st.permutations(bytes(data).split(b"\n")))))
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(damaged(), st.sampled_from([1, 95, 100_000]))
@example(b"\n", 1)
def test_deviations_are_what_the_strict_reader_finds(data: bytes, size: int) -> None:
    """The strict reader takes runs whole, this one every record: they tell the same, in any chunks."""
    assert read_answers([data]).deviations == tuple(validate(data[at : at + size] for at in range(0, len(data), size)))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_crash_it(data: bytes) -> None:
    assert read_answers([data]).deviations
