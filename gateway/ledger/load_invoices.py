"""Loaded invoices: receivables and their opening entries; a changed amount posts a correcting entry.

What was loaded before is read from the journal, not from the receivable, because an assessment may have been billed
onto the same charge line since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.ledger import waivers
from gateway.ledger.chart import ASSESSED_FEES, OPENING_BALANCE, RENT
from gateway.ledger.load_entries import CORRECTION, OPEN, base
from gateway.ledger.load_stage import Bad, Counts, Loading, Staged
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.typed import assess_command, unwaive_command, waive_command
from gateway.ledger.waivers import Waiver
from gateway.money import from_cents

_FROM = """
FROM load_invoices s JOIN lease l ON l.lease = s.lease
LEFT JOIN charge c ON c.portfolio = l.portfolio AND c.code = s.charge
LEFT JOIN receivable r ON r.invoice = s.invoice AND r.charge = s.charge AND r.asset = s.asset
"""


def load(loading: Loading, staged: Staged) -> None:
    _check(loading, staged)
    _find_changes(loading, staged)
    _count(loading)
    loading.sql(
        "INSERT INTO invoice (invoice, lease, due_date, source) "
        "SELECT DISTINCT invoice, lease, due_date, 'LOAD' FROM load_invoices WHERE true "
        "ON CONFLICT (invoice) DO UPDATE SET due_date = excluded.due_date"
    )
    loading.sql(
        "INSERT INTO receivable (invoice, charge, asset, position, billed_cents, paid_cents) "
        "SELECT s.invoice, s.charge, s.asset, COALESCE(m.last, 0) "
        "+ ROW_NUMBER() OVER (PARTITION BY s.invoice ORDER BY s.row_no), s.amount_cents, 0 "
        "FROM load_change ch JOIN load_invoices s ON s.row_no = ch.row_no "
        "LEFT JOIN (SELECT x.invoice, MAX(x.position) AS last FROM receivable x WHERE x.invoice IN "
        "(SELECT invoice FROM load_invoices) GROUP BY x.invoice) m ON m.invoice = s.invoice WHERE ch.fresh = 1"
    )
    loading.sql(
        "UPDATE receivable SET billed_cents = billed_cents + d.delta FROM (SELECT s.invoice, s.charge, s.asset, "
        "ch.delta FROM load_change ch JOIN load_invoices s ON s.row_no = ch.row_no WHERE ch.fresh = 0) d "
        "WHERE receivable.invoice = d.invoice AND receivable.charge = d.charge AND receivable.asset = d.asset"
    )
    _plan(loading)
    _advance_counter(loading)


def _check(loading: Loading, staged: Staged) -> None:
    rows = loading.sql(
        f"SELECT s.row_no, s.charge, l.portfolio, c.code {_FROM} WHERE c.code IS NULL OR c.used = 'N' ORDER BY s.row_no"
    ).all()
    if "charge" in loading.unread:
        loading.take_out(staged, {row for row, _, _, known in rows if not known})
        rows = [row for row in rows if row[3]]
    loading.refuse(
        staged,
        [
            Bad(row, "charge", f"charge {charge}" + (", which is not used" if known else ""),
                f"a charge that portfolio {portfolio} uses", "correct it, or load it in charges.csv")
            for row, charge, portfolio, known in rows
        ],
    )  # fmt: skip
    rows = loading.sql(
        "SELECT s.row_no, s.asset, a.lease, s.lease FROM load_invoices s JOIN asset a ON a.asset = s.asset "
        "WHERE a.lease IS DISTINCT FROM s.lease ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(row, "asset", f"asset {asset} on {'lease ' + on if on else 'no lease'}", f"one on lease {lease}", "correct it")
            for row, asset, on, lease in rows
        ],
    )  # fmt: skip
    rows = loading.sql(
        "SELECT s.row_no, s.lease, s.due_date, COALESCE(i.lease, f.lease), COALESCE(CASE WHEN i.lease = f.lease THEN NULL "
        "ELSE i.due_date END, f.due_date), CASE WHEN i.lease IS NULL THEN 0 ELSE 1 END FROM load_invoices s "
        "JOIN (SELECT invoice, MIN(row_no) AS row_no FROM load_invoices GROUP BY invoice) m ON m.invoice = s.invoice "
        "JOIN load_invoices f ON f.row_no = m.row_no LEFT JOIN invoice i ON i.invoice = s.invoice "
        "WHERE s.lease <> f.lease OR s.due_date <> f.due_date OR i.lease <> s.lease ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(row, "invoice", f"lease {lease} due {due}", f"lease {own} due {own_due}, as {'loaded' if old else 'its first row'}",
                "make the rows of the invoice agree")
            for row, lease, due, own, own_due, old in rows
        ],
    )  # fmt: skip


def _find_changes(loading: Loading, staged: Staged) -> None:
    """``load_change``: rows that bring or change money, with the difference and the entry they correct."""
    loading.db.scratch(
        loading.connection, "load_change", "row_no BIGINT PRIMARY KEY, fresh BIGINT, delta BIGINT, corrects BIGINT"
    )
    loading.sql(
        f"INSERT INTO load_change (row_no, fresh, delta) SELECT s.row_no, 1, s.amount_cents {_FROM} WHERE r.charge IS NULL"
    )
    differing = loading.sql(
        "SELECT s.row_no, s.lease, s.invoice, s.charge, s.asset, s.amount_cents, r.billed_cents, r.paid_cents, x.loaded, x.entry_id "
        f"{_FROM} LEFT JOIN (SELECT e.lease, e.invoice, e.txn, COALESCE(e.asset, '') AS asset, MIN(e.entry_id) AS entry_id, "
        "SUM(CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END) AS loaded FROM load_invoices y "
        "JOIN receivable z ON z.invoice = y.invoice AND z.charge = y.charge AND z.asset = y.asset "
        "AND z.billed_cents <> y.amount_cents "
        "JOIN journal_entry e ON e.lease = y.lease AND e.invoice = y.invoice AND e.txn = y.charge "
        "AND COALESCE(e.asset, '') = y.asset AND e.reason IN (:open, :correction) "
        f"JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT} AND u.kind = 'OPENING' "
        "JOIN journal_line j ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id "
        "JOIN charge k ON k.code = y.charge AND k.receivable_purpose = a.purpose AND k.portfolio = u.portfolio "
        "GROUP BY e.lease, e.invoice, e.txn, COALESCE(e.asset, '')) x "
        "ON x.invoice = s.invoice AND x.txn = s.charge AND x.asset = s.asset "
        "WHERE r.billed_cents <> s.amount_cents AND (x.loaded IS NULL OR x.loaded <> s.amount_cents) ORDER BY s.row_no",
        open=OPEN,
        correction=CORRECTION,
    ).all()
    waived = waivers.by_line(loading.connection) if differing else {}
    bad, changes = [], []
    for row in differing:
        why_not = _unchangeable(row, waived.get((row.invoice, row.charge, row.asset), []))
        if why_not is not None:
            bad.append(why_not)
        elif row.loaded is not None:
            changes.append({"row": row.row_no, "delta": row.amount_cents - int(row.loaded), "entry": row.entry_id})
    loading.refuse(staged, bad)
    loading.many("INSERT INTO load_change (row_no, fresh, delta, corrects) VALUES (:row, 0, :delta, :entry)", changes)


def _unchangeable(row: Any, waived: Sequence[Waiver]) -> Bad | None:
    """Why a charge line does not take the amount of a row. What was billed stays that for the file when some of it was
    ``waived``: only we know of that."""
    amount, billed, gone = row.amount_cents, row.billed_cents, sum(one.amount_cents for one in waived)
    undo = " and ".join(unwaive_command(one.unit) for one in reversed(waived))
    if row.loaded is None:
        if amount == billed + gone:
            return None
        instead = f"leave it, or take back what was waived: {undo}" if waived else _by_hand(row) or "leave it"
        return _bad(row, f"the {from_cents(billed + gone)} billed by the gateway", instead)
    loaded = int(row.loaded)
    if row.paid_cents:
        by_hand = _by_hand(row) if loaded == billed else None
        instead = f"leave it, or {by_hand}" if by_hand else "leave it"
        return _bad(row, f"the {from_cents(loaded)} loaded before, because it is paid", instead)
    if billed + amount - loaded < 0:
        return _bad(
            row,
            f"at least {from_cents(loaded - billed)}, because that much of it was waived",
            f"take that back first: {undo}",
        )
    return None


def _by_hand(row: Any) -> str | None:
    """The command that makes a charge line what the row says; None where there is none."""
    more = row.amount_cents - row.billed_cents
    if row.charge == RENT or row.amount_cents < row.paid_cents:
        return None
    if more < 0:
        return waive_command(row.invoice, row.charge, -more, row.asset)
    return assess_command(row.charge, more, lease=row.lease, asset=row.asset, to=f"--invoice {row.invoice}")


def _bad(row: Any, expected: str, action: str) -> Bad:
    return Bad(row.row_no, "amount", from_cents(row.amount_cents), expected, action)


def _count(loading: Loading) -> None:
    """Before the tables change: how many rows are new, changed, the same."""
    total, fresh, changed = loading.sql(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN ch.fresh = 1 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN ch.fresh = 0 "
        "OR (ch.fresh IS NULL AND i.due_date <> s.due_date) THEN 1 ELSE 0 END), 0) FROM load_invoices s "
        "LEFT JOIN load_change ch ON ch.row_no = s.row_no LEFT JOIN invoice i ON i.invoice = s.invoice"
    ).one()
    loading.counts["invoices"] = Counts(int(fresh), int(changed), total - int(fresh) - int(changed))


def _plan(loading: Loading) -> None:
    first = base(loading)
    loading.sql(
        "INSERT INTO load_entry (n, portfolio, office_id, lease, invoice, asset, txn, reason, effective_date, corrects, "
        "origin, origin_row) SELECT :first + ROW_NUMBER() OVER (ORDER BY s.row_no), l.portfolio, l.office_id, s.lease, "
        "s.invoice, s.asset, s.charge, CASE ch.fresh WHEN 1 THEN :open ELSE :correction END, s.due_date, ch.corrects, "
        "'invoices', s.row_no FROM load_change ch JOIN load_invoices s ON s.row_no = ch.row_no "
        "JOIN lease l ON l.lease = s.lease WHERE ch.delta <> 0",
        first=first,
        open=OPEN,
        correction=CORRECTION,
    )
    for line, purpose, up, down in (
        (1, "c.receivable_purpose", "D", "C"),
        (2, f"CASE c.basis WHEN 'A' THEN '{OPENING_BALANCE}' ELSE '{ASSESSED_FEES}' END", "C", "D"),
    ):
        loading.sql(
            f"INSERT INTO load_leg (n, line, purpose, side, cents) SELECT e.n, {line}, {purpose}, "
            f"CASE WHEN ch.delta > 0 THEN '{up}' ELSE '{down}' END, ABS(ch.delta) FROM load_entry e "
            "JOIN load_change ch ON ch.row_no = e.origin_row JOIN charge c ON c.portfolio = e.portfolio AND c.code = e.txn "
            "WHERE e.origin = 'invoices'"
        )


def _advance_counter(loading: Loading) -> None:
    """Invoice numbers the gateway gives are ahead of every loaded one."""
    loading.sql(
        "INSERT INTO counter (name, next) SELECT 'invoice', MAX(CAST(invoice AS BIGINT)) + 1 FROM (SELECT invoice "
        "FROM load_invoices WHERE LTRIM(invoice, '0123456789') = '') numeric_ones HAVING MAX(invoice) IS NOT NULL "
        "ON CONFLICT (name) DO UPDATE SET next = CASE WHEN excluded.next > counter.next THEN excluded.next "
        "ELSE counter.next END"
    )
