"""The store in SQL: SQLite and PostgreSQL."""
