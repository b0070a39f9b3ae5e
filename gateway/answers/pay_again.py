"""A returned check is paid again: as a further issue, which is another source, so that nothing goes out twice.

What the return opened is closed again, ACCOUNTS PAYABLE to CASH in the check's office; the next run of Vendor ACH takes
the check as it takes any other, with the vendor's details and alert as they are then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused, UsageError
from gateway.ledger import units
from gateway.ledger.accounts import accounts
from gateway.ledger.ach_checks import ANY_PORTFOLIO, CheckKey
from gateway.ledger.chart import ACCOUNTS_PAYABLE
from gateway.ledger.events import note, require_reason
from gateway.ledger.vendor_details import no_account_in
from gateway.vendor_ach.entries import PAID_AGAIN

TRANSACTION: Final = "ACHP"


@dataclass(frozen=True, slots=True)
class PaidAgain:
    portfolio: str
    bank: str
    check_no: str
    vendor: str | None
    issue: int
    amount_cents: int
    unit: int
    entry: int


class _Check(NamedTuple):
    portfolio: str
    bank: str
    check_no: str
    office_id: int
    amount_cents: int
    vendor: str | None
    lease: str | None
    asset: str | None
    state: str
    issue: int


def pay_again(
    app: App, check_no: str, *, reason: str, portfolio: str | None = None, bank: str | None = None
) -> PaidAgain:
    """Raises Refused for a check that did not come back, UsageError for a number that is none or several."""
    action = f"paying check {check_no} again"
    app.operator.require("post", action)
    require_reason(reason, action)
    with app.db.write() as connection:
        no_account_in(connection, app.vault, reason, action=action)
        check = _found(connection, check_no, portfolio, bank, action)
        app.db.lock_portfolios(connection, [check.portfolio])
        check = _found(connection, check_no, check.portfolio, check.bank, action)
        if check.state != "RETURNED":
            raise Refused(
                f"{action}: found it {check.state}, expected RETURNED: only what the bank sent back is paid again"
            )
        chart, cash = accounts(connection, check.portfolio), f"CASH {check.bank}"
        missing = [p for p in (ACCOUNTS_PAYABLE, cash) if (check.office_id, p) not in chart]
        if missing:
            raise LedgerError(
                f"{action}: found no account {missing[0]} in its office, expected one; load gl_accounts.csv"
            )
        unit = units.open_unit(
            app.db, connection, portfolio=check.portfolio, kind="OPERATOR", update_name=PAID_AGAIN,
            operator=app.operator.code, posted_at=app.now(), reason=reason, action=action,
        )  # fmt: skip
        source = CheckKey(check.portfolio, check.bank, check.check_no, check.issue + 1).source()
        entry = unit.add(
            office_id=check.office_id, txn=TRANSACTION, effective_date=unit.business_date, lease=check.lease,
            asset=check.asset, reason=source, legs=[(chart[check.office_id, ACCOUNTS_PAYABLE], "D", check.amount_cents),
                                     (chart[check.office_id, cash], "C", check.amount_cents)],
        )  # fmt: skip
        units.close_unit(unit)
        at = {"p": check.portfolio, "b": check.bank, "c": check.check_no}
        connection.execute(
            text(
                "UPDATE bank_check SET state = 'NEW', issue = issue + 1, outbound_id = NULL "
                "WHERE portfolio = :p AND bank = :b AND check_no = :c AND state = 'RETURNED'"
            ),
            at,
        )
        note(connection, app.operator, PAID_AGAIN, source, reason, at=app.now())
    return PaidAgain(
        check.portfolio, check.bank, check.check_no, check.vendor, check.issue + 1, check.amount_cents, unit.unit_id, entry
    )  # fmt: skip


def _found(connection: Connection, check_no: str, portfolio: str | None, bank: str | None, action: str) -> _Check:
    """The one check of that number."""
    rows = connection.execute(
        text(
            f"SELECT {', '.join(_Check._fields)} FROM bank_check WHERE {ANY_PORTFOLIO} AND check_no = :c "
            "AND portfolio = COALESCE(CAST(:p AS TEXT), portfolio) AND bank = COALESCE(CAST(:b AS TEXT), bank) "
            "ORDER BY portfolio, bank"
        ),
        {"c": check_no, "p": portfolio, "b": bank},
    ).all()
    if len(rows) != 1:
        named = ", ".join(f"{r.portfolio}/{r.bank}/{r.check_no}" for r in rows) or "none of that number"
        raise UsageError(f"{action}: found {named}, expected one check; say which with --portfolio and --bank")
    return _Check(*rows[0])
