"""Moving many rows' last_activity forward in one statement."""

from typing import Any

from sqlalchemy import Select, Table, select, update

from perijove.adapters.store_sql.statement import POSTGRES, Speech


def touching(speech: Speech, table: Table, moments: Select[Any]) -> Any:
    """`moments`: rows of (id, at). Never back. PostgreSQL leaves out rows that another transaction is just changing.

    SQLite has one writer, and is not asked for free rows: it would look at all moments for each row, and 5,000 servers would take seconds.
    """
    newest = moments.subquery("newest")
    moved = update(table).values(last_activity=newest.c.at).where(table.c.id == newest.c.id, table.c.last_activity < newest.c.at)
    if speech is not POSTGRES:
        return moved
    free = select(table.c.id).where(table.c.id.in_(select(newest.c.id))).order_by(table.c.id).with_for_update(skip_locked=True)
    return moved.where(table.c.id.in_(free))
