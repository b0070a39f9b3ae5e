"""What CLEARING holds of vendors' checks for good: money that came twice, or left twice, and how a person clears it.

::

    a void of a sent check                        D CLEARING   C ACCOUNTS PAYABLE
    its reversal settles                          D CASH       C CLEARING
    the credit comes back after its void          D CASH       C CLEARING
    then the reversal comes back as well          D CLEARING   C CASH

All of it but the first and one of the next two is more than was paid. Where credit and reversal both brought the money, it
belongs to the bank or to the vendor; nobody knows which before somebody asks. So the difference stays on CLEARING, as an
alarm, until the reversal comes back too or a person says what became of it (``clear``). The amounts are sums over the
journal, less what is still on its way; nothing is stored.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import LedgerError, Refused
from gateway.ledger.accounts import accounts
from gateway.ledger.chart import CLEARING, cash_purpose
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import shown
from gateway.outbound.states import LEFT_STATES, at_bank_sql
from gateway.vendor_ach import entries, voids
from gateway.vendor_ach.entries import check_of_source

UNIT: Final = "VCLEAR"
"""``update_name`` of the posting units by which a person clears."""
TRANSACTION: Final = "VCLR"

CheckName = tuple[str, str, str]
"""Portfolio, bank, number."""


class Held(NamedTuple):
    """Below zero: that much more came than was paid; above: that much more left than came."""

    portfolio: str
    bank: str
    check_no: str
    vendor: str | None
    office_id: int
    lease: str | None
    cents: int

    @property
    def todo(self) -> str:
        again = f"gateway vendor clear {self.check_no} --reason …"
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


_MOOT: Final = """
    SELECT 1 FROM ach_entry v JOIN outbound_file vf ON vf.outbound_id = v.outbound_id AND vf.state <> 'REJECTED'
    JOIN ach_answer a ON a.outbound_id = v.reverses_outbound_id AND a.seq = v.reverses_seq AND a.kind = 'RETURN'
        AND a.state = 'DONE' WHERE v.reverses_outbound_id IS NOT NULL LIMIT 1
"""
_POSTED: Final = f"""
    SELECT u.portfolio, e.reason, CAST(SUM(CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END) AS BIGINT)
    FROM posting_unit u JOIN journal_entry e
        ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    JOIN journal_line j ON j.entry_id = e.entry_id
    JOIN gl_account a ON a.account_id = j.account_id AND a.purpose = '{CLEARING}'
    WHERE u.update_name IN ('{voids.UNIT}', 'U0424', 'ANSWERS', '{UNIT}') GROUP BY u.portfolio, e.reason
"""
_LEFT: Final = ", ".join(f"'{state}'" for state in LEFT_STATES)
# Reversals that will settle: not those of a credit that came back, unless they left all the same.
_TO_SETTLE: Final = f"""
    SELECT s.source FROM ach_entry v
    JOIN outbound_file f ON f.outbound_id = v.outbound_id AND f.state <> 'REJECTED'
    JOIN outbound_source s ON s.outbound_id = v.outbound_id AND s.seq = v.seq
    WHERE v.reverses_outbound_id IS NOT NULL AND v.settled_unit_id IS NULL AND ({at_bank_sql("f")} OR NOT EXISTS (
        SELECT 1 FROM ach_answer a WHERE a.outbound_id = v.reverses_outbound_id AND a.seq = v.reverses_seq
            AND a.kind = 'RETURN' AND a.state = 'DONE'))
"""
# Voids whose reversal is still to be built, or came too late and stays on U0424C.
_TO_REVERSE: Final = f"""
    SELECT c.portfolio, c.bank, c.check_no FROM bank_check c
    JOIN outbound_source s ON s.outbound_id = c.outbound_id AND s.source = {entries.source_sql("c")}
    JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq AND e.kind = 'LIVE'
    JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN ({_LEFT})
    WHERE c.type = 'NEWA' AND c.state = 'VOID' AND NOT {entries.REVERSED} AND NOT EXISTS (SELECT 1 FROM ach_answer a
        WHERE a.outbound_id = e.outbound_id AND a.seq = e.seq AND a.kind = 'RETURN' AND a.state = 'DONE')
"""
_CHECKS: Final = (
    "SELECT portfolio, bank, check_no, vendor, office_id, lease, amount_cents FROM bank_check WHERE type = 'NEWA'"
)


def held(connection: Connection, portfolio: str | None = None) -> list[Held]:
    """Checks of which CLEARING holds more than what is on its way explains, by number."""
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
            found.append(Held(*name, row.vendor, row.office_id, row.lease, cents))
    return sorted(found)


def check_of_reason(portfolio: str, reason: str | None) -> CheckName | None:
    """The check that an entry's reason names: ``CHECK 126/4711``, with the bank's code before it or a word behind it."""
    _, word, rest = (reason or "").partition("CHECK ")
    bank, slash, number = rest.partition(" ")[0].partition("/")
    return (portfolio, bank, number) if word and slash else None


def clear(app: App, check_no: str, *, reason: str, portfolio: str | None = None, bank: str | None = None) -> Cleared:
    """Post that what CLEARING holds of a check went where it belongs. Raises Refused where it holds nothing."""
    action = f"clearing what CLEARING holds of check {check_no}"
    of = voids.one_check(app, check_no, portfolio, bank, action)
    subject = f"check {of.portfolio}/{of.bank}/{of.check_no}"
    with (
        app.db.write() as connection,
        voids.by_person(app, connection, of.portfolio, subject, action=action, reason=reason, update=UNIT) as unit,
    ):
        mine = [one for one in held(connection, of.portfolio) if one[:3] == (of.portfolio, of.bank, of.check_no)]
        if not mine:
            raise Refused(
                f"{action}: found nothing beyond what is on its way, expected money that came or left twice: see gateway "
                "vendor clearing"
            )
        (one,) = mine
        known, cash = accounts(connection, one.portfolio), cash_purpose(one.bank)
        missing = [purpose for purpose in (CLEARING, cash) if (one.office_id, purpose) not in known]
        if missing:
            raise LedgerError(
                f"{action}: found no account {missing[0]} of its office, expected one; load gl_accounts.csv"
            )
        debit, credit = (CLEARING, cash) if one.cents < 0 else (cash, CLEARING)
        sides: tuple[tuple[str, Literal["D", "C"]], ...] = ((debit, "D"), (credit, "C"))
        unit.add(
            office_id=one.office_id, txn=TRANSACTION, effective_date=unit.business_date, lease=one.lease,
            reason=f"CHECK {one.bank}/{one.check_no}",
            legs=[(known[one.office_id, purpose], side, abs(one.cents)) for purpose, side in sides],
        )  # fmt: skip
    return Cleared(one, unit.unit_id, debit, credit)
