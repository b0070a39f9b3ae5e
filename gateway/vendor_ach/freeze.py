"""Vendor ACH (U0424): decided entries numbered and frozen as pairs of bank file and scratch file.

Creation date and time come from the clock once and are frozen in the header, so the file renders the same for ever;
trace numbers and file ID modifiers are taken, never given back, so a file built anew is another file. The checks paid
are reserved, and what each entry was for is kept, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import date
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import text

from gateway.errors import Refused
from gateway.ledger.ach_checks import source_of, source_sql
from gateway.ledger.database import by_sets
from gateway.outbound.rendering import frozen_options
from gateway.outbound.store import Frozen, NewFile, Source, first_free_names, freeze, numbered
from gateway.settings import secret
from gateway.vendor_ach import ctx, entries, reversals
from gateway.vendor_ach.columns import checks_of, column, owners_of, rows_of
from gateway.vendor_ach.gather import Context, fitting
from gateway.vendor_ach.numbers import take_modifiers, take_traces, trace_number, trace_numbers
from gateway.vendor_ach.pack import Run
from gateway.vendor_ach.reports import Pair
from gateway.vendor_ach.rules import Item, spelled
from gateway.vendor_ach.screening import Screening, hold_text
from parsers.nacha_records import Batch, Entry
from parsers.vach_scratch import VachRecord
from writers.nacha import OffsetAccount, balanced, service_class_for, totals

BANK_KIND: Final = "VACH-BANK"
SCRATCH_KIND: Final = "VACH-SCRATCH"
_KEY: Final = attrgetter("bank", "check_no", "issue")
_NO_CHECK: Final = (None, None, None)
_NOTHING: Final = (None, None)
_SCRATCH_NAME: Final = "DSPP-P{portfolio:0>2}-VACH-{date}{further}.DAT"

Plan = tuple[str, list[Run]]
"""What goes into one bank file: its effective date and its batches."""
Row = tuple[Any, ...]


def freeze_all(run: Context, plans: Sequence[Plan], screen: Screening) -> Iterator[Pair]:
    """Number and freeze the files one after the other; traces rise through them in order."""
    if not plans:
        return
    counts = [sum(batch.entries(balanced=run.bank.balanced) for batch in runs) for _, runs in plans]
    app, connection, on = run.app, run.connection, run.created.date()
    sequence = take_traces(app.db, connection, odfi=run.odfi, count=sum(counts), on=on)
    modifiers = take_modifiers(
        app.db,
        connection,
        origin=run.header.immediate_origin,
        destination=run.header.immediate_destination,
        on=on,
        alphabet=run.bank.modifier_alphabet,
        count=len(plans),
    )
    judged = screen.judge([[item for batch in runs for item in batch.items] for _, runs in plans])
    for (effective, runs), modifier, count, findings in zip(plans, modifiers, counts, judged, strict=True):
        pair = _freeze_pair(run, effective, runs, modifier, sequence, hold_text(findings))
        screen.keep(findings, pair.bank_file.outbound_id)
        yield pair
        sequence += count


def _freeze_pair(run: Context, effective: str, runs: Sequence[Run], modifier: str, sequence: int, hold: str) -> Pair:
    bank_name, scratch_name = _names(run, effective)
    batches = _batches(run, effective, runs, sequence)
    new = _bank_file(run, bank_name, batches, runs, modifier, hold)
    bank_file = freeze(run.app, run.connection, new)
    paid = sum(sum(map(len, column(one.items, "checks"))) for one in runs if one.kind == "LIVE")
    _reserve(run, bank_file.outbound_id, paid)
    entries.add(run.app.db, run.connection, _entries(run, bank_file.outbound_id, batches, runs))
    scratch = freeze(run.app, run.connection, _scratch_file(run, scratch_name, runs, new.claims, bank_file))
    return Pair(effective, bank_file, scratch, tuple(batches), tuple(runs))


def _names(run: Context, effective: str) -> tuple[str, str]:
    day = f"{date.fromisoformat(effective):%y%m%d}"

    def spelled(further: str) -> tuple[str, str]:
        values = {"portfolio": run.at.portfolio, "date": day, "further": further}
        return run.bank.name_pattern.format(**values), _SCRATCH_NAME.format(**values)

    bank_name, scratch_name = first_free_names(run.app.db, run.connection, spelled, numbered())
    return bank_name, scratch_name


# --- the bank file ------------------------------------------------------------------------------------------


def _batches(run: Context, effective: str, runs: Sequence[Run], sequence: int) -> list[Batch]:
    """Batches with their entries numbered; a balanced one ends with its offset entry."""
    bank, charset, on = run.bank, run.charset, run.created.date().isoformat()
    out = []
    for number, one in enumerate(runs, start=1):
        made = tuple(_entries_of(one.items, run.odfi, sequence))
        batch = Batch(
            service_class=service_class_for(made, run.options.service_class),
            company_name=fitting(bank.company_name, 16, "company_name", charset),
            company_id=bank.company_identification,
            sec_code=one.sec,
            description=_description(run, one),
            descriptive_date=run.same_day.marker if run.same_day and effective == on else "",
            effective_date=effective,
            odfi=run.odfi,
            batch_number=number,
            entries=made,
            company_discretionary=fitting(bank.discretionary_data, 20, "discretionary_data", charset),
        )
        if one.entries(balanced=bank.balanced) > len(made):
            batch = balanced(batch, _offset(run), trace_number(run.odfi, sequence + len(made)))
        sequence += len(batch.entries)
        out.append(batch)
    return out


def _description(run: Context, one: Run) -> str:
    """What the receiver reads: by kind, and by class where the bank's settings say so."""
    if one.kind == "REVERSAL":
        return reversals.DESCRIPTION
    if one.kind == "PRENOTE":
        return fitting(run.bank.prenote_description, 10, "prenote_description", run.charset)
    by_class = {str(sec): text for sec, text in run.bank.entry_descriptions.items()}
    return fitting(by_class.get(one.sec, run.bank.entry_description), 10, "entry_description", run.charset)


