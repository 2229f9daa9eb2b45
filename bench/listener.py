"""A process of its own that answers every HTTP request as a JupyterHub single-user server does: 200, with X-JupyterHub-Version.

Usage: listener.py HUB_VERSION. Prints the port it listens at, and ends when its standard input does.
"""

import asyncio
import sys
from typing import cast

import uvloop


class _Answering(asyncio.Protocol):
    answer = b""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        asked = self._buffer.count(b"\r\n\r\n")
        if asked and self._transport is not None:
            self._buffer = self._buffer.rpartition(b"\r\n\r\n")[2]
            self._transport.write(self.answer * asked)


async def _listen(version: str) -> None:
    _Answering.answer = f"HTTP/1.1 200 OK\r\nX-JupyterHub-Version: {version}\r\nContent-Length: 2\r\n\r\nok".encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answering, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(_listen(sys.argv[1]))
