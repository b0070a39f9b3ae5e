"""All four kinds of file through the real updates, then taken back whole: the ledger is as it was, or it is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import Refused
from gateway.home import Home
from gateway.intake import actions, registry
from gateway.intake.artifacts import write_unconfirmed
from gateway.intake.checking import check
from gateway.intake.files import InboundFile, left_in_suspense
from gateway.intake.service import Intake
from gateway.intake.states import FileState
from gateway.ledger import verify_rows
from gateway.ledger.database import Database
from gateway.ledger.load import load
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.verify import verify
from gateway.settings_portfolio import PortfolioSettings, ReversalSettings
from gateway.updates import (
    assess_by_hand,
    payment_by_hand,
    reversal_by_hand,
    suspense_reversal,
    suspense_undo,
    suspense_work,
)
from gateway.updates.payment_rules import Record
from gateway.updates.suspense_rules import Target
from gateway.vault import Vault
from parsers.btchassmt import Assessment
from tests.intake.conftest import PERSON, in_work
from tests.updates.payment_world import World

ESCROW_LINE = "10,030508,{cents},{check},SMITH,111 ANZA,,BURLINGAME,CA,94010,REF,,126\n"


@pytest.fixture
def world(db: Database) -> World:
    """Leases 10 and 11 with an open invoice each: rent 300.00 and a late fee of 25.00; 40.00 in escrow of lease 10."""
    made = World(db)
    for lease, invoice in (("10", "1001"), ("11", "1002")):
        made.lease(lease, next_due="2003-06-01")
        made.invoice(invoice, lease, "2003-06-01", ("PYMT", 30000), ("LTCH", 2500))
    made.invoice("1003", "10", "2003-05-01", ("RCR2", 4000))
    return made


@pytest.fixture
def real(world: World, home: Home, clock: FixedClock, db: Database, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setitem(registry.MODULES, "assessments", "gateway.updates.u0418")
    return App(home, world.settings, clock, db, Vault(bytes(32)), PERSON)


@pytest.fixture
def intake(real: App) -> Iterator[Intake]:
    made = Intake(real)
    yield made
    made.close()


def drop(intake: Intake, name: str, *lines: str) -> InboundFile:
    path = intake.app.home.inbox / name
    path.write_text("".join(lines))
    [done] = intake.process_now([path])
    assert not in_work(intake.app.home)
    return done.file


def picture(world: World) -> dict[str, Any]:
    """Everything the subledgers and accounts say."""
    return {
        "accounts": world.balances(),
        "receivables": sorted(world.rows("SELECT invoice, charge, asset, billed_cents, paid_cents FROM receivable")),
        "escrow": {key: cents for key, cents in world.escrow().items() if cents},
        "suspense": [row for row in world.suspense() if row[4]],
        "batches": sorted(world.rows("SELECT batch FROM payment_batch WHERE state = 'LIVE'")),
        "lines": sorted(world.rows("SELECT batch, line FROM payment_line WHERE state = 'APPLIED'")),
        "checks": sorted(world.rows("SELECT check_no FROM bank_check WHERE state <> 'VOID'")),
        "nsf": sorted(world.rows("SELECT lease, nsf_count FROM lease")),
    }


ASSESSMENTS = ("<lease>10<assmt>LTCH<amount>700\n", "<lease>11<duedate>030701<assmt>RCR2<amount>900\n")
PAYMENTS = ("L10,36500,C77\n", "I1002,20000,C78\n", "L99,500,C79\n")


@pytest.mark.parametrize(
    ("name", "lines", "figures"),
    [
        ("p1_btchassmt.dat", ASSESSMENTS, (2, 0, 1600, 0)),
        (
            "btchescr.dat",
            (ESCROW_LINE.format(cents=1500, check=5), ESCROW_LINE.format(cents=9900, check=6)),
            (1, 1, 1500, 0),
        ),
        ("p1_btchpmt.dat", PAYMENTS, (3, 0, 56500, 500)),
    ],
)
def test_a_file_taken_back_leaves_the_ledger_as_it_was(
    world: World, real: App, intake: Intake, name: str, lines: tuple[str, ...], figures: tuple[int, ...]
) -> None:
    before = picture(world)
    file = drop(intake, name, *lines)
    assert file.state is FileState.POSTED, file.hold_text
    assert (file.records, file.rejects, file.posted_cents, file.suspended_cents) == figures
    assert file.reported == "N" and picture(world) != before
    done = actions.reverse(real, file.file_id, reason="wrong month")
    assert done.state is FileState.REVERSED
    assert picture(world) == before
    world.check_subledgers()
    corrected = world.rows("SELECT COUNT(*) FROM journal_entry WHERE corrects IS NOT NULL")
    assert corrected[0][0] > 0
    with pytest.raises(Refused, match="found it REVERSED"):
        actions.reverse(real, file.file_id, reason="again")
    assert len(write_unconfirmed(real, file.file_id)) >= 7


def test_a_reversal_file_taken_back_makes_the_batches_live_again(world: World, real: App, intake: Intake) -> None:
    drop(intake, "p1_btchpmt.dat", *PAYMENTS)
    [(batch, cents), *_] = world.rows("SELECT batch, amount_cents FROM payment_batch ORDER BY batch")
    before = picture(world)
    file = drop(intake, "p1_bptmtrev.dat", f"L10,{cents},B{batch},RNSF\n", "L10,100,B03050890000199999999,RNSF\n")
    assert file.state is FileState.POSTED, file.hold_text
    assert (file.posted_cents, file.suspended_cents) == (cents, 100)
    assert dict(picture(world)["nsf"])["10"] == 1
    actions.reverse(real, file.file_id, reason="not bounced")
    assert picture(world) == before
    world.check_subledgers()


B1, B2, B3 = (f"0305080000010000000{n}" for n in (1, 2, 3))
RENTS = (f"L10,10000,E030501,B{B1}\n", f"L10,20000,E030502,B{B2}\n", f"L10,10000,E030503,B{B3}\n")


@pytest.mark.parametrize(
    ("records", "moved"),
    [
        ((f"L10,10000,B{B1},RNSF\n",), {B2, B3}),
        # the second takes back what the first re-applied
        ((f"L10,20000,B{B2},RNSF\n", f"L10,10000,B{B1},RTMSA\n"), {B3}),
        ((f"L10,10000,B{B1},RNSF\n", f"L10,20000,B{B2},RNSF\n", f"L10,10000,B{B3},RNSF\n"), {B2, B3}),
    ],
)
def test_what_a_reversal_file_re_applied_goes_back_too(
    world: World, real: App, intake: Intake, records: tuple[str, ...], moved: set[str]
) -> None:
    """3,500 of the last batch are in suspense before, less or nothing of it after."""
    drop(intake, "p1_btchpmt.dat", *RENTS)
    before = picture(world)
    file = drop(intake, "p1_bptmtrev.dat", *records)
    assert file.state is FileState.POSTED and file.records == len(records) and file.suspended_cents == 0, file.hold_text
    assert picture(world) != before
    with world.db.write() as connection:
        connection.execute(text("UPDATE payment_batch SET operator = 'JS2'"))
    actions.reverse(real, file.file_id, reason="not bounced")
    assert picture(world) == before
    taken_back = world.rows("SELECT batch FROM payment_batch WHERE operator = :code", code=PERSON.code)
    assert {batch for (batch,) in taken_back} == moved
    world.check_subledgers()
    with world.db.read() as connection:
        assert [check for check in verify_rows.checks(connection) if not check.ok] == []
    assert len(write_unconfirmed(real, file.file_id)) >= 7


def test_only_money_that_counts_as_posted_and_waits_is_left_in_suspense(
    world: World, real: App, intake: Intake
) -> None:
    """Not what went to suspense as such, not a payment's, nothing of a warning that opened no item or of a file taken back."""
    world.portfolios["1"] = PortfolioSettings(reversals=ReversalSettings(nsf_fee_code="LTCH", nsf_fee="30.00"))
    payments = drop(intake, "p1_btchpmt.dat", *RENTS)
    plain = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B3},RNSF\n")
    left = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B1},RTMSA\n", "L10,100,B03050890000199999999,RNSF\n")
    assert payments.suspended_cents and left.suspended_cents == 100

    def found(*files: InboundFile) -> dict[int, int]:
        with world.db.read() as connection:
            return left_in_suspense(connection, files)

    assert found(payments, plain, left) == {left.file_id: 10_000}
    assert found(payments, plain) == found(actions.reverse(real, left.file_id, reason="not theirs")) == {}


