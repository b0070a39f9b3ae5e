"""One step of work on a suspense item: an operator's posting unit with a reason, one transaction, whole or not at all.

::

    applied to an invoice    D SUSPENSE, and on cash basis ASSESSED FEES   C the receivable, and ASSMT INC/PAY - x
    the invoice of another   D SUSPENSE         C CLEARING                 in the item's office
    office                   D CLEARING …       C the receivable …         in the invoice's: an entry stays within one
    paid out, refunded       D SUSPENSE         C CASH of the bank
    cleared                  D SUSPENSE         C the account

Reversal Suspense is cleared the other way round (D the account, or the CASH where a check came in), added with D REVERSAL
SUSPENSE and C the account, and changed by taking the entry back and posting it anew. Everything posts on the portfolio's
open business date. Escrow balances rise where their payable is credited, as they do when a payment comes in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused, UsageError
from gateway.ledger import payments, suspense, suspense_history, units
from gateway.ledger.chart import CLEARING, RENT, REVERSAL_SUSPENSE, SUSPENSE
from gateway.ledger.suspense import Item, Kind
from gateway.ledger.suspense_history import Move, MoveKind
from gateway.ledger.units import Leg, Side
from gateway.updates import suspense_rules as rules
from gateway.updates.once import refuse_the_same
from gateway.updates.payment_journal import payment_legs
from gateway.updates.posting import Posting, by_hand
from gateway.updates.suspense_rules import Account, Payment, Target

UNIT: Final = "SUSPENSE"
"""``update_name`` of the posting units."""
CLEARED: Final = "SCLR"
PAID_OUT: Final = "SCHK"


@dataclass(frozen=True, slots=True)
class Done:
    """The item as it stands after a step, what the step did, and the posting unit it is in."""

    item: Item
    moves: Sequence[Move]
    unit_id: int


@dataclass(slots=True)
class Step:
    """A step being taken. Entries and moves gather here and are written by ``finish``."""

    posting: Posting
    verb: str
    reason: str
    item: Item
    accounts: payments.Accounts
    charges: dict[str, payments.Charge]
    history: Sequence[Move]
    moves: list[Move] = field(default_factory=list)
    paid: Counter[payments.LineKey] = field(default_factory=Counter)
    escrow: Counter[payments.EscrowKey] = field(default_factory=Counter)

    @property
    def connection(self) -> Connection:
        return self.posting.connection

    @property
    def unit(self) -> units.Unit:
        return self.posting.unit

    @property
    def action(self) -> str:
        """What is being done, as a refusal names it."""
        return f"suspense {self.verb} {self.item.item}"

    @property
    def own_account(self) -> int:
        """The item's account: SUSPENSE or REVERSAL SUSPENSE of its office."""
        return self.accounts.need(self.item.office_id, own_purpose(self.item.kind))

    def enter(
        self,
        legs: Sequence[Leg],
        txn: str,
        *,
        office_id: int,
        lease: str | None,
        invoice: str | None = None,
        asset: str | None = None,
        corrects: int | None = None,
    ) -> int:
        """One entry on the business date; its reason names the item."""
        return self.unit.add(
            office_id=office_id, txn=txn, effective_date=self.unit.business_date, legs=legs, lease=lease,
            invoice=invoice, asset=asset, reason=f"ITEM {self.item.item}", corrects=corrects,
        )  # fmt: skip

    def move(self, kind: MoveKind, cents: int, **more: Any) -> None:
        number = len(self.history) + len(self.moves) + 1
        self.moves.append(
            Move(
                item=self.item.item, number=number, kind=kind, cents=cents, text=self.reason,
                operator=self.posting.operator, at=self.posting.posted_at, unit_id=self.unit.unit_id, **more,
            )
        )  # fmt: skip

    def take(self, account: int, cents: int, txn: str, *, lease: str | None) -> int:
        """The item's money against an account of its office: credited for SUSPENSE, debited for Reversal Suspense."""
        own, other = own_sides(self.item.kind)
        legs: Sequence[Leg] = sorted([(self.own_account, own, cents), (account, other, cents)], key=_debits_first)
        return self.enter(legs, txn, office_id=self.item.office_id, lease=lease)

    def cash(self, bank: str) -> int:
        """The CASH account of a bank in the item's office."""
        account = self.accounts.cash(self.item.office_id, bank) if bank.isdecimal() else None
        if account is None:
            raise Refused(
                f"{self.action}: found bank {bank or 'none'}, expected a cash account 125 to 144 of the item's office; "
                "`gateway ledger accounts` shows its chart"
            )
        return account

    def clear(self, account: Account, cents: int) -> None:
        entry = self.take(account.account_id, cents, CLEARED, lease=self.item.lease)
        self.move("CLEAR", -cents, entry_id=entry, account_id=account.account_id)

    def pay(self, payment: Payment) -> None:
        """Money to the charge lines of one invoice."""
        lease, cents, near, far = payment.lease, payment.cents, self.item.office_id, payment.lease.office_id
        one = payment.lines[0][0].asset or None if len(payment.lines) == 1 else None
        if near == far:
            legs = payment_legs(self.own_account, payment.lines)
            entry, other = self._pays(legs, near, payment, one), None
        else:
            there: Sequence[Leg] = (
                (self.own_account, "D", cents),
                (self.accounts.need(near, CLEARING), "C", cents),
            )
            entry = self._pays(there, near, payment, one)
            other = self._pays(payment_legs(self.accounts.need(far, CLEARING), payment.lines), far, payment, one)
        for line, part in payment.lines:
            self.move(
                "APPLY", -part, entry_id=entry, far_entry_id=other, lease=lease.lease, invoice=line.invoice,
                charge=line.charge, asset=line.asset,
            )  # fmt: skip
            self.paid[line.invoice, line.charge, line.asset] += part
            if line.terms.is_escrow:
                self.escrow[lease.lease, line.charge] += part

    def _pays(self, legs: Sequence[Leg], office_id: int, payment: Payment, asset: str | None) -> int:
        return self.enter(
            legs, RENT, office_id=office_id, lease=payment.lease.lease, invoice=payment.invoice, asset=asset
        )

    def write(self) -> None:
        """Entries, moves and what they change beside the journal. The item's remainder follows its moves, except where
        its amount does (ADD, CHANGE)."""
        db, connection = self.posting.db, self.connection
        self.unit.flush()
        suspense_history.add(db, connection, self.moves)
        taken = -sum(move.cents for move in self.moves if move.kind not in ("ADD", "CHANGE"))
        if taken:
            suspense.reduce(db, connection, {self.item.item: taken}, on=self.unit.business_date)
        payments.change_paid(db, connection, self.paid)
        payments.change_escrow(db, connection, self.escrow)


