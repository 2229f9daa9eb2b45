"""TLS at the door and behind it."""

import asyncio
import gc
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from perijove.proxy.arrivals import Arrival
from perijove.proxy.driver import ClientConnection
from perijove.proxy.tunnel import End, Tunnel

from .certificates import tls_client, write_certificate
from .harness import StartProxy, StartServer
from .raw_http import Request, until


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Paths of a certificate for localhost and its key."""
    return write_certificate(tmp_path, "test")


async def test_websockets_by_tls_to_a_server_by_tls(start_proxy: StartProxy, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(cert, key)

    async def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.headers["X-Forwarded-Proto"])
        async for message in connection:
            await connection.send(message)

    proxy = await start_proxy(follow=False, tls_cert=cert, tls_key=key, upstream_ca=cert)
    async with serve(echo, "localhost", 0, ssl=inside, max_size=None) as server:
        proxy.route("/user/alice/", f"https://localhost:{server.sockets[0].getsockname()[1]}")
        outside = ssl.create_default_context(cafile=cert)
        async with connect(f"wss://localhost:{proxy.port}/user/alice/", ssl=outside, host="127.0.0.1", max_size=None) as connection:
            assert await connection.recv() == "https"
            await connection.send(b"x" * 3_000_000)
            assert await connection.recv() == b"x" * 3_000_000
        await until(lambda: not proxy.worker.door.tunnels)


async def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(start_proxy: StartProxy, certificate: tuple[str, str]) -> None:
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*certificate)
    reached = False

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached = bool(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(served, "localhost", 0, ssl=inside)
    proxy = await start_proxy(follow=False)
    proxy.route("/user/alice/", f"https://localhost:{server.sockets[0].getsockname()[1]}")
    assert (await proxy.get("/user/alice/")).status == 503
    assert not reached
    server.close()


async def test_a_server_that_never_shakes_hands_is_given_up_in_time(start_proxy: StartProxy) -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        ended.set()
        writer.close()

    server = await asyncio.start_server(silent, "localhost", 0)
    proxy = await start_proxy({"connect_s": 0.2}, follow=False)
    proxy.route("/user/alice/", f"https://localhost:{server.sockets[0].getsockname()[1]}")
    assert (await proxy.get("/user/alice/")).status == 504
    async with asyncio.timeout(10):
        await ended.wait()
    server.close()


@pytest.mark.parametrize("shown", [True, False])
async def test_the_proxy_shows_its_own_certificate_to_servers_that_ask(
    start_proxy: StartProxy, certificate: tuple[str, str], tmp_path: Path, shown: bool
) -> None:
    ours = write_certificate(tmp_path, "proxy")
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*certificate)
    inside.load_verify_locations(ours[0])
    inside.verify_mode = ssl.CERT_REQUIRED

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(served, "localhost", 0, ssl=inside)
    # The server's name is not checked either without `upstream_verify`: here it is reached by its address.
    credentials = {"upstream_cert": ours[0], "upstream_key": ours[1]} if shown else {}
    proxy = await start_proxy(follow=False, upstream_verify=False, **credentials)
    proxy.route("/user/alice/", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (await proxy.get("/user/alice/")).status == (200 if shown else 502)
    server.close()


async def test_a_certificate_of_another_name_is_not_enough(start_proxy: StartProxy, certificate: tuple[str, str]) -> None:
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*certificate)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0, ssl=inside)
    proxy = await start_proxy(follow=False, upstream_ca=certificate[0])
    proxy.route("/user/alice/", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (await proxy.get("/user/alice/")).status == 503
    server.close()


HSTS = "Strict-Transport-Security"


async def varied(request: Request) -> bool:
    """Answers in the ways that pass through the proxy by different paths."""
    answers = {
        "/user/a/plain": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "/user/a/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "/user/a/early": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "/user/a/theirs": b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=0\r\nContent-Length: 2\r\n\r\nhi",
        "/user/a/nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
        "/user/a/refused": b"rubbish\r\n\r\n",
    }
    request.writer.write(answers[request.target])
    return True


async def test_browsers_are_told_to_come_by_tls(start_proxy: StartProxy, start_server: StartServer, certificate: tuple[str, str]) -> None:
    server = await start_server(varied)
    proxy = await start_proxy(follow=False, tls_cert=certificate[0], tls_key=certificate[1], hsts_max_age_s=86_400, hsts_subdomains=True)
    proxy.route("/user/a/", server.url)
    client = await tls_client(proxy.port)
    for path, status in (("plain", 200), ("plain", 200), ("chunked", 200), ("early", 200), ("theirs", 200), ("nothing", 204), ("refused", 502)):
        answer = await client.ask(f"GET /user/a/{path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert (answer.status, answer.header(HSTS)) == (status, "max-age=86400; includeSubDomains")
        assert status != 200 or answer.body == b"hi"
    answer = await client.ask(b"GET /nowhere HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\n\r\n")
    assert (answer.status, answer.header(HSTS)) == (404, "max-age=86400; includeSubDomains")
    answer = await client.ask(b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n")
    assert (answer.status, answer.header(HSTS)) == (400, "max-age=86400; includeSubDomains")
    client.abort()
    plain = await start_proxy(follow=False, hsts_max_age_s=1)
    plain.route("/user/a/", server.url)
    assert (await plain.get("/user/a/plain")).header(HSTS) is None, "not without TLS"


@pytest.fixture
def unswept() -> Iterator[None]:
    """The proxy hardly ever looks for garbage: what it is done with must go by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("unswept")
async def test_nothing_of_a_connection_stays_when_it_is_gone(
    start_proxy: StartProxy, start_server: StartServer, certificate: tuple[str, str]
) -> None:
    async def switch(request: Request) -> bool:
        if request.all("upgrade"):
            request.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            await request.reader.read(1)
            return False
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        return True

    server = await start_server(switch)
    proxy = await start_proxy(follow=False, tls_cert=certificate[0], tls_key=certificate[1])
    proxy.route("/user/a/", server.url)
    for upgrade in ("Upgrade: websocket\r\nConnection: Upgrade\r\n", ""):
        client = await tls_client(proxy.port)
        client.send(f"GET /user/a/ HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n".encode())
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101" if upgrade else b"HTTP/1.1 200")
        client.abort()
    await until(lambda: not proxy.worker.door.connections and not proxy.worker.door.tunnels)
    await until(lambda: not [item for item in gc.get_objects() if isinstance(item, ClientConnection | Tunnel | End | Arrival)])


@pytest.mark.parametrize("host", [".", "x" * 300])
async def test_a_server_whose_name_cannot_be_one_is_not_reached(start_proxy: StartProxy, host: str) -> None:
    proxy = await start_proxy(follow=False)
    with suppress(ValueError):
        proxy.route("/user/a/", f"https://{host}:1/")
    assert (await proxy.get("/user/a/")).status in {404, 503}


async def test_large_answers_of_a_server_by_tls_come_through_its_kept_connection(start_proxy: StartProxy, certificate: tuple[str, str]) -> None:
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*certificate)
    connections = 0
    body = bytes(range(256)) * 20_000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                got = await reader.readexactly(len(body))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got) + got)
        writer.close()

    server = await asyncio.start_server(echo, "localhost", 0, ssl=inside)
    proxy = await start_proxy(follow=False, upstream_ca=certificate[0])
    proxy.route("/user/alice/", f"https://localhost:{server.sockets[0].getsockname()[1]}")
    client = await proxy.client()
    for _ in range(3):
        answer = await client.ask(b"POST /user/alice/ HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert answer.body == body
    assert connections == 1
    client.abort()
    server.close()
