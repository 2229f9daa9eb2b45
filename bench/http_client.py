"""A small HTTP/1.1 client that costs much less than any hub it measures: keep-alive connections, one request at a time on each, minimal parsing.

It trusts the server it measures: responses with Content-Length, chunked, or without a body. Anything else is an error, not a guess.
"""

import asyncio
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

_DEADLINE_S = 120.0
_BODILESS = frozenset({204, 304})


class BenchError(Exception):
    """Something measured did not behave; the text says what, and what to look at."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` without transfer coding."""

    status: int
    head: bytes
    body: bytes


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do not inherit from it

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        try:
            answer = _parse(self._buffer)
        except (BenchError, ValueError) as error:
            waiter.set_exception(BenchError(f"The answer was not understood: {error}. It began {bytes(self._buffer[:200])!r}."))
            return
        if answer is not None:
            self._buffer.clear()
            self._waiter = None
            waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionError(f"The hub closed the connection: {exc or 'end of stream'}."))

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Raises ConnectionError (also through the future), BenchError through the future."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("The connection is closed.")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiter

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _parse(buffer: bytearray) -> Answer | None:
    """The answer in `buffer`, or None if it is not all there yet. Raises BenchError, ValueError."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buffer[: end + 2])
    status = int(head[9:12])
    start = end + 4
    if status in _BODILESS:
        return Answer(status, head, b"")
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 : head.index(b"\r\n", at + 2)])
        if len(buffer) < start + length:
            return None
        return Answer(status, head, bytes(buffer[start : start + length]))
    if lower.find(b"\r\ntransfer-encoding: chunked") >= 0:
        body = _dechunk(buffer, start)
        return None if body is None else Answer(status, head, body)
    raise BenchError("it has neither Content-Length nor chunked coding")


def _dechunk(buffer: bytearray, at: int) -> bytes | None:
    parts: list[bytes] = []
    while True:
        line = buffer.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(bytes(buffer[at:line]).partition(b";")[0], 16)
        at = line + 2
        if len(buffer) < at + size + 2:
            return None
        if size == 0:
            return b"".join(parts)
        parts.append(bytes(buffer[at : at + size]))
        at += size + 2


@dataclass(frozen=True, slots=True)
class Load:
    """What one burst of requests took. `latencies_s` one per request, unordered."""

    elapsed_s: float
    latencies_s: "array[float]"
    answers: list[Answer]


class Client:
    """`connections` keep-alive connections to one hub, which are also the most requests under way at a time. They are shared out among the hub
    and `others` (URLs of further hubs of the same site), in turns."""

    def __init__(self, url: str, token: str, connections: int, others: Sequence[str] = ()) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._ports = [self._port, *(urlsplit(other).port or 80 for other in others)]
        self.prefix = parts.path.rstrip("/")
        self.token = token
        self._connections = [_Connection() for _ in range(connections)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for connection in self._connections:
            connection.close()

    def request(self, method: str, path: str, body: bytes = b"", *, token: str = "", accept: str = "application/json") -> bytes:
        """The bytes of one request; made beforehand, so that making them is not measured."""
        head = (
            f"{method} {self.prefix}{path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Authorization: token {token or self.token}\r\nAccept: {accept}\r\n"
        )
        if body or method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def page(self, path: str, cookie: str) -> bytes:
        """The bytes of a browser's request for a page; `path` of the whole site, not below the API."""
        return f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nCookie: {cookie}\r\nAccept: text/html\r\n\r\n".encode()

    async def one(self, request: bytes) -> Answer:
        """Raises BenchError, ConnectionError, TimeoutError."""
        async with asyncio.timeout(_DEADLINE_S):
            return await self._ask(0, request)

    async def _ask(self, slot: int, request: bytes) -> Answer:
        """Raises BenchError, ConnectionError. A kept connection that the hub closed meanwhile is opened anew."""
        connection = self._connections[slot]
        if not connection.open:
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._ports[slot % len(self._ports)])
            self._connections[slot] = connection
        return await connection.ask(request)

    async def burst(self, requests: Iterable[bytes], accept: Callable[[Answer], bool], what: str) -> Load:
        """Ask all, over all connections. Raises BenchError at the first answer that `accept` refuses."""
        queue = iter(requests)
        latencies, answers = array("d"), list[Answer]()

        async def work(slot: int) -> None:
            for request in queue:
                began = time.perf_counter()
                async with asyncio.timeout(_DEADLINE_S):
                    answer = await self._ask(slot, request)
                latencies.append(time.perf_counter() - began)
                if not accept(answer):
                    line = request.partition(b"\r\n")[0].decode()
                    raise BenchError(f"{what}: {line} was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")
                answers.append(answer)

        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                for slot in range(len(self._connections)):
                    group.create_task(work(slot))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return Load(time.perf_counter() - began, latencies, answers)


def any_of(*statuses: int) -> Callable[[Answer], bool]:
    """Accepts answers with one of these statuses."""
    return lambda answer: answer.status in statuses
