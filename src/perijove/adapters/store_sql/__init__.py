"""The database: SQLite or PostgreSQL, through SQLAlchemy Core and Alembic."""

from perijove.adapters.store_sql.opening import copy_database, missing_file, open_store
from perijove.adapters.store_sql.store import SqlStore

__all__ = ["SqlStore", "copy_database", "missing_file", "open_store"]
