"""Commands that look at the ledger, load it, prove it and follow money through it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.common import (
    DONE,
    FAULT,
    WITH_REJECTS,
    DateOption,
    PortfolioOption,
    Session,
    command,
    complain,
    iso,
    money_as_text,
    portfolio_number,
    table,
)
from gateway.console.lists import REPORTS, report_list
from gateway.errors import UsageError
from gateway.ledger import load as loading
from gateway.ledger import views
from gateway.ledger.trace import Story
from gateway.ledger.trace import trace as follow
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.verify import verify as prove
from gateway.money import shown
from gateway.reports.render import render_text, write_report


def register(app: typer.Typer) -> None:
    command(app, "load", example="gateway load reference/ --date 2026-03-02")(load)
    command(app, "trace", example="gateway trace 091000010000123")(trace)
    command(app, "verify", example="gateway verify")(verify)
    command(app, "report", example="gateway report suspense --portfolio 1")(report)
    ledger = typer.Typer(no_args_is_help=True, help="Look at the ledger; every list has filters.")
    for name in views.NAMES:
        command(ledger, name, example=_EXAMPLES[name])(_view(name))
    app.add_typer(ledger, name="ledger")


_EXAMPLES = {
    "balance": "gateway ledger balance --portfolio 1",
    "journal": "gateway ledger journal --lease 1003 --from 2026-03-01",
    "lease": "gateway ledger lease --lease 1003",
    "receivables": "gateway ledger receivables --lease 1003",
    "payments": "gateway ledger payments --lease 1001",
    "suspense": "gateway ledger suspense",
    "checks": "gateway ledger checks --state NEW",
    "vendors": "gateway ledger vendors",
    "accounts": "gateway ledger accounts --account 1011",
}
_ABOUT = {
    "balance": "Every account by office: today, month to date, balance.",
    "journal": "Entries line by line, each with the file and line it came from.",
    "lease": "Leases and their standing.",
    "receivables": "What is billed, paid and open, by invoice and charge.",
    "payments": "Payments by batch and line, and what was applied from suspense; nothing reversed without --all.",
    "suspense": "Money that could not be placed; only open items without --all.",
    "checks": "Checks and disbursements, and what became of them.",
    "vendors": "Vendors; account numbers by their last four.",
    "accounts": "The chart of accounts.",
}


def _view(name: str) -> Any:
    def look(
        session: Session,
        portfolio: PortfolioOption = None,
        lease: Annotated[str | None, typer.Option("--lease", help="Only this lease.")] = None,
        invoice: Annotated[str | None, typer.Option("--invoice", help="Only this invoice.")] = None,
        batch: Annotated[str | None, typer.Option("--batch", help="Only this payment batch.")] = None,
        check: Annotated[str | None, typer.Option("--check", help="Only this check.")] = None,
        vendor: Annotated[str | None, typer.Option("--vendor", help="Only this vendor.")] = None,
        unit: Annotated[str | None, typer.Option("--unit", help="Only this posting unit.")] = None,
        file: Annotated[str | None, typer.Option("--file", help="Only this inbound file, by number or name.")] = None,
        account: Annotated[
            str | None, typer.Option("--account", help="Only this account: number, vector, purpose.")
        ] = None,
        since: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="From this date.")] = None,
        until: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="To this date.")] = None,
        state: Annotated[str | None, typer.Option("--state", help="Only this state.")] = None,
        all_: Annotated[bool, typer.Option("--all", help="Also what is reversed, closed or paid.")] = False,
        limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many rows.")] = None,
    ) -> None:
        filters = views.Filters(
            portfolio=portfolio, lease=lease and lease.upper(), invoice=invoice and invoice.upper(), batch=batch, check=check,
            vendor=vendor, unit=unit, file=file, account=account, since=iso(since, what="--from"), until=iso(until, what="--to"),
            state=state and state.upper(), all=all_, limit=limit,
        )  # fmt: skip
        with session.app.db.read() as connection:
            found = views.show(connection, name, filters, vault=session.app.vault)
            if found.paper and not session.as_json:
                places = [found.columns.index(key) for key in found.paper]
                session.show_rows(found.paper, ([row[n] for n in places] for row in found.rows), money=found.money)
            else:
                session.show_rows(found.columns, found.rows, money=found.money)

    look.__doc__ = _ABOUT[name]
    whole = inspect.signature(look, eval_str=True)
    taken = [p for key, p in whole.parameters.items() if key == "session" or key.rstrip("_") in views.filters_of(name)]
    look.__signature__ = whole.replace(parameters=taken)  # type: ignore[attr-defined]  # offers what the list takes
    return look


def load(
    session: Session,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="CSV files, or folders of them.")],
    date: DateOption = None,
) -> int:
    """Load reference data: an upsert by key in one transaction; every bad row is reported, then nothing is loaded.
    --date is the open business date, needed the first time a portfolio is loaded."""
    iso(date, what="--date")
    app = session.app
    app.operator.require("load", "loading reference data")
    with session.progress("loading") as progress:
        try:
            result = loading.load(
                app.db, paths, vault=app.vault, maker=Maker(app.operator.code, app.operator.user), posted_at=app.now(), business_date=date,
                progress=lambda _what, rows: progress(rows, None),
            )  # fmt: skip
        except loading.LoadRejected as error:
            if session.debug:
                raise
            complain(session, error)
            count = len(error.problems)
            typer.echo(f"gateway: {count} {'problem' if count == 1 else 'problems'}; nothing was loaded", err=True)
            return error.exit_code
    counts = {kind: {"new": c.new, "changed": c.changed, "same": c.same} for kind, c in result.counts.items()}
    rows = [(kind, c.new, c.changed, c.same) for kind, c in result.counts.items()]
    session.show(
        {"counts": counts, "units": list(result.units), "warnings": list(result.warnings), "changes": dict(result.proposed)},
        [
            *table(("kind", "new", "changed", "same"), rows),
            *(f"warning: {w}" for w in result.warnings),
            *([f"Opening entries are posting unit {', '.join(map(str, result.units))}."] if result.units else []),
            *(f"Change {change} of vendor {vendor}'s bank details waits for a second person: gateway vendor approve {change}"
              for vendor, change in result.proposed.items()),
        ],
    )  # fmt: skip
    return WITH_REJECTS if result.proposed else DONE


def verify(session: Session) -> int:
    """Recompute every invariant: balance, chain, subledgers, files in count and money, outbound bytes, archive."""
    from gateway.parts import verify_options  # brings the rooms along whose work it recomputes

    with session.progress("verifying") as progress:
        checks = prove(session.app.db, **verify_options(session.app), progress=progress)
    bad = [c for c in checks if not c.ok]
    session.show(
        {
            "ok": not bad,
            "checks": [
                {
                    "name": c.name,
                    "where": c.where,
                    "ok": c.ok,
                    "found": c.found,
                    "expected": c.expected,
                    "detail": c.detail,
                }
                for c in checks
            ],
        },
        [
            *table(("check", "of", "result"), [(c.name, c.where, "ok" if c.ok else "DIFFERS") for c in checks]),
            *(f"DIFFERS {c.name} {c.where}: found {c.found}, expected {c.expected}. {c.detail}" for c in bad),
            f"{len(checks)} checks, {len(bad)} differences.",
        ],
    )
    return FAULT if bad else DONE


def report(
    session: Session,
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(REPORTS)}.")],
    portfolio: Annotated[str, typer.Option("--portfolio", metavar="N", help="The portfolio.", parser=portfolio_number)],
    out: Annotated[Path | None, typer.Option("--out", help="Also write text, CSV and JSON into this folder.")] = None,
) -> None:
    """Make a report of how things stand now: text on the screen, or all three forms into a folder."""
    if name not in REPORTS:
        raise UsageError(f"report {name}: found no such report, expected one of {', '.join(REPORTS)}")
    made = report_list(session.app, name, portfolio)
    paths = write_report(made, out, f"p{portfolio}_{name}") if out else []
    columns = made.spec.columns
    if session.as_json:
        money = frozenset(c.key for c in columns if c.kind == "money")
        session.show_rows([c.key for c in columns], made.rows, money=money, extra={"files": [str(p) for p in paths]})
    else:
        session.show({}, render_text(made).rstrip("\n") if not paths else [str(p) for p in paths])


def trace(
    session: Session,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="Lease, invoice, batch, check, vendor, trace number, file[:line], entry or amount."
        ),
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many entries.")] = 200,
) -> int:
    """Follow money both ways: file and line, entry, outbound record, delivery, the bank's answer, and back."""
    with session.app.db.read() as connection:
        stories = follow(connection, reference, limit=limit)
    session.show({"stories": [_story_document(s) for s in stories]}, _story_page(reference, stories))
    return DONE if stories else WITH_REJECTS


