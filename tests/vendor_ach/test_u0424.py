"""U0424 from checks to files: what leaves, what is reserved, and what another eye reads in it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gateway.app import App
from gateway.cli import outbound_page
from gateway.clock import FixedClock
from gateway.errors import Refused, SettingsError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.outbound import store
from gateway.outbound.built import Built
from gateway.release import release
from gateway.release.build import build
from gateway.vendor_ach import freeze, numbers
from parsers import nacha, vach_scratch
from parsers.nacha_records import NachaFile
from tests.outbound import world
from tests.support.foreign_eyes import ForeignEyes

BANK_NAME, SCRATCH_NAME = "P01-VACH-BANK-260303.DAT", "DSPP-P01-VACH-260303.DAT"


def company(db: Database, home: Home, clock: FixedClock, *, bank: dict[str, Any] | None = None, **ach: Any) -> App:
    world.company(db)
    world.vendor(db)
    world.vendor(db, "V2", sec="PPD", account_type="savings", account="777-1", name="Jane Doe")
    return world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH | ach}, bank=world.bank(**(bank or {}))
    )


def read_bank_file(app: App, built: Built, index: int = 0) -> NachaFile:
    found = nacha.read((app.home.outbox / built.files[index].name).read_bytes())
    assert isinstance(found, NachaFile), found
    return found


def test_bank_file_field_by_field(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    world.check(db, "4711", 12_345)
    world.check(db, "4712", 500, vendor="V2", reference=None)
    built = build(app, "VACH", "1")
    assert [f.name for f in built.files] == [BANK_NAME, SCRATCH_NAME]
    lines = (home.outbox / BANK_NAME).read_text().splitlines()
    assert lines[0] == (
        "101 09100001912345678902603020900A094101FIRST NATIONAL BANK    PRAIRIE LEASING                "
    ), "14:00 UTC is 09:00 in New York"
    assert lines[1] == (
        "5220PRAIRIE LEASING                     1234567890CCDVENDOR PAY      260303   1091000010000001"
    )
    assert lines[2] == (
        "622091000019" + "12345678".ljust(17) + "0000012345" + "PRAI-4711".ljust(15) + "VENDOR V1".ljust(22)
        + "  1091000010000001"
    )  # fmt: skip
    assert lines[3] == "705" + "RMR*IV*INV-4711*PI*123.45\\".ljust(80) + "0001" + "0000001"
    assert lines[5].startswith("5220PRAIRIE LEASING                     1234567890PPDVENDOR PAY")
    assert lines[6].startswith("632091000019" + "7771".ljust(17) + "0000000500" + "PRAI-4712".ljust(15) + "JANE DOE")
    assert len(lines) == 10


def test_other_eyes_find_nothing_wrong(
    db: Database, home: Home, clock: FixedClock, bank_files_are_sound: ForeignEyes
) -> None:
    app = company(db, home, clock)
    for n in range(25):
        world.check(db, str(100 + n), 1 + n, vendor="V2" if n % 3 else "V1")
    built = build(app, "VACH", "1")
    assert (bank_files_are_sound.files, bank_files_are_sound.objections) == (1, [])
    bank_files_are_sound.look((home.outbox / built.files[0].name).read_bytes().replace(b"6220910000", b"6220910001"))
    assert len(bank_files_are_sound.objections) > 1
    bank_files_are_sound.objections.clear()
    assert (built.files[0].total_credit_cents, built.files[0].records) == (25 * 26 // 2, 25)


def test_scratch_file_matches_the_bank_file(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    world.check(db, "4711", 12_345, asset="A7")
    build(app, "VACH", "1")
    (row,) = vach_scratch.read((home.outbox / SCRATCH_NAME).read_bytes())
    assert isinstance(row, vach_scratch.VachRecord)
    assert row == vach_scratch.VachRecord(
        "1", "126", "V1", "L1", "A7", "091000019", "12345678", "22", 12_345, "2026-03-03", "4711", "CCD", "PRAI",
        "VENDOR V1", "P", "N",
    )  # fmt: skip


def test_checks_are_reserved_and_claimed(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    world.check(db, "1")
    world.check(db, "2", disbursement_date="2026-03-05")  # beyond two banking days of grace
    world.check(db, "3", type="NEWD")
    world.check(db, "4", state="VOID")
    build(app, "VACH", "1")
    assert world.all_of(db, "SELECT check_no, state, outbound_id FROM bank_check ORDER BY check_no") == [
        ("1", "RESERVED", 1), ("2", "NEW", None), ("3", "NEW", None), ("4", "VOID", None),
    ]  # fmt: skip
    assert world.all_of(db, "SELECT source, outbound_id FROM outbound_claim") == [("check:1:126:1", 1)]
    assert world.one(db, "SELECT last_vendor_ach_on FROM portfolio") == "2026-03-02"
    assert not build(app, "VACH", "1").files, "nothing is taken twice"


def test_one_pair_an_effective_date(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, grace_days=5)
    world.check(db, "1")
    world.check(db, "2", disbursement_date="2026-03-07")  # Saturday
    world.check(db, "3", disbursement_date="2026-03-09")
    built = build(app, "VACH", "1")
    assert [f.name for f in built.files] == [
        BANK_NAME, SCRATCH_NAME, "P01-VACH-BANK-260309.DAT", "DSPP-P01-VACH-260309.DAT",
    ]  # fmt: skip
    first, second = read_bank_file(app, built), read_bank_file(app, built, 2)
    assert (first.header.file_id_modifier, second.header.file_id_modifier) == ("A", "B")
    assert [e.trace_number[-1] for f in (first, second) for b in f.batches for e in b.entries] == ["1", "2", "3"]
    assert {b.effective_date for b in second.batches} == {"2026-03-09"}


def test_line_limit_splits_files(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, bank={"line_limit": 10})
    for n in range(5):
        world.check(db, str(n + 1))
    built = build(app, "VACH", "1")
    assert [f.name for f in built.files[::2]] == [
        BANK_NAME, "P01-VACH-BANK-260303-2.DAT",
    ]  # fmt: skip
    assert [len(read_bank_file(app, built, n).batches[0].entries) for n in (0, 2)] == [3, 2]


def test_balanced_file_ends_each_batch_with_an_offset(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFSET", "998877")
    app = company(db, home, clock, bank={"balanced": True, "offset_account": "env:OFFSET"})
    world.check(db, "1", 700)
    world.check(db, "2", 300, vendor="V2")
    built = build(app, "VACH", "1")
    file = read_bank_file(app, built)
    assert [(e.name, e.amount_cents) for b in file.batches for e in b.entries] == [
        ("VENDOR V1", 700), ("OFFSET", 700), ("JANE DOE", 300), ("OFFSET", 300),
    ]  # fmt: skip
    assert {b.service_class for b in file.batches} == {"200"}
    assert (built.files[0].total_debit_cents, built.files[0].total_credit_cents) == (1000, 1000)
    assert world.one(db, "SELECT next FROM counter WHERE name = 'trace:09100001'") == 5


@pytest.mark.parametrize(("ending", "separator"), [("lf", "\n"), ("crlf", "\r\n"), ("none", "")])
def test_bank_wishes(db: Database, home: Home, clock: FixedClock, ending: str, separator: str) -> None:
    app = company(db, home, clock, bank={"line_ending": ending, "service_class": "200 only"})
    world.check(db, "1")
    built = build(app, "VACH", "1")
    data = (home.outbox / built.files[0].name).read_bytes().decode()
    assert len(data) == 10 * (94 + len(separator)) and data.count("\n") == (10 if separator else 0)
    assert read_bank_file(app, built).batches[0].service_class == "200"


def test_same_ledger_and_clock_give_the_same_bytes(db: Database, home: Home, clock: FixedClock, tmp_path: Any) -> None:
    app = company(db, home, clock)
    world.check(db, "1")
    built = build(app, "VACH", "1")
    first = (home.outbox / BANK_NAME).read_bytes()
    clock.wait(86_400)
    later = world.app_at(home, db, clock, portfolio={}, bank=world.bank(name="Another"))
    assert store.render(later, built.files[0].outbound_id) == first, "rendered from frozen rows only"
    assert store.render(later, built.files[1].outbound_id) == (home.outbox / SCRATCH_NAME).read_bytes()


def test_rejected_and_built_again_is_another_file(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    world.check(db, "1")
    first = build(app, "VACH", "1").files
    assert [r.state for r in release.reject(app, first[0].outbound_id, reason="wrong bank")] == ["REJECTED"] * 2
    assert not list(home.outbox.glob("*VACH*"))
    assert world.all_of(db, "SELECT state, outbound_id FROM bank_check") == [("NEW", None)]
    assert world.all_of(db, "SELECT 1 FROM outbound_claim") == []
    second = build(app, "VACH", "1")
    assert [f.name for f in second.files] == ["P01-VACH-BANK-260303-2.DAT", "DSPP-P01-VACH-260303-2.DAT"]
    file = read_bank_file(app, second)
    assert (file.header.file_id_modifier, file.batches[0].entries[0].trace_number) == ("B", "091000010000002")


def test_what_leaves_otherwise_than_it_was_written_is_told_to_whoever_releases_it(
    db: Database, home: Home, clock: FixedClock
) -> None:
    app = company(db, home, clock)
    world.change(db, "UPDATE vendor SET name = 'Müller' WHERE vendor = 'V1'")
    world.change(db, "UPDATE vendor SET sec = 'CTX' WHERE vendor = 'V2'")
    world.check(db, "1", reference="Réf 1")
    world.check(db, "2", vendor="V2", reference="Nó 7")
    world.check(db, "3", reference="PLAIN")
    told = ["vendor V1: Ü written as U", "check 1, reference: É written as E", "check 2, reference: Ó written as O"]
    built = build(app, "VACH", "1")
    assert sorted(built.messages) == sorted(told)
    shown = release.show(app, built.files[0].outbound_id)
    assert sorted(shown["header"]["spelled"]) == sorted(told)
    page = outbound_page.page(shown, str)
    assert [line.split("spelled    ")[1] for line in page if "spelled" in line] == shown["header"]["spelled"]


def test_exceptions_are_reported_and_stay(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    world.vendor(db, "V3", dealer_alert="Y", account="99887766")
    world.check(db, "1", vendor="V3")
    world.check(db, "2")
    built = build(app, "VACH", "1")
    assert built.withheld == 1
    folder = home.reports / "2026-03-02" / "outbound-p1-1"
    withheld = (folder / "p1_lpu0424c.csv").read_text().splitlines()[1]
    assert ",****7766,1,2026-03-03,CREDIT,100.00,ALERT," in withheld
    sent = (folder / "p1_lpu0424a.csv").read_text().splitlines()
    assert sent[1:] == ["1,1,1,1,L1,,V1,Vendor V1,091000019,****5678,2,2026-03-03,CREDIT,091000010000001,100.00"]
    summary = (folder / "p1_lpu0424b.csv").read_text()
    assert f"{BANK_NAME},2026-03-03,CCD,1,1,0,100.00,0.00,0009100001,{built.files[0].sha256}" in summary
    assert "99887766" not in (folder / "p1_lpu0424c.rpt").read_text()
    assert world.one(db, "SELECT state FROM bank_check WHERE check_no = '1'") == "NEW"


def test_account_numbers_are_sealed_at_rest(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    world.vendor(db, "V4", account="5550001112223")
    world.check(db, "1", vendor="V4")
    built = build(app, "VACH", "1")
    payloads = [bytes(row[0]) for row in world.all_of(db, "SELECT payload FROM outbound_row")]
    assert payloads and not any(b"5550001112223" in payload for payload in payloads)
    assert (home.outbox / BANK_NAME).stat().st_mode & 0o777 == 0o600
    assert world.all_of(db, "SELECT seq, source FROM outbound_source WHERE outbound_id = 1") == [(1, "check:1:126:1")]
    assert world.one(db, "SELECT trace_number FROM ach_entry WHERE outbound_id = 1") == "091000010000001"
    assert built.messages == ()


def test_refusals(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    world.check(db, "1")
    with pytest.raises(Refused, match=r"found vendor_ach.used off or no bank"):
        build(world.app_at(home, db, clock), "VACH", "1")
    with pytest.raises(Refused, match="expected one in the covered years"):
        build(world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, covered=(2025,)), "VACH", "1")
    wide = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH}, bank=world.bank(company_name="A" * 17)
    )
    with pytest.raises(SettingsError, match="company_name"):
        build(wide, "VACH", "1")
    assert world.one(db, "SELECT state FROM bank_check") == "NEW"
    assert build(app, "VACH", "1").files


# --- numbers ------------------------------------------------------------------------------------------------

ON = date(2026, 3, 2)


def test_a_block_never_crosses_the_end_of_the_sequence(db: Database) -> None:
    """Traces must rise within a batch, so the last number is left out rather than followed by 1."""
    world.change(db, "INSERT INTO counter (name, next) VALUES ('trace:09100001', 9999999)")
    with db.write() as connection:
        assert numbers.take_traces(db, connection, odfi="09100001", count=2, on=ON) == 1


def test_trace_sequence_starts_again_before_it_would_cross_the_end(db: Database) -> None:
    world.change(db, "INSERT INTO counter (name, next) VALUES ('trace:09100001', 9999998)")
    with db.write() as connection:
        assert numbers.take_traces(db, connection, odfi="09100001", count=2, on=ON) == 9_999_998
        assert numbers.take_traces(db, connection, odfi="09100001", count=3, on=ON) == 1
        assert numbers.take_traces(db, connection, odfi="09100001", count=1, on=ON) == 4
        with pytest.raises(Refused, match="more than the 9999999 trace numbers"):
            numbers.take_traces(db, connection, odfi="09100001", count=10_000_000, on=ON)


@pytest.mark.parametrize(("when", "refused"), [("2027-04-06", True), ("2027-04-07", False)])
def test_a_number_is_not_given_again_within_400_days(
    db: Database, home: Home, clock: FixedClock, when: str, refused: bool
) -> None:
    app = company(db, home, clock)
    world.check(db, "1")
    build(app, "VACH", "1")
    world.change(db, "UPDATE counter SET next = 1 WHERE name = 'trace:09100001'")
    world.change(db, "UPDATE portfolio SET business_date = :d", d=when)
    world.check(db, "2", disbursement_date=when)
    later = FixedClock(datetime.combine(date.fromisoformat(when), datetime.min.time(), tzinfo=UTC).replace(hour=15))
    app = world.app_at(home, db, later, portfolio={"vendor_ach": world.VENDOR_ACH})
    if refused:
        with pytest.raises(Refused, match=r"found trace number 091000010000001 in P01-VACH-BANK-260303.DAT"):
            build(app, "VACH", "1")
    else:
        assert build(app, "VACH", "1").files


def test_a_check_that_slips_away_while_a_file_is_built_stops_it(
    db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = company(db, home, clock)
    take = freeze.take_traces

    def meanwhile(database: Database, connection: Connection, **how: Any) -> int:
        connection.execute(text("UPDATE bank_check SET state = 'VOID' WHERE check_no = '2'"))
        return take(database, connection, **how)

    world.check(db, "1")
    world.check(db, "2")
    monkeypatch.setattr(freeze, "take_traces", meanwhile)
    with pytest.raises(Refused, match="reserving checks: found 1, expected 2; nothing was built"):
        build(app, "VACH", "1")
    assert world.all_of(db, "SELECT state FROM bank_check") == [("NEW",), ("NEW",)]
    assert world.all_of(db, "SELECT name FROM outbound_file") == []


def test_the_37th_file_of_a_day_is_refused(db: Database) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

    def take(count: int, on: date = ON) -> list[str]:
        with db.write() as connection:
            return numbers.take_modifiers(
                db, connection, origin="1", destination="2", on=on, alphabet=alphabet, count=count
            )

    assert "".join(take(36)) == alphabet
    with pytest.raises(Refused, match="found 36 bank files made that day and 1 more wanted"):
        take(1)
    assert take(1, date(2026, 3, 3)) == ["A"]
