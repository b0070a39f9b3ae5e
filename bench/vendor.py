"""Vendor ACH: a hundred thousand checks that are due, from the ledger to bank file, scratch file and reports."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import homes
from bench.posting import DATABASES
from bench.runner import Bench, Figure, median_seconds, peak

if TYPE_CHECKING:
    from gateway.app import App

CHECKS, VENDORS, RATE = 100_000, 5_000, 100_000.0
BANK = """
[banks.first]
name = "FIRST BANK"
routing_number = "091000019"
immediate_origin = "1234567890"
origin_name = "EXAMPLE LEASING"
company_name = "EXAMPLE LEASING"
company_identification = "1234567890"
line_limit = 1000000
"""
PORTFOLIO = """
[vendor_ach]
used = true
bank = "first"
"""
_VENDOR = ("vendor", "name", "routing_sealed", "account_sealed", "account_last4", "account_type", "sec")
_CHECK = (
    "portfolio", "check_no", "bank", "office_id", "type", "amount_cents", "disbursement_date", "vendor", "reference",
    "state",
)  # fmt: skip


def vendor_ach(bench: Bench) -> None:
    """A hundred thousand checks selected, built, tied out and written, with their reports."""
    checks = bench.count(CHECKS)
    for database, name in DATABASES.items():
        done = []
        for _ in range(bench.runs):
            place = homes.fresh(bench, database, homes.Portfolio(10))
            done.append(
                bench.measure("bench.vendor:build", environment=place.environment, home=str(place.home), checks=checks)
            )
            homes.drop(bench, place)
        seconds = median_seconds(done)
        cpu = min(m.values["cpu"] for m in done)
        note = f"{seconds:.1f} s, of which the gateway's own processor time {cpu:.1f} s; {peak(done):.0f} MB"
        bench.add(Figure("vendor-ach", f"{checks:,} checks, {name}", checks / seconds, "entries/s", RATE, "more", note))


# in the measuring process


def build(home: str, checks: int) -> dict[str, Any]:
    """Seconds to build what is due, with what the files and reports take; the checks are there before."""
    from gateway.release import build as building

    root = Path(home)
    with (root / "config" / "gateway.toml").open("a", encoding="utf-8") as settings:
        settings.write(BANK)
    (root / "config" / "portfolios" / "p01.toml").write_text(PORTFOLIO, encoding="utf-8")
    app = homes.open_home(root)
    _due(app, checks)
    started, before = time.perf_counter(), os.times()
    built = building.build(app, "VACH", "1")
    seconds, after = time.perf_counter() - started, os.times()
    app.close()
    bank_file = built.files[0]
    assert (len(built.files), bank_file.records, built.withheld) == (2, checks, 0), "all of it goes out by one file"
    cpu = after.user + after.system - before.user - before.system
    return {"seconds": seconds, "cpu": cpu, "bytes": bank_file.size}


def _due(app: App, checks: int) -> None:
    from gateway.ledger import schema

    seal = app.vault.seal
    vendors = (
        (f"V{n}", f"VENDOR NUMBER {n}", seal("091000019", field="vendor.routing"),
         seal(f"{1_000_000_000 + n}", field="vendor.account"), f"{n:04d}"[-4:], "savings" if n % 3 else "checking",
         "PPD" if n % 7 == 0 else "CCD")
        for n in range(VENDORS)
    )  # fmt: skip
    due = (
        ("1", str(1_000_000 + n), "126", 1, "NEWA", 1_000 + n * 37 % 900_000, "2026-03-03", f"V{n % VENDORS}",
         f"INV-{n}", "NEW")
        for n in range(checks)
    )  # fmt: skip
    with app.db.write() as connection:
        app.db.bulk_insert(connection, schema.vendor, _VENDOR, vendors)
        app.db.bulk_insert(connection, schema.bank_check, _CHECK, due)
