"""A small HTTP server for programs: strict heads, bounded bodies, one request at a time on each connection."""

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol, cast

from perijove.proxy.chunks import Chunks
from perijove.proxy.http1 import Refused, RequestFields, check_partial_head, parse_request_line

_log = logging.getLogger("perijove.proxy.chp")
MAX_BODY: Final = 1024 * 1024
_MAX_HEAD: Final = 32 * 1024
_ORIGIN = re.compile(r"\A(?i:https?)://[^/?]*")
"""Of a target in absolute form."""
_MAX_FIELDS: Final = 100
_MAX_CONNECTIONS: Final = 512
_IDLE_S: Final = 60.0
"""Between two requests."""
_REQUEST_S: Final = 20.0
"""For a whole request to arrive."""
_SWEEP_S: Final = 5.0


class Ask(NamedTuple):
    """A request."""

    method: str
    path: str
    """As received, without the query."""
    query: str
    authorization: bytes
    body: bytes


class Handler(Protocol):
    """Answers requests; what it returns is a whole response, see `answer`."""

    def admit(self, ask: Ask) -> bytes | None:
        """Called before the body is read, with an empty one: a refusal, or None."""

    def serve(self, ask: Ask, connection: "Connection") -> bytes | Awaitable[bytes] | None:
        """None: the handler has taken the connection over, see `Connection.stream`."""


