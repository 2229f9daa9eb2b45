"""Serve the hub's ASGI application: uvicorn on uvloop, its own signal handling left to the runtime."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from perijove.web.ending import Ending

LINGER_S: Final = 1.2
"""How long connections that clients keep are left open at the end. A proxy sends what it could not send twice only over connections that were
used in the last second, so none of those is closed under its hands."""
UNREAD_MS: Final = 60_000
"""How long somebody may let what we sent lie unread. Browsers read at once, proxies within their own time limits."""
_LOOK_S: Final = 0.02


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The runtime owns the signals: it ends more than this server."""
        yield


async def serve(app: ASGIApp, host: str, port: int, ready: asyncio.Event, stop: Ending, doors: Sequence[socket.socket] | None = None) -> None:
    """Serve until `stop` is set, then linger, and let running requests finish for at most 5 s. Sets `ready` when listening.

    `doors`: bound sockets in place of host and port; they are closed. Raises OSError if the address cannot be had.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # web/visitor.py looks at them, and at who sent them
        timeout_graceful_shutdown=5,
        backlog=2048,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(None if doors is None else list(doors)), name="http")  # noqa: TID251 - awaited below, whatever happens
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody when it listens
            await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
            raise OSError(f"cannot listen on {host}:{port}: the address is taken or not this machine's")
        for listening in server.servers:
            _give_up_on_who_does_not_read(listening)
        ready.set()
        stopping = asyncio.create_task(stop.wait(), name="http-stop")  # noqa: TID251 - cancelled two lines below
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await _linger(server, serving, relieved=stop.relieved)
    finally:
        server.should_exit = True
        await serving


def _give_up_on_who_does_not_read(listening: asyncio.Server) -> None:
    """Connections that are taken there inherit it. Without it, an answer lies in memory for as long as its reader likes, and a stream of events
    never ends (tcp(7): it counts while the other side's window is closed, too)."""
    for taken in listening.sockets:
        if taken.family in {socket.AF_INET, socket.AF_INET6}:
            with socket.socket(fileno=os.dup(taken.fileno())) as same:
                same.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)


async def _linger(server: uvicorn.Server, serving: asyncio.Task[None], *, relieved: bool) -> None:
    """Answer on the connections that there are until nobody keeps any (web/app.py asks for that in each answer). New ones are for the hub that
    relieves us; with none, we take them as long as we linger, for else nobody does."""
    if serving.done():
        return
    if relieved:
        for listening in server.servers:
            listening.close()
    until = asyncio.get_running_loop().time() + LINGER_S
    while server.server_state.connections and not serving.done() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - as above
        await asyncio.sleep(_LOOK_S)
