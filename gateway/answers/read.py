"""A bank's file as answers: what each entry says, and the day it settled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from gateway.answers.values import Answer, Kind
from parsers.nacha_answers import (
    AnswerBatch,
    AnswerEntry,
    Answers,
    Change,
    ContestedReturn,
    DishonoredReturn,
    RefusedChange,
    Return,
)

_KINDS: dict[type, Kind] = {
    Return: "RETURN",
    DishonoredReturn: "DISHONORED",
    ContestedReturn: "CONTESTED",
    Change: "CHANGE",
    RefusedChange: "REFUSED_CHANGE",
}


def answers_of(read: Answers, *, received_on: date) -> list[Answer]:
    """The entries of a file in order, numbered from 1."""
    return list(_each(read, received_on))


def _each(read: Answers, received_on: date) -> Iterator[Answer]:
    number = 0
    for batch in read.batches:
        settled = settled_on(batch, received_on)
        for entry in batch.entries:
            number += 1
            said = entry.answer
            yield Answer(
                number=number,
                kind="OTHER" if said is None else _KINDS[type(said)],
                code="" if said is None else said.code,
                original_trace="" if said is None else said.original_trace,
                trace_number=(said.trace if said is not None else "") or entry.trace_number,
                amount_cents=entry.amount_cents,
                transaction_code=entry.transaction_code,
                sec=batch.sec_code,
                settled_on=settled,
                entry=entry,
                company_id=batch.company_id,
            )


def lost_of(read: Answers, *, number: int) -> tuple[Answer, str] | None:
    """What of the file is lost, as an answer of its own without money, and the words; None for a file that ties."""
    if not read.lost:
        return None
    first, more = read.lost[0], len(read.lost) - 1
    also = f", and {more} more" if more else ""
    entry = AnswerEntry(first.line_no, "", "", "", "", None, "", "", "", None)
    return Answer(number, "OTHER", "", "", "", None, "", "", None, entry), (
        f"the file does not hold what it says (line {first.line_no}, {first.record} {first.field}: found {first.found}, "
        f"expected {first.expected}{also}); the other entries of it were taken: ask the bank to send it again, and say "
        "what came of it with gateway answers clear FILE/NUMBER --reason WHY"
    )


_AHEAD: Final = timedelta(days=7)
"""A file may come before the day it settles, over a long weekend."""


def settled_on(batch: AnswerBatch, received_on: date) -> str | None:
    """The operator's day of the year: the last such day that the file may speak of; else the effective date; None where
    neither reads, or no day is that one."""
    if batch.settlement_day.isdigit() and 1 <= int(batch.settlement_day) <= 366:
        days = [
            date(year, 1, 1) + timedelta(days=int(batch.settlement_day) - 1)
            for year in (received_on.year - 1, received_on.year, received_on.year + 1)
        ]
        sound = [d for d in days if d.timetuple().tm_yday == int(batch.settlement_day) and d <= received_on + _AHEAD]
        return max(sound).isoformat() if sound else None
    try:
        return date.fromisoformat(batch.effective_date).isoformat()
    except ValueError:
        return None


def as_json(answer: Answer) -> str:
    """All the entry and the header of its batch say, to be sealed: it holds an account number."""
    return json.dumps(_said(answer), sort_keys=True)


def decides(answer: Answer | str) -> str:
    """What of an answer, or of one as `as_json` gave it, decides what is done about it, as a text to compare: amount,
    transaction code, whose it is and all that its addenda say. Earlier ledgers kept no company."""
    values = {"company_id": ""} | (json.loads(answer) if isinstance(answer, str) else _said(answer))
    names = ("amount_cents", "transaction_code", "account", "company_id", "answer")
    return json.dumps([values[name] for name in names], sort_keys=True)


def _said(answer: Answer) -> dict[str, Any]:
    return _values(answer.entry) | {"company_id": answer.company_id}


def _values(entry: AnswerEntry) -> dict[str, Any]:
    said = entry.answer
    return entry._asdict() | {"answer": None if said is None else _plain(said._asdict())}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v._asdict() if hasattr(v, "_asdict") else v for k, v in values.items()}
