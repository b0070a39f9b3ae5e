"""A ledger keeps its checks for years: what is done every day finds those it asks for, and does not go through all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway.answers.pay_again import pay_again
from gateway.clock import FixedClock
from gateway.console.status import status
from gateway.home import Home
from gateway.ledger import migrate
from gateway.ledger.database import Database
from gateway.release import release
from gateway.release.build import build
from gateway.vendor_ach import voids
from tests.answers import bank
from tests.answers.world import check, company, drop, send, trace_of

_WARNED = {rule: {"action": "warn"} for rule in ("first_payment", "duplicate")}
_THROUGH_ALL = re.compile(
    r"SCAN |SEARCH \w+ USING PRIMARY KEY \(portfolio=\?\)$|SEARCH \w+ USING INDEX ix_bank_check_state"
)
_FEW = re.compile(r"state = '(NEW|VOID|RESERVED)'")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """SQLite says how it would go about a statement whatever its tables hold; PostgreSQL goes through small ones."""
    database = Database.at_path(tmp_path / "ledger.db")
    migrate.upgrade(database)
    yield database
    database.close()


def goes_through_all(statement: str, plans: list[str]) -> bool:
    """Whether it reads each check, or each that was sent."""
    aliases = ["bank_check", *re.findall(r"bank_check (?!SET|WHERE|CROSS|JOIN)(\w+)", statement)]
    mine = [plan for plan in plans if re.match(rf"(SCAN|SEARCH) ({'|'.join(aliases)})\b", plan)]
    return any(_THROUGH_ALL.match(plan) and not ("(state=?" in plan and _FEW.search(statement)) for plan in mine)


def test_no_step_of_a_bank_file_goes_through_all_checks(db: Database, home: Home, clock: FixedClock) -> None:
    app = company(db, home, clock, fraud=_WARNED)
    asked: dict[str, list[str]] = {}

    def look(_connection: Any, cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        if (
            "bank_check" in statement
            and statement.split()[0] in ("SELECT", "UPDATE", "WITH")
            and statement not in asked
        ):
            asked[statement] = [row[-1] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]

    for number in ("1", "2", "3"):
        check(db, number, 100)
    event.listen(db.engine, "before_cursor_execute", look)
    release.reject(app, build(app, "VACH", "1").files[0].outbound_id, reason="a day later")
    send(app)
    voids.void(app, "2", reason="wrong vendor")
    send(app)
    drop(app, bank.whole(bank.return_of(trace_of(db, "3"), 100)))
    pay_again(app, "3", reason="details corrected")
    status(app, None)
    assert [statement for statement, plans in asked.items() if goes_through_all(statement, plans)] == []
    assert len([statement for statement in asked if "fraud_vendor" in statement]) == 2, "the rules of fraud were asked"
