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

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from parsers.layout import Layout, LayoutError
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
    MAX_BATCH_LINES,
    MAX_BATCHES,
    MAX_ENTRY_CENTS,
    MAX_FILE_LINES,
    MAX_TOTAL_CENTS,
    Batch,
    Entry,
    FileHeader,
    NachaFile,
    routing_problem,
)
from writers.text import PRINTABLE_CHARSET, BankText, WriterError, bank_text, payee_name

__all__ = [
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
    "service_class_for",
    "split",
    "totals",
]

_ENDINGS: Final = {"lf": "\n", "crlf": "\r\n", "none": ""}
_OFFSET_CODES: Final = {"checking": ("22", "27"), "savings": ("32", "37")}
_PIECE: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class BankOptions:
    """How one bank wants its files. ``max_lines`` counts every record of the file, filler included."""

    line_ending: Literal["lf", "crlf", "none"] = "lf"
    service_class: Literal["auto", "200 only", "never 200"] = "auto"
    max_lines: int = MAX_FILE_LINES
    max_entry_cents: int = MAX_ENTRY_CENTS
    max_total_cents: int = MAX_TOTAL_CENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetAccount:
    """The company's own account, for banks that want each batch balanced by an entry against it."""

    routing_number: str
    account: str
    account_type: Literal["checking", "savings"] = "checking"


@dataclass(frozen=True, slots=True)
class Totals:
    """What a control record states about one batch or the file."""

    lines: int = 0
    entry_hash: int = 0
    debit_cents: int = 0
    credit_cents: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.lines + other.lines,
            self.entry_hash + other.entry_hash,
            self.debit_cents + other.debit_cents,
            self.credit_cents + other.credit_cents,
        )


def totals(entries: Sequence[Entry]) -> Totals:
    """Count, unwrapped hash and sums of some entries."""
    hashed = Counter(entry[1] for entry in entries)
    codes = {entry[0] for entry in entries}
    total = sum(entry[4] for entry in entries)
    debit = sum(entry[4] for entry in entries if entry[0] in DEBITS) if codes & DEBITS else 0
    return Totals(
        len(entries) + sum(len(entry[8]) for entry in entries if entry[8]),
        sum(int(bank) * count for bank, count in hashed.items()),
        debit,
        total - debit,
    )


def service_class_for(entries: Iterable[Entry], policy: Literal["auto", "200 only", "never 200"] = "auto") -> str:
    """200, 220 or 225 by what the entries are and what the bank allows."""
    debits = {entry.is_debit for entry in entries}
    if policy == "200 only":
        return "200"
    if len(debits) > 1:
        if policy == "never 200":
            raise WriterError(
                "a batch mixes credits and debits and the bank takes no service class 200: put them in separate batches"
            )
        return "200"
    return "225" if debits == {True} else "220"


def balanced(batch: Batch, offset: OffsetAccount, trace_number: str) -> Batch:
    """The batch with one entry more, against the company's own account, that brings it to zero."""
    if problem := routing_problem(offset.routing_number):
        raise WriterError(f"offset account of {batch.company_name}: {problem}")
    sums = totals(batch.entries)
    difference = sums.credit_cents - sums.debit_cents
    if difference == 0:
        return batch
    credit, debit = _OFFSET_CODES[offset.account_type]
    entry = Entry(
        debit if difference > 0 else credit,
        offset.routing_number[:8],
        offset.routing_number[8],
        offset.account,
        abs(difference),
        "",
        "OFFSET",
        "",
        (),
        trace_number,
    )
    return replace(batch, service_class="200", entries=(*batch.entries, entry))


