"""Real processes that post payments to the same leases at once: it ends as if one had come after the other.

Each posting unit has a number, and the numbers say who came after whom. A model of plain lists replays the payments in
that order, and every line must have gone where the model puts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.cli.main import run
from gateway.ledger.database import Database
from gateway.ledger.verify import verify

LEASES, INVOICES, RENT = 40, 3, 1000
GIVEN = "26030200000100000001"
CONFIG = '[database]\nurl = "env:GATEWAY_TEST_DATABASE"\n'


@pytest.fixture
def gateways(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with leases 1 to 40 of portfolio 1 and the same of portfolio 2 (101 to 140), three invoices each."""
    monkeypatch.setenv("GATEWAY_TEST_DATABASE", database_url)
    home = tmp_path / "home"
    assert run(["init", str(home), "--code", "ABC"]) == 0
    (home / "config" / "gateway.toml").write_text(CONFIG)
    (home / "reference").mkdir()
    leases = [(str(n + 100 * (p - 1)), p) for p in (1, 2) for n in range(1, LEASES + 1)]
    for name, rows in {
        "portfolios": ["portfolio,name", "1,ONE", "2,TWO"],
        "offices": ["portfolio,company,region,office,name", "1,1,1,1,O", "2,1,1,1,O"],
        "leases": ["lease,portfolio,company,region,office,lessee,lessee_name,status,accrual_method,commencement,maturity",
                   *(f"{lease},{p},1,1,1,S{lease},N,ANOR,OPER,2024-04-01,2028-03-31" for lease, p in leases)],
        "invoices": ["invoice,lease,due_date,charge,amount",
                     *(f"{lease}0{n},{lease},2026-0{n}-01,PYMT,{RENT // 100}.00" for lease, _ in leases
                       for n in range(1, INVOICES + 1))],
    }.items():  # fmt: skip
        (home / "reference" / f"{name}.csv").write_text("\n".join(rows) + "\n")
    assert run(["load", str(home / "reference"), "--date", "2026-03-02", "--home", str(home)]) == 0
    yield home


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gateway", *arguments, "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)


def sent(folder: Path, name: str, lines: list[str]) -> Path:
    folder.mkdir()
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_two_files_and_a_person_pay_the_same_leases_at_once(gateways: Path, database_url: str) -> None:
    """More than the leases owe, so that who comes last is left with money."""
    numbers = range(1, LEASES + 1)
    files = [
        sent(gateways / folder, "p1_btchpmt.dat", [f"L{n},{cents + 10 * n},C{folder}{n}" for n in order])
        for folder, cents, order in (("A", 1600, numbers), ("B", 1700, reversed(numbers)))
    ]
    # two portfolios are sent one batch number: whoever comes second finds it used
    files += [sent(gateways / "C", "p2_btchpmt.dat", [f"L{n + 100},1000" for n in numbers] + [f"L101,500,B{GIVEN}"])]
    files[0].write_text(files[0].read_text() + f"L1,5,B{GIVEN}\n")
    running = [start(gateways, "process", str(path)) for path in files]
    running.append(
        start(gateways, "payment", "post", "--lease", "1", "--amount", "7.77", "--reason", "desk", "--rest-to-suspense")
    )
    for process in running:
        out, err = process.communicate()
        assert process.returncode == 0, (out, err)
    database = Database(database_url)
    try:
        assert_one_after_the_other(database)
        assert [check for check in verify(database) if not check.ok] == []
    finally:
        database.close()


def assert_one_after_the_other(database: Database) -> None:
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT b.unit_id, p.source_line, l.lease, p.invoice, p.amount_cents, i.reason, b.batch FROM payment_line p "
                "JOIN payment_batch b ON b.batch = p.batch JOIN lease l ON l.lease = p.lease "
                "LEFT JOIN suspense_item i ON i.item = p.suspense_item ORDER BY b.unit_id, p.source_line, p.batch, p.line"
            )
        ).all()
        states = connection.execute(text("SELECT state FROM inbound_file")).scalars().all()
    assert states == ["POSTED"] * 3
    assert len({row.batch[:12] for row in rows if row.batch != GIVEN}) == 4  # a session each
    assert Counter(row.reason for row in rows)["BATCH_EXISTS"] == 1
    assert len({row.unit_id for row in rows if row.batch == GIVEN}) == 1
    received: dict[tuple[int, int, str], int] = {}
    for row in rows:
        if row.reason != "BATCH_EXISTS":
            key = row.unit_id, row.source_line, row.lease
            received[key] = received.get(key, 0) + row.amount_cents
    open_cents: dict[str, list[tuple[str, int]]] = {}
    expected = []
    for (unit, line, lease), cents in received.items():
        owed = open_cents.setdefault(lease, [(f"{lease}0{n}", RENT) for n in range(1, INVOICES + 1)])
        for place, (invoice, rest) in enumerate(owed):
            part = min(cents, rest)
            owed[place], cents = (invoice, rest - part), cents - part
            if part:
                expected.append((unit, line, invoice, part))
        if cents:
            expected.append((unit, line, None, cents))
    found = [
        (row.unit_id, row.source_line, row.invoice, row.amount_cents) for row in rows if row.reason != "BATCH_EXISTS"
    ]
    assert found == expected
