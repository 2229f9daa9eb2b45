from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perijove.adapters.store_sql import open_store
from perijove.adapters.system_clock import SystemClock
from perijove.ports.clock import Clock
from perijove.testing.world import World

from .house import House


@pytest.fixture
def time() -> Clock:
    """Real, for most waits here are for real events; a test that turns time says so."""
    return SystemClock()


@pytest.fixture
async def house(tmp_path: Path, time: Clock) -> AsyncIterator[House]:
    """A database and a world, with alice and bob."""
    async with open_store(f"sqlite:///{tmp_path / 'servers.sqlite'}", pool_size=2, clock=time) as store:
        await store.write(lambda tx: tx.users.add_missing(["alice", "bob"], now=time.now()))
        yield House(store, World(), time)
