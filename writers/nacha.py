"""NACHA files for the bank: the same batches give the same bytes, controls and filler included.

The counterpart of `parsers.nacha`; record tables and order are described there. Control records are
computed from the batches as they stand, then rendered. A bank's wishes (line ending, service class,
balancing, limits) are `BankOptions`; nothing about a bank is in code. What does not fit is a `WriterError`
naming the field, never a cut: `writers.text.bank_text` and `payee_name` make texts fit beforehand.

Every batch is proven after it is formatted, by one regular expression made of the record tables, so that no
record can leave with a width, a character or a digit that the reader would refuse.

>>> rmr_addenda("INV-1", 43298).text
'RMR*IV*INV-1*PI*432.98\\\\'
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Final

from parsers import nacha_rules as rules
from parsers.layout import Layout, LayoutError
from parsers.nacha_errors import NachaError
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
    LOAN_DEBIT,
    MAX_BATCH_LINES,
    MAX_BATCHES,
    ORIGINATED,
    ZERO_DOLLAR,
    Batch,
    Entry,
    FileHeader,
    NachaFile,
    routing_problem,
)
from writers.nacha_batches import (
    RMR_FORBIDDEN,
    BankOptions,
    Limits,
    OffsetAccount,
    Totals,
    balanced,
    column,
    rmr_addenda,
    rmr_text,
    service_class_for,
    split,
    totals,
)
from writers.text import BankText, WriterError, bank_text, payee_name

__all__ = [
    "RMR_FORBIDDEN",
    "BankOptions",
    "BankText",
    "Limits",
    "OffsetAccount",
    "WriterError",
    "balanced",
    "bank_text",
    "payee_name",
    "render",
    "render_chunks",
    "rmr_addenda",
    "rmr_text",
    "service_class_for",
    "split",
    "totals",
]

_ENDINGS: Final = {"lf": "\n", "crlf": "\r\n", "none": ""}
LIVE: Final = LIVE_CREDITS | LIVE_DEBITS
_PIECE: Final = 4000


def _proof() -> re.Pattern[str]:
    entry, addenda = ENTRY.pattern, ADDENDA_05.pattern
    return re.compile(f"(?:{entry}\n|{addenda}\n)*+")


_PROOF: Final = _proof()


def _detail(entry: Entry) -> str:
    """One entry's records, the careful way: what does not fit is named."""
    lines = [ENTRY.encode((*entry[:8], "1" if entry.addenda else "0", entry.trace_number))]
    return "\n".join([*lines, *_addenda(entry)]) + "\n"


def _detail_ctx(entry: Entry) -> str:
    lines = [
        ENTRY_CTX.encode(
            (*entry[:6], len(entry.addenda), *entry[6:8], "1" if entry.addenda else "0", entry.trace_number)
        )
    ]
    return "\n".join([*lines, *_addenda(entry)]) + "\n"


def _addenda(entry: Entry) -> list[str]:
    back = entry.trace_number[-7:]
    return [ADDENDA_05.encode((text, number, back)) for number, text in enumerate(entry.addenda, start=1)]


def _details(batch: Batch, entries: Sequence[Entry]) -> str:
    """Some entries of a batch: formatted at once and proven; walked only to name what is wrong."""
    if batch.sec_code == "CTX":
        return "".join(map(_detail_ctx, entries))
    form, more = ENTRY.template + "\n", ADDENDA_05.template + "\n"
    try:
        text = "".join(
            [
                form % (code, bank, digit, account, cents, reference, name, extra, "0", trace)
                if not addenda
                else form % (code, bank, digit, account, cents, reference, name, extra, "1", trace)
                + more % (addenda[0], 1, trace[-7:])
                for code, bank, digit, account, cents, reference, name, extra, addenda, trace in entries
            ]
        )
        proven = _PROOF.fullmatch(text) is not None
    except (TypeError, ValueError):
        proven = False
    if proven:
        return text
    return "".join(map(_detail, entries))


def encode(layout: Layout, values: Sequence[object], of: str) -> str:
    """One record with its line feed; what does not fit is named."""
    try:
        return layout.encode(values) + "\n"
    except LayoutError as wrong:
        raise WriterError(f"{of}: {wrong}") from wrong


