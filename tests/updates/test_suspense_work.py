"""Work on suspense in a ledger: what is posted and what changes beside it, on both databases, verified after each step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.errors import GatewayError, Refused, UsageError
from gateway.home import Home
from gateway.ledger import schema, units, views
from gateway.ledger.chart import charge_purposes
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.money import from_cents
from gateway.updates import reversal_by_hand, suspense_reversal, suspense_undo, suspense_work
from gateway.updates.suspense_reversal import Added, Change
from gateway.updates.suspense_rules import Target
from gateway.updates.suspense_work import Check
from gateway.vault import Vault
from tests.updates.payment_world import CASH, POSTED_AT, RENT, TODAY, World

BATCH = "03050890000100000001"
ESCROW = ("ASSMT RECV - RCR CHG 1", "ASSMT INC/PAY - RCR CHG 1")


@pytest.fixture
def world(db: Database) -> World:
    """Item 1: 1.00 of unknown lease 9, in office 1. Lease 1 (office 1) owes rent, a late charge and escrow; lease 2 is in
    office 2."""
    made = World(db)
    made.lease("1", normal_payment_cents=1000)
    made.lease("2", office=2)
    made.lease("3", office=3)
    made.invoice("10", "1", "2003-04-01", ("PYMT", 30), ("LTCH", 20), ("RCR1", 25))
    made.invoice("11", "1", "2003-05-01", ("PYMT", 40))
    made.invoice("20", "2", "2003-04-01", ("LTCH", 60))
    made.payments(f"L9,100,C77,B{BATCH}")
    return made


@pytest.fixture
def app(world: World, home: Home) -> App:
    clock = FixedClock(datetime(2003, 5, 8, 15, 0, tzinfo=UTC))
    return App(home, world.settings, clock, world.db, Vault(bytes(32)), Operator("JS3", "jane", frozenset({"post"})))


def item(world: World, *, kind: str = "SUSPENSE") -> int:
    (found,) = world.rows("SELECT MAX(item) FROM suspense_item WHERE kind = :k", k=kind)
    return int(found[0])


def posted(world: World, unit: int) -> list[tuple[Any, ...]]:
    """(office, lease, invoice, side, purpose, cents) of the legs of a unit."""
    return world.rows(
        "SELECT e.office_id, e.lease, e.invoice, l.side, a.purpose, l.amount_cents FROM journal_entry e "
        "JOIN journal_line l ON l.entry_id = e.entry_id JOIN gl_account a ON a.account_id = l.account_id "
        "WHERE e.entry_id / 100000000 = :u ORDER BY l.entry_id, l.line",
        u=unit,
    )


def sound(world: World) -> None:
    world.check_subledgers()
    assert [f"{check.name}: {check.detail}" for check in verify(world.db) if not check.ok] == []


def test_an_invoice_is_paid_by_the_hierarchy_with_all_legs(world: World, app: App) -> None:
    done = suspense_work.apply(app, item(world), [Target("invoice", "10", 60)], reason="names it")
    assert posted(world, done.unit_id) == [
        (1, "1", "10", "D", "SUSPENSE", 60),
        (1, "1", "10", "D", "ASSESSED FEES", 30),
        (1, "1", "10", "C", "ASSMT RECV - LTCH", 20),
        (1, "1", "10", "C", "ASSMT INC/PAY - LTCH", 20),
        (1, "1", "10", "C", RENT, 30),
        (1, "1", "10", "C", ESCROW[0], 10),
        (1, "1", "10", "C", ESCROW[1], 10),
    ]
    assert [(m.number, m.kind, m.cents, m.invoice, m.charge) for m in done.moves] == [
        (1, "APPLY", -20, "10", "LTCH"), (2, "APPLY", -30, "10", "PYMT"), (3, "APPLY", -10, "10", "RCR1"),
    ]  # fmt: skip
    assert (done.item.remaining_cents, done.item.closed_on) == (40, None)
    assert world.open() == {"10": 15, "11": 40, "20": 60} and world.escrow() == {("1", "RCR1"): 10}
    unit = world.rows("SELECT kind, update_name, operator, reason FROM posting_unit WHERE unit_id = :u", u=done.unit_id)
    assert unit == [("OPERATOR", "SUSPENSE", "JS3", "names it")]
    (event,) = world.rows("SELECT operator, os_user, subject, reason FROM operator_event")
    assert event == ("JS3", "jane", f"item:{item(world)}", "names it")
    sound(world)


def test_a_lease_is_paid_oldest_invoice_first_and_the_rest_stays(world: World, app: App) -> None:
    number = item(world)
    done = suspense_work.apply(app, number, [Target("lease", "1")], reason="r")
    assert world.open() == {"10": 0, "11": 15, "20": 60} and done.item.closed_on == TODAY
    with pytest.raises(Refused, match="found nothing left of it since 2003-05-08"):
        suspense_work.apply(app, number, [Target("lease", "1")], reason="r")
    sound(world)
    undone = suspense_undo.undo(app, number, done.moves[0].number, reason="r")
    assert (undone.item.remaining_cents, undone.item.closed_on) == (100, None), "it is open again"


def test_an_entry_names_the_asset_when_it_pays_one_line(world: World, app: App) -> None:
    with world.db.write() as connection:
        connection.execute(text("UPDATE receivable SET asset = 'A1' WHERE invoice = '10' AND charge <> 'LTCH'"))
    assets = "SELECT asset FROM journal_entry WHERE entry_id / 100000000 = :u ORDER BY entry_id"
    for cents, asset in ((20, None), (10, "A1"), (1, "A1"), (44, None)):  # LTCH; of rent; of rent; rent and escrow
        done = suspense_work.apply(app, item(world), [Target("invoice", "10", cents)], reason="r")
        assert world.rows(assets, u=done.unit_id) == [(asset,)]


def test_an_invoice_of_another_office_is_paid_through_the_clearing_of_both(world: World, app: App) -> None:
    done = suspense_work.apply(app, item(world), [Target("invoice", "20")], reason="r")
    assert posted(world, done.unit_id) == [
        (1, "2", "20", "D", "SUSPENSE", 60),
        (1, "2", "20", "C", "CLEARING", 60),
        (2, "2", "20", "D", "CLEARING", 60),
        (2, "2", "20", "D", "ASSESSED FEES", 60),
        (2, "2", "20", "C", "ASSMT RECV - LTCH", 60),
        (2, "2", "20", "C", "ASSMT INC/PAY - LTCH", 60),
    ]
    assert world.balances()[1, "CLEARING"] + world.balances()[2, "CLEARING"] == 0
    sound(world)
    suspense_undo.undo(app, item(world), 1, reason="wrong lease")
    assert world.open()["20"] == 60 and (1, "CLEARING") not in world.balances()
    sound(world)


def test_a_step_with_several_targets_posts_whole_or_not_at_all(world: World, app: App) -> None:
    number, before = item(world), world.balances()
    targets = [Target("invoice", "11", 40), Target("invoice", "20", 50), Target("account", "CLEARING", 11)]
    with pytest.raises(Refused, match=r"found 0.11 for account CLEARING, expected at most 0.10"):
        suspense_work.apply(app, number, targets, reason="r")
    assert world.balances() == before and world.rows("SELECT COUNT(*) FROM suspense_move") == [(0,)]
    suspense_work.apply(app, number, targets[:2], reason="r")
    assert world.suspense()[0][4] == 10
    sound(world)


def test_a_dry_run_says_what_would_be_and_leaves_nothing(world: World, app: App) -> None:
    before = world.balances()
    done = suspense_work.apply(app, item(world), [Target("lease", "1")], reason="r", dry_run=True)
    assert (done.item.remaining_cents, sum(m.cents for m in done.moves)) == (0, -100)
    assert world.balances() == before and world.suspense()[0][4] == 100
    assert world.rows("SELECT COUNT(*) FROM suspense_move") == [(0,)]


def transferred(world: World, reason: str = "TMSA") -> int:
    """0.40 of lease 1 that a reversal of family T left."""
    batch = "03050890000100000002"
    world.payments(f"I11,40,B{batch}")
    world.reversals(f"I11,40,B{batch},R{reason}")
    return item(world)


def test_what_a_transfer_left_is_placed_whole_in_one_step(world: World, app: App) -> None:
    number = transferred(world)
    wrong: list[Callable[[], Any]] = [
        lambda: suspense_work.apply(app, number, [Target("invoice", "10", 39)], reason="r"),
        lambda: suspense_work.clear(app, number, "CLEARING", cents=1, reason="r"),
        lambda: suspense_work.pay(app, number, Check("1"), "X", cents=39, reason="r"),
        lambda: suspense_work.refund(app, number, Check("1"), cents=39, reason="r"),
    ]
    for step in wrong:
        with pytest.raises(Refused, match="expected all of it: a reversal"):
            step()
    done = suspense_work.apply(app, number, [Target("invoice", "10", 15), Target("invoice", "20", 25)], reason="r")
    assert done.item.remaining_cents == 0
    sound(world)
    suspense_undo.undo(app, number, 2, reason="r")
    assert world.rows("SELECT remaining_cents FROM suspense_item WHERE item = :i", i=number) == [(40,)]
    suspense_work.refund(app, number, Check("1"), cents=None, reason="r")
    sound(world)


def test_what_a_transfer_left_is_placed_in_part_and_the_rest_refunded_in_one_step(world: World, app: App) -> None:
    number = transferred(world)
    targets, check = [Target("invoice", "20", 25)], Check("R-1", "125", "2003-05-20")
    with pytest.raises(Refused, match=r"found 0\.25 of 0\.40 placed, .* or refund it \(--refund-check\)"):
        suspense_work.apply(app, number, targets, reason="r")
    done = suspense_work.apply(app, number, targets, rest=check, reason="r")
    assert done.item.remaining_cents == 0 and len({m.unit_id for m in done.moves}) == 1
    assert [(m.kind, m.cents, m.invoice, m.check_no) for m in done.moves] == [
        ("APPLY", -25, "20", None), ("REFUND", -15, None, "R-1"),
    ]  # fmt: skip
    of_check = "SELECT check_no, bank, payee, amount_cents, disbursement_date, state FROM bank_check"
    assert world.rows(of_check) == [("R-1", "125", "LESSEE OF 1", 15, "2003-05-20", "NEW")]
    sound(world)
    back = suspense_undo.undo(app, number, 1, reason="r")
    assert back.item.remaining_cents == 40 and world.open()["20"] == 60 and world.rows(of_check)[0][-1] == "VOID"
    sound(world)


@pytest.mark.parametrize(
    ("targets", "check", "words"),
    [
        ([Target("invoice", "20", 40)], Check("1"), "found nothing left to refund, expected the targets to leave some"),
        ([Target("invoice", "20", 41)], Check("1"), "found 0.41 for invoice 20, expected at most 0.40"),
        ([Target("invoice", "20", 25)], Check("1", ""), "found bank none, expected a cash account"),
        ([Target("invoice", "20", 25)], Check("1", "126", "2003-05-07"), "found due date 2003-05-07"),
    ],
)
def test_what_cannot_be_refunded_places_nothing(
    world: World, app: App, targets: list[Target], check: Check, words: str
) -> None:
    number = transferred(world)
    before = (world.balances(), world.suspense())
    with pytest.raises(Refused, match=words):
        suspense_work.apply(app, number, targets, rest=check, reason="r")
    assert (world.balances(), world.suspense()) == before


def test_what_has_no_lessee_is_not_refunded_beside_its_targets(world: World, app: App) -> None:
    with pytest.raises(Refused, match="found lease 9, expected one of portfolio 1 whose lessee gets the money"):
        suspense_work.apply(app, item(world), [Target("invoice", "20", 25)], rest=Check("1"), reason="r")
    sound(world)


def test_a_batch_whose_suspense_was_applied_is_reversed_once_that_is_taken_back(world: World, app: App) -> None:
    number, line = item(world), f"L1,100,B{BATCH},RNSFC"
    with world.db.write() as connection:
        connection.execute(text("UPDATE payment_line SET lease = '1'"))
    suspense_work.apply(app, number, [Target("invoice", "11", 5)], reason="r")
    file_id, _ = world.reversals(line)
    assert [m[2] for m in world.messages(file_id)] == ["SUSPENSE_SPENT"]
    suspense_undo.undo(app, number, 1, reason="r")
    _, outcome = world.reversals(line)
    assert outcome.posted == 1 and world.suspense()[0][4] == 0
    with pytest.raises(Refused, match="found nothing left of it"):
        suspense_work.clear(app, number, "CLEARING", cents=None, reason="r")
    sound(world)


@pytest.mark.parametrize(
    ("reason", "held", "waiting"), [("NSFC", [("D", 60)], [100]), ("TMSA", [("C", 65)], [100, 125])]
)
def test_a_later_batch_is_applied_again_without_what_its_suspense_was_spent_on(
    world: World, app: App, reason: str, held: list[tuple[str, int]], waiting: list[int]
) -> None:
    """0.60 of the later batch's item went to lease 2; a reversal moves the other 0.25. When the step goes back, the batch
    can be reversed: the 0.60 leave the item, the rest what they pay now."""
    first, later = "03050890000100000002", "03050890000100000003"
    world.payments(f"I10,75,B{first}")
    world.payments(f"L1,125,B{later}")  # 0.40 are open
    number = item(world)
    suspense_work.apply(app, number, [Target("invoice", "20", 60)], reason="theirs")
    _, outcome = world.reversals(f"I10,75,B{first},RNSFC")
    assert outcome.posted == 1 and world.open() == {"10": 10, "11": 40, "20": 0}
    assert world.rows("SELECT remaining_cents FROM suspense_item WHERE item = :i", i=number) == [(0,)]
    sound(world)
    file_id, _ = world.reversals(f"L1,125,B{later},RNSFC")
    assert "Found 0.60 of suspense item" in world.messages(file_id)[0][3]
    suspense_undo.undo(app, number, 1, reason="not theirs")
    assert world.rows("SELECT remaining_cents FROM suspense_item WHERE item = :i", i=number) == [(60,)]
    assert world.open()["20"] == 60
    sound(world)
    assert world.rows(
        "SELECT SUM(amount_cents) FROM payment_line WHERE batch = :b AND state = 'APPLIED'", b=later
    ) == [(125,)]  # fmt: skip
    file_id, outcome = world.reversals(f"L1,125,B{later},R{reason}")
    assert outcome.posted == 1 and world.open() == {"10": 75, "11": 40, "20": 60}
    assert [(leg[4], leg[6]) for leg in world.legs(file_id) if leg[5] == "SUSPENSE"] == held
    assert [row[4] for row in world.suspense() if row[4]] == waiting
    sound(world)


def test_a_check_pays_out_and_goes_void_when_that_is_taken_back(world: World, app: App) -> None:
    number = item(world)
    done = suspense_work.pay(
        app, number, Check("a-1", due="2003-05-20", address="1 MAIN\nTOWN"), " HARBOR ", cents=70, reason="theirs"
    )
    assert posted(world, done.unit_id) == [
        (1, "9", None, "D", "SUSPENSE", 70), (1, "9", None, "C", "CASH 126", 70),
    ]  # fmt: skip
    check = (
        "SELECT check_no, bank, type, amount_cents, disbursement_date, payee, address, state, voided_on FROM bank_check"
    )
    assert world.rows(check) == [("A-1", "126", "SUSP", 70, "2003-05-20", "HARBOR", "1 MAIN\nTOWN", "NEW", None)]
    sound(world)
    with pytest.raises(Refused, match="found check A-1 of bank 126 used"):
        suspense_work.pay(app, number, Check("A-1"), "X", cents=None, reason="r")
    longest = "X" * 36
    suspense_work.pay(app, number, Check("A-1", "125"), f" {longest} ", cents=10, reason="r")
    assert world.rows("SELECT payee FROM bank_check WHERE bank = '125'") == [(longest,)]
    suspense_undo.undo(app, number, 1, reason="r")
    assert world.rows(f"{check} WHERE bank = '126'")[0][-2:] == ("VOID", TODAY)
    assert world.suspense()[0][4] == 90
    sound(world)
    with pytest.raises(Refused, match="found move 1 taken back before"):
        suspense_undo.undo(app, number, 1, reason="r")
    with world.db.write() as connection:
        connection.execute(text("UPDATE bank_check SET printed_on = '2003-05-08' WHERE bank = '125'"))
    with pytest.raises(Refused, match="found check A-1 of bank 125 printed or sent"):
        suspense_undo.undo(app, number, 2, reason="r")


def test_a_refund_goes_to_the_lessee(world: World, app: App) -> None:
    for known in (False, True):  # that of another portfolio is none
        if known:
            world.lease("9", office=3)
        with pytest.raises(Refused, match="found lease 9, expected one of portfolio 1 whose lessee gets the money"):
            suspense_work.refund(app, item(world), Check("1"), cents=None, reason="r")
    world.payments("L2,75")  # 60 are owed
    done = suspense_work.refund(app, item(world), Check("1"), cents=None, reason="paid too much")
    assert [(move.kind, move.cents) for move in done.moves] == [("REFUND", -15)]
    assert world.rows("SELECT payee, amount_cents, office_id FROM bank_check") == [("LESSEE OF 2", 15, 2)]
    back = suspense_undo.undo(app, item(world), 1, reason="wrong lessee")
    assert back.item.remaining_cents == 15 and world.rows("SELECT state FROM bank_check") == [("VOID",)]
    sound(world)


def paid(world: World, **filters: Any) -> list[tuple[str, str, str]]:
    """(state, type, amount) of the payments of the batch, as they are listed."""
    with world.db.read() as connection:
        listing = views.show(connection, "payments", views.Filters(batch=BATCH, **filters))
        at = [listing.columns.index(name) for name in ("state", "type", "amount")]
        return [(str(row[at[0]]), str(row[at[1]]), from_cents(row[at[2]]) or "") for row in listing.rows]


def test_every_cent_of_a_batch_is_listed_once(world: World, app: App) -> None:
    number = item(world)
    with world.db.write() as connection:
        connection.execute(text("UPDATE suspense_item SET lease = '1'"))
    suspense_work.apply(app, number, [Target("invoice", "11", 10)], reason="r")
    suspense_work.pay(app, number, Check("1"), "HARBOR", cents=20, reason="r")
    suspense_work.refund(app, number, Check("2"), cents=25, reason="r")
    suspense_work.clear(app, number, "601", cents=30, reason="r")
    added = suspense_reversal.add(app, Added("1", None, 50, batch=BATCH), reason="not a cent of the batch")
    suspense_work.clear(app, added.item.item, "601", cents=5, reason="r")
    left = ("APPLIED", "SUSPENSE", "0.15")
    applied = ("FROM SUSPENSE", "PYMT NAME FROM SUSPENSE", "0.10")
    out = [("FROM SUSPENSE", "SUSPENSE PAID OUT", "0.20"), ("FROM SUSPENSE", "SUSPENSE REFUNDED", "0.25")]
    cleared = ("FROM SUSPENSE", "SUSPENSE CLEARED", "0.30")
    assert paid(world) == [left, applied, *out, cleared]
    assert paid(world, lease="1") == [applied, *out, cleared], "the line came for lease 9"
    suspense_undo.undo(app, number, 2, reason="r")
    assert paid(world) == [("APPLIED", "SUSPENSE", "0.35"), applied, out[1], cleared]
    assert paid(world, state="REVERSED") == [("REVERSED", "SUSPENSE PAID OUT", "0.20")]
    for move in (1, 3, 4):
        suspense_undo.undo(app, number, move, reason="r")
    reversal_by_hand.reverse(app, BATCH, reason="NSFC")
    assert paid(world, state="REVERSED")[0] == ("REVERSED", "SUSPENSE", "1.00")


def disburse(world: World, cents: int, *, corrects: int | None = None, lease: str = "1", charge: str = "RCR1") -> int:
    """Escrow of a lease of office 1 paid out by check as U0409 does, or the mirror entry that takes that back; gives the
    entry."""
    with world.db.write() as connection:
        unit = units.open_unit(
            world.db,
            connection,
            portfolio="1",
            kind="OPERATOR",
            update_name="U0409",
            operator="JS1",
            posted_at=POSTED_AT,
        )
        payable, cash = (world.account(connection, 1, purpose) for purpose in (charge_purposes(charge)[1], "CASH 126"))
        sides = ("D", "C") if corrects is None else ("C", "D")
        entry = unit.add(
            office_id=1, txn="ESCR", effective_date=TODAY, lease=lease, corrects=corrects,
            legs=[(payable, sides[0], cents), (cash, sides[1], cents)],
        )  # fmt: skip
        change = "UPDATE escrow_balance SET balance_cents = balance_cents + :c WHERE lease = :l AND charge = :charge"
        connection.execute(text(change), {"c": -cents if corrects is None else cents, "l": lease, "charge": charge})
        units.close_unit(unit)
    return entry


def test_escrow_that_was_disbursed_since_keeps_the_application(world: World, app: App) -> None:
    number = item(world)
    suspense_work.apply(app, number, [Target("invoice", "10", 75)], reason="r")
    assert world.escrow() == {("1", "RCR1"): 25}
    with world.db.write() as connection:  # charges of one code in two portfolios are two
        copy = "INSERT INTO charge ({0}) SELECT {1} FROM charge WHERE code = 'RCR1'"
        names = schema.charge.c.keys()
        picked = ("'2'" if name == "portfolio" else name for name in names)
        connection.execute(text(copy.format(", ".join(names), ", ".join(picked))))
    entry = disburse(world, 10)
    words = r"found 0.10 of escrow RCR1 of lease 1 disbursed since, .* \(gateway ledger checks --lease 1\)"
    with pytest.raises(Refused, match=words):
        suspense_undo.undo(app, number, 1, reason="r")
    disburse(world, 10, corrects=entry)
    suspense_undo.undo(app, number, 2, reason="r")
    assert world.escrow() == {("1", "RCR1"): 0} and world.open()["10"] == 75


def test_escrow_that_was_disbursed_before_does_not_keep_the_application(world: World, app: App) -> None:
    """The payment of escrow that was disbursed bounced, suspense paid it anew and is taken back: what it was before."""
    number = item(world)
    world.payments("I10,75,B03050890000100000005")
    entry = disburse(world, 25)
    world.reversals("I10,75,B03050890000100000005,RNSFC")
    assert world.escrow() == {("1", "RCR1"): -25}
    suspense_work.apply(app, number, [Target("invoice", "10", 70)], reason="r")
    assert world.escrow() == {("1", "RCR1"): -5}
    suspense_undo.undo(app, number, 1, reason="r")
    assert world.escrow() == {("1", "RCR1"): -25} and world.suspense()[0][4] == 100
    suspense_work.apply(app, number, [Target("invoice", "10", 75)], reason="r")
    last = len(world.rows("SELECT number FROM suspense_move"))
    disburse(world, 25, corrects=entry)  # that of before the step is none of since
    later = disburse(world, 20)
    with pytest.raises(Refused, match=r"found 0\.20 of escrow RCR1 of lease 1 disbursed since"):
        suspense_undo.undo(app, number, last, reason="r")
    disburse(world, 20, corrects=later)
    suspense_undo.undo(app, number, last, reason="r")
    assert world.escrow() == {("1", "RCR1"): 0}


def bounce(world: World) -> None:
    """Escrow that was paid before comes back."""
    world.reversals("I12,5,B03050890000100000006,RNSFC")


def taken_back(world: World) -> None:
    disburse(world, 5, corrects=disburse(world, 5))


SINCE: dict[str, Callable[[World], object]] = {
    "a payment bounced": bounce,
    "disbursed, and that taken back": taken_back,
    "another lease's": lambda world: disburse(world, 5, lease="4"),
    "another charge's": lambda world: disburse(world, 5, charge="RCR2"),
}


@pytest.mark.parametrize("case", SINCE)
def test_what_else_happened_since_does_not_keep_the_application(world: World, app: App, case: str) -> None:
    number = item(world)
    world.lease("4")
    world.invoice("12", "1", "2003-05-02", ("RCR1", 5))
    world.payments("I12,5,B03050890000100000006", "I10,75,B03050890000100000005")
    disburse(world, 30)
    world.reversals("I10,75,B03050890000100000005,RTRAN")  # no other batch moves
    suspense_work.apply(app, number, [Target("invoice", "10", 70)], reason="r")
    assert world.escrow() == {("1", "RCR1"): -5}
    SINCE[case](world)
    left = world.escrow()["1", "RCR1"]
    suspense_undo.undo(app, number, 1, reason="r")
    assert world.escrow() == {("1", "RCR1"): left - 20}


@pytest.mark.parametrize("more", [9, 10, 11])
def test_other_money_may_have_been_disbursed_since(world: World, app: App, more: int) -> None:
    """What is still there is what the step brought, to the cent or with more."""
    world.invoice("12", "1", "2003-05-02", ("RCR1", more))
    suspense_work.apply(app, item(world), [Target("invoice", "10", 75)], reason="r")
    world.payments(f"I12,{more},B03050890000100000005")
    disburse(world, 10)
    if more < 10:
        with pytest.raises(Refused, match=r"found 0\.10 of escrow RCR1 of lease 1 disbursed since"):
            suspense_undo.undo(app, item(world), 1, reason="r")
        return
    suspense_undo.undo(app, item(world), 1, reason="r")
    assert world.escrow() == {("1", "RCR1"): more - 10}


def test_money_for_a_lease_of_another_portfolio_is_reversed_alone(world: World, app: App) -> None:
    """It was unknown when they came; what came later waits for a person as before, without a word."""
    world.payments("L9,30,B03050890000100000005")
    world.lease("9", office=3)
    done = reversal_by_hand.reverse(
        app, BATCH, reason="NSFC", why="bounced", amount_cents=None, check_no=None, effective_date=None, bank=None
    )
    assert (done.notes, [row[4] for row in world.suspense()]) == ((), [0, 30])
    sound(world)


# --- Reversal Suspense --------------------------------------------------------------------------------------------


@pytest.fixture
def failed(world: World) -> int:
    """0.50 of unknown lease 8 that a failed reversal left at office 1."""
    world.reversals("L8,50,B03050890000100000099,RNSFC,C5,G130")
    return item(world, kind="REVERSAL")


def test_reversal_suspense_is_cleared_against_an_account_or_by_a_check(world: World, app: App, failed: int) -> None:
    done = suspense_work.clear(app, failed, "601", cents=20, reason="write off")
    assert [leg[3:] for leg in posted(world, done.unit_id)] == [
        ("D", "RENT REVENUE", 20),
        ("C", "REVERSAL SUSPENSE", 20),
    ]
    done = suspense_work.receive(app, failed, "c9", bank=None, cents=None, reason="came back")
    assert [leg[3:] for leg in posted(world, done.unit_id)] == [("D", CASH, 30), ("C", "REVERSAL SUSPENSE", 30)]
    assert (done.moves[0].bank, done.moves[0].check_no, done.item.closed_on) == ("125", "C9", TODAY)
    assert world.rows("SELECT COUNT(*) FROM bank_check") == [(0,)]
    sound(world)
    suspense_undo.undo(app, failed, 2, reason="bounced")
    assert world.rows("SELECT remaining_cents FROM suspense_item WHERE item = :i", i=failed) == [(30,)]
    sound(world)


def test_reversal_suspense_never_becomes_suspense(world: World, app: App, failed: int) -> None:
    steps: list[Callable[[], Any]] = [
        lambda: suspense_work.clear(app, failed, "SUSPENSE", cents=None, reason="r"),
        lambda: suspense_work.apply(app, failed, [Target("lease", "1")], reason="r"),
        lambda: suspense_work.pay(app, failed, Check("1"), "X", cents=None, reason="r"),
        lambda: suspense_work.refund(app, failed, Check("1"), cents=None, reason="r"),
        lambda: suspense_reversal.add(app, Added("1", "1", 5, "SUSPENSE"), reason="r"),
    ]
    for step in steps:
        with pytest.raises(Refused, match="never"):
            step()
    sound(world)


def test_an_item_added_by_hand_is_posted_in_the_office_of_its_lease(world: World, app: App) -> None:
    done = suspense_reversal.add(app, Added("1", "2", 80, None, "c1", BATCH), reason="bank letter")
    assert posted(world, done.unit_id) == [
        (2, "2", None, "D", "REVERSAL SUSPENSE", 80), (2, "2", None, "C", CASH, 80),
    ]  # fmt: skip
    assert (done.item.reason, done.item.check_no, done.item.batch, done.item.office_id) == ("BY_HAND", "C1", BATCH, 2)
    assert [(m.kind, m.cents, m.text) for m in done.moves] == [("ADD", 80, "bank letter")]
    assert suspense_reversal.add(app, Added("1", None, 1, "001"), reason="r").item.office_id == 1
    sound(world)


def test_a_change_takes_the_entry_back_and_posts_it_anew(world: World, app: App, failed: int) -> None:
    done = suspense_reversal.change(app, failed, Change(52, "2", "c6"), reason="bank letter")
    assert posted(world, done.unit_id) == [
        (1, "8", None, "C", "REVERSAL SUSPENSE", 50),
        (1, "8", None, "D", "CASH 130", 50),
        (2, "2", None, "D", "REVERSAL SUSPENSE", 52),
        (2, "2", None, "C", "CASH 130", 52),
    ]
    changed = done.item
    assert (changed.lease, changed.office_id, changed.amount_cents, changed.remaining_cents, changed.check_no) == (
        "2", 2, 52, 52, "C6",
    )  # fmt: skip
    assert (changed.file_id, changed.line_no) == (2, 1)
    sound(world)
    again = suspense_reversal.change(app, failed, Change(check_no="C7"), reason="r").item
    assert (again.amount_cents, again.check_no) == (52, "C7")
    suspense_work.clear(app, failed, "001", cents=2, reason="r")
    suspense_work.note(app, failed, "x")
    suspense_work.clear(app, failed, "001", cents=3, reason="r")
    suspense_work.clear(app, failed, "001", cents=1, reason="r")
    suspense_undo.undo(app, failed, 7, reason="r")
    for moves in ([8, 5], [5]):
        commands = "; ".join(f"gateway suspense undo {failed} --move {move} --reason WHY" for move in moves)
        with pytest.raises(Refused) as refused:
            suspense_reversal.change(app, failed, Change(60), reason="r")
        assert str(refused.value).endswith(
            f"found part of it cleared since, expected all of it open; take that back first ({commands})"
        )
        suspense_undo.undo(app, failed, moves[0], reason="r")
    suspense_reversal.change(app, failed, Change(60), reason="r")
    sound(world)


@pytest.mark.parametrize(
    ("step", "error", "words"),
    [
        (lambda a, n: suspense_reversal.change(a, n, Change(), reason="r"), UsageError, "found nothing to change"),
        (lambda a, n: suspense_reversal.change(a, n, Change(50), reason="r"), UsageError, "found nothing to change"),
        (lambda a, n: suspense_reversal.change(a, n, Change(lease="3"), reason="r"), UsageError, "found no lease 3, expected one"),
        (lambda a, n: suspense_reversal.change(a, n, Change(check_no="~"), reason="r"), UsageError, "found check number"),
        (lambda a, n: suspense_reversal.change(a, 1, Change(5), reason="r"), Refused, "found an item of plain suspense"),
        (lambda a, n: suspense_reversal.add(a, Added("5", None, 5), reason="r"), UsageError, "found no portfolio 5"),
        (lambda a, n: suspense_reversal.add(a, Added("1", "99", 5), reason="r"), UsageError, "found no lease 99"),
        (lambda a, n: suspense_reversal.add(a, Added("1", None, 5, "003"), reason="r"), Refused, "the sum of its rows"),
        (lambda a, n: suspense_work.receive(a, n, "1", bank="CLR", cents=None, reason="r"), Refused, "found bank CLR"),
        (lambda a, n: suspense_work.receive(a, n, "1", bank="124", cents=None, reason="r"), Refused, "found bank 124"),
        (lambda a, n: suspense_work.receive(a, n, "1", bank="", cents=None, reason="r"), Refused, "found bank none"),
        (lambda a, n: suspense_reversal.add(a, Added("1", None, 5, ""), reason="r"), Refused, "found none named "),
        (lambda a, n: suspense_work.receive(a, n, "", bank=None, cents=None, reason="r"), UsageError, "found check number"),
        (lambda a, n: suspense_work.clear(a, 999, "001", cents=None, reason="r"), UsageError, "found none of that number"),
        (lambda a, n: suspense_work.clear(a, n, "001", cents=None, reason=" "), UsageError, "found no reason"),
        (lambda a, n: suspense_work.clear(a, n, "001", cents=51, reason="r"), Refused, "expected at most 0.50"),
        (lambda a, n: suspense_work.pay(a, 1, Check("1"), "\n", cents=None, reason="r"), UsageError, "found payee"),
        (lambda a, n: suspense_work.pay(a, 1, Check("1"), "P" * 37, cents=None, reason="r"), UsageError,
         "found payee 'P{37}' of 37 characters, expected 36 at most, as in an escrow file; shorten it"),
        (lambda a, n: suspense_work.note(a, 1, " "), UsageError, "found no text"),
        (lambda a, n: suspense_undo.undo(a, n, 1, reason="r"), UsageError, "found no move 1"),
    ],
)  # fmt: skip
def test_refusals_leave_everything_as_it_was(
    world: World, app: App, failed: int, step: Callable[[App, int], Any], error: type[GatewayError], words: str
) -> None:
    before = (world.balances(), world.suspense())
    with pytest.raises(error, match=words):
        step(app, failed)
    assert (world.balances(), world.suspense()) == before
    sound(world)


def test_an_account_that_the_new_office_lacks_refuses_the_change(world: World, app: App) -> None:
    world.reversals("L8,50,B03050890000100000099,RNSFC,G144")
    with pytest.raises(Refused, match="found no account CASH 144 in the lease's office"):
        suspense_reversal.change(app, item(world, kind="REVERSAL"), Change(lease="2"), reason="r")


# --- who and when -------------------------------------------------------------------------------------------------


def test_a_closed_business_date_takes_notes_only(world: World, app: App) -> None:
    number = item(world)
    with world.db.write() as connection:
        connection.execute(text("UPDATE portfolio SET period_state = 'CLOSED'"))
    with pytest.raises(Refused, match="closed by U0410"):
        suspense_work.apply(app, number, [Target("lease", "1")], reason="r")
    assert suspense_work.note(app, number, "first").number == 1
    assert suspense_work.note(app, number, "second").number == 2
    kept = world.rows("SELECT number, kind, cents, text, operator, at, unit_id, entry_id FROM suspense_move")
    assert kept[0] == (1, "NOTE", 0, "first", "JS3", "2003-05-08T15:00:00.000000Z", None, None)


def test_who_may_not_post_may_not_work_suspense(world: World, app: App) -> None:
    mere = App(app.home, app.settings, app.clock, app.db, app.vault, Operator("EVE", "eve", frozenset({"approve"})))
    steps: list[Callable[[], Any]] = [
        lambda: suspense_work.apply(mere, item(world), [Target("lease", "1")], reason="r"),
        lambda: suspense_work.note(mere, item(world), "x"),
        lambda: suspense_reversal.add(mere, Added("1", None, 1), reason="r"),
    ]
    for step in steps:
        with pytest.raises(Refused, match="without the right 'post'"):
            step()


@pytest.mark.parametrize(
    "fault",
    [
        "suspense_history.add", "suspense.reduce", "payments.change_paid", "payments.change_escrow", "units.close_unit",
    ],
)  # fmt: skip
def test_a_step_that_breaks_anywhere_leaves_nothing(
    world: World, app: App, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    number = item(world)
    before = (world.balances(), world.suspense(), world.open(), world.rows("SELECT MAX(unit_id) FROM posting_unit"))
    monkeypatch.setattr(f"gateway.ledger.{fault}", breaks)
    with pytest.raises(OSError, match="the disk is full"):
        suspense_work.apply(app, number, [Target("invoice", "10")], reason="r")
    monkeypatch.undo()
    after = (world.balances(), world.suspense(), world.open(), world.rows("SELECT MAX(unit_id) FROM posting_unit"))
    assert after == before and world.rows("SELECT COUNT(*) FROM suspense_move") == [(0,)]
    sound(world)


def test_two_people_at_one_item_end_as_if_one_came_after_the_other(world: World, app: App) -> None:
    number, both = item(world), Barrier(2)

    def takes_most(_: int) -> str:
        db = Database(world.db.url)
        own = App(app.home, app.settings, app.clock, db, app.vault, app.operator)
        both.wait()
        try:
            suspense_work.apply(own, number, [Target("lease", "1", 60)], reason="r")
        except Refused as refused:
            return str(refused)
        finally:
            db.close()
        return "applied"

    with ThreadPoolExecutor(2) as people:
        said = sorted(people.map(takes_most, range(2)))
    assert said[0] == "applied" and "expected at most 0.40, which remains of it" in said[1]
    assert world.rows("SELECT SUM(cents) FROM suspense_move") == [(-60,)]
    sound(world)


def test_what_people_did_stays_as_it_is(world: World, app: App) -> None:
    suspense_work.note(app, item(world), "x")
    again = "REPLACE INTO suspense_move SELECT * FROM suspense_move" if world.db.is_sqlite else "TRUNCATE suspense_move"
    for statement in ("UPDATE suspense_move SET text = text", "DELETE FROM suspense_move", again):
        with pytest.raises(DBAPIError, match="the history of suspense is append-only"), world.db.write() as connection:
            connection.execute(text(statement))