def _offset(run: Context) -> OffsetAccount:
    account = secret(run.bank.offset_account, run.app.home, what=f"banks.{run.settings.bank}.offset_account")
    return OffsetAccount(
        routing_number=run.bank.routing_number, account=account, account_type=run.bank.offset_account_type
    )


def _entries_of(items: Sequence[Item], odfi: str, sequence: int) -> Iterator[Entry]:
    payees, traces = column(items, "payee"), trace_numbers(odfi, sequence, len(items))
    routing, addenda = column(payees, "routing"), column(items, "addenda")
    for at, advice in enumerate(column(items, "advice")):
        if advice is not None:
            addenda[at] = ctx.addenda(advice, traces[at])
    return rows_of(
        Entry,
        (
            column(items, "code"), [number[:8] for number in routing], [number[8] for number in routing],
            column(payees, "account"), column(items, "amount_cents"), column(items, "identification"),
            column(payees, "name"), repeat(""), addenda, traces,
        ),
    )  # fmt: skip


def _sources(portfolio: str, one: Run, first: int) -> Iterable[Source]:
    """Where entries, numbered from ``first``, came from, which goes out once: their checks, or the details they test."""
    if one.kind == "PRENOTE":
        return [(seq, f"prenote:{portfolio}:{item.vendor}:{item.version}") for seq, item in enumerate(one.items, first)]
    checks = column(one.items, "checks")
    seqs = [seq for seq, its in enumerate(checks, first) for _ in its]
    attempts = column(owners_of(one.items), "attempt")
    word = "reversal" if one.kind == "REVERSAL" else "check"
    keys = map(_KEY, checks_of(one.items))
    sources = (
        source_of(portfolio, bank, check_no, issue, word, attempt)
        for (bank, check_no, issue), attempt in zip(keys, attempts, strict=True)
    )
    return zip(seqs, sources, strict=True)


def _bank_file(
    run: Context, name: str, batches: Sequence[Batch], runs: Sequence[Run], modifier: str, hold: str
) -> NewFile:
    sums = [totals(batch.entries) for batch in batches]
    header: dict[str, Any] = {
        "bank": run.settings.bank,
        "file": asdict(run.header) | {"file_id_modifier": modifier},
        "options": frozen_options(run.options),
        "batches": [_frozen_batch(batch) for batch in batches],
    }
    if written := spelled([item for one in runs for item in one.items]):
        header["spelled"] = written  # for whoever releases it
    rows: list[Entry] = []
    came_from: list[Source] = []
    offsets: list[Source] = []
    for batch, one in zip(batches, runs, strict=True):
        last = len(rows) + len(one.items)
        came_from += _sources(run.at.portfolio, one, len(rows) + 1)
        rows += batch.entries
        offsets += [(seq, f"offset:{run.settings.bank}") for seq in range(last + 1, len(rows) + 1)]
    return NewFile(
        name=name,
        kind=BANK_KIND,
        portfolio=run.at.portfolio,
        business_date=run.at.business_date,
        header=header,
        rows=rows,
        sources=came_from + offsets,
        records=len(rows),
        total_debit_cents=sum(s.debit_cents for s in sums),
        total_credit_cents=sum(s.credit_cents for s in sums),
        endpoint=run.bank.endpoint,
        hold_text=hold,
        claims=[source for _, source in came_from],
    )


