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
from gateway.reports.table import OFFICE_COLUMNS, Column, ReportSpec
from gateway.vendor_ach.rules import Item, Withheld
from parsers.nacha_records import PRENOTES, Batch, Entry
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


@dataclass(frozen=True, slots=True)
class Pair:
    """A bank file and its scratch file as built; ``entries`` pairs each item with its entry (offsets left out)."""

    effective_date: str
    bank_file: Frozen
    scratch: Frozen
    batches: tuple[Batch, ...]
    entries: tuple[tuple[Item, Entry], ...]

    @property
    def files(self) -> tuple[Frozen, Frozen]:
        return self.bank_file, self.scratch


def reports(
    app: App, at: Place, pairs: Sequence[Pair], exceptions: Sequence[Withheld]
) -> tuple[NamedReport, NamedReport, NamedReport]:
    """The three reports of a run, in file order."""
    sent = [row for pair in pairs for row in _sent_rows(at, pair.entries)]
    summary = [row for pair in pairs for row in _summary_rows(pair)]
    withheld = [_withheld_row(at, one) for one in exceptions]
    return (
        report_of(app, at, U0424A, sent),
        report_of(app, at, U0424B, summary),
        report_of(app, at, U0424C, withheld),
    )


def _sent_rows(at: Place, entries: Iterable[tuple[Item, Entry]]) -> Iterator[tuple[object, ...]]:
    """A row a check, so that a CTX entry has several with one trace number; a debit is below zero."""
    portfolio = at.portfolio
    for item, entry in entries:
        to, vendor, trace = item.payee, item.vendor, entry.trace_number
        routing, account = to.routing, last_four(to.account)
        if item.kind == "PRENOTE":
            c = item.about
            yield (
                portfolio, c.company, c.region, c.office, None, None, vendor, to.called, routing, account, None,
                item.effective_date, "PRENOTE", trace, 0,
            )  # fmt: skip
        direction, sign = ("DEBIT", -1) if item.kind == "REVERSAL" else ("CREDIT", 1)
        for check_no, _, cents, due, _, lease, asset, _, company, region, office, _ in item.checks:
            yield (
                portfolio, company, region, office, lease, asset, vendor, to.called, routing, account, check_no, due,
                direction, trace, sign * cents,
            )  # fmt: skip


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
