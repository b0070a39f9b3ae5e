"""CLEARING of vendors' checks: what was posted there of each check against what became of the check, its entries and answers.

In debits less credits, and in times the amount of the check, in its office::

    + 1   it is void, and left by ACH (of type NEWI: it is void)
    - 1   for each reversal of it that settled
    + 1   for each reversal of it that came back: the void that it was for is a void no more, or the credit came back before
    - 1   it is void and its credit came back

None of that is read from the journal: states are the check's, settlements the entries', returns the answers'. What a person
said came or left twice (``vendor_ach/clearing.py``) stands nowhere else, so it is held to what can come of it: nothing, or
once the amount where credit and reversal both came. A void that was taken back leaves nothing on either side, so a reversal
that settles against one would tie: that a reversal has its void is a look of its own. Not looked at here is CLEARING of
loads, payments without cash and suspense, which is their rows'.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.ledger.ach_checks import CheckKey, CheckName, check_of_reason, check_of_source, source_sql
from gateway.ledger.ach_returns import came_back_sql, is_return_sql
from gateway.ledger.chart import CLEARING
from gateway.ledger.database import stream_rows
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, none, none_of
from gateway.money import from_cents


class _Standing(NamedTuple):
    """A check as it stands. ``is_void``: with its money on CLEARING."""

    office_id: int
    cents: int
    state: str
    issue: int
    outbound_id: int | None
    is_void: bool


class _Reversal(NamedTuple):
    """A reversal, with the checks that it and its credit name."""

    trace: str
    credit: tuple[int, int]  # file and row of what it takes back
    cents: int
    file_state: str
    settled: bool
    came_back: bool
    checks: frozenset[CheckKey]
    paid: frozenset[CheckKey]


class _Posted(NamedTuple):
    """Debits less credits of CLEARING, by office and check; ``by_hand``: of those, what people cleared."""

    all: Counter[tuple[int, CheckName]]
    by_hand: Counter[CheckName]


def checks(connection: Connection) -> Iterator[Check]:
    reversals = _reversals(connection)
    standing = _standing(connection, {check[:3] for one in reversals for check in one.checks})
    returned = _returned(connection, standing)
    posted = _posted(connection)
    yield from _balances(connection, standing, reversals, returned, posted)
    wrong = [f"trace {one.trace}: {why}" for one in reversals if (why := _without_void(one, standing)) is not None]
    expected = "each with checks that are void by it; void them, or have the bank return it"
    yield none_of("reversals have the voids that they settle", wrong, expected, total=len(reversals))
    yield none(connection, "voids of sent checks have their credit", _WITHOUT_CREDIT, "bank_check")
    yield _cleared(standing, reversals, returned, posted.by_hand)


# --- what became of checks ----------------------------------------------------------------------------------------

_STANDING: Final = """
SELECT k.portfolio, k.bank, k.check_no, k.office_id, k.amount_cents, k.state, k.issue, k.outbound_id,
    k.state = 'VOID' AND CASE k.type WHEN 'NEWA' THEN k.outbound_id IS NOT NULL ELSE k.void_entry_id IS NOT NULL END
FROM bank_check k WHERE k.type IN ('NEWA', 'NEWI') AND (k.state = 'VOID'
    OR k.check_no IN (SELECT v.check_no FROM ach_entry v WHERE v.reverses_outbound_id IS NOT NULL)
    OR k.vendor IN (SELECT v.vendor FROM ach_entry v WHERE v.reverses_outbound_id IS NOT NULL AND v.check_no IS NULL))
"""
_REVERSALS: Final = f"""
SELECT v.outbound_id, v.seq, v.trace_number, v.reverses_outbound_id, v.reverses_seq, v.amount_cents,
    COALESCE(f.state, 'missing'), CASE WHEN v.settled_unit_id IS NULL THEN 0 ELSE 1 END,
    CASE WHEN {came_back_sql("v")} THEN 1 ELSE 0 END, s.source
