"""U0424, Vendor ACH: the bank file and the scratch file of every effective date, from NEWA checks that are due.

Gather, decide (``vendor_rules``), apply: everything happens in the caller's transaction, with the checks reserved in
it. Creation date and time come from the clock once and are frozen in the header, so the file renders the same for
ever; trace numbers and file ID modifiers are taken, never given back, so a file built anew is another file.

Taken are checks that were not sent, due up to the business date plus the grace days (banking days); dates already
past go with the next possible effective date. One pair of files an effective date; ``-2``, ``-3`` in both names where
a name was used before. The scratch file is released with its bank file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.calendar import BankingCalendar, CalendarError
from gateway.errors import Refused, SettingsError
from gateway.ledger.vendor_changes import VERSIONS
from gateway.outbound import entries, vendor_reports
from gateway.outbound.built import Built, Place, place
from gateway.outbound.entries import CheckKey, NewEntry
from gateway.outbound.numbers import take_modifiers, take_traces, trace_number
from gateway.outbound.store import Frozen, NewFile, Row, first_free_names, freeze, numbered
from gateway.outbound.vendor_rules import Candidate, Decision, Item, Rules, Run, decide, look_alikes, pack
from gateway.settings import Bank, VendorAchSettings, secret
from parsers.nacha_records import Batch, Entry, FileHeader
from parsers.vach_scratch import VachRecord
from writers.nacha import BankOptions, OffsetAccount, balanced, service_class_for, totals
from writers.text import BANK_CHARSET, PRINTABLE_CHARSET, WriterError, bank_text

BANK_KIND: Final = "VACH-BANK"
SCRATCH_KIND: Final = "VACH-SCRATCH"
_CHARSETS: Final = {"narrow": BANK_CHARSET, "ascii": PRINTABLE_CHARSET}
_SCRATCH_NAME: Final = "DSPP-P{portfolio:0>2}-VACH-{date}{further}.DAT"


@dataclass(frozen=True, slots=True)
class Context:
    """Everything one run of the module needs beside its checks."""

    app: App
    connection: Connection
    at: Place
    bank: Bank
    settings: VendorAchSettings
    calendar: BankingCalendar
    created: datetime  # local time of the site
    header: FileHeader  # without modifier
    options: BankOptions
    charset: frozenset[str]
    odfi: str

    @property
    def origin(self) -> str:
        return self.header.origin_name[:4]


def build_vendor_ach(app: App, connection: Connection, portfolio: str) -> Built:
    """Freeze all files that are due. Raises Refused when the portfolio does not use Vendor ACH, or numbers run out."""
    at = place(app, connection, portfolio)
    run = _run(app, connection, at)
    try:
        decision = _decide(run)
        plans = [
            (effective, runs)
            for effective, items in groupby(decision.items, key=lambda item: item.effective_date)
            for runs in pack(list(items), max_lines=run.options.max_lines, balanced=run.bank.balanced)
        ]
        pairs = list(_freeze_all(run, plans, decision))
    except WriterError as error:
        raise Refused(f"building Vendor ACH of portfolio {portfolio}: {error}; nothing was written") from error
    except CalendarError as error:
        raise Refused(f"building Vendor ACH of portfolio {portfolio}: {error}") from error
    connection.execute(
        text("UPDATE portfolio SET last_vendor_ach_on = :on WHERE portfolio = :p"),
        {"on": at.business_date, "p": portfolio},
    )
    files = tuple(file for pair in pairs for file in pair.files)
    return Built(
        files,
        vendor_reports.reports(app, at, pairs, decision.exceptions),
        tuple(decision.warnings),
        len(decision.exceptions),
    )


# --- gather -------------------------------------------------------------------------------------------------


def _run(app: App, connection: Connection, at: Place) -> Context:
    settings = app.settings.portfolio(at.portfolio).vendor_ach
    bank = app.settings.gateway.banks.get(settings.bank or "")
    if not settings.used or bank is None:
        raise Refused(
            f"building Vendor ACH of portfolio {at.portfolio}: found vendor_ach.used off or no bank, expected both in "
            f"config/portfolios/p{int(at.portfolio):02d}.toml"
        )
    created = app.clock.now().astimezone(ZoneInfo(app.settings.gateway.service.timezone))
    options = BankOptions(
        line_ending=bank.line_ending,
        service_class=bank.service_class,
        max_lines=bank.line_limit,
    )
    charset = _CHARSETS[bank.character_set]
    header = _file_header(bank, created, charset)
    odfi = bank.odfi or bank.routing_number[:8]
    return Context(app, connection, at, bank, settings, app.calendar(), created, header, options, charset, odfi)


def _file_header(bank: Bank, created: datetime, charset: frozenset[str]) -> FileHeader:
    return FileHeader(
        immediate_destination=bank.immediate_destination or bank.routing_number,
        immediate_origin=bank.immediate_origin,
        creation_date=created.date().isoformat(),
        creation_time=f"{created:%H%M}",
        destination_name=_fitting(bank.name, 23, "name", charset),
        origin_name=_fitting(bank.origin_name, 23, "origin_name", charset),
        reference_code=_fitting(bank.reference_code, 8, "reference_code", charset),
    )


def _fitting(value: str, width: int, key: str, charset: frozenset[str]) -> str:
    """A bank's own text in its characters. Raises SettingsError: these texts are ours to correct."""
    made = bank_text(value, charset)
    if made.problem is not None or len(made.text) > width:
        raise SettingsError(
            [f"banks.*.{key}: found {value!r} ({made.problem or len(made.text)}), expected at most {width} characters"]
        )
    return made.text


