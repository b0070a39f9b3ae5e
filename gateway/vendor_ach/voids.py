"""Voids of vendor checks by hand: the payable is open again, and what had left by ACH is taken back by a reversal.

::

    a check that was not sent, or not by ACH   D CASH of the bank (NEWI: CLEARING)   C ACCOUNTS PAYABLE
    a check sent by ACH                        D CLEARING                            C ACCOUNTS PAYABLE

The next Vendor ACH run builds the reversal debit of the latter; what it brings posts D CASH, C CLEARING when it settles
(``settlement``). A void whose reversal would come too late is refused with the last day. Checks that one CTX entry
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
from gateway.ledger.ach_checks import ANY_PORTFOLIO, CheckKey, source_sql
from gateway.ledger.chart import ACCOUNTS_PAYABLE
from gateway.ledger.database import Database, by_sets
from gateway.ledger.events import note, require_reason
from gateway.ledger.units import Side, Unit
from gateway.ledger.vendor_details import no_account_in
from gateway.outbound.states import LEFT_SQL
from gateway.settings import Right
from gateway.vendor_ach import entries, void_rules
from gateway.vendor_ach.void_rules import Check

UNIT: Final = "VOID"
"""``update_name`` of the posting units, and the transaction code of their entries."""
_WAS_SENT: Final = " SENT"
"""End of the reason of a void of a check that was sent, and not by ACH."""


class Voided(NamedTuple):
    """What was voided (or taken back): checks, the posting unit, and when a reversal is due at the latest."""

    checks: Sequence[Check]
    unit_id: int
    last_day: str | None


_SELECT: Final = f"""
    SELECT c.portfolio, c.bank, c.check_no, c.issue, c.type, c.state, c.amount_cents, c.office_id, c.lease, c.asset,
        c.void_entry_id, f.name, e.outbound_id, e.seq
    FROM bank_check c LEFT JOIN outbound_file f ON f.outbound_id = c.outbound_id
    LEFT JOIN outbound_source s ON s.outbound_id = f.outbound_id AND f.state IN ({LEFT_SQL})
        AND s.source = {source_sql("c")}
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
    found = one_check(app, check_no, portfolio, bank, action)
    subject = f"check {found.portfolio}/{found.bank}/{found.check_no}"
    with (
        _maybe(app, dry_run=dry_run) as connection,
        by_person(app, connection, found.portfolio, subject, action=action, reason=reason) as unit,
    ):
        checks = [_again(connection, found.key, action)]
        void_rules.voidable(checks[0], action)
        last = None
        sent_in = checks[0].sent_in
        if sent_in is not None:
            void_rules.not_refused(connection, checks[0], action)
            checks = _of_entry(connection, checks[0], action, whole=whole_entry)
            for one in checks:  # a reversal that came back leaves its check as sent
                void_rules.not_reversed(connection, one, action)
            void_rules.not_unclear(connection, checks[0], action)
            last = void_rules.in_time(app, connection, checks[0], sent_in, action)
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
    found = one_check(app, check_no, portfolio, bank, action)
    subject = f"check {found.portfolio}/{found.bank}/{found.check_no}"
    with (
        _maybe(app, dry_run=dry_run) as connection,
        by_person(app, connection, found.portfolio, subject, action=action, reason=reason) as unit,
    ):
        check = _again(connection, found.key, action)
        if check.state != "VOID" or check.void_entry_id is None:
            raise Refused(f"{action}: found it {check.state}, expected a vendor's check that was voided by hand")
        checks = [check] if check.sent_in is None else _of_entry(connection, check, action, whole=True)
        for one in checks:
            void_rules.not_returned(connection, one, action)
            void_rules.not_reversed(connection, one, action)
        _take_back(unit, [(one, _before(connection, one)) for one in checks])
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
    app: App,
    connection: Connection,
    portfolio: str,
    subject: str,
    *,
    action: str,
    reason: str,
    update: str = UNIT,
    right: Right = "post",
) -> Iterator[Unit]:
    """An operator's unit in the caller's transaction, closed and told among the operator's events at the end.

    Raises Refused without the right or on a closed business date, UsageError without a reason.
    """
    may(app, connection, right, action=action, reason=reason)
    now = app.now()
    unit = units.open_unit(
        app.db, connection, portfolio=portfolio, kind="OPERATOR", update_name=update, operator=app.operator.code,
        posted_at=now, reason=reason, action=action,
    )  # fmt: skip
    yield unit
    units.close_unit(unit)
    note(connection, app.operator, update, subject, reason, at=now)


