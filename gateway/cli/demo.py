"""``gateway demo``: the whole job on sample data, for real: a home, a watching service, a local SFTP server.

The demo plays on Monday 2 March 2026 (its clock starts at nine in the morning there and runs on), so that it prints
the same every day. The home is left behind for looking around.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

import gateway
from gateway import log, setup
from gateway.app import App, open_app, system_user
from gateway.cli.common import DONE, FAULT, Session, table
from gateway.cli.written import counted
from gateway.clock import SystemClock
from gateway.delivery.deliver import deliver
from gateway.delivery.keys import make_key
from gateway.delivery.local_server import USER, LocalServer
from gateway.delivery.states import DeliveryState
from gateway.errors import Refused
from gateway.home import Home
from gateway.intake.service import Intake
from gateway.ledger.load import load
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.verify import verify
from gateway.money import from_cents, shown
from gateway.parts import poster, renderer, stays, verify_options
from gateway.period.eop import run_eop
from gateway.release import copies, release

BUSINESS_DATE: Final = "2026-03-02"
_START: Final = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
_PATIENCE: Final = 25.0
"""Seconds the demo waits for the service to post its files."""


@dataclass
class DemoClock(SystemClock):
    """Starts at the demo's morning and runs at the pace of the real one."""

    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return _START + (datetime.now(UTC) - self.began)


def sample() -> Path:
    """The sample data: reference CSV files and inbound files."""
    return Path(gateway.__file__).parent / "sample"


def run_demo(session: Session, folder: Path) -> int:
    """Play the demo in ``folder``; a demo's home that is there already is made anew."""
    _clear(folder)
    home = setup.make_home(folder, user=system_user())
    (home.root / ".demo").touch()
    host_key, client_key = home.keys / "demo_host_key", home.keys / "id_demo"
    make_key(host_key)
    public = make_key(client_key)
    far_side = home.var / "far-side"
    for name in ("bank", "accounting", "dealer"):
        (far_side / name).mkdir(parents=True)
    with LocalServer(far_side, host_key=host_key, authorized=[public]) as server:
        _configure(home, server)
        app = open_app(home.root, clock=DemoClock())
        log.set_up(home.log, verbose=session.debug)
        try:
            return _play(session, app, far_side)
        finally:
            app.close()


def _clear(folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / ".demo").exists():
        raise Refused(f"demo {folder}: found a folder that is no demo home, expected a new one; name another")
    shutil.rmtree(folder)


def _configure(home: Home, server: LocalServer) -> None:
    """Three endpoints on the local server, a bank, and a portfolio that uses all of it."""
    home.known_hosts.write_text(server.known_hosts_line + "\n", encoding="ascii")
    endpoints = "".join(
        f'\n[endpoints.{name}]\nhost = "127.0.0.1"\nport = {server.port}\nuser = "{USER}"\n'
        f'key = "config/keys/id_demo"\ndirectory = "{name}"\n{more}'
        for name, more in (("bank", ""), ("accounting", 'read_back = "size"\n'), ("dealer", ""))
    )
    bank = (
        '\n[banks.first]\nname = "FIRST BANK"\nrouting_number = "091000019"\nimmediate_origin = "9100220033"\n'
        'origin_name = "MAIN STREET LEASING"\ncompany_name = "MAIN STREET LSG"\n'
        'company_identification = "9100220033"\nendpoint = "bank"\n'
    )
    source = "\n[sources.inbox]\nquiet_seconds = 0.5\n"
    settings = home.settings_file.read_text(encoding="utf-8").replace("\n[sources.inbox]\n", source, 1)
    home.settings_file.write_text(settings + endpoints + bank, encoding="utf-8")
    portfolio = home.portfolios / "p01.toml"
    portfolio.write_text(
        "# The demo's portfolio. Four-eyes is off here, so that one person can play it; a new home has it on.\n"
        '[gl]\nendpoint = "accounting"\n[vendor_ach]\nused = true\nbank = "first"\n'
        '[xsellerator]\nused = true\nendpoint = "dealer"\nin_end_of_period = true\n[release]\nfour_eyes = false\n',
        encoding="utf-8",
    )


