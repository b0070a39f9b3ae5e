"""What the bank sends: returns, notifications of change and other entries, read as far as they can be.

Banks leave out headers and controls, strip blanks, run records together and count in their own way. Every such
deviation is a finding of `parsers.nacha.walk`, as strict as for a file of ours; the entries come out all the same.
A field that does not read is its text without blanks around it, an amount that is no number is None, a date that is
none is empty; nothing is made up. Entries before any batch header stand in a batch of empty fields.

>>> read_answers([b""]).batches, [d.code.value for d in read_answers([b""]).deviations]
((), ['FILE_EMPTY'])
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from parsers.layout import YYMMDD, Layout, mask
from parsers.nacha import walk
from parsers.nacha_answer_records import ADDENDA_98_IAT
from parsers.nacha_classes import addenda_layout, batch_header_layout, entry_layout, is_international
from parsers.nacha_codes import NachaCode
from parsers.nacha_corrections import CorrectedData, corrected_data
from parsers.nacha_errors import NachaError
from parsers.nacha_quoting import hidden, in_place
from parsers.nacha_reasons import CONTESTED_CODES, DISHONORED_CODES, REFUSED_REASONS
from parsers.nacha_records import FILE_HEADER, FileHeader

__all__ = [
    "Answer",
    "AnswerBatch",
    "AnswerEntry",
    "Answers",
    "Change",
    "ContestedReturn",
    "CorrectedData",
    "DishonoredReturn",
    "RefusedChange",
    "Return",
    "read_answers",
]


LOST: Final = frozenset(
    {
        NachaCode.RECORD_TYPE, NachaCode.ENTRY_ADDENDA_COUNT, NachaCode.ENTRY_HASH, NachaCode.TOTAL_DEBIT,
        NachaCode.TOTAL_CREDIT, NachaCode.BATCH_COUNT, NachaCode.FILE_CONTROL_MISSING,
    }
)  # fmt: skip
"""Deviations by which a file holds something else than its bank wrote: a record that is none, controls that do not agree."""
_CODE: Final = re.compile("[RC][0-9]{2}")
_TRACE: Final = re.compile("[0-9]{15}")
_AROUND: Final = ("transaction_code", "receiving_dfi", "check_digit", "trace_number")
"""The numbers of an entry of any class on both sides of its amount: where they read, so may an amount padded with blanks, and
what is between is the bank's way of writing a class."""
MOST_DEVIATIONS: Final = 10_000
"""How many are kept: a gigabyte of something else has one in every line."""


class Return(NamedTuple):
    """Addenda 99. ``date_of_death`` is ISO text or empty; ``forward_amount_cents`` is of international entries."""

    code: str
    original_trace: str
    date_of_death: str
    original_rdfi: str
    information: str
    trace: str
    forward_amount_cents: int | None = None


class DishonoredReturn(NamedTuple):
    """Addenda 99 with R61 to R70. ``return_reason`` is the code of the return without its R."""

    code: str
    original_trace: str
    original_rdfi: str
    return_trace: str
    return_settlement_day: str
    return_reason: str
    information: str
    trace: str


class ContestedReturn(NamedTuple):
    """Addenda 99 with R71 to R77. Reasons are codes without their R, settlement days are days of the year."""

    code: str
    original_trace: str
    original_returned_on: str
    original_rdfi: str
    original_settlement_day: str
    return_trace: str
    return_settlement_day: str
    return_reason: str
    dishonored_trace: str
    dishonored_settlement_day: str
    dishonored_reason: str
    trace: str


class Change(NamedTuple):
    """Addenda 98, notification of change."""

    code: str
    original_trace: str
    original_rdfi: str
    corrected: CorrectedData
    trace: str


class RefusedChange(NamedTuple):
    """Addenda 98 with C61 to C69; ``trace_sequence`` is that of the notification that is refused."""

    code: str
    original_trace: str
    original_rdfi: str
    corrected: CorrectedData
    change_code: str
    trace_sequence: str
    trace: str


Answer = Return | DishonoredReturn | ContestedReturn | Change | RefusedChange


