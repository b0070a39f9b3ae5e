"""Alarms: told once, again while they last, cleared when over; every channel; a broken channel stops nothing."""

from __future__ import annotations

import json
import smtplib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway import log
from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.console import alarms
from gateway.console.alarms import Condition, decide
from gateway.home import Home
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.restored import Uncompared
from gateway.settings_reading import load_settings
from gateway.vault import Vault

A, B = Condition("a", "FILE_HELD", "a is held"), Condition("b", "FILE_LATE", "b is late")
NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
EARLIER, LATELY = "2026-03-02T13:00:00.000000Z", "2026-03-02T13:00:01.000000Z"


@pytest.mark.parametrize(
    ("now", "opened", "fresh", "again", "over"),
    [
        ([], {}, "", "", ""),
        ([A], {}, "a", "", ""),
        ([A, B], {"a": LATELY}, "b", "", ""),
        ([A], {"a": EARLIER}, "", "a", ""),
        ([A], {"a": LATELY}, "", "", ""),
        ([], {"b": LATELY, "a": EARLIER}, "", "", "ab"),
        ([B], {"a": EARLIER}, "b", "", "a"),
    ],
)
def test_what_a_sweep_does(now: list[Condition], opened: dict[str, str], fresh: str, again: str, over: str) -> None:
    found = decide(now, opened, NOW, 60)
    assert ["".join(c.key for c in found.fresh), "".join(c.key for c in found.again), "".join(found.over)] == [
        fresh,
        again,
        over,
    ]


@pytest.fixture
def app(home: Home, db: Database, clock: FixedClock, tmp_path: Path) -> App:
    """A ledger with one held file, and a command that appends what it is told to a file."""
    code = f"import sys; open({str(tmp_path / 'told')!r}, 'a').write(sys.stdin.read() + chr(10))"
    home.settings_file.write_text(f"[alarms]\ncommand = {json.dumps([sys.executable, '-c', code])}\n")
    with db.write() as connection:
        connection.execute(
            schema.portfolio.insert(),
            {"portfolio": "1", "name": "MAIN", "business_date": "2026-03-02", "period_state": "OPEN"},
        )
        connection.execute(
            text(
                "INSERT INTO alarm (key, code, text, raised_at, last_sent_at) "
                "VALUES ('gone', 'FILE_HELD', 'long over', :at, :at)"
            ),
            {"at": EARLIER},
        )
    operator = Operator("ABC", "alex", frozenset({"post"}))
    return App(home, load_settings(home), clock, db, Vault(bytes(32)), operator)


