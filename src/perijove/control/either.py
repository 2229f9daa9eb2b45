"""Work that ends early when something else is wanted."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None if the event was set first, and then it is cancelled."""
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(event.wait())
        working = group.create_task(work)
        await asyncio.wait((waiting, working), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        working.cancel()
    return None if working.cancelled() else working.result()
