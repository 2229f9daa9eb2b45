"""Our own pretended spawner passes what it examines others with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from perijove.domain.server import ServerId
from perijove.ports.spawner import Handle, Spawner, StartRequest
from perijove.testing.scripted_spawner import ScriptedSpawner
from perijove.testing.spawner_conformance import SpawnerConformance
from perijove.testing.world import World


class Pretended:
    """A Subject."""

    def __init__(self) -> None:
        self.world = World()
        self._ids = count(1)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Spawner]:
        yield ScriptedSpawner(self.world)

    def request(self, server_name: str = "") -> StartRequest:
        number = next(self._ids)
        handle = Handle(server_id=ServerId(number), user_name="alice", server_name=server_name, start_id=f"start-{number}", state=None)
        return StartRequest(handle=handle, prefix="/user/alice/", env={})

    async def living(self, start_id: str) -> int:
        return sum(process.start_id == start_id for process in self.world.live())

    async def end(self, handle: Handle) -> None:
        self.world.end(handle.server_id, 137)


class TestScriptedSpawner(SpawnerConformance):
    @pytest.fixture
    def subject(self) -> Pretended:
        return Pretended()
