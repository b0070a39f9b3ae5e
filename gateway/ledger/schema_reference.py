"""Tables of reference data: portfolios, charts, leases, invoices, vendors, checks; and what is loaded for modules to come."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.ledger.schema_base import CHANGED_AT_ONCE, SEALED_AS, Id, index_where, metadata, money, words

# --- reference data ------------------------------------------------------------------------------------------

portfolio = Table(
    "portfolio",
    metadata,
    Column("portfolio", Text, primary_key=True),  # '1'..'99', no padding
    words("name", nullable=False),
    words("business_date", nullable=False),
    # OPEN: postings are taken. CLOSED: U0410 ran, files wait until U0499 opens the next business day.
    Column("period_state", Text, CheckConstraint("period_state IN ('OPEN','CLOSED')"), nullable=False),
    words("default_office"),  # 'company/region/office'; None = the lowest
    words("last_vendor_ach_on"),  # D-LAST-VACH-S
)

office = Table(
    "office",
    metadata,
    Column("office_id", Id, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    words("company", nullable=False),
    words("region", nullable=False),
    words("office", nullable=False),
    words("name", nullable=False),
    UniqueConstraint("portfolio", "company", "region", "office"),
)

gl_account = Table(
    "gl_account",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("office_id", Id, ForeignKey("office.office_id"), nullable=False),
    words("vector", nullable=False),  # 3 digits, internal number
    words("number", nullable=False),  # <= 12
    words("name", nullable=False),  # <= 36
    Column("side", Text, CheckConstraint("side IN ('D','C')"), nullable=False),
    words("purpose", nullable=False),  # chart.py lists them; postings name the purpose
    UniqueConstraint("office_id", "vector"),
    UniqueConstraint("office_id", "purpose"),
)

charge = Table(
    "charge",
    metadata,
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), primary_key=True),
    Column("code", Text, primary_key=True),
    words("name", nullable=False),
    Column("type", Text, CheckConstraint("type IN ('I','P','T','E','N')"), nullable=False),
    Column("basis", Text, CheckConstraint("basis IN ('C','A')"), nullable=False),
    Column("payment_order", Integer, nullable=False),  # 0: in invoice order, after all others
    Column("priority", Text, CheckConstraint("priority IN ('Y','N')"), nullable=False),
    Column("used", Text, CheckConstraint("used IN ('Y','N')"), nullable=False),
    Column("level", Text, CheckConstraint("level IN ('lease','asset')"), nullable=False),
    Column("taxable", Text, CheckConstraint("taxable IN ('Y','N')"), nullable=False),
    words("receivable_purpose", nullable=False),
    words("income_purpose", nullable=False),  # the income/payable side, ASSMT INC/PAY - x
)

lease = Table(
    "lease",
    metadata,
    Column("lease", Text, primary_key=True),
    Column("office_id", Id, ForeignKey("office.office_id"), nullable=False),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    words("lessee", nullable=False),
    words("lessee_name", nullable=False),
    words("status", nullable=False),
    words("accrual_method"),
    words("commencement"),
    words("maturity"),
    Column("kind", Text, CheckConstraint("kind IN ('lease','loan')"), nullable=False),
    words("control_number"),
    words("account_number"),  # the dealer system's customer account, not a bank account
    words("deal_number"),
    words("location"),
    money("normal_payment_cents", nullable=True),
    words("next_due"),
    Column("prepaid", Text, CheckConstraint("prepaid IN ('Y','N')"), nullable=False, server_default="N"),
    Column("nsf_count", Integer, nullable=False, server_default="0"),
    Index("ix_lease_control_number", "control_number"),
    **CHANGED_AT_ONCE,
)

escrow_balance = Table(
    "escrow_balance",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("charge", Text, primary_key=True),
    money("balance_cents"),  # what the gateway owes; may go negative by a reversal, with a warning
    **CHANGED_AT_ONCE,
)

asset = Table(
    "asset",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("lease", Text, ForeignKey("lease.lease")),
    words("description", nullable=False),
    words("vin"),
    words("stock_number"),
    words("year"),
    words("make"),
    words("model"),
    words("status"),
)

invoice = Table(
    "invoice",
    metadata,
    Column("invoice", Text, primary_key=True),
    Column("lease", Text, ForeignKey("lease.lease"), nullable=False),
    words("due_date", nullable=False),
    words("source", nullable=False),  # 'LOAD' or the update that made it
    Index("ix_invoice_lease_due_date", "lease", "due_date"),
)

receivable = Table(
    "receivable",
    metadata,
    Column("invoice", Text, primary_key=True),
    Column("charge", Text, primary_key=True),
    Column("asset", Text, primary_key=True),  # '' = the lease itself
    Column("position", Integer, nullable=False),  # order on the invoice: rises, with gaps
    money("billed_cents"),
    money("paid_cents", default="0"),
    CheckConstraint("paid_cents >= 0 AND paid_cents <= billed_cents", name="paid_within_billed"),
    sqlite_with_rowid=False,
    **CHANGED_AT_ONCE,
)

vendor = Table(
    "vendor",
    metadata,
    Column("vendor", Text, primary_key=True),
    words("name", nullable=False),
    Column("routing_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor.routing"}),
    Column("account_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor.account"}),
    words("account_last4", nullable=False),  # empty where the number has no more than four
    Column("account_type", Text, CheckConstraint("account_type IN ('checking','savings')"), nullable=False),
    Column("sec", Text, CheckConstraint("sec IN ('CCD','PPD','CTX')"), nullable=False),
    words("prenote_sent"),
    words("prenote_sent_on"),
    words("dealer_alert"),
    words("suspense_override_on"),
    words("holdback"),
)

vendor_change = Table(
    "vendor_change",
    metadata,
    # A change of a vendor's bank details that a second person applies or refuses. Values are sealed JSON. The version of
    # a vendor's details is 1 and the number of its applied changes of routing, account or account type.
    Column("change_id", Id, primary_key=True),
    Column("vendor", Text, ForeignKey("vendor.vendor"), nullable=False),
    Column("origin", Text, CheckConstraint("origin IN ('OPERATOR','LOAD','NOC')"), nullable=False),
    words("fields", nullable=False),  # names of what changes, joined by a comma
    Column("before_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor_change.before"}),
    Column("after_sealed", LargeBinary, nullable=False, info={SEALED_AS: "vendor_change.after"}),
    words("reason", nullable=False),
    Column("state", Text, CheckConstraint("state IN ('PROPOSED','APPLIED','REFUSED')"), nullable=False),
    words("maker", nullable=False),
    words("maker_user", nullable=False),
    words("proposed_at", nullable=False),
    words("checker"),
    words("checker_user"),
    words("decided_at"),
    words("decision_reason"),
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
    words("type", nullable=False),  # NEWA NEWD NEWI NEWL WIRE MANL COMV ESCR; SUSP: out of suspense
    money("amount_cents"),
    words("disbursement_date", nullable=False),
    Column("vendor", Text, ForeignKey("vendor.vendor")),
    words("lease"),
    words("asset"),
    words("reference"),
    words("payee"),
    words("address"),  # one line a part, joined by newline
    # NEW: not sent. RESERVED: in a file that is not released. SENT (the vendor's P). RETURNED by the bank (R): the
    # payable is open again. VOID (V).
    Column("state", Text, CheckConstraint("state IN ('NEW','RESERVED','SENT','RETURNED','VOID')"), nullable=False),
    words("voided_on"),
    words("printed_on"),
    Column("outbound_id", Id),
    Column("unit_id", Id),
    Column("file_id", Id),
    Column("line_no", Integer),
    Column("issue", Integer, nullable=False, server_default="1"),  # rises when a returned check is paid again
    Column("void_entry_id", Id),  # the entry by which a person voided it
    index_where("ix_bank_check_state", "state", which="type = 'NEWA'"),  # what Vendor ACH pays or takes back
    Index("ix_bank_check_lease", "lease"),
    index_where("ix_bank_check_outbound_id", "outbound_id", which="outbound_id IS NOT NULL"),
    index_where("ix_bank_check_vendor", "vendor", "disbursement_date", which="vendor IS NOT NULL"),  # look-alikes
    sqlite_with_rowid=False,
)

# --- loaded and kept, used by billing, terminations and End of Period ----------------------------------------

schedule = Table(
    "schedule",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("term", Integer, primary_key=True),
    words("due_date", nullable=False),
    money("principal_cents"),
    money("interest_cents"),
)
schedule_add_on = Table(
    "schedule_add_on",
    metadata,
    Column("lease", Text, primary_key=True),
    Column("term", Integer, primary_key=True),
    Column("code", Text, primary_key=True),
    money("amount_cents"),
)
depreciation = Table(
    "depreciation",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("iteration", Integer, primary_key=True),
    money("start_value_cents"),
    money("end_value_cents"),
    Column("months", Integer, nullable=False),
    words("start_on", nullable=False),
    words("ended_on"),
    money("accumulated_cents", nullable=True),
)
leveraged = Table(
    "leveraged",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("due_date", Text, primary_key=True),
    words("bank", nullable=False),
    money("principal_cents"),
    money("interest_cents"),
    words("active", nullable=False),
)
deferred = Table(
    "deferred",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("code", Text, primary_key=True),
    money("total_cents"),
    words("start_month", nullable=False),
    Column("months", Integer, nullable=False),
    words("deferred_account", nullable=False),
    words("revenue_account", nullable=False),
)
insurance = Table(
    "insurance",
    metadata,
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    Column("policy", Text, primary_key=True),
    words("expires_on"),
    words("status", nullable=False),
    words("required", nullable=False),
)
note = Table(
    "note",
    metadata,
    Column("note", Text, primary_key=True),
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    money("principal_cents"),
    words("rate", nullable=False),  # decimal text, percent a year
    words("next_accrual_on", nullable=False),
)
investor = Table(
    "investor",
    metadata,
    Column("investor", Text, primary_key=True),
    Column("lease", Text, ForeignKey("lease.lease"), primary_key=True),
    words("name", nullable=False),
    words("share", nullable=False),  # decimal text, percent
    words("due_on", nullable=False),
    money("amount_cents"),
)
holiday = Table(
    "holiday",
    metadata,
    Column("calendar", Text, primary_key=True),
    Column("date", Text, primary_key=True),
    words("name", nullable=False),
)
