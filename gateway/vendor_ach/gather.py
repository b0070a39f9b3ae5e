"""Vendor ACH (U0424): what a run needs beside its checks, and the facts it decides by, gathered set by set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, bindparam, text

from gateway.app import App
from gateway.calendar import BankingCalendar
from gateway.errors import Refused, SettingsError
from gateway.ledger import ach_answers
from gateway.ledger.ach_checks import source_sql
from gateway.ledger.ach_returns import came_back_sql, is_return_sql, return_code_sql, unclear_sql, waits_sql
from gateway.ledger.database import by_sets
from gateway.ledger.vendor_changes import VERSIONS, pending
from gateway.money import to_cents
from gateway.outbound.built import Place
from gateway.outbound.rendering import entry_of
from gateway.outbound.states import LEFT_SQL, LEFT_STATES, at_bank_sql
from gateway.outbound.store import sealed_rows
from gateway.settings import Bank
from gateway.settings_portfolio import VendorAchSettings
from gateway.vendor_ach import entries, settling
from gateway.vendor_ach.columns import named
from gateway.vendor_ach.pack import overhead, room_of
from gateway.vendor_ach.rules import Candidate, Original, Prenote, Rules, SameDay, Vendor
from parsers.nacha_records import FileHeader
from parsers.x12_820 import Advice
from writers.nacha import BankOptions
from writers.text import CHARSETS, bank_text

_MAX_ADDENDA: Final = 9_999


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
    same_day: SameDay | None = None

    @property
    def origin(self) -> str:
        return self.header.origin_name[:4]


def context(
    app: App, connection: Connection, at: Place, *, same_day: bool = False, bank_name: str | None = None
) -> Context:
    """Of the portfolio's bank, or of another that is named. Raises Refused when the portfolio does not use Vendor ACH, or the
    day or hour is none for a same-day run."""
    settings = app.settings.portfolio(at.portfolio).vendor_ach
    if bank_name is not None:
        settings = settings.model_copy(update={"bank": bank_name})
    bank = app.settings.gateway.banks.get(settings.bank or "")
    if not settings.used or bank is None:
        raise Refused(
            f"building Vendor ACH of portfolio {at.portfolio}: found vendor_ach.used off or no bank, expected both in "
            f"config/portfolios/p{int(at.portfolio):02d}.toml"
        )
    created = app.here()
    options = BankOptions(line_ending=bank.line_ending, service_class=bank.service_class, max_lines=bank.line_limit)
    charset = CHARSETS[bank.character_set]
    header = _file_header(bank, created, charset)
    odfi = bank.odfi or bank.routing_number[:8]
    run = Context(app, connection, at, bank, settings, app.calendar(), created, header, options, charset, odfi)
    return replace(run, same_day=_same_day(run)) if same_day else run


def _same_day(run: Context) -> SameDay:
    """The first window of the bank that is still open. Its marker tells the bank which settlement is meant."""
    action, key = f"building Vendor ACH of portfolio {run.at.portfolio} for the same day", f"banks.{run.settings.bank}"
    if run.bank.same_day != "asked":
        raise Refused(f"{action}: found {key}.same_day = 'never', expected 'asked'; build without --same-day")
    closed = run.calendar.closed_because(run.created.date())
    if closed is not None:
        raise Refused(f"{action}: found {run.created:%Y-%m-%d} no banking day ({closed}); build without --same-day")
    now = f"{run.created:%H:%M}"
    for cutoff, marker in sorted(run.bank.same_day_windows.items()):
        if now < cutoff:
            return SameDay(marker, to_cents(run.bank.same_day_limit), _sent_today(run))
    last = max(run.bank.same_day_windows)
    raise Refused(f"{action}: found {now}, expected a time before the last cutoff {last}; build without --same-day")


def _sent_today(run: Context) -> dict[str, int]:
    """What earlier same-day runs of the day, waiting or released, pay CTX vendors: cents by vendor."""
    today = run.created.date()
    values = {"p": run.at.portfolio, "since": (today - timedelta(days=1)).isoformat()}
    files = []
    for outbound_id, header in run.connection.execute(text(_LATELY), values):
        frozen = json.loads(header)
        made, marker = frozen["file"]["creation_date"], frozen["batches"][0]["descriptive_date"]
        if made == today.isoformat() and marker.startswith(settling.SAME_DAY):
            files.append(outbound_id)
    if not files:
        return {}
    return {vendor: int(cents) for vendor, cents in run.connection.execute(_CTX_CENTS, {"files": files})}


_LATELY: Final = (
    "SELECT outbound_id, header FROM outbound_file WHERE portfolio = :p AND kind = 'VACH-BANK' AND state <> 'REJECTED' "
    "AND built_at >= :since"
)
_CTX_CENTS: Final = text(
    "SELECT vendor, SUM(amount_cents) FROM ach_entry WHERE outbound_id IN :files AND kind = 'LIVE' AND sec = 'CTX' "
    "GROUP BY vendor"
).bindparams(bindparam("files", expanding=True))


def _file_header(bank: Bank, created: datetime, charset: frozenset[str]) -> FileHeader:
    return FileHeader(
        immediate_destination=bank.immediate_destination or bank.routing_number,
        immediate_origin=bank.immediate_origin,
        creation_date=created.date().isoformat(),
        creation_time=f"{created:%H%M}",
        destination_name=fitting(bank.name, 23, "name", charset),
        origin_name=fitting(bank.origin_name, 23, "origin_name", charset),
        reference_code=fitting(bank.reference_code, 8, "reference_code", charset),
    )


def fitting(value: str, width: int, key: str, charset: frozenset[str]) -> str:
    """A bank's own text in its characters. Raises SettingsError: these texts are ours to correct."""
    made = bank_text(value, charset)
    if made.problem is not None or len(made.text) > width:
        raise SettingsError(
            [f"banks.*.{key}: found {value!r} ({made.problem or len(made.text)}), expected at most {width} characters"]
        )
    return made.text


