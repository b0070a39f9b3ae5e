"""What CLEARING holds of vendors' checks for good: money that came twice, or left twice, and how a person clears it.

::

    a void of a sent check                        D CLEARING   C ACCOUNTS PAYABLE
    its reversal settles                          D CASH       C CLEARING
    the credit comes back after its void          D CASH       C CLEARING
    then the reversal comes back as well          D CLEARING   C CASH

All of it but the first and one of the next two is more than was paid. Where credit and reversal both brought the money, it
belongs to the bank or to the vendor; nobody knows which before somebody asks. So the difference stays on CLEARING, as an
alarm, until the reversal comes back too or people say what became of it (``clear``): one says so, and where four eyes
apply a second one, with the same command, posts it. The amounts are sums over the journal, less what is still on its way;
nothing is stored but the first word, an operator's event that names the amount it was said of.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused
from gateway.ledger.accounts import accounts
from gateway.ledger.ach_checks import CheckName, check_of_reason, check_of_source, source_sql
from gateway.ledger.ach_returns import came_back_sql
from gateway.ledger.chart import CLEARING, cash_purpose
from gateway.ledger.events import note
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.units import Side, Unit
from gateway.money import shown
from gateway.outbound.states import LEFT_SQL, at_bank_sql
from gateway.settings import Right
from gateway.vendor_ach import entries, voids
from gateway.vendor_ach.void_rules import Check

UNIT: Final = "VCLEAR"
"""``update_name`` of the posting units by which a person clears."""
TRANSACTION: Final = "VCLR"
PROPOSED: Final = "vendor.clear-proposed"
WITHDRAWN: Final = "vendor.clear-withdrawn"
"""Actions of the events by which the first person says what became of the money, or takes that back."""


class Word(NamedTuple):
    """What the first person said."""

    operator: str
    user: str
    at: str
    reason: str


class Held(NamedTuple):
    """Below zero: that much more came than was paid; above: that much more left than came."""

    portfolio: str
    bank: str
    check_no: str
    vendor: str | None
    office_id: int
    lease: str | None
    cents: int
    word: Word | None = None  # it waits for a second person

    @property
    def subject(self) -> str:
        return _subject(self.portfolio, self.bank, self.check_no)

    @property
    def todo(self) -> str:
        again = f"gateway vendor clear {self.check_no} --reason …"
        if self.word is not None:
            what = "came" if self.cents < 0 else "left"
            return (
                f"{shown(abs(self.cents))} {what} twice; {self.word.operator} ({self.word.user}) says: {self.word.reason}; a "
                f"second person says so too: {again}"
            )
        if self.cents < 0:
            return (
                f"{shown(-self.cents)} came twice, as returned credit and by its reversal: ask the bank whose it is; when the "
                f"bank or the vendor has it back, {again}; if the reversal comes back too, nothing is left to do"
            )
        return f"{shown(self.cents)} left twice: ask the bank for it; when it is here, {again}"


class Cleared(NamedTuple):
    held: Held
    unit_id: int
    debit: str
    credit: str


_MOOT: Final = f"""
    SELECT 1 FROM ach_entry v JOIN outbound_file vf ON vf.outbound_id = v.outbound_id AND vf.state <> 'REJECTED'
    WHERE v.reverses_outbound_id IS NOT NULL AND {came_back_sql("v", "reverses_")} LIMIT 1
"""
_POSTED: Final = f"""
    SELECT u.portfolio, e.reason, CAST(SUM(CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END) AS BIGINT)
    FROM posting_unit u JOIN journal_entry e
        ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    JOIN journal_line j ON j.entry_id = e.entry_id
    JOIN gl_account a ON a.account_id = j.account_id AND a.purpose = '{CLEARING}'
    WHERE u.update_name IN ('{voids.UNIT}', 'U0424', 'ANSWERS', '{UNIT}') GROUP BY u.portfolio, e.reason
"""
# Reversals that will settle: not those of a credit that came back, unless they left all the same.
_TO_SETTLE: Final = f"""
    SELECT s.source FROM ach_entry v
    JOIN outbound_file f ON f.outbound_id = v.outbound_id AND f.state <> 'REJECTED'
    JOIN outbound_source s ON s.outbound_id = v.outbound_id AND s.seq = v.seq
    WHERE v.reverses_outbound_id IS NOT NULL AND v.settled_unit_id IS NULL AND ({at_bank_sql("f")}
        OR NOT {came_back_sql("v", "reverses_")})
"""
# Voids whose reversal is still to be built, or came too late and stays on U0424C.
_TO_REVERSE: Final = f"""
    SELECT c.portfolio, c.bank, c.check_no FROM bank_check c
    JOIN outbound_source s ON s.outbound_id = c.outbound_id AND s.source = {source_sql("c")}
    JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq AND e.kind = 'LIVE'
    JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN ({LEFT_SQL})
    WHERE c.type = 'NEWA' AND c.state = 'VOID' AND NOT {entries.REVERSED} AND NOT {came_back_sql("e")}
