"""A bank's file whose records are out of place: what of it is shown, kept and reported has no account number in it, and no
amount that may be a piece of one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gateway.answers import lists
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.intake import checking
from gateway.ledger.database import Database
from tests.answers import bank
from tests.answers.world import answers, check, company, differences, drop, postings, send, trace_of
from tests.outbound import world

NUMBERS = [("776655443322", "998811223344"), ("7766AB5544C3", "9988XY1122Z4")]
"""Of an account, and of the one that a bank says it is: account numbers may have letters."""
PIECES = {secret[at : at + 5] for both in NUMBERS for secret in both for at in range(len(secret) - 4)}

DAMAGE: dict[str, Callable[[list[str]], list[str]]] = {
    "the account where the amount is": lambda r: [x[:12] + " " * 17 + x[12:77] if x[0] == "6" else x for x in r],
    "the account where the trace is": lambda r: [(x[:12] + " " * 68 + x[12:])[:94] if x[0] == "6" else x for x in r],
    "an unbroken stream of 93": lambda r: ["".join(x[:93] for x in r)],
    "wrapped at 80": lambda r: ["".join(r)[at : at + 80] for at in range(0, 94 * len(r), 80)],
}


@pytest.mark.parametrize(("account", "corrected"), NUMBERS)
@pytest.mark.parametrize("case", DAMAGE)
def test_no_account_is_shown_kept_or_reported(
    db: Database, home: Home, clock: FixedClock, case: str, account: str, corrected: str
) -> None:
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    made = [bank.return_of(trace_of(db, "4711"), 12_345), bank.change_of(trace_of(db, "4711"), corrected)]
    rows = [[entry[:12] + f"{account:<17}" + entry[29:], addenda] for entry, addenda in made]
    data = "\n".join(DAMAGE[case](bank.records(*rows * 20))).encode()
    path = home.root / "RTN.ach"
    path.write_bytes(data)
    shown = [repr(checking.check(app, path))]
    drop(app, data)
    assert answers(db), "something of it was read"
    assert postings(db) == []
    shown += [repr(world.all_of(db, f"SELECT * FROM {table}")) for table in ("line_message", "inbound_file")]
    with db.read() as connection:
        listed = lists.listing(connection)
    shown.append(repr(listed))
    shown += [json.dumps(lists.show(app, lists.parse_key(row[0])), default=str) for row in listed]
    reports = [one for one in home.reports.rglob("*answers*") if one.is_file()]
    assert reports
    shown += [one.read_text() for one in reports]
    assert [text for text in shown if any(piece in text for piece in PIECES)] == []
    assert differences(app) == []


def test_an_amount_is_not_taken_from_a_record_out_of_place(db: Database, home: Home, clock: FixedClock) -> None:
    """All of the return can be read but its own trace number: somebody looks whether the amount is one."""
    app = company(db, home, clock)
    check(db, "4711", 12_345)
    send(app)
    entry, addenda = bank.return_of(trace_of(db, "4711"), 12_345)
    drop(app, bank.whole([entry[:79] + "X" + entry[80:], addenda]))
    ((kind, _, state, outcome), *_) = answers(db)
    assert (kind, state) == ("RETURN", "UNMATCHED")
    assert "found an amount that cannot be read for trace number" in outcome
    said = lists.show(app, (1, 1))["entry"]["answer"]
    assert (said["original_trace"], said["original_rdfi"]) == (trace_of(db, "4711"), "****0001")
    drop(app, bank.whole([entry, addenda]), "again.ach")
    assert answers(db)[-1][2] == "DONE"
