"""One follower of servers' notices per process, shared by all who wait for a server: pages, API calls, the reconciler."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from perijove.domain.change import Notice, Topic
from perijove.domain.server import ServerId
from perijove.ports.clock import Clock
from perijove.ports.store.store import Store

_log = structlog.get_logger("perijove.watch")
AGAIN_S = 1.0


class Watch:
    """`run` must be running for anybody to be woken."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._listeners: list[Callable[[Notice | None], None]] = []
        self.standing = asyncio.Event()
        """Set once notices arrive."""

    @contextmanager
    def of(self, server_id: ServerId) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news of this server. Clear it before looking."""
        event = asyncio.Event()
        self._waiting.setdefault(server_id, set()).add(event)
        try:
            yield event
        finally:
            waiting = self._waiting[server_id]
            waiting.discard(event)
            if not waiting:
                del self._waiting[server_id]

    def listen(self, listener: Callable[[Notice | None], None]) -> None:
        """Call `listener` for each notice of a server; with None when some may have been missed."""
        self._listeners.append(listener)

    def wake(self, server_id: int) -> None:
        """Set the events of those who wait for this server."""
        for event in self._waiting.get(server_id, ()):
            event.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self._store.follow((Topic.SERVER, Topic.PROGRESS)) as batches:
                    self.standing.set()
                    self._missed()
                    async for batch in batches:
                        for notice in batch:
                            self._pass_on(notice)
            except LookupError:
                _log.info("left behind by the notices; looking at everything anew")
            except Exception:  # noqa: BLE001 - the database may come back; until then the timers go on
                _log.exception("notices of servers do not arrive")
            self.standing.set()
            self._missed()
            await self._clock.sleep(AGAIN_S)

    def _pass_on(self, notice: Notice) -> None:
        if notice.key.isdigit():
            self.wake(int(notice.key))
        if notice.topic is Topic.SERVER:
            for listener in self._listeners:
                listener(notice)

    def _missed(self) -> None:
        for server_id in list(self._waiting):
            self.wake(server_id)
        for listener in self._listeners:
            listener(None)
