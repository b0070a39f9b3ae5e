"""U0418 against a model of a few dictionaries that shares nothing with it: random files, same rejects, same figures."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from gateway.ledger.chart import charge_purposes
from gateway.ledger.database import Database
from gateway.updates.u0418 import BatchAssessment
from parsers.btchassmt import Assessment
from tests.updates.assess_world import CHARGES, OFFICES, TODAY, World, assessment

LEASES: dict[str, dict[str, object]] = {
    "1": {"next_due": "2026-03-20"},
    "01": {"next_due": "2026-04-01", "maturity": "2026-01-31"},
    "2": {"office": 2, "accrual_method": "NONE"},
    "3": {"office": 2, "next_due": "2026-02-01"},
    "4": {"status": "NMAT", "next_due": "2026-03-20"},
    "5": {"office": 3, "next_due": "2026-03-20"},
    "6": {},
}
ASSETS = {"A1": "1", "A2": "2", "A3": None, "A4": "4"}
INVOICES = {
    "100": ("1", "2026-02-01"), "101": ("1", "2026-03-10"), "102": ("1", "2026-04-10"), "201": ("01", "2026-01-15"),
    "202": ("01", "2026-05-15"), "301": ("2", "2026-02-01"), "302": ("2", "2026-02-01"), "501": ("5", "2026-03-15"),
}  # fmt: skip
DATES = ("2026-02-01", "2026-03-10", "2026-03-20", "2026-05-15", "2026-06-01")


class Model:
    """The rules, one line at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.invoices = dict(INVOICES)
        self.billed: dict[tuple[str, str, str], int] = {}
        self.escrow: Counter[tuple[str, str]] = Counter()
        self.accounts: Counter[tuple[int, str]] = Counter()

    def post(self, lines: list[Assessment]) -> dict[int, str]:
        """line -> reject code. New invoices are noted by (lease, due date) and numbered by the ledger."""
        before = dict(self.invoices)
        refused = {}
        for line in lines:
            code = self._line(line, before)
            if code:
                refused[line.line_no] = code
        return refused

    def _line(self, line: Assessment, before: dict[str, tuple[str, str]]) -> str | None:
        if line.asset:
            if line.asset not in ASSETS:
                return "ASSET_UNKNOWN"
            if ASSETS[line.asset] is None:
                return "ASSET_NOT_ON_LEASE"
        lease = ASSETS[line.asset] if line.asset else line.lease
        if lease not in LEASES:
            return "LEASE_UNKNOWN"
        facts = LEASES[lease]
        office = int(str(facts.get("office", 1)))
        if OFFICES[office][0] != "1":
            return "LEASE_OTHER_PORTFOLIO"
        if facts.get("status", "ANOR") != "ANOR":
            return "LEASE_NOT_ACTIVE"
        if line.code not in CHARGES:
            return "CHARGE_UNKNOWN"
        kind, basis, used, level = CHARGES[line.code]
        if used == "N":
            return "CHARGE_NOT_USED"
        if level != ("asset" if line.asset else "lease"):
            return "CHARGE_LEVEL"
        where = self._invoice(line, lease, facts, before)
        if where is None or not where[1]:
            return where[0] if where else "NO_NEXT_INVOICE"
        receivable, income = charge_purposes(line.code)
        if office == 2 and line.code == "LEGF":
            return "ACCOUNT_MISSING"
        invoice = where[0]
        key = (invoice, line.code, line.asset or "")
        if key not in self.billed and sum(k[0] == invoice for k in self.billed) >= self.limit:
            return "ASSESSMENT LIMIT EXCEEDED"
        self.invoices.setdefault(invoice, (lease, where[1]))
        self.billed[key] = self.billed.get(key, 0) + line.amount_cents
        self.accounts[office, receivable] += line.amount_cents
        self.accounts[office, "ASSESSED FEES" if basis == "C" else income] -= line.amount_cents
        if kind == "E" and basis == "A":
            self.escrow[lease, line.code] += line.amount_cents
        return None

    def _invoice(
        self, line: Assessment, lease: str, facts: dict[str, object], before: dict[str, tuple[str, str]]
    ) -> tuple[str, str] | None:
        """(invoice, due date), or (reject code, '')."""
        if line.invoice:
            if line.invoice not in before:
                return "INVOICE_UNKNOWN", ""
            owner, due = before[line.invoice]
            if owner != lease:
                return "INVOICE_OTHER_LEASE", ""
            return ("INVOICE_OTHER_DUE_DATE", "") if line.due_date not in (None, due) else (line.invoice, due)
        if line.due_date is None:
            ended = facts.get("accrual_method") == "NONE" or str(facts.get("maturity", "9")) < TODAY
            mine = [(due, name) for name, (owner, due) in before.items() if owner == lease and (ended or due >= TODAY)]
            if mine:
                day = max(mine)[0] if ended else min(mine)[0]
                named = sorted(name for due, name in mine if due == day)
                return (named[-1] if ended else named[0]), day
        wanted = line.due_date or facts.get("next_due")
        if wanted is None:
            return None
        same = sorted(name for name, (owner, due) in self.invoices.items() if (owner, due) == (lease, wanted))
        return (same[0] if same else f"new {lease} {wanted}"), str(wanted)


