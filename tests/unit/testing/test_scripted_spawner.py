"""The spawner that our own tests trust does what every spawner must."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from perijove.ports.spawner import Handle
from perijove.testing.scripted_spawner import ScriptedSpawner
from perijove.testing.spawner_conformance import SpawnerConformance
from perijove.testing.world import World


class TestScriptedSpawner(SpawnerConformance):
    @pytest.fixture(autouse=True)
    def world(self) -> World:
        self._world = World()
        return self._world

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[ScriptedSpawner]:
        yield ScriptedSpawner(self._world)

    def living(self, handle: Handle) -> int:
        return sum(process.start_id == handle.start_id for process in self._world.live())
