"""Vendor ACH in tests: a run whose files other eyes read, on a day that is set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from achlens.core import validate as achlens_validate

from gateway.app import App
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger import verify_ach, verify_clearing, verify_files
from gateway.ledger.database import Database
from gateway.outbound.built import Built
from gateway.release import release
from gateway.release.build import build
from parsers import nacha, vach_scratch
from parsers.nacha_records import Batch, NachaFile
from tests.outbound import world


def set_up(db: Database, home: Home, clock: FixedClock, *, bank: dict[str, Any] | None = None, **ach: Any) -> App:
    portfolio = {"vendor_ach": world.VENDOR_ACH | ach, "release": {"four_eyes": False}}
    return world.app_at(home, db, clock, portfolio=portfolio, bank=world.bank(**(bank or {})))


def on(day: str, hour: int = 15) -> FixedClock:
    return FixedClock(datetime.fromisoformat(f"{day}T{hour:02d}:00").replace(tzinfo=UTC))


def made(app: App, kind: str = "VACH", **options: Any) -> tuple[Built, list[Batch]]:
    """Build, and hold every bank file against two readers and the invariants of what went out."""
    built = build(app, kind, "1", **options)
    batches: list[Batch] = []
    for file in built.files:
        data = (app.home.outbox / file.name).read_bytes()
        if file.kind == "VACH-BANK":
            report = achlens_validate(data.decode())
            assert report.valid, report
            read = nacha.read(data)
            assert isinstance(read, NachaFile), read
            batches += read.batches
        else:
            assert all(isinstance(row, vach_scratch.VachRecord) for row in vach_scratch.read(data))
    sound(app.db)
    return built, batches


def sound(db: Database) -> None:
    with db.read() as connection:
        checks = [
            *verify_files.outbound(connection),
            *verify_ach.checks(connection),
            *verify_clearing.checks(connection),
        ]
    assert [check for check in checks if not check.ok] == []


def approve(app: App, built: Built, *, fetched: bool = True) -> None:
    """Release the bank files, and let them be fetched."""
    for file in built.files:
        if file.kind == "VACH-BANK":
            release.approve(app, file.outbound_id, sha256=file.sha256)
    if fetched:
        world.at_bank(app)


def withheld(app: App, built: Built) -> Iterator[str]:
    report = next(one.report for one in built.reports if one.report.spec.name == "U0424C")
    yield from (str(row[-1]) for row in report.rows)


def kinds(db: Database) -> list[tuple[Any, ...]]:
    return world.all_of(
        db,
        "SELECT kind, vendor, check_no, amount_cents, transaction_code, effective_date FROM ach_entry ORDER BY 6, 1, 3",
    )


def returned(db: Database, outbound_id: int, seq: int, code: str = "R03") -> None:
    """As a return that was taken leaves it; its postings are left out."""
    _answered(
        db, kind="RETURN", code=code, transaction_code="21", sec="CCD", outbound_id=outbound_id, seq=seq, state="DONE"
    )


def refused(db: Database, outbound_id: int) -> None:
    """As the bank's refusal of a file leaves it."""
    _answered(db, kind="ACKNOWLEDGEMENT", code="REFUSED", outbound_id=outbound_id, state="UNMATCHED")


def _answered(db: Database, **answer: Any) -> None:
    file_id = world.one(db, "SELECT COALESCE(MAX(file_id), 0) + 1 FROM inbound_file")
    world.insert(
        db, "inbound_file", file_id=file_id, name=f"r{file_id}.ach", kind="bank-answers", form="dat", source="inbox", sha256="0",
        bytes=1, state="POSTED", claim_name="r", claimed_at="2026-03-05T14:00:00.000000Z", reported="Y",
    )  # fmt: skip
    world.insert(
        db, "ach_answer", file_id=file_id, number=1, line_no=3, amount_cents=0, payload=b"", outcome="-", **answer
    )  # fmt: skip