def test_the_fee_of_a_bounced_payment_goes_back_too(world: World, real: App, intake: Intake) -> None:
    world.portfolios["1"] = PortfolioSettings(reversals=ReversalSettings(nsf_fee_code="LTCH", nsf_fee="30.00"))
    drop(intake, "p1_btchpmt.dat", *RENTS)
    before = picture(world)
    file = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B1},RNSF\n")
    assert ("1001", "LTCH", "", 5500, 2500) in picture(world)["receivables"]
    actions.reverse(real, file.file_id, reason="not bounced")
    assert picture(world) == before


def test_what_was_re_applied_and_reversed_since_stays(world: World, real: App, intake: Intake) -> None:
    drop(intake, "p1_btchpmt.dat", *RENTS)
    file = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B1},RNSF\n")
    later = drop(intake, "p1_bptmtrev.dat", f"L10,20000,B{B2},RNSF\n")
    told = rf"found batch [0-9]+ corrected by entry \d+ of p1_bptmtrev.dat \(#{later.file_id}\) since, .*: gateway files reverse {later.file_id} --reason WHY"
    with pytest.raises(Refused, match=told):
        actions.reverse(real, file.file_id, reason="x")


def test_suspense_spent_in_part_gets_back_what_was_re_applied(world: World, real: App, intake: Intake) -> None:
    drop(intake, "p1_btchpmt.dat", *RENTS)
    with world.db.write() as connection:
        connection.execute(text("UPDATE suspense_item SET remaining_cents = remaining_cents - 500"))
    before = picture(world)
    file = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B1},RNSF\n")
    assert picture(world)["suspense"] == []
    actions.reverse(real, file.file_id, reason="not bounced")
    assert picture(world) == before