def told(folder: Path) -> list[dict[str, Any]]:
    path = folder / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_sweep_tells_once_and_again_and_clears(
    app: App, clock: FixedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = [A]
    monkeypatch.setattr(alarms, "conditions", lambda _found: conditions)
    assert alarms.sweep(app).over == ("gone",)
    assert [t["key"] for t in told(tmp_path)] == ["a"]
    assert told(tmp_path)[0] == {"code": "FILE_HELD", "key": "a", "text": "a is held", "home": str(app.home.root)}
    clock.wait(59 * 60)
    alarms.sweep(app)
    assert len(told(tmp_path)) == 1
    clock.wait(60)
    alarms.sweep(app)
    assert [t["key"] for t in told(tmp_path)] == ["a", "a"]
    conditions.clear()
    assert alarms.sweep(app).over == ("a",)
    conditions.append(A)
    assert alarms.sweep(app).fresh == (A,)
    with app.db.read() as connection:
        rows = connection.execute(text("SELECT key, cleared_at IS NULL FROM alarm ORDER BY alarm_id")).all()
    assert [(key, bool(is_open)) for key, is_open in rows] == [("gone", False), ("a", False), ("a", True)]


def test_a_name_nobody_knows_and_a_late_file_are_conditions_of_a_real_status(app: App) -> None:
    from gateway.console.status import status

    (app.home.portfolios / "p01.toml").write_text('[[expected]]\nkind = "escrow"\nby = "08:00"\n')
    late = App(app.home, load_settings(app.home), app.clock, app.db, app.vault, app.operator)
    assert [c.code for c in alarms.conditions(status(late, None))] == ["FILE_LATE"]


def test_a_file_that_is_held_since_yesterday_is_not_todays(app: App) -> None:
    """It kept the alarm away for as long as it lay there."""
    from gateway.console.status import status

    (app.home.portfolios / "p01.toml").write_text('[[expected]]\nkind = "escrow"\nby = "08:00"\n')
    app = replace(app, settings=load_settings(app.home))
    file: dict[str, Any] = {
        "name": "p1_btchescr.dat", "kind": "escrow", "form": "dat", "portfolio": "1", "source": "inbox", "sha256": "x",
        "bytes": 1, "state": "HELD", "hold_code": "OVERLAP", "claim_name": "c", "claimed_at": "2026-02-28T01:00:00.000000Z",
        "operator": "ABC", "owner": "alex", "reported": "Y",
    }  # fmt: skip
    with app.db.write() as connection:
        connection.execute(schema.inbound_file.insert(), file)
    assert [c.code for c in alarms.conditions(status(app, None))] == ["FILE_HELD"], "the ledger's first date is open"
    with app.db.write() as connection:
        connection.execute(
            schema.eop_run.insert(),
            {
                "portfolio": "1", "business_date": "2026-02-27", "state": "DONE", "operator": "ABC",
                "started_at": "2026-02-28T02:00:00.000000Z", "ended_at": "2026-02-28T03:00:00.000000Z",
            },
        )  # fmt: skip
    assert [c.code for c in alarms.conditions(status(app, None))] == ["FILE_LATE", "FILE_HELD"]
    assert status(app, "2026-02-27").late == [], "it came on that date"


def test_every_trouble_is_a_condition_of_its_own() -> None:
    from tests.console.test_status import FILE, MODULE, OUT, PORTFOLIO, QUIET

    found = alarms.conditions(
        QUIET.__class__(
            None, [PORTFOLIO | {"balanced": False}], [FILE, FILE | {"state": "POSTED"}],
            [{"portfolio": "1", "kind": "escrow", "by": "2026-03-02 09:00 EST"}],
            [OUT, OUT | {"id": 4, "delivery": "NOT_DELIVERED", "last_error": None}, OUT | {"delivery": "DELIVERED"}],
            [MODULE, MODULE | {"state": "DONE"}], [], [],
        )
    )  # fmt: skip
    assert [c.code for c in found] == [
        "FILE_LATE", "FILE_HELD", "OUT_OF_BALANCE", "MODULE_FAILED", "DELIVERY_UNKNOWN", "DELIVERY_NOT_DELIVERED",
    ]  # fmt: skip
    assert len({c.key for c in found}) == len(found)


@pytest.mark.parametrize(("tries", "told"), [(1, []), (alarms.TRIED, ["ENDPOINT_NOT_REACHED"])])
def test_an_endpoint_that_lets_nothing_in_is_told_after_some_tries(tries: int, told: list[str]) -> None:
    from tests.console.test_status import OUT, QUIET

    waits = OUT | {"delivery": "PENDING", "not_reached": True, "attempts": tries}
    found = alarms.conditions(replace(QUIET, outbound=[waits]))
    assert [c.code for c in found] == told
    assert all(c.text == f"B.DAT (#3) has not left, tried {tries} times: connection lost" for c in found)


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes], list[int]]]:
    received: list[bytes] = []
    answers = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(answers[0])
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/x", received, answers
        server.shutdown()
        thread.join()


def settings_with(app: App, **changes: Any) -> Any:
    return app.settings.gateway.alarms.model_copy(update={"command": (), **changes})


