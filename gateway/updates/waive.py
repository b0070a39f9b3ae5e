"""A charge waived by hand: money that is not asked for after all, taken off its charge line and out of the books.

::

    cash basis    D ASSESSED FEES         C ASSMT RECV - x
    accrual       D ASSMT INC/PAY - x     C ASSMT RECV - x

Posted by the basis and type that the charge was billed under, on the open business date, in an operator's unit with a
reason. Only what is open can be waived: what was paid is no debt, and is reversed first if it is to be. The line's
``billed_cents`` falls, so that a payment taken back opens what was billed less what was waived, and nothing pays waived
money; a line that all was waived of stays, at nothing, and the same charge adds to it again.

An accrual escrow charge credited its payable when it was assessed: its balance falls with the waiver, and what was
disbursed of it cannot be waived. Rent is billed and not assessed; no rule waives it.

A waiver is taken back whole, by an entry that points at it: the line has its money again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused, UsageError
from gateway.ledger import payments, waivers
from gateway.ledger.chart import ASSESSED_FEES, RENT
from gateway.ledger.payments import Charge
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.units import Swapped, swapped
from gateway.money import shown
from gateway.updates.named import portfolio_of
from gateway.updates.once import refuse_the_same
from gateway.updates.posting import Posting, by_hand


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """A charge line as the ledger has it."""

    lease: str
    office_id: int
    invoice: str
    due_date: str
    charge: str
    asset: str  # '' = the lease itself
    billed_cents: int
    paid_cents: int

    @property
    def open_cents(self) -> int:
        return self.billed_cents - self.paid_cents


@dataclass(frozen=True, slots=True)
class HandWaiver:
    """A waiver as it was posted, or would be (``is_dry``): its ``unit`` is then free again. ``took_back`` is the unit of the
    waiver that this took back; None: it is a waiver. ``line`` is as it was before."""

    is_dry: bool
    unit: int
    business_date: str
    portfolio: str
    line: ChargeLine
    amount_cents: int
    took_back: int | None

    @property
    def billed_cents(self) -> int:
        """What is billed of the line now."""
        return self.line.billed_cents + self.amount_cents * (-1 if self.took_back is None else 1)

    @property
    def open_cents(self) -> int:
        return self.billed_cents - self.line.paid_cents


def waive(
    app: App,
    invoice: str,
    charge: str,
    cents: int,
    *,
    asset: str | None = None,
    reason: str,
    again: bool = False,
    dry_run: bool = False,
) -> HandWaiver:
    """Waive so much of a charge of an invoice. ``asset`` is needed where the charge stands on several. Raises UsageError
    where there is no such charge line, Refused, with nothing posted, where so much of it cannot be waived, and unless it is
    one ``again`` where as much of it was waived on this business date."""
    what = f"waiving {shown(cents)} of {charge} on invoice {invoice}"
    with app.db.read() as connection:
        portfolio = portfolio_of(connection, "invoice", invoice, what)
    with _by_hand(app, portfolio, invoice, reason, dry_run) as posting:
        line = named(_lines(posting.connection, invoice), charge, asset, what)
        terms = _charge(posting, line)
        why_not = refusal(line, cents, _escrow(posting, line, terms))
        if why_not is not None:
            raise Refused(f"{what}: {why_not}")
        if not again:
            refuse_the_same(
                posting,
                _SAME,
                what,
                lease=line.lease,
                invoice=invoice,
                charge=line.charge,
                asset=line.asset,
                cents=cents,
            )
        accounts = payments.load_accounts(posting.connection, portfolio)
        receivable = accounts.need(line.office_id, terms.receivable_purpose)
        debited = accounts.need(line.office_id, ASSESSED_FEES if terms.is_cash_basis else terms.income_purpose)
        billed = waivers.billed_by(
            posting.connection,
            lease=line.lease,
            invoice=invoice,
            charge=charge,
            asset=line.asset,
            receivable=receivable,
        )
        if billed is None:
            raise LedgerError(f"{what}: found no entry that billed it, expected one; run gateway verify")
        entry = Swapped(line.office_id, ((debited, "D", cents), (receivable, "C", cents)))
        _post(posting, line, terms, -cents, entry, billed, f"waived: {reason}")
        unit = posting.unit
    return HandWaiver(dry_run, unit.unit_id, unit.business_date, portfolio, line, cents, None)


def undo(app: App, number: int, *, reason: str, dry_run: bool = False) -> HandWaiver:
    """Take the waiver of a posting unit back. Raises UsageError where that is none, Refused where it was taken back."""
    what = f"taking back waiver {number}"
    with app.db.read() as connection:
        waiver = _known(connection, number, what)
        portfolio = portfolio_of(connection, "invoice", waiver.invoice, what)
    with _by_hand(app, portfolio, waiver.invoice, reason, dry_run) as posting:
        waiver = _known(posting.connection, number, what)
        if waiver.taken_back is not None:
            raise Refused(
                f"{what}: found it taken back before, by posting unit {waiver.taken_back}, expected one that stands; waive it "
                "again if it is to be waived"
            )
        line = named(_lines(posting.connection, waiver.invoice), waiver.charge, waiver.asset, what)
        entry = swapped(posting.connection, waiver.entry)
        words = f"waiver {number} taken back: {reason}"
        _post(posting, line, _charge(posting, line), waiver.amount_cents, entry, waiver.entry, words)
        unit = posting.unit
    return HandWaiver(dry_run, unit.unit_id, unit.business_date, portfolio, line, waiver.amount_cents, number)


def named(lines: Sequence[ChargeLine], charge: str, asset: str | None, what: str) -> ChargeLine:
    """The line of an invoice that a charge and perhaps an asset name. Raises UsageError where that is none, or several."""
    found = [line for line in lines if line.charge == charge and asset in (None, line.asset)]
    if len(found) == 1:
        return found[0]
    if found:
        assets = ", ".join(line.asset or "none" for line in found)
        raise UsageError(f"{what}: found it on several assets ({assets}), expected one; name it with --asset")
    there = ", ".join(f"{line.charge}{' asset ' + line.asset if line.asset else ''}" for line in lines) or "nothing"
    of_asset = f" of asset {asset}" if asset else ""
    raise UsageError(
        f"{what}: found no such charge{of_asset} on it, expected one that is billed there ({there}); correct it"
    )


def refusal(line: ChargeLine, cents: int, escrow_cents: int | None) -> str | None:
    """Why so much of a charge line cannot be waived: found, expected, what to do. ``escrow_cents`` is the balance that the
    charge credited when it was assessed; None where it did not."""
    if line.charge == RENT:
        return (
            "found rent, which is billed and not assessed, expected an assessment; load the invoice with its right amount (gateway "
            "load) while nothing of it is paid"
        )
    if cents > line.open_cents:
        paid = f" (billed {shown(line.billed_cents)}, paid {shown(line.paid_cents)})"
        return f"found {shown(line.open_cents)} open of it{paid}, expected at least {shown(cents)}; " + _free(line)
    if escrow_cents is not None and cents > escrow_cents:
        return (
            f"found {shown(escrow_cents)} of escrow {line.charge} of lease {line.lease} that is not disbursed, expected at least "
            f"{shown(cents)}; take the disbursement back first (gateway ledger checks --lease {line.lease}), or waive less"
        )
    return None


def _free(line: ChargeLine) -> str:
    if not line.paid_cents:
        return "waive less" if line.open_cents else f"nothing is to be done (gateway trace {line.invoice} has what was)"
    batches = f"gateway ledger payments --invoice {line.invoice} has the batches"
    less = "waive less, or " if line.open_cents else ""
    return f"{less}take back first what paid it ({batches}; gateway payment reverse BATCH --reason CODE)"


# --- gathering and posting --------------------------------------------------------------------------------------


@contextmanager
def _by_hand(app: App, portfolio: str, invoice: str, reason: str, dry_run: bool) -> Iterator[Posting]:
    with by_hand(
        app, portfolio, waivers.UNIT, f"invoice:{invoice}", action="waive", reason=reason, notes=[], dry_run=dry_run
    ) as posting:
        yield posting


_SAME: Final = f"""
SELECT u.unit_id, u.operator FROM journal_entry w JOIN journal_entry c ON c.entry_id = w.corrects AND c.txn = :charge
JOIN journal_line j ON j.entry_id = w.entry_id AND j.side = 'D' AND j.amount_cents = :cents
JOIN posting_unit u ON u.unit_id = w.entry_id / {ENTRIES_A_UNIT} AND u.portfolio = :portfolio AND u.business_date = :day
WHERE w.lease = :lease AND w.invoice = :invoice AND COALESCE(w.asset, '') = :asset AND w.txn = '{waivers.WAIVED}'
    AND NOT EXISTS (SELECT 1 FROM journal_entry back
        WHERE back.lease = w.lease AND back.corrects = w.entry_id AND back.txn = '{waivers.WAIVED}')
