"""The history of a suspense item: what people did with it, and the guards that keep it as it was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger import guards

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "suspense_move",
        sa.Column("item", Id, autoincrement=False),
        sa.Column("number", sa.Integer(), autoincrement=False),
        sa.Column(
            "kind",
            sa.Text(),
            sa.CheckConstraint("kind IN ('NOTE','APPLY','PAY','REFUND','CLEAR','ADD','CHANGE','UNDO')"),
            nullable=False,
        ),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("unit_id", Id, nullable=True),
        sa.Column("entry_id", Id, nullable=True),
        sa.Column("far_entry_id", Id, nullable=True),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("invoice", sa.Text(), nullable=True),
        sa.Column("charge", sa.Text(), nullable=True),
        sa.Column("asset", sa.Text(), nullable=True),
        sa.Column("bank", sa.Text(), nullable=True),
        sa.Column("check_no", sa.Text(), nullable=True),
        sa.Column("account_id", Id, nullable=True),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("item", "number", name="pk_suspense_move"),
        sa.ForeignKeyConstraint(["item"], ["suspense_item.item"], name="fk_suspense_move_item"),
        sa.ForeignKeyConstraint(["unit_id"], ["posting_unit.unit_id"], name="fk_suspense_move_unit_id"),
        sa.UniqueConstraint("item", "undoes", name="uq_suspense_move_item_undoes"),
    )
    op.create_index("ix_suspense_move_invoice", "suspense_move", ["invoice"])
    op.create_index("ix_suspense_move_check_no", "suspense_move", ["check_no"])
    bind = op.get_bind()
    for statement in guards.suspense_statements(is_sqlite=bind.dialect.name == "sqlite"):
        bind.exec_driver_sql(statement)
