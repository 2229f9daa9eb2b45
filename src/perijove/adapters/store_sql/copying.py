"""Move everything from an SQLite file into a PostgreSQL database: one transaction there, or nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import Connection, Integer, Table, create_engine, func, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from perijove.adapters.store_sql import migrate, sqlite_file
from perijove.adapters.store_sql.schema import META, METADATA, USERS
from perijove.domain.errors import SettingsError

_SLICE: Final = 1000
_TRIMMED: Final = "trimmed"


def copy_database(source: Path, target_url: str, told: Callable[[str, int, int], None]) -> int:
    """All rows of all tables; returns how many. `told` hears of each table: its name, how far, of how many rows.

    No hub may use the file meanwhile, and the target must hold no users yet. Raises SettingsError; then nothing has changed.
    """
    url = make_url(target_url)
    if url.get_backend_name() != "postgresql":
        raise SettingsError(f"[store] url names no PostgreSQL database but {url.get_backend_name()}.", "Write postgresql://user:password@host/name.")
    if not source.is_file():
        raise SettingsError(f"There is no database {source}.", "Name the SQLite file with --from; it is perijove.sqlite in the hub's state_dir.")
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with sqlite_file.held(source):
        sqlite_file.bring_up_to_date(source, exclusive=True)
        reading = create_engine(f"sqlite:///{source}", poolclass=NullPool)
        writing = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo, connect_timeout=10), poolclass=NullPool)
        try:
            with reading.connect() as old, writing.begin() as new:
                _prepare(new)
                copied = sum(_copy(old, new, table, told) for table in METADATA.sorted_tables)
                _number_on(new)
                return copied
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split()).rstrip(".")
            raise SettingsError(f"The database could not be copied: {reason}.", "Nothing has changed. Look whether [store] url is right.") from None
        finally:
            reading.dispose()
            writing.dispose()


def _prepare(new: Connection) -> None:
    if migrate.pending(new) is not None:
        migrate.upgrade(new)
    if new.execute(select(func.count()).select_from(USERS)).scalar_one():
        raise SettingsError(
            "The PostgreSQL database has users already.", "Copy into a new one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )
    for table in reversed(METADATA.sorted_tables):  # what a hub that was started once has left there
        new.execute(table.delete())


def _copy(old: Connection, new: Connection, table: Table, told: Callable[[str, int, int], None]) -> int:
    number: int = old.execute(select(func.count()).select_from(table)).scalar_one()
    done = 0
    told(table.name, 0, number)
    result = old.execution_options(yield_per=_SLICE).execute(select(table))
    for rows in result.mappings().partitions(_SLICE):
        new.execute(insert(table), [dict(row) for row in rows])
        done += len(rows)
        told(table.name, done, number)
    if done != new.execute(select(func.count()).select_from(table)).scalar_one():
        raise SettingsError(f"Not all rows of {table.name} arrived.", "Nothing has changed. Is something else writing to the PostgreSQL database?")
    return done


def _number_on(new: Connection) -> None:
    """What comes next is numbered after what was copied."""
    for table in METADATA.sorted_tables:
        if "id" in table.c and isinstance(table.c.id.type, Integer):
            highest = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
            new.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), highest, text("false"))))
    newest = new.execute(select(func.max(METADATA.tables["notices"].c.revision))).scalar()
    trimmed = new.execute(select(META.c.value).where(META.c.name == _TRIMMED)).scalar()
    new.execute(select(func.setval("notice_revisions", max(int(newest or 0), int(trimmed or 0)) + 1, text("false"))))
