"""Who comes in, behind a load balancer and without: the PROXY protocol, and how many of one address."""

import asyncio
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from perijove.proxy.proxyprotocol import SIGNATURE

from .certificates import make_certificate
from .harness import Proxy, StartProxy, StartServer
from .raw_http import Client, Server, reset, until

LINE = b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 443\r\n"
BINARY = SIGNATURE + b"\x21\x11\x00\x0f" + bytes([192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2]) + b"\x04\x00\x00"
GET = b"GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
BALANCED = {"follow": False, "proxy_protocol": True, "trusted_proxies": ("127.0.0.1/32",)}
"""A load balancer on this machine."""


@pytest.fixture
async def hub(start_server: StartServer) -> Server:
    """One that tells what it was asked."""
    return await start_server()


@pytest.fixture
async def balanced(start_proxy: StartProxy, hub: Server) -> Proxy:
    return await start_proxy(hubs=(hub.url,), **BALANCED)


def seen(hub: Server, name: str) -> list[str]:
    return hub.requests[-1].all(name)


async def turned_away(client: Client) -> None:
    assert await client.rest() == b""
    client.abort()


@pytest.mark.parametrize("preamble", [LINE, BINARY])
@pytest.mark.parametrize("pieces", [1, 3, 10_000])
async def test_the_hub_hears_of_the_client_that_the_load_balancer_named(balanced: Proxy, hub: Server, preamble: bytes, pieces: int) -> None:
    client = await balanced.client()
    data = preamble + GET
    step = -(-len(data) // pieces)
    for at in range(0, len(data), step):
        client.send(data[at : at + step])
        await asyncio.sleep(0)
    assert (await client.answer()).status == 200
    assert (seen(hub, "X-Forwarded-For"), seen(hub, "X-Real-IP")) == (["192.0.2.7"], ["192.0.2.7"])
    assert (await client.ask(GET)).status == 200, "there is one preamble for a connection, not for each request"
    client.abort()
    await until(lambda: not balanced.worker.door.connections)


@pytest.mark.parametrize(("preamble", "believed"), [(SIGNATURE + b"\x20\x00\x00\x00", True), (b"PROXY UNKNOWN\r\n", False)])
async def test_only_a_load_balancer_that_speaks_for_itself_is_believed(balanced: Proxy, hub: Server, preamble: bytes, believed: bool) -> None:
    client = await balanced.client()
    client.send(preamble + GET)
    assert (await client.answer()).status == 200
    assert seen(hub, "X-Real-IP") == ["6.6.6.6" if believed else "127.0.0.1"]
    client.abort()


async def test_a_client_that_came_to_the_load_balancer_by_tls_came_by_https(balanced: Proxy, hub: Server) -> None:
    body = BINARY[16:28] + b"\x20\x00\x05\x01\x00\x00\x00\x00"
    for preamble, proto in ((SIGNATURE + b"\x21\x11\x00\x14" + body, "https"), (BINARY, "http")):
        client = await balanced.client()
        client.send(preamble + GET)
        assert (await client.answer()).status == 200
        assert seen(hub, "X-Forwarded-Proto") == [proto]
        client.abort()


@pytest.mark.parametrize("data", [GET, b"PROXY NONSENSE\r\n" + GET, b"PROXY UNKNOWN ".ljust(200)])
async def test_without_a_proper_preamble_nobody_comes_in(balanced: Proxy, hub: Server, data: bytes) -> None:
    client = await balanced.client()
    client.send(data)
    await turned_away(client)
    assert balanced.worker.stats.refused_preamble == 1
    assert not hub.requests


async def test_nobody_but_a_trusted_load_balancer_may_name_clients(start_proxy: StartProxy, hub: Server) -> None:
    proxy = await start_proxy(hubs=(hub.url,), **BALANCED | {"trusted_proxies": ("192.0.2.0/24",)})
    client = await proxy.client()
    client.send(LINE + GET)
    await turned_away(client)
    assert proxy.worker.stats.refused_preamble == 1
    assert not hub.requests


async def test_a_preamble_that_does_not_come_is_not_waited_for(start_proxy: StartProxy, hub: Server) -> None:
    proxy = await start_proxy({"head_s": 0.01}, hubs=(hub.url,), **BALANCED)
    client = await proxy.client()
    client.send(LINE[:10])
    await turned_away(client)
    assert proxy.worker.stats.timeouts == 1
    assert not proxy.worker.door.connections


async def test_without_trusted_proxies_the_proxy_protocol_cannot_be_used(start_proxy: StartProxy) -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        await start_proxy(**BALANCED | {"trusted_proxies": ()})


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    for path, content in zip(paths, make_certificate("test"), strict=True):
        path.write_bytes(content)
    return str(paths[0]), str(paths[1])


@pytest.fixture
async def secure(start_proxy: StartProxy, hub: Server, certificate: tuple[str, str]) -> Proxy:
    return await start_proxy(hubs=(hub.url,), tls_cert=certificate[0], tls_key=certificate[1], **BALANCED)


class TlsClient:
    """TLS over a connection whose bytes the test sends itself, so that a preamble and a handshake can share a packet."""

    def __init__(self, client: Client, cafile: str) -> None:
        self.client = client
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = ssl.create_default_context(cafile=cafile).wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def shake_hands(self, before: bytes, together: bool, after: bytes = b"") -> None:
        if not together:
            self.client.send(before)
            before = b""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.client.send(before + self.outgoing.read())
                before = b""
                await self._more()
            else:
                break
        self.tls.write(after)
        self.client.send(self.outgoing.read())

    async def _more(self) -> None:
        data = await self.client.reader.read(65536)
        if not data:
            self.incoming.write_eof()
        self.incoming.write(data)

    async def read(self) -> bytes:
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self._more()


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("preamble", [LINE, BINARY])
async def test_tls_begins_after_the_preamble(secure: Proxy, hub: Server, certificate: tuple[str, str], preamble: bytes, together: bool) -> None:
    tls = TlsClient(await secure.client(), certificate[0])
    # With the request in the handshake's last flight, which is the common case with TLS 1.3.
    await tls.shake_hands(preamble, together, GET)
    async with asyncio.timeout(10):
        assert (await tls.read()).startswith(b"HTTP/1.1 200")
    assert (seen(hub, "X-Forwarded-For"), seen(hub, "X-Forwarded-Proto")) == (["192.0.2.7"], ["https"])
    tls.client.abort()
    await until(lambda: not secure.worker.door.connections)


@pytest.mark.parametrize("data", [LINE + GET, LINE + b"\x16\x03\x01\x00", LINE])
async def test_a_handshake_that_fails_leaves_nothing_behind(secure: Proxy, data: bytes) -> None:
    client = await secure.client()
    client.send(data)
    if data.startswith(LINE + b"GET"):
        await client.rest()
        client.abort()
    else:
        await until(lambda: secure.worker.stats.accepted)
        reset(client.writer)
    await until(lambda: not secure.worker.door.connections)
    assert not secure.worker.door.crowding.counts


async def test_the_end_of_a_worker_ends_handshakes_too(secure: Proxy) -> None:
    client = await secure.client()
    client.send(LINE + b"\x16\x03\x01\x00")
    await until(lambda: secure.worker.door.connections)
    await secure.worker.aclose()
    await turned_away(client)


async def test_who_never_shakes_hands_counts_and_is_not_waited_for(start_proxy: StartProxy, certificate: tuple[str, str]) -> None:
    limits = {"max_connections_per_address": 1, "head_s": 0.01}
    proxy = await start_proxy(limits, follow=False, tls_cert=certificate[0], tls_key=certificate[1])
    silent, beyond = await proxy.client(), await proxy.client()
    await turned_away(beyond)
    assert proxy.worker.stats.shed_address == 1, "the second was turned away before it cost a handshake"
    await turned_away(silent)
    assert proxy.worker.stats.timeouts == 1
    assert not proxy.worker.door.crowding.counts


# How many of one address.


async def test_beyond_its_room_an_address_is_told_so_and_others_are_served(start_proxy: StartProxy, hub: Server) -> None:
    proxy = await start_proxy({"max_connections_per_address": 2}, hubs=(hub.url,), **BALANCED)
    inside = [await proxy.client() for _ in range(2)]
    for client in inside:
        assert (await client.ask(LINE + GET)).status == 200
    outside = await proxy.client()
    refusal = await outside.ask(LINE + GET)
    assert (refusal.status, refusal.header("Retry-After")) == (429, "10")
    other = await proxy.client()
    assert (await other.ask(LINE.replace(b"192.0.2.7", b"192.0.2.8") + GET)).status == 200
    assert proxy.worker.stats.shed_address == 1
    inside.pop().abort()
    outside.abort()
    await until(lambda: len(proxy.worker.door.connections) == 2)
    again = await proxy.client()
    assert (await again.ask(LINE + GET)).status == 200
    for client in (*inside, other, again):
        client.abort()
    await until(lambda: not proxy.worker.door.connections)
    assert not proxy.worker.door.crowding.counts


async def test_a_load_balancer_itself_is_not_counted(start_proxy: StartProxy, hub: Server) -> None:
    proxy = await start_proxy({"max_connections_per_address": 1}, hubs=(hub.url,), follow=False, trusted_proxies=("127.0.0.1/32",))
    clients = [await proxy.client() for _ in range(3)]
    for client in clients:
        assert (await client.ask(GET)).status == 200
        client.abort()


async def test_nothing_stays_counted_whatever_ends_a_connection(start_proxy: StartProxy, start_server: StartServer, hub: Server) -> None:
    proxy = await start_proxy({"max_connections_per_address": 100, "head_s": 0.01}, hubs=(hub.url,), follow=False)
    counts = proxy.worker.door.crowding.counts

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        proxy.route("/user/ada/", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        tunnels = [await connect(f"ws://127.0.0.1:{proxy.port}/user/ada/") for _ in range(3)]
        assert counts == {"127.0.0.1": 3}, "upgraded connections count"
        silent, broken, refused, ended = [await proxy.client() for _ in range(4)]
        assert (await ended.ask(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).status == 200
        assert (await refused.ask(b"GET /x HTTP/1.1\r\n\r\n")).status == 400
        broken.send(GET[:20])
        await tunnels[0].close()
        reset(broken.writer)
        tunnels[1].transport.abort()
        server.close(close_connections=True)
        await tunnels[2].wait_closed()
        refused.abort()
        ended.abort()
        await turned_away(silent)
        await until(lambda: not counts)


async def test_of_far_too_many_most_are_closed_without_a_word(start_proxy: StartProxy, hub: Server) -> None:
    proxy = await start_proxy({"max_connections_per_address": 1, "linger_s": 100.0}, hubs=(hub.url,), follow=False)
    clients = [await proxy.client() for _ in range(60)]
    await until(lambda: proxy.worker.stats.shed_address == 59)
    await until(lambda: len(proxy.worker.door.connections) < 40)
    for client in clients:
        client.abort()
    await until(lambda: not proxy.worker.door.connections)
    assert not proxy.worker.door.crowding.counts
