"""Everybody who waits for a server looks again after a gap in the notices, but not everybody at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any, cast

from perijove.adapters.system_clock import SystemClock
from perijove.control import watch as watches
from perijove.control.watch import Watch
from perijove.domain.change import Notice
from perijove.domain.server import ServerId
from perijove.ports.store.store import Store


class Gaps:
    """Notices that were missed, whenever `gap` is set."""

    def __init__(self) -> None:
        self.gap = asyncio.Event()

    @asynccontextmanager
    async def follow(self, *_: Any) -> AsyncIterator[AsyncIterator[Sequence[Notice]]]:
        async def batches() -> AsyncIterator[Sequence[Notice]]:
            await self.gap.wait()
            self.gap.clear()
            raise LookupError
            yield ()

        yield batches()


async def test_after_a_gap_all_look_again_and_not_all_at_once() -> None:
    gaps = Gaps()
    watch = Watch(cast(Store, gaps), SystemClock())
    running = asyncio.create_task(watch.run())
    await watch.standing.wait()
    told: list[Notice | None] = []
    number = watches.AT_ONCE * 3 - 10
    with ExitStack() as stack, watch.listening(told.append):
        events = [stack.enter_context(watch.of(ServerId(server))) for server in range(number)]
        gaps.gap.set()
        async with asyncio.timeout(10):
            await events[0].wait()
            assert told == [None], "the hub's own work knows at once"
            assert sum(event.is_set() for event in events) == watches.AT_ONCE
            for event in events:
                await event.wait()
    running.cancel()
    await asyncio.wait({running})
