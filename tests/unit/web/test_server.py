"""Who asks and does not read the answer does not keep it in the hub's memory."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from perijove.web import server
from perijove.web.ending import Ending
from tests.running.perijove import free_port

BIG = b"x" * (64 << 20)


def _connections(port: int) -> list[str]:
    """Those that the kernel still has on our side."""
    ends = (line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return [state for near, _, state in ends if near.endswith(f":{port:04X}") and state == "01"]


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield BIG[: 1 << 16]
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["list", "stream"])
async def test_who_does_not_read_is_left(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "UNREAD_MS", 1000)
    answering, over, ready, stop, port = asyncio.Event(), asyncio.Event(), asyncio.Event(), Ending(), free_port()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answering.set()
        await (StreamingResponse(_endless()) if kind == "stream" else Response(BIG))(scope, receive, send)
        over.set()

    serving = asyncio.create_task(server.serve(app, "127.0.0.1", port, ready, stop))
    try:
        await asyncio.wait_for(ready.wait(), 10)
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", port))
            reader.sendall(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            await asyncio.wait_for(answering.wait(), 10)
            assert _connections(port)
            async with asyncio.timeout(20):
                while _connections(port):
                    await asyncio.sleep(0.05)  # a condition with a deadline
            await asyncio.wait_for(over.wait(), 10)
    finally:
        stop.set()
        await serving
