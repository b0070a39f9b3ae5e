"""Random histories of invoices, payments, reversals, spent suspense, charges assessed and waived by hand, and what is taken
back (files, steps on an item, waivers), on the ledger and on a model of the rules.

After every file both must show the same applied lines, open amounts, batches, suspense items and account balances, and at
the end ``gateway verify`` must find nothing. ``make test`` plays 300 histories, always the same; ``make nightly`` plays
10,000 others (``GATEWAY_HISTORIES``) and verifies after every file.
"""

from __future__ import annotations

import ast
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from gateway.intake.files import InboundFile
from gateway.ledger.chart import charge_purposes
from tests.updates.history_ledger import TODAY, Ledger, Ledgers, Picture
from tests.updates.payment_model import FEE, Charge, Lease, Model, Payment, Reversal

NIGHTLY = int(os.environ.get("GATEWAY_HISTORIES", "0"))
SHARES = {"sqlite": 5, "postgresql": 1}  # a history on PostgreSQL takes several times as long
HISTORIES = NIGHTLY or 300

LEASES = {
    "1": Lease("1/1", "1", "S1"),
    "2": Lease("1/1", "1", "S1"),
    "3": Lease("1/2", "1", "S3"),
    "4": Lease("1/1", "1", "S4", method="IBL"),
    "5": Lease("1/1", "1", "S5", status="HHLD"),
    "9": Lease("2/3", "2", "S9"),
}
CODES = {  # code: (type, basis, payment order, priority)
    "PYMT": ("I", "A", 0, "N"),
    "LTCH": ("I", "C", 1, "Y"),
    "PTAX": ("P", "A", 2, "N"),
    "COLL": ("I", "C", 3, "Y"),
    "RCR1": ("E", "C", 0, "N"),
    "RCR2": ("E", "A", 0, "N"),
    "PEXT": ("I", "C", 0, "N"),
}
BILLED = [code for code in CODES if code != "PEXT"]
WAIVED = [code for code in BILLED if code != "PYMT"]
ASSESSED = [code for code in WAIVED if code != "PTAX"]  # which goes on assets

OFTEN = {
    "payment P", "payment S NO_OPEN_INVOICE", "payment S MONEY_LEFT", "reversal P", "reversal S CHECK_DIFFERS",
    "reversal moves 0", "reversal moves 1", "item SUSPENSE TMSA", "item SUSPENSE TRAN", "spent by check", "undone by check",
    "assessed", "waived", "waiver taken back",
}  # fmt: skip
"""What a few dozen histories must have come upon, or they are not what they were meant to be."""


def reference() -> dict[str, str]:
    head = "lease,portfolio,company,region,office,lessee,lessee_name,status,accrual_method,commencement,maturity\n"
    return {
        "portfolios": "portfolio,name\n1,ONE\n2,TWO\n",
        "offices": "portfolio,company,region,office,name\n1,1,1,1,A\n1,1,1,2,B\n2,1,1,3,C\n",
        "charges": "portfolio,code,name,type,basis,payment_order,priority,used\n"
        + "".join(
            f"{portfolio},{code},{code},{kind},{basis},{order},{priority},Y\n"
            for portfolio in "12"
            for code, (kind, basis, order, priority) in CODES.items()
        ),
        "leases": head
        + "".join(
            f"{name},{lease.portfolio},1,1,{lease.office[2:]},{lease.lessee},X,{lease.status},{lease.method},2003-01-01,"
            "2006-12-31\n"
            for name, lease in LEASES.items()
        ),
    }


def model() -> Model:
    charges = {}
    for code, (kind, basis, order, priority) in CODES.items():
        place = (2, 0) if order == 0 else (0 if priority == "Y" else 1, order)
        charges[code] = Charge(*charge_purposes(code), basis == "C", kind == "E", place)
    return Model(TODAY, {"1": "1/1", "2": "2/3"}, dict(LEASES), charges)


@pytest.fixture(scope="module", params=list(SHARES))
def ledgers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledgers, int]]:
    """Copies of the prepared ledger, and how many histories to play on them."""
    template = request.getfixturevalue({"sqlite": "sqlite_template", "postgresql": "postgres_url"}[request.param])
    made = Ledgers(tmp_path_factory.mktemp("histories"), template, reference())
    yield made, HISTORIES * SHARES[request.param] // sum(SHARES.values())
    made.db.close()


