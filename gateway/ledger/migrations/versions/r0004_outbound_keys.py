"""The machine whose outbox has a file; no foreign keys of what goes into outbound files; the guard of a unit in one pass.

Each step looks whether it is done: there are ledgers whose 0003 had some of them.
"""

from __future__ import annotations

import re
from typing import Final

import sqlalchemy as sa
from alembic import op

from gateway.ledger import guards

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES: Final = ("bank_check", "outbound_source", "outbound_claim", "ach_entry")
_KEY: Final = re.compile(
    r",\s*CONSTRAINT fk_\w+_outbound_id FOREIGN KEY ?\(outbound_id\) REFERENCES outbound_file \(outbound_id\)"
)


def upgrade() -> None:
    if "machine" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("outbound_file")}:
        op.add_column("outbound_file", sa.Column("machine", sa.Text(), nullable=True))
    op.drop_index("ix_outbound_claim_outbound_id", "outbound_claim", if_exists=True)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table in _TABLES:
        if is_sqlite:
            _make_anew(table)
        else:  # a look a row cost as much as the row; ``verify`` looks at all of them at once
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_outbound_id")
    for statement in guards.revised_statements(is_sqlite=is_sqlite):
        op.execute(statement)


def _make_anew(table: str) -> None:
    """The table without its foreign key to the file, with the same rows and indexes: SQLite drops a key only so."""
    bind = op.get_bind()
    described = (
        "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = :type AND sql IS NOT NULL ORDER BY name"
    )
    (made,) = bind.execute(sa.text(described), {"table": table, "type": "table"}).scalars()
    indexes = list(bind.execute(sa.text(described), {"table": table, "type": "index"}).scalars())
    without, found = _KEY.subn("", made)
    if not found:
        return
    columns = ", ".join(column["name"] for column in sa.inspect(bind).get_columns(table))
    op.rename_table(table, f"{table}_0003")
    bind.execute(sa.text(without))
    bind.execute(sa.text(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_0003"))
    op.drop_table(f"{table}_0003")
    for index in indexes:
        bind.execute(sa.text(index))
