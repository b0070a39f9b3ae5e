"""Release: a second person, the hash they saw, and what approval and rejection do to the checks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.errors import GatewayError, Refused, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound.store import Frozen
from gateway.release import release
from gateway.release.build import build
from tests.outbound import world

ENDPOINT = {"host": "h", "user": "u", "key": "k"}


@pytest.fixture
def waiting(db: Database, home: Home, clock: FixedClock) -> tuple[App, Frozen, Frozen]:
    """Ann's app, and a bank file with its scratch file that wait for release."""
    world.company(db)
    world.vendor(db)
    world.check(db, "1")
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH},
        bank=world.bank(endpoint="bank"), endpoints={"bank": ENDPOINT},
    )  # fmt: skip
    bank_file, scratch = build(app, "VACH", "1").files
    return app, bank_file, scratch


def states(db: Database) -> list[tuple[Any, ...]]:
    return world.all_of(db, "SELECT kind, state FROM outbound_file ORDER BY outbound_id")


def test_a_second_person_releases_the_pair(db: Database, waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, scratch = waiting
    assert states(db) == [("VACH-BANK", "BUILT"), ("VACH-SCRATCH", "BUILT")]
    released = release.approve(world.as_person(app, world.BOB), bank_file.outbound_id, sha256=bank_file.sha256)
    assert [(r.name, r.state) for r in released] == [(bank_file.name, "APPROVED"), (scratch.name, "LOCAL")]
    assert states(db) == [("VACH-BANK", "APPROVED"), ("VACH-SCRATCH", "LOCAL")]
    assert world.one(db, "SELECT state FROM bank_check") == "SENT"
    assert world.all_of(db, "SELECT endpoint, remote_name, state FROM delivery") == [
        ("bank", bank_file.name, "PENDING")
    ]
    assert world.all_of(db, "SELECT operator, os_user, action, subject, reason FROM operator_event") == [
        ("BOB", "bob", "outbound.approve", bank_file.name, f"sha256 {bank_file.sha256}")
    ]


@pytest.mark.parametrize(
    "person",
    [
        world.ANN,
        Operator("AN2", "ann", world.ALL_RIGHTS),  # another code, the same user
        Operator("ANN", "bob", world.ALL_RIGHTS),  # another user, the same code
    ],
)
def test_maker_is_not_checker(waiting: tuple[App, Frozen, Frozen], person: Operator) -> None:
    app, bank_file, _ = waiting
    with pytest.raises(Refused, match=r"made by ANN \(ann\), expected a second person"):
        release.approve(world.as_person(app, person), bank_file.outbound_id, sha256=bank_file.sha256)


def test_two_eyes_where_the_portfolio_says_so(waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, _ = waiting
    relaxed = world.app_at(
        app.home, app.db, app.clock, endpoints={"bank": ENDPOINT},
        portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}},
    )  # fmt: skip
    assert release.approve(relaxed, bank_file.outbound_id, sha256=bank_file.sha256)[0].state == "APPROVED"


