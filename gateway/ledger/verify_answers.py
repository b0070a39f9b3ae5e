"""What the bank answered against the journal, the checks and what was sent.

Returns are few beside payments, so that they are compared one by one; what was sent and not returned is summed by
portfolio.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.ledger.ach_checks import CheckName, check_of_source
from gateway.ledger.ach_returns import is_return_sql
from gateway.ledger.chart import ACCOUNTS_PAYABLE, CLEARING
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, none, none_of
from gateway.money import from_cents

Place = tuple[int, int]
"""File and line of an answer."""


class _Leg(NamedTuple):
    office_id: int
    lease: str | None
    debit: str
    credit: str
    cents: int


class _Paid(NamedTuple):
    """A check of a returned entry, as it stands."""

    office_id: int
    lease: str | None
    cents: int
    state: str
    issue: int


class _Returned(NamedTuple):
    """A returned entry and one of its checks at the issue that came back."""

    place: Place
    kind: str
    check: CheckName
    issue: int


def checks(connection: Connection) -> Iterator[Check]:
    yield none(connection, "answers are about an entry of their trace number and amount", _OTHER_ENTRY, "ach_answer")
    yield none(connection, "an entry came back once", _TWICE, "ach_answer")
    yield none(connection, "changes that the bank proposed are there", _CHANGES, "ach_answer")
    yield none(connection, "what waits or repeats is not posted in its file's money", _IDLE, "inbound_file")
    returned = list(_returned(connection))
    now = _now(connection, {one.check for one in returned})
    yield _posted(connection, returned, now)
    yield _marked(returned, now)
    yield _summed(connection, returned, now)


_LEFT: Final = "('APPROVED', 'LOCAL')"
_IS_RETURN: Final = is_return_sql("a")
_ENTRY: Final = "ach_entry e ON e.outbound_id = a.outbound_id AND e.seq = a.seq"
_OTHER_ENTRY: Final = f"""
SELECT 'file ' || a.file_id || ' answer ' || a.number FROM ach_answer a LEFT JOIN {_ENTRY}
LEFT JOIN outbound_file f ON f.outbound_id = a.outbound_id
WHERE a.kind <> 'ACKNOWLEDGEMENT' AND (a.outbound_id IS NOT NULL OR a.state = 'DONE') AND (e.seq IS NULL
    OR e.trace_number <> a.original_trace OR f.state NOT IN {_LEFT}
    OR ({_IS_RETURN} AND (a.amount_cents IS NULL OR a.amount_cents <> e.amount_cents)))
ORDER BY a.file_id, a.number
"""
_TWICE: Final = f"""
SELECT 'file ' || MAX(a.file_id) || ' trace ' || MAX(a.original_trace) FROM ach_answer a WHERE {_IS_RETURN}
GROUP BY a.outbound_id, a.seq HAVING COUNT(*) > 1 ORDER BY 1
"""
_IDLE: Final = """
SELECT 'file ' || f.file_id FROM inbound_file f JOIN (SELECT file_id, COALESCE(SUM(amount_cents), 0) AS cents,
    COALESCE(SUM(CASE WHEN state <> 'DONE' THEN amount_cents END), 0) AS idle FROM ach_answer GROUP BY file_id) a
    ON a.file_id = f.file_id
