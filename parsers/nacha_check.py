"""Strict validation of a NACHA file of any entry class, as a stream and with every finding.

The checker is a state machine over records. Where a run of PPD or CCD entries is flawless, which is nearly
always, one regular expression takes the run as a whole and the rules are put to its columns (sums, sets,
pairwise order); a run that does not pass is walked record by record, which finds out what is wrong and says so.
Both ways feed the same totals. Memory is flat: a piece of the file and the totals are all that is kept.

A record that cannot be read makes sums that include it unknowable; counts are still compared then, sums not.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any, Final, Literal

from parsers import nacha_rules as rules
from parsers.layout import Layout
from parsers.nacha_addenda import OpenEntry
from parsers.nacha_class_records import FILE_CONTROL_ADV
from parsers.nacha_classes import addenda_layout, batch_header_layout, control_layout, entry_layout, is_international
from parsers.nacha_codes import NachaCode
from parsers.nacha_errors import NachaError, finding, whole
from parsers.nacha_lines import Block, shaped
from parsers.nacha_quoting import hidden, in_place
from parsers.nacha_records import (
    ADDENDA_05,
    ALL_CODES,
    ALL_DEBITS,
    BLOCKING,
    DEBITS,
    FILE_CONTROL,
    FILE_HEADER,
    FILLER,
    LIVE_CREDITS,
    WIDTH,
    routing_problem,
    routing_warning,
)
from parsers.nacha_remittance import all_agree
from parsers.nacha_rules import BankingDay, Totals
from parsers.nacha_runs import RUN


@dataclass(slots=True)
class _OpenBatch:
    """``header`` is its line; ``answers`` and ``entries`` count its entries, ``has_credits`` is of forward ones."""

    line_no: int
    header: str
    layout: Layout
    entry_layout: Layout
    international: bool
    values: dict[str, Any]
    totals: Totals = field(default_factory=Totals)
    last_trace: str = ""
    entries: int = 0
    answers: int = 0
    has_credits: bool = False
    entry: OpenEntry | None = None

    @property
    def sec_code(self) -> str:
        return str(self.values.get("sec_code", ""))


class Checker:
    """Takes the records of a file in order and yields what is wrong with them. With ``each``, every record is walked
    and handed to it with its line number."""

    def __init__(self, banking_day: BankingDay | None = None, each: Callable[[int, str], None] | None = None) -> None:
        self.banking_day = banking_day
        self.each = each
        self.line_no = 0
        self.records = 0
        self.stage: Literal["start", "between", "batch", "end"] = "start"
        self.header: dict[str, Any] = {}
        self.batch: _OpenBatch | None = None
        self.batches = 0
        self.advices = 0
        self.last_batch_number = 0
        self.file = Totals()
        self.filler = 0
        self._sound_routing: set[str] = set()

    # --- runs -------------------------------------------------------------------------------------------

    def feed(self, block: Block) -> Iterator[NachaError]:
        """Some whole lines of the file."""
        yield from block.findings
        text, at = block.text, 0
        self.line_no = block.first - 1
        while at < len(text):
            batch = self.batch
            if self.each is None and batch is not None and text[at] == "6" and batch.sec_code in ("PPD", "CCD"):
                yield from self._close_entry(batch)
                end = text.find("\n8", at) + 1 or len(text)
                if not self._take_run(batch, text[at:end]):
                    yield from self._walk(text[at:end])
            else:
                end = text.find("\n", at) + 1
                yield from self._walk(text[at:end])
            at = end

    def _walk(self, text: str) -> Iterator[NachaError]:
        for line in text[:-1].split("\n"):
            self.line_no += 1
            records = [line]
            if len(line) != WIDTH:
                records, findings = shaped(line, self.line_no)
                yield from findings
            for record in records:
                self.records += 1
                if self.each is not None:
                    self.each(self.line_no, record)
                yield from self.line(record)

    def _take_run(self, batch: _OpenBatch, text: str) -> bool:
        """Whether the run is flawless; if it is, it is counted."""
        rows = RUN.findall(text)
        addenda = len(text) // (WIDTH + 1) - len(rows)
        if not rows or (len(rows) + addenda) * (WIDTH + 1) != len(text):
            return False
        codes, routing, amounts, indicators, traces, _ = zip(*rows, strict=True)
        if indicators.count("1") != addenda or "0000000000" in amounts:
            return False
        if not all_agree(text):
            return False
        odfi, service = batch.values.get("odfi", ""), batch.values.get("service_class", "")
        if not odfi or traces[0][:8] != odfi or traces[-1][:8] != odfi or traces[0] <= batch.last_trace:
            return False
        if not all(map(operator.lt, traces, islice(traces, 1, None))):
            return False
        banks = Counter(routing)
        fresh = banks.keys() - self._sound_routing
        if any(routing_problem(bank) or routing_warning(bank) for bank in fresh):
            return False
        self._sound_routing |= fresh
        debits = DEBITS.intersection(codes)
        has_credits = not LIVE_CREDITS.isdisjoint(codes)
        if (debits and service == "220") or (service == "225" and has_credits):
            return False
        totals = batch.totals
        total = sum(map(int, amounts))
        debit = sum(int(a) for c, a in zip(codes, amounts, strict=True) if c in debits) if debits else 0
        totals.debit_cents += debit
        totals.credit_cents += total - debit
        totals.hash += sum(int(bank[:8]) * count for bank, count in banks.items())
        totals.lines += len(rows) + addenda
        batch.entries += len(rows)
        batch.has_credits = batch.has_credits or has_credits
        batch.last_trace = traces[-1]
        self.line_no += len(rows) + addenda
        self.records += len(rows) + addenda
        return True

    # --- one record -------------------------------------------------------------------------------------

    def line(self, line: str) -> Iterator[NachaError]:
        """One record of 94 characters."""
        if self.stage == "end":
            yield from self._filler(line)
            return
        kind = line[:1]
        if kind == "1" and self.stage == "start":
            yield from self._file_header(line)
        elif kind == "5":
            yield from self._batch_header(line)
        elif kind == "6" and self.batch is not None:
            yield from self._entry(self.batch, line)
        elif kind == "7" and self.batch is not None:
            yield from self._addenda(self.batch, line)
        elif kind == "8" and self.batch is not None:
            yield from self._batch_control(self.batch, line)
        elif kind == "9" and line != FILLER and (self.batch is None or not _is_out_of_step(line)):
            yield from self._file_control(line)
        else:
            yield from self._misplaced(line)

    def _misplaced(self, line: str) -> Iterator[NachaError]:
        code, kind = NachaCode.RECORD_TYPE, line[:1]
        if kind not in tuple("156789"):
            found, want = f"record type {kind!r}", "1, 5, 6, 7, 8 or 9"
            action = "correct position 1 or take the line out"
        elif kind == "9" and _is_out_of_step(line):
            found, want = "a record that begins as a file control and has no figures of one", "a record in its place"
            action = "send the file again: a byte before it is lost"
        else:
            where = {"start": "at the start of the file", "between": "between batches"}
            found = f"a record of type {kind} {where.get(self.stage, 'inside a batch')}"
            expected = {"start": "the file header, type 1", "between": "type 5 or 9"}
            code, want = NachaCode.RECORD_ORDER, expected.get(self.stage, "type 6, 7 or 8")
            action = "put the records in the order 1, then 5 6 7 8 for each batch, then 9"
        yield whole(self.line_no, "record", code, found, want, action)
        if self.batch is not None:
            self.batch.totals.unsure = True
        self.file.unsure = True
        yield from self._start()

    def _start(self) -> Iterator[NachaError]:
        """Any record but the file header in the first line."""
        if self.stage == "start":
            self.stage = "between"
            code, action = NachaCode.FILE_HEADER_MISSING, "put the file header back"
            want = "a record of type 1 in the first line"
            yield whole(self.line_no, "file_header", code, "no file header", want, action)

    def _fields(self, layout: Layout, line: str) -> tuple[dict[str, Any], list[NachaError]]:
        return rules.read_record(layout, line, self.line_no)

    def _file_header(self, line: str) -> Iterator[NachaError]:
        self.stage = "between"
        self.header, errors = self._fields(FILE_HEADER, line)
        yield from errors
        yield from rules.file_header(self.line_no, self.header)

    def _batch_header(self, line: str) -> Iterator[NachaError]:
        yield from self._start()
        yield from self._abandon()
        layout = batch_header_layout(line)
        values, errors = self._fields(layout, line)
        yield from errors
        yield from rules.batch_header(self.line_no, layout, values, self.last_batch_number)
        self.stage, self.batches = "batch", self.batches + 1
        self.advices += values.get("sec_code") == "ADV"
        if 0 < self.advices < self.batches:
            action = "send accounting advices in a file of their own"
            found, want = values.get("sec_code", "another class"), "ADV in every batch of the file, or in none"
            yield finding(self.line_no, layout, "sec_code", NachaCode.ADV_MIXED, found, want, action)
        self.batch = _OpenBatch(self.line_no, line, layout, entry_layout(line), is_international(line), values)
        self.last_batch_number = max(self.last_batch_number, values.get("batch_number", 0))

    def _abandon(self) -> Iterator[NachaError]:
        """What comes now cannot stand in a batch: if one is open, its control record is missing."""
        if self.batch is None:
            return
        yield from self._close_entry(self.batch)
        found = f"no control record for the batch of line {self.batch.line_no}"
        code, action = NachaCode.BATCH_CONTROL_MISSING, "end the batch with its control record"
        yield whole(self.line_no, "batch_control", code, found, "a record of type 8", action)
        yield from self._settle(self.batch)

    def _settle(self, batch: _OpenBatch) -> Iterator[NachaError]:
        if batch.entries > batch.answers:
            yield from rules.batch_dates(
                batch.line_no, batch.layout, batch.values, self.header.get("creation_date", ""), self.banking_day,
                has_credits=batch.has_credits,
            )  # fmt: skip
        self.file.add(batch.totals)
        self.batch = None
        self.stage = "between"

    def _entry(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        yield from self._close_entry(batch)
        layout = batch.entry_layout
        values, errors = self._fields(layout, line)
        yield from errors
        yield from rules.entry(self.line_no, layout, values, batch.values, batch.last_trace)
        batch.last_trace = max(batch.last_trace, values.get("trace_number", values.get("sequence", "")))
        batch.entry = OpenEntry(self.line_no, layout, values, batch.sec_code, batch.international)
        batch.entries += 1
        batch.answers += batch.entry.is_answer is True
        totals = batch.totals
        totals.lines += 1
        code, amount, dfi = (values.get(k) for k in ("transaction_code", "amount_cents", "receiving_dfi"))
        if code not in ALL_CODES or amount is None or dfi is None:
            totals.unsure = True
            return
        totals.hash += int(dfi)
        if code in ALL_DEBITS:
            totals.debit_cents += amount
        else:
            totals.credit_cents += amount
            batch.has_credits = batch.has_credits or code in LIVE_CREDITS

    def _addenda(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        batch.totals.lines += 1
        layout = addenda_layout(line, batch.header)
        values: dict[str, Any] = {}
        if layout is not None:
            values, errors = self._fields(layout, line)
            yield from errors
        if batch.entry is None:
            found, want = "an addenda record before any entry", "an entry detail record, type 6"
            action, name = "put every addenda record behind its entry", (layout or ADDENDA_05).name
            yield whole(self.line_no, name, NachaCode.RECORD_ORDER, found, want, action)
            return
        yield from batch.entry.add(self.line_no, line, layout, values)

    def _close_entry(self, batch: _OpenBatch) -> Iterator[NachaError]:
        entry, batch.entry = batch.entry, None
        if entry is not None:
            yield from entry.close()

    # --- controls ---------------------------------------------------------------------------------------

    def _batch_control(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        yield from self._close_entry(batch)
        layout = control_layout(batch.header)
        values, errors = rules.read_record(layout, line, self.line_no, compared=True)
        yield from errors
        if batch.entries == 0:
            found, action = "a batch without entries", "leave empty batches out"
            yield whole(self.line_no, layout.name, NachaCode.BATCH_EMPTY, found, "an entry at least", action)
        findings = chain(
            rules.batch_control(self.line_no, layout, values, batch.values, batch.line_no),
            rules.sums(self.line_no, layout, values, batch.totals, "batch"),
        )
        yield from _quotable(layout, line, findings)
        yield from self._settle(batch)

    def _file_control(self, line: str) -> Iterator[NachaError]:
        yield from self._start()
        yield from self._abandon()
        self.stage = "end"
        layout = FILE_CONTROL_ADV if self.advices else FILE_CONTROL
        values, errors = rules.read_record(layout, line, self.line_no, compared=True)
        yield from errors
        checks = [
            ("batch_count", NachaCode.BATCH_COUNT, self.batches),
            ("block_count", NachaCode.BLOCK_COUNT, -(-self.records // BLOCKING)),
        ]
        findings = chain(
            rules.compared(self.line_no, layout, values, checks, "file"),
            rules.sums(self.line_no, layout, values, self.file, "file"),
        )
        yield from _quotable(layout, line, findings)

    def _filler(self, line: str) -> Iterator[NachaError]:
        if _begins_file(line):
            yield from self._second_file(line)
            return
        self.filler += 1
        if line != FILLER:
            found = f"{len(line)} characters beginning {line[:1]!r} after the file control"
            action = "end the file with its control record and filler"
            yield whole(self.line_no, "filler", NachaCode.FILLER, found, "94 nines, or the end", action)

    def _second_file(self, line: str) -> Iterator[NachaError]:
        """Two files in one: told once, and the second is held to the rules as if it came alone."""
        self.records -= 1
        yield from self._blocks_filled(self.line_no - 1)
        found = f"a second file, which begins at line {self.line_no}"
        action = "send the files one by one"
        yield whole(self.line_no, "file_header", NachaCode.SECOND_FILE, found, "94 nines, or the end", action)
        self.stage, self.records, self.filler, self.file = "start", 1, 0, Totals()
        self.batches = self.advices = self.last_batch_number = 0
        yield from self.line(line)

    def _blocks_filled(self, line_no: int) -> Iterator[NachaError]:
        if self.records % BLOCKING or self.filler >= BLOCKING:
            want = f"a multiple of {BLOCKING} with at most {BLOCKING - 1} lines of filler"
            found = f"{self.records} records, {self.filler} of them filler"
            action = "fill the last block with lines of nines"
            yield whole(line_no, "filler", NachaCode.FILLER_COUNT, found, want, action)

    def finish(self) -> Iterator[NachaError]:
        """What the end of the file shows."""
        if self.records == 0:
            action = "send a file of at least header and control"
            yield whole(1, "file", NachaCode.FILE_EMPTY, "no line", "a file header", action)
            return
        yield from self._abandon()
        if self.stage != "end":
            code, action = NachaCode.FILE_CONTROL_MISSING, "send the whole file again: it was cut off"
            found, want = "the end of the file", "the file control record, type 9"
            yield whole(self.line_no, "file_control", code, found, want, action)
        else:
            yield from self._blocks_filled(self.line_no)


def _begins_file(line: str) -> bool:
    """Whether a record behind a file's control is the header of another file."""
    return line.startswith("101") and line[34:40] == "094101"


_FIGURES: Final = ((1, 7), (7, 13), (13, 21), (21, 31), (31, 43), (43, 55))
_FIGURE: Final = re.compile(" *[0-9]*")


def _is_out_of_step(line: str) -> bool:
    """Whether a record beginning with 9 is no file control: a byte lost before it makes one of an addenda record, whose second
    character is a 9. Of a control, one of the figures may be damaged."""
    return sum(_FIGURE.fullmatch(line[start:end]) is None for start, end in _FIGURES) > 1


def _quotable(layout: Layout, line: str, findings: Iterable[NachaError]) -> Iterator[NachaError]:
    """Findings about a control record; of one out of place long numbers are hidden."""
    covers = not in_place(layout, line)
    for found in findings:
        yield replace(found, found=hidden(found.found)) if covers else found
