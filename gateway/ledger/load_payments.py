"""Loaded payments: batches and lines with the ordinary payment legs.

A line without ``charge`` pays the charges of its invoice by the hierarchy; when it pays several, its first part keeps
the line's number and the others are numbered from 10,001, so that a line of the file is found again when it is loaded
again (``source_line`` of every part). A changed line is taken back by a swapped entry and posted anew; it is refused
once the batch was reversed, re-applied or exported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, MetaData, Table

from gateway.ledger.chart import ASSESSED_FEES, CLEARING, CLEARING_ACCOUNT, RENT, charge_purposes
from gateway.ledger.hierarchy import OpenCharge, allocate
from gateway.ledger.load_entries import base
from gateway.ledger.load_kinds import DEFERRAL_FEE
from gateway.ledger.load_stage import Bad, Counts, Loading, Staged
from gateway.ledger.payments import hold_batch_numbers
from gateway.money import from_cents

TAKEN_BACK = "BACK"
"""Reason of the entry that takes back what a changed line posted before."""

DEFERRAL_CHARGE = "PEXT"
FIRST_PART = 10_001
_PARTS = Table("load_part", MetaData(), *map(Column, ("row_no", "part", "line", "charge", "asset", "cents")))
_CASH = f"CASE s.bank WHEN '{CLEARING_ACCOUNT}' THEN '{CLEARING}' ELSE 'CASH ' || s.bank END"  # as chart.cash_purpose


def load(loading: Loading, staged: Staged) -> None:
    hold_batch_numbers(loading.db, loading.connection)
    _check_batches(loading, staged)
    _check_targets(loading, staged)
    _find_changes(loading, staged)
    _take_back(loading)
    _allocate(loading, staged)
    _count(loading)
    _plan(loading)
    loading.sql(
        "UPDATE receivable SET paid_cents = paid_cents + d.cents FROM (SELECT s.invoice, p.charge, p.asset, "
        "CAST(SUM(p.cents) AS BIGINT) AS cents FROM load_part p JOIN load_payments s ON s.row_no = p.row_no "
        f"WHERE s.invoice <> '{DEFERRAL_FEE}' GROUP BY s.invoice, p.charge, p.asset) d "
        "WHERE receivable.invoice = d.invoice AND receivable.charge = d.charge AND receivable.asset = d.asset"
    )


def _check_batches(loading: Loading, staged: Staged) -> None:
    """Rows of a batch agree with its first row, are of one portfolio, and the batch is not the gateway's own."""
    shared = ("check_no", "operator", "effective_date", "effective_time", "bank", "origination")
    differs = " OR ".join(f"s.{c} IS DISTINCT FROM f.{c}" for c in shared)
    rows = loading.sql(
        "SELECT s.row_no, s.batch, f.row_no FROM load_payments s JOIN lease l ON l.lease = s.lease JOIN (SELECT batch, "
        "MIN(row_no) AS row_no FROM load_payments GROUP BY batch) m ON m.batch = s.batch "
        "JOIN load_payments f ON f.row_no = m.row_no JOIN lease fl ON fl.lease = f.lease "
        f"WHERE {differs} OR l.portfolio <> fl.portfolio ORDER BY s.row_no"
    )
    expected = "check, operator, effective date and time, bank, origination and portfolio of its row {}"
    loading.refuse(
        staged,
        [
            Bad(row, "batch", f"batch {batch} with other values", expected.format(first), "make the rows agree")
            for row, batch, first in rows
        ],
    )
    rows = loading.sql(
        "SELECT s.row_no, s.batch FROM load_payments s JOIN payment_batch b ON b.batch = s.batch "
        "JOIN posting_unit u ON u.unit_id = b.unit_id WHERE u.kind <> 'OPENING' OR ((b.state <> 'LIVE' "
        "OR b.exported_in IS NOT NULL OR EXISTS (SELECT 1 FROM payment_line p WHERE p.batch = b.batch "
        "AND p.state <> 'APPLIED')) AND NOT EXISTS (SELECT 1 FROM payment_line p WHERE p.batch = s.batch "
        "AND p.source_line = s.line)) ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(
                row,
                "batch",
                f"a new line of batch {batch}, which the gateway posted, reversed or exported",
                "a loaded batch",
                "leave the row out",
            )
            for row, batch in rows
        ],
    )


