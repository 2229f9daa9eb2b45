"""One follower of servers' notices per process, shared by all who wait for a server: pages, API calls, the reconciler."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from perijove.control.trouble import complain
from perijove.domain.change import Notice, Topic
from perijove.domain.server import IDLE_PHASES, Phase, ServerId
from perijove.ports.clock import Clock
from perijove.ports.store.store import Store

_log = structlog.get_logger("perijove.watch")
AGAIN_S = 1.0
AT_ONCE = 200
APART_S = 0.1
"""When something may have been missed, so many look again at once, and the next ones that much later."""
_AT_REST = frozenset({phase.value for phase in (Phase.READY, *IDLE_PHASES)})


class Watch:
    """`run` must be running for anybody to be woken."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: dict[int, dict[asyncio.Event, bool]] = {}
        self._listeners: list[Callable[[Notice | None], None]] = []
        self.ended = False
        """The process ends: nobody should wait any more."""
        self.standing = asyncio.Event()
        """Set once notices arrive."""

    @contextmanager
    def of(self, server_id: ServerId, *, at_rest: bool = False) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news of this server; `at_rest`: only if it may have come to rest, or is gone.
        Clear it before looking."""
        event = asyncio.Event()
        self._waiting.setdefault(server_id, {})[event] = at_rest
        try:
            yield event
        finally:
            waiting = self._waiting[server_id]
            del waiting[event]
            if not waiting:
                del self._waiting[server_id]

    def listen(self, listener: Callable[[Notice | None], None]) -> None:
        """Call `listener` for each notice of a server, as long as the process lives; with None when some may have been missed."""
        self._listeners.append(listener)

    @contextmanager
    def listening(self, listener: Callable[[Notice | None], None]) -> Iterator[None]:
        """Listen for a while."""
        self.listen(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def end(self) -> None:
        """Have all who wait look once more, and answer with what they see."""
        self.ended = True
        for waiting in self._waiting.values():
            for event in waiting:
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
            except Exception as error:  # noqa: BLE001 - the database may come back; until then the timers go on
                complain("notices of servers do not arrive", error)
            self.standing.set()
            self._missed()
            await self._clock.sleep(AGAIN_S)

    def _pass_on(self, notice: Notice) -> None:
        about_server = notice.topic is Topic.SERVER
        waiting = self._waiting.get(int(notice.key))
        if waiting:
            phase = notice.data.get("phase")
            resting = about_server and (phase is None or phase in _AT_REST)
            for event, at_rest in waiting.items():
                if resting or not at_rest:
                    event.set()
        if about_server:
            for listener in self._listeners:
                listener(notice)

    def _missed(self) -> None:
        for listener in self._listeners:
            listener(None)
        events = [event for waiting in self._waiting.values() for event in waiting]
        _wake(events[:AT_ONCE])
        loop = asyncio.get_running_loop()
        for number in range(AT_ONCE, len(events), AT_ONCE):  # each looks into the database, which may be just getting up
            loop.call_later(number / AT_ONCE * APART_S, _wake, events[number : number + AT_ONCE])


def _wake(events: list[asyncio.Event]) -> None:
    """Some of them may have found out by other ways, or gone."""
    for event in events:
        event.set()
