"""Follow the notices of all replicas on PostgreSQL: LISTEN to be woken, the table to read, so that none is lost."""

import os
import select as readiness
import threading
from asyncio import AbstractEventLoop, to_thread
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from time import monotonic
from typing import Any, Final

import psycopg

from perijove.adapters.store_sql.circuit import Circuit
from perijove.adapters.store_sql.jitter import apart
from perijove.adapters.store_sql.link import TransactionLostError
from perijove.adapters.store_sql.notices import SqlNotices
from perijove.adapters.store_sql.postgres_link import PostgresLink
from perijove.adapters.store_sql.shared_time import database_time
from perijove.domain.change import Notice, Topic

_POLL_S: Final = 3.0
"""How often the table is read without being woken."""
APART_S: Final = 0.01
"""Between two readings: where many commit, one reading is about many commits, and nobody waits noticeably longer."""
_AGREE_S: Final = 10.0
"""How often the time is compared."""
_PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0)
_LOOK_S: Final = 0.1
_PAGE: Final = 1000
_TOPICS: Final = tuple(Topic)


class Listener:
    """`told` and `lost` are called on the event loop: with new notices; when some were trimmed before they were read. `agree` is
    called in the listener's thread, with the database's time."""

    def __init__(
        self,
        link: PostgresLink,
        after: int,
        *,
        loop: AbstractEventLoop,
        told: Callable[[Sequence[Notice]], None],
        lost: Callable[[int], None],
        agree: Callable[[datetime], None],
        circuit: Circuit,
    ) -> None:
        self._link = link
        self._position = after
        self._loop = loop
        self._told = told
        self._lost = lost
        self._agree = agree
        self._circuit = circuit
        self._agreed = self.heard = monotonic()
        self._woken = False
        self._checked = -_POLL_S
        """When it was last made sure that none was trimmed, nor the database put back."""
        self._again_at = monotonic()
        self._listening: psycopg.Connection[Any] | None = None
        self._closing = threading.Event()
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._work, name="store-listener", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        self._closing.set()
        os.write(self._wake_writer, b"x")
        await to_thread(self._thread.join)
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _work(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                self._link.busy_since = monotonic()
                self._listen()
                self._closing.wait(max(0.0, self._again_at - monotonic()))
                self._again_at = monotonic() + APART_S
                self._woken = False
                while self._read():
                    failures = 0
                if monotonic() - self._agreed > _AGREE_S:
                    self._agree(database_time(self._listen()))
                    self._agreed = monotonic()
                self._link.busy_since = None
                if not self._woken:
                    self._sleep()
                failures = 0
            except (TransactionLostError, psycopg.Error, OSError):
                # Whoever asks the store hears of it; here it is enough to come back.
                self._link.rollback()
                self._link.close()
                self._link.busy_since = None
                while self._circuit.away is not None and not self._closing.is_set():
                    self._circuit.wait(_LOOK_S)
                self._closing.wait(apart(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)]))
                failures += 1
        self._link.close()

    def _sleep(self) -> None:
        """Until there is something to be read, or it is time to read all the same."""
        poll = readiness.poll()  # select() takes no number above 1024, and a busy hub has as many sockets
        for number in (self._listen().fileno(), self._wake_reader):
            poll.register(number, readiness.POLLIN)
        poll.poll(_POLL_S * 1000)

    def _listen(self) -> psycopg.Connection[Any]:
        """The open connection, listening."""
        self._link.open()
        connection = self._link.opened
        if connection is not self._listening:
            connection.add_notify_handler(self._on_notify)
            connection.execute("LISTEN perijove_notices")
            self._listening = connection
            self._checked = -_POLL_S
        return connection

    def _on_notify(self, _: object) -> None:
        """Called while a query is answered."""
        self._woken = True

    def _read(self) -> bool:
        """Tell what is new; whether there may be more. Mostly one statement: the next number in line shows that none is missing."""
        notices, last = SqlNotices(self._link), 0
        found: list[Notice] | None = notices.following(self._position, limit=_PAGE)
        if monotonic() - self._checked > _POLL_S or (found and found[0].revision != self._position + 1):
            self._link.begin()
            found = notices.after(self._position, _TOPICS, limit=_PAGE)
            last = notices.last() if found is None else 0
            self._link.commit()
            self._checked = monotonic()
        self.heard = monotonic()
        if found is None:
            self._position = last
            self._tell(self._lost, last)
        elif found:
            self._position = found[-1].revision
            self._tell(self._told, found)
        return found is not None and len(found) == _PAGE

    def _tell(self, callback: Callable[..., object], argument: Any) -> None:
        with suppress(RuntimeError):  # the event loop is gone
            self._loop.call_soon_threadsafe(callback, argument)
