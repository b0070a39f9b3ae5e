"""verify over what files posted: each of its comparisons with checks, batches, mirrors and copies finds its difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from gateway.ledger import schema, units
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.settings import GatewaySettings, Operators, Settings
from gateway.settings_portfolio import PortfolioSettings
from gateway.updates.base import FileFacts, PostingContext
from gateway.updates.u0409 import UPDATE
from parsers.profile import DEFAULT as INBOUND
from parsers.xsellerator_profile import DEFAULT as XSELLERATOR
from tests.conftest import Content
from tests.ledger.reference import AT, BASE, CHARGES_WITH_ESCROW, PAYMENTS, loaded
from tests.ledger.test_verify import POSTED, behind, failed

CHECKS = "every check is the cash its line paid out"
ESCROW = "escrow balances are as posted"
LINES = "checks are what their lines say"
DISBURSED = "cash disbursed equals checks"
MIRRORED = "files taken back are mirrored, and only they"
RECEIVED = "cash received equals payment batches"

SETTINGS = Settings(GatewaySettings(), {"1": PortfolioSettings()}, Operators(), INBOUND, XSELLERATOR)


def fill(db: Database, folder: Path) -> None:
    """A loaded ledger with 5.00 in escrow of lease 1001, of which a file has paid 2.00 and 1.00 out."""
    head, first, second = BASE["leases"].splitlines()
    leases = f"{head},escrow_balance\n{first},5.00\n{second},\n"
    loaded(db, folder, leases=leases, charges=CHARGES_WITH_ESCROW, payments=PAYMENTS)
    with db.write() as connection:
        connection.execute(
            schema.inbound_file.insert().values(
                file_id=1, name="p1_btchescr.dat", kind="escrow", form="dat", portfolio="1", source="inbox", sha256="x",
                bytes=1, state="POSTED", claim_name="c", lines=2, records=2, rejects=0, blank=0, amount_cents=300,
                posted_cents=300, suspended_cents=0, rejected_cents=0, held_cents=0, claimed_at=AT,
            )
        )  # fmt: skip
        for line_no, cents in ((1, 200), (2, 100)):
            connection.execute(
                schema.staged_escrow.insert().values(
                    file_id=1, line_no=line_no, lease="1001", disbursal_date="2026-03-05", amount_cents=cents,
                    check_no=str(line_no), payee="COUNTY", bank="127",
                )
            )  # fmt: skip
        facts = FileFacts(1, "p1_btchescr.dat", "escrow", "1")
        context = PostingContext(db, connection, SETTINGS, facts, "ABC", AT)
        UPDATE.post(context)
        context.close_units()


@pytest.fixture
def ledger_content(request: pytest.FixtureRequest) -> Content | None:
    return fill if "ledger" in request.fixturenames else None


@pytest.fixture
def ledger(db: Database) -> Database:
    return db


def test_what_a_file_disbursed_is_sound(ledger: Database) -> None:
    found = verify(ledger, outbox=list)
    assert failed(found) == {}
    assert {check.name: check.found for check in found}[CHECKS] == "2 sound"


CHANGES = [
    ("UPDATE bank_check SET amount_cents = amount_cents + 1 WHERE check_no = '1'", {CHECKS, DISBURSED, LINES}),
    ("UPDATE bank_check SET bank = '128' WHERE check_no = '1'", {CHECKS, LINES}),
    ("UPDATE bank_check SET lease = '1002' WHERE check_no = '1'", {CHECKS, LINES}),
    ("UPDATE bank_check SET line_no = 3 - line_no", {CHECKS, LINES}),
    ("DELETE FROM bank_check WHERE check_no = '1'", {CHECKS, DISBURSED}),
    ("UPDATE escrow_balance SET balance_cents = balance_cents + 1", {"subledger equals ledger", ESCROW}),
    ("UPDATE escrow_balance SET lease = '1002'", {"subledger equals ledger", ESCROW}),
    ("UPDATE escrow_balance SET charge = 'RCR1'", {"subledger equals ledger", ESCROW}),
    ("INSERT INTO lease (lease, office_id, portfolio, lessee, lessee_name, status, kind) SELECT '1003', office_id, portfolio, "
        "lessee, lessee_name, status, kind FROM lease WHERE lease = '1001'; "
        "UPDATE escrow_balance SET lease = '1003'", {ESCROW}),
    ("UPDATE inbound_file SET state = 'REVERSED'", {MIRRORED, LINES}),
    ("UPDATE payment_line SET suspense_item = 99 WHERE line = 1 AND batch = '26021190000200000001'",
        {"suspended lines have their item"}),
    ("INSERT INTO journal_entry (entry_id, office_id, txn, effective_date) "
        "SELECT 900000001, MIN(office_id), 'X', '2026-03-02' FROM office",
        {"every entry balances within one office", "every entry is in a unit"}),
    ("INSERT INTO journal_line (entry_id, line, account_id, side, amount_cents) "
        "SELECT 900000001, 1, MIN(account_id), 'D', 1 FROM gl_account WHERE purpose = 'CASH 125'",
        {"every line is in an entry", "unit totals equal their lines"}),
    ("DELETE FROM unit_total WHERE unit_id = 2",
        {"unit totals equal their lines", "units are closed and count their entries", "digest chain"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "names"), CHANGES, ids=[str(n) for n in range(len(CHANGES))])
def test_every_change_behind_the_gateways_back_is_found(ledger: Database, change: str, names: set[str]) -> None:
    behind(ledger, *change.split("; "))
    assert set(failed(verify(ledger))) == names


def unit_of(
    connection: Connection,
    db: Database,
    kind: units.UnitKind,
    update: str,
    legs: Sequence[tuple[str, units.Side, int]],
    *,
    times: int = 1,
    corrects: int | None = None,
    file_id: int | None = 1,
) -> None:
    """A further unit: entries of office 1/1/1/1 with these purposes, sides and cents."""
    unit = units.open_unit(
        db, connection, portfolio="1", kind=kind, update_name=update, operator="ABC", posted_at=AT, file_id=file_id
    )
    rows = connection.execute(
        text(
            "SELECT a.purpose, a.account_id FROM gl_account a JOIN lease l ON l.office_id = a.office_id "
            "WHERE l.lease = '1001'"
        )
    )
    accounts = {row.purpose: row.account_id for row in rows}
    office = connection.execute(text("SELECT office_id FROM lease WHERE lease = '1001'")).scalar_one()
    for _ in range(times):
        unit.add(
            office_id=office, txn="X", effective_date="2026-03-02", lease="1001", source_line=1, corrects=corrects,
            legs=[(accounts[purpose], side, cents) for purpose, side, cents in legs],
        )  # fmt: skip
    units.close_unit(unit)


MOVED: list[tuple[str, units.Side, int]] = [("CASH 125", "D", 7), ("CASH 126", "C", 7)]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (lambda c, db: unit_of(c, db, "FILE", "U0409", [], times=0), {"a file posts once"}),
        (lambda c, db: unit_of(c, db, "FILE", "U0418", MOVED, times=2), {"a line is assessed once", POSTED, "assessments are what their lines say"}),
        (
            lambda c, db: unit_of(c, db, "FILE", "U0415", MOVED),
            {RECEIVED, "payment lines are the cash of their entry", POSTED},
        ),
        (
            lambda c, db: unit_of(c, db, "OPERATOR", "REVERSE", MOVED, corrects=2 * schema.ENTRIES_A_UNIT + 1, file_id=None),
            {MIRRORED},
        ),
    ],
)  # fmt: skip
def test_every_unit_too_many_is_found(
    ledger: Database, more: Callable[[Connection, Database], None], names: set[str]
) -> None:
    with ledger.write() as connection:
        more(connection, ledger)
    assert set(failed(verify(ledger))) == names


def test_a_file_taken_back_has_as_many_mirrors_as_entries(ledger: Database) -> None:
    """Both sides of the rule: one mirror of two entries is a difference, two are none."""

    def mirror(ordinal: int) -> None:
        with ledger.write() as connection:
            entry = 2 * schema.ENTRIES_A_UNIT + ordinal
            unit_of(connection, ledger, "OPERATOR", "REVERSE", MOVED, corrects=entry, file_id=None)

    behind(
        ledger,
        "UPDATE inbound_file SET state = 'REVERSED'",
        "UPDATE bank_check SET state = 'VOID', check_no = check_no || '~1'",
    )
    mirror(1)
    assert set(failed(verify(ledger))) == {MIRRORED}
    mirror(2)
    assert failed(verify(ledger)) == {}


def test_copies_in_the_outbox_are_part_of_it(ledger: Database) -> None:
    found = verify(ledger, outbox=lambda: ["OUT1: other bytes"])
    assert failed(found) == {"files in the outbox are as built": "OUT1: other bytes"}
    assert "files in the outbox are as built" not in {check.name for check in verify(ledger)}
