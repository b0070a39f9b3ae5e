"""A load beside a build, an approval, a change of bank details or a rotation of the key: whoever is first is done, the other sees it.

On SQLite one writer waits for the other from the start; the tests hold it to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway import vault as keys_at
from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.crashpoints import Step
from gateway.home import Home
from gateway.ledger import dump, vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.load import LoadRejected, LoadResult, load
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.vendor_details import current
from gateway.outbound.built import Frozen
from gateway.release import build as building
from gateway.release import keys as rotation
from gateway.release import release
from gateway.vault import Vault, open_vault
from tests.outbound import world
from tests.outbound.ach import sound
from tests.support.at_once import until_it_waits

VENDOR = "vendor,name,routing_number,account_number,account_type,sec\nV1,Vendor V1,091000019,12345678,checking,CCD\n"
HEAD = "portfolio,check,type,amount,disbursement_date,vendor,lease,reference,bank\n"
CHECK = HEAD + "1,1,NEWA,100.00,2026-03-03,V1,L1,INV-1,126\n"
MAKER = Maker("CAT", "cat")
LoadedMeanwhile = Callable[[str], tuple[Frozen, Future[LoadResult]]]


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock, tmp_path: Path) -> App:
    world.company(db)
    world.vendor(db)
    app = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}})
    with db.write() as connection:  # the world gives its own numbers
        dump._follow_numbers(db, connection, dump.tables())
    return app


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def bring(app: App, folder: Path, name: str, content: str) -> LoadResult:
    path = folder / f"{name}.csv"
    path.write_text(content, encoding="utf-8")
    return load(app.db, [path], vault=app.vault, maker=MAKER, posted_at=app.now(), business_date=None)


def checks(db: Database) -> list[tuple[Any, ...]]:
    return world.all_of(db, "SELECT check_no, state, outbound_id FROM bank_check WHERE check_no = '1'")


@pytest.fixture
def load_while_it_builds(
    app: App, db: Database, tmp_path: Path, beside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> LoadedMeanwhile:
    """Builds the bank file of a loaded check; these checks are loaded while the build is about to commit."""

    def built(again: str) -> tuple[Frozen, Future[LoadResult]]:
        bring(app, tmp_path, "checks", CHECK)
        loads: list[Future[LoadResult]] = []

        def reached(step: Step) -> None:
            if step is Step.BUILT_UNCOMMITTED:
                loads.append(beside.submit(bring, app, tmp_path, "checks", again))
                until_it_waits(db, loads[0])

        monkeypatch.setattr(building, "reached", reached)
        return building.build(app, "VACH", "1").files[0], loads[0]

    return built


def test_the_same_checks_again_leave_a_reserved_one_as_it_is(
    app: App, db: Database, load_while_it_builds: LoadedMeanwhile
) -> None:
    bank_file, load_ = load_while_it_builds(CHECK)
    assert load_.result().counts["checks"].same == 1
    assert checks(db) == [("1", "RESERVED", bank_file.outbound_id)]
    release.approve(app, bank_file.outbound_id, sha256=bank_file.sha256)
    assert checks(db) == [("1", "SENT", bank_file.outbound_id)]
    sound(db)


def test_a_check_that_is_built_meanwhile_is_not_changed(db: Database, load_while_it_builds: LoadedMeanwhile) -> None:
    _, load_ = load_while_it_builds(CHECK.replace("100.00", "900.00"))
    with pytest.raises(LoadRejected, match="a change of check 1, which is reserved"):
        load_.result()
    sound(db)


def test_the_same_checks_again_leave_a_sent_one_as_it_is(
    app: App, db: Database, tmp_path: Path, beside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an approval is about to commit."""
    bring(app, tmp_path, "checks", CHECK)
    bank_file = building.build(app, "VACH", "1").files[0]
    loads: list[Future[LoadResult]] = []
    noted = release.note

    def note(*args: Any, **options: Any) -> None:
        noted(*args, **options)
        loads.append(beside.submit(bring, app, tmp_path, "checks", CHECK))
        until_it_waits(db, loads[0])

    monkeypatch.setattr(release, "note", note)
    release.approve(app, bank_file.outbound_id, sha256=bank_file.sha256)
    assert loads[0].result().counts["checks"].same == 1
    assert checks(db) == [("1", "SENT", bank_file.outbound_id)]
    sound(db)


