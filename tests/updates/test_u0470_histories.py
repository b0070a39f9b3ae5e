"""Random histories of invoices, payments and reversals against a model of plain dictionaries.

Sixty customers with two leases each live side by side in one ledger; every round drops one payment file and one reversal
file with lines of all of them, in shuffled order. The model shares nothing with the code under test: it knows the
hierarchy of the sample charges by heart, and pays cent amounts from sorted lists.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from gateway.ledger.database import Database
from tests.updates.payment_world import World

CUSTOMERS, ROUNDS = 60, 4
BY_HEART = ["LTCH", "PTAX"]  # then the rest as they stand on the invoice
CASH_BASIS = {"LTCH", "RCR1"}
NAMES = {"PYMT": "LEASE PAYMENTS RECEIVABLE", "LTCH": "ASSMT RECV - LTCH", "RCR1": "ASSMT RECV - RCR CHG 1",
         "RCR2": "ASSMT RECV - RCR CHG 2", "PTAX": "ASSMT RECV - PTAX"}  # fmt: skip
OTHER = {"PYMT": "RENT REVENUE", "LTCH": "ASSMT INC/PAY - LTCH", "RCR1": "ASSMT INC/PAY - RCR CHG 1",
         "RCR2": "ASSMT INC/PAY - RCR CHG 2", "PTAX": "PROPERTY TAX PAYABLE"}  # fmt: skip


@dataclass
class Paid:
    """A batch of the model."""

    day: str = ""
    total: int = 0
    parts: list[tuple[str, str, str, int]] = field(default_factory=list)  # lease, invoice, charge, cents
    loose: list[tuple[str, int]] = field(default_factory=list)  # lease, cents in suspense
    live: bool = True

    def leases(self) -> set[str]:
        return {part[0] for part in self.parts} | {part[0] for part in self.loose}


class Model:
    def __init__(self) -> None:
        self.due: dict[str, list[tuple[str, str]]] = {}  # lease: (due date, invoice)
        self.open: dict[str, dict[str, int]] = {}  # invoice: charge: cents
        self.batches: dict[str, Paid] = {}
        self.books: Counter[str] = Counter()  # debits less credits by account
        self.nsf: Counter[str] = Counter()
        self.moved: set[str] = set()  # batches re-applied

    def bill(self, invoice: str, lease: str, due: str, lines: list[tuple[str, int]]) -> None:
        self.due.setdefault(lease, []).append((due, invoice))
        self.open[invoice] = dict(lines)
        for code, cents in lines:
            self.books[NAMES[code]] += cents
            self.books["ASSESSED FEES" if code in CASH_BASIS else OTHER[code]] -= cents

    def pay(self, batch: str, lease: str, cents: int, invoice: str | None, day: str) -> None:
        paid = self.batches.setdefault(batch, Paid(day))
        paid.total += cents
        self.books["CASH 125"] += cents
        self._apply(paid, lease, cents, invoice)

    def _apply(self, paid: Paid, lease: str, cents: int, invoice: str | None) -> None:
        order = [number for _, number in sorted(self.due.get(lease, []))]
        for number in ([invoice] if invoice else []) + order:
            charges = self.open[number]
            for code in [c for c in BY_HEART if c in charges] + [c for c in charges if c not in BY_HEART]:
                part = min(cents, charges[code])
                if part:
                    charges[code] -= part
                    cents -= part
                    paid.parts.append((lease, number, code, part))
                    self._move(code, part)
        if cents:
            paid.loose.append((lease, cents))
            self.books["SUSPENSE"] -= cents

    def reverse(self, batch: str, lease: str, cents: int, reason: str) -> str:
        paid = self.batches.get(batch)
        known = lease in self.due
        if known and paid is not None and not paid.live:
            return "R"
        leases = paid.leases() if paid else set()
        if not known or paid is None or lease not in leases or cents != paid.total:
            self.books["REVERSAL SUSPENSE"] += cents
            self.books["CLEARING" if reason[0] == "T" and paid is None else "CASH 125"] -= cents
            return "S"
        paid.live = False
        self._take_back(paid)
        self.books["SUSPENSE" if reason[0] == "T" else "CASH 125"] -= paid.total
        if len(leases) == 1 and reason != "TRAN":
            later = sorted((p.day, number) for number, p in self.batches.items()
                           if p.live and p.leases() == leases and p.day >= paid.day)  # fmt: skip
            for _, number in later:
                self._take_back(self.batches[number])
            for _, number in later:
                again = self.batches[number]
                again.parts, again.loose = [], []
                self._apply(again, lease, again.total, None)
                self.moved.add(number)
        if reason[0] == "N":
            self.nsf.update(leases)
        return "P"

    def _take_back(self, paid: Paid) -> None:
        for _, number, code, part in paid.parts:
            self.open[number][code] += part
            self._move(code, -part)
        self.books["SUSPENSE"] += sum(loose for _, loose in paid.loose)

    def _move(self, code: str, cents: int) -> None:
        self.books[NAMES[code]] -= cents
        if code in CASH_BASIS:
            self.books["ASSESSED FEES"] += cents
            self.books[OTHER[code]] -= cents


def test_ledger_and_model_agree(db: Database) -> None:
    random = Random(20030508)
    world, model = World(db), Model()
    invoices = []
    for customer in range(CUSTOMERS):
        for lease in _leases(customer):
            world.lease(lease, lessee=f"S{customer}")
            for number in range(random.randint(1, 4)):
                codes = random.sample(sorted(NAMES), random.randint(1, 5))
                lines = [(code, random.randint(1, 300)) for code in codes]
                invoices.append((f"{lease}{number}", lease, f"2003-0{random.randint(1, 6)}-01", lines))
    world.bill(invoices)
    for invoice in invoices:
        model.bill(*invoice)
    seen: set[str] = set()
    for turn in range(ROUNDS):
        _pay(random, world, model, turn)
        _compare(world, model)
        seen |= _reverse(random, world, model)
        _compare(world, model)
    assert seen == {"P", "S", "R"} and len(model.moved) > CUSTOMERS // 2


def _leases(customer: int) -> tuple[str, str]:
    return f"{customer + 100}1", f"{customer + 100}2"


def _pay(random: Random, world: World, model: Model, turn: int) -> None:
    lines = []
    for customer in range(CUSTOMERS):
        for number in range(2):
            batch = f"030401800{turn:03d}{customer:06d}{number:02d}"
            day = f"03040{random.randint(1, 4)}"
            favourite = random.choice(_leases(customer))
            for _ in range(random.randint(1, 3)):
                lease = random.choice([*_leases(customer), *([favourite] * 5)])
                invoice = random.choice(model.due[lease])[1] if random.random() < 0.4 else None
                lines.append((batch, lease, random.randint(1, 400), invoice, day))
    random.shuffle(lines)
    world.payments(*((f"I{i}" if i else f"L{lease}") + f",{cents},B{b},E{day}" for b, lease, cents, i, day in lines))
    for line in lines:
        model.pay(*line)


def _reverse(random: Random, world: World, model: Model) -> set[str]:
    lines = []
    for batch, paid in random.sample(sorted(model.batches.items()), CUSTOMERS):
        leases = sorted(paid.leases())
        lease = random.choice([*leases, *leases, *leases, "1", _leases(CUSTOMERS - 1)[0]])
        cents = paid.total + (random.random() < 0.1)
        for _ in range(1 + (random.random() < 0.1)):
            lines.append((batch, lease, cents, random.choice(["NSFC", "STOP", "UNDO", "OTHR", "TMSA", "TRAN"])))
    random.shuffle(lines)
    _, outcome = world.reversals(*(f"L{lease},{cents},B{batch},R{why}" for batch, lease, cents, why in lines))
    expected = [model.reverse(*line) for line in lines]
    assert (outcome.posted, outcome.suspended, outcome.rejected) == tuple(expected.count(w) for w in "PSR")
    return set(expected)


def _compare(world: World, model: Model) -> None:
    found = world.rows("SELECT invoice, charge, billed_cents - paid_cents FROM receivable")
    assert {(i, c): cents for i, c, cents in found} == {
        (i, c): cents for i, charges in model.open.items() for c, cents in charges.items()
    }
    assert {purpose: cents for (_, purpose), cents in world.balances().items()} == {
        purpose: cents for purpose, cents in model.books.items() if cents
    }
    assert {lease: times for lease, times in world.rows("SELECT lease, nsf_count FROM lease") if times} == dict(
        model.nsf
    )
    applied = Counter((line[0], *line[1:]) for line in world.lines() if line[2] is not None)
    assert applied == Counter((b, *part) for b, paid in model.batches.items() if paid.live for part in paid.parts)
    assert set(world.rows("SELECT batch, operator FROM payment_batch WHERE state = 'LIVE'")) == {
        (batch, "JS2" if batch in model.moved else "JS1") for batch, paid in model.batches.items() if paid.live
    }
    world.check_subledgers()
