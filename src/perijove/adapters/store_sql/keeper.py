"""Keep SQLite's write-ahead log synced and short, beside the writer, so that no transaction waits for the disk.

On a machine whose disk is busy with people's notebooks one fsync may take seconds. Without this thread the log would be
synced only when it is copied into the database, by whichever transaction finds it long.
"""

import os
import sqlite3
import threading
from asyncio import to_thread
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from perijove.adapters.store_sql.sqlite_link import connect

SYNC_S: Final = 0.5
"""At most so much is lost when the power goes (unless each commit waits for the disk: `?synchronous=full`)."""
_LONG: Final = 4 << 20


class Keeper:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._synced = (0, 0)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="store-keeper", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        self._closing.set()
        await to_thread(self._thread.join)

    def _work(self) -> None:
        with closing(connect(self._path, durable=False)) as connection:
            while not self._closing.wait(SYNC_S):
                with suppress(OSError, sqlite3.Error):  # the writer will meet it too, and tell whoever waits
                    self._keep(connection)

    def _keep(self, connection: sqlite3.Connection) -> None:
        found = self._log.stat()
        state = (found.st_size, found.st_mtime_ns)
        if state == self._synced:
            return
        descriptor = os.open(self._log, os.O_RDONLY)  # not the database itself: closing that would drop SQLite's locks on it
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._synced = state
        if found.st_size > _LONG:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
