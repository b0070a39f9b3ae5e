"""Opening figures that are told as totals: escrow balances of leases, opening balances of accounts.

Both are final figures: what the details of this and earlier loads came to is taken from the journal, and only the
difference is posted. Accounts whose details are known here (receivables, payable, suspense, escrow, OPENING BALANCE)
take no difference: it refuses the load, with both figures.
"""

from __future__ import annotations

from gateway.ledger.chart import (
    ACCOUNTS_PAYABLE,
    ASSESSED_FEES,
    LEASE_PAYMENTS_RECEIVABLE,
    OPENING_BALANCE,
    RECEIVABLE_PREFIX,
    REVERSAL_SUSPENSE,
    SUSPENSE,
    recurring_number,
)
from gateway.ledger.load_entries import OPEN, base
from gateway.ledger.load_stage import Bad, Loading, Staged, count_changed
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.money import from_cents

_ESCROW_LEGS = """
SELECT e.lease, c.code, SUM(CASE {leg}.side WHEN 'C' THEN {leg}.{cents} ELSE -{leg}.{cents} END) AS cents
FROM {source} JOIN charge c ON c.income_purpose = {purpose} AND c.portfolio = {portfolio} AND c.type = 'E'
{where} GROUP BY e.lease, c.code
"""
_PLANNED = _ESCROW_LEGS.format(
    leg="g", cents="cents", source="load_entry e JOIN load_leg g ON g.n = e.n", purpose="g.purpose",
    portfolio="e.portfolio", where="",
)  # fmt: skip
_POSTED = _ESCROW_LEGS.format(
    leg="j", cents="amount_cents",
    source=f"posting_unit u JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} "
    f"AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1 JOIN journal_line j ON j.entry_id = e.entry_id "
    "JOIN gl_account a ON a.account_id = j.account_id",
    purpose="a.purpose", portfolio="u.portfolio", where="WHERE u.kind = 'OPENING'",
)  # fmt: skip


def load_escrow(loading: Loading, staged: Staged | None) -> None:
    """Post the difference to each told escrow balance, then let the balances follow the planned postings."""
    if staged is not None and staged.sheet.has("escrow_balance"):
        _plan_escrow(loading, staged)
    if not loading.sql("SELECT COUNT(*) FROM charge WHERE type = 'E'").scalar_one():
        return
    loading.sql(
        f"INSERT INTO escrow_balance (lease, charge, balance_cents) SELECT p.lease, p.code, p.cents FROM ({_PLANNED}) p "
        "WHERE p.cents <> 0 ON CONFLICT (lease, charge) DO UPDATE SET "
        "balance_cents = escrow_balance.balance_cents + excluded.balance_cents"
    )


def _plan_escrow(loading: Loading, staged: Staged) -> None:
    rows = loading.sql("SELECT portfolio, code FROM charge WHERE type = 'E' AND used = 'Y'").all()
    by_number = sorted(rows, key=lambda r: (recurring_number(r[1]) or 99, r[1]), reverse=True)
    lowest: dict[str, str] = {portfolio: code for portfolio, code in by_number}  # noqa: C416 - the lowest wins
    told = loading.sql(
        "SELECT s.row_no, s.lease, s.portfolio, s.escrow_cents, COALESCE(d.cents, 0) FROM load_leases s LEFT JOIN "
        f"(SELECT x.lease, SUM(x.cents) AS cents FROM ({_PLANNED} UNION ALL {_POSTED}) x GROUP BY x.lease) d "
        "ON d.lease = s.lease WHERE s.escrow_cents IS NOT NULL ORDER BY s.row_no"
    ).all()
    differing = [(row, p, cents - int(so_far)) for row, _, p, cents, so_far in told if cents != so_far]
    loading.refuse(
        staged,
        [
            Bad(row, "escrow_balance", f"a balance in portfolio {p} without a used charge of type E", "such a charge",
                "load it in charges.csv")
            for row, p, _ in differing
            if p not in lowest
        ],
    )  # fmt: skip
    count_changed(loading, staged, [row for row, _, _ in differing])
    loading.db.scratch(loading.connection, "load_escrow", "row_no BIGINT PRIMARY KEY, code TEXT, delta BIGINT")
    loading.many(
        "INSERT INTO load_escrow (row_no, code, delta) VALUES (:row, :code, :delta)",
        [{"row": row, "code": lowest[p], "delta": delta} for row, p, delta in differing if p in lowest],
    )
    loading.sql(
        "INSERT INTO load_entry (n, portfolio, office_id, lease, txn, reason, effective_date, origin, origin_row) "
        "SELECT :first + ROW_NUMBER() OVER (ORDER BY d.row_no), s.portfolio, s.office_id, s.lease, d.code, :open, "
        "p.business_date, 'escrow', d.row_no FROM load_escrow d JOIN load_leases s ON s.row_no = d.row_no "
        "JOIN portfolio p ON p.portfolio = s.portfolio",
        first=base(loading),
        open=OPEN,
    )
    for line, purpose, up, down in ((1, f"'{OPENING_BALANCE}'", "D", "C"), (2, "c.income_purpose", "C", "D")):
        loading.sql(
            f"INSERT INTO load_leg (n, line, purpose, side, cents) SELECT e.n, {line}, {purpose}, "
            f"CASE WHEN d.delta > 0 THEN '{up}' ELSE '{down}' END, ABS(d.delta) FROM load_entry e "
            "JOIN load_escrow d ON d.row_no = e.origin_row JOIN charge c ON c.portfolio = e.portfolio AND c.code = d.code "
            "WHERE e.origin = 'escrow'"
        )


