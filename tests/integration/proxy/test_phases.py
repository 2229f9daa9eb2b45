"""Either side may go at any moment: the other is told, nothing is left, nothing is asked twice that may not be, the next client is served."""

import asyncio
from collections.abc import Awaitable, Callable

import h11
import pytest

from .harness import Proxy, StartProxy, StartServer
from .raw_http import Client, Request, Server, hello, reset, until

HOST = b"Host: hub.example.org\r\n"
GET = b"GET /x HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n"


async def all_is_well(proxy: Proxy, server: Server) -> None:
    """Nobody is left, and the next client gets its own answer."""
    await until(lambda: not proxy.worker.door.connections)
    await until(lambda: not any(up.exchange for up in proxy.worker.upstreams.connections()))
    server.handler = hello
    assert (await proxy.get("/well")).body == b"GET /well 0"
    await until(lambda: server.open == proxy.worker.upstreams.open_count <= 1)


async def wait_for_end(request: Request) -> bool:
    await request.reader.read()
    return False


async def answer_half(request: Request) -> bool:
    request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    return await wait_for_end(request)


async def switch(request: Request) -> bool:
    request.writer.write(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\nhi")
    return await wait_for_end(request)


CLIENT_PHASES: dict[str, tuple[bytes, Callable[[Request], Awaitable[bool | None]], bytes]] = {
    "before it has said anything": (b"", hello, b""),
    "in the first line": (b"GET /x HT", hello, b""),
    "in the head": (GET[:-4], hello, b""),
    "before the body": (POST, hello, b""),
    "in the body": (POST + b"ab", wait_for_end, b""),
    "in a chunk": (b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", wait_for_end, b""),
    "before the answer": (GET, wait_for_end, b""),
    "in the answer": (GET, answer_half, b"half"),
    "behind the answer": (GET, hello, b"GET /x 0"),
    "with another request held": (GET * 3, wait_for_end, b""),
    "behind an upgrade": (b"GET /x HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: own\r\n\r\n", switch, b"hi"),
}


@pytest.mark.parametrize("manner", ["reset", "end"])
@pytest.mark.parametrize("phase", CLIENT_PHASES)
async def test_a_client_may_go_at_any_moment(start_proxy: StartProxy, start_server: StartServer, phase: str, manner: str) -> None:
    send, handler, told = CLIENT_PHASES[phase]
    server = await start_server(handler, read_body=False)
    proxy = await start_proxy({"gone_s": 0.1, "half_close_s": 0.1}, hubs=(server.url,), follow=False)
    client = await proxy.client()
    client.send(send)
    if handler is not hello:
        await until(lambda: server.requests)
    async with asyncio.timeout(5):
        await client.reader.readuntil(told) if told else await asyncio.sleep(0)
    if manner == "reset":
        reset(client.writer)
    else:
        client.writer.close()
    await all_is_well(proxy, server)
    assert not proxy.worker.door.tunnels
    assert [request.target for request in server.requests].count("/x") <= 1
    assert proxy.worker.stats.upstream_retries == 0


Script = tuple[bytes, bytes]
"""What the server says, and how the client's answer then is: 502, or broken off behind these bytes."""
SERVER_PHASES: dict[str, Script] = {
    "before the answer": (b"", b"502"),
    "in the first line": (b"HTTP/1.1 2", b"502"),
    "in the head": (b"HTTP/1.1 200 OK\r\nContent-Len", b"502"),
    "behind 100": (b"HTTP/1.1 100 Continue\r\n\r\n", b"502"),
    "behind 103": (b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 2", b"502"),
    "before the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"\r\n\r\n"),
    "in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"half"),
    "in a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf", b"half"),
    "between chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"half\r\n"),
    "in the last chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", b"half\r\n"),
    "in the trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y\r\n", b"half\r\n"),
    "in a body without length": (b"HTTP/1.1 200 OK\r\n\r\nhalf", b"half"),
}


def goes(script: Script, manner: str, client: Client) -> Callable[[Request], Awaitable[bool | None]]:
    async def handler(request: Request) -> bool:
        if request.target == "/first":
            return await hello(request)
        request.writer.write(script[0])
        await request.writer.drain()
        if script[1] != b"502":
            # A reset throws away what has not been read: the client must have it first.
            await until(lambda: script[1] in bytes(client.reader._buffer))  # type: ignore[attr-defined]
        if manner == "reset":
            reset(request.writer)
        return False

    return handler


