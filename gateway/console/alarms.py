"""Alarms: what a person must hear of without asking. Each once, then again every ``repeat_minutes`` while it lasts.

Gather the conditions, decide what is new, due again or over (``decide``, a function of values), then tell: always the
log; also a command, a webhook or mail where configured. A channel that fails is logged and tried again at the next
sweep; it never stops the service.
"""

from __future__ import annotations

import json
import smtplib
import subprocess
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, Final

from sqlalchemy import text

from gateway import log
from gateway.answers.names import ACKNOWLEDGEMENT
from gateway.app import App
from gateway.clock import instant_text
from gateway.console.status import Status, unfinished_text
from gateway.console.status import status as gather
from gateway.console.windows import at_stake, to_send
from gateway.errors import GatewayError
from gateway.money import shown
from gateway.settings import Alarms, secret

_TIMEOUT: Final = 20
TRIED: Final = 3
"""Tries of an endpoint, some seconds apart, before people are told that it lets nothing in: one broken connection mends itself."""
_log = log.get("gateway.alarms")


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that should not be. ``key`` names the one thing it is about, so that it is told once."""

    key: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep does: ``fresh`` were not open before, ``again`` are due once more, ``over`` are keys to clear."""

    fresh: tuple[Condition, ...]
    again: tuple[Condition, ...]
    over: tuple[str, ...]


def conditions(found: Status) -> list[Condition]:
    """Every condition of a status, in a fixed order."""
    out = [
        Condition(f"late:{x['portfolio']}:{x['kind']}:{x['by']}", "FILE_LATE",
                  f"portfolio {x['portfolio']}: no {x['kind']} file by {x['by']}")
        for x in found.late
    ]  # fmt: skip
    for f in found.files:
        if f["state"] in ("HELD", "FAILED", "QUARANTINED"):
            why = f["hold_text"] or f["hold_code"] or "see gateway files show"
            out.append(
                Condition(f"file:{f['id']}:{f['state']}", f"FILE_{f['state']}", f"{f['name']} (#{f['id']}): {why}")
            )
    for p in found.portfolios:
        if not p["balanced"]:
            out.append(
                Condition(
                    f"balance:{p['portfolio']}", "OUT_OF_BALANCE", f"portfolio {p['portfolio']}: run gateway verify"
                )
            )
    for m in found.end_of_period:
        if m["state"].startswith("FAILED"):
            key = f"module:{m['portfolio']}:{m['business_date']}:{m['module']}"
            out.append(Condition(key, "MODULE_FAILED", f"portfolio {m['portfolio']} {m['module']}: {m['message']}"))
    out += [
        Condition(f"period:{x['portfolio']}:{x['business_date']}", "PERIOD_UNFINISHED", unfinished_text(x))
        for x in found.unfinished
    ]
    for o in found.outbound:
        if o["delivery"] in ("UNKNOWN", "NOT_DELIVERED"):
            state = o["delivery"].replace("_", " ").lower()
            out.append(Condition(f"delivery:{o['id']}:{o['delivery']}", f"DELIVERY_{o['delivery']}",
                                 f"{o['name']} (#{o['id']}) is {state}: {o['last_error'] or 'see gateway deliver list'}"))  # fmt: skip
        if o.get("stranded"):
            out.append(Condition(f"endpoint:{o['id']}", "ENDPOINT_UNKNOWN",
                                 f"{o['name']} (#{o['id']}) is {o['delivery']}: endpoint {o['endpoint']} is not in the settings"))  # fmt: skip
        if o.get("not_reached") and o["attempts"] >= TRIED:
            out.append(Condition(f"delivery:{o['id']}:PENDING", "ENDPOINT_NOT_REACHED",
                                 f"{o['name']} (#{o['id']}) has not left, tried {o['attempts']} times: {o['last_error']}"))  # fmt: skip
        if o.get("stopped"):
            out.append(Condition(f"delivery:{o['id']}:STOPPED", "DELIVERY_STOPPED",
                                 f"{o['name']} (#{o['id']}) does not leave: {o['last_error']}"))  # fmt: skip
    out += _cutoffs(found.outbound)
    out += [
        Condition(f"ack:{x['outbound_id']}", "ACKNOWLEDGEMENT_MISSING",
                  f"{x['name']} at {x['endpoint']}: none by {x['due']}")
        for x in found.unacknowledged
    ]  # fmt: skip
    out += [
        Condition(f"clearing:{c['portfolio']}:{c['bank']}:{c['check_no']}", "MONEY_TWICE",
                  f"check {c['check_no']} of bank {c['bank']}, portfolio {c['portfolio']}: {c['todo']}")
        for c in found.clearing
    ]  # fmt: skip
    out += _answers(found.answers)
    return out


def _answers(waiting: Sequence[Mapping[str, Any]]) -> Iterator[Condition]:
    """A refusal of the bank by file; all other answers that wait as one condition, which ends when the last is cleared."""
    others = []
    for a in waiting:
        if a["kind"] == ACKNOWLEDGEMENT:
            said = a["outcome"] or f"{a['answers']} words of the bank wait for a person"
            yield Condition(f"answers:{a['file_id']}", "BANK_REFUSED", f"{a['name']} (#{a['file_id']}): {said}")
        else:
            others.append(a)
    count = sum(a["answers"] for a in others)
    if others:
        yield Condition(
            "answers", "ANSWERS_WAIT",
            f"{count} {'answer' if count == 1 else 'answers'} of the bank in {len(others)} "
            f"{'file' if len(others) == 1 else 'files'} for a person, {shown(sum(a['amount_cents'] for a in others))}: "
            "gateway answers list --state UNMATCHED",
        )  # fmt: skip


