"""Open a store by its URL."""

from asyncio import get_running_loop, to_thread
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url, select
from sqlalchemy.exc import ArgumentError

from perijove.adapters.store_sql import sqlite_file
from perijove.adapters.store_sql.followers import Followers
from perijove.adapters.store_sql.lanes import Lane
from perijove.adapters.store_sql.link import Link, TransactionLostError
from perijove.adapters.store_sql.notices import last_revision
from perijove.adapters.store_sql.schema import META
from perijove.adapters.store_sql.sqlite_link import SqliteLink
from perijove.adapters.store_sql.statement import Statement, constant
from perijove.adapters.store_sql.store import SqlStore
from perijove.domain.change import Notice, Topic
from perijove.domain.errors import SettingsError
from perijove.ports.clock import Clock
from perijove.ports.store.store import DatabaseUnavailableError

_SQLITE_READERS: Final = 2
_SQLITE_BATCH: Final = 256
_READ_BATCH: Final = 32
_EPOCH = Statement(select(META.c.value).where(META.c.name == constant("epoch")))


@asynccontextmanager
async def open_store(url: str, *, pool_size: int, clock: Clock, exclusive: bool = True) -> AsyncIterator[SqlStore]:
    """Migrate the database at `url` (sqlite:///path or postgresql://user:password@host/name), and open it.

    `pool_size`: connections to PostgreSQL. `exclusive`: refuse if another hub has this SQLite file, and keep others out;
    a command that works beside a hub says False. Raises SettingsError, DatabaseUnavailableError.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        async with _open_sqlite(parsed, clock, exclusive=exclusive) as store:
            yield store
    else:
        raise SettingsError("PostgreSQL is not there yet.")


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError("[store] url is not the URL of a database.", "Write sqlite:///path or postgresql://user:password@host/name.") from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise SettingsError(
            f"[store] url names a kind of database that is not supported: {parsed.drivername}.",
            "Use sqlite:///path or postgresql://user:password@host/name.",
        )
    return parsed


@asynccontextmanager
async def _open_sqlite(url: URL, clock: Clock, *, exclusive: bool) -> AsyncIterator[SqlStore]:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise SettingsError("[store] url names no file.", "Write sqlite:///relative/path or sqlite:////absolute/path.")
    durable = _durable(url)
    path = _absolute(url.database)
    async with AsyncExitStack() as stack:
        await to_thread(sqlite_file.prepare, path)
        if exclusive:
            stack.enter_context(sqlite_file.held(path))
        await to_thread(sqlite_file.bring_up_to_date, path, exclusive=exclusive)
        loop = get_running_loop()
        readers = [SqliteLink(path, clock, durable=durable, writable=False) for _ in range(_SQLITE_READERS)]
        writer = SqliteLink(path, clock, durable=durable, writable=True)
        epoch, last = await to_thread(_beginnings, writer)
        writer.seen = last
        reads = Lane("read", readers, limit=_READ_BATCH, loop=loop, told=_nobody)
        await _started(stack, reads)

        async def missed(after: int, topics: Sequence[Topic], limit: int) -> list[Notice] | None:
            return await reads.run(lambda tx: tx.notices.after(after, topics, limit=limit))

        followers = Followers(missed, last)
        stack.callback(followers.end)
        writes = Lane("write", [writer], limit=_SQLITE_BATCH, loop=loop, told=followers.tell)
        await _started(stack, writes)
        yield SqlStore(reads, writes, followers, epoch=epoch, shared=False)


def _beginnings(link: Link) -> tuple[str, int]:
    """The epoch, and the newest revision."""
    try:
        link.open()
        link.begin()
        return str(link.value(_EPOCH)), last_revision(link)
    except TransactionLostError as lost:
        raise DatabaseUnavailableError(lost.message, lost.hint) from None
    finally:
        link.rollback()


def _absolute(text: str) -> Path:
    return Path(text).absolute()


def _nobody(notices: Sequence[Notice]) -> None:
    """Reads announce nothing."""


def _durable(url: URL) -> bool:
    """`?synchronous=full` or `normal`."""
    wanted = str(url.query.get("synchronous", "normal")).lower()
    if wanted not in {"full", "normal"} or url.query.keys() - {"synchronous"}:
        raise SettingsError(
            "[store] url has a parameter that is not known.", "SQLite knows ?synchronous=full (wait for the disk at each commit) and =normal."
        )
    return wanted == "full"


async def _started(stack: AsyncExitStack, lane: Lane) -> None:
    lane.start()
    stack.push_async_callback(lane.close)
