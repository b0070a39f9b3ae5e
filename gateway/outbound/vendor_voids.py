"""Voids of vendor checks by hand: the payable is open again, and what had left by ACH is taken back by a reversal.

::

    a check that was not sent, or not by ACH   D CASH of the bank (NEWI: CLEARING)   C ACCOUNTS PAYABLE
    a check sent by ACH                        D CLEARING                            C ACCOUNTS PAYABLE

The next Vendor ACH run builds the reversal debit of the latter; what it brings posts D CASH, C CLEARING when it settles
(``vendor_settlement``). A void whose reversal would come too late is refused with the last day. Checks that one CTX entry
paid are voided together, because a reversal takes back the whole entry. A void is taken back (``undo``) as long as no
reversal went into a file and the bank did not return the entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from operator import itemgetter
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused, UsageError
from gateway.ledger import schema, units
from gateway.ledger.accounts import accounts
from gateway.ledger.chart import ACCOUNTS_PAYABLE, CLEARING, cash_purpose
from gateway.ledger.database import Database
from gateway.ledger.units import Side, Unit
from gateway.outbound import entries, vendor_reversals, vendor_run
from gateway.outbound.built import place
from gateway.outbound.entries import CheckKey
from gateway.outbound.states import LEFT_STATES

UNIT: Final = "VOID"
"""``update_name`` of the posting units, and the transaction code of their entries."""
VENDOR_TYPES: Final = ("NEWA", "NEWD", "NEWI", "NEWL", "WIRE", "MANL", "COMV")
_ELSEWHERE: Final = {
    "SUSP": "take the step on its suspense item back (gateway suspense undo)",
    "ESCR": "its money is a lease's escrow: take its file back (gateway files reverse)",
}


class Check(NamedTuple):
    """A check as it stands. The last three are of the live entry that it left by, if it did by ACH."""

    portfolio: str
    bank: str
    check_no: str
    issue: int
    type: str
    state: str
    amount_cents: int
    office_id: int
    lease: str | None
    asset: str | None
    void_entry_id: int | None
    file: str | None  # the bank file it is in
    sent_in: int | None
    sent_seq: int | None
    settled_on: str | None

    @property
    def key(self) -> CheckKey:
        return CheckKey(self.portfolio, self.bank, self.check_no, self.issue)

    @property
    def cash(self) -> str:
        """The account that its void gives the money to."""
        return CLEARING if self.sent_in is not None or self.type == "NEWI" else cash_purpose(self.bank)


class Voided(NamedTuple):
    """What was voided (or taken back): checks, the posting unit, and when a reversal is due at the latest."""

    checks: Sequence[Check]
    unit_id: int
    last_day: str | None


_LEFT: Final = ", ".join(f"'{state}'" for state in LEFT_STATES)
_SELECT: Final = f"""
    SELECT c.portfolio, c.bank, c.check_no, c.issue, c.type, c.state, c.amount_cents, c.office_id, c.lease, c.asset,
        c.void_entry_id, f.name, e.outbound_id, e.seq, e.effective_date
    FROM bank_check c LEFT JOIN outbound_file f ON f.outbound_id = c.outbound_id
    LEFT JOIN outbound_source s ON s.outbound_id = f.outbound_id AND f.state IN ({_LEFT})
        AND s.source = {entries.source_sql("c", "check")}
    LEFT JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq AND e.kind = 'LIVE'