# --- limits -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may hold: entry and addenda records, and the total of either direction."""

    lines: int = MAX_BATCH_LINES
    total_cents: int = MAX_TOTAL_CENTS

    @classmethod
    def of(cls, options: BankOptions, *, batches: int = 1, is_balanced: bool = False) -> Limits:
        """For a file of so many batches: the bank's line limit less headers, controls and filler."""
        room = options.max_lines // BLOCKING * BLOCKING - 2 - 2 * batches - batches * is_balanced
        return cls(min(MAX_BATCH_LINES - is_balanced, room // batches), options.max_total_cents)


def split(entries: Iterable[Entry], limits: Limits) -> list[tuple[Entry, ...]]:
    """The entries in order, cut into runs of which none exceeds the limits. An entry is never split."""
    runs: list[tuple[Entry, ...]] = []
    run: list[Entry] = []
    lines = debit = credit = 0
    for entry in entries:
        need, amount = entry.lines, entry.amount_cents
        if need > limits.lines or amount > limits.total_cents:
            raise WriterError(f"the entry of trace {entry.trace_number} alone exceeds the limits of a batch")
        debit += amount if entry.is_debit else 0
        credit += 0 if entry.is_debit else amount
        lines += need
        if run and (lines > limits.lines or max(debit, credit) > limits.total_cents):
            runs.append(tuple(run))
            run, lines = [], need
            debit, credit = (amount, 0) if entry.is_debit else (0, amount)
        run.append(entry)
    if run:
        runs.append(tuple(run))
    return runs


# --- remittance ---------------------------------------------------------------------------------------------

_RMR_FORBIDDEN: Final = frozenset("*~\\|:^>")


def rmr_addenda(reference: str, amount_cents: int) -> BankText:
    """The X12 segment of a CCD addenda: seller's invoice number and the amount paid on it.

    The reference may not hold the separators of X12, for nothing can quote them.
    """
    made = bank_text(reference, PRINTABLE_CHARSET)
    if made.problem is not None:
        return made
    if not made.text:
        return BankText("", (), "a remittance needs a reference")
    if bad := sorted(_RMR_FORBIDDEN.intersection(made.text)):
        return BankText("", (), f"{bad[0]!r} separates X12 elements and cannot stand in a reference")
    if amount_cents < 0:
        return BankText("", (), "a remittance states an amount that is not negative")
    text = f"RMR*IV*{made.text}*PI*{amount_cents // 100}.{amount_cents % 100:02d}\\"
    if len(text) > 80:
        return BankText("", (), f"{len(text)} characters of remittance, an addenda record holds 80")
    return BankText(text, made.warnings)


# --- rendering ----------------------------------------------------------------------------------------------


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
    if proven and not any(len(entry[8]) > 1 for entry in entries if entry[8]):
        return text
    return "".join(map(_detail, entries))


def _encode(layout: Layout, values: Sequence[object], of: str) -> str:
    try:
        return layout.encode(values) + "\n"
    except LayoutError as wrong:
        raise WriterError(f"{of}: {wrong}") from wrong


def _check_batch(batch: Batch, sums: Totals, options: BankOptions) -> None:
    of = f"batch {batch.batch_number} ({batch.sec_code} {batch.description})"
    if not batch.entries:
        raise WriterError(f"{of} has no entries")
    if {(type(entry[0]), type(entry[4])) for entry in batch.entries} != {(str, int)}:
        raise WriterError(f"{of} has a transaction code that is no text or an amount that is no whole number")
    if sums.lines > MAX_BATCH_LINES:
        raise WriterError(f"{of} has {sums.lines} entry and addenda records, a batch holds {MAX_BATCH_LINES}")
    limit = options.max_total_cents
    for name, cents in (("debit", sums.debit_cents), ("credit", sums.credit_cents)):
        if cents > limit:
            raise WriterError(f"{of}: {name} total {_money(cents)} is over the limit {_money(limit)}")
    _check_traces(batch, of)
    if options.service_class == "never 200" and batch.service_class == "200":
        raise WriterError(f"{of} has service class 200, which this bank does not take")
    if options.service_class == "200 only" and batch.service_class != "200":
        raise WriterError(f"{of} has service class {batch.service_class}, this bank takes 200 only")
    if batch.sec_code != "CTX" and any(len(entry[8]) > 1 for entry in batch.entries if entry[8]):
        raise WriterError(f"{of} has an entry with several addenda: {batch.sec_code} takes one")
    if any(entry[4] > options.max_entry_cents for entry in batch.entries):
        worst = max(batch.entries, key=lambda entry: entry.amount_cents)
        raise WriterError(
            f"{of}: the entry of trace {worst.trace_number} over {_money(worst.amount_cents)} "
            f"is above the limit {_money(options.max_entry_cents)}"
        )


def _check_traces(batch: Batch, of: str) -> None:
    """What the record tables cannot see: sound routing numbers, rising traces of the batch's own bank."""
    last = ""
    for trace in [entry[9] for entry in batch.entries]:
        if trace <= last:
            raise WriterError(f"{of}: trace {trace} does not rise above {last}")
        last = trace
    for trace in (batch.entries[0].trace_number, last):
        if trace[:8] != batch.odfi:
            raise WriterError(f"{of}: trace {trace} does not begin with the originating bank {batch.odfi}")
    for bank in {entry[1] + entry[2] for entry in batch.entries}:
        if problem := routing_problem(bank):
            raise WriterError(f"{of}: routing number {bank}: {problem}")


def _money(cents: int) -> str:
    return f"{cents // 100:,}.{cents % 100:02d}"


def _header(header: FileHeader) -> str:
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
    return _encode(FILE_HEADER, values, "file header")


def _batch(batch: Batch, options: BankOptions, sums: Totals) -> Iterator[str]:
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
    yield _encode(BATCH_HEADER, header, of)
    for at in range(0, len(batch.entries), _PIECE):
        try:
            yield _details(batch, batch.entries[at : at + _PIECE])
        except LayoutError as wrong:
            raise WriterError(f"{of}: {wrong}") from wrong
    control = (
        batch.service_class,
        sums.lines,
        sums.entry_hash,
        sums.debit_cents,
        sums.credit_cents,
        batch.company_id,
        batch.odfi,
        batch.batch_number,
    )
    yield _encode(BATCH_CONTROL, control, of)


def render_chunks(file: NachaFile, options: BankOptions | None = None) -> Iterator[bytes]:
    """The file in pieces of whole records. Any fault is raised before the piece that would hold it."""
    options = options or BankOptions()
    ending = _ENDINGS[options.line_ending]
    sums = [totals(batch.entries) for batch in file.batches]
    whole = sum(sums, Totals())
    used = 2 + 2 * len(file.batches) + whole.lines
    blocks = -(-used // BLOCKING)
    _check_file(file, whole, blocks, options)
    control = (
        len(file.batches),
        blocks,
        whole.lines,
        whole.entry_hash,
        whole.debit_cents,
        whole.credit_cents,
    )

    def texts() -> Iterator[str]:
        yield _header(file.header)
        for batch, its in zip(file.batches, sums, strict=True):
            yield from _batch(batch, options, its)
        yield _encode(FILE_CONTROL, control, "file control")
        yield (FILLER + "\n") * (blocks * BLOCKING - used)

    for text in texts():
        yield (text if ending == "\n" else text.replace("\n", ending)).encode("ascii")


def _check_file(file: NachaFile, whole: Totals, blocks: int, options: BankOptions) -> None:
    if not 0 < len(file.batches) <= MAX_BATCHES:
        raise WriterError(f"a file holds 1 to {MAX_BATCHES} batches, not {len(file.batches)}")
    if blocks * BLOCKING > options.max_lines:
        raise WriterError(f"the file takes {blocks * BLOCKING} records, the bank takes {options.max_lines}")
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
