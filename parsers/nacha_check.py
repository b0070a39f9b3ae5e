"""Strict validation of a NACHA origination file (PPD, CCD, CTX), as a stream and with every finding.

The checker is a state machine over lines. Where a run of PPD or CCD entries is flawless, which is nearly
always, one regular expression takes the run as a whole and the rules are put to its columns (sums, sets,
pairwise order); a run that does not pass is walked line by line, which finds out what is wrong and says so.
Both ways feed the same totals. Memory is flat: a piece of the file and the totals are all that is kept.

A record that cannot be read makes sums that include it unknowable; counts are still compared then, sums not.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal

from parsers import nacha_rules as rules
from parsers.layout import Layout
from parsers.nacha_errors import NachaCode, NachaError, finding, whole
from parsers.nacha_records import (
    ADDENDA_05,
    BATCH_CONTROL,
    BATCH_HEADER,
    BLOCKING,
    DEBITS,
    ENTRY,
    ENTRY_CTX,
    FILE_CONTROL,
    FILE_HEADER,
    FILLER,
    LIVE_CREDITS,
    LIVE_DEBITS,
    WIDTH,
    routing_problem,
)
from parsers.nacha_rules import Totals


def _run_pattern() -> re.Pattern[str]:
    """Live PPD or CCD entries with no or one addenda, in every field as the layouts have it."""
    parts = []
    for item in ENTRY.fields:
        pattern = item.type.pattern(item.width)
        special = {
            "transaction_code": "(" + "|".join(sorted(LIVE_CREDITS | LIVE_DEBITS)) + ")",
            "receiving_dfi": "(" + pattern,
            "check_digit": pattern + ")",
            "amount_cents": f"({pattern})",
            "addenda_indicator": "(?:(1)|0)",
            "trace_number": "([0-9]{8}([0-9]{7}))",
        }
        parts.append(special.get(item.name, pattern))
    text = ADDENDA_05.fields[2].type.pattern(80)
    return re.compile("".join(parts) + rf"\n(?(4)705{text}0001\6\n)")


_RUN: Final = _run_pattern()


@dataclass(slots=True)
class _OpenEntry:
    """The entry whose addenda are being counted."""

    line_no: int
    indicator: str | None
    sequence: str
    declared: int | None
    addenda: int = 0


@dataclass(slots=True)
class _OpenBatch:
    line_no: int
    values: dict[str, Any]
    totals: Totals = field(default_factory=Totals)
    last_trace: str = ""
    entries: int = 0
    entry: _OpenEntry | None = None

    @property
    def sec_code(self) -> str:
        return str(self.values.get("sec_code", ""))

    @property
    def layout(self) -> Layout:
        return ENTRY_CTX if self.sec_code == "CTX" else ENTRY


class Checker:
    """Takes text of whole lines in file order and yields what is wrong with it."""

    def __init__(self) -> None:
        self.line_no = 0
        self.stage: Literal["start", "between", "batch", "end"] = "start"
        self.header: dict[str, Any] = {}
        self.batch: _OpenBatch | None = None
        self.batches = 0
        self.last_batch_number = 0
        self.file = Totals()
        self.filler = 0
        self._sound_routing: set[str] = set()

    # --- runs -------------------------------------------------------------------------------------------

    def feed(self, text: str) -> Iterator[NachaError]:
        """Whole lines, each ended by a line feed."""
        at = 0
        while at < len(text):
            batch = self.batch
            if batch is not None and text[at] == "6" and batch.sec_code in ("PPD", "CCD"):
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
            yield from self.line(line)

    def _take_run(self, batch: _OpenBatch, text: str) -> bool:
        """Whether the run is flawless; if it is, it is counted."""
        rows = _RUN.findall(text)
        addenda = len(text) // (WIDTH + 1) - len(rows)
        if not rows or (len(rows) + addenda) * (WIDTH + 1) != len(text):
            return False
        codes, routing, amounts, indicators, traces, _ = zip(*rows, strict=True)
        if indicators.count("1") != addenda or "0000000000" in amounts:
            return False
        odfi, service = batch.values.get("odfi", ""), batch.values.get("service_class", "")
        if not odfi or traces[0][:8] != odfi or traces[-1][:8] != odfi or traces[0] <= batch.last_trace:
            return False
        if not all(map(operator.lt, traces, islice(traces, 1, None))):
            return False
        banks = Counter(routing)
        fresh = banks.keys() - self._sound_routing
        if any(map(routing_problem, fresh)):
            return False
        self._sound_routing |= fresh
        debits = DEBITS.intersection(codes)
        if (debits and service == "220") or (service == "225" and LIVE_CREDITS.intersection(codes)):
            return False
        totals = batch.totals
        total = sum(map(int, amounts))
        debit = sum(int(a) for c, a in zip(codes, amounts, strict=True) if c in debits) if debits else 0
        totals.debit_cents += debit
        totals.credit_cents += total - debit
        totals.hash += sum(int(bank[:8]) * count for bank, count in banks.items())
        totals.lines += len(rows) + addenda
        batch.entries += len(rows)
        batch.last_trace = traces[-1]
        self.line_no += len(rows) + addenda
        return True

    # --- one line ---------------------------------------------------------------------------------------

    def line(self, line: str) -> Iterator[NachaError]:
        """One line without its ending."""
        if self.stage == "end":
            yield from self._filler(line)
            return
        if len(line) != WIDTH:
            found, expected = f"{len(line)} characters", f"{WIDTH} characters"
            action = "make every record exactly 94 characters long, padded with blanks"
            yield whole(self.line_no, "record", NachaCode.LINE_LENGTH, found, expected, action)
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
        elif kind == "9" and line != FILLER:
            yield from self._file_control(line)
        else:
            yield from self._misplaced(line)

    def _misplaced(self, line: str) -> Iterator[NachaError]:
        if line[:1] in tuple("156789"):
            where = {"start": "at the start of the file", "between": "between batches"}
            found = f"a record of type {line[:1]} {where.get(self.stage, 'inside a batch')}"
            expected = {"start": "the file header, type 1", "between": "type 5 or 9"}
            action = "put the records in the order 1, then 5 6 7 8 for each batch, then 9"
            code, want = NachaCode.RECORD_ORDER, expected.get(self.stage, "type 6, 7 or 8")
        else:
            found, want = f"record type {line[:1]!r}", "1, 5, 6, 7, 8 or 9"
            code, action = NachaCode.RECORD_TYPE, "correct position 1 or take the line out"
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
        return rules.read_record(layout, line, self.line_no) if len(line) == WIDTH else ({}, [])

    def _file_header(self, line: str) -> Iterator[NachaError]:
        self.stage = "between"
        self.header, errors = self._fields(FILE_HEADER, line)
        yield from errors
        yield from rules.file_header(self.line_no, self.header)

    def _batch_header(self, line: str) -> Iterator[NachaError]:
        yield from self._start()
        yield from self._abandon()
        values, errors = self._fields(BATCH_HEADER, line)
        yield from errors
        created = self.header.get("creation_date", "")
        yield from rules.batch_header(self.line_no, values, created, self.last_batch_number)
        self.stage, self.batches = "batch", self.batches + 1
        self.batch = _OpenBatch(self.line_no, values)
        self.last_batch_number = max(self.last_batch_number, values.get("batch_number", 0))

    def _abandon(self) -> Iterator[NachaError]:
        """What comes now cannot stand in a batch: if one is open, its control record is missing."""
        if self.batch is None:
            return
        yield from self._close_entry(self.batch)
        found = f"no control record for the batch of line {self.batch.line_no}"
        code, action = NachaCode.BATCH_CONTROL_MISSING, "end the batch with its control record"
        yield whole(self.line_no, "batch_control", code, found, "a record of type 8", action)
        self._settle(self.batch)

    def _settle(self, batch: _OpenBatch) -> None:
        self.file.add(batch.totals)
        self.batch = None
        self.stage = "between"

    def _entry(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        yield from self._close_entry(batch)
        layout = batch.layout
        values, errors = self._fields(layout, line)
        yield from errors
        yield from rules.entry(self.line_no, layout, values, batch.values, batch.last_trace)
        trace = values.get("trace_number", "")
        batch.last_trace = max(batch.last_trace, trace)
        batch.entry = _OpenEntry(self.line_no, values.get("addenda_indicator"), trace[-7:], values.get("addenda_count"))
        batch.entries += 1
        totals = batch.totals
        totals.lines += 1
        code, amount, dfi = (values.get(k) for k in ("transaction_code", "amount_cents", "receiving_dfi"))
        if code is None or amount is None or dfi is None:
            totals.unsure = True
            return
        totals.hash += int(dfi)
        if code in DEBITS:
            totals.debit_cents += amount
        else:
            totals.credit_cents += amount

    def _addenda(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        batch.totals.lines += 1
        values, errors = self._fields(ADDENDA_05, line)
        yield from errors
        entry, name, line_no = batch.entry, ADDENDA_05.name, self.line_no
        if entry is None:
            found, want = "an addenda record before any entry", "an entry detail record, type 6"
            action = "put every addenda record behind its entry"
            yield whole(line_no, name, NachaCode.RECORD_ORDER, found, want, action)
            return
        entry.addenda += 1
        if entry.indicator == "0" and entry.addenda == 1:
            found = f"an addenda record behind the entry of line {entry.line_no}"
            want, action = "none, for its indicator in position 79 is 0", "set the indicator to 1"
            yield whole(line_no, name, NachaCode.ADDENDA_UNEXPECTED, found, want, action)
        if entry.addenda > 1 and batch.sec_code in ("PPD", "CCD"):
            found = f"{entry.addenda} addenda records behind the entry of line {entry.line_no}"
            want, action = f"at most one in {batch.sec_code}", "use CTX for more remittance"
            yield whole(line_no, name, NachaCode.ADDENDA_TOO_MANY, found, want, action)
        number, back = values.get("sequence", entry.addenda), values.get("entry_sequence", entry.sequence)
        if number != entry.addenda:
            code, action = NachaCode.ADDENDA_SEQUENCE, "number the addenda of an entry from 1 without gaps"
            yield finding(line_no, ADDENDA_05, "sequence", code, number, str(entry.addenda), action)
        if entry.sequence and back != entry.sequence:
            code, action = NachaCode.ADDENDA_ENTRY, "repeat the last seven digits of the entry's trace number"
            yield finding(line_no, ADDENDA_05, "entry_sequence", code, back, entry.sequence, action)

    def _close_entry(self, batch: _OpenBatch) -> Iterator[NachaError]:
        """No more addenda can follow: are there as many as the entry says?"""
        entry, batch.entry = batch.entry, None
        if entry is None:
            return
        if entry.indicator == "1" and entry.addenda == 0:
            name, code = "addenda_indicator", NachaCode.ADDENDA_MISSING
            found, want = "indicator 1 and no addenda record", "an addenda record behind the entry"
            action = "add it or set the indicator to 0"
            yield finding(entry.line_no, batch.layout, name, code, found, want, action)
        if entry.declared is not None and entry.declared != entry.addenda:
            name, code = "addenda_count", NachaCode.ADDENDA_COUNT
            want, action = f"{entry.addenda}, as many as follow", "state the number of addenda records"
            yield finding(entry.line_no, batch.layout, name, code, entry.declared, want, action)

    # --- controls ---------------------------------------------------------------------------------------

    def _batch_control(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        yield from self._close_entry(batch)
        values, errors = self._fields(BATCH_CONTROL, line)
        yield from errors
        if batch.entries == 0:
            found, action = "a batch without entries", "leave empty batches out"
            yield whole(self.line_no, "batch_control", NachaCode.BATCH_EMPTY, found, "an entry at least", action)
        yield from rules.batch_control(self.line_no, values, batch.values, batch.line_no)
        yield from rules.sums(self.line_no, BATCH_CONTROL, values, batch.totals, "batch")
        self._settle(batch)

    def _file_control(self, line: str) -> Iterator[NachaError]:
        yield from self._start()
        yield from self._abandon()
        self.stage = "end"
        values, errors = self._fields(FILE_CONTROL, line)
        yield from errors
        checks = [
            ("batch_count", NachaCode.BATCH_COUNT, self.batches),
            ("block_count", NachaCode.BLOCK_COUNT, -(-self.line_no // BLOCKING)),
        ]
        yield from rules.compared(self.line_no, FILE_CONTROL, values, checks, "file")
        yield from rules.sums(self.line_no, FILE_CONTROL, values, self.file, "file")

    def _filler(self, line: str) -> Iterator[NachaError]:
        self.filler += 1
        if line != FILLER:
            found = f"{len(line)} characters beginning {line[:1]!r} after the file control"
            action = "end the file with its control record and filler"
            yield whole(self.line_no, "filler", NachaCode.FILLER, found, "94 nines, or the end", action)

    def finish(self) -> Iterator[NachaError]:
        """What the end of the file shows."""
        if self.line_no == 0:
            action = "send a file of at least header and control"
            yield whole(1, "file", NachaCode.FILE_EMPTY, "no line", "a file header", action)
            return
        yield from self._abandon()
        if self.stage != "end":
            code, action = NachaCode.FILE_CONTROL_MISSING, "send the whole file again: it was cut off"
            found, want = "the end of the file", "the file control record, type 9"
            yield whole(self.line_no, "file_control", code, found, want, action)
        elif self.line_no % BLOCKING or self.filler >= BLOCKING:
            want = f"a multiple of {BLOCKING} with at most {BLOCKING - 1} lines of filler"
            found = f"{self.line_no} records, {self.filler} of them filler"
            action = "fill the last block with lines of nines"
            yield whole(self.line_no, "filler", NachaCode.FILLER_COUNT, found, want, action)
