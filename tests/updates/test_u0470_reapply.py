"""Reverse and reapply, beyond the worked cases: suspense, deferral fees, kinds of lease, order, several records."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.ledger import schema, units, verify_rows, views
from gateway.ledger.database import Database
from gateway.ledger.suspense import reduce
from gateway.settings_portfolio import AssessmentSettings, PortfolioSettings, ReversalSettings
from gateway.updates import reversal_moves, u0470
from gateway.updates.u0470 import UPDATE
from tests.updates.payment_world import CASH, POSTED_AT, RENT, World, simple

B1, B2, B3, B4 = (f"0305080000010000000{n}" for n in (1, 2, 3, 4))


def rents(db: Database, *cents: int, **more: Any) -> World:
    """Lease 1 with an invoice of rent due each month from March on: 1, 2, …"""
    world = World(db)
    world.lease("1", **more)
    for number, amount in enumerate(cents, 1):
        world.invoice(str(number), "1", f"2003-0{number + 2}-01", ("PYMT", amount))
    return world


def applied(world: World) -> list[tuple[Any, ...]]:
    """(batch, invoice, cents, operator) of the lines that are applied."""
    return world.rows(
        "SELECT p.batch, p.invoice, p.amount_cents, b.operator FROM payment_line p JOIN payment_batch b ON b.batch = p.batch "
        "WHERE p.state = 'APPLIED' ORDER BY p.batch, p.line"
    )


def listed(world: World) -> list[str]:
    """The batches as `gateway ledger payments` lists them."""
    with world.db.read() as connection:
        listing = views.show(connection, "payments", views.Filters())
        return [row[listing.columns.index("batch")] for row in listing.rows]


def sound(world: World) -> None:
    """Subledgers and rows agree with the journal."""
    world.check_subledgers()
    with world.db.read() as connection:
        assert [check for check in verify_rows.checks(connection) if not check.ok] == []


def test_later_batches_are_swapped_and_pay_again_on_their_own_dates_from_their_own_account(db: Database) -> None:
    world = rents(db, 200, 200)
    world.payments(f"L1,200,C12,E030308,B{B1}", f"L1,200,C45,E030404,A130,B{B2}")
    file_id, outcome = world.reversals(f"L1,200,B{B1},RNSFC,E030507,G131")
    assert [(leg[0], leg[1], leg[2], *leg[4:]) for leg in world.legs(file_id)] == [
        (1, "REVL", "2003-05-07", "C", "CASH 131", 200), (1, "REVL", "2003-05-07", "D", RENT, 200),
        (1, "REVA", "2003-05-07", "C", "CASH 130", 200), (1, "REVA", "2003-05-07", "D", RENT, 200),
        (1, "PYMT", "2003-04-04", "D", "CASH 130", 200), (1, "PYMT", "2003-04-04", "C", RENT, 200),
    ]  # fmt: skip
    assert (outcome.posted, outcome.posted_cents) == (1, 200)
    assert applied(world) == [(B2, "1", 200, "JS2")] and world.open() == {"1": 0, "2": 200}
    assert world.rows("SELECT nsf_count FROM lease") == [(1,)]  # the named batch alone bounced
    assert world.rows("SELECT line, source_line FROM payment_line WHERE batch = :b ORDER BY line", b=B2) == [
        (1, 2),
        (2, None),
    ]
    pairs = world.rows(
        "SELECT p.line, e.txn FROM payment_line p JOIN journal_entry e ON e.entry_id = p.reversed_by "
        "AND e.corrects = p.entry_id ORDER BY p.batch, p.line"
    )
    assert pairs == [(1, "REVL"), (1, "REVA")]
    with db.read() as connection:
        assert list(UPDATE.audit_rows(connection, file_id)) == [
            ("1", "LESSEE OF 1", "12", B1, "NSFC", 200, None, "1 2.00", ""),
            ("1", "LESSEE OF 1", "45", B2, "NSFC", None, 200, "2 2.00", "1 2.00"),
        ]
        assert [ids for _, _, ids in UPDATE.outcomes(connection, file_id)] != [[]]
    sound(world)


def test_an_invoice_is_paid_by_the_hierarchy_whatever_was_paid_first(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-03-01", ("PYMT", 100), ("LTCH", 30))
    world.invoice("2", "1", "2003-04-01", ("PYMT", 100))
    world.payments(f"L1,50,B{B1},E030301", f"I2,60,B{B2},E030302", f"I2,40,B{B3},E030303")
    world.reversals(f"L1,50,B{B1},RSTOP")
    assert [line[1:] for line in world.lines()] == [
        ("1", "1", "LTCH", 30), ("1", "1", "PYMT", 30), ("1", "1", "PYMT", 40),
    ]  # fmt: skip
    sound(world)


@pytest.mark.parametrize(
    ("more", "reason"), [({"accrual_method": "IBL"}, "NSFC"), ({"accrual_method": "ibl"}, "TMSA"), ({}, "TRAN")]
)
def test_loans_and_transfers_by_tran_move_nothing_else(db: Database, more: dict[str, str], reason: str) -> None:
    world = rents(db, 200, 200, **more)
    world.payments(f"L1,200,E030308,B{B1}", f"L1,200,E030404,B{B2}")
    world.reversals(f"L1,200,B{B1},R{reason}")
    assert applied(world) == [(B2, "2", 200, "JS1")] and world.open() == {"1": 200, "2": 0}
    sound(world)


def test_transferred_money_waits_after_the_others_are_re_applied(db: Database) -> None:
    world = rents(db, 200, 200)
    world.payments(f"L1,200,E030308,B{B1}", f"L1,200,E030404,B{B2}")
    file_id, _ = world.reversals(f"L1,200,B{B1},RTMSA")
    assert applied(world) == [(B2, "1", 200, "JS2")]
    assert world.suspense() == [("SUSPENSE", 1, "1", 200, 200, "TMSA")]
    assert [m[2] for m in world.messages(file_id)] == ["TARGET_REQUIRED"]
    sound(world)


def test_money_of_several_leases_that_awaits_a_target_is_reported_by_its_own_lease(db: Database) -> None:
    world = rents(db, 200)
    world.lease("2")
    world.invoice("20", "2", "2003-03-01", ("PYMT", 100))
    world.payments(f"L1,200,E030308,B{B1}", f"L2,100,E030308,B{B1}")
    file_id, _ = world.reversals(f"L2,300,B{B1},RTMSA")
    with db.read() as connection:
        rows = [(row[1], row[6], row[8]) for row in UPDATE.exception_rows(connection, file_id)]
    assert rows == [
        ("2", 300, "MULTIPLE_LEASE_BATCH"), ("1", 200, "TARGET_REQUIRED"), ("2", 100, "TARGET_REQUIRED"),
    ]  # fmt: skip


def test_money_that_finds_no_open_invoice_goes_to_suspense_and_comes_back_from_it(db: Database) -> None:
    world = rents(db, 200)
    world.payments(f"L1,150,E030308,B{B1}", f"L1,300,C7,E030404,B{B2}")
    assert world.suspense() == [("SUSPENSE", 1, "1", 250, 250, "MONEY_LEFT")]
    file_id, outcome = world.reversals(f"L1,150,B{B1},RNSFC")
    assert world.suspense() == [
        ("SUSPENSE", 1, "1", 250, 0, "MONEY_LEFT"), ("SUSPENSE", 1, "1", 100, 100, "REAPPLIED_MONEY_LEFT"),
    ]  # fmt: skip
    assert world.messages(file_id) == [
        (1, "W", "REAPPLIED_MONEY_LEFT",
         f"Found 1.00 of batch {B2} more than all open invoices of lease 1 when it was re-applied, expected no more than they "
         "come to: apply the suspense item when the lease is billed, or pay it out."),
    ]  # fmt: skip
    assert (outcome.posted, outcome.posted_cents, outcome.suspended) == (1, 150, 0)
    assert world.rows("SELECT batch, check_no, line_no, file_id FROM suspense_item WHERE remaining_cents > 0") == [
        (B2, "7", 1, file_id)
    ]
    with db.read() as connection:
        assert [row[-2:] for row in UPDATE.audit_rows(connection, file_id)] == [
            ("1 1.50", ""), ("1 0.50, SUSPENSE 2.50", "1 2.00, SUSPENSE 1.00"),
        ]  # fmt: skip
    world.reversals(f"L1,300,B{B2},RNSFC")
    assert world.open() == {"1": 200} and [row[4] for row in world.suspense()] == [0, 0]
    sound(world)


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize("owed", [0, 120])
def test_money_that_only_waited_to_be_billed_is_re_applied_without_a_word(db: Database, files: int, owed: int) -> None:
    """Also what a record before left, of its own file or of an earlier one."""
    world = rents(db, 120)
    world.payments(f"L1,120,E030308,B{B1}")
    world.payments(f"L1,300,E030404,B{B3}")
    assert world.suspense() == [("SUSPENSE", 1, "1", 300, 300, "NO_OPEN_INVOICE")]
    world.invoice("2", "1", "2003-03-01", ("PYMT", owed + 1))
    world.payments(f"L1,{owed + 1},E030309,B{B2}")
    records = [f"L1,{owed + 1},B{B2},RNSFC", f"L1,120,B{B1},RNSFC"]
    told = [
        world.messages(world.reversals(*part)[0]) for part in ([records] if files == 1 else [records[:1], records[1:]])
    ]
    assert {message[2] for messages in told for message in messages} == {"REAPPLIED_MONEY_LEFT"}
    sound(world)


def spend(world: World, cents: int) -> None:
    """Pay some of the only suspense item out."""
    with world.db.write() as connection:
        ((item,),) = connection.exec_driver_sql("SELECT item FROM suspense_item").all()
        unit = units.open_unit(
            world.db,
            connection,
            portfolio="1",
            kind="OPERATOR",
            update_name="SUSP",
            operator="TST",
            posted_at=POSTED_AT,
        )
        cash, held = (world.account(connection, 1, purpose) for purpose in (CASH, "SUSPENSE"))
        unit.add(office_id=1, txn="PAID", effective_date="2003-05-08", legs=[(held, "D", cents), (cash, "C", cents)])
        reduce(world.db, connection, {item: cents}, on="2003-05-08")
        units.close_unit(unit)


def test_of_a_later_batch_only_unspent_suspense_moves(db: Database) -> None:
    world = rents(db, 200)
    world.payments(f"L1,150,E030308,B{B1}", f"L1,300,E030404,B{B2}")
    spend(world, 150)
    file_id, _ = world.reversals(f"L1,150,B{B1},RNSFC")
    assert applied(world) == [(B2, None, 150, "JS2"), (B2, "1", 150, "JS2")]
    assert world.suspense() == [("SUSPENSE", 1, "1", 250, 0, "MONEY_LEFT")] and world.open() == {"1": 50}
    with db.read() as connection:
        assert [row[-2:] for row in UPDATE.audit_rows(connection, file_id)] == [
            ("1 1.50", ""), ("1 0.50, SUSPENSE 1.00", "1 1.50"),
        ]  # fmt: skip
    sound(world)
    again, outcome = world.reversals(f"L1,150,B{B2},RNSFC")
    assert [m[1:3] for m in world.messages(again)] == [("R", "SUSPENSE_SPENT")] and outcome.rejected == 1


def test_a_later_batch_of_spent_suspense_stays_as_it_is(db: Database) -> None:
    world = rents(db, 200)
    world.payments(f"L1,200,E030308,B{B1}", f"L1,300,E030404,B{B2}")
    spend(world, 300)
    world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [(B2, None, 300, "JS1")] and world.open() == {"1": 200}
    sound(world)


def deferral_fee(world: World, batch: str, cents: int, line: int = 1) -> None:
    """A deferral fee received as cash for lease 1 on 1 April, loaded as history; a line of the batch if it exists."""
    with world.db.write() as connection:
        unit = units.open_unit(
            world.db, connection, portfolio="1", kind="OPENING", update_name="LOAD", operator="TST", posted_at=POSTED_AT
        )
        cash, fee = (world.account(connection, 1, p) for p in (CASH, "ASSMT INC/PAY - PEXT"))
        entry = unit.add(
            office_id=1,
            txn="PEXT",
            effective_date="2003-04-01",
            lease="1",
            legs=[(cash, "D", cents), (fee, "C", cents)],
        )
        unit.flush()
        if line == 1:
            connection.execute(
                schema.payment_batch.insert().values(
                    batch=batch, portfolio="1", operator="JS1", effective_date="2003-04-01", effective_time="09:00:00",
                    cash_account="125", amount_cents=0, state="LIVE", unit_id=unit.unit_id,
                )
            )  # fmt: skip
        connection.execute(
            schema.payment_line.insert().values(
                batch=batch, line=line, lease="1", invoice="DEF FEE", charge="PEXT", amount_cents=cents, state="APPLIED",
                entry_id=entry, source_line=line,
            )
        )  # fmt: skip
        connection.exec_driver_sql(
            f"UPDATE payment_batch SET amount_cents = amount_cents + {cents} WHERE batch = '{batch}'"
        )
        units.close_unit(unit)


def test_a_deferral_fee_is_left_alone_and_the_rest_of_its_batch_moves(db: Database) -> None:
    world = rents(db, 200, 200, 200)
    world.payments(f"L1,200,E030308,B{B1}", f"L1,200,E030404,B{B2}", f"L1,200,E030504,B{B3}")
    deferral_fee(world, B4, 900)
    deferral_fee(world, B3, 700, line=2)
    world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [
        (B2, "1", 200, "JS2"), (B3, "DEF FEE", 700, "JS2"), (B3, "2", 200, "JS2"), (B4, "DEF FEE", 900, "JS1"),
    ]  # fmt: skip
    sound(world)


def test_what_a_file_moved_is_the_same_in_blocks_of_any_size(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of one record fall into several blocks, and what a later record moves again is of an earlier block."""
    world = rents(db, 200, 200)
    for n, batch in enumerate((B1, B2, B3), 1):
        world.payments(f"L1,{n}00,C{n},E030{n + 2}08,B{batch}")
    file_id, _ = world.reversals(f"L1,200,B{B2},RTMSA", f"L1,100,B{B1},RNSFC")
    with world.db.read() as connection:
        whole = list(reversal_moves.of_file(connection, file_id))
        assert [(one.batch, one.is_named) for one in whole] == [(B2, True), (B3, False), (B1, True), (B3, False)]
        for size in (1, 2, 5):
            monkeypatch.setattr(reversal_moves, "_BLOCK_ENTRIES", size)
            assert list(reversal_moves.of_file(connection, file_id)) == whole