def test_a_file_that_took_what_was_left_of_suspense_goes_back_while_the_rest_stands(
    world: World, real: App, intake: Intake
) -> None:
    """A step on the item goes back in between: the batch is reversed whole, and only then in the way."""
    payments = drop(intake, "p1_btchpmt.dat", *RENTS)
    fresh = picture(world)
    (number,) = world.rows("SELECT item FROM suspense_item")[0]
    suspense_work.clear(real, number, "CLEARING", cents=500, reason="x")
    before = picture(world)
    first = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B1},RNSF\n")
    suspense_undo.undo(real, number, 1, reason="x")
    second = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B3},RNSF\n")
    with pytest.raises(Refused, match="corrected by entry"):
        actions.reverse(real, first.file_id, reason="x")
    actions.reverse(real, second.file_id, reason="x")
    actions.reverse(real, first.file_id, reason="x")
    assert picture(world) == fresh != before
    assert [check.name for check in verify(world.db) if not check.ok] == []
    actions.reverse(real, payments.file_id, reason="x")
    assert [check.name for check in verify(world.db) if not check.ok] == []
    assert picture(world)["lines"] == []


def test_assessments_that_were_paid_stay(world: World, real: App, intake: Intake) -> None:
    file = drop(intake, "p1_btchassmt.dat", "<lease>10<invoice>1001<assmt>LTCH<amount>700\n")
    drop(intake, "p1_btchpmt.dat", "I1001,33200\n")
    before = picture(world)
    with pytest.raises(
        Refused,
        match=r"found invoice 1001, charge LTCH, paid or waived since, .*: gateway ledger payments --invoice 1001",
    ):
        actions.reverse(real, file.file_id, reason="x")
    assert picture(world) == before