def _check_entries(batch: Batch) -> None:
    """Before anything is summed: there is something, and it is of the right kind."""
    of = f"batch {batch.batch_number} ({batch.sec_code} {batch.description})"
    if not batch.entries:
        raise WriterError(f"{of} has no entries")
    codes, cents = column(batch.entries, 0), column(batch.entries, 4)
    if set(map(type, codes)) != {str} or set(map(type, cents)) != {int}:
        raise WriterError(f"{of} has a transaction code that is no text or an amount that is no whole number")
    if batch.sec_code not in ("PPD", "CCD", "CTX"):
        raise WriterError(f"{of}: class {batch.sec_code} is not written, only PPD, CCD and CTX")
    if strange := set(codes) - (ORIGINATED - ZERO_DOLLAR if batch.sec_code == "PPD" else ORIGINATED):
        raise WriterError(f"{of} has transaction code {min(strange)}, which is not originated in its class")
    if not all(cents) or not LIVE.issuperset(codes):
        for entry in batch.entries:
            if (entry[0] in LIVE) != (entry[4] != 0):
                raise WriterError(f"{of}: trace {entry[9]} has transaction code {entry[0]} with {_money(entry[4])}")
            if entry[0] in ZERO_DOLLAR and not entry[8]:
                raise WriterError(f"{of}: trace {entry[9]} has no amount and no addenda: one of them it must have")
    if LOAN_DEBIT in codes and batch.description != "REVERSAL":
        raise WriterError(f"{of} has transaction code {LOAN_DEBIT}: a loan account is debited in reversals alone")


def _check_batch(batch: Batch, sums: Totals, options: BankOptions) -> None:
    of = f"batch {batch.batch_number} ({batch.sec_code} {batch.description})"
    if sums.lines > MAX_BATCH_LINES:
        raise WriterError(f"{of} has {sums.lines} entry and addenda records, a batch holds {MAX_BATCH_LINES}")
    limit = options.max_total_cents
    for name, cents in (("debit", sums.debit_cents), ("credit", sums.credit_cents)):
        if cents > limit:
            raise WriterError(f"{of}: {name} total {_money(cents)} is over the limit {_money(limit)}")
    if options.service_class == "never 200" and batch.service_class == "200":
        raise WriterError(f"{of} has service class 200, which this bank does not take")
    if options.service_class == "200 only" and batch.service_class != "200":
        raise WriterError(f"{of} has service class {batch.service_class}, this bank takes 200 only")
    codes = set(column(batch.entries, 0))  # not by money: a prenote has a side and no amount
    debits, credits_ = not codes.isdisjoint(DEBITS), not codes <= DEBITS
    if (batch.service_class == "220" and debits) or (batch.service_class == "225" and credits_):
        raise WriterError(f"{of} has service class {batch.service_class} and entries of the other direction")
    _check_columns(batch, options, of)


def _check_columns(batch: Batch, options: BankOptions, of: str) -> None:
    """What the record tables cannot see, column by column: limits, sound routing numbers, rising traces."""
    banks, digits, cents, addenda, traces = (column(batch.entries, at) for at in (1, 2, 4, 8, 9))
    if batch.sec_code != "CTX" and max(map(len, addenda)) > 1:
        raise WriterError(f"{of} has an entry with several addenda: {batch.sec_code} takes one")
    if max(cents) > options.max_entry_cents:
        worst = max(batch.entries, key=lambda entry: entry.amount_cents)
        raise WriterError(
            f"{of}: the entry of trace {worst.trace_number} over {_money(worst.amount_cents)} "
            f"is above the limit {_money(options.max_entry_cents)}"
        )
    if not all(map(operator.lt, traces, islice(traces, 1, None))):
        last, trace = next(pair for pair in pairwise(traces) if pair[0] >= pair[1])
        raise WriterError(f"{of}: trace {trace} does not rise above {last}")
    for trace in (traces[0], traces[-1]):
        if trace[:8] != batch.odfi:
            raise WriterError(f"{of}: trace {trace} does not begin with the originating bank {batch.odfi}")
    for bank in set(map(operator.add, banks, digits)):
        if problem := routing_problem(bank):
            raise WriterError(f"{of}: routing number {bank}: {problem}")


def _money(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}"


def _hold(findings: Iterable[NachaError], of: str) -> None:
    """What the reader would refuse is not written."""
    for found in findings:
        if not found.is_warning:
            raise WriterError(f"{of}: {found.record}.{found.field}: {found.message}")