def _file(rng: random.Random) -> list[Assessment]:
    """Half of the files name no invoice and no day, as most senders do: their charges are counted in another way."""
    lines = []
    named = rng.choice([0.0, 0.3])
    for number in range(1, rng.randint(2, 40)):
        by_asset = rng.random() < 0.25
        target = {"asset": rng.choice([*ASSETS, "A9"])} if by_asset else {"lease": rng.choice([*LEASES, "9"])}
        likely = ["PTAX"] * 9 if by_asset else ["LTCH", "LEGF", "ASMF", "RCR2", "RC10"] * 3
        items: dict[str, str] = {}
        if rng.random() < named:
            items["invoice"] = rng.choice([*INVOICES, "999"])
        if rng.random() < named:
            items["due_date"] = rng.choice(DATES)
        code = rng.choice([*likely, *CHARGES, "LSRW"])
        lines.append(assessment(number, code, rng.randint(1, 9999), **target, **items))
    return lines


def _ledger(world: World) -> tuple[dict[tuple[str, str, str], int], Counter[tuple[int, str]]]:
    made = {
        invoice: f"new {lease} {due}"
        for invoice, lease, due in world.rows("SELECT invoice, lease, due_date FROM invoice WHERE source = 'U0418'")
    }
    billed = {(made.get(i, i), c, a): cents for (i, c, a), cents in world.billed().items()}
    accounts: Counter[tuple[int, str]] = Counter()
    for office, purpose, debit, credit in world.rows(
        "SELECT a.office_id, a.purpose, t.debit_cents, t.credit_cents FROM unit_total t "
        "JOIN gl_account a ON a.account_id = t.account_id"
    ):
        accounts[office, purpose] += debit - credit
    return billed, accounts


@pytest.mark.parametrize("seed", range(8))
def test_random_files_agree_with_the_model(db: Database, seed: int) -> None:
    rng = random.Random(seed)
    limit = rng.choice([1, 2, 3, 25])
    world, model = World(db, charge_lines=limit), Model(limit)
    for lease, facts in LEASES.items():
        world.lease(lease, **facts)  # type: ignore[arg-type]
    for asset, lease_of in ASSETS.items():
        world.asset(asset, lease_of)
    for invoice, (lease, due) in INVOICES.items():
        world.invoice(invoice, lease, due)
    for _ in range(5):
        lines = _file(rng)
        update = BatchAssessment(block_lines=rng.choice([1, 3, 7, 500]))
        file = world.stage(update, lines)
        outcome = world.post(update, file)
        refused = model.post(lines)
        assert {line: code for line, (code, _) in world.messages(file).items()} == refused
        assert outcome.posted + outcome.rejected == len(lines)
        assert outcome.posted_cents + outcome.rejected_cents == sum(line.amount_cents for line in lines)
        assert outcome.rejected_cents == sum(line.amount_cents for line in lines if line.line_no in refused)
        billed, accounts = _ledger(world)
        assert billed == model.billed
        assert {k: v for k, v in accounts.items() if v} == {k: v for k, v in model.accounts.items() if v}
        assert world.balances() == model.escrow
        assert sum(accounts.values()) == 0
    assert world.rows("SELECT COUNT(*) FROM posting_unit WHERE state = 'CLOSED'") == [(5,)]
