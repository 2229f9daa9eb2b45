"""The local spawner does what every spawner must, with real processes."""

from contextlib import AbstractAsyncContextManager

import pytest

from perijove.adapters.spawners.local import LocalSpawner
from perijove.ports.spawner import Handle
from perijove.testing.spawner_conformance import SpawnerConformance

from .stage import Stage


class TestLocalSpawner(SpawnerConformance):
    @pytest.fixture(autouse=True)
    def use(self, stage: Stage) -> None:
        self._stage = stage

    def opened(self) -> AbstractAsyncContextManager[LocalSpawner]:
        return self._stage.spawner()

    def living(self, handle: Handle) -> int:
        return len(self._stage.processes(handle.start_id))