def test_batches_of_one_day_are_re_applied_as_they_were_entered(db: Database) -> None:
    """Whatever their numbers, and the hour in UTC at which they were entered: the evening's belongs to the next day."""
    world = rents(db, 200, 200, 200)
    world.payments(f"L1,200,E030404,B{B1}")
    world.payments(f"L1,200,E030404,B{B3}")
    world.payments(f"L1,200,E030404,B{B2}")
    with db.write() as connection:
        connection.execute(
            schema.payment_batch.update().where(schema.payment_batch.c.batch == B3).values(effective_time="23:59:59")
        )
    assert listed(world) == [B1, B3, B2]
    world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [(B2, "2", 200, "JS2"), (B3, "1", 200, "JS2")]
    sound(world)


def test_of_loaded_batches_of_one_day_the_time_counts(db: Database) -> None:
    world = rents(db, 200, 200, 200)
    world.payments(f"L1,200,E030404,B{B1}", f"L1,200,E030404,B{B2}", f"L1,200,E030404,B{B3}")
    with db.write() as connection:
        connection.execute(
            schema.payment_batch.update().where(schema.payment_batch.c.batch == B2).values(effective_time="23:59:59")
        )
    world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [(B2, "2", 200, "JS2"), (B3, "1", 200, "JS2")]


