"""Refusals of notifications of change: sent back to who sent them, read back as they were, sound to the strict reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.nacha import validate
from parsers.nacha_answers import AnswerBatch, AnswerEntry, Change, RefusedChange, read_answers
from parsers.nacha_corrections import corrected_data
from parsers.nacha_reasons import CHANGE_REASONS, REFUSED_REASONS
from writers.nacha import BankOptions
from writers.nacha_refused import refusal, render
from writers.text import WriterError

from .nacha_class_samples import ODFI, SAMPLES, as_bytes, trace
from .nacha_samples import HEADER

GOLDEN = Path(__file__).parents[1] / "golden" / "nacha" / "refused_changes.ach"
BANK_TRACE = "021000020000077"


def notices() -> tuple[AnswerEntry, ...]:
    """Three notifications as a bank numbered them."""
    read = read_answers([as_bytes(SAMPLES["change"])])
    made = []
    for at, notice in enumerate(read.batches[0].entries):
        assert isinstance(notice.answer, Change)
        number = f"{BANK_TRACE[:8]}{77 + at:07d}"
        made.append(notice._replace(trace_number=number, answer=notice.answer._replace(trace=number)))
    return tuple(made)


def batch(*entries: AnswerEntry, **changes: Any) -> AnswerBatch:
    sound = AnswerBatch(
        sec_code="COR", company_id="1234567890", company_name="EXAMPLE LEASING", description="VENDOR PAY",
        effective_date="2026-08-03", settlement_day="", odfi=ODFI, batch_number=1, entries=entries,
    )  # fmt: skip
    return replace(sound, **changes)


def refused() -> tuple[AnswerEntry, ...]:
    return tuple(refusal(n, f"C6{at}", trace(at)) for at, n in enumerate(notices(), start=1))


def without_lines(batches: tuple[AnswerBatch, ...]) -> list[AnswerBatch]:
    return [replace(b, entries=tuple(e._replace(line=0) for e in b.entries)) for b in batches]


def test_a_refusal_says_all_that_the_notification_said() -> None:
    first = refused()[0]
    assert (first.rdfi, first.check_digit, first.amount_cents, first.transaction_code) == ("02100002", "1", 0, "21")
    assert isinstance(first.answer, RefusedChange)
    assert first.answer == RefusedChange(
        "C61", trace(901), ODFI, first.answer.corrected, "C01", BANK_TRACE[-7:], trace(1)
    )


def test_the_golden_file() -> None:
    assert render(HEADER, [batch(*refused())]) == GOLDEN.read_bytes()


@pytest.mark.parametrize("ending", ["lf", "crlf", "none"])
def test_write_read_write(ending: Any) -> None:
    options = BankOptions(line_ending=ending)
    batches = (batch(*refused()[:2]), batch(refused()[2], batch_number=7))
    data = render(HEADER, batches, options)
    assert list(validate([data])) == []
    made = read_answers([data])
    assert without_lines(made.batches) == without_lines(batches)
    assert made.header == HEADER
    assert render(HEADER, made.batches, options) == data


@given(
    st.sampled_from(sorted(REFUSED_REASONS)),
    st.sampled_from(sorted(CHANGE_REASONS)),
    st.text("ABC 0123456789-", max_size=29),
    st.sampled_from(["21", "26", "31", "36"]),
)
def test_any_refusal_reads_back(code: str, change: str, raw: str, transaction: str) -> None:
    notice = notices()[0]
    assert isinstance(notice.answer, Change)
    said = notice.answer._replace(code=change, corrected=corrected_data(change, raw.rstrip()))
    made = refusal(notice._replace(transaction_code=transaction, answer=said), code, trace(1))
    data = render(HEADER, [batch(made)])
    assert not [e for e in validate([data]) if not e.is_warning]
    (again,) = read_answers([data]).batches[0].entries
    assert again._replace(line=0) == made._replace(line=0)


def spoiled(**changes: Any) -> AnswerEntry:
    entry = refused()[0]
    answer = entry.answer
    assert isinstance(answer, RefusedChange)
    inner = {key: value for key, value in changes.items() if key in RefusedChange._fields}
    outer = {key: value for key, value in changes.items() if key in AnswerEntry._fields}
    return entry._replace(answer=answer._replace(**inner), **outer)


REFUSALS = [
    (batch(spoiled(code="C01")), "no refusal with C61 to C69"),
    (batch(spoiled(amount_cents=1)), "amount zero"),
    (batch(spoiled(change_code="C62")), "which no notification of change has"),
    (batch(spoiled(transaction_code="22")), "which no notification of change has"),
    (batch(spoiled(check_digit="2")), "check digit 2 should be 1"),
    (batch(spoiled(trace=trace(2))), "another trace"),
    (batch(spoiled(original_trace="9")), "addenda_98_refused.original_trace"),
    (batch(spoiled(rdfi="0210000X")), "no number"),
    (batch(refused()[1], refused()[0]), "must rise"),
    (batch(spoiled(trace_number="021000020000001")), "begin with the originating bank"),
    (batch(), "one at least"),
    (batch(*refused(), sec_code="CCD"), "class CCD"),
    (batch(*refused(), batch_number=0), "must ascend"),
    (batch(*refused(), effective_date=""), "effective_date"),
]


@pytest.mark.parametrize(("bad", "words"), REFUSALS, ids=[words for _, words in REFUSALS])
def test_what_would_not_be_sound_is_refused(bad: AnswerBatch, words: str) -> None:
    with pytest.raises(WriterError, match=words) as raised:
        render(HEADER, [bad])
    assert "123456789" not in str(raised.value)


def test_only_notifications_are_refused_and_only_to_a_known_bank() -> None:
    with pytest.raises(WriterError, match="no notification of change"):
        refusal(refused()[0], "C61", trace(1))
    with pytest.raises(WriterError, match="does not tell the bank"):
        refusal(notices()[0]._replace(trace_number=""), "C61", trace(1))
    with pytest.raises(WriterError, match="there must be a batch"):
        render(HEADER, [])


def test_the_service_class_follows_the_notifications() -> None:
    mixed = render(HEADER, [batch(*refused())]).decode().splitlines()
    assert mixed[1][1:4] == "200"
    with pytest.raises(WriterError, match="separate batches"):
        render(HEADER, [batch(*refused())], BankOptions(service_class="never 200"))
    assert render(HEADER, [batch(refused()[0])]).decode().splitlines()[1][1:4] == "220"
