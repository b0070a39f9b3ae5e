"""The fee for a payment that bounced (family N), where the portfolio sets one: code and amount.

Assessed once a record on each lease the batch paid, on the lease's next invoice as U0418 would put it there, when all
records of the file are done: no re-application of the same file pays a fee that the lessee has not been told of.
A warning on U0470A names the fee, or says why it could not be assessed; the reversal stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from gateway.ledger.typed import assess_command
from gateway.money import shown, to_cents
from gateway.updates import assess_post, assess_unfiled
from gateway.updates.assess_unfiled import Charge
from gateway.updates.payment_journal import Journal
from gateway.updates.payment_messages import Finding
from gateway.updates.posting import Posting
from gateway.updates.reversal_messages import fee_assessed, fee_not_assessed


class Bounced(NamedTuple):
    """A lease whose payment a record of family N took back."""

    line_no: int
    lease: str


def assess(posting: Posting, journal: Journal, bounced: Sequence[Bounced]) -> list[tuple[int | None, int]]:
    """Assess the portfolio's fee on each, in this order; nothing where it sets none. Gives (source line, entry) of each."""
    settings, connection = posting.settings, posting.connection
    code, cents = settings.reversals.nsf_fee_code, to_cents(settings.reversals.nsf_fee)
    if code is None or not bounced:
        return []
    unit = posting.unit
    fees = [Charge(one.lease, None, None, None, code, cents, None) for one in bounced]
    assess_unfiled.put(posting, fees, source="U0470")
    found = connection.execute(
        text("SELECT line_no, office_id, receivable, credit, invoice, problem FROM assess_line ORDER BY line_no")
    )
    for number, office, receivable, credit, invoice, problem in found:
        line_no, lease = bounced[number - 1]
        if problem is not None:
            posting.emit(line_no, "W", _finding(code, cents, lease, problem), amount_cents=cents)
            continue
        journal.enter(
            office, code, unit.business_date, posting.source_line(line_no), ((receivable, "D", cents), (credit, "C", cents)),
            lease, invoice,
        )  # fmt: skip
        posting.emit(line_no, "W", fee_assessed(code, shown(cents), lease, invoice), amount_cents=cents)
    return journal.flush()


_WHY = {
    "LEASE_OTHER_PORTFOLIO": "the lease is of another portfolio",
    "LEASE_NOT_ACTIVE": "the lease is not active",
    "LEASE_UNKNOWN": "the ledger does not have the lease",
    "CHARGE_UNKNOWN": "the portfolio has no such charge",
    "CHARGE_NOT_USED": "the portfolio does not use the charge",
    "CHARGE_LEVEL": "the charge goes on assets",
    "NO_NEXT_INVOICE": "the lease has no next invoice and no next due date",
    "ACCOUNT_MISSING": "the office's chart lacks an account for it",
    assess_post.LIMIT_EXCEEDED: "the next invoice holds as many charge lines as it may",
}


def _finding(code: str, cents: int, lease: str, problem: str) -> Finding:
    return fee_not_assessed(code, shown(cents), lease, _WHY[problem], assess_command(code, cents, lease=lease))


def code_problem(connection: Connection, portfolio: str, code: str) -> str | None:
    """Why no lease of the portfolio can be charged the fee of this code, in the words of the warning; None: one can."""
    charge = connection.execute(
        text("SELECT used, level FROM charge WHERE portfolio = :portfolio AND code = :code"),
        {"portfolio": portfolio, "code": code},
    ).one_or_none()
    if charge is None:
        return _WHY["CHARGE_UNKNOWN"]
    if charge.used != "Y":
        return _WHY["CHARGE_NOT_USED"]
    return None if charge.level == "lease" else _WHY["CHARGE_LEVEL"]
