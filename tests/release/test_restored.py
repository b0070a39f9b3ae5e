"""A file that waited for approval in a backup may have been approved and sent since: its approver is told, and so is the queue."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.delivery import queue, reads
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger import restored
from gateway.ledger.database import Database
from gateway.parts import doubts
from gateway.release import release
from tests.outbound import world
from tests.outbound.ach import approve, made, set_up, sound


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock, request: pytest.FixtureRequest) -> App:
    world.company(db)
    world.clearing(db, 1, 2)
    world.vendor(db)
    world.check(db, "1")
    return set_up(db, home, clock, bank={"endpoint": getattr(request, "param", "bank")})


def restore(app: App) -> list[str]:
    with app.db.write() as connection:
        restored.mark(connection, code="ANN", user="anna", backup_at=None, at=app.now())
        return doubts(connection, app.now())


def test_what_waited_for_approval_is_held_and_then_unknown(app: App, db: Database) -> None:
    built, _ = made(app)
    bank_file, scratch = built.files
    (said,) = restore(app)
    assert said.startswith(
        f"{bank_file.name} (#{bank_file.outbound_id}): it waited for approval and may have been approved "
    )
    assert f"gateway outbound approve 1 --sha256 {bank_file.sha256[:8]} --accept restored --reason WHY" in said
    shown = release.show(app, bank_file.outbound_id)
    assert [(f["rule"], f["action"]) for f in shown["findings"]] == [("restored", "HOLD")]
    assert shown["hold_text"].endswith("restored: it may have been approved and sent since the backup")
    with pytest.raises(Refused, match="found it held by restored: the ledger was restored: it may have been approved"):
        approve(app, built, fetched=False)
    restored_by_hand = release.approve(
        app, bank_file.outbound_id, sha256=bank_file.sha256, accept=["restored"], reason="it may be at the bank"
    )
    assert [one.name for one in restored_by_hand] == [bank_file.name, scratch.name]
    assert world.all_of(db, "SELECT state, next_attempt_at FROM delivery") == [("UNKNOWN", None)]
    sound(db)


def test_it_is_unknown_even_after_the_lists_were_compared(app: App, db: Database) -> None:
    built, _ = made(app)
    restore(app)
    with app.db.write() as connection:
        restored.compared(connection, reason="the bank's list", operator=app.operator, at=app.now())
    bank_file = built.files[0]
    release.approve(app, bank_file.outbound_id, sha256=bank_file.sha256, accept=["restored"], reason="it did not come")
    assert world.all_of(db, "SELECT state FROM delivery") == [("UNKNOWN",)]


def test_that_it_left_can_be_noted_after_its_last_window(app: App, db: Database, clock: FixedClock) -> None:
    """To reject it, the only other way, would free checks that are paid."""
    built, _ = made(app)
    restore(app)
    clock.at += timedelta(days=30)
    bank_file = built.files[0]
    release.approve(
        app, bank_file.outbound_id, sha256=bank_file.sha256, accept=["restored"], reason="it is at the bank"
    )
    assert world.all_of(db, "SELECT state FROM delivery") == [("UNKNOWN",)]


@pytest.mark.parametrize("app", [None], indirect=True)
def test_what_is_to_be_fetched_by_hand_is_told(app: App, db: Database) -> None:
    built, _ = made(app)
    approve(app, built, fetched=False)
    said, scratch = restore(app)
    assert scratch.endswith(
        ".DAT (#2), portfolio 1: to be fetched by hand: where its receiver has not got one, gateway outbound export 2 PATH "
        "--reason WHY writes it again, for a restore brings no outbox"
    )
    assert said.endswith(
        "may have been since the backup: if so, gateway outbound taken 1 --reason WHY; if not, gateway outbound export 1 PATH "
        "--reason WHY writes it again, for a restore brings no outbox"
    )


def test_of_files_that_are_no_banks_the_last_of_a_kind_is_told(app: App, db: Database) -> None:
    for number in (3, 7, 9):
        world.insert(db, "outbound_file", outbound_id=number, portfolio="1", kind="DSGL", name=f"DSGL_{number}.DAT",
            business_date="2026-03-02", state="LOCAL" if number < 9 else "REJECTED", records=0, bytes=0, sha256="x", header="{}",
            total_debit_cents=0, total_credit_cents=0, maker="ANN", maker_user="ann", built_at="2026-03-02T14:00:00.000000Z")  # fmt: skip
    (said,) = restore(app)
    assert said.startswith(
        "DSGL_7.DAT (#7) and 1 earlier of DSGL (gateway outbound list --kind DSGL --state LOCAL), portfolio 1: to be fetched"
    )


def test_trace_numbers_go_on_behind_those_that_may_have_gone_out(app: App, db: Database) -> None:
    """An answer of the bank to an entry that is not known any more must find no other entry."""
    made(app)
    before = world.one(db, "SELECT next FROM counter WHERE name LIKE 'trace:%'")
    restore(app)
    world.check(db, "2")
    made(app)
    first, second = (
        int(t[-7:]) for (t,) in world.all_of(db, "SELECT trace_number FROM ach_entry ORDER BY outbound_id")
    )
    assert (before, first, second) == (2, 1, 2 + restored.TRACES_LEFT_OUT)


@pytest.mark.parametrize(
    ("following", "after"), [(8_999_998, 9_999_998), (8_999_999, 9_999_999), (9_000_000, 1), (9_999_999, 1_000_000)]
)
def test_trace_numbers_come_round_to_1(app: App, db: Database, following: int, after: int) -> None:
    made(app)
    world.change(db, "UPDATE counter SET next = :n WHERE name LIKE 'trace:%'", n=following)
    restore(app)
    assert world.one(db, "SELECT next FROM counter WHERE name LIKE 'trace:%'") == after


@pytest.mark.parametrize("restores", [1, 2])
def test_so_do_those_of_a_bank_that_was_first_sent_something_after_the_backup(
    app: App, db: Database, restores: int
) -> None:
    for _ in range(restores):
        restore(app)
    made(app)
    assert world.one(db, "SELECT trace_number FROM ach_entry").endswith(
        f"{restores * restored.TRACES_LEFT_OUT + 1:07d}"
    )
    sound(db)


def test_nothing_is_due_after_it(app: App, db: Database) -> None:
    built, _ = made(app)
    approve(app, built, fetched=False)
    restore(app)
    with app.db.write() as connection:
        queue.hurry(connection, endpoint=None, at=app.now())
        assert reads.endpoints_with_work(connection, now="9999") == []