def _play(session: Session, app: App, far_side: Path) -> int:
    tell = _Teller(session)
    tell.head("1. Reference data")
    loaded = load(
        app.db, [sample() / "reference"], vault=app.vault, maker=Maker(app.operator.code, app.operator.user), posted_at=app.now(),
        business_date=BUSINESS_DATE,
    )  # fmt: skip
    counts = ", ".join(f"{c.new} {kind if c.new != 1 else kind.removesuffix('s')}" for kind, c in loaded.counts.items())
    tell.say(f"Loaded {counts}. The open business date is {BUSINESS_DATE}.")

    tell.head("2. Files dropped into inbox/ while the service watches")
    files = _drop_and_wait(app)
    tell.table(
        ("file", "state", "lines", "posted", "suspended", "rejected"),
        [
            (f["name"], f["state"], f["lines"], f["posted_cents"], f["suspended_cents"], f["rejected_cents"])
            for f in files
        ],
        money=("posted", "suspended", "rejected"),
    )
    tell.lines(_refused(app))

    tell.head(f"3. End of Period for {BUSINESS_DATE}")
    period = run_eop(app, BUSINESS_DATE, post_file=poster(app))
    tell.table(
        ("module", "state", "message"),
        [(m.module, m.state, m.message or "") for p in period.portfolios for m in p.modules],
    )

    tell.head("4. Outbound files, released and delivered over SFTP")
    tell.say("Four-eyes is off in this demo; in a new home a second person approves.")
    while waiting := release.listing(app, state="BUILT"):
        file = release.show(app, waiting[0][0])  # a scratch file goes with its bank file
        held = [f for f in file["findings"] if f["action"] == "HOLD"]
        tell.lines(f"{file['name']} is held, {f['rule']}: {f['detail']}; accepted." for f in held)
        release.approve(
            app, file["id"], sha256=file["sha256"], accept={f["rule"] for f in held}, reason="the demo plays on"
        )
    results = deliver(app, render=renderer(app), stays=stays(app))
    put_away = copies.put_away(app)
    tell.table(("file", "to", "bytes", "state"), [(r.name, r.endpoint, r.bytes, r.state) for r in results])

    tell.lines(f"outbox/{name} is delivered: encrypted as {name}.sealed." for name in put_away)

    tell.head("5. Proof")
    checks = verify(app.db, **verify_options(app))
    bad = [c for c in checks if not c.ok]
    tell.say(f"gateway verify: {counted(len(checks), 'check')}, {counted(len(bad), 'difference')}.")
    tell.lines(f"  DIFFERENCE {c.name}: found {c.found}, expected {c.expected}" for c in bad)
    posted = sum(f["posted_cents"] or 0 for f in files)
    tell.say(
        f"Posted {shown(posted)} from {len(files)} files; every line is posted, suspended, or rejected with its reason."
    )
    tell.head("Where to look next")
    tell.lines(_next(app, far_side))
    delivered = all(r.state is DeliveryState.DELIVERED for r in results) and bool(results)
    ok = not bad and delivered and all(f["state"] == "POSTED" for f in files)
    if session.as_json:
        session.show(
            {
                "ok": ok, "home": str(app.home.root), "business_date": BUSINESS_DATE,
                "files": [_document(f) for f in files],
                "modules": [{"module": m.module, "state": m.state, "message": m.message} for p in period.portfolios for m in p.modules],
                "delivered": [{"name": r.name, "endpoint": r.endpoint, "state": r.state, "bytes": r.bytes} for r in results],
                "checks": len(checks), "differences": len(bad),
            }
        )  # fmt: skip
    return DONE if ok else FAULT


