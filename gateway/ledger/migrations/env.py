"""Alembic's entry: the connection is handed in by ``gateway.ledger.migrate``, never read from a file."""

from alembic import context

from gateway.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