def _entries(run: Context, outbound_id: int, batches: Sequence[Batch], runs: Sequence[Run]) -> Iterator[Row]:
    """What each row of the bank file was for, in the order of the rows: rows of ``ach_entry``."""
    seq = 1
    for batch, one in zip(batches, runs, strict=True):
        items = one.items
        checks = [_KEY(its[0]) if len(its) == 1 else _NO_CHECK for its in column(items, "checks")]
        banks, numbers, issues = zip(*checks, strict=True)
        reverses = [its or _NOTHING for its in column(items, "reverses")]
        yield from zip(
            repeat(outbound_id), range(seq, seq + len(items)), column(batch.entries, "trace_number"), repeat(one.kind),
            repeat(run.at.portfolio), column(items, "vendor"), column(items, "version"), banks, numbers, issues,
            column(items, "amount_cents"), column(items, "code"), repeat(batch.sec_code), repeat(batch.effective_date),
            [file for file, _ in reverses], [row for _, row in reverses],
        )  # fmt: skip
        for at, offset in enumerate(batch.entries[len(items) :], seq + len(items)):
            yield (
                outbound_id, at, offset.trace_number, "OFFSET", run.at.portfolio, None, None, None, None, None,
                offset.amount_cents, offset.transaction_code, batch.sec_code, batch.effective_date, None, None,
            )  # fmt: skip
        seq += len(batch.entries)


def _frozen_batch(batch: Batch) -> dict[str, Any]:
    """A batch without its entries, of which it keeps the number."""
    names = (
        "service_class", "company_name", "company_id", "sec_code", "description", "effective_date", "odfi",
        "batch_number", "company_discretionary", "descriptive_date", "settlement_day", "originator_status",
    )  # fmt: skip
    return {name: getattr(batch, name) for name in names} | {"entries": len(batch.entries)}


# --- the scratch file ---------------------------------------------------------------------------------------


def _scratch_file(run: Context, name: str, runs: Sequence[Run], sources: Sequence[str], bank_file: Frozen) -> NewFile:
    """A record a source of the bank file: a check paid or taken back, or a prenote."""
    rows = [row for one in runs for row in _scratch_records(run.at.portfolio, run.origin, one)]
    cents = column(rows, "amount_cents")
    return NewFile(
        name=name,
        kind=SCRATCH_KIND,
        portfolio=run.at.portfolio,
        business_date=run.at.business_date,
        header={"bank_file": bank_file.name, "bank": run.settings.bank},
        rows=rows,
        sources=enumerate(sources, start=1),
        records=len(rows),
        total_debit_cents=-sum(c for c in cents if c < 0),
        total_credit_cents=sum(c for c in cents if c > 0),
        endpoint=run.settings.scratch_endpoint,
        hold_text=f"goes with {bank_file.name}",
        released_with=bank_file.outbound_id,
    )


def _scratch_records(portfolio: str, origin: str, one: Run) -> Iterator[VachRecord]:
    if one.kind == "PRENOTE":
        return (
            VachRecord(
                portfolio, "", item.vendor, "", "", item.payee.routing, item.payee.account, item.code, 0,
                item.effective_date, "", item.sec, origin, item.payee.name, "P", "Y",
            )
            for item in one.items
        )  # fmt: skip
    flag, sign = ("V", -1) if one.kind == "REVERSAL" else ("P", 1)
    checks, owners = list(checks_of(one.items)), owners_of(one.items)
    payees = column(owners, "payee")
    return rows_of(
        VachRecord,
        (
            repeat(portfolio), column(checks, "bank"), column(owners, "vendor"),
            [lease or "" for lease in column(checks, "lease")], [asset or "" for asset in column(checks, "asset")],
            column(payees, "routing"), column(payees, "account"), column(owners, "code"),
            [sign * cents for cents in column(checks, "amount_cents")], column(checks, "disbursement_date"),
            column(checks, "check_no"), repeat(one.sec), repeat(origin), column(payees, "name"), repeat(flag),
            repeat("N"),
        ),
    )  # fmt: skip


# --- checks -------------------------------------------------------------------------------------------------

_RESERVE: Final = f"""
    UPDATE bank_check SET state = 'RESERVED', outbound_id = :id WHERE portfolio = :p AND type = 'NEWA'
    AND state = 'NEW' AND {source_sql("bank_check")} IN
        (SELECT s.source FROM outbound_source s WHERE s.outbound_id = :id)
"""


def _reserve(run: Context, outbound_id: int, expected: int) -> None:
    """Mark what went into the file, set by set; a check that slipped away stops the build."""
    with by_sets(run.connection):
        changed = run.connection.execute(text(_RESERVE), {"id": outbound_id, "p": run.at.portfolio}).rowcount
    if changed != expected:
        raise Refused(f"reserving checks: found {changed}, expected {expected}; nothing was built, try again")