def test_a_reversal_file_whose_invoice_a_person_paid_goes_by_the_advice(
    world: World, real: App, intake: Intake
) -> None:
    """A reason that re-applies later batches would correct what the file made, and leave no way back."""
    drop(intake, "p1_btchpmt.dat", f"L10,10000,E030501,B{B1}\n", f"L10,2500,B{B2}\n")
    before = picture(world)
    file = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B1},RNSF\n")
    assert file.state is FileState.POSTED, file.hold_text
    record = Record(1, "I", "1003", 5000, None, None, None, None, None, None, None)
    by_hand = payment_by_hand.post(real, record, reason="x").batch
    with pytest.raises(
        Refused,
        match=r"paid again, waived or billed less since, .* gateway payment reverse BATCH --reason TRAN: its money waits",
    ):
        actions.reverse(real, file.file_id, reason="x")
    reversal_by_hand.reverse(real, by_hand, reason="TRAN")
    actions.reverse(real, file.file_id, reason="x")
    after = picture(world)
    assert {key: after[key] for key in ("receivables", "batches", "lines", "nsf")} == {
        key: before[key] for key in ("receivables", "batches", "lines", "nsf")
    }
    assert [check.name for check in verify(world.db) if not check.ok] == []


def test_assessments_paid_from_suspense_are_freed_by_the_command_it_names(
    world: World, real: App, intake: Intake
) -> None:
    """Taking a batch back, which it named before, is refused for what was spent from suspense."""
    file = drop(intake, "p1_btchassmt.dat", "<lease>10<invoice>1003<assmt>LTCH<amount>700\n")
    drop(intake, "p1_btchpmt.dat", "L999,4500\n")
    (item,) = world.rows("SELECT item FROM suspense_item")[0]
    suspense_work.apply(real, item, [Target("invoice", "1003", 4500)], reason="theirs")
    told = rf"charge LTCH, paid or waived since, .*: take back what was paid from suspense: gateway suspense undo {item} --move \d+ --reason WHY$"
    with pytest.raises(Refused, match=told) as refused:
        actions.reverse(real, file.file_id, reason="x")
    move = re.search(r"--move (\d+)", str(refused.value))
    assert move is not None
    suspense_undo.undo(real, item, int(move[1]), reason="x")
    actions.reverse(real, file.file_id, reason="x")
    assert [check.name for check in verify(world.db) if not check.ok] == []


@pytest.mark.parametrize(("change", "found"), [("state = 'SENT'", "sent"), ("printed_on = '2003-05-08'", "printed")])
def test_checks_that_are_out_stay(world: World, real: App, intake: Intake, change: str, found: str) -> None:
    file = drop(intake, "btchescr.dat", ESCROW_LINE.format(cents=1500, check=5))
    with world.db.write() as connection:
        connection.execute(text(f"UPDATE bank_check SET {change}"))
    with pytest.raises(Refused, match=f"found check 5 {found}"):
        actions.reverse(real, file.file_id, reason="x")


def test_suspense_that_a_person_used_is_freed_by_the_command_it_names(world: World, real: App, intake: Intake) -> None:
    file = drop(intake, "p1_btchpmt.dat", *PAYMENTS)
    before = picture(world)
    (item,) = world.rows("SELECT item FROM suspense_item")[0]
    suspense_work.clear(real, item, "CLEARING", cents=1, reason="x")
    suspense_work.clear(real, item, "CLEARING", cents=1, reason="x", again=True)
    for move in (2, 1):
        told = rf"found suspense item {item} used since by move {move} \(CLEAR\), .*: gateway suspense undo {item} --move {move} --reason WHY$"
        with pytest.raises(Refused, match=told):
            actions.reverse(real, file.file_id, reason="x")
        suspense_undo.undo(real, item, move, reason="x")
    assert picture(world)["suspense"] == before["suspense"]
    actions.reverse(real, file.file_id, reason="x")
    assert picture(world)["suspense"] == []


