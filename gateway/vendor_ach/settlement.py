"""What reversals bring back: CASH of the bank against CLEARING, a check at a time, once they have settled.

A void of a sent check posted CLEARING / ACCOUNTS PAYABLE. Its reversal debit settles on its effective date, or later
where its file came to the bank too late for it (``settling``): End of Period (U0424) of that business date, or of the
first one after the file is proved to be at the bank, posts CASH / CLEARING in the office of the check. A reversal that
the bank returns, before that or after, is posted by its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, text

from gateway.app import App
from gateway.errors import LedgerError
from gateway.ledger import schema, units
from gateway.ledger.accounts import accounts
from gateway.ledger.ach_checks import CheckKey
from gateway.ledger.chart import CLEARING, cash_purpose
from gateway.ledger.units import Unit
from gateway.outbound.built import Place
from gateway.outbound.states import LEFT_SQL, at_bank_sql
from gateway.vendor_ach import entries, settling

UNIT: Final = "U0424"
_SETTLED: Final = f"""
    SELECT e.outbound_id, e.seq FROM ach_entry e
    JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN ({LEFT_SQL}) AND {at_bank_sql("f")}
    WHERE e.portfolio = :p AND e.kind = 'REVERSAL' AND e.settled_unit_id IS NULL AND e.effective_date <= :on
    ORDER BY e.outbound_id, e.seq
"""
_CHECKS: Final = text("""
    SELECT bank, check_no, office_id, amount_cents, lease, asset FROM bank_check
    WHERE portfolio = :p AND check_no IN :numbers
""").bindparams(bindparam("numbers", expanding=True))
_ASKED: Final = 5_000
"""Numbers in one statement."""
_Facts = Mapping[tuple[str, str], tuple[int, int, str | None, str | None]]


def settle(app: App, connection: Connection, at: Place) -> tuple[int | None, int]:
    """Post the settlement of every reversal that is due; gives the unit (None: nothing was due) and cents."""
    keys = [
        (file, seq) for file, seq in connection.execute(text(_SETTLED), {"p": at.portfolio, "on": at.business_date})
    ]
    settles = settling.days(app, connection, {file for file, _ in keys})
    keys = [key for key in keys if settles[key[0]].on <= at.business_date]
    if not keys:
        return None, 0
    reversed_by = entries.checks_by_entry(connection, keys)
    facts = _facts(connection, at.portfolio, sorted({c.check_no for checks in reversed_by.values() for c in checks}))
    unit = units.open_unit(
        app.db, connection, portfolio=at.portfolio, kind="MODULE", update_name=UNIT, operator=app.operator.code,
        posted_at=app.now(),
    )  # fmt: skip
    known = accounts(connection, at.portfolio)
    cents = 0
    for checks in reversed_by.values():
        cents += sum(_post(unit, known, facts, check) for check in checks)
    units.close_unit(unit)
    app.db.bulk_update(
        connection, schema.ach_entry, "settled_unit_id = {}", ("outbound_id", "seq"),
        [(unit.unit_id, file, seq) for file, seq in keys],
    )  # fmt: skip
    return unit.unit_id, cents


def _facts(connection: Connection, portfolio: str, numbers: Sequence[str]) -> _Facts:
    """Of every check of these numbers, whatever became of its void since: the bank debited what was reversed."""
    return {
        (bank, number): (office, cents, lease, asset)
        for at in range(0, len(numbers), _ASKED)
        for bank, number, office, cents, lease, asset in connection.execute(
            _CHECKS, {"p": portfolio, "numbers": numbers[at : at + _ASKED]}
        )
    }


def _post(unit: Unit, known: Mapping[tuple[int, str], int], facts: _Facts, check: CheckKey) -> int:
    try:
        office, cents, lease, asset = facts[check.bank, check.check_no]
        cash, clearing = known[office, cash_purpose(check.bank)], known[office, CLEARING]
    except KeyError as missing:
        raise LedgerError(f"settling the reversal of check {check.check_no}: found no {missing.args[0]}") from None
    unit.add(
        office_id=office, txn="VOID", effective_date=unit.business_date,
        legs=[(cash, "D", cents), (clearing, "C", cents)], lease=lease, asset=asset,
        reason=f"CHECK {check.bank}/{check.check_no}",
    )  # fmt: skip
    return cents
