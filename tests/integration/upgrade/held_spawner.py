"""Servers that all are one listener of the test's, and begin when a file appears. Loaded by hubs of both versions: it uses what plugins may use."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from perijove.domain.server import JsonObject
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Progress, StartEvent, StartRequest
from perijove.testing.null_spawner import NullSpawner


class HeldSpawner(NullSpawner):
    """Options: `until`, the path of a file to be waited for."""

    class Config(NullSpawner.Config, frozen=True, forbid_unknown_fields=True, kw_only=True):
        address: str

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Config, context: PluginContext) -> AsyncIterator["HeldSpawner"]:  # type: ignore[override]
        yield cls(config, context, config.address)

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        yield Checkpoint({"started": request.handle.start_id})
        yield Progress("Held by the test", 50)
        while (path := request.options.get("until")) and not Path(path).exists():
            await asyncio.sleep(0.05)
        yield Address(self._address)

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        return dict(options)
