"""Room beside the rows that files change by the hundred thousand; indexes of checks without those nobody looks for by them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CHANGED = ("escrow_balance", "lease", "payment_batch", "payment_line", "receivable")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _CHANGED:  # pages that are full stay as they are, until VACUUM FULL
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
    for name, columns, which in (
        ("ix_bank_check_state", ["state"], "type = 'NEWA'"),
        ("ix_bank_check_outbound_id", ["outbound_id"], "outbound_id IS NOT NULL"),
        ("ix_bank_check_vendor", ["vendor", "disbursement_date"], "vendor IS NOT NULL"),
    ):
        op.drop_index(name, "bank_check", if_exists=True)
        op.create_index(name, "bank_check", columns, sqlite_where=sa.text(which), postgresql_where=sa.text(which))