ORDER BY u.unit_id DESC LIMIT 1
"""
"""A waiver of as much of the same charge line, that stands."""
_LINES: Final = """
SELECT i.lease, l.office_id, r.invoice, i.due_date, r.charge, r.asset, r.billed_cents, r.paid_cents
FROM receivable r JOIN invoice i ON i.invoice = r.invoice JOIN lease l ON l.lease = i.lease
WHERE r.invoice = :invoice ORDER BY r.position
"""


def _lines(connection: Connection, invoice: str) -> list[ChargeLine]:
    return [ChargeLine(*row) for row in connection.execute(text(_LINES), {"invoice": invoice})]


def _known(connection: Connection, unit: int, what: str) -> waivers.Waiver:
    found = waivers.in_unit(connection, unit)
    if found is None:
        raise UsageError(
            f"{what}: found no waiver in posting unit {unit}, expected the unit of one; gateway ledger journal --invoice INVOICE "
            "shows it"
        )
    return found


def _charge(posting: Posting, line: ChargeLine) -> Charge:
    charge = payments.load_charges(posting.connection, posting.unit.portfolio).get(line.charge)
    if charge is None:
        raise LedgerError(
            f"waiving {line.charge} in portfolio {posting.unit.portfolio}: found no such charge, expected it in charges.csv"
        )
    return charge


def _escrow(posting: Posting, line: ChargeLine, charge: Charge) -> int | None:
    """The balance that the charge credited when it was assessed."""
    if not charge.is_escrow_when_assessed:
        return None
    balances = payments.escrow_balances(posting.db, posting.connection, {line.lease})
    return balances.get((line.lease, line.charge), 0)


def _post(
    posting: Posting, line: ChargeLine, charge: Charge, cents: int, entry: Swapped, corrects: int, words: str
) -> None:
    """Enter it, and move by ``cents`` what is billed of the line, and the escrow balance that goes with it."""
    unit = posting.unit
    unit.add(
        office_id=entry.office_id, txn=waivers.WAIVED, effective_date=unit.business_date, legs=entry.legs, lease=line.lease,
        invoice=line.invoice, asset=line.asset or None, reason=words, corrects=corrects,
    )  # fmt: skip
    payments.change_billed(posting.db, posting.connection, {(line.invoice, line.charge, line.asset): cents})
    if charge.is_escrow_when_assessed:
        payments.change_escrow(posting.db, posting.connection, {(line.lease, line.charge): cents})
    unit.flush()