WHERE f.rejected_cents <> a.idle OR f.amount_cents <> a.cents ORDER BY f.file_id
"""
_CHANGES: Final = """
SELECT 'file ' || a.file_id || ' answer ' || a.number FROM ach_answer a
LEFT JOIN vendor_change c ON c.change_id = a.change_id
LEFT JOIN ach_entry e ON e.outbound_id = a.outbound_id AND e.seq = a.seq
WHERE a.change_id IS NOT NULL AND (c.change_id IS NULL OR c.vendor <> e.vendor OR a.kind <> 'CHANGE')
ORDER BY a.file_id, a.number
"""
_RETURNED: Final = f"""
SELECT a.file_id, a.line_no, e.kind, s.source FROM ach_answer a JOIN {_ENTRY}
JOIN outbound_source s ON s.outbound_id = a.outbound_id AND s.seq = a.seq
WHERE {_IS_RETURN} AND e.kind IN ('LIVE', 'REVERSAL')
ORDER BY a.file_id, a.line_no, s.source
"""


def _returned(connection: Connection) -> Iterator[_Returned]:
    for file_id, line_no, kind, source in connection.execute(text(_RETURNED)):
        if (check := check_of_source(str(source))) is not None:
            yield _Returned((file_id, line_no), kind, check[:3], check.issue)


def _now(connection: Connection, wanted: set[CheckName]) -> dict[CheckName, _Paid]:
    """Those checks, and all that are RETURNED."""
    rows = connection.execute(
        text(
            "SELECT portfolio, bank, check_no, office_id, lease, amount_cents, state, issue FROM bank_check "
            "WHERE state = 'RETURNED' OR check_no IN (SELECT e.check_no FROM ach_answer a JOIN ach_entry e "
            "ON e.outbound_id = a.outbound_id AND e.seq = a.seq WHERE e.check_no IS NOT NULL) OR vendor IN "
            "(SELECT e.vendor FROM ach_answer a JOIN ach_entry e ON e.outbound_id = a.outbound_id AND e.seq = a.seq "
            "WHERE e.check_no IS NULL)"
        )
    )
    found = {(row[0], row[1], row[2]): _Paid(*row[3:]) for row in rows}
    return {name: paid for name, paid in found.items() if name in wanted or paid.state == "RETURNED"}


_LEGS: Final = f"""
SELECT u.file_id, e.source_line, e.office_id, e.lease, d.purpose, c.purpose, jd.amount_cents
FROM posting_unit u
JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
JOIN journal_line jd ON jd.entry_id = e.entry_id AND jd.side = 'D' JOIN gl_account d ON d.account_id = jd.account_id
JOIN journal_line jc ON jc.entry_id = e.entry_id AND jc.side = 'C' JOIN gl_account c ON c.account_id = jc.account_id
WHERE u.update_name = 'ANSWERS' AND u.kind = 'FILE'
"""
_PAYABLE: Final = "payable or clearing"


def _posted(connection: Connection, returned: list[_Returned], now: dict[CheckName, _Paid]) -> Check:
    """Each returned check is one entry of its amount, from or to the cash of its bank, in its office; nothing else is."""
    posted: Counter[tuple[Place, _Leg]] = Counter()
    for file_id, line_no, *leg in connection.execute(text(_LEGS)):
        office_id, lease, debit, credit, cents = leg
        posted[(file_id, line_no), _Leg(office_id, lease, _either(debit), _either(credit), cents)] += 1
    expected: Counter[tuple[Place, _Leg]] = Counter()
    for one in returned:
        paid = now.get(one.check)
        if paid is not None:
            legs = (f"CASH {one.check[1]}", _PAYABLE)
            debit, credit = legs if one.kind == "LIVE" else legs[::-1]
            expected[one.place, _Leg(paid.office_id, paid.lease, debit, credit, paid.cents)] += 1
    bad = {place for place, _ in ((posted - expected) + (expected - posted))}
    bad |= {one.place for one in returned if one.check not in now}
    named = [f"file {file_id} line {line_no}" for file_id, line_no in sorted(bad)]
    return none_of("returns are posted", named, "no return of another amount or place", total=len(returned))


def _either(purpose: str) -> str:
    """Where a check was voided meanwhile, or its reversal's credit came back, CLEARING stands for the payable."""
    return _PAYABLE if purpose in (ACCOUNTS_PAYABLE, CLEARING) else purpose


def _marked(returned: list[_Returned], now: dict[CheckName, _Paid]) -> Check:
    """A RETURNED check came back at its issue, and what came back is not SENT any more at that issue."""
    came_back = {(one.check, one.issue) for one in returned if one.kind == "LIVE"}
    wrong = {name for name, paid in now.items() if paid.state == "RETURNED" and (name, paid.issue) not in came_back}
    wrong |= {
        name for name, issue in came_back
        if name in now and now[name].issue == issue and now[name].state not in ("RETURNED", "VOID")
    }  # fmt: skip
    named = sorted("/".join(name) for name in wrong)
    return none_of("returned checks came back, and only they", named, "no check in another state", total=len(came_back))


_SENT: Final = f"""
SELECT e.portfolio, CAST(SUM(e.amount_cents) AS BIGINT) FROM ach_entry e
JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN {_LEFT} WHERE e.kind = 'LIVE' GROUP BY e.portfolio
"""
_CAME_BACK: Final = f"""
SELECT e.portfolio, CAST(SUM(e.amount_cents) AS BIGINT) FROM ach_answer a JOIN {_ENTRY}
WHERE {_IS_RETURN} AND e.kind = 'LIVE' GROUP BY e.portfolio
"""
_STANDING: Final = f"""
SELECT k.portfolio, k.state, CAST(SUM(k.amount_cents) AS BIGINT) FROM bank_check k
JOIN outbound_file f ON f.outbound_id = k.outbound_id AND f.kind = 'VACH-BANK' AND f.state IN {_LEFT}
WHERE k.state IN ('SENT', 'VOID') GROUP BY k.portfolio, k.state
"""


def _summed(connection: Connection, returned: list[_Returned], now: dict[CheckName, _Paid]) -> Check:
    """Paid = sent - returned - voided, by portfolio; what was voided and came back is counted once."""
    paid: Counter[str] = Counter()
    for portfolio, cents in connection.execute(text(_SENT)):
        paid[portfolio] += cents
    for portfolio, cents in connection.execute(text(_CAME_BACK)):
        paid[portfolio] -= cents
    standing: Counter[str] = Counter()
    for portfolio, state, cents in connection.execute(text(_STANDING)):
        if state == "SENT":
            standing[portfolio] += cents
        else:
            paid[portfolio] -= cents
    for one in returned:
        check = now.get(one.check)
        if one.kind == "LIVE" and check is not None and check.state == "VOID" and check.issue == one.issue:
            paid[one.check[0]] += check.cents
    wrong = [
        f"portfolio {portfolio}: paid {from_cents(standing[portfolio])}, sent less returned and void {from_cents(paid[portfolio])}"
        for portfolio in sorted(paid.keys() | standing.keys())
        if paid[portfolio] != standing[portfolio]
    ]
    return none_of("paid = sent - returned - reversed", wrong, "no difference", total=len(paid))
