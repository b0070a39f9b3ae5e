"""What went out, entry by entry: the rows beside a bank file, and the checks behind an entry."""

from __future__ import annotations

import pytest

from gateway.clock import FixedClock
from gateway.home import Home
from gateway.ledger.ach_checks import CheckKey
from gateway.ledger.database import Database
from gateway.release.build import build
from gateway.vendor_ach import entries
from tests.outbound import world

NAME = "P01-VACH-BANK-260303.DAT"


def test_every_entry_of_a_bank_file_has_its_row(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFSET", "998877")
    bank = world.bank(balanced=True, offset_account="env:OFFSET")
    app = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, bank=bank)
    world.company(db)
    world.vendor(db)
    world.vendor(db, "V2", sec="PPD", account_type="savings")
    world.applied_change(db, "V2")
    world.check(db, "4711", 12_345)
    world.check(db, "4712", 500, vendor="V2", issue=2)
    build(app, "VACH", "1")
    names = (
        "seq, trace_number, kind, vendor, details_version, bank, check_no, issue, amount_cents, transaction_code, sec"
    )
    assert world.all_of(db, f"SELECT {names}, effective_date FROM ach_entry ORDER BY seq") == [
        (1, "091000010000001", "LIVE", "V1", 1, "126", "4711", 1, 12_345, "22", "CCD", "2026-03-03"),
        (2, "091000010000002", "OFFSET", None, None, None, None, None, 12_345, "27", "CCD", "2026-03-03"),
        (3, "091000010000003", "LIVE", "V2", 2, "126", "4712", 2, 500, "32", "PPD", "2026-03-03"),
        (4, "091000010000004", "OFFSET", None, None, None, None, None, 500, "27", "PPD", "2026-03-03"),
    ]  # fmt: skip
    with db.read() as connection:
        assert entries.checks_of(connection, 1, 1) == [CheckKey("1", "126", "4711", 1)]
        assert entries.checks_of(connection, 1, 3) == [CheckKey("1", "126", "4712", 2)]
        assert entries.checks_of(connection, 1, 2) == []
        found = entries.entries_by_trace(connection, ["091000010000003", "091000010000001", "091000010000009"])
    assert [(one.entry.seq, one.file, one.state) for one in found] == [(1, NAME, "BUILT"), (3, NAME, "BUILT")]
    assert world.one(db, "SELECT state FROM bank_check WHERE check_no = '4712'") == "RESERVED"
