"""The tables, once, for SQLite and PostgreSQL. Migrations in ``migrations/versions`` create exactly these.

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

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")
"""An integer key; SQLite numbers only a plain INTEGER by itself."""

SEALED_AS = "sealed as"
"""In a column's ``info``: its values are encrypted (``gateway/vault.py``), sealed and opened with this name as ``field``.
A rotation of the key finds the columns by it: what is sealed with another name would stop it."""

ENTRIES_A_UNIT = 100_000_000
"""entry_id = unit_id * ENTRIES_A_UNIT + ordinal (from 1): the unit of an entry needs no column and no look-up."""


def _money(name: str, *, nullable: bool = False, default: str | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable, server_default=default)


def _text(name: str, *args: object, nullable: bool = True) -> Column[str]:
    return Column(name, Text, *args, nullable=nullable)  # type: ignore[arg-type]


# --- reference data -------------------------------------------------------------------------------------------

portfolio = Table(
    "portfolio",
    metadata,
    Column("portfolio", Text, primary_key=True),  # '1'..'99', no padding
    _text("name", nullable=False),
    _text("business_date", nullable=False),
    # OPEN: postings are taken. CLOSED: U0410 ran, files wait until U0499 opens the next business day.
    Column("period_state", Text, CheckConstraint("period_state IN ('OPEN','CLOSED')"), nullable=False),
    _text("default_office"),  # 'company/region/office'; None = the lowest
    _text("last_vendor_ach_on"),  # D-LAST-VACH-S
)

office = Table(
    "office",
    metadata,
    Column("office_id", Id, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    _text("company", nullable=False),
    _text("region", nullable=False),
    _text("office", nullable=False),
    _text("name", nullable=False),
    UniqueConstraint("portfolio", "company", "region", "office"),
)

gl_account = Table(
    "gl_account",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("office_id", Id, ForeignKey("office.office_id"), nullable=False),
    _text("vector", nullable=False),  # 3 digits, internal number
    _text("number", nullable=False),  # <= 12
    _text("name", nullable=False),  # <= 36
    Column("side", Text, CheckConstraint("side IN ('D','C')"), nullable=False),
    _text("purpose", nullable=False),  # chart.py lists them; postings name the purpose
    UniqueConstraint("office_id", "vector"),
    UniqueConstraint("office_id", "purpose"),
)

charge = Table(
    "charge",
    metadata,
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), primary_key=True),
    Column("code", Text, primary_key=True),
    _text("name", nullable=False),
    Column("type", Text, CheckConstraint("type IN ('I','P','T','E','N')"), nullable=False),
    Column("basis", Text, CheckConstraint("basis IN ('C','A')"), nullable=False),
    Column("payment_order", Integer, nullable=False),  # 0: in invoice order, after all others
    Column("priority", Text, CheckConstraint("priority IN ('Y','N')"), nullable=False),
    Column("used", Text, CheckConstraint("used IN ('Y','N')"), nullable=False),
    Column("level", Text, CheckConstraint("level IN ('lease','asset')"), nullable=False),
    Column("taxable", Text, CheckConstraint("taxable IN ('Y','N')"), nullable=False),
    _text("receivable_purpose", nullable=False),
    _text("income_purpose", nullable=False),  # the income/payable side, ASSMT INC/PAY - x
)

lease = Table(
    "lease",
    metadata,
    Column("lease", Text, primary_key=True),
    Column("office_id", Id, ForeignKey("office.office_id"), nullable=False),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    _text("lessee", nullable=False),
    _text("lessee_name", nullable=False),
    _text("status", nullable=False),
    _text("accrual_method"),
    _text("commencement"),
    _text("maturity"),
    Column("kind", Text, CheckConstraint("kind IN ('lease','loan')"), nullable=False),
    _text("control_number"),
    _text("account_number"),  # the dealer system's customer account, not a bank account
    _text("deal_number"),
    _text("location"),
    _money("normal_payment_cents", nullable=True),
    _text("next_due"),
    Column("prepaid", Text, CheckConstraint("prepaid IN ('Y','N')"), nullable=False, server_default="N"),
    Column("nsf_count", Integer, nullable=False, server_default="0"),
    Index("ix_lease_control_number", "control_number"),
)

escrow_balance = Table(
    "escrow_balance",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("charge", Text, primary_key=True),
    _money("balance_cents"),  # what the gateway owes; may go negative by a reversal, with a warning
)

asset = Table(
    "asset",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("lease", Text, ForeignKey("lease.lease")),
    _text("description", nullable=False),
    _text("vin"),
    _text("stock_number"),
    _text("year"),
    _text("make"),
    _text("model"),
    _text("status"),
)

invoice = Table(
    "invoice",
    metadata,
    Column("invoice", Text, primary_key=True),
    Column("lease", Text, ForeignKey("lease.lease"), nullable=False),
    _text("due_date", nullable=False),
    _text("source", nullable=False),  # 'LOAD' or the update that made it
    Index("ix_invoice_lease_due_date", "lease", "due_date"),
)

receivable = Table(
    "receivable",
    metadata,
    Column("invoice", Text, primary_key=True),
    Column("charge", Text, primary_key=True),
    Column("asset", Text, primary_key=True),  # '' = the lease itself
    Column("position", Integer, nullable=False),  # order on the invoice: rises, with gaps
    _money("billed_cents"),
    _money("paid_cents", default="0"),
    CheckConstraint("paid_cents >= 0 AND paid_cents <= billed_cents", name="paid_within_billed"),
    sqlite_with_rowid=False,
)

vendor = Table(
    "vendor",
    metadata,
    Column("vendor", Text, primary_key=True),
    _text("name", nullable=False),
    Column("routing_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor.routing"}),
    Column("account_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor.account"}),
    _text("account_last4", nullable=False),  # empty where the number has no more than four
    Column("account_type", Text, CheckConstraint("account_type IN ('checking','savings')"), nullable=False),
    Column("sec", Text, CheckConstraint("sec IN ('CCD','PPD','CTX')"), nullable=False),
    _text("prenote_sent"),
    _text("prenote_sent_on"),
    _text("dealer_alert"),
    _text("suspense_override_on"),
    _text("holdback"),
)

vendor_change = Table(
    "vendor_change",
    metadata,
    # A change of a vendor's bank details that a second person applies or refuses. Values are sealed JSON. The version of
    # a vendor's details is 1 and the number of its applied changes of routing, account or account type.
    Column("change_id", Id, primary_key=True),
    Column("vendor", Text, ForeignKey("vendor.vendor"), nullable=False),
    Column("origin", Text, CheckConstraint("origin IN ('OPERATOR','LOAD','NOC')"), nullable=False),
    _text("fields", nullable=False),  # names of what changes, joined by a comma
    Column("before_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor_change.before"}),
    Column("after_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor_change.after"}),
    _text("reason", nullable=False),
    Column("state", Text, CheckConstraint("state IN ('PROPOSED','APPLIED','REFUSED')"), nullable=False),
    _text("maker", nullable=False),
    _text("maker_user", nullable=False),
    _text("proposed_at", nullable=False),
    _text("checker"),
    _text("checker_user"),
    _text("decided_at"),
    _text("decision_reason"),
    Index("ix_vendor_change_vendor", "vendor"),
    sqlite_autoincrement=True,
)

bank_check = Table(
    "bank_check",
    metadata,
    Column("portfolio", Text, primary_key=True),
    Column("check_no", Text, primary_key=True),
    Column("bank", Text, primary_key=True),  # cash vector 125..144
    Column("office_id", Id, nullable=False),
    _text("type", nullable=False),  # NEWA NEWD NEWI NEWL WIRE MANL COMV ESCR; SUSP: out of suspense
    _money("amount_cents"),
    _text("disbursement_date", nullable=False),
    Column("vendor", Text, ForeignKey("vendor.vendor")),
    _text("lease"),
    _text("asset"),
    _text("reference"),
    _text("payee"),
    _text("address"),  # one line a part, joined by newline
    # NEW: not sent. RESERVED: in a file that is not released. SENT (the vendor's P). RETURNED by the bank (R): the
    # payable is open again. VOID (V).
    Column("state", Text, CheckConstraint("state IN ('NEW','RESERVED','SENT','RETURNED','VOID')"), nullable=False),
    _text("voided_on"),
    _text("printed_on"),
    Column("outbound_id", Id),
    Column("unit_id", Id),
    Column("file_id", Id),
    Column("line_no", Integer),
    Column("issue", Integer, nullable=False, server_default="1"),  # rises when a returned check is paid again
    Column("void_entry_id", Id),  # the entry by which a person voided it
    Index("ix_bank_check_state", "portfolio", "type", "state"),
    Index("ix_bank_check_lease", "lease"),
    Index("ix_bank_check_vendor", "vendor", "disbursement_date"),  # look-alikes of what is about to be paid
    sqlite_with_rowid=False,
)

# --- loaded and kept, used by billing, terminations and End of Period --------------------------------------------

schedule = Table(
    "schedule",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("term", Integer, primary_key=True),
    _text("due_date", nullable=False),
    _money("principal_cents"),
    _money("interest_cents"),
)
schedule_add_on = Table(
    "schedule_add_on",
    metadata,
    Column("lease", Text, primary_key=True),
    Column("term", Integer, primary_key=True),
    Column("code", Text, primary_key=True),
    _money("amount_cents"),
)
depreciation = Table(
    "depreciation",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("iteration", Integer, primary_key=True),
    _money("start_value_cents"),
    _money("end_value_cents"),
    Column("months", Integer, nullable=False),
    _text("start_on", nullable=False),
    _text("ended_on"),
    _money("accumulated_cents", nullable=True),
)
leveraged = Table(
    "leveraged",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("due_date", Text, primary_key=True),
    _text("bank", nullable=False),
    _money("principal_cents"),
    _money("interest_cents"),
    _text("active", nullable=False),
)
deferred = Table(
    "deferred",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("code", Text, primary_key=True),
    _money("total_cents"),
    _text("start_month", nullable=False),
    Column("months", Integer, nullable=False),
    _text("deferred_account", nullable=False),
    _text("revenue_account", nullable=False),
)
insurance = Table(
    "insurance",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("policy", Text, primary_key=True),
    _text("expires_on"),
    _text("status", nullable=False),
    _text("required", nullable=False),
)
note = Table(
    "note",
    metadata,
    Column("note", Text, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    _money("principal_cents"),
    _text("rate", nullable=False),  # decimal text, percent a year
    _text("next_accrual_on", nullable=False),
)
investor = Table(
    "investor",
    metadata,
    Column("investor", Text, primary_key=True),
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    _text("name", nullable=False),
    _text("share", nullable=False),  # decimal text, percent
    _text("due_on", nullable=False),
    _money("amount_cents"),
)
holiday = Table(
    "holiday",
    metadata,
    Column("calendar", Text, primary_key=True),
    Column("date", Text, primary_key=True),
    _text("name", nullable=False),
)

# --- journal ----------------------------------------------------------------------------------------------------

unit_guard = Table("unit_guard", metadata, Column("open", Integer, primary_key=True))
"""Always empty: an open unit points into it by a deferred foreign key, so it cannot commit."""

posting_unit = Table(
    "posting_unit",
    metadata,
    Column("unit_id", Id, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    _text("business_date", nullable=False),
    # FILE a file; MODULE an End of Period module; OPERATOR a person's action; OPENING loaded history
    Column("kind", Text, CheckConstraint("kind IN ('FILE','MODULE','OPERATOR','OPENING')"), nullable=False),
    _text("update_name", nullable=False),  # U0418, U0422, LOAD, …
    _text("operator", nullable=False),
    _text("reason"),
    Column("file_id", Id, ForeignKey("inbound_file.file_id")),
    _text("posted_at", nullable=False),
    Column("state", Text, CheckConstraint("state IN ('OPEN','CLOSED')"), nullable=False),
    Column("entries", BigInteger, nullable=False),
    _money("amount_cents"),  # sum of the debits
    _text("previous_digest"),  # of the portfolio's unit before; '' for the first
    _text("digest"),  # hex SHA-256
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
    _text("lease"),
    _text("invoice"),
    _text("asset"),
    _text("txn", nullable=False),  # transaction code: the charge code, PYMT, REVL, SUSP, …
    _text("reason"),
    _text("effective_date", nullable=False),
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
    _money("debit_cents"),
    _money("credit_cents"),
    sqlite_with_rowid=False,
)

# --- payments and suspense --------------------------------------------------------------------------------------

payment_batch = Table(
    "payment_batch",
    metadata,
    Column("batch", Text, primary_key=True),  # 20 digits
    Column("portfolio", Text, nullable=False),
    _text("check_no"),
    _text("operator", nullable=False),
    _text("effective_date", nullable=False),
    _text("effective_time", nullable=False),  # HH:MM:SS, orders batches of one day
    _text("cash_account", nullable=False),  # '125'..'144' or 'CLR'
    _text("origination"),
    _text("note"),
    _money("amount_cents"),
    Column("state", Text, CheckConstraint("state IN ('LIVE','REVERSED')"), nullable=False),
    _text("exported_in"),  # Xsellerator: exporting closes the batch
    Column("unit_id", Id, nullable=False),
    Column("file_id", Id),
    Index("ix_payment_batch_file_id", "file_id"),
)

payment_line = Table(
    "payment_line",
    metadata,
    Column("batch", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    _text("lease"),
    _text("invoice"),  # NULL when it went to suspense; 'DEF FEE' for a deferral fee received as cash
    _text("charge"),
    Column("asset", Text, nullable=False, server_default=""),
    _money("amount_cents"),
    Column("state", Text, CheckConstraint("state IN ('APPLIED','REVERSED')"), nullable=False),
    Column("suspense_item", Id),
    Column("entry_id", Id, nullable=False),
    Column("reversed_by", Id),
    Column("source_line", Integer),
    Index("ix_payment_line_lease", "lease"),
    Index("ix_payment_line_invoice", "invoice"),
    Index("ix_payment_line_entry_id", "entry_id"),
)

suspense_item = Table(
    "suspense_item",
    metadata,
    Column("item", Id, primary_key=True),
    Column("office_id", Id, nullable=False),
    Column("portfolio", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('SUSPENSE','REVERSAL')"), nullable=False),
    _text("lease"),  # as received, even when it names no lease we know
    _text("invoice"),
    _money("amount_cents"),
    _money("remaining_cents"),
    _text("reason", nullable=False),
    _text("batch"),
    _text("check_no"),
    _text("opened_on", nullable=False),
    _text("closed_on"),
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
    _money("cents"),  # what the remainder changes by: below zero when money leaves the item
    _text("text", nullable=False),  # the note, or the reason
    _text("operator", nullable=False),
    _text("at", nullable=False),
    Column("unit_id", Id, ForeignKey("posting_unit.unit_id")),
    Column("entry_id", Id),  # in the item's office
    Column("far_entry_id", Id),  # in the office of the invoice, where that is another
    _text("lease"),
    _text("invoice"),
    _text("charge"),
    _text("asset"),
    _text("bank"),  # the check paid out, or (Reversal Suspense) received
    _text("check_no"),
    Column("account_id", Id),  # the account cleared or added against
    Column("undoes", Integer),  # the number of the move that this one takes back
    UniqueConstraint("item", "undoes"),
    Index("ix_suspense_move_invoice", "invoice"),
    Index("ix_suspense_move_check_no", "check_no"),
)

# --- inbound ----------------------------------------------------------------------------------------------------

inbound_file = Table(
    "inbound_file",
    metadata,
    Column("file_id", Id, primary_key=True),
    _text("name", nullable=False),  # as dropped
    _text("kind", nullable=False),  # assessments escrow reversals payments bank-answers bank-acknowledgement
    Column("form", Text, CheckConstraint("form IN ('dat','avro')"), nullable=False),
    _text("portfolio"),  # NULL: of each line's lease (a bare btchescr.dat), or of each entry answered (a bank's file)
    _text("source", nullable=False),  # the configured source it came from
    _text("sha256", nullable=False),
    Column("bytes", BigInteger, nullable=False),
    _text("state", nullable=False),  # gateway/intake/states.py: FileState, transitions beside each member
    _text("hold_code"),  # why HELD or WAITING or FAILED
    _text("hold_text"),
    Column("held_against", Id),  # the file a duplicate or overlap equals
    _text("claim_name", nullable=False),  # its name below inbox/.claimed until the archive has it
    _text("archive_name"),  # relative to var/archive, set when the copy is durable
    Column("lines", BigInteger),
    Column("records", BigInteger),
    Column("rejects", BigInteger),
    Column("blank", BigInteger),
    _money("amount_cents", nullable=True),  # records and readable rejects
    _money("posted_cents", nullable=True),
    _money("suspended_cents", nullable=True),
    _money("rejected_cents", nullable=True),
    _money("held_cents", nullable=True),
    Column("unreadable", BigInteger),  # rejects whose amount cannot be read
    _text("claimed_at", nullable=False),
    _text("posted_at"),
    _text("business_date"),
    _text("operator"),  # who dropped or released it; the service's own code otherwise
    _text("owner"),  # the system user whose file it was when it came; NULL for files of before schema 0003
    _text("release"),  # 'all' or 'new-lines' when an operator released it
    Column("reported", Text, nullable=False, server_default="N"),  # reports, rejects and Avro are written
    Index("ix_inbound_file_sha256", "sha256"),
    Index("ix_inbound_file_state", "state"),
    sqlite_autoincrement=True,
)

line_sample = Table(
    "line_sample",
    metadata,
    # Some line hashes of a file that posted, so that an overlap is found without reading every earlier file:
    # those with the most low bits zero, about 64 to 128 a file, and the hash of its first line. Signed 64 bits.
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("file_id", Id, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

line_message = Table(
    "line_message",
    metadata,
    Column("file_id", Id, ForeignKey("inbound_file.file_id"), primary_key=True, autoincrement=False),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    # R: the line was refused (at most one a line, seq 0). W: it stands, with a warning. S: went to suspense.
    Column("severity", Text, CheckConstraint("severity IN ('R','W','S')"), nullable=False),
    _text("code", nullable=False),
    _text("field"),
    Column("col", Integer),
    _text("found", nullable=False),
    _text("expected", nullable=False),
    _text("action", nullable=False),
    _money("amount_cents", nullable=True),
    Column("suspense_item", Id),
    sqlite_with_rowid=False,
)


def _staged(name: str, *columns: Column[str] | Column[int]) -> Table:
    """A staging table: one row a parsed record, kept for good; its outcome is derived, never written here."""
    return Table(
        name,
        metadata,
        Column("file_id", Id, primary_key=True, autoincrement=False),
        Column("line_no", Integer, primary_key=True, autoincrement=False),
        *columns,
        sqlite_with_rowid=False,
    )


staged_assessment = _staged(
    "staged_assessment",
    _text("lease"),
    _text("asset"),
    _text("invoice"),
    _text("due_date"),
    _text("code", nullable=False),
    _money("amount_cents"),
    _text("ptcode"),
    _text("fhcode"),
    _text("liendate"),
    _text("reason"),
)
staged_escrow = _staged(
    "staged_escrow",
    _text("lease", nullable=False),
    _text("disbursal_date", nullable=False),
    _money("amount_cents"),
    _text("check_no"),
    _text("payee"),
    _text("address"),
    _text("address2"),
    _text("city"),
    _text("state"),
    _text("zip"),
    _text("reference"),
    _text("asset"),
    _text("bank"),
)
staged_reversal = _staged(
    "staged_reversal",
    _text("target_kind", nullable=False),
    _text("target", nullable=False),
    _money("amount_cents"),
    _text("batch", nullable=False),
    _text("reason"),
    _text("check_no"),
    _text("effective_date"),
    _text("bank"),
)
staged_payment = _staged(
    "staged_payment",
    _text("target_kind", nullable=False),
    _text("target", nullable=False),
    _money("amount_cents"),
    _text("check_no"),
    _text("effective_date"),
    _text("due_date"),
    _text("account"),
    _text("batch"),
    _text("origination"),
    _text("note"),
)

# --- numbers ----------------------------------------------------------------------------------------------------

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),  # 'invoice', 'payment-session', 'trace:09100001', 'modifier:…'
    Column("next", BigInteger, nullable=False),
    _text("noted_on"),  # business date of the last use, where a number may come round again
)

# --- End of Period ----------------------------------------------------------------------------------------------

eop_run = Table(
    "eop_run",
    metadata,
    Column("run_id", Id, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    _text("business_date", nullable=False),
    _text("state", nullable=False),  # RUNNING DONE HALTED FAILED
    _text("operator", nullable=False),
    _text("started_at", nullable=False),
    _text("ended_at"),
    UniqueConstraint("portfolio", "business_date"),
)
eop_module = Table(
    "eop_module",
    metadata,
    Column("run_id", Id, ForeignKey("eop_run.run_id"), primary_key=True),
    Column("module", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    _text("state", nullable=False),  # gateway/period/states.py
    _text("message"),
    Column("unit_id", Id, ForeignKey("posting_unit.unit_id")),
    _text("started_at"),
    _text("ended_at"),
)

# --- outbound and delivery --------------------------------------------------------------------------------------

outbound_file = Table(
    "outbound_file",
    metadata,
    Column("outbound_id", Id, primary_key=True),
    _text("name", nullable=False),
    _text("kind", nullable=False),  # VACH-BANK VACH-SCRATCH VACH-REFUSED-NOC DSGL XSELLERATOR
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    _text("business_date", nullable=False),
    # BUILT -> APPROVED -> (delivery); BUILT -> REJECTED; LOCAL: never leaves (scratch without endpoint)
    _text("state", nullable=False),
    _text("sha256", nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    _money("total_debit_cents"),
    _money("total_credit_cents"),
    _text("endpoint"),  # NULL: stays in the outbox
    _text("header", nullable=False),  # JSON: everything beside the rows that the bytes depend on
    _text("hold_text"),  # why it waits for a person
    _text("maker", nullable=False),
    _text("maker_user", nullable=False),
    _text("built_at", nullable=False),
    _text("approved_by"),
    _text("approved_user"),
    _text("approved_at"),
    _text("reason"),
    _text("machine"),  # whose outbox has the copy that was built or released; NULL where the ledger lies in its home
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)
outbound_row = Table(
    "outbound_row",
    metadata,
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id"), primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    # A block of rows, of which seq is the first (from 1): JSON; sealed where it holds account numbers. Ledgers of
    # revision 0002 froze row by row.
    Column("payload", LargeBinary, nullable=False, info={SEALED_AS: "outbound.row"}),
    _text("trace_number"),  # of a row that is no ach_entry: a refused notification
    Index("ix_outbound_row_trace_number", "trace_number"),
    sqlite_with_rowid=False,
)
outbound_message = Table(
    "outbound_message",
    metadata,
    # The OpenPGP message in which a file leaves, made at release and kept: every attempt sends the same bytes.
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id"), primary_key=True, autoincrement=False),
    _text("name", nullable=False),
    _text("sha256", nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False, info={SEALED_AS: None}),  # encrypted to the bank, not with our key
    _text("recipient", nullable=False),  # fingerprints
    _text("signer"),
    _text("made_at", nullable=False),
)
outbound_source = Table(
    "outbound_source",
    metadata,
    Column("outbound_id", Id, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # the row it went into
    Column("source", Text, primary_key=True),  # 'check:1:125:4711', 'entry:300000001', 'account:12'
    Index("ix_outbound_source_source", "source"),
    sqlite_with_rowid=False,
)
outbound_claim = Table(
    "outbound_claim",
    metadata,
    Column("source", Text, primary_key=True),  # what may go out once only; deleted when a file is rejected
    Column("outbound_id", Id, nullable=False),
    sqlite_with_rowid=False,
)
ach_entry = Table(
    "ach_entry",
    metadata,
    # What an entry of a bank file was for: outbound_row holds its bytes, sealed; this is what answers are matched by.
    # Whether it left follows from the file's state, whether it came back from ach_answer.
    Column("outbound_id", Id, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # of the row in its file, from 1
    _text("trace_number", nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('PRENOTE','LIVE','REVERSAL','OFFSET')"), nullable=False),
    _text("portfolio", nullable=False),
    _text("vendor"),
    Column("details_version", Integer),  # the vendor's bank details that were used
    _text("bank"),  # with check_no and issue: the check paid or reversed
    _text("check_no"),
    Column("issue", Integer),
    _money("amount_cents"),
    _text("transaction_code", nullable=False),
    _text("sec", nullable=False),
    _text("effective_date", nullable=False),  # a banking day; the day it settles: vendor_ach/settling.py
    Column("reverses_outbound_id", Id),
    Column("reverses_seq", Integer),
    Column("settled_unit_id", Id),  # of a reversal: the unit that posted its settlement
    Index("ix_ach_entry_trace_number", "trace_number"),
    Index("ix_ach_entry_vendor", "vendor"),
    Index(
        "ix_ach_entry_reverses",
        "reverses_outbound_id",
        "reverses_seq",
        sqlite_where=text("reverses_outbound_id IS NOT NULL"),
        postgresql_where=text("reverses_outbound_id IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
ach_answer = Table(
    "ach_answer",
    metadata,
    # An entry of a file of the bank, or its acknowledgement of one of ours: what it says, and what became of it. What
    # was posted for it is found by file and line: its unit is the file's, its entries' source_line the answer's line.
    Column("file_id", Id, ForeignKey("inbound_file.file_id"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),  # entries of the file, from 1
    Column("line_no", Integer, nullable=False),
    Column(
        "kind",
        Text,
        CheckConstraint(
            "kind IN ('RETURN','DISHONORED','CONTESTED','CHANGE','REFUSED_CHANGE','OTHER','ACKNOWLEDGEMENT')"
        ),
        nullable=False,
    ),
    _text("code"),  # R01, C01, …
    _text("original_trace"),
    _text("trace_number"),  # of the answer itself: with kind, code and original trace it says that one came before
    _money("amount_cents", nullable=True),  # NULL: cannot be read
    _text("transaction_code"),
    _text("sec"),
    _text("settled_on"),
    # Sealed JSON of the entry as read: it holds account numbers.
    Column("payload", LargeBinary, nullable=False, info={SEALED_AS: "ach_answer.payload"}),
    Column("outbound_id", Id),  # the ach_entry it answers; of an acknowledgement the file, without seq
    Column("seq", Integer),
    # UNMATCHED waits for an operator, who ends it as CLEARED. REPEATED: an earlier file said the same.
    Column("state", Text, CheckConstraint("state IN ('DONE','REPEATED','UNMATCHED','CLEARED')"), nullable=False),
    _text("outcome", nullable=False),  # what was done, in words, without account numbers
    Column("change_id", Id),  # the vendor_change it proposed
    _text("cleared_by"),
    _text("cleared_at"),
    _text("clear_reason"),
    Index("ix_ach_answer_original_trace", "original_trace"),
    Index("ix_ach_answer_outbound_id_seq", "outbound_id", "seq"),
    Index("ix_ach_answer_state", "state"),
    sqlite_with_rowid=False,
)
fraud_finding = Table(
    "fraud_finding",
    metadata,
    # What a rule said before money left, and who let it go: kept as the duty of every originator asks.
    Column("finding_id", Id, primary_key=True),
    _text("portfolio", nullable=False),
    _text("business_date", nullable=False),
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id")),  # NULL: the check was withheld
    _text("rule", nullable=False),
    Column("action", Text, CheckConstraint("action IN ('HOLD','WARN')"), nullable=False),
    _text("vendor"),
    _text("bank"),
    _text("check_no"),
    _text("detail", nullable=False),
    _text("accepted_by"),
    _text("accepted_user"),
    _text("accepted_at"),
    _text("accepted_reason"),
    Index("ix_fraud_finding_outbound_id", "outbound_id"),
    Index("ix_fraud_finding_vendor", "vendor"),
    sqlite_autoincrement=True,
)
delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", Id, primary_key=True),
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id"), nullable=False),
    _text("endpoint", nullable=False),
    _text("state", nullable=False),  # gateway/delivery/states.py
    _text("remote_name", nullable=False),
    _text("temporary_name", nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _text("next_attempt_at"),
    _text("started_at"),
    _text("ended_at"),
    _text("last_error"),
    _text("receipt"),  # JSON: host key fingerprint, size, SHA-256 read back or why not, instants
    _text("resolved_by"),
    _text("resolved_second"),
    _text("resolved_reason"),
    UniqueConstraint("outbound_id"),
    UniqueConstraint("endpoint", "remote_name"),
)
delivery_event = Table(
    "delivery_event",
    metadata,
    Column("event_id", Id, primary_key=True),
    Column("delivery_id", Id, ForeignKey("delivery.delivery_id"), nullable=False),
    _text("at", nullable=False),
    _text("step", nullable=False),
    _text("detail"),
    Index("ix_delivery_event_delivery_id", "delivery_id"),
)

alarm = Table(
    "alarm",
    metadata,
    Column("alarm_id", Id, primary_key=True),
    _text("key", nullable=False),  # one alarm a key while it is open
    _text("code", nullable=False),
    _text("text", nullable=False),
    _text("raised_at", nullable=False),
    _text("last_sent_at"),
    _text("cleared_at"),
    Index("ix_alarm_key", "key"),
)

operator_event = Table(
    "operator_event",
    metadata,
    Column("event_id", Id, primary_key=True),
    _text("at", nullable=False),
    _text("operator", nullable=False),
    _text("os_user", nullable=False),
    _text("action", nullable=False),
    _text("subject", nullable=False),  # 'check 1/125/4711', 'vendor V1', the name of a file, …
    _text("reason"),
    Index("ix_operator_event_subject", "subject"),
)

JOURNAL_TABLES = ("journal_entry", "journal_line", "unit_total")
"""Tables in which a row, once written, never changes and never goes."""
