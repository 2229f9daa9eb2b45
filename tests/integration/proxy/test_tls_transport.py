"""TLS to clients, byte by byte: pieces, slow sides, endings, rubbish."""

import asyncio
import hashlib
import socket
import ssl
from pathlib import Path

import pytest

from perijove.proxy import tlstransport

from .certificates import careless, tls_client, write_certificate
from .harness import Proxy, StartProxy, StartServer
from .raw_http import Client, Request, Server, hello, reset, until

GET = b"GET /user/a/ HTTP/1.1\r\nHost: h\r\n\r\n"
BLOCK = bytes(range(256)) * 4096
MANY = 48


@pytest.fixture
async def secure(start_proxy: StartProxy, tmp_path: Path) -> Proxy:
    cert, key = write_certificate(tmp_path, "a")
    return await start_proxy(follow=False, tls_cert=cert, tls_key=key)


async def serving(proxy: Proxy, start_server: StartServer, handler: object = hello, **more: bool) -> Server:
    server = await start_server(handler, **more)
    proxy.route("/user/a/", server.url)
    return server


class Bytes:
    """A client whose every byte of TLS the test sends itself."""

    def __init__(self, raw: Client) -> None:
        self.raw = raw
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = careless().wrap_bio(self.incoming, self.outgoing)

    async def step(self, size: int) -> None:
        """Send what there is, in pieces of `size`, then wait for something."""
        data = self.outgoing.read()
        for at in range(0, len(data), size):
            self.raw.send(data[at : at + size])
            await asyncio.sleep(0)
        self.incoming.write(await asyncio.wait_for(self.raw.reader.read(65536), 10))

    async def shake_hands(self, size: int = 65536) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.step(size)
            else:
                return

    async def read(self, size: int = 65536) -> bytes:
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self.step(size)


async def test_pieces_of_any_size_are_understood(secure: Proxy, start_server: StartServer) -> None:
    await serving(secure, start_server)
    for size in (1, 7, 65536):
        client = Bytes(await secure.client())
        await client.shake_hands(size)
        client.tls.write(GET[:10])
        client.tls.write(GET[10:])
        assert (await client.read(size)).startswith(b"HTTP/1.1 200")
        client.tls.write(GET)
        assert (await client.read(size)).startswith(b"HTTP/1.1 200")
        client.raw.abort()


async def test_large_bodies_arrive_whole_both_ways(secure: Proxy, start_server: StartServer) -> None:
    async def echo(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body) + request.body)
        return True

    await serving(secure, start_server, echo)
    client = await tls_client(secure.port)
    body = BLOCK * 20
    answer = await client.ask(b"POST /user/a/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
    client.abort()


async def test_who_does_not_read_makes_the_server_wait(secure: Proxy, start_server: StartServer) -> None:
    sent = 0

    async def large(request: Request) -> bool:
        nonlocal sent
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MANY * len(BLOCK)))
        for _ in range(MANY):
            request.writer.write(BLOCK)
            await request.writer.drain()
            sent += 1
        return True

    await serving(secure, start_server, large)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", secure.port))
    reader, writer = await asyncio.open_connection(sock=raw, ssl=careless(), server_hostname="h", limit=65536)
    writer.write(GET)
    await until(lambda: any(not up.transport.is_reading() for up in secure.worker.upstreams.connections()))
    assert sent < MANY
    (client,) = secure.worker.door.connections
    assert client.transport.get_write_buffer_size() < 2 * len(BLOCK)  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        seen = hashlib.sha256()
        left = MANY * len(BLOCK)
        while left:
            data = await reader.read(left)
            assert data, "the answer broke off"
            seen.update(data)
            left -= len(data)
    assert seen.digest() == hashlib.sha256(BLOCK * MANY).digest()
    writer.transport.abort()