def _check_targets(loading: Loading, staged: Staged) -> None:
    """The invoice exists, is the lease's, and has the charge."""
    unread = "invoice" in loading.unread
    rows = loading.sql(
        "SELECT s.row_no, s.invoice, s.lease, i.lease, CASE WHEN EXISTS (SELECT 1 FROM load_bad b WHERE b.name = 'invoice' "
        "AND b.key = s.invoice) THEN 1 ELSE 0 END FROM load_payments s LEFT JOIN invoice i ON i.invoice = s.invoice "
        f"WHERE s.invoice <> '{DEFERRAL_FEE}' AND (i.invoice IS NULL OR i.lease <> s.lease) ORDER BY s.row_no"
    ).all()
    loading.refuse(
        staged,
        [
            Bad(row, "invoice", f"invoice {invoice}" + (f" of lease {owner}" if owner else ""),
                f"an invoice of lease {lease} that is loaded", "correct or load it")
            for row, invoice, lease, owner, known_bad in rows
            if not known_bad and (owner or not unread)
        ],
    )  # fmt: skip
    loading.take_out(staged, {row for row, _, _, owner, known_bad in rows if known_bad or (unread and not owner)})
    rows = loading.sql(
        "SELECT s.row_no, s.charge, s.invoice FROM load_payments s WHERE s.charge IS NOT NULL "
        f"AND s.invoice <> '{DEFERRAL_FEE}' AND NOT EXISTS (SELECT 1 FROM receivable r WHERE r.invoice = s.invoice "
        "AND r.charge = s.charge) ORDER BY s.row_no"
    )
    loading.refuse(
        staged,
        [
            Bad(row, "charge", f"charge {charge}", f"a charge of invoice {invoice}", "correct it or leave it out")
            for row, charge, invoice in rows
        ],
    )


def _find_changes(loading: Loading, staged: Staged) -> None:
    """``load_pay``: rows to post, new or changed. Unchanged rows are left out."""
    loading.db.scratch(loading.connection, "load_pay", "row_no BIGINT PRIMARY KEY, fresh BIGINT")
    loading.sql(
        "INSERT INTO load_pay (row_no, fresh) SELECT s.row_no, 1 FROM load_payments s WHERE NOT EXISTS "
        "(SELECT 1 FROM payment_line p WHERE p.batch = s.batch AND p.source_line = s.line)"
    )
    rows = loading.sql(
        "SELECT s.row_no, s.batch, s.line, b.state, b.exported_in, o.touched FROM load_payments s "
        "JOIN payment_batch b ON b.batch = s.batch JOIN (SELECT batch, source_line, SUM(amount_cents) AS cents, "
        "MIN(lease) AS lease, MIN(invoice) AS invoice, MIN(charge) AS charge FROM payment_line "
        "WHERE source_line IS NOT NULL GROUP BY batch, source_line) p ON p.batch = s.batch AND p.source_line = s.line "
        "JOIN (SELECT batch, SUM(CASE WHEN state <> 'APPLIED' OR source_line IS NULL THEN 1 ELSE 0 END) AS touched "
        "FROM payment_line GROUP BY batch) o ON o.batch = s.batch "
        "WHERE p.cents <> s.amount_cents OR p.lease <> s.lease OR p.invoice <> s.invoice "
        f"OR (s.charge IS NOT NULL AND s.invoice <> '{DEFERRAL_FEE}' AND p.charge <> s.charge) "
        "OR b.cash_account <> s.bank OR b.effective_date <> s.effective_date ORDER BY s.row_no"
    ).all()
    bad = [
        Bad(row, "batch", f"a change of batch {batch}, line {line}", "it as loaded, because it was reversed or exported",
            "leave it")
        for row, batch, line, state, exported, touched in rows
        if state != "LIVE" or exported or touched
    ]  # fmt: skip
    loading.refuse(staged, bad)
    refused = {item.row_no for item in bad}
    loading.many(
        "INSERT INTO load_pay (row_no, fresh) VALUES (:row, 0)",
        [{"row": row[0]} for row in rows if row[0] not in refused],
    )


_OLD_PARTS = (
    "load_pay y JOIN load_payments s ON s.row_no = y.row_no JOIN payment_line p ON p.batch = s.batch "
    "AND p.source_line = s.line"
)


