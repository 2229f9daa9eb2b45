"""WebSockets and any other upgrade: bytes both ways."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from .harness import Proxy, StartProxy, StartServer
from .raw_http import Client, Request, closed_port, reset, until

UPGRADE = b"GET /t/ HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"
MIB = 1024 * 1024


@pytest.fixture
async def websocket(proxy: Proxy) -> AsyncIterator[Proxy]:
    """The proxy, with a WebSocket server that echoes at /user/alice/."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=0.05, ping_timeout=None) as server:
        proxy.route("/user/alice/", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield proxy


async def test_a_websocket_echoes_small_and_large(websocket: Proxy) -> None:
    async with connect(f"ws://127.0.0.1:{websocket.port}/user/alice/ws", max_size=None, compression=None) as connection:
        messages: list[str | bytes] = ["hello", "", "é" * 1000, os.urandom(5 * MIB), b"x"]
        for message in messages:
            await connection.send(message)
            assert await connection.recv() == message
        assert websocket.worker.stats.tunnels_opened == 1
        assert len(websocket.worker.door.tunnels) == 1
    await until(lambda: not websocket.worker.door.tunnels)
    assert websocket.worker.upstreams.open_count == 0


async def test_only_a_person_counts_as_activity_not_a_page_that_answers_pings(websocket: Proxy) -> None:
    entry = websocket.worker.book.table.get("/user/alice/")
    assert entry is not None
    async with connect(f"ws://127.0.0.1:{websocket.port}/user/alice/ws") as connection:
        assert entry.last > 0
        entry.last = 0.0
        tunnel = next(iter(websocket.worker.door.tunnels))
        tunnel.due = 0.0
        await until(lambda: tunnel.due > 0, "the server's pings keep the tunnel open")
        await connection.ping()
        assert entry.last == 0.0
        await connection.send("somebody")
        await connection.recv()
        assert entry.last > 0


async def test_a_server_that_goes_takes_its_websockets_with_it(websocket: Proxy) -> None:
    async with connect(f"ws://127.0.0.1:{websocket.port}/user/alice/ws") as connection:
        next(iter(websocket.worker.door.tunnels)).server.transport.abort()
        with pytest.raises(ConnectionClosed):
            await connection.recv()
    await until(lambda: not websocket.worker.door.tunnels)


async def echo(request: Request) -> bool:
    """Switches protocols and sends back what comes, until the client ends; then one last word."""
    assert request.all("upgrade") == ["echo/1"]
    request.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\nfirst")
    while data := await request.reader.read(65536):
        request.writer.write(data)
        await request.writer.drain()
    request.writer.write(b"last")
    return False


async def test_any_upgrade_is_relayed_and_either_side_may_end_first(proxy: Proxy, start_server: StartServer) -> None:
    proxy.route("/t/", (await start_server(echo)).url)
    client = await proxy.client()
    client.send(UPGRADE + b"early")  # some clients do not wait for the answer
    async with asyncio.timeout(5):
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await client.reader.readexactly(10) == b"firstearly"
    client.send(b"\0\xff" * 5)
    client.writer.write_eof()
    assert await client.rest() == b"\0\xff" * 5 + b"last"
    await until(lambda: not proxy.worker.door.tunnels)
    client.writer.close()


async def test_an_upgrade_that_is_refused_leaves_an_ordinary_connection(proxy: Proxy, start_server: StartServer) -> None:
    async def refuse(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        return True

    server = await start_server(refuse)
    proxy.route("/t/", server.url)
    client = await proxy.client()
    for _ in range(3):
        answer = await client.ask(UPGRADE)
        assert (answer.status, answer.body) == (403, b"no")
    assert server.connections == 1
    assert proxy.worker.stats.tunnels_opened == 0
    client.abort()


async def test_an_upgrade_to_a_server_that_is_gone_leaves_nothing(proxy: Proxy) -> None:
    proxy.route("/t/", f"http://127.0.0.1:{closed_port()}")
    for _ in range(20):
        client = await proxy.client()
        assert (await client.ask(UPGRADE)).status == 503
        client.abort()
    await until(lambda: not proxy.worker.door.connections)
    assert proxy.worker.upstreams.open_count == 0
    assert not proxy.worker.door.tunnels


async def test_abandoned_tunnels_leave_nothing(proxy: Proxy, start_server: StartServer) -> None:
    server = await start_server(echo)
    proxy.route("/t/", server.url)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    for round_ in range(60):
        client = await proxy.client()
        client.send(UPGRADE)
        if round_ % 3:
            await client.reader.readexactly(12)
        (reset(client.writer) if round_ % 2 else client.abort())
    await until(lambda: not proxy.worker.door.tunnels and not proxy.worker.door.connections and server.open == 0)
    await until(lambda: proxy.worker.upstreams.open_count == 0)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)  # noqa: PTH208


async def test_a_side_that_never_ends_is_ended(start_proxy: StartProxy, start_server: StartServer) -> None:
    async def deaf(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n")
        await asyncio.Event().wait()
        return False

    server = await start_server(deaf)
    proxy = await start_proxy({"half_close_s": 0.1, "tunnel_idle_s": 600}, follow=False, hubs=(server.url,))
    client = await proxy.client()
    client.send(UPGRADE)
    await client.reader.readuntil(b"\r\n\r\n")
    client.writer.write_eof()
    await until(lambda: not proxy.worker.door.tunnels)
    client.abort()


async def test_a_tunnel_nobody_uses_is_ended(start_proxy: StartProxy, start_server: StartServer) -> None:
    server = await start_server(echo)
    proxy = await start_proxy({"tunnel_idle_s": 0.1}, follow=False, hubs=(server.url,))
    client = await proxy.client()
    client.send(UPGRADE)
    assert (await client.rest()).endswith(b"first")
    assert not proxy.worker.door.tunnels
    client.writer.close()


@pytest.mark.parametrize("slow", ["client", "server"])
async def test_a_slow_side_makes_the_other_wait(proxy: Proxy, start_server: StartServer, slow: str) -> None:
    async def pour(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n")
        if slow == "server":
            request.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()
        sent.set_result(await poured(request.writer))
        return False

    sent: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    proxy.route("/t/", (await start_server(pour)).url)
    client: Client = await proxy.client()
    client.send(UPGRADE)
    await client.reader.readuntil(b"\r\n\r\n")
    if slow == "client":
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        amount = await sent
    else:
        amount = await poured(client.writer)
    assert amount < 40 * MIB
    tunnel = next(iter(proxy.worker.door.tunnels), None)
    if tunnel is not None:
        assert tunnel.client.transport.get_write_buffer_size() + tunnel.server.transport.get_write_buffer_size() < MIB
    client.abort()


async def poured(writer: asyncio.StreamWriter) -> int:
    """How much the other side takes while it does not read, up to 200 MiB."""
    sent = 0
    try:
        while sent < 200 * MIB:
            writer.write(b"x" * MIB)
            sent += MIB
            async with asyncio.timeout(0.5):
                await writer.drain()
    except TimeoutError:
        pass
    return sent