def _document(row: dict[str, Any]) -> dict[str, Any]:
    return {
        k.removesuffix("_cents"): from_cents(v) if k.endswith("_cents") and v is not None else v for k, v in row.items()
    }


def _drop_and_wait(app: App) -> list[dict[str, Any]]:
    """Start the watching intake, drop the sample files, wait until each has a final state."""
    stop = threading.Event()
    intake = Intake(app)
    thread = threading.Thread(target=intake.run, args=(stop,), name="demo-intake")
    thread.start()
    try:
        names = sorted(p.name for p in (sample() / "inbox").iterdir())
        for name in names:
            shutil.copyfile(sample() / "inbox" / name, app.home.inbox / name)
        deadline = app.clock.now() + timedelta(seconds=_PATIENCE)
        while True:
            rows = _inbound(app)
            settled = [r for r in rows if r["state"] not in ("CLAIMED",) and r["reported"] == "Y"]
            if len(settled) == len(names) or app.clock.now() > deadline:
                return rows
            stop.wait(0.1)
    finally:
        stop.set()
        thread.join()
        intake.close()


def _inbound(app: App) -> list[dict[str, Any]]:
    with app.db.read() as connection:
        rows = connection.execute(
            text(
                "SELECT file_id, name, state, lines, records, rejects, amount_cents, posted_cents, suspended_cents, "
                "rejected_cents, reported FROM inbound_file ORDER BY name"
            )
        )
        return [dict(row) for row in rows.mappings()]


def _refused(app: App) -> Iterator[str]:
    with app.db.read() as connection:
        rows = connection.execute(
            text(
                "SELECT f.name, m.line_no, m.severity, m.code, m.found, m.expected FROM line_message m "
                "JOIN inbound_file f ON f.file_id = m.file_id WHERE m.severity <> 'W' ORDER BY f.name, m.line_no"
            )
        ).all()
    words = {"R": "rejected", "S": "in suspense"}
    yield ""
    yield "Rejected or suspended, and why:"
    for name, line, severity, code, found, expected in rows:
        yield f"  {name} line {line}: {words[severity]}, {code}: found {found}, expected {expected}"


def _next(app: App, far_side: Path) -> Iterator[str]:
    home = app.home.root
    shown_home = home.relative_to(Path.cwd()) if home.is_relative_to(Path.cwd()) else home
    command = ".venv/bin/gateway" if Path(".venv/bin/gateway").exists() else "gateway"
    yield f"export GATEWAY_HOME={shown_home}"
    with app.db.read() as connection:
        row = connection.execute(text("SELECT MIN(trace_number) FROM ach_entry")).scalar()
    bank = next(iter(sorted((far_side / "bank").glob("*"))), None)
    for what, why in (
        ("status", "the nine-o'clock answer"),
        ("files show 1", "what became of every line, and its reports"),
        ("ledger balance", "every account: today, month to date, balance"),
        ("suspense list", "money that waits for a person"),
        ("trace 1003", "a lease's whole story"),
        (f"trace {row}" if row else "outbound list", "a trace number back to its check"),
        (f"explain {bank.relative_to(Path.cwd()) if bank and bank.is_relative_to(Path.cwd()) else bank}"
         if bank else "outbound list", "the bank file as delivered, field by field"),
        ("verify", "every invariant, recomputed"),
    ):  # fmt: skip
        yield f"{command} {what:<32} # {why}"


@dataclass
class _Teller:
    """Prints for a person; silent when one JSON document is asked for."""

    session: Session

    def head(self, text_: str) -> None:
        self.lines(["", text_, "-" * len(text_)])

    def say(self, text_: str) -> None:
        self.lines([text_])

    def lines(self, lines: Sequence[str] | Iterator[str]) -> None:
        if not self.session.as_json:
            for line in lines:
                print(line, flush=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, money: Sequence[str] = ()) -> None:
        if rows:
            self.lines(table(columns, rows, money=money))
        else:
            self.say("(none)")