async def gone(server: Server) -> None:
    """Wait until the server has been asked and has gone."""
    await until(lambda: any(request.target == "/x" for request in server.requests) and not server.serving)


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("manner", ["reset", "end"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("phase", SERVER_PHASES)
async def test_a_server_may_go_at_any_moment(
    start_proxy: StartProxy, start_server: StartServer, phase: str, method: str, manner: str, kept: bool
) -> None:
    script = SERVER_PHASES[phase]
    server = await start_server()
    proxy = await start_proxy(hubs=(server.url,), follow=False)
    client = await proxy.client()
    if kept:
        assert (await client.ask(b"GET /first HTTP/1.1\r\n" + HOST + b"\r\n")).status == 200
    server.handler = goes(script, manner, client)
    client.send(GET if method == "GET" else POST + b"hello")
    if script[1] == b"502":
        assert (await client.answer(method)).status == 502
        server.handler = hello
        assert (await client.ask(b"GET /again HTTP/1.1\r\n" + HOST + b"\r\n")).body == b"GET /again 0", "the client's connection is none the worse"
    elif phase == "in a body without length" and manner == "end":
        await gone(server)
        assert (await client.answer(method)).body == b"half", "here the end is the end"
    else:
        await gone(server)
        with pytest.raises((h11.RemoteProtocolError, ConnectionResetError)):
            await client.answer(method)
    client.abort()
    # Once more only if nothing had been said, on a connection that may have been ending anyway, and asking twice is as asking once.
    again = kept and phase == "before the answer" and method == "GET"
    assert [request.target for request in server.requests].count("/x") == 1 + again
    assert proxy.worker.stats.upstream_retries == again
    await all_is_well(proxy, server)


@pytest.mark.parametrize(
    ("request_line", "repeated"),
    [
        (b"GET /x", True), (b"HEAD /x", True), (b"OPTIONS /x", True), (b"PUT /x", True), (b"DELETE /x", True),
        (b"POST /x", False), (b"PATCH /x", False), (b"LOCK /x", False), (b"get /x", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [False, True])
async def test_only_what_may_be_repeated_is(proxy: Proxy, start_server: StartServer, request_line: bytes, repeated: bool, body: bool) -> None:
    async def once(request: Request) -> bool:
        return request.target == "/first" and await hello(request)

    server = await start_server(once)
    proxy.route("/", server.url)
    client = await proxy.client()
    assert (await client.ask(b"GET /first HTTP/1.1\r\n" + HOST + b"\r\n")).status == 200
    client.send(request_line + b" HTTP/1.1\r\n" + HOST + (b"Content-Length: 1\r\n\r\nx" if body else b"\r\n"))
    assert (await client.answer(request_line.split()[0].decode())).status == 502
    # A request with a body has been sent on, and is not kept.
    assert [request.target for request in server.requests].count("/x") == 1 + (repeated and not body)
    client.abort()


async def test_all_that_a_client_asked_before_it_closed_its_side_is_answered(proxy: Proxy, start_server: StartServer) -> None:
    server = await start_server()
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (number, HOST) for number in range(20)))
    client.writer.write_eof()
    assert [(await client.answer()).body for _ in range(20)] == [b"GET /%d 0" % number for number in range(20)]
    assert await client.rest() == b""
    client.writer.close()


async def test_a_client_that_closes_its_side_in_its_body_is_gone(proxy: Proxy, start_server: StartServer) -> None:
    server = await start_server(wait_for_end, read_body=False)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(POST + b"ab")
    await until(lambda: server.requests)
    client.writer.write_eof()
    await until(lambda: server.open == 0)
    assert await client.rest() == b""
    client.writer.close()


@pytest.mark.parametrize("send", [b"x" * 5, b"5\r\nxxxxx\r\n0\r\n\r\n"])
async def test_a_body_is_asked_for_if_the_server_asks_for_it(proxy: Proxy, start_server: StartServer, send: bytes) -> None:
    seen = asyncio.Event()

    async def careful(request: Request) -> bool:
        seen.set()
        request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await request.reader.readexactly(len(send))
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    server = await start_server(careful, read_body=False)
    proxy.route("/", server.url)
    client = await proxy.client()
    framing = b"Transfer-Encoding: chunked" if b"0\r\n" in send else b"Content-Length: 5"
    client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Expect: 100-Continue\r\n" + framing + b"\r\n\r\n")
    async with asyncio.timeout(5):
        await seen.wait()
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    client.send(send)
    answer = await client.answer("PUT")
    assert (answer.status, answer.body, answer.header("connection")) == (200, b"ok", None)
    assert (await client.ask(b"PUT / HTTP/1.1\r\n" + HOST + framing + b"\r\n\r\n" + send)).informational == [100]
    client.abort()


async def test_a_server_that_does_not_want_the_body_is_heard_without_it(proxy: Proxy, start_server: StartServer) -> None:
    async def refuse(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
        return await wait_for_end(request)

    server = await start_server(refuse, read_body=False)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"PUT / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    answer = await client.answer("PUT")
    # Whether the client sends the body now is its own choice: what comes on this connection can no longer be told apart.
    assert (answer.status, answer.body, answer.header("connection")) == (417, b"no", "close")
    assert await client.rest() == b""
    client.writer.close()
    await until(lambda: server.open == 0)


async def test_trailers_reach_clients_that_know_them_and_no_others(proxy: Proxy, start_server: StartServer) -> None:
    async def trailing(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
        return True

    server = await start_server(trailing)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(GET)
    async with asyncio.timeout(5):
        assert (await client.reader.readuntil(b"0\r\nX-Sum: 1\r\n\r\n")).count(b"Trailer: X-Sum") == 1
    client.send(b"GET /x HTTP/1.0\r\n\r\n")
    assert await client.rest() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"
    client.writer.close()


async def test_interim_answers_reach_clients_that_know_them_and_no_others(proxy: Proxy, start_server: StartServer) -> None:
    async def hinting(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\nHTTP/1.1 102 P\r\n\r\n")
        await request.writer.drain()
        return await hello(request)

    server = await start_server(hinting)
    proxy.route("/", server.url)
    client = await proxy.client()
    assert (await client.ask(GET)).informational == [103, 102]
    answer = await client.ask(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (answer.informational, answer.header("connection")) == ([], "keep-alive")
    assert (await client.ask(b"HEAD /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).header("connection") == "keep-alive"
    client.abort()
