"""U0409 against a model of a few dictionaries that shares nothing with it: random files, same rejects, same figures."""

from __future__ import annotations

import random

import pytest

from gateway.ledger.database import Database
from gateway.updates import escrow_plain
from gateway.updates.escrow_facts import Line
from gateway.updates.escrow_post import begin_block
from gateway.updates.u0409 import EscrowDisbursement
from tests.updates.assess_world import OFFICES, World, disbursement

LEASES = {"1": 1, "01": 1, "2": 2, "5": 3, "7": 4, "8": 1}  # lease: office
ASSETS = {"A1": "1", "A2": "2", "A3": None}
BALANCES = {
    ("1", "RCR2"): 500, ("1", "RCR9"): 40, ("1", "RC10"): 900, ("1", "RCR3"): 5000, ("01", "RC10"): 300,
    ("2", "RCR9"): 700, ("2", "RCR2"): -20, ("5", "RCR2"): 100, ("8", "RCR2"): 400, ("8", "RCR9"): -250,
    ("8", "RC10"): 90, ("8", "RCR3"): 5000,
}  # fmt: skip
ORDER = ("RCR2", "RCR9", "RC10")


class Model:
    """The rules, one line at a time."""

    def __init__(self) -> None:
        self.balances = dict(BALANCES)
        self.checks: dict[tuple[str, str, str], int] = {}

    def line(self, line: Line, portfolio: str | None) -> str | None:
        office = LEASES.get(line.lease)
        if office is None:
            return "LEASE_UNKNOWN"
        own = OFFICES[office][0]
        if portfolio is not None and own != portfolio:
            return "LEASE_OTHER_PORTFOLIO"
        if line.asset and line.asset not in ASSETS:
            return "ASSET_UNKNOWN"
        if line.asset and ASSETS[line.asset] != line.lease:
            return "ASSET_NOT_ON_LEASE"
        if own == "3":
            return "NO_ESCROW_CHARGE"
        bank = line.bank or "126"
        if office == 2 and bank == "130":
            return "ACCOUNT_MISSING"
        if line.check_no is None:
            return "CHECK_MISSING"
        if (own, bank, line.check_no) in self.checks:
            return "CHECK_DUPLICATE"
        if sum(self.balances.get((line.lease, code), 0) for code in ORDER) < line.amount_cents:
            return "ESCROW_BALANCE"
        rest = line.amount_cents
        for code in ORDER:
            part = min(rest, max(0, self.balances.get((line.lease, code), 0)))
            if part:
                self.balances[line.lease, code] -= part
                rest -= part
        self.checks[own, bank, line.check_no] = line.amount_cents
        return None


def _file(rng: random.Random) -> list[Line]:
    lines = []
    for number in range(1, rng.randint(2, 25)):
        items: dict[str, str | None] = {"bank": rng.choice([None, "125", "130"])}
        if rng.random() < 0.3:
            items["asset"] = rng.choice([*ASSETS, "A9"])
        check = None if rng.random() < 0.05 else str(rng.randint(1, 60))
        lines.append(disbursement(number, rng.choice([*LEASES, "001", "9"]), rng.randint(1, 250), check, **items))
    return lines


@pytest.mark.parametrize(
    ("seed", "together"), [*((seed, True) for seed in range(6)), *((seed, False) for seed in range(2))]
)
def test_random_files_agree_with_the_model(
    db: Database, monkeypatch: pytest.MonkeyPatch, seed: int, together: bool
) -> None:
    """With the lines that depend on no other decided together, and with every line decided in its turn."""
    if not together:
        monkeypatch.setattr(escrow_plain, "decide_plain", lambda db, connection, _: begin_block(db, connection))
    rng = random.Random(seed)
    world, model = World(db), Model()
    for lease, office in LEASES.items():
        world.lease(lease, office=office)
    for asset, lease_of in ASSETS.items():
        world.asset(asset, lease_of)
    for (lease, charge), cents in BALANCES.items():
        world.escrow(lease, charge, cents)
    for _ in range(5):
        lines, portfolio = _file(rng), rng.choice([None, "1"])
        update = EscrowDisbursement(block_lines=rng.choice([1, 4, 500]))
        file = world.stage(update, lines, portfolio=portfolio)
        outcome = world.post(update, file, portfolio=portfolio)
        refused = {line.line_no: code for line in lines if (code := model.line(line, portfolio))}
        assert {line: code for line, (code, _) in world.messages(file).items()} == refused
        assert (outcome.posted, outcome.rejected) == (len(lines) - len(refused), len(refused))
        assert outcome.posted_cents + outcome.rejected_cents == sum(line.amount_cents for line in lines)
        assert world.balances() == model.balances
        checks = world.rows("SELECT portfolio, bank, check_no, amount_cents FROM bank_check")
        assert {row[:3]: row[3] for row in checks} == model.checks
        cash = world.rows(
            "SELECT COALESCE(SUM(t.credit_cents), 0) FROM unit_total t JOIN gl_account a "
            "ON a.account_id = t.account_id WHERE a.purpose LIKE 'CASH %'"
        )
        assert int(cash[0][0]) == sum(model.checks.values())
    assert world.rows("SELECT COUNT(*) FROM posting_unit WHERE state <> 'CLOSED'") == [(0,)]