def _story_document(story: Story) -> dict[str, Any]:
    def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [money_as_text({k: v for k, v in row.items() if k != "legs"}) for row in found]

    entries = [
        money_as_text({k: v for k, v in row.items() if k != "legs"})
        | {"legs": [money_as_text(leg) for leg in row["legs"]]}
        for row in story.entries
    ]
    return {
        "kind": story.kind, "reference": story.reference, "facts": money_as_text(story.facts), "entries": entries,
        "files": rows(story.files), "records": rows(story.records), "messages": rows(story.messages),
        "batches": rows(story.batches), "suspense": rows(story.suspense), "moves": rows(story.moves), "checks": rows(story.checks),
        "outbound": rows(story.outbound), "answers": rows(story.answers), "changes": rows(story.changes), "more": story.more,
    }  # fmt: skip


_TAKEN_BACK = "taken_back_with_file"


def _story_page(reference: str, stories: list[Story]) -> Iterator[str]:
    if not stories:
        yield f"Found nothing that {reference} names, expected a lease, invoice, batch, check, vendor, trace number, file, entry or amount."
    for story in stories:
        facts = money_as_text(story.facts)
        yield f"{story.kind} {story.reference}: " + ", ".join(
            f"{k} {v}" for k, v in facts.items() if v not in (None, "", story.reference) and k != _TAKEN_BACK
        )
        if facts.get(_TAKEN_BACK) is not None:
            yield f"  taken back with file {facts[_TAKEN_BACK]}"
        for f in story.files:
            if f is not story.facts:
                yield f"  from file {f['name']} (#{f['file_id']}, {f['state']}, sha256 {f['sha256'][:12]}…, archived)"
        for r in story.records:
            yield "  record: " + ", ".join(f"{k} {v}" for k, v in money_as_text(r).items() if v is not None)
        for m in story.messages:
            yield f"  line {m['line_no']}: {m['code']}: found {m['found']}, expected {m['expected']}; {m['action']}"
        for e in story.entries:
            yield from _entry(e)
        for b in story.batches:
            yield (
                f"  payment {b['batch']} line {b['line']}: check {b['check_no'] or '-'}, invoice {b['invoice'] or '-'}, "
                f"{shown(b['amount_cents'])}, {b['state']}"
            )
        for s in story.suspense:
            yield f"  suspense item {s['item']} ({s['kind']}): {shown(s['amount_cents'])}, open {shown(s['remaining_cents'])}, {s['reason']}"
        for m in story.moves:
            yield f"  suspense item {m['item']} move {m['number']}: {_move(m)}"
        for c in story.checks:
            yield f"  check {c['check_no']} {c['type']}: {shown(c['amount_cents'])} due {c['disbursement_date']}, {c['state']}"
        for o in story.outbound:
            yield (
                f"  {_sent_as(o)} {o['name']} (#{o['outbound_id']}, {o['state']}) row {o['seq']}"
                + (f", trace number {o['trace_number']}" if o["trace_number"] else "")
                + _delivered(o)
            )
        for a in story.answers:
            yield (
                f"  the bank answered in {a['file']} (#{a['file_id']}) line {a['line_no']}, {a['state']}: {a['outcome']}"
                + (f"; cleared by {a['cleared_by']}: {a['clear_reason']}" if a["cleared_by"] else "")
            )
        for c in story.changes:
            decided = f" by {c['checker']}" if c["checker"] else ""
            yield (
                f"  change {c['change_id']} of vendor {c['vendor']} ({c['fields']}), {c['state']}{decided}: {c['reason']}, "
                f"proposed by {c['maker']}"
            )
        if story.more:
            yield "  … there are more entries; --limit N shows them"
        yield ""


