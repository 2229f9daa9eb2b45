"""A backend that reads bodies to their end before it answers, and echoes what comes after an upgrade. Prints its port."""

import asyncio
import base64
import gc
import hashlib
import re

import uvloop

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
_KEY = re.compile(rb"(?i)\r\nsec-websocket-key:\s*(\S+)")


class BusyBackend(asyncio.Protocol):
    __slots__ = ("_buffer", "_echo", "_left", "_transport")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._buffer = b""
        self._echo = False
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if self._echo:
            self._transport.write(data)
            return
        if self._left:
            self._take(len(data))
            return
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head, rest = self._buffer[: end + 2], len(self._buffer) - end - 4
        self._buffer = b""
        if key := _KEY.search(head):
            accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC, usedforsecurity=False).digest())
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
            )
            self._echo = True
            return
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else 0
        self._take(rest)

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left <= 0:
            self._left = 0
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(BusyBackend, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.disable()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main())
