"""What `gateway outbound show` says of one file before it leaves, as JSON and as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from gateway.cli.common import table
from gateway.ledger.ach_answers import Held
from gateway.ledger.ach_checks import LEFT_ALL_THE_SAME
from gateway.money import from_cents, shown
from gateway.outbound.states import SEALED_KINDS
from gateway.release import openpgp, release, review
from parsers.nacha_reasons import reason

_SHOWN: Final = 20
"""Findings of one rule, and payees, on a page; --json has all."""


def document(found: dict[str, Any]) -> dict[str, Any]:
    """What was found, with cents as dollars and cents."""
    return {k: from_cents(v) if k in release.MONEY_COLUMNS else v for k, v in found.items()} | {
        "classes": [row | {"amount": from_cents(row["amount"])} for row in found["classes"]]
    }


def page(found: dict[str, Any], when: Callable[[str | None], str]) -> list[str]:
    """What was found, as lines; a file that waits ends with the commands that open and release it. ``when`` shows an
    instant as people read it."""
    lines = [
        f"{found['name']}  (#{found['id']}, {found['kind']}, portfolio {found['portfolio']})",
        f"  state      {found['state']}"
        + (f": {found['hold_text']}" if found["hold_text"] and found["state"] == "BUILT" else ""),
        f"  records    {found['records']:,}   bytes {found['bytes']:,}",
        f"  debits     {shown(found['total_debit'])}",
        f"  credits    {shown(found['total_credit'])}",
        f"  sha256     {found['sha256']}",
        f"  made by    {found['maker']} at {when(found['built_at'])} for business date {found['business_date']}",
        *(
            f"             {p['what']} by {p['operator']}" + (f" ({p['user']})" if p["user"] else "")
            for p in found["parts"][1:]
        ),
        *_refuses(found["header"].get("refuses")),
        *_spelled(found["header"].get("spelled", ())),
        *_lifted(found["lifted"], found["id"], when),
        f"  goes to    {found['endpoint'] or 'nowhere; it stays in outbox/'}",
        *([f"  lies at    {found['machine']}, in its outbox"] if found["machine"] else []),
        *_encrypts_to(found["encrypts_to"]),
    ]
    if found.get("window_missed"):
        lines.append(f"  MISSED     it was not sent by {found['window_missed']}")
    if found.get("window"):
        lines.append(f"  window     the next one closes at {found['window']}")
    if found.get("window_outcome"):
        lines.append(f"             {found['window_outcome']}")
    if found.get("late"):
        lines.append(f"  LATE       {found['late']}")
    if found["approved_by"]:
        left = (found["reason"] or "").startswith(LEFT_ALL_THE_SAME)
        decided = "rejected" if found["state"] == "REJECTED" else "it left " if left else "released"
        lines.append(f"  {decided}   by {found['approved_by']} at {when(found['approved_at'])}")
    if found["reason"]:
        lines.append(f"  reason     {found['reason']}")
    if found["message"]:
        m = found["message"]
        lines.append(f"  message    {m['name']}, bytes {m['bytes']:,}, sha256 {m['sha256']}")
        lines.append(
            f"             to key {m['recipient']}, " + (f"signed by {m['signer']}" if m["signer"] else "not signed")
        )
    if found["in_clear"]:
        lines.append(f"  IN CLEAR   {found['in_clear']}")
    if found["delivery"]:
        d = found["delivery"]
        lines.append(f"  delivery   {d['state']} as {d['remote_name']} at {d['endpoint']}, attempts {d['attempts']}")
    if found["refused"]:
        lines.append(f"  REFUSED    by the bank (answer {found['refused']['answer']}): {found['refused']['outcome']}")
    lines += [f"  HELD       by {Held(**one).said}" for one in found["at_bank"]]
    if found["at_bank"]:
        lines.append("             until it is cleared: gateway answers list --state UNMATCHED")
    if found["state"] == "LOCAL" and found["kind"] in SEALED_KINDS:
        its = found["fetched"]
        said = (
            f"by {its['operator']} ({its['os_user']}) at {when(its['at'])}: {its['reason']}"
            if its
            else f"nobody said so yet; when it is: gateway outbound taken {found['id']} --reason …"
        )
        lines.append(f"  fetched    {said}")
    if found["settles"]:
        lines.append(f"  settles    {_settles(found['settles'], when)}")
    if found["classes"]:
        rows = [tuple(row.values()) for row in found["classes"]]
        lines += ["", *table(review.CLASS_COLUMNS, rows, money=("amount",))]
    for action, head in (("HOLD", "Held by"), ("WARN", "Warnings")):
        its = [f for f in found["findings"] if f["action"] == action]
        if its:
            lines += ["", f"{head}:", *_findings(its, found["id"])]
    if found["state"] == "BUILT":
        rules = dict.fromkeys(f["rule"] for f in found["findings"] if f["action"] == "HOLD")
        accept = "".join(f" --accept {rule}" for rule in rules) + (" --reason …" if rules else "")
        leader = found["follows"]
        lines += [
            "",
            f"To look inside: gateway explain outbox/{found['name']}",
            f"To release it:  gateway outbound approve {found['id']} --sha256 {found['sha256'][:12]}{accept}"
            if leader is None
            else f"It is released or rejected with {leader['name']}: gateway outbound show {leader['id']}",
        ]
    return lines


def _encrypts_to(its: dict[str, Any] | None) -> Iterator[str]:
    """To whose key it will be encrypted; or why it cannot be released."""
    if its is not None:
        yield f"  NO KEY     {its['refused']}" if its["refused"] else f"  to key     {openpgp.Recipient(**its).said}"


def _refuses(its: dict[str, str] | None) -> Iterator[str]:
    """Of a notification of change that goes back: which, and why."""
    if its:
        yield f"  refuses    answer {its['answer']} with {its['code']} {reason(its['code'])}: {its['reason']}"
        yield f"             what it said: gateway answers show {its['answer']}"


def _spelled(its: Sequence[str]) -> Iterator[str]:
    """Of names and references that leave otherwise than they were written."""
    for text in its[:_SHOWN]:
        yield f"  spelled    {text}"
    if len(its) > _SHOWN:
        yield f"             and {len(its) - _SHOWN:,} more; --json has all"


def _lifted(its: list[dict[str, Any]], outbound_id: int, when: Callable[[str | None], str]) -> Iterator[str]:
    """A line a payee."""
    by_payee: dict[str, list[str]] = {}
    for one in its:
        said = f"{one['what']} by {one['operator']} ({one['user']}) at {when(one['at'])}: {one['reason']}"
        by_payee.setdefault(one["vendor"], []).append(said)
    for n, (vendor, said_of) in enumerate(by_payee.items()):
        if n == _SHOWN:
            yield f"             and of {len(by_payee) - _SHOWN:,} more payees: gateway outbound show {outbound_id} --json"
            return
        yield f"  {'' if n else 'alerts':10} vendor {vendor} {'; '.join(said_of)}"


def _settles(its: dict[str, Any], when: Callable[[str | None], str]) -> str:
    if its["error"]:
        return str(its["error"])
    came = f"it came to the bank at {when(its['came_at'])}" if its["at_bank"] else "if it comes to the bank now"
    late = its["on"] > its["effective"]
    return f"{its['on']}" + (f", not on its effective date {its['effective']}: {came}" if late else "")


def _findings(its: list[dict[str, Any]], outbound_id: int) -> Iterator[str]:
    for rule in dict.fromkeys(f["rule"] for f in its):
        of_rule = [f for f in its if f["rule"] == rule]
        for f in of_rule[:_SHOWN]:
            yield f"  {rule:16} {f['detail']}"
        if len(of_rule) > _SHOWN:
            yield f"  {rule:16} and {len(of_rule) - _SHOWN:,} more: gateway outbound show {outbound_id} --json"
        if of_rule[0]["accepted_by"]:
            yield f"  {'':16} accepted by {of_rule[0]['accepted_by']}: {of_rule[0]['accepted_reason']}"
