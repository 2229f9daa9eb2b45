"""The local spawner does what every spawner must do."""

import os
import signal
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from itertools import count

import pytest

from perijove.domain.server import ServerId
from perijove.ports.spawner import Handle, Spawner, StartRequest
from perijove.testing.spawner_conformance import SpawnerConformance

from .stage import Stage, until


class Local:
    """A Subject: servers as processes of this machine."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ids = count(1)

    def opened(self) -> AbstractAsyncContextManager[Spawner]:
        return self._stage.spawner()

    def request(self, server_name: str = "") -> StartRequest:
        request = self._stage.request(server_name)
        return replace(request, handle=replace(request.handle, server_id=ServerId(next(self._ids))))

    async def living(self, start_id: str) -> int:
        return len(self._stage.processes(start_id))

    async def end(self, handle: Handle) -> None:
        for pid in self._stage.processes(handle.start_id):
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not self._stage.processes(handle.start_id), "the server to be dead")


class TestLocalSpawner(SpawnerConformance):
    @pytest.fixture
    def subject(self, stage: Stage) -> Local:
        return Local(stage)
