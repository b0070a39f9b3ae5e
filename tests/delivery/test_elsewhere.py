"""A home that lacks the key of another one of the same ledger leaves to it what it alone can make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.app import App
from gateway.clock import FixedClock
from gateway.delivery.deliver import deliver, staying
from gateway.home import Home
from gateway.ledger import sealed_elsewhere
from gateway.ledger.database import Database
from gateway.outbound import outbox
from gateway.parts import renderer, stays
from gateway.release import release
from gateway.release.build import build
from tests.delivery.conftest import FarSide
from tests.outbound import world
from tests.support.held_vault import HeldVault

NAME = "P01-VACH-BANK-260303.DAT"


def two_homes(db: Database, home: Home, clock: FixedClock, far_side: FarSide, folder: Path) -> tuple[App, App]:
    """One that released a bank file, and one that got another key."""
    world.company(db)
    world.vendor(db)
    world.check(db, "1")
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}},
        bank=world.bank(endpoint="bank"), endpoints={"bank": far_side.endpoint},
    )  # fmt: skip
    (bank_file, _) = build(app, "VACH", "1").files
    release.approve(app, bank_file.outbound_id, sha256=bank_file.sha256)
    other = Home(folder / "other")
    other.make()
    return app, replace(app, home=other, vault=HeldVault(b"o" * 32))


def test_what_another_home_alone_can_make_is_left_to_it(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide, tmp_path: Path
) -> None:
    """It was given up for good, as a file that cannot be made again, and the home that could make it sent it no more."""
    app, other = two_homes(db, home, clock, far_side, tmp_path)
    if db.is_sqlite:  # one home, whose key is lost: nobody else sends it, and a person hears of it at once
        with db.read() as connection:
            assert sealed_elsewhere.waiting(other, connection) == {}
        (given_up,) = deliver(other, render=renderer(other), stays=stays(other))
        assert (given_up.state, given_up.next_attempt_at) == ("NOT_DELIVERED", None)
        assert "of the home that shares the ledger and has it" in str(given_up.detail)
        return
    key = app.vault.ids[0].hex()
    (left,) = deliver(other, render=renderer(other), stays=stays(other))
    assert (left.name, left.state, left.attempts) == (NAME, "PENDING", 0)
    assert left.detail == (
        f"it is sealed with the key {key}, which this home does not have: {app.machine} sends it; homes that share a ledger have "
        "one key: bring it here (gateway keys show)"
    )
    with db.read() as connection:
        assert staying(other, connection, stays(other)) == {left.delivery_id: left.detail}
        assert staying(app, connection, stays(app)) == {}
    assert outbox.settle(other) == [] and outbox.strange_copies(other) == [], "its copy lies there"
    (sent,) = deliver(app, render=renderer(app), stays=stays(app))
    assert (sent.state, sent.attempts, sent.detail) == ("DELIVERED", 1, None)
    assert [path.name for path in far_side.root.iterdir()] == [NAME]
    assert deliver(other, render=renderer(other), stays=stays(other)) == []


def test_what_a_home_made_itself_is_given_up_when_its_key_is_lost(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide, tmp_path: Path
) -> None:
    """Nobody else sends it: a person hears of it at once."""
    app, _ = two_homes(db, home, clock, far_side, tmp_path)
    lost = replace(app, vault=HeldVault(b"o" * 32))
    with db.read() as connection:
        assert sealed_elsewhere.waiting(lost, connection) == {}
    (given_up,) = deliver(lost, render=renderer(lost), stays=stays(lost))
    assert (given_up.state, given_up.next_attempt_at) == ("NOT_DELIVERED", None)


def test_a_message_that_is_kept_needs_no_key(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide, tmp_path: Path
) -> None:
    _, other = two_homes(db, home, clock, far_side, tmp_path)
    world.insert(
        db, "outbound_message", outbound_id=1, name=NAME + ".pgp", bytes=3, body=b"abc", recipient="r", made_at=other.now(),
        sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )  # fmt: skip
    (sent,) = deliver(other, render=renderer(other), stays=stays(other))
    assert (sent.state, sent.bytes) == ("DELIVERED", 3)