def file_header(header: FileHeader) -> str:
    """Record 1 with its line feed."""
    values = (
        header.immediate_destination,
        header.immediate_origin,
        header.creation_date,
        header.creation_time,
        header.file_id_modifier,
        header.destination_name,
        header.origin_name,
        header.reference_code,
    )
    text = encode(FILE_HEADER, values, "file header")
    _hold(rules.file_header(1, dict(zip(FILE_HEADER.names, values, strict=True))), "file header")
    return text


def _batch(batch: Batch, options: BankOptions, sums: Totals, created: str) -> Iterator[str]:
    _check_batch(batch, sums, options)
    of = f"batch {batch.batch_number}"
    header = (
        batch.service_class,
        batch.company_name,
        batch.company_discretionary,
        batch.company_id,
        batch.sec_code,
        batch.description,
        batch.descriptive_date,
        batch.effective_date,
        batch.settlement_day,
        batch.originator_status,
        batch.odfi,
        batch.batch_number,
    )
    text, values = encode(BATCH_HEADER, header, of), dict(zip(BATCH_HEADER.names, header, strict=True))
    _hold(rules.batch_header(1, BATCH_HEADER, values, 0), of)
    _hold(rules.batch_dates(1, BATCH_HEADER, values, created, None, has_credits=sums.credit_cents > 0), of)
    yield text
    for at in range(0, len(batch.entries), _PIECE):
        try:
            yield _details(batch, batch.entries[at : at + _PIECE])
        except LayoutError as wrong:
            raise WriterError(f"{of}: {wrong}") from wrong
    yield batch_control(batch.service_class, sums, batch.company_id, batch.odfi, batch.batch_number)


def batch_control(service_class: str, sums: Totals, company_id: str, odfi: str, number: int) -> str:
    """Record 8 with its line feed."""
    money = (sums.debit_cents, sums.credit_cents)
    values = (service_class, sums.lines, sums.entry_hash, *money, company_id, odfi, number)
    return encode(BATCH_CONTROL, values, f"batch {number}")


def render_chunks(file: NachaFile, options: BankOptions | None = None) -> Iterator[bytes]:
    """The file in pieces of whole records. Any fault is raised before the piece that would hold it."""
    options = options or BankOptions()
    for batch in file.batches:
        _check_entries(batch)
    sums = [totals(batch.entries) for batch in file.batches]
    whole = sum(sums, Totals())
    _check_file(file, whole, options)
    created = file.header.creation_date

    def texts() -> Iterator[str]:
        yield file_header(file.header)
        for batch, its in zip(file.batches, sums, strict=True):
            yield from _batch(batch, options, its, created)
        yield file_end(len(file.batches), whole)

    for text in texts():
        yield with_ending(text, options)


def with_ending(text: str, options: BankOptions) -> bytes:
    """Records as the bank wants them separated."""
    ending = _ENDINGS[options.line_ending]
    return (text if ending == "\n" else text.replace("\n", ending)).encode("ascii")


def _blocks(batches: int, lines: int) -> int:
    """Blocks of ten that headers, controls and so many entries and addenda fill."""
    return -(-(2 + 2 * batches + lines) // BLOCKING)


def file_end(batches: int, whole: Totals) -> str:
    """The file control and the filler that completes its block."""
    blocks = _blocks(batches, whole.lines)
    values = (batches, blocks, whole.lines, whole.entry_hash, whole.debit_cents, whole.credit_cents)
    filler = (FILLER + "\n") * (blocks * BLOCKING - 2 - 2 * batches - whole.lines)
    return encode(FILE_CONTROL, values, "file control") + filler


def _check_file(file: NachaFile, whole: Totals, options: BankOptions) -> None:
    if not 0 < len(file.batches) <= MAX_BATCHES:
        raise WriterError(f"a file holds 1 to {MAX_BATCHES} batches, not {len(file.batches)}")
    needed = _blocks(len(file.batches), whole.lines) * BLOCKING
    if needed > options.max_lines:
        raise WriterError(f"the file takes {needed} records, the bank takes {options.max_lines}")
    if max(whole.debit_cents, whole.credit_cents) > options.max_total_cents:
        worst = max(whole.debit_cents, whole.credit_cents)
        raise WriterError(
            f"file total {_money(worst)} is over the limit {_money(options.max_total_cents)}: split the file"
        )
    numbers = [batch.batch_number for batch in file.batches]
    if numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise WriterError("batch numbers must ascend through the file, from 1 or above")


def render(file: NachaFile, options: BankOptions | None = None) -> bytes:
    """The whole file; the same batches give the same bytes."""
    return b"".join(render_chunks(file, options))