"""


def void(
    app: App,
    check_no: str,
    *,
    portfolio: str | None = None,
    bank: str | None = None,
    reason: str,
    whole_entry: bool = False,
    dry_run: bool = False,
) -> Voided:
    """Void a check; ``whole_entry`` voids every check that the same CTX entry paid. Raises Refused when a rule says no."""
    action = f"voiding check {check_no}"
    found = _one(app, check_no, portfolio, bank, action)
    subject = f"check {found.portfolio}/{found.bank}/{found.check_no}"
    with (
        _maybe(app, dry_run=dry_run) as connection,
        by_person(app, connection, found.portfolio, subject, action=action, reason=reason) as unit,
    ):
        checks = [_again(connection, found.key, action)]
        _voidable(checks[0], action)
        last = None
        if checks[0].sent_in is not None:
            checks = _of_entry(connection, checks[0], action, whole=whole_entry)
            for one in checks:  # a reversal that came back leaves its check as sent
                _not_reversed(connection, one, action)
            last = _in_time(app, connection, checks[0], action)
        post(app.db, unit, checks)
    return Voided(checks, unit.unit_id, last)


def undo(
    app: App,
    check_no: str,
    *,
    portfolio: str | None = None,
    bank: str | None = None,
    reason: str,
    dry_run: bool = False,
) -> Voided:
    """Take a void back: the check is as it was, with all that one entry paid. Refused once a reversal went into a file."""
    action = f"taking back the void of check {check_no}"
    found = _one(app, check_no, portfolio, bank, action)
    subject = f"check {found.portfolio}/{found.bank}/{found.check_no}"
    with (
        _maybe(app, dry_run=dry_run) as connection,
        by_person(app, connection, found.portfolio, subject, action=action, reason=reason) as unit,
    ):
        check = _again(connection, found.key, action)
        if check.state != "VOID" or check.void_entry_id is None or check.type != "NEWA":
            raise Refused(
                f"{action}: found it {check.state}, expected a vendor's ACH check that gateway vendor void voided"
            )
        checks = [check] if check.sent_in is None else _of_entry(connection, check, action, whole=True)
        for one in checks:
            _not_returned(connection, one, action)
            _not_reversed(connection, one, action)
        _take_back(unit, checks)
    return Voided(checks, unit.unit_id, None)


class _DryRunError(Exception):
    """Rolls the transaction back."""


@contextmanager
def _maybe(app: App, *, dry_run: bool) -> Iterator[Connection]:
    """A transaction that commits, or for a dry run does not."""
    with suppress(_DryRunError), app.db.write() as connection:
        yield connection
        if dry_run:
            raise _DryRunError


@contextmanager
def by_person(
    app: App, connection: Connection, portfolio: str, subject: str, *, action: str, reason: str
) -> Iterator[Unit]:
    """An operator's unit of voids in the caller's transaction, closed and told among the operator's events at the end.

    Raises Refused without the right to post or on a closed business date, UsageError without a reason.
    """
    app.operator.require("post", action)
    if not reason.strip():
        raise UsageError(f"{action}: found no --reason, expected one; say why")
    now = app.now()
    unit = units.open_unit(
        app.db, connection, portfolio=portfolio, kind="OPERATOR", update_name=UNIT, operator=app.operator.code,
        posted_at=now, reason=reason, action=action,
    )  # fmt: skip
    yield unit
    units.close_unit(unit)
    event = {
        "at": now, "operator": app.operator.code, "os_user": app.operator.user, "action": UNIT, "subject": subject,
        "reason": reason,
    }  # fmt: skip
    connection.execute(schema.operator_event.insert(), event)


# --- looking ------------------------------------------------------------------------------------------------


def _one(app: App, check_no: str, portfolio: str | None, bank: str | None, action: str) -> Check:
    given = {"c.portfolio": portfolio, "c.bank": bank}
    where = "".join(f" AND {column} = :{column[2:]}" for column, value in given.items() if value is not None)
    with app.db.read() as connection:
        rows = connection.execute(
            text(f"{_SELECT} WHERE c.check_no = :no{where} ORDER BY c.portfolio, c.bank"),
            {"no": check_no} | {column[2:]: value for column, value in given.items() if value is not None},
        ).all()
    if not rows:
        raise UsageError(f"{action}: found none of that number; see gateway ledger checks")
    if len(rows) > 1:
        places = ", ".join(f"--portfolio {row.portfolio} --bank {row.bank}" for row in rows)
        raise UsageError(f"{action}: found {len(rows)} of that number, expected one: say which ({places})")
    return Check(*rows[0])


def sent_in(connection: Connection, portfolio: str, outbound_id: int) -> list[Check]:
    """The checks that a file paid, that count as sent and that no file takes back, in the order of its entries."""
    rows = connection.execute(
        text(
            f"{_SELECT} LEFT JOIN outbound_claim t ON t.source = {entries.source_sql('c', 'reversal')} "
            "WHERE c.portfolio = :p AND c.type = 'NEWA' AND c.state = 'SENT' AND e.outbound_id = :id "
            "AND t.source IS NULL ORDER BY e.seq, c.bank, c.check_no"
        ),
        {"p": portfolio, "id": outbound_id},
    )
    return [Check(*row) for row in rows]


def _again(connection: Connection, key: CheckKey, action: str) -> Check:
    """The check under the lock of its portfolio."""
    row = connection.execute(
        text(f"{_SELECT} WHERE c.portfolio = :p AND c.bank = :b AND c.check_no = :no"),
        {"p": key.portfolio, "b": key.bank, "no": key.check_no},
    ).one()
    check = Check(*row)
    if check.key != key:
        raise Refused(f"{action}: found it paid again just now, expected issue {key.issue}; look again")
    return check


def _voidable(check: Check, action: str) -> None:
    if check.type not in VENDOR_TYPES:
        where = _ELSEWHERE.get(check.type, "void it where it was made")
        raise Refused(f"{action}: found type {check.type}, expected a vendor's check; {where}")
    if check.state == "RESERVED":
        raise Refused(
            f"{action}: found it in {check.file}, which waits for release, expected it in no file; reject that file first"
        )
    if check.state not in ("NEW", "SENT"):
        raise Refused(f"{action}: found it {check.state}, expected NEW or SENT: its payable is open already")
    if check.type == "NEWA" and check.state == "SENT" and check.sent_in is None:
        raise Refused(
            f"{action}: found it sent before this ledger knew of it, expected an entry to reverse; ask the bank to "
            "reverse it"
        )


def _of_entry(connection: Connection, check: Check, action: str, *, whole: bool) -> list[Check]:
    """All checks of the entry that a check left by. Raises Refused when there are others and nobody asked for them."""
    if check.sent_in is None or check.sent_seq is None:
        raise LedgerError(f"{action}: found no entry it left by")
    keys = entries.checks_of(connection, check.sent_in, check.sent_seq)
    others = [key.check_no for key in keys if key != check.key]
    if others and not whole:
        raise Refused(
            f"{action}: found it paid by one entry with checks {', '.join(others)}, expected all of them void: a reversal "
            "takes back a whole entry; void them together with --whole-entry"
        )
    return [_again(connection, key, action) for key in keys]


def _in_time(app: App, connection: Connection, check: Check, action: str) -> str:
    """The last day of a reversal. Raises Refused when the next run would come too late for it."""
    run = vendor_run.context(app, connection, place(app, connection, check.portfolio))
    settled = str(check.settled_on)
    last = vendor_reversals.last_day(settled, run.calendar)
    earliest = run.calendar.add_banking_days(run.created.date(), run.bank.lead_days)
    if vendor_reversals.effective_date(settled, earliest) > last:
        raise Refused(
            f"{action}: found it in {check.file}, settled on {settled}, expected a reversal by {last}, which is past: "
            "ask the vendor for the money"
        )
    return last


def _not_reversed(connection: Connection, check: Check, action: str) -> None:
    row = connection.execute(
        text(
            "SELECT f.name FROM outbound_claim c JOIN outbound_file f ON f.outbound_id = c.outbound_id "
            "WHERE c.source = :source"
        ),
        {"source": check.key.source("reversal")},
    ).scalar()
    if row is not None:
        raise Refused(
            f"{action}: found its reversal in {row}, expected it in no file; reject that file if it waits, ask the vendor for "
            "the money if it came back"
        )


def _not_returned(connection: Connection, check: Check, action: str) -> None:
    """A void whose entry came back stands: the money is here, so that the check cannot count as sent."""
    returned = "SELECT 1 FROM ach_answer WHERE outbound_id = :o AND seq = :s AND kind = 'RETURN' AND state = 'DONE'"
    if connection.execute(text(returned), {"o": check.sent_in, "s": check.sent_seq}).first() is not None:
        raise Refused(
            f"{action}: found its entry in {check.file} returned by the bank, expected it paid: leave the void as it is "
            "and pay the vendor by a new check"
        )


# --- posting ------------------------------------------------------------------------------------------------


def post(db: Database, unit: Unit, checks: Sequence[Check]) -> None:
    """One entry a check into an open unit; the checks are VOID."""
    known = accounts(unit.connection, unit.portfolio)
    rows = [(_enter(unit, known, check, "D"), check.portfolio, check.check_no, check.bank) for check in checks]
    unit.flush()
    day = date.fromisoformat(unit.business_date).isoformat()
    changed = db.bulk_update(
        unit.connection, schema.bank_check, f"state = 'VOID', voided_on = '{day}', void_entry_id = {{}}",
        ("portfolio", "check_no", "bank"), rows,
    )  # fmt: skip
    if changed != len(checks):
        raise LedgerError(f"voiding checks: found {changed} of them, expected {len(checks)}")


def _take_back(unit: Unit, checks: Sequence[Check]) -> None:
    """What a void posted, the other way round; the checks are as they were."""
    known = accounts(unit.connection, unit.portfolio)
    for check in checks:
        _enter(unit, known, check, "C")
    unit.flush()
    unit.connection.execute(
        text(
            "UPDATE bank_check SET state = :state, voided_on = NULL, void_entry_id = NULL "
            "WHERE portfolio = :p AND bank = :b AND check_no = :no"
        ),
        [
            {"state": "NEW" if c.sent_in is None else "SENT", "p": c.portfolio, "b": c.bank, "no": c.check_no}
            for c in checks
        ],
    )


def _enter(unit: Unit, known: dict[tuple[int, str], int], check: Check, cash_side: Side) -> int:
    try:
        cash, payable = known[check.office_id, check.cash], known[check.office_id, ACCOUNTS_PAYABLE]
    except KeyError as missing:
        raise LedgerError(
            f"voiding check {check.check_no}: found no account {missing.args[0][1]} of its office"
        ) from None
    other: Side = "C" if cash_side == "D" else "D"
    legs = sorted([(cash, cash_side, check.amount_cents), (payable, other, check.amount_cents)], key=itemgetter(1))
    return unit.add(
        office_id=check.office_id, txn=UNIT, effective_date=unit.business_date, legs=legs[::-1], lease=check.lease,
        asset=check.asset, reason=f"CHECK {check.bank}/{check.check_no}",
        corrects=check.void_entry_id if cash_side == "C" else None,
    )  # fmt: skip