def _take_back(loading: Loading) -> None:
    """Swapped entries for what a changed line posted before; its parts go, they are posted anew."""
    first = base(loading)
    loading.sql(
        "INSERT INTO load_entry (n, portfolio, office_id, lease, invoice, asset, txn, reason, effective_date, corrects, "
        "origin, origin_row) SELECT :first + ROW_NUMBER() OVER (ORDER BY p.batch, p.line), b.portfolio, e.office_id, "
        "e.lease, e.invoice, e.asset, e.txn, :back, e.effective_date, e.entry_id, 'payment-back', s.row_no "
        f"FROM {_OLD_PARTS} JOIN payment_batch b ON b.batch = p.batch JOIN journal_entry e ON e.entry_id = p.entry_id",
        first=first,
        back=TAKEN_BACK,
    )
    loading.sql(
        "INSERT INTO load_leg (n, line, purpose, side, cents) SELECT e.n, j.line, a.purpose, "
        "CASE j.side WHEN 'D' THEN 'C' ELSE 'D' END, j.amount_cents FROM load_entry e "
        "JOIN journal_line j ON j.entry_id = e.corrects JOIN gl_account a ON a.account_id = j.account_id "
        "WHERE e.origin = 'payment-back'"
    )
    loading.sql(
        "UPDATE receivable SET paid_cents = paid_cents - d.cents FROM (SELECT p.invoice, p.charge, p.asset, "
        f"CAST(SUM(p.amount_cents) AS BIGINT) AS cents FROM {_OLD_PARTS} GROUP BY p.invoice, p.charge, p.asset) d "
        "WHERE receivable.invoice = d.invoice AND receivable.charge = d.charge AND receivable.asset = d.asset"
    )
    loading.sql(
        "DELETE FROM payment_line WHERE EXISTS (SELECT 1 FROM load_pay y JOIN load_payments s ON s.row_no = y.row_no "
        "WHERE s.batch = payment_line.batch AND s.line = payment_line.source_line)"
    )


def _allocate(loading: Loading, staged: Staged) -> None:
    """``load_part``: what each line pays, decided in file order with every open charge line at hand."""
    loading.db.scratch(
        loading.connection,
        _PARTS.name,
        "row_no BIGINT, part BIGINT, line BIGINT, charge TEXT, asset TEXT, cents BIGINT, PRIMARY KEY (row_no, part)",
    )
    open_lines: dict[str, list[OpenCharge]] = {}
    for invoice, *line in loading.sql(
        "SELECT r.invoice, r.charge, r.asset, r.position, r.billed_cents - r.paid_cents, c.payment_order, c.priority "
        "FROM receivable r JOIN invoice i ON i.invoice = r.invoice JOIN lease l ON l.lease = i.lease "
        "JOIN charge c ON c.portfolio = l.portfolio AND c.code = r.charge WHERE r.invoice IN (SELECT s.invoice "
        "FROM load_pay y JOIN load_payments s ON s.row_no = y.row_no) AND r.paid_cents < r.billed_cents"
    ):
        open_lines.setdefault(invoice, []).append(OpenCharge(*line))
    rows = loading.sql(
        "SELECT s.row_no, s.line, s.invoice, s.charge, s.amount_cents, s.batch FROM load_pay y "
        "JOIN load_payments s ON s.row_no = y.row_no ORDER BY s.row_no"
    ).all()
    bad: list[Bad] = []
    parts = list(_parts(rows, open_lines, bad))
    loading.db.bulk_insert(loading.connection, _PARTS, [c.name for c in _PARTS.columns], parts)
    loading.refuse(staged, bad)


def _parts(
    rows: Iterable[Sequence[Any]], open_lines: dict[str, list[OpenCharge]], bad: list[Bad]
) -> Iterable[tuple[Any, ...]]:
    further: dict[str, int] = {}
    for row, line, invoice, charge, cents, batch in rows:
        if invoice == DEFERRAL_FEE:
            yield row, 1, line, DEFERRAL_CHARGE, "", cents
            continue
        candidates = open_lines.get(invoice, [])
        parts, rest = allocate([c for c in candidates if charge in (None, c.charge)], cents)
        if rest:
            found, most = from_cents(cents), from_cents(cents - rest)
            expected = f"at most the {most} open on invoice {invoice}" + (f", {charge}" if charge else "")
            bad.append(Bad(row, "amount", found, expected, "correct it, or load the invoice's whole amount"))
            continue
        paid = {(c.charge, c.asset): part for c, part in parts}
        open_lines[invoice] = [
            OpenCharge(c.charge, c.asset, c.position, c.open_cents - paid.get((c.charge, c.asset), 0), c.payment_order, c.priority)
            for c in candidates
        ]  # fmt: skip
        for number, (c, part) in enumerate(parts, 1):
            if number > 1:
                further[batch] = further.get(batch, FIRST_PART - 1) + 1
            yield row, number, line if number == 1 else further[batch], c.charge, c.asset, part


def _count(loading: Loading) -> None:
    total, fresh, changed = loading.sql(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN y.fresh = 1 THEN 1 ELSE 0 END), 0), "
        "COALESCE(SUM(CASE WHEN y.fresh = 0 THEN 1 ELSE 0 END), 0) FROM load_payments s "
        "LEFT JOIN load_pay y ON y.row_no = s.row_no"
    ).one()
    loading.counts["payments"] = Counts(int(fresh), int(changed), total - int(fresh) - int(changed))