_FIGURES = """
SELECT s.row_no, s.office_id, o.portfolio, s.purpose, s.side, s.opening_balance, p.business_date,
    COALESCE(d.net, 0), CASE WHEN EXISTS (SELECT 1 FROM charge c WHERE c.portfolio = o.portfolio AND c.type = 'E'
    AND c.income_purpose = s.purpose) THEN 1 ELSE 0 END
FROM load_gl_accounts s JOIN office o ON o.office_id = s.office_id JOIN portfolio p ON p.portfolio = o.portfolio
LEFT JOIN (
    SELECT office_id, purpose, SUM(net) AS net FROM (
        SELECT a.office_id, a.purpose, t.debit_cents - t.credit_cents AS net FROM posting_unit u
        JOIN unit_total t ON t.unit_id = u.unit_id JOIN gl_account a ON a.account_id = t.account_id
        WHERE u.kind = 'OPENING'
        UNION ALL
        SELECT e.office_id, g.purpose, CASE g.side WHEN 'D' THEN g.cents ELSE -g.cents END
        FROM load_entry e JOIN load_leg g ON g.n = e.n
    ) x GROUP BY office_id, purpose
) d ON d.office_id = s.office_id AND d.purpose = s.purpose
WHERE s.opening_balance IS NOT NULL {condition} ORDER BY s.row_no
"""


def _has_details(purpose: str) -> bool:
    return purpose.startswith(RECEIVABLE_PREFIX) or purpose in (
        LEASE_PAYMENTS_RECEIVABLE, ASSESSED_FEES, ACCOUNTS_PAYABLE, SUSPENSE, REVERSAL_SUSPENSE,
    )  # fmt: skip


def load_accounts(loading: Loading, staged: Staged) -> None:
    """Post the difference of each told opening balance against OPENING BALANCE, which itself must then agree."""
    if not staged.sheet.has("opening_balance"):
        return
    rows = loading.sql(_FIGURES.format(condition="AND s.purpose <> :own"), own=OPENING_BALANCE).all()
    bad, number = [], base(loading)
    entries, legs = [], []
    for row, office_id, portfolio, purpose, side, told, on, net, escrow in rows:
        figure = int(net) if side == "D" else -int(net)
        delta = told - figure
        if delta == 0:
            continue
        if escrow or _has_details(purpose):
            bad.append(_differs(row, told, figure))
            continue
        number += 1
        own, other = (side, "C" if side == "D" else "D") if delta > 0 else ("C" if side == "D" else "D", side)
        entries.append({"n": number, "p": portfolio, "o": office_id, "on": on, "row": row})
        legs.append({"n": number, "line": 1, "purpose": purpose, "side": own, "cents": abs(delta)})
        legs.append({"n": number, "line": 2, "purpose": OPENING_BALANCE, "side": other, "cents": abs(delta)})
    loading.many(
        "INSERT INTO load_entry (n, portfolio, office_id, txn, reason, effective_date, origin, origin_row) "
        f"VALUES (:n, :p, :o, 'OPEN', '{OPEN}', :on, 'gl_accounts', :row)",
        entries,
    )
    loading.many(
        "INSERT INTO load_leg (n, line, purpose, side, cents) VALUES (:n, :line, :purpose, :side, :cents)", legs
    )
    for row, _, _, _, side, told, _, net, _ in loading.sql(
        _FIGURES.format(condition="AND s.purpose = :own"), own=OPENING_BALANCE
    ).all():
        figure = int(net) if side == "D" else -int(net)
        if told != figure:
            bad.append(_differs(row, told, figure))
    count_changed(loading, staged, [entry["row"] for entry in entries])
    loading.refuse(staged, sorted(bad))


def _differs(row: int, told: int, figure: int) -> Bad:
    return Bad(
        row, "opening_balance", from_cents(told), f"{from_cents(figure)}, the sum of its loaded details",
        "correct the figure or load what is missing",
    )  # fmt: skip