def test_of_batches_of_two_loads_and_one_day_the_time_counts(db: Database) -> None:
    """Whichever was loaded first: the load says nothing of when they were paid."""
    world = rents(db, 200, 200, 200)
    world.payments(f"L1,200,E030404,B{B1}", f"L1,200,E030404,B{B2}", f"L1,200,E030404,B{B3}")
    for batch, at in ((B1, "10:00:00"), (B2, "23:59:59"), (B3, "09:00:00")):
        with db.write() as connection:
            unit = units.open_unit(
                db, connection, portfolio="1", kind="OPENING", update_name="LOAD", operator="TST", posted_at=POSTED_AT
            )
            units.close_unit(unit)
            its = schema.payment_batch.c.batch == batch
            connection.execute(schema.payment_batch.update().where(its).values(unit_id=unit.unit_id, effective_time=at))
    assert listed(world) == [B3, B1, B2]
    world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [(B2, "2", 200, "JS2"), (B3, "1", 200, "JS2")]


def test_suspense_of_another_office_is_left_alone_with_a_word(db: Database) -> None:
    """The lease was unknown when it paid, so that its money waits at the default office: no entry crosses offices."""
    world = World(db)
    world.payments(f"L1,200,E030404,B{B2}")
    world.lease("1", office=2)
    world.invoice("1", "1", "2003-03-01", ("PYMT", 300))
    world.payments(f"L1,100,E030308,B{B1}", f"L1,150,E030405,B{B3}")
    assert world.suspense() == [("SUSPENSE", 1, "1", 200, 200, "LEASE_UNKNOWN")]
    file_id, _ = world.reversals(f"L1,100,B{B1},RNSFC")
    assert applied(world) == [(B2, None, 200, "JS1"), (B3, "1", 150, "JS2")] and world.open() == {"1": 150}
    assert world.suspense() == [("SUSPENSE", 1, "1", 200, 200, "LEASE_UNKNOWN")]
    (item,) = world.rows("SELECT item FROM suspense_item")[0]
    assert world.messages(file_id) == [
        (1, "W", "SUSPENSE_OTHER_OFFICE",
         f"Found 2.00 of batch {B2} in suspense item {item} of another office than lease 1, expected money of the lease's "
         f"office: it was left there, place it (`gateway suspense apply {item} --lease 1 --reason WHY`)."),
    ]  # fmt: skip
    assert world.rows("SELECT amount_cents FROM line_message WHERE code = 'SUSPENSE_OTHER_OFFICE'") == [(200,)]
    sound(world)
    world.reversals(f"L1,200,B{B2},RNSFC")
    assert applied(world) == [(B3, "1", 150, "JS2")] and world.suspense()[0][4] == 0
    sound(world)


