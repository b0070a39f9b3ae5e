"""Voids of vendor checks, the reversals that take back what had left, and what they bring: postings and files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.outbound.built import Built, place
from gateway.parts import verify_options
from gateway.release import release
from gateway.release.build import build
from gateway.vendor_ach import gather, rules, settlement, voids
from parsers import vach_scratch
from tests.outbound import world
from tests.outbound.ach import approve, kinds, made, on, returned, set_up, sound, withheld

SETTLED = "2026-03-03"  # Tuesday: five banking days later is Tuesday 10 March


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    world.company(db)
    world.clearing(db, 1, 2)
    world.vendor(db)
    return set_up(db, home, clock)


def sent(app: App, *numbers: str, **changes: Any) -> Built:
    """Checks that left by a file settling on 3 March."""
    for number in numbers:
        world.check(app.db, number, **changes)
    built, _ = made(app)
    approve(app, built)
    return built


def legs(db: Database) -> list[tuple[Any, ...]]:
    """Postings of voids and settlements: office, purpose, side, cents, in order."""
    return world.all_of(
        db,
        "SELECT e.office_id, a.purpose, j.side, j.amount_cents FROM journal_entry e JOIN journal_line j "
        "ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id WHERE e.txn = 'VOID' "
        "ORDER BY e.entry_id, j.line",
    )


def state(db: Database, number: str) -> Any:
    return world.one(db, "SELECT state FROM bank_check WHERE check_no = :n", n=number)


# --- voids --------------------------------------------------------------------------------------------------


def test_a_check_that_was_not_sent(app: App, db: Database) -> None:
    world.check(db, "1", 700, office_id=2)
    done = voids.void(app, "1", reason="ordered twice")
    assert legs(db) == [(2, "CASH 126", "D", 700), (2, "ACCOUNTS PAYABLE", "C", 700)]
    assert world.all_of(db, "SELECT state, voided_on, outbound_id FROM bank_check") == [("VOID", "2026-03-02", None)]
    assert done.last_day is None
    assert world.all_of(db, "SELECT action, subject, reason FROM operator_event") == [
        ("VOID", "check 1/126/1", "ordered twice")
    ]
    built, _ = made(app)
    assert not built.files, "nothing is paid and nothing taken back"


@pytest.mark.parametrize(("type_", "account"), [("NEWI", "CLEARING"), ("NEWD", "CASH 126"), ("WIRE", "CASH 126")])
def test_checks_of_other_types(app: App, db: Database, type_: str, account: str) -> None:
    world.check(db, "1", 700, type=type_, state="SENT")
    voids.void(app, "1", reason="lost")
    assert legs(db)[0] == (1, account, "D", 700)
    sound(db)


@pytest.mark.parametrize(("type_", "before"), [("NEWD", "NEW"), ("WIRE", "SENT"), ("NEWI", "SENT")])
def test_the_void_of_a_check_of_another_type_is_taken_back(app: App, db: Database, type_: str, before: str) -> None:
    world.check(db, "1", 700, type=type_, state=before)
    voids.void(app, "1", reason="lost")
    voids.undo(app, "1", reason="found")
    assert world.all_of(db, "SELECT state, voided_on, void_entry_id FROM bank_check") == [(before, None, None)]
    assert sum(cents if side == "D" else -cents for _, _, side, cents in legs(db) if side) == 0
    sound(db)


def test_checks_of_one_number_at_two_banks_are_two(app: App, db: Database) -> None:
    for bank in ("125", "126"):
        world.check(db, "1", 700, bank=bank, type="WIRE", state="SENT")
    states = "SELECT bank, state FROM bank_check ORDER BY bank"
    voids.void(app, "1", bank="126", reason="lost")
    assert world.all_of(db, states) == [("125", "SENT"), ("126", "VOID")]
    voids.void(app, "1", bank="125", reason="lost")
    voids.undo(app, "1", bank="125", reason="found")
    assert world.all_of(db, states) == [("125", "SENT"), ("126", "VOID")]
    sound(db)


def test_a_dry_run_changes_nothing(app: App, db: Database) -> None:
    world.check(db, "1", 700)
    assert voids.void(app, "1", reason="x", dry_run=True).checks[0].cash == "CASH 126"
    assert (state(db, "1"), legs(db)) == ("NEW", [])


def test_a_sent_check_is_taken_back(app: App, db: Database, home: Home) -> None:
    world.vendor(db, "V2", sec="PPD", account_type="savings", account="777-1")
    world.check(db, "9", 4_000)
    original = sent(app, "1", amount_cents=12_345, vendor="V2", office_id=2)
    world.change(db, "UPDATE vendor SET account_sealed = :s", s=world.VAULT.seal("555", field="vendor.account"))
    later = set_up(db, home, on("2026-03-05"))
    done = voids.void(later, "1", reason="goods sent back")
    assert done.last_day == "2026-03-10"
    assert legs(db) == [(2, "CLEARING", "D", 12_345), (2, "ACCOUNTS PAYABLE", "C", 12_345)]
    built, (batch,) = made(later)
    assert (batch.description, batch.sec_code, batch.service_class) == ("REVERSAL", "PPD", "225")
    assert (batch.company_id, batch.company_name, batch.effective_date) == (
        "1234567890",
        "PRAIRIE LEASING",
        "2026-03-06",
    )
    (entry,) = batch.entries
    assert (entry.transaction_code, entry.amount_cents, entry.account) == ("37", 12_345, "7771"), "where the money went"
    assert entry.trace_number > "091000010000002", "a number of its own"
    assert (built.files[0].total_debit_cents, built.files[0].total_credit_cents) == (12_345, 0)
    assert kinds(db)[-1] == ("REVERSAL", "V2", "1", 12_345, "37", "2026-03-06")
    assert world.all_of(db, "SELECT reverses_outbound_id, reverses_seq FROM ach_entry WHERE kind = 'REVERSAL'") == [
        (original.files[0].outbound_id, 2)
    ]
    assert world.one(db, "SELECT outbound_id FROM outbound_claim WHERE source = 'reversal:1:126:1'")
    (row,) = vach_scratch.read((home.outbox / built.files[1].name).read_bytes())
    assert isinstance(row, vach_scratch.VachRecord)
    assert (row.flag, row.amount_cents, row.check, row.transaction_code) == ("V", -12_345, "1", "37")
    (line,) = next(one.report for one in built.reports if one.report.spec.name == "U0424A").rows
    assert (line[-3], line[-1]) == ("DEBIT", -12_345)
    assert not made(later)[0].files, "it is taken back once"
    release.reject(later, built.files[0].outbound_id, reason="not yet")
    assert made(later)[1][0].description == "REVERSAL", "what was rejected goes out anew"


def test_a_mixed_file_keeps_kinds_apart(app: App, db: Database) -> None:
    """A bank that takes no service class 200 gets credits and debits in batches of their own anyway."""
    sent(app, "1")
    voids.void(app, "1", reason="twice")
    world.check(db, "2")
    _, batches = made(app)
    assert [(b.description, b.service_class, b.effective_date) for b in batches] == [
        ("VENDOR PAY", "220", SETTLED), ("REVERSAL", "225", SETTLED),
    ]  # fmt: skip


def test_ctx_is_voided_whole(app: App, db: Database) -> None:
    world.vendor(db, "V3", sec="CTX")
    sent(app, "1", "2", vendor="V3", amount_cents=500)
    with pytest.raises(Refused, match=r"paid by one entry with checks 2, expected all of them void.*--whole-entry"):
        voids.void(app, "1", reason="x")
    assert [c.check_no for c in voids.void(app, "2", reason="x", whole_entry=True).checks] == ["1", "2"]
    assert legs(db)[::2] == [(1, "CLEARING", "D", 500)] * 2
    _, (batch,) = made(app)
    assert [(e.amount_cents, e.addenda) for e in batch.entries] == [(1_000, ())]


def test_a_check_returned_by_the_bank_is_not_taken_back(app: App, db: Database) -> None:
    file = sent(app, "1")
    voids.void(app, "1", reason="twice")
    returned(db, file.files[0].outbound_id, 1, "R03")
    assert not build(app, "VACH", "1").files


def test_a_check_returned_after_its_reversal_was_built_stops_the_approval(app: App, db: Database) -> None:
    file = sent(app, "1")
    voids.void(app, "1", reason="twice")
    built, _ = made(app)
    returned(db, file.files[0].outbound_id, 1, "R03")
    with pytest.raises(
        Refused,
        match=r"takes back the entry of trace number 091000010000001, which the bank returned, .*reject the file",
    ):
        approve(app, built)
    release.reject(app, built.files[0].outbound_id, reason="came back")
    assert not build(app, "VACH", "1").files


# --- refused ------------------------------------------------------------------------------------------------


def test_a_reversal_that_is_not_of_today_asks_for_no_same_day(db: Database, home: Home, app: App) -> None:
    """The entry it takes back settles tomorrow: the reversal goes for then, without the marker and its limit."""
    same_day = {"same_day": "asked", "same_day_windows": {"10:00": "SD1300"}}
    world.check(db, "1", 150_000_000, disbursement_date="2026-03-03")
    morning = set_up(db, home, on("2026-03-02", 13), bank=same_day)
    approve(morning, made(morning)[0])
    voids.void(morning, "1", reason="twice")
    world.check(db, "2", disbursement_date="2026-03-02")
    run = set_up(db, home, on("2026-03-02", 14), bank=same_day)
    built, batches = made(run, same_day=True)
    assert [(b.description, b.effective_date, b.descriptive_date) for b in batches] == [
        ("VENDOR PAY", "2026-03-02", "SD1300"), ("REVERSAL", "2026-03-03", ""),
    ]  # fmt: skip
    approve(set_up(db, home, on("2026-03-02", 14), bank=same_day), built)


def test_an_offset_that_is_not_of_today_has_no_same_day_limit(
    db: Database, home: Home, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFSET", "998877")
    bank = {
        "balanced": True,
        "offset_account": "env:OFFSET",
        "same_day": "asked",
        "same_day_windows": {"10:00": "SD1300"},
    }
    for number in ("1", "2"):
        world.check(db, number, 60_000_000, disbursement_date="2026-03-03")
    morning = set_up(db, home, on("2026-03-02", 13), bank=bank)
    approve(morning, made(morning)[0])
    for number in ("1", "2"):
        voids.void(morning, number, reason="twice")
    _, (batch,) = made(set_up(db, home, on("2026-03-02", 14), bank=bank), same_day=True)
    assert [entry.amount_cents for entry in batch.entries] == [60_000_000, 60_000_000, 120_000_000]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": "SENT"}, "sent before this ledger knew of it"),
        ({"state": "VOID"}, "found it VOID, expected NEW or SENT"),
        ({"state": "RETURNED"}, "found it RETURNED"),
        ({"type": "SUSP"}, "found type SUSP, expected a vendor's check; take the step on its suspense item back"),
        ({"type": "ESCR"}, r"found type ESCR, .*: take its file back \(gateway files reverse FILE --reason WHY\)"),
    ],
)
def test_refused(app: App, db: Database, changes: dict[str, Any], message: str) -> None:
    world.check(db, "1", **changes)
    with pytest.raises(Refused, match=message):
        voids.void(app, "1", reason="x")
    assert legs(db) == []


def test_a_reserved_check_is_in_a_file_to_reject(app: App, db: Database) -> None:
    world.check(db, "1")
    made(app)
    with pytest.raises(Refused, match=r"found it in P01-VACH-BANK-260303.DAT, which waits .* reject that file first"):
        voids.void(app, "1", reason="x")


def test_which_check(app: App, db: Database) -> None:
    world.check(db, "1")
    world.check(db, "1", bank="125")
    with pytest.raises(UsageError, match=r"found 2 of that number.*--portfolio 1 --bank 125, --portfolio 1 --bank 126"):
        voids.void(app, "1", reason="x")
    with pytest.raises(UsageError, match="found none of that number"):
        voids.void(app, "1", bank="127", reason="x")
    with pytest.raises(UsageError, match="found no reason"):
        voids.void(app, "1", bank="126", reason=" ")
    voids.void(app, "1", bank="125", portfolio="1", reason="x")
    assert world.all_of(db, "SELECT bank, state FROM bank_check ORDER BY bank") == [("125", "VOID"), ("126", "NEW")]


# made on, whether a reversal can still settle by 10 March
@pytest.mark.parametrize(("day", "fine"), [("2026-03-09", True), ("2026-03-10", False)])
def test_five_banking_days(app: App, db: Database, home: Home, day: str, fine: bool) -> None:
    sent(app, "1")
    later = set_up(db, home, on(day))
    if fine:
        voids.void(later, "1", reason="x")
        return
    with pytest.raises(
        Refused, match=r"settled on 2026-03-03, and a reversal possible for .*, expected one by 2026-03-10: ask"
    ):
        voids.void(later, "1", reason="x")
    assert state(db, "1") == "SENT"


def test_what_another_bank_paid_cannot_be_taken_back_by_this_one(app: App, db: Database, home: Home) -> None:
    """Its payable would be open, and be paid again, while nothing takes the first payment back."""
    sent(app, "1")
    moved = set_up(db, home, on("2026-03-03"), bank={"routing_number": "026009593"})
    with pytest.raises(
        Refused,
        match="an entry of company 1234567890 at bank 09100001, expected one of company 1234567890 at 02600959, which the "
        r"settings name now: ask that bank .* name that bank again until its reversal is built \(by 2026-03-10\)$",
    ):
        voids.void(moved, "1", reason="x")
    assert state(db, "1") == "SENT"
    voids.void(app, "1", reason="x")
    built, _ = made(moved)
    assert not built.files
    (told,) = withheld(moved, built)
    assert "at bank 09100001" in told


def test_a_run_that_comes_too_late_says_so_and_the_void_can_be_taken_back(app: App, db: Database, home: Home) -> None:
    sent(app, "1")
    voids.void(app, "1", reason="x")
    late = set_up(db, home, on("2026-03-10"))
    built, _ = made(late)
    assert not built.files
    (text,) = withheld(late, built)
    assert "expected a reversal by 2026-03-10" in text
    assert "gateway vendor void 1 --undo" in text
    voids.undo(late, "1", reason="vendor pays by check")
    assert state(db, "1") == "SENT"
    assert legs(db) == [
        (1, "CLEARING", "D", 10_000), (1, "ACCOUNTS PAYABLE", "C", 10_000),
        (1, "ACCOUNTS PAYABLE", "D", 10_000), (1, "CLEARING", "C", 10_000),
    ]  # fmt: skip
    sound(db)
    assert not made(late)[0].withheld


def test_a_void_is_taken_back_by_its_own_portfolio(app: App, db: Database) -> None:
    sent(app, "1")
    voids.void(app, "1", reason="x")
    world.insert(db, "portfolio", portfolio="2", name="Other", business_date="2026-03-02", period_state="OPEN")
    portfolios = {number: app.settings.portfolio("1") for number in "12"}
    both = replace(app, settings=replace(app.settings, portfolios=portfolios))
    assert not build(both, "VACH", "2").files
    assert [entry[0] for entry in kinds(db)] == ["LIVE"]
    assert len(made(both)[0].files) == 2


def test_a_check_that_was_paid_again_meanwhile_is_not_voided(
    app: App, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look that names it and the lock of its portfolio."""
    look = voids.one_check

    def stale(*args: Any) -> voids.Check:
        found = look(*args)
        world.change(db, "UPDATE bank_check SET issue = 2")
        return found

    world.check(db, "1")
    monkeypatch.setattr(voids, "one_check", stale)
    with pytest.raises(Refused, match="found it paid again just now, expected issue 1"):
        voids.void(app, "1", reason="x")
    assert state(db, "1") == "NEW" and legs(db) == []


