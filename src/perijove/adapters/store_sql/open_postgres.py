"""A store in PostgreSQL, shared by any number of hubs."""

from asyncio import get_running_loop, sleep, to_thread
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import Final

import psycopg
import structlog
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from perijove.adapters.store_sql import migrate
from perijove.adapters.store_sql.beginnings import beginnings
from perijove.adapters.store_sql.circuit import Circuit
from perijove.adapters.store_sql.followers import Followers
from perijove.adapters.store_sql.lanes import Lane
from perijove.adapters.store_sql.listener import Listener
from perijove.adapters.store_sql.postgres_link import PostgresLink, connect, past_standbys
from perijove.adapters.store_sql.postgres_probe import PostgresProbe
from perijove.adapters.store_sql.shared_time import database_time
from perijove.adapters.store_sql.store import SqlStore
from perijove.domain.change import Notice, Topic
from perijove.domain.errors import SettingsError
from perijove.ports.clock import Clock
from perijove.ports.store.store import DatabaseUnavailableError

_log = structlog.get_logger("perijove.store")
_AT_ONCE: Final = 16
"""Functions in one transaction. Few, because their row locks are held until the last is done."""
_MIGRATING: Final = 1886546537
_FIRST_PAUSE_S: Final = 0.2
_QUIET_S: Final = 0.5
"""Pauses as short as this are those of a database that is just starting, too: nothing to be said about."""
_MAX_PAUSE_S: Final = 5.0


def _ignore(_: datetime) -> None:
    """The clock goes its own way."""


@asynccontextmanager
async def open_postgres(
    url: URL,
    clock: Clock,
    *,
    pool_size: int,
    patience_s: float,
    direct_url: URL | None = None,
    migrates: bool = True,
    agree: Callable[[datetime], None] = _ignore,
) -> AsyncIterator[SqlStore]:
    """`direct_url`: past a pooler in transaction mode, which `url` leads to, for notices need a session. A server that does not answer yet is
    waited for, `patience_s` long. `agree` is told the database's time, before anything else and ever again.

    Raises SettingsError, DatabaseUnavailableError.
    """
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    direct = conninfo if direct_url is None else direct_url.set(drivername="postgresql").render_as_string(hide_password=False)
    pooled = direct_url is not None
    agree(await _brought_up_to_date(direct, patience_s, migrates=migrates))
    loop = get_running_loop()
    number = max(1, pool_size // 2)
    async with AsyncExitStack() as stack:
        circuit = Circuit(PostgresProbe(conninfo), loop)
        stack.push_async_callback(to_thread, circuit.close)
        writers = [PostgresLink(conninfo, clock, writable=True, pooled=pooled, circuit=circuit) for _ in range(number)]
        readers = [PostgresLink(conninfo, clock, writable=False, pooled=pooled, circuit=circuit) for _ in range(max(1, pool_size - number))]
        listening = PostgresLink(direct, clock, writable=False, circuit=circuit)
        for link in (*writers, *readers, listening):
            circuit.watch(link)
        epoch, last = await to_thread(beginnings, listening)
        reads = Lane("read", readers, limit=_AT_ONCE, loop=loop, circuit=circuit)
        stack.push_async_callback(reads.close)

        async def missed(after: int, topics: Sequence[Topic], limit: int) -> list[Notice] | None:
            return await reads.run(lambda tx: tx.notices.after(after, topics, limit=limit))

        followers = Followers(missed, last, lambda: reads.run(lambda tx: tx.notices.last()))
        stack.callback(followers.end)
        writes = Lane("write", writers, limit=_AT_ONCE, loop=loop, circuit=circuit)
        stack.push_async_callback(writes.close)
        listener = Listener(listening, last, loop=loop, told=followers.tell, lost=followers.reset, agree=agree, circuit=circuit)
        stack.push_async_callback(listener.close)
        yield SqlStore(reads, writes, followers, epoch=epoch, heard=lambda: listener.heard, circuit=circuit)


async def _brought_up_to_date(conninfo: str, patience_s: float, *, migrates: bool) -> datetime:
    """The database's time, once it is ready to be used."""
    deadline, pause_s = monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        try:
            return await to_thread(_bring_up_to_date, conninfo, migrates=migrates)
        except DatabaseUnavailableError as error:
            if monotonic() > deadline:
                raise
            if pause_s > _QUIET_S:
                _log.warning("waiting for the database", problem=error.message)
        await sleep(pause_s)
        pause_s = min(_MAX_PAUSE_S, pause_s * 1.5)


def _bring_up_to_date(conninfo: str, *, migrates: bool) -> datetime:
    """Migrate, one hub at a time. Returns the database's time."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(past_standbys(conninfo), connect_timeout=5), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
            if encoding != "UTF8":
                raise SettingsError(
                    f"The database's encoding is {encoding}.", "Create it anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
                )
            wanted = migrate.pending(connection)
            if wanted is not None and not migrates:
                raise migrate.behind(wanted)
            if wanted is not None:
                migrate.upgrade(connection)
        with connect(conninfo) as connection:
            return database_time(connection)
    except (OperationalError, psycopg.OperationalError) as error:
        cause = error.orig if isinstance(error, OperationalError) else error
        raise DatabaseUnavailableError(
            f"The database does not answer: {_line(cause)}.", "Look whether it runs, and whether [store] url is right."
        ) from None
    except DBAPIError as error:
        raise SettingsError(
            f"The database cannot be used: {_line(error.orig)}.", "The role in [store] url needs the right to create tables."
        ) from None


def _line(error: BaseException | None) -> str:
    return " ".join(str(error).split()).rstrip(".")
