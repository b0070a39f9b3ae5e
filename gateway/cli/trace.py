"""``gateway trace``: what a reference leads to, as a page for a person or one JSON document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import typer

from gateway.cli.common import DONE, WITH_REJECTS, Session, command, money_as_text
from gateway.errors import UsageError
from gateway.ledger.trace import trace as follow
from gateway.ledger.trace_repairs import repair_line
from gateway.ledger.trace_story import Story
from gateway.ledger.trace_way import Step, ended
from gateway.money import shown


def register(app: typer.Typer) -> None:
    command(app, "trace", example="gateway trace 091000010000123")(trace)


def trace(
    session: Session,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF",
            help="Lease, invoice, batch, check, item:N (suspense), vendor, trace number, file[:line], entry or amount.",
        ),
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many entries.")] = 200,
) -> int:
    """Follow money both ways: file and line, entry, outbound record, delivery, the bank's answer, and back."""
    if not reference.strip():
        raise UsageError("trace: found an empty reference, expected a lease, check, trace number or the like; give one")
    with session.app.db.read() as connection:
        stories = follow(connection, reference, limit=limit)
    session.show({"stories": [document(s) for s in stories]}, page(reference, stories, session.when))
    return DONE if stories else WITH_REJECTS


def document(story: Story) -> dict[str, Any]:
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
        "repairs": rows(story.repairs),
        "batches": rows(story.batches), "suspense": rows(story.suspense), "moves": rows(story.moves), "checks": rows(story.checks),
        "outbound": rows(story.outbound), "answers": rows(story.answers), "changes": rows(story.changes),
        "way": rows([step._asdict() for step in story.way]), "more": story.more,
    }  # fmt: skip


_TAKEN_BACK: Final = "taken_back_with_file"
_NOT_SHOWN: Final = (_TAKEN_BACK, "unit_id", "outbound_id", "file_id", "line_no")
"""Facts of a check that its way says in words."""


def page(reference: str, stories: list[Story], when: Callable[[str | None], str]) -> Iterator[str]:
    """``when`` shows an instant as people read it."""
    if not stories:
        yield f"Found nothing that {reference} names, expected a lease, invoice, batch, check, suspense item (item:N), vendor, trace number, file, entry or amount; gateway ledger --help, gateway files list and gateway outbound list have them."
    for story in stories:
        yield _head(story)
        if story.facts.get(_TAKEN_BACK) is not None:
            yield f"  taken back with file {story.facts[_TAKEN_BACK]}"
        yield from _way(story, when)
        yield from _came(story)
        for e in story.entries:
            yield from _entry(e)
        yield from _payments(story)
        yield from _left(story, when)
        if story.more:
            yield "  … there is more; --limit N shows it"
        yield ""


def _head(story: Story) -> str:
    left_out = _NOT_SHOWN if story.kind == "check" else (_TAKEN_BACK,)
    return f"{story.kind} {story.reference}: " + ", ".join(
        f"{k} {v}"
        for k, v in money_as_text(story.facts).items()
        if v not in (None, "", story.reference) and k not in left_out
    )


def _came(story: Story) -> Iterator[str]:
    for f in story.files:
        if f is not story.facts:
            yield f"  from file {f['name']} (#{f['file_id']}, {f['state']}, sha256 {f['sha256'][:12]}…, archived)"
    for r in story.records:
        yield "  record: " + ", ".join(f"{k} {v}" for k, v in money_as_text(r).items() if v is not None)
    yield from map(repair_line, story.repairs)
    for m in story.messages:
        yield f"  line {m['line_no']}: {m['code']}: found {m['found']}, expected {m['expected']}; {m['action']}"


def _payments(story: Story) -> Iterator[str]:
    for b in story.batches:
        yield (
            f"  payment {b['batch']} line {b['line']}: check {b['check_no'] or '-'}, invoice {b['invoice'] or '-'}, "
            f"{shown(b['amount_cents'])}, {b['state']}"
        )
    for s in story.suspense if story.kind != "suspense item" else ():
        yield f"  suspense item {s['item']} ({s['kind']}): {shown(s['amount_cents'])}, open {shown(s['remaining_cents'])}, {s['reason']}"
    for m in story.moves:
        yield f"  suspense item {m['item']} move {m['number']}: {_move(m)}"


def _left(story: Story, when: Callable[[str | None], str]) -> Iterator[str]:
    """Checks, files and answers; what the way of a check said is not said again."""
    sent = {(s.outbound_id, s.seq) for s in story.way}
    answered = {(s.file_id, s.number) for s in story.way if s.number is not None}
    for c in () if story.way else story.checks:
        issue = f", issue {c['issue']}" if c["issue"] > 1 else ""
        yield f"  check {c['check_no']} {c['type']}: {shown(c['amount_cents'])} due {c['disbursement_date']}, {c['state']}{issue}"
    for o in story.outbound:
        if (o["outbound_id"], o["seq"]) not in sent:
            yield (
                f"  {_what(o['entry_kind'], o['amount_cents'], o['effective_date'])}in {o['name']} (#{o['outbound_id']}, "
                f"{o['state']}) row {o['seq']}"
                + (f", trace number {o['trace_number']}" if o["trace_number"] else "")
                + _delivered(o, when)
            )
    for a in story.answers:
        if (a["file_id"], a["number"]) not in answered:
            yield (
                f"  the bank answered in {a['file']} (#{a['file_id']}) line {a['line_no']}, {a['state']}: {a['outcome']}"
                + ended(a)
            )
    for c in story.changes:
        decided = f" by {c['checker']}" if c["checker"] else ""
        yield (
            f"  change {c['change_id']} of vendor {c['vendor']} ({c['fields']}), {c['state']}{decided}: {c['reason']}, "
            f"proposed by {c['maker']}"
        )