@pytest.mark.parametrize(("account", "shown"), [("12345", "****2345"), ("4711", "****"), ("47-11", "****")])
def test_of_an_account_at_most_the_last_four_are_shown(
    app: App, db: Database, home: Home, account: str, shown: str
) -> None:
    """Of one that has no more, nothing: also where it is read from what went out."""
    world.vendor(db, "V2", account=account)
    sent(app, "1", vendor="V2")
    (original,) = gather_voided(app, db)
    assert repr(original).endswith(f" {shown})")
    late = set_up(db, home, on("2026-03-10"))
    report = next(one.report for one in made(late)[0].reports if one.report.spec.name == "U0424C")
    at = [column.key for column in report.spec.columns].index("account")
    assert [row[at] for row in report.rows] == [shown]


def gather_voided(app: App, db: Database) -> list[rules.Original]:
    voids.void(app, "1", reason="x")
    with db.read() as connection:
        return gather.voided(gather.context(app, connection, place(app, connection, "1")))


def test_no_undo_of_what_is_in_a_file(app: App, db: Database) -> None:
    sent(app, "1")
    voids.void(app, "1", reason="x")
    built, _ = made(app)
    with pytest.raises(Refused, match=f"found its reversal in {built.files[0].name}"):
        voids.undo(app, "1", reason="x")
    world.check(db, "2")
    with pytest.raises(Refused, match="found it NEW, expected a vendor's check that was voided by hand"):
        voids.undo(app, "2", reason="x")
    world.check(db, "3", state="VOID")
    with pytest.raises(Refused, match="found it VOID, expected a vendor's check that was voided by hand"):
        voids.undo(app, "3", reason="it was void when it was loaded")


