"""U1003: the file, its tie-out and its refusals, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.app import App
from gateway.clock import FixedClock
from gateway.errors import LedgerError, Refused, UsageError
from gateway.home import Home
from gateway.ledger import accounts
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.outbound import store
from gateway.parts import verify_options
from gateway.release import release
from gateway.release.build import build
from gateway.release.recall import recall
from parsers import gl_scratch
from tests.outbound import world

GOLDEN = Path(__file__).parents[1] / "golden" / "gl"


def built(db: Database, home: Home, clock: FixedClock, **gl_settings: object) -> bytes:
    world.company(db)
    world.post(db, (1, "CASH 125", "D", 500_00), (1, "OPENING BALANCE", "C", 500_00), kind="OPENING", update="LOAD")
    world.rent(db, 1, 126_490_53)
    world.rent(db, 2, 1)
    app = world.app_at(home, db, clock, portfolio={"gl": gl_settings})
    out = build(app, "DSGL", "1")
    return (home.outbox / out.files[0].name).read_bytes()


@pytest.mark.parametrize("width", [128, 143])
def test_golden(db: Database, home: Home, clock: FixedClock, width: int) -> None:
    assert built(db, home, clock, record=width) == (GOLDEN / f"two_offices_{width}.dat").read_bytes()


def test_every_account_is_there_and_figures_tie(db: Database, home: Home, clock: FixedClock) -> None:
    read = gl_scratch.read(built(db, home, clock))
    assert isinstance(read, gl_scratch.GlFile)
    assert len(read.records) == 2 * len(world.ACCOUNTS)
    assert gl_scratch.tie_out(read.records) == []
    cash = next(r for r in read.records if r.number == "1125" and r.office == "1")
    assert (cash.debit_today_cents, cash.debit_mtd_cents, cash.balance_cents) == (0, 0, 500_00)
    receivable = next(r for r in read.records if r.number == "1003" and r.office == "1")
    assert (receivable.debit_today_cents, receivable.balance_cents) == (126_490_53, 126_490_53)


def test_lower_case_name(db: Database, home: Home, clock: FixedClock) -> None:
    built(db, home, clock, name_case="lower")
    assert (home.outbox / "dsgl_p01.dat").stat().st_mode & 0o777 == 0o600


def test_report_names_file_and_totals(db: Database, home: Home, clock: FixedClock) -> None:
    built(db, home, clock)
    text = (home.reports / "2026-03-02" / "outbound-p1-1" / "p1_lpu1003.rpt").read_text()
    assert "DSGL_P01.DAT" in text and "RECORDS 16" in text and "126,490.53" in text


def test_released_at_build_without_endpoint(db: Database, home: Home, clock: FixedClock) -> None:
    built(db, home, clock)
    assert world.all_of(db, "SELECT state, hold_text, records FROM outbound_file") == [("LOCAL", None, 16)]


def test_second_transfer_of_a_day_is_refused_until_decided(db: Database, home: Home, clock: FixedClock) -> None:
    built(db, home, clock)
    app = world.app_at(home, db, clock)
    with pytest.raises(Refused, match=r"transferred in DSGL_P01.DAT of 2026-03-02 and not zeroed since"):
        build(app, "DSGL", "1")
    with pytest.raises(UsageError, match="found no reason"):
        build(app, "DSGL", "1", again=True)
    again = build(app, "DSGL", "1", again=True, reason="first one was lost over there")
    assert again.files[0].name == "DSGL_P01-260302.DAT"
    assert store.render(app, again.files[0].outbound_id) == store.render(app, 1)


def test_after_zero_daily_the_next_file_starts_at_zero(db: Database, home: Home, clock: FixedClock) -> None:
    built(db, home, clock)
    world.mark(db, "U0422")
    app = world.app_at(home, db, clock)
    out = build(app, "DSGL", "1")
    assert out.files[0].name == "DSGL_P01-260302.DAT"
    read = gl_scratch.read((home.outbox / out.files[0].name).read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    assert {r.debit_today_cents for r in read.records} == {0}
    assert max(r.debit_mtd_cents for r in read.records) == 126_490_53
    world.mark(db, "U0422")
    assert build(app, "DSGL", "1").files[0].name == "DSGL_P01-260302-2.DAT"


def rent_of(db: Database, home: Home, outbound_id: int) -> tuple[str, int, int]:
    """Date, today and balance of the largest rent in a file."""
    read = gl_scratch.read((home.outbox / name_of(db, outbound_id)).read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    row = max((r for r in read.records if r.number == "1601"), key=lambda r: r.balance_cents)
    return row.eop_date, row.credit_today_cents, row.balance_cents


def name_of(db: Database, outbound_id: int) -> str:
    return str(world.one(db, "SELECT name FROM outbound_file WHERE outbound_id = :id", id=outbound_id))


def zeroed_outside(app: App) -> list[str]:
    return [c.detail for c in verify(app.db, **verify_options(app)) if c.name.startswith("what U0422") and not c.ok]


@pytest.mark.parametrize("how", ["reject", "recall"])
def test_a_file_withdrawn_after_zero_daily_is_built_again(
    db: Database, home: Home, clock: FixedClock, how: str
) -> None:
    kinds = [] if how == "reject" else ["DSGL"]
    options: dict[str, Any] = {"release": {"kinds_without": kinds}, "gl": {"record": 128}}
    world.company(db)
    app = world.app_at(home, db, clock, portfolio=options)
    world.rent(db, 1, 7_77)
    build(app, "DSGL", "1")
    world.mark(db, "U0422")
    world.change(db, "UPDATE portfolio SET business_date = '2026-03-03'")
    world.rent(db, 1, 23)
    assert zeroed_outside(app) == []
    if how == "reject":
        (withdrawn,) = release.reject(app, 1, reason="wrong width")
    else:
        (withdrawn,) = recall(app, 1, reason="wrong width").files
    assert withdrawn.build_again == "gateway outbound build dsgl --of 1 --reason WHY"
    assert zeroed_outside(app) == ["unit 1 of portfolio 1"]
    build(app, "DSGL", "1")
    assert rent_of(db, home, 2) == ("2026-03-03", 23, 8_00), "the next day has its own figures only"
    assert zeroed_outside(app) == ["unit 1 of portfolio 1"]

    wider = world.app_at(home, db, clock, portfolio=options | {"gl": {"record": 143}})
    (made,) = build(wider, "DSGL", "1", of=1, reason="width of accounting").files
    assert rent_of(db, home, made.outbound_id) == ("2026-03-02", 7_77, 7_77)
    assert made.name == "DSGL_P01-260302.DAT"
    assert (home.outbox / made.name).stat().st_size == 16 * 143
    assert zeroed_outside(app) == []
    with pytest.raises(Refused, match=r"what DSGL_P01.DAT transferred in DSGL_P01-260302.DAT \(#3\), which stands"):
        build(app, "DSGL", "1", of=1, reason="once more")
    with pytest.raises(Refused, match=r"found today.s figures transferred in DSGL_P01-260303.DAT"):
        build(app, "DSGL", "1")
    with pytest.raises(Refused, match=r"found DSGL_P01-260302.DAT (BUILT|LOCAL), expected it rejected or called back"):
        build(app, "DSGL", "1", of=3, reason="x")
    withdraw = release.reject if how == "reject" else recall
    withdraw(app, 3, reason="wrong again")
    world.change(db, "UPDATE outbound_row SET payload = :lost WHERE outbound_id = 3", lost=b"[[]]")
    (last,) = build(app, "DSGL", "1", of=3, reason="as it was").files
    assert last.sha256 == world.one(db, "SELECT sha256 FROM outbound_file WHERE outbound_id = 1"), "byte for byte"
    assert rent_of(db, home, last.outbound_id) == ("2026-03-02", 7_77, 7_77)


def test_a_file_that_is_built_again_is_by_the_chart_as_it_is_now(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(home, db, clock)
    world.rent(db, 1, 5)
    build(app, "DSGL", "1")
    world.mark(db, "U0422")
    world.mark(db, "U0450")
    recall(app, 1, reason="wrong account")
    world.change(db, "UPDATE gl_account SET number = '1699' WHERE purpose = 'RENT REVENUE'")
    (made,) = build(app, "DSGL", "1", of=1, reason="chart corrected").files
    read = gl_scratch.read((home.outbox / made.name).read_bytes())
    assert isinstance(read, gl_scratch.GlFile)
    (rent,) = (r for r in read.records if r.credit_today_cents)
    assert (rent.number, rent.credit_today_cents, rent.credit_mtd_cents, rent.balance_cents) == ("1699", 5, 5, 5)


def test_a_file_is_built_again_only_where_no_other_has_its_figures(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(home, db, clock)
    world.rent(db, 1, 5)
    build(app, "DSGL", "1")
    (withdrawn,) = recall(app, 1, reason="not used").files
    assert withdrawn.build_again is None
    for options, error, why in (
        ({"of": 1}, UsageError, "found no reason"),
        ({"of": 9, "reason": "x"}, UsageError, "found --of 9, expected a General Ledger file of it"),
        ({"of": 1, "reason": "x"}, Refused, "they are today's still, build without --of"),
    ):
        with pytest.raises(error, match=why):
            build(app, "DSGL", "1", **options)
    world.rent(db, 1, 7)
    build(app, "DSGL", "1")
    world.mark(db, "U0422")
    with pytest.raises(Refused, match=r"found what DSGL_P01.DAT transferred in DSGL_P01-260302.DAT \(#2\)"):
        build(app, "DSGL", "1", of=1, reason="x")


def test_a_withdrawn_file_that_another_began_after_is_built_again(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(home, db, clock)
    world.rent(db, 1, 5)
    build(app, "DSGL", "1")
    world.rent(db, 1, 7)
    build(app, "DSGL", "1", after=1, reason="accounting has it")
    recall(app, 1, reason="accounting has it not")
    (made,) = build(app, "DSGL", "1", of=1, reason="no other has it").files
    assert rent_of(db, home, made.outbound_id)[1] == 5
    world.rent(db, 1, 11)
    (last,) = build(app, "DSGL", "1", after=2, reason="both were used").files
    assert rent_of(db, home, last.outbound_id)[1] == 11, "begins where the furthest ended, not the youngest"
    world.mark(db, "U0422")
    assert zeroed_outside(app) == []


def test_a_file_that_counted_again_is_built_again_beside_the_first(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(home, db, clock)
    world.rent(db, 1, 5)
    build(app, "DSGL", "1")
    world.rent(db, 1, 7)
    build(app, "DSGL", "1", again=True, reason="counts twice")
    world.mark(db, "U0422")
    recall(app, 2, reason="wrong")
    assert zeroed_outside(app) == ["unit 2 of portfolio 1"]
    (made,) = build(app, "DSGL", "1", of=2, reason="counts twice").files
    assert rent_of(db, home, made.outbound_id)[1] == 12
    assert zeroed_outside(app) == []
    with pytest.raises(Refused, match="it would count twice"):
        build(app, "DSGL", "1", of=2, reason="x")


def test_difference_to_the_journal_stops_the_file(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.company(db)
    world.rent(db, 1, 100)
    real = accounts.figures

    def wrong(connection: Connection, portfolio: str, **_: Any) -> list[accounts.Figure]:
        figures = real(connection, portfolio)
        return [f._replace(debit_today=f.debit_today * 2, credit_today=f.credit_today * 2) for f in figures]

    monkeypatch.setattr(accounts, "figures", wrong)
    with pytest.raises(LedgerError, match=r"office 1/1/1/1: debit_today of account 1003: figure 2.00, journal 1.00"):
        build(world.app_at(home, db, clock), "DSGL", "1")
    assert world.one(db, "SELECT COUNT(*) FROM outbound_file") == 0


def test_figure_too_large_for_128_is_named(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    world.rent(db, 1, 100_000_000_000)
    with pytest.raises(Refused, match=r"account 1003 of office 1/1/1/1: .* the portfolio needs the 143-byte form"):
        build(world.app_at(home, db, clock), "DSGL", "1")


def test_waits_for_release_when_the_kind_needs_it(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(
        home, db, clock,
        portfolio={"gl": {"endpoint": "books"}, "release": {"kinds_without": []}},
        endpoints={"books": {"host": "h", "user": "u", "key": "k"}},
    )  # fmt: skip
    file = build(app, "DSGL", "1").files[0]
    assert release.show(app, file.outbound_id)["state"] == "BUILT"
    assert world.all_of(db, "SELECT 1 FROM delivery") == []
    release.approve(world.as_person(app, world.BOB), file.outbound_id, sha256=file.sha256)
    assert world.all_of(db, "SELECT endpoint, state, remote_name FROM delivery") == [
        ("books", "PENDING", "DSGL_P01.DAT")
    ]


def test_released_at_build_is_queued_at_once(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(
        home, db, clock, portfolio={"gl": {"endpoint": "books"}},
        endpoints={"books": {"host": "h", "user": "u", "key": "k"}},
    )  # fmt: skip
    build(app, "DSGL", "1")
    assert world.all_of(db, "SELECT f.state, d.state FROM outbound_file f JOIN delivery d USING (outbound_id)") == [
        ("APPROVED", "PENDING")
    ]


def test_unknown_portfolio_and_kind(db: Database, home: Home, clock: FixedClock) -> None:
    world.company(db)
    app = world.app_at(home, db, clock)
    with pytest.raises(UsageError, match="building for portfolio 9: found none"):
        build(app, "DSGL", "9")
    with pytest.raises(Refused, match="building FAX: found no such kind"):
        build(app, "FAX", "1")