def test_payments_that_moved_on_stay(world: World, real: App, intake: Intake) -> None:
    file = drop(intake, "p1_btchpmt.dat", *PAYMENTS)
    with world.db.write() as connection:
        connection.execute(text("UPDATE suspense_item SET remaining_cents = remaining_cents - 1"))
    with pytest.raises(
        Refused, match=r"found suspense item (\d+) used since, .*: gateway suspense show \1 has the file"
    ):
        actions.reverse(real, file.file_id, reason="x")
    with world.db.write() as connection:
        connection.execute(text("UPDATE suspense_item SET remaining_cents = amount_cents"))
        connection.execute(text("UPDATE payment_batch SET exported_in = 'X1'"))
    with pytest.raises(Refused, match="exported to X1"):
        actions.reverse(real, file.file_id, reason="x")


def test_payments_reversed_since_stay_until_that_is_taken_back(world: World, real: App, intake: Intake) -> None:
    before = picture(world)
    payments = drop(intake, "p1_btchpmt.dat", *PAYMENTS)
    [(batch, cents), *_] = world.rows("SELECT batch, amount_cents FROM payment_batch ORDER BY batch")
    reversal = drop(intake, "p1_bptmtrev.dat", f"L10,{cents},B{batch},RUNDO\n")
    with pytest.raises(Refused, match="corrected by entry"):
        actions.reverse(real, payments.file_id, reason="x")
    actions.reverse(real, reversal.file_id, reason="x")
    actions.reverse(real, payments.file_id, reason="x")
    assert picture(world) == before


def test_a_failed_reversal_names_the_batch_that_it_came_with_when_its_file_is_taken_back(
    world: World, real: App, intake: Intake
) -> None:
    payments = drop(intake, "p1_btchpmt.dat", *PAYMENTS)
    [(batch, cents), *_] = world.rows("SELECT batch, amount_cents FROM payment_batch ORDER BY batch")
    drop(intake, "p1_bptmtrev.dat", f"L10,{cents - 1},B{batch},RNSFC\n")
    actions.reverse(real, payments.file_id, reason="x")
    assert world.rows("SELECT batch FROM suspense_item WHERE kind = 'REVERSAL'") == [(batch,)]
    assert world.rows(f"SELECT COUNT(*) FROM payment_batch WHERE batch = '{batch}~{payments.file_id}'") == [(1,)]
    assert [check for check in verify(real.db) if not check.ok] == []


def test_a_reversal_whose_invoice_was_paid_again_stays(world: World, real: App, intake: Intake) -> None:
    drop(intake, "p1_btchpmt.dat", "I1002,32500,C1\n")
    [(batch,)] = world.rows("SELECT batch FROM payment_batch")
    reversal = drop(intake, "p1_bptmtrev.dat", f"I1002,32500,B{batch},RUNDO\n")
    drop(intake, "p1_btchpmt.dat", "I1002,32500,C2\n")
    with pytest.raises(Refused, match="found invoice 1002, charge LTCH, paid again, waived or billed less since"):
        actions.reverse(real, reversal.file_id, reason="x")


def test_report_b_of_a_reversal_taken_back_says_what_it_cannot_tell_again(
    world: World, real: App, intake: Intake
) -> None:
    """After a restore: its batches are where they were, so half of its rows were there, as if it had reversed nothing."""
    drop(intake, "p1_btchpmt.dat", f"L10,10000,E030501,B{B1}\n", f"L10,2500,B{B2}\n")
    file = drop(intake, "p1_bptmtrev.dat", f"L10,10000,B{B1},RNSF\n")

    def report() -> Any:
        (path,) = [path for path in write_unconfirmed(real, file.file_id) if path.name == "p1_lpu0470b.json"]
        return json.loads(path.read_text())

    told = report()
    assert [row["amount_reversed"] for row in told["rows"]] == ["100.00", None] and told["notes"] == []
    actions.reverse(real, file.file_id, reason="x")
    again, [(unit,)] = report(), world.rows("SELECT unit_id FROM posting_unit WHERE update_name = 'U0470'")
    assert again["rows"] == []
    assert f"gateway ledger journal --unit {unit} has its entries" in again["notes"][0]


