"""A bank is believed in its own folder: one that takes other kinds leaves what a bank would send where it is, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app import App
from gateway.clock import FixedClock
from gateway.console.inbox import left_in_place
from gateway.home import Home
from gateway.intake.service import Intake
from gateway.ledger.database import Database
from tests.answers import bank
from tests.answers.world import answers, check, company, send, state, trace_of
from tests.intake.conftest import with_source


def taken(app: App) -> list[str]:
    with closing(Intake(app, events=False)) as intake:
        return [done.file.name for done in intake.process_now()]


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ((), ["p1_btchassmt.dat", "returns.ach"]),
        (("assessments", "bank-answers"), ["p1_btchassmt.dat", "returns.ach"]),
        (("assessments",), ["p1_btchassmt.dat"]),
        (("escrow", "bank-acknowledgement"), []),
    ],
)
def test_a_folder_takes_the_kinds_that_it_names(
    db: Database, home: Home, clock: FixedClock, kinds: Sequence[str], names: list[str]
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    app = replace(app, settings=with_source(app.settings, kinds=tuple(kinds)))
    (app.home.inbox / "returns.ach").write_bytes(bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    (app.home.inbox / "p1_btchassmt.dat").write_bytes(b"x")
    assert sorted(taken(app)) == names
    left = {one.name: one for one in left_in_place(app)}
    assert left.keys() == {"p1_btchassmt.dat", "returns.ach"} - set(names)
    assert all(one.code == "OTHER_KIND" and one.wants_person for one in left.values())
    assert state(db, "4711") == (("RETURNED", 1) if "returns.ach" in names else ("SENT", 1))
    assert len(answers(db)) == ("returns.ach" in names)


def test_what_is_left_there_is_told_with_what_to_do(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock)
    app = replace(app, settings=with_source(app.settings, kinds=("assessments", "payments")))
    (app.home.inbox / "returns.ach").write_bytes(b"x")
    (left,) = left_in_place(app)
    assert left.message == (
        "Found returns.ach, a file of bank-answers, expected only assessments, payments in inbox: ask who put it there, and have "
        "it sent to its own folder, or add its kind to the source's kinds in gateway.toml."
    )


@pytest.mark.parametrize("path", ["inbox/bank", "inbox/from/bank"])
def test_a_folder_inside_another_is_a_folder_of_its_own(db: Database, home: Home, clock: FixedClock, path: str) -> None:
    """It stands in the other one's way no more than its files are taken twice; any other directory does."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    gateway = app.settings.gateway
    bank_folder = gateway.sources["inbox"].model_copy(update={"path": Path(path), "kinds": ("bank-answers",)})
    settings = replace(
        app.settings, gateway=gateway.model_copy(update={"sources": {**gateway.sources, "bank": bank_folder}})
    )
    app = replace(app, settings=settings)
    (home.root / path).mkdir(parents=True)
    (home.inbox / "p1_btchassmt.dat").write_bytes(b"x")
    (home.root / path / "returns.ach").write_bytes(bank.whole(bank.return_of(trace_of(db, "4711"), 12_345)))
    assert sorted(taken(app)) == ["p1_btchassmt.dat", "returns.ach"]
    assert left_in_place(app) == []
    (home.inbox / "other").mkdir()
    assert [(one.source, one.name, one.code) for one in left_in_place(app)] == [("inbox", "other", "DIRECTORY")]
