"""Loaded checks: a row in the check register and its opening entry.

The entry is OPENING BALANCE to ACCOUNTS PAYABLE, then ACCOUNTS PAYABLE to CASH of the bank (CLEARING for NEWI). A check
loaded as void posts nothing. A change of amount, type or lease, or a void, of a check that is still NEW takes the old
entry back. Of a check that is reserved, sent, returned, void or paid again, amount, type, lease, vendor, payee, reference
and date stay as they are, and no flag sets its state: its entries are those of the commands that brought it there, and a
bank file says the rest. A blank flag keeps the state.

Who loads or changes a check has a part in paying it, and so does not release it (``release/makers.py``): that is an event
of the operator.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ledger.accounts import default_office
from gateway.ledger.chart import ACCOUNTS_PAYABLE, CLEARING, OPENING_BALANCE
from gateway.ledger.load_entries import CORRECTION, OPEN, base
from gateway.ledger.load_stage import Bad, Counts, Loading, Staged

_STATES = "CASE s.flag WHEN 'P' THEN 'SENT' WHEN 'V' THEN 'VOID' ELSE COALESCE(k.state, 'NEW') END"
_MATCH = "k.portfolio = s.portfolio AND k.check_no = s.check_no AND k.bank = s.bank"
_MONEY = "(k.amount_cents <> s.amount_cents OR k.type <> s.type OR k.lease IS DISTINCT FROM s.lease)"
_OTHER = ("vendor", "asset", "reference", "payee", "disbursement_date", "voided_on", "printed_on")
_PAID = ("vendor", "reference", "payee", "disbursement_date")
"""Columns that say whom a check pays, for what and when: what left by a bank file cannot be told otherwise later."""
LOADED = "check.load"
"""The action of the operator's event; its subject is ``check portfolio/bank/number``."""


def load(loading: Loading, staged: Staged) -> None:
    _refuse_homeless(loading, staged)
    _place(loading)
    _check(loading, staged)
    _plan(loading)
    present = [c for c in _OTHER if c in staged.present()]
    differs = " OR ".join([f"k.{c} IS DISTINCT FROM s.{c}" for c in present] + [f"k.state <> {_STATES}", _MONEY])
    total, known, changed = loading.sql(
        f"SELECT COUNT(*), COUNT(k.check_no), COALESCE(SUM(CASE WHEN k.check_no IS NOT NULL AND ({differs}) THEN 1 "
        f"ELSE 0 END), 0) FROM load_checks s LEFT JOIN bank_check k ON {_MATCH}"
    ).one()
    loading.counts["checks"] = Counts(total - known, int(changed), known - int(changed))
    loading.sql(
        "INSERT INTO operator_event (at, operator, os_user, action, subject, reason) SELECT :at, :code, :user, "
        f"'{LOADED}', 'check ' || s.portfolio || '/' || s.bank || '/' || s.check_no, :reason FROM load_checks s "
        f"LEFT JOIN bank_check k ON {_MATCH} WHERE s.flag IS NULL AND (k.check_no IS NULL OR {differs}) ORDER BY s.row_no",
        at=loading.posted_at,
        code=loading.maker.code,
        user=loading.maker.user,
        reason=f"loaded from {staged.sheet.path.name}",
    )
    columns = (*_OTHER, "type", "amount_cents", "lease", "office_id")
    updated = (*present, "type", "amount_cents", "lease", "office_id", "state")
    loading.sql(
        f"INSERT INTO bank_check (portfolio, check_no, bank, state, {', '.join(columns)}) "
        f"SELECT s.portfolio, s.check_no, s.bank, {_STATES}, {', '.join(f's.{c}' for c in columns)} FROM load_checks s "
        f"LEFT JOIN bank_check k ON {_MATCH} WHERE true ON CONFLICT (portfolio, check_no, bank) DO UPDATE SET "
        f"{', '.join(f'{c} = excluded.{c}' for c in updated)} "
        f"WHERE {' OR '.join(f'bank_check.{c} IS DISTINCT FROM excluded.{c}' for c in updated)}"
    )


def _refuse_homeless(loading: Loading, staged: Staged) -> None:
    """A check without a lease needs the portfolio's default office."""
    rows = loading.sql(
        "SELECT row_no, portfolio FROM load_checks WHERE lease IS NULL AND portfolio NOT IN (SELECT portfolio FROM office) "
        "ORDER BY row_no"
    ).all()
    if "office" in loading.unread:
        loading.take_out(staged, {row for row, _ in rows})
        return
    loading.refuse(
        staged,
        [Bad(row, "portfolio", f"portfolio {p} without an office", "one with an office", "load it in offices.csv")
         for row, p in rows],
    )  # fmt: skip


def _place(loading: Loading) -> None:
    """The lease's office, else the portfolio's default one; a check that is there stays where it was posted, whatever the
    default office is by now."""
    loading.sql(
        "UPDATE load_checks SET office_id = (SELECT l.office_id FROM lease l WHERE l.lease = load_checks.lease "
        "AND l.portfolio = load_checks.portfolio)"
    )
    portfolios = loading.sql("SELECT DISTINCT portfolio FROM load_checks WHERE lease IS NULL").scalars().all()
    loading.many(
        "UPDATE load_checks SET office_id = :o WHERE portfolio = :p AND lease IS NULL",
        [{"p": p, "o": default_office(loading.connection, p)} for p in portfolios],
    )
    loading.sql(
        f"UPDATE load_checks AS s SET office_id = k.office_id FROM bank_check k WHERE {_MATCH} "
        "AND NOT k.lease IS DISTINCT FROM s.lease AND s.office_id IS NOT NULL"
    )