# --- the way of a check -------------------------------------------------------------------------------------


def _way(story: Story, when: Callable[[str | None], str]) -> Iterator[str]:
    """Step by step; a story of several checks says whose."""
    instants = [when(s.at) for s in story.way]
    width = max(map(len, instants), default=0)
    checks = {f"{c['portfolio']}/{c['bank']}/{c['check_no']}": c for c in story.checks}
    own = {s.check: s.amount_cents for s in story.way if s.step == "MADE"}
    before = None
    for step, instant in zip(story.way, instants, strict=True):
        if step.check != before and step.check in checks:
            c = checks[step.check]
            issue = f", issue {c['issue']}" if c["issue"] > 1 else ""
            yield f"  check {step.check} {c['type']}: {shown(c['amount_cents'])} due {c['disbursement_date']}, {c['state']}{issue}"
        before = step.check
        yield f"    {instant:{width}}  {_step(step, own.get(step.check))}"


def _step(s: Step, own_cents: int | None) -> str:
    """``own_cents`` is the check's: an entry or an answer may be about several."""
    by, why = f" by {s.by}" if s.by else "", f": {s.reason}" if s.reason else ""
    entry = f" (entry {s.entry})" if s.entry is not None else ""
    file = f"{s.outbound} (#{s.outbound_id})"
    match s.step:
        case "MADE" if s.at is None:
            return f"made elsewhere, {_cents(s)} due {s.effective_date}"
        case "MADE":
            source = f"{s.file} (#{s.file_id}) line {s.line_no}" if s.file else s.state
            return f"made from {source}, {_cents(s)} due {s.effective_date}, posting unit {s.unit}{by}{why}"
        case "FINDING":
            return f"{s.state}{why}" + ("" if s.outbound_id else f" (withheld on {s.business_date})")
        case "ACCEPTED":
            return f"{s.state} accepted{by}{why}"
        case "BUILT":
            return (
                f"{_what(s.entry_kind, s.amount_cents, s.effective_date, own_cents)}in {file} row {s.seq}, trace number "
                f"{s.trace_number}, built{by}" + _issue(s) + ("; waits for release" if s.state == "BUILT" else "")
            )
        case "LISTED":
            return f"listed in {file}, {s.state}"
        case "RELEASED":
            lies = "; it stays in outbox/" + (f" of {s.machine}" if s.machine else "")
            return f"{file} released{by}" + (lies if s.state == "LOCAL" else "")
        case "REJECTED":
            called_back = (s.reason or "").startswith("called back: ")
            return f"{file} taken back{by}{why}" if called_back else f"{file} rejected{by}{why}"
        case "DELIVERY":
            people = f", settled{by}" if s.by else ""
            return f"{file} {s.state} at {s.endpoint}{people}{why}"
        case "TAKEN":
            return f"{file} taken from outbox/{by}{why}"
        case "LEFT":
            return f"{file} left all the same, as said{by}{why}"
        case "ANSWERED":
            return f"the bank answered in {s.file} (#{s.file_id}) line {s.line_no}, {s.state}{why}"
        case "SETTLED":
            return f"its reversal settled, {_cents(s)}, business date {s.business_date}{entry}"
        case "ALERT" | "ALERT OFF" | "OVERRIDE":
            words = {"ALERT": "put on alert", "ALERT OFF": "off alert", "OVERRIDE": "paid despite its alert"}
            return f"vendor {s.state} {words[s.step]}{by}{why}"
        case "PAID AGAIN":
            return f"paid again as issue {s.issue}{by}{why}{entry}"
        case "VOIDED" | "VOID TAKEN BACK":
            return f"{s.step.lower()}{by}{why}{entry}"
        case _:
            what = "CLEARING cleared" if s.state == "VCLEAR" else f"posted by {s.state}"
            return f"{what}, {_cents(s)}{by}{why}{entry}"


def _cents(s: Step) -> str:
    return shown(s.amount_cents or 0)


def _issue(s: Step) -> str:
    return f", issue {s.issue}" if s.issue and s.issue > 1 else ""


def _move(m: dict[str, Any]) -> str:
    what = f"{m['kind']} {shown(m['amount_cents'])}" if m["amount_cents"] else m["kind"]
    where = [
        f"invoice {m['invoice']} {m['charge']}" if m["invoice"] else None,
        f"check {m['check_no']} of bank {m['bank']}" if m["bank"] else None,
        f"takes back move {m['undoes']}" if m["undoes"] else None,
    ]
    return ", ".join([what, *(w for w in where if w), f"by {m['operator']}: {m['text']}"])


def _what(kind: str | None, cents: int | None, effective_date: str | None, own_cents: int | None = None) -> str:
    """A bank file's record with its kind, amount and day; another file's by its place alone. Where it is for several
    checks, what of it is one's own."""
    if kind is None:
        return ""
    what = {"LIVE": "payment", "PRENOTE": "prenote", "REVERSAL": "reversal", "OFFSET": "offset"}[kind]
    own = f" ({shown(own_cents)} for this check)" if cents and own_cents not in (None, cents) else ""
    return what + (f" of {shown(cents)}" if cents else "") + own + f" for {effective_date} "


def _delivered(o: dict[str, Any], when: Callable[[str | None], str]) -> str:
    if o["delivery_state"]:
        return f"; {o['delivery_state']} at {o['endpoint']} {when(o['delivered_at'])}".rstrip()
    if o["taken_at"]:
        return f"; taken from outbox/ {when(o['taken_at'])}".rstrip()
    words = {"LOCAL": "it stays in outbox/", "BUILT": "it waits for release", "REJECTED": "it never left"}
    return f"; {words.get(o['state'], 'not delivered yet')}"


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
