"""The board on which the queue is shown: looked up once for all who watch at this replica, so that what it costs does not grow with them."""

import asyncio
from collections.abc import Awaitable, Callable

from perijove.domain.outlook import QueuePlace, QueueView
from perijove.domain.server import ServerId

Look = Callable[[], Awaitable[QueueView]]


class Board:
    """One for each process. For `keep_s` a view is good; after `newcomer_s` it is looked again for somebody who came since, and all who come in a
    storm share that look."""

    def __init__(self, keep_s: float = 2.0, newcomer_s: float = 0.25) -> None:
        self.keep_s = keep_s
        self.newcomer_s = newcomer_s
        self._view: QueueView | None = None
        self._looked_at = 0.0
        self._looking = asyncio.Lock()

    async def view(self, look: Look) -> QueueView:
        """At most `keep_s` old. Raises what `look` raises."""
        return await self._newer(look, self.keep_s)

    async def place_of(self, server_id: ServerId, look: Look) -> QueuePlace | None:
        """None if it does not wait (any more). Raises what `look` raises."""
        place = (await self._newer(look, self.keep_s)).place_of(server_id)
        if place is not None:
            return place
        await asyncio.sleep(max(0.0, self._looked_at + self.newcomer_s - asyncio.get_running_loop().time()))
        return (await self._newer(look, self.newcomer_s)).place_of(server_id)

    async def _newer(self, look: Look, than_s: float) -> QueueView:
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if self._view is None or now - self._looked_at >= than_s:
                self._view = await look()
                self._looked_at = asyncio.get_running_loop().time()
            return self._view
