"""A plugin as bad as they come: its starts never end, and swallow being cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from perijove.ports.spawner import Progress, StartEvent, StartRequest
from perijove.testing.null_spawner import NullSpawner


class StubbornSpawner(NullSpawner):
    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        yield Progress("Never to be seen again")
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
