"""What is written reads back the same, is what the golden file shows, and passes code that is not ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from achlens.core import validate as achlens_validate
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.nacha import Batch, Entry, NachaFile, check_digit, read, routing_problem, routing_warning, validate
from parsers.nacha_records import LIVE_CREDITS, LIVE_DEBITS, ORIGINATED
from writers.nacha import (
    BankOptions,
    Limits,
    OffsetAccount,
    WriterError,
    balanced,
    render,
    render_chunks,
    rmr_addenda,
    service_class_for,
    split,
    totals,
)

from .nacha_samples import HEADER, ODFI, batch, entry, sample

GOLDEN = Path(__file__).parents[1] / "golden" / "nacha" / "two_batches.ach"


def assert_foreign_eyes_agree(data: bytes) -> None:
    report = achlens_validate(data.decode())
    assert report.valid, [(f.rule_id, f.message) for f in report.findings]
    assert report.counts["warning"] == 0, [(f.rule_id, f.message) for f in report.findings]


def test_the_golden_file() -> None:
    assert render(sample()) == GOLDEN.read_bytes()


def test_foreign_eyes() -> None:
    assert_foreign_eyes_agree(render(sample()))
    assert_foreign_eyes_agree(render(sample(), BankOptions(line_ending="crlf")))


@pytest.mark.parametrize("ending", ["lf", "crlf", "none"])
def test_write_read_write(ending: Any) -> None:
    data = render(sample(), BankOptions(line_ending=ending))
    again = read(data)
    assert again == sample()
    assert render(again, BankOptions(line_ending=ending)) == data
    assert len(data) == 10 * (94 + {"lf": 1, "crlf": 2, "none": 0}[ending])


def test_chunks_make_the_file() -> None:
    assert b"".join(render_chunks(sample())) == render(sample())


@pytest.mark.parametrize("count", range(1, 24))
def test_filler_completes_the_last_block(count: int) -> None:
    data = render(replace(sample(), batches=(batch(1, tuple(map(entry, range(1, count + 1)))),)))
    lines = data.decode().splitlines()
    assert len(lines) % 10 == 0
    assert int(lines[3 + count][7:13]) == len(lines) // 10
    assert lines.count("9" * 94) == -(count + 4) % 10
    assert list(validate([data])) == []


def routing() -> st.SearchStrategy[str]:
    return st.integers(1, 12_99999).map(lambda n: f"{n:08d}").map(lambda first: first + check_digit(first))


TEXT = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-/()&'", max_size=15).map(str.strip)


@st.composite
def entries(draw: st.DrawFn, number: int, sec: str) -> Entry:
    bank = draw(routing())
    more = draw(st.lists(st.text("AB*\\ 1", min_size=0, max_size=80).map(str.rstrip), max_size=5))
    if sec != "CTX":
        more = more[:1]
    return Entry(
        draw(st.sampled_from(["22", "32"])),
        bank[:8],
        bank[8],
        draw(st.text("0123456789-", min_size=1, max_size=17)),
        draw(st.integers(1, 9_999_999_999)),
        draw(TEXT),
        draw(st.text("ABC &'", min_size=1, max_size=16).map(str.strip).filter(bool)),
        draw(st.sampled_from(["", "S", "R1"])),
        tuple(more),
        f"{ODFI}{number:07d}",
    )


@st.composite
def files(draw: st.DrawFn) -> NachaFile:
    batches: list[Batch] = []
    number = 0
    for index in range(draw(st.integers(1, 4))):
        sec = draw(st.sampled_from(["CCD", "PPD", "CTX"]))
        rows = []
        for _ in range(draw(st.integers(1, 6))):
            number += draw(st.integers(1, 1000))
            rows.append(draw(entries(number, sec)))
        batches.append(batch(index + 1, tuple(rows), sec_code=sec))
    return NachaFile(header=HEADER, batches=tuple(batches))


@settings(deadline=None)
@given(files())
def test_any_file_reads_back_and_foreign_eyes_find_no_error(file: NachaFile) -> None:
    data = render(file)
    assert read(data) == file
    assert render(read(data)) == data  # type: ignore[arg-type]
    report = achlens_validate(data.decode())
    assert report.counts["error"] == 0, [(f.rule_id, f.message) for f in report.findings]


@st.composite
def odd_files(draw: st.DrawFn) -> NachaFile:
    """One batch with any code, amount, description and dates: much of it may not be written."""
    sec = draw(st.sampled_from(["CCD", "PPD", "CTX"]))
    rows = []
    for number in range(1, draw(st.integers(2, 4))):
        code = draw(st.sampled_from(sorted(ORIGINATED)))
        row = draw(entries(number, sec))
        live = code in LIVE_CREDITS | LIVE_DEBITS
        rows.append(row._replace(transaction_code=code, amount_cents=row.amount_cents if live else 0))
    return NachaFile(
        header=replace(HEADER, immediate_destination=draw(st.sampled_from(["091000019", "091000018", "BANKNUMBER"]))),
        batches=(
            batch(
                draw(st.integers(0, 2)), tuple(rows), sec_code=sec,
                service_class=draw(st.sampled_from(["200", "220", "225", "280"])),
                description=draw(st.sampled_from(["VENDOR PAY", "REVERSAL", "Reversal", "PAYROLL", "SALARY"])),
                effective_date=draw(st.sampled_from(["2026-08-03", "2026-07-30"])),
                settlement_day=draw(st.sampled_from(["", "215", "400"])),
            ),
        ),
    )  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(odd_files())
def test_what_is_written_is_sound_and_what_is_not_sound_is_refused(file: NachaFile) -> None:
    try:
        data = render(file)
    except WriterError:
        return
    assert read(data) == file
    assert render(file) == data
    report = achlens_validate(data.decode())
    assert report.counts["error"] == 0, [(f.rule_id, f.message) for f in report.findings]


REFUSED = [
    (entry(1, account="1" * 18), r"entry.account .*\*{14}1111"),
    (entry(1, account=""), "entry.account"),
    (entry(1, name="A" * 23), "entry.name"),
    (entry(1, name="MÜLLER"), "entry.name"),
    (entry(1, name="A\nB"), "entry.name"),
    (entry(1, amount_cents=-1), "entry.amount_cents"),
    (entry(1, transaction_code="21"), "not originated"),
    (entry(1, amount_cents=0), r"code 22 with 0\.00"),
    (entry(1, transaction_code="23"), r"code 23 with 432\.98"),
    (entry(1, transaction_code="24", amount_cents=0), "no amount and no addenda"),
    (entry(1, transaction_code="55"), "in reversals alone"),
    (entry(1, transaction_code="27"), "other direction"),
    (entry(1, amount_cents=1.5), "no whole number"),
    (entry(1, transaction_code=22), "no text"),
    (entry(1, amount_cents=10_000_000_000), "above the limit 99,999,999.99"),
    (entry(1, receiving_dfi="9100001"), "9 digits"),
    (entry(1, check_digit="8"), "check digit 8 should be 9"),
    (entry(1, identification="X" * 16), "entry.identification"),
    (entry(1, trace_number="0910000200000001"[:15]), "does not begin with the originating bank"),
    (entry(1, trace_number="09100001000001"), "entry.trace_number"),
    (entry(1, addenda=("X" * 81,)), "addenda_05.text"),
    (entry(1, addenda=("A", "B")), "several addenda"),
]


@pytest.mark.parametrize(("bad", "words"), REFUSED)
def test_what_does_not_fit_is_named_and_nothing_is_cut(bad: Entry, words: str) -> None:
    with pytest.raises(WriterError, match=words) as raised:
        render(replace(sample(), batches=(batch(1, (bad,)),)))
    assert "123456789" not in str(raised.value)


def with_batches(*batches: Batch) -> NachaFile:
    return replace(sample(), batches=batches)


def test_refused_files() -> None:
    one, back = (entry(1),), (entry(1, transaction_code="27"),)
    cases = [
        (with_batches(), BankOptions(), "1 to 999999 batches"),
        (with_batches(batch(1, ())), BankOptions(), "no entries"),
        (with_batches(batch(2, one), batch(2, (entry(2),))), BankOptions(), "must ascend"),
        (with_batches(batch(1, (entry(2), entry(1)))), BankOptions(), "does not rise"),
        (with_batches(batch(1, one)), BankOptions(max_total_cents=43297), "over the limit 432.97"),
        (with_batches(batch(1, one), batch(2, one)), BankOptions(max_total_cents=43298), "split the file"),
        (
            with_batches(*(batch(n, back, service_class="225") for n in (1, 2))),
            BankOptions(max_total_cents=43298),
            "split",
        ),
        (
            with_batches(batch(1, (*one, entry(2, trace_number="9" * 15)))),
            BankOptions(),
            "does not begin with the orig",
        ),
        (with_batches(batch(1, one)), BankOptions(max_lines=9), "takes 10 records"),
        (with_batches(batch(1, one)), BankOptions(service_class="200 only"), "takes 200 only"),
        (
            with_batches(batch(1, one, service_class="200")),
            BankOptions(service_class="never 200"),
            "does not take",
        ),
        (with_batches(batch(1, one, sec_code="WEB")), BankOptions(), "not written"),
        (with_batches(batch(1, one, company_name="X" * 17)), BankOptions(), "batch_header.company_name"),
        (replace(sample(), header=replace(HEADER, creation_date="2026-02-30")), BankOptions(), "creation_date"),
        (replace(sample(), header=replace(HEADER, immediate_destination="091000018")), BankOptions(), "should be 9"),
        (with_batches(batch(1, one, description="Reversal")), BankOptions(), "batch_header.description: Found Rev"),
        (with_batches(batch(1, one, service_class="280")), BankOptions(), "200, 220 or 225"),
        (with_batches(batch(1, one, effective_date="2026-07-30")), BankOptions(), "a day from the file's creation"),
        (replace(sample(), header=replace(HEADER, file_id_modifier="a")), BankOptions(), "file_id_modifier"),
    ]
    for file, options, words in cases:
        with pytest.raises(WriterError, match=words):
            render(file, options)


def test_service_class() -> None:
    credit, debit = entry(1), entry(2, transaction_code="27")
    assert service_class_for([credit]) == "220"
    assert service_class_for([debit]) == "225"
    assert service_class_for([credit, debit]) == "200"
    assert service_class_for([credit], "200 only") == "200"
    assert service_class_for([credit], "never 200") == "220"
    with pytest.raises(WriterError, match="separate batches"):
        service_class_for([credit, debit], "never 200")


@pytest.mark.parametrize(("kind", "code"), [("checking", "27"), ("savings", "37")])
def test_a_balanced_batch_comes_to_zero(kind: Any, code: str) -> None:
    offset = OffsetAccount(routing_number="021000021", account="999", account_type=kind)
    made = balanced(sample().batches[0], offset, f"{ODFI}0000003")
    last = made.entries[-1]
    assert (made.service_class, last.transaction_code, last.amount_cents) == ("200", code, 43299)
    assert last.name == "OFFSET"
    data = render(with_batches(made))
    assert read(data) == with_batches(made)
    assert_foreign_eyes_agree(data)
    assert balanced(made, offset, f"{ODFI}0000004") == made
    back = batch(1, (entry(1, transaction_code="27"),), service_class="225", description="REVERSAL")
    brought = balanced(back, offset, f"{ODFI}0000002")
    assert (brought.service_class, brought.entries[-1].transaction_code) == ("200", {"27": "22", "37": "32"}[code])
    assert totals(brought.entries).debit_cents == totals(brought.entries).credit_cents == 43298
    with pytest.raises(WriterError, match="check digit"):
        balanced(made, replace(offset, routing_number="021000022"), "")


def test_split_cuts_before_a_limit_is_passed() -> None:
    rows = [entry(n, amount_cents=10, addenda=("A",) * (n % 2)) for n in range(1, 8)]
    assert [len(run) for run in split(rows, Limits(total_cents=30))] == [3, 3, 1], "a limit itself is within it"
    assert [len(run) for run in split(rows, Limits(lines=5))] == [3, 3, 1]
    for limits in (Limits(lines=3), Limits(total_cents=25), Limits(lines=2, total_cents=10)):
        runs = split(rows, limits)
        assert [one for run in runs for one in run] == rows
        for run, after in zip(runs, [*runs[1:], ()], strict=True):
            assert sum(one.lines for one in run) <= limits.lines
            assert sum(one.amount_cents for one in run) <= limits.total_cents
            if after:  # no room was wasted
                more = (*run, after[0])
                assert (
                    sum(one.lines for one in more) > limits.lines
                    or sum(one.amount_cents for one in more) > limits.total_cents
                )
    assert split([], Limits()) == []
    with pytest.raises(WriterError, match="alone"):
        split([entry(1)], Limits(total_cents=1))


def test_limits_of_a_bank_leave_room_for_headers_and_filler() -> None:
    options = BankOptions(max_lines=25)
    rows = [entry(n) for n in range(1, 40)]
    for run in split(rows, Limits.of(options)):
        render(with_batches(batch(1, run)), options)
    assert Limits.of(options).lines == 16
    assert Limits.of(options, is_balanced=True).lines == 15


def test_the_entry_hash_keeps_ten_digits() -> None:
    rows = tuple(entry(n, receiving_dfi="80000000", check_digit="6") for n in range(1, 131))
    data = render(with_batches(batch(1, rows)))
    assert data.decode().splitlines()[132][10:20] == f"{80000000 * 130 % 10**10:010d}"
    assert list(validate([data])) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("091000019", None),
        ("021000021", None),
        ("000000000", "all zeros belong to no bank"),
        ("091000018", "check digit 8 should be 9"),
        ("09100001", "a routing number has 9 digits"),
        ("09100001٣", "a routing number has 9 digits"),
    ],
)
def test_routing_numbers(text: str, problem: str | None) -> None:
    assert routing_problem(text) == problem


def test_unassigned_ranges_are_a_warning() -> None:
    assert routing_warning("091000019") is None
    assert routing_warning("131000019") is not None


def test_remittance() -> None:
    assert rmr_addenda("inv-7", 5).text == "RMR*IV*INV-7*PI*0.05\\"
    for bad in ("A*B", "A\\B", "A~B", "A:B", "", "東", "X" * 80):
        assert rmr_addenda(bad, 1).problem
    assert rmr_addenda("A", -1).problem


def test_prenotes_are_written_and_read() -> None:
    rows = (entry(1, transaction_code="23", amount_cents=0), entry(2))
    data = render(with_batches(batch(1, rows)))
    assert read(data) == with_batches(batch(1, rows))
    assert_foreign_eyes_agree(data)


def test_a_limit_of_the_bank_on_one_entry_names_the_entry() -> None:
    with pytest.raises(WriterError, match=r"trace 091000010000001 over 432\.98 is above the limit 100\.00"):
        render(sample(), BankOptions(max_entry_cents=10_000))


def test_ctx_that_does_not_fit_is_refused() -> None:
    with pytest.raises(WriterError, match=r"entry_ctx\.name"):
        render(with_batches(batch(1, (entry(1, name="A" * 17),), sec_code="CTX")))


def test_an_entry_does_not_show_its_account() -> None:
    assert "123456789" not in repr(entry(1))