def _plan(loading: Loading) -> None:
    """Entries with the ordinary payment legs: cash against the receivable; on cash basis the fee becomes income."""
    first = base(loading)
    loading.sql(
        "INSERT INTO load_entry (n, portfolio, office_id, lease, invoice, asset, txn, reason, effective_date, origin, "
        "origin_row, origin_part) SELECT :first + ROW_NUMBER() OVER (ORDER BY p.row_no, p.part), l.portfolio, "
        f"l.office_id, s.lease, NULLIF(s.invoice, '{DEFERRAL_FEE}'), p.asset, :txn, NULL, s.effective_date, 'payments', "
        "p.row_no, p.part FROM load_part p JOIN load_payments s ON s.row_no = p.row_no JOIN lease l ON l.lease = s.lease",
        first=first,
        txn=RENT,
    )
    fee_income = charge_purposes(DEFERRAL_CHARGE)[1]
    is_fee = f"s.invoice = '{DEFERRAL_FEE}'"
    cash_basis = f"c.basis = 'C' AND NOT {is_fee}"
    for line, purpose, side, condition in (
        (1, _CASH, "D", "1 = 1"),
        (2, f"CASE WHEN {is_fee} THEN '{fee_income}' ELSE c.receivable_purpose END", "C", "1 = 1"),
        (3, f"'{ASSESSED_FEES}'", "D", cash_basis),
        (4, "c.income_purpose", "C", cash_basis),
    ):
        loading.sql(
            f"INSERT INTO load_leg (n, line, purpose, side, cents) SELECT e.n, {line}, {purpose}, '{side}', p.cents "
            "FROM load_entry e JOIN load_part p ON p.row_no = e.origin_row AND p.part = e.origin_part "
            "JOIN load_payments s ON s.row_no = p.row_no "
            "LEFT JOIN charge c ON c.portfolio = e.portfolio AND c.code = p.charge "
            f"WHERE e.origin = 'payments' AND {condition}"
        )


def finish(loading: Loading, units: Sequence[int]) -> None:
    """Batches and lines, now that units and entries have their numbers."""
    unit_of = (
        "(SELECT MAX(u.unit_id) FROM posting_unit u WHERE u.portfolio = l.portfolio AND u.kind = 'OPENING' "
        "AND u.unit_id >= :first)"
    )
    loading.sql(
        "INSERT INTO payment_batch (batch, portfolio, check_no, operator, effective_date, effective_time, cash_account, "
        "origination, amount_cents, state, unit_id) SELECT s.batch, l.portfolio, s.check_no, s.operator, s.effective_date, "
        f"s.effective_time, s.bank, s.origination, 0, 'LIVE', COALESCE(b.unit_id, {unit_of}) FROM load_payments s "
        "JOIN (SELECT batch, MIN(row_no) AS row_no FROM load_payments GROUP BY batch) m ON m.row_no = s.row_no "
        "JOIN lease l ON l.lease = s.lease LEFT JOIN payment_batch b ON b.batch = s.batch WHERE true "
        "ON CONFLICT (batch) DO UPDATE SET check_no = excluded.check_no, operator = excluded.operator, "
        "effective_date = excluded.effective_date, effective_time = excluded.effective_time, "
        "cash_account = excluded.cash_account, origination = excluded.origination WHERE payment_batch.exported_in IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM payment_line p WHERE p.batch = payment_batch.batch AND p.state <> 'APPLIED')",
        first=min(units, default=0),
    )
    loading.sql(
        "INSERT INTO payment_line (batch, line, lease, invoice, charge, asset, amount_cents, state, entry_id, source_line) "
        "SELECT s.batch, p.line, s.lease, s.invoice, p.charge, p.asset, p.cents, 'APPLIED', e.entry_id, s.line "
        "FROM load_part p JOIN load_payments s ON s.row_no = p.row_no JOIN load_entry e ON e.origin = 'payments' "
        "AND e.origin_row = p.row_no AND e.origin_part = p.part"
    )
    loading.sql(
        "UPDATE payment_batch SET amount_cents = d.cents FROM (SELECT p.batch, CAST(SUM(p.amount_cents) AS BIGINT) AS cents "
        "FROM payment_line p WHERE p.batch IN (SELECT s.batch FROM load_payments s JOIN load_pay y ON y.row_no = s.row_no) "
        "GROUP BY p.batch) d WHERE payment_batch.batch = d.batch"
    )
    loading.sql(
        "INSERT INTO counter (name, next) SELECT 'payment-session', MAX(CAST(SUBSTR(batch, 7, 6) AS BIGINT)) + 1 "
        "FROM load_payments WHERE SUBSTR(batch, 7, 6) >= '900001' HAVING MAX(batch) IS NOT NULL "
        "ON CONFLICT (name) DO UPDATE SET next = CASE WHEN excluded.next > counter.next THEN excluded.next "
        "ELSE counter.next END"
    )
