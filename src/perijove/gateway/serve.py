"""A gateway as a process."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvloop

from perijove.gateway.front import Front, Visitor
from perijove.gateway.settings import GatewaySettings

_log = logging.getLogger("perijove.gateway")
_LOOK_S: Final = 2.0
_BACKLOG: Final = 1024
_RETIRE_S: Final = 12 * 3600.0
"""For those who use connections that a gateway has which gave way to another."""


class Gateway:
    """Use as `await start(...)`, then `await run()`; `ask_to_end()` ends it."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Raises ValueError for settings that cannot be used."""
        if not settings.token:
            raise ValueError("a gateway needs the token that proxies and hubs share")
        self.front = Front(settings)
        self._servers: list[asyncio.Server] = []
        self._asked = asyncio.Event()
        self._retire_until: float | None = None

    async def start(self, sockets: Sequence[socket.socket] = ()) -> str:
        """Listen, at `sockets` if there are any; returns where, as an address for proxies. Raises OSError."""
        loop, settings = asyncio.get_running_loop(), self.front.settings
        for sock in sockets:
            listen = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await listen(self._visitor, sock=sock, backlog=_BACKLOG))
        if not sockets and settings.unix_path:
            self._servers.append(await loop.create_unix_server(self._visitor, sock=_unix(settings.unix_path), backlog=_BACKLOG))
        elif not sockets:
            self._servers.append(await loop.create_server(self._visitor, settings.host, settings.port, backlog=_BACKLOG))
        name = self._servers[0].sockets[0].getsockname()
        where = f"unix:{name}" if isinstance(name, str) else f"{name[0]}:{name[1]}"
        _log.info("the gateway listens at %s", where)
        return where

    async def run(self) -> None:
        """Until asked to end."""
        loop = asyncio.get_running_loop()
        while not self._asked.is_set():
            self.front.sweep(loop.time())
            if self._retire_until is not None and (loop.time() >= self._retire_until or not len(self.front.agents)):
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._asked.wait()
        for server in self._servers:
            server.close()
        self.front.close()
        await asyncio.sleep(0)

    def ask_to_end(self) -> None:
        self._asked.set()

    def retire(self) -> None:
        """Another gateway serves in our place: take no more, and end with the last connection."""
        if self._retire_until is None:
            self._retire_until = asyncio.get_running_loop().time() + _RETIRE_S
            for server in self._servers:
                server.close()
            self.front.agents.retire()

    def _visitor(self) -> Visitor:
        return Visitor(self.front)


def _unix(path: str) -> socket.socket:
    """For our account alone."""
    Path(path).unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    Path(path).chmod(0o600)
    return sock


def run(settings: GatewaySettings, sockets: Sequence[socket.socket] = (), ready: Callable[[str], None] = lambda _: None) -> int:
    """Run until SIGTERM or SIGINT, or after SIGQUIT until nobody needs us any more; returns the exit code. Raises OSError if it cannot listen."""

    async def serve() -> None:
        gateway = Gateway(settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, gateway.ask_to_end)
        loop.add_signal_handler(signal.SIGQUIT, gateway.retire)
        ready(await gateway.start(sockets))
        await gateway.run()

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each agent and each connection needs one
    uvloop.run(serve())
    return 0