def test_a_webhook_by_reference(
    app: App, webhook: tuple[str, list[bytes], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, received, _answers = webhook
    monkeypatch.setenv("HOOK", url)
    alarms.Channels().tell(app, settings_with(app, webhook="env:HOOK"), [A], [A])
    assert json.loads(received[0])["text"] == "a is held"


def test_mail(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[EmailMessage] = []

    class Server:
        def __init__(self, host: str, timeout: float) -> None:
            assert (host, timeout) == ("mail.example", 20)

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing to close."""

        def send_message(self, message: EmailMessage) -> None:
            sent.append(message)

    monkeypatch.setattr(smtplib, "SMTP", Server)
    channels = alarms.Channels()
    channels.tell(app, settings_with(app, mail_to=("a@example", "b@example"), mail_host="mail.example"), [A], [A])
    assert (sent[0]["To"], sent[0]["Subject"]) == ("a@example, b@example", "lease-gateway: FILE_HELD")
    assert "a is held" in sent[0].get_content()


SECRET = "hooks-secret"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"webhook": "env:BAD_HOOK"}, "alarms.webhook: found no http address, expected https://…"),
        ({"webhook": "env:CLOSED_HOOK"}, "alarms.webhook: found Connection refused, expected its address to take the alarm"),
        ({"webhook": "env:BLANK_HOOK"}, "alarms.webhook: found InvalidURL, expected"),
        ({"webhook": "env:PORT_HOOK"}, "alarms.webhook: found InvalidURL, expected"),
        ({"webhook": "env:FOREIGN_HOOK"}, "alarms.webhook: found UnicodeEncodeError, expected"),
        ({"webhook": "env:GARBAGE_HOOK"}, "alarms.webhook: found BadStatusLine, expected"),
        ({"webhook": "env:UNSET_HOOK"}, "alarms.webhook: found no environment variable UNSET_HOOK"),
        ({"mail_to": ("a@example",), "mail_host": "127.0.0.1"}, "nobody there"),
        ({"command": (sys.executable, "-c", "raise SystemExit(3)", SECRET)}, "alarms.command: found that it ended with 3"),
        ({"command": ("/nowhere/at/all", SECRET)}, "[Errno 2] No such file or directory: '/nowhere/at/all'"),
        ({"command": (sys.executable, "-c", "input(); input()", SECRET)}, "alarms.command: found that it ended with 1"),
    ],
)  # fmt: skip
def test_a_channel_that_fails_is_logged_without_its_address_and_the_others_hear(
    app: App, broken: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, garbage: str
) -> None:
    heard: list[str] = []
    monkeypatch.setenv("BAD_HOOK", f"ftp://x/{SECRET}")
    monkeypatch.setenv("CLOSED_HOOK", f"http://127.0.0.1:1/{SECRET}")
    monkeypatch.setenv("BLANK_HOOK", f"http://127.0.0.1:1/a {SECRET}")
    monkeypatch.setenv("PORT_HOOK", f"http://127.0.0.1:{SECRET}/")
    monkeypatch.setenv("FOREIGN_HOOK", f"http://127.0.0.1:1/é{SECRET}")
    monkeypatch.setenv("GARBAGE_HOOK", f"{garbage}/{SECRET}")
    monkeypatch.setattr(smtplib, "SMTP", _refuse)
    if "mail_to" not in broken:
        monkeypatch.setattr(alarms, "_mail", lambda _settings, document: heard.append("mail " + document["key"]))
        broken = broken | {"mail_to": ("a@example",)}
    if "command" not in broken:
        monkeypatch.setattr(alarms, "_run", lambda _command, document: heard.append("command " + document["key"]))
        broken = broken | {"command": ("any",)}
    log.set_up(tmp_path, terminal=False)
    channels = alarms.Channels()
    for told in ([A, B], []):
        channels.tell(app, settings_with(app, **broken), told, [A, B])
    log.set_up(None, terminal=False)
    works = {"command", "mail"} - {name for name, keys in channels.waiting.items() if keys}
    assert sorted(heard) == sorted(f"{name} {key}" for name in works for key in "ab"), "once each"
    assert sorted(keys for keys in map(sorted, channels.waiting.values()) if keys) == [["a", "b"]]
    logged = (tmp_path / "gateway.log").read_text()
    (event,) = [json.loads(line) for line in logged.splitlines()]
    assert event["event"] == "alarm_channel_failed" and event["error"].startswith(why), event["error"]
    assert SECRET not in logged


def test_a_channel_that_failed_is_tried_again_at_the_next_sweep(
    app: App,
    webhook: tuple[str, list[bytes], list[int]],
    clock: FixedClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not after ``repeat_minutes``, and the channel that works hears nothing twice."""
    url, received, answers = webhook
    monkeypatch.setenv("HOOK", url)
    now = [A, B]
    monkeypatch.setattr(alarms, "conditions", lambda _found: now)
    gateway = app.settings.gateway
    both = gateway.alarms.model_copy(update={"webhook": "env:HOOK"})
    app = replace(app, settings=replace(app.settings, gateway=gateway.model_copy(update={"alarms": both})))
    channels = alarms.Channels()

    def heard() -> list[str]:
        keys = [json.loads(body)["key"] for body in received]
        received.clear()
        return keys

    answers[0] = 500
    alarms.sweep(app, channels)
    assert heard() == ["a"], "the second would wait as long for nothing"
    clock.wait(15)
    alarms.sweep(app, channels)
    assert heard() == ["b"], "one that it does not take keeps no other back"
    now.remove(A)
    answers[0] = 200
    clock.wait(15)
    alarms.sweep(app, channels)
    alarms.sweep(app, channels)
    assert heard() == ["b"], "what is over is told no more"
    assert [t["key"] for t in told(tmp_path)] == ["a", "b"]
    clock.wait(3600)
    alarms.sweep(app, channels)
    assert heard() == ["b"] and [t["key"] for t in told(tmp_path)] == ["a", "b", "b"]


@pytest.fixture
def garbage() -> Iterator[str]:
    """An address that answers what is no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:  # closed
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"hello\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def _refuse(*_: object, **__: object) -> None:
    raise ConnectionRefusedError("nobody there")


def test_a_delivery_whose_endpoint_left_the_settings_is_told(app: App) -> None:
    from gateway.console.status import status

    with app.db.write() as connection:
        for number, day in ((1, "2026-03-02"), (2, "2026-03-09")):
            connection.execute(
                text(
                    "INSERT INTO outbound_file (outbound_id, name, kind, portfolio, business_date, state, sha256, bytes, "
                    "records, total_debit_cents, total_credit_cents, endpoint, header, maker, maker_user, built_at) "
                    "VALUES (:n, 'OUT' || :n, 'DSGL', '1', :day, 'APPROVED', 'x', 1, 1, 0, 0, 'gone', '{}', 'A', 'a', 'x')"
                ),
                {"n": number, "day": day},
            )
        connection.execute(
            text(
                "INSERT INTO delivery (outbound_id, endpoint, state, remote_name, temporary_name, attempts) "
                "VALUES (1, 'gone', 'PLACING', 'OUT1', '', 1)"
            )
        )
    found = status(app, None)
    assert [(o["name"], o["delivery"], o["stranded"]) for o in found.outbound] == [
        ("OUT1", "PLACING", True), ("OUT2", None, False),
    ]  # fmt: skip
    assert found.wants_attention
    told = [(c.code, c.text) for c in alarms.conditions(found) if c.key.startswith("endpoint:")]
    words = "endpoint gone is not in the settings: give it back its table [endpoints.gone] in config/gateway.toml"
    assert told == [("ENDPOINT_UNKNOWN", f"OUT1 (#1) is PLACING: {words}")]


def test_a_reversal_that_is_about_to_be_too_late_is_told() -> None:
    from tests.console.test_status import QUIET

    row = {
        "portfolio": "1", "bank": "125", "check_no": "101", "checks": 3, "others": " and 2 more", "amount_cents": 50_000,
        "outbound_id": 4, "last_day": "2026-05-27", "over": False, "urgent": True, "todo": "reject that file",
    }  # fmt: skip
    found = alarms.conditions(replace(QUIET, reversals=[row, {**row, "check_no": "105", "urgent": False}]))
    assert [(c.code, c.text) for c in found] == [
        ("REVERSAL_LATE", "the reversal of check 101 and 2 more of portfolio 1 has not left: reject that file")
    ]


def test_a_restored_ledger_is_told_until_somebody_compared() -> None:
    from tests.console.test_status import QUIET

    found = alarms.conditions(replace(QUIET, restored=Uncompared("2026-03-02T14:00:00Z", "from the backup of Monday")))
    assert [(c.code, c.text) for c in found] == [
        (
            "RESTORED",
            "the ledger was restored from the backup of Monday: compare what left since, then "
            "gateway deliver compared --reason WHY",
        )
    ]