def rules(run: Context) -> Rules:
    vault = run.app.vault

    def open_account(v: Vendor) -> tuple[str, str]:
        return (
            vault.open(bytes(v.routing_sealed), field="vendor.routing"),
            vault.open(bytes(v.account_sealed), field="vendor.account"),
        )

    room = room_of(run.options.max_lines) - overhead(balanced=run.bank.balanced) - 1
    return Rules(
        calendar=run.calendar,
        created_on=run.created.date(),
        lead_days=run.bank.lead_days,
        prenotes=run.settings.prenotes,
        origin=run.origin,
        charset=run.charset,
        open_account=open_account,
        advice=_advice(run),
        company_id=run.bank.company_identification,
        odfi=run.odfi,
        max_addenda=min(_MAX_ADDENDA, room),
        prenote_ccd=run.settings.prenote_ccd,
        prenote_wait_days=run.settings.prenote_wait_days,
        same_day=run.same_day,
    )


def _advice(run: Context) -> Advice:
    """What the remittance advices of the run share; payee, lines and numbers are an entry's own."""
    x12, bank = run.bank.x12, run.bank
    return Advice(
        control_number="", sender=x12.sender or bank.company_identification, receiver=x12.receiver,
        sender_qualifier=x12.sender_qualifier, receiver_qualifier=x12.receiver_qualifier, usage=x12.usage,
        created_on=run.header.creation_date, created_at=run.header.creation_time, effective_date="",
        company_id=bank.company_identification, trace_number="", payer=run.header.origin_name, payee="", lines=(),
    )  # fmt: skip


# --- facts --------------------------------------------------------------------------------------------------

CHECK: Final = (
    "c.check_no, c.bank, c.amount_cents, c.disbursement_date, c.vendor, c.lease, c.asset, c.reference, "
    "o.company, o.region, o.office, c.issue"
)
_DUE: Final = "c.portfolio = :p AND c.type = 'NEWA' AND c.state = 'NEW' AND c.disbursement_date <= :due"
_CANDIDATES: Final = f"""
    SELECT {CHECK} FROM bank_check c JOIN office o ON o.office_id = c.office_id WHERE {_DUE}
    ORDER BY c.vendor, c.disbursement_date, c.bank, c.check_no
"""
"""About as they stand in the file: what is read one after the other later lies side by side in memory then."""
_VENDORS: Final = f"""
    SELECT v.vendor, v.name, v.routing_sealed, v.account_sealed, v.account_last4, v.account_type, v.sec, v.prenote_sent,
        v.prenote_sent_on, v.dealer_alert, v.suspense_override_on, COALESCE(n.version, 1) AS version
    FROM vendor v LEFT JOIN ({VERSIONS}) n ON n.vendor = v.vendor
    WHERE v.vendor IN (SELECT c.vendor FROM bank_check c WHERE {_DUE})
"""
_PRENOTE: Final = f"""
    SELECT e.vendor, e.details_version, f.outbound_id, f.name, f.state, {return_code_sql("e")} AS returned, {unclear_sql("e")} AS unclear
    FROM ach_entry e JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state <> 'REJECTED'
    WHERE e.kind = 'PRENOTE'
"""
_PRENOTES: Final = f"""{_PRENOTE} AND e.vendor IN (SELECT c.vendor FROM bank_check c WHERE {_DUE})
    ORDER BY e.vendor, f.outbound_id
"""
_PRENOTES_BACK: Final = f"""{_PRENOTE}
    AND ((e.outbound_id, e.seq) IN (SELECT b.outbound_id, b.seq FROM ach_answer b WHERE {is_return_sql("b")})
        OR e.trace_number IN (SELECT b.original_trace FROM ach_answer b WHERE {waits_sql("b")}))
    ORDER BY e.vendor, f.outbound_id
"""
"""Few, whatever the run pays: what a portfolio asks that sends none."""