def test_report_a_made_again_names_the_lease_of_the_line(world: World, real: App, intake: Intake) -> None:
    """Not the one that a person gave the Reversal Suspense item since."""
    drop(intake, "p1_btchpmt.dat", f"L10,10000,B{B1}\n")
    file = drop(intake, "p1_bptmtrev.dat", f"L10,9999,B{B1},RNSF\n", f"L10,10000,B{B1},RTMSA\n")
    [(item,)] = world.rows("SELECT item FROM suspense_item WHERE kind = 'REVERSAL'")
    suspense_reversal.change(real, int(item), suspense_reversal.Change(lease="11"), reason="theirs")
    (path,) = [path for path in write_unconfirmed(real, file.file_id) if path.name == "p1_lpu0470a.json"]
    rows = [(row["lease"], row["code"]) for row in json.loads(path.read_text())["rows"]]
    assert rows == [("10", "AMOUNT_DIFFERS"), ("10", "TARGET_REQUIRED")]


def test_rent_that_was_paid_again_was_not_billed_less(world: World, real: App, intake: Intake) -> None:
    """Payments have the code of rent."""
    drop(intake, "p1_btchpmt.dat", f"I1001,32500,B{B1}\n")
    reversal = drop(intake, "p1_bptmtrev.dat", f"I1001,32500,B{B1},RUNDO\n")
    drop(intake, "p1_btchpmt.dat", "I1001,12500,C2\n")
    apply_later = drop(intake, "p1_btchpmt.dat", "L99,10000,ACLR\n")
    [(item,)] = world.rows(f"SELECT item FROM suspense_item WHERE file_id = {apply_later.file_id}")
    suspense_work.apply(real, int(item), [Target("invoice", "1001", 10000)], reason="x")
    suspense_undo.undo(real, int(item), 1, reason="x")
    gone = drop(intake, "p1_btchpmt.dat", "I1001,5000,C3\n")
    actions.reverse(real, gone.file_id, reason="x")
    with pytest.raises(Refused, match=r"file put it: gateway ledger payments --invoice 1001 has the batches"):
        actions.reverse(real, reversal.file_id, reason="x")


def test_a_reversal_whose_charge_an_earlier_batch_pays_again_goes_by_the_advice(
    world: World, real: App, intake: Intake
) -> None:
    """The first reversal went before the second one did; what it put back stands in the way, and came before both."""
    drop(intake, "p1_btchpmt.dat", f"I1002,32500,B{B1}\n")
    first = ("p1_bptmtrev.dat", f"I1002,32500,B{B1},RUNDO\n")
    early = drop(intake, *first)
    drop(intake, "p1_btchpmt.dat", f"I1002,32500,B{B2}\n")
    before = picture(world)
    late = drop(intake, "p1_bptmtrev.dat", f"I1002,32500,B{B2},RUNDO\n")
    actions.reverse(real, early.file_id, reason="x")
    with pytest.raises(
        Refused,
        match=rf"file put it: batch {B1} pays it again since p1_bptmtrev.dat \(#2\) was taken back: send that file",
    ):
        actions.reverse(real, late.file_id, reason="x")
    drop(intake, *first)
    actions.reverse(real, late.file_id, reason="x")
    assert picture(world) == before
    assert [check.name for check in verify(world.db) if not check.ok] == []


def test_a_reversal_whose_charge_was_taken_back_goes_by_the_advice(world: World, real: App, intake: Intake) -> None:
    """The charge was not paid any more, so its file could go; nothing was paid again nor waived."""
    assessed = drop(intake, "p1_btchassmt.dat", "<lease>10<invoice>1003<assmt>LTCH<amount>700\n")
    drop(intake, "p1_btchpmt.dat", f"I1003,4700,B{B1}\n")
    before = picture(world)
    reversal = drop(intake, "p1_bptmtrev.dat", f"I1003,4700,B{B1},RUNDO\n")
    actions.reverse(real, assessed.file_id, reason="x")
    again = "gateway assess --lease 10 --charge LTCH --amount 7.00 --invoice 1003 --reason WHY"
    with pytest.raises(
        Refused, match=rf"charge LTCH, paid again, waived or billed less since, .* with its file since: {again}$"
    ):
        actions.reverse(real, reversal.file_id, reason="x")
    assess_by_hand.assess(
        real, Assessment(1, "10", None, "1003", None, "LTCH", 700, None, None, None, None), reason="x"
    )
    actions.reverse(real, reversal.file_id, reason="x")
    assert picture(world) == before
    assert [check.name for check in verify(world.db) if not check.ok] == []


