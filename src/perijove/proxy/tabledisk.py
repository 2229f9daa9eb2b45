"""The last route table on disk: after a restart the proxy serves at once, whether or not a hub is there."""

import asyncio
import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from perijove.proxy.routebook import in_turns
from perijove.wire.feed import Route, Snapshot, UnreadSnapshot

_log = logging.getLogger("perijove.proxy.disk")
_FORMAT: Final = 1
_encode = msgspec.json.Encoder().encode


class _Saved(msgspec.Struct, frozen=True):
    format: int
    table: UnreadSnapshot


class _Loaded(msgspec.Struct, frozen=True):
    format: int
    table: Snapshot


class TableDisk:
    """One file, always whole: it is written beside and moved into place."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def load(self) -> Snapshot | None:
        """The table as last saved; None if there is none that can be used, for whatever reason: the hub will tell."""
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Loaded)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.error("the last route table in %s cannot be read and is left aside: %s", self._path, error)
            return None
        if saved.format != _FORMAT:
            _log.error("the last route table in %s is of another version and is left aside", self._path)
            return None
        return saved.table

    async def save(self, epoch: str, revision: int, routes: Iterable[Route]) -> None:
        """Keep a table that had all up to `revision` when this began; what changes meanwhile may or may not be in it, and comes again from
        a hub after a restart."""
        texts = [msgspec.Raw(_encode(route)) async for route in in_turns(routes)]
        await asyncio.to_thread(self._write, UnreadSnapshot(epoch, revision, tuple(texts)))

    def _write(self, table: UnreadSnapshot) -> None:
        """Blocks. A failure is reported, and does not stop the proxy: it has the table in memory."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=self._path.name, suffix=".new", dir=self._path.parent)  # readable by us alone
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_encode(_Saved(_FORMAT, table)))
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            _log.error("the route table cannot be kept in %s: %s. After a restart it would have to come from a hub.", self._path, error)