@pytest.mark.parametrize(
    ("day", "before", "told"),
    [
        ("030308", None, [1]),
        ("030307", None, [2]),  # no later batch of the first record's
        ("030404", "spent", []),
        ("030404", "L1,200,B{},RNSFC", []),  # taken back by the record before
    ],
)
def test_only_what_waits_at_another_office_and_would_have_moved_is_told(
    db: Database, day: str, before: str | None, told: list[int]
) -> None:
    world = World(db)
    world.payments(f"L1,200,E{day},B{B2}")
    world.lease("1", office=2)
    world.invoice("1", "1", "2003-03-01", ("PYMT", 300))
    world.payments(f"L1,100,E030308,B{B1}", f"L1,50,E030301,B{B3}")
    records = [f"L1,100,B{B1},RNSFC"]
    if told == [2]:
        records.append(f"L1,50,B{B3},RNSFC")
    if before == "spent":
        spend(world, 200)
    elif before is not None:
        records.insert(0, before.format(B2))
    file_id, _ = world.reversals(*records)
    assert [(line, code) for line, _, code, _ in world.messages(file_id)] == [
        (line, "SUSPENSE_OTHER_OFFICE") for line in told
    ]
    sound(world)


def test_money_held_back_for_a_person_is_re_applied_with_a_word(db: Database) -> None:
    world = rents(db, 200, 200)
    world.payments(f"L1,200,E030308,B{B1}")
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET status = 'HHLD'")
    world.payments(f"L1,150,E030404,B{B2}")
    file_id, _ = world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [(B2, "1", 150, "JS2")]
    (item,) = world.rows("SELECT item FROM suspense_item")[0]
    assert world.messages(file_id) == [
        (1, "W", "REAPPLIED_SUSPENSE",
         f"Found 1.50 of suspense item {item} (LEASE_STATUS) re-applied with its batch {B2}, expected money that a person had "
         "placed: look whether it belongs where the audit report shows it now."),
    ]  # fmt: skip
    assert world.rows("SELECT amount_cents FROM line_message WHERE code = 'REAPPLIED_SUSPENSE'") == [(150,)]
    sound(world)


