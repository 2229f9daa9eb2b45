"""The hub's way to the place: a spawner like that of any cluster with an API."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from perijove.domain.errors import SpawnerError
from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Progress, Running, StartEvent, StartRequest, Status, Unclear


async def ask(path: str, **question: Any) -> dict[str, Any]:
    """One question. Raises OSError."""
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 24)
    try:
        writer.write(json.dumps(question).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
        if not line:
            raise ConnectionResetError("the place hung up")
        answer: dict[str, Any] = json.loads(line)
        return answer
    finally:
        writer.close()


class PlaceSpawner:
    """Implements ports.spawner.Spawner."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """`[spawner]` with `use = "tests.faults.spawner:PlaceSpawner"`."""

        place: str

    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Config, _context: PluginContext) -> AsyncIterator["PlaceSpawner"]:
        yield cls(config.place)

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        handle = request.handle
        if handle.state is None:
            yield Checkpoint({"start_id": handle.start_id})
        yield Progress("Asking the place", 30)
        answer = await self._ask(do="start", start_id=handle.start_id, server=_name(handle), prefix=request.prefix)
        if "refused" in answer:
            raise SpawnerError(f"The place refused: {answer['refused']}.")
        yield Progress("It is up", 80)
        yield Address(answer["address"])

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        try:
            answer = await ask(self._path, do="status", start_ids=[handle.start_id for handle in handles])
        except OSError as error:
            return [Unclear(str(error)) for _ in handles]
        return [Running() if up else Exited(message="The place does not have it.") for up in answer["up"]]

    async def stop(self, handle: Handle, grace_s: float) -> None:
        if handle.state is not None:
            await self._ask(do="stop", start_id=handle.start_id)

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:
        return ""

    def option_fields(self, user_name: str) -> Sequence[OptionField]:
        return ()

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        return dict(options)

    async def forget(self, user_name: str, server_name: str) -> None:
        """Nothing is left."""

    async def _ask(self, **question: Any) -> dict[str, Any]:
        try:
            return await ask(self._path, **question)
        except OSError as error:
            raise SpawnerError(f"The place does not answer: {error}.") from None


def _name(handle: Handle) -> str:
    return f"{handle.user_name}/{handle.server_name}"