async def test_a_server_that_does_not_read_makes_the_client_wait(secure: Proxy, start_server: StartServer) -> None:
    go_on = asyncio.Event()

    async def patient(request: Request) -> bool:
        await go_on.wait()
        await request.reader.readexactly(MANY * len(BLOCK))
        return await hello(request)

    await serving(secure, start_server, patient, read_body=False)
    client = await tls_client(secure.port)
    client.send(b"POST /user/a/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (MANY * len(BLOCK)) + BLOCK * MANY)
    await until(lambda: any(getattr(one, "waiting", False) for one in secure.worker.door.connections))
    go_on.set()
    assert (await client.answer("POST")).status == 200
    client.abort()


async def test_who_is_refused_while_still_sending_can_read_why(secure: Proxy) -> None:
    client = await tls_client(secure.port)
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nHost: i\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
    assert (await client.answer("POST")).status == 400
    assert await client.rest() == b"", "TLS ended in good order"
    client.abort()
    await until(lambda: not secure.worker.door.connections)


async def test_an_end_in_good_order_is_answered_with_one(secure: Proxy, start_server: StartServer) -> None:
    await serving(secure, start_server)
    client = Bytes(await secure.client())
    await client.shake_hands()
    client.tls.write(GET)
    assert (await client.read()).startswith(b"HTTP/1.1 200")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    await client.step(65536)
    client.tls.unwrap()  # theirs has come
    assert await client.raw.rest() == b""
    client.raw.abort()
    await until(lambda: not secure.worker.door.connections)


async def test_who_stays_after_the_end_is_left(secure: Proxy, start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlstransport, "_LINGER_S", 0.01)
    await serving(secure, start_server)
    client = Bytes(await secure.client())
    await client.shake_hands()
    client.tls.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert (await client.read()).startswith(b"HTTP/1.1 200")
    assert await client.read() == b""
    await until(lambda: not secure.worker.door.connections)  # though the client does nothing
    client.raw.abort()


@pytest.mark.parametrize("when", ["at once", "in the handshake", "later"])
async def test_rubbish_ends_a_connection_and_leaves_nothing(secure: Proxy, when: str) -> None:
    client = Bytes(await secure.client())
    if when == "later":
        await client.shake_hands()
        client.raw.send(client.outgoing.read())
    elif when == "in the handshake":
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.do_handshake()
        await client.step(65536)
    client.raw.send(b"\x17\x03\x03\x00\x20" + b"rubbish!" * 4 if when != "at once" else b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.raw.rest()
    client.raw.abort()
    await until(lambda: not secure.worker.door.connections)
    assert not secure.worker.door.crowding.counts


async def test_a_reset_is_noticed(secure: Proxy, start_server: StartServer) -> None:
    began = asyncio.Event()

    async def endless(request: Request) -> bool:
        began.set()
        return not await request.reader.read(1)

    server = await serving(secure, start_server, endless)
    client = await tls_client(secure.port)
    client.send(GET)
    await began.wait()
    reset(client.writer)
    await until(lambda: not secure.worker.door.connections and not server.open)


@pytest.mark.parametrize("reads", [True, False])
async def test_the_rest_is_waited_for_as_long_as_it_becomes_less(
    secure: Proxy, start_server: StartServer, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    monkeypatch.setattr(tlstransport, "_LINGER_S", 0.01)
    monkeypatch.setattr(tlstransport, "_STUCK_S", 0.5 if reads else 0.05)
    large = BLOCK * 8

    async def once(request: Request) -> bool:
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(large) + large)
        return True

    await serving(secure, start_server, once)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", secure.port))
    reader, writer = await asyncio.open_connection(sock=raw, ssl=careless(), server_hostname="h", limit=4096)
    writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    if reads:
        seen = hashlib.sha256()
        while data := await reader.read(65536):
            seen.update(data)
        assert seen.digest() == hashlib.sha256(large).digest()
    else:
        secure.worker.door.drain(gently=False)
        (client,) = secure.worker.door.connections
        client.transport.close()  # type: ignore[attr-defined]
    await until(lambda: not secure.worker.door.connections)
    writer.transport.abort()
