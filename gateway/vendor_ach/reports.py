"""U0424A, B and C: what went to vendors, a summary of each bank file, and what was withheld with the reason.

Account numbers appear by their last four characters, routing numbers whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.app import App
from gateway.log import last_four
from gateway.outbound.built import NamedReport, Place, report_of
from gateway.outbound.store import Frozen
from gateway.reports.table import OFFICE_COLUMNS, Blocks, Column, Columns, ReportSpec
from gateway.vendor_ach.columns import checks_of, column
from gateway.vendor_ach.pack import Run
from gateway.vendor_ach.rules import Withheld
from parsers.nacha_records import PRENOTES, Batch
from writers.nacha import totals

_ENTRY: Final = (
    *OFFICE_COLUMNS,
    Column("lease", "LEASE", 10),
    Column("asset", "ASSET", 10),
    Column("vendor", "VENDOR", 9),
    Column("name", "NAME", 22, wraps=True),
    Column("routing", "ROUTING", 9),
    Column("account", "ACCOUNT", 8),
    Column("check", "CHECK", 10),
    Column("disbursement_date", "DISB DATE", 10, "date"),
    Column("direction", "ENTRY", 7),
)
_AMOUNT: Final = Column("amount", "AMOUNT", 14, "money", totalled=True)

U0424A: Final = ReportSpec(
    "U0424A", "VENDOR ACH", (*_ENTRY, Column("trace_number", "TRACE NUMBER", 15), _AMOUNT), by_office=True
)
U0424B: Final = ReportSpec(
    "U0424B",
    "SUMMARY OF VENDOR ACH BANK FILE",
    (
        Column("file", "BANK FILE", 28, wraps=True),
        Column("effective_date", "DATE", 10, "date"),
        Column("sec", "SEC", 3),
        Column("batches", "BATCHES", 7, "count"),
        Column("entries", "ENTRIES", 8, "count", totalled=True),
        Column("prenotes", "PRENOTES", 8, "count", totalled=True),
        Column("credits", "CREDIT TOTAL", 17, "money", totalled=True),
        Column("debits", "DEBIT TOTAL", 17, "money", totalled=True),
        Column("entry_hash", "ENTRY HASH", 10),
        Column("sha256", "SHA-256", 64),
    ),
)
U0424C: Final = ReportSpec(
    "U0424C",
    "VENDOR ACH EXCEPTION",
    (*_ENTRY, _AMOUNT, Column("code", "CODE", 9), Column("reason", "REASON", 60, wraps=True)),
    by_office=True,
)


_BLOCK: Final = 4_000
"""Entries whose rows are made at once."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A bank file and its scratch file as built. The entries of a batch are those of its run, then an offset."""

    effective_date: str
    bank_file: Frozen
    scratch: Frozen
    batches: tuple[Batch, ...]
    runs: tuple[Run, ...]

    @property
    def files(self) -> tuple[Frozen, Frozen]:
        return self.bank_file, self.scratch


def reports(
    app: App, at: Place, pairs: Sequence[Pair], exceptions: Sequence[Withheld]
) -> tuple[NamedReport, NamedReport, NamedReport]:
    """The three reports of a run, in file order."""
    sent = Blocks([block for pair in pairs for block in _sent(at, pair)])
    summary = [row for pair in pairs for row in _summary_rows(pair)]
    withheld = [_withheld_row(at, one) for one in exceptions]
    return (
        report_of(app, at, U0424A, sent),
        report_of(app, at, U0424B, summary),
        report_of(app, at, U0424C, withheld),
    )


def _sent(at: Place, pair: Pair) -> Iterator[Columns]:
    for batch, one in zip(pair.batches, pair.runs, strict=True):
        for start in range(0, len(one.items), _BLOCK):
            part = Run(one.kind, one.sec, one.items[start : start + _BLOCK])
            traces = column(batch.entries[start : start + len(part.items)], "trace_number")
            yield (_prenotes if one.kind == "PRENOTE" else _checks)(at, part, traces)


def _checks(at: Place, run: Run, traces: Sequence[str]) -> Columns:
    """A row a check, so that a CTX entry has several with one trace number; a debit is below zero."""
    direction, sign = ("DEBIT", -1) if run.kind == "REVERSAL" else ("CREDIT", 1)
    checks = list(checks_of(run.items))
    owners = [(item, trace) for item, trace in zip(run.items, traces, strict=True) for _ in item.checks]
    payees = [item.payee for item, _ in owners]
    return [
        [at.portfolio] * len(checks), *(column(checks, name) for name in ("company", "region", "office", "lease", "asset")),
        [item.vendor for item, _ in owners], column(payees, "called"), column(payees, "routing"), _shown(column(payees, "account")),
        column(checks, "check_no"), column(checks, "disbursement_date"), [direction] * len(checks),
        [trace for _, trace in owners], [sign * cents for cents in column(checks, "amount_cents")],
    ]  # fmt: skip


def _prenotes(at: Place, run: Run, traces: Sequence[str]) -> Columns:
    """A row a prenote, at the office of the check that asks for it."""
    items, nothing = run.items, [None] * len(run.items)
    asking, payees = column(items, "about"), column(items, "payee")
    return [
        [at.portfolio] * len(items), *(column(asking, name) for name in ("company", "region", "office")), nothing, nothing,
        column(items, "vendor"), column(payees, "called"), column(payees, "routing"), _shown(column(payees, "account")),
        nothing, column(items, "effective_date"), ["PRENOTE"] * len(items), traces, [0] * len(items),
    ]  # fmt: skip


def _shown(accounts: Sequence[str]) -> list[str]:
    known = {account: last_four(account) for account in set(accounts)}
    return list(map(known.__getitem__, accounts))


def _withheld_row(at: Place, one: Withheld) -> tuple[object, ...]:
    c = one.candidate
    account = f"****{one.account_last4}" if one.account_last4 is not None else None
    return (
        at.portfolio, c.company, c.region, c.office, c.lease, c.asset, c.vendor, one.name, one.routing, account,
        c.check_no, c.disbursement_date, one.direction, c.amount_cents, one.code, one.message,
    )  # fmt: skip


def _summary_rows(pair: Pair) -> Iterable[tuple[object, ...]]:
    for sec in dict.fromkeys(batch.sec_code for batch in pair.batches):
        batches = [batch for batch in pair.batches if batch.sec_code == sec]
        sums = totals([entry for batch in batches for entry in batch.entries])
        yield (
            pair.bank_file.name, pair.effective_date, sec, len(batches), sum(len(b.entries) for b in batches),
            sum(entry.transaction_code in PRENOTES for batch in batches for entry in batch.entries),
            sums.credit_cents, sums.debit_cents, f"{sums.entry_hash % 10**10:010d}", pair.bank_file.sha256,
        )  # fmt: skip