def test_a_reversal_whose_charge_was_loaded_with_less_goes_by_the_advice(
    world: World, real: App, intake: Intake, tmp_path: Path
) -> None:
    def bill(amount: str) -> None:
        rows = tmp_path / "invoices.csv"
        rows.write_text(f"invoice,lease,due_date,charge,amount\n1005,10,2003-05-02,LTCH,{amount}\n")
        load(real.db, [rows], vault=real.vault, maker=Maker("JS1", "js"), posted_at=real.now(), business_date=None)

    bill("5.00")
    drop(intake, "p1_btchpmt.dat", f"I1005,500,B{B1}\n")
    before = picture(world)
    reversal = drop(intake, "p1_bptmtrev.dat", f"I1005,500,B{B1},RUNDO\n")
    bill("3.00")
    with pytest.raises(
        Refused, match=r"charge LTCH, .* file put it: load invoices.csv with what it billed then, 2.00 more$"
    ):
        actions.reverse(real, reversal.file_id, reason="x")
    bill("5.00")
    actions.reverse(real, reversal.file_id, reason="x")
    assert picture(world) == before


@pytest.mark.parametrize(("before", "since", "shown"), [(0, 4500, "45.00"), (4000, 1, "0.01")])
def test_escrow_disbursed_since_stays(
    world: World, real: App, intake: Intake, before: int, since: int, shown: str
) -> None:
    if before:
        drop(intake, "btchescr.dat", ESCROW_LINE.format(cents=before, check=4))
    file = drop(intake, "p1_btchassmt.dat", "<lease>10<duedate>030701<assmt>RCR2<amount>900\n")
    drop(intake, "btchescr.dat", ESCROW_LINE.format(cents=since, check=5))
    with pytest.raises(
        Refused,
        match=rf"found {shown} of escrow RCR2 of lease 10 disbursed since, .*: gateway ledger checks --lease 10",
    ):
        actions.reverse(real, file.file_id, reason="x")


def test_escrow_that_was_below_zero_before_a_file_is_so_again(world: World, real: App, intake: Intake) -> None:
    """What was disbursed before the file came is not its money; that a payment bounced says what the lessee owes."""
    world.invoice("1004", "10", "2003-05-02", ("RCR1", 1000))
    drop(intake, "p1_btchpmt.dat", "I1004,1000,C1\n")
    [(batch,)] = world.rows("SELECT batch FROM payment_batch")
    drop(intake, "btchescr.dat", ESCROW_LINE.format(cents=1000, check=5))
    drop(intake, "p1_bptmtrev.dat", f"I1004,1000,B{batch},RNSFC\n")
    before = picture(world)
    assert world.escrow()["10", "RCR1"] == -1000
    again = drop(intake, "p1_btchpmt.dat", "I1004,1000,C2\n")
    actions.reverse(real, again.file_id, reason="wrong lessee")
    assert picture(world) == before


def test_escrow_below_zero_keeps_no_disbursement(world: World, real: App, intake: Intake) -> None:
    """Taking a disbursement back makes it less, whatever was disbursed since."""
    world.invoice("1004", "10", "2003-05-02", ("RCR1", 1000))
    drop(intake, "p1_btchpmt.dat", "I1004,1000,C1\n")
    [(batch,)] = world.rows("SELECT batch FROM payment_batch")
    first, _ = (drop(intake, "btchescr.dat", ESCROW_LINE.format(cents=500, check=check)) for check in (5, 6))
    drop(intake, "p1_bptmtrev.dat", f"I1004,1000,B{batch},RNSFC\n")
    actions.reverse(real, first.file_id, reason="wrong amount")
    assert world.escrow()["10", "RCR1"] == -500