def details(app: App, vault: Vault | None = None) -> dict[str, str]:
    with app.db.read() as connection:
        return dict(current(connection, vault or app.vault, ["V1"])["V1"])


class Between(Vault):
    """Begins something else where a transaction takes the lock on keys, which must wait for it, or be done."""

    def before(self, db: Database, other: Any, beside: ThreadPoolExecutor) -> Between:
        self.at, self.other, self.beside = db, other, beside
        self.begun: list[Future[Any]] = []
        return self

    def hold(self, db: Any, connection: Any) -> None:
        if not self.begun:
            self.begun.append(self.beside.submit(self.other))
            until_it_waits(self.at, self.begun[0])
        super().hold(db, connection)


def test_a_change_that_two_people_approved_is_not_undone_by_a_load(
    app: App, db: Database, tmp_path: Path, beside: ThreadPoolExecutor
) -> None:
    with db.write() as connection:
        change = vendor_changes.propose(
            db, connection, app.vault, "V1", {"account_number": "99998888"}, origin="OPERATOR", reason="letter",
            maker=Maker("ANN", "anna"), at=app.now(),
        )  # fmt: skip
    assert change is not None

    def approve() -> None:
        who = Operator("BOB", "bob", frozenset({"approve"}))
        with db.write() as connection:
            vendor_changes.approve(db, connection, app.vault, change, operator=who, at=app.now())

    between = Between(b"k" * 32).before(db, approve, beside)
    before = details(app)
    result = bring(
        replace(app, vault=between), tmp_path, "vendors", VENDOR.replace("12345678", before["account_number"])
    )
    between.begun[0].result()
    assert result.counts["vendors"].new == 0 and result.proposed == {}
    assert world.all_of(db, "SELECT state FROM vendor_change") == [("APPLIED",)]
    assert details(app)["account_number"] == "99998888"
    assert world.one(db, "SELECT account_last4 FROM vendor") == "8888"
    sound(db)


def test_a_load_never_writes_the_details_of_a_known_vendor(app: App, db: Database, tmp_path: Path) -> None:
    """Neither what the file says, which waits for a second person, nor what was there, sealed or not: the very bytes stay."""
    select = "SELECT routing_sealed, account_sealed, account_last4, account_type FROM vendor"
    before = [tuple(map(str, map(_plain, row))) for row in world.all_of(db, select)]
    result = bring(app, tmp_path, "vendors", VENDOR.replace("12345678", "777").replace("checking", "savings"))
    assert list(result.proposed) == ["V1"]
    assert [tuple(map(str, map(_plain, row))) for row in world.all_of(db, select)] == before


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def test_a_rotation_during_a_load_loses_no_number(
    app: App, db: Database, home: Home, tmp_path: Path, beside: ThreadPoolExecutor
) -> None:
    """The load sealed with the former key what it had read, and said that the numbers were lost."""
    home.field_key.write_text(keys_at.new_key() + "\n")
    home.field_key.chmod(0o600)
    own = open_vault(home)
    with db.write() as connection:
        connection.execute(
            text("UPDATE vendor SET routing_sealed = :r, account_sealed = :a, account_type = 'checking'"),
            {"r": own.seal("091000019", field="vendor.routing"), "a": own.seal("12345678", field="vendor.account")},
        )
    rotating = replace(app, vault=own, operator=Operator("ROO", "root", frozenset({"admin"})))
    between = Between(*keys_at.read_keys(home), again=lambda: keys_at.read_keys(home))
    between.before(db, lambda: rotation.rotate(rotating), beside)
    result = bring(replace(app, vault=between), tmp_path, "vendors", VENDOR)
    assert between.begun[0].result().finished
    assert not [words for words in result.warnings if "key" in words] and result.proposed == {}
    assert details(app, open_vault(home))["account_number"] == "12345678"
    sound(db)
