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

from parsers.layout import Field, FieldError, Layout
from parsers.nacha_errors import NachaCode, NachaError, field_finding
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
    ORIGINATED,
    WIDTH,
    ZERO_DOLLAR,
    routing_problem,
)

SEC_CODES: Final = ("PPD", "CCD", "CTX")
SERVICE_CLASSES: Final = ("200", "220", "225")
HASH_MODULUS: Final = 10**10


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
class _Totals:
    """What control records state: of a batch, or of the file."""

    lines: int = 0
    hash: int = 0
    debit_cents: int = 0
    credit_cents: int = 0
    unsure: bool = False

    def add(self, other: _Totals) -> None:
        self.lines += other.lines
        self.hash += other.hash
        self.debit_cents += other.debit_cents
        self.credit_cents += other.credit_cents
        self.unsure = self.unsure or other.unsure


@dataclass(slots=True)
class _OpenEntry:
    """The entry whose addenda are being counted."""

    line_no: int
    record: str
    indicator: str | None
    sequence: str | None
    declared: int | None
    addenda: int = 0


@dataclass(slots=True)
class _OpenBatch:
    line_no: int
    values: dict[str, Any]
    totals: _Totals = field(default_factory=_Totals)
    last_trace: str = ""
    entries: int = 0
    entry: _OpenEntry | None = None

    @property
    def sec_code(self) -> str:
        return str(self.values.get("sec_code", ""))

    @property
    def layout(self) -> Layout:
        return ENTRY_CTX if self.sec_code == "CTX" else ENTRY


def read_record(layout: Layout, line: str, line_no: int) -> tuple[dict[str, Any], list[NachaError]]:
    """The fields that read, by name, and a finding for each that does not."""
    decoded = layout.decode(line)
    if isinstance(decoded, tuple):
        return dict(zip(layout.names, decoded, strict=True)), []
    values, errors = {}, []
    for item, view in zip(layout.fields, layout.explain(line), strict=True):
        if view.error is None:
            values[item.name] = view.value
        else:
            error = FieldError(item.name, item.first, item.last, item.shown(view.raw), view.error)
            errors.append(field_finding(line_no, layout.name, item, error, view.raw))
    return values, errors


