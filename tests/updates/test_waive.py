"""Waivers by hand and what they meet: payments and their reversal, files taken back, the limit of U0418, ``verify``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.intake import actions
from gateway.intake.files import InboundFile
from gateway.intake.service import Intake
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.settings_portfolio import AssessmentSettings, PortfolioSettings
from gateway.updates import payment_by_hand, reversal_by_hand, waive
from gateway.updates.payment_rules import Record
from gateway.updates.waive import ChargeLine, HandWaiver, named, refusal
from gateway.vault import Vault
from tests.intake.conftest import PERSON
from tests.support.at_once import until_it_waits
from tests.updates.payment_world import World


@pytest.fixture
def world(db: Database) -> World:
    """Lease 10: invoice 1 due in May with rent 300.00, a late fee 100.00, escrow 40.00 (accrual) and 30.00 (cash basis);
    invoice 2 due in June with rent 300.00. Two charge lines more are allowed on invoice 2."""
    made = World(db, {"1": PortfolioSettings(assessments=AssessmentSettings(charge_lines_an_invoice=4))})
    made.lease("10", next_due="2003-06-01")
    made.invoice("1", "10", "2003-05-01", ("PYMT", 30000), ("LTCH", 10000), ("RCR2", 4000), ("RCR1", 3000))
    made.invoice("2", "10", "2003-06-01", ("PYMT", 30000), ("PTAX", 500))
    return made


@pytest.fixture
def app(world: World, home: Home, clock: FixedClock, db: Database) -> App:
    return App(home, world.settings, clock, db, Vault(bytes(32)), PERSON)


@pytest.fixture
def intake(app: App) -> Iterator[Intake]:
    made = Intake(app)
    yield made
    made.close()


def drop(intake: Intake, name: str, *lines: str) -> InboundFile:
    path = intake.app.home.inbox / name
    path.write_text("".join(f"{line}\n" for line in lines))
    [done] = intake.process_now([path])
    return done.file


def waived(app: App, invoice: str, charge: str, cents: int) -> HandWaiver:
    return waive.waive(app, invoice, charge, cents, reason="kindness")


def pay(app: App, cents: int, invoice: str = "1") -> str:
    record = Record(1, "I", invoice, cents, None, None, None, None, None, None, None)
    return payment_by_hand.post(app, record, reason="at the desk").batch


def lines(world: World) -> dict[tuple[str, str], tuple[int, int]]:
    rows = world.rows("SELECT invoice, charge, billed_cents, paid_cents FROM receivable")
    return {(invoice, charge): (billed, paid) for invoice, charge, billed, paid in rows}


def unsound(world: World) -> list[str]:
    return [check.name for check in verify(world.db) if not check.ok]


def legs(world: World, unit: int) -> list[tuple[Any, ...]]:
    return world.rows(
        "SELECT j.side, a.purpose, j.amount_cents FROM journal_line j JOIN gl_account a ON a.account_id = j.account_id "
        "WHERE j.entry_id / 100000000 = :unit ORDER BY j.line",
        unit=unit,
    )


# --- what is posted -----------------------------------------------------------------------------------------------

POSTED = [
    ("1", "LTCH", 10000, "ASSESSED FEES", "ASSMT RECV - LTCH"),
    ("1", "RCR1", 1, "ASSESSED FEES", "ASSMT RECV - RCR CHG 1"),
    ("1", "RCR2", 4000, "ASSMT INC/PAY - RCR CHG 2", "ASSMT RECV - RCR CHG 2"),
    ("2", "PTAX", 499, "PROPERTY TAX PAYABLE", "ASSMT RECV - PTAX"),
]


@pytest.mark.parametrize(("invoice", "charge", "cents", "debited", "credited"), POSTED)
def test_a_waiver_takes_back_what_the_assessment_posted(
    world: World, app: App, invoice: str, charge: str, cents: int, debited: str, credited: str
) -> None:
    before, escrow, books = lines(world), world.escrow(), world.balances()
    dry = waive.waive(app, invoice, charge, cents, reason="x", dry_run=True)
    assert (lines(world), world.escrow(), world.balances()) == (before, escrow, books)
    done = waived(app, invoice, charge, cents)
    assert (dry.is_dry, done.is_dry, done.took_back) == (True, False, None)
    assert (
        (done.billed_cents, done.open_cents)
        == (dry.billed_cents, dry.open_cents)
        == (before[invoice, charge][0] - cents,) * 2
    )
    assert legs(world, done.unit) == [("D", debited, cents), ("C", credited, cents)]
    assert lines(world) == before | {(invoice, charge): (before[invoice, charge][0] - cents, 0)}
    lowered = {("10", "RCR2"): escrow["10", "RCR2"] - cents} if charge == "RCR2" else {}
    assert world.escrow() == escrow | lowered
    entry = world.rows(
        "SELECT e.txn, e.reason, e.lease, e.invoice, e.effective_date, c.txn, u.update_name, u.reason, u.kind "
        "FROM journal_entry e JOIN journal_entry c ON c.entry_id = e.corrects "
        "JOIN posting_unit u ON u.unit_id = e.entry_id / 100000000 WHERE u.unit_id = :unit",
        unit=done.unit,
    )
    assert entry == [("WAIV", "waived: kindness", "10", invoice, "2003-05-08", charge, "WAIVE", "kindness", "OPERATOR")]
    assert unsound(world) == []

    back = waive.undo(app, done.unit, reason="not kind")
    assert (back.took_back, back.billed_cents) == (done.unit, before[invoice, charge][0])
    assert legs(world, back.unit) == [("C", debited, cents), ("D", credited, cents)]
    assert (lines(world), world.escrow(), world.balances()) == (before, escrow, books)
    with pytest.raises(
        Refused, match=f"found it taken back before, by posting unit {back.unit}, expected one that stands"
    ):
        waive.undo(app, done.unit, reason="x")
    with pytest.raises(UsageError, match=f"found no waiver in posting unit {back.unit}"):
        waive.undo(app, back.unit, reason="x")
    waived(app, invoice, charge, cents)
    assert unsound(world) == []


def test_a_waiver_points_at_the_newest_entry_that_stands(world: World, app: App, intake: Intake) -> None:
    files = [drop(intake, "p1_btchassmt.dat", f"<lease>10<invoice>1<assmt>LTCH<amount>{n}00") for n in (1, 2, 3)]
    actions.reverse(app, files[2].file_id, reason="x")

    def points_at(done: HandWaiver) -> int:
        [(corrected,)] = world.rows("SELECT corrects FROM journal_entry WHERE entry_id / 100000000 = :u", u=done.unit)
        [(file_id,)] = world.rows("SELECT file_id FROM posting_unit WHERE unit_id = :u", u=corrected // 100_000_000)
        return int(file_id)

    first = waived(app, "1", "LTCH", 50)
    assert points_at(first) == points_at(waived(app, "1", "LTCH", 10000)) == files[1].file_id
    waive.undo(app, first.unit, reason="x")
    assert unsound(world) == []


# --- what is refused ----------------------------------------------------------------------------------------------


def line(charge: str = "LTCH", billed: int = 10000, paid: int = 0, asset: str = "") -> ChargeLine:
    return ChargeLine("10", 1, "1", "2003-05-01", charge, asset, billed, paid)


REFUSED = [
    (line(), 10000, None, None),
    (line(paid=9999), 1, None, None),
    (line("RCR2"), 400, 400, None),
    (line("PYMT"), 1, None, "found rent, which is billed and not assessed, expected an assessment; load the invoice with its "
     "right amount (gateway load) while nothing of it is paid"),
    (line(), 10001, None, "found 100.00 open of it (billed 100.00, paid 0.00), expected at least 100.01; waive less"),
    (line(paid=4000), 6001, None, "found 60.00 open of it (billed 100.00, paid 40.00), expected at least 60.01; waive less, or "
     "take back first what paid it (gateway ledger payments --invoice 1 has the batches; gateway payment reverse BATCH --reason "
     "CODE)"),
    (line(paid=10000), 1, None, "found 0.00 open of it (billed 100.00, paid 100.00), expected at least 0.01; take back first "
     "what paid it (gateway ledger payments --invoice 1 has the batches; gateway payment reverse BATCH --reason CODE)"),
    (line(billed=0), 1, None, "found 0.00 open of it (billed 0.00, paid 0.00), expected at least 0.01; nothing is to be done "
     "(gateway trace 1 has what was)"),
    (line("RCR2"), 401, 400, "found 4.00 of escrow RCR2 of lease 10 that is not disbursed, expected at least 4.01; take the "
     "disbursement back first (gateway ledger checks --lease 10), or waive less"),
]  # fmt: skip


@pytest.mark.parametrize(("charged", "cents", "escrow", "words"), REFUSED)
def test_what_can_be_waived(charged: ChargeLine, cents: int, escrow: int | None, words: str | None) -> None:
    assert refusal(charged, cents, escrow) == words


ON_ASSETS = [line("PTAX", asset="778"), line("PTAX", asset="779"), line()]


@pytest.mark.parametrize(
    ("charge", "asset", "found"),
    [
        ("LTCH", None, ON_ASSETS[2]),
        ("LTCH", "", ON_ASSETS[2]),
        ("PTAX", "779", ON_ASSETS[1]),
        ("PTAX", None, "W: found it on several assets (778, 779), expected one; name it with --asset"),
        ("PTAX", "780", "W: found no such charge of asset 780 on it, expected one that is billed there (PTAX asset 778, PTAX asset "
         "779, LTCH); correct it"),
        ("COLL", None, "W: found no such charge on it, expected one that is billed there (PTAX asset 778, PTAX asset 779, LTCH); "
         "correct it"),
    ],
)  # fmt: skip
def test_the_line_that_is_named(charge: str, asset: str | None, found: ChargeLine | str) -> None:
    if isinstance(found, ChargeLine):
        assert named(ON_ASSETS, charge, asset, "W") == found
    else:
        with pytest.raises(UsageError) as wrong:
            named(ON_ASSETS, charge, asset, "W")
        assert str(wrong.value) == found


def test_escrow_that_was_disbursed_is_not_waived(world: World, app: App, intake: Intake) -> None:
    drop(intake, "btchescr.dat", "10,030508,1500,5,SMITH,111 ANZA,,BURLINGAME,CA,94010,REF,,126")
    assert world.escrow()["10", "RCR2"] == 2500
    before = lines(world)
    with pytest.raises(
        Refused, match=r"found 25\.00 of escrow RCR2 of lease 10 that is not disbursed, expected at least 25\.01"
    ):
        waived(app, "1", "RCR2", 2501)
    assert lines(world) == before
    waived(app, "1", "RCR2", 2500)
    assert world.escrow()["10", "RCR2"] == 0 and unsound(world) == []


# --- what it meets ------------------------------------------------------------------------------------------------


def test_a_payment_taken_back_opens_what_was_billed_less_what_was_waived(world: World, app: App) -> None:
    """A partly paid charge, the rest of it waived in part; then later money is applied again, and none to what was waived."""
    first = pay(app, 6000)  # LTCH comes first in the hierarchy
    later = pay(app, 1000)
    assert lines(world)["1", "LTCH"] == (10000, 7000)
    waived(app, "1", "LTCH", 2500)
    assert lines(world)["1", "LTCH"] == (7500, 7000)
    done = reversal_by_hand.reverse(app, first, reason="NSFC")
    assert lines(world)["1", "LTCH"] == (7500, 1000)
    assert [(touched.batch, touched.is_named) for touched in done.moves] == [(first, True), (later, False)]
    assert unsound(world) == []
    pay(app, 6500 + 7000 + 30000 + 30500)  # all that is owed, and no cent more
    assert [key for key, (billed, paid) in lines(world).items() if billed != paid] == []
    with pytest.raises(Refused, match="found no open invoice of lease 10"):
        pay(app, 1)
    assert unsound(world) == []


def test_an_invoice_that_was_waived_whole_is_open_no_more(world: World, app: App) -> None:
    waived(app, "1", "LTCH", 10000)
    waived(app, "1", "RCR1", 3000)
    waived(app, "1", "RCR2", 4000)
    batch = pay(app, 30001)
    paid = world.rows("SELECT invoice, charge, amount_cents FROM payment_line WHERE batch = :b ORDER BY line", b=batch)
    assert paid == [("1", "PYMT", 30000), ("2", "PTAX", 1)]
    assert lines(world)["1", "LTCH"] == (0, 0)
    reversal_by_hand.reverse(app, batch, reason="UNDO")
    assert lines(world)["1", "LTCH"] == (0, 0) and unsound(world) == []


@pytest.mark.parametrize("cents", [700, 1])
def test_a_file_whose_charge_was_waived_stays_until_the_waiver_is_taken_back(
    world: World, app: App, intake: Intake, cents: int
) -> None:
    file = drop(intake, "p1_btchassmt.dat", "<lease>10<invoice>2<assmt>LTCH<amount>700")
    before = lines(world)
    done = waived(app, "2", "LTCH", cents)
    told = rf"found LTCH of invoice 2 corrected by entry {done.unit}00000001 of WAIVE by {PERSON.code} since, .*: "
    told += rf"gateway waive --undo {done.unit} --reason WHY takes that back first$"
    with pytest.raises(Refused, match=told):
        actions.reverse(app, file.file_id, reason="x")
    waive.undo(app, done.unit, reason="x")
    assert lines(world) == before and unsound(world) == []
    actions.reverse(app, file.file_id, reason="x")
    assert unsound(world) == []


def test_a_file_that_a_waiver_took_more_than_the_rest_from_stays(world: World, app: App, intake: Intake) -> None:
    """The waiver points at the newer of two files; the older one cannot go either, where too little would be left."""
    older, newer = (drop(intake, "p1_btchassmt.dat", f"<lease>10<invoice>2<assmt>LTCH<amount>{n}00") for n in (7, 2))
    both = [waived(app, "2", "LTCH", 100).unit, waived(app, "2", "LTCH", 150).unit]
    undo = " and ".join(f"gateway waive --undo {unit} --reason WHY" for unit in reversed(both))
    with pytest.raises(
        Refused, match=rf"found invoice 2, charge LTCH, paid or waived since, .*: take back what was waived: {undo}$"
    ):
        actions.reverse(app, older.file_id, reason="x")
    pay(app, 600, "2")
    with pytest.raises(
        Refused, match=rf"take back what was waived: {undo}; gateway ledger payments --invoice 2 has the batches"
    ):
        actions.reverse(app, older.file_id, reason="x")
    with pytest.raises(Refused, match="corrected by entry"):
        actions.reverse(app, newer.file_id, reason="x")
    waive.undo(app, both[1], reason="x")
    left = f"take back what was waived: gateway waive --undo {both[0]} --reason WHY; gateway ledger payments"
    with pytest.raises(Refused, match=left):
        actions.reverse(app, older.file_id, reason="x")
    assert unsound(world) == []


def test_a_line_waived_to_nothing_stays_when_a_file_on_it_goes(world: World, app: App, intake: Intake) -> None:
    """What was billed before the file is behind it: the waiver can still be taken back, and a load does not bill it anew."""
    done = waived(app, "1", "LTCH", 10000)
    before = lines(world)
    file = drop(
        intake,
        "p1_btchassmt.dat",
        "<lease>10<invoice>1<assmt>LTCH<amount>700",
        "<lease>10<invoice>2<assmt>LTCH<amount>1",
    )
    actions.reverse(app, file.file_id, reason="x")
    assert lines(world) == before and before["1", "LTCH"] == (0, 0)
    waive.undo(app, done.unit, reason="x")
    assert lines(world)["1", "LTCH"] == (10000, 0) and unsound(world) == []


def test_the_same_charge_adds_to_a_waived_line_which_counts_as_one(world: World, app: App, intake: Intake) -> None:
    waived(app, "1", "LTCH", 10000)
    file = drop(intake, "p1_btchassmt.dat", "<lease>10<invoice>1<assmt>LTCH<amount>700")
    assert (file.posted_cents, lines(world)["1", "LTCH"]) == (700, (700, 0))
    refused = drop(intake, "p1_btchassmt.dat", "<lease>10<invoice>2<assmt>LTCH<amount>1", "<lease>10<invoice>2<assmt>RCR1<amount>1",
                   "<lease>10<invoice>2<assmt>RCR2<amount>1")  # fmt: skip
    assert (refused.rejected_cents, refused.posted_cents) == (1, 2)
    waived(app, "2", "LTCH", 1)
    again = drop(intake, "p1_btchassmt.dat", "<lease>10<invoice>2<assmt>RCR2<amount>2")
    assert again.rejected_cents == 2
    assert unsound(world) == []


def test_a_reversal_file_of_a_payment_stays_when_what_it_opened_was_waived(
    world: World, app: App, intake: Intake
) -> None:
    batch = pay(app, 10000)
    file = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{batch},RUNDO")
    done = waived(app, "1", "LTCH", 100)
    told = rf"found invoice 1, charge LTCH, paid again, waived or billed less since, .*: gateway waive --undo {done.unit} --reason WHY"
    with pytest.raises(Refused, match=told):
        actions.reverse(app, file.file_id, reason="x")
    waive.undo(app, done.unit, reason="x")
    actions.reverse(app, file.file_id, reason="x")
    assert lines(world)["1", "LTCH"] == (10000, 10000) and unsound(world) == []


def test_verify_notices_what_was_waived_by_another_hand(world: World, app: App) -> None:
    waived(app, "1", "LTCH", 100)
    with world.db.write() as connection:
        connection.execute(text("UPDATE receivable SET billed_cents = billed_cents - 100 WHERE charge = 'LTCH'"))
    assert "charge lines are billed and paid as posted" in unsound(world)


def test_two_people_at_once_waive_what_is_open_once(world: World, app: App) -> None:
    """The second one waits for the first, and then finds what that left."""
    with ThreadPoolExecutor() as pool:
        with world.db.write() as first:
            world.db.lock_portfolios(first, ["1"])
            second = pool.submit(waived, app, "1", "LTCH", 6000)
            until_it_waits(world.db, second)
            assert not second.done()
            first.execute(text("UPDATE receivable SET paid_cents = 4001 WHERE charge = 'LTCH'"))
        with pytest.raises(Refused, match=r"found 59\.99 open of it"):
            second.result()
