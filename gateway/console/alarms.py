"""Alarms: what a person must hear of without asking. Each once, then again every ``repeat_minutes`` while it lasts.

Gather the conditions, decide what is new, due again or over (``decide``, a function of values), then tell: always the
log; also a command, a webhook or mail where configured. A channel that fails is logged and tried again at the next sweep,
with all that it still has to tell (``Channels``); the others hear of it at once, and once.
"""

from __future__ import annotations

import http.client
import json
import smtplib
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from functools import partial
from typing import Any, Final

from sqlalchemy import text

from gateway import log
from gateway.answers.names import ACKNOWLEDGEMENT
from gateway.app import App
from gateway.clock import instant_text
from gateway.console.status import Status, slow_text, unfinished_text
from gateway.console.status import status as gather
from gateway.console.windows import at_stake, to_send
from gateway.delivery.reads import no_endpoint
from gateway.errors import GatewayError
from gateway.ledger.restored import COMMAND
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
            why = f["hold_text"] or f["hold_code"] or f"see gateway files show {f['id']}"
            out.append(
                Condition(f"file:{f['id']}:{f['state']}", f"FILE_{f['state']}", f"{f['name']} (#{f['id']}): {why}")
            )
    if found.restored is not None:
        words = f"the ledger was restored {found.restored.reason}: compare what left since, then {COMMAND}"
        out.append(Condition(f"restored:{found.restored.at}", "RESTORED", words))
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
    out += [
        Condition(f"slow:{x['portfolio']}:{x['business_date']}:{x['since']}", "PERIOD_SLOW", slow_text(x))
        for x in found.slow
    ]
    out += [
        Condition(
            f"reversal:{r['portfolio']}:{r['bank']}:{r['check_no']}:{r['last_day']}", "REVERSAL_LATE",
            f"the reversal of check {r['check_no']}{r['others']} of portfolio {r['portfolio']} has not left: {r['todo']}",
        )
        for r in found.reversals if r["urgent"]
    ]  # fmt: skip
    for o in found.outbound:
        if o["delivery"] in ("UNKNOWN", "NOT_DELIVERED"):
            state = o["delivery"].replace("_", " ").lower()
            out.append(Condition(f"delivery:{o['id']}:{o['delivery']}", f"DELIVERY_{o['delivery']}",
                                 f"{o['name']} (#{o['id']}) is {state}: {o['last_error'] or 'see gateway deliver list'}"))  # fmt: skip
        if o.get("stranded"):
            out.append(Condition(f"endpoint:{o['id']}", "ENDPOINT_UNKNOWN",
                                 f"{o['name']} (#{o['id']}) is {o['delivery']}: {no_endpoint(o['id'], o['endpoint'], o['delivery'])}"))  # fmt: skip
        if o.get("not_reached") and o["attempts"] >= TRIED:
            out.append(Condition(f"delivery:{o['id']}:PENDING", "ENDPOINT_NOT_REACHED",
                                 f"{o['name']} (#{o['id']}) has not left, tried {o['attempts']} times: {o['last_error']}"))  # fmt: skip
        if o.get("stopped"):
            out.append(Condition(f"delivery:{o['id']}:STOPPED", "DELIVERY_STOPPED",
                                 f"{o['name']} (#{o['id']}) does not leave: {o['last_error']}"))  # fmt: skip
        if o.get("in_clear"):
            out.append(
                Condition(f"delivery:{o['id']}:CLEAR", "DELIVERY_STOPPED", f"{o['name']} (#{o['id']}): {o['in_clear']}")
            )
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


