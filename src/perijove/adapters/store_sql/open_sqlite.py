"""A store in an SQLite file."""

from asyncio import get_running_loop, sleep, to_thread
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from perijove.adapters.store_sql import sqlite_file
from perijove.adapters.store_sql.beginnings import beginnings
from perijove.adapters.store_sql.followers import Followers
from perijove.adapters.store_sql.keeper import Keeper
from perijove.adapters.store_sql.lanes import Lane
from perijove.adapters.store_sql.sqlite_link import SqliteLink
from perijove.adapters.store_sql.store import SqlStore
from perijove.domain.change import Notice, Topic
from perijove.domain.errors import SettingsError
from perijove.ports.clock import Clock

_READERS: Final = 2
_READS_AT_ONCE: Final = 32
_WRITES_AT_ONCE: Final = 256
_LOOK_S: Final = 0.02


@asynccontextmanager
async def open_sqlite(
    url: URL, clock: Clock, *, exclusive: bool, migrates: bool = True, in_use: Callable[[], None] | None = None
) -> AsyncIterator[SqlStore]:
    """`in_use`: called if another hub has the file, which is then waited for. Raises SettingsError, DatabaseUnavailableError."""
    path, durable = sqlite_path(url), _durable(url)
    async with AsyncExitStack() as stack:
        await to_thread(sqlite_file.prepare, path)
        if exclusive:
            await _hold(stack, path, in_use)
        await to_thread(sqlite_file.bring_up_to_date, path, exclusive=exclusive, migrates=migrates)
        loop = get_running_loop()
        writer = SqliteLink(path, clock, durable=durable, writable=True)
        epoch, writer.seen = await to_thread(beginnings, writer)
        readers = [SqliteLink(path, clock, durable=durable, writable=False) for _ in range(_READERS)]
        reads = Lane("read", readers, limit=_READS_AT_ONCE, loop=loop)
        stack.push_async_callback(reads.close)

        async def missed(after: int, topics: Sequence[Topic], limit: int) -> list[Notice] | None:
            return await reads.run(lambda tx: tx.notices.after(after, topics, limit=limit))

        followers = Followers(missed, writer.seen)
        stack.callback(followers.end)
        writes = Lane("write", [writer], limit=_WRITES_AT_ONCE, loop=loop, told=followers.tell)
        stack.push_async_callback(writes.close)
        if exclusive:
            stack.push_async_callback(Keeper(path).close)
        yield SqlStore(reads, writes, followers, epoch=epoch)


async def _hold(stack: AsyncExitStack, path: Path, in_use: Callable[[], None] | None) -> None:
    told = False
    while True:
        try:
            stack.enter_context(sqlite_file.held(path))
        except sqlite_file.InUseError:
            if in_use is None:
                raise
            if not told:
                in_use()
                told = True
            await sleep(_LOOK_S)
        else:
            return


def sqlite_path(url: URL) -> Path:
    """Raises SettingsError."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise SettingsError("[store] url names no file.", "Write sqlite:///relative/path or sqlite:////absolute/path.")
    return Path(url.database).absolute()


def _durable(url: URL) -> bool:
    """`?synchronous=full` or `normal`."""
    wanted = str(url.query.get("synchronous", "normal")).lower()
    if wanted not in {"full", "normal"} or url.query.keys() - {"synchronous"}:
        raise SettingsError(
            "[store] url has a parameter that is not known.", "SQLite knows ?synchronous=full (wait for the disk at each commit) and =normal."
        )
    return wanted == "full"