def test_hold_status_does_not_stop_what_was_applied_before(db: Database) -> None:
    world = rents(db, 200, 200)
    world.payments(f"L1,200,E030308,B{B1}", f"L1,200,E030404,B{B2}")
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET status = 'HHLD'")
    world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [(B2, "1", 200, "JS2")]
    sound(world)


def test_a_batch_with_a_line_of_no_lease_is_of_several(db: Database) -> None:
    world = rents(db, 200, 200, 200)
    world.payments(f"L1,200,B{B1},E030308", f"L1,200,B{B2},E030404", f"I999,5,B{B2},E030404", f"L1,200,B{B3},E030405")
    first, _ = world.reversals(f"L1,200,B{B1},RNSFC")
    assert applied(world) == [(B2, "2", 200, "JS1"), (B2, None, 5, "JS1"), (B3, "1", 200, "JS2")]
    second, _ = world.reversals(f"L1,205,B{B2},RNSFC")
    assert (world.messages(first), [m[2] for m in world.messages(second)]) == ([], ["MULTIPLE_LEASE_BATCH"])
    assert applied(world) == [(B3, "1", 200, "JS2")]
    with db.read() as connection:
        assert [(row[0], row[5], row[-2]) for row in UPDATE.audit_rows(connection, second)] == [
            ("1", 200, "2 2.00"), (None, 5, "SUSPENSE 0.05"),
        ]  # fmt: skip
    sound(world)