class AnswerEntry(NamedTuple):
    """One entry. ``line`` counts from 1; ``answer`` is None for an entry that answers nothing. Of accounting advices
    ``trace_number`` is the operator's routing number, day and sequence. Of an entry out of place (`parsers.nacha_quoting`)
    the amount is None; trace numbers of records out of place are as they may be quoted."""

    line: int
    transaction_code: str
    rdfi: str
    check_digit: str
    account: str
    amount_cents: int | None
    identification: str
    name: str
    trace_number: str
    answer: Answer | None

    def __repr__(self) -> str:
        return (
            f"AnswerEntry(line {self.line}: {self.transaction_code} {mask(self.account)} {self.amount_cents} "
            f"trace {self.trace_number}, {self.answer!r})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBatch:
    """Entries under their header; of international ones ``company_name`` is empty. ``effective_date`` is ISO text
    where it reads, ``settlement_day`` the day of the year or empty."""

    sec_code: str
    company_id: str
    company_name: str
    description: str
    effective_date: str
    settlement_day: str
    odfi: str
    batch_number: int | None
    entries: tuple[AnswerEntry, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """A file of the bank. ``deviations`` are everything that is not as the rules have it, the first `MOST_DEVIATIONS` of
    them; ``more_deviations`` counts the others, which only a file that is none of NACHA has.
    ``lost`` are those, kept or not, that show an entry lost or changed on its way; a file without header may leave out its
    control too, as banks do."""

    header: FileHeader | None
    batches: tuple[AnswerBatch, ...]
    deviations: tuple[NachaError, ...]
    more_deviations: int = 0
    lost: tuple[NachaError, ...] = ()


def read_answers(chunks: Iterable[bytes]) -> Answers:
    """The file, whatever it looks like; empty of batches when nothing in it is an entry."""
    reader = _Reader()
    deviations: list[NachaError] = []
    lost: list[NachaError] = []
    more = 0
    for found in walk(chunks, reader.record):
        if found.code in LOST and len(lost) < MOST_DEVIATIONS:
            lost.append(found)
        if len(deviations) < MOST_DEVIATIONS:
            deviations.append(found)
        else:
            more += 1
    if reader.file_header is None:
        lost = [found for found in lost if found.code is not NachaCode.FILE_CONTROL_MISSING]
    return Answers(reader.file_header, reader.finished(), tuple(deviations), more, tuple(lost))


@dataclass(slots=True)
class _Reader:
    """Takes records in order; ``header`` is the line of the batch header seen last, ``fields`` its values. ``trace``
    is the last entry's trace number as it came, ``answered`` whether an answer of that number came. ``unread``: a record
    came since that is none, and may have been another entry."""

    file_header: FileHeader | None = None
    header: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    batches: list[AnswerBatch] = field(default_factory=list)
    entries: list[AnswerEntry] = field(default_factory=list)
    trace: str = ""
    answered: bool = False
    unread: bool = False

    def record(self, line_no: int, line: str) -> None:
        match line[:1]:
            case "1" if self.file_header is None:
                self.file_header = _file_header(line)
            case "5":
                self._close()
                self.header = line
                self.fields = _fields(batch_header_layout(line), line)
            case "6":
                self.entries.append(_entry(line_no, line, self.header))
                self.trace, self.answered, self.unread = line[79:].strip(), False, False
            case "7" if addenda_layout(line, self.header) is not None:
                if self.entries and self._is_of_last(line):
                    self.entries[-1] = _with_addenda(self.entries[-1], line, self.header)
                    self.answered = self.answered or (line[1:3] in ("98", "99") and line[79:].strip() == self.trace)
            case "8":
                self._close()
            case _:
                self.unread = True

    def _is_of_last(self, line: str) -> bool:
        """Whether an addenda record is the last entry's, by its trace number where that is in doubt: the entry it came
        behind may be a record that cannot be read, or be lost."""
        return line[79:].strip() == self.trace or not (self.unread or self.answered)

    def _close(self) -> None:
        """The batch ends; what follows without a header of its own has none."""
        if self.entries:
            read = self.fields
            self.batches.append(
                AnswerBatch(
                    sec_code=read.get("sec_code", "").upper(), company_id=read.get("company_id", ""),
                    company_name=read.get("company_name", ""), description=read.get("description", ""),
                    effective_date=read.get("effective_date", ""), settlement_day=read.get("settlement_day", ""),
                    odfi=read.get("odfi", ""), batch_number=_number(read.get("batch_number")),
                    entries=tuple(self.entries),
                )
            )  # fmt: skip
            self.entries.clear()
        self.header, self.fields, self.unread = "", {}, False

    def finished(self) -> tuple[AnswerBatch, ...]:
        self._close()
        return tuple(self.batches)


def _fields(layout: Layout, line: str) -> dict[str, Any]:
    """The values of a record; of a field that does not read its text without blanks around it, of a date nothing."""
    values = layout.decode(line)
    if isinstance(values, tuple):
        return dict(zip(layout.names, values, strict=True))
    return {
        view.name: view.value if view.error is None else "" if isinstance(item.type, YYMMDD) else view.raw.strip()
        for item, view in zip(layout.fields, layout.explain(line), strict=True)
        if not item.type.constant
    }


def _number(value: object) -> int | None:
    """A count or amount that reads, or is digits with blanks around them."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None


def _file_header(line: str) -> FileHeader:
    values = _fields(FILE_HEADER, line)
    return FileHeader(**values)


def _entry(line_no: int, line: str, header: str) -> AnswerEntry:
    layout = entry_layout(header)
    values, sure = _fields(layout, line), in_place(layout, line, _AROUND)
    trace = values.get("trace_number", line[79:].strip())
    return AnswerEntry(
        line=line_no,
        transaction_code=values["transaction_code"],
        rdfi=values["receiving_dfi"],
        check_digit=values["check_digit"],
        account=values["account"],
        amount_cents=_number(values["amount_cents"]) if sure else None,
        identification=values.get("identification", ""),
        name=values.get("name", ""),
        trace_number=trace if sure else hidden(trace),
        answer=None,
    )


def _with_addenda(entry: AnswerEntry, line: str, header: str) -> AnswerEntry:
    """The entry with what an addenda record says of it. Of several answers the last stands: banks send the return, its
    dishonor and the contest of that behind one entry (a deviation)."""
    layout = addenda_layout(line, header)
    if layout is None:
        return entry
    kind, values = line[1:3], _fields(layout, line)
    if kind == "10":
        return entry._replace(name=values["receiver_name"])
    if kind == "15" and is_international(header):
        return entry._replace(identification=values["receiver_id"])
    if kind not in ("98", "99"):
        return entry
    if not in_place(layout, line):
        values |= _traces_in_doubt(values, entry)
    return entry._replace(answer=_change(values, layout, line) if kind == "98" else _return(values))


def _traces_in_doubt(values: Mapping[str, Any], entry: AnswerEntry) -> dict[str, str]:
    """The trace numbers of an answer out of place, hidden: but for the original's where it and the code before it read,
    and for its own where the entry has the same."""
    code = values.get("return_code") or values.get("change_code", "")
    reads = _CODE.fullmatch(code.upper()) is not None and _TRACE.fullmatch(values["original_trace"]) is not None
    sure = {"original_trace": reads, "trace_number": values["trace_number"] == entry.trace_number}
    traces = (name for name in values if name in (*sure, "return_trace", "dishonored_trace"))
    return {name: values[name] if sure.get(name) else hidden(values[name]) for name in traces}


def _return(v: Mapping[str, Any]) -> Answer:
    code = v["return_code"].upper()
    if code in DISHONORED_CODES:
        return DishonoredReturn(
            code, v["original_trace"], v["original_rdfi"], v["return_trace"], v["return_settlement_day"],
            v["return_reason"], v["information"], v["trace_number"],
        )  # fmt: skip
    if code in CONTESTED_CODES:
        return ContestedReturn(
            code, v["original_trace"], v["original_returned_on"], v["original_rdfi"], v["original_settlement_day"],
            v["return_trace"], v["return_settlement_day"], v["return_reason"], v["dishonored_trace"],
            v["dishonored_settlement_day"], v["dishonored_reason"], v["trace_number"],
        )  # fmt: skip
    return Return(
        code, v["original_trace"], v["date_of_death"], v["original_rdfi"], v["information"], v["trace_number"],
        _number(v.get("forward_amount_cents")),
    )  # fmt: skip


def _change(v: Mapping[str, Any], layout: Layout, line: str) -> Answer:
    code = v["change_code"].upper()
    item = layout.field("corrected_data")
    raw = line[item.first - 1 : item.last]  # by position: a blank first character is the bank's, and moves nothing
    if code in REFUSED_REASONS:
        change = v["refused_change_code"].upper()
        corrected = corrected_data(change, raw)
        return RefusedChange(
            code, v["original_trace"], v["original_rdfi"], corrected, change, v["trace_sequence"], v["trace_number"]
        )
    corrected = corrected_data("" if layout is ADDENDA_98_IAT else code, raw)
    return Change(code, v["original_trace"], v["original_rdfi"], corrected, v["trace_number"])
