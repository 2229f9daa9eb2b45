"""A clock that is turned by hand."""

import asyncio
import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Implements ports.clock.Clock. Nothing that sleeps on it goes on until `turn` is called."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed_s)

    def ahead_s(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed_s + seconds, self._count, waiting))
        await waiting

    async def turn(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its moment and letting it run on for a few turns of the event loop."""
        end = self._passed_s + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, waiting = heapq.heappop(self._sleepers)
            self._passed_s = max(self._passed_s, moment)
            if not waiting.done():
                waiting.set_result(None)
            for _ in range(5):
                await asyncio.sleep(0)
        self._passed_s = end

    def stand_still(self, seconds: float) -> None:
        """Let time pass while nobody runs, as in a process that is paused."""
        self._passed_s += seconds

    async def turn_until(self, met: Callable[[], bool], *, step_s: float = 0.25, within_s: float = 20.0) -> None:
        """Let time pass until `met`, no faster than what happens in threads and sockets can follow. `within_s` is real time.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + within_s
        while not met():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {within_s} s")
            await self.turn(step_s)
            await asyncio.sleep(0.001)  # what runs in threads needs a real moment
