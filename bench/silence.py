"""Asks for the same thing again and again, and tells when it was answered well and for how long it was not."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from http_client import Answer, BenchError, Client

_EVERY_S = 0.005


class Watch:
    """One thing that is asked for. Times are of time.perf_counter()."""

    def __init__(self, client: Client, request: bytes, good: Callable[[Answer], bool]) -> None:
        self._client, self._request, self._good = client, request, good
        self._began = self._last = time.perf_counter()
        self._asked = 0.0
        """When the question was asked that was answered well last."""
        self._longest_s = 0.0
        self._answered = asyncio.Event()
        self.asked = 0
        self.failed = 0
        self.seen = "nothing"

    @property
    def longest_s(self) -> float:
        """The longest time without a good answer so far; the time between two questions is a part of it."""
        return max(self._longest_s, time.perf_counter() - self._last)

    def begin(self) -> None:
        """From now on."""
        self._began = self._last = time.perf_counter()
        self._longest_s, self.asked, self.failed = 0.0, 0, 0

    async def answered(self, within_s: float) -> float:
        """The moment of the next good answer to a question asked from now on. Raises BenchError."""
        asked = time.perf_counter()
        try:
            async with asyncio.timeout(within_s):
                while self._asked <= asked:
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            raise BenchError(f"no good answer within {within_s:.0f} s; the last was: {self.seen}") from None
        return self._last

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            asked = time.perf_counter()
            self.asked += 1
            try:
                answer = await self._client.one(self._request)
                good = self._good(answer)
                self.seen = f"{answer.status} {answer.body[:200].decode(errors='replace')}"
            except (OSError, BenchError) as error:
                good, self.seen = False, str(error) or type(error).__name__
            if good:
                now = time.perf_counter()
                self._longest_s = max(self._longest_s, now - self._last)
                self._last, self._asked = now, asked
                self._answered.set()
            else:
                self.failed += 1
            await asyncio.sleep(_EVERY_S)


@asynccontextmanager
async def watching(url: str, path: str, token: str, good: Callable[[Answer], bool]) -> AsyncIterator[Watch]:
    """Watches while the block runs."""
    async with Client(url, token, 1) as client:
        watch = Watch(client, client.request("GET", path), good)
        task = asyncio.create_task(watch.run())
        try:
            yield watch
        finally:
            task.cancel()
            await asyncio.wait({task})
