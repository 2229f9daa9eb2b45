"""Serve the hub's ASGI application: uvicorn on uvloop, its own signal handling left to the runtime."""

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The runtime owns the signals: it ends more than this server."""
        yield


async def serve(app: ASGIApp, host: str, port: int, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then let running requests finish for at most 5 s. Sets `ready` when listening.

    Raises OSError if the address cannot be had.
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
    serving = asyncio.create_task(server.serve(), name="http")  # noqa: TID251 - awaited below, whatever happens
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody when it listens
            await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
            raise OSError(f"cannot listen on {host}:{port}: the address is taken or not this machine's")
        ready.set()
        stopping = asyncio.create_task(stop.wait(), name="http-stop")  # noqa: TID251 - cancelled two lines below
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
    finally:
        server.should_exit = True
        await serving