FROM ach_entry v LEFT JOIN outbound_file f ON f.outbound_id = v.outbound_id
LEFT JOIN outbound_source s ON s.outbound_id = v.outbound_id AND s.seq = v.seq
WHERE v.reverses_outbound_id IS NOT NULL ORDER BY v.outbound_id, v.seq
"""
_CREDITS: Final = """
SELECT DISTINCT s.outbound_id, s.seq, s.source FROM ach_entry v
JOIN outbound_source s ON s.outbound_id = v.reverses_outbound_id AND s.seq = v.reverses_seq
WHERE v.reverses_outbound_id IS NOT NULL
"""
_RETURNED: Final = f"""
SELECT s.source FROM ach_answer a
JOIN ach_entry e ON e.outbound_id = a.outbound_id AND e.seq = a.seq AND e.kind = 'LIVE'
JOIN outbound_source s ON s.outbound_id = a.outbound_id AND s.seq = a.seq WHERE {is_return_sql("a")}
"""


def _reversals(connection: Connection) -> list[_Reversal]:
    paid: defaultdict[tuple[int, int], set[CheckKey]] = defaultdict(set)
    for outbound_id, seq, source in connection.execute(text(_CREDITS)):
        check = check_of_source(source)
        if check is not None:
            paid[outbound_id, seq].add(check)
    found = []
    for _, rows in groupby(connection.execute(text(_REVERSALS)), key=itemgetter(0, 1)):
        its = list(rows)
        _, _, trace, file, seq, cents, state, settled, came_back, _ = its[0]
        named = (check_of_source(row[9]) for row in its if row[9] is not None)
        checks = frozenset(check for check in named if check is not None)
        of_credit = frozenset(paid[file, seq])
        found.append(_Reversal(trace, (file, seq), cents, state, bool(settled), bool(came_back), checks, of_credit))
    return found


def _standing(connection: Connection, reversed_: set[CheckName]) -> dict[CheckName, _Standing]:
    """Those that are void, and those that a reversal names."""
    found = {}
    for portfolio, bank, number, *rest in stream_rows(connection, _STANDING):
        now = _Standing(*rest)
        if now.is_void or (portfolio, bank, number) in reversed_:
            found[portfolio, bank, number] = now
    return found


def _returned(connection: Connection, standing: Mapping[CheckName, _Standing]) -> set[CheckName]:
    """Void checks whose credit came back: one that came back before could not be voided."""
    named = (check_of_source(source) for (source,) in connection.execute(text(_RETURNED)))
    return {
        check[:3] for check in named
        if check is not None and (now := standing.get(check[:3])) is not None and now.is_void and now.issue == check.issue
    }  # fmt: skip


# --- the journal --------------------------------------------------------------------------------------------------

# The first returns that were posted named no check: then the entry that was answered does.
_POSTED: Final = f"""
SELECT portfolio, office_id, reason, update_name, CAST(SUM(cents) AS BIGINT) FROM (
    SELECT u.portfolio, a.office_id, u.update_name,
        CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END AS cents,
        COALESCE(CASE WHEN u.update_name = 'ANSWERS' AND e.reason NOT LIKE '%CHECK %' THEN (
            SELECT MIN('CHECK ' || x.bank || '/' || x.check_no) FROM ach_answer y
            JOIN ach_entry x ON x.outbound_id = y.outbound_id AND x.seq = y.seq
            WHERE y.file_id = u.file_id AND y.line_no = e.source_line) END, e.reason) AS reason
    FROM posting_unit u
    JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    JOIN journal_line j ON j.entry_id = e.entry_id
    JOIN gl_account a ON a.account_id = j.account_id AND a.purpose = '{CLEARING}'
    WHERE u.update_name IN ('VOID', 'U0424', 'ANSWERS', 'VCLEAR')) legs
