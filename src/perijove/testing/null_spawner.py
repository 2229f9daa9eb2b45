"""A spawner that starts nothing, in no time: what is left is the hub's own work. For benchmarks, and for trying things out.

All its servers are one tiny HTTP listener in the hub's process that answers 200 to everything, or one elsewhere that outlives the hub.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from msgspec import Struct

from perijove.config.quantities import Duration
from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Progress, Running, StartEvent, StartRequest, Status

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-JupyterHub-Version: 6.1.1\r\n"
    b'Content-Length: 19\r\nConnection: %s\r\n\r\n{"version": "null"}'
)


class NullSpawner:
    """Remembers in its checkpoint only that it "started"."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """`[spawner]` with `use = "perijove.testing.null_spawner:NullSpawner"`."""

        start_delay: Duration = 0.0
        """How long a start takes."""
        checkpoint: bool = False
        """Yield a checkpoint, as spawners of real places do."""
        address: str = ""
        """URL of a listener that stands for every server, which other hubs, and the next one, find as well. Empty: one in the hub's process."""

    def __init__(self, config: Config, context: PluginContext, address: str) -> None:
        self._config = config
        self._clock = context.clock
        self._address = address

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Config, context: PluginContext) -> AsyncIterator["NullSpawner"]:
        """Listens on a free port of the loopback address while the hub runs, unless `address` names a listener."""
        if config.address:
            yield cls(config, context, config.address)
            return
        listener = await asyncio.get_running_loop().create_server(_Listener, "127.0.0.1", 0, backlog=1024)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            yield cls(config, context, f"http://127.0.0.1:{port}")

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        if self._config.checkpoint:
            yield Checkpoint({"started": request.handle.start_id})
        if self._config.start_delay:
            yield Progress("Starting nothing", 50)
            await self._clock.sleep(self._config.start_delay)
        yield Address(self._address)

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        return [Running() if handle.address is None or handle.address == self._address else Exited(0, "the hub was restarted") for handle in handles]

    async def stop(self, handle: Handle, grace_s: float) -> None:
        """Nothing was started."""

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:  # noqa: ARG002 - the port's names
        return ""

    def option_fields(self, user_name: str) -> Sequence[OptionField]:  # noqa: ARG002 - the port's names
        return ()

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        return dict(options)

    async def forget(self, user_name: str, server_name: str) -> None:
        """Nothing is left."""


class _Listener(asyncio.Protocol):
    """Answers each request head with the same 200."""

    _transport: asyncio.Transport
    _left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it

    def data_received(self, data: bytes) -> None:
        *heads, self._left = (self._left + data).split(b"\r\n\r\n")
        for head in heads:
            closing = b"connection: close" in head.lower()
            self._transport.write(_ANSWER % (b"close" if closing else b"keep-alive"))
            if closing:
                self._transport.close()
                return
