"""Servers for the hub of ours under comparison: nothing is started, and their options say how that goes (theirs.py has the same for JupyterHub)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from perijove.domain.errors import SpawnerError
from perijove.domain.server import JsonObject
from perijove.ports.spawner import Address, Checkpoint, Handle, Progress, StartEvent, StartRequest
from perijove.testing.null_spawner import NullSpawner

PAUSE_S = 0.05


class ObedientSpawner(NullSpawner):
    """`fail`: it cannot be started. `until`, `stop_until`: it starts, or stops, once there is such a file. The state has the server's token."""

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        options = request.options
        state: JsonObject = {"token": request.env["JUPYTERHUB_API_TOKEN"], "stop_until": options.get("stop_until", "")}
        yield Checkpoint(state)
        if until := options.get("until"):
            yield Progress("Waiting for a file", 50)
            await _appears(until)
        if options.get("fail"):
            raise SpawnerError("This server cannot be started.")
        yield Address(self._address, state)

    async def stop(self, handle: Handle, grace_s: float) -> None:
        if handle.state is not None and (until := handle.state.get("stop_until")):
            await _appears(str(until))

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        return dict(options)


async def _appears(path: str) -> None:
    while not Path(path).exists():
        await asyncio.sleep(PAUSE_S)