def own_purpose(kind: Kind) -> str:
    return SUSPENSE if kind == "SUSPENSE" else REVERSAL_SUSPENSE


def own_sides(kind: Kind) -> tuple[Side, Side]:
    """The side that lowers an item on its own account, and the other one."""
    return ("D", "C") if kind == "SUSPENSE" else ("C", "D")


def _debits_first(leg: Leg) -> bool:
    return leg[1] != "D"


def known(connection: Connection, number: int) -> Item:
    item = suspense.find(connection, number)
    if item is None:
        raise UsageError(f"suspense item {number}: found none of that number, expected one of `gateway suspense list`")
    return item


def take_step(
    app: App,
    number: int,
    verb: str,
    reason: str,
    body: Callable[[Step], None],
    *,
    kind: Kind | None = None,
    again: bool = True,
    dry_run: bool = False,
) -> Done:
    """Take a step on an item in one transaction: ``body`` enters what it comes to. Raises UsageError for an unknown item,
    Refused for one of another ``kind``, when the business date is closed, and unless it is one ``again`` for the same taken
    on this business date; what ``body`` refuses leaves nothing."""
    with app.db.read() as connection:
        portfolio = known(connection, number).portfolio
    with by_hand(
        app,
        portfolio,
        UNIT,
        f"item:{number}",
        action=f"suspense {verb} {number}",
        reason=reason,
        notes=[],
        dry_run=dry_run,
    ) as posting:
        item = known(posting.connection, number)
        if kind is not None:
            rules.require_kind(item, kind, f"suspense {verb} {number}")
        step = begin(posting, item, verb, reason)
        body(step)
        if not again:
            _once(step)
        return finish(step)