def test_a_record_may_name_the_invoice_that_its_batch_paid_first(db: Database) -> None:
    world = rents(db, 200, 200)
    world.payments(f"L1,200,E030308,B{B1}", f"L1,200,E030404,B{B2}")
    world.reversals(f"I1,200,B{B1},RNSFC")
    file_id, outcome = world.reversals(f"I2,200,B{B2},RNSFC")  # it pays invoice 1 now
    assert (outcome.posted, world.messages(file_id)) == (1, [])
    assert world.open() == {"1": 200, "2": 200}
    sound(world)


@pytest.mark.parametrize("in_one_file", [True, False])
def test_a_record_may_name_the_invoice_that_suspended_money_was_sent_for(db: Database, in_one_file: bool) -> None:
    world = rents(db, 200, 200, 200)
    world.payments(f"L1,200,C1,E030308,B{B1}", f"L1,200,C2,E030308,B{B2}", f"I3,100,C8,E030308,B{B2}")
    assert [row[5] for row in world.suspense()] == ["BATCH_DIFFERS"]
    (held,) = (batch for (batch,) in world.rows("SELECT batch FROM suspense_item"))
    records = [f"L1,200,B{B1},RNSFC", f"I3,100,B{held},RNSFC"]
    files = [records] if in_one_file else [[record] for record in records]
    told = [[m[1:3] for m in world.messages(world.reversals(*file)[0])] for file in files]
    assert told == [[("W", "REAPPLIED_SUSPENSE")], *([] for _ in files[1:])]
    assert world.open() == {"1": 0, "2": 200, "3": 200}
    sound(world)


@pytest.mark.parametrize("lines_a_chunk", [1, 2, 100])
def test_records_see_what_those_before_them_did(
    db: Database, monkeypatch: pytest.MonkeyPatch, lines_a_chunk: int
) -> None:
    monkeypatch.setattr(u0470, "CHUNK_LINES", lines_a_chunk)
    world = rents(db, 100, 100, 100, 100)
    world.payments(*(f"L1,100,B{b},E030308" for b in (B1, B2, B3)), f"L1,250,B{B4},E030309")
    file_id, outcome = world.reversals(f"I3,100,B{B3},RNSFC", f"I1,100,B{B1},RNSFC", f"L1,100,B{B1}", f"I2,100,B{B2}")
    assert (outcome.posted, outcome.rejected) == (3, 1)
    assert applied(world) == [(B4, "1", 100, "JS2"), (B4, "2", 100, "JS2"), (B4, "3", 50, "JS2")]
    assert world.open() == {"1": 0, "2": 0, "3": 50, "4": 100}
    with db.read() as connection:
        rows = [(row[3], row[-2], row[-1]) for row in UPDATE.audit_rows(connection, file_id)]
        entries = [ids for _, _, ids in UPDATE.outcomes(connection, file_id)]
    assert rows == [
        (B3, "3 1.00", ""), (B1, "1 1.00", "1 1.00"), (B2, "2 1.00", "2 1.00"),
        (B4, "4 1.00, SUSPENSE 1.50", "3 1.00, 4 1.00, SUSPENSE 0.50"),
        (B1, "1 1.00", ""), (B2, "2 1.00", "1 1.00"),
        (B4, "3 1.00, 4 1.00, SUSPENSE 0.50", "2 1.00, 3 1.00, 4 0.50"),
        (B2, "1 1.00", ""), (B4, "2 1.00, 3 1.00, 4 0.50", "1 1.00, 2 1.00, 3 0.50"),
    ]  # fmt: skip
    assert [len(ids) for ids in entries] == [10, 9, 0, 7]
    sound(world)


