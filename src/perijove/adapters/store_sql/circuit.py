"""Is the database there? One thread of a process finds out for all, so that nobody waits for what cannot be, and no crowd of threads knocks at a
server that is just getting up.

A connection that breaks or cannot be made is a reason to look, and so is a transaction that takes long. The prober asks over a connection
that it keeps for that; so a server that only takes no more connections is not mistaken for one that is gone.
"""

import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final, Protocol

import structlog

from perijove.adapters.store_sql.jitter import apart

_LOOK_S: Final = 0.5
"""How often it is looked whether a transaction takes long."""
STUCK_S: Final = 2.0
"""A transaction that takes longer is a reason to ask whether the database still answers."""
_GRACE_S: Final = 1.0
"""Once the database answers again: how long those that waited for an answer may go on to wait for it, before their connections are cut."""
_PAUSES_S: Final = (0.2, 0.4, 0.8, 1.3, 2.0, 3.0)
_log = structlog.get_logger("perijove.store")


class AwayError(Exception):
    """The database cannot be asked. `silent`: it was not refused, there just came no answer."""

    def __init__(self, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.silent = silent


class Probe(Protocol):
    """Used in one thread."""

    def ask(self) -> None:
        """Over the connection that is kept; over a new one, if there is none. Raises AwayError, and keeps no connection then."""
        ...

    def close(self) -> None: ...


class Watched(Protocol):
    """A connection's user."""

    busy_since: float | None
    """On the monotonic clock; None: it has nothing to do."""

    def cut(self) -> None:
        """From another thread: whatever it waits for, it gets an error."""
        ...


class Circuit:
    def __init__(self, probe: Probe, loop: AbstractEventLoop) -> None:
        self.away: str | None = None
        """Why the database cannot be asked now."""
        self.outages = 0
        """How often it has gone. A connection from before the last time may lead to nowhere, though nobody has said so."""
        self._probe = probe
        self._loop = loop
        self._watched: list[Watched] = []
        self._listeners: list[Callable[[], None]] = []
        self._doubted = threading.Event()
        self._there = threading.Event()
        self._there.set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="store-prober", daemon=True)
        self._thread.start()

    def watch(self, watched: Watched) -> None:
        self._watched.append(watched)

    def listen(self, gone: Callable[[], None]) -> None:
        """Call it on the event loop whenever the database has gone."""
        self._listeners.append(gone)

    def doubt(self) -> None:
        """A connection broke, or could not be made. From any thread."""
        self._doubted.set()

    def wait(self, limit_s: float) -> bool:
        """Until the database is there again; whether it is. At the end of the process at once."""
        return self._there.wait(limit_s)

    def close(self) -> None:
        """Waits for the prober, so not longer than one try takes."""
        self._closing.set()
        self._doubted.set()
        self._there.set()
        self._thread.join()

    def _work(self) -> None:
        self._look()  # have the connection, before others have taken all there are
        while True:
            self._doubted.wait(_LOOK_S)
            if self._closing.is_set():
                break
            doubted = self._doubted.is_set()
            self._doubted.clear()
            if doubted or self._stuck(monotonic() - STUCK_S):
                self._look()
        self._probe.close()

    def _stuck(self, before: float) -> list[Watched]:
        return [each for each in self._watched if each.busy_since is not None and each.busy_since < before]

    def _look(self) -> None:
        try:
            self._probe.ask()
        except AwayError as error:
            if error.silent:
                self._gone(error)
        else:
            return
        tries = 0
        while not self._closing.is_set():
            try:
                self._probe.ask()
            except AwayError as error:
                self._gone(error)
                self._closing.wait(apart(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)]))
                tries += 1
            else:
                self._back()
                return

    def _gone(self, error: AwayError) -> None:
        if self.away is None:
            self.outages += 1
            self._there.clear()
            self.away = error.message
            if self._closing.is_set():
                self._there.set()
            _log.warning("the database is away; requests are refused until it is back", problem=error.message)
            with suppress(RuntimeError):  # the event loop is gone
                self._loop.call_soon_threadsafe(self._tell)
        else:
            self.away = error.message

    def _back(self) -> None:
        if self.away is None:  # only our own connection was lost: those who wait may have good reasons
            return
        _log.info("the database is back")
        self.away = None
        self._doubted.clear()
        self._there.set()
        stuck = {id(each): each.busy_since for each in self._stuck(monotonic())}
        self._closing.wait(_GRACE_S if stuck else 0)
        for each in self._watched:
            if each.busy_since is not None and stuck.get(id(each)) == each.busy_since:
                each.cut()  # the server that it waits for is another one, or has forgotten it

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
