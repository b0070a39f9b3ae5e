"""Vendor ACH (U0424): decided entries numbered and frozen as pairs of bank file and scratch file.

Creation date and time come from the clock once and are frozen in the header, so the file renders the same for ever;
trace numbers and file ID modifiers are taken, never given back, so a file built anew is another file. The checks paid
are reserved, and what each entry was for is kept, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from sqlalchemy import text

from gateway.errors import Refused
from gateway.outbound import entries, vendor_ctx, vendor_reversals
from gateway.outbound.entries import CheckKey, NewEntry
from gateway.outbound.numbers import take_modifiers, take_traces, trace_number
from gateway.outbound.screening import Screening, hold_text
from gateway.outbound.store import Frozen, NewFile, Row, first_free_names, freeze, numbered
from gateway.outbound.vendor_pack import Run
from gateway.outbound.vendor_reports import Pair
from gateway.outbound.vendor_rules import Item
from gateway.outbound.vendor_run import Context, fitting
from gateway.settings import secret
from parsers.nacha_records import Batch, Entry
from parsers.vach_scratch import VachRecord
from writers.nacha import OffsetAccount, balanced, service_class_for, totals

BANK_KIND: Final = "VACH-BANK"
SCRATCH_KIND: Final = "VACH-SCRATCH"
_SCRATCH_NAME: Final = "DSPP-P{portfolio:0>2}-VACH-{date}{further}.DAT"

Plan = tuple[str, list[Run]]
"""What goes into one bank file: its effective date and its batches."""


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
    items = [item for one in runs for item in one.items]
    bank_file = freeze(run.app, run.connection, _bank_file(run, bank_name, batches, runs, modifier, hold))
    _reserve(run, bank_file.outbound_id, sum(len(item.checks) for item in items if item.kind == "LIVE"))
    entries.add(run.app.db, run.connection, _entries(run, bank_file.outbound_id, batches, runs))
    scratch = freeze(run.app, run.connection, _scratch_file(run, scratch_name, items, bank_file))
    out = (
        pair for batch, one in zip(batches, runs, strict=True) for pair in zip(one.items, batch.entries, strict=False)
    )
    return Pair(effective, bank_file, scratch, tuple(batches), tuple(out))


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
        made = tuple(_entry(item, trace_number(run.odfi, sequence + n)) for n, item in enumerate(one.items))
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
        return vendor_reversals.DESCRIPTION
    if one.kind == "PRENOTE":
        return fitting(run.bank.prenote_description, 10, "prenote_description", run.charset)
    by_class = {str(sec): text for sec, text in run.bank.entry_descriptions.items()}
    return fitting(by_class.get(one.sec, run.bank.entry_description), 10, "entry_description", run.charset)


def _offset(run: Context) -> OffsetAccount:
    account = secret(run.bank.offset_account, run.app.home, what=f"banks.{run.settings.bank}.offset_account")
    return OffsetAccount(
        routing_number=run.bank.routing_number, account=account, account_type=run.bank.offset_account_type
    )


def _entry(item: Item, trace: str) -> Entry:
    to = item.payee
    addenda = item.addenda if item.advice is None else vendor_ctx.addenda(item.advice, trace)
    return Entry(
        item.code, to.routing[:8], to.routing[8], to.account, item.amount_cents, item.identification, to.name, "",
        addenda, trace,
    )  # fmt: skip


def sources(run: Context, item: Item) -> tuple[str, ...]:
    """Where an entry came from, which goes out once: its checks, or the details it tests."""
    if item.kind == "PRENOTE":
        return (f"prenote:{run.at.portfolio}:{item.vendor}:{item.version}",)
    word: Final = "reversal" if item.kind == "REVERSAL" else "check"
    return tuple(
        CheckKey(run.at.portfolio, c.bank, c.check_no, c.issue).source(word, item.attempt) for c in item.checks
    )


def _bank_file(
    run: Context, name: str, batches: Sequence[Batch], runs: Sequence[Run], modifier: str, hold: str
) -> NewFile:
    sums = [totals(batch.entries) for batch in batches]
    header: dict[str, Any] = {
        "file": asdict(run.header) | {"file_id_modifier": modifier},
        "options": {
            "line_ending": run.options.line_ending,
            "service_class": run.options.service_class,
            "max_lines": run.options.max_lines,
        },
        "batches": [_frozen_batch(batch) for batch in batches],
    }
    rows: list[Row] = []
    claims: list[str] = []
    for batch, one in zip(batches, runs, strict=True):
        for item, entry in zip(one.items, batch.entries, strict=False):
            came_from = sources(run, item)
            claims += came_from
            rows.append(Row(list(entry), came_from, entry.trace_number))
        for entry in batch.entries[len(one.items) :]:
            rows.append(Row(list(entry), (f"offset:{run.settings.bank}",), entry.trace_number))
    return NewFile(
        name=name,
        kind=BANK_KIND,
        portfolio=run.at.portfolio,
        business_date=run.at.business_date,
        header=header,
        rows=rows,
        records=len(rows),
        total_debit_cents=sum(s.debit_cents for s in sums),
        total_credit_cents=sum(s.credit_cents for s in sums),
        endpoint=run.bank.endpoint,
        hold_text=hold,
        claims=claims,
    )


def _entries(run: Context, outbound_id: int, batches: Sequence[Batch], runs: Sequence[Run]) -> Iterator[NewEntry]:
    """What each row of the bank file was for, in the order of the rows."""
    seq = 0
    for batch, one in zip(batches, runs, strict=True):
        for item, entry in zip(one.items, batch.entries, strict=False):
            seq += 1
            c = item.checks[0] if len(item.checks) == 1 else None
            yield NewEntry(
                outbound_id, seq, entry.trace_number, item.kind, run.at.portfolio, item.vendor, item.version,
                c and c.bank, c and c.check_no, c and c.issue, entry.amount_cents, entry.transaction_code,
                batch.sec_code, batch.effective_date, *(item.reverses or (None, None)),
            )  # fmt: skip
        for entry in batch.entries[len(one.items) :]:
            seq += 1
            yield NewEntry(
                outbound_id, seq, entry.trace_number, "OFFSET", run.at.portfolio, None, None, None, None, None,
                entry.amount_cents, entry.transaction_code, batch.sec_code, batch.effective_date,
            )  # fmt: skip


def _frozen_batch(batch: Batch) -> dict[str, Any]:
    """A batch without its entries, of which it keeps the number."""
    names = (
        "service_class", "company_name", "company_id", "sec_code", "description", "effective_date", "odfi",
        "batch_number", "company_discretionary", "descriptive_date", "settlement_day", "originator_status",
    )  # fmt: skip
    return {name: getattr(batch, name) for name in names} | {"entries": len(batch.entries)}


# --- the scratch file ---------------------------------------------------------------------------------------


def _scratch_file(run: Context, name: str, items: Sequence[Item], bank_file: Frozen) -> NewFile:
    """A record a check paid or taken back, and one a prenote."""
    rows = [Row(list(record), (source,)) for item in items for record, source in _scratch_records(run, item)]
    cents = [row.payload[VachRecord._fields.index("amount_cents")] for row in rows]
    return NewFile(
        name=name,
        kind=SCRATCH_KIND,
        portfolio=run.at.portfolio,
        business_date=run.at.business_date,
        header={"bank_file": bank_file.name},
        rows=rows,
        records=len(rows),
        total_debit_cents=-sum(c for c in cents if c < 0),
        total_credit_cents=sum(c for c in cents if c > 0),
        endpoint=run.settings.scratch_endpoint,
        hold_text=f"goes with {bank_file.name}",
        released_with=bank_file.outbound_id,
    )


def _scratch_records(run: Context, item: Item) -> Iterator[tuple[VachRecord, str]]:
    to = item.payee
    flag, sign = ("V", -1) if item.kind == "REVERSAL" else ("P", 1)
    shared = (item.vendor, to.routing, to.account, item.code, item.sec, run.origin, to.name)
    vendor, routing, account, code, sec, origin, name = shared
    came_from = sources(run, item)
    if item.kind == "PRENOTE":
        yield VachRecord(
            run.at.portfolio, "", vendor, "", "", routing, account, code, 0, item.effective_date, "", sec, origin, name,
            flag, "Y",
        ), came_from[0]  # fmt: skip
    for c, source in zip(item.checks, came_from, strict=False):
        yield VachRecord(
            run.at.portfolio, c.bank, vendor, c.lease or "", c.asset or "", routing, account, code,
            sign * c.amount_cents, c.disbursement_date, c.check_no, sec, origin, name, flag, "N",
        ), source  # fmt: skip


# --- checks -------------------------------------------------------------------------------------------------

# A hashed set whatever the database knows of the table, which was filled in this transaction.
_RESERVE: Final = f"""
    UPDATE bank_check SET state = 'RESERVED', outbound_id = :id WHERE portfolio = :p AND type = 'NEWA'
    AND state = 'NEW' AND {entries.source_sql("bank_check")} IN
        (SELECT c.source FROM outbound_claim c WHERE c.outbound_id = :id)
"""


def _reserve(run: Context, outbound_id: int, expected: int) -> None:
    """Mark what went into the file, set by set; a check that slipped away stops the build."""
    changed = run.connection.execute(text(_RESERVE), {"id": outbound_id, "p": run.at.portfolio}).rowcount
    if changed != expected:
        raise Refused(f"reserving checks: found {changed}, expected {expected}; nothing was built, try again")