def _cutoffs(outbound: Sequence[Mapping[str, Any]]) -> Iterator[Condition]:
    """Money that may miss a window of its endpoint, one alarm a window; money that missed one, or its day, by file."""
    for window in at_stake(outbound):
        if window["near"]:
            yield Condition(
                f"window:{window['endpoint']}:{window['window']}", "WINDOW_CLOSING",
                f"endpoint {window['endpoint']} takes files until {window['window']}: {to_send(window)}",
            )  # fmt: skip
    for o in outbound:
        if o.get("late"):
            yield Condition(f"late:{o['id']}", "OUTBOUND_LATE", f"{o['name']} (#{o['id']}): {o['late']}")
        if o.get("window_missed"):
            yield Condition(
                f"window:{o['id']}:{o['window_missed']}", "WINDOW_MISSED",
                f"{o['name']} (#{o['id']}), {shown(o['at_stake_cents'])}, was not sent by {o['window_missed']}; the next window of "
                f"{o['endpoint']} closes at {o['window']}" + (f"; {o['window_outcome']}" if o["window_outcome"] else ""),
            )  # fmt: skip


def decide(now: Sequence[Condition], opened: Mapping[str, str], at: datetime, repeat_minutes: int) -> Sweep:
    """``opened``: key -> instant last told, of the alarms that are open."""
    limit = instant_text(at - timedelta(minutes=repeat_minutes))
    keys = {c.key for c in now}
    return Sweep(
        tuple(c for c in now if c.key not in opened),
        tuple(c for c in now if c.key in opened and opened[c.key] <= limit),
        tuple(sorted(key for key in opened if key not in keys)),
    )


def sweep(app: App, more: Iterable[Condition] = ()) -> Sweep:
    """Look, remember, tell. ``more``: what a status does not show and the caller knows of."""
    settings = app.settings.gateway.alarms
    at = app.clock.now()
    found = [*conditions(gather(app, None)), *more]
    with app.db.write() as connection:
        app.db.lock(connection, "alarms")
        rows = connection.execute(text("SELECT key, last_sent_at FROM alarm WHERE cleared_at IS NULL")).all()
        decided = decide(found, {r.key: r.last_sent_at for r in rows}, at, settings.repeat_minutes)
        stamp = instant_text(at)
        for c in decided.fresh:
            connection.execute(
                text(
                    "INSERT INTO alarm (key, code, text, raised_at, last_sent_at) VALUES (:key, :code, :text, :at, :at)"
                ),
                {"key": c.key, "code": c.code, "text": c.text, "at": stamp},
            )
        for c in decided.again:
            connection.execute(
                text("UPDATE alarm SET last_sent_at = :at WHERE key = :key AND cleared_at IS NULL"),
                {"at": stamp, "key": c.key},
            )
        for c in found:  # what is told once more or looked at is how things are now
            connection.execute(
                text("UPDATE alarm SET text = :text WHERE key = :key AND cleared_at IS NULL AND text <> :text"),
                {"text": c.text, "key": c.key},
            )
        for key in decided.over:
            connection.execute(
                text("UPDATE alarm SET cleared_at = :at WHERE key = :key AND cleared_at IS NULL"),
                {"at": stamp, "key": key},
            )
    for c in (*decided.fresh, *decided.again):
        tell(app, settings, c)
    return decided


def tell(app: App, settings: Alarms, condition: Condition) -> None:
    """The log, then every configured channel."""
    _log.error("alarm", alarm_code=condition.code, key=condition.key, text=condition.text)
    document = {"code": condition.code, "key": condition.key, "text": condition.text, "home": str(app.home.root)}
    if settings.command:
        _attempt("command", lambda: _run(settings.command, document))
    if settings.webhook:
        _attempt("webhook", lambda: _post(secret(settings.webhook, app.home, what="alarms.webhook"), document))
    if settings.mail_to:
        _attempt("mail", lambda: _mail(settings, document))


def _attempt(channel: str, action: Any) -> None:
    try:
        action()
    except (OSError, subprocess.SubprocessError, smtplib.SMTPException, ValueError, GatewayError) as error:
        _log.error("alarm_channel_failed", channel=channel, error=str(error))


def _run(command: Sequence[str], document: Mapping[str, Any]) -> None:
    subprocess.run(
        list(command), input=json.dumps(document).encode(), check=True, timeout=_TIMEOUT, capture_output=True
    )


def _post(url: str, document: Mapping[str, Any]) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("found a webhook that is no http address, expected https://…")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url, data=json.dumps(document).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
        pass


def _mail(settings: Alarms, document: Mapping[str, Any]) -> None:
    message = EmailMessage()
    message["Subject"] = f"lease-gateway: {document['code']}"
    message["From"] = settings.mail_from or "lease-gateway"
    message["To"] = ", ".join(settings.mail_to)
    message.set_content(f"{document['text']}\n\nHome: {document['home']}\nLook: gateway status\n")
    with smtplib.SMTP(settings.mail_host, timeout=_TIMEOUT) as server:
        server.send_message(message)
