"""Reversal Suspense by hand: adding an item, and correcting one.

Both post as a failed reversal does, D REVERSAL SUSPENSE and C the account that the money left; a correction takes the
entry back first. Clearing is the same work as for plain suspense (``suspense_work``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import Refused, UsageError
from gateway.ledger import payments, suspense
from gateway.ledger.accounts import default_office
from gateway.ledger.chart import REVERSAL_SUSPENSE
from gateway.ledger.units import Unit
from gateway.updates import suspense_rules as rules
from gateway.updates.once import refuse_the_same
from gateway.updates.posting import by_hand
from gateway.updates.suspense_step import UNIT, Done, Step, begin, chart, finish, known, mirror, take_step

BY_HAND: Final = "BY_HAND"
"""Reason of an item that a person added; why is in its history."""
ADDED: Final = "RSUS"


@dataclass(frozen=True, slots=True)
class Added:
    """A Reversal Suspense item to add: what the bank took without a record of it. ``account`` is what it is against."""

    portfolio: str
    lease: str | None
    cents: int
    account: str | None = None  # None: the portfolio's default cash account
    check_no: str | None = None
    batch: str | None = None


def add(app: App, new: Added, *, reason: str, again: bool = False, dry_run: bool = False) -> Done:
    """Add a Reversal Suspense item by hand, in the office of its lease, or the default office. Raises Refused unless it is
    one ``again`` for the same added on this business date."""
    action, portfolio = "suspense add", new.portfolio
    with app.db.read() as connection:
        _require_portfolio(connection, portfolio, action)
    subject = f"reversal suspense of lease {new.lease or 'none'}"
    with by_hand(app, portfolio, UNIT, subject, action=action, reason=reason, notes=[], dry_run=dry_run) as posting:
        connection, unit = posting.connection, posting.unit
        office = default_office(connection, portfolio, posting.settings.default_office)
        if new.lease is not None:
            office = _office_of(connection, new.lease, portfolio, action)
        check_no = None if new.check_no is None else rules.check_number(new.check_no, action=action)
        account = rules.counter_account(
            posting.settings.payments.default_cash if new.account is None else new.account, chart(connection, office),
            payments.load_charges(connection, portfolio), action=action,
        ).account_id  # fmt: skip
        if not again:
            refuse_the_same(
                posting, _SAME, action, cents=new.cents, account=account, lease=new.lease or "", check_no=check_no or "",
                batch=new.batch or "",
            )  # fmt: skip
        (number,) = suspense.reserve(app.db, connection, 1)
        accounts = payments.load_accounts(connection, portfolio)
        entry = _post(unit, accounts, number, account=account, cents=new.cents, lease=new.lease, office=office)
        unit.flush()
        opened = suspense.NewItem(
            number, office, portfolio, "REVERSAL", new.lease, None, new.cents, BY_HAND, new.batch, check_no,
            unit.business_date, unit.unit_id, entry, None, None,
        )  # fmt: skip
        suspense.open_items(app.db, connection, [opened])
        step = begin(posting, known(connection, number), "add", reason)
        step.move("ADD", new.cents, entry_id=entry, lease=new.lease, check_no=check_no, account_id=account)
        return finish(step)


_SAME: Final = """
SELECT u.unit_id, u.operator FROM suspense_move m JOIN suspense_item i ON i.item = m.item
JOIN posting_unit u ON u.unit_id = m.unit_id AND u.portfolio = :portfolio AND u.business_date = :day
WHERE m.kind = 'ADD' AND m.cents = :cents AND m.account_id = :account AND COALESCE(m.lease, '') = :lease
    AND COALESCE(m.check_no, '') = :check_no AND COALESCE(i.batch, '') = :batch ORDER BY u.unit_id DESC LIMIT 1
"""


def _require_portfolio(connection: Connection, portfolio: str, action: str) -> None:
    found = connection.execute(text("SELECT 1 FROM portfolio WHERE portfolio = :p"), {"p": portfolio}).scalar()
    if found is None:
        raise UsageError(f"{action}: found no portfolio {portfolio}, expected one that is loaded; correct it")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be otherwise about a Reversal Suspense item; None stays as it is."""

    cents: int | None = None
    lease: str | None = None
    check_no: str | None = None


def change(app: App, number: int, wanted: Change, *, reason: str, dry_run: bool = False) -> Done:
    """Correct a Reversal Suspense item: its entry is taken back and posted anew, against the same account."""

    def body(step: Step) -> None:
        item = step.item
        rules.require_open(item, step.action)
        if item.remaining_cents != item.amount_cents:
            raise Refused(
                f"{step.action}: found part of it cleared since, expected all of it open; take that back first "
                f"({rules.undo_commands(step.history)})"
            )
        lease, cents, office = wanted.lease or item.lease, wanted.cents or item.amount_cents, item.office_id
        check_no = item.check_no
        if wanted.check_no is not None:
            check_no = rules.check_number(wanted.check_no, action=step.action)
        if (lease, cents, check_no) == (item.lease, item.amount_cents, item.check_no):
            raise UsageError(f"{step.action}: found nothing to change, expected another --amount, --lease or --check")
        if wanted.lease is not None:
            office = _office_of(step.connection, wanted.lease, item.portfolio, step.action)
        against = _against(step, item.entry_id, office)
        back = mirror(step, item.entry_id)
        entry = _post(step.unit, step.accounts, number, account=against, cents=cents, lease=lease, office=office)
        step.move("CHANGE", -item.amount_cents, entry_id=back, lease=item.lease, check_no=item.check_no)
        step.move("CHANGE", cents, entry_id=entry, lease=lease, check_no=check_no, account_id=against)
        suspense.change(
            step.connection,
            number,
            office_id=office,
            lease=lease,
            check_no=check_no,
            amount_cents=cents,
            entry_id=entry,
        )

    return take_step(app, number, "change", reason, body, kind="REVERSAL", dry_run=dry_run)


def _post(
    unit: Unit, accounts: payments.Accounts, number: int, *, account: int, cents: int, lease: str | None, office: int
) -> int:
    """The entry of an item, as that of a failed reversal."""
    return unit.add(
        office_id=office, txn=ADDED, effective_date=unit.business_date, lease=lease, reason=f"ITEM {number}",
        legs=[(accounts.need(office, REVERSAL_SUSPENSE), "D", cents), (account, "C", cents)],
    )  # fmt: skip


def _against(step: Step, entry: int, office: int) -> int:
    """The account that an item was posted against, in this office."""
    purpose = step.connection.execute(
        text(
            "SELECT a.purpose FROM journal_line j JOIN gl_account a ON a.account_id = j.account_id "
            "WHERE j.entry_id = :entry AND j.side = 'C'"
        ),
        {"entry": entry},
    ).scalar_one()
    account = step.accounts.find(office, purpose)
    if account is None:
        raise Refused(
            f"{step.action}: found no account {purpose} in the lease's office, expected the one the item was posted against; "
            "load it with gl_accounts.csv"
        )
    return account


def _office_of(connection: Connection, lease: str, portfolio: str, action: str) -> int:
    found = connection.execute(
        text("SELECT office_id FROM lease WHERE lease = :lease AND portfolio = :portfolio"),
        {"lease": lease, "portfolio": portfolio},
    ).scalar()
    if found is None:
        raise UsageError(f"{action}: found no lease {lease}, expected one of portfolio {portfolio}; correct it")
    return int(found)