def test_each_file_takes_its_own_scratch_file_with_it(db: Database, waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, scratch = waiting
    world.check(db, "2")
    world.check(db, "3", disbursement_date="2026-03-02")
    later, later_scratch = build(app, "VACH", "1").files
    released = release.approve(world.as_person(app, world.BOB), bank_file.outbound_id, sha256=bank_file.sha256)
    assert [r.name for r in released] == [bank_file.name, scratch.name]
    assert [state for _, state in states(db)] == ["APPROVED", "LOCAL", "BUILT", "BUILT"]
    rejected = release.reject(app, later.outbound_id, reason="too late")
    assert [r.name for r in rejected] == [later.name, later_scratch.name]
    assert [state for _, state in states(db)] == ["APPROVED", "LOCAL", "REJECTED", "REJECTED"]


def test_approval_is_bound_to_the_hash(waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, _ = waiting
    bob = world.as_person(app, world.BOB)
    with pytest.raises(Refused, match=r"an approval is for the bytes that were shown"):
        release.approve(bob, bank_file.outbound_id, sha256="0" * 64)
    for typed, fault in (("0" * 7, UsageError), ("0" * 8, Refused)):
        with pytest.raises(fault, match=f"found (the )?SHA-256 {typed}, expected"):
            release.approve(bob, bank_file.outbound_id, sha256=typed)
    release.approve(bob, bank_file.outbound_id, sha256=bank_file.sha256.upper())
    with pytest.raises(Refused, match="found it APPROVED, expected BUILT"):
        release.approve(bob, bank_file.outbound_id, sha256=bank_file.sha256)
    with pytest.raises(Refused, match="found it APPROVED, expected BUILT"):
        release.reject(bob, bank_file.outbound_id, reason="too late")


def test_the_scratch_file_follows_its_bank_file(waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, scratch = waiting
    with pytest.raises(Refused, match=f"goes with {bank_file.name}"):
        release.approve(world.as_person(app, world.BOB), scratch.outbound_id, sha256=scratch.sha256)
    with pytest.raises(Refused, match=f"goes with {bank_file.name}"):
        release.reject(app, scratch.outbound_id, reason="no")


def test_a_scratch_file_that_needs_approval_waits_for_its_own(waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, scratch = waiting
    strict = world.app_at(
        app.home, app.db, app.clock, endpoints={"bank": ENDPOINT}, operator=world.BOB,
        portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"kinds_without": []}},
    )  # fmt: skip
    assert len(release.approve(strict, bank_file.outbound_id, sha256=bank_file.sha256)) == 1
    (released,) = release.approve(strict, scratch.outbound_id, sha256=scratch.sha256)
    assert released.state == "LOCAL", "it has no endpoint"


def test_reject_frees_and_needs_a_reason(db: Database, waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, scratch = waiting
    with pytest.raises(UsageError, match="found no reason"):
        release.reject(app, bank_file.outbound_id, reason=" ")
    release.reject(app, bank_file.outbound_id, reason="vendor asked to wait")
    assert states(db) == [("VACH-BANK", "REJECTED"), ("VACH-SCRATCH", "REJECTED")]
    assert world.all_of(db, "SELECT state, outbound_id FROM bank_check") == [("NEW", None)]
    assert not (app.home.outbox / scratch.name).exists()
    assert release.show(app, bank_file.outbound_id)["reason"] == "vendor asked to wait"


@pytest.mark.parametrize(
    ("state", "freed"), [("VOID", "VOID"), ("RETURNED", "RETURNED"), ("SENT", "NEW"), ("NEW", "NEW")]
)
def test_a_check_voided_meanwhile_stops_the_approval(
    db: Database, waiting: tuple[App, Frozen, Frozen], state: str, freed: str
) -> None:
    """Or not reserved any more for whatever reason."""
    app, bank_file, _ = waiting
    world.change(db, "UPDATE bank_check SET state = :s", s=state)
    with pytest.raises(Refused, match=f"found check 1 {state} since the file was built"):
        release.approve(world.as_person(app, world.BOB), bank_file.outbound_id, sha256=bank_file.sha256)
    release.reject(app, bank_file.outbound_id, reason="voided")
    assert world.all_of(db, "SELECT state, outbound_id FROM bank_check") == [(freed, None)]


def test_rights_and_unknown_files(waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, _ = waiting
    clerk = world.as_person(app, replace(world.BOB, rights=frozenset({"post"})))
    with pytest.raises(Refused, match="without the right 'approve'"):
        release.approve(clerk, bank_file.outbound_id, sha256=bank_file.sha256)
    for action in (
        lambda: release.show(app, 99),
        lambda: release.approve(app, 99, sha256=""),
        lambda: release.reject(app, 99, reason="x"),
    ):
        with pytest.raises(UsageError, match="outbound file 99: found none of that number"):
            action()


def test_list_and_show(waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, _ = waiting
    rows = release.listing(app)
    assert dict(zip(release.LIST_COLUMNS, rows[0], strict=True)) == {
        "id": 1, "name": bank_file.name, "kind": "VACH-BANK", "portfolio": "1", "sha256": bank_file.sha256,
        "bytes": 950, "state": "BUILT", "endpoint": "bank", "total_debit": 0, "total_credit": 10_000, "records": 1,
    }  # fmt: skip
    assert [row[0] for row in release.listing(app, kind="VACH-SCRATCH", state="BUILT", portfolio="1")] == [2]
    assert release.listing(app, portfolio="2") == []
    shown = release.show(app, 1)
    assert (shown["maker"], shown["delivery"], shown["header"]["file"]["file_id_modifier"]) == ("ANN", None, "A")
    release.approve(world.as_person(app, world.BOB), 1, sha256=bank_file.sha256)
    assert release.show(app, 1)["delivery"]["state"] == "PENDING"


def test_a_bank_file_without_an_endpoint_is_released_to_be_fetched(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    world.vendor(db)
    world.check(db, "1")
    app = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH})
    bank_file = build(app, "VACH", "1").files[0]
    (released, _) = release.approve(world.as_person(app, world.BOB), bank_file.outbound_id, sha256=bank_file.sha256)
    assert released.state == "LOCAL"
    assert world.all_of(db, "SELECT state FROM delivery") == []
    assert world.one(db, "SELECT state FROM bank_check") == "SENT"


def test_what_is_approved_is_what_lies_in_the_outbox(db: Database, waiting: tuple[App, Frozen, Frozen]) -> None:
    app, bank_file, scratch = waiting
    bob = world.as_person(app, world.BOB)
    path = app.home.outbox / bank_file.name
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"1", b"2", 1))
    with pytest.raises(GatewayError, match="found a file of other bytes there"):
        release.approve(bob, bank_file.outbound_id, sha256=bank_file.sha256)
    assert states(db)[0] == ("VACH-BANK", "BUILT")
    path.unlink()
    release.approve(bob, bank_file.outbound_id, sha256=bank_file.sha256)
    assert path.read_bytes() == whole
    assert (app.home.outbox / scratch.name).exists()
