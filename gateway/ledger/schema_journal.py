"""Tables of the journal, of payments and suspense, of numbers given out, and of End of Period."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.ledger.schema_base import CHANGED_AT_ONCE, Id, metadata, money, words

# --- journal -------------------------------------------------------------------------------------------------

unit_guard = Table("unit_guard", metadata, Column("open", Integer, primary_key=True))
"""Always empty: an open unit points into it by a deferred foreign key, so it cannot commit."""

posting_unit = Table(
    "posting_unit",
    metadata,
    Column("unit_id", Id, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    words("business_date", nullable=False),
    # FILE a file; MODULE an End of Period module; OPERATOR a person's action; OPENING loaded history
    Column("kind", Text, CheckConstraint("kind IN ('FILE','MODULE','OPERATOR','OPENING')"), nullable=False),
    words("update_name", nullable=False),  # U0418, U0422, LOAD, …
    words("operator", nullable=False),
    words("reason"),
    Column("file_id", Id, ForeignKey("inbound_file.file_id")),
    words("posted_at", nullable=False),
    Column("state", Text, CheckConstraint("state IN ('OPEN','CLOSED')"), nullable=False),
    Column("entries", BigInteger, nullable=False),
    money("amount_cents"),  # sum of the debits
    words("previous_digest"),  # of the portfolio's unit before; '' for the first
    words("digest"),  # hex SHA-256
    # 1 while OPEN, NULL when CLOSED: see unit_guard
    Column(
        "open_guard",
        Integer,
        ForeignKey("unit_guard.open", deferrable=True, initially="DEFERRED"),
    ),
    Index("ix_posting_unit_portfolio", "portfolio", "unit_id"),
    Index("ix_posting_unit_file_id", "file_id"),
    sqlite_autoincrement=True,
)

journal_entry = Table(
    "journal_entry",
    metadata,
    Column("entry_id", Id, primary_key=True, autoincrement=False),
    Column("office_id", Id, nullable=False),
    words("lease"),
    words("invoice"),
    words("asset"),
    words("txn", nullable=False),  # transaction code: the charge code, PYMT, REVL, SUSP, …
    words("reason"),
    words("effective_date", nullable=False),
    Column("source_line", Integer),  # line of the unit's file
    Column("corrects", Id),  # the entry this one reverses or corrects
    Index("ix_journal_entry_lease", "lease"),
)

journal_line = Table(
    "journal_line",
    metadata,
    Column("entry_id", Id, primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("account_id", Id, nullable=False),
    Column("side", Text, CheckConstraint("side IN ('D','C')"), nullable=False),
    Column("amount_cents", BigInteger, CheckConstraint("amount_cents > 0"), nullable=False),
    sqlite_with_rowid=False,
)

unit_total = Table(
    "unit_total",
    metadata,
    Column("unit_id", Id, ForeignKey("posting_unit.unit_id"), primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("gl_account.account_id"), primary_key=True, autoincrement=False),
    money("debit_cents"),
    money("credit_cents"),
    sqlite_with_rowid=False,
)

# --- payments and suspense -----------------------------------------------------------------------------------

payment_batch = Table(
    "payment_batch",
    metadata,
    Column("batch", Text, primary_key=True),  # 20 digits
    Column("portfolio", Text, nullable=False),
    words("check_no"),
    words("operator", nullable=False),
    words("effective_date", nullable=False),
    words("effective_time", nullable=False),  # HH:MM:SS, orders batches of one day
    words("cash_account", nullable=False),  # '125'..'144' or 'CLR'
    words("origination"),
    words("note"),
    money("amount_cents"),
    Column("state", Text, CheckConstraint("state IN ('LIVE','REVERSED')"), nullable=False),
    words("exported_in"),  # Xsellerator: exporting closes the batch
    Column("unit_id", Id, nullable=False),
    Column("file_id", Id),
    Index("ix_payment_batch_file_id", "file_id"),
    **CHANGED_AT_ONCE,
)

payment_line = Table(
    "payment_line",
    metadata,
    Column("batch", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    words("lease"),
    words("invoice"),  # NULL when it went to suspense; 'DEF FEE' for a deferral fee received as cash
    words("charge"),
    Column("asset", Text, nullable=False, server_default=""),
    money("amount_cents"),
    Column("state", Text, CheckConstraint("state IN ('APPLIED','REVERSED')"), nullable=False),
    Column("suspense_item", Id),
    Column("entry_id", Id, nullable=False),
    Column("reversed_by", Id),
    Column("source_line", Integer),
    Index("ix_payment_line_lease", "lease"),
    Index("ix_payment_line_invoice", "invoice"),
    Index("ix_payment_line_entry_id", "entry_id"),
    **CHANGED_AT_ONCE,
)

suspense_item = Table(
    "suspense_item",
    metadata,
    Column("item", Id, primary_key=True),
    Column("office_id", Id, nullable=False),
    Column("portfolio", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('SUSPENSE','REVERSAL')"), nullable=False),
    words("lease"),  # as received, even when it names no lease we know
    words("invoice"),
    money("amount_cents"),
    money("remaining_cents"),
    words("reason", nullable=False),
    words("batch"),
    words("check_no"),
    words("opened_on", nullable=False),
    words("closed_on"),
    Column("unit_id", Id, nullable=False),
    Column("entry_id", Id, nullable=False),
    Column("file_id", Id),
    Column("line_no", Integer),
    CheckConstraint("remaining_cents >= 0 AND remaining_cents <= amount_cents", name="remaining_within_amount"),
    Index("ix_suspense_item_lease", "lease"),
    Index("ix_suspense_item_batch", "batch"),
    sqlite_autoincrement=True,
)

suspense_move = Table(
    "suspense_move",
    metadata,
    # What people did with an item, in order: a note, or money and the entry that moved it. Never changed. A charge
    # line paid is a row of its own. What files do to an item (a reversal that takes it back) is in the journal alone.
    Column("item", Id, ForeignKey("suspense_item.item"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1
    Column(
        "kind",
        Text,
        CheckConstraint("kind IN ('NOTE','APPLY','PAY','REFUND','CLEAR','ADD','CHANGE','UNDO')"),
        nullable=False,
    ),
    money("cents"),  # what the remainder changes by: below zero when money leaves the item
    words("text", nullable=False),  # the note, or the reason
    words("operator", nullable=False),
    words("at", nullable=False),
    Column("unit_id", Id, ForeignKey("posting_unit.unit_id")),
    Column("entry_id", Id),  # in the item's office
    Column("far_entry_id", Id),  # in the office of the invoice, where that is another
    words("lease"),
    words("invoice"),
    words("charge"),
    words("asset"),
    words("bank"),  # the check paid out, or (Reversal Suspense) received
    words("check_no"),
    Column("account_id", Id),  # the account cleared or added against
    Column("undoes", Integer),  # the number of the move that this one takes back
    UniqueConstraint("item", "undoes"),
    Index("ix_suspense_move_invoice", "invoice"),
    Index("ix_suspense_move_check_no", "check_no"),
)

# --- numbers -------------------------------------------------------------------------------------------------

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),  # 'invoice', 'payment-session', 'trace:09100001', 'modifier:…'
    Column("next", BigInteger, nullable=False),
    words("noted_on"),  # business date of the last use, where a number may come round again
)

# --- End of Period -------------------------------------------------------------------------------------------

eop_run = Table(
    "eop_run",
    metadata,
    Column("run_id", Id, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    words("business_date", nullable=False),
    words("state", nullable=False),  # RUNNING DONE HALTED FAILED
    words("operator", nullable=False),
    words("started_at", nullable=False),
    words("ended_at"),
    UniqueConstraint("portfolio", "business_date"),
)
eop_module = Table(
    "eop_module",
    metadata,
    Column("run_id", Id, ForeignKey("eop_run.run_id"), primary_key=True),
    Column("module", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    words("state", nullable=False),  # gateway/period/states.py
    words("message"),
    Column("unit_id", Id, ForeignKey("posting_unit.unit_id")),
    words("started_at"),
    words("ended_at"),
)

JOURNAL_TABLES = ("journal_entry", "journal_line", "unit_total")
"""Tables in which a row, once written, never changes and never goes."""
