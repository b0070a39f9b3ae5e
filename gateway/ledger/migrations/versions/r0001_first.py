"""The first schema: every table of ``schema.py`` and the guards of ``guards.py``."""

from __future__ import annotations

from alembic import op

from gateway.ledger import guards
from gateway.ledger.schema import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    bind = op.get_bind()
    metadata.create_all(bind)
    sqlite = bind.dialect.name == "sqlite"
    for statement in guards.sqlite_statements() if sqlite else guards.postgresql_statements():
        bind.exec_driver_sql(statement)
