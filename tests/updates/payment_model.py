"""The rules of payments, reversals and waivers a second time, with plain dictionaries and nothing of the program.

Written from the rules' text (payment hierarchy, reverse and reapply, what waits in suspense), one record after the
other and the slow way round: every question goes through all batches and all invoices again. Money is cents, a balance
is debits less credits. ``test_payment_histories`` compares it with the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

CASH_ACCOUNTS = {str(n) for n in range(125, 145)}
NO_PAYMENTS = {"ABPT", "AREP", "NBRD"}  # and every status that begins with H
FEE = "DEF FEE"


@dataclass
class Lease:
    office: str
    portfolio: str
    lessee: str
    status: str = "ANOR"
    method: str = "OPER"


@dataclass
class Charge:
    receivable: str
    income: str
    is_cash_basis: bool
    is_escrow: bool
    place: tuple[int, int]  # in the hierarchy: (0, order) priority Y, (1, order) priority N, (2, 0) in invoice order


@dataclass
class Item:
    kind: str
    office: str
    lease: str | None
    batch: str
    cents: int
    remaining: int
    reason: str


@dataclass
class Part:
    """Money of a batch: on a charge of an invoice, a deferral fee, or in suspense as an item."""

    lease: str | None
    invoice: str | None
    charge: str | None
    cents: int
    office: str
    cash: str  # the account it came into
    item: Item | None = None
    named: str | None = None  # the invoice that came with money in suspense

    @property
    def unspent(self) -> int:
        return self.cents if self.item is None else self.item.remaining


@dataclass
class Batch:
    portfolio: str
    check: str | None
    effective: str
    time: str
    account: str
    operator: str
    file: int
    cents: int = 0
    parts: list[Part] = field(default_factory=list)
    is_live: bool = True
    once: set[str | None] = field(default_factory=set)  # invoices of money that was moved away


@dataclass
class Spent:
    """A step that took money out of an item: paid out where it has no parts."""

    number: int  # as the ledger has the item and the step's first move
    move: int
    item: Item
    cents: int
    parts: list[Part] = field(default_factory=list)


@dataclass
class Payment:
    target: str  # L or I, then the number
    cents: int
    batch: str | None = None
    check: str | None = None
    effective: str | None = None
    due: str | None = None
    account: str | None = None


@dataclass
class Reversal:
    target: str
    cents: int
    batch: str
    reason: str | None = None
    check: str | None = None
    bank: str | None = None


@dataclass
class Model:
    today: str
    default_office: dict[str, str]  # by portfolio
    leases: dict[str, Lease]
    charges: dict[str, Charge]
    due: dict[str, tuple[str, str]] = field(default_factory=dict)  # invoice: (lease, due date)
    open: dict[str, dict[str, int]] = field(default_factory=dict)  # invoice: charge: cents, in invoice order
    batches: dict[str, Batch] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    books: Counter[tuple[str, str]] = field(default_factory=Counter)  # (office, account)
    escrow: Counter[tuple[str, str]] = field(default_factory=Counter)  # (lease, charge)
    nsf: Counter[str] = field(default_factory=Counter)
    sessions: int = 900_000
    files: int = 0
    moved: list[int] = field(default_factory=list)  # how many later batches each reversal re-applied
    spent: list[Spent] = field(default_factory=list)  # steps that stand
    waived: dict[int, tuple[str, str, int]] = field(default_factory=dict)  # that stand: (invoice, charge, cents)

    def post(self, office: str, *legs: tuple[str, int]) -> None:
        assert sum(cents for _, cents in legs) == 0
        for account, cents in legs:
            self.books[office, account] += cents

    # --- history that is loaded -----------------------------------------------------------------------------------

    def bill(self, invoice: str, lease: str, due: str, charges: dict[str, int]) -> None:
        self.due[invoice], self.open[invoice] = (lease, due), dict(charges)
        for code, cents in charges.items():
            other = "ASSESSED FEES" if self.charges[code].is_cash_basis else "OPENING BALANCE"
            self.post(self.leases[lease].office, (self.charges[code].receivable, cents), (other, -cents))

    def load(self, number: str, operator: str, effective: str, lease: str, paid: list[tuple[str, int]]) -> None:
        """A batch without check number: (invoice, cents), where FEE is a deferral fee received as cash."""
        office, total = self.leases[lease].office, sum(cents for _, cents in paid)
        batch = Batch(self.leases[lease].portfolio, None, effective, "08:00:00", "125", operator, 0, total)
        self.batches[number] = batch
        for invoice, cents in paid:
            if invoice == FEE:
                part = Part(lease, FEE, "PEXT", cents, office, "CASH 125")
                self._book(part, cents)
                batch.parts.append(part)
            else:
                self._spread(batch, lease, office, "CASH 125", [invoice], cents)

    # --- payments -------------------------------------------------------------------------------------------------

    def pay_file(self, portfolio: str, records: list[Payment], operator: str, time: str) -> list[str]:
        """What becomes of each line: ``P`` posted, ``S`` and the reason, ``R`` refused with the whole file."""
        self.files += 1
        if all(self._stranger(record.target, portfolio) for record in records):
            return ["R LEASE_OTHER_PORTFOLIO"] * len(records)
        prefix, places, last = "", 0, None
        outcomes = []
        for record in records:
            account, effective = record.account or "125", record.effective or self.today
            header = (record.check, account, effective)
            number, problem = record.batch, None
            known = self.batches.get(number or "")
            if known is not None and known.file != self.files:
                number, problem = None, "BATCH_EXISTS"
            elif known is not None and (known.check, known.account, known.effective) != header:
                number, problem = None, "BATCH_DIFFERS"
            lease = self.lease_of(record.target)
            ours = lease if lease is not None and self.leases[lease].portfolio == portfolio else None
            if number is None:
                lessee = self.leases[ours].lessee if ours is not None else f"? {record.target}"
                if last is None or record.check is None or last[:3] != (header, lessee, record.batch):
                    if not prefix:
                        self.sessions += 1
                        prefix = f"{self.today[2:].replace('-', '')}{self.sessions}"
                    places += 1
                    last = (header, lessee, record.batch, f"{prefix}{places:08d}")
                number = last[3]
            else:
                last = None
            batch = self.batches.setdefault(
                number, Batch(portfolio, record.check, effective, time, account, operator, self.files)
            )
            batch.cents += record.cents
            outcomes.append(self._pay(portfolio, record, number, batch, ours, problem))
        return outcomes

    def _pay(
        self, portfolio: str, record: Payment, number: str, batch: Batch, ours: str | None, problem: str | None
    ) -> str:
        """One line: the named invoice or the day's, then the oldest due; what is left waits in suspense."""
        lease = self.lease_of(record.target) or (record.target[1:] if record.target[0] == "L" else None)
        office = self.leases[ours].office if ours is not None else self.default_office[portfolio]
        cash = "CLEARING" if batch.account == "CLR" else f"CASH {batch.account}"
        is_open = [i for i in self.oldest_first(ours) if any(self.open[i].values())]
        first = [record.target[1:]] if record.target[0] == "I" else []
        if ours is None:
            unknown = "INVOICE_UNKNOWN" if record.target[0] == "I" else "LEASE_UNKNOWN"
            problem = "LEASE_OTHER_PORTFOLIO" if lease in self.leases else unknown
        elif problem is None:
            status = self.leases[ours].status
            if status[0] == "H" or status in NO_PAYMENTS:
                problem = "LEASE_STATUS"
            elif not is_open:
                problem = "NO_OPEN_INVOICE"
            elif record.due is not None and record.target[0] == "L":
                first = [i for i in is_open if self.due[i][1] == record.due]
                problem = None if first else "DUE_DATE_NOT_OPEN"
        left = record.cents
        if problem is None:
            left = self._spread(batch, lease, office, cash, [*first, *is_open], left)
        if left:
            self._suspend(batch, number, lease, office, cash, left, problem or "MONEY_LEFT", record.target)
            return f"S {problem or 'MONEY_LEFT'}"
        return "P"

    def _spread(
        self, batch: Batch, lease: str | None, office: str, cash: str, invoices: Iterable[str], cents: int
    ) -> int:
        for invoice in invoices:
            for code in sorted(self.open[invoice], key=lambda code: self.charges[code].place):
                paid = min(cents, self.open[invoice][code])
                if paid:
                    cents -= paid
                    part = Part(lease, invoice, code, paid, office, cash)
                    self._book(part, paid)
                    batch.parts.append(part)
        return cents

    def _suspend(
        self,
        batch: Batch,
        number: str,
        lease: str | None,
        office: str,
        cash: str,
        cents: int,
        reason: str,
        target: str = "",
    ) -> None:
        item = Item("SUSPENSE", office, lease, number, cents, cents, reason)
        self.items.append(item)
        self.post(office, (cash, cents), ("SUSPENSE", -cents))
        named = target[1:] if target[:1] == "I" else None
        batch.parts.append(Part(lease, None, None, cents, office, cash, item, named))

    def _book(self, part: Part, cents: int, money: str | None = None) -> None:
        """The legs of money on a charge; taken back when negative, from ``money`` in place of its cash account."""
        charge = self.charges[str(part.charge)]
        if part.invoice == FEE:
            self.post(part.office, (money or part.cash, cents), (charge.income, -cents))
            return
        self.open[str(part.invoice)][str(part.charge)] -= cents
        self.post(part.office, (money or part.cash, cents), (charge.receivable, -cents))
        if charge.is_cash_basis:
            self.post(part.office, ("ASSESSED FEES", cents), (charge.income, -cents))
            if charge.is_escrow:
                self.escrow[str(part.lease), str(part.charge)] += cents

    # --- reversals ------------------------------------------------------------------------------------------------

    def reverse_file(self, portfolio: str, records: list[Reversal], operator: str) -> list[str]:
        self.files += 1
        if all(self._stranger(record.target, portfolio) for record in records):
            return ["R LEASE_OTHER_PORTFOLIO"] * len(records)
        return [self.reverse(portfolio, record, operator) for record in records]

    def reverse(self, portfolio: str, record: Reversal, operator: str) -> str:
        reason = record.reason or "UNDO"
        lease = self.lease_of(record.target)
        batch = self.batches.get(record.batch)
        if batch is not None and batch.portfolio != portfolio:
            batch = None
        problem = None
        if lease is None:
            problem = "LEASE_UNKNOWN" if record.target[0] == "L" else "INVOICE_UNKNOWN"
        elif self.leases[lease].portfolio != portfolio:
            problem = "LEASE_OTHER_PORTFOLIO"
        elif batch is None:
            problem = "BATCH_UNKNOWN"
        elif not batch.is_live:
            return "R BATCH_REVERSED"
        elif not self._pays(batch, record.target):
            problem = "NOT_IN_BATCH"
        elif any(part.unspent < part.cents for part in batch.parts):
            return "R SUSPENSE_SPENT"
        elif record.cents != sum(part.unspent for part in batch.parts):
            problem = "AMOUNT_DIFFERS"
        elif record.check is not None and record.check != batch.check:
            problem = "CHECK_DIFFERS"
        elif record.bank is not None and record.bank not in CASH_ACCOUNTS:
            problem = "BANK_UNKNOWN"
        if problem is not None or batch is None:
            self._fail(portfolio, record, reason, lease, batch, str(problem))
            return f"S {problem}"
        later = self._later(record.batch, batch, reason)
        waiting: Counter[tuple[str, str | None]] = Counter()
        for part in batch.parts:
            money = f"CASH {record.bank}" if record.bank and part.cash != "CLEARING" else part.cash
            if reason[0] == "T":
                money = "SUSPENSE"
                waiting[part.office, part.lease] += part.cents
            self._take_back(part, money)
        if reason[0] == "N":
            self.nsf.update({part.lease for part in batch.parts if part.lease in self.leases})
        batch.is_live = False
        batch.parts = []
        self._reapply(later, operator)
        for (office, name), cents in waiting.items():
            self.items.append(Item("SUSPENSE", office, name, record.batch, cents, cents, reason))
        return "P"

    def _later(self, number: str, batch: Batch, reason: str) -> list[str]:
        """The batches to reverse and re-apply with this one, in order of effective date and time."""
        leases = {part.lease for part in batch.parts}
        (lease, *others) = leases
        if others or lease not in self.leases or self.leases[lease].method == "IBL" or reason == "TRAN":
            return []
        later = [
            (other.effective, other.time, name)
            for name, other in self.batches.items()
            if name != number and other.is_live and other.portfolio == batch.portfolio
            and other.effective >= batch.effective and {part.lease for part in other.parts} == {lease}
        ]  # fmt: skip
        return [name for _, _, name in sorted(later)]

    def _reapply(self, names: list[str], operator: str) -> None:
        moved = {}
        for name in names:
            batch = self.batches[name]
            parts = [part for part in batch.parts if part.invoice != FEE and part.unspent]
            moved[name] = parts, sum(part.unspent for part in parts)
            for part in parts:
                batch.once |= {part.invoice, part.named}
                part.cents -= (unspent := part.unspent)
                self._take_back(part, part.cash, unspent)
            batch.parts = [part for part in batch.parts if part.cents]
        self.moved.append(sum(1 for parts, _ in moved.values() if parts))
        for name, (parts, cents) in moved.items():
            if parts:
                batch, one = self.batches[name], parts[0]
                left = self._spread(batch, one.lease, one.office, one.cash, self.oldest_first(one.lease), cents)
                if left:
                    self._suspend(batch, name, one.lease, one.office, one.cash, left, "REAPPLIED_MONEY_LEFT")
                batch.operator = operator

    def _take_back(self, part: Part, money: str, cents: int | None = None) -> None:
        cents = part.cents if cents is None else cents
        if part.item is None:
            self._book(part, -cents, money)
        else:
            part.item.remaining -= cents
            self.post(part.office, ("SUSPENSE", cents), (money, -cents))

    def _fail(
        self, portfolio: str, record: Reversal, reason: str, lease: str | None, batch: Batch | None, why: str
    ) -> None:
        ours = lease is not None and self.leases[lease].portfolio == portfolio
        office = self.leases[str(lease)].office if ours else self.default_office[portfolio]
        own = batch.account if batch is not None else None
        if own == "CLR" or (reason[0] == "T" and not own and not record.bank):
            cash = "CLEARING"
        else:
            wanted = [own, record.bank] if reason[0] == "T" else [record.bank, own]
            cash = next((f"CASH {a}" for a in wanted if a in CASH_ACCOUNTS), "CASH 125")
        name = lease or (record.target[1:] if record.target[0] == "L" else None)
        self.items.append(Item("REVERSAL", office, name, record.batch, record.cents, record.cents, why))
        self.post(office, ("REVERSAL SUSPENSE", record.cents), (cash, -record.cents))

    # --- an operator's hand ---------------------------------------------------------------------------------------

    def pay_out(self, item: Item, cents: int, number: int, move: int) -> None:
        item.remaining -= cents
        self.post(item.office, ("SUSPENSE", cents), ("CASH 126", -cents))
        self.spent.append(Spent(number, move, item, cents))

    def apply(self, item: Item, lease: str, cents: int, number: int, move: int) -> None:
        """To the oldest due invoices of a lease; from office to office by CLEARING. No batch has it."""
        item.remaining -= cents
        office, source = self.leases[lease].office, "SUSPENSE"
        if office != item.office:
            source = "CLEARING"
            self.post(item.office, ("SUSPENSE", cents), ("CLEARING", -cents))
        nobody = Batch("", None, "", "", "", "", 0)
        assert self._spread(nobody, lease, office, source, self.oldest_first(lease), cents) == 0
        self.spent.append(Spent(number, move, item, cents, nobody.parts))

    def may_undo(self, step: Spent) -> bool:
        """Not where escrow that the step raised was used since."""
        raised: Counter[tuple[str, str]] = Counter()
        for part in step.parts:
            charge = self.charges[str(part.charge)]
            if charge.is_escrow and charge.is_cash_basis:
                raised[str(part.lease), str(part.charge)] += part.cents
        return all(self.escrow[key] >= cents for key, cents in raised.items())

    def undo(self, step: Spent) -> None:
        """The item has its money again, and what it paid is open."""
        self.spent.remove(step)
        step.item.remaining += step.cents
        for part in step.parts:
            self._book(part, -part.cents)
        if not step.parts:
            self.post(step.item.office, ("CASH 126", step.cents), ("SUSPENSE", -step.cents))
        elif step.parts[0].office != step.item.office:
            self.post(step.item.office, ("CLEARING", step.cents), ("SUSPENSE", -step.cents))

    def assess(self, invoice: str, code: str, cents: int) -> None:
        self.open[invoice].setdefault(code, 0)
        self._charge(invoice, code, cents)

    def may_waive(self, invoice: str, code: str, cents: int) -> bool:
        """Escrow that was credited when it was assessed is waived only as far as it is there."""
        charge = self.charges[code]
        accrued = charge.is_escrow and not charge.is_cash_basis
        return not accrued or self.escrow[self.due[invoice][0], code] >= cents

    def waive(self, invoice: str, code: str, cents: int, number: int) -> None:
        """What is open and not asked for after all: no payment finds it from then on."""
        self._charge(invoice, code, -cents)
        self.waived[number] = invoice, code, cents

    def unwaive(self, number: int) -> None:
        self._charge(*self.waived.pop(number))

    def _charge(self, invoice: str, code: str, cents: int) -> None:
        charge, lease = self.charges[code], self.due[invoice][0]
        self.open[invoice][code] += cents
        other = "ASSESSED FEES" if charge.is_cash_basis else charge.income
        self.post(self.leases[lease].office, (charge.receivable, cents), (other, -cents))
        if charge.is_escrow and not charge.is_cash_basis:
            self.escrow[lease, code] += cents

    # --- looking up -----------------------------------------------------------------------------------------------

    def lease_of(self, target: str) -> str | None:
        if target[0] == "L":
            return target[1:] if target[1:] in self.leases else None
        return self.due[target[1:]][0] if target[1:] in self.due else None

    def _stranger(self, target: str, portfolio: str) -> bool:
        lease = self.lease_of(target)
        return lease is not None and self.leases[lease].portfolio != portfolio

    def oldest_first(self, lease: str | None) -> list[str]:
        found = [(due, len(invoice), invoice) for invoice, (owner, due) in self.due.items() if owner == lease]
        return [invoice for _, _, invoice in sorted(found)]

    @staticmethod
    def _pays(batch: Batch, target: str) -> bool:
        """A sender names the lease, or the invoice it knows: one that the batch pays, has paid, or came for."""
        if target[0] == "L":
            return any(part.lease == target[1:] for part in batch.parts)
        return target[1:] in batch.once or any(target[1:] in (part.invoice, part.named) for part in batch.parts)
