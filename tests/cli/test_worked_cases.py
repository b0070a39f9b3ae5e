"""The eight worked cases of reverse-and-reapply, from files through the command line, as the vendor's tables show them.

``reversal_cases.json`` is data of the rules' source: it knows nothing of this program.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import system_user
from tests.cli.conftest import Played, copy_of, create

VECTORS = json.loads((Path(__file__).parents[1] / "golden" / "reversal_cases.json").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = VECTORS["cases"]
TODAY = "2003-05-08"
OPERATORS = "".join(f'[operators.{code}]\nusers = ["{system_user()}"]\n' for code in ("JS1", "JS2"))
FEE = "DEF FEE"


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _standing_clock: None) -> Played:
    """A home with two operators and an empty ledger, to be copied."""
    root = tmp_path_factory.mktemp("bare") / "home"
    url = f"sqlite:///{root}/var/ledger.db"
    if request.param == "postgresql":
        url = create(request.getfixturevalue("postgres_url"), "bare", "gateway_template")
    home = Played(root, url)
    home.ok("init", str(root), "--code", "JS1")
    (root / "config" / "gateway.toml").write_text('[database]\nurl = "env:GATEWAY_TEST_DATABASE"\n')
    (root / "config" / "operators.toml").write_text(OPERATORS)
    home.ok("db", "upgrade")
    return home


@pytest.fixture
def home(bare: Played, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Played]:
    with copy_of(bare, tmp_path, request) as copied:
        yield copied


def number(payment: dict[str, Any]) -> str:
    """The 20 digits of a batch that the vectors call 1, 2 or 3."""
    return f"{yymmdd(payment['effective_date'])}700001{int(payment['batch']):08d}"


def yymmdd(day: str) -> str:
    return day[2:].replace("-", "")


def cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def load(home: Played, case: dict[str, Any], *, history: str) -> None:
    """Leases and invoices, and the payments: all loaded, or by a payment file of JS1. A deferral fee received as cash
    comes in no payment file, so it is loaded either way."""
    leases = sorted({invoice["lease"] for invoice in case["invoices"]})
    files = {
        "portfolios": ["portfolio,name", "1,ONE"],
        "offices": ["portfolio,company,region,office,name", "1,1,1,1,HEAD"],
        "leases": [
            "lease,portfolio,company,region,office,lessee,lessee_name,status,accrual_method,commencement,maturity",
            *(f"{lease},1,1,1,1,S1,SMITH,ANOR,OPER,2003-01-01,2006-12-31" for lease in leases),
        ],
        "invoices": [
            "invoice,lease,due_date,charge,amount",
            *(f"{i['invoice']},{i['lease']},{i['due_date']},{i['charge']},{i['amount']}" for i in case["invoices"]),
        ],
        "payments": ["batch,line,check,operator,effective_date,effective_time,lease,invoice,amount"],
    }
    lines = []
    for payment in case["payments"]:
        for place, line in enumerate(payment["lines"], 1):
            if history == "loaded" or line["invoice"] == FEE:
                files["payments"].append(
                    f"{number(payment)},{place},{payment['check']},{payment['operator']},{payment['effective_date']},"
                    f"{payment['effective_time']},{line['lease']},{line['invoice']},{line['amount']}"
                )
            else:
                lines.append(
                    f"I{line['invoice']},{cents(line['amount'])},C{payment['check']},"
                    f"E{yymmdd(payment['effective_date'])},B{number(payment)}"
                )
    folder = home.root / "reference"
    folder.mkdir()
    for kind, rows in files.items():
        (folder / f"{kind}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    home.ok("load", str(folder), "--date", TODAY, "--operator", "JS1")
    if lines:
        drop(home, "p1_btchpmt.dat", lines, operator="JS1")


def drop(home: Played, name: str, lines: list[str], *, operator: str) -> None:
    (home.root / "inbox" / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    home.ok("process", "--operator", operator)


def record(case: dict[str, Any], batch: str) -> str:
    """The reversal line of a batch: the lease it is kept under, all of its money, for non-sufficient funds."""
    (payment,) = (p for p in case["payments"] if p["batch"] == batch)
    total = sum(cents(line["amount"]) for line in payment["lines"])
    return f"L{payment['lease']},{total},B{number(payment)},RNSFC,C{payment['check']}"


def applied(home: Played, case: dict[str, Any]) -> list[dict[str, Any]]:
    """What ``gateway ledger payments`` shows, in the words of the vectors."""
    names = {number(payment): payment["batch"] for payment in case["payments"]}
    keys = ("check", "operator", "effective_date", "lease", "invoice", "amount")
    return [
        {"batch": names[row["batch"]]} | {key: row[key] for key in keys}
        for row in home.ok("ledger", "payments", "--json").rows
    ]


def outstanding(home: Played) -> dict[str, str]:
    return {row["invoice"]: row["open"] for row in home.ok("ledger", "receivables", "--json").rows}


def in_order(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return sorted(tuple(row[key] for key in sorted(row)) for row in rows)


def everything(home: Played) -> list[str]:
    asked = (
        ("ledger", "payments", "--all"), ("suspense", "list", "--all"), ("ledger", "receivables"), ("ledger", "journal"),
    )  # fmt: skip
    return [home.ok(*words, "--json").out for words in asked]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
@pytest.mark.parametrize("history", ["loaded", "posted"])
def test_one_file_with_every_record(home: Played, case: dict[str, Any], history: str) -> None:
    load(home, case, history=history)
    lines = [record(case, batch) for (batch,) in case["reversals"]]
    path = home.root / "p1_bptmtrev.dat"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = everything(home)
    home.ok("check", str(path), "--operator", "JS2")
    assert everything(home) == before
    drop(home, path.name, lines, operator="JS2")
    assert in_order(applied(home, case)) == in_order(case["applied_after"])
    assert outstanding(home) == case["outstanding_after"][-1]
    home.ok("verify")


@pytest.mark.parametrize("case", [case for case in CASES if len(case["reversals"]) > 1], ids=["8"])
def test_one_file_a_record(home: Played, case: dict[str, Any]) -> None:
    """The open amounts after each record of the case that has several."""
    load(home, case, history="posted")
    for (batch,), expected in zip(case["reversals"], case["outstanding_after"], strict=True):
        drop(home, "p1_bptmtrev.dat", [record(case, batch)], operator="JS2")
        assert outstanding(home) == expected
    assert in_order(applied(home, case)) == in_order(case["applied_after"])


def test_the_warning_of_case_5_and_of_no_other(home: Played) -> None:
    (case,) = (case for case in CASES if case["id"] == "5")
    load(home, case, history="posted")
    drop(home, "p1_bptmtrev.dat", [record(case, "1")], operator="JS2")
    shown = home.ok("files", "show", "2", "--json").document
    assert "No reversal and reapply for multiple lease batch" in json.dumps(shown)