@dataclass(slots=True)
class Channels:
    """What each channel still has to tell, as keys; kept from sweep to sweep by the one process that tells. What a process
    that ended had not told is told when it is due again."""

    waiting: dict[str, list[str]] = field(default_factory=dict)
    _troubles: dict[str, log.Trouble] = field(default_factory=dict)

    def tell(self, app: App, settings: Alarms, told: Sequence[Condition], now: Sequence[Condition]) -> None:
        """``told`` to every configured channel, and what it owes of what is so ``now``. A channel that fails is left until
        the next sweep: it may take its time to fail."""
        current = {c.key: c for c in (*now, *told)}
        for channel, send in _configured(app, settings):
            keys = self.waiting.setdefault(channel, [])
            keys[:] = [key for key in keys if key in current]
            keys += [c.key for c in told if c.key not in keys]
            while keys:
                key = keys.pop(0)
                if not self._sent(app, channel, partial(send, _document(app, current[key]))):
                    keys.append(key)  # last, so that one that the channel cannot tell does not keep the others back
                    break

    def _sent(self, app: App, channel: str, send: Callable[[], object]) -> bool:
        trouble = self._troubles.setdefault(
            channel, log.Trouble("gateway.alarms", "alarm_channel_failed", {"channel": channel})
        )
        try:
            send()
        except (GatewayError, OSError, smtplib.SMTPException, ValueError) as fault:
            trouble.met(fault, app.clock.monotonic())
            return False
        trouble.over()
        return True


def sweep(app: App, channels: Channels | None = None, more: Iterable[Condition] = ()) -> Sweep:
    """Look, remember, tell. ``channels``: of the sweep before; ``more``: what a status cannot see and the caller knows of."""
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
    told = (*decided.fresh, *decided.again)
    for c in told:
        _log.error("alarm", alarm_code=c.code, key=c.key, text=c.text)
    (channels or Channels()).tell(app, settings, told, found)
    return decided


def _document(app: App, condition: Condition) -> Mapping[str, Any]:
    return {"code": condition.code, "key": condition.key, "text": condition.text, "home": str(app.home.root)}


def _configured(app: App, settings: Alarms) -> Iterator[tuple[str, Callable[[Mapping[str, Any]], object]]]:
    if settings.command:
        yield "command", partial(_run, settings.command)
    if settings.webhook:
        yield "webhook", lambda document: _post(secret(settings.webhook, app.home, what="alarms.webhook"), document)
    if settings.mail_to:
        yield "mail", partial(_mail, settings)


def _run(command: Sequence[str], document: Mapping[str, Any]) -> None:
    """Raises GatewayError without the command's arguments: an address with a secret in it may be one of them."""
    try:
        subprocess.run(
            list(command), input=json.dumps(document).encode(), check=True, timeout=_TIMEOUT, capture_output=True
        )
    except subprocess.CalledProcessError as error:
        raise GatewayError(f"alarms.command: found that it ended with {error.returncode}, expected 0") from None
    except subprocess.TimeoutExpired:
        raise GatewayError(f"alarms.command: found it still at work after {_TIMEOUT} s, expected it to end") from None


def _post(url: str, document: Mapping[str, Any]) -> None:
    """Raises GatewayError without the address: whoever knows it may write there."""
    expected = "expected its address to take the alarm: look at the secret that alarms.webhook names"
    if not url.startswith(("https://", "http://")):
        raise GatewayError("alarms.webhook: found no http address, expected https://…")
    try:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            url, data=json.dumps(document).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise GatewayError(f"alarms.webhook: found the answer HTTP {error.code}, {expected}") from None
    except urllib.error.URLError as error:
        why = error.reason.strerror if isinstance(error.reason, OSError) else None
        raise GatewayError(f"alarms.webhook: found {why or type(error.reason).__name__}, {expected}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise GatewayError(f"alarms.webhook: found {type(error).__name__}, {expected}") from None


def _mail(settings: Alarms, document: Mapping[str, Any]) -> None:
    message = EmailMessage()
    message["Subject"] = f"lease-gateway: {document['code']}"
    message["From"] = settings.mail_from or "lease-gateway"
    message["To"] = ", ".join(settings.mail_to)
    message.set_content(f"{document['text']}\n\nHome: {document['home']}\nLook: gateway status\n")
    with smtplib.SMTP(settings.mail_host, timeout=_TIMEOUT) as server:
        server.send_message(message)
