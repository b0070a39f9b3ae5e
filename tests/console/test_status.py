"""What is late, what wants a person, and when End of Period is due: decided by values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.cli.status import page
from gateway.console.inbox import Left
from gateway.console.status import Status, late_files
from gateway.cutoffs import shown_text
from gateway.home import Home
from gateway.period.unfinished import is_due
from gateway.settings import Settings
from gateway.settings_portfolio import Expected, PortfolioSettings
from gateway.settings_reading import load_settings

EAST = ZoneInfo("America/New_York")
PORTFOLIO = {
    "portfolio": "1", "name": "MAIN", "business_date": "2026-03-02", "period_state": "OPEN", "units": 2,
    "debit_cents": 100, "credit_cents": 100, "balanced": True, "opened_at": "2026-02-28T04:00:00.0Z", "ended_at": None,
}  # fmt: skip


def expecting(home: Home, by: str = "09:00") -> Settings:
    wanted = PortfolioSettings(expected=(Expected(kind="assessments", by=by),))
    return replace(load_settings(home), portfolios={"1": wanted})


def came(
    kind: str = "assessments", portfolio: str | None = "1", day: str | None = "2026-03-02", state: str = "POSTED",
    code: str | None = None, at: str = "2026-03-02T12:00:00.0Z",
) -> dict[str, Any]:  # fmt: skip
    return {
        "kind": kind, "portfolio": portfolio, "business_date": day, "state": state, "hold_code": code, "claimed_at": at,
    }  # fmt: skip


def local(instant: str | None) -> str:
    return "" if instant is None else shown_text(instant, "America/New_York")


@pytest.mark.parametrize(
    ("now", "files", "date", "late"),
    [
        ("2026-03-02 08:59", [], None, False),
        ("2026-03-02 09:00", [], None, True),
        ("2026-03-02 09:00", [came()], None, False),
        ("2026-03-02 09:00", [came("escrow")], None, True),
        ("2026-03-02 09:00", [came(portfolio="2")], None, True),
        ("2026-03-02 09:00", [came(portfolio=None)], None, False),
        *[
            ("2026-03-02 09:00", [came(day=day, state=state, code=code)], None, late)
            for day, state, code, late in [
                (None, "HELD", "OVERLAP", False),
                (None, "HELD", "TORN_TAIL", True),
                (None, "HELD", "DUPLICATE", True),
                (None, "HELD", "CHANGED_WHILE_READ", True),
                (None, "CLAIMED", None, False),
                (None, "WAITING", None, False),
                (None, "FAILED", "FAULT", False),
                ("2026-03-02", "STAGED", None, False),
                ("2026-03-02", "REVERSED", None, False),
                ("2026-03-02", "EMPTY", None, True),
                ("2026-03-02", "REJECTED", None, True),
                (None, "QUARANTINED", None, True),
                ("2026-03-02", "DISCARDED", None, True),
                ("2026-02-27", "STAGED", None, True),
            ]
        ],
        *[
            ("2026-03-02 09:00", [came(day=None, state=state, code=None, at="2026-02-20T10:00:00.0Z")], None, True)
            for state in ("HELD", "FAILED", "WAITING", "CLAIMED")
        ],
        ("2026-03-02 09:00", [came(day=None, state="HELD", at="2026-02-28T04:00:00.0Z")], None, False),
        ("2026-03-02 09:00", [came(day="2026-02-27")], None, True),
        ("2026-03-01 23:00", [], None, False),
        ("2026-03-03 01:00", [], None, True),
        ("2026-03-03 08:00", [], "2026-03-03", False),
        ("2026-03-03 10:00", [], "2026-03-03", True),
    ],
)
def test_late_files(home: Home, now: str, files: list[dict[str, Any]], date: str | None, late: bool) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=EAST)
    found = late_files([PORTFOLIO], files, expecting(home), at, date)
    assert found == (
        [{"portfolio": "1", "kind": "assessments", "by": f"{date or '2026-03-02'} 09:00 EST"}] if late else []
    )


@pytest.mark.parametrize(
    ("opened", "ended", "late"),
    [
        (None, None, False), ("2026-03-02T12:00:00.0Z", None, False), ("2026-03-02T12:00:00.1Z", None, True),
        (None, "2026-03-02T12:00:00.0Z", True), (None, "2026-03-02T12:00:00.1Z", False),
    ],
)  # fmt: skip
def test_a_file_that_waits_is_of_the_date_that_was_open_when_it_came(
    home: Home, opened: str | None, ended: str | None, late: bool
) -> None:
    at = datetime.fromisoformat("2026-03-02 09:00").replace(tzinfo=EAST)
    portfolio = PORTFOLIO | {"opened_at": opened, "ended_at": ended}
    assert bool(late_files([portfolio], [came(day=None, state="HELD")], expecting(home), at, None)) is late


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-02 22:29", False), ("2026-03-02 22:30", True), ("2026-03-02 23:59", True),
        ("2026-03-01 23:59", False), ("2026-03-03 00:01", True), ("2027-01-01 00:00", True),
    ],
)  # fmt: skip
def test_end_of_period_is_due_at_its_hour_on_its_date_or_later(now: str, due: bool) -> None:
    assert is_due("2026-03-02", "22:30", datetime.fromisoformat(now).replace(tzinfo=EAST)) is due


QUIET = Status(None, [PORTFOLIO], [], [], [], [], [], [])
FILE = {
    "id": 7, "name": "p1_btchpmt.dat", "state": "HELD", "lines": 1, "records": 1, "rejects": 0, "amount_cents": 5, "posted_cents": 0,
    "suspended_cents": 0, "rejected_cents": 0, "hold_text": "Found it twice.", "hold_code": "DUPLICATE",
}  # fmt: skip
OUT = {
    "id": 3, "name": "B.DAT", "state": "APPROVED", "records": 2, "total_debit_cents": 0, "total_credit_cents": 9, "endpoint": "bank",
    "delivery": "UNKNOWN", "last_error": "connection lost",
}  # fmt: skip
MODULE = {"portfolio": "1", "business_date": "2026-03-02", "module": "U1003", "state": "FAILED", "message": "no room"}
LEFT = {"portfolio": "1", "business_date": "2026-03-02", "left": ["U0424", "U1003", "U0499"]}
CHANGE = {
    "change_id": 4, "vendor": "V1", "origin": "OPERATOR", "fields": "routing_number,account_number", "maker": "ANN",
    "proposed_at": "2026-03-02T14:00:00.0Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "wants", "line"),
    [
        ({}, False, "Nothing is late, held or in doubt."),
        ({"files": [FILE]}, True, "HELD p1_btchpmt.dat (#7): Found it twice."),
        ({"files": [FILE | {"state": "QUARANTINED"}]}, True, "When it is seen to: gateway files discard 7 --reason WHY"),
        ({"outbound": [OUT | {"delivery": None, "state": "BUILT", "follows": 2}]}, False,
         "B.DAT (#3) goes with #2: released or rejected with it"),
        ({"files": [FILE | {"state": "POSTED"}]}, False, "p1_btchpmt.dat  POSTED"),
        ({"late": [{"portfolio": "1", "kind": "escrow", "by": "2026-03-02 09:00 EST"}]}, True,
         "LATE: portfolio 1: no escrow file by 2026-03-02 09:00 EST"),
        ({"outbound": [OUT]}, True, "UNKNOWN B.DAT (#3): connection lost"),
        ({"outbound": [OUT | {"delivery": "PENDING", "last_error": None}]}, False, "B.DAT"),
        ({"outbound": [OUT | {"delivery": "PENDING", "last_error": "login refused", "not_reached": True}]}, True,
         "PENDING B.DAT (#3): login refused"),
        ({"outbound": [OUT | {"delivery": None, "state": "BUILT"}]}, False, "waits for approval: gateway outbound show 3"),
        ({"end_of_period": [MODULE]}, True, "U1003 FAILED: no room"),
        ({"end_of_period": [MODULE | {"state": "DONE"}]}, False, "done U1003"),
        ({"alarms": [{"code": "FILE_LATE", "raised_at": "2026-03-02T14:00:00.0Z", "text": "x"}]}, True,
         "ALARM FILE_LATE since 2026-03-02 09:00 EST: x"),
        ({"portfolios": [PORTFOLIO | {"balanced": False}]}, True, "OUT OF BALANCE"),
        ({"portfolios": [PORTFOLIO | {"period_state": "CLOSED"}]}, False, "CLOSED, End of Period is under way"),
        ({"portfolios": [PORTFOLIO | {"period_state": "CLOSED"}], "unfinished": [LEFT]}, True, "CLOSED, End of Period is not finished"),
        ({"portfolios": [PORTFOLIO | {"period_state": "CLOSED"}], "end_of_period": [MODULE]}, True, "End of Period is not finished"),
        ({"unfinished": [LEFT]}, True, "UNFINISHED: portfolio 1: End of Period of 2026-03-02 stands before U0424 and 2 modules "
         "after it, and nobody is at it: gateway eop --date 2026-03-02 --portfolio 1"),
        ({"slow": [LEFT | {"since": "2026-03-02T14:00:00.0Z", "shown": "2026-03-02 09:00 EST"}]}, True, "SLOW: portfolio 1: End of "
         "Period of 2026-03-02 is before or in U0424 since 2026-03-02 09:00 EST: see the log and the database; when the process "
         "that is at it has ended, gateway eop --date 2026-03-02 --portfolio 1 goes on"),
        ({"portfolios": []}, False, "No portfolio is loaded."),
        ({"portfolios": [], "inbox": [Left("inbox", "x.txt", "UNKNOWN_NAME", "Found x.", True)]}, True, "LEFT IN inbox, x.txt: Found x."),
        ({"suspense": [{"portfolio": "1", "items": 1, "amount_cents": 250}]}, False, "1 item waits for a person, 2.50"),
        ({"inbox": [Left("inbox", "x.txt", "UNKNOWN_NAME", "Found x.", True)]}, True, "LEFT IN inbox, x.txt: Found x."),
        ({"inbox": [Left("inbox", "y", "NOT_WHOLE", "Found y.", False)]}, False, "LEFT IN inbox, y: Found y."),
        ({"changes": [CHANGE]}, True, "CHANGE 4: routing number, account number of vendor V1, proposed by ANN on 2026-03-02 09:00 EST: "
         "nothing is paid to it until a second person says gateway vendor approve 4 or gateway vendor refuse 4"),
        ({"changes": [CHANGE | {"origin": "NOC"}]}, True, "of vendor V1, proposed by the bank on 2026-03-02 09:00 EST"),
        ({"lacking": ["sealed with the key 00ff, bring it"]}, True, "NO KEY: sealed with the key 00ff, bring it"),
        ({"date": "2026-03-05"}, False, "Came: nothing on 2026-03-05."),
    ],
)  # fmt: skip
def test_the_page_and_whether_it_wants_a_person(change: dict[str, Any], wants: bool, line: str) -> None:
    found = replace(QUIET, **change)
    assert found.wants_attention is wants
    lines = list(page(found, local))
    assert any(line in shown for shown in lines), lines
    if found.portfolios:
        assert (lines[-1] == "Something wants a person; see above.") is wants
