"""The first schema: every table of ``schema.py`` as it was at this revision, and the guards of ``guards.py``.

The tables are written out: a migration must not change when ``schema.py`` does. A test holds that all migrations
together make exactly ``schema.py``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger import guards

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _tables()
    bind = op.get_bind()
    sqlite = bind.dialect.name == "sqlite"
    for statement in guards.sqlite_statements() if sqlite else guards.postgresql_statements():
        bind.exec_driver_sql(statement)


def _tables() -> None:
    op.create_table(
        "alarm",
        sa.Column("alarm_id", Id),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.Text(), nullable=False),
        sa.Column("last_sent_at", sa.Text(), nullable=True),
        sa.Column("cleared_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarm"),
    )
    op.create_index("ix_alarm_key", "alarm", ["key"])
    op.create_table(
        "counter",
        sa.Column("name", sa.Text()),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.Column("noted_on", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
    op.create_table(
        "holiday",
        sa.Column("calendar", sa.Text()),
        sa.Column("date", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("calendar", "date", name="pk_holiday"),
    )
    op.create_table(
        "inbound_file",
        sa.Column("file_id", Id),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), sa.CheckConstraint("form IN ('dat','avro')"), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("hold_code", sa.Text(), nullable=True),
        sa.Column("hold_text", sa.Text(), nullable=True),
        sa.Column("held_against", Id, nullable=True),
        sa.Column("claim_name", sa.Text(), nullable=False),
        sa.Column("archive_name", sa.Text(), nullable=True),
        sa.Column("lines", sa.BigInteger(), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=True),
        sa.Column("rejects", sa.BigInteger(), nullable=True),
        sa.Column("blank", sa.BigInteger(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=True),
        sa.Column("posted_cents", sa.BigInteger(), nullable=True),
        sa.Column("suspended_cents", sa.BigInteger(), nullable=True),
        sa.Column("rejected_cents", sa.BigInteger(), nullable=True),
        sa.Column("held_cents", sa.BigInteger(), nullable=True),
        sa.Column("unreadable", sa.BigInteger(), nullable=True),
        sa.Column("claimed_at", sa.Text(), nullable=False),
        sa.Column("posted_at", sa.Text(), nullable=True),
        sa.Column("business_date", sa.Text(), nullable=True),
        sa.Column("operator", sa.Text(), nullable=True),
        sa.Column("release", sa.Text(), nullable=True),
        sa.Column("reported", sa.Text(), nullable=False, server_default="N"),
        sa.PrimaryKeyConstraint("file_id", name="pk_inbound_file"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbound_file_sha256", "inbound_file", ["sha256"])
    op.create_index("ix_inbound_file_state", "inbound_file", ["state"])
    op.create_table(
        "journal_entry",
        sa.Column("entry_id", Id, autoincrement=False),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("invoice", sa.Text(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("txn", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("effective_date", sa.Text(), nullable=False),
        sa.Column("source_line", sa.Integer(), nullable=True),
        sa.Column("corrects", Id, nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name="pk_journal_entry"),
    )
    op.create_index("ix_journal_entry_lease", "journal_entry", ["lease"])
    op.create_table(
        "journal_line",
        sa.Column("entry_id", Id, autoincrement=False),
        sa.Column("line", sa.Integer(), autoincrement=False),
        sa.Column("account_id", Id, nullable=False),
        sa.Column("side", sa.Text(), sa.CheckConstraint("side IN ('D','C')"), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), sa.CheckConstraint("amount_cents > 0"), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "line", name="pk_journal_line"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "line_sample",
        sa.Column("hash", sa.BigInteger(), autoincrement=False),
        sa.Column("file_id", Id, autoincrement=False),
        sa.PrimaryKeyConstraint("hash", "file_id", name="pk_line_sample"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "operator_event",
        sa.Column("event_id", Id),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("os_user", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name="pk_operator_event"),
    )
    op.create_table(
        "payment_batch",
        sa.Column("batch", sa.Text()),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("effective_date", sa.Text(), nullable=False),
        sa.Column("effective_time", sa.Text(), nullable=False),
        sa.Column("cash_account", sa.Text(), nullable=False),
        sa.Column("origination", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), sa.CheckConstraint("state IN ('LIVE','REVERSED')"), nullable=False),
        sa.Column("exported_in", sa.Text(), nullable=True),
        sa.Column("unit_id", Id, nullable=False),
        sa.Column("file_id", Id, nullable=True),
        sa.PrimaryKeyConstraint("batch", name="pk_payment_batch"),
    )
    op.create_index("ix_payment_batch_file_id", "payment_batch", ["file_id"])
    op.create_table(
        "payment_line",
        sa.Column("batch", sa.Text()),
        sa.Column("line", sa.Integer()),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("invoice", sa.Text(), nullable=True),
        sa.Column("charge", sa.Text(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=False, server_default=""),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), sa.CheckConstraint("state IN ('APPLIED','REVERSED')"), nullable=False),
        sa.Column("suspense_item", Id, nullable=True),
        sa.Column("entry_id", Id, nullable=False),
        sa.Column("reversed_by", Id, nullable=True),
        sa.Column("source_line", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("batch", "line", name="pk_payment_line"),
    )
    op.create_index("ix_payment_line_invoice", "payment_line", ["invoice"])
    op.create_index("ix_payment_line_lease", "payment_line", ["lease"])
    op.create_table(
        "portfolio",
        sa.Column("portfolio", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("period_state", sa.Text(), sa.CheckConstraint("period_state IN ('OPEN','CLOSED')"), nullable=False),
        sa.Column("default_office", sa.Text(), nullable=True),
        sa.Column("last_vendor_ach_on", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("portfolio", name="pk_portfolio"),
    )
    op.create_table(
        "receivable",
        sa.Column("invoice", sa.Text()),
        sa.Column("charge", sa.Text()),
        sa.Column("asset", sa.Text()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("billed_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_cents", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("invoice", "charge", "asset", name="pk_receivable"),
        sa.CheckConstraint("paid_cents >= 0 AND paid_cents <= billed_cents", name="paid_within_billed"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "schedule_add_on",
        sa.Column("lease", sa.Text()),
        sa.Column("term", sa.Integer()),
        sa.Column("code", sa.Text()),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lease", "term", "code", name="pk_schedule_add_on"),
    )
    op.create_table(
        "staged_assessment",
        sa.Column("file_id", Id, autoincrement=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("invoice", sa.Text(), nullable=True),
        sa.Column("due_date", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("ptcode", sa.Text(), nullable=True),
        sa.Column("fhcode", sa.Text(), nullable=True),
        sa.Column("liendate", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("file_id", "line_no", name="pk_staged_assessment"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "staged_escrow",
        sa.Column("file_id", Id, autoincrement=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("disbursal_date", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("payee", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("address2", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("zip", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("bank", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("file_id", "line_no", name="pk_staged_escrow"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "staged_payment",
        sa.Column("file_id", Id, autoincrement=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("effective_date", sa.Text(), nullable=True),
        sa.Column("due_date", sa.Text(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column("origination", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("file_id", "line_no", name="pk_staged_payment"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "staged_reversal",
        sa.Column("file_id", Id, autoincrement=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("effective_date", sa.Text(), nullable=True),
        sa.Column("bank", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("file_id", "line_no", name="pk_staged_reversal"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "suspense_item",
        sa.Column("item", Id),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), sa.CheckConstraint("kind IN ('SUSPENSE','REVERSAL')"), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("invoice", sa.Text(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("remaining_cents", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("opened_on", sa.Text(), nullable=False),
        sa.Column("closed_on", sa.Text(), nullable=True),
        sa.Column("unit_id", Id, nullable=False),
        sa.Column("entry_id", Id, nullable=False),
        sa.Column("file_id", Id, nullable=True),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("item", name="pk_suspense_item"),
        sa.CheckConstraint("remaining_cents >= 0 AND remaining_cents <= amount_cents", name="remaining_within_amount"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_suspense_item_batch", "suspense_item", ["batch"])
    op.create_index("ix_suspense_item_lease", "suspense_item", ["lease"])
    op.create_table(
        "unit_guard",
        sa.Column("open", sa.Integer()),
        sa.PrimaryKeyConstraint("open", name="pk_unit_guard"),
    )
    op.create_table(
        "vendor",
        sa.Column("vendor", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("routing_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("account_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("account_last4", sa.Text(), nullable=False),
        sa.Column(
            "account_type", sa.Text(), sa.CheckConstraint("account_type IN ('checking','savings')"), nullable=False
        ),
        sa.Column("sec", sa.Text(), sa.CheckConstraint("sec IN ('CCD','PPD','CTX')"), nullable=False),
        sa.Column("prenote_sent", sa.Text(), nullable=True),
        sa.Column("prenote_sent_on", sa.Text(), nullable=True),
        sa.Column("dealer_alert", sa.Text(), nullable=True),
        sa.Column("suspense_override_on", sa.Text(), nullable=True),
        sa.Column("holdback", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("vendor", name="pk_vendor"),
    )
    op.create_table(
        "charge",
        sa.Column("portfolio", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), sa.CheckConstraint("type IN ('I','P','T','E','N')"), nullable=False),
        sa.Column("basis", sa.Text(), sa.CheckConstraint("basis IN ('C','A')"), nullable=False),
        sa.Column("payment_order", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Text(), sa.CheckConstraint("priority IN ('Y','N')"), nullable=False),
        sa.Column("used", sa.Text(), sa.CheckConstraint("used IN ('Y','N')"), nullable=False),
        sa.Column("level", sa.Text(), sa.CheckConstraint("level IN ('lease','asset')"), nullable=False),
        sa.Column("taxable", sa.Text(), sa.CheckConstraint("taxable IN ('Y','N')"), nullable=False),
        sa.Column("receivable_purpose", sa.Text(), nullable=False),
        sa.Column("income_purpose", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("portfolio", "code", name="pk_charge"),
        sa.ForeignKeyConstraint(["portfolio"], ["portfolio.portfolio"], name="fk_charge_portfolio"),
    )
    op.create_table(
        "eop_run",
        sa.Column("run_id", Id),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_eop_run"),
        sa.ForeignKeyConstraint(["portfolio"], ["portfolio.portfolio"], name="fk_eop_run_portfolio"),
        sa.UniqueConstraint("portfolio", "business_date", name="uq_eop_run_portfolio_business_date"),
    )
    op.create_table(
        "line_message",
        sa.Column("file_id", Id, autoincrement=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False),
        sa.Column("seq", sa.Integer(), autoincrement=False),
        sa.Column("severity", sa.Text(), sa.CheckConstraint("severity IN ('R','W','S')"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("col", sa.Integer(), nullable=True),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=True),
        sa.Column("suspense_item", Id, nullable=True),
        sa.PrimaryKeyConstraint("file_id", "line_no", "seq", name="pk_line_message"),
        sa.ForeignKeyConstraint(["file_id"], ["inbound_file.file_id"], name="fk_line_message_file_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "note",
        sa.Column("note", sa.Text()),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("principal_cents", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("next_accrual_on", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("note", name="pk_note"),
        sa.ForeignKeyConstraint(["portfolio"], ["portfolio.portfolio"], name="fk_note_portfolio"),
    )
    op.create_table(
        "office",
        sa.Column("office_id", Id),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("office_id", name="pk_office"),
        sa.ForeignKeyConstraint(["portfolio"], ["portfolio.portfolio"], name="fk_office_portfolio"),
        sa.UniqueConstraint(
            "portfolio", "company", "region", "office", name="uq_office_portfolio_company_region_office"
        ),
    )
    op.create_table(
        "outbound_file",
        sa.Column("outbound_id", Id),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("total_debit_cents", sa.BigInteger(), nullable=False),
        sa.Column("total_credit_cents", sa.BigInteger(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=True),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("hold_text", sa.Text(), nullable=True),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("maker_user", sa.Text(), nullable=False),
        sa.Column("built_at", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_user", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("outbound_id", name="pk_outbound_file"),
        sa.ForeignKeyConstraint(["portfolio"], ["portfolio.portfolio"], name="fk_outbound_file_portfolio"),
        sa.UniqueConstraint("name", name="uq_outbound_file_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "posting_unit",
        sa.Column("unit_id", Id),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Text(), sa.CheckConstraint("kind IN ('FILE','MODULE','OPERATOR','OPENING')"), nullable=False
        ),
        sa.Column("update_name", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("file_id", Id, nullable=True),
        sa.Column("posted_at", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), sa.CheckConstraint("state IN ('OPEN','CLOSED')"), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("previous_digest", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("open_guard", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("unit_id", name="pk_posting_unit"),
        sa.ForeignKeyConstraint(["file_id"], ["inbound_file.file_id"], name="fk_posting_unit_file_id"),
        sa.ForeignKeyConstraint(
            ["open_guard"],
            ["unit_guard.open"],
            name="fk_posting_unit_open_guard",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["portfolio"], ["portfolio.portfolio"], name="fk_posting_unit_portfolio"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_posting_unit_file_id", "posting_unit", ["file_id"])
    op.create_index("ix_posting_unit_portfolio", "posting_unit", ["portfolio", "unit_id"])
    op.create_table(
        "bank_check",
        sa.Column("portfolio", sa.Text()),
        sa.Column("check_no", sa.Text()),
        sa.Column("bank", sa.Text()),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("disbursement_date", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("payee", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), sa.CheckConstraint("state IN ('NEW','RESERVED','SENT','VOID')"), nullable=False),
        sa.Column("voided_on", sa.Text(), nullable=True),
        sa.Column("printed_on", sa.Text(), nullable=True),
        sa.Column("outbound_id", Id, nullable=True),
        sa.Column("unit_id", Id, nullable=True),
        sa.Column("file_id", Id, nullable=True),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("portfolio", "check_no", "bank", name="pk_bank_check"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_bank_check_outbound_id"),
        sa.ForeignKeyConstraint(["vendor"], ["vendor.vendor"], name="fk_bank_check_vendor"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_bank_check_lease", "bank_check", ["lease"])
    op.create_index("ix_bank_check_state", "bank_check", ["portfolio", "type", "state"])
    op.create_table(
        "delivery",
        sa.Column("delivery_id", Id),
        sa.Column("outbound_id", Id, nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("remote_name", sa.Text(), nullable=False),
        sa.Column("temporary_name", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("next_attempt_at", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolved_second", sa.Text(), nullable=True),
        sa.Column("resolved_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_delivery"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_delivery_outbound_id"),
        sa.UniqueConstraint("endpoint", "remote_name", name="uq_delivery_endpoint_remote_name"),
        sa.UniqueConstraint("outbound_id", name="uq_delivery_outbound_id"),
    )
    op.create_table(
        "eop_module",
        sa.Column("run_id", Id),
        sa.Column("module", sa.Text()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("unit_id", Id, nullable=True),
        sa.Column("started_at", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "module", name="pk_eop_module"),
        sa.ForeignKeyConstraint(["run_id"], ["eop_run.run_id"], name="fk_eop_module_run_id"),
        sa.ForeignKeyConstraint(["unit_id"], ["posting_unit.unit_id"], name="fk_eop_module_unit_id"),
    )
    op.create_table(
        "gl_account",
        sa.Column("account_id", Id),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("vector", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), sa.CheckConstraint("side IN ('D','C')"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_gl_account"),
        sa.ForeignKeyConstraint(["office_id"], ["office.office_id"], name="fk_gl_account_office_id"),
        sa.UniqueConstraint("office_id", "purpose", name="uq_gl_account_office_id_purpose"),
        sa.UniqueConstraint("office_id", "vector", name="uq_gl_account_office_id_vector"),
    )
    op.create_table(
        "lease",
        sa.Column("lease", sa.Text()),
        sa.Column("office_id", Id, nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("lessee", sa.Text(), nullable=False),
        sa.Column("lessee_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("accrual_method", sa.Text(), nullable=True),
        sa.Column("commencement", sa.Text(), nullable=True),
        sa.Column("maturity", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), sa.CheckConstraint("kind IN ('lease','loan')"), nullable=False),
        sa.Column("control_number", sa.Text(), nullable=True),
        sa.Column("account_number", sa.Text(), nullable=True),
        sa.Column("deal_number", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("normal_payment_cents", sa.BigInteger(), nullable=True),
        sa.Column("next_due", sa.Text(), nullable=True),
        sa.Column("prepaid", sa.Text(), sa.CheckConstraint("prepaid IN ('Y','N')"), nullable=False, server_default="N"),
        sa.Column("nsf_count", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("lease", name="pk_lease"),
        sa.ForeignKeyConstraint(["office_id"], ["office.office_id"], name="fk_lease_office_id"),
        sa.ForeignKeyConstraint(["portfolio"], ["portfolio.portfolio"], name="fk_lease_portfolio"),
    )
    op.create_index("ix_lease_control_number", "lease", ["control_number"])
    op.create_table(
        "outbound_claim",
        sa.Column("source", sa.Text()),
        sa.Column("outbound_id", Id, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_outbound_claim"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_outbound_claim_outbound_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_outbound_claim_outbound_id", "outbound_claim", ["outbound_id"])
    op.create_table(
        "outbound_row",
        sa.Column("outbound_id", Id, autoincrement=False),
        sa.Column("seq", sa.Integer(), autoincrement=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("trace_number", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("outbound_id", "seq", name="pk_outbound_row"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_outbound_row_outbound_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_outbound_row_trace_number", "outbound_row", ["trace_number"])
    op.create_table(
        "outbound_source",
        sa.Column("outbound_id", Id, autoincrement=False),
        sa.Column("seq", sa.Integer(), autoincrement=False),
        sa.Column("source", sa.Text()),
        sa.PrimaryKeyConstraint("outbound_id", "seq", "source", name="pk_outbound_source"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_outbound_source_outbound_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_outbound_source_source", "outbound_source", ["source"])
    op.create_table(
        "asset",
        sa.Column("asset", sa.Text()),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("vin", sa.Text(), nullable=True),
        sa.Column("stock_number", sa.Text(), nullable=True),
        sa.Column("year", sa.Text(), nullable=True),
        sa.Column("make", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("asset", name="pk_asset"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_asset_lease"),
    )
    op.create_table(
        "deferred",
        sa.Column("lease", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("start_month", sa.Text(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("deferred_account", sa.Text(), nullable=False),
        sa.Column("revenue_account", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lease", "code", name="pk_deferred"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_deferred_lease"),
    )
    op.create_table(
        "delivery_event",
        sa.Column("event_id", Id),
        sa.Column("delivery_id", Id, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name="pk_delivery_event"),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.delivery_id"], name="fk_delivery_event_delivery_id"),
    )
    op.create_index("ix_delivery_event_delivery_id", "delivery_event", ["delivery_id"])
    op.create_table(
        "depreciation",
        sa.Column("lease", sa.Text()),
        sa.Column("iteration", sa.Integer()),
        sa.Column("start_value_cents", sa.BigInteger(), nullable=False),
        sa.Column("end_value_cents", sa.BigInteger(), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("start_on", sa.Text(), nullable=False),
        sa.Column("ended_on", sa.Text(), nullable=True),
        sa.Column("accumulated_cents", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("lease", "iteration", name="pk_depreciation"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_depreciation_lease"),
    )
    op.create_table(
        "escrow_balance",
        sa.Column("lease", sa.Text()),
        sa.Column("charge", sa.Text()),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lease", "charge", name="pk_escrow_balance"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_escrow_balance_lease"),
    )
    op.create_table(
        "insurance",
        sa.Column("lease", sa.Text()),
        sa.Column("policy", sa.Text()),
        sa.Column("expires_on", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("required", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lease", "policy", name="pk_insurance"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_insurance_lease"),
    )
    op.create_table(
        "investor",
        sa.Column("investor", sa.Text()),
        sa.Column("lease", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("share", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("investor", "lease", name="pk_investor"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_investor_lease"),
    )
    op.create_table(
        "invoice",
        sa.Column("invoice", sa.Text()),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.Column("due_date", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("invoice", name="pk_invoice"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_invoice_lease"),
    )
    op.create_index("ix_invoice_lease_due_date", "invoice", ["lease", "due_date"])
    op.create_table(
        "leveraged",
        sa.Column("lease", sa.Text()),
        sa.Column("due_date", sa.Text()),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("principal_cents", sa.BigInteger(), nullable=False),
        sa.Column("interest_cents", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lease", "due_date", name="pk_leveraged"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_leveraged_lease"),
    )
    op.create_table(
        "schedule",
        sa.Column("lease", sa.Text()),
        sa.Column("term", sa.Integer()),
        sa.Column("due_date", sa.Text(), nullable=False),
        sa.Column("principal_cents", sa.BigInteger(), nullable=False),
        sa.Column("interest_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lease", "term", name="pk_schedule"),
        sa.ForeignKeyConstraint(["lease"], ["lease.lease"], name="fk_schedule_lease"),
    )
    op.create_table(
        "unit_total",
        sa.Column("unit_id", Id, autoincrement=False),
        sa.Column("account_id", Id, autoincrement=False),
        sa.Column("debit_cents", sa.BigInteger(), nullable=False),
        sa.Column("credit_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("unit_id", "account_id", name="pk_unit_total"),
        sa.ForeignKeyConstraint(["account_id"], ["gl_account.account_id"], name="fk_unit_total_account_id"),
        sa.ForeignKeyConstraint(["unit_id"], ["posting_unit.unit_id"], name="fk_unit_total_unit_id"),
        sqlite_with_rowid=False,
    )
