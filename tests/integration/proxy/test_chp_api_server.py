"""The small server behind the REST API, with clients of every kind."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable

import pytest

from perijove.proxy.chp.httpserver import MAX_BODY, Ask, Connection, HttpServer, answer

from .raw_http import Client, until


class Echo:
    """Says what it was asked; /slow waits for leave."""

    def __init__(self) -> None:
        self.leave = asyncio.Event()
        self.lost = 0

    def admit(self, ask: Ask) -> bytes | None:
        return answer(403) if ask.path == "/no" else None

    def serve(self, ask: Ask, connection: Connection) -> bytes | Awaitable[bytes] | None:
        if ask.path == "/stream":
            connection.stream(self._lost)
            connection.line(b"one")
            return None
        if ask.path == "/broken":
            raise RuntimeError("on purpose")
        text = answer(200, f"{ask.method} {ask.path} {ask.query} {len(ask.body)}".encode())
        return self._slow(text) if ask.path == "/slow" else text

    async def _slow(self, text: bytes) -> bytes:
        await self.leave.wait()
        return text

    def _lost(self) -> None:
        self.lost += 1


class Running:
    def __init__(self, server: HttpServer, handler: Echo, port: int) -> None:
        self.server = server
        self.handler = handler
        self.port = port

    async def client(self) -> Client:
        return await Client.connect(self.port)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    handler = Echo()
    server = HttpServer(handler)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setblocking(False)
    await server.listen([sock])
    yield Running(server, handler, sock.getsockname()[1])
    server.close()
    await until(lambda: not server.connections)


async def test_many_requests_on_one_connection_also_early_ones(running: Running) -> None:
    client = await running.client()
    client.send(
        b"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\nPOST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    client.send(b"PUT http://h/d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    assert [(await client.answer()).body for _ in range(2)] == [b"GET /a b 0", b"POST /c  3"]
    running.handler.leave.set()
    assert [(await client.answer()).body for _ in range(2)] == [b"GET /slow  0", b"PUT /d  2"]
    answer = await client.ask(b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (answer.status, answer.body) == (200, b"")
    assert (await client.ask(b"GET /broken HTTP/1.1\r\nHost: h\r\n\r\n")).status == 500
    assert (await client.ask(b"GET /no HTTP/1.1\r\nHost: h\r\n\r\n")).status == 403
    assert (await client.ask(b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).body == b"GET /last  0"
    assert await client.rest() == b""
    client.writer.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY + 1) + b"x" * (MAX_BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 40_000, 431),
        (b"POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", 403),
    ],
)
async def test_what_is_refused_ends_the_connection(running: Running, sent: bytes, status: int) -> None:
    client = await running.client()
    client.send(sent)
    assert (await client.answer()).status == status
    await client.rest()
    client.writer.close()


async def test_a_body_that_is_announced_is_asked_for(running: Running) -> None:
    client = await running.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"ab")
    assert (await client.answer()).body == b"POST /  2"
    client.abort()


async def test_a_stream_tells_when_its_reader_is_gone(running: Running) -> None:
    client = await running.client()
    client.send(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await client.reader.readuntil(b"one\n\r\n")).endswith(b"4\r\none\n\r\n")
    client.abort()
    await until(lambda: running.handler.lost == 1)


async def test_a_crowd_does_not_lock_others_out(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perijove.proxy.chp.httpserver._MAX_CONNECTIONS", 5)
    crowd = [await running.client() for _ in range(10)]
    for each in crowd:
        each.send(b"GET / HT")
    client = await running.client()
    assert (await client.ask(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")).status == 200
    assert len(running.server.connections) <= 5
    for each in (*crowd, client):
        each.abort()