def test_other_escrow_than_the_files_may_have_been_disbursed_since(world: World, real: App, intake: Intake) -> None:
    world.invoice("1004", "10", "2003-05-02", ("RCR1", 1000))
    world.invoice("1005", "10", "2003-05-03", ("RCR1", 1000))
    drop(intake, "p1_btchpmt.dat", "I1004,1000,C1\n")
    again = drop(intake, "p1_btchpmt.dat", "I1005,1000,C2\n")
    drop(intake, "btchescr.dat", ESCROW_LINE.format(cents=1000, check=5))
    actions.reverse(real, again.file_id, reason="wrong lessee")
    assert world.escrow()["10", "RCR1"] == 0


def test_a_closed_business_date_refuses(world: World, real: App, intake: Intake) -> None:
    file = drop(intake, "p1_btchassmt.dat", *ASSESSMENTS)
    with world.db.write() as connection:
        connection.execute(text("UPDATE portfolio SET period_state = 'CLOSED'"))
    with pytest.raises(Refused, match=r"^reversing p1_btchassmt.dat: found business date .* closed by U0410"):
        actions.reverse(real, file.file_id, reason="x")


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("p1_btchassmt.dat", ASSESSMENTS),
        ("btchescr.dat", (ESCROW_LINE.format(cents=1500, check=5),)),
        ("p1_btchpmt.dat", PAYMENTS),
        ("p1_bptmtrev.dat", ("L10,100,B03050890000199999999,RNSF\n",)),
    ],
)
def test_a_check_of_each_kind_leaves_nothing(
    world: World, real: App, intake: Intake, name: str, lines: tuple[str, ...]
) -> None:
    before = picture(world)
    path = real.home.work / name
    path.write_text("".join(lines))
    result = check(real, path)
    path.unlink()
    assert result.file.state is FileState.POSTED
    assert picture(world) == before and not in_work(real.home)
    assert world.rows("SELECT COUNT(*) FROM inbound_file") == [(0,)]


@pytest.mark.parametrize(
    ("name", "lines", "corrected"),
    [
        (
            "p1_btchpmt.dat",
            ("L10,36500,C77,B03050890000199999998\n", "L99,500,C79,B03050890000199999999\n"),
            ("L11,36500,C77,B03050890000199999998\n", "L11,500,C79,B03050890000199999999\n"),
        ),
        ("btchescr.dat", (ESCROW_LINE.format(cents=1500, check=5),), (ESCROW_LINE.format(cents=1600, check=5),)),
    ],
)
def test_the_corrected_file_may_use_the_numbers_of_the_one_taken_back(
    world: World, real: App, intake: Intake, name: str, lines: tuple[str, ...], corrected: tuple[str, ...]
) -> None:
    before = picture(world)
    wrong = drop(intake, name, *lines)
    write_unconfirmed(real, wrong.file_id)
    actions.reverse(real, wrong.file_id, reason="wrong lease")
    again = drop(intake, name, *corrected)
    codes = [row[0] for row in world.rows("SELECT code FROM line_message WHERE file_id = :f", f=again.file_id)]
    assert set(codes) <= {"MONEY_LEFT", "NO_OPEN_INVOICE"}
    assert (again.state, again.rejects) == (FileState.POSTED, 0)
    numbers = {row[0] for row in world.rows("SELECT batch FROM payment_batch UNION SELECT check_no FROM bank_check")}
    assert {f"{number}~{wrong.file_id}" for number in numbers if "~" not in number} <= numbers
    strays = "SELECT 1 FROM payment_line p LEFT JOIN payment_batch b ON b.batch = p.batch WHERE b.batch IS NULL"
    assert world.rows(strays) == []
    world.check_subledgers()
    assert all(
        "~" not in path.read_text(errors="replace")
        for path in write_unconfirmed(real, wrong.file_id)
        if path.suffix == ".txt"
    )
    actions.reverse(real, again.file_id, reason="wrong again")
    assert picture(world) == before
