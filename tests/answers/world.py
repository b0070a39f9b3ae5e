"""A company whose checks were sent and posted, and a bank that answers by files dropped into the inbox."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.app import App
from gateway.clock import Clock
from gateway.home import Home
from gateway.intake.files import InboundFile
from gateway.intake.service import Intake
from gateway.ledger.database import Database
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify import verify
from gateway.parts import verify_options
from gateway.release import release
from gateway.release.build import build
from gateway.vendor_ach import voids
from tests.outbound import world


def company(db: Database, home: Home, clock: Clock, *, bank: dict[str, Any] | None = None, **options: Any) -> App:
    world.company(db)
    for office, account in ((1, 190), (2, 290)):
        world.insert(
            db, "gl_account", account_id=account, office_id=office, vector="001", number="1901", name="CLEARING",
            side="D", purpose="CLEARING",
        )  # fmt: skip
    world.vendor(db)
    world.vendor(db, "V2", sec="PPD", account_type="savings", account="7771", name="Jane Doe")
    return world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH} | options, bank=world.bank(**(bank or {}))
    )


def check(db: Database, number: str, cents: int, *, office_id: int = 1, **changes: Any) -> None:
    """A vendor's check that was posted when it was made, as the loader does it: OPENING BALANCE to ACCOUNTS PAYABLE to CASH."""
    entry = world.post(
        db, (office_id, "OPENING BALANCE", "D", cents), (office_id, "ACCOUNTS PAYABLE", "C", cents),
        (office_id, "ACCOUNTS PAYABLE", "D", cents), (office_id, "CASH 126", "C", cents), lease=f"L{office_id}",
    )  # fmt: skip
    world.check(
        db, number, cents, office_id=office_id, lease=f"L{office_id}", unit_id=entry // ENTRIES_A_UNIT, **changes
    )


def send(app: App) -> list[int]:
    """Build what is due, release it by a second person, and let it be fetched."""
    built = build(app, "VACH", "1")
    for file in built.files:
        if file.kind == "VACH-BANK":
            release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    world.at_bank(app)
    return [file.outbound_id for file in built.files if file.kind == "VACH-BANK"]


def trace_of(db: Database, check_no: str) -> str:
    """Of the last entry of a check."""
    return str(
        world.all_of(
            db, "SELECT trace_number FROM ach_entry WHERE check_no = :c ORDER BY outbound_id DESC, seq DESC", c=check_no
        )[0][0]
    )


def taken_back(db: Database, home: Home, clock: Clock) -> tuple[App, str]:
    """Check 4711 was sent, voided, and its reversal left; gives the trace of its credit."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    credit = trace_of(db, "4711")
    voids.void(app, "4711", reason="wrong vendor")
    send(app)
    return app, credit


def drop(app: App, data: bytes, name: str = "returns.ach") -> InboundFile:
    """The file arrives and is taken in; gives its row."""
    path: Path = app.home.inbox / name
    path.write_bytes(data)
    with closing(Intake(app, events=False)) as intake:
        done = intake.process_now([path])
    return done[-1].file


def answers(db: Database) -> list[tuple[Any, ...]]:
    """(kind, code, state, outcome) in order."""
    return world.all_of(db, "SELECT kind, code, state, outcome FROM ach_answer ORDER BY file_id, number")


def postings(db: Database) -> list[tuple[Any, ...]]:
    """(office, purpose, side, cents) of everything that answers posted, in order."""
    return world.all_of(
        db,
        "SELECT a.office_id, a.purpose, j.side, j.amount_cents FROM journal_entry e "
        "JOIN journal_line j ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id "
        "WHERE e.txn = 'ACHR' ORDER BY j.entry_id, j.line",
    )


def state(db: Database, check_no: str) -> tuple[Any, ...]:
    """(state, issue) of a check."""
    return world.all_of(db, "SELECT state, issue FROM bank_check WHERE check_no = :c", c=check_no)[0]


def differences(app: App) -> list[str]:
    """What ``gateway verify`` finds wrong."""
    return [f"{c.name}: {c.detail}" for c in verify(app.db, **verify_options(app)) if not c.ok]
