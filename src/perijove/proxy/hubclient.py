"""A small HTTP client to ask one hub, over the proxy's own rules of HTTP."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from typing import Final

from perijove.proxy.chunks import Chunks
from perijove.proxy.http1 import NO_LENGTH, Refused, ResponseHead
from perijove.wire.target import parse_target

_HEAD_LIMIT: Final = 64 * 1024
_LINE_LIMIT: Final = 256 * 1024 * 1024


class HubAnswerError(Exception):
    """The hub answered, but not as agreed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HubClient:
    """Requests to one hub. Raises OSError (also TimeoutError), EOFError, or HubAnswerError."""

    def __init__(self, url: str, token: str, tls: ssl.SSLContext | None, timeout_s: float = 10.0) -> None:
        self.url = url
        self._target = parse_target(url)
        self._token = token
        self._tls = tls
        self._timeout_s = timeout_s
        self._kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body, at most `timeout_s` later. Keeps its connection for the next request."""
        async with asyncio.timeout(self._timeout_s):
            kept, self._kept = self._kept, None
            if kept is not None:
                try:
                    return await self._ask(*kept, method, path, body)
                except (OSError, EOFError):
                    kept[1].transport.abort()  # it had been idle for too long: once more, on a new one
            return await self._ask(*await self._open(), method, path, body)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        done = False
        try:
            writer.write(self._head(method, path, len(body)) + body)
            head = await _read_head(reader)
            content = b"".join([piece async for piece in _body(reader, head)])
            done = head.keep_alive and (head.chunked or head.length != NO_LENGTH or head.status == 204)
            return head.status, content
        finally:
            if done:
                self._kept = (reader, writer)
            else:
                writer.transport.abort()

    async def lines(self, path: str, silence_s: float, begin_s: float) -> AsyncGenerator[bytes, None]:
        """The lines of an endless answer. Raises HubAnswerError with the status if it is not 200, TimeoutError if it has not begun after
        `begin_s`, or after `silence_s` without a byte."""
        async with asyncio.timeout(begin_s):
            reader, writer = await self._open()
        try:
            writer.write(self._head("GET", path, 0))
            async with asyncio.timeout(begin_s):
                head = await _read_head(reader)
            if head.status != 200:
                raise HubAnswerError(head.status, f"{self.url} answered {head.status}")
            buffer = b""
            async with contextlib.aclosing(_body(reader, head, silence_s)) as pieces:
                async for piece in pieces:
                    *whole, buffer = (buffer + piece).split(b"\n")
                    for line in whole:
                        if line:
                            yield line
                    if len(buffer) > _LINE_LIMIT:
                        raise HubAnswerError(502, f"{self.url} sent a line without an end")
        finally:
            writer.transport.abort()

    def close(self) -> None:
        if self._kept is not None:
            self._kept[1].transport.abort()
            self._kept = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._target
        if target.path:
            return await asyncio.open_unix_connection(target.path, limit=_HEAD_LIMIT)
        return await asyncio.open_connection(target.host, target.port, ssl=self._tls if target.tls else None, limit=_HEAD_LIMIT)

    def _head(self, method: str, path: str, length: int) -> bytes:
        return (
            f"{method} {self._target.prefix.decode()}{path} HTTP/1.1\r\nHost: {self._target.authority.decode()}\r\nAccept: application/json\r\n"
            f"Authorization: token {self._token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()


async def _read_head(reader: asyncio.StreamReader) -> ResponseHead:
    while True:
        try:
            data = await reader.readuntil(b"\r\n\r\n")
            head = ResponseHead(data, len(data) - 4)
        except (Refused, asyncio.LimitOverrunError) as error:
            raise HubAnswerError(502, f"the hub's answer is not HTTP: {error}") from None
        if head.status >= 200:
            return head


async def _body(reader: asyncio.StreamReader, head: ResponseHead, silence_s: float | None = None) -> AsyncGenerator[bytes, None]:
    if head.status in {204, 304}:
        return
    chunks = Chunks(keep_trailers=False, payload=True) if head.chunked else None
    left = head.length
    while left and not (chunks is not None and chunks.done):
        async with asyncio.timeout(silence_s):
            data = await reader.read(256 * 1024)
        if not data:
            if left > 0 or chunks is not None:
                raise EOFError("the hub's answer broke off")
            return
        if chunks is not None:
            try:
                data = chunks.feed(data)
            except Refused as refused:
                raise HubAnswerError(502, f"the hub's answer is not HTTP: {refused}") from None
        elif left > 0:
            left -= len(data)
        if data:
            yield data