def due(run: Context) -> tuple[list[Candidate], dict[str, Vendor]]:
    """Checks up to the business date and the grace days (today, in a same-day run), and the vendors they pay."""
    if run.same_day is not None:
        last = run.created.date()
    else:
        last = run.calendar.add_banking_days(date.fromisoformat(run.at.business_date), run.settings.grace_days)
    values = {"p": run.at.portfolio, "due": last.isoformat()}
    candidates = list(named(Candidate, run.app.db.fetch(run.connection, _CANDIDATES, **values)))
    vendors = {row[0]: Vendor(*row) for row in run.connection.execute(text(_VENDORS), values)}
    for vendor in pending(run.connection, vendors):
        vendors[vendor] = vendors[vendor]._replace(pending=True)
    for vendor, prenote in _prenotes(run, values, vendors).items():
        vendors[vendor] = vendors[vendor]._replace(prenote=prenote)
    return candidates, vendors


def _prenotes(run: Context, values: Mapping[str, Any], vendors: Mapping[str, Vendor]) -> dict[str, Prenote]:
    """One prenote a vendor, of its present details: one that came back before all, or may have, else the earliest that is at
    the bank, or left. Where the portfolio sends none, only what came back, or may have, of another one or from before."""
    asked = (_PRENOTES, values) if run.settings.prenotes else (_PRENOTES_BACK, {})
    rows = [
        row
        for row in run.connection.execute(text(asked[0]), asked[1])
        if row.vendor in vendors and row.details_version == vendors[row.vendor].version
    ]
    settles = settling.days(run.app, run.connection, {row.outbound_id for row in rows})
    found: dict[str, Prenote] = {}
    for row in rows:
        its = settles[row.outbound_id]
        left = row.state in LEFT_STATES
        prenote = Prenote(row.name, left, its.on, row.returned, row.outbound_id, its.at_bank, row.unclear)
        found[row.vendor] = min(found.get(row.vendor, prenote), prenote, key=_speaks)
    return found


def _speaks(prenote: Prenote) -> tuple[bool, bool, bool, bool, str]:
    """Of several prenotes of a vendor, the least by this is the one that counts."""
    return (
        prenote.returned is None,
        prenote.unclear is None,
        not prenote.at_bank,
        not prenote.released,
        prenote.settles_on,
    )


_VOIDED: Final = f"""
    SELECT {CHECK}, e.outbound_id, e.seq, e.trace_number, f.name, e.vendor, e.details_version, e.sec,
        {at_bank_sql("f")} AS at_bank, (SELECT COUNT(*) {entries.REVERSALS}) AS attempts,
        {unclear_sql("e")} AS unclear
    FROM bank_check c JOIN office o ON o.office_id = c.office_id
    JOIN outbound_source s ON s.outbound_id = c.outbound_id AND s.source = {source_sql("c")}
    JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq AND e.kind = 'LIVE'
    JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN ({LEFT_SQL})
    WHERE c.portfolio = :p AND c.type = 'NEWA' AND c.state = 'VOID' AND NOT {entries.REVERSED}
        AND NOT {came_back_sql("e")}
"""
_IN_ORDER: Final = "ORDER BY e.outbound_id, e.seq, c.bank, c.check_no"


def voided(run: Context, of: int | None = None) -> list[Original]:
    """Entries that left, were not returned, whose checks are void, and that no file takes back yet; ``of``: one file's."""
    if of is None:
        rows = run.connection.execute(text(f"{_VOIDED} {_IN_ORDER}"), {"p": run.at.portfolio}).all()
    else:
        statement = text(f"{_VOIDED} AND e.outbound_id = :of {_IN_ORDER}")
        with by_sets(run.connection):
            rows = run.connection.execute(statement, {"p": run.at.portfolio, "of": of}).all()
    sent_by = companies(run, {row.outbound_id for row in rows})
    settles = settling.days(run.app, run.connection, sent_by)
    refused = ach_answers.refusals(run.connection, sent_by)
    frozen = sealed_rows(run.app, run.connection, {(row.outbound_id, row.seq) for row in rows})
    found = []
    for (outbound_id, seq), its in groupby(rows, key=lambda row: (row.outbound_id, row.seq)):
        checks = list(its)
        row = checks[0]
        sent = entry_of(frozen[outbound_id, seq])
        found.append(
            Original(
                outbound_id=outbound_id, seq=seq, trace_number=row.trace_number, file=row.name, vendor=row.vendor,
                version=row.details_version, sec=row.sec, code=sent.transaction_code,
                routing=sent.receiving_dfi + sent.check_digit, account=sent.account, name=sent.name,
                amount_cents=sent.amount_cents, identification=sent.identification, settled_on=settles[outbound_id].on,
                company_id=sent_by[outbound_id][0], odfi=sent_by[outbound_id][1],
                checks=tuple(Candidate(*check[: len(Candidate._fields)]) for check in checks), at_bank=bool(row.at_bank),
                attempts=row.attempts, unclear=row.unclear,
                refused=refused[outbound_id].answer if outbound_id in refused else None,
            )
        )  # fmt: skip
    return found


def companies(run: Context, files: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Company and originating bank of some files: one of each a file."""
    found = {}
    for outbound_id in sorted(files):
        header = run.connection.execute(
            text("SELECT header FROM outbound_file WHERE outbound_id = :id"), {"id": outbound_id}
        ).scalar_one()
        batch = json.loads(header)["batches"][0]
        found[outbound_id] = (batch["company_id"], batch["odfi"])
    return found