def test_cash_basis_and_escrow_follow_the_money(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-03-01", ("RCR1", 100), ("PYMT", 50))
    world.invoice("2", "1", "2003-04-01", ("RCR1", 60), ("LTCH", 40))
    world.payments(f"L1,150,E030308,B{B1}", f"L1,100,E030404,B{B2}")
    assert world.escrow() == {("1", "RCR1"): 160}
    file_id, _ = world.reversals(f"L1,150,B{B1},RNSFC")
    assert world.escrow() == {("1", "RCR1"): 100}
    assert simple(world.legs(file_id))[-4:] == [
        (1, "PYMT", "D", CASH, 100), (1, "PYMT", "D", "ASSESSED FEES", 100), (1, "PYMT", "C", "ASSMT RECV - RCR CHG 1", 100),
        (1, "PYMT", "C", "ASSMT INC/PAY - RCR CHG 1", 100),
    ]  # fmt: skip
    assert world.messages(file_id) == []
    sound(world)


def test_a_file_of_payments_later_sees_the_charge_lines_as_re_applied(db: Database) -> None:
    world = rents(db, 200, 200, 200)
    world.payments(f"L1,200,E030308,B{B1}", f"L1,200,E030404,B{B2}")
    world.reversals(f"L1,200,B{B1},RNSFC")
    world.payments(f"L1,300,B{B3},E030505")
    assert world.open() == {"1": 0, "2": 0, "3": 100}
    sound(world)


def test_a_batch_of_another_portfolio_that_names_the_lease_stays(db: Database) -> None:
    world = rents(db, 200, 200)
    world.lease("9", office=3)
    world.payments(f"L1,302,E030309,B{B3}", "L9,1", portfolio="2")
    world.payments(f"L1,200,E030308,B{B1}")
    file_id, _ = world.reversals(f"L1,302,B{B3},RNSFC", f"L1,200,B{B1},RNSFC")
    assert [m[2] for m in world.messages(file_id)] == ["BATCH_UNKNOWN"]
    assert world.open() == {"1": 200, "2": 200} and [line[0] for line in applied(world)][:1] == [B3]
    world.check_subledgers()


def with_fee(db: Database, code: str = "LTCH", **more: Any) -> World:
    """Leases 1 and 2 paid rent; a bounced payment costs 25.00."""
    fee = PortfolioSettings(reversals=ReversalSettings(nsf_fee_code=code, nsf_fee="25.00"), **more)
    world = World(db, portfolios={"1": fee})
    world.lease("1")
    world.lease("2", next_due="2003-06-15")
    world.invoice("1", "1", "2003-04-01", ("PYMT", 200))
    world.invoice("2", "1", "2003-06-01", ("PYMT", 200), ("LTCH", 100))
    world.invoice("3", "2", "2003-04-01", ("PYMT", 200))
    return world


def billed(world: World) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT i.lease, i.due_date, r.charge, r.billed_cents, i.source FROM receivable r "
        "JOIN invoice i ON i.invoice = r.invoice WHERE r.charge = 'LTCH' ORDER BY i.lease"
    )