_CANDIDATES: Final = f"""
    SELECT c.check_no, c.bank, c.amount_cents, c.disbursement_date, c.vendor, c.lease, c.asset, c.reference,
        o.company, o.region, o.office, v.name, v.routing_sealed, v.account_sealed, v.account_last4, v.account_type,
        v.sec, v.prenote_sent, v.prenote_sent_on, v.dealer_alert, v.suspense_override_on, c.issue,
        COALESCE(n.version, 1)
    FROM bank_check c JOIN office o ON o.office_id = c.office_id LEFT JOIN vendor v ON v.vendor = c.vendor
    LEFT JOIN ({VERSIONS}) n ON n.vendor = c.vendor
    WHERE c.portfolio = :p AND c.type = 'NEWA' AND c.state = 'NEW' AND c.disbursement_date <= :due
    ORDER BY c.disbursement_date, c.bank, c.check_no
"""


def _decide(run: Context) -> Decision:
    business_date = date.fromisoformat(run.at.business_date)
    due = run.calendar.add_banking_days(business_date, run.settings.grace_days)
    rows = run.connection.execute(text(_CANDIDATES), {"p": run.at.portfolio, "due": due.isoformat()})
    vault = run.app.vault

    def open_account(c: Candidate) -> tuple[str, str]:
        return (
            vault.open(bytes(c.routing_sealed or b""), field="vendor.routing"),
            vault.open(bytes(c.account_sealed or b""), field="vendor.account"),
        )

    rules = Rules(
        calendar=run.calendar,
        created_on=run.created.date(),
        lead_days=run.bank.lead_days,
        prenotes=run.settings.prenotes,
        origin=run.origin,
        charset=run.charset,
        open_account=open_account,
    )
    return decide((Candidate(*row) for row in rows), rules)


# --- apply --------------------------------------------------------------------------------------------------


def _freeze_all(
    run: Context, plans: Sequence[tuple[str, list[Run]]], decision: Decision
) -> Iterator[vendor_reports.Pair]:
    """Number and freeze the files one after the other; traces rise through them in order."""
    if not plans:
        return
    offsets = run.bank.balanced
    needed = sum(len(r.items) + offsets for _, runs in plans for r in runs)
    app, connection, on = run.app, run.connection, run.created.date()
    sequence = take_traces(app.db, connection, odfi=run.odfi, count=needed, on=on)
    modifiers = take_modifiers(
        app.db,
        connection,
        origin=run.header.immediate_origin,
        destination=run.header.immediate_destination,
        on=on,
        alphabet=run.bank.modifier_alphabet,
        count=len(plans),
    )
    first_payments = _first_payments(run, decision.items)
    for (effective, runs), modifier in zip(plans, modifiers, strict=True):
        yield _freeze_pair(run, effective, runs, modifier, sequence, first_payments)
        sequence += sum(len(r.items) + offsets for r in runs)


