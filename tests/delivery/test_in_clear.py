"""What was released in clear does not leave so once its bank wants OpenPGP; what never was to be encrypted leaves as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pysequoia import Tsk, decrypt

from gateway.app import App
from gateway.cli import outbound_page
from gateway.cli.status import page
from gateway.clock import FixedClock
from gateway.console import alarms
from gateway.console.status import status
from gateway.delivery.deliver import deliver, staying
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound import in_clear
from gateway.outbound.built import Built
from gateway.parts import renderer, stays
from gateway.release import copies, recall, release
from gateway.release.build import build
from gateway.settings import Bank, OpenPgp
from tests.delivery.conftest import FarSide
from tests.outbound import world

NAME = "P01-VACH-BANK-260303.DAT"
STAYS = (
    "it is in clear, released before [banks.first.openpgp] was set, so that {}: gateway outbound recall 1 --reason WHY, then "
    "build it again and release that; or take [banks.first.openpgp] away until it is there, where the bank wants it in clear"
)


def released(db: Database, home: Home, clock: FixedClock, far_side: FarSide, *, endpoint: str | None = "bank") -> App:
    world.company(db)
    world.vendor(db)
    world.check(db, "1")
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}},
        bank=world.bank(endpoint=endpoint), endpoints={"bank": far_side.endpoint},
    )  # fmt: skip
    approve(app, build(app, "VACH", "1"))
    return app


def approve(app: App, built: Built) -> None:
    release.approve(app, built.files[0].outbound_id, sha256=built.files[0].sha256)


def with_banks(app: App, **banks: Bank) -> App:
    """The same home, whose settings were changed since."""
    return replace(
        app, settings=replace(app.settings, gateway=app.settings.gateway.model_copy(update={"banks": banks}))
    )


def wanting(app: App) -> tuple[App, Tsk]:
    """The bank wants messages from now on, and its key."""
    key = Tsk.generate("First National Bank <ach@bank.invalid>")
    (app.home.keys / "bank.asc").write_text(str(key.extract_certificate()))
    bank = app.settings.gateway.banks["first"].model_copy(
        update={"openpgp": OpenPgp(recipient="config/keys/bank.asc", fingerprint=key.extract_certificate().fingerprint)}
    )
    return with_banks(app, first=bank), key


def local(instant: str | None) -> str:
    return str(instant)


def test_a_file_that_was_released_in_clear_stays_until_it_is_built_again(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide
) -> None:
    """It left as it was approved, without a word, though the bank wanted everything encrypted by then."""
    app, key = wanting(released(db, home, clock, far_side))
    (one,) = deliver(app, render=renderer(app), stays=stays(app))
    words = STAYS.format("it does not leave")
    assert (one.name, one.state, one.attempts, one.detail) == (NAME, "PENDING", 0, words)
    assert list(far_side.root.iterdir()) == []
    with app.db.read() as connection:
        assert staying(app, connection, stays(app)) == {1: words}
    found = status(app, None)
    assert found.wants_attention and f"  IN CLEAR {NAME} (#1): {words}" in list(page(found, local))
    assert [c.text for c in alarms.conditions(found) if c.code == "DELIVERY_STOPPED"] == [f"{NAME} (#1): {words}"]
    assert f"  IN CLEAR   {words}" in outbound_page.page(release.show(app, 1), local)
    recall.recall(app, 1, reason="the bank wants it encrypted")
    approve(app, build(app, "VACH", "1"))
    (sent,) = deliver(app, render=renderer(app), stays=stays(app))
    assert (sent.state, sent.name) == ("DELIVERED", "P01-VACH-BANK-260303-2.DAT.pgp")
    (there,) = far_side.root.iterdir()
    assert decrypt(there.read_bytes(), decryptor=key.decryptor()).bytes.startswith(b"101 091000019")
    assert deliver(app, render=renderer(app), stays=stays(app)) == []
    with app.db.read() as connection:
        assert staying(app, connection, stays(app)) == {}


def test_one_that_was_not_delivered_is_not_tried_again_in_clear(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide
) -> None:
    app, _ = wanting(released(db, home, clock, far_side))
    world.change(db, "UPDATE delivery SET state = 'NOT_DELIVERED', attempts = 1")
    (one,) = deliver(app, render=renderer(app), stays=stays(app), hurry=True)
    assert (one.state, one.attempts, one.detail) == ("NOT_DELIVERED", 1, STAYS.format("it does not leave"))


def other(app: App) -> App:
    """Another bank wants messages, and this one does not."""
    encrypted = wanting(app)[0].settings.gateway.banks["first"]
    return with_banks(app, first=app.settings.gateway.banks["first"], second=encrypted)


@pytest.mark.parametrize("change", [lambda app: app, other, lambda app: with_banks(wanting(app)[0])])
def test_what_no_bank_wants_encrypted_leaves_as_it_was_released(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide, change: Any
) -> None:
    app = change(released(db, home, clock, far_side))
    clear = (home.outbox / NAME).read_bytes()
    (sent,) = deliver(app, render=renderer(app), stays=stays(app))
    assert (sent.state, (far_side.root / NAME).read_bytes()) == ("DELIVERED", clear)


def test_a_file_with_its_message_is_not_called_clear(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide
) -> None:
    app, _ = wanting(released(db, home, clock, far_side))
    recall.recall(app, 1, reason="the bank wants it encrypted")
    built = build(app, "VACH", "1")
    approve(app, built)
    assert [row["in_clear"] for row in status(app, None).outbound if row["id"] == built.files[0].outbound_id] == [None]
    with db.read() as connection:
        assert in_clear.waiting(app, connection) == {}


def test_what_left_before_is_not_held(db: Database, home: Home, clock: FixedClock, far_side: FarSide) -> None:
    app = released(db, home, clock, far_side)
    (sent,) = deliver(app, render=renderer(app), stays=stays(app))
    assert sent.state == "DELIVERED"
    app, _ = wanting(app)
    with db.read() as connection:
        assert in_clear.waiting(app, connection) == {}


def test_one_that_is_fetched_by_hand_is_told_too(
    db: Database, home: Home, clock: FixedClock, far_side: FarSide
) -> None:
    app, _ = wanting(released(db, home, clock, far_side, endpoint=None))
    fetched = "; where it was fetched before, gateway outbound taken 1 --reason WHY"
    found = status(app, None)
    words = STAYS.format("nobody may fetch it") + fetched
    assert found.wants_attention and f"  IN CLEAR {NAME} (#1): {words}" in list(page(found, local))
    copies.taken(app, 1, reason="uploaded on Monday")
    assert status(app, None).outbound[0]["in_clear"] is None
