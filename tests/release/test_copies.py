"""Copies that hold account numbers: put away once delivery is proved, as the bank's setting says, and never before."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.errors import LedgerError, Refused, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.outbound import outbox, store
from gateway.outbound.store import Frozen
from gateway.parts import verify_options
from gateway.release import copies, release
from gateway.release.build import build
from tests.outbound import world

ENDPOINT = {"host": "h", "user": "u", "key": "k"}
ACCOUNT = b"12345678"


def released(db: Database, home: Home, clock: FixedClock, **bank: Any) -> tuple[App, Frozen, Frozen]:
    """A released bank file that is on its way, and its scratch file, which is fetched by hand."""
    world.company(db)
    world.vendor(db)
    world.check(db, "1")
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}},
        bank=world.bank(**{"endpoint": "bank"} | bank), endpoints={"bank": ENDPOINT},
    )  # fmt: skip
    bank_file, scratch = build(app, "VACH", "1").files
    release.approve(app, bank_file.outbound_id, sha256=bank_file.sha256)
    return app, bank_file, scratch


def delivered(app: App, state: str = "DELIVERED") -> None:
    world.deliveries_are(app.db, state)


def in_outbox(app: App) -> list[str]:
    return sorted(path.name for path in app.home.outbox.iterdir())


def differences(app: App) -> list[str]:
    return [f"{c.name}: {c.detail}" for c in verify(app.db, **verify_options(app)) if not c.ok]


@pytest.mark.parametrize("state", ["PENDING", "SENDING", "PLACING", "NOT_DELIVERED", "UNKNOWN"])
def test_what_is_not_proved_delivered_stays(db: Database, home: Home, clock: FixedClock, state: str) -> None:
    app, bank_file, scratch = released(db, home, clock)
    delivered(app, state)
    assert copies.put_away(app) == []
    assert in_outbox(app) == sorted([bank_file.name, scratch.name])


@pytest.mark.parametrize("state", ["DELIVERED", "ACKNOWLEDGED"])
def test_a_delivered_file_is_sealed(db: Database, home: Home, clock: FixedClock, state: str) -> None:
    app, bank_file, scratch = released(db, home, clock)
    data = (home.outbox / bank_file.name).read_bytes()
    delivered(app, state)
    assert copies.put_away(app) == [bank_file.name]
    assert copies.put_away(app) == []
    assert in_outbox(app) == sorted([bank_file.name + ".sealed", scratch.name])
    path = home.outbox / (bank_file.name + ".sealed")
    assert ACCOUNT in data and ACCOUNT not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert outbox.settle(app) == [] and differences(app) == []
    assert copies.content(app, bank_file.outbound_id) == data


@pytest.mark.parametrize(("setting", "left"), [("remove", []), ("keep", ["P01-VACH-BANK-260303.DAT"])])
def test_the_banks_setting(db: Database, home: Home, clock: FixedClock, setting: str, left: list[str]) -> None:
    app, _bank_file, scratch = released(db, home, clock, after_delivery=setting)
    delivered(app)
    copies.put_away(app)
    assert in_outbox(app) == sorted([*left, scratch.name])
    assert outbox.settle(app) == [] and differences(app) == []


def test_a_kill_before_the_clear_copy_went_is_finished(db: Database, home: Home, clock: FixedClock) -> None:
    app, bank_file, scratch = released(db, home, clock)
    data = (home.outbox / bank_file.name).read_bytes()
    delivered(app)
    copies.put_away(app)
    (home.outbox / bank_file.name).write_bytes(data)
    assert copies.put_away(app) == [bank_file.name]
    assert in_outbox(app) == sorted([bank_file.name + ".sealed", scratch.name])


def test_a_fetched_file_is_put_away_when_a_person_says_so(db: Database, home: Home, clock: FixedClock) -> None:
    app, bank_file, scratch = released(db, home, clock)
    with pytest.raises(UsageError, match="was taken: found no reason, expected one"):
        copies.taken(app, scratch.outbound_id, reason=" ")
    assert copies.taken(app, scratch.outbound_id, reason="loaded by Pat")[:2] == ([scratch.name], [])
    assert in_outbox(app) == sorted([bank_file.name, scratch.name + ".sealed"])
    assert world.all_of(db, "SELECT operator, subject, reason FROM operator_event WHERE action = 'outbound.taken'") == [
        ("ANN", scratch.name, "loaded by Pat")
    ]
    assert outbox.settle(app) == [] and differences(app) == []
    with pytest.raises(Refused, match="found it APPROVED, expected LOCAL"):
        copies.taken(app, bank_file.outbound_id, reason="x")
    with pytest.raises(UsageError, match="outbound file 99: found none"):
        copies.taken(app, 99, reason="x")


def test_words_with_an_account_number_are_kept_of_no_fetched_and_no_exported_file(
    db: Database, home: Home, clock: FixedClock, tmp_path: Path
) -> None:
    app, file, _ = released(db, home, clock, endpoint=None)
    for done in (
        lambda words: copies.export(app, file.outbound_id, tmp_path / "copy", reason=words),
        lambda words: copies.taken(app, file.outbound_id, reason=words),
    ):
        with pytest.raises(Refused, match="account number of vendor V1"):
            done(f"for {ACCOUNT.decode()}")
        assert not (tmp_path / "copy").exists() and file.name in in_outbox(app)
        done("for the one that ends in 5678")
        (tmp_path / "copy").unlink(missing_ok=True)


def test_the_scratch_file_that_goes_with_a_fetched_one_is_named(db: Database, home: Home, clock: FixedClock) -> None:
    """It is for somebody else, and lies there with account numbers until it is fetched too."""
    app, bank_file, scratch = released(db, home, clock, endpoint=None)
    done = copies.taken(app, bank_file.outbound_id, reason="brought to the bank")
    assert (done.put_away, [one.name for one in done.waiting]) == ([bank_file.name], [scratch.name])
    assert copies.taken(app, scratch.outbound_id, reason="loaded")[:2] == ([scratch.name], [])
    assert copies.taken(app, bank_file.outbound_id, reason="again")[:2] == ([], [])


def test_a_file_without_account_numbers_is_nobodys_concern(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    world.rent(db, 1, 100)
    app = world.app_at(home, db, clock)
    (file,) = build(app, "DSGL", "1").files
    with pytest.raises(Refused, match="found no account numbers in a DSGL file"):
        copies.taken(app, file.outbound_id, reason="x")
    assert copies.put_away(app) == [] and in_outbox(app) == [file.name]


def test_a_changed_copy_is_left_and_named(db: Database, home: Home, clock: FixedClock) -> None:
    app, bank_file, _scratch = released(db, home, clock)
    delivered(app)
    (home.outbox / bank_file.name).write_bytes(b"mine")
    assert copies.put_away(app) == []
    assert (home.outbox / bank_file.name).read_bytes() == b"mine"
    assert [d for d in differences(app) if f"{bank_file.name}: other bytes" in d]
    (home.outbox / bank_file.name).unlink()
    (home.outbox / (bank_file.name + ".sealed")).write_bytes(world.VAULT.seal_bytes(b"x", field="outbound.file y"))
    assert [d for d in differences(app) if f"{bank_file.name}.sealed: other bytes" in d]


def test_export_writes_the_bytes_and_says_so(db: Database, home: Home, clock: FixedClock, tmp_path: Path) -> None:
    app, bank_file, _scratch = released(db, home, clock, after_delivery="remove")
    delivered(app)
    copies.put_away(app)
    target = tmp_path / "copy.dat"
    size = copies.export(app, bank_file.outbound_id, target, reason="the bank asks")
    data = target.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (size, bank_file.sha256)
    assert target.stat().st_mode & 0o777 == 0o600
    assert world.all_of(
        db, "SELECT operator, subject, reason FROM operator_event WHERE action = 'outbound.export'"
    ) == [("ANN", bank_file.name, "the bank asks")]
    with pytest.raises(UsageError, match="expected a new file"):
        copies.export(app, bank_file.outbound_id, target, reason="again")
    with pytest.raises(UsageError, match="found no reason"):
        copies.export(app, bank_file.outbound_id, tmp_path / "b", reason=" ")
    clerk = world.as_person(app, Operator("CLK", "clerk", frozenset({"deliver", "admin"})))
    with pytest.raises(Refused, match="without the right 'approve'"):
        copies.export(clerk, bank_file.outbound_id, tmp_path / "b", reason="x")
    assert not (tmp_path / "b").exists()


def test_the_sealed_copy_has_the_bytes_when_the_rows_do_not(db: Database, home: Home, clock: FixedClock) -> None:
    """Another version's writer, or a changed ledger: what left is still known."""
    app, bank_file, _scratch = released(db, home, clock)
    data = (home.outbox / bank_file.name).read_bytes()
    delivered(app)
    copies.put_away(app)
    world.change(db, "UPDATE outbound_file SET header = REPLACE(header, 'PRAIRIE', 'PRAYRIE')")
    with pytest.raises(LedgerError):
        store.render(app, bank_file.outbound_id)
    assert copies.content(app, bank_file.outbound_id) == data
    (home.outbox / (bank_file.name + ".sealed")).unlink()
    with pytest.raises(LedgerError):
        copies.content(app, bank_file.outbound_id)
