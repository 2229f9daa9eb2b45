"""Big and endless bodies, slow sides, sides that go away."""

import asyncio
import hashlib

import pytest

from .fake_hub import FakeHub
from .harness import Proxy, StartProxy, StartServer
from .raw_http import Client, Request, closed_port, hello, reset, until

HOST = b"Host: hub.example.org\r\n"
MIB = 1024 * 1024


async def test_an_answer_streams_as_it_is_made(proxy: Proxy, start_server: StartServer) -> None:
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def events(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while step := await steps.get():
            request.writer.write(b"%x\r\n%b\r\n" % (len(step), step))
        request.writer.write(b"0\r\n\r\n")
        return True

    server = await start_server(events)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    for step in (b"one", b"two", b"three"):
        steps.put_nowait(step)
        async with asyncio.timeout(5):
            await client.reader.readuntil(step + b"\r\n")
    steps.put_nowait(b"")
    async with asyncio.timeout(5):
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"0\r\n\r\n"
    client.abort()


async def test_a_body_streams_as_it_is_sent(proxy: Proxy, start_server: StartServer) -> None:
    async def echo(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        request.writer.write(await request.reader.readexactly(3))
        await request.writer.drain()
        request.writer.write(await request.reader.readexactly(3))
        return True

    proxy.route("/", (await start_server(echo, read_body=False)).url)
    client = await proxy.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 6\r\n\r\nabc")
    async with asyncio.timeout(5):
        await client.reader.readuntil(b"\r\n\r\nabc")
        client.send(b"def")
        assert await client.reader.readexactly(3) == b"def"
    client.abort()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_answer_arrives_whole(proxy: Proxy, start_server: StartServer, chunked: bool) -> None:
    block = bytes(range(256)) * 4096

    async def large(request: Request) -> bool:
        request.writer.write(
            b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % (32 * len(block)))
        )
        for _ in range(32):
            request.writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            await request.writer.drain()
        if chunked:
            request.writer.write(b"0\r\n\r\n")
        return True

    proxy.route("/", (await start_server(large)).url)
    answer = await proxy.get("/")
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(block * 32).digest()


async def test_a_large_body_arrives_whole_though_the_connection_must_be_made_first(proxy: Proxy, start_server: StartServer) -> None:
    server = await start_server()
    proxy.route("/", server.url)
    client = await proxy.client()
    body = bytes(range(256)) * 8 * 4096
    answer = await client.ask(b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.body == b"POST /x %d" % len(body)
    assert server.requests[0].body == body
    client.abort()


async def sent_until_stuck(writer: asyncio.StreamWriter, most: int) -> int:
    """Send up to `most` bytes; how many the other side's machine took, at most 1 MiB of which are still with us."""
    sent = 0
    try:
        while sent < most:
            writer.write(b"x" * MIB)
            sent += MIB
            async with asyncio.timeout(0.5):
                await writer.drain()
    except TimeoutError:
        pass
    return sent


async def test_a_slow_reader_makes_the_server_wait(proxy: Proxy, start_server: StartServer) -> None:
    sent = asyncio.get_running_loop().create_future()

    async def large(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (200 * MIB))
        sent.set_result(await sent_until_stuck(request.writer, 200 * MIB))
        return False

    proxy.route("/", (await start_server(large)).url)
    client = await proxy.client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    async with asyncio.timeout(20):
        assert await sent < 40 * MIB, "more than the machine's socket buffers can hold was taken"
    connection = next(iter(proxy.worker.door.connections))
    held = connection.transport.get_write_buffer_size()  # type: ignore[attr-defined]
    assert 0 < held < MIB
    client.abort()


async def test_a_slow_server_makes_the_client_wait(proxy: Proxy, start_server: StartServer) -> None:
    proceed = asyncio.Event()

    async def lazy(request: Request) -> bool:
        request.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await proceed.wait()
        return False

    server = await start_server(lazy, read_body=False)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (200 * MIB))
    assert await sent_until_stuck(client.writer, 200 * MIB) < 40 * MIB
    proceed.set()
    client.abort()


@pytest.mark.parametrize("body", [b"12345", b"1"])
async def test_the_server_sees_that_the_client_has_gone(proxy: Proxy, start_server: StartServer, body: bytes) -> None:
    async def until_end(request: Request) -> bool:
        await request.reader.read()
        return False

    server = await start_server(until_end)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n" + body)
    await until(lambda: server.open == 1)
    reset(client.writer)
    await until(lambda: server.open == 0)
    assert proxy.worker.stats.client_aborts == 1


async def test_a_half_closed_client_that_gets_no_answer_counts_as_gone(start_proxy: StartProxy, start_server: StartServer) -> None:
    async def until_end(request: Request) -> bool:
        await request.reader.read()
        return False

    server = await start_server(until_end)
    proxy = await start_proxy({"gone_s": 0.1}, hubs=(server.url,), follow=False)
    client = await proxy.client()
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    await until(lambda: server.requests)
    client.writer.write_eof()
    await until(lambda: server.open == 0)
    assert proxy.worker.stats.client_aborts == 1
    client.abort()


async def test_a_kept_connection_that_died_is_made_anew_for_what_may_be_repeated(proxy: Proxy, start_server: StartServer) -> None:
    seen = 0

    async def once(request: Request) -> bool:
        nonlocal seen
        seen += 1
        if seen == 2:
            return False  # the second request on the first connection meets its end
        return await hello(request)

    server = await start_server(once)
    proxy.route("/", server.url)
    client = await proxy.client()
    assert (await client.ask(b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n")).status == 200
    assert (await client.ask(b"GET /2 HTTP/1.1\r\n" + HOST + b"\r\n")).body == b"GET /2 0"
    assert [request.target for request in server.requests] == ["/1", "/2", "/2"]
    assert proxy.worker.stats.upstream_retries == 1
    client.abort()


async def test_what_may_not_be_repeated_is_not(proxy: Proxy, start_server: StartServer) -> None:
    async def once(request: Request) -> bool:
        return request.target == "/1" and await hello(request)

    server = await start_server(once)
    proxy.route("/", server.url)
    client = await proxy.client()
    assert (await client.ask(b"GET /1 HTTP/1.1\r\n" + HOST + b"\r\n")).status == 200
    assert (await client.ask(b"POST /2 HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx")).status == 502
    assert [request.target for request in server.requests] == ["/1", "/2"]
    client.abort()


async def test_a_request_that_cannot_be_repeated_does_not_use_a_connection_that_was_idle_long(
    start_proxy: StartProxy, start_server: StartServer
) -> None:
    server = await start_server()
    proxy = await start_proxy({"pool_fresh_s": 0.0}, hubs=(server.url,), follow=False)
    await proxy.get("/1")
    since = proxy.worker.clock.now
    await until(lambda: proxy.worker.clock.now > since)
    client = await proxy.client()
    await client.ask(b"POST /2 HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n")
    assert server.connections == 2
    await client.ask(b"GET /3 HTTP/1.1\r\n" + HOST + b"\r\n")
    assert server.connections == 2
    client.abort()


@pytest.mark.parametrize(
    ("accept", "kind"), [("text/html", "text/html; charset=utf-8"), ("application/json", "application/json"), ("*/*", "application/json")]
)
async def test_a_server_that_does_not_listen(proxy: Proxy, accept: str, kind: str) -> None:
    proxy.route("/user/alice/", f"http://127.0.0.1:{closed_port()}")
    for _ in range(2):  # the second time it is known
        answer = await proxy.get("/user/alice/lab", f"Accept: {accept}")
        assert (answer.status, answer.header("content-type")) == (503, kind)
        assert answer.header("retry-after") is not None
    assert b"/hub/home" in answer.body or kind == "application/json"
    assert proxy.worker.stats.upstream_failures == 1


async def test_a_server_that_comes_back_is_reached_again(proxy: Proxy, start_server: StartServer) -> None:
    server = await start_server()
    proxy.route("/user/alice/", server.url)
    await server.kill()
    assert (await proxy.get("/user/alice/")).status in {502, 503}
    await server.start()
    async with asyncio.timeout(5):
        while (await proxy.get("/user/alice/")).status != 200:
            await asyncio.sleep(0.05)


async def test_hubs_take_turns_and_stand_in_for_each_other(start_proxy: StartProxy, start_server: StartServer) -> None:
    one, other = await start_server(), await start_server()
    proxy = await start_proxy(hubs=(one.url, other.url), follow=False)
    for _ in range(4):
        assert (await proxy.get("/hub/home")).status == 200
    assert (len(one.requests), len(other.requests)) == (2, 2)
    await one.kill()
    for _ in range(4):
        assert (await proxy.get("/hub/home")).status == 200
    await other.kill()
    answer = await proxy.get("/hub/home", "Accept: text/html")
    assert answer.status in {502, 503}
    assert "hub is not answering" in answer.body.decode()


async def test_without_any_hub_what_has_no_route_is_not_found(start_proxy: StartProxy) -> None:
    assert (await (await start_proxy(follow=False)).get("/x")).status == 404


@pytest.mark.parametrize(
    ("limits", "send", "status"),
    [
        ({"head_s": 0.1}, b"GET / HT", 408),
        ({"body_s": 0.1}, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab", 408),
        ({"response_s": 0.1}, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", 504),
    ],
)
async def test_nobody_is_waited_for_without_end(
    start_proxy: StartProxy, start_server: StartServer, limits: dict[str, float], send: bytes, status: int
) -> None:
    async def never(request: Request) -> bool:
        await asyncio.Event().wait()
        return False

    server = await start_server(never)
    proxy = await start_proxy(limits, hubs=(server.url,), follow=False)
    client = await proxy.client()
    client.send(send)
    assert (await client.answer("POST")).status == status
    if status == 408:
        assert await client.rest() == b""
    client.abort()


async def test_an_idle_connection_is_ended(start_proxy: StartProxy, hub: FakeHub) -> None:
    proxy = await start_proxy({"idle_s": 0.1, "head_s": 30}, hubs=(hub.url,), follow=False)
    client = await proxy.client()
    await client.ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert await client.rest() == b""
    client.writer.close()


async def test_a_reader_that_takes_nothing_is_dropped(start_proxy: StartProxy, start_server: StartServer) -> None:
    async def large(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * MIB))
        await sent_until_stuck(request.writer, 100 * MIB)
        await asyncio.Event().wait()
        return False

    server = await start_server(large)
    proxy = await start_proxy({"send_s": 0.2}, hubs=(server.url,), follow=False)
    client = await proxy.client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    await until(lambda: proxy.worker.stats.timeouts == 1)
    await until(lambda: not proxy.worker.door.connections)
    await until(lambda: proxy.worker.upstreams.open_count == 0)
    client.abort()


async def test_too_many_connections_are_told_so(start_proxy: StartProxy, hub: FakeHub) -> None:
    proxy = await start_proxy({"max_connections": 3}, hubs=(hub.url,), follow=False)
    clients = [await proxy.client() for _ in range(3)]
    await until(lambda: len(proxy.worker.door.connections) == 3)
    turned_away: Client = await proxy.client()
    answer = await turned_away.answer()
    assert answer.status == 503
    assert answer.header("retry-after") is not None
    for client in clients:
        client.abort()
    turned_away.abort()
    await until(lambda: not proxy.worker.door.connections)
    assert (await proxy.get("/")).status == 200


async def test_pipelining_without_reading_holds_little(proxy: Proxy, start_server: StartServer) -> None:
    async def medium(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB + b"x" * MIB)
        return True

    server = await start_server(medium)
    proxy.route("/", server.url)
    client = await proxy.client()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send((b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") * 1000)
    await until(lambda: server.requests)
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(server.requests) < 50, "requests are not begun while their answers cannot leave"
    client.abort()