@pytest.mark.parametrize(("code", "escrow"), [("RCR2", {("1", "RCR2"): 2500}), ("RCR1", {})])
def test_a_fee_that_is_escrow_when_it_is_assessed_is_in_escrow(
    db: Database, code: str, escrow: dict[tuple[str, str], int]
) -> None:
    world = with_fee(db, code)
    world.payments(f"L1,200,E030501,B{B1}")
    world.reversals(f"L1,200,B{B1},RNSFC")
    assert world.escrow() == escrow
    sound(world)


def test_a_bounced_payment_costs_its_fee_on_the_next_invoice_of_every_lease_it_paid(db: Database) -> None:
    world = with_fee(db)
    world.payments(
        f"L1,200,C1,E030501,B{B1}", f"L2,200,C1,E030501,B{B1}", f"L1,150,C2,E030502,B{B2}", f"L1,50,E030503,B{B3}"
    )
    first, outcome = world.reversals(f"L1,400,B{B1},RNSFC", f"L1,50,B{B3},RUNDO", f"L1,150,B{B2},RNSFC")
    assert outcome.posted == 3
    assert [m[:3] for m in world.messages(first)] == [
        (1, "W", "MULTIPLE_LEASE_BATCH"), *((line, "W", "NSF_FEE_ASSESSED") for line in (1, 1, 3)),
    ]  # fmt: skip
    assert billed(world) == [("1", "2003-06-01", "LTCH", 5100, "TEST"), ("2", "2003-06-15", "LTCH", 2500, "U0470")]
    assert simple(world.legs(first))[-6:] == [
        leg for line in (1, 1, 3)
        for leg in ((line, "LTCH", "D", "ASSMT RECV - LTCH", 2500), (line, "LTCH", "C", "ASSESSED FEES", 2500))
    ]  # fmt: skip
    with db.read() as connection:
        entries = {line: ids for line, _, ids in UPDATE.outcomes(connection, first)}
    assert [len(entries[line]) for line in (1, 2, 3)] == [4, 1, 2]
    sound(world)


@pytest.mark.parametrize(
    ("code", "change", "why"),
    [
        ("XXXX", "", "the portfolio has no such charge"),
        ("LTCH", "UPDATE charge SET used = 'N' WHERE code = 'LTCH'", "the portfolio does not use the charge"),
        ("PTAX", "UPDATE charge SET level = 'asset' WHERE code = 'PTAX'", "the charge goes on assets"),
        ("LTCH", "UPDATE lease SET status = 'HHLD'", "the lease is not active"),
        ("LTCH", "UPDATE lease SET next_due = NULL", "the lease has no next invoice and no next due date"),
    ],
)
def test_a_fee_that_cannot_be_assessed_is_told_and_the_reversal_stands(
    db: Database, code: str, change: str, why: str
) -> None:
    world = with_fee(db, code)
    world.payments(f"L2,200,E030501,B{B1}")
    if change:
        with db.write() as connection:
            connection.exec_driver_sql(change)
    file_id, outcome = world.reversals(f"L2,200,B{B1},RNSFC")
    assert outcome.posted == 1 and world.messages(file_id) == [
        (1, "W", "NSF_FEE_NOT_ASSESSED",
         f"Found fee {code} of 25.00 not assessed on lease 2: {why}, expected a lease, charge and invoice that take it: mend "
         f"that and assess the fee by hand (gateway assess --lease 2 --charge {code} --amount 25.00 --reason WHY), or let it be."),
    ]  # fmt: skip
    assert [row[0] for row in billed(world)] == ["1"]
    sound(world)


def test_a_fee_is_no_charge_line_too_many(db: Database) -> None:
    world = with_fee(db, "PTAX", assessments=AssessmentSettings(charge_lines_an_invoice=2))
    world.payments(f"L1,200,E030501,B{B1}")
    file_id, _ = world.reversals(f"L1,200,B{B1},RNSFC")
    assert "holds as many charge lines as it may" in world.messages(file_id)[0][3]


def test_other_families_and_portfolios_without_a_fee_cost_nothing(db: Database) -> None:
    world = with_fee(db)
    world.payments(f"L2,200,E030501,B{B1}")
    world.reversals(f"L2,200,B{B1},RSTOP")
    assert [row[0] for row in billed(world)] == ["1"]
