"""Run by Alembic: over the connection it was given (`migrate.py`), or for a developer's `alembic revision` over an empty database in memory."""

from alembic import context
from sqlalchemy import create_engine

from perijove.adapters.store_sql.schema import METADATA


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        connection = create_engine("sqlite://").connect()
    context.configure(
        connection=connection, target_metadata=METADATA, transaction_per_migration=False, render_as_batch=connection.dialect.name == "sqlite"
    )
    with context.begin_transaction():
        context.run_migrations()


run()