class Checker:
    """Takes text of whole lines in file order and yields what is wrong with it."""

    def __init__(self) -> None:
        self.line_no = 0
        self.stage: Literal["start", "between", "batch", "end"] = "start"
        self.header: dict[str, Any] = {}
        self.batch: _OpenBatch | None = None
        self.batches = 0
        self.last_batch_number = 0
        self.file = _Totals()
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

    def _at(
        self,
        item: Field | None,
        code: NachaCode,
        found: str,
        expected: str,
        action: str,
        record: str,
        line_no: int | None = None,
    ) -> NachaError:
        name, first, last = (item.name, item.first, item.last) if item else ("record", 1, WIDTH)
        return NachaError(line_no or self.line_no, record, name, first, last, code, found, expected, action)

    def line(self, line: str) -> Iterator[NachaError]:
        """One line without its ending."""
        if self.stage == "end":
            yield from self._filler(line)
            return
        if len(line) != WIDTH:
            found, expected = f"{len(line)} characters", f"{WIDTH} characters"
            action = "make every record exactly 94 characters long, padded with blanks"
            yield self._at(None, NachaCode.LINE_LENGTH, found, expected, action, "record")
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
        if line[:1] in "156789" and line:
            where = {"start": "at the start of the file", "between": "between batches"}
            found = f"a record of type {line[:1]} {where.get(self.stage, 'inside a batch')}"
            expected = {"start": "the file header, type 1", "between": "type 5 or 9"}
            action = "put the records in the order 1, then 5 6 7 8 for each batch, then 9"
            code, want = NachaCode.RECORD_ORDER, expected.get(self.stage, "type 6, 7 or 8")
        else:
            found, want = f"record type {line[:1]!r}", "1, 5, 6, 7, 8 or 9"
            code, action = NachaCode.RECORD_TYPE, "correct position 1 or take the line out"
        yield self._at(None, code, found, want, action, "record")
        if self.batch is not None:
            self.batch.totals.unsure = True
        self.file.unsure = True
        if self.stage == "start":
            self.stage = "between"
            yield from self._no_header()

    def _no_header(self) -> Iterator[NachaError]:
        yield self._at(
            None,
            NachaCode.FILE_HEADER_MISSING,
            "no file header",
            "a record of type 1 in the first line",
            "put the file header back",
            "file_header",
        )

    def _fields(self, layout: Layout, line: str) -> tuple[dict[str, Any], list[NachaError]]:
        if len(line) != WIDTH:
            return {}, []
        return read_record(layout, line, self.line_no)

    def _file_header(self, line: str) -> Iterator[NachaError]:
        self.stage = "between"
        self.header, errors = self._fields(FILE_HEADER, line)
        yield from errors
        bank = self.header.get("immediate_destination", "")
        if len(bank) == 9 and (problem := routing_problem(bank)):
            action = "correct the routing number of the receiving point"
            yield self._at(FILE_HEADER.fields[2], NachaCode.ROUTING, bank, problem, action, "file_header")

    def _batch_header(self, line: str) -> Iterator[NachaError]:
        if self.stage == "start":
            yield from self._no_header()
        if self.batch is not None:
            yield from self._abandon(self.batch)
        values, errors = self._fields(BATCH_HEADER, line)
        yield from errors
        self.stage, self.batches = "batch", self.batches + 1
        self.batch = _OpenBatch(self.line_no, values)
        fields = {item.name: item for item in BATCH_HEADER.fields}
        name = "batch_header"
        service = values.get("service_class")
        if service is not None and service not in SERVICE_CLASSES:
            want = "200, 220 or 225"
            action = "state the service class of the batch"
            yield self._at(fields["service_class"], NachaCode.SERVICE_CLASS, service, want, action, name)
        sec = values.get("sec_code")
        if sec is not None and sec not in SEC_CODES:
            action = "originate only these classes"
            yield self._at(fields["sec_code"], NachaCode.SEC_CODE, sec, "PPD, CCD or CTX", action, name)
        if values.get("settlement_day"):
            found = repr(values["settlement_day"])
            action = "leave the settlement day to the ACH operator"
            yield self._at(fields["settlement_day"], NachaCode.RESERVED, found, "3 blanks", action, name)
        effective, created = values.get("effective_date", ""), self.header.get("creation_date", "")
        if effective and effective < created:
            want = f"a day from the file's creation on ({created})"
            action = "build the file for a coming banking day"
            yield self._at(fields["effective_date"], NachaCode.EFFECTIVE_DATE, effective, want, action, name)
        number = values.get("batch_number")
        if number is not None:
            if number <= self.last_batch_number:
                want = f"a number above {self.last_batch_number}"
                action = "number the batches upwards through the file"
                found = str(number)
                yield self._at(fields["batch_number"], NachaCode.BATCH_NUMBER, found, want, action, name)
            self.last_batch_number = max(self.last_batch_number, number)

    def _abandon(self, batch: _OpenBatch) -> Iterator[NachaError]:
        yield from self._close_entry(batch)
        yield self._at(
            None,
            NachaCode.BATCH_CONTROL_MISSING,
            f"no control record for the batch of line {batch.line_no}",
            "a record of type 8",
            "end the batch with its control record",
            "batch_control",
        )
        self._settle(batch)

    def _settle(self, batch: _OpenBatch) -> None:
        self.file.add(batch.totals)
        self.batch = None
        self.stage = "between"

    def _entry(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        yield from self._close_entry(batch)
        layout = batch.layout
        values, errors = self._fields(layout, line)
        yield from errors
        batch.entries += 1
        batch.totals.lines += 1
        trace = values.get("trace_number")
        batch.entry = _OpenEntry(
            self.line_no,
            layout.name,
            values.get("addenda_indicator"),
            trace[-7:] if trace else None,
            values.get("addenda_count"),
        )
        code, amount, dfi = (values.get(k) for k in ("transaction_code", "amount_cents", "receiving_dfi"))
        if code is None or amount is None or dfi is None:
            batch.totals.unsure = True
        else:
            batch.totals.hash += int(dfi)
            if code in DEBITS:
                batch.totals.debit_cents += amount
            else:
                batch.totals.credit_cents += amount
        yield from self._entry_rules(batch, layout, values)

    def _entry_rules(self, batch: _OpenBatch, layout: Layout, values: dict[str, Any]) -> Iterator[NachaError]:
        fields = {item.name: item for item in layout.fields}
        name = layout.name
        dfi, digit = values.get("receiving_dfi"), values.get("check_digit")
        if dfi is not None and digit is not None and (problem := routing_problem(dfi + digit)):
            action = "correct the receiver's routing number"
            yield self._at(fields["check_digit"], NachaCode.ROUTING, dfi + digit, problem, action, name)
        code, amount = values.get("transaction_code"), values.get("amount_cents")
        if code is not None:
            yield from self._code_rules(batch, fields["transaction_code"], code, name)
            if amount is not None and code in ORIGINATED:
                yield from self._amount_rules(fields["amount_cents"], code, amount, name)
        trace = values.get("trace_number")
        if trace is not None:
            odfi = batch.values.get("odfi")
            if odfi is not None and trace[:8] != odfi:
                want = f"a trace number beginning with {odfi}"
                action = "number entries under the originating bank of the batch"
                yield self._at(fields["trace_number"], NachaCode.TRACE_ODFI, trace, want, action, name)
            if trace <= batch.last_trace:
                want = f"a trace number above {batch.last_trace}"
                action = "number entries upwards through the batch, none twice"
                yield self._at(fields["trace_number"], NachaCode.TRACE_ORDER, trace, want, action, name)
            batch.last_trace = max(batch.last_trace, trace)

    def _code_rules(self, batch: _OpenBatch, item: Field, code: str, name: str) -> Iterator[NachaError]:
        if code not in ORIGINATED or (code in ZERO_DOLLAR and batch.sec_code == "PPD"):
            want = f"a code for originated {batch.sec_code or 'ACH'} entries"
            action = "use 22 or 32 for a live credit to checking or savings"
            yield self._at(item, NachaCode.TRANSACTION_CODE, code, want, action, name)
            return
        service, debit = batch.values.get("service_class"), code in DEBITS
        if (debit and service == "220") or (not debit and service == "225"):
            found = f"transaction code {code}, a {'debit' if debit else 'credit'}"
            want = f"{'credits' if debit else 'debits'} only in a batch of service class {service}"
            action = "put it in a batch of another service class"
            yield self._at(item, NachaCode.TRANSACTION_CODE, found, want, action, name)

    def _amount_rules(self, item: Field, code: str, amount: int, name: str) -> Iterator[NachaError]:
        live = code in LIVE_CREDITS or code in LIVE_DEBITS
        if live and amount == 0:
            action = "take the entry out or give it a prenote code"
            yield self._at(item, NachaCode.AMOUNT_ZERO, "0.00", f"an amount for code {code}", action, name)
        if not live and amount != 0:
            found, want = f"{amount // 100}.{amount % 100:02d}", f"0.00 for code {code}"
            action = "give the entry a live code or the amount zero"
            yield self._at(item, NachaCode.AMOUNT_NOT_ZERO, found, want, action, name)

    def _addenda(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        batch.totals.lines += 1
        values, errors = self._fields(ADDENDA_05, line)
        yield from errors
        fields = {item.name: item for item in ADDENDA_05.fields}
        entry, name = batch.entry, "addenda_05"
        if entry is None:
            action = "put every addenda record behind its entry"
            found, want = "an addenda record before any entry", "an entry detail record, type 6"
            yield self._at(None, NachaCode.RECORD_ORDER, found, want, action, name)
            return
        entry.addenda += 1
        if entry.indicator == "0" and entry.addenda == 1:
            found = f"an addenda record behind the entry of line {entry.line_no}"
            want, action = "none, for its indicator in position 79 is 0", "set the indicator to 1"
            yield self._at(None, NachaCode.ADDENDA_UNEXPECTED, found, want, action, name)
        if entry.addenda > 1 and batch.sec_code in ("PPD", "CCD"):
            found = f"{entry.addenda} addenda records behind the entry of line {entry.line_no}"
            want, action = f"at most one in {batch.sec_code}", "use CTX for more remittance"
            yield self._at(None, NachaCode.ADDENDA_TOO_MANY, found, want, action, name)
        number = values.get("sequence")
        if number is not None and number != entry.addenda:
            action = "number the addenda of an entry from 1 without gaps"
            want = str(entry.addenda)
            yield self._at(fields["sequence"], NachaCode.ADDENDA_SEQUENCE, str(number), want, action, name)
        back = values.get("entry_sequence")
        if back is not None and entry.sequence is not None and back != entry.sequence:
            action = "repeat the last seven digits of the entry's trace number"
            yield self._at(
                fields["entry_sequence"], NachaCode.ADDENDA_ENTRY, back, entry.sequence, action, name
            )

    def _close_entry(self, batch: _OpenBatch) -> Iterator[NachaError]:
        entry, batch.entry = batch.entry, None
        if entry is None:
            return
        layout = batch.layout
        fields = {item.name: item for item in layout.fields}
        if entry.indicator == "1" and entry.addenda == 0:
            yield self._at(
                fields["addenda_indicator"],
                NachaCode.ADDENDA_MISSING,
                "indicator 1 and no addenda record",
                "an addenda record behind the entry",
                "add it or set the indicator to 0",
                entry.record,
                entry.line_no,
            )
        if entry.declared is not None and entry.declared != entry.addenda:
            yield self._at(
                fields["addenda_count"],
                NachaCode.ADDENDA_COUNT,
                str(entry.declared),
                f"{entry.addenda}, the addenda records that follow",
                "state the number of addenda records",
                entry.record,
                entry.line_no,
            )

    # --- controls ---------------------------------------------------------------------------------------

    def _batch_control(self, batch: _OpenBatch, line: str) -> Iterator[NachaError]:
        yield from self._close_entry(batch)
        values, errors = self._fields(BATCH_CONTROL, line)
        yield from errors
        if batch.entries == 0:
            action = "leave empty batches out"
            yield self._at(
                None, NachaCode.BATCH_EMPTY, "a batch without entries", "an entry", action, "batch_control"
            )
        for name, code in (
            ("service_class", NachaCode.CONTROL_SERVICE_CLASS),
            ("company_id", NachaCode.CONTROL_COMPANY_ID),
            ("odfi", NachaCode.CONTROL_ODFI),
            ("batch_number", NachaCode.CONTROL_BATCH_NUMBER),
        ):
            found, want = values.get(name), batch.values.get(name)
            if found is not None and want is not None and found != want:
                item = next(item for item in BATCH_CONTROL.fields if item.name == name)
                expected = f"{want}, as in the header of line {batch.line_no}"
                action = "repeat the batch header's value"
                yield self._at(item, code, str(found), expected, action, "batch_control")
        yield from self._compare(BATCH_CONTROL, values, batch.totals, "batch")
        self._settle(batch)

    def _compare(
        self, layout: Layout, values: dict[str, Any], totals: _Totals, of: str
    ) -> Iterator[NachaError]:
        checks = [("entry_addenda_count", NachaCode.ENTRY_ADDENDA_COUNT, totals.lines)]
        if not totals.unsure:
            checks += [
                ("entry_hash", NachaCode.ENTRY_HASH, totals.hash % HASH_MODULUS),
                ("total_debit_cents", NachaCode.TOTAL_DEBIT, totals.debit_cents),
                ("total_credit_cents", NachaCode.TOTAL_CREDIT, totals.credit_cents),
            ]
        yield from self._compare_each(layout, values, checks, of)

    def _compare_each(
        self, layout: Layout, values: dict[str, Any], checks: list[tuple[str, NachaCode, int]], of: str
    ) -> Iterator[NachaError]:
        for name, code, want in checks:
            found = values.get(name)
            if found is None or found == want:
                continue
            item = next(item for item in layout.fields if item.name == name)
            action = "find the entry lost, changed or added, or compute the control again"
            yield self._at(item, code, str(found), f"{want}, computed from the {of}", action, layout.name)

    def _file_control(self, line: str) -> Iterator[NachaError]:
        if self.stage == "start":
            yield from self._no_header()
        if self.batch is not None:
            yield from self._abandon(self.batch)
        self.stage = "end"
        values, errors = self._fields(FILE_CONTROL, line)
        yield from errors
        blocks = -(-self.line_no // BLOCKING)
        checks = [
            ("batch_count", NachaCode.BATCH_COUNT, self.batches),
            ("block_count", NachaCode.BLOCK_COUNT, blocks),
        ]
        yield from self._compare_each(FILE_CONTROL, values, checks, "file")
        yield from self._compare(FILE_CONTROL, values, self.file, "file")

    def _filler(self, line: str) -> Iterator[NachaError]:
        self.filler += 1
        if line != FILLER:
            found = f"{len(line)} characters beginning {line[:1]!r} after the file control"
            action = "end the file with its control record and filler"
            yield self._at(None, NachaCode.FILLER, found, "94 nines, or the end", action, "filler")

    def finish(self) -> Iterator[NachaError]:
        """What the end of the file shows."""
        if self.line_no == 0:
            action = "send a file of at least header and control"
            yield self._at(None, NachaCode.FILE_EMPTY, "no line", "a file header", action, "file", 1)
            return
        if self.batch is not None:
            yield from self._abandon(self.batch)
        if self.stage != "end":
            action = "send the whole file again: it was cut off"
            found, want = "the end of the file", "the file control record, type 9"
            yield self._at(None, NachaCode.FILE_CONTROL_MISSING, found, want, action, "file_control")
        elif self.line_no % BLOCKING or self.filler >= BLOCKING:
            want = f"a multiple of {BLOCKING} with at most {BLOCKING - 1} lines of filler"
            found = f"{self.line_no} records, {self.filler} of them filler"
            action = "fill the last block with lines of nines"
            yield self._at(None, NachaCode.FILLER_COUNT, found, want, action, "filler")