"""
_CHECKS: Final = (
    "SELECT portfolio, bank, check_no, vendor, office_id, lease, amount_cents FROM bank_check WHERE type = 'NEWA'"
)


def held(connection: Connection, portfolio: str | None = None) -> list[Held]:
    """Checks of which CLEARING holds more than what is on its way explains, by number, with what was said of them."""
    if connection.execute(text(_MOOT)).first() is None:  # without a return of what is taken back nothing comes twice
        return []
    posted: Counter[CheckName] = Counter()
    for in_portfolio, reason, cents in connection.execute(text(_POSTED)):
        name = check_of_reason(in_portfolio, reason)
        if name is not None:
            posted[name] += cents
    on_its_way: Counter[CheckName] = Counter()
    for (source,) in connection.execute(text(_TO_SETTLE)):
        check = check_of_source(source)
        if check is not None:
            on_its_way[check.portfolio, check.bank, check.check_no] += 1
    for row in connection.execute(text(_TO_REVERSE)):
        on_its_way[row[0], row[1], row[2]] += 1
    wanted = {name for name, cents in posted.items() if cents} | set(on_its_way)
    found = []
    for row in connection.execute(text(_CHECKS)) if wanted else ():
        name = (row[0], row[1], row[2])
        cents = posted[name] - on_its_way[name] * row.amount_cents
        if name in wanted and cents and portfolio in (None, row[0]):
            word = _word(connection, _subject(*name), cents)
            found.append(Held(*name, row.vendor, row.office_id, row.lease, cents, word))
    return sorted(found)


def _subject(portfolio: str, bank: str, check_no: str) -> str:
    return f"check {portfolio}/{bank}/{check_no}"


_WORD: Final = text(
    "SELECT action, operator, os_user, at, reason FROM operator_event WHERE subject = :subject "
    f"AND action IN ('{PROPOSED}', '{WITHDRAWN}', '{UNIT}') ORDER BY event_id DESC LIMIT 1"
)


def _word(connection: Connection, subject: str, cents: int) -> Word | None:
    """The first person's word, while it stands and is of this amount."""
    row = connection.execute(_WORD, {"subject": subject}).one_or_none()
    if row is None or row.action != PROPOSED or not row.reason.startswith(_amount(cents)):
        return None
    return Word(row.operator, row.os_user, row.at, row.reason.removeprefix(_amount(cents)))


def _amount(cents: int) -> str:
    """How the reason of a first word begins."""
    return f"{shown(abs(cents))} {'came' if cents < 0 else 'left'} twice: "


def clear(
    app: App, check_no: str, *, reason: str, portfolio: str | None = None, bank: str | None = None
) -> Cleared | Held:
    """Say that what CLEARING holds of a check went where it belongs: posted with the second person's word, or at once where
    the portfolio asks for no four eyes; the first person's gives what waits. Raises Refused where it holds nothing, or for
    the same person twice."""
    action = f"clearing what CLEARING holds of check {check_no}"
    of = voids.one_check(app, check_no, portfolio, bank, action)
    with app.db.write() as connection:
        app.db.lock_portfolios(connection, [of.portfolio])
        one = _held_of(connection, of, action)
        if app.settings.portfolio(of.portfolio).release.four_eyes:
            if one.word is None:
                voids.may(app, connection, "post", action=action, reason=reason)
                note(connection, app.operator, PROPOSED, one.subject, _amount(one.cents) + reason, at=app.now())
                return _held_of(connection, of, action)
            _require_second(app, one.word, action)
            right: Right = "approve"
            said = f"{one.word.operator}: {one.word.reason}; {app.operator.code}: {reason}"
        else:
            said, right = reason, "post"
        voids.may(app, connection, right, action=action, reason=reason)
        with voids.by_person(
            app, connection, of.portfolio, one.subject, action=action, reason=said, update=UNIT, right=right
        ) as unit:
            debit, credit = _post(connection, unit, one, action)
    return Cleared(one, unit.unit_id, debit, credit)


def withdraw(app: App, check_no: str, *, reason: str, portfolio: str | None = None, bank: str | None = None) -> Held:
    """Take the first person's word back. Raises Refused where none waits."""
    action = f"taking back what was said of check {check_no}"
    of = voids.one_check(app, check_no, portfolio, bank, action)
    with app.db.write() as connection:
        app.db.lock_portfolios(connection, [of.portfolio])
        voids.may(app, connection, "post", action=action, reason=reason)
        one = _held_of(connection, of, action)
        if one.word is None:
            raise Refused(
                f"{action}: found no word that waits for a second person, expected one: see gateway vendor clearing"
            )
        note(connection, app.operator, WITHDRAWN, one.subject, reason, at=app.now())
    return one._replace(word=None)


def _held_of(connection: Connection, of: Check, action: str) -> Held:
    for one in held(connection, of.portfolio):
        if one[:3] == (of.portfolio, of.bank, of.check_no):
            return one
    raise Refused(
        f"{action}: found nothing beyond what is on its way, expected money that came or left twice: see gateway vendor "
        "clearing"
    )


def _require_second(app: App, first: Word, action: str) -> None:
    if app.operator.code == first.operator or app.operator.user == first.user:
        raise Refused(
            f"{action}: found {app.operator.code} ({app.operator.user}), and the first word by {first.operator} ({first.user}), "
            "expected a second person with another code and another user: ask one, or take the word back with --withdraw"
        )


def _post(connection: Connection, unit: Unit, one: Held, action: str) -> tuple[str, str]:
    """The account debited and the one credited."""
    known, cash = accounts(connection, one.portfolio), cash_purpose(one.bank)
    missing = [purpose for purpose in (CLEARING, cash) if (one.office_id, purpose) not in known]
    if missing:
        raise LedgerError(f"{action}: found no account {missing[0]} of its office, expected one; load gl_accounts.csv")
    debit, credit = (CLEARING, cash) if one.cents < 0 else (cash, CLEARING)
    sides: tuple[tuple[str, Side], ...] = ((debit, "D"), (credit, "C"))
    unit.add(
        office_id=one.office_id, txn=TRANSACTION, effective_date=unit.business_date, lease=one.lease,
        reason=f"CHECK {one.bank}/{one.check_no}",
        legs=[(known[one.office_id, purpose], side, abs(one.cents)) for purpose, side in sides],
    )  # fmt: skip
    return debit, credit
