"""The stream of route changes that proxies follow."""

import asyncio
from pathlib import Path

import pytest

from perijove.adapters.store_sql import open_store
from perijove.adapters.system_clock import SystemClock
from perijove.web import proxies


async def test_the_feed_ends_with_the_hub_at_once_not_at_its_next_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that is restarted has its database until the last stream has ended."""
    monkeypatch.setattr(proxies, "HEARTBEAT_S", 3600.0)
    ending, began = asyncio.Event(), asyncio.Event()
    async with open_store(f"sqlite:///{tmp_path / 'hub.sqlite'}", pool_size=1, clock=SystemClock()) as store:

        async def follow() -> None:
            async for _ in proxies.feed_lines(store, ending, 0):
                began.set()

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(follow())
            await began.wait()
            ending.set()
