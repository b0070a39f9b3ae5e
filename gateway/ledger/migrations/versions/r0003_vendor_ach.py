"""Vendor ACH whole: what went out by entry, what the bank answered, changes of vendors, findings before a release; payment
lines by their entry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_STATES = "state IN ('NEW','RESERVED','SENT','RETURNED','VOID')"


def upgrade() -> None:
    op.create_index("ix_payment_line_entry_id", "payment_line", ["entry_id"])
    op.create_index("ix_operator_event_subject", "operator_event", ["subject"])
    op.add_column("inbound_file", sa.Column("owner", sa.Text(), nullable=True))
    _bank_check()
    op.create_index("ix_bank_check_vendor", "bank_check", ["vendor", "disbursement_date"])
    op.create_table(
        "ach_entry",
        sa.Column("outbound_id", Id, autoincrement=False),
        sa.Column("seq", sa.Integer(), autoincrement=False),
        sa.Column("trace_number", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Text(), sa.CheckConstraint("kind IN ('PRENOTE','LIVE','REVERSAL','OFFSET')"), nullable=False
        ),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("details_version", sa.Integer(), nullable=True),
        sa.Column("bank", sa.Text(), nullable=True),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("issue", sa.Integer(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("transaction_code", sa.Text(), nullable=False),
        sa.Column("sec", sa.Text(), nullable=False),
        sa.Column("effective_date", sa.Text(), nullable=False),
        sa.Column("reverses_outbound_id", Id, nullable=True),
        sa.Column("reverses_seq", sa.Integer(), nullable=True),
        sa.Column("settled_unit_id", Id, nullable=True),
        sa.PrimaryKeyConstraint("outbound_id", "seq", name="pk_ach_entry"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_ach_entry_outbound_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ach_entry_trace_number", "ach_entry", ["trace_number"])
    op.create_index("ix_ach_entry_vendor", "ach_entry", ["vendor"])
    reversals = sa.text("reverses_outbound_id IS NOT NULL")
    op.create_index(
        "ix_ach_entry_reverses", "ach_entry", ["reverses_outbound_id", "reverses_seq"], sqlite_where=reversals,
        postgresql_where=reversals,
    )  # fmt: skip
    op.create_table(
        "ach_answer",
        sa.Column("file_id", Id, autoincrement=False),
        sa.Column("number", sa.Integer(), autoincrement=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Text(),
            sa.CheckConstraint(
                "kind IN ('RETURN','DISHONORED','CONTESTED','CHANGE','REFUSED_CHANGE','OTHER','ACKNOWLEDGEMENT')"
            ),
            nullable=False,
        ),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("original_trace", sa.Text(), nullable=True),
        sa.Column("trace_number", sa.Text(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=True),
        sa.Column("transaction_code", sa.Text(), nullable=True),
        sa.Column("sec", sa.Text(), nullable=True),
        sa.Column("settled_on", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("outbound_id", Id, nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column(
            "state",
            sa.Text(),
            sa.CheckConstraint("state IN ('DONE','REPEATED','UNMATCHED','CLEARED')"),
            nullable=False,
        ),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("change_id", Id, nullable=True),
        sa.Column("cleared_by", sa.Text(), nullable=True),
        sa.Column("cleared_at", sa.Text(), nullable=True),
        sa.Column("clear_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("file_id", "number", name="pk_ach_answer"),
        sa.ForeignKeyConstraint(["file_id"], ["inbound_file.file_id"], name="fk_ach_answer_file_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ach_answer_original_trace", "ach_answer", ["original_trace"])
    op.create_index("ix_ach_answer_outbound_id_seq", "ach_answer", ["outbound_id", "seq"])
    op.create_index("ix_ach_answer_state", "ach_answer", ["state"])
    op.create_table(
        "vendor_change",
        sa.Column("change_id", Id),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), sa.CheckConstraint("origin IN ('OPERATOR','LOAD','NOC')"), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("before_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("after_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), sa.CheckConstraint("state IN ('PROPOSED','APPLIED','REFUSED')"), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("maker_user", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.Text(), nullable=False),
        sa.Column("checker", sa.Text(), nullable=True),
        sa.Column("checker_user", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.Text(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("change_id", name="pk_vendor_change"),
        sa.ForeignKeyConstraint(["vendor"], ["vendor.vendor"], name="fk_vendor_change_vendor"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_vendor_change_vendor", "vendor_change", ["vendor"])
    op.create_table(
        "fraud_finding",
        sa.Column("finding_id", Id),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Text(), nullable=False),
        sa.Column("outbound_id", Id, nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), sa.CheckConstraint("action IN ('HOLD','WARN')"), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("bank", sa.Text(), nullable=True),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("accepted_user", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.Text(), nullable=True),
        sa.Column("accepted_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("finding_id", name="pk_fraud_finding"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_fraud_finding_outbound_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbound_message",
        sa.Column("outbound_id", Id, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=True),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("outbound_id", name="pk_outbound_message"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_outbound_message_outbound_id"),
    )
    op.create_index("ix_fraud_finding_outbound_id", "fraud_finding", ["outbound_id"])
    op.create_index("ix_fraud_finding_vendor", "fraud_finding", ["vendor"])
    _entries()


_FILES = "SELECT outbound_id, portfolio, header FROM outbound_file WHERE kind = 'VACH-BANK' ORDER BY outbound_id"
_ROWS = """
SELECT r.seq, r.trace_number, s.source FROM outbound_row r
LEFT JOIN outbound_source s ON s.outbound_id = r.outbound_id AND s.seq = r.seq WHERE r.outbound_id = :id ORDER BY r.seq
"""
_CHECKS = """
SELECT k.bank, k.check_no, k.vendor, k.amount_cents, v.account_type FROM bank_check k
LEFT JOIN vendor v ON v.vendor = k.vendor WHERE k.portfolio = :p AND k.type = 'NEWA'
"""


def _entries() -> None:
    """What the bank files of before paid, so that their returns are matched: from sources, checks and headers, for the rows
    themselves are sealed.

    The files hold live credits, one a check, and where a file is balanced its offset debit at the end of each batch, which
    named no source and now does, as every row. The transaction code is that of the vendor's account as it stands now; its
    direction, which is all that is read of it, is sure.
    """
    bind = op.get_bind()
    table = sa.table("ach_entry", *(sa.column(name) for name in _ENTRY))
    checks: dict[str, dict[tuple[str, str], Any]] = {}
    for file in bind.execute(sa.text(_FILES)).all():
        if file.portfolio not in checks:
            rows = bind.execute(sa.text(_CHECKS), {"p": file.portfolio})
            checks[file.portfolio] = {(row.bank, row.check_no): row for row in rows}
        made = list(_of_file(bind, file, checks[file.portfolio]))
        if made:
            bind.execute(table.insert(), made)
        offsets = [{"id": file.outbound_id, "seq": one["seq"]} for one in made if one["kind"] == "OFFSET"]
        if offsets:
            bind.execute(sa.text("INSERT INTO outbound_source VALUES (:id, :seq, 'offset:bank')"), offsets)


_ENTRY = (
    "outbound_id", "seq", "trace_number", "kind", "portfolio", "vendor", "details_version", "bank", "check_no", "issue",
    "amount_cents", "transaction_code", "sec", "effective_date",
)  # fmt: skip


def _of_file(bind: sa.Connection, file: Any, checks: dict[tuple[str, str], Any]) -> Iterator[dict[str, Any]]:
    rows = iter(bind.execute(sa.text(_ROWS), {"id": file.outbound_id}).all())
    for batch in json.loads(file.header)["batches"]:
        cents = 0
        for _, row in zip(range(batch["entries"]), rows, strict=False):
            shared = {
                "outbound_id": file.outbound_id, "seq": row.seq, "trace_number": row.trace_number, "portfolio": file.portfolio,
                "sec": batch["sec_code"], "effective_date": batch["effective_date"],
            }  # fmt: skip
            if row.source is None:
                yield shared | {
                    "kind": "OFFSET", "vendor": None, "details_version": None, "bank": None, "check_no": None, "issue": None,
                    "amount_cents": cents, "transaction_code": "27",
                }  # fmt: skip
                continue
            bank, number = row.source.split(":", 3)[2:]
            check = checks.get((bank, number))
            if check is None:  # of a file that was rejected: the check may be another one since
                continue
            cents += check.amount_cents
            yield shared | {
                "kind": "LIVE", "vendor": check.vendor, "details_version": 1, "bank": bank, "check_no": number, "issue": 1,
                "amount_cents": check.amount_cents, "transaction_code": "32" if check.account_type == "savings" else "22",
            }  # fmt: skip


def _bank_check() -> None:
    """A check may be RETURNED, has a number of issue, and the entry that voided it. SQLite changes a CHECK only by
    making the table anew."""
    if op.get_bind().dialect.name != "sqlite":
        op.add_column("bank_check", sa.Column("issue", sa.Integer(), nullable=False, server_default="1"))
        op.add_column("bank_check", sa.Column("void_entry_id", Id, nullable=True))
        op.drop_constraint("bank_check_state_check", "bank_check", type_="check")
        op.create_check_constraint("bank_check_state_check", "bank_check", _STATES)
        return
    columns = (
        "portfolio, check_no, bank, office_id, type, amount_cents, disbursement_date, vendor, lease, asset, reference, "
        "payee, address, state, voided_on, printed_on, outbound_id, unit_id, file_id, line_no"
    )
    op.drop_index("ix_bank_check_lease", "bank_check")
    op.drop_index("ix_bank_check_state", "bank_check")
    op.rename_table("bank_check", "bank_check_0002")
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
        sa.Column("state", sa.Text(), sa.CheckConstraint(_STATES), nullable=False),
        sa.Column("voided_on", sa.Text(), nullable=True),
        sa.Column("printed_on", sa.Text(), nullable=True),
        sa.Column("outbound_id", Id, nullable=True),
        sa.Column("unit_id", Id, nullable=True),
        sa.Column("file_id", Id, nullable=True),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.Column("issue", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("void_entry_id", Id, nullable=True),
        sa.PrimaryKeyConstraint("portfolio", "check_no", "bank", name="pk_bank_check"),
        sa.ForeignKeyConstraint(["outbound_id"], ["outbound_file.outbound_id"], name="fk_bank_check_outbound_id"),
        sa.ForeignKeyConstraint(["vendor"], ["vendor.vendor"], name="fk_bank_check_vendor"),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO bank_check ({columns}) SELECT {columns} FROM bank_check_0002")
    op.drop_table("bank_check_0002")
    op.create_index("ix_bank_check_lease", "bank_check", ["lease"])
    op.create_index("ix_bank_check_state", "bank_check", ["portfolio", "type", "state"])