_SAME: Final = """
SELECT unit_id, operator FROM posting_unit WHERE unit_id = :unit AND portfolio = :portfolio AND business_date = :day
"""
_PAID: Final = ("PAY", "REFUND")
_PAYEE: Final = "SELECT payee FROM bank_check WHERE portfolio = :portfolio AND bank = :bank AND check_no = :check_no"


def _once(step: Step) -> None:
    """The last step that did the same and stands, if it is of this business date, was perhaps this one."""
    undone = {move.undoes for move in step.history}
    steps: dict[int, list[Move]] = {}
    for move in step.history:
        if move.unit_id is not None and move.number not in undone:
            steps.setdefault(move.unit_id, []).append(move)
    payees = _payees(step, [*step.history, *step.moves])
    wanted = _where_to(step.moves, payees)
    same = [unit for unit, moves in steps.items() if _where_to(moves, payees) == wanted]
    if same:
        refuse_the_same(step.posting, _SAME, step.action, unit=max(same))


_Check = tuple[str | None, str | None]


def _payees(step: Step, moves: Sequence[Move]) -> dict[_Check, str]:
    """Who gets the checks, by bank and number, that moves paid out by."""
    payees: dict[_Check, str] = {}
    for move in moves:
        if move.kind in _PAID:
            key = {"portfolio": step.item.portfolio, "bank": move.bank, "check_no": move.check_no}
            payees[move.bank, move.check_no] = str(step.connection.execute(text(_PAYEE), key).scalar_one()).upper()
    return payees


def _where_to(moves: Sequence[Move], payees: Mapping[_Check, str]) -> Counter[tuple[str | None, ...]]:
    """Cents by what they went to: the lease, whichever of its invoices is open by now, the account, the check that came
    back; of what was paid out the payee, for every check has a number of its own."""
    found: Counter[tuple[str | None, ...]] = Counter()
    for move in moves:
        if move.kind in _PAID:
            found["PAID", payees[move.bank, move.check_no]] += move.cents
            continue
        account = None if move.account_id is None else str(move.account_id)
        found[move.kind, move.lease, account, move.bank, move.check_no] += move.cents
    return found


def begin(posting: Posting, item: Item, verb: str, reason: str) -> Step:
    connection = posting.connection
    return Step(
        posting, verb, reason, item, payments.load_accounts(connection, item.portfolio),
        payments.load_charges(connection, item.portfolio), suspense_history.moves(connection, item.item),
    )  # fmt: skip


def finish(step: Step) -> Done:
    """Write what the step came to."""
    if not step.moves:
        raise LedgerError(f"{step.action}: found no move of money, expected one")
    step.write()
    return Done(known(step.connection, step.item.item), step.moves, step.unit.unit_id)


def mirror(step: Step, entry: int) -> int:
    """Enter the opposite of an entry, pointing at it."""
    head = step.connection.execute(
        text("SELECT lease, invoice, asset, txn FROM journal_entry WHERE entry_id = :entry"), {"entry": entry}
    ).one()
    taken = units.swapped(step.connection, entry)
    return step.enter(
        taken.legs, head.txn, office_id=taken.office_id, lease=head.lease, invoice=head.invoice, asset=head.asset,
        corrects=entry,
    )  # fmt: skip


def book(step: Step, targets: Sequence[Target]) -> rules.Book:
    """What placing asks of the ledger, read at once."""
    db, connection = step.posting.db, step.connection
    invoices = payments.load_invoices(db, connection, {t.name for t in targets if t.kind == "invoice"})
    names = {t.name for t in targets if t.kind == "lease"} | {invoice.lease for invoice in invoices.values()}
    return rules.Book(
        portfolio=step.item.portfolio,
        leases=payments.load_leases(db, connection, names, accounts=step.accounts, charges=step.charges),
        invoices=invoices,
        accounts=chart(connection, step.item.office_id),
        charges=step.charges,
        rules=step.posting.settings.payments,
    )


def chart(connection: Connection, office_id: int) -> list[Account]:
    rows = connection.execute(
        text(
            "SELECT account_id, vector, number, name, purpose FROM gl_account WHERE office_id = :office ORDER BY number"
        ),
        {"office": office_id},
    )
    return [Account(*row) for row in rows]
