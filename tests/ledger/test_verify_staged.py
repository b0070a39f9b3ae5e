"""verify over what files made, held against their lines: each of its comparisons finds its difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.settings import GatewaySettings, Operators, Settings
from gateway.settings_portfolio import PortfolioSettings
from gateway.updates import u0409, u0415, u0418, u0470
from gateway.updates.base import FileFacts, PostingContext, Update
from parsers.profile import DEFAULT as INBOUND
from parsers.xsellerator_profile import DEFAULT as XSELLERATOR
from tests.conftest import Content
from tests.ledger.reference import AT, BASE, CHARGES_WITH_ESCROW, loaded
from tests.ledger.test_verify import behind, failed

SETTINGS = Settings(GatewaySettings(), {"1": PortfolioSettings()}, Operators(), INBOUND, XSELLERATOR)

ASSESSED = "assessments are what their lines say"
CHECKS = "checks are what their lines say"
DATES = "entries have the date of their batch"
FAILED = "failed reversals are what their lines say"
PAID = "payments are what their lines say"
CASH_OF_CHECK = "every check is the cash its line paid out"


def post(db: Database, connection: Connection, file_id: int, update: Update, *lines: dict[str, Any]) -> None:
    cents = sum(line["amount_cents"] for line in lines)
    connection.execute(
        schema.inbound_file.insert().values(
            file_id=file_id, name=f"file{file_id}", kind=update.kind, form="dat", portfolio="1", source="inbox",
            sha256=str(file_id), bytes=1, state="POSTED", claim_name="c", lines=len(lines), records=len(lines), rejects=0,
            blank=0, amount_cents=cents, posted_cents=cents, suspended_cents=0, rejected_cents=0, held_cents=0,
            claimed_at=AT, business_date="2026-03-02",
        )
    )  # fmt: skip
    for line_no, line in enumerate(lines, 1):
        connection.execute(update.staging.insert().values(file_id=file_id, line_no=line_no, **line))
    facts = FileFacts(file_id, f"file{file_id}", update.kind, "1")
    context = PostingContext(db, connection, SETTINGS, facts, "ABC", AT)
    update.post(context)
    context.close_units()


def fill(db: Database, folder: Path) -> None:
    """A file of each kind has posted: two lines each, of reversals one, which failed."""
    head, first, second = BASE["leases"].splitlines()
    leases = f"{head},escrow_balance\n{first},5.00\n{second},\n"
    loaded(db, folder, leases=leases, charges=CHARGES_WITH_ESCROW)
    pay = {"target_kind": "L", "target": "1001", "check_no": "C1"}
    check = {"lease": "1001", "disbursal_date": "2026-03-05", "payee": "COUNTY", "reference": "R1", "bank": "127"}
    with db.write() as connection:
        post(
            db,
            connection,
            1,
            u0418.UPDATE,
            *({"lease": "1001", "invoice": "1", "code": "LTCH", "amount_cents": c} for c in (500, 600)),
        )
        post(db, connection, 2, u0409.UPDATE, *({**check, "check_no": str(c), "amount_cents": c} for c in (200, 100)))
        post(
            db, connection, 3, u0415.UPDATE,
            {**pay, "amount_cents": 300, "effective_date": "2026-02-20"}, {**pay, "amount_cents": 400},
        )  # fmt: skip
        post(
            db, connection, 4, u0470.UPDATE,
            {"target_kind": "L", "target": "1001", "amount_cents": 700, "batch": "26021190000200000009", "reason": "NSFC"},
        )  # fmt: skip


@pytest.fixture
def ledger_content(request: pytest.FixtureRequest) -> Content | None:
    return fill if "ledger" in request.fixturenames else None


@pytest.fixture
def ledger(db: Database) -> Database:
    return db


def test_files_as_posted_are_sound(ledger: Database) -> None:
    checks = verify(ledger)
    assert failed(checks) == {}
    found = {check.name: check.found for check in checks}
    assert [found[name] for name in (ASSESSED, CHECKS, PAID, DATES, FAILED)] == [
        "2 sound", "2 sound", "2 sound", "2 sound", "1 sound",
    ]  # fmt: skip


BY = "CASE line_no WHEN 1 THEN 1 ELSE -1 END"
FIRST_BATCH = "WHERE batch = (SELECT MIN(batch) FROM payment_batch)"

OF_TWO = (
    f"UPDATE payment_line SET amount_cents = amount_cents - 1 {FIRST_BATCH}; "
    "INSERT INTO payment_line (batch, line, lease, invoice, charge, asset, amount_cents, state, entry_id, source_line) "
    f"SELECT batch, 99, '1002', invoice, charge, asset, 1, 'APPLIED', entry_id, source_line FROM payment_line {FIRST_BATCH}"
)
"""A cent of a line's payment on another lease."""