def answer(status: int, body: bytes = b"", kind: str = "text/plain; charset=utf-8", extra: str = "") -> bytes:
    phrase = HTTPStatus(status).phrase
    length = "" if status == HTTPStatus.NO_CONTENT else f"Content-Length: {len(body)}\r\n"
    about = f"Content-Type: {kind}\r\n" if body else ""
    return f"HTTP/1.1 {status} {phrase}\r\n{about}{length}{extra}\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One client of the server."""

    transport: asyncio.Transport

    def __init__(self, server: "HttpServer") -> None:
        self._server = server
        self._buffer = b""
        self._fields: RequestFields | None = None
        """Of the request whose body is being read."""
        self._line = ("", "", "")
        self._body = b""
        self._chunks: Chunks | None = None
        self._task: asyncio.Task[None] | None = None
        self._streaming: Callable[[], None] | None = None
        self.due = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self._server.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()
        if self._streaming is not None:
            self._streaming()

    def data_received(self, data: bytes) -> None:
        if self._streaming is not None:
            return
        if not self._buffer and self._fields is None:
            self.due = self._server.now() + _REQUEST_S
        self._buffer += data
        if self.busy:
            if len(self._buffer) > _MAX_HEAD:
                self.transport.pause_reading()
            return
        self._advance()

    def eof_received(self) -> bool:
        return self.busy and self._streaming is None  # whoever has asked may have closed its side; who follows is gone

    def _advance(self) -> None:
        while self._buffer and not self.busy and not self.transport.is_closing():
            try:
                if self._fields is None and not self._read_head():
                    return
                if self._fields is not None and not self._read_body():
                    return
            except Refused as refused:
                self._end(refused.status, refused.reason)

    def _read_head(self) -> bool:
        data = self._buffer.lstrip(b"\r\n")
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > _MAX_HEAD:
            check_partial_head(data, _MAX_HEAD)
            return False
        line = parse_request_line(data)
        method, target, version = line.groups()
        fields = RequestFields(data[line.end() : end + 2], int(version), _MAX_FIELDS)
        path, _, query = _ORIGIN.sub("", target.decode("latin-1")).partition("?")
        self._buffer = data[end + 4 :]
        self._line = (method.decode(), path, query)
        refusal = self._server.handler.admit(Ask(*self._line, _authorization(fields.block), b""))
        if refusal is not None:
            # What follows of the body is not read: the connection ends, unless there is none.
            self._say(refusal, fields.keep_alive and not fields.has_body)
            return True
        if fields.length > MAX_BODY:
            raise Refused(413, f"A body has at most {MAX_BODY} bytes here.")
        self._fields = fields
        self._chunks = Chunks(keep_trailers=False, payload=True) if fields.chunked else None
        self._body = b""
        if fields.expect and fields.has_body and not self._buffer:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return bool(self._buffer) or self._read_body()

    def _read_body(self) -> bool:
        """Whether there is no more to come of it."""
        fields = self._fields
        if fields is None:
            return False
        data, self._buffer = self._buffer, b""
        if self._chunks is not None:
            self._body += self._chunks.feed(data) if data else b""
            if len(self._body) > MAX_BODY:
                raise Refused(413, f"A body has at most {MAX_BODY} bytes here.")
            if not self._chunks.done:
                return False
            self._buffer = self._chunks.rest
        else:
            left = max(0, fields.length) - len(self._body)
            self._body += data[:left]
            if len(data) < left:
                return False
            self._buffer = data[left:]
        body, self._body, self._fields = self._body, b"", None
        self._serve(Ask(*self._line, _authorization(fields.block), body), fields.keep_alive)
        return True

    def _serve(self, ask: Ask, keep: bool) -> None:
        try:
            result = self._server.handler.serve(ask, self)
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("a request to %s %s failed", ask.method, ask.path)
            result = answer(500, b"Something failed here; the log says what.")
        if isinstance(result, bytes):
            self._say(result, keep)
        elif result is not None:
            self.busy = True
            self._task = asyncio.create_task(self._wait(result, keep), name="api")  # noqa: TID251 - connection_lost cancels it
        else:
            self.busy = True

    async def _wait(self, result: Awaitable[bytes], keep: bool) -> None:
        try:
            text = await result
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("a request failed")
            text = answer(500, b"Something failed here; the log says what.")
        self._task = None
        self.busy = False
        self._say(text, keep)
        self.transport.resume_reading()
        self._advance()

    def _say(self, text: bytes, keep: bool) -> None:
        self.due = self._server.now() + _IDLE_S
        if self._line[0] == "HEAD":
            text = text[: text.find(b"\r\n\r\n") + 4]
        if not keep:
            text = text.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        self.transport.write(text)
        if not keep:
            self.transport.close()

    def _end(self, status: int, reason: str) -> None:
        self._say(answer(status, reason.encode()), False)

    def stream(self, lost: Callable[[], None]) -> None:
        """Begin an endless answer of lines; `lost` is called when the client is gone."""
        self._streaming = lost
        self.busy = True
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")

    def line(self, text: bytes) -> None:
        """Send one more."""
        self.transport.write(b"%x\r\n%b\n\r\n" % (len(text) + 1, text))


class HttpServer:
    """The connections of one handler."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self.now = asyncio.get_running_loop().time

    async def listen(self, sockets: Iterable[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        loop = asyncio.get_running_loop()
        for sock in sockets:
            listen = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
            self._servers.append(await listen(lambda: Connection(self), sock=sock, ssl=tls, backlog=256))

    def enter(self, connection: Connection) -> None:
        if len(self.connections) >= _MAX_CONNECTIONS:
            # Whoever has kept silent for longest gives way: a crowd of strangers must not lock the hub out.
            silent = [other for other in self.connections if not other.busy]
            gone = min(silent, key=lambda other: other.due, default=connection)
            gone.transport.abort()
            self.connections.discard(gone)
            if gone is connection:
                return
        connection.due = self.now() + _REQUEST_S
        self.connections.add(connection)

    async def sweep(self) -> None:
        """Run as a task: ends connections of clients that have gone silent."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = self.now()
            for connection in tuple(self.connections):
                if not connection.busy and connection.due < now:
                    connection.transport.abort()

    def close(self) -> None:
        for server in self._servers:
            with contextlib.suppress(OSError):
                server.close()
        for connection in tuple(self.connections):
            connection.transport.close()


def _authorization(block: bytes) -> bytes:
    for line in block.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"authorization":
            return value.strip()
    return b""