def test_ledger_and_model_agree(ledgers: tuple[Ledgers, int]) -> None:
    copies, histories = ledgers

    @settings(
        max_examples=histories, deadline=None, derandomize=not NIGHTLY, database=None, print_blob=True,
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def play(data: st.DataObject) -> None:
        History(data, copies.fresh(), model(), seen).play()

    seen: Counter[str] = Counter()
    play()
    assert seen.keys() >= OFTEN


def test_the_model_shares_nothing_with_the_program() -> None:
    tree = ast.parse((Path(__file__).parent / "payment_model.py").read_text(encoding="utf-8"))
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            named.add(str(node.module))
    assert {name.split(".")[0] for name in named} <= sys.stdlib_module_names


# --- histories ----------------------------------------------------------------------------------------------------

DAYS = ["2003-03-04", "2003-04-08", "2003-05-04"]
DUE = ["2003-03-01", "2003-04-01", "2003-05-01"]
CENTS = st.sampled_from([100, 200, 300]) | st.integers(1, 300)
RARELY = st.sampled_from([False] * 8 + [True] + [False] * 8)  # the ends of a range are drawn more often
REASONS = ["NSFC", "STOP", None, "OTHR", "TMSA", "TRAN"]
UNKNOWN = {"lease": "77", "invoice": "99", "batch": "03010190000199999999"}
FEES = "03030470000100000001"


class History:
    """One history, drawn as it is played: a sender knows what came of what was sent before."""

    def __init__(self, data: st.DataObject, ledger: Ledger, model: Model, seen: Counter[str]) -> None:
        self.data, self.ledger, self.model, self.seen = data, ledger, model, seen

    def play(self) -> None:
        self.open()
        between = [self.pay, self.reverse, self.pay, self.spend, self.unspend]
        first, last = [self.pay, self.assess, self.pay, self.waive], [self.unspend, self.waive, self.reverse]
        for step in [*first, *self.some(between, 0, 3), *last]:
            if step in (self.assess, self.waive) and not NIGHTLY:
                step()
                continue  # the next step compares
            before, file = deepcopy(self.model), step()
            self.agree()
            if file is not None and file.state == "POSTED" and self.one([False, True, False, False]):
                note("taken back")
                self.ledger.take_back(file)
                before.files, before.sessions = self.model.files, self.model.sessions
                self.model = before
                for name, (_, operator, _) in self.ledger.picture()["batches"].items():
                    before.batches[name].operator = operator  # taking back is a move of its own, by its own operator
                self.agree()
        assert self.ledger.unsound() == []
        self.seen.update(f"item {item.kind} {item.reason}" for item in self.model.items)

    def agree(self) -> None:
        assert self.ledger.picture() == pictured(self.model)
        assert not NIGHTLY or self.ledger.unsound() == []

    def one(self, choices: Iterable[Any]) -> Any:
        return self.data.draw(st.sampled_from(list(choices)))

    def some(self, choices: list[Any], least: int, most: int) -> list[Any]:
        return self.data.draw(st.lists(st.sampled_from(choices), min_size=least, max_size=most))

    def is_rare(self) -> bool:
        return self.data.draw(RARELY)

    def cents(self, most: int | None = None) -> int:
        return self.data.draw(CENTS if most is None else st.integers(1, most))

    # --- what is loaded

    def open(self) -> None:
        rows = ["invoice,lease,due_date,charge,amount"]
        for number, lease in enumerate(self.some(list("1111112223459"), 2, 7), 1):
            due = self.one(DUE)
            charges = {code: 100 + self.cents() for code in dict.fromkeys(self.some(BILLED, 1, 3))}
            self.model.bill(str(number), lease, due, charges)
            rows += [f"{number},{lease},{due},{code},{money(cents)}" for code, cents in charges.items()]
        files = {"invoices": rows}
        if self.is_rare():
            files["payments"] = self.deferral_fee()
        note(str(files))
        self.ledger.load({kind: "\n".join(lines) + "\n" for kind, lines in files.items()})

    def deferral_fee(self) -> list[str]:
        """A batch with a deferral fee received as cash, and perhaps money for an invoice beside it."""
        lease, day = self.one("123"), self.one(DAYS)
        paid = [(FEE, self.cents())]
        for invoice in self.model.oldest_first(lease)[:1]:
            if self.data.draw(st.booleans()):
                paid.append((invoice, self.cents(sum(self.model.open[invoice].values()))))
        self.model.load(FEES, "JS0", day, lease, paid)
        return ["batch,line,check,operator,effective_date,effective_time,lease,invoice,amount"] + [
            f"{FEES},{n},,JS0,{day},08:00:00,{lease},{invoice},{money(cents)}"
            for n, (invoice, cents) in enumerate(paid, 1)
        ]

    # --- files, and an operator's hand

    def pay(self) -> InboundFile:
        portfolio = self.one("111112111111")
        headers = {
            f"030401800{self.ledger.files:03d}{n:08d}": (
                self.one(["7", "8", None]), self.one([*DAYS, None]), self.one([None, None, None, "126", "CLR"]),
            )
            for n in (1, 2)
        }  # fmt: skip
        records = [self.payment(headers) for _ in range(self.one([1, 2, 2, 3, 4]))]
        lines = list(map(payment_line, records))
        note(f"payments of portfolio {portfolio}: {lines}")
        expected = self.model.pay_file(portfolio, records, "JS1", f"{self.ledger.at():%H:%M:%S}")
        self.seen.update(f"payment {outcome}" for outcome in expected)
        file = self.ledger.drop("payments", portfolio, lines, "JS1")
        assert self.ledger.outcomes(file) == expected
        return file

    def payment(self, headers: dict[str, tuple[str | None, str | None, str | None]]) -> Payment:
        target = self.target()
        lease, cents = self.model.lease_of(target), self.cents()
        if lease is not None and self.one([False, False, False, True]):
            cents = self.open_of(lease) or cents
        number = self.one([*headers, *headers, None])
        check, effective, account = headers.get(number or "") or headers[self.one(headers)]
        if self.is_rare():
            check = "9"
        if self.is_rare():
            number = self.one([*self.model.batches, None])
        due = self.one([None] * 7 + DUE) if target[0] == "L" else None
        return Payment(target, cents, number, check, effective, due, account)

    def target(self) -> str:
        if self.is_rare():
            return self.one([f"L{UNKNOWN['lease']}", f"I{UNKNOWN['invoice']}", "L9"])
        if self.data.draw(st.booleans()):
            return f"I{self.one(self.model.due)}"
        return f"L{self.one('11111112345')}"

    def reverse(self) -> InboundFile:
        portfolio = self.one("1" * 9 + "2" + "1" * 9)
        operator = self.one(["JS2", "JS1"])
        records, ahead = [], deepcopy(self.model)  # so that a line knows what those before it will have done
        for _ in range(self.one([1, 1, 2, 3, 4])):
            records.append(self.reversal(ahead))
            ahead.reverse(portfolio, records[-1], operator)
        lines = list(map(reversal_line, records))
        note(f"reversals of portfolio {portfolio} by {operator}: {lines}")
        expected = self.model.reverse_file(portfolio, records, operator)
        self.seen.update(f"reversal {outcome}" for outcome in expected)
        self.seen.update(f"reversal moves {n}" for n in self.model.moved)
        self.model.moved = []
        file = self.ledger.drop("reversals", portfolio, lines, operator)
        assert self.ledger.outcomes(file) == expected
        return file

    def reversal(self, model: Model) -> Reversal:
        live = sorted((batch.effective, name) for name, batch in model.batches.items() if batch.is_live)
        number = self.one([name for _, name in live] or model.batches or [UNKNOWN["batch"]])
        if self.is_rare():
            number = self.one([*model.batches, UNKNOWN["batch"]])
        batch = model.batches.get(number)
        parts = batch.parts if batch is not None else []
        targets = [f"L{part.lease}" for part in parts if part.lease] + [
            f"I{invoice}"
            for invoice in [*(p.invoice for p in parts), *(batch.once if batch else ())]
            if invoice in model.due
        ]
        target = self.target() if self.is_rare() or not targets else self.one(targets)
        cents = sum(part.unspent for part in parts) or self.cents()
        if self.is_rare():
            cents += 1
        check = self.one([batch.check if batch is not None else None, None])
        if self.is_rare():
            check = "9"
        bank = self.one(["131", "150"]) if self.is_rare() else None
        return Reversal(target, cents, number, self.one(REASONS), check, bank)

    def spend(self) -> None:
        """Part or all of an item is paid out by check or applied to a lease; what awaits a target goes whole."""
        held = [item for item in self.model.items if item.kind == "SUSPENSE" and item.remaining]
        if not held:
            return
        item = self.one(held)
        number = self.ledger.item(item.batch, item.reason, item.remaining, item.lease)
        awaits_target = item.reason in REASONS
        cents = item.remaining if awaits_target else self.one([item.remaining, self.cents(item.remaining)])
        portfolio = item.office[0]
        wanting = [
            lease
            for lease, owner in self.model.leases.items()
            if owner.portfolio == portfolio and owner.status == "ANOR" and cents <= self.open_of(lease)
        ]
        lease = self.one([*wanting, None])
        note(f"{'paid out' if lease is None else f'applied to lease {lease}'}: {cents} of {item}")
        self.seen[f"spent {'by check' if lease is None else 'on a lease'}"] += 1
        if lease is None:
            self.model.pay_out(item, cents, number, self.ledger.pay_out(number, cents))
        else:
            self.model.apply(item, lease, cents, number, self.ledger.apply(number, lease, cents))

    def unspend(self) -> None:
        """A step that took money out of an item is taken back, unless escrow that it paid into was used since."""
        if not self.model.spent or self.one([False, True]):
            return
        step = self.one(self.model.spent)
        note(f"taken back: move {step.move} of item {step.number}")
        may = self.model.may_undo(step)
        assert self.ledger.undo(step.number, step.move) is may
        if may:
            self.seen[f"undone {'on a lease' if step.parts else 'by check'}"] += 1
            self.model.undo(step)

    def assess(self) -> None:
        """A charge by hand, on an invoice of an active lease."""
        active = [i for i, (lease, _) in self.model.due.items() if self.model.leases[lease].status == "ANOR"]
        if not active or self.one([False, True]):
            return
        invoice, code, cents = self.one(active), self.one(ASSESSED), self.cents()
        note(f"assessed: {cents} of {code} on invoice {invoice}")
        self.seen["assessed"] += 1
        self.ledger.assess(self.model.due[invoice][0], invoice, code, cents)
        self.model.assess(invoice, code, cents)

    def waive(self) -> None:
        """Part or all of what is open of a charge, or a waiver taken back."""
        if self.model.waived and self.one([False, True]):
            unit = self.one(self.model.waived)
            note(f"waiver {unit} taken back")
            self.seen["waiver taken back"] += 1
            self.ledger.unwaive(unit)
            self.model.unwaive(unit)
            return
        left = [(i, code) for i, charges in self.model.open.items() for code in WAIVED if charges.get(code)]
        if not left or self.one([False, True, False]):
            return
        invoice, code = self.one(left)
        most = self.model.open[invoice][code]
        cents = self.one([most, self.cents(most)])
        note(f"waived: {cents} of {code} on invoice {invoice}")
        waived = self.ledger.waive(invoice, code, cents)
        assert (waived is not None) is self.model.may_waive(invoice, code, cents)
        if waived is not None:
            self.seen["waived"] += 1
            self.model.waive(invoice, code, cents, waived)

    def open_of(self, lease: str) -> int:
        return sum(sum(self.model.open[invoice].values()) for invoice in self.model.oldest_first(lease))


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def yymmdd(day: str) -> str:
    return day[2:].replace("-", "")


def payment_line(r: Payment) -> str:
    items = {
        "C": r.check,
        "E": r.effective and yymmdd(r.effective),
        "D": r.due and yymmdd(r.due),
        "A": r.account,
        "B": r.batch,
    }
    return ",".join([r.target, str(r.cents), *(f"{letter}{value}" for letter, value in items.items() if value)])


def reversal_line(r: Reversal) -> str:
    items = {"R": r.reason, "C": r.check, "G": r.bank}
    return ",".join(
        [r.target, str(r.cents), f"B{r.batch}", *(f"{letter}{value}" for letter, value in items.items() if value)]
    )


def pictured(model: Model) -> Picture:
    """The model as ``Ledger.picture`` shows the ledger."""
    parts = [(name, batch, part) for name, batch in model.batches.items() if batch.is_live for part in batch.parts]
    return {
        "open": {(i, code): cents for i, charges in model.open.items() for code, cents in charges.items()},
        "applied": Counter(
            (name, batch.check, batch.operator, batch.effective, part.lease, part.invoice, part.charge, part.cents)
            for name, batch, part in parts
            if part.invoice is not None
        ),
        "batches": {
            name: ["LIVE" if batch.is_live else "REVERSED", batch.operator, batch.cents]
            for name, batch in model.batches.items()
        },
        "items": Counter((i.kind, i.office, i.lease, i.batch, i.cents, i.remaining, i.reason) for i in model.items),
        "books": {key: cents for key, cents in model.books.items() if cents},
        "escrow": {key: cents for key, cents in model.escrow.items() if cents},
        "nsf": {lease: times for lease, times in model.nsf.items() if times},
    }