def _move(m: dict[str, Any]) -> str:
    what = f"{m['kind']} {shown(m['amount_cents'])}" if m["amount_cents"] else m["kind"]
    where = [
        f"invoice {m['invoice']} {m['charge']}" if m["invoice"] else None,
        f"check {m['check_no']} of bank {m['bank']}" if m["bank"] else None,
        f"takes back move {m['undoes']}" if m["undoes"] else None,
    ]
    return ", ".join([what, *(w for w in where if w), f"by {m['operator']}: {m['text']}"])


def _sent_as(o: dict[str, Any]) -> str:
    """A bank file's record with its kind, amount and day; another file's by its place alone."""
    if not o.get("entry_kind"):
        return "went out in"
    what = {"LIVE": "payment", "PRENOTE": "prenote", "REVERSAL": "reversal", "OFFSET": "offset"}[o["entry_kind"]]
    cents = f" of {shown(o['amount_cents'])}" if o["amount_cents"] else ""
    return f"{what}{cents} for {o['effective_date']} went out in"


def _delivered(o: dict[str, Any]) -> str:
    if o["delivery_state"]:
        return f"; {o['delivery_state']} at {o['endpoint']} {o['delivered_at'] or ''}".rstrip()
    return "; it stays in outbox/" if o["state"] == "LOCAL" else "; not delivered yet"


def _entry(e: dict[str, Any]) -> Iterator[str]:
    source = f"{e['source_file']} line {e['source_line']}" if e["source_file"] else e["posted_by"]
    corrects = f", corrects {e['corrects']}" if e["corrects"] else ""
    why = f": {e['unit_reason']}" if e["unit_reason"] else ""
    yield (
        f"  entry {e['entry']} {e['txn']} on {e['business_date']} (effective {e['effective_date']}), "
        f"{e['portfolio']}/{e['company']}/{e['region']}/{e['office']}, lease {e['lease'] or '-'}, invoice {e['invoice'] or '-'}, "
        f"from {source}{corrects}, by {e['operator']}{why}"
    )
    for leg in e["legs"]:
        yield f"      {'debit ' if leg['side'] == 'D' else 'credit'} {leg['account']:<12} {leg['name']:<36} {shown(leg['amount_cents']):>16}"