def _check(loading: Loading, staged: Staged) -> None:
    rows = loading.sql("SELECT row_no, lease, portfolio FROM load_checks WHERE office_id IS NULL ORDER BY row_no")
    loading.refuse(
        staged,
        [
            Bad(row, "lease", f"lease {lease} of another portfolio", f"one of portfolio {portfolio}", "correct it")
            for row, lease, portfolio in rows
        ],
    )
    present = staged.present()
    paid = " OR ".join(["false", *(f"k.{c} IS DISTINCT FROM s.{c}" for c in _PAID if c in present)])
    rows = loading.sql(
        f"SELECT s.row_no, s.check_no, k.state, k.file_id, k.type, k.issue, s.flag FROM load_checks s "
        f"JOIN bank_check k ON {_MATCH} WHERE k.file_id IS NOT NULL "
        f"OR ((k.state <> 'NEW' OR k.issue > 1) AND ({_MONEY} OR {paid})) "
        f"OR ((k.state IN ('RESERVED', 'RETURNED', 'VOID') OR k.issue > 1) AND {_STATES} <> k.state) "
        "OR (k.state = 'SENT' AND s.flag = 'V') ORDER BY s.row_no"
    )
    loading.refuse(staged, [_changed(*row) for row in rows])


def _changed(row: int, check: str, state: str, file: int | None, type_: str, issue: int, flag: str | None) -> Bad:
    """A change of a check that is more than a plan. What became of it is told by the commands that know its entries."""
    todo = "leave the row out"
    if file is None and state == "RETURNED":
        todo += (
            f", or pay it as it stands with gateway vendor pay-again {check} --reason WHY, which gateway vendor void {check} "
            "--reason WHY takes back"
        )
    elif type_ == "NEWA" and ((state == "SENT" and flag == "V") or (state == "NEW" and issue > 1)):
        todo = f"void it with gateway vendor void {check} --reason WHY"
    is_ = "a file made" if file else "is paid again" if state == "NEW" else f"is {state.lower()}"
    return Bad(row, "check", f"a change of check {check}, which {is_}", "it as it stands", todo)


def _plan(loading: Loading) -> None:
    """Take back what no longer stands, post what is new; both by the same legs."""
    old = f"load_checks s JOIN bank_check k ON {_MATCH}"
    _entries(loading, f"{old} WHERE k.state = 'NEW' AND ({_MONEY} OR s.flag = 'V')", "k", CORRECTION, "check-back")
    fresh = f"load_checks s LEFT JOIN bank_check k ON {_MATCH}"
    _entries(
        loading,
        f"{fresh} WHERE COALESCE(s.flag, '') <> 'V' AND (k.check_no IS NULL OR (k.state = 'NEW' AND {_MONEY}))",
        "s", OPEN, "checks",
    )  # fmt: skip


def _entries(loading: Loading, source: str, row: str, reason: str, origin: str) -> None:
    first = base(loading)
    back = origin == "check-back"
    loading.sql(
        "INSERT INTO load_entry (n, portfolio, office_id, lease, asset, txn, reason, effective_date, origin, origin_row) "
        f"SELECT :first + ROW_NUMBER() OVER (ORDER BY s.row_no), s.portfolio, {row}.office_id, {row}.lease, {row}.asset, "
        f"{row}.type, :reason, {row}.disbursement_date, '{origin}', s.row_no FROM {source}",
        first=first,
        reason=reason,
    )
    cash = f"CASE e.txn WHEN 'NEWI' THEN '{CLEARING}' ELSE 'CASH ' || s.bank END"
    cents = "k.amount_cents" if back else "s.amount_cents"
    join = f"LEFT JOIN bank_check k ON {_MATCH}"
    for line, purpose, side in (
        (1, f"'{OPENING_BALANCE}'", "D"),
        (2, f"'{ACCOUNTS_PAYABLE}'", "C"),
        (3, f"'{ACCOUNTS_PAYABLE}'", "D"),
        (4, cash, "C"),
    ):
        taken = {"D": "C", "C": "D"}[side] if back else side
        loading.sql(
            f"INSERT INTO load_leg (n, line, purpose, side, cents) SELECT e.n, {line}, {purpose}, '{taken}', {cents} "
            f"FROM load_entry e JOIN load_checks s ON s.row_no = e.origin_row {join} WHERE e.origin = '{origin}'"
        )


def finish(loading: Loading, units: Sequence[int]) -> None:
    """The unit that posted a check; none for one that is void."""
    if units:
        loading.sql(
            "UPDATE bank_check SET unit_id = (SELECT u.unit_id FROM posting_unit u WHERE u.portfolio = "
            "bank_check.portfolio AND u.kind = 'OPENING' AND u.unit_id >= :first) WHERE EXISTS (SELECT 1 FROM load_checks s "
            "JOIN load_entry e ON e.origin_row = s.row_no AND e.origin = 'checks' WHERE s.portfolio = bank_check.portfolio "
            "AND s.check_no = bank_check.check_no AND s.bank = bank_check.bank)",
            first=min(units),
        )
    loading.sql(
        "UPDATE bank_check SET unit_id = NULL WHERE state = 'VOID' AND void_entry_id IS NULL AND EXISTS (SELECT 1 FROM load_checks s "
        "WHERE s.flag = 'V' AND s.portfolio = bank_check.portfolio AND s.check_no = bank_check.check_no "
        "AND s.bank = bank_check.bank) AND file_id IS NULL"
    )