def may(app: App, connection: Connection, right: Right, *, action: str, reason: str) -> None:
    """Raises Refused without the right, or where the reason holds an account number, UsageError without a reason."""
    app.operator.require(right, action)
    require_reason(reason, action)
    no_account_in(connection, app.vault, reason, action=action)


# --- looking ------------------------------------------------------------------------------------------------


def one_check(app: App, check_no: str, portfolio: str | None, bank: str | None, action: str) -> Check:
    given = {"c.portfolio": portfolio, "c.bank": bank}
    where = "".join(f" AND {column} = :{column[2:]}" for column, value in given.items() if value is not None)
    with app.db.read() as connection:
        rows = connection.execute(
            text(f"{_SELECT} WHERE c.{ANY_PORTFOLIO} AND c.check_no = :no{where} ORDER BY c.portfolio, c.bank"),
            {"no": check_no} | {column[2:]: value for column, value in given.items() if value is not None},
        ).all()
    if not rows:
        raise UsageError(f"{action}: found none of that number, expected one of `gateway ledger checks`")
    if len(rows) > 1:
        places = ", ".join(f"--portfolio {row.portfolio} --bank {row.bank}" for row in rows)
        raise UsageError(f"{action}: found {len(rows)} of that number, expected one: say which ({places})")
    return Check(*rows[0])


def sent_in(connection: Connection, portfolio: str, outbound_id: int) -> list[Check]:
    """The checks that a file paid, that count as sent and that no file takes back, in the order of its entries."""
    statement = text(
        f"{_SELECT} WHERE c.portfolio = :p AND c.type = 'NEWA' AND c.state = 'SENT' AND e.outbound_id = :id "
        f"AND NOT EXISTS (SELECT 1 {entries.REVERSALS}) ORDER BY e.seq, c.bank, c.check_no"
    )
    with by_sets(connection):
        return [Check(*row) for row in connection.execute(statement, {"p": portfolio, "id": outbound_id})]


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


def _before(connection: Connection, check: Check) -> str:
    """The state it was voided in: of one that left by no file the reason of its void says it."""
    if check.sent_in is not None:
        return "SENT"
    statement = text("SELECT reason FROM journal_entry WHERE entry_id = :id")
    said = str(connection.execute(statement, {"id": check.void_entry_id}).scalar_one())
    return "SENT" if said.endswith(_WAS_SENT) else "NEW"


def _take_back(unit: Unit, checks: Sequence[tuple[Check, str]]) -> None:
    """What a void posted, the other way round; the checks are in the states they were in."""
    known = accounts(unit.connection, unit.portfolio)
    for check, _ in checks:
        _enter(unit, known, check, "C")
    unit.flush()
    unit.connection.execute(
        text(
            "UPDATE bank_check SET state = :state, voided_on = NULL, void_entry_id = NULL "
            "WHERE portfolio = :p AND bank = :b AND check_no = :no"
        ),
        [{"state": state, "p": c.portfolio, "b": c.bank, "no": c.check_no} for c, state in checks],
    )


def _enter(unit: Unit, known: dict[tuple[int, str], int], check: Check, cash_side: Side) -> int:
    try:
        cash, payable = known[check.office_id, check.cash], known[check.office_id, ACCOUNTS_PAYABLE]
    except KeyError as missing:
        raise LedgerError(
            f"voiding check {check.check_no}: found no account {missing.args[0][1]} of its office"
        ) from None
    sent = _WAS_SENT if check.state == "SENT" and check.sent_in is None else ""
    other: Side = "C" if cash_side == "D" else "D"
    legs = sorted([(cash, cash_side, check.amount_cents), (payable, other, check.amount_cents)], key=itemgetter(1))
    return unit.add(
        office_id=check.office_id, txn=UNIT, effective_date=unit.business_date, legs=legs[::-1], lease=check.lease,
        asset=check.asset, reason=f"CHECK {check.bank}/{check.check_no}" + sent,
        corrects=check.void_entry_id if cash_side == "C" else None,
    )  # fmt: skip
