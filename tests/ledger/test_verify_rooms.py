"""verify over what rows point at, deliveries and vendors' details: one row altered, and it is named."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import event, text

from gateway.app import App
from gateway.clock import FixedClock
from gateway.delivery import queue, reads
from gateway.delivery.queue import Change
from gateway.delivery.states import DeliveryState
from gateway.home import Home
from gateway.ledger import schema, verify_rooms, verify_vendors
from gateway.ledger.database import Database
from gateway.ledger.vendor_changes import Maker, approve, propose
from gateway.ledger.verify import verify
from gateway.ledger.verify_base import Check
from gateway.parts import verify_options
from gateway.release import release
from gateway.release.build import build
from tests.answers.world import check, company
from tests.ledger.test_verify import failed
from tests.outbound import world

BANK = "P01-VACH-BANK-260303.DAT"
POINTED = "what rows point at is there"
DELIVERED = "files that leave have their delivery, and only they"
EVENTS = "deliveries are as their events say"
RECEIPTS = "receipts are of what was released"
OPEN = "vendors' bank details open, and end as is shown"
PAID = "vendors' bank details are those that their last payment went to"


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """Two vendors were paid in one file, which was sent to an endpoint and has a receipt."""
    made = company(db, home, clock, bank={"endpoint": "bank"})
    world.vendor(db, "V3", account="55667788", routing="011000015", account_type="savings")
    check(db, "4711", 12_345)
    check(db, "4712", 500, vendor="V3")
    (file, _) = build(made, "VACH", "1").files
    release.approve(world.as_person(made, world.BOB), file.outbound_id, sha256=file.sha256)
    with db.write() as connection:
        (job,) = queue.claim(connection, reads.listing(connection), temporary_suffix=".part", at=made.now())
        receipt = {"bytes": file.size, "endpoint": "bank", "path": f"in/{file.name}", "sha256": file.sha256}
        before = DeliveryState.SENDING
        for after, proof in ((DeliveryState.PLACING, None), (DeliveryState.DELIVERED, json.dumps(receipt))):
            queue.record(connection, [Change(job.delivery_id, before, after, receipt=proof)], at=made.now())
            before = after
    return made


def proved(app: App) -> dict[str, str]:
    options = verify_options(app)
    del options["outbox"]  # what lies there is not looked at here
    return failed(verify(app.db, **options))


def altered(app: App, statements: str) -> None:
    """Past foreign keys and triggers, as a hand that holds the database can."""
    if not app.db.is_sqlite:
        with app.db.write() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements.split("; "):
                connection.execute(text(statement))
        return
    with closing(sqlite3.connect(str(app.db.url.database))) as file, file:
        guards = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            file.execute(f"DROP TRIGGER {name}")
        for statement in statements.split("; "):
            file.execute(statement)
        for _, statement in guards:
            file.execute(statement)


def test_a_sound_ledger_passes(app: App) -> None:
    assert proved(app) == {}


SWAP = "UPDATE vendor SET {0} = (SELECT o.{0} FROM vendor o WHERE o.vendor = '{1}') WHERE vendor = '{2}'"
ROWS = {
    "a portfolio": ("DELETE FROM portfolio", {POINTED}, "portfolio 1 of ach_entry"),
    "an office": ("DELETE FROM office WHERE office_id = 2", {POINTED}, "office_id 2 of gl_account"),
    "a vendor": ("DELETE FROM vendor WHERE vendor = 'V3'", {POINTED}, "vendor V3 of bank_check"),
    "a delivery": ("DELETE FROM delivery_event; DELETE FROM delivery", {DELIVERED}, BANK),
    "a delivery of a file that is not released": (
        "UPDATE outbound_file SET state = 'BUILT' WHERE outbound_id = 1", {DELIVERED}, BANK,
    ),
    "an endpoint": ("UPDATE outbound_file SET endpoint = 'other' WHERE outbound_id = 1", {DELIVERED}, BANK),
    "a delivery's endpoint": ("UPDATE delivery SET endpoint = 'other'", {DELIVERED, RECEIPTS}, BANK),
    "a remote name": ("UPDATE delivery SET remote_name = 'X'", {DELIVERED, EVENTS, RECEIPTS}, BANK),
    "a state": ("UPDATE delivery SET state = 'PENDING'", {EVENTS}, BANK),
    "a state of an answer": ("UPDATE delivery SET state = 'ACKNOWLEDGED'", {EVENTS}, BANK),
    "events": ("DELETE FROM delivery_event WHERE step = 'DELIVERED'", {EVENTS}, BANK),
    "all events": ("DELETE FROM delivery_event", {EVENTS}, BANK),
    "a receipt's hash": ("UPDATE delivery SET receipt = REPLACE(receipt, 'sha256\": \"', 'sha256\": \"0')", {RECEIPTS}, BANK),
    "a receipt's bytes": ("UPDATE delivery SET receipt = REPLACE(receipt, 'bytes\": ', 'bytes\": 1')", {RECEIPTS}, BANK),
    "another last four": ("UPDATE vendor SET account_last4 = '0000' WHERE vendor = 'V3'", {OPEN}, "V3"),
    "no sealed account": ("UPDATE vendor SET account_sealed = {bytes} WHERE vendor = 'V3'", {OPEN}, "V3"),
    "no sealed routing number": ("UPDATE vendor SET routing_sealed = {bytes} WHERE vendor = 'V3'", {OPEN}, "V3"),
    "the account of another": (
        "; ".join(SWAP.format(column, "V1", "V3") for column in ("account_sealed", "account_last4")), {PAID}, "V3",
    ),
    "the bank of another": (SWAP.format("routing_sealed", "V1", "V3"), {PAID}, "V3"),
    "an account type": ("UPDATE vendor SET account_type = 'checking' WHERE vendor = 'V3'", {PAID}, "V3"),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_an_altered_row_is_named(app: App, case: str) -> None:
    statements, names, named = ROWS[case]
    value = "x'00112233'" if app.db.is_sqlite else "'\\x00112233'"
    altered(app, statements.replace("{bytes}", value))
    found = proved(app)
    assert names <= found.keys()
    if names != {POINTED}:  # without what it points at, more than one check misses it
        assert names == found.keys()
    assert any(named in found[name] for name in names)


def test_a_payment_without_its_batch(db: Database) -> None:
    assert ("payment_line", "batch", "payment_batch", "batch") in verify_rooms.pointers()
    world.company(db)
    world.insert(db, "payment_line", batch="B9", line=1, amount_cents=5, state="APPLIED", entry_id=1)
    with db.read() as connection:
        (pointed, *_) = verify_rooms.checks(connection)
    assert pointed.detail == "batch B9 of payment_line"


def test_every_foreign_key_is_looked_at_but_the_guard_of_open_units() -> None:
    keys = {
        (key.parent.table.name, key.parent.name)
        for table in schema.portfolio.metadata.tables.values()
        for key in table.foreign_keys
    }
    assert keys - {pointer[:2] for pointer in verify_rooms.pointers()} == {("posting_unit", "open_guard")}


def test_details_that_two_people_changed_are_another_version(app: App, db: Database) -> None:
    with db.write() as connection:
        change = propose(
            db, connection, app.vault, "V3", {"account_number": "99001122"}, origin="OPERATOR", reason="new bank",
            maker=Maker("ANN", "ann"), at=app.now(),
        )  # fmt: skip
        assert change is not None
        approve(db, connection, app.vault, change, operator=world.BOB, at=app.now())
    assert proved(app) == {}
    altered(app, "UPDATE vendor_change SET state = 'PROPOSED'")
    assert PAID in proved(app)


def test_opening_is_one_question_for_all_vendors(app: App, db: Database) -> None:
    def asked() -> int:
        count = 0

        def note(*_: object) -> None:
            nonlocal count
            count += 1

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            with db.read() as connection:
                found: list[Check] = [*verify_vendors.checks(connection, app.vault), *verify_rooms.checks(connection)]
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        assert all(one.ok for one in found)
        return count

    before = asked()
    for n in range(50):
        world.vendor(db, f"W{n}")
    assert asked() == before


@pytest.mark.parametrize(
    ("step", "sound"),
    [
        ("QUEUED", {"PENDING"}),
        ("STARTED", {"SENDING"}),
        ("INTERRUPTED", {"UNKNOWN", "NOT_DELIVERED"}),
        ("RESOLVED", {"DELIVERED", "NOT_DELIVERED"}),
        ("PLACING", {"PLACING"}),
    ],
)
def test_each_last_event_has_its_states(app: App, step: str, sound: set[str]) -> None:
    last = (
        "DELETE FROM delivery_event WHERE step <> 'QUEUED'"
        if step == "QUEUED"
        else f"UPDATE delivery_event SET step = '{step}' WHERE step = 'DELIVERED'"
    )
    altered(app, last)
    allowed = set()
    for state in ("PENDING", "SENDING", "PLACING", "UNKNOWN", "NOT_DELIVERED", "DELIVERED", "ACKNOWLEDGED"):
        altered(app, f"UPDATE delivery SET state = '{state}'")
        if EVENTS not in proved(app):
            allowed.add(state)
    assert allowed == sound


def test_a_routing_number_that_opens_and_is_none_is_named(app: App, db: Database) -> None:
    world.vendor(db, "V9", routing="01100001")
    assert "V9" in proved(app)[OPEN]