GROUP BY portfolio, office_id, reason, update_name
"""


def _posted(connection: Connection) -> _Posted:
    """What names no check is kept under its words: no check has it."""
    posted = _Posted(Counter(), Counter())
    for portfolio, office_id, reason, update, cents in connection.execute(text(_POSTED)):
        name = check_of_reason(portfolio, reason) or (portfolio, "", reason or "")
        posted.all[office_id, name] += cents
        if update == "VCLEAR":
            posted.by_hand[name] += cents
    return posted


# --- both ---------------------------------------------------------------------------------------------------------

_OFFICES: Final = "SELECT office_id, portfolio || '/' || company || '/' || region || '/' || office AS name FROM office"
_LEFT_THERE: Final = "CLEARING is what voids, reversals and returns left"
_TRACED: Final = "no difference; gateway trace CHECK tells its way"


def _balances(
    connection: Connection,
    standing: Mapping[CheckName, _Standing],
    reversals: Sequence[_Reversal],
    returned: set[CheckName],
    posted: _Posted,
) -> Iterator[Check]:
    """By office, check by check."""
    times = Counter({name: 1 for name, now in standing.items() if now.is_void})
    for one in reversals:
        for check in one.checks:
            times[check[:3]] += one.came_back - one.settled
    times.subtract(returned)
    expected = Counter({
        (now.office_id, name): times[name] * now.cents + posted.by_hand[name] for name, now in standing.items()
    })  # fmt: skip
    moved = posted.all.keys() | {key for key, cents in expected.items() if cents}
    looked_at = Counter(office_id for office_id, _ in moved)
    wrong: defaultdict[int, list[str]] = defaultdict(list)
    for at in sorted(moved):
        if posted.all[at] != expected[at]:
            office_id, name = at
            what = "check " + "/".join(name[1:]) if name[1] else f"an entry without a check ({name[2] or 'no reason'})"
            found, due = from_cents(posted.all[at]), from_cents(expected[at])
            wrong[office_id].append(f"{what}: CLEARING {found}, void, reversals and returns {due}")
    offices = {row.office_id: row.name for row in connection.execute(text(_OFFICES))}
    for office_id, total in sorted(looked_at.items()):
        where = offices.get(office_id, f"office {office_id}")
        yield none_of(_LEFT_THERE, wrong[office_id], _TRACED, total=total, where=where)
    if not looked_at:
        yield none_of(_LEFT_THERE, [], _TRACED, total=0)


def _without_void(one: _Reversal, standing: Mapping[CheckName, _Standing]) -> str | None:
    """What a reversal lacks, in words. One that came back has no void any more, nor one whose file did not leave."""
    if one.settled and one.file_state not in ("APPROVED", "LOCAL"):
        return f"settled, in a file that is {one.file_state}"
    if not one.checks or one.checks != one.paid:
        return "takes back other checks than its credit paid"
    if one.came_back or one.file_state == "REJECTED":
        return None
    for check in sorted(one.checks):
        now = standing.get(check[:3])
        found = "missing" if now is None else f"{now.state}, issue {now.issue} in file {now.outbound_id or 'none'}"
        if now is None or not now.is_void or (now.issue, now.outbound_id) != (check.issue, one.credit[0]):
            due = f"VOID, issue {check.issue} in file {one.credit[0]}"
            return f"check {check.bank}/{check.check_no} is {found}, expected {due}"
    total = sum(standing[check[:3]].cents for check in one.checks)
    return None if total == one.cents else f"takes back {from_cents(one.cents)} of checks of {from_cents(total)}"


_WITHOUT_CREDIT: Final = f"""
SELECT 'check ' || k.portfolio || '/' || k.bank || '/' || k.check_no FROM bank_check k
LEFT JOIN outbound_source s ON s.outbound_id = k.outbound_id AND s.source = {source_sql("k")}
LEFT JOIN ach_entry e ON e.outbound_id = s.outbound_id AND e.seq = s.seq AND e.kind = 'LIVE'
LEFT JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state IN ('APPROVED', 'LOCAL')
WHERE k.type = 'NEWA' AND k.state = 'VOID' AND k.outbound_id IS NOT NULL AND f.outbound_id IS NULL
ORDER BY k.portfolio, k.bank, k.check_no
"""


def _cleared(
    standing: Mapping[CheckName, _Standing],
    reversals: Sequence[_Reversal],
    returned: set[CheckName],
    by_hand: Counter[CheckName],
) -> Check:
    """What a person gave back came twice: by the credit and by a reversal. What came again after that evens it out."""
    twice = {name for one in reversals for check in one.checks if (name := check[:3]) in returned}
    wrong = []
    for name, cents in sorted(by_hand.items()):
        most = standing[name].cents if name in twice else 0
        if cents not in (0, most):
            wrong.append(f"check {'/'.join(name)}: {from_cents(cents)} cleared, {from_cents(most)} came twice")
    said = "nothing, or once what credit and reversal both brought"
    return none_of("what was cleared by hand had come twice", wrong, said, total=len(by_hand))