CHANGES = [
    (OF_TWO, {PAID, "payment lines pay what their entry pays"}),
    (f"UPDATE staged_assessment SET amount_cents = amount_cents + {BY}", {ASSESSED}),
    ("UPDATE staged_assessment SET lease = '1002' WHERE line_no = 1", {ASSESSED}),
    ("UPDATE staged_assessment SET code = 'PTAX' WHERE line_no = 1", {ASSESSED}),
    ("UPDATE staged_assessment SET asset = 'A1' WHERE line_no = 1", {ASSESSED}),
    ("UPDATE staged_assessment SET invoice = '99' WHERE line_no = 1", {ASSESSED}),
    ("UPDATE staged_assessment SET line_no = 3 WHERE line_no = 1", {ASSESSED}),
    (f"UPDATE staged_escrow SET amount_cents = amount_cents + {BY}", {CHECKS}),
    ("UPDATE bank_check SET check_no = '9' WHERE line_no = 1", {CHECKS}),
    ("UPDATE bank_check SET payee = 'EVE' WHERE line_no = 1", {CHECKS}),
    ("UPDATE bank_check SET payee = NULL WHERE line_no = 1", {CHECKS}),
    ("UPDATE bank_check SET disbursement_date = '2026-03-06' WHERE line_no = 1", {CHECKS}),
    ("UPDATE bank_check SET reference = 'R2' WHERE line_no = 1", {CHECKS}),
    ("UPDATE bank_check SET asset = 'A1' WHERE line_no = 1", {CHECKS}),
    ("UPDATE bank_check SET state = 'VOID' WHERE line_no = 1", {CHECKS}),
    ("UPDATE bank_check SET bank = '128' WHERE line_no = 1", {CHECKS, CASH_OF_CHECK}),
    ("UPDATE bank_check SET lease = '1002' WHERE line_no = 1", {CHECKS, CASH_OF_CHECK}),
    (f"UPDATE staged_payment SET amount_cents = amount_cents + {BY}", {PAID}),
    ("UPDATE staged_payment SET check_no = 'C2' WHERE line_no = 1", {PAID}),
    ("UPDATE staged_payment SET effective_date = '2026-02-21' WHERE line_no = 1", {PAID}),
    ("UPDATE staged_payment SET line_no = 3 WHERE line_no = 1", {PAID}),
    ("UPDATE staged_payment SET target = '1002' WHERE line_no = 1", {PAID}),
    ("UPDATE staged_payment SET target_kind = 'I', target = '99' WHERE line_no = 1", {PAID}),
    ("UPDATE staged_reversal SET batch = '26021190000200000008'", {FAILED}),
    (f"UPDATE payment_batch SET check_no = 'C2' {FIRST_BATCH}", {PAID}),
    (f"UPDATE payment_batch SET check_no = NULL {FIRST_BATCH}", {PAID}),
    (f"UPDATE payment_batch SET effective_date = '2026-02-21' {FIRST_BATCH}", {PAID, DATES}),
    ("UPDATE staged_reversal SET amount_cents = 701", {FAILED, "lines and messages make the figures of reversals"}),
    ("UPDATE staged_reversal SET line_no = 2", {FAILED}),
]


@pytest.mark.parametrize(("change", "names"), CHANGES, ids=[str(n) for n in range(len(CHANGES))])
def test_every_difference_to_a_line_is_found(ledger: Database, change: str, names: set[str]) -> None:
    behind(ledger, *change.split("; "))
    assert set(failed(verify(ledger))) == names


REVERSED = "reversals are what their lines say"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("SELECT 1", set()),
        ("UPDATE staged_reversal SET reason = NULL WHERE file_id = 5", set()),
        ("UPDATE staged_reversal SET reason = 'NSFX' WHERE file_id = 5", {REVERSED}),
        ("UPDATE staged_reversal SET batch = (SELECT MAX(batch) FROM payment_batch) WHERE file_id = 5", {REVERSED}),
    ],
    ids=["sound", "the portfolio's reason", "another reason", "another batch"],
)  # fmt: skip
def test_what_a_reversal_took_back_is_what_its_line_says(ledger: Database, change: str, names: set[str]) -> None:
    with ledger.write() as connection:
        batch = connection.execute(text("SELECT MIN(batch) FROM payment_batch")).scalar_one()
        line = {"target_kind": "L", "target": "1001", "amount_cents": 300, "batch": batch, "reason": "NSFC"}
        post(ledger, connection, 5, u0470.UPDATE, line)
    behind(ledger, *change.split("; "))
    assert names == {name for name in failed(verify(ledger)) if name == REVERSED}
