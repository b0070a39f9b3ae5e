"""Refused notifications of change: what the originating bank is asked to send back to the bank that sent them.

A file of class COR whose entries have an addenda 98 with a code C61 to C69; the layout is that of the Nacha
operating rules, appendix five. The rows are those that
`parsers.nacha_answers` reads, so that what is written reads back as it was.

>>> from parsers.nacha_answers import AnswerEntry, Change
>>> from parsers.nacha_corrections import corrected_data
>>> change = Change("C01", "091000010000042", "02100002", corrected_data("C01", "12 34"), "021000020000077")
>>> notice = AnswerEntry(5, "21", "09100001", "9", "1234", 0, "INV-7", "ACME", "021000020000077", change)
>>> refusal(notice, "C65", "091000010000001").rdfi
'02100002'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parsers.nacha_answer_records import ADDENDA_98_REFUSED
from parsers.nacha_answers import AnswerBatch, AnswerEntry, Change, RefusedChange
from parsers.nacha_classes import ANSWERS
from parsers.nacha_reasons import CHANGE_REASONS, REFUSED_REASONS
from parsers.nacha_records import ALL_DEBITS, BATCH_HEADER, ENTRY, FileHeader, check_digit, routing_problem
from writers.nacha import batch_control, encode, file_end, file_header, with_ending
from writers.nacha_batches import BankOptions, Totals, service_class_of
from writers.text import WriterError


def refusal(notice: AnswerEntry, code: str, trace_number: str) -> AnswerEntry:
    """The refusal of a notification of change: back to the bank that numbered it, with everything it said."""
    change = notice.answer
    if not isinstance(change, Change):
        raise WriterError(f"the entry of trace {notice.trace_number} is no notification of change: nothing to refuse")
    sender = notice.trace_number[:8]
    if len(notice.trace_number) != 15 or not (sender.isascii() and sender.isdigit()):
        raise WriterError(f"the notification's trace {notice.trace_number!r} does not tell the bank that sent it")
    answer = RefusedChange(
        code,
        change.original_trace,
        change.original_rdfi,
        change.corrected,
        change.code,
        change.trace[-7:],
        trace_number,
    )
    return notice._replace(
        rdfi=sender, check_digit=check_digit(sender), amount_cents=0, trace_number=trace_number, answer=answer
    )


def render(header: FileHeader, batches: Sequence[AnswerBatch], options: BankOptions | None = None) -> bytes:
    """The whole file; the same batches give the same bytes. ``line`` of the entries says nothing here."""
    options = options or BankOptions()
    numbers = [batch.batch_number or 0 for batch in batches]
    if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise WriterError("batch numbers must ascend through the file, from 1 or above, and there must be a batch")
    sums = [_totals(batch.entries) for batch in batches]
    text = "".join(
        [
            file_header(header),
            *(_batch(batch, its, options) for batch, its in zip(batches, sums, strict=True)),
            file_end(len(batches), sum(sums, Totals())),
        ]
    )
    return with_ending(text, options)


def _totals(entries: Iterable[AnswerEntry]) -> Totals:
    """Two records an entry, and no money."""
    try:
        banks = [int(entry.rdfi) for entry in entries]
    except ValueError as wrong:
        raise WriterError(f"a receiving bank that is no number: {wrong}") from wrong
    return Totals(2 * len(banks), sum(banks))


def _batch(batch: AnswerBatch, sums: Totals, options: BankOptions) -> str:
    of = f"batch {batch.batch_number}"
    if batch.sec_code != "COR" or not batch.entries:
        raise WriterError(f"{of} is of class {batch.sec_code} with {len(batch.entries)} entries: COR, one at least")
    traces = [entry.trace_number for entry in batch.entries]
    if traces != sorted(set(traces)) or {trace[:8] for trace in traces} != {batch.odfi}:
        raise WriterError(f"{of}: traces must rise and begin with the originating bank {batch.odfi}")
    service = service_class_of({e.transaction_code in ALL_DEBITS for e in batch.entries}, options.service_class)
    number = batch.batch_number or 0
    header = (
        service, batch.company_name, "", batch.company_id, "COR", batch.description, "", batch.effective_date, "", "1",
        batch.odfi, number,
    )  # fmt: skip
    lines = [encode(BATCH_HEADER, header, of), *(_entry(entry, of) for entry in batch.entries)]
    return "".join(lines) + batch_control(service, sums, batch.company_id, batch.odfi, number)


def _entry(e: AnswerEntry, of: str) -> str:
    refused = e.answer
    if not isinstance(refused, RefusedChange) or refused.code not in REFUSED_REASONS or e.amount_cents != 0:
        raise WriterError(f"{of}: the entry of trace {e.trace_number} is no refusal with C61 to C69 and amount zero")
    if refused.change_code not in CHANGE_REASONS or e.transaction_code not in ANSWERS:
        codes = f"{refused.change_code} and {e.transaction_code}"
        raise WriterError(f"{of}: trace {e.trace_number} refuses {codes}, which no notification of change has")
    problem = routing_problem(e.rdfi + e.check_digit)
    if problem or refused.trace != e.trace_number:
        why = problem or "its addenda has another trace"
        raise WriterError(f"{of}: trace {e.trace_number}: {why}")
    entry = (
        e.transaction_code, e.rdfi, e.check_digit, e.account, 0, e.identification, e.name, "", "1", e.trace_number,
    )  # fmt: skip
    addenda = (
        refused.code, refused.original_trace, refused.original_rdfi, refused.corrected.raw, refused.change_code,
        refused.trace_sequence, e.trace_number,
    )  # fmt: skip
    return encode(ENTRY, entry, of) + encode(ADDENDA_98_REFUSED, addenda, of)