def _freeze_pair(
    run: Context, effective: str, runs: Sequence[Run], modifier: str, sequence: int, first_payments: frozenset[str]
) -> vendor_reports.Pair:
    bank_name, scratch_name = _names(run, effective)
    batches = _batches(run, effective, runs, sequence)
    items = [item for r in runs for item in r.items]
    hold = "; ".join(["waits for release", *_reasons(items, first_payments)])
    bank_file = freeze(run.app, run.connection, _bank_file(run, bank_name, batches, runs, modifier, hold))
    _reserve(run, bank_file.outbound_id, len(items))
    entries.add(run.app.db, run.connection, _entries(run, bank_file.outbound_id, batches, runs))
    scratch = freeze(run.app, run.connection, _scratch_file(run, scratch_name, items, bank_file))
    paid = [entry for batch in batches for entry in batch.entries[: len(batch.entries) - run.bank.balanced]]
    return vendor_reports.Pair(effective, bank_file, scratch, tuple(batches), tuple(zip(items, paid, strict=True)))


def _names(run: Context, effective: str) -> tuple[str, str]:
    day = f"{date.fromisoformat(effective):%y%m%d}"

    def spelled(further: str) -> tuple[str, str]:
        values = {"portfolio": run.at.portfolio, "date": day, "further": further}
        return run.bank.name_pattern.format(**values), _SCRATCH_NAME.format(**values)

    bank_name, scratch_name = first_free_names(run.app.db, run.connection, spelled, numbered())
    return bank_name, scratch_name


def _batches(run: Context, effective: str, runs: Sequence[Run], sequence: int) -> list[Batch]:
    """Batches with their entries numbered; a balanced one ends with its offset entry."""
    bank, charset = run.bank, run.charset
    out = []
    for number, its in enumerate(runs, start=1):
        numbered_ = tuple(_entry(item, trace_number(run.odfi, sequence + n)) for n, item in enumerate(its.items))
        sequence += len(numbered_)
        batch = Batch(
            service_class=service_class_for(numbered_, run.options.service_class),
            company_name=_fitting(bank.company_name, 16, "company_name", charset),
            company_id=bank.company_identification,
            sec_code=its.sec,
            description=_fitting(bank.entry_description, 10, "entry_description", charset),
            effective_date=effective,
            odfi=run.odfi,
            batch_number=number,
            entries=numbered_,
            company_discretionary=_fitting(bank.discretionary_data, 20, "discretionary_data", charset),
        )
        if bank.balanced:
            batch = balanced(batch, _offset(run), trace_number(run.odfi, sequence))
            sequence += 1
        out.append(batch)
    return out


def _offset(run: Context) -> OffsetAccount:
    account = secret(run.bank.offset_account, run.app.home, what=f"banks.{run.settings.bank}.offset_account")
    return OffsetAccount(
        routing_number=run.bank.routing_number, account=account, account_type=run.bank.offset_account_type
    )


def _entry(item: Item, trace: str) -> Entry:
    payee = item.payee
    return Entry(
        item.code, payee.routing[:8], payee.routing[8], payee.account, item.candidate.amount_cents,
        item.identification, payee.name, "", (item.addenda,), trace,
    )  # fmt: skip


def _source(run: Context, candidate: Candidate) -> str:
    return CheckKey(run.at.portfolio, candidate.bank, candidate.check_no, candidate.issue).source()


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
    rows = [
        Row(
            list(entry),
            (_source(run, its.items[n].candidate),) if n < len(its.items) else (),
            entry.trace_number,
        )
        for batch, its in zip(batches, runs, strict=True)
        for n, entry in enumerate(batch.entries)
    ]
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
        claims=[source for row in rows for source in row.sources],
    )


def _entries(run: Context, outbound_id: int, batches: Sequence[Batch], runs: Sequence[Run]) -> Iterator[NewEntry]:
    """What each row of the bank file was for, in the order of the rows."""
    seq = 0
    for batch, its in zip(batches, runs, strict=True):
        for n, entry in enumerate(batch.entries):
            seq += 1
            c = its.items[n].candidate if n < len(its.items) else None
            yield NewEntry(
                outbound_id, seq, entry.trace_number, "LIVE" if c else "OFFSET", run.at.portfolio, c and c.vendor,
                c and c.version, c and c.bank, c and c.check_no, c and c.issue, entry.amount_cents,
                entry.transaction_code, batch.sec_code, batch.effective_date,
            )  # fmt: skip


