"""A server for `rude.py`: what it does with a request hangs on the path. Prints its port."""

import asyncio
import socket
import struct

import uvloop

_ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
_ANSWERS = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno",
    "bad": b"SSH-2.0-not-http\r\n\r\n",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
}
_BIG = 8 * 1024 * 1024
_PIECE = b"x" * 65536


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._echo = False
        self._paused = False
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if self._echo:
            self._transport.write(data)
            return
        if b"\r\n\r\n" not in data:
            return  # a body, or a piece of one: what was answered already stands
        what = data.split(b" ", 2)[1].rpartition(b"/")[2].decode()
        if what == "ws":
            self._echo = True
            self._transport.write(_ACCEPTED)
        elif what == "close":
            self._transport.close()
        elif what == "reset":
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        elif what == "big":
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _BIG)
            self._left = _BIG
            self._pour()
        else:
            self._transport.write(_ANSWERS.get(what, _ANSWERS["ok"]))
            if what in {"bad", "half"}:
                self._transport.close()

    def _pour(self) -> None:
        while self._left and not self._paused and not self._transport.is_closing():
            self._left -= len(_PIECE)
            self._transport.write(_PIECE)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pour()


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main())
