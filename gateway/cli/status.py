"""``gateway status``: the nine-o'clock answer, as a page for a person or one JSON document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import typer

from gateway.cli.common import DONE, WITH_REJECTS, DateOption, Session, command, iso, money_as_text, table
from gateway.cli.written import counted
from gateway.console.status import TROUBLED_FILES, Status, slow_text, unfinished_text
from gateway.console.status import status as gather
from gateway.console.windows import at_stake, to_send
from gateway.delivery.reads import no_endpoint
from gateway.ledger.restored import COMMAND
from gateway.money import shown


def register(app: typer.Typer) -> None:
    command(app, "status", example="gateway status --date 2026-03-02")(status)


def status(session: Session, date: DateOption = None) -> int:
    """What came, balanced, left, is late or held. Exit code 1 when something wants a person."""
    found = gather(session.app, iso(date, what="--date"))
    session.show(document(found), page(found, session.when))
    return WITH_REJECTS if found.wants_attention else DONE


def document(found: Status) -> dict[str, Any]:
    return {
        "attention": found.wants_attention,
        "date": found.date,
        "portfolios": [money_as_text(row) for row in found.portfolios],
        "files": [money_as_text(row) for row in found.files],
        "late": list(found.late),
        "inbox": [asdict(x) for x in found.inbox],
        "outbox": list(found.outbox),
        "outbound": [money_as_text(row) for row in found.outbound],
        "windows": [money_as_text(row) for row in at_stake(found.outbound)],
        "end_of_period": list(found.end_of_period),
        "unfinished": list(found.unfinished),
        "slow": list(found.slow),
        "suspense": [money_as_text(row) for row in found.suspense],
        "answers": [money_as_text(row) for row in found.answers],
        "unacknowledged": list(found.unacknowledged),
        "clearing": [money_as_text(row) for row in found.clearing],
        "changes": list(found.changes),
        "reversals": [money_as_text(row) for row in found.reversals],
        "alarms": list(found.alarms),
        "lacking": list(found.lacking),
        "restored": None if found.restored is None else asdict(found.restored),
    }


def page(found: Status, when: Callable[[str | None], str]) -> Iterator[str]:
    """``when`` shows an instant as people read it."""
    left = {x["portfolio"] for x in found.unfinished}
    left |= {m["portfolio"] for m in found.end_of_period if m["state"].startswith("FAILED")}
    for p in found.portfolios:
        how = "not finished" if p["portfolio"] in left else "under way"
        state = "open" if p["period_state"] == "OPEN" else f"CLOSED, End of Period is {how}"
        balance = "balanced" if p["balanced"] else "OUT OF BALANCE"
        yield f"Portfolio {p['portfolio']} {p['name']}: business date {p['business_date']} {state}"
        yield f"  posted {shown(p['debit_cents'])} debit, {shown(p['credit_cents'])} credit in {counted(p['units'], 'unit')}: {balance}"
    if not found.portfolios:
        yield "No portfolio is loaded. Load reference data with `gateway load DIR --date YYYY-MM-DD`."
        if not found.wants_attention:
            return
    yield ""
    yield from _files(found)
    for x in found.inbox:
        yield f"LEFT IN {x.source}, {x.name}: {x.message}"
    if found.inbox:
        yield ""
    yield from _outbound(found)
    for name in found.outbox:
        yield f"IN outbox, {name}"
    yield from _modules(found)
    for period in found.unfinished:
        yield f"UNFINISHED: {unfinished_text(period)}"
    for period in found.slow:
        yield f"SLOW: {slow_text(period)}"
    for s in found.suspense:
        items = counted(s["items"], "item waits", "items wait")
        yield (
            f"Suspense of portfolio {s['portfolio']}: {items} for a person, {shown(s['amount_cents'])}: "
            f"gateway suspense list --portfolio {s['portfolio']}"
        )
    for a in found.answers:
        said = a["outcome"] or f"{a['answers']} answers wait for a person"
        yield f"ANSWERED {a['name']} (#{a['file_id']}): {said}: gateway answers list --file {a['file_id']} --state UNMATCHED"
    for c in found.clearing:
        yield f"TWICE: check {c['check_no']} of bank {c['bank']}, portfolio {c['portfolio']}: {c['todo']}"
    for r in found.reversals:
        yield (
            f"REVERSAL of check {r['check_no']} of bank {r['bank']}{r['others']}, portfolio {r['portfolio']}, "
            f"{shown(r['amount_cents'])}: "
            f"{r['todo']}"
        )
    for c in found.changes:
        whose = "the bank" if c["origin"] == "NOC" else c["maker"]
        yield (
            f"CHANGE {c['change_id']}: {', '.join(c['fields'].split(',')).replace('_', ' ')} of vendor {c['vendor']}, proposed by "
            f"{whose} on {when(c['proposed_at'])}: nothing is paid to it until a second person says gateway vendor approve "
            f"{c['change_id']} or gateway vendor refuse {c['change_id']}"
        )
    for sent in found.unacknowledged:
        yield (
            f"NOT ACKNOWLEDGED: {sent['name']} (#{sent['outbound_id']}), {sent['delivery']} at {sent['endpoint']}: the bank's "
            f"word was due by {sent['due']}; ask the bank, then gateway deliver acknowledge "
            f"{sent['outbound_id']} --reference WHO"
        )
    for words in found.lacking:
        yield f"NO KEY: {words}"
    if found.restored is not None:
        yield (
            f"RESTORED on {when(found.restored.at)} {found.restored.reason}: what left or came since that is not known here, and "
            f"nothing leaves by itself: compare with receivers and senders, settle what is in doubt, then {COMMAND}"
        )
    for late in found.late:
        yield f"LATE: portfolio {late['portfolio']}: no {late['kind']} file by {late['by']}"
    for alarm in found.alarms:
        yield f"ALARM {alarm['code']} since {when(alarm['raised_at'])}: {alarm['text']}"
    yield "Something wants a person; see above." if found.wants_attention else "Nothing is late, held or in doubt."


def _files(found: Status) -> Iterator[str]:
    if not found.files:
        when = found.date or "the open business date"
        before = found.last_date if found.last_date != found.date else None
        yield f"Came: nothing on {when}." + (
            f" Files last came on {before}: gateway status --date {before}" if before else ""
        )
    else:
        yield "Came:"
        keys = ("id", "name", "state", "lines", "records", "rejects", "amount_cents", "posted_cents",
                "suspended_cents", "rejected_cents")  # fmt: skip
        heads = [k.removesuffix("_cents") for k in keys]
        money = ("amount", "posted", "suspended", "rejected")
        yield from (f"  {line}" for line in table(heads, [[f[k] for k in keys] for f in found.files], money=money))
        for f in found.files:
            if f["state"] in TROUBLED_FILES and (f["hold_text"] or f["hold_code"]):
                yield f"  {f['state']} {f['name']} (#{f['id']}): {f['hold_text'] or f['hold_code']}"
                if f["state"] == "QUARANTINED":
                    yield f"    When it is seen to: gateway files discard {f['id']} --reason WHY"
            if f["state"] == "STAGED":
                yield f"  STAGED {f['name']} (#{f['id']}): posts at End of Period; its lines: gateway files staged {f['id']}"
    yield ""


def _outbound(found: Status) -> Iterator[str]:
    if not found.outbound:
        return
    yield "Left:"
    rows = [
        (o["id"], o["name"], o["state"], o["records"], o["total_debit_cents"], o["total_credit_cents"],
         o["endpoint"] or "(stays here)", o["delivery"] or "-")
        for o in found.outbound
    ]  # fmt: skip
    heads = ("id", "name", "state", "records", "debit", "credit", "endpoint", "delivery")
    yield from (f"  {line}" for line in table(heads, rows, money=("debit", "credit")))
    for o in found.outbound:
        troubled = o["delivery"] in ("UNKNOWN", "NOT_DELIVERED") or o.get("stopped") or o.get("not_reached")
        if o.get("stranded"):
            yield f"  {o['delivery']} {o['name']} (#{o['id']}): {no_endpoint(o['id'], o['endpoint'], o['delivery'])}"
        if troubled and o["last_error"]:
            yield f"  {o['delivery']} {o['name']} (#{o['id']}): {o['last_error']}"
        if o.get("in_clear"):
            yield f"  IN CLEAR {o['name']} (#{o['id']}): {o['in_clear']}"
        if o.get("window_missed"):
            outcome = f"; {o['window_outcome']}" if o["window_outcome"] else ""
            yield f"  MISSED {o['name']} (#{o['id']}) was not sent by {o['window_missed']}{outcome}"
        if o.get("late"):
            yield f"  LATE {o['name']} (#{o['id']}): {o['late']}"
        if o.get("follows"):
            yield f"  {o['name']} (#{o['id']}) goes with #{o['follows']}: released or rejected with it"
        elif o["state"] == "BUILT":
            yield f"  {o['name']} (#{o['id']}) waits for approval: gateway outbound show {o['id']}"
    for w in at_stake(found.outbound):
        if w["closes_at"] is None:
            yield f"  The windows of {w['endpoint']}: {w['window']}; {to_send(w)}"
        else:
            soon = "CLOSES SOON" if w["near"] else "closes"
            yield f"  The window of {w['endpoint']} {soon} at {w['window']}: {to_send(w)}"
    yield ""


def _modules(found: Status) -> Iterator[str]:
    if not found.end_of_period:
        return
    yield "End of Period:"
    by_run: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for m in found.end_of_period:
        by_run.setdefault((m["portfolio"], m["business_date"]), []).append(m)
    for (portfolio, day), modules in by_run.items():
        done = [m["module"] for m in modules if m["state"] == "DONE"]
        yield f"  portfolio {portfolio}, {day}: done {' '.join(done) or 'nothing'}"
        for m in modules:
            if m["state"] != "DONE":
                yield f"    {m['module']} {m['state']}" + (f": {m['message']}" if m["message"] else "")
    yield ""