def _frozen_batch(batch: Batch) -> dict[str, Any]:
    """A batch without its entries, of which it keeps the number."""
    names = (
        "service_class", "company_name", "company_id", "sec_code", "description", "effective_date", "odfi",
        "batch_number", "company_discretionary", "descriptive_date", "settlement_day", "originator_status",
    )  # fmt: skip
    return {name: getattr(batch, name) for name in names} | {"entries": len(batch.entries)}


def _scratch_file(run: Context, name: str, items: Sequence[Item], bank_file: Frozen) -> NewFile:
    rows = []
    for item in items:
        c = item.candidate
        record = VachRecord(
            run.at.portfolio, c.bank, c.vendor or "", c.lease or "", c.asset or "", item.payee.routing,
            item.payee.account, item.code, c.amount_cents, c.disbursement_date, c.check_no, item.sec, run.origin,
            item.payee.name, "P", "N",
        )  # fmt: skip
        rows.append(Row(list(record), (_source(run, c),)))
    return NewFile(
        name=name,
        kind=SCRATCH_KIND,
        portfolio=run.at.portfolio,
        business_date=run.at.business_date,
        header={"bank_file": bank_file.name},
        rows=rows,
        records=len(rows),
        total_credit_cents=sum(item.candidate.amount_cents for item in items),
        endpoint=run.settings.scratch_endpoint,
        hold_text=f"goes with {bank_file.name}",
        released_with=bank_file.outbound_id,
    )


def _reserve(run: Context, outbound_id: int, expected: int) -> None:
    """Mark what went into the file, set by set; a check that slipped away stops the build."""
    changed = run.connection.execute(
        text(
            "UPDATE bank_check SET state = 'RESERVED', outbound_id = :id WHERE portfolio = :p AND type = 'NEWA' "
            "AND state = 'NEW' AND EXISTS (SELECT 1 FROM outbound_claim c WHERE c.outbound_id = :id "
            "AND c.source = 'check:' || bank_check.portfolio || ':' || bank_check.bank || ':' || bank_check.check_no || "
            "CASE WHEN bank_check.issue = 1 THEN '' ELSE '#' || CAST(bank_check.issue AS TEXT) END)"
        ),
        {"id": outbound_id, "p": run.at.portfolio},
    ).rowcount
    if changed != expected:
        raise Refused(f"reserving checks: found {changed}, expected {expected}; nothing was built, try again")


def _first_payments(run: Context, items: Sequence[Item]) -> frozenset[str]:
    """Vendors whose present bank details no entry that left has paid before, in any portfolio. A check loaded as sent
    was paid to the details of then, the first ones."""
    paid = {
        (vendor, version)
        for vendor, version in run.connection.execute(
            text(
                "SELECT DISTINCT e.vendor, e.details_version FROM ach_entry e JOIN outbound_file f "
                "ON f.outbound_id = e.outbound_id AND f.state IN ('APPROVED', 'LOCAL') WHERE e.kind = 'LIVE' "
                "UNION SELECT DISTINCT vendor, 1 FROM bank_check WHERE type = 'NEWA' AND state = 'SENT' "
                "AND outbound_id IS NULL"
            )
        )
    }
    return frozenset(
        str(item.candidate.vendor) for item in items if (item.candidate.vendor, item.candidate.version) not in paid
    )


def _reasons(items: Sequence[Item], first_payments: frozenset[str]) -> Iterator[str]:
    """What the approver should look at before letting the file go."""
    new = sorted({str(item.candidate.vendor) for item in items} & first_payments)
    if new:
        more = f" and {len(new) - 5} more" if len(new) > 5 else ""
        yield f"first payment to vendor {', '.join(new[:5])}{more}"
    alike = list(look_alikes(items))
    yield from alike[:3]
    if len(alike) > 3:
        yield f"{len(alike) - 3} more look-alikes"
