"""Both ends around the proxy: a client that reads answers with h11, and a server whose every byte the test decides."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import h11

WAIT_S = 10.0


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until it holds; fails after a while."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


@dataclass
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    informational: list[int] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        values = [value.decode() for key, value in self.headers if key == name.lower().encode()]
        assert len(values) < 2, f"{name} is given {len(values)} times"
        return values[0] if values else None


class Client:
    """One connection; what it sends is up to the test, byte for byte, what it reads must be HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._h11: h11.Connection | None = None

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, method: str = "GET") -> Answer:
        """Read one answer. Raises h11.RemoteProtocolError if it is broken off or malformed."""
        if self._h11 is None or self._h11.our_state is not h11.IDLE:
            trailing = self._h11.trailing_data[0] if self._h11 is not None else b""
            self._h11 = h11.Connection(h11.CLIENT)
            if trailing:
                self._h11.receive_data(trailing)
        self._h11.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
        self._h11.send(h11.EndOfMessage())
        got = Answer(0, [], b"")
        pieces: list[bytes] = []
        async with asyncio.timeout(WAIT_S):
            while True:
                event = self._h11.next_event()
                if event is h11.NEED_DATA:
                    self._h11.receive_data(await self.reader.read(1024 * 1024))
                elif isinstance(event, h11.InformationalResponse):
                    got.informational.append(event.status_code)
                elif isinstance(event, h11.Response):
                    got.status, got.headers = event.status_code, list(event.headers)
                elif isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    got.body = b"".join(pieces)
                    return got

    async def ask(self, raw: bytes) -> Answer:
        self.send(raw)
        return await self.answer(raw.split(b" ", 1)[0].decode())

    async def rest(self) -> bytes:
        """All until the other side ends; b"" also if it resets."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    def abort(self) -> None:
        self.writer.transport.abort()


@dataclass
class Request:
    """One request as a server saw it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


Handler = Callable[[Request], Awaitable[bool | None]]
"""Answers a request; True: the connection is kept for another one."""


class Server:
    """A server whose every byte the test decides."""

    def __init__(self, handler: Handler, read_body: bool = True) -> None:
        self.handler = handler
        self.read_body = read_body
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0
        self.port = 0
        self.path = ""
        self._server: asyncio.Server | None = None
        self.serving: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    @property
    def url(self) -> str:
        return f"http+unix://{self.path.replace('/', '%2F')}" if self.path else f"http://127.0.0.1:{self.port}"

    async def start(self, path: str = "") -> None:
        self.path = path
        if path:
            self._server = await asyncio.start_unix_server(self._serve, path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As kill -9 does it: no new connections, and the open ones are reset."""
        if self._server is not None:
            self._server.close()
        for writer, task in tuple(self.serving.items()):
            reset(writer)
            task.cancel()
        await until(lambda: not self.serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        task = asyncio.current_task()
        assert task is not None
        self.serving[writer] = task
        try:
            while (request := await self._read(reader, writer)) is not None:
                self.requests.append(request)
                if not await self.handler(request):
                    break
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            del self.serving[writer]
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        request = Request(method, target, [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines], b"", reader, writer)
        if self.read_body and (length := request.all("content-length")):
            request.body = await reader.readexactly(int(length[0]))
        elif self.read_body and request.all("transfer-encoding"):
            while size := int((await reader.readline()).partition(b";")[0], 16):
                request.body += (await reader.readexactly(size + 2))[:-2]
            assert await reader.readline() == b"\r\n", "trailers reached the server"
        return request


async def hello(request: Request) -> bool:
    body = f"{request.method} {request.target} {len(request.body)}".encode()
    request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + (b"" if request.method == "HEAD" else body))
    return True


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a machine does whose process was killed with unread data."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
