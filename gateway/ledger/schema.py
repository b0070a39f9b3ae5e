"""The tables, once, for SQLite and PostgreSQL: a module a room (``schema_*.py``), all of them by name from here. Migrations
in ``migrations/versions`` create exactly these.

Conventions: money is ``*_cents`` BIGINT; dates are ISO text (``2003-05-08``) and instants ISO text in UTC on both
databases, so that figures, order and digests are the same on both; identifiers of digits are text; ``flag``
columns are ``Y``/``N``. Absent text is NULL, except in keys, where an absent asset is ``''``.

The journal (``posting_unit journal_entry journal_line unit_total``) is append-only: triggers in
``guards.py`` refuse change and deletion. Daily, month-to-date and balance figures are derived from
``unit_total``, one row an account and unit, never stored.

The tables that take a row or more a line of a file (``journal_entry journal_line receivable payment_batch payment_line
suspense_item bank_check``), or a row or more an outbound record (``outbound_source outbound_claim ach_entry``), have next
to no foreign keys: a check a row costs more than the row (measured: 85 s against 28 s a million records on PostgreSQL).
What the journal points at is checked in one pass when the posting unit closes (``guards.py``), the rest by
``gateway verify``; offices, accounts and invoices cannot be deleted.
"""

from __future__ import annotations

from gateway.ledger.schema_base import ENTRIES_A_UNIT, SEALED_AS, Id, metadata
from gateway.ledger.schema_inbound import (
    inbound_file,
    line_message,
    line_sample,
    staged_assessment,
    staged_escrow,
    staged_payment,
    staged_reversal,
)
from gateway.ledger.schema_journal import (
    JOURNAL_TABLES,
    counter,
    eop_module,
    eop_run,
    journal_entry,
    journal_line,
    payment_batch,
    payment_line,
    posting_unit,
    suspense_item,
    suspense_move,
    unit_guard,
    unit_total,
)
from gateway.ledger.schema_outbound import (
    ach_answer,
    ach_entry,
    alarm,
    delivery,
    delivery_event,
    fraud_finding,
    operator_event,
    outbound_claim,
    outbound_file,
    outbound_message,
    outbound_row,
    outbound_source,
)
from gateway.ledger.schema_reference import (
    asset,
    bank_check,
    charge,
    deferred,
    depreciation,
    escrow_balance,
    gl_account,
    holiday,
    insurance,
    investor,
    invoice,
    lease,
    leveraged,
    note,
    office,
    portfolio,
    receivable,
    schedule,
    schedule_add_on,
    vendor,
    vendor_change,
)

__all__ = [
    "ENTRIES_A_UNIT",
    "JOURNAL_TABLES",
    "SEALED_AS",
    "Id",
    "ach_answer",
    "ach_entry",
    "alarm",
    "asset",
    "bank_check",
    "charge",
    "counter",
    "deferred",
    "delivery",
    "delivery_event",
    "depreciation",
    "eop_module",
    "eop_run",
    "escrow_balance",
    "fraud_finding",
    "gl_account",
    "holiday",
    "inbound_file",
    "insurance",
    "investor",
    "invoice",
    "journal_entry",
    "journal_line",
    "lease",
    "leveraged",
    "line_message",
    "line_sample",
    "metadata",
    "note",
    "office",
    "operator_event",
    "outbound_claim",
    "outbound_file",
    "outbound_message",
    "outbound_row",
    "outbound_source",
    "payment_batch",
    "payment_line",
    "portfolio",
    "posting_unit",
    "receivable",
    "schedule",
    "schedule_add_on",
    "staged_assessment",
    "staged_escrow",
    "staged_payment",
    "staged_reversal",
    "suspense_item",
    "suspense_move",
    "unit_guard",
    "unit_total",
    "vendor",
    "vendor_change",
]