# --- a whole file -------------------------------------------------------------------------------------------


def test_a_whole_file_is_taken_back(app: App, db: Database, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFSET", "998877")
    app = set_up(db, home, app.clock, bank={"balanced": True, "offset_account": "env:OFFSET"})  # type: ignore[arg-type]
    world.vendor(db, "V3", sec="CTX")
    world.check(db, "8", 900, vendor="V3")
    world.check(db, "9", 100, vendor="V3", office_id=2)
    file = sent(app, "1", "2").files[0]
    world.check(db, "3")
    voids.void(app, "1", reason="x")
    built, batches = made(app, "VACH-REVERSAL", of=file.outbound_id, reason="wrong month")
    assert [[(e.transaction_code, e.amount_cents) for e in b.entries] for b in batches] == [
        [("27", 10_000), ("27", 10_000), ("22", 20_000)], [("27", 1_000), ("22", 1_000)],
    ]  # fmt: skip
    assert {b.description for b in batches} == {"REVERSAL"}
    assert world.all_of(db, "SELECT check_no, state FROM bank_check ORDER BY check_no") == [
        ("1", "VOID"), ("2", "VOID"), ("3", "NEW"), ("8", "VOID"), ("9", "VOID"),
    ]  # fmt: skip
    assert sum(cents for _, purpose, _, cents in legs(db) if purpose == "CLEARING") == 21_000
    assert [row[1] for row in world.all_of(db, "SELECT operator, subject FROM operator_event WHERE reason = 'wrong month'")] == [
        f"outbound file {file.outbound_id}"
    ]  # fmt: skip
    assert file.total_credit_cents == built.files[0].total_debit_cents
    with pytest.raises(Refused, match="found nothing in"):
        made(app, "VACH-REVERSAL", of=file.outbound_id, reason="again")


def test_a_whole_file_takes_back_its_own_checks_alone(app: App, db: Database) -> None:
    file = sent(app, "1").files[0]
    sent(app, "2", "3")
    voids.void(app, "3", reason="twice")
    _, (batch,) = made(app, "VACH-REVERSAL", of=file.outbound_id, reason="wrong month")
    assert [entry.amount_cents for entry in batch.entries] == [10_000]
    assert world.all_of(db, "SELECT check_no, state FROM bank_check ORDER BY check_no") == [
        ("1", "VOID"), ("2", "SENT"), ("3", "VOID"),
    ]  # fmt: skip
    assert world.all_of(db, "SELECT check_no FROM ach_entry WHERE kind = 'REVERSAL'") == [("1",)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_asks_about_all_checks_of_a_file_joins_sets(app: App, db: Database) -> None:
    """PostgreSQL has no figures of what was just written, and would look each check up among all: 100,000 took minutes."""
    planned: dict[str, str] = {}

    def look(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        with cursor.connection.cursor() as beside:
            nested = beside.execute("SHOW enable_nestloop").fetchone()[0]
        for part in ("SET state = 'RESERVED'", "c.state = 'SENT' AND e.outbound_id =", "c.state = 'VOID' AND NOT"):
            if part in statement:
                planned[part] = nested

    event.listen(db.engine, "before_cursor_execute", look)
    file = sent(app, "1", "2").files[0]
    assert planned == {"SET state = 'RESERVED'": "off", "c.state = 'VOID' AND NOT": "on"}, "few voids are looked up"
    made(app, "VACH-REVERSAL", of=file.outbound_id, reason="wrong month")
    assert list(planned.values()) == ["off"] * 3


def test_whole_file_refused(app: App, db: Database, home: Home) -> None:
    world.check(db, "1")
    waiting, _ = made(app)
    number = waiting.files[0].outbound_id
    with pytest.raises(
        Refused, match=r"found P01-VACH-BANK-260303.DAT BUILT, expected one that left; reject what waits"
    ):
        made(app, "VACH-REVERSAL", of=number, reason="x")
    world.change(db, "UPDATE outbound_file SET state = 'REJECTED' WHERE outbound_id = :id", id=number)
    with pytest.raises(Refused, match="REJECTED, expected one that left; nothing of it left, and its checks are free"):
        made(app, "VACH-REVERSAL", of=number, reason="x")
    world.change(db, "UPDATE outbound_file SET state = 'BUILT' WHERE outbound_id = :id", id=number)
    approve(app, waiting)
    with pytest.raises(UsageError, match="found no reason"):
        made(app, "VACH-REVERSAL", of=number, reason="")
    with pytest.raises(UsageError, match="no Vendor ACH bank file of portfolio 1"):
        made(app, "VACH-REVERSAL", of=waiting.files[1].outbound_id, reason="x")
    world.change(
        db,
        "INSERT INTO portfolio (portfolio, name, business_date, period_state) SELECT '2', name, business_date, period_state FROM portfolio",
    )
    other = replace(app, settings=replace(app.settings, portfolios={"2": app.settings.portfolio("1")}))
    with pytest.raises(UsageError, match="no Vendor ACH bank file of portfolio 2"):
        build(other, "VACH-REVERSAL", "2", of=number, reason="x")
    late = set_up(db, home, on("2026-03-10"))
    with pytest.raises(
        Refused, match="settled on 2026-03-03 and a reversal possible for 2026-03-11, expected one by 2026-03-10"
    ):
        made(late, "VACH-REVERSAL", of=number, reason="x")
    assert (state(db, "1"), legs(db)) == ("SENT", [])


# --- settlement ---------------------------------------------------------------------------------------------


def settle(app: App, business_date: str) -> int:
    world.change(app.db, "UPDATE portfolio SET business_date = :d", d=business_date)
    with app.db.write() as connection:
        return settlement.settle(app, connection, place(app, connection, "1"))[1]


def test_a_reversal_brings_cash_when_it_settles(app: App, db: Database, home: Home) -> None:
    world.vendor(db, "V3", sec="CTX")
    world.check(db, "8", 900, vendor="V3")
    world.check(db, "9", 100, vendor="V3", office_id=2, bank="125")
    sent(app, "1", amount_cents=700)
    later = set_up(db, home, on("2026-03-05"))
    voids.void(later, "1", reason="x")
    voids.void(later, "8", reason="x", whole_entry=True)
    built, _ = made(later)
    assert settle(later, "2026-03-06") == 0, "not released"
    approve(later, built)
    assert settle(later, "2026-03-05") == 0, "settles on the 6th"
    before = len(legs(db))
    assert settle(later, "2026-03-09") == 1_700
    assert sorted(legs(db)[before:]) == [
        (1, "CASH 126", "D", 700), (1, "CASH 126", "D", 900), (1, "CLEARING", "C", 700), (1, "CLEARING", "C", 900),
        (2, "CASH 125", "D", 100), (2, "CLEARING", "C", 100),
    ]  # fmt: skip
    clearing = "SELECT SUM(CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END) FROM journal_line j JOIN gl_account a ON a.account_id = j.account_id WHERE a.purpose = 'CLEARING'"
    assert world.one(db, clearing) == 0
    assert settle(later, "2026-03-10") == 0, "once"
    sound(db)


def test_a_reversal_settles_for_its_own_portfolio_with_its_own_check(
    app: App, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few checks are asked for at once; another portfolio has checks of the same numbers."""
    monkeypatch.setattr(settlement, "_ASKED", 1)
    sent(app, "1", "2", "3", amount_cents=700)
    for number in ("1", "2", "3"):
        voids.void(app, number, reason="x")
        world.check(db, number, 5, portfolio="2")
    approve(app, made(app)[0])
    world.change(db, "UPDATE ach_entry SET portfolio = '2' WHERE check_no = '3' AND kind = 'REVERSAL'")
    assert settle(app, "2026-03-09") == 1_400
    assert world.all_of(db, "SELECT check_no FROM ach_entry WHERE settled_unit_id IS NOT NULL ORDER BY check_no") == [
        ("1",), ("2",),
    ]  # fmt: skip


def test_a_reversal_that_came_back_settles_and_is_not_tried_again(app: App, db: Database) -> None:
    """Its answer posts the other way and sets the check back to SENT, whether it comes before the settlement or after."""
    sent(app, "1")
    voids.void(app, "1", reason="x")
    built, _ = made(app)
    approve(app, built)
    world.change(db, "UPDATE bank_check SET state = 'SENT'")
    assert settle(app, "2026-03-04") == 10_000
    with pytest.raises(Refused, match=f"found its reversal in {built.files[0].name}"):
        voids.void(app, "1", reason="again")


@pytest.mark.parametrize(
    ("tamper", "name"),
    [
        ("UPDATE bank_check SET amount_cents = 1 WHERE check_no = '2'", "entries are what their checks say"),
        ("UPDATE bank_check SET amount_cents = 1 WHERE check_no = '1'", "voids by hand are posted"),
        ("UPDATE bank_check SET void_entry_id = NULL", "voids by hand are posted"),
        ("UPDATE ach_entry SET amount_cents = 1 WHERE kind = 'REVERSAL'", "settled reversals are posted"),
        ("UPDATE ach_entry SET settled_unit_id = NULL", "settled reversals are posted"),
        ("UPDATE ach_entry SET amount_cents = 1 WHERE kind = 'LIVE'", "bank files are the sum of their entries"),
        ("UPDATE ach_entry SET transaction_code = '27' WHERE kind = 'LIVE'", "bank files are the sum of their entries"),
        ("DELETE FROM ach_entry WHERE check_no = '2'", "every row of a bank file is an entry"),
        ("UPDATE ach_entry SET reverses_seq = 2 WHERE kind = 'REVERSAL'", "reversals take back what left, once"),
        (
            "UPDATE ach_entry SET reverses_outbound_id = 77 WHERE kind = 'REVERSAL'",
            "reversals take back what left, once",
        ),
        (
            "UPDATE ach_entry SET reverses_outbound_id = NULL WHERE kind = 'REVERSAL'",
            "reversals take back what left, once",
        ),
        (
            "UPDATE ach_entry SET reverses_outbound_id = 1, reverses_seq = 1 WHERE check_no = '2'",
            "reversals take back what left, once",
        ),
        ("UPDATE ach_entry SET vendor = 'V2' WHERE kind = 'REVERSAL'", "reversals take back what left, once"),
        ("UPDATE outbound_file SET state = 'BUILT' WHERE outbound_id = 1", "reversals take back what left, once"),
        (
            "UPDATE ach_entry SET kind = 'REVERSAL', reverses_outbound_id = 1, reverses_seq = 1, check_no = '1' WHERE check_no = '2'",
            "reversals take back what left, once",
        ),
        ("UPDATE ach_entry SET trace_number = '1' WHERE check_no = '2'", "every row of a bank file is an entry"),
    ],
)
def test_verify_finds(app: App, db: Database, tamper: str, name: str) -> None:
    sent(app, "1", "2")
    voids.void(app, "1", reason="x")
    built, _ = made(app)
    approve(app, built)
    settle(app, "2026-03-04")
    sound(db)
    world.change(db, tamper)
    assert name in [check.name for check in verify(db, **verify_options(app)) if not check.ok]
